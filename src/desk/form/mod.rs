//! Forms: [`build::form_view`] makes the view, [`page`] answers requests, [`posted`] reads what comes back.

pub mod act;
pub mod activity;
mod attachments;
pub mod build;
mod compare;
pub mod control;
pub mod draft;
pub mod grid;
pub mod page;
pub mod posted;
mod problems;
pub mod view;

pub use build::{Access, FormInput, Place, carried, form_view};
