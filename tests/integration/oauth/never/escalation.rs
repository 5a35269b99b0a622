//! Credentials with limited scopes never get or change credentials, roles or who may do what, whatever they name:
//! only `all` covers that, because whoever can change it can make themselves anything.

use std::collections::BTreeSet;

use doctyped::testing::meta::Right;
use poem::http::Method;
use serde_json::{Value as Json, json};

use crate::data_import::{INSERT, prepare};
use crate::oauth::support::{Program, bearer};
use crate::support::client::{Response, resource};
use crate::support::{Client, PASSWORD, TestSite};

const ALICE: &str = "alice@example.com";
const BOB: &str = "bob@example.com";
const KEYS: &str = "frappe.core.doctype.user.user.generate_keys";
/// Every right on User, and every method that takes part here.
const USERS: &str = "openid doctype:User:write doctype:User:create doctype:User:delete \
    method:frappe.core.doctype.user.user.generate_keys method:frappe.core.doctype.user.user.update_password \
    method:frappe.client.get_password method:frappe.client.set_value method:frappe.client.save \
    method:frappe.client.insert method:frappe.client.insert_many method:frappe.client.bulk_update \
    method:frappe.client.rename_doc method:frappe.client.delete method:frappe.desk.form.save.savedocs \
    method:frappe.model.rename_doc.update_document_title method:frappe.share.add method:frappe.share.set_permission \
    method:run_doc_method method:frappe.handler.run_doc_method method:runserverobj";

/// Alice, who manages the site, and a token of hers with these scopes.
async fn manager(site: &TestSite, scope: &str) -> (Client, Client) {
    let alice = site.user(ALICE, &["System Manager"]).await;
    let token = token_of(site, &alice, scope).await;
    (alice, token)
}

async fn token_of(site: &TestSite, person: &Client, scope: &str) -> Client {
    let mut program = Program::public(site).await;
    scope.clone_into(&mut program.scope);
    bearer(site, &program.tokens(person).await)
}

/// The refusal says which scope would do.
#[track_caller]
fn needs_all(answer: &Response, what: &str) {
    assert_eq!(answer.status.as_u16(), 403, "{what}: {}", answer.body);
    let challenge = answer.header("www-authenticate");
    assert!(
        challenge.contains("error=\"insufficient_scope\"") && challenge.contains("scope=\"all\""),
        "{what}: {challenge}"
    );
}

/// What must not change: the whole account with its rows.
async fn account(administrator: &Client, user: &str) -> Json {
    let mut account = administrator.read("User", user).await.ok();
    // Every request of the person is one.
    account["last_active"] = Json::Null;
    account
}

/// Fields of a User that decide who they are or what they may do, each with a value that would change that.
fn deciding() -> Vec<(&'static str, Json)> {
    vec![
        ("new_password", json!("a password that Mallory knows")),
        ("logout_all_sessions", json!(0)),
        ("roles", json!([{"role": "System Manager"}])),
        ("roles", json!([])),
        ("enabled", json!(0)),
        ("user_type", json!("Website User")),
        ("email_verified", json!(1)),
        ("username", json!("administrator")),
        ("social_logins", json!([{"provider": "frappe", "userid": "somebody else"}])),
        ("social_logins", json!([])),
        ("api_key", json!("0123456789abcde")),
        ("api_secret", json!("")),
        ("restrict_ip", json!("203.0.113.7")),
        ("login_after", json!(1)),
        ("login_before", json!(2)),
        ("simultaneous_sessions", json!(99)),
    ]
}

