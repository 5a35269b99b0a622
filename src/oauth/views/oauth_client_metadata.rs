//! An OAuth Client as client metadata: what a program says of itself becomes a document, and is read back from it.

use serde_json::Value as Json;

use super::fields::{Fields, lines_value, text_value};
use super::oauth_client::{OAuthClient, VIEW};
use crate::meta::{Document, Value};
use crate::oauth::protocol::certificate::NameKind;
use crate::oauth::protocol::jwt::Algorithm;
use crate::oauth::protocol::redirect_uri::ApplicationType;
use crate::oauth::protocol::registration::ClientMetadata;
use crate::oauth::protocol::request::GrantType;

/// Writes metadata into a document of OAuth Client. What the metadata leaves out is empty afterwards (RFC 7592 §2.2);
/// what only administrators decide stays as it is.
pub fn write(metadata: &ClientMetadata, document: &mut Document) {
    let check = |on: bool| Value::from(i64::from(on));
    let text = |text: &Option<String>| text_value(text.as_deref());
    let uses = |grant| check(metadata.grant_types.contains(&grant));
    let is_native = metadata.application_type == ApplicationType::Native;
    let jwks = metadata.jwks.as_ref().map(|jwks| format!("{jwks:#}"));
    let values = [
        ("app_name", text(&metadata.client_name)),
        ("default_redirect_uri", text_value(metadata.redirect_uris.iter().next())),
        ("redirect_uris", text_value(Some(&metadata.redirect_uris.to_stored()))),
        ("application_type", Value::from(if is_native { "Native" } else { "Web" })),
        ("scopes", Value::from(metadata.scope.to_string())),
        ("token_endpoint_auth_method", Value::from(metadata.token_endpoint_auth_method.label())),
        ("allow_refresh_token", uses(GrantType::RefreshToken)),
        ("allow_device_code", uses(GrantType::DeviceCode)),
        ("client_uri", text(&metadata.client_uri)),
        ("logo_uri", text(&metadata.logo_uri)),
        ("tos_uri", text(&metadata.tos_uri)),
        ("policy_uri", text(&metadata.policy_uri)),
        ("contacts", lines_value(&metadata.contacts)),
        ("software_id", text(&metadata.software_id)),
        ("software_version", text(&metadata.software_version)),
        ("jwks_uri", text(&metadata.jwks_uri)),
        ("jwks", text(&jwks)),
        ("id_token_signed_response_alg", text_value(metadata.id_token_signed_response_alg)),
        ("introspection_signed_response_alg", text_value(metadata.introspection_signed_response_alg)),
        ("post_logout_redirect_uris", lines_value(&metadata.post_logout_redirect_uris)),
        ("backchannel_logout_uri", text(&metadata.backchannel_logout_uri)),
        ("require_dpop", check(metadata.dpop_bound_access_tokens)),
        ("tls_client_certificate_bound_access_tokens", check(metadata.tls_client_certificate_bound_access_tokens)),
        ("require_par", check(metadata.require_pushed_authorization_requests)),
        ("require_signed_request_object", check(metadata.require_signed_request_object)),
    ];
    for (fieldname, value) in values {
        document.set(fieldname, value);
    }
    for kind in NameKind::ALL {
        let name = metadata.certificate_name.as_ref().filter(|name| name.kind == kind);
        document.set(kind.as_str(), text_value(name.map(|name| name.text.as_str())));
    }
}

/// The metadata of a stored client, as it is in force now.
pub fn read(document: &Document) -> ClientMetadata {
    let client = OAuthClient::from(document);
    let fields = Fields::new(document, &VIEW);
    let grant_types: Vec<GrantType> = GrantType::ALL.into_iter().filter(|grant| client.may_use(*grant)).collect();
    let uses_code = grant_types.contains(&GrantType::AuthorizationCode);
    ClientMetadata {
        client_name: fields.optional("app_name"),
        redirect_uris: client.redirect_uris,
        token_endpoint_auth_method: client.auth_method,
        grant_types,
        response_types: if uses_code { vec!["code"] } else { Vec::new() },
        application_type: client.application_type,
        scope: client.scopes,
        client_uri: client.client_uri,
        logo_uri: client.logo_uri,
        tos_uri: client.tos_uri,
        policy_uri: client.policy_uri,
        contacts: fields.text("contacts").lines().map(str::to_owned).collect(),
        software_id: fields.optional("software_id"),
        software_version: fields.optional("software_version"),
        jwks_uri: client.jwks_uri,
        jwks: client.jwks.and_then(|jwks| serde_json::from_str::<Json>(&jwks).ok()),
        id_token_signed_response_alg: client
            .id_token_alg
            .and_then(|name| Algorithm::parse(&name))
            .map(Algorithm::as_str),
        introspection_signed_response_alg: fields
            .optional("introspection_signed_response_alg")
            .map(|_| client.introspection_alg.as_str()),
        post_logout_redirect_uris: client.post_logout_redirect_uris,
        backchannel_logout_uri: client.backchannel_logout_uri,
        certificate_name: client.certificate_name,
        dpop_bound_access_tokens: client.require_dpop,
        tls_client_certificate_bound_access_tokens: client.require_certificate,
        require_pushed_authorization_requests: client.require_pushed,
        require_signed_request_object: client.require_signed,
    }
}
