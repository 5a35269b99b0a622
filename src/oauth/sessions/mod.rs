//! The end of a sign-in, and telling the clients (OpenID Connect Back-Channel Logout).

pub(crate) mod back_channel_logout;
pub(crate) mod session_end;

use std::sync::Arc;

use crate::oauth::server::Server;
use crate::web::Plugins;

/// Registers what happens when a session ends.
pub(crate) fn register(plugins: &mut Plugins, server: &Arc<Server>) {
    plugins.controller("Session", session_end::EndsSignIns { server: Arc::clone(server) });
    back_channel_logout::register(plugins, server);
}
