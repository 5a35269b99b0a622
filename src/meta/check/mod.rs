//! The rules that a definition must keep, within a DocType and across all of them. Every problem is found, not only the first.

mod doctype;
mod field;
mod formula;
mod permission;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use crate::meta::docfield::FIELD;
use crate::meta::doctype::DOCTYPE;
use crate::meta::doctype::{CHILD_COLUMNS, DocType, PARENT_COLUMNS, SEEN_COLUMN, STANDARD_COLUMNS};
use crate::meta::fieldtype::Fieldtype;
use crate::meta::keys::find;
use crate::meta::load::{Problem, Severity};
use crate::meta::naming_rule::{NamingRule, SeriesPart};

/// What part of a DocType a problem is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At<'a> {
    /// The DocType as a whole.
    DocType,
    /// One of its keys.
    Key(&'a str),
    /// A field by its position, or one of its keys.
    Field(usize, Option<&'a str>),
    /// A permission row by its position, or one of its keys.
    Permission(usize, Option<&'a str>),
}

/// Where that stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file.
    pub file: String,
    /// The line.
    pub line: usize,
    /// Frappe's own file: rules that Frappe does not hold files to are warnings.
    pub lenient: bool,
}

/// Finds the place of a part of a DocType.
pub(crate) type Locate<'a> = dyn Fn(&str, At<'_>) -> Place + 'a;

/// Checks all DocTypes together, without the fields for which `is_usable` (DocType, position) is false: they have been
/// reported.
pub(super) fn check(
    doctypes: &[Arc<DocType>],
    locate: &Locate<'_>,
    is_usable: &dyn Fn(&str, usize) -> bool,
) -> Vec<Problem> {
    let by_name: HashMap<&str, &DocType> =
        doctypes.iter().map(|doctype| (doctype.name.as_str(), doctype.as_ref())).collect();
    let mut problems = Vec::new();
    for doctype in doctypes {
        let mut checker = Checker { doctype, by_name: &by_name, locate, problems: &mut problems };
        doctype::check(&mut checker);
        for index in 0..doctype.fields.len() {
            field::check_name(&mut checker, index);
            if is_usable(&doctype.name, index) {
                field::check(&mut checker, index);
            }
        }
        field::check_folds(&mut checker);
        formula::check_doctype(&mut checker);
        permission::check(&mut checker);
    }
    check_across(doctypes, &by_name, locate, &mut problems);
    problems
}

/// The keys of a DocType (no field) and of its fields that are kept but that nothing here acts on.
pub fn idle_keys(doctype: &DocType) -> Vec<(Option<String>, String)> {
    let idle = |keys, raw: &serde_json::Map<String, serde_json::Value>| -> Vec<String> {
        let is_idle = |name: &&String| find(keys, name).is_some_and(|key| !key.acts);
        raw.keys().filter(is_idle).cloned().collect()
    };
    let own = idle(DOCTYPE, &doctype.raw).into_iter().map(|key| (None, key));
    let fields = doctype
        .fields
        .iter()
        .flat_map(|field| idle(FIELD, &field.raw).into_iter().map(|key| (Some(field.fieldname.clone()), key)));
    own.chain(fields).collect()
}

/// Whether a fieldname is taken by a standard column or by the engine. Databases compare names without case.
pub(crate) fn is_restricted(fieldname: &str) -> bool {
    const OTHERS: [&str; 5] = ["doctype", "file_list", "flags", "meta", "__islocal"];
    let lower = fieldname.to_ascii_lowercase();
    let standard = STANDARD_COLUMNS.iter().chain(&CHILD_COLUMNS).chain(&PARENT_COLUMNS).chain([&SEEN_COLUMN]);
    standard.map(|(name, _)| *name).chain(OTHERS).any(|name| name == lower)
}

/// One DocType under inspection, with those around it.
struct Checker<'a, 'p> {
    doctype: &'a DocType,
    by_name: &'a HashMap<&'a str, &'a DocType>,
    locate: &'a Locate<'a>,
    problems: &'p mut Vec<Problem>,
}

impl Checker<'_, '_> {
    fn push(&mut self, severity: Option<Severity>, at: At<'_>, message: String) {
        let place = (self.locate)(&self.doctype.name, at);
        let usual = if place.lenient { Severity::Warning } else { Severity::Error };
        let field = match at {
            At::Field(index, _) => self.doctype.fields.get(index).map(|field| field.fieldname.clone()),
            At::DocType | At::Key(_) | At::Permission(..) => None,
        };
        self.problems.push(Problem {
            severity: severity.unwrap_or(usual),
            file: place.file,
            line: place.line,
            doctype: self.doctype.name.clone(),
            field,
            message,
        });
    }

