//! The names of tables, indexes and sequences: short enough for every database, the same on every start.

use std::hash::{Hash, Hasher};

use crate::database::connect::Backend;
use crate::meta::doctype::scrub;

/// PostgreSQL cuts longer identifiers silently.
const POSTGRES_LIMIT: usize = 63;
/// The longest name that we make; leaves room under every database's limit.
const MADE_LIMIT: usize = 60;

/// A name as the database stores it.
pub(crate) fn physical(backend: Backend, name: &str) -> &str {
    match backend {
        Backend::Sqlite => name,
        Backend::Postgres => &name[..name.floor_char_boundary(POSTGRES_LIMIT)],
    }
}

/// Two names reach the same table or column if their keys are equal.
pub(crate) fn key(backend: Backend, name: &str) -> String {
    match backend {
        Backend::Sqlite => name.to_ascii_lowercase(),
        Backend::Postgres => physical(backend, name).to_owned(),
    }
}

/// What the names of our indexes begin with: plain ones, unique ones, those of trigrams, those of words.
const KINDS: [&str; 4] = ["ix", "ux", TRIGRAMS, WORDS];
const TRIGRAMS: &str = "tx";
const WORDS: &str = "wx";

/// The name of an index that we make: `ix tabNote.creation,name`, or `ux …` if it is unique.
///
/// Neither a dot nor a comma is ever part of a DocType's or a field's name, so no two indexes share one.
pub(super) fn index(table: &str, columns: &[String], unique: bool) -> String {
    of_kind(if unique { "ux" } else { "ix" }, table, columns)
}

/// The name of an index of trigrams: `tx tabNote.name,title`.
pub(in crate::database) fn trigrams<'a>(table: &str, columns: impl IntoIterator<Item = &'a str>) -> String {
    of_kind(TRIGRAMS, table, &columns.into_iter().map(ToOwned::to_owned).collect::<Vec<_>>())
}

/// Whether an index of ours is one of trigrams.
pub(in crate::database) fn is_trigrams(name: &str) -> bool {
    name.strip_prefix(TRIGRAMS).is_some_and(|rest| rest.starts_with(" tab"))
}

/// The name of an index of words: `wx tabNote.name,title;text`, what names a document before the rest.
pub(in crate::database) fn words(table: &str, heads: &[String], others: &[String]) -> String {
    short(&format!("{WORDS} {table}.{};{}", heads.join(","), others.join(",")), "")
}

/// Whether an index of ours is one of words.
pub(in crate::database) fn is_words(name: &str) -> bool {
    name.strip_prefix(WORDS).is_some_and(|rest| rest.starts_with(" tab"))
}

fn of_kind(kind: &str, table: &str, columns: &[String]) -> String {
    short(&format!("{kind} {table}.{}", columns.join(",")), "")
}

/// Whether an index of that table was made by us; all others are left alone.
pub(crate) fn is_own_index(table: &str, name: &str) -> bool {
    KINDS.iter().any(|kind| {
        let prefix = format!("{kind} {table}.");
        name.starts_with(&prefix[..prefix.floor_char_boundary(kept(""))])
    })
}

/// The sequence behind an autoincrement DocType on PostgreSQL, as Frappe names it.
pub(crate) fn sequence(doctype: &str) -> String {
    short(&scrub(doctype), "_id_seq")
}

/// The name with its suffix; what is too long ends in a digest of the whole.
fn short(name: &str, suffix: &str) -> String {
    if name.len() + suffix.len() <= MADE_LIMIT {
        return format!("{name}{suffix}");
    }
    let start = &name[..name.floor_char_boundary(kept(suffix))];
    format!("{start}_{}{suffix}", fingerprint(name))
}

/// How much of a name that is too long stays readable.
fn kept(suffix: &str) -> usize {
    MADE_LIMIT - suffix.len() - 17
}

/// 16 hexadecimal digits that stay the same between runs; not for secrets.
pub(in crate::database) fn fingerprint(of: &(impl Hash + ?Sized)) -> String {
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    of.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// FNV-1a: the standard library's hasher may change between versions.
struct Fnv(u64);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_names_are_short_distinct_and_recognised() {
        let table = format!("tab{}", "Very Long DocType Name ".repeat(3).trim_end());
        let one = index(&table, &["creation".to_owned(), "name".to_owned()], false);
        let two = index(&table, &["creation".to_owned(), "names".to_owned()], false);
        assert_ne!(one, two);
        for name in [&one, &two] {
            assert!(name.len() <= MADE_LIMIT, "{name}");
            assert!(is_own_index(&table, name), "{name}");
        }
        assert_eq!(index("tabNote", &["title".to_owned()], true), "ux tabNote.title");
        assert!(is_own_index("tabNote", "ux tabNote.title"));
        assert!(!is_own_index("tabNote", "by_title"));
        assert!(!is_own_index("tabNotes", "ux tabNote.title"));
    }

    #[test]
    fn a_name_too_long_for_postgresql_is_cut_as_it_would_cut_it() {
        let long = "x".repeat(64);
        assert_eq!(physical(Backend::Postgres, &long).len(), 63);
        assert_eq!(physical(Backend::Sqlite, &long).len(), 64);
        assert_eq!(key(Backend::Sqlite, "tabNote"), key(Backend::Sqlite, "TABNOTE"));
        assert_ne!(key(Backend::Postgres, "tabNote"), key(Backend::Postgres, "tabNOTE"));
    }
}
