//! A provider of logins, ready to be spoken to: what its key says, completed by what it says of itself.

use moka::sync::Cache;

use crate::document::Documents;
use crate::error::{Error, Result};
use crate::oauth::client::Providers;
use crate::oauth::client::social::social_login_key::SocialLoginKey;
use crate::oauth::client::token_endpoint::{ClientAuthentication, ProviderClient, TokenAnswer};
use crate::oauth::provider_error::ProviderError;

/// A provider with every address that is known.
#[derive(Clone, Debug)]
pub(crate) struct Provider {
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
    pub(crate) async fn resolve(
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

    /// Whose word it is that an id is somebody's: the issuer, or else what the key names as the place to ask.
    pub(crate) fn authority(&self) -> String {
        self.issuer.clone().unwrap_or_else(|| self.key.place_to_ask())
    }

    /// Exchanges a code (RFC 6749 §4.1.3).
    ///
    /// How the provider wants the secret is found out: what it says it supports, what worked before, then the other way.
    pub(crate) async fn token(
        &self,
        providers: &Providers,
        documents: &Documents,
        parameters: Vec<(&str, String)>,
    ) -> Result<Result<TokenAnswer, ProviderError>> {
        let secret = self.key.client_secret(documents).await?.filter(|secret| !secret.is_empty());
        let out = (&providers.outgoing, documents);
        let Some(secret) = secret else {
            return Ok(self.client(ClientAuthentication::None).token(out, &self.token_url, parameters).await);
        };
        let at = (self.token_url.clone(), self.key.client_id.clone());
        let places = self.places(providers.places.get(&at));
        for (turn, place) in places.iter().enumerate() {
            let client = self.client(place.authentication(&secret));
            let answer = client.token(out, &self.token_url, parameters.clone()).await;
            match &answer {
                Err(ProviderError::Refused { code, .. }) if code == "invalid_client" => {
                    if turn + 1 < places.len() {
                        continue;
                    }
                }
                Ok(_) | Err(ProviderError::Refused { .. }) => providers.places.insert(at, *place),
                Err(_) => {}
            }
            return Ok(answer);
        }
        Err(Error::internal(anyhow::anyhow!("there is no way to send a client secret")))
    }

    fn client(&self, authentication: ClientAuthentication) -> ProviderClient {
        let audience = self.issuer.clone().unwrap_or_else(|| self.token_url.clone());
        ProviderClient { client_id: self.key.client_id.clone(), authentication, audience }
    }

    /// Where to send the secret, in the order of trying. Where nothing is said, as Frappe's own keys do: in the body first.
    fn places(&self, known: Option<SecretPlace>) -> Vec<SecretPlace> {
        let mut places = match &self.auth_methods {
            None => vec![SecretPlace::Body, SecretPlace::Header],
            Some(methods) => {
                let mut places = vec![SecretPlace::Header, SecretPlace::Body];
                places.retain(|place| methods.iter().any(|method| method == place.method()));
                // RFC 8414 §2: the header is what holds if nothing is said.
                if places.is_empty() { vec![SecretPlace::Header] } else { places }
            }
        };
        places.sort_by_key(|place| Some(*place) != known);
        places
    }
}

/// Where a client secret goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecretPlace {
    /// `client_secret_basic`.
    Header,
    /// `client_secret_post`.
    Body,
}

impl SecretPlace {
    const fn method(self) -> &'static str {
        match self {
            Self::Header => "client_secret_basic",
            Self::Body => "client_secret_post",
        }
    }

    fn authentication(self, secret: &str) -> ClientAuthentication {
        match self {
            Self::Header => ClientAuthentication::Basic(secret.to_owned()),
            Self::Body => ClientAuthentication::Post(secret.to_owned()),
        }
    }
}

/// Where providers took the secret of a client, by token endpoint and client id.
pub(crate) struct SecretPlaces(Cache<(String, String), SecretPlace>);

impl Default for SecretPlaces {
    fn default() -> Self {
        Self(Cache::new(1000))
    }
}

impl SecretPlaces {
    fn get(&self, at: &(String, String)) -> Option<SecretPlace> {
        self.0.get(at)
    }

    fn insert(&self, at: (String, String), place: SecretPlace) {
        self.0.insert(at, place);
    }
}
