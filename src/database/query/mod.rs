//! List queries as a typed model: columns, conditions, joins, groups, order. [`mod@write`] turns it into SQL.

mod condition;
mod narrow;
mod pattern;
mod tree;
mod write;

pub(crate) use write::has_shares;

use futures_util::stream::BoxStream;
use sea_orm::DbErr;

use crate::database::Database;
use crate::database::connect::Executor;
use crate::database::replicas::ReplicaReading;
use crate::meta::doctype::Order;
use crate::meta::fieldtype::ColumnType;
use crate::meta::{DocField, DocType, Value};

/// The table that a query is about; joined tables and sub-queries have numbers of their own.
pub(crate) const MAIN: usize = 0;

/// A column of one of the tables of a query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ColumnRef<'a> {
    /// The number of the table.
    pub table: usize,
    /// The column's name.
    pub name: &'a str,
    /// Its type.
    pub column_type: ColumnType,
    /// Whether it may hold NULL.
    pub nullable: bool,
}

/// An aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    /// How many rows hold a value.
    Count,
    /// How many different values there are.
    CountDistinct,
    /// The sum, as a float: no sum overflows.
    Sum,
    /// The mean.
    Avg,
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
}

/// Something that is selected or sorted by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Expression<'a> {
    /// The number of rows.
    CountAll,
    /// A column as it stands.
    Column(ColumnRef<'a>),
    /// An aggregate of a column.
    Function(Function, ColumnRef<'a>),
}

impl Expression<'_> {
    /// The type of its values.
    pub(crate) fn column_type(&self) -> ColumnType {
        match self {
            Self::CountAll | Self::Function(Function::Count | Function::CountDistinct, _) => ColumnType::BigInt,
            Self::Function(Function::Sum | Function::Avg, _) => ColumnType::Decimal,
            Self::Column(column) | Self::Function(Function::Min | Function::Max, column) => column.column_type,
        }
    }

    /// Whether it speaks of several rows.
    pub(crate) fn is_aggregate(&self) -> bool {
        !matches!(self, Self::Column(_))
    }
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// The same.
    Equal,
    /// Another one.
    NotEqual,
    /// Smaller.
    Less,
    /// Smaller or the same.
    LessOrEqual,
    /// Larger.
    Greater,
    /// Larger or the same.
    GreaterOrEqual,
}

