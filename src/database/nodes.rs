//! The nodes of a site: processes that share one database of PostgreSQL. Each tells the others what it writes, inside the
//! transaction that writes it, and hears from them over a connection of its own.
//!
//! `NOTIFY` has PostgreSQL commit one transaction after the other, each with its own flush, which can halve what sixteen
//! connections write. So a commit tells others only while there are any: each node has a row in `__Node`, and a commit
//! looks there under a lock that is shared among commits and taken alone by whoever comes in. A node that came in has
//! waited for every commit that did not see it, and reads what those wrote. All of it travels with the `COMMIT`, so that
//! telling costs no further round trip.
//!
//! What a node keeps counts for [`LEASE`] after it last asked PostgreSQL over that connection and was answered: whatever was
//! acknowledged before the question has been heard before the answer. So a node that is cut off stops believing what it
//! keeps, without anybody telling it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgListener, PgNotification, PgPoolOptions};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::database::connect::{Database, Executor as _};
use crate::database::outage::SILENCE;
use crate::database::row::Param;
use crate::database::schema::sql_type::quote_escaped;
use crate::database::schema::wanted::NODE_TABLE;
use crate::database::sql::quote;
use crate::database::state;
use crate::database::written::Written;
use crate::meta::fieldtype::Shape;
use crate::secret;

/// For how long what is kept counts after it was known that everything had been heard.
const LEASE: Duration = Duration::from_secs(1);
/// How often it is asked.
const BEAT: Duration = Duration::from_millis(250);
/// How many beats pass until a node writes down that it is there.
const BEATS_A_SIGN: u32 = 40;
/// How long after its last sign a node counts as gone, if its connection has ended as well.
const GONE_AFTER: &str = "60 seconds";
/// How long after a failure it is tried again.
const AGAIN: Duration = Duration::from_millis(250);
/// How long connecting and greeting may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a text PostgreSQL takes along with a NOTIFY, in bytes; it says 8000.
const LONGEST: usize = 7900;
/// The advisory lock that commits share and that a node takes alone to come in; any number that nobody else uses.
const COMMITTING: i64 = 0x0064_6f63_636f_6d6d;
/// The first half of the advisory lock that the connection of a node holds as long as it lasts.
const LISTENING: i32 = 0x646f_636e;

/// What this process knows of being one node among others.
#[derive(Debug)]
pub(super) struct Nodes {
    /// What it is called among the nodes.
    id: String,
    /// Where they speak; `None` where no other process shares the database.
    channel: Option<String>,
    began: Instant,
    /// Until when what is kept counts, in milliseconds since the start; 0: it does not.
    heard_until: AtomicU64,
    /// What it says of itself to people.
    about: Mutex<String>,
    stop: watch::Sender<bool>,
    listening: Mutex<Option<JoinHandle<()>>>,
}

/// Another node of the site.
#[derive(Clone, Debug)]
pub(crate) struct OtherNode {
    /// What it is called among the nodes.
    pub name: String,
    /// When it gave its last sign, in UTC.
    pub seen: String,
    /// What it says of itself to people.
    pub about: String,
}

/// Who is told what other nodes write.
#[async_trait]
pub(crate) trait Ear: Send + Sync + 'static {
    /// Another node wrote this.
    async fn heard(&self, written: &Written);
    /// Nothing is heard at the moment.
    async fn deaf(&self);
    /// Nobody needs it any more.
    fn is_closed(&self) -> bool;
}

/// What nodes say to each other.
#[derive(Debug, Deserialize)]
struct Told {
    #[serde(rename = "n")]
    node: String,
    #[serde(flatten)]
    written: Written,
}

#[derive(Serialize)]
struct Telling<'a> {
    #[serde(rename = "n")]
    node: &'a str,
    #[serde(flatten)]
    written: &'a Written,
}

impl Nodes {
    /// `schema`: the one that the site lives in; `None` where no other process shares the database.
    pub(super) fn new(schema: Option<&str>) -> Arc<Self> {
        Arc::new(Self {
            id: secret::random_name(),
            channel: schema.map(|schema| format!("doctyped_{}", &secret::digest(schema)[..16])),
            began: Instant::now(),
            heard_until: AtomicU64::new(0),
            about: Mutex::default(),
            stop: watch::Sender::new(false),
            listening: Mutex::default(),
        })
    }

