//! What tests stand on: a site of their own, within the process or as one of its own, and clients that speak to it.
#![allow(dead_code, reason = "the helpers are one vocabulary for all tests, whoever uses which word")]

pub mod client;
pub mod database;
pub mod process;
pub mod replicated;
pub mod site;
pub mod smtp;
pub mod way;
pub mod worker;

pub use client::Client;
pub use process::ServerProcess;
pub use site::{Node, PASSWORD, TestSite};
pub use smtp::MailServer;
