//! The well-known documents: what this site offers, at exactly the paths that belong to it (RFC 8414, RFC 9728).

use std::sync::Arc;

use poem::Response;
use poem::http::Method as HttpMethod;
use serde_json::{Map, Value as Json, json};

use super::endpoint::{preflight, public_json};
use super::{
    AUTHORIZE, DEVICE_AUTHORIZATION, GET_TOKEN, INTROSPECT_TOKEN, REGISTER_CLIENT, REVOKE_TOKEN, Server, with,
};
use crate::error::{Error, Result};
use crate::oauth::client::social::resource::authorization_servers;
use crate::oauth::doctype::OAuthSettings;
use crate::oauth::doctype::oauth_scope_definition::ScopeCatalogue;
use crate::oauth::doctype::oauth_settings::Registration;
use crate::oauth::protocol::authorization_response::ResponseMode;
use crate::oauth::protocol::client_authentication::Method;
use crate::oauth::protocol::jar;
use crate::oauth::protocol::metadata::{PAR, assertion_algorithms};
use crate::oauth::protocol::request::GrantType;
use crate::oauth::protocol::resource;
use crate::oauth::protocol::scope::Scope;
use crate::secret::SigningAlgorithm;
use crate::web::{Exchange, Plugins, Route};

/// Registers the documents.
pub fn register(plugins: &mut Plugins, server: &Arc<Server>) {
    let options = async |exchange| Ok(preflight(&exchange, "GET, HEAD, OPTIONS"));
    plugins.route(
        Route::new("/.well-known/oauth-authorization-server")
            .get(with(server, authorization_server))
            .on(HttpMethod::OPTIONS, options),
    );
    for path in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/*path"] {
        plugins.route(Route::new(path).get(with(server, protected_resource)).on(HttpMethod::OPTIONS, options));
    }
}

/// The metadata of the authorization server.
async fn authorization_server(exchange: Exchange, server: Arc<Server>) -> Result<Response> {
    let settings = OAuthSettings::load(&exchange.site.documents).await?;
    if !settings.show_auth_server_metadata {
        return Err(hidden());
    }
    let site = exchange.site.documents.site_url();
    let at = |path: &str| format!("{site}{path}");
    let mut offered = vec![GrantType::AuthorizationCode, GrantType::RefreshToken, GrantType::ClientCredentials];
    if settings.device_grant {
        offered.push(GrantType::DeviceCode);
    }
    let methods = Method::ALL;
    let confidential: Vec<_> =
        methods.into_iter().filter(|method| method.is_confidential()).map(Method::as_str).collect();
    let mut document = json!({
        "issuer": site,
        "authorization_endpoint": at(AUTHORIZE),
        "token_endpoint": at(GET_TOKEN),
        "revocation_endpoint": at(REVOKE_TOKEN),
        "introspection_endpoint": at(INTROSPECT_TOKEN),
        "response_types_supported": ["code"],
        "response_modes_supported": ResponseMode::ALL.map(ResponseMode::as_str),
        "grant_types_supported": offered.into_iter().map(GrantType::as_str).collect::<Vec<_>>(),
        "token_endpoint_auth_methods_supported": methods.map(Method::as_str),
        "revocation_endpoint_auth_methods_supported": methods.map(Method::as_str),
        "introspection_endpoint_auth_methods_supported": confidential,
        "token_endpoint_auth_signing_alg_values_supported": assertion_algorithms(),
        "revocation_endpoint_auth_signing_alg_values_supported": assertion_algorithms(),
        "introspection_endpoint_auth_signing_alg_values_supported": assertion_algorithms(),
        "code_challenge_methods_supported": ["S256"],
        "pushed_authorization_request_endpoint": at(PAR),
        "require_pushed_authorization_requests": settings.require_pushed,
        "request_object_signing_alg_values_supported": jar::ALGORITHMS.map(SigningAlgorithm::as_str),
        "request_parameter_supported": true,
        "request_uri_parameter_supported": false,
        "require_signed_request_object": false,
        "authorization_response_iss_parameter_supported": true,
        "client_id_metadata_document_supported": settings.client_id_metadata_documents,
        "scopes_supported": scopes_supported(&settings, &exchange, &server.catalogue, true).await?,
    });
    if settings.registration != Registration::Off {
        document["registration_endpoint"] = json!(at(REGISTER_CLIENT));
    }
    if settings.device_grant {
        document["device_authorization_endpoint"] = json!(at(DEVICE_AUTHORIZATION));
    }
    if let Some(uri) = &settings.resource_documentation {
        document["service_documentation"] = json!(uri);
    }
    Ok(public_json(&document))
}

/// The metadata of the resource that the path names.
async fn protected_resource(exchange: Exchange, server: Arc<Server>) -> Result<Response> {
    let settings = OAuthSettings::load(&exchange.site.documents).await?;
    if !settings.show_protected_resource_metadata {
        return Err(hidden());
    }
    let site = exchange.site.documents.site_url();
    let path = exchange.request.uri().path();
    let path = path.strip_prefix("/.well-known/oauth-protected-resource").unwrap_or_default();
    let asked = format!("{site}{path}");
    // Exactly a resource that we know: its document must name the very address that was asked for (RFC 9728 §3.3).
    let known = settings.resources(site);
    let is_known = resource::canonical(&asked)
        .is_some_and(|canonical| canonical == asked.trim_end_matches('/') && known.iter().any(|own| own == canonical));
    if !is_known || (!path.is_empty() && path.ends_with('/')) {
        return Err(hidden());
    }
    let mut document = Map::new();
    document.insert("resource".to_owned(), json!(asked));
    let mut issuers = vec![site.to_owned()];
    issuers.extend(authorization_servers(&server.providers, &exchange.site.documents).await?);
    document.insert("authorization_servers".to_owned(), json!(issuers));
    let methods: &[&str] = if settings.accept_token_in_form { &["header", "body"] } else { &["header"] };
    document.insert("bearer_methods_supported".to_owned(), json!(methods));
    let scopes = scopes_supported(&settings, &exchange, &server.catalogue, false).await?;
    document.insert("scopes_supported".to_owned(), json!(scopes));
    for (name, text) in [
        ("resource_name", &settings.resource_name),
        ("resource_documentation", &settings.resource_documentation),
        ("resource_policy_uri", &settings.resource_policy_uri),
        ("resource_tos_uri", &settings.resource_tos_uri),
    ] {
        if let Some(text) = text {
            document.insert(name.to_owned(), Json::from(text.as_str()));
        }
    }
    Ok(public_json(&document))
}

/// The scopes that OAuth Settings announces; without any, those about the person and the site's own.
pub async fn scopes_supported(
    settings: &OAuthSettings,
    exchange: &Exchange,
    catalogue: &ScopeCatalogue,
    with_offline: bool,
) -> Result<Vec<String>> {
    let mut scopes: Vec<String> = if settings.scopes_supported.is_empty() {
        let identity = [Scope::OpenId, Scope::Profile, Scope::Email, Scope::Roles, Scope::OfflineAccess];
        let definitions = catalogue.get(&exchange.site.documents).await?;
        let own = definitions.iter().map(|(scope, _)| scope.to_owned());
        identity.iter().map(ToString::to_string).chain(own).collect()
    } else {
        settings.scopes_supported.iter().map(ToString::to_string).collect()
    };
    // Whether there is a refresh token is no matter of the resource.
    scopes.retain(|scope| with_offline || scope != "offline_access");
    Ok(scopes)
}

fn hidden() -> Error {
    Error::NoSuchRoute("There is nothing at this address".to_owned())
}
