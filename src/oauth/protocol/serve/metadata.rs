//! What the site says about itself (RFC 8414, OpenID Connect Discovery, RFC 9728).

use poem_openapi::Object;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::config::client_certificates::CertificateCheck;
use crate::oauth::protocol::authorize::authorization_response::ResponseMode;
use crate::oauth::protocol::authorize::jar;
use crate::oauth::protocol::client::assertion;
use crate::oauth::protocol::client::client_authentication::Method;
use crate::oauth::protocol::request::GrantType;
use crate::oauth::protocol::token::dpop;
use crate::oauth::protocol::token::id_token;
use crate::oauth::protocol::token::identity_assertion;
use crate::secret::SigningAlgorithm;

/// The path of an endpoint of Frappe's module `frappe.integrations.oauth2`.
macro_rules! endpoint {
    ($name:literal) => {
        concat!("/api/method/frappe.integrations.oauth2.", $name)
    };
}
pub(crate) use endpoint;

/// Where people allow or refuse access.
pub(crate) const AUTHORIZE: &str = endpoint!("authorize");
/// Where their answer goes.
pub(crate) const APPROVE: &str = endpoint!("approve");
/// Where clients get tokens.
pub(crate) const TOKEN: &str = endpoint!("get_token");
/// Where clients give tokens back.
pub(crate) const REVOKE: &str = endpoint!("revoke_token");
/// Where resource servers ask about tokens.
pub(crate) const INTROSPECT: &str = endpoint!("introspect_token");
/// Who logged in.
pub(crate) const USERINFO: &str = endpoint!("openid_profile");
/// Where clients register; one of them is managed at this path, a slash, and its client id.
pub(crate) const REGISTER: &str = endpoint!("register_client");
/// Where clients push authorization requests.
pub(crate) const PAR: &str = endpoint!("par");
/// Where devices get their codes.
pub(crate) const DEVICE_AUTHORIZATION: &str = endpoint!("device_authorization");
/// Where people type them in; short, because they type this address too.
pub(crate) const DEVICE: &str = "/device";
/// Where people log out.
pub(crate) const END_SESSION: &str = endpoint!("end_session");
/// The public keys, at the usual place.
pub(crate) const WELL_KNOWN_JWKS: &str = "/.well-known/jwks.json";
/// Metadata of the authorization server.
pub(crate) const WELL_KNOWN_SERVER: &str = "/.well-known/oauth-authorization-server";
/// The same for OpenID Connect.
pub(crate) const WELL_KNOWN_OPENID: &str = "/.well-known/openid-configuration";
/// Metadata of the resources.
pub(crate) const WELL_KNOWN_RESOURCE: &str = "/.well-known/oauth-protected-resource";

/// What works here and is switched on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServerConfiguration {
    /// The issuer: the site's address without a slash at its end.
    pub issuer: String,
    /// The members that name endpoints, with the path of each that answers.
    pub endpoints: Vec<(&'static str, &'static str)>,
    /// The grants that are switched on.
    pub grant_types: Vec<GrantType>,
    /// The scopes to advertise.
    pub scopes_supported: Vec<String>,
    /// Whether client ids may be addresses.
    pub client_id_metadata_documents: bool,
    /// Whether every client must push its requests.
    pub require_pushed_authorization_requests: bool,
    /// The algorithms of id tokens, the preferred one first.
    pub id_token_algorithms: Vec<String>,
    /// Which certificates of clients a proxy passes on.
    pub certificates: Option<CertificateCheck>,
    /// Documentation for developers.
    pub service_documentation: Option<String>,
    /// The privacy policy.
    pub op_policy_uri: Option<String>,
    /// The terms of service.
    pub op_tos_uri: Option<String>,
}

