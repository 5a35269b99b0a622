//! Social Login Key: a typed view of a provider with whose accounts people log in; what a preset says is filled in.

use serde_json::{Map, Value as Json};

use crate::document::view::{filled, trimmed, view};
use crate::document::{Documents, ListRequest};
use crate::error::{Error, Result};
use crate::meta::Document;
use crate::oauth::client::discovery::OPENID_CONFIGURATION;
use crate::oauth::client::social::presets;
use crate::oauth::client::social::presets::{Preset, TENANT};
use crate::permissions::Session;

/// The DocType.
pub(crate) const DOCTYPE: &str = "Social Login Key";

view! {
    /// A Social Login Key, read from its document; presets are filled in.
    #[derive(Clone, Debug)]
    pub(crate) struct SocialLoginKey of DOCTYPE {
        pub name: String = name,
        pub enable_social_login: bool,
        pub provider_name: String,
        pub preset: Option<&'static Preset> = ["social_login_provider"] as preset,
        pub client_id: String as trimmed,
        pub base_url: String = ["base_url", "tenant_id"] as base_url,
        pub openid_configuration: Option<String> = ["openid_configuration"] as openid_configuration,
        pub issuer: Option<String>,
        pub jwks_uri: Option<String>,
        pub icon: String = ["icon"] as icon,
        pub allow_sign_ups: bool = ["sign_ups"] as |document: &Document| document.text("sign_ups") == "Allow",
        pub allow_email_linking: bool,
        pub vouches_for_email: bool,
        pub show_in_resource_metadata: bool,
        pub resource_audience: Option<String>,
        pub may_vouch: bool,
        pub authorize_url: String as address(|preset| preset.authorize_url),
        pub access_token_url: String as address(|preset| preset.access_token_url),
        pub logout_url: Option<String> as optional_address,
        pub redirect_url: String,
        pub api_endpoint: String as address(|preset| preset.api_endpoint),
        pub scopes: Vec<String> = ["scopes", "auth_url_data"] as scopes,
        pub api_endpoint_args: Vec<(String, String)> = ["api_endpoint_args"] as api_endpoint_args,
        pub auth_url_data: Vec<(String, String)> = ["auth_url_data"] as auth_url_data,
        pub user_id_property: String = ["user_id_property"] as user_id_property,
        pub email_property: String = ["email_property"] as email_property,
        pub role_mappings: Vec<RoleMapping> = rows,
        pub remove_unmapped_roles: bool,
    }
}

view! {
    /// A rule that turns what the provider says into a role.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub(crate) struct RoleMapping of "Social Login Role Mapping" {
        pub claim: String,
        pub value: String,
        pub role: String,
    }
}

