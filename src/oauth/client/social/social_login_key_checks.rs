//! What has to hold of a Social Login Key when it is saved.

use serde_json::{Map, Value as Json};

use crate::error::{FieldProblem, Invalid, ProblemKind};
use crate::meta::Document;
use crate::oauth::client::OWN_PARAMETERS;
use crate::oauth::client::social::presets;
use crate::oauth::client::social::social_login_key::SocialLoginKey;

/// What of [`OWN_PARAMETERS`] a key may set all the same: some providers ask for another response type.
const FREE: &str = "response_type";

/// Shows the preset's values in fields that are empty.
pub(super) fn fill_preset(document: &mut Document) {
    let Some(preset) = presets::of(document.text("social_login_provider")) else { return };
    for (fieldname, value) in preset.values() {
        if document.get(fieldname).is_blank() {
            document.set(fieldname, value);
        }
    }
}

pub(super) fn problem(
    document: &Document,
    fieldname: &str,
    message: impl Into<std::borrow::Cow<'static, str>>,
) -> FieldProblem {
    let label = document.doctype.field(fieldname).map(|field| field.label.clone()).unwrap_or_default();
    FieldProblem::at(ProblemKind::Validation, fieldname, label, message)
}

pub(super) fn check_texts(document: &Document, key: &SocialLoginKey, problems: &mut Invalid) {
    for fieldname in ["api_endpoint_args", "auth_url_data"] {
        let text = document.text(fieldname);
        if !text.trim().is_empty() && serde_json::from_str::<Map<String, Json>>(text).is_err() {
            problems.push(problem(
                document,
                fieldname,
                "Write the parameters as JSON, for example {\"prompt\": \"login\"}",
            ));
        }
    }
    let is_own = |name: &str| name != FREE && OWN_PARAMETERS.contains(&name);
    if let Some((name, _)) = key.auth_url_data.iter().find(|(name, _)| is_own(name)) {
        problems.push(problem(document, "auth_url_data", format!("{name} is set by this site itself: remove it")));
    }
    if document.text("social_login_provider") == "Office 365" {
        let tenant = document.text("tenant_id").trim();
        if uuid::Uuid::parse_str(tenant).is_err() {
            let message = match tenant {
                "" => "Tenant ID is missing: enter the id of your organisation at Microsoft".to_owned(),
                _ => format!(
                    "{tenant} is not a tenant ID: enter your organisation's, which looks like 72f988bf-86f1-41af-91ab-2d7cd011db47"
                ),
            };
            problems.push(problem(document, "tenant_id", message));
        }
    }
    // ID tokens are meant for the client; were they accepted as access tokens, any of the provider's logins would do.
    if key.resource_audience.is_some() && key.resource_audience.as_deref() == Some(key.client_id.as_str()) {
        let message = "Accepted Audience must differ from the Client ID, or else ID tokens would open the API";
        problems.push(problem(document, "resource_audience", message));
    }
    if key.jwks_uri.is_some() && key.issuer.is_none() && key.openid_configuration.is_none() {
        problems.push(problem(
            document,
            "issuer",
            "Issuer is missing: ID tokens are checked by JWKS URI and Issuer together",
        ));
    }
    if key.may_vouch && key.openid_configuration.is_none() && (key.issuer.is_none() || key.jwks_uri.is_none()) {
        let message = "What it says is checked by its keys: enter an OpenID Configuration, or Issuer and JWKS URI";
        problems.push(problem(document, "may_vouch", message));
    }
    if key.user_id_property == key.email_property {
        let message =
            "An email address is not a safe id, because it can be reassigned: choose another property, such as sub";
        problems.push(problem(document, "user_id_property", message));
    }
}

pub(super) fn check_complete(document: &Document, key: &SocialLoginKey, problems: &mut Invalid) {
    let mut missing = |fieldname: &str, advice: &str| {
        let label = document.doctype.field(fieldname).map(|field| field.label.clone()).unwrap_or_default();
        problems.push(problem(document, fieldname, format!("{label} is missing: {advice}")));
    };
    if key.openid_configuration.is_none() {
        for (fieldname, address) in [("authorize_url", &key.authorize_url), ("access_token_url", &key.access_token_url)]
        {
            if address.is_empty() {
                missing(fieldname, "enter it, or an OpenID Configuration from which it is read");
            }
        }
        if key.api_endpoint.is_empty() && key.issuer.is_none() {
            missing("api_endpoint", "without it or an Issuer nobody knows who logs in");
        }
    }
}
