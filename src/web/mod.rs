//! Plumbing without features: requests, routes, methods, errors as answers, sessions, templates.
//!
//! A feature registers itself with [`Plugins`]; [`pipeline`] is the way that every request takes.

pub mod args;
pub mod arguments;
pub mod attempts;
pub mod behind;
pub mod body;
pub mod client_certificate;
pub mod compress;
pub mod csp;
pub mod csrf;
pub mod error;
pub mod method;
pub mod middleware;
pub mod openapi;
pub mod own_path;
pub mod panel;
pub mod pipeline;
pub mod plugin;
pub mod request;
pub mod resend;
pub mod route;
pub mod rpc;
pub mod security_event;
pub mod serve;
pub mod session;
pub mod session_cookie;
pub mod settings;
pub mod shown_once;
pub mod site;
pub mod spool;
pub mod templates;

pub use arguments::{Arguments, UploadedFile};
pub use client_certificate::ClientCertificate;
pub use method::{Answer, Call, Method, Methods, Param, ServerMessage, Verbs, handler};
pub use middleware::Middleware;
pub use panel::{Panel, Panels};
pub use pipeline::{Pipeline, asked_path};
pub use plugin::{AccountPage, Authenticated, Authenticator, Job, LoginOption, Plugins};
pub use request::{Credentials, Exchange, RequestContext};
pub use route::Route;
pub use security_event::{SecurityEvent, Severity};
pub use session::{LoginMethod, NewSession, Sessions};
pub use settings::LoginSettings;
pub use site::Site;
pub use templates::Templates;

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
pub fn register(plugins: &mut Plugins, sessions: &Sessions) {
    plugins.controller("Session", sessions.controller());
    rpc::register(plugins);
    plugins.route(Route::new("/assets/*path").get(templates::serve_asset));
}
