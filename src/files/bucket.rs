//! Files in a bucket: Amazon S3, or a store that speaks its protocol and knows conditional writes (`If-None-Match`).

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures_util::TryStreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as Key;
use object_store::{
    ClientOptions, Error as StoreError, GetOptions, GetRange, ObjectMeta, ObjectStore as _, ObjectStoreExt as _,
    PutMode, PutOptions, RetryConfig, WriteMultipart,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::io::StreamReader;

use crate::error::{Error, Result};
use crate::files::{Content, Found, Source, folder};
use crate::secret::{self, private};

/// Files up to this length go in one request, longer ones in parts of it. S3 wants parts of at least 5 MiB.
pub(super) const PART: usize = 8 * 1024 * 1024;
/// How many parts of one file are under way at once.
pub(super) const PARTS_AT_ONCE: usize = 4;
/// For how long, and how often, a request is tried that the store answers with an error of its own.
const RETRIES: usize = 3;
const RETRY_FOR: Duration = Duration::from_secs(20);
/// How long one request may stand still.
const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A bucket, or what is below a prefix in it; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    pub(super) store: Arc<AmazonS3>,
    name: String,
    pub(super) prefix: Key,
}

impl Bucket {
    /// The bucket of an address `s3://NAME/PREFIX`. Credentials, region and endpoint are those of the environment, under
    /// Amazon's names. `setting` names it where it could not be one.
    pub(crate) fn open(address: &str, setting: &str) -> anyhow::Result<Self> {
        let within = address.strip_prefix("s3://").unwrap_or_default();
        let (name, prefix) = within.split_once('/').unwrap_or((within, ""));
        ensure!(!name.is_empty(), "{setting} must be s3://NAME or s3://NAME/PREFIX");
        let prefix = Key::parse(prefix.trim_end_matches('/')).with_context(|| setting.to_owned())?;
        let retry = RetryConfig { max_retries: RETRIES, retry_timeout: RETRY_FOR, ..RetryConfig::default() };
        let client = ClientOptions::new().with_timeout(TIMEOUT).with_connect_timeout(CONNECT_TIMEOUT);
        let http = std::env::var("AWS_ENDPOINT_URL").is_ok_and(|endpoint| endpoint.starts_with("http://"));
        let store = AmazonS3Builder::from_env()
            .with_bucket_name(name)
            .with_client_options(client.with_allow_http(http))
            .with_retry(retry)
            .build()
            .with_context(|| setting.to_owned())?;
        Ok(Self { store: Arc::new(store), name: name.to_owned(), prefix })
    }

    pub(super) fn key(&self, path: &str) -> std::result::Result<Key, StoreError> {
        // As it is: keys may hold letters of every script.
        Ok(Key::parse(format!("{}/{path}", self.prefix))?)
    }

    /// What went wrong: the store is somebody else's machine, and what it says is for the log.
    fn failed(&self, error: &StoreError) -> Error {
        tracing::warn!(bucket = %self, cause = ?error, "the store of the files does not do what it is asked to");
        Error::Unavailable("The store of the files does not answer: try again in a moment".to_owned())
    }

    async fn head(&self, path: &str) -> std::result::Result<ObjectMeta, StoreError> {
        self.store.head(&self.key(path)?).await
    }

    pub(super) async fn find(&self, path: &str) -> Result<Option<Found>> {
        match self.head(path).await {
            Ok(meta) => {
                let tag = meta.e_tag.unwrap_or_else(|| format!("\"{}\"", meta.last_modified.timestamp_micros()));
                let etag = if tag.starts_with('"') { tag } else { format!("\"{tag}\"") };
                let content = Source::Bucket(self.clone(), path.to_owned());
                Ok(Some(Found { length: meta.size, etag, content }))
            }
            // No key is called so, and so no file.
            Err(StoreError::NotFound { .. } | StoreError::InvalidPath { .. }) => Ok(None),
            Err(error) => Err(self.failed(&error)),
        }
    }

    pub(super) async fn read(&self, path: &str, part: Range<u64>) -> Result<Pin<Box<dyn AsyncRead + Send>>> {
        if part.is_empty() {
            return Ok(Box::pin(tokio::io::empty()));
        }
        let options = GetOptions { range: Some(GetRange::Bounded(part)), ..GetOptions::default() };
        let key = self.key(path).map_err(|error| self.failed(&error))?;
        let answer = self.store.get_opts(&key, options).await.map_err(|error| self.failed(&error))?;
        Ok(Box::pin(StreamReader::new(answer.into_stream().map_err(std::io::Error::from))))
    }

