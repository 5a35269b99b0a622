//! A login from a device that was not seen before: its person is told by mail, where mail is set up.

use async_trait::async_trait;
use serde_json::Value as Json;

use crate::document::{Controller, Work};
use crate::error::Result;
use crate::meta::Document;
use crate::permissions::session::ADMINISTRATOR;
use crate::web::LoginSettings;
use crate::web::mail::{Mail, Mailer, Text};

/// Hears of it as it is noted: by the Security Event, in the transaction of the login.
pub(crate) struct TellsOfNewDevices(pub Mailer);

#[async_trait]
impl Controller for TellsOfNewDevices {
    async fn after_insert(&self, work: &mut Work<'_>, event: &Document) -> Result<()> {
        let name = event.text("user");
        // The address of Administrator is nobody's until somebody gives it one.
        let concerns = event.text("event") == "Login from New Device" && name != ADMINISTRATOR;
        if !concerns || !self.0.is_set_up(work.documents).await? {
            return Ok(());
        }
        let user = work.get("User", name).await?;
        let address = user.text("email");
        if !address.contains('@') {
            return Ok(());
        }
        let details: Json = serde_json::from_str(event.text("details")).unwrap_or_default();
        let device = details["device"].as_str().unwrap_or_default();
        let site_name = LoginSettings::load(work.documents).await?.app_name;
        let (site_url, from) = (work.documents.site_url(), event.text("ip_address"));
        let page = format!("{site_url}/me");
        let mail = Mail {
            to: address,
            language: user.text("language"),
            subject: Text::new("A new device at {site_name}", &[("site_name", &site_name)]),
            paragraphs: vec![
                Text::new("Hello {person},", &[("person", user.text("full_name"))]),
                Text::new(
                    "somebody has logged in to your account on a device that was not seen before: {device}, from {address}.",
                    &[("device", device), ("address", from)],
                ),
                Text::new("If it was you, all is well. If not, change your password and end that session:", &[]),
                Text::new("{link}", &[("link", &page)]),
                Text::new("{site_name}, {site_url}", &[("site_name", &site_name), ("site_url", site_url)]),
            ],
        };
        mail.queue(work).await
    }
}
