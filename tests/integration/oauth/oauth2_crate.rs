//! The crate `oauth2` as the program: what it does by its own rules works here.

use oauth2::basic::BasicClient;
use oauth2::{
    AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, DeviceAuthorizationUrl, EndpointNotSet, EndpointSet,
    IntrospectionUrl, PkceCodeChallenge, RedirectUrl, RefreshToken, RevocationUrl, Scope,
    StandardDeviceAuthorizationResponse, StandardRevocableToken, TokenIntrospectionResponse as _, TokenResponse as _,
    TokenUrl,
};
use serde_json::{Value as Json, json};

use super::support::{REDIRECT_URI, answer, hidden, parameter};
use crate::support::{Client, PASSWORD, ServerProcess};

const ALICE: &str = "alice@example.com";
/// What the site is called outside; TLS ends before it.
pub const SITE: &str = "https://site.example";

type Oauth2 = BasicClient<EndpointSet, EndpointNotSet, EndpointSet, EndpointSet, EndpointSet>;

/// A server behind a proxy, with alice.
pub async fn server_with_alice() -> (ServerProcess, Client, Client) {
    let server = ServerProcess::start(&[("DOCTYPED_SITE_URL", SITE)]).await;
    let administrator = server.administrator().await;
    let alice = json!({"email": ALICE, "first_name": "Alice", "new_password": PASSWORD});
    administrator.create("User", alice).await.ok();
    let alice = server.guest();
    alice.log_in(ALICE, PASSWORD).await.ok();
    (server, administrator, alice)
}

/// The person opens the address, reads the page and allows; returns where the browser is sent.
pub async fn allow(person: &Client, address: &str) -> String {
    let page = person.get(address.strip_prefix(SITE).unwrap()).await.redirect();
    let page = person.get(&page).await.status(200);
    answer(person, &page, "allow").await.redirect()
}

/// The crate, set up from the metadata of the server.
async fn client(server: &ServerProcess, made: &Json) -> Oauth2 {
    let metadata = server.guest().get("/.well-known/oauth-authorization-server").await.status(200).json();
    let endpoint = |name: &str| metadata[name].as_str().unwrap().to_owned();
    BasicClient::new(ClientId::new(made["client_id"].as_str().unwrap().to_owned()))
        .set_client_secret(ClientSecret::new(made["client_secret"].as_str().unwrap().to_owned()))
        .set_redirect_uri(RedirectUrl::new(REDIRECT_URI.to_owned()).unwrap())
        .set_auth_uri(AuthUrl::new(endpoint("authorization_endpoint")).unwrap())
        .set_token_uri(TokenUrl::new(endpoint("token_endpoint")).unwrap())
        .set_introspection_url(IntrospectionUrl::new(endpoint("introspection_endpoint")).unwrap())
        .set_revocation_url(RevocationUrl::new(endpoint("revocation_endpoint")).unwrap())
}

#[tokio::test]
async fn the_crate_signs_somebody_in_renews_introspects_and_revokes() {
    let (server, administrator, alice) = server_with_alice().await;
    let values = json!({"app_name": "Planner", "default_redirect_uri": REDIRECT_URI, "scopes": "openid all"});
    let made = administrator.create("OAuth Client", values).await.ok();
    let client = client(&server, &made).await;
    let http = |request| server.forward(SITE, request);

    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (address, state) = client
        .authorize_url(CsrfToken::new_random)
        .add_scope(Scope::new("openid".to_owned()))
        .add_scope(Scope::new("all".to_owned()))
        .set_pkce_challenge(challenge)
        .url();
    let to = allow(&alice, address.as_str()).await;
    assert_eq!(parameter(&to, "state").as_deref(), Some(state.secret().as_str()));
    let code = AuthorizationCode::new(parameter(&to, "code").unwrap());
    let tokens = client.exchange_code(code).set_pkce_verifier(verifier).request_async(&http).await.unwrap();
    assert_eq!(tokens.expires_in().unwrap().as_secs(), 3600);
    let with = |token: &oauth2::AccessToken| {
        server.guest().with_header("authorization", &format!("Bearer {}", token.secret()))
    };
    assert_eq!(with(tokens.access_token()).logged_user().await, ALICE);

    let seen = client.introspect(tokens.access_token()).request_async(&http).await.unwrap();
    assert!(seen.active());
    assert_eq!(seen.username(), Some(ALICE));
    assert_eq!(seen.client_id().map(|id| id.as_str()), made["client_id"].as_str());
    assert_eq!(seen.iss(), Some(SITE));
    assert_eq!(seen.scopes().unwrap().len(), 2);

    let old: RefreshToken = tokens.refresh_token().unwrap().clone();
    let renewed = client.exchange_refresh_token(&old).request_async(&http).await.unwrap();
    assert_eq!(with(renewed.access_token()).logged_user().await, ALICE);
    assert_eq!(with(tokens.access_token()).logged_user().await, ALICE);

    let token = StandardRevocableToken::RefreshToken(renewed.refresh_token().unwrap().clone());
    client.revoke_token(token).unwrap().request_async(&http).await.unwrap();
    assert_eq!(with(renewed.access_token()).logged_user().await, "Guest");
    assert!(!client.introspect(renewed.access_token()).request_async(&http).await.unwrap().active());
    let refused = client.exchange_refresh_token(renewed.refresh_token().unwrap()).request_async(&http).await;
    let Err(oauth2::RequestTokenError::ServerResponse(refused)) = refused else { panic!("{refused:?}") };
    assert_eq!(*refused.error(), oauth2::basic::BasicErrorResponseType::InvalidGrant);
    assert!(refused.error_description().is_some());
}

