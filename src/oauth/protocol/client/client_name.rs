//! The name of a client as people read it: what an unknown client may call itself, and how any name is shown.
//!
//! A name stands beside the question whether its client may act for somebody. So it is what it looks like: no
//! characters that cannot be seen or that turn the direction of writing, no word of letters of several scripts that look
//! alike, and not, however written, the name of somebody whom people trust (Unicode TR 36, TR 39).

use unicode_normalization::UnicodeNormalization as _;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};
use unicode_script::{Script, UnicodeScript as _};
use unicode_security::mixed_script::AugmentedScriptSet;
use unicode_security::{GeneralSecurityProfile as _, skeleton};

use crate::oauth::protocol::error::{Error, ErrorCode, Result};

/// Names that people trust, beside those of the site itself.
const KNOWN: [&str; 19] = [
    "Administrator",
    "Admin",
    "Guest",
    "System",
    "System Manager",
    "Support",
    "Security",
    "Google",
    "Microsoft",
    "Office 365",
    "Entra",
    "Apple",
    "Facebook",
    "GitHub",
    "GitLab",
    "Salesforce",
    "Keycloak",
    "fairlogin",
    "Frappe",
];
/// What people read of a client whose name is not readable.
pub(crate) const UNNAMED: &str = "Unnamed application";
/// How many marks may stand on one letter.
const MAX_MARKS: usize = 3;

/// The name that an unknown client gives itself, in its normal form. `site` are the names of the site.
pub(crate) fn of_stranger(name: &str, site: &[String]) -> Result<String> {
    let name = normal(name);
    if let Some(found) = name.chars().find(|character| !is_visible(*character)) {
        let code = u32::from(found);
        return Err(invalid(format!(
            "client_name has the character U+{code:04X}, which people do not see: leave it out"
        )));
    }
    if !has_few_marks(&name) {
        return Err(invalid("client_name has too many marks on one letter: write it without them".to_owned()));
    }
    if let Some(word) = name.split(|character: char| !character.is_alphanumeric()).find(|word| !is_of_one_script(word))
    {
        return Err(invalid(format!("client_name mixes letters of several scripts in {word}: write it in one")));
    }
    let known = KNOWN.into_iter().chain(site.iter().map(String::as_str));
    if let Some(known) = known.into_iter().find(|known| look_alike(&name, known)) {
        return Err(invalid(format!("client_name reads like {known}, which people trust: choose a name of your own")));
    }
    Ok(name)
}

/// A name as it may be shown, whoever stored it.
pub(crate) fn shown(name: &str) -> String {
    // As most names are.
    if name.bytes().any(|byte| byte != b' ') && name.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return name.trim().to_owned();
    }
    let visible: String = normal(name).chars().filter(|character| is_visible(*character)).collect();
    let visible = visible.trim();
    if visible.is_empty() { UNNAMED.to_owned() } else { visible.to_owned() }
}

/// Whether a name is shown as it is written.
pub(crate) fn is_readable(name: &str) -> bool {
    name.nfc().all(|character| is_visible(character) || character.is_whitespace())
}

