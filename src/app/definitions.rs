//! Puts DocType definitions in force: reads the files, chooses what of them can count, brings the tables in step, and keeps what
//! then is in force for the day when a file breaks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Context as _;

use crate::app::sources::{self, Files};
use crate::config::Config;
use crate::database::migrate::{MigrateError, MigrateOptions, migrate, statement};
use crate::database::{Database, Plan, definitions};
use crate::document::controller::Needed;
use crate::meta::Registry;
use crate::meta::in_force::{Choice, Chosen, Fault, Kept, Stays, Why, choose};
use crate::meta::load::{Loaded, Severity, Source};

/// What came of it.
pub(crate) struct InForce {
    /// The DocTypes.
    pub registry: Registry,
    /// What changed in the schema.
    pub schema: String,
    /// What is held back.
    pub faults: Vec<Fault>,
    /// Warnings about the files.
    pub warnings: Vec<String>,
}

/// How.
pub(crate) struct Putting<'a> {
    /// The site's configuration.
    pub config: &'a Config,
    /// DocTypes besides those of the folders.
    pub extra: &'a [Source],
    /// The number of the registry.
    pub generation: u64,
    /// What the program cannot run without.
    pub needed: Needed,
    /// Requests are served meanwhile.
    pub is_served: bool,
}

/// Puts the files in force as far as they can be; the rest is held back, each DocType for itself.
pub(crate) async fn put_in_force(database: &Database, putting: Putting<'_>) -> anyhow::Result<InForce> {
    let Putting { config, extra, generation, needed, is_served } = putting;
    // A site that serves goes on serving.
    let is_strict = config.strict && !is_served;
    let files = Arc::new(sources::all(config, extra));
    let kept = Arc::new(definitions::read(database).await.context("read the definitions in force")?);
    let mut aside: BTreeMap<String, Fault> = BTreeMap::new();
    let (chosen, registry, schema) = loop {
        let chosen = choose_among(config, &files, &kept, &aside).await?;
        let registry = Registry::new(chosen.loaded.doctypes.iter().cloned(), generation);
        if is_strict && !chosen.faults.is_empty() {
            anyhow::bail!("DocType files are held back, which --strict forbids:\n{}", told(&chosen.faults));
        }
        let lacking = lacking(&needed, &registry);
        if lacking.keys().any(|doctype| !aside.contains_key(doctype)) {
            aside.extend(lacking);
            continue;
        }
        if let Some(fault) = lacking.values().next() {
            anyhow::bail!("{}", fault.lines.join("\n"));
        }
        if let Some(absent) = needed.keys().find(|doctype| registry.get(doctype).is_none()) {
            let told = told(&chosen.faults);
            anyhow::bail!("the program needs the DocType {absent}, which has no definition that can be used\n{told}");
        }
        let options = MigrateOptions { unless_current: true, in_steps: is_served, ..MigrateOptions::default() };
        match migrate(database, &registry, options).await {
            Ok(report) => break (chosen, registry, report.plan.summary()),
            Err(error) => {
                let held_back = hold_back(&error);
                let is_news = held_back.keys().any(|doctype| !aside.contains_key(doctype));
                if is_strict || held_back.contains_key("") || !is_news {
                    return Err(error.into());
                }
                aside.extend(held_back);
            }
        }
    };
    keep(database, &kept, &chosen).await.context("keep the definitions in force")?;
    let Chosen { loaded, faults, .. } = chosen;
    Ok(InForce { registry, schema, faults, warnings: warnings(&loaded) })
}

/// The DocTypes whose definitions lack fields that the program reads: theirs is held back rather than read as empty.
fn lacking(needed: &Needed, registry: &Registry) -> BTreeMap<String, Fault> {
    let fault = |(doctype, fields): (&String, &BTreeSet<&str>)| {
        let definition = registry.get(doctype)?;
        let missing = fields.iter().filter(|field| definition.field(field).is_none());
        let files = definition.sources.join(", ");
        let line = |field| format!("{files}: {doctype} lacks the field {field}, which the program needs: put it back");
        let lines: Vec<String> = missing.map(line).collect();
        let (why, stays, statements) = (Why::Broken, Stays::Nothing, Vec::new());
        (!lines.is_empty())
            .then(|| (doctype.clone(), Fault { doctype: doctype.clone(), why, stays, lines, statements }))
    };
    needed.iter().filter_map(fault).collect()
}

/// Everything that is wrong, a line each.
fn told(faults: &[Fault]) -> String {
    faults.iter().flat_map(|fault| fault.lines.clone()).collect::<Vec<_>>().join("\n")
}

/// Reading a thousand files takes a while: off the threads that answer requests.
async fn choose_among(
    config: &Config,
    files: &Arc<Files>,
    kept: &Arc<BTreeMap<String, Kept>>,
    aside: &BTreeMap<String, Fault>,
) -> anyhow::Result<Chosen> {
    let (config, files, kept, aside) = (config.clone(), Arc::clone(files), Arc::clone(kept), aside.clone());
    let chosen = tokio::task::spawn_blocking(move || {
        choose(&Choice {
            sources: &files.sources,
            unreadable: &files.unreadable,
            kept: &kept,
            disappeared: &|vanished| sources::disappeared(&config, &files.sources, vanished),
            aside: &aside,
        })
    });
    chosen.await.context("read the DocType files")
}

