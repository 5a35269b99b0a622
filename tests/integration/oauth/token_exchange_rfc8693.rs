//! Token exchange (RFC 8693): a lesser token for a client's own one, or for one that a server was sent.

use chrono::Duration;
use doctyped::testing::jwt::Unverified;
use doctyped::testing::token_exchange::ACCESS_TOKEN;
use serde_json::{Value as Json, json};

use super::dpop_rfc9449::Holder;
use super::openid_connect::tokens_with;
use super::support::{BASE, Program, bearer};
use crate::support::client::Response;
use crate::support::{Client, TestSite};

const ALICE: &str = "alice@example.com";
const ROBOT: &str = "robot@example.com";
const WHO: &str = "/api/method/frappe.auth.get_logged_user";
const USERS: &str = "/api/resource/User";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// Where the server with the tools answers.
const TOOLS: &str = "https://tools.example/mcp";
/// Where another server answers, which calls the first one.
const GATEWAY: &str = "https://gateway.example/mcp";

/// A site that offers the exchange, and Alice.
async fn site() -> (TestSite, Client) {
    let site = TestSite::new().await;
    let settings = json!({"enable_token_exchange": 1, "additional_resources": format!("{TOOLS}\n{GATEWAY}")});
    site.db_update("OAuth Settings", "OAuth Settings", settings).await;
    site.db_user(ROBOT, json!({})).await;
    let alice = site.user(ALICE, &["System Manager"]).await;
    (site, alice)
}

fn api(site: &TestSite) -> String {
    format!("{}/api", site.documents().site_url())
}

/// The server with the tools: it is called with tokens of this site, and calls its API.
async fn tools(site: &TestSite, changes: Json) -> Program {
    let mut values = json!({
        "app_name": "Tools", "allow_token_exchange": 1, "own_resources": TOOLS, "exchange_targets": api(site),
        "allow_client_credentials": 1, "user": ROBOT,
    });
    values.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    Program::new(site, values).await
}

/// A token of Alice that her assistant may use at one resource.
async fn token_for(site: &TestSite, alice: &Client, resource: &str) -> Json {
    let assistant = Program::public(site).await;
    tokens_with(&assistant, alice, &[("resource", resource)]).await
}

fn text<'j>(tokens: &'j Json, name: &str) -> &'j str {
    tokens[name].as_str().unwrap_or_else(|| panic!("no {name} in {tokens}"))
}

/// A token of the program's own account.
async fn own_token(program: &Program) -> Json {
    program.post("get_token", &[("grant_type", "client_credentials")]).await.status(200).json()
}

/// Exchanges a token, with further parameters.
async fn exchange(program: &Program, token: &str, more: &[(&str, &str)]) -> Response {
    let mut fields = vec![("grant_type", GRANT), ("subject_token", token), ("subject_token_type", ACCESS_TOKEN)];
    fields.extend(more);
    program.post("get_token", &fields).await
}

/// Exchanges a token and says who acts.
async fn delegated(program: &Program, token: &str, more: &[(&str, &str)]) -> Response {
    let actor = own_token(program).await;
    let mut fields = vec![("actor_token", text(&actor, "access_token")), ("actor_token_type", ACCESS_TOKEN)];
    fields.extend(more);
    exchange(program, token, &fields).await
}

/// The document of a token.
async fn stored(site: &TestSite, filters: Json) -> Json {
    let name = site.db_names("OAuth Bearer Token", filters).await.pop().unwrap();
    site.administrator().await.read("OAuth Bearer Token", &name).await.ok()
}

