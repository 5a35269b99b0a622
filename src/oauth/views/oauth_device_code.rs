//! OAuth Device Code: a typed view of a device that waits for a person.

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use crate::document::view::{FieldValue, view};
use crate::document::{ListRequest, Work};
use crate::error::Result;
use crate::meta::{Document, Value};
use crate::oauth::protocol::ScopeSet;
use crate::oauth::protocol::authorize::device::{DeviceState, DeviceStatus, INTERVAL};
use crate::oauth::views::sign_in::SignIn;

/// The name of the DocType.
pub(crate) const OAUTH_DEVICE_CODE: &str = "OAuth Device Code";

view! {
    /// A device code as it is stored: everything but the codes themselves.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct DeviceCode of OAUTH_DEVICE_CODE {
        /// The document.
        pub name: String = name,
        /// The OAuth Client that runs on the device.
        pub client: String,
        /// Who said yes; empty until then.
        pub user: String,
        /// What the device asks for.
        pub scopes: ScopeSet,
        /// For which resources (RFC 8707).
        pub resources: Vec<String> = "resource",
        /// The consent behind it.
        pub grant: Option<String>,
        /// How far it has come.
        pub status: DeviceStatus,
        /// Until when it holds.
        pub expires_at: DateTime<Utc>,
        /// When the person said yes.
        pub approved_at: Option<DateTime<Utc>>,
        /// How many seconds the device has to wait between two questions.
        pub interval: i64,
        /// When it asked last.
        pub last_polled: Option<DateTime<Utc>>,
        /// When the device asked for the codes.
        pub requested_at: DateTime<Utc> = creation,
        /// From where it asked.
        pub ip_address: Option<String>,
        /// The sign-in of the person who said yes.
        pub sign_in: SignIn = group,
        /// The thumbprint of the key it is bound to (RFC 9449).
        pub dpop_jkt: Option<String>,
        /// What all tokens from it share.
        pub family: String,
        /// The keyed digest of the code that the device holds.
        pub device_digest: String = "device_code_digest",
        /// The keyed digest of the code that the person types.
        pub user_digest: String = "user_code_digest",
    }
}

/// How far a device has come; what is not known was refused.
impl FieldValue for DeviceStatus {
    fn read(document: &Document, fieldname: &str) -> Self {
        let known = [Self::Pending, Self::Approved, Self::Used];
        known.into_iter().find(|status| status.as_str() == document.text(fieldname)).unwrap_or_default()
    }

    fn to_value(&self) -> Value {
        Value::from(self.as_str())
    }
}

impl DeviceCode {
    /// Whether a person can still answer.
    pub(crate) fn is_waiting(&self, now: DateTime<Utc>) -> bool {
        self.status == DeviceStatus::Pending && self.expires_at > now
    }

    /// How far it has come, and how often the device may ask.
    pub(crate) fn state(&self) -> DeviceState {
        DeviceState {
            status: self.status,
            expires_at: self.expires_at,
            interval: u32::try_from(self.interval).ok().filter(|seconds| *seconds > 0).unwrap_or(INTERVAL),
            last_polled: self.last_polled,
        }
    }
}

/// Ends the approved codes that the filters name and whose tokens were not fetched yet.
///
/// The work acts as the site itself.
pub(crate) async fn end_approved(work: &mut Work<'_>, mut filters: Json) -> Result<()> {
    filters["status"] = json!(DeviceStatus::Approved.as_str());
    let list = work.list(&ListRequest::new(OAUTH_DEVICE_CODE).filters(filters).all()).await?;
    for row in 0..list.rows.len() {
        work.set_values(OAUTH_DEVICE_CODE, list.text(row, "name"), &[("status", DeviceStatus::Denied.to_value())])
            .await?;
    }
    Ok(())
}
