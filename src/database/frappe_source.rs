//! The database of a Frappe site, to be read: MariaDB, every value as text, everything as of one moment.
//!
//! Tables and columns are found in the database, so names in statements are those that it reported itself.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};

/// The values of a row, in the order of the columns asked for.
pub(crate) type Cells = Vec<Option<String>>;

/// How many names stand for all of them in what is told.
const EXAMPLES: &str = "3";

/// A Frappe site's database.
#[derive(Debug)]
pub(crate) struct FrappeSource {
    connection: MySqlConnection,
    tables: BTreeMap<String, Vec<String>>,
}

/// How many rows something is true of, with the names of a few.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// The number of rows.
    pub rows: u64,
    /// A few of them, ready to be shown.
    pub examples: Vec<String>,
}

impl FrappeSource {
    /// Opens it, to be read only. `url` is `mysql://user:password@host:3306/database`.
    pub(crate) async fn open(url: &str) -> anyhow::Result<Self> {
        let options: MySqlConnectOptions =
            url.parse().context("the address must be like mysql://user@host/database")?;
        if options.get_database().is_none() {
            bail!("the address names no database: put it behind the last /");
        }
        let mut connection =
            MySqlConnection::connect_with(&options).await.context("open the Frappe site's database")?;
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
        connection.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY").await?;
        let mut source = Self { connection, tables: BTreeMap::new() };
        let found = source
            .fetch(
                "SELECT CAST(c.TABLE_NAME AS CHAR), CAST(c.COLUMN_NAME AS CHAR) FROM information_schema.COLUMNS c \
                 JOIN information_schema.TABLES t ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME \
                 WHERE c.TABLE_SCHEMA = DATABASE() AND t.TABLE_TYPE = 'BASE TABLE' \
                 ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION",
                &[],
            )
            .await?;
        for mut row in found {
            let (column, table) = (row.pop().flatten(), row.pop().flatten());
            if let (Some(table), Some(column)) = (table, column) {
                source.tables.entry(table).or_default().push(column);
            }
        }
        if !source.tables.contains_key("tabDocType") {
            bail!("this is not the database of a Frappe site: it has no table tabDocType");
        }
        Ok(source)
    }

    /// The columns of a table; none if there is no such table.
    pub(crate) fn columns(&self, table: &str) -> &[String] {
        self.tables.get(table).map_or(&[], Vec::as_slice)
    }

