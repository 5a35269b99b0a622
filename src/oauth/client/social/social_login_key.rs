//! Social Login Key: a provider with whose accounts people log in; its typed view and its rules.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value as Json};

use crate::document::{Controller, Documents, ListRequest, Work};
use crate::error::{Error, FieldProblem, Invalid, ProblemKind, Result};
use crate::meta::{Document, Value};
use crate::oauth::client::Providers;
use crate::oauth::client::social::MODULE;
use crate::oauth::client::social::presets::{self, Preset, TENANT};
use crate::oauth::client::social::social_login_key_checks::{check_complete, check_texts, fill_preset, problem};
use crate::oauth::views::View;
use crate::oauth::views::reading::{filled, is_kept};
use crate::oauth::views::user_social_login::{self, row_provider};
use crate::permissions::Session;
use crate::permissions::session::{ADMINISTRATOR, ROLE_ALL, ROLE_DESK_USER, ROLE_GUEST};

/// The DocType.
pub const DOCTYPE: &str = "Social Login Key";

/// What this file reads and writes.
pub const VIEW: View = View {
    doctype: DOCTYPE,
    fields: &[
        "enable_social_login",
        "social_login_provider",
        "client_id",
        "tenant_id",
        "provider_name",
        "client_secret",
        "icon",
        "base_url",
        "openid_configuration",
        "issuer",
        "jwks_uri",
        "sign_ups",
        "allow_email_linking",
        "vouches_for_email",
        "show_in_resource_metadata",
        "resource_audience",
        "may_vouch",
        "authorize_url",
        "access_token_url",
        "logout_url",
        "redirect_url",
        "api_endpoint",
        "custom_base_url",
        "scopes",
        "api_endpoint_args",
        "auth_url_data",
        "user_id_property",
        "email_property",
        "role_mappings",
        "remove_unmapped_roles",
    ],
};

/// What a [`RoleMapping`] reads.
pub const MAPPING_VIEW: View = View { doctype: "Social Login Role Mapping", fields: &["claim", "value", "role"] };

/// A Social Login Key, read from its document; presets are filled in.
#[derive(Clone, Debug)]
#[expect(missing_docs, clippy::struct_excessive_bools, reason = "each is the field of that name")]
pub struct SocialLoginKey {
    pub name: String,
    pub enable_social_login: bool,
    pub provider_name: String,
    pub preset: Option<&'static Preset>,
    pub client_id: String,
    pub base_url: String,
    pub openid_configuration: Option<String>,
    pub issuer: Option<String>,
    pub jwks_uri: Option<String>,
    pub icon: String,
    pub allow_sign_ups: bool,
    pub allow_email_linking: bool,
    pub vouches_for_email: bool,
    pub show_in_resource_metadata: bool,
    pub resource_audience: Option<String>,
    pub may_vouch: bool,
    pub authorize_url: String,
    pub access_token_url: String,
    pub logout_url: Option<String>,
    pub redirect_url: String,
    pub api_endpoint: String,
    pub scopes: Vec<String>,
    pub api_endpoint_args: Vec<(String, String)>,
    pub auth_url_data: Vec<(String, String)>,
    pub user_id_property: String,
    pub email_property: String,
    pub role_mappings: Vec<RoleMapping>,
    pub remove_unmapped_roles: bool,
}

/// A rule that turns what the provider says into a role.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the field of that name")]
pub struct RoleMapping {
    pub claim: String,
    pub value: String,
    pub role: String,
}

impl From<&Document> for SocialLoginKey {
    fn from(document: &Document) -> Self {
        let preset = presets::of(document.text("social_login_provider"));
        let text = |fieldname: &str, of_preset: fn(&Preset) -> &str| {
            filled(document, fieldname)
                .or_else(|| preset.map(|preset| of_preset(preset).to_owned()))
                .unwrap_or_default()
        };
        let base_url = text("base_url", |preset| preset.base_url)
            .replace(TENANT, document.text("tenant_id").trim())
            .trim_end_matches('/')
            .to_owned();
        let below_base =
            |address: String| if address.starts_with('/') { format!("{base_url}{address}") } else { address };
        let discovery = preset.is_some_and(|preset| preset.discovery) && !base_url.is_empty();
        let openid_configuration = filled(document, "openid_configuration").map(below_base).or_else(|| {
            discovery.then(|| format!("{base_url}{}", crate::oauth::client::discovery::OPENID_CONFIGURATION))
        });
        // The value of `response_type` that Frappe's presets carry is the only one there is.
        let mut auth_url_data = parameters(document.text("auth_url_data"));
        let scope = auth_url_data.iter().position(|(name, _)| name == "scope").map(|at| auth_url_data.remove(at).1);
        auth_url_data.retain(|(name, _)| name != "response_type");
        let scopes = filled(document, "scopes").or(scope).unwrap_or_else(|| text("scopes", |preset| preset.scopes));
        Self {
            name: document.name(),
            enable_social_login: document.check("enable_social_login"),
            provider_name: document.text("provider_name").to_owned(),
            preset,
            client_id: filled(document, "client_id").unwrap_or_default(),
            openid_configuration,
            issuer: filled(document, "issuer"),
            jwks_uri: filled(document, "jwks_uri"),
            icon: icon(document, preset),
            allow_sign_ups: document.text("sign_ups") == "Allow",
            allow_email_linking: document.check("allow_email_linking"),
            vouches_for_email: document.check("vouches_for_email"),
            show_in_resource_metadata: document.check("show_in_resource_metadata"),
            resource_audience: filled(document, "resource_audience"),
            may_vouch: document.check("may_vouch"),
            authorize_url: below_base(text("authorize_url", |preset| preset.authorize_url)),
            access_token_url: below_base(text("access_token_url", |preset| preset.access_token_url)),
            logout_url: filled(document, "logout_url").map(below_base),
            redirect_url: document.text("redirect_url").to_owned(),
            api_endpoint: below_base(text("api_endpoint", |preset| preset.api_endpoint)),
            scopes: scopes.split([' ', ',', '\n']).filter(|scope| !scope.is_empty()).map(str::to_owned).collect(),
            api_endpoint_args: parameters(&text("api_endpoint_args", |preset| preset.api_endpoint_args)),
            auth_url_data,
            user_id_property: property(
                document,
                "user_id_property",
                preset.map_or("sub", |preset| preset.user_id_property),
            ),
            email_property: property(document, "email_property", "email"),
            role_mappings: document
                .rows("role_mappings")
                .iter()
                .map(|row| RoleMapping {
                    claim: row.text("claim").to_owned(),
                    value: row.text("value").to_owned(),
                    role: row.text("role").to_owned(),
                })
                .collect(),
            remove_unmapped_roles: document.check("remove_unmapped_roles"),
            base_url,
        }
    }
}

