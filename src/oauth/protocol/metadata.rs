//! What the site says about itself (RFC 8414, OpenID Connect Discovery, RFC 9728).

use serde::Serialize;

use super::assertion;
use super::authorization_response::ResponseMode;
use super::client_authentication::Method;
use super::dpop;
use super::id_token;
use super::jar;
use super::request::GrantType;
use crate::secret::SigningAlgorithm;

/// The path of an endpoint of Frappe's module `frappe.integrations.oauth2`.
macro_rules! endpoint {
    ($name:literal) => {
        concat!("/api/method/frappe.integrations.oauth2.", $name)
    };
}

/// Where people allow or refuse access.
pub const AUTHORIZE: &str = endpoint!("authorize");
/// Where their answer goes.
pub const APPROVE: &str = endpoint!("approve");
/// Where programs get tokens.
pub const TOKEN: &str = endpoint!("get_token");
/// Where programs give tokens back.
pub const REVOKE: &str = endpoint!("revoke_token");
/// Where resource servers ask about tokens.
pub const INTROSPECT: &str = endpoint!("introspect_token");
/// Who logged in.
pub const USERINFO: &str = endpoint!("openid_profile");
/// Where programs register; one of them is managed at this path, a slash, and its client id.
pub const REGISTER: &str = endpoint!("register_client");
/// Where programs push authorization requests.
pub const PAR: &str = endpoint!("par");
/// Where devices get their codes.
pub const DEVICE_AUTHORIZATION: &str = endpoint!("device_authorization");
/// Where people type them in; short, because they type this address too.
pub const DEVICE: &str = "/device";
/// The public keys.
pub const JWKS: &str = endpoint!("jwks");
/// Where people log out.
pub const END_SESSION: &str = endpoint!("end_session");
/// The public keys, at the usual place.
pub const WELL_KNOWN_JWKS: &str = "/.well-known/jwks.json";
/// Metadata of the authorization server.
pub const WELL_KNOWN_SERVER: &str = "/.well-known/oauth-authorization-server";
/// The same for OpenID Connect.
pub const WELL_KNOWN_OPENID: &str = "/.well-known/openid-configuration";
/// Metadata of the resources.
pub const WELL_KNOWN_RESOURCE: &str = "/.well-known/oauth-protected-resource";

/// The endpoints that are advertised only where they answer.
pub const OPTIONAL_ENDPOINTS: [&str; 4] = [REGISTER, PAR, DEVICE_AUTHORIZATION, END_SESSION];

/// What works here and is switched on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerConfiguration {
    /// The issuer: the site's address without a slash at its end.
    pub issuer: String,
    /// Which of [`OPTIONAL_ENDPOINTS`] answer.
    pub endpoints: Vec<&'static str>,
    /// The grants that are switched on.
    pub grant_types: Vec<GrantType>,
    /// The scopes to advertise.
    pub scopes_supported: Vec<String>,
    /// Whether client ids may be addresses.
    pub client_id_metadata_documents: bool,
    /// Whether every program must push its requests.
    pub require_pushed_authorization_requests: bool,
    /// The algorithms of id tokens, the preferred one first.
    pub id_token_algorithms: Vec<String>,
    /// Documentation for developers.
    pub service_documentation: Option<String>,
    /// The privacy policy.
    pub op_policy_uri: Option<String>,
    /// The terms of service.
    pub op_tos_uri: Option<String>,
}

/// Metadata of the authorization server; one document serves both well-known places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of RFC 8414 §2 and its registry")]
#[expect(clippy::struct_excessive_bools, reason = "the registry has many flags")]
pub struct ServerMetadata {
    pub issuer: String,
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub userinfo_endpoint: String,
    pub jwks_uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_endpoint: Option<String>,
    pub revocation_endpoint: String,
    pub introspection_endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pushed_authorization_request_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_authorization_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_session_endpoint: Option<String>,
    pub scopes_supported: Vec<String>,
    pub response_types_supported: Vec<&'static str>,
    pub response_modes_supported: Vec<&'static str>,
    pub grant_types_supported: Vec<&'static str>,
    pub code_challenge_methods_supported: Vec<&'static str>,
    pub token_endpoint_auth_methods_supported: Vec<&'static str>,
    pub token_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    pub revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    pub revocation_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    pub introspection_endpoint_auth_methods_supported: Vec<&'static str>,
    pub introspection_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    pub subject_types_supported: Vec<&'static str>,
    pub id_token_signing_alg_values_supported: Vec<String>,
    pub request_object_signing_alg_values_supported: Vec<&'static str>,
    pub dpop_signing_alg_values_supported: Vec<&'static str>,
    pub acr_values_supported: Vec<&'static str>,
    pub claim_types_supported: Vec<&'static str>,
    pub claims_supported: Vec<&'static str>,
    pub ui_locales_supported: Vec<&'static str>,
    pub prompt_values_supported: Vec<&'static str>,
    pub claims_parameter_supported: bool,
    pub request_parameter_supported: bool,
    pub request_uri_parameter_supported: bool,
    pub require_request_uri_registration: bool,
    pub require_signed_request_object: bool,
    pub require_pushed_authorization_requests: bool,
    pub authorization_response_iss_parameter_supported: bool,
    pub client_id_metadata_document_supported: bool,
    pub backchannel_logout_supported: bool,
    pub backchannel_logout_session_supported: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_documentation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op_policy_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op_tos_uri: Option<String>,
}

