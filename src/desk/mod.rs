//! The desk: forms, lists and a home page for every DocType, generated from its fields.

mod access;
mod actions;
mod book;
mod data_import;
pub(crate) mod definitions;
pub(crate) mod form;
mod frappe_address;
mod health;
pub mod help;
pub(crate) mod home;
pub(crate) mod indicator;
pub(crate) mod list;
mod marks;
pub(crate) mod model;
mod rights;
mod search;
pub(crate) mod shell;
mod tasks;
mod template_helpers;
pub(crate) mod titles;
mod why;

use crate::permissions::TimesIn;
pub(crate) use crate::web::desk_address::{ADDRESS_PART, document_url};
use crate::web::{Exchange, Plugins, Route};

/// Registers the pages of the desk.
pub(crate) fn register(plugins: &mut Plugins) {
    plugins.helpers.extend(template_helpers::all());
    plugins.route(Route::new("/app").get(|exchange| home::get(own(exchange))));
    plugins.route(Route::new("/docs").get(book::first));
    plugins.route(Route::new("/docs/*path").get(book::get));
    plugins.route(Route::new("/llms.txt").get(book::llms));
    plugins.route(Route::new("/desk").get(frappe_address::get));
    plugins.route(Route::new("/desk/*path").get(frappe_address::get));
    plugins.route(Route::new("/app/:slug/:name/*path").get(frappe_address::get));
    plugins.route(Route::new("/app/_counts").get(home::counts));
    plugins.route(Route::new("/app/_search").get(search::get));
    plugins.route(Route::new("/app/_find").get(search::find));
    plugins.route(Route::new("/app/_pin").post(marks::pin));
    plugins.route(Route::new("/app/_dismiss").post(marks::dismiss));
    plugins.route(Route::new("/app/_session").get(home::session));
    plugins.route(Route::new("/app/_markdown").post(form::preview::markdown));
    plugins.route(Route::new("/app/_doctypes").get(home::doctypes));
    plugins.route(Route::new("/app/_access").get(access::get));
    plugins.route(Route::new("/app/_why").get(why::get));
    plugins.route(Route::new("/app/_health").get(|exchange| health::get(own(exchange))));
    plugins.route(Route::new("/app/_definitions").get(definitions::get));
    plugins.route(Route::new("/app/_rights").get(rights::get));
    plugins.route(
        Route::new("/app/_model").get(|exchange| model::get(own(exchange))).post(|exchange| model::post(own(exchange))),
    );
    plugins.route(
        Route::new("/app/_model/:doctype")
            .get(|exchange| model::get(own(exchange)))
            .post(|exchange| model::post(own(exchange))),
    );
    plugins.route(Route::new("/app/_export").get(|exchange| data_import::export::get(own(exchange))));
    plugins.route(
        Route::new("/app/_import")
            .get(|exchange| data_import::begin(own(exchange)))
            .post(|exchange| data_import::make(own(exchange))),
    );
    plugins.route(
        Route::new("/app/_import/:name")
            .get(|exchange| data_import::get(own(exchange)))
            .post(|exchange| data_import::post(own(exchange))),
    );
    plugins.route(Route::new("/app/query-report/:name").get(|exchange| list::report::get(own(exchange))));
    plugins.route(
        Route::new("/app/:slug")
            .get(|exchange| list::page::get(own(exchange)))
            .post(|exchange| list::page::post(own(exchange))),
    );
    plugins.route(
        Route::new("/app/:slug/:name")
            .get(|exchange| form::page::get(own(exchange)))
            .post(|exchange| form::page::post(own(exchange))),
    );
}

/// In the desk people read and write times in their own zone.
fn own(mut exchange: Exchange) -> Exchange {
    exchange.context.session.times_in = TimesIn::Own;
    exchange
}
