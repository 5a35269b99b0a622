//! Small facts about the site.

use serde_json::json;

use crate::clock::Zone;
use crate::error::Result;
use crate::rest::methods::{add, add_for_guests};
use crate::web::{Answer, Call, Plugins, Verbs};

/// Registers the methods.
pub(super) fn register(plugins: &mut Plugins) {
    let path = "frappe.client.get_time_zone";
    add_for_guests(plugins, path, Verbs::READ, "Says the time zone of the site", &[], get_time_zone);
    let path = "frappe.core.doctype.user.user.get_timezones";
    add(plugins, path, Verbs::READ, "Lists the names of all time zones", &[], get_timezones);
}

async fn get_time_zone(call: Call) -> Result<Answer> {
    Ok(Answer::message(json!({ "time_zone": call.site.documents.site_zone().name() })))
}

async fn get_timezones(_: Call) -> Result<Answer> {
    Ok(Answer::message(json!({ "timezones": Zone::names().collect::<Vec<_>>() })))
}
