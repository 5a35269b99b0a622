//! Which editor takes the place of a plain control where scripts run (`templates/assets/desk/editors.js`).

use crate::desk::form::Place;
use crate::desk::form::control::set;
use crate::desk::form::view::{Detail, FieldView};
use crate::desk::help::safe_url;
use crate::meta::{DocField, Fieldtype};

/// Names the editor that takes the place of a control where scripts run. Cells are too small for one.
pub(super) fn set_editor(field: &DocField, place: &Place<'_>, view: &mut FieldView) {
    use Fieldtype as F;
    if place.in_cell {
        return;
    }
    let (editor, language) = match field.fieldtype {
        F::TextEditor => ("rich", ""),
        F::MarkdownEditor => ("code", "markdown"),
        F::HtmlEditor => ("code", "html"),
        F::Json => ("code", "json"),
        F::Code => ("code", language(&field.options)),
        F::Geolocation => ("map", ""),
        F::Signature => ("signature", ""),
        _ => return,
    };
    set(view, "data-editor", editor);
    set(view, "data-language", language);
}

/// The language of a Code field by what its options call it; empty if it is none that is known.
fn language(options: &str) -> &'static str {
    match options.trim().to_ascii_lowercase().as_str() {
        "python" | "pythonexpression" => "python",
        "js" | "javascript" | "typescript" => "javascript",
        "json" => "json",
        "yaml" | "yml" => "yaml",
        "html" | "jinja" | "vue" | "xml" => "html",
        "css" | "scss" => "css",
        "sql" => "sql",
        "markdown" => "markdown",
        _ => "",
    }
}

/// A signature is a picture: one that was drawn and lies in the field itself, or a file.
pub(super) fn signature(view: &mut FieldView, template: &'static str) {
    view.template = template;
    let drawn = view.value.starts_with("data:image/png;base64,");
    let href = if drawn { view.value.as_str() } else { safe_url(&view.value).unwrap_or("") };
    view.detail = Detail::File { href: href.to_owned(), file: String::new(), is_image: true, accept: "image/*" };
}
