//! DPoP (RFC 9449): tokens that work only together with a key of the program.

use chrono::{DateTime, Duration, Utc};
use doctyped::testing::dpop::{TYPE, sign};
use doctyped::testing::jwt::SigningKey;
use doctyped::testing::secret::{SigningAlgorithm, digest};
use serde_json::{Value as Json, json};

use super::support::{BASE, Program, bearer, parameter};
use crate::support::client::Response;
use crate::support::{Client, TestSite};

const ALICE: &str = "alice@example.com";
const WHO: &str = "/api/method/frappe.auth.get_logged_user";

/// What every 401 for lack of a token offers beside Bearer.
const ALGS_CHALLENGE: &str = "DPoP algs=\"ES256 EdDSA RS256 PS256\"";

/// A key, and the site that it signs for.
pub struct Holder<'s> {
    site: &'s TestSite,
    /// The key.
    pub key: SigningKey,
}

impl<'s> Holder<'s> {
    /// Somebody with a new key.
    pub fn new(site: &'s TestSite) -> Self {
        Self { site, key: SigningKey::generate(SigningAlgorithm::Es256) }
    }

    fn now(&self) -> DateTime<Utc> {
        self.site.documents().clock().now()
    }

    fn uri(&self, path: &str) -> String {
        format!("{}{path}", self.site.documents().site_url())
    }

    /// A proof for a request with an access token.
    fn proof(&self, method: &str, path: &str, token: &str) -> String {
        sign(&self.key, method, &self.uri(path), Some(token), self.now())
    }

    /// A program whose next request to the token endpoint carries a new proof.
    pub fn proving(&self, program: &Program) -> Program {
        self.proving_at(program, "get_token")
    }

    /// The same for another endpoint.
    pub fn proving_at(&self, program: &Program, endpoint: &str) -> Program {
        let uri = self.uri(&format!("{BASE}{endpoint}"));
        program.with_header("dpop", &sign(&self.key, "POST", &uri, None, self.now()))
    }

    /// The same, with claims of one's own beside or instead of the right ones.
    fn claiming(&self, program: &Program, changes: &Json) -> Program {
        let mut claims = json!({
            "jti": "an id", "htm": "POST", "htu": self.uri(&format!("{BASE}get_token")), "iat": self.now().timestamp(),
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        program.with_header("dpop", &self.key.sign_with_embedded_key(TYPE, &claims))
    }

    /// Somebody with a token that is bound to the key, for one request.
    pub fn presenting(&self, tokens: &Json, method: &str, path: &str) -> Client {
        let token = tokens["access_token"].as_str().unwrap();
        self.site
            .guest()
            .with_header("authorization", &format!("DPoP {token}"))
            .with_header("dpop", &self.proof(method, path, token))
    }

    /// Tokens that are bound to the key.
    pub async fn tokens(&self, program: &Program, person: &Client) -> Json {
        let code = program.code(person).await;
        self.proving(program).exchange(&code).await.status(200).json()
    }

    /// Asks with a bound token and a proof.
    pub async fn read(&self, tokens: &Json, path: &str) -> Response {
        self.presenting(tokens, "GET", path).get(path).await
    }
}

/// A client that is allowed to act for itself.
async fn robot(site: &TestSite) -> Program {
    site.db_user("robot@example.com", json!({})).await;
    Program::new(site, json!({"allow_client_credentials": 1, "user": "robot@example.com", "scopes": "all"})).await
}

const FOR_ITSELF: [(&str, &str); 2] = [("grant_type", "client_credentials"), ("scope", "all")];

#[tokio::test]
async fn a_proof_at_the_token_endpoint_binds_the_token_to_its_key() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::public(&site).await;
    let holder = Holder::new(&site);
    let tokens = holder.tokens(&program, &alice).await;
    assert_eq!(tokens["token_type"], "DPoP");
    assert_eq!(holder.read(&tokens, WHO).await.ok(), ALICE);
    let unbound = program.tokens(&alice).await;
    assert_eq!(unbound["token_type"], "Bearer", "whoever sends no proof gets a bearer token");
}

#[tokio::test]
async fn a_bound_token_sent_as_bearer_is_refused_and_so_is_a_bearer_token_sent_as_dpop() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::public(&site).await;
    let holder = Holder::new(&site);
    let tokens = holder.tokens(&program, &alice).await;
    let refused = bearer(&site, &tokens).get(WHO).await.status(401);
    let challenge = refused.header("www-authenticate");
    assert!(challenge.starts_with("Bearer error=\"invalid_token\""), "{challenge}");
    assert_eq!(refused.headers.get_all("www-authenticate").iter().next_back().unwrap(), ALGS_CHALLENGE);
    let unbound = program.tokens(&alice).await;
    let refused = holder.read(&unbound, WHO).await.status(401);
    let challenge = refused.header("www-authenticate");
    assert!(challenge.starts_with("DPoP error=\"invalid_token\""), "{challenge}");
    bearer(&site, &unbound).get(WHO).await.ok();
}

