//! The search over everything by the index of words ([`crate::database::schema::words`]): which documents have these words,
//! the newest first, and the filling of an index that was made for a table with rows.

use std::collections::BTreeSet;

use sea_orm::DbErr;
use unicode_normalization::UnicodeNormalization as _;

use crate::database::connect::{Backend, Database, Executor};
use crate::database::schema::names;
use crate::database::schema::trigrams::names_table;
use crate::database::schema::wanted::{IndexSpec, STATE_TABLE, word_index};
use crate::database::schema::words::{REMOVED, TABLE, UNFILLED, texts, vector};
use crate::database::sql::{Sql, push_select, quote};
use crate::meta::doctype::slot;
use crate::meta::fieldtype::{ColumnType, Shape};
use crate::meta::{DocType, Value};

/// Rows that one transaction adds to an index.
const STEP: i64 = 300;
/// The advisory lock of PostgreSQL that whoever fills holds; any number that nobody else uses.
const FILLING: i64 = 0x0064_6f63_7479_7066;
/// Words that are asked for at most.
const MOST_WORDS: usize = 12;
/// PostgreSQL: documents of all DocTypes together up to which one statement answers.
const MOST_TOGETHER: usize = 1000;

/// Words that a document must have, each of them or one that begins with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words(Vec<String>);

/// Letters without case and accents, so that texts can be compared as the index does.
pub(crate) fn folded(text: &str) -> String {
    text.to_lowercase().nfkd().filter(|letter| !('\u{300}'..='\u{36f}').contains(letter)).nfc().collect()
}

impl Words {
    /// The words of a text; `None` if it has none.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let text = folded(text);
        let words = text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
        let words: Vec<String> = words.take(MOST_WORDS).map(|word| word.chars().take(100).collect()).collect();
        (!words.is_empty()).then_some(Self(words))
    }

    /// The words, folded.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// As a question to the database; `whole`: no word that is longer.
    fn question(&self, backend: Backend, whole: bool) -> String {
        let word = |word: &String| match (backend, whole) {
            (Backend::Sqlite, true) => format!("\"{word}\""),
            (Backend::Sqlite, false) => format!("\"{word}\"*"),
            (Backend::Postgres, true) => format!("'{word}'"),
            (Backend::Postgres, false) => format!("'{word}':*"),
        };
        let between = if backend == Backend::Sqlite { " AND " } else { " & " };
        self.0.iter().map(word).collect::<Vec<_>>().join(between)
    }
}

fn index_of(backend: Backend, doctype: &DocType) -> Option<IndexSpec> {
    word_index(backend, doctype, &table_of(backend, doctype))
}

fn table_of(backend: Backend, doctype: &DocType) -> String {
    names::physical(backend, &doctype.table_name()).to_owned()
}

/// The names of the documents of each DocType that have all the words, at most `most` of each: those with the very words
/// first, the newest of them first. A DocType without an index has none.
pub(crate) async fn candidates(
    database: &Database,
    doctypes: &[&DocType],
    words: &Words,
    most: usize,
) -> Result<Vec<Vec<Value>>, DbErr> {
    let backend = database.backend();
    let indexes: Vec<Option<IndexSpec>> = doctypes.iter().map(|doctype| index_of(backend, doctype)).collect();
    if backend == Backend::Postgres && doctypes.len() > 1 && most <= MOST_TOGETHER {
        let mut sql = Sql::new(backend);
        sql.push("SELECT \"index\", \"name\" FROM ").ident(TABLE).push(" WHERE \"words\" @@ to_tsquery('simple', ");
        sql.bind_text(words.question(backend, false)).push(") ORDER BY \"id\" DESC LIMIT ");
        sql.bind_int(i64::try_from(MOST_TOGETHER).unwrap_or(i64::MAX));
        let rows = database.fetch(&sql.text, sql.params, &[Shape::Text; 2]).await?;
        // Otherwise the words are common, and each DocType is asked for its own.
        if rows.len() < MOST_TOGETHER {
            let mut found = Vec::with_capacity(doctypes.len());
            for (doctype, index) in doctypes.iter().zip(&indexes) {
                let Some(index) = index else {
                    found.push(Vec::new());
                    continue;
                };
                let own = rows.iter().filter(|row| row[0].text() == index.name);
                let own: Vec<Value> = own.map(|row| name_of(doctype, &row[1])).collect();
                // Of more than fit, the very words count.
                let fits = own.len() <= most;
                found.push(if fits { own } else { of_one(database, doctype, index, words, most).await? });
            }
            return Ok(found);
        }
    }
    let mut found = Vec::with_capacity(doctypes.len());
    for (doctype, index) in doctypes.iter().zip(&indexes) {
        found.push(match index {
            Some(index) => of_one(database, doctype, index, words, most).await?,
            None => Vec::new(),
        });
    }
    Ok(found)
}

