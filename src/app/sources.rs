//! Where DocType files come from: embedded in the program, beside it, in the working folder, and where the configuration says.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use indexmap::IndexMap;
use rust_embed::RustEmbed;

use crate::config::Config;
use crate::meta::load::Source;

#[derive(RustEmbed)]
#[folder = "doctypes/"]
struct Embedded;

/// The folder that adds to the embedded files and overrides them.
const FOLDER: &str = "doctypes";
/// How deep folders may lie in each other; a link that leads back up ends here.
const DEPTH: usize = 16;

/// Every DocType file, in the order in which they count: a later DocType of the same name replaces an earlier one.
pub fn all(config: &Config, extra: &[Source]) -> anyhow::Result<Vec<Source>> {
    // A file in a `doctypes` folder takes the place of the embedded one with the same path.
    let mut shipped: IndexMap<String, Source> = IndexMap::new();
    for path in Embedded::iter().filter(|path| is_doctype_file(Path::new(&**path))) {
        if let Some(file) = Embedded::get(&path) {
            let text = String::from_utf8(file.data.into_owned()).with_context(|| format!("embedded {path}"))?;
            shipped.insert(path.to_string(), Source { path: format!("embedded/{FOLDER}/{path}"), text });
        }
    }
    let mut further: Vec<Source> = Vec::new();
    for folder in folders(config) {
        let overrides = folder.file_name().is_some_and(|name| name == FOLDER);
        for path in files(&folder)? {
            let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
            let source = Source { path: path.display().to_string(), text };
            let relative = path.strip_prefix(&folder).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            match shipped.get_mut(&relative) {
                Some(slot) if overrides => *slot = source,
                _ => further.push(source),
            }
        }
    }
    Ok(shipped.into_values().chain(further).chain(extra.iter().cloned()).collect())
}

/// The folders that exist, each once: beside the program, in the working folder, and the configured ones.
pub fn folders(config: &Config) -> Vec<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.join(FOLDER)));
    let mut folders: Vec<PathBuf> = Vec::new();
    let mut seen: Vec<PathBuf> = Vec::new();
    for folder in beside.into_iter().chain(config.doctypes.iter().cloned()) {
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
fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    collect(folder, DEPTH, &mut found).with_context(|| format!("read the folder {}", folder.display()))?;
    found.sort();
    Ok(found)
}

fn collect(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
            continue;
        }
        if path.is_dir() {
            if depth > 0 {
                collect(&path, depth - 1, found)?;
            }
        } else if is_doctype_file(&path) {
            found.push(path);
        }
    }
    Ok(())
}

/// YAML and JSON, but not the schema that editors read. Files that editors write on the way have other endings.
pub fn is_doctype_file(path: &Path) -> bool {
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
        let sources = all(&config(Vec::new()), &[]).unwrap();
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
        let sources = all(&config(vec![doctypes.clone(), doctypes]), &[]).unwrap();
        let with = |end: &str| -> Vec<&str> {
            sources.iter().filter(|source| source.path.ends_with(end)).map(|source| source.text.as_str()).collect()
        };
        assert_eq!(with("core/user.yaml"), ["name: User"]);
        assert_eq!(with("book.yaml"), ["name: Book"]);
        assert!(with(".txt").is_empty() && with("schema.json").is_empty() && with("x.yaml").is_empty());
    }
}
