//! The JWT bearer grant (RFC 7523 §2.1) for identity assertions: a trusted server vouches for a person.

use chrono::Duration;
use doctyped::testing::identity_assertion::{PROFILE, TYPE};
use doctyped::testing::jwt::{SigningKey, Unverified};
use doctyped::testing::secret::SigningAlgorithm;
use serde_json::{Value as Json, json};

use super::dpop_rfc9449::Holder;
use super::support::{BASE, Program, bearer, signed_by_site};
use crate::oauth_client::site as development_site;
use crate::oauth_client::social_login::Provider;
use crate::support::client::Response;
use crate::support::{Client, TestSite};

const ALICE: &str = "alice@example.com";
const WHO: &str = "/api/method/frappe.auth.get_logged_user";
const USERS: &str = "/api/resource/User";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A site that lets a provider vouch for people, an assistant that may come with its assertions, and Alice, whose
/// account at the provider is linked.
struct Scene {
    provider: Provider,
    site: TestSite,
    assistant: Program,
}

impl Scene {
    async fn new() -> Self {
        let scene = Self::before_alice().await;
        let account = json!({"provider": "example_login", "userid": "alice-there"});
        let values = json!({"social_logins": [account], "roles": [{"role": "System Manager"}]});
        scene.site.db_user(ALICE, values).await;
        scene
    }

    async fn before_alice() -> Self {
        let (provider, site) = (Provider::start().await, development_site().await);
        provider.key(&site, json!({"may_vouch": 1})).await;
        site.db_update("OAuth Settings", "OAuth Settings", json!({"enable_jwt_bearer_grant": 1})).await;
        let assistant = Program::new(&site, json!({"app_name": "Assistant", "allow_jwt_bearer": 1})).await;
        Self { provider, site, assistant }
    }

    /// The claims of a good assertion, with changes; null leaves one out.
    fn claims(&self, changes: &Json) -> Json {
        let now = self.site.clock.now().timestamp();
        let mut claims = json!({
            "iss": self.provider.server.uri(), "sub": "alice-there", "aud": self.site.documents().site_url(),
            "client_id": self.assistant.id, "jti": doctyped::testing::secret::random_id(), "iat": now, "exp": now + 300,
            "scope": "read openid",
        });
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        claims
    }

    fn assertion(&self, changes: &Json) -> String {
        self.provider.key.sign(TYPE, &self.claims(changes))
    }

    /// The assistant's token for an assertion with changes.
    async fn ask(&self, changes: Json) -> Response {
        present(&self.assistant, &self.assertion(&changes), &[]).await
    }

    fn with(&self, tokens: &Json) -> Client {
        bearer(&self.site, tokens)
    }
}

async fn present(program: &Program, assertion: &str, more: &[(&str, &str)]) -> Response {
    let mut fields = vec![("grant_type", GRANT), ("assertion", assertion)];
    fields.extend(more);
    program.post("get_token", &fields).await
}

#[tokio::test]
async fn a_program_gets_a_token_for_a_person_whom_a_trusted_server_vouches_for() {
    let scene = Scene::new().await;
    let api = format!("{}/api", scene.site.documents().site_url());
    let tokens = scene.ask(json!({"resource": api, "scope": "read openid offline_access"})).await.status(200).json();
    assert_eq!((&tokens["token_type"], &tokens["scope"]), (&json!("Bearer"), &json!("read openid")));
    assert!(tokens.get("refresh_token").is_none() && tokens.get("id_token").is_none(), "{tokens}");
    scene.with(&tokens).get(USERS).await.ok();
    scene.with(&tokens).post(USERS, json!({})).await.status(403);
    let claims = scene.with(&tokens).get(&format!("{BASE}openid_profile")).await.status(200).json();
    let about = scene.assistant.post("introspect_token", &[("token", tokens["access_token"].as_str().unwrap())]).await;
    let about = about.status(200).json();
    assert_eq!((&about["username"], &about["aud"]), (&json!(ALICE), &json!([api])));
    assert_eq!(about["sub"], claims["sub"]);
    assert_ne!(about["sub"], "alice-there", "here she goes by our own name for her");
    let document = scene.site.db_names("OAuth Bearer Token", json!({"grant_type": "JWT Bearer"})).await;
    let document = scene.site.administrator().await.read("OAuth Bearer Token", &document[0]).await.ok();
    assert_eq!((&document["user"], &document["client"]), (&json!(ALICE), &json!(scene.assistant.id)));
}