/// Metadata of a protected resource (RFC 9728 §2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of RFC 9728 §2")]
pub struct ResourceMetadata {
    pub resource: String,
    pub authorization_servers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    pub bearer_methods_supported: Vec<&'static str>,
    pub dpop_signing_alg_values_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_documentation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_policy_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_tos_uri: Option<String>,
}

/// The claims that id tokens and userinfo may have.
const CLAIMS: [&str; 23] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "acr",
    "amr",
    "azp",
    "at_hash",
    "sid",
    "name",
    "given_name",
    "family_name",
    "preferred_username",
    "picture",
    "locale",
    "zoneinfo",
    "updated_at",
    "email",
    "email_verified",
    "roles",
];

impl ServerMetadata {
    /// What the configuration advertises.
    pub fn new(configuration: &ServerConfiguration) -> Self {
        let issuer = &configuration.issuer;
        let at = |path: &str| format!("{issuer}{path}");
        let optional = |path: &'static str| configuration.endpoints.contains(&path).then(|| at(path));
        let confidential = names(Method::ALL.into_iter().filter(|method| method.is_confidential()));
        let signing = || assertion_algorithms();
        let device = optional(DEVICE_AUTHORIZATION);
        Self {
            issuer: issuer.clone(),
            authorization_endpoint: at(AUTHORIZE),
            token_endpoint: at(TOKEN),
            userinfo_endpoint: at(USERINFO),
            jwks_uri: at(WELL_KNOWN_JWKS),
            registration_endpoint: optional(REGISTER),
            revocation_endpoint: at(REVOKE),
            introspection_endpoint: at(INTROSPECT),
            pushed_authorization_request_endpoint: optional(PAR),
            end_session_endpoint: optional(END_SESSION),
            scopes_supported: configuration.scopes_supported.clone(),
            response_types_supported: vec!["code"],
            response_modes_supported: ResponseMode::ALL.map(ResponseMode::as_str).to_vec(),
            grant_types_supported: configuration
                .grant_types
                .iter()
                .filter(|grant| **grant != GrantType::DeviceCode || device.is_some())
                .map(|grant| grant.as_str())
                .collect(),
            device_authorization_endpoint: device,
            code_challenge_methods_supported: vec!["S256"],
            token_endpoint_auth_methods_supported: names(Method::ALL),
            token_endpoint_auth_signing_alg_values_supported: signing(),
            revocation_endpoint_auth_methods_supported: names(Method::ALL),
            revocation_endpoint_auth_signing_alg_values_supported: signing(),
            introspection_endpoint_auth_methods_supported: confidential,
            introspection_endpoint_auth_signing_alg_values_supported: signing(),
            subject_types_supported: vec!["public"],
            id_token_signing_alg_values_supported: configuration.id_token_algorithms.clone(),
            request_object_signing_alg_values_supported: jar::ALGORITHMS.map(SigningAlgorithm::as_str).to_vec(),
            dpop_signing_alg_values_supported: dpop_algorithms(),
            acr_values_supported: vec![id_token::ACR],
            claim_types_supported: vec!["normal"],
            claims_supported: CLAIMS.to_vec(),
            ui_locales_supported: vec!["en"],
            prompt_values_supported: vec!["none", "login", "consent", "select_account"],
            claims_parameter_supported: false,
            request_parameter_supported: true,
            request_uri_parameter_supported: false,
            require_request_uri_registration: false,
            require_signed_request_object: false,
            require_pushed_authorization_requests: configuration.require_pushed_authorization_requests,
            authorization_response_iss_parameter_supported: true,
            client_id_metadata_document_supported: configuration.client_id_metadata_documents,
            backchannel_logout_supported: true,
            backchannel_logout_session_supported: true,
            service_documentation: configuration.service_documentation.clone(),
            op_policy_uri: configuration.op_policy_uri.clone(),
            op_tos_uri: configuration.op_tos_uri.clone(),
        }
    }
}