async fn of_one(
    database: &Database,
    doctype: &DocType,
    index: &IndexSpec,
    words: &Words,
    most: usize,
) -> Result<Vec<Value>, DbErr> {
    let mut lists = vec![ask(database, doctype, index, &words.question(database.backend(), true), most).await?];
    // Where the very words are common, nobody needs those that merely begin so.
    if lists[0].len() < most {
        lists.push(ask(database, doctype, index, &words.question(database.backend(), false), most).await?);
    }
    let mut found: Vec<Value> = Vec::new();
    let mut seen = BTreeSet::new();
    for name in lists.into_iter().flatten() {
        if found.len() < most && seen.insert(name.to_string()) {
            found.push(name);
        }
    }
    Ok(found)
}

async fn ask(
    database: &Database,
    doctype: &DocType,
    index: &IndexSpec,
    question: &str,
    most: usize,
) -> Result<Vec<Value>, DbErr> {
    let mut sql = Sql::new(database.backend());
    let (most, shape) = (i64::try_from(most).unwrap_or(i64::MAX), doctype.columns[slot::NAME].column_type.shape());
    let shape = match database.backend() {
        Backend::Sqlite => {
            sql.push("SELECT n.name FROM ").ident(&index.name).push(" f CROSS JOIN ").push(&names_table(&index.name));
            sql.push(" n ON n.id = f.rowid WHERE ").ident(&index.name).push(" MATCH ").bind_text(question);
            sql.push(" ORDER BY f.rowid DESC LIMIT ").bind_int(most);
            shape
        }
        Backend::Postgres => {
            sql.push("SELECT \"name\" FROM ").ident(TABLE).push(" WHERE \"index\" = ").bind_text(&index.name);
            sql.push(" AND \"words\" @@ to_tsquery('simple', ").bind_text(question).push(")");
            sql.push(" ORDER BY \"id\" DESC LIMIT ").bind_int(most);
            Shape::Text
        }
    };
    let rows = database.fetch(&sql.text, sql.params, &[shape]).await?;
    Ok(rows.into_iter().flatten().map(|name| name_of(doctype, &name)).collect())
}

/// PostgreSQL's index holds every name as text.
fn name_of(doctype: &DocType, name: &Value) -> Value {
    match (doctype.columns[slot::NAME].column_type.shape(), name.as_str().and_then(|name| name.parse().ok())) {
        (Shape::Int, Some(number)) => Value::Int(number),
        _ => name.clone(),
    }
}

/// The names of the DocTypes whose index is still being filled.
pub(crate) async fn unfilled<'a>(
    executor: &dyn Executor,
    doctypes: impl Iterator<Item = &'a DocType>,
) -> Result<BTreeSet<String>, DbErr> {
    let backend = executor.backend();
    let marked = marked(executor, UNFILLED).await?;
    if marked.is_empty() {
        return Ok(BTreeSet::new());
    }
    let is_marked = |doctype: &&DocType| index_of(backend, doctype).is_some_and(|index| marked.contains(&index.name));
    Ok(doctypes.filter(is_marked).map(|doctype| doctype.name.clone()).collect())
}

