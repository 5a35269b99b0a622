//! What must hold of an OAuth Client before it is saved: every problem at its field, with the reason.

use serde_json::Value as Json;

use crate::config::client_certificates::CertificateCheck;
use crate::document::view::{filled, lines_value, words};
use crate::error::{FieldProblem, Invalid, ProblemKind, Result};
use crate::meta::{Document, Registry};
use crate::oauth::protocol::ScopeSet;
use crate::oauth::protocol::client::certificate::{CertificateName, NameKind};
use crate::oauth::protocol::client::client_authentication::Method;
use crate::oauth::protocol::client::client_name;
use crate::oauth::protocol::client::redirect_uri::{ApplicationType, RedirectUris, check_registration};
use crate::oauth::protocol::jose::jwk::PRIVATE_MEMBERS;
use crate::oauth::protocol::serve::resource;
use crate::oauth::scopes::scope_catalogue::unknown_doctypes;
use crate::oauth::views::OAuthSettings;
use crate::outgoing::OutgoingError;

/// What an administrator does where no client is asked for a certificate.
const NOT_ASKED_FOR: &str =
    "set DOCTYPED_TLS_CLIENT_AUTHORITIES or, behind a proxy that ends TLS, DOCTYPED_CLIENT_CERTIFICATE_HEADER";

/// The fields that list resources.
const RESOURCES: [&str; 2] = ["own_resources", "exchange_targets"];

/// Whether the client's secret is needed in plain again: because something is signed with it.
pub(crate) fn needs_secret(document: &Document) -> bool {
    document.text("token_endpoint_auth_method") == Method::ClientSecretJwt.label()
        || document.text("id_token_signed_response_alg") == "HS256"
}

/// What had to be looked up before.
pub(crate) struct LookedUp {
    /// What is wrong with scopes that were added.
    pub undefined_scopes: Vec<String>,
    /// Whether this site would call the address of its keys.
    pub jwks_uri: Result<(), OutgoingError>,
    /// Whether it would call the one where the client wants to hear of logouts.
    pub backchannel_logout_uri: Result<(), OutgoingError>,
}

/// Checks a client and brings its lists into the form in which they are stored.
///
/// What is stored already and did not change is not held against whoever saves something else.
pub(crate) fn check(
    registry: &Registry,
    document: &mut Document,
    before: Option<&Document>,
    settings: &OAuthSettings,
    found: LookedUp,
    certificates: Option<CertificateCheck>,
) -> Result<()> {
    let mut problems = Problems { document, invalid: Invalid::default() };
    problems.name(before);
    problems.grants();
    problems.redirect_uris(before, settings);
    problems.scopes(registry, found.undefined_scopes);
    problems.resources();
    problems.authentication(settings);
    problems.certificates(before, certificates);
    problems.keys(found.jwks_uri);
    problems.logout(found.backchannel_logout_uri);
    let Problems { invalid, .. } = problems;
    invalid.into_result()?;
    let redirect_uris = RedirectUris::from_stored(document.text("redirect_uris")).to_stored();
    document.set("redirect_uris", redirect_uris);
    let scopes = words(document.text("scopes")).collect::<Vec<_>>().join(" ");
    document.set("scopes", scopes);
    for fieldname in RESOURCES {
        let canonical: Vec<String> = words(document.text(fieldname)).filter_map(resource::canonical).collect();
        document.set(fieldname, lines_value(&canonical));
    }
    Ok(())
}

struct Problems<'d> {
    document: &'d Document,
    invalid: Invalid,
}

