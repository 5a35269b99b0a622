//! The device grant (RFC 8628): a device shows a code, a person types it in elsewhere, the device gets its tokens.

use chrono::Duration;
use serde_json::{Value as Json, json};

use super::oidcc::basic::{link, log_in_as};
use super::support::{BASE, Program, bearer, hidden, parameter};
use crate::support::client::Response;
use crate::support::{Client, PASSWORD, TestSite};

const ALICE: &str = "alice@example.com";
const WHO: &str = "/api/method/frappe.auth.get_logged_user";
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A public client that may use the grant.
pub async fn television(site: &TestSite) -> Program {
    let values = json!({"app_name": "Television", "token_endpoint_auth_method": "None", "allow_device_code": 1});
    Program::new(site, values).await
}

/// New codes for a device.
pub async fn codes(program: &Program) -> Json {
    program.post("device_authorization", &[("scope", "openid all")]).await.status(200).json()
}

/// The device asks whether the person has answered.
pub async fn poll(program: &Program, codes: &Json) -> Response {
    let code = codes["device_code"].as_str().unwrap();
    program.post("get_token", &[("grant_type", DEVICE_CODE), ("device_code", code)]).await
}

/// A person types in a code.
async fn type_in(person: &Client, code: &str) -> Response {
    let page = person.get("/device").await.status(200);
    person.form("/device", &[("csrf_token", &hidden(&page.body, "csrf_token")), ("user_code", code)]).await
}

/// The consent page for a code.
pub async fn consent(person: &Client, codes: &Json) -> Response {
    let to = type_in(person, codes["user_code"].as_str().unwrap()).await.redirect();
    person.get(&to).await.status(200)
}

/// Presses a button of it.
pub async fn press(person: &Client, page: &Response, decision: &str) -> Response {
    let (token, id) = (hidden(&page.body, "csrf_token"), hidden(&page.body, "request_id"));
    person.form("/device", &[("csrf_token", &token), ("request_id", &id), ("decision", decision)]).await
}

#[tokio::test]
async fn a_device_gets_its_tokens_once_the_person_has_allowed_it_elsewhere() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = television(&site).await;
    let codes = codes(&program).await;
    poll(&program, &codes).await.oauth_error(400, "authorization_pending");
    let done = press(&alice, &consent(&alice, &codes).await, "allow").await.status(200);
    assert!(done.body.contains("now has access"), "{}", done.body);
    site.clock.advance(Duration::seconds(5));
    let answer = poll(&program, &codes).await.status(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    let tokens = answer.json();
    assert_eq!((tokens["token_type"].as_str(), tokens["scope"].as_str()), (Some("Bearer"), Some("openid all")));
    assert_eq!(bearer(&site, &tokens).get(WHO).await.ok(), ALICE);
    let renewed = program.refresh(tokens["refresh_token"].as_str().unwrap()).await.status(200).json();
    assert_eq!(bearer(&site, &renewed).get(WHO).await.ok(), ALICE);
}

#[tokio::test]
async fn the_answer_to_the_device_holds_what_the_rfc_requires() {
    let site = TestSite::new().await;
    let program = television(&site).await;
    let answer = program.post("device_authorization", &[]).await.status(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("content-type"), "application/json");
    let codes = answer.json();
    assert!(codes["device_code"].as_str().unwrap().starts_with("dt_dc_"), "{codes}");
    let user_code = codes["user_code"].as_str().unwrap();
    assert!(user_code.len() == 9 && !user_code.contains(['A', 'E', 'I', 'O', 'U', 'Y']), "{user_code}");
    let page = format!("{}/device", site.documents().site_url());
    assert_eq!(codes["verification_uri"], Json::from(page.as_str()));
    assert_eq!(codes["verification_uri_complete"], Json::from(format!("{page}?user_code={user_code}")));
    assert_eq!((codes["expires_in"].as_i64(), codes["interval"].as_i64()), (Some(600), Some(5)));
}

