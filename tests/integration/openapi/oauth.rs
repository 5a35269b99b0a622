//! The OAuth endpoints in the document: all that the metadata names, and each answers as described.

use std::collections::BTreeSet;

use doctyped::testing::client_authentication::basic_header;
use doctyped::testing::pkce::challenge_of;
use doctyped::testing::request::GrantType;
use doctyped::testing::token_exchange::ACCESS_TOKEN;
use serde_json::{Value as Json, json};

use super::document;
use super::schema::Checked;
use crate::oauth::support::{BASE, Program, REDIRECT_URI, VERIFIER, bearer};
use crate::support::{Client, TestSite};

const WELL_KNOWN: &str = "/.well-known/";
const BYE: &str = "https://app.example/bye";

fn endpoint(name: &str) -> String {
    format!("{BASE}{name}")
}

/// The paths of the document that belong to OAuth.
fn described(document: &Json) -> BTreeSet<String> {
    let is_oauth = |item: &Json| item.as_object().unwrap().values().any(|one| one["tags"][0] == "OAuth");
    let paths = document["paths"].as_object().unwrap().iter();
    paths.filter(|(_, item)| is_oauth(item)).map(|(path, _)| path.clone()).collect()
}

/// The paths that the metadata names.
async fn named(site: &TestSite) -> BTreeSet<String> {
    let metadata = site.guest().get("/.well-known/oauth-authorization-server").await.status(200).json();
    let root = metadata["issuer"].as_str().unwrap().to_owned();
    let members = metadata.as_object().unwrap().iter();
    let endpoints = members.filter(|(name, _)| name.ends_with("_endpoint") || *name == "jwks_uri");
    endpoints.map(|(_, uri)| uri.as_str().unwrap().strip_prefix(&root).unwrap().to_owned()).collect()
}

/// What is described and is not an endpoint of the metadata: the metadata itself, a second address of the keys, and what
/// only registered programs are told of.
fn beside() -> BTreeSet<String> {
    [
        "oauth-authorization-server",
        "openid-configuration",
        "oauth-protected-resource",
        "oauth-protected-resource/{path}",
    ]
    .map(|name| format!("{WELL_KNOWN}{name}"))
    .into_iter()
    .chain([endpoint("jwks"), endpoint("register_client/{client_id}")])
    .collect()
}

async fn settings(site: &TestSite, values: Json) {
    site.db_update("OAuth Settings", "OAuth Settings", values).await;
}

#[tokio::test]
async fn every_endpoint_of_the_metadata_is_described_and_no_other() {
    let site = TestSite::new().await;
    let all = &named(&site).await | &beside();
    assert_eq!(described(&document(&site).await), all);
    assert!(all.len() > 14, "{all:?}");

    settings(&site, json!({"enable_dynamic_client_registration": 0, "enable_device_grant": 0})).await;
    let less = &named(&site).await | &beside();
    let spec = document(&site).await;
    assert_eq!(described(&spec), less);
    let gone = ["device_authorization", "register_client"].map(endpoint);
    assert_eq!(&all - &less, gone.into());
    let grants = spec["components"]["schemas"]["OAuthGrantType"]["enum"].to_string();
    assert!(grants.contains("refresh_token") && !grants.contains("device_code"), "{grants}");
    // Whoever has registered already still manages that.
    assert!(less.contains(&endpoint("register_client/{client_id}")));

    settings(&site, json!({"show_auth_server_metadata": 0, "show_protected_resource_metadata": 0})).await;
    let hidden: Vec<String> =
        described(&document(&site).await).into_iter().filter(|path| path.starts_with(WELL_KNOWN)).collect();
    assert_eq!(hidden, [format!("{WELL_KNOWN}jwks.json")]);
}

#[tokio::test]
async fn registering_takes_a_token_where_the_settings_say_so() {
    let site = TestSite::new().await;
    let security = async || document(&site).await["paths"][endpoint("register_client")]["post"]["security"].clone();
    assert_eq!(security().await, json!([{}]));
    settings(&site, json!({"registration_mode": "Initial Access Token", "initial_access_token": "let-me-in-please"}))
        .await;
    assert_eq!(security().await, json!([{"initial_access_token": []}]));
    let mut checked = Checked::new(document(&site).await);
    let path = endpoint("register_client");
    checked.answer("post", &path, &site.guest().post(&path, json!({})).await.status(401));
}

