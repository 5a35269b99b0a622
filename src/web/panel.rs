//! [`Panels`]: what a feature adds to the desk's forms of a DocType: addresses to copy, examples, values to begin with.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::Serialize;

use crate::error::Result;
use crate::meta::Document;
use crate::permissions::Session;
use crate::web::site::Site;

/// A panel beside a form.
#[derive(Clone, Debug, Default)]
pub struct Panel {
    /// The heading.
    pub title: String,
    /// A help text; `code` in backticks.
    pub help: String,
    /// Labels with values to copy.
    pub values: Vec<(String, String)>,
    /// Headings with longer texts to copy, such as commands.
    pub examples: Vec<(String, String)>,
    /// It stands below the form, where long lines have room, and not beside it.
    pub is_wide: bool,
    /// Labels with addresses to go to.
    pub links: Vec<(String, String)>,
}

/// What choosing an option fills into fields that are empty. The controller does the same on saving.
#[derive(Clone, Debug, Serialize)]
pub struct Presets {
    /// The field with the options.
    pub field: &'static str,
    /// Fieldnames and values, by option.
    pub options: BTreeMap<&'static str, BTreeMap<&'static str, &'static str>>,
}

/// What a new document may be begun as: a question with its answers.
#[derive(Clone, Copy, Debug)]
pub struct Beginnings {
    /// The question.
    pub question: &'static str,
    /// The answers.
    pub ways: &'static [Beginning],
}

/// An answer, and what it fills in.
#[derive(Clone, Copy, Debug)]
pub struct Beginning {
    /// Its name in addresses.
    pub name: &'static str,
    /// What it is.
    pub label: &'static str,
    /// When it is the right one.
    pub help: &'static str,
    /// Fieldnames and values.
    pub values: &'static [(&'static str, &'static str)],
}

/// Supplies panels for the forms of stored documents, and presets.
#[async_trait]
pub trait Panels: Send + Sync {
    /// The panels for this document, as far as this session may see them.
    async fn panels(&self, site: &Site, session: &Session, document: &Document) -> Result<Vec<Panel>>;

    /// The presets for the form.
    fn presets(&self) -> Option<Presets> {
        None
    }

    /// What a new document may be begun as.
    fn beginnings(&self) -> Option<Beginnings> {
        None
    }
}
