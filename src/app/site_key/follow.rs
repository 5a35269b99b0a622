//! A node follows its key file and what the database says of the keys, so that a rotation needs no restart.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::app::site_key::{self, Sealing};
use crate::reload;
use crate::web::Site;

/// How often it looks. Whatever is being sealed while it looks is stored before it looks again.
const EVERY: Duration = Duration::from_millis(500);

/// Follows until `stop` turns true.
pub(crate) fn follow(site: Site, mut stop: watch::Receiver<bool>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut following = Following { site, told: String::new(), complaint: None, logged: None };
        loop {
            let turn = async {
                following.look().await;
                tokio::time::sleep(EVERY).await;
            };
            tokio::select! {
                () = turn => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    })
}

struct Following {
    site: Site,
    /// What it last told of itself.
    told: String,
    /// What was wrong at the last look.
    complaint: Option<String>,
    /// The last thing that the log was told.
    logged: Option<String>,
}

impl Following {
    async fn look(&mut self) {
        let documents = &self.site.documents;
        let (database, key, path) = (documents.database(), documents.site_key(), &self.site.config.secret_key_file);
        let before = key.id();
        // Since the last look.
        if key.lacking().is_none() {
            key.settle();
        }
        let (mut is_new, mut complaint) = (false, None);
        match site_key::look(path) {
            Ok(Some(found)) => is_new = key.take_over(&found),
            Ok(None) => complaint = Some(format!("the key file {} is gone: put it back", path.display())),
            Err(error) => complaint = Some(format!("{error:#}")),
        }
        let Ok(sealing) = Sealing::read_of_site(database)
            .await
            .inspect_err(|error| tracing::debug!(%error, "which key seals cannot be read"))
        else {
            return;
        };
        if let Some(current) = &sealing.current {
            key.seal_with(current);
        }
        if let Some(id) = key.lacking() {
            complaint = Some(format!(
                "requests are refused: the site is sealed with the key {id}, which the key file {} does not hold: copy the \
                 file from a node that is ready",
                path.display()
            ));
        } else if let Some(next) = sealing.next.as_deref().filter(|next| !key.knows(next)) {
            complaint = Some(format!(
                "the site key is about to be replaced by {next}, which the key file {} does not hold: copy the file from \
                 where `doctyped key-rotate` waits",
                path.display()
            ));
        }
        if is_new || key.id() != before {
            tracing::info!(keys = key.ids().join(" "), seals = key.id(), "the keys of the site have changed");
            // What is kept may be sealed with a key that is gone.
            documents.forget_everything();
        }
        // Not at the first look: file and database change one after the other.
        if complaint.is_none() {
            self.logged = None;
        } else if complaint == self.complaint && complaint != self.logged {
            tracing::error!("{}", complaint.as_deref().unwrap_or_default());
            self.logged.clone_from(&complaint);
        }
        self.complaint = complaint;
        reload::describe(&self.site);
        let about = database.about();
        if about != self.told && database.tell_about().await.is_ok() {
            self.told = about;
        }
    }
}
