//! [`ReplicaReading`]: statements at a replica, and at the primary where that fails.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use sea_orm::{ConnectionTrait as _, DbErr};
use tracing::Instrument as _;

use crate::database::connect::{Backend, Database, Executor, decode, statement};
use crate::database::fault::{Fault, fault};
use crate::database::query::is_bad_pattern;
use crate::database::replicas::Replica;
use crate::database::row::{self, Param};
use crate::meta::Value;
use crate::meta::fieldtype::Shape;
use crate::traces;

/// Statements that only read, at a replica; where that fails at the primary.
#[derive(Clone, Debug)]
pub(crate) struct ReplicaReading {
    pub(super) database: Database,
    pub(super) replica: Arc<Replica>,
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
        let span = traces::statement(Backend::Postgres.system(), Some(sql));
        match self.query(sql, params.clone(), shapes).instrument(span).await {
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
