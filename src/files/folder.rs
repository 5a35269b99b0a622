//! Files in a folder of this machine, or of one that several nodes share.

use std::fs;
use std::io::{ErrorKind, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::pin::Pin;
use std::time::UNIX_EPOCH;

use anyhow::Context as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};

use crate::error::{Error, Result};
use crate::files::{Content, Found, Source, Spooled, TEMPORARY};
use crate::secret::private;

/// What went wrong with a file.
pub(crate) fn failed(path: &Path, error: std::io::Error) -> Error {
    if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
        tracing::error!(path = %path.display(), %error, "the disk of the files is full");
        return Error::StorageFull("The disk is full: no file can be stored until there is room".to_owned());
    }
    Error::Internal(anyhow::Error::new(error).context(path.display().to_string()))
}

pub(super) async fn find(path: &Path) -> Result<Option<Found>> {
    let file = match tokio::fs::File::open(path).await {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, error)),
    };
    let metadata = file.metadata().await.map_err(|error| failed(path, error))?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let length = metadata.len();
    let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let etag = format!("\"{length:x}-{:x}\"", changed.as_nanos());
    Ok(Some(Found { length, etag, content: Source::Folder(file) }))
}

pub(super) async fn read(mut file: tokio::fs::File, part: Range<u64>) -> Result<Pin<Box<dyn AsyncRead + Send>>> {
    if part.start > 0 {
        file.seek(SeekFrom::Start(part.start)).await.map_err(Error::internal)?;
    }
    Ok(Box::pin(file.take(part.end - part.start)))
}

pub(super) async fn create(path: &Path, content: Content) -> Result<Result<(), Content>> {
    let failed = |error| failed(path, error);
    private::own_folder(path.parent().unwrap_or(path)).map_err(failed)?;
    // Made only if it is not there.
    let bytes = match content {
        Content::Bytes(bytes) => bytes,
        Content::File(spooled) => {
            return match spooled.file.persist_noclobber(path) {
                Ok(_) => Ok(Ok(())),
                Err(refused) if refused.error.kind() == ErrorKind::AlreadyExists => {
                    Ok(Err(Content::File(Spooled { file: refused.file, ..spooled })))
                }
                Err(refused) => Err(failed(refused.error)),
            };
        }
    };
    let mut file = match tokio::fs::OpenOptions::new().write(true).create_new(true).open(path).await {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(Err(Content::Bytes(bytes))),
        Err(error) => return Err(failed(error)),
    };
    let mut written = file.write_all(&bytes).await;
    if written.is_ok() {
        written = file.sync_all().await;
    }
    if written.is_err() {
        remove(path);
    }
    written.map(Ok).map_err(failed)
}

pub(super) fn remove(path: &Path) {
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(path = %path.display(), %error, "a file could not be removed"),
    }
}

/// The paths of all files below a folder, but for those that are there for a while only.
pub(super) fn paths(folder: &Path) -> anyhow::Result<Vec<String>> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        let entries = match fs::read_dir(&next) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries.with_context(|| format!("read the folder {}", next.display()))?,
        };
        for entry in entries {
            let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
            if kind.is_dir() && path != folder.join(TEMPORARY) {
                folders.push(path);
            } else if kind.is_file() {
                let below = path.strip_prefix(folder).ok().and_then(Path::to_str);
                found.push(below.with_context(|| format!("{} is not UTF-8", path.display()))?.to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

pub(super) fn open(path: &Path) -> anyhow::Result<Option<fs::File>> {
    match fs::File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some).with_context(|| format!("open {}", path.display())),
    }
}

pub(super) fn take_in(waiting: &Path, folder: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(waiting)? {
        let entry = entry?;
        fs::rename(entry.path(), folder.join(entry.file_name()))?;
    }
    Ok(())
}
