//! The client side: Connected Apps and logins with accounts elsewhere, against a provider that can be made to fail.

mod connected_app;
mod social_login;

use serde_json::{Value as Json, json};
use wiremock::matchers::{body_string_contains, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::TestSite;

/// A site that may call providers on this computer.
async fn site() -> TestSite {
    TestSite::new().with_config(|config| config.development = true).await
}

/// The value of a query parameter of an address.
fn parameter(address: &str, name: &str) -> String {
    let url = url::Url::parse(address).unwrap();
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// The provider answers requests for tokens of that grant like this, and is asked `times` times.
async fn answer_grant(provider: &MockServer, grant: &str, answer: ResponseTemplate, times: u64) {
    Mock::given(method("POST"))
        .and(path("/token"))
        .and(body_string_contains(format!("grant_type={grant}")))
        .respond_with(answer)
        .expect(times)
        .mount(provider)
        .await;
}

/// An answer with tokens.
fn tokens(access_token: &str, refresh_token: Option<&str>) -> ResponseTemplate {
    let mut body: Json = json!({"access_token": access_token, "token_type": "Bearer", "expires_in": 300});
    if let Some(token) = refresh_token {
        body["refresh_token"] = json!(token);
    }
    ResponseTemplate::new(200).set_body_json(body)
}
