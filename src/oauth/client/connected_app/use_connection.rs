//! Using a connection: calling a provider's API on behalf of a person, in Rust and over REST.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use poem::http::header::{HeaderName, HeaderValue};
use poem::http::{Method as HttpMethod, StatusCode};
use serde_json::{Map, Value as Json};
use url::Url;

use crate::document::Documents;
use crate::error::{Error, ProblemKind, Result};
use crate::oauth::client::Providers;
use crate::oauth::client::connected_app::app::{ConnectedApp, DOCTYPE};
use crate::oauth::client::connected_app::methods::user_of;
use crate::oauth::client::connected_app::provider_answer::ProviderAnswer;
use crate::oauth::client::connected_app::{renewal, web_application_flow};
use crate::outgoing::Answering;
use crate::permissions::Session;
use crate::permissions::session::ROLE_SYSTEM_MANAGER;
use crate::secret;
use crate::web::{Answer, Call, Method, Param, Plugins, Verbs, handler};

/// The methods that may be used.
const VERBS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
/// Headers of the caller that may go to the provider.
const REQUEST_HEADERS: [&str; 9] = [
    "accept",
    "accept-language",
    "content-type",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "prefer",
    "range",
    "idempotency-key",
];
/// The arguments of a request; others are refused.
const ARGUMENTS: [&str; 8] = ["connected_app", "path", "verb", "query", "headers", "body", "user", "as_app"];
/// What Frappe's clients send beside the arguments of a method.
const BESIDE: [&str; 8] = ["args", "cmd", "csrf_token", "dn", "docs", "dt", "method", "run_method"];
/// For how long a token that the provider's API refuses, although it was renewed, is not renewed again.
const REFUSED_FOR: Duration = Duration::from_hours(1);

/// The access tokens that were renewed because the API refused the one before, and were refused as well.
pub(crate) struct RefusedTokens(Cache<String, ()>);

impl Default for RefusedTokens {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(10_000).time_to_live(REFUSED_FOR).build())
    }
}

/// A request to a provider's API.
#[derive(Clone, Debug)]
pub(crate) struct ProviderRequest {
    /// The HTTP method.
    pub verb: HttpMethod,
    /// A path below the first of the app's base URLs, or an address below any of them.
    pub path: String,
    /// Parameters for the query.
    pub query: Vec<(String, String)>,
    /// Headers, of those that are passed on.
    pub headers: Vec<(String, String)>,
    /// The body, if there is one.
    pub body: Option<Vec<u8>>,
    /// The person; `None`: who asks.
    pub user: Option<String>,
    /// As the app itself, without a person.
    pub as_app: bool,
}

impl ProviderRequest {
    /// A plain read.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self {
            verb: HttpMethod::GET,
            path: path.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            user: None,
            as_app: false,
        }
    }

    /// From the arguments of the REST method.
    pub(crate) fn from_arguments(arguments: &Map<String, Json>) -> Result<Self> {
        let wrong = |message: &str| Error::invalid(ProblemKind::Type, message.to_owned());
        let is_known = |name: &str| ARGUMENTS.contains(&name) || BESIDE.contains(&name);
        if let Some(unknown) = arguments.keys().find(|name| !is_known(name)) {
            let known = ARGUMENTS.join(", ");
            return Err(wrong(&format!("{unknown} is not an argument of a request: use {known}")));
        }
        let given = |name: &str| arguments.get(name).filter(|value| !value.is_null());
        let text = |name: &str| given(name).and_then(Json::as_str).filter(|text| !text.is_empty());
        // Form bodies carry objects as JSON texts.
        let object = |name: &str| match given(name) {
            Some(Json::String(text)) => serde_json::from_str(text).unwrap_or(Json::Null),
            Some(other) => other.clone(),
            None => Json::Null,
        };
        let verb = text("verb").unwrap_or("GET").to_ascii_uppercase();
        if !VERBS.contains(&verb.as_str()) {
            return Err(wrong(&format!("verb must be one of {}", VERBS.join(", "))));
        }
        let mut request =
            Self::get(text("path").ok_or_else(|| wrong("path is missing: send the path at the provider"))?);
        request.verb = HttpMethod::from_str(&verb).map_err(|_| wrong("verb is not an HTTP method"))?;
        request.query = pairs(&object("query"), "query")?;
        request.headers = pairs(&object("headers"), "headers")?;
        for (name, value) in &request.headers {
            if HeaderName::from_str(name).is_err() || HeaderValue::from_str(value).is_err() {
                return Err(wrong(&format!("headers holds {name}, which is not a header as HTTP has it")));
            }
        }
        request.user = text("user").map(str::to_owned);
        request.as_app = given("as_app").is_some_and(|on| on == true || on == 1 || on == "1" || on == "true");
        match given("body") {
            None => {}
            Some(Json::String(text)) => request.body = Some(text.clone().into_bytes()),
            Some(json) => {
                request.body = Some(json.to_string().into_bytes());
                if !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
                    request.headers.push(("content-type".to_owned(), "application/json".to_owned()));
                }
            }
        }
        Ok(request)
    }
}

