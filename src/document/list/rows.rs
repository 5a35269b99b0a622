//! From the rows of a query to the rows of a list: child rows and expanded links, with one query for each.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value as Json};

use crate::clock::Zone;
use crate::database::Executor;
use crate::database::query::{Condition, Expression, Function, MAIN, Select};
use crate::document::list::fields::{ChildRows, Output, Source};
use crate::document::list::plan::Plan;
use crate::document::list::visible;
use crate::document::list::{Cell, Context, List, ListRequest, run};
use crate::error::{Error, Result};
use crate::meta::doctype::Order;
use crate::meta::fieldtype::{ColumnType, masked};
use crate::meta::{DocField, DocType, Document, Fieldtype, Value};

/// Turns one page of rows into a list. `exec` is where the rows come from. `documents` are those of the rows, where they are in memory.
pub(super) async fn finish(
    context: Context<'_>,
    exec: &dyn Executor,
    plan: &Plan<'_>,
    mut rows: Vec<Vec<Value>>,
    documents: Option<&[&Document]>,
    has_next_page: bool,
) -> Result<List> {
    show_times(plan, context.zone, &mut rows);
    let mut children = Vec::new();
    for output in &plan.outputs {
        if let Source::Children(wanted) = &output.source {
            let found = match documents {
                Some(documents) => in_memory(context.zone, wanted, documents),
                None => fetch_children(exec, context.zone, plan, wanted, &rows).await?,
            };
            children.push(found);
        }
    }
    let mut expanded = Vec::with_capacity(plan.expand.len());
    for (output, field) in &plan.expand {
        let Source::Item(item) = plan.outputs[*output].source else { continue };
        let names = rows.iter().map(|row| row[item].to_string()).filter(|name| !name.is_empty()).collect();
        expanded.push((*output, fetch_linked(context, field, names).await?));
    }
    let mut cells: Vec<Vec<Cell>> = if is_plain(plan) {
        rows.into_iter().map(|row| row.into_iter().map(Cell::Value).collect()).collect()
    } else {
        let row = |(index, row): (usize, Vec<Value>)| build_row(&plan.outputs, index, &row, &mut children);
        rows.into_iter().enumerate().map(row).collect()
    };
    for (output, linked) in &expanded {
        for row in &mut cells {
            if let Cell::Value(name) = &row[*output]
                && let Some(document) = linked.get(&name.to_string())
            {
                row[*output] = Cell::Json(document.clone());
            }
        }
    }
    let keys = plan.outputs.iter().map(|output| output.key.clone()).collect();
    Ok(List { keys, rows: cells, has_next_page, next: None })
}

/// Datetimes leave in the zone of who asks.
fn show_times(plan: &Plan<'_>, zone: Zone, rows: &mut [Vec<Value>]) {
    if zone.is_utc() {
        return;
    }
    let is_time = |(_, item): &(usize, &Expression<'_>)| match item {
        Expression::Column(column) | Expression::Function(Function::Min | Function::Max, column) => {
            column.column_type == ColumnType::Datetime
        }
        _ => false,
    };
    let times: Vec<usize> = plan.select.items.iter().enumerate().filter(is_time).map(|(at, _)| at).collect();
    for row in rows {
        for at in &times {
            show_time(zone, &mut row[*at]);
        }
    }
}

fn show_time(zone: Zone, value: &mut Value) {
    if let Value::Text(text) = value {
        *text = zone.shown(text);
    }
}

/// Whether the rows of the query are the rows of the list as they stand.
fn is_plain(plan: &Plan<'_>) -> bool {
    plan.outputs.len() == plan.select.items.len()
        && plan.outputs.iter().enumerate().all(|(at, output)| matches!(output.source, Source::Item(item) if item == at))
}

fn build_row(outputs: &[Output<'_>], index: usize, row: &[Value], children: &mut [Vec<Json>]) -> Vec<Cell> {
    let mut children = children.iter_mut();
    let cell = |output: &Output<'_>| match &output.source {
        Source::Item(item) => Cell::Value(row[*item].clone()),
        Source::Stars(item) => Cell::Value(stars(&row[*item])),
        Source::Masked(item, field) => Cell::Value(masked(field, &row[*item])),
        Source::Children(_) => {
            let found = children.next().and_then(|rows| rows.get_mut(index)).map(Json::take);
            Cell::Json(found.unwrap_or_else(|| Json::Array(Vec::new())))
        }
    };
    outputs.iter().map(cell).collect()
}

/// A Password shows its length at most, whatever its column holds.
fn stars(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        value => Value::Text("*".repeat(value.to_string().chars().count())),
    }
}

