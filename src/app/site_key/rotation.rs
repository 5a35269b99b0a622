//! `doctyped key-rotate`: another key seals, beside requests.
//!
//! First every node learns the new key, then the database names it as the one that seals, then what older keys have sealed
//! is sealed anew. Each step is remembered in the database, so that one that was ended is gone on with. Only when nothing is
//! left that an older key sealed does it leave the key file, as a step of its own; what recognises its digests stays.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value as Json, json};

use crate::app::App;
use crate::app::site_key::{Sealing, read};
use crate::clock::format_datetime;
use crate::database::Database;
use crate::database::nodes::OtherNode;
use crate::document::reseal::Resealing;
use crate::error::Error;
use crate::secret::{SiteKey, private};
use crate::web::{SecurityEvent, Severity};

/// How often it is looked whether nodes have got on.
const LOOK: Duration = Duration::from_millis(200);
/// How long requests have the database for themselves between two steps.
const BREATH: Duration = Duration::from_millis(5);
/// How often a step is tried that the database did not take, and after what pause.
const TRIES: u32 = 20;
const AGAIN: Duration = Duration::from_secs(1);

/// What was done.
pub(crate) struct Rotated {
    /// The id of the key that seals now.
    pub id: String,
    /// How much was sealed anew.
    pub resealed: u64,
    /// What could not be opened, and why, one line each.
    pub closed: Vec<String>,
}

/// Who rotates: how long nodes are waited for, and whom it tells what it waits for.
pub(crate) struct Rotation<'a> {
    pub app: &'a App,
    pub patience: Duration,
    pub tell: &'a (dyn Fn(&str) + Sync),
}

