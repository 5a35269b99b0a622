//! The page for somebody whom the program does not expect: it sent an `id_token_hint` about another person.

use poem::Response;
use serde_json::{Value as Json, json};

use super::APPROVE;
use super::authorize::{Person, allow_form_action, login_parameters, private};
use super::consent::addressee;
use crate::error::Result;
use crate::oauth::protocol::prompt::masked;
use crate::oauth::subject::user_of;
use crate::oauth::views::{OAuthClient, StoredRequest};
use crate::web::Exchange;
use crate::web::session::was_here;

/// Shows the page. The account is written out only where the same browser knows it already.
pub async fn show(
    exchange: &Exchange,
    client: &OAuthClient,
    (id, stored): (&str, &StoredRequest),
    person: &Person,
    hinted: Option<&str>,
) -> Result<Response> {
    let documents = &exchange.site.documents;
    addressee(stored).bind(documents, person).await?;
    let expected = match hinted {
        Some(subject) => user_of(documents, subject).await?,
        None => None,
    };
    let known = match &expected {
        Some(user) if was_here(documents, &person.sid, user).await? => Some(user.as_str()),
        _ => None,
    };
    let back = format!("{APPROVE}?request_id={id}");
    let hint = known.or(stored.request.login_hint.as_deref());
    let fields: Vec<Json> = login_parameters(&back, hint, Some("select_account"))
        .into_iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    let view = json!({
        "title": "Another account is expected",
        "app_name": client.app_name,
        "client_host": client.metadata_host(),
        "is_unverified": !client.is_known(),
        "expected": known.map(str::to_owned).or_else(|| expected.as_deref().map(masked)),
        "other_account": fields,
        "request_id": id,
        "action": APPROVE,
    });
    let mut response = exchange.page("oauth/other_account", view).await?;
    allow_form_action(&mut response, stored.request.target.redirect_uri.as_str());
    private(&mut response);
    Ok(response)
}
