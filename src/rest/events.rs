//! `GET /api/v2/events`: the change feed as it happens, as Server-Sent Events (WHATWG HTML §9.2).
//!
//! One task a node reads the feed while anybody listens, and hands what it read to every listener. Each of them looks with
//! the rights of the moment, and reads the feed by itself where it has fallen behind.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream;
use poem::http::header;
use poem::{Body, Response};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Receiver, Sender};
use tokio::time::Instant;

use crate::document::changes::{Change, Cursor};
use crate::error::{Error, Result};
use crate::rest::changes::{MOST, Told, Wanted, check_parameters};
use crate::web::api_limit::holder;
use crate::web::args::Args;
use crate::web::{Exchange, Site};

/// Where it is.
pub(super) const PATH: &str = "/api/v2/events";
/// The media type of the answer.
pub(super) const MEDIA_TYPE: &str = "text/event-stream";
/// How many streams one credential has open at a node.
const MOST_STREAMS: usize = 20;
/// After how much silence a sign of life is sent.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long changes are gathered before they are read: many at once cost little more than one.
const GATHER: Duration = Duration::from_millis(30);
/// How often the feed is read although nothing was heard.
const LOOK_ANYWAY: Duration = Duration::from_secs(1);
/// How many parts of the feed wait for a slow listener, who reads them later.
const WAITING: usize = 64;

/// The streams of this node. Cheap to clone; clones share them.
#[derive(Clone, Default)]
pub(super) struct Events(Arc<Streams>);

#[derive(Default)]
struct Streams {
    feed: Mutex<Option<Sender<Arc<Part>>>>,
    open: Mutex<HashMap<String, usize>>,
}

/// A part of the feed.
struct Part {
    /// Where it begins.
    from: Cursor,
    entries: Vec<Change>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Events {
    /// Answers with a stream: from behind `Last-Event-ID` or `since`, or from now on.
    pub(super) async fn answer(self, mut exchange: Exchange) -> Result<Response> {
        exchange.context.require_login()?;
        let values = exchange.values().await?;
        check_parameters(&values, &["since", "doctype", "filters"])?;
        let seat = self.sit_down(holder(&exchange.context).unwrap_or_default())?;
        let documents = exchange.site.documents.clone();
        let wanted = Wanted::read(&documents, exchange.session(), &values).await?;
        // From here on nothing is missed, wherever the stream begins.
        let feed = self.listen(&exchange.site);
        let since = match exchange.header("last-event-id").filter(|id| !id.is_empty()) {
            Some(id) => Some(id.to_owned()),
            None => Args(&values).text("since")?.filter(|since| !since.is_empty()),
        };
        let cursor = match since {
            // Whoever has to begin anew is told so before the stream begins.
            Some(since) => {
                let since = since.parse()?;
                documents.changes_since(&since, 1).await?;
                since
            }
            None => documents.end_of_changes().await?,
        };
        let first = format!("retry: 3000\nid: {cursor}\n\n");
        let heartbeat = Instant::now() + HEARTBEAT;
        let listener = Listener { exchange, wanted, feed, cursor, is_behind: true, heartbeat, _seat: seat };
        let events = stream::unfold(listener, |listener| Box::pin(listener.next()));
        let events = futures_util::StreamExt::chain(stream::once(async { Ok(first) }), events);
        let answer = Response::builder().content_type(MEDIA_TYPE).header(header::CACHE_CONTROL, "no-store");
        // Proxies such as nginx pass it on at once.
        Ok(answer.header("x-accel-buffering", "no").body(Body::from_bytes_stream::<_, String, io::Error>(events)))
    }

    /// Takes one of the places of a credential, until what comes back is dropped.
    fn sit_down(&self, holder: String) -> Result<Seat> {
        let mut open = lock(&self.0.open);
        let count = open.entry(holder.clone()).or_insert(0);
        if *count >= MOST_STREAMS {
            return Err(Error::RateLimited { retry_after: HEARTBEAT.as_secs() });
        }
        *count += 1;
        Ok(Seat { events: self.clone(), holder })
    }

    /// Listens to the feed, which is read from now on if it was not before.
    fn listen(&self, site: &Site) -> Receiver<Arc<Part>> {
        let mut feed = lock(&self.0.feed);
        if let Some(sender) = &*feed {
            return sender.subscribe();
        }
        let (sender, receiver) = broadcast::channel(WAITING);
        *feed = Some(sender);
        let (events, site) = (self.clone(), site.clone());
        tokio::spawn(async move {
            let has_left = tokio::select! {
                has_left = events.read_feed(&site) => has_left,
                () = site.documents.database().closing() => false,
            };
            if !has_left {
                // Streams end with it, and their clients come back.
                *lock(&events.0.feed) = None;
            }
        });
        receiver
    }

    /// Hands out one part of the feed after the other, until the server stops or the feed breaks off, or nobody listens: then
    /// it has left already, so that whoever comes finds either this reader or none.
    async fn read_feed(&self, site: &Site) -> bool {
        let documents = &site.documents;
        let mut writes = documents.writes();
        let mut cursor = match documents.end_of_changes().await {
            Ok(cursor) => cursor,
            Err(error) => {
                tracing::warn!(%error, "the change feed cannot be read");
                return false;
            }
        };
        // The first part is empty and says where this reader began.
        let mut part = Some(Part { from: cursor.clone(), entries: Vec::new() });
        while !site.stopping.load(Ordering::Relaxed) {
            if !self.hand_out(part.take()) {
                return true;
            }
            drop(tokio::time::timeout(LOOK_ANYWAY, writes.changed()).await);
            tokio::time::sleep(GATHER).await;
            writes.mark_unchanged();
            match documents.changes_since(&cursor, MOST).await {
                Ok(changes) => {
                    if changes.has_more {
                        writes.mark_changed();
                    }
                    let from = std::mem::replace(&mut cursor, changes.next);
                    part = Some(Part { from, entries: changes.entries }).filter(|part| !part.entries.is_empty());
                }
                Err(error @ Error::Gone(_)) => {
                    tracing::warn!(%error, "the change feed has a gap");
                    return false;
                }
                Err(error) => tracing::debug!(%error, "the change feed cannot be read at the moment"),
            }
        }
        false
    }

    /// Hands out what there is; says whether anybody listens.
    fn hand_out(&self, part: Option<Part>) -> bool {
        let mut feed = lock(&self.0.feed);
        let is_heard = feed.as_ref().is_some_and(|sender| match part {
            Some(part) => sender.send(Arc::new(part)).is_ok(),
            None => sender.receiver_count() > 0,
        });
        if !is_heard {
            *feed = None;
        }
        is_heard
    }
}

/// A place of a credential.
struct Seat {
    events: Events,
    holder: String,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = lock(&self.events.0.open);
        if let Some(count) = open.get_mut(&self.holder) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.holder);
            }
        }
    }
}