/// Composed (NFC), with one ordinary space wherever there is any.
fn normal(name: &str) -> String {
    let composed: String = name.nfc().collect();
    composed.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether people see that there is a character, and what comes after it where it stands.
fn is_visible(character: char) -> bool {
    match character.general_category() {
        GeneralCategory::Control
        | GeneralCategory::Format
        | GeneralCategory::Surrogate
        | GeneralCategory::PrivateUse
        | GeneralCategory::Unassigned
        | GeneralCategory::LineSeparator
        | GeneralCategory::ParagraphSeparator => false,
        GeneralCategory::SpaceSeparator => character == ' ',
        // An empty braille pattern is blank, and a variation of a picture is one.
        GeneralCategory::OtherSymbol => character != '\u{2800}',
        _ if matches!(character, '\u{FE0E}' | '\u{FE0F}') => true,
        // Fillers, and letters that are there for compatibility alone.
        _ if character.is_alphanumeric() || is_mark(character) => character.identifier_allowed(),
        _ => true,
    }
}

fn is_mark(character: char) -> bool {
    use GeneralCategory::{EnclosingMark, NonspacingMark, SpacingMark};
    matches!(character.general_category(), EnclosingMark | NonspacingMark | SpacingMark)
}

fn has_few_marks(name: &str) -> bool {
    let mut marks = 0;
    name.chars().all(|character| {
        marks = if is_mark(character) { marks + 1 } else { 0 };
        marks <= MAX_MARKS
    })
}

/// Whether the letters of a word belong together: to one script, or, in East Asia, to those that are mixed there, with
/// Latin ones between them.
fn is_of_one_script(word: &str) -> bool {
    let scripts = AugmentedScriptSet::for_str(word);
    if !scripts.is_empty() {
        return true;
    }
    let is_latin = |letter: &char| letter.script() == Script::Latin;
    let others: String = word.chars().filter(|letter| !is_latin(letter)).collect();
    let scripts = AugmentedScriptSet::for_str(&others);
    scripts.hanb || scripts.jpan || scripts.kore
}

/// Whether two names look the same at a glance: without regard to case, spaces and punctuation.
fn look_alike(one: &str, other: &str) -> bool {
    let letters = |text: &str| text.chars().filter(|character| character.is_alphanumeric()).collect::<String>();
    let glance = |text: &str| skeleton(&letters(text)).collect::<String>().to_lowercase();
    let small = |text: &str| skeleton(&letters(text).to_lowercase()).collect::<String>();
    !letters(other).is_empty() && (glance(one) == glance(other) || small(one) == small(other))
}

fn invalid(message: String) -> Error {
    Error::new(ErrorCode::InvalidClientMetadata, message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stranger(name: &str) -> Result<String> {
        of_stranger(name, &["Example Library".to_owned(), "library.example".to_owned()])
    }

    #[test]
    fn honest_names_of_all_the_world_are_taken() {
        for name in [
            "Claude Code",
            "ChatGPT",
            "VS Code",
            "frappectl",
            "MCP Inspector (dev)",
            "C++ Runner",
            "Planer für Büro",
            "Планировщик",
            "日程アプリ",
            "LINEアプリ",
            "캘린더",
            "تقويم",
            "Étoile",
            "Caf\u{65}\u{301}",
            "🚀 Launch",
            "Tom & Jerry's",
            "Google Calendar Sync",
            "Unnamed application",
        ] {
            assert!(stranger(name).is_ok(), "{name}: {:?}", stranger(name));
        }
        assert_eq!(stranger("Cafe\u{301}  \u{a0}Planner ").unwrap(), "Café Planner");
    }

    #[test]
    fn what_cannot_be_seen_is_refused_and_never_shown() {
        for hidden in [
            '\u{202E}',
            '\u{2066}',
            '\u{200B}',
            '\u{200D}',
            '\u{FEFF}',
            '\u{AD}',
            '\u{7}',
            '\u{E000}',
            '\u{3164}',
            '\u{115F}',
            '\u{2800}',
            '\u{34F}',
            '\u{E0041}',
            '\u{180E}',
            '\u{61C}',
            '\u{FFA0}',
        ] {
            let name = format!("Pla{hidden}nner");
            assert!(stranger(&name).is_err(), "{hidden:?}");
            assert!(!is_readable(&name), "{hidden:?}");
            assert_eq!(shown(&name), "Planner", "{hidden:?}");
        }
        assert_eq!(shown("\u{202E}\u{200B}"), UNNAMED);
        assert!(stranger(&format!("Z{}", "\u{35C}".repeat(9))).is_err());
    }

    #[test]
    fn the_names_of_others_are_refused_however_they_are_written() {
        for name in [
            "Administrator",
            "ADMINISTRATOR",
            "administrator",
            "Adm\u{456}nistrator",
            "Google",
            "G00gle",
            "Goog1e",
            "GoogIe",
            "G o o g l e",
            "\u{405}ystem",
            "Example Library",
            "example-library",
            "Exаmple Library",
            "library.example",
            "Office365",
            "Micro\u{455}oft",
            "Ａdministrator",
        ] {
            assert!(stranger(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_word_of_several_scripts_is_refused() {
        for name in ["P\u{430}ypal", "Gr\u{03BF}up Planner", "Бу\u{6F}к"] {
            assert!(stranger(name).is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_stored_is_shown_as_something_that_is_readable(name in "\\PC*|.*") {
            let shown = shown(&name);
            prop_assert!(!shown.trim().is_empty() && is_readable(&shown));
            let _ = stranger(&name);
        }
    }
}
