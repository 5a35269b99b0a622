//! What a transaction wrote, as far as caches may hold it: what a node forgets after a commit of its own, and what it tells
//! the others, so that they forget the same.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Documents that were written, by DocType; or more than can be named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Written {
    /// Names by DocType; `None`: any of the DocType.
    #[serde(rename = "d", default, skip_serializing_if = "BTreeMap::is_empty")]
    documents: BTreeMap<String, Option<BTreeSet<String>>>,
    /// Any document.
    #[serde(rename = "e", default, skip_serializing_if = "std::ops::Not::not")]
    everything: bool,
    /// The DocTypes of entries that the program itself keeps as a log, which no cache holds: nobody is told for them alone.
    #[serde(rename = "l", default, skip_serializing_if = "BTreeSet::is_empty")]
    logs: BTreeSet<String>,
    /// The definitions in force.
    #[serde(rename = "t", default, skip_serializing_if = "std::ops::Not::not")]
    definitions: bool,
}

impl Written {
    /// Any document may have been written.
    pub(crate) fn everything() -> Self {
        Self { everything: true, ..Self::default() }
    }

    /// Other definitions are in force.
    pub(crate) fn definitions() -> Self {
        Self { definitions: true, ..Self::default() }
    }

    /// A document was written.
    pub(crate) fn add(&mut self, doctype: &str, name: &str) {
        match self.documents.get_mut(doctype) {
            Some(Some(names)) => drop(names.insert(name.to_owned())),
            Some(None) => {}
            None => drop(self.documents.insert(doctype.to_owned(), Some(BTreeSet::from([name.to_owned()])))),
        }
    }

    /// An entry of a log was written.
    pub(crate) fn add_log(&mut self, doctype: &str) {
        if !self.logs.contains(doctype) {
            self.logs.insert(doctype.to_owned());
        }
    }

    /// Any document was written beside those that are named.
    pub(crate) fn add_everything(&mut self) {
        self.everything = true;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.documents.is_empty() && !self.everything && !self.definitions
    }

    /// Whether it may be any document.
    pub(crate) fn is_everything(&self) -> bool {
        self.everything
    }

    /// Whether other definitions may be in force.
    pub(crate) fn concerns_definitions(&self) -> bool {
        self.everything || self.definitions
    }

    /// The DocTypes of entries of logs.
    pub(crate) fn logs(&self) -> impl Iterator<Item = &str> {
        self.logs.iter().map(String::as_str)
    }

    /// The DocTypes that are named.
    pub(crate) fn doctypes(&self) -> impl Iterator<Item = &str> {
        self.documents.keys().map(String::as_str)
    }

    /// Whether documents of a DocType may be among it.
    pub(crate) fn concerns(&self, doctype: &str) -> bool {
        self.everything || self.documents.contains_key(doctype)
    }

    /// What is named: a DocType, and a name or `None` for any.
    pub(crate) fn documents(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.documents.iter().flat_map(|(doctype, names)| {
            let any = names.is_none().then_some((doctype.as_str(), None));
            let named = names.iter().flatten().map(move |name| (doctype.as_str(), Some(name.as_str())));
            any.into_iter().chain(named)
        })
    }

    /// The same in at most so many bytes of what `text` makes of it: DocTypes without names, or simply everything.
    pub(super) fn shortened(&self, most: usize, text: impl Fn(&Self) -> String) -> String {
        let whole = text(self);
        if whole.len() <= most {
            return whole;
        }
        let documents = self.documents.keys().map(|doctype| (doctype.clone(), None)).collect();
        let by_doctype = text(&Self { documents, ..self.clone() });
        if by_doctype.len() <= most { by_doctype } else { text(&Self::everything()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(written: &Written) -> String {
        serde_json::to_string(written).unwrap()
    }

    #[test]
    fn what_is_told_is_what_is_understood() {
        let mut written = Written::default();
        assert!(written.is_empty());
        written.add("Note", "it's \"one\" \\ two");
        written.add("Note", "b");
        written.add("ToDo", "c");
        let understood: Written = serde_json::from_str(&written.shortened(1000, text)).unwrap();
        assert_eq!(understood, written);
        let documents: Vec<_> = understood.documents().collect();
        assert_eq!(documents, [("Note", Some("b")), ("Note", Some("it's \"one\" \\ two")), ("ToDo", Some("c"))]);
        assert!(understood.concerns("ToDo") && !understood.concerns("User"));
    }

    #[test]
    fn what_is_too_long_is_told_by_doctype_and_then_as_everything() {
        let mut written = Written::default();
        for number in 0..100 {
            written.add("Note", &format!("note {number}"));
        }
        let understood: Written = serde_json::from_str(&written.shortened(200, text)).unwrap();
        assert_eq!(understood.documents().collect::<Vec<_>>(), [("Note", None)]);
        for number in 0..100 {
            written.add(&format!("DocType {number}"), "a");
        }
        let understood: Written = serde_json::from_str(&written.shortened(200, text)).unwrap();
        assert_eq!(understood, Written::everything());
        assert!(understood.concerns("User"));
    }
}
