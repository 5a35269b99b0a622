//! The job that sends one request, and what becomes of it then.

use chrono::{DateTime, Duration, Utc};
use serde_json::Value as Json;

use crate::document::Work;
use crate::document::queue::Queue;
use crate::document::view::{FieldValue as _, text_value, time_value};
use crate::error::Result;
use crate::meta::Value;
use crate::outgoing::Outgoing;
use crate::permissions::Session;
use crate::web::{RunningJob, Site};
use crate::webhook::hook::{Secrets, WEBHOOK, Webhook};
use crate::webhook::log::{REQUEST_LOG, RequestLog, Status};
use crate::webhook::send::{Outcome, Request, send};

/// What the job is called.
pub(super) const SEND: &str = "send a webhook request";
/// Seconds between one attempt and the next; there is one attempt more.
const PAUSES: [i64; 7] = [5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600];
/// How long a request waits at least for the one before it.
const TURN: Duration = Duration::seconds(1);

/// Sends the request that the job names.
pub(super) async fn run(site: &Site, job: &RunningJob, outgoing: &Outgoing) -> Result<String> {
    let documents = &site.documents;
    let arguments = job.arguments()?;
    let name = arguments.get("request").and_then(Json::as_str).unwrap_or_default();
    let mut reading = documents.reading(&Session::system());
    let Some(document) = reading.find(REQUEST_LOG, name).await? else { return Ok("It was deleted".to_owned()) };
    let request = RequestLog::from(&document);
    if !request.is_open() {
        return Ok(String::new());
    }
    let webhook = reading.find(WEBHOOK, &request.webhook).await?.map(|document| Webhook::from(&document));
    let Some(webhook) = webhook else {
        let outcome = Outcome { error: Some("Its webhook is gone".to_owned()), ..Outcome::default() };
        return end(site, job, &request, Queue::Default, &outcome, Next::GiveUp).await;
    };
    let queue = webhook.background_jobs_queue;
    // Each document's events arrive in the order in which they happened.
    if let Some(earlier) = request.before_it(&mut reading).await? {
        let turn = documents.clock().now() + TURN;
        let at = earlier.next_attempt.map_or(turn, |next| turn.max(next));
        let mut work = documents.begin(&Session::system()).await?;
        job.finish_in(&mut work, "It waits for an earlier one").await?;
        work.enqueue(request.job(queue).run_after(at)).await?;
        work.commit().await?;
        return Ok(String::new());
    }
    let secrets = Secrets::of(&mut reading, &webhook).await?;
    drop(reading);
    let media_type = request.media_type();
    let sent = Request {
        id: &request.name,
        method: &request.request_method,
        url: &request.url,
        media_type: &media_type,
        body: &request.data,
        is_sample: false,
    };
    let outcome = send(outgoing, documents, &webhook, &secrets, &sent).await;
    let next = next(&request, &outcome, documents.clock().now());
    end(site, job, &request, queue, &outcome, next).await
}

/// What follows an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Done,
    Again(DateTime<Utc>),
    GiveUp,
}

fn next(request: &RequestLog, outcome: &Outcome, now: DateTime<Utc>) -> Next {
    if outcome.error.is_none() {
        return Next::Done;
    }
    let pause = usize::try_from(request.attempts).ok().and_then(|attempts| PAUSES.get(attempts));
    match pause {
        Some(seconds) if !outcome.is_gone() => {
            let at = now + Duration::seconds(*seconds);
            Next::Again(outcome.not_before.map_or(at, |not_before| at.max(not_before)))
        }
        _ => Next::GiveUp,
    }
}

/// Notes an attempt, ends the job, and puts the next one into the queue, in one transaction.
async fn end(
    site: &Site,
    job: &RunningJob,
    request: &RequestLog,
    queue: Queue,
    outcome: &Outcome,
    next: Next,
) -> Result<String> {
    let documents = &site.documents;
    let now = documents.clock().now();
    let (status, at, told) = match next {
        Next::Done => (Status::Delivered, None, "Delivered".to_owned()),
        Next::Again(at) => (Status::Retrying, Some(at), "Not accepted: it is sent again".to_owned()),
        Next::GiveUp => (Status::Exhausted, None, "Given up".to_owned()),
    };
    let values = [
        ("status", status.to_value()),
        ("attempts", Value::from(request.attempts + 1)),
        ("last_attempt", time_value(now)),
        ("next_attempt", at.map_or(Value::Null, time_value)),
        ("response_status", Value::from(i64::from(outcome.status))),
        ("headers", text_value(Some(&Json::Object(outcome.headers.clone()).to_string()))),
        ("response", text_value(Some(&outcome.response))),
        ("error", text_value(outcome.error.as_deref())),
        ("modified", time_value(now)),
    ];
    let mut work: Work<'_> = documents.begin(&Session::system()).await?;
    work.set_values(REQUEST_LOG, &request.name, &values).await?;
    job.finish_in(&mut work, &told).await?;
    if let Some(at) = at {
        work.enqueue(request.job(queue).run_after(at)).await?;
    }
    work.commit().await?;
    if status == Status::Exhausted {
        tracing::warn!(
            webhook = request.webhook,
            request = request.name,
            error = outcome.error,
            "a webhook's request is given up"
        );
    }
    Ok(String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u16) -> Outcome {
        Outcome { status, error: Some(String::new()), ..Outcome::default() }
    }

    #[test]
    fn pauses_grow_until_it_is_given_up() {
        let now = DateTime::UNIX_EPOCH;
        let after = |attempts| {
            let request = RequestLog { attempts, ..RequestLog::default() };
            next(&request, &outcome(500), now)
        };
        assert_eq!(after(0), Next::Again(now + Duration::seconds(5)));
        assert_eq!(after(6), Next::Again(now + Duration::hours(10)));
        assert_eq!(after(7), Next::GiveUp);
        let all: i64 = PAUSES.iter().sum();
        assert_eq!(all / 3600, 27, "the help of Attempts says about 28 hours");
    }

    #[test]
    fn an_application_says_when_and_whether_it_wants_it_again() {
        let now = DateTime::UNIX_EPOCH;
        let request = RequestLog::default();
        let busy = Outcome { not_before: Some(now + Duration::minutes(3)), ..outcome(503) };
        assert_eq!(next(&request, &busy, now), Next::Again(now + Duration::minutes(3)));
        assert_eq!(next(&request, &outcome(410), now), Next::GiveUp);
    }
}
