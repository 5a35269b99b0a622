//! Whether PostgreSQL can be reached, and where: while it cannot, requests learn so at once; connections to what is gone are
//! given up, whether their server ended them or fell silent.
//!
//! A server that vanishes without a word (its machine dies, a cable is cut) leaves connections on which TCP waits for a
//! quarter of an hour. So nobody waits on a connection alone: what takes long has the server asked over a new connection,
//! and the connection over which a node hears the others, which is asked several times a second, tells when those that are
//! there are dead although new ones can be made, as after a failover. What was under way then ends as if the server had
//! ended the connection; of a commit nobody knows in that case how far it got.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sea_orm::{DbErr, RuntimeErr};
use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until, timeout};

use crate::database::fault::{Fault, fault, fault_of};

/// A statement or a wait for a connection that takes longer makes one ask whether the server is there at all.
const PATIENCE: Duration = Duration::from_millis(300);
/// How long the server may take to let one in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How often it is asked while it does not answer, and at most otherwise.
const EVERY: Duration = Duration::from_millis(500);
/// How long a connection that is there may answer nothing to a question that takes no time.
pub(super) const SILENCE: Duration = Duration::from_secs(3);
/// How long a statement may take, with the wait for a connection: longer than the server itself lets it.
pub(super) const DEADLINE: Duration = Duration::from_secs(75);

/// What is known of servers that may be gone.
#[derive(Debug)]
pub(super) struct Outage {
    /// One, or several of which one takes writes; none where the database is part of the process.
    servers: Vec<PgConnectOptions>,
    /// Which of them is used.
    at: watch::Sender<usize>,
    is_down: watch::Sender<bool>,
    /// When connections were last found to be dead without a word.
    silent: watch::Sender<Option<Instant>>,
    /// How often all connections there were had to be given up.
    generation: AtomicU64,
    is_asking: AtomicBool,
    began: Instant,
    /// When a connection was last found to be dead, in milliseconds since the start and one; 0: never.
    last: AtomicU64,
    /// The same of the last time that all were given up because one could not write.
    last_read_only: AtomicU64,
    /// The same of the last answer to anything.
    last_answer: AtomicU64,
}

/// What came of looking for a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// It lets one in, to write as far as that was asked.
    There,
    /// It refuses this user, or is full: it is there too.
    Refuses,
    /// It takes no writes.
    ReadOnly,
    /// It refuses connections, or cannot be found.
    Gone,
    /// Nothing comes back.
    Silent,
}

impl Outage {
    /// Of servers one of which is there; without any, of a database that is part of the process.
    pub(super) fn new(servers: Vec<PgConnectOptions>) -> Arc<Self> {
        Arc::new(Self {
            servers,
            at: watch::Sender::new(0),
            is_down: watch::Sender::new(false),
            silent: watch::Sender::new(None),
            generation: AtomicU64::new(0),
            is_asking: AtomicBool::new(false),
            began: Instant::now(),
            last: AtomicU64::new(0),
            last_read_only: AtomicU64::new(0),
            last_answer: AtomicU64::new(0),
        })
    }

    /// How to connect to the server that is used; `None` where the database is part of the process.
    pub(super) fn server(&self) -> Option<PgConnectOptions> {
        self.servers.get(*self.at.borrow()).cloned()
    }

    /// Looks which of several servers takes writes, at the start.
    pub(super) async fn find_first(&self) -> anyhow::Result<()> {
        if self.servers.len() > 1 {
            let found = self.find().await;
            anyhow::ensure!(found == Answer::There, "none of the servers of DOCTYPED_DATABASE_URL takes writes");
        }
        Ok(())
    }

    /// Changes whenever connections from before are to be given up.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Whether the server is known to be gone.
    pub(super) fn is_down(&self) -> bool {
        *self.is_down.borrow()
    }

    /// How long ago a connection was last found to be dead.
    pub(super) fn since_last(&self) -> Duration {
        self.since(&self.last)
    }

    fn since(&self, noted: &AtomicU64) -> Duration {
        match noted.load(Ordering::Relaxed) {
            0 => Duration::MAX,
            last => self.began.elapsed().saturating_sub(Duration::from_millis(last - 1)),
        }
    }

