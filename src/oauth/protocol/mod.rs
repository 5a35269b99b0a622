//! The rules of the RFCs as functions and types: no network, no database, no clock.
//!
//! Whoever builds an endpoint parses its input with [`Parameters`], asks the module named after the subject, and turns
//! the typed answer (or the [`Error`]) into HTTP. Time is always an argument; randomness comes from [`crate::secret`].

pub mod access_token;
pub mod assertion;
pub mod authorization_request;
pub mod authorization_response;
pub mod certificate;
pub mod challenge;
pub mod cimd;
pub mod client_authentication;
pub mod client_members;
pub mod client_name;
pub mod code;
pub mod cors;
pub mod device;
pub mod distinguished_name;
pub mod dpop;
pub mod error;
pub mod id_token;
pub mod identity_assertion;
pub mod introspection;
pub mod jar;
pub mod jwk;
pub mod jwt;
pub mod logout;
pub mod metadata;
pub mod par;
pub mod pkce;
pub mod prompt;
pub mod redirect_uri;
pub mod refresh;
pub mod registration;
pub mod request;
pub mod resource;
pub mod scope;
pub mod scope_offer;
pub mod scope_rules;
pub mod token;
pub mod token_exchange;
pub mod userinfo;

pub use error::{AuthorizeError, Error, ErrorCode, Result};
pub use request::Parameters;
pub use scope::{Scope, ScopeSet};
