//! Moments: Date, Datetime, Time, Duration. Their canonical texts sort as they pass.

use std::fmt::Write as _;

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use serde_json::Value as Json;

use super::{Fault, number, quote_json};
use crate::clock::Zone;
use crate::error::ProblemKind;
use crate::meta::value::Value;

/// `2026-03-31`; of a datetime, its date.
pub(super) fn parse_date(input: &Json) -> Result<Value, Fault> {
    with_text(input, "a date such as 2026-03-31", |text| {
        let date = read_date(text).or_else(|| read_datetime(text).map(|moment| moment.date()))?;
        Some(date.format("%Y-%m-%d").to_string())
    })
}

/// `2026-03-31 08:30:00` in the zone, also with `T`, without seconds, with a fraction; one with an offset or `Z` is an instant
/// by itself; of a date, its first moment. Stored in UTC.
pub(super) fn parse_datetime(input: &Json, zone: Zone) -> Result<Value, Fault> {
    with_text(input, "a date and time such as 2026-03-31 08:30:00", |text| {
        let moment = match read_moment(text) {
            Some((moment, true)) => moment,
            Some((moment, false)) => zone.to_utc(moment),
            None => zone.to_utc(read_date(text)?.and_hms_opt(0, 0, 0)?),
        };
        Some(moment.format("%Y-%m-%d %H:%M:%S%.6f").to_string())
    })
}

/// `8:30`, `08:30:15`, `08:30:15.5`.
pub(super) fn parse_time(input: &Json) -> Result<Value, Fault> {
    with_text(input, "a time of day such as 08:30 or 08:30:15", |text| {
        let time = read_time(text)?;
        let format = if time.nanosecond() == 0 { "%H:%M:%S" } else { "%H:%M:%S%.6f" };
        Some(time.format(format).to_string())
    })
}

/// Seconds, or `1d 2h 3m 4s` as durations are shown.
pub(super) fn parse_duration(input: &Json) -> Result<Value, Fault> {
    let Json::String(text) = input else { return number::parse_float(input) };
    if let Some(seconds) = read_duration(text.trim()) {
        return Ok(Value::Float(seconds));
    }
    number::parse_float(input).map_err(|_| {
        let message = format!("must be a duration such as 1d 2h 30m or a number of seconds, not {}", quote_json(input));
        (ProblemKind::Type, message)
    })
}

/// Whether a stored text is what `parse` makes of it.
pub(super) fn validate(text: &str, parse: impl Fn(&Json) -> Result<Value, Fault>) -> Result<(), Fault> {
    parse(&Json::String(text.to_owned())).map(|_| ())
}

/// The empty text is no moment: Null is.
pub(super) fn empty() -> Fault {
    (ProblemKind::InvalidDates, "must be a date or nothing, not an empty text".to_owned())
}

/// `1d 2h 3m 4s`, without the parts that are 0.
pub(super) fn display_duration(value: &Value) -> String {
    let seconds = match value {
        Value::Float(seconds) => *seconds,
        #[expect(clippy::cast_precision_loss, reason = "durations are far below 2^53 seconds")]
        Value::Int(seconds) => *seconds as f64,
        Value::Null | Value::Text(_) => return value.to_string(),
    };
    #[expect(clippy::cast_possible_truncation, reason = "saturates, and decimal columns end at 10^12")]
    let whole = seconds.abs().trunc() as i64;
    let parts = [(whole / 86_400, 'd'), (whole / 3600 % 24, 'h'), (whole / 60 % 60, 'm'), (whole % 60, 's')];
    let mut out = String::new();
    for (count, unit) in parts {
        if count > 0 {
            let space = if out.is_empty() { "" } else { " " };
            let _ = write!(out, "{space}{count}{unit}");
        }
    }
    match (out.is_empty(), seconds < 0.0) {
        (true, _) => "0s".to_owned(),
        (false, true) => format!("-{out}"),
        (false, false) => out,
    }
}

