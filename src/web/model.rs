//! How the desk changes DocType files: what it may ask of whoever reads and writes them ([`crate::app`]).

use async_trait::async_trait;

use crate::error::Result;
use crate::meta::{DocType, Registry};
use crate::permissions::Session;
use crate::web::Site;

/// A DocType file, or the place of one that is not there yet.
#[derive(Clone, Debug)]
pub(crate) struct ModelFile {
    /// Its path.
    pub path: String,
    /// What it holds; `None` if there is no such file yet.
    pub text: Option<String>,
    /// It changes a DocType that another file defines.
    pub is_overlay: bool,
    /// The DocType as it is without the file, if that is an overlay.
    pub beneath: Option<std::sync::Arc<DocType>>,
    /// Why it cannot be written here; empty if it can.
    pub obstacle: String,
}

/// A change of one file.
#[derive(Clone, Debug)]
pub(crate) struct FileWish {
    /// The DocType that it is about.
    pub doctype: String,
    /// The file.
    pub path: String,
    /// What it held when the person looked; `None` if there was none.
    pub before: Option<String>,
    /// What it shall hold; `None` takes it away.
    pub after: Option<String>,
}

/// What a change would do.
pub(crate) struct Preview {
    /// What keeps it from being applied, a line each.
    pub problems: Vec<ModelProblem>,
    /// What is probably not meant, a line each.
    pub warnings: Vec<String>,
    /// How the tables change, a line each.
    pub plan: Vec<Step>,
    /// All DocTypes as they would be.
    pub registry: Registry,
}

/// A mistake, where a form can show it.
#[derive(Clone, Debug)]
pub(crate) struct ModelProblem {
    /// The field of the DocType that it is about.
    pub field: Option<String>,
    /// What is wrong and how to fix it.
    pub message: String,
}

/// A change of the tables.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// What it does, and to how many rows.
    pub text: String,
    /// It could lose data.
    pub is_risky: bool,
    /// It cannot be made.
    pub is_refused: bool,
}

/// Reads and writes DocType files.
#[async_trait]
pub(crate) trait Model: Send + Sync {
    /// The file into which changes of a DocType go: its own, or an overlay over what comes with the site.
    fn file_of(&self, site: &Site, doctype: &DocType) -> Result<ModelFile>;

    /// Where a new DocType's file would be.
    fn place_for(&self, site: &Site, module: &str, name: &str) -> Result<ModelFile>;

    /// What a change would do. Changes nothing.
    async fn preview(&self, site: &Site, wish: &FileWish) -> Result<Preview>;

    /// Writes the file and puts it in force, or leaves everything as it was. `agreed`: what it loses may be lost. `why` is
    /// kept with it in a Version.
    async fn apply(&self, site: &Site, session: &Session, wish: &FileWish, agreed: bool, why: &str) -> Result<()>;
}