/// Metadata of the authorization server (RFC 8414 section 2, OpenID Connect Discovery section 3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "OAuthServerMetadata")]
#[expect(clippy::struct_excessive_bools, reason = "the registry has many flags")]
pub(crate) struct ServerMetadata {
    /// The name of the server: the address of the site.
    pub issuer: String,
    /// The addresses of the endpoints, by the members that name them.
    #[serde(flatten)]
    #[oai(skip)]
    pub endpoints: Map<String, Value>,
    /// Scopes that may be asked for; not all there are.
    pub scopes_supported: Vec<String>,
    /// Values of `response_type`.
    pub response_types_supported: Vec<String>,
    /// Values of `response_mode`.
    pub response_modes_supported: Vec<String>,
    /// Values of `grant_type`.
    pub grant_types_supported: Vec<String>,
    /// Kinds of assertions that the JWT bearer grant takes (draft-ietf-oauth-identity-assertion-authz-grant).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[oai(default)]
    pub authorization_grant_profiles_supported: Vec<String>,
    /// Values of `code_challenge_method`.
    pub code_challenge_methods_supported: Vec<String>,
    /// How clients may authenticate at the token endpoint.
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// How they may sign assertions there.
    pub token_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// How clients may authenticate at the revocation endpoint.
    pub revocation_endpoint_auth_methods_supported: Vec<String>,
    /// How they may sign assertions there.
    pub revocation_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// How clients may authenticate at the introspection endpoint.
    pub introspection_endpoint_auth_methods_supported: Vec<String>,
    /// How they may sign assertions there.
    pub introspection_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// Whether a person has one subject identifier for all clients.
    pub subject_types_supported: Vec<String>,
    /// How id tokens may be signed, the preferred way first.
    pub id_token_signing_alg_values_supported: Vec<String>,
    /// How answers about tokens may be signed (RFC 9701 section 7).
    pub introspection_signing_alg_values_supported: Vec<String>,
    /// How authorization requests may be signed.
    pub request_object_signing_alg_values_supported: Vec<String>,
    /// How DPoP proofs may be signed.
    pub dpop_signing_alg_values_supported: Vec<String>,
    /// Whether tokens may be bound to the certificate of the client (RFC 8705 section 3.3).
    #[serde(skip_serializing_if = "is_false")]
    #[oai(default)]
    pub tls_client_certificate_bound_access_tokens: bool,
    /// How strongly people may prove who they are.
    pub acr_values_supported: Vec<String>,
    /// Kinds of claims.
    pub claim_types_supported: Vec<String>,
    /// Claims of id tokens and user info.
    pub claims_supported: Vec<String>,
    /// Languages of the pages.
    pub ui_locales_supported: Vec<String>,
    /// Values of `prompt`.
    pub prompt_values_supported: Vec<String>,
    /// Whether single claims may be asked for.
    pub claims_parameter_supported: bool,
    /// Whether requests may be signed.
    pub request_parameter_supported: bool,
    /// Whether requests that lie elsewhere are fetched; pushed ones need no fetching.
    pub request_uri_parameter_supported: bool,
    /// Whether such addresses have to be registered.
    pub require_request_uri_registration: bool,
    /// Whether every request must be signed.
    pub require_signed_request_object: bool,
    /// Whether every request must be pushed.
    pub require_pushed_authorization_requests: bool,
    /// Whether answers name their issuer (RFC 9207).
    pub authorization_response_iss_parameter_supported: bool,
    /// Whether a client id may be the address of a page about the client.
    pub client_id_metadata_document_supported: bool,
    /// Whether clients are told of logouts.
    pub backchannel_logout_supported: bool,
    /// Whether they are told which session ended.
    pub backchannel_logout_session_supported: bool,
    /// Documentation for developers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_documentation: Option<String>,
    /// The privacy policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op_policy_uri: Option<String>,
    /// The terms of service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op_tos_uri: Option<String>,
}

