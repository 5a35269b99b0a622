//! What a provider says about itself: OpenID Connect Discovery and RFC 8414, with the issuer checked.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use serde::Deserialize;
use url::Url;

use crate::document::Documents;
use crate::oauth::client::http::{Outgoing, host_of};
use crate::oauth::client::provider_error::ProviderError;

/// Where OpenID Connect Discovery 1.0 §4 puts the document, below the issuer.
pub const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";
/// Where RFC 8414 §3 puts it, before the issuer's path.
const OAUTH_CONFIGURATION: &str = "/.well-known/oauth-authorization-server";
/// How long what a provider says of itself is believed.
const KEEP: Duration = Duration::from_hours(1);

/// What is used of the metadata; the rest is ignored.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
#[expect(missing_docs, reason = "each is the metadata value of that name")]
pub struct Metadata {
    pub issuer: String,
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub userinfo_endpoint: Option<String>,
    pub revocation_endpoint: Option<String>,
    pub introspection_endpoint: Option<String>,
    pub end_session_endpoint: Option<String>,
    pub jwks_uri: Option<String>,
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    pub authorization_response_iss_parameter_supported: Option<bool>,
}

/// Reads the metadata at an address. `issuer` is what the administrator entered, if anything.
pub async fn read(
    outgoing: &Outgoing,
    documents: &Documents,
    address: &str,
    issuer: Option<&str>,
) -> Result<Metadata, ProviderError> {
    let url = outgoing.check(documents, address).await?;
    let metadata: Metadata = outgoing.get_json(documents, url.as_str()).await?;
    check(&metadata, &url, issuer)?;
    for endpoint in [&metadata.authorization_endpoint, &metadata.token_endpoint] {
        outgoing.check(documents, endpoint).await?;
    }
    Ok(metadata)
}

/// The metadata of providers, kept for an hour.
pub struct Discoveries {
    known: Cache<(String, String), Arc<Metadata>>,
}

impl Default for Discoveries {
    fn default() -> Self {
        Self { known: Cache::builder().max_capacity(1000).time_to_live(KEEP).build() }
    }
}

impl Discoveries {
    /// The metadata at an address, from memory where possible.
    pub async fn get(
        &self,
        outgoing: &Outgoing,
        documents: &Documents,
        address: &str,
        issuer: Option<&str>,
    ) -> Result<Arc<Metadata>, ProviderError> {
        let key = (address.to_owned(), issuer.unwrap_or_default().to_owned());
        if let Some(known) = self.known.get(&key) {
            return Ok(known);
        }
        let metadata = Arc::new(read(outgoing, documents, address, issuer).await?);
        self.known.insert(key, Arc::clone(&metadata));
        Ok(metadata)
    }
}

/// RFC 8414 §3.3: the issuer has to be the one from which the address was made, or the one that somebody entered.
fn check(metadata: &Metadata, url: &Url, entered: Option<&str>) -> Result<(), ProviderError> {
    let host = host_of(url);
    let issuer = metadata.issuer.as_str();
    if issuer.is_empty() {
        return Err(ProviderError::bad_answer(host, "it is no description of a provider: the issuer is missing"));
    }
    match entered.filter(|entered| !entered.is_empty()) {
        Some(entered) if entered == issuer => {}
        Some(entered) => {
            return Err(ProviderError::bad_answer(
                host,
                format!("its issuer is {issuer}, and not {entered} as entered here"),
            ));
        }
        None if addresses_of(issuer).iter().any(|address| Url::parse(address).is_ok_and(|own| own == *url)) => {}
        None => {
            return Err(ProviderError::bad_answer(
                host,
                format!(
                    "it describes {issuer}, whose description is elsewhere: if that is right, enter {issuer} as Issuer first"
                ),
            ));
        }
    }
    for (name, endpoint) in
        [("authorization_endpoint", &metadata.authorization_endpoint), ("token_endpoint", &metadata.token_endpoint)]
    {
        if endpoint.is_empty() {
            return Err(ProviderError::bad_answer(host_of(url), format!("{name} is missing")));
        }
    }
    Ok(())
}

/// The addresses at which an issuer may describe itself.
pub fn addresses_of(issuer: &str) -> Vec<String> {
    let bare = issuer.trim_end_matches('/');
    let mut addresses = vec![format!("{bare}{OPENID_CONFIGURATION}")];
    if let Ok(url) = Url::parse(issuer) {
        let origin = url.origin().ascii_serialization();
        let path = url.path().trim_end_matches('/');
        addresses.push(format!("{origin}{OAUTH_CONFIGURATION}{path}"));
        addresses.push(format!("{origin}{OPENID_CONFIGURATION}{path}"));
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(issuer: &str, address: &str, entered: Option<&str>) -> Result<(), String> {
        let metadata = Metadata {
            issuer: issuer.to_owned(),
            authorization_endpoint: "https://a.example/authorize".to_owned(),
            token_endpoint: "https://a.example/token".to_owned(),
            ..Metadata::default()
        };
        check(&metadata, &Url::parse(address).unwrap(), entered).map_err(|error| error.to_string())
    }

    #[test]
    fn the_issuer_belongs_to_the_address() {
        for (issuer, address) in [
            ("https://a.example", "https://a.example/.well-known/openid-configuration"),
            ("https://a.example/", "https://a.example/.well-known/openid-configuration"),
            ("https://a.example", "https://a.example/.well-known/oauth-authorization-server"),
            ("https://a.example/realms/x", "https://a.example/realms/x/.well-known/openid-configuration"),
            ("https://a.example/realms/x", "https://a.example/.well-known/oauth-authorization-server/realms/x"),
            ("https://a.example/realms/x", "https://a.example/.well-known/openid-configuration/realms/x"),
        ] {
            assert_eq!(checked(issuer, address, None), Ok(()), "{issuer}");
        }
        for (issuer, address) in [
            ("https://evil.example", "https://a.example/.well-known/openid-configuration"),
            ("https://a.example/realms/y", "https://a.example/realms/x/.well-known/openid-configuration"),
            ("http://a.example", "https://a.example/.well-known/openid-configuration"),
            ("", "https://a.example/.well-known/openid-configuration"),
        ] {
            assert!(checked(issuer, address, None).is_err(), "{issuer}");
        }
    }

    #[test]
    fn an_issuer_that_was_entered_has_to_be_equal_and_then_may_be_elsewhere() {
        let address = "https://a.example/b2c/.well-known/openid-configuration";
        assert_eq!(checked("https://tenant.example/v2", address, Some("https://tenant.example/v2")), Ok(()));
        assert!(checked("https://tenant.example/v2", address, Some("https://tenant.example/v2/")).is_err());
        assert!(checked("https://a.example/b2c", address, Some("https://other.example")).is_err());
    }
}
