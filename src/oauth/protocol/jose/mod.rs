//! Keys and signed tokens: JWK (RFC 7517) and JWT (RFC 7519).

pub(crate) mod jwk;
pub(crate) mod jwt;
