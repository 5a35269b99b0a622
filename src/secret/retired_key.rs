//! What stays of a site key that was retired: the keys with which stored digests are recognised. It opens nothing, and from
//! it nobody gets back to the key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::site_key::{Key, Purpose};
use super::{checksum, has_valid_checksum, hmac_sha256};

/// How its line in the key file begins.
const PREFIX: &str = "dt_rk_";
/// How many characters of the line are the id of the key: six bytes in base64url.
const ID: usize = 8;

/// A key that only recognises digests that are stored.
pub(super) struct RetiredKey {
    /// The id that the key had.
    pub(super) id: String,
    /// For each of [`Purpose::STORED`].
    digests: [[u8; 32]; Purpose::STORED.len()],
}

impl RetiredKey {
    /// What stays of a key.
    pub(super) fn of(key: &Key) -> Self {
        Self { id: key.id.clone(), digests: Purpose::STORED.map(|purpose| key.derive(purpose)) }
    }

    /// Whether a line of the key file is meant to be one.
    pub(super) fn is_one(line: &str) -> bool {
        line.starts_with(PREFIX)
    }

    /// Reads [`RetiredKey::to_text`]; `None`: it is damaged.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let whole = has_valid_checksum(line).then_some(line)?;
        let body = whole.strip_prefix(PREFIX)?;
        let (id, rest) = body.split_at_checked(ID)?;
        let (keys, _checksum) = rest.split_at_checked(rest.len().checked_sub(super::CHECKSUM_LENGTH)?)?;
        let bytes = URL_SAFE_NO_PAD.decode(keys).ok()?;
        let mut digests = [[0; 32]; Purpose::STORED.len()];
        if bytes.len() != digests.as_flattened().len() {
            return None;
        }
        digests.as_flattened_mut().copy_from_slice(&bytes);
        Some(Self { id: id.to_owned(), digests })
    }

    /// Its line in the key file.
    pub(super) fn to_text(&self) -> String {
        let text = format!("{PREFIX}{}{}", self.id, URL_SAFE_NO_PAD.encode(self.digests.as_flattened()));
        let checksum = checksum(text.as_bytes());
        text + &checksum
    }

    /// The digest that the key made; `None` of what is never stored.
    pub(super) fn digest(&self, purpose: Purpose, secret: &[u8]) -> Option<String> {
        let at = Purpose::STORED.iter().position(|stored| *stored == purpose)?;
        Some(URL_SAFE_NO_PAD.encode(hmac_sha256(&self.digests[at], secret)))
    }
}
