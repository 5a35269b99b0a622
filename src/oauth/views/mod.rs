//! The documents of OAuth's DocTypes as types: one file each. Controllers live with the role whose documents they are.

pub mod client_secret;
pub mod fields;
pub mod oauth_authorization_code;
pub mod oauth_authorization_request;
pub mod oauth_bearer_token;
pub mod oauth_client;
pub mod oauth_client_metadata;
pub mod oauth_device_code;
pub mod oauth_grant;
pub mod oauth_logout_notice;
pub mod oauth_replay_guard;
pub mod oauth_scope_definition;
pub mod oauth_settings;
pub mod oauth_signing_key;
pub mod sign_in;
pub mod user_social_login;
pub mod values;

pub use fields::{Fields, View};
pub use oauth_authorization_code::AuthorizationCode;
pub use oauth_authorization_request::StoredRequest;
pub use oauth_bearer_token::BearerToken;
pub use oauth_client::OAuthClient;
pub use oauth_grant::Grant;
pub use oauth_settings::OAuthSettings;
pub use sign_in::SignIn;

use crate::document::Controllers;
use crate::error::{Error, Result};
use crate::meta::Registry;

/// Registers what is read of documents, so that a field renamed in a DocType file is noticed at once.
pub fn register(controllers: &mut Controllers) {
    controllers.needs_fields_of::<oauth_client::OAuthClient>();
    controllers.needs_fields_of::<oauth_grant::Grant>();
    controllers.needs_fields_of::<oauth_logout_notice::LogoutNotice>();
    controllers.needs_fields_of::<oauth_replay_guard::ReplayGuard>();
    controllers.needs_fields_of::<oauth_scope_definition::ScopeDefinition>();
    controllers.needs_fields_of::<oauth_scope_definition::ScopeRuleRow>();
    oauth_settings::register(controllers);
    controllers.needs_fields_of::<oauth_signing_key::SigningKeyDocument>();
    controllers.needs_fields_of::<user_social_login::SocialAccount>();
}

/// The views that are still written out.
pub const VIEWS: &[&View] = &[
    &oauth_authorization_code::VIEW,
    &oauth_authorization_request::VIEW,
    &oauth_bearer_token::VIEW,
    &oauth_device_code::VIEW,
];

/// Fails if a view names a field that its DocType does not have.
pub fn check_views(registry: &Registry) -> Result<()> {
    for view in VIEWS {
        let Some(doctype) = registry.get(view.doctype) else {
            return Err(Error::Internal(anyhow::anyhow!("the DocType {} is missing", view.doctype)));
        };
        if let Some(missing) = view.fields.iter().find(|field| doctype.field(field).is_none()) {
            return Err(Error::Internal(anyhow::anyhow!("{}: the field {missing} is missing", view.doctype)));
        }
    }
    Ok(())
}
