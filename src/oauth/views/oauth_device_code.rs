//! OAuth Device Code: a typed view of a device that waits for a person.

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use crate::document::{ListRequest, Work};
use crate::error::Result;
use crate::meta::{Document, Value};
use crate::oauth::protocol::ScopeSet;
use crate::oauth::protocol::authorize::device::{DeviceState, DeviceStatus, INTERVAL};
use crate::oauth::views::fields::{Fields, View, parse_time};
use crate::oauth::views::sign_in::SignIn;

/// The name of the DocType.
pub(crate) const OAUTH_DEVICE_CODE: &str = "OAuth Device Code";

/// What is read and written.
pub(crate) const VIEW: View = View {
    doctype: OAUTH_DEVICE_CODE,
    fields: &[
        "client",
        "user",
        "scopes",
        "resource",
        "grant",
        "status",
        "expires_at",
        "approved_at",
        "interval",
        "last_polled",
        "sid",
        "auth_time",
        "acr",
        "amr",
        "ip_address",
        "dpop_jkt",
        "family",
        "device_code_digest",
        "user_code_digest",
    ],
};

/// A device code as it is stored: everything but the codes themselves.
#[derive(Clone, Debug)]
pub(crate) struct DeviceCode {
    /// The document.
    pub name: String,
    /// The OAuth Client that runs on the device.
    pub client: String,
    /// Who said yes; empty until then.
    pub user: String,
    /// What the device asks for.
    pub scopes: ScopeSet,
    /// For which resources.
    pub resources: Vec<String>,
    /// The consent behind it.
    pub grant: Option<String>,
    /// How far it has come, and how often the device may ask.
    pub state: DeviceState,
    /// When the device asked for the codes.
    pub requested_at: DateTime<Utc>,
    /// From where it asked.
    pub ip_address: Option<String>,
    /// The sign-in of the person who said yes.
    pub sign_in: SignIn,
    /// The key it is bound to.
    pub dpop_jkt: Option<String>,
    /// What all tokens from it share.
    pub family: String,
}

impl From<&Document> for DeviceCode {
    fn from(document: &Document) -> Self {
        let fields = Fields::new(document, &VIEW);
        let state = DeviceState {
            status: match fields.text("status") {
                "Pending" => DeviceStatus::Pending,
                "Approved" => DeviceStatus::Approved,
                "Used" => DeviceStatus::Used,
                _ => DeviceStatus::Denied,
            },
            expires_at: fields.time("expires_at").unwrap_or_default(),
            interval: u32::try_from(fields.positive("interval", INTERVAL.into())).unwrap_or(INTERVAL),
            last_polled: fields.time("last_polled"),
        };
        Self {
            name: document.name(),
            client: fields.text("client").to_owned(),
            user: fields.text("user").to_owned(),
            scopes: fields.scopes("scopes"),
            resources: fields.words("resource"),
            grant: fields.optional("grant"),
            state,
            requested_at: parse_time(document.text("creation")).unwrap_or_default(),
            ip_address: fields.optional("ip_address"),
            sign_in: SignIn::read(fields),
            dpop_jkt: fields.optional("dpop_jkt"),
            family: fields.text("family").to_owned(),
        }
    }
}

impl DeviceCode {
    /// Whether a person can still answer.
    pub(crate) fn is_waiting(&self, now: DateTime<Utc>) -> bool {
        self.state.status == DeviceStatus::Pending && self.state.expires_at > now
    }
}

/// Ends the approved codes that the filters name and whose tokens were not fetched yet.
///
/// The work acts as the site itself.
pub(crate) async fn end_approved(work: &mut Work<'_>, mut filters: Json) -> Result<()> {
    filters["status"] = json!("Approved");
    let list = work.list(&ListRequest::new(OAUTH_DEVICE_CODE).filters(filters).all()).await?;
    for row in 0..list.rows.len() {
        work.set_values(OAUTH_DEVICE_CODE, list.text(row, "name"), &[("status", Value::from("Denied"))]).await?;
    }
    Ok(())
}
