//! Runs the actions of a plan, in the order in which they can be done.

use std::collections::BTreeSet;
use std::fmt::Write;

use sea_orm::DbErr;

use crate::database::connect::{Backend, Executor};
use crate::database::migrate::MigrateError;
use crate::database::plan::convert::{conversion, prepare};
use crate::database::plan::{Action, Alteration, Change, Plan, Rebuild};
use crate::database::row::Param;
use crate::database::schema::sql_type::quote_text;
use crate::database::schema::{ddl, words};
use crate::database::sql::quote;
use crate::meta::fieldtype::Shape;

/// Runs everything; the caller commits or rolls back.
pub(super) async fn apply(executor: &dyn Executor, plan: &Plan) -> Result<(), MigrateError> {
    let mut changes: Vec<&Change> = plan.changes.iter().collect();
    changes.sort_by_key(|change| phase(&change.action));
    let mut done_tables: BTreeSet<&str> = BTreeSet::new();
    for change in changes {
        let rebuild = plan.rebuilds.get(&change.table).filter(|_| is_part_of_rebuild(&change.action));
        let done = match rebuild {
            Some(rebuild) if done_tables.insert(&change.table) => build_anew(executor, &change.table, rebuild).await,
            Some(_) => Ok(()),
            None => match script(plan.backend, change) {
                script if script.is_empty() => Ok(()),
                script => executor.execute_script(&script).await,
            },
        };
        done.map_err(|source| MigrateError::Failed {
            doctype: change.doctype.clone(),
            doing: change.to_string().trim().to_owned(),
            source,
        })?;
    }
    Ok(())
}

/// What a change runs, for people to read; on SQLite a table that is built anew is told as such.
pub(crate) fn statement(plan: &Plan, change: &Change) -> String {
    if plan.rebuilds.contains_key(&change.table) && is_part_of_rebuild(&change.action) {
        let table = quote(&change.table);
        return format!("-- {table} is built anew with its rows: {}", change.description);
    }
    script(plan.backend, change).trim().to_owned()
}

/// Indexes go before and come after everything that may stand in their way; data follows when all columns are there.
fn phase(action: &Action) -> u8 {
    match action {
        Action::DropIndex(_) | Action::Nothing => 0,
        Action::RenameTable { .. } => 1,
        Action::CreateTable(_) => 2,
        Action::RenameColumn { .. } => 3,
        Action::AddColumn(_) | Action::AlterColumn(_) | Action::SetPrimaryKey { .. } | Action::DropColumn(_) => 4,
        Action::CreateIndex { .. } => 5,
        Action::Run(_) => 6,
        Action::DropTable { .. } => 7,
    }
}

fn is_part_of_rebuild(action: &Action) -> bool {
    phase(action) == 4
}

fn script(backend: Backend, change: &Change) -> String {
    let table = quote(&change.table);
    match &change.action {
        Action::DropIndex(name) => ddl::drop_index(backend, name),
        Action::RenameTable { from, sequence } => {
            let mut script = String::new();
            let mut present = quote(from);
            if from.eq_ignore_ascii_case(&change.table) {
                // SQLite takes the new name for that of another table.
                let between = quote(&format!("{from}__old"));
                let _ = writeln!(script, "ALTER TABLE {present} RENAME TO {between};");
                present = between;
            }
            let _ = writeln!(script, "ALTER TABLE {present} RENAME TO {table};");
            if let Some((old, new)) = sequence {
                let _ = writeln!(script, "ALTER SEQUENCE IF EXISTS {} RENAME TO {};", quote(old), quote(new));
            }
            script
        }
        Action::CreateTable(spec) => ddl::create_table(backend, spec),
        Action::RenameColumn { from, to } => {
            format!("ALTER TABLE {table} RENAME COLUMN {} TO {};", quote(from), quote(to))
        }
        Action::AddColumn(spec) => format!("ALTER TABLE {table} ADD COLUMN {};", ddl::column(backend, spec, false)),
        Action::AlterColumn(alteration) => alter_column(&change.table, alteration),
        Action::SetPrimaryKey { columns, present } => {
            let drop = present.as_ref().map_or_else(String::new, |name| format!("DROP CONSTRAINT {}, ", quote(name)));
            format!("ALTER TABLE {table} {drop}ADD PRIMARY KEY ({});", ddl::list(columns))
        }
        Action::DropColumn(name) => format!("ALTER TABLE {table} DROP COLUMN {};", quote(name)),
        Action::CreateIndex { index, blank_to_null } => {
            let mut script = String::new();
            if *blank_to_null {
                let column = quote(&index.columns[0]);
                let _ = writeln!(script, "UPDATE {table} SET {column} = NULL WHERE {column} = '';");
            }
            script.push_str(&ddl::create_index(backend, &change.table, index));
            if index.words.is_some() {
                script.push_str(&words::mark_unfilled(&index.name));
            }
            script
        }
        Action::Run(sql) => sql.clone(),
        Action::DropTable { apart } => {
            // These indexes are more than the table: tables of their own on SQLite, functions.
            let indexes: String = apart.iter().map(|name| ddl::drop_index(backend, name)).collect();
            format!("{indexes}DROP TABLE {table};")
        }
        Action::Nothing => String::new(),
    }
}

