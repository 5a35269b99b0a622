//! OAuth Settings: what the site announces and allows, and for how long; in force with the commit that changes it.

use chrono::Duration;

use super::fields::{Fields, View};
use crate::document::Documents;
use crate::error::Result;
use crate::meta::Document;
use crate::oauth::protocol::authorization_request::ServerRules;
use crate::oauth::protocol::cimd::ClientIdUrl;
use crate::oauth::protocol::request::GrantType;
use crate::oauth::protocol::resource::KnownResources;
use crate::oauth::protocol::scope_offer::KnownScopes;
use crate::oauth::protocol::{self, ErrorCode, ScopeSet};
use crate::permissions::Session;

/// The name of the DocType and of its one document.
pub const OAUTH_SETTINGS: &str = "OAuth Settings";
/// The older place for one setting.
const PROVIDER_SETTINGS: &str = "OAuth Provider Settings";

/// What is read of OAuth Settings.
pub const VIEW: View = View {
    doctype: OAUTH_SETTINGS,
    fields: &[
        "show_auth_server_metadata",
        "skip_authorization",
        "enable_dynamic_client_registration",
        "allowed_public_client_origins",
        "registration_mode",
        "default_scopes",
        "private_use_redirect_schemes",
        "registration_rate_limit",
        "max_registered_clients",
        "max_clients_per_address",
        "unused_client_days",
        "enable_client_id_metadata_documents",
        "client_id_metadata_allowed_domains",
        "client_id_metadata_denied_domains",
        "enable_device_grant",
        "enable_token_exchange",
        "enable_jwt_bearer_grant",
        "require_pushed_authorization_requests",
        "require_dpop_nonce",
        "request_rate_limit",
        "client_assertion_lifetime",
        "id_token_includes_claims",
        "authorization_code_lifetime",
        "access_token_lifetime",
        "refresh_replay_grace_seconds",
        "refresh_token_idle_days",
        "refresh_token_lifetime_days",
        "access_token_format",
        "id_token_signing_alg",
        "allow_hs256_id_tokens",
        "signing_key_rotation_days",
        "openid_includes_roles",
        "end_tokens_at_logout",
        "show_protected_resource_metadata",
        "show_social_login_key_as_authorization_server",
        "accept_token_in_form",
        "resource_name",
        "resource_policy_uri",
        "resource_documentation",
        "resource_tos_uri",
        "scopes_supported",
        "additional_resources",
    ],
};

/// What is read of OAuth Provider Settings.
pub const PROVIDER_VIEW: View = View { doctype: PROVIDER_SETTINGS, fields: &["skip_authorization"] };

/// Who may register a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Nobody.
    Off,
    /// Everybody.
    Open,
    /// Whoever has the initial access token.
    InitialAccessToken,
}

/// What access tokens look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessTokenFormat {
    /// Random texts.
    Opaque,
    /// Signed by the site (RFC 9068).
    Jwt,
}

impl AccessTokenFormat {
    /// The format of that option; `None` if it is empty.
    pub fn from_label(label: &str) -> Option<Self> {
        match label {
            "JWT" => Some(Self::Jwt),
            "Opaque" => Some(Self::Opaque),
            _ => None,
        }
    }
}

