//! The bytes of uploaded files by their addresses: public ones and private ones, each written once under a name of its own.

use tokio::io::AsyncReadExt as _;

use crate::error::{Error, Result};
use crate::files::address::path_of;
use crate::files::{Content, Files, Spooled};
use crate::rest::files::{PRIVATE, PUBLIC, name};
use crate::secret::{self, Sha256};

/// How many names are tried for a file before one is made up.
const TRIES: u32 = 5;

/// A file just written, removed again unless it is kept.
pub(in crate::rest) struct Stored {
    url: String,
    unless_kept: Option<(Files, String)>,
}

impl Stored {
    /// The address under which it is served.
    pub(in crate::rest) fn url(&self) -> &str {
        &self.url
    }

    /// Keeps the file: its document is stored.
    pub(in crate::rest) fn keep(mut self) {
        self.unless_kept = None;
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        if let Some((files, path)) = self.unless_kept.take() {
            files.remove(&path);
        }
    }
}

/// Writes a file under its name, or under one with a part of its digest if another file has it.
pub(in crate::rest) async fn write(
    files: &Files,
    file_name: &str,
    is_private: bool,
    mut content: Content,
    hash: &str,
) -> Result<Stored> {
    let (kind, prefix) = if is_private { ("private", PRIVATE) } else { ("public", PUBLIC) };
    for attempt in 0..=TRIES {
        let candidate = match attempt {
            0 => file_name.to_owned(),
            1 => name::with_suffix(file_name, &hash[hash.len().saturating_sub(6)..]),
            _ => name::with_suffix(file_name, &secret::random_name()),
        };
        let path = format!("{kind}/{candidate}");
        match files.create(&path, content).await? {
            Ok(()) => {
                let unless_kept = Some((files.clone(), path));
                return Ok(Stored { url: format!("{prefix}{candidate}"), unless_kept });
            }
            Err(unstored) => content = unstored,
        }
    }
    Err(Error::internal(anyhow::anyhow!("no free name for the file {file_name}")))
}

/// Copies a stored file to the other side of privacy.
pub(in crate::rest) async fn copy(files: &Files, url: &str, file_name: &str, is_private: bool) -> Result<Stored> {
    let found = match path_of(url) {
        Some(path) => files.find(&path).await?,
        None => None,
    };
    let Some(found) = found else { return Err(Error::internal(anyhow::anyhow!("{url} is not a file of this site"))) };
    let content =
        Content::File(Spooled::read(&files.temporary(), found.read_all().await?, |error| unreadable(&error)).await?);
    let hash = content.hash();
    write(files, file_name, is_private, content, &hash).await
}

/// A file that is there and cannot be read to its end: its disk or store is at fault, not whoever asks.
fn unreadable(error: &std::io::Error) -> Error {
    tracing::warn!(%error, "a stored file cannot be read to its end");
    Error::Unavailable("The file cannot be read at the moment: try again in a moment".to_owned())
}

/// The size and the digest of a stored file; `None` if it is not there.
pub(in crate::rest) async fn measure(files: &Files, url: &str) -> Result<Option<(u64, String)>> {
    let Some(path) = path_of(url) else { return Ok(None) };
    let Some(found) = files.find(&path).await? else { return Ok(None) };
    let mut content = found.read_all().await?;
    let (mut digest, mut length, mut piece) = (Sha256::default(), 0, vec![0; 64 * 1024]);
    loop {
        let read = content.read(&mut piece).await.map_err(|error| unreadable(&error))?;
        if read == 0 {
            return Ok(Some((length, secret::hex(&digest.finish()))));
        }
        digest.update(&piece[..read]);
        length += read as u64;
    }
}

/// Removes the file of an address; that it is gone already is not a failure.
pub(in crate::rest) fn remove(files: &Files, url: &str) {
    if let Some(path) = path_of(url) {
        files.remove(&path);
    }
}
