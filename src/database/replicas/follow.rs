//! How far the primary and its replicas are, asked over connections of their own.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::time::{sleep, timeout};

use crate::database::outage::Outage;
use crate::database::replicas::{Position, Replica, Replicas};

/// How often the primary and each replica are asked how far they are.
const BEAT: Duration = Duration::from_millis(100);
/// How long they may take to answer, and to let one in.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many positions of the primary are remembered.
const POSITIONS: usize = 100;

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
pub(super) async fn primary(replicas: Weak<Replicas>, outage: Arc<Outage>) {
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
pub(super) async fn replica(replicas: Weak<Replicas>, replica: Arc<Replica>) {
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
    anyhow::ensure!(is_replica, "it takes writes, so it is not a replica");
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
    let (connection, identity) = kept.as_mut().context("not connected")?;
    Ok((connection, identity))
}
