//! OAuth Authorization Request: a sign-in under way, kept here while the person logs in and answers.

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use crate::document::view::{options, view};
use crate::error::{Error, Result};
use crate::oauth::protocol::authorize::authorization_request::AuthorizationRequest;

/// The name of the DocType.
pub(crate) const OAUTH_AUTHORIZATION_REQUEST: &str = "OAuth Authorization Request";

options! {
    /// Whether a question waits for its answer.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) enum RequestStatus {
        /// It does.
        Pending = "Pending",
        /// The person said yes.
        Approved = "Approved",
        /// The person said no.
        Denied = "Denied",
        /// Nobody answered in time.
        #[default]
        Expired = "Expired",
    }
}

view! {
    /// A stored request.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct StoredRequest of OAUTH_AUTHORIZATION_REQUEST {
        /// The document.
        pub name: String = name,
        /// An option of the field Kind.
        pub kind: String,
        /// The OAuth Client.
        pub client: String,
        /// Whom the consent page was shown to.
        pub user: Option<String>,
        /// Whether it waits for its answer.
        pub status: RequestStatus,
        /// Until when it may be answered.
        pub expires_at: Option<DateTime<Utc>>,
        /// When it was answered.
        pub answered_at: Option<DateTime<Utc>>,
        /// The digest of the id under which it is found.
        pub digest: String = "request_digest",
        /// The digest of the browser session that may answer.
        pub session_digest: Option<String>,
        /// What is asked, as JSON.
        pub parameters: String,
        /// When it came.
        pub requested_at: DateTime<Utc> = creation,
    }
}

impl StoredRequest {
    /// Whether it can still be answered.
    pub(crate) fn is_waiting(&self, now: DateTime<Utc>) -> bool {
        self.status == RequestStatus::Pending && self.expires_at.is_some_and(|at| at > now)
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
