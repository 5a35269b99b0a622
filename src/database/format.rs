//! The format of what the engine stores: a program refuses a database that a later one has made something else of.

use anyhow::{Context as _, bail};
use sea_orm::DbErr;

use crate::database::connect::Executor;
use crate::database::state;

/// The format that this program writes. A change that programs before it must not meet raises it.
const FORMAT: u32 = 1;

/// What the database remembers the format under, and which version of the program raised it: `1 0.1.0`.
const KEY: &str = "format";

/// Fails where a later program has raised the format.
pub(super) async fn check(executor: &dyn Executor) -> anyhow::Result<()> {
    let Some(stored) = state::get(executor, KEY).await? else { return Ok(()) };
    let (format, version) = stored.split_once(' ').unwrap_or((&stored, "of an unknown version"));
    let format: u32 = format.parse().with_context(|| format!("the database says that its format is {stored:?}"))?;
    if format > FORMAT {
        bail!(
            "Doctyped {version} has written this database in format {format}, and this is {}, which knows formats up to \
             {FORMAT}: run {version} or later, or restore a backup from before",
            env!("CARGO_PKG_VERSION")
        );
    }
    Ok(())
}

/// Has the database remember the format, unless it does or remembers a later one.
pub(super) async fn note(executor: &dyn Executor) -> Result<(), DbErr> {
    let stored = state::get(executor, KEY).await?;
    let stored = stored.and_then(|stored| stored.split(' ').next()?.parse::<u32>().ok());
    if stored.is_some_and(|stored| stored >= FORMAT) {
        return Ok(());
    }
    state::set(executor, KEY, &format!("{FORMAT} {}", env!("CARGO_PKG_VERSION"))).await
}
