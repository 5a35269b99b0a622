//! What the functions of expressions do.

use std::cmp::Ordering;

use super::Scope;
use super::date::{self, Moment};
use super::evaluate::{Js, extreme, trimmed};
use super::function::Function;
use crate::meta::decimal;

pub(super) fn call(function: Function, arguments: &[Js], scope: &dyn Scope) -> Js {
    const UNDEFINED: &Js = &Js::Undefined;
    let first = arguments.first().unwrap_or(UNDEFINED);
    let second = arguments.get(1).unwrap_or(UNDEFINED);
    match function {
        Function::InList | Function::Includes => Js::Bool(match first {
            Js::Array(items) => items.iter().any(|item| item.is_same(second)),
            Js::Text(text) => text.contains(&second.to_text()),
            _ => false,
        }),
        Function::StartsWith => Js::Bool(matches!(first, Js::Text(text) if text.starts_with(&second.to_text()))),
        Function::EndsWith => Js::Bool(matches!(first, Js::Text(text) if text.ends_with(&second.to_text()))),
        Function::Length => match first {
            // JavaScript counts UTF-16 units.
            Js::Text(text) => Js::count(text.encode_utf16().count()),
            Js::Array(items) => Js::count(items.len()),
            Js::Rows(rows) => Js::count(*rows),
            Js::Undefined | Js::Null | Js::Bool(_) | Js::Number(_) => Js::Undefined,
        },
        Function::Cint => Js::Number(leading_number(first, false)),
        // With a precision, as Frappe's `flt`.
        Function::Flt => match arguments.get(1) {
            Some(places) => rounded(&Js::Number(leading_number(first, true)), Some(places)),
            None => Js::Number(leading_number(first, true)),
        },
        Function::Cstr => {
            Js::Text(if matches!(first, Js::Null | Js::Undefined) { String::new() } else { first.to_text() })
        }
        Function::ToLowerCase => first.map_text(str::to_lowercase),
        Function::ToUpperCase => first.map_text(str::to_uppercase),
        Function::Trim => first.map_text(|text| trimmed(text).to_owned()),
        Function::IndexOf => {
            let at = match first {
                Js::Array(items) => items.iter().position(|item| item.is_same(second)),
                Js::Text(text) => text.find(&second.to_text()).map(|at| text[..at].encode_utf16().count()),
                _ => None,
            };
            at.map_or(Js::Number(-1.0), Js::count)
        }
        Function::Split => match first {
            Js::Text(text) => {
                let separator = second.to_text();
                Js::Array(if separator.is_empty() {
                    text.chars().map(|letter| Js::Text(letter.to_string())).collect()
                } else {
                    text.split(&separator).map(|part| Js::Text(part.to_owned())).collect()
                })
            }
            _ => Js::Undefined,
        },
        Function::Slice => slice(first, second, arguments.get(2)),
        Function::ReplaceAll => {
            let (old, new) = (second.to_text(), arguments.get(2).unwrap_or(UNDEFINED).to_text());
            first.map_text(|text| if old.is_empty() { text.to_owned() } else { text.replace(&old, &new) })
        }
        Function::PadStart => pad_start(first, second, arguments.get(2)),
        // Only how many there are is ever asked.
        Function::Keys => Js::Rows(match first {
            Js::Array(items) => items.len(),
            Js::Rows(rows) => *rows,
            Js::Text(text) => text.encode_utf16().count(),
            Js::Undefined | Js::Null | Js::Bool(_) | Js::Number(_) => 0,
        }),
        Function::HasCommon => Js::Bool(match (first, second) {
            (Js::Array(one), Js::Array(other)) => one.iter().any(|item| other.iter().any(|found| item.is_same(found))),
            _ => false,
        }),
        Function::ParseNumber => match first {
            Js::Text(text)
                if !text.trim_start_matches([' ', '+', '-']).starts_with(|c: char| c.is_ascii_digit() || c == '.') =>
            {
                Js::Number(f64::NAN)
            }
            Js::Text(_) | Js::Number(_) => Js::Number(leading_number(first, true)),
            _ => Js::Number(f64::NAN),
        },
        Function::Round => rounded(first, arguments.get(1)),
        Function::Abs => Js::Number(first.to_number().abs()),
        Function::Floor => Js::Number(first.to_number().floor() + 0.0),
        Function::Ceil => Js::Number(first.to_number().ceil() + 0.0),
        Function::Min => extreme(arguments, Ordering::is_lt),
        Function::Max => extreme(arguments, Ordering::is_gt),
        Function::Join => {
            let parts = arguments[1..].iter().filter(|part| !part.is_blank()).map(Js::to_text);
            Js::Text(parts.collect::<Vec<String>>().join(&first.to_text()))
        }
        Function::Today => Js::Text(scope.now().format("%Y-%m-%d").to_string()),
        Function::Now => Js::Text(scope.now().format("%Y-%m-%d %H:%M:%S%.6f").to_string()),
        Function::Date
        | Function::Year
        | Function::Month
        | Function::Day
        | Function::Weekday
        | Function::AddDays
        | Function::AddMonths
        | Function::AddYears
        | Function::DateDiff
        | Function::TimeDiff
        | Function::MonthsBetween
        | Function::YearsBetween
        | Function::MonthStart
        | Function::MonthEnd => dates(function, first, second).unwrap_or(Js::Null),
    }
}

