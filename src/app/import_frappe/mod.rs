//! A site of the Frappe Framework moves in: its DocTypes become files, its documents rows, its secrets are sealed anew.
//!
//! Everything is read as of one moment. The files are written first and are the same each time; the rows come in one
//! transaction, and uploaded files wait until it ends, so that whatever went wrong the move can be made again.

mod adapt;
mod blemishes;
mod definitions;
mod fate;
mod files;
mod report;
mod rows;
mod secrets;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};

use crate::app::backup::stage::Stage;
use crate::app::backup::{self, compare, ensure_empty};
use crate::app::definitions::{InForce, Putting, put_in_force};
use crate::app::import_frappe::adapt::Adapting;
use crate::app::import_frappe::definitions::Definitions;
use crate::app::import_frappe::fate::{Fate, Fates};
use crate::app::import_frappe::files::Files;
use crate::app::import_frappe::rows::Rows;
use crate::app::site_key::{self, Sealing};
use crate::app::sources;
use crate::clock::Zone;
use crate::config::Config;
use crate::database::Database;
use crate::database::frappe_source::FrappeSource;
use crate::database::schema::wanted::DEFINITION_TABLE;
use crate::database::transfer::{self, Snapshot};
use crate::meta::Registry;
use crate::meta::load::{Severity, Source, load};
use crate::secret::SiteKey;
use crate::web::Sessions;
use crate::web::attempts::Attempts;
use crate::web::mail::Mailer;

pub(crate) use report::Report;

/// What is to be moved.
pub(crate) struct Wanted {
    /// The address of the database.
    pub from: String,
    /// The site's folder, with `private/files` and `public/files`.
    pub files: PathBuf,
    /// The site's `site_config.json`.
    pub site_config: PathBuf,
}

/// A site that was read as far as its definitions.
struct Found {
    source: FrappeSource,
    fates: Fates,
    /// The DocType files to be written.
    files: Vec<Source>,
    /// The DocTypes that they make, beside those that are there.
    registry: Registry,
    zone: Zone,
    report: Report,
}

/// What would be moved, and what not. Changes nothing.
pub(crate) async fn plan(config: &Config, wanted: &Wanted) -> anyhow::Result<Report> {
    secrets::key(&wanted.site_config)?;
    let files = Files::new(&wanted.files, None)?;
    let Found { mut source, fates, registry, mut report, zone, .. } = find(config, wanted).await?;
    report.is_plan = true;
    for doctype in registry.iter().filter(|doctype| fates.moves(&doctype.name)) {
        let rows = if doctype.issingle { 1 } else { fates.rows(&doctype.name) };
        report.moved.insert(doctype.name.clone(), rows);
    }
    let key = SiteKey::ephemeral();
    let mut adapting = Adapting { registry: &registry, zone, site_key: &key, files, now: DateTime::<Utc>::MIN_UTC };
    for url in source.distinct("tabFile", "file_url").await? {
        if url.starts_with('/') && adapting.files.bring(&url)?.is_none() {
            report.blemish(format!("File: {url} has no content"));
        }
    }
    report.files = adapting.files.count();
    tell_rest(&adapting.files, &mut report)?;
    Ok(report)
}

