//! Reads a table row by row: what kind of file it is decides itself by its first bytes, not by its name.

use std::cell::Cell as Counter;
use std::fs::File;
use std::io::{BufReader, Read, Seek as _, SeekFrom};
use std::ops::ControlFlow;
use std::rc::Rc;

use encoding_rs_io::DecodeReaderBytesBuilder;

use super::{Cell, MOST_COLUMNS, Row, bare, workbook};
use crate::error::{Error, Result};

/// How long a row of CSV may be.
const LONGEST_ROW: u64 = 32 * 1024 * 1024;
/// From how much of the beginning the separator is guessed.
const SNIFFED: u64 = 64 * 1024;
/// What may separate cells.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// What was found out of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Source {
    /// What it is, for people: `CSV, separated by ;`.
    pub kind: String,
    /// What people should know of how it is read; empty: nothing.
    pub note: String,
}

/// Reads a file from its start; `each` gets every row that is not empty and may end the reading. Blocks.
///
/// CSV and XLSX are read as streams, ODS is in memory meanwhile. Where a formula stands, its last result counts.
pub(crate) fn read(mut file: File, each: &mut dyn FnMut(Row) -> ControlFlow<()>) -> Result<Source> {
    let mut first = [0; 8];
    file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    let length = fill(&mut file, &mut first)?;
    file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    match &first[..length] {
        [b'P', b'K', 3 | 5, _, ..] => workbook::read(file, each),
        [0xD0, 0xCF, 0x11, 0xE0, ..] => Err(Error::misuse(
            "The file is a workbook in the format of Excel 97, or has a password: save it as XLSX without a password, or as CSV",
        )),
        [b'%', b'P', b'D', b'F', ..] => Err(Error::misuse("The file is a PDF: save the table as CSV, XLSX or ODS")),
        _ => read_csv(file, each),
    }
}

fn read_csv(mut file: File, each: &mut dyn FnMut(Row) -> ControlFlow<()>) -> Result<Source> {
    let encoding = encoding_of(&mut file)?;
    file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    let mut beginning = Vec::new();
    decoded(&mut file, encoding).take(SNIFFED).read_to_end(&mut beginning).map_err(unreadable)?;
    let (separator, has_line) = separator_of(&beginning);
    let ending = ending_of(&beginning);
    file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    let taken = Rc::new(Counter::new(0));
    // With an end of its last line the reader counts that one like the others.
    let end = [ending.last()];
    let text = Counted { from: decoded(&mut file, encoding), taken: Rc::clone(&taken) }.chain(end.as_slice());
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator)
        .terminator(csv::Terminator::Any(ending.last()))
        .from_reader(text);
    let (mut record, mut inner_lines, mut is_first) = (csv::StringRecord::new(), 0, true);
    while reader.read_record(&mut record).map_err(broken_csv)? {
        taken.set(0);
        // Where a record begins, the reader tells before the empty lines above it; so its end counts.
        inner_lines += record.iter().map(|cell| cell.matches('\n').count() as u64).sum::<u64>();
        let number = match ending {
            Ending::Return => reader.position().record(),
            Ending::Line | Ending::ReturnLine => reader.position().line().saturating_sub(1 + inner_lines),
        };
        if std::mem::take(&mut is_first) && has_line {
            continue;
        }
        if record.len() > MOST_COLUMNS {
            return Err(too_wide(number));
        }
        let last = record.len().saturating_sub(1);
        let cell = |(at, text): (usize, &str)| {
            // What is left of the end of the line.
            let is_end = at == last && ending == Ending::ReturnLine;
            let text = if is_end { text.strip_suffix('\r').unwrap_or(text) } else { text };
            if text.is_empty() { Cell::Empty } else { Cell::Text(bare(text).to_owned()) }
        };
        let row = Row { number, cells: record.iter().enumerate().map(cell).collect() };
        if !row.cells.iter().all(Cell::is_blank) && each(row).is_break() {
            break;
        }
    }
    let name = match separator {
        b'\t' => "tabs".to_owned(),
        other => format!("`{}`", char::from(other)),
    };
    let note = if encoding == Encoding::Western {
        "The file is not UTF-8: it is read as Windows-1252, as older spreadsheets write it. Check letters such as ä or é below".to_owned()
    } else {
        String::new()
    };
    Ok(Source { kind: format!("CSV, separated by {name}"), note })
}

