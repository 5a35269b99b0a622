//! What is issued and shown: tokens, ID tokens, proofs of possession, introspection, exchange.

pub mod access_token;
pub(crate) mod dpop;
pub(crate) mod id_token;
pub(crate) mod identity_assertion;
pub(crate) mod introspection;
pub(crate) mod kind;
pub(crate) mod refresh;
pub(crate) mod token_exchange;
pub(crate) mod userinfo;
