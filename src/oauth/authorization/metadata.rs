//! The well-known documents: what this site offers, at exactly the paths that belong to it (RFC 8414, RFC 9728).

use std::sync::Arc;

use poem::Response;

use crate::error::{Error, Result};
use crate::oauth::client::social::resource::authorization_servers;
use crate::oauth::http::endpoint::public_json;
use crate::oauth::protocol::ScopeSet;
use crate::oauth::protocol::request::GrantType;
use crate::oauth::protocol::serve::metadata::{
    ResourceMetadata, ServerConfiguration, ServerMetadata, WELL_KNOWN_RESOURCE,
};
use crate::oauth::protocol::serve::resource;
use crate::oauth::scopes::site_scopes::SiteScopes;
use crate::oauth::server::Server;
use crate::oauth::signing_keys;
use crate::oauth::views::OAuthSettings;
use crate::web::Exchange;

/// The metadata of the authorization server, the same for OAuth and for OpenID Connect: it names every endpoint that
/// answers.
pub(crate) async fn authorization_server(exchange: Exchange, server: Arc<Server>) -> Result<Response> {
    let settings = OAuthSettings::load(&exchange.site.documents).await?;
    let answering = server.endpoints.iter().filter(|endpoint| endpoint.is_served(&settings));
    let named = answering.filter_map(|endpoint| Some((endpoint.member?.0, endpoint.path)));
    let configuration = ServerConfiguration {
        issuer: exchange.site.documents.site_url().to_owned(),
        endpoints: named.collect(),
        grant_types: GrantType::ALL.into_iter().filter(|grant| settings.offers(*grant)).collect(),
        scopes_supported: words(&SiteScopes::now(&exchange.site, &server.catalogue, &settings).await?.announced()),
        client_id_metadata_documents: settings.client_id_metadata_documents,
        require_pushed_authorization_requests: settings.require_pushed,
        id_token_algorithms: id_token_algorithms(&settings),
        certificates: exchange.site.config.certificate_check(),
        service_documentation: settings.resource_documentation.clone(),
        op_policy_uri: settings.resource_policy_uri.clone(),
        op_tos_uri: settings.resource_tos_uri.clone(),
    };
    Ok(public_json(&ServerMetadata::new(&configuration)))
}

/// The metadata of the resource that the path names.
pub(crate) async fn protected_resource(exchange: Exchange, server: Arc<Server>) -> Result<Response> {
    let settings = OAuthSettings::load(&exchange.site.documents).await?;
    let site = exchange.site.documents.site_url();
    let path = exchange.request.uri().path();
    let path = path.strip_prefix(WELL_KNOWN_RESOURCE).unwrap_or_default();
    let asked = format!("{site}{path}");
    // Exactly a resource that we know: its document must name the very address that was asked for (RFC 9728 §3.3).
    let known = settings.resources(site);
    let is_known = resource::canonical(&asked)
        .is_some_and(|canonical| canonical == asked.trim_end_matches('/') && known.iter().any(|own| own == canonical));
    if !is_known || (!path.is_empty() && path.ends_with('/')) {
        return Err(hidden());
    }
    let mut issuers = vec![site.to_owned()];
    issuers.extend(authorization_servers(&server.providers, &exchange.site.documents).await?);
    let scopes = SiteScopes::now(&exchange.site, &server.catalogue, &settings).await?.announced_to_begin();
    let scopes = words(&scopes);
    Ok(public_json(&ResourceMetadata {
        bearer_methods_supported: if settings.accept_token_in_form {
            vec!["header".to_owned(), "body".to_owned()]
        } else {
            vec!["header".to_owned()]
        },
        tls_client_certificate_bound_access_tokens: exchange.site.config.certificate_check().is_some(),
        resource_name: settings.resource_name.clone(),
        resource_documentation: settings.resource_documentation.clone(),
        resource_policy_uri: settings.resource_policy_uri.clone(),
        resource_tos_uri: settings.resource_tos_uri.clone(),
        ..ResourceMetadata::new(&asked, issuers).with_scopes(scopes)
    }))
}

/// The algorithms of id tokens, the one that OAuth Settings prefers first.
fn id_token_algorithms(settings: &OAuthSettings) -> Vec<String> {
    let mut algorithms: Vec<_> = signing_keys::ALGORITHMS.iter().map(ToString::to_string).collect();
    algorithms.sort_by_key(|alg| *alg != settings.id_token_signing_alg);
    algorithms.extend(settings.allow_hs256.then(|| "HS256".to_owned()));
    algorithms
}

fn words(scopes: &ScopeSet) -> Vec<String> {
    scopes.iter().map(ToString::to_string).collect()
}

fn hidden() -> Error {
    Error::NoSuchRoute("There is nothing at this address".to_owned())
}
