//! The folder of uploaded files on disk: `public` and `private`, flat, each file written once under a name of its own.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tokio::fs;
use tokio::io::AsyncWriteExt as _;

use crate::error::{Error, Result};
use crate::rest::files::{PRIVATE, PUBLIC, name};
use crate::secret::{self, private};

/// How many names are tried for a file before one is made up.
const TRIES: u32 = 5;

/// The folder of uploaded files.
#[derive(Clone, Debug)]
pub(in crate::rest) struct Folder(PathBuf);

/// A file just written, removed again unless it is kept.
pub(in crate::rest) struct Stored {
    url: String,
    path: Option<PathBuf>,
}

impl Stored {
    /// The address under which it is served.
    pub(in crate::rest) fn url(&self) -> &str {
        &self.url
    }

    /// Keeps the file: its document is stored.
    pub(in crate::rest) fn keep(mut self) {
        self.path = None;
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        if let Some(path) = self.path.take()
            && let Err(error) = std::fs::remove_file(&path)
        {
            tracing::warn!(path = %path.display(), %error, "a file without a document could not be removed");
        }
    }
}

/// The digest of a file's bytes: SHA-256 in hexadecimal.
pub(in crate::rest) fn content_hash(content: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = |byte: u8| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    secret::sha256(content).into_iter().flat_map(digits).map(char::from).collect()
}

impl Folder {
    /// The folder at a path; made when the first file is written.
    pub(in crate::rest) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Where the file of an address lies; `None` for addresses that are not ours.
    pub(in crate::rest) fn path(&self, url: &str) -> Option<PathBuf> {
        let (kind, file) = match (url.strip_prefix(PRIVATE), url.strip_prefix(PUBLIC)) {
            (Some(file), _) => ("private", file),
            (None, Some(file)) => ("public", file),
            (None, None) => return None,
        };
        name::is_plain(file).then(|| self.0.join(kind).join(file))
    }

    /// Writes a file under its name, or under one with a part of its digest if another file has it.
    pub(in crate::rest) async fn write(
        &self,
        file_name: &str,
        is_private: bool,
        content: Vec<u8>,
        hash: &str,
    ) -> Result<Stored> {
        let (kind, prefix) = if is_private { ("private", PRIVATE) } else { ("public", PUBLIC) };
        let folder = self.0.join(kind);
        private::own_folder(&folder).map_err(|error| failed(&folder, error))?;
        for attempt in 0..=TRIES {
            let candidate = match attempt {
                0 => file_name.to_owned(),
                1 => name::with_suffix(file_name, &hash[hash.len().saturating_sub(6)..]),
                _ => name::with_suffix(file_name, &secret::random_name()),
            };
            let path = folder.join(&candidate);
            // Made only if it is not there: two uploads at once never share a file.
            let mut file = match fs::OpenOptions::new().write(true).create_new(true).open(&path).await {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(failed(&path, error)),
            };
            let stored = Stored { url: format!("{prefix}{candidate}"), path: Some(path.clone()) };
            file.write_all(&content).await.map_err(|error| failed(&path, error))?;
            // What was answered survives a crash.
            file.sync_all().await.map_err(|error| failed(&path, error))?;
            return Ok(stored);
        }
        Err(Error::internal(anyhow::anyhow!("no free name for the file {file_name}")))
    }

    /// Copies a stored file to the other side of privacy.
    pub(in crate::rest) async fn copy(&self, url: &str, file_name: &str, is_private: bool) -> Result<Stored> {
        let Some(path) = self.path(url) else {
            return Err(Error::internal(anyhow::anyhow!("{url} is no file of this site")));
        };
        let content = fs::read(&path).await.map_err(|error| failed(&path, error))?;
        let hash = content_hash(&content);
        self.write(file_name, is_private, content, &hash).await
    }

    /// The size and the digest of a stored file; `None` if it is not there.
    pub(in crate::rest) async fn measure(&self, url: &str) -> Result<Option<(u64, String)>> {
        let Some(path) = self.path(url) else { return Ok(None) };
        match fs::read(&path).await {
            Ok(content) => Ok(Some((content.len() as u64, content_hash(&content)))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&path, error)),
        }
    }

    /// Removes the file of an address; that it is gone already is no failure.
    pub(in crate::rest) fn remove(&self, url: &str) {
        let Some(path) = self.path(url) else { return };
        match std::fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(path = %path.display(), %error, "a deleted file could not be removed"),
        }
    }
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
        tracing::error!(path = %path.display(), %error, "the disk of the files is full");
        return Error::StorageFull("The disk is full: no file can be stored until there is room".to_owned());
    }
    Error::Internal(anyhow::Error::new(error).context(path.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_never_overwrite_each_other_and_go_unless_kept() {
        let folder = tempfile::tempdir().unwrap();
        let files = Folder::new(folder.path());
        let first = files.write("a.txt", false, b"one".to_vec(), &content_hash(b"one")).await.unwrap();
        let second = files.write("a.txt", false, b"two".to_vec(), &content_hash(b"two")).await.unwrap();
        let third = files.write("a.txt", false, b"two".to_vec(), &content_hash(b"two")).await.unwrap();
        assert_eq!(first.url(), "/files/a.txt");
        assert!(second.url().starts_with("/files/a") && second.url() != first.url());
        assert!(third.url() != second.url());
        let (kept, gone) = (first.url().to_owned(), second.url().to_owned());
        first.keep();
        drop(second);
        assert!(files.path(&kept).unwrap().is_file());
        assert!(!files.path(&gone).unwrap().exists());
        let private = files.copy(&kept, "a.txt", true).await.unwrap();
        assert_eq!(private.url(), "/private/files/a.txt");
        assert_eq!(files.measure(&kept).await.unwrap().unwrap().0, 3);
    }

    #[test]
    fn addresses_never_leave_the_folder() {
        let files = Folder::new(Path::new("/data"));
        assert_eq!(files.path("/files/a.txt").unwrap(), Path::new("/data/public/a.txt"));
        assert_eq!(files.path("/private/files/a.txt").unwrap(), Path::new("/data/private/a.txt"));
        for url in
            ["/files/../x", "/files/a/b", "/files/.x", "/files/", "/etc/passwd", "https://x/files/a", "/files/a\\b"]
        {
            assert_eq!(files.path(url), None, "{url}");
        }
    }
}
