//! What tests stand on: a site of their own without a port, and clients that speak to it.
#![allow(dead_code, reason = "the helpers are one vocabulary for all tests, whoever uses which word")]

pub mod client;
pub mod database;
pub mod site;

pub use client::Client;
pub use site::{PASSWORD, TestSite};
