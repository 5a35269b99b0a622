//! What a table of SQLite looks like after it was built anew.

use crate::database::connect::Backend;
use crate::database::plan::Rebuild;
use crate::database::plan::convert::conversion;
use crate::database::schema::wanted::{ColumnSpec, TableSpec};
use crate::database::schema::{Column, ddl};
use crate::database::sql::quote;

/// The whole table as it shall be, after columns were renamed.
pub(super) fn of(spec: &TableSpec, matched: &[(&ColumnSpec, Option<&Column>)], left: &[&Column]) -> Rebuild {
    let backend = Backend::Sqlite;
    let mut columns = Vec::new();
    for (want, found) in matched {
        let source = found.map(|found| {
            let name = quote(&want.name);
            let converted = conversion(backend, &name, &found.sql_type, &want.sql_type);
            let value = converted.expression.unwrap_or(name);
            match &want.default {
                Some(default) if want.not_null => format!("coalesce({value}, {})", default.ddl(&want.sql_type)),
                _ => value,
            }
        });
        columns.push((
            want.name.clone(),
            ddl::column(backend, want, spec.autoincrement && want.name == "name"),
            source,
        ));
    }
    for column in left {
        let name = quote(&column.name);
        let default = column.default_text.as_ref().map_or_else(String::new, |text| format!(" DEFAULT {text}"));
        let not_null = if column.not_null && column.default.is_some() { " NOT NULL" } else { "" };
        columns.push((column.name.clone(), format!("{name} {}{not_null}{default}", column.declared), Some(name)));
    }
    let primary_key = if spec.autoincrement { Vec::new() } else { spec.primary_key.clone() };
    Rebuild { columns, primary_key, autoincrement: spec.autoincrement }
}
