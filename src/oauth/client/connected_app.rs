//! Connected App: a service elsewhere that people connect to; its typed view and its rules.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value as Json};

use crate::document::{Controller, Documents, ListRequest, Work};
use crate::error::{FieldProblem, Invalid, Need, ProblemKind, Result};
use crate::meta::{Document, Value};
use crate::oauth::client::connected_app_methods;
use crate::oauth::client::private_key;
use crate::oauth::client::token_cache;
use crate::oauth::client::token_endpoint::{ClientAuthentication, ProviderClient};
use crate::oauth::client::{CALLBACK, Providers};
use crate::oauth::provider_error::ProviderError;
use crate::oauth::views::View;
use crate::oauth::views::reading::{filled, is_kept};
use crate::permissions::Session;

/// The DocType.
pub const DOCTYPE: &str = "Connected App";

/// What this file reads and writes.
pub const VIEW: View = View {
    doctype: DOCTYPE,
    fields: &[
        "provider_name",
        "openid_configuration",
        "issuer",
        "client_id",
        "redirect_uri",
        "token_endpoint_auth_method",
        "client_secret",
        "private_key",
        "private_key_id",
        "scopes",
        "authorization_uri",
        "token_uri",
        "revocation_uri",
        "userinfo_uri",
        "introspection_uri",
        "query_parameters",
        "audience",
        "resource",
        "use_pkce",
        "revoke_on_delete",
        "allowed_base_urls",
    ],
};
/// Parameters of the authorization request that this site sets itself.
pub(super) const OWN_PARAMETERS: [&str; 10] = [
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "redirect_uri",
    "request",
    "request_uri",
    "response_type",
    "state",
];

/// A Connected App, read from its document.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is the field of that name")]
pub struct ConnectedApp {
    pub name: String,
    pub provider_name: String,
    pub openid_configuration: Option<String>,
    pub issuer: Option<String>,
    pub client_id: String,
    pub redirect_uri: String,
    pub token_endpoint_auth_method: String,
    pub private_key_id: String,
    pub scopes: Vec<String>,
    pub authorization_uri: String,
    pub token_uri: String,
    pub revocation_uri: Option<String>,
    pub userinfo_uri: Option<String>,
    pub query_parameters: Vec<(String, String)>,
    pub audience: Option<String>,
    pub resource: Option<String>,
    pub use_pkce: bool,
    pub revoke_on_delete: bool,
    pub allowed_base_urls: Vec<String>,
}

impl From<&Document> for ConnectedApp {
    fn from(document: &Document) -> Self {
        let text = |fieldname: &str| filled(document, fieldname);
        Self {
            name: document.name(),
            provider_name: document.text("provider_name").to_owned(),
            openid_configuration: text("openid_configuration"),
            issuer: text("issuer"),
            client_id: text("client_id").unwrap_or_default(),
            redirect_uri: text("redirect_uri").unwrap_or_default(),
            token_endpoint_auth_method: document.text("token_endpoint_auth_method").to_owned(),
            private_key_id: text("private_key_id").unwrap_or_default(),
            scopes: scopes(document),
            authorization_uri: text("authorization_uri").unwrap_or_default(),
            token_uri: text("token_uri").unwrap_or_default(),
            revocation_uri: text("revocation_uri"),
            userinfo_uri: text("userinfo_uri"),
            query_parameters: document
                .rows("query_parameters")
                .iter()
                .map(|row| (row.text("key").trim().to_owned(), row.text("value").to_owned()))
                .collect(),
            audience: text("audience"),
            resource: text("resource"),
            use_pkce: document.check("use_pkce"),
            revoke_on_delete: document.check("revoke_on_delete"),
            allowed_base_urls: lines(document.text("allowed_base_urls")),
        }
    }
}

impl ConnectedApp {
    /// The app of that name; whoever may read it is the caller's to check.
    pub async fn get(documents: &Documents, name: &str) -> Result<Self> {
        Ok(Self::from(&*documents.get(&Session::system(), DOCTYPE, name).await?))
    }

