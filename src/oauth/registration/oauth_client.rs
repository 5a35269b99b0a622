//! What happens when an OAuth Client is saved, gets another secret or is removed.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::Duration;
use serde_json::{Map, Value as Json, json};

use crate::config::client_certificates::CertificateCheck;
use crate::document::view::{FieldValue as _, View as _, time_value};
use crate::document::{Controller, Documents, ListRequest, Work};
use crate::error::{Error, ProblemKind, Result};
use crate::meta::{Document, Value};
use crate::oauth::client::Providers;
use crate::oauth::protocol::ScopeSet;
use crate::oauth::protocol::client::client_authentication::Method;
use crate::oauth::protocol::token::kind::TokenKind;
use crate::oauth::registration::oauth_client_checks;
use crate::oauth::registration::oauth_client_checks::LookedUp;
use crate::oauth::scopes::scope_catalogue::newly_undefined;
use crate::oauth::views::client_secret::{is_stored_client_secret, store_client_secret};
use crate::oauth::views::oauth_client::{ClientRole, OAUTH_CLIENT};
use crate::oauth::views::{OAuthClient, OAuthSettings};
use crate::outgoing::OutgoingError;
use crate::permissions::Session;
use crate::secret::SiteKey;
use crate::web::{SecurityEvent, Severity};

/// For how long the secret before the last one still works.
const PREVIOUS_SECRET_LIFETIME: Duration = Duration::days(7);
/// The role that everybody has who is logged in.
const EVERYBODY: &str = "All";

/// The scopes on the form of a client.
fn scopes_of(document: &Document) -> ScopeSet {
    ScopeSet::read(document, "scopes")
}

/// Behaviour of the DocType OAuth Client.
pub(crate) struct OAuthClientController {
    /// The way out by which keys are fetched.
    pub providers: Arc<Providers>,
    /// Which certificates the proxy passes on.
    pub certificates: Option<CertificateCheck>,
}

impl OAuthClientController {
    /// Whether this site would call the address in a field; one that did not change is not held against anybody.
    async fn check_address(
        &self,
        documents: &Documents,
        document: &Document,
        before: Option<&Document>,
        fieldname: &str,
    ) -> Result<(), OutgoingError> {
        let address = document.text(fieldname).trim();
        if address.is_empty() || before.is_some_and(|before| before.text(fieldname).trim() == address) {
            return Ok(());
        }
        self.providers.outgoing.check(documents, address).await.map(|_| ())
    }

    /// Makes a secret, stores what is to be stored of it, and lets the answer reveal it once.
    fn make_secret(work: &Work<'_>, document: &mut Document) -> String {
        let secret = TokenKind::ClientSecret.generate();
        let needed_again = oauth_client_checks::needs_secret(document);
        let stored = store_client_secret(work.documents.site_key(), &secret, needed_again);
        document.set("client_secret", stored);
        secret
    }

    async fn rotate_secret(work: &mut Work<'_>, document: &mut Document) -> Result<Json> {
        let client = OAuthClient::from(&*document);
        if !client.auth_method.has_secret() {
            let message =
                format!("{} has no secret: it authenticates by {}", client.app_name, client.auth_method.label());
            return Err(Error::invalid(ProblemKind::Validation, message));
        }
        let expires_at = work.documents.clock().now() + PREVIOUS_SECRET_LIFETIME;
        let previous = document.text("client_secret").to_owned();
        let secret = Self::make_secret(work, document);
        let values = [
            ("client_secret", document.get("client_secret").clone()),
            ("previous_client_secret", Value::from(previous)),
            ("previous_client_secret_expires_at", time_value(expires_at)),
        ];
        work.set_values(OAUTH_CLIENT, &client.name, &values).await?;
        let by = work.session.user().to_owned();
        SecurityEvent::new("Client Secret Changed", Severity::Info)
            .user(by)
            .client(client.client_id.as_str())
            .record_in(work)
            .await?;
        Ok(json!({
            "client_id": client.client_id,
            "client_secret": secret,
            "previous_client_secret_expires_at": time_value(expires_at).text(),
        }))
    }
}

