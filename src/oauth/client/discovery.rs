//! What a provider says about itself: OpenID Connect Discovery and RFC 8414, with the issuer checked.

use std::sync::Arc;

use serde_json::{Map, Value as Json};
use url::Url;

use crate::document::Documents;
use crate::foreign;
use crate::oauth::provider_error::ProviderError;
use crate::outgoing::published::{Asked, Known, Published};
use crate::outgoing::{Outgoing, host_of};

/// Where OpenID Connect Discovery 1.0 §4 puts the document, below the issuer.
pub(crate) const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";
/// Where RFC 8414 §3 puts it, before the issuer's path.
const OAUTH_CONFIGURATION: &str = "/.well-known/oauth-authorization-server";

/// What is used of the metadata; the rest is ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
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

impl From<&Map<String, Json>> for Metadata {
    fn from(members: &Map<String, Json>) -> Self {
        let text = |name: &str| foreign::text(members, name).map(str::to_owned);
        let promises_iss = foreign::get(members, "authorization_response_iss_parameter_supported");
        Self {
            issuer: text("issuer").unwrap_or_default(),
            authorization_endpoint: text("authorization_endpoint").unwrap_or_default(),
            token_endpoint: text("token_endpoint").unwrap_or_default(),
            userinfo_endpoint: text("userinfo_endpoint"),
            revocation_endpoint: text("revocation_endpoint"),
            introspection_endpoint: text("introspection_endpoint"),
            end_session_endpoint: text("end_session_endpoint"),
            jwks_uri: text("jwks_uri"),
            token_endpoint_auth_methods_supported: foreign::texts(members, "token_endpoint_auth_methods_supported"),
            authorization_response_iss_parameter_supported: promises_iss.and_then(foreign::flag),
        }
    }
}

/// Reads the metadata at an address. `issuer` is what the administrator entered, if anything.
pub(crate) async fn read(
    outgoing: &Outgoing,
    documents: &Documents,
    address: &str,
    issuer: Option<&str>,
) -> Result<Metadata, ProviderError> {
    let url = outgoing.check(documents, address).await?;
    let members: Map<String, Json> = outgoing.get_json(documents, url.as_str()).await?;
    let metadata = Metadata::from(&members);
    check(&metadata, &url, issuer)?;
    for endpoint in [&metadata.authorization_endpoint, &metadata.token_endpoint] {
        outgoing.check(documents, endpoint).await?;
    }
    Ok(metadata)
}

/// The metadata of providers, by their address and the issuer that was entered beside it.
#[derive(Default)]
pub(crate) struct Discoveries(Published<(String, String), Metadata>);

impl Discoveries {
    /// Forgets that an address could not be read: an administrator may have fixed it.
    pub(crate) fn forget_failure(&self, address: &str, issuer: Option<&str>) {
        self.0.forget_failure(&key(address, issuer));
    }

    /// The metadata at an address, from memory where possible. One that could not be read is left alone for a while:
    /// strangers make us ask, by beginning logins.
    pub(crate) async fn get(
        &self,
        outgoing: &Outgoing,
        documents: &Documents,
        address: &str,
        issuer: Option<&str>,
    ) -> Result<Arc<Known<Metadata>>, ProviderError> {
        let key = key(address, issuer);
        if let Some(known) = self.0.known(&key) {
            return Ok(known);
        }
        let reading = read(outgoing, documents, address, issuer);
        self.0.fetch(documents.clock(), &key, Asked::by_stranger(address), None, reading).await
    }
}

fn key(address: &str, issuer: Option<&str>) -> (String, String) {
    (address.to_owned(), issuer.unwrap_or_default().to_owned())
}

/// RFC 8414 §3.3: the issuer has to be the one from which the address was made, or the one that somebody entered.
fn check(metadata: &Metadata, url: &Url, entered: Option<&str>) -> Result<(), ProviderError> {
    let host = host_of(url);
    let issuer = metadata.issuer.as_str();
    if issuer.is_empty() {
        return Err(ProviderError::bad_answer(host, "it is not a description of a provider: the issuer is missing"));
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
pub(crate) fn addresses_of(issuer: &str) -> Vec<String> {
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
    fn members_that_say_nothing_or_are_of_a_neighbouring_type_are_read() {
        let members = serde_json::json!({
            "issuer": "https://a.example", "authorization_endpoint": null, "userinfo_endpoint": "", "jwks_uri": [],
            "token_endpoint_auth_methods_supported": [], "authorization_response_iss_parameter_supported": "true",
        });
        let read = Metadata::from(members.as_object().unwrap());
        let expected = Metadata {
            issuer: "https://a.example".to_owned(),
            authorization_response_iss_parameter_supported: Some(true),
            ..Metadata::default()
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn an_issuer_that_was_entered_has_to_be_equal_and_then_may_be_elsewhere() {
        let address = "https://a.example/b2c/.well-known/openid-configuration";
        assert_eq!(checked("https://tenant.example/v2", address, Some("https://tenant.example/v2")), Ok(()));
        assert!(checked("https://tenant.example/v2", address, Some("https://tenant.example/v2/")).is_err());
        assert!(checked("https://a.example/b2c", address, Some("https://other.example")).is_err());
    }
}
