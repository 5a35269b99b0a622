//! `/app/_import`: documents from a file in steps: the file, what its columns mean and what is wrong, progress, result.
//! And `/app/_export`: documents into a file. Both do what they do by the methods that applications call.

pub(super) mod export;
mod view;

use poem::Response;
use poem::http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value as Json, json};

use self::view::{ImportView, StartView, import_view, start_view};
use crate::desk::document_url;
use crate::desk::form::view::Link;
use crate::desk::shell::{self, Flash};
use crate::document::Children;
use crate::error::{Error, Result};
use crate::meta::{DocType, Document, Right};
use crate::web::arguments::Form;
use crate::web::error::{describe, see_other};
use crate::web::templates::html;
use crate::web::{Exchange, resend};

/// The DocType of imports.
const DATA_IMPORT: &str = "Data Import";
/// Where its methods are.
const METHODS: &str = "frappe.core.doctype.data_import.data_import";
/// In how many seconds the page of an import under way is loaded again.
const AGAIN: &str = "3";
/// How many entries of the log the result shows.
const SHOWN: usize = 50;

/// The page of an import.
fn address(name: &str) -> String {
    document_url("_import", name)
}

async fn method(exchange: &Exchange, name: &str, arguments: Json) -> Result<Json> {
    exchange.call_method(&format!("{METHODS}.{name}"), arguments, Vec::new()).await
}

/// GET `/app/_import?doctype=…`: which file.
pub(super) async fn begin(exchange: Exchange) -> Result<Response> {
    shell::require_desk(&exchange)?;
    let query = exchange.query();
    let given = query.iter().find(|(name, _)| name == "doctype").map_or("", |(_, value)| value);
    let doctype = exchange.site.documents.doctype(given)?;
    exchange.site.documents.check_permission(exchange.session(), &doctype, None, Right::Import)?;
    show_begin(&exchange, &doctype, None).await
}

async fn show_begin(exchange: &Exchange, doctype: &DocType, problem: Option<(&Form, &Error)>) -> Result<Response> {
    let view: StartView =
        start_view(doctype, problem.map(|(form, _)| form), problem.map(|(_, error)| error.to_string()));
    let crumbs = vec![Link { label: doctype.name.clone(), href: format!("/app/{}", doctype.slug()) }];
    let title = format!("Import {}", doctype.name);
    let text = shell::render(exchange, "desk/import_start", &exchange.say(&title), crumbs, view).await?;
    Ok(html(problem.map_or(StatusCode::OK, |(_, error)| describe(error).status), text))
}

/// POST `/app/_import?doctype=…`: makes the import, with its file.
pub(super) async fn make(mut exchange: Exchange) -> Result<Response> {
    if let Some(login) = resend::to_login(&exchange) {
        return Ok(login);
    }
    shell::require_desk(&exchange)?;
    let (mut form, in_time) = exchange.form_or_late_form().await?;
    let doctype = exchange.site.documents.doctype(form.first("reference_doctype").unwrap_or_default())?;
    if !in_time {
        let again = Error::BadRequest("Your session had ended: choose the file once more".to_owned());
        return show_begin(&exchange, &doctype, Some((&form, &again))).await;
    }
    let file = form.files.drain(..).find(|file| !file.filename.is_empty());
    let made = match file {
        None => Err(Error::misuse("Choose a file first")),
        Some(file) => make_import(&exchange, &form, file).await,
    };
    match made {
        Ok(name) => Ok(see_other(&address(&name))),
        Err(error) if error.is_failure() => Err(error),
        Err(error) => show_begin(&exchange, &doctype, Some((&form, &error))).await,
    }
}

async fn make_import(exchange: &Exchange, form: &Form, mut file: crate::web::UploadedFile) -> Result<String> {
    let documents = &exchange.site.documents;
    let mut values = Map::new();
    for field in ["reference_doctype", "import_type", "submit_after_import"] {
        values.insert(field.to_owned(), json!(form.first(field).unwrap_or_default()));
    }
    let import = documents.insert(exchange.session(), DATA_IMPORT, &values).await?;
    let name = import.name();
    "file".clone_into(&mut file.field);
    let place = json!({"is_private": "1", "doctype": DATA_IMPORT, "docname": name, "fieldname": "import_file"});
    let stored = match exchange.call_method("upload_file", place, vec![file]).await {
        Ok(stored) => stored,
        Err(error) => {
            // Without its file it is nothing.
            documents.delete(exchange.session(), DATA_IMPORT, &name).await?;
            return Err(error);
        }
    };
    let values = Map::from_iter([("import_file".to_owned(), stored["file_url"].clone())]);
    documents.update(exchange.session(), DATA_IMPORT, &name, &values, Children::Patch).await?;
    Ok(name)
}

