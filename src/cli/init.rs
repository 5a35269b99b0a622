//! `doctyped init`: a folder that serves at once.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};

use crate::secret::private;

/// What is in a new folder. `{name}` stands for its name.
const FILES: [(&str, &str); 4] = [
    ("doctyped.toml", include_str!("start/doctyped.toml")),
    ("doctypes/library/book.yaml", include_str!("start/book.yaml")),
    ("README.md", include_str!("start/README.md")),
    (".gitignore", "/data/\n"),
];

/// Makes the folder; one that is there must be empty. Returns what to do next.
pub(super) fn init(folder: &Path) -> anyhow::Result<String> {
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let name =
        name.with_context(|| format!("{} is not a name: call the folder for example library", folder.display()))?;
    let is_empty = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(error).with_context(|| format!("read the folder {}", folder.display())),
    };
    ensure!(is_empty, "{} is there already and not empty: name a new folder", folder.display());
    for (path, text) in FILES {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("make the folder {}", parent.display()))?;
        }
        let text = text.replace("{name}", &name);
        // Passwords come to stand in the settings; nothing is written over.
        let written = if path.ends_with("doctyped.toml") {
            private::write_new(&path, &text)
        } else {
            fs::File::create_new(&path).and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
        };
        written.with_context(|| format!("write {}", path.display()))?;
    }
    Ok(format!("{0} is ready:\n\n  cd {0}\n  doctyped serve", folder.display()))
}
