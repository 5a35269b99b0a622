//! `depends_on` and its kin: the JavaScript subset that DocTypes use, parsed once, evaluated here and nowhere else.

/// A parsed condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    /// The text as written.
    pub source: String,
}
