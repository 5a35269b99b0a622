//! What a grant needs to decide: the authenticated client, and what came with its request.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::document::Work;
use crate::error::Result as SiteResult;
use crate::oauth::http::endpoint::Result;
use crate::oauth::protocol::serve::resource::KnownResources;
use crate::oauth::protocol::{Error, ScopeSet};
use crate::oauth::scopes::site_scopes::SiteScopes;
use crate::oauth::server::Server;
use crate::oauth::token::grant::new_tokens::Renewable;
use crate::oauth::token::signed_tokens::Signing;
use crate::oauth::views::oauth_bearer_token::revoke_all;
use crate::oauth::views::{OAuthClient, OAuthSettings};
use crate::permissions::{Session, UserAccess};
use crate::web::{Exchange, RequestContext, SecurityEvent, Severity, Site};

/// A token request of an authenticated client, but for the parameters of its grant.
pub(crate) struct TokenContext {
    /// The server.
    pub server: Arc<Server>,
    /// The site.
    pub site: Site,
    /// The request.
    pub context: RequestContext,
    /// The settings in force.
    pub settings: Arc<OAuthSettings>,
    /// The client that sent the request.
    pub client: Arc<OAuthClient>,
    /// When the request was taken up.
    pub now: DateTime<Utc>,
    /// The keys that sign the client's tokens.
    pub signing: Signing,
    /// `jkt`: the thumbprint of the key of a verified DPoP proof (RFC 9449 §6).
    pub dpop_jkt: Option<String>,
    /// `x5t#S256`: the thumbprint of the certificate that came with the request (RFC 8705 §3.1).
    pub certificate: Option<String>,
}

impl TokenContext {
    /// The context of a request without proof of a key or a certificate.
    pub(crate) async fn new(
        exchange: &Exchange,
        server: &Arc<Server>,
        settings: Arc<OAuthSettings>,
        client: Arc<OAuthClient>,
    ) -> Result<Self> {
        let documents = &exchange.site.documents;
        let now = documents.clock().now();
        let signing = Signing::of(&server.keys, documents, &settings, &client).await?;
        Ok(Self {
            server: Arc::clone(server),
            site: exchange.site.clone(),
            context: exchange.context.clone(),
            settings,
            client,
            now,
            signing,
            dpop_jkt: None,
            certificate: None,
        })
    }

    /// A transaction that acts as the site itself.
    pub(crate) async fn begin(&self) -> SiteResult<Work<'_>> {
        self.site.documents.begin(&Session::system()).await
    }

    /// The scopes of the site.
    pub(crate) async fn scopes(&self) -> SiteResult<SiteScopes<'_>> {
        SiteScopes::now(&self.site, &self.server.catalogue, &self.settings).await
    }

    /// The resources of the site.
    pub(crate) fn resources(&self) -> KnownResources {
        self.settings.resources(self.site.documents.site_url())
    }

    /// Fails unless the user may still log in and use the client.
    pub(crate) async fn check_user(&self, user: &str) -> Result<()> {
        match self.admitted(user).await? {
            Some(_) => Ok(()),
            None => Err(Error::invalid_grant("The account behind this grant may not use this client any more").into()),
        }
    }

    /// The user, if they may still log in and use the client.
    pub(crate) async fn admitted(&self, user: &str) -> SiteResult<Option<Arc<UserAccess>>> {
        Ok(self.site.documents.access(user).await?.filter(|access| self.client.admits(access)))
    }

    /// What the first refresh token of a family may ask for, if the client gets one.
    pub(crate) fn renewable(&self, scopes: &ScopeSet, resources: &[String]) -> Option<Renewable> {
        self.client.allows_refresh.then(|| Renewable {
            scopes: scopes.clone(),
            resources: resources.to_vec(),
            family_expires_at: self.now + self.settings.refresh_lifetime,
        })
    }

    /// Refuses a code or token that was used before, and ends its family: it has been stolen, or what came from it has
    /// (RFC 6749 §4.1.2, RFC 9700 §4.14).
    pub(crate) async fn reused<T>(
        &self,
        mut work: Work<'_>,
        event: &'static str,
        (user, family): (&str, &str),
        refusal: Error,
    ) -> Result<T> {
        if revoke_all(&mut work, json!({"family": family})).await? > 0 {
            self.event(event, Severity::Critical).user(user).record_in(&mut work).await?;
            work.commit().await?;
        }
        Err(refusal.because(anyhow::anyhow!("it was used before")).into())
    }

    /// A Security Event about the client, in this request.
    pub(crate) fn event(&self, event: &'static str, severity: Severity) -> SecurityEvent {
        SecurityEvent::new(event, severity).client(self.client.client_id.as_str()).during(&self.context)
    }
}
