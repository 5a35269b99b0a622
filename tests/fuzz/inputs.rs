//! What is done with arbitrary bytes, one function per kind of input. The fuzz targets call these with what libFuzzer makes
//! up, the integration tests with the corpus.
//!
//! Each function panics where the program is wrong: when it crashes, answers with a 500, or breaks a property named there.
#![allow(dead_code, clippy::unwrap_used, reason = "every target uses one function; a failure is the result")]

use std::sync::{Arc, LazyLock};

use doctyped::testing::app::{App, Build};
use doctyped::testing::cimd::ClientIdUrl;
use doctyped::testing::config::{Config, Hidden};
use doctyped::testing::expression::{Expression, Scope};
use doctyped::testing::jwk::JwkSet;
use doctyped::testing::jwt::{SigningKey, Unverified};
use doctyped::testing::load::{Source, load};
use doctyped::testing::meta::Registry;
use doctyped::testing::meta::Value;
use doctyped::testing::registration::{ClientMetadata, RegistrationPolicy};
use doctyped::testing::scope::ScopeSet;
use doctyped::testing::scope_offer::Ceiling;
use doctyped::testing::secret::{SigningAlgorithm, SiteKey};
use doctyped::testing::web::Pipeline;
use poem::http::{Method, header};
use poem::{Endpoint, Request};
use serde_json::{Value as Json, json};

const PASSWORD: &str = "correct horse battery";
/// One field of every family, a table and a link, so that filters have something to be about.
const SAMPLE: &str = "
name: Sample
module: Core
autoname: field:title
fields:
  - { fieldname: title, fieldtype: Data, label: Title, reqd: true, in_global_search: true }
  - { fieldname: amount, fieldtype: Currency, label: Amount }
  - { fieldname: pages, fieldtype: Int, label: Pages }
  - { fieldname: due, fieldtype: Date, label: Due }
  - { fieldname: at, fieldtype: Datetime, label: At }
  - { fieldname: done, fieldtype: Check, label: Done }
  - { fieldname: role, fieldtype: Link, options: Role, label: Role }
  - { fieldname: status, fieldtype: Select, options: \"Open\\nClosed\", label: Status }
  - { fieldname: extra, fieldtype: JSON, label: Extra }
  - { fieldname: people, fieldtype: Table, options: Has Role, label: People }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true, report: true, export: true }
";

/// A whole site in the process, and the cookie of its Administrator.
struct RunningSite {
    runtime: tokio::runtime::Runtime,
    endpoint: Arc<Pipeline>,
    cookie: String,
    _folder: tempfile::TempDir,
}

static SITE: LazyLock<RunningSite> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        database_url: Hidden::new(format!("sqlite://{}", folder.path().join("site.db").display())),
        admin_password: Some(Hidden::new(PASSWORD)),
        doctypes: Vec::new(),
        files: folder.path().join("files"),
        templates: folder.path().join("templates"),
        ..Config::default()
    };
    let mut build = Build::new(config);
    build.site_key = Some(SiteKey::from_text("a key for fuzzing that is long enough to be one").unwrap());
    build.sources = vec![Source { path: "sample.yaml".to_owned(), text: SAMPLE.to_owned() }];
    let app = runtime.block_on(App::build(build)).unwrap();
    let mut site = RunningSite { runtime, endpoint: app.endpoint, cookie: String::new(), _folder: folder };
    let login = format!("usr=Administrator&pwd={}", PASSWORD.replace(' ', "+"));
    let (status, cookie) = site.send(Method::POST, "/api/method/login", FORM, login.into_bytes());
    assert_eq!(status, 200, "Administrator logs in");
    site.cookie = cookie;
    for (title, pages) in [("Dune", 412), ("Emma", 474), ("%", 0)] {
        let body = json!({"title": title, "pages": pages, "due": "2026-03-31", "people": [{"role": "Guest"}]});
        let (status, _) = site.send(Method::POST, "/api/resource/Sample", JSON, body.to_string().into_bytes());
        assert_eq!(status, 200, "a sample is stored");
    }
    site
});
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

impl RunningSite {
    /// The status of an answer, and the session cookie that it sets.
    fn send(&self, method: Method, uri: &str, content_type: &str, body: Vec<u8>) -> (u16, String) {
        let request = Request::builder()
            .method(method)
            .uri_str(uri)
            .header(header::HOST, "127.0.0.1:8000")
            .header(header::COOKIE, &self.cookie)
            .header(header::CONTENT_TYPE, content_type)
            .body(body);
        self.runtime.block_on(async {
            let mut response = self.endpoint.get_response(request).await;
            let cookie = response
                .headers()
                .get_all(header::SET_COOKIE)
                .iter()
                .filter_map(|cookie| cookie.to_str().ok()?.split(';').next())
                .find(|cookie| cookie.contains("sid="))
                .unwrap_or_default()
                .to_owned();
            let status = response.status().as_u16();
            response.take_body().into_bytes().await.unwrap();
            (status, cookie)
        })
    }
}

/// The parameters of a list, one per line: `filters`, `or_filters`, `fields`, `order_by`, `group_by`. Never a 5xx.
pub fn filters(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let names = ["filters", "or_filters", "fields", "order_by", "group_by"];
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in names.iter().zip(text.splitn(names.len(), '\n')).filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    let query = query.finish();
    for path in ["/api/resource/Sample", "/api/v2/document/Sample"] {
        let (status, _) = SITE.send(Method::GET, &format!("{path}?{query}"), "", Vec::new());
        assert!(status < 500, "{path} answers {status}");
    }
}