/// The settings.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the form")]
pub struct OAuthSettings {
    /// Metadata of the authorization server is published.
    pub show_auth_server_metadata: bool,
    /// A person is not asked again for what they allowed the same client before.
    pub remembers_consent: bool,
    /// A person is asked every time, whatever else says so.
    pub forces_consent: bool,
    /// Who may register a client.
    pub registration: Registration,
    /// The origins whose pages may call from a browser; `*` for all.
    pub public_client_origins: Vec<String>,
    /// The scopes of who names none.
    pub default_scopes: ScopeSet,
    /// Schemes without a dot that redirect URIs may have.
    pub private_use_redirect_schemes: Vec<String>,
    /// Pushed requests, and device codes, a minute and address; 0: no limit.
    pub request_rate_limit: i64,
    /// Registrations a minute and address; 0: no limit.
    pub registration_rate_limit: i64,
    /// Registered clients at most; 0: no limit.
    pub max_registered_clients: i64,
    /// The same of one network address.
    pub max_clients_per_address: i64,
    /// After how many days unused registered clients go; 0: never.
    pub unused_client_days: i64,
    /// Client ID metadata documents are accepted.
    pub client_id_metadata_documents: bool,
    /// Only from these domains, if there are any.
    pub client_id_metadata_allowed_domains: Vec<String>,
    /// Never from these.
    pub client_id_metadata_denied_domains: Vec<String>,
    /// The device grant is offered.
    pub device_grant: bool,
    /// Token exchange is offered.
    pub token_exchange: bool,
    /// The JWT bearer grant is offered.
    pub jwt_bearer: bool,
    /// Every client must push its requests.
    pub require_pushed: bool,
    /// DPoP proofs must carry a nonce of ours.
    pub require_dpop_nonce: bool,
    /// How long an assertion may live with which a client proves who it is.
    pub client_assertion_lifetime: Duration,
    /// Id tokens hold what the scopes tell of the person.
    pub id_token_includes_claims: bool,
    /// How long a code lives.
    pub code_lifetime: Duration,
    /// How long an access token lives.
    pub access_token_lifetime: Duration,
    /// For how long a refresh may be repeated.
    pub replay_grace: Duration,
    /// How long an unused refresh token lives.
    pub refresh_idle: Duration,
    /// How long a sign-in lives, however often it is renewed.
    pub refresh_lifetime: Duration,
    /// What access tokens look like.
    pub access_token_format: AccessTokenFormat,
    /// The signature of id tokens.
    pub id_token_signing_alg: String,
    /// Id tokens may be signed with a client secret.
    pub allow_hs256: bool,
    /// After how many days signing keys are renewed; 0: on demand.
    pub signing_key_rotation_days: i64,
    /// `openid` tells the roles too.
    pub openid_includes_roles: bool,
    /// Sign-ins of clients end with the session, unless they may go on without the person.
    pub end_tokens_at_logout: bool,
    /// Metadata of the resource server is published.
    pub show_protected_resource_metadata: bool,
    /// Social Login Keys are listed as authorization servers.
    pub show_social_login_keys: bool,
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
    /// Resources beside the site and its API.
    pub additional_resources: Vec<String>,
}

impl OAuthSettings {
    /// Reads them; from the cache of documents, as a rule.
    pub async fn load(documents: &Documents) -> Result<Self> {
        let system = Session::system();
        let settings = documents.get(&system, OAUTH_SETTINGS, OAUTH_SETTINGS).await?;
        let provider = documents.get(&system, PROVIDER_SETTINGS, PROVIDER_SETTINGS).await?;
        Ok(Self::read(&settings, &provider))
    }

