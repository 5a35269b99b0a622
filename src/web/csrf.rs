//! Cross-site defence for requests that rest on a cookie: `Sec-Fetch-Site`, `Origin`, and a token in forms.

use poem::http::{HeaderMap, Method, header};

use crate::error::{Error, Result};
use crate::secret;
use crate::web::request::{Credentials, RequestContext};

/// The name of the form field that carries the token.
pub(crate) const FIELD: &str = "csrf_token";
/// The header that may carry it instead, under Frappe's name.
pub(crate) const HEADER: &str = "x-frappe-csrf-token";

/// The token of the session whose cookie holds `sid`: it follows from the cookie, and the cookie does not follow from it.
pub fn token(sid: &str) -> String {
    secret::digest(format!("csrf:{sid}"))
}

/// Refuses unsafe requests that a browser says come from elsewhere.
///
/// Only requests without credentials of their own are looked at: an `Authorization` header cannot be sent by a foreign page
/// without the site's consent. Programs send neither header and are let through.
pub(crate) fn check_origin(method: &Method, headers: &HeaderMap, site_url: &str) -> Result<()> {
    if method.is_safe() {
        return Ok(());
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site")
        && !matches!(site, "same-origin" | "none")
    {
        return Err(foreign());
    }
    // A page that sends no referrer sends no origin either; that it is ours, the browser says by the other header.
    let is_hidden = |origin: &str| origin == "null" && text("sec-fetch-site") == Some("same-origin");
    if let Some(origin) = text("origin").filter(|origin| !is_hidden(origin)) {
        let own = self::origin(site_url);
        let host = text(header::HOST.as_str()).unwrap_or("");
        // Under another name, as in a network of one's own, a page still has to come as securely as the site.
        let is_alias = !host.is_empty()
            && own.split_once("://").is_none_or(|(_, own)| own != host)
            && origin.split_once("://").is_some_and(|(scheme, rest)| {
                rest == host && (scheme == "https" || (scheme == "http" && !own.starts_with("https://")))
            });
        if origin != own && !is_alias {
            return Err(foreign());
        }
    }
    Ok(())
}

/// Checks the token that a form carries, where the request rests on a session cookie.
pub(crate) fn check_form(context: &RequestContext, headers: &HeaderMap, field: Option<&str>) -> Result<()> {
    if context.credentials != Credentials::Cookie {
        return Ok(());
    }
    let sent = field.or_else(|| headers.get(HEADER).and_then(|value| value.to_str().ok())).unwrap_or("");
    if secret::constant_time_eq(sent.as_bytes(), context.csrf_token().as_bytes()) {
        return Ok(());
    }
    Err(Error::CrossSite("This form is out of date: go back, reload the page and send it again".to_owned()))
}

/// Scheme, host and port of a URL.
fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    url.get(start..).and_then(|rest| rest.find('/')).map_or(url, |end| &url[..start + end])
}

fn foreign() -> Error {
    Error::CrossSite("Invalid Request: it comes from another site".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &Method, pairs: &[(&'static str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        check_origin(method, &headers, "https://site.example/").is_ok()
    }

    #[test]
    fn unsafe_requests_from_elsewhere_are_refused() {
        assert!(check(&Method::GET, &[("sec-fetch-site", "cross-site")]));
        assert!(check(&Method::POST, &[]));
        assert!(check(&Method::POST, &[("sec-fetch-site", "same-origin"), ("origin", "https://site.example")]));
        assert!(check(&Method::POST, &[("sec-fetch-site", "none")]));
        assert!(check(&Method::POST, &[("origin", "https://10.0.0.1:8000"), ("host", "10.0.0.1:8000")]));
        assert!(!check(&Method::POST, &[("origin", "http://10.0.0.1:8000"), ("host", "10.0.0.1:8000")]));
        assert!(!check(&Method::POST, &[("origin", "http://site.example"), ("host", "site.example")]));
        assert!(!check(&Method::POST, &[("origin", "ftp://site.example"), ("host", "site.example")]));
        assert!(!check(&Method::POST, &[("sec-fetch-site", "cross-site")]));
        assert!(!check(&Method::POST, &[("sec-fetch-site", "same-site")]));
        assert!(!check(&Method::DELETE, &[("origin", "https://evil.example")]));
        assert!(!check(&Method::PUT, &[("origin", "null")]));
        assert!(!check(&Method::POST, &[("origin", "https://site.example.evil.example"), ("host", "site.example")]));
    }

    #[test]
    fn a_page_of_ours_that_sends_no_referrer_may_post_and_a_hidden_stranger_may_not() {
        assert!(check(&Method::POST, &[("origin", "null"), ("sec-fetch-site", "same-origin")]));
        assert!(!check(&Method::POST, &[("origin", "null"), ("sec-fetch-site", "cross-site")]));
        assert!(!check(&Method::POST, &[("origin", "null"), ("sec-fetch-site", "none")]));
        assert!(!check(&Method::POST, &[("origin", "null")]));
    }
}
