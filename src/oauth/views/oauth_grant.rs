//! OAuth Grant: a typed view of what a person has allowed a client.

use chrono::{DateTime, Duration, Utc};
use serde_json::json;

use super::fields::{Fields, View, lines_value, time_value};
use crate::document::{Documents, ListRequest, Work};
use crate::error::{Error, Result};
use crate::meta::{Document, Value};
use crate::oauth::protocol::ScopeSet;
use crate::permissions::Session;

/// The name of the DocType.
pub const OAUTH_GRANT: &str = "OAuth Grant";

/// What is read and written.
pub const VIEW: View = View {
    doctype: OAUTH_GRANT,
    fields: &["user", "client", "scopes", "resource", "status", "granted_at", "last_used", "revoked_at", "revoked_by"],
};

/// How stale `last_used` may be.
const NOTE_AFTER: Duration = Duration::minutes(5);

/// A consent.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The document.
    pub name: String,
    /// Who gave it.
    pub user: String,
    /// The OAuth Client that may act.
    pub client: String,
    /// What it may do.
    pub scopes: ScopeSet,
    /// Where; empty: on the whole site.
    pub resources: Vec<String>,
    /// It was not taken back.
    pub is_active: bool,
    /// When the person last said yes.
    pub granted_at: Option<DateTime<Utc>>,
    /// When a token was last made on its strength, as far as it is written down.
    pub last_used: Option<DateTime<Utc>>,
}

impl From<&Document> for Grant {
    fn from(document: &Document) -> Self {
        let fields = Fields::new(document, &VIEW);
        Self {
            name: document.name(),
            user: fields.text("user").to_owned(),
            client: fields.text("client").to_owned(),
            scopes: fields.scopes("scopes"),
            resources: fields.words("resource"),
            is_active: fields.text("status") == "Active",
            granted_at: fields.time("granted_at"),
            last_used: fields.time("last_used"),
        }
    }
}

fn active_of(user: &str, client: &str) -> ListRequest {
    ListRequest::new(OAUTH_GRANT)
        .filters(json!({"user": user, "client": client, "status": "Active"}))
        .order_by("creation desc")
}

/// The active consent of a user for a client: the newest that covers most is the only one, as a rule.
pub async fn find_active(documents: &Documents, user: &str, client: &str) -> Result<Option<Grant>> {
    let system = Session::system();
    let list = documents.list(&system, &active_of(user, client)).await?;
    if list.rows.is_empty() {
        return Ok(None);
    }
    let document = documents.get(&system, OAUTH_GRANT, list.text(0, "name")).await?;
    Ok(Some(Grant::from(&*document)))
}

/// Remembers that a person said yes: their consent for the client grows by what they allowed now. Returns its name.
///
/// The work acts as the program itself.
pub async fn remember(
    work: &mut Work<'_>,
    user: &str,
    client: &str,
    scopes: &ScopeSet,
    resources: &[String],
) -> Result<String> {
    let now = Value::from(work.now());
    let list = work.list(&active_of(user, client)).await?;
    if list.rows.is_empty() {
        let mut document = work.new_document(OAUTH_GRANT)?;
        document.set("user", user);
        document.set("client", client);
        document.set("scopes", scopes.to_string());
        document.set("resource", lines_value(resources));
        document.set("status", "Active");
        document.set("granted_at", now);
        let name = work.insert(document).await?.name();
        // It is its user's own: that is what lets them see it and take it back.
        work.set_values(OAUTH_GRANT, &name, &[("owner", Value::from(user))]).await?;
        return Ok(name);
    }
    let grant = Grant::from(&work.get_for_update(OAUTH_GRANT, list.text(0, "name")).await?);
    // A consent for the whole site stays one.
    let resources = match (grant.resources.is_empty(), resources.is_empty()) {
        (false, false) => {
            let mut all = grant.resources;
            all.extend(resources.iter().cloned());
            all.sort();
            all.dedup();
            all
        }
        _ => Vec::new(),
    };
    let values = [
        ("scopes", Value::from(grant.scopes.union(scopes).to_string())),
        ("resource", lines_value(&resources)),
        ("granted_at", now),
    ];
    work.set_values(OAUTH_GRANT, &grant.name, &values).await?;
    Ok(grant.name)
}

/// Notes that a token was made on the strength of a consent, unless that was noted a short while ago.
pub async fn note_use(work: &mut Work<'_>, name: &str, now: DateTime<Utc>) -> Result<()> {
    let known = match work.documents.get(&Session::system(), OAUTH_GRANT, name).await {
        Ok(document) => Grant::from(&*document).last_used,
        // Made by this very work, or deleted meanwhile.
        Err(Error::DoesNotExist { .. }) => None,
        Err(error) => return Err(error),
    };
    if known.is_some_and(|at| now - at < NOTE_AFTER) {
        return Ok(());
    }
    work.set_values(OAUTH_GRANT, name, &[("last_used", time_value(now))]).await
}
