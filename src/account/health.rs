//! Whether the process lives and whether it can serve.

use std::sync::atomic::Ordering;

use crate::database::fault::Fault;
use crate::document::ListRequest;
use crate::error::{Error, Result};
use crate::permissions::Session;
use crate::web::Site;

/// Whether requests can be served: not about to stop, and the database answers and has room.
pub(super) async fn check_ready(site: &Site) -> Result<()> {
    if site.stopping.load(Ordering::Relaxed) {
        return Err(Error::Unavailable("The server is about to stop".to_owned()));
    }
    if let Some(reason) = site.doctype_files.behind() {
        return Err(Error::Unavailable(format!("This node does not run the definitions in force: {reason}")));
    }
    if let Some(id) = site.documents.site_key().lacking() {
        let reason = format!("The key file of this node does not hold the key {id}, which the site is sealed with");
        return Err(Error::Unavailable(reason));
    }
    let mut request = ListRequest::new("Role");
    request.limit = Some(1);
    if let Err(error) = site.documents.list(&Session::system(), &request).await {
        tracing::error!(%error, cause = ?error, "the database does not answer");
        return Err(Error::Unavailable("The database does not answer".to_owned()));
    }
    let reason = match site.documents.database().why_not_writable().await {
        None => return Ok(()),
        Some(Fault::Full) => "The disk of the database is full",
        Some(Fault::ReadOnly) => "The database takes no changes",
        Some(Fault::Busy | Fault::Locked | Fault::Conflict) => "The database is too busy to take changes",
        Some(Fault::Gone) => "The database does not answer",
    };
    Err(Error::Unavailable(reason.to_owned()))
}
