//! Signing and verifying with asymmetric keys, in the terms of JSON Web Algorithms (RFC 7518).

use std::fmt;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPairComponents, KeySize};
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey,
};

/// A signature algorithm of RFC 7518 §3.1 (and RFC 8037 for `EdDSA`) with a public and a private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the algorithm of that name")]
pub enum SigningAlgorithm {
    Es256,
    Es384,
    Es512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    EdDsa,
}

/// The curve of an elliptic key (RFC 7518 §6.2.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    P256,
    P384,
    P521,
}

/// A public key; what it verifies depends on the algorithm it is used with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// RSA: modulus and exponent, big-endian without leading zeros.
    Rsa {
        /// Modulus.
        n: Vec<u8>,
        /// Exponent.
        e: Vec<u8>,
    },
    /// A point on a curve.
    Ec {
        /// Curve.
        curve: Curve,
        /// Coordinate of full length.
        x: Vec<u8>,
        /// Coordinate of full length.
        y: Vec<u8>,
    },
    /// Ed25519.
    Ed25519 {
        /// The 32 bytes of the key.
        x: Vec<u8>,
    },
}

/// A private key, parsed once and ready to sign with one algorithm.
pub struct PrivateKey {
    algorithm: SigningAlgorithm,
    pair: Pair,
}

enum Pair {
    Ec(EcdsaKeyPair),
    Rsa(RsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// The key does not parse, or does not fit the algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("The key does not fit the algorithm {0}")]
pub struct UnusableKey(pub SigningAlgorithm);

impl SigningAlgorithm {
    /// Every algorithm that we verify.
    pub const ALL: [Self; 10] = [
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::EdDsa,
    ];

    /// The name in JOSE headers and metadata.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of that name; names are case-sensitive, and `none` and the symmetric ones are not among them.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    fn rsa_parameters(self) -> Option<&'static RsaParameters> {
        Some(match self {
            Self::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Self::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Self::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            Self::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
            Self::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
            Self::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
            Self::Es256 | Self::Es384 | Self::Es512 | Self::EdDsa => return None,
        })
    }

    fn rsa_encoding(self) -> Option<&'static dyn signature::RsaEncoding> {
        Some(match self {
            Self::Rs256 => &signature::RSA_PKCS1_SHA256,
            Self::Rs384 => &signature::RSA_PKCS1_SHA384,
            Self::Rs512 => &signature::RSA_PKCS1_SHA512,
            Self::Ps256 => &signature::RSA_PSS_SHA256,
            Self::Ps384 => &signature::RSA_PSS_SHA384,
            Self::Ps512 => &signature::RSA_PSS_SHA512,
            Self::Es256 | Self::Es384 | Self::Es512 | Self::EdDsa => return None,
        })
    }

    fn ecdsa_signing(self) -> Option<&'static signature::EcdsaSigningAlgorithm> {
        Some(match self {
            Self::Es256 => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
            Self::Es384 => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
            Self::Es512 => &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
            _ => return None,
        })
    }

    /// The one curve that the algorithm works on (RFC 7518 §3.4), for the elliptic ones.
    pub fn curve(self) -> Option<Curve> {
        match self {
            Self::Es256 => Some(Curve::P256),
            Self::Es384 => Some(Curve::P384),
            Self::Es512 => Some(Curve::P521),
            _ => None,
        }
    }
}

impl Curve {
    /// The name in a JWK.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// The curve of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::P256, Self::P384, Self::P521].into_iter().find(|curve| curve.as_str() == name)
    }

    /// The number of bytes of a coordinate.
    pub const fn coordinate_length(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

impl PublicKey {
    /// Reads an RSA key from PKCS#1, as it stands in certificates (RFC 8017 appendix A.1.1).
    pub fn from_pkcs1(der: &[u8]) -> Option<Self> {
        let (n, e) = rsa_components(der)?;
        Some(Self::Rsa { n, e })
    }

    /// Is this the signature of the message by the owner of this key? False as well when key and algorithm do not fit.
    pub fn verify(&self, algorithm: SigningAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Rsa { n, e } => algorithm.rsa_parameters().is_some_and(|parameters| {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok()
            }),
            Self::Ec { curve, x, y } => {
                let verification: &'static dyn signature::VerificationAlgorithm = match (algorithm, curve) {
                    (SigningAlgorithm::Es256, Curve::P256) => &signature::ECDSA_P256_SHA256_FIXED,
                    (SigningAlgorithm::Es384, Curve::P384) => &signature::ECDSA_P384_SHA384_FIXED,
                    (SigningAlgorithm::Es512, Curve::P521) => &signature::ECDSA_P521_SHA512_FIXED,
                    _ => return false,
                };
                UnparsedPublicKey::new(verification, uncompressed(x, y)).verify(message, signature).is_ok()
            }
            Self::Ed25519 { x } => {
                algorithm == SigningAlgorithm::EdDsa
                    && UnparsedPublicKey::new(&signature::ED25519, x).verify(message, signature).is_ok()
            }
        }
    }
}

