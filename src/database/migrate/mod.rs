//! Carries out plans: one transaction under a lock, so that a crash leaves the old schema and two starts at once both succeed.

mod apply;
mod assess;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use sea_orm::DbErr;

use crate::database::connect::{Backend, Database, Executor, Transaction};
use crate::database::plan::{Plan, Risk, plan};
use crate::database::schema::wanted::TableSpec;
use crate::database::schema::{introspect, names};
use crate::database::state;
use crate::meta::{DocType, Registry};

pub use assess::assess;

/// Changes whenever this program would plan differently for the same definitions.
const PLANNER_VERSION: u32 = 1;
/// The advisory lock of PostgreSQL that whoever migrates holds; any number that nobody else uses.
const LOCK: i64 = 0x0064_6f63_7479_7065;

/// The key under which it is remembered which definitions were applied last.
const SCHEMA: &str = "schema";

/// Tables and indexes made at most in one transaction on PostgreSQL, whose lock table holds some 6,400 as it is shipped.
///
/// What is more is made beforehand, in transactions of its own: new tables, which nobody misses or minds.
const POSTGRES_RELATIONS: usize = 3000;

/// How to migrate.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "these are switches of the command line, one by one")]
pub struct MigrateOptions {
    /// Also make changes that lose data.
    pub apply_risky: bool,
    /// Drop what no DocType uses.
    pub prune: bool,
    /// Only tell what would change.
    pub dry_run: bool,
    /// Look no further if these definitions are those last applied: one query, for a fast start.
    pub unless_current: bool,
}

/// What was done, or would be.
#[derive(Clone, Debug)]
pub struct Report {
    /// The plan; empty if nothing had to change.
    pub plan: Plan,
    /// It was carried out.
    pub applied: bool,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The plan could lose data, or cannot be carried out.
    #[error("{}", refusal(.0))]
    Refused(Box<Plan>),
    /// A statement failed.
    #[error("The tables were left as they were, because this failed: {doing}")]
    Failed {
        /// The change under way.
        doing: String,
        /// What the database said.
        #[source]
        source: DbErr,
    },
    /// The database did not answer.
    #[error("The tables were left as they were, because the database failed")]
    Database(#[from] DbErr),
}

/// Brings the database to what the DocTypes want, or says why not; all or nothing (but see [`POSTGRES_RELATIONS`]).
pub async fn migrate(
    database: &Database,
    doctypes: &Registry,
    options: MigrateOptions,
) -> Result<Report, MigrateError> {
    let backend = database.backend();
    let fingerprint = fingerprint(backend, doctypes.iter());
    if options.unless_current && !options.prune {
        // The table may not exist yet; whatever else is wrong shows below.
        let applied = state::get(database, SCHEMA).await.ok().flatten();
        if applied.as_deref() == Some(&fingerprint) {
            return Ok(Report { plan: Plan::empty(backend), applied: false });
        }
    }
    let mut whole_plan: Option<Plan> = None;
    loop {
        let transaction = database.begin().await?;
        lock(&transaction).await?;
        let snapshot = introspect(&transaction).await?;
        let mut plan = plan(backend, doctypes.iter(), &snapshot, options.prune);
        assess(&transaction, &mut plan).await?;
        if options.dry_run {
            transaction.rollback().await?;
            return Ok(Report { plan, applied: false });
        }
        let is_refused = plan.changes.iter().any(|change| match change.risk {
            Risk::Safe => false,
            Risk::Risky(_) => !options.apply_risky,
            Risk::Refused(_) => true,
        });
        if is_refused {
            transaction.rollback().await?;
            return Err(MigrateError::Refused(Box::new(plan)));
        }
        let head = if backend == Backend::Postgres { plan.head(POSTGRES_RELATIONS) } else { None };
        if let Some(head) = &head {
            apply::apply(&transaction, head).await?;
        } else {
            carry_out(&transaction, &plan, &fingerprint).await?;
        }
        transaction.commit().await?;
        let plan = whole_plan.get_or_insert(plan);
        if head.is_none() {
            let applied = !plan.is_empty();
            return Ok(Report { plan: plan.clone(), applied });
        }
    }
}

async fn carry_out(executor: &dyn Executor, plan: &Plan, fingerprint: &str) -> Result<(), MigrateError> {
    apply::apply(executor, plan).await?;
    if state::get(executor, SCHEMA).await?.as_deref() != Some(fingerprint) {
        state::set(executor, SCHEMA, fingerprint).await?;
    }
    Ok(())
}

/// SQLite's transaction began with the lock. What changes tables may take its time, unlike the statements of requests.
async fn lock(transaction: &Transaction) -> Result<(), DbErr> {
    match transaction.backend() {
        Backend::Sqlite => Ok(()),
        Backend::Postgres => {
            let patience = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0;";
            transaction.execute_script(&format!("{patience} SELECT pg_advisory_xact_lock({LOCK})")).await
        }
    }
}

/// Everything about the definitions that a plan depends on.
fn fingerprint<'a>(backend: Backend, doctypes: impl Iterator<Item = &'a Arc<DocType>>) -> String {
    let wanted: Vec<_> = doctypes
        .map(|doctype| {
            let renamed: Vec<_> = doctype
                .fields
                .iter()
                .filter_map(|field| field.renamed_from.as_deref().map(|old| (field.fieldname.as_str(), old)))
                .collect();
            (&doctype.name, &doctype.renamed_from, doctype.issingle, renamed, TableSpec::of(backend, doctype))
        })
        .collect();
    names::fingerprint(&(PLANNER_VERSION, wanted))
}

fn refusal(plan: &Plan) -> String {
    let how = if plan.refused().next().is_some() {
        "Mend what is marked with X, then start again"
    } else {
        "Read what is marked with !, then run `migrate --apply-risky`, or take the change back"
    };
    format!("The tables were left as they were, because data could be lost\n{plan}{how}")
}
