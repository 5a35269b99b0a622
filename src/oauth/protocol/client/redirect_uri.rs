//! Redirect URIs: which may be registered, and which fit a request (RFC 6749 §3.1.2, RFC 8252, RFC 9700 §2.1).

use std::fmt;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::oauth::protocol::error::{Error, ErrorCode, Result};

/// Schemes that run code, read files or never leave the browser: no redirect may go there.
const FORBIDDEN_SCHEMES: [&str; 13] = [
    "javascript",
    "data",
    "file",
    "vbscript",
    "blob",
    "about",
    "ftp",
    "ws",
    "wss",
    "view-source",
    "filesystem",
    "mailto",
    "intent",
];
/// The longest URI that we store.
const MAX_LENGTH: usize = 1000;

/// What kind of client a client is (OpenID Connect Dynamic Client Registration §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplicationType {
    /// Reached in a browser.
    Web,
    /// Installed on a device.
    Native,
}

/// A redirect URI that belongs to the client of the request: the only kind of address we redirect to.
///
/// Only [`RedirectUris::resolve`] makes one; it is read back only from what we stored ourselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedRedirectUri {
    uri: String,
    /// Whether the request named it; if so, the token request must as well.
    was_sent: bool,
}

/// The redirect URIs of one client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedirectUris(Vec<String>);

/// Where a redirect URI leads, for the consent page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A host on the network.
    Host(String),
    /// A client on the person's own computer.
    Loopback,
    /// A client that claimed this scheme.
    App(String),
}

impl RedirectUris {
    /// Reads the stored list: one per line; older rows separate by spaces. A URI contains neither.
    pub fn from_stored(text: &str) -> Self {
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// Adds a URI (the default one, say), if it is not empty and not there.
    #[must_use]
    pub fn with(mut self, uri: &str) -> Self {
        let uri = uri.trim();
        if !uri.is_empty() && !self.0.iter().any(|own| own == uri) {
            self.0.push(uri.to_owned());
        }
        self
    }

    /// The URIs, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text to store: one per line.
    pub fn to_stored(&self) -> String {
        self.0.join("\n")
    }

    /// Whether every one of them is a client on the person's own computer: anyone there can listen.
    pub fn are_all_loopback(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|uri| Destination::of(uri) == Some(Destination::Loopback))
    }

    /// The verified redirect URI of a request, or why there is none: show that on a page, redirect nowhere.
    ///
    /// Without the parameter, the client's only registered URI is meant (RFC 6749 §3.1.2.3); a request with the scope
    /// `openid` must name it (OpenID Connect Core §3.1.2.1).
    pub fn resolve(&self, requested: Option<&str>, openid: bool) -> Result<VerifiedRedirectUri> {
        match (requested, &*self.0) {
            (Some(uri), registered) if registered.iter().any(|own| fits(own, uri)) => {
                Ok(VerifiedRedirectUri { uri: uri.to_owned(), was_sent: true })
            }
            (Some(_), _) => {
                Err(Error::invalid_request("redirect_uri is not registered for this client: it must match exactly"))
            }
            (None, [only]) if !openid && Destination::of(only).is_some_and(|to| to != Destination::Loopback) => {
                Ok(VerifiedRedirectUri { uri: only.clone(), was_sent: false })
            }
            (None, _) => Err(Error::invalid_request("redirect_uri is missing")),
        }
    }
}

impl FromIterator<String> for RedirectUris {
    fn from_iter<I: IntoIterator<Item = String>>(uris: I) -> Self {
        uris.into_iter().fold(Self::default(), |all, uri| all.with(&uri))
    }
}

impl VerifiedRedirectUri {
    /// The address, exactly as the client sent it.
    pub fn as_str(&self) -> &str {
        &self.uri
    }

    /// Whether the request named it.
    pub fn was_sent(&self) -> bool {
        self.was_sent
    }

    /// Reads what was bound to a code: it was verified when the code was made.
    pub fn from_stored(uri: String, was_sent: bool) -> Self {
        Self { uri, was_sent }
    }

    /// Where it leads, for the consent page.
    pub fn destination(&self) -> Destination {
        Destination::of(&self.uri).unwrap_or_else(|| Destination::App(self.uri.clone()))
    }

    /// Does the token request name the URI to which the code is bound (RFC 6749 §4.1.3)?
    ///
    /// It may leave it out if the request did, or if PKCE binds the code already (OAuth 2.1 §10.2).
    pub fn check_token_request(&self, given: Option<&str>, pkce: bool) -> Result<()> {
        match given {
            Some(given) if given == self.uri => Ok(()),
            Some(_) => Err(Error::invalid_grant("redirect_uri differs from the one of the authorization request")),
            None if !self.was_sent || pkce => Ok(()),
            None => {
                Err(Error::invalid_grant("redirect_uri is missing: it must be the one of the authorization request"))
            }
        }
    }