    /// This site as a client of the provider, within a transaction.
    pub async fn client_in(&self, work: &mut Work<'_>) -> Result<Result<ProviderClient, ProviderError>> {
        let secret = work.get_password(DOCTYPE, &self.name, "client_secret").await?;
        let key = work.get_password(DOCTYPE, &self.name, "private_key").await?;
        let method = &self.token_endpoint_auth_method;
        let authentication =
            match ClientAuthentication::from_label(method, secret, key.as_deref(), &self.private_key_id) {
                Ok(authentication) => authentication,
                Err(error) => return Ok(Err(error)),
            };
        Ok(Ok(ProviderClient {
            client_id: self.client_id.clone(),
            authentication,
            audience: self.issuer.clone().unwrap_or_else(|| self.token_uri.clone()),
        }))
    }

    /// This site as a client of the provider.
    pub async fn client(&self, documents: &Documents) -> Result<Result<ProviderClient, ProviderError>> {
        for (what, text) in [("Client ID", &self.client_id), ("Token URI", &self.token_uri)] {
            if text.is_empty() {
                let message = format!("{what} of the Connected App {} is missing: enter it first", self.provider_name);
                return Ok(Err(ProviderError::Setup(message)));
            }
        }
        self.client_in(&mut documents.reading(&Session::system())).await
    }
}

impl ConnectedApp {
    /// The field by which an app would send people, their tokens or its secret elsewhere than before, if one does.
    pub fn goes_elsewhere(&self, before: &Self) -> Option<&'static str> {
        let origin = |address: &str| url::Url::parse(address).map(|url| url.origin()).ok();
        // Nothing was sent anywhere yet.
        if before.token_uri.is_empty() {
            return None;
        }
        for (fieldname, now, then) in [
            ("token_uri", &self.token_uri, &before.token_uri),
            ("authorization_uri", &self.authorization_uri, &before.authorization_uri),
        ] {
            if now != then && !now.is_empty() && !then.is_empty() {
                return Some(fieldname);
            }
        }
        for (fieldname, now, then) in [
            ("revocation_uri", &self.revocation_uri, &before.revocation_uri),
            ("userinfo_uri", &self.userinfo_uri, &before.userinfo_uri),
        ] {
            let Some(now) = now.as_ref().filter(|now| Some(*now) != then.as_ref()) else { continue };
            if origin(now) != origin(&before.token_uri) {
                return Some(fieldname);
            }
        }
        let is_new = |base: &String| !before.allowed_base_urls.iter().any(|known| origin(known) == origin(base));
        self.allowed_base_urls.iter().any(is_new).then_some("allowed_base_urls")
    }
}

fn scopes(document: &Document) -> Vec<String> {
    document.rows("scopes").iter().flat_map(|row| row.text("scope").split_whitespace()).map(str::to_owned).collect()
}

/// The lines of a text that hold something.
fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Behaviour of the DocType Connected App.
pub struct ConnectedAppController {
    providers: Arc<Providers>,
}

impl ConnectedAppController {
    /// With what the site knows of providers.
    pub fn new(providers: Arc<Providers>) -> Self {
        Self { providers }
    }
}

/// Where the provider sends people back to.
fn redirect_uri(site_url: &str, name: &str) -> String {
    let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
    format!("{site_url}{CALLBACK}/{name}")
}

/// Ends every connection of an app, here and at the provider.
async fn disconnect_all(work: &mut Work<'_>, app: &str) -> Result<()> {
    let caller = work.become_system();
    let ended = disconnect_all_as_system(work, app).await;
    work.session = caller;
    ended
}

async fn disconnect_all_as_system(work: &mut Work<'_>, app: &str) -> Result<()> {
    let request = ListRequest::new(token_cache::DOCTYPE).filters(serde_json::json!({"connected_app": app}));
    let list = work.list(&request.all()).await?;
    for row in 0..list.rows.len() {
        work.delete(token_cache::DOCTYPE, list.text(row, "name")).await?;
    }
    Ok(())
}

