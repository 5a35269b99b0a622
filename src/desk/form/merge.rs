//! Two people save one document: what only one of them changed is kept of both, and a person chooses for the rest.

use std::collections::HashSet;

use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};

use crate::desk::form::activity::Reading;
use crate::desk::form::compare;
use crate::desk::form::control::label;
use crate::desk::form::draft::Draft;
use crate::desk::form::posted::{Posted, PostedRow, Typed, WAS, native_moment};
use crate::desk::form::view::Collision;
use crate::meta::{DocField, DocType, Document, Fieldtype};
use crate::permissions::Session;
use crate::secret;

/// The input that says what the document was when its form was made.
pub(super) const BASE: &str = "__base";
/// Before a fieldname: whose value counts.
const CHOOSE: &str = "__choose.";
/// The stamp of the document that was compared: a choice made against another one counts for nothing.
pub(super) const COMPARED: &str = "__compared";
/// How many rows of a table are compared one by one; a longer table collides as soon as somebody else changed it.
const MOST_ROWS: usize = 200;
/// Hexadecimal digits that stand for a value.
const DIGITS: usize = 8;

/// The values of a document as digests: enough to see which ones somebody changed.
#[derive(Deserialize, Serialize)]
struct Base {
    /// The fields, as a digest: of another definition nothing can be said.
    fields: String,
    /// One digest a field.
    values: String,
    /// Table by table its rows; `None` for too many.
    tables: Vec<Option<Vec<RowBase>>>,
}

#[derive(Deserialize, PartialEq, Serialize)]
struct RowBase {
    name: String,
    values: String,
}

/// What became of a form and of what somebody else saved.
#[derive(Default)]
pub(super) struct Merged {
    /// The labels of what the other person changed and this one did not.
    pub(super) kept: Vec<String>,
    /// What both changed, without a choice so far.
    pub(super) collisions: Vec<Collision>,
}

/// The digests of a stored document as its form shows it, for [`merge`].
pub(super) fn base(read: &Reading<'_>, session: &Session, document: &Document) -> String {
    let tables = document.doctype.table_fields().map(|field| {
        let rows = document.rows(&field.fieldname);
        (rows.len() <= MOST_ROWS).then(|| {
            rows.iter().map(|row| RowBase { name: row.name(), values: values(read, session, row, None) }).collect()
        })
    });
    let base = Base {
        fields: names(read, &document.doctype),
        values: values(read, session, document, None),
        tables: tables.collect(),
    };
    serde_json::to_string(&base).unwrap_or_default()
}

/// Takes out of a form what only somebody else changed, so that what is stored stays, and says what both changed.
pub(super) fn merge(read: &Reading<'_>, session: &Session, stored: &Document, posted: &mut Posted) -> Merged {
    let doctype = &stored.doctype;
    let base = serde_json::from_str::<Base>(posted.text(BASE)).ok().filter(|base| base.fields == names(read, doctype));
    let may_choose = posted.text(COMPARED) == stored.modified();
    let mut merged = Merged::default();
    let (was, theirs) = (base.as_ref().map(|base| base.values.as_str()), values(read, session, stored, None));
    let mine = values(read, session, stored, Some(&posted.fields));
    for (at, field) in fields(read, doctype).enumerate() {
        let digest = |values: &str| values.get(at * DIGITS..(at + 1) * DIGITS).unwrap_or_default().to_owned();
        let (theirs, mine, was) = (digest(&theirs), digest(&mine), was.map(digest));
        if theirs == mine {
            continue;
        }
        let (they_did, i_did) = (was.as_ref() != Some(&theirs), was.as_ref() != Some(&mine));
        if i_did && !they_did {
            continue;
        }
        settle(read, stored, posted, &mut merged, field, i_did, may_choose);
    }
    for (at, field) in doctype.table_fields().enumerate().filter(|(_, field)| read.may_read(field)) {
        let Some(mine) = posted.tables.get(&field.fieldname) else { continue };
        let Some(child) = read.registry.get(&field.options) else { continue };
        let rows = stored.rows(&field.fieldname);
        let was = base.as_ref().and_then(|base| base.tables.get(at)?.as_ref());
        let they_did = was.is_none_or(|was| {
            let theirs = rows.iter().map(|row| RowBase { name: row.name(), values: values(read, session, row, None) });
            !theirs.eq(was.iter().map(|row| RowBase { name: row.name.clone(), values: row.values.clone() }))
        });
        let i_did = was.is_none_or(|was| {
            let untouched = |(row, was): (&PostedRow, &RowBase)| {
                row.name == was.name && is_untouched(read, child, &row.values, &was.values)
            };
            mine.len() != was.len() || !mine.iter().zip(was).all(untouched)
        });
        if they_did && compare::table(read, stored, posted, field).iter().any(|change| change.from != change.to) {
            settle(read, stored, posted, &mut merged, field, i_did, may_choose);
        }
    }
    merged
}