    /// A verified URI without a client behind it.
    #[cfg(test)]
    pub(crate) fn for_tests(uri: &str) -> Self {
        Self { uri: uri.to_owned(), was_sent: true }
    }
}

impl Destination {
    /// Where the URI leads; none if it does not parse.
    pub fn of(uri: &str) -> Option<Self> {
        let url = Url::parse(uri).ok()?;
        match url.scheme() {
            "http" if without_loopback_port(uri).is_some() => Some(Self::Loopback),
            "http" | "https" => Some(Self::Host(url.host_str()?.to_owned())),
            scheme => Some(Self::App(scheme.to_owned())),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => f.write_str(host),
            Self::Loopback => f.write_str("an application on this computer"),
            Self::App(scheme) => write!(f, "the app that opens {scheme}: links"),
        }
    }
}

/// May this URI be registered? The error says what is wrong and how to fix it.
///
/// `allowed_schemes` are private-use schemes without a dot that an administrator accepts (`cursor`, `vscode`).
/// An application type that was not named restricts nothing.
pub(crate) fn check_registration(uri: &str, kind: Option<ApplicationType>, allowed_schemes: &[String]) -> Result<()> {
    let refuse = |reason: &str| Err(Error::new(ErrorCode::InvalidRedirectUri, format!("{} {reason}", shown(uri))));
    if uri.len() > MAX_LENGTH {
        return refuse("is too long");
    }
    if uri.is_empty() || !uri.bytes().all(|byte| byte.is_ascii_graphic()) {
        return refuse("must be ASCII without spaces: percent-encode other characters");
    }
    if uri.contains(['\\', '"', '<', '>', '`', '{', '}', '|', '^']) {
        return refuse("contains characters that a URI may not have");
    }
    if uri.contains('#') {
        return refuse("must not have a fragment");
    }
    let Ok(url) = Url::parse(uri) else { return refuse("is not an absolute URI") };
    if !url.username().is_empty() || url.password().is_some() || authority(uri).is_some_and(|text| text.contains('@')) {
        return refuse("must not contain a user name");
    }
    match url.scheme() {
        "https" => {
            // `https:/host` and `https:host` parse, but are not what anybody would compare.
            if authority(uri).is_none_or(str::is_empty) {
                return refuse("must be written https://host/path");
            }
            match url.host() {
                Some(Host::Domain(domain)) if domain.contains('*') => refuse("must not contain a wildcard"),
                Some(_) => Ok(()),
                None => refuse("has no host"),
            }
        }
        "http" if without_loopback_port(uri).is_some() => Ok(()),
        "http" => refuse("must use https: http is only for localhost, 127.0.0.1 and [::1]"),
        scheme if FORBIDDEN_SCHEMES.contains(&scheme) => refuse("has a scheme that is not allowed"),
        _ if kind == Some(ApplicationType::Web) => {
            refuse("must use https: app links are for clients with application_type native")
        }
        scheme
            if scheme.contains('.') || allowed_schemes.iter().any(|allowed| allowed.eq_ignore_ascii_case(scheme)) =>
        {
            Ok(())
        }
        _ => refuse("has an unknown scheme: use a domain you own in reverse, such as com.example.app:/callback"),
    }
}

/// Does a requested URI fit a registered one? Letter by letter, but for the port of loopback addresses.
fn fits(registered: &str, requested: &str) -> bool {
    if registered == requested {
        return !requested.contains('#');
    }
    match (without_loopback_port(registered), without_loopback_port(requested)) {
        (Some(registered), Some(requested)) => registered == requested && !requested.1.contains('#'),
        _ => false,
    }
}

/// Host and the rest of an `http` URI to the own computer, without its port (RFC 8252 §7.3).
fn without_loopback_port(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let host = ["localhost", "127.0.0.1", "[::1]"].into_iter().find(|host| rest.starts_with(host))?;
    let (host, rest) = rest.split_at(host.len());
    let rest = match rest.strip_prefix(':') {
        Some(port_and_rest) => {
            let digits = port_and_rest.bytes().take_while(u8::is_ascii_digit).count();
            port_and_rest[..digits].parse::<u16>().ok()?;
            &port_and_rest[digits..]
        }
        None => rest,
    };
    (rest.is_empty() || rest.starts_with(['/', '?', '#'])).then_some((host, rest))
}

/// What stands between `//` and the next `/`, `?` or `#`.
fn authority(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once(':')?;
    rest.strip_prefix("//")?.split(['/', '?', '#']).next()
}

/// The URI as an error shows it: never more than a line.
fn shown(uri: &str) -> String {
    if uri.chars().count() <= 80 { uri.to_owned() } else { uri.chars().take(80).chain("...".chars()).collect() }
}

#[cfg(test)]
#[path = "redirect_uri_tests.rs"]
mod tests;
