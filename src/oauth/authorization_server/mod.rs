//! The authorization server: its addresses, and what answers there.

pub mod authorize;
pub mod client_authentication;
pub mod consent;
pub mod endpoint;
pub mod grant;
pub mod introspect;
pub mod metadata;
pub mod revoke;
pub mod token;
pub mod tokens;
pub mod userinfo;

use std::sync::Arc;

use poem::http::Method;

use crate::oauth::doctype::oauth_scope_definition::ScopeCatalogue;
use crate::oauth::resource_server::BearerAuthenticator;
use crate::web::{Plugins, Route};

/// Where the authorization endpoint is.
pub const AUTHORIZE: &str = "/api/method/frappe.integrations.oauth2.authorize";
/// Where a person answers.
pub const APPROVE: &str = "/api/method/frappe.integrations.oauth2.approve";
/// Where the token endpoint is.
pub const GET_TOKEN: &str = "/api/method/frappe.integrations.oauth2.get_token";
/// Where tokens are revoked.
pub const REVOKE_TOKEN: &str = "/api/method/frappe.integrations.oauth2.revoke_token";
/// Where tokens are introspected.
pub const INTROSPECT_TOKEN: &str = "/api/method/frappe.integrations.oauth2.introspect_token";

/// Where a person is described.
pub const OPENID_PROFILE: &str = "/api/method/frappe.integrations.oauth2.openid_profile";

/// Registers the endpoints.
pub fn register(plugins: &mut Plugins, catalogue: &ScopeCatalogue, tokens: &Arc<BearerAuthenticator>) {
    plugins.own_credentials.extend([GET_TOKEN, REVOKE_TOKEN, INTROSPECT_TOKEN]);
    let (get, post) = (catalogue.clone(), catalogue.clone());
    plugins.route(
        Route::new(AUTHORIZE)
            .get(move |exchange| authorize::authorize(exchange, get.clone()))
            .post(move |exchange| authorize::authorize(exchange, post.clone())),
    );
    let (get, post) = (catalogue.clone(), catalogue.clone());
    plugins.route(
        Route::new(APPROVE)
            .get(move |exchange| authorize::resume(exchange, get.clone()))
            .post(move |exchange| consent::answer(exchange, post.clone())),
    );
    let preflight = async |exchange| Ok(endpoint::preflight(&exchange, "POST, OPTIONS"));
    plugins.route(Route::new(GET_TOKEN).post(token::get_token).on(Method::OPTIONS, preflight));
    plugins.route(Route::new(REVOKE_TOKEN).post(revoke::revoke_token).on(Method::OPTIONS, preflight));
    plugins.route(Route::new(INTROSPECT_TOKEN).post(introspect::introspect_token));
    let (get, post) = (Arc::clone(tokens), Arc::clone(tokens));
    plugins.route(
        Route::new(OPENID_PROFILE)
            .get(move |exchange| userinfo::openid_profile(exchange, Arc::clone(&get)))
            .post(move |exchange| userinfo::openid_profile(exchange, Arc::clone(&post)))
            .on(Method::OPTIONS, async |exchange| Ok(endpoint::preflight(&exchange, "GET, POST, OPTIONS"))),
    );
    metadata::register(plugins, catalogue);
}
