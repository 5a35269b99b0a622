//! The job that sends one message, and what becomes of it then.

use chrono::{DateTime, Duration, Utc};
use serde_json::Value as Json;

use crate::document::view::{FieldValue as _, text_value, time_value};
use crate::document::{Documents, Work};
use crate::error::Result;
use crate::mail::account::EmailAccount;
use crate::mail::message::Written;
use crate::mail::queue::{QueuedMail, Status};
use crate::meta::Value;
use crate::outgoing::Outgoing;
use crate::outgoing::smtp::Refused;
use crate::permissions::Session;
use crate::web::mail::{EMAIL_QUEUE, job as job_for, open};
use crate::web::{RunningJob, Site};

/// Seconds between one attempt and the next; there is one attempt more.
const PAUSES: [i64; 7] = [60, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600];

/// What became of a message for a recipient; `None` for one who had it already.
type Outcome = Option<std::result::Result<(), Refused>>;

/// Sends the message that the job names to everybody who has not got it yet.
pub(super) async fn run(site: &Site, job: &RunningJob, outgoing: &Outgoing) -> Result<String> {
    let documents = &site.documents;
    let arguments = job.arguments()?;
    let name = arguments.get("email").and_then(Json::as_str).unwrap_or_default();
    let mut reading = documents.reading(&Session::system());
    let Some(document) = reading.find(EMAIL_QUEUE, name).await? else { return Ok("It was deleted".to_owned()) };
    let email = QueuedMail::from(&document);
    if !email.is_open() {
        return Ok(String::new());
    }
    let account = match site.mailer.account(documents).await? {
        Some(name) => EmailAccount::find(&mut reading, &name).await?,
        None => None,
    };
    let outcomes: Vec<Outcome> = if let Some(account) = &account {
        let relay = account.relay(&mut reading).await?;
        drop(reading);
        note_sending(documents, &email).await?;
        let (subject, text) = open(site, &email.name, email.message.as_deref().unwrap_or_default()).await?;
        let mut outcomes = Vec::new();
        for row in &email.recipients {
            if row.has_it() {
                outcomes.push(None);
                continue;
            }
            let id = format!("{}.{}", email.name, row.name);
            let written = Written { id: &id, account, to: &row.recipient, subject: &subject, text: &text };
            outcomes.push(Some(match written.build(documents) {
                Ok(message) => outgoing.mail(documents, &relay, message).await,
                Err(error) => Err(Refused { message: error.to_string(), is_permanent: true }),
            }));
        }
        outcomes
    } else {
        let none = || Refused { message: "There is no Email Account that sends".to_owned(), is_permanent: false };
        email.recipients.iter().map(|row| (!row.has_it()).then(|| Err(none()))).collect()
    };
    end(site, job, &email, account.as_ref(), &outcomes).await?;
    Ok(String::new())
}

async fn note_sending(documents: &Documents, email: &QueuedMail) -> Result<()> {
    let mut work = documents.begin(&Session::system()).await?;
    work.set_values(EMAIL_QUEUE, &email.name, &[("status", Status::Sending.to_value())]).await?;
    work.commit().await
}

/// What follows an attempt: where the message stands then, and when it is tried again.
fn next(retry: i64, outcomes: &[Outcome], now: DateTime<Utc>) -> (Status, Option<DateTime<Utc>>) {
    let refused = || outcomes.iter().flatten().filter_map(|outcome| outcome.as_ref().err());
    let pause = usize::try_from(retry).ok().and_then(|retry| PAUSES.get(retry));
    if let Some(seconds) = pause.filter(|_| refused().any(|refused| !refused.is_permanent)) {
        return (Status::NotSent, Some(now + Duration::seconds(*seconds)));
    }
    let all = (outcomes.len(), refused().count());
    let status = match all {
        (_, 0) => Status::Sent,
        (all, failed) if failed < all => Status::PartiallySent,
        _ => Status::Error,
    };
    (status, None)
}

/// Notes an attempt, ends the job, and puts the next one into the queue, in one transaction.
async fn end(
    site: &Site,
    job: &RunningJob,
    email: &QueuedMail,
    account: Option<&EmailAccount>,
    outcomes: &[Outcome],
) -> Result<()> {
    let documents = &site.documents;
    let now = documents.clock().now();
    let (status, at) = next(email.retry, outcomes, now);
    let said: Vec<&str> =
        outcomes.iter().flatten().filter_map(|outcome| Some(outcome.as_ref().err()?.message.as_str())).collect();
    let mut values = vec![
        ("status", status.to_value()),
        ("retry", Value::from(email.retry + 1)),
        ("send_after", at.map_or(Value::Null, time_value)),
        ("error", text_value(Some(&said.join("\n")).filter(|said| !said.is_empty()).map(String::as_str))),
        ("email_account", text_value(account.map(|account| account.name.as_str()))),
        ("sender", text_value(account.map(|account| account.email_id.as_str()))),
        ("modified", time_value(now)),
    ];
    if status == Status::Sent {
        // What it said is the recipient's alone.
        values.push(("message", Value::Null));
    }
    let mut work: Work<'_> = documents.begin(&Session::system()).await?;
    work.set_values(EMAIL_QUEUE, &email.name, &values).await?;
    for (row, outcome) in email.recipients.iter().zip(outcomes) {
        let Some(outcome) = outcome else { continue };
        let status = if outcome.is_ok() { "Sent" } else { "Not Sent" };
        let error = outcome.as_ref().err().map(|refused| refused.message.as_str());
        let values = [("status", Value::from(status)), ("error", text_value(error))];
        work.set_values("Email Queue Recipient", &row.name, &values).await?;
    }
    job.finish_in(&mut work, status.as_str()).await?;
    if let Some(at) = at {
        work.enqueue(job_for(&email.name).run_after(at)).await?;
    }
    work.commit().await?;
    if status == Status::Error {
        tracing::warn!(email = email.name, error = said.join("; "), "a message is given up");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_sent_again_until_somebody_says_never() {
        let now = DateTime::UNIX_EPOCH;
        let refused = |is_permanent| Some(Err(Refused { message: String::new(), is_permanent }));
        let later = |seconds| (Status::NotSent, Some(now + Duration::seconds(seconds)));
        assert_eq!(next(0, &[Some(Ok(()))], now), (Status::Sent, None));
        assert_eq!(next(0, &[refused(false)], now), later(60));
        assert_eq!(next(6, &[refused(false)], now), later(36_000));
        assert_eq!(next(7, &[refused(false)], now), (Status::Error, None));
        assert_eq!(next(0, &[refused(true)], now), (Status::Error, None));
        assert_eq!(next(0, &[refused(true), None], now), (Status::PartiallySent, None));
        assert_eq!(next(0, &[refused(true), refused(false)], now), later(60));
        let all: i64 = PAUSES.iter().sum();
        assert_eq!(all / 3600, 27, "the help of Retry says about 28 hours");
    }
}
