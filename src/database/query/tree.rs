//! A node's relatives, found through the Link to the parent: right even where nobody kept `lft` and `rgt`.

use crate::database::query::{Relation, Tree};
use crate::database::sql::Sql;
use crate::meta::doctype::slot;
use crate::meta::fieldtype::{ColumnType, Shape};

/// Adds a sub-query for the names of the relatives, as text.
///
/// `UNION` drops what was seen already, so a cycle in the data ends.
pub(super) fn push_relatives(sql: &mut Sql, tree: &Tree<'_>, node: &str) {
    let is_number = tree.doctype.columns[slot::NAME].column_type.shape() == Shape::Int;
    let table = tree.doctype.table_name();
    sql.push("WITH RECURSIVE \"relatives\" (\"node\") AS (SELECT ");
    match tree.relation {
        Relation::Ancestors => sql.column("n", tree.parent_field),
        Relation::Descendants | Relation::DescendantsAndSelf => push_name(sql, "n", is_number),
    };
    sql.push(" FROM ").ident(&table).push(" AS \"n\" WHERE ");
    match tree.relation {
        Relation::Descendants => sql.column("n", tree.parent_field),
        Relation::Ancestors | Relation::DescendantsAndSelf => push_name(sql, "n", is_number),
    };
    sql.push(" = ").bind(ColumnType::Text, node).push(" UNION SELECT ");
    match tree.relation {
        Relation::Ancestors => sql.column("n", tree.parent_field),
        Relation::Descendants | Relation::DescendantsAndSelf => push_name(sql, "n", is_number),
    };
    sql.push(" FROM \"relatives\" JOIN ").ident(&table).push(" AS \"n\" ON ");
    match tree.relation {
        Relation::Ancestors => push_name(sql, "n", is_number),
        Relation::Descendants | Relation::DescendantsAndSelf => sql.column("n", tree.parent_field),
    };
    sql.push(" = \"relatives\".\"node\") SELECT \"node\" FROM \"relatives\" WHERE \"node\" <> ''");
}

fn push_name<'s>(sql: &'s mut Sql, alias: &str, is_number: bool) -> &'s mut Sql {
    if is_number { sql.push("CAST(").column(alias, "name").push(" AS text)") } else { sql.column(alias, "name") }
}
