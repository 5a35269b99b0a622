//! The `order_by` and `group_by` parameters, and the order that lists have if nobody says.

use crate::database::query::{ColumnRef, Expression, Function, Join, JoinOn, MAIN};
use crate::document::list::fields::{Fields, Source, name_column};
use crate::document::list::scope::Scope;
use crate::document::list::term;
use crate::document::list::visible::{self, Purpose};
use crate::error::{Error, ProblemKind, Result};
use crate::meta::DocType;
use crate::meta::doctype::{Order, slot};

/// Keys at most.
const MAX_KEYS: usize = 30;

/// What rows are sorted by, the first key first.
pub(super) type Keys<'a> = Vec<(Expression<'a>, Order)>;

/// `"f asc, g desc"`; also aggregates and the aliases of selected fields.
pub(super) fn parse_order<'a>(scope: &mut Scope<'a>, fields: &Fields<'a>, text: &str) -> Result<Keys<'a>> {
    let mut keys: Keys<'a> = Vec::new();
    for part in term::split_commas(text).filter(|part| !part.is_empty()) {
        let (name, order) = split_direction(part);
        let expression = match aliased(fields, name) {
            Some(expression) => expression,
            None => term::parse(name)?.expression(scope)?,
        };
        if !keys.iter().any(|(known, _)| *known == expression) {
            keys.push((expression, order));
        }
    }
    check_number(keys.len(), "order_by")?;
    Ok(keys)
}

/// What is selected under that alias.
fn aliased<'a>(fields: &Fields<'a>, name: &str) -> Option<Expression<'a>> {
    let output = fields.outputs.iter().find(|output| output.is_alias && output.key == name.trim_matches('`'))?;
    if let Source::Item(item) = output.source { Some(fields.items[item]) } else { None }
}

/// `"f, g"`; also the aliases of selected fields, where no field has that name.
pub(super) fn parse_group<'a>(scope: &mut Scope<'a>, fields: &Fields<'a>, text: &str) -> Result<Vec<ColumnRef<'a>>> {
    let mut columns: Vec<ColumnRef<'a>> = Vec::new();
    for part in term::split_commas(text).filter(|part| !part.is_empty()) {
        let column = match (scope.column(part, Purpose::Order), aliased(fields, part)) {
            (Ok(found), _) => found.column,
            (Err(_), Some(Expression::Column(column))) => column,
            (Err(error), _) => return Err(error),
        };
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    check_number(columns.len(), "group_by")?;
    Ok(columns)
}

/// The order that the DocType declares. Child rows of one save have one `creation`, so their `idx` decides.
pub(super) fn default_order(doctype: &DocType) -> Keys<'_> {
    let column = |index| Expression::Column(visible::column_ref(MAIN, doctype, index));
    let declared = doctype.sort.iter().filter_map(|(name, order)| {
        let index = doctype.column(name)?;
        let field = doctype.column_field(index);
        // The order of a list would tell of values that it does not show.
        field.is_none_or(|field| !field.secret).then(|| (column(index), *order))
    });
    let mut keys: Keys<'_> = declared.collect();
    if keys.is_empty() {
        keys.push((column(slot::CREATION), Order::Desc));
    }
    if doctype.istable && !keys.iter().any(|(key, _)| *key == column(slot::IDX)) {
        keys.push((column(slot::IDX), Order::Asc));
    }
    keys
}

/// Puts the name last, so that pages neither repeat nor skip a row. In the direction of the key before it, so that one index
/// gives the whole order.
pub(super) fn add_name<'a>(keys: &mut Keys<'a>, doctype: &'a DocType) {
    let name = Expression::Column(name_column(doctype));
    if !keys.iter().any(|(key, _)| *key == name) {
        let order = keys.last().map_or(Order::Asc, |(_, order)| *order);
        keys.push((name, order));
    }
}

/// Child rows that multiply the documents come in their own order, always the same.
pub(super) fn add_child_rows<'a>(keys: &mut Keys<'a>, joins: &[Join<'a>]) {
    for join in joins.iter().filter(|join| matches!(join.on, JoinOn::Child { .. })) {
        for slot in [slot::IDX, slot::NAME] {
            let key = Expression::Column(visible::column_ref(join.table, join.doctype, slot));
            if !keys.iter().any(|(known, _)| *known == key) {
                keys.push((key, Order::Asc));
            }
        }
    }
}

/// Makes keys fit grouped rows: columns outside the group count with their smallest or largest value.
pub(super) fn fit_group<'a>(keys: &mut Keys<'a>, group: &[ColumnRef<'a>]) {
    for (key, order) in keys.iter_mut() {
        *key = match (*key, *order) {
            (Expression::Column(column), _) if group.contains(&column) => *key,
            (Expression::Column(column), Order::Asc) => Expression::Function(Function::Min, column),
            (Expression::Column(column), Order::Desc) => Expression::Function(Function::Max, column),
            (other, _) => other,
        };
    }
    for column in group {
        let last = Expression::Column(*column);
        if !keys.iter().any(|(key, _)| *key == last) {
            keys.push((last, Order::Asc));
        }
    }
}

fn split_direction(part: &str) -> (&str, Order) {
    let direction = |word: &str| {
        [("asc", Order::Asc), ("desc", Order::Desc)]
            .into_iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(word))
            .map(|(_, order)| order)
    };
    part.rsplit_once(char::is_whitespace)
        .and_then(|(name, word)| Some((name.trim_end(), direction(word)?)))
        .unwrap_or((part, Order::Asc))
}

fn check_number(keys: usize, parameter: &str) -> Result<()> {
    if keys <= MAX_KEYS {
        return Ok(());
    }
    Err(Error::invalid(ProblemKind::Validation, format!("{parameter} takes at most {MAX_KEYS} fields")))
}
