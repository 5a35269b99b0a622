//! Config OP: what the site says about itself under `/.well-known/openid-configuration`.

use doctyped::testing::jwk::JwkSet;
use serde_json::Value as Json;

use crate::support::TestSite;

const ISSUER: &str = "https://site.example";

fn list<'j>(metadata: &'j Json, member: &str) -> Vec<&'j str> {
    let list = metadata[member].as_array().unwrap_or_else(|| panic!("{member} is not a list: {metadata}"));
    assert!(!list.is_empty(), "{member}");
    list.iter().map(|value| value.as_str().unwrap()).collect()
}

#[tokio::test]
async fn oidcc_discovery_endpoint_verification_all_members_have_their_form_and_the_keys_are_public() {
    let site = TestSite::new().with_config(|config| config.site_url = ISSUER.to_owned()).await;
    let answer = site.guest().get("/.well-known/openid-configuration").await.status(200);
    assert!(answer.header("content-type").starts_with("application/json"));
    let metadata = answer.json();
    assert_eq!(metadata["issuer"], ISSUER);
    for name in ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "registration_endpoint"] {
        assert!(metadata[name].is_string(), "{name}");
    }
    for (name, value) in metadata.as_object().unwrap() {
        if name.ends_with("_endpoint") || name.ends_with("_uri") && value.is_string() {
            let address = url::Url::parse(value.as_str().unwrap()).unwrap();
            assert_eq!((address.scheme(), address.fragment()), ("https", None), "{name}");
        }
        if name.ends_with("_supported") && value.is_array() {
            let mut values = list(&metadata, name);
            values.sort_unstable();
            assert!(values.windows(2).all(|pair| pair[0] != pair[1]), "{name} says something twice");
        }
    }
    for (name, value) in [
        ("scopes_supported", "openid"),
        ("response_types_supported", "code"),
        ("response_modes_supported", "query"),
        ("grant_types_supported", "authorization_code"),
        ("subject_types_supported", "public"),
        ("id_token_signing_alg_values_supported", "RS256"),
        ("request_object_signing_alg_values_supported", "RS256"),
        ("token_endpoint_auth_methods_supported", "client_secret_basic"),
        ("token_endpoint_auth_methods_supported", "client_secret_post"),
        ("code_challenge_methods_supported", "S256"),
        ("claims_supported", "sub"),
        ("ui_locales_supported", "en"),
    ] {
        assert!(list(&metadata, name).contains(&value), "{name}: {value}");
    }
    let is_scope = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    assert!(list(&metadata, "scopes_supported").iter().all(|scope| scope.bytes().all(is_scope)));
    for name in ["claims_parameter_supported", "request_parameter_supported", "request_uri_parameter_supported"] {
        assert!(metadata[name].is_boolean(), "{name}");
    }

    let keys = site.guest().get(metadata["jwks_uri"].as_str().unwrap().strip_prefix(ISSUER).unwrap()).await;
    let keys = keys.status(200).json();
    let parsed = JwkSet::parse_strictly(&keys).unwrap();
    assert_eq!(parsed.keys.len(), keys["keys"].as_array().unwrap().len(), "each can be used");
    for key in keys["keys"].as_array().unwrap() {
        assert!(key["kid"].is_string() && key["alg"].is_string() && key["use"] == "sig", "{key}");
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(key.get(private).is_none(), "{private}");
        }
    }
}
