//! OAuth Client: a typed view and its secrets.

use chrono::{DateTime, Duration, Utc};

use super::client_secret::{is_client_secret, is_weak_client_secret, open_client_secret};
use super::fields::{Fields, View, time_value};
use super::oauth_settings::{AccessTokenFormat, OAuthSettings};
use crate::document::{Documents, Work};
use crate::error::{Error, Result};
use crate::meta::Document;
use crate::oauth::protocol::ScopeSet;
use crate::oauth::protocol::authorization_request::ClientRules;
use crate::oauth::protocol::certificate::CertificateName;
use crate::oauth::protocol::client_authentication::Method;
use crate::oauth::protocol::client_name;
use crate::oauth::protocol::redirect_uri::{ApplicationType, RedirectUris};
use crate::oauth::protocol::request::GrantType;
use crate::oauth::protocol::scope_offer::Ceiling;
use crate::permissions::{Session, UserAccess};
use crate::secret::{Purpose, SigningAlgorithm, SiteKey};

/// The name of the DocType.
pub const OAUTH_CLIENT: &str = "OAuth Client";

/// What is read and written.
pub const VIEW: View = View {
    doctype: OAUTH_CLIENT,
    fields: &[
        "enabled",
        "client_id",
        "user",
        "allowed_roles",
        "client_secret",
        "default_redirect_uri",
        "skip_authorization",
        "app_name",
        "scopes",
        "limit_scopes",
        "redirect_uris",
        "application_type",
        "client_uri",
        "software_id",
        "tos_uri",
        "contacts",
        "logo_uri",
        "software_version",
        "policy_uri",
        "grant_type",
        "token_endpoint_auth_method",
        "allow_refresh_token",
        "allow_client_credentials",
        "allow_device_code",
        "allow_token_exchange",
        "allow_jwt_bearer",
        "exchange_targets",
        "may_impersonate",
        "response_type",
        "require_pkce",
        "require_par",
        "require_dpop",
        "require_signed_request_object",
        "tls_client_certificate_bound_access_tokens",
        "jwks_uri",
        "jwks",
        "tls_client_auth_subject_dn",
        "tls_client_auth_san_dns",
        "tls_client_auth_san_uri",
        "tls_client_auth_san_ip",
        "tls_client_auth_san_email",
        "access_token_lifetime",
        "access_token_format",
        "id_token_signed_response_alg",
        "id_token_includes_claims",
        "introspection_signed_response_alg",
        "can_introspect",
        "own_resources",
        "post_logout_redirect_uris",
        "backchannel_logout_uri",
        "registered_from",
        "registered_by",
        "trusted",
        "client_id_issued_at",
        "last_used",
        "registration_access_token",
        "previous_client_secret",
        "previous_client_secret_expires_at",
        "metadata_expires_at",
    ],
};

/// Who brought a client here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisteredBy {
    /// An administrator.
    Administrator,
    /// Itself (RFC 7591).
    DynamicRegistration,
    /// A page about it.
    MetadataDocument,
}

