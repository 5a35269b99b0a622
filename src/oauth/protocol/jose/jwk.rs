//! Public keys as JSON (RFC 7517), and their thumbprints (RFC 7638).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use crate::foreign;
use crate::secret::{self, Curve, PublicKey, SigningAlgorithm};

/// The members that only private and symmetric keys have (RFC 7518 §6).
pub(crate) const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
/// RSA keys below 2048 bits are too weak (RFC 7518 §3.3).
const MIN_RSA_BYTES: usize = 256;
/// Sets larger than this are not searched.
const MAX_KEYS: usize = 50;

/// A public key for signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk {
    /// The key itself.
    pub key: PublicKey,
    /// Its name in its set.
    pub kid: Option<String>,
    /// The only algorithm it may be used with, if it says so.
    pub alg: Option<SigningAlgorithm>,
    /// The certificate that it stands for, if it names one, as DER (`x5c`).
    pub certificate: Option<Vec<u8>>,
}

/// A set of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JwkSet {
    /// The keys that we can use.
    pub keys: Vec<Jwk>,
}

/// Why a JSON value is not a key for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    /// Not a key, or a part of it is malformed.
    #[error("The key is malformed")]
    Malformed,
    /// The private half is in it.
    #[error("The key contains its private half: publish only the public one, and replace the key")]
    Private,
    /// Of a kind, size or purpose that we do not verify with.
    #[error("The key is of a kind that is not supported: use EC P-256, RSA of 2048 bits or more, or Ed25519")]
    Unsupported,
    /// The set is not a set.
    #[error("A key set is written {{\"keys\": [...]}}")]
    NotASet,
}

impl Jwk {
    /// The public half of a key of ours; its thumbprint is its name.
    pub fn named(key: PublicKey, alg: SigningAlgorithm) -> Self {
        let mut jwk = Self { key, kid: None, alg: Some(alg), certificate: None };
        jwk.kid = Some(jwk.thumbprint());
        jwk
    }

    /// Reads a key.
    pub fn parse(value: &Value) -> Result<Self, JwkError> {
        let members = value.as_object().ok_or(JwkError::Malformed)?;
        if PRIVATE_MEMBERS.iter().any(|name| foreign::get(members, name).is_some()) {
            return Err(JwkError::Private);
        }
        let text = |name: &str| foreign::text(members, name);
        let for_verifying = text("use").is_none_or(|usage| usage == "sig")
            && foreign::get(members, "key_ops").is_none_or(|operations| {
                operations.as_array().is_some_and(|all| all.iter().any(|operation| operation == "verify"))
            });
        if !for_verifying {
            return Err(JwkError::Unsupported);
        }
        let alg = match text("alg") {
            Some(name) => Some(SigningAlgorithm::parse(name).ok_or(JwkError::Unsupported)?),
            None => None,
        };
        let kid = text("kid").map(str::to_owned);
        let certificate = match foreign::get(members, "x5c") {
            // Base64, not base64url; what follows the first one are its issuers (RFC 7517 §4.7).
            Some(chain) => {
                let first = chain.get(0).and_then(Value::as_str).ok_or(JwkError::Malformed)?;
                let unbroken: String = first.split_ascii_whitespace().collect();
                Some(STANDARD.decode(unbroken).map_err(|_| JwkError::Malformed)?)
            }
            None => None,
        };
        Ok(Self { key: parse_key(members)?, kid, alg, certificate })
    }

    /// The key as JSON.
    pub fn to_value(&self) -> Value {
        let mut members = required_members(&self.key);
        if let Some(kid) = &self.kid {
            members.insert("kid".to_owned(), json!(kid));
        }
        if let Some(alg) = self.alg {
            members.insert("alg".to_owned(), json!(alg.as_str()));
        }
        members.insert("use".to_owned(), json!("sig"));
        Value::Object(members)
    }

    /// The SHA-256 thumbprint: the same for every way of writing the key.
    pub fn thumbprint(&self) -> String {
        // The required members in lexical order, without spaces; none of their values needs escaping.
        let mut members: Vec<_> = required_members(&self.key).into_iter().collect();
        members.sort_by(|(a, _), (b, _)| a.cmp(b));
        let text = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect::<Vec<_>>().join(",");
        secret::digest(format!("{{{text}}}"))
    }

    /// Whether the key may be used with this algorithm.
    pub fn fits(&self, algorithm: SigningAlgorithm) -> bool {
        self.alg.is_none_or(|own| own == algorithm)
            && match &self.key {
                PublicKey::Rsa { .. } => algorithm.curve().is_none() && algorithm != SigningAlgorithm::EdDsa,
                PublicKey::Ec { curve, .. } => algorithm.curve() == Some(*curve),
                PublicKey::Ed25519 { .. } => algorithm == SigningAlgorithm::EdDsa,
            }
    }
}

