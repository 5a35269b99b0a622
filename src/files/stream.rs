//! Long objects on their way into a bucket and out of it, for whoever writes and reads as one does with files: in parts, so
//! that memory stays the same however long they are.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use anyhow::Context as _;
use bytes::{Buf as _, Bytes};
use object_store::{Error as StoreError, GetOptions, GetRange, ObjectStore as _, ObjectStoreExt as _, WriteMultipart};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::bucket::{Bucket, PART, PARTS_AT_ONCE};

/// How much is passed on at once, and how much may wait.
const PIECE: usize = 256 * 1024;
const PIECES: usize = 4;

/// What is written into an object. It is there once this was ended and the upload has succeeded, and not at all if this is
/// dropped before.
pub(crate) struct Upload {
    pieces: SyncSender<Piece>,
    begun: Vec<u8>,
}

/// Why an object is not there: whoever wrote it stopped.
#[derive(Debug, thiserror::Error)]
#[error("it was not written to its end")]
pub(crate) struct NotEnded;

enum Piece {
    Bytes(Bytes),
    End,
}

/// What is read from an object.
pub(crate) struct Download {
    pieces: Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl Bucket {
    /// Begins an object; the task ends when it is there, or says why it is not.
    pub(crate) fn upload(&self, path: &str) -> (Upload, JoinHandle<anyhow::Result<()>>) {
        let (pieces, come) = sync_channel(PIECES);
        let (bucket, path, runtime) = (self.clone(), path.to_owned(), Handle::current());
        let task = tokio::task::spawn_blocking(move || {
            runtime.block_on(async {
                let place = || format!("write {path} in {bucket}");
                let upload = bucket.store.put_multipart(&bucket.key(&path)?).await.with_context(place)?;
                let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
                loop {
                    match come.recv() {
                        Ok(Piece::Bytes(bytes)) => {
                            if let Err(error) = upload.wait_for_capacity(PARTS_AT_ONCE).await {
                                // Otherwise the store keeps the parts, and somebody pays for them.
                                drop(upload.abort().await);
                                return Err(error).with_context(place);
                            }
                            upload.put(bytes);
                        }
                        Ok(Piece::End) => return upload.finish().await.map(drop).with_context(place),
                        Err(_) => {
                            upload.abort().await.with_context(place)?;
                            return Err(NotEnded.into());
                        }
                    }
                }
            })
        });
        (Upload { pieces, begun: Vec::with_capacity(PIECE) }, task)
    }

    /// Reads an object from its beginning. Only that one: if another takes its place meanwhile, reading fails.
    pub(crate) fn download(&self, path: &str) -> Download {
        let (pieces, come) = sync_channel(PIECES);
        let (bucket, path, runtime) = (self.clone(), path.to_owned(), Handle::current());
        tokio::task::spawn_blocking(move || {
            let sent = runtime.block_on(bucket.send_pieces(&path, &pieces));
            if let Err(error) = sent {
                // Whoever read may have stopped.
                drop(pieces.send(Err(io::Error::other(format!("read {path} in {bucket}: {error}")))));
            }
        });
        Download { pieces: come, current: Bytes::new() }
    }

    async fn send_pieces(&self, path: &str, pieces: &SyncSender<io::Result<Bytes>>) -> Result<(), StoreError> {
        let key = self.key(path)?;
        let meta = self.store.head(&key).await?;
        let mut from = 0;
        while from < meta.size {
            // A request has its time, and a whole backup would take longer.
            let until = meta.size.min(from + PART as u64);
            let range = Some(GetRange::Bounded(from..until));
            let options = GetOptions { range, if_match: meta.e_tag.clone(), ..GetOptions::default() };
            let bytes = self.store.get_opts(&key, options).await?.bytes().await?;
            if bytes.is_empty() || pieces.send(Ok(bytes)).is_err() {
                return Ok(());
            }
            from = until;
        }
        Ok(())
    }

    /// Whether there is an object.
    pub(crate) async fn has(&self, path: &str) -> anyhow::Result<bool> {
        match self.store.head(&self.key(path)?).await {
            Ok(_) => Ok(true),
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error).with_context(|| format!("look for {path} in {self}")),
        }
    }

    /// The names of the objects right below the prefix.
    pub(crate) async fn names(&self) -> anyhow::Result<Vec<String>> {
        let listed = self.store.list_with_delimiter(Some(&self.prefix)).await;
        let found = listed.with_context(|| format!("list {self}"))?;
        Ok(found.objects.iter().filter_map(|meta| meta.location.filename().map(str::to_owned)).collect())
    }

    /// Removes an object; that it is gone already is not a failure.
    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<()> {
        match self.store.delete(&self.key(path)?).await {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("remove {path} from {self}")),
        }
    }
}

impl Upload {
    fn pass_on(&mut self) -> io::Result<()> {
        let begun = std::mem::replace(&mut self.begun, Vec::with_capacity(PIECE));
        self.send(Piece::Bytes(begun.into()))
    }

    fn send(&self, piece: Piece) -> io::Result<()> {
        self.pieces.send(piece).map_err(|_| io::Error::other("the store takes no more"))
    }

    /// Ends the object.
    pub(crate) fn end(mut self) -> io::Result<()> {
        self.pass_on()?;
        self.send(Piece::End)
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.begun.extend_from_slice(bytes);
        if self.begun.len() >= PIECE {
            self.pass_on()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Download {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.pieces.recv() {
                Ok(bytes) => self.current = bytes?,
                Err(_) => return Ok(0),
            }
        }
        let length = into.len().min(self.current.len());
        self.current.copy_to_slice(&mut into[..length]);
        Ok(length)
    }
}
