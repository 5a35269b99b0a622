//! Which definitions are in force: those of the files and, DocType by DocType, what was in force before where a file cannot be
//! used. One broken, empty or half-written file never holds up another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value as Json;

use crate::meta::DocType;
use crate::meta::load::{Loaded, Problem, Severity, Source, load};

/// How the paths of definitions begin that stand in for files.
const STAND_IN: &str = "in force/";

/// A definition as it was last in force, kept in the site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The whole of it, in Frappe's form: the JSON text of `DocType::raw`.
    pub definition: String,
    /// The files that it came from.
    pub files: Vec<String>,
}

impl Kept {
    /// What is kept of a DocType.
    pub(crate) fn of(doctype: &DocType) -> Self {
        Self { definition: Json::Object(doctype.raw.clone()).to_string(), files: doctype.sources.clone() }
    }

    fn stand_in(&self, doctype: &str) -> Source {
        Source { path: format!("{STAND_IN}{doctype}.json"), text: self.definition.clone() }
    }
}

/// What was kept, as the DocTypes of a site without any files.
pub(crate) fn stand_for_themselves(kept: &BTreeMap<String, Kept>) -> Vec<Arc<DocType>> {
    let sources: Vec<Source> = kept.iter().map(|(doctype, kept)| kept.stand_in(doctype)).collect();
    load(&sources).doctypes
}

/// Whether a DocType was built from what was in force, and not from a file.
pub(crate) fn stands_in(doctype: &DocType) -> bool {
    doctype.sources.first().is_some_and(|file| file.starts_with(STAND_IN))
}

/// What stands for definitions: the same at every node that runs the same, wherever its files lie.
pub(crate) fn version<'a>(definitions: impl Iterator<Item = (&'a String, &'a Kept)>) -> String {
    let mut text = String::new();
    for (doctype, kept) in definitions {
        text.extend([doctype.as_str(), "\0", &kept.definition, "\0"]);
    }
    crate::secret::digest(text)[..12].to_owned()
}

/// Why the files of a DocType do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// They have errors.
    Broken,
    /// The change could lose data, or cannot be made: somebody must agree, or mend it.
    Pending,
    /// Another node has put others in force.
    Elsewhere,
    /// They disappeared together with others, as they do when a folder is not mounted.
    Missing,
}

/// What serves instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stays {
    /// The definition that was last in force.
    Before,
    /// The definition that comes with the program.
    Shipped,
    /// Nothing: there has been no other definition.
    Nothing,
}

/// A DocType, or a file that names none, that is held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The DocType; empty if the file does not say.
    pub doctype: String,
    /// Why.
    pub why: Why,
    /// What serves instead.
    pub stays: Stays,
    /// What is wrong, one line each; for a pending change the risky parts with the numbers of rows.
    pub lines: Vec<String>,
    /// The statements that a pending change would run.
    pub statements: Vec<String>,
}

impl Fault {
    /// What serves instead, as a sentence.
    pub fn consequence(&self) -> &'static str {
        match self.stays {
            Stays::Before => "The definition from before stays in force.",
            Stays::Shipped => "The definition that comes with the program is in force.",
            Stays::Nothing if self.doctype.is_empty() => "The file has no effect.",
            Stays::Nothing => "The DocType is not available; its table is left as it is.",
        }
    }
}

/// What was chosen.
#[derive(Debug, Default)]
pub(crate) struct Chosen {
    /// The DocTypes in force, and all problems of the files.
    pub loaded: Loaded,
    /// What is held back.
    pub faults: Vec<Fault>,
    /// The DocTypes whose own files do not count.
    pub held_back: BTreeSet<String>,
    /// Kept definitions that are not in force any more: their files were removed, or the DocType was renamed.
    pub gone: BTreeSet<String>,
}

/// A kept DocType that no file defines any more, and the files that did.
pub(crate) type Vanished<'a> = (&'a str, &'a [String]);

/// What there is to choose from.
pub(crate) struct Choice<'a> {
    /// The files.
    pub sources: &'a [Source],
    /// Files and folders that could not be read.
    pub unreadable: &'a [Problem],
    /// The definitions last in force.
    pub kept: &'a BTreeMap<String, Kept>,
    /// Which of those that vanished probably did not do so on purpose.
    pub disappeared: &'a (dyn Fn(&[Vanished<'_>]) -> BTreeSet<String> + Sync),
    /// DocTypes whose files must not count for another reason.
    pub aside: &'a BTreeMap<String, Fault>,
}

