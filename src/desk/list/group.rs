//! How many documents have each value of a field; each number leads to them.

use std::sync::Arc;

use chrono::{Datelike, Days, Months, NaiveDate};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::params::ListParams;
use super::shown::Shown;
use super::{MOST_COUNTED, counted};
use crate::desk::form::control::label;
use crate::desk::titles::list_titles;
use crate::document::{Cell, ListRequest};
use crate::error::Result;
use crate::meta::{DocField, DocType, Fieldtype};
use crate::permissions::Grant;
use crate::web::Exchange;

/// How many values are told.
const MOST_VALUES: u64 = 50;
/// How many months are told one by one.
const MOST_MONTHS: usize = 24;

/// The values of a field, counted.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct GroupsView {
    /// The field.
    pub label: String,
    /// The values.
    pub items: Vec<GroupView>,
    /// There are more values than these.
    pub more: bool,
    /// The list without groups.
    pub close_url: String,
}

/// A value.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct GroupView {
    /// As people read it.
    pub label: String,
    /// How many documents have it.
    pub count: String,
    /// The list of these.
    pub href: String,
}

/// Counts the documents of a list by the field that the address names; `None` if it names none.
pub(super) async fn groups(
    exchange: &Exchange,
    doctype: &Arc<DocType>,
    grant: &Grant,
    params: &ListParams,
) -> Result<Option<GroupsView>> {
    let Some(field) = doctype.field(&params.shown.group_by) else { return Ok(None) };
    let is_time = matches!(field.fieldtype, Fieldtype::Date | Fieldtype::Datetime);
    let (items, more) = if is_time {
        (months(exchange, doctype, grant, params, field).await?, false)
    } else {
        values(exchange, doctype, grant, params, field).await?
    };
    let close_url = params.shown_as(Shown::default()).url(doctype);
    Ok(Some(GroupsView { label: label(field), items, more, close_url }))
}

/// The list narrowed to one value.
fn narrowed(doctype: &DocType, params: &ListParams, field: &DocField, value: &str) -> String {
    params.narrowed_to(&field.fieldname, value).url(doctype)
}

const NOT_SET: &str = r#"["is","not set"]"#;

async fn values(
    exchange: &Exchange,
    doctype: &Arc<DocType>,
    grant: &Grant,
    params: &ListParams,
    field: &DocField,
) -> Result<(Vec<GroupView>, bool)> {
    let name = field.fieldname.as_str();
    let mut request = params.to_request(doctype, grant);
    request.fields = json!([name, "count(name) as documents"]);
    request.group_by = Some(name.to_owned());
    request.order_by = Some("count(name) desc".to_owned());
    (request.start, request.limit) = (0, Some(MOST_VALUES));
    let documents = &exchange.site.documents;
    let list = documents.list(exchange.session(), &request).await?;
    let titles = list_titles(exchange, &exchange.registry(), doctype, &list).await?;
    let mut not_set = 0;
    let mut items = Vec::new();
    for row in &list.rows {
        let (Some(Cell::Value(value)), Some(Cell::Value(count))) = (row.first(), row.get(1)) else { continue };
        let (text, count) = (value.to_string(), count.as_int().unwrap_or(0).unsigned_abs());
        let is_check = field.fieldtype == Fieldtype::Check;
        if text.is_empty() && !is_check {
            not_set += count;
            continue;
        }
        let on = value.is_truthy();
        let (label, value) = match field.fieldtype {
            Fieldtype::Check => (field.shown(if on { "Yes" } else { "No" }).to_owned(), u8::from(on).to_string()),
            // A value that begins as an operator does is told from one.
            _ if text.starts_with('[') => (text.clone(), json!(["=", text]).to_string()),
            Fieldtype::Select => (field.shown(&text).to_owned(), text),
            Fieldtype::Link => (titles.get(&field.options, &text).unwrap_or(&text).to_owned(), text),
            _ => (text.clone(), text),
        };
        items.push(GroupView {
            label,
            count: counted(count, u64::MAX),
            href: narrowed(doctype, params, field, &value),
        });
    }
    if not_set > 0 {
        let href = narrowed(doctype, params, field, NOT_SET);
        items.push(GroupView { label: exchange.say("Not set"), count: counted(not_set, u64::MAX), href });
    }
    Ok((items, list.has_next_page))
}

/// The months from the last one back to the first, and all before these as one.
async fn months(
    exchange: &Exchange,
    doctype: &Arc<DocType>,
    grant: &Grant,
    params: &ListParams,
    field: &DocField,
) -> Result<Vec<GroupView>> {
    let (documents, session) = (&exchange.site.documents, exchange.session());
    let name = field.fieldname.as_str();
    let with = |filter: Json| {
        let mut request = params.to_request(doctype, grant);
        if let Json::Array(filters) = &mut request.filters {
            filters.push(filter);
        }
        request.fields = json!([name]);
        request.start = 0;
        request
    };
    let edge = async |order: &str| -> Result<Option<NaiveDate>> {
        let mut request: ListRequest = with(json!([name, "is", "set"]));
        request.order_by = Some(format!("{name} {order}"));
        request.limit = Some(1);
        let list = documents.list(session, &request).await?;
        let text = if list.rows.is_empty() { "" } else { list.text(0, name) };
        Ok(text.get(..10).and_then(|day| day.parse().ok()).and_then(|day: NaiveDate| day.with_day(1)))
    };
    let count = async |filter: Json| documents.count_at_most(session, &with(filter), Some(MOST_COUNTED + 1)).await;
    let mut items = Vec::new();
    let mut add = |label: String, value: &Json, count: u64| {
        if count > 0 {
            let href = narrowed(doctype, params, field, &value.to_string());
            items.push(GroupView { label, count: counted(count, MOST_COUNTED), href });
        }
    };
    if let (Some(first), Some(mut month)) = (edge("asc").await?, edge("desc").await?) {
        let mut told = 0;
        while month >= first && told < MOST_MONTHS {
            let Some(last) =
                month.checked_add_months(Months::new(1)).and_then(|next| next.checked_sub_days(Days::new(1)))
            else {
                break;
            };
            let span = json!(["between", [month.to_string(), last.to_string()]]);
            let found = count(json!([name, span[0], span[1]])).await?;
            told += usize::from(found > 0);
            add(super::calendar::month(exchange.language(), month), &span, found);
            // A gap of years is passed in one step.
            if found == 0 {
                let mut before: ListRequest = with(json!([name, "<", month.to_string()]));
                before.order_by = Some(format!("{name} desc"));
                before.limit = Some(1);
                let earlier = documents.list(session, &before).await?;
                let text = if earlier.rows.is_empty() { "" } else { earlier.text(0, name) };
                let next = text.get(..10).and_then(|day| day.parse::<NaiveDate>().ok()).and_then(|day| day.with_day(1));
                match next.filter(|next| *next < month) {
                    Some(next) => month = next,
                    None => break,
                }
                continue;
            }
            let Some(before) = month.checked_sub_months(Months::new(1)) else { break };
            month = before;
        }
        if let Some(after) = month.checked_add_months(Months::new(1)).filter(|_| month >= first) {
            let earlier = json!(["<", after.to_string()]);
            let found = count(json!([name, earlier[0], earlier[1]])).await?;
            add(exchange.say("Earlier"), &earlier, found);
        }
    }
    let not_set = count(json!([name, "is", "not set"])).await?;
    add(exchange.say("Not set"), &json!(["is", "not set"]), not_set);
    Ok(items)
}
