//! The grants: one file for each way to a token.

pub mod authorization_code;
pub mod client_credentials;
pub mod refresh_token;
