//! The second factor: a code from an app besides the password, each once; recovery codes; roles that ask for it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Duration;
use serde_json::{Value as Json, json};
use totp_rs::{Builder, Secret};

use super::{NEW, ask, choose, events};
use crate::oauth::support::{Program, bearer};
use crate::support::client::Response;
use crate::support::smtp::link;
use crate::support::{Client, MailServer, PASSWORD, TestSite};

const ADA: &str = "ada@example.com";

/// An app that has learned a secret.
struct App(String);

impl App {
    /// The secret that a page shows.
    fn of(page: &str) -> Self {
        let text = page.split("Type this secret into the app:").nth(1).expect("a secret is shown");
        Self(text.split("<code>").nth(1).unwrap().split("</code>").next().unwrap().replace(' ', ""))
    }

    /// What it shows now, 31 seconds after the last code.
    fn code(&self, site: &TestSite) -> String {
        site.clock.advance(Duration::seconds(31));
        let totp = Builder::new().with_secret(Secret::try_from_base32(&self.0).unwrap()).build().unwrap();
        totp.generate(u64::try_from(site.clock.now().timestamp()).unwrap()).to_string()
    }
}

fn field(page: &str, name: &str) -> String {
    let rest = page.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap_or_else(|| panic!("no {name}: {page}"));
    rest.split('"').next().unwrap().replace("&#x3D;", "=")
}

async fn post(client: &Client, path: &str, fields: &[(&str, &str)]) -> Response {
    let token = field(&client.get("/me").await.status(200).body, "csrf_token");
    let mut fields = fields.to_vec();
    fields.push(("csrf_token", &token));
    client.form(path, &fields).await
}

/// Sets it up under `/me`; the app and the recovery codes.
async fn set_up(site: &TestSite, client: &Client) -> (App, Vec<String>) {
    let page = post(client, "/me/second-factor", &[("password", PASSWORD)]).await.status(200).body;
    assert!(page.contains("<svg class=\"qr\""), "{page}");
    let (app, tmp_id) = (App::of(&page), field(&page, "tmp_id"));
    let wrong = post(client, "/me/second-factor/confirm", &[("tmp_id", &tmp_id), ("otp", "000000")]).await;
    assert!(wrong.status == 401 && wrong.body.contains("not right"), "{}", wrong.body);
    let fields = [("tmp_id", tmp_id.as_str()), ("otp", &app.code(site))];
    assert_eq!(post(client, "/me/second-factor/confirm", &fields).await.redirect(), "/me?done=second_factor");
    let page = client.get("/me").await.status(200).body;
    let codes = page.split("Recovery code ").skip(1).map(|rest| rest.split("<code>").nth(1).unwrap());
    let codes: Vec<String> = codes.map(|rest| rest.split("</code>").next().unwrap().to_owned()).collect();
    assert_eq!(codes.len(), 10, "{page}");
    assert!(!client.get("/me").await.status(200).body.contains(&codes[0]), "they are shown once");
    (app, codes)
}

/// The password by API: what is to be sent along with the code.
async fn first_step(client: &Client, pwd: &str) -> String {
    let answer = client.log_in(ADA, pwd).await.status(200).json();
    assert_eq!(answer["verification"], json!({"method": "OTP App", "setup": true}));
    assert!(answer.get("message").is_none() && client.cookie("sid").is_none(), "{answer}");
    answer["tmp_id"].as_str().unwrap().to_owned()
}

async fn second_step(client: &Client, tmp_id: &str, otp: &str) -> Response {
    client.post("/api/method/login", json!({"tmp_id": tmp_id, "otp": otp})).await
}

