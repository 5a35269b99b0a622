//! Dynamic client registration: who may register what, what is answered, and the switches of OAuth Settings.

use chrono::Duration;
use serde_json::{Value as Json, json};

use super::support::{BASE, Program, bearer};
use crate::support::client::Response;
use crate::support::{Client, TestSite};

/// Registers.
pub async fn register(client: &Client, metadata: Json) -> Response {
    client.post(&format!("{BASE}register_client"), metadata).await
}

/// Changes OAuth Settings.
pub async fn settings(site: &TestSite, values: Json) {
    site.db_update("OAuth Settings", "OAuth Settings", values).await;
}

fn web() -> Json {
    json!({"client_name": "Planner", "redirect_uris": ["https://app.example/callback"]})
}

fn with(changes: &Json) -> Json {
    let mut metadata = web();
    metadata.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    metadata
}

#[tokio::test]
async fn a_program_without_any_account_registers_and_a_person_lets_it_in() {
    let site = TestSite::new().await;
    let made = register(&site.guest(), with(&json!({"grant_types": ["authorization_code", "refresh_token"]}))).await;
    let made = made.status(201).json();
    assert!(made["client_secret"].as_str().unwrap().starts_with("dt_cs_"), "{made}");
    assert_eq!(made["client_secret_expires_at"], 0);
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::registered(&site, &made, "openid profile");
    let tokens = program.tokens(&alice).await;
    let refused = bearer(&site, &tokens).get("/api/resource/User").await.status(403);
    assert!(refused.header("www-authenticate").contains("insufficient_scope"));
    program.refresh(tokens["refresh_token"].as_str().unwrap()).await.status(200);
}

#[tokio::test]
async fn the_answer_echoes_every_field_that_was_registered_and_has_no_nulls() {
    let site = TestSite::new().await;
    let sent = json!({
        "client_name": "Planner",
        "redirect_uris": ["https://app.example/callback", "https://app.example/two"],
        "token_endpoint_auth_method": "client_secret_post",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "application_type": "web",
        "scope": "openid email",
        "client_uri": "https://app.example/",
        "logo_uri": "https://app.example/logo.png",
        "tos_uri": "https://app.example/tos",
        "policy_uri": "https://app.example/policy",
        "contacts": ["Alice <alice@app.example>", "bob@app.example"],
        "software_id": "4NRB1-0XZABZI9E6-5SM3R",
        "software_version": "2.1",
        "jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]},
        "id_token_signed_response_alg": "RS256",
        "post_logout_redirect_uris": ["https://app.example/bye"],
        "backchannel_logout_uri": "https://app.example/logged-out",
        "dpop_bound_access_tokens": true,
        "require_pushed_authorization_requests": true,
    });
    let answer = register(&site.guest(), sent.clone()).await.status(201);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(!answer.body.contains("null"), "{}", answer.body);
    let made = answer.json();
    for (name, value) in sent.as_object().unwrap() {
        assert_eq!(&made[name], value, "{name}");
    }
    let now = site.clock.now().timestamp();
    assert!((now - made["client_id_issued_at"].as_i64().unwrap()).abs() <= 2);
    let uri = made["registration_client_uri"].as_str().unwrap();
    let id = made["client_id"].as_str().unwrap();
    assert_eq!(uri, format!("{}{BASE}register_client/{id}", site.documents().site_url()));
}

#[tokio::test]
async fn a_public_program_gets_no_secret() {
    let site = TestSite::new().await;
    let made = register(&site.guest(), with(&json!({"token_endpoint_auth_method": "none"}))).await.status(201).json();
    assert_eq!(made["token_endpoint_auth_method"], "none");
    assert!(made.get("client_secret").is_none() && made.get("client_secret_expires_at").is_none(), "{made}");
}

