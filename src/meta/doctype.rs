//! A DocType: what was declared, and what is derived from it once so that no request has to.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value as Json};

use crate::language::Language;
use crate::meta::automatic::add_automatic_fields;
use crate::meta::docfield::DocField;
use crate::meta::docperm::{DocPerm, Rights};
use crate::meta::fieldtype::{ColumnType, Fieldtype};
use crate::meta::keys::{Translations, keys};
use crate::meta::limited::Limited;
use crate::meta::naming_rule::NamingRule;
use crate::meta::validation::Validation;
use crate::meta::workflow::Workflow;

/// The columns before a DocType's own fields, in the order of JSON answers.
pub(crate) const STANDARD_COLUMNS: [(&str, ColumnType); 7] = [
    ("name", ColumnType::Varchar(140)),
    ("owner", ColumnType::Varchar(140)),
    ("creation", ColumnType::Datetime),
    ("modified", ColumnType::Datetime),
    ("modified_by", ColumnType::Varchar(140)),
    ("docstatus", ColumnType::SmallInt),
    ("idx", ColumnType::Int),
];
/// Behind the fields of a child table.
pub(crate) const CHILD_COLUMNS: [(&str, ColumnType); 3] = [
    ("parent", ColumnType::Varchar(140)),
    ("parentfield", ColumnType::Varchar(140)),
    ("parenttype", ColumnType::Varchar(140)),
];
/// Behind the fields of every other DocType with a table.
pub(crate) const PARENT_COLUMNS: [(&str, ColumnType); 4] = [
    ("_user_tags", ColumnType::Text),
    ("_comments", ColumnType::Text),
    ("_assign", ColumnType::Text),
    ("_liked_by", ColumnType::Text),
];
/// Behind those, with `track_seen`.
pub(crate) const SEEN_COLUMN: (&str, ColumnType) = ("_seen", ColumnType::Text);

/// Positions of the standard columns in [`DocType::columns`].
pub(crate) mod slot {
    /// `name`
    pub(crate) const NAME: usize = 0;
    /// `owner`
    pub(crate) const OWNER: usize = 1;
    /// `creation`
    pub(crate) const CREATION: usize = 2;
    /// `modified`
    pub(crate) const MODIFIED: usize = 3;
    /// `modified_by`
    pub(crate) const MODIFIED_BY: usize = 4;
    /// `docstatus`
    pub(crate) const DOCSTATUS: usize = 5;
    /// `idx`
    pub(crate) const IDX: usize = 6;
}

/// One column of a DocType's table.
#[derive(Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "`type` is a word of the language")]
pub struct Column {
    /// The fieldname or the standard column's name.
    pub name: String,
    /// Its type.
    pub column_type: ColumnType,
    /// The index in [`Declaration::fields`]; `None` for standard columns.
    pub field: Option<usize>,
}

/// A sort order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Smallest first.
    Asc,
    /// Largest first.
    Desc,
}

impl Order {
    /// As SQL and DocType files say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asc => "asc",
            Self::Desc => "desc",
        }
    }
}

