//! Security Event: notes what matters for the safety of the site.

use serde_json::{Value as Json, json};

use crate::document::{Documents, Work};
use crate::error::Result;
use crate::permissions::Session;
use crate::web::request::RequestContext;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// For the record.
    Info,
    /// Deserves a look.
    Warning,
    /// Somebody has probably tried to break in.
    Critical,
}

/// One event; see the DocType for what the fields mean.
#[derive(Clone, Debug)]
pub(crate) struct SecurityEvent {
    event: &'static str,
    severity: Severity,
    user: String,
    client: String,
    ip_address: String,
    request_id: String,
    details: Json,
}

impl SecurityEvent {
    /// An event of the DocType's options.
    pub(crate) fn new(event: &'static str, severity: Severity) -> Self {
        Self {
            event,
            severity,
            user: String::new(),
            client: String::new(),
            ip_address: String::new(),
            request_id: String::new(),
            details: Json::Null,
        }
    }

    /// About that account.
    #[must_use]
    pub(crate) fn user(mut self, user: impl Into<String>) -> Self {
        self.user = user.into();
        self
    }

    /// About that OAuth client.
    #[must_use]
    pub(crate) fn client(mut self, client: impl Into<String>) -> Self {
        self.client = client.into();
        self
    }

    /// In that request.
    #[must_use]
    pub(crate) fn during(mut self, context: &RequestContext) -> Self {
        self.ip_address = context.ip.to_string();
        self.request_id = context.id.to_string();
        self
    }

    /// With more about it; never a secret.
    #[must_use]
    pub(crate) fn details(mut self, details: Json) -> Self {
        self.details = details;
        self
    }

    /// Notes it within a transaction.
    pub(crate) async fn record_in(self, work: &mut Work<'_>) -> Result<()> {
        tracing::info!(event = self.event, severity = ?self.severity, user = self.user, client = self.client, "security event");
        let caller = work.become_system();
        let noted = self.insert(work).await;
        work.session = caller;
        noted
    }

    async fn insert(self, work: &mut Work<'_>) -> Result<()> {
        let mut document = work.new_document("Security Event")?;
        document.set("event", self.event);
        document.set("severity", format!("{:?}", self.severity));
        for (fieldname, text) in [
            ("user", self.user),
            ("client", self.client),
            ("ip_address", self.ip_address),
            ("request_id", self.request_id),
        ] {
            document.set(fieldname, Some(text).filter(|text| !text.is_empty()));
        }
        if !self.details.is_null() {
            document.set("details", format!("{:#}", self.details));
        }
        work.insert(document).await.map(|_| ())
    }

    /// Notes it by itself. That it cannot be noted is logged and stops nothing.
    pub(crate) async fn record(self, documents: &Documents) {
        let event = self.event;
        let noted = async {
            let mut work = documents.begin(&Session::system()).await?;
            self.record_in(&mut work).await?;
            work.commit().await
        };
        if let Err(error) = noted.await {
            tracing::error!(event, error = ?json!(error.to_string()), "a security event could not be noted");
        }
    }
}