impl JwkSet {
    /// Reads a set that somebody else publishes: keys that we cannot use are skipped.
    pub fn parse(value: &Value) -> Result<Self, JwkError> {
        Ok(Self { keys: members(value)?.iter().filter_map(|key| Jwk::parse(key).ok()).collect() })
    }

    /// Reads a set that somebody enters here: a private key in it is an error, as is a set without any usable key.
    pub fn parse_strictly(value: &Value) -> Result<Self, JwkError> {
        let keys: Vec<_> = members(value)?.iter().map(Jwk::parse).collect();
        if keys.contains(&Err(JwkError::Private)) {
            return Err(JwkError::Private);
        }
        let first_error = keys.iter().find_map(|key| key.as_ref().err().copied());
        let keys: Vec<_> = keys.into_iter().flatten().collect();
        if keys.is_empty() { Err(first_error.unwrap_or(JwkError::NotASet)) } else { Ok(Self { keys }) }
    }

    /// The set as JSON.
    pub fn to_value(&self) -> Value {
        json!({ "keys": self.keys.iter().map(Jwk::to_value).collect::<Vec<_>>() })
    }

    /// The keys that may have made a signature: of that name, if one is given, and fit for the algorithm.
    pub fn candidates(&self, kid: Option<&str>, algorithm: SigningAlgorithm) -> impl Iterator<Item = &Jwk> {
        self.keys.iter().filter(move |key| {
            key.fits(algorithm) && kid.is_none_or(|kid| key.kid.as_deref().is_none_or(|own| own == kid))
        })
    }
}

fn members(value: &Value) -> Result<&[Value], JwkError> {
    let keys = value.get("keys").and_then(Value::as_array).ok_or(JwkError::NotASet)?;
    Ok(&keys[..keys.len().min(MAX_KEYS)])
}

fn parse_key(members: &Map<String, Value>) -> Result<PublicKey, JwkError> {
    let text = |name: &str| foreign::text(members, name).ok_or(JwkError::Malformed);
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).map_err(|_| JwkError::Malformed);
    match text("kty")? {
        "EC" => {
            let curve = Curve::parse(text("crv")?).ok_or(JwkError::Unsupported)?;
            let (x, y) = (bytes("x")?, bytes("y")?);
            let length = curve.coordinate_length();
            if x.len() == length && y.len() == length {
                Ok(PublicKey::Ec { curve, x, y })
            } else {
                Err(JwkError::Malformed)
            }
        }
        "RSA" => {
            let unsigned = |bytes: Vec<u8>| bytes.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
            let (n, e) = (unsigned(bytes("n")?), unsigned(bytes("e")?));
            match e.last() {
                Some(last) if last % 2 == 1 && e != [1] && n.len() >= MIN_RSA_BYTES => Ok(PublicKey::Rsa { n, e }),
                Some(_) => Err(JwkError::Unsupported),
                None => Err(JwkError::Malformed),
            }
        }
        "OKP" if text("crv")? == "Ed25519" => {
            let x = bytes("x")?;
            if x.len() == 32 { Ok(PublicKey::Ed25519 { x }) } else { Err(JwkError::Malformed) }
        }
        _ => Err(JwkError::Unsupported),
    }
}

