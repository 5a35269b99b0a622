//! API Keys as documents: how they are made, what their limits leave, how they are rolled and how they end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use crate::files::upload_to;
use crate::oauth::support::{Program, bearer, hidden};
use crate::support::client::Response;
use crate::support::{Client, TestSite};

const ALICE: &str = "alice@example.com";
const BOB: &str = "bob@example.com";
const MANAGER: &str = "manager@example.com";
const PING: &str = "/api/method/ping";

/// A key: its id, its secret, and what a program sends.
pub(crate) struct Key {
    pub id: String,
    pub secret: String,
    pub header: String,
}

impl Key {
    fn of(made: &Json) -> Self {
        let text = |name: &str| made[name].as_str().unwrap_or_else(|| panic!("no {name} in {made}")).to_owned();
        let key = Self { id: text("api_key"), secret: text("api_secret"), header: text("authorization") };
        assert_eq!(key.header, format!("token {}:{}", key.id, key.secret));
        key
    }

    pub(crate) async fn make(person: &Client, values: Json) -> Self {
        let mut all = json!({"title": "Nightly backup"});
        all.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
        Self::of(&person.create("API Key", all).await.ok())
    }

    pub(crate) fn client(&self, site: &TestSite) -> Client {
        site.guest().with_header("authorization", &self.header)
    }

    async fn call(&self, person: &Client, method: &str, arguments: Json) -> Response {
        person.post(&format!("/api/v2/document/API%20Key/{}/method/{method}", self.id), arguments).await
    }
}

/// A key without any limit.
fn unlimited() -> Json {
    json!({"scopes": "", "validity": "Until Revoked"})
}

#[tokio::test]
async fn a_key_is_made_by_the_api_shown_once_and_opens_as_token_and_as_basic() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let made = alice.create("API Key", json!({"title": "Laptop"})).await.ok();
    assert_eq!((&made["user"], &made["scopes"], &made["validity"]), (&json!(ALICE), &json!("read"), &json!("90 Days")));
    let key = Key::of(&made);
    assert_eq!(made["name"], key.id.as_str());
    assert!(key.id.starts_with("key_") && key.secret.starts_with("dt_key_"));
    let basic = format!("Basic {}", STANDARD.encode(format!("{}:{}", key.id, key.secret)));
    for header in [&key.header, &key.header.replace("token", "TOKEN"), &basic] {
        assert_eq!(site.guest().with_header("authorization", header).logged_user().await, ALICE, "{header}");
    }
    for answer in [
        alice.read("API Key", &key.id).await,
        alice.get(&format!("/api/v2/document/API%20Key/{}", key.id)).await,
        alice.list("API Key", "fields=[\"*\"]").await,
        alice.get(&format!("/app/api-key/{}", key.id)).await,
        alice.get("/me").await,
    ] {
        assert!(answer.status == 200 && answer.body.contains(&key.id), "{}", answer.body);
        assert!(!answer.body.contains(&key.secret) && !answer.body.contains("digest"), "{}", answer.body);
    }
    let system = doctyped::testing::permissions::Session::system();
    let stored = site.documents().get(&system, "API Key", &key.id).await.unwrap();
    assert_ne!(stored.text("secret_digest"), "");
    assert!(!stored.text("secret_digest").contains(&key.secret));
    let events = site.db_names("Security Event", json!({"event": "API Key Created", "user": ALICE})).await;
    assert_eq!(events.len(), 1);
}

