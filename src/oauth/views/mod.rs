//! The documents of OAuth's DocTypes as types: one file each. Controllers live with the role whose documents they are.

pub(crate) mod api_key;
pub(crate) mod client_secret;
pub(crate) mod oauth_authorization_code;
pub(crate) mod oauth_authorization_request;
pub(crate) mod oauth_bearer_token;
pub(crate) mod oauth_client;
pub(crate) mod oauth_client_metadata;
pub(crate) mod oauth_device_code;
pub(crate) mod oauth_grant;
pub(crate) mod oauth_logout_notice;
pub(crate) mod oauth_replay_guard;
pub(crate) mod oauth_scope_definition;
pub(crate) mod oauth_settings;
pub(crate) mod oauth_signing_key;
pub(crate) mod sign_in;
pub(crate) mod user_social_login;
pub(crate) mod values;

pub(crate) use oauth_authorization_code::AuthorizationCode;
pub(crate) use oauth_authorization_request::StoredRequest;
pub(crate) use oauth_bearer_token::BearerToken;
pub(crate) use oauth_client::OAuthClient;
pub(crate) use oauth_grant::Grant;
pub(crate) use oauth_settings::OAuthSettings;
pub(crate) use sign_in::SignIn;

use crate::document::Controllers;

/// Registers what is read of documents, so that a field renamed in a DocType file is noticed at once.
pub(crate) fn register(controllers: &mut Controllers) {
    controllers.needs_fields_of::<api_key::ApiKey>();
    controllers.needs_fields_of::<oauth_client::OAuthClient>();
    controllers.needs_fields_of::<AuthorizationCode>();
    controllers.needs_fields_of::<StoredRequest>();
    controllers.needs_fields_of::<BearerToken>();
    controllers.needs_fields_of::<oauth_device_code::DeviceCode>();
    controllers.needs_fields_of::<oauth_grant::Grant>();
    controllers.needs_fields_of::<oauth_logout_notice::LogoutNotice>();
    controllers.needs_fields_of::<oauth_replay_guard::ReplayGuard>();
    controllers.needs_fields_of::<oauth_scope_definition::ScopeDefinition>();
    controllers.needs_fields_of::<oauth_scope_definition::ScopeRuleRow>();
    oauth_settings::register(controllers);
    controllers.needs_fields_of::<oauth_signing_key::SigningKeyDocument>();
    controllers.needs_fields_of::<user_social_login::SocialAccount>();
}
