//! Cursors of lists: places that stay right while rows are added or go, as texts that tell nothing.

use crate::document::{ListRequest, Position};
use crate::error::{Error, Result};
use crate::secret::SiteKey;
use crate::web::args::Args;

/// How many rows a page by cursor has at most.
pub(super) const MOST_ROWS: u64 = 1000;

/// Has a list begin where the parameter `cursor` says; an empty one begins at the beginning.
pub(super) fn read(key: &SiteKey, arguments: Args<'_>, request: &mut ListRequest) -> Result<()> {
    let Some(cursor) = arguments.0.get("cursor") else { return Ok(()) };
    let cursor = cursor.as_str().unwrap_or_default();
    if request.limit.is_none_or(|limit| limit > MOST_ROWS) {
        let message =
            format!("A page by cursor has at most {MOST_ROWS} rows: set limit, or accept application/x-ndjson for all");
        return Err(Error::misuse(message));
    }
    let unknown = || Error::misuse("The cursor is not one of this list: begin again with an empty one");
    let position = if cursor.is_empty() {
        Position::default()
    } else {
        if request.start > 0 {
            return Err(Error::misuse("Send cursor or start, not both"));
        }
        let text = key.open_text(cursor, &place(&request.doctype)).map_err(|_| unknown())?;
        serde_json::from_str(&text).ok().as_ref().and_then(Position::from_json).ok_or_else(unknown)?
    };
    request.position = Some(position);
    Ok(())
}

/// A place as a text. Sealed: what a list is sorted by is not always what its reader may see.
pub(super) fn write(key: &SiteKey, doctype: &str, position: &Position) -> String {
    key.seal(position.to_json().to_string(), &place(doctype))
}

fn place(doctype: &str) -> String {
    format!("cursor of a list of {doctype}")
}