#[tokio::test]
async fn a_key_is_made_on_the_form_of_the_desk_and_on_ones_own_page() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &["System Manager"]).await;
    let page = alice.get("/app/api-key/new").await.status(200).body;
    let token = hidden(&page, "csrf_token");
    let fields = [
        ("csrf_token", &*token),
        ("__action", "save"),
        ("title", "By form"),
        ("scopes", "read"),
        ("enabled", "1"),
        ("validity", "30 Days"),
    ];
    let to = alice.form("/app/api-key/new", &fields).await.redirect();
    let shown = alice.get(&to).await.status(200).body;
    let secret = shown.split("dt_key_").nth(1).expect("the secret is shown").split(['<', '"', '&']).next().unwrap();
    assert!(!alice.get(&to).await.status(200).body.contains(secret), "it is shown once");

    site.db_user("web@example.com", json!({"user_type": "Website User"})).await;
    let web = site.guest();
    web.log_in("web@example.com", crate::support::PASSWORD).await.ok();
    let post = async |path: &str, fields: &[(&str, &str)]| {
        let token = hidden(&web.get("/me").await.status(200).body, "csrf_token");
        let mut fields = fields.to_vec();
        fields.push(("csrf_token", &token));
        web.form(path, &fields).await
    };
    let shown = async || {
        let page = web.get("/me").await.status(200).body;
        page.split("Authorization: ").nth(1).expect("the header is shown").split('<').next().unwrap().to_owned()
    };
    let wrong = post("/me/keys", &[("title", "Phone"), ("scopes", "reed"), ("validity", "1 Year")]).await.status(417);
    assert!(
        wrong.body.contains("reed: nothing defines this scope") && wrong.body.contains("value=\"Phone\""),
        "{}",
        wrong.body
    );
    let typed = [("title", "Phone"), ("scopes", ""), ("validity", "Until a Date"), ("expires_at", "2099-01-02T03:04")];
    assert_eq!(post("/me/keys", &typed).await.redirect(), "/me");
    let header = shown().await;
    let program = site.guest().with_header("authorization", &header);
    assert_eq!(program.logged_user().await, "web@example.com");
    let page = web.get("/me").await.status(200).body;
    assert!(page.contains("until 2099-01-02 03:04") && page.contains("everything you may do"), "{page}");
    assert!(!page.contains("Authorization: "), "it is shown once");
    assert!(page.contains("class=\"what\">Phone ") && !page.contains("Disabled"), "{page}");
    let id = header.split([' ', ':']).nth(1).unwrap();
    assert_eq!(post("/me/keys/roll", &[("key", id)]).await.redirect(), "/me");
    let newer = site.guest().with_header("authorization", &shown().await);
    for program in [&program, &newer] {
        assert_eq!(program.logged_user().await, "web@example.com");
    }
    assert_eq!(post("/me/keys/end-old", &[("key", id)]).await.redirect(), "/me?done=end_previous_secret");
    program.get(PING).await.error(401, "AuthenticationError");
    assert_eq!(newer.logged_user().await, "web@example.com");
    assert_eq!(post("/me/keys/revoke", &[("key", id)]).await.redirect(), "/me?done=revoke");
    newer.get(PING).await.error(401, "AuthenticationError");
    assert!(!web.get("/me").await.status(200).body.contains(id), "what is revoked is not listed");
}

/// One of each kind of place where programs go, as GET requests that open for Alice.
async fn doors(site: &TestSite, alice: &Client) -> Vec<String> {
    let todo = alice.create("ToDo", json!({"description": "Water the plants"})).await.ok();
    let name = todo["name"].as_str().unwrap();
    let fields = [("is_private", "1"), ("doctype", "ToDo"), ("docname", name)];
    let file = upload_to(alice, "/api/method/upload_file", "a.txt", b"hello", &fields).await.ok();
    let _ = site;
    vec![
        format!("/api/resource/ToDo/{name}"),
        "/api/resource/ToDo".to_owned(),
        format!("/api/v2/document/ToDo/{name}"),
        "/api/v2/document/ToDo".to_owned(),
        "/api/method/frappe.auth.get_logged_user".to_owned(),
        "/api/method/frappe.client.get_count?doctype=ToDo".to_owned(),
        format!("/api/v2/document/ToDo/{name}/method/get_permissions"),
        file["file_url"].as_str().unwrap().to_owned(),
        PING.to_owned(),
        "/api/openapi.json".to_owned(),
    ]
}

