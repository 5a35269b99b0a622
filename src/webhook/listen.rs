//! Hears of every event of every document, and writes what is to be sent in the transaction of the event.

use async_trait::async_trait;
use serde_json::json;

use crate::document::view::Fields as _;
use crate::document::{DocEvent, DocEvents, Documents, Work};
use crate::error::Result;
use crate::meta::jinja::Facts;
use crate::meta::{DocType, Document};
use crate::pace;
use crate::secret::uuid_v7_after;
use crate::webhook::hook::{Hook, Hooks};
use crate::webhook::log::{REQUEST_LOG, RequestLog, Status};
use crate::webhook::payload;

/// Hears of events for webhooks.
pub(super) struct Listener(pub Hooks);

#[async_trait]
impl DocEvents for Listener {
    fn listens(&self, documents: &Documents, event: DocEvent, doctype: &DocType) -> bool {
        self.0.may_wait(documents, doctype, event.name())
    }

    async fn happened(
        &self,
        work: &mut Work<'_>,
        event: DocEvent,
        document: &Document,
        before: Option<&Document>,
    ) -> Result<()> {
        let mut hooks = self.0.of(work, &document.doctype.name).await?;
        hooks.retain(|hook| hook.webhook.webhook_docevent == event.name());
        if hooks.is_empty() {
            return Ok(());
        }
        let zone = work.documents.site_zone();
        let requests: Vec<_> = pace::aside(document.has_many_rows(), || {
            let doc = payload::of(document, zone);
            let before = before.map(|before| payload::of(before, zone));
            let facts = Facts::new(&doc, before.as_ref(), event.name(), work.session.user(), &zone.shown(work.now()));
            hooks.iter().filter_map(|hook| Some((hook, request(hook, &doc, &facts)?))).collect()
        });
        for (hook, request) in requests {
            write(work, hook, request, event, document).await?;
        }
        Ok(())
    }
}

/// The request that an event gives, if the condition holds. One that cannot be made is told in the log and not to the
/// person whose document it is.
pub(super) fn request(hook: &Hook, doc: &serde_json::Value, facts: &Facts) -> Option<RequestLog> {
    let made = (|| -> Result<Option<RequestLog>, String> {
        if let Some(condition) = hook.condition.as_ref().map_err(Clone::clone)?
            && !condition.holds(facts)?
        {
            return Ok(None);
        }
        let (data, media_type) = payload::body(hook, doc, facts)?;
        let headers = json!({ "Content-Type": media_type }).to_string();
        let url = payload::address(hook, facts)?;
        Ok(Some(RequestLog { data, url, headers: Some(headers), ..RequestLog::default() }))
    })();
    made.unwrap_or_else(|error| {
        Some(RequestLog { status: Status::Exhausted, error: Some(error), ..RequestLog::default() })
    })
}

async fn write(
    work: &mut Work<'_>,
    hook: &Hook,
    request: RequestLog,
    event: DocEvent,
    document: &Document,
) -> Result<()> {
    let mut request = RequestLog {
        webhook: hook.webhook.name.clone(),
        reference_doctype: document.doctype.name.clone(),
        reference_document: document.name(),
        doc_event: event.name().to_owned(),
        user: work.session.user().to_owned(),
        request_method: hook.webhook.request_method.clone(),
        ..request
    };
    // Names say what is sent first, also should the clock have gone back.
    let caller = work.become_system();
    let earlier = request.last_waiting(work).await;
    work.session = caller;
    let earlier = earlier?.and_then(|name| name.parse().ok());
    request.name = uuid_v7_after(work.documents.clock().now(), earlier).to_string();
    work.insert_log_as(request.name.clone(), REQUEST_LOG, &request.values()).await?;
    if request.is_open() {
        work.enqueue(request.job(hook.webhook.background_jobs_queue)).await?;
    }
    Ok(())
}
