//! Plumbing without features: requests, routes, methods, errors as answers, sessions, templates.
//!
//! A feature registers itself with [`Plugins`]; [`pipeline`] is the way that every request takes.

pub(crate) mod api_limit;
pub(crate) mod args;
pub(crate) mod arguments;
mod asked_path;
pub(crate) mod attempts;
pub(crate) mod behind;
pub(crate) mod body;
pub(crate) mod client_certificate;
pub(crate) mod compress;
pub(crate) mod csp;
pub(crate) mod csrf;
pub(crate) mod desk_address;
pub(crate) mod download;
pub(crate) mod error;
pub(crate) mod explain;
pub(crate) mod given_up;
pub(crate) mod history;
pub(crate) mod job;
pub(crate) mod key_pair;
pub(crate) mod language;
pub(crate) mod load;
pub(crate) mod localize;
pub(crate) mod mail;
pub(crate) mod method;
pub(crate) mod metrics;
pub(crate) mod middleware;
pub(crate) mod model;
mod once;
pub(crate) mod openapi;
pub(crate) mod own_path;
pub(crate) mod panel;
pub(crate) mod pipeline;
pub(crate) mod plugin;
pub(crate) mod rate_limit;
pub(crate) mod request;
pub(crate) mod resend;
pub(crate) mod route;
pub(crate) mod rpc;
pub(crate) mod security_event;
pub(crate) mod serve;
pub(crate) mod session;
pub(crate) mod session_cookie;
pub(crate) mod settings;
pub(crate) mod shown_once;
pub(crate) mod site;
pub(crate) mod spool;
mod still;
pub(crate) mod templates;

pub(crate) use arguments::UploadedFile;
pub(crate) use asked_path::asked_path;
pub(crate) use client_certificate::ClientCertificate;
pub use job::{JobKind, RunningJob};
pub(crate) use method::{Answer, Call, Method, Methods, Param, Verbs, handler};
pub(crate) use middleware::Middleware;
pub(crate) use panel::Panel;
pub use pipeline::Pipeline;
pub(crate) use plugin::{AccountPage, Authenticated, Authenticator, Plugins};
pub(crate) use request::{Credentials, Exchange, RequestContext};
pub(crate) use route::Route;
pub(crate) use security_event::{SecurityEvent, Severity};
pub use session::Sessions;
pub(crate) use session::{LoginMethod, NewSession};
pub(crate) use settings::LoginSettings;
pub use site::Site;
pub(crate) use templates::Templates;

/// Where AI assistants are served (the Model Context Protocol).
pub(crate) const MCP: &str = "/mcp";

/// The name of a document that is found by a secret or a key: part of its digest, so that a lookup needs no search.
fn document_name(text: &str) -> String {
    crate::secret::sha256(text)[..12].iter().fold(String::with_capacity(24), |mut name, byte| {
        for half in [byte >> 4, byte & 15] {
            name.push(char::from_digit(u32::from(half), 16).unwrap_or('0'));
        }
        name
    })
}

/// Registers what every site answers, whatever its features: method calls, assets, and the Session DocType's behaviour.
pub(crate) fn register(plugins: &mut Plugins, sessions: &Sessions, attempts: &attempts::Attempts) {
    plugins.controller("Session", sessions.controller());
    plugins.controller("Login Attempt", attempts.controller());
    rpc::register(plugins);
    plugins.sealed.push(shown_once::SEALED);
    plugins.sealed.extend(once::SEALED);
    plugins.sealed.push(mail::SEALED);
    plugins.log("Security Event", 365);
    plugins.log(crate::document::work::IDEMPOTENT_REQUEST, 1);
    plugins.route(Route::new("/assets/*path").get(templates::serve_asset));
}
