//! Files and folders that nobody but their owner may read.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// Makes a folder that only its owner may enter, with those above it; one that is there stays as it is.
pub(crate) fn own_folder(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Writes a new file that only its owner may read; never over an old one.
pub(crate) fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = create_new(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Puts another text in place of that of a file, whole or not at all, also if the machine stops meanwhile. Owner, group and
/// permissions stay, as far as only its owner and group have any.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    // Where the name is a link, the file behind it is meant.
    let path = path.canonicalize()?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(text.as_bytes())?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
        let (old, own) = (std::fs::metadata(&path)?, new.as_file().metadata()?);
        if (old.uid(), old.gid()) != (own.uid(), own.gid()) {
            fchown(new.as_file(), Some(old.uid()), Some(old.gid()))?;
        }
        new.as_file().set_permissions(std::fs::Permissions::from_mode(old.mode() & 0o770))?;
    }
    new.as_file().sync_all()?;
    new.persist(&path).map_err(|refused| refused.error)?;
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// Adds a text at the end of a file that only its owner may read, durably; the file is made if it is not there.
pub(crate) fn append(path: &Path, text: &str) -> io::Result<()> {
    own_file(path)?;
    let mut file = OpenOptions::new().append(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Makes an empty file that only its owner may read, unless it is there, and takes one that is there from the others.
pub(crate) fn own_file(path: &Path) -> io::Result<()> {
    match create_new(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => {
            keep_to_owner(path);
            Ok(())
        }
    }
}

fn create_new(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        own_folder(folder)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Takes from everybody but the owner what they may do with a file or folder. That this fails, as with files of somebody
/// else, is told in the log.
pub(crate) fn keep_to_owner(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let Ok(metadata) = std::fs::metadata(path) else { return };
        let mode = metadata.permissions().mode();
        let kept = mode & !0o077;
        if mode == kept {
            return;
        }
        let kept = std::fs::Permissions::from_mode(kept);
        match std::fs::set_permissions(path, kept) {
            Ok(()) => tracing::info!(path = %path.display(), "others could read this: now its owner alone can"),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "others may read this: run chmod go-rwx on it");
            }
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}
