//! Documents as an assistant gets them: what is empty is left out, and what is very long is cut, saying so.

use serde_json::{Map, Value as Json};

/// How many characters of a text an assistant gets if it did not ask for the field.
pub(super) const LONG: usize = 8_000;
/// How many characters of a text it gets if it did.
pub(super) const LONGEST: usize = 100_000;
/// How many characters of a text stand in a row of a list.
pub(super) const IN_ROW: usize = 500;
/// How many child rows it gets.
const ROWS: usize = 200;

/// A document without what is empty, with long texts cut to so many characters.
pub(super) fn document(document: Map<String, Json>, most: usize) -> Map<String, Json> {
    document.into_iter().filter_map(|(name, value)| Some((name, compact(value, most)?))).collect()
}

fn compact(value: Json, most: usize) -> Option<Json> {
    match value {
        Json::Null => None,
        Json::String(text) if text.is_empty() => None,
        Json::String(text) => Some(Json::String(cut(text, most))),
        Json::Array(rows) if rows.is_empty() => None,
        Json::Array(mut rows) => {
            let count = rows.len();
            rows.truncate(ROWS);
            let mut rows: Vec<Json> = rows.into_iter().map(|row| row_of(row, most)).collect();
            if count > ROWS {
                rows.push(Json::from(format!("… and {} more rows", count - ROWS)));
            }
            Some(Json::Array(rows))
        }
        other => Some(other),
    }
}

/// A child row, without what its place says already.
fn row_of(row: Json, most: usize) -> Json {
    match row {
        Json::Object(mut row) => {
            for known in [
                "doctype",
                "parent",
                "parentfield",
                "parenttype",
                "owner",
                "creation",
                "modified",
                "modified_by",
                "docstatus",
            ] {
                row.shift_remove(known);
            }
            Json::Object(document(row, most))
        }
        other => other,
    }
}

/// A text of at most so many characters, with how many are missing.
pub(super) fn cut(mut text: String, most: usize) -> String {
    if text.len() <= most {
        return text;
    }
    let Some((end, _)) = text.char_indices().nth(most) else { return text };
    let missing = text[end..].chars().count();
    text.truncate(end);
    format!("{text}… ({missing} more characters)")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_empty_goes_and_what_is_long_is_cut_with_a_word() {
        let Json::Object(map) =
            json!({"a": null, "b": "", "c": [], "d": 0, "e": "äöüß", "f": [{"parent": "x", "g": 1}]})
        else {
            panic!("an object");
        };
        let compact = Json::Object(document(map, 2));
        assert_eq!(compact, json!({"d": 0, "e": "äö… (2 more characters)", "f": [{"g": 1}]}));
    }

    #[test]
    fn many_rows_are_counted() {
        let rows: Vec<Json> = (0..ROWS + 3).map(|row| json!({"n": row})).collect();
        let cut = compact(Json::Array(rows), 10).unwrap();
        assert_eq!(cut.as_array().unwrap().len(), ROWS + 1);
        assert_eq!(cut[ROWS], "… and 3 more rows");
    }
}
