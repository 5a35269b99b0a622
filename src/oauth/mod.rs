//! OAuth 2 and OpenID Connect in all three roles: authorization server, resource server, client.

pub mod credentials;
pub mod doctype;
pub mod protocol;
