//! Logging in and out: by API and by page, and everything that ends a session.

use chrono::Duration;
use poem::http::Method;
use serde_json::json;

use crate::support::{Client, PASSWORD, TestSite};

const ALICE: &str = "alice@example.com";

async fn site_with_alice() -> TestSite {
    let site = TestSite::new().await;
    site.db_user(ALICE, json!({})).await;
    site
}

async fn logged_in(site: &TestSite) -> Client {
    let client = site.guest();
    client.log_in(ALICE, PASSWORD).await.ok();
    client
}

#[tokio::test]
async fn a_login_answers_as_frappe_does_and_sets_its_cookies() {
    let site = site_with_alice().await;
    let client = site.guest();
    let answer = client.log_in(ALICE, PASSWORD).await.status(200);
    assert_eq!(answer.json(), json!({"message": "Logged In", "home_page": "/app", "full_name": "alice"}));
    let cookies: Vec<&str> = answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
    let sid = cookies.iter().find(|cookie| cookie.starts_with("sid=")).unwrap();
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=612000"] {
        assert!(sid.contains(attribute), "{sid}");
    }
    assert!(!sid.contains("Secure"), "the site URL is http");
    assert_eq!(client.cookie("system_user").as_deref(), Some("yes"));
    assert_eq!(client.cookie("user_id").as_deref(), Some("alice%40example.com"));
    for name in ["full_name", "user_image", "user_lang"] {
        assert!(cookies.iter().any(|cookie| cookie.starts_with(&format!("{name}="))), "{name}");
    }
    assert_eq!(client.logged_user().await, ALICE);
}

#[tokio::test]
async fn cookies_are_secure_where_the_site_is_https() {
    let site = TestSite::new().with_config(|config| config.site_url = "https://site.example".to_owned()).await;
    let answer = site.guest().log_in("Administrator", PASSWORD).await.status(200);
    let cookies: Vec<&str> = answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
    assert!(cookies.iter().all(|cookie| cookie.contains("Secure")), "{cookies:?}");
    assert!(answer.header("strict-transport-security").starts_with("max-age="));
}

#[tokio::test]
async fn guests_get_no_cookies() {
    let site = TestSite::new().await;
    let answer = site.guest().get("/api/method/ping").await.status(200);
    assert!(answer.headers.get("set-cookie").is_none());
}

