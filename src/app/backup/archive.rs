//! The file of a backup: a gzipped tar with `tables/tabToDo.jsonl` and so on, one row per line, `files/…`, and at last
//! `manifest.json`, which says how many rows and bytes there are and what their digests are.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, Write};
use std::path::{Component, Path};

use anyhow::{Context as _, bail, ensure};
use chrono::{DateTime, SecondsFormat, Utc};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::app::site_key::Sealing;
use crate::database::transfer::Table;
use crate::files::Files;
use crate::meta::Value;
use crate::meta::fieldtype::Shape;
use crate::secret::{self, Sha256};

/// The version of the format that is written; newer ones are refused.
const FORMAT: u32 = 1;
/// Where the facts about everything else stand.
const MANIFEST: &str = "manifest.json";
/// The folder of the uploaded files.
const FILES: &str = "files";
/// How much is passed on at once.
const PIECE: usize = 64 * 1024;

/// What a backup holds.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Manifest {
    pub format: u32,
    /// The version of the program that wrote it.
    pub version: String,
    /// When (RFC 3339, UTC).
    pub taken_at: String,
    /// The id of the key that sealed the secrets.
    pub site_key: Option<String>,
    /// The ids of the keys that sealed some of them, while that one took their place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub older_site_keys: Vec<String>,
    /// The key itself, closed by a passphrase.
    pub key: Option<ClosedKey>,
    /// The tables.
    pub tables: Vec<TableEntry>,
    /// The uploaded files.
    pub files: Vec<FileEntry>,
}

impl Manifest {
    /// The keys without which its secrets do not open.
    pub(super) fn sealing(&self) -> Sealing {
        Sealing { current: self.site_key.clone(), next: None, older: self.older_site_keys.clone() }
    }

    /// What is in the backup, in a sentence.
    pub(crate) fn summary(&self) -> String {
        let rows: u64 = self.tables.iter().map(|table| table.content.rows).sum();
        let bytes: u64 = self.files.iter().map(|file| file.bytes).sum();
        format!("{rows} rows in {} tables, {} files with {bytes} bytes", self.tables.len(), self.files.len())
    }
}

/// A text that a passphrase opens.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct ClosedKey {
    pub salt: String,
    pub sealed: String,
}

/// A table in a backup.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct TableEntry {
    /// Its name.
    pub name: String,
    /// Where its rows stand.
    pub entry: String,
    /// The names of its columns, in the order of its rows.
    pub columns: Vec<String>,
    /// What is in it.
    #[serde(flatten)]
    pub content: Content,
    /// The last number, where its rows are numbered.
    pub counter: Option<i64>,
}

/// An uploaded file in a backup.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct FileEntry {
    /// Its path below the folder of files.
    pub path: String,
    /// How long it is.
    pub bytes: u64,
    /// In hexadecimal.
    pub sha256: String,
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
pub(in crate::app) struct Counting {
    rows: u64,
    sum: [u64; 4],
}

impl Counting {
    pub(in crate::app) fn add(&mut self, line: &str) {
        self.rows += 1;
        let digest = secret::sha256(line);
        for (sum, part) in self.sum.iter_mut().zip(digest.chunks_exact(8)) {
            *sum = sum.wrapping_add(u64::from_be_bytes(part.try_into().unwrap_or_default()));
        }
    }

    pub(in crate::app) fn content(&self) -> Content {
        Content { rows: self.rows, digest: secret::hex(&self.sum.map(u64::to_be_bytes).concat()) }
    }
}

/// A row as a line of JSON. Floats are texts, which say every bit.
pub(in crate::app) fn to_line(row: &[Value]) -> String {
    let values = row.iter().map(|value| match value {
        Value::Null => Json::Null,
        Value::Int(number) => Json::from(*number),
        Value::Float(number) => Json::from(format!("{number:?}")),
        Value::Text(text) => Json::from(text.as_str()),
    });
    Json::Array(values.collect()).to_string()
}

