//! Which process serves a file of SQLite: one, and another that does too is told so at its start.

use std::fs::{File, OpenOptions, TryLockError};

use anyhow::Context as _;

use sea_orm::DbErr;

use crate::database::connect::{Backend, Database, Executor as _, sqlite_path, with_ending};
use crate::database::nodes::OtherNode;
use crate::database::state;

/// Under which key the process that serves a file of SQLite tells others about itself.
const ABOUT: &str = "served_by";

/// The claim of the process that serves; it ends with this value, or with the process.
#[derive(Debug)]
pub enum Claim {
    /// On a file of SQLite.
    File(File),
    /// It could not be made, or none is needed: on PostgreSQL processes tell each other what they write.
    None,
}

impl Database {
    /// Claims the database for this process, which is about to serve it. Warns if another one has.
    pub fn claim(&self) -> Claim {
        match self.claim_file() {
            Ok(Some(claim)) => return claim,
            Ok(None) => tracing::warn!(
                "another process serves this database already: run one on SQLite. What one changes (rights, sessions, \
                 revoked tokens, settings, documents) the other learns late or not at all"
            ),
            Err(error) => tracing::warn!(%error, "it is not known whether another process serves this database"),
        }
        Claim::None
    }

    /// Claims the database for this process alone; fails if another one serves it.
    pub(crate) async fn claim_alone(&self) -> anyhow::Result<Claim> {
        let claim = if self.has_other_nodes().await? { None } else { self.claim_file()? };
        claim.context("this site is being served: stop it first, for what is written meanwhile would stay behind")
    }

    /// The processes that serve this site, this one aside: on SQLite the one that has claimed it, on PostgreSQL all that gave a
    /// sign lately or whose connection is still there.
    pub(crate) async fn serving(&self) -> anyhow::Result<Vec<OtherNode>> {
        if self.backend() == Backend::Postgres {
            return Ok(self.nodes_that_may_serve().await?);
        }
        if self.claim_file()?.is_some() {
            return Ok(Vec::new());
        }
        let about = state::get(self, ABOUT).await?.unwrap_or_default();
        Ok(vec![OtherNode { name: "the server".to_owned(), seen: String::new(), about }])
    }

    /// Tells what this process says of itself, at once.
    pub(crate) async fn tell_about(&self) -> Result<(), DbErr> {
        match self.backend() {
            Backend::Sqlite => {
                let transaction = self.begin().await?;
                state::set(&transaction, ABOUT, &self.about()).await?;
                transaction.commit().await
            }
            Backend::Postgres => self.sign().await,
        }
    }

    fn claim_file(&self) -> anyhow::Result<Option<Claim>> {
        if self.backend() == Backend::Postgres {
            return Ok(Some(Claim::None));
        }
        let Some(path) = sqlite_path(self.url()) else { return Ok(Some(Claim::None)) };
        let path = with_ending(&path, "-serving");
        crate::secret::private::own_file(&path)?;
        let file = OpenOptions::new().write(true).open(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Claim::File(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }
}