/// How the letters of a text are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    /// UTF-8, or what a byte order mark says.
    Unicode,
    /// Windows-1252.
    Western,
}

/// Looks through the whole file: letters that are not UTF-8 may come late.
fn encoding_of(file: &mut File) -> Result<Encoding> {
    let (mut piece, mut kept) = (vec![0; 64 * 1024], 0);
    let (mut is_first, mut encoding) = (true, Encoding::Unicode);
    loop {
        let read = file.read(&mut piece[kept..]).map_err(unreadable)?;
        if read == 0 {
            return Ok(if kept > 0 { Encoding::Western } else { encoding });
        }
        let filled = kept + read;
        if std::mem::take(&mut is_first)
            && (piece[..filled].starts_with(&[0xFF, 0xFE]) || piece[..filled].starts_with(&[0xFE, 0xFF]))
        {
            return Ok(Encoding::Unicode);
        }
        if piece[..filled].contains(&0) {
            return Err(Error::misuse("The file is neither text nor a workbook: save the table as CSV, XLSX or ODS"));
        }
        kept = 0;
        if encoding == Encoding::Western {
            continue;
        }
        if let Err(error) = std::str::from_utf8(&piece[..filled]) {
            if error.error_len().is_some() {
                encoding = Encoding::Western;
            } else {
                // A letter that goes on in the next piece.
                kept = filled - error.valid_up_to();
                piece.copy_within(error.valid_up_to()..filled, 0);
            }
        }
    }
}

fn decoded<R: Read>(file: R, encoding: Encoding) -> impl Read {
    let encoding = match encoding {
        Encoding::Unicode => encoding_rs::UTF_8,
        Encoding::Western => encoding_rs::WINDOWS_1252,
    };
    let mut builder = DecodeReaderBytesBuilder::new();
    builder.encoding(Some(encoding)).bom_override(true).strip_bom(true);
    BufReader::new(builder.build(file))
}

/// What separates the cells, by the first row; and whether the first line says so (`sep=;`) and is not a row.
fn separator_of(beginning: &[u8]) -> (u8, bool) {
    let first = beginning.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
    if let [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', separator] = first {
        return (*separator, true);
    }
    let mut best = (b',', 1);
    for separator in SEPARATORS {
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(separator).from_reader(beginning);
        let cells = reader.byte_records().flatten().next().map_or(0, |record| record.len());
        if cells > best.1 {
            best = (separator, cells);
        }
    }
    (best.0, false)
}

/// How lines end. It is told by the first one: a reader that takes every kind cannot number the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Line,
    ReturnLine,
    Return,
}

impl Ending {
    fn last(self) -> u8 {
        if self == Self::Return { b'\r' } else { b'\n' }
    }
}

/// The end of the first line that is not within quotes.
fn ending_of(beginning: &[u8]) -> Ending {
    let (mut is_quoted, mut before) = (false, 0);
    for byte in beginning {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\n' if !is_quoted => return if before == b'\r' { Ending::ReturnLine } else { Ending::Line },
            _ if before == b'\r' && !is_quoted => return Ending::Return,
            _ => {}
        }
        before = *byte;
    }
    if before == b'\r' { Ending::Return } else { Ending::Line }
}

/// Counts what is read, and ends where one row takes too much.
struct Counted<R> {
    from: R,
    taken: Rc<Counter<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.taken.set(self.taken.get() + read as u64);
        if self.taken.get() > LONGEST_ROW {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "a row is too long"));
        }
        Ok(read)
    }
}

fn fill(file: &mut File, buffer: &mut [u8]) -> Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..]).map_err(unreadable)? {
            0 => break,
            read => length += read,
        }
    }
    Ok(length)
}

/// A row with more columns than a table may have.
pub(super) fn too_wide(number: u64) -> Error {
    Error::misuse(format!("Row {number} has more than {MOST_COLUMNS} columns: is this the right file?"))
}

fn broken_csv(error: csv::Error) -> Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => Error::misuse(
            "A row of the file is longer than 32 MB: is a quotation mark (\") missing at the end of a cell?",
        ),
        csv::ErrorKind::Io(error) => unreadable(error),
        other => Error::misuse(format!("The file is not CSV: {other:?}")),
    }
}

fn unreadable(error: std::io::Error) -> Error {
    Error::internal(error)
}