#[tokio::test]
async fn the_person_is_found_by_the_linked_account_and_never_by_mail() {
    let scene = Scene::before_alice().await;
    scene.site.db_user(ALICE, json!({"roles": [{"role": "System Manager"}]})).await;
    let email = json!({"email": ALICE, "email_verified": true, "sub": ALICE});
    let refused = scene.ask(email.clone()).await.oauth_error(400, "invalid_grant");
    assert!(refused.body.contains("link that account first"), "{}", refused.body);
    // Nor by an account at another provider, nor by our own name for the person.
    let manager = scene.site.administrator().await;
    let user = manager.read("User", ALICE).await.ok();
    let own = user["social_logins"].as_array().unwrap()[0].clone();
    assert_eq!(own["provider"], "frappe");
    scene.ask(json!({"sub": own["userid"]})).await.oauth_error(400, "invalid_grant");
    let elsewhere = json!({"social_logins": [own, {"provider": "other_login", "userid": "alice-there"}]});
    scene.site.db_update("User", ALICE, elsewhere).await;
    scene.ask(json!({})).await.oauth_error(400, "invalid_grant");
    assert_eq!(scene.site.db_names("User", json!({"name": ["like", "%@%"]})).await, [ALICE], "nobody is made");
}

#[tokio::test]
async fn the_person_is_found_by_the_property_by_which_they_log_in() {
    let scene = Scene::new().await;
    let property = json!({"user_id_property": "employee.number"});
    scene.site.db_update("Social Login Key", "example_login", property).await;
    scene.ask(json!({})).await.oauth_error(400, "invalid_grant");
    scene.ask(json!({"sub": "x", "employee": {"number": "alice-there"}})).await.status(200);
}

#[tokio::test]
async fn an_assertion_for_another_program_server_or_time_is_refused() {
    let scene = Scene::new().await;
    let root = scene.site.documents().site_url().to_owned();
    let now = scene.site.clock.now().timestamp();
    for change in [
        json!({"aud": "https://other.example"}),
        json!({"aud": format!("{root}/")}),
        json!({"aud": [root, "https://other.example"]}),
        json!({"aud": format!("{root}{BASE}get_token")}),
        json!({"client_id": "another"}),
        json!({"client_id": null}),
        json!({"exp": now - 60}),
        json!({"exp": now + 7200}),
        json!({"exp": null}),
        json!({"iat": now + 600}),
        json!({"nbf": now + 600}),
        json!({"jti": null}),
        json!({"sub": null}),
        json!({"sub": "mallory-there"}),
        json!({"tenant": "acme"}),
        json!({"act": {"sub": "robot"}}),
        json!({"scope": ["read"]}),
    ] {
        scene.ask(change.clone()).await.oauth_error(400, "invalid_grant");
    }
    scene.ask(json!({"aud": [root]})).await.status(200);
    // An assertion for another program is worth nothing in the hands of this one, and the other way round.
    let other = Program::new(&scene.site, json!({"allow_jwt_bearer": 1})).await;
    let assertion = scene.assertion(&json!({}));
    present(&other, &assertion, &[]).await.oauth_error(400, "invalid_grant");
    present(&scene.assistant, &assertion, &[]).await.status(200);
}

#[tokio::test]
async fn what_is_no_assertion_of_that_issuer_is_refused() {
    let scene = Scene::new().await;
    let claims = scene.claims(&json!({}));
    let stranger = SigningKey::generate(SigningAlgorithm::Es256);
    let good = scene.assertion(&json!({}));
    let (signed, _) = good.rsplit_once('.').unwrap();
    for assertion in [
        scene.provider.key.sign("JWT", &claims),
        scene.provider.key.sign("at+jwt", &claims),
        stranger.sign(TYPE, &claims),
        format!("{signed}.AAAA"),
        format!("{signed}."),
        "eyJhbGciOiJub25lIn0.e30.".to_owned(),
        "dt_at_x".to_owned(),
        "garbage".to_owned(),
    ] {
        let refused = present(&scene.assistant, &assertion, &[]).await.oauth_error(400, "invalid_grant");
        assert!(!refused.body.contains(&assertion), "{}", refused.body);
    }
    scene.assistant.post("get_token", &[("grant_type", GRANT)]).await.oauth_error(400, "invalid_request");
    present(&scene.assistant, &good, &[]).await.status(200);
}

