//! A site in one file, and a site from one: every row as of one moment, the uploaded files and, closed by a passphrase, the
//! site's key. The same rows, without a file between, move a site from one database to another.
//!
//! The file is a gzipped tar: `tables/tabToDo.jsonl` and so on with one row per line, `files/…`, and at last `manifest.json`, which says how
//! many rows and bytes there are and what their digests are. It is read whole, and compared, when it was made and before
//! anything of it is restored.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Seek as _, Write};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use chrono::{DateTime, SecondsFormat, Utc};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use futures_util::StreamExt as _;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::app::site_key;
use crate::config::Config;
use crate::database::migrate::{MigrateOptions, migrate};
use crate::database::schema::wanted::DEFINITION_TABLE;
use crate::database::transfer::{self, Snapshot, Table};
use crate::database::{Database, Transaction, definitions, state};
use crate::meta::Value;
use crate::meta::fieldtype::Shape;
use crate::secret::{self, Sha256, passphrase, private};

/// The version of the format that is written; newer ones are refused.
const FORMAT: u32 = 1;
/// Where the facts about everything else stand.
const MANIFEST: &str = "manifest.json";
/// The folder of the uploaded files.
const FILES: &str = "files";
/// Where the key's text is sealed.
const KEY_PLACE: &str = "the site key in a backup";
/// How the files of backups are called.
const PREFIX: &str = "doctyped-";
const SUFFIX: &str = ".backup";

/// What a backup holds.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Manifest {
    format: u32,
    /// The version of the program that wrote it.
    pub version: String,
    /// When (RFC 3339, UTC).
    pub taken_at: String,
    /// The id of the key that sealed the secrets.
    site_key: Option<String>,
    /// The key itself, closed by a passphrase.
    key: Option<ClosedKey>,
    /// The tables.
    pub tables: Vec<TableEntry>,
    /// The uploaded files.
    pub files: Vec<FileEntry>,
}

#[derive(Debug, Deserialize, Serialize)]
struct ClosedKey {
    salt: String,
    sealed: String,
}

/// A table in a backup.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct TableEntry {
    /// Its name.
    pub name: String,
    /// Where its rows stand.
    entry: String,
    columns: Vec<String>,
    /// What is in it.
    #[serde(flatten)]
    pub content: Content,
    /// The last number, where its rows are numbered.
    counter: Option<i64>,
}

/// An uploaded file in a backup.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct FileEntry {
    /// Its path below the folder of files.
    path: String,
    /// How long it is.
    pub bytes: u64,
    sha256: String,
}

/// How many rows a table has, and a digest of them all in which their order does not count.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Content {
    /// The number of rows.
    pub rows: u64,
    digest: String,
}

/// Counts rows and adds up their digests: databases order texts differently.
#[derive(Default)]
struct Counting {
    rows: u64,
    sum: [u64; 4],
}

impl Counting {
    fn add(&mut self, line: &str) {
        self.rows += 1;
        let digest = secret::sha256(line);
        for (sum, part) in self.sum.iter_mut().zip(digest.chunks_exact(8)) {
            *sum = sum.wrapping_add(u64::from_be_bytes(part.try_into().unwrap_or_default()));
        }
    }

    fn content(&self) -> Content {
        Content { rows: self.rows, digest: secret::hex(&self.sum.map(u64::to_be_bytes).concat()) }
    }
}

/// A row as a line of JSON. Floats are texts, which say every bit.
fn to_line(row: &[Value]) -> String {
    let values = row.iter().map(|value| match value {
        Value::Null => Json::Null,
        Value::Int(number) => Json::from(*number),
        Value::Float(number) => Json::from(format!("{number:?}")),
        Value::Text(text) => Json::from(text.as_str()),
    });
    Json::Array(values.collect()).to_string()
}

/// The row of a line.
fn from_line(line: &str, shapes: &[Shape]) -> anyhow::Result<Vec<Value>> {
    let values: Vec<Json> = serde_json::from_str(line)?;
    ensure!(values.len() == shapes.len(), "a row has {} values instead of {}", values.len(), shapes.len());
    let value = |(value, shape): (Json, &Shape)| {
        Ok(match (value, shape) {
            (Json::Null, _) => Value::Null,
            (Json::Number(number), Shape::Int) => Value::Int(number.as_i64().context("a number is too large")?),
            (Json::String(text), Shape::Float) => Value::Float(text.parse()?),
            (Json::String(text), Shape::Text) => Value::Text(text),
            (other, shape) => bail!("{other} is not a value of the shape {shape:?}"),
        })
    };
    values.into_iter().zip(shapes).map(value).collect()
}

