//! Fernet, in which Frappe seals secrets: AES-128 in CBC mode and HMAC-SHA256 (<https://github.com/fernet/spec>). Opened only.

use aws_lc_rs::cipher::{AES_128, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// URL-safe, with padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// What a token begins with.
const VERSION: u8 = 0x80;
/// Version, time and initialization vector.
const HEAD: usize = 1 + 8 + 16;
/// The length of the tag.
const TAG: usize = 32;

/// A key that opens.
pub(crate) struct FernetKey {
    signing: hmac::Key,
    encryption: [u8; 16],
}

impl FernetKey {
    /// Reads a key: 32 bytes in base64. `None` for what is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 32] = BASE64.decode(text.trim()).ok()?.try_into().ok()?;
        let (signing, encryption) = bytes.split_at(16);
        Some(Self { signing: hmac::Key::new(hmac::HMAC_SHA256, signing), encryption: encryption.try_into().ok()? })
    }

    /// What was sealed; `None` if another key sealed it, or it was changed. How old it is does not count.
    pub(crate) fn open(&self, token: &str) -> Option<String> {
        let bytes = BASE64.decode(token.trim()).ok()?;
        let (body, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG)?)?;
        if body.first() != Some(&VERSION) || body.len() < HEAD {
            return None;
        }
        hmac::verify(&self.signing, body, tag).ok()?;
        let vector: [u8; 16] = body[HEAD - 16..HEAD].try_into().ok()?;
        let mut sealed = body[HEAD..].to_vec();
        let key = PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_128, &self.encryption).ok()?).ok()?;
        let plain = key.decrypt(&mut sealed, DecryptionContext::Iv128(FixedLength::from(&vector))).ok()?;
        String::from_utf8(plain.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of the specification.
    const KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
    const TOKEN: &str =
        "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";

    #[test]
    fn the_vector_of_the_specification_opens() {
        let key = FernetKey::parse(KEY).unwrap();
        assert_eq!(key.open(TOKEN).as_deref(), Some("hello"));
        assert_eq!(key.open(TOKEN.trim_end_matches('=')).as_deref(), Some("hello"));
    }

    #[test]
    fn what_was_changed_or_sealed_by_another_key_stays_closed() {
        let key = FernetKey::parse(KEY).unwrap();
        let other = FernetKey::parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
        assert_eq!(other.open(TOKEN), None);
        for token in ["", "gAAA", &TOKEN.replace("ODy0", "ODz0"), &TOKEN[..TOKEN.len() - 8], "****"] {
            assert_eq!(key.open(token), None, "{token}");
        }
        assert!(FernetKey::parse("short").is_none() && FernetKey::parse("").is_none());
    }
}
