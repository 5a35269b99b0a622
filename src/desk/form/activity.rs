//! What happened to a document, for the panel beside its form: versions and comments, as far as one may read them.

use chrono::NaiveDateTime;
use serde_json::{Value as Json, json};

use crate::clock::Zone;
use crate::desk::form::act::{RESTORE, RESTORE_BEFORE};
use crate::desk::form::control::label;
use crate::desk::form::side::SIDE;
use crate::desk::form::view::{Activity, Change};
use crate::desk::help;
use crate::desk::shell::ago;
use crate::document::restore::VERSION;
use crate::document::{Documents, List, ListRequest};
use crate::error::Result;
use crate::meta::{DocField, DocType, Document, Fieldtype, Registry, Value, fieldtype};
use crate::permissions::session::ROLE_SYSTEM_MANAGER;
use crate::permissions::{Grant, Session};

/// How many of each are shown at first.
const LIMIT: u64 = 10;
/// How many of each are shown at most.
const MOST: u64 = 500;
/// Longer values are cut.
const LONGEST: usize = 140;
/// How many values stand for a row.
const MOST_IN_ROW: usize = 4;

/// The latest versions and comments, newest first, and whether there are more. With `restorable`, versions can be
/// restored; with `all`, it is all that happened.
///
/// Whoever may read a document may read what was said about it, and how the fields changed that they may read.
pub(crate) async fn activity(
    documents: &Documents,
    session: &Session,
    grant: &Grant,
    document: &Document,
    restorable: bool,
    all: bool,
) -> Result<(Vec<Activity>, bool)> {
    let limit = if all { MOST } else { LIMIT };
    let program = Session::system();
    let registry = documents.registry();
    let doctype = &document.doctype;
    let zone = documents.zone(session);
    let now = documents.clock().now_in(zone);
    let (mut found, mut more) = (Vec::new(), false);
    if doctype.track_changes && registry.get(VERSION).is_some() {
        let request = latest(VERSION, &["name", "owner", "creation", "data"], limit)
            .filters(json!([["ref_doctype", "=", doctype.name], ["docname", "=", document.name()]]));
        let list = documents.list(&program, &request).await?;
        let read = Reading { registry: &registry, grant, zone };
        let oldest = (list.rows.len() as u64) < limit;
        more |= !oldest;
        for row in 0..list.rows.len() {
            let Some(mut version) = version(&list, row, doctype, &read, now) else { continue };
            let name = list.text(row, "name");
            if restorable && row > 0 {
                version.restore = format!("{RESTORE}{name}");
            }
            if restorable && oldest && row + 1 == list.rows.len() {
                version.restore_before = format!("{RESTORE_BEFORE}{name}");
            }
            found.push(version);
        }
    }
    if registry.get("Comment").is_some() {
        let request = latest("Comment", &["name", "owner", "comment_by", "comment_type", "creation", "content"], limit)
            .filters(json!([["reference_doctype", "=", doctype.name], ["reference_name", "=", document.name()]]));
        let list = documents.list(&program, &request).await?;
        more |= list.rows.len() as u64 >= limit;
        let may_delete_any = session.has_role(ROLE_SYSTEM_MANAGER) || session.is_administrator();
        found.extend((0..list.rows.len()).map(|row| {
            let may_delete = may_delete_any || list.text(row, "owner") == session.user();
            comment(&list, row, zone, now, may_delete)
        }));
    }
    found.sort_by(|a, b| b.when.cmp(&a.when));
    Ok((found, more && !all))
}

/// What is needed to read a change as this person may.
pub(super) struct Reading<'a> {
    pub(super) registry: &'a Registry,
    pub(super) grant: &'a Grant,
    /// The zone of those who read it; the values are in UTC.
    pub(super) zone: Zone,
}

fn latest(doctype: &str, fields: &[&str], limit: u64) -> ListRequest {
    let mut request = ListRequest::new(doctype).fields(fields).order_by("creation desc");
    request.limit = Some(limit);
    request
}

fn version(list: &List, row: usize, doctype: &DocType, read: &Reading<'_>, now: NaiveDateTime) -> Option<Activity> {
    let data: Json = serde_json::from_str(list.text(row, "data")).ok()?;
    let mut changes: Vec<Change> =
        entries(&data, "changed").filter_map(|entry| read.change(entry, doctype, "")).collect();
    for entry in entries(&data, "removed") {
        changes.extend(read.row(entry, doctype).map(|(label, from)| Change {
            label,
            from,
            to: "row removed".to_owned(),
        }));
    }
    for entry in entries(&data, "added") {
        changes.extend(read.row(entry, doctype).map(|(label, row)| {
            let to = if row.is_empty() { "row added".to_owned() } else { format!("row added: {row}") };
            Change { label, from: String::new(), to }
        }));
    }
    for entry in entries(&data, "row_changed") {
        let Some((label, child)) = read.table(entry, doctype) else { continue };
        let row = format!("{label} row {}: ", entry[1].as_i64().unwrap_or(0) + 1);
        let fields = entry[3].as_array().into_iter().flatten();
        changes.extend(fields.filter_map(|entry| read.change(entry, child, &row)));
    }
    (!changes.is_empty())
        .then(|| moment(list, row, "owner", "changed", read.zone, now))
        .map(|moment| Activity { changes, ..moment })
}

