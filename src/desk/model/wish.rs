//! What a person wants of a DocType, as a change of its file.

use serde_json::{Map, Value as Json};

use super::{Subject, at_field};
use crate::desk::form::posted::Posted;
use crate::error::{Error, FieldProblem, Invalid, ProblemKind, Result};
use crate::meta::docfield::FIELD;
use crate::meta::doctype::DOCTYPE;
use crate::meta::keys::{Key, PERMISSION};
use crate::meta::load::Source;
use crate::meta::rewrite::change::{Definition, Part, change, decides_about_access, mistakes, new_doctype};
use crate::meta::rewrite::{new_file, rewrite};
use crate::meta::{DocType, Document, Registry};
use crate::pace;
use crate::web::Exchange;
use crate::web::model::{FileWish, ModelFile};

/// A change, and what it was made from.
pub(super) struct Wish {
    pub file: FileWish,
    /// Where the file lies.
    pub place: ModelFile,
    /// What the form showed, and what was wanted; `None` for a text.
    pub form: Option<(Definition, Definition)>,
}

/// The text of the file, or what one begins with.
pub(super) fn text_or_empty(subject: &Subject) -> Option<String> {
    let (file, doctype) = (subject.file.as_ref()?, subject.doctype.as_ref()?);
    Some(file.text.clone().unwrap_or_else(|| format!("extends: {}\n", doctype.name)))
}

fn only_administrator(doctype: &DocType) -> Error {
    let message = format!(
        "{} comes with the site: who may do what with it, and the whole text of its file, are changed by Administrator",
        doctype.name
    );
    Error::invalid(ProblemKind::Validation, message)
}

/// Whether a DocType decides about the site itself, so that its rights are Administrator's.
fn is_shipped(doctype: &DocType) -> bool {
    crate::desk::home::is_shipped(doctype) || doctype.sources.iter().any(|file| file.starts_with("embedded/"))
}

/// A change of the text itself.
pub(super) fn of_text(exchange: &Exchange, subject: &Subject, text: Option<String>) -> Result<Wish> {
    let (Some(doctype), Some(place)) = (&subject.doctype, &subject.file) else {
        return Err(Error::misuse("A new DocType begins with its form"));
    };
    if is_shipped(doctype) && !exchange.session().is_administrator() {
        return Err(only_administrator(doctype));
    }
    let file =
        FileWish { doctype: doctype.name.clone(), path: place.path.clone(), before: place.text.clone(), after: text };
    Ok(Wish { file, place: place.clone(), form: None })
}

/// A change made by form.
pub(super) fn of_form(exchange: &Exchange, subject: &Subject, posted: &Posted) -> Result<Wish> {
    let registry = exchange.site.documents.registry();
    let shown = &subject.document;
    let stored = subject.doctype.as_ref().map(|_| shown);
    let values = posted.to_values(&registry, &shown.doctype, stored);
    let now = definition(shown.to_json_whole(), shown);
    let wanted = definition(values, shown);
    let mut problems = mistaken(&registry, shown, &wanted);
    let Some((doctype, place)) = subject.doctype.as_ref().zip(subject.file.as_ref()) else {
        return new(exchange, subject, posted, wanted, problems);
    };
    let begun = text_or_empty(subject).unwrap_or_default();
    let source = Source { path: place.path.clone(), text: begun };
    let beneath = place.beneath.as_deref().filter(|_| place.is_overlay);
    let found = match change(&source, &now, &wanted, beneath) {
        Ok(found) => found,
        Err(lines) => {
            problems.extend(lines.into_iter().map(general));
            return Err(Error::Validation(Invalid { problems }));
        }
    };
    if !problems.is_empty() {
        return Err(Error::Validation(Invalid { problems }));
    }
    if is_shipped(doctype) && decides_about_access(&found) && !exchange.session().is_administrator() {
        return Err(only_administrator(doctype));
    }
    let after = rewrite(&source.path, &source.text, &found).map_err(|why| {
        Error::invalid(
            ProblemKind::Validation,
            format!("The form cannot change {}, because {why}: edit its text", place.path),
        )
    })?;
    let file = FileWish {
        doctype: doctype.name.clone(),
        path: place.path.clone(),
        before: place.text.clone(),
        after: Some(after),
    };
    Ok(Wish { file, place: place.clone(), form: Some((now, wanted)) })
}

