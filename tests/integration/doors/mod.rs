//! Every door through which documents are written, held against the rights: whoever lacks the one that it takes is refused
//! and nothing changes; whoever may not know a document gets the answer of one that is not there.

mod administrator;
mod clients;
mod collisions;
mod links;
mod merge;
mod notes;
mod own;
mod rows;
mod table;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use poem::http::Method;
use serde_json::{Value as Json, json};

use crate::files::upload_to;
use crate::oauth::support::hidden;
use crate::support::client::Response;
use crate::support::{Client, TestSite};
use table::{ASSIGNEE, DOORS, Door, ELSEWHERE, Of};

/// The rights that roles are made without, one role each.
const RIGHTS: [&str; 8] = ["read", "write", "create", "delete", "submit", "cancel", "amend", "share"];
/// What cannot be given without the right; the definitions refuse it.
const IMPLIED: [(&str, &[&str]); 3] =
    [("write", &["submit", "cancel", "amend"]), ("submit", &["cancel"]), ("read", &RIGHTS)];

/// A DocType on which every right has a role that has all others: `No write`, …; `Clerk` has all, `Keeper` all on what is
/// theirs. None of them writes the field of level 1.
fn doctype(name: &str, is_submittable: bool) -> String {
    let rows = |without: &str| {
        let implied = IMPLIED.iter().find(|(right, _)| *right == without).map_or(&[][..], |(_, implied)| implied);
        let submits = |right: &&&str| is_submittable || !matches!(**right, "submit" | "cancel" | "amend");
        let given = RIGHTS.iter().filter(|right| **right != without && !implied.contains(right)).filter(submits);
        given.flat_map(|right| [", ", right, ": true"]).collect::<String>()
    };
    let all = rows("");
    let mut permissions = vec![format!("Clerk{all}"), format!("Keeper, if_owner: true{all}")];
    permissions.extend(
        RIGHTS
            .iter()
            .map(|right| (right, rows(right)))
            .filter(|(_, rows)| !rows.is_empty())
            .map(|(right, rows)| format!("No {right}{rows}")),
    );
    let permissions: Vec<String> = permissions.iter().map(|row| format!("  - {{ role: {row} }}\n")).collect();
    let permissions = permissions.concat();
    format!(
        "name: {name}\nmodule: Tests\nautoname: Prompt\nallow_rename: true\ntitle_field: title\n\
         track_changes: true\nis_submittable: {is_submittable}\nfields:\n\
         \x20 - {{ fieldname: title, fieldtype: Data, label: Title, allow_on_submit: true }}\n\
         \x20 - {{ fieldname: wage, fieldtype: Int, label: Wage, permlevel: 1, allow_on_submit: true }}\n\
         \x20 - {{ fieldname: lines, fieldtype: Table, label: Lines, options: Line, allow_on_submit: true }}\n\
         permissions:\n{permissions}"
    )
}

/// The rows of both.
const LINE: &str = "
name: Line
module: Tests
istable: true
fields:
  - { fieldname: text, fieldtype: Data, label: Text, allow_on_submit: true }
  - { fieldname: wage, fieldtype: Int, label: Wage, permlevel: 1, allow_on_submit: true }
";
/// Who reads what is kept of documents besides System Managers.
const ARCHIVIST: &str = "Archivist";

async fn site() -> TestSite {
    let kept = |doctype| format!("extends: {doctype}\npermissions:\n  - {{ role: {ARCHIVIST}, read: true }}\n");
    let site = TestSite::new().with_doctype(&doctype("Note", false)).with_doctype(&doctype("Deed", true));
    let site = site.with_doctype(LINE).with_doctype(&kept("Version")).with_doctype(&kept("Deleted Document")).await;
    site.db_user(ASSIGNEE, json!({"roles": [{"role": "Clerk"}]})).await;
    site
}

