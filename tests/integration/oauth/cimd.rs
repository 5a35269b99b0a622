//! Client ID metadata documents: a program whose client id is the address of a page about it.

use std::time::Duration as StdDuration;

use chrono::Duration;
use doctyped::testing::jwk::JwkSet;
use doctyped::testing::jwt::SigningKey;
use doctyped::testing::secret::SigningAlgorithm;
use futures_util::future::join_all;
use serde_json::json;

use super::described_program::{Answer, Page};
use super::registration_rfc7591::settings;
use super::support::{BASE, Program, REDIRECT_URI, VERIFIER, answer, bearer, parameter};
use crate::support::{Client, TestSite};

const ALICE: &str = "alice@example.com";
const PATH: &str = "/oauth/client-metadata";

/// The text of the page that refuses a request.
async fn refusal(person: &Client, program: &Program) -> String {
    let page = person.get(&program.authorize_uri(&[])).await.status(400);
    assert_eq!(page.header("location"), "");
    let (_, rest) = page.body.split_once("role=\"alert\">").unwrap();
    rest.split('<').next().unwrap().to_owned()
}

/// What everybody reads of a page that cannot be used, whatever the reason.
const OUT_OF_REACH: &str = "The page that describes this application cannot be used: check that its address opens from \
    everywhere over https, without a redirect, within 5 seconds and with a trusted certificate, and that it is JSON of \
    at most 5 KiB whose client_id is the address itself. Administrators find the reason among the Security Events";

#[tokio::test]
async fn a_program_that_a_page_describes_is_let_in_and_answered_at_any_local_port() {
    let page = Page::start().await;
    let site = page.site().await;
    let alice = site.user(ALICE, &[]).await;
    let program = page.describe(&site, PATH);
    for uri in ["http://localhost:51234/callback", "http://127.0.0.1:51235/callback"] {
        let consent = alice.get(&program.authorize_uri(&[("redirect_uri", uri)])).await.redirect();
        let consent = alice.get(&consent).await.status(200);
        for text in
            ["Assistant", "Nobody here has checked this application", "<strong>localhost</strong>", "this computer"]
        {
            assert!(consent.body.contains(text), "{text} is missing in {}", consent.body);
        }
        let back = answer(&alice, &consent, "allow").await.redirect();
        assert!(back.starts_with(&format!("{uri}?code=")), "{back}");
        let code = parameter(&back, "code").unwrap();
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", uri),
            ("code_verifier", VERIFIER),
        ];
        let tokens = program.post("get_token", &fields).await.status(200).json();
        bearer(&site, &tokens).get(&format!("{BASE}openid_profile")).await.status(200);
        program.refresh(tokens["refresh_token"].as_str().unwrap()).await.status(200);
    }
    assert_eq!(page.requests(PATH), 1);
}

#[tokio::test]
async fn the_page_becomes_a_client_that_administrators_see_and_may_disable() {
    let page = Page::start().await;
    let site = page.site().await;
    let alice = site.user(ALICE, &[]).await;
    let program = page.describe(&site, PATH);
    alice.get(&program.authorize_uri(&[])).await.redirect();
    let names = site.db_names("OAuth Client", json!({"client_id": page.uri(PATH)})).await;
    let client = site.administrator().await.read("OAuth Client", &names[0]).await.ok();
    assert_eq!(client["registered_by"], "Metadata Document");
    assert_eq!((&client["app_name"], &client["trusted"]), (&json!("Assistant"), &json!(0)));
    assert_eq!(client["token_endpoint_auth_method"], "None");
    assert_eq!(client["scopes"], "openid profile email");
    assert_eq!(site.db_names("Security Event", json!({"event": "Client Registered"})).await.len(), 1);
    site.db_update("OAuth Client", &names[0], json!({"enabled": 0})).await;
    assert!(refusal(&alice, &program).await.contains("No such client"));
    site.clock.advance(Duration::days(2));
    let alice = site.guest();
    alice.log_in(ALICE, crate::support::PASSWORD).await.ok();
    assert!(refusal(&alice, &program).await.contains("No such client"));
    assert_eq!(page.requests(PATH), 1);
}

