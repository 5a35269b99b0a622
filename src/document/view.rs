//! Typed views of documents: one declaration gives the struct, the names of its fields, reading and writing.
//!
//! ```ignore
//! view! {
//!     /// A consent.
//!     #[derive(Clone, Debug)]
//!     pub struct Grant of "OAuth Grant" {
//!         /// The document.
//!         pub name: String = name,
//!         /// The User who gave it.
//!         pub user: String,
//!         /// Resources (RFC 8707); empty: the whole site.
//!         pub resources: Vec<String> = "resource",
//!         /// The sign-in behind it: a struct declared by `view! { struct SignIn { … } }`.
//!         pub sign_in: SignIn = group,
//!     }
//! }
//! ```
//!
//! A field is read from the document field of its name, or of the name behind `=`. Also possible behind `=`: `name`, the
//! document's own; `creation`; `rows`, the child rows of a table as views of theirs; `group`, a struct of several fields.
//! `as reader` reads a field otherwise: by a function of document and field name, or with `= ["a", "b"]` of the document.
//!
//! [`Fields::values`] writes what was said without `as`, but for `name`, `creation` and `rows`.

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::clock::{DATETIME_FORMAT, format_datetime};
use crate::document::Work;
use crate::error::Result;
use crate::meta::{Document, Value};

/// Fields of a document as one value; declared by [`view!`].
pub trait Fields: for<'d> From<&'d Document> {
    /// The names of the fields.
    fn names() -> Vec<&'static str>;
    /// What is read of the rows of their tables.
    fn rows() -> Vec<NeededFields>;
    /// The fields as they are stored.
    fn values(&self) -> Vec<(&'static str, Value)>;
}

/// A document, or a child row, as a type; declared by [`view!`].
pub trait View: Fields {
    /// The DocType.
    const DOCTYPE: &'static str;

    /// A new document with these values.
    fn new_document(&self, work: &Work<'_>) -> Result<Document> {
        let mut document = work.new_document(Self::DOCTYPE)?;
        for (fieldname, value) in self.values() {
            document.set(fieldname, value);
        }
        Ok(document)
    }
}

/// What the program reads of documents of a DocType: checked whenever definitions are put in force.
#[derive(Clone, Debug)]
pub struct NeededFields {
    /// The DocType.
    pub doctype: &'static str,
    /// The names of the fields.
    pub fields: Vec<&'static str>,
}

impl NeededFields {
    /// Those of a view and of its rows.
    pub fn of<V: View>() -> Vec<Self> {
        let mut needed = V::rows();
        needed.push(Self { doctype: V::DOCTYPE, fields: V::names() });
        needed
    }
}

/// A type that one field is read into and written from.
pub(crate) trait FieldValue {
    /// Reads a field.
    fn read(document: &Document, fieldname: &str) -> Self;
    /// The value to be stored.
    fn to_value(&self) -> Value;
}

/// The text as it stands.
impl FieldValue for String {
    fn read(document: &Document, fieldname: &str) -> Self {
        document.text(fieldname).to_owned()
    }

    fn to_value(&self) -> Value {
        text_value(Some(self))
    }
}

/// The text without space around it, if there is any.
impl FieldValue for Option<String> {
    fn read(document: &Document, fieldname: &str) -> Self {
        filled(document, fieldname).map(str::to_owned)
    }

    fn to_value(&self) -> Value {
        text_value(self.as_deref())
    }
}

/// A Check.
impl FieldValue for bool {
    fn read(document: &Document, fieldname: &str) -> Self {
        document.check(fieldname)
    }

    fn to_value(&self) -> Value {
        Value::from(*self)
    }
}

/// A whole number, 0 if there is none.
impl FieldValue for i64 {
    fn read(document: &Document, fieldname: &str) -> Self {
        document.int(fieldname)
    }

    fn to_value(&self) -> Value {
        Value::from(*self)
    }
}

/// A whole number, if there is one.
impl FieldValue for Option<i64> {
    fn read(document: &Document, fieldname: &str) -> Self {
        document.get(fieldname).as_int()
    }

    fn to_value(&self) -> Value {
        self.map_or(Value::Null, Value::from)
    }
}

/// A Datetime.
impl FieldValue for Option<DateTime<Utc>> {
    fn read(document: &Document, fieldname: &str) -> Self {
        parse_time(document.text(fieldname))
    }

