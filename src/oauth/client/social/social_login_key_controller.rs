//! What happens when a Social Login Key is named, saved or removed.

use std::sync::Arc;

use async_trait::async_trait;

use crate::document::{Controller, Documents, Work};
use crate::error::{Error, FieldProblem, Invalid, ProblemKind, Result};
use crate::meta::{Document, Value};
use crate::oauth::client::social::MODULE;
use crate::oauth::client::social::presets;
use crate::oauth::client::social::presets::Preset;
use crate::oauth::client::social::social_login_key::{DOCTYPE, SocialLoginKey};
use crate::oauth::client::social::social_login_key_checks::{check_complete, check_texts, fill_preset, problem};
use crate::oauth::client::{Providers, is_kept};
use crate::oauth::views::user_social_login;
use crate::oauth::views::user_social_login::row_provider;
use crate::permissions::Session;
use crate::permissions::session::{ADMINISTRATOR, ROLE_ALL, ROLE_DESK_USER, ROLE_GUEST};

/// Behaviour of the DocType Social Login Key.
pub(crate) struct SocialLoginKeyController {
    providers: Arc<Providers>,
}

impl SocialLoginKeyController {
    /// With what the site knows of providers.
    pub(crate) fn new(providers: Arc<Providers>) -> Self {
        Self { providers }
    }
}

/// Where the provider sends people back to: Frappe's name for the well-known ones, else one with the key's name.
fn redirect_url(site_url: &str, document: &Document) -> String {
    let name = document.name();
    if let Some(preset) = presets::of(document.text("social_login_provider")).filter(|preset| preset.key_name() == name)
    {
        format!("{site_url}{MODULE}.login_via_{}", preset.callback)
    } else {
        let name = percent_encoding::utf8_percent_encode(&name, percent_encoding::NON_ALPHANUMERIC);
        format!("{site_url}{MODULE}.custom/{name}")
    }
}

#[async_trait]
impl Controller for SocialLoginKeyController {
    async fn autoname(&self, _work: &mut Work<'_>, document: &mut Document) -> Result<()> {
        if document.text("provider_name").trim().is_empty() {
            // A preset has a name of its own.
            if presets::of(document.text("social_login_provider")).is_none() {
                let message = "Provider Name is required";
                let problem = FieldProblem::at(ProblemKind::Mandatory, "provider_name", "Provider Name", message);
                return Err(Error::Validation(Invalid { problems: vec![problem] }));
            }
            document.set("provider_name", document.text("social_login_provider").to_owned());
        }
        // Letters and digits only: the name is part of addresses.
        let name: String = crate::meta::doctype::scrub(document.text("provider_name").trim())
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect();
        if name.is_empty() {
            return Err(Error::Validation(Invalid {
                problems: vec![FieldProblem::at(
                    ProblemKind::Mandatory,
                    "provider_name",
                    "Provider Name",
                    "Provider Name needs letters from a to z or digits: they become part of the redirect URL",
                )],
            }));
        }
        document.set_name(name);
        Ok(())
    }