#[tokio::test]
async fn a_thief_without_the_key_gets_nothing() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::public(&site).await;
    let (holder, thief) = (Holder::new(&site), Holder::new(&site));
    let tokens = holder.tokens(&program, &alice).await;
    let refused = thief.read(&tokens, WHO).await.status(401);
    assert!(refused.header("www-authenticate").contains("error=\"invalid_token\""));
    let token = tokens["access_token"].as_str().unwrap();
    let without = site.guest().with_header("authorization", &format!("DPoP {token}"));
    let refused = without.get(WHO).await.status(401);
    let challenge = refused.header("www-authenticate");
    assert!(challenge.starts_with("DPoP error=\"invalid_dpop_proof\""), "{challenge}");
    assert!(challenge.contains("algs=\"ES256"), "{challenge}");
}

#[tokio::test]
async fn a_proof_is_for_one_method_one_address_and_one_token() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::public(&site).await;
    let holder = Holder::new(&site);
    let (tokens, other) = (holder.tokens(&program, &alice).await, holder.tokens(&program, &alice).await);
    holder.presenting(&tokens, "POST", WHO).get(WHO).await.error(401, "AuthenticationError");
    holder.presenting(&tokens, "GET", "/api/method/ping").get(WHO).await.error(401, "AuthenticationError");
    let token = tokens["access_token"].as_str().unwrap();
    let mixed = site
        .guest()
        .with_header("authorization", &format!("DPoP {token}"))
        .with_header("dpop", &holder.proof("GET", WHO, other["access_token"].as_str().unwrap()));
    mixed.get(WHO).await.error(401, "AuthenticationError");
    // Query and older spelling of the path: htu is the address as the program wrote it, without its query.
    holder.presenting(&tokens, "GET", WHO).get(&format!("{WHO}?x=1")).await.ok();
    let older = WHO.replace("/api/", "/api/v1/");
    assert_eq!(holder.read(&tokens, &older).await.ok(), ALICE);
}

#[tokio::test]
async fn a_proof_serves_once_for_reads_and_for_writes() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::public(&site).await;
    let holder = Holder::new(&site);
    let tokens = holder.tokens(&program, &alice).await;
    let reader = holder.presenting(&tokens, "GET", WHO);
    reader.get(WHO).await.ok();
    let refused = reader.get(WHO).await.status(401);
    assert!(refused.header("www-authenticate").contains("error=\"invalid_dpop_proof\""));
    let before = site.db_names("OAuth Replay Guard", json!({})).await.len();
    let writer = holder.presenting(&tokens, "POST", WHO);
    writer.post(WHO, json!({})).await.ok();
    writer.post(WHO, json!({})).await.error(401, "AuthenticationError");
    let after = site.db_names("OAuth Replay Guard", json!({})).await.len();
    assert_eq!(after, before + 1, "a write is remembered in the database, a read only in memory");
    // It outlives a restart.
    let site = site.restart().await;
    let proofs = site.db_names("OAuth Replay Guard", json!({"purpose": "DPoP Proof"})).await;
    assert_eq!(proofs.len(), 2);
}

