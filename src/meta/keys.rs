//! The keys of a DocType file: what each may hold, whether anything here acts on it, and what it is for.
//!
//! One table for the loader, for `check` and for the JSON Schema, so that the three cannot disagree.

/// What a key may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text; numbers are taken as they are written.
    Text,
    /// `true`/`false`, or `1`/`0` as Frappe writes them.
    Flag,
    /// A whole number.
    Whole,
    /// Text of several lines, or a list of lines.
    Lines,
    /// Names separated by commas, or a list of names.
    Names,
    /// A fieldname, or `eval:` and an expression.
    Condition,
    /// A list, or the JSON text of one.
    Filters,
    /// A list of mappings.
    Rows,
    /// Kept as it is.
    Any,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// Whether anything here acts on it; others are for information: kept, handed on, and said to be so.
    pub acts: bool,
    /// What it is for.
    pub help: &'static str,
}

const fn acts(name: &'static str, kind: Kind, help: &'static str) -> Key {
    Key { name, kind, acts: true, help }
}

const fn kept(name: &'static str, kind: Kind, help: &'static str) -> Key {
    Key { name, kind, acts: false, help }
}

use Kind::{Any, Condition, Filters, Flag, Lines, Names, Rows, Text, Whole};

/// The keys of a DocType.
pub const DOCTYPE: &[Key] = &[
    acts("doctype", Text, "Always `DocType`; may be left out."),
    acts(
        "name",
        Text,
        "The DocType's name, such as `Library Book`. Its table is `tab` and this name, its API address /api/resource/ and this name.",
    ),
    acts("extends", Text, "Makes this file an overlay: it changes the DocType of this name instead of defining one."),
    acts("renamed_from", Text, "The name this DocType had before: its table is renamed, so that no document is lost."),
    acts("module", Text, "The group under which the desk lists it."),
    acts(
        "description",
        Text,
        "What documents of this kind are for. Shown above the list and in the API documentation.",
    ),
    acts("documentation", Text, "Address of a page with more help."),
    acts("fields", Rows, "The fields, in the order of the form."),
    acts("field_order", Any, "Fieldnames in the order of the form; wins over the order of `fields`."),
    acts("permissions", Rows, "Which role may do what. A role that is not listed may do nothing."),
    acts(
        "guarded_rights",
        Names,
        "Rights that no limited scope gives, such as `create, write, delete, share`: whoever may use them could give themselves more. Only credentials without limits, such as a session or a token with the scope `all`, may.",
    ),
    acts("issingle", Flag, "There is exactly one document, such as settings."),
    acts(
        "istable",
        Flag,
        "Documents are rows inside a Table field of another DocType and have no permissions of their own.",
    ),
    acts("is_submittable", Flag, "Documents can be submitted, after which they are fixed, and cancelled."),
    acts("is_tree", Flag, "Documents form a tree: each may have a parent of the same kind."),
    acts(
        "nsm_parent_field",
        Text,
        "The Link field that holds the parent in a tree; without it `parent_` and the DocType's name.",
    ),
    acts("is_virtual", Flag, "There is no table: program code supplies the documents."),
    acts(
        "autoname",
        Text,
        "How documents get their names: `hash`, `Prompt`, `autoincrement`, `UUID`, `field:fieldname`, `naming_series:`, `format:INV-{YYYY}-{####}` or `INV-.YYYY.-.####`.",
    ),
    kept("naming_rule", Text, "The label of the naming rule in Frappe's form; `autoname` decides."),
    acts("title_field", Text, "The field whose value stands for a document in lists and headings."),
    acts("show_title_field_in_link", Flag, "Link fields show the title instead of the name."),
    acts("search_fields", Names, "Fields that link pickers search and show besides the name."),
    acts(
        "sort_field",
        Text,
        "The field or standard column that sorts lists; `creation` if nothing is said. Several with their order: `idx desc, creation desc`.",
    ),
    acts("sort_order", Text, "`ASC` or `DESC`; `DESC` if nothing is said."),
    acts("image_field", Text, "An Attach Image field that pictures the document."),
    kept("timeline_field", Text, "In Frappe: a Link field; comments also appear on the document that it names."),
    acts("track_changes", Flag, "Every change is kept as a Version: who, when, what."),
    kept("track_seen", Flag, "In Frappe: remembers who has opened a document."),
    kept("track_views", Flag, "In Frappe: logs every look at a document."),
    acts("allow_rename", Flag, "Documents can be renamed; every link follows."),
    kept("allow_import", Flag, "In Frappe: documents can be imported from files by roles with the right `import`."),
    acts("max_attachments", Whole, "How many files can be attached to a document; 0 for any number."),
    acts(
        "make_attachments_public",
        Flag,
        "Files attached to a document can be read by everyone unless they are made private.",
    ),
    kept("protect_attached_files", Flag, "In Frappe: attached files cannot be deleted once the document is submitted."),
    acts("in_create", Flag, "The desk offers no button to create one."),
    acts("read_only", Flag, "The desk offers no list."),
    acts("hide_toolbar", Flag, "The form shows no menu."),
    acts("custom", Flag, "Made at runtime instead of by a file."),
    kept("allow_copy", Flag, "In Frappe: hides the menu entry that copies a document."),
    kept("quick_entry", Flag, "In Frappe: a small dialog asks for the required fields only."),
    kept("editable_grid", Flag, "In Frappe: rows are edited in place."),
    kept("grid_page_length", Whole, "In Frappe: rows per page of a table field."),
    kept("rows_threshold_for_grid_search", Whole, "In Frappe: from how many rows on a table field can be searched."),
    kept("show_preview_popup", Flag, "In Frappe: links show a preview."),
    kept("show_name_in_global_search", Flag, "In Frappe: the global search finds the name."),
    kept("default_view", Text, "In Frappe: the view that opens first."),
    kept("force_re_route_to_default_view", Flag, "In Frappe: always opens the default view."),
    kept("is_calendar_and_gantt", Flag, "In Frappe: there is a calendar and a Gantt view."),
    acts(
        "document_type",
        Text,
        "`Document`, `Setup`, `System` or `Log`: deleted documents of the last two are not kept for restoring.",
    ),
    kept("icon", Text, "In Frappe: the name of an icon."),
    kept("color", Text, "In Frappe: a color."),
    kept("beta", Flag, "In Frappe: marked as not finished."),
    kept("allow_events_in_timeline", Flag, "In Frappe: calendar events appear in the timeline."),
    kept("allow_auto_repeat", Flag, "In Frappe: documents can be repeated by a schedule."),
    kept("email_append_to", Flag, "In Frappe: mail becomes a document."),
    kept("sender_field", Text, "In Frappe: the field for a mail's sender."),
    kept("sender_name_field", Text, "In Frappe: the field for the name of a mail's sender."),
    kept("subject_field", Text, "In Frappe: the field for a mail's subject."),
    kept("recipient_account_field", Text, "In Frappe: the field for the account that a mail reached."),
    kept("default_email_template", Text, "In Frappe: the template for mail about a document."),
    kept("default_print_format", Text, "In Frappe: the print format used first."),
    kept("translated_doctype", Flag, "In Frappe: names are translated where links show them."),
    kept("queue_in_background", Flag, "In Frappe: documents are submitted in the background."),
    kept("restrict_to_domain", Text, "In Frappe: only for sites of this domain."),
    kept("has_web_view", Flag, "In Frappe: documents are pages of the website."),
    kept("route", Text, "In Frappe: the address of those pages."),
    kept("allow_guest_to_view", Flag, "In Frappe: everybody may see those pages."),
    kept("is_published_field", Text, "In Frappe: the Check field that publishes a page."),
    kept("index_web_pages_for_search", Flag, "In Frappe: the website's search finds the pages."),
    kept("website_search_field", Text, "In Frappe: the field which that search reads."),
    kept("engine", Text, "In Frappe: the storage engine of MariaDB."),
    kept("row_format", Text, "In Frappe: the row format of MariaDB."),
    kept("name_case", Text, "In Frappe: the case that names are changed to."),
    kept("links", Rows, "In Frappe: related DocTypes, shown as connections of a document."),
    kept("actions", Rows, "In Frappe: buttons that call a method or open an address."),
    kept("states", Rows, "In Frappe: colors of the values of a status field."),
    kept("app", Text, "In Frappe: the app it belongs to."),
    kept("migration_hash", Text, "In Frappe: the digest of the file at its last migration."),
    kept("version", Any, "In Frappe: a number from older files."),
];

