//! Carries out plans: one transaction under a lock, so that a crash leaves the old schema and two starts at once both succeed.

mod apply;
mod assess;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use sea_orm::DbErr;

use crate::database::Transaction;
use crate::database::connect::{Backend, Database, Executor};
use crate::database::plan::{Plan, Risk, plan};
use crate::database::schema::wanted::TableSpec;
use crate::database::schema::{introspect, names, trigrams, words};
use crate::database::{format, state};
use crate::meta::{DocType, Registry};

pub(crate) use apply::statement;
pub(crate) use assess::assess;

/// Changes whenever this program would plan differently for the same definitions.
const PLANNER_VERSION: u32 = 6;
/// The advisory lock of PostgreSQL that whoever migrates holds; any number that nobody else uses.
const LOCK: i64 = 0x0064_6f63_7479_7065;

/// The key under which it is remembered which definitions were applied last.
const SCHEMA: &str = "schema";
/// How long one of many steps holds the writer, about.
const STEP: Duration = Duration::from_millis(100);

/// How often additions are looked for again, because another process makes some as well.
const ROUNDS: usize = 5;

/// Tables and indexes made at most in one transaction on PostgreSQL, whose lock table holds some 6,400 as it is shipped.
///
/// What is more is made beforehand, in transactions of its own: new tables, which nobody misses or minds.
const POSTGRES_RELATIONS: usize = 3000;

/// How to migrate.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "these are switches of the command line, one by one")]
pub(crate) struct MigrateOptions {
    /// Also make changes that lose data.
    pub apply_risky: bool,
    /// Drop what no DocType uses.
    pub prune: bool,
    /// Only tell what would change.
    pub dry_run: bool,
    /// Look no further if these definitions are those last applied: one query, for a fast start.
    pub unless_current: bool,
    /// Make what only adds table by table, in transactions of about [`STEP`], so that others write in between; the rest at
    /// once. For sites that are served meanwhile.
    pub in_steps: bool,
}

