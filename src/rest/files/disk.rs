//! The folder of uploaded files on disk: `public` and `private`, flat, each file written once under a name of its own.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tokio::fs;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::error::{Error, Result};
use crate::rest::files::{PRIVATE, PUBLIC, name};
use crate::secret::{self, Sha256, private};
use crate::web::spool::{Spooled, TEMPORARY, failed};

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

/// The bytes of a file to be stored: in memory, or on disk as they came.
pub(in crate::rest) enum Content {
    /// In memory.
    Bytes(Vec<u8>),
    /// On disk.
    File(Spooled),
}

impl Content {
    /// How many there are.
    pub(in crate::rest) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(file) => file.length,
        }
    }

    /// Their digest: SHA-256 in hexadecimal.
    pub(in crate::rest) fn hash(&self) -> String {
        match self {
            Self::Bytes(bytes) => hex(secret::sha256(bytes)),
            Self::File(file) => hex(file.sha256),
        }
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Spooled> for Content {
    fn from(file: Spooled) -> Self {
        Self::File(file)
    }
}

fn hex(digest: [u8; 32]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = |byte: u8| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    digest.into_iter().flat_map(digits).map(char::from).collect()
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
        mut content: Content,
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
            let stored = |path: &Path| Stored { url: format!("{prefix}{candidate}"), path: Some(path.to_owned()) };
            // Made only if it is not there: two uploads at once never share a file.
            let bytes = match content {
                Content::Bytes(ref bytes) => bytes,
                Content::File(spooled) => match spooled.file.persist_noclobber(&path) {
                    Ok(_) => return Ok(stored(&path)),
                    Err(refused) if refused.error.kind() == ErrorKind::AlreadyExists => {
                        content = Content::File(Spooled { file: refused.file, ..spooled });
                        continue;
                    }
                    Err(refused) => return Err(failed(&path, refused.error)),
                },
            };
            let mut file = match fs::OpenOptions::new().write(true).create_new(true).open(&path).await {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(failed(&path, error)),
            };
            let stored = stored(&path);
            file.write_all(bytes).await.map_err(|error| failed(&path, error))?;
            // What was answered survives a crash.
            file.sync_all().await.map_err(|error| failed(&path, error))?;
            return Ok(stored);
        }
        Err(Error::internal(anyhow::anyhow!("no free name for the file {file_name}")))
    }

    /// Copies a stored file to the other side of privacy.
    pub(in crate::rest) async fn copy(&self, url: &str, file_name: &str, is_private: bool) -> Result<Stored> {
        let Some(path) = self.path(url) else {
            return Err(Error::internal(anyhow::anyhow!("{url} is not a file of this site")));
        };
        let file = fs::File::open(&path).await.map_err(|error| failed(&path, error))?;
        let content = Content::File(Spooled::read(&self.0.join(TEMPORARY), file).await?);
        let hash = content.hash();
        self.write(file_name, is_private, content, &hash).await
    }

    /// The size and the digest of a stored file; `None` if it is not there.
    pub(in crate::rest) async fn measure(&self, url: &str) -> Result<Option<(u64, String)>> {
        let Some(path) = self.path(url) else { return Ok(None) };
        let mut file = match fs::File::open(&path).await {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&path, error)),
        };
        let (mut digest, mut length, mut piece) = (Sha256::default(), 0, vec![0; 64 * 1024]);
        loop {
            let read = file.read(&mut piece).await.map_err(|error| failed(&path, error))?;
            if read == 0 {
                return Ok(Some((length, hex(digest.finish()))));
            }
            digest.update(&piece[..read]);
            length += read as u64;
        }
    }

    /// Removes the file of an address; that it is gone already is not a failure.
    pub(in crate::rest) fn remove(&self, url: &str) {
        let Some(path) = self.path(url) else { return };
        match std::fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(path = %path.display(), %error, "a deleted file could not be removed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_never_overwrite_each_other_and_go_unless_kept() {
        let folder = tempfile::tempdir().unwrap();
        let files = Folder::new(folder.path());
        let first = files.write("a.txt", false, b"one".to_vec().into(), "111111").await.unwrap();
        let second = files.write("a.txt", false, b"two".to_vec().into(), "222222").await.unwrap();
        let third = files.write("a.txt", false, b"two".to_vec().into(), "222222").await.unwrap();
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
