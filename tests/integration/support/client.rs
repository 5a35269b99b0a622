//! [`Client`]: a browser or a program that speaks to a [`super::TestSite`] or a [`super::ServerProcess`], with cookies and
//! credentials of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use doctyped::testing::web::Pipeline;
use poem::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use poem::{Endpoint, Request};
use serde_json::{Value as Json, json};

use super::site::Node;

/// Speaks to a site; keeps the cookies it gets.
#[derive(Clone)]
pub struct Client {
    way: Way,
    cookies: Arc<Mutex<BTreeMap<String, String>>>,
    headers: Vec<(String, String)>,
}

/// How requests reach the site.
#[derive(Clone)]
enum Way {
    /// Within this process.
    Direct(Arc<Pipeline>),
    /// Over the network, to this base address.
    Network(reqwest::Client, String),
}

/// What a site answered.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as text.
    pub body: String,
    /// The body as it came.
    pub bytes: Vec<u8>,
}

impl Way {
    async fn send(
        &self,
        method: Method,
        uri: &str,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> (StatusCode, HeaderMap, Vec<u8>) {
        match self {
            Self::Direct(endpoint) => {
                let mut request = Request::builder().method(method).uri_str(uri).body(body);
                *request.headers_mut() = headers;
                let mut response = endpoint.get_response(request).await;
                let bytes = response.take_body().into_bytes().await.unwrap();
                (response.status(), response.headers().clone(), bytes.to_vec())
            }
            Self::Network(http, base) => {
                let request = http.request(method, format!("{base}{uri}")).headers(headers).body(body);
                let response = request.send().await.unwrap();
                let (status, headers) = (response.status(), response.headers().clone());
                (status, headers, response.bytes().await.unwrap().to_vec())
            }
        }
    }
}

impl Client {
    /// Without cookies or credentials.
    pub fn new(endpoint: Arc<Pipeline>) -> Self {
        Self { way: Way::Direct(endpoint), cookies: Arc::default(), headers: Vec::new() }
    }

    /// The same over the network.
    pub fn over_network(base: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { way: Way::Network(http, base.to_owned()), cookies: Arc::default(), headers: Vec::new() }
    }

    /// The same client at another node of the site; it shares the cookies.
    pub fn at(&self, node: &Node) -> Self {
        Self { way: Way::Direct(Arc::clone(&node.endpoint)), ..self.clone() }
    }

    /// The same client, which sends a further header with every request; it shares the cookies.
    pub fn with_header(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        other.headers.push((name.to_owned(), value.to_owned()));
        other
    }

    /// The value of a cookie it has.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().unwrap().get(name).cloned()
    }

    /// The cookies it has, by name.
    pub fn cookies(&self) -> Vec<(String, String)> {
        self.cookies.lock().unwrap().clone().into_iter().collect()
    }

    /// Puts a cookie in place.
    pub fn set_cookie(&self, name: &str, value: &str) {
        self.cookies.lock().unwrap().insert(name.to_owned(), value.to_owned());
    }

    /// Logs in with a password, as API clients do.
    pub async fn log_in(&self, usr: &str, pwd: &str) -> Response {
        self.form("/api/method/login", &[("usr", usr), ("pwd", pwd)]).await
    }

    /// GET.
    #[must_use = "look at the answer: `.ok()`, `.error(status, exc_type)` or `.status(status)`"]
    pub async fn get(&self, uri: &str) -> Response {
        self.send(Method::GET, uri, "", String::new()).await
    }

    /// POST with a JSON body.
    #[must_use = "look at the answer: `.ok()`, `.error(status, exc_type)` or `.status(status)`"]
    pub async fn post(&self, uri: &str, body: Json) -> Response {
        self.json(Method::POST, uri, body).await
    }

    /// PUT with a JSON body.
    #[must_use = "look at the answer: `.ok()`, `.error(status, exc_type)` or `.status(status)`"]
    pub async fn put(&self, uri: &str, body: Json) -> Response {
        self.json(Method::PUT, uri, body).await
    }

    /// PATCH with a JSON body.
    #[must_use = "look at the answer: `.ok()`, `.error(status, exc_type)` or `.status(status)`"]
    pub async fn patch(&self, uri: &str, body: Json) -> Response {
        self.json(Method::PATCH, uri, body).await
    }

