//! Accounts: users, logging in and out, API keys, and the endpoints every client starts with.

mod api;
mod api_key;
mod doctype;
mod health;
mod login;
mod methods;
mod own_keys;
mod own_page;
mod pages;
mod password;

pub(crate) use api_key::FIELD as API_SECRET;
pub(crate) use doctype::user::store_password;
pub(crate) use password::{FIELD as PASSWORD, Passwords};

use serde_json::json;

use crate::web::Plugins;

/// Registers everything about accounts.
pub(crate) fn register(plugins: &mut Plugins) {
    let passwords = Passwords::default();
    let keys = api_key::KnownKeys::default();
    plugins.controller("System Settings", doctype::system_settings::SystemSettings);
    plugins.controller("User", doctype::user::UserController::new(passwords.clone(), keys.clone()));
    plugins.controller("Role", doctype::role::RoleController);
    api_key::register(plugins, &keys);
    login::register(plugins, &passwords);
    methods::register(plugins, &passwords);
    pages::register(plugins, &passwords);
    own_page::register(plugins);
    api::register(plugins, &passwords);
    plugins.small_bodies.extend(["/login", "/api/method/login", "/api/method/logout", "/logout"]);
    plugins.log_with("Session", 30, |cutoff| {
        vec![json!([["expires_at", "<", cutoff]]), json!([["status", "=", "Ended"], ["last_seen", "<", cutoff]])]
    });
    plugins.log_with("Login Attempt", 30, |cutoff| {
        vec![json!([["creation", "<", cutoff], ["locked_until", "<", cutoff]])]
    });
}
