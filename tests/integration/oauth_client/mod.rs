//! The client side: Connected Apps and logins with accounts elsewhere, against a real provider and one that can be made
//! to fail.

mod browser;
mod connected_app;
mod doctyped;
mod doctyped_login;
mod faults;
mod foreign_token;
mod lenient;
mod linked_accounts;
mod look_alike;
mod moved;
mod passed_on;
mod provider;
mod social_back_channel_logout;
mod social_github;
pub mod social_login;
mod social_roles;
mod strangers;

use serde_json::{Value as Json, json};
use wiremock::matchers::{body_string_contains, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::client::Response;
use crate::support::{Client, TestSite};

/// A site that may call providers on this computer.
pub async fn site() -> TestSite {
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

/// Where a page goes on to by itself.
#[track_caller]
fn leads_to(page: &Response) -> String {
    let (_, rest) = page.body.split_once("http-equiv=\"refresh\" content=\"0;url=").expect("the page leads on");
    rest.split('"').next().unwrap().replace("&#x3D;", "=").replace("&amp;", "&")
}

/// The value that the forms of a logged-in person's pages carry.
async fn form_token(client: &Client) -> String {
    let page = client.get("/linked-accounts").await.status(200).body;
    let (_, rest) = page.split_once("name=\"csrf_token\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// A value to copy, beside the form.
#[track_caller]
fn beside(page: &str, label: &str) -> String {
    let (_, rest) = page.split_once(&format!("<dt>{label}</dt>")).unwrap_or_else(|| panic!("no {label} in {page}"));
    let (_, value) = rest.split_once("<code data-copy>").unwrap();
    value.split('<').next().unwrap().replace("&#x3D;", "=").replace("&amp;", "&")
}

/// Looks again and again, for five seconds, until it is so.
async fn wait_until(mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..100 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("it did not come to pass");
}
