//! Where the pages of the desk are, for whoever leads there.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stays as it is in a part of an address.
pub(crate) const ADDRESS_PART: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'@');

/// The address of a document's form.
pub(crate) fn document_url(slug: &str, name: &str) -> String {
    format!("/app/{slug}/{}", utf8_percent_encode(name, ADDRESS_PART))
}

/// Where the definition of a DocType is changed.
pub(crate) fn model_url(doctype: &str) -> String {
    format!("/app/_model/{}", utf8_percent_encode(doctype, ADDRESS_PART))
}
