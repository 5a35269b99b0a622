//! Writes a table row by row, in constant memory: CSV (RFC 4180) or XLSX.

use std::fs::File;
use std::path::Path;

use rust_xlsxwriter::{Format as Style, Note, Workbook, Worksheet, XlsxError};

use super::{Cell, defused};
use crate::error::{Error, Result};
use crate::secret::private;

/// How many rows a sheet of XLSX has.
const MOST_ROWS: u32 = 1_048_576;
/// How many characters a cell of XLSX holds.
const LONGEST_TEXT: usize = 32_767;
/// How wide the columns of a sheet are, in characters.
const WIDTHS: std::ops::RangeInclusive<usize> = 12..=40;

/// A kind of file that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Comma-separated values, UTF-8.
    Csv,
    /// A workbook of Office Open XML.
    Xlsx,
}

impl Format {
    /// The format of that name: `CSV`, `XLSX`, or `Excel` as Frappe calls it.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "xlsx" | "excel" => Some(Self::Xlsx),
            _ => None,
        }
    }

    /// How names of its files end.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
        }
    }

    /// Its media type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }
}

/// A table that is being written.
pub(crate) enum Writer {
    /// Lines go straight to where the caller keeps them.
    Csv,
    /// Rows go to a file of the crate's own until the workbook is put together.
    Xlsx(Box<Book>),
}

/// A workbook that is being written.
pub(crate) struct Book {
    workbook: Workbook,
    next_row: u32,
    date: Style,
    moment: Style,
    head: Style,
}

impl Writer {
    /// An empty table; what it needs on disk meanwhile goes to `folder`.
    pub(crate) fn new(format: Format, title: &str, folder: &Path) -> Result<Self> {
        if format == Format::Csv {
            return Ok(Self::Csv);
        }
        private::own_folder(folder).map_err(|error| crate::files::failed(folder, error))?;
        let mut workbook = Workbook::new();
        workbook.set_tempdir(folder).map_err(broken)?;
        let sheet = workbook.add_worksheet_with_constant_memory().map_err(broken)?;
        // What a sheet may not be called, it is not called.
        if sheet.set_name(sheet_name(title)).is_err() {
            sheet.set_name("Data").map_err(broken)?;
        }
        Ok(Self::Xlsx(Box::new(Book {
            workbook,
            next_row: 0,
            date: Style::new().set_num_format("yyyy-mm-dd"),
            moment: Style::new().set_num_format("yyyy-mm-dd hh:mm:ss"),
            head: Style::new().set_bold(),
        })))
    }

    /// The first row. A note goes with each heading that has one, where the format has notes.
    pub(crate) fn head(&mut self, headings: &[String], notes: &[String], out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Csv => line(headings.iter().map(|heading| defused(heading)), out),
            Self::Xlsx(book) => book.head(headings, notes),
        }
    }

    /// A further row. CSV goes to `out`.
    pub(crate) fn row(&mut self, cells: &[Cell], out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Csv => line(cells.iter().map(csv_cell), out),
            Self::Xlsx(book) => book.row(cells),
        }
    }

    /// A second sheet, of headings and texts, where the format has sheets.
    pub(crate) fn help(&mut self, name: &str, headings: &[&str], rows: &[Vec<String>]) -> Result<()> {
        let Self::Xlsx(book) = self else { return Ok(()) };
        let wrapped = Style::new().set_text_wrap();
        let sheet = book.workbook.add_worksheet();
        sheet.set_name(name).map_err(broken)?;
        for (column, heading) in (0..).zip(headings) {
            sheet.write_string_with_format(0, column, *heading, &book.head).map_err(broken)?;
            sheet.set_column_width(column, if column == 0 { 32 } else { 60 }).map_err(broken)?;
        }
        for (number, row) in (1..).zip(rows) {
            for (column, text) in (0..).zip(row) {
                let shown: String = text.chars().take(LONGEST_TEXT).collect();
                sheet.write_string_with_format(number, column, shown, &wrapped).map_err(broken)?;
            }
        }
        sheet.set_freeze_panes(1, 0).map_err(broken)?;
        Ok(())
    }

    /// Ends the table: the file with the workbook, ready to be read from its start; `None` for CSV, which is written already.
    pub(crate) fn finish(self, folder: &Path) -> Result<Option<File>> {
        let Self::Xlsx(mut book) = self else { return Ok(None) };
        let failed = |error| crate::files::failed(folder, error);
        let file = tempfile::tempfile_in(folder).map_err(failed)?;
        book.workbook.save_to_writer(file.try_clone().map_err(failed)?).map_err(broken)?;
        Ok(Some(file))
    }
}