#[tokio::test]
async fn neither_code_is_stored_as_it_is() {
    let site = TestSite::new().await;
    let codes = codes(&television(&site).await).await;
    let name = site.db_names("OAuth Device Code", json!({})).await.remove(0);
    let system = doctyped::testing::permissions::Session::system();
    let stored = site.documents().get(&system, "OAuth Device Code", &name).await.unwrap();
    let letters = codes["user_code"].as_str().unwrap().replace('-', "");
    for field in ["device_code_digest", "user_code_digest"] {
        let text = stored.text(field);
        assert!(!text.is_empty() && !text.contains("dt_dc_") && !text.contains(&letters), "{field}: {text}");
    }
    let administrator = site.administrator().await;
    let shown = administrator.read("OAuth Device Code", &name).await.ok();
    assert!(shown.get("device_code_digest").is_none() && shown.get("user_code_digest").is_none(), "{shown}");
}

#[tokio::test]
async fn an_impatient_device_is_told_to_slow_down_and_the_interval_grows_by_five_seconds() {
    let site = TestSite::new().await;
    let program = television(&site).await;
    let codes = codes(&program).await;
    poll(&program, &codes).await.oauth_error(400, "authorization_pending");
    let told = poll(&program, &codes).await.oauth_error(400, "slow_down");
    assert!(told.body.contains("10 seconds"), "{}", told.body);
    site.clock.advance(Duration::seconds(6));
    let told = poll(&program, &codes).await.oauth_error(400, "slow_down");
    assert!(told.body.contains("15 seconds"), "{}", told.body);
    site.clock.advance(Duration::seconds(15));
    poll(&program, &codes).await.oauth_error(400, "authorization_pending");
}

#[tokio::test]
async fn a_device_learns_that_the_person_refused() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = television(&site).await;
    let codes = codes(&program).await;
    let done = press(&alice, &consent(&alice, &codes).await, "deny").await.status(200);
    assert!(done.body.contains("got no access"), "{}", done.body);
    poll(&program, &codes).await.oauth_error(400, "access_denied");
    assert!(site.db_names("OAuth Grant", json!({})).await.is_empty());
}

#[tokio::test]
async fn the_codes_expire_after_ten_minutes_for_the_device_and_for_the_person() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = television(&site).await;
    let late = codes(&program).await;
    let page = consent(&alice, &late).await;
    site.clock.advance(Duration::minutes(10));
    let refused = press(&alice, &page, "allow").await.status(400);
    assert!(refused.body.contains("has expired"), "{}", refused.body);
    poll(&program, &late).await.oauth_error(400, "expired_token");
    type_in(&alice, late["user_code"].as_str().unwrap()).await.status(400);
}

#[tokio::test]
async fn a_code_brings_tokens_once_and_using_it_again_ends_them() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = television(&site).await;
    let codes = codes(&program).await;
    press(&alice, &consent(&alice, &codes).await, "allow").await.status(200);
    let tokens = poll(&program, &codes).await.status(200).json();
    site.clock.advance(Duration::seconds(5));
    poll(&program, &codes).await.oauth_error(400, "invalid_grant");
    bearer(&site, &tokens).get(WHO).await.error(401, "AuthenticationError");
    assert_eq!(site.db_names("Security Event", json!({"event": "Device Code Reused"})).await.len(), 1);
}

#[tokio::test]
async fn of_a_hundred_questions_at_once_one_alone_gets_tokens() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = television(&site).await;
    let codes = codes(&program).await;
    press(&alice, &consent(&alice, &codes).await, "allow").await.status(200);
    let answers = futures_util::future::join_all((0..100).map(|_| poll(&program, &codes))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    for refused in answers.into_iter().filter(|answer| answer.status != 200) {
        refused.oauth_error(400, "invalid_grant");
    }
    assert_eq!(site.db_names("OAuth Bearer Token", json!({})).await.len(), 1);
}

#[tokio::test]
async fn only_the_client_that_got_the_code_may_use_it() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let (program, other) = (television(&site).await, television(&site).await);
    let codes = codes(&program).await;
    press(&alice, &consent(&alice, &codes).await, "allow").await.status(200);
    poll(&other, &codes).await.oauth_error(400, "invalid_grant");
    poll(&other, &json!({"device_code": "dt_dc_garbage"})).await.oauth_error(400, "invalid_grant");
    poll(&program, &codes).await.status(200);
    other.post("get_token", &[("grant_type", DEVICE_CODE)]).await.oauth_error(400, "invalid_request");
}