    /// DELETE.
    #[must_use = "look at the answer: `.ok()`, `.error(status, exc_type)` or `.status(status)`"]
    pub async fn delete(&self, uri: &str) -> Response {
        self.send(Method::DELETE, uri, "", String::new()).await
    }

    /// POST with a form as the body.
    pub async fn form(&self, uri: &str, fields: &[(&str, &str)]) -> Response {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send(Method::POST, uri, "application/x-www-form-urlencoded", body).await
    }

    /// Any method with a JSON body.
    #[must_use = "look at the answer: `.ok()`, `.error(status, exc_type)` or `.status(status)`"]
    pub async fn json(&self, method: Method, uri: &str, body: Json) -> Response {
        self.send(method, uri, "application/json", body.to_string()).await
    }

    /// Any request.
    #[must_use = "look at the answer: `.ok()`, `.error(status, exc_type)` or `.status(status)`"]
    pub async fn send(&self, method: Method, uri: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Response {
        let body = body.into();
        let mut headers = HeaderMap::new();
        headers.insert("content-length", HeaderValue::from(body.len()));
        if !content_type.is_empty() {
            headers.insert("content-type", HeaderValue::from_str(content_type).unwrap());
        }
        if !uri.starts_with("/api") && !self.headers.iter().any(|(name, _)| name == "accept") {
            // Pages are opened by browsers.
            headers.insert("accept", HeaderValue::from_static("text/html,*/*;q=0.8"));
        }
        for (name, value) in &self.headers {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let cookies: Vec<String> =
            self.cookies.lock().unwrap().iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            headers.insert("cookie", HeaderValue::from_str(&cookies.join("; ")).unwrap());
        }
        let (status, headers, bytes) = self.way.send(method, uri, headers, body).await;
        for cookie in headers.get_all("set-cookie") {
            self.keep(cookie.to_str().unwrap());
        }
        Response { status, headers, body: String::from_utf8_lossy(&bytes).into_owned(), bytes }
    }

    fn keep(&self, set_cookie: &str) {
        let (pair, attributes) = set_cookie.split_once(';').unwrap_or((set_cookie, ""));
        let (name, value) = pair.split_once('=').unwrap();
        let mut cookies = self.cookies.lock().unwrap();
        if attributes.contains("Max-Age=0") {
            cookies.remove(name);
        } else {
            cookies.insert(name.to_owned(), value.to_owned());
        }
    }

    /// Opens a stream of events; the site is in this process.
    pub async fn listen(&self, uri: &str) -> Result<Listener, Response> {
        let Way::Direct(endpoint) = &self.way else { panic!("streams are read within the process") };
        let mut request = Request::builder().method(Method::GET).uri_str(uri).finish();
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
        }
        let cookies: Vec<String> =
            self.cookies.lock().unwrap().iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request.headers_mut().insert("cookie", HeaderValue::from_str(&cookies.join("; ")).unwrap());
        }
        let mut response = endpoint.get_response(request).await;
        let (status, headers) = (response.status(), response.headers().clone());
        if status == StatusCode::OK {
            let parts = Box::pin(response.take_body().into_bytes_stream());
            return Ok(Listener { parts, text: String::new() });
        }
        let bytes = response.take_body().into_bytes().await.unwrap().to_vec();
        Err(Response { status, headers, body: String::from_utf8_lossy(&bytes).into_owned(), bytes })
    }

    /// Calls an RPC method by POST.
    #[must_use = "look at the answer: `.ok()`, `.error(status, exc_type)` or `.status(status)`"]
    pub async fn call(&self, method: &str, arguments: Json) -> Response {
        self.post(&format!("/api/method/{method}"), arguments).await
    }

    /// Creates a document.
    #[must_use = "look at the answer: `.ok()`, `.error(status, exc_type)` or `.status(status)`"]
    pub async fn create(&self, doctype: &str, values: Json) -> Response {
        self.post(&resource(doctype, None), values).await
    }

    /// Reads a document.
    #[must_use = "look at the answer: `.ok()`, `.error(status, exc_type)` or `.status(status)`"]
    pub async fn read(&self, doctype: &str, name: &str) -> Response {
        self.get(&resource(doctype, Some(name))).await
    }

    /// Changes a document.
    #[must_use = "look at the answer: `.ok()`, `.error(status, exc_type)` or `.status(status)`"]
    pub async fn update(&self, doctype: &str, name: &str, values: Json) -> Response {
        self.put(&resource(doctype, Some(name)), values).await
    }

    /// Deletes a document.
    #[must_use = "look at the answer: `.ok()`, `.error(status, exc_type)` or `.status(status)`"]
    pub async fn remove(&self, doctype: &str, name: &str) -> Response {
        self.delete(&resource(doctype, Some(name))).await
    }

    /// Lists documents; `query` is what stands behind the `?`, not encoded yet.
    #[must_use = "look at the answer: `.ok()`, `.error(status, exc_type)` or `.status(status)`"]
    pub async fn list(&self, doctype: &str, query: &str) -> Response {
        const QUERY: &percent_encoding::AsciiSet =
            &percent_encoding::NON_ALPHANUMERIC.remove(b'=').remove(b'&').remove(b'_').remove(b'-').remove(b'%');
        let query = percent_encoding::utf8_percent_encode(query, QUERY);
        self.get(&format!("{}?{query}", resource(doctype, None))).await
    }

    /// Who the site takes it for.
    #[track_caller]
    pub fn logged_user(&self) -> impl Future<Output = String> {
        let client = self.clone();
        async move {
            let answer = client.get("/api/method/frappe.auth.get_logged_user").await;
            match answer.status {
                StatusCode::OK => answer.json()["message"].as_str().unwrap().to_owned(),
                _ => "Guest".to_owned(),
            }
        }
    }
}

