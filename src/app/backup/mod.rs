//! A site in one file, and a site from one: every row as of one moment, the uploaded files and, closed by a passphrase, the
//! site's key. The same rows, without a file between, move a site from one database to another.
//!
//! A backup is read whole, and compared, when it was made and before anything of it is restored.

pub(in crate::app) mod archive;
mod output;
pub(in crate::app) mod place;
pub(crate) mod schedule;
pub(in crate::app) mod stage;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use chrono::{DateTime, Utc};
use futures_util::StreamExt as _;

use crate::app::backup::archive::{ClosedKey, Content, Counting, Entry, Manifest, TableEntry, Writer};
use crate::app::backup::output::Output;
use crate::app::backup::place::Target;
use crate::app::backup::stage::Stage;
use crate::app::site_key::{self, Sealing};
use crate::config::Config;
use crate::database::migrate::{MigrateOptions, migrate};
use crate::database::schema::wanted::DEFINITION_TABLE;
use crate::database::transfer::{self, Snapshot, Table};
use crate::database::{Database, Transaction, definitions, state};
use crate::files::{Files, NotEnded};
use crate::meta::fieldtype::Shape;
use crate::meta::{Registry, Value};
use crate::secret::age_file::{Keys, Lock};
use crate::secret::{passphrase, private};

/// Where the key's text is sealed.
const KEY_PLACE: &str = "the site key in a backup";

/// What is to be made.
pub(crate) struct Wanted {
    /// The file if it ends in `.backup` or `.backup.age`, or else a folder, or `s3://NAME/PREFIX`, in which the file is named
    /// after the time.
    pub to: PathBuf,
    /// Closes the site's key, which is in the backup then.
    pub passphrase: Option<String>,
    /// Whom it is encrypted for.
    pub lock: Option<Lock>,
    /// How many backups stay in the folder; the oldest go.
    pub keep: Option<usize>,
}

/// A backup that was made.
pub(crate) struct Made {
    /// Where it is, for people.
    pub place: String,
    /// What is in it.
    pub manifest: Manifest,
    /// How far it was compared, for people.
    pub compared: &'static str,
}

/// Writes a backup of the site, compares it, and says where it is. The site may be served meanwhile.
///
/// The file has its name only once it is whole and durable; never in place of another.
pub(crate) async fn back_up(config: &Config, wanted: &Wanted, now: DateTime<Utc>) -> anyhow::Result<Made> {
    let target = Target::to_make(config, &wanted.to, wanted.lock.is_some(), now)?;
    target.make_room().await?;
    let files = Files::open(config)?;
    let scratch = target.scratch(&files)?;
    let (mut part, sink) = target.begin()?;
    let lock = wanted.lock.as_ref();
    let written = async {
        let output = Output::new(sink, lock)?;
        let (manifest, output) = Box::pin(write(config, wanted, now, (&files, &scratch), output)).await?;
        anyhow::Ok((manifest, output.end()?))
    };
    let written = written.await;
    let stored = part.end().await;
    let compared = match (written, stored) {
        (Ok((manifest, written)), Ok(())) => {
            let compared = target.read_part(&part).and_then(|stored| written.compare(stored, lock, &manifest));
            compared.map(|compared| (manifest, compared))
        }
        // What the place complains of says more than that it takes nothing, unless it was left alone.
        (Err(error), Err(stored)) if stored.is::<NotEnded>() => Err(error),
        (Err(error), Ok(())) | (_, Err(error)) => Err(error),
    };
    match compared {
        Ok((manifest, compared)) => {
            target.keep(part)?;
            if let Some(keep) = wanted.keep {
                target.rotate(keep).await?;
            }
            Ok(Made { place: target.to_string(), manifest, compared })
        }
        Err(error) => {
            target.discard(part).await;
            Err(error)
        }
    }
}

async fn write(
    config: &Config,
    wanted: &Wanted,
    now: DateTime<Utc>,
    (files, scratch): (&Files, &Path),
    output: Output,
) -> anyhow::Result<(Manifest, Output)> {
    let database = Database::open(config.database_url.reveal()).await.context("open the database")?;
    let snapshot = Snapshot::take(&database).await?;
    let registry = transfer::registry(&snapshot).await?;
    let mut archive = Writer::new(output);
    for table in &transfer::tables(&registry) {
        let mut rows = snapshot.rows(table).await.with_context(|| format!("read {}", table.name))?;
        let mut lines = BufWriter::new(tempfile::tempfile_in(scratch)?);
        let mut counting = Counting::default();
        while let Some(row) = rows.next().await {
            let line = archive::to_line(&row.with_context(|| format!("read {}", table.name))?);
            counting.add(&line);
            writeln!(lines, "{line}")?;
        }
        drop(rows);
        let counter = snapshot.counter(table).await?;
        archive.add_table(table, &mut lines.into_inner()?, counting.content(), counter)?;
    }
    let sealing = Sealing::read(&snapshot).await?;
    drop(snapshot);
    database.close().await;
    let files = archive.add_files(files).await?;
    let key = match (&wanted.passphrase, &sealing.current) {
        (Some(passphrase), Some(_)) => Some(close_key(&config.secret_key_file, &sealing, passphrase)?),
        _ => None,
    };
    archive.finish(now, sealing, key, files)
}

