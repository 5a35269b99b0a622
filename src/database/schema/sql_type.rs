//! Types and defaults of columns, as SQLite and PostgreSQL write and report them (`docs/frappe/model.md`: Columns).

use std::borrow::Cow;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

use crate::clock::format_datetime;
use crate::database::connect::Backend;
use crate::meta::fieldtype::ColumnType;

/// The type of a column. SQLite uses only `Text`, `BigInt`, `Real` and the three of time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SqlType {
    /// Text of at most so many characters.
    Varchar(u32),
    /// Text.
    Text,
    /// 16 bits.
    SmallInt,
    /// 32 bits.
    Int,
    /// 64 bits; SQLite's only integer.
    BigInt,
    /// So many digits, so many of them behind the point.
    Numeric(u32, u32),
    /// A 64-bit float.
    Real,
    /// A day.
    Date,
    /// A day and a time.
    Datetime,
    /// A time.
    Time,
    /// JSON as it came.
    Json,
    /// A type that we never make, as the database writes it.
    Other(String),
}

impl SqlType {
    /// The type that a column of a DocType gets.
    pub(crate) fn wanted(backend: Backend, column_type: ColumnType) -> Self {
        match (backend, column_type) {
            (_, ColumnType::Date) => Self::Date,
            (_, ColumnType::Datetime) => Self::Datetime,
            (_, ColumnType::Time) => Self::Time,
            (_, ColumnType::BigInt) | (Backend::Sqlite, ColumnType::Int | ColumnType::SmallInt) => Self::BigInt,
            (Backend::Sqlite, ColumnType::Decimal | ColumnType::Rating) => Self::Real,
            (Backend::Postgres, ColumnType::Varchar(length)) => Self::Varchar(u32::from(length)),
            (Backend::Postgres, ColumnType::Int) => Self::Int,
            (Backend::Postgres, ColumnType::SmallInt) => Self::SmallInt,
            (Backend::Postgres, ColumnType::Decimal) => Self::Numeric(21, 9),
            (Backend::Postgres, ColumnType::Rating) => Self::Numeric(3, 2),
            (Backend::Postgres, ColumnType::Json) => Self::Json,
            (_, ColumnType::Text | ColumnType::LongText)
            | (Backend::Sqlite, ColumnType::Varchar(_) | ColumnType::Json) => Self::Text,
        }
    }

    /// Reads a type as the database reports it; on SQLite also those that other programs declare.
    pub(crate) fn parse(backend: Backend, declared: &str) -> Self {
        match backend {
            Backend::Sqlite => Self::parse_sqlite(declared),
            Backend::Postgres => Self::parse_postgres(declared),
        }
    }

    fn parse_sqlite(declared: &str) -> Self {
        let upper = declared.to_ascii_uppercase();
        let has = |words: &[&str]| words.iter().any(|word| upper.contains(word));
        if has(&["INT"]) {
            Self::BigInt
        } else if has(&["CHAR", "CLOB", "TEXT"]) {
            Self::Text
        } else if has(&["REAL", "FLOA", "DOUB", "DECIMAL", "NUMERIC"]) {
            Self::Real
        } else if has(&["TIMESTAMP", "DATETIME"]) {
            Self::Datetime
        } else if has(&["DATE"]) {
            Self::Date
        } else if has(&["TIME"]) {
            Self::Time
        } else {
            Self::Other(declared.to_owned())
        }
    }

    fn parse_postgres(declared: &str) -> Self {
        let (head, numbers) = match declared.split_once('(') {
            Some((head, rest)) => {
                let inside = rest.split(')').next().unwrap_or_default();
                (head, inside.split(',').filter_map(|n| n.trim().parse().ok()).collect::<Vec<u32>>())
            }
            None => (declared, Vec::new()),
        };
        match (head.trim(), numbers.as_slice()) {
            ("character varying", [length]) => Self::Varchar(*length),
            ("text" | "character varying", []) => Self::Text,
            ("smallint", _) => Self::SmallInt,
            ("integer", _) => Self::Int,
            ("bigint", _) => Self::BigInt,
            ("numeric", [digits, scale]) => Self::Numeric(*digits, *scale),
            ("double precision" | "real", _) => Self::Real,
            ("date", _) => Self::Date,
            ("timestamp" | "timestamp without time zone", _) if !declared.ends_with("with time zone") => Self::Datetime,
            ("time" | "time without time zone", _) if !declared.ends_with("with time zone") => Self::Time,
            ("json", _) => Self::Json,
            _ => Self::Other(declared.to_owned()),
        }
    }

