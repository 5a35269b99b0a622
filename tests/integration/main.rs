//! Every test that goes through the public surface, in one binary.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "tests fail loudly")]
#![allow(unreachable_pub, reason = "a test binary is all one crate; `pub` says what other files use")]

mod api_key;
mod api_limit;
mod backup;
mod book;
mod browser;
mod bucket;
mod config;
mod corpus;
mod data_import;
mod desk;
mod doors;
mod encrypted_backup;
mod engine;
mod errors;
mod errors_table;
mod every_operation;
mod files;
mod health;
mod import_frappe;
mod init;
mod jobs;
mod key_rotation;
mod limits;
mod lockout;
mod login;
mod mcp;
mod methods;
mod metrics;
mod nodes;
mod oauth;
mod oauth_client;
mod openapi;
mod own_page;
mod reload;
mod replicas;
mod resource;
mod secrets;
mod session_cookie;
mod storage;
mod support;
mod tidy;
mod tls;
mod traces;
mod upgrade;
