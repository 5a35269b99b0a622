//! Housekeeping: what has expired goes.

use chrono::Duration;
use serde_json::json;

use crate::clock::format_datetime;
use crate::document::{Documents, ListRequest};
use crate::error::{Error, Result};
use crate::meta::Value;
use crate::oauth::registration::unused_clients::remove_unused_clients;
use crate::oauth::views::oauth_authorization_code::OAUTH_AUTHORIZATION_CODE;
use crate::oauth::views::oauth_authorization_request::OAUTH_AUTHORIZATION_REQUEST;
use crate::oauth::views::oauth_bearer_token::OAUTH_BEARER_TOKEN;
use crate::oauth::views::oauth_client::OAUTH_CLIENT;
use crate::oauth::views::oauth_device_code::OAUTH_DEVICE_CODE;
use crate::oauth::views::oauth_logout_notice::OAUTH_LOGOUT_NOTICE;
use crate::oauth::views::oauth_replay_guard::OAUTH_REPLAY_GUARD;
use crate::permissions::Session;
use crate::web::job::HOURLY;
use crate::web::{JobKind, Plugins, RunningJob, Site};

/// How long used codes and dead tokens stay, so that their reuse is still noticed and can be looked into.
const KEEP: Duration = Duration::days(1);
/// How long those stay that say which clients take part in a session, and what became of the notices to them.
const KEEP_FOR_LOGOUT: Duration = Duration::days(30);
/// How many documents go in one transaction.
const BATCH: u64 = 100;

/// Registers the jobs.
pub(crate) fn register(plugins: &mut Plugins) {
    let expired = JobKind::new("remove expired OAuth codes, requests and tokens", async |site: Site, _: RunningJob| {
        forget_answers(&site.documents).await?;
        let removed = remove_expired(&site.documents).await?;
        Ok(if removed == 0 { String::new() } else { format!("{removed} removed") })
    });
    plugins.job_kind(expired.scheduled("*/15 * * * *"));
    let unused = JobKind::new("remove unused OAuth clients", async |site: Site, _: RunningJob| {
        let removed = remove_unused_clients(&site.documents).await?;
        Ok(if removed == 0 { String::new() } else { format!("{removed} removed") })
    });
    plugins.job_kind(unused.scheduled(HOURLY));
}

/// Forgets the answers to renewals that nobody may repeat any more.
pub async fn forget_answers(documents: &Documents) -> Result<()> {
    let past = format_datetime(documents.clock().now_naive());
    let mut request = ListRequest::new(OAUTH_BEARER_TOKEN).filters(json!({"repeatable_until": ["<", past]}));
    request.limit = Some(BATCH);
    loop {
        let mut work = documents.begin(&Session::system()).await?;
        let list = work.list(&request).await?;
        for row in 0..list.rows.len() {
            let forgotten = [("sealed_answer", Value::Null), ("repeatable_until", Value::Null)];
            work.set_values(OAUTH_BEARER_TOKEN, list.text(row, "name"), &forgotten).await?;
        }
        work.commit().await?;
        if (list.rows.len() as u64) < BATCH {
            return Ok(());
        }
    }
}

/// Removes what has expired; says how much.
pub async fn remove_expired(documents: &Documents) -> Result<usize> {
    let now = documents.clock().now_naive();
    let (past, kept) = (format_datetime(now), format_datetime(now - KEEP));
    let over = json!({"expires_at": ["<", past]});
    let devices = json!({"expires_at": ["<", kept]});
    let codes = json!({"expiration_time": ["<", kept]});
    let kept_for_logout = format_datetime(now - KEEP_FOR_LOGOUT);
    let notices = json!([["status", "!=", "Waiting"], ["creation", "<", kept_for_logout]]);
    let listening = listening_clients(documents).await?;
    // A pair that can be renewed lives as long as its refresh token; others as long as the access token.
    let dead = |before: &str, clients: &str| {
        let clients = json!(["client", clients, listening]);
        [
            json!([["refresh_expiration_time", "is", "set"], ["refresh_expiration_time", "<", before], clients]),
            json!([["refresh_expiration_time", "is", "not set"], ["expiration_time", "<", before], clients]),
        ]
    };
    let [renewable, others] = dead(&kept, "not in");
    let [renewable_listening, others_listening] = dead(&kept_for_logout, "in");
    let mut removed = 0;
    for (doctype, filters) in [
        (OAUTH_AUTHORIZATION_REQUEST, over.clone()),
        (OAUTH_REPLAY_GUARD, over),
        (OAUTH_AUTHORIZATION_CODE, codes),
        (OAUTH_DEVICE_CODE, devices),
        (OAUTH_BEARER_TOKEN, renewable),
        (OAUTH_BEARER_TOKEN, others),
        (OAUTH_BEARER_TOKEN, renewable_listening),
        (OAUTH_BEARER_TOKEN, others_listening),
        (OAUTH_LOGOUT_NOTICE, notices),
    ] {
        removed += remove(documents, doctype, filters).await?;
    }
    Ok(removed)
}

/// The clients that are told when a session ends: their tokens say for long in which sessions they take part.
async fn listening_clients(documents: &Documents) -> Result<Vec<String>> {
    let request = ListRequest::new(OAUTH_CLIENT).filters(json!([["backchannel_logout_uri", "is", "set"]])).all();
    let list = documents.list(&Session::system(), &request).await?;
    Ok((0..list.rows.len()).map(|row| list.text(row, "name").to_owned()).collect())
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
