//! Forms: [`build::form_view`] makes the view, [`page`] answers requests, [`posted`] reads what comes back.

pub(crate) mod access;
pub(crate) mod act;
pub(crate) mod activity;
mod attachments;
mod back;
mod beginning;
pub(crate) mod build;
mod buttons;
mod compare;
pub(crate) mod control;
pub(crate) mod draft;
mod editor;
mod example;
mod formulas;
pub(crate) mod grid;
mod merge;
mod modules;
pub(crate) mod page;
pub(crate) mod posted;
pub(crate) mod preview;
mod problems;
mod side;
pub(crate) mod view;

pub(crate) use build::{FormInput, Place, carried};
