//! What a Webhook must be, and sending a sample of it.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use poem::http::header::HeaderValue;
use serde_json::{Map, Value as Json};

use crate::document::view::filled;
use crate::document::{Controller, Documents, ListRequest, Work};
use crate::error::{Error, FieldProblem, Invalid, ProblemKind, Result};
use crate::meta::jinja::{Facts, Names};
use crate::meta::{DocType, Document, Right};
use crate::outgoing::Outgoing;
use crate::permissions::Session;
use crate::secret::uuid_v7;
use crate::webhook::hook::{Hook, Hooks, Secrets, Structure, Webhook, typed_value};
use crate::webhook::listen::request;
use crate::webhook::log::REQUEST_LOG;
use crate::webhook::payload;
use crate::webhook::send::{Request, TIMEOUTS, header, send};
use crate::webhook::sign;

/// Behaviour of the DocType Webhook.
pub(super) struct WebhookController {
    /// What is kept in memory.
    pub hooks: Hooks,
    /// The way out.
    pub outgoing: Arc<Outgoing>,
}

#[async_trait]
impl Controller for WebhookController {
    async fn validate(&self, work: &mut Work<'_>, document: &mut Document, _: Option<&Document>) -> Result<()> {
        let mut invalid = Invalid::default();
        for (index, row) in document.rows("webhook_headers").iter().enumerate() {
            let key = filled(row, "key").unwrap_or_default();
            let mut problem = |field: &str, label: &str, message: String| {
                let problem = FieldProblem::at(ProblemKind::Validation, field, label, message);
                invalid.push(problem.in_row("webhook_headers", index + 1));
            };
            if let Err(message) = header(key) {
                problem("key", "Key", message);
            }
            if typed_value(row).is_some_and(|value| HeaderValue::from_str(value).is_err()) {
                problem("value", "Value", "A header has one line of ASCII".to_owned());
            }
        }
        // Frappe sends JSON whatever the structure says; whoever says so in a header means it.
        let is_json = document.rows("webhook_headers").iter().any(|row| {
            let is_type = filled(row, "key").is_some_and(|key| key.eq_ignore_ascii_case("content-type"));
            is_type && typed_value(row).is_some_and(|value| value.to_ascii_lowercase().contains("json"))
        });
        if is_json {
            document.set("request_structure", Structure::Json.as_str());
        }
        let webhook = Webhook::from(&*document);
        let mut problem = |field: &str, label: &str, message: String| {
            invalid.push(FieldProblem::at(ProblemKind::Validation, field, label, message));
        };
        if !TIMEOUTS.contains(&webhook.timeout) {
            problem("timeout", "Request Timeout", "It must be from 1 to 60 seconds".to_owned());
        }
        if let Some(message) =
            filled(document, "webhook_secret").and_then(sign::problem).filter(|_| webhook.enable_security)
        {
            problem("webhook_secret", "Webhook Secret", message);
        }
        let address =
            if webhook.is_dynamic_url { fixed_part(&webhook.request_url) } else { Ok(webhook.request_url.clone()) };
        let checked = match address {
            Ok(address) => {
                self.outgoing.check(work.documents, &address).await.map(drop).map_err(|error| error.to_string())
            }
            Err(message) => Err(message),
        };
        if let Err(message) = checked {
            problem("request_url", "Request URL", message);
        }
        if let Ok(doctype) = work.doctype(&webhook.webhook_doctype) {
            // Also for one that somebody else made: whoever changes where it goes gets what it sends.
            check_may_watch(work.documents, &work.session, &doctype)?;
            if let Err(message) = may_be_watched(&doctype) {
                problem("webhook_doctype", "DocType", message);
            }
            let hook = Hook::new(webhook.clone(), &doctype);
            if let Err(message) = &hook.condition {
                problem("condition", "Condition", message.clone());
            }
            if let Err(message) = hook.texts.map(drop) {
                let is_body = webhook.webhook_json.is_some() && webhook.request_structure == Structure::Json;
                let (field, label) =
                    if is_body { ("webhook_json", "JSON Request Body") } else { ("request_url", "Request URL") };
                problem(field, label, message);
            }
            for (index, datum) in webhook.webhook_data.iter().enumerate() {
                if !Names::of(&doctype).fields.contains(datum.fieldname.as_str()) {
                    let message = format!("{} has no field `{}`", doctype.name, datum.fieldname);
                    let problem = FieldProblem::at(ProblemKind::Validation, "fieldname", "Fieldname", message);
                    invalid.push(problem.in_row("webhook_data", index + 1));
                }
            }
        }
        invalid.into_result()
    }

