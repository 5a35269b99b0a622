//! The uploaded files of a Frappe site: they wait beside the folder of files until everything else stands.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use percent_encoding::percent_decode_str;

use crate::app::backup::stage::Stage;
use crate::secret::{Sha256, hex};

/// Where files lie: the beginning of their addresses, the folder there, the folder here.
const PLACES: [(&str, &str, &str); 2] =
    [("/files/", "public/files", "public"), ("/private/files/", "private/files", "private")];

/// The files, and which of them were brought.
pub(super) struct Files<'f> {
    folder: &'f Path,
    stage: Option<Stage>,
    brought: BTreeMap<String, Option<(u64, String)>>,
    taken: BTreeSet<PathBuf>,
}

impl<'f> Files<'f> {
    /// Those of a site's folder. Without a stage they are only looked at.
    pub(super) fn new(folder: &'f Path, stage: Option<Stage>) -> anyhow::Result<Self> {
        let is_there = PLACES.iter().any(|(_, there, _)| folder.join(there).is_dir());
        ensure!(is_there, "{} holds neither public/files nor private/files", folder.display());
        Ok(Self { folder, stage, brought: BTreeMap::new(), taken: BTreeSet::new() })
    }

    /// Brings the file of an address: its size and its digest. `None` if it is missing, or not a file of the site.
    pub(super) fn bring(&mut self, url: &str) -> anyhow::Result<Option<(u64, String)>> {
        if let Some(known) = self.brought.get(url) {
            return Ok(known.clone());
        }
        let brought = self.bring_now(url).with_context(|| format!("bring the file {url}"))?;
        self.brought.insert(url.to_owned(), brought.clone());
        Ok(brought)
    }

    fn bring_now(&mut self, url: &str) -> anyhow::Result<Option<(u64, String)>> {
        let place = PLACES.iter().find_map(|(prefix, there, here)| Some((url.strip_prefix(prefix)?, there, here)));
        let Some((name, there, here)) = place.filter(|(name, ..)| is_plain(name)) else { return Ok(None) };
        // Older sites have addresses in which the name is encoded.
        let decoded = percent_decode_str(name).decode_utf8_lossy().into_owned();
        let candidates = [name, &decoded].map(|name| self.folder.join(there).join(name));
        let Some(path) = candidates.into_iter().find(|path| path.is_file()) else { return Ok(None) };
        let file = File::open(&path)?;
        let mut measured = Measured { file, length: 0, digest: Sha256::default() };
        match &self.stage {
            Some(stage) => stage.write(&format!("{here}/{name}"), &mut measured)?,
            None => drop(io::copy(&mut measured, &mut io::sink())?),
        }
        self.taken.insert(path);
        Ok(Some((measured.length, hex(&measured.digest.finish()))))
    }

    /// How many files were brought.
    pub(super) fn count(&self) -> usize {
        self.taken.len()
    }

    /// The names of the files that no document spoke of.
    pub(super) fn rest(&self) -> anyhow::Result<Vec<String>> {
        let mut rest = Vec::new();
        for (prefix, there, _) in PLACES {
            let folder = self.folder.join(there);
            if !folder.is_dir() {
                continue;
            }
            for entry in std::fs::read_dir(folder)? {
                let path = entry?.path();
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                if path.is_file() && !name.starts_with('.') && !self.taken.contains(&path) {
                    rest.push(format!("{prefix}{name}"));
                }
            }
        }
        rest.sort();
        Ok(rest)
    }

    /// Puts them where they belong.
    pub(super) async fn publish(&self) -> anyhow::Result<()> {
        match &self.stage {
            Some(stage) => stage.publish().await,
            None => Ok(()),
        }
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0'])
}

/// A file that is measured as it is read.
struct Measured {
    file: File,
    length: u64,
    digest: Sha256,
}

impl Read for Measured {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.length += read as u64;
        self.digest.update(&buffer[..read]);
        Ok(read)
    }
}