    /// The statements that commit a transaction and tell the other nodes what it wrote, if there are any.
    ///
    /// `AND CHAIN`, because sqlx still takes the connection to be in a transaction and will end one.
    pub(super) fn commit_and_tell(&self, written: &Written) -> Option<String> {
        let channel = self.channel.as_deref().filter(|_| !written.is_empty())?;
        let text = written.shortened(LONGEST, |written| self.text(written));
        Some(format!(
            "SELECT pg_advisory_xact_lock_shared({COMMITTING}); SELECT pg_notify('{channel}', {}) WHERE EXISTS \
             (SELECT 1 FROM {} WHERE \"node\" <> '{}'); COMMIT AND CHAIN",
            quote_escaped(&text),
            quote(NODE_TABLE),
            self.id
        ))
    }

    fn text(&self, written: &Written) -> String {
        // Texts and maps of texts are always JSON.
        serde_json::to_string(&Telling { node: &self.id, written }).unwrap_or_default()
    }

    fn heard_all_before(&self, asked: Instant) {
        let until = asked.duration_since(self.began) + LEASE;
        self.heard_until.store(u64::try_from(until.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// Until the database is closed.
    pub(super) fn closing(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stop = self.stop.subscribe();
        async move { drop(stop.wait_for(|stop| *stop).await) }
    }

    fn hears(&self) -> bool {
        self.channel.is_none() || self.began.elapsed().as_millis() < u128::from(self.heard_until.load(Ordering::SeqCst))
    }
}

impl Database {
    /// Whether what is kept in memory counts: nobody else writes, or everything that others write is heard of.
    pub(crate) fn hears_others(&self) -> bool {
        self.nodes.hears()
    }

    /// Listens to other nodes until the database is closed; on SQLite there are none.
    pub(crate) fn listen(&self, ear: impl Ear) {
        if self.nodes.channel.is_none() {
            return;
        }
        let (database, mut stop) = (self.clone(), self.nodes.stop.subscribe());
        let task = tokio::spawn(async move {
            tokio::select! {
                () = listen(&database, &ear) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
            database.nodes.heard_until.store(0, Ordering::SeqCst);
        });
        *self.nodes.listening.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    /// Whether other processes serve this site at the moment, as far as one can tell.
    pub(crate) async fn has_other_nodes(&self) -> Result<bool, sea_orm::DbErr> {
        if self.nodes.channel.is_none() || !state::has_rows(self, NODE_TABLE).await? {
            return Ok(false);
        }
        // The lock of a node is free once its connection has ended.
        let sql = format!(
            "SELECT CAST(count(*) AS bigint) FROM {} WHERE \"node\" <> $1 AND NOT \
             pg_try_advisory_xact_lock({LISTENING}, hashtext(\"node\"))",
            quote(NODE_TABLE)
        );
        let rows = self.fetch(&sql, vec![Param::text(&self.nodes.id)], &[Shape::Int]).await?;
        Ok(rows.first().is_some_and(|row| row[0].is_truthy()))
    }

    /// Has the node say this of itself to people, from its next sign on.
    pub(crate) fn set_about(&self, about: String) {
        *self.nodes.about.lock().unwrap_or_else(PoisonError::into_inner) = about;
    }

    /// What the node says of itself.
    pub(crate) fn about(&self) -> String {
        self.nodes.about.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The other nodes of the site that gave a sign lately.
    pub(crate) async fn other_nodes(&self) -> Result<Vec<OtherNode>, sea_orm::DbErr> {
        self.nodes_that("").await
    }

    /// The same, with those whose connection is still there.
    pub(super) async fn nodes_that_may_serve(&self) -> Result<Vec<OtherNode>, sea_orm::DbErr> {
        self.nodes_that(&format!("OR NOT pg_try_advisory_xact_lock({LISTENING}, hashtext(\"node\"))")).await
    }

    /// Gives a sign with what the node says of itself.
    pub(super) async fn sign(&self) -> Result<(), sea_orm::DbErr> {
        let sql = format!("UPDATE {} SET \"about\" = $2 WHERE \"node\" = $1", quote(NODE_TABLE));
        self.execute(&sql, vec![Param::text(&self.nodes.id), Param::text(self.about())]).await.map(drop)
    }

    async fn nodes_that(&self, or: &str) -> Result<Vec<OtherNode>, sea_orm::DbErr> {
        if self.nodes.channel.is_none() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT \"node\", to_char(\"seen\", 'YYYY-MM-DD HH24:MI:SS.US'), \"about\" FROM {} WHERE \"node\" <> $1 \
             AND (\"seen\" > now() AT TIME ZONE 'UTC' - interval '{GONE_AFTER}' {or}) ORDER BY \"node\"",
            quote(NODE_TABLE)
        );
        let rows = self.fetch(&sql, vec![Param::text(&self.nodes.id)], &[Shape::Text; 3]).await?;
        let text = |row: &[crate::meta::Value], at: usize| row[at].text().to_owned();
        let node = |row: &Vec<_>| OtherNode { name: text(row, 0), seen: text(row, 1), about: text(row, 2) };
        Ok(rows.iter().map(node).collect())
    }

    /// Whether other processes may serve this site.
    pub(crate) fn is_shared(&self) -> bool {
        self.nodes.channel.is_some()
    }

    /// Until the database is closed.
    pub(crate) async fn closing(&self) {
        self.nodes.closing().await;
    }

    /// Ends listening, and lets the others know that one node less is to be told.
    pub(super) async fn stop_listening(&self) {
        self.nodes.stop.send_replace(true);
        let task = self.nodes.listening.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(task) = task else { return };
        drop(task.await);
        let leave = format!("DELETE FROM {} WHERE \"node\" = $1", quote(NODE_TABLE));
        if let Err(error) = self.execute(&leave, vec![Param::text(&self.nodes.id)]).await {
            tracing::debug!(%error, "the other nodes will find out by themselves that this one has stopped");
        }
    }
}

/// Listens, over one connection after the other.
async fn listen(database: &Database, ear: &dyn Ear) {
    let is_told = AtomicBool::new(false);
    while !ear.is_closed() {
        let ended = listen_once(database, ear, &is_told).await;
        database.nodes.heard_until.store(0, Ordering::SeqCst);
        if ended.is_err() {
            database.outage.ask();
        }
        match ended {
            Ok(()) => return,
            Err(error) if !is_told.swap(true, Ordering::Relaxed) => tracing::warn!(
                cause = format!("{error:#}"),
                "what other nodes write is not heard: nothing counts that is kept in memory, until it is"
            ),
            Err(_) => {}
        }
        ear.deaf().await;
        tokio::time::sleep(AGAIN).await;
    }
}

/// Listens over one connection until it ends, or nobody needs it any more.
async fn listen_once(database: &Database, ear: &dyn Ear, is_told: &AtomicBool) -> anyhow::Result<()> {
    let nodes = &database.nodes;
    let mut listener = timeout(PATIENCE, connect(database)).await.context("connecting took too long")??;
    timeout(PATIENCE, come_in(database)).await.context("coming in took too long")?.context("come in")?;
    // The greeting went through another connection: that it arrives shows that this one hears, which it would not behind a
    // pooler that hands out connections by transaction.
    let greeted = async {
        loop {
            match listener.try_recv().await? {
                Some(told) if read(&told).is_some_and(|told| told.node == nodes.id) => return anyhow::Ok(()),
                // Everything is dropped below.
                Some(_) => {}
                None => anyhow::bail!("the connection ended"),
            }
        }
    };
    let unheard = "nothing is heard: LISTEN needs a connection of its own, not one through a pooler by transaction";
    timeout(PATIENCE, greeted).await.context(unheard)??;
    ear.heard(&Written::everything()).await;
    let mut beat = 0_u32;
    loop {
        let asked = Instant::now();
        let sign = beat.is_multiple_of(BEATS_A_SIGN);
        let Ok(answered) = timeout(SILENCE, ask(database, &mut listener, sign)).await else {
            database.outage.note_silence();
            anyhow::bail!("no answer");
        };
        answered?;
        database.outage.note_answer();
        while let Some(told) = listener.next_buffered() {
            hear(nodes, ear, &told).await;
        }
        nodes.heard_all_before(asked);
        if is_told.swap(false, Ordering::Relaxed) {
            tracing::info!("what other nodes write is heard again");
        }
        if ear.is_closed() {
            return Ok(());
        }
        beat = beat.wrapping_add(1);
        let next = tokio::time::Instant::from_std(asked + BEAT);
        while let Ok(told) = tokio::time::timeout_at(next, listener.try_recv()).await {
            match told? {
                Some(told) => hear(nodes, ear, &told).await,
                None => anyhow::bail!("the connection ended"),
            }
        }
    }
}

/// A connection that listens, and says so by a lock that ends with it.
async fn connect(database: &Database) -> anyhow::Result<PgListener> {
    let channel = database.nodes.channel.as_deref().context("there are no other nodes")?;
    let server = database.outage.server().context("no PostgreSQL server is configured")?;
    let pool = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
    let mut listener = PgListener::connect_with(&pool.connect_lazy_with(server)).await?;
    // What comes after a lost connection is for `listen_once` to decide.
    listener.eager_reconnect(false);
    listener.listen(channel).await?;
    let hold = "SELECT pg_advisory_lock_shared($1, hashtext($2))";
    sqlx::query(hold).bind(LISTENING).bind(&database.nodes.id).execute(&mut listener).await?;
    Ok(listener)
}

/// Has every commit that ends from here on tell this node.
async fn come_in(database: &Database) -> Result<(), sea_orm::DbErr> {
    let nodes = &database.nodes;
    let (Some(channel), greeting) = (nodes.channel.as_deref(), nodes.text(&Written::default())) else { return Ok(()) };
    let transaction = database.begin().await?;
    let lock = format!("SELECT CAST(pg_advisory_xact_lock({COMMITTING}) AS text)");
    transaction.fetch(&lock, Vec::new(), &[Shape::Text]).await?;
    let sign = format!(
        "INSERT INTO {} (\"node\", \"seen\", \"about\") VALUES ($1, now() AT TIME ZONE 'UTC', $2) \
         ON CONFLICT (\"node\") DO UPDATE SET \"seen\" = excluded.\"seen\", \"about\" = excluded.\"about\"",
        quote(NODE_TABLE)
    );
    transaction.execute(&sign, vec![Param::text(&nodes.id), Param::text(database.about())]).await?;
    let greet = "SELECT CAST(pg_notify($1, $2) AS text)";
    transaction.fetch(greet, vec![Param::text(channel), Param::text(&greeting)], &[Shape::Text]).await?;
    transaction.commit().await
}

/// Asks whether this node is still told. Now and then with a `sign`, which also ends what nodes without a connection left.
async fn ask(database: &Database, listener: &mut PgListener, sign: bool) -> anyhow::Result<()> {
    let (table, id) = (quote(NODE_TABLE), &database.nodes.id);
    let found = if sign {
        let gone = format!(
            "DELETE FROM {table} WHERE \"node\" <> $2 AND \"seen\" < now() AT TIME ZONE 'UTC' - interval '{GONE_AFTER}' \
             AND pg_try_advisory_xact_lock($1, hashtext(\"node\"))"
        );
        sqlx::query(sqlx::AssertSqlSafe(gone)).bind(LISTENING).bind(id).execute(&mut *listener).await?;
        let sign =
            format!("UPDATE {table} SET \"seen\" = now() AT TIME ZONE 'UTC', \"about\" = $2 WHERE \"node\" = $1");
        sqlx::query(sqlx::AssertSqlSafe(sign))
            .bind(id)
            .bind(database.about())
            .execute(&mut *listener)
            .await?
            .rows_affected()
    } else {
        let sql = format!("SELECT 1 FROM {table} WHERE \"node\" = $1");
        sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).execute(&mut *listener).await?.rows_affected()
    };
    anyhow::ensure!(found == 1, "the other nodes have taken this one to be gone");
    Ok(())
}

async fn hear(nodes: &Nodes, ear: &dyn Ear, told: &PgNotification) {
    match read(told) {
        // It was dropped here when it was committed here.
        Some(told) if told.node == nodes.id => {}
        Some(told) => ear.heard(&told.written).await,
        // A later version may say more than this one knows.
        None => ear.heard(&Written::everything()).await,
    }
}

fn read(told: &PgNotification) -> Option<Told> {
    serde_json::from_str(told.payload()).ok()
}
