//! A webhook, kept in memory with its templates compiled.

use std::collections::HashMap;
use std::sync::Arc;

use moka::sync::Cache;
use serde_json::json;

use crate::document::kept::Kept;
use crate::document::queue::Queue;
use crate::document::view::{filled, options, trimmed, view};
use crate::document::{Documents, ListRequest, Work};
use crate::error::Result;
use crate::meta::jinja::{Condition, Names};
use crate::meta::{DocType, Document};
use crate::webhook::template::Texts;

/// The name of the DocType.
pub(super) const WEBHOOK: &str = "Webhook";
/// The one key under which all of them are kept.
const ALL: &str = "";

options! {
    /// How a body is written.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(super) enum Structure {
        /// As an HTML form is sent.
        Form = "Form URL-Encoded",
        /// JSON.
        #[default]
        Json = "JSON",
    }
}

view! {
    /// A webhook.
    #[derive(Clone, Debug)]
    #[expect(clippy::struct_field_names, reason = "Frappe's names")]
    pub(super) struct Webhook of WEBHOOK {
        /// The document.
        pub name: String = name,
        /// Whose documents it watches.
        pub webhook_doctype: String,
        /// What it waits for.
        pub webhook_docevent: String,
        /// It notices something at all.
        pub enabled: bool,
        /// An expression that must hold.
        pub condition: Option<String>,
        /// Where requests go.
        pub request_url: String as trimmed,
        /// The address is a template.
        pub is_dynamic_url: bool,
        /// The HTTP method.
        pub request_method: String,
        /// Seconds until an answer counts as missing.
        pub timeout: i64,
        /// The queue.
        pub background_jobs_queue: Queue,
        /// How the body is written.
        pub request_structure: Structure,
        /// Which fields are sent; empty: all.
        pub webhook_data: Vec<Datum> = rows,
        /// A template of the body.
        pub webhook_json: Option<String>,
        /// Further headers.
        pub webhook_headers: Vec<Header> = rows,
        /// Requests are signed.
        pub enable_security: bool,
    }
}

view! {
    /// A field that is sent.
    #[derive(Clone, Debug)]
    pub(super) struct Datum of "Webhook Data" {
        /// The field.
        pub fieldname: String as trimmed,
        /// What the application calls it.
        pub key: String as trimmed,
    }
}

view! {
    /// A header; what it says is stored like a password.
    #[derive(Clone, Debug)]
    pub(super) struct Header of "Webhook Header" {
        /// The row.
        pub name: String = name,
        /// The name of the header.
        pub key: String as trimmed,
    }
}

/// A webhook with what its templates became.
pub(super) struct Hook {
    /// As it is stored.
    pub webhook: Webhook,
    /// When it applies; an error where the stored expression cannot be used (any more).
    pub condition: Result<Option<Condition>, String>,
    /// The templates of body and address, where it has any.
    pub texts: Result<Texts, String>,
}

impl Hook {
    /// Reads a webhook of that DocType; what is wrong with its templates stands in the fields.
    pub(super) fn new(webhook: Webhook, doctype: &DocType) -> Self {
        let fields = Names::of(doctype);
        let condition = webhook.condition.as_deref().map(|text| Condition::parse(text, &fields)).transpose();
        let mut texts = Texts::new();
        let mut read = Ok(());
        if let Some(text) = webhook.webhook_json.as_deref().filter(|_| webhook.request_structure == Structure::Json) {
            read = texts.add_body(text, &fields);
        }
        if webhook.is_dynamic_url && read.is_ok() {
            read = texts.add_address(&webhook.request_url, &fields);
        }
        Self { webhook, condition, texts: read.map(|()| texts) }
    }
}

/// Those that are enabled, by DocType; kept until a Webhook or the definitions change.
#[derive(Clone)]
pub(super) struct Hooks(Arc<Kept<Arc<ByDocType>>>);

/// The webhooks of each DocType, in order of their names.
pub(super) struct ByDocType {
    /// The number of the definitions they were read with.
    generation: u64,
    hooks: HashMap<String, Vec<Arc<Hook>>>,
}

impl Default for Hooks {
    fn default() -> Self {
        Self(Arc::new(Kept::new(Cache::new(1))))
    }
}

impl Hooks {
    /// Whether a DocType may have a webhook for an event: `false` only if it is known to have none.
    pub(super) fn may_wait(&self, documents: &Documents, doctype: &DocType, event: &str) -> bool {
        self.kept(documents).is_none_or(|kept| {
            let hooks = kept.hooks.get(&doctype.name);
            hooks.is_some_and(|hooks| hooks.iter().any(|hook| hook.webhook.webhook_docevent == event))
        })
    }

    fn kept(&self, documents: &Documents) -> Option<Arc<ByDocType>> {
        let generation = documents.registry().generation;
        self.0.get(documents, ALL).filter(|kept| kept.generation == generation)
    }

    /// The webhooks of a DocType.
    pub(super) async fn of(&self, work: &mut Work<'_>, doctype: &str) -> Result<Vec<Arc<Hook>>> {
        if let Some(kept) = self.kept(work.documents) {
            return Ok(kept.hooks.get(doctype).cloned().unwrap_or_default());
        }
        let ticket = self.0.ticket(ALL);
        let session = work.become_system();
        let read = read(work).await;
        work.session = session;
        let read = Arc::new(read?);
        // What this very transaction has changed is not in force yet.
        if !work.has_written(WEBHOOK) {
            self.0.keep(ticket, ALL, Arc::clone(&read));
        }
        Ok(read.hooks.get(doctype).cloned().unwrap_or_default())
    }

    /// A Webhook has changed.
    pub(super) fn forget(&self) {
        self.0.clear();
    }
}

async fn read(work: &mut Work<'_>) -> Result<ByDocType> {
    let request = ListRequest::new(WEBHOOK).filters(json!({"enabled": 1})).order_by("name asc");
    let list = work.list(&request.all()).await?;
    let mut hooks: HashMap<String, Vec<Arc<Hook>>> = HashMap::new();
    for row in 0..list.rows.len() {
        let Some(document) = work.find(WEBHOOK, list.text(row, "name")).await? else { continue };
        let webhook = Webhook::from(&document);
        // A DocType that is gone has no documents either.
        let Ok(doctype) = work.doctype(&webhook.webhook_doctype) else { continue };
        hooks.entry(doctype.name.clone()).or_default().push(Arc::new(Hook::new(webhook, &doctype)));
    }
    Ok(ByDocType { generation: work.registry().generation, hooks })
}

/// What is sent to an application and nobody else reads.
pub(super) struct Secrets {
    /// What requests are signed with.
    pub signing: Option<String>,
    /// Further headers.
    pub headers: Vec<(String, String)>,
}

impl Secrets {
    /// Those of a webhook.
    pub(super) async fn of(work: &mut Work<'_>, webhook: &Webhook) -> Result<Self> {
        let signing = if webhook.enable_security {
            work.get_password(WEBHOOK, &webhook.name, "webhook_secret").await?
        } else {
            None
        };
        let mut headers = Vec::new();
        for header in &webhook.webhook_headers {
            let value = work.get_password("Webhook Header", &header.name, "value").await?;
            if let Some(value) = value.filter(|_| !header.key.is_empty()) {
                headers.push((header.key.clone(), value));
            }
        }
        Ok(Self { signing, headers })
    }
}

/// The value of a header row as somebody has just typed it; `None` if it is the stored one.
pub(super) fn typed_value(row: &Document) -> Option<&str> {
    filled(row, "value").filter(|value| !value.chars().all(|letter| letter == '*'))
}