    pub(super) async fn create(&self, path: &str, content: Content) -> Result<Result<(), Content>> {
        let key = self.key(path).map_err(|error| self.failed(&error))?;
        let small = match &content {
            Content::Bytes(bytes) => Some(bytes.clone()),
            Content::File(spooled) if spooled.length <= PART as u64 => {
                let read = tokio::fs::read(spooled.file.path()).await;
                Some(read.map_err(|error| folder::failed(spooled.file.path(), error))?)
            }
            // Nobody can write parts on a condition: an empty file takes the place first.
            Content::File(_) => None,
        };
        let long = small.is_none();
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.store.put_opts(&key, small.unwrap_or_default().into(), options).await {
            Ok(_) => {}
            Err(StoreError::AlreadyExists { .. }) => return Ok(Err(content)),
            Err(error) => return Err(self.failed(&error)),
        }
        if let Content::File(spooled) = &content
            && long
            && let Err(error) = self.write_parts(&key, spooled.file.path()).await
        {
            self.remove(path);
            return Err(error);
        }
        Ok(Ok(()))
    }

    /// Writes a file of this machine in parts, over what is there.
    async fn write_parts(&self, key: &Key, from: &Path) -> Result<()> {
        let unread = |error| folder::failed(from, error);
        let mut file = tokio::fs::File::open(from).await.map_err(unread)?;
        let upload = self.store.put_multipart(key).await.map_err(|error| self.failed(&error))?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
        let mut piece = vec![0; 256 * 1024];
        let sent = async {
            loop {
                match file.read(&mut piece).await.map_err(unread)? {
                    0 => return Ok(()),
                    read => {
                        let has_room = upload.wait_for_capacity(PARTS_AT_ONCE).await;
                        has_room.map_err(|error| self.failed(&error))?;
                        upload.write(&piece[..read]);
                    }
                }
            }
        };
        if let Err(error) = sent.await {
            // Otherwise the store keeps the parts, and somebody pays for them.
            drop(upload.abort().await);
            return Err(error);
        }
        upload.finish().await.map(drop).map_err(|error| self.failed(&error))
    }

    pub(super) fn remove(&self, path: &str) {
        let (bucket, path) = (self.clone(), path.to_owned());
        let delete = async |bucket: &Self, path: &str| bucket.store.delete(&bucket.key(path)?).await;
        tokio::spawn(async move {
            match delete(&bucket, &path).await {
                Ok(()) | Err(StoreError::NotFound { .. }) => {}
                Err(error) => tracing::warn!(%bucket, path, %error, "a file could not be removed"),
            }
        });
    }

    pub(super) async fn paths(&self) -> anyhow::Result<Vec<String>> {
        let found: Vec<_> = self.store.list(Some(&self.prefix)).try_collect().await?;
        let below = |key: &Key| Some(key.prefix_match(&self.prefix)?.map(|part| part.as_ref().to_owned()).collect());
        let paths = found.iter().filter_map(|meta| below(&meta.location));
        let mut paths: Vec<_> = paths.map(|parts: Vec<String>| parts.join("/")).collect();
        paths.sort();
        Ok(paths)
    }

    pub(super) async fn fetch(&self, path: &str, into: &Path) -> anyhow::Result<Option<std::fs::File>> {
        let answer = match self.store.get(&self.key(path)?).await {
            Err(StoreError::NotFound { .. }) => return Ok(None),
            answer => answer?,
        };
        private::own_folder(into)?;
        let mut copy = tokio::fs::File::from_std(tempfile::tempfile_in(into)?);
        let mut content = answer.into_stream();
        while let Some(bytes) = content.try_next().await? {
            copy.write_all(&bytes).await?;
        }
        copy.flush().await?;
        let mut copy = copy.into_std().await;
        std::io::Seek::rewind(&mut copy)?;
        Ok(Some(copy))
    }

    pub(super) async fn take_in(&self, waiting: &Path) -> anyhow::Result<()> {
        for path in folder::paths(waiting)? {
            self.write_parts(&self.key(&path)?, &waiting.join(&path)).await?;
        }
        Ok(())
    }

    pub(crate) async fn probe(&self) -> anyhow::Result<()> {
        let key = self.key(&format!("probe-{}", secret::random_name()))?;
        let options = || PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        self.store.put_opts(&key, "probe".into(), options()).await?;
        let again = self.store.put_opts(&key, "again".into(), options()).await;
        self.store.delete(&key).await?;
        ensure!(
            matches!(again, Err(StoreError::AlreadyExists { .. })),
            "the store lets one file take the place of another: it has to know conditional writes (If-None-Match)"
        );
        Ok(())
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "s3://{}", self.name)?;
        if self.prefix.as_ref().is_empty() { Ok(()) } else { write!(to, "/{}", self.prefix) }
    }
}