/// What was done, or would be.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// The plan; empty if nothing had to change.
    pub plan: Plan,
    /// It was carried out.
    pub applied: bool,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MigrateError {
    /// The plan could lose data, or cannot be carried out.
    #[error("{}", refusal(.0))]
    Refused(Box<Plan>),
    /// A statement failed.
    #[error("The tables were left as they were, because this failed: {doing}")]
    Failed {
        /// The DocType; empty for the engine's own tables.
        doctype: String,
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
pub(crate) async fn migrate(
    database: &Database,
    doctypes: &Registry,
    options: MigrateOptions,
) -> Result<Report, MigrateError> {
    let backend = database.backend();
    if !options.dry_run {
        trigrams::prepare(database).await?;
        words::prepare(database).await?;
    }
    let fingerprint = fingerprint(backend, trigrams::class(database).await?.is_some(), doctypes.iter());
    if options.unless_current && !options.prune {
        // The table may not exist yet; whatever else is wrong shows below.
        let applied = state::get(database, SCHEMA).await.ok().flatten();
        if applied.as_deref() == Some(&fingerprint) {
            return Ok(Report { plan: Plan::empty(backend), applied: false });
        }
    }
    let mut whole_plan: Option<Plan> = None;
    let mut failed: Option<String> = None;
    let rounds = if options.in_steps && !options.dry_run { ROUNDS } else { 0 };
    for _ in 0..rounds {
        let plan = preview(database, doctypes, options).await?;
        let additions = plan.additions();
        let is_done = plan.is_empty();
        let whole_plan = whole_plan.get_or_insert(plan);
        if is_done {
            let transaction = database.begin().await?;
            carry_out(&transaction, &Plan::empty(backend), &fingerprint).await?;
            transaction.commit().await?;
            return Ok(Report { plan: whole_plan.clone(), applied: !whole_plan.is_empty() });
        }
        if additions.is_empty() {
            break;
        }
        if let Err(error) = add(database, &additions).await {
            // Another process may have made the same change just before; what fails twice fails.
            let MigrateError::Failed { doing, .. } = &error else { return Err(error) };
            if failed.as_ref() == Some(doing) {
                return Err(error);
            }
            failed = Some(doing.clone());
        }
    }
    loop {
        let transaction = database.begin().await?;
        lock(&transaction).await?;
        let plan = look(&transaction, doctypes, options.prune).await?;
        if options.dry_run {
            transaction.rollback().await?;
            return Ok(Report { plan, applied: false });
        }
        if is_refused(&plan, options) {
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

/// The plan as things are, with its risks.
async fn look(executor: &dyn Executor, doctypes: &Registry, prune: bool) -> Result<Plan, DbErr> {
    let snapshot = introspect(executor).await?;
    let mut plan = plan(executor.backend(), doctypes.iter(), &snapshot, prune);
    assess(executor, &mut plan).await?;
    Ok(plan)
}

fn is_refused(plan: &Plan, options: MigrateOptions) -> bool {
    plan.changes.iter().any(|change| match change.risk {
        Risk::Safe => false,
        Risk::Risky(_) => !options.apply_risky,
        Risk::Refused(_) => true,
    })
}

/// Looks without keeping anybody from writing.
async fn preview(database: &Database, doctypes: &Registry, options: MigrateOptions) -> Result<Plan, MigrateError> {
    let plan = match database.backend() {
        Backend::Sqlite => look(database, doctypes, options.prune).await?,
        // The probes make functions of their own, which nobody else shall see.
        Backend::Postgres => {
            let transaction = database.begin().await?;
            let plan = look(&transaction, doctypes, options.prune).await?;
            transaction.rollback().await?;
            plan
        }
    };
    if is_refused(&plan, options) {
        return Err(MigrateError::Refused(Box::new(plan)));
    }
    Ok(plan)
}

/// Makes additions, table by table; others write between the steps.
async fn add(database: &Database, additions: &[Plan]) -> Result<(), MigrateError> {
    let mut left = additions.iter().peekable();
    while left.peek().is_some() {
        let transaction = database.begin().await?;
        lock(&transaction).await?;
        let began = Instant::now();
        while let Some(addition) = left.next_if(|_| began.elapsed() < STEP) {
            apply::apply(&transaction, addition).await?;
        }
        transaction.commit().await?;
        tokio::task::yield_now().await;
    }
    Ok(())
}

async fn carry_out(executor: &dyn Executor, plan: &Plan, fingerprint: &str) -> Result<(), MigrateError> {
    apply::apply(executor, plan).await?;
    if state::get(executor, SCHEMA).await?.as_deref() != Some(fingerprint) {
        state::set(executor, SCHEMA, fingerprint).await?;
    }
    Ok(format::note(executor).await?)
}

/// What stands for the definitions that the tables were last brought in step with; `None` before the first time.
pub(crate) async fn applied_fingerprint(executor: &dyn Executor) -> Result<Option<String>, DbErr> {
    state::get(executor, SCHEMA).await
}

/// SQLite's transaction began with the lock. What changes tables may take its time, unlike the statements of requests.
async fn lock(transaction: &Transaction) -> Result<(), DbErr> {
    match transaction.backend() {
        Backend::Sqlite => Ok(()),
        Backend::Postgres => {
            let patience = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0;";
            transaction.take_time(&format!("{patience} SELECT pg_advisory_xact_lock({LOCK})")).await
        }
    }
}

/// Everything about the definitions that a plan depends on.
fn fingerprint<'a>(backend: Backend, has_trigrams: bool, doctypes: impl Iterator<Item = &'a Arc<DocType>>) -> String {
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
    names::fingerprint(&(PLANNER_VERSION, has_trigrams, wanted))
}

fn refusal(plan: &Plan) -> String {
    let how = if plan.refused().next().is_some() {
        "Fix what is marked with X, then start again"
    } else {
        "Read what is marked with !, then run `migrate --apply-risky`, or take the change back"
    };
    format!("The tables were left as they were, because data could be lost\n{plan}{how}")
}
