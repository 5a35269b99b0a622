//! The uploaded files of a restore, or of a site that moves in, out of the way until everything else stands.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use crate::secret::private;

/// The folder in the folder of files in which they wait, so that moving them crosses no file system.
const WAITING: &str = ".restoring";

/// Files that wait. What was not published goes with it.
pub(in crate::app) struct Stage<'f> {
    folder: &'f Path,
    waiting: PathBuf,
}

impl<'f> Stage<'f> {
    /// In a folder that holds nothing but what an earlier restore left there when it was ended.
    pub(in crate::app) fn new(folder: &'f Path) -> anyhow::Result<Self> {
        let stage = Self { folder, waiting: folder.join(WAITING) };
        stage.clear().with_context(|| format!("clear {}", stage.waiting.display()))?;
        private::own_folder(folder).with_context(|| format!("make the folder {}", folder.display()))?;
        ensure!(
            std::fs::read_dir(folder)?.next().is_none(),
            "the folder {} holds files already: name an empty one by DOCTYPED_FILES",
            folder.display()
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
    pub(in crate::app) fn publish(&self) -> anyhow::Result<()> {
        if !self.waiting.exists() {
            return Ok(());
        }
        for entry in std::fs::read_dir(&self.waiting)? {
            let entry = entry?;
            std::fs::rename(entry.path(), self.folder.join(entry.file_name()))?;
        }
        Ok(())
    }

    fn clear(&self) -> io::Result<()> {
        match std::fs::remove_dir_all(&self.waiting) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        // The next restore clears what is left.
        drop(self.clear());
    }
}
