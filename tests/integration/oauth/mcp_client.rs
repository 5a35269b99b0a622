//! The way of an AI assistant, as the authorization chapter of MCP tells it: from a refusal to its first call, knowing
//! nothing but one address.

use doctyped::testing::pkce::challenge_of;
use serde_json::{Value as Json, json};

use super::described_program::{Answer, Page};
use super::registration_rfc7591::{register, settings};
use super::support::{Program, VERIFIER, answer, bearer, parameter};
use crate::support::{Client, TestSite};

const ALICE: &str = "alice@example.com";
const DATA: &str = "/api/resource/User";
/// Where the assistant listens this time; it registered other ports or none.
const LISTENS_AT: &str = "http://127.0.0.1:49731/callback";

/// What the assistant has found out about the site.
struct Discovered {
    resource: String,
    scope: String,
    server: Json,
}

/// A site with a person who lets assistants read users.
async fn prepare(site: &TestSite) -> Client {
    let scopes = "openid profile offline_access doctype:User:read";
    settings(site, json!({"scopes_supported": scopes, "default_scopes": scopes})).await;
    site.user(ALICE, &["System Manager"]).await
}

/// Calls without a token, and follows where the refusal leads.
async fn discover(site: &TestSite) -> Discovered {
    let stranger = site.guest();
    let refused = stranger.get(DATA).await.status(401);
    let challenge = refused.header("www-authenticate").to_owned();
    let inside = |name: &str| {
        let (_, rest) = challenge.split_once(&format!("{name}=\"")).unwrap_or_else(|| panic!("{name}: {challenge}"));
        rest.split('"').next().unwrap().to_owned()
    };
    let resource = stranger.get(local(site, &inside("resource_metadata"))).await.status(200).json();
    let issuer = resource["authorization_servers"][0].as_str().unwrap();
    assert!(!issuer.ends_with('/'));
    let server = stranger.get(local(site, &format!("{issuer}/.well-known/oauth-authorization-server"))).await;
    let server = server.status(200).json();
    assert_eq!(server["issuer"], issuer);
    assert_eq!(server["code_challenge_methods_supported"], json!(["S256"]));
    let scopes = resource["scopes_supported"].as_array().unwrap();
    let scopes: Vec<&str> = scopes.iter().map(|scope| scope.as_str().unwrap()).collect();
    Discovered {
        resource: resource["resource"].as_str().unwrap().to_owned(),
        scope: format!("{} offline_access", scopes.join(" ")),
        server,
    }
}

/// An absolute address of the site as a test client asks for it.
fn local<'u>(site: &TestSite, uri: &'u str) -> &'u str {
    uri.strip_prefix(site.documents().site_url()).unwrap_or_else(|| panic!("{uri} is not of this site"))
}

/// Sends the person through the browser, and exchanges the code, at the endpoints that the metadata names.
async fn connect(site: &TestSite, person: &Client, found: &Discovered, client_id: &str) -> Json {
    let challenge = challenge_of(VERIFIER);
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("response_type", "code"),
            ("client_id", client_id),
            ("redirect_uri", LISTENS_AT),
            ("scope", &found.scope),
            ("state", "of this attempt"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("resource", &found.resource),
        ])
        .finish();
    let authorize = local(site, found.server["authorization_endpoint"].as_str().unwrap());
    let consent = person.get(&format!("{authorize}?{query}")).await.redirect();
    let consent = person.get(&consent).await.status(200);
    let back = answer(person, &consent, "allow").await.redirect();
    assert!(back.starts_with(&format!("{LISTENS_AT}?")), "{back}");
    assert_eq!(parameter(&back, "state").as_deref(), Some("of this attempt"));
    assert_eq!(parameter(&back, "iss").as_deref(), found.server["issuer"].as_str());
    let code = parameter(&back, "code").unwrap();
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", LISTENS_AT),
        ("client_id", client_id),
        ("code_verifier", VERIFIER),
        ("resource", &found.resource),
    ];
    site.guest().form(local(site, found.server["token_endpoint"].as_str().unwrap()), &fields).await.status(200).json()
}

