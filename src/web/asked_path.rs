//! Several ways to write a path that mean the same, and what was written.

use poem::Request;
use poem::http::Uri;
use poem::http::uri::PathAndQuery;

use crate::error::{Error, Result};

/// The path as it was asked for, where it was written differently.
#[derive(Clone)]
struct AskedPath(String);

/// The path of a request as its sender wrote it.
pub(crate) fn asked_path(request: &Request) -> &str {
    request.data::<AskedPath>().map_or_else(|| request.uri().path(), |asked| asked.0.as_str())
}

/// `/api/v1/…` is `/api/…`, and a slash at the end says nothing, except under `/.well-known/` and for files.
pub(super) fn normalize_path(request: &mut Request) -> Result<()> {
    let path = request.uri().path();
    let mut wanted = match path.strip_prefix("/api/v1") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("/api{rest}"),
        _ => path.to_owned(),
    };
    let exact = ["/.well-known/", "/files/", "/private/"].iter().any(|prefix| wanted.starts_with(prefix));
    if !exact {
        wanted.truncate(wanted.trim_end_matches('/').len().max(1));
    }
    if wanted == path {
        return Ok(());
    }
    let text = request.uri().query().map_or(wanted.clone(), |query| format!("{wanted}?{query}"));
    let asked = AskedPath(path.to_owned());
    request.extensions_mut().insert(asked);
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query =
        Some(PathAndQuery::try_from(text).map_err(|_| Error::BadRequest("The address does not parse".to_owned()))?);
    *request.uri_mut() =
        Uri::from_parts(parts).map_err(|_| Error::BadRequest("The address does not parse".to_owned()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalized(uri: &str) -> String {
        let mut request = Request::builder().uri_str(uri).finish();
        normalize_path(&mut request).unwrap();
        request.uri().to_string()
    }

    #[test]
    fn slashes_at_the_end_and_v1_say_nothing() {
        for (uri, expected) in [
            ("/api/v1/resource/ToDo/?a=1", "/api/resource/ToDo?a=1"),
            ("/api/method/ping/", "/api/method/ping"),
            ("/api/v1", "/api"),
            ("/api/v10/x", "/api/v10/x"),
            ("/", "/"),
            ("/.well-known/x/", "/.well-known/x/"),
        ] {
            assert_eq!(normalized(uri), expected, "{uri}");
        }
    }
}