impl SocialLoginKey {
    /// The key of that name, if it exists and is switched on.
    pub async fn enabled(documents: &Documents, name: &str) -> Result<Option<Self>> {
        match documents.get(&Session::system(), DOCTYPE, name).await {
            Ok(document) => Ok(Some(Self::from(&*document)).filter(|key| key.enable_social_login)),
            Err(Error::DoesNotExist { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every key that is switched on, by name.
    pub async fn all_enabled(documents: &Documents) -> Result<Vec<Self>> {
        let request =
            ListRequest::new(DOCTYPE).filters(serde_json::json!({"enable_social_login": 1})).order_by("name asc").all();
        let list = documents.list(&Session::system(), &request).await?;
        let mut keys = Vec::with_capacity(list.rows.len());
        for row in 0..list.rows.len() {
            keys.extend(Self::enabled(documents, list.text(row, "name")).await?);
        }
        Ok(keys)
    }

    /// Where people's ids come from if no issuer signs them: the base URL, or the whole address of the API endpoint.
    pub fn place_to_ask(&self) -> String {
        let endpoint = self.api_endpoint.split(['?', '#']).next().unwrap_or_default();
        let is_below = !self.base_url.is_empty() && endpoint.starts_with(&format!("{}/", self.base_url));
        if is_below { self.base_url.clone() } else { endpoint.to_owned() }
    }

    /// Whether rows that name this issuer may be of this key, as far as it is known without asking the provider.
    pub fn may_be(&self, issuer: &str) -> bool {
        issuer.is_empty() || self.known_issuer().is_none_or(|own| own == issuer)
    }

    /// Whose word its people's ids are, if that is known without asking the provider.
    fn known_issuer(&self) -> Option<String> {
        let place = || self.openid_configuration.is_none().then(|| self.place_to_ask());
        self.issuer.clone().or_else(place)
    }

    /// Whether a key would send people and the secret elsewhere than before.
    fn goes_elsewhere(&self, before: &Self) -> bool {
        let went_somewhere = !before.access_token_url.is_empty() || before.openid_configuration.is_some();
        let places = |key: &Self| {
            let configuration = key.openid_configuration.clone().unwrap_or_default();
            [
                key.base_url.clone(),
                key.authorize_url.clone(),
                key.access_token_url.clone(),
                key.api_endpoint.clone(),
                configuration,
            ]
        };
        went_somewhere && places(self) != places(before)
    }

    /// The secret that the provider gave.
    pub async fn client_secret(&self, documents: &Documents) -> Result<Option<String>> {
        documents.reading(&Session::system()).get_password(DOCTYPE, &self.name, "client_secret").await
    }
}

fn property(document: &Document, fieldname: &str, default: &str) -> String {
    filled(document, fieldname).unwrap_or_else(|| default.to_owned())
}

/// The picture on the button: that of a preset is our own drawing.
fn icon(document: &Document, preset: Option<&'static Preset>) -> String {
    match (filled(document, "icon"), preset) {
        // Pictures of other sites would be blocked, and would tell them who comes to the login page.
        (Some(own), None) => {
            Some(own).filter(|icon| icon.starts_with('/') && !icon.starts_with("//")).unwrap_or_default()
        }
        (_, Some(preset)) => format!("/assets/oauth/{}.svg", preset.callback),
        (None, None) => String::new(),
    }
}

/// Parameters written as a JSON object; what does not parse is none.
fn parameters(text: &str) -> Vec<(String, String)> {
    let object: Map<String, Json> = serde_json::from_str(text).unwrap_or_default();
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    object.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), text(value))).collect()
}

/// Behaviour of the DocType Social Login Key.
pub struct SocialLoginKeyController {
    providers: Arc<Providers>,
}

impl SocialLoginKeyController {
    /// With what the site knows of providers.
    pub fn new(providers: Arc<Providers>) -> Self {
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
