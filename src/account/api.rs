//! The hand-written endpoints that every client starts with, described for OpenAPI by poem-openapi.
#![expect(clippy::unused_async, reason = "the macro wants every operation to be async")]

use std::sync::Arc;

use poem::endpoint::BoxEndpoint;
use poem::http::{HeaderMap, Method};
use poem::{EndpointExt, IntoEndpoint, Request, Response};
use poem_openapi::payload::{Form, Json};
use poem_openapi::{ApiRequest, ApiResponse, Object, OpenApi, OpenApiService, Tags};
use serde::Deserialize;

use crate::account::login::{Reply, Sent};
use crate::account::password::Passwords;
use crate::account::{health, login};
use crate::error::Error;
use crate::foreign;
use crate::web::{Plugins, RequestContext, Route, Site};

/// The paths of [`Api`] and their HTTP methods.
const PATHS: [(&str, &[Method]); 4] = [
    ("/api/method/login", &[Method::POST]),
    ("/api/method/logout", &[Method::GET, Method::POST]),
    ("/health/live", &[Method::GET]),
    ("/health/ready", &[Method::GET]),
];

/// Registers the endpoints and their OpenAPI document.
pub(super) fn register(plugins: &mut Plugins, passwords: &Passwords) {
    let service =
        OpenApiService::new(Api { passwords: passwords.clone() }, "Doctyped", env!("CARGO_PKG_VERSION")).server("/");
    let spec = serde_json::from_str(&service.spec()).expect("poem-openapi writes JSON");
    plugins.openapi.push(spec);
    let endpoint: Arc<BoxEndpoint<'static, Response>> =
        Arc::new(service.into_endpoint().before(read_without_mark).map_to_response().boxed());
    for (path, methods) in PATHS {
        plugins.route(Route::endpoint_for(path, methods, Arc::clone(&endpoint)));
    }
}

/// What poem-openapi reads as JSON comes without a byte order mark, as elsewhere.
async fn read_without_mark(mut request: Request) -> poem::Result<Request> {
    let bytes = request.take_body().into_bytes().await?;
    request.set_body(foreign::without_mark(&bytes).to_vec());
    Ok(request)
}

#[derive(Tags)]
enum Tag {
    /// Logging in and out.
    Account,
    /// Whether the site is well.
    Health,
}

/// Who logs in.
#[derive(Object, Deserialize)]
struct LoginRequest {
    /// The email address or the username.
    #[oai(validator(min_length = 1, max_length = 500))]
    usr: Option<String>,
    /// The password.
    #[oai(validator(min_length = 1, max_length = 4096))]
    pwd: Option<String>,
    /// The code of the second factor, in a second request with `tmp_id`.
    #[oai(validator(min_length = 1, max_length = 50))]
    otp: Option<String>,
    /// What the answer to the first request said, where a code is asked for.
    #[oai(validator(min_length = 1, max_length = 4096))]
    tmp_id: Option<String>,
}

#[derive(ApiRequest)]
enum LoginBody {
    /// As JSON.
    Json(Json<LoginRequest>),
    /// As a form.
    Form(Form<LoginRequest>),
}

/// Who has logged in; or, with `verification` and `tmp_id` alone, that a code is asked for.
#[derive(Default, Object)]
#[oai(skip_serializing_if_is_none)]
struct LoginAnswer {
    /// `Logged In`, or `No App` for people who do not use the desk.
    message: Option<String>,
    /// Where a browser goes next.
    home_page: Option<String>,
    /// The person's name.
    full_name: Option<String>,
    /// How the second factor is proved: `{"method": "OTP App", "setup": true}`.
    verification: Option<serde_json::Value>,
    /// What is to be sent along with the code, within ten minutes.
    tmp_id: Option<String>,
}

/// A method that has no result.
#[derive(Object)]
struct Nothing {}

/// What is wrong, in Frappe's words.
#[derive(Object)]
struct ErrorAnswer {
    /// The class of the error.
    exc_type: String,
    /// The class and the message in a JSON list; never a traceback.
    exc: String,
    /// The same as plain text.
    exception: String,
    /// The messages to people: a JSON list of JSON texts.
    #[oai(rename = "_server_messages")]
    server_messages: String,
}