fn new(
    exchange: &Exchange,
    subject: &Subject,
    posted: &Posted,
    wanted: Definition,
    mut problems: Vec<FieldProblem>,
) -> Result<Wish> {
    let name = posted.text("name").split_whitespace().collect::<Vec<_>>().join(" ");
    let message = match exchange.site.documents.registry().get(&name) {
        _ if name.is_empty() => Some("Name is required: what one document is called, such as Library Book".to_owned()),
        Some(_) => Some(format!("{name} already exists: choose another name")),
        None => None,
    };
    problems.extend(message.map(|message| FieldProblem::at(ProblemKind::InvalidName, "name", "Name", message)));
    if wanted.fields.is_empty() {
        problems.push(at_field(
            &subject.document.doctype,
            "fields",
            "Fields are required: add the first one".to_owned(),
        ));
    }
    if !problems.is_empty() {
        return Err(Error::Validation(Invalid { problems }));
    }
    let module = wanted.keys.get("module").and_then(Json::as_str).unwrap_or_default();
    let place = pace::aside(true, || exchange.site.model.place_for(&exchange.site, module, &name))?;
    let after = new_file(&new_doctype(&name, &wanted));
    let file = FileWish { doctype: name, path: place.path.clone(), before: None, after: Some(after) };
    Ok(Wish { file, place, form: Some((Definition::default(), wanted)) })
}

fn general(message: String) -> FieldProblem {
    FieldProblem::general(ProblemKind::Validation, message)
}

/// The values of a form, with which of the stored rows each row is.
fn definition(mut values: Map<String, Json>, shown: &Document) -> Definition {
    let mut parts = |table: &str| -> Vec<Part> {
        let names: Vec<String> = shown.rows(table).iter().map(Document::name).collect();
        let Some(Json::Array(rows)) = values.remove(table) else { return Vec::new() };
        let part = |row: Json| {
            let Json::Object(keys) = row else { return None };
            let name = keys.get("name").and_then(Json::as_str).filter(|name| !name.is_empty());
            Some(Part { was: name.and_then(|name| names.iter().position(|known| known == name)), keys })
        };
        rows.into_iter().filter_map(part).collect()
    };
    let (fields, permissions) = (parts("fields"), parts("permissions"));
    Definition { keys: values, fields, permissions }
}

/// What cannot stand in a file, at its field.
fn mistaken(registry: &Registry, shown: &Document, wanted: &Definition) -> Vec<FieldProblem> {
    let found = mistakes(DOCTYPE, &wanted.keys).into_iter();
    let mut problems: Vec<FieldProblem> = found.map(|(key, message)| said(&shown.doctype, key, &message)).collect();
    let lists: [(&str, &[Part], &'static [Key]); 2] =
        [("fields", &wanted.fields, FIELD), ("permissions", &wanted.permissions, PERMISSION)];
    for (table, parts, keys) in lists {
        let child = shown.doctype.field(table).and_then(|field| registry.get(&field.options));
        let Some(child) = child else { continue };
        for (at, part) in parts.iter().enumerate() {
            let found = mistakes(keys, &part.keys);
            problems.extend(found.into_iter().map(|(key, message)| said(child, key, &message).in_row(table, at + 1)));
        }
    }
    problems
}

fn said(doctype: &DocType, key: &str, message: &str) -> FieldProblem {
    let problem = at_field(doctype, key, String::new());
    let label = problem.label.clone().unwrap_or_default();
    FieldProblem { message: format!("{label} {message}").into(), ..problem }
}