impl Problems<'_> {
    fn refuse(&mut self, fieldname: &str, message: impl Into<String>) {
        let label = self.document.doctype.field(fieldname).map_or(fieldname, |field| field.label.as_str()).to_owned();
        self.invalid.push(FieldProblem::at(ProblemKind::Validation, fieldname, label, message.into()));
    }

    fn name(&mut self, before: Option<&Document>) {
        let name = self.document.text("app_name").to_owned();
        if before.is_none_or(|before| before.text("app_name") != name) && !client_name::is_readable(&name) {
            self.refuse("app_name", "There are characters in this name that people do not see: type it anew");
        }
    }

    fn grants(&mut self) {
        if self.document.text("grant_type") == "Implicit" {
            self.refuse(
                "grant_type",
                "Implicit is no longer safe: it puts tokens into addresses, where others read them. \
                 Choose Authorization Code (RFC 9700 section 2.1.2)",
            );
        }
        if self.document.text("response_type") == "Token" {
            self.refuse(
                "response_type",
                "Token is no longer safe: it puts tokens into addresses, where others read them. \
                 Choose Code (RFC 9700 section 2.1.2)",
            );
        }
        let is_public = self.document.text("token_endpoint_auth_method") == Method::None.label();
        for (fieldname, what) in [
            ("allow_client_credentials", "acts for itself"),
            ("allow_token_exchange", "exchanges tokens"),
            ("allow_jwt_bearer", "gets tokens without asking people"),
        ] {
            if is_public && self.document.check(fieldname) {
                let message = format!(
                    "An application that {what} must prove who it is: choose another Token Endpoint Auth Method"
                );
                self.refuse(fieldname, message);
            }
        }
        if self.document.check("allow_client_credentials") && self.document.text("user") == "Guest" {
            self.refuse("user", "Choose a real account, made for this application: Guest has no rights of its own");
        }
    }

    fn redirect_uris(&mut self, before: Option<&Document>, settings: &OAuthSettings) {
        // Everything is allowed to a client that an administrator made and did not call native, but for what is never safe.
        let is_native = self.document.text("application_type") == "Native";
        let is_ours = !matches!(self.document.text("registered_by"), "Dynamic Registration" | "Metadata Document");
        let kind = match (is_native, is_ours) {
            (true, _) => Some(ApplicationType::Native),
            (false, true) => None,
            (false, false) => Some(ApplicationType::Web),
        };
        for fieldname in ["default_redirect_uri", "redirect_uris"] {
            if before.is_some_and(|before| before.text(fieldname) == self.document.text(fieldname)) {
                continue;
            }
            for uri in RedirectUris::from_stored(self.document.text(fieldname)).iter() {
                if let Err(error) = check_registration(uri, kind, &settings.private_use_redirect_schemes) {
                    self.refuse(fieldname, error.description());
                }
            }
        }
        if self.document.text("default_redirect_uri").split_whitespace().count() > 1 {
            self.refuse("default_redirect_uri", "Only one address fits here: put the others into Redirect URIs");
        }
    }

    fn scopes(&mut self, registry: &Registry, undefined: Vec<String>) {
        let text = words(self.document.text("scopes")).collect::<Vec<_>>().join(" ");
        match ScopeSet::parse(&text) {
            Err(error) => self.refuse("scopes", error.description()),
            Ok(scopes) => {
                for message in unknown_doctypes(registry, &scopes).into_iter().chain(undefined) {
                    self.refuse("scopes", message);
                }
            }
        }
    }

    fn resources(&mut self) {
        for fieldname in RESOURCES {
            for uri in words(self.document.text(fieldname)) {
                if resource::canonical(uri).is_none() {
                    self.refuse(fieldname, format!("{uri} is not an address: write it whole, https://example.com/mcp"));
                }
            }
        }
    }

    fn authentication(&mut self, settings: &OAuthSettings) {
        let method = self.document.text("token_endpoint_auth_method");
        if self.document.text("id_token_signed_response_alg") == "HS256" {
            if !settings.allow_hs256 {
                self.refuse("id_token_signed_response_alg", "HS256 is switched off in OAuth Settings: choose ES256");
            }
            if !Method::from_label(method).is_some_and(Method::has_secret) {
                self.refuse("id_token_signed_response_alg", "HS256 needs a client secret: choose ES256");
            }
        }
        let has_keys = filled(self.document, "jwks").is_some() || filled(self.document, "jwks_uri").is_some();
        for needs_keys in [Method::PrivateKeyJwt, Method::SelfSignedTlsClientAuth].map(Method::label) {
            if method == needs_keys && !has_keys {
                let message = format!("{needs_keys} needs the application's public keys: fill in JWKS URI or JWKS");
                self.refuse("jwks_uri", message);
            }
        }
        if self.document.check("require_signed_request_object") && !has_keys {
            self.refuse("jwks_uri", "Signed requests need the application's public keys: fill in JWKS URI or JWKS");
        }
        let lifetime = self.document.int("access_token_lifetime");
        if lifetime != 0 && !(60..=30 * 86_400).contains(&lifetime) {
            self.refuse(
                "access_token_lifetime",
                "An access token must last 60 seconds to 30 days, or 0 to use the value in OAuth Settings",
            );
        }
    }

    /// `offered`: which certificates are asked for.
    fn certificates(&mut self, before: Option<&Document>, offered: Option<CertificateCheck>) {
        let changed =
            |fieldname: &str| before.is_none_or(|before| before.get(fieldname) != self.document.get(fieldname));
        let method = Method::from_label(self.document.text("token_endpoint_auth_method"));
        if let Some(method) = method.filter(|method| !method.is_offered(offered))
            && changed("token_endpoint_auth_method")
        {
            let setting = match (offered, method) {
                (None, _) => NOT_ASKED_FOR,
                (Some(_), Method::TlsClientAuth) => "set DOCTYPED_CLIENT_CERTIFICATES to verified",
                (Some(_), _) => "set DOCTYPED_CLIENT_CERTIFICATES to any",
            };
            let message = format!("{} needs such certificates to be asked for: {setting}", method.label());
            self.refuse("token_endpoint_auth_method", message);
        }
        let bound = "tls_client_certificate_bound_access_tokens";
        if self.document.check(bound) && offered.is_none() && changed(bound) {
            self.refuse(bound, format!("This needs certificates to be asked for: {NOT_ASKED_FOR}"));
        }
        if method != Some(Method::TlsClientAuth) {
            return;
        }
        match CertificateName::only(|kind| filled(self.document, kind.as_str()).map(str::to_owned)) {
            Ok(name) => {
                if let Err(error) = name.check() {
                    self.refuse(name.kind.as_str(), error.to_string());
                }
            }
            Err(_) => self.refuse(
                NameKind::SubjectDn.as_str(),
                "TLS Client Auth needs one name by which the application's certificates are known: fill in the subject or \
                 one of the alternative names, and only one",
            ),
        }
    }

    fn keys(&mut self, jwks_uri: Result<(), OutgoingError>) {
        if let Err(error) = jwks_uri {
            self.refuse("jwks_uri", error.to_string());
        }
        let Some(jwks) = filled(self.document, "jwks") else { return };
        if filled(self.document, "jwks_uri").is_some() {
            self.refuse("jwks", "Fill in either JWKS URI or JWKS, not both");
        }
        let keys = serde_json::from_str::<Json>(jwks).ok();
        let Some(keys) = keys.as_ref().and_then(|jwks| jwks["keys"].as_array()) else {
            self.refuse("jwks", "This is not a JSON Web Key Set, which looks like {\"keys\": [{\"kty\": \"EC\", …}]}");
            return;
        };
        if keys.iter().any(|key| PRIVATE_MEMBERS.iter().any(|member| !key[*member].is_null())) {
            self.refuse("jwks", "There is a private key in here: make a new one, and paste the public half only");
        }
    }

    fn logout(&mut self, backchannel_logout_uri: Result<(), OutgoingError>) {
        if let Err(error) = backchannel_logout_uri {
            self.refuse("backchannel_logout_uri", error.to_string());
        }
        if self.document.text("backchannel_logout_uri").contains('#') {
            self.refuse("backchannel_logout_uri", "Leave out what follows the #: it is never sent");
        }
        for uri in words(self.document.text("post_logout_redirect_uris")) {
            let is_web = url::Url::parse(uri).is_ok_and(|url| !matches!(url.scheme(), "javascript" | "data" | "file"));
            if !is_web || uri.contains('#') {
                let message = format!("{uri} is not a complete address: write it like https://app.example.com/bye");
                self.refuse("post_logout_redirect_uris", message);
            }
        }
    }
}