#[tokio::test]
async fn clients_authenticate_as_described() {
    let site = TestSite::new().await;
    let spec = document(&site).await;
    let methods = &spec["components"]["schemas"]["OAuthClientAuthenticationMethod"]["enum"];
    let metadata = site.guest().get("/.well-known/oauth-authorization-server").await.status(200).json();
    assert_eq!(*methods, metadata["token_endpoint_auth_methods_supported"]);
    assert_eq!(spec["components"]["schemas"]["OAuthGrantType"]["enum"], metadata["grant_types_supported"]);
    for name in ["get_token", "revoke_token", "introspect_token", "device_authorization", "par"] {
        let operation = &spec["paths"][endpoint(name)]["post"];
        assert_eq!(operation["security"], json!([{"client_secret_basic": []}, {}]), "{name}");
        let form = &operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]["$ref"];
        let form = spec.pointer(form.as_str().unwrap().trim_start_matches('#')).unwrap();
        for field in ["client_id", "client_secret", "client_assertion_type", "client_assertion"] {
            assert!(form["properties"][field].is_object(), "{name}: {field}");
        }
    }
    let proofs =
        ["get_token", "openid_profile"].map(|name| spec["paths"][endpoint(name)]["post"]["parameters"].clone());
    assert!(proofs.iter().all(|parameters| parameters[0]["name"] == "DPoP" && parameters[0]["in"] == "header"));
    let userinfo = &spec["paths"][endpoint("openid_profile")]["get"]["security"];
    assert_eq!(*userinfo, json!([{"oauth2": ["openid"]}, {"openid": ["openid"]}, {"bearer": []}]));
}

/// A site where everything is used, with a person and a program of theirs.
struct Walk {
    site: TestSite,
    alice: Client,
    program: Program,
    checked: Checked,
}

impl Walk {
    async fn new() -> Self {
        let site = TestSite::new().await;
        settings(&site, json!({"enable_token_exchange": 1})).await;
        let alice = site.user("alice@example.com", &[]).await;
        site.db_user("robot@example.com", json!({})).await;
        let values = json!({
            "post_logout_redirect_uris": BYE, "allow_device_code": 1, "allow_token_exchange": 1,
            "allow_client_credentials": 1, "user": "robot@example.com",
        });
        let mut program = Program::new(&site, values).await;
        program.scope = String::from("openid profile email roles all");
        let checked = Checked::new(document(&site).await);
        Self { site, alice, program, checked }
    }

    /// Posts as the program; the answer is as described.
    async fn post(&mut self, name: &str, status: u16, fields: &[(&str, &str)]) -> Json {
        let answer = self.program.post(name, fields).await.status(status);
        self.checked.answer("post", &endpoint(name), &answer)
    }

    async fn get(&mut self, path: &str, described: &str, status: u16) -> Json {
        let answer = self.site.guest().get(path).await.status(status);
        self.checked.answer("get", described, &answer)
    }

