//! `/app/_export`: which columns of which documents go into a file, and of which kind.

use poem::Response;
use poem::http::StatusCode;
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::desk::form::view::Link;
use crate::desk::shell;
use crate::error::Result;
use crate::meta::Right;
use crate::web::Exchange;
use crate::web::error::see_other;
use crate::web::templates::html;

/// Where the file is made.
const DOWNLOAD: &str = "/api/method/frappe.core.doctype.data_import.data_import.download_template";
/// What the address says of the documents: by the names of the method's parameters.
const CARRIED: [&str; 4] = ["doctype", "export_filters", "export_or_filters", "selected_items"];

/// Everything that `desk/export.hbs` places.
#[derive(Clone, Debug, Serialize)]
struct ExportView {
    doctype: String,
    list_url: String,
    lead: String,
    carried: Vec<(String, String)>,
    groups: Vec<Group>,
    plain_csv: String,
    plain_xlsx: String,
}

/// Columns of the document, or of a table.
#[derive(Clone, Debug, Serialize)]
struct Group {
    label: String,
    columns: Vec<ColumnView>,
}

#[derive(Clone, Debug, Serialize)]
struct ColumnView {
    id: String,
    value: String,
    label: String,
    chosen: bool,
}

/// GET `/app/_export`
pub(in crate::desk) async fn get(exchange: Exchange) -> Result<Response> {
    shell::require_desk(&exchange)?;
    let query = exchange.query();
    let given = |key: &str| query.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value.as_str());
    let documents = &exchange.site.documents;
    let doctype = documents.doctype(given("doctype"))?;
    documents.check_permission(exchange.session(), &doctype, None, Right::Export)?;
    let carried: Vec<(String, String)> =
        query.iter().filter(|(name, _)| CARRIED.contains(&name.as_str())).cloned().collect();
    let has_names = !given("selected_items").is_empty();
    let chosen: Vec<&str> =
        query.iter().filter(|(name, _)| name == "column").map(|(_, value)| value.as_str()).collect();
    if let format @ ("CSV" | "Excel") = given("file_type") {
        let mut address = url::form_urlencoded::Serializer::new(String::new());
        address.extend_pairs(carried.iter());
        address.append_pair("export_records", if has_names { "all" } else { "by_filter" });
        address.append_pair("file_type", format);
        let chosen: Vec<&&str> = chosen.iter().filter(|column| !column.is_empty()).collect();
        address.append_pair("export_fields", &json!(chosen).to_string());
        return Ok(see_other(&format!("{DOWNLOAD}?{}", address.finish())));
    }
    let columns = super::method(&exchange, "get_columns", json!({"doctype": doctype.name})).await?;
    let view = ExportView {
        lead: if has_names {
            let names: Vec<Json> = serde_json::from_str(given("selected_items")).unwrap_or_default();
            format!(
                "The {} that you have selected.",
                if names.len() == 1 { "document".to_owned() } else { format!("{} documents", names.len()) }
            )
        } else if given("export_filters").is_empty() && given("export_or_filters").is_empty() {
            format!("Every {} that you may read.", doctype.name)
        } else {
            "Everything that the filters of the list match.".to_owned()
        },
        groups: groups(&columns, &chosen),
        list_url: format!("/app/{}", doctype.slug()),
        plain_csv: plain(&query, "CSV"),
        plain_xlsx: plain(&query, "Excel"),
        carried,
        doctype: doctype.name.clone(),
    };
    let crumbs = vec![Link { label: doctype.name.clone(), href: view.list_url.clone() }];
    let title = format!("Export {}", doctype.name);
    Ok(html(StatusCode::OK, shell::render(&exchange, "desk/export", &exchange.say(&title), crumbs, view).await?))
}

/// The list as it is shown, which cannot be imported: empty where the address does not say what it shows.
fn plain(query: &[(String, String)], format: &str) -> String {
    let value = |key: &str| query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let Some(fields) = value("fields") else { return String::new() };
    let mut address = url::form_urlencoded::Serializer::new(String::new());
    address.append_pair("doctype", value("doctype").unwrap_or_default());
    address.append_pair("fields", fields);
    for (ours, theirs) in [
        ("export_filters", "filters"),
        ("export_or_filters", "or_filters"),
        ("selected_items", "selected_items"),
        ("order_by", "order_by"),
    ] {
        if let Some(value) = value(ours) {
            address.append_pair(theirs, value);
        }
    }
    address.append_pair("file_format_type", format);
    format!("/api/method/frappe.desk.reportview.export_query?{}", address.finish())
}

/// The columns by where they are; all are chosen unless the address says which.
fn groups(columns: &Json, chosen: &[&str]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let text = |value: &Json, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    for (at, column) in columns.as_array().into_iter().flatten().enumerate() {
        let (table, value) = (text(column, "table"), text(column, "value"));
        let view = ColumnView {
            id: format!("column-{at}"),
            chosen: chosen.is_empty() || chosen.contains(&value.as_str()),
            label: text(column, "label"),
            value,
        };
        match groups.last_mut() {
            Some(group) if group.label == table => group.columns.push(view),
            _ => groups.push(Group { label: table, columns: vec![view] }),
        }
    }
    groups
}
