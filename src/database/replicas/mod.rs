//! Read replicas: copies of the database at which lists and counts may be read, as long as nobody can tell.
//!
//! A replica is behind by what it has not replayed yet. Each commit that this node makes, or hears of, notes for each DocType
//! that it wrote the moment at which it was known here. Beside that, the position of the primary's log is read every
//! tenth of a second: whatever was committed before that question lies before its answer. So once a replica has replayed that
//! position, it has everything that was known here when it was asked; and a list is read there if that moment is later than
//! the last note of every DocType that it speaks of, and not long ago. No write waits for anything, and none costs a round
//! trip.
//!
//! After a failover a replica may have replayed what the new primary never had. So positions count only beyond what a
//! replica had received when it was first asked, or when the primary's timeline changed: it gets there by following this
//! primary alone.

mod follow;
mod reading;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::Semaphore;

pub(crate) use reading::ReplicaReading;

use crate::database::connect::Database;
use crate::database::outage::Outage;
use crate::database::pools::{POSTGRES_CONNECTIONS, Pool, Use};
use crate::database::servers::servers;
use crate::metrics::Counter;

/// How long ago the moment may be of which a replica has everything: a node that does not hear of a change yet reads no older
/// state there.
const FRESH: Duration = Duration::from_secs(1);

/// Where a primary is: the moment of the question, and the answer.
#[derive(Clone, Copy, Debug)]
struct Position {
    asked: Instant,
    at: i64,
}

/// What is known of the primary.
#[derive(Debug, Default)]
struct Primary {
    /// What tells this database from all others, and the timeline of its log.
    identity: String,
    timeline: String,
    positions: VecDeque<Position>,
}

/// When what was last written, as far as this node knows.
#[derive(Debug)]
struct Written {
    everything: Instant,
    doctypes: HashMap<String, Instant>,
}

/// The replicas of a site.
#[derive(Debug)]
pub(super) struct Replicas {
    all: Vec<Arc<Replica>>,
    next: AtomicUsize,
    primary: Mutex<Primary>,
    written: Mutex<Written>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Replica {
    /// Host and port.
    pub name: String,
    server: PgConnectOptions,
    outage: Arc<Outage>,
    pool: Pool,
    long_reads: Arc<Semaphore>,
    state: Mutex<State>,
    reads: Counter,
}

/// What is known of a replica.
#[derive(Debug)]
struct State {
    /// The moment up to which it has everything.
    covered: Option<Instant>,
    /// Why it is not used.
    why_not: Option<String>,
}

/// How a replica does, for people.
#[derive(Clone, Debug)]
pub(crate) struct ReplicaState {
    /// Host and port.
    pub name: String,
    /// How many statements it answered to this node.
    pub reads: u64,
    /// How far it is behind at most; `None`: not known.
    pub behind: Option<Duration>,
    /// Why it is not used; `None`: it is.
    pub why_not: Option<String>,
}

impl Database {
    /// Reads lists at replicas as well, from when they are known to be good. Once.
    pub(crate) fn use_replicas(&self, urls: &[String]) -> anyhow::Result<()> {
        if urls.is_empty() {
            return Ok(());
        }
        let all = urls.iter().map(|url| Replica::new(url)).collect::<anyhow::Result<Vec<_>>>()?;
        let replicas = Arc::new(Replicas {
            all,
            next: AtomicUsize::new(0),
            primary: Mutex::default(),
            written: Mutex::new(Written { everything: Instant::now(), doctypes: HashMap::new() }),
        });
        if self.replicas.set(Arc::clone(&replicas)).is_err() {
            return Ok(());
        }
        let mut tasks = vec![tokio::spawn(follow::primary(Arc::downgrade(&replicas), Arc::clone(&self.outage)))];
        for replica in &replicas.all {
            tasks.push(tokio::spawn(follow::replica(Arc::downgrade(&replicas), Arc::clone(replica))));
        }
        let closing = self.nodes.closing();
        tokio::spawn(async move {
            closing.await;
            tasks.iter().for_each(tokio::task::JoinHandle::abort);
            for replica in &replicas.all {
                replica.put_aside("the site is stopping");
                drop(replica.pool.current().close().await);
            }
        });
        Ok(())
    }

