//! Beside the form of a Social Login Key: what to copy, what to enter at the provider, how to try it.

use std::sync::Arc;

use async_trait::async_trait;

use crate::error::Result;
use crate::meta::Document;
use crate::oauth::client::social::MODULE;
use crate::oauth::client::social::presets::PRESETS;
use crate::oauth::client::social::social_login_key::{DOCTYPE, SocialLoginKey};
use crate::permissions::Session;
use crate::web::panel::{Panel, Panels, Presets};
use crate::web::{Plugins, Site};

/// Registers the panel.
pub(crate) fn register(plugins: &mut Plugins) {
    plugins.panels.entry(DOCTYPE.to_owned()).or_default().push(Arc::new(SetUpPanel));
}

struct SetUpPanel;

#[async_trait]
impl Panels for SetUpPanel {
    async fn panels(&self, site: &Site, _session: &Session, document: &Document) -> Result<Vec<Panel>> {
        let key = SocialLoginKey::from(document);
        let base = &site.config.site_url;
        let provider = document.text("social_login_provider");
        let mut values = vec![("Redirect URL".to_owned(), key.redirect_url.clone())];
        // What signs people out where they sign out there; presets whose providers do not tell need no address for it.
        if key.issuer.is_some() {
            let address = format!("{base}{MODULE}.backchannel_logout/{}", key.name);
            values.push(("Back-channel logout URL".to_owned(), address));
        }
        values.push(("After logging out".to_owned(), format!("{base}/login")));
        if key.may_vouch {
            values.push(("Audience of identity assertions".to_owned(), site.documents.site_url().to_owned()));
        }
        values.retain(|(_, value)| !value.is_empty());
        let set_up =
            Panel { title: "At the provider".to_owned(), help: steps(provider).to_owned(), values, ..Panel::default() };
        let mut panels = vec![set_up];
        if key.enable_social_login {
            panels.push(Panel {
                title: "Try it".to_owned(),
                help:
                    "Open this address in a private window, so that you stay logged in here. If something is missing, \
                       the page says what. Whom the provider named and the site refused is noted as a Security Event, the \
                       rest in the log."
                        .to_owned(),
                values: vec![("Address".to_owned(), format!("{base}/login/with/{}", key.name))],
                ..Panel::default()
            });
        }
        Ok(panels)
    }

    fn presets(&self) -> Option<Presets> {
        let options = PRESETS.iter().map(|preset| (preset.provider, preset.values().collect())).collect();
        Some(Presets { field: "social_login_provider", options })
    }
}

/// Where to register this site, in the provider's own words.
fn steps(provider: &str) -> &'static str {
    match provider {
        "Google" => {
            "In the Google Cloud console, under APIs & Services › Credentials, create an OAuth client ID of the type \
             `Web application`. Enter the redirect URL under Authorized redirect URIs, and paste the client ID and secret here."
        }
        "GitHub" => {
            "On GitHub, under Settings › Developer settings › OAuth Apps, register a new application. Enter the redirect \
             URL as the Authorization callback URL, generate a client secret, and bring both here."
        }
        "Facebook" => {
            "At Meta for Developers, create an app with Facebook Login. Enter the redirect URL under Valid OAuth Redirect \
             URIs. Its App ID is the client ID here, its App Secret the client secret."
        }
        "Office 365" => {
            "In the Microsoft Entra admin center, under App registrations, register an application for accounts in this \
             organisation only, with the redirect URL of the platform `Web`. Bring its Application (client) ID, the \
             Directory (tenant) ID and the value of a new client secret here. Add the optional claim `email` to the ID token."
        }
        "Salesforce" => {
            "In Salesforce Setup, create a connected app with OAuth enabled, the redirect URL as Callback URL and the \
             scope `openid`. Its Consumer Key is the client ID here, its Consumer Secret the client secret."
        }
        "Frappe" => {
            "On the other site, create an OAuth Client with the redirect URL as Default Redirect URI and `openid` among its \
             scopes, and paste its client ID and secret here. If that site is Doctyped too, allow `openid email profile` \
             there and enter the same under Scopes here."
        }
        "Keycloak" => {
            "In Keycloak, create a client of the type OpenID Connect with Client authentication on. Enter the redirect URL \
             under Valid redirect URIs. Its secret is under Credentials. Enter the address of the realm as Base URL here, \
             such as `https://login.example.com/realms/staff`."
        }
        "fairlogin" => {
            "Ask fairlogin to register this site as a client with the redirect URL, and paste the client ID and secret here."
        }
        _ => {
            "Register this site as an application (a client for the authorization code flow) with the redirect URL, exactly \
             as it stands. Enter client ID and secret here, and the address where the provider describes itself as OpenID \
             Configuration."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_has_steps_of_its_own() {
        for preset in PRESETS {
            assert_ne!(steps(preset.provider), steps("Custom"), "{}", preset.provider);
        }
    }
}