/// A client.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the form")]
pub struct OAuthClient {
    /// The document.
    pub name: String,
    /// The id that it goes by: the document's name, or the address of its metadata.
    pub client_id: String,
    /// What people read: nothing in it that cannot be seen.
    pub app_name: String,
    /// It may do something at all.
    pub enabled: bool,
    /// On whose behalf it acts without a person.
    pub user: Option<String>,
    /// The roles one of which its users must have; empty: everybody.
    pub allowed_roles: Vec<String>,
    /// People are not asked, if it is trusted.
    pub skip_authorization: bool,
    /// The scopes on its form; see `SiteScopes::ceiling`.
    pub scopes: ScopeSet,
    /// An administrator decided that it may ask for these scopes and no others, although it came by itself.
    pub limit_scopes: bool,
    /// Where it may be answered, the default first.
    pub redirect_uris: RedirectUris,
    /// Website or installed program.
    pub application_type: ApplicationType,
    /// Its home page.
    pub client_uri: Option<String>,
    /// Its logo.
    pub logo_uri: Option<String>,
    /// Its data policy.
    pub policy_uri: Option<String>,
    /// Its terms of service.
    pub tos_uri: Option<String>,
    /// How it proves who it is.
    pub auth_method: Method,
    /// It may use the authorization code grant.
    pub allows_code: bool,
    /// It gets refresh tokens.
    pub allows_refresh: bool,
    /// It may act for itself.
    pub allows_client_credentials: bool,
    /// It may use the device grant.
    pub allows_device_code: bool,
    /// It may exchange tokens.
    pub allows_token_exchange: bool,
    /// It may come with statements of trusted servers about people.
    pub allows_jwt_bearer: bool,
    /// For which resources beyond those of the tokens that it exchanges.
    pub exchange_targets: Vec<String>,
    /// It may act as others without saying so.
    pub may_impersonate: bool,
    /// It must use PKCE although it has a secret.
    pub require_pkce: bool,
    /// It must push its requests.
    pub require_pushed: bool,
    /// Its tokens must be bound to a key.
    pub require_dpop: bool,
    /// It must sign its requests.
    pub require_signed: bool,
    /// Its tokens must be bound to its certificate.
    pub require_certificate: bool,
    /// Where its keys are.
    pub jwks_uri: Option<String>,
    /// Its keys.
    pub jwks: Option<String>,
    /// The name that its certificates have, if it proves itself by one.
    pub certificate_name: Option<CertificateName>,
    /// How its id tokens are signed; `None`: as OAuth Settings says.
    pub id_token_alg: Option<String>,
    /// Its id tokens hold what the scopes tell of the person.
    pub id_token_includes_claims: bool,
    /// How what it is told about tokens is signed, if it asks for that.
    pub introspection_alg: SigningAlgorithm,
    /// It may introspect every token.
    pub can_introspect: bool,
    /// The resources where it answers itself.
    pub own_resources: Vec<String>,
    /// Where it may send people after they logged out.
    pub post_logout_redirect_uris: Vec<String>,
    /// Where it wants to be told that somebody logged out.
    pub backchannel_logout_uri: Option<String>,
    /// Who brought it here.
    pub registered_by: RegisteredBy,
    /// Somebody here knows who runs it.
    pub is_trusted: bool,
    /// When it last got a token, as far as it is written down.
    pub last_used: Option<DateTime<Utc>>,
    /// When its metadata document has to be fetched again.
    pub metadata_expires_at: Option<DateTime<Utc>>,
    access_token_lifetime: i64,
    access_token_format: Option<AccessTokenFormat>,
    secret: String,
    previous_secret: String,
    previous_secret_expires_at: Option<DateTime<Utc>>,
    registration_access_token: String,
}