#[tokio::test]
async fn of_many_uses_of_one_proof_at_once_one_alone_succeeds() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let holder = Holder::new(&site);
    let tokens = holder.tokens(&Program::public(&site).await, &alice).await;
    let reader = holder.presenting(&tokens, "GET", WHO);
    let answers = futures_util::future::join_all((0..30).map(|_| reader.get(WHO))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    let robot = holder.proving(&robot(&site).await);
    let answers = futures_util::future::join_all((0..30).map(|_| robot.post("get_token", &FOR_ITSELF))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_a_proof_at_the_token_endpoint_is_invalid_dpop_proof() {
    let site = TestSite::new().await;
    let program = robot(&site).await;
    let holder = Holder::new(&site);
    let now = holder.now().timestamp();
    for changes in [
        json!({"htm": "GET"}),
        json!({"htu": "https://elsewhere.example/token"}),
        json!({"jti": ""}),
        json!({"iat": now - 600}),
        json!({"iat": now + 600}),
        json!({"iat": null}),
    ] {
        let refused = holder.claiming(&program, &changes).post("get_token", &FOR_ITSELF).await;
        refused.oauth_error(400, "invalid_dpop_proof");
    }
    program.with_header("dpop", "garbage").post("get_token", &FOR_ITSELF).await.oauth_error(400, "invalid_dpop_proof");
    let two = holder.proving(&holder.proving(&program));
    two.post("get_token", &FOR_ITSELF).await.oauth_error(400, "invalid_dpop_proof");
    let right = holder.claiming(&program, &json!({}));
    right.post("get_token", &FOR_ITSELF).await.status(200);
    right.post("get_token", &FOR_ITSELF).await.oauth_error(400, "invalid_dpop_proof");
}

#[tokio::test]
async fn a_refresh_token_of_a_public_client_is_bound_to_the_key_as_well() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::public(&site).await;
    let (holder, thief) = (Holder::new(&site), Holder::new(&site));
    let tokens = holder.tokens(&program, &alice).await;
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    program.refresh(refresh_token).await.oauth_error(400, "invalid_grant");
    thief.proving(&program).refresh(refresh_token).await.oauth_error(400, "invalid_grant");
    let renewed = holder.proving(&program).refresh(refresh_token).await.status(200).json();
    assert_eq!(renewed["token_type"], "DPoP");
    assert_eq!(holder.read(&renewed, WHO).await.ok(), ALICE);
}

#[tokio::test]
async fn a_confidential_client_may_change_its_key_when_it_renews() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::new(&site, json!({})).await;
    let (old, new) = (Holder::new(&site), Holder::new(&site));
    let tokens = old.tokens(&program, &alice).await;
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    let renewed = new.proving(&program).refresh(refresh_token).await.status(200).json();
    old.read(&renewed, WHO).await.error(401, "AuthenticationError");
    assert_eq!(new.read(&renewed, WHO).await.ok(), ALICE);
}

#[tokio::test]
async fn a_code_that_named_a_key_is_exchanged_with_that_key_alone() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::public(&site).await;
    let (holder, thief) = (Holder::new(&site), Holder::new(&site));
    let jkt = holder.key.jwk().thumbprint();
    let to = program.ask(&alice, &[("dpop_jkt", &jkt)], "allow").await;
    let code = parameter(&to, "code").unwrap();
    program.exchange(&code).await.oauth_error(400, "invalid_grant");
    thief.proving(&program).exchange(&code).await.oauth_error(400, "invalid_grant");
    holder.proving(&program).exchange(&code).await.status(200);
    let refused = alice.get(&program.authorize_uri(&[("dpop_jkt", "too short")])).await.redirect();
    assert_eq!(parameter(&refused, "error").as_deref(), Some("invalid_request"));
}

#[tokio::test]
async fn a_client_that_must_prove_its_key_gets_nothing_without_a_proof() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::new(&site, json!({"token_endpoint_auth_method": "None", "require_dpop": 1})).await;
    let code = program.code(&alice).await;
    program.exchange(&code).await.oauth_error(400, "invalid_dpop_proof");
    let tokens = Holder::new(&site).proving(&program).exchange(&code).await.status(200).json();
    assert_eq!(tokens["token_type"], "DPoP");
}