/// Somebody who listens.
struct Listener {
    exchange: Exchange,
    wanted: Wanted,
    feed: Receiver<Arc<Part>>,
    cursor: Cursor,
    /// There is more in the feed than was heard.
    is_behind: bool,
    /// When the next sign of life is due.
    heartbeat: Instant,
    _seat: Seat,
}

impl Listener {
    /// What is sent next; `None`: the stream ends.
    async fn next(mut self) -> Option<(io::Result<String>, Self)> {
        loop {
            let (next, entries) = if self.is_behind {
                let read = self.exchange.site.documents.changes_since(&self.cursor, MOST).await.ok()?;
                self.is_behind = read.has_more;
                (read.next, read.entries)
            } else {
                match tokio::time::timeout_at(self.heartbeat, self.feed.recv()).await {
                    Ok(Ok(part)) if part.from > self.cursor => {
                        self.is_behind = true;
                        continue;
                    }
                    Ok(Ok(part)) => {
                        let entries = part.entries.iter().filter(|change| change.cursor > self.cursor);
                        let entries: Vec<Change> = entries.cloned().collect();
                        let Some(last) = entries.last() else { continue };
                        (last.cursor.clone(), entries)
                    }
                    Ok(Err(RecvError::Lagged(_))) => {
                        self.is_behind = true;
                        continue;
                    }
                    Ok(Err(RecvError::Closed)) => return None,
                    Err(_) => {
                        self.exchange.session_now().await.ok()??;
                        self.heartbeat = Instant::now() + HEARTBEAT;
                        return Some((Ok(format!(":\nid: {}\n\n", self.cursor)), self));
                    }
                }
            };
            self.cursor = next;
            if let Some(text) = self.told(&entries).await? {
                return Some((Ok(text), self));
            }
        }
    }

    /// What of the entries is told; `None` once the credentials open nothing any more, or it cannot be read.
    async fn told(&self, entries: &[Change]) -> Option<Option<String>> {
        if !entries.iter().any(|change| self.wanted.concerns(&change.doctype)) {
            return Some(None);
        }
        let session = self.exchange.session_now().await.ok()??;
        let told = Box::pin(self.wanted.tell(&self.exchange.site.documents, &session, entries)).await.ok()?;
        let text: String = told.into_iter().map(event).collect();
        Some(Some(text).filter(|text| !text.is_empty()))
    }
}

/// JSON has no line breaks of its own.
fn event(told: Told) -> String {
    format!("id: {}\nevent: {}\ndata: {}\n\n", told.cursor, told.event, serde_json::Value::Object(told.body))
}