/// Renews, as a public client.
async fn renew(site: &TestSite, found: &Discovered, client_id: &str, tokens: &Json) -> Json {
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
        ("client_id", client_id),
        ("resource", &found.resource),
    ];
    site.guest().form(local(site, found.server["token_endpoint"].as_str().unwrap()), &fields).await.status(200).json()
}

/// The token opens what was allowed. For the rest, nobody is led to ask for what the site does not offer.
async fn use_it(site: &TestSite, tokens: &Json) {
    let assistant = bearer(site, tokens);
    assistant.get(DATA).await.status(200);
    let refused = assistant.get("/api/resource/Role").await.status(403);
    let challenge = refused.header("www-authenticate");
    assert!(
        challenge.contains("error=\"insufficient_scope\"") && !challenge.contains("doctype:Role:read"),
        "{challenge}"
    );
}

#[tokio::test]
async fn an_assistant_that_registers_reads_what_it_was_allowed_and_renews_its_access() {
    let site = TestSite::new().await;
    let alice = prepare(&site).await;
    let found = discover(&site).await;
    let registration = local(&site, found.server["registration_endpoint"].as_str().unwrap());
    let metadata = json!({
        "client_name": "Assistant",
        "redirect_uris": ["http://localhost:33418/callback", "http://127.0.0.1:33418/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
    });
    let made = site.guest().post(registration, metadata).await.status(201).json();
    assert!(made.get("client_secret").is_none());
    let client_id = made["client_id"].as_str().unwrap();
    let tokens = connect(&site, &alice, &found, client_id).await;
    use_it(&site, &tokens).await;
    let renewed = renew(&site, &found, client_id, &tokens).await;
    assert_ne!(renewed["refresh_token"], tokens["refresh_token"]);
    use_it(&site, &renewed).await;
}

#[tokio::test]
async fn an_assistant_that_a_page_describes_needs_no_registration() {
    let page = Page::start().await;
    let site = page.site().await;
    let alice = prepare(&site).await;
    let found = discover(&site).await;
    assert_eq!(found.server["client_id_metadata_document_supported"], true);
    // As an assistant for the terminal is described: local addresses without a port.
    let (path, local_only) = ("/oauth/assistant", json!(["http://localhost/callback", "http://127.0.0.1/callback"]));
    page.serve(path, Answer::ok(&page.document(path, &json!({"redirect_uris": local_only}))));
    let client_id = page.uri(path);
    let tokens = connect(&site, &alice, &found, &client_id).await;
    use_it(&site, &tokens).await;
    use_it(&site, &renew(&site, &found, &client_id, &tokens).await).await;
    assert_eq!(page.requests(path), 1);
}

#[tokio::test]
async fn an_assistant_whose_registration_is_gone_registers_again_and_goes_on() {
    let site = TestSite::new().await;
    let alice = prepare(&site).await;
    let found = discover(&site).await;
    let metadata = json!({
        "redirect_uris": ["http://127.0.0.1/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
    });
    let first = register(&site.guest(), metadata.clone()).await.status(201).json();
    let tokens = connect(&site, &alice, &found, first["client_id"].as_str().unwrap()).await;
    let administrator = site.administrator().await;
    administrator.remove("OAuth Client", first["client_id"].as_str().unwrap()).await.ok();
    bearer(&site, &tokens).get(DATA).await.status(401);
    let program = Program::registered(&site, &first, "openid");
    program.refresh(tokens["refresh_token"].as_str().unwrap()).await.oauth_error(401, "invalid_client");
    let second = register(&site.guest(), metadata).await.status(201).json();
    use_it(&site, &connect(&site, &alice, &found, second["client_id"].as_str().unwrap()).await).await;
}