    /// A replica that has everything which this node knows to be written to these DocTypes; `None`: read at the primary.
    pub(crate) fn replica_for<'n>(&self, doctypes: impl Iterator<Item = &'n str>) -> Option<ReplicaReading> {
        let replicas = self.replicas.get()?;
        if !self.hears_others() {
            return None;
        }
        let needed = replicas.written().last(doctypes);
        let first = replicas.next.fetch_add(1, Ordering::Relaxed);
        let mut turns = (0..replicas.all.len()).map(|turn| &replicas.all[(first + turn) % replicas.all.len()]);
        let replica = turns.find(|replica| replica.has_everything(needed))?;
        Some(ReplicaReading { database: self.clone(), replica: Arc::clone(replica) })
    }

    /// Whether it matters what is written.
    pub(crate) fn has_replicas(&self) -> bool {
        self.replicas.get().is_some()
    }

    /// Notes that documents of these DocTypes were written, here or at another node, before now.
    pub(crate) fn note_written<'n>(&self, doctypes: impl Iterator<Item = &'n str>) {
        if let Some(replicas) = self.replicas.get() {
            let mut written = replicas.written();
            let now = Instant::now();
            for doctype in doctypes {
                match written.doctypes.get_mut(doctype) {
                    Some(last) => *last = now,
                    None => drop(written.doctypes.insert(doctype.to_owned(), now)),
                }
            }
        }
    }

    /// The same of all of them, and of their tables.
    pub(crate) fn note_everything_written(&self) {
        if let Some(replicas) = self.replicas.get() {
            replicas.written().everything = Instant::now();
        }
    }

    /// How the replicas do.
    pub(crate) fn replica_states(&self) -> Vec<ReplicaState> {
        self.replicas
            .get()
            .map(|replicas| replicas.all.iter().map(|replica| replica.now()).collect())
            .unwrap_or_default()
    }
}

impl Written {
    fn last<'n>(&self, doctypes: impl Iterator<Item = &'n str>) -> Instant {
        let each = doctypes.filter_map(|doctype| self.doctypes.get(doctype)).copied();
        each.fold(self.everything, Instant::max)
    }
}

impl Replicas {
    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn primary(&self) -> MutexGuard<'_, Primary> {
        self.primary.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Replica {
    fn new(url: &str) -> anyhow::Result<Arc<Self>> {
        let servers = servers(url).context("DOCTYPED_DATABASE_REPLICAS")?;
        let [server] = servers.as_slice() else {
            anyhow::bail!("DOCTYPED_DATABASE_REPLICAS: a URL names one server; separate URLs by spaces");
        };
        let (name, server) = (format!("{}:{}", server.get_host(), server.get_port()), server.clone());
        let outage = Outage::new(servers);
        Ok(Arc::new(Self {
            name,
            server,
            pool: Pool::new(Use::Reading, &outage)?,
            outage,
            long_reads: Arc::new(Semaphore::new(POSTGRES_CONNECTIONS as usize / 2)),
            state: Mutex::new(State { covered: None, why_not: Some("it was not asked yet".to_owned()) }),
            reads: Counter::default(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_everything(&self, needed: Instant) -> bool {
        self.state().covered.is_some_and(|covered| covered > needed && covered.elapsed() < FRESH)
    }

    /// It is not used until it is known to be good again.
    fn put_aside(&self, why: &str) {
        let mut state = self.state();
        if state.covered.take().is_some() {
            tracing::warn!(replica = self.name, why, "lists are not read at this replica");
        }
        state.why_not = Some(why.to_owned());
    }

    fn cover(&self, moment: Instant) {
        let mut state = self.state();
        let was_used = state.covered.is_some();
        state.covered = state.covered.max(Some(moment));
        let is_fresh = moment.elapsed() < FRESH;
        state.why_not = (!is_fresh).then(|| "it is more than a second behind".to_owned());
        drop(state);
        if !was_used && is_fresh {
            tracing::info!(replica = self.name, "lists are read at this replica");
        }
    }

    fn now(&self) -> ReplicaState {
        let state = self.state();
        let behind = state.covered.map(|covered| covered.elapsed());
        let late =
            || behind.is_some_and(|behind| behind >= FRESH).then(|| "it is more than a second behind".to_owned());
        ReplicaState {
            name: self.name.clone(),
            reads: self.reads.now(),
            behind,
            why_not: state.why_not.clone().or_else(late),
        }
    }
}
