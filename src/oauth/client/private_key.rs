//! Private keys as people paste them: PEM of any of the three usual kinds, or a JSON Web Key.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value as Json;

use crate::secret::{Curve, PrivateKey, SigningAlgorithm};

const OID_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const OID_EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const OID_ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const OID_P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const OID_P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const OID_P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const NULL: u8 = 0x05;
const OBJECT_ID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const CONTEXT_0: u8 = 0xa0;
const CONTEXT_1: u8 = 0xa1;

/// A key with the id it gives itself.
#[derive(Debug)]
pub struct NamedKey {
    /// The key.
    pub key: PrivateKey,
    /// Its `kid`, if it is a JSON Web Key that has one.
    pub kid: Option<String>,
}

/// Reads a private key; the error says what to paste instead.
pub fn parse(text: &str) -> Result<NamedKey, &'static str> {
    let text = text.trim();
    if text.starts_with('{') {
        return parse_jwk(text);
    }
    let (label, body) =
        pem(text).ok_or("Paste the private key as PEM, with its BEGIN and END lines, or as a JSON Web Key")?;
    let pkcs8 = match label {
        "PRIVATE KEY" => body,
        "RSA PRIVATE KEY" => wrap_rsa(&body),
        "EC PRIVATE KEY" => {
            let curve = curve_of_sec1(&body).ok_or("The private key names no curve that can be used: take P-256")?;
            wrap_ec(curve, &body)
        }
        "ENCRYPTED PRIVATE KEY" => return Err("The private key is encrypted with a passphrase: paste it decrypted"),
        "PUBLIC KEY" | "CERTIFICATE" => return Err("This is the public half: paste the private key"),
        _ => return Err("This kind of key cannot be used: paste a private key for RSA, EC or Ed25519"),
    };
    let algorithm = algorithm_of(&pkcs8).ok_or("This kind of key cannot be used: paste one for RSA, EC or Ed25519")?;
    PrivateKey::from_pkcs8(algorithm, &pkcs8)
        .map(|key| NamedKey { key, kid: None })
        .map_err(|_| "The private key is damaged: paste it again, whole")
}

/// Label and content of the first block; line breaks may be lost, as they are in a one-line input.
fn pem(text: &str) -> Option<(&str, Vec<u8>)> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once("-----END")?;
    let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    Some((label, STANDARD.decode(body).ok()?))
}

fn parse_jwk(text: &str) -> Result<NamedKey, &'static str> {
    let jwk: Json = serde_json::from_str(text).map_err(|_| "The JSON Web Key does not parse: paste it again, whole")?;
    let part = |name: &str| jwk[name].as_str().and_then(|text| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok());
    let missing = "The JSON Web Key has no private part that can be used: paste the one with `d` in it";
    let pkcs8 = match jwk["kty"].as_str() {
        Some("RSA") => {
            let mut content = element(INTEGER, &[0]);
            for name in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
                content.extend(unsigned(&part(name).ok_or(missing)?));
            }
            wrap_rsa(&element(SEQUENCE, &content))
        }
        Some("EC") => {
            let curve = jwk["crv"].as_str().and_then(Curve::parse).ok_or(missing)?;
            let length = curve.coordinate_length();
            let padded = |bytes: Vec<u8>| [vec![0; length.saturating_sub(bytes.len())], bytes].concat();
            let (d, x, y) = (part("d").ok_or(missing)?, part("x").ok_or(missing)?, part("y").ok_or(missing)?);
            let point = [vec![0, 4], padded(x), padded(y)].concat();
            let content = [
                element(INTEGER, &[1]),
                element(OCTET_STRING, &padded(d)),
                element(CONTEXT_1, &element(BIT_STRING, &point)),
            ];
            wrap_ec(curve, &element(SEQUENCE, &content.concat()))
        }
        Some("OKP") if jwk["crv"] == "Ed25519" => {
            let key = element(OCTET_STRING, &part("d").ok_or(missing)?);
            wrap(&element(OBJECT_ID, OID_ED25519), &key)
        }
        _ => return Err("This kind of JSON Web Key cannot be used: paste one of kty RSA, EC or OKP (Ed25519)"),
    };
    let algorithm = match jwk["alg"].as_str() {
        Some(name) => SigningAlgorithm::parse(name).ok_or("The `alg` of the JSON Web Key is not supported")?,
        None => algorithm_of(&pkcs8).ok_or(missing)?,
    };
    let key = PrivateKey::from_pkcs8(algorithm, &pkcs8)
        .map_err(|_| "The JSON Web Key is damaged or does not fit its `alg`")?;
    Ok(NamedKey { key, kid: jwk["kid"].as_str().map(str::to_owned) })
}

