//! One value of one field, in the three shapes that databases and JSON share.

use std::fmt;

use serde_json::Value as Json;

/// A field's value. Dates, times and datetimes are text in their canonical format, so that comparing text compares time.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Value {
    /// Nothing stored.
    #[default]
    Null,
    /// Int, Check, docstatus, idx and the names of autoincrement DocTypes.
    Int(i64),
    /// Float, Currency, Percent, Duration, Rating.
    Float(f64),
    /// Everything else.
    Text(String),
}

impl Value {
    /// Null, or text without a character in it.
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.is_empty(),
            Self::Int(_) | Self::Float(_) => false,
        }
    }

    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text, or nothing at all for other values.
    pub fn text(&self) -> &str {
        self.as_str().unwrap_or("")
    }

    /// The value as a whole number; text that holds one counts.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(n) => Some(*n),
            #[expect(clippy::cast_possible_truncation, reason = "truncation is what the reader of an Int wants")]
            Self::Float(x) => Some(*x as i64),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Null => None,
        }
    }

    /// Whether a Check is on, or a number is not 0, or text is not empty.
    pub fn is_truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Int(n) => *n != 0,
            Self::Float(x) => *x != 0.0,
            Self::Text(text) => !text.is_empty() && text != "0",
        }
    }

    /// As it goes out over REST.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Int(n) => Json::from(*n),
            Self::Float(x) => serde_json::Number::from_f64(*x).map_or(Json::Null, Json::Number),
            Self::Text(text) => Json::String(text.clone()),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Int(n) => write!(f, "{n}"),
            Self::Float(x) => write!(f, "{x}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Self::Int(n)
    }
}

impl From<f64> for Value {
    fn from(x: f64) -> Self {
        Self::Float(x)
    }
}

impl From<bool> for Value {
    fn from(on: bool) -> Self {
        Self::Int(i64::from(on))
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
