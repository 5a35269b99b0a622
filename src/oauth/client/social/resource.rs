//! Access tokens of other authorization servers: accepted as those of the linked person, where settings permit it.

use std::sync::Arc;
use std::time::Duration as StdDuration;

use async_trait::async_trait;
use moka::sync::Cache;
use poem::Request;

use crate::document::Documents;
use crate::error::{AuthenticationError, Error, Result};
use crate::oauth::client::Providers;
use crate::oauth::client::social::identity::user_id;
use crate::oauth::client::social::provider::Provider;
use crate::oauth::client::social::social_login_key::SocialLoginKey;
use crate::oauth::protocol::jose::jwt::{JwtError, Unverified, Verified};
use crate::oauth::protocol::serve::scope::ScopeSet;
use crate::oauth::scopes::scope_catalogue::ScopeCatalogue;
use crate::oauth::scopes::scope_limit::ScopeLimit;
use crate::oauth::views::user_social_login::{Who, linked_user, row_provider};
use crate::outgoing::published::Asked;
use crate::permissions::Session;
use crate::web::{Authenticated, Authenticator, Credentials, Plugins, RequestContext, Site};

/// For how long a provider that could not be asked is left alone: anybody can make a token that names it.
const PAUSE: StdDuration = StdDuration::from_mins(1);

/// The providers that could not be asked a moment ago: the name of the key, and the address that it had then.
pub(crate) struct Paused(Cache<(String, Option<String>), ()>);

impl Default for Paused {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(1000).time_to_live(PAUSE).build())
    }
}

/// Registers the authenticator. It answers only for tokens of issuers that are listed here, and leaves all others alone.
pub(crate) fn register(plugins: &mut Plugins, providers: &Arc<Providers>, catalogue: &ScopeCatalogue) {
    let tokens = ForeignTokens { providers: Arc::clone(providers), catalogue: catalogue.clone() };
    plugins.authenticators.push(Arc::new(tokens));
}

/// The providers whose tokens are accepted: by OAuth Settings, and only where their keys and our audience are known.
async fn accepted(providers: &Providers, documents: &Documents) -> Result<Vec<Provider>> {
    let settings = documents.get(&Session::system(), "OAuth Settings", "OAuth Settings").await?;
    if !settings.check("show_social_login_key_as_authorization_server") {
        return Ok(Vec::new());
    }
    let mut accepted = Vec::new();
    for key in SocialLoginKey::all_enabled(documents).await? {
        if !key.show_in_resource_metadata || key.resource_audience.is_none() {
            continue;
        }
        if let Found::Ready(provider) = look_up(providers, documents, key).await {
            accepted.push(*provider);
        }
    }
    Ok(accepted)
}

/// A provider whose signatures are to be checked.
enum Found {
    /// Its name and its keys are known.
    Ready(Box<Provider>),
    /// It has none.
    WithoutKeys,
    /// It cannot be asked for the moment.
    OutOfReach,
}

async fn look_up(providers: &Providers, documents: &Documents, key: SocialLoginKey) -> Found {
    let asked = (key.name.clone(), key.openid_configuration.clone());
    if providers.paused.0.contains_key(&asked) {
        return Found::OutOfReach;
    }
    match Provider::resolve(providers, documents, key).await {
        Ok(provider) if provider.issuer.is_some() && provider.jwks_uri.is_some() => Found::Ready(Box::new(provider)),
        Ok(_) => Found::WithoutKeys,
        Err(error) => {
            tracing::info!(%error, provider = asked.0, "the provider's signatures are not accepted for now");
            providers.paused.0.insert(asked, ());
            Found::OutOfReach
        }
    }
}

/// The provider of that issuer, if an administrator lets it vouch for people at the token endpoint.
pub(crate) async fn voucher(providers: &Providers, documents: &Documents, issuer: &str) -> Result<Option<Provider>> {
    let mut is_out_of_reach = false;
    for key in SocialLoginKey::all_enabled(documents).await? {
        // What its key says need not be asked.
        if !key.may_vouch || key.issuer.as_deref().is_some_and(|own| own != issuer) {
            continue;
        }
        match look_up(providers, documents, key).await {
            Found::Ready(provider) if provider.issuer.as_deref() == Some(issuer) => return Ok(Some(*provider)),
            Found::OutOfReach => is_out_of_reach = true,
            Found::Ready(_) | Found::WithoutKeys => {}
        }
    }
    if is_out_of_reach {
        return Err(Error::Unavailable("A provider cannot be asked for its keys: try again in a minute".to_owned()));
    }
    Ok(None)
}

