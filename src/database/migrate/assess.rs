//! Asks the data which changes would lose something, and how much.

use std::fmt::Write;

use sea_orm::DbErr;

use crate::database::connect::Executor;
use crate::database::plan::{Plan, Probe, Risk, Verdict};
use crate::database::sql::quote;
use crate::meta::fieldtype::Shape;

/// How many documents are named as examples.
const EXAMPLES: usize = 3;
/// How many rows with duplicates are named.
const DUPLICATES: usize = 20;

/// Settles the risk of every change that only the data can judge. Changes nothing; wants a transaction on PostgreSQL.
pub(crate) async fn assess(executor: &dyn Executor, plan: &mut Plan) -> Result<(), DbErr> {
    let mut settled = Vec::with_capacity(plan.changes.len());
    for mut change in std::mem::take(&mut plan.changes) {
        let mut is_needed = true;
        if !change.probes.is_empty() {
            change.risk = Risk::Safe;
        }
        for probe in std::mem::take(&mut change.probes) {
            let found = count(executor, &probe).await?;
            match &probe.verdict {
                Verdict::Needed => is_needed = found > 0,
                _ if found == 0 => {}
                Verdict::Told(text) => {
                    let _ = write!(change.description, " {text} ({})", rows(found));
                }
                Verdict::Risky(text) => {
                    let why = format!("{text} ({}{})", rows(found), examples(executor, &probe).await?);
                    change.risk = match change.risk {
                        Risk::Safe => Risk::Risky(why),
                        Risk::Risky(also) => Risk::Risky(format!("{also}; {why}")),
                        refused @ Risk::Refused(_) => refused,
                    };
                }
                Verdict::Refused(text) => {
                    let why = format!("{text} ({}{})", rows(found), examples(executor, &probe).await?);
                    change.risk = Risk::Refused(why);
                }
                Verdict::Duplicates(column) => {
                    change.risk = Risk::Refused(duplicates(executor, &probe, column).await?);
                }
            }
        }
        if is_needed {
            settled.push(change);
        }
    }
    plan.changes = settled;
    Ok(())
}

async fn count(executor: &dyn Executor, probe: &Probe) -> Result<i64, DbErr> {
    if let Some(prepare) = &probe.prepare {
        executor.execute_script(prepare).await?;
    }
    let sql = format!("SELECT count(*) FROM {} WHERE {}", quote(&probe.table), probe.predicate);
    let found = executor.fetch(&sql, Vec::new(), &[Shape::Int]).await?;
    Ok(found.first().and_then(|row| row[0].as_int()).unwrap_or(0))
}

/// `, such as TD-1, TD-2`; nothing for tables that hold no documents.
async fn examples(executor: &dyn Executor, probe: &Probe) -> Result<String, DbErr> {
    if !probe.table.starts_with("tab") || probe.table == "tabSingles" {
        return Ok(String::new());
    }
    let sql = format!(
        "SELECT CAST(\"name\" AS text) FROM {} WHERE {} ORDER BY \"name\" LIMIT {EXAMPLES}",
        quote(&probe.table),
        probe.predicate
    );
    let rows = executor.fetch(&sql, Vec::new(), &[Shape::Text]).await?;
    let names: Vec<&str> = rows.iter().map(|row| row[0].text()).collect();
    Ok(format!(", such as {}", names.join(", ")))
}

async fn duplicates(executor: &dyn Executor, probe: &Probe, column: &str) -> Result<String, DbErr> {
    let sql = format!(
        "SELECT CAST({column} AS text), CAST(\"name\" AS text) FROM {} WHERE {} ORDER BY 1, 2 LIMIT {}",
        quote(&probe.table),
        probe.predicate,
        DUPLICATES + 1,
        column = quote(column),
    );
    let rows = executor.fetch(&sql, Vec::new(), &[Shape::Text, Shape::Text]).await?;
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for row in rows.iter().take(DUPLICATES) {
        match groups.last_mut() {
            Some((value, names)) if *value == row[0].text() => names.push(row[1].text()),
            _ => groups.push((row[0].text(), vec![row[1].text()])),
        }
    }
    let list: Vec<String> =
        groups.iter().map(|(value, names)| format!("\"{value}\" in {}", names.join(", "))).collect();
    let more = if rows.len() > DUPLICATES { " and more" } else { "" };
    Ok(format!("values occur more than once, {}{more}: change or delete these documents first", list.join("; ")))
}

fn rows(n: i64) -> String {
    if n == 1 { "1 row".to_owned() } else { format!("{n} rows") }
}
