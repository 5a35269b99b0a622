//! Taking a consent back: whoever may write an OAuth Grant may revoke it, which ends the codes and tokens that rest on it.

use async_trait::async_trait;
use serde_json::{Map, Value as Json, json};

use crate::document::view::{FieldValue as _, Fields as _};
use crate::document::{Controller, ListRequest, Work};
use crate::error::{Error, FieldProblem, Invalid, ProblemKind, Result};
use crate::meta::{Document, Value};
use crate::oauth::views::oauth_authorization_code::OAUTH_AUTHORIZATION_CODE;
use crate::oauth::views::oauth_bearer_token::revoke_all;
use crate::oauth::views::oauth_device_code;
use crate::oauth::views::oauth_grant::{Grant, GrantStatus, OAUTH_GRANT};
use crate::web::{SecurityEvent, Severity};

/// Takes a consent back: its codes and tokens are dead with this work's commit.
pub(crate) async fn revoke(work: &mut Work<'_>, grant: &Grant, by: &str) -> Result<()> {
    let values = [
        ("status", GrantStatus::Revoked.to_value()),
        ("revoked_at", Value::from(work.now())),
        ("revoked_by", Value::from(by)),
    ];
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
pub(crate) struct GrantController;

#[async_trait]
impl Controller for GrantController {
    async fn validate(&self, work: &mut Work<'_>, document: &mut Document, before: Option<&Document>) -> Result<()> {
        let Some(before) = before.filter(|_| !work.session.is_system()) else { return Ok(()) };
        let revokes = is_revoked(before, document);
        let may_change = |field: &str| revokes && matches!(field, "status" | "revoked_at" | "revoked_by");
        let changed =
            Grant::names().into_iter().find(|field| !may_change(field) && before.get(field) != document.get(field));
        if let Some(field) = changed {
            let label = document.doctype.field(field).map_or(field, |field| &*field.label).to_owned();
            let message = "A consent says what a person allowed: it can be revoked, not changed";
            let problem = FieldProblem::at(ProblemKind::Validation, field, label, message);
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
        if !grant.is_active() {
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
        Some(if grant.is_active() { revoke(work, &grant, &by).await.map(|()| answer) } else { Ok(answer) })
    }

    fn methods(&self) -> Vec<(&'static str, &'static str)> {
        vec![("revoke", "Takes the consent back: the application's tokens stop working at once")]
    }
}
