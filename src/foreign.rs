//! JSON that somebody else wrote, read leniently: what is there but says nothing counts as left out, and a number may be
//! written as an integer, a float or a text.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// What some programs put before their text (RFC 8259 §8.1 lets readers ignore it).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads JSON, with or without a byte order mark.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(without_mark(bytes))
}

/// A text without the byte order mark before it.
pub(crate) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)
}

/// Whether a value says nothing: `null`, an empty text, an empty list. An empty object may be a statement of its own.
pub(crate) fn is_void(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(entries) => entries.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

/// What an answer holds at a place; dots reach into nested answers.
pub(crate) fn at<'a>(answer: &'a Value, place: &str) -> Option<&'a Value> {
    // A name with dots in it, as some claims have, counts before a place inside.
    if let Some(whole) = answer.get(place) {
        return Some(whole);
    }
    place.split('.').try_fold(answer, |value, part| match value {
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        other => other.get(part),
    })
}

/// A member that says something.
pub(crate) fn get<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    members.get(name).filter(|value| !is_void(value))
}

/// A member that is a text and not empty.
pub(crate) fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    get(members, name).and_then(Value::as_str)
}

/// A member that is a list of texts, or one text that stands for such a list; `None` if there is nothing of the kind.
pub(crate) fn texts(members: &Map<String, Value>, name: &str) -> Option<Vec<String>> {
    match get(members, name)? {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(several) => Some(several.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        _ => None,
    }
}

/// A switch; some write it as a text.
pub(crate) fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(on) => Some(*on),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// A whole number, however it is written; fractions are cut off.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    let float = |number: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a float beyond i64 saturates, and is refused as too large"
        )]
        number.is_finite().then_some(number as i64)
    };
    match value {
        Value::Number(number) => number.as_i64().or_else(|| float(number.as_f64()?)),
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| float(text.parse().ok()?))
        }
        _ => None,
    }
}

/// An id as text: some number their people, and some write `7` as `7.0`.
pub(crate) fn id(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(whole), _, _) => whole.to_string(),
            (None, Some(whole), _) => whole.to_string(),
            // Below 2^53 a float still tells neighbours apart.
            (None, None, Some(float)) if float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0 => {
                format!("{float:.0}")
            }
            _ => number.to_string(),
        }),
        _ => None,
    }
}

/// Leaves out the members that say nothing.
pub(crate) fn drop_void(value: &mut Value) {
    if let Value::Object(members) = value {
        members.retain(|_, member| !is_void(member));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_says_nothing_is_left_out_and_what_is_empty_but_a_statement_is_not() {
        let members = json!({"a": null, "b": "", "c": [], "d": {}, "e": false, "f": 0, "g": [""]});
        let members = members.as_object().unwrap();
        let there: Vec<&str> = members.keys().filter(|name| get(members, name).is_some()).map(String::as_str).collect();
        assert_eq!(there, ["d", "e", "f", "g"]);
    }

    #[test]
    fn a_number_is_read_however_it_is_written() {
        for value in [json!(3600), json!(3600.0), json!(3600.9), json!("3600"), json!(" 3600.0 "), json!("3.6e3")] {
            assert_eq!(integer(&value), Some(3600), "{value}");
        }
        for value in [json!("soon"), json!("NaN"), json!("inf"), json!(null), json!([3600]), json!(true)] {
            assert_eq!(integer(&value), None, "{value}");
        }
        for (value, expected) in
            [(json!(7), "7"), (json!(7.0), "7"), (json!("7"), "7"), (json!(u64::MAX), "18446744073709551615")]
        {
            assert_eq!(id(&value).as_deref(), Some(expected), "{value}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_text() {
        assert_eq!(parse::<Value>(b"\xef\xbb\xbf{\"a\": 1}").unwrap(), json!({"a": 1}));
        assert!(parse::<Value>(b"\xef\xbb\xbf\xef\xbb\xbf{}").is_err());
    }
}