    /// A definition that cannot work.
    fn error(&mut self, at: At<'_>, message: impl Into<String>) {
        self.push(Some(Severity::Error), at, message.into());
    }

    /// A broken rule: an error in our files, a warning in Frappe's, which Frappe itself loads.
    fn rule(&mut self, at: At<'_>, message: impl Into<String>) {
        self.push(None, at, message.into());
    }

    fn warn(&mut self, at: At<'_>, message: impl Into<String>) {
        self.push(Some(Severity::Warning), at, message.into());
    }

    /// Whether documents have a value of that name: a field with a column, or a standard column.
    fn has_value(&self, name: &str) -> bool {
        self.doctype.column(name).is_some() || self.doctype.field(name).is_some_and(|field| field.is_virtual)
    }

    /// The fieldnames, to suggest one.
    fn nearest_field(&self, name: &str) -> String {
        let among = self.doctype.fields.iter().filter(|field| !field.fieldtype.is_layout());
        crate::meta::keys::suggestion(crate::meta::keys::nearest(name, among.map(|field| field.fieldname.as_str())))
    }
}

/// What two DocTypes cannot share: an address in the desk, a naming series, an old name.
fn check_across(
    doctypes: &[Arc<DocType>],
    by_name: &HashMap<&str, &DocType>,
    locate: &Locate<'_>,
    problems: &mut Vec<Problem>,
) {
    let mut slugs: HashMap<String, &str> = HashMap::new();
    let mut series: HashMap<String, &str> = HashMap::new();
    let mut old_names: HashMap<&str, &str> = HashMap::new();
    for doctype in doctypes {
        let mut checker = Checker { doctype, by_name, locate, problems };
        if let Some(other) = slugs.insert(doctype.slug(), &doctype.name) {
            let message =
                format!("has the same address /app/{} as {other}: give one of them another name", doctype.slug());
            checker.error(At::DocType, message);
        }
        if let Some(prefix) = series_prefix(doctype)
            && let Some(other) = series.insert(prefix.clone(), &doctype.name)
        {
            let message = format!("shares the naming series `{prefix}` with {other}: give one of them another prefix");
            checker.rule(At::Key("autoname"), message);
        }
        let Some(old) = doctype.renamed_from.as_deref() else { continue };
        if old == doctype.name {
            checker.error(At::Key("renamed_from"), "`renamed_from` is the present name: remove it");
        } else if by_name.contains_key(old) {
            let message = format!("`renamed_from` names {old}, which is still defined: remove its file or this key");
            checker.error(At::Key("renamed_from"), message);
        } else if let Some(other) = old_names.insert(old, &doctype.name) {
            checker
                .error(At::Key("renamed_from"), format!("{other} is renamed from {old} too: only one of them can be"));
        }
    }
}

/// What stands before the counter, if it is the same for every document of the DocType.
fn series_prefix(doctype: &DocType) -> Option<String> {
    let NamingRule::Series(parts) = &doctype.naming_rule else { return None };
    let mut prefix = String::new();
    let mut is_fixed = false;
    for part in parts {
        match part {
            SeriesPart::Counter(_) => break,
            SeriesPart::Literal(text) => {
                is_fixed = true;
                prefix.push_str(text);
            }
            // A bare word that is not a field is literal.
            SeriesPart::Field(name) if doctype.column(name).is_none() => {
                is_fixed = true;
                prefix.push_str(name);
            }
            SeriesPart::Field(_) | SeriesPart::Timestamp => return None,
            SeriesPart::Year2 => prefix.push_str("YY"),
            SeriesPart::Year4 => prefix.push_str("YYYY"),
            SeriesPart::Month => prefix.push_str("MM"),
            SeriesPart::Day => prefix.push_str("DD"),
            SeriesPart::DayOfYear => prefix.push_str("JJJ"),
            SeriesPart::Week => prefix.push_str("WW"),
        }
    }
    let counts = parts.iter().any(|part| matches!(part, SeriesPart::Counter(_)));
    (is_fixed && counts).then_some(prefix)
}

/// Whether values of the type can be compared and indexed; texts without limit cannot.
fn can_be_indexed(fieldtype: Fieldtype) -> bool {
    !matches!(
        fieldtype,
        Fieldtype::Text
            | Fieldtype::SmallText
            | Fieldtype::LongText
            | Fieldtype::Code
            | Fieldtype::TextEditor
            | Fieldtype::MarkdownEditor
            | Fieldtype::HtmlEditor
            | Fieldtype::Json
            | Fieldtype::Signature
            | Fieldtype::Geolocation
    )
}