#[tokio::test]
async fn what_is_made_is_a_client_that_says_where_it_came_from() {
    let site = TestSite::new().await;
    let made = register(&site.guest(), web()).await.status(201).json();
    let id = made["client_id"].as_str().unwrap();
    let administrator = site.administrator().await;
    let shown = administrator.read("OAuth Client", id).await.status(200);
    for secret in ["client_secret", "registration_access_token"] {
        assert!(!shown.body.contains(made[secret].as_str().unwrap()), "{secret}");
    }
    let client = shown.ok();
    assert_eq!(client["registered_by"], "Dynamic Registration");
    assert_eq!((&client["trusted"], &client["skip_authorization"]), (&json!(0), &json!(0)));
    assert_eq!(client["default_redirect_uri"], "https://app.example/callback");
    assert!(client.get("client_secret").is_none() && client.get("registration_access_token").is_none());
    let events = site.db_names("Security Event", json!({"event": "Client Registered", "client": id})).await;
    assert_eq!(events.len(), 1);
    let event = administrator.read("Security Event", &events[0]).await.status(200).body;
    assert!(!event.contains("dt_cs_") && !event.contains("dt_reg_"), "{event}");
}

#[tokio::test]
async fn errors_have_the_code_of_the_rfc_and_say_what_is_wrong() {
    let site = TestSite::new().await;
    settings(&site, json!({"registration_rate_limit": 0})).await;
    let guest = site.guest();
    for (changes, code) in [
        (json!({"redirect_uris": ["http://app.example/callback"]}), "invalid_redirect_uri"),
        (json!({"redirect_uris": ["https://app.example/callback#x"]}), "invalid_redirect_uri"),
        (json!({"redirect_uris": ["javascript:alert(1)"]}), "invalid_redirect_uri"),
        (json!({"redirect_uris": []}), "invalid_redirect_uri"),
        (json!({"redirect_uris": ["myapp:/cb"]}), "invalid_redirect_uri"),
        (json!({"redirect_uris": ["com.example.app:/cb"], "application_type": "web"}), "invalid_redirect_uri"),
        (json!({"token_endpoint_auth_method": "tls_client_auth"}), "invalid_client_metadata"),
        (json!({"grant_types": ["implicit"]}), "invalid_client_metadata"),
        (json!({"grant_types": ["client_credentials"]}), "invalid_client_metadata"),
        (json!({"client_name": 7}), "invalid_client_metadata"),
        // Longer than the field of the form: still the program's mistake and not ours.
        (json!({"client_name": "a".repeat(200)}), "invalid_client_metadata"),
        (json!({"require_signed_request_object": true}), "invalid_client_metadata"),
        (json!({"software_statement": "eyJhbGciOiJub25lIn0.e30."}), "unapproved_software_statement"),
        (json!({"software_statement": 1}), "invalid_software_statement"),
    ] {
        let refused = register(&guest, with(&changes)).await.oauth_error(400, code);
        assert!(refused.json()["error_description"].as_str().unwrap().len() > 10, "{}", refused.body);
    }
    let uri = format!("{BASE}register_client");
    let json_type = "application/json";
    guest.send(poem::http::Method::POST, &uri, json_type, "{").await.oauth_error(400, "invalid_client_metadata");
    guest.form(&uri, &[("client_name", "x")]).await.oauth_error(400, "invalid_client_metadata");
    guest.get(&uri).await.status(405);
    assert!(site.db_names("OAuth Client", json!({})).await.is_empty());
}

#[tokio::test]
async fn without_naming_scopes_a_program_gets_the_safe_ones_and_never_all() {
    let site = TestSite::new().await;
    let scope = async |changes: Json| {
        register(&site.guest(), with(&changes)).await.status(201).json()["scope"].as_str().unwrap().to_owned()
    };
    assert_eq!(scope(json!({})).await, "openid profile email");
    assert_eq!(scope(json!({"scope": "all write openid"})).await, "read openid");
    assert_eq!(scope(json!({"scope": "openid address phone doctype:User:write"})).await, "openid doctype:User:write");
    settings(&site, json!({"default_scopes": "openid read"})).await;
    assert_eq!(scope(json!({})).await, "openid read");
    settings(&site, json!({"scopes_supported": "openid doctype:User:read all"})).await;
    assert_eq!(scope(json!({"scope": "all roles"})).await, "all");
    settings(&site, json!({"scopes_supported": "openid doctype:User:read"})).await;
    assert_eq!(scope(json!({"scope": "all openid doctype:User:read"})).await, "doctype:User:read read openid");
}

