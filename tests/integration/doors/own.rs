//! What belongs to one person (their name, keys, sessions, consents, codes and connections) is written by them alone, in
//! their own browser: not by guests, other people, other sites, or programs that act for them.

use serde_json::{Value as Json, json};

use crate::oauth::device_rfc8628::{codes, consent, television};
use crate::oauth::support::{BASE, Program, bearer, hidden};
use crate::support::{Client, PASSWORD, TestSite};

const ALICE: &str = "alice@example.com";
const FIRST: &str = "battery staple correct";
const SECOND: &str = "staple correct battery";

/// Path, fields, and for whom it is.
type Door<'f> = (String, Vec<(&'f str, &'f str)>, bool);

/// A method, which a program that may do everything for her may call too.
const FOR_PROGRAMS: bool = true;
/// A page.
const FOR_PEOPLE: bool = false;

/// All that the doors could change of Alice's.
async fn state(admin: &Client) -> Vec<Json> {
    let mut state = vec![admin.read("User", ALICE).await.ok()];
    for (doctype, fields) in [
        ("Session", r#"["name","status"]"#),
        ("OAuth Grant", r#"["name","status"]"#),
        ("OAuth Bearer Token", r#"["name","status"]"#),
        ("OAuth Authorization Code", r#"["name"]"#),
        ("OAuth Authorization Request", r#"["name","status"]"#),
        ("OAuth Device Code", r#"["name","status"]"#),
        ("Token Cache", r#"["name","status"]"#),
    ] {
        let query = format!("fields={fields}&filters={{\"user\":\"{ALICE}\"}}&limit_page_length=0&order_by=name asc");
        state.push(admin.list(doctype, &query).await.ok());
    }
    state
}

#[tokio::test]
async fn what_belongs_to_one_person_is_written_by_them_alone() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let mallory = site.user("mallory@example.com", &[]).await;
    // What is hers.
    let first = site.db_names("Session", json!({"user": ALICE})).await;
    site.db_update("User", ALICE, json!({"simultaneous_sessions": 9})).await;
    for _ in 0..3 {
        site.guest().log_in(ALICE, PASSWORD).await.ok();
    }
    let sessions = site.db_names("Session", json!({"user": ALICE})).await;
    let other_session = sessions.into_iter().find(|name| !first.contains(name)).unwrap();
    let (planner, reader) = (Program::public(&site).await, Program::new(&site, json!({"app_name": "Reader"})).await);
    let asking = Program::new(&site, json!({"app_name": "Asking"})).await;
    let tokens = planner.tokens(&alice).await;
    reader.tokens(&alice).await;
    let grants = site.db_names("OAuth Grant", json!({"user": ALICE, "client": planner.id})).await;
    let page = alice.get(&alice.get(&asking.authorize_uri(&[])).await.redirect()).await.status(200);
    let request = hidden(&page.body, "request_id");
    let device = hidden(&consent(&alice, &codes(&television(&site).await).await).await.body, "request_id");
    let link = json!({"social_logins": [{"provider": "github", "userid": "1"}]});
    site.db_update("User", ALICE, link).await;
    let app = json!({"provider_name": "P", "client_id": "c", "client_secret": "s"});
    let app = site.db_insert("Connected App", app).await;
    site.db_insert("Token Cache", json!({"user": ALICE, "connected_app": app, "status": "Connected"})).await;
    // As if she had connected: the flow stores it as hers.
    site.database().execute(&format!("UPDATE \"tabToken Cache\" SET owner = '{ALICE}'")).await;

    let admin = site.administrator().await;
    let user = "/api/method/frappe.core.doctype.user.user.";
    let doors: [Door<'_>; 13] = [
        ("/me/name".to_owned(), vec![("first_name", "Taken")], FOR_PEOPLE),
        ("/me/api-key".to_owned(), vec![], FOR_PEOPLE),
        (format!("{user}generate_keys"), vec![("user", ALICE)], FOR_PROGRAMS),
        (format!("{user}switch_theme"), vec![("theme", "Dark")], FOR_PROGRAMS),
        ("/linked-accounts/unlink".to_owned(), vec![("provider", "github"), ("userid", "1")], FOR_PEOPLE),
        (format!("/connected-app/{app}/disconnect"), vec![], FOR_PEOPLE),
        (format!("{BASE}approve"), vec![("request_id", &request), ("decision", "allow")], FOR_PEOPLE),
        ("/device".to_owned(), vec![("request_id", &device), ("decision", "allow")], FOR_PEOPLE),
        ("/third_party_apps/revoke".to_owned(), vec![("grant", &grants[0])], FOR_PEOPLE),
        (
            "/api/method/frappe.www.third_party_apps.delete_client".to_owned(),
            vec![("client_id", &reader.id)],
            FOR_PROGRAMS,
        ),
        ("/me/sessions/end".to_owned(), vec![("session", &other_session)], FOR_PEOPLE),
        (format!("{user}update_password"), vec![("old_password", PASSWORD), ("new_password", FIRST)], FOR_PROGRAMS),
        (
            "/me/password".to_owned(),
            vec![("old_password", FIRST), ("new_password", SECOND), ("repeated", SECOND)],
            FOR_PEOPLE,
        ),
    ];

    let program = bearer(&site, &tokens);
    let abroad = alice.with_header("origin", "https://evil.example").with_header("sec-fetch-site", "cross-site");
    let token = async |client: &Client| hidden(&client.get("/me").await.status(200).body, "csrf_token");
    let own = (token(&alice).await, token(&mallory).await);
    let mut wrong = Vec::new();
    let before = state(&admin).await;
    for (path, fields, for_programs) in &doors {
        for (who, client, csrf_token) in [
            ("a guest", &site.guest(), ""),
            ("a guest with her token", &site.guest(), own.0.as_str()),
            ("somebody else", &mallory, own.1.as_str()),
            ("somebody else with her token", &mallory, own.0.as_str()),
            ("another site", &abroad, ""),
            ("a program", &program, ""),
        ] {
            if who == "a program" && *for_programs {
                continue;
            }
            let mut fields = fields.clone();
            fields.push(("csrf_token", csrf_token));
            let answer = client.form(path, &fields).await;
            if state(&admin).await != before {
                wrong.push(format!("{path} for {who} changed something: {} {}", answer.status, answer.body));
            }
            let lets_in = answer.status.is_success()
                || answer.status.is_redirection() && !answer.header("location").starts_with("/login");
            if lets_in && !who.starts_with("somebody") || answer.status.is_server_error() {
                wrong.push(format!("{path} for {who}: {} {}", answer.status, answer.body));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // And all of it by her.
    for (path, fields, _) in &doors {
        let before = state(&admin).await;
        let mut fields = fields.clone();
        let token = token(&alice).await;
        fields.push(("csrf_token", &token));
        let answer = alice.form(path, &fields).await;
        // Passwords and secrets of keys show nowhere; whether they hold is asked below.
        let shows = !["/password", "_password", "generate_keys"].iter().any(|secret| path.ends_with(secret));
        if shows && state(&admin).await == before || answer.status.is_client_error() {
            wrong.push(format!("{path} for her: {} {}", answer.status, answer.body));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (password, status) in [(PASSWORD, 401), (FIRST, 401), (SECOND, 200)] {
        site.guest().log_in(ALICE, password).await.status(status);
    }
}
