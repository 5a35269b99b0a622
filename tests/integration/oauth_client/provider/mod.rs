//! Against a provider that nobody here wrote: `oidc-provider`, run by Node. Runs with `DOCTYPED_TEST_NODE=1`.

mod back_channel_logout;
pub mod connected_app;
pub mod social_login;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value as Json, json};
use url::Url;

/// The running provider, shared by all tests of a run.
pub struct Provider {
    /// Its name and the beginning of its addresses.
    pub issuer: String,
    /// Holds its standard input open: the provider ends when this process does.
    _process: Child,
}

/// The provider, started when first asked for; `None`, loudly, where these tests are switched off.
pub fn provider() -> Option<&'static Provider> {
    static PROVIDER: OnceLock<Provider> = OnceLock::new();
    if std::env::var("DOCTYPED_TEST_NODE").is_err() {
        eprintln!(
            "SKIPPED: run `npm ci` in tests/integration/oauth_client/provider and set DOCTYPED_TEST_NODE=1 to test against oidc-provider"
        );
        return None;
    }
    Some(PROVIDER.get_or_init(Provider::start))
}

/// A client that the provider knows.
pub struct Registered {
    /// Its id.
    pub client_id: String,
    /// Its secret, if it has one.
    pub client_secret: String,
}

impl Provider {
    fn start() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/oauth_client/provider");
        let mut process = Command::new("node")
            .arg("provider.mjs")
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("node is installed");
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        let first = said.next().unwrap_or_default();
        let issuer =
            first.strip_prefix("listening at ").expect("the provider starts: run `npm ci` beside provider.mjs");
        // What it says later is read, so that it never waits for a reader.
        std::thread::spawn(move || said.for_each(drop));
        Self { issuer: issuer.to_owned(), _process: process }
    }

    /// Where it describes itself.
    pub fn openid_configuration(&self) -> String {
        format!("{}/.well-known/openid-configuration", self.issuer)
    }

    /// Registers a client (RFC 7591).
    pub async fn register(&self, metadata: Json) -> Registered {
        let answer = http().post(format!("{}/reg", self.issuer)).json(&metadata).send().await.unwrap();
        let status = answer.status();
        let registered: Json = answer.json().await.unwrap();
        assert_eq!(status, 201, "{registered}");
        let text = |name: &str| registered[name].as_str().unwrap_or_default().to_owned();
        Registered { client_id: text("client_id"), client_secret: text("client_secret") }
    }

    /// What the provider says about a token (RFC 7662), asked by a client of its own.
    pub async fn introspect(&self, token: &str) -> Json {
        let registration = json!({"redirect_uris": ["https://inspector.example/"]});
        let inspector = self.register(registration).await;
        http()
            .post(format!("{}/token/introspection", self.issuer))
            .basic_auth(&inspector.client_id, Some(&inspector.client_secret))
            .form(&[("token", token)])
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    /// Waits until a token no longer works; revocations are told behind the answer.
    pub async fn wait_until_inactive(&self, token: &str) {
        for _ in 0..100 {
            if self.introspect(token).await == json!({"active": false}) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("the token still works at the provider");
    }
}

/// A client that goes nowhere by itself and keeps cookies.
fn http() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().cookie_store(true);
    builder.redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// A person's browser at the provider.
pub struct Person {
    http: reqwest::Client,
    account: String,
    claims: Json,
}

impl Person {
    /// A person with an account of their own there, of whom the provider tells these claims.
    pub fn new(name: &str, claims: Json) -> Self {
        Self { http: http(), account: format!("{name}-{}", doctyped::testing::secret::random_name()), claims }
    }

    /// The same person, of whom the provider knows already.
    pub async fn known(self) -> Self {
        let provider = provider().expect("who is a person there needs the provider");
        let there = "https://elsewhere.example/";
        let client = provider.register(json!({"redirect_uris": [there], "token_endpoint_auth_method": "none"})).await;
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("response_type", "code"), ("scope", "openid"), ("code_challenge_method", "S256")])
            .extend_pairs([
                ("client_id", &*client.client_id),
                ("redirect_uri", there),
                ("code_challenge", &"x".repeat(43)),
            ])
            .finish();
        self.allow(&format!("{}/auth?{query}", provider.issuer)).await;
        self
    }

    /// Their id there.
    pub fn subject(&self) -> &str {
        &self.account
    }

    /// The same account, of whom the provider tells something else from now on, in another browser.
    pub fn changed(&self, claims: Json) -> Self {
        Self { http: http(), account: self.account.clone(), claims }
    }

    /// Logs in if need be and allows what is asked; returns where the provider sends the person back to.
    pub async fn allow(&self, address: &str) -> String {
        self.answer(address, "allow").await
    }

    /// Declines.
    pub async fn decline(&self, address: &str) -> String {
        self.answer(address, "decline").await
    }

    async fn answer(&self, address: &str, answer: &str) -> String {
        let own = Url::parse(address).unwrap();
        let mut at = own.clone();
        loop {
            if at.origin() != own.origin() {
                return at.into();
            }
            let sending = if at.path().starts_with("/interaction/") {
                let claims = self.claims.to_string();
                self.http.post(at.clone()).form(&[("account", &*self.account), ("claims", &claims), ("answer", answer)])
            } else {
                self.http.get(at.clone())
            };
            let answered = sending.send().await.unwrap();
            let location = answered.headers().get("location").map(|location| location.to_str().unwrap().to_owned());
            let Some(location) = location else {
                panic!("{at}: {} {}", answered.status(), answered.text().await.unwrap());
            };
            at = at.join(&location).unwrap();
        }
    }

    /// Opens a page there.
    pub async fn open(&self, address: &str) -> reqwest::Response {
        self.http.get(address).send().await.unwrap()
    }

    /// Logs out there, at this address of the page that asks; returns where the provider sends the person on to.
    pub async fn log_out(&self, address: &str) -> String {
        let page = self.open(address).await.text().await.unwrap();
        let (_, rest) = page.split_once("name=\"xsrf\" value=\"").unwrap_or_else(|| panic!("nothing is asked: {page}"));
        let fields = [("xsrf", rest.split('"').next().unwrap()), ("logout", "yes")];
        let confirm = Url::parse(address).unwrap().join("/session/end/confirm").unwrap();
        let done = self.http.post(confirm).form(&fields).send().await.unwrap();
        done.headers().get("location").unwrap().to_str().unwrap().to_owned()
    }
}

/// The address without its host: what a test's client asks its site for.
pub fn path_of(address: &str) -> String {
    let url = Url::parse(address).unwrap();
    url[url::Position::BeforePath..].to_owned()
}

/// An address with another value of a parameter; `None` leaves it out.
pub fn with_parameter(address: &str, name: &str, value: Option<&str>) -> String {
    let mut url = Url::parse(address).unwrap();
    let others: Vec<(String, String)> = url.query_pairs().into_owned().filter(|(key, _)| key != name).collect();
    url.query_pairs_mut().clear().extend_pairs(others);
    if let Some(value) = value {
        url.query_pairs_mut().append_pair(name, value);
    }
    url.into()
}
