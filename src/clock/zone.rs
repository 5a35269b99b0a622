//! Time zones: instants are stored in UTC; people and programs read and write them in a zone.

use std::fmt::Write as _;

use chrono::{DateTime, Datelike, Duration, LocalResult, NaiveDate, NaiveDateTime, Offset, TimeZone, Timelike};
use chrono_tz::{TZ_VARIANTS, Tz};

/// A time zone of the IANA database, such as `Europe/Vienna`; UTC by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(Tz);

impl Default for Zone {
    fn default() -> Self {
        Self::UTC
    }
}

impl Zone {
    /// Coordinated Universal Time.
    pub const UTC: Self = Self(Tz::UTC);

    /// The zone of that name, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.trim();
        name.parse()
            .ok()
            .or_else(|| TZ_VARIANTS.iter().find(|zone| zone.name().eq_ignore_ascii_case(name)).copied())
            .map(Self)
    }

    /// The names of all zones, in alphabetical order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TZ_VARIANTS.iter().map(|zone| zone.name())
    }

    /// The name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Whether nothing has to be converted.
    pub fn is_utc(self) -> bool {
        self.0 == Tz::UTC
    }

    /// An instant as the clocks there show it.
    pub(crate) fn clocks_at(self, utc: NaiveDateTime) -> DateTime<Tz> {
        self.0.from_utc_datetime(&utc)
    }

    /// What the clocks there show at an instant.
    pub fn to_local(self, utc: NaiveDateTime) -> NaiveDateTime {
        if self.is_utc() {
            return utc;
        }
        let local = utc.checked_add_offset(self.0.offset_from_utc_datetime(&utc).fix());
        local.filter(|local| is_storable(*local)).unwrap_or(utc)
    }

    /// The instant at which the clocks there show this.
    ///
    /// What they show twice, when they are turned back, means the first time; what they leave out, when they are turned
    /// forward, is read with the offset before the change, so that it lies as far behind it as was said.
    pub fn to_utc(self, local: NaiveDateTime) -> NaiveDateTime {
        if self.is_utc() {
            return local;
        }
        let offset = match self.0.offset_from_local_datetime(&local) {
            LocalResult::Single(offset) | LocalResult::Ambiguous(offset, _) => Some(offset.fix()),
            // Gaps are an hour as a rule, and a day where the date line moved.
            LocalResult::None => [3, 26].into_iter().find_map(|hours| {
                let before = local.checked_sub_signed(Duration::hours(hours))?;
                self.0.offset_from_local_datetime(&before).earliest().map(|offset| offset.fix())
            }),
        };
        let utc = offset.and_then(|offset| local.checked_sub_offset(offset));
        utc.filter(|utc| is_storable(*utc)).unwrap_or(local)
    }

    /// A stored datetime as local time in this zone, in the same format. Text that is not a datetime is returned unchanged.
    pub fn shown(self, stored: &str) -> String {
        self.convert(stored, Self::to_local)
    }

    /// The reverse of [`Zone::shown`].
    pub fn stored(self, local: &str) -> String {
        self.convert(local, Self::to_utc)
    }

    fn convert(self, text: &str, by: impl Fn(Self, NaiveDateTime) -> NaiveDateTime) -> String {
        match read(text) {
            Some(moment) if !self.is_utc() => write(by(self, moment)),
            _ => text.to_owned(),
        }
    }
}

/// Databases and JSON know the years 1 to 9999.
fn is_storable(moment: NaiveDateTime) -> bool {
    (1..=9999).contains(&moment.year())
}

/// Reads the one format in which datetimes are stored, `YYYY-MM-DD HH:MM:SS.ffffff`, without a general parser: lists convert many.
fn read(text: &str) -> Option<NaiveDateTime> {
    let bytes = text.as_bytes();
    let is_ours = bytes.len() == 26 && bytes[4] == b'-' && bytes[10] == b' ' && bytes[13] == b':' && bytes[19] == b'.';
    if !is_ours {
        return None;
    }
    let number = |from: usize, to: usize| {
        bytes[from..to]
            .iter()
            .try_fold(0_u32, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
    };
    let date = NaiveDate::from_ymd_opt(i32::try_from(number(0, 4)?).ok()?, number(5, 7)?, number(8, 10)?)?;
    date.and_hms_micro_opt(number(11, 13)?, number(14, 16)?, number(17, 19)?, number(20, 26)?)
}

fn write(at: NaiveDateTime) -> String {
    let mut text = String::with_capacity(26);
    let (date, time) = (at.date(), at.time());
    let _ = write!(
        text,
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}",
        date.year(),
        date.month(),
        date.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.nanosecond() / 1000 % 1_000_000
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_are_turned_show_each_instant_once_and_read_what_is_missing_or_doubled() {
        let vienna = Zone::parse("Europe/Vienna").unwrap();
        let kolkata = Zone::parse("asia/kolkata").unwrap();
        // zone, what is typed, the instant, what is shown again
        let table = [
            (vienna, "2026-01-15 08:00:00.000001", "2026-01-15 07:00:00.000001", "2026-01-15 08:00:00.000001"),
            (vienna, "2026-07-15 00:30:00.000000", "2026-07-14 22:30:00.000000", "2026-07-15 00:30:00.000000"),
            (vienna, "2026-03-29 02:30:00.000000", "2026-03-29 01:30:00.000000", "2026-03-29 03:30:00.000000"),
            (vienna, "2026-10-25 02:30:00.000000", "2026-10-25 00:30:00.000000", "2026-10-25 02:30:00.000000"),
            (kolkata, "2026-01-01 05:29:59.999999", "2025-12-31 23:59:59.999999", "2026-01-01 05:29:59.999999"),
            (Zone::UTC, "2026-03-29 02:30:00.000000", "2026-03-29 02:30:00.000000", "2026-03-29 02:30:00.000000"),
            (kolkata, "0001-01-01 00:00:00.000000", "0001-01-01 00:00:00.000000", "0001-01-01 05:53:28.000000"),
        ];
        for (zone, typed, stored, shown) in table {
            assert_eq!(zone.stored(typed), stored, "{} {typed}", zone.name());
            assert_eq!(zone.shown(stored), shown, "{} {stored}", zone.name());
        }
        // The date line: Samoa had no 30 December 2011.
        let apia = Zone::parse("Pacific/Apia").unwrap();
        assert_eq!(apia.shown(&apia.stored("2011-12-30 12:00:00.000000")), "2011-12-31 12:00:00.000000");
        assert_eq!(vienna.shown("2026-10-25 01:30:00.000000"), "2026-10-25 02:30:00.000000", "the second time");
        for text in ["", "now", "2026-01-01", "2026-01-01 00:00:00"] {
            assert_eq!(vienna.shown(text), text);
        }
        assert!(Zone::parse("Europe/Wien").is_none() && Zone::parse("").is_none());
        assert!(Zone::names().any(|name| name == "Europe/Vienna"));
    }
}
