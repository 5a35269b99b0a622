//! `frappe.model.workflow`: what may be done next with a document, and doing it.

use serde_json::{Map, Value as Json, json};

use crate::document::workflow::Way;
use crate::error::{Error, ProblemKind, Result};
use crate::meta::Right;
use crate::rest::methods::add;
use crate::rest::resource;
use crate::web::args::{missing, wrong_type};
use crate::web::{Answer, Call, Param, Plugins, Verbs};

/// How many documents one call takes a step with at most.
const MOST: usize = 500;

const DOC: Param = Param::required("doc", "object", "The document, of which `doctype` and `name` count");

/// Registers the methods.
pub(super) fn register(plugins: &mut Plugins) {
    let summary = "Answers what you may do next with a document by its workflow: actions and where they lead";
    add(plugins, "frappe.model.workflow.get_transitions", Verbs::READ, summary, &[DOC], get_transitions);
    let params = const { &[DOC, Param::required("action", "string", "The action, for example `Approve`")] };
    let summary = "Takes an action of a document's workflow, and answers the document";
    add(plugins, "frappe.model.workflow.apply_workflow", Verbs::WRITE, summary, params, apply_workflow);
    let params = const {
        &[
            Param::required("docnames", "array", "The names of documents, 500 at most"),
            Param::required("doctype", "string", "Their DocType"),
            Param::required("action", "string", "The action, for example `Approve`"),
        ]
    };
    let summary = "Takes an action of the workflow of several documents, each on its own";
    add(plugins, "frappe.model.workflow.bulk_workflow_approval", Verbs::WRITE, summary, params, bulk_approval);
    let params = const {
        &[
            Param::required("docs", "array", "Documents, of which `name` counts; 500 at most"),
            Param::required("doctype", "string", "Their DocType"),
        ]
    };
    let summary = "Answers the actions that you may take with each of these documents";
    add(plugins, "frappe.model.workflow.get_common_transition_actions", Verbs::READ, summary, params, common_actions);
    let params = const { &[Param::required("doctype", "string", "The DocType")] };
    let summary = "Answers whether documents are cancelled without their workflow";
    add(plugins, "frappe.model.workflow.can_cancel_document", Verbs::READ, summary, params, can_cancel);
}

/// DocType and name of the document in an argument.
fn named(doc: &Map<String, Json>) -> Result<(&str, &str)> {
    let text = |key: &'static str| doc.get(key).and_then(Json::as_str).ok_or_else(|| missing(key));
    Ok((text("doctype")?, text("name")?))
}

/// What may be done next with a stored document.
async fn ways(call: &Call, doctype: &str, name: &str) -> Result<Vec<Way>> {
    let documents = &call.site.documents;
    let document = documents.get(call.session(), doctype, name).await?;
    Ok(documents.standing(call.session(), &document).await?.map_or_else(Vec::new, |standing| standing.ways))
}

async fn get_transitions(call: Call) -> Result<Answer> {
    let doc = call.args().object("doc")?;
    if doc.get("__islocal").is_some_and(|new| *new == 1 || *new == true) {
        return Ok(Answer::message(json!([])));
    }
    let (doctype, name) = named(&doc)?;
    let document = call.site.documents.get(call.session(), doctype, name).await?;
    let standing = call.site.documents.standing(call.session(), &document).await?;
    let Some(standing) = standing else { return Err(Error::misuse(format!("{doctype} has no workflow"))) };
    let transition = |way: Way| {
        json!({
            "state": standing.state,
            "action": way.action,
            "next_state": way.next_state,
            "allowed": way.allowed,
        })
    };
    Ok(Answer::message(standing.ways.into_iter().map(transition).collect::<Vec<_>>()))
}

async fn apply_workflow(call: Call) -> Result<Answer> {
    let doc = call.args().object("doc")?;
    let (doctype, name) = named(&doc)?;
    let action = call.args().required("action")?;
    let modified = doc.get("modified").and_then(Json::as_str);
    let document = call.site.documents.apply_workflow(call.session(), doctype, name, &action, modified).await?;
    Ok(Answer::message(resource::seen(&call.site, call.session(), &document)))
}

async fn bulk_approval(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let (doctype, action) = (arguments.required("doctype")?, arguments.required("action")?);
    let documents = &call.site.documents;
    documents.doctype(&doctype)?;
    let (mut succeeded, mut failed) = (Vec::new(), Vec::new());
    let mut answer = Answer::nothing();
    for name in names(arguments.json("docnames")?, "docnames")? {
        match documents.apply_workflow(call.session(), &doctype, &name, &action, None).await {
            Ok(_) => succeeded.push(name),
            Err(error) if error.is_failure() => return Err(error),
            Err(error) => {
                answer = answer.alert(format!("{name}: {error}"), "red");
                failed.push(name);
            }
        }
    }
    answer.message = Some(json!({ "succeeded": succeeded, "failed": failed }));
    Ok(answer)
}

/// The names in a list of names, or of documents.
fn names(given: Option<Json>, argument: &'static str) -> Result<Vec<String>> {
    let Some(Json::Array(list)) = given else { return Err(wrong_type(argument, "a list")) };
    if list.len() > MOST {
        return Err(Error::invalid(ProblemKind::Validation, format!("Name at most {MOST} documents at once")));
    }
    let name = |entry: &Json| entry.get("name").unwrap_or(entry).as_str().map(str::to_owned);
    list.iter().map(|entry| name(entry).ok_or_else(|| wrong_type(argument, "a list of names"))).collect()
}

async fn common_actions(call: Call) -> Result<Answer> {
    let doctype = call.args().required("doctype")?;
    let mut common: Option<Vec<String>> = None;
    for name in names(call.args().json("docs")?, "docs")? {
        let open: Vec<String> = ways(&call, &doctype, &name).await?.into_iter().map(|way| way.action).collect();
        common = Some(match common {
            None => open,
            Some(before) => before.into_iter().filter(|action| open.contains(action)).collect(),
        });
    }
    Ok(Answer::message(common.unwrap_or_default()))
}

async fn can_cancel(call: Call) -> Result<Answer> {
    let doctype = call.args().required("doctype")?;
    let documents = &call.site.documents;
    let target = documents.doctype(&doctype)?;
    documents.check_permission(call.session(), &target, None, Right::Read)?;
    let workflow = documents.workflow(&doctype).await?;
    Ok(Answer::message(workflow.is_none_or(|workflow| !workflow.leads_to(2))))
}
