//! The methods of import and export, under Frappe's names.

use serde_json::{Map, Value as Json, json};

use super::controller::job_of;
use super::export::{self, Export, Records};
use super::import::{DATA_IMPORT, DATA_IMPORT_LOG, DataImport};
use super::run::tally;
use super::{columns, preview, refused};
use crate::document::ListRequest;
use crate::error::{Error, Result};
use crate::meta::{DocType, Right};
use crate::permissions::Session;
use crate::spreadsheet::Format;
use crate::web::{Answer, Call, Method, Param, Plugins, Verbs, handler};

/// How many documents a template with some of them has.
const SOME: u64 = 5;
/// How many entries of the log are answered.
const LOGS: u64 = 5_000;

const TEMPLATE: &[Param] = &[
    Param::required("doctype", "string", "The DocType"),
    Param::optional(
        "export_fields",
        "object",
        "The columns: a list such as `[\"title\", \"items.qty\"]`, or lists of fieldnames by DocType and by table field, as Frappe sends them; all if left out",
    ),
    Param::optional(
        "export_records",
        "string",
        "`blank_template` (the default) for headings alone, `5_records`, `all`, or `by_filter`",
    ),
    Param::optional("export_filters", "object", "Which documents, with `by_filter`: filters as lists have them"),
    Param::optional("export_or_filters", "object", "Filters of which one must hold, with `by_filter`"),
    Param::optional("selected_items", "array", "Only the documents of these names"),
    Param::optional("file_type", "string", "`CSV` (the default) or `Excel`"),
];
const IMPORT: Param = Param::required("data_import", "string", "The name of the Data Import");
const IMPORT_NAME: Param = Param::required("data_import_name", "string", "The name of the Data Import");

/// Registers the methods.
pub(super) fn register(plugins: &mut Plugins) {
    let mut add = |path, verbs, guarded, summary, params, run| {
        plugins.method(Method { path, verbs, guest: false, guarded, summary, params, handler: run });
    };
    add(
        "frappe.core.doctype.data_import.data_import.download_template",
        Verbs::READ,
        false,
        "Sends documents as a CSV or XLSX file that can be imported again, or a template to fill in",
        TEMPLATE,
        handler(download_template),
    );
    add(
        "frappe.core.doctype.data_import.data_import.get_columns",
        Verbs::READ,
        false,
        "The columns that a file of a DocType may have: key, label and table",
        const { &[Param::required("doctype", "string", "The DocType")] },
        handler(get_columns),
    );
    add(
        "frappe.core.doctype.data_import.data_import.get_preview_from_template",
        Verbs::READ,
        false,
        "What an import would do: columns, first rows, and what is wrong with them",
        const { &[IMPORT] },
        handler(get_preview),
    );
    add(
        "frappe.core.doctype.data_import.data_import.form_start_import",
        Verbs::POST,
        true,
        "Starts an import, or goes on with one that was stopped",
        const { &[IMPORT] },
        handler(start_import),
    );
    add(
        "frappe.core.doctype.data_import.data_import.get_import_status",
        Verbs::READ,
        false,
        "How far an import is: its status, and how many documents are imported and refused",
        const { &[IMPORT_NAME] },
        handler(get_status),
    );
    add(
        "frappe.core.doctype.data_import.data_import.get_import_logs",
        Verbs::READ,
        false,
        "What became of the documents of an import, 5,000 at most, those that were refused first",
        const { &[IMPORT] },
        handler(get_logs),
    );
    add(
        "frappe.core.doctype.data_import.data_import.download_errored_template",
        Verbs::READ,
        false,
        "Sends the refused rows of an import, with the reason behind each",
        const { &[IMPORT_NAME] },
        handler(download_refused),
    );
}