    fn to_value(&self) -> Value {
        self.map_or(Value::Null, time_value)
    }
}

/// A Datetime that is always there.
impl FieldValue for DateTime<Utc> {
    fn read(document: &Document, fieldname: &str) -> Self {
        parse_time(document.text(fieldname)).unwrap_or_default()
    }

    fn to_value(&self) -> Value {
        time_value(*self)
    }
}

/// Words separated by spaces, commas or line breaks; stored one per line.
impl FieldValue for Vec<String> {
    fn read(document: &Document, fieldname: &str) -> Self {
        words(document.text(fieldname)).map(str::to_owned).collect()
    }

    fn to_value(&self) -> Value {
        lines_value(self)
    }
}

/// The text of a field without space around it, if there is any.
pub(crate) fn filled<'d>(document: &'d Document, fieldname: &str) -> Option<&'d str> {
    Some(document.text(fieldname).trim()).filter(|text| !text.is_empty())
}

/// Words separated by spaces, commas or line breaks.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| letter.is_whitespace() || letter == ',').filter(|word| !word.is_empty())
}

/// The lines that hold something, without space around them: a reader for [`view!`].
pub(crate) fn lines(document: &Document, fieldname: &str) -> Vec<String> {
    document.text(fieldname).lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// The text without space around it, empty if there is none: a reader for [`view!`].
pub(crate) fn trimmed(document: &Document, fieldname: &str) -> String {
    document.text(fieldname).trim().to_owned()
}

/// A stored Datetime.
pub(crate) fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    NaiveDateTime::parse_from_str(text, DATETIME_FORMAT).ok().map(|time| time.and_utc())
}

/// A Datetime to be stored.
pub(crate) fn time_value(time: DateTime<Utc>) -> Value {
    Value::from(format_datetime(time.naive_utc()))
}

/// Lines to be stored; nothing if there are none.
pub(crate) fn lines_value(lines: &[String]) -> Value {
    text_value(Some(&lines.join("\n")))
}

/// A text to be stored; nothing if it is empty.
pub(crate) fn text_value(text: Option<&str>) -> Value {
    text.filter(|text| !text.is_empty()).map_or(Value::Null, Value::from)
}

