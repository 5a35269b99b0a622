//! The keys of a DocType file: what each may hold, whether anything here acts on it, and what it is for.
//!
//! One row for the loader, `check`, the JSON Schema, definitions in JSON and `doctypes/README.md`, so that they cannot
//! disagree. The rows of a DocType stand in `doctype.rs`, those of a field in `docfield.rs`, each with the type it becomes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value as Json;

use crate::meta::expression::Expression;

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
    /// Languages, each with texts and what they are called in it.
    Translations,
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

pub(in crate::meta) const fn acts(name: &'static str, kind: Kind, help: &'static str) -> Key {
    Key { name, kind, acts: true, help }
}

pub(in crate::meta) const fn kept(name: &'static str, kind: Kind, help: &'static str) -> Key {
    Key { name, kind, acts: false, help }
}

use Kind::{Flag, Text, Whole};

/// Declares the keys of a part of a DocType file: the table, and the struct that they are read into. A key with a type
/// becomes a field of the struct, which the loader reads and definitions write; `acts` and `kept` are explained at
/// [`Key::acts`].
macro_rules! keys {
    (
        $(#[$table_meta:meta])* $table:ident;
        $(#[$struct_meta:meta])* $name:ident { $( $(#[$more_meta:meta])* $more:ident: $more_type:ty, )* }
        $( $acts:ident $key:ident: $kind:ident $(as $type:ty)?, $help:literal; )*
    ) => {
        $(#[$table_meta])*
        pub const $table: &[$crate::meta::keys::Key] =
            &[$( $crate::meta::keys::$acts(stringify!($key), $crate::meta::keys::Kind::$kind, $help), )*];

        $(#[$struct_meta])*
        pub struct $name {
            $( $( #[doc = $help] pub $key: $type, )? )*
            $( $(#[$more_meta])* pub $more: $more_type, )*
        }

        impl $name {
            /// What the keys of a file say, before anything follows from them; all else is empty.
            pub(in crate::meta) fn read(keys: &serde_json::Map<String, serde_json::Value>) -> Self {
                use $crate::meta::keys::Property;
                Self {
                    $( $( $key: <$type>::read(keys.get(stringify!($key))), )? )*
                    $( $more: Default::default(), )*
                }
            }

            /// The keys as Frappe writes them into JSON.
            pub fn to_keys(&self) -> serde_json::Map<String, serde_json::Value> {
                use $crate::meta::keys::Property;
                let keys = [$( $( (stringify!($key), <$type>::write(&self.$key)), )? )*];
                keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            }
        }
    };
}
pub(in crate::meta) use keys;

/// The value of a key, in Frappe's form in files and JSON.
pub(in crate::meta) trait Property: Sized {
    /// Reads it; what is missing or of another type is empty, which the loader reports where it matters.
    fn read(value: Option<&Json>) -> Self;
    /// Writes it.
    fn write(&self) -> Json;
}

impl Property for bool {
    fn read(value: Option<&Json>) -> Self {
        value.is_some_and(|value| value.as_i64().unwrap_or(0) != 0)
    }

    fn write(&self) -> Json {
        Json::from(u8::from(*self))
    }
}

impl Property for String {
    fn read(value: Option<&Json>) -> Self {
        value.and_then(Json::as_str).unwrap_or_default().to_owned()
    }

    fn write(&self) -> Json {
        Json::from(self.as_str())
    }
}

impl Property for Option<String> {
    fn read(value: Option<&Json>) -> Self {
        Some(String::read(value).trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn write(&self) -> Json {
        Json::from(self.as_deref())
    }
}

impl Property for Vec<String> {
    fn read(value: Option<&Json>) -> Self {
        let text = String::read(value);
        text.split([',', '\n']).map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    fn write(&self) -> Json {
        Json::from(self.join(", "))
    }
}

impl Property for u32 {
    fn read(value: Option<&Json>) -> Self {
        value.and_then(Json::as_u64).and_then(|number| number.try_into().ok()).unwrap_or(0)
    }

    fn write(&self) -> Json {
        Json::from(*self)
    }
}

impl Property for u8 {
    fn read(value: Option<&Json>) -> Self {
        value.and_then(Json::as_u64).and_then(|number| number.try_into().ok()).unwrap_or(0)
    }

    fn write(&self) -> Json {
        Json::from(*self)
    }
}

impl Property for Option<u8> {
    fn read(value: Option<&Json>) -> Self {
        value.and_then(Json::as_u64).and_then(|number| number.try_into().ok())
    }

    // Frappe's field is a Select.
    fn write(&self) -> Json {
        Json::from(self.map_or_else(String::new, |number| number.to_string()))
    }
}

impl Property for Option<Expression> {
    fn read(value: Option<&Json>) -> Self {
        Option::<String>::read(value).as_deref().map(Expression::parse)
    }

    fn write(&self) -> Json {
        Json::from(self.as_ref().map(|expression| expression.source.as_str()))
    }
}

impl Property for Option<Json> {
    fn read(value: Option<&Json>) -> Self {
        serde_json::from_str(&String::read(value)).ok()
    }

    fn write(&self) -> Json {
        Json::from(self.as_ref().map(Json::to_string))
    }
}

/// Texts of a DocType in other languages: by the code of the language, then by the English text.
pub(in crate::meta) type Translations = BTreeMap<String, BTreeMap<String, String>>;

impl Property for Translations {
    fn read(value: Option<&Json>) -> Self {
        value.and_then(|value| serde_json::from_value(value.clone()).ok()).unwrap_or_default()
    }

    fn write(&self) -> Json {
        serde_json::to_value(self).unwrap_or_default()
    }
}

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
    acts("import", Flag, "May import documents from files; needs create, and `allow_import` of the DocType."),
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
pub(crate) const STORED: &[&str] = &[
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

/// The keys that act as a table in Markdown, which `doctypes/README.md` has.
pub fn table(keys: &[Key]) -> String {
    let rows = keys.iter().filter(|key| key.acts);
    rows.fold("| key | meaning |\n|---|---|\n".to_owned(), |mut table, key| {
        let help = key.help.replace('|', "\\|");
        let _ = writeln!(table, "| `{}` | {help} |", key.name);
        table
    })
}

/// The key of that name.
pub(crate) fn find(keys: &'static [Key], name: &str) -> Option<&'static Key> {
    keys.iter().find(|key| key.name == name)
}

/// Whether Frappe writes the key into every stored row.
pub(crate) fn is_stored(name: &str) -> bool {
    STORED.contains(&name)
}

/// The key that was probably meant.
pub(crate) fn nearest_key(keys: &'static [Key], name: &str) -> Option<&'static str> {
    let lower = name.to_lowercase().replace([' ', '-'], "_");
    SYNONYMS
        .iter()
        .find(|(word, meant)| *word == lower && find(keys, meant).is_some())
        .map(|(_, meant)| *meant)
        .or_else(|| nearest(&lower, keys.iter().map(|key| key.name)))
}

/// The name among those given that is nearest to this one, if any is near.
pub(crate) fn nearest<'a>(name: &str, among: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).clamp(1, 3);
    among
        .into_iter()
        .map(|candidate| (distance(&name.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// ` Did you mean …?` or nothing, to end a message with.
pub(crate) fn suggestion(nearest: Option<&str>) -> String {
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
#[expect(unreachable_pub, reason = "`keys!` declares what the tests of the program see, too")]
mod tests {
    use super::*;
    use crate::meta::docfield::FIELD;
    use crate::meta::doctype::DOCTYPE;

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

    keys! {
        /// The keys of a paint.
        PAINT;
        /// A paint.
        #[derive(Debug, Default)]
        Paint {
            /// How it was read.
            source: String,
        }
        acts colour: Text as Option<String>, "What people see.";
        acts dries_fast: Flag as bool, "It can be touched after an hour.";
        kept sheen: Flag, "In Frappe: it shines.";
    }

    #[test]
    fn a_row_is_all_that_a_new_key_takes() {
        let file = serde_json::json!({"colour": " blue ", "dries_fast": 1, "sheen": 1});
        let paint = Paint::read(file.as_object().unwrap());
        assert_eq!((paint.colour.as_deref(), paint.dries_fast, paint.source.as_str()), (Some("blue"), true, ""));
        assert_eq!(Json::from(paint.to_keys()), serde_json::json!({"colour": "blue", "dries_fast": 1}));
        assert_eq!(Json::from(Paint::default().to_keys()), serde_json::json!({"colour": null, "dries_fast": 0}));
        assert_eq!(PAINT.iter().map(|key| key.acts).collect::<Vec<_>>(), [true, true, false]);
        assert_eq!(nearest_key(PAINT, "color"), Some("colour"));
        assert!(table(PAINT).ends_with("| `dries_fast` | It can be touched after an hour. |\n"));
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