#[tokio::test]
async fn only_issuers_that_an_administrator_ticked_are_believed_and_never_the_site_itself() {
    let scene = Scene::new().await;
    let root = scene.site.documents().site_url().to_owned();
    for (field, off) in [("may_vouch", json!(0)), ("enable_social_login", json!(0))] {
        scene.site.db_update("Social Login Key", "example_login", json!({field: off})).await;
        let refused = scene.ask(json!({})).await.oauth_error(400, "invalid_grant");
        assert!(refused.body.contains("not trusted here"), "{}", refused.body);
        scene.site.db_update("Social Login Key", "example_login", json!({field: 1})).await;
        scene.ask(json!({})).await.status(200);
    }
    for issuer in ["https://evil.example", "", &*format!("{}/", scene.provider.server.uri())] {
        scene.ask(json!({"iss": issuer})).await.oauth_error(400, "invalid_grant");
    }
    scene.ask(json!({"iss": null})).await.oauth_error(400, "invalid_grant");
    let own = signed_by_site(&scene.site, TYPE, &scene.claims(&json!({"iss": root}))).await;
    present(&scene.assistant, &own, &[]).await.oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn an_assertion_is_used_once_even_by_many_at_once() {
    let scene = Scene::new().await;
    let assertion = scene.assertion(&json!({}));
    let answers = futures_util::future::join_all((0..10).map(|_| present(&scene.assistant, &assertion, &[]))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    let again = present(&scene.assistant, &assertion, &[]).await.oauth_error(400, "invalid_grant");
    assert!(again.body.contains("used before"), "{}", again.body);
    assert_eq!(scene.site.db_names("OAuth Bearer Token", json!({})).await.len(), 1);
    let reused = json!({"event": "Identity Assertion Reused", "user": ALICE, "client": scene.assistant.id});
    assert_eq!(scene.site.db_names("Security Event", reused).await.len(), 10);
    let guards = json!({"purpose": "Identity Assertion"});
    assert_eq!(scene.site.db_names("OAuth Replay Guard", guards.clone()).await.len(), 1);
    scene.site.clock.advance(Duration::minutes(7));
    present(&scene.assistant, &assertion, &[]).await.oauth_error(400, "invalid_grant");
    doctyped::testing::jobs::remove_expired(scene.site.documents()).await.unwrap();
    assert!(scene.site.db_names("OAuth Replay Guard", guards).await.is_empty());
}

#[tokio::test]
async fn a_refused_assertion_can_be_sent_again_once_the_reason_is_gone() {
    let scene = Scene::before_alice().await;
    let assertion = scene.assertion(&json!({}));
    present(&scene.assistant, &assertion, &[]).await.oauth_error(400, "invalid_grant");
    let account = json!({"provider": "example_login", "userid": "alice-there"});
    scene.site.db_user(ALICE, json!({"social_logins": [account]})).await;
    present(&scene.assistant, &assertion, &[]).await.status(200);
}

#[tokio::test]
async fn neither_more_than_issuer_and_client_allow_nor_more_than_the_person_may() {
    let scene = Scene::new().await;
    let narrow = json!({"scopes": "openid doctype:User:read doctype:Role:read"});
    scene.site.db_update("OAuth Client", &scene.assistant.id, narrow).await;
    assert_eq!(
        scene.ask(json!({"scope": "all"})).await.status(200).json()["scope"],
        "doctype:User:read doctype:Role:read"
    );
    let ask = async |scope: &str, more: &[(&str, &str)]| {
        present(&scene.assistant, &scene.assertion(&json!({"scope": scope})), more).await
    };
    let less = ask("read", &[("scope", "doctype:User:read offline_access")]).await.status(200).json();
    assert_eq!(less["scope"], "doctype:User:read");
    for beyond in ["all", "doctype:User:write", "email"] {
        ask("read", &[("scope", beyond)]).await.oauth_error(400, "invalid_scope");
    }
    ask("email", &[]).await.oauth_error(400, "invalid_scope");
    // Without a word of the issuer, what the site gives to everybody.
    assert_eq!(scene.ask(json!({"scope": null})).await.status(200).json()["scope"], "openid");
    scene.site.db_update("OAuth Client", &scene.assistant.id, json!({"scopes": "all"})).await;
    scene.site.db_update("User", ALICE, json!({"roles": []})).await;
    let tokens = ask("all", &[]).await.status(200).json();
    assert_eq!(scene.with(&tokens).get(WHO).await.ok(), ALICE);
    scene.with(&tokens).get("/api/resource/OAuth%20Client").await.error(403, "PermissionError");
}

#[tokio::test]
async fn the_token_is_for_the_resources_of_the_assertion_or_fewer() {
    let scene = Scene::new().await;
    let tools = "https://tools.example/mcp";
    scene.site.db_update("OAuth Settings", "OAuth Settings", json!({"additional_resources": tools})).await;
    let api = format!("{}/api", scene.site.documents().site_url());
    let both = json!({"resource": [tools, api], "scope": "all"});
    let ask =
        async |changes: &Json, more: &[(&str, &str)]| present(&scene.assistant, &scene.assertion(changes), more).await;
    let tokens = ask(&both, &[("resource", tools)]).await.status(200).json();
    scene.with(&tokens).get(WHO).await.status(401);
    scene.with(&ask(&both, &[]).await.status(200).json()).get(WHO).await.ok();
    let for_tools = json!({"resource": tools});
    ask(&for_tools, &[("resource", &api)]).await.oauth_error(400, "invalid_target");
    ask(&for_tools, &[("resource", "https://evil.example")]).await.oauth_error(400, "invalid_target");
    ask(&json!({"resource": "https://evil.example"}), &[]).await.oauth_error(400, "invalid_target");
}

#[tokio::test]
async fn who_may_not_use_the_program_or_log_in_gets_nothing_by_it() {
    let scene = Scene::new().await;
    let tokens = scene.ask(json!({"scope": "all"})).await.status(200).json();
    let roles = json!({"allowed_roles": [{"role": "Desk User"}]});
    scene.site.db_update("User", ALICE, json!({"user_type": "Website User", "roles": []})).await;
    scene.site.db_update("OAuth Client", &scene.assistant.id, roles).await;
    scene.ask(json!({})).await.oauth_error(400, "invalid_grant");
    scene.with(&tokens).get(WHO).await.error(401, "AuthenticationError");
    scene.site.db_update("OAuth Client", &scene.assistant.id, json!({"allowed_roles": []})).await;
    scene.ask(json!({})).await.status(200);
    scene.site.db_update("User", ALICE, json!({"enabled": 0})).await;
    scene.ask(json!({})).await.oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn it_is_off_until_settings_and_client_allow_it_and_never_for_a_public_client() {
    let scene = Scene::new().await;
    let metadata = async || scene.site.guest().get("/.well-known/oauth-authorization-server").await.json();
    let advertised = metadata().await;
    assert!(advertised["grant_types_supported"].as_array().unwrap().contains(&json!(GRANT)));
    assert_eq!(advertised["authorization_grant_profiles_supported"], json!([PROFILE]));
    let other = Program::new(&scene.site, json!({})).await;
    present(&other, "x", &[]).await.oauth_error(400, "unauthorized_client");
    let public = Program::public(&scene.site).await;
    present(&public, "x", &[]).await.oauth_error(400, "unauthorized_client");
    let manager = scene.site.administrator().await;
    let refused = manager.update("OAuth Client", &public.id, json!({"allow_jwt_bearer": 1})).await.status(417);
    assert!(refused.body.contains("must prove who it is"), "{}", refused.body);
    let asked = json!({
        "client_name": "Helper", "redirect_uris": ["https://app.example/callback"], "scope": "openid",
        "grant_types": ["authorization_code", GRANT],
    });
    let made = scene.site.guest().post(&format!("{BASE}register_client"), asked).await.status(201).json();
    assert_eq!(made["grant_types"], json!(["authorization_code"]));
    let registered = Program::registered(&scene.site, &made, "openid");
    present(&registered, "x", &[]).await.oauth_error(400, "unauthorized_client");
    scene.site.db_update("OAuth Settings", "OAuth Settings", json!({"enable_jwt_bearer_grant": 0})).await;
    scene.ask(json!({})).await.oauth_error(400, "unsupported_grant_type");
    let advertised = metadata().await;
    assert!(!advertised["grant_types_supported"].to_string().contains(GRANT));
    assert!(advertised.get("authorization_grant_profiles_supported").is_none());
}

#[tokio::test]
async fn a_bound_assertion_needs_its_key_and_the_token_is_bound_to_it() {
    let scene = Scene::new().await;
    let (holder, thief) = (Holder::new(&scene.site), Holder::new(&scene.site));
    let bound = json!({"cnf": {"jkt": holder.key.jwk().thumbprint()}, "scope": "all"});
    let assertion = scene.assertion(&bound);
    present(&scene.assistant, &assertion, &[]).await.oauth_error(400, "invalid_grant");
    present(&thief.proving(&scene.assistant), &assertion, &[]).await.oauth_error(400, "invalid_grant");
    let tokens = present(&holder.proving(&scene.assistant), &assertion, &[]).await.status(200).json();
    assert_eq!(tokens["token_type"], "DPoP");
    assert_eq!(holder.read(&tokens, WHO).await.ok(), ALICE);
    thief.read(&tokens, WHO).await.status(401);
    scene.with(&tokens).get(WHO).await.status(401);
}

#[tokio::test]
async fn the_token_is_signed_for_clients_that_want_it_so() {
    let scene = Scene::new().await;
    scene.site.db_update("OAuth Client", &scene.assistant.id, json!({"access_token_format": "JWT"})).await;
    let logged_in = scene.site.clock.now().timestamp() - 600;
    let tokens = scene.ask(json!({"scope": "all", "auth_time": logged_in})).await.status(200).json();
    let token = Unverified::parse(tokens["access_token"].as_str().unwrap()).unwrap();
    let claims = token.unverified_claims();
    assert_eq!((claims.text("client_id"), claims.text("scope")), (Some(&*scene.assistant.id), Some("all")));
    assert_eq!(claims.seconds("auth_time"), Some(logged_in));
    assert_eq!(scene.with(&tokens).get(WHO).await.ok(), ALICE);
}

#[tokio::test]
async fn keys_that_the_issuer_renewed_are_found_and_an_issuer_out_of_reach_is_no_failure_of_ours() {
    let mut scene = Scene::new().await;
    scene.ask(json!({})).await.status(200);
    scene.provider.key = SigningKey::generate(SigningAlgorithm::Es256);
    scene.ask(json!({})).await.oauth_error(400, "invalid_grant");
    scene.provider.renew_keys().await;
    scene.site.clock.advance(Duration::seconds(11));
    scene.ask(json!({})).await.status(200);
    let base = scene.provider.server.uri();
    let nowhere = json!({
        "openid_configuration": "", "issuer": base, "jwks_uri": format!("{base}/gone"),
        "authorize_url": format!("{base}/authorize"), "access_token_url": format!("{base}/token"),
        "client_secret": "entered again",
    });
    scene.site.db_update("Social Login Key", "example_login", nowhere).await;
    let failed = scene.ask(json!({})).await.oauth_error(503, "temporarily_unavailable");
    assert!(!failed.body.contains("/gone"), "{}", failed.body);
    scene.ask(json!({})).await.oauth_error(503, "temporarily_unavailable");
    let asked = scene.provider.server.received_requests().await.unwrap();
    assert_eq!(asked.iter().filter(|request| request.url.path() == "/gone").count(), 1, "it is left alone for a while");
}

#[tokio::test]
async fn a_provider_without_keys_cannot_vouch() {
    let scene = Scene::new().await;
    let base = scene.provider.server.uri();
    let values = json!({
        "openid_configuration": "", "issuer": "", "jwks_uri": "", "base_url": base, "api_endpoint": "/me",
        "authorize_url": "/authorize", "access_token_url": "/token", "client_secret": "entered again",
    });
    let manager = scene.site.administrator().await;
    let refused = manager.update("Social Login Key", "example_login", values.clone()).await.status(417);
    assert!(refused.body.contains("checked by its keys"), "{}", refused.body);
    let mut without = values;
    without["may_vouch"] = json!(0);
    manager.update("Social Login Key", "example_login", without).await.ok();
}
