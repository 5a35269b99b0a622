//! The authorization endpoint: checks a request, and leads the person through login and consent to the code.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use poem::Response;
use poem::http::{HeaderValue, Method, StatusCode, header};
use serde_json::json;

use super::client_authentication::look_up;
use super::end_session::verify_hint;
use super::endpoint::read_form_text;
use super::{APPROVE, Server, consent, metadata_document, other_account, par, request_object};
use crate::document::Work;
use crate::error::{Error as SiteError, Result};
use crate::meta::Value;
use crate::oauth::authorization_server::tokens::new_family;
use crate::oauth::client_form::try_it::sign_in;
use crate::oauth::credentials;
use crate::oauth::protocol::authorization_request::{AuthorizationRequest, client_id, unknown_client};
use crate::oauth::protocol::authorization_response::AuthorizationResponse;
use crate::oauth::protocol::id_token;
use crate::oauth::protocol::jwt::JwtError;
use crate::oauth::protocol::logout::Hint;
use crate::oauth::protocol::par::{RequestUri, unknown_request_uri};
use crate::oauth::protocol::pkce::CodeChallenge;
use crate::oauth::protocol::prompt::{Consent, ConsentFacts, Login, Step, consent as consent_needed, decide};
use crate::oauth::protocol::token::TokenKind;
use crate::oauth::protocol::{AuthorizeError, Error, ErrorCode, Parameters};
use crate::oauth::site_scopes::SiteScopes;
use crate::oauth::subject::subject_of;
use crate::oauth::views::fields::{lines_value, parse_time, text_value, time_value};
use crate::oauth::views::oauth_authorization_code::OAUTH_AUTHORIZATION_CODE;
use crate::oauth::views::oauth_authorization_request::{OAUTH_AUTHORIZATION_REQUEST, keep};
use crate::oauth::views::{OAuthClient, OAuthSettings, StoredRequest, oauth_grant};
use crate::permissions::Session;
use crate::secret;
use crate::web::{Credentials, Exchange};

/// The kind of a request with which an administrator tries a client out.
pub const TRY_OUT: &str = "Try It";
/// How long a person has to log in and answer.
pub const REQUEST_LIFETIME: Duration = Duration::minutes(10);

/// Answers GET and POST of `…authorize`.
pub async fn authorize(mut exchange: Exchange, server: Arc<Server>) -> Result<Response> {
    let is_post = *exchange.verb() == Method::POST;
    let text = if is_post {
        match read_form_text(&mut exchange.request).await {
            Ok(text) => text,
            Err(_) => return error_page(&exchange, &Error::invalid_request("Send the parameters as a form")).await,
        }
    } else {
        exchange.request.uri().query().unwrap_or_default().to_owned()
    };
    let settings = OAuthSettings::load(&exchange.site.documents).await?;
    match check(&exchange, &server, &settings, &text).await? {
        // Browsers send no session cookie along with a form from another site, so it goes on with a page from here.
        Ok((client, request)) if is_post && exchange.session().is_guest() => {
            let id = secret::random_id();
            let documents = &exchange.site.documents;
            keep(documents, "Authorize", &client.name, &request, &id, REQUEST_LIFETIME).await?;
            Ok(redirect(&format!("{APPROVE}?request_id={id}")))
        }
        Ok((client, request)) => {
            let now = exchange.site.documents.clock().now();
            proceed(&exchange, &server, &settings, &client, &request, now, None).await
        }
        Err(AuthorizeError::Page(error)) => error_page(&exchange, &error).await,
        Err(AuthorizeError::Redirect(redirected)) => send(&exchange, redirected.response(), false).await,
    }
}

type Checked = std::result::Result<(OAuthClient, AuthorizationRequest), AuthorizeError>;

