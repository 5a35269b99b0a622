//! The only place that writes SQL: connections, statements, schema.

pub mod connect;
pub mod documents;
pub mod migrate;
pub mod plan;
pub mod query;
pub mod references;
pub mod row;
pub mod schema;
pub mod sql;

pub use connect::{Backend, Database, Executor, Transaction, unique_violation};
pub use migrate::{MigrateError, MigrateOptions, Report, migrate};
pub use plan::Plan;
pub use row::Param;
pub use sql::Sql;
