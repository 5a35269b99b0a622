//! Whether the process lives and whether it can serve.

use std::sync::atomic::Ordering;

use crate::document::ListRequest;
use crate::error::{Error, Result};
use crate::permissions::Session;
use crate::web::Site;

/// Whether requests can be served: not about to stop, and the database answers.
pub async fn check_ready(site: &Site) -> Result<()> {
    if site.stopping.load(Ordering::Relaxed) {
        return Err(Error::Unavailable("The server is about to stop".to_owned()));
    }
    let mut request = ListRequest::new("Role");
    request.limit = Some(1);
    match site.documents.list(&Session::system(), &request).await {
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::error!(%error, cause = ?error, "the database does not answer");
            Err(Error::Unavailable("The database does not answer".to_owned()))
        }
    }
}
