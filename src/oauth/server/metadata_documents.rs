//! What is remembered of addresses that are client ids, besides the clients that they describe.

use crate::oauth::protocol::client::cimd;
use crate::oauth::protocol::{Error, ErrorCode};
use chrono::{DateTime, Utc};
use moka::sync::Cache;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration as StdDuration;
use tokio::sync::Mutex;

/// How many addresses are remembered as failed, or being fetched.
const CAPACITY: u64 = 10_000;

/// What is said of a page that cannot be had, whatever the reason: it would tell strangers what answers in our network.
const OUT_OF_REACH: &str = "The page that describes this application cannot be used: check that its address opens from \
    everywhere over https, without a redirect, within 5 seconds and with a trusted certificate, and that it is JSON of \
    at most 5 KiB whose client_id is the address itself. Administrators find the reason among the Security Events";

/// What is known of addresses besides the clients that they describe.
pub(crate) struct MetadataDocuments {
    /// Held by who fetches a document, so that many who ask at once make one request.
    pub gates: Cache<String, Arc<Mutex<()>>>,
    pub failures: Cache<String, Arc<Failure>>,
}

impl Default for MetadataDocuments {
    fn default() -> Self {
        let idle = StdDuration::from_mins(10);
        Self {
            gates: Cache::builder().max_capacity(CAPACITY).time_to_idle(idle).build(),
            failures: Cache::builder().max_capacity(CAPACITY).time_to_idle(idle).build(),
        }
    }
}

/// Why a document is not used, remembered for a while.
pub(crate) struct Failure {
    /// For those who manage the site.
    pub reason: String,
    /// For everybody else.
    pub told: Cow<'static, str>,
    /// The document may be fine: its server did not answer.
    pub is_temporary: bool,
    pub until: DateTime<Utc>,
}

impl Failure {
    /// Of a page that cannot be had, or that does not name itself: it may be anybody's.
    pub(crate) fn out_of_reach(address: &str, why: &str, is_temporary: bool, now: DateTime<Utc>) -> Self {
        let reason = format!("The page that describes this application, {address}, cannot be used: {why}");
        Self { reason, told: OUT_OF_REACH.into(), is_temporary, until: now + cimd::NEGATIVE_CACHE }
    }

    /// Of a page that is about this client, so that whoever wrote it may read what is wrong with it.
    pub(crate) fn mistaken(address: &str, why: &str, now: DateTime<Utc>) -> Self {
        let reason = format!("The page that describes this application, {address}, is not right: {why}");
        Self { told: reason.clone().into(), reason, is_temporary: false, until: now + cimd::NEGATIVE_CACHE }
    }

    pub(crate) fn error(&self) -> Error {
        Error::new(ErrorCode::InvalidClient, self.told.clone()).because(Unused(self.reason.clone()))
    }
}

/// Why a page is not used, behind the error that says less.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unused(pub String);
