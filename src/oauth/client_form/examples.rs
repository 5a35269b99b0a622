//! Ready examples for a client: clients in curl, JavaScript and Python with its real addresses, and never its secret.

use serde_json::Value as Json;
use url::form_urlencoded::Serializer;

use crate::oauth::protocol::client::client_authentication::Method;
use crate::oauth::protocol::client::redirect_uri::Destination;
use crate::oauth::protocol::request::GrantType;
use crate::oauth::protocol::serve::metadata::{AUTHORIZE, DEVICE_AUTHORIZATION, PAR, TOKEN, USERINFO};
use crate::oauth::protocol::serve::scope::ScopeRight;
use crate::oauth::protocol::{Scope, ScopeSet};
use crate::oauth::views::{OAuthClient, OAuthSettings};

/// The languages of a kind: curl, JavaScript, Python.
type Texts = [(&'static str, Language, &'static str); 3];

const CURL: &str = "curl";
const JAVASCRIPT: &str = "JavaScript";
const PYTHON: &str = "Python";
const CODE_SH: &str = include_str!("examples/code.sh");
const CODE_JS: &str = include_str!("examples/code.mjs");
const CODE_PY: &str = include_str!("examples/code.py");
const BROWSER_JS: &str = include_str!("examples/browser.mjs");
const NATIVE_PY: &str = include_str!("examples/native.py");
const SERVICE_SH: &str = include_str!("examples/service.sh");
const SERVICE_JS: &str = include_str!("examples/service.mjs");
const SERVICE_PY: &str = include_str!("examples/service.py");
const DEVICE_SH: &str = include_str!("examples/device.sh");
const DEVICE_JS: &str = include_str!("examples/device.mjs");
const DEVICE_PY: &str = include_str!("examples/device.py");
const EXCHANGE_SH: &str = include_str!("examples/exchange.sh");
const EXCHANGE_JS: &str = include_str!("examples/exchange.mjs");
const EXCHANGE_PY: &str = include_str!("examples/exchange.py");
const VOUCHED_SH: &str = include_str!("examples/vouched.sh");
const VOUCHED_JS: &str = include_str!("examples/vouched.mjs");
const VOUCHED_PY: &str = include_str!("examples/vouched.py");

/// How texts are quoted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Language {
    Shell,
    JavaScript,
    Python,
}

/// A way in which a client gets its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Signs people in, and keeps a secret on a server.
    Web,
    /// Signs people in from a page in their browser.
    Browser,
    /// Signs people in from a client on their computer or phone.
    Native,
    /// Acts for itself.
    Service,
    /// Signs people in on another device.
    Device,
    /// Exchanges tokens.
    Exchange,
    /// Comes with what an identity provider says about people.
    Vouched,
}

impl Kind {
    /// The ways of a client, the most telling first.
    pub(crate) fn of(client: &OAuthClient, settings: &OAuthSettings) -> Vec<Self> {
        let has = |grant| settings.offers(grant) && client.may_use(grant);
        let mut kinds = Vec::new();
        if has(GrantType::ClientCredentials) {
            kinds.push(Self::Service);
        }
        if client.allows_code {
            let uri = client.redirect_uris.iter().next().unwrap_or_default();
            kinds.push(match Destination::of(uri) {
                Some(Destination::Host(_)) if client.is_public() => Self::Browser,
                Some(Destination::Host(_)) => Self::Web,
                _ => Self::Native,
            });
        }
        let further = [
            (GrantType::DeviceCode, Self::Device),
            (GrantType::TokenExchange, Self::Exchange),
            (GrantType::JwtBearer, Self::Vouched),
        ];
        kinds.extend(further.into_iter().filter(|(grant, _)| has(*grant)).map(|(_, kind)| kind));
        kinds
    }

