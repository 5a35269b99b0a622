//! What a program may do with its own registration, and what becomes of its tokens when it is gone.

use serde_json::{Value as Json, json};

use super::registration_rfc7591::{register, settings};
use super::support::{BASE, Program, bearer};
use crate::support::{Client, TestSite};

const WHO: &str = "/api/method/frappe.auth.get_logged_user";

/// A program that registered itself.
struct Registered {
    made: Json,
    uri: String,
    manager: Client,
}

impl Registered {
    async fn new(site: &TestSite, changes: Json) -> Self {
        let mut metadata = json!({
            "client_name": "Planner",
            "redirect_uris": ["https://app.example/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
        });
        metadata.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let made = register(&site.guest(), metadata).await.status(201).json();
        let uri = format!("{BASE}register_client/{}", made["client_id"].as_str().unwrap());
        let token = made["registration_access_token"].as_str().unwrap();
        let manager = site.guest().with_header("authorization", &format!("Bearer {token}"));
        Self { made, uri, manager }
    }

    fn id(&self) -> &str {
        self.made["client_id"].as_str().unwrap()
    }

    /// An update that changes something.
    fn with(&self, changes: &Json) -> Json {
        let mut metadata = self.made.clone();
        for server_side in ["client_id_issued_at", "client_secret_expires_at", "registration_access_token"] {
            metadata.as_object_mut().unwrap().remove(server_side);
        }
        metadata.as_object_mut().unwrap().remove("registration_client_uri");
        for (name, value) in changes.as_object().unwrap() {
            metadata[name] = value.clone();
        }
        metadata
    }
}

#[tokio::test]
async fn a_program_reads_its_registration_but_never_its_secret_again() {
    let site = TestSite::new().await;
    let program = Registered::new(&site, json!({"token_endpoint_auth_method": "client_secret_basic"})).await;
    let read = program.manager.get(&program.uri).await.status(200);
    assert_eq!(read.header("cache-control"), "no-store");
    let mut expected = program.made.clone();
    for shown_once in ["client_secret", "client_secret_expires_at"] {
        assert!(expected.as_object_mut().unwrap().remove(shown_once).is_some());
    }
    assert_eq!(read.json(), expected);
}

#[tokio::test]
async fn only_the_holder_of_the_registration_token_manages_it() {
    let site = TestSite::new().await;
    let program = Registered::new(&site, json!({})).await;
    let other = Registered::new(&site, json!({})).await;
    let by_administrator = Program::new(&site, json!({})).await;
    let unknown = format!("{BASE}register_client/nobody");
    let of_administrator = format!("{BASE}register_client/{}", by_administrator.id);
    for (client, uri) in [
        (&site.guest(), &program.uri),
        (&site.administrator().await, &program.uri),
        (&other.manager, &program.uri),
        (&program.manager, &unknown),
        (&program.manager, &of_administrator),
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let method = poem::http::Method::from_bytes(method.as_bytes()).unwrap();
            let refused = client.json(method, uri, json!({})).await.oauth_error(401, "invalid_token");
            assert!(refused.header("www-authenticate").starts_with("Bearer"));
        }
    }
    program.manager.get(&program.uri).await.status(200);
    program.manager.post(&program.uri, json!({})).await.status(405);
}

#[tokio::test]
async fn an_update_replaces_what_is_registered_and_what_it_leaves_out_is_gone() {
    let site = TestSite::new().await;
    let program =
        Registered::new(&site, json!({"client_uri": "https://app.example/", "contacts": ["a@b.example"]})).await;
    let new_uris = json!(["https://app.example/new", "https://app.example/other"]);
    let mut update = program.with(&json!({"client_name": "Planner 2", "redirect_uris": new_uris}));
    update.as_object_mut().unwrap().remove("contacts");
    let updated = program.manager.put(&program.uri, update).await.status(200).json();
    assert_eq!(updated["client_name"], "Planner 2");
    assert_eq!(updated["redirect_uris"], new_uris);
    assert_eq!(updated["client_uri"], "https://app.example/");
    assert!(updated.get("contacts").is_none(), "{updated}");
    assert_eq!(updated["client_id_issued_at"], program.made["client_id_issued_at"]);
    assert_eq!(program.manager.get(&program.uri).await.status(200).json(), updated);
    let alice = site.user("alice@example.com", &[]).await;
    let authorize = Program::registered(&site, &program.made, "openid").authorize_uri(&[]);
    alice.get(&authorize).await.status(400);
}

