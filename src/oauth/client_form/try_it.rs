//! Trying a client out: an administrator walks through its flow and sees each step, with secrets masked.
//!
//! The request is made by this site, in the administrator's own session, and answered to an address of this site that
//! nobody can name from outside: it is in no client's list, and a stored request for it opens only in the session that
//! made it. What comes of it is the administrator's own token, which is revoked before the page is shown. In one thing
//! the site stands in for the program: it knows no client secret, so nothing proves who the client is.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use poem::http::header;
use poem::{Request, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use url::form_urlencoded::Serializer;

use super::examples::{sample_call, service_scopes};
use super::steps::{Step, mask, masked_form, shown};
use crate::document::ListRequest;
use crate::error::{Error, ProblemKind, Result};
use crate::meta::{Right, Value};
use crate::oauth::authorization_server::authorize::{Person, REQUEST_LIFETIME, TRY_OUT, private};
use crate::oauth::authorization_server::endpoint::{json as json_response, respond};
use crate::oauth::authorization_server::grant::{authorization_code, client_credentials};
use crate::oauth::authorization_server::signed_tokens::Signing;
use crate::oauth::authorization_server::token::Asking;
use crate::oauth::authorization_server::{Server, endpoint, userinfo, with};
use crate::oauth::client::web_application_flow::path_segment;
use crate::oauth::credentials;
use crate::oauth::doctype::oauth_authorization_request::{OAUTH_AUTHORIZATION_REQUEST, keep};
use crate::oauth::doctype::oauth_bearer_token::{OAUTH_BEARER_TOKEN, revoke_all};
use crate::oauth::doctype::oauth_client::OAUTH_CLIENT;
use crate::oauth::doctype::{BearerToken, OAuthClient, OAuthSettings};
use crate::oauth::protocol::authorization_request::{AuthorizationRequest, ClientRules, RequestOrigin, ServerRules};
use crate::oauth::protocol::metadata::{APPROVE, AUTHORIZE, REVOKE, TOKEN, USERINFO};
use crate::oauth::protocol::pkce::challenge_of;
use crate::oauth::protocol::redirect_uri::RedirectUris;
use crate::oauth::protocol::token::{TokenKind, TokenResponse};
use crate::oauth::protocol::{AuthorizeError, Parameters, Scope, ScopeSet};
use crate::oauth::resource_server::Presented;
use crate::permissions::Session;
use crate::secret;
use crate::web::error::see_other;
use crate::web::{Credentials, Exchange, Plugins, Route, SecurityEvent, Severity};

/// For how long an answer is waited for.
const LIFETIME: Duration = Duration::minutes(10);
/// What a program is told that looks in here.
const ONLY_PEOPLE: &str = "Clients are tried out";
/// Where the state of a try-out is sealed.
const PLACE: &str = "the state of a client that is tried out";
const ANSWER: &str = "answer";

/// What can be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Signing in, with the authorization code.
    SignIn,
    /// Acting for itself.
    Service,
}

impl Way {
    /// What can be tried of a client.
    pub fn of(client: &OAuthClient) -> Vec<Self> {
        let mut ways = Vec::new();
        if client.allows_code {
            ways.push(Self::SignIn);
        }
        if client.allows_client_credentials && !client.is_public() {
            ways.push(Self::Service);
        }
        ways
    }
}

/// Registers the pages.
pub fn register(plugins: &mut Plugins, server: &Arc<Server>) {
    plugins.route(Route::new("/oauth-client/:name/try-it").get(show).post(with(server, start)));
    plugins.route(Route::new(format!("/oauth-client/:name/try-it/{ANSWER}")).get(with(server, come_back)));
}

/// Where a client is tried out.
pub fn address(client: &OAuthClient) -> String {
    format!("/oauth-client/{}/try-it", path_segment(&client.name))
}

/// Where the code of a try-out goes: to this site, and to no client.
pub fn redirect_uri(site: &str, client: &OAuthClient) -> String {
    format!("{site}{}/{ANSWER}", address(client))
}

/// What is remembered between the request and its answer, sealed in the parameter `state`.
#[derive(Serialize, Deserialize)]
struct State {
    client: String,
    session: String,
    verifier: String,
    scope: String,
    made_at: DateTime<Utc>,
}

/// The client, if the person may change it: who may do that may try it.
async fn tried(exchange: &Exchange) -> Result<OAuthClient> {
    exchange.context.require_browser(ONLY_PEOPLE)?;
    let documents = &exchange.site.documents;
    let document = documents.get(exchange.session(), OAUTH_CLIENT, exchange.param("name")).await?;
    documents.check_permission(exchange.session(), &document.doctype, Some(&document), Right::Write)?;
    let client = OAuthClient::from(&*document);
    if !client.enabled {
        let message = format!("{} is disabled: enable it before you try it", client.app_name);
        return Err(Error::invalid(ProblemKind::Validation, message));
    }
    Ok(client)
}