    /// The heading of its examples.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Web => "Sign people in from a website",
            Self::Browser => "Sign people in from a web page",
            Self::Native => "Sign people in from an application",
            Self::Service => "Let the application act for itself",
            Self::Device => "Sign people in on another device",
            Self::Exchange => "Exchange a token for a narrower one",
            Self::Vouched => "Act for people whom a provider vouches for",
        }
    }

    /// What the examples do, in words; `code` in backticks.
    pub(crate) fn help(self) -> &'static str {
        match self {
            Self::Web => {
                "The application sends people here, gets a code back, and trades it for tokens (RFC 6749 section 4.1, \
                 with PKCE). The secret comes from `CLIENT_SECRET`."
            }
            Self::Browser => {
                "A page in the browser has no secret: PKCE alone ties the code to it (RFC 7636). Its origin may call \
                 the API because it is that of the redirect URI."
            }
            Self::Native => {
                "The application opens the person's browser and waits on their own computer for the answer (RFC 8252). \
                 There the port may be any that is free."
            }
            Self::Service => {
                "No person is there: the application shows who it is, and acts as the user chosen above (RFC 6749 \
                 section 4.4)."
            }
            Self::Device => {
                "The application shows a short code, which the person types in on their phone or computer (RFC 8628)."
            }
            Self::Exchange => {
                "The application holds an access token, or was sent one, and gets another that allows less or is for \
                 another resource (RFC 8693). The new one ends with the old one."
            }
            Self::Vouched => {
                "The person's identity provider vouches to the application for them, and nobody is asked here (RFC 7523 \
                 section 2.1). The provider's Social Login Key has to allow it."
            }
        }
    }

    /// What a client of this kind has to do besides, which the examples leave to a library; empty if nothing.
    pub(crate) fn besides(self, client: &OAuthClient) -> String {
        let mut besides = String::new();
        if client.require_dpop {
            besides.push_str(
                " This client also proves at every step that it holds its key (RFC 9449): a library that signs adds \
                 the header `DPoP`, and the token goes behind `DPoP` instead of `Bearer`.",
            );
        }
        if client.require_signed && !matches!(self, Self::Service | Self::Device) {
            besides.push_str(
                " This client signs what it asks for (RFC 9101): a library puts the same parameters into one, \
                 `request`.",
            );
        }
        besides
    }

    fn texts(self) -> Texts {
        let texts = match self {
            Self::Web => [CODE_SH, CODE_JS, CODE_PY],
            Self::Browser => [CODE_SH, BROWSER_JS, CODE_PY],
            Self::Native => [CODE_SH, CODE_JS, NATIVE_PY],
            Self::Service => [SERVICE_SH, SERVICE_JS, SERVICE_PY],
            Self::Device => [DEVICE_SH, DEVICE_JS, DEVICE_PY],
            Self::Exchange => [EXCHANGE_SH, EXCHANGE_JS, EXCHANGE_PY],
            Self::Vouched => [VOUCHED_SH, VOUCHED_JS, VOUCHED_PY],
        };
        let [shell, javascript, python] = texts;
        [
            (CURL, Language::Shell, shell),
            (JAVASCRIPT, Language::JavaScript, javascript),
            (PYTHON, Language::Python, python),
        ]
    }
}

/// What a token of these scopes can be tried with: an address that only reads.
pub(crate) fn sample_call(scopes: &ScopeSet) -> String {
    let reads = |scope: &Scope| match scope {
        Scope::DocType { name, right } if right.covers(ScopeRight::Read) => Some(name.clone()),
        Scope::All | Scope::Read | Scope::Write => Some("User".to_owned()),
        _ => None,
    };
    if scopes.contains(&Scope::OpenId) {
        return USERINFO.to_owned();
    }
    match scopes.iter().find_map(reads) {
        Some(doctype) => {
            let doctype = percent_encoding::utf8_percent_encode(&doctype, percent_encoding::NON_ALPHANUMERIC);
            format!("/api/resource/{doctype}?limit=3")
        }
        None => match scopes.iter().find_map(|scope| if let Scope::Method(path) = scope { Some(path) } else { None }) {
            Some(path) => format!("/api/method/{path}"),
            None => "/api/method/ping".to_owned(),
        },
    }
}

/// The scopes of a client that acts for itself: nobody is identified.
pub(crate) fn service_scopes(client: &OAuthClient) -> ScopeSet {
    client.scopes.iter().filter(|scope| !scope.is_identity()).cloned().collect()
}

/// The examples for a client under these settings: languages with their texts.
pub(crate) fn examples(
    client: &OAuthClient,
    kind: Kind,
    site: &str,
    settings: &OAuthSettings,
) -> Vec<(String, String)> {
    let scopes = if kind == Kind::Service { service_scopes(client) } else { client.scopes.clone() };
    let redirect_uri = client.redirect_uris.iter().next().unwrap_or_default();
    let scope = scopes.to_string();
    let fields = [("response_type", "code"), ("redirect_uri", redirect_uri), ("scope", &scope)];
    let authorize = format!("{site}{AUTHORIZE}");
    let with_client = Serializer::new(format!("{authorize}?")).append_pair("client_id", &client.client_id).finish();
    let with_query = Serializer::for_suffix(with_client.clone(), authorize.len() + 1).extend_pairs(fields).finish();
    let values = [
        ("@CLIENT_ID@", client.client_id.clone()),
        ("@REDIRECT_URI@", redirect_uri.to_owned()),
        ("@AUTHORIZE@", authorize),
        ("@AUTHORIZE_CLIENT@", with_client),
        ("@AUTHORIZE_QUERY@", with_query),
        ("@PAR@", format!("{site}{PAR}")),
        ("@TOKEN@", format!("{site}{TOKEN}")),
        ("@DEVICE@", format!("{site}{DEVICE_AUTHORIZATION}")),
        ("@SCOPE@", scope.clone()),
        ("@SCOPE_FIELD@", format!("scope={scope}")),
        ("@CALL@", format!("{site}{}", sample_call(&scopes))),
    ];
    let is_pushed = client.require_pushed || settings.require_pushed;
    let mut examples = Vec::new();
    for (name, language, text) in kind.texts() {
        let mut text = authenticate(&on_way(text, is_pushed), client.auth_method, language);
        for (place, value) in &values {
            text = text.replace(place, &quoted(value, language));
        }
        examples.push((name.to_owned(), text));
    }
    examples
}

