//! What a fieldtype is: its column, how input becomes a value, how a value is checked and shown.

use crate::meta::docfield::DocField;

/// Frappe's fieldtypes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the fieldtype of that name")]
pub enum Fieldtype {
    #[default]
    Data,
    Currency,
    Int,
    LongInt,
    Float,
    Percent,
    Check,
    SmallText,
    LongText,
    Code,
    TextEditor,
    MarkdownEditor,
    HtmlEditor,
    Date,
    Datetime,
    Time,
    Text,
    Link,
    DynamicLink,
    Password,
    Select,
    Rating,
    ReadOnly,
    Attach,
    AttachImage,
    Signature,
    Color,
    Barcode,
    Geolocation,
    Duration,
    Icon,
    Phone,
    Autocomplete,
    Json,
    SectionBreak,
    ColumnBreak,
    TabBreak,
    Html,
    Table,
    TableMultiSelect,
    Button,
    Image,
    Fold,
    Heading,
}

/// The type of a column, before a database gives it its own name (frappe-model §1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// Text of at most so many characters.
    Varchar(u16),
    /// Text.
    Text,
    /// Long text.
    LongText,
    /// 32-bit integer.
    Int,
    /// 64-bit integer.
    BigInt,
    /// 0 or 1, and docstatus.
    SmallInt,
    /// decimal(21,9): 12 digits before the point, 9 behind.
    Decimal,
    /// decimal(3,2): 0 to 1.
    Rating,
    /// `YYYY-MM-DD`.
    Date,
    /// `YYYY-MM-DD HH:MM:SS.ffffff`.
    Datetime,
    /// `HH:MM:SS.ffffff`.
    Time,
    /// JSON, kept as the text that came.
    Json,
}

/// Which of the three shapes of [`crate::meta::Value`] a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `Value::Int`.
    Int,
    /// `Value::Float`.
    Float,
    /// `Value::Text`.
    Text,
}

impl ColumnType {
    /// The shape of values in it.
    pub fn shape(self) -> Shape {
        match self {
            Self::Int | Self::BigInt | Self::SmallInt => Shape::Int,
            Self::Decimal | Self::Rating => Shape::Float,
            _ => Shape::Text,
        }
    }
}

impl Fieldtype {
    /// Every fieldtype with its name in DocType files.
    pub const ALL: [(Self, &'static str); 44] = [
        (Self::Data, "Data"),
        (Self::Currency, "Currency"),
        (Self::Int, "Int"),
        (Self::LongInt, "Long Int"),
        (Self::Float, "Float"),
        (Self::Percent, "Percent"),
        (Self::Check, "Check"),
        (Self::SmallText, "Small Text"),
        (Self::LongText, "Long Text"),
        (Self::Code, "Code"),
        (Self::TextEditor, "Text Editor"),
        (Self::MarkdownEditor, "Markdown Editor"),
        (Self::HtmlEditor, "HTML Editor"),
        (Self::Date, "Date"),
        (Self::Datetime, "Datetime"),
        (Self::Time, "Time"),
        (Self::Text, "Text"),
        (Self::Link, "Link"),
        (Self::DynamicLink, "Dynamic Link"),
        (Self::Password, "Password"),
        (Self::Select, "Select"),
        (Self::Rating, "Rating"),
        (Self::ReadOnly, "Read Only"),
        (Self::Attach, "Attach"),
        (Self::AttachImage, "Attach Image"),
        (Self::Signature, "Signature"),
        (Self::Color, "Color"),
        (Self::Barcode, "Barcode"),
        (Self::Geolocation, "Geolocation"),
        (Self::Duration, "Duration"),
        (Self::Icon, "Icon"),
        (Self::Phone, "Phone"),
        (Self::Autocomplete, "Autocomplete"),
        (Self::Json, "JSON"),
        (Self::SectionBreak, "Section Break"),
        (Self::ColumnBreak, "Column Break"),
        (Self::TabBreak, "Tab Break"),
        (Self::Html, "HTML"),
        (Self::Table, "Table"),
        (Self::TableMultiSelect, "Table MultiSelect"),
        (Self::Button, "Button"),
        (Self::Image, "Image"),
        (Self::Fold, "Fold"),
        (Self::Heading, "Heading"),
    ];

    /// The fieldtype of that name, exact case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(fieldtype, _)| *fieldtype)
    }

    /// The name in DocType files.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(fieldtype, _)| *fieldtype == self).map_or("Data", |(_, name)| name)
    }

    /// Whether documents store a value for it in their own table.
    pub fn has_column(self) -> bool {
        !matches!(
            self,
            Self::SectionBreak
                | Self::ColumnBreak
                | Self::TabBreak
                | Self::Html
                | Self::Table
                | Self::TableMultiSelect
                | Self::Button
                | Self::Image
                | Self::Fold
                | Self::Heading
        )
    }

    /// Table or Table MultiSelect: the value is child rows.
    pub fn is_table(self) -> bool {
        matches!(self, Self::Table | Self::TableMultiSelect)
    }

    /// The column of a field of this type; `None` for those without one.
    pub fn column_type(self, field: &DocField) -> Option<ColumnType> {
        use ColumnType as C;
        Some(match self {
            Self::Data
            | Self::Link
            | Self::DynamicLink
            | Self::Select
            | Self::ReadOnly
            | Self::Color
            | Self::Icon
            | Self::Phone
            | Self::Autocomplete => C::Varchar(match field.length {
                0 => 140,
                n => u16::try_from(n.min(1000)).unwrap_or(1000),
            }),
            Self::Int if field.length > 11 => C::BigInt,
            Self::Int => C::Int,
            Self::LongInt => C::BigInt,
            Self::Check => C::SmallInt,
            Self::Currency | Self::Float | Self::Percent | Self::Duration => C::Decimal,
            Self::Rating => C::Rating,
            Self::Date => C::Date,
            Self::Datetime => C::Datetime,
            Self::Time => C::Time,
            Self::SmallText | Self::Text | Self::Attach | Self::AttachImage | Self::Password => C::Text,
            Self::LongText
            | Self::Code
            | Self::TextEditor
            | Self::MarkdownEditor
            | Self::HtmlEditor
            | Self::Signature
            | Self::Barcode
            | Self::Geolocation => C::LongText,
            Self::Json => C::Json,
            _ => return None,
        })
    }
}
