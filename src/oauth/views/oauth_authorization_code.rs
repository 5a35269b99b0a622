//! OAuth Authorization Code: a typed view.

use chrono::{DateTime, Utc};

use crate::document::view::{options, view};
use crate::oauth::protocol::ScopeSet;
use crate::oauth::protocol::authorize::pkce::CodeChallenge;
use crate::oauth::protocol::client::redirect_uri::VerifiedRedirectUri;
use crate::oauth::views::sign_in::SignIn;

/// The name of the DocType.
pub(crate) const OAUTH_AUTHORIZATION_CODE: &str = "OAuth Authorization Code";

options! {
    /// Whether a code can be exchanged.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) enum Validity {
        /// It can.
        Valid = "Valid",
        /// It was, or access was taken back.
        #[default]
        Invalid = "Invalid",
    }
}

view! {
    /// A code as it is stored: everything but the code itself.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct AuthorizationCode of OAUTH_AUTHORIZATION_CODE {
        /// The document.
        pub name: String = name,
        /// The OAuth Client that it was made for.
        pub client: String,
        /// Who said yes.
        pub user: String,
        /// What they allowed.
        pub scopes: ScopeSet,
        /// For which resources (RFC 8707).
        pub resources: Vec<String> = "resource",
        /// The keyed digest of the code.
        pub digest: String = "authorization_code",
        /// Until when it holds.
        pub expires_at: Option<DateTime<Utc>> = "expiration_time",
        /// When it was exchanged.
        pub used_at: Option<DateTime<Utc>>,
        /// Whether it can be exchanged.
        pub validity: Validity,
        /// Where it was sent.
        pub redirect_uri: String = "redirect_uri_bound_to_authorization_code",
        /// The request named that address, so that the exchange must name it, too (RFC 6749 §4.1.3).
        pub redirect_uri_was_sent: bool,
        /// What the verifier must fit (RFC 7636).
        pub code_challenge: Option<CodeChallenge>,
        /// How: `s256`, wherever there is a challenge.
        pub code_challenge_method: Option<String>,
        /// For the ID token.
        pub nonce: Option<String>,
        /// The thumbprint of the key it is bound to (RFC 9449 §10).
        pub dpop_jkt: Option<String>,
        /// The consent behind it.
        pub grant: Option<String>,
        /// What all tokens from it share.
        pub family: String,
        /// The sign-in behind it.
        pub sign_in: SignIn = group,
    }
}

impl AuthorizationCode {
    /// Whether it was exchanged, or ended otherwise.
    pub(crate) fn is_used(&self) -> bool {
        self.used_at.is_some() || self.validity == Validity::Invalid
    }

    /// Where it was sent, as it was checked then.
    pub(crate) fn redirect_uri(&self) -> VerifiedRedirectUri {
        VerifiedRedirectUri::from_stored(self.redirect_uri.clone(), self.redirect_uri_was_sent)
    }
}
