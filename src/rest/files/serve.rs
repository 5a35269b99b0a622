//! `/files/…` and `/private/files/…`: sent so that no browser runs what somebody uploaded.

use poem::http::{StatusCode, header};
use poem::{Body, Response};

use crate::error::{AuthenticationError, Error, Result};
use crate::files::Files;
use crate::files::address::path_of;
use crate::rest::files::range::{self, Range};
use crate::rest::files::{PRIVATE, PUBLIC, may_read};
use crate::web::Exchange;
use crate::web::download::disposition;

/// What browsers may show at once: types that carry no script, and PDF, whose viewer keeps it apart.
const SHOWN: [&str; 10] = [
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "image/avif",
    "image/bmp",
    "image/x-icon",
    "image/vnd.microsoft.icon",
    "text/plain",
    "application/pdf",
];
/// Whatever a file holds, nothing in it runs or loads anything.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";
/// The same for PDF, whose viewer does not work in a sandbox.
const PDF_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'";

/// Answers `/files/<name>`.
pub(in crate::rest) async fn public(exchange: Exchange) -> Result<Response> {
    let url = format!("{PUBLIC}{}", exchange.param("path"));
    send(&exchange, &url, "public, max-age=300").await
}

/// Answers `/private/files/<name>` to those who may read a File with that address, or what it is attached to.
pub(in crate::rest) async fn private(exchange: Exchange) -> Result<Response> {
    let url = format!("{PRIVATE}{}", exchange.param("path"));
    if !may_read(&exchange.site, exchange.session(), &url).await? {
        // The same answer whether there is such a file or not.
        let is_guest = exchange.session().is_guest();
        return Err(if is_guest { Error::Authentication(AuthenticationError::Missing) } else { missing() });
    }
    send(&exchange, &url, "private, no-cache").await
}

fn missing() -> Error {
    Error::NoSuchRoute("There is no such file".to_owned())
}

async fn send(exchange: &Exchange, url: &str, caching: &str) -> Result<Response> {
    let headers = exchange.request.headers();
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let conditions = Conditions {
        range: text(header::RANGE),
        if_range: text(header::IF_RANGE),
        if_none_match: text(header::IF_NONE_MATCH),
    };
    let mut response = file_response(&exchange.site.files, url, false, &conditions).await?;
    if let Ok(caching) = caching.parse() {
        response.headers_mut().insert(header::CACHE_CONTROL, caching);
    }
    Ok(response)
}

/// The request headers that decide how much of a file is sent.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::rest) struct Conditions<'a> {
    range: Option<&'a str>,
    if_range: Option<&'a str>,
    if_none_match: Option<&'a str>,
}

/// The file of an address as an answer.
pub(in crate::rest) async fn file_response(
    files: &Files,
    url: &str,
    as_attachment: bool,
    conditions: &Conditions<'_>,
) -> Result<Response> {
    let path = path_of(url).ok_or_else(missing)?;
    let found = files.find(&path).await?.ok_or_else(missing)?;
    let (length, etag) = (found.length, found.etag.clone());
    let name = path.rsplit('/').next().unwrap_or_default();
    let mime = mime_guess::from_path(name).first_or_octet_stream();
    let essence = mime.essence_str();
    let is_shown = SHOWN.contains(&essence) || matches!(mime.type_().as_str(), "audio" | "video");
    let content_type = if essence == "text/plain" { "text/plain; charset=utf-8" } else { essence };
    let answer = Response::builder()
        .content_type(content_type)
        .header(header::ETAG, &etag)
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(header::CONTENT_SECURITY_POLICY, if essence == "application/pdf" { PDF_POLICY } else { POLICY })
        .header(header::CONTENT_DISPOSITION, disposition(name, as_attachment || !is_shown));
    let matches = |tags: &str| tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag);
    if conditions.if_none_match.is_some_and(|tags| tags.trim() == "*" || matches(tags)) {
        return Ok(answer.status(StatusCode::NOT_MODIFIED).finish());
    }
    let asked = conditions.range.filter(|_| conditions.if_range.is_none_or(matches));
    match range::parse(asked, length) {
        Range::All => {
            Ok(answer.header(header::CONTENT_LENGTH, length).body(Body::from_async_read(found.read_all().await?)))
        }
        Range::Part(first, last) => Ok(answer
            .status(StatusCode::PARTIAL_CONTENT)
            .header(header::CONTENT_RANGE, format!("bytes {first}-{last}/{length}"))
            .header(header::CONTENT_LENGTH, last - first + 1)
            .body(Body::from_async_read(found.read(first..last + 1).await?))),
        Range::Outside => Ok(answer
            .status(StatusCode::RANGE_NOT_SATISFIABLE)
            .header(header::CONTENT_RANGE, format!("bytes */{length}"))
            .finish()),
    }
}