/// Finds the client and checks the request.
async fn check(exchange: &Exchange, server: &Server, settings: &OAuthSettings, text: &str) -> Result<Checked> {
    let documents = &exchange.site.documents;
    let parameters = match Parameters::parse(text) {
        Ok(parameters) => parameters,
        Err(error) => return Ok(Err(AuthorizeError::Page(error))),
    };
    let client_id = match client_id(&parameters) {
        Ok(client_id) => client_id,
        Err(error) => return Ok(Err(error)),
    };
    let client = match look_up(exchange, server, client_id).await? {
        Ok(client) if client.enabled => client,
        Ok(_) => return Ok(Err(AuthorizeError::Page(unknown_client()))),
        Err(error) => {
            let error = metadata_document::explain(exchange.session(), error);
            return Ok(Err(AuthorizeError::Page(error)));
        }
    };
    let resources = settings.resources(documents.site_url());
    let scopes = SiteScopes::now(&exchange.site, &server.catalogue, settings).await?;
    let (ceiling, rules) = (scopes.ceiling(&client), settings.rules(documents.site_url(), &resources, &scopes));
    let read = match parameters.get("request_uri").map(RequestUri::parse) {
        Some(Ok(uri)) if parameters.get("request").is_none() && !parameters.is_repeated("request_uri") => {
            let pushed = par::take(documents, &client, &uri).await?;
            return Ok(pushed
                .map(|request| (client, request))
                .ok_or_else(|| AuthorizeError::Page(unknown_request_uri())));
        }
        Some(Ok(_)) => Err(Error::invalid_request("Send request_uri once, and no request beside it")),
        Some(Err(error)) => Err(error),
        None => request_object::read(documents, server, &client, &parameters).await?,
    };
    let request = match read {
        Ok((parameters, origin)) => AuthorizationRequest::parse(&parameters, origin, &client.rules(&ceiling), &rules),
        Err(error) => Err(AuthorizationRequest::refuse(&parameters, &client.rules(&ceiling), &rules, error)),
    };
    Ok(request.map(|request| (client, request)))
}

/// Answers GET of `…approve`: goes on with a request that is kept here, after a login or for its answer.
///
/// It shows pages and passes on what was allowed before; it never allows anything.
pub async fn resume(exchange: Exchange, server: Arc<Server>) -> Result<Response> {
    let query = exchange.query();
    let id = query.iter().find(|(name, _)| name == "request_id").map_or("", |(_, value)| value.as_str());
    let Some((stored, client)) = find_pending(&exchange, id).await? else {
        return error_page(&exchange, &expired()).await;
    };
    let settings = OAuthSettings::load(&exchange.site.documents).await?;
    let request = stored.request.clone();
    let kept = Some((id, &stored));
    proceed(&exchange, &server, &settings, &client, &request, stored.requested_at, kept).await
}

/// What is said of a request that is unknown, too old or answered.
pub fn expired() -> Error {
    Error::invalid_request("This request has expired or was answered: go back to the application and start again")
}

/// A request that waits for its answer, with its client; `None` if there is none, or not any more.
pub async fn find_pending(exchange: &Exchange, id: &str) -> Result<Option<(StoredRequest, OAuthClient)>> {
    let documents = &exchange.site.documents;
    if id.is_empty() {
        return Ok(None);
    }
    let found = credentials::find_digest(documents, OAUTH_AUTHORIZATION_REQUEST, "request_digest", id).await?;
    // What was pushed or belongs to a device is not answered here.
    let Some(document) = found.filter(|found| matches!(found.text("kind"), "Authorize" | TRY_OUT)) else {
        return Ok(None);
    };
    let stored = StoredRequest::try_from(&*document)?;
    let now = documents.clock().now();
    let is_try_out = stored.kind == TRY_OUT;
    if !stored.is_pending || stored.expires_at.is_none_or(|at| at <= now) {
        return Ok(None);
    }
    let client = OAuthClient::find_by_name(documents, &stored.client).await?.filter(|client| client.enabled);
    if is_try_out {
        // Such a request opens only in the session that made it, and its answer goes only to this site.
        let own = Person::of(exchange).await?.map(|person| person.session_digest());
        let is_own = own.is_some() && own == stored.session_digest;
        let uri = stored.request.target.redirect_uri.as_str();
        let client = client.filter(|client| is_own && uri == sign_in::redirect_uri(documents.site_url(), client));
        return Ok(client.map(|client| (stored, client)));
    }
    // The redirect URI must still be the client's own.
    let uri = stored.request.target.redirect_uri.as_str();
    Ok(client.filter(|client| client.redirect_uris.resolve(Some(uri), false).is_ok()).map(|client| (stored, client)))
}