/// Moves the site into an empty one: all of it, or nothing but DocType files and empty tables.
pub(crate) async fn move_in(
    config: &Config,
    wanted: &Wanted,
    now: DateTime<Utc>,
    progress: &dyn Fn(&str),
) -> anyhow::Result<Report> {
    let fernet = secrets::key(&wanted.site_config)?;
    let database = Database::open(config.database_url.reveal()).await.context("open the database")?;
    ensure_empty(&database).await?;
    let place = crate::files::Files::open(config)?;
    let files = Files::new(&wanted.files, Some(Stage::new(place.clone()).await?))?;
    let Found { mut source, fates, files: definitions, zone, mut report, .. } = find(config, wanted).await?;
    progress(&format!("Writing {} DocType files", definitions.len()));
    write_definitions(&definitions)?;
    let site_key = site_key::establish(None, config, &database).await?;
    let plugins = super::plugins(config, &Sessions::default(), &Attempts::default(), &place, &Mailer::default())?;
    let needed = plugins.controllers.needed();
    let putting = Putting { config, extra: &[], generation: 1, needed, is_served: false, agreed: None };
    let InForce { registry, .. } = put_in_force(&database, putting).await?;
    let in_force = Snapshot::take(&database).await?;
    let transaction = database.begin().await?;
    let adapting = Adapting { registry: &registry, zone, site_key: &site_key, files, now };
    let mut rows = Rows {
        source: &mut source,
        transaction: &transaction,
        fates: &fates,
        adapting,
        report: &mut report,
        written: BTreeMap::new(),
    };
    for table in transfer::tables(&registry) {
        match table.name.as_str() {
            // In force already, and to stay.
            DEFINITION_TABLE => {
                let content = backup::content(&in_force, &table).await?;
                rows.written.insert(table.name, content);
            }
            "tabSeries" => rows.series(&table).await?,
            "tabSingles" => rows.singles(&table).await?,
            "__Auth" => {
                let found = secrets::rows(rows.source, &registry, &fernet, &site_key, rows.report).await?;
                rows.write(&table, found).await?;
            }
            name => {
                let doctype = name.strip_prefix("tab").unwrap_or(name);
                let Some(doctype) = registry.get(doctype).filter(|doctype| fates.moves(&doctype.name)) else {
                    rows.write(&table, Vec::new()).await?;
                    continue;
                };
                progress(&format!("Moving {}: {}", doctype.name, fates.rows(&doctype.name)));
                rows.documents(&table, doctype).await.with_context(|| format!("move {}", doctype.name))?;
            }
        }
    }
    let Rows { adapting, written, .. } = rows;
    let sealing = Sealing { current: Some(site_key.id()), ..Sealing::default() };
    sealing.write(&transaction).await.context("note which key the site has")?;
    let Adapting { files, .. } = adapting;
    report.files = files.count();
    tell_rest(&files, &mut report)?;
    files.publish().await?;
    transaction.commit().await.with_context(|| {
        format!("end the move; its files are in {place}: empty it before you try again, if the database has no site")
    })?;
    progress("Comparing");
    drop(in_force);
    compare(&database, &registry, &written).await?;
    database.close().await;
    Ok(report)
}

/// Reads what there is to be moved, and makes the DocType files of it.
async fn find(config: &Config, wanted: &Wanted) -> anyhow::Result<Found> {
    let mut source = FrappeSource::open(&wanted.from).await?;
    let definitions = Definitions::read(&mut source).await?;
    let mut report = Report::default();
    let present = sources::all(config, &[]).sources;
    let shipped = shipped_of(&present);
    let fates = Fates::decide(&mut source, &definitions, &registry_of(&shipped)?).await?;
    let folder = config.doctypes.first().context("no folder of DocTypes is configured")?.display().to_string();
    let mut files = Vec::new();
    for doctype in fates.of(&Fate::Own) {
        files.push(definitions.file(&folder, doctype)?);
    }
    // Where Frappe has broken a rule of its own, the file stays in Frappe's form.
    let loaded = load(&[&shipped[..], &files[..]].concat());
    let broken = loaded.broken();
    for (file, doctype) in files.iter_mut().zip(fates.of(&Fate::Own)).filter(|(_, doctype)| broken.contains(doctype)) {
        *file = definitions.file_in_json(&folder, doctype)?;
    }
    let bases = registry_of(&[&shipped[..], &files[..]].concat())?;
    for doctype in definitions.doctypes.keys().filter(|doctype| fates.moves(doctype)) {
        let Some(base) = bases.get(doctype) else { continue };
        let (overlay, unsaid) = definitions.overlay(&folder, base)?;
        for line in unsaid {
            report.unsaid(line);
        }
        files.extend(overlay);
    }
    // What an earlier try wrote is the same, and is there once.
    let is_new = |source: &&Source| !files.iter().any(|file| Path::new(&file.path) == Path::new(&source.path));
    let others: Vec<Source> = present.iter().filter(is_new).cloned().collect();
    let registry = registry_of(&[&others[..], &files[..]].concat())?;
    report.definitions = files.iter().map(|file| file.path.clone()).collect();
    for (doctype, fate) in &fates.by_doctype {
        let rows = fates.rows(doctype);
        if let Fate::Left(why) = fate
            && rows > 0
        {
            report.left(doctype, rows, why);
        }
    }
    tell_tables(&mut source, &definitions, &mut report).await?;
    let zone = zone(&mut source, &mut report).await?;
    blemishes::find(&mut source, &definitions, &fates, &registry, &mut report).await?;
    Ok(Found { source, fates, files, registry, zone, report })
}

