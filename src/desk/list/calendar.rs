//! A calendar: the documents of a month on their days.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{Datelike, Days, Months, NaiveDate};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::params::{ListParams, filterable};
use super::shown::Shown;
use crate::desk::document_url;
use crate::desk::indicator::indicator_of;
use crate::document::List;
use crate::error::{Error, Result};
use crate::language::Language;
use crate::meta::{DocType, Right};
use crate::permissions::Grant;
use crate::web::Exchange;

/// How many documents of a month are shown.
const MOST: u64 = 500;
/// How many of a day.
const MOST_A_DAY: usize = 4;

/// A month.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CalendarView {
    /// `November 2026`
    pub title: String,
    /// The days of the week: short, and whole.
    pub weekdays: Vec<(String, String)>,
    /// Its weeks.
    pub weeks: Vec<Vec<DayView>>,
    /// The month before.
    pub previous_url: String,
    /// The month after.
    pub next_url: String,
    /// The month of today; empty where it is shown.
    pub today_url: String,
    /// Not all are shown.
    pub cut: bool,
    /// Nothing is on these days.
    pub empty: bool,
}

/// A day.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DayView {
    /// `2026-11-28`
    pub date: String,
    /// The day of the month.
    pub number: u32,
    /// `Saturday, 28 November`
    pub label: String,
    /// It belongs to another month.
    pub outside: bool,
    /// It is today.
    pub today: bool,
    /// What is on it.
    pub events: Vec<EventView>,
    /// How many more there are; empty for none.
    pub more: String,
    /// The list of all on this day.
    pub href: String,
    /// A form for a new document on this day; empty if there is none.
    pub create_url: String,
}

/// A document on a day.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct EventView {
    /// Its title.
    pub title: String,
    /// Its form.
    pub href: String,
    /// When it begins, where a day has times; empty otherwise.
    pub time: String,
    /// It has begun before this day.
    pub continued: bool,
    /// The colour of its state; empty for none.
    pub color: String,
    /// Its state.
    pub state: String,
}

