//! [`Program`]: an OAuth client in a test, and the way from its request to its tokens.

use doctyped::testing::client_authentication::ASSERTION_TYPE;
use doctyped::testing::jwk::JwkSet;
use doctyped::testing::jwt::SigningKey;
use doctyped::testing::pkce::challenge_of;
use doctyped::testing::secret::SigningAlgorithm;
use doctyped::testing::signing_keys::SigningKeys;
use serde_json::{Value as Json, json};

use crate::support::client::Response;
use crate::support::{Client, TestSite};

/// Where the endpoints are.
pub const BASE: &str = "/api/method/frappe.integrations.oauth2.";
/// The verifier of every test.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Where the program is answered.
pub const REDIRECT_URI: &str = "https://app.example/callback";

/// A registered client.
pub struct Program {
    /// Its id.
    pub id: String,
    /// Its secret, empty for public clients.
    pub secret: String,
    /// What it asks for.
    pub scope: String,
    /// Without cookies.
    http: Client,
}

impl Program {
    /// A confidential client with further values.
    pub async fn new(site: &TestSite, values: Json) -> Self {
        Self::made_by(&site.administrator().await, site.guest(), values).await
    }

    /// The same, made by an administrator and at work without cookies.
    pub async fn made_by(administrator: &Client, http: Client, values: Json) -> Self {
        let mut client = json!({
            "app_name": "Planner",
            "default_redirect_uri": REDIRECT_URI,
            "scopes": "all openid profile email roles read write",
        });
        for (key, value) in values.as_object().unwrap() {
            client[key] = value.clone();
        }
        let scope = "openid all".to_owned();
        let made = administrator.post("/api/resource/OAuth%20Client", client).await.ok();
        let secret = made["client_secret"].as_str().unwrap_or_default().to_owned();
        Self { id: made["client_id"].as_str().unwrap().to_owned(), secret, scope, http }
    }

    /// A public client.
    pub async fn public(site: &TestSite) -> Self {
        Self::new(site, json!({"token_endpoint_auth_method": "None"})).await
    }

    /// A client that registered itself, by the answer that it got.
    pub fn registered(site: &TestSite, made: &Json, scope: &str) -> Self {
        Self {
            id: made["client_id"].as_str().unwrap().to_owned(),
            secret: made["client_secret"].as_str().unwrap_or_default().to_owned(),
            scope: scope.to_owned(),
            http: site.guest(),
        }
    }

    /// A client that signs with this key, with further values.
    pub async fn with_key(site: &TestSite, key: &SigningKey, values: Json) -> Self {
        let jwks = JwkSet { keys: vec![key.jwk()] }.to_value().to_string();
        let mut signing = json!({"token_endpoint_auth_method": "Private Key JWT", "jwks": jwks});
        signing.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
        Self::new(site, signing).await
    }

    /// The same program, which sends a further header with its own requests.
    pub fn with_header(&self, name: &str, value: &str) -> Self {
        let http = self.http.with_header(name, value);
        Self { id: self.id.clone(), secret: self.secret.clone(), scope: self.scope.clone(), http }
    }

    /// The parameters of a good authorization request, with changes; an empty value leaves one out.
    pub fn authorize_uri(&self, changes: &[(&str, &str)]) -> String {
        let challenge = challenge_of(VERIFIER);
        let mut fields = vec![
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", REDIRECT_URI),
            ("scope", &self.scope),
            ("state", "the state"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in changes {
            fields.retain(|(known, _)| known != name);
            if !value.is_empty() {
                fields.push((name, value));
            }
        }
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        format!("{BASE}authorize?{query}")
    }

    /// Asks a person who is logged in, who presses a button; returns where the browser goes.
    pub async fn ask(&self, person: &Client, changes: &[(&str, &str)], decision: &str) -> String {
        let page = person.get(&self.authorize_uri(changes)).await.redirect();
        if page.starts_with(REDIRECT_URI) {
            // What was allowed before is not asked again.
            return page;
        }
        let page = person.get(&page).await.status(200);
        answer(person, &page, decision).await.redirect()
    }

    /// A code that a person allowed.
    pub async fn code(&self, person: &Client) -> String {
        let address = self.ask(person, &[], "allow").await;
        parameter(&address, "code").unwrap_or_else(|| panic!("{address}"))
    }

    /// Posts to an endpoint, authenticated as registered (`client_secret_basic`, or by id alone).
    pub async fn post(&self, endpoint: &str, fields: &[(&str, &str)]) -> Response {
        let uri = format!("{BASE}{endpoint}");
        if self.secret.is_empty() {
            let mut fields = fields.to_vec();
            fields.push(("client_id", &self.id));
            return self.http.form(&uri, &fields).await;
        }
        let basic = doctyped::testing::client_authentication::basic_header(&self.id, &self.secret);
        self.http.with_header("authorization", &basic).form(&uri, fields).await
    }

    /// Posts to an endpoint, authenticated by an assertion; it says whose it is.
    pub async fn post_signed(&self, endpoint: &str, assertion: &str, fields: &[(&str, &str)]) -> Response {
        let mut fields = fields.to_vec();
        fields.extend([("client_assertion", assertion), ("client_assertion_type", ASSERTION_TYPE)]);
        self.http.form(&format!("{BASE}{endpoint}"), &fields).await
    }

    /// Exchanges a code.
    pub async fn exchange(&self, code: &str) -> Response {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", VERIFIER),
        ];
        self.post("get_token", &fields).await
    }

    /// Renews.
    pub async fn refresh(&self, refresh_token: &str) -> Response {
        self.post("get_token", &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
    }

    /// Tokens for a person.
    pub async fn tokens(&self, person: &Client) -> Json {
        self.exchange(&self.code(person).await).await.status(200).json()
    }
}

/// Presses a button of a consent page.
pub async fn answer(person: &Client, page: &Response, decision: &str) -> Response {
    let fields = [
        ("csrf_token", hidden(&page.body, "csrf_token")),
        ("request_id", hidden(&page.body, "request_id")),
        ("decision", decision.to_owned()),
    ];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    person.form(&format!("{BASE}approve"), &fields).await
}

/// The value of a hidden input.
pub fn hidden(page: &str, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    let rest = &page[page.find(&start).unwrap_or_else(|| panic!("no {name} in {page}")) + start.len()..];
    rest[..rest.find('"').unwrap()].replace("&#x3D;", "=")
}

/// A parameter of an address.
pub fn parameter(uri: &str, name: &str) -> Option<String> {
    let url = url::Url::parse(uri).unwrap_or_else(|error| panic!("{uri}: {error}"));
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// Somebody with an access token.
pub fn bearer(site: &TestSite, tokens: &Json) -> Client {
    site.guest().with_header("authorization", &format!("Bearer {}", tokens["access_token"].as_str().unwrap()))
}

impl Response {
    /// An OAuth error at the top level, with its status.
    #[track_caller]
    pub fn oauth_error(self, status: u16, code: &str) -> Self {
        let body = self.json();
        assert_eq!((self.status.as_u16(), body["error"].as_str()), (status, Some(code)), "{}", self.body);
        assert!(body.get("message").is_none() && body.get("_server_messages").is_none(), "{}", self.body);
        self
    }
}

/// Claims signed with the key that the site signs with now, as only the site can.
pub async fn signed_by_site(site: &TestSite, typ: &str, claims: &Json) -> String {
    let keys = SigningKeys::default();
    keys.current(site.documents(), SigningAlgorithm::Es256).await.unwrap().sign(typ, claims)
}
