//! Housekeeping: clients that came by themselves and that nobody uses go, with all that belongs to them.

use chrono::Duration;
use serde_json::{Value as Json, json};

use crate::clock::format_datetime;
use crate::document::{Documents, ListRequest, Work};
use crate::error::{Error, Result};
use crate::oauth::views::OAuthSettings;
use crate::oauth::views::oauth_bearer_token::OAUTH_BEARER_TOKEN;
use crate::oauth::views::oauth_client::OAUTH_CLIENT;
use crate::permissions::Session;

/// How many clients go in one run, so that it never holds others up for long.
const BATCH: usize = 200;
/// How long a page about a client that nobody let in is kept after it was last read: longer than a person may take to answer.
const KEEP_UNUSED_PAGE: Duration = Duration::days(1);

/// Removes them; says how many.
///
/// A client counts as used while somebody is signed in through it. One that an administrator trusts stays.
pub async fn remove_unused_clients(documents: &Documents) -> Result<usize> {
    let settings = OAuthSettings::load(documents).await?;
    let now = documents.clock().now_naive();
    let mut unused = Vec::new();
    if settings.unused_client_days > 0 {
        let cutoff = format_datetime(now - Duration::days(settings.unused_client_days));
        let came_by_itself = json!(["registered_by", "!=", "Administrator"]);
        let never = json!([["last_used", "is", "not set"], ["client_id_issued_at", "<", cutoff]]);
        let long_ago = json!([["last_used", "is", "set"], ["last_used", "<", cutoff]]);
        for filters in [never, long_ago] {
            unused.extend(candidates(documents, &came_by_itself, filters).await?);
        }
    }
    // Such a page was only read, and is read again whenever somebody needs it.
    let (past, kept) = (format_datetime(now), format_datetime(now - KEEP_UNUSED_PAGE));
    let expired = json!([["last_used", "is", "not set"], ["metadata_expires_at", "<", past], ["modified", "<", kept]]);
    unused.extend(candidates(documents, &json!(["registered_by", "=", "Metadata Document"]), expired).await?);
    unused.sort_unstable();
    unused.dedup();
    let mut removed = 0;
    for name in unused {
        if removed == BATCH {
            break;
        }
        removed += usize::from(remove(documents, &name, &past).await?);
    }
    Ok(removed)
}

async fn candidates(documents: &Documents, origin: &Json, filters: Json) -> Result<Vec<String>> {
    let mut filters = filters;
    if let Some(filters) = filters.as_array_mut() {
        filters.extend([origin.clone(), json!(["trusted", "=", 0])]);
    }
    let list = documents.list(&Session::system(), &ListRequest::new(OAUTH_CLIENT).filters(filters).all()).await?;
    Ok((0..list.rows.len()).map(|row| list.text(row, "name").to_owned()).collect())
}

/// Removes a client unless somebody is signed in through it.
async fn remove(documents: &Documents, name: &str, now: &str) -> Result<bool> {
    let mut work = documents.begin(&Session::system()).await?;
    if has_live_tokens(&mut work, name, now).await? {
        return Ok(false);
    }
    match work.delete(OAUTH_CLIENT, name).await {
        Ok(()) => {
            work.commit().await?;
            Ok(true)
        }
        // Another node was first.
        Err(Error::DoesNotExist { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn has_live_tokens(work: &mut Work<'_>, client: &str, now: &str) -> Result<bool> {
    let mut request = ListRequest::new(OAUTH_BEARER_TOKEN).filters(json!({"client": client, "status": "Active"}));
    request.or_filters = json!([["expiration_time", ">", now], ["refresh_expiration_time", ">", now]]);
    Ok(work.count(&request).await? > 0)
}
