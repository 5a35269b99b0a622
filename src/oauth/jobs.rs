//! Housekeeping: what has expired goes.

use std::time::Duration as StdDuration;

use chrono::Duration;
use serde_json::json;

use crate::clock::format_datetime;
use crate::document::{Documents, ListRequest};
use crate::error::{Error, Result};
use crate::oauth::doctype::oauth_authorization_code::OAUTH_AUTHORIZATION_CODE;
use crate::oauth::doctype::oauth_authorization_request::OAUTH_AUTHORIZATION_REQUEST;
use crate::oauth::doctype::oauth_bearer_token::OAUTH_BEARER_TOKEN;
use crate::oauth::doctype::oauth_device_code::OAUTH_DEVICE_CODE;
use crate::oauth::doctype::oauth_replay_guard::OAUTH_REPLAY_GUARD;
use crate::oauth::unused_clients::remove_unused_clients;
use crate::permissions::Session;
use crate::web::Plugins;

/// How long used codes and dead tokens stay, so that their reuse is still noticed and can be looked into.
const KEEP: Duration = Duration::days(1);
/// How many documents go in one transaction.
const BATCH: u64 = 100;

/// Registers the jobs.
pub fn register(plugins: &mut Plugins) {
    plugins.job("remove expired OAuth codes, requests and tokens", StdDuration::from_mins(15), async |site| {
        let removed = remove_expired(&site.documents).await?;
        Ok(if removed == 0 { String::new() } else { format!("{removed} removed") })
    });
    plugins.job("remove unused OAuth clients", StdDuration::from_hours(1), async |site| {
        let removed = remove_unused_clients(&site.documents).await?;
        Ok(if removed == 0 { String::new() } else { format!("{removed} removed") })
    });
}

/// Removes what has expired; says how much.
pub async fn remove_expired(documents: &Documents) -> Result<usize> {
    let now = documents.clock().now_naive();
    let (past, kept) = (format_datetime(now), format_datetime(now - KEEP));
    let over = json!({"expires_at": ["<", past]});
    let devices = json!({"expires_at": ["<", kept]});
    let codes = json!({"expiration_time": ["<", kept]});
    // A pair that can be renewed lives as long as its refresh token; others as long as the access token.
    let renewable = json!([["refresh_expiration_time", "is", "set"], ["refresh_expiration_time", "<", kept]]);
    let others = json!([["refresh_expiration_time", "is", "not set"], ["expiration_time", "<", kept]]);
    let mut removed = 0;
    for (doctype, filters) in [
        (OAUTH_AUTHORIZATION_REQUEST, over.clone()),
        (OAUTH_REPLAY_GUARD, over),
        (OAUTH_AUTHORIZATION_CODE, codes),
        (OAUTH_DEVICE_CODE, devices),
        (OAUTH_BEARER_TOKEN, renewable),
        (OAUTH_BEARER_TOKEN, others),
    ] {
        removed += remove(documents, doctype, filters).await?;
    }
    Ok(removed)
}

/// Removes everything that fits, one short transaction after another, so that others get their turn in between.
async fn remove(documents: &Documents, doctype: &str, filters: serde_json::Value) -> Result<usize> {
    let mut request = ListRequest::new(doctype).filters(filters);
    request.limit = Some(BATCH);
    let mut removed = 0;
    loop {
        let mut work = documents.begin(&Session::system()).await?;
        let list = work.list(&request).await?;
        for row in 0..list.rows.len() {
            match work.delete(doctype, list.text(row, "name")).await {
                // Another node was first.
                Ok(()) | Err(Error::DoesNotExist { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        work.commit().await?;
        removed += list.rows.len();
        if (list.rows.len() as u64) < BATCH {
            return Ok(removed);
        }
    }
}
