//! Trying a client out from its form: the steps that are shown, and why nobody gets a code by it.

use serde_json::json;

use super::support::{BASE, Program, answer, hidden};
use crate::support::{Client, TestSite};

/// Presses "Sign in" on the page of a client; returns the consent page.
async fn begin(person: &Client, program: &Program, scope: &str) -> String {
    let address = format!("/oauth-client/{}/try-it", program.id);
    let page = person.get(&address).await.status(200);
    let token = hidden(&page.body, "csrf_token");
    person.form(&address, &[("csrf_token", &token), ("way", "sign-in"), ("scope", scope)]).await.redirect()
}

/// The path of an address of the site.
fn path<'a>(site: &TestSite, address: &'a str) -> &'a str {
    address.strip_prefix(site.documents().site_url()).unwrap_or_else(|| panic!("{address} is elsewhere"))
}

#[tokio::test]
async fn an_administrator_sees_every_step_and_no_secret() {
    let site = TestSite::new().await;
    let program = Program::new(&site, json!({})).await;
    let administrator = site.administrator().await;
    let form = administrator.get(&format!("/app/oauth-client/{}", program.id)).await.status(200).body;
    assert!(form.contains(&format!("/oauth-client/{}/try-it", program.id)));
    let consent = administrator.get(&begin(&administrator, &program, "openid profile").await).await.status(200);
    assert!(consent.body.contains("Planner"));
    let back = answer(&administrator, &consent, "allow").await.redirect();
    let code = super::support::parameter(&back, "code").unwrap();
    let steps = administrator.get(path(&site, &back)).await.status(200).body;
    for told in ["The request", "and the code", "The tokens", "A call", "The end", "&quot;sub&quot;", "no longer"] {
        let told = if told == "no longer" { "401 with this token" } else { told };
        assert!(steps.contains(told), "{told}: {steps}");
    }
    assert!(!steps.contains("is-bad"), "{steps}");
    assert!(!steps.contains(&code[..20]), "the code is masked");
    // Masked, a token is no longer than its prefix and four letters.
    for (at, _) in steps.match_indices("dt_at_").chain(steps.match_indices("dt_rt_")) {
        let shown: String = steps[at + 6..].chars().take_while(char::is_ascii_alphanumeric).collect();
        assert!(shown.len() <= 4, "{shown}");
    }
    let active = site.db_names("OAuth Bearer Token", json!({"status": "Active"})).await;
    assert!(active.is_empty(), "nothing stays open");
    assert_eq!(site.db_names("Security Event", json!({"event": "Client Tried Out"})).await.len(), 1);
    // A code works once, here as everywhere.
    let again = administrator.get(path(&site, &back)).await.status(200).body;
    assert!(again.contains("invalid_grant"), "{again}");
}

#[tokio::test]
async fn a_denial_and_a_scope_that_the_client_may_not_have_are_shown_as_the_program_would_learn_of_them() {
    let site = TestSite::new().await;
    let program = Program::new(&site, json!({"scopes": "openid"})).await;
    let administrator = site.administrator().await;
    let consent = administrator.get(&begin(&administrator, &program, "openid").await).await.status(200);
    let back = answer(&administrator, &consent, "deny").await.redirect();
    let steps = administrator.get(path(&site, &back)).await.status(200).body;
    assert!(steps.contains("access_denied") && steps.contains("is-bad"), "{steps}");
    let address = format!("/oauth-client/{}/try-it", program.id);
    let page = administrator.get(&address).await.status(200);
    let token = hidden(&page.body, "csrf_token");
    let fields = [("csrf_token", token.as_str()), ("way", "sign-in"), ("scope", "all")];
    let refused = administrator.form(&address, &fields).await.status(200).body;
    assert!(refused.contains("invalid_scope"), "{refused}");
}

#[tokio::test]
async fn a_device_shows_its_code_waits_for_the_person_and_gets_its_tokens() {
    let site = TestSite::new().await;
    site.db_update("OAuth Settings", "OAuth Settings", json!({"enable_device_grant": 1})).await;
    let program = Program::new(&site, json!({"allow_device_code": 1, "scopes": "openid profile"})).await;
    let administrator = site.administrator().await;
    let address = format!("/oauth-client/{}/try-it", program.id);
    let csrf = hidden(&administrator.get(&address).await.status(200).body, "csrf_token");
    let begin = [("csrf_token", csrf.as_str()), ("way", "device"), ("scope", "openid profile")];
    let codes = administrator.form(&address, &begin).await.status(200).body;
    assert!(codes.contains("The codes") && !codes.contains("is-bad"), "{codes}");
    let state = hidden(&codes, "state");
    let user_code: String = codes.split("user-code\">").nth(1).unwrap().chars().take(9).collect();

    let ask = [("csrf_token", csrf.as_str()), ("way", "device-answer"), ("state", &state)];
    let waiting = administrator.form(&address, &ask).await.status(200).body;
    assert!(waiting.contains("authorization_pending") && waiting.contains(&user_code), "{waiting}");
    // What waits belongs to one session: nobody else asks with it.
    let elsewhere = site.administrator().await;
    let other_csrf = hidden(&elsewhere.get(&address).await.status(200).body, "csrf_token");
    let stolen = [("csrf_token", other_csrf.as_str()), ("way", "device-answer"), ("state", &state)];
    assert_eq!(elsewhere.form(&address, &stolen).await.status, 400);

    let typed = administrator.form("/device", &[("csrf_token", &csrf), ("user_code", &user_code)]).await.redirect();
    let question = administrator.get(&typed).await.status(200);
    let id = hidden(&question.body, "request_id");
    let allow = [("csrf_token", csrf.as_str()), ("request_id", &id), ("decision", "allow")];
    administrator.form("/device", &allow).await.status(200);
    site.clock.advance(chrono::Duration::seconds(15));
    let steps = administrator.form(&address, &ask).await.status(200).body;
    for told in ["The tokens", "A call", "The end", "401 with this token"] {
        assert!(steps.contains(told), "{told}: {steps}");
    }
    assert!(!steps.contains("is-bad"), "{steps}");
    for (at, _) in steps.match_indices("dt_dc_") {
        let shown = steps[at + 6..].chars().take_while(char::is_ascii_alphanumeric).count();
        assert!(shown <= 4, "the device code is masked");
    }
    assert!(site.db_names("OAuth Bearer Token", json!({"status": "Active"})).await.is_empty());
}

