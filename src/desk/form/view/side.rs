//! What stands around a form as data: tags, assignments, shares, and how applications get at the document.

use serde::Serialize;

use super::Pair;

/// What people do with a document besides editing it.
#[derive(Clone, Debug, Default, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "templates ask yes or no")]
pub(crate) struct Side {
    /// Comments can be added.
    pub comments: bool,
    /// It can have tags.
    pub has_tags: bool,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// Tags can be added and taken off.
    pub tags_editable: bool,
    /// It can be assigned.
    pub has_assigned: bool,
    /// To whom it is assigned.
    pub assigned: Vec<Assignee>,
    /// It can be shared, by this person.
    pub has_shares: bool,
    /// With whom it is.
    pub shares: Vec<ShareView>,
    /// Examples of calls by programs.
    pub api: Vec<Pair>,
    /// The document as JSON.
    pub json_url: String,
    /// Who may see it and why; empty for those who may not ask.
    pub access_url: String,
    /// Why somebody may do something with it; empty for those who may not ask.
    pub why_url: String,
    /// What an account, a key or a token may do; empty for every other document, and for those who may not ask.
    pub may_url: String,
    /// All that happened, where only the latest is shown.
    pub activity_url: String,
}

/// A tag.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Tag {
    /// Its text.
    pub name: String,
    /// The documents that have it.
    pub href: String,
}

/// Whom a document is assigned to.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Assignee {
    /// The user.
    pub user: String,
    /// The reader.
    pub own: bool,
    /// The reader can take it back.
    pub removable: bool,
}

/// With whom a document is shared.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ShareView {
    /// The user; empty for everyone.
    pub user: String,
    /// The rights: `read, write`.
    pub rights: String,
}
