//! OAuth Grant: what a person has allowed a client; whoever takes it back ends the tokens that rest on it.

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use serde_json::{Map, Value as Json, json};

use super::fields::{Fields, View, lines_value, time_value};
use super::oauth_authorization_code::OAUTH_AUTHORIZATION_CODE;
use super::oauth_bearer_token::revoke_all;
use super::oauth_device_code;
use crate::document::{Controller, Documents, ListRequest, Work};
use crate::error::{Error, FieldProblem, Invalid, ProblemKind, Result};
use crate::meta::{Document, Value};
use crate::oauth::protocol::ScopeSet;
use crate::permissions::Session;
use crate::web::{SecurityEvent, Severity};

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

/// Takes a consent back: its codes and tokens are dead with this work's commit.
pub async fn revoke(work: &mut Work<'_>, grant: &Grant, by: &str) -> Result<()> {
    let values =
        [("status", Value::from("Revoked")), ("revoked_at", Value::from(work.now())), ("revoked_by", Value::from(by))];
    work.set_values(OAUTH_GRANT, &grant.name, &values).await?;
    end_tokens(work, grant, by).await
}

async fn end_tokens(work: &mut Work<'_>, grant: &Grant, by: &str) -> Result<()> {
    revoke_all(work, json!({"grant": grant.name})).await?;
    let caller = work.become_system();
    let ended = end_codes(work, &grant.name).await;
    work.session = caller;
    ended?;
    SecurityEvent::new("Consent Revoked", Severity::Info)
        .user(grant.user.as_str())
        .client(grant.client.as_str())
        .details(json!({"by": by}))
        .record_in(work)
        .await
}

async fn end_codes(work: &mut Work<'_>, grant: &str) -> Result<()> {
    let request =
        ListRequest::new(OAUTH_AUTHORIZATION_CODE).filters(json!({"grant": grant, "validity": "Valid"})).all();
    let list = work.list(&request).await?;
    for row in 0..list.rows.len() {
        let values = [("validity", Value::from("Invalid"))];
        work.set_values(OAUTH_AUTHORIZATION_CODE, list.text(row, "name"), &values).await?;
    }
    oauth_device_code::end_approved(work, json!({"grant": grant})).await
}

fn is_revoked(before: &Document, document: &Document) -> bool {
    before.text("status") == "Active" && document.text("status") == "Revoked"
}

/// Behaviour of the DocType OAuth Grant: whoever may write one may revoke it, and nothing else.
pub struct GrantController;

#[async_trait]
impl Controller for GrantController {
    async fn validate(&self, work: &mut Work<'_>, document: &mut Document, before: Option<&Document>) -> Result<()> {
        let Some(before) = before.filter(|_| !work.session.is_system()) else { return Ok(()) };
        let revokes = is_revoked(before, document);
        let may_change = |field: &str| revokes && matches!(field, "status" | "revoked_at" | "revoked_by");
        let changed = VIEW.fields.iter().find(|field| !may_change(field) && before.get(field) != document.get(field));
        if let Some(field) = changed {
            let label = document.doctype.field(field).map_or(*field, |field| &*field.label).to_owned();
            let message = "A consent says what a person allowed: it can be revoked, not changed";
            let problem = FieldProblem::at(ProblemKind::Validation, *field, label, message);
            return Err(Error::Validation(Invalid { problems: vec![problem] }));
        }
        if revokes {
            document.set("revoked_at", work.now().to_owned());
            document.set("revoked_by", work.session.user().to_owned());
        }
        Ok(())
    }

    async fn on_update(&self, work: &mut Work<'_>, document: &Document, before: Option<&Document>) -> Result<()> {
        if before.is_some_and(|before| is_revoked(before, document)) {
            let by = work.session.user().to_owned();
            return end_tokens(work, &Grant::from(document), &by).await;
        }
        Ok(())
    }

    async fn on_trash(&self, work: &mut Work<'_>, document: &Document) -> Result<()> {
        let grant = Grant::from(document);
        if !grant.is_active {
            return Ok(());
        }
        let by = work.session.user().to_owned();
        end_tokens(work, &grant, &by).await
    }

    async fn call(
        &self,
        work: &mut Work<'_>,
        document: &mut Document,
        method: &str,
        _: &Map<String, Json>,
    ) -> Option<Result<Json>> {
        if method != "revoke" {
            return None;
        }
        let grant = Grant::from(&*document);
        let by = work.session.user().to_owned();
        let answer = json!({"status": "Revoked", "message": "The application has no access any more"});
        Some(if grant.is_active { revoke(work, &grant, &by).await.map(|()| answer) } else { Ok(answer) })
    }

    fn methods(&self) -> Vec<(&'static str, &'static str)> {
        vec![("revoke", "Takes the consent back: the application's tokens stop working at once")]
    }
}