    fn read(settings: &Document, provider: &Document) -> Self {
        let fields = Fields::new(settings, &VIEW);
        // The deprecated setting says nothing until somebody has saved it.
        let provider =
            if provider.is_new { "" } else { Fields::new(provider, &PROVIDER_VIEW).text("skip_authorization") };
        // And `Auto` counts only where the new setting was never said.
        let never_saved = settings.is_new;
        Self {
            show_auth_server_metadata: fields.check("show_auth_server_metadata"),
            remembers_consent: fields.check("skip_authorization") || (never_saved && provider == "Auto"),
            forces_consent: provider == "Force",
            registration: match (fields.check("enable_dynamic_client_registration"), fields.text("registration_mode")) {
                (false, _) => Registration::Off,
                (true, "Initial Access Token") => Registration::InitialAccessToken,
                (true, _) => Registration::Open,
            },
            public_client_origins: fields.words("allowed_public_client_origins"),
            default_scopes: fields.scopes("default_scopes"),
            private_use_redirect_schemes: fields.words("private_use_redirect_schemes"),
            request_rate_limit: fields.int("request_rate_limit"),
            registration_rate_limit: fields.int("registration_rate_limit"),
            max_registered_clients: fields.int("max_registered_clients"),
            max_clients_per_address: fields.int("max_clients_per_address"),
            unused_client_days: fields.int("unused_client_days"),
            client_id_metadata_documents: fields.check("enable_client_id_metadata_documents"),
            client_id_metadata_allowed_domains: fields.words("client_id_metadata_allowed_domains"),
            client_id_metadata_denied_domains: fields.words("client_id_metadata_denied_domains"),
            device_grant: fields.check("enable_device_grant"),
            token_exchange: fields.check("enable_token_exchange"),
            jwt_bearer: fields.check("enable_jwt_bearer_grant"),
            require_pushed: fields.check("require_pushed_authorization_requests"),
            require_dpop_nonce: fields.check("require_dpop_nonce"),
            client_assertion_lifetime: Duration::seconds(fields.positive("client_assertion_lifetime", 3600)),
            id_token_includes_claims: fields.check("id_token_includes_claims"),
            code_lifetime: Duration::seconds(fields.positive("authorization_code_lifetime", 60)),
            access_token_lifetime: Duration::seconds(fields.positive("access_token_lifetime", 3600)),
            replay_grace: Duration::seconds(fields.int("refresh_replay_grace_seconds").max(0)),
            refresh_idle: Duration::days(fields.positive("refresh_token_idle_days", 30)),
            refresh_lifetime: Duration::days(fields.positive("refresh_token_lifetime_days", 365)),
            access_token_format: AccessTokenFormat::from_label(fields.text("access_token_format"))
                .unwrap_or(AccessTokenFormat::Opaque),
            id_token_signing_alg: fields.optional("id_token_signing_alg").unwrap_or_else(|| "ES256".to_owned()),
            allow_hs256: fields.check("allow_hs256_id_tokens"),
            signing_key_rotation_days: fields.int("signing_key_rotation_days"),
            openid_includes_roles: fields.check("openid_includes_roles"),
            end_tokens_at_logout: fields.check("end_tokens_at_logout"),
            show_protected_resource_metadata: fields.check("show_protected_resource_metadata"),
            show_social_login_keys: fields.check("show_social_login_key_as_authorization_server"),
            accept_token_in_form: fields.check("accept_token_in_form"),
            resource_name: fields.optional("resource_name"),
            resource_policy_uri: fields.optional("resource_policy_uri"),
            resource_documentation: fields.optional("resource_documentation"),
            resource_tos_uri: fields.optional("resource_tos_uri"),
            scopes_supported: fields.scopes("scopes_supported"),
            additional_resources: fields.words("additional_resources"),
        }
    }

    /// Fails unless the address of a metadata document may be a client id here.
    pub fn check_metadata_document(&self, client_id: &str) -> Result<(), protocol::Error> {
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
    pub fn offers(&self, grant: GrantType) -> bool {
        match grant {
            GrantType::AuthorizationCode | GrantType::RefreshToken | GrantType::ClientCredentials => true,
            GrantType::DeviceCode => self.device_grant,
            GrantType::TokenExchange => self.token_exchange,
            GrantType::JwtBearer => self.jwt_bearer,
        }
    }

    /// The resources for which tokens may be asked.
    pub fn resources(&self, site_url: &str) -> KnownResources {
        KnownResources::new(site_url, self.additional_resources.iter().map(String::as_str))
    }

    /// What the checks of an authorization request need to know about the site; see [`OAuthSettings::resources`].
    pub fn rules<'a>(
        &'a self,
        issuer: &'a str,
        resources: &'a KnownResources,
        known_scopes: &'a dyn KnownScopes,
    ) -> ServerRules<'a> {
        let default_scopes = &self.default_scopes;
        ServerRules { issuer, default_scopes, known_scopes, resources, require_pushed: self.require_pushed }
    }
}