/// What is to be made.
pub(crate) struct Wanted {
    /// A folder, in which the file gets a name of its own, or the path of the file.
    pub to: PathBuf,
    /// Closes the site's key, which is in the backup then.
    pub passphrase: Option<String>,
    /// How many backups stay in the folder; the oldest go.
    pub keep: Option<usize>,
}

/// Writes a backup of the site, reads it again, and says where it is. The site may be served meanwhile.
pub(crate) async fn back_up(
    config: &Config,
    wanted: &Wanted,
    now: DateTime<Utc>,
) -> anyhow::Result<(PathBuf, Manifest)> {
    let path = if wanted.to.is_dir() || wanted.to.extension().is_none() {
        wanted.to.join(format!("{PREFIX}{}{SUFFIX}", now.format("%Y%m%dT%H%M%S%.3fZ")))
    } else {
        wanted.to.clone()
    };
    ensure!(!path.exists(), "{} exists already: name another file", path.display());
    let part = path.with_extension("part");
    drop(std::fs::remove_file(&part));
    private::own_file(&part).with_context(|| format!("make {}", part.display()))?;
    let made = write(config, wanted, now, &part).await.and_then(|written| {
        let read = read(&part, |_, _| Ok(()))?;
        ensure!(serde_json::to_value(&read)? == serde_json::to_value(&written)?, "what was written reads otherwise");
        std::fs::rename(&part, &path)?;
        Ok(written)
    });
    if made.is_err() {
        // What is not whole is of no use to anybody.
        drop(std::fs::remove_file(&part));
    }
    let manifest = made.with_context(|| format!("back up to {}", path.display()))?;
    if let (Some(keep), Some(folder)) = (wanted.keep, path.parent()) {
        rotate(folder, keep)?;
    }
    Ok((path, manifest))
}

async fn write(config: &Config, wanted: &Wanted, now: DateTime<Utc>, part: &Path) -> anyhow::Result<Manifest> {
    let database = Database::open(config.database_url.reveal()).await.context("open the database")?;
    let snapshot = Snapshot::take(&database).await?;
    let registry = transfer::registry(&snapshot).await?;
    let file = File::options().write(true).truncate(true).open(part)?;
    let mut archive = tar::Builder::new(GzEncoder::new(BufWriter::new(file), Compression::fast()));
    let mut tables = Vec::new();
    for table in &transfer::tables(&registry) {
        let mut rows = snapshot.rows(table).await.with_context(|| format!("read {}", table.name))?;
        let mut lines = BufWriter::new(tempfile::tempfile()?);
        let mut counting = Counting::default();
        while let Some(row) = rows.next().await {
            let line = to_line(&row.with_context(|| format!("read {}", table.name))?);
            counting.add(&line);
            lines.write_all(line.as_bytes())?;
            lines.write_all(b"\n")?;
        }
        drop(rows);
        let mut lines = lines.into_inner()?;
        let entry = entry_of(&table.name);
        append(&mut archive, &entry, &mut lines)?;
        tables.push(TableEntry {
            name: table.name.clone(),
            entry,
            columns: table.columns.iter().map(|(name, _)| name.clone()).collect(),
            content: counting.content(),
            counter: snapshot.counter(table).await?,
        });
    }
    let site_key = site_key::id_in(&snapshot).await?;
    drop(snapshot);
    database.close().await;
    let files = append_files(&mut archive, &config.files)?;
    let key = match &wanted.passphrase {
        Some(passphrase) => {
            let path = &config.secret_key_file;
            let text =
                std::fs::read_to_string(path).with_context(|| format!("read the key file {}", path.display()))?;
            let (salt, sealed) = passphrase::close(&text, passphrase, KEY_PLACE)?;
            Some(ClosedKey { salt, sealed })
        }
        None => None,
    };
    let (version, taken_at) = (env!("CARGO_PKG_VERSION").to_owned(), now.to_rfc3339_opts(SecondsFormat::Millis, true));
    let manifest = Manifest { format: FORMAT, version, taken_at, site_key, key, tables, files };
    let text = serde_json::to_vec(&manifest)?;
    archive.append_data(&mut header(text.len() as u64), MANIFEST, &*text)?;
    let file = archive.into_inner()?.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(manifest)
}

