//! The only place that writes SQL: connections, statements, schema.

pub mod auth;
mod claim;
pub mod connect;
mod contention;
pub mod definitions;
pub mod documents;
pub mod fault;
pub mod migrate;
mod outage;
pub mod plan;
mod pools;
pub mod query;
pub mod references;
pub mod row;
pub mod schema;
pub mod sql;
pub mod state;
pub mod writable;

pub use connect::{Backend, Database, Executor, Reading, Transaction, unique_violation};
pub use migrate::{MigrateError, MigrateOptions, Report, migrate};
pub use plan::Plan;
pub use row::Param;
pub use sql::Sql;
