//! Text: every fieldtype whose value is kept as it came, and the formats that some of them ask for.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value as Json;
use url::Url;
use validator::ValidateEmail;

use super::{ColumnType, Fault, quote, quote_json};
use crate::error::ProblemKind;
use crate::meta::value::Value;

static PHONE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\A[0-9 +_\-,.*#()]{1,20}\z").expect("the pattern is constant"));
static NAME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\A\w[\w'’\-]*( \w[\w'’\-]*)*\z").expect("the pattern is constant"));

/// The formats that `options` of a Data field can ask for.
pub(crate) const DATA_FORMATS: [&str; 5] = ["Email", "Name", "Phone", "URL", "Barcode"];

/// Text as it came; numbers as they were written.
pub(super) fn parse(input: &Json) -> Result<Value, Fault> {
    let text = match input {
        Json::Null => return Ok(Value::Null),
        Json::String(text) => text.clone(),
        Json::Number(number) => number.to_string(),
        Json::Bool(_) | Json::Array(_) | Json::Object(_) => {
            let kind = if input.is_boolean() { ProblemKind::Type } else { ProblemKind::Validation };
            return Err((kind, format!("must be text, not {}", quote_json(input))));
        }
    };
    check_characters(&text)?;
    Ok(Value::Text(text))
}

/// What holds for every text: no NUL character, and no more characters than the column takes.
pub(super) fn validate(column_type: ColumnType, text: &str) -> Result<(), Fault> {
    check_characters(text)?;
    let ColumnType::Varchar(limit) = column_type else { return Ok(()) };
    let limit = usize::from(limit);
    // Bytes are never fewer than characters, so most texts need no counting.
    if text.len() > limit {
        let length = text.chars().count();
        if length > limit {
            let message = format!("may have at most {limit} characters, not {length}: shorten it");
            return Err((ProblemKind::CharacterLengthExceeded, message));
        }
    }
    Ok(())
}

/// A Data field's `options`: Email, Phone, Name, URL. Other options ask for nothing.
pub(super) fn validate_format(format: &str, text: &str) -> Result<(), Fault> {
    match format {
        "Email" => validate_emails(text),
        "Phone" if !PHONE.is_match(text.trim()) => Err((
            ProblemKind::InvalidPhoneNumber,
            format!("must be a phone number such as +49 30 123456, not {}", quote(text)),
        )),
        "Name" if !NAME.is_match(text.trim()) => {
            Err((ProblemKind::InvalidName, format!("must be a name such as Ada Lovelace, not {}", quote(text))))
        }
        "URL" if !is_url(text) => Err((
            ProblemKind::Validation,
            format!("must be an address such as https://example.com/page or /page, not {}", quote(text)),
        )),
        _ => Ok(()),
    }
}

/// A Phone field: international, so that it can be dialled from anywhere.
pub(super) fn validate_phone_number(text: &str) -> Result<(), Fault> {
    let number = text.trim();
    let count = number.chars().filter(char::is_ascii_digit).count();
    let plausible = number.starts_with('+')
        && number.chars().nth(1).is_some_and(|c| ('1'..='9').contains(&c))
        && number.chars().skip(1).all(|c| c.is_ascii_digit() || " -.()".contains(c));
    // ITU-T E.164: at most fifteen digits, country code included.
    if plausible && (7..=15).contains(&count) {
        return Ok(());
    }
    let message = format!("must be a phone number with its country code such as +49-30123456, not {}", quote(text));
    Err((ProblemKind::InvalidPhoneNumber, message))
}

/// `#rrggbb`.
pub(super) fn validate_color(text: &str) -> Result<(), Fault> {
    let is_color = text
        .strip_prefix('#')
        .is_some_and(|digits| digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if is_color {
        return Ok(());
    }
    Err((ProblemKind::Validation, format!("must be a color such as #2490ef, not {}", quote(text))))
}

/// Schemes whose addresses run or hold what a page shows, instead of leading somewhere.
const ACTIVE_SCHEMES: [&str; 7] = ["javascript", "vbscript", "data", "blob", "filesystem", "about", "view-source"];

/// Whether a text is an absolute URL with something behind the scheme, or a path of this site. What a browser would run
/// (`javascript:`, `data:`, …) is not an address, however it is written.
pub(crate) fn is_url(text: &str) -> bool {
    let text = text.trim();
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) || is_active(text) {
        return false;
    }
    text.starts_with('/')
        || Url::parse(text).is_ok_and(|url| url.has_host() || !url.path().trim_start_matches('/').is_empty())
}

/// Whether a browser would run a text as an address, rather than go there. Reads the scheme as browsers do: white space and
/// control characters in front and line breaks within do not count (WHATWG URL §4.4).
pub(crate) fn is_active(text: &str) -> bool {
    let text = text.trim_start_matches(|c: char| c <= ' ');
    let scheme: String =
        text.split(':').next().unwrap_or("").chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect();
    text.contains(':') && ACTIVE_SCHEMES.iter().any(|active| scheme.trim().eq_ignore_ascii_case(active))
}

/// The value of an Attach field becomes a link, or the source of a picture: pictures may be `data:`.
pub(super) fn validate_attachment(text: &str) -> Result<(), Fault> {
    let is_picture = text.trim_start().get(..11).is_some_and(|start| start.eq_ignore_ascii_case("data:image/"))
        && !text.trim_start().to_ascii_lowercase().starts_with("data:image/svg");
    if is_active(text) && !is_picture {
        let message = format!("must be the address of a file such as /files/a.pdf, not {}", quote(text));
        return Err((ProblemKind::Validation, message));
    }
    Ok(())
}

fn validate_emails(text: &str) -> Result<(), Fault> {
    let mut any = false;
    for address in text.split([',', '\n']).map(str::trim).filter(|address| !address.is_empty()) {
        any = true;
        // The crate's pattern ignores case as Unicode does, so that the Kelvin sign passes for a k.
        if !address.validate_email() || !address.split('@').next().is_some_and(str::is_ascii) {
            let message = format!("must be an email address such as ada@example.com, not {}", quote(address));
            return Err((ProblemKind::InvalidEmailAddress, message));
        }
    }
    if any || text.trim().is_empty() {
        return Ok(());
    }
    Err((
        ProblemKind::InvalidEmailAddress,
        format!("must be an email address such as ada@example.com, not {}", quote(text)),
    ))
}

fn check_characters(text: &str) -> Result<(), Fault> {
    if text.contains('\0') {
        return Err((ProblemKind::Data, "contains the character NUL, which cannot be stored: remove it".to_owned()));
    }
    Ok(())
}