#[async_trait]
impl Controller for ConnectedAppController {
    async fn validate(&self, work: &mut Work<'_>, document: &mut Document, before: Option<&Document>) -> Result<()> {
        let mut problems = Invalid::default();
        let app = ConnectedApp::from(&*document);
        let complete = !app.client_id.is_empty() && !app.authorization_uri.is_empty() && !app.token_uri.is_empty();
        // Without an id from the provider there is nothing to redirect for yet, and the form shows the address after the
        // first save; see `after_insert`.
        if complete || !document.is_new {
            document.set("redirect_uri", redirect_uri(work.documents.site_url(), &document.name()));
        }
        let mut at = |fieldname: &str, message: String| {
            let label = document.doctype.field(fieldname).map(|field| field.label.clone()).unwrap_or_default();
            problems.push(FieldProblem::at(ProblemKind::Validation, fieldname, label, message));
        };
        let addresses = [
            "openid_configuration",
            "authorization_uri",
            "token_uri",
            "revocation_uri",
            "userinfo_uri",
            "introspection_uri",
        ];
        for fieldname in addresses {
            if let Some(address) = filled(document, fieldname)
                && let Err(error) = self.providers.outgoing.check(work.documents, &address).await
            {
                at(fieldname, error.to_string());
            }
        }
        for base in &app.allowed_base_urls {
            match self.providers.outgoing.check(work.documents, base).await {
                Err(error) => at("allowed_base_urls", error.to_string()),
                Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                    at("allowed_base_urls", format!("{base} must end with its path: leave out what follows ? and #"));
                }
                Ok(_) => {}
            }
        }
        if app.resource.as_deref().is_some_and(|resource| url::Url::parse(resource).is_err() || resource.contains('#'))
        {
            at("resource", "Resource must be an absolute address without #".to_owned());
        }
        for (key, _) in &app.query_parameters {
            if OWN_PARAMETERS.contains(&key.as_str()) {
                at("query_parameters", format!("{key} is set by this site itself: remove it"));
            }
        }
        let key = document.text("private_key");
        if !key.is_empty()
            && !key.chars().all(|c| c == '*')
            && let Err(reason) = private_key::parse(key)
        {
            at("private_key", reason.to_owned());
        }
        let moved = before.and_then(|before| app.goes_elsewhere(&ConnectedApp::from(before)));
        if let Some(fieldname) = moved
            && let Some(secret) = ["client_secret", "private_key"].into_iter().find(|name| is_kept(document, name))
        {
            let label = |name: &str| document.doctype.field(name).map(|field| field.label.clone()).unwrap_or_default();
            let message = format!(
                "{} changes, and with it who gets the secret and people's tokens: enter the {} again",
                label(fieldname),
                label(secret)
            );
            problems.push(FieldProblem::at(ProblemKind::Validation, secret, label(secret), message));
        }
        problems.into_result()?;
        if moved.is_some() {
            // While the app is still what it was: what people gave to it there does not go elsewhere.
            disconnect_all(work, &document.name()).await?;
        }
        Ok(())
    }

    async fn after_insert(&self, work: &mut Work<'_>, document: &Document) -> Result<()> {
        if document.get("redirect_uri").is_blank() {
            let uri = redirect_uri(work.documents.site_url(), &document.name());
            work.set_values(DOCTYPE, &document.name(), &[("redirect_uri", Value::from(uri))]).await?;
        }
        Ok(())
    }

    async fn on_trash(&self, work: &mut Work<'_>, document: &Document) -> Result<()> {
        // While the app is still there: its connections are ended at the provider, which takes the app's credentials.
        disconnect_all(work, &document.name()).await
    }

    fn reads(&self, method: &str) -> bool {
        // What renews a token asks the provider for one.
        method == "has_token"
    }

    fn runs_outside(&self, method: &str) -> bool {
        connected_app_methods::METHODS.iter().any(|(known, _)| *known == method)
    }

    async fn call_outside(
        &self,
        documents: &Documents,
        session: &Session,
        document: &Document,
        method: &str,
        arguments: &Map<String, Json>,
    ) -> Result<Json> {
        connected_app_methods::call(&self.providers, documents, session, document, method, arguments).await
    }

    fn methods(&self) -> Vec<(&'static str, &'static str)> {
        connected_app_methods::METHODS.to_vec()
    }

    fn needs(&self, _: &str, method: &str) -> Vec<Need> {
        connected_app_methods::needs(method)
    }
}
