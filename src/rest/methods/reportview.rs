//! `frappe.desk.reportview`: lists as the desk asks for them, export, and deleting several documents.

use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};

use crate::document::{Cell, List, ListRequest};
use crate::error::{Error, Result};
use crate::meta::Right;
use crate::permissions::Session;
use crate::rest::arguments::{Dialect, filters, list_request};
use crate::rest::envelope;
use crate::rest::methods::add;
use crate::rest::parameters::{
    COUNT_LIMIT, DOCTYPE, FIELDS, FILTERS, GROUP_BY, OR_FILTERS, ORDER_BY, PAGE_LENGTH, START,
};
use crate::spreadsheet::{self, Format};
use crate::web::download::TableDownload;
use crate::web::spool::Spool;
use crate::web::{Answer, Call, Param, Plugins, Verbs};

const PARAMS: &[Param] = &[
    DOCTYPE,
    FIELDS,
    FILTERS,
    OR_FILTERS,
    ORDER_BY,
    GROUP_BY,
    START,
    PAGE_LENGTH,
    Param::optional("with_comment_count", "boolean", "Adds `_comment_count` to rows that show the name"),
];
const COUNT_PARAMS: &[Param] = &[
    DOCTYPE,
    FILTERS,
    OR_FILTERS,
    Param::optional("distinct", "boolean", "Counts rows that are the same once"),
    COUNT_LIMIT,
];
/// How many documents one request may delete.
const MOST_DELETES: usize = 500;

/// Registers the methods.
pub(super) fn register(plugins: &mut Plugins) {
    add(plugins, "frappe.desk.reportview.get", Verbs::READ, "Lists documents as keys and rows of values", PARAMS, get);
    add(plugins, "frappe.desk.reportview.get_list", Verbs::READ, "Lists documents", PARAMS, get_list);
    let summary = "Counts the documents you may read";
    add(plugins, "frappe.desk.reportview.get_count", Verbs::READ, summary, COUNT_PARAMS, get_count);
    let params = const {
        &[
            DOCTYPE,
            Param::optional("fields", "array", "The columns"),
            FILTERS,
            ORDER_BY,
            Param::optional("selected_items", "array", "Only the documents of these names"),
            Param::optional("title", "string", "The name of the file"),
            Param::optional("file_format_type", "string", "`CSV` or `Excel`"),
        ]
    };
    let summary = "Sends a list as a CSV or XLSX file; needs the right to export";
    add(plugins, "frappe.desk.reportview.export_query", Verbs::READ, summary, params, export_query);
    let params = const { &[DOCTYPE, Param::required("items", "array", "The names; 500 at most")] };
    let summary = "Deletes documents, all or none";
    add(plugins, "frappe.desk.reportview.delete_items", Verbs::DELETE, summary, params, delete_items);
}

/// The list that the arguments ask for, in plain fieldnames.
fn request(call: &Call) -> Result<ListRequest> {
    let arguments = call.args();
    let doctype = arguments.required("doctype")?;
    // The desk says start and page_length, and writes table names in front of fields.
    let mut values = call.arguments.clone();
    for (ours, theirs) in [("limit_start", "start"), ("limit_page_length", "page_length")] {
        if let Some(value) = values.get(theirs).cloned() {
            values.insert(ours.to_owned(), value);
        }
    }
    let mut request = list_request(&doctype, &values, Dialect::V1)?;
    if let Json::Array(fields) = &mut request.fields {
        for field in fields {
            if let Json::String(text) = field {
                *text = plain(&doctype, text);
            }
        }
    }
    request.order_by = request.order_by.map(|order| plain(&doctype, &order));
    request.group_by = request.group_by.map(|group| plain(&doctype, &group));
    Ok(request)
}

