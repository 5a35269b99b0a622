//! `frappe.desk.search`: what link pickers ask.

use serde_json::{Map, Value as Json, json};

use crate::document::ListRequest;
use crate::error::Result;
use crate::meta::naming_rule::NamingRule;
use crate::meta::{DocType, Fieldtype};
use crate::permissions::Session;
use crate::rest::arguments::{data_error, filters};
use crate::rest::methods::add;
use crate::web::{Answer, Call, Param, Plugins, Site, Verbs};

const PARAMS: &[Param] = &[
    Param::required("doctype", "string", "The DocType to search in"),
    Param::optional("txt", "string", "What was typed so far"),
    Param::optional("filters", "object", "Further filters"),
    Param::optional("page_length", "integer", "How many results at most; 10 if left out"),
    Param::optional("start", "integer", "How many results to skip"),
    Param::optional("searchfield", "string", "The field to search in besides the name"),
    Param::optional("reference_doctype", "string", "The DocType of the form that asks"),
    Param::optional("ignore_user_permissions", "boolean", "Accepted, and without effect: permissions always count"),
];
/// How many results one search may answer.
const MOST: u64 = 1000;

/// Registers the methods.
pub(super) fn register(plugins: &mut Plugins) {
    let summary = "Finds documents for a link picker: value, description and label";
    add(plugins, "frappe.desk.search.search_link", Verbs::READ, summary, PARAMS, search_link);
    let summary = "Finds documents for a link picker: name and search fields";
    add(plugins, "frappe.desk.search.search_widget", Verbs::READ, summary, PARAMS, search_widget);
}

async fn search_link(call: Call) -> Result<Answer> {
    let search = Search::read(&call)?;
    let rows = search.run(&call.site, call.session()).await?;
    let results: Json = rows.into_iter().map(|row| search.result(&row)).collect();
    Ok(Answer::message(results))
}

async fn search_widget(call: Call) -> Result<Answer> {
    let search = Search::read(&call)?;
    let rows = search.run(&call.site, call.session()).await?;
    let rows: Json = rows.into_iter().map(|row| row.into_iter().map(|(_, value)| value).collect::<Json>()).collect();
    Ok(Answer::message(rows))
}

struct Search {
    doctype: std::sync::Arc<DocType>,
    text: String,
    fields: Vec<String>,
    filters: Json,
    start: u64,
    limit: u64,
}

impl Search {
    fn read(call: &Call) -> Result<Self> {
        let arguments = call.args();
        let doctype = call.site.documents.doctype(&arguments.required("doctype")?)?;
        let mut fields = vec!["name".to_owned()];
        let asked = arguments.text("searchfield")?;
        if let Some(field) = &asked
            && field != "name"
            && doctype.column(field).is_none()
        {
            return Err(data_error(format!("{} has no field {field} to search in", doctype.name)));
        }
        let grant = call.site.documents.grant(call.session(), &doctype);
        let declared = doctype.title_field.iter().chain(&doctype.search_fields).chain(&asked);
        for field in declared {
            let may_show = doctype.field(field).is_some_and(|field| {
                field.has_column() && !field.secret && field.fieldtype != Fieldtype::Password && !grant.masks(field)
            });
            if may_show && !fields.contains(field) {
                fields.push(field.clone());
            }
        }
        Ok(Self {
            fields,
            text: arguments.text("txt")?.unwrap_or_default().trim().to_owned(),
            filters: filters(arguments, "filters")?,
            start: arguments.count("start")?.unwrap_or(0),
            limit: arguments.count("page_length")?.filter(|length| *length > 0).unwrap_or(10).min(MOST),
            doctype,
        })
    }

    /// The rows: those that begin with the text before those that merely contain it.
    async fn run(&self, site: &Site, session: &Session) -> Result<Vec<Map<String, Json>>> {
        let mut found = Vec::new();
        if !self.text.is_empty() && self.start == 0 {
            found = self.rows(site, session, &format!("{}%", self.text)).await?;
        }
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        if found.len() < limit {
            let pattern = if self.text.is_empty() { String::new() } else { format!("%{}%", self.text) };
            for row in self.rows(site, session, &pattern).await? {
                if !found.iter().any(|known| known.get("name") == row.get("name")) {
                    found.push(row);
                }
            }
            found.truncate(limit);
        }
        Ok(found)
    }

    async fn rows(&self, site: &Site, session: &Session, pattern: &str) -> Result<Vec<Map<String, Json>>> {
        let mut request = ListRequest::new(self.doctype.name.as_str());
        request.fields = self.fields.iter().map(|field| Json::from(field.as_str())).collect();
        request.filters = self.all_filters();
        if !pattern.is_empty() {
            request.or_filters = self.text_filters(pattern);
        }
        let ranked = self.doctype.column("idx").is_some() && self.doctype.has_table();
        request.order_by = ranked.then(|| "idx desc, name asc".to_owned());
        request.start = self.start;
        request.limit = Some(self.limit);
        Ok(site.documents.list(session, &request).await?.to_json())
    }

    fn text_filters(&self, pattern: &str) -> Json {
        let is_text = |field: &&String| match self.doctype.field(field) {
            Some(field) => field
                .fieldtype
                .column_type(field)
                .is_some_and(|column| column.shape() == crate::meta::fieldtype::Shape::Text && !column.is_moment()),
            None => self.doctype.naming_rule != NamingRule::Autoincrement,
        };
        let mut filters: Vec<Json> =
            self.fields.iter().filter(is_text).map(|field| json!([field, "like", pattern])).collect();
        if self.doctype.naming_rule == NamingRule::Autoincrement
            && let Ok(number) = self.text.parse::<i64>()
        {
            filters.push(json!(["name", "=", number]));
        }
        if filters.is_empty() {
            // Nothing here can match text.
            filters.push(json!(["name", "in", []]));
        }
        Json::Array(filters)
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

    fn result(&self, row: &Map<String, Json>) -> Json {
        let text = |value: &Json| match value {
            Json::String(text) => text.clone(),
            Json::Null => String::new(),
            other => other.to_string(),
        };
        let title = self.doctype.title_field.as_ref().filter(|_| self.doctype.show_title_field_in_link);
        let description: Vec<String> = self
            .fields
            .iter()
            .skip(1)
            .filter(|field| Some(*field) != title)
            .filter_map(|field| row.get(field))
            .map(text)
            .filter(|text| !text.is_empty())
            .collect();
        let mut result = Map::new();
        result.insert("value".to_owned(), Json::from(row.get("name").map(text).unwrap_or_default()));
        result.insert("description".to_owned(), Json::from(description.join(", ")));
        if let Some(title) = title {
            let label = row.get(title).map(text).filter(|label| !label.is_empty());
            result.insert("label".to_owned(), label.map_or_else(|| result["value"].clone(), Json::from));
        }
        Json::Object(result)
    }
}