/// Functions of dates; `None` where something that is not a date was given, or nothing came out.
fn dates(function: Function, first: &Js, second: &Js) -> Option<Js> {
    let text = |value: &Js| if let Js::Text(text) = value { Some(text.clone()) } else { None };
    if function == Function::TimeDiff {
        return date::seconds_between(&text(first)?, &text(second)?).map(Js::Number);
    }
    let moment = Moment::parse(&text(first)?)?;
    let other = || Moment::parse(&text(second)?);
    let changed = match function {
        Function::Date => Some(moment.date()),
        Function::AddDays => moment.add_days(second.to_number()),
        Function::AddMonths => moment.add_months(second.to_number()),
        Function::AddYears => moment.add_months(second.to_number().trunc() * 12.0),
        Function::MonthStart => moment.month_start(),
        Function::MonthEnd => moment.month_end(),
        _ => {
            return Some(Js::Number(match function {
                Function::Year => moment.year(),
                Function::Month => moment.month(),
                Function::Day => moment.day(),
                Function::Weekday => moment.weekday(),
                Function::DateDiff => moment.days_since(other()?),
                Function::MonthsBetween => moment.months_until(other()?),
                _ => (moment.months_until(other()?) / 12.0).trunc() + 0.0,
            }));
        }
    };
    changed.map(|moment| Js::Text(moment.text()))
}

/// Rounded to so many places, at most 9 of them, before or behind the point.
fn rounded(value: &Js, places: Option<&Js>) -> Js {
    let places = places.map_or(0.0, Js::to_number);
    let places = if places.is_nan() { 0.0 } else { places.trunc().clamp(-9.0, 9.0) };
    #[expect(clippy::cast_possible_truncation, reason = "-9 to 9")]
    Js::Number(decimal::round(value.to_number(), places as i32))
}

/// The part of a text from one UTF-16 unit up to another; negative ones count from the end.
fn slice(value: &Js, from: &Js, to: Option<&Js>) -> Js {
    value.map_text(|text| {
        let units: Vec<u16> = text.encode_utf16().collect();
        let place = |value: f64| {
            let length = Js::count(units.len()).to_number();
            let at = if value.is_nan() { 0.0 } else { value.trunc() };
            let at = if at < 0.0 { length + at } else { at }.clamp(0.0, length);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the text")]
            let at = at as usize;
            at
        };
        let start = place(from.to_number());
        let end = to.map_or(units.len(), |to| place(to.to_number()));
        String::from_utf16_lossy(units.get(start..end).unwrap_or_default())
    })
}

/// A text, or a number, filled up in front to so many characters, at most 140.
fn pad_start(value: &Js, length: &Js, with: Option<&Js>) -> Js {
    let text = if value.is_blank() { String::new() } else { value.to_text() };
    let with = with.map_or_else(|| " ".to_owned(), Js::to_text);
    let present = text.chars().count();
    let length = length.to_number();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 140")]
    let wanted = if length.is_nan() { 0 } else { length.clamp(0.0, 140.0) as usize };
    let missing = wanted.saturating_sub(present);
    Js::Text(with.chars().cycle().take(if with.is_empty() { 0 } else { missing }).collect::<String>() + &text)
}

/// `cint` and `flt`: the number that a text starts with, 0 if it starts with none.
fn leading_number(value: &Js, with_fraction: bool) -> f64 {
    let number = match value {
        Js::Number(number) => *number,
        Js::Bool(on) => f64::from(u8::from(*on)),
        Js::Text(text) => {
            let text = trimmed(text).replace(',', "");
            let mut seen_point = false;
            let length = text
                .char_indices()
                .find(|(at, c)| {
                    let point = with_fraction && *c == '.' && !seen_point;
                    seen_point |= point;
                    !(c.is_ascii_digit() || point || *at == 0 && matches!(c, '+' | '-'))
                })
                .map_or(text.len(), |(at, _)| at);
            text[..length].parse().unwrap_or(0.0)
        }
        Js::Undefined | Js::Null | Js::Array(_) | Js::Rows(_) => 0.0,
    };
    match number {
        _ if !number.is_finite() => 0.0,
        _ if with_fraction => number,
        _ => number.trunc(),
    }
}
