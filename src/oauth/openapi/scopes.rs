//! The scopes in the OpenAPI document: all there are, and those that an operation takes.

use serde_json::{Map, Value as Json, json};

use crate::meta::{Registry, Right};
use crate::oauth::protocol::Scope;
use crate::oauth::protocol::serve::metadata::{AUTHORIZE, TOKEN, WELL_KNOWN_OPENID};
use crate::oauth::protocol::serve::scope::ScopeRight;
use crate::oauth::protocol::serve::scope_rules::{missing_for, missing_for_guarded};
use crate::oauth::scopes::scope_catalogue::ScopeDefinitions;
use crate::oauth::views::OAuthSettings;

/// The scopes that one way into an operation takes, by what the engine asks for it.
pub(super) fn of_way(way: &Json) -> Option<Vec<String>> {
    let needs = way.as_array()?;
    // What limits nothing covers the rest.
    if needs.iter().any(|need| need.get("unlimited").is_some()) {
        return Some(vec![missing_for_guarded()]);
    }
    needs.iter().map(scope_for).collect()
}

fn scope_for(need: &Json) -> Option<String> {
    let text = |name: &str| need.get(name).and_then(Json::as_str);
    if let Some(path) = text("method") {
        return Some(Scope::Method(path.to_owned()).to_string());
    }
    let right = Right::ALL.into_iter().find(|right| Some(right.as_str()) == text("right"))?;
    Some(match text("doctype") {
        Some(doctype) => missing_for(doctype, right),
        None if Scope::Read.covers(&Scope::doctype("", ScopeRight::needed_for(right))) => Scope::Read.to_string(),
        None => Scope::Write.to_string(),
    })
}

/// Every scope with its description, for people.
pub(super) fn all(registry: &Registry, definitions: &ScopeDefinitions) -> Map<String, Json> {
    let general = [
        Scope::OpenId,
        Scope::Profile,
        Scope::Email,
        Scope::Roles,
        Scope::OfflineAccess,
        Scope::All,
        Scope::Read,
        Scope::Write,
    ];
    let mut scopes: Map<String, Json> =
        general.iter().map(|scope| (scope.to_string(), Json::from(scope.describe()))).collect();
    scopes.extend(definitions.iter().map(|(name, own)| (name.to_owned(), Json::from(own.description.as_str()))));
    for doctype in registry.iter().filter(|doctype| !doctype.istable) {
        for right in ScopeRight::ALL {
            let applies = match right {
                ScopeRight::Submit => doctype.is_submittable,
                ScopeRight::Create | ScopeRight::Delete => !doctype.issingle,
                ScopeRight::Read | ScopeRight::Write | ScopeRight::Report => true,
            };
            // Nobody should ask for what a scope cannot give.
            let is_guarded = doctype.guarded_rights.iter().any(|guarded| guarded.as_str() == right.as_str());
            if applies && !is_guarded {
                let scope = Scope::doctype(doctype.name.as_str(), right);
                scopes.insert(scope.to_string(), Json::from(scope.describe()));
            }
        }
    }
    scopes
}

/// The ways to authenticate by a token.
pub(super) fn schemes(site: &str, scopes: Map<String, Json>, settings: &OAuthSettings) -> Map<String, Json> {
    let (token, scopes) = (format!("{site}{TOKEN}"), Json::Object(scopes));
    let code = json!({
        "authorizationUrl": format!("{site}{AUTHORIZE}"), "tokenUrl": token, "refreshUrl": token, "scopes": scopes,
    });
    let mut schemes = Map::new();
    schemes.insert(
        "oauth2".to_owned(),
        json!({
            "type": "oauth2",
            "description": if settings.device_grant {
                "An access token, by authorization code with PKCE, for an application itself, or with a device code (RFC 8628)"
            } else {
                "An access token, by authorization code with PKCE or for an application itself"
            },
            "flows": {
                "authorizationCode": code,
                "clientCredentials": { "tokenUrl": token, "scopes": scopes },
            },
        }),
    );
    schemes.insert(
        "openid".to_owned(),
        json!({
            "type": "openIdConnect", "openIdConnectUrl": format!("{site}{WELL_KNOWN_OPENID}"),
            "description": "An access token of a client that finds everything by discovery",
        }),
    );
    schemes
}
