//! Why an interaction goes no further: something is wrong with the request, or with the site.

use crate::error::Error as SiteError;
use crate::oauth::protocol::{AuthorizeError, Error};

/// Why an interaction stops.
#[derive(Debug)]
pub(super) enum Stop {
    /// The client or the person is told what is wrong with the request.
    Refused(AuthorizeError),
    /// The site has failed.
    Failed(SiteError),
}

/// What a step of an interaction comes to.
pub(super) type Result<T, E = Stop> = std::result::Result<T, E>;

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Refused(AuthorizeError::Page(error))
    }
}

impl From<AuthorizeError> for Stop {
    fn from(error: AuthorizeError) -> Self {
        Self::Refused(error)
    }
}

impl From<SiteError> for Stop {
    fn from(error: SiteError) -> Self {
        Self::Failed(error)
    }
}

/// Tells what was refused apart from a failure of the site, which is nobody's answer.
pub(super) fn refusal<T>(result: Result<T>) -> Result<Result<T, AuthorizeError>, SiteError> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(Stop::Refused(error)) => Ok(Err(error)),
        Err(Stop::Failed(error)) => Err(error),
    }
}
