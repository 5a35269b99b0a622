//! What a column takes, in words, for templates. No input or output.

use super::columns::Column;
use crate::meta::fieldtype::ColumnType;
use crate::meta::{DocField, Fieldtype};

/// What a column takes, and what its field's help says.
pub(super) fn describe(column: &Column, zone: &str) -> String {
    let Some(field) = column.field() else { return name_help(column) };
    let mut text = takes(field, column.column_type(), zone);
    if column.is_required() {
        text.insert_str(0, "Required. ");
    }
    if field.unique {
        text.push_str(" No two may be the same.");
    }
    if !column.is_writable {
        text.push_str(" You may not change it: imports leave it as it is.");
    }
    if !field.description.trim().is_empty() {
        text.push('\n');
        text.push_str(field.description.trim());
    }
    text
}

fn name_help(column: &Column) -> String {
    if column.table.is_some() {
        "The ID of a row that is there, for updates. Leave it empty for a new row. Rows of a document that stand in no line of it \
         are deleted."
            .to_owned()
    } else {
        "The ID of the document. Updates need it; for new documents leave it empty, unless you give them IDs yourself."
            .to_owned()
    }
}

fn takes(field: &DocField, column_type: ColumnType, zone: &str) -> String {
    use Fieldtype as F;
    match field.fieldtype {
        F::Check => "1 for yes, 0 for no.".to_owned(),
        F::Int | F::LongInt => "A whole number.".to_owned(),
        F::Float | F::Currency => "A number such as 1200.5.".to_owned(),
        F::Percent => "A percentage: 12.5 for 12.5 %.".to_owned(),
        F::Rating => "A share of the stars, from 0 to 1: 0.8 for four of five.".to_owned(),
        F::Duration => "A duration such as 1d 2h 30m, or seconds.".to_owned(),
        F::Date => "A day such as 2026-03-31.".to_owned(),
        F::Datetime => format!("A day and time such as 2026-03-31 08:30:00, in the time zone {zone}."),
        F::Time => "A time of day such as 08:30:00.".to_owned(),
        F::Select => {
            let options: Vec<&str> = field.select_options().filter(|option| !option.is_empty()).collect();
            if options.is_empty() { "A text.".to_owned() } else { format!("One of: {}.", options.join(", ")) }
        }
        F::Link => format!("The ID of a document of {}.", field.options.trim()),
        F::DynamicLink => format!("The ID of a document of the DocType in {}.", field.options.trim()),
        F::Json | F::Geolocation => "JSON.".to_owned(),
        F::Attach | F::AttachImage => "The address of a file, such as /private/files/report.pdf.".to_owned(),
        F::TextEditor | F::HtmlEditor => "HTML.".to_owned(),
        F::MarkdownEditor => "Markdown.".to_owned(),
        F::Color => "A color such as #1f6feb.".to_owned(),
        F::Phone => "A telephone number.".to_owned(),
        F::Data if !field.options.trim().is_empty() => format!("A text of the format {}.", field.options.trim()),
        _ => match column_type {
            ColumnType::Varchar(length) => format!("A text of at most {length} characters."),
            _ => "A text.".to_owned(),
        },
    }
}
