//! Trying a client out: an administrator walks through its flow and sees each step, with secrets masked.
//!
//! The request is made by this site, in the administrator's own session, and answered to an address of this site that
//! nobody can name from outside: it is in no client's list, and a stored request for it opens only in the session that
//! made it. What comes of it is the administrator's own token, which is revoked before the page is shown. In one thing
//! the site stands in for the client: it knows no client secret, so nothing proves who the client is.

mod device;
pub(crate) mod sign_in;

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use poem::http::header;
use poem::{Request, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use url::form_urlencoded::Serializer;

use crate::document::ListRequest;
use crate::error::{Error, ProblemKind, Result};
use crate::meta::Right;
use crate::oauth::authorization::interaction;
use crate::oauth::authorization::interaction::person::Person;
use crate::oauth::client::connected_app::web_application_flow::path_segment;
use crate::oauth::client_form::examples::{sample_call, service_scopes};
use crate::oauth::client_form::steps::{Step, mask, masked_form, shown};
use crate::oauth::credentials;
use crate::oauth::http::endpoint;
use crate::oauth::http::endpoint::{json as json_response, respond};
use crate::oauth::protocol::request::GrantType;
use crate::oauth::protocol::serve::metadata::{REVOKE, TOKEN, USERINFO};
use crate::oauth::protocol::token::kind::{TokenKind, TokenResponse};
use crate::oauth::protocol::{Parameters, Scope, ScopeSet};
use crate::oauth::resource::bearer::Presented;
use crate::oauth::server::{Server, with};
use crate::oauth::token::grant::context::TokenContext;
use crate::oauth::token::{grant, userinfo};
use crate::oauth::views::oauth_bearer_token::{OAUTH_BEARER_TOKEN, revoke_all};
use crate::oauth::views::oauth_client::OAUTH_CLIENT;
use crate::oauth::views::{BearerToken, OAuthClient, OAuthSettings};
use crate::permissions::Session;
use crate::secret;
use crate::web::{Credentials, Exchange, Plugins, Route, SecurityEvent, Severity};

/// For how long an answer is waited for.
const LIFETIME: Duration = Duration::minutes(10);
/// What a token is told that looks in here: only people may.
const ONLY_PEOPLE: &str = "Clients are tried out";
/// Where the state of a try-out is sealed.
const PLACE: &str = "the state of a client that is tried out";
const ANSWER: &str = "answer";

/// What can be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Signing in, with the authorization code.
    SignIn,
    /// Signing in on another device, with a code to type in.
    Device,
    /// Acting for itself.
    Service,
}

impl Way {
    /// What can be tried of a client under these settings.
    pub(crate) fn of(client: &OAuthClient, settings: &OAuthSettings) -> Vec<Self> {
        let mut ways = Vec::new();
        if client.allows_code {
            ways.push(Self::SignIn);
        }
        if client.allows_device_code && settings.device_grant {
            ways.push(Self::Device);
        }
        if client.allows_client_credentials && !client.is_public() {
            ways.push(Self::Service);
        }
        ways
    }
}

/// Registers the pages.
pub(crate) fn register(plugins: &mut Plugins, server: &Arc<Server>) {
    plugins.route(Route::new("/oauth-client/:name/try-it").get(show).post(with(server, start)));
    plugins.route(Route::new(format!("/oauth-client/:name/try-it/{ANSWER}")).get(with(server, sign_in::come_back)));
}

/// Where a client is tried out.
pub(crate) fn address(client: &OAuthClient) -> String {
    format!("/oauth-client/{}/try-it", path_segment(&client.name))
}

/// What is remembered from one step to the next, sealed: only the session that began goes on.
#[derive(Serialize, Deserialize)]
struct State<T> {
    client: String,
    session: String,
    made_at: DateTime<Utc>,
    /// What the way itself needs.
    rest: T,
}

/// Seals what a way needs at its next step.
fn seal<T: Serialize>(exchange: &Exchange, client: &OAuthClient, person: &Person, rest: T) -> Result<String> {
    let documents = &exchange.site.documents;
    let (client, session, made_at) = (client.name.clone(), person.session_digest(), documents.clock().now());
    let state = State { client, session, made_at, rest };
    Ok(documents.site_key().seal(serde_json::to_vec(&state).map_err(Error::internal)?, PLACE))
}

/// Opens what was sealed, in the same session and before it is too old.
fn open<T: DeserializeOwned>(exchange: &Exchange, client: &OAuthClient, person: &Person, sealed: &str) -> Result<T> {
    let documents = &exchange.site.documents;
    let bytes = documents.site_key().open(sealed, PLACE).map_err(|_| stale())?;
    let state: State<T> = serde_json::from_slice(&bytes).map_err(|_| stale())?;
    let is_own = secret::constant_time_eq(&state.session, person.session_digest())
        && state.client == client.name
        && state.made_at + LIFETIME > documents.clock().now();
    if is_own { Ok(state.rest) } else { Err(stale()) }
}

