//! OAuth Client: a typed view and its secrets.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};

use crate::document::view::{filled, options, time_value, view};
use crate::document::{Documents, Work};
use crate::error::{Error, Result};
use crate::meta::Document;
use crate::oauth::protocol::ScopeSet;
use crate::oauth::protocol::authorize::authorization_request::ClientRules;
use crate::oauth::protocol::client::certificate::CertificateName;
use crate::oauth::protocol::client::client_authentication::Method;
use crate::oauth::protocol::client::client_name;
use crate::oauth::protocol::client::redirect_uri::{ApplicationType, RedirectUris};
use crate::oauth::protocol::request::GrantType;
use crate::oauth::protocol::serve::scope_offer::Ceiling;
use crate::oauth::views::client_secret::{is_client_secret, is_weak_client_secret, open_client_secret};
use crate::oauth::views::oauth_settings::{AccessTokenFormat, OAuthSettings};
use crate::permissions::{Session, UserAccess};
use crate::secret::{Purpose, SigningAlgorithm, SiteKey};

/// The name of the DocType.
pub(crate) const OAUTH_CLIENT: &str = "OAuth Client";

options! {
    /// Who brought a client here.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) enum RegisteredBy {
        /// An administrator.
        #[default]
        Administrator = "Administrator",
        /// Itself (RFC 7591).
        DynamicRegistration = "Dynamic Registration",
        /// A page about it.
        MetadataDocument = "Metadata Document",
    }
}

view! {
    /// A client.
    #[derive(Clone, Debug)]
    pub(crate) struct OAuthClient of OAUTH_CLIENT {
        /// The document.
        pub name: String = name,
        /// The id that it goes by: the document's name, or the address of its metadata.
        pub client_id: String as client_id,
        /// What people read: nothing in it that cannot be seen.
        pub app_name: String as shown_name,
        /// It may do something at all.
        pub enabled: bool,
        /// On whose behalf it acts without a person.
        pub user: Option<String>,
        /// The roles one of which its users must have; empty: everybody.
        pub allowed_roles: Vec<ClientRole> = rows,
        /// People are not asked, if it is trusted.
        pub skip_authorization: bool,
        /// The scopes on its form; see `SiteScopes::ceiling`.
        pub scopes: ScopeSet,
        /// An administrator decided that it may ask for these scopes and no others, although it came by itself.
        pub limit_scopes: bool,
        /// Where it may be answered, the default first.
        pub redirect_uris: RedirectUris = ["default_redirect_uri", "redirect_uris"] as redirect_uris,
        /// Website or installed client.
        pub application_type: ApplicationType,
        /// Its home page.
        pub client_uri: Option<String>,
        /// Its logo.
        pub logo_uri: Option<String>,
        /// Its data policy.
        pub policy_uri: Option<String>,
        /// Its terms of service.
        pub tos_uri: Option<String>,
        /// `software_id` (RFC 7591 §2).
        pub software_id: Option<String>,
        /// `software_version` (RFC 7591 §2).
        pub software_version: Option<String>,
        /// How it proves who it is.
        pub auth_method: Method = "token_endpoint_auth_method",
        /// It may use the authorization code grant.
        pub allows_code: bool = ["grant_type", "response_type"] as allows_code,
        /// It gets refresh tokens.
        pub allows_refresh: bool = "allow_refresh_token",
        /// It may act for itself.
        pub allows_client_credentials: bool = "allow_client_credentials",
        /// It may use the device grant.
        pub allows_device_code: bool = "allow_device_code",
        /// It may exchange tokens.
        pub allows_token_exchange: bool = "allow_token_exchange",
        /// It may come with statements of trusted servers about people.
        pub allows_jwt_bearer: bool = "allow_jwt_bearer",
        /// For which resources beyond those of the tokens that it exchanges.
        pub exchange_targets: Vec<String>,
        /// It may act as others without saying so.
        pub may_impersonate: bool,
        /// It must use PKCE although it has a secret.
        pub require_pkce: bool,
        /// It must push its requests.
        pub require_pushed: bool = "require_par",
        /// Its tokens must be bound to a key.
        pub require_dpop: bool,
        /// It must sign its requests.
        pub require_signed: bool = "require_signed_request_object",
        /// Its tokens must be bound to its certificate.
        pub require_certificate: bool = "tls_client_certificate_bound_access_tokens",
        /// Where its keys are.
        pub jwks_uri: Option<String>,
        /// Its keys.
        pub jwks: Option<String>,
        /// The name that its certificates have, if it proves itself by one.
        pub certificate_name: Option<CertificateName> = [
            "tls_client_auth_subject_dn",
            "tls_client_auth_san_dns",
            "tls_client_auth_san_uri",
            "tls_client_auth_san_ip",
            "tls_client_auth_san_email"
        ] as certificate_name,
        /// How its id tokens are signed; `None`: as OAuth Settings says.
        pub id_token_alg: Option<String> = "id_token_signed_response_alg",
        /// Its id tokens hold what the scopes tell of the person.
        pub id_token_includes_claims: bool,
        /// How what it is told about tokens is signed, if it asks for that.
        pub introspection_alg: SigningAlgorithm = "introspection_signed_response_alg" as introspection_alg,
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
        /// The network address from which it registered itself.
        pub registered_from: Option<String>,
        /// Somebody here knows who runs it.
        pub is_trusted: bool = "trusted",
        /// `client_id_issued_at` (RFC 7591 §3.2.1).
        pub issued_at: Option<DateTime<Utc>> = "client_id_issued_at",
        /// When it last got a token, as far as it is written down.
        pub last_used: Option<DateTime<Utc>>,
        /// When its metadata document has to be fetched again.
        pub metadata_expires_at: Option<DateTime<Utc>>,
        access_token_lifetime: i64,
        access_token_format: Option<AccessTokenFormat>,
        secret: String = "client_secret",
        previous_secret: String = "previous_client_secret",
        previous_secret_expires_at: Option<DateTime<Utc>> = "previous_client_secret_expires_at",
        registration_access_token: String,
    }
}

