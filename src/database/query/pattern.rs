//! LIKE without regard to case, also where SQLite's own knows ASCII letters only.

/// The GLOB pattern that matches what a LIKE pattern means, if LIKE itself would be wrong: SQLite's LIKE ignores the case of
/// ASCII letters only, so `%ä%` would not find `Ä`.
///
/// Letters whose other case is several letters (ß) match themselves.
pub(super) fn glob(like: &str) -> Option<String> {
    if !like.chars().any(|letter| !letter.is_ascii() && other_case(letter).is_some()) {
        return None;
    }
    let mut glob = String::with_capacity(like.len() * 4);
    for letter in like.chars() {
        match letter {
            '%' => glob.push('*'),
            '_' => glob.push('?'),
            '*' | '?' | '[' => {
                glob.push('[');
                glob.push(letter);
                glob.push(']');
            }
            _ => match other_case(letter) {
                Some(other) => glob.extend(['[', letter, other, ']']),
                None => glob.push(letter),
            },
        }
    }
    Some(glob)
}

/// The same letter in the other case, if that is one letter.
pub(super) fn other_case(letter: char) -> Option<char> {
    let single = |mut letters: Box<dyn Iterator<Item = char>>| {
        let first = letters.next()?;
        letters.next().is_none().then_some(first)
    };
    [single(Box::new(letter.to_lowercase())), single(Box::new(letter.to_uppercase()))]
        .into_iter()
        .flatten()
        .find(|other| *other != letter)
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn only_letters_outside_ascii_need_glob() {
        assert_eq!(glob("%abc_"), None);
        assert_eq!(glob("%ß%"), None);
        assert_eq!(glob("日本%"), None);
        assert_eq!(glob("%ä[*_z").as_deref(), Some("*[äÄ][[][*]?[zZ]"));
    }
}