/// Which DocTypes must wait after a migration was refused or failed; under no name what concerns none of them.
fn hold_back(error: &MigrateError) -> BTreeMap<String, Fault> {
    let pending = |doctype: &str, lines: Vec<String>, statements: Vec<String>| {
        let doctype = doctype.to_owned();
        (doctype.clone(), Fault { doctype, why: Why::Pending, stays: Stays::Nothing, lines, statements })
    };
    match error {
        MigrateError::Refused(plan) => {
            let doctypes: BTreeSet<&str> = plan.risky().map(|change| change.doctype.as_str()).collect();
            doctypes
                .into_iter()
                .map(|doctype| pending(doctype, lines(plan, doctype), statements(plan, doctype)))
                .collect()
        }
        MigrateError::Failed { doctype, doing, source } => BTreeMap::from([pending(
            doctype,
            vec![format!("X {doing}: the database refuses it: {source}")],
            Vec::new(),
        )]),
        MigrateError::Database(_) => BTreeMap::from([pending("", vec![error.to_string()], Vec::new())]),
    }
}

fn lines(plan: &Plan, doctype: &str) -> Vec<String> {
    plan.risky().filter(|change| change.doctype == doctype).map(ToString::to_string).collect()
}

fn statements(plan: &Plan, doctype: &str) -> Vec<String> {
    let all = plan.changes.iter().filter(|change| change.doctype == doctype);
    all.map(|change| statement(plan, change)).filter(|statement| !statement.is_empty()).collect()
}

/// Writes down what is in force now and was not before.
async fn keep(database: &Database, kept: &BTreeMap<String, Kept>, chosen: &Chosen) -> anyhow::Result<()> {
    let from_files = chosen.loaded.doctypes.iter().filter(|doctype| !chosen.held_back.contains(&doctype.name));
    let news: BTreeMap<String, Kept> = from_files
        .map(|doctype| (doctype.name.clone(), Kept::of(doctype)))
        .filter(|(doctype, now)| kept.get(doctype) != Some(now))
        .collect();
    Ok(definitions::write(database, &news, &chosen.gone).await?)
}

/// Takes the files for the truth, for `migrate`: there must be no error, and what could lose something must be agreed to.
pub(crate) async fn migrate_to_files(
    database: &Database,
    config: &Config,
    options: MigrateOptions,
) -> anyhow::Result<crate::database::Report> {
    let files = Arc::new(sources::all(config, &[]));
    let kept = Arc::new(definitions::read(database).await.context("read the definitions in force")?);
    let mut chosen = choose_among(config, &files, &kept, &BTreeMap::new()).await?;
    let (missing, broken): (Vec<Fault>, Vec<Fault>) =
        chosen.faults.iter().cloned().partition(|fault| fault.why == Why::Missing);
    anyhow::ensure!(broken.is_empty(), "the DocType files have errors:\n{}", told(&broken));
    if !missing.is_empty() && !options.dry_run {
        anyhow::ensure!(
            options.apply_risky,
            "DocTypes have lost their files:\n{}\nPut the files back, or run `migrate --apply-risky` to take these DocTypes out of force",
            told(&missing)
        );
    }
    for fault in missing {
        chosen.loaded.doctypes.retain(|doctype| doctype.name != fault.doctype);
        chosen.gone.insert(fault.doctype);
    }
    let registry = Registry::new(chosen.loaded.doctypes.iter().cloned(), 1);
    let report = migrate(database, &registry, options).await?;
    if !options.dry_run {
        keep(database, &kept, &chosen).await.context("keep the definitions in force")?;
    }
    Ok(report)
}

/// The warnings about DocType files.
fn warnings(loaded: &Loaded) -> Vec<String> {
    let is_warning = |problem: &&crate::meta::load::Problem| problem.severity == Severity::Warning;
    loaded.problems.iter().filter(is_warning).map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::load::load;

    #[test]
    fn a_definition_without_a_field_that_the_program_reads_is_held_back() {
        let text = "name: Book\nfields:\n- {fieldname: title}\n";
        let source = Source { path: "library/book.yaml".to_owned(), text: text.to_owned() };
        let registry = Registry::new(load(&[source]).doctypes.iter().cloned(), 1);
        let needed = |fields: &[&'static str]| Needed::from([("Book".to_owned(), fields.iter().copied().collect())]);
        assert!(lacking(&needed(&["title"]), &registry).is_empty());
        let faults = lacking(&needed(&["title", "titel"]), &registry);
        let line = "library/book.yaml: Book lacks the field titel, which the program needs: put it back";
        assert_eq!(faults["Book"].lines, [line]);
    }
}