/// For every row of the list, its child rows as a JSON array.
async fn fetch_children(
    exec: &dyn Executor,
    zone: Zone,
    plan: &Plan<'_>,
    wanted: &ChildRows<'_>,
    rows: &[Vec<Value>],
) -> Result<Vec<Json>> {
    let Some(name_item) = plan.name_item.filter(|_| !rows.is_empty()) else { return Ok(Vec::new()) };
    let child: &DocType = wanted.child;
    let column = |name: &str| child.column(name).map(|index| visible::column_ref(MAIN, child, index));
    let (Some(parent), Some(parenttype), Some(parentfield), Some(idx)) =
        (column("parent"), column("parenttype"), column("parentfield"), column("idx"))
    else {
        return Ok(Vec::new());
    };
    let names: Vec<String> = rows.iter().map(|row| row[name_item].to_string()).collect();
    let one_of = |column, values| Condition::OneOf { column, values, negated: false, or_null: false };
    let mut items = vec![Expression::Column(parent)];
    items.extend(wanted.columns.iter().map(|(index, _)| Expression::Column(visible::column_ref(MAIN, child, *index))));
    let select = Select {
        from: child,
        joins: Vec::new(),
        items,
        condition: Condition::All(vec![
            one_of(parent, names.iter().cloned().map(Value::Text).collect()),
            one_of(parenttype, vec![Value::from(plan.select.from.name.as_str())]),
            one_of(parentfield, vec![Value::from(wanted.field.fieldname.as_str())]),
        ]),
        once: false,
        group_by: Vec::new(),
        order_by: vec![(Expression::Column(parent), Order::Asc), (Expression::Column(idx), Order::Asc)],
        limit: None,
        offset: 0,
    };
    let mut by_parent: HashMap<String, Vec<Json>> = HashMap::new();
    for row in select.fetch(exec).await? {
        let mut values = row.into_iter();
        let parent = values.next().unwrap_or_default().to_string();
        let object = child_object(zone, wanted, values);
        by_parent.entry(parent).or_default().push(object);
    }
    Ok(names.iter().map(|name| Json::Array(by_parent.get(name).cloned().unwrap_or_default())).collect())
}

fn in_memory(zone: Zone, wanted: &ChildRows<'_>, documents: &[&Document]) -> Vec<Json> {
    let row = |row: &Document| {
        child_object(zone, wanted, wanted.columns.iter().map(|(column, _)| row.values[*column].clone()))
    };
    let rows = |document: &&Document| Json::Array(document.rows(&wanted.field.fieldname).iter().map(row).collect());
    documents.iter().map(rows).collect()
}

fn child_object(zone: Zone, wanted: &ChildRows<'_>, values: impl Iterator<Item = Value>) -> Json {
    let pair = |((column, key), mut value): (&(usize, String), Value)| {
        if wanted.child.columns[*column].column_type == ColumnType::Datetime {
            show_time(zone, &mut value);
        }
        let shown = match wanted.child.column_field(*column) {
            Some(field) if wanted.visible.masks(field) => masked(field, &value),
            Some(field) if field.fieldtype == Fieldtype::Password => stars(&value),
            _ => value,
        };
        (key.clone(), shown.to_json())
    };
    Json::Object(wanted.columns.iter().zip(values).map(pair).collect())
}

/// The documents that a Link names, as far as the session may read them.
async fn fetch_linked(
    context: Context<'_>,
    field: &DocField,
    names: BTreeSet<String>,
) -> Result<HashMap<String, Json>> {
    let target = field.link_target().and_then(|target| context.registry.get(target));
    let Some(target) = target.filter(|target| !target.is_virtual && !target.istable && !names.is_empty()) else {
        return Ok(HashMap::new());
    };
    let names = Json::Array(names.into_iter().map(Json::String).collect());
    let request = ListRequest::new(&target.name)
        .fields(&["*"])
        .filters(Json::Object(Map::from_iter([("name".to_owned(), Json::Array(vec![Json::from("in"), names]))])))
        .all();
    let list = match Box::pin(run(context, &request)).await {
        Ok(list) => list,
        // A link whose target may not be read stays a name; so does one that no document can have.
        Err(
            Error::Permission(_) | Error::Authentication(_) | Error::InsufficientScope { .. } | Error::Validation(_),
        ) => return Ok(HashMap::new()),
        Err(error) => return Err(error),
    };
    let Some(name) = list.keys.iter().position(|key| key == "name") else { return Ok(HashMap::new()) };
    let key = |row: &Vec<Cell>| match &row[name] {
        Cell::Value(value) => value.to_string(),
        Cell::Json(_) => String::new(),
    };
    let names: Vec<String> = list.rows.iter().map(key).collect();
    Ok(names.into_iter().zip(list.to_json().into_iter().map(Json::Object)).collect())
}