fn entries<'a>(data: &'a Json, key: &str) -> impl Iterator<Item = &'a Json> {
    data.get(key).and_then(Json::as_array).into_iter().flatten()
}

impl<'a> Reading<'a> {
    pub(super) fn may_read(&self, field: &DocField) -> bool {
        !field.secret && field.fieldtype != Fieldtype::Password && self.grant.reads_level(field.permlevel)
    }

    /// `[fieldname, old, new]`, if the field is one that the session may read.
    pub(super) fn change(&self, entry: &Json, doctype: &DocType, before: &str) -> Option<Change> {
        let fieldname = entry[0].as_str()?;
        let field = doctype.field(fieldname);
        if field.is_some_and(|field| !self.may_read(field)) {
            return None;
        }
        let label = field.map_or_else(|| crate::meta::doctype::unscrub(fieldname), label);
        let (from, to) = cut(&self.whole(field, &entry[1]), &self.whole(field, &entry[2]));
        Some(Change { label: format!("{before}{label}"), from, to })
    }

    /// The label and the DocType of the table that an entry begins with.
    pub(super) fn table(&self, entry: &Json, doctype: &DocType) -> Option<(String, &'a DocType)> {
        let field = doctype.field(entry[0].as_str()?).filter(|field| self.may_read(field))?;
        Some((label(field), self.registry.get(&field.options)?))
    }

    /// `[table, row]`: the table's label and what the row says in a grid.
    pub(super) fn row(&self, entry: &Json, doctype: &DocType) -> Option<(String, String)> {
        let (label, child) = self.table(entry, doctype)?;
        let values = |listed: bool| {
            let fields = child.fields.iter().filter(|field| self.may_read(field) && (!listed || field.in_list_view));
            let texts = fields.map(|field| shortened(&self.whole(Some(field), &entry[1][&field.fieldname]), 0));
            texts.filter(|text| !text.is_empty()).take(MOST_IN_ROW).collect::<Vec<_>>().join(", ")
        };
        let row = Some(values(true)).filter(|row| !row.is_empty()).unwrap_or_else(|| values(false));
        Some((label, row))
    }

    /// A value as people read it, and texts of changes that were kept in another way as they are.
    fn whole(&self, field: Option<&DocField>, value: &Json) -> String {
        let parsed = field.and_then(|field| fieldtype::parse(field, field.fieldtype.column_type(field)?, value).ok());
        match (field.zip(parsed), value) {
            (_, Json::Null) => String::new(),
            (Some((field, value)), _) if field.fieldtype == Fieldtype::Datetime => {
                fieldtype::display(field, &Value::from(self.zone.shown(value.text())))
            }
            (Some((field, value)), _) => fieldtype::display(field, &value),
            (None, Json::String(text)) => text.clone(),
            (None, other) => other.to_string(),
        }
    }
}

/// Two long texts where they differ: what they begin with alike is left out if the difference would be cut off.
fn cut(from: &str, to: &str) -> (String, String) {
    let alike = from.chars().zip(to.chars()).take_while(|(from, to)| from == to).count();
    let start = if alike < LONGEST / 2 { 0 } else { alike - LONGEST / 4 };
    (shortened(from, start), shortened(to, start))
}

/// A text from a character on, no longer than the longest that is shown.
fn shortened(text: &str, start: usize) -> String {
    let rest: String = text.chars().skip(start).take(LONGEST).collect();
    let (before, after) =
        (if start > 0 { "…" } else { "" }, if text.chars().nth(start + LONGEST).is_some() { "…" } else { "" });
    format!("{before}{rest}{after}")
}

/// The types of comments that people write; what another says is a sentence about who did it.
const WRITTEN: [&str; 2] = ["Comment", "Info"];

fn comment(list: &List, row: usize, zone: Zone, now: NaiveDateTime, may_delete: bool) -> Activity {
    let who = if list.text(row, "comment_by").is_empty() { "owner" } else { "comment_by" };
    let (kind, content) = (list.text(row, "comment_type"), list.text(row, "content"));
    if !WRITTEN.contains(&kind) {
        return moment(list, row, who, &help::plain(content), zone, now);
    }
    Activity {
        html: content.to_owned(),
        delete: if may_delete && kind == "Comment" {
            format!("{SIDE}uncomment:{}", list.text(row, "name"))
        } else {
            String::new()
        },
        ..moment(list, row, who, "wrote", zone, now)
    }
}

fn moment(list: &List, row: usize, who: &str, what: &str, zone: Zone, now: NaiveDateTime) -> Activity {
    let when = zone.shown(list.text(row, "creation"));
    Activity {
        who: list.text(row, who).to_owned(),
        ago: ago(&when, now),
        when,
        what: what.to_owned(),
        html: String::new(),
        delete: String::new(),
        changes: Vec::new(),
        restore: String::new(),
        restore_before: String::new(),
    }
}
