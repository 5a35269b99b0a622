//! OAuth Settings: what the site announces and allows, and for how long; in force with the commit that changes it.

use std::sync::Arc;

use chrono::Duration;

use crate::document::view::{filled, options, view};
use crate::document::{Controllers, Documents};
use crate::error::Result;
use crate::meta::Document;
use crate::oauth::protocol;
use crate::oauth::protocol::authorize::authorization_request::ServerRules;
use crate::oauth::protocol::client::cimd::ClientIdUrl;
use crate::oauth::protocol::request::GrantType;
use crate::oauth::protocol::serve::resource::KnownResources;
use crate::oauth::protocol::serve::scope_offer::KnownScopes;
use crate::oauth::protocol::{ErrorCode, ScopeSet};
use crate::permissions::Session;
use crate::web::MCP;

/// The name of the DocType and of its one document.
pub(crate) const OAUTH_SETTINGS: &str = "OAuth Settings";
/// The older place for one setting.
const PROVIDER_SETTINGS: &str = "OAuth Provider Settings";

/// Who may register a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Registration {
    /// Nobody.
    Off,
    /// Everybody.
    Open,
    /// Whoever has the initial access token.
    InitialAccessToken,
}

options! {
    /// What access tokens look like.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) enum AccessTokenFormat {
        /// Random texts.
        #[default]
        Opaque = "Opaque",
        /// Signed by the site (RFC 9068).
        Jwt = "JWT",
    }
}

view! {
    /// The settings.
    #[derive(Clone, Debug)]
    pub(crate) struct OAuthSettings of OAUTH_SETTINGS {
        /// Metadata of the authorization server is published.
        pub show_auth_server_metadata: bool,
        /// A person is not asked again for what they allowed the same client before.
        pub remembers_consent: bool = "skip_authorization",
        /// A person is asked every time, whatever else says so.
        pub forces_consent: bool = [] as |_: &Document| false,
        /// Who may register a client.
        pub registration: Registration = ["enable_dynamic_client_registration", "registration_mode"] as registration,
        /// The origins whose pages may call from a browser; `*` for all.
        pub public_client_origins: Vec<String> = "allowed_public_client_origins",
        /// The scopes of who names none.
        pub default_scopes: ScopeSet,
        /// Schemes without a dot that redirect URIs may have.
        pub private_use_redirect_schemes: Vec<String>,
        /// Pushed requests, and device codes, per minute and network address; 0: no limit.
        pub request_rate_limit: i64,
        /// Registrations per minute and network address; 0: no limit.
        pub registration_rate_limit: i64,
        /// Registered clients at most; 0: no limit.
        pub max_registered_clients: i64,
        /// The same of one network address.
        pub max_clients_per_address: i64,
        /// After how many days unused registered clients go; 0: never.
        pub unused_client_days: i64,
        /// Client ID metadata documents are accepted.
        pub client_id_metadata_documents: bool = "enable_client_id_metadata_documents",
        /// Only from these domains, if there are any.
        pub client_id_metadata_allowed_domains: Vec<String>,
        /// Never from these.
        pub client_id_metadata_denied_domains: Vec<String>,
        /// The device grant is offered.
        pub device_grant: bool = "enable_device_grant",
        /// Token exchange is offered.
        pub token_exchange: bool = "enable_token_exchange",
        /// The JWT bearer grant is offered.
        pub jwt_bearer: bool = "enable_jwt_bearer_grant",
        /// Every client must push its requests.
        pub require_pushed: bool = "require_pushed_authorization_requests",
        /// DPoP proofs must carry a nonce of ours.
        pub require_dpop_nonce: bool,
        /// How long an assertion may live with which a client proves who it is.
        pub client_assertion_lifetime: Duration as seconds(3600),
        /// Id tokens hold what the scopes tell of the person.
        pub id_token_includes_claims: bool,
        /// How long a code lives.
        pub code_lifetime: Duration = "authorization_code_lifetime" as seconds(60),
        /// How long an access token lives.
        pub access_token_lifetime: Duration as seconds(3600),
        /// For how long a refresh may be repeated.
        pub replay_grace: Duration = "refresh_replay_grace_seconds" as seconds(0),
        /// How long an unused refresh token lives.
        pub refresh_idle: Duration = "refresh_token_idle_days" as days(30),
        /// How long a sign-in lives, however often it is renewed.
        pub refresh_lifetime: Duration = "refresh_token_lifetime_days" as days(365),
        /// What access tokens look like.
        pub access_token_format: AccessTokenFormat,
        /// The signature of id tokens.
        pub id_token_signing_alg: String as id_token_signing_alg,
        /// Id tokens may be signed with a client secret.
        pub allow_hs256: bool = "allow_hs256_id_tokens",
        /// After how many days signing keys are renewed; 0: on demand.
        pub signing_key_rotation_days: i64,
        /// `openid` tells the roles too.
        pub openid_includes_roles: bool,
        /// Sign-ins of clients end with the session, unless they may go on without the person.
        pub end_tokens_at_logout: bool,
        /// Metadata of the resource server is published.
        pub show_protected_resource_metadata: bool,
        /// Social Login Keys are listed as authorization servers.
        pub show_social_login_keys: bool = "show_social_login_key_as_authorization_server",
        /// Tokens are read from forms too.
        pub accept_token_in_form: bool,
        /// The name of the resource server.
        pub resource_name: Option<String>,
        /// Its data policy.
        pub resource_policy_uri: Option<String>,
        /// Its documentation.
        pub resource_documentation: Option<String>,
        /// Its terms of service.
        pub resource_tos_uri: Option<String>,
        /// The scopes to announce; empty: nobody said.
        pub scopes_supported: ScopeSet,
        /// AI assistants are served.
        pub mcp: bool = "enable_mcp",
        /// Resources beside the site and its API.
        pub additional_resources: Vec<String>,
    }
}

