//! Dates in expressions: texts as documents store them, in the zone of the site. What is not a date has no date.

use chrono::{Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

use super::evaluate::trimmed;

/// No date is farther from another.
const MOST_DAYS: f64 = 4_000_000.0;

/// A date, with the time of day if there is one.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    date: NaiveDate,
    time: Option<NaiveTime>,
}

impl Moment {
    /// `2026-03-31`, `2026-03-31 08:30:00`, `2026-03-31T08:30`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let date = read_date(text.get(..10)?)?;
        let rest = &text[10..];
        let time = if rest.is_empty() { None } else { Some(read_time(rest.strip_prefix(['T', ' '])?)?) };
        Some(Self { date, time })
    }

    /// The same, or a time of day alone.
    fn parse_any(text: &str) -> Option<NaiveDateTime> {
        match Self::parse(text) {
            Some(moment) => Some(moment.date.and_time(moment.time.unwrap_or_default())),
            None => Some(NaiveDate::default().and_time(read_time(text)?)),
        }
    }

    fn with(self, date: Option<NaiveDate>) -> Option<Self> {
        date.filter(|date| (1..=9999).contains(&date.year())).map(|date| Self { date, ..self })
    }

    pub(super) fn add_days(self, days: f64) -> Option<Self> {
        let days = whole(days)?;
        let by = Days::new(days.unsigned_abs());
        self.with(if days < 0 { self.date.checked_sub_days(by) } else { self.date.checked_add_days(by) })
    }

    /// The same day of another month, or the last there is.
    pub(super) fn add_months(self, months: f64) -> Option<Self> {
        let months = whole(months)?;
        let by = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
        self.with(if months < 0 { self.date.checked_sub_months(by) } else { self.date.checked_add_months(by) })
    }

    pub(super) fn date(self) -> Self {
        Self { time: None, ..self }
    }

    pub(super) fn month_start(self) -> Option<Self> {
        self.date().with(self.date.with_day(1))
    }

    pub(super) fn month_end(self) -> Option<Self> {
        (28..=31).rev().find_map(|day| self.date().with(self.date.with_day(day)))
    }

    pub(super) fn year(self) -> f64 {
        f64::from(self.date.year())
    }

    pub(super) fn month(self) -> f64 {
        f64::from(self.date.month())
    }

    pub(super) fn day(self) -> f64 {
        f64::from(self.date.day())
    }

    /// 1 is Monday, 7 Sunday.
    pub(super) fn weekday(self) -> f64 {
        f64::from(self.date.weekday().number_from_monday())
    }

    /// Days from `other` to this.
    pub(super) fn days_since(self, other: Self) -> f64 {
        count(self.date.signed_duration_since(other.date).num_days())
    }

    /// Whole months from this to `until`, negative if that is earlier.
    pub(super) fn months_until(self, until: Self) -> f64 {
        let (from, to) = (self.date, until.date);
        let months = i64::from(to.year() - from.year()) * 12 + i64::from(to.month()) - i64::from(from.month());
        let begun = to.day().cmp(&from.day());
        let is_short = months > 0 && begun.is_lt() || months < 0 && begun.is_gt();
        count(if is_short { months - months.signum() } else { months })
    }

    /// As documents store it.
    pub(super) fn text(self) -> String {
        match self.time {
            Some(time) => self.date.and_time(time).format("%Y-%m-%d %H:%M:%S%.6f").to_string(),
            None => self.date.format("%Y-%m-%d").to_string(),
        }
    }
}

/// A text as a Date field keeps it.
pub(in crate::meta) fn as_date(text: &str) -> Option<String> {
    Moment::parse(trimmed(text)).map(|moment| moment.date().text())
}

/// A text as a Datetime field keeps it; of a date, its first moment.
pub(in crate::meta) fn as_datetime(text: &str) -> Option<String> {
    let moment = Moment::parse(trimmed(text))?;
    Some(Moment { time: Some(moment.time.unwrap_or_default()), ..moment }.text())
}

/// A text as a Time field keeps it.
pub(in crate::meta) fn as_time(text: &str) -> Option<String> {
    let text = read_time(trimmed(text))?.format("%H:%M:%S%.6f").to_string();
    Some(text.strip_suffix(".000000").map_or(text.clone(), str::to_owned))
}

/// Seconds from `b` to `a`; of dates from midnight to midnight.
pub(super) fn seconds_between(a: &str, b: &str) -> Option<f64> {
    let between: TimeDelta = Moment::parse_any(a)? - Moment::parse_any(b)?;
    let (seconds, micros) = (between.num_seconds(), between.subsec_nanos() / 1000);
    Some(crate::meta::decimal::add(count(seconds), f64::from(micros) / 1_000_000.0))
}

fn whole(number: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "within four millions")]
    (number.abs() <= MOST_DAYS).then_some(number as i64)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn count(number: i64) -> f64 {
    number as f64
}

fn digits(text: &str, length: std::ops::RangeInclusive<usize>) -> Option<u32> {
    (length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn read_date(text: &str) -> Option<NaiveDate> {
    let mut parts = text.split('-');
    let mut part = |length| parts.next().and_then(|text| digits(text, length..=length));
    let (year, month, day) = (part(4)?, part(2)?, part(2)?);
    let date = NaiveDate::from_ymd_opt(year.try_into().ok()?, month, day)?;
    (year > 0).then_some(date)
}

/// `08:30`, `08:30:15`, `08:30:15.5`.
fn read_time(text: &str) -> Option<NaiveTime> {
    let (clock, fraction) = match text.split_once('.') {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (text, None),
    };
    let parts: Vec<u32> = clock.split(':').map(|part| digits(part, 2..=2)).collect::<Option<_>>()?;
    let (hour, minute, second) = match (parts.as_slice(), fraction) {
        ([hour, minute], None) => (*hour, *minute, 0),
        ([hour, minute, second], _) => (*hour, *minute, *second),
        _ => return None,
    };
    let micros = match fraction {
        Some(fraction) => {
            digits(fraction, 1..=6)?;
            digits(&format!("{fraction:0<6}"), 6..=6)?
        }
        None => 0,
    };
    NaiveTime::from_hms_micro_opt(hour, minute, second, micros)
}
