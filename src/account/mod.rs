//! Accounts: users, logging in and out, API keys, and the endpoints every client starts with.

mod api;
mod api_key;
mod doctype;
mod forgotten;
mod health;
mod link;
mod login;
mod methods;
mod new_password;
mod own_keys;
mod own_page;
mod pages;
mod password;
mod second_factor;

pub(crate) use api_key::FIELD as API_SECRET;
pub(crate) use doctype::user::store_password;
pub(crate) use password::{FIELD as PASSWORD, Passwords};

use serde_json::json;

use crate::account::doctype::user_invitation::{USER_INVITATION, UserInvitation, UserInvitationController};
use crate::web::Plugins;
use crate::web::mail::Mailer;

/// Registers everything about accounts.
pub(crate) fn register(plugins: &mut Plugins, mailer: &Mailer) {
    let passwords = Passwords::default();
    let keys = api_key::KnownKeys::default();
    plugins.controller("System Settings", doctype::system_settings::SystemSettings);
    plugins.controller("User", doctype::user::UserController::new(passwords.clone(), keys.clone()));
    plugins.controller("Role", doctype::role::RoleController);
    plugins.controller("Security Event", doctype::new_device::TellsOfNewDevices(mailer.clone()));
    plugins.controllers.needs_fields_of::<UserInvitation>();
    plugins.controllers.needs_fields(USER_INVITATION, &["roles"]);
    plugins.controller(USER_INVITATION, UserInvitationController(mailer.clone()));
    plugins.controllers.needs_fields("User", &["reset_password_key", "last_reset_password_key_generated_on"]);
    api_key::register(plugins, &keys);
    login::register(plugins, &passwords);
    methods::register(plugins, &passwords);
    pages::register(plugins, &passwords);
    forgotten::register(plugins);
    new_password::register(plugins, &passwords);
    own_page::register(plugins);
    second_factor::own::register(plugins, &passwords);
    plugins.sealed.push(second_factor::SEALED);
    api::register(plugins, &passwords);
    plugins.small_bodies.extend([
        "/login",
        "/api/method/login",
        "/api/method/logout",
        "/logout",
        forgotten::ADDRESS,
        link::ADDRESS,
    ]);
    plugins.log_with("Session", 30, |cutoff| {
        vec![json!([["expires_at", "<", cutoff]]), json!([["status", "=", "Ended"], ["last_seen", "<", cutoff]])]
    });
    plugins.log_with("Login Attempt", 30, |cutoff| {
        vec![json!([["creation", "<", cutoff], ["locked_until", "<", cutoff]])]
    });
}