#[tokio::test]
async fn settings_announce_no_scopes_for_doctypes_that_do_not_exist() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    for field in ["default_scopes", "scopes_supported"] {
        let change = json!({field: "openid doctype:Nothing:read"});
        let refused = administrator.update("OAuth Settings", "OAuth Settings", change).await;
        assert_eq!(refused.error(417, "ValidationError")["problems"][0]["field"], field);
    }
}

#[tokio::test]
async fn what_the_metadata_announces_can_be_registered() {
    let site = TestSite::new().await;
    let announced = site.guest().get("/.well-known/oauth-authorization-server").await.status(200).json();
    let mut scopes: Vec<&str> =
        announced["scopes_supported"].as_array().unwrap().iter().map(|scope| scope.as_str().unwrap()).collect();
    let asked = with(&json!({"scope": scopes.join(" ")}));
    let made = register(&site.guest(), asked).await.status(201).json();
    let mut registered: Vec<&str> = made["scope"].as_str().unwrap().split(' ').collect();
    scopes.sort_unstable();
    registered.sort_unstable();
    assert_eq!(registered, scopes);
}

#[tokio::test]
async fn the_switch_works_at_once_and_metadata_tells() {
    let site = TestSite::new().await;
    let announced = async || {
        let metadata = site.guest().get("/.well-known/oauth-authorization-server").await.status(200).json();
        metadata.get("registration_endpoint").cloned()
    };
    let endpoint = format!("{}{BASE}register_client", site.documents().site_url());
    assert_eq!(announced().await, Some(json!(endpoint)));
    settings(&site, json!({"enable_dynamic_client_registration": 0})).await;
    assert_eq!(announced().await, None);
    register(&site.guest(), web()).await.status(404);
    settings(&site, json!({"enable_dynamic_client_registration": 1})).await;
    register(&site.guest(), web()).await.status(201);
}

#[tokio::test]
async fn in_the_mode_with_a_token_only_its_holders_register() {
    let site = TestSite::new().await;
    let with_token = json!({"registration_mode": "Initial Access Token", "initial_access_token": "only-for-the-friends-of-this-site"});
    settings(&site, with_token).await;
    let challenge = register(&site.guest(), web()).await.oauth_error(401, "invalid_token");
    assert_eq!(challenge.header("www-authenticate"), "Bearer");
    let holder = |token: &str| site.guest().with_header("authorization", &format!("Bearer {token}"));
    let refused = register(&holder("guessed"), web()).await.oauth_error(401, "invalid_token");
    assert!(refused.header("www-authenticate").contains("error=\"invalid_token\""));
    let administrator = site.administrator().await;
    register(&administrator, web()).await.oauth_error(401, "invalid_token");
    register(&holder("only-for-the-friends-of-this-site"), web()).await.status(201);
    settings(&site, json!({"initial_access_token": "a-new-one-for-those-friends"})).await;
    register(&holder("only-for-the-friends-of-this-site"), web()).await.oauth_error(401, "invalid_token");
    settings(&site, json!({"registration_mode": "Open"})).await;
    register(&site.guest(), web()).await.status(201);
}

