//! The way to a grant: the authorization endpoint and its pages, pushed requests (RFC 9126), signed requests (RFC 9101), device codes (RFC 8628), metadata (RFC 8414).

pub(crate) mod applications_with_access;
pub(crate) mod device_authorization;
pub(crate) mod interaction;
pub(crate) mod jwks;
pub(crate) mod metadata;
pub(crate) mod par;
pub(crate) mod request_object;
