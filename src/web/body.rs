//! The bodies of requests: read by the handlers that want them, within a limit, no slower than a minimum, and out of one
//! budget of memory for all requests together.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use poem::http::header;
use poem::{Body, Request};
use tokio::time::{Instant, timeout};

use crate::config::limits::Limits;
use crate::error::{Error, Result};

/// The largest body before it is known who asks, and of endpoints that only take a few words: login and OAuth.
pub(crate) const SMALL: usize = 64 * 1024;
/// The largest body of somebody without credentials.
pub(crate) const OF_GUESTS: usize = 1024 * 1024;
/// The beginning of every body is free, so that small requests get through while large ones fill the memory.
const FREE: usize = 16 * 1024;
/// About how many bytes a value of JSON takes beyond its text.
pub(crate) const VALUE: usize = 64;

/// The memory that bodies may take, of all requests together.
#[derive(Clone)]
pub(crate) struct BodyMemory(Arc<Budget>);

struct Budget {
    most: usize,
    used: AtomicUsize,
}

/// How the body of one request is read. What it takes of the memory is given back with the last of these.
#[derive(Clone)]
pub(crate) struct Reading(Arc<State>);

struct State {
    budget: Arc<Budget>,
    /// What this request may take of the budget, together with all that is taken.
    share: AtomicUsize,
    /// What it has taken.
    held: AtomicUsize,
    limit: AtomicUsize,
    /// Whether what is read stays in memory; files go to disk.
    stays: bool,
    refusal: Mutex<Option<Refusal>>,
}

/// Why a body is read no further.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    TooLarge(usize),
    TooManyValues,
    TooSlow,
    NoMemory,
}

impl BodyMemory {
    /// So many bytes.
    pub(crate) fn new(most: usize) -> Self {
        Self(Arc::new(Budget { most, used: AtomicUsize::new(0) }))
    }

    /// Puts a request's body under watch: until [`Reading::allow`] it is small and nobody's.
    pub(crate) fn watch(&self, request: &mut Request, limits: &Limits) -> Reading {
        let state = Arc::new(State {
            budget: Arc::clone(&self.0),
            share: AtomicUsize::new(self.0.most / 2),
            held: AtomicUsize::new(0),
            limit: AtomicUsize::new(SMALL),
            stays: !is_multipart(request),
            refusal: Mutex::new(None),
        });
        let reading = Reading(state);
        let body = request.take_body();
        if !body.is_empty() {
            request.set_body(reading.clone().watched(body, limits.stall_timeout, limits.body_rate));
        }
        request.extensions_mut().insert(reading.clone());
        reading
    }
}

impl Reading {
    /// Lets a body have so many bytes; fails at once if it has announced more. A `guest` leaves half of the memory to others.
    pub(crate) fn allow(&self, request: &Request, limit: usize, guest: bool) -> Result<()> {
        self.0.limit.store(limit, Ordering::Relaxed);
        self.0.share.store(if guest { self.0.budget.most / 2 } else { self.0.budget.most }, Ordering::Relaxed);
        match request.header(header::CONTENT_LENGTH).map(str::parse::<u64>) {
            Some(Ok(length)) if length > limit as u64 => Err(Refusal::TooLarge(limit).into()),
            Some(Err(_)) => Err(Error::BadRequest("Content-Length is not a number".to_owned())),
            Some(Ok(_)) | None => Ok(()),
        }
    }

    /// Why the body was not read to its end, if it was us who stopped.
    pub(crate) fn refusal(&self) -> Option<Error> {
        self.0.refusal.lock().unwrap_or_else(PoisonError::into_inner).map(Error::from)
    }

    /// Takes memory for what is kept of a body; fails if there is not as much.
    pub(crate) fn take(&self, bytes: usize) -> Result<()> {
        self.0.take(bytes).map_err(|refusal| self.refuse(refusal).into())
    }

    /// Takes memory for the values of a JSON text: how many there are shows in its commas and brackets.
    pub(crate) fn take_values(&self, json: &[u8]) -> Result<()> {
        let values = json.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
        let bytes = values.saturating_mul(VALUE);
        if bytes > self.0.share.load(Ordering::Relaxed) {
            return Err(self.refuse(Refusal::TooManyValues).into());
        }
        self.take(bytes)
    }

    fn refuse(&self, refusal: Refusal) -> Refusal {
        *self.0.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
        refusal
    }

