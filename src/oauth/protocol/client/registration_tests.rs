//! What a client may register, and what it gets back.

use super::*;
use crate::oauth::protocol::client::redirect_uri::VerifiedRedirectUri;
use crate::oauth::protocol::jose::jwk::Jwk;
use crate::secret::PrivateKey;

fn set(text: &str) -> ScopeSet {
    ScopeSet::parse(text).unwrap()
}

fn parse(request: &Value) -> Result<ClientMetadata> {
    parse_with(request, Some("openid profile email roles doctype:Book:write"))
}

fn parse_with(request: &Value, supported: Option<&str>) -> Result<ClientMetadata> {
    parse_behind(request, supported, None)
}

/// The same at a site whose proxy passes on these certificates.
fn parse_behind(
    request: &Value,
    supported: Option<&str>,
    certificates: Option<CertificateCheck>,
) -> Result<ClientMetadata> {
    let default = set("openid profile email");
    let ceiling = Ceiling::offered(supported.map_or_else(|| default.clone(), set));
    let policy = RegistrationPolicy {
        default_scopes: &default,
        ceiling: &ceiling,
        known_scopes: &(),
        is_for_all_servers: false,
        site_names: &[],
        allow_hs256: false,
        redirect_schemes: &["cursor".to_owned()],
        allow_device_code: true,
        certificates,
    };
    ClientMetadata::parse(request, &policy)
}

fn with(changes: &Value) -> Value {
    let mut request = json!({ "client_name": "App", "redirect_uris": ["https://app.example/cb"] });
    for (name, value) in changes.as_object().unwrap() {
        request[name] = value.clone();
    }
    request
}

fn code(changes: &Value) -> ErrorCode {
    parse(&with(changes)).unwrap_err().code()
}

#[test]
fn the_least_that_is_needed_is_a_redirect_uri() {
    let metadata = parse(&json!({ "redirect_uris": ["https://app.example/cb"] })).unwrap();
    assert_eq!(metadata.token_endpoint_auth_method, Method::ClientSecretBasic);
    assert_eq!(metadata.grant_types, [GrantType::AuthorizationCode]);
    assert_eq!(metadata.scope.to_string(), "openid profile email");
    assert_eq!(metadata.application_type, ApplicationType::Web);
}

