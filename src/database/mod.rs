//! The only place that writes SQL: connections, statements, schema.

pub mod connect;
pub mod documents;
pub mod references;
pub mod row;
pub mod sql;

pub use connect::{Backend, Database, Executor, Transaction, unique_violation};
pub use row::Param;
pub use sql::Sql;