view! {
    /// A row of the roles whose people may use a client.
    #[derive(Clone, Debug)]
    pub(crate) struct ClientRole of "OAuth Client Role" {
        /// The Role.
        pub role: String,
    }
}

/// The document's name, but for a client whose id is the address of its metadata.
fn client_id(document: &Document, fieldname: &str) -> String {
    filled(document, fieldname).map_or_else(|| document.name(), str::to_owned)
}

fn shown_name(document: &Document, fieldname: &str) -> String {
    client_name::shown(document.text(fieldname))
}

fn redirect_uris(document: &Document) -> RedirectUris {
    let default = RedirectUris::default().with(document.text("default_redirect_uri"));
    RedirectUris::from_stored(document.text("redirect_uris")).iter().fold(default, RedirectUris::with)
}

fn allows_code(document: &Document) -> bool {
    document.text("grant_type") != "Implicit" && document.text("response_type") != "Token"
}

fn certificate_name(document: &Document) -> Option<CertificateName> {
    CertificateName::only(|kind| filled(document, kind.as_str()).map(str::to_owned)).ok()
}

/// RFC 9701 §6 has RS256 where nothing is said.
fn introspection_alg(document: &Document, fieldname: &str) -> SigningAlgorithm {
    SigningAlgorithm::parse(document.text(fieldname)).unwrap_or(SigningAlgorithm::Rs256)
}

impl OAuthClient {
    /// The client of that id, enabled or not.
    pub(crate) async fn find(documents: &Documents, client_id: &str) -> Result<Option<Arc<Self>>> {
        // The address of a metadata document is not the name of a document.
        if client_id.contains("://") {
            return match documents.find_by(&Session::system(), OAUTH_CLIENT, "client_id", client_id).await? {
                Some(document) => Self::find_by_name(documents, &document.name()).await,
                None => Ok(None),
            };
        }
        Self::find_by_name(documents, client_id).await
    }