#[test]
fn what_an_assistant_sends_is_accepted_and_echoed_without_nulls() {
    // The shape in which MCP clients register.
    let metadata = parse(&json!({
        "client_name": "Claude Code",
        "redirect_uris": ["http://localhost:54212/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "scope": null,
        "logo_uri": null,
    }))
    .unwrap();
    assert_eq!(metadata.application_type, ApplicationType::Native);
    let information = ClientInformation {
        client_id: "abc".to_owned(),
        client_id_issued_at: 1,
        client_secret: None,
        client_secret_expires_at: None,
        registration_access_token: None,
        registration_client_uri: None,
        metadata,
    };
    assert_eq!(
        serde_json::to_value(&information).unwrap(),
        json!({
            "client_id": "abc",
            "client_id_issued_at": 1,
            "client_name": "Claude Code",
            "redirect_uris": ["http://localhost:54212/callback"],
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "application_type": "native",
            "scope": "openid profile email",
            "id_token_signed_response_alg": "RS256",
        })
    );
}

#[test]
fn several_redirect_uris_are_kept_exactly_and_each_fits() {
    let uris = ["https://claude.ai/cb", "https://claude.com/cb", "cursor://x/cb", "http://127.0.0.1/cb"];
    let metadata = parse(&with(&json!({ "redirect_uris": uris }))).unwrap();
    assert_eq!(metadata.application_type, ApplicationType::Native, "only native applications have app links");
    let stored = RedirectUris::from_stored(&metadata.redirect_uris.to_stored());
    for uri in uris {
        assert_eq!(stored.resolve(Some(uri), true).unwrap(), VerifiedRedirectUri::for_tests(uri));
    }
}

#[test]
fn errors_have_the_code_of_the_rfc() {
    for uris in [json!([]), json!(null), json!("https://app.example/cb"), json!(["http://app.example/cb"]), json!([1])]
    {
        assert_eq!(code(&json!({ "redirect_uris": uris })), ErrorCode::InvalidRedirectUri, "{uris}");
    }
    for changes in [
        json!({ "client_name": 1 }),
        json!({ "client_name": "a".repeat(501) }),
        json!({ "client_name": "a\u{202e}\u{7}b" }),
        json!({ "grant_types": ["implicit"] }),
        json!({ "grant_types": ["authorization_code", "password"] }),
        json!({ "grant_types": ["refresh_token"] }),
        json!({ "grant_types": [] }),
        json!({ "grant_types": ["client_credentials"] }),
        json!({ "response_types": ["token"] }),
        json!({ "response_types": ["code id_token"] }),
        json!({ "response_types": [] }),
        json!({ "token_endpoint_auth_method": "tls_client_auth" }),
        json!({ "token_endpoint_auth_method": "private_key_jwt" }),
        json!({ "application_type": "service" }),
        json!({ "client_uri": "javascript:alert(1)" }),
        json!({ "logo_uri": "data:image/png;base64,AAAA" }),
        json!({ "tos_uri": "https://user@app.example" }),
        json!({ "jwks_uri": "http://app.example/jwks" }),
        json!({ "jwks": { "keys": [{ "kty": "oct", "k": "AAAA" }] } }),
        json!({ "scope": "\"" }),
        json!({ "contacts": "a@example.com" }),
        json!({ "id_token_signed_response_alg": "none" }),
        json!({ "post_logout_redirect_uris": ["http://app.example"] }),
        json!({ "backchannel_logout_uri": "http://app.example" }),
        json!({ "dpop_bound_access_tokens": "yes" }),
    ] {
        assert_eq!(code(&changes), ErrorCode::InvalidClientMetadata, "{changes}");
    }
    assert_eq!(code(&json!({ "software_statement": "eyJ.e30." })), ErrorCode::UnapprovedSoftwareStatement);
    for statement in [json!("eyJ"), json!({})] {
        assert_eq!(code(&json!({ "software_statement": statement })), ErrorCode::InvalidSoftwareStatement);
    }
    assert_eq!(parse(&json!([])).unwrap_err().code(), ErrorCode::InvalidClientMetadata);
}

#[test]
fn nobody_gets_all_silently() {
    let shared = parse(&with(&json!({ "scope": "all" }))).unwrap().scope;
    assert!(!shared.contains(&crate::oauth::protocol::Scope::All) && !shared.is_empty(), "{shared}");
    assert_eq!(parse_with(&with(&json!({ "scope": "all" })), None).unwrap().scope.to_string(), "openid profile email");
    assert_eq!(parse_with(&with(&json!({ "scope": "all" })), Some("all openid")).unwrap().scope.to_string(), "all");
}

#[test]
fn of_the_scopes_that_are_named_those_are_registered_that_the_site_supports() {
    let metadata = parse(&with(&json!({ "scope": "openid doctype:Book:read doctype:Shelf:read address" }))).unwrap();
    assert_eq!(metadata.scope.to_string(), "openid doctype:Book:read");
    let refused = parse(&with(&json!({ "scope": "openid unknown" }))).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::InvalidScope);
}

