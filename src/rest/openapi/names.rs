//! Keys of components: DocType names without spaces, and no two the same.

use std::collections::{HashMap, HashSet};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value as Json, json};

use crate::meta::Registry;

/// What stands in a path as it is.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// What is made from a DocType's key.
const ENDINGS: [&str; 2] = ["", "Partial"];

/// The component keys of DocTypes.
pub(super) struct Names {
    keys: HashMap<String, String>,
}

impl Names {
    /// Gives every DocType a key that matches `^[a-zA-Z0-9._-]+$` and that nothing else has.
    pub(super) fn new(registry: &Registry, taken: &Map<String, Json>) -> Self {
        let mut used: HashSet<String> = taken.keys().cloned().collect();
        let mut keys = HashMap::new();
        for doctype in registry.iter() {
            let base = key_of(&doctype.name);
            let mut key = base.clone();
            let mut number = 2;
            while ENDINGS.iter().any(|ending| used.contains(&format!("{key}{ending}"))) {
                key = format!("{base}_{number}");
                number += 1;
            }
            used.extend(ENDINGS.iter().map(|ending| format!("{key}{ending}")));
            keys.insert(doctype.name.clone(), key);
        }
        Self { keys }
    }

    /// The key of a DocType; `None` if there is no such DocType.
    pub(super) fn get(&self, doctype: &str) -> Option<&str> {
        self.keys.get(doctype).map(String::as_str)
    }
}

/// `OAuth Client` → `OAuthClient`.
fn key_of(name: &str) -> String {
    let key: String = name
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != '-')
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
        })
        .collect();
    if key.is_empty() { "DocType".to_owned() } else { key }
}

/// A name as part of a path.
pub(super) fn in_path(name: &str) -> String {
    utf8_percent_encode(name, IN_PATH).to_string()
}

/// A reference to a parameter.
pub(super) fn parameter(key: &str) -> Json {
    json!({ "$ref": format!("#/components/parameters/{key}") })
}

/// The answers to requests that fail, by status; 429 is one of every operation.
pub(super) fn failures(statuses: &[&str]) -> Map<String, Json> {
    statuses
        .iter()
        .chain(&["429"])
        .map(|status| ((*status).to_owned(), json!({ "$ref": format!("#/components/responses/Error{status}") })))
        .collect()
}
