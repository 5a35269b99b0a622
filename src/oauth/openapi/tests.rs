//! What is described is what is sent: the same fields, required where they are always there, with the same values.

use std::collections::BTreeSet;
use std::future::ready;

use poem_openapi::types::{ParseError, ParseFromJSON};
use serde::Serialize;

use super::*;
use crate::config::client_certificates::CertificateCheck;
use crate::oauth::protocol::authorize::device::{DeviceAuthorizationResponse, UserCode};
use crate::oauth::protocol::authorize::par::RequestUri;
use crate::oauth::protocol::client::certificate::NameKind;
use crate::oauth::protocol::client::client_authentication::Method;
use crate::oauth::protocol::client::registration::{ClientInformation, ClientMetadata, RegistrationPolicy};
use crate::oauth::protocol::jose::jwk::Jwk;
use crate::oauth::protocol::serve::challenge::TokenScheme;
use crate::oauth::protocol::serve::metadata::{AUTHORIZE, ResourceMetadata, ServerConfiguration, ServerMetadata};
use crate::oauth::protocol::serve::scope_offer::Ceiling;
use crate::oauth::protocol::token::introspection::{ActiveToken, Confirmation, IntrospectionResponse, OwnClaims};
use crate::oauth::protocol::token::kind::TokenResponse;
use crate::oauth::protocol::token::token_exchange::Actor;
use crate::oauth::protocol::token::userinfo::{Person, UserInfo};
use crate::oauth::protocol::{Error, ErrorCode, ScopeSet};
use crate::oauth::table;
use crate::secret::{PrivateKey, SigningAlgorithm};
use crate::web::openapi;

type Names = BTreeSet<String>;

fn names_of(json: &Json) -> Names {
    json.as_object().unwrap().keys().cloned().collect()
}

fn sent(answer: &impl Serialize) -> Names {
    names_of(&serde_json::to_value(answer).unwrap())
}

const COLOUR: &[Param] = &[Param::required("hue", "integer", "In degrees")];

/// The endpoints of the table, described.
fn endpoints() -> Json {
    describe(&table::endpoints())
}

/// The members that name endpoints, of those that always answer or of all.
fn members(all: bool) -> Vec<(&'static str, &'static str)> {
    let rows = table::endpoints();
    let served = rows.iter().filter(|row| all || row.switch.is_none());
    served.filter_map(|row| Some((row.member?.0, row.path))).collect()
}

/// The properties of a described schema, and those of them that are required.
fn described(schema: &str) -> (Names, Names) {
    let schema = &endpoints()["components"]["schemas"][schema];
    let required = schema["required"].as_array().into_iter().flatten();
    (names_of(&schema["properties"]), required.map(|name| name.as_str().unwrap().to_owned()).collect())
}

/// The schema has the fields of the longest answer, and requires those of the shortest.
#[track_caller]
fn check(schema: &str, longest: &impl Serialize, shortest: &impl Serialize) {
    assert_eq!(described(schema), (sent(longest), sent(shortest)), "{schema}");
}

/// A field that is there.
macro_rules! text {
    ($text:literal) => {
        Some($text.to_owned())
    };
}

#[test]
fn tokens_and_errors_are_described_as_they_are_sent() {
    let scopes = ScopeSet::parse("openid").unwrap();
    let bare = TokenResponse::new("at".to_owned(), TokenScheme::Bearer, 60, &scopes);
    let full = TokenResponse {
        refresh_token: text!("rt"),
        id_token: text!("it"),
        issued_token_type: text!("urn:ietf:params:oauth:token-type:access_token"),
        ..bare.clone()
    };
    check("OAuthTokens", &full, &bare);
    let codes = DeviceAuthorizationResponse::new("dc".to_owned(), &UserCode::generate(), "https://site.example/device");
    check("OAuthDeviceAuthorization", &codes, &codes);
    let pushed = RequestUri::generate().response();
    check("OAuthPushedRequest", &pushed, &pushed);
    let error = Error::invalid_request("No").body();
    check("OAuthError", &error, &error);
}

