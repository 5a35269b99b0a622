//! `frappe.desk.form.save`: what the buttons of a form do.

use serde_json::{Map, Value as Json};

use crate::error::{Error, Result};
use crate::meta::Document;
use crate::rest::arguments::without_form_state;
use crate::rest::methods::client_write::name_of;
use crate::rest::methods::{add, desk_form};
use crate::rest::resource;
use crate::web::args::missing;
use crate::web::{Answer, Call, Param, Plugins, Verbs};

const DOCTYPE: Param = Param::required("doctype", "string", "The DocType");
const NAME: Param = Param::required("name", "string", "The name of the document");

/// Registers the methods.
pub(super) fn register(plugins: &mut Plugins) {
    let params = const {
        &[
            Param::required("doc", "object", "The document as the form has it"),
            Param::required("action", "string", "`Save`, `Submit`, `Update` (of a submitted document) or `Cancel`"),
        ]
    };
    add(plugins, "frappe.desk.form.save.savedocs", Verbs::WRITE, "Does what a button of a form says", params, savedocs);
    let params = const { &[DOCTYPE, NAME] };
    add(plugins, "frappe.desk.form.save.cancel", Verbs::WRITE, "Cancels a submitted document", params, cancel);
    add(plugins, "frappe.desk.form.save.discard", Verbs::WRITE, "Cancels a draft", params, discard);
}

async fn savedocs(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let mut values = arguments.object("doc")?;
    without_form_state(&mut values);
    let Some(Json::String(doctype)) = values.shift_remove("doctype") else { return Err(missing("doctype")) };
    let action = arguments.required("action")?;
    let docstatus = match action.as_str() {
        "Save" => 0,
        "Submit" | "Update" => 1,
        "Cancel" => 2,
        _ => return Err(Error::misuse("action is one of Save, Submit, Update, Cancel")),
    };
    values.insert("docstatus".to_owned(), Json::from(docstatus));
    let document = write(&call, &doctype, values).await?;
    let note = match action.as_str() {
        "Submit" => "Submitted",
        "Cancel" => "Cancelled",
        "Update" => "Updated",
        _ => "Saved",
    };
    let answer = desk_form::answer(&call.site, call.session(), &document).await?;
    Ok(answer.alert(note, if docstatus == 2 { "red" } else { "green" }))
}

async fn write(call: &Call, doctype: &str, values: Map<String, Json>) -> Result<Document> {
    let documents = &call.site.documents;
    let Some(name) = name_of(&values) else {
        return documents.insert(call.session(), doctype, &values).await;
    };
    // A name chosen in the form of a new document is not stored yet.
    let target = documents.doctype(doctype)?;
    let people_choose = matches!(
        target.naming_rule,
        crate::meta::naming_rule::NamingRule::Prompt | crate::meta::naming_rule::NamingRule::Uuid
    );
    let never_saved = !values.contains_key("modified") && !target.issingle;
    if people_choose && never_saved {
        return documents.insert(call.session(), doctype, &values).await;
    }
    documents.update(call.session(), doctype, &name, &values, resource::children(&call.headers)).await
}

async fn cancel(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let (doctype, name) = (arguments.required("doctype")?, arguments.required("name")?);
    let document = call.site.documents.cancel(call.session(), &doctype, &name).await?;
    let answer = desk_form::answer(&call.site, call.session(), &document).await?;
    Ok(answer.alert("Cancelled", "red"))
}

async fn discard(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let (doctype, name) = (arguments.required("doctype")?, arguments.required("name")?);
    let document = call.site.documents.discard(call.session(), &doctype, &name).await?;
    let answer = desk_form::answer(&call.site, call.session(), &document).await?;
    Ok(answer.alert("Discarded", "red"))
}
