//! The endpoints that clients send people to: `authorize` and `end_session`.
#![expect(clippy::unused_async, reason = "the macro wants every operation to be async")]

use poem_openapi::payload::Html;
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::parts::{FormOf, Tag, answered_elsewhere};
use crate::oauth::protocol::authorization_response::ResponseMode;

/// An authorization request: the parameters of RFC 6749 section 4.1.1 and of its extensions.
#[derive(Object)]
#[oai(rename = "OAuthAuthorizationParameters")]
pub(super) struct AuthorizationParameters {
    /// `code`.
    response_type: Option<String>,
    /// Where the answer goes: exactly as registered. It may be left out if only one is.
    redirect_uri: Option<String>,
    /// What is asked for, separated by spaces.
    scope: Option<String>,
    /// Comes back with the answer.
    state: Option<String>,
    /// The SHA-256 digest of the verifier, base64url (RFC 7636).
    code_challenge: Option<String>,
    /// `S256`.
    code_challenge_method: Option<String>,
    /// For which resources the token is meant (RFC 8707).
    resource: Option<Vec<String>>,
    /// How the answer travels.
    response_mode: Option<ResponseMode>,
    /// Comes back in the id token.
    nonce: Option<String>,
    /// `none`, or some of `login`, `consent` and `select_account`, separated by spaces.
    prompt: Option<String>,
    /// How old the login may be, in seconds.
    max_age: Option<u32>,
    /// Whom the client expects to log in.
    login_hint: Option<String>,
    /// An id token of that person.
    id_token_hint: Option<String>,
    /// How strongly they should have proved who they are.
    acr_values: Option<String>,
    /// The languages it would like.
    ui_locales: Option<String>,
    /// The thumbprint of the key to which the code shall be bound (RFC 9449 section 10).
    dpop_jkt: Option<String>,
    /// The request itself, signed (RFC 9101); of the other parameters only `client_id` counts then.
    request: Option<String>,
}

/// An authorization request that a browser brings.
#[derive(Object)]
#[oai(rename = "OAuthAuthorizationRequest")]
struct AuthorizationRequest {
    /// Who asks.
    client_id: String,
    /// A pushed request (RFC 9126), in place of all but `client_id`.
    request_uri: Option<String>,
    #[oai(flatten)]
    parameters: AuthorizationParameters,
}

/// A wish that the person be logged out (RP-Initiated Logout section 2).
#[derive(Object)]
#[oai(rename = "OAuthEndSessionRequest")]
struct EndSessionRequest {
    /// An id token of the person; it may have expired.
    id_token_hint: Option<String>,
    /// The client, unless the hint names it.
    client_id: Option<String>,
    /// Where to go afterwards: exactly as registered.
    post_logout_redirect_uri: Option<String>,
    /// Comes back there.
    state: Option<String>,
}

#[derive(ApiResponse)]
#[expect(dead_code, reason = "the handlers answer; this describes them")]
enum Authorized {
    /// A page that posts the answer to the client, with `response_mode` `form_post`.
    #[oai(status = 200)]
    Page(Html<String>),
    /// To the login, to the consent page, or back to the client with `code` or `error`, `state` and `iss`.
    #[oai(status = 303)]
    Redirect(
        /// Where to.
        #[oai(header = "Location")]
        String,
    ),
    /// A page: the client or the redirect URI cannot be trusted, so nobody is sent anywhere.
    #[oai(status = 400)]
    Untrusted(Html<String>),
}

#[derive(ApiResponse)]
#[expect(dead_code, reason = "the handlers answer; this describes them")]
enum LoggedOut {
    /// A page that asks the person, says that they are logged out, or leads on.
    #[oai(status = 200)]
    Page(Html<String>),
    /// Back to the client, or to the logout of the provider that the person had logged in with.
    #[oai(status = 303)]
    Redirect(
        /// Where to.
        #[oai(header = "Location")]
        String,
    ),
    /// A page: something about the request is wrong, so nobody is sent anywhere.
    #[oai(status = 400)]
    Invalid(Html<String>),
}

/// The endpoints. By GET, the fields of the form are parameters of the query.
pub(super) struct Browser;

#[OpenApi(tag = "Tag::OAuth")]
impl Browser {
    /// Ask a person for access; opened in their browser.
    #[oai(path = "/api/method/frappe.integrations.oauth2.authorize", method = "get", operation_id = "authorize")]
    async fn authorize(&self) -> Authorized {
        answered_elsewhere()
    }

    /// The same by a form, for long requests.
    #[oai(
        path = "/api/method/frappe.integrations.oauth2.authorize",
        method = "post",
        operation_id = "authorize_by_form"
    )]
    async fn authorize_by_form(&self, _form: FormOf<AuthorizationRequest>) -> Authorized {
        answered_elsewhere()
    }

    /// Log a person out, who is asked unless the hint is of their very session; opened in their browser.
    #[oai(path = "/api/method/frappe.integrations.oauth2.end_session", method = "get", operation_id = "end_session")]
    async fn end_session(&self) -> LoggedOut {
        answered_elsewhere()
    }

    /// The same by a form, which keeps the id token out of the address.
    #[oai(
        path = "/api/method/frappe.integrations.oauth2.end_session",
        method = "post",
        operation_id = "end_session_by_form"
    )]
    async fn end_session_by_form(&self, _form: FormOf<EndSessionRequest>) -> LoggedOut {
        answered_elsewhere()
    }
}
