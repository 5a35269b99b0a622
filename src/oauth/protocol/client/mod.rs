//! What a client is: its metadata and how it is registered (RFC 7591), and how it proves who it is.

pub(crate) mod assertion;
pub(crate) mod certificate;
pub(crate) mod cimd;
pub(crate) mod client_authentication;
pub mod client_members;
pub(crate) mod client_name;
pub(crate) mod distinguished_name;
pub(crate) mod redirect_uri;
pub(crate) mod registration;