#[tokio::test]
async fn a_confidential_client_proves_who_it_is_at_both_endpoints() {
    let site = TestSite::new().await;
    let mut program = Program::new(&site, json!({"allow_device_code": 1})).await;
    let codes = codes(&program).await;
    "dt_cs_wrong".clone_into(&mut program.secret);
    program.post("device_authorization", &[]).await.oauth_error(401, "invalid_client");
    poll(&program, &codes).await.oauth_error(401, "invalid_client");
    let nobody = site.guest().form(&format!("{BASE}device_authorization"), &[("client_id", "nobody")]).await;
    nobody.oauth_error(401, "invalid_client");
}

#[tokio::test]
async fn the_grant_needs_the_permission_of_the_client_and_of_the_settings() {
    let site = TestSite::new().await;
    let without = Program::public(&site).await;
    without.post("device_authorization", &[]).await.oauth_error(400, "unauthorized_client");
    let program = television(&site).await;
    let codes = codes(&program).await;
    let metadata = async || site.guest().get("/.well-known/oauth-authorization-server").await.status(200).json();
    let offered = metadata().await;
    assert!(offered["grant_types_supported"].as_array().unwrap().contains(&json!(DEVICE_CODE)), "{offered}");
    let endpoint = format!("{}{BASE}device_authorization", site.documents().site_url());
    assert_eq!(offered["device_authorization_endpoint"], Json::from(endpoint));
    site.db_update("OAuth Settings", "OAuth Settings", json!({"enable_device_grant": 0})).await;
    let offered = metadata().await;
    assert!(offered.get("device_authorization_endpoint").is_none(), "{offered}");
    assert!(!offered["grant_types_supported"].as_array().unwrap().contains(&json!(DEVICE_CODE)), "{offered}");
    program.post("device_authorization", &[]).await.status(404);
    poll(&program, &codes).await.oauth_error(400, "unsupported_grant_type");
    site.administrator().await.get("/device").await.status(404);
}

#[tokio::test]
async fn a_device_asks_only_for_scopes_and_resources_that_its_client_may_have() {
    let site = TestSite::new().await;
    let values = json!({"token_endpoint_auth_method": "None", "allow_device_code": 1, "scopes": "openid profile"});
    let program = Program::new(&site, values).await;
    let ask = async |name: &str, value: &str| program.post("device_authorization", &[(name, value)]).await;
    let with_scope = async |name: &str, value: &str| {
        program.post("device_authorization", &[("scope", "openid"), (name, value)]).await
    };
    ask("scope", "openid all").await.oauth_error(400, "invalid_scope");
    with_scope("resource", "https://evil.example").await.oauth_error(400, "invalid_target");
    with_scope("dpop_jkt", "short").await.oauth_error(400, "invalid_request");
    let known = format!("{}/api", site.documents().site_url());
    program.post("device_authorization", &[("scope", "openid"), ("resource", &known)]).await.status(200);
    let twice = [("scope", "openid"), ("scope", "profile")];
    program.post("device_authorization", &twice).await.oauth_error(400, "invalid_request");
    let in_address = site.guest().form(&format!("{BASE}device_authorization?client_id={}", program.id), &[]).await;
    in_address.oauth_error(400, "invalid_request");
}

#[tokio::test]
async fn who_is_not_logged_in_logs_in_first_and_comes_back_with_the_code() {
    let site = TestSite::new().await;
    site.db_user(ALICE, json!({})).await;
    let codes = codes(&television(&site).await).await;
    let browser = site.guest();
    let complete = codes["verification_uri_complete"].as_str().unwrap();
    let path = complete.strip_prefix(site.documents().site_url()).unwrap();
    let login = browser.get(path).await.redirect();
    assert!(login.starts_with("/login?redirect-to="), "{login}");
    let back = parameter(&format!("https://site.example{login}"), "redirect-to").unwrap();
    browser.log_in(ALICE, PASSWORD).await.ok();
    let page = browser.get(&back).await.status(200);
    assert_eq!(hidden(&page.body.replace("id=\"user_code\" ", ""), "user_code"), codes["user_code"].as_str().unwrap());
    assert!(page.body.contains("Is this the code that your device shows"), "{}", page.body);
    assert!(site.db_names("OAuth Authorization Request", json!({})).await.is_empty(), "nothing was asked yet");
}

#[tokio::test]
async fn the_page_also_answers_beside_the_other_endpoints() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let page = alice.get(&format!("{BASE}device")).await.status(200);
    assert!(page.body.contains("Connect a device"), "{}", page.body);
}

