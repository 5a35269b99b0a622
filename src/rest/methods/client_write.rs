//! `frappe.client`: the methods that write.

use serde_json::{Map, Value as Json, json};

use crate::document::Children;
use crate::error::{Error, Result};
use crate::rest::arguments::{is_standard, without_form_state};
use crate::rest::etag::Precondition;
use crate::rest::files::{NewFile, Target};
use crate::rest::methods::add;
use crate::rest::{files, resource};
use crate::web::args::{missing, wrong_type};
use crate::web::{Answer, Call, Param, Plugins, Verbs};

/// How many documents one request may insert.
const MOST_INSERTS: usize = 200;
/// How many documents one request may change.
const MOST_UPDATES: usize = 500;

const DOC: Param = Param::required("doc", "object", "The document, with its `doctype`");
const DOCTYPE: Param = Param::required("doctype", "string", "The DocType");
const NAME: Param = Param::required("name", "string", "The name of the document");

/// Registers the methods.
pub(super) fn register(plugins: &mut Plugins) {
    let one = const { &[DOC] };
    add(plugins, "frappe.client.insert", Verbs::WRITE, "Inserts a document, or adds a row to its parent", one, insert);
    let params = const { &[Param::required("docs", "array", "The documents, each with its `doctype`; 200 at most")] };
    let summary = "Inserts documents, all or none; answers their names";
    add(plugins, "frappe.client.insert_many", Verbs::WRITE, summary, params, insert_many);
    add(plugins, "frappe.client.save", Verbs::WRITE, "Saves a document, or inserts it if it has no name", one, save);
    add(plugins, "frappe.client.submit", Verbs::WRITE, "Saves and submits a document", one, submit);
    let two = const { &[DOCTYPE, NAME] };
    add(plugins, "frappe.client.cancel", Verbs::WRITE, "Cancels a submitted document", two, cancel);
    add(plugins, "frappe.client.delete", Verbs::DELETE, "Deletes a document", two, delete);
    let params = const {
        &[
            DOCTYPE,
            NAME,
            Param::required("fieldname", "any", "The field, or an object of fields with their values"),
            Param::optional("value", "any", "The value, where `fieldname` is one field"),
        ]
    };
    add(plugins, "frappe.client.set_value", Verbs::WRITE, "Changes some fields of a document", params, set_value);
    let params = const {
        &[Param::required("docs", "array", "Objects with `doctype`, `docname` and the fields to change; 500 at most")]
    };
    let summary = "Changes documents one by one; answers those that failed";
    add(plugins, "frappe.client.bulk_update", Verbs::WRITE, summary, params, bulk_update);
    let params = const {
        &[
            DOCTYPE,
            Param::required("old_name", "string", "The name it has"),
            Param::required("new_name", "string", "The name it gets"),
            Param::optional("merge", "boolean", "1 to merge it into the document that has the new name already"),
        ]
    };
    let summary = "Renames a document and all that refers to it";
    add(plugins, "frappe.client.rename_doc", Verbs::WRITE, summary, params, rename_doc);
    let params = const {
        &[
            DOCTYPE,
            Param::required("docname", "string", "The name of the document"),
            Param::optional("title", "string", "The new title"),
            Param::optional("name", "string", "The new name"),
            Param::optional("merge", "boolean", "1 to merge it into the document that has the new name already"),
            Param::optional("new_title", "string", "The same as `title`"),
            Param::optional("new_name", "string", "The same as `name`"),
        ]
    };
    let summary = "Gives a document another title, another name, or both";
    let path = "frappe.model.rename_doc.update_document_title";
    add(plugins, path, Verbs::WRITE, summary, params, update_document_title);
    let params = const {
        &[
            Param::required("filename", "string", "The name of the file"),
            Param::required("filedata", "string", "The content"),
            Param::optional("doctype", "string", "The DocType of the document to attach it to"),
            Param::optional("docname", "string", "The name of that document"),
            Param::optional("folder", "string", "The folder to put it into"),
            Param::optional("decode_base64", "boolean", "1 if `filedata` is Base64"),
            Param::optional("is_private", "boolean", "0 for a file that anybody may read who knows its address"),
            Param::optional("docfield", "string", "The Attach field that it belongs to"),
        ]
    };
    add(plugins, "frappe.client.attach_file", Verbs::WRITE, "Stores a file", params, attach_file);
}

