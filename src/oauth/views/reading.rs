//! Reading fields of documents: texts that may be missing, times, ids.

use chrono::NaiveDateTime;
use serde_json::Value as Json;

use crate::clock::DATETIME_FORMAT;
use crate::meta::Document;

/// The time in a field.
pub fn datetime(document: &Document, fieldname: &str) -> Option<NaiveDateTime> {
    NaiveDateTime::parse_from_str(document.text(fieldname), DATETIME_FORMAT).ok()
}

/// The text of a field without space around it, if it holds any.
pub fn filled(document: &Document, fieldname: &str) -> Option<String> {
    Some(document.text(fieldname).trim().to_owned()).filter(|text| !text.is_empty())
}

/// Whether a secret that is stored stays: the field holds its stars, and nothing that somebody typed.
pub fn is_kept(document: &Document, fieldname: &str) -> bool {
    let text = document.text(fieldname);
    !document.is_new && !text.is_empty() && text.chars().all(|c| c == '*')
}

/// What an answer holds at a place; dots reach into nested answers.
pub fn at<'a>(answer: &'a Json, place: &str) -> Option<&'a Json> {
    // A name with dots in it, as some claims have, counts before a place inside.
    if let Some(whole) = answer.get(place) {
        return Some(whole);
    }
    place.split('.').try_fold(answer, |value, part| match value {
        Json::Array(items) => items.get(part.parse::<usize>().ok()?),
        other => other.get(part),
    })
}
