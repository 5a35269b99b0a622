//! `frappe.desk.search`: what link pickers ask.

use serde_json::{Map, Value as Json};

use crate::document::search::{Search, as_text};
use crate::error::Result;
use crate::rest::arguments::{data_error, filters};
use crate::rest::methods::add;
use crate::web::{Answer, Call, Param, Plugins, Verbs};

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
    let search = read(&call)?;
    let rows = search.run(&call.site.documents, call.session()).await?;
    let results: Json = rows.into_iter().map(|row| result(&search, &row)).collect();
    Ok(Answer::message(results))
}

async fn search_widget(call: Call) -> Result<Answer> {
    let rows = read(&call)?.run(&call.site.documents, call.session()).await?;
    let rows: Json = rows.into_iter().map(|row| row.into_iter().map(|(_, value)| value).collect::<Json>()).collect();
    Ok(Answer::message(rows))
}

fn read(call: &Call) -> Result<Search> {
    let arguments = call.args();
    let documents = &call.site.documents;
    let doctype = documents.doctype(&arguments.required("doctype")?)?;
    let asked = arguments.text("searchfield")?;
    if let Some(field) = &asked
        && field != "name"
        && doctype.column(field).is_none()
    {
        return Err(data_error(format!("{} has no field {field} to search in", doctype.name)));
    }
    let text = arguments.text("txt")?.unwrap_or_default();
    Ok(Search {
        filters: filters(arguments, "filters")?,
        start: arguments.count("start")?.unwrap_or(0),
        limit: arguments.count("page_length")?.filter(|length| *length > 0).unwrap_or(10).min(MOST),
        ..Search::new(documents, call.session(), doctype, &text, asked.as_ref())
    })
}

fn result(search: &Search, row: &Map<String, Json>) -> Json {
    let title = search.doctype.title_field.as_ref().filter(|_| search.doctype.show_title_field_in_link);
    let description: Vec<String> = search
        .fields
        .iter()
        .skip(1)
        .filter(|field| Some(*field) != title)
        .filter_map(|field| row.get(field))
        .map(as_text)
        .filter(|text| !text.is_empty())
        .collect();
    let mut result = Map::new();
    result.insert("value".to_owned(), Json::from(row.get("name").map(as_text).unwrap_or_default()));
    result.insert("description".to_owned(), Json::from(description.join(", ")));
    if let Some(title) = title {
        let label = row.get(title).map(as_text).filter(|label| !label.is_empty());
        result.insert("label".to_owned(), label.map_or_else(|| result["value"].clone(), Json::from));
    }
    Json::Object(result)
}
