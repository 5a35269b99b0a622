//! `…end_session`: RP-initiated logout beyond the OpenID Foundation's plan, which `oidcc::rp_initiated_logout` follows.

use chrono::Duration;
use serde_json::{Value as Json, json};

use super::support::{BASE, Program, bearer, hidden, signed_by_site};
use crate::support::client::Response;
use crate::support::{Client, PASSWORD, TestSite};

/// The person.
pub const ALICE: &str = "alice@example.com";
/// Where the program wants them to go.
pub const BYE: &str = "https://app.example/bye";
const WHO: &str = "/api/method/frappe.auth.get_logged_user";

/// A person who is signed in to a program.
pub struct SignedIn {
    /// The site.
    pub site: TestSite,
    /// The person.
    pub alice: Client,
    /// The program.
    pub program: Program,
    /// What it got.
    pub tokens: Json,
    /// The id token among it.
    pub id_token: String,
}

impl SignedIn {
    /// The program may send people to [`BYE`].
    pub async fn new() -> Self {
        let site = TestSite::new().await;
        let alice = site.user(ALICE, &[]).await;
        let program = Program::new(&site, json!({"post_logout_redirect_uris": BYE})).await;
        let tokens = program.tokens(&alice).await;
        let id_token = tokens["id_token"].as_str().unwrap().to_owned();
        Self { site, alice, program, tokens, id_token }
    }

    /// The program sends Alice to log out.
    pub async fn send(&self, parameters: &[(&str, &str)]) -> Response {
        self.alice.get(&uri(parameters)).await
    }

    /// Whether Alice is still there.
    pub async fn is_logged_in(&self) -> bool {
        self.alice.logged_user().await == ALICE
    }
}

/// An id token of Alice with changes, which the site has signed all the same; null leaves a claim out.
pub async fn id_token(site: &TestSite, program: &Program, change: Json) -> String {
    let session = site.db_names("Session", json!({"user": ALICE, "status": "Active"})).await;
    let now = site.clock.now().timestamp();
    let mut claims = json!({
        "iss": site.documents().site_url(), "aud": program.id, "sub": subject(site, ALICE).await,
        "iat": now, "exp": now + 3600, "sid": session[0],
    });
    for (name, value) in change.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    signed_by_site(site, "JWT", &claims).await
}

/// Under which programs know a person.
pub async fn subject(site: &TestSite, user: &str) -> String {
    doctyped::testing::subject::subject_of(site.documents(), user).await.unwrap()
}

/// The address to which a program sends people.
pub fn uri(parameters: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("{BASE}end_session?{query}")
}

/// Presses a button of the page that asks.
pub async fn press(person: &Client, page: &Response, decision: &str) -> Response {
    let mut fields = vec![("csrf_token", hidden(&page.body, "csrf_token")), ("decision", decision.to_owned())];
    for name in ["id_token_hint", "client_id", "post_logout_redirect_uri", "state"] {
        if page.body.contains(&format!("name=\"{name}\"")) {
            fields.push((name, hidden(&page.body, name)));
        }
    }
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    person.form(&format!("{BASE}end_session"), &fields).await
}

/// The page asks whether to log out, and goes nowhere by itself.
#[track_caller]
pub fn asks(page: &Response) {
    assert!(page.body.contains("value=\"log_out\"") && !page.body.contains("http-equiv"), "{}", page.body);
}

#[tokio::test]
async fn a_hint_may_have_expired_and_its_key_have_been_retired() {
    let signed_in = SignedIn::new().await;
    signed_in.site.clock.advance(Duration::hours(2));
    // Renews the signing keys: the one behind the hint is retired, and still published.
    let administrator = signed_in.site.administrator().await;
    let rotate = "/api/v2/document/OAuth%20Settings/OAuth%20Settings/method/rotate_signing_keys";
    administrator.post(rotate, json!({})).await.status(200);
    let parameters = [("id_token_hint", &*signed_in.id_token), ("post_logout_redirect_uri", BYE)];
    assert_eq!(signed_in.send(&parameters).await.redirect(), BYE);
    assert!(!signed_in.is_logged_in().await);
}

#[tokio::test]
async fn a_hint_of_another_person_or_session_is_confirmed_first() {
    let signed_in = SignedIn::new().await;
    let bob = signed_in.site.user("bob@example.com", &[]).await;
    let parameters = [("id_token_hint", &*signed_in.id_token), ("post_logout_redirect_uri", BYE)];
    asks(&bob.get(&uri(&parameters)).await.status(200));
    let elsewhere = signed_in.site.guest();
    elsewhere.log_in(ALICE, PASSWORD).await.ok();
    asks(&elsewhere.get(&uri(&parameters)).await.status(200));
    assert_eq!(elsewhere.logged_user().await, ALICE);
    // Who is not logged in (any more) has nothing to confirm.
    assert_eq!(signed_in.site.guest().get(&uri(&parameters)).await.redirect(), BYE);
    assert!(signed_in.is_logged_in().await, "nobody else's browser logs her out");
}

