//! Answers that are written before they are sent: what is too long for memory goes to disk.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt as _;
use poem::http::{StatusCode, header};
use poem::{Body, Response};
use serde_json::{Map, Value as Json};

use crate::error::Result;
use crate::files::failed;
use crate::pace;
use crate::secret::private;
use crate::web::site::Site;

/// How much of an answer is in memory before it goes to disk.
const IN_MEMORY: usize = 512 * 1024;
/// How much is copied at once.
const PIECE: usize = 64 * 1024;

/// Removes what a server that was killed has left on disk; what is younger than a day may be somebody's.
pub(crate) fn clean_up(site: &Site) {
    let Ok(entries) = std::fs::read_dir(site.files.temporary()) else { return };
    for entry in entries.flatten() {
        let age = entry.metadata().and_then(|metadata| metadata.modified()).map(|changed| changed.elapsed());
        if age.is_ok_and(|age| age.is_ok_and(|age| age > Duration::from_hours(24)))
            && let Err(error) = std::fs::remove_file(entry.path())
        {
            tracing::warn!(path = %entry.path().display(), %error, "a temporary file could not be removed");
        }
    }
}

/// An answer that is written before it is sent, so that it is whole or an error.
pub struct Spool {
    folder: PathBuf,
    /// What was written and is not on disk.
    pub memory: Vec<u8>,
    file: Option<File>,
    on_disk: u64,
}

impl Spool {
    /// An empty one.
    pub fn new(site: &Site) -> Self {
        Self { folder: site.files.temporary(), memory: Vec::new(), file: None, on_disk: 0 }
    }

    /// A file that was written elsewhere is what there is so far.
    pub fn take_file(&mut self, file: File) -> Result<()> {
        self.on_disk = file.metadata().map_err(|error| failed(&self.folder, error))?.len();
        self.file = Some(file);
        Ok(())
    }

    /// Puts on disk what became too much for memory: to be called after every part.
    pub fn settle(&mut self) -> Result<()> {
        if self.memory.len() < IN_MEMORY {
            return Ok(());
        }
        pace::aside(true, || self.flush()).map_err(|error| failed(&self.folder, error))
    }

    /// To be called at the end: what is on disk is on disk whole, ready to be read.
    pub fn finish(&mut self) -> Result<()> {
        if self.file.is_none() {
            return Ok(());
        }
        pace::aside(true, || {
            self.flush()?;
            self.file.as_mut().map_or(Ok(0), |file| file.seek(SeekFrom::Start(0)))
        })
        .map_err(|error| failed(&self.folder, error))?;
        Ok(())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                private::own_folder(&self.folder)?;
                none.insert(tempfile::tempfile_in(&self.folder)?)
            }
        };
        file.write_all(&self.memory)?;
        self.on_disk += self.memory.len() as u64;
        self.memory.clear();
        Ok(())
    }

    /// The answer, with something before and behind it.
    pub fn into_response(self, content_type: &str, before: Vec<u8>, behind: Vec<u8>) -> Response {
        let length = before.len() as u64 + self.on_disk + (self.memory.len() + behind.len()) as u64;
        let answer = Response::builder().content_type(content_type);
        let Some(file) = self.file else {
            return answer.body([before, self.memory, behind].concat());
        };
        let file = Body::from_async_read(tokio::io::BufReader::with_capacity(PIECE, tokio::fs::File::from_std(file)));
        let ends = |bytes: Vec<u8>| Body::from(bytes).into_bytes_stream();
        let body = ends(before).chain(file.into_bytes_stream()).chain(ends(self.memory)).chain(ends(behind));
        answer.header(header::CONTENT_LENGTH, length).body(Body::from_bytes_stream(body))
    }

    /// The answer as the value of a key of a JSON object, beside `others`.
    pub fn into_json_response(self, status: StatusCode, key: &str, others: &Map<String, Json>) -> Response {
        let before = format!("{{{}:", Json::from(key)).into_bytes();
        let others = serde_json::to_string(others).unwrap_or_default();
        let behind = others.strip_prefix('{').filter(|rest| *rest != "}").map(|rest| format!(",{rest}"));
        let behind = behind.unwrap_or_else(|| "}".to_owned()).into_bytes();
        let mut response = self.into_response("application/json", before, behind);
        response.set_status(status);
        response
    }
}