impl PrivateKey {
    /// A new key for the algorithm; RSA gets 2048 bits.
    ///
    /// RSA takes a tenth of a second and more: call it where blocking is allowed.
    pub fn generate(algorithm: SigningAlgorithm) -> Self {
        const RANDOM: &str = "the operating system always has randomness once it has booted";
        let pair = match algorithm.ecdsa_signing() {
            Some(signing) => Pair::Ec(EcdsaKeyPair::generate(signing).expect(RANDOM)),
            None if algorithm == SigningAlgorithm::EdDsa => Pair::Ed(Ed25519KeyPair::generate().expect(RANDOM)),
            None => Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect(RANDOM)),
        };
        Self { algorithm, pair }
    }

    /// Reads a key from PKCS#8.
    pub fn from_pkcs8(algorithm: SigningAlgorithm, der: &[u8]) -> Result<Self, UnusableKey> {
        let unusable = |_| UnusableKey(algorithm);
        let pair = match algorithm.ecdsa_signing() {
            Some(signing) => Pair::Ec(EcdsaKeyPair::from_pkcs8(signing, der).map_err(unusable)?),
            None if algorithm == SigningAlgorithm::EdDsa => {
                Pair::Ed(Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(unusable)?)
            }
            None => Pair::Rsa(RsaKeyPair::from_pkcs8(der).map_err(unusable)?),
        };
        Ok(Self { algorithm, pair })
    }

    /// Reads a key in any of the usual kinds of DER: PKCS#8, SEC 1 (RFC 5915) or PKCS#1 (RFC 8017). It signs with the
    /// algorithm of its curve, or with RS256.
    pub fn from_der(der: &[u8]) -> Option<Self> {
        for algorithm in [SigningAlgorithm::Es256, SigningAlgorithm::Es384, SigningAlgorithm::Es512] {
            if let Ok(pair) = EcdsaKeyPair::from_private_key_der(algorithm.ecdsa_signing()?, der) {
                return Some(Self { algorithm, pair: Pair::Ec(pair) });
            }
        }
        if let Ok(pair) = RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der)) {
            return Some(Self { algorithm: SigningAlgorithm::Rs256, pair: Pair::Rsa(pair) });
        }
        Self::from_pkcs8(SigningAlgorithm::EdDsa, der).ok()
    }

    /// An elliptic key from its scalar and its point, each as long as a coordinate of the curve.
    pub fn from_scalar(curve: Curve, d: &[u8], x: &[u8], y: &[u8]) -> Option<Self> {
        let algorithm = SigningAlgorithm::ALL.into_iter().find(|algorithm| algorithm.curve() == Some(curve))?;
        let signing = algorithm.ecdsa_signing()?;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(signing, d, &uncompressed(x, y)).ok()?;
        Some(Self { algorithm, pair: Pair::Ec(pair) })
    }

    /// An Ed25519 key from its seed and its public half, 32 bytes each.
    pub fn from_seed(seed: &[u8], x: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_and_public_key(seed, x).ok()?;
        Some(Self { algorithm: SigningAlgorithm::EdDsa, pair: Pair::Ed(pair) })
    }

    /// An RSA key from `n`, `e`, `d`, `p`, `q`, `dp`, `dq` and `qi` (RFC 7518 §6.3); it signs with RS256.
    #[expect(clippy::many_single_char_names, reason = "the RFC names them so")]
    pub fn from_rsa_components([n, e, d, p, q, dp, dq, qi]: [Vec<u8>; 8]) -> Option<Self> {
        let unsigned = |bytes: Vec<u8>| bytes.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<u8>>();
        let public_key = RsaPublicKeyComponents { n: unsigned(n), e: unsigned(e) };
        let components = KeyPairComponents { public_key, d, p, q, dP: dp, dQ: dq, qInv: qi };
        let pair = RsaKeyPair::from_components(&components).ok()?;
        Some(Self { algorithm: SigningAlgorithm::Rs256, pair: Pair::Rsa(pair) })
    }

    /// The same key, to sign with another algorithm of its kind.
    pub fn with_algorithm(self, algorithm: SigningAlgorithm) -> Result<Self, UnusableKey> {
        let fits = match &self.pair {
            Pair::Ec(_) | Pair::Ed(_) => self.algorithm == algorithm,
            Pair::Rsa(_) => algorithm.rsa_parameters().is_some(),
        };
        if fits { Ok(Self { algorithm, ..self }) } else { Err(UnusableKey(algorithm)) }
    }

    /// The key as PKCS#8, in the clear: seal it before it is stored.
    pub fn to_pkcs8(&self) -> Vec<u8> {
        const ENCODES: &str = "a parsed key can be written again";
        match &self.pair {
            Pair::Ec(pair) => pair.to_pkcs8v1().expect(ENCODES).as_ref().to_vec(),
            Pair::Ed(pair) => pair.to_pkcs8v1().expect(ENCODES).as_ref().to_vec(),
            Pair::Rsa(pair) => pair.as_der().expect(ENCODES).as_ref().to_vec(),
        }
    }

    /// The algorithm that this key signs with.
    pub fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// The public half.
    pub fn public_key(&self) -> PublicKey {
        match &self.pair {
            Pair::Ec(pair) => {
                let curve = self.algorithm.curve().expect("an elliptic key has a curve");
                // An uncompressed point: 04, x, y.
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(curve.coordinate_length());
                PublicKey::Ec { curve, x: x.to_vec(), y: y.to_vec() }
            }
            Pair::Ed(pair) => PublicKey::Ed25519 { x: pair.public_key().as_ref().to_vec() },
            Pair::Rsa(pair) => {
                let (n, e) = rsa_components(pair.public_key().as_ref()).expect("a parsed key has modulus and exponent");
                PublicKey::Rsa { n, e }
            }
        }
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        const SIGNS: &str = "a parsed key signs every message";
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ec(pair) => pair.sign(&random, message).expect(SIGNS).as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut out = vec![0; pair.public_modulus_len()];
                let encoding = self.algorithm.rsa_encoding().expect("an RSA key has an RSA algorithm");
                pair.sign(encoding, &random, message, &mut out).expect(SIGNS);
                out
            }
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl fmt::Display for SigningAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn uncompressed(x: &[u8], y: &[u8]) -> Vec<u8> {
    [&[4], x, y].concat()
}

