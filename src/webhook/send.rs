//! One request to an application, and what came of it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::StreamExt as _;
use poem::http::Method;
use poem::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use serde_json::{Map, Value as Json};

use crate::document::Documents;
use crate::outgoing::Outgoing;
use crate::webhook::hook::{Secrets, Webhook};
use crate::webhook::sign;

/// How much of an answer is kept, in bytes.
const MOST_KEPT: usize = 10_000;
/// The longest pause that an application may ask for.
const LONGEST_PAUSE: chrono::Duration = chrono::Duration::hours(24);
/// Seconds that an application may have for its answer.
pub(super) const TIMEOUTS: std::ops::RangeInclusive<i64> = 1..=60;
/// Headers that say how a request is sent, or what only the site may say.
const OWN_HEADERS: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "accept-encoding",
    "x-frappe-webhook-signature",
];

/// A request as it goes out.
pub(super) struct Request<'a> {
    /// The `webhook-id`: the same for each attempt.
    pub id: &'a str,
    /// The method.
    pub method: &'a str,
    /// The address.
    pub url: &'a str,
    /// The media type of the body.
    pub media_type: &'a str,
    /// The body.
    pub body: &'a str,
    /// It is not about something that has just happened.
    pub is_sample: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    /// The status; 0: there was no answer.
    pub status: u16,
    /// The headers that were sent, as far as they are no secrets.
    pub headers: Map<String, Json>,
    /// The beginning of the answer.
    pub response: String,
    /// Why it was not accepted.
    pub error: Option<String>,
    /// When the application wants to be asked again.
    pub not_before: Option<DateTime<Utc>>,
}

impl Outcome {
    /// Whether the application wants no such request any more (410, Standard Webhooks).
    pub(super) fn is_gone(&self) -> bool {
        self.status == 410
    }
}

/// Sends a request.
pub(super) async fn send(
    outgoing: &Outgoing,
    documents: &Documents,
    webhook: &Webhook,
    secrets: &Secrets,
    request: &Request<'_>,
) -> Outcome {
    let now = documents.clock().now();
    let mut own = vec![
        ("Content-Type", request.media_type.to_owned()),
        ("webhook-id", request.id.to_owned()),
        ("webhook-timestamp", now.timestamp().to_string()),
    ];
    if request.is_sample {
        own.push(("webhook-sample", "true".to_owned()));
    }
    let headers = own.iter().map(|(name, value)| ((*name).to_owned(), Json::from(value.as_str()))).collect();
    let body = request.body.as_bytes();
    if let Some(secret) = &secrets.signing {
        own.push(("webhook-signature", sign::standard(secret, request.id, now.timestamp(), body)));
        own.push(("X-Frappe-Webhook-Signature", sign::frappe(secret, body)));
    }
    let mut sent = HeaderMap::new();
    let theirs = secrets.headers.iter().map(|(name, value)| (name.as_str(), value));
    for (name, value) in
        theirs.filter(|(name, _)| header(name).is_ok()).chain(own.iter().map(|(name, value)| (*name, value)))
    {
        let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) else {
            continue;
        };
        // The media type may be a narrower one of theirs, such as `application/vnd.example+json`.
        if name != CONTENT_TYPE || !sent.contains_key(CONTENT_TYPE) {
            sent.insert(name, value);
        }
    }
    let mut outcome = Outcome { headers, ..Outcome::default() };
    let method = Method::from_bytes(request.method.as_bytes()).unwrap_or(Method::POST);
    let seconds = webhook.timeout.clamp(*TIMEOUTS.start(), *TIMEOUTS.end());
    let timeout = Duration::from_secs(u64::try_from(seconds).unwrap_or(5));
    let answer = outgoing
        .send(documents, method, request.url, timeout, |builder| builder.headers(sent).body(request.body.to_owned()));
    let answer = match answer.await {
        Ok(answer) => answer,
        Err(error) => {
            outcome.error = Some(error.to_string());
            return outcome;
        }
    };
    outcome.status = answer.status.as_u16();
    outcome.not_before = answer.headers.get(RETRY_AFTER).and_then(|value| pause(value, now)).map(|pause| now + pause);
    if !answer.status.is_success() {
        outcome.error = Some(if answer.status.is_redirection() {
            format!("It answered {}: redirects are not followed", answer.status.as_u16())
        } else {
            format!("It answered {}", answer.status)
        });
    }
    let mut read = Vec::new();
    let mut pieces = Box::pin(answer.stream(MOST_KEPT));
    while let Some(Ok(piece)) = pieces.next().await {
        read.extend_from_slice(&piece);
    }
    outcome.response = String::from_utf8_lossy(&read).replace('\0', "\u{fffd}");
    outcome
}

/// `Retry-After`, in seconds or as a date (RFC 9110 §10.2.3).
fn pause(value: &HeaderValue, now: DateTime<Utc>) -> Option<chrono::Duration> {
    let text = value.to_str().ok()?.trim();
    let pause = match text.parse::<i64>() {
        Ok(seconds) => chrono::Duration::try_seconds(seconds)?,
        Err(_) => DateTime::parse_from_rfc2822(text).ok()?.to_utc() - now,
    };
    (pause > chrono::Duration::zero()).then(|| pause.min(LONGEST_PAUSE))
}

/// Whether a webhook may send a header; says why not.
pub(super) fn header(name: &str) -> Result<(), String> {
    let lower = name.to_ascii_lowercase();
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Err(format!("`{name}` is not a valid header name"));
    }
    if OWN_HEADERS.contains(&lower.as_str()) || lower.starts_with("webhook-") {
        return Err(format!("`{name}` is set by the site itself"));
    }
    Ok(())
}