#[tokio::test]
async fn a_token_that_writes_users_changes_nobodys_password_roles_or_logins() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    let (alice, token) = manager(&site, USERS).await;
    site.user(BOB, &[]).await;
    // So that there is something to take away.
    site.db_insert("Role", json!({"role_name": "Librarian"})).await;
    site.db_update("User", BOB, json!({"roles": [{"role": "Librarian"}]})).await;
    for user in [ALICE, BOB] {
        alice.call(KEYS, json!({"user": user})).await.ok();
    }
    let before = [account(&administrator, ALICE).await, account(&administrator, BOB).await];
    for user in [ALICE, BOB] {
        for (field, value) in deciding() {
            let what = format!("{field} of {user}");
            if user == ALICE && value == json!([{"role": "System Manager"}]) {
                continue;
            }
            let doc = json!({"doctype": "User", "name": user, field: value});
            let set = json!({"doctype": "User", "name": user, "fieldname": field, "value": value});
            let saved = json!({"doc": doc.to_string(), "action": "Save"});
            for answer in [
                token.update("User", user, json!({field: value})).await,
                token.put(&format!("/api/v2/document/User/{user}"), json!({field: value})).await,
                token.patch(&format!("/api/v2/document/User/{user}"), json!({field: value, "bio": "Hello"})).await,
                token.call("frappe.client.set_value", set).await,
                token.call("frappe.client.save", json!({"doc": doc})).await,
                token.call("frappe.desk.form.save.savedocs", saved).await,
            ] {
                needs_all(&answer, &what);
            }
            let bulk = json!({"docs": [{"doctype": "User", "docname": user, field: value}]});
            let failed = token.call("frappe.client.bulk_update", bulk).await.ok();
            assert!(failed["failed_docs"][0]["exc"].as_str().unwrap().contains("scope"), "{what}: {failed}");
        }
    }
    let form = [("new_password", "a password that Mallory knows"), ("first_name", "Bob"), ("__action", "save")];
    let page = token.form(&format!("/app/user/{BOB}"), &form).await;
    assert_eq!(page.status.as_u16(), 403, "{}", page.body);
    assert_eq!([account(&administrator, ALICE).await, account(&administrator, BOB).await], before);
    site.guest().log_in(BOB, PASSWORD).await.ok();
    assert_eq!(site.guest().log_in(BOB, "a password that Mallory knows").await.status, 401);
}

#[tokio::test]
async fn a_row_that_gives_a_role_or_a_login_is_no_way_around() {
    let site = TestSite::new().await;
    let (_alice, token) = manager(&site, USERS).await;
    site.user(BOB, &["System Manager"]).await;
    let administrator = site.administrator().await;
    let before = account(&administrator, BOB).await;
    let row = |table: &str| before[table][0]["name"].as_str().unwrap().to_owned();
    let role = json!({"parenttype": "User", "parent": BOB, "parentfield": "roles", "role": "System Manager"});
    let login = json!({
        "parenttype": "User", "parent": BOB, "parentfield": "social_logins", "provider": "google", "userid": "mallory",
    });
    let with_doctype = |row: &Json, doctype: &str| {
        let mut row = row.clone();
        row["doctype"] = json!(doctype);
        row
    };
    for (doctype, table, row_to_add, change) in [
        ("Has Role", "roles", &role, json!({"role": "Librarian"})),
        ("User Social Login", "social_logins", &login, json!({"userid": "mallory"})),
    ] {
        let name = row(table);
        let insert = json!({"doc": with_doctype(row_to_add, doctype)});
        let many = json!({"docs": [with_doctype(row_to_add, doctype)]});
        for answer in [
            token.create(doctype, row_to_add.clone()).await,
            token.post(&format!("/api/v2/document/{}", doctype.replace(' ', "%20")), row_to_add.clone()).await,
            token.call("frappe.client.insert", insert).await,
            token.call("frappe.client.insert_many", many).await,
            token.update(doctype, &name, change).await,
            token.remove(doctype, &name).await,
            token.call("frappe.client.delete", json!({"doctype": doctype, "name": name})).await,
        ] {
            needs_all(&answer, doctype);
        }
        let patched = json!({table: [{"name": name, "_delete": true}]});
        let patching = token.with_header("prefer", "children=patch");
        needs_all(&patching.update("User", BOB, patched).await, doctype);
    }
    assert_eq!(account(&administrator, BOB).await, before);
}

