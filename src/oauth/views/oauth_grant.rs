//! OAuth Grant: a typed view of what a person has allowed a client.

use chrono::{DateTime, Duration, Utc};
use serde_json::json;

use crate::document::view::{FieldValue as _, View as _, options, parse_time, time_value, view};
use crate::document::{Documents, ListRequest, Work};
use crate::error::{Error, Result};
use crate::meta::Value;
use crate::oauth::protocol::ScopeSet;
use crate::permissions::Session;

/// The name of the DocType.
pub(crate) const OAUTH_GRANT: &str = "OAuth Grant";

/// How stale `last_used` may be.
const NOTE_AFTER: Duration = Duration::minutes(5);

options! {
    /// Whether a consent stands.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) enum GrantStatus {
        /// It does.
        Active = "Active",
        /// It was taken back.
        #[default]
        Revoked = "Revoked",
    }
}

view! {
    /// A consent.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Grant of OAUTH_GRANT {
        /// The document.
        pub name: String = name,
        /// The User who gave it.
        pub user: String,
        /// The OAuth Client that may act.
        pub client: String,
        /// What it may do.
        pub scopes: ScopeSet,
        /// The resources (RFC 8707) where; empty: on the whole site.
        pub resources: Vec<String> = "resource",
        /// Whether it stands.
        pub status: GrantStatus,
        /// When the person last said yes.
        pub granted_at: Option<DateTime<Utc>>,
        /// When a token was last made on its strength, as far as it is written down.
        pub last_used: Option<DateTime<Utc>>,
        /// When it was taken back.
        pub revoked_at: Option<DateTime<Utc>>,
        /// The User who took it back.
        pub revoked_by: Option<String>,
    }
}

impl Grant {
    /// Whether it was not taken back.
    pub(crate) fn is_active(&self) -> bool {
        self.status == GrantStatus::Active
    }
}

fn active_of(user: &str, client: &str) -> ListRequest {
    ListRequest::new(OAUTH_GRANT)
        .filters(json!({"user": user, "client": client, "status": "Active"}))
        .order_by("creation desc")
}

/// The active consent of a user for a client: the newest that covers most is the only one, as a rule.
pub(crate) async fn find_active(documents: &Documents, user: &str, client: &str) -> Result<Option<Grant>> {
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
/// The work acts as the site itself.
pub(crate) async fn remember(
    work: &mut Work<'_>,
    user: &str,
    client: &str,
    scopes: &ScopeSet,
    resources: &[String],
) -> Result<String> {
    let list = work.list(&active_of(user, client)).await?;
    if list.rows.is_empty() {
        let grant = Grant {
            user: user.to_owned(),
            client: client.to_owned(),
            scopes: scopes.clone(),
            resources: resources.to_vec(),
            status: GrantStatus::Active,
            granted_at: parse_time(work.now()),
            ..Grant::default()
        };
        let document = grant.new_document(work)?;
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
        ("scopes", grant.scopes.union(scopes).to_value()),
        ("resource", resources.to_value()),
        ("granted_at", Value::from(work.now())),
    ];
    work.set_values(OAUTH_GRANT, &grant.name, &values).await?;
    Ok(grant.name)
}

/// Notes that a token was made on the strength of a consent, unless that was noted a short while ago.
pub(crate) async fn note_use(work: &mut Work<'_>, name: &str, now: DateTime<Utc>) -> Result<()> {
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