async fn show(exchange: Exchange) -> Result<Response> {
    let client = tried(&exchange).await?;
    page(&exchange, &client, Vec::new()).await
}

async fn page(exchange: &Exchange, client: &OAuthClient, steps: Vec<Step>) -> Result<Response> {
    let ways = Way::of(client);
    let is_done = !steps.is_empty();
    let view = json!({
        "title": format!("Try {}", client.app_name),
        "refresh": "",
        "app_name": client.app_name,
        "href": format!("/app/oauth-client/{}", path_segment(&client.name)),
        "action": address(client),
        "redirect_uri": redirect_uri(exchange.site.documents.site_url(), client),
        "scopes": client.scopes.to_string(),
        "signs_in": ways.contains(&Way::SignIn),
        "is_service": ways.contains(&Way::Service),
        "user": client.user,
        "is_done": is_done,
        "steps": steps,
    });
    let mut response = exchange.page("oauth/try_it", view).await?;
    private(&mut response);
    Ok(response)
}

async fn start(mut exchange: Exchange, server: Arc<Server>) -> Result<Response> {
    let form = exchange.form().await?;
    let client = tried(&exchange).await?;
    let scope = form.first("scope").unwrap_or_default().to_owned();
    let ways = Way::of(&client);
    match form.first("way") {
        Some("service") if ways.contains(&Way::Service) => act_for_itself(&exchange, &server, &client).await,
        Some("sign-in") if ways.contains(&Way::SignIn) => sign_in(&exchange, &client, &scope).await,
        _ => Err(Error::BadRequest("Choose what to try".to_owned())),
    }
}

/// Makes the authorization request and leads to its consent page.
async fn sign_in(exchange: &Exchange, client: &OAuthClient, scope: &str) -> Result<Response> {
    let documents = &exchange.site.documents;
    let person = Person::of(exchange).await?;
    let person = person.ok_or_else(|| Error::BadRequest("Log in with your browser to try a client".to_owned()))?;
    let settings = OAuthSettings::load(documents).await?;
    let verifier = secret::random_id() + &secret::random_id();
    let state = State {
        client: client.name.clone(),
        session: person.session_digest(),
        verifier: verifier.clone(),
        scope: scope.to_owned(),
        made_at: documents.clock().now(),
    };
    let state = documents.site_key().seal(serde_json::to_vec(&state).map_err(Error::internal)?, PLACE);
    let uri = redirect_uri(documents.site_url(), client);
    let text = request_text(client, &uri, scope, &state, &verifier);
    // Everything holds as for a request of the program, but for where the answer goes and how the request came.
    let own = RedirectUris::from_stored(&uri);
    let rules = ClientRules { redirect_uris: &own, require_pushed: false, require_signed: false, ..client.rules() };
    let resources = settings.resources(documents.site_url());
    let server_rules = ServerRules {
        issuer: documents.site_url(),
        default_scopes: &settings.default_scopes,
        resources: &resources,
        require_pushed: false,
    };
    let parsed = Parameters::parse(&text).map_err(AuthorizeError::Page);
    let request =
        parsed.and_then(|sent| AuthorizationRequest::parse(&sent, RequestOrigin::default(), &rules, &server_rules));
    match request {
        Ok(request) => {
            let id = keep_for(exchange, client, &request, &person).await?;
            Ok(see_other(&format!("{APPROVE}?request_id={id}")))
        }
        Err(refused) => {
            let error = match &refused {
                AuthorizeError::Page(error) => error,
                AuthorizeError::Redirect(redirected) => &redirected.error,
            };
            let step = Step {
                heading: "The request is refused",
                text: error.description().to_owned(),
                sent: masked_form(&format!("GET {AUTHORIZE}"), &text),
                got: error.code().as_str().to_owned(),
                is_bad: true,
            };
            page(exchange, client, vec![step]).await
        }
    }
}

/// Keeps the request so that it opens in this person's session alone; returns the id under which it is found again.
async fn keep_for(
    exchange: &Exchange,
    client: &OAuthClient,
    request: &AuthorizationRequest,
    person: &Person,
) -> Result<String> {
    let documents = &exchange.site.documents;
    let id = secret::random_id();
    keep(documents, TRY_OUT, &client.name, request, &id, REQUEST_LIFETIME).await?;
    let kept = credentials::find_digest(documents, OAUTH_AUTHORIZATION_REQUEST, "request_digest", &id).await?;
    let kept = kept.ok_or_else(stale)?;
    let values =
        [("user", Value::from(person.user.as_str())), ("session_digest", Value::from(person.session_digest()))];
    let mut work = documents.begin(&Session::system()).await?;
    work.set_values(OAUTH_AUTHORIZATION_REQUEST, &kept.name(), &values).await?;
    work.commit().await?;
    Ok(id)
}

