//! Where DocType files come from: embedded in the program, beside it, in the working folder, and where the configuration says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rust_embed::RustEmbed;

use crate::config::Config;
use crate::meta::in_force::Vanished;
use crate::meta::load::{Problem, SHIPPED, Severity, Source};

#[derive(RustEmbed)]
#[folder = "doctypes/"]
struct Embedded;

/// The folder of the shipped files, and of those beside the program and in the working folder.
const FOLDER: &str = "doctypes";
/// How deep folders may lie in each other; a link that leads back up ends here.
const DEPTH: usize = 16;

/// The DocType files, and what could not be read of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Files {
    /// In the order in which they count: a later DocType of the same name replaces an earlier one.
    pub sources: Vec<Source>,
    /// A problem for each file or folder that could not be read.
    pub unreadable: Vec<Problem>,
}

impl Files {
    fn note(&mut self, path: &Path, message: String) {
        self.unreadable.push(Problem {
            severity: Severity::Error,
            file: path.display().to_string(),
            line: 1,
            doctype: String::new(),
            field: None,
            message,
        });
    }

    /// Gives one file another text, or takes it away; a new one stands where it would be read.
    pub(crate) fn put(&mut self, config: &Config, path: &str, text: Option<&str>) {
        let at = self.sources.iter().position(|source| source.path == path);
        let new = text.map(|text| Source { path: path.to_owned(), text: text.to_owned() });
        match (at, new) {
            (Some(at), Some(new)) => self.sources[at] = new,
            (Some(at), None) => {
                self.sources.remove(at);
            }
            (None, Some(new)) => {
                let root = folders(config).into_iter().find(|folder| Path::new(path).starts_with(folder));
                let is_before = |source: &Source| {
                    source.is_shipped()
                        || root.as_ref().is_some_and(|root| {
                            Path::new(&source.path).starts_with(root) && Path::new(&source.path) < Path::new(path)
                        })
                };
                let at = self.sources.iter().rposition(is_before).map_or(0, |at| at + 1);
                self.sources.insert(at, new);
            }
            (None, None) => {}
        }
    }
}

/// Every DocType file there is. The shipped ones come first, so that others replace them or are set aside.
pub(crate) fn all(config: &Config, extra: &[Source]) -> Files {
    let mut found = Files::default();
    for path in Embedded::iter().filter(|path| is_doctype_file(Path::new(&**path))) {
        if let Some(file) = Embedded::get(&path) {
            let text = String::from_utf8_lossy(&file.data).into_owned();
            found.sources.push(Source { path: format!("{SHIPPED}{FOLDER}/{path}"), text });
        }
    }
    for folder in folders(config) {
        for path in files(&folder, &mut found) {
            match std::fs::read(&path).map(String::from_utf8) {
                Ok(Ok(text)) => found.sources.push(Source { path: path.display().to_string(), text }),
                Ok(Err(_)) => found.note(&path, "is not UTF-8 text: save it in that encoding".to_owned()),
                Err(error) => found.note(&path, format!("cannot be read: {error}")),
            }
        }
    }
    found.sources.extend(extra.iter().cloned());
    found
}

/// Which DocTypes probably did not vanish on purpose: their folder is not mounted, or the server runs in another one.
///
/// A file that was removed, or a folder with all that is in it, is meant. A configured folder that is gone, or a folder that is
/// still there and has lost all of several DocTypes, is not.
pub(crate) fn disappeared(config: &Config, present: &[Source], vanished: &[Vanished<'_>]) -> BTreeSet<String> {
    let roots = || beside().into_iter().chain(config.doctypes.iter().cloned());
    let folder_of = |files: &[String]| files.first().and_then(|file| Path::new(file).parent()).map(Path::to_owned);
    let mut by_folder: BTreeMap<PathBuf, Vec<&str>> = BTreeMap::new();
    for (doctype, files) in vanished.iter().filter(|(_, files)| files.iter().all(|file| !file.starts_with(SHIPPED))) {
        if let Some(folder) = folder_of(files) {
            by_folder.entry(folder).or_default().push(doctype);
        }
    }
    let mut held = BTreeSet::new();
    for (folder, doctypes) in by_folder {
        let root = roots().find(|root| folder.starts_with(root));
        let is_root = root.as_ref().is_some_and(|root| *root == folder);
        let is_emptied = !present.iter().any(|source| Path::new(&source.path).parent() == Some(&folder));
        let was_removed = !is_root && root.is_some() && !folder.is_dir();
        let root_is_gone = root.is_some_and(|root| !root.is_dir());
        if root_is_gone || is_emptied && doctypes.len() > 1 && !was_removed {
            held.extend(doctypes.into_iter().map(str::to_owned));
        }
    }
    held
}

fn beside() -> Option<PathBuf> {
    std::env::current_exe().ok().and_then(|path| Some(path.parent()?.join(FOLDER)))
}

/// The folders that exist, each once: beside the program, in the working folder, and the configured ones.
pub(crate) fn folders(config: &Config) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    let mut seen: Vec<PathBuf> = Vec::new();
    for folder in beside().into_iter().chain(config.doctypes.iter().cloned()) {
        if let Ok(real) = folder.canonicalize()
            && real.is_dir()
            && !seen.contains(&real)
        {
            seen.push(real);
            folders.push(folder);
        }
    }
    folders
}

