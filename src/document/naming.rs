//! Names for new documents: the naming rule applied, and the rules that every name obeys.

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::Arc;

use chrono::{Datelike, NaiveDateTime};

use crate::database::{Executor, documents, numbers};
use crate::document::link_target::AT_ONCE;
use crate::document::work::Work;
use crate::error::{Conflict, Error, FieldProblem, ProblemKind, Result};
use crate::meta::docfield::DocField;
use crate::meta::doctype::slot;
use crate::meta::naming_rule::{NamingRule, SeriesPart, parse_series};
use crate::meta::{DocType, Document};
use crate::pace::breathe;
use crate::secret;

/// The longest name, in characters: the column is varchar(140).
pub(super) const MAX_NAME_LENGTH: usize = 140;

impl Work<'_> {
    /// Gives a new document its name (`docs/frappe/model.md`: Naming). A name that it already has was asked for and is kept where the rule allows.
    pub(super) async fn set_new_name(&mut self, document: &mut Document) -> Result<()> {
        let doctype = Arc::clone(&document.doctype);
        if doctype.issingle {
            document.set_name(doctype.name.as_str());
            return Ok(());
        }
        if let NamingRule::Autoincrement = doctype.naming_rule {
            // The database counts (see `insert_rows`), but what comes back has its number already.
            if !self.restoring {
                document.set_name(crate::meta::Value::Null);
            }
            return Ok(());
        }
        let amended_from = document.text("amended_from").to_owned();
        if doctype.is_submittable && !amended_from.is_empty() {
            let name = self.amended_name(&doctype, &amended_from).await?;
            document.set_name(name);
            return check_name(&doctype, &document.name());
        }
        if !matches!(doctype.naming_rule, NamingRule::Field(_)) && document.name().is_empty() {
            for controller in self.controllers(&doctype.name) {
                controller.autoname(self, document).await?;
            }
        }
        let requested = document.name();
        let name = match &doctype.naming_rule {
            NamingRule::Field(fieldname) => named_by_field(&doctype, document, fieldname)?,
            NamingRule::Uuid if !requested.is_empty() => match uuid::Uuid::parse_str(&requested) {
                Ok(uuid) => uuid.to_string(),
                Err(_) => {
                    return Err(Error::invalid(
                        ProblemKind::InvalidUuidValue,
                        format!("{requested} is not a UUID: leave the name out or send one such as 0190a3c4-…"),
                    ));
                }
            },
            _ if !requested.is_empty() => requested.trim().to_owned(),
            NamingRule::Prompt => {
                return Err(Error::invalid(ProblemKind::Validation, "Please set the document name"));
            }
            NamingRule::Uuid => secret::uuid_v7(self.documents.clock().now()).to_string(),
            NamingRule::NamingSeries => {
                let series = naming_series(&doctype, document)?;
                self.next_name(document, &series).await?
            }
            NamingRule::Series(parts) => self.next_name(document, parts).await?,
            NamingRule::Hash | NamingRule::Controller | NamingRule::Autoincrement => secret::random_name(),
        };
        check_name(&doctype, &name)?;
        document.set_name(name);
        Ok(())
    }

    /// Names new rows by the rules of their DocTypes. Stored rows keep their names.
    pub(super) async fn name_new_rows(
        &mut self,
        document: &mut Document,
        before: Option<&Document>,
        problems: &mut Vec<FieldProblem>,
    ) -> Result<()> {
        let doctype = Arc::clone(&document.doctype);
        for (table, field) in doctype.table_fields().enumerate() {
            let mut rows = std::mem::take(&mut document.tables[table]);
            let mut named = Vec::new();
            let mut numbers = self.next_numbers(&rows).await?.into_iter();
            for (index, row) in rows.iter_mut().enumerate() {
                breathe(index).await;
                if !is_nameless(row) {
                    continue;
                }
                if let Some(number) = numbers.next() {
                    row.set_name(number);
                    continue;
                }
                // Nobody is asked for the name of a row.
                let is_random = match row.doctype.naming_rule {
                    NamingRule::Hash | NamingRule::Prompt => true,
                    NamingRule::Controller => self.controllers(&row.doctype.name).is_empty(),
                    _ => false,
                };
                if is_random {
                    row.set_name(secret::random_name());
                    continue;
                }
                match self.set_new_name(row).await {
                    Ok(()) => named.push((Arc::clone(&row.doctype), row.name())),
                    Err(Error::Validation(invalid)) => problems.extend(
                        invalid.problems.into_iter().map(|problem| problem.in_row(&field.fieldname, index + 1)),
                    ),
                    Err(error) => return Err(error),
                }
            }
            let stored = before.and_then(|before| before.tables.get(table)).map_or(&[][..], Vec::as_slice);
            self.check_row_names(&named, &rows, stored).await?;
            document.tables[table] = rows;
        }
        Ok(())
    }

    /// The numbers of the new rows of a table, where its DocType counts them; none otherwise.
    async fn next_numbers(&mut self, rows: &[Document]) -> Result<Vec<i64>> {
        let count = rows.iter().filter(|row| is_nameless(row)).count();
        match rows.first().map(|row| Arc::clone(&row.doctype)) {
            Some(doctype) if count > 0 && doctype.naming_rule == NamingRule::Autoincrement => {
                Ok(numbers::next(self.executor(), &doctype, count).await?)
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Refuses names of new rows that other rows have. The name of a row that this save removes is free.
    async fn check_row_names(
        &mut self,
        named: &[(Arc<DocType>, String)],
        rows: &[Document],
        stored: &[Document],
    ) -> Result<()> {
        if named.is_empty() {
            return Ok(());
        }
        let mut here: HashSet<String> = HashSet::new();
        let twice = rows.iter().map(Document::name).find(|name| !name.is_empty() && !here.insert(name.clone()));
        let removed: HashSet<String> = stored.iter().map(Document::name).collect();
        let mut taken = twice;
        for together in named.chunks(AT_ONCE) {
            let found = documents::docstatuses(self.executor(), together).await?;
            let others = together.iter().zip(found).filter(|(_, found)| found.is_some());
            taken = taken.or_else(|| others.map(|((_, name), _)| name).find(|name| !removed.contains(*name)).cloned());
        }
        match taken {
            Some(name) => Err(Error::Conflict(Conflict::DuplicateName { doctype: named[0].0.name.clone(), name })),
            None => Ok(()),
        }
    }

    /// Writes the parts out; the counter runs per text before it.
    async fn next_name(&mut self, document: &Document, parts: &[SeriesPart]) -> Result<String> {
        let now = self.documents.clock().now_in(self.documents.site_zone());
        let mut name = String::new();
        for part in parts {
            match part {
                SeriesPart::Counter(digits) => {
                    let number = documents::next_in_series(self.executor(), &name).await?;
                    let _ = write!(name, "{number:0digits$}");
                }
                part => name.push_str(&part_text(part, document, now)),
            }
        }
        Ok(name.trim().to_owned())
    }

    /// `<original>-1`, `-2`, …: the first that is free.
    async fn amended_name(&mut self, doctype: &DocType, amended_from: &str) -> Result<String> {
        let original = self.find_row(&doctype.name, amended_from).await?;
        let (base, first) = match original.filter(|document| !document.text("amended_from").is_empty()) {
            Some(_) => match amended_from.rsplit_once('-') {
                Some((base, number)) => (base.to_owned(), number.parse::<u32>().unwrap_or(0) + 1),
                None => (amended_from.to_owned(), 1),
            },
            None => (amended_from.to_owned(), 1),
        };
        let mut number = first;
        loop {
            let name = format!("{base}-{number}");
            if documents::exists(self.executor(), doctype, &name).await?.is_none() {
                return Ok(name);
            }
            number += 1;
        }
    }
}

/// The series chosen in the field `naming_series`, or the first of its options.
/// Whether a row is new and has no name yet.
fn is_nameless(row: &Document) -> bool {
    row.is_new && row.values[slot::NAME].is_blank()
}

fn naming_series(doctype: &DocType, document: &mut Document) -> Result<Vec<SeriesPart>> {
    let mut series = document.text("naming_series").to_owned();
    if series.is_empty() {
        doctype
            .field("naming_series")
            .and_then(|field| field.select_options().find(|line| !line.is_empty()))
            .unwrap_or_default()
            .clone_into(&mut series);
        document.set("naming_series", series.as_str());
    }
    if series.is_empty() {
        return Err(Error::invalid(ProblemKind::Mandatory, "Naming Series is required: choose one"));
    }
    // An option without a counter gets one of five digits (Frappe's `make_autoname`).
    parse_series(&series).map_err(|message| Error::invalid(ProblemKind::InvalidNamingSeries, message))
}

/// The name that a `field:` rule takes from the document.
fn named_by_field(doctype: &DocType, document: &mut Document, fieldname: &str) -> Result<String> {
    let name = document.get(fieldname).to_string().trim().to_owned();
    if name.is_empty() {
        let label = doctype.field(fieldname).map_or(fieldname, |field: &DocField| field.label.as_str());
        return Err(Error::Validation(crate::error::Invalid {
            problems: vec![crate::error::FieldProblem::at(
                ProblemKind::Mandatory,
                fieldname,
                label,
                format!("{label} is required: it names the document"),
            )],
        }));
    }
    if document.get(fieldname).as_str().is_some_and(|value| value != name) {
        // What names the document reads as the name does.
        document.set(fieldname, name.as_str());
    }
    Ok(name)
}

/// Whether the document has the value of the field that names it for a name. Rows from before their DocType had the
/// rule do not.
pub(super) fn is_named_by_field(document: &Document) -> bool {
    matches!(&document.doctype.naming_rule, NamingRule::Field(field) if document.get(field).to_string() == document.name())
}

/// The field that names a document keeps saying its name.
pub(super) fn keep_naming_field(document: &mut Document) {
    let (doctype, name) = (Arc::clone(&document.doctype), document.name());
    if let NamingRule::Field(fieldname) = &doctype.naming_rule
        && !name.is_empty()
    {
        document.set(fieldname, name);
    }
}

fn part_text(part: &SeriesPart, document: &Document, now: NaiveDateTime) -> String {
    match part {
        SeriesPart::Literal(text) => text.clone(),
        SeriesPart::Counter(_) => String::new(),
        SeriesPart::Year2 => format!("{:02}", now.year() % 100),
        SeriesPart::Year4 => now.year().to_string(),
        SeriesPart::Month => format!("{:02}", now.month()),
        SeriesPart::Day => format!("{:02}", now.day()),
        SeriesPart::DayOfYear => format!("{:03}", now.ordinal()),
        SeriesPart::Week => format!("{:02}", consecutive_week(now)),
        SeriesPart::Timestamp => now.format("%Y-%m-%d %H:%M:%S%.6f").to_string(),
        // A bare word that is not a field is a literal.
        SeriesPart::Field(name) => match document.doctype.column(name) {
            Some(column) => document.values[column].to_string().trim().to_owned(),
            None => name.clone(),
        },
    }
}

/// The ISO week, but 00 for the days of January that belong to the old year's last week and 53 at the end, so that it only grows.
fn consecutive_week(now: NaiveDateTime) -> u32 {
    let week = now.iso_week().week();
    match now.month() {
        1 if week > 50 => 0,
        12 if week == 1 => 53,
        _ => week,
    }
}

/// Characters that no name may hold: those of HTML tags, those that cannot be seen or sent (control characters, line and
/// paragraph separators), and those that make a name look like another one (bidirectional controls, zero-width spaces).
fn is_forbidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '<' | '>' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        )
}