/// Whether a form holds anything else than what is stored.
pub(super) fn is_touched(read: &Reading<'_>, session: &Session, stored: &Document, posted: &Posted) -> bool {
    let differs = |field| compare::table(read, stored, posted, field).iter().any(|change| change.from != change.to);
    values(read, session, stored, None) != values(read, session, stored, Some(&posted.fields))
        || stored.doctype.table_fields().any(differs)
}

/// What is to be done with a field that somebody else changed.
fn settle(
    read: &Reading<'_>,
    stored: &Document,
    posted: &mut Posted,
    merged: &mut Merged,
    field: &DocField,
    i_did: bool,
    may_choose: bool,
) {
    let name = &field.fieldname;
    let chosen = posted.text(&format!("{CHOOSE}{name}")).to_owned();
    let is_theirs = !i_did || may_choose && chosen == "theirs";
    if is_theirs {
        posted.fields.remove(name);
        posted.fields.remove(&format!("{name}{WAS}"));
        posted.tables.remove(name);
        if !i_did {
            merged.kept.push(label(field));
        }
    } else if !(may_choose && chosen == "mine") {
        let changes = if field.fieldtype.is_table() {
            compare::table(read, stored, posted, field)
        } else {
            compare::field(read, stored, posted, field).into_iter().collect()
        };
        if !changes.is_empty() {
            merged.collisions.push(Collision { name: format!("{CHOOSE}{name}"), changes });
        }
    }
}

/// The fields whose values are compared.
fn fields<'a>(read: &'a Reading<'_>, doctype: &'a DocType) -> impl Iterator<Item = &'a DocField> {
    let compared = |field: &&DocField| {
        let is_typed = field.formula.is_none() && field.fieldtype != Fieldtype::Password;
        field.has_column() && is_typed && read.may_read(field)
    };
    doctype.fields.iter().filter(compared)
}

fn names(read: &Reading<'_>, doctype: &DocType) -> String {
    let tables = doctype.table_fields().filter_map(|field| read.registry.get(&field.options));
    let all = std::iter::once(doctype).chain(tables.map(AsRef::as_ref));
    let names: Vec<&str> = all.flat_map(|doctype| fields(read, doctype)).map(|field| &*field.fieldname).collect();
    digest(&names.join(" "))
}

/// The digests of all values; what was typed counts before what is stored.
fn values(read: &Reading<'_>, session: &Session, document: &Document, typed: Option<&Typed>) -> String {
    // No condition is asked, and so no time.
    let draft = Draft { document, typed, posted: None, parent: None, session, now: NaiveDateTime::default() };
    fields(read, &document.doctype).map(|field| digest(&plain(field, &draft.text(field)))).collect()
}

/// Whether what was typed into a row is what it was.
fn is_untouched(read: &Reading<'_>, child: &DocType, typed: &Typed, was: &str) -> bool {
    fields(read, child).enumerate().all(|(at, field)| {
        let was = was.get(at * DIGITS..(at + 1) * DIGITS).unwrap_or_default();
        typed.get(&field.fieldname).is_none_or(|text| digest(&plain(field, text)) == was)
    })
}

/// A text as a form sends it back when nobody touched it.
fn plain(field: &DocField, text: &str) -> String {
    match field.fieldtype {
        Fieldtype::Datetime | Fieldtype::Time if !text.is_empty() => native_moment(text),
        Fieldtype::Check => u8::from(text == "1").to_string(),
        _ => text.replace("\r\n", "\n").trim().to_owned(),
    }
}

fn digest(text: &str) -> String {
    let mut digits = secret::hex(&secret::sha256(text));
    digits.truncate(DIGITS);
    digits
}

/// What was kept of the other person's, as people read it.
pub(super) fn kept_sentence(kept: &[String]) -> String {
    let mut seen = HashSet::new();
    let labels: Vec<&str> = kept.iter().filter(|label| seen.insert(*label)).map(String::as_str).collect();
    format!("Saved. Somebody else had changed this document meanwhile; kept of theirs: {}", labels.join(", "))
}