#[tokio::test]
async fn what_ends_a_key_ends_it_at_every_door() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let doors = doors(&site, &alice).await;
    for (what, values) in [
        ("revoked", json!({})),
        ("deleted", json!({})),
        ("disabled", json!({})),
        ("expired", json!({"validity": "30 Days"})),
        ("a date that came", json!({"validity": "Until a Date", "expires_at": "2099-01-01 00:00:00"})),
        ("elsewhere", json!({"allowed_addresses": "203.0.113.7"})),
        ("wrong secret", json!({})),
        ("a disabled user", json!({})),
    ] {
        // The session of the browser may be over by now.
        alice.log_in(ALICE, crate::support::PASSWORD).await.ok();
        let mut settings = unlimited();
        settings.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
        let mut key = Key::make(&alice, settings).await;
        let mut program = key.client(&site);
        if what != "elsewhere" {
            for door in &doors {
                let answer = program.get(door).await;
                assert!(!matches!(answer.status.as_u16(), 401 | 403), "{what} {door}: {}", answer.body);
            }
        }
        match what {
            "revoked" => drop(key.call(&alice, "revoke", json!({})).await.ok()),
            "deleted" => drop(alice.remove("API Key", &key.id).await.ok()),
            "disabled" => drop(alice.update("API Key", &key.id, json!({"enabled": 0})).await.ok()),
            "expired" => site.clock.advance(chrono::Duration::days(30)),
            "a date that came" => {
                let passed = (site.clock.now() + chrono::Duration::hours(1)).format("%Y-%m-%d %H:%M:%S").to_string();
                site.db_update("API Key", &key.id, json!({"expires_at": passed})).await;
                site.clock.advance(chrono::Duration::hours(1));
            }
            "wrong secret" => {
                key.header = key.header.replace("dt_key_", "dt_key_x");
                program = key.client(&site);
            }
            "a disabled user" => {
                drop(site.administrator().await.update("User", ALICE, json!({"enabled": 0})).await.ok());
            }
            _ => {}
        }
        for door in &doors {
            program.get(door).await.status(401);
        }
        for (verb, door) in
            [("POST", "/api/resource/ToDo"), ("POST", "/api/method/upload_file"), ("DELETE", &*doors[0])]
        {
            program
                .json(verb.parse().unwrap(), door, json!({"description": "x"}))
                .await
                .error(401, "AuthenticationError");
        }
    }
    // Whose account comes back has to make keys anew.
    let keys = site.db_names("API Key", json!({"user": ALICE, "revoked_at": ["is", "not set"]})).await;
    assert!(keys.is_empty(), "{keys:?}");
}

#[tokio::test]
async fn pages_and_assistants_take_no_keys() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &["System Manager"]).await;
    let program = Key::make(&alice, unlimited()).await.client(&site);
    for page in ["/app", "/app/todo", "/me", "/app/api-key/new", "/app/_access"] {
        program.get(page).await.status(403);
    }
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    assert_eq!(program.post("/mcp", message).await.status, 401);
    // It is no token of OAuth either.
    let header = Key::make(&alice, unlimited()).await.header.replace("token", "Bearer");
    site.guest().with_header("authorization", &header).get(PING).await.error(401, "AuthenticationError");
}

#[tokio::test]
async fn scopes_take_away_from_the_rights_of_the_person_as_those_of_tokens_do() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &["System Manager"]).await;
    let todo = alice.create("ToDo", json!({"description": "Water"})).await.ok()["name"].as_str().unwrap().to_owned();
    let count = "/api/method/frappe.client.get_count?doctype=ToDo";
    let mut seen = Vec::new();
    for scopes in [
        "read",
        "write",
        "doctype:ToDo:read",
        "doctype:ToDo:create",
        "doctype:User:read",
        "method:frappe.client.get_count",
        "all",
        "",
    ] {
        let program = Key::make(&alice, json!({"scopes": scopes})).await.client(&site);
        let read = program.read("ToDo", &todo).await.status.as_u16();
        let written = program.update("ToDo", &todo, json!({"priority": "High"})).await;
        let made = program.create("ToDo", json!({"description": "x"})).await.status.as_u16();
        let counted = program.get(count).await.status.as_u16();
        let guarded = program.update("User", ALICE, json!({"restrict_ip": "203.0.113.7"})).await.status.as_u16();
        if written.status == 403 {
            let challenge = written.header("www-authenticate");
            assert!(
                challenge.contains("insufficient_scope") && challenge.contains("doctype:ToDo:write"),
                "{challenge}"
            );
        }
        seen.push((scopes, [read, written.status.as_u16(), made, counted, guarded]));
    }
    assert_eq!(
        seen,
        [
            ("read", [200, 403, 403, 200, 403]),
            ("write", [200, 200, 200, 200, 403]),
            ("doctype:ToDo:read", [200, 403, 403, 200, 403]),
            ("doctype:ToDo:create", [200, 403, 200, 200, 403]),
            ("doctype:User:read", [403, 403, 403, 403, 403]),
            ("method:frappe.client.get_count", [403, 403, 403, 403, 403]),
            ("all", [200, 200, 200, 200, 200]),
            ("", [200, 200, 200, 200, 200]),
        ]
    );
    // Never more than the person may.
    let bob = site.user(BOB, &[]).await;
    let program = Key::make(&bob, json!({"scopes": "all"})).await.client(&site);
    program.read("User", ALICE).await.error(403, "PermissionError");
}