fn pairs(value: &Json, name: &str) -> Result<Vec<(String, String)>> {
    let Some(object) = value.as_object() else {
        return match value {
            Json::Null => Ok(Vec::new()),
            _ => Err(Error::invalid(ProblemKind::Type, format!("{name} must be an object of names and texts"))),
        };
    };
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut out = Vec::new();
    for (key, value) in object {
        match value {
            Json::Array(several) => out.extend(several.iter().map(|one| (key.clone(), text(one)))),
            Json::Null => {}
            one => out.push((key.clone(), text(one))),
        }
    }
    Ok(out)
}

/// The address that a path means, if it is below one of the app's base URLs; a token goes nowhere else.
pub(crate) fn target(app: &ConnectedApp, path: &str, query: &[(String, String)]) -> Result<Url> {
    let refuse = |message: String| Error::invalid(ProblemKind::Validation, message);
    let Some(first) = app.allowed_base_urls.first() else {
        return Err(refuse(format!(
            "The Connected App {} allows no calls: enter its API under Allowed Base URLs",
            app.provider_name
        )));
    };
    let is_whole = path.starts_with("https://") || path.starts_with("http://");
    let text = if is_whole {
        path.to_owned()
    } else {
        format!("{}/{}", first.trim_end_matches('/'), path.trim_start_matches('/'))
    };
    let mut url = Url::parse(&text).map_err(|_| refuse(format!("{path} is not a path")))?;
    url.set_fragment(None);
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    let allowed =
        app.allowed_base_urls.iter().filter_map(|base| Url::parse(base).ok()).any(|base| is_below(&url, &base));
    if !allowed || !is_plain(url.path()) || !url.username().is_empty() || url.password().is_some() {
        return Err(refuse(format!("{} is not below one of the Allowed Base URLs of {}", path, app.provider_name)));
    }
    Ok(url)
}

/// How often a path may be encoded before it means what it says.
const MAX_ENCODINGS: usize = 8;

/// Whether every server reads a path in the same way: they differ in encoded slashes and dots, in what is encoded twice,
/// and in what follows a semicolon, so that no path with such parts is surely below its base.
fn is_plain(path: &str) -> bool {
    let mut text = path.to_owned();
    for _ in 0..MAX_ENCODINGS {
        let lower = text.to_ascii_lowercase();
        // `%c0` and `%c1` begin overlong forms of ASCII letters; `%u002e` is how some servers write a dot.
        if ["%2e", "%2f", "%5c", "%c0", "%c1", "%u", "\\"].iter().any(|odd| lower.contains(odd)) {
            return false;
        }
        let is_dots = |part: &str| matches!(part.split(';').next().unwrap_or_default().trim(), "." | "..");
        if (text != path && text.contains(char::is_control)) || text.split('/').any(is_dots) {
            return false;
        }
        let decoded = percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if decoded == text {
            return true;
        }
        text = decoded;
    }
    false
}

/// Parsed addresses are compared, so that dot segments and host names cannot pretend.
fn is_below(url: &Url, base: &Url) -> bool {
    let root = base.path().trim_end_matches('/');
    url.origin() == base.origin()
        && url.path().strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Sends a request with the connection of a person; renews the token once if the provider refuses it.
pub(crate) async fn send(
    providers: &Arc<Providers>,
    documents: &Documents,
    session: &Session,
    app: &ConnectedApp,
    request: ProviderRequest,
) -> Result<ProviderAnswer> {
    let url = target(app, &request.path, &request.query)?;
    let user = match request.as_app {
        true if session.has_role(ROLE_SYSTEM_MANAGER) => String::new(),
        true => {
            return Err(Error::Permission("Only a System Manager may call a provider as the app itself".to_owned()));
        }
        false => user_of(session, request.user.as_deref())?,
    };
    let mut connection = if request.as_app {
        web_application_flow::backend_token(providers, documents, app).await?
    } else {
        renewal::active(providers, documents, app, &user).await?.ok_or_else(|| not_connected(app, &user))?
    };
    let mut renewed = false;
    loop {
        let token = connection.access_token.clone().ok_or_else(|| not_connected(app, &user))?;
        let answer = once(providers, documents, &url, &request, &token).await?;
        if answer.status != StatusCode::UNAUTHORIZED || request.as_app || connection.refresh_token.is_none() {
            return Ok(ProviderAnswer(answer));
        }
        // An API that refuses every token would have one renewed at every call.
        let refused = &providers.refused_tokens.0;
        if renewed {
            refused.insert(secret::digest(&token), ());
        }
        if renewed || refused.contains_key(&secret::digest(&token)) {
            return Ok(ProviderAnswer(answer));
        }
        renewed = true;
        connection = renewal::renew_refused(providers, documents, app, &user, token)
            .await?
            .ok_or_else(|| not_connected(app, &user))?;
    }
}

async fn once(
    providers: &Providers,
    documents: &Documents,
    url: &Url,
    request: &ProviderRequest,
    token: &str,
) -> Result<Answering> {
    let timeout = providers.outgoing.timeout() * 2;
    let answer = providers.outgoing.send(documents, request.verb.clone(), url.as_str(), timeout, |sending| {
        let mut sending = sending.bearer_auth(token);
        for (name, value) in &request.headers {
            if REQUEST_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
                sending = sending.header(name, value);
            }
        }
        match &request.body {
            Some(body) => sending.body(body.clone()),
            None => sending,
        }
    });
    Ok(answer.await?)
}

