//! An OAuth Client as client metadata: what a client says of itself becomes a document, and is read back from it.

use serde_json::Value as Json;

use crate::document::view::{lines_value, text_value};
use crate::meta::{Document, Value};
use crate::oauth::protocol::client::certificate::NameKind;
use crate::oauth::protocol::client::client_members::{Kind, Member};
use crate::oauth::protocol::client::redirect_uri::ApplicationType;
use crate::oauth::protocol::client::registration::ClientMetadata;
use crate::oauth::protocol::request::GrantType;
use crate::oauth::views::oauth_client::OAuthClient;

/// Writes metadata into a document of OAuth Client. What the metadata leaves out is empty afterwards (RFC 7592 §2.2);
/// what only administrators decide stays as it is.
pub(crate) fn write(metadata: &ClientMetadata, document: &mut Document) {
    let uses = |grant| Value::from(i64::from(metadata.grant_types.contains(&grant)));
    let is_native = metadata.application_type == ApplicationType::Native;
    let values = [
        ("default_redirect_uri", text_value(metadata.redirect_uris.iter().next())),
        ("redirect_uris", text_value(Some(&metadata.redirect_uris.to_stored()))),
        ("application_type", Value::from(if is_native { "Native" } else { "Web" })),
        ("scopes", Value::from(metadata.scope.to_string())),
        ("token_endpoint_auth_method", Value::from(metadata.token_endpoint_auth_method.label())),
        ("allow_refresh_token", uses(GrantType::RefreshToken)),
        ("allow_device_code", uses(GrantType::DeviceCode)),
    ];
    for (fieldname, value) in values {
        document.set(fieldname, value);
    }
    for member in Member::kept() {
        document.set(member.field, stored(member, metadata.members.get(member.name)));
    }
    for kind in NameKind::ALL {
        let name = metadata.certificate_name.as_ref().filter(|name| name.kind == kind);
        document.set(kind.as_str(), text_value(name.map(|name| name.text.as_str())));
    }
}

/// The metadata of a stored client, as it is in force now.
pub(crate) fn read(document: &Document) -> ClientMetadata {
    let client = OAuthClient::from(document);
    let members = Member::kept().filter_map(|member| Some((member.name.to_owned(), said(member, document)?)));
    ClientMetadata {
        members: members.collect(),
        token_endpoint_auth_method: client.auth_method,
        grant_types: GrantType::ALL.into_iter().filter(|grant| client.may_use(*grant)).collect(),
        redirect_uris: client.redirect_uris,
        application_type: client.application_type,
        scope: client.scopes,
        certificate_name: client.certificate_name,
    }
}

/// What the field of a member keeps.
fn stored(member: &Member, value: Option<&Json>) -> Value {
    match (member.kind, value) {
        (Kind::Switch, on) => Value::from(i64::from(on == Some(&Json::Bool(true)))),
        (_, None) => Value::Null,
        (_, Some(Json::String(text))) => text_value(Some(text)),
        (_, Some(Json::Array(lines))) => {
            lines_value(&lines.iter().filter_map(Json::as_str).map(str::to_owned).collect::<Vec<_>>())
        }
        (_, Some(other)) => Value::from(format!("{other:#}")),
    }
}

/// What the field of a member says; `None` if it is empty.
fn said(member: &Member, document: &Document) -> Option<Json> {
    let text = document.text(member.field).trim();
    match member.kind {
        Kind::Switch => document.check(member.field).then_some(Json::Bool(true)),
        _ if text.is_empty() => None,
        Kind::Texts => Some(text.lines().collect()),
        Kind::Uris => Some(text.split([' ', '\n', '\r', '\t', ',']).filter(|word| !word.is_empty()).collect()),
        Kind::Json => serde_json::from_str(text).ok(),
        _ => Some(Json::from(text)),
    }
}
