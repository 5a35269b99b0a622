//! What tokens cost: reads with a bearer token, introspection, new tokens by renewal and by client credentials.

use std::net::SocketAddr;

use base64::Engine as _;
use doctyped::testing::pkce::challenge_of;
use serde_json::{Value as Json, json};

use super::{CONNECTIONS, Figures, PASSWORD, measure, measure_each, send_once};

const BASE: &str = "/api/method/frappe.integrations.oauth2.";
const REDIRECT_URI: &str = "https://app.example/callback";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// Measures everything about tokens; `authorization` is the header of an API key, `names` are documents to read.
pub(crate) async fn run(address: SocketAddr, authorization: &str, names: &[String]) -> Vec<Figures> {
    let client = json!({
        "app_name": "Bench", "default_redirect_uri": REDIRECT_URI, "scopes": "openid all", "user": "Administrator",
        "allow_client_credentials": 1, "trusted": 1, "skip_authorization": 1,
    });
    let made = super::post("POST", "/api/resource/OAuth%20Client", &client.to_string(), authorization);
    let made: Json = serde_json::from_slice(&send_once(address, &made).await).unwrap();
    let (id, secret) = (text(&made["data"]["client_id"]), text(&made["data"]["client_secret"]));
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"));
    let basic = format!("Authorization: Basic {basic}\r\n");

    let credentials = form("get_token", "grant_type=client_credentials&scope=all", &basic);
    let tokens: Json = serde_json::from_slice(&send_once(address, &credentials).await).unwrap();
    let access = text(&tokens["access_token"]);
    let read = names
        .iter()
        .take(1000)
        .map(|name| {
            format!(
                "GET /api/resource/Bench%20Item/{name} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {access}\r\n\r\n"
            )
        })
        .collect();
    let mut figures = vec![measure("get one, bearer token", address, read).await];
    let introspection = form("introspect_token", &format!("token={access}"), &basic);
    figures.push(measure("introspection", address, vec![introspection]).await);

    let refresh = refresh_tokens(address, &id, &basic).await;
    let renewals = refresh.into_iter().map(|mut token| {
        let basic = basic.clone();
        move |answer: Option<&[u8]>| {
            if let Some(answer) = answer {
                let tokens: Json = serde_json::from_slice(answer).unwrap();
                token = text(&tokens["refresh_token"]);
            }
            form("get_token", &format!("grant_type=refresh_token&refresh_token={token}"), &basic)
        }
    });
    figures.push(measure_each("token by refresh", address, renewals).await);
    figures.push(measure("token by client credentials", address, vec![credentials]).await);
    figures
}

/// A refresh token for each connection, got as programs get them: by a code that Administrator allowed.
async fn refresh_tokens(address: SocketAddr, client_id: &str, basic: &str) -> Vec<String> {
    let base = format!("http://{address}");
    let browser = reqwest::Client::builder()
        .no_proxy()
        .cookie_store(true)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let login = [("usr", "Administrator"), ("pwd", PASSWORD)];
    assert_eq!(browser.post(format!("{base}/api/method/login")).form(&login).send().await.unwrap().status(), 200);
    let challenge = challenge_of(VERIFIER);
    let query = [
        ("response_type", "code"),
        ("client_id", client_id),
        ("redirect_uri", REDIRECT_URI),
        ("scope", "openid all"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    let mut tokens = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let answer = browser.get(format!("{base}{BASE}authorize?{query}")).send().await.unwrap();
        let to = url::Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
        let (_, code) = to.query_pairs().find(|(name, _)| name == "code").unwrap();
        let redirect_uri: String = url::form_urlencoded::byte_serialize(REDIRECT_URI.as_bytes()).collect();
        let body =
            format!("grant_type=authorization_code&code={code}&redirect_uri={redirect_uri}&code_verifier={VERIFIER}");
        let answer: Json = serde_json::from_slice(&send_once(address, &form("get_token", &body, basic)).await).unwrap();
        tokens.push(text(&answer["refresh_token"]));
    }
    tokens
}

fn form(endpoint: &str, body: &str, authorization: &str) -> String {
    format!(
        "POST {BASE}{endpoint} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n{authorization}\r\n{body}",
        body.len()
    )
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}
