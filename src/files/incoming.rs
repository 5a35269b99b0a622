//! What is about to become a file: bytes in memory, or a file on disk that goes again unless it is put somewhere.

use std::path::Path;

use tempfile::NamedTempFile;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

use crate::error::{Error, Result};
use crate::files::failed;
use crate::secret::{self, Sha256, private};

/// How much is copied at once.
const PIECE: usize = 64 * 1024;

/// A file that came in: on disk, and gone again unless it is put somewhere.
#[derive(Debug)]
pub struct Spooled {
    /// Where it is.
    pub file: NamedTempFile,
    /// Its length in bytes.
    pub length: u64,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
}

impl Spooled {
    /// Takes a file in; `broken` says what it means that it cannot be read to its end.
    pub async fn read(
        folder: &Path,
        mut from: impl AsyncRead + Unpin,
        broken: impl FnOnce(std::io::Error) -> Error,
    ) -> Result<Self> {
        let failed = |error| failed(folder, error);
        private::own_folder(folder).map_err(failed)?;
        let file = NamedTempFile::new_in(folder).map_err(failed)?;
        let mut writer = tokio::fs::File::from_std(file.reopen().map_err(failed)?);
        let mut digest = Sha256::default();
        let mut length = 0;
        let mut piece = vec![0; PIECE];
        loop {
            let read = match from.read(&mut piece).await {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) => return Err(broken(error)),
            };
            digest.update(&piece[..read]);
            writer.write_all(&piece[..read]).await.map_err(failed)?;
            length += read as u64;
        }
        // What is answered survives a crash.
        writer.sync_all().await.map_err(failed)?;
        Ok(Self { file, length, sha256: digest.finish() })
    }
}

/// The bytes of a file to be stored: in memory, or on disk as they came.
#[derive(Debug)]
pub(crate) enum Content {
    /// In memory.
    Bytes(Vec<u8>),
    /// On disk.
    File(Spooled),
}

impl Content {
    /// How many there are.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(file) => file.length,
        }
    }

    /// Their digest: SHA-256 in hexadecimal.
    pub(crate) fn hash(&self) -> String {
        match self {
            Self::Bytes(bytes) => secret::hex(&secret::sha256(bytes)),
            Self::File(file) => secret::hex(&file.sha256),
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
