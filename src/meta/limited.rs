//! `limited_to`: which documents of a DocType somebody sees at all, whatever roles and shares give (Frappe has code for it).

use serde_json::Value as Json;

use crate::meta::document::Document;

/// One of the conditions of `limited_to`; a document is seen if one of them holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limited {
    /// The field, or a column that every document has.
    pub field: String,
    /// What must be true of it.
    pub test: Test,
}

/// What must be true of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// It has this value.
    Equals(String),
    /// It names the user (`__user`).
    User,
    /// It names a DocType whose documents the user may read (`__readable`).
    Readable,
    /// It is a table with a row whose `role` is one of the user's (`__roles`).
    Roles,
    /// The document is shared with the user (`name in __shared`).
    Shared,
    /// It holds something, or nothing.
    Set(bool),
}

/// Who looks at a document.
pub(crate) struct Looking<'a> {
    /// The user.
    pub user: &'a str,
    /// Whether they have the role.
    pub has_role: &'a dyn Fn(&str) -> bool,
    /// Whether they may read the documents of a DocType.
    pub is_readable: &'a dyn Fn(&str) -> bool,
    /// The document is shared with them.
    pub by_share: bool,
}

/// The form that is asked for.
const FORM: &str = "must be a list such as [[\"public\", \"=\", 1], [\"owner\", \"=\", \"__user\"]]";

impl Limited {
    /// Reads the conditions; what is not one is told.
    pub(crate) fn parse(list: &Json) -> Result<Vec<Self>, String> {
        let conditions = list.as_array().filter(|list| !list.is_empty()).ok_or_else(|| FORM.to_owned())?;
        conditions.iter().map(Self::parse_one).collect()
    }

    fn parse_one(condition: &Json) -> Result<Self, String> {
        let Some([Json::String(field), Json::String(operator), value]) = condition.as_array().map(Vec::as_slice) else {
            return Err(FORM.to_owned());
        };
        let wanted = match value {
            Json::String(text) => text.clone(),
            Json::Bool(on) => u8::from(*on).to_string(),
            Json::Number(number) => number.to_string(),
            _ => return Err(FORM.to_owned()),
        };
        let test = match (operator.as_str(), wanted.as_str()) {
            ("=", "__user") => Test::User,
            ("=", _) => Test::Equals(wanted),
            ("in", "__readable") => Test::Readable,
            ("in", "__roles") => Test::Roles,
            ("in", "__shared") if field == "name" => Test::Shared,
            ("is", "set") => Test::Set(true),
            ("is", "not set") => Test::Set(false),
            _ => {
                return Err(format!(
                    "has `{operator}` and `{wanted}`: write `=` and a value or `__user`, `in` and `__readable` or `__roles`, `name`, `in` and `__shared`, or `is` and `set` or `not set`"
                ));
            }
        };
        Ok(Self { field: field.clone(), test })
    }

    /// Whether it holds for a document.
    pub(crate) fn holds(&self, document: &Document, looking: &Looking<'_>) -> bool {
        let value = document.get(&self.field).to_string();
        match &self.test {
            Test::Equals(wanted) => value == *wanted,
            Test::User => value == looking.user,
            Test::Readable => !value.is_empty() && (looking.is_readable)(&value),
            Test::Roles => document.rows(&self.field).iter().any(|row| (looking.has_role)(row.text("role"))),
            Test::Shared => looking.by_share,
            Test::Set(set) => value.is_empty() != *set,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn conditions_are_read_and_others_are_told() {
        let read = |list: Json| Limited::parse(&list);
        let limited = |field: &str, test| Limited { field: field.to_owned(), test };
        let all = json!([
            ["public", "=", 1],
            ["owner", "=", "__user"],
            ["kind", "in", "__readable"],
            ["end", "is", "not set"],
            ["roles", "in", "__roles"],
            ["name", "in", "__shared"]
        ]);
        let expected = vec![
            limited("public", Test::Equals("1".to_owned())),
            limited("owner", Test::User),
            limited("kind", Test::Readable),
            limited("end", Test::Set(false)),
            limited("roles", Test::Roles),
            limited("name", Test::Shared),
        ];
        assert_eq!(read(all).unwrap(), expected);
        for bad in [
            json!([]),
            json!("x"),
            json!([["a", "="]]),
            json!([["a", ">", 1]]),
            json!([["a", "=", []]]),
            json!([["a", "in", "__shared"]]),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }
}
