//! Why somebody may do something: the explanation and the doors agree, it says what to change, and it tells nobody what
//! they may not know.

use serde_json::{Value as Json, json};

use crate::api_keys::Key;
use crate::oauth::support::{Program, bearer};
use crate::support::{Client, TestSite};

const EXPLAIN: &str = "doctyped.permissions.explain";
/// Every right, under its name.
const RIGHTS: [&str; 14] = [
    "select", "read", "write", "create", "delete", "submit", "cancel", "amend", "print", "email", "report", "import",
    "export", "share",
];
/// The doors of these rights change the document, so that each gets one of its own.
const CHANGING: [&str; 4] = ["write", "delete", "submit", "cancel"];

const SHELF: &str = "
name: Shelf
module: Tests
autoname: Prompt
fields:
  - { fieldname: note, fieldtype: Data, label: Note }
permissions:
  - { role: Clerk, read: true }
  - { role: Keeper, read: true }
";
const SLIP: &str = "
name: Slip
module: Tests
autoname: Prompt
is_submittable: true
allow_import: true
fields:
  - { fieldname: title, fieldtype: Data, label: Title, allow_on_submit: true }
  - { fieldname: shelf, fieldtype: Link, options: Shelf, label: Shelf }
  - { fieldname: wage, fieldtype: Int, label: Wage, permlevel: 1 }
  - { fieldname: pin, fieldtype: Data, label: Pin, permlevel: 2 }
permissions:
  - { role: Clerk, read: true, write: true, create: true, delete: true, submit: true, cancel: true, amend: true, print: true, email: true, report: true, import: true, export: true, share: true, select: true }
  - { role: Clerk, permlevel: 1, read: true }
  - { role: Keeper, if_owner: true, read: true, write: true, create: true, delete: true, submit: true, cancel: true, print: true }
  - { role: Reader, read: true, report: true }
  - { role: Writer, read: true, write: true, create: true }
";
const NOTICE: &str = "
name: Notice
module: Tests
autoname: Prompt
limited_to: [[public, '=', 1], [name, in, __shared]]
limited_except: [Archivist]
guarded_rights: delete
fields:
  - { fieldname: title, fieldtype: Data, label: Title }
  - { fieldname: public, fieldtype: Check, label: Public }
permissions:
  - { role: Clerk, read: true, write: true, create: true, delete: true }
  - { role: Archivist, read: true, write: true, create: true, delete: true }
";

/// Somebody with what they are called in questions.
struct Asked {
    client: Client,
    question: Json,
    name: &'static str,
}

async fn site() -> TestSite {
    let site = TestSite::new().with_doctype(SHELF).with_doctype(SLIP).with_doctype(NOTICE).await;
    for shelf in ["A", "B"] {
        site.db_insert("Shelf", json!({"name": shelf})).await;
    }
    site
}

async fn person(site: &TestSite, name: &'static str, roles: &[&str]) -> Asked {
    let user = format!("{name}@example.com");
    Asked { client: site.user(&user, roles).await, question: json!({"user": user}), name }
}

/// Administrator's client: another login would end it.
fn administrator(everybody: &[Asked]) -> &Client {
    &everybody.iter().find(|one| one.name == "administrator").unwrap().client
}

/// All kinds of people, keys and tokens.
async fn everybody(site: &TestSite) -> Vec<Asked> {
    let mut all = vec![
        person(site, "clerk", &["Clerk"]).await,
        person(site, "keeper", &["Keeper"]).await,
        person(site, "reader", &["Reader"]).await,
        person(site, "writer", &["Writer"]).await,
        person(site, "nobody", &[]).await,
        person(site, "friend", &[]).await,
        person(site, "archivist", &["Archivist"]).await,
        person(site, "manager", &["System Manager"]).await,
        person(site, "confined", &["Clerk", "Keeper"]).await,
    ];
    for user in ["confined@example.com"] {
        site.db_insert("User Permission", json!({"user": user, "allow": "Shelf", "for_value": "A"})).await;
    }
    let administrator = site.administrator().await;
    all.push(Asked { client: administrator, question: json!({"user": "Administrator"}), name: "administrator" });
    for (name, scopes) in [("key that reads", "read"), ("key that writes", "write"), ("key without scopes", "")] {
        let values = json!({"scopes": scopes, "validity": "Until Revoked"});
        let key = Key::make(&all[0].client, values).await;
        all.push(Asked { client: key.client(site), question: json!({"api_key": key.id}), name });
    }
    let before = site.db_names("OAuth Bearer Token", json!({})).await;
    let tokens = Program::public(site).await.tokens(&all[0].client).await;
    let token = site.db_names("OAuth Bearer Token", json!({})).await.into_iter().find(|name| !before.contains(name));
    all.push(Asked { client: bearer(site, &tokens), question: json!({"token": token.unwrap()}), name: "token" });
    all
}

