//! The page for somebody whom the client does not expect: it sent an `id_token_hint` about another person.

use poem::Response;
use serde_json::json;

use crate::error::Result;
use crate::oauth::authorization::interaction::page;
use crate::oauth::authorization::interaction::page::{SELECT_ACCOUNT, allow_form_action, hidden, login_parameters};
use crate::oauth::authorization::interaction::pending::Pending;
use crate::oauth::authorization::interaction::person::Person;
use crate::oauth::protocol::authorize::authorization_request::AuthorizationRequest;
use crate::oauth::protocol::authorize::prompt::masked;
use crate::oauth::subject::user_of;
use crate::web::Exchange;
use crate::web::session::was_here;

/// Shows the page. The account is written out only where the same browser knows it already.
pub(super) async fn show(
    exchange: &Exchange,
    pending: &Pending,
    request: &AuthorizationRequest,
    person: &Person,
    hinted: Option<&str>,
) -> Result<Response> {
    let (documents, client) = (&exchange.site.documents, &pending.client);
    pending.bind(documents, person).await?;
    let expected = match hinted {
        Some(subject) => user_of(documents, subject).await?,
        None => None,
    };
    let known = match &expected {
        Some(user) if was_here(documents, &person.sid, user).await? => Some(user.as_str()),
        _ => None,
    };
    let back = pending.address();
    let hint = known.or(request.login_hint.as_deref());
    let view = json!({
        "title": "Another account is expected",
        "app_name": client.app_name,
        "client_host": client.metadata_host(),
        "is_unverified": !client.is_known(),
        "expected": known.map(str::to_owned).or_else(|| expected.as_deref().map(masked)),
        "other_account": hidden(login_parameters(&back, hint, SELECT_ACCOUNT)),
        "request_id": pending.id,
        "action": pending.path(),
    });
    let mut response = page::show(exchange, "oauth/other_account", view).await?;
    allow_form_action(&mut response, request.target.redirect_uri.as_str());
    Ok(response)
}