impl Rotation<'_> {
    /// Replaces the key that seals, or goes on with what was begun.
    pub(crate) async fn rotate(&self) -> anyhow::Result<Rotated> {
        let (database, key, path) = (self.database(), self.key(), self.path());
        let _alone = alone(path)?;
        let mut sealing = Sealing::read(database).await?;
        if sealing.older.is_empty() {
            let next = self.next(&sealing).await?;
            self.note(&sealing, Sealing { next: Some(next.clone()), ..sealing.clone() }).await?;
            sealing.next = Some(next.clone());
            let knows = |about: &Json| about["keys"]["knows"].as_array().is_some_and(|ids| ids.contains(&json!(next)));
            let advice = format!("do not have the new key yet: copy {} to where they run", path.display());
            self.wait_for_nodes(knows, &advice).await?;
            let older = sealing.current.iter().cloned().collect();
            let then = Sealing { current: Some(next.clone()), next: None, older };
            self.note(&sealing, then.clone()).await?;
            key.seal_with(&next);
            sealing = then;
        } else {
            (self.tell)("Going on with a rotation that was begun");
        }
        self.wait_until_all_seal(&key.id()).await?;
        let done = self.seal_anew().await?;
        let details = json!({"key": key.id(), "before": sealing.older, "sealed_anew": done.resealed()});
        self.record("Site Key Rotated", details).await;
        self.note(&sealing, Sealing { older: Vec::new(), ..sealing.clone() }).await?;
        Ok(Rotated { id: key.id(), resealed: done.resealed(), closed: done.closed() })
    }

    /// Takes the keys that seal no more out of the key file; says where they are now, if there were any.
    pub(crate) async fn retire(&self) -> anyhow::Result<Option<PathBuf>> {
        let (key, path) = (self.key(), self.path());
        let _alone = alone(path)?;
        let sealing = Sealing::read(self.database()).await?;
        let file = read(path)?.context("the key file is gone")?;
        ensure!(
            sealing.next.is_none() && sealing.older.is_empty() && sealing.current.as_ref() == Some(&file.id()),
            "a key is being replaced: end that first by `doctyped key-rotate`"
        );
        self.wait_until_all_seal(&key.id()).await?;
        self.seal_anew().await?;
        let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let (kept, taken) = SiteKey::retire_all_but(&text, &key.id());
        if taken.is_empty() {
            return Ok(None);
        }
        let aside = aside(path);
        let now = format_datetime(self.app.site.documents.clock().now_naive());
        private::append(&aside, &format!("# Retired {now} UTC\n{taken}"))
            .with_context(|| format!("write {}", aside.display()))?;
        private::replace(path, &kept).with_context(|| format!("write {}", path.display()))?;
        self.record("Site Key Retired", json!({"key": key.id()})).await;
        Ok(Some(aside))
    }

    fn database(&self) -> &Database {
        self.app.site.documents.database()
    }

    fn key(&self) -> &SiteKey {
        self.app.site.documents.site_key()
    }

    fn path(&self) -> &Path {
        &self.app.site.config.secret_key_file
    }

    /// The id of the key that is to seal: the one of a rotation that was begun, one that somebody wrote on the first line of
    /// the key file, or a new one, which is written there.
    async fn next(&self, sealing: &Sealing) -> anyhow::Result<String> {
        let path = self.path();
        let file = read(path)?.context("the key file is gone")?;
        if let Some(next) = &sealing.next {
            if file.knows(next) {
                self.key().take_over(&file);
                return Ok(next.clone());
            }
            let is_known = |node: &OtherNode| {
                about(node)["keys"]["knows"].as_array().is_some_and(|ids| ids.contains(&json!(next)))
            };
            ensure!(
                !self.database().serving().await?.iter().any(is_known),
                "a rotation to the key {next} was begun with another key file than {}: go on there, or copy that file here",
                path.display()
            );
            (self.tell)("A rotation was begun with a key that nobody has any more: beginning anew");
        }
        if sealing.current.as_ref() != Some(&file.id()) {
            self.key().take_over(&file);
            return Ok(file.id());
        }
        let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let text = format!("{}\n{text}", SiteKey::generate());
        private::replace(path, &text).with_context(|| {
            format!(
                "write {}: where only somebody else may, have them write a new key on its first line, above the others, and \
                 run this again",
                path.display()
            )
        })?;
        let file = SiteKey::from_text(&text)?;
        self.key().take_over(&file);
        Ok(file.id())
    }

    /// Has the database remember another state of things, unless somebody else has changed it.
    async fn note(&self, before: &Sealing, after: Sealing) -> anyhow::Result<()> {
        let transaction = self.database().begin().await?;
        let now = Sealing::read(&transaction).await?;
        ensure!(now == *before, "somebody else rotates the site key at the same time");
        after.write(&transaction).await?;
        Ok(transaction.commit().await?)
    }

    async fn wait_until_all_seal(&self, id: &str) -> anyhow::Result<()> {
        let seals = |about: &Json| about["keys"]["seals"] == json!(id);
        let advice = format!("do not seal with the key {id}: see why in their logs, or stop them");
        self.wait_for_nodes(seals, &advice).await?;
        // What one of them was sealing with another key may still be about to be stored.
        let (moment, began) = (self.database().moment().await?, Instant::now());
        while self.database().has_writes_since_before(&moment).await? {
            ensure!(
                began.elapsed() < self.patience,
                "a transaction does not end that was begun before: run this again later"
            );
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Waits until what every node says of itself is right.
    async fn wait_for_nodes(&self, is_right: impl Fn(&Json) -> bool, advice: &str) -> anyhow::Result<()> {
        let (began, mut told) = (Instant::now(), Vec::new());
        loop {
            let mut nodes = self.database().serving().await?;
            nodes.retain(|node| !is_right(&about(node)));
            if nodes.is_empty() {
                return Ok(());
            }
            let names: Vec<String> = nodes.into_iter().map(|node| node.name).collect();
            let text = format!("{} {advice}", names.join(", "));
            if began.elapsed() >= self.patience {
                bail!("{text}. Then run this again, which goes on from here");
            }
            // Most have it within a moment.
            if told != names && began.elapsed() > 10 * LOOK {
                (self.tell)(&format!("Waiting: {text}"));
                told = names;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Goes through everything that is sealed until nothing is left that another key sealed, and opens.
    async fn seal_anew(&self) -> anyhow::Result<Resealing> {
        let mut done = Resealing::default();
        loop {
            let before = done.resealed();
            done.begin_anew();
            let mut tries = 0;
            loop {
                match self.app.site.documents.reseal(&self.app.sealed, &mut done).await {
                    Ok(true) => tries = 0,
                    Ok(false) => break,
                    Err(Error::Unavailable(reason)) if tries < TRIES => {
                        tracing::debug!(reason, "the database does not take it now");
                        tries += 1;
                        tokio::time::sleep(AGAIN).await;
                    }
                    Err(error) => return Err(anyhow::Error::new(error).context("seal anew")),
                }
                tokio::time::sleep(BREATH).await;
            }
            if done.resealed() == before {
                return Ok(done);
            }
        }
    }

    async fn record(&self, event: &'static str, details: Json) {
        SecurityEvent::new(event, Severity::Info).details(details).record(&self.app.site.documents).await;
    }
}

/// Holds off other commands that change the same key file.
fn alone(path: &Path) -> anyhow::Result<Option<File>> {
    #[cfg(unix)]
    {
        let path = path.canonicalize().with_context(|| format!("the key file {}", path.display()))?;
        let folder = File::open(path.parent().unwrap_or(Path::new(".")))?;
        if folder.try_lock().is_err() {
            bail!("another command is changing the key file {}", path.display());
        }
        Ok(Some(folder))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        Ok(None)
    }
}

/// Where the keys go that leave the key file.
fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".retired");
    name.into()
}

fn about(node: &OtherNode) -> Json {
    serde_json::from_str(&node.about).unwrap_or_default()
}
