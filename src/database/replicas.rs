//! Read replicas: copies of the database at which lists and counts may be read, as long as nobody can tell.
//!
//! A replica is behind by what it has not replayed yet. Each commit that this node makes, or hears of, notes for each DocType
//! that it wrote the moment at which it was known here. Beside that, the position of the primary's log is read every
//! [`BEAT`]: whatever was committed before that question lies before its answer. So once a replica has replayed that
//! position, it has everything that was known here when it was asked; and a list is read there if that moment is later than
//! the last note of every DocType that it speaks of, and not long ago. No write waits for anything, and none costs a round
//! trip.
//!
//! After a failover a replica may have replayed what the new primary never had. So positions count only beyond what a
//! replica had received when it was first asked, or when the primary's timeline changed: it gets there by following this
//! primary alone.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_trait::async_trait;
use futures_util::stream::BoxStream;
use sea_orm::{ConnectionTrait as _, DbErr};
use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::database::connect::{Backend, Database, Executor, decode, statement};
use crate::database::fault::{Fault, fault};
use crate::database::outage::Outage;
use crate::database::pools::{POSTGRES_CONNECTIONS, Pool, Use};
use crate::database::query::is_bad_pattern;
use crate::database::row::{self, Param};
use crate::database::servers::servers;
use crate::meta::Value;
use crate::meta::fieldtype::Shape;
use crate::metrics::Counter;

/// How often the primary and each replica are asked how far they are.
const BEAT: Duration = Duration::from_millis(100);
/// How long they may take to answer, and to let one in.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long ago the moment may be of which a replica has everything: a node that does not hear of a change yet reads no older
/// state there.
const FRESH: Duration = Duration::from_secs(1);
/// How many positions of the primary are remembered.
const POSITIONS: usize = 100;

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

/// Statements that only read, at a replica; where that fails at the primary.
#[derive(Clone, Debug)]
pub(crate) struct ReplicaReading {
    database: Database,
    replica: Arc<Replica>,
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
        let mut tasks = vec![tokio::spawn(follow_primary(Arc::downgrade(&replicas), Arc::clone(&self.outage)))];
        for replica in &replicas.all {
            tasks.push(tokio::spawn(follow(Arc::downgrade(&replicas), Arc::clone(replica))));
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

impl ReplicaReading {
    async fn query(&self, sql: &str, params: Vec<Param>, shapes: &[Shape]) -> Result<Vec<Vec<Value>>, DbErr> {
        let replica = &self.replica;
        let asked = async { replica.pool.current().query_all_raw(statement(Backend::Postgres, sql, params)).await };
        let rows = replica.outage.guard(asked).await?;
        decode(&rows, |row| row::decode(row, shapes))
    }

    /// Whether the primary would say the same: the statement is at fault, or takes too long.
    fn is_final(error: &DbErr) -> bool {
        is_bad_pattern(error) || fault(error) == Some(Fault::Busy)
    }

    fn note(&self, error: &DbErr) {
        tracing::debug!(replica = self.replica.name, %error, "read at the primary after all");
        if fault(error) == Some(Fault::Gone) {
            self.replica.put_aside("it does not answer");
        }
    }

    /// The rows of a long list as they are taken.
    pub(crate) async fn stream(
        &self,
        sql: &str,
        params: Vec<Param>,
        shapes: Vec<Shape>,
    ) -> Result<BoxStream<'_, Result<Vec<Value>, DbErr>>, DbErr> {
        let replica = &*self.replica;
        let from = (&replica.outage, &replica.long_reads, || replica.pool.current());
        match self.database.stream_from(from, sql, params.clone(), shapes.clone()).await {
            Err(error) if !Self::is_final(&error) => {
                self.note(&error);
                self.database.stream(sql, params, shapes).await
            }
            other => {
                replica.reads.count();
                other
            }
        }
    }
}

#[async_trait]
impl Executor for ReplicaReading {
    fn backend(&self) -> Backend {
        Backend::Postgres
    }

    async fn execute(&self, _sql: &str, _params: Vec<Param>) -> Result<u64, DbErr> {
        Err(DbErr::Custom("a replica is only read".to_owned()))
    }

    async fn fetch(&self, sql: &str, params: Vec<Param>, shapes: &[Shape]) -> Result<Vec<Vec<Value>>, DbErr> {
        let began = Instant::now();
        match self.query(sql, params.clone(), shapes).await {
            Err(error) if !Self::is_final(&error) => {
                self.note(&error);
                self.database.fetch(sql, params, shapes).await
            }
            done => {
                self.replica.reads.count();
                let time = began.elapsed();
                self.database.metrics().statements.count(time);
                if let Ok(rows) = &done {
                    self.database.note_time(sql, time, rows.len() as u64);
                }
                done
            }
        }
    }