/// Declares a typed view; see [`crate::document::view`].
macro_rules! view {
    ($(#[$meta:meta])* $vis:vis struct $view:ident of $doctype:tt {$($body:tt)*}) => {
        $crate::document::view::view! { $(#[$meta])* $vis struct $view {$($body)*} }

        impl $crate::document::view::View for $view {
            const DOCTYPE: &'static str = $doctype;
        }
    };
    ($(#[$meta:meta])* $vis:vis struct $view:ident {$(
        $(#[$field_meta:meta])*
        $field_vis:vis $field:ident: $ty:ty $(= $source:tt)? $(as $reader:expr)?,
    )*}) => {
        $(#[$meta])*
        $vis struct $view {$(
            $(#[$field_meta])*
            $field_vis $field: $ty,
        )*}

        impl $crate::document::view::Fields for $view {
            #[allow(clippy::vec_init_then_push, reason = "each field adds what it has, if anything")]
            fn names() -> Vec<&'static str> {
                let mut names = Vec::new();
                $($crate::document::view::view!(@names names, $field, $ty $(, $source)?);)*
                names
            }

            fn rows() -> Vec<$crate::document::view::NeededFields> {
                let rows: Vec<Vec<_>> = vec![$($crate::document::view::view!(@rows $ty $(, $source)?)),*];
                rows.concat()
            }

            #[allow(clippy::vec_init_then_push, unused_mut, reason = "each field adds what it has, if anything")]
            fn values(&self) -> Vec<(&'static str, $crate::meta::Value)> {
                let mut values = Vec::new();
                $($crate::document::view::view!(@write values, self, $field, $ty $(, = $source)? $(, as $reader)?);)*
                values
            }
        }

        impl From<&$crate::meta::Document> for $view {
            fn from(document: &$crate::meta::Document) -> Self {
                Self {$(
                    $field: $crate::document::view::view!(@read document, $field, $ty $(, = $source)? $(, as $reader)?),
                )*}
            }
        }
    };

    (@names $names:ident, $field:ident, $ty:ty) => { $names.push(stringify!($field)) };
    (@names $names:ident, $field:ident, $ty:ty, name) => {};
    (@names $names:ident, $field:ident, $ty:ty, creation) => {};
    (@names $names:ident, $field:ident, $ty:ty, rows) => { $names.push(stringify!($field)) };
    (@names $names:ident, $field:ident, $ty:ty, group) => {
        $names.extend(<$ty as $crate::document::view::Fields>::names())
    };
    (@names $names:ident, $field:ident, $ty:ty, [$($source:literal),*]) => {{ $($names.push($source);)* }};
    (@names $names:ident, $field:ident, $ty:ty, $source:literal) => { $names.push($source) };

    (@rows $ty:ty, rows) => { $crate::document::view::NeededFields::of::<<$ty as IntoIterator>::Item>() };
    (@rows $ty:ty, group) => { <$ty as $crate::document::view::Fields>::rows() };
    (@rows $ty:ty $(, $source:tt)?) => { Vec::new() };

    (@read $document:ident, $field:ident, $ty:ty) => {
        <$ty as $crate::document::view::FieldValue>::read($document, stringify!($field))
    };
    (@read $document:ident, $field:ident, $ty:ty, as $reader:expr) => { ($reader)($document, stringify!($field)) };
    (@read $document:ident, $field:ident, $ty:ty, = name) => { $document.name() };
    (@read $document:ident, $field:ident, $ty:ty, = creation) => {
        <$ty as $crate::document::view::FieldValue>::read($document, "creation")
    };
    (@read $document:ident, $field:ident, $ty:ty, = rows) => {
        $document.rows(stringify!($field)).iter().map(From::from).collect()
    };
    (@read $document:ident, $field:ident, $ty:ty, = group) => { <$ty>::from($document) };
    (@read $document:ident, $field:ident, $ty:ty, = [$($source:literal),*], as $reader:expr) => { ($reader)($document) };
    (@read $document:ident, $field:ident, $ty:ty, = $source:literal) => {
        <$ty as $crate::document::view::FieldValue>::read($document, $source)
    };
    (@read $document:ident, $field:ident, $ty:ty, = $source:literal, as $reader:expr) => {
        ($reader)($document, $source)
    };

    (@write $values:ident, $self:ident, $field:ident, $ty:ty) => {
        $values.push((stringify!($field), $crate::document::view::FieldValue::to_value(&$self.$field)))
    };
    (@write $values:ident, $self:ident, $field:ident, $ty:ty, = name) => {};
    (@write $values:ident, $self:ident, $field:ident, $ty:ty, = creation) => {};
    (@write $values:ident, $self:ident, $field:ident, $ty:ty, = rows) => {};
    (@write $values:ident, $self:ident, $field:ident, $ty:ty, = group) => {
        $values.extend($crate::document::view::Fields::values(&$self.$field))
    };
    (@write $values:ident, $self:ident, $field:ident, $ty:ty, = $source:literal) => {
        $values.push(($source, $crate::document::view::FieldValue::to_value(&$self.$field)))
    };
    (@write $values:ident, $self:ident, $field:ident, $ty:ty $(, = $source:tt)?, as $reader:expr) => {};
}
pub(crate) use view;

/// Declares an enum that a Select holds: each variant with its option.
macro_rules! options {
    ($(#[$meta:meta])* $vis:vis enum $name:ident {$(
        $(#[$variant_meta:meta])*
        $variant:ident = $option:literal,
    )*}) => {
        $(#[$meta])*
        $vis enum $name {$(
            $(#[$variant_meta])*
            $variant,
        )*}

        impl $name {
            /// The option of the field.
            pub(crate) const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $option,)*
                }
            }

            /// What the option stands for.
            pub(crate) fn parse(option: &str) -> Option<Self> {
                match option {
                    $($option => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }

        /// An option that is not known reads as the default.
        impl $crate::document::view::FieldValue for $name {
            fn read(document: &$crate::meta::Document, fieldname: &str) -> Self {
                Self::parse(document.text(fieldname)).unwrap_or_default()
            }

            fn to_value(&self) -> $crate::meta::Value {
                $crate::meta::Value::from(self.as_str())
            }
        }

        /// An option, if it is known.
        impl $crate::document::view::FieldValue for Option<$name> {
            fn read(document: &$crate::meta::Document, fieldname: &str) -> Self {
                $name::parse(document.text(fieldname))
            }

            fn to_value(&self) -> $crate::meta::Value {
                $crate::document::view::text_value(self.map($name::as_str))
            }
        }
    };
}
pub(crate) use options;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::meta::load::{Source, load};

    options! {
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        enum State {
            #[default]
            Lent = "On Loan",
            Here = "On the Shelf",
        }
    }

    view! {
        #[derive(Debug, Default, PartialEq)]
        struct Loan {
            reader: Option<String>,
            since: Option<DateTime<Utc>>,
        }
    }

    view! {
        #[derive(Debug, Default, PartialEq)]
        struct Line of "Line" {
            text: String,
        }
    }

    view! {
        #[derive(Debug, Default, PartialEq)]
        struct Book of "Book" {
            name: String = name,
            title: String,
            pages: i64,
            tags: Vec<String> = "labels",
            state: State,
            lines: Vec<Line> = rows,
            is_long: bool = ["pages"] as |document: &Document| document.int("pages") > 500,
            shelf: String = "place" as trimmed,
            reading: Loan = group,
        }
    }

    fn book() -> Document {
        let text = "name: Book\nfields:\n- {fieldname: title}\n- {fieldname: pages, fieldtype: Int}\n- {fieldname: labels}\n\
            - {fieldname: state}\n- {fieldname: place}\n- {fieldname: reader}\n- {fieldname: since, fieldtype: Datetime}\n\
            - {fieldname: lines, fieldtype: Table, options: Line}\n";
        let line = "name: Line\nistable: 1\nfields:\n- {fieldname: text}\n";
        let sources = [("book.yaml", text), ("line.yaml", line)]
            .map(|(path, text)| Source { path: path.to_owned(), text: text.to_owned() });
        let doctypes = load(&sources).doctypes;
        let find = |name: &str| Arc::clone(doctypes.iter().find(|doctype| doctype.name == name).unwrap());
        let mut book = Document::new(find("Book"));
        let mut line = Document::new(find("Line"));
        line.set("text", "Call me Ishmael.");
        book.rows_mut("lines").unwrap().push(line);
        book
    }

    #[test]
    fn a_view_reads_what_it_wrote() {
        let written = Book {
            title: "Moby Dick".to_owned(),
            pages: 600,
            tags: vec!["sea".to_owned(), "whales".to_owned()],
            state: State::Here,
            reading: Loan { reader: Some("Queequeg".to_owned()), since: parse_time("1851-10-18 00:00:00.000000") },
            ..Book::default()
        };
        let mut document = book();
        document.set_name("MD");
        document.set("place", "  B7 ");
        for (fieldname, value) in written.values() {
            document.set(fieldname, value);
        }
        assert_eq!(document.text("labels"), "sea\nwhales");
        assert_eq!(document.text("state"), "On the Shelf");
        let expected = Book {
            name: "MD".to_owned(),
            is_long: true,
            shelf: "B7".to_owned(),
            lines: vec![Line { text: "Call me Ishmael.".to_owned() }],
            ..written
        };
        assert_eq!(Book::from(&document), expected);
    }

    #[test]
    fn what_is_empty_is_stored_as_nothing_and_reads_as_the_default() {
        let values = Book::default().values();
        let at = |name: &str| values.iter().find(|(fieldname, _)| *fieldname == name).map(|(_, value)| value.clone());
        assert_eq!(at("title"), Some(Value::Null));
        assert_eq!(at("labels"), Some(Value::Null));
        assert_eq!(at("since"), Some(Value::Null));
        let document = book();
        assert_eq!(Book { lines: Vec::new(), ..Book::from(&document) }, Book::default());
    }

    #[test]
    fn a_view_knows_the_names_of_its_fields() {
        let expected = ["title", "pages", "labels", "state", "lines", "pages", "place", "reader", "since"];
        assert_eq!(Book::names(), expected);
        let needed = NeededFields::of::<Book>();
        let doctypes: Vec<&str> = needed.iter().map(|needed| needed.doctype).collect();
        assert_eq!(doctypes, ["Line", "Book"], "and of its rows");
    }
}