#[tokio::test]
async fn a_service_acts_as_its_user_and_gives_its_token_back() {
    let site = TestSite::new().await;
    let _ = site.user("robot@example.com", &[]).await;
    let values = json!({
        "allow_client_credentials": 1, "user": "robot@example.com", "scopes": "openid doctype:User:read",
    });
    let program = Program::new(&site, values).await;
    let administrator = site.administrator().await;
    let address = format!("/oauth-client/{}/try-it", program.id);
    let page = administrator.get(&address).await.status(200);
    let token = hidden(&page.body, "csrf_token");
    let steps = administrator.form(&address, &[("csrf_token", &token), ("way", "service")]).await.status(200).body;
    assert!(steps.contains("client_credentials") && steps.contains("robot@example.com"), "{steps}");
    assert!(site.db_names("OAuth Bearer Token", json!({"status": "Active"})).await.is_empty());
}

#[tokio::test]
async fn the_address_of_a_try_out_is_of_no_use_to_anybody_else() {
    let site = TestSite::new().await;
    let program = Program::new(&site, json!({})).await;
    let administrator = site.administrator().await;
    let other_administrator = site.user("eve@example.com", &["System Manager"]).await;
    let alice = site.user("alice@example.com", &[]).await;
    let own = format!("{}/oauth-client/{}/try-it/answer", site.documents().site_url(), program.id);

    // Nobody can ask for it from outside.
    let outside = alice.get(&program.authorize_uri(&[("redirect_uri", &own)])).await;
    assert_eq!(outside.status, 400, "{}", outside.body);

    // The request opens in the session that made it, and in no other.
    let request = begin(&administrator, &program, "openid").await;
    let same_person_elsewhere = site.administrator().await;
    for stranger in [&alice, &other_administrator, &same_person_elsewhere] {
        assert_eq!(stranger.get(&request).await.status, 400);
    }
    let consent = administrator.get(&request).await.status(200);
    let id = hidden(&consent.body, "request_id");
    let csrf =
        hidden(&other_administrator.get(&format!("/oauth-client/{}/try-it", program.id)).await.body, "csrf_token");
    let fields = [("csrf_token", csrf.as_str()), ("request_id", &id), ("decision", "allow")];
    let answered_by_another = other_administrator.form(&format!("{BASE}approve"), &fields).await;
    assert_eq!(answered_by_another.status, 400);

    // So does the answer; and the code is worth nothing without what only the sealed state holds.
    let back = answer(&administrator, &consent, "allow").await.redirect();
    for stranger in [&other_administrator, &same_person_elsewhere] {
        assert_eq!(stranger.get(path(&site, &back)).await.status, 400);
    }
    let code = super::support::parameter(&back, "code").unwrap();
    let stolen = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", &own)];
    program.post("get_token", &stolen).await.oauth_error(400, "invalid_grant");
    let forged = back.replace("state=", "state=x");
    assert_eq!(administrator.get(path(&site, &forged)).await.status, 400);
}

#[tokio::test]
async fn only_who_may_change_a_client_may_try_it() {
    let site = TestSite::new().await;
    let program = Program::new(&site, json!({})).await;
    let address = format!("/oauth-client/{}/try-it", program.id);
    let alice = site.user("alice@example.com", &[]).await;
    assert_eq!(alice.get(&address).await.status, 403);
    assert_eq!(site.guest().get(&address).await.status, 303);
    let administrator = site.administrator().await;
    let forged = administrator.form(&address, &[("way", "sign-in"), ("scope", "openid")]).await;
    assert_eq!(forged.status, 400, "without the form's token: {}", forged.body);
    site.db_update("OAuth Client", &program.id, json!({"enabled": 0})).await;
    assert_eq!(administrator.get(&address).await.status, 417);
}

#[tokio::test]
async fn the_settings_link_the_documents_that_they_publish() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    let form = administrator.get("/app/oauth-settings").await.status(200).body;
    for address in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-protected-resource/api",
        "/.well-known/jwks.json",
    ] {
        assert!(form.contains(&format!("href=\"{address}\"")), "{address}");
        let _ = administrator.get(address).await.status(200);
    }
    site.db_update("OAuth Settings", "OAuth Settings", json!({"show_auth_server_metadata": 0})).await;
    let form = administrator.get("/app/oauth-settings").await.status(200).body;
    assert!(!form.contains("href=\"/.well-known/oauth-authorization-server\""));
}
