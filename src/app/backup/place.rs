//! Where backups lie: in a folder, or in a bucket of an object store.

use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use chrono::{DateTime, Utc};
use tempfile::NamedTempFile;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::files::{Bucket, Files, Upload};
use crate::secret::private;

/// How backups are called.
const PREFIX: &str = "doctyped-";
const SUFFIX: &str = ".backup";
/// The same of one that is encrypted.
const LOCKED: &str = ".backup.age";
/// The same of one that is being written.
const PART: &str = ".part";
/// After how long nobody is writing it any more.
const ABANDONED: Duration = Duration::from_hours(24);
/// How the address of a bucket begins.
const BUCKET: &str = "s3://";

/// A backup that is there or is to be made.
pub(super) struct Target {
    place: Place,
    name: String,
}

enum Place {
    Folder(PathBuf),
    Bucket(Bucket),
}

/// One that is being written: in a folder under another name, in a bucket in parts that are not there yet.
pub(super) enum Part {
    File(NamedTempFile),
    Upload(JoinHandle<anyhow::Result<()>>),
}

/// Where its bytes go.
pub(super) enum Sink {
    File(File),
    Upload(Upload),
}

impl Target {
    /// A backup to be made: that of the name, or else one in the folder or bucket, named after the time.
    pub(super) fn to_make(config: &Config, to: &Path, is_locked: bool, now: DateTime<Utc>) -> anyhow::Result<Self> {
        if is_backup(&to.to_string_lossy()) {
            return Self::of(to, Some(config));
        }
        let ending = if is_locked { LOCKED } else { SUFFIX };
        let name = format!("{PREFIX}{}{ending}", now.format("%Y%m%dT%H%M%S%.3fZ"));
        let place = match address(to) {
            Some(address) => Place::Bucket(bucket(address, Some(config))?),
            None => Place::Folder(to.to_owned()),
        };
        Ok(Self { place, name })
    }

    /// A backup that is there.
    pub(super) fn to_read(path: &Path) -> anyhow::Result<Self> {
        Self::of(path, None)
    }

    fn of(path: &Path, config: Option<&Config>) -> anyhow::Result<Self> {
        if let Some(address) = address(path) {
            let (within, name) = address.rsplit_once('/').unwrap_or_default();
            ensure!(within.len() > BUCKET.len(), "{address} names no backup in a bucket: write s3://NAME/PREFIX/FILE");
            return Ok(Self { place: Place::Bucket(bucket(within, config)?), name: name.to_owned() });
        }
        let name = path.file_name().and_then(|name| name.to_str()).context("this is not the name of a file")?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok(Self { place: Place::Folder(folder.to_owned()), name: name.to_owned() })
    }

    /// Fails where one is already, or cannot be.
    pub(super) async fn make_room(&self) -> anyhow::Result<()> {
        let is_there = match &self.place {
            Place::Folder(folder) => {
                private::own_folder(folder).with_context(|| format!("make the folder {}", folder.display()))?;
                folder.join(&self.name).exists()
            }
            Place::Bucket(bucket) => bucket.has(&self.name).await?,
        };
        ensure!(!is_there, "{self} exists already: name another file");
        Ok(())
    }

    /// A folder for what is on disk meanwhile.
    pub(super) fn scratch(&self, files: &Files) -> anyhow::Result<PathBuf> {
        let folder = match &self.place {
            Place::Folder(folder) => folder.clone(),
            Place::Bucket(_) => files.temporary(),
        };
        private::own_folder(&folder).with_context(|| format!("make the folder {}", folder.display()))?;
        Ok(folder)
    }

    pub(super) fn begin(&self) -> anyhow::Result<(Part, Sink)> {
        match &self.place {
            Place::Folder(folder) => {
                // For its owner alone, and gone where it does not become the backup.
                let part = tempfile::Builder::new().prefix(PREFIX).suffix(PART).tempfile_in(folder);
                let part = part.with_context(|| format!("write into {}", folder.display()))?;
                let sink = Sink::File(part.as_file().try_clone()?);
                Ok((Part::File(part), sink))
            }
            Place::Bucket(bucket) => {
                let (upload, task) = bucket.upload(&self.name);
                Ok((Part::Upload(task), Sink::Upload(upload)))
            }
        }
    }

    /// What was written, from its beginning.
    pub(super) fn read_part(&self, part: &Part) -> anyhow::Result<Box<dyn Read + Send>> {
        match part {
            Part::File(file) => Ok(Box::new(File::open(file.path())?)),
            Part::Upload(_) => self.read(),
        }
    }