    async fn validate(&self, work: &mut Work<'_>, document: &mut Document, before: Option<&Document>) -> Result<()> {
        let custom = presets::of(document.text("social_login_provider")).is_none_or(Preset::has_custom_base_url);
        document.set("custom_base_url", custom);
        document.set("redirect_url", redirect_url(work.documents.site_url(), document));
        fill_preset(document);
        let key = SocialLoginKey::from(&*document);
        let mut problems = Invalid::default();
        check_texts(document, &key, &mut problems);
        // As Frappe, also while it is switched off.
        if key.preset.is_some_and(Preset::has_custom_base_url) && key.base_url.is_empty() {
            let message = "Base URL is required: enter the address of your provider";
            problems.push(FieldProblem::at(ProblemKind::BaseUrlNotSet, "base_url", "Base URL", message));
        }
        if key.enable_social_login {
            check_complete(document, &key, &mut problems);
        }
        if let Some(before) = before
            && key.goes_elsewhere(&SocialLoginKey::from(before))
            && is_kept(document, "client_secret")
        {
            let message = "The addresses change, and with them who gets the secret: enter the Client Secret again";
            problems.push(problem(document, "client_secret", message));
        }
        let automatic = |role: &str| [ADMINISTRATOR, ROLE_ALL, ROLE_GUEST, ROLE_DESK_USER].contains(&role);
        if let Some(mapping) = key.role_mappings.iter().find(|mapping| automatic(&mapping.role)) {
            let message = format!("{} is given automatically and not by a rule: remove the row", mapping.role);
            problems.push(problem(document, "role_mappings", message));
        }
        for (fieldname, address) in [
            ("openid_configuration", key.openid_configuration.as_deref().unwrap_or_default()),
            ("jwks_uri", key.jwks_uri.as_deref().unwrap_or_default()),
            ("authorize_url", &key.authorize_url),
            ("access_token_url", &key.access_token_url),
            ("api_endpoint", &key.api_endpoint),
            ("logout_url", key.logout_url.as_deref().unwrap_or_default()),
        ] {
            if !address.is_empty()
                && let Err(error) = self.providers.outgoing.check(work.documents, address).await
            {
                problems.push(problem(document, fieldname, error.to_string()));
            }
        }
        problems.into_result()
    }

    async fn on_update(&self, work: &mut Work<'_>, document: &Document, before: Option<&Document>) -> Result<()> {
        let key = SocialLoginKey::from(document);
        if let Some(before) = before.map(SocialLoginKey::from)
            && (key.goes_elsewhere(&before) || before.issuer.is_some() && key.issuer != before.issuer)
        {
            pin_links(work, &before).await?;
        }
        if let Some(address) = key.openid_configuration.clone()
            && (key.issuer.is_none() || key.jwks_uri.is_none())
        {
            let (providers, documents) = (Arc::clone(&self.providers), work.documents.clone());
            providers.discoveries.forget_failure(&address, key.issuer.as_deref());
            work.after_commit(move || {
                tokio::spawn(async move {
                    if let Err(error) = fill_from_discovery(&providers, &documents, &key, &address).await {
                        tracing::info!(%error, "a Social Login Key could not be filled in; it is tried again at a login");
                    }
                });
            });
        }
        Ok(())
    }

    async fn on_trash(&self, work: &mut Work<'_>, document: &Document) -> Result<()> {
        pin_links(work, &SocialLoginKey::from(document)).await
    }
}

/// Keeps the accounts of a key that stands for somebody else from now on as those of who it stood for.
async fn pin_links(work: &mut Work<'_>, key: &SocialLoginKey) -> Result<()> {
    let issuer = key.known_issuer().or_else(|| key.openid_configuration.clone()).unwrap_or_default();
    let caller = work.become_system();
    let pinned = user_social_login::pin(work, &row_provider(&key.name), &issuer).await;
    work.session = caller;
    pinned
}

/// Enters issuer and keys where they are missing, so that people see them and later changes at the provider are noticed.
///
/// This needs no client id: that comes from the provider, who wants to know the addresses beside the form first.
async fn fill_from_discovery(
    providers: &Providers,
    documents: &Documents,
    key: &SocialLoginKey,
    address: &str,
) -> Result<()> {
    let metadata = providers.discoveries.get(&providers.outgoing, documents, address, key.issuer.as_deref()).await?;
    let mut work = documents.begin(&Session::system()).await?;
    let stored = work.get_for_update(DOCTYPE, &key.name).await?;
    let mut values = Vec::new();
    for (fieldname, found) in [("issuer", Some(&metadata.issuer)), ("jwks_uri", metadata.jwks_uri.as_ref())] {
        if let (true, Some(found)) = (stored.get(fieldname).is_blank(), found) {
            values.push((fieldname, Value::from(found.as_str())));
        }
    }
    if !values.is_empty() {
        work.set_values(DOCTYPE, &key.name, &values).await?;
        work.commit().await?;
    }
    Ok(())
}
