//! A provider of logins, ready to be spoken to: what its key says, completed by what it says of itself.

use crate::document::Documents;
use crate::error::Result;
use crate::oauth::client::Providers;
use crate::oauth::client::provider_error::ProviderError;
use crate::oauth::client::token_endpoint::{ClientAuthentication, ProviderClient};
use crate::oauth::doctype::social_login_key::SocialLoginKey;

/// A provider with every address that is known.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its key.
    pub key: SocialLoginKey,
    /// Its name in ID tokens. If there is one, an ID token has to come and is checked.
    pub issuer: Option<String>,
    /// Where its keys are.
    pub jwks_uri: Option<String>,
    /// Where people are sent.
    pub authorize_url: String,
    /// Where codes become tokens.
    pub token_url: String,
    /// Who the person is.
    pub userinfo_url: Option<String>,
    /// It always says who answers (RFC 9207).
    pub promises_iss: bool,
    /// How the client may prove itself there, if it says.
    auth_methods: Option<Vec<String>>,
}

impl Provider {
    /// Completes a key by discovery, where it has an address for that. What is entered in the form counts first.
    pub async fn resolve(
        providers: &Providers,
        documents: &Documents,
        key: SocialLoginKey,
    ) -> Result<Self, ProviderError> {
        let mut provider = Self {
            issuer: key.issuer.clone(),
            jwks_uri: key.jwks_uri.clone(),
            authorize_url: key.authorize_url.clone(),
            token_url: key.access_token_url.clone(),
            userinfo_url: Some(key.api_endpoint.clone()).filter(|endpoint| !endpoint.is_empty()),
            promises_iss: false,
            auth_methods: None,
            key,
        };
        if let Some(address) = &provider.key.openid_configuration {
            let entered = provider.key.issuer.as_deref();
            let metadata = providers.discoveries.get(&providers.outgoing, documents, address, entered).await?;
            let or = |own: &str, found: &str| if own.is_empty() { found.to_owned() } else { own.to_owned() };
            provider.authorize_url = or(&provider.authorize_url, &metadata.authorization_endpoint);
            provider.token_url = or(&provider.token_url, &metadata.token_endpoint);
            provider.issuer = Some(metadata.issuer.clone());
            provider.jwks_uri = provider.jwks_uri.or_else(|| metadata.jwks_uri.clone());
            provider.userinfo_url = provider.userinfo_url.or_else(|| metadata.userinfo_endpoint.clone());
            provider.promises_iss = metadata.authorization_response_iss_parameter_supported == Some(true);
            provider.auth_methods.clone_from(&metadata.token_endpoint_auth_methods_supported);
        }
        let setup = |what: &str| {
            ProviderError::Setup(format!("{what} of {} is missing: ask an administrator", provider.key.provider_name))
        };
        if provider.authorize_url.is_empty() {
            return Err(setup("Authorize URL"));
        }
        if provider.token_url.is_empty() {
            return Err(setup("Access Token URL"));
        }
        if provider.key.client_id.is_empty() {
            return Err(setup("Client ID"));
        }
        if provider.issuer.is_some() && provider.jwks_uri.is_none() {
            return Err(setup("JWKS URI"));
        }
        Ok(provider)
    }

    /// This site as the provider's client: the secret goes into the header where the provider takes it there.
    pub async fn client(&self, documents: &Documents) -> Result<ProviderClient> {
        let secret = self.key.client_secret(documents).await?.filter(|secret| !secret.is_empty());
        let supports =
            |name: &str| self.auth_methods.as_ref().is_some_and(|methods| methods.iter().any(|method| method == name));
        let authentication = match secret {
            None => ClientAuthentication::None,
            // RFC 8414 §2: Basic is what holds if nothing is said; Frappe's own keys send it in the body.
            Some(secret) if self.auth_methods.is_some() && !supports("client_secret_post") => {
                ClientAuthentication::Basic(secret)
            }
            Some(secret) => ClientAuthentication::Post(secret),
        };
        let audience = self.issuer.clone().unwrap_or_else(|| self.token_url.clone());
        Ok(ProviderClient { client_id: self.key.client_id.clone(), authentication, audience })
    }
}
