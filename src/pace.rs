//! Long work beside short: what computes for long leaves the threads on which everybody else waits.

use tokio::runtime::{Handle, RuntimeFlavor};

/// How many rows are worked on between two chances for others to run.
const ROWS_AT_ONCE: usize = 64;
/// From how many rows on work counts as long.
pub(crate) const MANY_ROWS: usize = 500;
/// From how many bytes of text on work counts as long.
pub(crate) const MANY_BYTES: usize = 256 * 1024;

/// Computes something; if it `is_long`, the other tasks of this thread move to another one first.
///
/// A runtime of one thread has no other, so there it is computed in place.
pub(crate) fn aside<T>(is_long: bool, work: impl FnOnce() -> T) -> T {
    let has_threads =
        || Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
    if is_long && has_threads() { tokio::task::block_in_place(work) } else { work() }
}

/// Lets others run now and then: called with the index of every row of a loop. Here a deadline ends the loop.
pub(crate) async fn breathe(index: usize) {
    if index % ROWS_AT_ONCE == ROWS_AT_ONCE - 1 {
        tokio::task::yield_now().await;
    }
}
