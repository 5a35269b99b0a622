//! Compares what the DocTypes want with what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::database::connect::Backend;
use crate::database::plan::convert::{conversion, prepare};
use crate::database::plan::renames::resolve_renames;
use crate::database::plan::{Action, Alteration, Change, Plan, Probe, Risk, Verdict, rebuild, references};
use crate::database::schema::wanted::{ColumnSpec, IndexSpec, TableSpec, engine_tables};
use crate::database::schema::{Column, ColumnDefault, Snapshot, SqlType, Table, names};
use crate::database::sql::quote;
use crate::meta::DocType;

/// What a table of ours has at least; others that are called `tab…` are never dropped.
const DOCTYPE_MARKS: [&str; 4] = ["name", "creation", "modified", "docstatus"];

/// What must change so that `snapshot` becomes what `doctypes` want.
///
/// Pure: a change that only the data can judge counts as risky until [`crate::database::migrate::assess`] has looked.
pub(crate) fn plan<'a>(
    backend: Backend,
    doctypes: impl Iterator<Item = &'a Arc<DocType>>,
    snapshot: &Snapshot,
    prune: bool,
) -> Plan {
    let doctypes: Vec<&Arc<DocType>> = doctypes.collect();
    let mut wanted = engine_tables(backend);
    wanted.extend(doctypes.iter().filter_map(|doctype| TableSpec::of(backend, doctype)));
    for spec in &mut wanted {
        spec.indexes.retain(|index| index.trigrams.is_none() || snapshot.trigrams.is_some());
        for index in spec.indexes.iter_mut().filter(|index| index.trigrams.is_some()) {
            index.trigrams.clone_from(&snapshot.trigrams);
        }
    }
    let mut differ = Differ { backend, snapshot, prune, plan: Plan::empty(backend) };
    let mut wanted = differ.without_clashes(wanted);
    for spec in &mut wanted {
        // SQLite reaches the table in any case, but documents that name the DocType must name it as it is now.
        if let Some(present) = snapshot.table(&spec.name)
            && present.name != spec.name
            && spec.doctype.is_some()
        {
            spec.renamed_from = present.name.strip_prefix("tab").map(ToOwned::to_owned);
        }
    }
    let renames = differ.table_renames(&wanted);
    let taken: BTreeSet<String> = renames.iter().map(|(from, _)| names::key(backend, from)).collect();
    let mut used = taken.clone();
    for spec in &wanted {
        let key = names::key(backend, &spec.name);
        used.insert(key.clone());
        let present = match renames.iter().find(|(_, to)| *to == spec.name) {
            Some((from, _)) => snapshot.table(from),
            None if taken.contains(&key) => None,
            None => snapshot.table(&spec.name),
        };
        match present {
            Some(present) => differ.table(spec, present),
            None => differ.create(spec),
        }
    }
    differ.plan.changes.extend(references::changes(backend, &doctypes, snapshot, &wanted, &renames));
    differ.back_fill(&wanted);
    differ.leftovers(&used);
    differ.plan
}

struct Differ<'a> {
    backend: Backend,
    snapshot: &'a Snapshot,
    prune: bool,
    plan: Plan,
}