/// The issuers of those providers, for the metadata of this resource (RFC 9728 §2, `authorization_servers`).
pub(crate) async fn authorization_servers(providers: &Providers, documents: &Documents) -> Result<Vec<String>> {
    Ok(accepted(providers, documents).await?.into_iter().filter_map(|provider| provider.issuer).collect())
}

struct ForeignTokens {
    providers: Arc<Providers>,
    catalogue: ScopeCatalogue,
}

#[async_trait]
impl Authenticator for ForeignTokens {
    fn scheme(&self) -> &'static str {
        "bearer"
    }

    async fn authenticate(
        &self,
        site: &Site,
        _request: &Request,
        _: &RequestContext,
        value: &str,
    ) -> Result<Option<Authenticated>> {
        let Ok(token) = Unverified::parse(value) else { return Ok(None) };
        let documents = &site.documents;
        let Some(issuer) = token.unverified_claims().text("iss").filter(|issuer| *issuer != documents.site_url())
        else {
            return Ok(None);
        };
        let found = accepted(&self.providers, documents).await?;
        let Some(provider) = found.into_iter().find(|provider| provider.issuer.as_deref() == Some(issuer)) else {
            return Ok(None);
        };
        let refuse = |reason: String| Error::Authentication(AuthenticationError::BadToken(reason));
        let address = provider.jwks_uri.as_deref().unwrap_or_default();
        let verified = match self
            .providers
            .keys
            .verify(&self.providers.outgoing, documents, Asked::by_stranger(address), value)
            .await
        {
            Ok(verified) => verified.map_err(|error| refuse(error.to_string()))?,
            Err(error) => return Err(error.into()),
        };
        let audience = provider.key.resource_audience.as_deref().unwrap_or_default();
        check(&verified, issuer, audience, documents).map_err(|error| refuse(error.to_string()))?;
        // As at a login: what names a person there is what the key says, which need not be `sub`.
        let userid = user_id(&provider.key, &verified.claims.0.clone().into()).unwrap_or_default();
        let who = Who {
            provider: &row_provider(&provider.key.name),
            issuer,
            userid: &userid,
            subject: verified.claims.text("sub"),
        };
        let access = match linked_user(documents, who).await? {
            Some(user) => documents.access(&user).await?,
            None => None,
        };
        let Some(access) = access else {
            return Err(refuse("The access token belongs to nobody here: link the account first".to_owned()));
        };
        let mut session = Session::of(access);
        // As with our own tokens, only scopes that speak of data here open any.
        let scopes = ScopeSet::from_stored(verified.claims.text("scope").unwrap_or_default());
        session.limit = ScopeLimit::of(&scopes, &*self.catalogue.get(documents).await?);
        Ok(Some(Authenticated { session, credentials: Credentials::Bearer, client: None, key: None }))
    }
}

/// RFC 9068 §4: for us, current, and an access token. ID tokens and logout tokens of the same issuer are none.
fn check(verified: &Verified, issuer: &str, audience: &str, documents: &Documents) -> Result<(), JwtError> {
    if !verified.header.typ.as_deref().is_none_or(|typ| matches!(typ, "at+jwt" | "jwt")) {
        return Err(JwtError::Type);
    }
    // One that is bound to a key or a certificate is of no use to who has only the token (RFC 7800), and we check neither.
    if let Some(name) =
        ["cnf", "nonce", "at_hash", "events"].into_iter().find(|name| verified.claims.get(name).is_some())
    {
        return Err(JwtError::Claim(name));
    }
    verified.claims.require_issuer(issuer)?;
    verified.claims.require_audience(audience)?;
    verified.claims.require_current(documents.clock().now()).map(|_| ())
}
