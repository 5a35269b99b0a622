//! Tells clients that a session has ended, until they have heard it (OpenID Connect Back-Channel Logout 1.0 §2.5).

use std::sync::Arc;

use chrono::Duration;
use futures_util::StreamExt as _;
use futures_util::stream;
use poem::http::{Method, header};
use serde_json::{Value as Json, json};

use crate::clock::format_datetime;
use crate::document::view::FieldValue as _;
use crate::document::view::{text_value, time_value};
use crate::document::{Documents, ListRequest};
use crate::error::{Error, Result};
use crate::meta::Value;
use crate::oauth::protocol::authorize::logout::{LogoutTokenClaims, TYPE, retry_after};
use crate::oauth::protocol::token::id_token::signing_alg;
use crate::oauth::server::Server;
use crate::oauth::token::signed_tokens::Signer;
use crate::oauth::views::oauth_logout_notice::{LogoutNotice, NoticeStatus, OAUTH_LOGOUT_NOTICE};
use crate::oauth::views::{OAuthClient, OAuthSettings};
use crate::outgoing::Fetched;
use crate::permissions::Session;
use crate::web::{JobKind, Plugins, RunningJob, Site};

/// For how long whoever has taken up a notice is left alone with it.
pub(crate) const LEASE: Duration = Duration::minutes(1);
/// How many clients one batch calls at the same time.
const AT_ONCE: usize = 8;
/// How many notices one run of the job takes up at most.
const BATCH: u64 = 200;
/// How much of a client's answer is read.
const MAX_ANSWER: usize = 16 * 1024;
/// How much of what a client says is kept.
const MAX_REASON: usize = 300;

/// Registers the job: it takes up what could not be delivered, and what a stop of the server left behind.
pub(crate) fn register(plugins: &mut Plugins, server: &Arc<Server>) {
    let server = Arc::clone(server);
    let deliver = JobKind::new("tell OAuth clients about ended sessions", move |site: Site, _: RunningJob| {
        let server = Arc::clone(&server);
        async move { deliver_due(&site.documents, &server).await }
    });
    plugins.job_kind(deliver.scheduled("*/30 * * * * *"));
}

/// Delivers notices that were just put into the queue; nobody waits for it.
pub(crate) fn deliver_soon(documents: Documents, server: Arc<Server>, notices: Vec<String>) {
    tokio::spawn(async move { deliver(&documents, &server, notices).await });
}

/// Delivers the notices that are due; says how many were tried.
pub(crate) async fn deliver_due(documents: &Documents, server: &Server) -> Result<String> {
    let now = documents.clock().now();
    let due = json!({"status": "Waiting", "next_attempt": ["<=", format_datetime(now.naive_utc())]});
    let mut request = ListRequest::new(OAUTH_LOGOUT_NOTICE)
        .fields(&["name", "next_attempt"])
        .filters(due)
        .order_by("next_attempt asc");
    request.limit = Some(BATCH);
    let list = documents.list(&Session::system(), &request).await?;
    let mut taken = Vec::new();
    for row in 0..list.rows.len() {
        let (name, at) = (list.text(row, "name"), list.text(row, "next_attempt"));
        // One that somebody entered by hand may have none.
        let at = text_value(Some(at).filter(|at| !at.is_empty()));
        let mut work = documents.begin(&Session::system()).await?;
        let leased = [("next_attempt", time_value(now + LEASE))];
        // Of several servers one alone takes it up.
        if work.set_values_if(OAUTH_LOGOUT_NOTICE, name, ("next_attempt", &at), &leased).await? {
            work.commit().await?;
            taken.push(name.to_owned());
        }
    }
    let tried = taken.len();
    deliver(documents, server, taken).await;
    Ok(if tried == 0 { String::new() } else { format!("{tried} tried") })
}