async fn marked(executor: &dyn Executor, what: &str) -> Result<BTreeSet<String>, DbErr> {
    let mut sql = Sql::new(executor.backend());
    sql.push("SELECT \"key\" FROM ")
        .ident(STATE_TABLE)
        .push(" WHERE \"key\" LIKE ")
        .bind_text(format!("{what}wx tab%"));
    let rows = executor.fetch(&sql.text, sql.params, &[Shape::Text]).await?;
    Ok(rows.iter().filter_map(|row| row[0].text().strip_prefix(what)).map(ToOwned::to_owned).collect())
}

async fn unmark(executor: &dyn Executor, what: &str, index: &str) -> Result<(), DbErr> {
    let mut sql = Sql::new(executor.backend());
    sql.push("DELETE FROM ").ident(STATE_TABLE).push(" WHERE \"key\" = ").bind_text(format!("{what}{index}"));
    executor.execute(&sql.text, sql.params).await.map(drop)
}

/// Whether there is anything for the job that fills indexes.
pub(crate) async fn has_work(executor: &dyn Executor) -> Result<bool, DbErr> {
    Ok(!marked(executor, UNFILLED).await?.is_empty() || !marked(executor, REMOVED).await?.is_empty())
}

/// Removes a step of the rows of indexes that are gone; false if there are none left.
pub(crate) async fn clean_up(database: &Database) -> Result<bool, DbErr> {
    let Some(index) = marked(database, REMOVED).await?.pop_first() else { return Ok(false) };
    let transaction = database.begin().await?;
    let table = quote(TABLE);
    let mut sql = Sql::new(Backend::Postgres);
    sql.push(&format!("DELETE FROM {table} WHERE \"id\" IN (SELECT \"id\" FROM {table} WHERE \"index\" = "));
    sql.bind_text(&index).push(" LIMIT ").bind_int(STEP * 4).push(")");
    if transaction.execute(&sql.text, sql.params).await? == 0 {
        unmark(&transaction, REMOVED, &index).await?;
    }
    transaction.commit().await?;
    Ok(true)
}

/// Where the filling of an index stands: behind the document made at that time with that name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filled(Option<(Value, Value)>);

/// Adds a step of a DocType's documents to its index, in a transaction of its own; false if it is full.
pub(crate) async fn fill(database: &Database, doctype: &DocType, filled: &mut Filled) -> Result<bool, DbErr> {
    let backend = database.backend();
    let Some(index) = index_of(backend, doctype) else { return Ok(false) };
    let transaction = database.begin().await?;
    let step = boundary(&transaction, doctype, filled.0.as_ref()).await?;
    let more = step.is_some();
    let mut condition = Sql::new(backend);
    if let Some(last) = &step {
        push_from(&mut condition, doctype, ">=", last);
        if let Some(first) = &filled.0 {
            condition.push(" AND ");
            push_from(&mut condition, doctype, "<", first);
        }
    } else {
        // What has no time is in no order.
        condition.push("t.\"creation\" IS NULL");
    }
    add(&transaction, doctype, &index, condition).await?;
    if !more {
        unmark(&transaction, UNFILLED, &index.name).await?;
    }
    transaction.commit().await?;
    filled.0 = step;
    Ok(more)
}

/// Where the next step ends.
async fn boundary(
    executor: &dyn Executor,
    doctype: &DocType,
    from: Option<&(Value, Value)>,
) -> Result<Option<(Value, Value)>, DbErr> {
    let backend = executor.backend();
    let (creation, name) = (ColumnType::Datetime, doctype.columns[slot::NAME].column_type);
    let mut sql = Sql::new(backend);
    sql.push("SELECT ");
    push_select(&mut sql.text, backend, "t", "creation", creation);
    sql.push(", ");
    push_select(&mut sql.text, backend, "t", "name", name);
    sql.push(" FROM ").ident(&table_of(backend, doctype)).push(" t WHERE ");
    match from {
        Some(from) => push_from(&mut sql, doctype, "<", from),
        None => drop(sql.push("t.\"creation\" IS NOT NULL")),
    }
    sql.push(" ORDER BY t.\"creation\" DESC, t.\"name\" DESC LIMIT ").bind_int(STEP);
    let rows = executor.fetch(&sql.text, sql.params, &[creation.shape(), name.shape()]).await?;
    Ok(rows
        .into_iter()
        .next_back()
        .and_then(|row| <[Value; 2]>::try_from(row).ok())
        .map(|[creation, name]| (creation, name)))
}