#[tokio::test]
async fn json_names_in_any_case_and_usernames_log_in() {
    let site = site_with_alice().await;
    site.db_update("User", ALICE, json!({"username": "alice"})).await;
    for usr in ["Alice@Example.COM", "alice", " alice@example.com "] {
        let client = site.guest();
        client.post("/api/method/login", json!({"usr": usr, "pwd": PASSWORD})).await.ok();
        assert_eq!(client.logged_user().await, ALICE, "{usr}");
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_are_answered_alike() {
    let site = site_with_alice().await;
    let wrong = site.guest().log_in(ALICE, "wrong password").await;
    let unknown = site.guest().log_in("nobody@example.com", PASSWORD).await;
    assert_eq!(wrong.body, unknown.body);
    let body = wrong.error(401, "AuthenticationError");
    assert_eq!(body["message"], "Invalid login credentials");
    site.guest().log_in("Guest", PASSWORD).await.error(401, "AuthenticationError");
}

#[tokio::test]
async fn login_is_by_post_only() {
    let site = site_with_alice().await;
    let uri = format!("/api/method/login?usr={ALICE}&pwd=correct%20horse%20battery");
    let answer = site.guest().get(&uri).await;
    assert_eq!(answer.header("allow"), "POST, OPTIONS");
    answer.error(405, "MethodNotAllowed");
    site.guest().get(&format!("/?cmd=login&usr={ALICE}&pwd=x")).await.error(403, "PermissionError");
    // And what stands in the address is not read.
    let answer = site.guest().send(Method::POST, &uri, "", "").await;
    assert!(answer.status.is_client_error());
}

#[tokio::test]
async fn the_legacy_transport_logs_in_and_calls_methods() {
    let site = site_with_alice().await;
    let client = site.guest();
    let answer = client.form("/", &[("cmd", "login"), ("usr", ALICE), ("pwd", PASSWORD)]).await.status(200);
    assert_eq!(answer.json()["message"], "Logged In");
    assert_eq!(client.get("/?cmd=frappe.auth.get_logged_user").await.ok(), ALICE);
    client.form("/", &[("cmd", "no.such.method")]).await.error(404, "DoesNotExistError");
    assert_eq!(client.get("/").await.redirect(), "/app");
}

#[tokio::test]
async fn a_website_user_has_no_app() {
    let site = TestSite::new().await;
    site.db_user("web@example.com", json!({"user_type": "Website User"})).await;
    let client = site.guest();
    let answer = client.log_in("web@example.com", PASSWORD).await.status(200).json();
    assert_eq!((answer["message"].as_str(), answer["home_page"].as_str()), (Some("No App"), Some("/me")));
    assert_eq!(client.cookie("system_user").as_deref(), Some("no"));
}

#[tokio::test]
async fn the_home_page_of_a_role_is_where_a_login_leads() {
    let site = TestSite::new().await;
    site.db_insert("Role", json!({"role_name": "Librarian", "home_page": "/app/book"})).await;
    site.db_user("lib@example.com", json!({"roles": [{"role": "Librarian"}]})).await;
    let answer = site.guest().log_in("lib@example.com", PASSWORD).await.status(200).json();
    assert_eq!(answer["home_page"], "/app/book");
}

#[tokio::test]
async fn a_logout_ends_the_session_for_good() {
    let site = site_with_alice().await;
    let client = logged_in(&site).await;
    let sid = client.cookie("sid").unwrap();
    client.post("/api/method/logout", json!({})).await.ok();
    assert_eq!(client.cookie("sid"), None);
    client.set_cookie("sid", &sid);
    let body = client.get("/api/method/frappe.auth.get_logged_user").await.error(401, "SessionExpired");
    assert_eq!(body["session_expired"], 1);
}

#[tokio::test]
async fn a_stale_cookie_is_a_guest_and_says_so() {
    let site = TestSite::new().await;
    let client = site.guest();
    client.set_cookie("sid", "sid_invented");
    let answer = client.get("/api/method/version").await.status(200);
    assert_eq!(answer.json()["session_expired"], 1);
    assert_eq!(client.cookie("sid"), None, "the cookie is taken away");
}

#[tokio::test]
async fn a_session_ends_when_it_is_not_used() {
    let site = site_with_alice().await;
    let client = logged_in(&site).await;
    site.clock.advance(Duration::hours(169));
    assert_eq!(client.logged_user().await, ALICE);
    // Use puts the end off.
    site.clock.advance(Duration::hours(169));
    assert_eq!(client.logged_user().await, ALICE);
    site.clock.advance(Duration::hours(171));
    assert_eq!(client.logged_user().await, "Guest");
}

#[tokio::test]
async fn the_life_of_a_session_is_a_setting() {
    let site = site_with_alice().await;
    site.db_update("System Settings", "System Settings", json!({"session_expiry": "01:00"})).await;
    let client = logged_in(&site).await;
    site.clock.advance(Duration::minutes(61));
    assert_eq!(client.logged_user().await, "Guest");
}

#[tokio::test]
async fn a_session_survives_a_restart() {
    let site = site_with_alice().await;
    let sid = logged_in(&site).await.cookie("sid").unwrap();
    let site = site.restart().await;
    let client = site.guest();
    client.set_cookie("sid", &sid);
    assert_eq!(client.logged_user().await, ALICE);
}

#[tokio::test]
async fn a_disabled_user_is_out_at_once() {
    let site = site_with_alice().await;
    let client = logged_in(&site).await;
    site.db_update("User", ALICE, json!({"enabled": 0})).await;
    assert_eq!(client.logged_user().await, "Guest");
    site.guest().log_in(ALICE, PASSWORD).await.error(401, "AuthenticationError");
    // Enabling again does not bring the old session back.
    site.db_update("User", ALICE, json!({"enabled": 1})).await;
    assert_eq!(client.logged_user().await, "Guest");
    logged_in(&site).await;
}

#[tokio::test]
async fn deleting_a_session_logs_the_device_out() {
    let site = site_with_alice().await;
    let client = logged_in(&site).await;
    let names = site.db_names("Session", json!({"user": ALICE})).await;
    assert_eq!(names.len(), 1);
    let system = doctyped::testing::permissions::Session::system();
    site.documents().delete(&system, "Session", &names[0]).await.unwrap();
    assert_eq!(client.logged_user().await, "Guest");
}

#[tokio::test]
async fn a_person_sees_and_ends_their_own_sessions_only() {
    let site = site_with_alice().await;
    logged_in(&site).await;
    site.db_user("bob@example.com", json!({})).await;
    site.guest().log_in("bob@example.com", PASSWORD).await.ok();
    let access = site.documents().access(ALICE).await.unwrap().unwrap();
    let alice = doctyped::testing::permissions::Session::of(access);
    let request = doctyped::testing::document::ListRequest::new("Session").fields(&["name", "user"]).all();
    let list = site.documents().list(&alice, &request).await.unwrap();
    assert_eq!((list.rows.len(), list.text(0, "user")), (1, ALICE));
    let bobs = site.db_names("Session", json!({"user": "bob@example.com"})).await;
    assert!(site.documents().delete(&alice, "Session", &bobs[0]).await.is_err());
    site.documents().delete(&alice, "Session", list.text(0, "name")).await.unwrap();
}

#[tokio::test]
async fn the_oldest_session_gives_way() {
    let site = site_with_alice().await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(logged_in(&site).await);
        site.clock.advance(Duration::seconds(1));
    }
    let mut users = Vec::new();
    for client in &clients {
        users.push(client.logged_user().await);
    }
    assert_eq!(users, ["Guest", ALICE, ALICE], "two at a time, as the user's default says");
}

#[tokio::test]
async fn a_new_password_ends_other_sessions() {
    let site = site_with_alice().await;
    let (here, elsewhere) = (logged_in(&site).await, logged_in(&site).await);
    let path = "frappe.core.doctype.user.user.update_password";
    here.call(path, json!({"old_password": "wrong", "new_password": "another good one"}))
        .await
        .error(401, "AuthenticationError");
    here.call(path, json!({"old_password": PASSWORD, "new_password": "short"})).await.error(417, "ValidationError");
    assert_eq!(
        here.call(path, json!({"old_password": PASSWORD, "new_password": "another good one"})).await.ok(),
        "/app"
    );
    assert_eq!(here.logged_user().await, ALICE);
    assert_eq!(elsewhere.logged_user().await, "Guest");
    site.guest().log_in(ALICE, PASSWORD).await.error(401, "AuthenticationError");
    site.guest().log_in(ALICE, "another good one").await.ok();
}

#[tokio::test]
async fn too_many_failures_lock_for_a_while_even_across_a_restart() {
    let site = site_with_alice().await;
    for _ in 0..5 {
        site.guest().log_in(ALICE, "wrong password").await.error(401, "AuthenticationError");
    }
    let answer = site.guest().log_in(ALICE, PASSWORD).await;
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    assert!((290..=301).contains(&seconds), "{seconds}");
    answer.error(429, "TooManyRequestsError");
    assert_eq!(site.db_names("Security Event", json!({"event": "Login Locked"})).await.len(), 1);

    let site = site.restart().await;
    site.guest().log_in(ALICE, PASSWORD).await.error(429, "TooManyRequestsError");
    site.clock.advance(Duration::seconds(302));
    logged_in(&site).await;
}

#[tokio::test]
async fn many_attempts_at_once_do_not_slip_through() {
    let site = site_with_alice().await;
    let attempts = (0..12).map(|_| {
        let client = site.guest();
        async move { client.log_in(ALICE, "wrong password").await.status.as_u16() }
    });
    let statuses = futures_util::future::join_all(attempts).await;
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 5, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 7, "{statuses:?}");
}