#[tokio::test]
async fn an_initial_access_token_that_nobody_could_send_or_anybody_guess_is_not_saved() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    for token in ["with spaces in between it", "short", "\"quoted-quoted-quoted\""] {
        let change = json!({"registration_mode": "Initial Access Token", "initial_access_token": token});
        let refused = administrator.update("OAuth Settings", "OAuth Settings", change).await;
        assert_eq!(refused.error(417, "ValidationError")["problems"][0]["field"], "initial_access_token");
    }
    let missing = json!({"registration_mode": "Initial Access Token"});
    administrator.update("OAuth Settings", "OAuth Settings", missing).await.error(417, "MandatoryError");
    let good = json!({"registration_mode": "Initial Access Token", "initial_access_token": "Zm9vYmFyYmF6cXV4-_~"});
    administrator.update("OAuth Settings", "OAuth Settings", good).await.ok();
    // Saved again, as a form does that shows stars.
    let again = administrator.update("OAuth Settings", "OAuth Settings", json!({"registration_rate_limit": 9})).await;
    again.ok();
}

#[tokio::test]
async fn who_guesses_the_initial_access_token_is_locked_out() {
    let site = TestSite::new().await;
    let with_token =
        json!({"registration_mode": "Initial Access Token", "initial_access_token": "for-the-friends-of-this-site"});
    settings(&site, with_token).await;
    let guesser = site.guest().with_header("authorization", "Bearer guess");
    let mut last = 401;
    for _ in 0..50 {
        let answer = register(&guesser, web()).await;
        last = answer.status.as_u16();
        if last == 429 {
            assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
            break;
        }
    }
    assert_eq!(last, 429);
}

#[tokio::test]
async fn one_address_registers_as_often_in_a_minute_as_the_settings_say() {
    let site = TestSite::new().await;
    settings(&site, json!({"registration_rate_limit": 2})).await;
    register(&site.guest(), web()).await.status(201);
    register(&site.guest(), web()).await.status(201);
    let refused = register(&site.guest(), web()).await.oauth_error(429, "temporarily_unavailable");
    assert!((1..=61).contains(&refused.header("retry-after").parse::<i64>().unwrap()));
    settings(&site, json!({"registration_rate_limit": 3})).await;
    register(&site.guest(), web()).await.status(201);
    register(&site.guest(), web()).await.status(429);
    site.clock.advance(Duration::seconds(61));
    register(&site.guest(), web()).await.status(201);
}

#[tokio::test]
async fn only_as_many_programs_register_as_the_settings_allow() {
    let site = TestSite::new().await;
    // What an administrator made does not count.
    Program::new(&site, json!({})).await;
    Program::new(&site, json!({})).await;
    settings(&site, json!({"registration_rate_limit": 0, "max_registered_clients": 3})).await;
    let guest = site.guest();
    let asked = (0..10).map(|_| register(&guest, web()));
    let answers = futures_util::future::join_all(asked).await;
    let made: Vec<&Response> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(made.len(), 3);
    let id = made[0].json()["client_id"].as_str().unwrap().to_owned();
    register(&guest, web()).await.oauth_error(403, "temporarily_unavailable");
    site.documents().delete(&doctyped::testing::permissions::Session::system(), "OAuth Client", &id).await.unwrap();
    register(&guest, web()).await.status(201);
}

#[tokio::test]
async fn one_address_cannot_use_up_the_places_of_others_and_what_nobody_used_gives_way() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let limits = json!({"registration_rate_limit": 0, "max_registered_clients": 5, "max_clients_per_address": 3});
    settings(&site, limits).await;
    let renewing = with(&json!({"grant_types": ["authorization_code", "refresh_token"]}));
    let in_use = register(&site.guest(), renewing).await.status(201).json();
    let in_use = Program::registered(&site, &in_use, "openid");
    let tokens = in_use.tokens(&alice).await;
    let mut made = Vec::new();
    for _ in 0..2 {
        site.clock.advance(Duration::seconds(1));
        made.push(register(&site.guest(), web()).await.status(201).json()["client_id"].as_str().unwrap().to_owned());
    }
    // A person may still be answering them.
    register(&site.guest(), web()).await.oauth_error(403, "temporarily_unavailable");
    site.clock.advance(Duration::minutes(11));
    register(&site.guest(), web()).await.status(201);
    let left = site.db_names("OAuth Client", json!({})).await;
    assert!(left.len() == 3 && !left.contains(&made[0]) && left.contains(&made[1]), "{left:?}");
    in_use.refresh(tokens["refresh_token"].as_str().unwrap()).await.status(200);
}

