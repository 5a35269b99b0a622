//! Where uploaded files lie: in a folder, or in a bucket of an object store that speaks the protocol of Amazon S3.
//!
//! A file has a path such as `public/report.pdf`. It is written once, whole, and never changed.

pub(crate) mod address;
mod bucket;
mod folder;
mod incoming;
mod stream;

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use tokio::io::AsyncRead;

use crate::config::Config;
use crate::error::Result;
pub(crate) use bucket::Bucket;
pub(crate) use folder::failed;
pub(crate) use incoming::{Content, Spooled};
pub(crate) use stream::{NotEnded, Upload};

/// The folder for what is on disk for a while, within that of uploaded files.
const TEMPORARY: &str = "temporary";

/// The uploaded files of a site; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Files(Arc<Place>);

#[derive(Debug)]
struct Place {
    folder: PathBuf,
    bucket: Option<Bucket>,
}

/// A file that is there.
pub(crate) struct Found {
    /// Its length in bytes.
    pub length: u64,
    /// A text that is another one if another file has its path, in quotes: the `ETag` of RFC 9110 §8.8.3.
    pub etag: String,
    content: Source,
}

enum Source {
    Folder(tokio::fs::File),
    Bucket(Bucket, String),
}

impl Files {
    /// Those of a configuration. Fails where it names no bucket that could be; nothing is asked yet.
    pub(crate) fn open(config: &Config) -> anyhow::Result<Self> {
        let bucket = config.bucket.as_deref().map(|address| Bucket::open(address, "DOCTYPED_BUCKET")).transpose()?;
        Ok(Self(Arc::new(Place { folder: config.files.clone(), bucket })))
    }

    /// The folder on this machine: that of the files, or beside a bucket for what waits to go there.
    pub(crate) fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// The folder for what is on disk for a while. What goes from there to the folder of files crosses no file system.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.0.folder.join(TEMPORARY)
    }

    /// Whether they lie in a bucket.
    pub(crate) fn are_in_bucket(&self) -> bool {
        self.0.bucket.is_some()
    }

    /// Looks for a file.
    pub(crate) async fn find(&self, path: &str) -> Result<Option<Found>> {
        match &self.0.bucket {
            Some(bucket) => bucket.find(path).await,
            None => folder::find(&self.0.folder.join(path)).await,
        }
    }

    /// Stores a file where none is; gives the content back where one is. Two at once never share a path, and what is
    /// stored survives a crash.
    pub(crate) async fn create(&self, path: &str, content: Content) -> Result<Result<(), Content>> {
        match &self.0.bucket {
            Some(bucket) => bucket.create(path, content).await,
            None => folder::create(&self.0.folder.join(path), content).await,
        }
    }

    /// Removes a file, in a bucket a moment later; that it is gone already is not a failure.
    pub(crate) fn remove(&self, path: &str) {
        match &self.0.bucket {
            Some(bucket) => bucket.remove(path),
            None => folder::remove(&self.0.folder.join(path)),
        }
    }

    /// The paths of all, in order.
    pub(crate) async fn paths(&self) -> anyhow::Result<Vec<String>> {
        match &self.0.bucket {
            Some(bucket) => bucket.paths().await,
            None => folder::paths(&self.0.folder),
        }
    }

    /// A file for reading on this machine, where a copy is made if need be; `None` if it is gone.
    pub(crate) async fn fetch(&self, path: &str) -> anyhow::Result<Option<std::fs::File>> {
        match &self.0.bucket {
            Some(bucket) => bucket.fetch(path, &self.temporary()).await,
            None => folder::open(&self.0.folder.join(path)),
        }
    }

    /// Moves what lies in a folder beside the files, under the paths it has there, to where files lie.
    pub(crate) async fn take_in(&self, waiting: &Path) -> anyhow::Result<()> {
        match &self.0.bucket {
            Some(bucket) => bucket.take_in(waiting).await,
            None => folder::take_in(waiting, &self.0.folder),
        }
    }

    /// Stores and removes a file where they lie in a bucket, for whoever wants to know whether that works.
    pub(crate) async fn probe(&self) -> anyhow::Result<()> {
        match &self.0.bucket {
            Some(bucket) => bucket.probe().await,
            None => Ok(()),
        }
    }
}

/// Where they are, for people.
impl fmt::Display for Files {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.bucket {
            Some(bucket) => bucket.fmt(to),
            None => self.0.folder.display().fmt(to),
        }
    }
}

impl Found {
    /// The bytes of a part of it, which ends within its length.
    pub(crate) async fn read(self, part: Range<u64>) -> Result<Pin<Box<dyn AsyncRead + Send>>> {
        match self.content {
            Source::Folder(file) => folder::read(file, part).await,
            Source::Bucket(bucket, path) => bucket.read(&path, part).await,
        }
    }

    /// All its bytes.
    pub(crate) async fn read_all(self) -> Result<Pin<Box<dyn AsyncRead + Send>>> {
        let whole = 0..self.length;
        self.read(whole).await
    }
}
