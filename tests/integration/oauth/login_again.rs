//! Logging in once more, and as somebody else: the session of the same person goes on, that of another one ends.

use std::time::Duration as StdDuration;

use chrono::Duration;
use doctyped::testing::session::Found;
use doctyped::testing::web::Sessions;
use serde_json::{Value as Json, json};

use super::back_channel_logout::{listening, received, site, wait_for_token};
use super::oidcc::basic::{ALICE, continued, link, log_in_as, login_again};
use super::openid_connect::verified;
use super::support::{Program, answer, bearer};
use crate::support::client::Response;
use crate::support::{Client, PASSWORD, TestSite};
use wiremock::{MockServer, ResponseTemplate};

const BOB: &str = "bob@example.com";
const WHO: &str = "/api/method/frappe.auth.get_logged_user";

/// Alice is signed in to two programs, one of which wants to know when that ends; Bob has an account.
struct House {
    site: TestSite,
    alice: Client,
    asking: Program,
    listening: Program,
    server: MockServer,
    /// What the one that listens got.
    tokens: Json,
}

impl House {
    async fn new() -> Self {
        let site = site().await;
        let alice = site.user(ALICE, &[]).await;
        site.db_user(BOB, json!({})).await;
        let (server, listening) = listening(&site, ResponseTemplate::new(200)).await;
        let tokens = listening.tokens(&alice).await;
        let asking = Program::new(&site, json!({})).await;
        site.clock.advance(Duration::seconds(2));
        Self { site, alice, asking, listening, server, tokens }
    }

    /// The page that a request with this wish shows to Alice.
    async fn page(&self, wish: (&str, &str)) -> Response {
        let back = self.alice.get(&self.asking.authorize_uri(&[wish])).await.redirect();
        self.alice.get(&back).await.status(200)
    }

    /// Alice types in her password again for a program; returns the cookie that she had before.
    async fn log_in_again(&self) -> String {
        let before = self.alice.cookie("sid").unwrap();
        let login = login_again(&self.page(("prompt", "login")).await);
        let back = log_in_as(&self.alice, &login, ALICE, PASSWORD).await.redirect();
        let page = self.alice.get(&back).await.status(200);
        let answered = answer(&self.alice, &page, "allow").await.redirect();
        assert!(answered.contains("code="), "{answered}");
        before
    }

    /// The claims of the id token that a program gets now.
    async fn claims(&self, program: &Program) -> doctyped::testing::jwt::Claims {
        verified(&self.site, &program.tokens(&self.alice).await).await.claims
    }

    async fn sessions(&self, status: &str) -> Vec<String> {
        self.site.db_names("Session", json!({"user": ["in", [ALICE, BOB]], "status": status})).await
    }

    /// The sign-in from before works as it did, and nobody was told anything else.
    async fn nothing_has_ended(&self) {
        bearer(&self.site, &self.tokens).get(WHO).await.ok();
        tokio::time::sleep(StdDuration::from_millis(100)).await;
        assert!(self.server.received_requests().await.unwrap().is_empty());
        assert!(self.site.db_names("OAuth Logout Notice", json!({})).await.is_empty());
        assert!(self.sessions("Ended").await.is_empty());
    }
}

#[tokio::test]
async fn the_same_person_goes_on_in_their_session_and_no_program_is_logged_out() {
    let house = House::new().await;
    let first = verified(&house.site, &house.tokens).await.claims;
    house.log_in_again().await;
    let again = house.claims(&house.listening).await;
    assert_eq!(again.text("sid"), first.text("sid"));
    assert!(again.seconds("auth_time") > first.seconds("auth_time"));
    assert_eq!(house.sessions("Active").await.len(), 1);
    house.nothing_has_ended().await;
    house.listening.refresh(house.tokens["refresh_token"].as_str().unwrap()).await.status(200);
}

#[tokio::test]
async fn the_cookie_is_a_new_one_and_whoever_has_the_old_one_is_out() {
    let house = House::new().await;
    let old = house.log_in_again().await;
    let new = house.alice.cookie("sid").unwrap();
    assert_ne!(old, new);
    let thief = house.site.guest();
    thief.set_cookie("sid", &old);
    let refused = thief.get(WHO).await.error(401, "SessionExpired");
    assert_eq!(refused["session_expired"], 1);
    assert_eq!(thief.cookie("sid").as_deref(), Some(&*old), "a request on the way takes no new cookie away");
    // Nor does it log anybody out or in.
    thief.get("/api/method/logout").await.ok();
    assert_eq!(house.alice.logged_user().await, ALICE);
    let site = house.site.restart().await;
    let browser = site.guest();
    browser.set_cookie("sid", &new);
    assert_eq!(browser.logged_user().await, ALICE);
}

#[tokio::test]
async fn another_node_knows_the_new_cookie_at_once() {
    let house = House::new().await;
    let (documents, node) = (house.site.documents(), Sessions::default());
    let opens = async |cookie: &str| matches!(node.find(documents, cookie, "203.0.113.7").await.unwrap(), Found::Session(session) if session.user() == ALICE);
    assert!(opens(&house.alice.cookie("sid").unwrap()).await);
    let old = house.log_in_again().await;
    assert!(opens(&house.alice.cookie("sid").unwrap()).await);
    assert!(!opens(&old).await);
}

