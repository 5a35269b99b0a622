//! Email Queue: what is to be sent and what became of it. The text is sealed, and goes once it is sent.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json};

use crate::document::guard::changes;
use crate::document::view::{FieldValue as _, options, view};
use crate::document::{Controller, Documents, Work};
use crate::error::{Error, Result};
use crate::meta::{Document, Value};
use crate::web::given_up::GivenUp;
use crate::web::mail::{EMAIL_QUEUE, job, job_id};

options! {
    /// Where a message stands.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(super) enum Status {
        /// It waits for its turn, or for the next attempt.
        #[default]
        NotSent = "Not Sent",
        /// A server is being asked to take it.
        Sending = "Sending",
        /// Taken for everybody.
        Sent = "Sent",
        /// Taken for some, given up for others.
        PartiallySent = "Partially Sent",
        /// Given up.
        Error = "Error",
    }
}

view! {
    /// Somebody who gets a message.
    #[derive(Clone, Debug, Default)]
    pub(super) struct Addressee of "Email Queue Recipient" {
        /// The row.
        pub name: String = name,
        /// Their address.
        pub recipient: String,
        /// `Not Sent` or `Sent`.
        pub status: Option<String>,
    }
}

view! {
    /// A message.
    #[derive(Clone, Debug, Default)]
    pub(super) struct QueuedMail of EMAIL_QUEUE {
        /// The document.
        pub name: String = name,
        /// Where it stands.
        pub status: Status,
        /// Who gets it.
        pub recipients: Vec<Addressee> = rows,
        /// The text, sealed.
        pub message: Option<String>,
        /// Why it was not taken.
        pub error: Option<String>,
        /// How often it was tried.
        pub retry: i64,
        /// When it is tried next.
        pub send_after: Option<DateTime<Utc>>,
        /// The server that took it.
        pub email_account: Option<String>,
        /// The address that it comes from.
        pub sender: Option<String>,
    }
}

impl Addressee {
    /// Whether the server has taken the message for them.
    pub(super) fn has_it(&self) -> bool {
        self.status.as_deref() == Some("Sent")
    }
}

impl QueuedMail {
    /// Whether it is still to be sent.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.status, Status::NotSent | Status::Sending)
    }
}

/// What people do with messages: send them again.
pub(super) struct EmailQueueController(pub GivenUp);

#[async_trait]
impl Controller for EmailQueueController {
    async fn validate(&self, work: &mut Work<'_>, document: &mut Document, before: Option<&Document>) -> Result<()> {
        if work.session.is_system() || before.is_some_and(|before| changes(document, before).next().is_none()) {
            return Ok(());
        }
        Err(Error::Permission("Messages are written by the site alone: send one again, or delete it".to_owned()))
    }

    async fn call(
        &self,
        work: &mut Work<'_>,
        document: &mut Document,
        method: &str,
        _: &Map<String, Json>,
    ) -> Option<Result<Json>> {
        match method {
            "send_now" => Some(send_now(work, &QueuedMail::from(&*document)).await),
            _ => None,
        }
    }

    fn methods(&self) -> Vec<(&'static str, &'static str)> {
        vec![("send_now", "Sends a message that waits, or was given up, at once, with all attempts")]
    }

    fn forget(&self, _: Option<&str>) {
        self.0.forget();
    }
}

async fn send_now(work: &mut Work<'_>, email: &QueuedMail) -> Result<Json> {
    if email.message.is_none() {
        return Err(Error::misuse("The message was sent, and its text is gone"));
    }
    let values = [
        ("status", Status::NotSent.to_value()),
        ("retry", Value::from(0)),
        ("send_after", Value::Null),
        ("error", Value::Null),
    ];
    work.set_values(EMAIL_QUEUE, &email.name, &values).await?;
    // One that waits for its next attempt does not wait any longer.
    if work.enqueue(job(&email.name)).await?.is_none() {
        work.hasten(&job_id(&email.name)).await?;
    }
    Ok(Json::from("It is sent now"))
}

/// What System Managers are told of messages that were given up, if anything.
pub(super) async fn told(failed: &GivenUp, documents: &Documents) -> Result<Option<String>> {
    Ok(match failed.count(documents).await? {
        0 => None,
        1 => Some("A message could not be sent in the last 24 hours. See Email Queue".to_owned()),
        count => Some(format!("{count} messages could not be sent in the last 24 hours. See Email Queue")),
    })
}