/// The members that make up the key (RFC 7638 §3.2).
fn required_members(key: &PublicKey) -> Map<String, Value> {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let value = match key {
        PublicKey::Ec { curve, x, y } => {
            json!({ "kty": "EC", "crv": curve.as_str(), "x": encode(x), "y": encode(y) })
        }
        PublicKey::Rsa { n, e } => json!({ "kty": "RSA", "n": encode(n), "e": encode(e) }),
        PublicKey::Ed25519 { x } => json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(x) }),
    };
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::PrivateKey;

    #[test]
    fn the_thumbprint_of_the_rfc_comes_out() {
        let jwk = Jwk::parse(&json!({
            "kty": "RSA",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebW\
                  KRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQM\
                  icAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcR\
                  wr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
            "e": "AQAB",
            "alg": "RS256",
            "kid": "2011-04-29"
        }))
        .unwrap();
        assert_eq!(jwk.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        assert_eq!(jwk.kid.as_deref(), Some("2011-04-29"));
    }

    #[test]
    fn keys_survive_being_written_and_read() {
        for algorithm in [SigningAlgorithm::Es256, SigningAlgorithm::Rs256, SigningAlgorithm::EdDsa] {
            let jwk = Jwk::named(PrivateKey::generate(algorithm).public_key(), algorithm);
            assert_eq!(Jwk::parse(&jwk.to_value()).unwrap(), jwk);
            assert_eq!(jwk.kid.as_ref().unwrap(), &jwk.thumbprint());
            assert!(jwk.fits(algorithm));
            assert_eq!(SigningAlgorithm::ALL.into_iter().filter(|other| jwk.fits(*other)).count(), 1);
        }
    }

    #[test]
    fn a_private_key_is_refused() {
        let mut value =
            Jwk::named(PrivateKey::generate(SigningAlgorithm::Es256).public_key(), SigningAlgorithm::Es256).to_value();
        value["d"] = json!("AAAA");
        assert_eq!(Jwk::parse(&value), Err(JwkError::Private));
        assert_eq!(JwkSet::parse_strictly(&json!({ "keys": [value] })), Err(JwkError::Private));
        assert_eq!(Jwk::parse(&json!({ "kty": "oct", "k": "c2VjcmV0" })), Err(JwkError::Private));
    }

    #[test]
    fn members_that_say_nothing_count_as_left_out() {
        let key = Jwk::named(PrivateKey::generate(SigningAlgorithm::Es256).public_key(), SigningAlgorithm::Es256);
        for void in [json!(null), json!(""), json!([])] {
            let mut value = key.to_value();
            for name in ["x5c", "x5t", "use", "key_ops", "alg", "d", "k"] {
                value[name] = void.clone();
            }
            let read = Jwk::parse(&value);
            assert_eq!(read, Ok(Jwk { alg: None, ..key.clone() }), "{void}");
            value["kid"] = void;
            assert_eq!(Jwk::parse(&value).unwrap().kid, None);
        }
    }

    #[test]
    fn weak_foreign_and_malformed_keys_are_refused() {
        for (value, expected) in [
            (json!("key"), JwkError::Malformed),
            (json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" }), JwkError::Malformed),
            (json!({ "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA" }), JwkError::Unsupported),
            (json!({ "kty": "OKP", "crv": "Ed25519", "x": "AA" }), JwkError::Malformed),
            (json!({ "kty": "OKP", "crv": "X25519", "x": "AA" }), JwkError::Unsupported),
            (json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" }), JwkError::Unsupported),
            (json!({ "kty": "RSA", "n": "AQAB" }), JwkError::Malformed),
            (json!({ "kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB" }), JwkError::Unsupported),
            (
                json!({ "kty": "OKP", "crv": "Ed25519", "x": "A".repeat(43), "key_ops": ["sign"] }),
                JwkError::Unsupported,
            ),
        ] {
            assert_eq!(Jwk::parse(&value), Err(expected), "{value}");
        }
    }

    #[test]
    fn a_set_of_others_is_read_leniently_and_one_of_ours_strictly() {
        let good = Jwk::named(PrivateKey::generate(SigningAlgorithm::Es256).public_key(), SigningAlgorithm::Es256);
        let mixed = json!({ "keys": [{ "kty": "future" }, good.to_value()] });
        assert_eq!(JwkSet::parse(&mixed).unwrap().keys, vec![good.clone()]);
        assert_eq!(JwkSet::parse_strictly(&mixed).unwrap().keys, [good]);
        assert_eq!(JwkSet::parse_strictly(&json!({ "keys": [{ "kty": "future" }] })), Err(JwkError::Unsupported));
        assert_eq!(JwkSet::parse_strictly(&json!({ "keys": [] })), Err(JwkError::NotASet));
        assert_eq!(JwkSet::parse(&json!([])), Err(JwkError::NotASet));
    }

    #[test]
    fn candidates_are_chosen_by_name_and_algorithm() {
        let key = || PrivateKey::generate(SigningAlgorithm::Es256).public_key();
        let (a, b) = (Jwk::named(key(), SigningAlgorithm::Es256), Jwk::named(key(), SigningAlgorithm::Es256));
        let set = JwkSet { keys: vec![a.clone(), b] };
        assert_eq!(set.candidates(a.kid.as_deref(), SigningAlgorithm::Es256).collect::<Vec<_>>(), [&a]);
        assert_eq!(set.candidates(None, SigningAlgorithm::Es256).count(), 2);
        assert_eq!(set.candidates(Some("unknown"), SigningAlgorithm::Es256).count(), 0);
        assert_eq!(set.candidates(None, SigningAlgorithm::Rs256).count(), 0);
    }
}