#[tokio::test]
async fn a_contradicting_unknown_or_repeated_parameter_is_refused() {
    let signed_in = SignedIn::new().await;
    let other = Program::new(&signed_in.site, json!({"post_logout_redirect_uris": "https://other.example/"})).await;
    let hint = signed_in.id_token.as_str();
    for parameters in [
        vec![("id_token_hint", hint), ("client_id", &other.id)],
        vec![("client_id", "unknown"), ("post_logout_redirect_uri", BYE)],
        vec![("post_logout_redirect_uri", BYE)],
        vec![("state", "1"), ("state", "2")],
    ] {
        let _ = signed_in.send(&parameters).await.status(400);
        assert!(signed_in.is_logged_in().await, "{parameters:?}");
    }
    let ignored = [("id_token_hint", hint), ("logout_hint", ALICE), ("ui_locales", "de fr"), ("foo", "bar")];
    let _ = signed_in.send(&ignored).await.status(200);
    assert!(!signed_in.is_logged_in().await);
}

#[tokio::test]
async fn a_form_posted_from_the_program_is_sent_on_from_here_where_the_cookie_counts() {
    let signed_in = SignedIn::new().await;
    let fields = [("id_token_hint", &*signed_in.id_token), ("post_logout_redirect_uri", BYE), ("state", "s")];
    // A browser leaves the cookie out; one that sends it, from a sibling host, is taken for nobody all the same.
    let sibling =
        signed_in.alice.with_header("sec-fetch-site", "same-site").with_header("origin", "https://app.example");
    for browser in [&signed_in.site.guest(), &sibling] {
        let page = browser.form(&format!("{BASE}end_session"), &fields).await.status(200);
        assert!(page.body.contains("data-submit") && signed_in.is_logged_in().await, "{}", page.body);
        assert_eq!(hidden(&page.body, "state"), "s");
    }
    let mut sent_on = fields.to_vec();
    sent_on.push(("sent_on", "1"));
    let done = signed_in.alice.form(&format!("{BASE}end_session"), &sent_on).await.status(200);
    assert!(done.body.contains("0;url=https://app.example/bye?state"), "{}", done.body);
    assert!(!signed_in.is_logged_in().await);
}

#[tokio::test]
async fn a_foreign_page_cannot_press_the_button() {
    let signed_in = SignedIn::new().await;
    let fields = [("decision", "log_out"), ("csrf_token", "guessed"), ("sent_on", "1")];
    asks(&signed_in.alice.form(&format!("{BASE}end_session"), &fields).await.status(200));
    assert!(signed_in.is_logged_in().await);
}

#[tokio::test]
async fn sign_ins_end_with_the_session_and_access_given_for_longer_does_not() {
    let signed_in = SignedIn::new().await;
    let (site, alice) = (&signed_in.site, &signed_in.alice);
    let mut offline = Program::new(site, json!({})).await;
    offline.scope = "openid all offline_access".to_owned();
    let offline_tokens = offline.tokens(alice).await;
    let mut data = Program::new(site, json!({})).await;
    data.scope = "all".to_owned();
    let data_tokens = data.tokens(alice).await;
    let elsewhere = site.guest();
    elsewhere.log_in(ALICE, PASSWORD).await.ok();
    let other_session = signed_in.program.tokens(&elsewhere).await;
    let code = signed_in.program.code(alice).await;
    let _ = signed_in.send(&[("id_token_hint", &signed_in.id_token)]).await.status(200);
    bearer(site, &signed_in.tokens).get(WHO).await.error(401, "AuthenticationError");
    let refresh_token = signed_in.tokens["refresh_token"].as_str().unwrap();
    signed_in.program.refresh(refresh_token).await.oauth_error(400, "invalid_grant");
    signed_in.program.exchange(&code).await.oauth_error(400, "invalid_grant");
    for tokens in [&offline_tokens, &data_tokens, &other_session] {
        bearer(site, tokens).get(WHO).await.ok();
    }
}

#[tokio::test]
async fn the_administrator_may_let_sign_ins_outlive_the_session() {
    let signed_in = SignedIn::new().await;
    signed_in.site.db_update("OAuth Settings", "OAuth Settings", json!({"end_tokens_at_logout": 0})).await;
    let _ = signed_in.send(&[("id_token_hint", &signed_in.id_token)]).await.status(200);
    bearer(&signed_in.site, &signed_in.tokens).get(WHO).await.ok();
}