#[tokio::test]
async fn userinfo_and_introspection_know_bound_tokens() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = Program::new(&site, json!({})).await;
    let holder = Holder::new(&site);
    let tokens = holder.tokens(&program, &alice).await;
    let userinfo = format!("{BASE}openid_profile");
    let claims = holder.read(&tokens, &userinfo).await.status(200).json();
    assert!(claims["sub"].is_string(), "{claims}");
    bearer(&site, &tokens).get(&userinfo).await.error(401, "AuthenticationError");
    let token = tokens["access_token"].as_str().unwrap();
    let told = program.post("introspect_token", &[("token", token)]).await.status(200).json();
    assert_eq!(told["token_type"], "DPoP");
    assert_eq!(told["cnf"], json!({"jkt": holder.key.jwk().thumbprint()}));
}

#[tokio::test]
async fn a_missing_scope_is_told_in_the_scheme_that_was_used() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let mut program = Program::public(&site).await;
    program.scope = "openid".to_owned();
    let holder = Holder::new(&site);
    let tokens = holder.tokens(&program, &alice).await;
    let refused = holder.read(&tokens, "/api/resource/User").await.status(403);
    let challenge = refused.header("www-authenticate");
    assert!(challenge.starts_with("DPoP error=\"insufficient_scope\""), "{challenge}");
}

#[tokio::test]
async fn metadata_name_the_algorithms_and_pages_of_the_client_may_read_the_nonce() {
    let site = TestSite::new().await;
    let algorithms = json!(["ES256", "EdDSA", "RS256", "PS256"]);
    for path in ["/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource"] {
        let metadata = site.guest().get(path).await.status(200).json();
        assert_eq!(metadata["dpop_signing_alg_values_supported"], algorithms, "{path}");
    }
    let refused = site.guest().get("/api/resource/User").await.status(401);
    assert!(refused.header("www-authenticate").starts_with("Bearer "));
    assert_eq!(refused.headers.get_all("www-authenticate").iter().next_back().unwrap(), ALGS_CHALLENGE);
    let program = Program::public(&site).await.with_header("origin", "https://app.example");
    let answer = program.refresh("dt_rt_x").await.status(400);
    assert!(answer.header("access-control-expose-headers").contains("DPoP-Nonce"));
}

#[tokio::test]
async fn where_the_settings_ask_for_a_nonce_proofs_carry_the_one_that_the_site_told() {
    let site = TestSite::new().await;
    site.db_update("OAuth Settings", "OAuth Settings", json!({"require_dpop_nonce": 1})).await;
    let program = robot(&site).await;
    let holder = Holder::new(&site);
    let first = holder.proving(&program).post("get_token", &FOR_ITSELF).await.oauth_error(400, "use_dpop_nonce");
    let nonce = first.header("dpop-nonce").to_owned();
    assert!(!nonce.is_empty());
    let with = |nonce: &str, jti: &str| holder.claiming(&program, &json!({"nonce": nonce, "jti": jti}));
    let tokens = with(&nonce, "1").post("get_token", &FOR_ITSELF).await.status(200).json();
    with("made up", "2").post("get_token", &FOR_ITSELF).await.oauth_error(400, "use_dpop_nonce");
    // At the resource server as well.
    let refused = holder.read(&tokens, WHO).await.status(401);
    assert!(refused.header("www-authenticate").starts_with("DPoP error=\"use_dpop_nonce\""));
    let nonce = refused.header("dpop-nonce").to_owned();
    let token = tokens["access_token"].as_str().unwrap();
    let claims = json!({
        "jti": "3", "htm": "GET", "htu": holder.uri(WHO), "iat": holder.now().timestamp(), "nonce": nonce,
        "ath": digest(token),
    });
    let client = site
        .guest()
        .with_header("authorization", &format!("DPoP {token}"))
        .with_header("dpop", &holder.key.sign_with_embedded_key(TYPE, &claims));
    assert_eq!(client.get(WHO).await.ok(), "robot@example.com");
    // It changes: after a while the old one is no longer taken.
    site.clock.advance(Duration::minutes(11));
    with(&nonce, "4").post("get_token", &FOR_ITSELF).await.oauth_error(400, "use_dpop_nonce");
}
