//! `frappe.desk.form.load` and `.utils`: what a form loads, and comments and attachments on it.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use crate::document::ListRequest;
use crate::error::{Error, Result};
use crate::meta::{DocType, Document, Right};
use crate::permissions::{Session, TimesIn};
use crate::rest::methods::client::permissions;
use crate::rest::methods::{add, assign_to};
use crate::rest::{comment, definition, resource};
use crate::web::{Answer, Call, Param, Plugins, Site, Verbs};

const DOCTYPE: Param = Param::required("doctype", "string", "The DocType");
const NAME: Param = Param::required("name", "string", "The name of the document");
/// How many comments, versions and attachments a form gets.
const MOST_NOTES: u64 = 100;

/// Registers the methods.
pub(super) fn register(plugins: &mut Plugins) {
    let params = const { &[DOCTYPE, NAME] };
    let summary = "Reads a document with its attachments, comments, versions and your rights";
    add(plugins, "frappe.desk.form.load.getdoc", Verbs::READ, summary, params, getdoc);
    let summary = "Reads the attachments, comments, versions and your rights on a document";
    add(plugins, "frappe.desk.form.load.get_docinfo", Verbs::READ, summary, params, get_docinfo);
    let params = const { &[DOCTYPE, Param::optional("with_parent", "boolean", "Accepted, and without effect")] };
    let summary = "Reads a DocType with those of its child tables";
    add(plugins, "frappe.desk.form.load.getdoctype", Verbs::READ, summary, params, getdoctype);
    let params = const {
        &[
            Param::required("reference_doctype", "string", "The DocType of the document"),
            Param::required("reference_name", "string", "The name of the document"),
            Param::required("content", "string", "The text"),
            Param::optional("comment_email", "string", "Accepted, and without effect: you are the author"),
            Param::optional("comment_by", "string", "Accepted, and without effect: you are the author"),
        ]
    };
    add(plugins, "frappe.desk.form.utils.add_comment", Verbs::WRITE, "Adds a comment", params, add_comment);
    let params = const { &[NAME, Param::required("content", "string", "The new text")] };
    let summary = "Changes a comment of yours";
    add(plugins, "frappe.desk.form.utils.update_comment", Verbs::WRITE, summary, params, update_comment);
    let params = const {
        &[
            Param::required("fid", "string", "The name of the File"),
            Param::required("dt", "string", "The DocType of the document"),
            Param::required("dn", "string", "The name of the document"),
        ]
    };
    let summary = "Removes an attachment from a document";
    add(plugins, "frappe.desk.form.utils.remove_attach", Verbs::DELETE, summary, params, remove_attach);
}

async fn getdoc(call: Call) -> Result<Answer> {
    let document = target(&call).await?;
    answer(&call.site, call.session(), &document).await
}

/// A document with what its form shows around it.
pub(super) async fn answer(site: &Site, session: &Session, document: &Document) -> Result<Answer> {
    let info = docinfo(site, session, document).await?;
    Ok(Answer::nothing().with("docs", vec![resource::seen(site, session, document)]).with("docinfo", info))
}

async fn get_docinfo(call: Call) -> Result<Answer> {
    let document = target(&call).await?;
    Ok(Answer::nothing().with("docinfo", docinfo(&call.site, call.session(), &document).await?))
}

async fn target(call: &Call) -> Result<std::sync::Arc<Document>> {
    let arguments = call.args();
    let (doctype, name) = (arguments.required("doctype")?, arguments.required("name")?);
    call.site.documents.get(call.session(), &doctype, &name).await
}

async fn docinfo(site: &Site, session: &Session, document: &Document) -> Result<Map<String, Json>> {
    let (doctype, name) = (document.doctype.name.as_str(), document.name());
    let notes = Notes { site, doctype, name: &name };
    let attachments = notes
        .list("File", ["attached_to_doctype", "attached_to_name"], &["name", "file_name", "file_url", "is_private"])
        .await?;
    let fields = ["name", "creation", "content", "owner", "comment_type", "comment_by", "comment_email"];
    let comments = notes.list("Comment", ["reference_doctype", "reference_name"], &fields).await?;
    let versions = notes.list("Version", ["ref_doctype", "docname"], &["name", "owner", "creation", "data"]).await?;
    let share_fields = ["name", "user", "read", "write", "submit", "share", "everyone"];
    let shared = notes.list("DocShare", ["share_doctype", "share_name"], &share_fields).await?;
    let people: BTreeSet<&str> = comments
        .iter()
        .chain(&versions)
        .filter_map(|row| row.get("owner").and_then(Json::as_str))
        .chain([document.owner(), session.user()])
        .filter(|user| !user.is_empty())
        .collect();
    let user_info = user_info(site, people).await?;
    let (comments, others): (Vec<_>, Vec<_>) =
        comments.into_iter().partition(|row| row.get("comment_type").and_then(Json::as_str) == Some("Comment"));
    let info = json!({
        "doctype": doctype,
        "name": name,
        "attachments": attachments,
        "comments": comments,
        "info_logs": others,
        // What changed in fields that the session may not read is not for it either.
        "versions": if reads_every_level(site, session, &document.doctype) { versions } else { Vec::new() },
        "shared": shared,
        "permissions": permissions(site, session, document).await,
        "assignments": assign_to::open(site, document).await?,
        "tags": document.text("_user_tags").trim_matches(','),
        "user_info": user_info,
    });
    Ok(match info {
        Json::Object(info) => info,
        _ => Map::new(),
    })
}

