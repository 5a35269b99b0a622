//! REST: documents at `/api/resource` and `/api/v2`, methods at `/api/method`, files, OpenAPI and its pages.

mod arguments;
mod batch;
mod bulk;
mod changes;
mod comment;
mod cursor;
mod definition;
mod discovery;
mod docs;
mod doctype;
mod envelope;
mod etag;
mod events;
mod files;
mod methods;
pub(crate) mod openapi;
mod parameters;
mod patch;
mod path;
mod resource;
mod stream;
mod v1;
mod v2;

use crate::document::changes::DOCUMENT_CHANGE;
use crate::files::Files;
use crate::web::{Plugins, Route};

/// Registers everything that REST contributes.
pub(crate) fn register(plugins: &mut Plugins, files: &Files) {
    for path in [v1::PREFIX.to_owned(), format!("{}/*path", v1::PREFIX)] {
        plugins.route(Route::endpoint(path, v1::Resource));
    }
    plugins.route(Route::endpoint(format!("{}/*path", v2::PREFIX), v2::Document));
    plugins.route(Route::new(batch::PATH).post(batch::answer));
    plugins.route(Route::new(changes::PATH).get(changes::answer));
    plugins.log(DOCUMENT_CHANGE, 14);
    let events = events::Events::default();
    plugins.route(Route::new(events::PATH).get(move |exchange| events.clone().answer(exchange)));
    plugins.route(Route::new("/api/v2/doctype/:doctype/meta").get(v2::meta));
    plugins.route(Route::new("/api/v2/doctype/:doctype/count").get(v2::count).post(v2::count));
    plugins.route(Route::new("/api/v2/doctype/:doctype/list").get(v2::list_by_body).post(v2::list_by_body));
    plugins.route(
        Route::new("/api/v2/method/:doctype/:method")
            .get(methods::doctype_method)
            .post(methods::doctype_method)
            .put(methods::doctype_method)
            .delete(methods::doctype_method),
    );
    plugins.route(Route::new("/files/*path").get(files::serve::public));
    plugins.route(Route::new("/private/files/*path").get(files::serve::private));
    plugins.route(Route::new("/api/openapi.json").get(openapi::serve()));
    plugins.route(Route::new("/api/docs").get(docs::page));
    discovery::register(plugins);
    methods::register(plugins);
    bulk::register(plugins);

    doctype::register(plugins, files);
    plugins.at_start(async |site| {
        crate::web::spool::clean_up(&site);
        files::make_folders(&site).await
    });
}
