//! Connected Apps: services elsewhere that people connect to. View, controller, methods and pages of one thing together.

pub(crate) mod app;
pub(crate) mod controller;
pub(crate) mod disconnection;
pub(crate) mod methods;
pub(crate) mod pages;
pub(crate) mod provider_answer;
pub(crate) mod renewal;
pub(crate) mod token_cache;
pub(crate) mod use_connection;
pub(crate) mod web_application_flow;

use std::sync::Arc;

use crate::oauth::client::Providers;
use crate::web::Plugins;

/// Where providers send people back to, as Frappe has it; the app's name follows.
pub(crate) const CALLBACK: &str = "/api/method/frappe.integrations.doctype.connected_app.connected_app.callback";
/// The module under which Frappe has the methods of Connected App.
pub(crate) const MODULE: &str = "frappe.integrations.doctype.connected_app.connected_app";

/// Registers controllers, pages, methods and the callback.
pub(crate) fn register(plugins: &mut Plugins, providers: &Arc<Providers>) {
    plugins.controllers.needs_fields_of::<app::ConnectedApp>();
    plugins.controllers.needs_fields_of::<token_cache::TokenCache>();
    plugins.controller(app::DOCTYPE, controller::ConnectedAppController::new(Arc::clone(providers)));
    plugins.controller(token_cache::TOKEN_CACHE, disconnection::TokenCacheController::new(Arc::clone(providers)));
    pages::register(plugins, providers);
    use_connection::register(plugins, providers);
}
