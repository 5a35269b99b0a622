//! A key with its secret in the header `Authorization`, as Frappe's clients send it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The schemes that carry one: `token key:secret`, and `Basic` with the same in base64.
pub(crate) const KEY_SCHEMES: [&str; 2] = ["token", "basic"];

/// Key and secret of what follows the scheme.
pub(crate) fn key_pair(scheme: &str, value: &str) -> Option<(String, String)> {
    let pair = match scheme {
        "basic" => String::from_utf8(STANDARD.decode(value).ok()?).ok()?,
        _ => value.to_owned(),
    };
    pair.split_once(':').map(|(key, secret)| (key.to_owned(), secret.to_owned()))
}
