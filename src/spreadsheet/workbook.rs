//! Reads the first sheet of a workbook: XLSX as a stream, ODS in memory.

use std::fs::File;
use std::io::BufReader;
use std::ops::ControlFlow;

use calamine::{Data, DataRef, ExcelDateTime, Ods, Reader as _, SheetType, SheetVisible, Xlsx};
use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

use super::guard::{self, Kind, damaged};
use super::read::{Source, too_wide};
use super::{Cell, MOST_COLUMNS, Row};
use crate::error::{Error, Result};

/// Reads a ZIP archive that may be a workbook.
pub(super) fn read(mut file: File, each: &mut dyn FnMut(Row) -> ControlFlow<()>) -> Result<Source> {
    match guard::check(&mut file)? {
        Kind::Xlsx => read_xlsx(file, each),
        Kind::Ods => read_ods(file, each),
    }
}

fn source(kind: &str, sheet: &str, sheets: usize) -> Source {
    let note = if sheets > 1 { format!("Only the first sheet, {sheet}, is read") } else { String::new() };
    Source { kind: kind.to_owned(), note }
}

/// The first sheet that people see, and how many tables there are.
fn first_sheet(sheets: &[calamine::Sheet]) -> Result<(String, usize)> {
    let visible: Vec<_> = sheets
        .iter()
        .filter(|sheet| sheet.typ == SheetType::WorkSheet && sheet.visible == SheetVisible::Visible)
        .collect();
    let first = visible.first().ok_or_else(|| Error::misuse("The workbook has no sheet"))?;
    Ok((first.name.clone(), visible.len()))
}

fn read_xlsx(file: File, each: &mut dyn FnMut(Row) -> ControlFlow<()>) -> Result<Source> {
    let mut book = Xlsx::new(BufReader::new(file)).map_err(broken)?;
    let (sheet, sheets) = first_sheet(book.sheets_metadata())?;
    let mut cells = book.worksheet_cells_reader(&sheet).map_err(broken)?;
    let mut row = Row::default();
    while let Some(cell) = cells.next_cell().map_err(broken)? {
        let (at, column) = cell.get_position();
        let number = u64::from(at) + 1;
        if row.number != number {
            let done = std::mem::replace(&mut row, Row { number, cells: Vec::new() });
            if !done.cells.iter().all(Cell::is_blank) && each(done).is_break() {
                return Ok(source("XLSX", &sheet, sheets));
            }
        }
        let column = column as usize;
        let value = of_xlsx(cell.get_value());
        if value == Cell::Empty {
            continue;
        }
        if column >= MOST_COLUMNS {
            return Err(too_wide(number));
        }
        if row.cells.len() <= column {
            row.cells.resize(column + 1, Cell::Empty);
        }
        row.cells[column] = value;
    }
    if !row.cells.iter().all(Cell::is_blank) {
        let _ = each(row);
    }
    Ok(source("XLSX", &sheet, sheets))
}

fn read_ods(file: File, each: &mut dyn FnMut(Row) -> ControlFlow<()>) -> Result<Source> {
    let mut book = Ods::new(BufReader::new(file)).map_err(|error| match error {
        calamine::OdsError::Password => Error::misuse("The workbook has a password: save it without one"),
        calamine::OdsError::CellLimitExceeded { .. } => {
            Error::misuse("The ODS file has too many cells: save it as XLSX or CSV")
        }
        calamine::OdsError::InvalidMime(_) => {
            Error::misuse("The file is not a spreadsheet: save the table as CSV, XLSX or ODS")
        }
        other => broken(other),
    })?;
    let (sheet, sheets) = first_sheet(book.sheets_metadata())?;
    let range = book.worksheet_range(&sheet).map_err(broken)?;
    let (top, left) = range.start().unwrap_or_default();
    for (number, found) in (u64::from(top) + 1..).zip(range.rows()) {
        let mut cells = vec![Cell::Empty; left as usize];
        cells.extend(found.iter().map(of_ods));
        while cells.last().is_some_and(Cell::is_blank) {
            cells.pop();
        }
        if cells.len() > MOST_COLUMNS {
            return Err(too_wide(number));
        }
        if !cells.is_empty() && each(Row { number, cells }).is_break() {
            break;
        }
    }
    Ok(source("ODS", &sheet, sheets))
}