/// Modulus and exponent of an `RSAPublicKey` (RFC 8017 appendix A.1.1): a sequence of two integers.
fn rsa_components(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (sequence, _) = der_value(der, 0x30)?;
    let (n, rest) = der_value(sequence, 0x02)?;
    let (e, _) = der_value(rest, 0x02)?;
    let unsigned = |bytes: &[u8]| bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
    Some((unsigned(n), unsigned(e)))
}

/// The content of the first element, which must have this tag, and what follows it.
fn der_value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (head, rest) = der.split_first_chunk::<2>()?;
    if head[0] != tag {
        return None;
    }
    let (length, rest) = if head[1] < 0x80 {
        (usize::from(head[1]), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(head[1] & 0x7f))?;
        (bytes.iter().try_fold(0_usize, |sum, byte| sum.checked_mul(256)?.checked_add(usize::from(*byte)))?, rest)
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_verifies_its_own_signatures_and_no_others() {
        for algorithm in SigningAlgorithm::ALL {
            let key = PrivateKey::generate(algorithm);
            let signature = key.sign(b"message");
            let public = key.public_key();
            assert!(public.verify(algorithm, b"message", &signature), "{algorithm}");
            assert!(!public.verify(algorithm, b"massage", &signature), "{algorithm}");
            assert!(!public.verify(algorithm, b"message", &signature[1..]), "{algorithm}");
            assert!(!public.verify(algorithm, b"message", b""), "{algorithm}");
            for other in SigningAlgorithm::ALL.into_iter().filter(|other| *other != algorithm) {
                assert!(!public.verify(other, b"message", &signature), "{algorithm} as {other}");
            }
        }
    }

    #[test]
    fn a_key_survives_being_written_and_read() {
        for algorithm in [SigningAlgorithm::Es256, SigningAlgorithm::Rs256, SigningAlgorithm::EdDsa] {
            let key = PrivateKey::generate(algorithm);
            let again = PrivateKey::from_pkcs8(algorithm, &key.to_pkcs8()).unwrap();
            assert_eq!(again.public_key(), key.public_key());
            assert!(key.public_key().verify(algorithm, b"message", &again.sign(b"message")));
        }
    }

    #[test]
    fn a_key_of_another_kind_is_refused() {
        let ec = PrivateKey::generate(SigningAlgorithm::Es256).to_pkcs8();
        assert!(PrivateKey::from_pkcs8(SigningAlgorithm::Rs256, &ec).is_err());
        assert!(PrivateKey::from_pkcs8(SigningAlgorithm::EdDsa, &ec).is_err());
        assert!(PrivateKey::from_pkcs8(SigningAlgorithm::Es384, &ec).is_err());
        assert!(PrivateKey::from_pkcs8(SigningAlgorithm::Es256, b"nonsense").is_err());
    }

    #[test]
    fn algorithms_are_found_by_their_exact_name_and_none_is_not_among_them() {
        assert_eq!(SigningAlgorithm::parse("ES256"), Some(SigningAlgorithm::Es256));
        for name in ["none", "None", "es256", "HS256", ""] {
            assert_eq!(SigningAlgorithm::parse(name), None, "{name}");
        }
    }

    #[test]
    fn debug_shows_no_private_key() {
        assert_eq!(
            format!("{:?}", PrivateKey::generate(SigningAlgorithm::Es256)),
            "PrivateKey { algorithm: Es256, .. }"
        );
    }
}
