//! The site's key: from its file, made for a new site only, and compared with what the database was sealed with.
//!
//! Which of the keys seals says the database, not the order of the file: nodes may have the file by copies, and none may seal
//! with a key that another one does not have yet.

pub(crate) mod follow;
pub(crate) mod rotation;

use std::path::Path;

use anyhow::{Context as _, bail, ensure};

use crate::config::Config;
use crate::database::schema::wanted::STATE_TABLE;
use crate::database::{Database, Executor, state};
use crate::secret::{SiteKey, private};

/// The keys under which the database remembers which key seals, which one is about to, and which others have sealed what may
/// still be stored.
const SITE_KEY: &str = "site_key";
const NEXT: &str = "site_key_next";
const OLDER: &str = "site_key_older";

/// What a database remembers of the site's keys: their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sealing {
    /// The one that seals.
    pub current: Option<String>,
    /// The one that will, once every node has it.
    pub next: Option<String>,
    /// Those that sealed before, until everything is sealed anew.
    pub older: Vec<String>,
}

impl Sealing {
    pub(super) async fn read(executor: &dyn Executor) -> anyhow::Result<Self> {
        if !state::has_table(executor, STATE_TABLE).await? {
            return Ok(Self::default());
        }
        Self::read_of_site(executor).await
    }

    /// The same where the schema is there.
    pub(super) async fn read_of_site(executor: &dyn Executor) -> anyhow::Result<Self> {
        let [current, next, older] = state::get_all(executor, [SITE_KEY, NEXT, OLDER]).await.context(UNREAD)?;
        let older = older.unwrap_or_default().split_whitespace().map(str::to_owned).collect();
        Ok(Self { current, next: next.filter(|next| !next.is_empty()), older })
    }

    pub(super) async fn write(&self, executor: &dyn Executor) -> anyhow::Result<()> {
        if let Some(current) = &self.current {
            state::set(executor, SITE_KEY, current).await?;
        }
        state::set(executor, NEXT, self.next.as_deref().unwrap_or_default()).await?;
        Ok(state::set(executor, OLDER, &self.older.join(" ")).await?)
    }

    /// The keys without which something that is stored does not open.
    pub(super) fn needed(&self) -> impl Iterator<Item = &str> {
        self.current.iter().chain(&self.older).map(String::as_str)
    }

    /// The same for a database that is about to be filled: nothing is under way there.
    pub(super) fn settled(self) -> Self {
        Self { next: None, ..self }
    }
}

/// What fails when the database does not say.
const UNREAD: &str = "read which key the site has";

/// The key: that which is given, or that of the configured file. A file that is missing is made for a new site; a key that
/// did not seal what the database holds is refused.
pub(super) async fn establish(given: Option<SiteKey>, config: &Config, database: &Database) -> anyhow::Result<SiteKey> {
    let path = &config.secret_key_file;
    if let Some(folder) = path.parent().filter(|folder| *folder == Path::new("data")) {
        // The folder that is made where nothing is configured holds nothing of others.
        private::keep_to_owner(folder);
    }
    let key = match given {
        Some(key) => check(&key, &Sealing::read(database).await?, path).map(|()| key)?,
        None => match find(config, database).await? {
            Some(key) => key,
            None => make(path)?,
        },
    };
    Ok(key)
}

/// The key of the configured file; `None`: it is still to be made. Fails if the site has another one.
pub(super) async fn find(config: &Config, database: &Database) -> anyhow::Result<Option<SiteKey>> {
    let path = &config.secret_key_file;
    let sealing = Sealing::read(database).await?;
    let Some(key) = read(path)? else {
        let is_new = sealing.current.is_none() && !state::has_rows(database, "tabUser").await?;
        ensure!(
            is_new,
            "the key file {} is missing, and this site has one: put it back from your backup, or name it by \
             DOCTYPED_SECRET_KEY_FILE. Without it no token, secret or signing key of the site works",
            path.display()
        );
        return Ok(None);
    };
    check(&key, &sealing, path)?;
    if let Some(current) = &sealing.current {
        key.seal_with(current);
    }
    Ok(Some(key))
}

/// Has the database of a new site remember the key, and the key seal as the database says; the schema is there.
pub(super) async fn remember(key: &SiteKey, config: &Config, database: &Database) -> anyhow::Result<()> {
    let mut sealing = Sealing::read(database).await?;
    if sealing.current.is_none() {
        let transaction = database.begin().await?;
        // Another process may have been faster.
        sealing = Sealing::read(&transaction).await?;
        if sealing.current.is_none() {
            sealing.current = Some(key.id());
            sealing.write(&transaction).await?;
        }
        transaction.commit().await?;
    }
    check(key, &sealing, &config.secret_key_file)?;
    if let Some(current) = &sealing.current {
        key.seal_with(current);
    }
    Ok(())
}

/// Fails unless the keys of that file open what was sealed with these.
pub(super) fn ensure_knows<'a>(path: &Path, ids: impl Iterator<Item = &'a str>) -> anyhow::Result<()> {
    let key = read(path)?.with_context(|| format!("the key file {} is missing", path.display()))?;
    check_ids(&key, ids, path)
}

fn check(key: &SiteKey, sealing: &Sealing, path: &Path) -> anyhow::Result<()> {
    check_ids(key, sealing.needed(), path)
}

fn check_ids<'a>(key: &SiteKey, mut ids: impl Iterator<Item = &'a str>, path: &Path) -> anyhow::Result<()> {
    match ids.find(|id| !key.knows(id)) {
        Some(id) => bail!(
            "the key file {} holds the key {}, but this site's secrets are sealed with the key {id}: put the right file \
             back from your backup, or name it by DOCTYPED_SECRET_KEY_FILE. `doctyped key-rotate` replaces a key",
            path.display(),
            key.ids().join(", ")
        ),
        None => Ok(()),
    }
}

/// The key of a file, which others may not read from here on; `None` if the file does not exist.
fn read(path: &Path) -> anyhow::Result<Option<SiteKey>> {
    private::keep_to_owner(path);
    look(path)
}

/// The key of a file; `None` if the file does not exist.
fn look(path: &Path) -> anyhow::Result<Option<SiteKey>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("read the key file {}", path.display())),
    };
    SiteKey::from_text(&text).map(Some).with_context(|| format!("the key file {}", path.display()))
}

/// Makes a key, in a file that only its owner may read.
fn make(path: &Path) -> anyhow::Result<SiteKey> {
    let text = SiteKey::generate();
    private::write_new(path, &format!("{text}\n")).with_context(|| format!("make the key file {}", path.display()))?;
    Ok(SiteKey::from_text(&text)?)
}
