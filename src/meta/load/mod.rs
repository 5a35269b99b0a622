//! Files → DocTypes, with every problem of every file at once. Reads no file itself: [`Source`]s come with their text.
//!
//! A file becomes a draft (`draft.rs`), overlays change drafts (`overlay.rs`), a draft becomes a declaration (`build.rs`), and
//! [`crate::meta::check`] looks at all of them together.

mod build;
mod draft;
mod outline;
mod overlay;
mod published;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value as Json};

use crate::meta::check::{self, At};
use crate::meta::doctype::DocType;
use draft::{Draft, Read};
pub(in crate::meta) use draft::{derive_fieldname, normalise, parse};

/// One DocType file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The path as messages show it. `.json` files are Frappe's and are judged leniently.
    pub path: String,
    /// What the file holds.
    pub text: String,
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The DocType cannot be used.
    Error,
    /// The DocType works, but probably not as it was meant.
    Warning,
}

/// What is wrong in a file, where, and how to fix it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The path of the source.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The DocType; empty if the file does not say.
    pub doctype: String,
    /// The field, if it is about one.
    pub field: Option<String>,
    /// What is wrong and how to fix it.
    pub message: String,
}

impl Source {
    /// A file that comes with the program: what the program itself relies on.
    pub fn is_shipped(&self) -> bool {
        self.path.starts_with(SHIPPED)
    }
}

/// How the paths of the shipped files begin.
pub(crate) const SHIPPED: &str = "embedded/";

/// A DocType file that another one of the same name replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overridden {
    /// The DocType.
    pub doctype: String,
    /// The file that has no effect.
    pub file: String,
    /// The file that has.
    pub by: String,
}

/// What came of the sources.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Every DocType without an error.
    pub doctypes: Vec<Arc<DocType>>,
    /// All problems of all files: by file, errors and warnings.
    pub problems: Vec<Problem>,
    /// Which files replaced which.
    pub overridden: Vec<Overridden>,
    /// For every source, the DocType that it defines or extends; `None` if that cannot be told.
    pub named: Vec<Option<String>>,
}

impl Loaded {
    /// Whether any problem is an error.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// The DocTypes left out because of errors, as far as their names are known.
    pub fn broken(&self) -> BTreeSet<&str> {
        self.problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error && !problem.doctype.is_empty())
            .map(|problem| problem.doctype.as_str())
            .collect()
    }
}

impl Problem {
    /// The DocType that cannot be used because of it.
    fn broken(&self) -> Option<String> {
        (self.severity == Severity::Error && !self.doctype.is_empty()).then(|| self.doctype.clone())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        match (self.doctype.as_str(), &self.field) {
            ("", _) => {}
            (doctype, None) => write!(f, "{doctype}: ")?,
            (doctype, Some(field)) => write!(f, "{doctype}, {field}: ")?,
        }
        f.write_str(&self.message)
    }
}

/// Where something stands.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Place {
    /// The index of the source.
    source: usize,
    line: usize,
}

/// Collects problems while files are read.
struct Reporter<'a> {
    sources: &'a [Source],
    problems: Vec<Problem>,
}

impl Reporter<'_> {
    fn report(&mut self, severity: Severity, place: Place, doctype: &str, field: Option<&str>, message: String) {
        self.problems.push(Problem {
            severity,
            file: self.sources[place.source].path.clone(),
            line: place.line,
            doctype: doctype.to_owned(),
            field: field.map(str::to_owned),
            message,
        });
    }

    fn error(&mut self, place: Place, doctype: &str, field: Option<&str>, message: impl Into<String>) {
        self.report(Severity::Error, place, doctype, field, message.into());
    }

    fn warn(&mut self, place: Place, doctype: &str, field: Option<&str>, message: impl Into<String>) {
        self.report(Severity::Warning, place, doctype, field, message.into());
    }
}

pub(in crate::meta) fn is_json(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}

/// What one file says by itself, in its own order.
#[derive(Clone, Debug)]
pub(in crate::meta) struct Parts {
    /// It changes a DocType that another file defines.
    pub is_overlay: bool,
    /// The fieldnames.
    pub fields: Vec<String>,
    /// The permission rows.
    pub permissions: Vec<Map<String, Json>>,
    /// `field_order`, which wins over the order of the fields.
    pub has_field_order: bool,
}

/// Reads one file by itself; `None` if it holds no DocType, or some entries of it cannot be used.
pub(in crate::meta) fn parts(source: &Source) -> Option<Parts> {
    let sources = std::slice::from_ref(source);
    let mut reporter = Reporter { sources, problems: Vec::new() };
    let read = draft::read(0, &mut reporter);
    let is_overlay = matches!(read, Some(Read::Overlay(_)));
    let (Some(Read::DocType(draft) | Read::Overlay(draft)), true) =
        (read, reporter.problems.iter().all(|problem| problem.severity != Severity::Error))
    else {
        return None;
    };
    Some(Parts {
        is_overlay,
        fields: draft.fields.iter().map(|field| field.text("fieldname").to_owned()).collect(),
        permissions: draft.permissions.into_iter().map(|row| row.map).collect(),
        has_field_order: draft.base.map.contains_key("field_order"),
    })
}

