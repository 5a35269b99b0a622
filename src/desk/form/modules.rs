//! Which scripts a form needs, so that browsers fetch them side by side and not one after the other.

use crate::meta::{DocType, Fieldtype};

/// What every form has.
const FORM: [&str; 12] = [
    "desk/form.js",
    "desk/scope.js",
    "desk/conditions.js",
    "desk/dates.js",
    "desk/decimal.js",
    "desk/create.js",
    "desk/grid.js",
    "desk/cells.js",
    "desk/rows.js",
    "desk/totals.js",
    "desk/drag.js",
    "desk/chips.js",
];

/// The scripts of a DocType's form; those of editors only where there is something to edit with them.
pub(super) fn of(doctype: &DocType, editable: bool) -> Vec<&'static str> {
    let mut modules = FORM.to_vec();
    if doctype.fields.iter().any(|field| field.formula.is_some()) {
        modules.push("desk/formulas.js");
    }
    let fields = doctype.fields.iter().filter(|field| editable && !field.hidden && !field.read_only);
    let mut editors: Vec<[&str; 2]> = fields.filter_map(|field| editor(field.fieldtype)).collect();
    editors.sort_unstable();
    editors.dedup();
    if !editors.is_empty() {
        modules.push("desk/editors.js");
    }
    modules.extend(editors.into_iter().flatten());
    modules
}

/// Our script of an editor, and the library behind it.
fn editor(fieldtype: Fieldtype) -> Option<[&'static str; 2]> {
    use Fieldtype as F;
    match fieldtype {
        F::TextEditor => Some(["desk/rich.js", "vendor/prosemirror.js"]),
        F::Code | F::Json | F::HtmlEditor | F::MarkdownEditor => Some(["desk/code.js", "vendor/codemirror.js"]),
        F::Geolocation => Some(["desk/map.js", "vendor/leaflet.js"]),
        F::Signature => Some(["desk/signature.js", "vendor/signature_pad.js"]),
        _ => None,
    }
}
