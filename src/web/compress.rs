//! Smaller answers (RFC 9110 §8.4): gzip for what is made for a request, gzip and Brotli, made once, for what is the same
//! for everybody.
//!
//! How long a compressed answer is tells what it repeats. Somebody who can make a browser ask for a page again and again,
//! put words of their own into it and see its length can guess a secret in it (BREACH). So nothing is compressed that a
//! browser asks for with its cookie on behalf of another site, nothing that sets a cookie, and nothing of the endpoints
//! that issue tokens.

use std::io::{self, Write as _};
use std::sync::OnceLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use http_body_util::combinators::BoxBody;
use hyper::body::Body as _;
use poem::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use poem::{Body, Request, Response};

use crate::pace;

/// What is shorter gains nothing.
const LEAST: u64 = 1024;
/// What is shorter is compressed at once; the rest piece by piece while it is sent.
const AT_ONCE: u64 = 256 * 1024;
/// How hard gzip tries: what takes longer costs more than it saves.
const LEVEL: u32 = 4;
/// How hard is tried for what is compressed once: Brotli's quality and the logarithm of its window.
const BROTLI: (u32, u32) = (9, 20);

/// What a request accepts, and whether its answer may be compressed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    gzip: bool,
    is_head: bool,
}

impl Wish {
    /// What a request says.
    pub(crate) fn of(request: &Request, issues_secrets: bool) -> Self {
        let headers = request.headers();
        let from = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
        let is_own = !headers.contains_key(header::COOKIE) || matches!(from, Some("same-origin" | "none"));
        let gzip = is_own && !issues_secrets && accepts(headers, "gzip");
        Self { gzip, is_head: request.method() == Method::HEAD }
    }

    /// Compresses the answer, if that is wanted and saves something.
    pub(crate) async fn apply(self, response: &mut Response) {
        if !is_text(response.headers()) || response.headers().contains_key(header::ACCEPT_RANGES) {
            return;
        }
        vary(response.headers_mut());
        let headers = response.headers();
        let stays = headers.contains_key(header::CONTENT_ENCODING) || headers.contains_key(header::SET_COOKIE);
        if !self.gzip || self.is_head || stays || response.status() == StatusCode::NOT_MODIFIED {
            return;
        }
        let body: BoxBody<Bytes, io::Error> = response.take_body().into();
        let body = match body.size_hint().exact() {
            Some(length) if length < LEAST => {
                response.set_body(Body::from(body));
                return;
            }
            Some(length) if length < AT_ONCE => match body.collect().await {
                Ok(whole) => Body::from(gzip(&whole.to_bytes(), LEVEL)),
                Err(error) => Body::from_bytes_stream(futures_util::stream::iter([Err::<Bytes, _>(error)])),
            },
            _ => gzip_stream(Body::from(body)),
        };
        response.set_body(body);
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        // The same, in other bytes.
        if let Some(tag) = headers.get(header::ETAG).and_then(|tag| tag.to_str().ok())
            && !tag.starts_with("W/")
            && let Ok(weak) = HeaderValue::try_from(format!("W/{tag}"))
        {
            headers.insert(header::ETAG, weak);
        }
    }
}

/// Bytes that are the same for everybody, and what becomes of them, made when it is first asked for.
pub(crate) struct Packed {
    plain: Bytes,
    gzip: OnceLock<Bytes>,
    brotli: OnceLock<Bytes>,
}

impl Packed {
    /// Of these bytes.
    pub(crate) fn new(plain: impl Into<Bytes>) -> Self {
        Self { plain: plain.into(), gzip: OnceLock::new(), brotli: OnceLock::new() }
    }

    /// The bytes themselves.
    pub(crate) fn plain(&self) -> &Bytes {
        &self.plain
    }