#[tokio::test]
async fn an_update_obeys_the_rules_of_a_registration() {
    let site = TestSite::new().await;
    let program = Registered::new(&site, json!({})).await;
    for (changes, code) in [
        (json!({"redirect_uris": ["http://app.example/callback"]}), "invalid_redirect_uri"),
        (json!({"client_id": "another"}), "invalid_client_metadata"),
        (json!({"client_secret": "wished for"}), "invalid_client_metadata"),
        (json!({"registration_access_token": "x"}), "invalid_client_metadata"),
        (json!({"grant_types": ["implicit"]}), "invalid_client_metadata"),
        (json!({"client_name": "a".repeat(200)}), "invalid_client_metadata"),
    ] {
        program.manager.put(&program.uri, program.with(&changes)).await.oauth_error(400, code);
    }
    let wider = program.manager.put(&program.uri, program.with(&json!({"scope": "all openid"}))).await.status(200);
    assert_eq!(wider.json()["scope"], "read openid");
    let mut expected = program.made.clone();
    expected["scope"] = json!("read openid");
    assert_eq!(program.manager.get(&program.uri).await.status(200).json(), expected);
}

#[tokio::test]
async fn a_program_that_begins_to_keep_a_secret_gets_one_once() {
    let site = TestSite::new().await;
    let program = Registered::new(&site, json!({})).await;
    let confidential = program.with(&json!({"token_endpoint_auth_method": "client_secret_post"}));
    let updated = program.manager.put(&program.uri, confidential.clone()).await.status(200).json();
    let secret = updated["client_secret"].as_str().unwrap();
    assert!(secret.starts_with("dt_cs_"));
    let again = program.manager.put(&program.uri, confidential).await.status(200).json();
    assert!(again.get("client_secret").is_none());
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "dt_rt_x"),
        ("client_id", program.id()),
        ("client_secret", secret),
    ];
    site.guest().form(&format!("{BASE}get_token"), &fields).await.oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn what_administrators_decide_survives_an_update() {
    let site = TestSite::new().await;
    let program = Registered::new(&site, json!({})).await;
    let decided = json!({"access_token_lifetime": 120, "allowed_roles": [{"role": "System Manager"}], "trusted": 1});
    site.db_update("OAuth Client", program.id(), decided).await;
    program.manager.put(&program.uri, program.with(&json!({"client_name": "New"}))).await.status(200);
    let client = site.administrator().await.read("OAuth Client", program.id()).await.ok();
    assert_eq!((&client["access_token_lifetime"], &client["trusted"]), (&json!(120), &json!(1)));
    assert_eq!(client["allowed_roles"][0]["role"], "System Manager");
    assert_eq!(client["registered_by"], "Dynamic Registration");
}

#[tokio::test]
async fn a_program_that_removes_itself_takes_its_tokens_along_and_is_told_to_register_again() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let registered = Registered::new(&site, json!({})).await;
    let program = Program::registered(&site, &registered.made, "openid");
    let tokens = program.tokens(&alice).await;
    let token = bearer(&site, &tokens);
    let profile = format!("{BASE}openid_profile");
    token.get(&profile).await.status(200);
    registered.manager.delete(&registered.uri).await.status(204);
    token.get(&profile).await.status(401);
    token.get(WHO).await.status(401);
    program.refresh(tokens["refresh_token"].as_str().unwrap()).await.oauth_error(401, "invalid_client");
    registered.manager.get(&registered.uri).await.oauth_error(401, "invalid_token");
    alice.get(&program.authorize_uri(&[])).await.status(400);
    assert!(site.db_names("OAuth Bearer Token", json!({})).await.is_empty());
    assert!(site.db_names("OAuth Grant", json!({})).await.is_empty());
    assert_eq!(site.db_names("Security Event", json!({"event": "Client Removed"})).await.len(), 1);
}

#[tokio::test]
async fn a_registration_is_managed_even_while_nobody_new_may_register() {
    let site = TestSite::new().await;
    let program = Registered::new(&site, json!({})).await;
    settings(&site, json!({"enable_dynamic_client_registration": 0})).await;
    program.manager.get(&program.uri).await.status(200);
    site.db_update("OAuth Client", program.id(), json!({"enabled": 0})).await;
    program.manager.get(&program.uri).await.oauth_error(403, "access_denied");
    site.db_update("OAuth Client", program.id(), json!({"enabled": 1})).await;
    program.manager.delete(&program.uri).await.status(204);
}
