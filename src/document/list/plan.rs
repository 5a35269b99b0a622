//! From a request to a query: what is selected, joined, filtered, grouped and sorted. Reads no database.

use crate::database::query::{Condition, Expression, Function, JoinOn, Select};
use crate::document::list::fields::{Fields, FieldsReader, Output, Source, name_column};
use crate::document::list::filters::{Connector, Filters};
use crate::document::list::order::{self, Keys};
use crate::document::list::scope::{Found, Missing, Scope, refuse};
use crate::document::list::visible::{Purpose, Rows};
use crate::document::list::{Here, ListRequest};
use crate::error::{Error, Result};
use crate::meta::{DocField, Fieldtype, Registry};
use crate::permissions::Session;

/// A list, ready to be fetched.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    /// The query; without `has_next_page`'s extra row.
    pub select: Select<'a>,
    /// The keys of a row.
    pub outputs: Vec<Output<'a>>,
    /// The item that holds the name, where child rows need it.
    pub name_item: Option<usize>,
    /// Outputs whose links are replaced by documents.
    pub expand: Vec<(usize, &'a DocField)>,
}

/// Whether rows or only their number are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Rows,
    Count,
}

/// Plans a list over the rows that the session may see.
pub(super) fn plan<'a>(
    registry: &'a Registry,
    session: &'a Session,
    doctype: &'a std::sync::Arc<crate::meta::DocType>,
    rows: Rows<'a>,
    request: &ListRequest,
    here: Here,
    wanted: Wanted,
) -> Result<Plan<'a>> {
    let mut scope = Scope::new(registry, session, doctype, rows.visible);
    let mut filters = Filters::new(&mut scope, here);
    let mut condition = vec![rows.condition];
    condition.push(filters.parse(&request.filters, Connector::And)?);
    condition.push(filters.parse(&request.or_filters, Connector::Or)?);
    condition.retain(|condition| !condition.is_always());

    let mut fields = Fields::default();
    let mut expand = Vec::new();
    let mut name_item = None;
    if wanted == Wanted::Rows || request.distinct {
        let mut reader = FieldsReader { scope: &mut scope, lenient: request.lenient_fields, fields };
        reader.read(&request.fields)?;
        expand = read_expand(&mut reader, request)?;
        let has_children = reader.fields.outputs.iter().any(|output| matches!(output.source, Source::Children(_)));
        if has_children {
            name_item = Some(reader.ensure(name_column(doctype)));
        }
        // Nothing that was asked for may be seen.
        if reader.fields.items.is_empty() {
            let name = name_column(doctype);
            let item = reader.ensure(name);
            reader.fields.outputs.push(Output {
                key: name.name.to_owned(),
                is_alias: false,
                source: Source::Item(item),
            });
        }
        fields = reader.fields;
    }
    let mut group_by = order::parse_group(&mut scope, &fields, request.group_by.as_deref().unwrap_or_default())?;
    if fields.items.is_empty() && !group_by.is_empty() {
        fields.items.push(Expression::CountAll);
    }
    let named = match &request.order_by {
        Some(text) if wanted == Wanted::Rows => order::parse_order(&mut scope, &fields, text)?,
        _ => Vec::new(),
    };

    let aggregates = fields.items.iter().chain(named.iter().map(|(key, _)| key)).any(Expression::is_aggregate);
    let explicit_group = !group_by.is_empty();
    let is_grouped = explicit_group || aggregates || request.distinct;
    if is_grouped && name_item.is_some() {
        return Err(Error::misuse("Child tables cannot be listed with group_by, distinct or functions"));
    }
    if request.distinct && (explicit_group || aggregates) {
        let shown = |column| fields.items.contains(&Expression::Column(column));
        if !group_by.iter().all(|column| shown(*column)) {
            return Err(Error::misuse("distinct with group_by needs every field of group_by in fields"));
        }
    } else if request.distinct {
        group_by = fields
            .items
            .iter()
            .filter_map(|item| match item {
                Expression::Column(column) => Some(*column),
                Expression::CountAll | Expression::Function(..) => None,
            })
            .collect();
    }
    let has_children = scope.joins.iter().any(|join| matches!(join.on, JoinOn::Child { .. }));
    if wanted == Wanted::Rows && has_children && !scope.multiplied && !is_grouped {
        // Child rows that only filters speak of do not multiply the documents.
        group_by = vec![name_column(doctype)];
    }

    let mut order_by: Keys<'a> = named;
    if wanted == Wanted::Rows {
        finish_order(&mut order_by, &scope, &group_by, explicit_group, aggregates);
    }
    if !group_by.is_empty() || aggregates {
        for item in &mut fields.items {
            if let Expression::Column(column) = *item
                && !group_by.contains(&column)
            {
                *item = Expression::Function(Function::Min, column);
            }
        }
    }
    let select = Select {
        from: doctype,
        joins: scope.joins,
        items: fields.items,
        condition: if condition.len() == 1 { condition.remove(0) } else { Condition::All(condition) },
        once: has_children && !scope.multiplied && (aggregates || explicit_group),
        group_by,
        order_by,
        limit: request.limit,
        offset: request.start,
    };
    Ok(Plan { select, outputs: fields.outputs, name_item, expand })
}

fn finish_order<'a>(
    keys: &mut Keys<'a>,
    scope: &Scope<'a>,
    group_by: &[crate::database::query::ColumnRef<'a>],
    explicit_group: bool,
    aggregates: bool,
) {
    if aggregates && group_by.is_empty() {
        // One row has no order.
        keys.clear();
        return;
    }
    if keys.is_empty() && !explicit_group {
        *keys = order::default_order(scope.doctype);
    }
    if group_by.is_empty() {
        order::add_name(keys, scope.doctype);
        order::add_child_rows(keys, &scope.joins);
    } else {
        order::fit_group(keys, group_by);
    }
}

/// The Link fields of `expand`, added to the fields where they are not asked for.
fn read_expand<'a>(reader: &mut FieldsReader<'_, 'a>, request: &ListRequest) -> Result<Vec<(usize, &'a DocField)>> {
    let mut expand = Vec::new();
    for name in &request.expand {
        let found = match reader.scope.find(name, Purpose::Select) {
            Ok(Found::Column(found)) => found,
            Err(Missing::Hidden) => continue,
            Ok(Found::Table(_)) => return Err(Error::misuse(format!("expand takes Link fields, and {name} is none"))),
            Err(missing) => return Err(refuse(missing, name)),
        };
        let Some(field) = found.field.filter(|field| field.fieldtype == Fieldtype::Link) else {
            return Err(Error::misuse(format!("expand takes Link fields, and {} is none", found.column.name)));
        };
        if found.masked {
            continue;
        }
        let item = reader.ensure(found.column);
        let shows = |output: &Output<'_>| matches!(output.source, Source::Item(shown) if shown == item);
        let outputs = &mut reader.fields.outputs;
        let output = outputs.iter().position(shows).unwrap_or_else(|| {
            outputs.push(Output { key: found.column.name.to_owned(), is_alias: false, source: Source::Item(item) });
            outputs.len() - 1
        });
        if !expand.iter().any(|(known, _)| *known == output) {
            expand.push((output, field));
        }
    }
    Ok(expand)
}