/// Reads every source. A later DocType of the same name replaces an earlier one; overlays apply in the order of the sources.
pub fn load(sources: &[Source]) -> Loaded {
    let mut reporter = Reporter { sources, problems: Vec::new() };
    let mut loaded = Loaded::default();
    let mut drafts: IndexMap<String, Draft> = IndexMap::new();
    let mut overlays = Vec::new();
    for source in 0..sources.len() {
        let read = draft::read(source, &mut reporter);
        loaded.named.push(match &read {
            Some(Read::DocType(draft) | Read::Overlay(draft)) => Some(draft.name.clone()),
            None => reporter.problems.last().map(|problem| problem.doctype.clone()).filter(|name| !name.is_empty()),
        });
        match read {
            Some(Read::DocType(draft)) => {
                let earlier = drafts.get(&draft.name);
                if earlier.is_some_and(|earlier| published::is_set_aside(earlier, &draft, &mut reporter)) {
                    continue;
                }
                if let Some(earlier) = drafts.insert(draft.name.clone(), draft) {
                    note_override(&earlier, source, &mut reporter, &mut loaded);
                }
            }
            Some(Read::Overlay(overlay)) => overlays.push(overlay),
            None => {}
        }
    }
    for overlay in overlays {
        overlay::apply(overlay, &mut drafts, &mut reporter);
    }
    for draft in drafts.values_mut() {
        published::tidy(draft, &mut reporter);
    }
    published::leave_out_tables(&mut drafts, &HashSet::new(), &mut reporter);
    loop {
        let known = reporter.problems.len();
        let (doctypes, found) = build_all(&mut drafts, &mut reporter);
        let broken: HashSet<String> = reporter.problems.iter().chain(&found).filter_map(Problem::broken).collect();
        // What was found is found again when the DocTypes are built without the tables that cannot be used.
        let built = reporter.problems.split_off(known);
        if published::leave_out_tables(&mut drafts, &broken, &mut reporter) {
            continue;
        }
        loaded.doctypes = doctypes.into_iter().filter(|doctype| !broken.contains(&doctype.name)).collect();
        loaded.problems = reporter.problems;
        loaded.problems.extend(built);
        loaded.problems.extend(found);
        break;
    }
    let order: HashMap<&str, usize> =
        sources.iter().enumerate().map(|(index, source)| (source.path.as_str(), index)).collect();
    loaded.problems.sort_by_key(|problem| (order.get(problem.file.as_str()).copied(), problem.line, problem.severity));
    loaded
}

/// Builds every draft and checks all of them together; what building reports goes to the reporter.
fn build_all(drafts: &mut IndexMap<String, Draft>, reporter: &mut Reporter<'_>) -> (Vec<Arc<DocType>>, Vec<Problem>) {
    let mut doctypes = Vec::with_capacity(drafts.len());
    // Fields of unknown type are reported once, not for what follows from it.
    let mut unusable: HashSet<(String, usize)> = HashSet::new();
    for draft in drafts.values_mut() {
        let declaration = build::declaration(draft, reporter, &mut unusable);
        doctypes.push(Arc::new(DocType::new(declaration)));
    }
    let locate = |doctype: &str, at: At<'_>| {
        let place = drafts.get(doctype).map(|draft| draft.place(at)).unwrap_or_default();
        let file = reporter.sources.get(place.source).map_or("", |source| source.path.as_str());
        check::Place { file: file.to_owned(), line: place.line, lenient: is_json(file) }
    };
    let is_usable = |doctype: &str, field: usize| !unusable.contains(&(doctype.to_owned(), field));
    let found = check::check(&doctypes, &locate, &is_usable);
    (doctypes, found)
}

fn note_override(earlier: &Draft, source: usize, reporter: &mut Reporter<'_>, loaded: &mut Loaded) {
    let sources = reporter.sources;
    let (old, new) = (&sources[earlier.base.place.source].path, &sources[source].path);
    // A shipped file in the folder of the same name is the same file, to be edited.
    if old.strip_prefix(SHIPPED).is_some_and(|shipped| new.replace('\\', "/").ends_with(shipped)) {
        return;
    }
    // Folders override each other on purpose; two files side by side are a copy that kept its name.
    if Path::new(old).parent() == Path::new(new).parent() {
        let message = format!("{old} defines it too and has no effect: give one of them another name");
        reporter.warn(Place { source, line: 1 }, &earlier.name, None, message);
    }
    loaded.overridden.push(Overridden { doctype: earlier.name.clone(), file: old.clone(), by: new.clone() });
}
