//! Whose a linked account is: by issuer and subject, once and for all, and written by logins alone.

use serde_json::{Value as Json, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::social_login::Provider;
use super::{answer_grant, parameter, site};
use crate::support::{Client, TestSite};

const ALICE: &str = "alice@example.com";

/// Logs in with a provider that says that of the person.
async fn come(provider: &Provider, site: &TestSite, person: Json) -> Client {
    let browser = site.guest();
    let back = provider.begin(site, &browser, person).await;
    let _ = browser.get(&back).await;
    browser
}

/// A provider without OpenID Connect, which cannot say whether it has verified an address: `plain`.
async fn plain_key(site: &TestSite, values: Json) -> MockServer {
    let server = MockServer::start().await;
    let base = server.uri();
    let mut key = json!({
        "provider_name": "Plain", "social_login_provider": "Custom", "enable_social_login": 1, "client_id": "me",
        "client_secret": "secret of the site", "sign_ups": "Allow", "user_id_property": "id",
        "authorize_url": format!("{base}/authorize"), "access_token_url": format!("{base}/token"),
        "api_endpoint": format!("{base}/user"),
    });
    key.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
    site.db_insert("Social Login Key", key).await;
    server
}

/// Logs in with the plain provider, which says that of the person.
async fn come_plainly(server: &MockServer, browser: &Client, person: Json) {
    let location = browser.get("/login/with/plain").await.redirect();
    server.reset().await;
    let tokens = ResponseTemplate::new(200).set_body_json(json!({"access_token": "at", "token_type": "Bearer"}));
    answer_grant(server, "authorization_code", tokens, 1).await;
    let told = ResponseTemplate::new(200).set_body_json(person);
    Mock::given(method("GET")).and(path("/user")).respond_with(told).mount(server).await;
    let back = parameter(&location, "redirect_uri");
    let (_, path) = back.split_once("/api/").unwrap();
    let _ = browser.get(&format!("/api/{path}?code=abc&state={}", parameter(&location, "state"))).await;
}

/// The row of a provider among those of a user.
fn of<'r>(rows: &'r [Json], provider: &str) -> &'r Json {
    rows.iter().find(|row| row["provider"] == provider).unwrap()
}

async fn rows(administrator: &Client, user: &str) -> Vec<Json> {
    administrator.read("User", user).await.ok()["social_logins"].as_array().unwrap().clone()
}

#[tokio::test]
async fn nobody_writes_takes_or_loses_a_linked_account_by_any_door() {
    let (provider, site) = (Provider::start().await, site().await);
    provider.key(&site, json!({})).await;
    come(&provider, &site, json!({})).await;
    site.db_user("mallory@example.com", json!({})).await;
    let administrator = site.administrator().await;
    let manager = site.user("manager@example.com", &["System Manager"]).await;
    let before = (rows(&administrator, ALICE).await, rows(&administrator, "mallory@example.com").await);
    let (own, linked) = (of(&before.0, "frappe").clone(), of(&before.0, "example_login").clone());
    let stolen = |row: &Json| json!({"provider": row["provider"], "userid": row["userid"], "issuer": row["issuer"]});
    let mut renamed = own.clone();
    renamed["userid"] = json!("another");
    for client in [&manager, &administrator] {
        for change in [
            json!([stolen(&own)]),
            json!([before.1[0], stolen(&linked)]),
            json!([before.1[0], {"provider": "example_login", "userid": "invented"}]),
            json!([]),
        ] {
            let refused = client.update("User", "mallory@example.com", json!({"social_logins": change})).await;
            assert!(refused.status.is_client_error(), "{}", refused.body);
            let arguments =
                json!({"doctype": "User", "name": "mallory@example.com", "fieldname": {"social_logins": change}});
            let refused = client.call("frappe.client.set_value", arguments).await;
            assert!(refused.status.is_client_error(), "{}", refused.body);
        }
        let _ = client.update("User", ALICE, json!({"social_logins": [renamed, linked]})).await.status(417);
        let new = json!({"email": "new@example.com", "first_name": "New", "social_logins": [stolen(&own)]});
        assert!(client.create("User", new).await.status.is_client_error());
        let row = json!({
            "provider": "frappe", "userid": own["userid"], "parent": "mallory@example.com", "parenttype": "User",
            "parentfield": "social_logins",
        });
        for answer in [
            client.create("User Social Login", row.clone()).await,
            client.update("User Social Login", own["name"].as_str().unwrap(), json!({"userid": "x"})).await,
            client.remove("User Social Login", own["name"].as_str().unwrap()).await,
        ] {
            assert!(answer.status.is_client_error(), "{} {}", answer.status, answer.body);
        }
    }
    assert_eq!((rows(&administrator, ALICE).await, rows(&administrator, "mallory@example.com").await), before);
    // What was read may be sent back, and an account may be taken away from somebody.
    administrator.update("User", ALICE, json!({"social_logins": before.0})).await.ok();
    administrator.update("User", ALICE, json!({"social_logins": [own]})).await.ok();
    assert_eq!(rows(&administrator, ALICE).await.len(), 1);
}