/// The keys of a field.
pub const FIELD: &[Key] = &[
    acts("fieldname", Text, "Column and JSON key: letters, digits and `_`. Made from the label if it is missing."),
    acts("label", Text, "What people read; made from the fieldname if it is missing."),
    acts(
        "fieldtype",
        Text,
        "The kind of value, or a part of the form's layout. `Data`, a line of text, if nothing is said.",
    ),
    acts(
        "options",
        Lines,
        "Depends on the fieldtype: the DocType of a Link or Table, the lines of a Select, the format of a Data field (Email, Name, Phone, URL), the language of Code.",
    ),
    acts("default", Text, "The value of a new document: a literal, `Today`, `Now`, or `__user` for who makes it."),
    acts("description", Text, "Help under the field: what to enter and what it changes."),
    acts("placeholder", Text, "Shown in the empty input."),
    acts("documentation_url", Text, "Address of a page with more help."),
    acts("reqd", Flag, "A document cannot be saved without a value."),
    acts("unique", Flag, "No two documents may have the same value."),
    acts("search_index", Flag, "The column has an index: lists filter by it fast."),
    acts(
        "length",
        Whole,
        "The longest text in characters, up to 1000; 140 if nothing is said. Of an Int above 11: 64 bits.",
    ),
    acts("precision", Whole, "Decimal places shown, 0 to 9."),
    acts("not_nullable", Flag, "The column always holds something: an empty text or 0 instead of nothing."),
    acts("non_negative", Flag, "Numbers below 0 are refused."),
    acts("set_only_once", Flag, "The value cannot change once the document is saved."),
    acts("read_only", Flag, "People cannot change it in the form."),
    acts("hidden", Flag, "Not in the form."),
    acts("depends_on", Condition, "Shown only if this holds: a fieldname, or `eval:doc.status == 'Open'`."),
    acts("mandatory_depends_on", Condition, "Required only if this holds."),
    acts("read_only_depends_on", Condition, "Read only if this holds."),
    acts("collapsible", Flag, "The section can be folded."),
    acts("collapsible_depends_on", Condition, "A section that can be folded starts open if this holds."),
    acts("fetch_from", Text, "`link_field.source_field`: the value is taken from the linked document."),
    acts("fetch_if_empty", Flag, "Taken from there only while the field is empty."),
    acts("permlevel", Whole, "The permission level, 0 to 9: a role needs a permission row of the same level."),
    acts("ignore_user_permissions", Flag, "User Permissions do not narrow what this Link may point at."),
    acts(
        "ignore_permissions",
        Flag,
        "This Link may point at documents that the writer may not read, and fetches from them.",
    ),
    acts(
        "link_filters",
        Filters,
        "Filters that a Link's target must meet, such as `[[\"User\", \"enabled\", \"=\", 1]]`.",
    ),
    acts("allow_on_submit", Flag, "May change while the document is submitted."),
    acts("no_copy", Flag, "Not taken over by copies and amendments."),
    acts("in_list_view", Flag, "A column of the list, or of the grid if it is a row's field."),
    acts("in_standard_filter", Flag, "A filter above the list."),
    kept("in_global_search", Flag, "In Frappe: the global search reads it."),
    acts("bold", Flag, "Emphasised in the form."),
    acts("columns", Whole, "Width in a grid, 1 to 10."),
    acts(
        "ignore_xss_filter",
        Flag,
        "HTML is stored as it comes. Dangerous: whoever may write the field can run scripts in the browser of those who read it.",
    ),
    acts(
        "guarded",
        Flag,
        "Decides who somebody is or what they may do: credentials with limited scopes cannot change it, nor rename the document.",
    ),
    acts("informational", Flag, "Nothing here acts on the value: the form says so under the field."),
    acts("secret", Flag, "Holds a secret or its digest: never sent, listed, filtered by or shown."),
    acts(
        "on_delete",
        Text,
        "What deleting a Link's target does: `refuse` it (the default), `cascade` and delete this document too, or `ignore` the link.",
    ),
    acts("sort_options", Flag, "The lines of a Select are sorted when shown."),
    acts("is_virtual", Flag, "Computed by program code: there is no column."),
    acts("renamed_from", Text, "The fieldname this field had before: its column is renamed, so that no value is lost."),
    acts("insert_after", Text, "In an overlay: the fieldname after which the field is placed."),
    kept("print_hide", Flag, "In Frappe: not printed."),
    kept("print_hide_if_no_value", Flag, "In Frappe: printed only with a value."),
    kept("print_width", Text, "In Frappe: width in print."),
    kept("report_hide", Flag, "In Frappe: not offered in reports."),
    kept("in_filter", Flag, "In Frappe: offered as a filter of reports."),
    kept("in_preview", Flag, "In Frappe: part of the preview of a link."),
    kept("allow_in_quick_entry", Flag, "In Frappe: asked for in the quick entry dialog."),
    kept("translatable", Flag, "In Frappe: values are translated."),
    kept("width", Text, "In Frappe: width in the form."),
    kept("max_height", Text, "In Frappe: greatest height of the input, in px, em or rem."),
    kept("hide_days", Flag, "In Frappe: a Duration shows no days."),
    kept("hide_seconds", Flag, "In Frappe: a Duration shows no seconds."),
    kept("hide_border", Flag, "In Frappe: the section has no line above it."),
    kept("show_on_timeline", Flag, "In Frappe: a hidden field's changes appear in the timeline."),
    kept("show_dashboard", Flag, "In Frappe: the tab shows the dashboard."),
    kept("sticky", Flag, "In Frappe: stays visible while the grid is scrolled."),
    kept("remember_last_selected_value", Flag, "In Frappe: the value chosen last is the next default."),
    kept("allow_bulk_edit", Flag, "In Frappe: a table's rows can be edited as a file."),
    kept("make_attachment_public", Flag, "In Frappe: a file attached here can be read by everyone."),
    acts(
        "mask",
        Flag,
        "People see `XXXXXXXX` instead of the value, cannot search or sort by it, and leave it as it is, unless a permission row of the field's level says `mask`.",
    ),
    kept("button_color", Text, "In Frappe: the color of a Button."),
    kept("alignment", Text, "In Frappe: the alignment of the value."),
    kept("oldfieldname", Text, "In Frappe: a name from older versions."),
    kept("oldfieldtype", Text, "In Frappe: a type from older versions."),
    kept("trigger", Text, "In Frappe: a call from older versions."),
    kept("show_days", Flag, "In Frappe: a Duration shows days, in older files."),
    kept("show_seconds", Flag, "In Frappe: a Duration shows seconds, in older files."),
    kept("is_custom_field", Flag, "In Frappe: added by a Custom Field."),
];