    fn set_now(&self, noted: &AtomicU64) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        noted.store(now + 1, Ordering::Relaxed);
    }

    /// Waits for something that the server does, which takes a connection for itself; gives up as soon as the server is known
    /// to be gone, or another one is used.
    pub(super) async fn guard<T>(self: &Arc<Self>, work: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
        if self.servers.is_empty() {
            return work.await;
        }
        let (mut down, mut at) = (self.is_down.subscribe(), self.at.subscribe());
        if *down.borrow() {
            return Err(gone());
        }
        // The senders live as long as this.
        let elsewhere = async {
            tokio::select! {
                _ = down.wait_for(|down| *down) => {}
                _ = at.changed() => {}
            }
        };
        tokio::select! {
            biased;
            done = self.guard_since(Instant::now(), Some(DEADLINE), work) => done,
            () = elsewhere => Err(gone()),
        }
    }

    /// The same on a connection that was taken at a moment: while it may answer it is waited for, even if others cannot be
    /// made. `deadline`: how long that may take at most; `None`: as long as the server likes.
    pub(super) async fn guard_since<T>(
        self: &Arc<Self>,
        taken: Instant,
        deadline: Option<Duration>,
        work: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        if self.servers.is_empty() {
            return work.await;
        }
        if self.silent.borrow().is_some_and(|at| at >= taken) {
            return Err(gone());
        }
        tokio::select! {
            biased;
            done = work => {
                match &done {
                    Err(error) if fault(error) == Some(Fault::Gone) => self.note(),
                    _ => self.note_answer(),
                }
                done
            }
            () = self.found_dead(taken, deadline) => Err(gone()),
        }
    }

    /// Ends when the connection that was taken at a moment is known to be dead.
    async fn found_dead(self: &Arc<Self>, taken: Instant, deadline: Option<Duration>) {
        let began = Instant::now();
        let mut silent = self.silent.subscribe();
        let asking = async {
            sleep(PATIENCE).await;
            self.ask();
            std::future::pending::<()>().await;
        };
        let silence = async {
            drop(silent.wait_for(|at| at.is_some_and(|at| at >= taken)).await);
            // Whoever has just begun may be on a connection that was made since.
            sleep_until((began + SILENCE).into()).await;
        };
        let too_long = async {
            match deadline {
                Some(deadline) => sleep(deadline).await,
                None => std::future::pending().await,
            }
            tracing::warn!("PostgreSQL has answered nothing for longer than it lets a statement take");
            self.renew();
        };
        tokio::select! {
            () = asking => {}
            () = silence => {}
            () = too_long => {}
        }
    }

    /// A connection was found to be dead: those from before are tested before they are used, and the server is asked.
    pub(super) fn note(self: &Arc<Self>) {
        self.set_now(&self.last);
        self.ask();
    }

    /// The server has answered something: it is there, whatever becomes of new connections.
    pub(super) fn note_answer(&self) {
        self.set_now(&self.last_answer);
    }

    /// A connection that is there answers nothing: all of them are given up, with what is under way on them.
    pub(super) fn note_silence(self: &Arc<Self>) {
        tracing::warn!("PostgreSQL has fallen silent: the connections to it are given up");
        self.silence();
        self.note();
    }

    fn silence(&self) {
        self.renew();
        self.silent.send_replace(Some(Instant::now()));
    }

    /// Has everybody take a connection that is made from now on. What is under way goes on.
    pub(super) fn renew(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// A connection takes no writes: others may lead to a server that does, if not at this address, then at another one.
    pub(super) fn note_read_only(self: &Arc<Self>) {
        if self.since(&self.last_read_only) > EVERY {
            self.set_now(&self.last_read_only);
            self.renew();
            if self.servers.len() > 1 {
                self.ask();
            }
        }
    }

    /// Asks the server whether it is there, until it is; one at a time.
    pub(super) fn ask(self: &Arc<Self>) {
        if self.servers.is_empty() || self.is_asking.swap(true, Ordering::AcqRel) {
            return;
        }
        let outage = Arc::clone(self);
        tokio::spawn(async move {
            let mut was_silent = false;
            loop {
                let asked = Instant::now();
                let found = outage.find().await;
                // It may have too much to do to let anybody in, and go on with what it has.
                let answers = found == Answer::Silent && outage.since(&outage.last_answer) < asked.elapsed();
                if found == Answer::There || answers {
                    break;
                }
                if !outage.is_down.send_replace(true) {
                    tracing::error!("PostgreSQL cannot be reached: requests are answered with 503 until it can");
                }
                if found == Answer::Silent && !was_silent {
                    was_silent = true;
                    outage.silence();
                }
                sleep(EVERY).await;
            }
            if outage.is_down() {
                outage.set_now(&outage.last);
                if was_silent {
                    outage.renew();
                }
                outage.is_down.send_replace(false);
                tracing::warn!("PostgreSQL can be reached again");
            } else {
                // Slow statements are no reason to ask all the time.
                sleep(EVERY).await;
            }
            outage.is_asking.store(false, Ordering::Release);
        });
    }

    /// Asks the server that is used, and then the others for one that takes writes.
    async fn find(&self) -> Answer {
        let (used, several) = (*self.at.borrow(), self.servers.len() > 1);
        let here = answer(&self.servers[used], several).await;
        if matches!(here, Answer::There | Answer::Refuses) {
            return Answer::There;
        }
        let others = (0..self.servers.len()).filter(|at| *at != used);
        let answers = join_all(others.map(async |at| (at, answer(&self.servers[at], true).await))).await;
        let Some((at, _)) = answers.into_iter().find(|(_, answer)| *answer == Answer::There) else { return here };
        // Silently: those who wait are woken when the pools lead there.
        self.at.send_if_modified(|used| {
            *used = at;
            false
        });
        match here {
            Answer::Silent => self.silence(),
            _ => self.renew(),
        }
        self.at.send_replace(at);
        let server = &self.servers[at];
        tracing::warn!(host = server.get_host(), port = server.get_port(), "another PostgreSQL takes writes now");
        Answer::There
    }
}

/// Whether there is a server that lets one in, and takes writes if that is wanted.
async fn answer(server: &PgConnectOptions, to_write: bool) -> Answer {
    let asked = async {
        let mut connection = PgConnection::connect_with(server).await?;
        let is_read_only = to_write && {
            let read_only = sqlx::query_scalar::<_, String>("SHOW transaction_read_only");
            read_only.fetch_one(&mut connection).await? == "on"
        };
        drop(connection.close().await);
        Ok::<_, sqlx::Error>(if is_read_only { Answer::ReadOnly } else { Answer::There })
    };
    match timeout(CONNECT_TIMEOUT, asked).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) if fault_of(&error) == Some(Fault::Gone) => Answer::Gone,
        Ok(Err(_)) => Answer::Refuses,
        Err(_) => Answer::Silent,
    }
}

fn gone() -> DbErr {
    DbErr::Conn(RuntimeErr::Internal("PostgreSQL cannot be reached".to_owned()))
}
