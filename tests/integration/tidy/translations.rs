//! Catalogs: German has all that people read, no language has what nobody says any more, and every message is known again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::read_to_string;

use doctyped::testing::language::{Language, Pattern, localize, said};
use doctyped::testing::load::{Source, load};
use doctyped::testing::meta::Fieldtype;

use super::{files_below, root, shown};

/// Texts that are the same in every language: names, examples, units.
const ALIKE: [&str; 12] = [
    "API",
    "CSV",
    "Core",
    "DocType",
    "DocTypes",
    "GeoJSON",
    "OAuth",
    "XXXX-XXXX",
    "/files/… or https://…",
    "max. {most}",
    "UTC",
    "ID",
];

/// The rooms whose messages people meet in the desk, at the login and in their account.
const SPOKEN: [&str; 6] = ["account", "data_import", "desk", "document", "permissions", "web"];

/// What makes a text a message to people: the calls whose first text it is.
const TOLD: [&str; 12] = [
    "misuse(",
    "FieldProblem::general(",
    "FieldProblem::at(",
    "Error::invalid(",
    "Invalid::one(",
    "Flash::done(",
    "Flash::failed(",
    "Error::Permission(",
    "Error::BadRequest(",
    "Error::NoSuchRoute(",
    "Error::Unavailable(",
    "Conflict::Name(",
];

/// What a calendar says, which no file spells out.
const CALENDAR: &str = "January February March April May June July August September October November December \
    Monday Tuesday Wednesday Thursday Friday Saturday Sunday Mon Tue Wed Thu Fri Sat Sun";

/// Texts with where each was found first.
type Texts = BTreeMap<String, String>;

fn german() -> Language {
    catalog("de")
}

fn catalog(code: &str) -> Language {
    let text = std::fs::read(root().join(format!("templates/locale/{code}.po"))).expect("the catalog is there");
    Language::read(code, &[&text]).expect("a catalog that can be read")
}

/// What templates say.
fn of_templates() -> Texts {
    let mut texts = Texts::new();
    for file in files_below("templates", &["hbs"]) {
        let source = read_to_string(&file).expect("readable");
        localize(&source, "", &mut |text| {
            texts.entry(text.to_owned()).or_insert_with(|| shown(&file));
            None
        });
    }
    texts
}

/// What scripts say.
fn of_scripts() -> Texts {
    let scripts = files_below("templates/assets/desk", &["js"]);
    let texts = scripts.iter().flat_map(|file| {
        let source = read_to_string(file).expect("readable");
        said(&source).into_iter().map(|text| (text, shown(file))).collect::<Vec<_>>()
    });
    texts.collect()
}

/// What definitions say: names, descriptions, labels, help, placeholders, options.
fn of_definitions() -> Texts {
    let sources: Vec<Source> = files_below("doctypes", &["yaml"])
        .iter()
        .map(|path| Source { path: shown(path), text: read_to_string(path).expect("readable") })
        .collect();
    let mut texts = Texts::new();
    for doctype in load(&sources).doctypes {
        let mut add = |text: &str| {
            if text.chars().any(char::is_alphabetic) {
                texts.entry(text.to_owned()).or_insert_with(|| doctype.name.clone());
            }
        };
        for text in [&doctype.name, &doctype.module, &doctype.description] {
            add(text);
        }
        for field in &doctype.fields {
            for text in [&field.label, &field.description, &field.placeholder] {
                add(text);
            }
            match field.fieldtype {
                Fieldtype::Select => field.select_options().for_each(&mut add),
                Fieldtype::Html | Fieldtype::Heading => add(&field.options),
                _ => {}
            }
        }
    }
    texts
}

/// The texts between quotes of a Rust file, without its tests, with what stands before each.
fn literals(source: &str) -> Vec<(String, String)> {
    let code = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n");
    let (mut found, mut text, mut start) = (Vec::new(), None::<String>, 0);
    let mut chars = code.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match (&mut text, c) {
            (None, '\'') => {
                // A character, which may be a quote.
                let rest = &code[at..];
                let skip = if rest.starts_with("'\\") { 3 } else { 2 };
                if rest.chars().nth(skip) == Some('\'') {
                    chars.nth(skip - 1);
                }
            }
            (None, '"') => (text, start) = (Some(String::new()), at),
            (Some(_), '"') => {
                let before = code[..start].chars().rev().take(90).collect::<Vec<_>>().into_iter().rev().collect();
                found.extend(text.take().map(|text| (text, before)));
            }
            (Some(text), '\\') => match chars.next() {
                Some((_, '\n')) => while chars.next_if(|(_, c)| c.is_whitespace()).is_some() {},
                Some((_, 'n')) => text.push('\n'),
                Some((_, c)) => text.push(c),
                None => {}
            },
            (Some(text), c) => text.push(c),
            (None, _) => {}
        }
    }
    found
}