#[tokio::test]
async fn a_page_is_read_again_when_its_headers_say_so_and_a_change_arrives() {
    let page = Page::start().await;
    let site = page.site().await;
    let alice = site.user(ALICE, &[]).await;
    let program = page.describe(&site, PATH);
    let described = |name: &str| {
        Answer::ok(&page.document(PATH, &json!({"client_name": name}))).with("cache-control", "max-age=600")
    };
    let title = async || {
        let consent = alice.get(&program.authorize_uri(&[])).await.redirect();
        alice.get(&consent).await.status(200).body
    };
    page.serve(PATH, described("First"));
    assert!(title().await.contains("First"));
    page.serve(PATH, described("Second"));
    site.clock.advance(Duration::seconds(590));
    assert!(title().await.contains("First"));
    assert_eq!(page.requests(PATH), 1);
    site.clock.advance(Duration::seconds(20));
    assert!(title().await.contains("Second"));
    assert_eq!(page.requests(PATH), 2);
    // An unchanged page leaves no trace in the history of the client.
    let versions = site.db_names("Version", json!({"ref_doctype": "OAuth Client"})).await.len();
    site.clock.advance(Duration::seconds(610));
    assert!(title().await.contains("Second"));
    assert_eq!(page.requests(PATH), 3);
    assert_eq!(site.db_names("Version", json!({"ref_doctype": "OAuth Client"})).await.len(), versions);
}

#[tokio::test]
async fn many_requests_at_once_read_the_page_once() {
    let page = Page::start().await;
    let site = page.site().await;
    let program = page.describe(&site, PATH);
    page.serve(PATH, Answer { delay: StdDuration::from_millis(200), ..Answer::ok(&page.document(PATH, &json!({}))) });
    let guests: Vec<Client> = (0..50).map(|_| site.guest()).collect();
    let uri = program.authorize_uri(&[]);
    for answer in join_all(guests.iter().map(|guest| guest.get(&uri))).await {
        assert!(answer.redirect().starts_with("/login"));
    }
    assert_eq!(page.requests(PATH), 1);
    assert_eq!(site.db_names("OAuth Client", json!({})).await.len(), 1);
}

#[tokio::test]
async fn a_page_that_is_not_right_is_refused_and_the_person_reads_why() {
    let page = Page::start().await;
    let site = page.site().await;
    settings(&site, json!({"registration_rate_limit": 0})).await;
    let alice = site.user(ALICE, &[]).await;
    for (path, changes, says) in [
        ("/nameless", json!({"client_name": ""}), "client_name is missing"),
        ("/nowhere", json!({"redirect_uris": []}), "redirect_uris is missing"),
        ("/clear", json!({"redirect_uris": ["http://app.example/cb"]}), "must use https"),
        ("/secret", json!({"client_secret": "hunter2"}), "may not contain a secret"),
        ("/basic", json!({"token_endpoint_auth_method": "client_secret_basic"}), "may be none or private_key_jwt"),
    ] {
        page.serve(path, Answer::ok(&page.document(path, &changes)));
        let program = Program::registered(&site, &json!({"client_id": page.uri(path)}), "openid");
        let body = refusal(&alice, &program).await;
        assert!(body.contains(says), "{path}: {body}");
        assert!(!body.contains("hunter2"));
        program.refresh("dt_rt_x").await.oauth_error(401, "invalid_client");
    }
    assert!(site.db_names("OAuth Client", json!({})).await.is_empty());
}