/// Metadata of a protected resource (RFC 9728 section 2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "OAuthResourceMetadata")]
pub(crate) struct ResourceMetadata {
    /// The address of the resource, exactly as it was asked for.
    pub resource: String,
    /// Whose tokens open it.
    pub authorization_servers: Vec<String>,
    /// Scopes that may be asked for; not all there are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[oai(default)]
    pub scopes_supported: Vec<String>,
    /// Where tokens may stand in a request.
    pub bearer_methods_supported: Vec<String>,
    /// How DPoP proofs may be signed.
    pub dpop_signing_alg_values_supported: Vec<String>,
    /// Whether tokens may be bound to the certificate of the client (RFC 8705 section 3.3).
    #[serde(skip_serializing_if = "is_false")]
    #[oai(default)]
    pub tls_client_certificate_bound_access_tokens: bool,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
    /// Documentation for developers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_documentation: Option<String>,
    /// The privacy policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_policy_uri: Option<String>,
    /// The terms of service.
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
    pub(crate) fn new(configuration: &ServerConfiguration) -> Self {
        let issuer = &configuration.issuer;
        let offered = || Method::ALL.into_iter().filter(|method| method.is_offered(configuration.certificates));
        let confidential = names(offered().filter(|method| method.is_confidential()));
        let signing = || assertion_algorithms();
        let endpoints = configuration.endpoints.iter();
        Self {
            issuer: issuer.clone(),
            endpoints: endpoints
                .map(|(member, path)| ((*member).to_owned(), format!("{issuer}{path}").into()))
                .collect(),
            scopes_supported: configuration.scopes_supported.clone(),
            response_types_supported: texts(["code"]),
            response_modes_supported: texts(ResponseMode::ALL.map(ResponseMode::as_str)),
            grant_types_supported: texts(configuration.grant_types.iter().map(|grant| grant.as_str())),
            authorization_grant_profiles_supported: if configuration.grant_types.contains(&GrantType::JwtBearer) {
                texts([identity_assertion::PROFILE])
            } else {
                Vec::new()
            },
            code_challenge_methods_supported: texts(["S256"]),
            token_endpoint_auth_methods_supported: names(offered()),
            token_endpoint_auth_signing_alg_values_supported: signing(),
            revocation_endpoint_auth_methods_supported: names(offered()),
            revocation_endpoint_auth_signing_alg_values_supported: signing(),
            introspection_endpoint_auth_methods_supported: confidential,
            introspection_endpoint_auth_signing_alg_values_supported: signing(),
            subject_types_supported: texts(["public"]),
            id_token_signing_alg_values_supported: configuration.id_token_algorithms.clone(),
            introspection_signing_alg_values_supported: texts(
                configuration.id_token_algorithms.iter().map(String::as_str).filter(|name| *name != "HS256"),
            ),
            request_object_signing_alg_values_supported: texts(jar::ALGORITHMS.map(SigningAlgorithm::as_str)),
            dpop_signing_alg_values_supported: dpop_algorithms(),
            tls_client_certificate_bound_access_tokens: configuration.certificates.is_some(),
            acr_values_supported: texts([id_token::ACR, id_token::ACR_MFA]),
            claim_types_supported: texts(["normal"]),
            claims_supported: texts(CLAIMS),
            ui_locales_supported: texts(["en", "de"]),
            prompt_values_supported: texts(["none", "login", "consent", "select_account"]),
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
    pub(crate) fn new(resource: &str, authorization_servers: Vec<String>) -> Self {
        Self {
            resource: resource.to_owned(),
            authorization_servers,
            bearer_methods_supported: texts(["header"]),
            dpop_signing_alg_values_supported: dpop_algorithms(),
            ..Self::default()
        }
    }

    /// The scopes to advertise: the least that a client should ask for, never `offline_access`.
    #[must_use]
    pub(crate) fn with_scopes(mut self, scopes: impl IntoIterator<Item = String>) -> Self {
        self.scopes_supported = scopes.into_iter().filter(|scope| scope != "offline_access").collect();
        self
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

fn texts<'t>(names: impl IntoIterator<Item = &'t str>) -> Vec<String> {
    names.into_iter().map(str::to_owned).collect()
}

fn names(methods: impl IntoIterator<Item = Method>) -> Vec<String> {
    texts(methods.into_iter().map(Method::as_str))
}

/// What proves the keys that tokens may be bound to (RFC 9449).
fn dpop_algorithms() -> Vec<String> {
    texts(dpop::ALGORITHMS.iter().map(|algorithm| algorithm.as_str()))
}

/// The algorithms of client assertions.
fn assertion_algorithms() -> Vec<String> {
    texts(assertion::ALGORITHMS.iter().map(|algorithm| algorithm.as_str()).chain(["HS256"]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oauth::protocol::token::identity_assertion::PROFILE;

    fn configuration() -> ServerConfiguration {
        ServerConfiguration {
            issuer: "https://site.example".to_owned(),
            scopes_supported: vec!["openid".to_owned(), "offline_access".to_owned()],
            endpoints: vec![("token_endpoint", TOKEN), ("jwks_uri", WELL_KNOWN_JWKS)],
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
        assert_eq!(metadata(&configuration())["authorization_grant_profiles_supported"], json!([PROFILE]));
        let off = ServerConfiguration {
            endpoints: vec![("token_endpoint", TOKEN)],
            client_id_metadata_documents: false,
            grant_types: vec![GrantType::AuthorizationCode],
            ..configuration()
        };
        let metadata = metadata(&off);
        let members = metadata.as_object().unwrap();
        for absent in ["jwks_uri", "authorization_grant_profiles_supported"] {
            assert!(!members.contains_key(absent), "{absent}");
        }
        assert_eq!(metadata["grant_types_supported"], json!(["authorization_code"]));
        assert_eq!(metadata["client_id_metadata_document_supported"], false);
        assert!(members.values().all(|value| !value.is_null()));
    }

    #[test]
    fn certificates_are_advertised_only_where_a_proxy_passes_them_on() {
        for (certificates, method) in [
            (None, None),
            (Some(CertificateCheck::Verified), Some("tls_client_auth")),
            (Some(CertificateCheck::Any), Some("self_signed_tls_client_auth")),
        ] {
            let metadata = metadata(&ServerConfiguration { certificates, ..configuration() });
            for endpoint in ["token", "revocation", "introspection"] {
                let methods = metadata[format!("{endpoint}_endpoint_auth_methods_supported")].as_array().unwrap();
                let by_certificate = methods.iter().filter_map(Value::as_str).filter(|name| name.contains("tls"));
                assert_eq!(by_certificate.collect::<Vec<_>>(), Vec::from_iter(method), "{endpoint}");
            }
            let bound = metadata.get("tls_client_certificate_bound_access_tokens");
            assert_eq!(bound.is_some(), certificates.is_some());
        }
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
