//! What has gone wrong in a Frappe site over the years: told, and no reason to stop.

use std::collections::BTreeSet;

use crate::app::import_frappe::definitions::{Definitions, Row, text};
use crate::app::import_frappe::fate::{Fate, Fates};
use crate::app::import_frappe::report::Report;
use crate::database::frappe_source::{FrappeSource, Tally};
use crate::meta::{DocType, Fieldtype, Registry};

/// The columns of every table in Frappe.
const STANDARD: [&str; 15] = [
    "name",
    "owner",
    "creation",
    "modified",
    "modified_by",
    "docstatus",
    "idx",
    "parent",
    "parentfield",
    "parenttype",
    "_user_tags",
    "_comments",
    "_assign",
    "_liked_by",
    "_seen",
];

/// Looks for them in everything that moves.
pub(super) async fn find(
    source: &mut FrappeSource,
    definitions: &Definitions,
    fates: &Fates,
    registry: &Registry,
    report: &mut Report,
) -> anyhow::Result<()> {
    for (doctype, fate) in &fates.by_doctype {
        let table = format!("tab{doctype}");
        if !fates.moves(doctype) || fates.rows(doctype) == 0 {
            continue;
        }
        let here = registry.get(doctype).map(AsRef::as_ref);
        let mut look = Look { source, report, doctype, table: &table, here };
        let fields: Vec<Row> = definitions.fields(doctype).cloned().collect();
        for field in &fields {
            look.field(field, &fields).await?;
        }
        if definitions.is(doctype, "istable") {
            look.orphans().await?;
        }
        look.owners().await?;
        look.columns(&fields, fate).await?;
    }
    Ok(())
}

struct Look<'l> {
    source: &'l mut FrappeSource,
    report: &'l mut Report,
    doctype: &'l str,
    table: &'l str,
    /// As it will be here.
    here: Option<&'l DocType>,
}

impl Look<'_> {
    async fn field(&mut self, field: &Row, fields: &[Row]) -> anyhow::Result<()> {
        let (fieldname, options) = (text(field, "fieldname"), text(field, "options"));
        if !self.source.columns(self.table).iter().any(|column| column == fieldname) {
            return Ok(());
        }
        match Fieldtype::parse(text(field, "fieldtype")) {
            Some(Fieldtype::Link) => self.link(fieldname, options, None).await,
            Some(Fieldtype::DynamicLink) if fields.iter().any(|other| text(other, "fieldname") == options) => {
                for target in self.source.distinct(self.table, options).await? {
                    self.link(fieldname, &target, Some((options, &target))).await?;
                }
                Ok(())
            }
            Some(Fieldtype::Select) if fieldname != "naming_series" => {
                // Those of a Property Setter count.
                let Some(here) = self.here.and_then(|doctype| doctype.field(fieldname)) else { return Ok(()) };
                let choices: Vec<&str> = here.select_options().filter(|choice| !choice.is_empty()).collect();
                if choices.is_empty() {
                    return Ok(());
                }
                let tally = self.source.outside(self.table, fieldname, &choices).await?;
                self.tell(&tally, &format!("{fieldname} is not one of its options"));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn link(&mut self, fieldname: &str, target: &str, chooser: Option<(&str, &str)>) -> anyhow::Result<()> {
        let target_table = format!("tab{target}");
        if self.source.columns(&target_table).is_empty() {
            return Ok(());
        }
        let tally = self.source.dangling(self.table, fieldname, &target_table, chooser).await?;
        self.tell(&tally, &format!("{fieldname} names no {target}"));
        Ok(())
    }

    async fn orphans(&mut self) -> anyhow::Result<()> {
        for parent in self.source.distinct(self.table, "parenttype").await? {
            let parent_table = format!("tab{parent}");
            if self.source.columns(&parent_table).is_empty() {
                continue;
            }
            let orphans = self.source.orphans(self.table, &parent_table).await?;
            let parents: BTreeSet<&str> = orphans.iter().filter_map(|row| row.get(1)?.as_deref()).collect();
            for name in parents {
                let rows = orphans.iter().filter(|row| row[1].as_deref() == Some(name)).count();
                self.report.blemish(format!(
                    "{}: {rows} rows belong to {parent} {name}, which is not there; they do not move",
                    self.doctype
                ));
            }
        }
        Ok(())
    }

    async fn owners(&mut self) -> anyhow::Result<()> {
        for row in self.source.unknown_owners(self.table).await? {
            let cell = |index: usize| row.get(index).and_then(Option::as_deref).unwrap_or_default();
            let (owner, rows, name) = (cell(0), cell(1), cell(2));
            self.report
                .blemish(format!("{}: the owner {owner} is not a user, in {rows} of its rows: {name}", self.doctype));
        }
        Ok(())
    }

    /// Columns with values that nothing here reads: of removed fields, and of fields that the shipped DocType lacks.
    async fn columns(&mut self, fields: &[Row], fate: &Fate) -> anyhow::Result<()> {
        let columns: Vec<String> = self.source.columns(self.table).to_vec();
        for column in columns.iter().filter(|column| !STANDARD.contains(&column.as_str())) {
            if self.here.is_some_and(|doctype| doctype.column(column).is_some()) {
                continue;
            }
            let field = fields.iter().find(|field| text(field, "fieldname") == column);
            let tally =
                self.source.filled(self.table, column, field.map_or("", |field| text(field, "default"))).await?;
            if tally.rows == 0 {
                continue;
            }
            match field {
                Some(_) if *fate == Fate::Shipped => {
                    self.report.left(
                        &format!("{}.{column}", self.doctype),
                        tally.rows,
                        "the DocType here has no such field",
                    );
                }
                Some(_) => {}
                None => {
                    self.tell(&tally, &format!("the column {column} belongs to no field any more and does not move"));
                }
            }
        }
        Ok(())
    }

    fn tell(&mut self, tally: &Tally, what: &str) {
        if tally.rows == 0 {
            return;
        }
        let rows = if tally.rows == 1 { "1 row".to_owned() } else { format!("{} rows", tally.rows) };
        self.report.blemish(format!("{}: {what}, in {rows}: {}", self.doctype, tally.examples.join("; ")));
    }
}