#[tokio::test]
async fn strangers_read_the_same_of_every_page_that_is_out_of_reach_and_administrators_why() {
    let (page, untrusted) = (Page::start().await, Page::start().await);
    let site = page.site().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let hosts = format!("{}\n{}\nlocalhost:{closed}", page.host, untrusted.host);
    settings(&site, json!({"registration_rate_limit": 0, "allowed_private_hosts": hosts})).await;
    let (alice, administrator) = (site.user(ALICE, &[]).await, site.administrator().await);
    page.serve("/elsewhere", Answer::ok(&page.document("/redirect", &json!({}))));
    let at = |path: &str, answer: Answer| {
        page.serve(path, answer);
        page.uri(path)
    };
    for (uri, why) in [
        ("https://localhost:9/client".to_owned(), "private network"),
        (format!("https://localhost:{closed}/client"), "no connection could be made"),
        ("https://nobody.invalid/client".to_owned(), "not found"),
        (untrusted.uri(PATH), "certificate is not trusted"),
        (at("/slow", Answer { delay: StdDuration::from_secs(30), ..Answer::ok("") }), "did not answer in time"),
        (at("/redirect", Answer::status(302).with("location", &page.uri("/elsewhere"))), "redirect"),
        (at("/gone", Answer::status(404)), "404"),
        (at("/broken", Answer::status(503)), "503"),
        (at("/big", Answer::ok(&"x".repeat(5 * 1024 + 1))), "more than 5 KiB"),
        (at("/html", Answer::ok("<!doctype html>")), "not JSON"),
        (at("/other", Answer::ok(&page.document("/another", &json!({})))), "differs from its address"),
    ] {
        let program = Program::registered(&site, &json!({"client_id": uri}), "openid");
        for endpoint in ["get_token", "par", "introspect_token", "revoke_token", "device_authorization"] {
            let refused = program.post(endpoint, &[("grant_type", "refresh_token"), ("token", "x")]).await;
            let expected = json!({"error": "invalid_client", "error_description": OUT_OF_REACH});
            assert_eq!(refused.oauth_error(401, "invalid_client").json(), expected, "{endpoint} {uri}");
        }
        assert_eq!(refusal(&alice, &program).await, OUT_OF_REACH, "{uri}");
        let told = refusal(&administrator, &program).await;
        assert!(told.contains(&uri) && told.contains(why), "{uri}: {told}");
        // Noted once: what failed is remembered.
        let about = json!({"event": "Client Metadata Refused", "client": uri});
        let [noted] = site.db_names("Security Event", about).await.try_into().expect("one event");
        let noted = administrator.read("Security Event", &noted).await.ok();
        assert!(noted["details"].as_str().unwrap().contains(why), "{noted}");
    }
    assert_eq!(page.requests("/elsewhere"), 0);
    assert!(site.db_names("OAuth Client", json!({})).await.is_empty());
}

#[tokio::test]
async fn a_page_whose_server_takes_too_long_is_not_waited_for() {
    let page = Page::start().await;
    let site = page.site().await;
    let administrator = site.administrator().await;
    let program = page.describe(&site, PATH);
    page.serve(PATH, Answer { delay: StdDuration::from_secs(30), ..Answer::ok("") });
    let started = std::time::Instant::now();
    assert!(refusal(&administrator, &program).await.contains("did not answer in time"));
    assert!(started.elapsed() < StdDuration::from_secs(15));
}

#[tokio::test]
async fn addresses_that_are_no_description_are_refused_without_a_request() {
    let page = Page::start().await;
    let site = page.site().await;
    let alice = site.user(ALICE, &[]).await;
    for path in ["", "/", "/a/../b", "/x#y"] {
        let program = Program::registered(&site, &json!({"client_id": page.uri(path)}), "openid");
        assert!(refusal(&alice, &program).await.contains("not a metadata document address"));
        assert_eq!(page.requests(path), 0);
    }
}

#[tokio::test]
async fn private_addresses_are_not_called() {
    let page = Page::start().await;
    let site = page.site().await;
    settings(&site, json!({"allowed_private_hosts": ""})).await;
    let administrator = site.administrator().await;
    let program = page.describe(&site, PATH);
    assert!(refusal(&administrator, &program).await.contains("private network"));
    assert_eq!(page.requests(PATH), 0);
}

