//! Resources: documents and DocTypes by address, `doctype:///Book` and `doctype:///Book/Emma`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value as Json, json};

use crate::error::Error;
use crate::mcp::call::note;
use crate::mcp::message::Fault;
use crate::mcp::record::Outcome;
use crate::mcp::{Caller, Failure, Reply, describe, read as reading};

/// What every address begins with.
const SCHEME: &str = "doctype:///";
/// How many resources a page lists.
const PAGE: usize = 100;
/// What a part of an address may hold as it is (RFC 3986: unreserved).
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The DocTypes that the session may read, by name.
pub(super) fn list(caller: &Caller<'_>) -> Reply {
    let start = match caller.message.params.get("cursor") {
        None | Some(Json::Null) => 0,
        Some(cursor) => cursor
            .as_str()
            .and_then(|cursor| cursor.parse::<usize>().ok())
            .ok_or_else(|| Fault::params("cursor is not a nextCursor of a page before"))?,
    };
    let readable = describe::readable(&caller.site.documents, &caller.context.session);
    let resources: Vec<Json> = readable
        .iter()
        .skip(start)
        .take(PAGE)
        .map(|doctype| {
            json!({
                "uri": format!("{SCHEME}{}", utf8_percent_encode(&doctype.name, PART)),
                "name": doctype.name,
                "description": doctype.description,
                "mimeType": "application/json",
            })
        })
        .collect();
    let mut page = json!({ "resources": resources });
    if readable.len() > start.saturating_add(PAGE) {
        page["nextCursor"] = Json::from((start + PAGE).to_string());
    }
    Ok(page)
}

/// How addresses are made.
pub(super) fn templates() -> Json {
    json!({ "resourceTemplates": [
        {
            "uriTemplate": format!("{SCHEME}{{doctype}}/{{name}}"),
            "name": "document",
            "title": "Document",
            "description": "A document with its child rows, for example doctype:///User/ada%40example.com",
            "mimeType": "application/json",
        },
        {
            "uriTemplate": format!("{SCHEME}{{doctype}}"),
            "name": "doctype",
            "title": "DocType",
            "description": "The fields of a DocType as JSON Schema, with help texts and methods",
            "mimeType": "application/json",
        },
    ] })
}

/// What stands at an address.
pub(super) async fn read(caller: &Caller<'_>) -> Reply {
    let uri = caller.message.text("uri")?;
    let absent = || {
        let code = if caller.message.is_stateless { Fault::INVALID_PARAMS } else { Fault::RESOURCE_NOT_FOUND };
        Failure::from(
            Fault::new(code, "There is no such resource, or none that you may read").with(json!({ "uri": uri })),
        )
    };
    let Some((doctype, name)) = parse(uri) else { return Err(absent()) };
    let (documents, session) = (&caller.site.documents, &caller.context.session);
    let found = match &name {
        Some(name) => reading::document(caller, &doctype, name, None).await,
        None => match describe::known(documents, session, &doctype) {
            Ok(known) => describe::doctype(documents, session, &known).await,
            Err(error) => Err(error),
        },
    };
    let outcome = found.as_ref().map_or_else(Outcome::of, |_| Outcome::Done);
    note(caller, "resources/read".to_owned(), outcome, Some(&doctype), name.as_deref()).await;
    match found {
        Ok(found) => {
            let contents = json!([{ "uri": uri, "mimeType": "application/json", "text": found.to_string() }]);
            // A document may change at any time.
            Ok(json!({ "contents": contents, "ttlMs": 0, "cacheScope": "private" }))
        }
        Err(Error::DoesNotExist { .. } | Error::Permission(_)) => Err(absent()),
        Err(error) => Err(error.into()),
    }
}

/// The DocType and the document that an address names.
fn parse(uri: &str) -> Option<(String, Option<String>)> {
    let decode =
        |part: &str| percent_decode_str(part).decode_utf8().ok().map(String::from).filter(|part| !part.is_empty());
    match uri.strip_prefix(SCHEME)?.split_once('/') {
        None => Some((decode(uri.strip_prefix(SCHEME)?)?, None)),
        Some((doctype, name)) if !name.contains('/') => Some((decode(doctype)?, Some(decode(name)?))),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_doctype_or_a_document() {
        let both = |doctype: &str, name: &str| Some((doctype.to_owned(), Some(name.to_owned())));
        assert_eq!(parse("doctype:///Book"), Some(("Book".to_owned(), None)));
        assert_eq!(parse("doctype:///Library%20Loan/A%2FB"), both("Library Loan", "A/B"));
        for wrong in [
            "doctype:///",
            "doctype:///Book/",
            "doctype:///Book/a/b",
            "doctype://Book/a",
            "file:///a",
            "",
            "doctype:///%ff",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
