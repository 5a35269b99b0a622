//! Trying how a person signs in with the authorization code.

use std::sync::Arc;

use poem::Response;
use serde::{Deserialize, Serialize};
use url::form_urlencoded::Serializer;

use crate::error::Result;
use crate::oauth::authorization::interaction::pending::{TRY_OUT, keep_request};
use crate::oauth::client_form::steps::{Step, mask, masked_form};
use crate::oauth::client_form::try_it::{ANSWER, address, finish, open, page, person, seal, stale, tokens, tried};
use crate::oauth::protocol::authorize::authorization_request::{
    AuthorizationRequest, ClientRules, RequestOrigin, ServerRules,
};
use crate::oauth::protocol::authorize::pkce::challenge_of;
use crate::oauth::protocol::client::redirect_uri::RedirectUris;
use crate::oauth::protocol::serve::metadata::{APPROVE, AUTHORIZE};
use crate::oauth::protocol::{AuthorizeError, Parameters};
use crate::oauth::scopes::scope_catalogue::ScopeCatalogue;
use crate::oauth::scopes::site_scopes::SiteScopes;
use crate::oauth::server::Server;
use crate::oauth::views::{OAuthClient, OAuthSettings};
use crate::secret;
use crate::web::Exchange;
use crate::web::error::see_other;

/// What is remembered between the request and its answer.
#[derive(Serialize, Deserialize)]
struct SignInState {
    verifier: String,
    scope: String,
}

/// Where the code of a try-out goes: to this site, and to no client.
pub(crate) fn redirect_uri(site: &str, client: &OAuthClient) -> String {
    format!("{site}{}/{ANSWER}", address(client))
}

/// Makes the authorization request and leads to its consent page.
pub(super) async fn start(
    exchange: &Exchange,
    catalogue: &ScopeCatalogue,
    client: &OAuthClient,
    scope: &str,
) -> Result<Response> {
    let documents = &exchange.site.documents;
    let person = person(exchange).await?;
    let settings = OAuthSettings::load(documents).await?;
    let verifier = secret::random_id() + &secret::random_id();
    let asked = SignInState { verifier: verifier.clone(), scope: scope.to_owned() };
    let state = seal(exchange, client, &person, asked)?;
    let uri = redirect_uri(documents.site_url(), client);
    let text = request_text(client, &uri, scope, &state, &verifier);
    // Everything holds as for a request of the client, but for where the answer goes and how the request came.
    let own = RedirectUris::from_stored(&uri);
    let scopes = SiteScopes::now(&exchange.site, catalogue, &settings).await?;
    let ceiling = scopes.ceiling(client);
    let rules =
        ClientRules { redirect_uris: &own, require_pushed: false, require_signed: false, ..client.rules(&ceiling) };
    let resources = settings.resources(documents.site_url());
    let server_rules =
        ServerRules { require_pushed: false, ..settings.rules(documents.site_url(), &resources, &scopes) };
    let parsed = Parameters::parse(&text).map_err(AuthorizeError::Page);
    let request =
        parsed.and_then(|sent| AuthorizationRequest::parse(&sent, RequestOrigin::default(), &rules, &server_rules));
    match request {
        Ok(request) => {
            let id = keep_request(documents, TRY_OUT, client, &request, Some(&person)).await?;
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
pub(super) async fn come_back(exchange: Exchange, server: Arc<Server>) -> Result<Response> {
    let client = tried(&exchange).await?;
    let documents = &exchange.site.documents;
    let query = exchange.query();
    let sent = |name: &str| query.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
    let asked: SignInState = open(&exchange, &client, &person(&exchange).await?, sent("state"))?;
    if sent("iss") != documents.site_url() {
        return Err(stale());
    }
    let uri = redirect_uri(documents.site_url(), &client);
    let mut steps = vec![Step {
        heading: "The request",
        text: "The application sends the browser here. The challenge is the digest of a number that only it knows."
            .to_owned(),
        sent: masked_form(
            &format!("GET {AUTHORIZE}"),
            &request_text(&client, &uri, &asked.scope, sent("state"), &asked.verifier),
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
        ("code_verifier", &asked.verifier),
    ];
    let form = Serializer::new(String::new()).extend_pairs(form).finish();
    let tokens = tokens(&exchange, &server, &client, &form).await;
    finish(&exchange, &server, &client, tokens, &form, &mut steps).await?;
    page(&exchange, &client, steps).await
}
