//! The crate `openidconnect` as the program: it finds everything by discovery, registers itself, and checks what it gets.

use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientRegistrationRequest, CoreJwsSigningAlgorithm, CoreUserInfoClaims,
};
use openidconnect::registration::EmptyAdditionalClientMetadata;
use openidconnect::{
    AccessTokenHash, AuthorizationCode, CsrfToken, IssuerUrl, LogoutRequest, Nonce, OAuth2TokenResponse as _,
    PkceCodeChallenge, PostLogoutRedirectUrl, ProviderMetadataWithLogout, RedirectUrl, Scope, TokenResponse as _,
};
use serde_json::json;

use super::oauth2_crate::{SITE, allow, server_with_alice};
use super::support::{REDIRECT_URI, parameter};

const ALICE: &str = "alice@example.com";

#[tokio::test]
async fn the_crate_discovers_registers_signs_somebody_in_and_out() {
    let (server, administrator, alice) = server_with_alice().await;
    let http = |request| server.forward(SITE, request);
    let issuer = IssuerUrl::new(SITE.to_owned()).unwrap();
    let metadata = ProviderMetadataWithLogout::discover_async(issuer, &http).await.unwrap();

    for algorithm in [CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256, CoreJwsSigningAlgorithm::EcdsaP256Sha256] {
        let redirect_uri = RedirectUrl::new(REDIRECT_URI.to_owned()).unwrap();
        let registering =
            CoreClientRegistrationRequest::new(vec![redirect_uri.clone()], EmptyAdditionalClientMetadata {})
                .set_id_token_signed_response_alg(Some(algorithm.clone()));
        let endpoint = metadata.registration_endpoint().expect("registration is announced");
        let made = registering.register_async(endpoint, &http).await.unwrap();
        assert!(made.client_secret().is_some());
        let (id, secret) = (made.client_id().clone(), made.client_secret().cloned());
        let client =
            CoreClient::from_provider_metadata(metadata.clone(), id.clone(), secret).set_redirect_uri(redirect_uri);

        let (challenge, pkce_verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let (address, state, nonce) = client
            .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
            .add_scope(Scope::new("profile".to_owned()))
            .add_scope(Scope::new("email".to_owned()))
            .set_pkce_challenge(challenge)
            .url();
        let to = allow(&alice, address.as_str()).await;
        assert_eq!(parameter(&to, "state").as_ref(), Some(state.secret()));
        assert_eq!(parameter(&to, "iss").as_deref(), Some(SITE));
        let code = AuthorizationCode::new(parameter(&to, "code").unwrap());
        let exchange = client.exchange_code(code).unwrap().set_pkce_verifier(pkce_verifier);
        let tokens = exchange.request_async(&http).await.unwrap();

        // Signature by the published keys, issuer, audience, times and nonce.
        let id_token = tokens.id_token().expect("the scope openid was granted");
        let verifier = client.id_token_verifier().set_allowed_algs([algorithm]);
        let claims = id_token.claims(&verifier, &nonce).unwrap();
        assert!(id_token.claims(&verifier, &Nonce::new_random()).is_err());
        assert!(!claims.subject().is_empty() && claims.subject().as_str() != ALICE);
        assert!(claims.auth_time().is_some());
        let algorithm = id_token.signing_alg().unwrap();
        let key = id_token.signing_key(&verifier).unwrap();
        let hash = AccessTokenHash::from_token(tokens.access_token(), algorithm, key).unwrap();
        assert_eq!(claims.access_token_hash(), Some(&hash));

        let asking = client.user_info(tokens.access_token().clone(), Some(claims.subject().clone())).unwrap();
        let person: CoreUserInfoClaims = asking.request_async(&http).await.unwrap();
        assert_eq!(person.email().map(|email| email.as_str()), Some(ALICE));
        assert_eq!(person.name().and_then(|name| name.get(None)).map(|name| name.as_str()), Some("Alice"));

        let goodbye = json!({"post_logout_redirect_uris": "https://app.example/bye"});
        administrator.update("OAuth Client", id.as_str(), goodbye).await.ok();
        let end = metadata.additional_metadata().end_session_endpoint.clone().expect("logout is announced");
        let leave = LogoutRequest::from(end)
            .set_id_token_hint(id_token)
            .set_post_logout_redirect_uri(PostLogoutRedirectUrl::new("https://app.example/bye".to_owned()).unwrap())
            .set_state(CsrfToken::new("the end".to_owned()))
            .http_get_url();
        let left = alice.get(leave.as_str().strip_prefix(SITE).unwrap()).await.redirect();
        assert_eq!(left, "https://app.example/bye?state=the+end");
        assert_eq!(alice.logged_user().await, "Guest");
        alice.log_in(ALICE, crate::support::PASSWORD).await.ok();
    }
}
