//! The bytes of a backup on their way: encrypted on request, and looked at while they pass.

use std::io::{self, BufRead as _, BufReader, PipeWriter, Read, Write};
use std::thread::JoinHandle;

use anyhow::Context as _;

use crate::app::backup::archive::{self, Manifest};
use crate::app::backup::place::Sink;
use crate::secret::Sha256;
use crate::secret::age_file::{self, Closed, Keys, Lock, Locked};

/// Where an archive is written.
pub(super) struct Output {
    way: Way,
    check: Option<Check>,
}

enum Way {
    Plain(Raw),
    Locked(Box<Locked<Raw>>),
}

/// Reads the archive as it is written, where nobody can do so afterwards.
struct Check {
    pipe: PipeWriter,
    reader: JoinHandle<anyhow::Result<Manifest>>,
}

/// What is stored, as it goes there.
struct Raw {
    sink: Sink,
    digest: Sha256,
}

/// What became of it.
pub(super) struct Written {
    /// The digest of what is stored.
    digest: [u8; 32],
    /// What was read of it before it was encrypted; `None`: it can be read afterwards.
    checked: Option<Manifest>,
}

impl Output {
    pub(super) fn new(sink: Sink, lock: Option<&Lock>) -> io::Result<Self> {
        let raw = Raw { sink, digest: Sha256::default() };
        let way = match lock {
            None => Way::Plain(raw),
            Some(lock) => Way::Locked(Box::new(lock.begin(raw)?)),
        };
        let check = match lock {
            Some(Lock::Recipients(_)) => Some(Check::begin()?),
            _ => None,
        };
        Ok(Self { way, check })
    }

    /// Ends what is written.
    pub(super) fn end(self) -> anyhow::Result<Written> {
        let raw = match self.way {
            Way::Plain(raw) => raw,
            Way::Locked(locked) => locked.end()?,
        };
        raw.sink.end()?;
        let checked = self.check.map(Check::end).transpose()?;
        Ok(Written { digest: raw.digest.finish(), checked })
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.way {
            Way::Plain(raw) => raw.write(bytes)?,
            Way::Locked(locked) => locked.write(bytes)?,
        };
        if let Some(check) = &mut self.check {
            check.pipe.write_all(&bytes[..written])?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Check {
    fn begin() -> io::Result<Self> {
        let (reading, pipe) = io::pipe()?;
        let reader = std::thread::spawn(move || archive::read(reading, |_, _| Ok(())));
        Ok(Self { pipe, reader })
    }

    fn end(self) -> anyhow::Result<Manifest> {
        drop(self.pipe);
        self.reader.join().ok().context("the check of what is written has ended")?
    }
}

impl Write for Raw {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.sink.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

impl Written {
    /// Compares what is stored with what was to be written; how far that goes, for people.
    pub(super) fn compare(
        &self,
        stored: Box<dyn Read + Send>,
        lock: Option<&Lock>,
        manifest: &Manifest,
    ) -> anyhow::Result<&'static str> {
        let keys = match lock {
            None => Keys::default(),
            Some(Lock::Passphrase(text)) => Keys { passphrase: Some(text.clone()), ..Keys::default() },
            Some(Lock::Recipients(_)) => {
                anyhow::ensure!(self.checked.as_ref() == Some(manifest), "what was written reads otherwise");
                anyhow::ensure!(digest(stored)? == self.digest, "what is stored is not what was written");
                return Ok(
                    "compared before it was encrypted, and stored as it was written; that it opens, only an identity \
                           of its recipients can show",
                );
            }
        };
        let read = archive::read(open(stored, &keys)?, |_, _| Ok(())).context("what was written cannot be read")?;
        anyhow::ensure!(read == *manifest, "what was written reads otherwise");
        Ok("read again and compared")
    }
}

fn digest(mut stored: impl Read) -> io::Result<[u8; 32]> {
    let (mut digest, mut piece) = (Sha256::default(), vec![0; 64 * 1024]);
    loop {
        match stored.read(&mut piece)? {
            0 => return Ok(digest.finish()),
            read => digest.update(&piece[..read]),
        }
    }
}

/// The archive in what is stored.
pub(super) fn open(stored: Box<dyn Read + Send>, keys: &Keys) -> anyhow::Result<Box<dyn Read>> {
    let mut stored = BufReader::with_capacity(64 * 1024, stored);
    // A failure to read is not taken for an empty file.
    stored.fill_buf()?;
    if !age_file::is_locked(&mut stored)? {
        return Ok(Box::new(stored));
    }
    match keys.open(stored) {
        Ok(plain) => Ok(Box::new(plain)),
        Err(closed) => {
            let fix = match &closed {
                Closed::NeedsIdentity => ": name the file with the identity of one of them by --identity",
                Closed::OtherRecipients => {
                    " than the identities in the file of --identity: name the file with the right AGE-SECRET-KEY-1…"
                }
                Closed::NeedsPassphrase => ": name the file with it by --passphrase-file",
                Closed::OtherPassphrase => " than the one in the file of --passphrase-file: look for the right one",
                Closed::Armored => ": turn it into a file by `age --decrypt`, and restore that",
                Closed::Damaged(_) => "",
            };
            anyhow::bail!("this backup does not open: {closed}{fix}")
        }
    }
}
