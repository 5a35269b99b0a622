//! How stored values become values of another type, and which of them would not survive it.

use crate::database::connect::Backend;
use crate::database::schema::SqlType;

/// A conversion of one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conversion {
    /// The new value; null where there is none. `None` if the stored value can stay as it is.
    pub expression: Option<String>,
    /// True for rows whose value is lost or changed; `None` if there can be none.
    pub lost: Option<String>,
    /// What becomes of those values, in words.
    pub loss: String,
}

/// The conversion of `column` (an SQL expression) between two types.
pub(crate) fn conversion(backend: Backend, column: &str, from: &SqlType, to: &SqlType) -> Conversion {
    match backend {
        Backend::Sqlite => sqlite(column, from, to),
        Backend::Postgres => postgres(column, from, to),
    }
}

impl Conversion {
    fn kept() -> Self {
        Self { expression: None, lost: None, loss: String::new() }
    }

    fn lossless(expression: String) -> Self {
        Self { expression: Some(expression), ..Self::kept() }
    }

    /// Whether every value is dropped.
    pub(crate) fn keeps_nothing(&self) -> bool {
        self.expression.as_deref() == Some("NULL")
    }

    /// Nothing of the one type makes sense in the other.
    fn none(column: &str) -> Self {
        Self {
            expression: Some("NULL".to_owned()),
            lost: Some(format!("{column} IS NOT NULL")),
            loss: "values are dropped, because the types have nothing in common".to_owned(),
        }
    }

    fn lossy(expression: String, lost: String, what_happens: impl Into<String>) -> Self {
        Self { expression: Some(expression), lost: Some(lost), loss: what_happens.into() }
    }
}

fn becomes_empty(what: &str) -> String {
    format!("what is not a {what} becomes empty")
}

fn what(to: &SqlType) -> &'static str {
    match to {
        number if number.is_integer() => "whole number that fits",
        number if number.is_number() => "number that fits",
        SqlType::Date => "date",
        SqlType::Datetime => "date and time",
        SqlType::Time => "time",
        SqlType::Json => "JSON",
        _ => "value that fits",
    }
}

// ---- SQLite: any column can hold anything, so the values must be made to fit their new type.

fn sqlite(column: &str, from: &SqlType, to: &SqlType) -> Conversion {
    use SqlType as T;
    let c = column;
    match (from, to) {
        (from, to) if from == to => Conversion::kept(),
        (T::Real, T::Text) => Conversion::lossless(format!(
            "CASE WHEN {c} = CAST({c} AS INTEGER) THEN CAST(CAST({c} AS INTEGER) AS TEXT) ELSE CAST({c} AS TEXT) END"
        )),
        (_, T::Text) => Conversion::lossless(format!("CAST({c} AS TEXT)")),
        (T::Text | T::Other(_), T::BigInt) => {
            let number = format!("CAST({c} AS NUMERIC)");
            let expression =
                format!("CASE WHEN {c} = {number} AND {number} = CAST({c} AS INTEGER) THEN CAST({c} AS INTEGER) END");
            sqlite_text(c, expression, to)
        }
        (T::Text | T::Other(_), T::Real) => {
            // A comparison with a number reads the text as a number only if all of it is one.
            sqlite_text(c, format!("CASE WHEN {c} = CAST({c} AS NUMERIC) THEN CAST({c} AS REAL) END"), to)
        }
        (T::Text | T::Other(_), T::Date) => {
            let day = format!("substr({c}, 1, 10)");
            let expression = format!(
                "CASE WHEN (length({c}) = 10 OR substr({c}, 11, 1) IN (' ', 'T')) AND date({day}) = {day} THEN {day} END"
            );
            sqlite_text(c, expression, to)
        }
        (T::Text | T::Other(_), T::Datetime) => {
            let text = format!("replace({c}, 'T', ' ')");
            let expression = format!(
                "CASE WHEN date(substr({c}, 1, 10)) = substr({c}, 1, 10) THEN CASE length({c}) \
                 WHEN 10 THEN {c} || ' 00:00:00.000000' \
                 WHEN 19 THEN CASE WHEN time(substr({c}, 12)) IS NOT NULL THEN {text} || '.000000' END \
                 WHEN 26 THEN CASE WHEN time(substr({c}, 12)) IS NOT NULL THEN {text} END END END"
            );
            sqlite_text(c, expression, to)
        }
        (T::Text | T::Other(_), T::Time) => {
            let expression = format!(
                "CASE WHEN time({c}) IS NOT NULL THEN CASE length({c}) WHEN 5 THEN {c} || ':00.000000' \
                 WHEN 8 THEN {c} || '.000000' WHEN 15 THEN {c} END END"
            );
            sqlite_text(c, expression, to)
        }
        (T::BigInt, T::Real) => Conversion::lossless(format!("CAST({c} AS REAL)")),
        (T::Real, T::BigInt) => Conversion::lossy(
            format!("CAST({c} AS INTEGER)"),
            format!("{c} <> CAST({c} AS INTEGER)"),
            "digits behind the point are dropped",
        ),
        (T::Date, T::Datetime) => Conversion::lossless(format!("{c} || ' 00:00:00.000000'")),
        (T::Datetime, T::Date) => Conversion::lossy(
            format!("substr({c}, 1, 10)"),
            format!("substr({c}, 11) GLOB '*[1-9]*'"),
            "the time of day is dropped",
        ),
        (T::Datetime, T::Time) => {
            Conversion::lossy(format!("substr({c}, 12)"), format!("{c} IS NOT NULL"), "the day is dropped")
        }
        _ => Conversion::none(c),
    }
}

