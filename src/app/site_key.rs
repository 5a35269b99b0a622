//! The site's key: from its file, made for a new site only, and compared with what the database was sealed with.

use std::path::Path;

use anyhow::{Context as _, bail, ensure};

use crate::config::Config;
use crate::database::{Database, Executor, state};
use crate::secret::{SiteKey, private};

/// The key under which the database remembers the id of the site's key.
const SITE_KEY: &str = "site_key";

/// The key: that which is given, or that of the configured file. A file that is missing is made for a new site; a key that
/// did not seal what the database holds is refused.
pub(super) async fn establish(given: Option<SiteKey>, config: &Config, database: &Database) -> anyhow::Result<SiteKey> {
    let path = &config.secret_key_file;
    if let Some(folder) = path.parent().filter(|folder| *folder == Path::new("data")) {
        // The folder that is made where nothing is configured holds nothing of others.
        private::keep_to_owner(folder);
    }
    let key = match given {
        Some(key) => check(&key, id_in(database).await?.as_deref(), path).map(|()| key)?,
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
    let sealed_with = id_in(database).await?;
    let Some(key) = read(path)? else {
        let is_new = sealed_with.is_none() && !state::has_rows(database, "tabUser").await?;
        ensure!(
            is_new,
            "the key file {} is missing, and this site has one: put it back from your backup, or name it by \
             DOCTYPED_SECRET_KEY_FILE. Without it no token, secret or signing key of the site works",
            path.display()
        );
        return Ok(None);
    };
    check(&key, sealed_with.as_deref(), path)?;
    Ok(Some(key))
}

/// Has the database remember the current key; the schema is there.
pub(super) async fn remember(key: &SiteKey, config: &Config, database: &Database) -> anyhow::Result<()> {
    if state::get(database, SITE_KEY).await?.as_deref() == Some(key.id()) {
        return Ok(());
    }
    let transaction = database.begin().await?;
    // Another process may have been faster.
    check(key, state::get(&transaction, SITE_KEY).await?.as_deref(), &config.secret_key_file)?;
    state::set(&transaction, SITE_KEY, key.id()).await?;
    transaction.commit().await?;
    Ok(())
}

/// The id of the key that sealed what a database holds.
pub(super) async fn id_in(executor: &dyn Executor) -> anyhow::Result<Option<String>> {
    state::get(executor, SITE_KEY).await.context("read which key the site has")
}

/// Has a database remember the id of the key that sealed what it holds.
pub(super) async fn note(executor: &dyn Executor, id: &str) -> anyhow::Result<()> {
    state::set(executor, SITE_KEY, id).await.context("note which key the site has")
}

/// Fails unless the key of that file is the one with that id, or holds it as an older one.
pub(super) fn ensure_knows(path: &Path, id: &str) -> anyhow::Result<()> {
    let key = read(path)?.with_context(|| format!("the key file {} is missing", path.display()))?;
    check(&key, Some(id), path)
}

fn check(key: &SiteKey, sealed_with: Option<&str>, path: &Path) -> anyhow::Result<()> {
    match sealed_with {
        Some(id) if !key.knows(id) => bail!(
            "the key file {} holds the key {}, but this site's secrets are sealed with the key {id}: put the right file \
             back from your backup, or name it by DOCTYPED_SECRET_KEY_FILE. To replace a key, write the new one on the \
             first line and leave the old one below it",
            path.display(),
            key.id()
        ),
        _ => Ok(()),
    }
}

/// The key of a file; `None` if there is no such file.
fn read(path: &Path) -> anyhow::Result<Option<SiteKey>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("read the key file {}", path.display())),
    };
    private::keep_to_owner(path);
    SiteKey::from_text(&text).map(Some).with_context(|| format!("the key file {}", path.display()))
}

/// Makes a key, in a file that only its owner may read.
fn make(path: &Path) -> anyhow::Result<SiteKey> {
    let text = SiteKey::generate();
    private::write_new(path, &format!("{text}\n")).with_context(|| format!("make the key file {}", path.display()))?;
    Ok(SiteKey::from_text(&text)?)
}