#[tokio::test]
async fn addresses_count_as_the_proxy_saw_them() {
    let site = TestSite::new().with_config(|config| config.trusted_proxies = 1).await;
    let alice = site.user(ALICE, &[]).await;
    let key = Key::make(&alice, json!({"allowed_addresses": "203.0.113.7, 10.20.0.0/16\n2001:DB8::/32"})).await;
    let stored = alice.read("API Key", &key.id).await.ok();
    assert_eq!(stored["allowed_addresses"], "203.0.113.7\n10.20.0.0/16\n2001:db8::/32");
    for (forwarded, is_admitted) in [
        ("203.0.113.7", true),
        ("203.0.113.8", false),
        ("10.20.255.1", true),
        ("10.21.0.1", false),
        ("2001:db8:1::5", true),
        ("2001:db9::5", false),
        ("::ffff:10.20.0.9", true),
        ("::ffff:10.99.0.9", false),
        // What a client says of itself does not count.
        ("203.0.113.7, 198.51.100.1", false),
        ("198.51.100.1, 203.0.113.7", true),
    ] {
        let answer = key.client(&site).with_header("x-forwarded-for", forwarded).get(PING).await;
        assert_eq!(answer.status.as_u16(), if is_admitted { 200 } else { 401 }, "{forwarded}: {}", answer.body);
        if !is_admitted {
            assert!(answer.body.contains("may not be used from"), "{}", answer.body);
        }
    }
    for wrong in ["10.20.0.5/16", "office", "10.0.0.0/33", "::ffff:10.0.0.1"] {
        let refused = alice.update("API Key", &key.id, json!({"allowed_addresses": wrong})).await;
        assert!(refused.error(417, "ValidationError").to_string().contains(wrong));
    }
}

#[tokio::test]
async fn people_see_and_change_their_own_keys_and_managers_end_those_of_others() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let bob = site.user(BOB, &[]).await;
    let manager = site.user(MANAGER, &["System Manager"]).await;
    let key = Key::make(&alice, unlimited()).await;
    let program = key.client(&site);
    // Others learn nothing.
    bob.read("API Key", &key.id).await.error(403, "PermissionError");
    assert_eq!(bob.list("API Key", "").await.ok(), json!([]));
    for method in ["roll", "revoke", "end_previous_secret"] {
        assert_eq!(key.call(&bob, method, json!({})).await.status, 403, "{method}");
    }
    bob.update("API Key", &key.id, json!({"enabled": 0})).await.error(403, "PermissionError");
    bob.remove("API Key", &key.id).await.error(403, "PermissionError");
    site.guest().create("API Key", json!({"title": "x"})).await.error(401, "AuthenticationError");
    for person in [&bob, &manager] {
        person.create("API Key", json!({"title": "x", "user": ALICE})).await.error(403, "PermissionError");
    }
    // Managers see all, never a secret, and take away alone.
    assert_eq!(manager.read("API Key", &key.id).await.ok()["user"], ALICE);
    assert_eq!(key.call(&manager, "roll", json!({})).await.status, 403);
    for change in [json!({"scopes": "all"}), json!({"allowed_addresses": "10.0.0.1"}), json!({"validity": "1 Year"})] {
        manager.update("API Key", &key.id, change).await.error(403, "PermissionError");
    }
    manager.update("API Key", &key.id, json!({"enabled": 0})).await.ok();
    program.get(PING).await.error(401, "AuthenticationError");
    manager.update("API Key", &key.id, json!({"enabled": 1})).await.error(403, "PermissionError");
    alice.update("API Key", &key.id, json!({"enabled": 1})).await.ok();
    assert_eq!(program.logged_user().await, ALICE);
    // What the program writes nobody else does.
    alice.update("API Key", &key.id, json!({"user": MANAGER})).await.error(403, "PermissionError");
    for change in [
        json!({"secret_digest": "x"}),
        json!({"last_used_from": "10.0.0.1"}),
        json!({"previous_secret_digest": "x", "previous_secret_expires_at": "2099-01-01 00:00:00"}),
    ] {
        alice.update("API Key", &key.id, change).await.ok();
    }
    assert_eq!(program.logged_user().await, ALICE);
    assert_eq!(alice.read("API Key", &key.id).await.ok()["user"], ALICE);
    key.call(&manager, "revoke", json!({})).await.ok();
    program.get(PING).await.error(401, "AuthenticationError");
    for change in [json!({"enabled": 1}), json!({"revoked_at": null, "enabled": 1}), json!({"title": "Again"})] {
        alice.update("API Key", &key.id, change).await.error(417, "ValidationError");
    }
    assert_eq!(key.call(&alice, "roll", json!({})).await.status, 417);
    program.get(PING).await.error(401, "AuthenticationError");
}