/// A document in a situation; returns its DocType and how far it has come.
async fn make(site: &TestSite, everybody: &[Asked], situation: &str, name: &str) -> (&'static str, i64) {
    let admin = administrator(everybody);
    let share = async |rights: Json| {
        let mut share = json!({"user": "friend@example.com", "share_doctype": "Slip", "share_name": name, "read": 1});
        if situation == "a notice shared" {
            share["share_doctype"] = json!("Notice");
        }
        share.as_object_mut().unwrap().extend(rights.as_object().unwrap().clone());
        site.db_insert("DocShare", share).await;
    };
    let slip = json!({"name": name, "title": "as it was", "shelf": "A"});
    match situation {
        "on A" => drop(admin.create("Slip", slip).await.ok()),
        "on B" => drop(admin.create("Slip", json!({"name": name, "shelf": "B"})).await.ok()),
        "on no shelf" => drop(admin.create("Slip", json!({"name": name})).await.ok()),
        "their own" => {
            let keeper = &everybody.iter().find(|one| one.name == "keeper").unwrap().client;
            keeper.create("Slip", json!({"name": name, "shelf": "B"})).await.ok();
        }
        "of the confined" => {
            let confined = &everybody.iter().find(|one| one.name == "confined").unwrap().client;
            confined.create("Slip", slip).await.ok();
            site.db_update("Slip", name, json!({"shelf": "B"})).await;
        }
        "submitted" | "cancelled" => {
            admin.create("Slip", slip).await.ok();
            admin.update("Slip", name, json!({"docstatus": 1})).await.ok();
            if situation == "cancelled" {
                admin.update("Slip", name, json!({"docstatus": 2})).await.ok();
                return ("Slip", 2);
            }
            return ("Slip", 1);
        }
        "shared to read" => {
            admin.create("Slip", slip).await.ok();
            share(json!({})).await;
        }
        "shared to write and submit" => {
            admin.create("Slip", slip).await.ok();
            share(json!({"write": 1, "submit": 1, "share": 1})).await;
        }
        "a public notice" => drop(admin.create("Notice", json!({"name": name, "public": 1})).await.ok()),
        "a notice" => drop(admin.create("Notice", json!({"name": name})).await.ok()),
        "a notice shared" => {
            admin.create("Notice", json!({"name": name})).await.ok();
            share(json!({"write": 1})).await;
        }
        other => panic!("{other}"),
    }
    (if situation.contains("notice") { "Notice" } else { "Slip" }, 0)
}

const SITUATIONS: [&str; 12] = [
    "on A",
    "on B",
    "on no shelf",
    "their own",
    "of the confined",
    "submitted",
    "cancelled",
    "shared to read",
    "shared to write and submit",
    "a public notice",
    "a notice",
    "a notice shared",
];

/// Whether the door of a right lets somebody in; `None` where there is none for a document that has come so far.
async fn is_let_in(client: &Client, doctype: &str, name: &str, right: &str, docstatus: i64) -> Option<bool> {
    let answer = match right {
        "read" => client.read(doctype, name).await,
        "write" => client.update(doctype, name, json!({"title": "as it is"})).await,
        "delete" => client.remove(doctype, name).await,
        "submit" => client.update(doctype, name, json!({"docstatus": 1})).await,
        "cancel" => client.update(doctype, name, json!({"docstatus": 2})).await,
        "amend" if docstatus != 2 => return None,
        _ => {
            let question = json!({"doctype": doctype, "docname": name, "perm_type": right});
            let answer = client.call("frappe.client.has_permission", question).await;
            // Keys and tokens may lack the scope for the method itself.
            return if answer.body.contains("may not call") {
                None
            } else {
                Some(answer.ok()["has_permission"] == true)
            };
        }
    };
    let refuses = [401, 403, 417].contains(&answer.status.as_u16());
    assert!(answer.status.is_success() || refuses, "{right} {doctype}: {} {}", answer.status, answer.body);
    Some(answer.status.is_success())
}