/// Chooses: every DocType without an error from its files, the others as they were.
pub(crate) fn choose(choice: &Choice<'_>) -> Chosen {
    let Choice { sources, unreadable, kept, disappeared, aside } = *choice;
    let mut loaded = load(sources);
    let named = std::mem::take(&mut loaded.named);
    let mut problems: Vec<Problem> = unreadable.to_vec();
    problems.append(&mut loaded.problems);
    let mut standing: BTreeMap<String, Option<Source>> = BTreeMap::new();
    let stand_in = |doctype: &str| kept.get(doctype).map(|kept| kept.stand_in(doctype));

    // What no file names any more.
    let old_names: BTreeMap<&str, &str> =
        loaded.doctypes.iter().filter_map(|new| Some((new.renamed_from.as_deref()?, new.name.as_str()))).collect();
    let is_named = |doctype: &str| named.iter().flatten().any(|name| name == doctype);
    let unnamed = kept.iter().filter(|(doctype, _)| !is_named(doctype));
    let mut gone = BTreeSet::new();
    let mut vanished: Vec<Vanished<'_>> = Vec::new();
    let mut missing: BTreeMap<String, String> = BTreeMap::new();
    for (doctype, before) in unnamed {
        let other = sources.iter().zip(&named).find(|(source, _)| before.files.first() == Some(&source.path));
        match old_names.get(doctype.as_str()) {
            Some(new) if aside.contains_key(*new) => {
                standing.insert(doctype.clone(), stand_in(doctype));
            }
            Some(_) => {
                gone.insert(doctype.clone());
            }
            None if is_touched(before, &problems) => {}
            // Half a save, or a renaming that would leave the documents behind.
            None if let Some((source, other)) = other => {
                let now = other.as_deref().unwrap_or("something else");
                let line = format!(
                    "{}: defined {doctype} and now defines {now}: write `renamed_from: {doctype}` there to take its documents along",
                    source.path
                );
                missing.insert(doctype.clone(), line);
            }
            None => vanished.push((doctype, &before.files)),
        }
    }
    let disappeared = disappeared(&vanished);
    for (doctype, files) in vanished {
        if disappeared.contains(doctype) {
            let line = format!("{}: is gone, together with others of its folder", files.join(", "));
            missing.insert(doctype.to_owned(), line);
        } else {
            gone.insert(doctype.to_owned());
        }
    }
    for doctype in missing.keys().chain(aside.keys()) {
        standing.insert(doctype.clone(), stand_in(doctype));
    }

    let mut broken: BTreeSet<String> = BTreeSet::new();
    let mut shut: BTreeSet<String> = BTreeSet::new();
    let mut loaded_with: (BTreeMap<String, Option<Source>>, usize) = (BTreeMap::new(), 0);
    loop {
        let errors = || problems.iter().filter(|problem| problem.severity == Severity::Error);
        let touched = kept.iter().filter(|(doctype, before)| {
            !gone.contains(*doctype) && !standing.contains_key(*doctype) && is_touched(before, &problems)
        });
        broken.extend(touched.map(|(doctype, _)| doctype.clone()));
        broken.extend(errors().filter(|problem| !problem.doctype.is_empty()).map(|problem| problem.doctype.clone()));
        shut.extend(errors().filter(|problem| problem.doctype.is_empty()).map(|problem| problem.file.clone()));
        for doctype in &broken {
            standing.entry(doctype.clone()).or_insert_with(|| stand_in(doctype));
        }
        // An earlier definition only helps if it loads beside the others.
        for problem in loaded.problems.iter().filter(|problem| problem.severity == Severity::Error) {
            if problem.file.starts_with(STAND_IN) {
                standing.insert(problem.doctype.clone(), None);
            }
        }
        if loaded_with == (standing.clone(), shut.len()) {
            break;
        }
        loaded_with = (standing.clone(), shut.len());
        let counts = |(source, named): &(&Source, &Option<String>)| {
            let is_out = named.as_ref().is_some_and(|named| standing.contains_key(named));
            source.is_shipped() || !is_out && !shut.contains(&source.path)
        };
        let mut active: Vec<Source> =
            sources.iter().zip(&named).filter(counts).map(|(source, _)| source.clone()).collect();
        active.extend(standing.values().flatten().cloned());
        let overridden = std::mem::take(&mut loaded.overridden);
        loaded = load(&active);
        loaded.overridden = overridden;
        for problem in &loaded.problems {
            if !problem.file.starts_with(STAND_IN) && !problems.contains(problem) {
                problems.push(problem.clone());
            }
        }
    }

    let faults = faults(&standing, &problems, choice, &broken, &missing, &loaded);
    loaded.problems = problems;
    let held_back = standing.into_keys().collect();
    Chosen { loaded, faults, held_back, gone }
}

