//! How people write days and numbers, read where it is not the one way of ISO 8601 and of JSON. No input or output.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

/// The order of a written day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DateFormat {
    /// `2026-03-31`.
    Iso,
    /// `31.03.2026`.
    DayFirst,
    /// `03/31/2026`.
    MonthFirst,
}

/// What separates decimals and thousands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberFormat {
    /// `1,234.56`
    Point,
    /// `1.234,56`
    Comma,
}

/// The formats of a file; `None`: not known yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Formats {
    /// Of days.
    pub date: Option<DateFormat>,
    /// Of numbers.
    pub number: Option<NumberFormat>,
}

impl DateFormat {
    /// As the option of the form says it.
    pub(super) fn parse(option: &str) -> Option<Self> {
        match option {
            "yyyy-mm-dd" => Some(Self::Iso),
            "dd.mm.yyyy" => Some(Self::DayFirst),
            "mm/dd/yyyy" => Some(Self::MonthFirst),
            _ => None,
        }
    }
}

impl NumberFormat {
    /// As the option of the form says it.
    pub(super) fn parse(option: &str) -> Option<Self> {
        match option {
            "1,234.56" => Some(Self::Point),
            "1.234,56" => Some(Self::Comma),
            _ => None,
        }
    }
}

/// What cells tell of a format.
#[derive(Clone, Copy, Debug, Default)]
enum Told<T> {
    #[default]
    Nothing,
    One(T),
    Contradiction,
}

impl<T: Copy + PartialEq> Told<T> {
    fn see(&mut self, format: T) {
        *self = match *self {
            Self::Nothing => Self::One(format),
            Self::One(known) if known == format => Self::One(known),
            _ => Self::Contradiction,
        };
    }

    fn one(self) -> Option<T> {
        match self {
            Self::One(format) => Some(format),
            Self::Nothing | Self::Contradiction => None,
        }
    }
}

/// Finds out the formats from cells, as far as those tell.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Guess {
    date: Told<DateFormat>,
    number: Told<NumberFormat>,
}

impl Guess {
    /// A cell of a column of days.
    pub(super) fn see_date(&mut self, text: &str) {
        match parts(text) {
            Some([first, second, _]) if first > 12 && second <= 12 => self.date.see(DateFormat::DayFirst),
            Some([first, second, _]) if first <= 12 && second > 12 => self.date.see(DateFormat::MonthFirst),
            _ => {}
        }
    }

    /// A cell of a column of numbers.
    pub(super) fn see_number(&mut self, text: &str) {
        use NumberFormat::{Comma, Point};
        let text = text.trim();
        // One mark before three digits may separate thousands as well as decimals.
        let is_decimal = |at: usize| text.len() - at != 4;
        match (text.rfind('.'), text.rfind(',')) {
            (Some(point), Some(comma)) => self.number.see(if point > comma { Point } else { Comma }),
            (Some(_), None) if text.matches('.').count() > 1 => self.number.see(Comma),
            (Some(at), None) if is_decimal(at) => self.number.see(Point),
            (None, Some(_)) if text.matches(',').count() > 1 => self.number.see(Point),
            (None, Some(at)) if is_decimal(at) => self.number.see(Comma),
            _ => {}
        }
    }

    /// What was found out; nothing where cells contradict each other.
    pub(super) fn formats(self) -> Formats {
        Formats { date: self.date.one(), number: self.number.one() }
    }
}

/// A written day or moment as ISO 8601 has it. What is ISO already, and what is not a date, comes back as it is.
pub(super) fn iso_date(text: &str, format: Option<DateFormat>) -> Result<String, String> {
    let text = text.trim();
    let (day, time) = text.split_once([' ', 'T']).unwrap_or((text, ""));
    let Some([first, second, third]) = parts(day) else { return Ok(text.to_owned()) };
    let (year, month, day) = match format {
        Some(DateFormat::DayFirst) => (third, second, first),
        Some(DateFormat::MonthFirst) => (third, first, second),
        Some(DateFormat::Iso) => return Ok(text.to_owned()),
        // Where both readings are the same day, nobody has to be asked.
        None if first == second => (third, second, first),
        None => {
            return Err(format!("{text} may be a day of two months: choose the Date Format"));
        }
    };
    // Two digits are of this century.
    let year = if year < 100 { year + 2000 } else { year };
    let day = i32::try_from(year).ok().and_then(|year| NaiveDate::from_ymd_opt(year, month, day));
    let Some(day) = day else { return Ok(text.to_owned()) };
    let day = day.format("%Y-%m-%d");
    Ok(match time.trim() {
        "" => day.to_string(),
        time => format!("{day} {}", clock(time).unwrap_or_else(|| time.to_owned())),
    })
}

/// `2:30 PM` as `14:30:00`.
pub(super) fn clock(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_uppercase();
    let time = ["%I:%M %p", "%I:%M:%S %p", "%I:%M%p", "%I:%M:%S%p"];
    let time = time.iter().find_map(|format| NaiveTime::parse_from_str(&text, format).ok())?;
    Some(time.format("%H:%M:%S").to_string())
}