fn sqlite_text(column: &str, expression: String, to: &SqlType) -> Conversion {
    let lost = format!("trim({column}) <> '' AND ({expression}) IS NULL");
    Conversion::lossy(expression, lost, becomes_empty(what(to)))
}

// ---- PostgreSQL.

fn postgres(column: &str, from: &SqlType, to: &SqlType) -> Conversion {
    use SqlType as T;
    let c = column;
    match (from, to) {
        (from, to) if from == to => Conversion::kept(),
        (T::Varchar(_), T::Text) => Conversion::kept(),
        (T::Varchar(from), T::Varchar(to)) if from <= to => Conversion::kept(),
        (from, T::Text | T::Varchar(_)) => to_text(c, from, to),
        (T::Varchar(_) | T::Text | T::Json | T::Other(_), to) => {
            let expression = format!("{}(CAST({c} AS text))", try_cast_name(to));
            let lost = format!(r"CAST({c} AS text) ~ '\S' AND {expression} IS NULL");
            Conversion::lossy(expression, lost, becomes_empty(what(to)))
        }
        (from, to) if from.is_number() && to.is_number() => between_numbers(c, from, to),
        (T::Date, T::Datetime) => Conversion::lossless(format!("CAST({c} AS timestamp)")),
        (T::Datetime, T::Date) => Conversion::lossy(
            format!("CAST({c} AS date)"),
            format!("{c} <> date_trunc('day', {c})"),
            "the time of day is dropped",
        ),
        (T::Datetime, T::Time) => {
            Conversion::lossy(format!("CAST({c} AS time(6))"), format!("{c} IS NOT NULL"), "the day is dropped")
        }
        _ => Conversion::none(c),
    }
}

fn to_text(c: &str, from: &SqlType, to: &SqlType) -> Conversion {
    let (text, longest) = match from {
        SqlType::Numeric(digits, _) => (format!("CAST(trim_scale({c}) AS text)"), Some(digits + 3)),
        SqlType::Datetime => (format!("to_char({c}, 'YYYY-MM-DD HH24:MI:SS.US')"), Some(26)),
        SqlType::Date => (format!("to_char({c}, 'YYYY-MM-DD')"), Some(10)),
        SqlType::Time => (format!("to_char({c}, 'HH24:MI:SS.US')"), Some(15)),
        integer if integer.is_integer() => (format!("CAST({c} AS text)"), Some(20)),
        _ => (format!("CAST({c} AS text)"), None),
    };
    match to {
        SqlType::Varchar(length) if longest.is_none_or(|longest| longest > *length) => Conversion::lossy(
            format!("left({text}, {length})"),
            format!("char_length({text}) > {length}"),
            format!("values longer than {length} characters are cut"),
        ),
        _ => Conversion::lossless(text),
    }
}

