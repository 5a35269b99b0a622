//! The rules of the RFCs as functions and types: no network, no database, no clock.
//!
//! Whoever builds an endpoint parses its input with [`Parameters`], asks the module named after the subject, and turns
//! the typed answer (or the [`Error`]) into HTTP. Time is always an argument; randomness comes from [`crate::secret`].

pub mod access_token;
pub(crate) mod assertion;
pub(crate) mod authorization_request;
pub(crate) mod authorization_response;
pub(crate) mod certificate;
pub(crate) mod challenge;
pub(crate) mod cimd;
pub(crate) mod client_authentication;
pub mod client_members;
pub(crate) mod client_name;
pub(crate) mod code;
pub(crate) mod cors;
pub(crate) mod device;
pub(crate) mod distinguished_name;
pub(crate) mod dpop;
pub(crate) mod error;
pub(crate) mod id_token;
pub(crate) mod identity_assertion;
pub(crate) mod introspection;
pub(crate) mod jar;
pub(crate) mod jwk;
pub(crate) mod jwt;
pub(crate) mod logout;
pub(crate) mod metadata;
pub(crate) mod par;
pub(crate) mod pkce;
pub(crate) mod prompt;
pub(crate) mod redirect_uri;
pub(crate) mod refresh;
pub(crate) mod registration;
pub(crate) mod request;
pub(crate) mod resource;
pub(crate) mod scope;
pub(crate) mod scope_offer;
pub(crate) mod scope_rules;
pub(crate) mod token;
pub(crate) mod token_exchange;
pub(crate) mod userinfo;

pub(crate) use error::{AuthorizeError, Error, ErrorCode, Result};
pub(crate) use request::Parameters;
pub(crate) use scope::{Scope, ScopeSet};
