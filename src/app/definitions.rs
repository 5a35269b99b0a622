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
use crate::meta::in_force::{Choice, Chosen, Fault, Kept, Stays, Why, choose, stands_in, version};
use crate::meta::load::{Loaded, Problem, Severity, Source};

/// What came of it.
pub(crate) struct InForce {
    /// The DocTypes.
    pub registry: Registry,
    /// What changed in the schema.
    pub schema: String,
    /// What is held back.
    pub faults: Vec<Fault>,
    /// What stands for the definitions.
    pub version: String,
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
    /// The DocType whose change may lose data: somebody has read what it loses and agreed.
    pub agreed: Option<&'a str>,
}

/// Puts the files in force as far as they can be; the rest is held back, each DocType for itself. One node at a time does.
///
/// A node that starts beside others, with files that were in force before those that are, is late: it takes over what is
/// in force.
pub(crate) async fn put_in_force(database: &Database, putting: Putting<'_>) -> anyhow::Result<InForce> {
    let lock = database.lock_definitions().await.context("wait until no other node puts definitions in force")?;
    let done = match is_late(database, &putting).await {
        Ok(true) => take_over(database, putting).await,
        Ok(false) => put_alone(database, putting).await,
        Err(error) => Err(error),
    };
    lock.release().await;
    done
}

async fn is_late(database: &Database, putting: &Putting<'_>) -> anyhow::Result<bool> {
    if putting.is_served || !database.has_other_nodes().await? {
        return Ok(false);
    }
    let files = Arc::new(sources::all(putting.config, putting.extra));
    let kept = Arc::new(definitions::read(database).await?);
    let chosen = choose_among(putting.config, &files, &kept, &BTreeMap::new()).await?;
    let own = version(all(&chosen).iter());
    Ok(own != version(kept.iter()) && definitions::versions_before(database).await?.contains(&own))
}

/// What was chosen as it would be kept.
fn all(chosen: &Chosen) -> BTreeMap<String, Kept> {
    chosen.loaded.doctypes.iter().map(|doctype| (doctype.name.clone(), Kept::of(doctype))).collect()
}

/// What stands for the definitions that are in force now, at whichever node.
pub(crate) async fn version_in_force(database: &Database) -> anyhow::Result<String> {
    let kept = definitions::read(database).await.context("read the definitions in force")?;
    Ok(version(kept.iter()))
}

/// Takes over the definitions that another node has put in force, whatever the files here say; tables are in step already.
///
/// Fails if the program cannot run on them.
pub(crate) async fn take_over(database: &Database, putting: Putting<'_>) -> anyhow::Result<InForce> {
    let Putting { config, extra, generation, needed, .. } = putting;
    let files = Arc::new(sources::all(config, extra));
    let kept = Arc::new(definitions::read(database).await.context("read the definitions in force")?);
    let own = choose_among(config, &files, &kept, &BTreeMap::new()).await?;
    let differs =
        |(doctype, own): &(&String, &Kept)| kept.get(*doctype).map(|kept| &kept.definition) != Some(&own.definition);
    let own_definitions = all(&own);
    let from_files = own_definitions.iter().filter(|(doctype, _)| !own.held_back.contains(*doctype));
    let differing = from_files.filter(differs).map(|(doctype, _)| doctype);
    let lacking_here = kept.keys().filter(|doctype| !own_definitions.contains_key(*doctype));
    let aside: BTreeMap<String, Fault> =
        differing.chain(lacking_here).map(|doctype| (doctype.clone(), elsewhere(doctype, kept.get(doctype)))).collect();
    let chosen = if aside.is_empty() { own } else { choose_among(config, &files, &kept, &aside).await? };
    let registry = Registry::new(chosen.loaded.doctypes.iter().cloned(), generation);
    let is_built = |doctype: &String| registry.get(doctype).is_some_and(|doctype| stands_in(doctype));
    let unbuilt: Vec<&str> =
        aside.keys().filter(|doctype| kept.contains_key(*doctype) && !is_built(doctype)).map(String::as_str).collect();
    anyhow::ensure!(unbuilt.is_empty(), "this program cannot build what is in force of {}", unbuilt.join(", "));
    let lacking = lacking(&needed, &registry);
    let lines: Vec<String> = lacking.into_values().flat_map(|fault| fault.lines).collect();
    anyhow::ensure!(lines.is_empty(), "this program cannot run on what is in force:\n{}", lines.join("\n"));
    let Chosen { loaded, mut faults, .. } = chosen;
    faults.retain(|fault| !aside.contains_key(&fault.doctype));
    faults.extend(aside.into_values());
    let schema = "taken over from another node".to_owned();
    Ok(InForce { registry, schema, faults, version: version(kept.iter()), warnings: warnings(&loaded) })
}

/// That the files of a DocType here do not count, because another node has put others in force.
fn elsewhere(doctype: &str, kept: Option<&Kept>) -> Fault {
    let (stays, line) = match kept {
        Some(kept) => {
            (Stays::Before, format!("{doctype}: what is in force comes from {} at another node", kept.files.join(", ")))
        }
        None => (Stays::Nothing, format!("{doctype}: another node has taken it out of force")),
    };
    Fault { doctype: doctype.to_owned(), why: Why::Elsewhere, stays, lines: vec![line], statements: Vec::new() }
}

