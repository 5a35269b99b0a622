//! Client metadata: what a client may say of itself when it registers, and what it is told (RFC 7591, RFC 7592).

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::config::client_certificates::CertificateCheck;
use crate::oauth::protocol::authorize::jar;
use crate::oauth::protocol::client::assertion;
use crate::oauth::protocol::client::certificate::{CertificateName, NameKind};
use crate::oauth::protocol::client::client_authentication::Method;
use crate::oauth::protocol::client::client_members::{MEMBERS, Member, Members, checked_text, invalid};
use crate::oauth::protocol::client::client_name;
use crate::oauth::protocol::client::redirect_uri::{ApplicationType, RedirectUris, check_registration};
use crate::oauth::protocol::error::{Error, ErrorCode, Result};
use crate::oauth::protocol::jose::jwk::JwkSet;
use crate::oauth::protocol::request::GrantType;
use crate::oauth::protocol::serve::scope::ScopeSet;
use crate::oauth::protocol::serve::scope_offer::{Ceiling, KnownScopes, is_without_claims, undefined};
use crate::secret::{self, SigningAlgorithm};

/// How many redirect URIs a client may register.
const MAX_REDIRECT_URIS: usize = 20;
/// A signature with the client secret.
const HS256: &str = "HS256";

/// What the site allows.
#[derive(Clone, Copy)]
pub struct RegistrationPolicy<'a> {
    /// The scopes of a client that names none.
    pub default_scopes: &'a ScopeSet,
    /// The scopes that a client may register.
    pub ceiling: &'a Ceiling,
    /// The scopes that there are.
    pub known_scopes: &'a dyn KnownScopes,
    /// What the client says is for several servers, so that scopes of theirs are left out instead of refused.
    pub is_for_all_servers: bool,
    /// Names of the site, which no client may take.
    pub site_names: &'a [String],
    /// Id tokens may be signed with a client secret.
    pub allow_hs256: bool,
    /// Private-use schemes without a dot.
    pub redirect_schemes: &'a [String],
    /// Whether devices may use the device grant.
    pub allow_device_code: bool,
    /// Which certificates can prove who a client is.
    pub certificates: Option<CertificateCheck>,
}

/// Metadata that passed every check: what is stored, and echoed to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientMetadata {
    /// Where it may be answered, exactly as it said.
    pub redirect_uris: RedirectUris,
    /// How it proves who it is.
    pub token_endpoint_auth_method: Method,
    /// How it gets tokens.
    pub grant_types: Vec<GrantType>,
    /// Web or native.
    pub application_type: ApplicationType,
    /// The most it may ask for.
    pub scope: ScopeSet,
    /// The name of its certificates (RFC 8705 §2.1.2).
    pub certificate_name: Option<CertificateName>,
    /// The members that one field each keeps ([`Member::kept`]), as far as it said anything.
    pub members: Map<String, Value>,
}

/// The answer to a registration (RFC 7591 §3.2.1): 201 when new, 200 when read or changed.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ClientInformation {
    /// The client id.
    pub client_id: String,
    /// When it was registered, in seconds.
    pub client_id_issued_at: i64,
    /// The secret, shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// When the secret ends: `0` is never. There whenever there is a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret_expires_at: Option<i64>,
    /// The token to manage the registration with: new, or the one that was presented.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_access_token: Option<String>,
    /// Where to manage it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_client_uri: Option<String>,
    /// Everything that was registered.
    #[serde(flatten)]
    pub metadata: ClientMetadata,
}

/// Shows no secrets.
impl std::fmt::Debug for ClientInformation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientInformation").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

