//! From text to DocTypes.

use super::{Loaded, Problem, Source, load};

fn source(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

fn messages(loaded: &Loaded) -> Vec<String> {
    loaded.problems.iter().map(Problem::to_string).collect()
}

/// Reads a folder of DocType files, however deep.
fn sources_in(folder: &std::path::Path, found: &mut Vec<Source>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources_in(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "json") {
            found.push(source(&path.to_string_lossy(), &std::fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn unmodified_frappe_files_load_without_an_error() {
    let Some(folder) = std::env::var_os("DOCTYPED_FRAPPE_DOCTYPES") else {
        eprintln!("SKIPPED: set DOCTYPED_FRAPPE_DOCTYPES to a folder of Frappe's DocType files");
        return;
    };
    let mut sources = Vec::new();
    sources_in(folder.as_ref(), &mut sources);
    let loaded = load(&sources);
    for message in messages(&loaded) {
        eprintln!("{message}");
    }
    assert!(!loaded.has_errors());
    assert_eq!(loaded.doctypes.len(), sources.len());
}

#[test]
fn shipped_doctypes_load_without_a_problem() {
    let mut sources = Vec::new();
    sources_in(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("doctypes"), &mut sources);
    let loaded = load(&sources);
    assert_eq!(messages(&loaded), Vec::<String>::new());
    assert_eq!(loaded.doctypes.len(), sources.len());
}
