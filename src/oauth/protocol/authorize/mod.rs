//! The way to a grant: authorization requests and answers, prompts, PKCE, device codes, the end of a session.

pub(crate) mod authorization_request;
pub(crate) mod authorization_response;
pub(crate) mod code;
pub(crate) mod device;
pub(crate) mod jar;
pub(crate) mod logout;
pub(crate) mod par;
pub(crate) mod pkce;
pub(crate) mod prompt;