fn with_text(input: &Json, wanted: &str, read: impl Fn(&str) -> Option<String>) -> Result<Value, Fault> {
    let canonical = match input {
        Json::Null => return Ok(Value::Null),
        Json::String(text) if text.trim().is_empty() => return Ok(Value::Null),
        Json::String(text) => read(text.trim()),
        _ => None,
    };
    canonical
        .map(Value::Text)
        .ok_or_else(|| (ProblemKind::InvalidDates, format!("must be {wanted}, not {}", quote_json(input))))
}

fn read_date(text: &str) -> Option<NaiveDate> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let year = digits(text.get(..4)?)?;
    let date = NaiveDate::from_ymd_opt(year.try_into().ok()?, digits(text.get(5..7)?)?, digits(text.get(8..)?)?)?;
    (year > 0).then_some(date)
}

fn read_datetime(text: &str) -> Option<NaiveDateTime> {
    read_moment(text).map(|(moment, _)| moment)
}

/// A datetime, and whether its offset makes it an instant in UTC.
fn read_moment(text: &str) -> Option<(NaiveDateTime, bool)> {
    let date = read_date(text.get(..10)?)?;
    let rest = text.get(10..)?;
    let rest = rest.strip_prefix(['T', 't', ' '])?.trim_start();
    let (time, offset) = split_offset(rest)?;
    let moment = date.and_time(read_time(time.trim_end())?);
    let moment = match offset {
        None => moment,
        Some(offset) => {
            let utc = moment.checked_sub_offset(FixedOffset::east_opt(offset)?)?;
            DateTime::<chrono::Utc>::from_naive_utc_and_offset(utc, chrono::Utc).naive_utc()
        }
    };
    (1..=9999).contains(&moment.year()).then_some((moment, offset.is_some()))
}

/// `08:30:00+02:00` → the time, and the seconds east of Greenwich if an offset is given.
fn split_offset(text: &str) -> Option<(&str, Option<i32>)> {
    if let Some(time) = text.strip_suffix(['Z', 'z']) {
        return Some((time, Some(0)));
    }
    let Some(at) = text.find(['+', '-']) else { return Some((text, None)) };
    let (time, offset) = text.split_at(at);
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = match &offset[1..] {
        hours if hours.len() == 2 => (digits(hours)?, 0),
        both if both.len() == 4 => (digits(both.get(..2)?)?, digits(both.get(2..)?)?),
        both => {
            let (hours, minutes) = both.split_once(':')?;
            (digits(hours).filter(|_| hours.len() == 2)?, digits(minutes).filter(|_| minutes.len() == 2)?)
        }
    };
    let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
    (hours < 24 && minutes < 60).then_some((time, Some(sign * seconds)))
}

fn read_time(text: &str) -> Option<NaiveTime> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = clock.split(':');
    let hour = parts.next().filter(|part| (1..=2).contains(&part.len())).and_then(digits)?;
    let minute = parts.next().filter(|part| part.len() == 2).and_then(digits)?;
    let second = match parts.next() {
        None if clock.len() == text.len() => 0,
        None => return None,
        Some(part) => digits(part).filter(|_| part.len() == 2)?,
    };
    if parts.next().is_some() || fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Digits behind the sixth are cut: no database here keeps them.
    let micros = digits(&format!("{fraction:0<6}")[..6])?;
    NaiveTime::from_hms_micro_opt(hour, minute, second, micros)
}

fn read_duration(text: &str) -> Option<f64> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let mut total = 0.0;
    let mut any = false;
    for part in text.split_whitespace() {
        let unit = part.chars().next_back()?;
        let scale = match unit.to_ascii_lowercase() {
            'd' => 86_400.0,
            'h' => 3600.0,
            'm' => 60.0,
            's' => 1.0,
            _ => return None,
        };
        let count = part.strip_suffix(unit)?;
        if count.is_empty() || count.len() > 12 || !count.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        total += count.parse::<f64>().ok()? * scale;
        any = true;
    }
    any.then_some(if negative { -total } else { total })
}

fn digits(text: &str) -> Option<u32> {
    (!text.is_empty() && text.len() <= 6 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}