#[tokio::test]
async fn an_unknown_program_may_not_take_the_name_of_others_nor_one_that_nobody_can_read() {
    let site = TestSite::new().await;
    settings(&site, json!({"resource_name": "Example Library"})).await;
    for name in
        ["Administrator", "G\u{3BF}ogle", "EXAMPLE LIBRARY", "Plan\u{202E}ner", "Plan\u{200B}ner", "P\u{430}yroll"]
    {
        let refused = register(&site.guest(), with(&json!({"client_name": name}))).await;
        let refused = refused.oauth_error(400, "invalid_client_metadata");
        assert!(refused.body.contains("client_name"), "{name}: {}", refused.body);
    }
    let made = register(&site.guest(), with(&json!({"client_name": "Cafe\u{301} Planner"}))).await.status(201).json();
    assert_eq!(made["client_name"], "Café Planner");
    // What an older program stored is not shown either.
    let id = made["client_id"].as_str().unwrap();
    let mut work = site.documents().begin(&doctyped::testing::permissions::Session::system()).await.unwrap();
    let stored = [("app_name", doctyped::testing::meta::Value::from("rennal\u{202E}P"))];
    work.set_values("OAuth Client", id, &stored).await.unwrap();
    work.commit().await.unwrap();
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::registered(&site, &made, "openid");
    let page = alice.get(&program.authorize_uri(&[])).await.redirect();
    let page = alice.get(&page).await.status(200).body;
    assert!(page.contains("Unverified") && page.contains("app.example") && !page.contains('\u{202E}'), "{page}");
}

#[tokio::test]
async fn whatever_the_metadata_lists_can_be_registered_and_nothing_else() {
    let site = TestSite::new().await;
    settings(&site, json!({"allow_hs256_id_tokens": 1, "registration_rate_limit": 0})).await;
    let metadata = site.guest().get("/.well-known/oauth-authorization-server").await.status(200).json();
    let jwks = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]});
    for (list, member, more) in [
        ("token_endpoint_auth_methods_supported", "token_endpoint_auth_method", json!({})),
        ("token_endpoint_auth_signing_alg_values_supported", "token_endpoint_auth_signing_alg", json!({})),
        ("request_object_signing_alg_values_supported", "request_object_signing_alg", json!({})),
        ("id_token_signing_alg_values_supported", "id_token_signed_response_alg", json!({})),
        ("introspection_signing_alg_values_supported", "introspection_signed_response_alg", json!({})),
    ] {
        for value in metadata[list].as_array().unwrap() {
            let mut asked = with(&more);
            asked[member] = value.clone();
            if value == "private_key_jwt" {
                asked["jwks"] = jwks.clone();
            }
            let made = register(&site.guest(), asked).await.status(201).json();
            if !member.ends_with("signing_alg") {
                assert_eq!(made[member], *value);
            }
        }
        register(&site.guest(), with(&json!({member: "none of these"})))
            .await
            .oauth_error(400, "invalid_client_metadata");
    }
}

#[tokio::test]
async fn pages_of_listed_origins_may_register_from_a_browser_and_others_may_not() {
    let site = TestSite::new().await;
    settings(&site, json!({"allowed_public_client_origins": "https://listed.example"})).await;
    let uri = format!("{BASE}register_client");
    let options = poem::http::Method::OPTIONS;
    for (origin, allowed) in [("https://listed.example", "https://listed.example"), ("https://other.example", "")] {
        let page = site.guest().with_header("origin", origin);
        let preflight = page.send(options.clone(), &uri, "", "").await.status(204);
        assert_eq!(preflight.header("access-control-allow-origin"), allowed);
        assert!(preflight.header("access-control-allow-methods").contains("POST"));
        let made = register(&page, web()).await.status(201);
        assert_eq!(made.header("access-control-allow-origin"), allowed);
        assert_eq!(made.header("access-control-allow-credentials"), "");
    }
    settings(&site, json!({"allowed_public_client_origins": "*"})).await;
    let page = site.guest().with_header("origin", "https://other.example");
    let preflight = page.send(options, &uri, "", "").await.status(204);
    assert_eq!(preflight.header("access-control-allow-origin"), "*");
}

