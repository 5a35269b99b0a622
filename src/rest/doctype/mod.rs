//! DocTypes with behaviour of their own: Comment, DocShare, File, with what attaches files to documents, and those that
//! show the definitions of DocTypes.

mod attach;
pub(super) mod comment;
mod file;
pub(super) mod share;
mod shown;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use crate::web::Plugins;

/// Where the files of a site lie; known once the site starts.
pub(super) type FilesFolder = Arc<OnceLock<PathBuf>>;

/// Registers the controllers.
pub(super) fn register(plugins: &mut Plugins, folder: &FilesFolder) {
    plugins.controller("File", file::File::new(folder));
    plugins.controllers.add_after_write(attach::Attach);
    plugins.controller("Comment", comment::Comment);
    plugins.controller("DocShare", share::DocShare);
    plugins.controller("DocType", shown::DocTypes);
    plugins.controller("DocField", shown::DocFields);
    plugins.controller("DocPerm", shown::DocPerms);
}
