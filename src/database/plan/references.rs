//! What a rename touches beyond the renamed table or column: everything that holds a DocType's or a field's name.

use std::fmt::Write;
use std::sync::Arc;

use crate::database::connect::Backend;
use crate::database::plan::{Action, Change, Probe, Risk, Verdict};
use crate::database::schema::sql_type::quote_text;
use crate::database::schema::wanted::TableSpec;
use crate::database::schema::{Snapshot, names};
use crate::database::sql::quote;
use crate::meta::DocType;
use crate::meta::fieldtype::Fieldtype;

/// Columns that hold a DocType's name without being a Link to DocType or the type of a Dynamic Link.
const NAMING_COLUMNS: [(&str, &str); 2] = [("Version", "ref_doctype"), ("Deleted Document", "deleted_doctype")];

/// The data changes that follow from renames: of DocTypes (`renames`: old and new table, in order), Singles and fields.
pub(super) fn changes(
    backend: Backend,
    doctypes: &[&Arc<DocType>],
    snapshot: &Snapshot,
    wanted: &[TableSpec],
    renames: &[(String, String)],
) -> Vec<Change> {
    let mut changes = Vec::new();
    let table_of = |doctype: &DocType| names::physical(backend, &doctype.table_name()).to_owned();
    // In the order of the renames: one DocType may have got the name that another has left.
    let of_tables = renames.iter().filter_map(|(_, to)| {
        let old = wanted.iter().find(|spec| spec.name == *to)?.renamed_from.as_deref()?;
        Some((*doctypes.iter().find(|doctype| table_of(doctype) == *to)?, old))
    });
    let of_singles = doctypes.iter().filter_map(|doctype| {
        let old = doctype.renamed_from.as_deref()?;
        let stored = |name: &str| snapshot.singles.contains_key(name);
        (doctype.issingle && !stored(&doctype.name) && stored(old)).then_some((*doctype, old))
    });
    // Singles first: the others look for their rows under the new name.
    let moved: Vec<(&Arc<DocType>, &str)> = of_singles.chain(of_tables).collect();
    for (doctype, old) in &moved {
        let sql = doctype_rename(backend, doctypes, old, &doctype.name);
        let text = format!("write {} instead of {old} wherever documents name the DocType", doctype.name);
        changes.push(change(doctype, &table_of(doctype), text, sql));
    }
    for doctype in doctypes {
        let old = moved.iter().find(|(moved, _)| moved.name == doctype.name).map(|(_, old)| *old);
        field_renames(doctype, &table_of(doctype), old.unwrap_or(&doctype.name), snapshot, wanted, &mut changes);
    }
    changes
}

fn change(doctype: &DocType, table: &str, description: String, sql: String) -> Change {
    Change {
        doctype: doctype.name.clone(),
        description,
        risk: Risk::Safe,
        table: table.to_owned(),
        action: Action::Run(sql),
        probes: Vec::new(),
    }
}

fn doctype_rename(backend: Backend, doctypes: &[&Arc<DocType>], old: &str, new: &str) -> String {
    let (old, new) = (quote_text(old), quote_text(new));
    let mut sql = String::new();
    let mut set = |table: &str, column: &str, also: &str| {
        let (table, column) = (quote(names::physical(backend, table)), quote(names::physical(backend, column)));
        let _ = writeln!(sql, "UPDATE {table} SET {column} = {new} WHERE {column} = {old}{also};");
    };
    set("tabSingles", "doctype", "");
    set("__Auth", "doctype", "");
    for doctype in doctypes {
        let table = doctype.table_name();
        if doctype.istable && doctype.has_table() {
            set(&table, "parenttype", "");
        }
        let types: Vec<&str> = doctype
            .fields
            .iter()
            .filter(|field| field.fieldtype == Fieldtype::DynamicLink)
            .map(|field| field.options.as_str())
            .collect();
        for field in doctype.fields.iter().filter(|field| field.has_column()) {
            let names_a_doctype = (field.fieldtype == Fieldtype::Link && field.options == "DocType")
                || types.contains(&field.fieldname.as_str())
                || NAMING_COLUMNS.contains(&(doctype.name.as_str(), field.fieldname.as_str()));
            if names_a_doctype && doctype.has_table() {
                set(&table, &field.fieldname, "");
            } else if names_a_doctype && doctype.issingle {
                let which = format!(
                    " AND doctype = {} AND field = {}",
                    quote_text(&doctype.name),
                    quote_text(&field.fieldname)
                );
                set("tabSingles", "value", &which);
            }
        }
    }
    sql
}

/// Fields are named in `tabSingles`, in `__Auth` and by the rows of child tables.
fn field_renames(
    doctype: &DocType,
    table: &str,
    present_doctype: &str,
    snapshot: &Snapshot,
    wanted: &[TableSpec],
    changes: &mut Vec<Change>,
) {
    for field in &doctype.fields {
        let Some(old) = field.renamed_from.as_deref().filter(|old| *old != field.fieldname) else { continue };
        let (from, to) = (quote_text(old), quote_text(&field.fieldname));
        let name = quote_text(&doctype.name);
        if doctype.issingle {
            let stored = snapshot.singles.get(present_doctype);
            if stored.is_some_and(|fields| fields.contains(old) && !fields.contains(&field.fieldname)) {
                let sql = format!("UPDATE \"tabSingles\" SET field = {to} WHERE doctype = {name} AND field = {from};");
                let text = format!("rename the field `{old}` to `{}`", field.fieldname);
                changes.push(change(doctype, table, text, sql));
            }
        }
        // Before the plan is carried out the rows still have the DocType's old name.
        let present_name = quote_text(present_doctype);
        if field.fieldtype == Fieldtype::Password && snapshot.table("__Auth").is_some() {
            let condition = format!("doctype = {name} AND fieldname = {from}");
            let sql = format!("UPDATE \"__Auth\" SET fieldname = {to} WHERE {condition};");
            let text = format!("keep the passwords of `{old}` for `{}`", field.fieldname);
            let mut change = change(doctype, table, text, sql);
            change.probes.push(Probe {
                prepare: None,
                table: "__Auth".to_owned(),
                predicate: format!("doctype = {present_name} AND fieldname = {from}"),
                verdict: Verdict::Needed,
            });
            changes.push(change);
        }
        let child = wanted
            .iter()
            .find(|spec| field.fieldtype.is_table() && spec.doctype.as_deref() == Some(field.options.trim()));
        if let Some(child) = child
            && let Some(present) = child_table(snapshot, child)
        {
            let condition = format!("parenttype = {name} AND parentfield = {from}");
            let sql = format!("UPDATE {} SET parentfield = {to} WHERE {condition};", quote(&child.name));
            let text = format!("keep the rows of `{old}` for `{}`", field.fieldname);
            let mut change = change(doctype, table, text, sql);
            change.probes.push(Probe {
                prepare: None,
                table: present,
                predicate: format!("parenttype = {present_name} AND parentfield = {from}"),
                verdict: Verdict::Needed,
            });
            changes.push(change);
        }
    }
}

/// The child table as it is called now.
fn child_table(snapshot: &Snapshot, child: &TableSpec) -> Option<String> {
    let old = child.renamed_from.as_ref().map(|old| format!("tab{old}"));
    let present = snapshot.table(&child.name).or_else(|| snapshot.table(&old?))?;
    present.column(snapshot.backend, "parentfield").map(|_| present.name.clone())
}