/// The keys of the file, with which everything must open.
fn close_key(path: &Path, sealing: &Sealing, passphrase: &str) -> anyhow::Result<ClosedKey> {
    site_key::ensure_knows(path, sealing.needed())?;
    let text = std::fs::read_to_string(path).with_context(|| format!("read the key file {}", path.display()))?;
    let (salt, sealed) = passphrase::close(&text, passphrase, KEY_PLACE)?;
    Ok(ClosedKey { salt, sealed })
}

/// Fills an empty site from a backup: all of it, or nothing. `keys` open the backup, `passphrase` the site's key in it.
pub(crate) async fn restore(
    config: &Config,
    path: &Path,
    keys: &Keys,
    passphrase: Option<&str>,
) -> anyhow::Result<Manifest> {
    let backup = Target::to_read(path)?;
    // First to its end, so that a damaged one changes nothing.
    let mut kept = Vec::new();
    let manifest = archive::read(output::open(backup.read()?, keys)?, |name, entry| {
        if let Entry::Table(rows) = entry {
            // The manifest comes last, and the tables cannot be made without them.
            if name == archive::entry_of(DEFINITION_TABLE) {
                rows.read_to_end(&mut kept)?;
            }
        }
        Ok(())
    })?;
    let database = Database::open(config.database_url.reveal()).await.context("open the database")?;
    ensure_empty(&database).await?;
    let files = Files::open(config)?;
    let stage = Stage::new(files.clone()).await?;
    restore_key(config, &manifest, passphrase)?;
    let registry = transfer::registry_of(&definitions::kept(definitions_in(&kept)?))?;
    migrate(&database, &registry, MigrateOptions::default()).await.context("make the tables")?;
    let tables: BTreeMap<String, Table> =
        transfer::tables(&registry).into_iter().map(|table| (table.name.clone(), table)).collect();
    let entries: BTreeMap<&str, &TableEntry> =
        manifest.tables.iter().map(|entry| (entry.entry.as_str(), entry)).collect();
    let transaction = database.begin().await?;
    transfer::forget_definitions(&transaction).await?;
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        archive::read(output::open(backup.read()?, keys)?, |name, entry| match entry {
            Entry::Table(rows) => {
                let entry = entries.get(name).context("the backup has changed meanwhile")?;
                let table =
                    tables.get(&entry.name).with_context(|| format!("no DocType has the table {}", entry.name))?;
                let columns: Vec<&String> = table.columns.iter().map(|(name, _)| name).collect();
                ensure!(entry.columns.iter().eq(columns), "{} has other columns than its definition", entry.name);
                runtime.block_on(load(&transaction, table, entry, rows))
            }
            Entry::File(content) => stage.write(name, content),
        })
    })?;
    manifest.sealing().write(&transaction).await.context("note which key the site has")?;
    stage.publish().await?;
    transaction.commit().await.with_context(|| {
        format!("end the restore; its files are in {files}: empty it before you try again, if the database has no site")
    })?;
    let expected = manifest.tables.iter().map(|entry| (entry.name.clone(), entry.content.clone())).collect();
    compare(&database, &registry, &expected).await?;
    database.close().await;
    Ok(manifest)
}

fn definitions_in(lines: &[u8]) -> anyhow::Result<Vec<Vec<Value>>> {
    let lines = std::str::from_utf8(lines)?.lines();
    lines.map(|line| archive::from_line(line, &[Shape::Text; 3])).collect()
}

async fn load(transaction: &Transaction, table: &Table, entry: &TableEntry, rows: &mut dyn Read) -> anyhow::Result<()> {
    let shapes = table.shapes();
    let most = transfer::rows_at_once(table);
    let mut together = Vec::with_capacity(most);
    for line in BufReader::new(rows).lines() {
        together.push(archive::from_line(&line?, &shapes).with_context(|| format!("read a row of {}", table.name))?);
        if together.len() == most {
            write_rows(transaction, table, &mut together).await?;
        }
    }
    write_rows(transaction, table, &mut together).await?;
    if let Some(last) = entry.counter {
        transfer::set_counter(transaction, table, last).await?;
    }
    Ok(())
}

