//! The uploaded files of a restore, or of a site that moves in, out of the way until everything else stands.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use anyhow::{Context as _, ensure};

use crate::files::Files;
use crate::secret::private;

/// The folder in the folder of files in which they wait, so that moving them crosses no file system.
const WAITING: &str = ".restoring";

/// Files that wait. What was not published goes with it.
pub(in crate::app) struct Stage {
    files: Files,
    waiting: PathBuf,
}

impl Stage {
    /// For a place that holds nothing but what an earlier restore left there when it was ended.
    pub(in crate::app) async fn new(files: Files) -> anyhow::Result<Self> {
        let folder = files.folder().to_owned();
        let stage = Self { files, waiting: folder.join(WAITING) };
        stage.clear().with_context(|| format!("clear {}", stage.waiting.display()))?;
        private::own_folder(&folder).with_context(|| format!("make the folder {}", folder.display()))?;
        ensure!(
            stage.files.paths().await?.is_empty(),
            "{} holds files already: name another place by {}",
            stage.files,
            if stage.files.are_in_bucket() { "DOCTYPED_BUCKET" } else { "DOCTYPED_FILES" }
        );
        Ok(stage)
    }

    /// Has a file wait; the path is below the folder.
    pub(in crate::app) fn write(&self, path: &str, content: &mut dyn Read) -> anyhow::Result<()> {
        let target = self.waiting.join(path);
        private::own_file(&target)?;
        let mut file = File::options().write(true).open(&target)?;
        io::copy(content, &mut file).with_context(|| format!("write {}", target.display()))?;
        Ok(file.sync_all()?)
    }

    /// Moves what waits to where it belongs.
    pub(in crate::app) async fn publish(&self) -> anyhow::Result<()> {
        if !self.waiting.exists() {
            return Ok(());
        }
        self.files.take_in(&self.waiting).await.with_context(|| format!("bring the files to {}", self.files))
    }

    fn clear(&self) -> io::Result<()> {
        match std::fs::remove_dir_all(&self.waiting) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // The next restore clears what is left.
        drop(self.clear());
    }
}
