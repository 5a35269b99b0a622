//! Tables as files: CSV, XLSX and ODS, row by row. Knows cells, and nothing of documents.

mod csv_text;
mod guard;
mod read;
mod workbook;
mod write;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

pub(crate) use csv_text::{bare, defused};
pub(crate) use read::{Source, read};
pub(crate) use write::{Format, Writer};

/// The most columns that a table may have.
pub(crate) const MOST_COLUMNS: usize = 2_000;

/// What a cell holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Cell {
    /// Nothing.
    #[default]
    Empty,
    /// Text; in CSV everything is.
    Text(String),
    /// A number.
    Number(f64),
    /// True or false.
    Flag(bool),
    /// A day.
    Date(NaiveDate),
    /// A day with a time.
    Moment(NaiveDateTime),
    /// A time of day.
    Time(NaiveTime),
    /// A span of time, in seconds.
    Span(f64),
    /// What a formula failed with, such as `#DIV/0!`.
    Fault(String),
}

impl Cell {
    /// Nothing, or text without a letter in it.
    pub(crate) fn is_blank(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Text(text) => text.trim().is_empty(),
            _ => false,
        }
    }

    /// As a line of CSV has it, and as messages quote it.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) | Self::Fault(text) => text.clone(),
            Self::Number(number) | Self::Span(number) => number.to_string(),
            Self::Flag(on) => u8::from(*on).to_string(),
            Self::Date(date) => date.format("%Y-%m-%d").to_string(),
            Self::Moment(moment) => moment.format("%Y-%m-%d %H:%M:%S%.f").to_string(),
            Self::Time(time) => time.format("%H:%M:%S%.f").to_string(),
        }
    }
}

/// A row of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Row {
    /// Its number as a spreadsheet shows it, from 1.
    pub number: u64,
    /// Its cells.
    pub cells: Vec<Cell>,
}
