//! The only place that writes SQL: connections, statements, schema.

pub(crate) mod auth;
mod claim;
pub(crate) mod connect;
mod contention;
pub(crate) mod definitions;
pub(crate) mod definitions_lock;
pub(crate) mod documents;
pub(crate) mod fault;
mod format;
pub(crate) mod frappe_source;
pub(crate) mod migrate;
pub(crate) mod nodes;
pub(crate) mod numbers;
mod outage;
pub(crate) mod plan;
mod pools;
pub(crate) mod query;
pub(crate) mod queue;
pub(crate) mod rate;
pub(crate) mod references;
pub(crate) mod row;
pub(crate) mod schema;
mod slow;
pub(crate) mod sql;
mod sqlite;
pub(crate) mod state;
mod transaction;
pub(crate) mod transfer;
pub(crate) mod writable;
mod written;

pub use connect::Executor;
pub(crate) use connect::{Backend, Database, Reading, unique_violation};
pub(crate) use migrate::{MigrateOptions, Report};
pub(crate) use plan::Plan;
pub(crate) use transaction::Transaction;
pub(crate) use written::Written;