#[tokio::test]
async fn a_failure_is_remembered_for_a_minute() {
    let page = Page::start().await;
    let site = page.site().await;
    let administrator = site.administrator().await;
    let program = page.describe(&site, PATH);
    page.serve(PATH, Answer::status(500));
    for _ in 0..5 {
        assert!(refusal(&administrator, &program).await.contains("500"));
    }
    assert_eq!(page.requests(PATH), 1);
    page.describe(&site, PATH);
    site.clock.advance(Duration::seconds(61));
    administrator.get(&program.authorize_uri(&[])).await.redirect();
}

#[tokio::test]
async fn an_outage_of_the_page_signs_nobody_out_but_its_removal_does() {
    let page = Page::start().await;
    let site = page.site().await;
    let alice = site.user(ALICE, &[]).await;
    let program = page.describe(&site, PATH);
    let tokens = program.tokens(&alice).await;
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    page.serve(PATH, Answer::status(503));
    site.clock.advance(Duration::hours(2));
    let tokens = program.refresh(refresh_token).await.status(200).json();
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    page.serve(PATH, Answer::status(404));
    site.clock.advance(Duration::seconds(61));
    let refused = program.refresh(refresh_token).await.oauth_error(401, "invalid_client");
    assert_eq!(refused.json()["error_description"], OUT_OF_REACH);
}

#[tokio::test]
async fn the_switch_and_the_lists_of_domains_work_at_once() {
    let page = Page::start().await;
    let site = page.site().await;
    let alice = site.user(ALICE, &[]).await;
    let program = page.describe(&site, PATH);
    let metadata = "/.well-known/oauth-authorization-server";
    let announced = async || site.guest().get(metadata).await.status(200).json();
    assert_eq!(announced().await["client_id_metadata_document_supported"], true);
    let methods = announced().await["token_endpoint_auth_methods_supported"].clone();
    assert!(methods.as_array().unwrap().contains(&json!("none")));
    let tokens = program.tokens(&alice).await;
    let profile = format!("{BASE}openid_profile");
    let token = bearer(&site, &tokens);
    for (off, on, says) in [
        (
            json!({"enable_client_id_metadata_documents": 0}),
            json!({"enable_client_id_metadata_documents": 1}),
            "does not accept addresses",
        ),
        (
            json!({"client_id_metadata_denied_domains": "example.com\nlocalhost"}),
            json!({"client_id_metadata_denied_domains": ""}),
            "described at localhost",
        ),
        (
            json!({"client_id_metadata_allowed_domains": "example.com"}),
            json!({"client_id_metadata_allowed_domains": "example.com localhost"}),
            "described at localhost",
        ),
    ] {
        settings(&site, off).await;
        assert!(refusal(&alice, &program).await.contains(says), "{says}");
        program.refresh("dt_rt_x").await.oauth_error(401, "invalid_client");
        token.get(&profile).await.status(401);
        settings(&site, on).await;
        alice.get(&program.authorize_uri(&[])).await.redirect();
        token.get(&profile).await.status(200);
    }
    settings(&site, json!({"enable_client_id_metadata_documents": 0})).await;
    assert_ne!(announced().await["client_id_metadata_document_supported"], true);
}

#[tokio::test]
async fn only_the_redirect_uris_of_the_page_are_answered() {
    let page = Page::start().await;
    let site = page.site().await;
    let alice = site.user(ALICE, &[]).await;
    let program = page.describe(&site, PATH);
    for uri in
        ["https://evil.example/callback", "http://localhost:5000/other", "http://localhost.evil.example/callback"]
    {
        alice.get(&program.authorize_uri(&[("redirect_uri", uri)])).await.status(400);
    }
    alice.get(&program.authorize_uri(&[("redirect_uri", REDIRECT_URI)])).await.redirect();
}

#[tokio::test]
async fn the_person_is_asked_every_time_until_somebody_here_trusts_the_program() {
    let page = Page::start().await;
    let site = page.site().await;
    settings(&site, json!({"skip_authorization": 1})).await;
    let alice = site.user(ALICE, &[]).await;
    let program = page.describe(&site, PATH);
    program.tokens(&alice).await;
    let consent = alice.get(&program.authorize_uri(&[])).await.redirect();
    assert!(consent.contains("approve"), "{consent}");
    let name = site.db_names("OAuth Client", json!({})).await.remove(0);
    site.db_update("OAuth Client", &name, json!({"trusted": 1})).await;
    let straight = alice.get(&program.authorize_uri(&[])).await.redirect();
    assert!(straight.starts_with(&format!("{REDIRECT_URI}?code=")), "{straight}");
}

