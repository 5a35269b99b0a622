//! What a grant decides to issue.

use chrono::{DateTime, Utc};

use crate::document::Work;
use crate::oauth::protocol::ScopeSet;
use crate::oauth::protocol::token::token_exchange::Actor;
use crate::oauth::views::SignIn;
use crate::secret;
use crate::web::SecurityEvent;

/// What a grant has decided to issue, in the transaction that has used up what it rests on.
pub(crate) struct Issue<'w> {
    /// The transaction, which acts as the site itself.
    pub work: Work<'w>,
    /// The tokens.
    pub tokens: NewTokens,
    /// What is noted beside them.
    pub event: Option<SecurityEvent>,
}

/// A pair of access and refresh token to be made.
#[derive(Clone, Debug)]
pub(crate) struct NewTokens {
    /// For whom the client acts.
    pub user: String,
    /// What the access token allows.
    pub scopes: ScopeSet,
    /// Where the access token may be used; empty: everywhere here.
    pub resources: Vec<String>,
    /// What the refresh token may ask for; `None`: there is none.
    pub renewable: Option<Renewable>,
    /// The OAuth Grant behind it.
    pub grant: Option<String>,
    /// What all tokens of one sign-in share.
    pub family: String,
    /// The OAuth Bearer Token that this pair renews.
    pub previous: Option<String>,
    /// The sign-in behind it.
    pub sign_in: SignIn,
    /// `nonce` of the authorization request, for the ID token that answers it (OpenID Connect Core §2).
    pub nonce: Option<String>,
    /// The token that it was exchanged for.
    pub exchanged: Option<SubjectToken>,
}

impl NewTokens {
    /// An access token alone, which begins a family of its own.
    pub(crate) fn new(user: impl Into<String>, scopes: ScopeSet, resources: Vec<String>) -> Self {
        Self {
            user: user.into(),
            scopes,
            resources,
            renewable: None,
            grant: None,
            family: new_family(),
            previous: None,
            sign_in: SignIn::default(),
            nonce: None,
            exchanged: None,
        }
    }
}

/// The subject token of an exchange (RFC 8693).
#[derive(Clone, Debug)]
pub(crate) struct SubjectToken {
    /// Its document; the new token ends with it.
    pub name: String,
    /// It is bound to the certificate with which the client has connected.
    pub needs_certificate: bool,
    /// Until when it holds.
    pub expires_at: DateTime<Utc>,
    /// `act`: who acts (RFC 8693 §4.1).
    pub act: Option<Actor>,
}

/// What a refresh token may ask for, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Renewable {
    /// These scopes.
    pub scopes: ScopeSet,
    /// These resources.
    pub resources: Vec<String>,
    /// Until when the family lives.
    pub family_expires_at: DateTime<Utc>,
}

/// The name of a new family.
pub(crate) fn new_family() -> String {
    secret::random_name() + &secret::random_name()
}
