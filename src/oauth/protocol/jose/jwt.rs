//! JSON Web Tokens in compact form: made, taken apart, verified (RFC 7515, RFC 7519, RFC 8725).
//!
//! A token that was only taken apart is [`Unverified`]; claims to rely on exist only in [`Verified`]. The algorithm
//! is never the token's choice: whoever verifies says which ones are acceptable, and each key knows its own.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Duration, Utc};
use serde::Serialize;
use serde::de::{Error as _, MapAccess, Visitor};
use serde_json::{Map, Value, json};

use crate::foreign;
use crate::oauth::protocol::jose::jwk::{Jwk, JwkSet};
use crate::secret::{self, PrivateKey, SigningAlgorithm};

/// Longer tokens are not read.
const MAX_LENGTH: usize = 16 * 1024;
/// The clocks of two servers may differ by this much.
pub(crate) const LEEWAY: Duration = Duration::seconds(30);
/// A secret for HS256 has at least as many bytes as the hash (RFC 7518 §3.2).
pub(crate) const MIN_HS256_SECRET: usize = 32;

/// The algorithm of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// With a key pair.
    Asymmetric(SigningAlgorithm),
    /// HMAC with a shared secret: only where both sides have one anyway.
    Hs256,
}

/// A private key with the name under which its public half is published.
#[derive(Debug)]
pub struct SigningKey {
    kid: String,
    key: PrivateKey,
}

/// A token that was taken apart; nothing of it is proven.
#[derive(Clone, PartialEq)]
pub struct Unverified {
    /// The header.
    pub header: Header,
    claims: Claims,
    signed: String,
    signature: Vec<u8>,
}

/// What we read of a header.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// The algorithm.
    pub alg: Algorithm,
    /// The kind of token, in lower case, without `application/`.
    pub typ: Option<String>,
    /// The name of the key.
    pub kid: Option<String>,
    /// A key that came with the token (RFC 9449 only).
    pub jwk: Option<Value>,
}

/// Claims whose signature was verified.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// The header.
    pub header: Header,
    /// The claims.
    pub claims: Claims,
}

/// The members of a token.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims(pub Map<String, Value>);

/// Why a token is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Not a token in compact form.
    #[error("The JWT is malformed")]
    Malformed,
    /// `none`, or one that is not acceptable here.
    #[error("The JWT is signed with an algorithm that is not accepted")]
    Algorithm,
    /// A header that must be understood, and is not (RFC 7515 §4.1.11).
    #[error("The JWT has a critical header that is not understood")]
    Critical,
    /// No key of that name, or none at all.
    #[error("The JWT is signed with an unknown key")]
    UnknownKey,
    /// The signature does not fit.
    #[error("The signature of the JWT does not verify")]
    Signature,
    /// The token is for something else.
    #[error("The JWT has the wrong typ")]
    Type,
    /// Too late.
    #[error("The JWT has expired")]
    Expired,
    /// Too early.
    #[error("The JWT is not valid yet: compare the clocks")]
    NotYetValid,
    /// A claim is missing or wrong.
    #[error("The claim {0} of the JWT is missing or wrong")]
    Claim(&'static str),
}

impl Algorithm {
    /// The name in the header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asymmetric(algorithm) => algorithm.as_str(),
            Self::Hs256 => "HS256",
        }
    }

    /// The algorithm of that name; `none` is none.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "HS256" => Some(Self::Hs256),
            _ => SigningAlgorithm::parse(name).map(Self::Asymmetric),
        }
    }
}

impl SigningKey {
    /// A new key; its thumbprint is its name.
    pub fn generate(algorithm: SigningAlgorithm) -> Self {
        let key = PrivateKey::generate(algorithm);
        Self { kid: Jwk::named(key.public_key(), algorithm).thumbprint(), key }
    }

    /// A key under the name by which it is known.
    pub fn new(kid: impl Into<String>, key: PrivateKey) -> Self {
        Self { kid: kid.into(), key }
    }

    /// The name of the key.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The private half, to be stored sealed.
    pub fn private_key(&self) -> &PrivateKey {
        &self.key
    }

    /// The algorithm.
    pub fn algorithm(&self) -> SigningAlgorithm {
        self.key.algorithm()
    }

    /// The public half, to be published.
    pub fn jwk(&self) -> Jwk {
        let alg = Some(self.key.algorithm());
        Jwk { key: self.key.public_key(), kid: Some(self.kid.clone()), alg, certificate: None }
    }

    /// Signs claims into a token of this `typ`.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> String {
        let header = json!({ "alg": self.algorithm().as_str(), "typ": typ, "kid": self.kid });
        sign_with(&header, claims, |message| self.key.sign(message))
    }

    /// Signs claims into a token that carries its public key (RFC 9449 §4.2).
    pub fn sign_with_embedded_key(&self, typ: &str, claims: &impl Serialize) -> String {
        let header = json!({ "alg": self.algorithm().as_str(), "typ": typ, "jwk": self.jwk().to_value() });
        sign_with(&header, claims, |message| self.key.sign(message))
    }
}

/// Signs claims with a shared secret.
pub fn sign_hs256(secret: &[u8], typ: &str, claims: &impl Serialize) -> String {
    let header = json!({ "alg": "HS256", "typ": typ });
    sign_with(&header, claims, |message| secret::hmac_sha256(secret, message).to_vec())
}

fn sign_with(header: &Value, claims: &impl Serialize, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let claims = serde_json::to_string(claims).expect("claims are a struct with text keys");
    let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims));
    let signature = sign(token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    token
}

