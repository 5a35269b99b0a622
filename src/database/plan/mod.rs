//! The plan: what must change in a database so that it is what the DocTypes want, in words and as actions. Pure.

pub(crate) mod convert;
mod diff;
mod rebuild;
mod references;
mod renames;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use crate::database::connect::Backend;
use crate::database::schema::Column;
use crate::database::schema::wanted::{ColumnSpec, IndexSpec, TableSpec};

pub(crate) use diff::plan;

/// Every change, in the order in which people read them.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Whose dialect the actions speak.
    pub backend: Backend,
    /// What changes.
    pub changes: Vec<Change>,
    /// What no DocType uses any more and what stays all the same, a phrase each.
    pub left_in_place: Vec<String>,
    /// SQLite: tables that must be built anew, by their name after renames.
    pub(super) rebuilds: BTreeMap<String, Rebuild>,
}

/// One change.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// The DocType; empty for the engine's own tables.
    pub doctype: String,
    /// What changes, in words, without the DocType.
    pub description: String,
    /// Whether data could be lost.
    pub risk: Risk,
    /// The table's name after renames.
    pub(super) table: String,
    pub(super) action: Action,
    /// Questions to the data that decide the risk.
    pub(super) probes: Vec<Probe>,
}

/// Whether a change could lose data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Risk {
    /// It cannot.
    Safe,
    /// It could, and why; somebody must agree.
    Risky(String),
    /// It cannot be made, and why; somebody must mend the data or the definition first.
    Refused(String),
}

/// What is done.
#[derive(Clone, Debug)]
pub(super) enum Action {
    DropIndex(String),
    RenameTable { from: String, sequence: Option<(String, String)> },
    CreateTable(Box<TableSpec>),
    RenameColumn { from: String, to: String },
    AddColumn(ColumnSpec),
    AlterColumn(Box<Alteration>),
    SetPrimaryKey { columns: Vec<String>, present: Option<String> },
    DropColumn(String),
    CreateIndex { index: IndexSpec, blank_to_null: bool },
    Run(String),
    DropTable { apart: Vec<String> },
    Nothing,
}

/// A column from what it is to what it shall be.
#[derive(Clone, Debug)]
pub(super) struct Alteration {
    pub from: Column,
    pub to: ColumnSpec,
    /// The sequence behind the column's default on PostgreSQL.
    pub sequence: Option<String>,
}

/// A question to the data.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    /// A statement that must run before, for the functions that `predicate` calls.
    pub prepare: Option<String>,
    /// The table as it is now.
    pub table: String,
    /// Which rows are meant.
    pub predicate: String,
    /// What follows if there are any.
    pub verdict: Verdict,
}

/// What it means that a [`Probe`] finds rows.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    /// Somebody must agree, because of this.
    Risky(String),
    /// It cannot be made, because of this.
    Refused(String),
    /// Values of this column occur more than once.
    Duplicates(String),
    /// Without such rows there is nothing to change.
    Needed,
    /// Only told, behind the description.
    Told(String),
}

/// A table of SQLite built anew: ALTER TABLE can change neither types nor keys.
#[derive(Clone, Debug)]
pub(super) struct Rebuild {
    /// Name, definition, and where existing rows take the value from (`None`: the default).
    pub columns: Vec<(String, String, Option<String>)>,
    /// The columns of the primary key, if it is not part of a definition.
    pub primary_key: Vec<String>,
    /// The counter must live on.
    pub autoincrement: bool,
}

impl Plan {
    /// A plan that changes nothing.
    pub(crate) fn empty(backend: Backend) -> Self {
        Self { backend, changes: Vec::new(), left_in_place: Vec::new(), rebuilds: BTreeMap::new() }
    }

    /// Whether nothing changes.
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The changes that could lose data, or cannot be made at all.
    pub(crate) fn risky(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.risk != Risk::Safe)
    }

    /// The changes that cannot be made.
    pub(crate) fn refused(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| matches!(change.risk, Risk::Refused(_)))
    }

    /// What can be made beforehand and table by table, because it only adds: a plan for each table whose every change does.
    pub(super) fn additions(&self) -> Vec<Self> {
        let mut tables: BTreeMap<&str, (bool, Vec<Change>)> = BTreeMap::new();
        let is_given_up = |name: &str| {
            self.changes.iter().any(|c| matches!(&c.action, Action::RenameTable { from, .. } if from == name))
        };
        for change in &self.changes {
            let adds = match &change.action {
                Action::CreateTable(_) => !is_given_up(&change.table),
                Action::AddColumn(_) => true,
                Action::CreateIndex { blank_to_null, .. } => !blank_to_null,
                _ => false,
            };
            let (only_adds, changes) = tables.entry(&change.table).or_insert((true, Vec::new()));
            *only_adds &= adds && change.risk == Risk::Safe;
            changes.push(change.clone());
        }
        let adding = tables.into_values().filter(|(only_adds, _)| *only_adds);
        adding.map(|(_, changes)| Self { changes, ..Self::empty(self.backend) }).collect()
    }

    /// The part of a plan that may be carried out beforehand, because it only adds tables that nobody knows yet.
    ///
    /// `None` if the whole plan makes no more than `limit` relations (tables and indexes).
    pub(super) fn head(&self, limit: usize) -> Option<Self> {
        let mut relations = 0;
        let mut head = Self::empty(self.backend);
        let is_given_up = |name: &str| {
            self.changes.iter().any(|c| matches!(&c.action, Action::RenameTable { from, .. } if from == name))
        };
        for change in &self.changes {
            let Action::CreateTable(spec) = &change.action else { continue };
            if is_given_up(&spec.name) {
                continue;
            }
            // The table, its key, its overflow table and that one's index.
            relations += 4 + spec.indexes.len();
            if relations > limit && !head.is_empty() {
                return Some(head);
            }
            head.changes.push(change.clone());
        }
        None
    }

    /// One line: how many tables are new, how many others change.
    pub(crate) fn summary(&self) -> String {
        let is_new = |change: &&Change| matches!(change.action, Action::CreateTable(_));
        let created = self.changes.iter().filter(is_new).count();
        let mut changed: Vec<&str> =
            self.changes.iter().filter(|change| !is_new(change)).map(|change| change.table.as_str()).collect();
        changed.sort_unstable();
        changed.dedup();
        let tables = |n: usize| if n == 1 { "1 table".to_owned() } else { format!("{n} tables") };
        match (created, changed.len()) {
            (0, 0) => "no change".to_owned(),
            (created, 0) => format!("{} created", tables(created)),
            (0, changed) => format!("{} changed", tables(changed)),
            (created, changed) => format!("{} created, {changed} changed", tables(created)),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.changes.is_empty() {
            f.write_str("The tables are as the DocTypes want them\n")?;
        }
        for change in &self.changes {
            writeln!(f, "{change}")?;
        }
        if !self.left_in_place.is_empty() {
            f.write_str("Left in place, because no DocType uses it (drop it with `migrate --prune`):\n")?;
            for phrase in &self.left_in_place {
                writeln!(f, "  {phrase}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, why) = match &self.risk {
            Risk::Safe => ("  ", None),
            Risk::Risky(why) => ("! ", Some(why)),
            Risk::Refused(why) => ("X ", Some(why)),
        };
        f.write_str(sign)?;
        if !self.doctype.is_empty() {
            write!(f, "{}: ", self.doctype)?;
        }
        f.write_str(&self.description)?;
        why.map_or(Ok(()), |why| write!(f, ": {why}"))
    }
}