/// Reads a stream of events.
pub struct Listener {
    parts: std::pin::Pin<Box<dyn futures_util::Stream<Item = std::io::Result<bytes::Bytes>> + Send>>,
    text: String,
}

impl Listener {
    /// The next event with data: its id, its name and the data. `None`: the stream has ended. Fails if nothing comes.
    pub async fn next(&mut self) -> Option<(String, String, Json)> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                let line = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let Some(data) = line("data: ") else { continue };
                let data = serde_json::from_str(&data).unwrap();
                return Some((line("id: ").unwrap(), line("event: ").unwrap(), data));
            }
            let wait = std::time::Duration::from_secs(20);
            let part = tokio::time::timeout(wait, futures_util::StreamExt::next(&mut self.parts)).await;
            let part = part.expect("an event comes")?.unwrap();
            self.text.push_str(std::str::from_utf8(&part).unwrap());
        }
    }
}

/// The path of a DocType or document in API v1.
pub fn resource(doctype: &str, name: Option<&str>) -> String {
    let encode = |text: &str| -> String {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    match name {
        Some(name) => format!("/api/resource/{}/{}", encode(doctype), encode(name)),
        None => format!("/api/resource/{}", encode(doctype)),
    }
}

impl Response {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Json {
        match serde_json::from_str(&self.body) {
            Ok(json) => json,
            Err(error) => panic!("no JSON ({error}): {} {}", self.status, self.body),
        }
    }

    /// A success: `data`, else `message`, else the whole body.
    #[track_caller]
    pub fn ok(self) -> Json {
        assert!(self.status.is_success(), "{} {}", self.status, self.body);
        if self.body.is_empty() {
            return Json::Null;
        }
        let mut body = self.json();
        for key in ["data", "message"] {
            if let Some(result) = body.get_mut(key) {
                return result.take();
            }
        }
        body
    }

    /// A failure with that status and class; returns the body. Both envelopes are understood.
    #[track_caller]
    pub fn error(self, status: u16, exc_type: &str) -> Json {
        let body = if self.body.is_empty() { json!({}) } else { self.json() };
        let class = body["exc_type"].as_str().or_else(|| body["errors"][0]["type"].as_str()).unwrap_or("");
        assert_eq!((self.status.as_u16(), class), (status, exc_type), "{}", self.body);
        body
    }

    /// That status; returns the answer.
    #[track_caller]
    pub fn status(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self
    }

    /// A redirect; returns where to.
    #[track_caller]
    pub fn redirect(self) -> String {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        self.header("location").to_owned()
    }

    /// A header, empty if it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// The messages to people in `_server_messages`.
    #[track_caller]
    pub fn server_messages(&self) -> Vec<String> {
        let body = self.json();
        let texts: Vec<String> = serde_json::from_str(body["_server_messages"].as_str().unwrap_or("[]")).unwrap();
        texts
            .iter()
            .map(|text| serde_json::from_str::<Json>(text).unwrap()["message"].as_str().unwrap().to_owned())
            .collect()
    }
}
