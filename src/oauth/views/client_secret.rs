//! Client secrets as they are stored: as keyed digests, or sealed where they sign.

use crate::document::reseal::SealedField;
use crate::oauth::protocol::token::kind::TokenKind;
use crate::oauth::views::oauth_client::OAUTH_CLIENT;
use crate::secret::{self, Purpose, SiteKey};

/// How a digested client secret begins, so that it is told from one that somebody wrote by hand.
const DIGESTED: &str = "digest1.";
/// The same of a secret that was written by hand, or by a client that makes short ones: it can be guessed.
const DIGESTED_WEAK: &str = "digest0.";
/// Where a sealed client secret belongs.
const CLIENT_SECRET_PLACE: &str = "OAuth Client\u{1f}client_secret";

/// The fields of the secrets, those that sign among them sealed.
pub(crate) const SEALED: [SealedField; 2] = [sealed("client_secret"), sealed("previous_client_secret")];

const fn sealed(fieldname: &'static str) -> SealedField {
    SealedField { doctype: OAUTH_CLIENT, fieldname, in_auth: false, place: |_| CLIENT_SECRET_PLACE.to_owned() }
}

/// What is stored of a client secret.
///
/// A digest, as a rule. A secret that signs (`client_secret_jwt`, HS256) is needed again, so it is sealed instead.
pub(crate) fn store_client_secret(site_key: &SiteKey, plain: &str, needed_again: bool) -> String {
    if needed_again {
        site_key.seal(plain, CLIENT_SECRET_PLACE)
    } else {
        let is_ours = TokenKind::recognise(plain) == Some(TokenKind::ClientSecret);
        let prefix = if is_ours { DIGESTED } else { DIGESTED_WEAK };
        format!("{prefix}{}", site_key.digest(Purpose::CLIENT_SECRET, plain))
    }
}

/// Whether a stored text is what [`store_client_secret`] makes; anything else is a secret in the clear.
pub(crate) fn is_stored_client_secret(stored: &str) -> bool {
    stored.starts_with(DIGESTED) || is_weak_client_secret(stored) || SiteKey::is_sealed(stored)
}

/// Whether a stored client secret has less than the 256 bits of those that are made here.
pub(crate) fn is_weak_client_secret(stored: &str) -> bool {
    stored.starts_with(DIGESTED_WEAK)
}

/// Whether this is the stored client secret; takes the same time for a client that does not exist.
pub(crate) fn is_client_secret(site_key: &SiteKey, stored: &str, plain: &str) -> bool {
    let digest = [DIGESTED, DIGESTED_WEAK].iter().find_map(|prefix| stored.strip_prefix(prefix)).unwrap_or_default();
    let digested = site_key.matches_digest(Purpose::CLIENT_SECRET, plain, digest);
    let sealed = open_client_secret(site_key, stored).is_some_and(|secret| secret::constant_time_eq(&secret, plain));
    digested | sealed
}

/// The client secret itself, where it was sealed.
pub(crate) fn open_client_secret(site_key: &SiteKey, stored: &str) -> Option<String> {
    SiteKey::is_sealed(stored).then(|| site_key.open_text(stored, CLIENT_SECRET_PLACE).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_secret_is_recognised_and_not_readable() {
        let key = SiteKey::ephemeral();
        for needed_again in [false, true] {
            let stored = store_client_secret(&key, "dt_cs_hunter2", needed_again);
            assert_eq!(is_weak_client_secret(&stored), !needed_again);
            assert!(!stored.contains("hunter2") && stored.len() <= 140);
            assert!(is_stored_client_secret(&stored));
            assert!(is_client_secret(&key, &stored, "dt_cs_hunter2"));
            assert!(!is_client_secret(&key, &stored, "dt_cs_hunter3"));
            assert_eq!(open_client_secret(&key, &stored).is_some(), needed_again);
        }
        assert!(store_client_secret(&key, &TokenKind::ClientSecret.generate(), true).len() <= 140);
    }

    #[test]
    fn nothing_fits_an_absent_secret() {
        let key = SiteKey::ephemeral();
        for stored in ["", "digest1.", "digest0.", "plain"] {
            for plain in ["", "plain", "digest1."] {
                assert!(!is_client_secret(&key, stored, plain), "{stored} {plain}");
            }
        }
        assert!(!is_stored_client_secret("89ab12cd34"));
    }
}
