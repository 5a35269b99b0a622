//! [`Panels`]: what a feature adds beside the desk's forms of a DocType, such as addresses to copy and examples.

use async_trait::async_trait;

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

/// Supplies panels for the forms of stored documents.
#[async_trait]
pub trait Panels: Send + Sync {
    /// The panels for this document, as far as this session may see them.
    async fn panels(&self, site: &Site, session: &Session, document: &Document) -> Result<Vec<Panel>>;
}