/// Takes the next step of a request; `kept` is where it is kept, if it is.
async fn proceed(
    exchange: &Exchange,
    server: &Server,
    settings: &OAuthSettings,
    client: &OAuthClient,
    request: &AuthorizationRequest,
    requested_at: DateTime<Utc>,
    kept: Option<(&str, &StoredRequest)>,
) -> Result<Response> {
    let documents = &exchange.site.documents;
    // Only a person in front of a browser can log in and allow; an API key or a token cannot.
    let person = Person::of(exchange).await?;
    let hint = match hinted_subject(exchange, server, client, request).await? {
        Ok(hint) => hint,
        Err(error) => return send(exchange, request.target.error(&error), kept.is_some()).await,
    };
    if let Some(person) = &person
        && hint.as_ref().is_none_or(|hinted| *hinted == person.subject)
        && !client.admits(&exchange.session().access)
    {
        tracing::debug!(user = person.user, client = client.client_id, "the user has none of the client's roles");
        let error = Error::new(ErrorCode::AccessDenied, "This account may not use this client");
        return send(exchange, request.target.error(&error), kept.is_some()).await;
    }
    let grant = match &person {
        Some(person) => oauth_grant::find_active(documents, &person.user, &client.name).await?,
        None => None,
    };
    let facts = ConsentFacts {
        force: settings.forces_consent,
        may_remember: settings.remembers_consent,
        client_skips: client.skip_authorization,
        client_is_trusted: client.is_known(),
        loopback_only: client.redirect_uris.are_all_loopback() && !client.is_trusted,
        grant: grant.as_ref().map(|grant| (&grant.scopes, grant.resources.as_slice())),
        scopes: &request.scopes,
        resources: &request.resources,
    };
    let consent = if client.skip_authorization && client.is_trusted && !settings.forces_consent {
        Consent::Remembered
    } else {
        consent_needed(&ConsentFacts { client_skips: false, ..facts })
    };
    let login = person.as_ref().map(|person| Login {
        subject: &person.subject,
        auth_time: person.auth_time,
        // Who has just typed in who they are has chosen.
        account_chosen: person.auth_time >= requested_at,
    });
    match decide(&request.login, hint.as_deref(), login, consent, requested_at, documents.clock().now()) {
        Step::Error(code) => {
            let error = Error::new(code, "A page would have to be shown, but prompt is none");
            send(exchange, request.target.error(&error), kept.is_some()).await
        }
        Step::Proceed => match &person {
            Some(person) => allow_again(exchange, client, request, person, kept).await,
            None => Err(SiteError::Internal(anyhow::anyhow!("nobody is logged in, and yet the request may proceed"))),
        },
        step => {
            let Some((id, stored)) = kept else {
                let id = secret::random_id();
                keep(documents, "Authorize", &client.name, request, &id, REQUEST_LIFETIME).await?;
                let back = format!("{APPROVE}?request_id={id}");
                let to = if person.is_some() { back } else { login_address_for(&back, request.login_hint.as_deref()) };
                return Ok(redirect(&to));
            };
            match person {
                None => {
                    let back = format!("{APPROVE}?request_id={id}");
                    Ok(redirect(&login_address_for(&back, request.login_hint.as_deref())))
                }
                Some(person) if step == Step::OtherAccount => {
                    other_account::show(exchange, client, (id, stored), &person, hint.as_deref()).await
                }
                Some(person) => {
                    let again = step == Step::Login;
                    consent::show(exchange, &server.catalogue, client, (id, stored), &person, again).await
                }
            }
        }
    }
}

