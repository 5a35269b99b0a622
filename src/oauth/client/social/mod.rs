//! Logging in with accounts elsewhere: Social Login Keys, their presets, the trip to the provider, accounts and roles.

pub(crate) mod account;
pub(crate) mod back_channel_logout;
pub(crate) mod identity;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod panel;
pub(crate) mod presets;
pub(crate) mod profile;
pub(crate) mod provider;
pub(crate) mod resource;
pub(crate) mod roles;
pub(crate) mod social_login_key;
pub(crate) mod social_login_key_checks;
pub(crate) mod social_login_key_controller;
pub(crate) mod trip;

use std::sync::Arc;

use crate::oauth::client::Providers;
use crate::oauth::scopes::scope_catalogue::ScopeCatalogue;
use crate::web::Plugins;

/// The module under which Frappe has the callbacks of logins.
pub(crate) const MODULE: &str = "/api/method/frappe.integrations.oauth2_logins";

/// Registers logins with accounts elsewhere.
pub(crate) fn register(plugins: &mut Plugins, providers: &Arc<Providers>, catalogue: &ScopeCatalogue) {
    plugins.controllers.needs_fields_of::<social_login_key::SocialLoginKey>();
    plugins.controllers.needs_fields(social_login_key::DOCTYPE, &["client_secret", "custom_base_url"]);
    let controller = social_login_key_controller::SocialLoginKeyController::new(Arc::clone(providers));
    plugins.controller(social_login_key::DOCTYPE, controller);
    panel::register(plugins);
    login::register(plugins, providers);
    profile::register(plugins, providers);
    logout::register(plugins);
    back_channel_logout::register(plugins, providers);
    resource::register(plugins, providers, catalogue);
}