#[derive(ApiResponse)]
enum LoginResponse {
    /// Logged in, and the cookie `sid` carries the session; or a code is asked for.
    #[oai(status = 200)]
    Ok(Json<LoginAnswer>),
    /// User or password do not match; the answer does not say which.
    #[oai(status = 401)]
    #[expect(dead_code, reason = "errors become answers in the pipeline; this documents them")]
    Refused(Json<ErrorAnswer>),
    /// Too many attempts: `Retry-After` says when to try again.
    #[oai(status = 429)]
    #[expect(dead_code, reason = "errors become answers in the pipeline; this documents them")]
    Locked(Json<ErrorAnswer>),
}

/// How the site is.
#[derive(Object)]
struct Health {
    /// `ok`.
    status: String,
}

/// How this node is.
#[derive(Object)]
struct Readiness {
    /// `ok`.
    status: String,
    /// What stands for the DocType definitions that this node runs: the same at every node that runs the same.
    definitions: String,
}

struct Api {
    passwords: Passwords,
}

#[OpenApi]
impl Api {
    /// Log in with a password.
    #[oai(path = "/api/method/login", method = "post", tag = "Tag::Account", operation_id = "login")]
    async fn login(
        &self,
        site: Site,
        context: RequestContext,
        headers: &HeaderMap,
        body: LoginBody,
    ) -> poem::Result<LoginResponse> {
        let (LoginBody::Json(Json(sent)) | LoginBody::Form(Form(sent))) = body;
        let missing =
            |name: &str| Error::BadRequest(format!("{name} is missing: send `usr` and `pwd`, or `tmp_id` and `otp`"));
        let sent = match sent.tmp_id {
            Some(tmp_id) => Sent::Code { tmp_id, otp: sent.otp.ok_or_else(|| missing("otp"))? },
            None => Sent::Password {
                usr: sent.usr.ok_or_else(|| missing("usr"))?,
                pwd: sent.pwd.ok_or_else(|| missing("pwd"))?,
            },
        };
        let answer = match login::by_program(&site, &context, headers, &self.passwords, sent).await? {
            Reply::In(done) => LoginAnswer {
                message: Some(done.message.to_owned()),
                home_page: Some(done.home_page),
                full_name: Some(done.full_name),
                ..LoginAnswer::default()
            },
            Reply::Code(tmp_id) => LoginAnswer {
                verification: Some(login::verification()),
                tmp_id: Some(tmp_id),
                ..LoginAnswer::default()
            },
        };
        Ok(LoginResponse::Ok(Json(answer)))
    }

    /// End the session of the cookie.
    #[oai(path = "/api/method/logout", method = "post", tag = "Tag::Account", operation_id = "logout")]
    async fn logout(&self, site: Site, context: RequestContext, headers: &HeaderMap) -> poem::Result<Json<Nothing>> {
        login::log_out(&site, &context, headers).await?;
        Ok(Json(Nothing {}))
    }

    /// End the session of the cookie, as older clients do.
    #[oai(path = "/api/method/logout", method = "get", tag = "Tag::Account", operation_id = "logout_by_get")]
    async fn logout_by_get(
        &self,
        site: Site,
        context: RequestContext,
        headers: &HeaderMap,
    ) -> poem::Result<Json<Nothing>> {
        login::log_out_by_get(&site, &context, headers).await?;
        Ok(Json(Nothing {}))
    }

    /// Ask whether the process lives.
    #[oai(path = "/health/live", method = "get", tag = "Tag::Health", operation_id = "health_live")]
    async fn live(&self) -> Json<Health> {
        Json(Health { status: "ok".to_owned() })
    }

    /// Ask whether requests can be served: the database answers, this node runs the definitions in force, and it is not
    /// about to stop.
    #[oai(path = "/health/ready", method = "get", tag = "Tag::Health", operation_id = "health_ready")]
    async fn ready(&self, site: Site) -> poem::Result<Json<Readiness>> {
        health::check_ready(&site).await?;
        let definitions = site.doctype_files.version().to_string();
        Ok(Json(Readiness { status: "ok".to_owned(), definitions }))
    }
}