/// All that the doors could change.
async fn state(admin: &Client) -> Vec<Json> {
    let mut state = Vec::new();
    for (doctype, fields) in [
        ("Note", r#"["name","title","wage","docstatus","modified","_user_tags","_liked_by"]"#),
        ("Deed", r#"["name","title","wage","docstatus","modified","amended_from"]"#),
        ("Comment", r#"["name","content"]"#),
        ("File", r#"["name","attached_to_name"]"#),
        ("DocShare", r#"["name","share_name","read","write"]"#),
    ] {
        let query = format!("fields={fields}&limit_page_length=0&order_by=name asc");
        state.push(admin.list(doctype, &query).await.ok());
    }
    state
}

/// Makes the documents that a door works on; returns the name of what hangs on the one it is called with, or that name.
async fn prepare(admin: &Client, door: &Door, name: &str) -> String {
    let doctype = door.of.doctype();
    let is_submitted = matches!(door.of, Of::Submitted | Of::Cancelled);
    let values = json!({"name": name, "title": "as it was", "docstatus": i64::from(is_submitted)});
    admin.create(doctype, values).await.ok();
    let target = json!({"dt": doctype, "dn": name, "tag": "red"});
    match door.of {
        Of::Cancelled => drop(admin.update(doctype, name, json!({"docstatus": 2})).await.ok()),
        Of::Deleted => drop(admin.remove(doctype, name).await.ok()),
        Of::Versioned => drop(admin.update(doctype, name, json!({"title": "as it is"})).await.ok()),
        Of::Tagged => drop(admin.call("frappe.desk.doctype.tag.tag.add_tag", target).await.ok()),
        Of::Attached => {
            let file = json!({"doctype": doctype, "docname": name, "filename": "a.txt", "filedata": name});
            admin.call("frappe.client.attach_file", file).await.ok();
        }
        Of::Note | Of::Draft | Of::Submitted => {}
    }
    let (kept, field) = match door.of {
        Of::Deleted => ("Deleted Document", "deleted_name"),
        Of::Versioned => ("Version", "docname"),
        Of::Attached => ("File", "attached_to_name"),
        _ => return name.to_owned(),
    };
    let found = admin.list(kept, &format!("filters=[[\"{field}\",\"=\",\"{name}\"]]")).await.ok();
    found[0]["name"].as_str().unwrap().to_owned()
}

/// Calls a door with a document and what hangs on it: by JSON, as a form where it is a page, with a file where it takes one.
async fn call(client: &Client, door: &Door, name: &str, part: &str) -> Response {
    let (verb, path) = door.operation.split_once(' ').unwrap();
    let doctype = door.of.doctype();
    let is_page = path.starts_with("/app/");
    let doctype = if is_page { doctype.to_lowercase() } else { doctype.to_owned() };
    let path = path.replace("{name}", name).replace("{part}", part).replace("{doctype}", &doctype);
    let body = (door.body)(name, door.of).to_string().replace("{part}", part);
    let body: Json = serde_json::from_str(&body).unwrap();
    let mut fields: Vec<(&str, &str)> =
        body.as_object().unwrap().iter().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect();
    if path.ends_with("upload_file") {
        return upload_to(client, &path, "a.txt", name.as_bytes(), &fields).await;
    }
    if is_page {
        let token = hidden(&client.get("/me").await.status(200).body, "csrf_token");
        fields.push(("csrf_token", &token));
        return client.form(&path, &fields).await;
    }
    client.json(verb.parse::<Method>().unwrap(), &path, body).await
}

/// Whether a door let the request in; some say so in the body, lists of the desk on the page that follows.
fn is_let_in(answer: &Response) -> bool {
    if answer.status.is_redirection() {
        let kept = answer.header("set-cookie").split([';', '=']).nth(1).unwrap_or_default();
        let flash = String::from_utf8(URL_SAFE_NO_PAD.decode(kept).unwrap_or_default()).unwrap();
        return !flash.contains("\"red\"") && !answer.header("location").starts_with("/login");
    }
    let is_json = answer.header("content-type").starts_with("application/json");
    let told = |key: &str| {
        let body = if is_json { answer.json() } else { Json::Null };
        ["message", "data"].iter().any(|part| body[part][key].as_array().is_some_and(|failed| !failed.is_empty()))
    };
    answer.status.is_success() && !told("failed_docs") && !told("failed")
}

/// Whether a door refused as doors refuse those who lack a right.
fn is_refused(answer: &Response) -> bool {
    !is_let_in(answer) && (answer.status == 403 || answer.status.is_success() || answer.status.is_redirection())
}

#[tokio::test]
async fn each_door_takes_its_rights_and_only_them() {
    let site = site().await;
    let admin = site.administrator().await;
    let clerk = site.user("clerk@example.com", &["Clerk", ARCHIVIST]).await;
    let mut without = Vec::new();
    for right in ["write", "create", "delete", "submit", "cancel", "amend", "share"] {
        let role = format!("No {right}");
        without.push((right, site.user(&format!("no-{right}@example.com"), &[&role, ARCHIVIST]).await));
    }
    let mut wrong = Vec::new();
    for (number, door) in DOORS.iter().enumerate() {
        for (right, client) in without.iter().filter(|(right, _)| door.takes.contains(right)) {
            let name = format!("d{number}-{right}");
            let part = prepare(&admin, door, &name).await;
            let before = state(&admin).await;
            let answer = call(client, door, &name, &part).await;
            if !is_refused(&answer) {
                wrong.push(format!("{} without {right}: {} {}", door.operation, answer.status, answer.body));
            }
            if state(&admin).await != before {
                wrong.push(format!("{} without {right} changed something", door.operation));
            }
        }
        let name = format!("d{number}");
        let part = prepare(&admin, door, &name).await;
        let before = state(&admin).await;
        let answer = call(&clerk, door, &name, &part).await;
        if !is_let_in(&answer) || state(&admin).await == before {
            wrong.push(format!("{} with all rights: {} {}", door.operation, answer.status, answer.body));
        }
    }
    for doctype in ["Note", "Deed", "Line"] {
        let written = site.db_names(doctype, json!({"wage": 9})).await;
        assert_eq!(written, [""; 0], "a level of {doctype} that nobody may write was written");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn no_door_tells_a_hidden_document_from_one_that_is_not_there() {
    let site = site().await;
    let admin = site.administrator().await;
    let mut strangers = [
        site.user("keeper@example.com", &["Keeper"]).await,
        site.user("confined@example.com", &["Clerk"]).await,
        site.user("nobody@example.com", &[]).await,
    ];
    for doctype in ["Note", "Deed"] {
        admin.create(doctype, json!({"name": "theirs"})).await.ok();
        let permission = json!({"user": "confined@example.com", "allow": doctype, "for_value": "theirs"});
        site.db_insert("User Permission", permission).await;
    }
    let mut wrong = Vec::new();
    for (number, door) in DOORS.iter().enumerate().filter(|(_, door)| door.takes != ["create"]) {
        for (stranger, client) in strangers.iter_mut().enumerate() {
            let (hidden, absent) = (format!("hidden{number}-{stranger}"), format!("absent{number}-{stranger}"));
            let part = prepare(&admin, door, &hidden).await;
            let before = state(&admin).await;
            let theirs = call(client, door, &hidden, &part).await;
            let nobodys = call(client, door, &absent, &absent).await;
            // Each page names its request.
            let told = |answer: &Response| answer.body.replace(answer.header("x-request-id"), "");
            let same = told(&theirs).replace(&hidden, "?").replace(&part, "?") == told(&nobodys).replace(&absent, "?");
            if is_let_in(&theirs) || theirs.status != nobodys.status || !same {
                let (theirs, nobodys) = ((theirs.status, theirs.body), (nobodys.status, nobodys.body));
                wrong.push(format!("{} for {stranger}: {theirs:?}, but {nobodys:?}", door.operation));
            }
            if state(&admin).await != before {
                wrong.push(format!("{} for {stranger} changed something", door.operation));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_share_opens_the_doors_of_what_it_gives_and_no_others() {
    let site = site().await;
    let admin = site.administrator().await;
    let friend = site.user("friend@example.com", &[ARCHIVIST]).await;
    let mut wrong = Vec::new();
    for (number, door) in DOORS.iter().enumerate().filter(|(_, door)| !door.takes.contains(&"create")) {
        for given in ["read", "write"] {
            let name = format!("shared{number}-{given}");
            let part = prepare(&admin, door, &name).await;
            let mut share = json!({"user": "friend@example.com", "share_doctype": door.of.doctype(), "share_name": name, "read": 1});
            share[given] = json!(1);
            site.db_insert("DocShare", share).await;
            let before = state(&admin).await;
            let answer = call(&friend, door, &name, &part).await;
            let opens = door.takes.iter().all(|right| *right == given);
            if opens && !is_let_in(&answer) || !opens && !is_refused(&answer) {
                wrong.push(format!("{} with {given}: {} {}", door.operation, answer.status, answer.body));
            }
            if opens == (state(&admin).await == before) {
                wrong.push(format!("{} with {given}: the state is not what the answer says", door.operation));
            }
        }
    }
    for doctype in ["Note", "Deed", "Line"] {
        let written = site.db_names(doctype, json!({"wage": 9})).await;
        assert_eq!(written, [""; 0], "a level of {doctype} that nobody may write was written");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn every_operation_that_writes_is_in_the_table() {
    let site = site().await;
    let document = site.administrator().await.get("/api/openapi.json").await.status(200).json();
    let mut unknown = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        // The doors of one DocType are those of every other.
        let of_others = ["/api/resource/", "/api/v2/document/"].iter().any(|prefix| {
            path.strip_prefix(prefix).is_some_and(|rest| !rest.starts_with("Note") && !rest.starts_with("Deed"))
        });
        let path = path.replace("/Note", "/{doctype}").replace("/Deed", "/{doctype}");
        for verb in item.as_object().unwrap().keys().filter(|verb| *verb != "get" && *verb != "parameters") {
            let reads = item.get("get").is_some() && path.starts_with("/api/method/") && verb == "post";
            let operation = format!("{} {path}", verb.to_uppercase());
            let is_listed = DOORS.iter().any(|door| door.operation == operation)
                || ELSEWHERE.iter().any(|listed| operation.ends_with(listed));
            if !of_others && !reads && !is_listed {
                unknown.push(operation);
            }
        }
    }
    unknown.sort();
    unknown.dedup();
    assert!(unknown.is_empty(), "add rows for these to the table of doors:\n{}", unknown.join("\n"));
}