fn header(bytes: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o600);
    header
}

fn append(archive: &mut tar::Builder<impl Write>, entry: &str, file: &mut File) -> anyhow::Result<()> {
    let bytes = file.stream_position()?;
    file.rewind()?;
    archive.append_data(&mut header(bytes), entry, BufReader::new(file))?;
    Ok(())
}

/// The files below a folder, with their paths below it.
fn below(folder: &Path) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let entries = match std::fs::read_dir(&next) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries.with_context(|| format!("read the folder {}", next.display()))?,
        };
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let path = entry.path();
                let name = path.strip_prefix(folder).ok().and_then(Path::to_str);
                let name = name.with_context(|| format!("{} is not UTF-8", path.display()))?;
                found.insert(name.to_owned(), path);
            }
        }
    }
    Ok(found)
}

fn append_files(archive: &mut tar::Builder<impl Write>, folder: &Path) -> anyhow::Result<Vec<FileEntry>> {
    let mut files = Vec::new();
    for (path, file) in below(folder)? {
        let mut content = match File::open(&file) {
            // Deleted a moment ago.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            opened => opened.with_context(|| format!("open {}", file.display()))?,
        };
        let (bytes, sha256) = digest(&mut content)?;
        content.rewind()?;
        archive.append_data(&mut header(bytes), format!("{FILES}/{path}"), content.take(bytes))?;
        files.push(FileEntry { path, bytes, sha256 });
    }
    Ok(files)
}

/// The length and the digest of what is left to read.
fn digest(content: &mut impl Read) -> io::Result<(u64, String)> {
    let (mut digest, mut bytes, mut piece) = (Sha256::default(), 0, vec![0; 64 * 1024]);
    loop {
        match content.read(&mut piece)? {
            0 => return Ok((bytes, secret::hex(&digest.finish()))),
            read => {
                bytes += read as u64;
                digest.update(&piece[..read]);
            }
        }
    }
}

/// What comes of reading an archive entry.
enum Entry<'r> {
    /// The lines of a table, by the path of the entry.
    Table(&'r mut dyn Read),
    /// An uploaded file, by its path below the folder of files.
    File(&'r mut dyn Read),
}

/// Reads a backup to its end and compares what is in it with what its manifest says. Everything goes through `take` on the
/// way, which may leave any of it unread.
fn read(path: &Path, mut take: impl FnMut(&str, Entry<'_>) -> anyhow::Result<()>) -> anyhow::Result<Manifest> {
    let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(file)));
    let mut tables: BTreeMap<String, Content> = BTreeMap::new();
    let mut files: BTreeMap<String, (u64, String)> = BTreeMap::new();
    let mut manifest: Option<Manifest> = None;
    for entry in archive.entries().context("this is not a backup")? {
        let mut entry = entry.context("the backup is damaged")?;
        let name = entry.path()?.to_str().context("the backup has a path that is not UTF-8")?.to_owned();
        if name == MANIFEST {
            let read: Manifest = serde_json::from_reader(&mut entry).context("the manifest cannot be read")?;
            ensure!(
                read.format <= FORMAT,
                "Doctyped {} wrote this backup: restore it with that version or a newer one",
                read.version
            );
            manifest = Some(read);
        } else if let Some(path) = name.strip_prefix("files/") {
            let safe = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
            ensure!(safe && !path.is_empty(), "the backup has a file outside its folder: {path}");
            let mut noted = Noting { inner: &mut entry, digest: Sha256::default(), bytes: 0 };
            take(path, Entry::File(&mut noted))?;
            io::copy(&mut noted, &mut io::sink())?;
            files.insert(path.to_owned(), (noted.bytes, secret::hex(&noted.digest.finish())));
        } else {
            let mut counted = CountingLines::new(&mut entry);
            take(&name, Entry::Table(&mut counted))?;
            io::copy(&mut counted, &mut io::sink())?;
            tables.insert(name, counted.counting.content());
        }
    }
    let manifest = manifest.context("the backup is not complete: its manifest is missing")?;
    for table in &manifest.tables {
        ensure!(tables.get(&table.entry) == Some(&table.content), "the backup is damaged: {} differs", table.name);
    }
    for file in &manifest.files {
        let expected = (file.bytes, file.sha256.clone());
        ensure!(files.get(&file.path) == Some(&expected), "the backup is damaged: the file {} differs", file.path);
    }
    ensure!(
        tables.len() == manifest.tables.len() && files.len() == manifest.files.len(),
        "the backup is damaged: it holds what its manifest does not know"
    );
    Ok(manifest)
}

