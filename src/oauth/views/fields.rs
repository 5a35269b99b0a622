//! Reads the fields of a document into the types of a view.

use chrono::{DateTime, Utc};

pub(crate) use crate::document::view::{lines_value, parse_time, text_value, time_value};
use crate::meta::Document;
use crate::oauth::protocol::ScopeSet;

/// What a typed view reads: checked against the DocType when the site starts.
#[derive(Debug)]
pub(crate) struct View {
    /// The DocType.
    pub doctype: &'static str,
    /// The fields that the view reads or writes.
    pub fields: &'static [&'static str],
}

/// The fields of one document, as its view reads them.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'d> {
    document: &'d Document,
    view: &'static View,
}

impl<'d> Fields<'d> {
    /// Of a document of the view's DocType.
    pub(crate) fn new(document: &'d Document, view: &'static View) -> Self {
        debug_assert_eq!(document.doctype.name, view.doctype, "a view reads its own DocType");
        Self { document, view }
    }

    fn known(self, fieldname: &str) -> &'d Document {
        debug_assert!(self.view.fields.contains(&fieldname), "{} does not list {fieldname}", self.view.doctype);
        self.document
    }

    /// A text, empty if there is none.
    pub(crate) fn text(self, fieldname: &str) -> &'d str {
        self.known(fieldname).text(fieldname)
    }

    /// A text, if there is one.
    pub(crate) fn optional(self, fieldname: &str) -> Option<String> {
        Some(self.text(fieldname).trim()).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// A switch.
    pub(crate) fn check(self, fieldname: &str) -> bool {
        self.known(fieldname).check(fieldname)
    }

    /// A whole number above 0, or what is taken otherwise.
    pub(crate) fn positive(self, fieldname: &str, or: i64) -> i64 {
        Some(self.int(fieldname)).filter(|number| *number > 0).unwrap_or(or)
    }

    /// A whole number.
    pub(crate) fn int(self, fieldname: &str) -> i64 {
        self.known(fieldname).int(fieldname)
    }

    /// A moment.
    pub(crate) fn time(self, fieldname: &str) -> Option<DateTime<Utc>> {
        parse_time(self.text(fieldname))
    }

    /// Words separated by spaces, commas or line breaks.
    pub(crate) fn words(self, fieldname: &str) -> Vec<String> {
        let separates = |letter: char| letter.is_whitespace() || letter == ',';
        self.text(fieldname).split(separates).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    /// Scopes that were checked when they were saved.
    pub(crate) fn scopes(self, fieldname: &str) -> ScopeSet {
        ScopeSet::from_stored(&self.text(fieldname).replace(',', " "))
    }
}