keys! {
    /// The keys of a DocType.
    DOCTYPE;
    /// The properties of a DocType that the engine and the desk act on, as declared.
    #[derive(Clone, Debug, Default)]
    Declaration {
        /// Default list order, of `sort_field` and `sort_order`.
        sort: Vec<(String, Order)>,
        /// The fields in form order.
        fields: Vec<DocField>,
        /// The permission rows.
        permissions: Vec<DocPerm>,
        /// Rights that limited credentials never have, whatever they name (a property of ours).
        guarded_rights: Rights,
        /// The whole definition as read, overlays applied.
        raw: Map<String, Json>,
        /// The files it came from, the base file first.
        sources: Vec<String>,
    }
    acts doctype: Text, "Always `DocType`; may be left out.";
    acts name: Text as String,
        "The DocType's name, such as `Library Book`. Its table is `tab` and this name, its API address /api/resource/ and this name.";
    acts extends: Text, "Makes this file an overlay: it changes the DocType of this name instead of defining one.";
    acts renamed_from: Text as Option<String>,
        "The name this DocType had before: its table is renamed, so that no document is lost.";
    acts module: Text as String, "The group under which the desk lists it.";
    acts description: Text as String,
        "What documents of this kind are for. Shown above the list and in the API documentation.";
    acts documentation: Text as String, "Address of a page with more help.";
    acts translations: Translations as Translations,
        "Texts of the DocType in other languages: its name, module, description, labels, help, placeholders and options, such as `de: {Title: Titel}`. What is not here is looked up in the catalog of the language.";
    acts fields: Rows, "The fields, in the order of the form.";
    acts field_order: Any, "Fieldnames in the order of the form; wins over the order of `fields`.";
    acts permissions: Rows, "Which role may do what. A role that is not listed may do nothing.";
    acts guarded_rights: Names,
        "Rights that no limited scope gives, such as `create, write, delete, share`: whoever may use them could give themselves more. Only credentials without limits, such as a session or a token with the scope `all`, may.";
    acts limited_to: Filters as Option<Json>,
        "Conditions of which one must hold for a document to be seen by anybody but Administrator, whatever roles and shares give, such as `[[public, '=', 1], [owner, '=', __user]]`. `in __readable`: the field names a DocType that the user may read; `[roles, in, __roles]`: a row of the table `roles` has in `role` one of the user's; `[name, in, __shared]`: the document is shared with them; `is set`, `is not set`.";
    acts limited_except: Names as Vec<String>, "Roles whose people `limited_to` does not limit.";
    acts validations: Rows as Vec<Validation>,
        "What documents must not be: a list of `when`, an expression as in `formula`; `message`, with `{fieldname}` for values; `field`, at which the form shows it; and `on`, what somebody is about to do: `save` if nothing is said, `submit`, `cancel`, `delete`.";
    acts issingle: Flag as bool, "There is exactly one document, such as settings.";
    acts istable: Flag as bool,
        "Documents are rows inside a Table field of another DocType and have no permissions of their own.";
    acts is_submittable: Flag as bool, "Documents can be submitted, after which they are fixed, and cancelled.";
    acts is_tree: Flag as bool, "Documents form a tree: each may have a parent of the same kind.";
    acts nsm_parent_field: Text as String,
        "The Link field that holds the parent in a tree; without it `parent_` and the DocType's name.";
    acts is_virtual: Flag as bool, "There is no table: program code supplies the documents.";
    acts workflow: Any as Option<Arc<Workflow>>,
        "In which states documents stand, and which role moves them from one to another: `states`, `transitions` and `workflow_state_field`, as Frappe's Workflow has them.";
    acts autoname: Text as String,
        "How documents get their names: `hash`, `Prompt`, `autoincrement`, `UUID`, `field:fieldname`, `naming_series:`, `format:INV-{YYYY}-{####}` or `INV-.YYYY.-.####`.";
    kept naming_rule: Text, "The label of the naming rule in Frappe's form; `autoname` decides.";
    acts title_field: Text as Option<String>, "The field whose value stands for a document in lists and headings.";
    acts show_title_field_in_link: Flag as bool, "Link fields show the title instead of the name.";
    acts search_fields: Names as Vec<String>, "Fields that link pickers and quick search look in besides name and title, and that pickers show. Data fields have an index for it.";
    acts sort_field: Text,
        "The field or standard column that sorts lists; `creation` if nothing is said. Several with their order: `idx desc, creation desc`.";
    acts sort_order: Text, "`ASC` or `DESC`; `DESC` if nothing is said.";
    acts image_field: Text as Option<String>, "An Attach Image field that pictures the document.";
    kept timeline_field: Text, "In Frappe: a Link field; comments also appear on the document that it names.";
    acts track_changes: Flag as bool, "Every change is kept as a Version: who, when, what.";
    kept track_seen: Flag as bool, "In Frappe: remembers who has opened a document.";
    kept track_views: Flag, "In Frappe: logs every look at a document.";
    acts allow_rename: Flag as bool, "Documents can be renamed; every link follows.";
    acts allow_import: Flag as bool,
        "Documents can be imported from files by roles with the right `import`.";
    acts max_attachments: Whole as u32, "How many files can be attached to a document; 0 for any number.";
    acts make_attachments_public: Flag as bool,
        "Files attached to a document can be read by everyone unless they are made private.";
    kept protect_attached_files: Flag, "In Frappe: attached files cannot be deleted once the document is submitted.";
    acts in_create: Flag as bool, "The desk offers no button to create one.";
    acts read_only: Flag as bool, "The desk offers no list.";
    acts hide_toolbar: Flag as bool, "The form shows no menu.";
    acts custom: Flag as bool, "Made at runtime instead of by a file.";
    kept allow_copy: Flag, "In Frappe: hides the menu entry that copies a document.";
    kept quick_entry: Flag, "In Frappe: a small dialog asks for the required fields only.";
    kept editable_grid: Flag, "In Frappe: rows are edited in place.";
    kept grid_page_length: Whole, "In Frappe: rows per page of a table field.";
    kept rows_threshold_for_grid_search: Whole, "In Frappe: from how many rows on a table field can be searched.";
    kept show_preview_popup: Flag, "In Frappe: links show a preview.";
    kept show_name_in_global_search: Flag, "In Frappe: the global search finds the name.";
    kept default_view: Text, "In Frappe: the view that opens first.";
    kept force_re_route_to_default_view: Flag, "In Frappe: always opens the default view.";
    kept is_calendar_and_gantt: Flag, "In Frappe: there is a calendar and a Gantt view.";
    acts document_type: Text,
        "`Document`, `Setup`, `System` or `Log`: deleted documents of the last two are not kept for restoring.";
    kept icon: Text, "In Frappe: the name of an icon.";
    kept color: Text, "In Frappe: a color.";
    kept beta: Flag, "In Frappe: marked as not finished.";
    kept allow_events_in_timeline: Flag, "In Frappe: calendar events appear in the timeline.";
    kept allow_auto_repeat: Flag, "In Frappe: documents can be repeated by a schedule.";
    kept email_append_to: Flag, "In Frappe: mail becomes a document.";
    kept sender_field: Text, "In Frappe: the field for a mail's sender.";
    kept sender_name_field: Text, "In Frappe: the field for the name of a mail's sender.";
    kept subject_field: Text, "In Frappe: the field for a mail's subject.";
    kept recipient_account_field: Text, "In Frappe: the field for the account that a mail reached.";
    kept default_email_template: Text, "In Frappe: the template for mail about a document.";
    kept default_print_format: Text, "In Frappe: the print format used first.";
    kept translated_doctype: Flag, "In Frappe: names are translated where links show them.";
    kept queue_in_background: Flag, "In Frappe: documents are submitted in the background.";
    kept restrict_to_domain: Text, "In Frappe: only for sites of this domain.";
    kept has_web_view: Flag, "In Frappe: documents are pages of the website.";
    kept route: Text, "In Frappe: the address of those pages.";
    kept allow_guest_to_view: Flag, "In Frappe: everybody may see those pages.";
    kept is_published_field: Text, "In Frappe: the Check field that publishes a page.";
    kept index_web_pages_for_search: Flag, "In Frappe: the website's search finds the pages.";
    kept website_search_field: Text, "In Frappe: the field which that search reads.";
    kept engine: Text, "In Frappe: the storage engine of MariaDB.";
    kept row_format: Text, "In Frappe: the row format of MariaDB.";
    kept name_case: Text, "In Frappe: the case that names are changed to.";
    kept links: Rows, "In Frappe: related DocTypes, shown as connections of a document.";
    kept actions: Rows, "In Frappe: buttons that call a method or open an address.";
    kept states: Rows, "In Frappe: colors of the values of a status field.";
    kept app: Text, "In Frappe: the app it belongs to.";
    kept migration_hash: Text, "In Frappe: the digest of the file at its last migration.";
    kept version: Any, "In Frappe: a number from older files.";
}

