//! Distinguished names, in certificates and as text (RFC 4514), so that one can be told from the other.

use std::collections::BTreeSet;

use x509_cert::der::asn1::{Ia5StringRef, ObjectIdentifier, PrintableStringRef, Utf8StringRef};
use x509_cert::der::{Any, Decode as _, Encode as _, Tag, Tagged as _};
use x509_cert::name::Name;

/// The short names of attribute types: those of RFC 4514 §3, and what `openssl` writes beside them.
const TYPES: [(&str, &str); 12] = [
    ("CN", "2.5.4.3"),
    ("L", "2.5.4.7"),
    ("ST", "2.5.4.8"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("C", "2.5.4.6"),
    ("STREET", "2.5.4.9"),
    ("DC", "0.9.2342.19200300.100.1.25"),
    ("UID", "0.9.2342.19200300.100.1.1"),
    ("SERIALNUMBER", "2.5.4.5"),
    ("ORGANIZATIONIDENTIFIER", "2.5.4.97"),
    ("EMAILADDRESS", "1.2.840.113549.1.9.1"),
];

/// A distinguished name. Two are the same if they have the same parts in the same order, letter by letter; how a
/// certificate encodes its texts makes no difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DistinguishedName(Vec<BTreeSet<(String, Value)>>);

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Text(String),
    /// Of a kind that is not text, as DER.
    Der(Vec<u8>),
}

/// Why a text is not a distinguished name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is not a distinguished name: write it as CN=planner,O=Example,C=AT, what stands first in the certificate last"
)]
pub(crate) struct NoDistinguishedName(String);

impl DistinguishedName {
    /// Reads a text; an empty one is not a name.
    pub(crate) fn parse(text: &str) -> Result<Self, NoDistinguishedName> {
        Reader { rest: text }.name().ok_or_else(|| NoDistinguishedName(text.to_owned()))
    }

    /// The name of a certificate's subject; `None` if it is empty or cannot be read.
    pub(crate) fn of(name: &Name) -> Option<Self> {
        let mut parts = Vec::new();
        for part in name.iter_rdn() {
            let values = part.iter().map(|attribute| {
                let der = attribute.value.to_der().ok()?;
                Some((attribute.oid.to_string(), Value::of(&der)?))
            });
            parts.push(values.collect::<Option<BTreeSet<_>>>()?);
        }
        // RFC 4514 §2.1: the text begins with the last part.
        parts.reverse();
        Some(Self(parts)).filter(|name| !name.0.is_empty())
    }
}

impl Value {
    fn of(der: &[u8]) -> Option<Self> {
        let any = Any::from_der(der).ok()?;
        let text = match any.tag() {
            Tag::Utf8String => Utf8StringRef::try_from(&any).ok()?.as_str().to_owned(),
            Tag::PrintableString => PrintableStringRef::try_from(&any).ok()?.as_str().to_owned(),
            Tag::Ia5String => Ia5StringRef::try_from(&any).ok()?.as_str().to_owned(),
            _ => return Some(Self::Der(der.to_vec())),
        };
        Some(Self::Text(text))
    }
}