impl Unverified {
    /// Takes a token apart.
    pub fn parse(token: &str) -> Result<Self, JwtError> {
        if token.len() > MAX_LENGTH {
            return Err(JwtError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JwtError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(JwtError::Malformed)?;
        let header = parse_header(&decode_object(header)?)?;
        let claims = Claims(decode_object(claims)?);
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| JwtError::Malformed)?;
        Ok(Self { header, claims, signed: signed.to_owned(), signature })
    }

    /// The claims as they are said to be: good enough to find the key by, for nothing else.
    pub fn unverified_claims(&self) -> &Claims {
        &self.claims
    }

    /// Verifies with a set of public keys.
    pub fn verify(self, keys: &JwkSet, accepted: &[SigningAlgorithm]) -> Result<Verified, JwtError> {
        let Algorithm::Asymmetric(algorithm) = self.header.alg else { return Err(JwtError::Algorithm) };
        if !accepted.contains(&algorithm) {
            return Err(JwtError::Algorithm);
        }
        let mut candidates = keys.candidates(self.header.kid.as_deref(), algorithm).peekable();
        if candidates.peek().is_none() {
            return Err(JwtError::UnknownKey);
        }
        let verifies = candidates.any(|jwk| jwk.key.verify(algorithm, self.signed.as_bytes(), &self.signature));
        drop(candidates);
        if verifies { Ok(Verified { header: self.header, claims: self.claims }) } else { Err(JwtError::Signature) }
    }

    /// Verifies HS256 with a shared secret.
    pub fn verify_hs256(self, secret: &[u8]) -> Result<Verified, JwtError> {
        if self.header.alg != Algorithm::Hs256 || secret.len() < MIN_HS256_SECRET {
            return Err(JwtError::Algorithm);
        }
        if secret::constant_time_eq(secret::hmac_sha256(secret, self.signed.as_bytes()), &self.signature) {
            Ok(Verified { header: self.header, claims: self.claims })
        } else {
            Err(JwtError::Signature)
        }
    }
}

/// Shows the header only: claims are about people.
impl std::fmt::Debug for Unverified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unverified").field("header", &self.header).finish_non_exhaustive()
    }
}

impl Verified {
    /// Checks the kind of token, so that one kind never passes for another (RFC 8725 §3.11).
    pub fn require_type(&self, typ: &str) -> Result<(), JwtError> {
        if self.header.typ.as_deref() == Some(typ) { Ok(()) } else { Err(JwtError::Type) }
    }
}

impl Claims {
    /// A claim that says something; one that is void counts as left out.
    pub fn get(&self, name: &str) -> Option<&Value> {
        foreign::get(&self.0, name)
    }

    /// A text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// A text that must be there, and not empty.
    pub fn require_text(&self, name: &'static str) -> Result<&str, JwtError> {
        self.text(name).filter(|text| !text.is_empty()).ok_or(JwtError::Claim(name))
    }

    /// A number of seconds, however it is written; fractions are cut off (RFC 7519 §2 `NumericDate`).
    pub fn seconds(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(foreign::integer)
    }

    /// A moment.
    pub fn time(&self, name: &str) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(self.seconds(name)?, 0)
    }

    /// The audience: one text or several.
    pub fn audience(&self) -> Vec<&str> {
        match self.0.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Checks `iss` letter by letter.
    pub fn require_issuer(&self, issuer: &str) -> Result<(), JwtError> {
        if self.text("iss") == Some(issuer) { Ok(()) } else { Err(JwtError::Claim("iss")) }
    }

    /// Checks that `aud` names this audience (and perhaps others).
    pub fn require_audience(&self, audience: &str) -> Result<(), JwtError> {
        if self.audience().contains(&audience) { Ok(()) } else { Err(JwtError::Claim("aud")) }
    }

    /// Checks `exp`, which must be there, `nbf` and `iat`; returns when the token expires.
    pub fn require_current(&self, now: DateTime<Utc>) -> Result<DateTime<Utc>, JwtError> {
        let expires = self.time("exp").ok_or(JwtError::Claim("exp"))?;
        if now - LEEWAY >= expires {
            return Err(JwtError::Expired);
        }
        for name in ["nbf", "iat"] {
            if self.get(name).is_none() {
                continue;
            }
            let at = self.time(name).ok_or(JwtError::Claim(name))?;
            if at > now + LEEWAY {
                return Err(JwtError::NotYetValid);
            }
        }
        Ok(expires)
    }
}

fn parse_header(members: &Map<String, Value>) -> Result<Header, JwtError> {
    if members.contains_key("crit") {
        return Err(JwtError::Critical);
    }
    let text = |name: &str| foreign::text(members, name);
    let alg = Algorithm::parse(text("alg").ok_or(JwtError::Malformed)?).ok_or(JwtError::Algorithm)?;
    let typ = text("typ").map(|typ| {
        let typ = typ.to_ascii_lowercase();
        typ.strip_prefix("application/").map(str::to_owned).unwrap_or(typ)
    });
    Ok(Header { alg, typ, kid: text("kid").map(str::to_owned), jwk: foreign::get(members, "jwk").cloned() })
}

fn decode_object(part: &str) -> Result<Map<String, Value>, JwtError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| JwtError::Malformed)?;
    let object: UniqueObject = foreign::parse(&bytes).map_err(|_| JwtError::Malformed)?;
    Ok(object.0)
}

/// An object whose members differ in name: a repeated claim would mean different things to different readers.
struct UniqueObject(Map<String, Value>);

impl<'de> serde::Deserialize<'de> for UniqueObject {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = UniqueObject;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<UniqueObject, A::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("repeated member"));
                    }
                }
                Ok(UniqueObject(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
#[path = "jwt_tests.rs"]
mod tests;