/// A document that came as JSON: its DocType and the rest.
fn document(value: Json) -> Result<(String, Map<String, Json>)> {
    let Json::Object(mut document) = value else { return Err(wrong_type("doc", "a JSON object")) };
    without_form_state(&mut document);
    match document.shift_remove("doctype") {
        Some(Json::String(doctype)) if !doctype.is_empty() => Ok((doctype, document)),
        _ => Err(missing("doctype")),
    }
}

fn doc_argument(call: &Call) -> Result<(String, Map<String, Json>)> {
    document(Json::Object(call.args().object("doc")?))
}

/// The name in a document, if it has one.
pub(super) fn name_of(document: &Map<String, Json>) -> Option<String> {
    match document.get("name") {
        Some(Json::String(name)) if !name.is_empty() => Some(name.clone()),
        Some(Json::Number(number)) => Some(number.to_string()),
        _ => None,
    }
}

async fn insert(call: Call) -> Result<Answer> {
    let (doctype, values) = doc_argument(&call)?;
    let target = call.site.documents.doctype(&doctype)?;
    if resource::brings_content(&doctype, &values) {
        return Ok(Answer::message(files::store_document(&call.site, call.session(), &values).await?));
    }
    let inserted = call.site.documents.insert(call.session(), &doctype, &values).await?;
    if !target.istable {
        return Ok(Answer::message(resource::seen(&call.site, call.session(), &inserted)));
    }
    // Whoever adds a row gets the whole document.
    let (parenttype, parent) = (inserted.text("parenttype"), inserted.text("parent"));
    let document = call.site.documents.get(call.session(), parenttype, parent).await?;
    Ok(Answer::message(resource::seen(&call.site, call.session(), &document)))
}

async fn insert_many(call: Call) -> Result<Answer> {
    let docs = call.args().at_most("docs", MOST_INSERTS)?;
    let mut work = call.site.documents.begin(call.session()).await?;
    let mut names = Vec::with_capacity(docs.len());
    for doc in docs {
        let (doctype, values) = document(doc)?;
        let doctype = work.doctype(&doctype)?;
        let inserted = work.insert_json(&doctype, &values, false).await?;
        // Whoever adds a row hears of its document, as from `insert`.
        names.push(if doctype.istable {
            Json::from(inserted.text("parent"))
        } else {
            inserted.values[crate::meta::doctype::slot::NAME].to_json()
        });
    }
    work.commit().await?;
    Ok(Answer::message(names))
}

async fn save(call: Call) -> Result<Answer> {
    let (doctype, values) = doc_argument(&call)?;
    write(&call, &doctype, values).await
}

async fn submit(call: Call) -> Result<Answer> {
    let (doctype, mut values) = doc_argument(&call)?;
    values.insert("docstatus".to_owned(), Json::from(1));
    write(&call, &doctype, values).await
}

async fn write(call: &Call, doctype: &str, values: Map<String, Json>) -> Result<Answer> {
    let saved = match name_of(&values) {
        Some(name) => update(call, doctype, &name, values).await?,
        None => resource::create(&call.site, call.session(), doctype, &values, false).await?,
    };
    Ok(Answer::message(saved))
}

async fn update(call: &Call, doctype: &str, name: &str, values: Map<String, Json>) -> Result<Map<String, Json>> {
    let (children, nothing) = (resource::children(&call.headers), Precondition::default());
    resource::update(&call.site, call.session(), doctype, name, values, children, &nothing).await
}

async fn cancel(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let (doctype, name) = (arguments.required("doctype")?, arguments.required("name")?);
    let document = call.site.documents.cancel(call.session(), &doctype, &name).await?;
    Ok(Answer::message(resource::seen(&call.site, call.session(), &document)))
}

async fn delete(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let (doctype, name) = (arguments.required("doctype")?, arguments.required("name")?);
    call.site.documents.delete(call.session(), &doctype, &name).await?;
    Ok(Answer::nothing())
}