#[tokio::test]
async fn a_token_that_writes_users_gets_no_api_key_and_changes_no_password() {
    let site = TestSite::new().await;
    let (_alice, token) = manager(&site, USERS).await;
    site.user(BOB, &[]).await;
    for user in [ALICE, BOB, "Administrator"] {
        let asked = json!({"dt": "User", "dn": user, "method": "generate_keys"});
        let docs = json!({"docs": {"doctype": "User", "name": user}, "method": "generate_keys"});
        for answer in [
            token.post(&format!("/api/v2/document/User/{user}/method/generate_keys"), json!({})).await,
            token.post(&format!("/api/resource/User/{user}?run_method=generate_keys"), json!({})).await,
            token.post(&format!("/api/resource/User/{user}"), json!({"run_method": "generate_keys"})).await,
            token.call("run_doc_method", asked).await,
            token.call("runserverobj", docs).await,
            token.call(KEYS, json!({"user": user})).await,
            token.post("/api/v2/method/User/generate_keys", json!({"user": user})).await,
        ] {
            // Nobody else gets as far as being asked for a scope.
            if user == "Administrator" {
                assert_eq!(answer.status, 403, "{}", answer.body);
            } else {
                needs_all(&answer, user);
            }
        }
        // A page says it in its own way, and shows no key.
        let page = token.form(&format!("/app/user/{user}"), &[("__action", "call:generate_keys")]).await;
        assert_eq!(page.status.as_u16(), 403, "{}", page.body);
        assert!(!page.body.contains("dt_key_"), "{}", page.body);
        let stored = site.db_names("User", json!({"name": user, "api_key": ["is", "set"]})).await;
        assert!(stored.is_empty(), "{stored:?}");
    }
    let change = json!({"old_password": PASSWORD, "new_password": "a password that Mallory knows"});
    needs_all(&token.call("frappe.core.doctype.user.user.update_password", change).await, "update_password");
    site.guest().log_in(ALICE, PASSWORD).await.ok();
}

#[tokio::test]
async fn an_account_is_not_made_renamed_shared_or_deleted_with_its_credentials() {
    let site = TestSite::new().await;
    let (_alice, token) = manager(&site, USERS).await;
    site.user(BOB, &[]).await;
    for (field, value) in deciding() {
        if value == json!([]) || value == json!("") {
            // A new account has none of these.
            continue;
        }
        let carol = json!({"doctype": "User", "email": "carol@example.com", "first_name": "Carol", field: value});
        for answer in [
            token.create("User", carol.clone()).await,
            token.post("/api/v2/document/User", carol.clone()).await,
            token.call("frappe.client.insert", json!({"doc": carol})).await,
            token.call("frappe.client.insert_many", json!({"docs": [carol]})).await,
        ] {
            needs_all(&answer, field);
        }
    }
    let new = "mallory@example.com";
    let rename = json!({"doctype": "User", "old_name": BOB, "new_name": new});
    let title = json!({"doctype": "User", "docname": BOB, "name": new});
    let share = json!({"doctype": "User", "name": BOB, "user": ALICE, "write": 1});
    let permit = json!({"doctype": "User", "name": BOB, "user": ALICE, "permission_to": "write"});
    for (what, answer) in [
        ("rename", token.post(&format!("/api/v2/document/User/{BOB}/method/rename"), json!({"name": new})).await),
        ("rename", token.call("frappe.client.rename_doc", rename).await),
        ("rename", token.call("frappe.model.rename_doc.update_document_title", title).await),
        ("share", token.call("frappe.share.add", share).await),
        ("share", token.call("frappe.share.set_permission", permit).await),
        ("delete", token.remove("User", BOB).await),
        ("delete", token.delete(&format!("/api/v2/document/User/{BOB}")).await),
        ("delete", token.call("frappe.client.delete", json!({"doctype": "User", "name": BOB})).await),
    ] {
        needs_all(&answer, what);
    }
    assert_eq!(site.db_names("User", json!({"name": ["in", [BOB, new, "carol@example.com"]]})).await, [BOB]);
    assert!(site.db_names("DocShare", json!({})).await.is_empty());
}

#[tokio::test]
async fn what_does_not_decide_about_access_a_token_may_write() {
    let site = TestSite::new().await;
    let (alice, token) = manager(&site, USERS).await;
    site.user(BOB, &["System Manager"]).await;
    alice.call(KEYS, json!({"user": BOB})).await.ok();
    // Whoever reads a document and sends it back with one change sends everything else as it was.
    let mut bob = token.read("User", BOB).await.ok();
    bob["bio"] = json!("Reads a lot");
    assert_eq!(token.update("User", BOB, bob).await.ok()["bio"], "Reads a lot");
    let patched = token.patch(&format!("/api/v2/document/User/{BOB}"), json!({"new_password": "*****"})).await.ok();
    assert_eq!(patched["roles"][0]["role"], "System Manager");
    let carol = json!({"email": "carol@example.com", "first_name": "Carol", "enabled": 1});
    let made = token.create("User", carol).await.ok();
    assert_eq!((&made["roles"], &made["social_logins"][0]["provider"]), (&json!([]), &json!("frappe")));
    site.guest().log_in(BOB, PASSWORD).await.ok();
}