/// Reads a name from the left (RFC 4514 §3).
struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn name(mut self) -> Option<DistinguishedName> {
        let mut parts = vec![BTreeSet::new()];
        loop {
            let attribute = (self.attribute_type()?, self.value()?);
            let is_new = parts.last_mut()?.insert(attribute);
            if !is_new {
                return None;
            }
            match self.next() {
                None => return Some(DistinguishedName(parts)),
                Some('+') => {}
                Some(',' | ';') => parts.push(BTreeSet::new()),
                Some(_) => return None,
            }
        }
    }

    fn next(&mut self) -> Option<char> {
        let first = self.rest.chars().next()?;
        self.rest = &self.rest[first.len_utf8()..];
        Some(first)
    }

    fn attribute_type(&mut self) -> Option<String> {
        let (name, rest) = self.rest.split_once('=')?;
        self.rest = rest;
        let name = name.trim_matches(' ');
        match TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, oid)) => Some((*oid).to_owned()),
            None => ObjectIdentifier::new(name).ok().map(|oid| oid.to_string()),
        }
    }

    fn value(&mut self) -> Option<Value> {
        self.rest = self.rest.trim_start_matches(' ');
        if let Some(rest) = self.rest.strip_prefix('#') {
            let end = rest.find([',', '+', ';']).unwrap_or(rest.len());
            let (digits, rest) = rest.split_at(end);
            self.rest = rest;
            return Value::of(&hex(digits.trim_end_matches(' '))?);
        }
        let mut bytes = Vec::new();
        // Spaces at the end do not count, unless they are escaped.
        let mut length = 0;
        while let Some(letter) = self.rest.chars().next() {
            match letter {
                ',' | '+' | ';' => break,
                '"' | '<' | '>' | '\0' => return None,
                '\\' => {
                    self.next();
                    self.escaped(&mut bytes)?;
                    length = bytes.len();
                }
                letter => {
                    self.next();
                    bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                    if letter != ' ' {
                        length = bytes.len();
                    }
                }
            }
        }
        bytes.truncate(length);
        String::from_utf8(bytes).ok().filter(|text| !text.is_empty()).map(Value::Text)
    }

    /// What follows a backslash: a letter that would mean something else, or a byte in two digits.
    fn escaped(&mut self, bytes: &mut Vec<u8>) -> Option<()> {
        let first = self.rest.chars().next()?;
        if matches!(first, ' ' | '"' | '#' | '+' | ',' | ';' | '<' | '=' | '>' | '\\') {
            self.next();
            bytes.push(u8::try_from(first).ok()?);
        } else {
            bytes.extend(hex(self.rest.get(..2)?)?);
            self.rest = &self.rest[2..];
        }
        Some(())
    }
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> DistinguishedName {
        DistinguishedName::parse(text).unwrap()
    }

    fn text(value: &str) -> Value {
        Value::Text(value.to_owned())
    }

    #[test]
    fn one_name_may_be_written_in_several_ways() {
        let name = parse("CN=planner,O=Example\\, Inc.,C=AT");
        for same in [
            "cn=planner, o=Example\\2c Inc., c=AT",
            " CN = planner ; O=Example\\, Inc.;C=AT ",
            "2.5.4.3=planner,2.5.4.10=Example\\, Inc.,2.5.4.6=AT",
            // A UTF8String and a PrintableString in hexadecimal digits.
            "CN=#0c07706c616e6e6572,O=Example\\, Inc.,C=#13024154",
        ] {
            assert_eq!(parse(same), name, "{same}");
        }
        for other in [
            "CN=Planner,O=Example\\, Inc.,C=AT",
            "C=AT,O=Example\\, Inc.,CN=planner",
            "CN=planner,O=Example\\, Inc.",
            "CN=planner,O=Example,C=AT",
            "CN=planner+O=Example\\, Inc.,C=AT",
            "CN=planner\\ ,O=Example\\, Inc.,C=AT",
        ] {
            assert_ne!(parse(other), name, "{other}");
        }
    }

    #[test]
    fn several_values_of_one_part_have_no_order() {
        assert_eq!(parse("OU=Sales+CN=planner,DC=example"), parse("CN=planner+OU=Sales,DC=example"));
    }

    #[test]
    fn escaped_bytes_are_utf8() {
        assert_eq!(parse("CN=Lu\\C4\\8Di\\C4\\87"), parse("CN=Lučić"));
        assert_eq!(parse("CN=\\#1\\\\").0[0], BTreeSet::from([("2.5.4.3".to_owned(), text("#1\\"))]));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for bad in [
            "",
            "planner",
            "CN=",
            "CN=a,",
            "CN=a,,O=b",
            "XY=a",
            "CN=a\\",
            "CN=a\\g0",
            "CN=\\ff",
            "CN=#0",
            "CN=#zz",
            "CN=\"a\"",
            "CN=a<b",
            "CN=a+CN=a",
        ] {
            assert!(DistinguishedName::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_somebody_enters_breaks_the_reader(text in "\\PC{0,40}") {
            let _ = DistinguishedName::parse(&text);
        }

        #[test]
        fn every_value_is_read_as_it_was_escaped(value in "\\PC{1,20}") {
            let escaped = value.bytes().fold(String::new(), |all, byte| all + &format!("\\{byte:02x}"));
            prop_assert_eq!(&parse(&format!("CN={escaped},C=AT")).0[0], &BTreeSet::from([("2.5.4.3".to_owned(), text(&value))]));
        }
    }
}