/// Writes the rows, and empties the list.
pub(in crate::app) async fn write_rows(
    transaction: &Transaction,
    table: &Table,
    rows: &mut Vec<Vec<Value>>,
) -> anyhow::Result<()> {
    transfer::load(transaction, table, rows).await.with_context(|| format!("write rows of {}", table.name))?;
    rows.clear();
    Ok(())
}

/// Reads everything again, and fails where it is not what it should be.
pub(in crate::app) async fn compare(
    database: &Database,
    registry: &Registry,
    expected: &BTreeMap<String, Content>,
) -> anyhow::Result<()> {
    let snapshot = Snapshot::take(database).await?;
    for table in transfer::tables(registry) {
        let (found, expected) =
            (content(&snapshot, &table).await?, expected.get(&table.name).cloned().unwrap_or_default());
        ensure!(
            found == expected,
            "{} has {} rows that are not the {} of the other site",
            table.name,
            found.rows,
            expected.rows
        );
    }
    Ok(())
}

/// What is in a table.
pub(in crate::app) async fn content(snapshot: &Snapshot, table: &Table) -> anyhow::Result<Content> {
    let mut counting = Counting::default();
    let mut rows = snapshot.rows(table).await?;
    while let Some(row) = rows.next().await {
        counting.add(&archive::to_line(&row?));
    }
    Ok(counting.content())
}

/// Fails where a site is already.
pub(in crate::app) async fn ensure_empty(database: &Database) -> anyhow::Result<()> {
    ensure!(
        !state::has_rows(database, "tabUser").await?,
        "there is a site in this database already: name an empty one by DOCTYPED_DATABASE_URL"
    );
    Ok(())
}

fn restore_key(config: &Config, manifest: &Manifest, passphrase: Option<&str>) -> anyhow::Result<()> {
    let path = &config.secret_key_file;
    if manifest.site_key.is_none() {
        return Ok(());
    }
    if path.exists() {
        return site_key::ensure_knows(path, manifest.sealing().needed());
    }
    let (Some(closed), Some(passphrase)) = (&manifest.key, passphrase) else {
        bail!(
            "the key file {} is missing: put it there{}. Without it no secret of the site can be read",
            path.display(),
            if manifest.key.is_some() { ", or give the passphrase of the key in the backup" } else { "" }
        );
    };
    let opened = passphrase::open(&closed.salt, &closed.sealed, passphrase, KEY_PLACE)?;
    let Ok(text) = opened else { bail!("this is not the passphrase of the key in the backup") };
    private::write_new(path, &text).with_context(|| format!("write the key file {}", path.display()))
}

/// Copies a site into an empty database of either kind: all of it, or nothing. Says how many rows there are by table.
///
/// The files and the key are the same for both, and stay where they are. A site that is served is not copied: what is written
/// meanwhile would stay behind.
pub(crate) async fn copy(from: &str, to: &str) -> anyhow::Result<BTreeMap<String, Content>> {
    let source = Database::open(from).await.context("open the database to copy from")?;
    let _alone = source.claim_alone().await?;
    let target = Database::open(to).await.context("open the database to copy to")?;
    ensure_empty(&target).await?;
    let snapshot = Snapshot::take(&source).await?;
    let registry = transfer::registry(&snapshot).await?;
    migrate(&target, &registry, MigrateOptions::default()).await.context("make the tables")?;
    let transaction = target.begin().await?;
    transfer::forget_definitions(&transaction).await?;
    let mut copied = BTreeMap::new();
    for table in transfer::tables(&registry) {
        let most = transfer::rows_at_once(&table);
        let mut rows = snapshot.rows(&table).await.with_context(|| format!("read {}", table.name))?.chunks(most);
        let mut counting = Counting::default();
        while let Some(chunk) = rows.next().await {
            let mut chunk =
                chunk.into_iter().collect::<Result<Vec<_>, _>>().with_context(|| format!("read {}", table.name))?;
            for row in &chunk {
                counting.add(&archive::to_line(row));
            }
            write_rows(&transaction, &table, &mut chunk).await?;
        }
        drop(rows);
        if let Some(last) = snapshot.counter(&table).await? {
            transfer::set_counter(&transaction, &table, last).await?;
        }
        copied.insert(table.name, counting.content());
    }
    Sealing::read(&snapshot).await?.settled().write(&transaction).await.context("note which key the site has")?;
    transaction.commit().await?;
    compare(&target, &registry, &copied).await?;
    drop(snapshot);
    source.close().await;
    target.close().await;
    Ok(copied)
}
