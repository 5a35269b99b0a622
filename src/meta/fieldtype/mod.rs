//! What a fieldtype is: its column, how input becomes a value, how a value is checked and shown. One file a family.

mod choice;
mod mask;
mod number;
mod structured;
#[cfg(test)]
mod tests;
mod text;
pub(crate) mod time;

use serde_json::Value as Json;

use crate::clock::Zone;
use crate::error::ProblemKind;
use crate::meta::docfield::DocField;
use crate::meta::value::Value;

pub(crate) use mask::masked;
pub(crate) use text::{DATA_FORMATS, is_active as is_active_address};

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

/// The type of a column, before a database gives it its own name (`docs/frappe/model.md`: Columns).
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
    /// `HH:MM:SS`, with `.ffffff` only if that is not zero.
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

    /// Date, Datetime or Time.
    pub fn is_moment(self) -> bool {
        matches!(self, Self::Date | Self::Datetime | Self::Time)
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

    /// Whether the column is NOT NULL by the type alone, so that a missing value is 0.
    pub fn is_never_null(self) -> bool {
        matches!(self, Self::Check | Self::Int | Self::Currency | Self::Float | Self::Percent)
    }

    /// Sections, columns and tabs: they arrange the form.
    pub fn is_layout(self) -> bool {
        matches!(self, Self::SectionBreak | Self::ColumnBreak | Self::TabBreak | Self::Fold)
    }
}

/// What is wrong with a value: the class, and what follows the field's label in the message.
type Fault = (ProblemKind, String);

/// JSON input → stored value, or what is wrong with it.
///
/// Coerces as Frappe does, except that text which is not a number is refused by number fields and text which is not a date by date
/// fields (Frappe stores 0, and fails). Null is 0 where the column is never null.
///
/// Datetimes without an offset are in UTC; see [`parse_in`].
pub(crate) fn parse(field: &DocField, column_type: ColumnType, input: &Json) -> Result<Value, (ProblemKind, String)> {
    parse_in(Zone::UTC, field, column_type, input)
}

/// The same, with datetimes that have no offset in a zone.
pub(crate) fn parse_in(
    zone: Zone,
    field: &DocField,
    column_type: ColumnType,
    input: &Json,
) -> Result<Value, (ProblemKind, String)> {
    parse_unnamed(field, column_type, input, zone).map_err(|fault| named(field, fault))
}

/// Checks a parsed value against the rules of its field: options, formats, lengths, ranges.
pub(crate) fn validate(field: &DocField, column_type: ColumnType, value: &Value) -> Result<(), (ProblemKind, String)> {
    validate_unnamed(field, column_type, value).map_err(|fault| named(field, fault))
}

/// Text of a form or an address → stored value. Line ends become `\n`: browsers send them as `\r\n`.
pub(crate) fn parse_text(
    field: &DocField,
    column_type: ColumnType,
    input: &str,
) -> Result<Value, (ProblemKind, String)> {
    parse_text_in(Zone::UTC, field, column_type, input)
}

/// The same, with datetimes in a zone.
pub(crate) fn parse_text_in(
    zone: Zone,
    field: &DocField,
    column_type: ColumnType,
    input: &str,
) -> Result<Value, (ProblemKind, String)> {
    let input = if input.contains('\r') { input.replace("\r\n", "\n") } else { input.to_owned() };
    parse_in(zone, field, column_type, &Json::String(input))
}

/// A standard column's or a filter's value by the type of the column alone; a date stands for its first moment in the zone.
pub(crate) fn parse_for_column(column_type: ColumnType, input: &Json, zone: Zone) -> Result<Value, String> {
    let parsed = match column_type {
        _ if input.is_null() => return Ok(Value::Null),
        ColumnType::SmallInt => match input {
            // `docstatus` is a SmallInt as well, so this is a number before it is a Check.
            Json::Bool(on) => Ok(Value::from(*on)),
            _ => number::parse_int(input).or_else(|fault| number::parse_check(input).map_err(|_| fault)),
        },
        ColumnType::Int | ColumnType::BigInt => number::parse_int(input),
        ColumnType::Decimal | ColumnType::Rating => number::parse_float(input),
        ColumnType::Date => time::parse_date(input),
        ColumnType::Datetime => time::parse_datetime(input, zone),
        ColumnType::Time => time::parse_time(input),
        ColumnType::Json => structured::parse_json(input),
        ColumnType::Varchar(_) | ColumnType::Text | ColumnType::LongText => match input {
            Json::Bool(on) => Ok(Value::Text(u8::from(*on).to_string())),
            _ => text::parse(input),
        },
    };
    parsed.map_err(|(_, message)| format!("Value {message}"))
}