fn between_numbers(c: &str, from: &SqlType, to: &SqlType) -> Conversion {
    let name = to.ddl(Backend::Postgres);
    let fits = match (to, to.integer_range()) {
        (_, Some((smallest, largest))) => {
            if from.integer_range().is_some_and(|(from_smallest, _)| from_smallest >= smallest) {
                return Conversion::kept();
            }
            format!("{c} BETWEEN {smallest} AND {largest}")
        }
        (SqlType::Numeric(digits, scale), _) => {
            let whole = digits.saturating_sub(*scale);
            // 32 bits are 10 digits.
            let is_safe = match from {
                SqlType::SmallInt => whole >= 5,
                SqlType::Int => whole >= 10,
                SqlType::Numeric(from_digits, from_scale) => {
                    from_scale <= scale && from_digits.saturating_sub(*from_scale) <= whole
                }
                _ => false,
            };
            if is_safe {
                return Conversion::kept();
            }
            format!("abs(CAST({c} AS numeric)) < 1e{whole}")
        }
        _ => return Conversion::lossless(format!("CAST({c} AS {name})")),
    };
    let whole =
        if to.is_integer() && !from.is_integer() { format!("trunc(CAST({c} AS numeric))") } else { c.to_owned() };
    let expression = format!("CASE WHEN {fits} THEN CAST({whole} AS {name}) END");
    let lost = format!("({expression}) IS DISTINCT FROM {c}");
    Conversion::lossy(expression, lost, "what is too large becomes empty, and digits that have no place are dropped")
}

fn try_cast_name(to: &SqlType) -> String {
    let word: String = to.ddl(Backend::Postgres).chars().filter(char::is_ascii_alphanumeric).collect();
    format!("pg_temp.doctyped_as_{word}")
}

/// Functions that [`conversion`]'s expressions call, to be created before any of them runs.
///
/// PostgreSQL 15 has no cast that answers null for what it cannot read.
pub(crate) fn prepare(from: &SqlType, to: &SqlType) -> Option<String> {
    let reads_text = matches!(from, SqlType::Varchar(_) | SqlType::Text | SqlType::Json | SqlType::Other(_));
    if !reads_text || matches!(to, SqlType::Varchar(_) | SqlType::Text) {
        return None;
    }
    // Words such as `today` are dates to PostgreSQL, but not to us.
    let pattern = match to {
        SqlType::Date | SqlType::Datetime => r"^\s*\d{4}-\d{2}-\d{2}",
        SqlType::Time => r"^\s*\d{1,2}:\d{2}",
        number if number.is_number() => r"^\s*[-+.\d]",
        _ => r"\S",
    };
    let (name, ddl) = (try_cast_name(to), to.ddl(Backend::Postgres));
    Some(format!(
        "CREATE OR REPLACE FUNCTION {name}(value text) RETURNS {ddl} LANGUAGE plpgsql AS $function$ \
         BEGIN IF value !~ '{pattern}' THEN RETURN NULL; END IF; RETURN CAST(value AS {ddl}); \
         EXCEPTION WHEN others THEN RETURN NULL; END $function$"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widening_keeps_every_value() {
        let kept = |from: SqlType, to: SqlType| conversion(Backend::Postgres, "c", &from, &to) == Conversion::kept();
        assert!(kept(SqlType::Varchar(140), SqlType::Varchar(200)));
        assert!(kept(SqlType::Varchar(140), SqlType::Text));
        assert!(kept(SqlType::SmallInt, SqlType::Int));
        assert!(kept(SqlType::Int, SqlType::BigInt));
        assert!(kept(SqlType::Int, SqlType::Numeric(21, 9)));
        assert!(kept(SqlType::Numeric(3, 2), SqlType::Numeric(21, 9)));
    }

    #[test]
    fn narrowing_names_the_rows_that_lose() {
        let lost = |from: SqlType, to: SqlType| conversion(Backend::Postgres, "c", &from, &to).lost;
        assert_eq!(lost(SqlType::Text, SqlType::Varchar(20)), Some("char_length(CAST(c AS text)) > 20".to_owned()));
        assert!(lost(SqlType::BigInt, SqlType::Int).is_some());
        assert!(lost(SqlType::BigInt, SqlType::Numeric(21, 9)).is_some());
        assert!(lost(SqlType::Numeric(21, 9), SqlType::Int).is_some());
        assert!(lost(SqlType::Date, SqlType::Int).is_some());
        assert_eq!(lost(SqlType::Int, SqlType::Varchar(140)), None);
        assert_eq!(lost(SqlType::Date, SqlType::Datetime), None);
    }
}