/// The month that the address asks for.
pub(super) async fn calendar(
    exchange: &Exchange,
    doctype: &Arc<DocType>,
    grant: &Grant,
    params: &ListParams,
) -> Result<CalendarView> {
    let (documents, session, language) = (&exchange.site.documents, exchange.session(), exchange.language());
    let today = documents.clock().now_in(documents.zone(session)).date();
    let out_of_range = || Error::BadRequest("There is no such month".to_owned());
    let first = params.shown.month.unwrap_or(today).with_day(1).ok_or_else(out_of_range)?;
    let last = first.checked_add_months(Months::new(1)).and_then(|next| next.pred_opt()).ok_or_else(out_of_range)?;
    let start = first.checked_sub_days(Days::new(first.weekday().num_days_from_monday().into()));
    let end = last.checked_add_days(Days::new((6 - last.weekday().num_days_from_monday()).into()));
    let (start, end) = start.zip(end).ok_or_else(out_of_range)?;

    let (by, until) = (params.shown.by.as_str(), params.shown.end.as_str());
    let mut request = params.to_request(doctype, grant);
    let mut fields = vec!["name", "docstatus", by];
    fields.extend([until].into_iter().filter(|field| !field.is_empty()));
    let more = doctype.title_field.as_deref().into_iter().chain(super::status_fields(doctype));
    fields.extend(more.filter(|field| filterable(doctype, grant, field)));
    fields.dedup();
    request.fields = json!(fields);
    request.order_by = Some(format!("{by} asc"));
    (request.start, request.limit) = (0, Some(MOST));
    let span = json!([start.to_string(), end.to_string()]);
    let mut lists = vec![vec![json!([by, "between", span])]];
    if !until.is_empty() {
        // What has begun before the first day and has not ended.
        let before = json!([by, "<", start.to_string()]);
        lists.insert(0, vec![before, json!([until, ">=", start.to_string()])]);
    }
    let mut days: BTreeMap<NaiveDate, Vec<EventView>> = BTreeMap::new();
    let mut cut = false;
    for filters in lists {
        let mut request = request.clone();
        if let Json::Array(known) = &mut request.filters {
            known.extend(filters);
        }
        let found = documents.list(session, &request).await?;
        cut |= found.has_next_page;
        for row in 0..found.rows.len() {
            let Some(from) = day(&found, row, by) else { continue };
            let to = if until.is_empty() { from } else { day(&found, row, until).unwrap_or(from).max(from) };
            for date in from.max(start).iter_days().take_while(|date| *date <= to.min(end)) {
                days.entry(date).or_default().push(event(doctype, &found, row, by, date != from));
            }
        }
    }
    let empty = days.is_empty();
    let create = grant.may(Right::Create) && !doctype.in_create && !doctype.is_virtual;
    let months = |month: Option<NaiveDate>| {
        let shown = |month| Shown { month: Some(month), ..params.shown.clone() };
        month.map(|month| params.shown_as(shown(month)).url(doctype)).unwrap_or_default()
    };
    let mut all = start.iter_days().take_while(|date| *date <= end).map(|date| {
        let mut events = days.remove(&date).unwrap_or_default();
        let left = events.len().saturating_sub(MOST_A_DAY);
        // One that is left over needs no more room than the line about it.
        let left = if left > 1 { left } else { 0 };
        events.truncate(if left > 0 { MOST_A_DAY } else { MOST_A_DAY + 1 });
        let text = date.to_string();
        let on_day = json!(["between", [text, text]]).to_string();
        DayView {
            number: date.day(),
            label: language.filled(
                "{weekday}, {day} {month}",
                &[
                    ("weekday", language.say(&date.format("%A").to_string())),
                    ("day", date.day().to_string().into()),
                    ("month", language.say(&date.format("%B").to_string())),
                ],
            ),
            outside: date.month() != first.month(),
            today: date == today,
            events,
            more: if left == 0 { String::new() } else { left.to_string() },
            href: params.narrowed_to(by, &on_day).url(doctype),
            create_url: if create { format!("/app/{}/new?{by}={date}", doctype.slug()) } else { String::new() },
            date: text,
        }
    });
    let mut weeks: Vec<Vec<DayView>> = Vec::new();
    loop {
        let week: Vec<DayView> = all.by_ref().take(7).collect();
        if week.is_empty() {
            break;
        }
        weeks.push(week);
    }
    let weekdays = start.iter_days().take(7).map(|day| {
        let say = |form: &str| exchange.say(&day.format(form).to_string());
        (say("%a"), say("%A"))
    });
    Ok(CalendarView {
        title: month(language, first),
        weekdays: weekdays.collect(),
        weeks,
        previous_url: months(first.checked_sub_months(Months::new(1))),
        next_url: months(first.checked_add_months(Months::new(1))),
        today_url: if first == today.with_day(1).unwrap_or(first) {
            String::new()
        } else {
            params.shown_as(Shown { month: None, ..params.shown.clone() }).url(doctype)
        },
        cut,
        empty,
    })
}

/// `November 2026`, in a language.
pub(super) fn month(language: &Language, first: NaiveDate) -> String {
    let name = language.say(&first.format("%B").to_string()).into_owned();
    language.filled("{month} {year}", &[("month", name.into()), ("year", first.format("%Y").to_string().into())])
}

fn day(list: &List, row: usize, field: &str) -> Option<NaiveDate> {
    list.text(row, field).get(..10)?.parse().ok()
}

fn event(doctype: &DocType, list: &List, row: usize, by: &str, continued: bool) -> EventView {
    let value = |name: &str| match list.keys.iter().position(|key| key == name).and_then(|at| list.rows[row].get(at)) {
        Some(crate::document::Cell::Value(value)) => value.clone(),
        _ => crate::meta::Value::Null,
    };
    let name = value("name").to_string();
    let title = doctype.title_field.as_deref().map(|field| value(field).to_string()).filter(|title| !title.is_empty());
    let state = indicator_of(doctype, value("docstatus").as_int().unwrap_or(0), &|field| value(field).to_string());
    EventView {
        href: document_url(&doctype.slug(), &name),
        title: title.unwrap_or(name),
        time: if continued { String::new() } else { list.text(row, by).get(11..16).unwrap_or_default().to_owned() },
        continued,
        color: state.as_ref().map(|state| state.color.to_owned()).unwrap_or_default(),
        state: state.map(|state| state.label).unwrap_or_default(),
    }
}
