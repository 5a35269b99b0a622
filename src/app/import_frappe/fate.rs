//! What becomes of each DocType of a Frappe site: moved, or left behind, and why.

use std::collections::{BTreeMap, BTreeSet};

use crate::app::import_frappe::definitions::Definitions;
use crate::database::frappe_source::FrappeSource;
use crate::meta::Registry;

/// What becomes of the documents of a DocType.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// They move into the DocType of the same name that comes with the program.
    Shipped,
    /// The DocType moves with them.
    Own,
    /// They stay behind; why.
    Left(&'static str),
}

const DEFINITION: &str = "became DocType files";
const PROGRAM: &str = "belongs to Frappe's own program";
const SHORT_LIVED: &str = "is short-lived: people log in anew";
const SETTINGS: &str = "settings of Frappe's own program";
const STANDARD: &str = "holds nothing but what Frappe installs";
const EMPTY: &str = "is empty";
const ROWS: &str = "rows of documents that do not move";

/// What never moves, with the reason.
const LEFT: [(&str, &str); 24] = [
    ("DocType", DEFINITION),
    ("DocField", DEFINITION),
    ("DocPerm", DEFINITION),
    ("DocType Action", DEFINITION),
    ("DocType Link", DEFINITION),
    ("DocType State", DEFINITION),
    ("Custom Field", DEFINITION),
    ("Property Setter", DEFINITION),
    ("Custom DocPerm", DEFINITION),
    ("DefaultValue", PROGRAM),
    ("Installed Application", PROGRAM),
    ("Installed Applications", PROGRAM),
    ("Navbar Settings", PROGRAM),
    ("Page", PROGRAM),
    ("Patch Log", PROGRAM),
    ("Scheduled Job Log", PROGRAM),
    ("Scheduled Job Type", PROGRAM),
    ("Web Template", PROGRAM),
    ("Website Theme", PROGRAM),
    ("Print Style", PROGRAM),
    ("Notification Settings", PROGRAM),
    ("OAuth Authorization Code", SHORT_LIVED),
    ("Log Settings", SETTINGS),
    ("Session", SHORT_LIVED),
];
/// Columns that mark what Frappe installs, and what they hold there.
const STANDARD_MARKS: [(&str, [&str; 2]); 2] = [("standard", ["1", "Yes"]), ("is_standard", ["1", "Yes"])];

/// What becomes of every DocType, and how many rows its table has.
#[derive(Debug, Default)]
pub(super) struct Fates {
    /// By DocType.
    pub by_doctype: BTreeMap<String, Fate>,
    /// By DocType; 0 for those without a table.
    pub rows: BTreeMap<String, u64>,
}

impl Fates {
    /// Decides. Nothing of people is left behind for want of a DocType: where the program ships none, theirs comes along.
    pub(super) async fn decide(
        source: &mut FrappeSource,
        definitions: &Definitions,
        shipped: &Registry,
    ) -> anyhow::Result<Self> {
        let mut fates = Self::default();
        for doctype in definitions.doctypes.keys() {
            let table = format!("tab{doctype}");
            let has_table = !source.columns(&table).is_empty();
            let rows = if has_table { source.count(&table).await? } else { 0 };
            fates.rows.insert(doctype.clone(), rows);
            let fate = if let Some((_, why)) = LEFT.iter().find(|(left, _)| left == doctype) {
                Fate::Left(why)
            } else if shipped.get(doctype).is_some() {
                Fate::Shipped
            } else if definitions.is(doctype, "custom") {
                Fate::Own
            } else if definitions.is(doctype, "issingle") || definitions.is(doctype, "is_virtual") {
                Fate::Left(SETTINGS)
            } else if definitions.is(doctype, "istable") {
                // A child table comes along with its parents.
                Fate::Left(ROWS)
            } else if rows == 0 {
                Fate::Left(EMPTY)
            } else if has_own_rows(source, &table).await? {
                Fate::Own
            } else {
                Fate::Left(STANDARD)
            };
            fates.by_doctype.insert(doctype.clone(), fate);
        }
        fates.take_child_tables(definitions);
        Ok(fates)
    }

    /// Whether its documents move.
    pub(super) fn moves(&self, doctype: &str) -> bool {
        matches!(self.by_doctype.get(doctype), Some(Fate::Shipped | Fate::Own))
    }

    /// The DocTypes of a fate.
    pub(super) fn of(&self, fate: &Fate) -> impl Iterator<Item = &str> {
        self.by_doctype.iter().filter(move |(_, found)| *found == fate).map(|(doctype, _)| doctype.as_str())
    }

    /// How many rows the table of a DocType has.
    pub(super) fn rows(&self, doctype: &str) -> u64 {
        self.rows.get(doctype).copied().unwrap_or(0)
    }

    fn take_child_tables(&mut self, definitions: &Definitions) {
        let parents: Vec<&String> = definitions.doctypes.keys().filter(|doctype| self.moves(doctype)).collect();
        let mut needed: BTreeSet<String> = BTreeSet::new();
        for parent in parents {
            // Of a shipped DocType only the tables that were added count: it has its own.
            let is_shipped = self.by_doctype.get(parent) == Some(&Fate::Shipped);
            needed.extend(if is_shipped {
                definitions.added_child_tables(parent)
            } else {
                definitions.child_tables(parent)
            });
        }
        for doctype in needed {
            if let Some(fate @ Fate::Left(ROWS)) = self.by_doctype.get_mut(&doctype) {
                *fate = Fate::Own;
            }
        }
    }
}

async fn has_own_rows(source: &mut FrappeSource, table: &str) -> anyhow::Result<bool> {
    for (column, standard) in STANDARD_MARKS {
        if source.columns(table).iter().any(|present| present == column) {
            return Ok(source.count_other(table, column, &standard).await? > 0);
        }
    }
    Ok(true)
}
