//! Versions of documents: `ETag`, `If-None-Match` and `If-Match` (RFC 9110 §8.8.3, §13.1).
//!
//! A tag has two parts: when the document was changed last, and a digest of what this reader sees of it. A reader has the
//! newest answer only if both are the same; a change is refused only if somebody else has changed the document since.

use poem::Response;
use poem::http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Map, Value as Json};

use crate::document::Work;
use crate::error::{Error, Result};
use crate::secret;
use crate::web::compress::names_tag;

/// Characters of the digest in a tag.
const DIGEST: usize = 16;

/// Tags the answer that holds a document, or answers that the reader has it already.
pub(super) fn tagged(asked: Option<&HeaderMap>, bytes: &[u8], mut response: Response) -> Response {
    let Some(tag) = tag(bytes) else { return response };
    let known = asked.and_then(|headers| headers.get(header::IF_NONE_MATCH)).and_then(|known| known.to_str().ok());
    if known.is_some_and(|known| names_tag(known, &tag)) {
        response = Response::builder().status(StatusCode::NOT_MODIFIED).finish();
    }
    if let Ok(tag) = HeaderValue::try_from(tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// `"2026-11-28T08:06:07.348842-<digest>"`; `None` of what has no time of its last change.
fn tag(bytes: &[u8]) -> Option<String> {
    const KEY: &[u8] = b"\"modified\":\"";
    // No text before it can hold these bytes: their quotation marks would be escaped.
    let start = bytes.windows(KEY.len()).position(|part| part == KEY)? + KEY.len();
    let length = bytes[start..].iter().position(|byte| *byte == b'"')?;
    let modified = std::str::from_utf8(&bytes[start..start + length]).ok()?.replace(' ', "T");
    Some(format!("\"{modified}-{}\"", &secret::hex(&secret::sha256(bytes))[..DIGEST]))
}

/// What must be so before a document is changed; by default, nothing.
#[derive(Default)]
pub(super) struct Precondition {
    /// Times of the last change, one of which must be that of the document; `None`: there is nothing to hold against it.
    modified: Option<Vec<String>>,
}

impl Precondition {
    /// What the headers of a request say.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self> {
        let Some(sent) = headers.get(header::IF_MATCH) else { return Ok(Self { modified: None }) };
        let unknown = || Error::BadRequest("If-Match takes the ETag of the document as it was answered".to_owned());
        let sent = sent.to_str().map_err(|_| unknown())?;
        if sent.trim() == "*" {
            return Ok(Self { modified: None });
        }
        let time = |tag: &str| {
            let tag = tag.trim();
            // Whoever compresses an answer on the way marks its tag as weak; the time is the same.
            let tag = tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')?;
            tag.rsplit_once('-').map(|(time, _)| time.replace('T', " "))
        };
        let times: Option<Vec<String>> = sent.split(',').map(time).collect();
        Ok(Self { modified: Some(times.ok_or_else(unknown)?) })
    }

    /// Whether there is none.
    pub(super) fn is_none(&self) -> bool {
        self.modified.is_none()
    }

    /// Fails if somebody has changed the document since; it is locked until the work ends.
    pub(super) async fn check(&self, work: &mut Work<'_>, doctype: &str, name: &str) -> Result<()> {
        let Some(times) = &self.modified else { return Ok(()) };
        let document = work.get_for_update(doctype, name).await?;
        let seen: Map<String, Json> = work.documents.to_json(&work.session, &document);
        let stands =
            seen.get("modified").and_then(Json::as_str).is_some_and(|now| times.iter().any(|time| time == now));
        if stands {
            return Ok(());
        }
        let message = format!("{doctype} {name} has been changed since: read it again (If-Match)");
        Err(Error::PreconditionFailed(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_changes_with_the_time_and_with_what_is_seen() {
        let of = |text: &str| tag(text.as_bytes()).unwrap();
        let first = of(r#"{"data":{"name":"a \"modified\":\"x","modified":"2026-11-28 08:06:07.348842","title":"A"}}"#);
        assert!(first.starts_with("\"2026-11-28T08:06:07.348842-") && first.len() == 45, "{first}");
        assert_ne!(first, of(r#"{"data":{"name":"a","modified":"2026-11-28 08:06:07.348842","title":"B"}}"#));
        assert_eq!(tag(b"{\"data\":{}}"), None);
    }

    #[test]
    fn a_precondition_is_the_time_in_a_tag() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_MATCH, text.parse().unwrap());
            Precondition::of(&headers).map(|condition| condition.modified)
        };
        let time = "2026-11-28 08:06:07.348842".to_owned();
        assert_eq!(of("W/\"2026-11-28T08:06:07.348842-0123\"").unwrap(), Some(vec![time.clone()]));
        assert_eq!(of("\"x-1\", \"2026-11-28T08:06:07.348842-0123\"").unwrap(), Some(vec!["x".to_owned(), time]));
        assert_eq!(of("*").unwrap(), None);
        assert!(of("2026").is_err());
    }
}