impl From<&Document> for OAuthClient {
    fn from(document: &Document) -> Self {
        let fields = Fields::new(document, &VIEW);
        let registered_by = match fields.text("registered_by") {
            "Dynamic Registration" => RegisteredBy::DynamicRegistration,
            "Metadata Document" => RegisteredBy::MetadataDocument,
            _ => RegisteredBy::Administrator,
        };
        let redirect_uris = RedirectUris::default().with(fields.text("default_redirect_uri"));
        let redirect_uris =
            RedirectUris::from_stored(fields.text("redirect_uris")).iter().fold(redirect_uris, RedirectUris::with);
        Self {
            name: document.name(),
            client_id: fields.optional("client_id").unwrap_or_else(|| document.name()),
            app_name: client_name::shown(fields.text("app_name")),
            enabled: fields.check("enabled"),
            user: fields.optional("user"),
            allowed_roles: document.rows("allowed_roles").iter().map(|row| row.text("role").to_owned()).collect(),
            skip_authorization: fields.check("skip_authorization"),
            scopes: fields.scopes("scopes"),
            limit_scopes: fields.check("limit_scopes"),
            redirect_uris,
            application_type: match fields.text("application_type") {
                "Native" => ApplicationType::Native,
                _ => ApplicationType::Web,
            },
            client_uri: fields.optional("client_uri"),
            logo_uri: fields.optional("logo_uri"),
            policy_uri: fields.optional("policy_uri"),
            tos_uri: fields.optional("tos_uri"),
            auth_method: Method::from_label(fields.text("token_endpoint_auth_method"))
                .unwrap_or(Method::ClientSecretBasic),
            allows_code: fields.text("grant_type") != "Implicit" && fields.text("response_type") != "Token",
            allows_refresh: fields.check("allow_refresh_token"),
            allows_client_credentials: fields.check("allow_client_credentials"),
            allows_device_code: fields.check("allow_device_code"),
            allows_token_exchange: fields.check("allow_token_exchange"),
            allows_jwt_bearer: fields.check("allow_jwt_bearer"),
            exchange_targets: fields.words("exchange_targets"),
            may_impersonate: fields.check("may_impersonate"),
            require_pkce: fields.check("require_pkce"),
            require_pushed: fields.check("require_par"),
            require_dpop: fields.check("require_dpop"),
            require_signed: fields.check("require_signed_request_object"),
            require_certificate: fields.check("tls_client_certificate_bound_access_tokens"),
            jwks_uri: fields.optional("jwks_uri"),
            jwks: fields.optional("jwks"),
            certificate_name: CertificateName::only(|kind| fields.optional(kind.as_str())).ok(),
            id_token_alg: fields.optional("id_token_signed_response_alg"),
            id_token_includes_claims: fields.check("id_token_includes_claims"),
            // RFC 9701 §6 has this one where nothing is said.
            introspection_alg: SigningAlgorithm::parse(fields.text("introspection_signed_response_alg"))
                .unwrap_or(SigningAlgorithm::Rs256),
            can_introspect: fields.check("can_introspect"),
            own_resources: fields.words("own_resources"),
            post_logout_redirect_uris: fields.words("post_logout_redirect_uris"),
            backchannel_logout_uri: fields.optional("backchannel_logout_uri"),
            registered_by,
            is_trusted: fields.check("trusted"),
            last_used: fields.time("last_used"),
            metadata_expires_at: fields.time("metadata_expires_at"),
            access_token_lifetime: fields.int("access_token_lifetime"),
            access_token_format: AccessTokenFormat::from_label(fields.text("access_token_format")),
            secret: fields.text("client_secret").to_owned(),
            previous_secret: fields.text("previous_client_secret").to_owned(),
            previous_secret_expires_at: fields.time("previous_client_secret_expires_at"),
            registration_access_token: fields.text("registration_access_token").to_owned(),
        }
    }
}

impl OAuthClient {
    /// The client of that id, enabled or not.
    pub async fn find(documents: &Documents, client_id: &str) -> Result<Option<Self>> {
        // The address of a metadata document is not a document name.
        if client_id.contains("://") {
            let found = documents.find_by(&Session::system(), OAUTH_CLIENT, "client_id", client_id).await?;
            return Ok(found.map(|document| Self::from(&*document)));
        }
        Self::find_by_name(documents, client_id).await
    }