    /// As DDL writes it, and people read it.
    pub(crate) fn ddl(&self, backend: Backend) -> Cow<'static, str> {
        Cow::Borrowed(match (backend, self) {
            (_, Self::Varchar(length)) => return Cow::Owned(format!("varchar({length})")),
            (_, Self::Numeric(digits, scale)) => return Cow::Owned(format!("numeric({digits},{scale})")),
            (_, Self::Other(declared)) => return Cow::Owned(declared.clone()),
            (Backend::Sqlite, Self::Text | Self::Json) => "TEXT",
            (Backend::Sqlite, Self::SmallInt | Self::Int | Self::BigInt) => "INTEGER",
            (Backend::Sqlite, Self::Real) => "REAL",
            (Backend::Sqlite, Self::Date) => "DATE",
            (Backend::Sqlite, Self::Datetime) => "TIMESTAMP",
            (Backend::Sqlite, Self::Time) => "TIME",
            (Backend::Postgres, Self::Text) => "text",
            (Backend::Postgres, Self::SmallInt) => "smallint",
            (Backend::Postgres, Self::Int) => "integer",
            (Backend::Postgres, Self::BigInt) => "bigint",
            (Backend::Postgres, Self::Real) => "double precision",
            (Backend::Postgres, Self::Date) => "date",
            (Backend::Postgres, Self::Datetime) => "timestamp",
            (Backend::Postgres, Self::Time) => "time(6)",
            (Backend::Postgres, Self::Json) => "json",
        })
    }

    /// Text of any length.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self, Self::Varchar(_) | Self::Text | Self::Json)
    }

    /// A whole number of any size.
    pub(crate) fn is_integer(&self) -> bool {
        matches!(self, Self::SmallInt | Self::Int | Self::BigInt)
    }

    /// A number of any kind.
    pub(crate) fn is_number(&self) -> bool {
        self.is_integer() || matches!(self, Self::Numeric(..) | Self::Real)
    }

    /// The smallest and the largest whole number in it.
    pub(crate) fn integer_range(&self) -> Option<(i64, i64)> {
        match self {
            Self::SmallInt => Some((i16::MIN.into(), i16::MAX.into())),
            Self::Int => Some((i32::MIN.into(), i32::MAX.into())),
            Self::BigInt => Some((i64::MIN, i64::MAX)),
            _ => None,
        }
    }
}

/// A column's default.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ColumnDefault {
    /// A constant, without quotes.
    Literal(String),
    /// Any other expression, as the database writes it.
    Expression(String),
}

impl ColumnDefault {
    /// Reads a default as the database reports it; `NULL` is none.
    pub(crate) fn parse(reported: &str) -> Option<Self> {
        let text = reported.trim();
        let bare = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(text);
        if text.is_empty() || text.eq_ignore_ascii_case("null") || text.to_ascii_lowercase().starts_with("null::") {
            return None;
        }
        if bare.parse::<f64>().is_ok() {
            return Some(Self::Literal(bare.to_owned()));
        }
        if let Some(rest) = text.strip_prefix('\'') {
            let mut value = String::with_capacity(rest.len());
            let mut letters = rest.chars().peekable();
            while let Some(letter) = letters.next() {
                if letter == '\'' && letters.next_if_eq(&'\'').is_none() {
                    let tail: String = letters.collect();
                    // A cast may follow, as PostgreSQL writes it; anything else is an expression.
                    if tail.is_empty() || (tail.starts_with("::") && !tail.contains(['\'', '|', '+'])) {
                        return Some(Self::Literal(value));
                    }
                    break;
                }
                value.push(letter);
            }
        }
        Some(Self::Expression(text.to_owned()))
    }

    /// The constant that a column of that type may have as its default; `None` for text that does not fit the type.
    pub(crate) fn literal(column_type: ColumnType, text: &str) -> Option<Self> {
        let text = match column_type {
            // A statement cannot carry a NUL.
            _ if text.contains('\0') => return None,
            ColumnType::Varchar(length) => (text.chars().count() <= usize::from(length)).then(|| text.to_owned())?,
            ColumnType::Text | ColumnType::LongText => text.to_owned(),
            ColumnType::Int => i32::try_from(whole(text)?).ok()?.to_string(),
            ColumnType::SmallInt => i16::try_from(whole(text)?).ok()?.to_string(),
            ColumnType::BigInt => whole(text)?.to_string(),
            ColumnType::Decimal => text.trim().parse().ok().filter(|x: &f64| x.abs() < 1e12)?.to_string(),
            ColumnType::Rating => text.trim().parse().ok().filter(|x: &f64| x.abs() < 10.0)?.to_string(),
            ColumnType::Date => text.trim().parse::<NaiveDate>().ok()?.to_string(),
            ColumnType::Datetime => format_datetime(datetime(text)?),
            ColumnType::Time => time(text)?.format("%H:%M:%S%.6f").to_string(),
            ColumnType::Json => serde_json::from_str::<serde_json::Value>(text).ok().map(|_| text.to_owned())?,
        };
        Some(Self::Literal(text))
    }

    /// As DDL writes it.
    pub(crate) fn ddl(&self, sql_type: &SqlType) -> String {
        match self {
            Self::Literal(number) if sql_type.is_number() => number.clone(),
            Self::Literal(text) => quote_text(text),
            Self::Expression(expression) => expression.clone(),
        }
    }