impl Comparison {
    /// Whether it holds for two values in that order.
    pub(crate) fn holds(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

/// A condition on rows. `or_null` also lets rows pass whose column is NULL: that is Frappe's idea of an empty value.
#[derive(Clone, Debug)]
pub(crate) enum Condition<'a> {
    /// Every one of them; without any, always.
    All(Vec<Self>),
    /// At least one of them; without any, never.
    Any(Vec<Self>),
    /// A comparison with a value.
    Compare { column: ColumnRef<'a>, comparison: Comparison, value: Value, or_null: bool },
    /// One of the values; negated: none of them.
    OneOf { column: ColumnRef<'a>, values: Vec<Value>, negated: bool, or_null: bool },
    /// From the first value to the second, both included.
    Between { column: ColumnRef<'a>, low: Value, high: Value },
    /// NULL; or anything else.
    IsNull { column: ColumnRef<'a>, null: bool },
    /// Neither NULL nor the empty text; or one of them.
    IsSet { column: ColumnRef<'a>, set: bool },
    /// `%` and `_`, without regard to case.
    Like { column: ColumnRef<'a>, pattern: String, negated: bool, or_null: bool },
    /// A regular expression somewhere in the text, without regard to case.
    Matches { column: ColumnRef<'a>, pattern: String },
    /// A node's relatives in a tree.
    Tree { column: ColumnRef<'a>, tree: Tree<'a>, node: String, negated: bool, or_null: bool },
    /// The document of that name is shared with the user.
    Shared { name: ColumnRef<'a>, doctype: &'a str, user: &'a str, everyone: bool },
    /// The column names a document of another table that meets a condition.
    Names { column: ColumnRef<'a>, doctype: &'a DocType, table: usize, condition: Box<Self> },
    /// No child row in that table field meets a condition, or `some` do; `table` is the number of the rows' table.
    HasRow {
        name: ColumnRef<'a>,
        parent: &'a DocType,
        field: &'a DocField,
        rows: ChildTable<'a>,
        condition: Box<Self>,
        some: bool,
    },
}

impl Condition<'_> {
    /// Adds the DocTypes that it asks about besides those of its columns; `None`: also what is shared.
    fn add_doctypes<'s>(&'s self, to: &mut Vec<&'s str>) -> Option<()> {
        match self {
            Self::All(conditions) | Self::Any(conditions) => {
                conditions.iter().try_for_each(|condition| condition.add_doctypes(to))
            }
            Self::Shared { .. } => None,
            Self::Tree { tree, .. } => {
                to.push(&tree.doctype.name);
                Some(())
            }
            Self::Names { doctype, condition, .. } => {
                to.push(&doctype.name);
                condition.add_doctypes(to)
            }
            Self::HasRow { rows, condition, .. } => {
                to.push(&rows.doctype.name);
                condition.add_doctypes(to)
            }
            Self::Compare { .. }
            | Self::OneOf { .. }
            | Self::Between { .. }
            | Self::IsNull { .. }
            | Self::IsSet { .. }
            | Self::Like { .. }
            | Self::Matches { .. } => Some(()),
        }
    }

    /// Every row passes.
    pub(crate) const ALWAYS: Self = Self::All(Vec::new());

    /// Whether every row passes, as far as can be seen.
    pub(crate) fn is_always(&self) -> bool {
        matches!(self, Self::All(all) if all.iter().all(Self::is_always))
    }
}

/// The table of child rows in a sub-query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChildTable<'a> {
    /// Whose rows.
    pub doctype: &'a DocType,
    /// Its number.
    pub table: usize,
}

/// A tree DocType and which relatives of a node are meant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tree<'a> {
    /// The DocType of the nodes.
    pub doctype: &'a DocType,
    /// The Link to the parent node.
    pub parent_field: &'a str,
    /// Up or down.
    pub relation: Relation,
}

/// Relatives of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// Those above.
    Ancestors,
    /// Those below.
    Descendants,
    /// Those below, and the node.
    DescendantsAndSelf,
}

/// A table joined to the main one, with NULLs where it has no row.
#[derive(Clone, Debug)]
pub(crate) struct Join<'a> {
    /// Its number.
    pub table: usize,
    /// Whose table.
    pub doctype: &'a DocType,
    /// How its rows are found.
    pub on: JoinOn<'a>,
    /// Which of them may be seen.
    pub condition: Condition<'a>,
}

/// How the rows of a joined table are found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum JoinOn<'a> {
    /// The document that a Link names.
    Link(ColumnRef<'a>),
    /// The child rows in those table fields.
    Child {
        /// The main DocType.
        parenttype: &'a str,
        /// The table fields; never empty.
        parentfields: Vec<&'a str>,
    },
}

/// A query for rows.
#[derive(Clone, Debug)]
pub(crate) struct Select<'a> {
    /// The main table.
    pub from: &'a DocType,
    /// Further tables.
    pub joins: Vec<Join<'a>>,
    /// What is selected, in order; never empty.
    pub items: Vec<Expression<'a>>,
    /// Which rows.
    pub condition: Condition<'a>,
    /// Child rows are joined for the condition alone, and aggregates take each document once whatever number of them meets it.
    pub once: bool,
    /// What rows are put together by; then `items` and `order_by` hold these columns and aggregates only.
    pub group_by: Vec<ColumnRef<'a>>,
    /// In which order.
    pub order_by: Vec<(Expression<'a>, Order)>,
    /// Rows at most.
    pub limit: Option<u64>,
    /// Rows skipped.
    pub offset: u64,
}

impl Select<'_> {
    /// Fetches the rows: one value for every item.
    pub(crate) async fn fetch(&self, exec: &dyn Executor) -> Result<Vec<Vec<Value>>, DbErr> {
        let sql = self.sql(exec.backend());
        let shapes: Vec<_> = self.items.iter().map(|item| item.column_type().shape()).collect();
        exec.fetch(&sql.text, sql.params, &shapes).await
    }

    /// The DocTypes whose tables it reads; `None` if it asks what is shared with whom, which decides about access.
    pub(crate) fn doctypes(&self) -> Option<Vec<&str>> {
        let mut found = vec![self.from.name.as_str()];
        self.condition.add_doctypes(&mut found)?;
        for join in &self.joins {
            found.push(&join.doctype.name);
            join.condition.add_doctypes(&mut found)?;
        }
        Some(found)
    }

    /// The same rows as they are taken at a replica.
    pub(crate) async fn stream_at<'d>(
        &self,
        replica: &'d ReplicaReading,
    ) -> Result<BoxStream<'d, Result<Vec<Value>, DbErr>>, DbErr> {
        let sql = self.sql(replica.backend());
        let shapes = self.items.iter().map(|item| item.column_type().shape()).collect();
        replica.stream(&sql.text, sql.params, shapes).await
    }

    /// The same rows as they are taken, where they are too many for memory.
    pub(crate) async fn stream<'d>(
        &self,
        database: &'d Database,
    ) -> Result<BoxStream<'d, Result<Vec<Value>, DbErr>>, DbErr> {
        let sql = self.sql(database.backend());
        let shapes = self.items.iter().map(|item| item.column_type().shape()).collect();
        database.stream(&sql.text, sql.params, shapes).await
    }

    /// How many rows there are, paging aside, and no more than `most`. Child rows joined for the condition alone do not
    /// count twice.
    pub(crate) async fn count(&self, exec: &dyn Executor, most: Option<u64>) -> Result<u64, DbErr> {
        let sql = self.count_sql(exec.backend(), most);
        let rows = exec.fetch(&sql.text, sql.params, &[ColumnType::BigInt.shape()]).await?;
        let count = rows.first().and_then(|row| row[0].as_int()).and_then(|count| u64::try_from(count).ok());
        Ok(count.unwrap_or(0).min(most.unwrap_or(u64::MAX)))
    }
}

/// Whether the database refused a regular expression, which only it can judge.
pub(crate) fn is_bad_pattern(error: &DbErr) -> bool {
    match error {
        DbErr::Query(sea_orm::RuntimeErr::SqlxError(error)) | DbErr::Exec(sea_orm::RuntimeErr::SqlxError(error)) => {
            error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code == "2201B")
        }
        _ => false,
    }
}