/// Who tries, in their browser.
async fn person(exchange: &Exchange) -> Result<Person> {
    let person = Person::of(exchange).await?;
    person.ok_or_else(|| Error::BadRequest("Log in with your browser to try a client".to_owned()))
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
    show_steps(exchange, client, steps, json!(null)).await
}

/// The page; `waiting` is what a device that waits for the person shows.
async fn show_steps(exchange: &Exchange, client: &OAuthClient, steps: Vec<Step>, waiting: Json) -> Result<Response> {
    let settings = OAuthSettings::load(&exchange.site.documents).await?;
    let ways = Way::of(client, &settings);
    let is_done = !steps.is_empty();
    let view = json!({
        "title": format!("Try {}", client.app_name),
        "refresh": "",
        "app_name": client.app_name,
        "href": format!("/app/oauth-client/{}", path_segment(&client.name)),
        "action": address(client),
        "redirect_uri": sign_in::redirect_uri(exchange.site.documents.site_url(), client),
        "scopes": client.scopes.to_string(),
        "signs_in": ways.contains(&Way::SignIn),
        "is_device": ways.contains(&Way::Device),
        "is_second": is_done || ways.contains(&Way::SignIn),
        "is_service": ways.contains(&Way::Service),
        "user": client.user,
        "is_done": is_done,
        "is_finished": is_done && waiting.is_null(),
        "waiting": waiting,
        "steps": steps,
    });
    interaction::page::show(exchange, "oauth/try_it", view).await
}

async fn start(mut exchange: Exchange, server: Arc<Server>) -> Result<Response> {
    let form = exchange.form().await?;
    let client = tried(&exchange).await?;
    let field = |name: &str| form.first(name).unwrap_or_default();
    let settings = OAuthSettings::load(&exchange.site.documents).await?;
    let ways = Way::of(&client, &settings);
    match field("way") {
        "sign-in" if ways.contains(&Way::SignIn) => {
            sign_in::start(&exchange, &server.catalogue, &client, field("scope")).await
        }
        "device" if ways.contains(&Way::Device) => {
            device::start(&exchange, &server.catalogue, &client, field("scope")).await
        }
        "device-answer" if ways.contains(&Way::Device) => {
            device::go_on(&exchange, &server, &client, field("state")).await
        }
        "service" if ways.contains(&Way::Service) => act_for_itself(&exchange, &server, &client).await,
        _ => Err(Error::BadRequest("Choose what to try".to_owned())),
    }
}

async fn act_for_itself(exchange: &Exchange, server: &Arc<Server>, client: &OAuthClient) -> Result<Response> {
    let scope = service_scopes(client).to_string();
    let form = [("grant_type", "client_credentials"), ("client_id", &client.client_id), ("scope", &scope)];
    let form = Serializer::new(String::new()).extend_pairs(form).finish();
    let tokens = tokens(exchange, server, client, &form).await;
    let mut steps = Vec::new();
    finish(exchange, server, client, tokens, &form, &mut steps).await?;
    page(exchange, client, steps).await
}

/// The tokens for a form of the client, as the token endpoint gives them.
async fn tokens(
    exchange: &Exchange,
    server: &Arc<Server>,
    client: &OAuthClient,
    form: &str,
) -> endpoint::Result<TokenResponse> {
    let settings = OAuthSettings::load(&exchange.site.documents).await?;
    let context = TokenContext::new(exchange, server, settings, Arc::new(client.clone())).await?;
    let sent = Parameters::parse(form)?;
    grant::tokens(&context, GrantType::of(&sent)?, &sent).await
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
            "The application trades what it has for tokens. It has no secret: the number behind the challenge shows that \
             it is the one that asked."
                .to_owned()
        } else {
            "The application shows who it is and gets its tokens. Here the site stands in for that proof, because it \
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
        text: "The application gives its tokens back. From now on they open nothing.".to_owned(),
        sent: format!("POST {REVOKE}\n\ntoken={}", mask(&token)),
        got: match &after {
            Ok(_) => "The token still opens the API".to_owned(),
            Err(error) => format!("401 with this token from now on: {error}"),
        },
        is_bad: after.is_ok(),
    });
    Ok(())
}

/// Calls the API with the token, as the client would.
async fn call(exchange: &Exchange, server: &Arc<Server>, token: &str, scopes: &ScopeSet) -> Result<Step> {
    let path = sample_call(scopes);
    let sent = format!("GET {path}\nAuthorization: Bearer {}", mask(token));
    let text = "The application uses the access token. What it may do is what the person may do, within the scopes.";
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
