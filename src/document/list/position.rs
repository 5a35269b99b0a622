//! Places in a list that stay right while rows are added or go: the values of the row behind which a page begins.

use serde_json::Value as Json;

use crate::database::query::{ColumnRef, Comparison, Condition, Expression, Function, MAIN};
use crate::document::list::fields::name_column;
use crate::document::list::plan::Plan;
use crate::error::{Error, Result};
use crate::meta::Value;
use crate::meta::doctype::Order;

/// A place in a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Position {
    /// What the list is sorted by, in words of its own.
    order: String,
    /// The values of the last row before it; empty at the beginning.
    values: Vec<Value>,
}

impl Position {
    /// Whether it is before the first row.
    pub(crate) fn is_start(&self) -> bool {
        self.values.is_empty()
    }

    /// As JSON: the values of a row, which not everybody may see.
    pub(crate) fn to_json(&self) -> Json {
        let values: Vec<Json> = self.values.iter().map(Value::to_json).collect();
        Json::from(vec![Json::from(self.order.as_str()), Json::from(values)])
    }

    /// What [`Position::to_json`] made.
    pub(crate) fn from_json(json: &Json) -> Option<Self> {
        let value = |json: &Json| match json {
            Json::Number(number) => number.as_i64().map(Value::Int).or_else(|| number.as_f64().map(Value::Float)),
            Json::String(text) => Some(Value::Text(text.clone())),
            Json::Null => Some(Value::Null),
            _ => None,
        };
        let values = json.get(1)?.as_array()?.iter().map(value).collect::<Option<_>>()?;
        Some(Self { order: json.get(0)?.as_str()?.to_owned(), values })
    }
}

/// What the rows of a list are sorted by, each of them in a column.
pub(super) struct SortKeys<'a> {
    keys: Vec<(ColumnRef<'a>, Order)>,
    /// Where the query selects them.
    items: Vec<usize>,
    order: String,
}

impl<'a> SortKeys<'a> {
    /// Has the plan select what its rows are sorted by, and leave out those before the position. `None`: rows that stand for
    /// several documents have no place of their own.
    pub(super) fn prepare(plan: &mut Plan<'a>, position: &Position) -> Result<Option<Self>> {
        let select = &mut plan.select;
        let name = name_column(select.from);
        let is_by_name = select.group_by == [name];
        if !select.group_by.is_empty() && !is_by_name {
            return none(position);
        }
        let (mut keys, mut items, mut order) = (Vec::new(), Vec::new(), String::new());
        for (key, direction) in &select.order_by {
            let column = match *key {
                Expression::Column(column) => column,
                // Of one document there is one value, and it is the smallest and the largest.
                Expression::Function(Function::Min | Function::Max, column) if is_by_name && column.table == MAIN => {
                    column
                }
                _ => return none(position),
            };
            let item = select.items.iter().position(|item| item == key).unwrap_or_else(|| {
                select.items.push(*key);
                select.items.len() - 1
            });
            let word = if *direction == Order::Asc { "asc" } else { "desc" };
            order.extend(["t", column.table.to_string().as_str(), ".", column.name, " ", word, ","]);
            keys.push((column, *direction));
            items.push(item);
        }
        let sorted = Self { keys, items, order };
        if position.is_start() {
            return Ok(Some(sorted));
        }
        if position.order != sorted.order || position.values.len() != sorted.keys.len() {
            return Err(Error::misuse("The cursor belongs to a list in another order: begin again with an empty one"));
        }
        let before = std::mem::replace(&mut select.condition, Condition::ALWAYS);
        let all = [before, sorted.behind(&position.values)].into_iter().filter(|condition| !condition.is_always());
        select.condition = Condition::All(all.collect());
        Ok(Some(sorted))
    }

    /// The place behind a row of the query.
    pub(super) fn position(&self, row: &[Value]) -> Position {
        Position { order: self.order.clone(), values: self.items.iter().map(|item| row[*item].clone()).collect() }
    }

    /// The condition of rows behind these values.
    fn behind(&self, values: &[Value]) -> Condition<'a> {
        let keys = self.keys.iter().zip(values).rev();
        let behind = keys.fold(Condition::Any(Vec::new()), |rest, ((column, order), value)| {
            let same = Condition::All(vec![same(*column, value), rest]);
            Condition::Any(vec![beyond(*column, *order, value), same])
        });
        match (self.keys.first(), values.first()) {
            // An index finds where to begin.
            (Some((column, order)), Some(value)) if !column.nullable && column.table == MAIN => {
                let comparison = match order {
                    Order::Asc => Comparison::GreaterOrEqual,
                    Order::Desc => Comparison::LessOrEqual,
                };
                let begins = Condition::Compare { column: *column, comparison, value: value.clone(), or_null: false };
                Condition::All(vec![begins, behind])
            }
            _ => behind,
        }
    }
}

fn none<T>(position: &Position) -> Result<Option<T>> {
    if position.is_start() {
        return Ok(None);
    }
    Err(Error::misuse("A cursor takes no group_by, distinct or functions: use start and limit"))
}

fn same<'a>(column: ColumnRef<'a>, value: &Value) -> Condition<'a> {
    match value {
        Value::Null => Condition::IsNull { column, null: true },
        value => Condition::Compare { column, comparison: Comparison::Equal, value: value.clone(), or_null: false },
    }
}

/// Behind a value, where NULL comes before everything.
fn beyond<'a>(column: ColumnRef<'a>, order: Order, value: &Value) -> Condition<'a> {
    let can_be_null = column.nullable || column.table != MAIN;
    match (order, value) {
        (Order::Asc, Value::Null) => Condition::IsNull { column, null: false },
        (Order::Desc, Value::Null) => Condition::Any(Vec::new()),
        (Order::Asc, value) => {
            Condition::Compare { column, comparison: Comparison::Greater, value: value.clone(), or_null: false }
        }
        (Order::Desc, value) => {
            Condition::Compare { column, comparison: Comparison::Less, value: value.clone(), or_null: can_be_null }
        }
    }
}
