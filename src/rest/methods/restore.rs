//! `frappe.core.doctype.deleted_document` and `frappe.core.doctype.version`: bringing back what was there before.

use serde_json::{Value as Json, json};

use crate::document::restore::{DELETED_DOCUMENT, Moment};
use crate::error::{Error, ProblemKind, Result};
use crate::rest::methods::add;
use crate::web::args::wrong_type;
use crate::web::{Answer, Call, Param, Plugins, Verbs};

/// How many documents one call restores at most.
const MOST: usize = 500;

/// Registers the methods.
pub(super) fn register(plugins: &mut Plugins) {
    let params = const {
        &[
            Param::required("name", "string", "The name of the Deleted Document"),
            Param::optional("new_name", "string", "What the document is called from now on; its old name if left out"),
            Param::optional("alert", "boolean", "0 for an answer without a message to people"),
        ]
    };
    let path = "frappe.core.doctype.deleted_document.deleted_document.restore";
    add(plugins, path, Verbs::WRITE, "Brings a deleted document back", params, restore);
    let params = const { &[Param::required("docnames", "array", "The names of Deleted Documents, 500 at most")] };
    let path = "frappe.core.doctype.deleted_document.deleted_document.bulk_restore";
    add(plugins, path, Verbs::WRITE, "Restores several deleted documents, each on its own", params, bulk_restore);
    let params = const {
        &[
            Param::required("name", "string", "The name of the Version"),
            Param::optional("before", "boolean", "1 for the values before the change; after it if left out"),
            Param::optional("modified", "string", "When the document was last changed, to refuse if it is not so"),
        ]
    };
    let path = "frappe.core.doctype.version.version.restore";
    add(plugins, path, Verbs::WRITE, "Gives a document the values of an earlier version", params, restore_version);
}

async fn restore(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let (name, new_name) = (arguments.required("name")?, arguments.text("new_name")?);
    let restored = call.site.documents.restore(call.session(), &name, new_name.as_deref()).await?;
    let answer = Answer::message(restored.to_json());
    if !arguments.flag("alert")?.unwrap_or(true) {
        return Ok(answer);
    }
    let notes = restored.notes.into_iter().fold(answer, |answer, note| answer.alert(note, "orange"));
    Ok(notes.alert("Document Restored", "green"))
}

async fn bulk_restore(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let Some(Json::Array(names)) = arguments.json("docnames")? else { return Err(wrong_type("docnames", "a list")) };
    if names.len() > MOST {
        return Err(Error::invalid(ProblemKind::Validation, format!("Restore at most {MOST} documents at once")));
    }
    let documents = &call.site.documents;
    // Whoever may restore nothing is told so, not that everything failed.
    let doctype = documents.doctype(DELETED_DOCUMENT)?;
    documents.check_permission(call.session(), &doctype, None, crate::meta::Right::Read)?;
    let (mut restored, mut invalid, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    let mut answer = Answer::nothing();
    for name in names {
        let Some(text) = name.as_str() else { return Err(wrong_type("docnames", "a list of names")) };
        match documents.restore(call.session(), text, None).await {
            Ok(_) => restored.push(name),
            Err(Error::Validation(problems))
                if problems.problems.iter().any(|problem| problem.kind == ProblemKind::AlreadyRestored) =>
            {
                invalid.push(name);
            }
            Err(error) if error.is_failure() => return Err(error),
            Err(error) => {
                answer = answer.alert(format!("{text}: {error}"), "red");
                failed.push(name);
            }
        }
    }
    answer.message = Some(json!({ "restored": restored, "invalid": invalid, "failed": failed }));
    Ok(answer)
}

async fn restore_version(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let name = arguments.required("name")?;
    let moment = if arguments.flag("before")?.unwrap_or(false) { Moment::Before } else { Moment::After };
    let modified = arguments.text("modified")?;
    let documents = &call.site.documents;
    let restored = documents.restore_version(call.session(), &name, moment, modified.as_deref()).await?;
    Ok(Answer::message(restored.to_json()))
}
