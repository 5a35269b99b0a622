#![doc = include_str!("README.md")]

mod account;
mod app;
pub mod cli;
mod clock;
mod config;
mod data_import;
mod database;
mod desk;
mod document;
mod error;
mod files;
mod foreign;
mod jobs;
mod language;
mod mail;
mod mcp;
mod meta;
mod metrics;
mod oauth;
mod outgoing;
mod pace;
mod permissions;
mod reload;
mod rest;
mod secret;
mod spreadsheet;
#[doc(hidden)]
pub mod testing;
mod traces;
mod web;
mod webhook;