    /// Whether both mean the same to a column of that type: databases write a constant back in their own way.
    pub(crate) fn same(sql_type: &SqlType, one: Option<&Self>, two: Option<&Self>) -> bool {
        match (one, two) {
            (Some(Self::Literal(one)), Some(Self::Literal(two))) if one != two => match sql_type {
                number if number.is_number() => match (one.parse::<f64>(), two.parse::<f64>()) {
                    (Ok(one), Ok(two)) => (one - two).abs() < 1e-12,
                    _ => false,
                },
                SqlType::Datetime => datetime(one).is_some_and(|one| Some(one) == datetime(two)),
                SqlType::Time => time(one).is_some_and(|one| Some(one) == time(two)),
                _ => false,
            },
            // A sequence's name appears with or without its schema.
            (Some(Self::Expression(one)), Some(Self::Expression(two))) => {
                one == two || (one.starts_with("nextval(") && two.starts_with("nextval("))
            }
            _ => one == two,
        }
    }
}

/// Text in single quotes.
pub(crate) fn quote_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The same as PostgreSQL reads it whatever its settings say about backslashes.
pub(crate) fn quote_escaped(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

fn whole(text: &str) -> Option<i64> {
    let text = text.trim();
    text.parse().ok().or_else(|| text.parse::<f64>().ok().filter(|x| x.fract() == 0.0)?.to_string().parse().ok())
}

fn datetime(text: &str) -> Option<NaiveDateTime> {
    let text = text.trim();
    ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .or_else(|| text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0))
}

fn time(text: &str) -> Option<NaiveTime> {
    ["%H:%M:%S%.f", "%H:%M"].iter().find_map(|format| NaiveTime::parse_from_str(text.trim(), format).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postgresql_reports_every_wanted_type_so_that_it_is_recognised() {
        for (reported, column_type) in [
            ("character varying(140)", ColumnType::Varchar(140)),
            ("text", ColumnType::Text),
            ("text", ColumnType::LongText),
            ("integer", ColumnType::Int),
            ("bigint", ColumnType::BigInt),
            ("smallint", ColumnType::SmallInt),
            ("numeric(21,9)", ColumnType::Decimal),
            ("numeric(3,2)", ColumnType::Rating),
            ("date", ColumnType::Date),
            ("timestamp without time zone", ColumnType::Datetime),
            ("time(6) without time zone", ColumnType::Time),
            ("json", ColumnType::Json),
        ] {
            assert_eq!(
                SqlType::parse(Backend::Postgres, reported),
                SqlType::wanted(Backend::Postgres, column_type),
                "{reported}"
            );
        }
        assert!(matches!(SqlType::parse(Backend::Postgres, "timestamp with time zone"), SqlType::Other(_)));
    }

    #[test]
    fn defaults_are_read_as_databases_write_them() {
        let literal = |text: &str| Some(ColumnDefault::Literal(text.to_owned()));
        assert_eq!(ColumnDefault::parse("'Open'::character varying"), literal("Open"));
        assert_eq!(ColumnDefault::parse("'it''s'"), literal("it's"));
        assert_eq!(ColumnDefault::parse("0"), literal("0"));
        assert_eq!(ColumnDefault::parse("(-5)"), literal("-5"));
        assert_eq!(ColumnDefault::parse("'-5'::integer"), literal("-5"));
        assert_eq!(ColumnDefault::parse("NULL::character varying"), None);
        assert_eq!(
            ColumnDefault::parse("nextval('\"a\"'::regclass)"),
            Some(ColumnDefault::Expression("nextval('\"a\"'::regclass)".to_owned()))
        );
        assert!(matches!(ColumnDefault::parse("'a' || 'b'"), Some(ColumnDefault::Expression(_))));
    }

    #[test]
    fn a_default_that_does_not_fit_its_type_is_no_default() {
        assert_eq!(ColumnDefault::literal(ColumnType::Int, "abc"), None);
        assert_eq!(ColumnDefault::literal(ColumnType::SmallInt, "70000"), None);
        assert_eq!(ColumnDefault::literal(ColumnType::Date, "tomorrow"), None);
        assert_eq!(ColumnDefault::literal(ColumnType::Varchar(2), "abc"), None);
        assert_eq!(ColumnDefault::literal(ColumnType::Json, "{"), None);
        assert_eq!(ColumnDefault::literal(ColumnType::Int, "1.0"), Some(ColumnDefault::Literal("1".to_owned())));
    }

    #[test]
    fn the_same_constant_written_differently_is_the_same_default() {
        let literal = |text: &str| Some(ColumnDefault::Literal(text.to_owned()));
        let same = |sql_type: &SqlType, one: &str, two: &str| {
            ColumnDefault::same(sql_type, literal(one).as_ref(), literal(two).as_ref())
        };
        assert!(same(&SqlType::Numeric(21, 9), "1.5", "1.500000000"));
        assert!(same(&SqlType::Datetime, "2024-01-01 00:00:00", "2024-01-01 00:00:00.000000"));
        assert!(same(&SqlType::Time, "10:00:00", "10:00:00.000000"));
        assert!(!same(&SqlType::Text, "1.5", "1.50"));
        assert!(!ColumnDefault::same(&SqlType::Text, None, literal("").as_ref()));
    }
}
