//! Searching parts of texts on SQLite: the few documents that can hold what is searched for, by the index of trigrams.
//!
//! PostgreSQL knows how many rows have a trigram and uses its index by itself. SQLite has to be asked beforehand: where few
//! rows can match, their names narrow the query, which still looks at the texts itself; where many do, it finds a page of
//! them soon without.

use sea_orm::DbErr;

use crate::database::connect::{Backend, Database, Executor as _};
use crate::database::query::pattern::other_case;
use crate::database::query::{ColumnRef, Comparison, Condition, MAIN, Select};
use crate::database::schema::names;
use crate::database::schema::trigrams::{START, names_table};
use crate::database::sql::{Sql, quote};
use crate::meta::doctype::slot;
use crate::meta::fieldtype::Shape;
use crate::meta::{DocType, Value};

/// Trigrams of a pattern that are asked for at most; further ones would leave out hardly anything.
const MOST_TRIGRAMS: usize = 16;
/// A trigram in fewer rows than this is rare: others need not be looked at.
const RARE: i64 = 300;
/// Names that narrow a query at most.
const MOST_NAMES: i64 = 20_000;

impl Select<'_> {
    /// Narrows the query to the documents that can hold what it searches for, if these are few. `wanted`: after how many rows
    /// the query ends, if not with the last.
    pub(crate) async fn narrow(&mut self, database: &Database, wanted: Option<u64>) -> Result<(), DbErr> {
        if database.backend() != Backend::Sqlite {
            return Ok(());
        }
        let columns = self.from.trigram_columns();
        let columns: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let Some(search) = (!columns.is_empty()).then(|| search(&self.condition, &columns)).flatten() else {
            return Ok(());
        };
        let index = names::trigrams(&self.from.table_name(), columns);
        let Some(values) = candidates(database, self.from, &index, search, wanted).await? else { return Ok(()) };
        let name = &self.from.columns[slot::NAME];
        let column = ColumnRef { table: MAIN, name: &name.name, column_type: name.column_type, nullable: false };
        let few = Condition::OneOf { column, values, negated: false, or_null: false };
        self.condition = Condition::All(vec![few, std::mem::replace(&mut self.condition, Condition::ALWAYS)]);
        Ok(())
    }
}

/// What must hold of a row, as far as the index can tell: one of the patterns, or one of the names.
#[derive(Debug, Default, PartialEq)]
struct Search {
    /// The trigrams of each pattern, as questions to FTS5, of which all must hold.
    patterns: Vec<Vec<String>>,
    names: Vec<Value>,
}

/// The first part of a condition that the index helps with.
fn search(condition: &Condition<'_>, columns: &[&str]) -> Option<Search> {
    if let Condition::All(all) = condition {
        return all.iter().find_map(|part| search(part, columns));
    }
    let arms = match condition {
        Condition::Any(any) => any.as_slice(),
        other => std::slice::from_ref(other),
    };
    let mut found = Search::default();
    for arm in arms {
        match arm {
            Condition::Like { column, pattern, negated: false, or_null: false }
                if column.table == MAIN && columns.contains(&column.name) =>
            {
                let trigrams = trigrams(pattern);
                if trigrams.is_empty() {
                    return None;
                }
                if !found.patterns.contains(&trigrams) {
                    found.patterns.push(trigrams);
                }
            }
            Condition::Compare { column, comparison: Comparison::Equal, value, or_null: false }
                if column.table == MAIN && column.name == "name" =>
            {
                found.names.push(value.clone());
            }
            _ => return None,
        }
    }
    (!found.patterns.is_empty()).then_some(found)
}

/// The trigrams that whatever is like a pattern holds. Each is a question to FTS5, in every case of its letters outside ASCII:
/// what FTS5 takes for the same letter need not be what we do.
fn trigrams(pattern: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    // What stands before the first wildcard begins the text.
    for run in format!("{START}{pattern}").split(['%', '_']) {
        let letters: Vec<char> = run.chars().collect();
        for three in letters.windows(3) {
            let mut variants = vec![String::new()];
            for letter in three {
                let other = other_case(*letter).filter(|_| !letter.is_ascii());
                let longer = |variant: &String| {
                    std::iter::once(*letter).chain(other).map(|letter| format!("{variant}{letter}")).collect::<Vec<_>>()
                };
                variants = variants.iter().flat_map(longer).collect();
            }
            let quoted: Vec<String> = variants.iter().map(|variant| quote(variant)).collect();
            let trigram = format!("({})", quoted.join(" OR "));
            if found.len() < MOST_TRIGRAMS && !found.contains(&trigram) {
                found.push(trigram);
            }
        }
    }
    found
}