impl Differ<'_> {
    fn push(&mut self, spec: &TableSpec, description: String, action: Action) -> &mut Change {
        let change = Change {
            doctype: spec.doctype.clone().unwrap_or_default(),
            description,
            risk: Risk::Safe,
            table: spec.name.clone(),
            action,
            probes: Vec::new(),
        };
        self.plan.changes.push(change);
        self.plan.changes.last_mut().expect("just pushed")
    }

    /// Tables and columns whose names the database cannot tell apart are refused, and left out of the rest.
    fn without_clashes(&mut self, wanted: Vec<TableSpec>) -> Vec<TableSpec> {
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        let mut kept = Vec::new();
        for mut spec in wanted {
            let key = names::key(self.backend, &spec.name);
            if let Some(other) = seen.get(&key) {
                let why = format!("this database cannot tell it from `{other}`: rename one of the DocTypes");
                self.push(&spec, format!("use the table `{}`", spec.name), Action::Nothing).risk = Risk::Refused(why);
                continue;
            }
            seen.insert(key, spec.name.clone());
            let mut columns: BTreeSet<String> = BTreeSet::new();
            let (unique, clashing): (Vec<_>, Vec<_>) = std::mem::take(&mut spec.columns)
                .into_iter()
                .partition(|column| columns.insert(names::key(self.backend, &column.name)));
            spec.columns = unique;
            for column in clashing {
                let why = "this database cannot tell it from another column: rename one of the fields".to_owned();
                self.push(&spec, format!("use the column `{}`", column.name), Action::Nothing).risk =
                    Risk::Refused(why);
            }
            kept.push(spec);
        }
        kept
    }

    /// Present and new table names of DocTypes that were renamed; the changes come first in the plan.
    fn table_renames(&mut self, wanted: &[TableSpec]) -> Vec<(String, String)> {
        let pairs: Vec<(String, Option<String>)> = wanted
            .iter()
            .map(|spec| {
                let from = spec.renamed_from.as_ref().map(|old| format!("tab{old}"));
                (spec.name.clone(), from)
            })
            .collect();
        let exists = |name: &str| {
            let physical = names::physical(self.backend, name);
            self.snapshot.table(name).is_some_and(|table| table.name == physical)
        };
        let renames = resolve_renames(self.backend, &pairs, &exists);
        for (from, to) in &renames {
            let Some(spec) = wanted.iter().find(|spec| spec.name == *to) else { continue };
            let old = spec.renamed_from.clone().unwrap_or_default();
            let sequence = spec.sequence.clone().map(|sequence| (names::sequence(&old), sequence));
            let present = self.snapshot.table(from).map_or_else(|| from.clone(), |table| table.name.clone());
            self.push(
                spec,
                format!("rename the table of {old} to `{to}`"),
                Action::RenameTable { from: present, sequence },
            );
        }
        renames
    }

    fn create(&mut self, spec: &TableSpec) {
        let description = format!("create the table `{}` with {} columns", spec.name, spec.columns.len());
        self.push(spec, description, Action::CreateTable(Box::new(spec.clone())));
    }

    fn table(&mut self, spec: &TableSpec, present: &Table) {
        let backend = self.backend;
        let pairs: Vec<(String, Option<String>)> =
            spec.columns.iter().map(|column| (column.name.clone(), column.renamed_from.clone())).collect();
        let exists = |name: &str| present.column(backend, name).is_some();
        let renames = resolve_renames(backend, &pairs, &exists);
        let taken: BTreeSet<String> = renames.iter().map(|(from, _)| names::key(backend, from)).collect();
        let mut used = taken.clone();
        let first_change = self.plan.changes.len();

        for (from, to) in &renames {
            let actual = present.column(backend, from).map_or_else(|| from.clone(), |column| column.name.clone());
            self.push(
                spec,
                format!("rename the column `{from}` to `{to}`"),
                Action::RenameColumn { from: actual, to: to.clone() },
            );
        }
        // Each wanted column with what it is now.
        let mut matched: Vec<(&ColumnSpec, Option<&Column>)> = Vec::new();
        for column in &spec.columns {
            let key = names::key(backend, &column.name);
            let found = match renames.iter().find(|(_, to)| *to == column.name) {
                Some((from, _)) => present.column(backend, from),
                None if taken.contains(&key) => None,
                None => present.column(backend, &column.name),
            };
            used.insert(key);
            if let Some(found) = found {
                self.column(spec, present, column, found);
            } else {
                let text = format!("add the column `{}` ({})", column.name, column.sql_type.ddl(backend));
                self.push(spec, text, Action::AddColumn(column.clone()));
            }
            matched.push((column, found));
        }
        let left: Vec<&Column> =
            present.columns.iter().filter(|column| !used.contains(&names::key(backend, &column.name))).collect();
        let left = self.unused_columns(spec, present, left);
        self.primary_key(spec, present);
        self.indexes(spec, present, &matched);
        let needs_rebuild = backend == Backend::Sqlite
            && self.plan.changes[first_change..]
                .iter()
                .any(|change| matches!(change.action, Action::AlterColumn(_) | Action::SetPrimaryKey { .. }));
        // Columns that get other values without a trigger being told, or other names, which indexes follow.
        let is_stale = |index: &IndexSpec| {
            needs_rebuild || renames.iter().any(|(from, to)| index.columns.contains(from) || index.columns.contains(to))
        };
        let kept = spec.indexes.iter().filter(|index| present.indexes.contains_key(&index.name));
        for index in kept.filter(|index| (index.trigrams.is_some() || index.words.is_some()) && is_stale(index)) {
            self.push(spec, format!("drop the index `{}`", index.name), Action::DropIndex(index.name.clone()));
            self.create_index(spec, index, false);
        }
        if needs_rebuild {
            self.plan.rebuilds.insert(spec.name.clone(), rebuild::of(spec, &matched, &left));
        }
    }

    fn column(&mut self, spec: &TableSpec, present: &Table, want: &ColumnSpec, found: &Column) {
        let backend = self.backend;
        let kind_changes = found.sql_type != want.sql_type;
        let null_changes = found.not_null != want.not_null;
        let default_changes = !ColumnDefault::same(&want.sql_type, found.default.as_ref(), want.default.as_ref());
        if !(kind_changes || null_changes || default_changes) {
            return;
        }
        let mut parts = Vec::new();
        let mut probes = Vec::new();
        let mut fear = None;
        let column = quote(&found.name);
        if kind_changes {
            let (from, to) = (found.sql_type.ddl(backend), want.sql_type.ddl(backend));
            parts.push(format!("change `{}` from {from} to {to}", want.name));
            let converted = conversion(backend, &column, &found.sql_type, &want.sql_type);
            let is_name = spec.doctype.is_some() && spec.primary_key == [want.name.clone()];
            if is_name && found.sql_type.is_integer() != want.sql_type.is_integer() {
                fear = Some("documents exist under their old names".to_owned());
                let text = "whether names count up can be chosen only while there are no documents";
                probes.push(probe(present, "1 = 1".to_owned(), Verdict::Refused(text.to_owned())));
            } else if let Some(lost) = converted.lost {
                fear = Some("values that do not fit would be lost".to_owned());
                let prepare = converting(backend, found, want);
                probes.push(Probe { prepare, ..probe(present, lost, Verdict::Risky(converted.loss)) });
            }
        }
        if null_changes && want.not_null {
            parts.push(format!("make `{}` NOT NULL", want.name));
            let verdict = match want.default.as_ref().map(|default| default.ddl(&want.sql_type)).as_deref() {
                Some("''") => Verdict::Risky("missing values become an empty text".to_owned()),
                Some(default) => Verdict::Risky(format!("missing values become {default}")),
                None => Verdict::Refused("values are missing: fill them in first".to_owned()),
            };
            fear = fear.or_else(|| Some("rows without a value would get one".to_owned()));
            probes.push(probe(present, format!("{column} IS NULL"), verdict));
        } else if null_changes {
            parts.push(format!("let `{}` be empty", want.name));
        }
        if default_changes {
            parts.push(match &want.default {
                Some(default) => format!("set the default of `{}` to {}", want.name, default.ddl(&want.sql_type)),
                None => format!("drop the default of `{}`", want.name),
            });
        }
        let sequence = if want.name == "name" { spec.sequence.clone() } else { None };
        let alteration = Alteration { from: found.clone(), to: want.clone(), sequence };
        let change = self.push(spec, parts.join(", "), Action::AlterColumn(Box::new(alteration)));
        change.probes = probes;
        if let Some(fear) = fear {
            change.risk = Risk::Risky(fear);
        }
    }

    /// Columns that no field uses: kept so that inserts go on working, or dropped. Returns what is kept.
    fn unused_columns<'c>(&mut self, spec: &TableSpec, present: &Table, left: Vec<&'c Column>) -> Vec<&'c Column> {
        let mut kept = Vec::new();
        for column in left {
            let name = &column.name;
            if self.prune {
                // The index goes first: SQLite does not drop a column that has one.
                for (index, _) in present.indexes.iter().filter(|(index, definition)| {
                    definition.columns.contains(name) && !names::is_own_index(&present.name, index)
                }) {
                    let text = format!("drop the index `{index}` of the column `{name}`");
                    self.push(spec, text, Action::DropIndex(index.clone()));
                }
                let change = self.push(spec, format!("drop the column `{name}`"), Action::DropColumn(name.clone()));
                let told = Verdict::Told("with its values".to_owned());
                change.probes.push(probe(present, format!("{} IS NOT NULL", quote(name)), told));
                continue;
            }
            let doctype = spec.doctype.as_deref().unwrap_or(&spec.name);
            self.plan.left_in_place.push(format!("the column `{name}` of {doctype}"));
            if column.not_null && column.default.is_none() && !present.primary_key.contains(name) {
                let to = ColumnSpec {
                    name: name.clone(),
                    renamed_from: None,
                    sql_type: column.sql_type.clone(),
                    not_null: false,
                    default: None,
                    fetch: None,
                };
                let alteration = Alteration { from: column.clone(), to, sequence: None };
                self.push(
                    spec,
                    format!("let the unused column `{name}` be empty"),
                    Action::AlterColumn(Box::new(alteration)),
                );
            }
            kept.push(column);
        }
        kept
    }

    fn primary_key(&mut self, spec: &TableSpec, present: &Table) {
        let backend = self.backend;
        let keys = |columns: &[String]| columns.iter().map(|name| names::key(backend, name)).collect::<Vec<_>>();
        let counts_differ = backend == Backend::Sqlite && spec.autoincrement != present.autoincrement;
        if keys(&spec.primary_key) == keys(&present.primary_key) && !counts_differ {
            return;
        }
        let list = spec.primary_key.join("`, `");
        let action =
            Action::SetPrimaryKey { columns: spec.primary_key.clone(), present: present.primary_key_name.clone() };
        let key_differs = keys(&spec.primary_key) != keys(&present.primary_key);
        let columns: Vec<String> = spec.primary_key.iter().map(|name| quote(name)).collect();
        let all_there = spec.primary_key.iter().all(|name| present.column(backend, name).is_some());
        let change = self.push(spec, format!("make `{list}` the primary key"), action);
        if key_differs && all_there {
            change.risk = Risk::Risky("rows could share a key".to_owned());
            let (list, table) = (columns.join(", "), quote(&present.name));
            let predicate = format!("({list}) IN (SELECT {list} FROM {table} GROUP BY {list} HAVING count(*) > 1)");
            let text = "several rows share a key: delete or rename all but one first".to_owned();
            change.probes.push(probe(present, predicate, Verdict::Refused(text)));
        }
    }

    fn indexes(&mut self, spec: &TableSpec, present: &Table, matched: &[(&ColumnSpec, Option<&Column>)]) {
        let backend = self.backend;
        for name in present.indexes.keys() {
            if names::is_own_index(&present.name, name) && !spec.indexes.iter().any(|index| index.name == *name) {
                self.push(spec, format!("drop the index `{name}`"), Action::DropIndex(name.clone()));
            }
        }
        for index in spec.indexes.iter().filter(|index| !present.indexes.contains_key(&index.name)) {
            let column = matched.iter().find(|(column, _)| index.unique && index.columns[0] == column.name);
            let blank_to_null = column.is_some_and(|(column, found)| found.is_some() && column.sql_type.is_text());
            let change = self.create_index(spec, index, blank_to_null);
            if let Some((want, Some(found))) = column
                && let Some(probe) = duplicates(backend, present, found, want)
            {
                change.risk = Risk::Risky("values could occur more than once".to_owned());
                change.probes.push(probe);
            }
        }
    }

    fn create_index(&mut self, spec: &TableSpec, index: &IndexSpec, blank_to_null: bool) -> &mut Change {
        let list = index.columns.join("`, `");
        let kind = match (index.unique, &index.trigrams, index.words) {
            (true, ..) => "a unique index",
            (false, Some(_), _) => "an index for searching",
            (false, None, Some(_)) => "an index of words",
            (false, None, None) => "an index",
        };
        let action = Action::CreateIndex { index: index.clone(), blank_to_null };
        self.push(spec, format!("make {kind} on `{list}`"), action)
    }

    /// A new column that is fetched from a linked document gets its values from there at once.
    fn back_fill(&mut self, wanted: &[TableSpec]) {
        let mut filled = Vec::new();
        for change in &self.plan.changes {
            let Action::AddColumn(column) = &change.action else { continue };
            let Some(fetch) = &column.fetch else { continue };
            let Some(target) = wanted.iter().find(|spec| spec.doctype.as_deref() == Some(&fetch.target)) else {
                continue;
            };
            let Some(source) = target.column(self.backend, &fetch.source) else { continue };
            let is_text = source.sql_type.is_text() && column.sql_type.is_text() && column.sql_type != SqlType::Json;
            if source.sql_type != column.sql_type && !is_text {
                continue;
            }
            let value = match column.sql_type {
                SqlType::Varchar(length) => format!("left(s.{}, {length})", quote(&source.name)),
                _ => format!("s.{}", quote(&source.name)),
            };
            let cell = quote(&column.name);
            let table = quote(&change.table);
            let sql = format!(
                "UPDATE {table} SET {cell} = coalesce((SELECT {value} FROM {} s WHERE CAST(s.\"name\" AS text) = {table}.{}), {cell}) \
                 WHERE {} IS NOT NULL",
                quote(&target.name),
                quote(names::physical(self.backend, &fetch.link)),
                quote(names::physical(self.backend, &fetch.link)),
            );
            filled.push(Change {
                description: format!("fill `{}` from `{}` of {}", column.name, source.name, fetch.target),
                action: Action::Run(sql),
                ..change.clone()
            });
        }
        self.plan.changes.extend(filled);
    }

    fn leftovers(&mut self, used: &BTreeSet<String>) {
        for (key, table) in &self.snapshot.tables {
            let is_ours = table.name.starts_with("tab")
                && DOCTYPE_MARKS.iter().all(|name| table.column(self.backend, name).is_some());
            if used.contains(key) || !is_ours {
                continue;
            }
            if !self.prune {
                self.plan.left_in_place.push(format!("the table `{}`", table.name));
                continue;
            }
            let told = Verdict::Told("with its documents".to_owned());
            let is_apart = |name: &&String| names::is_trigrams(name) || names::is_words(name);
            let apart = table.indexes.keys().filter(is_apart).cloned().collect();
            self.plan.changes.push(Change {
                doctype: String::new(),
                description: format!("drop the table `{}`", table.name),
                risk: Risk::Safe,
                table: table.name.clone(),
                action: Action::DropTable { apart },
                probes: vec![probe(table, "1 = 1".to_owned(), told)],
            });
        }
    }
}

