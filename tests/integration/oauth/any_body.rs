//! Whatever anybody sends to the endpoints for programs: the answer is theirs to read, at the top level of JSON, never a
//! failure of ours, and it repeats nothing that may be a secret.

use std::fmt::Debug;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use doctyped::testing::client_authentication::{ASSERTION_TYPE, basic_header};
use doctyped::testing::pkce::challenge_of;
use doctyped::testing::token::TokenKind;
use doctyped::testing::token_exchange::ACCESS_TOKEN;
use poem::http::Method;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};
use serde_json::{Value as Json, json};
use tokio::runtime::Runtime;

use super::support::{BASE, Program, REDIRECT_URI, VERIFIER};
use crate::support::client::Response;
use crate::support::{Client, TestSite};

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// A JWT but for its signature.
const ASSERTION: &str = "eyJhbGciOiJFUzI1NiIsInR5cCI6Im9hdXRoLWlkLWphZytqd3QifQ.\
                         eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUiLCJzdWIiOiJhIn0.AAAA";
/// Endpoints that read forms.
const FORMS: [&str; 5] = ["get_token", "par", "revoke_token", "introspect_token", "device_authorization"];
/// Parameters that some endpoint knows.
const NAMES: [&str; 33] = [
    "grant_type",
    "code",
    "redirect_uri",
    "code_verifier",
    "refresh_token",
    "scope",
    "resource",
    "audience",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "token",
    "token_type_hint",
    "device_code",
    "request",
    "request_uri",
    "response_type",
    "response_mode",
    "code_challenge",
    "code_challenge_method",
    "state",
    "prompt",
    "max_age",
    "nonce",
    "dpop_jkt",
    "id_token_hint",
    "subject_token",
    "subject_token_type",
    "actor_token",
    "actor_token_type",
    "requested_token_type",
    "assertion",
];
/// Values that mean something, and are not secrets.
const WORDS: [&str; 17] = [
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:device_code",
    TOKEN_EXCHANGE,
    ACCESS_TOKEN,
    JWT_BEARER,
    "password",
    ASSERTION_TYPE,
    REDIRECT_URI,
    "code",
    "S256",
    "openid all",
    "urn:ietf:params:oauth:request_uri:x",
    "https://elsewhere.example/",
    "none",
    "0",
];
/// Members of a registration that mean something.
const MEMBERS: [&str; 16] = [
    "client_name",
    "redirect_uris",
    "scope",
    "grant_types",
    "response_types",
    "token_endpoint_auth_method",
    "application_type",
    "client_uri",
    "logo_uri",
    "contacts",
    "jwks",
    "jwks_uri",
    "software_statement",
    "id_token_signed_response_alg",
    "post_logout_redirect_uris",
    "backchannel_logout_uri",
];

/// A request without its endpoint.
#[derive(Clone, Debug)]
struct Sent {
    query: String,
    authorization: Option<String>,
    content_type: String,
    body: Vec<u8>,
    /// What nobody may find in the answer.
    values: Vec<String>,
}

/// The site under test, with the credentials of a client that it knows.
struct Target {
    runtime: Runtime,
    site: TestSite,
    known: Vec<(String, String)>,
}

