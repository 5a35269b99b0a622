//! Versions of documents: `ETag`, `If-None-Match` and `If-Match` (RFC 9110 §8.8.3, §13.1).
//!
//! A tag has two parts: when the document was changed last, and a digest of what this reader sees of it. A reader has the
//! newest answer only if both are the same; a change is refused only if somebody else has changed the document since.

use bytes::Bytes;
use poem::Response;
use poem::http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Map, Value as Json};

use crate::document::{Data, Work};
use crate::error::{Error, Result};
use crate::web::compress::names_tag;

/// The answer with a document, or that the reader has it already.
pub(super) fn answer(data: Data, asked: &HeaderMap) -> Response {
    let Some(tag) = data.version.map(|version| format!("\"{version}\"")) else { return json_bytes(data.bytes) };
    let known = asked.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok());
    let mut response = if known.is_some_and(|known| names_tag(known, &tag)) {
        Response::builder().status(StatusCode::NOT_MODIFIED).finish()
    } else {
        json_bytes(data.bytes)
    };
    if let Ok(tag) = HeaderValue::try_from(tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

fn json_bytes(bytes: Bytes) -> Response {
    Response::builder().content_type("application/json").body(bytes)
}

fn unknown() -> Error {
    Error::BadRequest("If-Match takes the ETag of the document as it was answered".to_owned())
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
        let Some(sent) = headers.get(header::IF_MATCH) else { return Ok(Self::default()) };
        Self::parse(sent.to_str().map_err(|_| unknown())?)
    }

    /// What the text of an `If-Match` says.
    pub(super) fn parse(sent: &str) -> Result<Self> {
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