    /// The backup, from its beginning.
    pub(super) fn read(&self) -> anyhow::Result<Box<dyn Read + Send>> {
        match &self.place {
            Place::Folder(folder) => {
                let path = folder.join(&self.name);
                Ok(Box::new(File::open(&path).with_context(|| format!("open {}", path.display()))?))
            }
            Place::Bucket(bucket) => Ok(Box::new(bucket.download(&self.name))),
        }
    }

    /// Has what was written count; never in place of another file.
    pub(super) fn keep(&self, part: Part) -> anyhow::Result<()> {
        let (Part::File(file), Place::Folder(folder)) = (part, &self.place) else { return Ok(()) };
        file.persist_noclobber(folder.join(&self.name)).with_context(|| format!("name the backup {self}"))?;
        #[cfg(unix)]
        File::open(folder)?.sync_all()?;
        Ok(())
    }

    /// Removes what was written.
    pub(super) async fn discard(&self, part: Part) {
        let Part::Upload(task) = part else { return };
        // What is under way ends by itself; only what was there whole is to be removed.
        if !task.is_finished() {
            drop(task.await);
        }
        if let Place::Bucket(bucket) = &self.place
            && let Err(error) = bucket.delete(&self.name).await
        {
            tracing::warn!(%error, "what was written of a backup stays in the bucket");
        }
    }

    /// Removes the oldest backups where it lies beyond that many, and what was begun there and never ended.
    pub(super) async fn rotate(&self, keep: usize) -> anyhow::Result<()> {
        let mut names = match &self.place {
            Place::Folder(folder) => names_in(folder)?,
            // What was begun there is not an object.
            Place::Bucket(bucket) => bucket.names().await?,
        };
        names.retain(|name| name.starts_with(PREFIX) && is_backup(name));
        // Their names begin with the time.
        names.sort();
        let surplus = names.len().saturating_sub(keep.max(1));
        for name in &names[..surplus] {
            match &self.place {
                Place::Folder(folder) => remove(&folder.join(name))?,
                Place::Bucket(bucket) => bucket.delete(name).await?,
            }
        }
        Ok(())
    }
}

impl Part {
    /// Waits until what was written is durable.
    pub(super) async fn end(&mut self) -> anyhow::Result<()> {
        match self {
            Self::File(file) => Ok(file.as_file().sync_all()?),
            Self::Upload(task) => task.await?,
        }
    }
}

impl Sink {
    pub(super) fn end(self) -> std::io::Result<()> {
        match self {
            Self::File(mut file) => file.flush(),
            Self::Upload(upload) => upload.end(),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Upload(upload) => upload.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Upload(upload) => upload.flush(),
        }
    }
}

/// Where it is, for people.
impl fmt::Display for Target {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Folder(folder) => folder.join(&self.name).display().fmt(to),
            Place::Bucket(bucket) => write!(to, "{bucket}/{}", self.name),
        }
    }
}

/// Stores and removes an object where backups go to a bucket, for whoever wants to know whether that works; where that is.
pub(crate) async fn probe(config: &Config) -> anyhow::Result<Option<String>> {
    let Some(address) = address(&config.backups) else { return Ok(None) };
    let bucket = bucket(address, Some(config))?;
    bucket.probe().await?;
    Ok(Some(bucket.to_string()))
}

fn is_backup(name: &str) -> bool {
    name.ends_with(SUFFIX) || name.ends_with(LOCKED)
}

fn address(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| text.starts_with(BUCKET)).map(|text| text.trim_end_matches('/'))
}

/// The bucket of an address. With a configuration: backups are to be written there, so that it must not be among the files.
fn bucket(address: &str, config: Option<&Config>) -> anyhow::Result<Bucket> {
    let files = config.and_then(|config| config.bucket.as_deref()).map(|files| files.trim_end_matches('/'));
    if let Some(files) = files
        && address.strip_prefix(files).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    {
        bail!("{address} lies within the uploaded files ({files}), which backups take along: name another place");
    }
    Bucket::open(address, "The place for backups")
}

fn names_in(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if name.starts_with(PREFIX) && name.ends_with(PART) && is_abandoned(&path) {
            remove(&path)?;
        } else {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

fn is_abandoned(part: &Path) -> bool {
    let modified = std::fs::metadata(part).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > ABANDONED))
}

fn remove(path: &Path) -> anyhow::Result<()> {
    std::fs::remove_file(path).with_context(|| format!("remove the old backup {}", path.display()))
}
