//! One field of a DocType: Frappe's DocField, with every property that the engine or the desk acts on.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use crate::meta::expression::Expression;
use crate::meta::fieldtype::Fieldtype;
use crate::meta::formula::Formula;
use crate::meta::keys::{Property, keys};

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

keys! {
    /// The keys of a field.
    FIELD;
    /// A field, as declared. Missing properties are `false`, empty or `None`, as in Frappe's own files.
    #[derive(Clone, Debug, Default)]
    DocField {
        /// The whole definition as read, for `/api/v2/doctype/…/meta` and properties the engine does not act on.
        raw: Map<String, Json>,
        /// What people read for options, where that is not what is stored; see [`crate::meta::DocType::in_language`].
        option_labels: BTreeMap<String, String>,
    }
    acts fieldname: Text as String,
        "Column and JSON key: letters, digits and `_`. Made from the label if it is missing.";
    acts label: Text as String, "What people read; made from the fieldname if it is missing.";
    acts fieldtype: Text as Fieldtype,
        "The kind of value, or a part of the form's layout. `Data`, a line of text, if nothing is said.";
    acts options: Lines as String,
        "Depends on the fieldtype: the DocType of a Link or Table, the lines of a Select, the format of a Data field (Email, Name, Phone, URL), the language of Code.";
    acts default: Text as Option<String>,
        "The value of a new document: a literal, `Today`, `Now`, or `__user` for who makes it.";
    acts description: Text as String, "Help under the field: what to enter and what it changes.";
    acts placeholder: Text as String, "Shown in the empty input.";
    acts documentation_url: Text as String, "Address of a page with more help.";
    acts reqd: Flag as bool, "A document cannot be saved without a value.";
    acts unique: Flag as bool, "No two documents may have the same value.";
    acts search_index: Flag as bool, "The column has an index: lists filter by it fast.";
    acts length: Whole as u32,
        "The longest text in characters, up to 1000; 140 if nothing is said. Of an Int above 11: 64 bits.";
    acts precision: Whole as Option<u8>, "Decimal places shown, 0 to 9.";
    acts not_nullable: Flag as bool, "The column always holds something: an empty text or 0 instead of nothing.";
    acts non_negative: Flag as bool, "Numbers below 0 are refused.";
    acts set_only_once: Flag as bool, "The value cannot change once the document is saved.";
    acts read_only: Flag as bool, "People cannot change it in the form.";
    acts hidden: Flag as bool, "Not in the form.";
    acts depends_on: Condition as Option<Expression>,
        "Shown only if this holds: a fieldname, or `eval:doc.status == 'Open'`.";
    acts mandatory_depends_on: Condition as Option<Expression>, "Required only if this holds.";
    acts read_only_depends_on: Condition as Option<Expression>, "Read only if this holds.";
    acts collapsible: Flag as bool, "The section can be folded.";
    acts collapsible_depends_on: Condition as Option<Expression>,
        "A section that can be folded starts open if this holds.";
    acts fetch_from: Text as Option<(String, String)>,
        "`link_field.source_field`: the value is taken from the linked document.";
    acts fetch_if_empty: Flag as bool, "Taken from there only while the field is empty.";
    acts formula: Condition as Option<Formula>,
        "The value is computed from this whenever the document is saved, such as `qty * rate` or `sum(items.amount)`; people cannot change it. With `is_virtual` it is computed on reading instead and has no column.";
    acts permlevel: Whole as u8, "The permission level, 0 to 9: a role needs a permission row of the same level.";
    acts ignore_user_permissions: Flag as bool, "User Permissions do not narrow what this Link may point at.";
    acts ignore_permissions: Flag as bool,
        "This Link may point at documents that the writer may not read, and fetches from them.";
    acts link_filters: Filters as Option<Json>,
        "Filters that a Link's target must meet, such as `[[\"User\", \"enabled\", \"=\", 1]]`.";
    acts allow_on_submit: Flag as bool, "May change while the document is submitted.";
    acts no_copy: Flag as bool, "Not taken over by copies and amendments.";
    acts in_list_view: Flag as bool, "A column of the list, or of the grid if it is a row's field.";
    acts in_standard_filter: Flag as bool, "A filter above the list.";
    acts in_global_search: Flag as bool,
        "The search over everything finds its words, unless it is masked or of a level above 0.";
    acts bold: Flag as bool, "Emphasised in the form.";
    acts columns: Whole as u8, "Width in a grid, 1 to 10.";
    acts ignore_xss_filter: Flag as bool,
        "HTML is stored as it comes. Dangerous: whoever may write the field can run scripts in the browser of those who read it.";
    acts guarded: Flag as bool,
        "Decides who somebody is or what they may do: credentials with limited scopes cannot change it, nor rename the document.";
    acts informational: Flag as bool, "Nothing here acts on the value: the form says so under the field.";
    acts secret: Flag as bool, "Holds a secret or its digest: never sent, listed, filtered by or shown.";
    acts on_delete: Text as OnDelete,
        "What deleting a Link's target does: `refuse` it (the default), `cascade` and delete this document too, or `ignore` the link.";
    acts sort_options: Flag as bool, "The lines of a Select are sorted when shown.";
    acts is_virtual: Flag as bool, "Computed on reading, by a `formula` or by program code: there is no column.";
    acts renamed_from: Text as Option<String>,
        "The fieldname this field had before: its column is renamed, so that no value is lost.";
    acts insert_after: Text, "In an overlay: the fieldname after which the field is placed.";
    kept print_hide: Flag, "In Frappe: not printed.";
    kept print_hide_if_no_value: Flag, "In Frappe: printed only with a value.";
    kept print_width: Text, "In Frappe: width in print.";
    kept report_hide: Flag, "In Frappe: not offered in reports.";
    kept in_filter: Flag, "In Frappe: offered as a filter of reports.";
    kept in_preview: Flag, "In Frappe: part of the preview of a link.";
    kept allow_in_quick_entry: Flag, "In Frappe: asked for in the quick entry dialog.";
    kept translatable: Flag, "In Frappe: values are translated.";
    kept width: Text, "In Frappe: width in the form.";
    kept max_height: Text, "In Frappe: greatest height of the input, in px, em or rem.";
    kept hide_days: Flag, "In Frappe: a Duration shows no days.";
    kept hide_seconds: Flag, "In Frappe: a Duration shows no seconds.";
    kept hide_border: Flag, "In Frappe: the section has no line above it.";
    kept show_on_timeline: Flag, "In Frappe: a hidden field's changes appear in the timeline.";
    kept show_dashboard: Flag, "In Frappe: the tab shows the dashboard.";
    kept sticky: Flag, "In Frappe: stays visible while the grid is scrolled.";
    kept remember_last_selected_value: Flag, "In Frappe: the value chosen last is the next default.";
    kept allow_bulk_edit: Flag, "In Frappe: a table's rows can be edited as a file.";
    kept make_attachment_public: Flag, "In Frappe: a file attached here can be read by everyone.";
    acts mask: Flag as bool,
        "People see `XXXXXXXX` instead of the value, cannot search or sort by it, and leave it as it is, unless a permission row of the field's level says `mask`.";
    kept button_color: Text, "In Frappe: the color of a Button.";
    kept alignment: Text, "In Frappe: the alignment of the value.";
    kept oldfieldname: Text, "In Frappe: a name from older versions.";
    kept oldfieldtype: Text, "In Frappe: a type from older versions.";
    kept trigger: Text, "In Frappe: a call from older versions.";
    kept show_days: Flag, "In Frappe: a Duration shows days, in older files.";
    kept show_seconds: Flag, "In Frappe: a Duration shows seconds, in older files.";
    kept is_custom_field: Flag, "In Frappe: added by a Custom Field.";
}

