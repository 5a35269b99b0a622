//! Everything that opens a door goes through every flow once; then neither the database nor the log may hold any of it.

use std::collections::BTreeMap;
use std::time::Duration;

use doctyped::testing::jwk::JwkSet;
use doctyped::testing::jwt::SigningKey;
use doctyped::testing::secret::SigningAlgorithm;
use serde_json::{Value as Json, json};
use wiremock::matchers::{body_string_contains, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::oauth::support::{BASE, Program, VERIFIER, answer, hidden, parameter};
use crate::support::{Client, PASSWORD, ServerProcess};

const ALICE: &str = "alice@example.com";

/// What nobody may find afterwards, by what it is.
#[derive(Default)]
struct Secrets(BTreeMap<String, String>);

impl Secrets {
    fn add(&mut self, what: &str, secret: impl Into<String>) -> String {
        let secret = secret.into();
        assert!(secret.len() >= 8, "{what} is too short to be searched for: {secret}");
        self.0.insert(format!("{what} {}", self.0.len()), secret.clone());
        secret
    }

    /// A secret in an answer.
    fn of(&mut self, what: &str, json: &Json) -> String {
        self.add(what, json.as_str().unwrap_or_else(|| panic!("no {what} in {json}")))
    }

    /// What a browser holds.
    fn session(&mut self, browser: &Client) {
        let sid = self.add("session", browser.cookie("sid").unwrap());
        self.add("CSRF token", doctyped::testing::csrf::token(&sid));
    }

    fn tokens(&mut self, tokens: &Json) {
        self.of("access token", &tokens["access_token"]);
        for name in ["refresh_token", "id_token"] {
            if !tokens[name].is_null() {
                self.of(name, &tokens[name]);
            }
        }
    }

    fn search(&self, place: &str, text: &str) {
        let found: Vec<_> = self.0.iter().filter(|(_, secret)| text.contains(secret.as_str())).collect();
        let lines =
            |secret: &str| text.lines().filter(|line| line.contains(secret)).take(2).collect::<Vec<_>>().join("\n");
        let shown: Vec<_> = found.iter().map(|(what, secret)| format!("{what}: {}", lines(secret))).collect();
        assert!(found.is_empty(), "{place} holds\n{}", shown.join("\n"));
    }
}

#[tokio::test]
async fn neither_database_nor_log_holds_a_secret_after_every_flow() {
    let server = ServerProcess::start(&[("DOCTYPED_LOG", "trace")]).await;
    let provider = MockServer::start().await;
    let mut secrets = Secrets::default();
    secrets.add("password", PASSWORD);
    let administrator = server.administrator().await;
    secrets.session(&administrator);

    let alice = passwords_and_keys(&server, &administrator, &mut secrets).await;
    authorization_server(&server, &administrator, &alice, &mut secrets).await;
    registration(&server, &administrator, &mut secrets).await;
    connected_app(&server, &administrator, &alice, &provider, &mut secrets).await;
    social_login(&server, &administrator, &provider, &mut secrets).await;

    let dump = server.database.dump().await;
    for there in [ALICE, "tabOAuth Bearer Token", "__Auth", "tabVersion", "tabSecurity Event", "carol@example.com"] {
        assert!(dump.contains(there), "the dump lacks {there}");
    }
    secrets.search("the database", &dump);
    if let Some(file) = server.database.url.strip_prefix("sqlite://") {
        for part in ["", "-wal"] {
            let bytes = std::fs::read(format!("{file}{part}")).unwrap_or_default();
            secrets.search(&format!("site.db{part}"), &String::from_utf8_lossy(&bytes));
        }
    }
    let log = server.log();
    assert!(log.contains("TRACE") && log.contains("get_token"), "the log is not complete");
    secrets.search("the log", &log);
}

/// Logins that succeed and fail, API keys, a new password.
async fn passwords_and_keys(server: &ServerProcess, administrator: &Client, secrets: &mut Secrets) -> Client {
    let first = secrets.add("password", "the first password of alice");
    let values = json!({"email": ALICE, "first_name": "Alice", "new_password": first});
    administrator.create("User", values).await.ok();
    let wrong = secrets.add("password", "what somebody guessed once");
    server.guest().log_in(ALICE, &wrong).await.status(401);
    server.guest().form("/login", &[("usr", ALICE), ("pwd", &wrong)]).await.status(401);
    let alice = server.guest();
    alice.log_in(ALICE, &first).await.ok();
    secrets.session(&alice);
    let made = alice.call("frappe.core.doctype.user.user.generate_keys", json!({"user": ALICE})).await.ok();
    let secret = secrets.of("API secret", &made["api_secret"]);
    let key = format!("token {}:{secret}", made["api_key"].as_str().unwrap());
    assert_eq!(server.guest().with_header("authorization", &key).logged_user().await, ALICE);
    let wrong = secrets.add("API secret", "no-such-api-secret");
    let key = format!("token {}:{wrong}", made["api_key"].as_str().unwrap());
    server.guest().with_header("authorization", &key).get("/api/method/ping").await.status(401);
    let made = alice.create("API Key", json!({"title": "Laptop", "scopes": ""})).await.ok();
    let secret = secrets.of("secret of an API Key", &made["api_secret"]);
    let key = format!("token {}:{secret}", made["api_key"].as_str().unwrap());
    assert_eq!(server.guest().with_header("authorization", &key).logged_user().await, ALICE);
    let roll = format!("/api/v2/document/API%20Key/{}/method/roll", made["name"].as_str().unwrap());
    secrets.of("rolled secret of an API Key", &alice.post(&roll, json!({})).await.ok()["api_secret"]);
    let second = secrets.add("password", "the second password of alice");
    let change = json!({"old_password": first, "new_password": second});
    alice.call("frappe.core.doctype.user.user.update_password", change).await.ok();
    secrets.session(&alice);
    alice
}

/// Code, renewal, reuse, introspection, revocation, client credentials, another secret.
async fn authorization_server(server: &ServerProcess, administrator: &Client, alice: &Client, secrets: &mut Secrets) {
    let values = json!({"allow_client_credentials": 1, "user": ALICE});
    let mut program = Program::made_by(administrator, server.guest(), values).await;
    secrets.add("client secret", &program.secret);
    secrets.add("verifier", VERIFIER);
    let page = alice.get(&program.authorize_uri(&[("nonce", "n-0S6_WzA2Mj")])).await.redirect();
    let page = alice.get(&page).await.status(200);
    secrets.add("request id", hidden(&page.body, "request_id"));
    let to = answer(alice, &page, "allow").await.redirect();
    let code = secrets.add("code", parameter(&to, "code").unwrap());
    let tokens = program.exchange(&code).await.status(200).json();
    secrets.tokens(&tokens);
    let access = tokens["access_token"].as_str().unwrap();
    let bearer = |token: &str| server.guest().with_header("authorization", &format!("Bearer {token}"));
    assert_eq!(bearer(access).logged_user().await, ALICE);
    bearer(access).get(&format!("{BASE}openid_profile")).await.status(200);
    server.guest().get(&format!("/api/method/ping?access_token={access}")).await.status(400);
    program.post("introspect_token", &[("token", access)]).await.status(200);
    let renewed = program.refresh(tokens["refresh_token"].as_str().unwrap()).await.status(200).json();
    secrets.tokens(&renewed);
    program.exchange(&code).await.status(400);
    let more = program.tokens(alice).await;
    secrets.tokens(&more);
    program.post("revoke_token", &[("token", more["refresh_token"].as_str().unwrap())]).await.status(200);
    let own = program.post("get_token", &[("grant_type", "client_credentials")]).await.status(200).json();
    secrets.tokens(&own);
    let invented = doctyped::testing::token::TokenKind::AccessToken.generate();
    secrets.add("invented token", &invented);
    bearer(&invented).get("/api/method/ping").await.status(401);
    let uri = format!("/api/v2/document/OAuth%20Client/{}/method/rotate_client_secret", program.id);
    let made = administrator.post(&uri, json!({})).await.ok();
    program.secret = secrets.of("client secret", &made["client_secret"]);
    program.refresh("dt_rt_x").await.status(400);
    program.secret = secrets.add("client secret", "dt_cs_what-somebody-guessed");
    program.refresh("dt_rt_x").await.status(401);
    // The forms of the desk hold secrets for a moment too.
    let form = administrator.get(&format!("/app/oauth-client/{}", program.id)).await.status(200);
    assert!(!form.body.contains(&program.secret));
}

/// A program that registers itself, changes and removes its registration.
async fn registration(server: &ServerProcess, administrator: &Client, secrets: &mut Secrets) {
    let initial = secrets.add("initial access token", "an-initial-access-token-for-programs");
    let settings = json!({"registration_mode": "Initial Access Token", "initial_access_token": initial});
    administrator.update("OAuth Settings", "OAuth Settings", settings).await.ok();
    let program = server.guest().with_header("authorization", &format!("Bearer {initial}"));
    let metadata = json!({"client_name": "Newcomer", "redirect_uris": ["https://new.example/callback"]});
    let made = program.post(&format!("{BASE}register_client"), metadata).await.status(201).json();
    secrets.of("client secret", &made["client_secret"]);
    let token = secrets.of("registration access token", &made["registration_access_token"]);
    let uri = made["registration_client_uri"].as_str().unwrap().strip_prefix(&server.base).unwrap().to_owned();
    let owner = server.guest().with_header("authorization", &format!("Bearer {token}"));
    let seen = owner.get(&uri).await.status(200).json();
    for name in ["client_secret", "registration_access_token"] {
        if seen[name].is_string() {
            secrets.of(name, &seen[name]);
        }
    }
}

async fn answer_grant(provider: &MockServer, at: &str, grant: &str, body: Json) {
    Mock::given(method("POST"))
        .and(path(at))
        .and(body_string_contains(format!("grant_type={grant}")))
        .respond_with(ResponseTemplate::new(200).set_body_json(body))
        .mount(provider)
        .await;
}

/// Connecting, renewing and using a connection.
async fn connected_app(
    server: &ServerProcess,
    administrator: &Client,
    alice: &Client,
    provider: &MockServer,
    secrets: &mut Secrets,
) {
    let base = provider.uri();
    let client_secret = secrets.add("secret of the app", "the secret of the connected app");
    let values = json!({
        "provider_name": "Example", "client_id": "me", "client_secret": client_secret,
        "authorization_uri": format!("{base}/authorize"), "token_uri": format!("{base}/token"),
        "revocation_uri": format!("{base}/revoke"), "allowed_base_urls": format!("{base}/api"),
        "scopes": [{"scope": "read"}],
    });
    let app = administrator.create("Connected App", values).await.ok()["name"].as_str().unwrap().to_owned();
    let mut pair = |n: u32, seconds: u32| {
        json!({
            "access_token": secrets.add("provider's access token", format!("access-token-{n}-of-the-provider")),
            "refresh_token": secrets.add("provider's refresh token", format!("refresh-token-{n}-of-the-provider")),
            "token_type": "Bearer", "expires_in": seconds,
        })
    };
    answer_grant(provider, "/token", "authorization_code", pair(1, 1)).await;
    answer_grant(provider, "/token", "refresh_token", pair(2, 300)).await;
    let call = ResponseTemplate::new(200).set_body_json(json!({"events": []}));
    Mock::given(method("GET")).and(path("/api/calendar")).respond_with(call).mount(provider).await;
    Mock::given(method("POST")).and(path("/revoke")).respond_with(ResponseTemplate::new(503)).mount(provider).await;
    let run = async |name: &str, arguments: Json| {
        alice.post(&format!("/api/v2/document/Connected%20App/{app}/method/{name}"), arguments).await.status(200)
    };
    let location = run("initiate_web_application_flow", json!({})).await.ok().as_str().unwrap().to_owned();
    let state = secrets.add("state", parameter(&location, "state").unwrap());
    let code = secrets.add("provider's code", "a-code-of-the-provider");
    let back = parameter(&location, "redirect_uri").unwrap();
    let back = back.strip_prefix(&server.base).unwrap();
    alice.get(&format!("{back}?code={code}&state=somebody-elses")).await.status(400);
    alice.get(&format!("{back}?code={code}&state={state}")).await.redirect();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    run("get_active_token", json!({})).await;
    run("request", json!({"path": "calendar"})).await;
    run("disconnect", json!({})).await;
    let asked = provider.received_requests().await.unwrap();
    let grants = asked.iter().filter(|request| request.url.path() == "/token").count();
    assert_eq!(grants, 2, "the connection was made and renewed");
}

/// A stranger signs up with an account elsewhere.
async fn social_login(server: &ServerProcess, administrator: &Client, provider: &MockServer, secrets: &mut Secrets) {
    let (base, key) = (provider.uri(), SigningKey::generate(SigningAlgorithm::Es256));
    let metadata = json!({
        "issuer": base, "authorization_endpoint": format!("{base}/authorize"),
        "token_endpoint": format!("{base}/social"), "jwks_uri": format!("{base}/jwks"),
    });
    let keys = JwkSet { keys: vec![key.jwk()] }.to_value();
    for (at, body) in [("/.well-known/openid-configuration", metadata), ("/jwks", keys)] {
        let answer = ResponseTemplate::new(200).set_body_json(body);
        Mock::given(method("GET")).and(path(at)).respond_with(answer).mount(provider).await;
    }
    let client_secret = secrets.add("secret of the login key", "the secret of the social login key");
    let values = json!({
        "provider_name": "Example Login", "social_login_provider": "Custom", "enable_social_login": 1,
        "client_id": "me", "client_secret": client_secret, "sign_ups": "Allow", "scopes": "openid email",
        "openid_configuration": format!("{base}/.well-known/openid-configuration"),
    });
    administrator.create("Social Login Key", values).await.ok();
    let browser = server.guest();
    let location = browser.get("/login/with/example_login").await.redirect();
    let state = secrets.add("state", parameter(&location, "state").unwrap());
    let now = doctyped::testing::clock::Clock::system().now().timestamp();
    let id_token = key.sign(
        "JWT",
        &json!({
            "iss": base, "aud": "me", "sub": "carol-there", "nonce": parameter(&location, "nonce").unwrap(),
            "iat": now, "exp": now + 300, "email": "carol@example.com", "email_verified": true, "given_name": "Carol",
        }),
    );
    let body = json!({
        "access_token": secrets.add("provider's access token", "access-token-3-of-the-provider"),
        "token_type": "Bearer", "id_token": secrets.add("provider's id token", id_token),
    });
    answer_grant(provider, "/social", "authorization_code", body).await;
    let code = secrets.add("provider's code", "another-code-of-the-provider");
    let back = parameter(&location, "redirect_uri").unwrap();
    let back = back.strip_prefix(&server.base).unwrap();
    browser.get(&format!("{back}?code={code}&state={state}")).await.redirect();
    assert_eq!(browser.logged_user().await, "carol@example.com");
    secrets.session(&browser);
}
