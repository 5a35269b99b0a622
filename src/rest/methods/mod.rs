//! The RPC methods that Frappe's clients call (`docs/frappe/rest.md`: Methods), one file a namespace.

pub(super) mod assign_to;
mod client;
mod client_write;
mod desk_form;
mod desk_save;
mod desk_search;
mod doc_method;
mod explain;
mod file;
mod global_search;
mod listview;
mod query_report;
mod reportview;
mod restore;
mod share;
mod system;
pub(super) mod tag;
mod workflow;

use std::future::Future;

use crate::error::Result;
use crate::web::{Answer, Call, Method, Param, Plugins, Verbs, handler};

pub(super) use doc_method::doctype_method;
pub(super) use reportview::exported;

/// Registers them all.
pub(super) fn register(plugins: &mut Plugins) {
    assign_to::register(plugins);
    client::register(plugins);
    client_write::register(plugins);
    desk_form::register(plugins);
    desk_save::register(plugins);
    desk_search::register(plugins);
    doc_method::register(plugins);
    explain::register(plugins);
    file::register(plugins);
    global_search::register(plugins);
    listview::register(plugins);
    query_report::register(plugins);
    reportview::register(plugins);
    restore::register(plugins);
    share::register(plugins);
    system::register(plugins);
    tag::register(plugins);
    workflow::register(plugins);
}

/// Registers a method for users who are logged in, or whoever a token stands for.
fn add<F, Fut>(
    plugins: &mut Plugins,
    path: &'static str,
    verbs: Verbs,
    summary: &'static str,
    params: &'static [Param],
    run: F,
) where
    F: Fn(Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Answer>> + Send + 'static,
{
    plugins.method(Method { path, verbs, guest: false, guarded: false, summary, params, handler: handler(run) });
}

/// Registers a method for everybody; what it reads is still under the permissions of Guest.
fn add_for_guests<F, Fut>(
    plugins: &mut Plugins,
    path: &'static str,
    verbs: Verbs,
    summary: &'static str,
    params: &'static [Param],
    run: F,
) where
    F: Fn(Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Answer>> + Send + 'static,
{
    plugins.method(Method { path, verbs, guest: true, guarded: false, summary, params, handler: handler(run) });
}