/// The names of the documents that can match; `None` if there are too many for them to help.
async fn candidates(
    database: &Database,
    doctype: &DocType,
    index: &str,
    search: Search,
    wanted: Option<u64>,
) -> Result<Option<Vec<Value>>, DbErr> {
    let rows = newest(database, index).await?;
    // Rows are found by going through the table, about `wanted * rows / matching` of it, or by taking up every match, which
    // costs about five times as much a row.
    let going_through = wanted.and_then(|wanted| i64::try_from(wanted).ok());
    let going_through = going_through.map_or(i64::MAX, |wanted| (rows.saturating_mul(wanted) / 5).isqrt());
    let most = going_through.min(rows / 16).clamp(100, MOST_NAMES);
    let shape = doctype.columns[slot::NAME].column_type.shape();
    let mut found = search.names;
    for trigrams in search.patterns {
        let question = rarest(database, index, trigrams).await?.join(" AND ");
        if nth(database, index, &[&question], most).await?[0].is_some() {
            return Ok(None);
        }
        let mut sql = Sql::new(Backend::Sqlite);
        sql.push("SELECT n.name FROM ").ident(index).push(" f CROSS JOIN ").push(&names_table(index));
        sql.push(" n ON n.id = f.rowid WHERE ").ident(index).push(" MATCH ").bind_text(question);
        found.extend(database.fetch(&sql.text, sql.params, &[shape]).await?.into_iter().flatten());
    }
    Ok(Some(found))
}

/// The number of the newest row, about how many there are.
async fn newest(database: &Database, index: &str) -> Result<i64, DbErr> {
    let sql = format!("SELECT max(id) FROM {}", names_table(index));
    let rows = database.fetch(&sql, Vec::new(), &[Shape::Int]).await?;
    Ok(rows.first().and_then(|row| row[0].as_int()).unwrap_or(0))
}

/// The trigrams that are worth looking at: going through those of nearly every row would take longer than the query.
async fn rarest(database: &Database, index: &str, trigrams: Vec<String>) -> Result<Vec<String>, DbErr> {
    if trigrams.len() == 1 {
        return Ok(trigrams);
    }
    let questions: Vec<&str> = trigrams.iter().map(String::as_str).collect();
    // The later the row in which a trigram occurs for the 300th time, the rarer it is.
    let reached = nth(database, index, &questions, RARE).await?;
    let rarest = reached.iter().map(|row| row.unwrap_or(i64::MAX)).max().unwrap_or(0);
    let is_rare = |row: Option<i64>| row.unwrap_or(i64::MAX) >= rarest / 8;
    let kept = trigrams.into_iter().zip(reached).filter(|(_, row)| is_rare(*row));
    Ok(kept.map(|(trigram, _)| trigram).collect())
}

/// In which row each question holds for the `n + 1`th time.
async fn nth(database: &Database, index: &str, questions: &[&str], n: i64) -> Result<Vec<Option<i64>>, DbErr> {
    let mut sql = Sql::new(Backend::Sqlite);
    for (position, question) in questions.iter().enumerate() {
        sql.push(if position > 0 { ", " } else { "SELECT " }).push("(SELECT rowid FROM ").ident(index);
        sql.push(" WHERE ")
            .ident(index)
            .push(" MATCH ")
            .bind_text(*question)
            .push(" LIMIT 1 OFFSET ")
            .bind_int(n)
            .push(")");
    }
    let rows = database.fetch(&sql.text, sql.params, &vec![Shape::Int; questions.len()]).await?;
    Ok(rows.into_iter().flatten().map(|value| value.as_int()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::fieldtype::ColumnType;

    fn column(name: &str) -> ColumnRef<'_> {
        ColumnRef { table: MAIN, name, column_type: ColumnType::Varchar(140), nullable: true }
    }

    fn like<'a>(name: &'a str, pattern: &str) -> Condition<'a> {
        Condition::Like { column: column(name), pattern: pattern.to_owned(), negated: false, or_null: false }
    }

    #[test]
    fn a_pattern_needs_what_stands_between_its_wildcards() {
        assert_eq!(trigrams("%abcd%"), ["(\"abc\")", "(\"bcd\")"]);
        assert_eq!(trigrams("ab%"), ["(\"\u{2}ab\")"]);
        assert_eq!(trigrams("%ab_cd%e"), Vec::<String>::new());
        assert_eq!(trigrams("%a\"b%"), ["(\"a\"\"b\")"]);
        assert_eq!(trigrams("%aäb%"), ["(\"aäb\" OR \"aÄb\")"]);
        assert_eq!(trigrams(&format!("%{}%", "abcdefghijklmnopqrstuvwxyz")).len(), MOST_TRIGRAMS);
    }

    #[test]
    fn only_conditions_that_rows_must_meet_are_narrowed() {
        let columns = ["name", "title"];
        let name = Condition::Compare {
            column: column("name"),
            comparison: Comparison::Equal,
            value: Value::from("abc"),
            or_null: false,
        };
        let either = Condition::Any(vec![like("name", "%abc%"), like("title", "%abc%"), name]);
        let found = search(&Condition::All(vec![like("status", "%Open%"), either]), &columns).unwrap();
        assert_eq!(found, Search { patterns: vec![vec!["(\"abc\")".to_owned()]], names: vec![Value::from("abc")] });
        let or_status = Condition::Any(vec![like("title", "%abc%"), like("status", "%abc%")]);
        let or_short = Condition::Any(vec![like("title", "%abc%"), like("name", "%ab%")]);
        for other in [or_status, or_short, like("status", "%abc%"), Condition::ALWAYS] {
            assert_eq!(search(&other, &columns), None, "{other:?}");
        }
    }
}