/// The DocType files below a folder, by path.
fn files(folder: &Path, unreadable: &mut Files) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(folder, DEPTH, &mut found, unreadable);
    found.sort();
    found
}

fn collect(folder: &Path, depth: usize, found: &mut Vec<PathBuf>, unreadable: &mut Files) {
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let entries = match entries {
        Ok(entries) => entries,
        Err(error) => return unreadable.note(folder, format!("the folder cannot be read: {error}")),
    };
    for path in entries.into_iter().map(|entry| entry.path()) {
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
            continue;
        }
        if path.is_dir() {
            if depth > 0 {
                collect(&path, depth - 1, found, unreadable);
            }
        } else if is_doctype_file(&path) {
            found.push(path);
        }
    }
}

/// YAML and JSON, but not the schema that editors read. Files that editors write on the way have other endings.
pub(crate) fn is_doctype_file(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let known =
        path.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known));
    known && !name.starts_with('.') && !name.ends_with(".schema.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(folders: Vec<PathBuf>) -> Config {
        Config { doctypes: folders, ..Config::default() }
    }

    #[test]
    fn the_shipped_doctypes_are_inside_the_program() {
        let sources = all(&config(Vec::new()), &[]).sources;
        assert!(sources.iter().any(|source| source.path == "embedded/doctypes/core/user.yaml"));
    }

    #[test]
    fn a_doctypes_folder_overrides_and_adds() {
        let folder = tempfile::tempdir().unwrap();
        let doctypes = folder.path().join("doctypes");
        std::fs::create_dir_all(doctypes.join("core")).unwrap();
        std::fs::create_dir_all(doctypes.join(".git")).unwrap();
        std::fs::write(doctypes.join("core/user.yaml"), "name: User").unwrap();
        std::fs::write(doctypes.join("core/book.yaml"), "name: Book").unwrap();
        std::fs::write(doctypes.join("core/notes.txt"), "no DocType").unwrap();
        std::fs::write(doctypes.join("doctype.schema.json"), "{}").unwrap();
        std::fs::write(doctypes.join(".git/x.yaml"), "no").unwrap();
        let sources = all(&config(vec![doctypes.clone(), doctypes]), &[]).sources;
        let with = |end: &str| -> Vec<&str> {
            sources.iter().filter(|source| source.path.ends_with(end)).map(|source| source.text.as_str()).collect()
        };
        assert_eq!(with("core/user.yaml").last(), Some(&"name: User"));
        assert_eq!(with("book.yaml"), ["name: Book"]);
        assert!(with(".txt").is_empty() && with("schema.json").is_empty() && with("x.yaml").is_empty());
    }

    #[test]
    fn what_cannot_be_read_holds_up_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.yaml"), b"name: \xff").unwrap();
        std::fs::write(folder.path().join("b.yaml"), "name: Book").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("/nowhere/at/all.yaml", folder.path().join("c.yaml")).unwrap();
        let found = all(&config(vec![folder.path().to_owned()]), &[]);
        assert!(found.sources.iter().any(|source| source.text == "name: Book"));
        assert_eq!(found.unreadable.len(), if cfg!(unix) { 2 } else { 1 }, "{:?}", found.unreadable);
    }

    #[test]
    fn removed_files_and_folders_are_meant_but_not_a_folder_that_is_gone_or_suddenly_empty() {
        let folder = tempfile::tempdir().unwrap();
        let (root, app) = (folder.path().join("doctypes"), folder.path().join("doctypes/app"));
        std::fs::create_dir_all(&app).unwrap();
        let config = config(vec![root.clone()]);
        let file = |folder: &Path, name: &str| vec![folder.join(name).display().to_string()];
        let (a, b) = (file(&app, "a.yaml"), file(&app, "b.yaml"));
        let vanished: [Vanished<'_>; 2] = [("A", &a), ("B", &b)];
        let held = |vanished: &[Vanished<'_>], present: &[Source]| disappeared(&config, present, vanished).len();
        assert_eq!(held(&vanished[..1], &[]), 0, "one file was removed");
        assert_eq!(held(&vanished, &[]), 2, "the folder is there and empty, as a mount point is");
        let other = [Source { path: file(&app, "c.yaml").remove(0), text: String::new() }];
        assert_eq!(held(&vanished, &other), 0, "others of the folder are there");
        std::fs::remove_dir(&app).unwrap();
        assert_eq!(held(&vanished, &[]), 0, "the folder was removed");
        std::fs::remove_dir(&root).unwrap();
        assert_eq!(held(&vanished[..1], &[]), 1, "all folders are gone");
    }
}