#[tokio::test]
async fn a_server_calls_on_for_the_person_whose_token_it_was_sent() {
    let (site, alice) = site().await;
    let tools = tools(&site, json!({})).await;
    let sent = token_for(&site, &alice, TOOLS).await;
    bearer(&site, &sent).get(WHO).await.status(401);
    let got = delegated(&tools, text(&sent, "access_token"), &[("resource", &api(&site))]).await.status(200).json();
    assert_eq!((&got["issued_token_type"], &got["token_type"]), (&json!(ACCESS_TOKEN), &json!("Bearer")));
    assert_eq!(got["scope"], "openid all");
    assert!(got.get("refresh_token").is_none() && got.get("id_token").is_none(), "{got}");
    assert_eq!(bearer(&site, &got).get(WHO).await.ok(), ALICE);
    let document = stored(&site, json!({"grant_type": "Token Exchange"})).await;
    assert_eq!((&document["user"], &document["client"]), (&json!(ALICE), &json!(tools.id)));
    let about = tools.post("introspect_token", &[("token", text(&got, "access_token"))]).await.status(200).json();
    assert_eq!((&about["act"]["client_id"], &about["client_id"]), (&json!(tools.id), &json!(tools.id)));
    assert_ne!(about["act"]["sub"], about["sub"]);
    assert_eq!(about["aud"], json!([api(&site)]));
    let actor = tools.post("introspect_token", &[("token", text(&own_token(&tools).await, "access_token"))]).await;
    assert_eq!(about["act"]["sub"], actor.json()["sub"]);
    assert!(site.db_names("Security Event", json!({"event": "Person Impersonated"})).await.is_empty());
}

#[tokio::test]
async fn a_client_hands_on_a_part_of_what_it_may_itself() {
    let (site, alice) = site().await;
    let program = Program::new(&site, json!({"allow_token_exchange": 1})).await;
    let tokens = program.tokens(&alice).await;
    let part = [("scope", "doctype:User:read"), ("audience", &*api(&site))];
    let lesser = exchange(&program, text(&tokens, "access_token"), &part).await.status(200).json();
    assert_eq!(lesser["scope"], "doctype:User:read");
    bearer(&site, &lesser).get(USERS).await.ok();
    bearer(&site, &lesser).get("/api/resource/Role").await.status(403);
    let about = program.post("introspect_token", &[("token", text(&lesser, "access_token"))]).await.json();
    assert!(about.get("act").is_none() && about["aud"] == json!([api(&site)]), "{about}");
    // The part is no way back to the whole.
    let back = exchange(&program, text(&lesser, "access_token"), &[("scope", "all")]).await;
    back.oauth_error(400, "invalid_scope");
    let root = site.documents().site_url();
    let wider = exchange(&program, text(&lesser, "access_token"), &[("resource", root)]).await;
    wider.oauth_error(400, "invalid_target");
}

#[tokio::test]
async fn neither_more_scopes_nor_other_places_than_token_and_client_have() {
    let (site, alice) = site().await;
    let tools = tools(&site, json!({"scopes": "doctype:User:read doctype:Role:read"})).await;
    let mut assistant = Program::public(&site).await;
    assistant.scope = "openid doctype:User:write".to_owned();
    let sent = tokens_with(&assistant, &alice, &[("resource", TOOLS)]).await;
    let ask = async |more: &[(&str, &str)]| delegated(&tools, text(&sent, "access_token"), more).await;
    assert_eq!(ask(&[]).await.status(200).json()["scope"], "openid doctype:User:read");
    for beyond in ["all", "doctype:User:write", "doctype:Role:read", "email", "offline_access"] {
        ask(&[("scope", beyond)]).await.oauth_error(400, "invalid_scope");
    }
    let root = site.documents().site_url().to_owned();
    for elsewhere in [&*root, GATEWAY, "https://evil.example", "the api"] {
        ask(&[("resource", elsewhere)]).await.oauth_error(400, "invalid_target");
        ask(&[("audience", elsewhere)]).await.oauth_error(400, "invalid_target");
    }
}

