//! Pages on the way to a provider and back, for connections and logins alike.

use poem::Response;
use poem::http::StatusCode;
use serde_json::json;

use crate::error::Result;
use crate::web::Exchange;
use crate::web::request::page_view;
use crate::web::templates::html;

/// The letter that stands for a name where there is no picture.
pub(crate) fn initial(name: &str) -> String {
    name.chars().next().into_iter().flat_map(char::to_uppercase).collect()
}

/// A page that goes on to the provider by itself: `form-action 'self'` forbids a form to be redirected elsewhere.
pub(crate) async fn leave(exchange: &Exchange, provider_name: &str, location: &str) -> Result<Response> {
    let view = json!({"provider_name": provider_name, "location": location});
    let mut response = exchange.page("oauth/client/leaving", view).await?;
    // The provider learns nothing of the page that the person comes from.
    response.headers_mut().insert("referrer-policy", poem::http::HeaderValue::from_static("no-referrer"));
    Ok(response)
}

/// A page that says why nothing came of it, and where to go on.
pub(crate) async fn failed(
    exchange: &Exchange,
    status: StatusCode,
    provider_name: &str,
    href: &str,
    problem: &str,
) -> Result<Response> {
    let view = json!({
        "page": page_view(&exchange.site, &exchange.context).await?,
        "provider_name": provider_name,
        "href": href,
        "problem": problem,
    });
    Ok(html(status, exchange.site.templates.render(exchange.language(), "oauth/client/failed", &view)?))
}