/// Whom the client's `id_token_hint` is about. The token may have expired, but it must be one that we gave this client.
pub async fn hinted_subject(
    exchange: &Exchange,
    server: &Server,
    client: &OAuthClient,
    request: &AuthorizationRequest,
) -> Result<std::result::Result<Option<String>, Error>> {
    let Some(hint) = &request.id_token_hint else { return Ok(Ok(None)) };
    let issuer = exchange.site.documents.site_url();
    let verified = verify_hint(exchange, server, hint).await?;
    let subject = verified.and_then(|token| match Hint::of(&token, issuer)? {
        hint if hint.client_id == client.client_id => Ok(Some(hint.subject.to_owned())),
        _ => Err(JwtError::Claim("aud")),
    });
    Ok(subject.map_err(|error| {
        Error::invalid_request("id_token_hint is not an id token of this client").because(anyhow::Error::new(error))
    }))
}

/// Issues the code that an earlier consent covers.
async fn allow_again(
    exchange: &Exchange,
    client: &OAuthClient,
    request: &AuthorizationRequest,
    person: &Person,
    kept: Option<(&str, &StoredRequest)>,
) -> Result<Response> {
    let mut work = exchange.site.documents.begin(&Session::system()).await?;
    if let Some((_, stored)) = kept
        && !consent::settle(&mut work, &stored.name, "Approved").await?
    {
        drop(work);
        return error_page(exchange, &expired()).await;
    }
    let code = issue_code(&mut work, exchange, client, request, person).await?;
    work.commit().await?;
    send(exchange, request.target.code(&code), kept.is_some()).await
}

/// The person in front of the browser.
pub struct Person {
    /// The name of the User.
    pub user: String,
    /// Under which clients know them.
    pub subject: String,
    /// The Session document.
    pub sid: String,
    /// When they proved who they are.
    pub auth_time: DateTime<Utc>,
    /// How strongly.
    pub acr: Option<&'static str>,
    /// By what means.
    pub amr: Option<&'static str>,
}

impl Person {
    /// Who is logged in by a session cookie.
    pub async fn of(exchange: &Exchange) -> Result<Option<Self>> {
        let documents = &exchange.site.documents;
        let session = exchange.session();
        let (Credentials::Cookie, Some(sid), false) =
            (exchange.context.credentials, session.sid.as_deref(), session.is_guest())
        else {
            return Ok(None);
        };
        // Somebody who has just logged in once more, at another node perhaps, is not asked a third time.
        let document = documents.get_uncached(&Session::system(), "Session", sid).await?;
        let by_password = document.text("login_method") == "Password";
        Ok(Some(Self {
            user: session.user().to_owned(),
            subject: subject_of(documents, session.user()).await?,
            sid: sid.to_owned(),
            auth_time: parse_time(document.text("logged_in_at")).unwrap_or_default(),
            // What a provider asked of them, nobody here knows.
            acr: by_password.then_some(id_token::ACR),
            amr: by_password.then_some("pwd"),
        }))
    }

    /// The digest by which a stored request knows this browser session.
    pub fn session_digest(&self) -> String {
        secret::digest(format!("authorization request:{}", self.sid))
    }
}

/// Makes a code for a person who has said yes: the consent is remembered, the code is bound to everything asked.
///
/// The work acts as the program itself.
pub async fn issue_code(
    work: &mut Work<'_>,
    exchange: &Exchange,
    client: &OAuthClient,
    request: &AuthorizationRequest,
    person: &Person,
) -> Result<String> {
    let documents = &exchange.site.documents;
    let settings = OAuthSettings::load(documents).await?;
    let grant = oauth_grant::remember(work, &person.user, &client.name, &request.scopes, &request.resources).await?;
    let code = TokenKind::AuthorizationCode.generate();
    let redirect_uri = &request.target.redirect_uri;
    let challenge = request.code_challenge.as_ref();
    let mut document = work.new_document(OAUTH_AUTHORIZATION_CODE)?;
    let values = [
        ("client", Value::from(client.name.as_str())),
        ("user", Value::from(person.user.as_str())),
        ("scopes", Value::from(request.scopes.to_string())),
        ("resource", lines_value(&request.resources)),
        ("authorization_code", Value::from(credentials::digest(documents, &code))),
        ("expiration_time", time_value(documents.clock().now() + settings.code_lifetime)),
        ("redirect_uri_bound_to_authorization_code", Value::from(redirect_uri.as_str())),
        ("redirect_uri_was_sent", Value::from(i64::from(redirect_uri.was_sent()))),
        ("validity", Value::from("Valid")),
        ("nonce", text_value(request.nonce.as_deref())),
        ("code_challenge", text_value(challenge.map(CodeChallenge::as_str))),
        ("code_challenge_method", text_value(challenge.map(|_| "s256"))),
        ("dpop_jkt", text_value(request.dpop_jkt.as_deref())),
        ("grant", Value::from(grant)),
        ("family", Value::from(new_family())),
        ("sid", Value::from(person.sid.as_str())),
        ("auth_time", time_value(person.auth_time)),
        ("acr", text_value(person.acr)),
        ("amr", text_value(person.amr)),
    ];
    for (fieldname, value) in values {
        document.set(fieldname, value);
    }
    work.insert(document).await?;
    Ok(code)
}