    async fn execute_script(&self, sql: &str) -> Result<(), DbErr> {
        self.execute(sql, Vec::new()).await.map(|_| ())
    }
}

/// What tells a database from all others: the same at its replicas.
const IDENTITY: &str = "SELECT CAST(system_identifier AS text) || ' ' || (SELECT CAST(oid AS text) FROM pg_database WHERE \
                        datname = current_database()) FROM pg_control_system()";
/// How far the primary is, and on which timeline.
const PRIMARY: &str = "SELECT CAST(pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS bigint), \
                       left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)";
/// Whether a replica is one, what it has replayed and what it has received.
const REPLICA: &str = "SELECT pg_is_in_recovery(), CAST(pg_wal_lsn_diff(coalesce(pg_last_wal_replay_lsn(), '0/0'), '0/0') \
                       AS bigint), CAST(pg_wal_lsn_diff(greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn(), \
                       '0/0'), '0/0') AS bigint)";

/// Notes how far the primary is, over one connection after the other.
async fn follow_primary(replicas: Weak<Replicas>, outage: Arc<Outage>) {
    let mut kept = None;
    loop {
        let Some(replicas) = replicas.upgrade() else { return };
        let Some(server) = outage.server() else { return };
        let asked = Instant::now();
        let asking = async {
            let (connection, identity) = connected(&mut kept, &server).await?;
            let (at, timeline): (i64, String) = sqlx::query_as(PRIMARY).fetch_one(connection).await?;
            anyhow::Ok((identity.clone(), at, timeline))
        };
        match timeout(PATIENCE, asking).await.map_err(Into::into).flatten() {
            Ok((identity, at, timeline)) => {
                let mut primary = replicas.primary();
                if primary.timeline != timeline || primary.identity != identity {
                    primary.positions.clear();
                    (primary.timeline, primary.identity) = (timeline, identity);
                }
                primary.positions.push_back(Position { asked, at });
                if primary.positions.len() > POSITIONS {
                    primary.positions.pop_front();
                }
            }
            Err(error) => {
                kept = None;
                tracing::debug!(%error, "how far the primary is is not known");
            }
        }
        drop(replicas);
        sleep(BEAT.saturating_sub(asked.elapsed()).max(BEAT / 4)).await;
    }
}

/// Notes how far a replica is, over one connection after the other.
async fn follow(replicas: Weak<Replicas>, replica: Arc<Replica>) {
    let (mut kept, mut floor) = (None, None);
    loop {
        let Some(replicas) = replicas.upgrade() else { return };
        let asked = Instant::now();
        if let Err(error) = look(&replicas, &replica, &mut kept, &mut floor).await {
            (kept, floor) = (None, None);
            replica.put_aside(&format!("{error:#}"));
        }
        drop(replicas);
        sleep(BEAT.saturating_sub(asked.elapsed()).max(BEAT / 4)).await;
    }
}

/// Looks how far a replica is. `floor`: what it had received when it was first asked on a timeline.
async fn look(
    replicas: &Replicas,
    replica: &Replica,
    kept: &mut Option<(PgConnection, String)>,
    floor: &mut Option<(String, i64)>,
) -> anyhow::Result<()> {
    let asking = async {
        let (connection, identity) = connected(kept, &replica.server).await?;
        let found: (bool, i64, i64) = sqlx::query_as(REPLICA).fetch_one(connection).await?;
        anyhow::Ok((identity.clone(), found))
    };
    let found = timeout(PATIENCE, asking).await.context("it does not answer")?;
    let (identity, (is_replica, replayed, received)) = found.context("it cannot be asked")?;
    anyhow::ensure!(is_replica, "it is no replica but takes writes itself");
    let primary = replicas.primary();
    anyhow::ensure!(!primary.identity.is_empty(), "the primary is not known yet");
    anyhow::ensure!(identity == primary.identity, "it is a replica of another database");
    if floor.as_ref().is_none_or(|(timeline, _)| *timeline != primary.timeline) {
        *floor = Some((primary.timeline.clone(), received));
    }
    let beyond = floor.as_ref().map_or(i64::MAX, |(_, floor)| *floor);
    let reached = primary.positions.iter().rev().find(|position| position.at > beyond && position.at <= replayed);
    let reached = reached.map(|position| position.asked);
    drop(primary);
    if let Some(moment) = reached {
        replica.cover(moment);
    } else {
        replica.state().why_not = Some("it is not known to have caught up".to_owned());
    }
    Ok(())
}

/// The connection that is kept, with what tells its database from others; made where there is none.
async fn connected<'k>(
    kept: &'k mut Option<(PgConnection, String)>,
    server: &PgConnectOptions,
) -> anyhow::Result<(&'k mut PgConnection, &'k String)> {
    if kept.is_none() {
        let mut connection = PgConnection::connect_with(server).await?;
        let identity = sqlx::query_scalar(IDENTITY).fetch_one(&mut connection).await?;
        *kept = Some((connection, identity));
    }
    let (connection, identity) = kept.as_mut().context("there is no connection")?;
    Ok((connection, identity))
}