    fn forget(&self, _: Option<&str>) {
        self.hooks.forget();
    }

    fn ignores_links_from(&self, doctype: &str) -> bool {
        doctype == REQUEST_LOG
    }

    fn runs_outside(&self, method: &str) -> bool {
        method == "send_sample"
    }

    async fn call_outside(
        &self,
        documents: &Documents,
        session: &Session,
        document: &Document,
        _: &str,
        _: &Map<String, Json>,
    ) -> Result<Json> {
        documents.reading(session).check(document, Right::Write).await?;
        send_sample(&self.outgoing, documents, session, document).await
    }

    fn methods(&self) -> Vec<(&'static str, &'static str)> {
        vec![(
            "send_sample",
            "Sends the newest document of the DocType once, marked as a sample, and says what was answered",
        )]
    }
}

/// A dynamic address up to its path: no field may choose the host.
fn fixed_part(address: &str) -> Result<String, String> {
    let fixed = address.find(['{', '}']).map_or(address, |end| &address[..end]);
    let has_host = fixed.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
    if fixed.len() < address.len() && !has_host {
        return Err(
            "Fields of the document may only follow the host, as in `https://example.com/{{ doc.name }}`".to_owned()
        );
    }
    Ok(fixed.to_owned())
}

/// Whoever makes, changes or tries a webhook must be able to read all that it sends.
fn check_may_watch(documents: &Documents, session: &Session, doctype: &DocType) -> Result<()> {
    if session.is_system() {
        return Ok(());
    }
    documents.check_permission(session, doctype, None, Right::Read)?;
    let grant = documents.grant(session, doctype);
    let reads_all = doctype.fields.iter().all(|field| grant.reads_level(field.permlevel) && !grant.masks(field));
    if reads_all && !documents.sees_only_some(session, doctype) {
        return Ok(());
    }
    Err(Error::Permission(format!(
        "A webhook on {} needs the right to read all of its documents and fields",
        doctype.name
    )))
}

/// What happens to documents of some DocTypes is not told, or it would tell of itself.
fn may_be_watched(doctype: &DocType) -> Result<(), String> {
    if doctype.istable {
        return Err(format!("{} is a child table: watch its parent", doctype.name));
    }
    if doctype.is_virtual || [REQUEST_LOG, "Background Job"].contains(&doctype.name.as_str()) {
        return Err(format!("Documents of {} are not saved like others and cannot be watched", doctype.name));
    }
    Ok(())
}

async fn send_sample(
    outgoing: &Outgoing,
    documents: &Documents,
    session: &Session,
    document: &Document,
) -> Result<Json> {
    let webhook = Webhook::from(document);
    let doctype = documents.doctype(&webhook.webhook_doctype)?;
    check_may_watch(documents, session, &doctype)?;
    let sample = if doctype.issingle {
        documents.get(session, &doctype.name, &doctype.name).await?
    } else {
        let mut newest = ListRequest::new(&doctype.name).order_by("modified desc");
        newest.limit = Some(1);
        let list = documents.list(session, &newest).await?;
        if list.rows.is_empty() {
            return Err(Error::misuse(format!("There is no {} yet: a sample needs one", doctype.name)));
        }
        documents.get(session, &doctype.name, list.text(0, "name")).await?
    };
    let zone = documents.site_zone();
    let doc = payload::of(&sample, zone);
    let now = documents.clock().now();
    let now_shown = zone.shown(&documents.clock().now_text());
    let facts = Facts::new(&doc, Some(&doc), &webhook.webhook_docevent, session.user(), &now_shown);
    // A condition says which events count, and this is none.
    let hook = Hook::new(Webhook { condition: None, ..webhook.clone() }, &doctype);
    let made = request(&hook, &doc, &facts).unwrap_or_default();
    if let Some(error) = made.error {
        return Err(Error::misuse(error));
    }
    let secrets = Secrets::of(&mut documents.reading(&Session::system()), &webhook).await?;
    let (id, media_type) = (uuid_v7(now).to_string(), made.media_type());
    let began = Instant::now();
    let sent = Request {
        id: &id,
        method: &webhook.request_method,
        url: &made.url,
        media_type: &media_type,
        body: &made.data,
        is_sample: true,
    };
    let outcome = send(outgoing, documents, &webhook, &secrets, &sent).await;
    let took = began.elapsed().as_millis();
    let said: String = outcome.response.chars().take(300).collect();
    match outcome.error {
        None => Ok(Json::from(format!("It answered {} after {took} ms: {said}", outcome.status))),
        Some(error) => Err(Error::invalid(ProblemKind::Validation, format!("{error} after {took} ms: {said}"))),
    }
}
