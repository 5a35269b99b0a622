//! What is shown in place of a value that not everybody may see (Frappe 16, `mask_field_value`).

use crate::meta::docfield::DocField;
use crate::meta::fieldtype::Fieldtype;
use crate::meta::value::Value;

/// The text in place of a value; nothing stays nothing, so that an empty field can be told from a masked one.
pub(crate) fn masked(field: &DocField, value: &Value) -> Value {
    if value.is_blank() {
        return Value::Null;
    }
    let is = |format: &str| field.fieldtype == Fieldtype::Data && field.options.trim() == format;
    let text = value.to_string();
    Value::Text(match field.fieldtype {
        Fieldtype::Date => "XX-XX-XXXX".to_owned(),
        Fieldtype::Time => "XX:XX".to_owned(),
        _ if is("Phone") || field.fieldtype == Fieldtype::Phone => match text.char_indices().nth(3) {
            Some((end, _)) if text.chars().count() > 3 => format!("{}XXXXXX", &text[..end]),
            _ => "X".repeat(text.chars().count()),
        },
        _ if is("Email") => match text.rsplit_once('@') {
            Some((_, domain)) => format!("XXXXXX@{domain}"),
            None => "XXXXXX".to_owned(),
        },
        _ => "XXXXXXXX".to_owned(),
    })
}