impl Target {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let (site, known) = runtime.block_on(async {
            let site = TestSite::new().await;
            // Every request is to get as far as it can.
            site.db_update("System Settings", "System Settings", json!({"allow_consecutive_login_attempts": 0})).await;
            // And none leads out of this computer.
            let open = json!({
                "registration_rate_limit": 0, "max_registered_clients": 0, "enable_client_id_metadata_documents": 0,
                "request_rate_limit": 0, "enable_token_exchange": 1, "enable_jwt_bearer_grant": 1,
            });
            site.db_update("OAuth Settings", "OAuth Settings", open).await;
            site.db_user("robot@example.com", json!({})).await;
            let values = json!({
                "allow_client_credentials": 1, "user": "robot@example.com", "allow_device_code": 1,
                "allow_token_exchange": 1, "allow_jwt_bearer": 1,
            });
            let basic = Program::new(&site, values.clone()).await;
            let mut public = values;
            public["token_endpoint_auth_method"] = json!("None");
            public["allow_client_credentials"] = json!(0);
            public["allow_token_exchange"] = json!(0);
            public["allow_jwt_bearer"] = json!(0);
            let public = Program::new(&site, public).await;
            let known = vec![(basic.id, basic.secret), (public.id, String::new())];
            (site, known)
        });
        Self { runtime, site, known }
    }

    fn send(&self, endpoint: &str, sent: &Sent) -> Response {
        let client: Client = self.site.guest();
        let client = match &sent.authorization {
            Some(value) => client.with_header("authorization", value),
            None => client,
        };
        let uri = format!("{BASE}{endpoint}{}", sent.query);
        self.runtime.block_on(client.send(Method::POST, &uri, &sent.content_type, sent.body.clone()))
    }
}

/// Sends what a strategy makes, and looks at each answer; `PROPTEST_CASES` says how often.
fn hold<S: Strategy>(strategy: &S, check: impl Fn(S::Value) -> TestCaseResult)
where
    S::Value: Debug,
{
    let config = Config { failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(strategy, check).unwrap_or_else(|error| panic!("{error}"));
}

fn check(answer: &Response, values: &[String]) -> TestCaseResult {
    prop_assert!(!answer.status.is_server_error(), "{} {}", answer.status, answer.body);
    prop_assert!(answer.header("content-type").starts_with("application/json"), "{:?}", answer.headers);
    prop_assert!(answer.header("cache-control").contains("no-store"), "{:?}", answer.headers);
    let body: Json = serde_json::from_str(&answer.body).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert!(body.is_object(), "{body}");
    if answer.status.as_u16() == 413 {
        // Refused before anything was read, by the site.
        return Ok(());
    }
    for key in ["message", "exc_type", "exception", "_server_messages", "data"] {
        prop_assert!(body.get(key).is_none(), "{body}");
    }
    if answer.status.is_success() {
        return Ok(());
    }
    prop_assert!(body["error"].is_string() && body["error_description"].is_string(), "{body}");
    for value in values.iter().filter(|value| value.len() >= 8) {
        prop_assert!(!answer.body.contains(value.as_str()), "{value:?} in {body}");
    }
    Ok(())
}

/// Something that looks like a JWT, or is one but for its signature.
fn jwt() -> impl Strategy<Value = String> {
    let algorithms = proptest::sample::select(vec!["ES256", "RS256", "HS256", "none", "EdDSA", "?"]);
    (algorithms, json_value(), proptest::collection::vec(any::<u8>(), 0..80)).prop_map(|(alg, claims, signature)| {
        let part = |value: Json| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.{}", part(json!({"alg": alg})), part(claims), URL_SAFE_NO_PAD.encode(signature))
    })
}

/// Any JSON, with members that claims and registrations have.
fn json_value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        ".{0,20}".prop_map(Json::from),
        Just(json!(REDIRECT_URI)),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let names = proptest::sample::select(vec!["iss", "sub", "aud", "exp", "jti", "keys", "kty", "crv", "x", "n"]);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            proptest::collection::vec((names, inner), 0..6).prop_map(|pairs| {
                Json::Object(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }),
        ]
    })
}

/// A value that some parameter may have, or none could.
fn value(known: &[(String, String)]) -> impl Strategy<Value = String> + use<> {
    let mut usual = WORDS.map(str::to_owned).to_vec();
    usual.extend(known.iter().map(|(id, _)| id.clone()));
    let tokens =
        [TokenKind::AccessToken, TokenKind::RefreshToken, TokenKind::AuthorizationCode, TokenKind::ClientSecret];
    usual.extend(tokens.map(TokenKind::generate));
    prop_oneof![
        4 => proptest::sample::select(usual),
        2 => ".{0,40}",
        1 => "[A-Za-z0-9_-]{43,128}",
        1 => "\\PC{0,400}",
        1 => jwt(),
    ]
}

