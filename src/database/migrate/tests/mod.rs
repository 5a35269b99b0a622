//! Migrations of real databases: SQLite files always, PostgreSQL where `DOCTYPED_TEST_POSTGRES` names one.

mod columns;
mod evolution;
mod renames;
mod risks;
mod safety;

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::database::row::Param;
use crate::database::schema::wanted::unique_field;
use crate::database::schema::{Snapshot, SqlType};
use crate::database::sql::push_select;
use crate::database::unique_violation;
use crate::meta::doctype::Declaration;
use crate::meta::fieldtype::Shape;
use crate::meta::{ColumnType, DocField, Fieldtype, Value};

/// One fresh database.
struct Site {
    database: Database,
    backend: Backend,
    cleanup: Cleanup,
}

enum Cleanup {
    Folder(tempfile::TempDir),
    Postgres { server: String, name: String },
}

impl Site {
    async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("site.db").display());
        let database = Database::open(&url).await.unwrap();
        Self { database, backend: Backend::Sqlite, cleanup: Cleanup::Folder(folder) }
    }

    async fn postgres() -> Option<Self> {
        static COUNTER: AtomicUsize = AtomicUsize::new(0);
        let Ok(server) = std::env::var("DOCTYPED_TEST_POSTGRES") else {
            eprintln!("SKIPPED on PostgreSQL: set DOCTYPED_TEST_POSTGRES=postgres://user@host:port");
            return None;
        };
        let name = format!("doctyped_schema_{}_{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let admin = Database::open(&format!("{server}/postgres")).await.unwrap();
        admin.execute_script(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.unwrap();
        admin.execute_script(&format!("CREATE DATABASE {name}")).await.unwrap();
        admin.close().await;
        let database = Database::open(&format!("{server}/{name}")).await.unwrap();
        Some(Self { database, backend: Backend::Postgres, cleanup: Cleanup::Postgres { server, name } })
    }

    async fn each() -> Vec<Self> {
        let mut sites = vec![Self::sqlite().await];
        sites.extend(Self::postgres().await);
        sites
    }

    async fn finish(self) {
        self.database.close().await;
        match self.cleanup {
            Cleanup::Folder(folder) => drop(folder),
            Cleanup::Postgres { server, name } => {
                let admin = Database::open(&format!("{server}/postgres")).await.unwrap();
                admin.execute_script(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
                admin.close().await;
            }
        }
    }

    async fn migrate_with(
        &self,
        declarations: Vec<Declaration>,
        options: MigrateOptions,
    ) -> Result<Report, MigrateError> {
        migrate(&self.database, &registry(declarations), options).await
    }

    /// Migrates as a start does, and checks that a second start finds nothing to do.
    async fn migrate(&self, declarations: Vec<Declaration>) -> Report {
        self.migrate_agreeing(declarations, MigrateOptions::default()).await
    }

    async fn migrate_agreeing(&self, declarations: Vec<Declaration>, options: MigrateOptions) -> Report {
        let report = match self.migrate_with(declarations.clone(), options).await {
            Ok(report) => report,
            Err(error) => panic!("{:?}: {error} {:?}", self.backend, std::error::Error::source(&error)),
        };
        let again = self.migrate_with(declarations, MigrateOptions { dry_run: true, ..options }).await.unwrap();
        assert!(again.plan.is_empty(), "{:?}: the second start wants\n{}", self.backend, again.plan);
        report
    }

    /// The plan that is refused.
    async fn refused(&self, declarations: Vec<Declaration>, options: MigrateOptions) -> Plan {
        let before = self.snapshot().await;
        let plan = match self.migrate_with(declarations, options).await {
            Err(MigrateError::Refused(plan)) => *plan,
            other => panic!("{:?}: not refused: {other:?}", self.backend),
        };
        assert_eq!(before.tables, self.snapshot().await.tables, "a refused plan changes nothing");
        plan
    }

    async fn snapshot(&self) -> Snapshot {
        introspect(&self.database).await.unwrap()
    }

    async fn run(&self, sql: &str) {
        self.database.execute_script(sql).await.unwrap();
    }

    async fn texts(&self, sql: &str) -> Vec<Value> {
        let rows = self.database.fetch(sql, Vec::new(), &[Shape::Text]).await.unwrap();
        rows.into_iter().map(|mut row| row.remove(0)).collect()
    }

    fn integer(&self) -> SqlType {
        match self.backend {
            Backend::Sqlite => SqlType::BigInt,
            Backend::Postgres => SqlType::Int,
        }
    }
}

const RISKY: MigrateOptions = MigrateOptions { apply_risky: true, ..SAFE };
const PRUNE: MigrateOptions = MigrateOptions { prune: true, ..SAFE };
const SAFE: MigrateOptions =
    MigrateOptions { apply_risky: false, prune: false, dry_run: false, unless_current: false, in_steps: false };

fn registry(declarations: Vec<Declaration>) -> Registry {
    Registry::new(declarations.into_iter().map(|found| Arc::new(DocType::new(found))), 1)
}

fn field(fieldname: &str, fieldtype: Fieldtype) -> DocField {
    DocField { fieldname: fieldname.to_owned(), fieldtype, ..DocField::default() }
}

fn link(fieldname: &str, target: &str) -> DocField {
    DocField { options: target.to_owned(), ..field(fieldname, Fieldtype::Link) }
}

fn doctype(name: &str, fields: Vec<DocField>) -> Declaration {
    Declaration { name: name.to_owned(), fields, ..Declaration::default() }
}

fn note(fields: Vec<DocField>) -> Vec<Declaration> {
    vec![doctype("Note", fields)]
}

fn renamed(from: &str, field: DocField) -> DocField {
    DocField { renamed_from: Some(from.to_owned()), ..field }
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}