#[tokio::test]
async fn an_old_login_is_renewed_for_max_age_in_the_same_way() {
    let house = House::new().await;
    let first = verified(&house.site, &house.tokens).await.claims;
    house.site.clock.advance(Duration::minutes(5));
    let login = login_again(&house.page(("max_age", "60")).await);
    let back = log_in_as(&house.alice, &login, ALICE, PASSWORD).await.redirect();
    let page = house.alice.get(&back).await.status(200);
    answer(&house.alice, &page, "allow").await.redirect();
    assert_eq!(house.claims(&house.listening).await.text("sid"), first.text("sid"));
    house.nothing_has_ended().await;
}

#[tokio::test]
async fn a_wrong_password_changes_nothing() {
    let house = House::new().await;
    let cookie = house.alice.cookie("sid");
    let login = login_again(&house.page(("prompt", "login")).await);
    let refused = log_in_as(&house.alice, &login, ALICE, "wrong password").await.status(401);
    assert!(refused.body.contains("Log in once more") && refused.body.contains("name=\"prompt\""), "{}", refused.body);
    assert_eq!((house.alice.cookie("sid"), house.alice.logged_user().await.as_str()), (cookie, ALICE));
    house.nothing_has_ended().await;
    // And the request still waits for the login.
    login_again(&house.page(("prompt", "login")).await);
}

#[tokio::test]
async fn who_goes_for_another_account_stays_logged_in_until_somebody_else_is() {
    let house = House::new().await;
    let login = link(&house.page(("prompt", "select_account")).await, "Use another account");
    let page = house.alice.get(&login).await.status(200);
    assert!(page.body.contains("Log in as somebody else") && page.body.contains("alice stays"), "{}", page.body);
    assert!(!page.body.contains(&format!("value=\"{ALICE}\"")));
    log_in_as(&house.alice, &login, BOB, "wrong password").await.status(401);
    assert_eq!(house.alice.logged_user().await, ALICE);
    house.nothing_has_ended().await;
}

#[tokio::test]
async fn somebody_else_gets_a_session_of_their_own_and_the_one_before_ends_with_its_sign_ins() {
    let house = House::new().await;
    let (old, sid) = (house.alice.cookie("sid").unwrap(), house.sessions("Active").await.remove(0));
    let login = link(&house.page(("prompt", "select_account")).await, "Use another account");
    let back = log_in_as(&house.alice, &login, BOB, PASSWORD).await.redirect();
    assert_eq!(house.alice.logged_user().await, BOB);
    // The programs of the session that ended are told, and of no other.
    assert_eq!(wait_for_token(&house.site, &house.server).await.text("sid"), Some(&*sid));
    assert_eq!(received(&house.site, &house.server).await.len(), 1);
    bearer(&house.site, &house.tokens).get(WHO).await.error(401, "AuthenticationError");
    assert_eq!(house.sessions("Ended").await, [&*sid]);
    let thief = house.site.guest();
    thief.set_cookie("sid", &old);
    assert_eq!(thief.logged_user().await, "Guest");
    // The request goes on for Bob, in his session.
    let page = house.alice.get(&back).await.status(200);
    assert!(page.body.contains(BOB), "{}", page.body);
    answer(&house.alice, &page, "allow").await.redirect();
    assert_ne!(house.claims(&house.asking).await.text("sid"), Some(&*sid));
}

#[tokio::test]
async fn a_cookie_that_was_planted_in_a_browser_leads_nobody_into_the_session_of_who_logs_in_there() {
    let site = TestSite::new().await;
    let mallory = site.user("mallory@example.com", &[]).await;
    site.db_user(ALICE, json!({})).await;
    let browser = site.guest();
    browser.set_cookie("sid", &mallory.cookie("sid").unwrap());
    browser.log_in(ALICE, PASSWORD).await.ok();
    assert_ne!(browser.cookie("sid"), mallory.cookie("sid"));
    assert_eq!(browser.logged_user().await, ALICE);
    assert_eq!(mallory.logged_user().await, "Guest", "it ended with her login");
}

#[tokio::test]
async fn a_page_elsewhere_cannot_log_in_again() {
    let house = House::new().await;
    let fields = [("usr", ALICE), ("pwd", PASSWORD)];
    let cookie = house.alice.cookie("sid");
    house.alice.form("/login", &fields).await.status(400);
    house.alice.with_header("sec-fetch-site", "cross-site").form("/login", &fields).await.status(400);
    assert_eq!(house.alice.cookie("sid"), cookie);
}

#[tokio::test]
async fn a_request_stays_with_the_session_through_another_login() {
    let house = House::new().await;
    let shown = house.page(("prompt", "consent")).await;
    house.log_in_again().await;
    // Its form is older than the cookie; the page itself is still hers.
    answer(&house.alice, &shown, "allow").await.status(400);
    let back = super::support::hidden(&shown.body, "request_id");
    let page = house.alice.get(&format!("{}approve?request_id={back}", super::support::BASE)).await.status(200);
    assert!(answer(&house.alice, &page, "allow").await.redirect().contains("code="));
}

#[tokio::test]
async fn a_program_that_remembers_goes_on_without_a_further_question() {
    let house = House::new().await;
    house.site.db_update("OAuth Settings", "OAuth Settings", json!({"skip_authorization": 1})).await;
    house.asking.tokens(&house.alice).await;
    house.site.clock.advance(Duration::seconds(2));
    let login = login_again(&house.page(("prompt", "login")).await);
    let back = log_in_as(&house.alice, &login, ALICE, PASSWORD).await.redirect();
    assert!(continued(&house.alice.get(&back).await.status(200)).contains("code="));
    house.nothing_has_ended().await;
}