#[tokio::test]
async fn what_is_explained_is_what_the_doors_do() {
    let site = site().await;
    let everybody = everybody(&site).await;
    let admin = administrator(&everybody);
    let (mut wrong, mut seen) = (Vec::new(), [0, 0]);
    for (number, situation) in SITUATIONS.into_iter().enumerate() {
        let kept = format!("kept{number}");
        make(&site, &everybody, situation, &kept).await;
        for (who, one) in everybody.iter().enumerate() {
            for right in RIGHTS {
                let name = if CHANGING.contains(&right) { format!("{right}{number}-{who}") } else { kept.clone() };
                let (doctype, docstatus) = if name == kept {
                    (
                        if situation.contains("notice") { "Notice" } else { "Slip" },
                        i64::from(situation == "cancelled") * 2,
                    )
                } else {
                    make(&site, &everybody, situation, &name).await
                };
                let mut question = json!({"doctype": doctype, "name": name, "right": right});
                question.as_object_mut().unwrap().extend(one.question.as_object().unwrap().clone());
                let told = admin.call(EXPLAIN, question).await.ok();
                if right == "amend" && docstatus != 2 {
                    assert_eq!(told["allowed"], false, "only what is cancelled is amended: {told:#}");
                }
                let Some(does) = is_let_in(&one.client, doctype, &name, right, docstatus).await else { continue };
                seen[usize::from(does)] += 1;
                if told["allowed"] != does {
                    wrong.push(format!("{} may {right} {situation}: {does}, but told is {told:#}", one.name));
                }
                // Who is refused is told by what; who is not, by what they are let in.
                let steps = told["steps"].as_array().unwrap();
                let said = |said: &str| steps.iter().any(|step| step["said"] == said);
                if !does && !said("refuses") || does && !said("gives") {
                    wrong.push(format!("{} may {right} {situation}: {does} has no reason in {told:#}", one.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong[..wrong.len().min(5)].join("\n"));
    assert!(seen.iter().all(|count| *count > 300), "{seen:?}");
}

#[tokio::test]
async fn without_a_document_it_tells_who_creates_and_what_lists_hold() {
    let site = site().await;
    let everybody = everybody(&site).await;
    let admin = administrator(&everybody);
    for (number, situation) in SITUATIONS.into_iter().enumerate() {
        make(&site, &everybody, situation, &format!("d{number}")).await;
    }
    for one in &everybody {
        for doctype in ["Slip", "Notice", "Shelf"] {
            let ask = async |right: &str| {
                let mut question = json!({"doctype": doctype, "right": right});
                question.as_object_mut().unwrap().extend(one.question.as_object().unwrap().clone());
                admin.call(EXPLAIN, question).await.ok()
            };
            let told = ask("create").await;
            let made = one.client.create(doctype, json!({"name": format!("new {} {doctype}", one.name)})).await;
            assert_eq!(told["allowed"], made.status.is_success(), "{} creates {doctype}: {told:#}", one.name);
            let told = ask("read").await;
            let list = one.client.list(doctype, "limit_page_length=0").await;
            assert_eq!(told["allowed"], list.status.is_success(), "{} lists {doctype}: {told:#}", one.name);
            if list.status.is_success() {
                let rows = list.ok().as_array().unwrap().len();
                assert_eq!(told["sees"]["count"], rows, "{} lists {doctype}: {told:#}", one.name);
            }
        }
    }
    let sees = async |user: &str, doctype: &str| {
        let told = admin.call(EXPLAIN, json!({"doctype": doctype, "user": user})).await.ok();
        told["sees"]["conditions"].clone()
    };
    assert_eq!(sees("clerk@example.com", "Slip").await, json!([]));
    assert_eq!(sees("keeper@example.com", "Slip").await, json!(["keeper@example.com owns it"]));
    assert_eq!(sees("confined@example.com", "Slip").await, json!(["Shelf is empty or one of A"]));
    assert_eq!(sees("clerk@example.com", "Notice").await, json!(["Public is 1; shared with clerk@example.com"]));
    assert_eq!(sees("friend@example.com", "Slip").await, json!(["shared with friend@example.com"]));
}

/// The texts and pages of what would change a refusal by one kind of rule.
fn changes(told: &Json, rule: &str) -> Vec<(String, String)> {
    let steps =
        told["steps"].as_array().unwrap().iter().filter(|step| step["rule"] == rule && step["said"] != "passes");
    let changes = steps.flat_map(|step| step["change"].as_array().unwrap());
    changes.map(|change| (change["text"].as_str().unwrap().into(), change["url"].as_str().unwrap().into())).collect()
}

#[tokio::test]
async fn each_refusal_says_what_would_change_it_and_that_does() {
    let site = site().await;
    let everybody = everybody(&site).await;
    let admin = administrator(&everybody);
    let ask = async |user: &str, doctype: &str, name: &str, right: &str| {
        let question = json!({"user": user, "doctype": doctype, "name": name, "right": right});
        admin.call(EXPLAIN, question).await.ok()
    };
    make(&site, &everybody, "on B", "slip").await;

    // A role.
    let told = ask("nobody@example.com", "Slip", "slip", "write").await;
    assert_eq!(told["verdict"], "nobody@example.com may not write Slip slip");
    let (text, url) = changes(&told, "Roles").into_iter().find(|(text, _)| text.contains("“write”")).unwrap();
    assert_eq!(text, "Give nobody@example.com a role that has the right “write”: Clerk, Writer");
    assert_eq!(url, "/app/user/nobody@example.com");
    assert!(changes(&told, "Roles").iter().any(|(_, url)| url == "/app/_model/Slip#f-permissions"), "{told:#}");
    site.db_update("User", "nobody@example.com", json!({"roles": [{"role": "Writer"}]})).await;
    assert_eq!(ask("nobody@example.com", "Slip", "slip", "write").await["allowed"], true);

    // Owners.
    let told = ask("keeper@example.com", "Slip", "slip", "read").await;
    let steps = told["steps"].to_string();
    assert!(
        steps.contains("The roles give the right “read” to the owner alone, and that is Administrator"),
        "{told:#}"
    );

    // A User Permission.
    let told = ask("confined@example.com", "Slip", "slip", "read").await;
    assert!(told["steps"].to_string().contains("leave only A in Shelf, not B"), "{told:#}");
    let all = changes(&told, "User Permissions");
    assert_eq!(all[0].0, "Add a User Permission of confined@example.com for B");
    assert_eq!(all[0].1, "/app/user-permission/new?user=confined%40example.com&allow=Shelf&for_value=B");
    let form = admin.get(&all[0].1).await.status(200).body;
    assert!(form.contains("confined@example.com"), "the form is filled in");
    let permission = json!({"user": "confined@example.com", "allow": "Shelf", "for_value": "B"});
    site.db_insert("User Permission", permission).await;
    assert_eq!(ask("confined@example.com", "Slip", "slip", "read").await["allowed"], true);

    // What the DocType is limited to.
    make(&site, &everybody, "a notice", "notice").await;
    let told = ask("clerk@example.com", "Notice", "notice", "read").await;
    let all = changes(&told, "Limits");
    assert_eq!(all[0].0, "Give clerk@example.com a role that is not limited: Archivist");

    // A share.
    let told = ask("friend@example.com", "Slip", "slip", "read").await;
    let share = ("Share the document with friend@example.com".to_owned(), "/app/slip/slip".to_owned());
    assert!(changes(&told, "Shares").contains(&share), "{told:#}");

    // Credentials.
    let key = everybody.iter().find(|one| one.name == "key that reads").unwrap();
    let mut question = json!({"doctype": "Slip", "name": "slip", "right": "write"});
    question["api_key"] = key.question["api_key"].clone();
    let told = admin.call(EXPLAIN, question.clone()).await.ok();
    assert_eq!(told["user"], "clerk@example.com");
    assert!(changes(&told, "Credentials")[0].0.starts_with("Use credentials with the scope “"), "{told:#}");
    question["doctype"] = json!("Notice");
    question["name"] = json!("notice");
    question["right"] = json!("delete");
    let told = admin.call(EXPLAIN, question.clone()).await.ok();
    assert!(told["steps"].to_string().contains("is guarded"), "{told:#}");

    // A key that is over, and an account that is.
    let id = key.question["api_key"].as_str().unwrap();
    site.db_update("API Key", id, json!({"enabled": 0})).await;
    question["right"] = json!("read");
    question["doctype"] = json!("Slip");
    question["name"] = json!("slip");
    let told = admin.call(EXPLAIN, question).await.ok();
    assert_eq!(told["allowed"], false);
    assert!(told["steps"][0]["text"] == "This API key is disabled", "{told:#}");
    site.db_update("User", "clerk@example.com", json!({"enabled": 0})).await;
    let told = ask("clerk@example.com", "Slip", "slip", "read").await;
    assert_eq!((&told["allowed"], &told["steps"][0]["rule"]), (&json!(false), &json!("Account")));
}

#[tokio::test]
async fn fields_that_are_apart_are_named() {
    let site = site().await;
    let everybody = everybody(&site).await;
    let admin = administrator(&everybody);
    make(&site, &everybody, "on A", "slip").await;
    let told = admin.call(EXPLAIN, json!({"user": "clerk@example.com", "doctype": "Slip", "name": "slip"})).await.ok();
    let fields = |kind: &str| {
        let all = told["fields"].as_array().unwrap();
        all.iter().find(|fields| fields["kind"] == kind).map(|fields| fields["fieldnames"].clone())
    };
    assert_eq!(fields("hidden"), Some(json!(["pin"])));
    assert_eq!(fields("read_only"), Some(json!(["wage"])));
    let read = everybody[0].client.read("Slip", "slip").await.ok();
    assert!(read.get("wage").is_some() && read.get("pin").is_none(), "{read:#}");
}

#[tokio::test]
async fn it_tells_nobody_what_they_may_not_know() {
    let site = site().await;
    let everybody = everybody(&site).await;
    make(&site, &everybody, "on A", "slip").await;
    make(&site, &everybody, "a notice", "notice").await;
    let by_name = |name: &str| &everybody.iter().find(|one| one.name == name).unwrap().client;
    let (clerk, reader, nobody, manager) = (by_name("clerk"), by_name("reader"), by_name("nobody"), by_name("manager"));

    // About oneself, of what one may read: without the roles that others have, and without orders to administrators.
    let question = json!({"doctype": "Slip", "name": "slip", "right": "write"});
    let told = reader.call(EXPLAIN, question.clone()).await.ok();
    assert_eq!((&told["allowed"], &told["user"]), (&json!(false), &json!("reader@example.com")));
    assert!(!told.to_string().contains("Clerk") && !told.to_string().contains("/app/"), "{told:#}");

    // Not about others, their keys included, nor of what one may not read.
    let mut of_another = question.clone();
    of_another["user"] = json!("clerk@example.com");
    reader.call(EXPLAIN, of_another.clone()).await.error(403, "PermissionError");
    let mut of_key = question.clone();
    of_key["api_key"] = everybody.iter().find(|one| one.name == "key that reads").unwrap().question["api_key"].clone();
    reader.call(EXPLAIN, of_key.clone()).await.error(403, "PermissionError");
    assert_eq!(clerk.call(EXPLAIN, of_key).await.ok()["allowed"], false, "one's own key");
    nobody.call(EXPLAIN, question.clone()).await.error(403, "PermissionError");
    nobody.call(EXPLAIN, json!({"doctype": "Slip"})).await.error(403, "PermissionError");
    clerk.call(EXPLAIN, json!({"doctype": "Notice", "name": "notice"})).await.error(403, "PermissionError");
    let absent = clerk.call(EXPLAIN, json!({"doctype": "Notice", "name": "absent"})).await;
    absent.error(403, "PermissionError");
    site.guest().call(EXPLAIN, question.clone()).await.status(401);

    // Who administers rights asks about everybody, but not of documents that are not theirs to read, nor with a key that
    // is limited.
    manager.call(EXPLAIN, of_another.clone()).await.error(403, "PermissionError");
    of_another.as_object_mut().unwrap().remove("name");
    assert_eq!(manager.call(EXPLAIN, of_another.clone()).await.ok()["allowed"], true);
    let key = Key::make(manager, json!({"scopes": "read write", "validity": "Until Revoked"})).await;
    key.client(&site).call(EXPLAIN, of_another).await.error(403, "PermissionError");

    // What cannot be asked is said.
    let admin = administrator(&everybody);
    let wrong = admin.call(EXPLAIN, json!({"doctype": "Slip", "right": "fly"})).await;
    assert!(wrong.error(417, "ValidationError").to_string().contains("`right` is one of select, read"));
    admin.call(EXPLAIN, json!({"doctype": "Has Role"})).await.error(417, "ValidationError");
    admin.call(EXPLAIN, json!({"doctype": "Slip", "user": "ghost@example.com"})).await.error(404, "DoesNotExistError");
    admin.call(EXPLAIN, json!({"doctype": "Nothing"})).await.error(404, "DoesNotExistError");
}

#[tokio::test]
async fn the_page_of_the_desk_is_led_to_from_everywhere_and_says_the_same() {
    let site = site().await;
    let everybody = everybody(&site).await;
    make(&site, &everybody, "on B", "slip").await;
    let admin = administrator(&everybody);
    let key = everybody.iter().find(|one| one.name == "key that reads").unwrap().question["api_key"].clone();
    let token = everybody.iter().find(|one| one.name == "token").unwrap().question["token"].clone();
    let (key, token) = (key.as_str().unwrap(), token.as_str().unwrap());
    for (page, link) in [
        ("/app/slip/slip".to_owned(), "/app/_why?doctype&#x3D;Slip&amp;name&#x3D;slip".to_owned()),
        ("/app/_rights?doctype=Slip".to_owned(), "/app/_why?doctype=Slip".to_owned()),
        ("/app/user/clerk@example.com".to_owned(), "/app/_why?user&#x3D;clerk%40example.com".to_owned()),
        (format!("/app/api-key/{key}"), format!("/app/_why?api_key&#x3D;{key}")),
        (format!("/app/oauth-bearer-token/{token}"), format!("/app/_why?token&#x3D;{token}")),
        (
            "/app/_access?doctype=Slip&name=slip".to_owned(),
            "/app/_why?doctype&#x3D;Slip&amp;name&#x3D;slip&amp;right&#x3D;write&amp;user&#x3D;clerk%40example.com"
                .to_owned(),
        ),
    ] {
        let body = admin.get(&page).await.status(200).body;
        assert!(body.contains(&link), "{page} has no link {link}");
    }
    let page = admin.get("/app/_why?doctype=Slip&name=slip&right=write&user=confined%40example.com").await.status(200);
    for text in
        ["confined@example.com may not write Slip slip", "leave only A in Shelf, not B", "Let Shelf ignore User"]
    {
        assert!(page.body.contains(text), "{text}: {}", page.body);
    }
    let page = admin.get("/app/_why?doctype=Slip&user=keeper%40example.com").await.status(200).body;
    assert!(page.contains("Documents in the list: 0") && page.contains("keeper@example.com owns it"), "{page}");
    let page = admin.get("/app/_why?doctype=Slip&name=absent").await.status(200).body;
    assert!(page.contains("Slip absent not found"), "{page}");
    let german =
        admin.get("/app/_why?doctype=Slip&name=slip&user=keeper%40example.com&_lang=de").await.status(200).body;
    assert!(german.contains("keeper@example.com hat nicht das Recht"), "{german}");
    everybody[0].client.get("/app/_why").await.status(403);
}
