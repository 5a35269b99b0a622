//! Client ID metadata documents: an address as client id, which describes the client.
//!
//! Fetching belongs to the caller, by way of [`crate::outgoing`] (https only, no redirects, no private addresses): at most
//! [`MAX_BYTES`], within [`TIMEOUT`].

use chrono::Duration;
use serde_json::Value;
use url::{Host, Url};

use crate::foreign;
use crate::oauth::protocol::client::client_authentication::Method;
use crate::oauth::protocol::client::registration::{ClientMetadata, RegistrationPolicy};
use crate::oauth::protocol::error::{Error, ErrorCode, Result};

/// Larger documents are not read.
pub(crate) const MAX_BYTES: usize = 5 * 1024;
/// How long a server may take.
pub(crate) const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);
/// How long a document is kept at least, so that nobody makes us fetch it over and over.
const MIN_CACHE: Duration = Duration::seconds(30);
/// How long it is kept at most, so that a change arrives.
const MAX_CACHE: Duration = Duration::hours(24);
/// How long it is kept if its server does not say.
const DEFAULT_CACHE: Duration = Duration::hours(1);
/// How long a failure is remembered.
pub(crate) const NEGATIVE_CACHE: Duration = Duration::minutes(1);
/// The longest client id of this kind.
const MAX_LENGTH: usize = 500;

/// A client id that is the address of a metadata document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdUrl {
    text: String,
    host: String,
}

impl ClientIdUrl {
    /// Whether a client id looks like an address at all; others are names of registered clients.
    pub fn looks_like(client_id: &str) -> bool {
        client_id.starts_with("https://")
    }

    /// Reads a client id: https, with a path, in exactly the form in which it is fetched.
    pub fn parse(client_id: &str) -> Result<Self> {
        let refuse =
            |reason: &str| Err(invalid(format!("This client_id is not a metadata document address: it {reason}")));
        if !Self::looks_like(client_id) {
            return refuse("must begin with https://");
        }
        if client_id.len() > MAX_LENGTH || !client_id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return refuse("is too long or not ASCII");
        }
        if client_id.contains(['#', '\\', '@']) {
            return refuse("may not have a fragment or user name");
        }
        let Ok(url) = Url::parse(client_id) else { return refuse("does not parse") };
        let Some(Host::Domain(host)) = url.host() else { return refuse("must name its host by a domain") };
        if url.path() == "/" {
            return refuse("must have a path");
        }
        let raw_path = client_id.splitn(4, '/').nth(3).unwrap_or_default().split('?').next().unwrap_or_default();
        let dotted = |segment: &str| {
            let decoded = segment.to_ascii_lowercase().replace("%2e", ".");
            decoded == "." || decoded == ".."
        };
        if raw_path.split('/').any(dotted) {
            return refuse("may not have dot segments");
        }
        // What is compared and shown must be what is fetched: no upper case host, no default port.
        if url.as_str() != client_id {
            return refuse("must be written in its normal form");
        }
        Ok(Self { text: client_id.to_owned(), host: host.to_owned() })
    }

    /// The address to fetch, equal to the client id.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host, which the consent page shows: the only thing about the client that is proven.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether the site accepts clients of this host. Denied domains win; an empty list of allowed ones allows all.
    pub fn is_allowed(&self, allowed: &[String], denied: &[String]) -> bool {
        let listed = |domains: &[String]| domains.iter().any(|domain| is_within(&self.host, domain));
        !listed(denied) && (allowed.is_empty() || listed(allowed))
    }

    /// The document in what was fetched from this address: JSON that names this very address.
    ///
    /// Anything else may be any page at all, also one that strangers should hear nothing about.
    pub fn read_document(&self, body: &[u8]) -> Result<Value> {
        if body.len() > MAX_BYTES {
            return Err(invalid("The client metadata document is too large"));
        }
        let mut document: Value =
            foreign::parse(body).map_err(|error| invalid("The client metadata document is not JSON").because(error))?;
        foreign::drop_void(&mut document);
        if text_of(&document, "client_id") != Some(&self.text) {
            return Err(invalid("client_id in the client metadata document differs from its address"));
        }
        Ok(document)
    }

    /// Checks a document that [`Self::read_document`] has found.
    pub fn check_document(&self, mut document: Value, policy: &RegistrationPolicy<'_>) -> Result<ClientMetadata> {
        if text_of(&document, "client_name").is_none_or(str::is_empty) {
            return Err(invalid("client_name is missing in the client metadata document"));
        }
        if document.get("redirect_uris").and_then(Value::as_array).is_none_or(Vec::is_empty) {
            return Err(invalid("redirect_uris is missing in the client metadata document"));
        }
        if document.get("client_secret").is_some() || document.get("client_secret_expires_at").is_some() {
            return Err(invalid("A client metadata document is public and may not contain a secret"));
        }
        // Without a shared secret, leaving the method out can only mean a public client.
        if text_of(&document, "token_endpoint_auth_method").is_none() {
            document["token_endpoint_auth_method"] = Value::from(Method::None.as_str());
        }
        let metadata = ClientMetadata::parse(&document, policy)?;
        if metadata.token_endpoint_auth_method.has_secret() {
            return Err(invalid(
                "token_endpoint_auth_method of a client metadata document may be none or private_key_jwt",
            ));
        }
        Ok(metadata)
    }
}