#[test]
fn introspection_and_user_info_are_described_as_they_are_sent() {
    let first = Actor { sub: "a".to_owned(), client_id: "a".to_owned(), act: None };
    let actor = Actor { act: Some(Box::new(first.clone())), ..first.clone() };
    check("OAuthActor", &actor, &first);
    let bound = Confirmation { jkt: text!("key"), x5t_s256: text!("certificate") };
    check("OAuthConfirmation", &bound, &Confirmation::default());
    let token = ActiveToken {
        username: text!("alice"),
        token_type: Some(TokenScheme::Dpop),
        aud: vec!["https://site.example".to_owned()],
        cnf: Some(bound.clone()),
        auth_time: Some(1),
        acr: text!("1"),
        act: Some(actor.clone()),
        own: OwnClaims { trusted_client: Some(1), name: text!("A"), email: text!("a@b"), roles: Some(vec![]) },
        ..ActiveToken::default()
    };
    check("OAuthIntrospection", &IntrospectionResponse::Active(Box::new(token)), &IntrospectionResponse::Inactive);
    let person = Person {
        name: "Alice".to_owned(),
        given_name: "Alice".to_owned(),
        family_name: "A".to_owned(),
        preferred_username: "alice".to_owned(),
        picture: "https://site.example/files/a.png".to_owned(),
        locale: "en".to_owned(),
        zoneinfo: "Europe/Berlin".to_owned(),
        updated_at: Some(1),
        email: "a@b".to_owned(),
        ..Person::default()
    };
    let told = |scopes: &str| UserInfo::new(&person, &ScopeSet::parse(scopes).unwrap(), false);
    check("OAuthUserInfo", &told("openid profile email roles"), &told("openid"));
}

#[test]
fn metadata_is_described_as_it_is_sent() {
    let most = ServerConfiguration {
        endpoints: members(true),
        grant_types: GrantType::ALL.to_vec(),
        service_documentation: text!("https://site.example/docs"),
        op_policy_uri: text!("https://site.example/privacy"),
        op_tos_uri: text!("https://site.example/terms"),
        certificates: Some(CertificateCheck::Verified),
        ..ServerConfiguration::default()
    };
    let least = ServerConfiguration { endpoints: members(false), ..ServerConfiguration::default() };
    check("OAuthServerMetadata", &ServerMetadata::new(&most), &ServerMetadata::new(&least));
    let least = ResourceMetadata::new("https://site.example", vec![]);
    let most = ResourceMetadata {
        scopes_supported: vec!["openid".to_owned()],
        resource_name: text!("Site"),
        resource_documentation: text!("https://site.example/docs"),
        resource_policy_uri: text!("https://site.example/privacy"),
        resource_tos_uri: text!("https://site.example/terms"),
        tls_client_certificate_bound_access_tokens: true,
        ..least.clone()
    };
    check("OAuthResourceMetadata", &most, &least);
}

#[test]
fn a_registration_is_described_as_it_is_read_and_sent() {
    let scopes = ScopeSet::parse("openid").unwrap();
    let ceiling = Ceiling::offered(scopes.clone());
    let policy = RegistrationPolicy {
        default_scopes: &scopes,
        ceiling: &ceiling,
        known_scopes: &(),
        is_for_all_servers: false,
        site_names: &[],
        allow_hs256: false,
        redirect_schemes: &[],
        allow_device_code: true,
        certificates: Some(CertificateCheck::Verified),
    };
    let read = |metadata: Json| ClientMetadata::parse(&metadata, &policy).unwrap();
    let device = json!({ "grant_types": [GrantType::DeviceCode.as_str()] });
    let mut most = json!({
        "client_name": "Planner", "redirect_uris": ["https://app.example/cb"],
        "client_uri": "https://app.example", "logo_uri": "https://app.example/logo", "contacts": ["a@b"],
        "tos_uri": "https://app.example/terms", "policy_uri": "https://app.example/privacy",
        "software_id": "planner", "software_version": "1", "jwks_uri": "https://app.example/jwks",
        "id_token_signed_response_alg": "ES256", "introspection_signed_response_alg": "ES256",
        "post_logout_redirect_uris": ["https://app.example/out"],
        "backchannel_logout_uri": "https://app.example/logout", "dpop_bound_access_tokens": true,
        "require_pushed_authorization_requests": true, "require_signed_request_object": true,
        "tls_client_certificate_bound_access_tokens": true,
    });
    let by_uri = read(most.clone());
    most.as_object_mut().unwrap().shift_remove("jwks_uri");
    let key = PrivateKey::generate(SigningAlgorithm::Es256).public_key();
    most["jwks"] = json!({ "keys": [Jwk::named(key, SigningAlgorithm::Es256).to_value()] });
    let by_value = read(most);
    // A client has one name in its certificates; every kind of it is described.
    let names: Names = NameKind::ALL.map(|kind| kind.as_str().to_owned()).into();
    let mut shortest = read(device);
    shortest.members.clear();
    let mut both = by_value;
    both.members.extend(by_uri.members);
    assert_eq!(described("OAuthClientMetadata"), (&sent(&both) | &names, Names::new()));
    let by_certificate = json!({
        "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "planner.example.com",
        "redirect_uris": ["https://app.example/cb"],
    });
    assert!(sent(&read(by_certificate)).contains("tls_client_auth_san_dns"));
    let information = |metadata: &ClientMetadata, secret: Option<String>| ClientInformation {
        client_id: "id".to_owned(),
        client_id_issued_at: 1,
        client_secret_expires_at: secret.is_some().then_some(0),
        registration_access_token: secret.clone(),
        registration_client_uri: secret.clone(),
        client_secret: secret,
        metadata: metadata.clone(),
    };
    let longest = &sent(&information(&both, text!("secret"))) | &names;
    assert_eq!(described("OAuthClientInformation"), (longest, sent(&information(&shortest, None))));
    let (update, required) = described("OAuthClientUpdate");
    assert_eq!(required, Names::from(["client_id".to_owned()]));
    assert_eq!(&(&update - &sent(&both)) - &names, ["client_id", "client_secret"].map(str::to_owned).into());
}

