//! One field of a DocType: Frappe's DocField, with every property that the engine or the desk acts on.

use serde_json::{Map, Value as Json};

use crate::meta::expression::Expression;
use crate::meta::fieldtype::Fieldtype;

/// What deleting a Link's target does; a property of ours beside Frappe's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDelete {
    /// The target cannot be deleted.
    #[default]
    Refuse,
    /// The link's document goes too.
    Cascade,
    /// The link stays and points at nothing.
    Ignore,
}

/// A field, as declared. Missing properties are `false`, empty or `None`, as in Frappe's own files.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "these are Frappe's flags, one by one")]
pub struct DocField {
    /// Column and JSON key; `[A-Za-z0-9_]`, at most 64 characters.
    pub fieldname: String,
    /// What people read; falls back to the fieldname in title case.
    pub label: String,
    /// The type.
    pub fieldtype: Fieldtype,
    /// Meaning depends on the type: Link target, Select lines, Data format, …
    pub options: String,
    /// Default as written; see `document/defaults.rs` for the shortcuts.
    pub default: Option<String>,
    /// Help text under the field.
    pub description: String,
    /// Shown in an empty input.
    pub placeholder: String,
    /// Where to read more.
    pub documentation_url: String,
    /// Must have a value.
    pub reqd: bool,
    /// No two documents may share a value.
    pub unique: bool,
    /// The column is indexed.
    pub search_index: bool,
    /// Longest text in characters (0: the type's own limit).
    pub length: u32,
    /// Decimal places shown (0 to 9).
    pub precision: Option<u8>,
    /// The column is NOT NULL.
    pub not_nullable: bool,
    /// Numbers below 0 are refused.
    pub non_negative: bool,
    /// Fixed once the document is inserted.
    pub set_only_once: bool,
    /// People cannot change it in the form.
    pub read_only: bool,
    /// Not in the form.
    pub hidden: bool,
    /// Shown only if this holds.
    pub depends_on: Option<Expression>,
    /// Required only if this holds.
    pub mandatory_depends_on: Option<Expression>,
    /// Read only if this holds.
    pub read_only_depends_on: Option<Expression>,
    /// A section that folds.
    pub collapsible: bool,
    /// A folding section opens by itself if this holds.
    pub collapsible_depends_on: Option<Expression>,
    /// `link_field.source_field`.
    pub fetch_from: Option<(String, String)>,
    /// Fetch only into an empty field.
    pub fetch_if_empty: bool,
    /// Permission level, 0 to 9.
    pub permlevel: u8,
    /// User Permissions do not narrow this Link.
    pub ignore_user_permissions: bool,
    /// The Link may name documents that the writer may not know, and what is fetched through it is for everybody who may
    /// read the field.
    pub ignore_permissions: bool,
    /// JSON filters that a Link's target must meet.
    pub link_filters: Option<Json>,
    /// May change while the document is submitted.
    pub allow_on_submit: bool,
    /// Left out of copies and amendments.
    pub no_copy: bool,
    /// A column of the list view.
    pub in_list_view: bool,
    /// A filter of the list view.
    pub in_standard_filter: bool,
    /// Part of the global search.
    pub in_global_search: bool,
    /// Emphasised.
    pub bold: bool,
    /// Grid width, 1 to 10.
    pub columns: u8,
    /// Any HTML is kept as it came.
    pub ignore_xss_filter: bool,
    /// Select lines are sorted for display.
    pub sort_options: bool,
    /// Computed, no column.
    pub is_virtual: bool,
    /// Nothing acts on the value (a property of ours).
    pub informational: bool,
    /// Shown masked to those whose permissions do not say `mask`.
    pub mask: bool,
    /// Holds a secret or its digest: never sent, listed, filtered by or shown (a property of ours, not Frappe's).
    pub secret: bool,
    /// Decides about access: limited credentials never change it (a property of ours).
    pub guarded: bool,
    /// What deleting the target of this Link does.
    pub on_delete: OnDelete,
    /// The fieldname before a rename; the column is renamed, not added.
    pub renamed_from: Option<String>,
    /// The whole definition as read, for `/api/v2/doctype/…/meta` and properties the engine does not act on.
    pub raw: Map<String, Json>,
}

impl DocField {
    /// Whether documents hold a value for it in a column.
    pub fn has_column(&self) -> bool {
        self.fieldtype.has_column() && !self.is_virtual
    }

    /// The lines of a Select's `options`, as written; an empty first line means that nothing may be chosen.
    pub fn select_options(&self) -> impl Iterator<Item = &str> {
        self.options.split('\n').map(str::trim)
    }

    /// The target DocType of a Link, Table or Table MultiSelect.
    pub fn link_target(&self) -> Option<&str> {
        matches!(self.fieldtype, Fieldtype::Link | Fieldtype::Table | Fieldtype::TableMultiSelect)
            .then(|| self.options.trim())
            .filter(|target| !target.is_empty())
    }
}