/// Notes the digest of what passes.
struct Noting<R> {
    inner: R,
    digest: Sha256,
    bytes: u64,
}

impl<R: Read> Read for Noting<R> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(piece)?;
        self.digest.update(&piece[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

/// Counts the lines of what passes.
struct CountingLines<R> {
    inner: R,
    line: Vec<u8>,
    counting: Counting,
}

impl<R: Read> CountingLines<R> {
    fn new(inner: R) -> Self {
        Self { inner, line: Vec::new(), counting: Counting::default() }
    }
}

impl<R: Read> Read for CountingLines<R> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(piece)?;
        for part in piece[..read].split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if self.line.pop_if(|byte| *byte == b'\n').is_some() {
                let line = std::str::from_utf8(&self.line).map_err(io::Error::other)?;
                self.counting.add(line);
                self.line.clear();
            }
        }
        Ok(read)
    }
}

/// Removes the oldest backups of a folder beyond that many.
fn rotate(folder: &Path, keep: usize) -> anyhow::Result<()> {
    let mut backups: Vec<PathBuf> = std::fs::read_dir(folder)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with(PREFIX) && name.ends_with(SUFFIX)
        })
        .collect();
    // Their names begin with the time.
    backups.sort();
    let surplus = backups.len().saturating_sub(keep.max(1));
    for path in &backups[..surplus] {
        std::fs::remove_file(path).with_context(|| format!("remove the old backup {}", path.display()))?;
    }
    Ok(())
}

/// Fills an empty site from a backup: all of it, or nothing.
pub(crate) async fn restore(config: &Config, path: &Path, passphrase: Option<&str>) -> anyhow::Result<Manifest> {
    // First to its end, so that a damaged one changes nothing.
    let mut kept = Vec::new();
    let manifest = read(path, |name, entry| {
        if let Entry::Table(rows) = entry {
            // The manifest comes last, and the tables cannot be made without them.
            if name == entry_of(DEFINITION_TABLE) {
                rows.read_to_end(&mut kept)?;
            }
        }
        Ok(())
    })?;
    let database = Database::open(config.database_url.reveal()).await.context("open the database")?;
    ensure_empty(&database).await?;
    ensure!(
        below(&config.files)?.is_empty(),
        "the folder {} holds files already: name an empty one by DOCTYPED_FILES",
        config.files.display()
    );
    restore_key(config, &manifest, passphrase)?;
    let registry = transfer::registry_of(&definitions::kept(definitions_in(&kept)?))?;
    migrate(&database, &registry, MigrateOptions::default()).await.context("make the tables")?;
    let tables: BTreeMap<String, Table> =
        transfer::tables(&registry).into_iter().map(|table| (table.name.clone(), table)).collect();
    let entries: BTreeMap<&str, &TableEntry> =
        manifest.tables.iter().map(|entry| (entry.entry.as_str(), entry)).collect();
    let transaction = database.begin().await?;
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        read(path, |name, entry| match entry {
            Entry::Table(rows) => {
                let entry = entries.get(name).context("the backup has changed meanwhile")?;
                let table =
                    tables.get(&entry.name).with_context(|| format!("no DocType has the table {}", entry.name))?;
                let columns: Vec<&String> = table.columns.iter().map(|(name, _)| name).collect();
                ensure!(entry.columns.iter().eq(columns), "{} has other columns than its definition", entry.name);
                runtime.block_on(load(&transaction, table, entry, rows))
            }
            Entry::File(content) => {
                let target = config.files.join(name);
                if let Some(folder) = target.parent() {
                    private::own_folder(folder)?;
                }
                private::own_file(&target)?;
                io::copy(content, &mut File::options().write(true).truncate(true).open(&target)?)?;
                Ok(())
            }
        })
    })?;
    if let Some(id) = &manifest.site_key {
        site_key::note(&transaction, id).await?;
    }
    transaction.commit().await?;
    let expected = manifest.tables.iter().map(|entry| (entry.name.clone(), entry.content.clone())).collect();
    compare(&database, &registry, &expected).await?;
    database.close().await;
    Ok(manifest)
}

