//! What was tried again and again and then given up: System Managers are told of it for a day.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use serde_json::json;

use crate::clock::format_datetime;
use crate::document::kept::Kept;
use crate::document::{Documents, ListRequest};
use crate::error::Result;
use crate::permissions::Session;

/// How long administrators are told.
const TOLD_FOR: chrono::Duration = chrono::Duration::hours(24);

/// The documents of a DocType that have come to a bad end; counted once after each change. Clones share the count.
#[derive(Clone)]
pub(crate) struct GivenUp {
    doctype: &'static str,
    status: &'static str,
    kept: Arc<Kept<u64>>,
}

impl GivenUp {
    /// Those of a DocType with this `status`.
    pub(crate) fn of(doctype: &'static str, status: &'static str) -> Self {
        let cache = Cache::builder().max_capacity(1).time_to_live(Duration::from_mins(5)).build();
        Self { doctype, status, kept: Arc::new(Kept::new(cache)) }
    }

    /// How many there were in the last 24 hours.
    pub(crate) async fn count(&self, documents: &Documents) -> Result<u64> {
        if let Some(count) = self.kept.get(documents, "") {
            return Ok(count);
        }
        let ticket = self.kept.ticket("");
        let since = format_datetime((documents.clock().now() - TOLD_FOR).naive_utc());
        let filters = json!([["status", "=", self.status], ["modified", ">", since]]);
        let count = documents.count(&Session::system(), &ListRequest::new(self.doctype).filters(filters)).await?;
        self.kept.keep(ticket, "", count);
        Ok(count)
    }

    /// One of them has changed.
    pub(crate) fn forget(&self) {
        self.kept.clear();
    }
}