fn shipped_of(sources: &[Source]) -> Vec<Source> {
    sources.iter().filter(|source| source.is_shipped()).cloned().collect()
}

/// The DocTypes of files, none of which may have an error.
fn registry_of(sources: &[Source]) -> anyhow::Result<Registry> {
    let loaded = load(sources);
    let errors: Vec<String> =
        loaded.problems.iter().filter(|problem| problem.severity == Severity::Error).map(ToString::to_string).collect();
    ensure!(errors.is_empty(), "DocTypes of the Frappe site cannot be used here:\n{}", errors.join("\n"));
    Ok(Registry::new(loaded.doctypes.iter().map(Arc::clone), 1))
}

/// The tables without a DocType.
async fn tell_tables(source: &mut FrappeSource, definitions: &Definitions, report: &mut Report) -> anyhow::Result<()> {
    const KNOWN: [&str; 3] = ["__Auth", "tabSeries", "tabSingles"];
    let without = |table: &&str| {
        let doctype = table.strip_prefix("tab").unwrap_or(table);
        !KNOWN.contains(table) && !definitions.doctypes.contains_key(doctype)
    };
    let tables: Vec<String> = source.tables().filter(without).map(str::to_owned).collect();
    for table in tables {
        let rows = source.count(&table).await?;
        if rows > 0 {
            report.left(&table, rows, "a table without a DocType");
        }
    }
    Ok(())
}

/// The zone in which the site wrote its times.
async fn zone(source: &mut FrappeSource, report: &mut Report) -> anyhow::Result<Zone> {
    let singles = source.all("tabSingles", &["doctype", "field", "value"], &[]).await?;
    let cell = |row: &[Option<String>], index: usize| row.get(index).cloned().flatten().unwrap_or_default();
    let of_settings = |row: &&Vec<Option<String>>| cell(row, 0) == "System Settings" && cell(row, 1) == "time_zone";
    let name = singles.iter().find(of_settings).map(|row| cell(row, 2)).unwrap_or_default();
    Ok(Zone::parse(&name).unwrap_or_else(|| {
        report.blemish(format!("System Settings: `{name}` is not a time zone; times are taken to be in UTC"));
        Zone::UTC
    }))
}

fn tell_rest(files: &Files<'_>, report: &mut Report) -> anyhow::Result<()> {
    for url in files.rest()? {
        report.left(&url, 0, "a file that no File document names");
    }
    Ok(())
}

/// Writes the DocType files. One that is there with other content is somebody's work, and stays.
fn write_definitions(files: &[Source]) -> anyhow::Result<()> {
    let differs = |file: &&Source| std::fs::read_to_string(&file.path).is_ok_and(|present| present != file.text);
    let differing: Vec<&str> = files.iter().filter(differs).map(|file| file.path.as_str()).collect();
    ensure!(
        differing.is_empty(),
        "these files are there and say something else: move them away\n{}",
        differing.join("\n")
    );
    for file in files {
        let path = Path::new(&file.path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
        }
        std::fs::write(path, &file.text).with_context(|| format!("write {}", file.path))?;
    }
    Ok(())
}