impl ResourceMetadata {
    /// The metadata of one resource with these authorization servers.
    pub fn new(resource: &str, authorization_servers: Vec<String>) -> Self {
        let bearer_methods_supported = vec!["header"];
        Self {
            resource: resource.to_owned(),
            authorization_servers,
            bearer_methods_supported,
            dpop_signing_alg_values_supported: dpop_algorithms(),
            ..Self::default()
        }
    }

    /// The scopes to advertise: the least that a client should ask for, never `offline_access`.
    #[must_use]
    pub fn with_scopes(mut self, scopes: impl IntoIterator<Item = String>) -> Self {
        self.scopes_supported = scopes.into_iter().filter(|scope| scope != "offline_access").collect();
        self
    }
}

fn names(methods: impl IntoIterator<Item = Method>) -> Vec<&'static str> {
    methods.into_iter().map(Method::as_str).collect()
}

/// What proves the keys that tokens may be bound to (RFC 9449).
fn dpop_algorithms() -> Vec<&'static str> {
    dpop::ALGORITHMS.iter().map(|algorithm| algorithm.as_str()).collect()
}

/// The algorithms of client assertions.
fn assertion_algorithms() -> Vec<&'static str> {
    assertion::ALGORITHMS.iter().map(|algorithm| algorithm.as_str()).chain(["HS256"]).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn configuration() -> ServerConfiguration {
        ServerConfiguration {
            issuer: "https://site.example".to_owned(),
            scopes_supported: vec!["openid".to_owned(), "offline_access".to_owned()],
            endpoints: OPTIONAL_ENDPOINTS.to_vec(),
            grant_types: GrantType::ALL.to_vec(),
            client_id_metadata_documents: true,
            id_token_algorithms: vec!["ES256".to_owned(), "RS256".to_owned()],
            ..ServerConfiguration::default()
        }
    }

    fn metadata(configuration: &ServerConfiguration) -> Value {
        serde_json::to_value(ServerMetadata::new(configuration)).unwrap()
    }

    #[test]
    fn the_document_has_what_assistants_and_openid_clients_look_for() {
        let metadata = metadata(&configuration());
        assert_eq!(metadata["issuer"], "https://site.example");
        assert_eq!(metadata["token_endpoint"], "https://site.example/api/method/frappe.integrations.oauth2.get_token");
        assert_eq!(metadata["jwks_uri"], "https://site.example/.well-known/jwks.json");
        assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
        assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
        assert_eq!(metadata["client_id_metadata_document_supported"], true);
        let methods = metadata["token_endpoint_auth_methods_supported"].as_array().unwrap();
        assert!(methods.contains(&json!("none")) && methods.contains(&json!("private_key_jwt")));
        assert!(metadata["id_token_signing_alg_values_supported"].as_array().unwrap().contains(&json!("RS256")));
    }

    #[test]
    fn things_of_the_past_are_not_advertised() {
        let metadata = metadata(&configuration());
        assert_eq!(metadata["response_types_supported"], json!(["code"]));
        let grants = metadata["grant_types_supported"].to_string();
        assert!(!grants.contains("implicit") && !grants.contains("password"));
    }

    #[test]
    fn what_is_switched_off_is_left_out_and_nothing_is_null() {
        let off = ServerConfiguration { endpoints: vec![], client_id_metadata_documents: false, ..configuration() };
        let metadata = metadata(&off);
        let members = metadata.as_object().unwrap();
        for absent in [
            "registration_endpoint",
            "device_authorization_endpoint",
            "pushed_authorization_request_endpoint",
            "end_session_endpoint",
        ] {
            assert!(!members.contains_key(absent), "{absent}");
        }
        assert!(!metadata["grant_types_supported"].to_string().contains("device_code"));
        assert_eq!(metadata["client_id_metadata_document_supported"], false);
        assert!(members.values().all(|value| !value.is_null()));
    }

    #[test]
    fn a_public_client_may_not_introspect() {
        let methods = metadata(&configuration())["introspection_endpoint_auth_methods_supported"].to_string();
        assert!(!methods.contains("none"));
    }

    #[test]
    fn the_metadata_of_a_resource_is_its_own() {
        let metadata = ResourceMetadata::new("https://site.example/mcp", vec!["https://site.example".to_owned()])
            .with_scopes(["openid".to_owned(), "offline_access".to_owned()]);
        let value = serde_json::to_value(&metadata).unwrap();
        assert_eq!(value["resource"], "https://site.example/mcp");
        assert_eq!(value["scopes_supported"], json!(["openid"]));
        assert_eq!(value["bearer_methods_supported"], json!(["header"]));
        assert!(value.get("resource_name").is_none());
    }
}