fn push_from(sql: &mut Sql, doctype: &DocType, than: &'static str, (creation, name): &(Value, Value)) {
    sql.push("(t.\"creation\", t.\"name\") ").push(than).push(" (").bind(ColumnType::Datetime, creation.clone());
    sql.push(", ").bind(doctype.columns[slot::NAME].column_type, name.clone()).push(")");
}

/// Adds the rows that meet a condition and are not there yet.
async fn add(executor: &dyn Executor, doctype: &DocType, index: &IndexSpec, condition: Sql) -> Result<(), DbErr> {
    let backend = executor.backend();
    let of = quote(&table_of(backend, doctype));
    let heads = index.words.unwrap_or(0);
    if backend == Backend::Postgres {
        // Two nodes would number their rows alike.
        executor.execute_script(&format!("SELECT pg_advisory_xact_lock({FILLING})")).await?;
    }
    let texts = texts(backend, "t", &index.columns, heads);
    match backend {
        Backend::Sqlite => {
            let (names, fts) = (names_table(&index.name), quote(&index.name));
            let lowest = format!("SELECT coalesce(min(id), 1) FROM {names}");
            let rows = executor.fetch(&lowest, Vec::new(), &[Shape::Int]).await?;
            let lowest = rows.first().and_then(|row| row[0].as_int()).unwrap_or(1);
            let number = format!(
                "INSERT INTO {names} (id, name) SELECT {lowest} - row_number() OVER (ORDER BY t.creation DESC, t.name DESC), \
                 t.name FROM {of} t WHERE {} AND NOT EXISTS (SELECT 1 FROM {names} n WHERE n.name = t.name)",
                condition.text
            );
            executor.execute(&number, condition.params).await?;
            let fill = format!(
                "INSERT INTO {fts} (rowid, head, rest) SELECT n.id, {} FROM {names} n CROSS JOIN {of} t ON t.name = n.name \
                 WHERE n.id < {lowest} ORDER BY n.id",
                texts.join(", ")
            );
            executor.execute(&fill, Vec::new()).await?;
        }
        Backend::Postgres => {
            let search = quote(TABLE);
            let mut sql = condition;
            // What is deleted meanwhile waits, so that none is added that is gone.
            sql.text = format!(
                "INSERT INTO {search} (\"id\", \"index\", \"name\", \"words\") \
                 SELECT (SELECT least(min(\"id\"), 1) FROM {search}) - row_number() OVER (ORDER BY t.\"creation\" DESC, t.\"name\" DESC), \
                 i.\"index\", CAST(t.\"name\" AS text), {} FROM (SELECT * FROM {of} t WHERE {} FOR KEY SHARE) t, ",
                vector(&texts),
                sql.text
            );
            sql.push("(SELECT ").bind_text(&index.name).push(" AS \"index\") i ON CONFLICT DO NOTHING");
            executor.execute(&sql.text, sql.params).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_stands_between_everything_else() {
        let words = |text: &str| Words::of(text).map(|words| words.0);
        assert_eq!(
            words("INV-0001 Émile@Example.com"),
            Some(["inv", "0001", "emile", "example", "com"].map(str::to_owned).to_vec())
        );
        assert_eq!(words(" -- \"*\" "), None);
    }

    #[test]
    fn questions_ask_for_every_word() {
        let words = Words::of("du hob").unwrap();
        assert_eq!(words.question(Backend::Sqlite, false), "\"du\"* AND \"hob\"*");
        assert_eq!(words.question(Backend::Postgres, true), "'du' & 'hob'");
        assert_eq!(words.question(Backend::Postgres, false), "'du':* & 'hob':*");
    }
}