#[tokio::test]
async fn a_key_or_token_with_limits_makes_and_changes_no_keys() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &["System Manager"]).await;
    let key = Key::make(&alice, unlimited()).await;
    let mut program = Program::public(&site).await;
    "openid write".clone_into(&mut program.scope);
    let token = bearer(&site, &program.tokens(&alice).await);
    let limited = [
        (
            "write",
            json!({"scopes": "write doctype:API_Key:create method:frappe.client.insert", "validity": "Until Revoked"}),
        ),
        ("ends", json!({"scopes": "", "validity": "1 Year"})),
        ("elsewhere", json!({"scopes": "", "validity": "Until Revoked", "allowed_addresses": "127.0.0.1"})),
    ];
    let mut clients = vec![("token", token)];
    for (what, values) in limited {
        clients.push((what, Key::make(&alice, values).await.client(&site)));
    }
    for (what, client) in clients {
        for answer in [
            client.create("API Key", json!({"title": "x"})).await,
            client.call("frappe.client.insert", json!({"doc": {"doctype": "API Key", "title": "x"}})).await,
            client.update("API Key", &key.id, json!({"title": "y"})).await,
            key.call(&client, "roll", json!({})).await,
            key.call(&client, "end_previous_secret", json!({})).await,
            client.call("frappe.core.doctype.user.user.generate_keys", json!({"user": ALICE})).await,
        ] {
            assert_eq!(answer.status, 403, "{what}: {}", answer.body);
        }
    }
    // One that is limited by nothing does what its person does.
    let other = Key::make(&key.client(&site), json!({})).await;
    assert_eq!(other.client(&site).logged_user().await, ALICE);
    key.call(&key.client(&site), "roll", json!({})).await.ok();
}

#[tokio::test]
async fn two_secrets_live_beside_each_other_until_the_old_one_is_ended_or_its_time_is_over() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let old = Key::make(&alice, unlimited()).await;
    let new = Key::of(&old.call(&alice, "roll", json!({})).await.ok());
    assert_eq!(new.id, old.id);
    assert_ne!(new.secret, old.secret);
    for key in [&old, &new] {
        assert_eq!(key.client(&site).logged_user().await, ALICE);
    }
    // A third one would cut off whoever has the first.
    assert!(
        old.call(&alice, "roll", json!({})).await.error(417, "ValidationError").to_string().contains("end the old one")
    );
    let shown = alice.read("API Key", &old.id).await.ok();
    assert!(shown["previous_last_used"].is_string() && shown["last_used"].is_string(), "{shown}");
    site.clock.advance(chrono::Duration::hours(7 * 24));
    old.client(&site).get(PING).await.error(401, "AuthenticationError");
    assert_eq!(new.client(&site).logged_user().await, ALICE);
    let newer = Key::of(&old.call(&alice, "roll", json!({"grace_hours": 1})).await.ok());
    assert_eq!(new.client(&site).logged_user().await, ALICE);
    old.call(&alice, "end_previous_secret", json!({})).await.ok();
    new.client(&site).get(PING).await.error(401, "AuthenticationError");
    let newest = Key::of(&old.call(&alice, "roll", json!({"grace_hours": 0})).await.ok());
    newer.client(&site).get(PING).await.error(401, "AuthenticationError");
    assert_eq!(newest.client(&site).logged_user().await, ALICE);
    for wrong in [json!(-1), json!(100_000), json!("soon"), json!(1.5)] {
        assert_eq!(old.call(&alice, "roll", json!({"grace_hours": wrong})).await.status, 417, "{wrong}");
    }
}