#[test]
fn keys_are_public_and_named_once() {
    let key = PrivateKey::generate(SigningAlgorithm::Es256);
    let jwks = json!({ "keys": [crate::oauth::protocol::jose::jwk::Jwk::named(key.public_key(), SigningAlgorithm::Es256).to_value()] });
    let request = with(&json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": jwks }));
    assert_eq!(parse(&request).unwrap().members["jwks"], jwks);
    assert_eq!(
        code(&json!({ "jwks": jwks, "jwks_uri": "https://app.example/jwks" })),
        ErrorCode::InvalidClientMetadata
    );
}

#[test]
fn a_device_needs_no_redirect_uri() {
    let device = "urn:ietf:params:oauth:grant-type:device_code";
    let metadata = parse(&json!({ "grant_types": [device], "token_endpoint_auth_method": "none" })).unwrap();
    assert_eq!(metadata.grant_types, [GrantType::DeviceCode]);
    assert!(metadata.redirect_uris.is_empty());
    assert_eq!(serde_json::to_value(&metadata).unwrap()["response_types"], json!([]));
}

#[test]
fn grants_for_other_servers_and_those_that_need_an_administrator_are_left_out() {
    let jwt_bearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    let grants = json!(["authorization_code", jwt_bearer, "client_credentials"]);
    assert_eq!(parse(&with(&json!({ "grant_types": grants }))).unwrap().grant_types, [GrantType::AuthorizationCode]);
}

#[test]
fn an_update_is_about_its_own_registration_and_changes_no_secrets() {
    let check = |request: Value| check_update(&request, "abc", |secret| secret == "current");
    assert!(check(json!({ "client_id": "abc" })).is_ok());
    assert!(check(json!({ "client_id": "abc", "client_secret": "current" })).is_ok());
    for request in [
        json!({}),
        json!({ "client_id": "other" }),
        json!({ "client_id": "abc", "client_secret": "wished for" }),
        json!({ "client_id": "abc", "registration_access_token": "x" }),
        json!({ "client_id": "abc", "client_secret_expires_at": 0 }),
    ] {
        assert_eq!(check(request.clone()).unwrap_err().code(), ErrorCode::InvalidClientMetadata, "{request}");
    }
}

#[test]
fn the_answer_hides_its_secrets_from_logs() {
    let information = ClientInformation {
        client_id: new_client_id(),
        client_id_issued_at: 1,
        client_secret: Some("dt_cs_x".to_owned()),
        client_secret_expires_at: Some(0),
        registration_access_token: Some("dt_reg_x".to_owned()),
        registration_client_uri: None,
        metadata: parse(&with(&json!({}))).unwrap(),
    };
    let shown = format!("{information:?}");
    assert!(!shown.contains("dt_cs_x") && !shown.contains("dt_reg_x"));
    assert_eq!(serde_json::to_value(&information).unwrap()["client_secret_expires_at"], 0);
    assert_eq!(information.client_id.len(), 26);
}

#[test]
fn programs_prove_themselves_by_certificates_only_where_a_proxy_passes_them_on() {
    let named = json!({
        "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "planner.example.com",
        "tls_client_certificate_bound_access_tokens": true,
    });
    let metadata = parse_behind(&with(&named), None, Some(CertificateCheck::Verified)).unwrap();
    let echoed = serde_json::to_value(&metadata).unwrap();
    for (name, value) in named.as_object().unwrap() {
        assert_eq!(echoed[name], *value, "{name}");
    }
    for certificates in [None, Some(CertificateCheck::Any)] {
        assert!(parse_behind(&with(&named), None, certificates).is_err(), "{certificates:?}");
    }
    let jwk = PrivateKey::generate(SigningAlgorithm::Es256).public_key();
    let jwks = json!({ "keys": [Jwk::named(jwk, SigningAlgorithm::Es256).to_value()] });
    let by_key = json!({ "token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": jwks });
    assert!(parse_behind(&with(&by_key), None, Some(CertificateCheck::Any)).is_ok());
    assert!(parse_behind(&with(&by_key), None, Some(CertificateCheck::Verified)).is_err());
    let bound = json!({ "tls_client_certificate_bound_access_tokens": true });
    assert!(parse_behind(&with(&bound), None, None).is_err());
    let echoed = serde_json::to_value(parse(&with(&json!({}))).unwrap()).unwrap();
    assert!(echoed.get("tls_client_certificate_bound_access_tokens").is_none());
}

#[test]
fn a_certificate_is_known_by_exactly_one_name() {
    for names in [
        json!({}),
        json!({ "tls_client_auth_san_dns": "a.example", "tls_client_auth_san_ip": "203.0.113.7" }),
        json!({ "tls_client_auth_subject_dn": "planner" }),
        json!({ "tls_client_auth_san_ip": "a.example" }),
        json!({ "tls_client_auth_san_dns": ["a.example"] }),
    ] {
        let mut request = with(&json!({ "token_endpoint_auth_method": "tls_client_auth" }));
        request.as_object_mut().unwrap().extend(names.as_object().unwrap().clone());
        let refused = parse_behind(&request, None, Some(CertificateCheck::Verified)).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::InvalidClientMetadata, "{names}");
    }
    let mut request = with(&json!({ "token_endpoint_auth_method": "self_signed_tls_client_auth" }));
    request["tls_client_auth_san_dns"] = json!("a.example");
    assert!(parse_behind(&request, None, Some(CertificateCheck::Any)).is_err(), "without keys");
}
