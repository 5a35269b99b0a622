//! OAuth in the OpenAPI document: the endpoints of the table, the ways to authenticate, and the scopes that each
//! operation needs.

pub(crate) mod forms;
pub(crate) mod responses;
mod scopes;

use std::sync::Arc;

use async_trait::async_trait;
use indexmap::IndexSet;
use serde_json::{Map, Value as Json, json};

use crate::config::client_certificates::CertificateCheck;
use crate::error::Result;
use crate::meta::Registry;
use crate::oauth::protocol::Scope;
use crate::oauth::protocol::authorize::authorization_response::ResponseMode;
use crate::oauth::protocol::client::client_authentication::Method;
use crate::oauth::protocol::client::client_members::MEMBERS;
use crate::oauth::protocol::request::GrantType;
use crate::oauth::protocol::serve::metadata::{REGISTER, USERINFO};
use crate::oauth::protocol::token::introspection::ActiveToken;
use crate::oauth::server::{Caller, Endpoint, Operation, Request, Server};
use crate::oauth::views::OAuthSettings;
use crate::oauth::views::oauth_settings::Registration;
use crate::web::openapi::{Schema, Schemas, object};
use crate::web::plugin::{DescribesApi, NEEDS};
use crate::web::{Param, Plugins, Site};

/// What the tag of the endpoints says.
const TAG: &str = "Access for applications: tokens, and what there is to know about them. What OAuth Settings switches off \
                   is left out here, as it is from the metadata.";

/// Registers the description.
pub(crate) fn register(plugins: &mut Plugins, server: &Arc<Server>) {
    plugins.openapi.push(describe(&server.endpoints));
    plugins.describes_api.push(Arc::new(Security { server: Arc::clone(server) }));
}

/// The endpoints, as a part of the OpenAPI document: all there can be.
fn describe(endpoints: &[Arc<Endpoint>]) -> Json {
    let mut schemas = Schemas::default();
    let mut paths = Map::new();
    for endpoint in endpoints {
        for operation in endpoint.operations.iter().filter(|operation| !operation.id.is_empty()) {
            let verb = operation.verb.as_str().to_ascii_lowercase();
            let (path, parameters) = path_of(endpoint.path);
            let item = paths.entry(path).or_insert_with(|| json!({}));
            item[verb] = describe_operation(operation, parameters, &mut schemas);
        }
    }
    let mut schemas = named(schemas);
    add_members(&mut schemas, endpoints);
    json!({
        "tags": [{ "name": "OAuth", "description": TAG }],
        "paths": paths,
        "components": { "schemas": schemas, "securitySchemes": {
            "client_secret_basic": {
                "type": "http", "scheme": "basic",
                "description": "Client id and client secret, each form-encoded (RFC 6749 section 2.3.1)",
            },
            "initial_access_token": {
                "type": "http", "scheme": "bearer",
                "description": "The initial access token that OAuth Settings holds (RFC 7591 section 3)",
            },
            "registration_access_token": {
                "type": "http", "scheme": "bearer",
                "description": "The token that came with the registration of a client (RFC 7592)",
            },
        } },
    })
}

/// A path as OpenAPI writes it, and its parameter.
fn path_of(path: &str) -> (String, Vec<Json>) {
    let Some((start, name)) = path.split_once("/:").or_else(|| path.split_once("/*")) else {
        return (path.to_owned(), Vec::new());
    };
    let description = match name {
        "path" => "The path of the resource, such as `api`; it may hold `/`",
        _ => "The client ID",
    };
    let parameter = json!({
        "name": name, "in": "path", "required": true, "description": description, "schema": { "type": "string" },
    });
    (format!("{start}/{{{name}}}"), vec![parameter])
}

fn describe_operation(operation: &Operation, mut parameters: Vec<Json>, schemas: &mut Schemas) -> Json {
    let security = match operation.caller {
        Caller::Person => json!([{ "session": [] }, {}]),
        Caller::Client => json!([{ "client_secret_basic": [] }, {}]),
        Caller::Registered => json!([{ "registration_access_token": [] }]),
        // What depends on OAuth Settings and scopes is completed for each reader.
        Caller::Anybody | Caller::Registrant | Caller::TokenHolder => json!([{}]),
    };
    let mut described = json!({
        "operationId": operation.id, "summary": operation.summary, "tags": ["OAuth"], "security": security,
    });
    parameters.extend(operation.headers.iter().map(|header| header.parameter("header")));
    let body = match &operation.request {
        Request::Nothing => None,
        Request::Query(params) => {
            parameters.extend(params.iter().copied().flatten().map(|param| param.parameter("query")));
            None
        }
        Request::Form(schema) => Some(("application/x-www-form-urlencoded", schema)),
        Request::Json(schema) => Some(("application/json", schema)),
    };
    if let Some((media_type, schema)) = body {
        described["requestBody"] =
            json!({ "required": true, "content": { media_type: { "schema": schemas.refer(schema) } } });
    }
    if !parameters.is_empty() {
        described["parameters"] = Json::Array(parameters);
    }
    described["responses"] = operation.responses.iter().map(|response| response.describe(schemas)).collect();
    described
}