fn reads_every_level(site: &Site, session: &Session, doctype: &DocType) -> bool {
    let grant = site.documents.grant(session, doctype);
    session.is_administrator() || doctype.fields.iter().all(|field| grant.reads_level(field.permlevel))
}

/// What hangs on a document that the session may read, and is readable with it.
struct Notes<'a> {
    site: &'a Site,
    doctype: &'a str,
    name: &'a str,
}

impl Notes<'_> {
    async fn list(&self, doctype: &str, reference: [&str; 2], fields: &[&str]) -> Result<Vec<Map<String, Json>>> {
        if self.site.documents.registry().get(doctype).is_none() {
            return Ok(Vec::new());
        }
        let mut request = ListRequest::new(doctype).fields(fields).order_by("creation desc, name desc");
        request.filters = json!([[reference[0], "=", self.doctype], [reference[1], "=", self.name]]);
        request.limit = Some(MOST_NOTES);
        let list = self.site.documents.list(&Session::system().with_times_in(TimesIn::Site), &request).await?;
        Ok(list.to_json())
    }
}

async fn user_info(site: &Site, people: BTreeSet<&str>) -> Result<Map<String, Json>> {
    let mut request = ListRequest::new("User").fields(&["name", "full_name", "user_image"]).all();
    request.filters = json!([["name", "in", people]]);
    let list = site.documents.list(&Session::system().with_times_in(TimesIn::Site), &request).await?;
    let rows = list.to_json().into_iter().filter_map(|mut row| {
        let Some(Json::String(name)) = row.shift_remove("name") else { return None };
        let info = json!({
            "email": name,
            "name": name,
            "fullname": row.shift_remove("full_name"),
            "image": row.shift_remove("user_image"),
        });
        Some((name, info))
    });
    Ok(rows.collect())
}

async fn getdoctype(call: Call) -> Result<Answer> {
    let name = call.args().required("doctype")?;
    let doctype = definition::known(&call.site, call.session(), &name)?;
    let mut docs = vec![Json::Object(definition::doctype(&doctype))];
    let mut seen: BTreeSet<&str> = BTreeSet::from([name.as_str()]);
    for field in doctype.table_fields() {
        if seen.insert(&field.options)
            && let Ok(child) = definition::known(&call.site, call.session(), &field.options)
        {
            docs.push(Json::Object(definition::doctype(&child)));
        }
    }
    Ok(Answer::nothing().with("docs", docs).with("user_settings", "{}"))
}

async fn add_comment(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let (doctype, name) = (arguments.required("reference_doctype")?, arguments.required("reference_name")?);
    let content = arguments.required("content")?;
    let mut work = call.site.documents.begin(call.session()).await?;
    let comment = comment::add(&mut work, (&doctype, &name), "Comment", &content).await?;
    work.commit().await?;
    Ok(Answer::message(comment))
}

async fn update_comment(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let (name, content) = (arguments.required("name")?, arguments.required("content")?);
    comment::update(&call.site, call.session(), &name, &content).await?;
    Ok(Answer::nothing())
}

async fn remove_attach(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let (file, doctype) = (arguments.required("fid")?, arguments.required("dt")?);
    let name = arguments.required("dn")?;
    let (documents, session) = (&call.site.documents, call.session());
    let document = documents.get(session, &doctype, &name).await?;
    resource::check(&call.site, session, &document, Right::Write).await?;
    // Whoever may change a document may take its attachments off, whoever uploaded them.
    let system = Session::system();
    let attached = documents.get(&system, "File", &file).await?;
    if attached.text("attached_to_doctype") != doctype || attached.text("attached_to_name") != document.name() {
        return Err(Error::does_not_exist("File", &file));
    }
    documents.delete(&system, "File", &file).await?;
    Ok(Answer::nothing())
}