impl Property for OnDelete {
    fn read(value: Option<&Json>) -> Self {
        match value.and_then(Json::as_str).unwrap_or_default().trim() {
            "cascade" => Self::Cascade,
            "ignore" => Self::Ignore,
            _ => Self::Refuse,
        }
    }

    fn write(&self) -> Json {
        Json::from(match self {
            Self::Refuse => "refuse",
            Self::Cascade => "cascade",
            Self::Ignore => "ignore",
        })
    }
}

impl Property for Fieldtype {
    fn read(value: Option<&Json>) -> Self {
        value.and_then(Json::as_str).and_then(|name| Self::parse(name.trim())).unwrap_or_default()
    }

    fn write(&self) -> Json {
        Json::from(self.as_str())
    }
}

/// `link_field.source_field`.
impl Property for Option<(String, String)> {
    fn read(value: Option<&Json>) -> Self {
        let (link, source) = value.and_then(Json::as_str)?.trim().split_once('.')?;
        let is_whole = !link.is_empty() && !source.is_empty() && !source.contains('.');
        is_whole.then(|| (link.to_owned(), source.to_owned()))
    }

    fn write(&self) -> Json {
        Json::from(self.as_ref().map(|(link, source)| format!("{link}.{source}")))
    }
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

    /// What people read for an option.
    pub fn shown<'a>(&'a self, option: &'a str) -> &'a str {
        self.option_labels.get(option).map_or(option, String::as_str)
    }

    /// The target DocType of a Link, Table or Table MultiSelect.
    pub fn link_target(&self) -> Option<&str> {
        matches!(self.fieldtype, Fieldtype::Link | Fieldtype::Table | Fieldtype::TableMultiSelect)
            .then(|| self.options.trim())
            .filter(|target| !target.is_empty())
    }
}
