//! OAuth Authorization Request: a sign-in under way, kept here while the person logs in and answers.

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use crate::error::{Error, Result};
use crate::meta::Document;
use crate::oauth::protocol::authorize::authorization_request::AuthorizationRequest;
use crate::oauth::views::fields::{Fields, View, parse_time};

/// The name of the DocType.
pub(crate) const OAUTH_AUTHORIZATION_REQUEST: &str = "OAuth Authorization Request";

/// What is read and written.
pub(crate) const VIEW: View = View {
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
pub(crate) struct StoredRequest {
    /// The document.
    pub name: String,
    /// An option of the field Kind.
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
    parameters: String,
}

impl From<&Document> for StoredRequest {
    fn from(document: &Document) -> Self {
        let fields = Fields::new(document, &VIEW);
        Self {
            name: document.name(),
            kind: fields.text("kind").to_owned(),
            client: fields.text("client").to_owned(),
            user: fields.optional("user"),
            is_pending: fields.text("status") == "Pending",
            expires_at: fields.time("expires_at"),
            session_digest: fields.optional("session_digest"),
            requested_at: parse_time(document.text("creation")).unwrap_or_default(),
            parameters: fields.text("parameters").to_owned(),
        }
    }
}

impl StoredRequest {
    /// Whether it can still be answered.
    pub(crate) fn is_waiting(&self, now: DateTime<Utc>) -> bool {
        self.is_pending && self.expires_at.is_some_and(|at| at > now)
    }

    /// The checked request, of all kinds but that of devices.
    pub(crate) fn request(&self) -> Result<AuthorizationRequest> {
        serde_json::from_str(&self.parameters)
            .with_context(|| format!("{OAUTH_AUTHORIZATION_REQUEST} {}", self.name))
            .map_err(Error::Internal)
    }

    /// The OAuth Device Code, of the kind of devices.
    pub(crate) fn device_code(&self) -> Option<String> {
        let parameters: Json = serde_json::from_str(&self.parameters).ok()?;
        parameters["device_code"].as_str().map(str::to_owned)
    }

    /// What is stored of a device.
    pub(crate) fn device_parameters(device_code: &str) -> String {
        json!({"device_code": device_code}).to_string()
    }
}