/// The keys of a permission row.
pub const PERMISSION: &[Key] = &[
    acts("role", Text, "The role. `All` is everyone logged in, `Guest` everyone else too."),
    acts("permlevel", Whole, "The level of the fields it opens, 0 to 9; above 0 only read and write count."),
    acts("if_owner", Flag, "Only for documents that the user made."),
    acts("select", Flag, "May pick documents in links, without reading them."),
    acts("read", Flag, "May read documents."),
    acts("write", Flag, "May change documents."),
    acts("create", Flag, "May make documents."),
    acts("delete", Flag, "May delete documents."),
    acts("submit", Flag, "May submit documents; needs write."),
    acts("cancel", Flag, "May cancel submitted documents; needs submit."),
    acts("amend", Flag, "May make a new version of a cancelled document; needs write."),
    kept("print", Flag, "In Frappe: may print documents."),
    kept("email", Flag, "In Frappe: may send documents by email."),
    kept("report", Flag, "In Frappe: may run reports."),
    kept("import", Flag, "In Frappe: may import documents; needs create, and `allow_import` of the DocType."),
    acts("export", Flag, "May export documents."),
    acts("share", Flag, "May share documents with others."),
    acts("remove", Flag, "In an overlay: removes the row of the same role, level and `if_owner`."),
    acts("mask", Flag, "May see the values of masked fields of this level."),
    kept("impersonate", Flag, "In Frappe: may act as the user."),
    kept("set_user_permissions", Flag, "In Frappe: a right of older versions."),
    kept("apply_user_permissions", Flag, "In Frappe: a rule of older versions."),
    kept("user_permission_doctypes", Text, "In Frappe: a rule of older versions."),
    kept("match", Text, "In Frappe: a rule of older versions."),
];