#[tokio::test]
async fn whoever_has_one_is_asked_for_a_code_and_each_code_counts_once() {
    let site = TestSite::new().await;
    let ada = site.user(ADA, &["System Manager"]).await;
    // So that none of the logins below ends another one.
    site.db_update("User", ADA, json!({"simultaneous_sessions": 9})).await;
    let wrong = post(&ada, "/me/second-factor", &[("password", "wrong")]).await.status(417);
    assert!(wrong.body.contains("current password is not right"), "{}", wrong.body);
    let (app, codes) = set_up(&site, &ada).await;
    assert_eq!(ada.read("User", ADA).await.ok()["second_factor"], 1);
    ada.update("User", ADA, json!({"second_factor": 0})).await.ok();
    assert_eq!(ada.read("User", ADA).await.ok()["second_factor"], 1, "nobody writes it");
    // By the pages, without a script.
    let browser = site.guest();
    let form = [("usr", ADA), ("pwd", PASSWORD), ("redirect-to", "/app/todo")];
    let page = browser.form("/login", &form).await.status(200).body;
    assert_eq!(browser.logged_user().await, "Guest");
    assert!(!page.contains("class=\"qr\""), "the secret is shown once");
    let (tmp_id, code) = (field(&page, "tmp_id"), app.code(&site));
    let fields = |otp| [("tmp_id", &*tmp_id), ("otp", otp), ("redirect-to", "/app/todo")];
    let again = browser.form("/login", &fields("123")).await.status(401).body;
    assert!(again.contains("not right") && field(&again, "redirect-to") == "/app/todo", "{again}");
    assert_eq!(browser.form("/login", &fields(&code)).await.redirect(), "/app/todo");
    assert_eq!(browser.logged_user().await, ADA);
    // By API, as Frappe's clients do.
    let program = site.guest();
    let tmp_id = first_step(&program, PASSWORD).await;
    second_step(&program, &tmp_id, &code).await.error(401, "AuthenticationError");
    let answer = second_step(&program, &tmp_id, &app.code(&site)).await.status(200).json();
    assert_eq!((&answer["message"], answer.get("tmp_id")), (&json!("Logged In"), None));
    assert_eq!(program.logged_user().await, ADA);
    second_step(&site.guest(), "nonsense", "123456").await.error(417, "ValidationError");
    program.post("/api/method/login", json!({"usr": ADA})).await.status(400);
    // A recovery code takes the place of a code, once.
    for (code, status) in [(codes[4].to_uppercase(), 200), (codes[4].clone(), 401)] {
        let tmp_id = first_step(&site.guest(), PASSWORD).await;
        second_step(&site.guest(), &tmp_id, &code).await.status(status);
    }
    assert_eq!(events(&site, "Recovery Code Used").await, [ADA]);
    assert!(ada.get("/me").await.status(200).body.contains("Recovery codes left: 9"));
    // New ones take the place of the old ones; switched off, the password alone counts.
    assert_eq!(
        post(&ada, "/me/second-factor/codes", &[("password", PASSWORD)]).await.redirect(),
        "/me?done=second_factor"
    );
    let tmp_id = first_step(&site.guest(), PASSWORD).await;
    second_step(&site.guest(), &tmp_id, &codes[5]).await.status(401);
    post(&ada, "/me/second-factor/end", &[("password", "wrong")]).await.status(417);
    post(&ada, "/me/second-factor/end", &[("password", PASSWORD)]).await.redirect();
    site.guest().log_in(ADA, PASSWORD).await.ok();
}

#[tokio::test]
async fn codes_cannot_be_guessed_and_a_step_ends_with_its_password() {
    let site = TestSite::new().await;
    let ada = site.user(ADA, &["System Manager"]).await;
    let (app, _) = set_up(&site, &ada).await;
    let guesser = site.guest();
    for _ in 0..5 {
        // To know the password forgets no failures.
        let tmp_id = first_step(&guesser, PASSWORD).await;
        second_step(&guesser, &tmp_id, "000000").await.status(401);
    }
    guesser.log_in(ADA, PASSWORD).await.error(429, "TooManyRequestsError");
    assert!(!events(&site, "Second Factor Failed").await.is_empty());
    site.clock.advance(Duration::minutes(10));
    let late = first_step(&guesser, PASSWORD).await;
    site.clock.advance(Duration::minutes(11));
    second_step(&guesser, &late, &app.code(&site)).await.error(417, "ValidationError");
    let stale = first_step(&guesser, PASSWORD).await;
    site.db_update("User", ADA, json!({"new_password": NEW})).await;
    second_step(&guesser, &stale, &app.code(&site)).await.status(401);
    let tmp_id = first_step(&guesser, NEW).await;
    // Of many at once one alone is right.
    let code = app.code(&site);
    let all = (0..4).map(|_| async { second_step(&site.guest(), &tmp_id, &code).await.status.as_u16() });
    let mut statuses = futures_util::future::join_all(all).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401, 401, 401]);
}

#[tokio::test]
async fn codes_are_limited_also_where_passwords_are_not() {
    let site = TestSite::new().await;
    let ada = site.user(ADA, &["System Manager"]).await;
    let (app, _) = set_up(&site, &ada).await;
    let settings = json!({"allow_consecutive_login_attempts": 0});
    site.db_update("System Settings", "System Settings", settings).await;
    let guesser = site.guest();
    for _ in 0..5 {
        let tmp_id = first_step(&guesser, PASSWORD).await;
        second_step(&guesser, &tmp_id, "000000").await.status(401);
    }
    let tmp_id = first_step(&guesser, PASSWORD).await;
    second_step(&guesser, &tmp_id, &app.code(&site)).await.error(429, "TooManyRequestsError");
    site.clock.advance(Duration::minutes(10));
    let tmp_id = first_step(&guesser, PASSWORD).await;
    second_step(&guesser, &tmp_id, &app.code(&site)).await.status(200);
}

