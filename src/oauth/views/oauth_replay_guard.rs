//! OAuth Replay Guard: signed messages that were used, so that a copy of one is refused.

use chrono::{DateTime, Utc};

use crate::document::Documents;
use crate::document::view::{View as _, options, view};
use crate::error::{Error, ProblemKind, Result};
use crate::oauth::protocol::jose::jwt::LEEWAY;
use crate::permissions::Session;
use crate::secret;

/// The name of the DocType.
pub(crate) const OAUTH_REPLAY_GUARD: &str = "OAuth Replay Guard";

options! {
    /// What a message is for; ids of different purposes never meet.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum Purpose {
        /// A client proves who it is (RFC 7523).
        #[default]
        ClientAssertion = "Client Assertion",
        /// A client proves that it holds its key (RFC 9449).
        DpopProof = "DPoP Proof",
        /// A client signed an authorization request (RFC 9101).
        RequestObject = "Request Object",
        /// A provider says that somebody has logged out (OpenID Connect Back-Channel Logout).
        LogoutToken = "Logout Token",
        /// A trusted server vouches for a person (RFC 7523 §2.1).
        IdentityAssertion = "Identity Assertion",
        /// A person came back from a provider.
        Login = "Login",
    }
}

view! {
    /// The note that a message was used.
    #[derive(Clone, Debug)]
    pub(crate) struct ReplayGuard of OAUTH_REPLAY_GUARD {
        /// What the message is for.
        pub purpose: Purpose,
        /// Until when the note is kept.
        pub expires_at: DateTime<Utc>,
        /// The digest of purpose, sender and id.
        pub message_digest: String,
    }
}

/// Notes that a message was used; false if it was before.
///
/// `sender` is whose ids they are (the client id, or the thumbprint of a key) and `id` the message's `jti`. Of many uses
/// at once, in this process or another one, exactly one is told true. The note is kept until `expires_at` and, as
/// clocks may differ, [`LEEWAY`] longer; from then on the message must be refused for its age.
///
/// It is durable before this returns, in a transaction of its own: whatever becomes of the request, the message is used.
pub async fn remember(
    documents: &Documents,
    purpose: Purpose,
    sender: &str,
    id: &str,
    expires_at: DateTime<Utc>,
) -> Result<bool> {
    let mut work = documents.begin(&Session::system()).await?;
    let message_digest = message_digest(purpose, sender, id);
    let note = ReplayGuard { purpose, expires_at: expires_at + LEEWAY, message_digest };
    let document = note.new_document(&work)?;
    match work.insert(document).await {
        Ok(_) => {}
        Err(Error::Validation(invalid))
            if invalid.problems.iter().any(|problem| problem.kind == ProblemKind::Unique) =>
        {
            return Ok(false);
        }
        Err(error) => return Err(error),
    }
    work.commit().await?;
    Ok(true)
}

/// The digest of purpose, sender and id. Each but the last is preceded by its length, so that no two triples read alike.
fn message_digest(purpose: Purpose, sender: &str, id: &str) -> String {
    secret::digest(format!("{}:{}:{sender}:{id}", purpose.as_str(), sender.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_different_senders_and_purposes_never_meet() {
        let digests = [
            message_digest(Purpose::ClientAssertion, "a", "b:c"),
            message_digest(Purpose::ClientAssertion, "a:b", "c"),
            message_digest(Purpose::DpopProof, "a", "b:c"),
            message_digest(Purpose::ClientAssertion, "a", "b"),
        ];
        for (at, digest) in digests.iter().enumerate() {
            assert!(!digests[..at].contains(digest));
        }
        assert_eq!(digests[0], message_digest(Purpose::ClientAssertion, "a", "b:c"));
    }
}
