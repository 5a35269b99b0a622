//! The titles of linked documents, which forms and lists show in the place of names.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::json;

use crate::desk::form::posted::Posted;
use crate::document::{Cell, List, ListRequest};
use crate::error::Result;
use crate::meta::{DocType, Document, Fieldtype, Registry};
use crate::web::Exchange;

/// The titles of linked documents, looked up before the form is built.
#[derive(Clone, Debug, Default)]
pub(crate) struct Titles(HashMap<String, HashMap<String, String>>);

impl Titles {
    /// The title of a document, if it was looked up.
    pub(crate) fn get(&self, doctype: &str, name: &str) -> Option<&str> {
        self.0.get(doctype)?.get(name).map(String::as_str)
    }

    /// Remembers a title.
    pub(crate) fn insert(&mut self, doctype: &str, name: String, title: String) {
        self.0.entry(doctype.to_owned()).or_default().insert(name, title);
    }
}

/// The names that links point at, by DocType, where the DocType shows titles in links.
type Wanted<'a> = BTreeMap<&'a str, BTreeSet<Cow<'a, str>>>;

/// The titles of the documents that a form links to, those that somebody has typed in included.
pub(crate) async fn form_titles<'a>(
    exchange: &Exchange,
    registry: &'a Registry,
    document: &'a Document,
    posted: Option<&'a Posted>,
) -> Result<Titles> {
    let mut wanted = Wanted::new();
    let rows = document.tables.iter().flatten();
    for document in std::iter::once(document).chain(rows) {
        for field in &document.doctype.fields {
            if shows_title(registry, field.fieldtype, &field.options) {
                wanted.entry(&field.options).or_default().insert(document.text(&field.fieldname).into());
            }
        }
    }
    if let Some(posted) = posted {
        for field in &document.doctype.fields {
            if shows_title(registry, field.fieldtype, &field.options) {
                wanted.entry(&field.options).or_default().insert(posted.text(&field.fieldname).into());
            }
            let (Some(rows), Some(child)) = (posted.tables.get(&field.fieldname), registry.get(&field.options)) else {
                continue;
            };
            for field in child.fields.iter().filter(|field| shows_title(registry, field.fieldtype, &field.options)) {
                let values = rows.iter().filter_map(|row| row.values.get(&field.fieldname));
                wanted.entry(&field.options).or_default().extend(values.map(|value| Cow::from(value.as_str())));
            }
        }
    }
    find_titles(exchange, registry, wanted).await
}

/// The titles of the documents that a list links to.
pub(crate) async fn list_titles(
    exchange: &Exchange,
    registry: &Registry,
    doctype: &DocType,
    list: &List,
) -> Result<Titles> {
    let mut wanted = Wanted::new();
    for (at, key) in list.keys.iter().enumerate() {
        let Some(field) = doctype.field(key) else { continue };
        if shows_title(registry, field.fieldtype, &field.options) {
            let names = wanted.entry(&field.options).or_default();
            names.extend(list.rows.iter().filter_map(|row| match row.get(at) {
                Some(Cell::Value(value)) => Some(Cow::from(value.text())),
                _ => None,
            }));
        }
    }
    find_titles(exchange, registry, wanted).await
}

/// The titles of documents by DocType and name.
pub(crate) async fn named_titles<'a>(
    exchange: &Exchange,
    registry: &Registry,
    names: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<Titles> {
    let mut wanted = Wanted::new();
    for (target, name) in names.filter(|(target, _)| shows_title(registry, Fieldtype::Link, target)) {
        wanted.entry(target).or_default().insert(Cow::from(name));
    }
    find_titles(exchange, registry, wanted).await
}

fn shows_title(registry: &Registry, fieldtype: Fieldtype, target: &str) -> bool {
    fieldtype == Fieldtype::Link
        && registry.get(target).is_some_and(|target| target.show_title_field_in_link && target.title_field.is_some())
}

async fn find_titles(exchange: &Exchange, registry: &Registry, wanted: Wanted<'_>) -> Result<Titles> {
    let mut titles = Titles::default();
    for (target, mut names) in wanted {
        names.remove("");
        let Some(title_field) = registry.get(target).and_then(|target| target.title_field.as_deref()) else { continue };
        if names.is_empty() {
            continue;
        }
        let request =
            ListRequest::new(target).fields(&["name", title_field]).filters(json!([["name", "in", names]])).all();
        match exchange.site.documents.list(exchange.session(), &request).await {
            Ok(list) => {
                for row in 0..list.rows.len() {
                    titles.insert(target, list.text(row, "name").to_owned(), list.text(row, title_field).to_owned());
                }
            }
            Err(error) if error.is_failure() => return Err(error),
            // Who may not read the target sees its name, as the link itself shows it.
            Err(_) => {}
        }
    }
    Ok(titles)
}
