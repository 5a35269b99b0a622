//! The doors: what each is called with, and which rights it takes besides reading.

use serde_json::{Value as Json, json};

/// Whom documents are assigned to.
pub const ASSIGNEE: &str = "assignee@example.com";

/// What a door works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// A document that is not submitted.
    Note,
    /// The draft of one that can be.
    Draft,
    /// A submitted one.
    Submitted,
    /// A cancelled one.
    Cancelled,
    /// A note that was deleted.
    Deleted,
    /// A note that was changed since.
    Versioned,
    /// A note with a file.
    Attached,
    /// A note with a tag.
    Tagged,
}

impl Of {
    /// The DocType.
    pub fn doctype(self) -> &'static str {
        if matches!(self, Self::Draft | Self::Submitted | Self::Cancelled) { "Deed" } else { "Note" }
    }
}

/// A door.
pub struct Door {
    /// The operation, as the OpenAPI document has it or of a page, with the name and DocType in braces; `{part}` is what
    /// hangs on the document: its version, its file, or what was kept of it.
    pub operation: &'static str,
    /// What it works on.
    pub of: Of,
    /// The rights that it takes besides reading.
    pub takes: &'static [&'static str],
    /// The body for a document of that name.
    pub body: fn(&str, Of) -> Json,
}

const fn door(operation: &'static str, of: Of, takes: &'static [&'static str], body: fn(&str, Of) -> Json) -> Door {
    Door { operation, of, takes, body }
}

/// Values that change a title, and try to change a level that is not theirs.
fn values() -> Json {
    json!({"title": "changed", "wage": 9, "lines": [{"text": "changed", "wage": 9}]})
}

fn new(name: &str) -> Json {
    with(values(), &json!({"name": format!("{name}-new")}))
}

/// The same as the form of the desk sends them.
fn typed(action: &str) -> Json {
    json!({"title": "changed", "wage": "9", "lines.0.text": "changed", "lines.0.wage": "9", "__action": action})
}

fn pressed(action: &str) -> Json {
    json!({"__action": action})
}

fn file(name: &str, of: Of) -> Json {
    json!({"doctype": of.doctype(), "docname": name, "is_private": "1"})
}

fn with(mut values: Json, more: &Json) -> Json {
    for (key, value) in more.as_object().unwrap() {
        values[key] = value.clone();
    }
    values
}

fn doc(name: &str, of: Of) -> Json {
    json!({"doc": with(values(), &json!({"doctype": of.doctype(), "name": name}))})
}

fn action(name: &str, of: Of, action: &str, more: &Json) -> Json {
    // A form that was read says when.
    let doc = with(json!({"doctype": of.doctype(), "name": name}), more);
    json!({"doc": doc, "action": action})
}

fn target(name: &str, of: Of) -> Json {
    json!({"doctype": of.doctype(), "name": name})
}

fn nothing(_: &str, _: Of) -> Json {
    json!({})
}

const BATCH: &str = "POST /api/v2/batch";

fn batch(of: Of, op: &str, more: &Json) -> Json {
    json!({"operations": [with(json!({"op": op, "doctype": of.doctype()}), more)]})
}

/// Every door that writes documents of any DocType.
pub const DOORS: &[Door] = &[
    // The first version of REST.
    door("POST /api/resource/{doctype}", Of::Note, &["create"], |name, _| new(name)),
    door("PUT /api/resource/{doctype}/{name}", Of::Note, &["write"], |_, _| values()),
    door("PUT /api/resource/{doctype}/{name}", Of::Draft, &["submit"], |_, _| json!({"docstatus": 1})),
    door("PUT /api/resource/{doctype}/{name}", Of::Submitted, &["submit"], |_, _| values()),
    door("PUT /api/resource/{doctype}/{name}", Of::Submitted, &["cancel"], |_, _| json!({"docstatus": 2})),
    door("DELETE /api/resource/{doctype}/{name}", Of::Note, &["delete"], nothing),
    door(
        "POST /api/resource/{doctype}/{name}",
        Of::Note,
        &["write"],
        |name, _| json!({"run_method": "rename", "name": format!("{name}-new")}),
    ),
    door("POST /api/resource/{doctype}/{name}", Of::Draft, &["submit"], |_, _| json!({"run_method": "submit"})),
    door("POST /api/resource/{doctype}/{name}", Of::Submitted, &["cancel"], |_, _| json!({"run_method": "cancel"})),
    door(
        "POST /api/resource/{doctype}",
        Of::Cancelled,
        &["create", "amend"],
        |name, _| json!({"name": "x", "title": "amended", "amended_from": name, "wage": 9}),
    ),
    // The second.
    door("POST /api/v2/document/{doctype}", Of::Note, &["create"], |name, _| new(name)),
    door(
        "POST /api/v2/document/{doctype}",
        Of::Cancelled,
        &["create", "amend"],
        |name, _| json!({"title": "amended", "amended_from": name, "wage": 9}),
    ),
    door("PUT /api/v2/document/{doctype}/{name}", Of::Note, &["write"], |_, _| values()),
    door("PATCH /api/v2/document/{doctype}/{name}", Of::Note, &["write"], |_, _| values()),
    door("DELETE /api/v2/document/{doctype}/{name}", Of::Note, &["delete"], nothing),
    door("POST /api/v2/document/{doctype}/{name}/method/submit", Of::Draft, &["submit"], nothing),
    door("POST /api/v2/document/{doctype}/{name}/method/cancel", Of::Submitted, &["cancel"], nothing),
    door("POST /api/v2/document/{doctype}/{name}/method/discard", Of::Draft, &["write"], nothing),
    door(
        "POST /api/v2/document/{doctype}/{name}/method/rename",
        Of::Note,
        &["write"],
        |name, _| json!({"name": format!("{name}-new")}),
    ),
    door(
        "POST /api/v2/document/{doctype}/{name}/method/add_comment",
        Of::Note,
        &["write"],
        |_, _| json!({"text": "so it is"}),
    ),
    // Several changes at once.
    door(BATCH, Of::Note, &["create"], |name, of| batch(of, "create", &json!({"values": new(name)}))),
    door(BATCH, Of::Note, &["write"], |name, of| batch(of, "update", &json!({"name": name, "values": values()}))),
    door(BATCH, Of::Note, &["delete"], |name, of| batch(of, "delete", &json!({"name": name}))),
    door(BATCH, Of::Draft, &["submit"], |name, of| batch(of, "submit", &json!({"name": name}))),
    door(BATCH, Of::Submitted, &["submit"], |name, of| batch(of, "update", &json!({"name": name, "values": values()}))),
    door(BATCH, Of::Submitted, &["cancel"], |name, of| batch(of, "cancel", &json!({"name": name}))),
    door(BATCH, Of::Draft, &["write"], |name, of| batch(of, "call", &json!({"name": name, "method": "discard"}))),
    door(BATCH, Of::Note, &["write"], |name, of| {
        batch(of, "call", &json!({"name": name, "method": "rename", "arguments": {"name": format!("{name}-new")}}))
    }),
    door(BATCH, Of::Note, &["write"], |name, of| {
        batch(of, "call", &json!({"name": name, "method": "add_comment", "arguments": {"text": "so it is"}}))
    }),
    // frappe.client.
    door(
        "POST /api/method/frappe.client.insert",
        Of::Note,
        &["create"],
        |name, of| json!({"doc": with(new(name), &json!({"doctype": of.doctype()}))}),
    ),
    door(
        "POST /api/method/frappe.client.insert_many",
        Of::Note,
        &["create"],
        |name, of| json!({"docs": [with(new(name), &json!({"doctype": of.doctype()}))]}),
    ),
    door("POST /api/method/frappe.client.save", Of::Note, &["write"], doc),
    door("POST /api/method/frappe.client.submit", Of::Draft, &["submit"], |name, of| json!({"doc": target(name, of)})),
    door("POST /api/method/frappe.client.cancel", Of::Submitted, &["cancel"], target),
    door("POST /api/method/frappe.client.delete", Of::Note, &["delete"], target),
    door("POST /api/method/frappe.client.set_value", Of::Note, &["write"], |name, of| {
        with(target(name, of), &json!({"fieldname": values()}))
    }),
    door(
        "POST /api/method/frappe.client.bulk_update",
        Of::Note,
        &["write"],
        |name, of| json!({"docs": [with(values(), &json!({"doctype": of.doctype(), "docname": name}))]}),
    ),
    door(
        "POST /api/v2/document/{doctype}/bulk_update",
        Of::Note,
        &["write"],
        |name, _| json!({"docs": [with(values(), &json!({"name": name}))]}),
    ),
    door("POST /api/v2/document/{doctype}/bulk_delete", Of::Note, &["delete"], |name, _| json!({"names": [name]})),
    door(
        "POST /api/method/frappe.client.rename_doc",
        Of::Note,
        &["write"],
        |name, of| json!({"doctype": of.doctype(), "old_name": name, "new_name": format!("{name}-new")}),
    ),
    door(
        "POST /api/method/frappe.model.rename_doc.update_document_title",
        Of::Note,
        &["write"],
        |name, of| json!({"doctype": of.doctype(), "docname": name, "new_title": "changed", "new_name": format!("{name}-new")}),
    ),
    door(
        "POST /api/method/frappe.client.attach_file",
        Of::Note,
        &["write"],
        |name, of| json!({"doctype": of.doctype(), "docname": name, "filename": "a.txt", "filedata": name}),
    ),
    door("POST /api/method/upload_file", Of::Note, &["write"], file),
    door("POST /api/method/frappe.handler.upload_file", Of::Note, &["write"], file),
    door(
        "POST /api/resource/File",
        Of::Note,
        &["write"],
        |name, of| json!({"file_name": "a.txt", "content": name, "attached_to_doctype": of.doctype(), "attached_to_name": name}),
    ),
    // What was there before. To read what was kept of it is a right of its own.
    door(
        "POST /api/method/frappe.core.doctype.deleted_document.deleted_document.restore",
        Of::Deleted,
        &["create"],
        |_, _| json!({"name": "{part}"}),
    ),
    door(
        "POST /api/method/frappe.core.doctype.deleted_document.deleted_document.bulk_restore",
        Of::Deleted,
        &["create"],
        |_, _| json!({"docnames": ["{part}"]}),
    ),
    door(
        "POST /api/method/frappe.core.doctype.version.version.restore",
        Of::Versioned,
        &["write"],
        |_, _| json!({"name": "{part}", "before": 1}),
    ),
    // What forms and lists of the desk call.
    door("POST /api/method/frappe.desk.form.save.savedocs", Of::Draft, &["submit"], |name, of| {
        action(name, of, "Submit", &json!({"modified": null}))
    }),
    door("POST /api/method/frappe.desk.form.save.savedocs", Of::Submitted, &["submit"], |name, of| {
        action(name, of, "Update", &with(values(), &json!({"modified": null})))
    }),
    door("POST /api/method/frappe.desk.form.save.savedocs", Of::Submitted, &["cancel"], |name, of| {
        action(name, of, "Cancel", &json!({"modified": null}))
    }),
    door("POST /api/method/frappe.desk.form.save.cancel", Of::Submitted, &["cancel"], target),
    door("POST /api/method/frappe.desk.form.save.discard", Of::Draft, &["write"], target),
    door(
        "POST /api/method/frappe.desk.form.utils.add_comment",
        Of::Note,
        &[],
        |name, of| json!({"reference_doctype": of.doctype(), "reference_name": name, "content": "so it is"}),
    ),
    door(
        "POST /api/method/frappe.desk.reportview.delete_items",
        Of::Note,
        &["delete"],
        |name, of| json!({"doctype": of.doctype(), "items": [name]}),
    ),
    door(
        "POST /api/method/frappe.desk.doctype.tag.tag.add_tag",
        Of::Note,
        &["write"],
        |name, of| json!({"dt": of.doctype(), "dn": name, "tag": "red"}),
    ),
    door(
        "POST /api/method/frappe.desk.doctype.tag.tag.add_tags",
        Of::Note,
        &["write"],
        |name, of| json!({"dt": of.doctype(), "docs": [name], "tags": ["red"]}),
    ),
    door(
        "POST /api/method/frappe.desk.doctype.tag.tag.remove_tag",
        Of::Tagged,
        &["write"],
        |name, of| json!({"dt": of.doctype(), "dn": name, "tag": "red"}),
    ),
    door(
        "POST /api/method/frappe.desk.form.utils.remove_attach",
        Of::Attached,
        &["write"],
        |name, of| json!({"dt": of.doctype(), "dn": name, "fid": "{part}"}),
    ),
    door("POST /api/method/frappe.desk.like.toggle_like", Of::Note, &[], |name, of| {
        with(target(name, of), &json!({"add": "Yes"}))
    }),
    door("POST /api/method/frappe.share.add", Of::Note, &["share"], |name, of| {
        with(target(name, of), &json!({"everyone": 1, "read": 1}))
    }),
    door("POST /api/method/frappe.share.set_permission", Of::Note, &["share"], |name, of| {
        with(target(name, of), &json!({"everyone": 1, "permission_to": "read", "value": 1}))
    }),
    door("POST /api/method/frappe.desk.form.assign_to.add", Of::Note, &[], |name, of| {
        with(target(name, of), &json!({"assign_to": [ASSIGNEE]}))
    }),
    door("POST /api/method/frappe.desk.form.assign_to.add_multiple", Of::Note, &[], |name, of| {
        with(target(name, of), &json!({"name": [name], "assign_to": [ASSIGNEE]}))
    }),
    // Methods of documents by RPC.
    door(
        "POST /api/method/run_doc_method",
        Of::Note,
        &["write"],
        |name, of| json!({"dt": of.doctype(), "dn": name, "method": "rename", "args": {"name": format!("{name}-new")}}),
    ),
    door(
        "POST /api/method/frappe.handler.run_doc_method",
        Of::Draft,
        &["submit"],
        |name, of| json!({"dt": of.doctype(), "dn": name, "method": "submit"}),
    ),
    door(
        "POST /api/method/runserverobj",
        Of::Submitted,
        &["cancel"],
        |name, of| json!({"dt": of.doctype(), "dn": name, "method": "cancel"}),
    ),
    // The forms and lists of the desk.
    door("POST /app/{doctype}/new", Of::Note, &["create"], |name, _| {
        with(typed("save"), &json!({"name": format!("{name}-new")}))
    }),
    door("POST /app/{doctype}/new?amend={name}", Of::Cancelled, &["create", "amend"], |name, _| {
        with(typed("save"), &json!({"name": "x", "amended_from": name}))
    }),
    door("POST /app/{doctype}/{name}", Of::Note, &["write"], |_, _| typed("save")),
    door("POST /app/{doctype}/{name}", Of::Note, &["write"], |_, _| typed("overwrite")),
    door("POST /app/{doctype}/{name}", Of::Draft, &["submit"], |_, _| pressed("submit")),
    door("POST /app/{doctype}/{name}", Of::Submitted, &["submit"], |_, _| typed("save")),
    door("POST /app/{doctype}/{name}", Of::Submitted, &["cancel"], |_, _| pressed("cancel")),
    door("POST /app/{doctype}/{name}", Of::Draft, &["write"], |_, _| pressed("discard")),
    door("POST /app/{doctype}/{name}", Of::Note, &["delete"], |_, _| pressed("delete")),
    door(
        "POST /app/{doctype}/{name}",
        Of::Note,
        &["write"],
        |name, _| json!({"__action": "rename", "__new_name": format!("{name}-new")}),
    ),
    door("POST /app/{doctype}/{name}", Of::Note, &[], |_, _| {
        with(pressed("side:comment"), &json!({"__comment": "so it is"}))
    }),
    door("POST /app/{doctype}/{name}", Of::Note, &["write"], |_, _| {
        with(pressed("side:tag"), &json!({"__tag": "red"}))
    }),
    door("POST /app/{doctype}/{name}", Of::Note, &["share"], |_, _| {
        with(pressed("side:share"), &json!({"__share_everyone": "1"}))
    }),
    door("POST /app/{doctype}/{name}", Of::Versioned, &["write"], |_, _| pressed("restore-before:{part}")),
    door(
        "POST /app/{doctype}",
        Of::Note,
        &["delete"],
        |name, _| json!({"__action": "delete_confirmed", "names": name}),
    ),
    door("POST /app/deleted-document/{part}", Of::Deleted, &["create"], |_, _| pressed("restore")),
    door(
        "POST /app/deleted-document",
        Of::Deleted,
        &["create"],
        |_, _| json!({"__action": "restore", "names": "{part}"}),
    ),
    // The rules of DocTypes that hang on others hold however their documents come in.
    door(
        "POST /api/resource/Comment",
        Of::Note,
        &[],
        |name, of| json!({"reference_doctype": of.doctype(), "reference_name": name, "content": "so it is"}),
    ),
    door(
        "POST /api/v2/document/Comment",
        Of::Note,
        &[],
        |name, of| json!({"reference_doctype": of.doctype(), "reference_name": name, "content": "so it is"}),
    ),
];

/// Operations that write, but no documents of any DocType that is named: what they may is tested where they are. Endings.
pub const ELSEWHERE: &[&str] = &[
    // The same by the paths of any DocType.
    " /api/v2/document/{doctype}/{name}/method/{method}",
    "POST /api/v2/doctype/{doctype}/count",
    "POST /api/v2/doctype/{doctype}/list",
    // Need a document of their own kind: `doors/notes.rs`.
    "frappe.desk.form.utils.update_comment",
    "frappe.core.api.file.create_new_folder",
    // Keep a report, which needs the right to report: `desk/reports.rs`.
    "frappe.desk.reportview.save_report",
    "frappe.desk.reportview.delete_report",
    // Take a workflow: `workflow/doors.rs`.
    "frappe.model.workflow.apply_workflow",
    "frappe.model.workflow.bulk_workflow_approval",
    // Take an assignment that is there: `desk/side.rs`.
    "frappe.desk.form.assign_to.remove",
    "frappe.desk.form.assign_to.close",
    // Accounts: `login.rs`, `api_key.rs`, `doors/administrator.rs`.
    "/api/method/login",
    "/api/method/logout",
    "frappe.core.doctype.user.user.generate_keys",
    "frappe.core.doctype.user.user.update_password",
    "frappe.core.doctype.user.user.reset_password",
    "frappe.core.doctype.user.user.switch_theme",
    // Answers the names of those that refused, and nothing else: `desk/bulk.rs`.
    "frappe.desk.doctype.bulk_update.bulk_update.submit_cancel_or_update_docs",
    // Takes a Data Import: `data_import/rights.rs`.
    "frappe.core.doctype.data_import.data_import.form_start_import",
    // OAuth: `oauth/`, `oauth_client/`.
    "frappe.integrations.oauth2.get_token",
    "frappe.integrations.oauth2.revoke_token",
    "frappe.integrations.oauth2.introspect_token",
    "frappe.integrations.oauth2.device_authorization",
    "frappe.integrations.oauth2.par",
    "frappe.integrations.oauth2.register_client",
    "frappe.integrations.oauth2.register_client/{client_id}",
    "frappe.integrations.doctype.connected_app.connected_app.request",
    "frappe.www.third_party_apps.delete_client",
];
