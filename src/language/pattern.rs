//! Messages with values: `"{label} is required"` as words and names, found in a message and filled in again.

use std::borrow::Cow;
use std::collections::HashMap;

/// How many letters the words of a message have at least, so that it is not taken for any other.
const FEWEST_LETTERS: usize = 3;
/// In how many places a value may end.
const MOST_ENDS: usize = 8;

/// A message as the program writes it: words, and the names of the values between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// One more than there are names.
    words: Vec<String>,
    names: Vec<String>,
}

impl Pattern {
    /// Reads a message. What stands in braces but is not a name, as in JSON, belongs to the words.
    pub fn parse(message: &str) -> Self {
        let (mut words, mut names) = (vec![String::new()], Vec::new());
        for part in parts(message) {
            match part {
                Part::Words(text) => words.last_mut().expect("there is always one").push_str(text),
                Part::Name(name) => {
                    names.push(name.to_owned());
                    words.push(String::new());
                }
            }
        }
        Self { words, names }
    }

    /// The names in a text.
    pub fn names_in(text: &str) -> impl Iterator<Item = &str> {
        parts(text).filter_map(|part| match part {
            Part::Name(name) => Some(name),
            Part::Words(_) => None,
        })
    }

    /// The names of its values.
    pub fn names(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }

    /// Whether it is words alone.
    pub fn is_plain(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether its words tell it from other messages.
    pub fn is_telling(&self) -> bool {
        self.words.concat().chars().filter(|c| c.is_alphabetic()).count() >= FEWEST_LETTERS
    }

    /// How much of it is words.
    pub fn weight(&self) -> usize {
        self.words.iter().map(String::len).sum()
    }

    /// The letter that it begins with, if it begins with words, and the one that it ends with.
    fn edges(&self) -> (Option<u8>, Option<u8>) {
        let edge = |words: Option<&String>, last: bool| {
            let bytes = words?.as_bytes();
            if last { bytes.last().copied() } else { bytes.first().copied() }
        };
        (edge(self.words.first(), false), edge(self.words.last(), true))
    }

    /// The message with values, as the program writes it.
    pub fn with(&self, value: impl Fn(&str) -> String) -> String {
        let mut out = self.words[0].clone();
        for (name, words) in self.names.iter().zip(&self.words[1..]) {
            out.push_str(&value(name));
            out.push_str(words);
        }
        out
    }

    /// The values of a message that is written like this; `None` if it is another one. Where a value could end in several
    /// places, it ends in the first in which it `is_known` under its name, as `Library Book` is in `Library Book Dune`.
    pub fn find<'m>(&self, message: &'m str, is_known: &dyn Fn(&str, &str) -> bool) -> Option<Vec<(&str, &'m str)>> {
        let (first, last) = (self.words.first()?, self.words.last()?);
        let mut rest = message.strip_prefix(first.as_str())?;
        let mut values = Vec::with_capacity(self.names.len());
        for (at, name) in self.names.iter().enumerate() {
            let is_last = at + 1 == self.names.len();
            let end = if is_last {
                rest.strip_suffix(last.as_str())?.len()
            } else {
                let mut ends = rest.match_indices(self.words[at + 1].as_str()).map(|(end, _)| end);
                let known = ends.clone().take(MOST_ENDS).find(|end| is_known(name, &rest[..*end]));
                known.or_else(|| ends.next())?
            };
            values.push((name.as_str(), &rest[..end]));
            rest = &rest[end + self.words[at + 1].len()..];
        }
        Some(values)
    }
}

/// Where to look for the patterns of a message: by its first letter, else by its last.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    starts: HashMap<u8, Vec<usize>>,
    ends: HashMap<u8, Vec<usize>>,
    others: Vec<usize>,
}

impl Index {
    /// Of patterns, by their places.
    pub(super) fn of<'p>(patterns: impl Iterator<Item = &'p Pattern>) -> Self {
        let mut index = Self::default();
        for (place, pattern) in patterns.enumerate() {
            match pattern.edges() {
                (Some(start), _) => index.starts.entry(start).or_default().push(place),
                (None, Some(end)) => index.ends.entry(end).or_default().push(place),
                (None, None) => index.others.push(place),
            }
        }
        index
    }

    /// The places of those that a message may be written like, in their order.
    pub(super) fn places(&self, message: &str) -> Vec<usize> {
        let bytes = message.as_bytes();
        let starts = bytes.first().and_then(|start| self.starts.get(start));
        let ends = bytes.last().and_then(|end| self.ends.get(end));
        let mut places: Vec<usize> = starts.into_iter().chain(ends).chain([&self.others]).flatten().copied().collect();
        places.sort_unstable();
        places
    }
}

/// A text with its names replaced by values; names without a value stay as they are.
pub(crate) fn fill(text: &str, values: &[(&str, Cow<'_, str>)]) -> String {
    let mut out = String::with_capacity(text.len() + 32);
    for part in parts(text) {
        match part {
            Part::Words(words) => out.push_str(words),
            Part::Name(name) => {
                if let Some((_, value)) = values.iter().find(|(known, _)| *known == name) {
                    out.push_str(value);
                } else {
                    out.extend(["{", name, "}"]);
                }
            }
        }
    }
    out
}

enum Part<'t> {
    Words(&'t str),
    Name(&'t str),
}

fn parts(text: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some((name, after)) = name_at(rest) {
            rest = after;
            return Some(Part::Name(name));
        }
        let next = rest.char_indices().skip(1).find(|(at, c)| *c == '{' && name_at(&rest[*at..]).is_some());
        let (words, after) = rest.split_at(next.map_or(rest.len(), |(at, _)| at));
        rest = after;
        Some(Part::Words(words))
    })
}

/// `{name}` at the beginning of a text.
fn name_at(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('{')?.split_once('}')?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then_some((name, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_gives_back_its_values() {
        let pattern = Pattern::parse("{label}: {value} is not {what}");
        assert_eq!(pattern.names(), ["label", "value", "what"]);
        assert_eq!(
            pattern.find("Age: x: y is not a number", &|_, _| false),
            Some(vec![("label", "Age"), ("value", "x: y"), ("what", "a number")])
        );
        assert_eq!(pattern.find("Age is required", &|_, _| false), None);
        let pattern = Pattern::parse("{doctype} {name} not found");
        assert_eq!(
            pattern
                .find("Library Book Dune Two not found", &|name, value| name == "doctype" && value == "Library Book"),
            Some(vec![("doctype", "Library Book"), ("name", "Dune Two")])
        );
        let json = Pattern::parse("an object such as {\"fieldname\": value}");
        assert!(json.is_plain());
        assert_eq!(fill("{b}, {a}, {c}", &[("a", "1".into()), ("b", "2".into())]), "2, 1, {c}");
    }
}
