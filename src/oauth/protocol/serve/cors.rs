//! Which web pages may call which endpoint from a browser (Fetch standard, RFC 6749 leaves it open).

use url::Url;

use crate::oauth::protocol::client::redirect_uri::RedirectUris;

/// The origins of clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AllowedOrigins {
    /// Every origin (`*` in OAuth Settings).
    pub any: bool,
    /// Single origins.
    pub origins: Vec<String>,
}

/// The headers to send; credentials are never allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CorsHeaders {
    /// `Access-Control-Allow-Origin`.
    pub allow_origin: String,
    /// Whether `Vary: Origin` is needed, because the answer differs by origin.
    pub vary: bool,
    /// `Access-Control-Expose-Headers`.
    pub expose: &'static str,
}

/// `Access-Control-Allow-Headers` of a preflight.
///
/// What pages of OAuth clients send, of Frappe's own libraries (frappe-ui, frappe-js-sdk), and of MCP clients.
pub(crate) const ALLOW_HEADERS: &str = "Authorization, Content-Type, Accept, DPoP, X-Frappe-Site-Name, X-Frappe-CSRF-Token, \
     X-Requested-With, Idempotency-Key, If-Match, If-None-Match, Prefer, MCP-Protocol-Version, Mcp-Session-Id, Mcp-Method, Mcp-Name, Last-Event-ID";
/// The headers that a page may read.
const EXPOSE: &str = "WWW-Authenticate, DPoP-Nonce, Retry-After, ETag, Idempotent-Replayed, Mcp-Session-Id, RateLimit, RateLimit-Policy, \
     X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset";

impl AllowedOrigins {
    /// Reads the field Allowed Public Client Origins: one origin a line, or `*`.
    pub(crate) fn from_stored(text: &str) -> Self {
        let words = text.split([' ', '\n', '\r', '\t', ',']).filter(|word| !word.is_empty());
        let (any, single): (Vec<_>, Vec<_>) = words.partition(|word| *word == "*");
        Self { any: !any.is_empty(), origins: single.into_iter().filter_map(origin_of).collect() }
    }

    /// Adds the origins of a client's redirect URIs.
    #[must_use]
    pub(crate) fn with_client(mut self, redirect_uris: &RedirectUris) -> Self {
        self.origins.extend(redirect_uris.iter().filter_map(origin_of));
        self
    }

    /// Whether this origin is among them. `null` (a sandboxed page, a file) only with `*`.
    pub(crate) fn contains(&self, origin: &str) -> bool {
        self.any || self.origins.iter().any(|own| own == origin)
    }
}

/// The headers for a request from this origin to an endpoint for clients; none leaves the browser to refuse.
pub(crate) fn decide(origin: &str, allowed: &AllowedOrigins) -> Option<CorsHeaders> {
    if allowed.any {
        return Some(CorsHeaders { allow_origin: "*".to_owned(), vary: false, expose: EXPOSE });
    }
    let is_allowed = allowed.contains(origin);
    is_allowed.then(|| CorsHeaders { allow_origin: origin.to_owned(), vary: true, expose: EXPOSE })
}

/// The origin of a web address.
fn origin_of(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> AllowedOrigins {
        AllowedOrigins::from_stored("https://app.example/\nhttps://other.example:8443")
    }

    #[test]
    fn a_listed_origin_may_call_and_others_may_not() {
        let headers = decide("https://app.example", &allowed()).unwrap();
        assert_eq!((headers.allow_origin.as_str(), headers.vary), ("https://app.example", true));
        for origin in ["https://evil.example", "http://app.example", "https://app.example:444", "null", ""] {
            assert_eq!(decide(origin, &allowed()), None, "{origin}");
        }
    }

    #[test]
    fn an_asterisk_is_sent_as_such_and_never_reflected() {
        let any = AllowedOrigins::from_stored("*");
        let headers = decide("https://evil.example", &any).unwrap();
        assert_eq!((headers.allow_origin.as_str(), headers.vary), ("*", false));
    }

    #[test]
    fn the_origins_of_a_client_are_those_of_its_redirect_uris() {
        let uris = RedirectUris::from_stored("https://spa.example/cb com.example.app:/cb http://localhost:3000/cb");
        let allowed = AllowedOrigins::default().with_client(&uris);
        assert_eq!(allowed.origins, ["https://spa.example", "http://localhost:3000"]);
    }

    #[test]
    fn challenges_can_be_read_by_pages() {
        assert!(EXPOSE.contains("WWW-Authenticate"));
    }
}
