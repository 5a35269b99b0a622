//! Names of files that are safe as a path, in an address and in a header.

/// The longest stem kept, in characters, and in bytes of UTF-8.
const LONGEST: usize = 80;
const LONGEST_BYTES: usize = 150;
/// The longest ending kept, in characters.
const LONGEST_ENDING: usize = 16;

/// A sender's file name made harmless: no folders, no control characters, nothing that an address would read otherwise.
pub(in crate::rest) fn safe_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or("");
    let clean: String = last
        .chars()
        .map(|letter| match letter {
            '<' | '>' | ':' | '"' | '|' | '?' | '*' | '%' | '#' | '&' | ';' | '\'' | '`' => '-',
            letter if letter.is_control() => '-',
            // Letters that turn the direction of writing disguise endings.
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '-',
            letter => letter,
        })
        .collect();
    let clean = clean.trim().trim_start_matches('.').trim_end_matches(['.', ' ']).trim();
    let (stem, ending) = split(clean);
    let stem: String = stem[..stem.floor_char_boundary(LONGEST_BYTES)].chars().take(LONGEST).collect();
    let ending: String = ending.chars().take(LONGEST_ENDING).collect();
    match (stem.is_empty(), ending.is_empty()) {
        (true, true) => "file".to_owned(),
        (true, false) => format!("file.{ending}"),
        (false, true) => stem,
        (false, false) => format!("{stem}.{ending}"),
    }
}

/// The same name with something between stem and ending: `report.pdf` and `1a2b3c` make `report1a2b3c.pdf`.
pub(super) fn with_suffix(name: &str, suffix: &str) -> String {
    match split(name) {
        (stem, "") => format!("{stem}{suffix}"),
        (stem, ending) => format!("{stem}{suffix}.{ending}"),
    }
}

/// The ending of a name in capitals: `PDF`; empty if it has none.
pub(in crate::rest) fn extension(name: &str) -> String {
    split(name).1.to_uppercase()
}

fn split(name: &str) -> (&str, &str) {
    match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => (stem, ending),
        _ => (name, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::address::is_plain;

    #[test]
    fn names_are_made_harmless() {
        for (given, expected) in [
            ("report.pdf", "report.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\x\\a.txt", "a.txt"),
            (".htaccess", "htaccess"),
            ("..", "file"),
            ("", "file"),
            ("a b ü.png", "a b ü.png"),
            ("a\u{0}b\n.txt", "a-b-.txt"),
            ("100%#?.txt", "100---.txt"),
            ("gpj.\u{202e}exe", "gpj.-exe"),
            ("x. ", "x"),
        ] {
            assert_eq!(safe_name(given), expected, "{given:?}");
            assert!(is_plain(&safe_name(given)));
        }
        assert_eq!(safe_name(&"x".repeat(300)).len(), LONGEST);
        let long = safe_name(&format!("{}.{}", "\u{1f4d6}".repeat(300), "\u{1f4d6}".repeat(300)));
        assert!(is_plain(&with_suffix(&long, "0123456789")), "{long}: file systems count bytes");
        assert_eq!(safe_name(&format!("{}.pdf", "x".repeat(300))).len(), LONGEST + 4);
    }

    #[test]
    fn a_suffix_goes_before_the_ending() {
        assert_eq!(with_suffix("a.b.pdf", "1f"), "a.b1f.pdf");
        assert_eq!(with_suffix("a", "1f"), "a1f");
        assert_eq!(extension("a.b.pdf"), "PDF");
        assert_eq!(extension("a"), "");
    }
}