/// A value as people read it in lists and versions.
pub(crate) fn display(field: &DocField, value: &Value) -> String {
    match field.fieldtype {
        _ if matches!(value, Value::Null) => String::new(),
        Fieldtype::Check => if value.is_truthy() { "Yes" } else { "No" }.to_owned(),
        Fieldtype::Float | Fieldtype::Currency => number::display(field, value),
        Fieldtype::Percent => format!("{}%", number::display(field, value)),
        Fieldtype::Rating => number::display_rating(field, value),
        Fieldtype::Duration => time::display_duration(value),
        Fieldtype::Datetime => value.text().strip_suffix(".000000").unwrap_or(value.text()).to_owned(),
        Fieldtype::Password => "*".repeat(value.to_string().chars().count()),
        _ => value.to_string(),
    }
}

fn parse_unnamed(field: &DocField, column_type: ColumnType, input: &Json, zone: Zone) -> Result<Value, Fault> {
    use Fieldtype as F;
    let missing = input.is_null() || input.as_str().is_some_and(|text| text.trim().is_empty());
    if missing && column_type.shape() != Shape::Text {
        return Ok(match column_type.shape() {
            _ if !field.fieldtype.is_never_null() => Value::Null,
            Shape::Int => Value::Int(0),
            _ => Value::Float(0.0),
        });
    }
    if input.is_null() {
        return Ok(Value::Null);
    }
    let value = match field.fieldtype {
        F::Check => number::parse_check(input)?,
        F::Int | F::LongInt => number::parse_int(input)?,
        F::Float | F::Currency | F::Percent => number::parse_float(input)?,
        F::Rating => number::parse_rating(input)?,
        F::Duration => time::parse_duration(input)?,
        F::Date => time::parse_date(input)?,
        F::Datetime => time::parse_datetime(input, zone)?,
        F::Time => time::parse_time(input)?,
        F::Select => choice::parse(input)?,
        F::Json | F::Geolocation => structured::parse_json(input)?,
        F::Code if structured::is_json_code(field) => structured::parse_json_code(input)?,
        _ => text::parse(input)?,
    };
    // An empty text would collide with every other empty one; Null does not.
    Ok(if field.unique && value.is_blank() { Value::Null } else { value })
}

fn validate_unnamed(field: &DocField, column_type: ColumnType, value: &Value) -> Result<(), Fault> {
    use Fieldtype as F;
    let fits = matches!(
        (column_type.shape(), value),
        (_, Value::Null)
            | (Shape::Int, Value::Int(_))
            | (Shape::Float, Value::Float(_) | Value::Int(_))
            | (Shape::Text, Value::Text(_))
    );
    if !fits {
        let wanted = if column_type.shape() == Shape::Text { "text" } else { "a number" };
        return Err((ProblemKind::Type, format!("must be {wanted}, not {}", quote(&value.to_string()))));
    }
    match value {
        Value::Null => return Ok(()),
        Value::Int(_) | Value::Float(_) => return number::validate(field, column_type, value),
        Value::Text(text) => text::validate(column_type, text)?,
    }
    let text = value.text();
    if text.is_empty() {
        return if column_type.is_moment() { Err(time::empty()) } else { Ok(()) };
    }
    match field.fieldtype {
        F::Date => time::validate(text, time::parse_date),
        F::Datetime => time::validate(text, |input| time::parse_datetime(input, Zone::UTC)),
        F::Time => time::validate(text, time::parse_time),
        F::Select => choice::validate(field, text),
        F::Data => text::validate_format(field.options.trim(), text),
        F::Phone => text::validate_phone_number(text),
        F::Color => text::validate_color(text),
        F::Attach | F::AttachImage => text::validate_attachment(text),
        F::Json | F::Geolocation => structured::validate_json(text),
        F::Code if structured::is_json_code(field) => structured::validate_json(text),
        _ => Ok(()),
    }
}

fn named(field: &DocField, (kind, message): Fault) -> Fault {
    let label = if field.label.is_empty() { &field.fieldname } else { &field.label };
    (kind, format!("{label} {message}"))
}

/// The input as a message shows it: short, in one line, never a way to write into a log.
fn quote(input: &str) -> String {
    const LONGEST: usize = 40;
    let mut shown: String = input.chars().take(LONGEST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if input.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// The input as a message shows it.
fn quote_json(input: &Json) -> String {
    match input {
        Json::String(text) => quote(text),
        Json::Array(_) => "a list".to_owned(),
        Json::Object(_) => "an object".to_owned(),
        Json::Null | Json::Bool(_) | Json::Number(_) => quote(&input.to_string()),
    }
}
