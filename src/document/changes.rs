//! The change feed: which documents were written, noted in the transaction that wrote them, and read in an order in which
//! nothing comes behind a reader ([`crate::database::changes`]).

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use serde_json::{Value as Json, json};
use tokio::sync::watch;

use crate::database::{changes, documents};
use crate::document::{Documents, List, ListRequest, SYSTEM_SETTINGS, Work, defaults, input, store};
use crate::error::{Error, Result};
use crate::meta::{DocType, Document, Value};
use crate::permissions::Session;
use crate::secret;

/// The DocType of its entries.
pub(crate) const DOCUMENT_CHANGE: &str = "Document Change";
/// The switch in System Settings.
const SWITCH: &str = "change_feed";
const FIELDS: [&str; 6] = ["name", "position", "ref_doctype", "docname", "event", "new_name"];

/// What happened to a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    /// It is new.
    Insert,
    /// It was changed.
    Update,
    /// It has another name, or was merged into another one.
    Rename,
    /// It is gone.
    Delete,
}

impl ChangeKind {
    fn name(self) -> &'static str {
        match self {
            Self::Insert => "Insert",
            Self::Update => "Update",
            Self::Rename => "Rename",
            Self::Delete => "Delete",
        }
    }
}

/// What a work did to a document besides changing it.
pub(super) struct Noted {
    pub kind: ChangeKind,
    pub doctype: String,
    pub name: String,
    pub new_name: Option<String>,
}

/// An entry of the feed.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// Where the feed goes on behind it.
    pub cursor: Cursor,
    /// What happened.
    pub kind: ChangeKind,
    /// The DocType.
    pub doctype: String,
    /// The name of the document.
    pub name: String,
    /// What a renamed one is called now.
    pub new_name: String,
}

/// A place in the feed: that of an entry, with its name. After a restore the same place may be that of another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cursor {
    position: i64,
    entry: String,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.position, self.entry)
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts = text.split_once('-').and_then(|(position, entry)| Some((position.parse().ok()?, entry)));
        let (position, entry) = parts
            .filter(|(position, _): &(i64, _)| *position >= 0)
            .ok_or_else(|| Error::misuse("since is not a cursor of this feed: leave it out to begin now"))?;
        Ok(Self { position, entry: entry.to_owned() })
    }
}

/// A part of the feed.
#[derive(Debug)]
pub(crate) struct Changes {
    /// The entries, the first ones first.
    pub entries: Vec<Change>,
    /// Where the feed goes on.
    pub next: Cursor,
    /// Whether there are more by now.
    pub has_more: bool,
}

/// Whether changes of a DocType are told: not those of logs, and of what the program keeps for itself.
pub(crate) fn are_told(doctype: &DocType) -> bool {
    doctype.keeps_deleted() && !doctype.istable && !doctype.is_virtual
}

impl Work<'_> {
    /// Notes what was done to a document, for the feed; that it was written is known.
    pub(super) fn note(&mut self, kind: ChangeKind, doctype: &str, name: &str, new_name: Option<&str>) {
        let (doctype, name) = (doctype.to_owned(), name.to_owned());
        self.noted.push(Noted { kind, doctype, name, new_name: new_name.map(str::to_owned) });
    }

    /// Writes an entry for each document that was written, if the feed is switched on.
    pub(super) async fn write_changes(&mut self) -> Result<()> {
        if self.written.doctypes().next().is_none() || !self.documents.has_change_feed().await? {
            return Ok(());
        }
        let Some(entry) = self.registry.get(DOCUMENT_CHANGE).cloned() else { return Ok(()) };
        let noted: HashMap<(&str, &str), &Noted> =
            self.noted.iter().map(|noted| ((noted.doctype.as_str(), noted.name.as_str()), noted)).collect();
        let mut entries = Vec::new();
        for (doctype, name) in self.written.documents() {
            let (Some(name), Some(target)) = (name, self.registry.get(doctype)) else { continue };
            if !are_told(target) {
                continue;
            }
            let noted = noted.get(&(doctype, name));
            let mut document = defaults::new_document(&entry, &self.surroundings());
            document.set_name(secret::random_name());
            self.stamp_new(&mut document);
            document.set("ref_doctype", doctype);
            document.set("docname", name);
            document.set("event", noted.map_or(ChangeKind::Update, |noted| noted.kind).name());
            document.set("new_name", noted.and_then(|noted| noted.new_name.as_deref()));
            input::normalise(&mut document);
            entries.push(document);
        }
        if entries.is_empty() {
            return Ok(());
        }
        let rows: Vec<&Document> = entries.iter().collect();
        let inserted = documents::insert(self.executor(), &rows).await;
        inserted.map_err(|error| store::write_error(self.backend(), &entry, &rows[0].name(), error))?;
        self.written.add_log(DOCUMENT_CHANGE);
        Ok(())
    }
}