#[tokio::test]
async fn deleting_a_login_attempt_unlocks() {
    let site = TestSite::new().await;
    for _ in 0..5 {
        site.guest().log_in("nobody@example.com", "geheim").await.error(401, "AuthenticationError");
    }
    site.guest().log_in("nobody@example.com", "geheim").await.error(429, "TooManyRequestsError");
    let system = doctyped::testing::permissions::Session::system();
    for name in site.db_names("Login Attempt", json!({})).await {
        let attempt = site.documents().get(&system, "Login Attempt", &name).await.unwrap();
        assert_ne!(attempt.text("subject"), "nobody@example.com", "what is not known here is not written down");
        site.documents().delete(&system, "Login Attempt", &name).await.unwrap();
    }
    site.guest().log_in("nobody@example.com", "geheim").await.error(401, "AuthenticationError");
}

#[tokio::test]
async fn a_success_forgets_failures() {
    let site = site_with_alice().await;
    for _ in 0..3 {
        for _ in 0..4 {
            site.guest().log_in(ALICE, "wrong password").await.error(401, "AuthenticationError");
        }
        logged_in(&site).await;
    }
}

#[tokio::test]
async fn a_user_may_be_bound_to_addresses() {
    let site = site_with_alice().await;
    site.db_update("User", ALICE, json!({"restrict_ip": "203.0.113.7, 10."})).await;
    site.guest().log_in(ALICE, PASSWORD).await.error(403, "PermissionError");
    site.db_update("User", ALICE, json!({"restrict_ip": "127.0."})).await;
    logged_in(&site).await;
}