/// A written number as JSON has it: `1.234,56` as `1234.56`. What is not a number comes back as it is.
pub(super) fn plain_number(text: &str, format: Option<NumberFormat>) -> Result<String, String> {
    let bare: String =
        text.trim().chars().filter(|letter| !matches!(letter, ' ' | '\u{a0}' | '\u{202f}' | '\'')).collect();
    let bare = bare.strip_suffix('%').unwrap_or(&bare).to_owned();
    if !bare.contains([',', '.']) || !bare.bytes().all(|byte| byte.is_ascii_digit() || b",.+-eE".contains(&byte)) {
        return Ok(bare);
    }
    let (thousands, decimal) = match format {
        Some(NumberFormat::Point) => (',', '.'),
        Some(NumberFormat::Comma) => ('.', ','),
        // The point is what files of programs have; a comma before three digits may be either.
        None if !bare.contains(',') => (',', '.'),
        None => return Err(format!("{text} may be two numbers: choose the Number Format")),
    };
    let whole = bare.split(decimal).next().unwrap_or_default().trim_start_matches(['+', '-']);
    // Thousands are groups of three: 1,23 is not 123.
    let has_groups = whole.contains(thousands)
        && whole
            .split(thousands)
            .skip(1)
            .all(|group| group.len() == 3 && group.bytes().all(|byte| byte.is_ascii_digit()));
    if bare.contains(thousands) && !has_groups || bare.matches(decimal).count() > 1 {
        return Err(format!("{text} is not a number as the Number Format has it"));
    }
    Ok(bare.replace(thousands, "").replace(decimal, "."))
}

/// `31.3.2026`, `3/31/26`, `31-03-2026` as three numbers; years are at the end.
fn parts(text: &str) -> Option<[u32; 3]> {
    let text = text.trim();
    let day = text.split([' ', 'T']).next().unwrap_or_default();
    let separator = ['.', '/', '-'].into_iter().find(|separator| day.matches(*separator).count() == 2)?;
    let numbers: Vec<&str> = day.split(separator).collect();
    let [first, second, third] = numbers.as_slice() else { return None };
    let is_short = |part: &str| (1..=2).contains(&part.len());
    if !is_short(first) || !is_short(second) || !matches!(third.len(), 2 | 4) {
        return None;
    }
    let number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten();
    Some([number(first)?, number(second)?, number(third)?])
}

/// A moment as ISO 8601 has it, with as many digits behind the second as it needs.
pub(super) fn moment_text(moment: NaiveDateTime) -> String {
    moment.format("%Y-%m-%d %H:%M:%S%.f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_in_their_format() {
        for (text, format, expected) in [
            ("2026-03-31", None, "2026-03-31"),
            ("31.03.2026", Some(DateFormat::DayFirst), "2026-03-31"),
            ("1/2/2026", Some(DateFormat::DayFirst), "2026-02-01"),
            ("1/2/2026", Some(DateFormat::MonthFirst), "2026-01-02"),
            ("3.3.2026", None, "2026-03-03"),
            ("31.12.26 14:30", Some(DateFormat::DayFirst), "2026-12-31 14:30"),
            ("12/31/2026 2:30 PM", Some(DateFormat::MonthFirst), "2026-12-31 14:30:00"),
            ("31.02.2026", Some(DateFormat::DayFirst), "31.02.2026"),
            ("tomorrow", None, "tomorrow"),
        ] {
            assert_eq!(iso_date(text, format).unwrap(), expected, "{text}");
        }
        assert!(iso_date("1/2/2026", None).unwrap_err().contains("Date Format"));
    }

    #[test]
    fn numbers_are_read_in_their_format() {
        use NumberFormat::{Comma, Point};
        for (text, format, expected) in [
            ("1234.56", None, "1234.56"),
            ("1,234.56", Some(Point), "1234.56"),
            ("1.234,56", Some(Comma), "1234.56"),
            ("-1.234.567", Some(Comma), "-1234567"),
            ("1 234", None, "1234"),
            ("12%", None, "12"),
            ("0,5", Some(Comma), "0.5"),
            ("many", None, "many"),
            ("1e-7", None, "1e-7"),
        ] {
            assert_eq!(plain_number(text, format).unwrap(), expected, "{text}");
        }
        assert!(plain_number("1,234", None).unwrap_err().contains("Number Format"));
        assert!(plain_number("1,23", Some(Point)).is_err(), "not 123");
        assert!(plain_number("1,2,3", Some(Comma)).is_err());
    }

    #[test]
    fn formats_are_guessed_from_what_can_be_read_in_one_way_only() {
        let guess = |dates: &[&str], numbers: &[&str]| {
            let mut guess = Guess::default();
            for text in dates {
                guess.see_date(text);
            }
            for text in numbers {
                guess.see_number(text);
            }
            guess.formats()
        };
        let known = |date, number| Formats { date, number };
        assert_eq!(
            guess(&["01/02/2026", "31/01/2026"], &["1.234", "0,5"]),
            known(Some(DateFormat::DayFirst), Some(NumberFormat::Comma))
        );
        assert_eq!(
            guess(&["01/31/2026"], &["1,234.5"]),
            known(Some(DateFormat::MonthFirst), Some(NumberFormat::Point))
        );
        assert_eq!(guess(&["01/02/2026", "2026-01-31"], &["1.234", "12"]), Formats::default());
        assert_eq!(guess(&["31/01/2026", "01/31/2026"], &["0.5", "0,5"]), Formats::default(), "they contradict");
    }
}