#[tokio::test]
async fn nobody_gets_more_than_their_own_rights_and_only_through_clients_that_admit_them() {
    let (site, _) = site().await;
    let bob = site.user("bob@example.com", &[]).await;
    let open = tools(&site, json!({})).await;
    let sent = token_for(&site, &bob, TOOLS).await;
    let to = api(&site);
    let got = delegated(&open, text(&sent, "access_token"), &[("resource", &to)]).await.status(200).json();
    bearer(&site, &got).get("/api/resource/OAuth%20Client").await.error(403, "PermissionError");
    let closed = tools(&site, json!({"allowed_roles": [{"role": "System Manager"}]})).await;
    delegated(&closed, text(&sent, "access_token"), &[]).await.oauth_error(400, "invalid_request");
}

#[tokio::test]
async fn it_is_off_until_settings_and_client_allow_it_and_never_for_a_public_client() {
    let (site, alice) = site().await;
    let program = Program::new(&site, json!({})).await;
    let tokens = program.tokens(&alice).await;
    exchange(&program, text(&tokens, "access_token"), &[]).await.oauth_error(400, "unauthorized_client");
    let public = Program::public(&site).await;
    exchange(&public, text(&tokens, "access_token"), &[]).await.oauth_error(400, "unauthorized_client");
    let manager = site.administrator().await;
    let refused = manager.update("OAuth Client", &public.id, json!({"allow_token_exchange": 1})).await.status(417);
    assert!(refused.body.contains("must prove who it is"), "{}", refused.body);
    let allowed = tools(&site, json!({})).await;
    exchange(&allowed, "x", &[]).await.oauth_error(400, "invalid_request");
    site.db_update("OAuth Settings", "OAuth Settings", json!({"enable_token_exchange": 0})).await;
    exchange(&allowed, "x", &[]).await.oauth_error(400, "unsupported_grant_type");
    let metadata = site.guest().get("/.well-known/openid-configuration").await.json();
    assert!(!metadata["grant_types_supported"].to_string().contains(GRANT));
    let fresh = TestSite::new().await;
    let metadata = fresh.guest().get("/.well-known/openid-configuration").await.json();
    assert!(!metadata["grant_types_supported"].to_string().contains(GRANT));
    fresh.db_update("OAuth Settings", "OAuth Settings", json!({"enable_token_exchange": 1})).await;
    let metadata = fresh.guest().get("/.well-known/openid-configuration").await.json();
    assert!(metadata["grant_types_supported"].as_array().unwrap().contains(&json!(GRANT)));
}

#[tokio::test]
async fn a_program_that_registers_itself_does_not_get_the_grant() {
    let (site, _) = site().await;
    let asked = json!({
        "client_name": "Helper", "redirect_uris": ["https://app.example/callback"], "scope": "openid",
        "grant_types": ["authorization_code", GRANT],
    });
    let made = site.guest().post(&format!("{BASE}register_client"), asked).await.status(201).json();
    assert_eq!(made["grant_types"], json!(["authorization_code"]));
    let program = Program::registered(&site, &made, "openid");
    exchange(&program, "x", &[]).await.oauth_error(400, "unauthorized_client");
    site.db_update("OAuth Client", &program.id, json!({"allow_token_exchange": 1})).await;
    exchange(&program, "x", &[]).await.oauth_error(400, "invalid_request");
}

#[tokio::test]
async fn what_is_no_live_access_token_for_this_client_is_refused() {
    let (site, alice) = site().await;
    let tools = tools(&site, json!({})).await;
    let own = tools.tokens(&alice).await;
    let at_the_api = token_for(&site, &alice, &api(&site)).await;
    let anywhere = Program::public(&site).await.tokens(&alice).await;
    let revoked = tools.tokens(&alice).await;
    tools.post("revoke_token", &[("token", text(&revoked, "access_token"))]).await.status(200);
    let wrong = [
        text(&at_the_api, "access_token"),
        text(&anywhere, "access_token"),
        text(&revoked, "access_token"),
        text(&own, "refresh_token"),
        text(&own, "id_token"),
        "dt_at_garbage",
        "garbage",
    ];
    for token in wrong {
        let refused = delegated(&tools, token, &[]).await.oauth_error(400, "invalid_request");
        assert!(!refused.body.contains(token), "{}", refused.body);
    }
    for token in wrong {
        let fields = [("actor_token", token), ("actor_token_type", ACCESS_TOKEN)];
        exchange(&tools, text(&own, "access_token"), &fields).await.oauth_error(400, "invalid_request");
    }
    site.clock.advance(Duration::minutes(61));
    exchange(&tools, text(&own, "access_token"), &[]).await.oauth_error(400, "invalid_request");
}

