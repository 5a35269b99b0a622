//! Every door through which documents are written, held against the rights: whoever lacks the one that it takes is refused
//! and nothing changes; whoever may not know a document gets the answer of one that is not there.

mod administrator;
mod collisions;
mod links;
mod merge;
mod notes;
mod table;

use poem::http::Method;
use serde_json::{Value as Json, json};

use crate::support::client::Response;
use crate::support::{Client, TestSite};
use table::{DOORS, Door, ELSEWHERE, Of};

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
         is_submittable: {is_submittable}\nfields:\n\
         \x20 - {{ fieldname: title, fieldtype: Data, label: Title, allow_on_submit: true }}\n\
         \x20 - {{ fieldname: wage, fieldtype: Int, label: Wage, permlevel: 1, allow_on_submit: true }}\n\
         permissions:\n{permissions}"
    )
}

async fn site() -> TestSite {
    TestSite::new().with_doctype(&doctype("Note", false)).with_doctype(&doctype("Deed", true)).await
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

/// Makes the documents that a door works on; returns the name of the one it is called with.
async fn prepare(admin: &Client, door: &Door, name: &str) {
    let doctype = door.of.doctype();
    let values = json!({"name": name, "title": "as it was", "docstatus": i64::from(door.of != Of::Note && door.of != Of::Draft)});
    admin.create(doctype, values).await.ok();
    if door.of == Of::Cancelled {
        admin.update(doctype, name, json!({"docstatus": 2})).await.ok();
    }
}

/// Calls a door with a document.
async fn call(client: &Client, door: &Door, name: &str) -> Response {
    let (verb, path) = door.operation.split_once(' ').unwrap();
    let path = path.replace("{name}", name).replace("{doctype}", door.of.doctype());
    let body = (door.body)(name, door.of);
    client.json(verb.parse::<Method>().unwrap(), &path, body).await
}

/// Whether a door let the request in; some say so in the body.
fn is_let_in(answer: &Response) -> bool {
    let told = |key: &str| answer.json()["message"][key].as_array().is_some_and(|failed| !failed.is_empty());
    answer.status.is_success() && !told("failed_docs")
}

#[tokio::test]
async fn each_door_takes_its_rights_and_only_them() {
    let site = site().await;
    let admin = site.administrator().await;
    let clerk = site.user("clerk@example.com", &["Clerk"]).await;
    let mut without = Vec::new();
    for right in ["write", "create", "delete", "submit", "cancel", "amend", "share"] {
        let role = format!("No {right}");
        without.push((right, site.user(&format!("no-{right}@example.com"), &[&role]).await));
    }
    let mut wrong = Vec::new();
    for (number, door) in DOORS.iter().enumerate() {
        for (right, client) in without.iter().filter(|(right, _)| door.takes.contains(right)) {
            let name = format!("d{number}-{right}");
            prepare(&admin, door, &name).await;
            let before = state(&admin).await;
            let answer = call(client, door, &name).await;
            if is_let_in(&answer) || !answer.status.is_success() && answer.status != 403 {
                wrong.push(format!("{} without {right}: {} {}", door.operation, answer.status, answer.body));
            }
            if state(&admin).await != before {
                wrong.push(format!("{} without {right} changed something", door.operation));
            }
        }
        let name = format!("d{number}");
        prepare(&admin, door, &name).await;
        let before = state(&admin).await;
        let answer = call(&clerk, door, &name).await;
        if !is_let_in(&answer) || state(&admin).await == before {
            wrong.push(format!("{} with all rights: {} {}", door.operation, answer.status, answer.body));
        }
    }
    assert_eq!(site.db_names("Note", json!({"wage": 9})).await, [""; 0], "a level that nobody may write was written");
    assert_eq!(site.db_names("Deed", json!({"wage": 9})).await, [""; 0], "a level that nobody may write was written");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn no_door_tells_a_hidden_document_from_one_that_is_not_there() {
    let site = site().await;
    let admin = site.administrator().await;
    let keeper = site.user("keeper@example.com", &["Keeper"]).await;
    let mut wrong = Vec::new();
    for (number, door) in DOORS.iter().enumerate().filter(|(_, door)| door.takes != ["create"]) {
        let (hidden, absent) = (format!("hidden{number}"), format!("absent{number}"));
        prepare(&admin, door, &hidden).await;
        let before = state(&admin).await;
        let theirs = call(&keeper, door, &hidden).await;
        let nobodys = call(&keeper, door, &absent).await;
        let same = theirs.body.replace(&hidden, "?") == nobodys.body.replace(&absent, "?");
        if is_let_in(&theirs) || theirs.status != nobodys.status || !same {
            let (theirs, nobodys) = ((theirs.status, theirs.body), (nobodys.status, nobodys.body));
            wrong.push(format!("{}: {theirs:?}, but {nobodys:?}", door.operation));
        }
        if state(&admin).await != before {
            wrong.push(format!("{} changed something", door.operation));
        }
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