/// Whether one of the files of a definition has an error, or lies in a folder that could not be read.
fn is_touched(kept: &Kept, problems: &[Problem]) -> bool {
    problems.iter().any(|problem| problem.severity == Severity::Error && is_about(problem, &kept.files))
}

/// Whether a problem that names no DocType is about one of the files.
fn is_about(problem: &Problem, files: &[String]) -> bool {
    let within = |file: &String| {
        file.strip_prefix(&problem.file).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '\\']))
    };
    problem.doctype.is_empty() && files.iter().any(within)
}

fn faults(
    standing: &BTreeMap<String, Option<Source>>,
    problems: &[Problem],
    choice: &Choice<'_>,
    broken: &BTreeSet<String>,
    missing: &BTreeMap<String, String>,
    loaded: &Loaded,
) -> Vec<Fault> {
    let stays = |doctype: &str| {
        let found = loaded.doctypes.iter().find(|found| found.name == doctype);
        match found.and_then(|found| found.sources.first()) {
            Some(file) if file.starts_with(STAND_IN) => Stays::Before,
            Some(_) => Stays::Shipped,
            None => Stays::Nothing,
        }
    };
    let errors: Vec<&Problem> = problems.iter().filter(|problem| problem.severity == Severity::Error).collect();
    let mut told: BTreeSet<&str> = BTreeSet::new();
    let mut faults = Vec::new();
    let mut add = |doctype: &str, why: Why, lines: Vec<String>| {
        faults.push(Fault { doctype: doctype.to_owned(), why, stays: stays(doctype), lines, statements: Vec::new() });
    };
    for doctype in standing.keys().filter(|doctype| !choice.aside.contains_key(*doctype)) {
        let files = choice.kept.get(doctype).map_or(&[][..], |kept| &kept.files);
        if let Some(line) = missing.get(doctype) {
            add(doctype, Why::Missing, vec![line.clone()]);
        } else if broken.contains(doctype) {
            let concerns = |problem: &&&Problem| problem.doctype == *doctype || is_about(problem, files);
            let found: Vec<&Problem> = errors.iter().filter(concerns).copied().collect();
            told.extend(found.iter().filter(|problem| problem.doctype.is_empty()).map(|problem| problem.file.as_str()));
            add(doctype, Why::Broken, found.iter().map(ToString::to_string).collect());
        }
    }
    for problem in errors.iter().filter(|problem| problem.doctype.is_empty() && !told.contains(problem.file.as_str())) {
        add("", Why::Broken, vec![problem.to_string()]);
    }
    faults.extend(choice.aside.values().map(|fault| Fault { stays: stays(&fault.doctype), ..fault.clone() }));
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOK: &str =
        "name: Book\nfields:\n- {fieldname: title}\n- {fieldname: lines, fieldtype: Table, options: Line}\n";
    const LINE: &str = "name: Line\nistable: 1\nfields:\n- {fieldname: text}\n";

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    fn kept(sources: &[Source]) -> BTreeMap<String, Kept> {
        load(sources).doctypes.iter().map(|doctype| (doctype.name.clone(), Kept::of(doctype))).collect()
    }

    fn choose_from(sources: &[Source], kept: &BTreeMap<String, Kept>) -> Chosen {
        let disappeared = |vanished: &[Vanished<'_>]| -> BTreeSet<String> {
            if vanished.len() > 1 {
                vanished.iter().map(|(name, _)| (*name).to_owned()).collect()
            } else {
                BTreeSet::new()
            }
        };
        let aside = BTreeMap::new();
        choose(&Choice { sources, unreadable: &[], kept, disappeared: &disappeared, aside: &aside })
    }

    fn names(chosen: &Chosen) -> Vec<&str> {
        let mut names: Vec<&str> = chosen.loaded.doctypes.iter().map(|doctype| doctype.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn whatever_a_file_becomes_its_doctype_stays_and_the_others_are_new() {
        let good = [source("d/book.yaml", BOOK), source("d/line.yaml", LINE)];
        let kept = kept(&good);
        let newer = LINE.replace("text}", "text}\n- {fieldname: more}");
        let table = [
            "",
            "\n# gone\n",
            "na",
            "name: Bo",
            "name: Book\nfields:\n- {fieldname",
            "[1]",
            "name: Other\nx: 1",
            "\u{0}",
        ];
        for text in table {
            let chosen = choose_from(&[source("d/book.yaml", text), source("d/line.yaml", &newer)], &kept);
            assert!(["Book", "Line"].iter().all(|name| names(&chosen).contains(name)), "{text}: {:?}", chosen.faults);
            let find = |name| chosen.loaded.doctypes.iter().find(|doctype| doctype.name == name).unwrap();
            assert!(find("Book").field("lines").is_some() && find("Line").field("more").is_some(), "{text}");
            assert!(
                chosen.faults.iter().any(|fault| fault.doctype == "Book" && fault.stays == Stays::Before),
                "{text}"
            );
            assert!(chosen.faults.iter().all(|fault| fault.lines[0].contains("d/book.yaml")), "{:?}", chosen.faults);
            assert!(chosen.gone.is_empty());
        }
        let chosen =
            choose_from(&[source("d/book.yaml", BOOK), source("d/line.yaml", "name: Line\nistabel: 1")], &kept);
        assert_eq!(names(&chosen), ["Book", "Line"]);
        assert!(chosen.loaded.doctypes.iter().any(|doctype| doctype.field("lines").is_some()));
        assert_eq!(chosen.faults.len(), 1);
    }

    #[test]
    fn without_a_definition_from_before_only_the_broken_one_is_missing() {
        let none = BTreeMap::new();
        let chosen =
            choose_from(&[source("d/book.yaml", BOOK), source("d/line.yaml", "name: Line\nistabel: 1")], &none);
        assert_eq!(names(&chosen), ["Book"]);
        assert!(chosen.loaded.doctypes[0].field("lines").is_none(), "the table is left out");
        assert_eq!(chosen.faults[0].stays, Stays::Nothing);
    }

    #[test]
    fn an_overlay_that_breaks_leaves_the_whole_as_it_was() {
        let overlay = source("d/mine.yaml", "extends: Line\nfields:\n- {fieldname: mine}\n");
        let good = [source("embedded/doctypes/line.yaml", LINE), overlay];
        let kept = kept(&good);
        for text in ["extends: Line\nfields:\n- {fieldname: mi ne}", "extends: Lin", "", "extends: Line\n {"] {
            let broken = [good[0].clone(), source("d/mine.yaml", text)];
            let chosen = choose_from(&broken, &kept);
            assert!(chosen.loaded.doctypes[0].field("mine").is_some(), "{text}: {:?}", chosen.faults);
            assert_eq!(
                chosen.faults.iter().find(|fault| fault.doctype == "Line").unwrap().stays,
                Stays::Before,
                "{text}"
            );
            let fresh = choose_from(&broken, &BTreeMap::new());
            assert_eq!(names(&fresh), ["Line"], "{text}: the shipped one serves");
            assert!(!fresh.faults.is_empty());
        }
    }

    #[test]
    fn a_removed_file_takes_its_doctype_along_but_many_at_once_do_not() {
        let good = [source("d/book.yaml", BOOK), source("d/line.yaml", LINE)];
        let kept = kept(&good);
        let chosen = choose_from(&good[1..], &kept);
        assert_eq!((names(&chosen), chosen.gone.len(), chosen.faults.len()), (vec!["Line"], 1, 0));
        let chosen = choose_from(&[], &kept);
        assert_eq!((names(&chosen), chosen.gone.len()), (vec!["Book", "Line"], 0));
        assert!(chosen.faults.iter().all(|fault| fault.why == Why::Missing));
    }

    #[test]
    fn a_renamed_doctype_replaces_the_old_one_and_comes_back_if_it_breaks() {
        let kept = kept(&[source("d/line.yaml", LINE)]);
        let renamed = "name: Row\nrenamed_from: Line\nistable: 1\nfields:\n- {fieldname: text}\n";
        let chosen = choose_from(&[source("d/row.yaml", renamed)], &kept);
        assert_eq!((names(&chosen), chosen.gone.contains("Line")), (vec!["Row"], true));
        let chosen = choose_from(&[source("d/line.yaml", &renamed[..20])], &kept);
        assert!(names(&chosen).contains(&"Line"), "{:?}", chosen.faults);
    }

    #[test]
    fn what_is_kept_is_the_same_definition() {
        let text = "name: Book\ntrack_seen: 1\nis_submittable: true\nautoname: field:code\nfields:\n- {fieldname: code, options: [a, b], fieldtype: Select}\n- {fieldname: who, fieldtype: Link, options: DocType, link_filters: [[DocType, name, =, x]], on_delete: cascade, guarded: 1}\npermissions:\n- {role: All, read: 1, if_owner: 1}\n";
        let first = load(&[source("d/book.yaml", text)]);
        let again = load(&[Kept::of(&first.doctypes[0]).stand_in("Book")]);
        let strip = |loaded: &Loaded| {
            let doctype = &loaded.doctypes[0];
            let mut fields = doctype.fields.clone();
            for field in &mut fields {
                field.raw.clear();
            }
            format!("{} {fields:?} {:?} {:?}", Kept::of(doctype).definition, doctype.permissions, doctype.naming_rule)
        };
        assert_eq!(strip(&first), strip(&again));
    }
}