/// A text with every value in braces made the same, as formats and catalogs name them differently.
fn shape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.trim();
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let end = after.find('}').filter(|end| {
            let name = after[..*end].split(':').next().unwrap_or_default();
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        });
        if let Some(after) = after.strip_prefix('{') {
            out.push('{');
            rest = after;
        } else if let Some(end) = end {
            out.push_str("{}");
            rest = &after[end + 1..];
        } else {
            out.push('{');
            rest = after;
        }
    }
    out.push_str(rest);
    out.replace("}}", "}")
}

#[test]
fn german_has_all_that_pages_scripts_and_definitions_say() {
    let german = german();
    let mut missing = Vec::new();
    let of_calendar = CALENDAR.split_whitespace().map(|text| (text.to_owned(), "calendars".to_owned()));
    for (text, place) in of_templates().into_iter().chain(of_scripts()).chain(of_definitions()).chain(of_calendar) {
        if german.text(&text).is_none() && !ALIKE.contains(&text.as_str()) {
            missing.push(format!("{place}: {text}"));
        }
    }
    assert!(missing.is_empty(), "templates/locale/de.po lacks {} texts:\n{}", missing.len(), missing.join("\n"));
}

#[test]
fn german_has_every_message_of_the_desk() {
    let known: BTreeSet<String> = german().texts().map(|(source, _)| shape(source)).collect();
    let mut missing = Vec::new();
    for room in SPOKEN {
        for file in files_below(&format!("src/{room}"), &["rs"]) {
            for (text, before) in literals(&read_to_string(&file).expect("readable")) {
                let told = TOLD.iter().any(|call| {
                    let rest = before.rsplit_once(call).map(|(_, rest)| rest);
                    // Nothing stands between the call and the text but what makes the text.
                    rest.is_some_and(|rest| !rest.contains(';') && !rest.contains('"') && !rest.contains("=>"))
                });
                if told && text.contains(' ') && !known.contains(&shape(&text)) {
                    missing.push(format!("{}: {text}", shown(&file)));
                }
            }
        }
    }
    assert!(missing.is_empty(), "templates/locale/de.po lacks {} messages:\n{}", missing.len(), missing.join("\n"));
}

#[test]
fn catalogs_hold_nothing_that_nobody_says() {
    let mut said: Vec<String> =
        [of_templates(), of_scripts(), of_definitions()].into_iter().flatten().map(|(text, _)| shape(&text)).collect();
    for file in files_below("src", &["rs"]) {
        let texts = literals(&read_to_string(&file).expect("readable"));
        said.extend(texts.into_iter().map(|(text, _)| shape(&text)));
    }
    said.push(CALENDAR.to_owned());
    let said = said.join("\n");
    for code in ["de", "ar"] {
        let catalog = catalog(code);
        // Messages that are put together have their words in several places.
        let is_said = |source: &str| shape(source).split("{}").map(str::trim).all(|words| said.contains(words));
        let stale: Vec<&str> = catalog.texts().map(|(source, _)| source).filter(|source| !is_said(source)).collect();
        assert!(
            stale.is_empty(),
            "templates/locale/{code}.po has {} texts too many:\n{}",
            stale.len(),
            stale.join("\n")
        );
    }
}

#[test]
fn a_translation_has_the_values_and_the_markup_of_its_text() {
    for code in ["de", "ar"] {
        for (source, text) in catalog(code).texts() {
            let parts = |text: &str| -> BTreeSet<String> {
                let names = Pattern::names_in(text).map(|name| format!("{{{name}}}"));
                let tags = text.split('<').skip(1).filter_map(|rest| rest.split_once('>').map(|(tag, _)| tag));
                let tags = tags.filter(|tag| tag.trim_start_matches('/').bytes().all(|byte| byte.is_ascii_digit()));
                names.chain(tags.map(|tag| format!("<{tag}>"))).filter(|part| part != "{count}").collect()
            };
            assert_eq!(parts(source), parts(text), "{code}: {source:?} is {text:?}");
        }
    }
}

#[test]
fn every_message_is_known_again() {
    let german = german();
    for pattern in german.patterns() {
        // What people write between the words must not lead to another message.
        let message = pattern.with(|name| if name == "count" { "7".to_owned() } else { format!("«{name}»") });
        let best =
            german.patterns().find(|known| known.find(&message, &|_, _| false).is_some()).expect("at least itself");
        let values = best.find(&message, &|_, _| false).expect("it was found");
        for (_, value) in values {
            let whole = value.matches('«').count() == value.matches('»').count();
            assert!(whole, "{message:?} is taken for {best:?}");
        }
    }
}
