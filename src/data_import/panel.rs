//! Beside the form of Data Import: the way to its steps.

use async_trait::async_trait;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::Result;
use crate::meta::Document;
use crate::permissions::Session;
use crate::web::Site;
use crate::web::panel::{Panel, Panels};

/// The panel.
pub(super) struct StepsPanel;

#[async_trait]
impl Panels for StepsPanel {
    async fn panels(&self, _: &Site, _: &Session, document: &Document) -> Result<Vec<Panel>> {
        let name = utf8_percent_encode(&document.name(), NON_ALPHANUMERIC).to_string();
        Ok(vec![Panel {
            title: "Steps".to_owned(),
            help: "What the columns of the file mean, what is wrong with its rows, start, progress and result."
                .to_owned(),
            links: vec![("Map columns, check and start".to_owned(), format!("/app/_import/{name}"))],
            ..Panel::default()
        }])
    }
}
