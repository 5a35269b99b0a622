//! What certificates say, with certificates that another library makes.

use chrono::TimeZone as _;
use rcgen::{CertificateParams, DnType, KeyPair, SanType, date_time_ymd};
use serde_json::json;

use super::*;
use crate::oauth::protocol::jose::jwk::Jwk;
use crate::secret::SigningAlgorithm;

fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn made(key: &KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Certificate {
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    params.distinguished_name = rcgen::DistinguishedName::new();
    for (kind, text) in
        [(DnType::CountryName, "AT"), (DnType::OrganizationName, "Example, Inc."), (DnType::CommonName, "planner")]
    {
        params.distinguished_name.push(kind, text);
    }
    change(&mut params);
    Certificate::parse(params.self_signed(key).unwrap().der()).unwrap()
}

fn name(kind: NameKind, text: &str) -> CertificateName {
    CertificateName { kind, text: text.to_owned() }
}

/// The public key as it stands in a set of keys, with more members.
fn jwk(key: &KeyPair, more: &serde_json::Value) -> JwkSet {
    let private = crate::secret::PrivateKey::from_pkcs8(SigningAlgorithm::Es256, &key.serialize_der()).unwrap();
    let mut value = Jwk::named(private.public_key(), SigningAlgorithm::Es256).to_value();
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    JwkSet::parse_strictly(&json!({"keys": [value]})).unwrap()
}

#[test]
fn a_certificate_holds_from_its_first_second_to_its_last() {
    let certificate = made(&key(), |_| {});
    let at = |year, month, day, second| Utc.with_ymd_and_hms(year, month, day, 0, 0, second).unwrap();
    assert_eq!(certificate.check_current(at(2026, 1, 1, 0)), Ok(()));
    assert_eq!(certificate.check_current(at(2027, 1, 1, 0)), Ok(()));
    assert_eq!(certificate.check_current(at(2027, 1, 1, 1)), Err(CertificateError::NotCurrent));
    assert_eq!(certificate.check_current(at(2025, 12, 31, 0)), Err(CertificateError::NotCurrent));
    assert_eq!(certificate.check_current(at(1960, 1, 1, 0)), Err(CertificateError::NotCurrent));
    assert_eq!(Certificate::parse(b"nonsense"), Err(CertificateError::Malformed));
    assert_eq!(Certificate::parse(&[&certificate.der[..], b"more"].concat()), Err(CertificateError::Malformed));
}

#[test]
fn the_subject_is_compared_part_by_part() {
    let certificate = made(&key(), |_| {});
    assert!(name(NameKind::SubjectDn, "CN=planner,O=Example\\, Inc.,C=AT").is_of(&certificate));
    for other in ["CN=planner", "CN=planner,O=Example,C=AT", "C=AT,O=Example\\, Inc.,CN=planner", "", "planner"] {
        assert!(!name(NameKind::SubjectDn, other).is_of(&certificate), "{other}");
    }
    // One text cannot pose as several parts.
    let forged = made(&key(), |params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "planner,O=Example\\, Inc.,C=AT");
    });
    assert!(!name(NameKind::SubjectDn, "CN=planner,O=Example\\, Inc.,C=AT").is_of(&forged));
    let nameless = made(&key(), |params| params.distinguished_name = rcgen::DistinguishedName::new());
    assert!(!name(NameKind::SubjectDn, "").is_of(&nameless));
}

#[test]
fn alternative_names_count_only_as_what_they_are() {
    let certificate = made(&key(), |params| {
        params.subject_alt_names = vec![
            SanType::DnsName("planner.example.com".try_into().unwrap()),
            SanType::URI("urn:example:planner".try_into().unwrap()),
            SanType::Rfc822Name("planner@example.com".try_into().unwrap()),
            SanType::IpAddress("203.0.113.7".parse().unwrap()),
            SanType::IpAddress("2001:db8::7".parse().unwrap()),
        ];
    });
    for (kind, text) in [
        (NameKind::SanDns, "Planner.example.com"),
        (NameKind::SanUri, "urn:example:planner"),
        (NameKind::SanEmail, "planner@example.com"),
        (NameKind::SanIp, "203.0.113.7"),
        (NameKind::SanIp, "2001:0db8:0::7"),
    ] {
        let name = name(kind, text);
        assert!(name.check().is_ok() && name.is_of(&certificate), "{name:?}");
        for other in NameKind::ALL.into_iter().filter(|other| *other != kind) {
            assert!(!CertificateName { kind: other, ..name.clone() }.is_of(&certificate), "{name:?} as {other:?}");
        }
    }
    assert!(!name(NameKind::SanDns, "example.com").is_of(&certificate));
    assert!(!name(NameKind::SanDns, "planner.example.com").is_of(&made(&key(), |_| {})));
}

#[test]
fn a_name_that_no_certificate_could_have_is_refused() {
    for (kind, text) in [
        (NameKind::SubjectDn, "planner"),
        (NameKind::SanDns, "*.example.com"),
        (NameKind::SanDns, "https://planner.example.com"),
        (NameKind::SanUri, "planner"),
        (NameKind::SanIp, "203.0.113"),
        (NameKind::SanEmail, "planner"),
    ] {
        assert!(name(kind, text).check().is_err(), "{text}");
    }
    let given = |kinds: &'static [NameKind]| move |kind| kinds.contains(&kind).then(|| "x".to_owned());
    assert_eq!(CertificateName::only(given(&[])), Err(NameError::NotOne));
    assert_eq!(CertificateName::only(given(&[NameKind::SanDns, NameKind::SanIp])), Err(NameError::NotOne));
    assert_eq!(CertificateName::only(given(&[NameKind::SanDns])), Ok(name(NameKind::SanDns, "x")));
}

#[test]
fn a_certificate_is_known_by_its_key_or_by_itself() {
    use base64::engine::general_purpose::STANDARD;
    let (own, other) = (key(), key());
    let certificate = made(&own, |_| {});
    let renewed = made(&own, |params| params.not_after = date_time_ymd(2028, 1, 1));
    let by_key = jwk(&own, &json!({}));
    assert!(certificate.is_among(&by_key) && renewed.is_among(&by_key));
    assert!(!made(&other, |_| {}).is_among(&by_key));
    let by_itself = jwk(&own, &json!({"x5c": [STANDARD.encode(&certificate.der)]}));
    assert!(certificate.is_among(&by_itself));
    assert!(!renewed.is_among(&by_itself), "the key names the certificate that counts");
    assert!(!certificate.is_among(&JwkSet::default()));
}

#[test]
fn the_keys_of_all_kinds_are_found_in_certificates() {
    for (algorithm, signing) in [
        (&rcgen::PKCS_ECDSA_P256_SHA256, SigningAlgorithm::Es256),
        (&rcgen::PKCS_ECDSA_P384_SHA384, SigningAlgorithm::Es384),
        (&rcgen::PKCS_ED25519, SigningAlgorithm::EdDsa),
        (&rcgen::PKCS_RSA_SHA256, SigningAlgorithm::Rs256),
    ] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let private = crate::secret::PrivateKey::from_pkcs8(signing, &key.serialize_der()).unwrap();
        assert_eq!(made(&key, |_| {}).public_key(), Some(private.public_key()), "{signing}");
    }
}

#[test]
fn the_thumbprint_is_the_digest_of_the_whole_certificate() {
    let certificate = made(&key(), |_| {});
    assert_eq!(certificate.thumbprint(), URL_SAFE_NO_PAD.encode(crate::secret::sha256(&certificate.der)));
    assert_eq!(certificate.thumbprint().len(), 43);
}
