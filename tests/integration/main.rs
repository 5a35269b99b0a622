//! Every test that goes through the public surface, in one binary.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "tests fail loudly")]

mod api_key;
mod config;
mod desk;
mod engine;
mod errors;
mod health;
mod login;
mod oauth;
mod reload;
mod support;
mod tidy;