#[tokio::test]
async fn the_consent_page_says_who_asks_for_what_and_warns_of_codes_that_others_sent() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let page = consent(&alice, &codes(&television(&site).await).await).await;
    for text in ["Television", ALICE, "Do everything that you can do", "A device elsewhere", "If somebody sent you"] {
        assert!(page.body.contains(text), "{text} is missing in {}", page.body);
    }
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
}

#[tokio::test]
async fn a_code_is_read_however_it_is_typed() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = television(&site).await;
    let code = codes(&program).await["user_code"].as_str().unwrap().to_lowercase().replace('-', " ");
    type_in(&alice, &format!(" {code} ")).await.redirect();
    let wrong = type_in(&alice, "AEIOU").await.status(400);
    assert!(wrong.body.contains("That is not a device code"), "{}", wrong.body);
}

#[tokio::test]
async fn guessing_codes_is_stopped_for_the_person_and_for_the_address() {
    let site = TestSite::new().await;
    let mallory = site.user("mallory@example.com", &[]).await;
    let alice = site.user(ALICE, &[]).await;
    let program = television(&site).await;
    let codes = codes(&program).await;
    let code = codes["user_code"].as_str().unwrap();
    for guess in ["BBBB-BBBB", "CCCC-CCCC", "DDDD-DDDD", "FFFF-FFFF"] {
        type_in(&mallory, guess).await.status(400);
    }
    // A right one in between does not give new tries.
    type_in(&mallory, code).await.redirect();
    type_in(&mallory, "GGGG-GGGG").await.status(400);
    let stopped = type_in(&mallory, code).await.status(429);
    assert!(!stopped.header("retry-after").is_empty() && stopped.body.contains("Too many wrong codes"));
    // Everybody at this address waits; their password is not locked.
    type_in(&alice, code).await.status(429);
    site.guest().log_in(ALICE, PASSWORD).await.ok();
    assert_eq!(site.db_names("Security Event", json!({"event": "User Code Refused"})).await.len(), 5);
    site.clock.advance(Duration::minutes(6));
    type_in(&alice, code).await.redirect();
}

#[tokio::test]
async fn opening_pages_never_allows_and_a_form_needs_its_token() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = television(&site).await;
    let codes = codes(&program).await;
    let code = codes["user_code"].as_str().unwrap();
    alice.get(&format!("/device?user_code={code}&decision=allow")).await.status(200);
    alice.form("/device", &[("user_code", code)]).await.status(400);
    let page = consent(&alice, &codes).await;
    let id = hidden(&page.body, "request_id");
    alice.get(&format!("/device?request_id={id}&decision=allow")).await.status(200);
    alice.form("/device", &[("request_id", &id), ("decision", "allow")]).await.status(400);
    poll(&program, &codes).await.oauth_error(400, "authorization_pending");
}

#[tokio::test]
async fn a_question_is_answered_by_the_person_it_was_shown_to_and_once() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let mallory = site.user("mallory@example.com", &[]).await;
    let program = television(&site).await;
    let codes = codes(&program).await;
    let page = consent(&alice, &codes).await;
    let own = mallory.get("/device").await.status(200);
    let (token, id) = (hidden(&own.body, "csrf_token"), hidden(&page.body, "request_id"));
    mallory.form("/device", &[("csrf_token", &token), ("request_id", &id), ("decision", "allow")]).await.status(400);
    // Nor is it answered where other questions are.
    let fields =
        [("csrf_token", hidden(&page.body, "csrf_token")), ("request_id", id), ("decision", "allow".to_owned())];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    alice.form(&format!("{BASE}approve"), &fields).await.status(400);
    poll(&program, &codes).await.oauth_error(400, "authorization_pending");
    press(&alice, &page, "deny").await.status(200);
    press(&alice, &page, "allow").await.status(400);
    site.clock.advance(Duration::seconds(5));
    poll(&program, &codes).await.oauth_error(400, "access_denied");
}

#[tokio::test]
async fn the_address_of_a_question_spares_nobody_the_code() {
    let site = TestSite::new().await;
    let mallory = site.user("mallory@example.com", &[]).await;
    let alice = site.user(ALICE, &[]).await;
    let program = television(&site).await;
    let codes = codes(&program).await;
    let address = type_in(&mallory, codes["user_code"].as_str().unwrap()).await.redirect();
    // What Mallory sends Alice is not a question to her, and her answer to it counts for nothing.
    let page = alice.get(&address).await.status(200);
    assert!(page.body.contains("Your device shows it") && !page.body.contains("Television"), "{}", page.body);
    let (token, id) = (hidden(&page.body, "csrf_token"), address.rsplit_once('=').unwrap().1);
    alice.form("/device", &[("csrf_token", &token), ("request_id", id), ("decision", "allow")]).await.status(400);
    poll(&program, &codes).await.oauth_error(400, "authorization_pending");
}

