//! OAuth Authorization Request: a sign-in under way, kept here while the person logs in and answers.

use anyhow::Context as _;
use chrono::{DateTime, Duration, Utc};
use serde_json::{Value as Json, json};

use super::fields::{Fields, View, parse_time, time_value};
use crate::document::Documents;
use crate::error::{Error, Result};
use crate::meta::Document;
use crate::oauth::protocol::authorization_request::AuthorizationRequest;
use crate::permissions::Session;
use crate::secret::Purpose;

/// The name of the DocType.
pub const OAUTH_AUTHORIZATION_REQUEST: &str = "OAuth Authorization Request";

/// What is read and written.
pub const VIEW: View = View {
    doctype: OAUTH_AUTHORIZATION_REQUEST,
    fields: &[
        "kind",
        "client",
        "user",
        "status",
        "expires_at",
        "answered_at",
        "parameters",
        "request_digest",
        "session_digest",
    ],
};

/// A stored request.
#[derive(Clone, Debug)]
pub struct StoredRequest {
    /// The document.
    pub name: String,
    /// `Authorize`, `Pushed` or `Device`.
    pub kind: String,
    /// The OAuth Client.
    pub client: String,
    /// Whom the consent page was shown to.
    pub user: Option<String>,
    /// Nobody has answered it yet.
    pub is_pending: bool,
    /// Until when it may be answered.
    pub expires_at: Option<DateTime<Utc>>,
    /// The digest of the browser session that may answer.
    pub session_digest: Option<String>,
    /// When it came.
    pub requested_at: DateTime<Utc>,
    /// The checked request.
    pub request: AuthorizationRequest,
}

/// The question whether a device may have access, after somebody has typed in its code.
#[derive(Clone, Debug)]
pub struct DeviceRequest {
    /// The document.
    pub name: String,
    /// The OAuth Device Code.
    pub device_code: String,
    /// Whom the consent page was shown to.
    pub user: Option<String>,
    /// The digest of the browser session that may answer.
    pub session_digest: Option<String>,
    is_pending: bool,
    expires_at: Option<DateTime<Utc>>,
}

impl DeviceRequest {
    /// What is stored in `parameters`.
    pub fn parameters(device_code: &str) -> String {
        json!({"device_code": device_code}).to_string()
    }

    /// The view of a document of this kind; `None` for the other kinds.
    pub fn of(document: &Document) -> Option<Self> {
        let fields = Fields::new(document, &VIEW);
        let parameters: Json = serde_json::from_str(fields.text("parameters")).ok()?;
        Some(Self {
            name: document.name(),
            device_code: parameters["device_code"].as_str().filter(|_| fields.text("kind") == "Device")?.to_owned(),
            user: fields.optional("user"),
            session_digest: fields.optional("session_digest"),
            is_pending: fields.text("status") == "Pending",
            expires_at: fields.time("expires_at"),
        })
    }

    /// Whether it can still be answered.
    pub fn is_waiting(&self, now: DateTime<Utc>) -> bool {
        self.is_pending && self.expires_at.is_some_and(|at| at > now)
    }
}

/// Keeps a checked request under an id, of which only the digest is stored. `kind` is an option of the field.
pub async fn keep(
    documents: &Documents,
    kind: &str,
    client: &str,
    request: &AuthorizationRequest,
    id: &str,
    lifetime: Duration,
) -> Result<()> {
    let parameters = serde_json::to_string(request).map_err(Error::internal)?;
    let mut work = documents.begin(&Session::system()).await?;
    let mut document = work.new_document(OAUTH_AUTHORIZATION_REQUEST)?;
    document.set("kind", kind);
    document.set("client", client);
    document.set("status", "Pending");
    document.set("expires_at", time_value(documents.clock().now() + lifetime));
    document.set("parameters", parameters);
    document.set("request_digest", documents.site_key().digest(Purpose::TOKEN_DIGEST, id));
    work.insert(document).await?;
    work.commit().await
}

impl TryFrom<&Document> for StoredRequest {
    type Error = Error;

    fn try_from(document: &Document) -> Result<Self> {
        let fields = Fields::new(document, &VIEW);
        let request = serde_json::from_str(fields.text("parameters"))
            .with_context(|| format!("{OAUTH_AUTHORIZATION_REQUEST} {}", document.name()))
            .map_err(Error::Internal)?;
        Ok(Self {
            name: document.name(),
            kind: fields.text("kind").to_owned(),
            client: fields.text("client").to_owned(),
            user: fields.optional("user"),
            is_pending: fields.text("status") == "Pending",
            expires_at: fields.time("expires_at"),
            session_digest: fields.optional("session_digest"),
            requested_at: parse_time(document.text("creation")).unwrap_or_default(),
            request,
        })
    }
}