#[test]
fn keys_are_described_as_they_are_published() {
    let algorithms = [SigningAlgorithm::Es256, SigningAlgorithm::Rs256, SigningAlgorithm::EdDsa];
    let keys = algorithms.map(|alg| sent(&Jwk::named(PrivateKey::generate(alg).public_key(), alg).to_value()));
    let all = keys.iter().fold(Names::new(), |all, key| &all | key);
    let common = keys.iter().fold(all.clone(), |common, key| &common & key);
    assert_eq!(described("OAuthKey"), (all, common));
}

#[test]
fn enumerations_have_the_values_that_are_sent() {
    let schemas = endpoints()["components"]["schemas"].clone();
    let values = |schema: &str| schemas[schema]["enum"].clone();
    assert_eq!(values("OAuthGrantType"), json!(GrantType::ALL.map(GrantType::as_str)));
    assert_eq!(values("OAuthClientAuthenticationMethod"), json!(Method::ALL.map(Method::as_str)));
    assert_eq!(values("OAuthTokenType"), json!([TokenScheme::Bearer, TokenScheme::Dpop].map(TokenScheme::as_str)));
    let codes = values("OAuthErrorCode");
    assert!(codes.as_array().unwrap().len() > 30);
    for value in codes.as_array().unwrap() {
        let code = ErrorCode::parse_from_json(Some(value.clone())).map_err(ParseError::into_message).unwrap();
        assert_eq!((value, json!(code)), (&json!(code.as_str()), value.clone()));
    }
}

#[test]
fn what_is_asked_by_get_is_what_is_asked_by_form() {
    let document = endpoints();
    let parameters = document["paths"][AUTHORIZE]["get"]["parameters"].as_array().unwrap();
    let names: Names = parameters.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, described("OAuthAuthorizationRequest").0);
    let required: Vec<&Json> =
        parameters.iter().filter(|one| one["required"] == true).map(|one| &one["name"]).collect();
    assert_eq!(required, ["client_id"]);
    assert!(parameters.iter().all(|one| one["description"].is_string()), "{parameters:?}");
}

#[test]
fn a_row_is_all_that_a_new_endpoint_takes() {
    let mixed = || openapi::Response::json(200, "The colour", openapi::Schema::Object("Colour", vec![COLOUR]));
    let mix =
        Operation::new(poem::http::Method::POST, |_, _| ready(Err(crate::error::Error::BadRequest(String::new()))))
            .described("mix", "Mix a colour", Caller::Client)
            .takes(Request::Form(openapi::Schema::Object("Paints", vec![COLOUR, forms::CLIENT_AUTHENTICATION])))
            .answers([mixed()]);
    let row = Endpoint::new("/mix/:client_id")
        .advertised_as("mixing_endpoint", "Where colours are mixed")
        .switched_by(|settings| settings.device_grant)
        .on(mix);
    let mut rows = table::endpoints();
    rows.push(Arc::new(row));
    let document = describe(&rows);
    let operation = &document["paths"]["/mix/{client_id}"]["post"];
    assert_eq!(operation["security"], json!([{ "client_secret_basic": [] }, {}]));
    assert_eq!(operation["parameters"][0]["name"], "client_id");
    let form = &operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"];
    assert_eq!(form["$ref"], "#/components/schemas/Paints");
    assert_eq!(document["components"]["schemas"]["Colour"]["required"], json!(["hue"]));
    let metadata = &document["components"]["schemas"]["OAuthServerMetadata"];
    assert_eq!(metadata["properties"]["mixing_endpoint"]["description"], "Where colours are mixed");
    assert!(!metadata["required"].as_array().unwrap().contains(&json!("mixing_endpoint")), "it can be switched off");
}