fn authorization(known: &[(String, String)]) -> impl Strategy<Value = Option<String>> + use<> {
    let good: Vec<String> = known.iter().map(|(id, secret)| basic_header(id, secret)).collect();
    prop_oneof![
        1 => Just(None),
        8 => proptest::sample::select(good).prop_map(Some),
        1 => proptest::collection::vec(any::<u8>(), 0..40)
            .prop_map(|bytes| Some(format!("Basic {}", STANDARD.encode(bytes)))),
        1 => "(Basic|Bearer|DPoP|token|) ?[ -~]{0,40}".prop_map(|text| Some(text.trim().to_owned())),
    ]
}

/// What a good request to an endpoint says, of which some parameters are left out, changed or repeated.
fn good(endpoint: &str, choice: Index) -> Vec<(&'static str, String)> {
    let grant = |name: &str| ("grant_type", name.to_owned());
    let token = |kind: TokenKind| kind.generate();
    let choices = match endpoint {
        "get_token" => vec![
            vec![grant("client_credentials"), ("scope", "read".to_owned())],
            vec![grant("refresh_token"), ("refresh_token", token(TokenKind::RefreshToken))],
            vec![
                grant("authorization_code"),
                ("code", token(TokenKind::AuthorizationCode)),
                ("redirect_uri", REDIRECT_URI.to_owned()),
                ("code_verifier", VERIFIER.to_owned()),
            ],
            vec![grant("urn:ietf:params:oauth:grant-type:device_code"), ("device_code", "dt_dc_x".to_owned())],
            vec![
                grant(TOKEN_EXCHANGE),
                ("subject_token", token(TokenKind::AccessToken)),
                ("subject_token_type", ACCESS_TOKEN.to_owned()),
                ("actor_token", token(TokenKind::AccessToken)),
                ("actor_token_type", ACCESS_TOKEN.to_owned()),
            ],
            vec![grant(JWT_BEARER), ("assertion", ASSERTION.to_owned()), ("scope", "read".to_owned())],
        ],
        "par" => vec![vec![
            ("response_type", "code".to_owned()),
            ("redirect_uri", REDIRECT_URI.to_owned()),
            ("scope", "openid".to_owned()),
            ("code_challenge", challenge_of(VERIFIER)),
            ("code_challenge_method", "S256".to_owned()),
        ]],
        "device_authorization" => vec![vec![("scope", "openid".to_owned())]],
        _ => vec![vec![("token", token(TokenKind::AccessToken))], vec![("token", token(TokenKind::RefreshToken))]],
    };
    choice.get(&choices).clone()
}

/// Forms of parameters that exist, once or more often.
fn form(endpoint: &'static str, known: &[(String, String)]) -> impl Strategy<Value = Sent> + use<> {
    let names = prop_oneof![9 => proptest::sample::select(NAMES.to_vec()).prop_map(str::to_owned), 1 => ".{0,12}"];
    let more = proptest::collection::vec((names, value(known)), 0..4);
    let kept = proptest::collection::vec(proptest::bool::weighted(0.9), 5);
    let query = proptest::sample::select(vec!["", "", "", "", "", "?", "?client_id=x", "?%FF"]);
    (any::<Index>(), kept, more, authorization(known), query).prop_map(
        move |(choice, kept, more, authorization, query)| {
            let good = good(endpoint, choice).into_iter().map(|(name, value)| (name.to_owned(), value));
            let mut pairs: Vec<_> = good.zip(kept).filter(|(_, kept)| *kept).map(|(pair, _)| pair).collect();
            pairs.extend(more);
            let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            // Scopes and addresses are repeated where they are wrong, so that developers see which; they are not secrets.
            let is_told =
                |name: &str| matches!(name, "scope" | "resource" | "redirect_uri" | "request_uri" | "grant_type");
            let secret = pairs.into_iter().filter(|(name, value)| !is_told(name) && !WORDS.contains(&value.as_str()));
            Sent {
                query: query.to_owned(),
                authorization,
                content_type: "application/x-www-form-urlencoded".to_owned(),
                body: body.into_bytes(),
                values: secret.map(|(_, value)| value).collect(),
            }
        },
    )
}

