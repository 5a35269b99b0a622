//! Doctyped: DocType definitions in YAML become tables, a REST API and admin forms, with OAuth 2 on top.

pub mod account;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod database;
pub mod desk;
pub mod document;
pub mod error;
pub mod meta;
pub mod oauth;
pub mod pace;
pub mod permissions;
pub mod reload;
pub mod rest;
pub mod secret;
pub mod web;