fn of_xlsx(value: &DataRef<'_>) -> Cell {
    match value {
        DataRef::Empty => Cell::Empty,
        #[expect(clippy::cast_precision_loss, reason = "cells hold floats")]
        DataRef::Int(number) => Cell::Number(*number as f64),
        DataRef::Float(number) => Cell::Number(*number),
        DataRef::String(text) => Cell::Text(text.clone()),
        DataRef::SharedString(text) => Cell::Text((*text).to_owned()),
        DataRef::Bool(on) => Cell::Flag(*on),
        DataRef::DateTime(moment) => excel_moment(moment),
        DataRef::DateTimeIso(text) => iso_moment(text),
        DataRef::DurationIso(text) => iso_span(text),
        DataRef::Error(error) => Cell::Fault(error.to_string()),
    }
}

fn of_ods(value: &Data) -> Cell {
    match value {
        Data::Empty => Cell::Empty,
        #[expect(clippy::cast_precision_loss, reason = "cells hold floats")]
        Data::Int(number) => Cell::Number(*number as f64),
        Data::Float(number) => Cell::Number(*number),
        Data::String(text) => Cell::Text(text.clone()),
        Data::Bool(on) => Cell::Flag(*on),
        Data::DateTime(moment) => excel_moment(moment),
        Data::DateTimeIso(text) => iso_moment(text),
        Data::DurationIso(text) => iso_span(text),
        Data::Error(error) => Cell::Fault(error.to_string()),
    }
}

/// A date of Excel is a number of days with a format: below 1 it is a time of day.
fn excel_moment(moment: &ExcelDateTime) -> Cell {
    let days = moment.as_f64();
    if moment.is_duration() {
        return Cell::Span((days * 86_400.0 * 1000.0).round() / 1000.0);
    }
    let (year, month, day, hour, minute, second, milli) = moment.to_ymd_hms_milli();
    let time = NaiveTime::from_hms_milli_opt(hour.into(), minute.into(), second.into(), milli.into());
    let date = NaiveDate::from_ymd_opt(year.into(), month.into(), day.into());
    match (date, time) {
        (_, Some(time)) if (0.0..1.0).contains(&days) => Cell::Time(time),
        (Some(date), Some(time)) if days >= 1.0 => day_or_moment(date.and_time(time)),
        // Such as 1900-02-29, which Excel has and calendars have not.
        _ => Cell::Number(days),
    }
}

fn day_or_moment(moment: NaiveDateTime) -> Cell {
    if moment.time() == NaiveTime::MIN { Cell::Date(moment.date()) } else { Cell::Moment(moment) }
}

fn iso_moment(text: &str) -> Cell {
    let moment = text.parse::<NaiveDateTime>().ok();
    moment
        .map(day_or_moment)
        .or_else(|| text.parse().ok().map(Cell::Date))
        .unwrap_or_else(|| Cell::Text(text.to_owned()))
}

/// `PT08H30M00S`: ODS has times of day as spans.
fn iso_span(text: &str) -> Cell {
    let parse = || -> Option<f64> {
        let mut rest = text.strip_prefix("PT")?;
        let mut seconds = 0.0;
        for (unit, scale) in [('H', 3600.0), ('M', 60.0), ('S', 1.0)] {
            if let Some((number, after)) = rest.split_once(unit) {
                seconds += number.replace(',', ".").parse::<f64>().ok()? * scale;
                rest = after;
            }
        }
        rest.is_empty().then_some(seconds)
    };
    parse().map_or_else(|| Cell::Text(text.to_owned()), Cell::Span)
}

fn broken(error: impl std::error::Error) -> Error {
    tracing::debug!(%error, "a workbook cannot be read");
    damaged()
}
