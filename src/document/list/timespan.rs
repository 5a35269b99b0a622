//! The spans of days that filters name: `last week`, `this quarter`, `next 6 months`.

use chrono::{Datelike, Days, Months, NaiveDate};

/// The spans, as filters may name them.
pub(super) const TIMESPANS: [&str; 25] = [
    "today",
    "yesterday",
    "tomorrow",
    "last week",
    "last month",
    "last quarter",
    "last 6 months",
    "last year",
    "last 7 days",
    "last 14 days",
    "last 30 days",
    "last 90 days",
    "this week",
    "this month",
    "this quarter",
    "this year",
    "next week",
    "next month",
    "next quarter",
    "next 6 months",
    "next year",
    "next 7 days",
    "next 14 days",
    "next 30 days",
    "next 90 days",
];

/// The first and the last day of a span, seen from a day. Weeks begin on Sunday, as in Frappe.
pub(super) fn span(name: &str, today: NaiveDate) -> Option<(NaiveDate, NaiveDate)> {
    let name = name.trim().to_ascii_lowercase();
    match name.as_str() {
        "today" => return Some((today, today)),
        "yesterday" => return today.pred_opt().map(|day| (day, day)),
        "tomorrow" => return today.succ_opt().map(|day| (day, day)),
        _ => {}
    }
    let (direction, unit) = name.split_once(' ')?;
    let unit = unit.trim();
    if let Some(days) = unit.strip_suffix(" days") {
        let days: u64 = days.parse().ok().filter(|days| [7, 14, 30, 90].contains(days))?;
        return match direction {
            "last" => Some((today.checked_sub_days(Days::new(days))?, today)),
            "next" => Some((today, today.checked_add_days(Days::new(days))?)),
            _ => None,
        };
    }
    let shift = match direction {
        "last" => -1,
        "this" => 0,
        "next" => 1,
        _ => return None,
    };
    match unit {
        "week" => {
            let day = shifted_days(today, shift * 7)?;
            let first = day.checked_sub_days(Days::new(day.weekday().num_days_from_sunday().into()))?;
            Some((first, first.checked_add_days(Days::new(6))?))
        }
        "month" => months(shifted(today, shift)?, 1),
        "quarter" => months(shifted(today, shift * 3)?, 3),
        "6 months" => {
            // Two whole quarters: the two before this one, or the two behind it.
            let (from, to) = match shift {
                -1 => (-6, -3),
                1 => (3, 6),
                _ => return None,
            };
            Some((months(shifted(today, from)?, 3)?.0, months(shifted(today, to)?, 3)?.1))
        }
        "year" => months(shifted(today, shift * 12)?, 12),
        _ => None,
    }
}

/// What `previous` and `next` take: `1 week`, `3 months`, …
pub(super) fn period(direction: &str, period: &str, today: NaiveDate) -> Option<(NaiveDate, NaiveDate)> {
    let unit = match period.trim().to_ascii_lowercase().as_str() {
        "1 week" => "week",
        "1 month" => "month",
        "3 months" => "quarter",
        "6 months" => "6 months",
        "1 year" => "year",
        _ => return None,
    };
    span(&format!("{direction} {unit}"), today)
}

/// The whole block of months around a day: 1, a quarter's 3 or a year's 12.
fn months(day: NaiveDate, block: u32) -> Option<(NaiveDate, NaiveDate)> {
    let first = NaiveDate::from_ymd_opt(day.year(), day.month0() / block * block + 1, 1)?;
    let behind = first.checked_add_months(Months::new(block))?;
    Some((first, behind.pred_opt()?))
}

fn shifted(day: NaiveDate, months: i32) -> Option<NaiveDate> {
    let count = Months::new(months.unsigned_abs());
    if months < 0 { day.checked_sub_months(count) } else { day.checked_add_months(count) }
}

fn shifted_days(day: NaiveDate, days: i32) -> Option<NaiveDate> {
    let count = Days::new(days.unsigned_abs().into());
    if days < 0 { day.checked_sub_days(count) } else { day.checked_add_days(count) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_whole_days_weeks_months_and_quarters() {
        let today = NaiveDate::from_ymd_opt(2026, 3, 31).unwrap();
        let check = |name: &str, from: &str, to: &str| {
            let found = span(name, today).map(|(from, to)| (from.to_string(), to.to_string()));
            assert_eq!(found, Some((from.to_owned(), to.to_owned())), "{name}");
        };
        check("Today", "2026-03-31", "2026-03-31");
        check("yesterday", "2026-03-30", "2026-03-30");
        check("last 7 days", "2026-03-24", "2026-03-31");
        check("next 14 days", "2026-03-31", "2026-04-14");
        check("this week", "2026-03-29", "2026-04-04");
        check("last week", "2026-03-22", "2026-03-28");
        check("last month", "2026-02-01", "2026-02-28");
        check("next month", "2026-04-01", "2026-04-30");
        check("this quarter", "2026-01-01", "2026-03-31");
        check("last quarter", "2025-10-01", "2025-12-31");
        check("last 6 months", "2025-07-01", "2025-12-31");
        check("next 6 months", "2026-04-01", "2026-09-30");
        check("last year", "2025-01-01", "2025-12-31");
        assert_eq!(span("this 6 months", today), None);
        assert_eq!(span("last 8 days", today), None);
        assert_eq!(period("last", "3 months", today), span("last quarter", today));
        assert!(TIMESPANS.iter().all(|name| span(name, today).is_some()));
    }
}
