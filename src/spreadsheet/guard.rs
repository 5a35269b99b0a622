//! Looks into a workbook before it is unpacked: a few kilobytes can be made to become gigabytes.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufReader, Read, Seek as _, SeekFrom};

use quick_xml::events::{BytesStart, Event};
use zip::ZipArchive;
use zip::result::ZipError;

use crate::error::{Error, Result};

const MEGABYTE: u64 = 1024 * 1024;
/// How long one sheet of XLSX may be unpacked; it is read as a stream.
const LONGEST_SHEET: u64 = 4096 * MEGABYTE;
/// How long anything else may be, which is read into memory: the texts that XLSX shares between cells are most of it.
const LONGEST_PART: u64 = 256 * MEGABYTE;
/// From which length on a part may not be packed tighter than [`TIGHTEST`]: no spreadsheet does that.
const ALWAYS_FINE: u64 = 64 * MEGABYTE;
const TIGHTEST: u64 = 300;
/// How long a piece of text in XML may be. Spreadsheets end at 32,767 characters.
const LONGEST_TEXT: u64 = 4 * MEGABYTE;
/// How many parts a workbook may have.
const MOST_PARTS: usize = 5_000;
/// What a sheet of ODS may take once it is in memory, where all of it is.
const LARGEST_ODS: u64 = 256 * MEGABYTE;

/// Which kind of workbook a ZIP archive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Xlsx,
    Ods,
}

/// Refuses what is not a workbook, and what would take too much once it is unpacked. Leaves the file at its start.
pub(super) fn check(file: &mut File) -> Result<Kind> {
    let kind = check_parts(file)?;
    file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    Ok(kind)
}

fn check_parts(file: &mut File) -> Result<Kind> {
    let mut archive = ZipArchive::new(BufReader::new(&mut *file)).map_err(broken)?;
    if archive.len() > MOST_PARTS {
        return Err(Error::misuse(format!(
            "The workbook has more than {MOST_PARTS} parts: it was not made by a spreadsheet"
        )));
    }
    let names: Vec<String> = archive.file_names().filter_map(|name| name.ok().map(Cow::into_owned)).collect();
    let kind = if names.iter().any(|name| name == "xl/workbook.xml") {
        Kind::Xlsx
    } else if names.iter().any(|name| name == "content.xml") {
        Kind::Ods
    } else {
        return Err(Error::misuse("The file is a ZIP archive and not a workbook: save it as XLSX, ODS or CSV"));
    };
    for index in 0..archive.len() {
        let part = archive.by_index(index).map_err(broken)?;
        if part.encrypted() {
            return Err(Error::misuse("The workbook has a password: save it without one"));
        }
        let (name, packed) = (part.name().map_err(broken)?.into_owned(), part.compressed_size());
        let most = if name.starts_with("xl/worksheets/") { LONGEST_SHEET } else { LONGEST_PART };
        check_length(part, &name, packed, most)?;
    }
    if kind == Kind::Ods {
        check_ods(BufReader::new(archive.by_name("content.xml").map_err(broken)?))?;
    }
    Ok(kind)
}

/// Unpacks a part to nowhere: what it says of its length itself counts for nothing.
fn check_length(mut part: impl Read, name: &str, packed: u64, most: u64) -> Result<()> {
    let (mut length, mut text) = (0_u64, 0_u64);
    let mut piece = vec![0; 64 * 1024];
    let is_xml = name.to_ascii_lowercase().ends_with(".xml");
    loop {
        let read = part.read(&mut piece).map_err(|_| damaged())?;
        if read == 0 {
            return Ok(());
        }
        length += read as u64;
        if length > most || length > ALWAYS_FINE && length / TIGHTEST > packed {
            let megabytes = length / MEGABYTE;
            return Err(Error::misuse(format!(
                "The workbook is too large once it is unpacked: {name} has more than {megabytes} MB. Save it as CSV, or in parts"
            )));
        }
        if is_xml {
            for run in piece[..read].split_inclusive(|byte| *byte == b'<') {
                text += run.len() as u64;
                if text > LONGEST_TEXT {
                    return Err(Error::misuse(
                        "A cell of the workbook holds more than 4 MB, and spreadsheets end at 32,767 characters: save it as CSV",
                    ));
                }
                if run.ends_with(b"<") {
                    text = 0;
                }
            }
        }
    }
}