#[tokio::test]
async fn other_types_of_tokens_are_named_and_refused() {
    let (site, alice) = site().await;
    let program = Program::new(&site, json!({"allow_token_exchange": 1})).await;
    let tokens = program.tokens(&alice).await;
    let of = |kind: &str| format!("urn:ietf:params:oauth:token-type:{kind}");
    for kind in ["id_token", "refresh_token", "jwt", "saml2"] {
        let fields =
            [("grant_type", GRANT), ("subject_token", text(&tokens, "id_token")), ("subject_token_type", &of(kind))];
        let refused = program.post("get_token", &fields).await.oauth_error(400, "invalid_request");
        assert!(refused.body.contains(&of(kind)), "{}", refused.body);
        let wanted = exchange(&program, text(&tokens, "access_token"), &[("requested_token_type", &of(kind))]).await;
        assert!(wanted.oauth_error(400, "invalid_request").body.contains(&of(kind)));
    }
    let asked = [("requested_token_type", ACCESS_TOKEN)];
    exchange(&program, text(&tokens, "access_token"), &asked).await.status(200);
    let actor_type = [("actor_token_type", ACCESS_TOKEN)];
    exchange(&program, text(&tokens, "access_token"), &actor_type).await.oauth_error(400, "invalid_request");
}

#[tokio::test]
async fn a_new_token_never_lives_longer_than_the_old_one() {
    let (site, alice) = site().await;
    let tools = tools(&site, json!({"access_token_lifetime": 86400})).await;
    let sent = token_for(&site, &alice, TOOLS).await;
    site.clock.advance(Duration::minutes(50));
    let to = api(&site);
    let got = delegated(&tools, text(&sent, "access_token"), &[("resource", &to)]).await.status(200).json();
    assert!((1..=600).contains(&got["expires_in"].as_i64().unwrap()), "{got}");
    bearer(&site, &got).get(WHO).await.ok();
    site.clock.advance(Duration::minutes(10) + Duration::seconds(1));
    bearer(&site, &got).get(WHO).await.status(401);
    let short = Program::new(&site, json!({"allow_token_exchange": 1, "access_token_lifetime": 60})).await;
    let own = short.tokens(&alice).await;
    let got = exchange(&short, text(&own, "access_token"), &[]).await.status(200).json();
    assert!(got["expires_in"].as_i64().unwrap() <= 60, "{got}");
}