    /// The person is asked, and the program gets its tokens.
    async fn sign_in(&mut self) -> Json {
        let (path, alice) = (endpoint("authorize"), self.alice.clone());
        let asked = alice.get(&self.program.authorize_uri(&[])).await.status(303);
        self.checked.answer("get", &path, &asked);
        self.checked.answer("get", &path, &alice.get(&path).await.status(400));
        let query = self.program.authorize_uri(&[("response_mode", "form_post"), ("prompt", "none")]);
        self.checked.answer("get", &path, &alice.get(&query).await.status(200));
        let challenge = challenge_of(VERIFIER);
        let fields = [
            ("response_type", "code"),
            ("client_id", self.program.id.as_str()),
            ("redirect_uri", REDIRECT_URI),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
        ];
        self.checked.answer("post", &path, &self.site.guest().form(&path, &fields).await.status(303));
        let code = self.program.code(&alice).await;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", VERIFIER),
        ];
        let tokens = self.post("get_token", 200, &fields).await;
        assert!(tokens["id_token"].is_string() && tokens["refresh_token"].is_string(), "{tokens}");
        tokens
    }

    /// What a program does with its tokens.
    async fn use_tokens(&mut self, tokens: &Json) {
        let path = endpoint("openid_profile");
        let holder = bearer(&self.site, tokens);
        let told = self.checked.answer("get", &path, &holder.get(&path).await.status(200));
        assert!(told["email"].is_string() && told["roles"].is_array(), "{told}");
        self.checked.answer("post", &path, &holder.post(&path, json!({})).await.status(200));
        self.checked.answer("get", &path, &self.site.guest().get(&path).await.status(401));
        let (access, refresh) = (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
        for (token, is_active) in [(access, true), (refresh, true), ("dt_at_none", false)] {
            let told = self.post("introspect_token", 200, &[("token", token)]).await;
            assert_eq!(told["active"], is_active, "{told}");
        }
        self.post("introspect_token", 400, &[]).await;
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh), ("scope", "all")];
        let narrow = self.post("get_token", 200, &fields).await;
        self.checked.answer("get", &path, &bearer(&self.site, &narrow).get(&path).await.status(403));
        self.post("get_token", 400, &[("grant_type", "authorization_code"), ("code", "none")]).await;
        self.post("revoke_token", 200, &[("token", narrow["access_token"].as_str().unwrap())]).await;
        self.post("revoke_token", 400, &[]).await;
    }

    /// The program hands a part of its access to its own account.
    async fn exchange(&mut self, tokens: &Json) {
        let own = self.post("get_token", 200, &[("grant_type", "client_credentials")]).await;
        let fields = [
            ("grant_type", GrantType::TokenExchange.as_str()),
            ("subject_token", tokens["access_token"].as_str().unwrap()),
            ("subject_token_type", ACCESS_TOKEN),
            ("actor_token", own["access_token"].as_str().unwrap()),
            ("actor_token_type", ACCESS_TOKEN),
        ];
        let exchanged = self.post("get_token", 200, &fields).await;
        assert!(exchanged["issued_token_type"].is_string(), "{exchanged}");
        let told = self.post("introspect_token", 200, &[("token", exchanged["access_token"].as_str().unwrap())]).await;
        assert!(told["act"]["sub"].is_string(), "{told}");
    }

    /// Wrong credentials at every endpoint that asks for some.
    async fn be_refused(&mut self) {
        let impostor = self.site.guest().with_header("authorization", &basic_header(&self.program.id, "wrong"));
        for name in ["get_token", "revoke_token", "introspect_token", "device_authorization"] {
            let answer = impostor.form(&endpoint(name), &[("token", "x")]).await.status(401);
            assert!(answer.header("www-authenticate").starts_with("Basic"));
            self.checked.answer("post", &endpoint(name), &answer);
        }
        for _ in 0..150 {
            let answer = impostor.form(&endpoint("par"), &[("x", "y")]).await;
            self.checked.answer("post", &endpoint("par"), &answer);
            if answer.status == 429 {
                return;
            }
        }
        panic!("nobody had to wait");
    }

    async fn register(&mut self) {
        let (path, one) = (endpoint("register_client"), endpoint("register_client/{client_id}"));
        let guest = self.site.guest();
        let metadata = json!({"client_name": "Notes", "redirect_uris": [REDIRECT_URI], "contacts": ["a@app.example"]});
        let made = self.checked.answer("post", &path, &guest.post(&path, metadata.clone()).await.status(201));
        let bad = json!({"redirect_uris": ["javascript:alert(1)"]});
        self.checked.answer("post", &path, &guest.post(&path, bad).await.status(400));
        let token = made["registration_access_token"].as_str().unwrap();
        let manager = guest.with_header("authorization", &format!("Bearer {token}"));
        let uri = format!("{path}/{}", made["client_id"].as_str().unwrap());
        self.checked.answer("get", &one, &manager.get(&uri).await.status(200));
        self.checked.answer("get", &one, &guest.get(&uri).await.status(401));
        let mut update = metadata;
        self.checked.answer("put", &one, &manager.put(&uri, update.clone()).await.status(400));
        update["client_id"] = made["client_id"].clone();
        self.checked.answer("put", &one, &manager.put(&uri, update).await.status(200));
        self.checked.answer("delete", &one, &manager.delete(&uri).await.status(204));
        self.checked.answer("delete", &one, &manager.delete(&uri).await.status(401));
    }

    async fn log_out(&mut self, tokens: &Json) {
        let (path, alice) = (endpoint("end_session"), self.alice.clone());
        let wrong = self.site.guest().get(&format!("{path}?post_logout_redirect_uri=https://evil.example")).await;
        self.checked.answer("get", &path, &wrong.status(400));
        self.checked.answer("post", &path, &alice.form(&path, &[]).await.status(200));
        let fields = [("id_token_hint", tokens["id_token"].as_str().unwrap()), ("post_logout_redirect_uri", BYE)];
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.checked.answer("get", &path, &alice.get(&format!("{path}?{query}")).await.status(303));
    }
}

#[tokio::test]
async fn every_endpoint_answers_as_described() {
    let mut walk = Walk::new().await;
    for name in ["oauth-authorization-server", "openid-configuration", "oauth-protected-resource", "jwks.json"] {
        let path = format!("{WELL_KNOWN}{name}");
        walk.get(&path, &path, 200).await;
    }
    let of_path = format!("{WELL_KNOWN}oauth-protected-resource/{{path}}");
    walk.get("/.well-known/oauth-protected-resource/api", &of_path, 200).await;
    let none = "/.well-known/oauth-protected-resource/none";
    walk.get(none, &of_path, 404).await;
    let program = walk.site.guest().with_header("accept", "application/json");
    walk.checked.answer("get", &of_path, &program.get(none).await.status(404));
    let keys = walk.get(&endpoint("jwks"), &endpoint("jwks"), 200).await;
    assert!(!keys["keys"].as_array().unwrap().is_empty());

    let tokens = walk.sign_in().await;
    walk.exchange(&tokens).await;
    walk.use_tokens(&tokens).await;
    let challenge = challenge_of(VERIFIER);
    let request = [
        ("response_type", "code"),
        ("redirect_uri", REDIRECT_URI),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    walk.post("par", 201, &request).await;
    walk.post("par", 400, &request[1..]).await;
    let codes = walk.post("device_authorization", 200, &[("scope", "openid")]).await;
    let poll =
        [("grant_type", GrantType::DeviceCode.as_str()), ("device_code", codes["device_code"].as_str().unwrap())];
    let pending = walk.post("get_token", 400, &poll).await;
    assert_eq!(pending["error"], "authorization_pending");
    walk.register().await;
    walk.log_out(&tokens).await;
    walk.be_refused().await;
    assert_eq!(walk.checked.left("OAuth"), []);
}
