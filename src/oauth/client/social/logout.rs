//! Logging out at the provider as well, where its key says so.

use std::sync::Arc;

use poem::Response;

use crate::document::Documents;
use crate::error::{Error, Result};
use crate::oauth::client::pages::leave;
use crate::oauth::client::social::social_login_key::SocialLoginKey;
use crate::oauth::protocol::authorize::authorization_response::append_query;
use crate::permissions::Session;
use crate::web::error::see_other;
use crate::web::{Exchange, Plugins, RequestContext, Route, Site};

/// Registers the page that leads to the provider, and lets logging out end there.
pub(crate) fn register(plugins: &mut Plugins) {
    plugins.logout_targets.push(Arc::new(|site, context| Box::pin(target(site, context))));
    plugins.route(Route::new("/logout/at/:provider").get(go));
}

/// Where a person goes on to after logging out: to the provider with whose account they came.
async fn target(site: Site, context: RequestContext) -> Result<Option<String>> {
    let Some(sid) = context.session.sid.as_deref() else { return Ok(None) };
    let session = match site.documents.get(&Session::system(), "Session", sid).await {
        Ok(session) => session,
        Err(Error::DoesNotExist { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let provider = session.text("login_provider");
    if provider.is_empty() || address(&site.documents, &site.config.site_url, provider).await?.is_none() {
        return Ok(None);
    }
    Ok(Some(format!("/logout/at/{provider}")))
}

/// Where the provider logs people out, with the way back (OpenID Connect RP-Initiated Logout §2).
async fn address(documents: &Documents, site_url: &str, provider: &str) -> Result<Option<(String, String)>> {
    let Some(key) = SocialLoginKey::enabled(documents, provider).await? else { return Ok(None) };
    let Some(logout_url) = key.logout_url else { return Ok(None) };
    let back = format!("{site_url}/login");
    let parameters = [("client_id", key.client_id.as_str()), ("post_logout_redirect_uri", back.as_str())];
    Ok(Some((key.provider_name, append_query(&logout_url, &parameters))))
}

async fn go(exchange: Exchange) -> Result<Response> {
    // Who is logged in here has not logged out: nobody else's link logs them out there.
    if !exchange.session().is_guest() {
        return Ok(see_other("/app"));
    }
    let site = &exchange.site;
    match address(&site.documents, &site.config.site_url, exchange.param("provider")).await? {
        Some((provider_name, location)) => leave(&exchange, &provider_name, &location).await,
        None => Ok(see_other("/login")),
    }
}