/// PostgreSQL: type, default and NOT NULL of a column; SQLite rebuilds the table instead.
fn alter_column(table: &str, alteration: &Alteration) -> String {
    let Alteration { from, to, sequence } = alteration;
    let (name, ddl_type) = (quote(&to.name), to.sql_type.ddl(Backend::Postgres));
    let table_name = quote(table);
    let default = to.default.as_ref().map(|default| default.ddl(&to.sql_type));
    let mut script = String::new();
    if let Some(sequence) = sequence {
        script.push_str(&ddl::create_sequence(sequence));
    }
    let mut alter = |what: String| {
        let _ = writeln!(script, "ALTER TABLE {table_name} ALTER COLUMN {name} {what};");
    };
    if from.not_null && !to.not_null {
        alter("DROP NOT NULL".to_owned());
    }
    if from.sql_type != to.sql_type {
        // A default of the old type would stand in the way.
        alter("DROP DEFAULT".to_owned());
        let using = match (conversion(Backend::Postgres, &name, &from.sql_type, &to.sql_type).expression, &default) {
            (None, _) => String::new(),
            (Some(value), Some(default)) if to.not_null => format!(" USING coalesce({value}, {default})"),
            (Some(value), _) => format!(" USING CAST({value} AS {ddl_type})"),
        };
        alter(format!("TYPE {ddl_type}{using}"));
    }
    match &default {
        Some(default) => alter(format!("SET DEFAULT {default}")),
        None => alter("DROP DEFAULT".to_owned()),
    }
    if to.not_null && !from.not_null {
        if let Some(default) = &default {
            let _ = writeln!(script, "UPDATE {table_name} SET {name} = {default} WHERE {name} IS NULL;");
        }
        let _ = writeln!(script, "ALTER TABLE {table_name} ALTER COLUMN {name} SET NOT NULL;");
    }
    if let Some(sequence) = sequence {
        script.push_str(&ddl::own_sequence(sequence, table));
    }
    match prepare(&from.sql_type, &to.sql_type) {
        Some(function) if from.sql_type != to.sql_type => format!("{function};\n{script}"),
        _ => script,
    }
}

/// SQLite: a new table takes the place of the old one, with its rows, its counter, its indexes and triggers.
async fn build_anew(executor: &dyn Executor, table: &str, rebuild: &Rebuild) -> Result<(), DbErr> {
    let sql = "SELECT sql FROM sqlite_schema WHERE tbl_name = ? COLLATE NOCASE AND type IN ('index', 'trigger') AND sql IS NOT NULL";
    let dependents = executor.fetch(sql, vec![Param::text(table)], &[Shape::Text]).await?;

    let staging = format!("{table}__new");
    let (old, new) = (quote(table), quote(&staging));
    let mut parts: Vec<String> = rebuild.columns.iter().map(|(_, definition, _)| definition.clone()).collect();
    if !rebuild.primary_key.is_empty() {
        parts.push(format!("PRIMARY KEY ({})", ddl::list(&rebuild.primary_key)));
    }
    let kept = rebuild.columns.iter().filter_map(|(name, _, source)| source.as_ref().map(|source| (name, source)));
    let (names, sources): (Vec<String>, Vec<&str>) = kept.map(|(name, source)| (quote(name), source.as_str())).unzip();
    let mut script = format!("CREATE TABLE {new} ({});\n", parts.join(", "));
    let _ = writeln!(
        script,
        "INSERT INTO {new} ({}) SELECT {} FROM {old} ORDER BY rowid;",
        names.join(", "),
        sources.join(", ")
    );
    if rebuild.autoincrement {
        let (old_name, new_name) = (quote_text(table), quote_text(&staging));
        let _ = writeln!(
            script,
            "DELETE FROM sqlite_sequence WHERE name = {new_name} \
             AND EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = {old_name});\n\
             INSERT INTO sqlite_sequence (name, seq) SELECT {new_name}, seq FROM sqlite_sequence WHERE name = {old_name};"
        );
    }
    let _ = writeln!(script, "DROP TABLE {old};\nALTER TABLE {new} RENAME TO {old};");
    for row in &dependents {
        script.push_str(row[0].text());
        script.push_str(";\n");
    }
    // Otherwise views of the table would stop the rename, and triggers would be rewritten.
    executor.execute_script("PRAGMA legacy_alter_table = ON").await?;
    let done = executor.execute_script(&script).await;
    executor.execute_script("PRAGMA legacy_alter_table = OFF").await?;
    done
}
