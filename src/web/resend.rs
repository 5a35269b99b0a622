//! A form that came too late, after its session had ended: it is carried through the login page in one hidden field, sent
//! on to where it was going, and shown there again. Nothing that somebody typed is lost.

use poem::Response;
use poem::http::{StatusCode, header};

use crate::error::{Error, Result};
use crate::web::arguments::Form;
use crate::web::csrf;
use crate::web::error::Style;
use crate::web::request::Exchange;

/// The form field that holds the names and values of another form, as JSON pairs.
pub(crate) const FIELD: &str = "__typed";
/// The query parameter of `/login` that says where the form that comes with it was going.
pub(crate) const TARGET: &str = "resend";

/// Where a page's form that somebody without a session sent goes: the login page, body and all (307).
///
/// `None` where a session is there, where a program asks, and for forms of other sites.
pub(crate) fn to_login(exchange: &Exchange) -> Option<Response> {
    let request = &exchange.request;
    if !exchange.session().is_guest() || Style::of(request) != Style::Page {
        return None;
    }
    csrf::check_origin(request.method(), request.headers(), &exchange.site.config.site_url).ok()?;
    let target: String =
        url::form_urlencoded::byte_serialize(request.uri().path_and_query()?.as_str().as_bytes()).collect();
    Some(again_at(&format!("/login?{TARGET}={target}")))
}

/// Whether a form may be sent on to that path of this site: only to forms of the desk, which do nothing with a form
/// without its token. Anything else would act on what a foreign page made somebody send.
pub(crate) fn may_go_to(path: &str) -> bool {
    path.starts_with("/app/")
}

/// A redirect that the browser follows with the same body.
pub(crate) fn again_at(location: &str) -> Response {
    Response::builder().status(StatusCode::TEMPORARY_REDIRECT).header(header::LOCATION, location).finish()
}

/// A form as the value of [`FIELD`]. Its files cannot come along, nor need its token.
pub(crate) fn pack(form: &Form) -> String {
    let kept: Vec<_> = form.fields.iter().filter(|(name, _)| name != csrf::FIELD).collect();
    serde_json::to_string(&kept).unwrap_or_default()
}

/// The form within a form, if it carries one.
pub(super) fn unpack(form: Form) -> Result<Form> {
    match form.first(FIELD) {
        None | Some("") => Ok(form),
        Some(packed) => {
            let fields = serde_json::from_str(packed)
                .map_err(|_| Error::BadRequest(format!("{FIELD} is not a list of names and values")))?;
            Ok(Form { fields, files: Vec::new() })
        }
    }
}
