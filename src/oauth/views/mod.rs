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
pub mod user_social_login;

pub use fields::{Fields, View};
pub use oauth_authorization_code::AuthorizationCode;
pub use oauth_authorization_request::StoredRequest;
pub use oauth_bearer_token::BearerToken;
pub use oauth_client::OAuthClient;
pub use oauth_grant::Grant;
pub use oauth_settings::OAuthSettings;

use crate::error::{Error, Result};
use crate::meta::Registry;

/// Every view of this room, so that a field renamed in a DocType file fails the start and not a request.
pub const VIEWS: &[&View] = &[
    &user_social_login::VIEW,
    &oauth_authorization_code::VIEW,
    &oauth_authorization_request::VIEW,
    &oauth_bearer_token::VIEW,
    &oauth_client::VIEW,
    &oauth_device_code::VIEW,
    &oauth_grant::VIEW,
    &oauth_logout_notice::VIEW,
    &oauth_replay_guard::VIEW,
    &oauth_scope_definition::VIEW,
    &oauth_scope_definition::RULE_VIEW,
    &oauth_settings::VIEW,
    &oauth_settings::PROVIDER_VIEW,
    &oauth_signing_key::VIEW,
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