#[tokio::test]
async fn no_two_people_have_the_same_account_elsewhere_whoever_writes_it() {
    let site = TestSite::new().await;
    let account = json!({"provider": "example_login", "userid": "alice-there"});
    site.db_user(ALICE, json!({"social_logins": [account]})).await;
    let values = json!({"email": "bob@example.com", "first_name": "Bob", "social_logins": [account]});
    let session = doctyped::testing::permissions::Session::system();
    let twice = site.documents().insert(&session, "User", values.as_object().unwrap()).await;
    assert!(twice.is_err());
}

#[tokio::test]
async fn who_proves_an_address_gets_the_account_without_whoever_made_it_before() {
    let (provider, site) = (Provider::start().await, site().await);
    provider.key(&site, json!({"allow_email_linking": 1})).await;
    let plain = plain_key(&site, json!({})).await;
    let attacker = site.guest();
    let person = json!({"id": 7, "email": ALICE, "name": "Alice"});
    come_plainly(&plain, &attacker, person.clone()).await;
    assert_eq!(attacker.logged_user().await, ALICE, "the account is made with an address that nobody has proved");
    let subject = of(&rows(&site.administrator().await, ALICE).await, "frappe")["userid"].clone();
    // The owner of the address comes.
    let owner = come(&provider, &site, json!({})).await;
    assert_eq!(owner.logged_user().await, ALICE);
    assert_eq!(attacker.logged_user().await, "Guest", "their session has ended");
    come_plainly(&plain, &attacker, person).await;
    assert_eq!(attacker.logged_user().await, "Guest", "and their way in is gone");
    let rows = rows(&site.administrator().await, ALICE).await;
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_ne!(of(&rows, "frappe")["userid"], subject, "nor do programs take the two for one");
    assert_eq!(site.db_names("Security Event", json!({"event": "Account Reclaimed"})).await.len(), 1);
}

#[tokio::test]
async fn an_account_that_an_administrator_made_keeps_its_password_when_it_is_linked() {
    let (provider, site) = (Provider::start().await, site().await);
    provider.key(&site, json!({"allow_email_linking": 1})).await;
    site.db_user(ALICE, json!({})).await;
    assert_eq!(come(&provider, &site, json!({})).await.logged_user().await, ALICE);
    site.guest().log_in(ALICE, crate::support::PASSWORD).await.ok();
}

