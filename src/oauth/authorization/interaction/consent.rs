//! The consent page: who asks, for what, and where the answer goes.

use poem::Response;
use serde_json::{Value as Json, json};
use url::{Position, Url};

use crate::document::Documents;
use crate::error::Result;
use crate::oauth::authorization::interaction::page;
use crate::oauth::authorization::interaction::page::{
    SELECT_ACCOUNT, allow_form_action, hidden, login_address, login_parameters, not_admitted,
};
use crate::oauth::authorization::interaction::pending::{Pending, Question};
use crate::oauth::authorization::interaction::person::Person;
use crate::oauth::protocol::ScopeSet;
use crate::oauth::protocol::client::redirect_uri::Destination;
use crate::oauth::scopes::scope_catalogue::ScopeCatalogue;
use crate::oauth::views::OAuthClient;
use crate::oauth::views::oauth_device_code::DeviceCode;
use crate::web::Exchange;

/// Shows the page; with `again`, only the part that asks the person to log in once more.
///
/// From here on this browser session alone may answer.
pub(super) async fn show(
    exchange: &Exchange,
    catalogue: &ScopeCatalogue,
    pending: &Pending,
    person: &Person,
    again: bool,
) -> Result<Response> {
    let documents = &exchange.site.documents;
    if matches!(pending.question, Question::Device(_)) && !pending.client.admits(&exchange.session().access) {
        return not_admitted(exchange).await;
    }
    pending.bind(documents, person).await?;
    let back = pending.address();
    let mut view = view(documents, catalogue, &pending.client, pending.scopes()).await?;
    view["request_id"] = json!(pending.id);
    view["action"] = json!(pending.path());
    let request = match &pending.question {
        Question::Request(request) => request,
        Question::Device(code) => {
            view["device"] = device(exchange, code);
            view["other_account"] = json!(login_address(&back, None, SELECT_ACCOUNT));
            return page::show(exchange, "oauth/consent", view).await;
        }
    };
    let (redirect_uri, hint) = (&request.target.redirect_uri, request.login_hint.as_deref());
    let destination = redirect_uri.destination();
    if destination == Destination::Loopback {
        view["loopback"] = json!(authority(redirect_uri.as_str()));
    }
    view["destination"] = json!(destination.to_string());
    view["again"] = json!(again);
    view["login_again"] = hidden(login_parameters(&back, hint, Some("login")));
    view["other_account"] = json!(login_address(&back, hint, SELECT_ACCOUNT));
    let mut response = page::show(exchange, "oauth/consent", view).await?;
    allow_form_action(&mut response, redirect_uri.as_str());
    Ok(response)
}

/// The host and port of an address.
fn authority(uri: &str) -> Option<String> {
    Some(Url::parse(uri).ok()?[Position::BeforeHost..Position::AfterPort].to_owned())
}

/// From where a device asked, and how long ago.
fn device(exchange: &Exchange, code: &DeviceCode) -> Json {
    let own_address = exchange.context.ip.to_string();
    let minutes = (exchange.site.documents.clock().now() - code.requested_at).num_minutes();
    json!({
        "address": code.ip_address.as_deref().filter(|address| *address != own_address),
        "own_address": own_address,
        "age": match minutes {
            ..=0 => "less than a minute ago".to_owned(),
            1 => "a minute ago".to_owned(),
            minutes => format!("{minutes} minutes ago"),
        },
    })
}

/// What every consent page says: who asks, and for what.
pub(super) async fn view(
    documents: &Documents,
    catalogue: &ScopeCatalogue,
    client: &OAuthClient,
    scopes: &ScopeSet,
) -> Result<Json> {
    let definitions = catalogue.get(documents).await?;
    let scopes = definitions.told(scopes);
    Ok(json!({
        "title": format!("{} asks for access", client.app_name),
        "app_name": client.app_name,
        "client_host": client.metadata_host(),
        "client_uri": client.client_uri,
        "policy_uri": client.policy_uri,
        "tos_uri": client.tos_uri,
        "is_unverified": !client.is_known(),
        "scopes": scopes,
    }))
}