/// What every stored row carries, and exported files with it.
pub const STORED: &[&str] = &[
    "name",
    "owner",
    "creation",
    "modified",
    "modified_by",
    "docstatus",
    "idx",
    "parent",
    "parentfield",
    "parenttype",
    "doctype",
    "_user_tags",
    "_comments",
    "_assign",
    "_liked_by",
    "_seen",
    "_last_update",
    "__islocal",
    "__unsaved",
    "__onload",
];

/// Other words for a key, for suggestions.
const SYNONYMS: &[(&str, &str)] = &[
    ("type", "fieldtype"),
    ("kind", "fieldtype"),
    ("required", "reqd"),
    ("mandatory", "reqd"),
    ("readonly", "read_only"),
    ("help", "description"),
    ("hint", "description"),
    ("title", "label"),
    ("index", "search_index"),
    ("indexed", "search_index"),
    ("visible_if", "depends_on"),
    ("choices", "options"),
    ("values", "options"),
    ("target", "options"),
    ("maxlength", "length"),
    ("max_length", "length"),
    ("roles", "permissions"),
    ("naming", "autoname"),
    ("single", "issingle"),
    ("is_single", "issingle"),
    ("is_child", "istable"),
    ("child", "istable"),
    ("is_table", "istable"),
    ("submittable", "is_submittable"),
    ("tree", "is_tree"),
    ("level", "permlevel"),
    ("owner_only", "if_owner"),
];