/// Brings the answer to the client.
///
/// `after_form`: the browser came here by a form, a login for example. Browsers hold the whole chain of redirects behind
/// a form against its page's policy, so the chain ends at a page that goes on by itself.
pub async fn send(exchange: &Exchange, answer: AuthorizationResponse, after_form: bool) -> Result<Response> {
    let mut response = match answer {
        AuthorizationResponse::Redirect(to) if after_form => {
            exchange.page("oauth/continue", json!({"location": to, "title": "Going back"})).await?
        }
        AuthorizationResponse::Redirect(to) => redirect(&to),
        AuthorizationResponse::FormPost { action, fields } => {
            let fields: Vec<_> =
                fields.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
            let view = json!({"action": action, "fields": fields, "title": "Going back"});
            let mut page = exchange.page("oauth/form_post", view).await?;
            allow_form_action(&mut page, &action);
            page
        }
    };
    private(&mut response);
    Ok(response)
}

/// A page that nobody keeps and that tells no other site where the browser came from.
pub fn private(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

/// Lets the forms of a page lead to this address as well, directly or by redirect.
pub fn allow_form_action(response: &mut Response, address: &str) {
    let Ok(url) = url::Url::parse(address) else { return };
    let source = match url.scheme() {
        "https" | "http" => url.origin().ascii_serialization(),
        scheme => format!("{scheme}:"),
    };
    let policy = format!(
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self' {source}; \
         frame-ancestors 'none'"
    );
    if let Ok(policy) = HeaderValue::try_from(policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
}

/// What is shown to the person when the client cannot be told.
pub async fn error_page(exchange: &Exchange, error: &Error) -> Result<Response> {
    let view = json!({
        "title": "This request cannot be answered",
        "code": error.code().as_str(),
        "message": error.description(),
    });
    let mut response = exchange.page("oauth/refused", view).await?;
    response.set_status(StatusCode::BAD_REQUEST);
    private(&mut response);
    Ok(response)
}

/// `303 See Other`.
pub fn redirect(to: &str) -> Response {
    let mut response = crate::web::error::see_other(to);
    private(&mut response);
    response
}

/// The login page, with the way back.
pub fn login_address(back: &str) -> String {
    address_of(&login_parameters(back, None, None))
}

/// The same, filled in for the person that the client expects (`login_hint`).
pub fn login_address_for(back: &str, hint: Option<&str>) -> String {
    address_of(&login_parameters(back, hint, None))
}

/// The login page for somebody else than who is logged in, who stays so until then.
pub fn other_account_address(back: &str, hint: Option<&str>) -> String {
    address_of(&login_parameters(back, hint, Some("select_account")))
}

/// What the login page has to know; `prompt` shows it although somebody is logged in.
pub fn login_parameters<'p>(
    back: &'p str,
    hint: Option<&'p str>,
    prompt: Option<&'p str>,
) -> Vec<(&'static str, &'p str)> {
    let hint = hint.filter(|hint| hint.len() <= 140);
    let parameters =
        [Some(("redirect-to", back)), hint.map(|hint| ("login_hint", hint)), prompt.map(|prompt| ("prompt", prompt))];
    parameters.into_iter().flatten().collect()
}

fn address_of(parameters: &[(&str, &str)]) -> String {
    format!("/login?{}", url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish())
}
