//! [`Load`]: how much a node has to do, so that it refuses at once what it would not answer in time.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::limits::Limits;
use crate::document::Documents;
use crate::error::{Error, Result};
use crate::metrics::Gauged;

/// Where it is asked how the node is, which is answered whatever it has to do.
const HEALTH: &str = "/health/";

/// The requests under way.
pub(crate) struct Load {
    /// So many at once.
    requests: usize,
    /// So many at once that wait for the database.
    waiting: usize,
    is_too_much: AtomicBool,
}

impl Load {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { requests: limits.requests, waiting: limits.waiting, is_too_much: AtomicBool::new(false) }
    }

    /// Takes a request on, which is under way as long as the value lives; `Unavailable` if there is too
    /// much to do already, or nothing can be done without the site's key.
    pub(crate) fn take_on(&self, path: &str, documents: &Documents) -> Result<Gauged> {
        let database = documents.database();
        let (before, under_way) = database.metrics().requests.one_more_than();
        if path.starts_with(HEALTH) {
            return Ok(under_way);
        }
        if documents.site_key().lacking().is_some() {
            let text = "This server does not have the key of the site: its administrators find more in its log";
            return Err(Error::Unavailable(text.to_owned()));
        }
        let setting = if before >= self.requests {
            "DOCTYPED_MAX_REQUESTS"
        } else if database.waiting() >= self.waiting {
            "DOCTYPED_MAX_WAITING"
        } else {
            // Not at once, or it would begin and end with every request at the limit.
            if before < self.requests / 2 {
                self.is_too_much.store(false, Ordering::Relaxed);
            }
            return Ok(under_way);
        };
        database.metrics().refused.count("too much to do");
        // Once each time it begins, or the log would be too much as well.
        if !self.is_too_much.swap(true, Ordering::Relaxed) {
            tracing::warn!(setting, "requests are refused: there is more to do than can be answered in time");
        }
        Err(Error::Unavailable("There is too much to do at the moment: try again in some seconds".to_owned()))
    }
}