impl ClientMetadata {
    /// Reads and checks metadata: a registration request, or a client id metadata document.
    ///
    /// Unknown members are ignored, `null` counts as left out.
    pub fn parse(request: &Value, policy: &RegistrationPolicy<'_>) -> Result<Self> {
        let members = Members(request.as_object().ok_or_else(|| invalid("The metadata must be a JSON object"))?);
        if let Some(statement) = members.get("software_statement") {
            return Err(software_statement(statement));
        }
        check_algorithms(&members)?;
        let grant_types = grants(&members, policy)?;
        let token_endpoint_auth_method = auth_method(&members, policy)?;
        let uses_code = grant_types.contains(&GrantType::AuthorizationCode);
        let (redirect_uris, application_type) = redirects(&members, uses_code, policy)?;
        check_keys(&members, token_endpoint_auth_method)?;
        let mut metadata = Self {
            redirect_uris,
            token_endpoint_auth_method,
            grant_types,
            application_type,
            scope: scope(&members, policy)?,
            certificate_name: certificate_name(&members, token_endpoint_auth_method)?,
            members: Map::new(),
        };
        for member in Member::kept() {
            let value = match member.name {
                "client_name" => client_name(&members, policy)?.map(Value::from),
                "id_token_signed_response_alg" => Some(id_token_alg(&members, &metadata, policy)?.into()),
                "introspection_signed_response_alg" => signed_response_alg(&members, member.name)?.map(Value::from),
                _ => member.read(&members)?,
            };
            metadata.members.extend(value.map(|value| (member.name.to_owned(), value)));
        }
        check_post_logout(&metadata, policy)?;
        let bound = "tls_client_certificate_bound_access_tokens";
        if metadata.members.contains_key(bound) && policy.certificates.is_none() {
            return Err(invalid(format!("{bound}: this site takes no certificates")));
        }
        Ok(metadata)
    }

    /// Takes this name if the client said none.
    pub fn name_if_unnamed(&mut self, name: &str) {
        self.members.entry("client_name").or_insert_with(|| Value::from(name));
    }

    /// What a response says of a member; `None` if it is left out.
    fn value(&self, name: &str) -> Option<Value> {
        Some(match name {
            "redirect_uris" if self.redirect_uris.is_empty() => return None,
            "redirect_uris" => self.redirect_uris.iter().collect(),
            "token_endpoint_auth_method" => Value::from(self.token_endpoint_auth_method.as_str()),
            "grant_types" => self.grant_types.iter().map(|grant| grant.as_str()).collect(),
            "response_types" if self.grant_types.contains(&GrantType::AuthorizationCode) => json!(["code"]),
            "response_types" => json!([]),
            "application_type" => json!(self.application_type),
            "scope" => Value::from(self.scope.to_string()),
            name => match &self.certificate_name {
                Some(certificate) if certificate.kind.as_str() == name => Value::from(certificate.text.as_str()),
                _ => return self.members.get(name).cloned(),
            },
        })
    }
}

impl Serialize for ClientMetadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(MEMBERS.iter().filter_map(|member| Some((member.name, self.value(member.name)?))))
    }
}

/// Checks what an update says about itself (RFC 7592 §2.2); the metadata is then read by [`ClientMetadata::parse`].
///
/// `secret_fits` tells whether a secret that the update repeats is the current one.
pub(crate) fn check_update(request: &Value, client_id: &str, secret_fits: impl Fn(&str) -> bool) -> Result<()> {
    let members = Members(request.as_object().ok_or_else(|| invalid("The metadata must be a JSON object"))?);
    if members.text("client_id")?.as_deref() != Some(client_id) {
        return Err(invalid("client_id must be the one of this registration"));
    }
    for server_side in
        ["registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"]
    {
        if members.has(server_side) {
            return Err(invalid(format!("{server_side} cannot be changed: leave it out")));
        }
    }
    match members.text("client_secret")? {
        Some(secret) if !secret_fits(&secret) => Err(invalid("client_secret is not the current one: leave it out")),
        _ => Ok(()),
    }
}

/// A new client id: random, without meaning.
pub(crate) fn new_client_id() -> String {
    secret::random_text(b"0123456789abcdefghijklmnopqrstuv", 26)
}

/// Why a software statement does not help: we trust none of their issuers, so none can be approved.
fn software_statement(statement: &Value) -> Error {
    let is_jwt = statement.as_str().is_some_and(|text| text.split('.').filter(|part| !part.is_empty()).count() >= 2);
    if is_jwt {
        let text = "Software statements are not accepted: send the metadata itself";
        Error::new(ErrorCode::UnapprovedSoftwareStatement, text)
    } else {
        Error::new(ErrorCode::InvalidSoftwareStatement, "software_statement is not a JWT: leave it out")
    }
}

/// The name, as long as people can read it and take it for nobody else's.
fn client_name(members: &Members<'_>, policy: &RegistrationPolicy<'_>) -> Result<Option<String>> {
    let Some(name) = members.raw_text("client_name")? else { return Ok(None) };
    let name = client_name::of_stranger(name, policy.site_names)?;
    checked_text("client_name", &name).map(|name| Some(name).filter(|name| !name.is_empty()))
}