/// A DocType, ready for use: the declaration with what follows from it.
#[derive(Debug)]
pub struct DocType {
    declaration: Declaration,
    /// The naming rule.
    pub naming_rule: NamingRule,
    /// `name`, `owner`, …, the fields, then `parent` … or `_user_tags` …
    pub columns: Vec<Column>,
    /// The conditions of `limited_to`; none: everything may be seen.
    pub limits: Vec<Limited>,
    /// Indexes in [`Declaration::fields`] of Table and Table MultiSelect fields, in form order.
    pub tables: Vec<usize>,
    column_by_name: HashMap<String, usize>,
    field_by_name: HashMap<String, usize>,
    compiled: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl std::ops::Deref for DocType {
    type Target = Declaration;
    fn deref(&self) -> &Declaration {
        &self.declaration
    }
}

impl DocType {
    /// Derives columns and indexes. `naming_rule` falls back to random names if `autoname` does not parse (`check` reports it).
    pub fn new(mut declaration: Declaration) -> Self {
        add_automatic_fields(&mut declaration);
        let has_naming_series = declaration.fields.iter().any(|field| field.fieldname == "naming_series");
        let naming_rule = match NamingRule::parse(&declaration.autoname) {
            Ok(NamingRule::Controller) if has_naming_series => NamingRule::NamingSeries,
            Ok(rule) => rule,
            Err(_) => NamingRule::Hash,
        };
        let mut columns: Vec<Column> = STANDARD_COLUMNS
            .iter()
            .map(|(name, column_type)| Column { name: (*name).to_owned(), column_type: *column_type, field: None })
            .collect();
        if naming_rule == NamingRule::Autoincrement {
            columns[slot::NAME].column_type = ColumnType::BigInt;
        }
        let mut tables = Vec::new();
        for (index, field) in declaration.fields.iter().enumerate() {
            if field.fieldtype.is_table() {
                tables.push(index);
            } else if field.has_column()
                && let Some(column_type) = field.fieldtype.column_type(field)
            {
                columns.push(Column { name: field.fieldname.clone(), column_type, field: Some(index) });
            }
        }
        let trailing: &[(&str, ColumnType)] = if declaration.istable {
            &CHILD_COLUMNS
        } else if declaration.issingle || declaration.is_virtual {
            &[]
        } else {
            &PARENT_COLUMNS
        };
        let seen = (!declaration.istable && declaration.track_seen).then_some(SEEN_COLUMN);
        for (name, column_type) in trailing.iter().copied().chain(seen) {
            columns.push(Column { name: name.to_owned(), column_type, field: None });
        }
        let column_by_name = columns.iter().enumerate().map(|(i, column)| (column.name.clone(), i)).collect();
        let field_by_name =
            declaration.fields.iter().enumerate().map(|(i, field)| (field.fieldname.clone(), i)).collect();
        let limits = declaration.limited_to.as_ref().and_then(|list| Limited::parse(list).ok()).unwrap_or_default();
        Self {
            declaration,
            naming_rule,
            limits,
            columns,
            tables,
            column_by_name,
            field_by_name,
            compiled: OnceLock::new(),
        }
    }