#[tokio::test]
async fn it_ends_with_the_token_that_it_was_exchanged_for_however_that_ends() {
    let (site, alice) = site().await;
    let tools = tools(&site, json!({})).await;
    let to = api(&site);
    for how in ["revoked", "family", "renewed twice", "deleted", "grant", "client", "password"] {
        let assistant = Program::public(&site).await;
        let sent = tokens_with(&assistant, &alice, &[("resource", TOOLS)]).await;
        let got = delegated(&tools, text(&sent, "access_token"), &[("resource", &to)]).await.status(200).json();
        // From that one another, which hangs on the same thread.
        let further = exchange(&tools, text(&got, "access_token"), &[("scope", "all")]).await.status(200).json();
        for tokens in [&got, &further] {
            assert_eq!(bearer(&site, tokens).get(WHO).await.ok(), ALICE, "{how}");
        }
        let of_assistant = json!({"client": assistant.id});
        match how {
            "revoked" => {
                assistant.post("revoke_token", &[("token", text(&sent, "access_token"))]).await.status(200);
            }
            "family" => {
                assistant.post("revoke_token", &[("token", text(&sent, "refresh_token"))]).await.status(200);
            }
            "renewed twice" => {
                let renewed = assistant.refresh(text(&sent, "refresh_token")).await.status(200).json();
                bearer(&site, &further).get(WHO).await.ok();
                assistant.refresh(text(&renewed, "refresh_token")).await.status(200);
                assistant.refresh(text(&sent, "refresh_token")).await.oauth_error(400, "invalid_grant");
            }
            "deleted" => {
                let name = site.db_names("OAuth Bearer Token", of_assistant).await.remove(0);
                site.administrator().await.remove("OAuth Bearer Token", &name).await.ok();
            }
            "grant" => {
                let name = site.db_names("OAuth Grant", of_assistant).await.remove(0);
                alice.remove("OAuth Grant", &name).await.ok();
            }
            "client" => site.db_update("OAuth Client", &assistant.id, json!({"enabled": 0})).await,
            _ => site.db_update("User", ALICE, json!({"new_password": "another correct horse"})).await,
        }
        for tokens in [&got, &further] {
            bearer(&site, tokens).get(WHO).await.error(401, "AuthenticationError");
            let about = tools.post("introspect_token", &[("token", text(tokens, "access_token"))]).await.json();
            assert_eq!(about, json!({"active": false}), "{how}");
        }
        exchange(&tools, text(&got, "access_token"), &[]).await.oauth_error(400, "invalid_request");
    }
}

#[tokio::test]
async fn a_chain_of_servers_is_told_from_the_last_to_the_first() {
    let (site, alice) = site().await;
    let gateway = json!({"app_name": "Gateway", "own_resources": GATEWAY, "exchange_targets": TOOLS});
    let gateway = self::tools(&site, gateway).await;
    let tools = tools(&site, json!({"access_token_format": "JWT"})).await;
    let sent = token_for(&site, &alice, GATEWAY).await;
    let first = delegated(&gateway, text(&sent, "access_token"), &[("resource", TOOLS)]).await.status(200).json();
    let to = api(&site);
    let second = delegated(&tools, text(&first, "access_token"), &[("resource", &to)]).await.status(200).json();
    assert_eq!(bearer(&site, &second).get(WHO).await.ok(), ALICE);
    let jwt = Unverified::parse(text(&second, "access_token")).unwrap();
    let act = jwt.unverified_claims().0["act"].clone();
    assert_eq!((&act["client_id"], &act["act"]["client_id"]), (&json!(tools.id), &json!(gateway.id)));
    assert!(act["act"].get("act").is_none(), "{act}");
    let about = tools.post("introspect_token", &[("token", text(&second, "access_token"))]).await.json();
    assert_eq!(about["act"], act);
    // A JWT is exchanged as well, and whoever narrows it keeps the chain.
    let third = exchange(&tools, text(&second, "access_token"), &[("scope", "read")]).await.status(200).json();
    let about = tools.post("introspect_token", &[("token", text(&third, "access_token"))]).await.json();
    assert_eq!((&about["act"], &about["scope"]), (&act, &json!("read")));
    // Nobody acts with a token that was itself exchanged.
    let fields = [("actor_token", text(&third, "access_token")), ("actor_token_type", ACCESS_TOKEN)];
    exchange(&tools, text(&first, "access_token"), &fields).await.oauth_error(400, "invalid_request");
    // The end of the first one is the end of all.
    alice.remove("OAuth Grant", &site.db_names("OAuth Grant", json!({})).await[0]).await.ok();
    for tokens in [&first, &second, &third] {
        bearer(&site, tokens).get(WHO).await.error(401, "AuthenticationError");
    }
}