    /// The client of that document name, enabled or not.
    pub(crate) async fn find_by_name(documents: &Documents, name: &str) -> Result<Option<Arc<Self>>> {
        match documents
            .get_typed(&Session::system(), OAUTH_CLIENT, name, |_| true, |document| Self::from(document))
            .await
        {
            Ok(client) => Ok(Some(client)),
            Err(Error::DoesNotExist { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether this is one of the client's live secrets.
    pub(crate) fn is_secret(&self, site_key: &SiteKey, presented: &str, now: DateTime<Utc>) -> bool {
        let current = is_client_secret(site_key, &self.secret, presented);
        let previous = is_client_secret(site_key, &self.previous_secret, presented)
            && self.previous_secret_expires_at.is_some_and(|at| at > now);
        current | previous
    }

    /// Whether somebody could guess the client's secret: one that was not made here.
    pub(crate) fn has_weak_secret(&self) -> bool {
        is_weak_client_secret(&self.secret) || is_weak_client_secret(&self.previous_secret)
    }

    /// Whether this is the token with which the client manages its registration (RFC 7592).
    pub(crate) fn is_registration_access_token(&self, site_key: &SiteKey, presented: &str) -> bool {
        site_key.matches_digest(Purpose::TOKEN_DIGEST, presented, &self.registration_access_token)
    }

    /// The live secrets that are needed in plain: to verify `client_secret_jwt` and to sign with HS256. The current one first.
    pub(crate) fn signing_secrets(&self, site_key: &SiteKey, now: DateTime<Utc>) -> Vec<String> {
        let previous = self.previous_secret_expires_at.is_some_and(|at| at > now).then_some(&self.previous_secret);
        [Some(&self.secret), previous]
            .into_iter()
            .flatten()
            .filter_map(|stored| open_client_secret(site_key, stored))
            .collect()
    }

    /// Whether the client cannot keep a secret.
    pub(crate) fn is_public(&self) -> bool {
        !self.auth_method.is_confidential()
    }

    /// Whether its scopes are for an administrator to choose, and not for itself.
    pub(crate) fn scopes_are_decided(&self) -> bool {
        self.limit_scopes || self.is_trusted
    }

    /// Whether somebody here has said who runs it: those that administrators made, and those they trust.
    pub(crate) fn is_known(&self) -> bool {
        self.is_trusted || self.registered_by == RegisteredBy::Administrator
    }

    /// The host that describes the client, if its id is the address of its metadata.
    pub(crate) fn metadata_host(&self) -> Option<String> {
        url::Url::parse(&self.client_id).ok().and_then(|url| url.host_str().map(str::to_owned))
    }

    /// Whether this user may use the client at all.
    pub(crate) fn admits(&self, access: &UserAccess) -> bool {
        self.allowed_roles.is_empty() || self.allowed_roles.iter().any(|row| access.roles.contains(&row.role))
    }

    /// Whether the client may use this grant.
    pub(crate) fn may_use(&self, grant_type: GrantType) -> bool {
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
    pub(crate) fn access_token_lifetime(&self, settings: &OAuthSettings) -> Duration {
        match self.access_token_lifetime {
            seconds if seconds > 0 => Duration::seconds(seconds),
            _ => settings.access_token_lifetime,
        }
    }

    /// What its access tokens look like.
    pub(crate) fn access_token_format(&self, settings: &OAuthSettings) -> AccessTokenFormat {
        self.access_token_format.unwrap_or(settings.access_token_format)
    }

    /// What the checks of an authorization request need to know, with the most that it may ask for.
    pub(crate) fn rules<'a>(&'a self, ceiling: &'a Ceiling) -> ClientRules<'a> {
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
pub(crate) async fn note_use(work: &mut Work<'_>, client: &OAuthClient, now: DateTime<Utc>) -> Result<()> {
    if client.last_used.is_some_and(|at| now - at < Duration::minutes(5)) {
        return Ok(());
    }
    work.set_values(OAUTH_CLIENT, &client.name, &[("last_used", time_value(now))]).await
}
