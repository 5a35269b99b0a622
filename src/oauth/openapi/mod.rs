//! OAuth in the OpenAPI document: the endpoints, the ways to authenticate, and the scopes that each operation needs.
//!
//! The endpoints are described in types, those that they answer with where there are any. The handlers of
//! `authorization_server` read requests themselves, since extractors would answer mistakes in another form than the
//! RFCs'; so the descriptions serve nothing.

mod browser;
mod discovery;
mod parts;
mod registration;
mod scopes;
mod tokens;
mod userinfo;

use std::sync::Arc;

use async_trait::async_trait;
use indexmap::IndexSet;
use poem_openapi::OpenApiService;
use serde_json::{Map, Value as Json, json};

use crate::config::client_certificates::CertificateCheck;
use crate::error::Result;
use crate::meta::Registry;
use crate::oauth::protocol::Scope;
use crate::oauth::protocol::client_authentication::Method;
use crate::oauth::protocol::metadata::{
    AUTHORIZE, DEVICE_AUTHORIZATION, END_SESSION, REGISTER, USERINFO, WELL_KNOWN_OPENID, WELL_KNOWN_RESOURCE,
    WELL_KNOWN_SERVER,
};
use crate::oauth::protocol::request::GrantType;
use crate::oauth::scope_catalogue::ScopeCatalogue;
use crate::oauth::views::OAuthSettings;
use crate::oauth::views::oauth_settings::Registration;
use crate::web::plugin::{DescribesApi, NEEDS};
use crate::web::{Plugins, Site};

/// The paths that OAuth Settings can switch off.
const SWITCHED: [&str; 5] = [REGISTER, DEVICE_AUTHORIZATION, WELL_KNOWN_SERVER, WELL_KNOWN_OPENID, WELL_KNOWN_RESOURCE];
/// Headers of answers, as they are written.
const HEADERS: [&str; 4] = ["WWW-Authenticate", "Retry-After", "Location", "DPoP-Nonce"];

/// Registers the description.
pub fn register(plugins: &mut Plugins, catalogue: &ScopeCatalogue) {
    plugins.openapi.push(endpoints());
    plugins.describes_api.push(Arc::new(Security { catalogue: catalogue.clone() }));
}

/// The endpoints, as an OpenAPI document of their own: all there can be.
fn endpoints() -> Json {
    let apis = (browser::Browser, tokens::Tokens, userinfo::UserInfo, registration::Registration, discovery::Discovery);
    let service = OpenApiService::new(apis, "Doctyped", env!("CARGO_PKG_VERSION"));
    let mut document: Json = serde_json::from_str(&service.spec()).expect("poem-openapi writes JSON");
    for path in [AUTHORIZE, END_SESSION] {
        let by_form = document["paths"][path]["post"]["requestBody"].clone();
        let schema = &by_form["content"]["application/x-www-form-urlencoded"]["schema"];
        document["paths"][path]["get"]["parameters"] = query_of(&document, schema);
    }
    // What is there whatever a flattened part leaves out.
    document["components"]["schemas"]["OAuthIntrospection"]["required"] = json!(["active"]);
    document["components"]["schemas"]["OAuthClientInformation"]["required"] = json!([
        "client_id",
        "client_id_issued_at",
        "token_endpoint_auth_method",
        "grant_types",
        "response_types",
        "application_type",
        "scope",
    ]);
    for operation in operations(&mut document) {
        tidy(operation);
    }
    for path in [AUTHORIZE, END_SESSION] {
        for operation in document["paths"][path].as_object_mut().into_iter().flat_map(Map::values_mut) {
            operation["security"] = json!([{ "session": [] }, {}]);
        }
    }
    document
}

/// Corrects what poem-openapi says otherwise than it is: whoever needs no credentials, media types and headers.
fn tidy(operation: &mut Json) {
    if operation.get("security").is_none() {
        operation["security"] = json!([{}]);
    }
    for answer in operation["responses"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        for (part, name) in [("content", media_type as fn(String) -> String), ("headers", header)] {
            if let Some(named) = answer.get_mut(part).and_then(Json::as_object_mut) {
                *named = std::mem::take(named).into_iter().map(|(key, value)| (name(key), value)).collect();
            }
        }
    }
}

/// JSON is always UTF-8, so that a parameter has nothing to add.
fn media_type(name: String) -> String {
    if name.starts_with("application/json;") { "application/json".to_owned() } else { name }
}