/// Bytes of any kind, called anything.
fn bytes(known: &[(String, String)]) -> impl Strategy<Value = Sent> + use<> {
    let content_type = prop_oneof![
        2 => Just("application/x-www-form-urlencoded".to_owned()),
        1 => Just("application/json".to_owned()),
        1 => Just("multipart/form-data; boundary=x".to_owned()),
        1 => "[a-z/;=+*. -]{0,24}",
    ];
    let body = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        "[a-z_%&=+0-9A-F]{0,120}".prop_map(String::into_bytes),
        json_value().prop_map(|value| value.to_string().into_bytes()),
        (60_000_usize..140_000).prop_map(|length| vec![b'a'; length]),
    ];
    (content_type, body, authorization(known)).prop_map(|(content_type, body, authorization)| Sent {
        query: String::new(),
        authorization,
        content_type,
        body,
        values: Vec::new(),
    })
}

/// A registration with members of any type.
fn registration() -> impl Strategy<Value = Json> {
    let uris = proptest::sample::select(vec![
        json!([REDIRECT_URI]),
        json!(["javascript:alert(1)"]),
        json!(["http://127.0.0.1/callback"]),
        json!([REDIRECT_URI, 7]),
    ]);
    let plausible = proptest::sample::select(vec![
        json!("none"),
        json!("private_key_jwt"),
        json!("client_secret_basic"),
        json!(["authorization_code", "refresh_token"]),
        json!(["code"]),
        json!("openid read"),
        json!("ES256"),
        json!("https://app.example/"),
        json!({"keys": []}),
    ]);
    let member = prop_oneof![3 => plausible, 2 => json_value()];
    let members = proptest::collection::vec((proptest::sample::select(MEMBERS.to_vec()), member), 0..8);
    (members, proptest::option::weighted(0.8, uris)).prop_map(|(members, uris)| {
        let mut registration = json!({});
        for (name, value) in members {
            registration[name] = value;
        }
        if let Some(uris) = uris {
            registration["redirect_uris"] = uris;
        }
        registration
    })
}

#[test]
fn no_form_breaks_an_endpoint_or_is_read_back() {
    let target = Target::new();
    let known = target.known.clone();
    let strategy = proptest::sample::select(FORMS.to_vec())
        .prop_flat_map(move |endpoint| (Just(endpoint), form(endpoint, &known)));
    hold(&strategy, |(endpoint, sent)| check(&target.send(endpoint, &sent), &sent.values));
}

#[test]
fn no_bytes_break_an_endpoint() {
    let target = Target::new();
    let endpoints: Vec<&str> = FORMS.into_iter().chain(["register_client"]).collect();
    let strategy = (proptest::sample::select(endpoints), bytes(&target.known));
    hold(&strategy, |(endpoint, sent)| check(&target.send(endpoint, &sent), &sent.values));
}

#[test]
fn no_registration_breaks_its_endpoint_and_what_is_registered_is_whole() {
    let target = Target::new();
    hold(&registration(), |registration| {
        let sent = Sent {
            query: String::new(),
            authorization: None,
            content_type: "application/json".to_owned(),
            body: registration.to_string().into_bytes(),
            values: Vec::new(),
        };
        let answer = target.send("register_client", &sent);
        check(&answer, &sent.values)?;
        if answer.status.is_success() {
            let body = answer.json();
            prop_assert!(body["client_id"].is_string() && body["redirect_uris"].is_array(), "{body}");
            prop_assert!(!answer.body.contains("null"), "{body}");
        }
        Ok(())
    });
}