#[tokio::test]
async fn the_scope_all_is_everything_that_the_person_may_do() {
    let site = TestSite::new().await;
    let (_alice, token) = manager(&site, "openid all").await;
    site.user(BOB, &[]).await;
    let made = token.post(&format!("/api/v2/document/User/{BOB}/method/generate_keys"), json!({})).await.ok();
    let key = format!("token {}:{}", made["api_key"].as_str().unwrap(), made["api_secret"].as_str().unwrap());
    assert_eq!(site.guest().with_header("authorization", &key).logged_user().await, BOB);
    token.update("User", BOB, json!({"roles": [{"role": "System Manager"}]})).await.ok();
    token.create("OAuth Scope Definition", json!({"scope": "notes.read", "description_for_people": "x"})).await.ok();
    token.remove("User", BOB).await.ok();
}

/// DocTypes that limited credentials never change in these ways, even those of Administrator with the scope `write`.
const GUARDED: [(&str, &[Right]); 32] = {
    const ALL: &[Right] = &[Right::Create, Right::Write, Right::Delete];
    // To end what is there takes access away, and is left to whoever has the scope for it.
    const BUT_DELETE: &[Right] = &[Right::Create, Right::Write];
    const SINGLE: &[Right] = &[Right::Write];
    [
        ("ACME Certificate", ALL),
        ("API Key", ALL),
        ("Backup Settings", SINGLE),
        ("Connected App", ALL),
        ("DocShare", ALL),
        ("Email Account", ALL),
        ("Idempotent Request", ALL),
        ("Log Settings", SINGLE),
        ("Login Attempt", ALL),
        ("OAuth Authorization Code", BUT_DELETE),
        ("OAuth Authorization Request", BUT_DELETE),
        ("OAuth Bearer Token", BUT_DELETE),
        ("OAuth Client", ALL),
        ("OAuth Client State", BUT_DELETE),
        ("OAuth Device Code", BUT_DELETE),
        ("OAuth Grant", &[Right::Create]),
        ("OAuth Logout Notice", BUT_DELETE),
        ("OAuth Provider Settings", SINGLE),
        ("OAuth Replay Guard", ALL),
        ("OAuth Scope Definition", ALL),
        ("OAuth Settings", SINGLE),
        ("OAuth Signing Key", ALL),
        ("Role", ALL),
        ("Session", BUT_DELETE),
        ("Social Login Key", ALL),
        ("System Settings", SINGLE),
        ("Token Cache", BUT_DELETE),
        ("User Invitation", ALL),
        ("User Permission", ALL),
        ("User Type", ALL),
        ("Webhook", ALL),
        ("Workflow", ALL),
    ]
};

/// Stores a document of each of them; returns their names.
async fn samples(site: &TestSite) -> Vec<(&'static str, String)> {
    let administrator = site.administrator().await;
    let program = Program::public(site).await;
    let _tokens = program.tokens(&administrator).await;
    let code = program.code(&administrator).await;
    assert!(!code.is_empty());
    let app = site.db_insert("Connected App", json!({"provider_name": "Elsewhere", "client_id": "us"})).await;
    site.db_insert("Role", json!({"role_name": "Librarian"})).await;
    let hook = json!({"__newname": "Roles", "webhook_doctype": "Role", "request_url": "https://hooks.example.com/"});
    site.db_insert("Webhook", hook).await;
    site.db_insert("Workflow State", json!({"workflow_state_name": "Open"})).await;
    let states = json!([{"state": "Open", "allow_edit": "All"}]);
    site.db_insert("Workflow", json!({"workflow_name": "W", "document_type": "ToDo", "states": states})).await;
    let role = json!({"allow": "Role", "for_value": "Librarian", "user": "Administrator"});
    let later = "2099-01-01 00:00:00";
    let (client, user) = (program.id.as_str(), "Administrator");
    for (doctype, values) in [
        ("ACME Certificate", json!({"domain": "docs.example.com"})),
        ("API Key", json!({"title": "Nightly backup"})),
        ("DocShare", json!({"share_doctype": "Role", "share_name": "Librarian", "user": user, "read": 1})),
        (
            "Email Account",
            json!({"email_account_name": "Site", "email_id": "site@example.com", "smtp_server": "mx.example"}),
        ),
        ("Idempotent Request", json!({"user": user, "request": "POST /api/resource/ToDo"})),
        ("Login Attempt", json!({"subject": "somebody"})),
        ("OAuth Client State", json!({"kind": "Connected App", "user": user, "connected_app": app})),
        ("OAuth Device Code", json!({"client": client, "expires_at": later})),
        ("OAuth Logout Notice", json!({"client": client, "user": user})),
        ("OAuth Replay Guard", json!({"expires_at": later})),
        ("OAuth Scope Definition", json!({"scope": "notes.read", "description_for_people": "Read your notes"})),
        ("Token Cache", json!({"connected_app": app, "user": user})),
        ("User Invitation", json!({"email": "carol@example.com"})),
        ("User Permission", role),
    ] {
        site.db_insert(doctype, values).await;
    }
    let github = json!({"social_login_provider": "GitHub", "provider_name": "GitHub", "client_id": "us"});
    administrator.create("Social Login Key", github).await.ok();
    let mut samples = Vec::new();
    for (doctype, _) in GUARDED {
        let is_single = site.documents().doctype(doctype).unwrap().issingle;
        let name = if is_single {
            doctype.to_owned()
        } else {
            let names = site.db_names(doctype, json!({})).await;
            names.into_iter().next_back().unwrap_or_else(|| panic!("give the test a {doctype}"))
        };
        samples.push((doctype, name));
    }
    samples
}