fn probe(table: &Table, predicate: String, verdict: Verdict) -> Probe {
    Probe { prepare: None, table: table.name.clone(), predicate, verdict }
}

/// Rows whose values, as they will be, occur more than once; `None` if there will be no values.
fn duplicates(backend: Backend, table: &Table, found: &Column, want: &ColumnSpec) -> Option<Probe> {
    let (name, table_name) = (quote(&found.name), quote(&table.name));
    let converted = conversion(backend, &name, &found.sql_type, &want.sql_type);
    if converted.keeps_nothing() {
        return None;
    }
    let value = converted.expression.map_or(name, |expression| format!("({expression})"));
    // An empty text counts as nothing, and becomes null before the index is made.
    let filled = if want.sql_type.is_text() { format!("{value} <> ''") } else { format!("{value} IS NOT NULL") };
    let predicate = format!(
        "{filled} AND {value} IN (SELECT {value} FROM {table_name} WHERE {filled} GROUP BY {value} HAVING count(*) > 1)"
    );
    let prepare = converting(backend, found, want);
    Some(Probe { prepare, ..probe(table, predicate, Verdict::Duplicates(found.name.clone())) })
}

/// The functions that a conversion calls.
fn converting(backend: Backend, found: &Column, want: &ColumnSpec) -> Option<String> {
    match backend {
        Backend::Sqlite => None,
        Backend::Postgres if found.sql_type == want.sql_type => None,
        Backend::Postgres => prepare(&found.sql_type, &want.sql_type),
    }
}