#[tokio::test]
async fn the_crate_acts_for_itself_with_its_secret_in_either_place() {
    let (server, administrator, _) = server_with_alice().await;
    let http = |request| server.forward(SITE, request);
    for (method, auth_type) in
        [("Client Secret Basic", oauth2::AuthType::BasicAuth), ("Client Secret Post", oauth2::AuthType::RequestBody)]
    {
        let values = json!({
            "app_name": "Robot", "default_redirect_uri": REDIRECT_URI, "scopes": "read",
            "allow_client_credentials": 1, "user": ALICE, "token_endpoint_auth_method": method,
        });
        let made = administrator.create("OAuth Client", values).await.ok();
        let client = client(&server, &made).await.set_auth_type(auth_type);
        let asking = client.exchange_client_credentials().add_scope(Scope::new("read".to_owned()));
        let tokens = asking.request_async(&http).await.unwrap();
        assert!(tokens.refresh_token().is_none());
        let bearer = format!("Bearer {}", tokens.access_token().secret());
        let robot = server.guest().with_header("authorization", &bearer);
        robot.list("Role", "limit_page_length=1").await.status(403);
        let more = client.exchange_client_credentials().add_scope(Scope::new("all".to_owned()));
        let Err(oauth2::RequestTokenError::ServerResponse(refused)) = more.request_async(&http).await else {
            panic!("more than was registered")
        };
        assert_eq!(*refused.error(), oauth2::basic::BasicErrorResponseType::InvalidScope);
    }
}

#[tokio::test]
async fn the_crate_gets_tokens_for_a_device_without_a_browser() {
    let (server, administrator, alice) = server_with_alice().await;
    let values = json!({
        "app_name": "Television", "default_redirect_uri": REDIRECT_URI, "scopes": "openid all", "allow_device_code": 1,
    });
    let made = administrator.create("OAuth Client", values).await.ok();
    let metadata = server.guest().get("/.well-known/oauth-authorization-server").await.status(200).json();
    let endpoint = metadata["device_authorization_endpoint"].as_str().unwrap().to_owned();
    let client =
        client(&server, &made).await.set_device_authorization_url(DeviceAuthorizationUrl::new(endpoint).unwrap());
    let http = |request| server.forward(SITE, request);
    let asking = client.exchange_device_code().add_scope(Scope::new("all".to_owned()));
    let codes: StandardDeviceAuthorizationResponse = asking.request_async(&http).await.unwrap();
    assert_eq!(codes.verification_uri().as_str(), format!("{SITE}/device"));

    let page = alice.get("/device").await.status(200);
    let fields = [("csrf_token", &*hidden(&page.body, "csrf_token")), ("user_code", codes.user_code().secret())];
    let to = alice.form("/device", &fields).await.redirect();
    let page = alice.get(&to).await.status(200);
    let (token, id) = (hidden(&page.body, "csrf_token"), hidden(&page.body, "request_id"));
    let fields = [("csrf_token", token.as_str()), ("request_id", id.as_str()), ("decision", "allow")];
    alice.form("/device", &fields).await.status(200);

    let polling = client.exchange_device_access_token(&codes);
    let tokens = polling.request_async(&http, tokio::time::sleep, None).await.unwrap();
    let bearer = format!("Bearer {}", tokens.access_token().secret());
    assert_eq!(server.guest().with_header("authorization", &bearer).logged_user().await, ALICE);
}
