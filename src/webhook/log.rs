//! Webhook Request Log: what is to be sent, what was sent, and what came back.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json, json};

use crate::document::guard::changes;
use crate::document::queue::{NewJob, Queue};
use crate::document::view::{FieldValue as _, options, view};
use crate::document::{Controller, Documents, ListRequest, Work};
use crate::error::{Error, Result};
use crate::meta::{Document, Value};
use crate::web::given_up::GivenUp;
use crate::webhook::deliver::SEND;
use crate::webhook::hook::{WEBHOOK, Webhook};

/// The name of the DocType.
pub(super) const REQUEST_LOG: &str = "Webhook Request Log";

options! {
    /// Where a request stands.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(super) enum Status {
        /// It waits for its turn.
        #[default]
        Queued = "Queued",
        /// It was refused and is sent again.
        Retrying = "Retrying",
        /// It was accepted.
        Delivered = "Delivered",
        /// It is not sent again.
        Exhausted = "Exhausted",
    }
}

view! {
    /// A request. Its name is the `webhook-id`; names grow with time.
    #[derive(Clone, Debug, Default)]
    pub(super) struct RequestLog of REQUEST_LOG {
        /// The document.
        pub name: String = name,
        /// The webhook.
        pub webhook: String,
        /// Where it stands.
        pub status: Status,
        /// The DocType it tells of.
        pub reference_doctype: String,
        /// The document it tells of.
        pub reference_document: String,
        /// What happened to that.
        pub doc_event: String,
        /// Who did it.
        pub user: String,
        /// How often it was sent.
        pub attempts: i64,
        /// When it was last sent.
        pub last_attempt: Option<DateTime<Utc>>,
        /// When it is sent again.
        pub next_attempt: Option<DateTime<Utc>>,
        /// The last status; 0: no answer.
        pub response_status: i64,
        /// Why it was not accepted.
        pub error: Option<String>,
        /// The method.
        pub request_method: String,
        /// The address.
        pub url: String,
        /// The headers, as JSON.
        pub headers: Option<String>,
        /// The body.
        pub data: String,
        /// The beginning of the answer.
        pub response: Option<String>,
    }
}

impl RequestLog {
    /// Whether it is still to be sent.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.status, Status::Queued | Status::Retrying)
    }

    /// The media type of the body.
    pub(super) fn media_type(&self) -> String {
        let headers: Map<String, Json> =
            serde_json::from_str(self.headers.as_deref().unwrap_or("{}")).unwrap_or_default();
        headers.get("Content-Type").and_then(Json::as_str).unwrap_or("application/json").to_owned()
    }

    /// The job that sends it.
    pub(super) fn job(&self, queue: Queue) -> NewJob {
        NewJob::new(SEND)
            .arguments(Map::from_iter([("request".to_owned(), Json::from(self.name.as_str()))]))
            .queue(queue)
            .job_id(self.job_id())
            .about(REQUEST_LOG, &self.name)
    }

    /// What keeps it from being sent by two jobs at once.
    fn job_id(&self) -> String {
        format!("webhook request {}", self.name)
    }

    /// The next request about the same document that is to be sent before this one.
    pub(super) async fn before_it(&self, work: &mut Work<'_>) -> Result<Option<Self>> {
        let Some(name) = self.waiting(work, Some(json!(["name", "<", self.name])), "name asc").await? else {
            return Ok(None);
        };
        Ok(work.find(REQUEST_LOG, &name).await?.map(|document| Self::from(&document)))
    }

    /// The last one about its document that is still to be sent, this one not being stored yet.
    pub(super) async fn last_waiting(&self, work: &mut Work<'_>) -> Result<Option<String>> {
        self.waiting(work, None, "name desc").await
    }

    /// The first in this order of those about its document that are still to be sent.
    async fn waiting(&self, work: &mut Work<'_>, further: Option<Json>, order: &str) -> Result<Option<String>> {
        let mut filters = vec![
            json!(["webhook", "=", self.webhook]),
            json!(["reference_doctype", "=", self.reference_doctype]),
            json!(["reference_document", "=", self.reference_document]),
            json!(["status", "in", ["Queued", "Retrying"]]),
        ];
        filters.extend(further);
        let mut request = ListRequest::new(REQUEST_LOG).filters(Json::from(filters)).order_by(order);
        request.limit = Some(1);
        let list = work.list(&request).await?;
        Ok((!list.rows.is_empty()).then(|| list.text(0, "name").to_owned()))
    }
}

/// What people do with requests: send them again.
pub(super) struct RequestLogController(pub GivenUp);

#[async_trait]
impl Controller for RequestLogController {
    async fn validate(&self, work: &mut Work<'_>, document: &mut Document, before: Option<&Document>) -> Result<()> {
        if work.session.is_system() || before.is_some_and(|before| changes(document, before).next().is_none()) {
            return Ok(());
        }
        Err(Error::Permission(
            "Requests of webhooks are written by the site alone: send one again, or delete it".to_owned(),
        ))
    }

    async fn call(
        &self,
        work: &mut Work<'_>,
        document: &mut Document,
        method: &str,
        _: &Map<String, Json>,
    ) -> Option<Result<Json>> {
        match method {
            "send_again" => Some(send_again(work, RequestLog::from(&*document)).await),
            _ => None,
        }
    }

    fn methods(&self) -> Vec<(&'static str, &'static str)> {
        vec![("send_again", "Sends the stored data once more, under the same id, with all attempts")]
    }

    fn forget(&self, _: Option<&str>) {
        self.0.forget();
    }
}

async fn send_again(work: &mut Work<'_>, request: RequestLog) -> Result<Json> {
    let session = work.become_system();
    let webhook = work.find(WEBHOOK, &request.webhook).await;
    work.session = session;
    let Some(webhook) = webhook? else { return Err(Error::misuse("Its webhook is gone")) };
    if request.data.is_empty() && request.url.is_empty() {
        return Err(Error::misuse("There is nothing to send: the templates of its webhook failed"));
    }
    let values = [
        ("status", Status::Queued.to_value()),
        ("attempts", Value::from(0)),
        ("next_attempt", Value::Null),
        ("error", Value::Null),
    ];
    work.set_values(REQUEST_LOG, &request.name, &values).await?;
    let job = request.job(Webhook::from(&webhook).background_jobs_queue);
    // One that waits for its next attempt does not wait any longer.
    if work.enqueue(job).await?.is_none() {
        work.hasten(&request.job_id()).await?;
    }
    Ok(Json::from("It is sent again"))
}

/// What System Managers are told of requests that were given up, if anything.
pub(super) async fn told(exhausted: &GivenUp, documents: &Documents) -> Result<Option<String>> {
    Ok(match exhausted.count(documents).await? {
        0 => None,
        1 => Some("A webhook's request was given up in the last 24 hours. See Webhook Request Log".to_owned()),
        count => {
            Some(format!("{count} requests of webhooks were given up in the last 24 hours. See Webhook Request Log"))
        }
    })
}