/// Counts what the sheets of an ODS file take once repeated rows and cells are written out, as calamine does.
fn check_ods(content: impl std::io::BufRead) -> Result<()> {
    let mut reader = quick_xml::Reader::from_reader(content);
    reader.config_mut().check_end_names = false;
    let (mut buffer, mut total) = (Vec::new(), 0_u64);
    let mut row = OdsRow::default();
    let mut empty_rows = 0_u64;
    loop {
        match reader.read_event_into(&mut buffer) {
            Ok(Event::Start(tag)) if is(&tag, "table:table-row") => row = OdsRow::new(repeated(&tag, "rows")),
            Ok(Event::Empty(tag)) if is(&tag, "table:table-row") => empty_rows += repeated(&tag, "rows"),
            Ok(Event::Start(tag) | Event::Empty(tag))
                if is(&tag, "table:table-cell") || is(&tag, "table:covered-table-cell") =>
            {
                let has_value = tag.attributes().flatten().any(|attribute| {
                    let name: &str = attribute.key.as_ref();
                    name.starts_with("office:") || name.starts_with("table:formula")
                });
                row.cell(repeated(&tag, "columns"), has_value, tag.len() as u64);
            }
            Ok(Event::Text(text)) => row.text(text.len() as u64),
            Ok(Event::End(tag)) if tag.name().as_ref() == "table:table-row" => {
                if row.is_filled {
                    // Empty rows between two that are not are written out too.
                    let all = row.repeated.saturating_mul(row.size());
                    total = total.saturating_add(all).saturating_add(empty_rows.saturating_mul(row.size()));
                    empty_rows = 0;
                } else {
                    empty_rows = empty_rows.saturating_add(row.repeated);
                }
            }
            Ok(Event::Eof) => return Ok(()),
            Err(_) => return Err(damaged()),
            Ok(_) => {}
        }
        if total > LARGEST_ODS {
            return Err(Error::misuse(
                "The ODS file would take more than 256 MB of memory: save it as XLSX or CSV, which are read row by row",
            ));
        }
        buffer.clear();
    }
}

/// What a row of ODS takes.
#[derive(Default)]
struct OdsRow {
    repeated: u64,
    is_filled: bool,
    cells: u64,
    empty: u64,
    last_repeated: u64,
    bytes: u64,
}

impl OdsRow {
    fn new(repeated: u64) -> Self {
        Self { repeated, ..Self::default() }
    }

    fn cell(&mut self, repeated: u64, has_value: bool, tag: u64) {
        self.last_repeated = repeated;
        if has_value {
            self.is_filled = true;
            self.cells += repeated + std::mem::take(&mut self.empty);
            self.bytes = self.bytes.saturating_add(repeated.saturating_mul(tag));
        } else {
            self.empty = self.empty.saturating_add(repeated).min(16_384);
        }
    }

    fn text(&mut self, length: u64) {
        self.bytes = self.bytes.saturating_add(self.last_repeated.saturating_mul(length));
    }

    /// Two ranges, of values and of formulas, with a copy of both while they are put together.
    fn size(&self) -> u64 {
        self.cells.saturating_mul(4 * 32).saturating_add(self.bytes.saturating_mul(2))
    }
}

fn is(tag: &BytesStart<'_>, name: &str) -> bool {
    tag.name().as_ref() == name
}

/// How often a row or a cell is repeated; calamine stops at the size of a sheet.
fn repeated(tag: &BytesStart<'_>, what: &str) -> u64 {
    let name = format!("table:number-{what}-repeated");
    let found = tag.attributes().flatten().find(|attribute| attribute.key.as_ref() == name);
    let count = found.and_then(|attribute| attribute.value.parse().ok());
    count.unwrap_or(1_u64).min(if what == "rows" { 1_048_576 } else { 16_384 })
}

fn broken(error: ZipError) -> Error {
    match error {
        ZipError::Io(error) => unreadable(error),
        _ => damaged(),
    }
}

fn unreadable(error: std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::UnexpectedEof { damaged() } else { Error::internal(error) }
}

pub(super) fn damaged() -> Error {
    Error::misuse("The workbook is damaged: open it in a spreadsheet and save it again")
}
