//! Small facts about the site.

use serde_json::json;

use crate::error::Result;
use crate::permissions::Session;
use crate::rest::methods::add_for_guests;
use crate::web::settings::SYSTEM_SETTINGS;
use crate::web::{Answer, Call, Plugins, Verbs};

/// Registers the methods.
pub(super) fn register(plugins: &mut Plugins) {
    let path = "frappe.client.get_time_zone";
    add_for_guests(plugins, path, Verbs::READ, "Says the time zone of the site", &[], get_time_zone);
}

async fn get_time_zone(call: Call) -> Result<Answer> {
    let settings = call.site.documents.get(&Session::system(), SYSTEM_SETTINGS, SYSTEM_SETTINGS).await?;
    let zone = Some(settings.text("time_zone")).filter(|zone| !zone.is_empty()).unwrap_or("UTC");
    Ok(Answer::message(json!({ "time_zone": zone })))
}