impl SocialLoginKey {
    /// The key of that name, if it exists and is switched on.
    pub(crate) async fn enabled(documents: &Documents, name: &str) -> Result<Option<Self>> {
        match documents.get(&Session::system(), DOCTYPE, name).await {
            Ok(document) => Ok(Some(Self::from(&*document)).filter(|key| key.enable_social_login)),
            Err(Error::DoesNotExist { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every key that is switched on, by name.
    pub(crate) async fn all_enabled(documents: &Documents) -> Result<Vec<Self>> {
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
    pub(crate) fn place_to_ask(&self) -> String {
        let endpoint = self.api_endpoint.split(['?', '#']).next().unwrap_or_default();
        let is_below = !self.base_url.is_empty() && endpoint.starts_with(&format!("{}/", self.base_url));
        if is_below { self.base_url.clone() } else { endpoint.to_owned() }
    }

    /// Whether rows that name this issuer may be of this key, as far as it is known without asking the provider.
    pub(crate) fn may_be(&self, issuer: &str) -> bool {
        issuer.is_empty() || self.known_issuer().is_none_or(|own| own == issuer)
    }

    /// Whose word its people's ids are, if that is known without asking the provider.
    pub(crate) fn known_issuer(&self) -> Option<String> {
        let place = || self.openid_configuration.is_none().then(|| self.place_to_ask());
        self.issuer.clone().or_else(place)
    }

    /// Whether a key would send people and the secret elsewhere than before.
    pub(crate) fn goes_elsewhere(&self, before: &Self) -> bool {
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
    pub(crate) async fn client_secret(&self, documents: &Documents) -> Result<Option<String>> {
        documents.reading(&Session::system()).get_password(DOCTYPE, &self.name, "client_secret").await
    }
}

fn preset(document: &Document) -> Option<&'static Preset> {
    presets::of(document.text("social_login_provider"))
}

/// What a field says, or else the preset.
fn text(document: &Document, fieldname: &str, of_preset: fn(&Preset) -> &str) -> String {
    let of_preset = || preset(document).map(of_preset);
    filled(document, fieldname).or_else(of_preset).unwrap_or_default().to_owned()
}

fn base_url(document: &Document) -> String {
    let base_url = text(document, "base_url", |preset| preset.base_url);
    base_url.replace(TENANT, document.text("tenant_id").trim()).trim_end_matches('/').to_owned()
}

/// A path is one below the base URL.
fn below_base(document: &Document, address: String) -> String {
    if address.starts_with('/') { base_url(document) + &address } else { address }
}

fn address(of_preset: fn(&Preset) -> &str) -> impl Fn(&Document, &str) -> String {
    move |document, fieldname| below_base(document, text(document, fieldname, of_preset))
}

fn optional_address(document: &Document, fieldname: &str) -> Option<String> {
    filled(document, fieldname).map(|address| below_base(document, address.to_owned()))
}

fn openid_configuration(document: &Document) -> Option<String> {
    optional_address(document, "openid_configuration").or_else(|| {
        let base_url = base_url(document);
        let discovery = preset(document).is_some_and(|preset| preset.discovery) && !base_url.is_empty();
        discovery.then(|| base_url + OPENID_CONFIGURATION)
    })
}

/// The picture on the button: that of a preset is our own drawing.
fn icon(document: &Document) -> String {
    match (filled(document, "icon"), preset(document)) {
        (_, Some(preset)) => format!("/assets/oauth/{}.svg", preset.callback),
        // Pictures of other sites would be blocked, and would tell them who comes to the login page.
        (Some(own), None) if own.starts_with('/') && !own.starts_with("//") => own.to_owned(),
        _ => String::new(),
    }
}

/// The scopes to ask for; Frappe's place for them is `scope` in the Auth URL Data.
fn scopes(document: &Document) -> Vec<String> {
    let in_data = || parameters(document.text("auth_url_data")).into_iter().find(|(name, _)| name == "scope");
    let own = filled(document, "scopes").map(str::to_owned).or_else(|| in_data().map(|(_, scopes)| scopes));
    let scopes = own.unwrap_or_else(|| text(document, "scopes", |preset| preset.scopes));
    scopes.split([' ', ',', '\n']).filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
}

fn api_endpoint_args(document: &Document) -> Vec<(String, String)> {
    parameters(&text(document, "api_endpoint_args", |preset| preset.api_endpoint_args))
}

fn auth_url_data(document: &Document) -> Vec<(String, String)> {
    let mut data = parameters(document.text("auth_url_data"));
    // The value of `response_type` that Frappe's presets carry is the only one there is.
    data.retain(|(name, _)| !matches!(name.as_str(), "scope" | "response_type"));
    data
}

fn user_id_property(document: &Document) -> String {
    let default = preset(document).map_or("sub", |preset| preset.user_id_property);
    filled(document, "user_id_property").unwrap_or(default).to_owned()
}

fn email_property(document: &Document) -> String {
    filled(document, "email_property").unwrap_or("email").to_owned()
}

/// Parameters written as a JSON object; what does not parse is none.
fn parameters(text: &str) -> Vec<(String, String)> {
    let object: Map<String, Json> = serde_json::from_str(text).unwrap_or_default();
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    object.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), text(value))).collect()
}