async fn deliver(documents: &Documents, server: &Server, notices: Vec<String>) {
    let attempts = stream::iter(notices).map(|name| async move {
        if let Err(error) = deliver_one(documents, server, &name).await {
            tracing::error!(notice = name, cause = ?error, "an OAuth Logout Notice could not be worked on");
        }
    });
    attempts.buffer_unordered(AT_ONCE).collect::<()>().await;
}

/// One attempt, and what came of it in the document.
async fn deliver_one(documents: &Documents, server: &Server, name: &str) -> Result<()> {
    let notice = match documents.get(&Session::system(), OAUTH_LOGOUT_NOTICE, name).await {
        Ok(document) => LogoutNotice::from(&*document),
        // Deleted, with its client for example.
        Err(Error::DoesNotExist { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    let client = OAuthClient::find_by_name(documents, &notice.client).await?.filter(|client| client.enabled);
    if notice.status != NoticeStatus::Waiting {
        return Ok(());
    }
    let (outcome, attempts) = match client {
        Some(client) => (call(documents, server, &notice, &client).await?, notice.attempts + 1),
        None => (Err("The client is disabled".to_owned()), i64::MAX),
    };
    let now = documents.clock().now();
    let (status, next_attempt, last_error) = match (&outcome, retry_after(attempts)) {
        (Ok(()), _) => (NoticeStatus::Delivered, Value::Null, Value::Null),
        (Err(reason), Some(pause)) => (NoticeStatus::Waiting, time_value(now + pause), Value::from(reason.as_str())),
        (Err(reason), None) => (NoticeStatus::GivenUp, Value::Null, Value::from(reason.as_str())),
    };
    if let Err(reason) = &outcome {
        tracing::warn!(
            notice = name,
            client = notice.client,
            status = status.as_str(),
            reason,
            "a client was not told of a logout"
        );
    }
    let values = [
        ("status", status.to_value()),
        ("attempts", Value::from(attempts.min(notice.attempts + 1))),
        ("next_attempt", next_attempt),
        ("last_error", last_error),
    ];
    let mut work = documents.begin(&Session::system()).await?;
    work.set_values(OAUTH_LOGOUT_NOTICE, name, &values).await?;
    work.commit().await
}

/// Sends a logout token that was made for this attempt; the reason if the client has not accepted it.
async fn call(
    documents: &Documents,
    server: &Server,
    notice: &LogoutNotice,
    client: &OAuthClient,
) -> Result<Result<(), String>> {
    let now = documents.clock().now();
    let sid = notice.sid.as_deref();
    let claims = LogoutTokenClaims::new(documents.site_url(), &client.client_id, &notice.subject, sid, now);
    let settings = OAuthSettings::load(documents).await?;
    let alg = signing_alg(client.id_token_alg.as_deref(), &settings.id_token_signing_alg);
    let token = Signer::of(&server.keys, documents, client, alg).await?.sign(TYPE, &claims);
    let body = url::form_urlencoded::Serializer::new(String::new()).append_pair("logout_token", &token).finish();
    let outgoing = &server.providers.outgoing;
    let answer = outgoing
        .fetch(documents, Method::POST, &notice.uri, MAX_ANSWER, |post| {
            post.header(header::CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded")
                .header(header::ACCEPT.as_str(), "application/json")
                .body(body)
        })
        .await;
    Ok(match answer {
        Ok(answer) if answer.status.is_success() => Ok(()),
        Ok(answer) => Err(reason(&answer)),
        Err(error) => Err(error.to_string()),
    })
}

/// Why a client says no, in its own words where it has some (§2.8).
fn reason(answer: &Fetched) -> String {
    let status = format!("{} answered with the status {}", answer.host, answer.status.as_u16());
    let body: Json = answer.json().unwrap_or_default();
    let said: Vec<&str> =
        ["error", "error_description"].iter().filter_map(|member| body.get(member)?.as_str()).collect();
    if said.is_empty() {
        return status;
    }
    format!("{status}: {}", said.join(": ")).chars().filter(|letter| !letter.is_control()).take(MAX_REASON).collect()
}