#[tokio::test]
async fn requests_from_other_sites_are_refused_with_a_cookie() {
    let site = site_with_alice().await;
    let client = logged_in(&site).await;
    let path = "/api/method/logout";
    for (name, value) in
        [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example"), ("sec-fetch-site", "same-site")]
    {
        let foreign = client.with_header(name, value);
        foreign.post(path, json!({})).await.error(400, "CSRFTokenError");
        foreign.get(path).await.error(400, "CSRFTokenError");
        let login = site.guest().with_header(name, value);
        login.log_in(ALICE, PASSWORD).await.error(400, "CSRFTokenError");
    }
    assert_eq!(client.logged_user().await, ALICE);
    // Browsers on this site and programs that say nothing may.
    let own = client.with_header("sec-fetch-site", "same-origin").with_header("origin", "http://127.0.0.1:8000");
    own.post(path, json!({})).await.ok();
}

#[tokio::test]
async fn who_logs_in_again_in_the_same_browser_goes_on_in_the_same_session() {
    let site = site_with_alice().await;
    let client = logged_in(&site).await;
    let (old, name) = (client.cookie("sid"), site.db_names("Session", json!({})).await);
    client.log_in(ALICE, PASSWORD).await.ok();
    assert_eq!(client.logged_user().await, ALICE);
    assert_ne!(client.cookie("sid"), old);
    assert_eq!(site.db_names("Session", json!({"status": "Active"})).await, name);
    // In another browser it is another one.
    logged_in(&site).await;
    assert_eq!(site.db_names("Session", json!({"status": "Active"})).await.len(), 2);
}

#[tokio::test]
async fn a_session_that_was_ended_meanwhile_does_not_come_back_with_a_login() {
    let site = site_with_alice().await;
    let client = logged_in(&site).await;
    let first = site.db_names("Session", json!({})).await;
    let path = "frappe.core.doctype.user.user.update_password";
    let elsewhere = logged_in(&site).await;
    elsewhere.call(path, json!({"old_password": PASSWORD, "new_password": "another good one"})).await.ok();
    client.log_in(ALICE, "another good one").await.ok();
    assert_eq!(client.logged_user().await, ALICE);
    assert_eq!(site.db_names("Session", json!({"status": "Ended"})).await, first);
}

#[tokio::test]
async fn the_login_page_opens_for_somebody_who_is_logged_in_only_where_it_is_asked_for() {
    let site = site_with_alice().await;
    let client = logged_in(&site).await;
    assert_eq!(client.get("/login?prompt=nonsense&redirect-to=/app/todo").await.redirect(), "/app/todo");
    let again = client.get("/login?prompt=login&redirect-to=/app/todo").await.status(200);
    assert!(again.body.contains("Log in once more") && again.body.contains(&format!("value=\"{ALICE}\"")));
    let other = client.get("/login?prompt=select_account").await.status(200);
    assert!(other.body.contains("Log in as somebody else") && !other.body.contains(&format!("value=\"{ALICE}\"")));
    // Who is not logged in just logs in.
    let page = site.guest().get("/login?prompt=login").await.status(200);
    assert!(page.body.contains("<h1>Log in</h1>") && !page.body.contains("csrf_token"), "{}", page.body);
}

#[tokio::test]
async fn the_login_page_leads_back() {
    let site = site_with_alice().await;
    let client = site.guest();
    let page = client.get("/login?redirect-to=%2Fapp%2Ftodo%3Fx%3D1").await.status(200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.body.contains(r#"value="/app/todo?x&#x3D;1""#), "{}", page.body);
    let fields = [("usr", ALICE), ("pwd", PASSWORD), ("redirect-to", "/app/todo?x=1")];
    assert_eq!(client.form("/login", &fields).await.redirect(), "/app/todo?x=1");
    assert_eq!(client.get("/login").await.redirect(), "/app", "who is logged in need not again");
}

#[tokio::test]
async fn the_login_page_sends_nobody_elsewhere() {
    let site = site_with_alice().await;
    for target in ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"] {
        let fields = [("usr", ALICE), ("pwd", PASSWORD), ("redirect-to", target)];
        assert_eq!(site.guest().form("/login", &fields).await.redirect(), "/app", "{target}");
    }
}

#[tokio::test]
async fn the_login_page_shows_what_is_wrong() {
    let site = site_with_alice().await;
    let page = site.guest().form("/login", &[("usr", "<alice>"), ("pwd", "wrong password")]).await.status(401);
    assert!(page.body.contains("Invalid login credentials."), "{}", page.body);
    assert!(page.body.contains("&lt;alice&gt;") && !page.body.contains("wrong password"));
    site.guest()
        .with_header("sec-fetch-site", "cross-site")
        .form("/login", &[("usr", "x"), ("pwd", "y")])
        .await
        .status(400);
}

#[tokio::test]
async fn the_page_for_logging_out_asks_and_programs_log_out_by_get_while_the_settings_allow_it() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let page = alice.get("/logout").await.status(200);
    assert!(page.body.contains("method=\"post\"") && page.body.contains("Stay logged in"), "{}", page.body);
    assert_eq!(alice.logged_user().await, "alice@example.com");
    assert_eq!(site.guest().get("/logout").await.redirect(), "/login");
    site.db_update("System Settings", "System Settings", json!({"allow_logout_by_get": 0})).await;
    let refused = alice.get("/api/method/logout").await.status(405);
    assert_eq!(refused.header("allow"), "POST");
    assert_eq!(alice.logged_user().await, "alice@example.com");
    site.db_update("System Settings", "System Settings", json!({"allow_logout_by_get": 1})).await;
    alice.get("/api/method/logout").await.status(200);
    assert_eq!(alice.logged_user().await, "Guest");
}

#[tokio::test]
async fn a_logout_by_form_needs_its_token() {
    let site = site_with_alice().await;
    let client = logged_in(&site).await;
    client.form("/logout", &[]).await.status(400);
    client.form("/logout", &[("csrf_token", "guess")]).await.status(400);
    assert_eq!(client.logged_user().await, ALICE);
    let token = doctyped::testing::csrf::token(&client.cookie("sid").unwrap());
    assert_eq!(client.form("/logout", &[("csrf_token", &token)]).await.redirect(), "/login");
    assert_eq!(client.logged_user().await, "Guest");
}

#[tokio::test]
async fn administrator_cannot_be_lost() {
    let site = TestSite::new().await;
    let system = doctyped::testing::permissions::Session::system();
    let documents = site.documents();
    assert!(documents.delete(&system, "User", "Administrator").await.is_err());
    assert!(documents.rename(&system, "User", "Administrator", "x@example.com", false).await.is_err());
    let off = json!({"enabled": 0}).as_object().unwrap().clone();
    let children = doctyped::testing::document::Children::Replace;
    assert!(documents.update(&system, "User", "Administrator", &off, children).await.is_err());
}

#[tokio::test]
async fn a_user_is_named_by_their_address_and_follows_a_rename() {
    let site = TestSite::new().await;
    let name =
        site.db_insert("User", json!({"email": "Carol@Example.com", "first_name": "Carol", "last_name": "C"})).await;
    assert_eq!(name, "carol@example.com");
    let system = doctyped::testing::permissions::Session::system();
    let carol = site.documents().get(&system, "User", &name).await.unwrap();
    assert_eq!(carol.text("full_name"), "Carol C");
    assert_eq!(carol.rows("social_logins").len(), 1, "the id under which programs know her");
    site.documents().rename(&system, "User", &name, "caroline@example.com", false).await.unwrap();
    let carol = site.documents().get(&system, "User", "caroline@example.com").await.unwrap();
    assert_eq!(carol.text("email"), "caroline@example.com");
}