/// Where the rows of a table stand.
fn entry_of(table: &str) -> String {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b' ').remove(b'-');
    format!("tables/{}.jsonl", utf8_percent_encode(table, KEPT))
}

fn definitions_in(lines: &[u8]) -> anyhow::Result<Vec<Vec<Value>>> {
    let lines = std::str::from_utf8(lines)?.lines();
    lines.map(|line| from_line(line, &[Shape::Text; 3])).collect()
}

async fn load(transaction: &Transaction, table: &Table, entry: &TableEntry, rows: &mut dyn Read) -> anyhow::Result<()> {
    let shapes = table.shapes();
    let most = transfer::rows_at_once(table);
    let mut together = Vec::with_capacity(most);
    for line in BufReader::new(rows).lines() {
        together.push(from_line(&line?, &shapes).with_context(|| format!("read a row of {}", table.name))?);
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

async fn write_rows(transaction: &Transaction, table: &Table, rows: &mut Vec<Vec<Value>>) -> anyhow::Result<()> {
    transfer::load(transaction, table, rows).await.with_context(|| format!("write rows of {}", table.name))?;
    rows.clear();
    Ok(())
}

/// Reads everything again, and fails where it is not what it should be.
async fn compare(
    database: &Database,
    registry: &crate::meta::Registry,
    expected: &BTreeMap<String, Content>,
) -> anyhow::Result<()> {
    let snapshot = Snapshot::take(database).await?;
    for table in transfer::tables(registry) {
        let mut counting = Counting::default();
        let mut rows = snapshot.rows(&table).await?;
        while let Some(row) = rows.next().await {
            counting.add(&to_line(&row?));
        }
        let (found, expected) = (counting.content(), expected.get(&table.name).cloned().unwrap_or_default());
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

async fn ensure_empty(database: &Database) -> anyhow::Result<()> {
    ensure!(
        !state::has_rows(database, "tabUser").await?,
        "there is a site in this database already: name an empty one by DOCTYPED_DATABASE_URL"
    );
    Ok(())
}

fn restore_key(config: &Config, manifest: &Manifest, passphrase: Option<&str>) -> anyhow::Result<()> {
    let path = &config.secret_key_file;
    let Some(id) = &manifest.site_key else { return Ok(()) };
    if path.exists() {
        return site_key::ensure_knows(path, id);
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
/// The files and the key are the same for both, and stay where they are.
pub(crate) async fn copy(from: &str, to: &str) -> anyhow::Result<BTreeMap<String, Content>> {
    let source = Database::open(from).await.context("open the database to copy from")?;
    let target = Database::open(to).await.context("open the database to copy to")?;
    ensure_empty(&target).await?;
    let snapshot = Snapshot::take(&source).await?;
    let registry = transfer::registry(&snapshot).await?;
    migrate(&target, &registry, MigrateOptions::default()).await.context("make the tables")?;
    let transaction = target.begin().await?;
    let mut copied = BTreeMap::new();
    for table in transfer::tables(&registry) {
        let most = transfer::rows_at_once(&table);
        let mut rows = snapshot.rows(&table).await.with_context(|| format!("read {}", table.name))?.chunks(most);
        let mut counting = Counting::default();
        while let Some(chunk) = rows.next().await {
            let mut chunk =
                chunk.into_iter().collect::<Result<Vec<_>, _>>().with_context(|| format!("read {}", table.name))?;
            for row in &chunk {
                counting.add(&to_line(row));
            }
            write_rows(&transaction, &table, &mut chunk).await?;
        }
        drop(rows);
        if let Some(last) = snapshot.counter(&table).await? {
            transfer::set_counter(&transaction, &table, last).await?;
        }
        copied.insert(table.name, counting.content());
    }
    if let Some(id) = site_key::id_in(&snapshot).await? {
        site_key::note(&transaction, &id).await?;
    }
    transaction.commit().await?;
    compare(&target, &registry, &copied).await?;
    drop(snapshot);
    source.close().await;
    target.close().await;
    Ok(copied)
}