#[tokio::test]
async fn a_key_is_rolled_under_load_without_a_refusal() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let old = Key::make(&alice, json!({"scopes": "read"})).await;
    let (is_over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (client, is_over, answered) = (old.client(&site), Arc::clone(&is_over), Arc::clone(&answered));
        running.spawn(async move {
            while !is_over.load(Ordering::SeqCst) {
                client.get("/api/resource/ToDo").await.ok();
                answered.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    let grow = async |by: usize| {
        let at = answered.load(Ordering::SeqCst);
        while answered.load(Ordering::SeqCst) < at + by {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    grow(20).await;
    let new = Key::of(&old.call(&alice, "roll", json!({})).await.ok());
    for _ in 0..20 {
        new.client(&site).get("/api/resource/ToDo").await.ok();
    }
    grow(20).await;
    is_over.store(true, Ordering::SeqCst);
    while let Some(done) = running.join_next().await {
        done.expect("every request with the old secret is answered");
    }
}

#[tokio::test]
async fn that_a_key_is_used_is_written_down_now_and_then() {
    let site = TestSite::new().with_config(|config| config.trusted_proxies = 1).await;
    let alice = site.user(ALICE, &[]).await;
    let key = Key::make(&alice, json!({})).await;
    let from = async |address: &str| {
        key.client(&site).with_header("x-forwarded-for", address).get(PING).await.ok();
        let shown = alice.read("API Key", &key.id).await.ok();
        (shown["last_used"].clone(), shown["last_used_from"].as_str().unwrap().to_owned())
    };
    let (first, address) = from("203.0.113.7").await;
    assert_eq!(address, "203.0.113.7");
    site.clock.advance(chrono::Duration::minutes(4));
    assert_eq!(from("203.0.113.8").await, (first.clone(), address));
    site.clock.advance(chrono::Duration::minutes(2));
    let (second, address) = from("2001:db8::1").await;
    assert_ne!(second, first);
    assert_eq!(address, "2001:db8::1");
}

#[tokio::test]
async fn keys_end_with_the_account_and_with_a_password_where_that_was_asked_for() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let key = Key::make(&alice, unlimited()).await;
    let program = key.client(&site);
    let change = |old: &str, new: &str, revoke: bool| json!({"old_password": old, "new_password": new, "revoke_api_key": revoke});
    let method = "frappe.core.doctype.user.user.update_password";
    let second = "battery staple correct";
    alice.call(method, change(crate::support::PASSWORD, second, false)).await.ok();
    assert_eq!(program.logged_user().await, ALICE);
    alice.call(method, change(second, crate::support::PASSWORD, true)).await.ok();
    program.get(PING).await.error(401, "AuthenticationError");
    let program = Key::make(&alice, unlimited()).await.client(&site);
    assert_eq!(program.logged_user().await, ALICE);
    let administrator = site.administrator().await;
    administrator.update("User", ALICE, json!({"enabled": 0})).await.ok();
    program.get(PING).await.error(401, "AuthenticationError");
    administrator.update("User", ALICE, json!({"enabled": 1})).await.ok();
    program.get(PING).await.error(401, "AuthenticationError");
    administrator.remove("User", ALICE).await.ok();
    assert!(site.db_names("API Key", json!({})).await.is_empty());
}

#[tokio::test]
async fn the_answers_of_one_key_are_not_those_of_another() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let (one, other) = (Key::make(&alice, unlimited()).await, Key::make(&alice, unlimited()).await);
    let send = async |key: &Key| {
        let client = key.client(&site).with_header("idempotency-key", "the-same-for-both");
        client.create("ToDo", json!({"description": "Once"})).await.ok()["name"].clone()
    };
    assert_eq!(send(&one).await, send(&one).await);
    assert_ne!(send(&one).await, send(&other).await);
}