#[tokio::test]
async fn app_links_without_a_dot_are_for_schemes_that_the_settings_list() {
    let site = TestSite::new().await;
    let app = |scheme: &str| json!({"redirect_uris": [format!("{scheme}://callback")]});
    register(&site.guest(), app("cursor")).await.status(201);
    register(&site.guest(), app("zed")).await.oauth_error(400, "invalid_redirect_uri");
    settings(&site, json!({"private_use_redirect_schemes": "zed"})).await;
    register(&site.guest(), app("zed")).await.status(201);
    register(&site.guest(), app("cursor")).await.oauth_error(400, "invalid_redirect_uri");
}

#[tokio::test]
async fn a_device_registers_without_a_redirect_uri() {
    let site = TestSite::new().await;
    let device = "urn:ietf:params:oauth:grant-type:device_code";
    let asked = json!({"client_name": "Lamp", "grant_types": [device], "token_endpoint_auth_method": "none"});
    let made = register(&site.guest(), asked.clone()).await.status(201).json();
    assert_eq!(made["grant_types"], json!([device]));
    assert_eq!(made["response_types"], json!([]));
    settings(&site, json!({"enable_device_grant": 0})).await;
    register(&site.guest(), asked).await.oauth_error(400, "invalid_client_metadata");
}

#[tokio::test]
async fn every_redirect_uri_that_was_registered_works() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let uris =
        ["https://app.example/callback", "https://app.example/two?x=1", "cursor://app/cb", "com.example.app:/cb"];
    let made = register(&site.guest(), json!({"redirect_uris": uris, "application_type": "native"})).await;
    let program = Program::registered(&site, &made.status(201).json(), "openid");
    for uri in uris {
        let back = program.ask(&alice, &[("redirect_uri", uri)], "allow").await;
        assert!(back.starts_with(uri) && back.contains("code="), "{back}");
    }
}

#[tokio::test]
async fn a_program_on_a_persons_computer_registers_its_address_there() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let uris = ["http://127.0.0.1:33418/callback", "http://localhost:33418/callback", "http://[::1]/callback"];
    for kind in [json!({}), json!({"application_type": "native"})] {
        let mut metadata = json!({"redirect_uris": uris, "token_endpoint_auth_method": "none"});
        metadata.as_object_mut().unwrap().extend(kind.as_object().unwrap().clone());
        let made = register(&site.guest(), metadata).await.status(201).json();
        assert_eq!(made["application_type"], "native");
        let program = Program::registered(&site, &made, "openid");
        for uri in ["http://127.0.0.1:50001/callback", "http://localhost:50002/callback", "http://[::1]:50003/callback"]
        {
            let back = program.ask(&alice, &[("redirect_uri", uri)], "allow").await;
            assert!(back.starts_with(&format!("{uri}?code=")), "{back}");
        }
    }
}

#[tokio::test]
async fn redirect_uris_are_kept_letter_by_letter() {
    let site = TestSite::new().await;
    let uris = json!(["https://app.example", "https://App.example/A%2fb", "cursor://anysphere.cursor-deeplink/mcp"]);
    let made = register(&site.guest(), json!({"redirect_uris": uris})).await.status(201).json();
    assert_eq!(made["redirect_uris"], uris);
    let alice = site.user("alice@example.com", &[]).await;
    let program = Program::registered(&site, &made, "openid");
    for other in ["https://app.example/", "https://app.example/A%2fb", "https://App.example/A%2Fb"] {
        alice.get(&program.authorize_uri(&[("redirect_uri", other)])).await.status(400);
    }
}
