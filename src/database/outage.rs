//! Whether PostgreSQL can be reached: while it cannot, requests learn so at once, and connections from before are tested.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sea_orm::{DbErr, RuntimeErr};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::watch;

use crate::database::fault::{Fault, fault};

/// A statement or a wait for a connection that takes longer makes one ask whether the server is there at all.
const PATIENCE: Duration = Duration::from_millis(300);
/// How long the server may take to let one in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How often it is asked while it does not answer, and at most otherwise.
const EVERY: Duration = Duration::from_millis(500);

/// What is known of a server that may be gone.
#[derive(Debug)]
pub(super) struct Outage {
    options: Option<PgConnectOptions>,
    is_down: watch::Sender<bool>,
    is_asking: AtomicBool,
    began: Instant,
    /// When a connection was last found to be dead, in milliseconds since the start and one; 0: never.
    last: AtomicU64,
}

impl Outage {
    /// Of a server that is there; without a URL, of a database that is part of the process.
    pub(super) fn new(url: Option<&str>) -> anyhow::Result<Arc<Self>> {
        let options = url.map(str::parse::<PgConnectOptions>).transpose()?;
        Ok(Arc::new(Self {
            options: options.map(PgConnectOptions::disable_statement_logging),
            is_down: watch::Sender::new(false),
            is_asking: AtomicBool::new(false),
            began: Instant::now(),
            last: AtomicU64::new(0),
        }))
    }

    /// How long ago a connection was last found to be dead.
    pub(super) fn since_last(&self) -> Duration {
        match self.last.load(Ordering::Relaxed) {
            0 => Duration::MAX,
            last => self.began.elapsed().saturating_sub(Duration::from_millis(last - 1)),
        }
    }

    /// Waits for something that the server does; gives up as soon as the server is known to be gone.
    pub(super) async fn guard<T>(self: &Arc<Self>, work: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
        if self.options.is_none() {
            return work.await;
        }
        if *self.is_down.borrow() {
            return Err(gone());
        }
        tokio::select! {
            biased;
            done = work => {
                if let Err(error) = &done && fault(error) == Some(Fault::Gone) {
                    self.note();
                }
                done
            }
            () = self.found_down() => Err(gone()),
        }
    }

    /// Ends when the server is found to be gone.
    async fn found_down(self: &Arc<Self>) {
        let mut down = self.is_down.subscribe();
        if tokio::time::timeout(PATIENCE, down.wait_for(|down| *down)).await.is_err() {
            self.ask();
            // The sender lives as long as this.
            drop(down.wait_for(|down| *down).await);
        }
    }

    /// A connection was found to be dead: those from before are tested before they are used, and the server is asked.
    pub(super) fn note(self: &Arc<Self>) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.last.store(now + 1, Ordering::Relaxed);
        self.ask();
    }

    /// Asks the server whether it is there, until it is; one at a time.
    fn ask(self: &Arc<Self>) {
        let Some(options) = &self.options else { return };
        if self.is_asking.swap(true, Ordering::AcqRel) {
            return;
        }
        let (outage, options) = (Arc::clone(self), options.clone());
        tokio::spawn(async move {
            while !answers(&options).await {
                if !outage.is_down.send_replace(true) {
                    tracing::error!("PostgreSQL cannot be reached: requests are answered with 503 until it can");
                }
                tokio::time::sleep(EVERY).await;
            }
            if outage.is_down.send_replace(false) {
                let now = u64::try_from(outage.began.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
                outage.last.store(now + 1, Ordering::Relaxed);
                tracing::warn!("PostgreSQL can be reached again");
            } else {
                // Slow statements are no reason to ask all the time.
                tokio::time::sleep(EVERY).await;
            }
            outage.is_asking.store(false, Ordering::Release);
        });
    }
}

/// Whether there is a server that lets one in; one that is full or refuses this user is there too.
async fn answers(options: &PgConnectOptions) -> bool {
    match tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(options)).await {
        Ok(Ok(connection)) => {
            drop(connection.close().await);
            true
        }
        Ok(Err(error)) => fault(&DbErr::Conn(RuntimeErr::SqlxError(error.into()))) != Some(Fault::Gone),
        Err(_) => false,
    }
}

fn gone() -> DbErr {
    DbErr::Conn(RuntimeErr::Internal("PostgreSQL cannot be reached".to_owned()))
}