fn grants(members: &Members<'_>, policy: &RegistrationPolicy<'_>) -> Result<Vec<GrantType>> {
    let mut grants = Vec::new();
    let named = members.texts("grant_types")?.unwrap_or_else(|| vec!["authorization_code".to_owned()]);
    for name in &named {
        match GrantType::parse(name) {
            Some(GrantType::DeviceCode) if !policy.allow_device_code => {}
            // As which account a client acts for itself, and what it may exchange, is decided by administrators.
            Some(grant) if grant.needs_administrator() => {}
            Some(grant) if !grants.contains(&grant) => grants.push(grant),
            None if name == "implicit" || name == "password" => {
                return Err(invalid(format!("grant_types: {name} is not supported, use authorization_code")));
            }
            // Named twice, or one that may be meant for other servers.
            Some(_) | None => {}
        }
    }
    let uses_code = grants.contains(&GrantType::AuthorizationCode);
    let default = || if uses_code { vec!["code".to_owned()] } else { Vec::new() };
    let response_types = members.texts("response_types")?.unwrap_or_else(default);
    if response_types.iter().any(|name| name != "code") {
        return Err(invalid("response_types: only code is supported"));
    }
    if uses_code == response_types.is_empty() {
        return Err(invalid("response_types code and grant_types authorization_code belong together"));
    }
    if grants.is_empty() && named.iter().any(|name| name == GrantType::ClientCredentials.as_str()) {
        return Err(invalid(
            "grant_types: client_credentials needs an account to act as: ask an administrator to make an OAuth Client",
        ));
    }
    if grants.is_empty() || grants == [GrantType::RefreshToken] {
        return Err(invalid("grant_types names no grant that is supported"));
    }
    Ok(grants)
}

fn auth_method(members: &Members<'_>, policy: &RegistrationPolicy<'_>) -> Result<Method> {
    match members.text("token_endpoint_auth_method")? {
        None => Ok(Method::ClientSecretBasic),
        Some(name) => Method::parse(&name)
            .filter(|method| method.is_offered(policy.certificates))
            .ok_or_else(|| invalid(format!("token_endpoint_auth_method {name} is not supported"))),
    }
}

fn redirects(
    members: &Members<'_>,
    uses_code: bool,
    policy: &RegistrationPolicy<'_>,
) -> Result<(RedirectUris, ApplicationType)> {
    let kind = match members.text("application_type")?.as_deref() {
        None => None,
        Some("web") => Some(ApplicationType::Web),
        Some("native") => Some(ApplicationType::Native),
        Some(_) => return Err(invalid("application_type may be web or native")),
    };
    let refuse = |text: &'static str| Error::new(ErrorCode::InvalidRedirectUri, text);
    let uris =
        members.texts("redirect_uris").map_err(|_| refuse("redirect_uris must be a list of URIs"))?.unwrap_or_default();
    if uses_code && uris.is_empty() {
        return Err(refuse("redirect_uris is missing"));
    }
    if uris.len() > MAX_REDIRECT_URIS {
        return Err(refuse("redirect_uris has too many entries: register another client for the others"));
    }
    for uri in &uris {
        check_registration(uri, kind, policy.redirect_schemes)?;
    }
    let uris: RedirectUris = uris.into_iter().collect();
    // A client that does not say what it is, but has an app link or is only answered on the device it runs on, is
    // installed there.
    let is_web = |uri: &str| uri.starts_with("https:") || uri.starts_with("http:");
    let installed =
        uris.iter().any(|uri| !is_web(uri)) || (!uris.is_empty() && uris.iter().all(|uri| !uri.starts_with("https:")));
    let inferred = if installed { ApplicationType::Native } else { ApplicationType::Web };
    Ok((uris, kind.unwrap_or(inferred)))
}

fn scope(members: &Members<'_>, policy: &RegistrationPolicy<'_>) -> Result<ScopeSet> {
    let Some(requested) = members.text("scope")? else { return Ok(policy.default_scopes.clone()) };
    let requested = ScopeSet::parse(&requested).map_err(|error| invalid(error.description().to_owned()))?;
    let known = policy.known_scopes;
    let foreign = requested.iter().find(|scope| !known.defines(scope) && !is_without_claims(scope));
    if let Some(scope) = foreign.filter(|_| !policy.is_for_all_servers) {
        return Err(undefined(scope));
    }
    let scopes = policy.ceiling.share(&requested.defined(known));
    Ok(if scopes.is_empty() { policy.default_scopes.clone() } else { scopes })
}