#[async_trait]
impl Controller for OAuthClientController {
    async fn validate(&self, work: &mut Work<'_>, document: &mut Document, before: Option<&Document>) -> Result<()> {
        if document.text("client_id").is_empty() {
            let name = document.name();
            document.set("client_id", name);
        }
        if document.is_new {
            document.set("client_id_issued_at", work.now().to_owned());
            if document.text("grant_type").is_empty() {
                document.set("grant_type", "Authorization Code");
            }
        }
        if let Some(before) = before
            && before.text("client_id") != document.text("client_id")
            && !before.text("client_id").is_empty()
        {
            document.set("client_id", before.text("client_id"));
        }
        if document.rows("allowed_roles").is_empty()
            && let (Some(child), true) = (
                work.registry().get(ClientRole::DOCTYPE).cloned(),
                work.find("Role", EVERYBODY).await.is_ok_and(|role| role.is_some()),
            )
            && let Some(rows) = document.rows_mut("allowed_roles")
        {
            let mut row = Document::new(child);
            row.set("role", EVERYBODY);
            rows.push(row);
        }
        let settings = OAuthSettings::load(work.documents).await?;
        let scopes_before = before.map(scopes_of).unwrap_or_default();
        let scopes = scopes_of(document);
        let decides = !work.session.is_system() && before.is_some() && !scopes_before.iter().eq(scopes.iter());
        if decides && document.text("registered_by") != "Administrator" {
            // Whoever changes what a client may ask for means it.
            document.set("limit_scopes", 1);
        }
        let found = LookedUp {
            undefined_scopes: newly_undefined(work, &scopes, &scopes_before).await?,
            jwks_uri: self.check_address(work.documents, document, before, "jwks_uri").await,
            backchannel_logout_uri: self
                .check_address(work.documents, document, before, "backchannel_logout_uri")
                .await,
        };
        oauth_client_checks::check(work.registry(), document, before, &settings, found, self.certificates)?;
        let method = Method::from_label(document.text("token_endpoint_auth_method"));
        if method.is_some_and(Method::has_secret) {
            let has_one = !document.text("client_secret").is_empty();
            // A digest cannot sign: whoever switches to a method that signs needs a secret made for it.
            let is_fit =
                SiteKey::is_sealed(document.text("client_secret")) || !oauth_client_checks::needs_secret(document);
            if !has_one || !is_fit {
                let secret = Self::make_secret(work, document);
                document.revealed.push(("client_secret", secret));
            }
        } else {
            for fieldname in ["client_secret", "previous_client_secret", "previous_client_secret_expires_at"] {
                document.set(fieldname, Value::Null);
            }
        }
        Ok(())
    }

    async fn on_update(&self, work: &mut Work<'_>, document: &Document, before: Option<&Document>) -> Result<()> {
        let is_new_secret = document.revealed.iter().any(|(name, _)| *name == "client_secret");
        if before.is_some() && is_new_secret {
            let by = if work.session.is_system() { String::new() } else { work.session.user().to_owned() };
            SecurityEvent::new("Client Secret Changed", Severity::Info)
                .user(by)
                .client(document.text("client_id"))
                .record_in(work)
                .await?;
        }
        Ok(())
    }

    async fn on_trash(&self, work: &mut Work<'_>, document: &Document) -> Result<()> {
        // Clients that remove themselves, and the job that removes unused ones, are nobody's account.
        let by = if work.session.is_system() { String::new() } else { work.session.user().to_owned() };
        SecurityEvent::new("Client Removed", Severity::Info)
            .user(by)
            .client(document.text("client_id"))
            .details(json!({
                "app_name": document.text("app_name"),
                "registered_by": document.text("registered_by"),
            }))
            .record_in(work)
            .await
    }

    async fn before_rename(&self, _: &mut Work<'_>, _: &str, _: &str, _: bool) -> Result<()> {
        Err(Error::invalid(
            ProblemKind::Validation,
            "An OAuth Client keeps its name: it is the client id that applications were given",
        ))
    }

    async fn call(
        &self,
        work: &mut Work<'_>,
        document: &mut Document,
        method: &str,
        _: &Map<String, Json>,
    ) -> Option<Result<Json>> {
        match method {
            "rotate_client_secret" => Some(Self::rotate_secret(work, document).await),
            _ => None,
        }
    }

    fn methods(&self) -> Vec<(&'static str, &'static str)> {
        vec![(
            "rotate_client_secret",
            "Makes a new client secret and shows it once; the old one works for seven more days",
        )]
    }
}

/// Digests the secrets of clients that hold one in the clear: rows that older clients or people wrote.
pub async fn digest_plain_secrets(documents: &Documents) -> Result<usize> {
    let system = Session::system();
    let list = documents.list(&system, &ListRequest::new(OAUTH_CLIENT).all()).await?;
    let mut digested = 0;
    for row in 0..list.rows.len() {
        let name = list.text(row, "name");
        let document = documents.get(&system, OAUTH_CLIENT, name).await?;
        let plain = document.text("client_secret");
        if plain.is_empty() || is_stored_client_secret(plain) {
            continue;
        }
        let stored = store_client_secret(documents.site_key(), plain, oauth_client_checks::needs_secret(&document));
        let mut work = documents.begin(&system).await?;
        work.set_values(OAUTH_CLIENT, name, &[("client_secret", Value::from(stored))]).await?;
        work.commit().await?;
        digested += 1;
    }
    Ok(digested)
}
