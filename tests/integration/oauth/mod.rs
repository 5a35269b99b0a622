//! The authorization server and the resource server, over HTTP.

mod authorization_code;
mod bearer_rfc6750;
mod challenge;
mod cimd;
mod client;
mod client_assertion_rfc7523;
mod consent;
mod crash;
mod described_program;
mod device_rfc8628;
mod introspection_rfc7662;
mod management_rfc7592;
mod mcp_client;
mod metadata_rfc8414;
mod never;
mod oauth2_crate;
mod programs_with_access;
mod races;
mod refresh;
mod registration_rfc7591;
mod replay_guard;
mod revocation_rfc7009;
mod signing_keys;
pub mod support;
mod token_in_form;
mod unused_clients;
mod userinfo;
