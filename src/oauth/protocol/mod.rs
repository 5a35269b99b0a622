//! The rules of the RFCs as functions and types: no network, no database, no clock.
//!
//! Whoever builds an endpoint parses its input with [`Parameters`], asks the module named after the subject, and turns
//! the typed answer (or the [`Error`]) into HTTP. Time is always an argument; randomness comes from [`crate::secret`].

pub(crate) mod authorize;
pub(crate) mod client;
pub(crate) mod error;
pub(crate) mod jose;
pub(crate) mod request;
pub(crate) mod serve;
pub(crate) mod token;

pub(crate) use error::{AuthorizeError, Error, ErrorCode, Result};
pub(crate) use request::Parameters;
pub(crate) use serve::scope::{Scope, ScopeSet};
