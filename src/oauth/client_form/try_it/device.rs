//! Trying how a person signs in on another device: the page is the device, `/device` the person's phone.

use std::sync::Arc;

use poem::Response;
use poem::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::form_urlencoded::Serializer;

use crate::error::Result;
use crate::oauth::authorization::device_authorization;
use crate::oauth::client_form::steps::{Step, masked_form, shown};
use crate::oauth::client_form::try_it::{finish, open, page, person, seal, show_steps, tokens};
use crate::oauth::http::endpoint;
use crate::oauth::http::endpoint::{json as json_response, respond};
use crate::oauth::protocol::ErrorCode;
use crate::oauth::protocol::authorize::device::DeviceAuthorizationResponse;
use crate::oauth::protocol::request::GrantType;
use crate::oauth::protocol::serve::metadata::TOKEN;
use crate::oauth::scopes::scope_catalogue::ScopeCatalogue;
use crate::oauth::server::{DEVICE_AUTHORIZATION, Server};
use crate::oauth::views::{OAuthClient, OAuthSettings};
use crate::web::Exchange;

/// What is remembered while the person answers.
#[derive(Serialize, Deserialize)]
struct DeviceCodeState {
    scope: String,
    codes: DeviceAuthorizationResponse,
}

/// Gets the codes and shows them, as the device would.
pub(super) async fn start(
    exchange: &Exchange,
    catalogue: &ScopeCatalogue,
    client: &OAuthClient,
    scope: &str,
) -> Result<Response> {
    let person = person(exchange).await?;
    match codes(exchange, catalogue, client, scope).await {
        Ok(codes) => {
            let waiting = DeviceCodeState { scope: scope.to_owned(), codes };
            let steps = vec![first_step(exchange, client, scope, Ok(waiting.codes.clone())).await];
            wait(exchange, client, steps, &seal(exchange, client, &person, &waiting)?, &waiting).await
        }
        Err(refused) => page(exchange, client, vec![first_step(exchange, client, scope, Err(refused)).await]).await,
    }
}

/// Asks whether the person has answered, as the device would.
pub(super) async fn go_on(
    exchange: &Exchange,
    server: &Arc<Server>,
    client: &OAuthClient,
    sealed: &str,
) -> Result<Response> {
    let waiting: DeviceCodeState = open(exchange, client, &person(exchange).await?, sealed)?;
    let mut steps = vec![first_step(exchange, client, &waiting.scope, Ok(waiting.codes.clone())).await];
    let device_code = &waiting.codes.device_code;
    let form = [
        ("grant_type", GrantType::DeviceCode.as_str()),
        ("client_id", &client.client_id),
        ("device_code", device_code),
    ];
    let form = Serializer::new(String::new()).extend_pairs(form).finish();
    let tokens = tokens(exchange, server, client, &form).await;
    if let Err(refusal) = &tokens
        && matches!(refusal.code(), ErrorCode::AuthorizationPending | ErrorCode::SlowDown)
    {
        let (got, _) =
            shown(respond(tokens.map(|tokens| json_response(StatusCode::OK, &tokens)), &exchange.context)).await;
        steps.push(Step {
            heading: "Not yet",
            text: "Nobody has answered so far. The application waits for the interval and asks again.".to_owned(),
            sent: masked_form(&format!("POST {TOKEN}"), &form),
            got,
            ..Step::default()
        });
        return wait(exchange, client, steps, sealed, &waiting).await;
    }
    finish(exchange, server, client, tokens, &form, &mut steps).await?;
    page(exchange, client, steps).await
}

async fn codes(
    exchange: &Exchange,
    catalogue: &ScopeCatalogue,
    client: &OAuthClient,
    scope: &str,
) -> endpoint::Result<DeviceAuthorizationResponse> {
    let settings = OAuthSettings::load(&exchange.site.documents).await?;
    let request =
        device_authorization::DeviceRequest::check(exchange, catalogue, &settings, client, Some(scope), []).await?;
    device_authorization::issue_codes(exchange, client, &request, None).await
}

async fn first_step(
    exchange: &Exchange,
    client: &OAuthClient,
    scope: &str,
    codes: endpoint::Result<DeviceAuthorizationResponse>,
) -> Step {
    let form = [("client_id", client.client_id.as_str()), ("scope", scope)];
    let form = Serializer::new(String::new()).extend_pairs(form).finish();
    let answer = codes.map(|codes| json_response(StatusCode::OK, &codes));
    let (got, is_bad) = shown(respond(answer, &exchange.context)).await;
    Step {
        heading: "The codes",
        text: "The application asks for two codes: one that it keeps, and a short one that it shows.".to_owned(),
        sent: masked_form(&format!("POST {DEVICE_AUTHORIZATION}"), &form),
        got,
        is_bad,
    }
}

async fn wait(
    exchange: &Exchange,
    client: &OAuthClient,
    steps: Vec<Step>,
    sealed: &str,
    waiting: &DeviceCodeState,
) -> Result<Response> {
    let codes = &waiting.codes;
    let view = json!({
        "state": sealed,
        "user_code": codes.user_code,
        "verification_uri": codes.verification_uri,
        "href": codes.verification_uri_complete,
    });
    show_steps(exchange, client, steps, view).await
}