    /// `document_type`: Document, Setup, System, …
    pub fn document_type(&self) -> Option<&str> {
        self.raw.get("document_type").and_then(Json::as_str)
    }

    /// Whether a deleted document is kept as a Deleted Document: not those that the program itself makes and removes.
    pub fn keeps_deleted(&self) -> bool {
        !matches!(self.document_type(), Some("System" | "Log")) && self.name != "Deleted Document"
    }

    /// The declaration alone.
    pub fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    /// The table's name, as Frappe has it: `tab` and the DocType's name.
    pub fn table_name(&self) -> String {
        format!("tab{}", self.name)
    }

    /// Documents live in a table of their own.
    pub fn has_table(&self) -> bool {
        !self.issingle && !self.is_virtual
    }

    /// The field of that name.
    pub fn field(&self, fieldname: &str) -> Option<&DocField> {
        self.field_by_name.get(fieldname).map(|index| &self.declaration.fields[*index])
    }

    /// The same for people who read another language: with its labels, help and options. What is stored stays as it is.
    #[must_use]
    pub fn in_language(&self, language: &Language) -> Self {
        let own = self.translations.get(language.code());
        let say = |text: &str| -> String {
            if text.is_empty() {
                return String::new();
            }
            let own = own.and_then(|texts| texts.get(text)).map(String::as_str);
            own.or_else(|| language.text(text)).unwrap_or(text).to_owned()
        };
        let mut declaration = self.declaration.clone();
        declaration.description = say(&declaration.description);
        for field in &mut declaration.fields {
            if field.label.is_empty() && !field.fieldtype.is_layout() {
                field.label = unscrub(&field.fieldname);
            }
            field.label = say(&field.label);
            field.description = say(&field.description);
            field.placeholder = say(&field.placeholder);
            let options: Vec<&str> = match field.fieldtype {
                Fieldtype::Select | Fieldtype::Autocomplete => field.select_options().collect(),
                Fieldtype::Check => vec!["Yes", "No"],
                _ => Vec::new(),
            };
            let options = options.into_iter().filter(|option| !option.is_empty());
            let options = options.map(|option| (option.to_owned(), say(option))).collect();
            if matches!(field.fieldtype, Fieldtype::Html | Fieldtype::Heading) {
                field.options = say(&field.options);
            }
            field.option_labels = options;
        }
        Self::new(declaration)
    }