view! {
    /// The older place for one setting.
    struct ProviderSettings of PROVIDER_SETTINGS {
        skip_authorization: String,
    }
}

/// Registers what is read of both.
pub(super) fn register(controllers: &mut Controllers) {
    controllers.needs_fields_of::<OAuthSettings>();
    controllers.needs_fields_of::<ProviderSettings>();
}

fn registration(document: &Document) -> Registration {
    match (document.check("enable_dynamic_client_registration"), document.text("registration_mode")) {
        (false, _) => Registration::Off,
        (true, "Initial Access Token") => Registration::InitialAccessToken,
        (true, _) => Registration::Open,
    }
}

fn id_token_signing_alg(document: &Document, fieldname: &str) -> String {
    filled(document, fieldname).unwrap_or("ES256").to_owned()
}

/// So many seconds, or what is taken where there are none.
fn seconds(or: i64) -> impl Fn(&Document, &str) -> Duration {
    move |document, fieldname| Duration::seconds(positive(document, fieldname, or))
}

/// So many days, or what is taken where there are none.
fn days(or: i64) -> impl Fn(&Document, &str) -> Duration {
    move |document, fieldname| Duration::days(positive(document, fieldname, or))
}

fn positive(document: &Document, fieldname: &str, or: i64) -> i64 {
    Some(document.int(fieldname)).filter(|number| *number > 0).unwrap_or(or)
}

/// The settings as they are kept, with the other document that they were read from.
struct SettingsView {
    settings: Arc<OAuthSettings>,
    provider: Arc<Document>,
}

impl OAuthSettings {
    /// Reads them; from the cache of documents, as a rule.
    pub(crate) async fn load(documents: &Documents) -> Result<Arc<Self>> {
        let system = Session::system();
        let provider = documents.get(&system, PROVIDER_SETTINGS, PROVIDER_SETTINGS).await?;
        let view = documents.get_typed(
            &system,
            OAUTH_SETTINGS,
            OAUTH_SETTINGS,
            |view: &SettingsView| Arc::ptr_eq(&view.provider, &provider),
            |settings| SettingsView {
                settings: Arc::new(Self::read(settings, &provider)),
                provider: Arc::clone(&provider),
            },
        );
        Ok(Arc::clone(&view.await?.settings))
    }

    fn read(document: &Document, provider: &Document) -> Self {
        let mut settings = Self::from(document);
        // The deprecated setting says nothing until somebody has saved it.
        if !provider.is_new {
            let provider = ProviderSettings::from(provider);
            settings.forces_consent = provider.skip_authorization == "Force";
            // And `Auto` counts only where the new setting was never said.
            settings.remembers_consent |= document.is_new && provider.skip_authorization == "Auto";
        }
        settings
    }

    /// Fails unless the address of a metadata document may be a client id here.
    pub(crate) fn check_metadata_document(&self, client_id: &str) -> Result<(), protocol::Error> {
        let refuse = |message: String| Err(protocol::Error::new(ErrorCode::InvalidClient, message));
        if !self.client_id_metadata_documents {
            return refuse(
                "This site does not accept addresses as client ids: the application must be registered".into(),
            );
        }
        let url = ClientIdUrl::parse(client_id)?;
        let (allowed, denied) = (&self.client_id_metadata_allowed_domains, &self.client_id_metadata_denied_domains);
        if url.is_allowed(allowed, denied) {
            Ok(())
        } else {
            refuse(format!("This site does not accept applications that are described at {}", url.host()))
        }
    }

    /// Whether this grant is switched on.
    pub(crate) fn offers(&self, grant: GrantType) -> bool {
        match grant {
            GrantType::AuthorizationCode | GrantType::RefreshToken | GrantType::ClientCredentials => true,
            GrantType::DeviceCode => self.device_grant,
            GrantType::TokenExchange => self.token_exchange,
            GrantType::JwtBearer => self.jwt_bearer,
        }
    }

    /// The resources for which tokens may be asked.
    pub(crate) fn resources(&self, site_url: &str) -> KnownResources {
        let mcp = self.mcp.then_some(MCP);
        KnownResources::new(site_url, mcp.into_iter().chain(self.additional_resources.iter().map(String::as_str)))
    }

    /// What the checks of an authorization request need to know about the site; see [`OAuthSettings::resources`].
    pub(crate) fn rules<'a>(
        &'a self,
        issuer: &'a str,
        resources: &'a KnownResources,
        known_scopes: &'a dyn KnownScopes,
    ) -> ServerRules<'a> {
        let default_scopes = &self.default_scopes;
        ServerRules { issuer, default_scopes, known_scopes, resources, require_pushed: self.require_pushed }
    }
}
