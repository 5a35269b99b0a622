//! What goes wrong between this site and a provider, told so that people know what to do.

use crate::error::{Error, ProblemKind};
use crate::outgoing::OutgoingError;

/// How much of a provider's own text is repeated.
const MAX_DESCRIPTION: usize = 300;

/// Why a provider gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The request did not come through.
    #[error(transparent)]
    Outgoing(#[from] OutgoingError),
    /// The provider refused (RFC 6749 §4.1.2.1, §5.2).
    #[error("{host} refused: {}", refusal(code, description))]
    Refused {
        /// Who refused.
        host: String,
        /// The error code.
        code: String,
        /// The provider's own words.
        description: String,
    },
    /// The answer breaks the rules of the protocol.
    #[error("{host} gave an answer that cannot be accepted: {reason}")]
    BadAnswer {
        /// Who answered.
        host: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The configuration here is incomplete or wrong.
    #[error("{0}")]
    Setup(String),
}

impl ProviderError {
    /// A refusal; the provider's words are shortened and cleaned.
    pub fn refused(host: impl Into<String>, code: &str, description: &str) -> Self {
        Self::Refused { host: host.into(), code: clean(code), description: clean(description) }
    }

    /// The same without secrets that the provider repeats: what it says is shown, stored and logged.
    #[must_use]
    pub fn without(self, secrets: &[String]) -> Self {
        let clean = |mut text: String| {
            for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
                let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
                for form in [secret.as_str(), &encoded] {
                    text = text.replace(form, "***");
                }
            }
            text
        };
        match self {
            Self::Refused { host, code, description } => {
                Self::Refused { host, code: clean(code), description: clean(description) }
            }
            Self::BadAnswer { host, reason } => Self::BadAnswer { host, reason: clean(reason) },
            other => other,
        }
    }

    /// An answer that cannot be accepted.
    pub fn bad_answer(host: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::BadAnswer { host: host.into(), reason: reason.into() }
    }

    /// Whether trying again brings nothing: the grant is gone and the person has to connect again.
    pub fn ends_the_grant(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == "invalid_grant")
    }

    /// Whether it may work a little later, without anybody doing anything.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Outgoing(error) => error.is_temporary(),
            Self::Refused { code, .. } => matches!(code.as_str(), "temporarily_unavailable" | "server_error"),
            _ => false,
        }
    }
}

impl From<ProviderError> for Error {
    fn from(error: ProviderError) -> Self {
        if let ProviderError::Outgoing(error) = error {
            return error.into();
        }
        if error.is_temporary() {
            Self::Unavailable(error.to_string())
        } else {
            Self::invalid(ProblemKind::Validation, error.to_string())
        }
    }
}

/// The code with what to do about it.
fn refusal(code: &str, description: &str) -> String {
    let advice = match code {
        "invalid_client" => "check Client ID, Client Secret and how this site proves who it is",
        "invalid_grant" => "the permission has expired or was withdrawn: connect again",
        "unauthorized_client" => "the application registered there may not do this: check its settings",
        "invalid_scope" => "check the Scopes",
        "redirect_uri_mismatch" => "register the redirect address of this site there, exactly as it stands",
        "access_denied" => "the request was declined there",
        "invalid_target" => "check Resource and Audience",
        "temporarily_unavailable" | "server_error" => "try again later",
        "login_required" | "interaction_required" | "consent_required" => "log in there and try again",
        _ => "",
    };
    let mut text = code.to_owned();
    for part in [description, advice] {
        if !part.is_empty() {
            text.push_str(if text.is_empty() { "" } else { "; " });
            text.push_str(part);
        }
    }
    text
}

/// A text from elsewhere on one line, of bounded length, without control characters.
pub(crate) fn clean(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_DESCRIPTION).collect();
    text.trim().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_to_do_and_repeats_only_so_much() {
        let error = ProviderError::refused("login.example", "invalid_client", "no\nsuch client.");
        assert_eq!(
            error.to_string(),
            "login.example refused: invalid_client; no such client; check Client ID, Client Secret and how this site proves who it is"
        );
        assert!(ProviderError::refused("h", "x", &"y".repeat(5000)).to_string().len() < 400);
    }

    #[test]
    fn what_a_provider_repeats_of_a_secret_is_left_out() {
        let error = ProviderError::refused("h", "invalid_grant", "rt+1 and rt%2B1 are unknown");
        let text = error.without(&["rt+1".to_owned(), String::new()]).to_string();
        assert!(!text.contains("rt+1") && !text.contains("rt%2B1") && text.contains("are unknown"), "{text}");
    }

    #[test]
    fn only_a_lost_grant_is_final_and_only_outages_are_temporary() {
        let refused = |code: &str| ProviderError::refused("h", code, "");
        assert!(refused("invalid_grant").ends_the_grant() && !refused("invalid_client").ends_the_grant());
        assert!(refused("temporarily_unavailable").is_temporary() && !refused("invalid_grant").is_temporary());
        assert!(matches!(Error::from(refused("server_error")), Error::Unavailable(_)));
        assert!(matches!(Error::from(refused("invalid_grant")), Error::Validation(_)));
    }
}