    /// The client of that document name, enabled or not.
    pub async fn find_by_name(documents: &Documents, name: &str) -> Result<Option<Self>> {
        match documents.get(&Session::system(), OAUTH_CLIENT, name).await {
            Ok(document) => Ok(Some(Self::from(&*document))),
            Err(Error::DoesNotExist { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether this is one of the client's live secrets.
    pub fn is_secret(&self, site_key: &SiteKey, presented: &str, now: DateTime<Utc>) -> bool {
        let current = is_client_secret(site_key, &self.secret, presented);
        let previous = is_client_secret(site_key, &self.previous_secret, presented)
            && self.previous_secret_expires_at.is_some_and(|at| at > now);
        current | previous
    }

    /// Whether somebody could guess the client's secret: one that was not made here.
    pub fn has_weak_secret(&self) -> bool {
        is_weak_client_secret(&self.secret) || is_weak_client_secret(&self.previous_secret)
    }

    /// Whether this is the token with which the client manages its registration (RFC 7592).
    pub fn is_registration_access_token(&self, site_key: &SiteKey, presented: &str) -> bool {
        site_key.matches_digest(Purpose::TOKEN_DIGEST, presented, &self.registration_access_token)
    }

    /// The live secrets that are needed in plain: to verify `client_secret_jwt` and to sign with HS256. The current one first.
    pub fn signing_secrets(&self, site_key: &SiteKey, now: DateTime<Utc>) -> Vec<String> {
        let previous = self.previous_secret_expires_at.is_some_and(|at| at > now).then_some(&self.previous_secret);
        [Some(&self.secret), previous]
            .into_iter()
            .flatten()
            .filter_map(|stored| open_client_secret(site_key, stored))
            .collect()
    }

    /// Whether the client cannot keep a secret.
    pub fn is_public(&self) -> bool {
        !self.auth_method.is_confidential()
    }

    /// Whether its scopes are for an administrator to choose, and not for itself.
    pub fn scopes_are_decided(&self) -> bool {
        self.limit_scopes || self.is_trusted
    }

    /// Whether somebody here has said who runs it: those that administrators made, and those they trust.
    pub fn is_known(&self) -> bool {
        self.is_trusted || self.registered_by == RegisteredBy::Administrator
    }

    /// The host that describes the client, if its id is the address of its metadata.
    pub fn metadata_host(&self) -> Option<String> {
        url::Url::parse(&self.client_id).ok().and_then(|url| url.host_str().map(str::to_owned))
    }

    /// Whether this user may use the client at all.
    pub fn admits(&self, access: &UserAccess) -> bool {
        self.allowed_roles.is_empty() || self.allowed_roles.iter().any(|role| access.roles.contains(role))
    }

    /// Whether the client may use this grant.
    pub fn may_use(&self, grant_type: GrantType) -> bool {
        match grant_type {
            GrantType::AuthorizationCode => self.allows_code && !self.redirect_uris.is_empty(),
            GrantType::RefreshToken => self.allows_refresh,
            GrantType::ClientCredentials => self.allows_client_credentials && !self.is_public(),
            GrantType::DeviceCode => self.allows_device_code,
            GrantType::TokenExchange => self.allows_token_exchange && !self.is_public(),
            GrantType::JwtBearer => self.allows_jwt_bearer && !self.is_public(),
        }
    }

    /// How long its access tokens live.
    pub fn access_token_lifetime(&self, settings: &OAuthSettings) -> Duration {
        match self.access_token_lifetime {
            seconds if seconds > 0 => Duration::seconds(seconds),
            _ => settings.access_token_lifetime,
        }
    }

    /// What its access tokens look like.
    pub fn access_token_format(&self, settings: &OAuthSettings) -> AccessTokenFormat {
        self.access_token_format.unwrap_or(settings.access_token_format)
    }

    /// What the checks of an authorization request need to know, with the most that it may ask for.
    pub fn rules<'a>(&'a self, ceiling: &'a Ceiling) -> ClientRules<'a> {
        ClientRules {
            client_id: &self.client_id,
            redirect_uris: &self.redirect_uris,
            ceiling,
            is_public: self.is_public(),
            may_use_code: self.may_use(GrantType::AuthorizationCode),
            require_pkce: self.require_pkce,
            require_pushed: self.require_pushed,
            require_signed: self.require_signed,
        }
    }
}

/// Notes that a client got a token, unless that was noted a short while ago.
pub async fn note_use(work: &mut Work<'_>, client: &OAuthClient, now: DateTime<Utc>) -> Result<()> {
    if client.last_used.is_some_and(|at| now - at < Duration::minutes(5)) {
        return Ok(());
    }
    work.set_values(OAUTH_CLIENT, &client.name, &[("last_used", time_value(now))]).await
}