#[tokio::test]
async fn another_account_can_be_used() {
    let site = TestSite::new().await;
    let browser = site.user(ALICE, &[]).await;
    site.db_user("bob@example.com", json!({})).await;
    let program = television(&site).await;
    let codes = codes(&program).await;
    let login = link(&consent(&browser, &codes).await, "Use another account");
    let back = log_in_as(&browser, &login, "bob@example.com", PASSWORD).await.redirect();
    // They look at their device once more.
    assert!(browser.get(&back).await.status(200).body.contains("Your device shows it"));
    press(&browser, &consent(&browser, &codes).await, "allow").await.status(200);
    let tokens = poll(&program, &codes).await.status(200).json();
    assert_eq!(bearer(&site, &tokens).get(WHO).await.ok(), "bob@example.com");
}

#[tokio::test]
async fn a_person_without_an_allowed_role_cannot_connect_the_device() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let values = json!({
        "token_endpoint_auth_method": "None", "allow_device_code": 1, "allowed_roles": [{"role": "System Manager"}],
    });
    let program = Program::new(&site, values).await;
    let codes = codes(&program).await;
    let refused = type_in(&alice, codes["user_code"].as_str().unwrap()).await.status(403);
    assert!(refused.body.contains("may not use Planner"), "{}", refused.body);
}

#[tokio::test]
async fn a_consent_is_asked_for_every_time_and_can_be_taken_back_before_the_device_has_its_tokens() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = television(&site).await;
    let first = codes(&program).await;
    press(&alice, &consent(&alice, &first).await, "allow").await.status(200);
    let tokens = poll(&program, &first).await.status(200).json();
    let second = codes(&program).await;
    press(&alice, &consent(&alice, &second).await, "allow").await.status(200);
    let grants = site.db_names("OAuth Grant", json!({"status": "Active"})).await;
    assert_eq!(grants.len(), 1);
    alice.remove("OAuth Grant", &grants[0]).await.ok();
    bearer(&site, &tokens).get(WHO).await.error(401, "AuthenticationError");
    poll(&program, &second).await.oauth_error(400, "access_denied");
}

#[tokio::test]
async fn a_new_password_ends_what_was_allowed_but_not_fetched() {
    let site = TestSite::new().await;
    let alice = site.user(ALICE, &[]).await;
    let program = television(&site).await;
    let codes = codes(&program).await;
    press(&alice, &consent(&alice, &codes).await, "allow").await.status(200);
    site.db_update("User", ALICE, json!({"new_password": format!("{PASSWORD} and more")})).await;
    poll(&program, &codes).await.oauth_error(400, "access_denied");
}

#[tokio::test]
async fn one_address_asks_for_as_many_codes_in_a_minute_as_the_settings_say() {
    let site = TestSite::new().await;
    site.db_update("OAuth Settings", "OAuth Settings", json!({"request_rate_limit": 2})).await;
    let program = television(&site).await;
    for _ in 0..2 {
        codes(&program).await;
    }
    let refused = program.post("device_authorization", &[]).await.oauth_error(429, "temporarily_unavailable");
    assert!((1..=61).contains(&refused.header("retry-after").parse::<i64>().unwrap()));
    assert_eq!(refused.header("cache-control"), "no-store");
    assert_eq!(site.db_names("OAuth Device Code", json!({})).await.len(), 2, "nothing is stored");
    site.clock.advance(Duration::seconds(61));
    codes(&program).await;
}

#[tokio::test]
async fn old_codes_are_removed() {
    let site = TestSite::new().await;
    codes(&television(&site).await).await;
    doctyped::testing::jobs::remove_expired(site.documents()).await.unwrap();
    assert_eq!(site.db_names("OAuth Device Code", json!({})).await.len(), 1);
    site.clock.advance(Duration::days(1) + Duration::minutes(11));
    doctyped::testing::jobs::remove_expired(site.documents()).await.unwrap();
    assert!(site.db_names("OAuth Device Code", json!({})).await.is_empty());
}