fn request_text(client: &OAuthClient, uri: &str, scope: &str, state: &str, verifier: &str) -> String {
    Serializer::new(String::new())
        .append_pair("response_type", "code")
        .append_pair("client_id", &client.client_id)
        .append_pair("redirect_uri", uri)
        .append_pair("scope", scope)
        .append_pair("prompt", "consent")
        .append_pair("state", state)
        .append_pair("code_challenge", &challenge_of(verifier))
        .append_pair("code_challenge_method", "S256")
        .finish()
}

/// The browser is back with the answer: the rest of the flow, step by step.
async fn come_back(exchange: Exchange, server: Arc<Server>) -> Result<Response> {
    let client = tried(&exchange).await?;
    let documents = &exchange.site.documents;
    let query = exchange.query();
    let sent = |name: &str| query.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
    let person = Person::of(&exchange).await?;
    let state = documents.site_key().open(sent("state"), PLACE).ok();
    let state = state.and_then(|bytes| serde_json::from_slice::<State>(&bytes).ok());
    let now = documents.clock().now();
    let (Some(person), Some(state)) = (person, state) else { return Err(stale()) };
    let is_own = secret::constant_time_eq(&state.session, person.session_digest())
        && state.client == client.name
        && state.made_at + LIFETIME > now
        && sent("iss") == documents.site_url();
    if !is_own {
        return Err(stale());
    }
    let uri = redirect_uri(documents.site_url(), &client);
    let mut steps = vec![Step {
        heading: "The request",
        text: "The program sends the browser here. The challenge is the digest of a number that only it knows."
            .to_owned(),
        sent: masked_form(
            &format!("GET {AUTHORIZE}"),
            &request_text(&client, &uri, &state.scope, sent("state"), &state.verifier),
        ),
        ..Step::default()
    }];
    let error = sent("error");
    if !error.is_empty() {
        steps.push(Step {
            heading: "The answer",
            text: sent("error_description").to_owned(),
            got: format!("error: {error}"),
            is_bad: true,
            ..Step::default()
        });
        return page(&exchange, &client, steps).await;
    }
    let code = sent("code");
    steps.push(Step {
        heading: "Your consent, and the code",
        text: "You allowed it. The browser came back with a code, which works once and for a minute.".to_owned(),
        got: format!("code: {}\niss: {}", mask(code), sent("iss")),
        ..Step::default()
    });
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", &client.client_id),
        ("code", code),
        ("redirect_uri", &uri),
        ("code_verifier", &state.verifier),
    ];
    let form = Serializer::new(String::new()).extend_pairs(form).finish();
    let parameters = authorization_code::Sent {
        code: code.to_owned(),
        redirect_uri: Some(uri),
        code_verifier: Some(state.verifier),
        resource: Vec::new(),
    };
    let tokens = match asking(&exchange, &server, &client).await {
        Ok(asking) => authorization_code::exchange(&asking, &parameters).await,
        Err(refusal) => Err(refusal),
    };
    finish(&exchange, &server, &client, tokens, &form, &mut steps).await?;
    page(&exchange, &client, steps).await
}

async fn act_for_itself(exchange: &Exchange, server: &Arc<Server>, client: &OAuthClient) -> Result<Response> {
    let scope = service_scopes(client).to_string();
    let form = [("grant_type", "client_credentials"), ("client_id", &client.client_id), ("scope", &scope)];
    let form = Serializer::new(String::new()).extend_pairs(form).finish();
    let tokens = match asking(exchange, server, client).await {
        Ok(asking) => client_credentials::exchange(&asking, Some(&scope), &[]).await,
        Err(refusal) => Err(refusal),
    };
    let mut steps = Vec::new();
    finish(exchange, server, client, tokens, &form, &mut steps).await?;
    page(exchange, client, steps).await
}

async fn asking(exchange: &Exchange, server: &Arc<Server>, client: &OAuthClient) -> endpoint::Result<Asking> {
    let documents = &exchange.site.documents;
    let settings = OAuthSettings::load(documents).await?;
    let now = documents.clock().now();
    let signing = Signing::of(&server.keys, documents, &settings, client, now).await?;
    Ok(Asking {
        server: Arc::clone(server),
        site: exchange.site.clone(),
        context: exchange.context.clone(),
        settings,
        client: client.clone(),
        now,
        signing,
        dpop_jkt: None,
    })
}