fn check_keys(members: &Members<'_>, method: Method) -> Result<()> {
    let jwks = members.get("jwks");
    if let Some(jwks) = jwks {
        JwkSet::parse_strictly(jwks).map_err(|error| invalid(format!("jwks: {error}")))?;
    }
    match (jwks, members.text("jwks_uri")?) {
        (Some(_), Some(_)) => Err(invalid("Send jwks or jwks_uri, not both")),
        (None, None) if matches!(method, Method::PrivateKeyJwt | Method::SelfSignedTlsClientAuth) => {
            Err(invalid(format!("{} needs jwks or jwks_uri", method.as_str())))
        }
        _ => Ok(()),
    }
}

/// What the name of a client's certificates is; of interest only where it proves itself by them.
fn certificate_name(members: &Members<'_>, method: Method) -> Result<Option<CertificateName>> {
    if method != Method::TlsClientAuth {
        return Ok(None);
    }
    for kind in NameKind::ALL {
        members.text(kind.as_str())?;
    }
    let name = CertificateName::only(|kind| members.text(kind.as_str()).ok().flatten());
    let name = name.and_then(|name| name.check().map(|()| name));
    name.map(Some).map_err(|error| invalid(format!("tls_client_auth: {error}")))
}

/// The algorithms that the client signs with are those that the metadata of the server lists.
fn check_algorithms(members: &Members<'_>) -> Result<()> {
    let assertions =
        assertion::ALGORITHMS.iter().map(|algorithm| algorithm.as_str()).chain([HS256]).collect::<Vec<_>>();
    let requests = jar::ALGORITHMS.iter().map(|algorithm| algorithm.as_str()).collect();
    for (member, known) in [("token_endpoint_auth_signing_alg", assertions), ("request_object_signing_alg", requests)] {
        if let Some(name) = members.text(member)?.filter(|name| !known.contains(&name.as_str())) {
            return Err(invalid(format!("{member} {name} is not supported: it may be {}", known.join(", "))));
        }
    }
    Ok(())
}

/// How the id tokens of the client are signed: as it says, with its own secret only where the site allows that, and with
/// RS256 if it says nothing (OpenID Connect Registration §2).
fn id_token_alg(
    members: &Members<'_>,
    metadata: &ClientMetadata,
    policy: &RegistrationPolicy<'_>,
) -> Result<&'static str> {
    let member = "id_token_signed_response_alg";
    if members.text(member)?.as_deref() == Some(HS256) && policy.allow_hs256 {
        return if metadata.token_endpoint_auth_method.has_secret() {
            Ok(HS256)
        } else {
            Err(invalid(format!("{member} {HS256} needs a client secret")))
        };
    }
    Ok(signed_response_alg(members, member)?.unwrap_or(SigningAlgorithm::Rs256.as_str()))
}

/// With which of our keys we are to sign.
fn signed_response_alg(members: &Members<'_>, member: &str) -> Result<Option<&'static str>> {
    let Some(name) = members.text(member)? else { return Ok(None) };
    match SigningAlgorithm::parse(&name) {
        Some(algorithm @ (SigningAlgorithm::Es256 | SigningAlgorithm::Rs256 | SigningAlgorithm::EdDsa)) => {
            Ok(Some(algorithm.as_str()))
        }
        _ => Err(invalid(format!("{member} may be ES256, RS256 or EdDSA"))),
    }
}

fn check_post_logout(metadata: &ClientMetadata, policy: &RegistrationPolicy<'_>) -> Result<()> {
    let member = "post_logout_redirect_uris";
    let uris = metadata.members.get(member).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if uris.len() > MAX_REDIRECT_URIS {
        return Err(invalid(format!("{member} has too many entries")));
    }
    for uri in uris.iter().filter_map(Value::as_str) {
        check_registration(uri, Some(metadata.application_type), policy.redirect_schemes)
            .map_err(|error| invalid(format!("{member}: {}", error.description())))?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "registration_tests.rs"]
mod tests;