#[tokio::test]
async fn nobody_is_impersonated_unless_an_administrator_allowed_it_and_it_is_noted() {
    let (site, alice) = site().await;
    let tools = tools(&site, json!({})).await;
    let sent = token_for(&site, &alice, TOOLS).await;
    let to = api(&site);
    let ask = async || exchange(&tools, text(&sent, "access_token"), &[("resource", &to)]).await;
    let refused = ask().await.oauth_error(400, "invalid_request");
    assert!(refused.body.contains("actor_token is missing"), "{}", refused.body);
    site.db_update("OAuth Client", &tools.id, json!({"may_impersonate": 1})).await;
    let got = ask().await.status(200).json();
    assert_eq!(bearer(&site, &got).get(WHO).await.ok(), ALICE);
    let about = tools.post("introspect_token", &[("token", text(&got, "access_token"))]).await.json();
    assert!(about.get("act").is_none(), "{about}");
    let events = site.db_names("Security Event", json!({"event": "Person Impersonated", "user": ALICE})).await;
    assert_eq!(events.len(), 1);
    let event = site.administrator().await.read("Security Event", &events[0]).await.ok();
    assert_eq!(event["client"], json!(tools.id));
    assert!(!event["details"].to_string().contains("dt_at_"), "{event}");
}

#[tokio::test]
async fn a_bound_token_needs_its_key_and_the_new_one_is_bound_to_it_as_well() {
    let (site, alice) = site().await;
    let program = Program::new(&site, json!({"allow_token_exchange": 1})).await;
    let (holder, thief) = (Holder::new(&site), Holder::new(&site));
    let tokens = holder.tokens(&program, &alice).await;
    let token = text(&tokens, "access_token");
    exchange(&program, token, &[]).await.oauth_error(400, "invalid_dpop_proof");
    exchange(&thief.proving(&program), token, &[]).await.oauth_error(400, "invalid_dpop_proof");
    let got = exchange(&holder.proving(&program), token, &[]).await.status(200).json();
    assert_eq!(got["token_type"], "DPoP");
    assert_eq!(holder.read(&got, WHO).await.ok(), ALICE);
    bearer(&site, &got).get(WHO).await.status(401);
    thief.read(&got, WHO).await.status(401);
    // A bearer token may become a bound one, never the other way.
    let unbound = program.tokens(&alice).await;
    let got = exchange(&holder.proving(&program), text(&unbound, "access_token"), &[]).await.status(200).json();
    assert_eq!(holder.read(&got, WHO).await.ok(), ALICE);
}

#[tokio::test]
async fn a_server_may_ask_about_tokens_for_its_own_resources_and_no_others() {
    let (site, alice) = site().await;
    let tools = tools(&site, json!({})).await;
    let ask = async |tokens: &Json| {
        let answer = tools.post("introspect_token", &[("token", text(tokens, "access_token"))]).await;
        answer.status(200).json()
    };
    let sent = token_for(&site, &alice, TOOLS).await;
    let about = ask(&sent).await;
    assert_eq!((&about["active"], &about["aud"]), (&json!(true), &json!([TOOLS])));
    for elsewhere in [GATEWAY, &*api(&site)] {
        assert_eq!(ask(&token_for(&site, &alice, elsewhere).await).await, json!({"active": false}), "{elsewhere}");
    }
}

#[tokio::test]
async fn resources_of_a_client_are_addresses() {
    let (site, _) = site().await;
    let tools = tools(&site, json!({"own_resources": "HTTPS://Tools.Example/mcp/"})).await;
    let manager = site.administrator().await;
    assert_eq!(manager.read("OAuth Client", &tools.id).await.ok()["own_resources"], TOOLS);
    for field in ["own_resources", "exchange_targets"] {
        let refused = manager.update("OAuth Client", &tools.id, json!({field: "/mcp"})).await.status(417);
        assert!(refused.body.contains("write it whole"), "{}", refused.body);
    }
}