    /// The position of the column of that name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.column_by_name.get(name).copied()
    }

    /// The field that a column belongs to.
    pub fn column_field(&self, column: usize) -> Option<&DocField> {
        self.columns.get(column)?.field.map(|index| &self.declaration.fields[index])
    }

    /// The Link by which a node of a tree names the one above it; `None` where documents are not nodes.
    pub fn tree_parent_field(&self) -> Option<&DocField> {
        let named = self.nsm_parent_field.as_str();
        let automatic = || format!("parent_{}", scrub(&self.name));
        let fieldname = if named.is_empty() { automatic() } else { named.to_owned() };
        self.field(&fieldname).filter(|_| self.is_tree && self.has_table())
    }

    /// The table fields, in form order.
    pub fn table_fields(&self) -> impl Iterator<Item = &DocField> {
        self.tables.iter().map(|index| &self.declaration.fields[*index])
    }

    /// The position of a table field among [`DocType::tables`].
    pub fn table(&self, fieldname: &str) -> Option<usize> {
        self.table_fields().position(|field| field.fieldname == fieldname)
    }

    /// The DocType's address part in the desk: `OAuth Client` is `oauth-client`.
    pub fn slug(&self) -> String {
        slug(&self.name)
    }

    /// What a lower layer derives once per DocType (the database its statements); made on first use.
    pub fn compiled<T: Any + Send + Sync>(&self, make: impl FnOnce(&Self) -> T) -> &T {
        let stored = self.compiled.get_or_init(|| Box::new(make(self)));
        stored.downcast_ref().expect("only one layer compiles DocTypes")
    }
}

/// `OAuth Client` → `oauth-client`.
pub(crate) fn slug(name: &str) -> String {
    name.to_lowercase().replace([' ', '_'], "-")
}

/// `OAuth Client` → `oauth_client`: file names and tree fields.
pub fn scrub(name: &str) -> String {
    name.to_lowercase().replace([' ', '-'], "_")
}

/// `book_title` → `Book Title`: the label of a field that has none.
pub(crate) fn unscrub(fieldname: &str) -> String {
    fieldname
        .split('_')
        .filter(|word| !word.is_empty())
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
        })
        .collect::<Vec<String>>()
        .join(" ")
}