/// Shows the tokens, calls the API with them, and takes them back.
async fn finish(
    exchange: &Exchange,
    server: &Arc<Server>,
    client: &OAuthClient,
    tokens: endpoint::Result<TokenResponse>,
    form: &str,
    steps: &mut Vec<Step>,
) -> Result<()> {
    let made = tokens.as_ref().ok().map(|tokens| tokens.access_token.clone());
    let answer = tokens.map(|tokens| json_response(poem::http::StatusCode::OK, &tokens));
    let (got, is_bad) = shown(respond(answer, &exchange.context)).await;
    steps.push(Step {
        heading: "The tokens",
        text: if client.is_public() {
            "The program trades what it has for tokens. It has no secret: the number behind the challenge shows that \
             it is the one that asked."
                .to_owned()
        } else {
            "The program shows who it is and gets its tokens. Here the site stands in for that proof, because it \
             knows no secret."
                .to_owned()
        },
        sent: masked_form(&format!("POST {TOKEN}"), form),
        got,
        is_bad,
    });
    let Some(token) = made else { return Ok(()) };
    let found =
        credentials::find(&exchange.site.documents, TokenKind::AccessToken, OAUTH_BEARER_TOKEN, "access_token", &token)
            .await?;
    let scopes = found.as_deref().map(|document| BearerToken::from(document).scopes).unwrap_or_default();
    let call = call(exchange, server, &token, &scopes).await;
    // Whatever came of the call: nothing of a try-out stays open.
    let mut work = exchange.site.documents.begin(&Session::system()).await?;
    if let Some(document) = &found {
        revoke_all(&mut work, json!({"family": BearerToken::from(&**document).family})).await?;
    }
    SecurityEvent::new("Client Tried Out", Severity::Info)
        .user(exchange.session().user().to_owned())
        .client(client.client_id.as_str())
        .during(&exchange.context)
        .details(json!({"scopes": scopes.to_string()}))
        .record_in(&mut work)
        .await?;
    work.commit().await?;
    steps.push(call?);
    let after = server.tokens.session(&exchange.site, Presented::bearer(&token), USERINFO).await;
    steps.push(Step {
        heading: "The end",
        text: "The program gives its tokens back. From now on they open nothing.".to_owned(),
        sent: format!("POST {REVOKE}\n\ntoken={}", mask(&token)),
        got: match &after {
            Ok(_) => "The token still opens the API".to_owned(),
            Err(error) => format!("401 with this token from now on: {error}"),
        },
        is_bad: after.is_ok(),
    });
    Ok(())
}

/// Calls the API with the token, as the program would.
async fn call(exchange: &Exchange, server: &Arc<Server>, token: &str, scopes: &ScopeSet) -> Result<Step> {
    let path = sample_call(scopes);
    let sent = format!("GET {path}\nAuthorization: Bearer {}", mask(token));
    let text = "The program uses the access token. What it may do is what the person may do, within the scopes.";
    let step = |got: String, is_bad: bool| Step { heading: "A call", text: text.to_owned(), sent, got, is_bad };
    let address = path.split('?').next().unwrap_or("/");
    let session = match server.tokens.session(&exchange.site, Presented::bearer(token), address).await {
        Ok((session, _)) => session,
        Err(error) => return Ok(step(error.to_string(), true)),
    };
    if path == USERINFO {
        let request =
            Request::builder().uri_str(&path).header(header::AUTHORIZATION, format!("Bearer {token}")).finish();
        // The context that the pipeline would have made of the token.
        let mut context = exchange.context.clone();
        context.session = session;
        context.credentials = Credentials::Bearer;
        let own = Exchange { site: exchange.site.clone(), context, request };
        let (got, is_bad) = shown(userinfo::openid_profile(own, Arc::clone(server)).await?).await;
        return Ok(step(got, is_bad));
    }
    let doctype = scopes.iter().find_map(|scope| match scope {
        Scope::DocType { name, .. } => Some(name.as_str()),
        Scope::All | Scope::Read | Scope::Write => Some("User"),
        _ => None,
    });
    let Some(doctype) = doctype else {
        let text = "Not called: a method may change something, and this is only a try";
        return Ok(step(text.to_owned(), false));
    };
    let mut request = ListRequest::new(doctype);
    request.limit = Some(3);
    Ok(match exchange.site.documents.list(&session, &request).await {
        Ok(list) => {
            let rows: Vec<Json> = (0..list.rows.len()).map(|row| json!({"name": list.text(row, "name")})).collect();
            step(format!("200\n\n{:#}", json!({"data": rows})), false)
        }
        Err(error) => step(error.to_string(), true),
    })
}

fn stale() -> Error {
    Error::BadRequest("This answer belongs to no try-out of yours that is under way: start again".to_owned())
}