    /// Answers with the shortest form that the asker accepts.
    pub(crate) fn answer(&self, asked: &HeaderMap, mut response: Response) -> Response {
        let is_long = self.plain.len() as u64 >= LEAST && is_text(response.headers());
        let (encoding, bytes) = if is_long && accepts(asked, "br") {
            (Some("br"), self.brotli.get_or_init(|| pace::aside(true, || brotli(&self.plain))))
        } else if is_long && accepts(asked, "gzip") {
            (Some("gzip"), self.gzip.get_or_init(|| pace::aside(true, || gzip(&self.plain, 9).into())))
        } else {
            (None, &self.plain)
        };
        let headers = response.headers_mut();
        vary(headers);
        if let Some(encoding) = encoding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        // Each form has a tag of its own.
        if let Some(encoding) = encoding
            && let Some(tag) = headers.get(header::ETAG).and_then(|tag| tag.to_str().ok())
            && let Ok(own) = HeaderValue::try_from(format!("{}-{encoding}\"", tag.trim_end_matches('"')))
        {
            headers.insert(header::ETAG, own);
        }
        response.set_body(bytes.clone());
        response
    }
}

/// Whether `If-None-Match` names the tag, of whatever form of the same.
pub(crate) fn names_tag(if_none_match: &str, tag: &str) -> bool {
    let bare = tag.trim_matches('"');
    let same = |known: &str| {
        let known = known.trim().trim_start_matches("W/").trim_matches('"');
        known == "*" || known.strip_suffix("-br").or(known.strip_suffix("-gzip")).unwrap_or(known) == bare
    };
    if_none_match.split(',').any(same)
}

/// Whether `Accept-Encoding` names an encoding, and not with a quality of 0.
fn accepts(headers: &HeaderMap, encoding: &str) -> bool {
    let listed = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    listed.flat_map(|value| value.split(',')).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        let quality = parts.find_map(|part| part.strip_prefix("q=")).and_then(|quality| quality.parse::<f32>().ok());
        is_named && quality.is_none_or(|quality| quality > 0.0)
    })
}

/// Whether it is of a kind that becomes shorter.
fn is_text(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = content_type.split(';').next().unwrap_or("").trim();
    // Events are to arrive when they happen.
    essence.starts_with("text/") && essence != "text/event-stream"
        || essence.ends_with("+json")
        || matches!(
            essence,
            "application/json"
                | "application/x-ndjson"
                | "application/javascript"
                | "application/manifest+json"
                | "image/svg+xml"
        )
}

fn vary(headers: &mut HeaderMap) {
    let named =
        |value: &HeaderValue| value.to_str().is_ok_and(|text| text.to_ascii_lowercase().contains("accept-encoding"));
    if !headers.get_all(header::VARY).iter().any(named) {
        headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

fn gzip(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 3), Compression::new(level));
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes everything")
}

fn brotli(bytes: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(bytes.len() / 4);
    let mut writer = brotli::CompressorWriter::new(&mut out, 4096, BROTLI.0, BROTLI.1);
    writer.write_all(bytes).expect("memory takes everything");
    drop(writer);
    out.into()
}

fn gzip_stream(body: Body) -> Body {
    let stream = Box::pin(body.into_bytes_stream());
    let encoder = Some(GzEncoder::new(Vec::new(), Compression::new(LEVEL)));
    let pieces = futures_util::stream::unfold((stream, encoder), |(mut stream, encoder)| async move {
        let mut encoder = encoder?;
        loop {
            let out = match stream.next().await {
                Some(Ok(piece)) => match encoder.write_all(&piece) {
                    Ok(()) => std::mem::take(encoder.get_mut()),
                    Err(error) => return Some((Err(error), (stream, None))),
                },
                Some(Err(error)) => return Some((Err(error), (stream, None))),
                None => return Some((encoder.finish(), (stream, None))),
            };
            if !out.is_empty() {
                return Some((Ok(out), (stream, Some(encoder))));
            }
        }
    });
    Body::from_bytes_stream(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_accepted_is_read_with_its_quality() {
        for (sent, expected) in [
            ("gzip, br", true),
            ("GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("br", false),
            ("", false),
            ("xgzip", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, sent.parse().unwrap())]);
            assert_eq!(accepts(&headers, "gzip"), expected, "{sent}");
        }
    }

    #[test]
    fn a_tag_names_every_form_of_the_same() {
        for (sent, expected) in
            [("\"a\"", true), ("W/\"a\"", true), ("\"x\", \"a-br\"", true), ("*", true), ("\"b\"", false), ("", false)]
        {
            assert_eq!(names_tag(sent, "\"a\""), expected, "{sent}");
        }
    }
}