/// GET `/app/_import/:name`
pub(super) async fn get(exchange: Exchange) -> Result<Response> {
    shell::require_desk(&exchange)?;
    let name = exchange.param("name").to_owned();
    show(&exchange, &name, None).await
}

/// POST `/app/_import/:name`
pub(super) async fn post(mut exchange: Exchange) -> Result<Response> {
    if let Some(login) = resend::to_login(&exchange) {
        return Ok(login);
    }
    shell::require_desk(&exchange)?;
    let name = exchange.param("name").to_owned();
    let (form, in_time) = exchange.form_or_late_form().await?;
    if !in_time {
        let again = Error::BadRequest("Your session had ended: press the button once more".to_owned());
        return show(&exchange, &name, Some(&again)).await;
    }
    match act(&exchange, &name, &form).await {
        Ok(()) => Ok(see_other(&address(&name))),
        Err(error) if error.is_failure() => Err(error),
        Err(error) => show(&exchange, &name, Some(&error)).await,
    }
}

async fn act(exchange: &Exchange, name: &str, form: &Form) -> Result<()> {
    let documents = &exchange.site.documents;
    match form.first("__action") {
        Some("check") => keep_options(exchange, name, form).await,
        Some("start") => {
            keep_options(exchange, name, form).await?;
            method(exchange, "form_start_import", json!({"data_import": name})).await.map(drop)
        }
        Some("go_on") => method(exchange, "form_start_import", json!({"data_import": name})).await.map(drop),
        Some("stop") => {
            let told = documents.call(exchange.session(), DATA_IMPORT, name, "stop_import", &Map::new(), true).await?;
            Flash::done(told.as_ref().and_then(Json::as_str).unwrap_or_default()).keep(exchange);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Keeps what the columns mean and how the file is read.
async fn keep_options(exchange: &Exchange, name: &str, form: &Form) -> Result<()> {
    let map: Map<String, Json> = form
        .fields
        .iter()
        .filter_map(|(field, value)| Some((field.strip_prefix("column.")?.to_owned(), json!(value))))
        .collect();
    let options = json!({ "column_to_field_map": map }).to_string();
    let mut values = Map::from_iter([("template_options".to_owned(), json!(options))]);
    for field in ["date_format", "number_format"] {
        if let Some(value) = form.first(field) {
            values.insert(field.to_owned(), json!(value));
        }
    }
    exchange.site.documents.update(exchange.session(), DATA_IMPORT, name, &values, Children::Patch).await.map(drop)
}

async fn show(exchange: &Exchange, name: &str, problem: Option<&Error>) -> Result<Response> {
    let documents = &exchange.site.documents;
    let import: Document = documents.get_uncached(exchange.session(), DATA_IMPORT, name).await?;
    let doctype = documents.doctype(import.text("reference_doctype"))?;
    let status = method(exchange, "get_import_status", json!({"data_import_name": name})).await?;
    let is_pending = status["status"] == "Pending";
    let preview = if is_pending && !import.text("import_file").is_empty() {
        match method(exchange, "get_preview_from_template", json!({"data_import": name})).await {
            Ok(preview) => Ok(preview),
            Err(error) if error.is_failure() => return Err(error),
            Err(error) => Err(error.to_string()),
        }
    } else {
        Ok(Json::Null)
    };
    let logs = if status["failed"].as_u64().unwrap_or(0) > 0 {
        method(exchange, "get_import_logs", json!({"data_import": name})).await?
    } else {
        Json::Null
    };
    let view: ImportView = import_view(&import, &doctype, &status, preview, &logs, problem.map(ToString::to_string));
    let is_under_way = view.progress.is_some();
    let crumbs = vec![
        Link { label: doctype.name.clone(), href: format!("/app/{}", doctype.slug()) },
        Link { label: name.to_owned(), href: document_url("data-import", name) },
    ];
    let text = shell::render(exchange, "desk/import", name, crumbs, view).await?;
    let mut response = html(problem.map_or(StatusCode::OK, |error| describe(error).status), text);
    if is_under_way {
        response.headers_mut().insert(header::REFRESH, HeaderValue::from_static(AGAIN));
    }
    Ok(response)
}