async fn download_template(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let (site, session) = (&call.site, call.session());
    let doctype = site.documents.doctype(&arguments.required("doctype")?)?;
    let format = arguments.text("file_type")?.unwrap_or_else(|| "CSV".to_owned());
    let format = Format::parse(&format).ok_or_else(|| Error::misuse("file_type is CSV or Excel"))?;
    let keys = arguments.json("export_fields")?.map(|fields| keys(&doctype, &fields)).transpose()?;
    let names = arguments.names("selected_items")?;
    let what = arguments.text("export_records")?;
    let mut request = ListRequest::new(doctype.name.as_str()).all().order_by("name asc");
    match what.as_deref().unwrap_or(if names.is_some() { "all" } else { "blank_template" }) {
        "blank_template" => {
            let export = Export { doctype, keys, records: Records::None, format };
            return Ok(Answer::raw(export::write(site, session, export).await?));
        }
        "5_records" => request.limit = Some(SOME),
        "by_filter" => {
            request.filters = arguments.json("export_filters")?.unwrap_or_default();
            request.or_filters = arguments.json("export_or_filters")?.unwrap_or_default();
        }
        "all" => {}
        other => {
            return Err(Error::misuse(format!(
                "export_records is blank_template, 5_records, all or by_filter, and not {other}"
            )));
        }
    }
    if let Some(names) = names {
        request.filters = json!([["name", "in", names]]);
    }
    let export = Export { doctype, keys, records: Records::Of(Box::new(request)), format };
    Ok(Answer::raw(export::write(site, session, export).await?))
}

/// The keys of columns, as a list or as Frappe groups them.
fn keys(doctype: &DocType, fields: &Json) -> Result<Vec<String>> {
    let wrong =
        || Error::misuse("export_fields is a list of columns, or lists of fieldnames by DocType and table field");
    let names = |list: &Json| -> Result<Vec<String>> {
        let list = list.as_array().ok_or_else(wrong)?;
        list.iter().map(|name| name.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
    };
    let Json::Object(groups) = fields else { return names(fields) };
    let mut keys = Vec::new();
    for (group, list) in groups {
        let own = *group == doctype.name;
        keys.extend(names(list)?.into_iter().map(|name| if own { name } else { format!("{group}.{name}") }));
    }
    Ok(keys)
}

async fn get_columns(call: Call) -> Result<Answer> {
    let documents = &call.site.documents;
    let session = call.session();
    let doctype = documents.doctype(&call.args().required("doctype")?)?;
    export::check_exchanged(&doctype)?;
    let grant = documents.grant(session, &doctype);
    if !grant.may(Right::Export) {
        documents.check_permission(session, &doctype, None, Right::Read)?;
    }
    let all = columns::all(&documents.registry(), &doctype, &grant, session.is_administrator());
    let column = |column: &columns::Column| {
        let table = column.table.as_ref().map_or("", |(_, label)| label);
        json!({"value": column.key(), "label": column.own_label(), "table": table})
    };
    Ok(Answer::message(all.iter().map(column).collect::<Json>()))
}

async fn get_preview(call: Call) -> Result<Answer> {
    let import = DataImport::load(&call.site.documents, call.session(), &call.args().required("data_import")?).await?;
    Ok(Answer::message(preview::preview(&call.site, call.session(), &import).await?))
}

async fn start_import(call: Call) -> Result<Answer> {
    let name = call.args().required("data_import")?;
    let documents = &call.site.documents;
    let started = documents.call(call.session(), DATA_IMPORT, &name, "start_import", &Map::new(), true).await?;
    Ok(Answer::message(started.unwrap_or_default()))
}

async fn get_status(call: Call) -> Result<Answer> {
    let documents = &call.site.documents;
    let import = DataImport::load(documents, call.session(), &call.args().required("data_import_name")?).await?;
    let tally = tally(documents, &import.name).await?;
    Ok(Answer::message(json!({
        "status": import.status.as_str(),
        "success": tally.imported,
        "failed": tally.refused,
        "total_records": import.payload_count,
        "error": import.import_error,
        "job": job_of(documents, &import.name).await?,
    })))
}

async fn get_logs(call: Call) -> Result<Answer> {
    let documents = &call.site.documents;
    let import = DataImport::load(documents, call.session(), &call.args().required("data_import")?).await?;
    let mut request = ListRequest::new(DATA_IMPORT_LOG)
        .fields(&["success", "docname", "messages", "row_indexes", "log_index"])
        .filters(json!({"data_import": import.name}))
        .order_by("success asc, log_index asc");
    request.limit = Some(LOGS);
    let list = documents.list(&Session::system(), &request).await?;
    Ok(Answer::message(list.to_json().into_iter().map(Json::Object).collect::<Json>()))
}

async fn download_refused(call: Call) -> Result<Answer> {
    let documents = &call.site.documents;
    let import = DataImport::load(documents, call.session(), &call.args().required("data_import_name")?).await?;
    Ok(Answer::raw(refused::write(&call.site, call.session(), &import).await?))
}