/// The row of a line.
pub(super) fn from_line(line: &str, shapes: &[Shape]) -> anyhow::Result<Vec<Value>> {
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

/// Where the rows of a table stand.
pub(super) fn entry_of(table: &str) -> String {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b' ').remove(b'-');
    format!("tables/{}.jsonl", utf8_percent_encode(table, KEPT))
}

/// A backup that is being written.
pub(super) struct Writer<W: Write> {
    archive: tar::Builder<GzEncoder<BufWriter<W>>>,
    tables: Vec<TableEntry>,
}

impl<W: Write> Writer<W> {
    /// Into something empty.
    pub(super) fn new(output: W) -> Self {
        let output = BufWriter::with_capacity(PIECE, output);
        let archive = tar::Builder::new(GzEncoder::new(output, Compression::fast()));
        Self { archive, tables: Vec::new() }
    }

    /// Adds a table, whose rows were written to a file as lines.
    pub(super) fn add_table(
        &mut self,
        table: &Table,
        lines: &mut File,
        content: Content,
        counter: Option<i64>,
    ) -> anyhow::Result<()> {
        let (bytes, entry) = (lines.stream_position()?, entry_of(&table.name));
        lines.rewind()?;
        self.archive.append_data(&mut header(bytes), &entry, BufReader::new(lines))?;
        let columns = table.columns.iter().map(|(name, _)| name.clone()).collect();
        self.tables.push(TableEntry { name: table.name.clone(), entry, columns, content, counter });
        Ok(())
    }

    /// Adds the files below a folder.
    pub(super) async fn add_files(&mut self, files: &Files) -> anyhow::Result<Vec<FileEntry>> {
        let mut entries = Vec::new();
        for path in files.paths().await.with_context(|| format!("list the files in {files}"))? {
            let fetched = files.fetch(&path).await.with_context(|| format!("read the file {path}"))?;
            // Deleted a moment ago.
            let Some(mut content) = fetched else { continue };
            let (bytes, sha256) = digest(&mut content)?;
            content.rewind()?;
            self.archive.append_data(&mut header(bytes), format!("{FILES}/{path}"), content.take(bytes))?;
            entries.push(FileEntry { path, bytes, sha256 });
        }
        Ok(entries)
    }

    /// Ends it with its manifest; gives back what it was written into.
    pub(super) fn finish(
        mut self,
        taken_at: DateTime<Utc>,
        sealing: Sealing,
        key: Option<ClosedKey>,
        files: Vec<FileEntry>,
    ) -> anyhow::Result<(Manifest, W)> {
        let manifest = Manifest {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            taken_at: taken_at.to_rfc3339_opts(SecondsFormat::Millis, true),
            site_key: sealing.current,
            older_site_keys: sealing.older,
            key,
            tables: self.tables,
            files,
        };
        let text = serde_json::to_vec(&manifest)?;
        self.archive.append_data(&mut header(text.len() as u64), MANIFEST, &*text)?;
        let output = self.archive.into_inner()?.finish()?;
        Ok((manifest, output.into_inner().map_err(io::IntoInnerError::into_error)?))
    }
}

fn header(bytes: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o600);
    header
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
pub(super) enum Entry<'r> {
    /// The lines of a table, by the path of the entry.
    Table(&'r mut dyn Read),
    /// An uploaded file, by its path below the folder of files.
    File(&'r mut dyn Read),
}

/// Reads a backup to its end and compares what is in it with what its manifest says. Everything goes through `take` on the
/// way, which may leave any of it unread.
pub(super) fn read(
    input: impl Read,
    mut take: impl FnMut(&str, Entry<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<Manifest> {
    let mut archive = tar::Archive::new(GzDecoder::new(BufReader::with_capacity(PIECE, input)));
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
    // To its very end, which has checks of its own.
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).context("the backup is damaged")?;
    io::copy(&mut rest.into_inner(), &mut io::sink()).context("the backup is damaged")?;
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
pub(in crate::app) struct CountingLines<R> {
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
