//! Writes that nobody waits for: that something is in use, for example. They hold up no request, however busy the database is.

use std::time::Duration;

use crate::error::Result;

/// How long a request waits at most, so that what it leads to is seen by the next one as a rule.
const WAIT: Duration = Duration::from_millis(300);

/// Lets a write go its way; a failure is only logged.
pub(crate) async fn write_behind(what: &'static str, write: impl Future<Output = Result<()>> + Send + 'static) {
    let writing = tokio::spawn(async move {
        if let Err(error) = write.await {
            tracing::warn!(what, %error, "not noted");
        }
    });
    drop(tokio::time::timeout(WAIT, writing).await);
}