/// A header's name as it is written, not all in capitals.
fn header(name: String) -> String {
    let known = HEADERS.into_iter().find(|known| known.eq_ignore_ascii_case(&name));
    known.map_or(name, str::to_owned)
}

/// The fields of a form as parameters of a query.
fn query_of(document: &Json, schema: &Json) -> Json {
    let name = schema["$ref"].as_str().unwrap_or_default().trim_start_matches('#');
    let form = document.pointer(name).unwrap_or(&Json::Null);
    let is_required = |field: &str| form["required"].as_array().is_some_and(|all| all.iter().any(|one| one == field));
    let fields = form["properties"].as_object().into_iter().flatten();
    fields
        .map(|(field, schema)| {
            let mut schema = schema.clone();
            let description = schema.as_object_mut().and_then(|schema| schema.shift_remove("description"));
            json!({
                "name": field, "in": "query", "required": is_required(field),
                "description": description, "schema": schema,
            })
        })
        .collect()
}

/// Every operation of a document.
fn operations(document: &mut Json) -> impl Iterator<Item = &mut Json> {
    let paths = document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    paths.filter_map(Json::as_object_mut).flat_map(|item| item.values_mut())
}

struct Security {
    catalogue: ScopeCatalogue,
}

#[async_trait]
impl DescribesApi for Security {
    async fn stamp(&self, site: &Site) -> Result<u64> {
        let settings = OAuthSettings::load(&site.documents).await?;
        let needs_token = settings.registration == Registration::InitialAccessToken;
        let switches = SWITCHED.into_iter().map(|path| settings.serves(path));
        let switches =
            switches.chain(GrantType::ALL.into_iter().map(|grant| settings.offers(grant))).chain([needs_token]);
        Ok(switches.fold(self.catalogue.changes(), |stamp, is_on| stamp * 2 + u64::from(is_on)))
    }

    async fn describe(&self, site: &Site, known: &Registry, document: &mut Json) -> Result<()> {
        let definitions = self.catalogue.get(&site.documents).await?;
        let settings = OAuthSettings::load(&site.documents).await?;
        leave_out(document, &settings, site.config.client_certificates.as_ref().map(|certificates| certificates.check));
        let scopes = scopes::all(known, &definitions);
        let schemes = scopes::schemes(site.documents.site_url(), scopes, &settings);
        if let Some(known) = document["components"]["securitySchemes"].as_object_mut() {
            known.extend(schemes);
        }
        for operation in operations(document) {
            let Some(ways) = operation.get(NEEDS).and_then(Json::as_array) else { continue };
            // Several rights may take one scope.
            let ways: IndexSet<Vec<String>> = ways.iter().filter_map(scopes::of_way).collect();
            let others = ["session", "api_key", "basic"].map(|name| json!({ name: [] }));
            operation["security"] = others.into_iter().chain(ways.iter().flat_map(by_token)).collect();
        }
        for operation in document["paths"][USERINFO].as_object_mut().into_iter().flat_map(Map::values_mut) {
            let bearer = json!({ "bearer": [] });
            operation["security"] = by_token(&vec![Scope::OpenId.to_string()]).into_iter().chain([bearer]).collect();
        }
        Ok(())
    }
}

/// The ways in by a token with these scopes.
fn by_token(scopes: &Vec<String>) -> [Json; 2] {
    ["oauth2", "openid"].map(|name| json!({ name: scopes }))
}

/// Leaves out what OAuth Settings switches off, and what takes certificates that no proxy passes on.
fn leave_out(document: &mut Json, settings: &OAuthSettings, certificates: Option<CertificateCheck>) {
    if let Some(paths) = document["paths"].as_object_mut() {
        paths.retain(|path, _| settings.serves(path));
    }
    let offered = GrantType::ALL.into_iter().filter(|grant| settings.offers(*grant)).map(GrantType::as_str);
    document["components"]["schemas"]["OAuthGrantType"]["enum"] = offered.collect();
    let offered = Method::ALL.into_iter().filter(|method| method.is_offered(certificates)).map(Method::as_str);
    document["components"]["schemas"]["OAuthClientAuthenticationMethod"]["enum"] = offered.collect();
    if let Some(register) = document["paths"].get_mut(REGISTER) {
        let token = settings.registration == Registration::InitialAccessToken;
        register["post"]["security"] = if token { json!([{ "initial_access_token": [] }]) } else { json!([{}]) };
    }
}

#[cfg(test)]
mod tests;
