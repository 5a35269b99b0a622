//! How documents of a DocType get their names: `autoname`, parsed.

/// Frappe's naming rules (`docs/frappe/model.md`: Naming), parsed from `autoname`.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum NamingRule {
    /// 10 random characters.
    #[default]
    Hash,
    /// The name comes with the document (`Prompt`).
    Prompt,
    /// 1, 2, 3, … (`autoincrement`); names are integers.
    Autoincrement,
    /// UUID version 7 (`UUID`).
    Uuid,
    /// The value of a field (`field:fieldname`).
    Field(String),
    /// A series chosen by the field `naming_series` (`naming_series:`).
    NamingSeries,
    /// `format:…` with every `{…}` one part, or an old-style `PRE-.YY.-.####` expression.
    Series(Vec<SeriesPart>),
    /// Decided by the controller (`autoname` empty); random if it does not.
    Controller,
}

/// One part of a series.
#[derive(Clone, Debug, PartialEq)]
pub enum SeriesPart {
    /// Text as it stands.
    Literal(String),
    /// `#…`: a counter padded to that many digits.
    Counter(usize),
    /// `YY`.
    Year2,
    /// `YYYY`.
    Year4,
    /// `MM`.
    Month,
    /// `DD`.
    Day,
    /// `JJJ`, day of the year.
    DayOfYear,
    /// `WW`, consecutive week of the year.
    Week,
    /// `timestamp`.
    Timestamp,
    /// A field's value.
    Field(String),
}

impl NamingRule {
    /// Whether names tell people nothing: who looks for one has it whole.
    pub(crate) fn is_opaque(&self) -> bool {
        matches!(self, Self::Hash | Self::Uuid | Self::Autoincrement)
    }

    /// Reads `autoname`. An unknown form is a problem for `check`, which reports what [`parse_series`] says.
    pub fn parse(autoname: &str) -> Result<Self, String> {
        let text = autoname.trim();
        Ok(match text {
            "" => Self::Controller,
            _ if text.eq_ignore_ascii_case("prompt") => Self::Prompt,
            _ if text.eq_ignore_ascii_case("hash") || text == "random" => Self::Hash,
            _ if text.eq_ignore_ascii_case("autoincrement") => Self::Autoincrement,
            _ if text.eq_ignore_ascii_case("uuid") => Self::Uuid,
            _ if text == "naming_series" || text.starts_with("naming_series:") => Self::NamingSeries,
            _ => {
                if let Some(fieldname) = text.strip_prefix("field:") {
                    Self::Field(fieldname.trim().to_owned())
                } else if let Some(format) = text.strip_prefix("format:") {
                    Self::Series(parse_format(format)?)
                } else {
                    Self::Series(parse_series(text)?)
                }
            }
        })
    }
}

/// Parses the old-style expression `PRE-.YY.-.####`: parts between dots; without a counter, five digits are appended.
pub(crate) fn parse_series(text: &str) -> Result<Vec<SeriesPart>, String> {
    check_characters(text)?;
    let mut parts: Vec<SeriesPart> = Vec::new();
    for part in text.split('.') {
        if !part.is_empty() {
            push_part(&mut parts, part);
        }
    }
    if !parts.iter().any(|part| matches!(part, SeriesPart::Counter(_))) {
        parts.push(SeriesPart::Counter(5));
    }
    Ok(parts)
}

/// Parses `LOG-{MM}-{field}-{#####}`: text outside braces is literal.
fn parse_format(text: &str) -> Result<Vec<SeriesPart>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        if open > 0 {
            parts.push(SeriesPart::Literal(rest[..open].to_owned()));
        }
        let close =
            rest[open..].find('}').ok_or_else(|| format!("autoname `format:{text}` has a `{{` without its `}}`"))?;
        let inner = rest[open + 1..open + close].trim();
        if inner.is_empty() {
            return Err(format!(
                "autoname `format:{text}` has an empty `{{}}`: name a field or a part such as `YYYY` or `####`"
            ));
        }
        push_part(&mut parts, inner);
        rest = &rest[open + close + 1..];
    }
    if !rest.is_empty() {
        parts.push(SeriesPart::Literal(rest.to_owned()));
    }
    Ok(parts)
}

fn push_part(parts: &mut Vec<SeriesPart>, part: &str) {
    let has_counter = parts.iter().any(|part| matches!(part, SeriesPart::Counter(_)));
    parts.push(match part {
        "YY" => SeriesPart::Year2,
        "YYYY" => SeriesPart::Year4,
        "MM" => SeriesPart::Month,
        "DD" => SeriesPart::Day,
        "JJJ" => SeriesPart::DayOfYear,
        "WW" => SeriesPart::Week,
        "timestamp" => SeriesPart::Timestamp,
        _ if part.starts_with('#') && part.chars().all(|c| c == '#') && !has_counter => SeriesPart::Counter(part.len()),
        _ => match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(fieldname) => SeriesPart::Field(fieldname.to_owned()),
            // Whether a bare word is a fieldname or a literal is known only with the DocType; naming looks it up.
            None => SeriesPart::Field(part.to_owned()),
        },
    });
}

fn check_characters(text: &str) -> Result<(), String> {
    match text.chars().find(|c| !(c.is_alphanumeric() || "_- /.#{}".contains(*c))) {
        None => Ok(()),
        Some(c) => {
            Err(format!("naming series `{text}` contains `{c}`: use letters, digits, spaces and - _ / . # {{ }} only"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn autoname_is_read_in_all_its_forms() {
        use SeriesPart::{Counter, Field, Literal, Month, Year2, Year4};
        let field = |name: &str| Field(name.to_owned());
        let literal = |text: &str| Literal(text.to_owned());
        let table = [
            ("", NamingRule::Controller),
            ("prompt", NamingRule::Prompt),
            ("Prompt", NamingRule::Prompt),
            ("hash", NamingRule::Hash),
            ("autoincrement", NamingRule::Autoincrement),
            ("UUID", NamingRule::Uuid),
            ("field: title", NamingRule::Field("title".to_owned())),
            ("naming_series:", NamingRule::NamingSeries),
            ("EV.#####", NamingRule::Series(vec![field("EV"), Counter(5)])),
            ("INV-.YY.-.MM.", NamingRule::Series(vec![field("INV-"), Year2, field("-"), Month, Counter(5)])),
            ("A.{customer}.##", NamingRule::Series(vec![field("A"), field("customer"), Counter(2)])),
            (
                "format:L-{YYYY}/{who}-{####}",
                NamingRule::Series(vec![literal("L-"), Year4, literal("/"), field("who"), literal("-"), Counter(4)]),
            ),
            ("format:{a}-{b}", NamingRule::Series(vec![field("a"), literal("-"), field("b")])),
        ];
        for (autoname, expected) in table {
            assert_eq!(NamingRule::parse(autoname), Ok(expected), "{autoname}");
        }
        for broken in ["format:{a", "format:{}", "B*.##", "A<b>.#"] {
            assert!(NamingRule::parse(broken).is_err(), "{broken}");
        }
    }
}