fn text_of<'a>(document: &'a Value, name: &str) -> Option<&'a str> {
    document.get(name).and_then(Value::as_str)
}

/// Whether a host is this domain, or, for a domain of a list, one below it.
fn is_within(host: &str, domain: &str) -> bool {
    let (host, domain) = (host.trim_end_matches('.').to_ascii_lowercase(), domain.trim().to_ascii_lowercase());
    let domain = domain.trim_start_matches("*.").trim_start_matches('.');
    !domain.is_empty() && host.strip_suffix(domain).is_some_and(|below| below.is_empty() || below.ends_with('.'))
}

/// How long to keep a document, by the header `Cache-Control` of its answer.
pub(crate) fn cache_lifetime(cache_control: Option<&str>) -> Duration {
    let mut lifetime = DEFAULT_CACHE;
    for directive in cache_control.unwrap_or_default().split(',') {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return MIN_CACHE,
            "max-age" => {
                if let Ok(seconds) = value.trim().trim_matches('"').parse::<u32>() {
                    lifetime = Duration::seconds(seconds.into());
                }
            }
            _ => {}
        }
    }
    lifetime.clamp(MIN_CACHE, MAX_CACHE)
}

fn invalid(description: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorCode::InvalidClient, description)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::oauth::protocol::serve::scope::ScopeSet;
    use crate::oauth::protocol::serve::scope_offer::Ceiling;

    const ADDRESS: &str = "https://claude.ai/oauth/claude-code-client-metadata";

    fn check(document: &Value) -> Result<ClientMetadata> {
        let scopes = ScopeSet::parse("openid profile email").unwrap();
        let policy = RegistrationPolicy {
            default_scopes: &scopes,
            ceiling: &Ceiling::offered(scopes.clone()),
            known_scopes: &(),
            is_for_all_servers: true,
            site_names: &[],
            allow_hs256: false,
            redirect_schemes: &[],
            allow_device_code: false,
            certificates: None,
        };
        let url = ClientIdUrl::parse(ADDRESS)?;
        url.check_document(url.read_document(document.to_string().as_bytes())?, &policy)
    }

    fn document(changes: &Value) -> Value {
        let mut document = json!({
            "client_id": ADDRESS,
            "client_name": "Claude Code",
            "redirect_uris": ["http://localhost/callback", "http://127.0.0.1/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        });
        for (name, value) in changes.as_object().unwrap() {
            document[name] = value.clone();
        }
        document
    }

    #[test]
    fn the_document_of_an_assistant_is_accepted_and_any_local_port_then_fits() {
        let metadata = check(&document(&json!({}))).unwrap();
        assert!(metadata.redirect_uris.resolve(Some("http://localhost:51234/callback"), false).is_ok());
        assert!(metadata.redirect_uris.are_all_loopback());
        assert_eq!(metadata.token_endpoint_auth_method, Method::None);
        let without_method = check(&document(&json!({ "token_endpoint_auth_method": null }))).unwrap();
        assert_eq!(without_method.token_endpoint_auth_method, Method::None);
    }

    #[test]
    fn a_document_that_is_not_its_own_or_has_secrets_is_refused() {
        for changes in [
            json!({ "client_id": "https://evil.example/client" }),
            json!({ "client_id": null }),
            json!({ "client_name": "" }),
            json!({ "redirect_uris": [] }),
            json!({ "redirect_uris": ["http://evil.example/cb"] }),
            json!({ "client_secret": "x" }),
            json!({ "token_endpoint_auth_method": "client_secret_basic" }),
            json!({ "token_endpoint_auth_method": "client_secret_post" }),
        ] {
            assert!(check(&document(&changes)).is_err(), "{changes}");
        }
        assert!(check(&json!([])).is_err());
        assert!(check(&document(&json!({ "x": "a".repeat(MAX_BYTES) }))).is_err());
    }

    #[test]
    fn an_address_is_https_with_a_path_and_in_normal_form() {
        for address in [ADDRESS, "https://app.example/client.json?v=2", "https://app.example:8443/client"] {
            assert_eq!(ClientIdUrl::parse(address).unwrap().as_str(), address);
        }
        for address in [
            "http://app.example/client",
            "https://app.example",
            "https://app.example/",
            "https://app.example/a/../client",
            "https://app.example/./client",
            "https://app.example/%2e%2E/client",
            "https://app.example/client#x",
            "https://user@app.example/client",
            "https://APP.example/client",
            "https://app.example:443/client",
            "https://127.0.0.1/client",
            "https://[::1]/client",
            "https://app.example/cli ent",
            "https://\u{fc}.example/c",
            "https://",
            "app",
            "",
            "https://app.example\\client",
        ] {
            assert!(ClientIdUrl::parse(address).is_err(), "{address}");
        }
    }

    #[test]
    fn denied_domains_win_over_allowed_ones() {
        let url = ClientIdUrl::parse("https://app.example.com/client").unwrap();
        let list = |domains: &[&str]| domains.iter().map(|domain| (*domain).to_owned()).collect::<Vec<_>>();
        assert!(url.is_allowed(&[], &[]));
        assert!(url.is_allowed(&list(&["example.com"]), &[]));
        assert!(!url.is_allowed(&list(&["other.com"]), &[]));
        assert!(!url.is_allowed(&list(&["example.com"]), &list(&["app.example.com"])));
        assert!(url.is_allowed(&[], &list(&["le.com"])));
    }

    #[test]
    fn a_domain_includes_what_is_below_it_and_nothing_else() {
        for host in ["example.com", "app.example.com", "EXAMPLE.com", "example.com."] {
            assert!(is_within(host, "example.com"), "{host}");
            assert!(is_within(host, " *.Example.com "), "{host}");
        }
        for host in ["evilexample.com", "example.com.evil.example", "com", ""] {
            assert!(!is_within(host, "example.com"), "{host}");
        }
        assert!(!is_within("example.com", ""));
    }

    #[test]
    fn documents_are_kept_for_thirty_seconds_to_a_day() {
        let seconds = |header| cache_lifetime(header).num_seconds();
        assert_eq!(seconds(None), 3600);
        assert_eq!(seconds(Some("public, max-age=600")), 600);
        assert_eq!(seconds(Some("max-age=0")), 30);
        assert_eq!(seconds(Some("no-store")), 30);
        assert_eq!(seconds(Some("Max-Age=4000000000")), 86_400);
        assert_eq!(seconds(Some("max-age=soon")), 3600);
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_fetched_exactly_as_it_is_shown(address in "https://[a-zA-Z0-9./:%@#?-]{0,40}") {
            if let Ok(parsed) = ClientIdUrl::parse(&address) {
                let url = Url::parse(&address).unwrap();
                prop_assert_eq!(url.as_str(), &address);
                prop_assert_eq!(url.host_str(), Some(parsed.host()));
            }
        }
    }
}
