//! System Settings: what they say has to mean something.

use async_trait::async_trait;

use super::user::check_time_zone;
use crate::document::{Controller, Work};
use crate::error::{Invalid, Result};
use crate::meta::Document;

/// The controller.
pub(crate) struct SystemSettings;

#[async_trait]
impl Controller for SystemSettings {
    async fn validate(&self, _: &mut Work<'_>, settings: &mut Document, _: Option<&Document>) -> Result<()> {
        let mut invalid = Invalid::default();
        check_time_zone(settings, &mut invalid);
        invalid.into_result()
    }
}