    /// The names of all tables.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().map(String::as_str)
    }

    /// How many rows a table has.
    pub(crate) async fn count(&mut self, table: &str) -> anyhow::Result<u64> {
        self.number(&format!("SELECT CAST(count(*) AS CHAR) FROM {}", quote(table)), &[]).await
    }

    /// How many rows have another value than `standard` in a column.
    pub(crate) async fn count_other(&mut self, table: &str, column: &str, standard: &[&str]) -> anyhow::Result<u64> {
        let marks = vec!["?"; standard.len()].join(", ");
        let (table, column) = (quote(table), quote(column));
        let sql = format!(
            "SELECT CAST(count(*) AS CHAR) FROM {table} WHERE {column} IS NULL OR CAST({column} AS CHAR) NOT IN ({marks})"
        );
        self.number(&sql, standard).await
    }

    /// All rows of a table, these columns of each. The table is read as it comes.
    pub(crate) fn rows<'s>(&'s mut self, table: &str, columns: &[&str]) -> BoxStream<'s, Result<Cells, sqlx::Error>> {
        let sql = format!("SELECT {} FROM {}", as_text(columns), quote(table));
        sqlx::query(AssertSqlSafe(sql)).fetch(&mut self.connection).map(|row| cells(&row?)).boxed()
    }

    /// All rows of a small table, in this order.
    pub(crate) async fn all(&mut self, table: &str, columns: &[&str], order: &[&str]) -> anyhow::Result<Vec<Cells>> {
        if !self.tables.contains_key(table) {
            return Ok(Vec::new());
        }
        let order: Vec<String> = order.iter().map(|column| quote(column)).collect();
        let order = if order.is_empty() { String::new() } else { format!(" ORDER BY {}", order.join(", ")) };
        let sql = format!("SELECT {} FROM {}{order}", as_text(columns), quote(table));
        self.fetch(&sql, &[]).await.with_context(|| format!("read {table}"))
    }

    /// The number that a sequence gives next; `None` if there is no such sequence.
    pub(crate) async fn next_number(&mut self, sequence: &str) -> anyhow::Result<Option<i64>> {
        let there = "SELECT CAST(count(*) AS CHAR) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() \
                     AND TABLE_NAME = ? AND TABLE_TYPE = 'SEQUENCE'";
        if self.number(there, &[sequence]).await? == 0 {
            return Ok(None);
        }
        let sql = format!("SELECT CAST(next_not_cached_value AS CHAR) FROM {}", quote(sequence));
        let rows = self.fetch(&sql, &[]).await?;
        Ok(rows.into_iter().flatten().flatten().next().and_then(|text| text.parse().ok()))
    }

    /// Rows whose `field` names nothing in the table of `target`. With `chooser`, those alone in which it has that value.
    pub(crate) async fn dangling(
        &mut self,
        table: &str,
        field: &str,
        target: &str,
        chooser: Option<(&str, &str)>,
    ) -> anyhow::Result<Tally> {
        let value = format!("s.{}", quote(field));
        let (narrowed, params) = match chooser {
            Some((column, value)) => (format!(" AND s.{} = ?", quote(column)), vec![value]),
            None => (String::new(), Vec::new()),
        };
        let rest = format!(
            "FROM {} s LEFT JOIN {} t ON t.`name` = {} WHERE {value} IS NOT NULL AND {value} <> '' \
             AND (t.`name` IS NULL OR BINARY CAST(t.`name` AS CHAR) <> BINARY CAST({value} AS CHAR)){narrowed}",
            quote(table),
            quote(target),
            comparable(&value),
        );
        self.tally(&rest, &format!("CONCAT(CAST(s.`name` AS CHAR), ': ', CAST({value} AS CHAR))"), &params).await
    }

    /// Rows whose `field` holds something that is none of the options.
    pub(crate) async fn outside(&mut self, table: &str, field: &str, options: &[&str]) -> anyhow::Result<Tally> {
        let value = format!("s.{}", quote(field));
        let marks = vec!["?"; options.len()].join(", ");
        let rest = format!(
            "FROM {} s WHERE {value} IS NOT NULL AND {value} <> '' AND BINARY {value} NOT IN ({marks})",
            quote(table)
        );
        self.tally(&rest, &format!("CONCAT(CAST(s.`name` AS CHAR), ': ', {value})"), options).await
    }

    /// Rows of a child table that belong to no document of `parent`.
    pub(crate) async fn orphans(&mut self, table: &str, parent: &str) -> anyhow::Result<Vec<Cells>> {
        let doctype = parent.strip_prefix("tab").unwrap_or(parent);
        let sql = format!(
            "SELECT CAST(s.`name` AS CHAR), s.`parent` FROM {} s LEFT JOIN {} t ON t.`name` = {} \
             WHERE s.`parenttype` = ? AND t.`name` IS NULL ORDER BY s.`name`",
            quote(table),
            quote(parent),
            comparable("s.`parent`")
        );
        self.fetch(&sql, &[doctype]).await
    }

    /// The distinct values of a column, but for nothing.
    pub(crate) async fn distinct(&mut self, table: &str, column: &str) -> anyhow::Result<Vec<String>> {
        let (table, column) = (quote(table), quote(column));
        let sql = format!(
            "SELECT DISTINCT CAST({column} AS CHAR) FROM {table} WHERE {column} IS NOT NULL AND {column} <> ''"
        );
        Ok(self.fetch(&sql, &[]).await?.into_iter().flatten().flatten().collect())
    }

    /// Rows in which a column holds something: neither nothing, nor 0, nor what it holds by default.
    pub(crate) async fn filled(&mut self, table: &str, column: &str, default: &str) -> anyhow::Result<Tally> {
        let value = format!("s.{}", quote(column));
        let (further, params) = if default.is_empty() { ("", vec![]) } else { (", ?", vec![default]) };
        let rest = format!(
            "FROM {} s WHERE {value} IS NOT NULL AND CAST({value} AS CHAR) NOT IN ('', '0', '0.000000000'{further})",
            quote(table)
        );
        self.tally(&rest, "CAST(s.`name` AS CHAR)", &params).await
    }

    /// Owners of rows who are no users, with how many rows they have.
    pub(crate) async fn unknown_owners(&mut self, table: &str) -> anyhow::Result<Vec<Cells>> {
        let sql = format!(
            "SELECT s.`owner`, CAST(count(*) AS CHAR), CAST(min(CAST(s.`name` AS CHAR)) AS CHAR) FROM {} s \
             LEFT JOIN `tabUser` u ON u.`name` = {} WHERE s.`owner` IS NOT NULL AND s.`owner` <> '' \
             AND u.`name` IS NULL GROUP BY s.`owner` ORDER BY s.`owner`",
            quote(table),
            comparable("s.`owner`")
        );
        self.fetch(&sql, &[]).await
    }

    async fn tally(&mut self, rest: &str, shown: &str, params: &[&str]) -> anyhow::Result<Tally> {
        let rows = self.number(&format!("SELECT CAST(count(*) AS CHAR) {rest}"), params).await?;
        if rows == 0 {
            return Ok(Tally::default());
        }
        let sql = format!("SELECT CAST({shown} AS CHAR) {rest} ORDER BY 1 LIMIT {EXAMPLES}");
        let examples = self.fetch(&sql, params).await?.into_iter().flatten().flatten().collect();
        Ok(Tally { rows, examples })
    }

    async fn number(&mut self, sql: &str, params: &[&str]) -> anyhow::Result<u64> {
        let rows = self.fetch(sql, params).await?;
        let text = rows.into_iter().flatten().flatten().next().unwrap_or_default();
        text.parse().with_context(|| format!("`{text}` is not a number"))
    }

    async fn fetch(&mut self, sql: &str, params: &[&str]) -> anyhow::Result<Vec<Cells>> {
        let rows = if params.is_empty() {
            sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(&mut self.connection).await
        } else {
            let query = sqlx::query(AssertSqlSafe(sql.to_owned()));
            let query = params.iter().fold(query, |query, param| query.bind((*param).to_owned()));
            query.fetch_all(&mut self.connection).await
        };
        let rows = rows.context("ask the Frappe site's database")?;
        rows.iter().map(|row| Ok(cells(row)?)).collect()
    }
}

fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A column that is looked up in another table, which an older version of Frappe may have made with another collation.
fn comparable(column: &str) -> String {
    format!("CONVERT({column} USING utf8mb4) COLLATE utf8mb4_unicode_ci")
}

fn as_text(columns: &[&str]) -> String {
    let columns: Vec<String> = columns.iter().map(|column| format!("CAST({} AS CHAR)", quote(column))).collect();
    columns.join(", ")
}

fn cells(row: &MySqlRow) -> Result<Cells, sqlx::Error> {
    (0..row.len()).map(|index| row.try_get_unchecked(index)).collect()
}
