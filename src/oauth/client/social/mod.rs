//! Logging in with accounts elsewhere: Social Login Keys, their presets, the trip to the provider, accounts and roles.

pub mod account;
pub mod back_channel_logout;
pub mod id_token;
pub mod identity;
pub mod login;
pub mod logout;
pub mod panel;
pub mod presets;
pub mod profile;
pub mod provider;
pub mod resource;
pub mod roles;
pub mod social_login_key;
pub mod social_login_key_checks;
pub mod social_login_key_controller;
pub mod trip;

use std::sync::Arc;

use crate::oauth::client::Providers;
use crate::oauth::scope_catalogue::ScopeCatalogue;
use crate::web::Plugins;

/// The module under which Frappe has the callbacks of logins.
pub const MODULE: &str = "/api/method/frappe.integrations.oauth2_logins";

/// Registers logins with accounts elsewhere.
pub fn register(plugins: &mut Plugins, providers: &Arc<Providers>, catalogue: &ScopeCatalogue) {
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
