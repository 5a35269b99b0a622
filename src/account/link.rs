//! Links that open an account once: an invitation, or a way to a new password. Their keys are 256 random bits, of which the
//! database holds digests.

use chrono::Duration;

use crate::secret;

/// The page that they lead to, as in Frappe.
pub(super) const ADDRESS: &str = "/update-password";

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A new password in place of one that was forgotten.
    Reset,
    /// An account for somebody who was invited.
    Invitation,
}

/// A link that was just made. Only the person for whom it is ever gets the key.
pub(super) struct Link {
    /// What is stored.
    pub digest: String,
    /// The whole address.
    pub url: String,
}

impl Kind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Reset => "dt_reset_",
            Self::Invitation => "dt_invite_",
        }
    }

    /// How long it opens something.
    pub(super) fn life(self) -> Duration {
        match self {
            Self::Reset => Duration::hours(1),
            Self::Invitation => Duration::hours(72),
        }
    }

    /// A new link to a site.
    pub(super) fn make(self, site_url: &str) -> Link {
        let key = secret::random_token(self.prefix());
        Link { digest: secret::digest(&key), url: format!("{site_url}{ADDRESS}?key={key}") }
    }

    /// What a key is for; `None` for what was never one.
    pub(super) fn of(key: &str) -> Option<Self> {
        let kind = [Self::Reset, Self::Invitation].into_iter().find(|kind| key.starts_with(kind.prefix()))?;
        secret::has_valid_checksum(key).then_some(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_what_it_is_for_and_whether_it_was_mistyped() {
        for kind in [Kind::Reset, Kind::Invitation] {
            let link = kind.make("https://site.example");
            let key = link.url.strip_prefix("https://site.example/update-password?key=").unwrap();
            assert_eq!(Kind::of(key), Some(kind));
            assert_eq!(Kind::of(&key[1..]), None);
            assert_eq!(Kind::of(&format!("{key}x")), None);
            assert_eq!(link.digest, secret::digest(key));
        }
        assert_eq!(Kind::of(""), None);
    }
}
