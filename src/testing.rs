//! The parts of the engine that its tests, benches and fuzz targets call directly.
//! Everything else of the library is private: whoever links it gets the program, and no promise beyond that.
#![allow(missing_docs, reason = "each item is described where it stands")]

pub use crate::desk::help;
pub use crate::oauth::protocol::client::client_members;
pub use crate::oauth::protocol::token::access_token;

pub mod app {
    pub use crate::app::{App, Build};
}

pub mod assertion {
    pub use crate::oauth::protocol::client::assertion::sign;
}

pub mod certificate {
    pub use crate::oauth::protocol::client::certificate::thumbprint;
}

pub mod check {
    pub use crate::meta::check::idle_keys;
}

pub mod cimd {
    pub use crate::oauth::protocol::client::cimd::ClientIdUrl;
}

pub mod client_authentication {
    pub use crate::oauth::protocol::client::client_authentication::{ASSERTION_TYPE, basic_header};
}

pub mod client_certificates {
    pub use crate::config::client_certificates::{CertificateCheck, ClientCertificates};
}

pub mod clock {
    pub use crate::clock::{Clock, Zone, format_datetime};
}

pub mod config {
    pub use crate::config::{Config, Hidden, Settings};
}

pub mod csrf {
    pub use crate::web::csrf::token;
}

pub mod database {
    pub use crate::database::Executor;
}

pub mod docfield {
    pub use crate::meta::docfield::FIELD;
}

pub mod doctype {
    pub use crate::meta::doctype::{DOCTYPE, scrub};
}

pub mod document {
    pub use crate::document::work::Work;
    pub use crate::document::{Children, Documents, ListRequest};
}

pub mod dpop {
    pub use crate::oauth::protocol::token::dpop::{TYPE, sign};
}

pub mod error {
    pub use crate::error::{AuthenticationError, Conflict, Error, FieldProblem, Invalid, ProblemKind, Result};
    pub use crate::web::error::{describe, problems};
}

pub mod expression {
    pub use crate::meta::expression::{Expression, Scope};
    pub use crate::meta::formula::{Fit, Formula};
}

pub mod id_token {
    pub use crate::oauth::protocol::token::id_token::half_hash;
}

pub mod identity_assertion {
    pub use crate::oauth::protocol::token::identity_assertion::{PROFILE, TYPE};
}

pub mod jar {
    pub use crate::oauth::protocol::authorize::jar::TYPE;
}

pub mod jobs {
    pub use crate::document::queue::{NewJob, Queue};
    pub use crate::jobs::worker::{run, run_due, schedule_due};
    pub use crate::oauth::jobs::{forget_answers, remove_expired};
}

pub mod jwk {
    pub use crate::oauth::protocol::jose::jwk::{Jwk, JwkSet};
}

pub mod jwt {
    pub use crate::oauth::protocol::jose::jwt::{Algorithm, Claims, SigningKey, Unverified, Verified, sign_hs256};
}

pub mod keys {
    pub use crate::meta::keys::{Key, Kind, PERMISSION, table};
}

pub mod language {
    pub use crate::language::{Language, Pattern};
    pub use crate::web::localize::localize;
    pub use crate::web::templates::said;
}

pub mod load {
    pub use crate::meta::load::{Source, load};
}

pub mod meta {
    pub use crate::meta::{DocField, DocType, Fieldtype, Registry, Right, Value};
}

pub mod naming_rule {
    pub use crate::meta::naming_rule::NamingRule;
}

pub mod oauth_client {
    pub use crate::oauth::registration::oauth_client::digest_plain_secrets;
}

pub mod oauth_replay_guard {
    pub use crate::oauth::views::oauth_replay_guard::{Purpose, remember};
}

pub mod permissions {
    pub use crate::permissions::Session;
}

pub mod pkce {
    pub use crate::oauth::protocol::authorize::pkce::challenge_of;
}

pub mod registration {
    pub use crate::oauth::protocol::client::registration::{ClientMetadata, RegistrationPolicy};
}

pub mod reload {
    pub use crate::reload::{Reloaded, reload, watch};
}

pub mod request {
    pub use crate::oauth::protocol::request::GrantType;
}

pub mod scope {
    pub use crate::oauth::protocol::serve::scope::ScopeSet;
}

pub mod scope_offer {
    pub use crate::oauth::protocol::serve::scope_offer::Ceiling;
}

pub mod secret {
    pub use crate::secret::{PrivateKey, SigningAlgorithm, SiteKey, digest, random_id, random_name};
}

pub mod serve {
    pub use crate::web::serve::{Tls, serve};
}

pub mod session {
    pub use crate::web::session::Found;
}

pub mod signing_keys {
    pub use crate::oauth::signing_keys::SigningKeys;
}

pub mod subject {
    pub use crate::oauth::subject::subject_of;
}

pub mod token {
    pub use crate::oauth::protocol::token::kind::TokenKind;
}

pub mod token_cache {
    pub use crate::oauth::client::connected_app::token_cache::Connection;
}

pub mod token_exchange {
    pub use crate::oauth::protocol::token::token_exchange::ACCESS_TOKEN;
}

pub mod unused_clients {
    pub use crate::oauth::registration::unused_clients::remove_unused_clients;
}

pub mod web {
    pub use crate::web::{JobKind, Pipeline, RunningJob, Sessions, Site};
}