/// `` `tabUser`.`name` `` as `name`; other tables keep theirs: `` `tabHas Role`.role ``.
fn plain(doctype: &str, text: &str) -> String {
    let own = text.replace(&format!("`tab{doctype}`."), "");
    let mut out = String::with_capacity(own.len());
    let mut rest = own.as_str();
    while let Some((before, after)) = rest.split_once('`') {
        out.push_str(before);
        let Some((quoted, after)) = after.split_once('`') else {
            out.push('`');
            rest = after;
            continue;
        };
        if quoted.starts_with("tab") && after.starts_with('.') {
            out.push('`');
            out.push_str(quoted);
            out.push('`');
        } else {
            out.push_str(quoted);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

async fn get(call: Call) -> Result<Answer> {
    let request = request(&call)?;
    if request.is_long() && !wants_comment_count(&call)? {
        return get_long(&call, &request).await;
    }
    let list = counted(&call, &request).await?;
    if list.rows.is_empty() {
        return Ok(Answer::message(Vec::<Json>::new()));
    }
    let rows = envelope::value_rows(&list);
    Ok(Answer::message(json!({ "keys": list.keys, "values": rows, "user_info": {} })))
}

/// The same answer, written row by row.
async fn get_long(call: &Call, request: &ListRequest) -> Result<Answer> {
    let mut spool = Spool::new(&call.site);
    let mut is_empty = true;
    let before = |list: &List, out: &mut Vec<u8>| {
        is_empty = false;
        out.extend_from_slice(format!("{{\"keys\":{},\"values\":[", json!(list.keys)).as_bytes());
    };
    envelope::spool_parts(&call.site, call.session(), request, true, &mut spool, before).await?;
    spool.memory.extend_from_slice(if is_empty { b"[]".as_slice() } else { b"],\"user_info\":{}}" });
    spool.finish()?;
    Ok(Answer::spooled(spool))
}

async fn get_list(call: Call) -> Result<Answer> {
    let request = request(&call)?;
    if !wants_comment_count(&call)? {
        return envelope::list_answer(&call, &request, false).await;
    }
    let rows: Json = counted(&call, &request).await?.to_json().into_iter().map(Json::Object).collect();
    Ok(Answer::message(rows))
}

fn wants_comment_count(call: &Call) -> Result<bool> {
    Ok(call.args().flag("with_comment_count")?.unwrap_or(false))
}

/// A page of documents; with `with_comment_count`, each with the number of its comments. Whoever may read a document may
/// read its comments.
async fn counted(call: &Call, request: &ListRequest) -> Result<List> {
    let (documents, session) = (&call.site.documents, call.session());
    let is_asked = wants_comment_count(call)?;
    if is_asked && request.is_long() {
        return Err(Error::misuse("with_comment_count is for shorter pages: send a page_length of at most 1000"));
    }
    let mut list = documents.list(session, request).await?;
    if !is_asked || list.rows.is_empty() || !list.keys.iter().any(|key| key == "name") {
        return Ok(list);
    }
    let names: Vec<Json> = list.to_json().into_iter().map(|mut row| row["name"].take()).collect();
    // `name` may be the alias of another field: only documents that this person may see are counted on.
    let mut visible =
        ListRequest::new(&request.doctype).fields(&["name"]).filters(json!([["name", "in", names]])).all();
    visible.parent.clone_from(&request.parent);
    let visible = documents.list(session, &visible).await?.to_json().into_iter().map(|row| text(&row["name"]));
    let visible: Vec<String> = visible.collect();
    let filters = json!([
        ["reference_doctype", "=", request.doctype],
        ["reference_name", "in", visible],
        ["comment_type", "=", "Comment"],
    ]);
    let mut counts = ListRequest::new("Comment").fields(&["reference_name", "count(name) as n"]).filters(filters).all();
    counts.group_by = Some("reference_name".to_owned());
    let counts: HashMap<String, Json> = (documents.list(&Session::system(), &counts).await?.to_json().into_iter())
        .map(|mut row| (row["reference_name"].as_str().unwrap_or_default().to_owned(), row["n"].take()))
        .collect();
    list.keys.push("_comment_count".to_owned());
    for (row, name) in list.rows.iter_mut().zip(&names) {
        let count = counts.get(&text(name)).cloned().unwrap_or(Json::from(0));
        row.push(Cell::Json(count));
    }
    Ok(list)
}

/// A name as comments refer to it; some DocTypes have numbers.
fn text(name: &Json) -> String {
    name.as_str().map_or_else(|| name.to_string(), str::to_owned)
}

async fn get_count(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let mut request = ListRequest::new(arguments.required("doctype")?);
    request.filters = filters(arguments, "filters")?;
    request.or_filters = filters(arguments, "or_filters")?;
    request.distinct = arguments.flag("distinct")?.unwrap_or(false);
    let limit = arguments.count("limit")?.filter(|limit| *limit > 0);
    Ok(Answer::message(call.site.documents.count_at_most(call.session(), &request, limit).await?))
}

async fn export_query(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let format = arguments.text("file_format_type")?.unwrap_or_else(|| "CSV".to_owned());
    let format = Format::parse(&format)
        .ok_or_else(|| Error::misuse("file_format_type is CSV or Excel: other formats are not made here"))?;
    let mut request = request(&call)?;
    let doctype = call.site.documents.doctype(&request.doctype)?;
    call.site.documents.check_permission(call.session(), &doctype, None, Right::Export)?;
    request.also = vec![Right::Export];
    request.limit = None;
    request.start = 0;
    if let Some(names) = arguments.names("selected_items")? {
        request.filters = json!([["name", "in", names]]);
    }
    let label = |key: &String| {
        doctype.field(key).map_or_else(|| crate::meta::doctype::unscrub(key), |field| field.label.clone())
    };
    let title = arguments.text("title")?.unwrap_or_else(|| doctype.name.clone());
    let mut table = TableDownload::new(&call.site, format, &title)?;
    let mut has_head = false;
    call.site
        .documents
        .list_in_parts(call.session(), &request, |list| {
            if !std::mem::replace(&mut has_head, true) {
                table.head(&list.keys.iter().map(label).collect::<Vec<_>>(), &[])?;
            }
            let cells = |row: &Vec<Cell>| row.iter().map(|cell| exported(&cell.to_json())).collect::<Vec<_>>();
            list.rows.iter().try_for_each(|row| table.row(&cells(row)))
        })
        .await?;
    Ok(Answer::raw(table.finish(&title)?))
}

/// A value as a file has it.
pub(in crate::rest) fn exported(value: &Json) -> spreadsheet::Cell {
    match value {
        Json::Null => spreadsheet::Cell::Empty,
        Json::String(text) => spreadsheet::Cell::Text(text.clone()),
        Json::Number(number) if number.as_f64().is_some_and(is_exact) => {
            spreadsheet::Cell::Number(number.as_f64().unwrap_or_default())
        }
        other => spreadsheet::Cell::Text(other.to_string()),
    }
}

/// Whether a number comes back from a spreadsheet as it was.
fn is_exact(number: f64) -> bool {
    number.abs() < 9e15
}

async fn delete_items(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let doctype = arguments.required("doctype")?;
    let items = arguments.at_most("items", MOST_DELETES)?;
    let names: Option<Vec<String>> = items
        .iter()
        .map(|item| match item {
            Json::String(name) => Some(name.clone()),
            Json::Number(number) => Some(number.to_string()),
            _ => None,
        })
        .collect();
    let names = names.ok_or_else(|| crate::web::args::wrong_type("items", "a list of names"))?;
    call.site.documents.doctype(&doctype)?;
    let mut work = call.site.documents.begin(call.session()).await?;
    for name in &names {
        work.delete(&doctype, name).await.map_err(|error| match error {
            Error::DoesNotExist { .. } => Error::does_not_exist(&doctype, name),
            other => other,
        })?;
    }
    work.commit().await?;
    Ok(Answer::message(Map::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_names_of_the_doctype_itself_are_left_out() {
        for (given, expected) in [
            ("`tabUser`.`name`", "name"),
            ("`tabUser`.`modified` desc, `tabUser`.`name` asc", "modified desc, name asc"),
            ("name", "name"),
            ("`tabHas Role`.`role`", "`tabHas Role`.role"),
            ("count(`tabUser`.`name`) as n", "count(name) as n"),
            ("`x", "`x"),
        ] {
            assert_eq!(plain("User", given), expected, "{given}");
        }
    }
}
