//! What a provider's API answers, as it reaches the caller: data, which drives nobody, sets nothing and shows no page.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use poem::Body;
use poem::http::StatusCode;
use poem::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, LINK};
use serde_json::{Map, Value as Json, json};
use url::Url;

use crate::error::Result;
use crate::foreign;
use crate::outgoing::{Answering, host_of};

/// The largest answer that is passed on.
const MAX_STREAM_BYTES: usize = 25 * 1024 * 1024;
/// The largest answer that is put into JSON.
const MAX_JSON_BYTES: usize = 2 * 1024 * 1024;
/// Headers of the provider that come back. None of them sends anybody anywhere, sets a cookie or speaks of credentials.
const RESPONSE_HEADERS: [&str; 13] = [
    "accept-ranges",
    "content-encoding",
    "content-language",
    "content-range",
    "content-type",
    "etag",
    "last-modified",
    "link",
    "retry-after",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-total-count",
];
/// Types of answers that no browser runs anything in; what ends in `+json` is one of them.
const QUIET_TYPES: [&str; 14] = [
    "application/gzip",
    "application/json",
    "application/jsonl",
    "application/ndjson",
    "application/octet-stream",
    "application/pdf",
    "application/x-ndjson",
    "application/zip",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/webp",
    "text/csv",
    "text/plain",
];

/// What the provider's API answers.
pub(crate) struct ProviderAnswer(pub Answering);

impl ProviderAnswer {
    /// Status, headers and body as JSON: JSON as it is, text as text, everything else in base64.
    pub(crate) async fn into_json(self) -> Result<Json> {
        let headers: Map<String, Json> = passed_on(&self.0)
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_string(), Json::from(value.to_str().ok()?))))
            .collect();
        let status = self.0.status.as_u16();
        let body = self.0.read(MAX_JSON_BYTES).await?;
        let mut answer = json!({"status": status, "headers": headers});
        match (foreign::parse::<Json>(&body), String::from_utf8(body)) {
            (Ok(json), _) => answer["body"] = json,
            (_, Ok(text)) => answer["body"] = Json::from(text),
            (_, Err(bytes)) => answer["body_base64"] = Json::from(STANDARD.encode(bytes.as_bytes())),
        }
        Ok(answer)
    }

    /// The provider's answer as ours, passed on as it comes.
    pub(crate) fn into_response(self) -> poem::Response {
        let mut response = poem::Response::builder().status(self.0.status).finish();
        // RFC 9110 §15.5.2, §15.4: a 401 or 407 would speak of the credentials at this site, and a redirect would send
        // whoever follows it on with them.
        let is_redirect = self.0.status.is_redirection() && self.0.status != StatusCode::NOT_MODIFIED;
        if is_redirect || matches!(self.0.status.as_u16(), 401 | 407 | 511) {
            response.set_status(StatusCode::BAD_GATEWAY);
        }
        for (name, value) in passed_on(&self.0) {
            response.headers_mut().insert(name, value);
        }
        let told = response.headers_mut().remove(CONTENT_TYPE);
        if let Some(told) = told {
            let shown =
                if is_quiet(&told) { told.clone() } else { HeaderValue::from_static("application/octet-stream") };
            response.headers_mut().insert(CONTENT_TYPE, shown);
            response.headers_mut().insert(HeaderName::from_static("x-provider-content-type"), told);
        }
        let provider_status = HeaderValue::from(self.0.status.as_u16());
        response.headers_mut().insert(HeaderName::from_static("x-provider-status"), provider_status);
        // Whatever it is, it is not a page of this site.
        for (name, value) in [
            ("content-security-policy", "default-src 'none'; sandbox"),
            ("x-content-type-options", "nosniff"),
            ("content-disposition", "attachment"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        response.set_body(Body::from_bytes_stream(self.0.stream(MAX_STREAM_BYTES)));
        response
    }
}

fn passed_on(answer: &Answering) -> Vec<(HeaderName, HeaderValue)> {
    let leads_there = |name: &HeaderName, value: &HeaderValue| *name != LINK || are_links_to(value, &answer.host);
    answer
        .headers
        .iter()
        .filter(|(name, value)| RESPONSE_HEADERS.contains(&name.as_str()) && leads_there(name, value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Whether all that a `Link` leads to is named in full and at the provider: a path would be taken for one of this site.
fn are_links_to(value: &HeaderValue, host: &str) -> bool {
    let Ok(text) = value.to_str() else { return false };
    let mut targets = text.split('<').skip(1).map(|rest| rest.split('>').next().unwrap_or_default());
    targets.all(|target| Url::parse(target).is_ok_and(|url| host_of(&url) == host))
}

/// Whether a browser would only show or store an answer of that type.
fn is_quiet(value: &HeaderValue) -> bool {
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    QUIET_TYPES.contains(&essence.as_str())
        || (essence.starts_with("application/") && essence.ends_with("+json"))
        || essence.starts_with("audio/")
        || essence.starts_with("video/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_types_that_run_nothing_are_passed_on_and_links_lead_to_the_provider() {
        let value = |text: &str| HeaderValue::from_str(text).unwrap();
        for quiet in
            ["application/json; charset=utf-8", "application/vnd.api+json", "Text/Plain", "image/png", "video/mp4"]
        {
            assert!(is_quiet(&value(quiet)), "{quiet}");
        }
        for loud in [
            "text/html",
            "TEXT/HTML;x",
            "image/svg+xml",
            "application/xhtml+xml",
            "text/xml",
            "text/javascript",
            "x/y+json",
            "",
            "text/css",
        ] {
            assert!(!is_quiet(&value(loud)), "{loud}");
        }
        assert!(are_links_to(
            &value("<https://api.example/a?p=2>; rel=next, <https://api.example/a>; rel=last"),
            "api.example"
        ));
        for away in ["</api/method/logout>; rel=next", "<https://evil.example/>; rel=next", "<a>; rel=stylesheet"] {
            assert!(!are_links_to(&value(away), "api.example"), "{away}");
        }
    }
}