/// The schemas, with those that operations and members refer to by name.
fn named(mut schemas: Schemas) -> Map<String, Json> {
    let metadata: Vec<Param> = MEMBERS.iter().map(|one| Param::optional(one.name, one.json_type(), one.help)).collect();
    schemas.refer(&Schema::Object("OAuthKey", vec![forms::KEY]));
    schemas.refer(&Schema::of::<ActiveToken>());
    let mut schemas = schemas.into_components();
    let mut introspection = schemas.shift_remove("OAuthActiveToken").unwrap_or_default();
    introspection["description"] = json!("What is known of a token (RFC 7662 section 2.2)");
    introspection["required"] = json!(["active"]);
    introspection["properties"]["active"] = json!({
        "type": "boolean", "description": "Whether the token opens anything now. If not, this is all that is told",
    });
    let mut information = object(forms::CLIENT_INFORMATION.iter().chain(&metadata));
    if let Some(required) = information["required"].as_array_mut() {
        required.extend(forms::ALWAYS_REGISTERED.map(Json::from));
    }
    let values = |names: &[&str]| json!({ "type": "string", "enum": names });
    schemas.extend(
        [
            ("OAuthClientMetadata", object(metadata.iter())),
            ("OAuthClientInformation", information),
            ("OAuthClientUpdate", object(forms::CLIENT_UPDATE.iter().chain(&metadata))),
            ("OAuthIntrospection", introspection),
            ("OAuthGrantType", values(&GrantType::ALL.map(GrantType::as_str))),
            ("OAuthClientAuthenticationMethod", values(&Method::ALL.map(Method::as_str))),
            ("OAuthResponseMode", values(&ResponseMode::ALL.map(ResponseMode::as_str))),
            ("OAuthApplicationType", values(&["web", "native"])),
        ]
        .map(|(name, schema)| (name.to_owned(), schema)),
    );
    schemas
}

/// Adds the members that name endpoints to the schema of the server's metadata.
fn add_members(schemas: &mut Map<String, Json>, endpoints: &[Arc<Endpoint>]) {
    let Some(metadata) = schemas.get_mut("OAuthServerMetadata") else { return };
    for endpoint in endpoints {
        let Some((name, description)) = endpoint.member else { continue };
        metadata["properties"][name] = json!({ "type": "string", "description": description });
        if let (None, Some(required)) = (endpoint.switch, metadata["required"].as_array_mut()) {
            required.push(Json::from(name));
        }
    }
}

/// Every operation of a document.
fn operations(document: &mut Json) -> impl Iterator<Item = &mut Json> {
    let paths = document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    paths.filter_map(Json::as_object_mut).flat_map(|item| item.values_mut())
}

struct Security {
    server: Arc<Server>,
}

#[async_trait]
impl DescribesApi for Security {
    async fn stamp(&self, site: &Site) -> Result<u64> {
        let settings = OAuthSettings::load(&site.documents).await?;
        let needs_token = settings.registration == Registration::InitialAccessToken;
        let optional = self.server.endpoints.iter().filter(|endpoint| endpoint.switch.is_some());
        let switches = optional.map(|endpoint| endpoint.is_served(&settings));
        let switches =
            switches.chain(GrantType::ALL.into_iter().map(|grant| settings.offers(grant))).chain([needs_token]);
        Ok(switches.fold(self.server.catalogue.changes(), |stamp, is_on| stamp * 2 + u64::from(is_on)))
    }

    async fn describe(&self, site: &Site, known: &Registry, document: &mut Json) -> Result<()> {
        let definitions = self.server.catalogue.get(&site.documents).await?;
        let settings = OAuthSettings::load(&site.documents).await?;
        for endpoint in self.server.endpoints.iter().filter(|endpoint| !endpoint.is_served(&settings)) {
            if let Some(paths) = document["paths"].as_object_mut() {
                paths.shift_remove(&path_of(endpoint.path).0);
            }
        }
        let certificates = site.config.certificate_check();
        offer(document, &settings, certificates);
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

/// Leaves only the values that OAuth Settings and the proxy let in, and says who may register.
fn offer(document: &mut Json, settings: &OAuthSettings, certificates: Option<CertificateCheck>) {
    let offered = GrantType::ALL.into_iter().filter(|grant| settings.offers(*grant)).map(GrantType::as_str);
    document["components"]["schemas"]["OAuthGrantType"]["enum"] = offered.collect();
    let offered = Method::ALL.into_iter().filter(|method| method.is_offered(certificates)).map(Method::as_str);
    document["components"]["schemas"]["OAuthClientAuthenticationMethod"]["enum"] = offered.collect();
    if settings.registration == Registration::InitialAccessToken
        && let Some(register) = document["paths"].get_mut(REGISTER)
    {
        register["post"]["security"] = json!([{ "initial_access_token": [] }]);
    }
}

#[cfg(test)]
mod tests;