/// The key of that name.
pub fn find(keys: &'static [Key], name: &str) -> Option<&'static Key> {
    keys.iter().find(|key| key.name == name)
}

/// Whether Frappe writes the key into every stored row.
pub fn is_stored(name: &str) -> bool {
    STORED.contains(&name)
}

/// The key that was probably meant.
pub fn nearest_key(keys: &'static [Key], name: &str) -> Option<&'static str> {
    let lower = name.to_lowercase().replace([' ', '-'], "_");
    SYNONYMS
        .iter()
        .find(|(word, meant)| *word == lower && find(keys, meant).is_some())
        .map(|(_, meant)| *meant)
        .or_else(|| nearest(&lower, keys.iter().map(|key| key.name)))
}

/// The name among those given that is nearest to this one, if any is near.
pub fn nearest<'a>(name: &str, among: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).clamp(1, 3);
    among
        .into_iter()
        .map(|candidate| (distance(&name.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// ` Did you mean …?` or nothing, to end a message with.
pub fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!(": did you mean `{nearest}`?"))
}

/// How many letters must be added, removed, changed or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut before_last: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut current = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            current[j] = (last[j] + 1).min(current[j - 1] + 1).min(last[j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                current[j] = current[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_and_other_words_find_their_key() {
        let table = [
            ("feildtype", Some("fieldtype")),
            ("Label", Some("label")),
            ("required", Some("reqd")),
            ("requierd", None),
            ("read-only", Some("read_only")),
            ("depend_on", Some("depends_on")),
            ("xyzzy", None),
        ];
        for (name, expected) in table {
            assert_eq!(nearest_key(FIELD, name), expected, "{name}");
        }
    }

    #[test]
    fn no_key_is_listed_twice() {
        for keys in [DOCTYPE, FIELD, PERMISSION] {
            for (i, key) in keys.iter().enumerate() {
                assert!(keys[..i].iter().all(|other| other.name != key.name), "{}", key.name);
                assert!(key.help.ends_with('.'), "{}", key.name);
            }
        }
    }
}