fn not_connected(app: &ConnectedApp, user: &str) -> Error {
    Error::invalid(
        ProblemKind::Validation,
        format!("{user} is not connected to {}: connect first, at /connected-app/{}", app.provider_name, app.name),
    )
}

/// Registers the method that streams a provider's answer.
pub(crate) fn register(plugins: &mut Plugins, providers: &Arc<Providers>) {
    const PARAMS: &[Param] = &[
        Param::required("connected_app", "string", "The name of the Connected App"),
        Param::required("path", "string", "The path below the app's first Allowed Base URL, or an address below any"),
        Param::optional("verb", "string", "GET, HEAD, POST, PUT, PATCH or DELETE; GET if left out"),
        Param::optional("query", "object", "Parameters for the query"),
        Param::optional("headers", "object", "Headers for the provider, such as Accept"),
        Param::optional("body", "any", "The body: text as it is, everything else as JSON"),
        Param::optional("user", "string", "Whose connection is used; another's only by a System Manager"),
        Param::optional("as_app", "boolean", "Calls as the app itself; only for a System Manager"),
    ];
    let providers = Arc::clone(providers);
    plugins.method(Method {
        path: "frappe.integrations.doctype.connected_app.connected_app.request",
        verbs: Verbs::POST,
        guest: false,
        guarded: false,
        summary: "Calls the API of a Connected App's provider with the caller's connection and passes the answer on",
        params: PARAMS,
        handler: handler(move |call| answer(call, Arc::clone(&providers))),
    });
}

async fn answer(call: Call, providers: Arc<Providers>) -> Result<Answer> {
    let documents = &call.site.documents;
    let name = call.args().required("connected_app")?;
    let document = documents.get(call.session(), DOCTYPE, &name).await?;
    let app = ConnectedApp::from(&*document);
    let request = ProviderRequest::from_arguments(&call.arguments)?;
    let answer = send(&providers, documents, call.session(), &app, request).await?;
    Ok(Answer::raw(answer.into_response()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(bases: &[&str]) -> ConnectedApp {
        ConnectedApp {
            provider_name: "Example".to_owned(),
            allowed_base_urls: bases.iter().map(|base| (*base).to_owned()).collect(),
            ..ConnectedApp::default()
        }
    }

    #[test]
    fn a_token_goes_below_the_allowed_addresses_only() {
        let app = app(&["https://api.example/v1/", "https://other.example/x"]);
        for (path, expected) in [
            ("users", "https://api.example/v1/users"),
            ("50%25;v=1/a%20b", "https://api.example/v1/50%25;v=1/a%20b"),
            ("/users?a=1", "https://api.example/v1/users?a=1"),
            ("https://api.example/v1/users", "https://api.example/v1/users"),
            ("https://other.example/x", "https://other.example/x"),
            ("https://other.example/x/y", "https://other.example/x/y"),
        ] {
            assert_eq!(target(&app, path, &[]).unwrap().as_str(), expected, "{path}");
        }
        for path in [
            "../v2/users",
            "..%2fv2",
            "%2e%2e/v2",
            "/../../secret",
            "https://api.example/v1x/",
            "https://api.example/",
            "https://evil.example/v1/",
            "https://api.example.evil.example/v1/",
            "http://api.example/v1/users",
            "https://api.example@evil.example/v1/",
            "https://user@api.example/v1/users",
            "https://api.example:8443/v1/x",
            "https://other.example/xy",
            "a\\..\\..\\b",
            "..;/secret",
            "x/..;a=b/secret",
            ".%3b/..%3B/secret",
            "%252e%252e/secret",
            "%25252e%25252e%25252fsecret",
            "%c0%ae%c0%ae/secret",
            "%u002e%u002e/secret",
            "..%00/secret",
            "a%250d%250ab",
        ] {
            assert!(target(&app, path, &[]).is_err(), "{path}: {:?}", target(&app, path, &[]));
        }
        assert!(target(&self::app(&[]), "users", &[]).is_err());
    }

    #[test]
    fn parameters_are_encoded() {
        let query = [("q".to_owned(), "a&b=c".to_owned())];
        let url = target(&app(&["https://api.example"]), "search", &query).unwrap();
        assert_eq!(url.as_str(), "https://api.example/search?q=a%26b%3Dc");
    }
}
