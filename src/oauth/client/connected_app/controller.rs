//! What must hold of a Connected App before it is saved, what its end takes along, and its methods.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value as Json};

use crate::document::view::filled;
use crate::document::{Controller, Documents, ListRequest, Work};
use crate::error::{FieldProblem, Invalid, Need, ProblemKind, Result};
use crate::meta::{Document, Value};
use crate::oauth::client::connected_app::app::{ConnectedApp, DOCTYPE, QueryParameter};
use crate::oauth::client::connected_app::token_cache::TOKEN_CACHE;
use crate::oauth::client::connected_app::{CALLBACK, methods};
use crate::oauth::client::{OWN_PARAMETERS, Providers, is_kept, private_key};
use crate::permissions::Session;

/// Behaviour of the DocType Connected App.
pub(crate) struct ConnectedAppController {
    providers: Arc<Providers>,
}

impl ConnectedAppController {
    /// With what the site knows of providers.
    pub(crate) fn new(providers: Arc<Providers>) -> Self {
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
    let request = ListRequest::new(TOKEN_CACHE).filters(serde_json::json!({"connected_app": app}));
    let list = work.list(&request.all()).await?;
    for row in 0..list.rows.len() {
        work.delete(TOKEN_CACHE, list.text(row, "name")).await?;
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
                && let Err(error) = self.providers.outgoing.check(work.documents, address).await
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
        for QueryParameter { key, .. } in &app.query_parameters {
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
        methods::METHODS.iter().any(|(known, _)| *known == method)
    }

    async fn call_outside(
        &self,
        documents: &Documents,
        session: &Session,
        document: &Document,
        method: &str,
        arguments: &Map<String, Json>,
    ) -> Result<Json> {
        methods::call(&self.providers, documents, session, document, method, arguments).await
    }

    fn methods(&self) -> Vec<(&'static str, &'static str)> {
        methods::METHODS.to_vec()
    }

    fn needs(&self, _: &str, method: &str) -> Vec<Need> {
        methods::needs(method)
    }
}