/// The rules that hold for every name (`docs/frappe/model.md`: Naming).
pub(super) fn check_name(doctype: &DocType, name: &str) -> Result<()> {
    let problem = if name.trim().is_empty() {
        format!("A {} needs a name", doctype.name)
    } else if name == "." || name == ".." {
        format!("A document cannot be named {name}: no address could lead to it")
    } else if name != name.trim() {
        format!("The name `{name}` must not begin or end with a space")
    } else if let Some(c) = name.chars().find(|&c| is_forbidden(c)) {
        format!("The name {} must not contain `{}`", name.replace(is_forbidden, " "), c.escape_default())
    } else if name.chars().count() > MAX_NAME_LENGTH {
        format!("The name is {} characters long: at most {MAX_NAME_LENGTH} are allowed", name.chars().count())
    } else if name == doctype.name && !doctype.issingle {
        format!("A document cannot be named {name} like its DocType: choose another name")
    } else if name.starts_with(&format!("New {}", doctype.name)) {
        format!("A name must not begin with New {}: choose another one", doctype.name)
    } else {
        return Ok(());
    };
    Err(Error::Conflict(Conflict::Name(problem)))
}

/// Gives the number of a deleted document back if it was the last of its series.
pub(super) async fn revert_series(exec: &dyn Executor, document: &Document) -> Result<()> {
    let name = document.name();
    if let Some((prefix, number)) = counted(document, &name) {
        documents::revert_series(exec, prefix, number).await?;
    }
    Ok(())
}

/// Takes the number in a name that came back, so that the series goes on behind it.
pub(super) async fn advance_series(exec: &dyn Executor, document: &Document, name: &str) -> Result<()> {
    if let Some((prefix, number)) = counted(document, name) {
        documents::advance_series(exec, prefix, number).await?;
    }
    Ok(())
}

/// The text before the counter at the end of a name, and the number; `None` where the rule counts nothing there.
fn counted<'n>(document: &Document, name: &'n str) -> Option<(&'n str, i64)> {
    let of_option;
    let parts = match &document.doctype.naming_rule {
        NamingRule::NamingSeries => {
            of_option = parse_series(document.text("naming_series")).ok()?;
            &of_option
        }
        NamingRule::Series(parts) => parts,
        _ => return None,
    };
    let Some(&SeriesPart::Counter(digits)) = parts.last() else { return None };
    let prefix = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let counted = &name[prefix.len()..];
    // A number may outgrow its digits; a prefix may end in digits.
    let split = if counted.len() > digits { name.len() - digits } else { prefix.len() };
    Some((name.get(..split)?, name.get(split..)?.parse().ok()?))
}
