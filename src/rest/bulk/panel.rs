//! Beside the form of Bulk Change: how far it is, and what became of each document.

use async_trait::async_trait;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::change::BulkChange;
use super::run::tally;
use crate::error::Result;
use crate::meta::Document;
use crate::permissions::Session;
use crate::web::Site;
use crate::web::panel::{Panel, Panels};

/// The panel.
pub(super) struct ProgressPanel;

#[async_trait]
impl Panels for ProgressPanel {
    async fn panels(&self, site: &Site, _: &Session, document: &Document) -> Result<Vec<Panel>> {
        let change = BulkChange::from(document);
        let (succeeded, refused) = tally(&site.documents, &change.name).await?;
        let name = utf8_percent_encode(&change.name, NON_ALPHANUMERIC).to_string();
        let log = format!("/app/bulk-change-log?bulk_change={name}");
        Ok(vec![Panel {
            title: "Progress".to_owned(),
            help: format!("{} of {} done: {succeeded} changed, {refused} refused.", succeeded + refused, change.total),
            links: vec![
                ("Result for each document".to_owned(), log.clone()),
                ("What refused, and why".to_owned(), format!("{log}&success=0")),
            ],
            ..Panel::default()
        }])
    }
}
