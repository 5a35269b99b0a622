//! Addresses below `/api/resource` and `/api/v2/document`, taken apart before percent-decoding, so that names may hold `/`.

use percent_encoding::percent_decode_str;

use crate::error::{Error, Result};

/// What an address means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The DocTypes there are.
    Root,
    /// The documents of a DocType.
    Collection {
        /// The DocType.
        doctype: String,
    },
    /// One document.
    Document {
        /// The DocType.
        doctype: String,
        /// The name.
        name: String,
    },
    /// A copy of a document, not stored.
    Copy {
        /// The DocType.
        doctype: String,
        /// The name.
        name: String,
    },
    /// A method of a document.
    Method {
        /// The DocType.
        doctype: String,
        /// The name.
        name: String,
        /// The method.
        method: String,
    },
}

/// Reads what follows `/api/resource`.
pub(super) fn v1(rest: &str) -> Result<Target> {
    let rest = trim(rest);
    if rest.is_empty() {
        return Ok(Target::Root);
    }
    match rest.split_once('/') {
        None => Ok(Target::Collection { doctype: decode(rest)? }),
        Some((doctype, name)) => Ok(Target::Document { doctype: decode(doctype)?, name: decode(name)? }),
    }
}

/// Reads what follows `/api/v2/document`; a name that ends in `/copy` is sent with `%2F`.
pub(super) fn v2(rest: &str) -> Result<Target> {
    let rest = trim(rest);
    let Some((doctype, name)) = rest.split_once('/') else { return v1(rest) };
    let doctype = decode(doctype)?;
    if let Some(name) = name.strip_suffix("/copy") {
        return Ok(Target::Copy { doctype, name: decode(name)? });
    }
    if let Some((name, method)) = name.rsplit_once('/')
        && let Some(name) = name.strip_suffix("/method")
    {
        return Ok(Target::Method { doctype, name: decode(name)?, method: decode(method)? });
    }
    Ok(Target::Document { doctype, name: decode(name)? })
}

/// Percent-decodes a part of an address.
pub(super) fn decode(part: &str) -> Result<String> {
    let decoded = percent_decode_str(part).decode_utf8();
    decoded
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| Error::BadRequest("The address is not valid UTF-8 after percent-decoding".to_owned()))
}

fn trim(rest: &str) -> &str {
    let rest = rest.strip_prefix('/').unwrap_or(rest);
    rest.strip_suffix('/').unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(doctype: &str, name: &str) -> Target {
        Target::Document { doctype: doctype.to_owned(), name: name.to_owned() }
    }

    #[test]
    fn names_may_hold_slashes_spaces_and_anything_encoded() {
        for (rest, expected) in [
            ("", Target::Root),
            ("/", Target::Root),
            ("/To%20Do", Target::Collection { doctype: "To Do".to_owned() }),
            ("/To%20Do/", Target::Collection { doctype: "To Do".to_owned() }),
            ("/Note/a", document("Note", "a")),
            ("/Note/a/", document("Note", "a")),
            ("/Note/a/b", document("Note", "a/b")),
            ("/Note/a%2Fb", document("Note", "a/b")),
            ("/Note/100%25", document("Note", "100%")),
            ("/Note/a/copy", document("Note", "a/copy")),
            ("/Note/J%C3%BCrgen+1", document("Note", "Jürgen+1")),
        ] {
            assert_eq!(v1(rest).unwrap(), expected, "{rest}");
        }
        assert!(matches!(v1("/Note/%FF"), Err(Error::BadRequest(_))));
    }

    #[test]
    fn the_second_version_knows_copies_and_methods() {
        let named = |name: &str| (String::from("Note"), name.to_owned());
        let (doctype, name) = named("a/b");
        assert_eq!(v2("/Note/a/b/copy").unwrap(), Target::Copy { doctype, name });
        let (doctype, name) = named("a/b");
        let method = "submit".to_owned();
        assert_eq!(v2("/Note/a/b/method/submit/").unwrap(), Target::Method { doctype, name, method });
        assert_eq!(v2("/Note/a%2Fcopy").unwrap(), document("Note", "a/copy"));
        assert_eq!(v2("/Note/copy").unwrap(), document("Note", "copy"));
        assert_eq!(v2("/Note/method/x").unwrap(), document("Note", "method/x"));
        assert_eq!(v2("/Note").unwrap(), Target::Collection { doctype: "Note".to_owned() });
    }
}