#[tokio::test]
async fn a_key_that_comes_to_stand_for_somebody_else_inherits_no_accounts() {
    for way in ["made anew", "moved"] {
        let (provider, other, site) = (Provider::start().await, Provider::start().await, site().await);
        provider.key(&site, json!({})).await;
        assert_eq!(come(&provider, &site, json!({})).await.logged_user().await, ALICE);
        // An account that was linked before issuers were kept.
        site.db_user(
            "old@example.com",
            json!({"social_logins": [{"provider": "example_login", "userid": "old-there"}]}),
        )
        .await;
        let administrator = site.administrator().await;
        let key = administrator.read("Social Login Key", "example_login").await.ok();
        if way == "made anew" {
            administrator.remove("Social Login Key", "example_login").await.ok();
            other.key(&site, json!({})).await;
        } else {
            let configuration = format!("{}/.well-known/openid-configuration", other.server.uri());
            let moved = json!({
                "openid_configuration": configuration, "issuer": other.server.uri(),
                "jwks_uri": format!("{}/jwks", other.server.uri()), "client_secret": "a new one",
            });
            administrator.update("Social Login Key", "example_login", moved).await.ok();
        }
        assert!(!key["openid_configuration"].as_str().unwrap().contains(&other.server.uri()));
        for sub in ["alice-there", "old-there"] {
            let email = format!("{sub}@elsewhere.example");
            let stranger = come(&other, &site, json!({"sub": sub, "email": email})).await;
            assert_eq!(stranger.logged_user().await, email, "{way}: {sub}");
        }
    }
}

#[tokio::test]
async fn an_account_linked_before_issuers_were_kept_still_opens_and_learns_its_issuer() {
    let (provider, site) = (Provider::start().await, site().await);
    provider.key(&site, json!({})).await;
    let account = json!({"provider": "example_login", "userid": "alice-there"});
    site.db_user(ALICE, json!({"social_logins": [account]})).await;
    assert_eq!(come(&provider, &site, json!({})).await.logged_user().await, ALICE);
    let rows = rows(&site.administrator().await, ALICE).await;
    let linked = of(&rows, "example_login");
    assert_eq!((&linked["issuer"], &linked["subject"]), (&json!(provider.server.uri()), &json!("alice-there")));
}

#[tokio::test]
async fn a_logout_at_the_provider_ends_the_sessions_of_its_subject_whatever_the_user_id_is() {
    let (provider, site) = (Provider::start().await, site().await);
    provider.key(&site, json!({"user_id_property": "preferred_username"})).await;
    // Bob's subject is what Alice is called.
    let alice = json!({"sub": "subject-of-alice", "preferred_username": "alice", "email": ALICE});
    let bob = json!({"sub": "alice", "preferred_username": "bob", "email": "bob@example.com"});
    let (alice, bob) = (come(&provider, &site, alice).await, come(&provider, &site, bob).await);
    let log_out = async |sub: &str| {
        let now = site.clock.now().timestamp();
        let claims = json!({
            "iss": provider.server.uri(), "aud": "me", "iat": now, "exp": now + 120, "sub": sub,
            "jti": doctyped::testing::secret::random_id(), "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
            "sid": null,
        });
        let token = provider.key.sign("logout+jwt", &claims);
        let receiver = "/api/method/frappe.integrations.oauth2_logins.backchannel_logout/example_login";
        let _ = site.guest().form(receiver, &[("logout_token", &token)]).await.status(200);
    };
    log_out("alice").await;
    assert_eq!((alice.logged_user().await.as_str(), bob.logged_user().await.as_str()), (ALICE, "Guest"));
    log_out("subject-of-alice").await;
    assert_eq!(alice.logged_user().await, "Guest");
}

#[tokio::test]
async fn an_administrator_may_vouch_for_the_addresses_of_a_provider_that_has_no_word_for_it() {
    for (vouches, verified, gets_in) in [(0, json!(null), false), (1, json!(null), true), (1, json!(false), false)] {
        let (provider, site) = (Provider::start().await, site().await);
        provider.key(&site, json!({"allow_email_linking": 1, "vouches_for_email": vouches})).await;
        site.db_user(ALICE, json!({})).await;
        let browser = come(&provider, &site, json!({"email_verified": verified})).await;
        assert_eq!(browser.logged_user().await == ALICE, gets_in, "{vouches} {verified}");
        let browser =
            come(&provider, &site, json!({"sub": "new", "email": "new@example.com", "email_verified": verified})).await;
        assert_eq!(browser.logged_user().await == "new@example.com", gets_in, "{vouches} {verified}");
    }
}