#[tokio::test]
async fn a_trusted_program_keeps_the_scopes_that_administrators_give_it() {
    let page = Page::start().await;
    let site = page.site().await;
    let alice = site.user(ALICE, &[]).await;
    let program = page.describe(&site, PATH);
    alice.get(&program.authorize_uri(&[])).await.redirect();
    let name = site.db_names("OAuth Client", json!({})).await.remove(0);
    site.db_update(
        "OAuth Client",
        &name,
        json!({"trusted": 1, "limit_scopes": 1, "scopes": "openid doctype:User:read"}),
    )
    .await;
    site.clock.advance(Duration::hours(2));
    alice.get(&program.authorize_uri(&[("scope", "openid doctype:User:read")])).await.redirect();
    assert_eq!(page.requests(PATH), 2);
    let refused = alice.get(&program.authorize_uri(&[("scope", "all")])).await.redirect();
    assert_eq!(parameter(&refused, "error").as_deref(), Some("invalid_scope"));
}

#[tokio::test]
async fn one_address_brings_only_so_many_new_pages_in_a_minute() {
    let page = Page::start().await;
    let site = page.site().await;
    settings(&site, json!({"registration_rate_limit": 2})).await;
    let authorize = async |path: &str| {
        let program = page.describe(&site, path);
        site.guest().get(&program.authorize_uri(&[])).await
    };
    authorize("/one").await.redirect();
    authorize("/two").await.redirect();
    assert!(authorize("/three").await.status(429).header("retry-after").parse::<u64>().is_ok());
    assert_eq!(page.requests("/three"), 0);
    // Known ones go on.
    authorize("/one").await.redirect();
    settings(&site, json!({"registration_rate_limit": 0, "max_registered_clients": 2})).await;
    let full = authorize("/three").await.status(400);
    assert!(full.body.contains("as many registered applications as it allows"), "{}", full.body);
    authorize("/two").await.redirect();
}

#[tokio::test]
async fn without_the_certificate_nobody_is_believed() {
    let page = Page::start().await;
    let site = TestSite::new().await;
    settings(&site, json!({"allowed_private_hosts": page.host})).await;
    let administrator = site.administrator().await;
    let program = page.describe(&site, PATH);
    assert!(refusal(&administrator, &program).await.contains("certificate is not trusted"));
}

#[tokio::test]
async fn a_described_program_may_sign_with_the_keys_that_its_page_names() {
    let page = Page::start().await;
    let site = page.site().await;
    let alice = site.user(ALICE, &[]).await;
    let key = SigningKey::generate(SigningAlgorithm::Es256);
    let jwks = JwkSet { keys: vec![key.jwk()] }.to_value();
    page.serve("/keys", Answer::ok(&jwks));
    for (path, keys) in [("/inside", json!({"jwks": jwks})), ("/beside", json!({"jwks_uri": page.uri("/keys")}))] {
        let mut changes = json!({"token_endpoint_auth_method": "private_key_jwt"});
        changes.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        page.serve(path, Answer::ok(&page.document(path, &changes)));
        let program = Program::registered(&site, &json!({"client_id": page.uri(path)}), "openid");
        let now = site.clock.now().timestamp();
        let claims = json!({
            "iss": program.id, "sub": program.id, "aud": site.documents().site_url(),
            "jti": doctyped::testing::secret::random_id(), "iat": now, "exp": now + 60,
        });
        let code = program.code(&alice).await;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", VERIFIER),
        ];
        program.post("get_token", &fields).await.oauth_error(401, "invalid_client");
        program.post_signed("get_token", &key.sign("JWT", &claims), &fields).await.status(200);
    }
}