#[tokio::test]
async fn a_role_asks_for_it_at_the_next_login() {
    let site = TestSite::new().await;
    site.db_insert("Role", json!({"role_name": "Accounts", "two_factor_auth": 1})).await;
    site.db_user(ADA, json!({"roles": [{"role": "Accounts"}]})).await;
    let refused = site.guest().log_in(ADA, PASSWORD).await.error(403, "PermissionError");
    assert!(refused.to_string().contains("in a browser"), "{refused}");
    let browser = site.guest();
    let page = browser.form("/login", &[("usr", ADA), ("pwd", PASSWORD)]).await.status(200).body;
    let (app, tmp_id) = (App::of(&page), field(&page, "tmp_id"));
    let page = browser.form("/login", &[("tmp_id", &tmp_id), ("otp", "1")]).await.status(401).body;
    assert_eq!(App::of(&page).0, app.0, "the app need not learn another secret");
    let fields = [("tmp_id", tmp_id.as_str()), ("otp", &app.code(&site)), ("redirect-to", "/app/todo")];
    let page = browser.form("/login", &fields).await.status(200).body;
    assert!(page.contains("shown this once") && page.contains("href=\"/app/todo\""), "{page}");
    assert_eq!(browser.logged_user().await, ADA);
    first_step(&site.guest(), PASSWORD).await;
    // The secret that was shown is worth nothing for a second set-up.
    let again = [("tmp_id", tmp_id.as_str()), ("otp", &app.code(&site))];
    site.guest().form("/login", &again).await.status(401);
    let everybody = json!({"two_factor_auth": 1});
    site.db_update("Role", "All", everybody).await;
    site.administrator().await;
}

#[tokio::test]
async fn tokens_tell_of_it_and_keys_need_none() {
    let site = TestSite::new().await;
    let ada = site.user(ADA, &["System Manager"]).await;
    let key = ada.call("frappe.core.doctype.user.user.generate_keys", json!({"user": ADA})).await.ok();
    let (app, _) = set_up(&site, &ada).await;
    let text = |name: &str| key[name].as_str().unwrap().to_owned();
    let header = format!("token {}:{}", text("api_key"), text("api_secret"));
    assert_eq!(site.guest().with_header("authorization", &header).logged_user().await, ADA);
    let program = Program::public(&site).await;
    let claims = |tokens: &Json| -> Json {
        let payload = tokens["id_token"].as_str().unwrap().split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    };
    let before = claims(&program.tokens(&ada).await);
    assert_eq!((&before["acr"], &before["amr"]), (&json!("1"), &json!(["pwd"])), "this session has only a password");
    let client = site.guest();
    let tmp_id = first_step(&client, PASSWORD).await;
    second_step(&client, &tmp_id, &app.code(&site)).await.ok();
    let tokens = program.tokens(&client).await;
    let after = claims(&tokens);
    assert_eq!((&after["acr"], &after["amr"]), (&json!("2"), &json!(["pwd", "otp", "mfa"])));
    assert_eq!(bearer(&site, &tokens).logged_user().await, ADA);
}

#[tokio::test]
async fn a_system_manager_helps_whoever_has_lost_it() {
    let site = TestSite::new().await;
    let ada = site.user(ADA, &["System Manager"]).await;
    set_up(&site, &ada).await;
    let path = format!("/api/v2/document/User/{ADA}/method/reset_otp_secret");
    site.user("bob@example.com", &[]).await.post(&path, json!({})).await.status(403);
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    let mut program = Program::public(&site).await;
    program.scope = "openid write method:run_doc_method".to_owned();
    bearer(&site, &program.tokens(&alice).await).post(&path, json!({})).await.status(403);
    assert_eq!(alice.post(&path, json!({})).await.ok(), "The second factor is reset");
    assert_eq!(events(&site, "Second Factor Reset").await, [ADA]);
    site.guest().log_in(ADA, PASSWORD).await.ok();
    alice.post(&path, json!({})).await.status(417);
}

#[tokio::test]
async fn a_link_to_a_new_password_is_no_way_around_it() {
    let Some(server) = MailServer::start() else { return };
    let site = server.site().await;
    let ada = site.user(ADA, &["System Manager"]).await;
    let (app, _) = set_up(&site, &ada).await;
    ask(&site, &site.guest(), ADA).await;
    let link = link(&server.taken(&site, 1).await[0]);
    let browser = site.guest();
    let page = choose(&browser, &link, NEW).await.status(200).body;
    assert_eq!(browser.logged_user().await, "Guest");
    let fields = [("tmp_id", field(&page, "tmp_id")), ("otp", app.code(&site))];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(browser.form("/login", &fields).await.redirect(), "/app");
    assert_eq!(browser.logged_user().await, ADA);
}

#[tokio::test]
async fn the_secret_is_sealed_and_survives_a_renamed_account() {
    let site = TestSite::new().await;
    let ada = site.user(ADA, &["System Manager"]).await;
    let (app, _) = set_up(&site, &ada).await;
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    let renamed = json!({"doctype": "User", "old_name": ADA, "new_name": "lovelace@example.com"});
    alice.call("frappe.client.rename_doc", renamed).await.ok();
    let client = site.guest();
    let answer = client.log_in("lovelace@example.com", PASSWORD).await.status(200).json();
    second_step(&client, answer["tmp_id"].as_str().unwrap(), &app.code(&site)).await.ok();
}
