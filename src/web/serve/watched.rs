//! A connection that ends if its other end is too slow: to send the head of a request, to ask again, or to take an answer.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::config::limits::Limits;

/// What a connection is doing.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Nothing was asked since then.
    Idle(Instant),
    /// The head of a request is coming since then.
    Head(Instant),
    /// So many requests are being answered. How fast a body comes is watched where it is read.
    Busy(usize),
}

/// What a connection is doing, as its two ends know it.
#[derive(Clone, Debug)]
pub(super) struct Activity(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Who drives the connection: to be woken when it becomes idle, so that its clock is set.
    driver: Option<Waker>,
}

impl Activity {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(State { phase: Phase::Head(Instant::now()), driver: None })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request has come whole but for its body.
    pub(super) fn begin(&self) -> Busy {
        let mut state = self.state();
        state.phase = match state.phase {
            Phase::Busy(requests) => Phase::Busy(requests + 1),
            Phase::Idle(_) | Phase::Head(_) => Phase::Busy(1),
        };
        drop(state);
        Busy(self.clone())
    }

    fn end(&self) {
        let mut state = self.state();
        state.phase = match state.phase {
            Phase::Busy(requests) if requests > 1 => Phase::Busy(requests - 1),
            _ => Phase::Idle(Instant::now()),
        };
        let driver = state.driver.take();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    fn has_read(&self) {
        let mut state = self.state();
        if let Phase::Idle(_) = state.phase {
            state.phase = Phase::Head(Instant::now());
        }
    }

    /// What it does now; while it is busy, `driver` is told of the end.
    fn phase(&self, driver: &Waker) -> Phase {
        let mut state = self.state();
        if let Phase::Busy(_) = state.phase {
            state.driver = Some(driver.clone());
        }
        state.phase
    }
}

/// A request that is being answered, until this is dropped.
pub(super) struct Busy(Activity);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// The body of an answer; with it the request ends.
pub(super) struct Answer {
    body: BoxBody<Bytes, io::Error>,
    _busy: Busy,
}

impl Answer {
    pub(super) fn new(body: BoxBody<Bytes, io::Error>, busy: Busy) -> Self {
        Self { body, _busy: busy }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The socket of a connection, and the clocks that run while nothing moves.
pub(super) struct Watched {
    socket: TcpStream,
    activity: Activity,
    header_timeout: Duration,
    idle_timeout: Duration,
    stall_timeout: Duration,
    reading: Pin<Box<Sleep>>,
    writing: Option<Pin<Box<Sleep>>>,
}

impl Watched {
    /// Watches a connection that was just opened: a request is expected at once.
    pub(super) fn new(socket: TcpStream, limits: &Limits) -> (Self, Activity) {
        let activity = Activity::new();
        let watched = Self {
            socket,
            activity: activity.clone(),
            header_timeout: limits.header_timeout,
            idle_timeout: limits.idle_timeout,
            stall_timeout: limits.stall_timeout,
            reading: Box::pin(sleep_until(Instant::now() + limits.header_timeout)),
            writing: None,
        };
        (watched, activity)
    }

    /// Fails once something could not be written for too long.
    fn check_writing(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let until = Instant::now() + self.stall_timeout;
        let timer = self.writing.get_or_insert_with(|| Box::pin(sleep_until(until)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the other end takes nothing"))
    }

    fn written<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match result {
            Poll::Pending => self.check_writing(cx).map(Err),
            done @ Poll::Ready(_) => {
                self.writing = None;
                done
            }
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut this.socket).poll_read(cx, buf) {
            if buf.filled().len() > before {
                this.activity.has_read();
            }
            return Poll::Ready(result);
        }
        let deadline = match this.activity.phase(cx.waker()) {
            Phase::Busy(_) => return Poll::Pending,
            Phase::Idle(since) => since + this.idle_timeout,
            Phase::Head(since) => since + this.header_timeout,
        };
        if this.reading.deadline() != deadline {
            this.reading.as_mut().reset(deadline);
        }
        ready!(this.reading.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "no request came in time")))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.written(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.written(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