async fn put_alone(database: &Database, putting: Putting<'_>) -> anyhow::Result<InForce> {
    let Putting { config, extra, generation, needed, is_served, agreed } = putting;
    // A site that serves goes on serving.
    let is_strict = config.strict && !is_served;
    let files = Arc::new(sources::all(config, extra));
    let kept = Arc::new(definitions::read(database).await.context("read the definitions in force")?);
    let mut aside: BTreeMap<String, Fault> = BTreeMap::new();
    let mut options = MigrateOptions { unless_current: true, in_steps: is_served, ..MigrateOptions::default() };
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
        match migrate(database, &registry, options).await {
            Ok(report) => break (chosen, registry, report.plan.summary()),
            Err(error) => {
                let mut held_back = hold_back(&error);
                if !options.apply_risky && agreed.is_some_and(|agreed| held_back.remove(agreed).is_some()) {
                    // The others first: nobody agreed to theirs.
                    options.apply_risky = held_back.is_empty();
                    aside.extend(held_back);
                    continue;
                }
                let is_news = held_back.keys().any(|doctype| !aside.contains_key(doctype));
                if is_strict || held_back.contains_key("") || !is_news {
                    return Err(error.into());
                }
                aside.extend(held_back);
            }
        }
    };
    let version = keep(database, &kept, &chosen).await.context("keep the definitions in force")?;
    let Chosen { loaded, faults, .. } = chosen;
    Ok(InForce { registry, schema, faults, version, warnings: warnings(&loaded) })
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

/// Writes down what is in force now and was not before; returns what stands for it.
async fn keep(database: &Database, kept: &BTreeMap<String, Kept>, chosen: &Chosen) -> anyhow::Result<String> {
    let from_files = chosen.loaded.doctypes.iter().filter(|doctype| !chosen.held_back.contains(&doctype.name));
    let news: BTreeMap<String, Kept> = from_files
        .map(|doctype| (doctype.name.clone(), Kept::of(doctype)))
        .filter(|(doctype, now)| kept.get(doctype) != Some(now))
        .collect();
    definitions::write(database, &news, &chosen.gone, &version(kept.iter())).await?;
    let mut now = kept.clone();
    now.retain(|doctype, _| !chosen.gone.contains(doctype));
    now.extend(news);
    Ok(version(now.iter()))
}

/// Takes the files for the truth, for `migrate`: there must be no error, and what could lose something must be agreed to.
pub(crate) async fn migrate_to_files(
    database: &Database,
    config: &Config,
    options: MigrateOptions,
) -> anyhow::Result<crate::database::Report> {
    let lock = database.lock_definitions().await.context("wait until no other node puts definitions in force")?;
    let done = migrate_alone(database, config, options).await;
    lock.release().await;
    done
}

async fn migrate_alone(
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

/// How many DocTypes there are, and what of the files would be held back at the next start, a line each. Changes nothing.
pub(crate) async fn waiting(database: &Database, config: &Config) -> anyhow::Result<(usize, Vec<String>)> {
    let files = Arc::new(sources::all(config, &[]));
    let kept = Arc::new(definitions::read(database).await.context("read the definitions in force")?);
    let chosen = choose_among(config, &files, &kept, &BTreeMap::new()).await?;
    let registry = Registry::new(chosen.loaded.doctypes.iter().cloned(), 1);
    let options = MigrateOptions { dry_run: true, ..MigrateOptions::default() };
    let plan = migrate(database, &registry, options).await?.plan;
    let faults = chosen.faults.iter().flat_map(|fault| fault.lines.clone());
    Ok((registry.len(), faults.chain(plan.risky().map(ToString::to_string)).collect()))
}

/// What would be in force with one file as a person wants it, and how the tables would change. Changes nothing.
pub(crate) async fn preview(
    database: &Database,
    putting: Putting<'_>,
    path: &str,
    text: Option<&str>,
) -> anyhow::Result<(Registry, Vec<Problem>, Vec<Fault>, Plan)> {
    let mut files = sources::all(putting.config, putting.extra);
    files.put(putting.config, path, text);
    let (files, kept) = (Arc::new(files), Arc::new(definitions::read(database).await?));
    let chosen = choose_among(putting.config, &files, &kept, &BTreeMap::new()).await?;
    let registry = Registry::new(chosen.loaded.doctypes.iter().cloned(), putting.generation);
    let mut faults = chosen.faults;
    faults.extend(lacking(&putting.needed, &registry).into_values());
    let options = MigrateOptions { dry_run: true, ..MigrateOptions::default() };
    let plan = migrate(database, &registry, options).await?.plan;
    Ok((registry, chosen.loaded.problems, faults, plan))
}

/// The warnings about DocType files.
fn warnings(loaded: &Loaded) -> Vec<String> {
    let is_warning = |problem: &&Problem| problem.severity == Severity::Warning;
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