async fn set_value(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let (doctype, name) = (arguments.required("doctype")?, arguments.required("name")?);
    let values = match arguments.get("fieldname") {
        // A whole document as it was read: what the engine keeps itself (`creation`, `_comments`, `__onload`) stays as it is,
        // `modified` guards against a change in between, `docstatus` submits and cancels.
        Some(Json::Object(values)) => values.clone(),
        Some(Json::String(text)) if text.trim_start().starts_with('{') => arguments.object("fieldname")?,
        _ => {
            let field = arguments.required("fieldname")?;
            if is_standard(&field) {
                return Err(Error::misuse("Cannot edit standard fields"));
            }
            Map::from_iter([(field, call.arguments.get("value").cloned().unwrap_or(Json::Null))])
        }
    };
    let target = call.site.documents.doctype(&doctype)?;
    let is_kept = |field: &str| is_standard(field) || field.starts_with('_');
    if let Some(unknown) = values.keys().find(|field| target.field(field).is_none() && !is_kept(field)) {
        return Err(Error::misuse(format!("{doctype} has no field {unknown}")));
    }
    let saved = update(&call, &doctype, &name, values).await?;
    if !target.istable {
        return Ok(Answer::message(saved));
    }
    let text = |key: &str| saved.get(key).and_then(Json::as_str).unwrap_or("").to_owned();
    let document = call.site.documents.get(call.session(), &text("parenttype"), &text("parent")).await?;
    Ok(Answer::message(resource::seen(&call.site, call.session(), &document)))
}

async fn bulk_update(call: Call) -> Result<Answer> {
    let docs = call.args().at_most("docs", MOST_UPDATES)?;
    let mut failed = Vec::new();
    for doc in docs {
        let result = match document(doc.clone()) {
            Ok((doctype, mut values)) => match values.shift_remove("docname") {
                Some(Json::String(name)) => update(&call, &doctype, &name, values).await,
                Some(Json::Number(number)) => update(&call, &doctype, &number.to_string(), values).await,
                _ => Err(missing("docname")),
            },
            Err(error) => Err(error),
        };
        match result {
            Ok(_) => {}
            // Our own fault is not a failure of that document.
            Err(error) if error.is_failure() => return Err(error),
            Err(error) => failed.push(json!({ "doc": doc, "exc": error.to_string() })),
        }
    }
    Ok(Answer::message(json!({ "failed_docs": failed })))
}

async fn rename_doc(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let doctype = arguments.required("doctype")?;
    let (old, new) = (arguments.required("old_name")?, arguments.required("new_name")?);
    let merge = arguments.flag("merge")?.unwrap_or(false);
    let name = call.site.documents.rename(call.session(), &doctype, &old, &new, merge).await?;
    let note = format!("Document renamed from {old} to {name}");
    Ok(Answer::message(name).alert(note, "green"))
}

async fn update_document_title(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let (doctype, mut name) = (arguments.required("doctype")?, arguments.required("docname")?);
    let target = call.site.documents.doctype(&doctype)?;
    // Both or neither.
    let mut work = call.site.documents.begin(call.session()).await?;
    let new_title = arguments.text("new_title")?;
    if let Some(title) = new_title.or(arguments.text("title")?) {
        let Some(field) = target.title_field.clone() else {
            return Err(Error::misuse(format!("{doctype} has no title field: give the document another name instead")));
        };
        let values = Map::from_iter([(field, Json::from(title))]);
        work.update_json(&doctype, &name, &values, Children::Patch).await?;
    }
    let mut answer = Answer::nothing();
    let new_name = arguments.text("new_name")?;
    if let Some(new) = new_name.or(arguments.text("name")?).filter(|new| *new != name) {
        let merge = arguments.flag("merge")?.unwrap_or(false);
        let renamed = work.rename(&doctype, &name, &new, merge).await?;
        answer = answer.alert(format!("Document renamed from {name} to {renamed}"), "green");
        name = renamed;
    }
    work.commit().await?;
    answer.message = Some(Json::from(name));
    Ok(answer)
}

async fn attach_file(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let data = arguments.required("filedata")?;
    let content =
        if arguments.flag("decode_base64")?.unwrap_or(false) { files::decode(&data)? } else { data.into_bytes() };
    let file = NewFile {
        file_name: arguments.required("filename")?,
        content: content.into(),
        is_private: arguments.flag("is_private")?,
        folder: arguments.text("folder")?,
        target: Target::from_arguments(arguments, "docfield")?,
    };
    let file = files::store(&call.site, call.session(), file).await?;
    Ok(Answer::message(file))
}