/// The algorithm that goes with the key inside PKCS#8 (RFC 5958).
fn algorithm_of(pkcs8: &[u8]) -> Option<SigningAlgorithm> {
    let (_, content, _) = read(pkcs8).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, _, rest) = read(content).filter(|(tag, ..)| *tag == INTEGER)?;
    let (_, identifier, _) = read(rest).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, oid, parameters) = read(identifier).filter(|(tag, ..)| *tag == OBJECT_ID)?;
    if oid == OID_RSA {
        return Some(SigningAlgorithm::Rs256);
    }
    if oid == OID_ED25519 {
        return Some(SigningAlgorithm::EdDsa);
    }
    let (_, curve, _) = read(parameters).filter(|_| oid == OID_EC)?;
    [(OID_P256, SigningAlgorithm::Es256), (OID_P384, SigningAlgorithm::Es384), (OID_P521, SigningAlgorithm::Es512)]
        .into_iter()
        .find(|(known, _)| *known == curve)
        .map(|(_, algorithm)| algorithm)
}

/// The curve that an `ECPrivateKey` names (RFC 5915).
fn curve_of_sec1(der: &[u8]) -> Option<Curve> {
    let (_, content, _) = read(der)?;
    let (_, _, rest) = read(content)?;
    let (_, _, rest) = read(rest)?;
    let (_, parameters, _) = read(rest).filter(|(tag, ..)| *tag == CONTEXT_0)?;
    let (_, oid, _) = read(parameters)?;
    [Curve::P256, Curve::P384, Curve::P521].into_iter().find(|curve| oid_of(*curve) == oid)
}

fn oid_of(curve: Curve) -> &'static [u8] {
    match curve {
        Curve::P256 => OID_P256,
        Curve::P384 => OID_P384,
        Curve::P521 => OID_P521,
    }
}

fn wrap_rsa(key: &[u8]) -> Vec<u8> {
    wrap(&[element(OBJECT_ID, OID_RSA), element(NULL, &[])].concat(), key)
}

fn wrap_ec(curve: Curve, key: &[u8]) -> Vec<u8> {
    wrap(&[element(OBJECT_ID, OID_EC), element(OBJECT_ID, oid_of(curve))].concat(), key)
}

/// PKCS#8 around a key.
fn wrap(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    let content = [element(INTEGER, &[0]), element(SEQUENCE, algorithm), element(OCTET_STRING, key)];
    element(SEQUENCE, &content.concat())
}

/// An integer of DER: a leading zero keeps it from being negative.
fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let digits = &bytes[start..];
    let sign: &[u8] = if digits.first().is_none_or(|byte| *byte >= 0x80) { &[0] } else { &[] };
    element(INTEGER, &[sign, digits].concat())
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(content.len()) {
        Ok(length) if length < 0x80 => out.push(length),
        _ => {
            let length = content.len().to_be_bytes();
            let start = length.iter().position(|byte| *byte != 0).unwrap_or(length.len());
            out.push(0x80 | u8::try_from(length.len() - start).unwrap_or(8));
            out.extend_from_slice(&length[start..]);
        }
    }
    out.extend_from_slice(content);
    out
}