impl Book {
    fn sheet(&mut self) -> Result<&mut Worksheet> {
        self.workbook.worksheet_from_index(0).map_err(broken)
    }

    fn head(&mut self, headings: &[String], notes: &[String]) -> Result<()> {
        let head = self.head.clone();
        let sheet = self.sheet()?;
        for (column, heading) in (0..).zip(headings) {
            sheet.write_string_with_format(0, column, heading, &head).map_err(broken)?;
            let width = heading.chars().count().clamp(*WIDTHS.start(), *WIDTHS.end());
            sheet.set_column_width(column, u32::try_from(width).unwrap_or(12)).map_err(broken)?;
        }
        for (column, note) in (0..).zip(notes).filter(|(_, note)| !note.is_empty()) {
            let note = Note::new(note.as_str()).add_author_prefix(false).set_width(320).set_height(140);
            sheet.insert_note(0, column, &note).map_err(broken)?;
        }
        sheet.set_freeze_panes(1, 0).map_err(broken)?;
        self.next_row = 1;
        Ok(())
    }

    fn row(&mut self, cells: &[Cell]) -> Result<()> {
        let row = self.next_row;
        if row >= MOST_ROWS {
            return Err(Error::misuse(
                "A sheet of XLSX has at most 1,048,576 rows, and these are more: choose CSV, or fewer documents",
            ));
        }
        self.next_row += 1;
        let (date, moment) = (self.date.clone(), self.moment.clone());
        let sheet = self.sheet()?;
        for (column, cell) in (0..).zip(cells) {
            let written = match cell {
                Cell::Empty => continue,
                Cell::Text(text) | Cell::Fault(text) if text.is_empty() => continue,
                Cell::Text(text) | Cell::Fault(text) => {
                    if text.len() > LONGEST_TEXT && text.encode_utf16().count() > LONGEST_TEXT {
                        return Err(Error::misuse(format!(
                            "Row {}: a cell of XLSX holds at most 32,767 characters, and this text is longer: choose CSV, or leave \
                             the column out",
                            row + 1
                        )));
                    }
                    sheet.write_string(row, column, text)
                }
                Cell::Number(number) | Cell::Span(number) => sheet.write_number(row, column, *number),
                Cell::Flag(on) => sheet.write_number(row, column, u8::from(*on)),
                Cell::Date(day) => match serial(day.and_time(chrono::NaiveTime::MIN)) {
                    Some(days) => sheet.write_number_with_format(row, column, days, &date),
                    None => sheet.write_string(row, column, cell.text()),
                },
                Cell::Moment(time) => match serial(*time) {
                    Some(days) => sheet.write_number_with_format(row, column, days, &moment),
                    None => sheet.write_string(row, column, cell.text()),
                },
                Cell::Time(_) => sheet.write_string(row, column, cell.text()),
            };
            written.map_err(broken)?;
        }
        Ok(())
    }
}

/// The days since the beginning of Excel's calendar; `None` for what it cannot say: years before 1901, parts of seconds.
#[expect(clippy::cast_precision_loss, reason = "days and seconds of four-digit years are exact")]
fn serial(moment: chrono::NaiveDateTime) -> Option<f64> {
    use chrono::{Datelike as _, Timelike as _};
    if moment.year() < 1901 || moment.year() > 9999 || moment.nanosecond() != 0 {
        return None;
    }
    let epoch = chrono::NaiveDate::from_ymd_opt(1899, 12, 30)?;
    let days = (moment.date() - epoch).num_days() as f64;
    Some(days + f64::from(moment.num_seconds_from_midnight()) / 86_400.0)
}

fn csv_cell(cell: &Cell) -> std::borrow::Cow<'_, str> {
    match cell {
        Cell::Text(text) | Cell::Fault(text) => defused(text),
        other => other.text().into(),
    }
}

/// A line of CSV (RFC 4180).
fn line<'a>(cells: impl Iterator<Item = std::borrow::Cow<'a, str>>, out: &mut Vec<u8>) -> Result<()> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
    writer.write_record(cells.map(std::borrow::Cow::into_owned)).map_err(Error::internal)?;
    writer.flush().map_err(Error::internal)
}

fn sheet_name(title: &str) -> String {
    title.chars().filter(|letter| !"[]:*?/\\'".contains(*letter)).take(31).collect()
}

fn broken(error: XlsxError) -> Error {
    match error {
        XlsxError::IoError(error) => crate::files::failed(Path::new("temporary files"), error),
        other => Error::internal(other),
    }
}