/// Keeps the lines of the way that a request takes: pushed to the site first, or through the browser alone.
fn on_way(text: &str, is_pushed: bool) -> String {
    let (own, other) = if is_pushed { ("@PUSHED@", "@DIRECT@") } else { ("@DIRECT@", "@PUSHED@") };
    let lines = text.lines().filter(|line| !line.starts_with(other));
    lines.map(|line| line.strip_prefix(own).unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// Fills in how the client shows who it is.
fn authenticate(text: &str, method: Method, language: Language) -> String {
    const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let (shell, javascript, python) = match method {
        Method::ClientSecretBasic => (
            "-u \"$client_id:$CLIENT_SECRET\"".to_owned(),
            "headers.Authorization = \"Basic \" + btoa(`${clientId}:${process.env.CLIENT_SECRET}`);".to_owned(),
            "secret = f\"{CLIENT_ID}:{os.environ['CLIENT_SECRET']}\"\n\
             headers[\"Authorization\"] = \"Basic \" + base64.b64encode(secret.encode()).decode()"
                .to_owned(),
        ),
        Method::ClientSecretPost => (
            "-d \"client_id=$client_id\" -d \"client_secret=$CLIENT_SECRET\"".to_owned(),
            "body.set(\"client_id\", clientId);\nbody.set(\"client_secret\", process.env.CLIENT_SECRET);".to_owned(),
            "form = {**form, \"client_id\": CLIENT_ID, \"client_secret\": os.environ[\"CLIENT_SECRET\"]}".to_owned(),
        ),
        Method::None => (
            "-d \"client_id=$client_id\"".to_owned(),
            "body.set(\"client_id\", clientId);".to_owned(),
            "form = {**form, \"client_id\": CLIENT_ID}".to_owned(),
        ),
        // The connection carries the certificate: that is the work of whoever makes it.
        Method::TlsClientAuth | Method::SelfSignedTlsClientAuth => (
            "--cert client.pem --key client.key -d \"client_id=$client_id\"".to_owned(),
            "body.set(\"client_id\", clientId); // over TLS with your certificate (RFC 8705)".to_owned(),
            "form = {**form, \"client_id\": CLIENT_ID}  # over TLS with your certificate (RFC 8705)".to_owned(),
        ),
        // Signing is a library's work: the example takes the finished assertion.
        Method::PrivateKeyJwt | Method::ClientSecretJwt => (
            format!("-d client_assertion_type={ASSERTION} -d \"client_assertion=$CLIENT_ASSERTION\""),
            format!(
                "body.set(\"client_assertion_type\", \"{ASSERTION}\");\n\
                 body.set(\"client_assertion\", process.env.CLIENT_ASSERTION); // RFC 7523"
            ),
            format!(
                "form = {{**form, \"client_assertion_type\": \"{ASSERTION}\",\n        \
                 \"client_assertion\": os.environ[\"CLIENT_ASSERTION\"]}}  # RFC 7523"
            ),
        ),
    };
    let how = match language {
        Language::Shell => shell,
        Language::JavaScript => javascript,
        Language::Python => python,
    };
    let mut out = String::with_capacity(text.len() + how.len());
    for line in text.lines() {
        let is_about_secret = line.contains("export CLIENT_SECRET");
        if is_about_secret && !method.has_secret() {
            continue;
        }
        if line.trim() == "@AUTH@" {
            let indent = &line[..line.len() - line.trim_start().len()];
            how.lines().for_each(|own| {
                out.push_str(indent);
                out.push_str(own);
                out.push('\n');
            });
            continue;
        }
        out.push_str(&line.replace("@AUTH@", &how));
        out.push('\n');
    }
    out
}

/// A text as a literal of the language.
fn quoted(value: &str, language: Language) -> String {
    match language {
        Language::Shell => format!("'{}'", value.replace('\'', "'\\''")),
        // Python reads JSON's strings as its own.
        Language::JavaScript | Language::Python => Json::from(value).to_string(),
    }
}
