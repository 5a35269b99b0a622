//! What a site says of itself and what its scopes allow: metadata, challenges, CORS, scopes.

pub(crate) mod challenge;
pub(crate) mod cors;
pub(crate) mod metadata;
pub(crate) mod resource;
pub(crate) mod scope;
pub(crate) mod scope_offer;
pub(crate) mod scope_rules;
