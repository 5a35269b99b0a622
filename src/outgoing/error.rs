//! Why another server gave nothing, told so that people know what to do.

use std::error::Error as _;

use super::guard::{PrivateName, UnknownName};
use crate::error::{Error, ProblemKind};

/// Why a request to another server brought nothing; the texts are for people, the causes for the log.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    /// Not an address.
    #[error("{0} is not an address: it must look like https://example.com/path")]
    NoAddress(String),
    /// Not the name of a server.
    #[error("{0} is not the name of a mail server: it must look like smtp.example.com")]
    NoServer(String),
    /// In the clear.
    #[error("{0} is not https: credentials are sent over encrypted connections only")]
    NotHttps(String),
    /// In a private network.
    #[error(
        "{0} is in a private network, which this site does not call: if that is intended, add it to Allowed Private Hosts in OAuth Settings"
    )]
    Private(String),
    /// The name is unknown.
    #[error("The server {0} was not found: check the address for a typing error")]
    UnknownHost(String),
    /// Too slow.
    #[error("{0} did not answer in time: try again later")]
    Timeout(String),
    /// Failed a moment ago, and is not asked again yet.
    #[error("{0} failed a moment ago: try again in a few seconds")]
    Resting(String),
    /// Unreachable, or the encrypted connection failed.
    #[error("{host} cannot be reached: {reason}")]
    Unreachable {
        /// The host.
        host: String,
        /// What happened, shortly.
        reason: &'static str,
        /// For the log.
        #[source]
        cause: reqwest::Error,
    },
    /// Not to be put into a request.
    #[error("The request to {0} cannot be sent: its path or one of its headers is malformed or too long")]
    Malformed(String),
    /// More than anybody wants to read.
    #[error("{host} answered with more than {} KiB, which is refused", limit / 1024)]
    TooLarge {
        /// The host.
        host: String,
        /// How much would have been read.
        limit: usize,
    },
    /// An answer in another format.
    #[error("{0} did not answer with JSON: check that the address is the right one")]
    NotJson(String),
    /// An answer that sends somewhere else.
    #[error("{0} answers with a redirect, which is not followed: enter the final address")]
    Redirect(String),
    /// An error of the server.
    #[error("{host} answered with the status {status}")]
    Status {
        /// The host.
        host: String,
        /// The status.
        status: u16,
    },
    /// The encryption cannot be set up.
    #[error("Encrypted connections cannot be made: the trusted certificates of this computer cannot be read")]
    NoTls,
}

impl OutgoingError {
    /// Whether it may work a little later, without anybody doing anything.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Timeout(_) | Self::Resting(_) | Self::Unreachable { .. } => true,
            Self::Status { status, .. } => *status >= 500 || *status == 429,
            _ => false,
        }
    }
}

impl From<OutgoingError> for Error {
    fn from(error: OutgoingError) -> Self {
        if let OutgoingError::Unreachable { host, cause, .. } = &error {
            tracing::info!(host, cause = ?cause, "a server cannot be reached");
        }
        if error.is_temporary() {
            Self::Unavailable(error.to_string())
        } else {
            Self::invalid(ProblemKind::Validation, error.to_string())
        }
    }
}

/// What went wrong, in words for people; the address in reqwest's own text may hold what nobody should read.
pub(super) fn explain(host: &str, error: reqwest::Error) -> OutgoingError {
    let error = error.without_url();
    let host = host.to_owned();
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.is::<PrivateName>() {
            return OutgoingError::Private(host);
        }
        if cause.is::<UnknownName>() {
            return OutgoingError::UnknownHost(host);
        }
        source = cause.source();
    }
    if error.is_builder() {
        return OutgoingError::Malformed(host);
    }
    if error.is_timeout() {
        return OutgoingError::Timeout(host);
    }
    let text = format!("{error:?}").to_lowercase();
    let reason = if text.contains("certificate") || text.contains("tls") {
        "its certificate is not trusted, or the encrypted connection failed"
    } else if error.is_connect() {
        "no connection could be made"
    } else {
        "the connection broke off"
    };
    OutgoingError::Unreachable { host, reason, cause: error }
}