#[tokio::test]
async fn what_decides_who_may_do_what_takes_the_scope_all() {
    let site = TestSite::new().await;
    let samples = samples(&site).await;
    let methods =
        ["insert", "save", "set_value", "delete"].map(|name| format!(" method:frappe.client.{name}")).concat();
    // Administrator may do everything, and `write` is every right on every DocType.
    let token = token_of(&site, &site.administrator().await, &format!("openid write{methods}")).await;
    for ((doctype, rights), (_, name)) in GUARDED.into_iter().zip(&samples) {
        let v2 = format!("/api/v2/document/{}", doctype.replace(' ', "%20"));
        let one = resource(doctype, Some(name)).replace("/api/resource", "/api/v2/document");
        let doc = json!({"doctype": doctype, "name": name, "owner": "mallory"});
        if rights.contains(&Right::Create) {
            needs_all(&token.create(doctype, json!({"name": "New"})).await, doctype);
            needs_all(&token.post(&v2, json!({"name": "New"})).await, doctype);
            needs_all(&token.call("frappe.client.insert", json!({"doc": {"doctype": doctype}})).await, doctype);
        }
        if rights.contains(&Right::Write) {
            needs_all(&token.update(doctype, name, json!({})).await, doctype);
            needs_all(&token.patch(&one, json!({})).await, doctype);
            needs_all(&token.call("frappe.client.save", json!({"doc": doc})).await, doctype);
        }
        if rights.contains(&Right::Delete) {
            needs_all(&token.remove(doctype, name).await, doctype);
            needs_all(&token.delete(&one).await, doctype);
            let delete = json!({"doctype": doctype, "name": name});
            needs_all(&token.call("frappe.client.delete", delete).await, doctype);
        }
        token.read(doctype, name).await.ok();
    }
    // Their methods are ways to write.
    let (_, client) = &samples.iter().find(|(doctype, _)| *doctype == "OAuth Client").unwrap();
    for (doctype, name, method) in [
        ("OAuth Client", client.as_str(), "rotate_client_secret"),
        ("OAuth Settings", "OAuth Settings", "rotate_signing_keys"),
        ("Role", "Librarian", "rename"),
    ] {
        let doctype = doctype.replace(' ', "%20");
        let uri = format!("/api/v2/document/{doctype}/{}/method/{method}", name.replace(' ', "%20"));
        needs_all(&token.post(&uri, json!({"name": "System Manager", "merge": 1})).await, method);
    }
    // To take access away is what the scopes for it are for.
    for (doctype, name) in &samples {
        let rights = GUARDED.iter().find(|(known, _)| known == doctype).unwrap().1;
        if !rights.contains(&Right::Delete) && *doctype != "Session" && !doctype.ends_with("Settings") {
            assert!(token.remove(doctype, name).await.status != 403, "{doctype}");
        }
    }
}