impl Documents {
    /// Whether changes are noted.
    pub(crate) async fn has_change_feed(&self) -> Result<bool> {
        match self.get(&Session::system(), SYSTEM_SETTINGS, SYSTEM_SETTINGS).await {
            Ok(settings) => Ok(settings.check(SWITCH)),
            Err(Error::DoesNotExist { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Changes whenever something was written, here or at another node.
    pub(crate) fn writes(&self) -> watch::Receiver<()> {
        self.0.writes.subscribe()
    }

    /// Where the feed ends now.
    pub(crate) async fn end_of_changes(&self) -> Result<Cursor> {
        self.place_changes().await?;
        let mut request = entries(json!([["position", ">", 0]])).order_by("position desc");
        request.limit = Some(1);
        let list = self.list(&Session::system(), &request).await?;
        match read(&list, 0) {
            Some(change) => Ok(change.cursor),
            None => Ok(Cursor { position: changes::last(self.database()).await?, entry: String::new() }),
        }
    }

    /// At most so many entries behind a place; `Gone` if some that were there are not kept any more.
    pub(crate) async fn changes_since(&self, since: &Cursor, most: u64) -> Result<Changes> {
        self.place_changes().await?;
        let mut request = entries(json!([["position", ">=", since.position.max(1)]])).order_by("position asc");
        // One more for the entry of the place itself, and one that shows that there are more.
        request.limit = Some(most.saturating_add(2));
        let list = self.list(&Session::system(), &request).await?;
        let mut found: Vec<Change> = (0..list.rows.len()).filter_map(|row| read(&list, row)).collect();
        let follows = match found.first().map(|first| &first.cursor) {
            Some(first) if first.position == since.position => *first == *since,
            Some(first) => first.position == since.position + 1,
            None => changes::last(self.database()).await? == since.position,
        };
        if !follows {
            let message =
                "What has changed since is not kept any more: read all documents again, and go on from a new cursor";
            return Err(Error::Gone(message.to_owned()));
        }
        found.retain(|change| change.cursor.position > since.position);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let has_more = found.len() > most;
        found.truncate(most);
        let next = found.last().map_or_else(|| since.clone(), |last| last.cursor.clone());
        Ok(Changes { entries: found, next, has_more })
    }

    /// Gives places to entries that have none.
    async fn place_changes(&self) -> Result<()> {
        let mut waiting = entries(json!([["position", "=", 0]]));
        waiting.limit = Some(1);
        let system = Session::system();
        if self.list(&system, &waiting).await?.rows.is_empty() {
            return Ok(());
        }
        let entry = self.doctype(DOCUMENT_CHANGE)?;
        loop {
            let work = self.begin(&system).await?;
            let goes_on = changes::place(work.executor(), &entry).await?;
            work.commit().await?;
            if !goes_on {
                return Ok(());
            }
        }
    }
}

fn entries(filters: Json) -> ListRequest {
    ListRequest::new(DOCUMENT_CHANGE).fields(&FIELDS).filters(filters)
}

fn read(list: &List, row: usize) -> Option<Change> {
    let text = |key: &str| list.text(row, key).to_owned();
    let position = list.keys.iter().position(|key| key == "position")?;
    let position = match list.rows.get(row)?.get(position)? {
        crate::document::Cell::Value(Value::Int(position)) => *position,
        _ => return None,
    };
    let kind = match list.text(row, "event") {
        "Insert" => ChangeKind::Insert,
        "Rename" => ChangeKind::Rename,
        "Delete" => ChangeKind::Delete,
        _ => ChangeKind::Update,
    };
    let cursor = Cursor { position, entry: text("name") };
    Some(Change { cursor, kind, doctype: text("ref_doctype"), name: text("docname"), new_name: text("new_name") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_what_it_was_written_as() {
        let cursor = Cursor { position: 7, entry: "abc".to_owned() };
        assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        for text in ["", "7", "x-abc", "-1-abc"] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }
}