/// A condition of a DocType: it is evaluated in one way, and what the browser gets of it is JSON.
pub fn expression(data: &[u8]) {
    struct Doc;
    impl Scope for Doc {
        fn value(&self, fieldname: &str) -> Value {
            match fieldname {
                "a" => Value::Int(1),
                "b" => Value::Text("Open".into()),
                "c" => Value::Float(0.5),
                _ => Value::Null,
            }
        }
        fn rows(&self, fieldname: &str) -> Option<usize> {
            (fieldname == "items").then_some(2)
        }
        fn each_row(&self, fieldname: &str, visit: &mut dyn FnMut(&dyn Scope)) {
            (0..self.rows(fieldname).unwrap_or(0)).for_each(|_| visit(&Doc));
        }
        fn now(&self) -> chrono::NaiveDateTime {
            chrono::NaiveDateTime::default()
        }
        fn is_new(&self) -> bool {
            false
        }
        fn user(&self) -> &'static str {
            "alice@example.com"
        }
        fn has_role(&self, role: &str) -> bool {
            role == "System Manager"
        }
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let expression = Expression::parse(text);
    assert_eq!(expression.evaluate(&Doc).is_some(), expression.unparsed.is_none());
    assert_eq!(expression.to_json().is_null(), expression.unparsed.is_some());
    expression.fieldnames();
    let formula = Expression::parse_formula(text);
    assert_eq!(formula.evaluate(&Doc).is_some(), formula.unparsed.is_none());
}

/// A DocType file in YAML: what loads without errors can be put in force; what does not is reported.
pub fn definition_yaml(data: &[u8]) {
    definition("fuzz.yaml", data);
}

/// The same for Frappe's JSON files.
pub fn definition_json(data: &[u8]) {
    definition("fuzz.json", data);
}

fn definition(path: &str, data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let loaded = load(&[Source { path: path.to_owned(), text: text.to_owned() }]);
    assert!(!loaded.doctypes.is_empty() || !loaded.problems.is_empty(), "a file is neither loaded nor reported");
    for doctype in &loaded.doctypes {
        assert!(!doctype.name.trim().is_empty(), "a DocType without a name is loaded");
    }
    Registry::new(loaded.doctypes, 1);
}

/// A multipart body, as a form and as an upload. The first line is the boundary. Never a 5xx.
pub fn multipart(data: &[u8]) {
    let (boundary, body) = data.split_at(data.iter().position(|&byte| byte == b'\n').unwrap_or(0));
    let boundary: String = boundary.iter().map(|&byte| char::from(byte)).filter(char::is_ascii_graphic).collect();
    let content_type = format!("multipart/form-data; boundary={boundary}");
    for path in ["/api/method/frappe.client.get_count", "/api/resource/Sample", "/app/sample/Dune"] {
        let (status, _) = SITE.send(Method::POST, path, &content_type, body.get(1..).unwrap_or_default().to_vec());
        assert!(status < 500, "{path} answers {status}");
    }
}

/// A JSON Web Token and, after a line break, a key set: nothing verifies that was not signed with one of our keys, and a key
/// set that is read is written and read again the same.
pub fn jwt(data: &[u8]) {
    static KEYS: LazyLock<JwkSet> = LazyLock::new(|| {
        let keys =
            [SigningAlgorithm::Es256, SigningAlgorithm::EdDsa].map(|alg| SigningKey::generate(alg).jwk().to_value());
        JwkSet::parse(&json!({ "keys": keys })).unwrap()
    });
    let text = String::from_utf8_lossy(data);
    let (token, keys) = text.split_once('\n').unwrap_or((&text, ""));
    if let Ok(token) = Unverified::parse(token) {
        let _ = (token.unverified_claims().text("iss"), token.unverified_claims().audience());
        assert!(
            token.verify(&KEYS, &[SigningAlgorithm::Es256, SigningAlgorithm::EdDsa]).is_err(),
            "a forged token verifies"
        );
    }
    if let Ok(token) = Unverified::parse(token) {
        assert!(token.verify_hs256(b"a shared secret that nobody has guessed").is_err(), "a forged token verifies");
    }
    if let Ok(keys) = serde_json::from_str::<Json>(keys)
        && let Ok(read) = JwkSet::parse(&keys)
    {
        let written = read.to_value();
        assert_eq!(JwkSet::parse(&written).unwrap().to_value(), written, "a key set changes on its way");
    }
}

/// Client metadata as they come by registration or from the address of a metadata document: what is taken is echoed, and the
/// echo is taken as the same.
pub fn client_metadata(data: &[u8]) {
    let scopes = ScopeSet::parse("openid profile email read write").unwrap();
    let ceiling = Ceiling::offered(scopes.clone());
    let schemes = ["myapp".to_owned()];
    let policy = RegistrationPolicy {
        default_scopes: &scopes,
        ceiling: &ceiling,
        known_scopes: &(),
        is_for_all_servers: false,
        site_names: &[],
        allow_hs256: false,
        redirect_schemes: &schemes,
        allow_device_code: true,
        certificates: None,
    };
    let Ok(request) = serde_json::from_slice::<Json>(data) else { return };
    if let Ok(metadata) = ClientMetadata::parse(&request, &policy) {
        let echo = serde_json::to_value(&metadata).unwrap();
        let again =
            ClientMetadata::parse(&echo, &policy).unwrap_or_else(|error| panic!("the echo is refused: {error}"));
        assert_eq!(serde_json::to_value(&again).unwrap(), echo, "metadata change on their way");
    }
    if let Ok(address) = ClientIdUrl::parse(request.get("client_id").and_then(Json::as_str).unwrap_or_default())
        && let Ok(document) = address.read_document(data)
    {
        let _ = address.check_document(document, &policy);
    }
}