#[tokio::test]
async fn nothing_that_holds_a_secret_or_gives_a_role_is_left_unguarded() {
    let site = TestSite::new().await;
    let registry = site.documents().registry();
    let guarded: BTreeSet<&str> = GUARDED.iter().map(|(doctype, _)| *doctype).collect();
    for doctype in registry.iter().filter(|doctype| !doctype.guarded_rights.is_empty() && doctype.name != "User") {
        assert!(guarded.contains(doctype.name.as_str()), "list {} above", doctype.name);
    }
    let decides = |field: &doctyped::testing::meta::DocField| {
        field.secret
            || field.fieldtype == doctyped::testing::meta::Fieldtype::Password
            || field.link_target() == Some("Role")
    };
    // A task, a report or what waits for a workflow may be for a role, which gives nobody anything.
    let is_meant = |doctype: &&std::sync::Arc<doctyped::testing::meta::DocType>| {
        let is_for_roles = matches!(doctype.name.as_str(), "ToDo" | "Report" | "Workflow Action");
        !doctype.istable && !doctype.is_virtual && !is_for_roles
    };
    for doctype in registry.iter().filter(is_meant) {
        let is_guarded = doctype.guarded_rights.contains(Right::Create) || doctype.issingle;
        let is_guarded = is_guarded && (doctype.guarded_rights.contains(Right::Write) || doctype.name == "OAuth Grant");
        for field in &doctype.fields {
            let rows = if field.fieldtype.is_table() { registry.get(&field.options) } else { None };
            let is_decisive = decides(field) || rows.is_some_and(|rows| rows.fields.iter().any(decides));
            assert!(!is_decisive || is_guarded || field.guarded, "guard {}.{}", doctype.name, field.fieldname);
        }
    }
}

#[tokio::test]
async fn a_stored_password_is_not_read_with_limited_credentials() {
    let site = TestSite::new().await;
    let (alice, token) = manager(&site, "openid read method:frappe.client.get_password").await;
    let values = json!({"provider_name": "Elsewhere", "client_id": "us", "client_secret": "the secret"});
    let app = alice.create("Connected App", values).await.ok();
    let asked = json!({"doctype": "Connected App", "name": app["name"], "fieldname": "client_secret"});
    alice.call("frappe.client.get_password", asked.clone()).await.error(403, "PermissionError");
    needs_all(&token.call("frappe.client.get_password", asked).await, "get_password");
}

#[tokio::test]
async fn an_account_elsewhere_is_connected_by_a_person_in_a_browser() {
    let site = TestSite::new().await;
    let (alice, token) = manager(&site, "openid read write").await;
    let values = json!({
        "provider_name": "Elsewhere", "client_id": "us",
        "authorization_uri": "https://elsewhere.example/authorize", "token_uri": "https://elsewhere.example/token",
    });
    let app = alice.create("Connected App", values).await.ok();
    let page = format!("/connected-app/{}", app["name"].as_str().unwrap());
    alice.get(&page).await.status(200);
    for (verb, uri) in [
        (Method::GET, "/connected-apps".to_owned()),
        (Method::GET, page.clone()),
        (Method::POST, format!("{page}/connect")),
        (Method::POST, format!("{page}/disconnect")),
    ] {
        let answer = token.send(verb, &uri, "application/x-www-form-urlencoded", "").await;
        assert_eq!(answer.status, 403, "{uri}: {}", answer.body);
    }
    assert!(site.db_names("OAuth Client State", json!({})).await.is_empty());
}

#[tokio::test]
async fn an_import_is_started_with_unlimited_credentials_alone() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    let file = b"Email,First Name\nnew@example.com,New\n";
    let import = prepare(&alice, "User", INSERT, "people.csv", file, json!({})).await;
    let start = "frappe.core.doctype.data_import.data_import.form_start_import";
    // The job would run with all that the person may.
    let token = token_of(&site, &alice, &format!("openid write method:{start} method:run_doc_method")).await;
    needs_all(&token.call(start, json!({"data_import": import})).await, start);
    let call = json!({"dt": "Data Import", "dn": import, "method": "start_import"});
    needs_all(&token.call("run_doc_method", call).await, "run_doc_method");
    assert_eq!(alice.read("Data Import", &import).await.ok()["status"], "Pending");
    alice.call(start, json!({"data_import": import})).await.ok();
}
