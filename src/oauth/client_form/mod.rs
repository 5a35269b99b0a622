//! What stands beside the forms of OAuth Client and OAuth Settings: addresses, ready examples, and the way to try.

pub(crate) mod examples;
mod kinds;
pub(crate) mod steps;
pub(crate) mod try_it;

use std::sync::Arc;

use async_trait::async_trait;

use crate::error::Result;
use crate::meta::{Document, Right};
use crate::oauth::protocol::serve::metadata::{
    AUTHORIZE, DEVICE_AUTHORIZATION, INTROSPECT, REVOKE, TOKEN, USERINFO, WELL_KNOWN_JWKS, WELL_KNOWN_OPENID,
    WELL_KNOWN_RESOURCE, WELL_KNOWN_SERVER,
};
use crate::oauth::server::Server;
use crate::oauth::views::oauth_client::OAUTH_CLIENT;
use crate::oauth::views::oauth_settings::OAUTH_SETTINGS;
use crate::oauth::views::{OAuthClient, OAuthSettings};
use crate::permissions::Session;
use crate::web::panel::{Beginnings, Panel, Panels};
use crate::web::{Plugins, Site};
use examples::Kind;

/// Registers the panels and the pages of trying out.
pub(crate) fn register(plugins: &mut Plugins, server: &Arc<Server>) {
    plugins.panels(OAUTH_CLIENT, ClientPanels);
    plugins.panels(OAUTH_SETTINGS, SettingsPanels);
    try_it::register(plugins, server);
}

struct ClientPanels;

#[async_trait]
impl Panels for ClientPanels {
    async fn panels(&self, site: &Site, session: &Session, document: &Document) -> Result<Vec<Panel>> {
        let client = OAuthClient::from(document);
        let settings = OAuthSettings::load(&site.documents).await?;
        let url = site.documents.site_url();
        let kinds = Kind::of(&client, &settings);
        let mut panels = Vec::new();
        let may_try = site.documents.check_permission(session, &document.doctype, Some(document), Right::Write).is_ok();
        if may_try && client.enabled && !try_it::Way::of(&client, &settings).is_empty() {
            panels.push(Panel {
                title: "Try it".to_owned(),
                help: "Walk through the application's sign-in yourself, and see what is sent and what comes back."
                    .to_owned(),
                links: vec![("Try this client".to_owned(), try_it::address(&client))],
                ..Panel::default()
            });
        }
        let mut values = vec![
            ("Issuer".to_owned(), url.to_owned()),
            ("Client ID".to_owned(), client.client_id.clone()),
            ("Metadata".to_owned(), format!("{url}{WELL_KNOWN_SERVER}")),
        ];
        if kinds.iter().any(|kind| matches!(kind, Kind::Web | Kind::Browser | Kind::Native)) {
            values.push(("Authorization endpoint".to_owned(), format!("{url}{AUTHORIZE}")));
        }
        if kinds.contains(&Kind::Device) {
            values.push(("Device authorization endpoint".to_owned(), format!("{url}{DEVICE_AUTHORIZATION}")));
        }
        values.extend([
            ("Token endpoint".to_owned(), format!("{url}{TOKEN}")),
            ("Revocation endpoint".to_owned(), format!("{url}{REVOKE}")),
            ("Userinfo endpoint".to_owned(), format!("{url}{USERINFO}")),
        ]);
        if !client.is_public() {
            values.push(("Introspection endpoint".to_owned(), format!("{url}{INTROSPECT}")));
        }
        panels.push(Panel {
            title: "Addresses".to_owned(),
            help: "What the application has to be told. Most find the rest by the issuer alone.".to_owned(),
            values,
            ..Panel::default()
        });
        panels.extend(kinds.into_iter().map(|kind| Panel {
            title: kind.title().to_owned(),
            help: kind.help().to_owned() + &kind.besides(&client),
            examples: examples::examples(&client, kind, url, &settings),
            is_wide: true,
            ..Panel::default()
        }));
        Ok(panels)
    }

    fn beginnings(&self) -> Option<Beginnings> {
        Some(kinds::KINDS)
    }
}

struct SettingsPanels;

#[async_trait]
impl Panels for SettingsPanels {
    async fn panels(&self, site: &Site, _: &Session, _: &Document) -> Result<Vec<Panel>> {
        let settings = OAuthSettings::load(&site.documents).await?;
        let mut links = vec![("Keys".to_owned(), WELL_KNOWN_JWKS.to_owned())];
        if settings.show_auth_server_metadata {
            links.push(("Authorization server".to_owned(), WELL_KNOWN_SERVER.to_owned()));
            links.push(("OpenID provider".to_owned(), WELL_KNOWN_OPENID.to_owned()));
        }
        if settings.show_protected_resource_metadata {
            let url = site.documents.site_url();
            let own = settings.resources(url);
            links.extend(own.iter().filter_map(|resource| {
                let path = resource.strip_prefix(url)?;
                let label = if path.is_empty() { "Resource: the site".to_owned() } else { format!("Resource {path}") };
                Some((label, format!("{WELL_KNOWN_RESOURCE}{path}")))
            }));
        }
        Ok(vec![Panel {
            title: "What applications read".to_owned(),
            help:
                "These documents change with the settings, at once. An application needs only the issuer to find them."
                    .to_owned(),
            values: vec![("Issuer".to_owned(), site.documents.site_url().to_owned())],
            links,
            ..Panel::default()
        }])
    }
}
