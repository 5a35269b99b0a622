//! Finding documents of a DocType by a text: what link pickers and assistants ask.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use crate::document::{Documents, ListRequest};
use crate::error::Result;
use crate::meta::fieldtype::Shape;
use crate::meta::naming_rule::NamingRule;
use crate::meta::{DocType, Fieldtype};
use crate::permissions::Session;

/// What is looked for.
pub(crate) struct Search {
    /// Among these documents.
    pub doctype: Arc<DocType>,
    /// The text; empty finds every document.
    pub text: String,
    /// The fields that are searched and answered, `name` first.
    pub fields: Vec<String>,
    /// What must hold besides.
    pub filters: Json,
    /// How many results are skipped.
    pub start: u64,
    /// How many results at most.
    pub limit: u64,
}

impl Search {
    /// The first ten documents whose name, title or search fields hold the text, as far as the session may see these;
    /// `further` is one more field.
    pub(crate) fn new(
        documents: &Documents,
        session: &Session,
        doctype: Arc<DocType>,
        text: &str,
        further: Option<&String>,
    ) -> Self {
        let grant = documents.grant(session, &doctype);
        let mut fields = vec!["name".to_owned()];
        for field in doctype.title_field.iter().chain(&doctype.search_fields).chain(further) {
            let may_show = doctype.field(field).is_some_and(|field| {
                field.has_column() && !field.secret && field.fieldtype != Fieldtype::Password && !grant.masks(field)
            });
            if may_show && !fields.contains(field) {
                fields.push(field.clone());
            }
        }
        Self { doctype, text: text.trim().to_owned(), fields, filters: Json::Null, start: 0, limit: 10 }
    }

    /// The rows: those that begin with the text before those that merely contain it.
    pub(crate) async fn run(&self, documents: &Documents, session: &Session) -> Result<Vec<Map<String, Json>>> {
        let mut found = Vec::new();
        if !self.text.is_empty() && self.start == 0 {
            found = self.rows(documents, session, &format!("{}%", self.text)).await?;
        }
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        if found.len() < limit {
            for row in self.rows(documents, session, &format!("%{}%", self.text)).await? {
                if !found.iter().any(|known| known.get("name") == row.get("name")) {
                    found.push(row);
                }
            }
            found.truncate(limit);
        }
        Ok(found)
    }

    async fn rows(&self, documents: &Documents, session: &Session, pattern: &str) -> Result<Vec<Map<String, Json>>> {
        let mut request = ListRequest::new(self.doctype.name.as_str());
        request.fields = self.fields.iter().map(|field| Json::from(field.as_str())).collect();
        request.filters = self.all_filters();
        if !self.text.is_empty() {
            let fields: Vec<&str> = self.fields.iter().map(String::as_str).collect();
            request.or_filters = text_filters(&self.doctype, &fields, &self.text, pattern);
        }
        // By the name alone, whose index gives the order: nothing here counts how often a document is linked, as `idx` does in
        // Frappe.
        request.order_by = self.doctype.has_table().then(|| "name asc".to_owned());
        request.start = self.start;
        request.limit = Some(self.limit);
        Ok(documents.list(session, &request).await?.to_json())
    }

    /// The caller's filters, and those that leave out what is switched off.
    fn all_filters(&self) -> Json {
        let mut all: Vec<Json> = match &self.filters {
            Json::Array(list) => list.clone(),
            Json::Object(map) => map
                .iter()
                .map(|(field, value)| match value {
                    Json::Array(pair) if pair.len() == 2 && pair[0].is_string() => json!([field, pair[0], pair[1]]),
                    value => json!([field, "=", value]),
                })
                .collect(),
            _ => Vec::new(),
        };
        let is_check = |name: &str| self.doctype.field(name).is_some_and(|field| field.fieldtype == Fieldtype::Check);
        if is_check("enabled") {
            all.push(json!(["enabled", "=", 1]));
        }
        if is_check("disabled") {
            all.push(json!(["disabled", "!=", 1]));
        }
        if all.is_empty() { Json::Null } else { Json::Array(all) }
    }
}

/// The `or_filters` for documents in which one of these fields is like a pattern of the text. Numbers and dates are not
/// searched, and an opaque name is found whole.
pub(crate) fn text_filters(doctype: &DocType, fields: &[&str], text: &str, pattern: &str) -> Json {
    let searched = doctype.searched_columns();
    let mut filters: Vec<Json> = Vec::new();
    for field in fields {
        let column = doctype.column(field).map(|index| &doctype.columns[index]);
        if searched.iter().any(|column| column.name == *field) {
            filters.push(json!([field, "like", pattern]));
        } else if *field == "name" {
            match (&doctype.naming_rule, text.parse::<i64>()) {
                (NamingRule::Autoincrement, Ok(number)) => filters.push(json!(["name", "=", number])),
                (NamingRule::Autoincrement, Err(_)) => {}
                _ => filters.push(json!(["name", "=", text])),
            }
        } else if column
            .is_some_and(|column| column.column_type.shape() == Shape::Text && !column.column_type.is_moment())
        {
            filters.push(json!([field, "like", pattern]));
        }
    }
    if filters.is_empty() {
        // Nothing here can match text.
        filters.push(json!(["name", "in", []]));
    }
    Json::Array(filters)
}

/// A cell as people read it.
pub(crate) fn as_text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}
