//! Connected App: a typed view of a service elsewhere that people connect to.

use crate::document::view::{lines, trimmed, view};
use crate::document::{Documents, Work};
use crate::error::Result;
use crate::meta::Document;
use crate::oauth::client::token_endpoint::{ClientAuthentication, ProviderClient};
use crate::oauth::provider_error::ProviderError;
use crate::permissions::Session;

/// The DocType.
pub(crate) const DOCTYPE: &str = "Connected App";

view! {
    /// A Connected App, read from its document.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct ConnectedApp of DOCTYPE {
        pub name: String = name,
        pub provider_name: String,
        pub openid_configuration: Option<String>,
        pub issuer: Option<String>,
        pub client_id: String as trimmed,
        pub redirect_uri: String as trimmed,
        pub token_endpoint_auth_method: String,
        /// A client secret or a private key is stored.
        pub has_secret: bool = ["client_secret", "private_key"] as has_secret,
        pub private_key_id: String as trimmed,
        pub scopes: Vec<ScopeRow> = rows,
        pub authorization_uri: String as trimmed,
        pub token_uri: String as trimmed,
        pub revocation_uri: Option<String>,
        pub userinfo_uri: Option<String>,
        pub introspection_uri: Option<String>,
        pub query_parameters: Vec<QueryParameter> = rows,
        pub audience: Option<String>,
        pub resource: Option<String>,
        pub use_pkce: bool,
        pub revoke_on_delete: bool,
        pub allowed_base_urls: Vec<String> as lines,
    }
}

view! {
    /// A row of scopes: of an app those to ask for, of a connection those granted.
    #[derive(Clone, Debug)]
    pub struct ScopeRow of "OAuth Scope" {
        /// One scope, or several separated by spaces.
        pub scope: String,
    }
}

view! {
    /// A parameter of the authorization request that the provider wants beside the standard ones.
    #[derive(Clone, Debug)]
    pub(crate) struct QueryParameter of "Query Parameters" {
        /// Its name.
        pub key: String as trimmed,
        /// Its value.
        pub value: String,
    }
}

fn has_secret(document: &Document) -> bool {
    ["client_secret", "private_key"].iter().any(|fieldname| !document.get(fieldname).is_blank())
}

impl ConnectedApp {
    /// This site as a client of the provider, within a transaction.
    pub(crate) async fn client_in(&self, work: &mut Work<'_>) -> Result<Result<ProviderClient, ProviderError>> {
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
    pub(crate) async fn client(&self, documents: &Documents) -> Result<Result<ProviderClient, ProviderError>> {
        for (what, text) in [("Client ID", &self.client_id), ("Token URI", &self.token_uri)] {
            if text.is_empty() {
                let message = format!("{what} of the Connected App {} is missing: enter it first", self.provider_name);
                return Ok(Err(ProviderError::Setup(message)));
            }
        }
        self.client_in(&mut documents.reading(&Session::system())).await
    }

    /// The scopes to ask for.
    pub(crate) fn scopes(&self) -> Vec<&str> {
        self.scopes.iter().flat_map(|row| row.scope.split_whitespace()).collect()
    }

    /// The field by which an app would send people, their tokens or its secret elsewhere than before, if one does.
    pub(crate) fn goes_elsewhere(&self, before: &Self) -> Option<&'static str> {
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