    fn watched(self, body: Body, stall: Duration, rate: usize) -> Body {
        let stream = Box::pin(body.into_bytes_stream());
        let state = (stream, self, 0_usize, None);
        Body::from_bytes_stream(futures_util::stream::unfold(state, move |(mut stream, reading, total, begun)| {
            let begun = begun.unwrap_or_else(Instant::now);
            async move {
                let (result, total) = match timeout(stall, stream.next()).await {
                    Ok(None) => return None,
                    Ok(Some(Err(error))) => (Err(error), total),
                    Err(_) => (Err(reading.refuse(Refusal::TooSlow).into()), total),
                    Ok(Some(Ok(bytes))) => {
                        let total = total + bytes.len();
                        let late = begun.elapsed() > stall;
                        let expected = usize::try_from(begun.elapsed().as_secs()).unwrap_or(usize::MAX);
                        let refusal = if total > reading.0.limit.load(Ordering::Relaxed) {
                            Some(Refusal::TooLarge(reading.0.limit.load(Ordering::Relaxed)))
                        } else if late && total < rate.saturating_mul(expected) {
                            Some(Refusal::TooSlow)
                        } else {
                            let counted = bytes.len().min(total.saturating_sub(FREE));
                            if reading.0.stays { reading.0.take(counted).err() } else { None }
                        };
                        match refusal {
                            Some(refusal) => (Err(reading.refuse(refusal).into()), total),
                            None => (Ok(bytes), total),
                        }
                    }
                };
                Some((result, (stream, reading, total, Some(begun))))
            }
        }))
    }
}

impl State {
    fn take(&self, bytes: usize) -> Result<(), Refusal> {
        let share = self.share.load(Ordering::Relaxed);
        let take = |used: usize| used.checked_add(bytes).filter(|used| *used <= share || bytes == 0);
        self.budget.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).map_err(|_| Refusal::NoMemory)?;
        self.held.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(*self.held.get_mut(), Ordering::Relaxed);
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TooLarge(limit) => {
                let (number, unit) =
                    if limit < 1024 * 1024 { (limit / 1024, "KiB") } else { (limit / 1024 / 1024, "MiB") };
                let (number, unit) = if number == 0 { (limit, "bytes") } else { (number, unit) };
                Self::TooLarge(format!("The body is larger than {number} {unit}"))
            }
            Refusal::TooManyValues => {
                Self::TooLarge("The body has too many values: send them in several requests".to_owned())
            }
            Refusal::TooSlow => Self::TooSlow("The body came too slowly".to_owned()),
            Refusal::NoMemory => {
                Self::Unavailable("Too many large requests are being read: try again in a moment".to_owned())
            }
        }
    }
}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        Self::other(Error::from(refusal).to_string())
    }
}

/// Whether a request brings files.
pub(crate) fn is_multipart(request: &Request) -> bool {
    const MULTIPART: &str = "multipart/form-data";
    let content_type = request.content_type().unwrap_or("").trim_start();
    content_type.get(..MULTIPART.len()).is_some_and(|start| start.eq_ignore_ascii_case(MULTIPART))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(memory: &BodyMemory, bytes: usize, limit: usize, guest: bool) -> Result<Reading> {
        let mut request = Request::builder().body(vec![b'x'; bytes]);
        let reading = memory.watch(&mut request, &Limits::default());
        reading.allow(&request, limit, guest)?;
        let read = request.take_body().into_bytes().await;
        match reading.refusal() {
            Some(error) => Err(error),
            None => read.map(|_| reading).map_err(Error::internal),
        }
    }

    #[tokio::test]
    async fn all_bodies_together_have_one_budget_and_guests_half_of_it() {
        let memory = BodyMemory::new(1_000_000);
        let first = read(&memory, 400_000, 500_000, true).await.unwrap();
        assert!(matches!(read(&memory, 400_000, 500_000, true).await, Err(Error::Unavailable(_))));
        let second = read(&memory, 400_000, 500_000, false).await.unwrap();
        assert!(matches!(read(&memory, 400_000, 500_000, false).await, Err(Error::Unavailable(_))));
        read(&memory, FREE, 500_000, true).await.unwrap();
        drop((first, second));
        assert_eq!(memory.0.used.load(Ordering::Relaxed), 0);
        read(&memory, 400_000, 500_000, true).await.unwrap();
    }

    #[tokio::test]
    async fn a_body_ends_at_its_limit() {
        let memory = BodyMemory::new(1_000_000);
        assert!(matches!(read(&memory, 101, 100, false).await, Err(Error::TooLarge(_))));
        read(&memory, 100, 100, false).await.unwrap();
    }

    #[tokio::test]
    async fn many_small_values_count_more_than_their_text() {
        let memory = BodyMemory::new(1_000_000);
        let reading = read(&memory, 1, 100, false).await.unwrap();
        reading.take_values("[{},{}]".as_bytes()).unwrap();
        assert!(matches!(reading.take_values("[[".repeat(10_000).as_bytes()), Err(Error::TooLarge(_))));
    }
}