/// Tag, content and rest of the first element.
fn read(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (head, rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = if head[1] < 0x80 {
        (usize::from(head[1]), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(head[1] & 0x7f))?;
        (bytes.iter().try_fold(0_usize, |sum, byte| sum.checked_mul(256)?.checked_add(usize::from(*byte)))?, rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((head[0], content, rest))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pem_of(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
    }

    /// The key inside PKCS#8.
    fn inner(pkcs8: &[u8]) -> Vec<u8> {
        let (_, content, _) = read(pkcs8).unwrap();
        let (_, _, rest) = read(content).unwrap();
        let (_, _, rest) = read(rest).unwrap();
        read(rest).unwrap().1.to_vec()
    }

    #[test]
    fn pem_is_read_with_and_without_line_breaks() {
        for algorithm in
            [SigningAlgorithm::Es256, SigningAlgorithm::Es384, SigningAlgorithm::Rs256, SigningAlgorithm::EdDsa]
        {
            let key = PrivateKey::generate(algorithm);
            let text = pem_of("PRIVATE KEY", &key.to_pkcs8());
            for text in [text.clone(), text.replace('\n', " "), text.replace('\n', "")] {
                let read = parse(&text).unwrap().key;
                assert_eq!((read.algorithm(), read.public_key()), (algorithm, key.public_key()));
            }
        }
    }

    #[test]
    fn the_older_forms_of_pem_are_read() {
        let rsa = PrivateKey::generate(SigningAlgorithm::Rs256);
        let read = parse(&pem_of("RSA PRIVATE KEY", &inner(&rsa.to_pkcs8()))).unwrap().key;
        assert_eq!(read.public_key(), rsa.public_key());
        let ec = PrivateKey::generate(SigningAlgorithm::Es256);
        // SEC 1 names the curve inside; PKCS#8 does it outside.
        let (_, content, _) = self::read(&inner(&ec.to_pkcs8())).map(|(a, b, c)| (a, b.to_vec(), c.to_vec())).unwrap();
        let (_, _, after_version) = self::read(&content).unwrap();
        let (_, d, _) = self::read(after_version).unwrap();
        let parts =
            [element(INTEGER, &[1]), element(OCTET_STRING, d), element(CONTEXT_0, &element(OBJECT_ID, OID_P256))];
        let read = parse(&pem_of("EC PRIVATE KEY", &element(SEQUENCE, &parts.concat()))).unwrap().key;
        assert_eq!(read.public_key(), ec.public_key());
    }

    #[test]
    fn the_private_key_of_rfc_7517_is_read() {
        // RFC 7517 appendix A.2, the elliptic key.
        let text = json!({
            "kty": "EC", "crv": "P-256", "kid": "1", "use": "enc",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
            "d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE",
        });
        let named = parse(&text.to_string()).unwrap();
        assert_eq!(named.kid.as_deref(), Some("1"));
        let signature = named.key.sign(b"message");
        assert!(named.key.public_key().verify(SigningAlgorithm::Es256, b"message", &signature));
    }

    #[test]
    fn the_ed25519_key_of_rfc_8037_is_read() {
        let text = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let key = parse(text).unwrap().key;
        let expected = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        assert_eq!(key.public_key(), crate::secret::PublicKey::Ed25519 { x: expected });
    }

    #[test]
    fn what_is_no_private_key_is_refused_with_advice() {
        for (text, says) in [
            ("", "Paste the private key"),
            ("hunter2", "Paste the private key"),
            ("-----BEGIN PUBLIC KEY-----AAAA-----END PUBLIC KEY-----", "public half"),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----AAAA-----END ENCRYPTED PRIVATE KEY-----", "passphrase"),
            ("-----BEGIN PRIVATE KEY-----AAAA-----END PRIVATE KEY-----", "cannot be used"),
            ("{", "does not parse"),
            ("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}", "no private part"),
            ("{\"kty\":\"oct\",\"k\":\"AA\"}", "cannot be used"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
