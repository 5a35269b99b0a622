//! Languages: what texts of the program and of definitions are called in another language, and who reads which.
//!
//! English is what the program is written in, and the key to everything else: a catalog holds what stands in its place.
//! Layers below know no reader and speak English; where a text leaves for a person, [`Language::say`] turns it. A message
//! with values in it is recognised by the words around them (`"{label} is required"`), so that whoever writes a message
//! writes it once, in one place, and needs to know nothing of languages.

mod pattern;
mod plural;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, anyhow, ensure};
use arc_swap::ArcSwap;

use self::pattern::Index;
pub use self::pattern::Pattern;
pub(crate) use self::pattern::fill;
use self::plural::Plurals;

/// The language that the program is written in.
pub(crate) const ENGLISH: &str = "en";

/// The head of a catalog that says nothing of itself.
const HEAD: &str = "msgid \"\"\nmsgstr \"Content-Type: text/plain; charset=UTF-8\\n\"\n\n";

/// How long a message is at most, in bytes; longer ones hold what somebody sent, and looking for their words would take as
/// long as that is.
const LONGEST: usize = 4096;

/// How deep messages may stand inside messages.
const MOST_LEVELS: usize = 3;

/// Languages that are written from right to left.
const RIGHT_TO_LEFT: [&str; 8] = ["ar", "arc", "dv", "fa", "he", "ps", "ur", "yi"];

/// The names of values in messages that are texts of the program or of definitions themselves, not what people wrote.
const TEXTS: [&str; 26] = [
    "checked",
    "doctype",
    "done",
    "error",
    "gone",
    "heading",
    "istable",
    "label",
    "labels",
    "message",
    "names",
    "others",
    "problem",
    "purpose",
    "reason",
    "right",
    "rights",
    "row",
    "say",
    "span",
    "target_doctype",
    "text",
    "unit",
    "verb",
    "what",
    "why",
];

/// A language; cheap to clone.
#[derive(Clone, Debug)]
pub struct Language {
    catalog: Arc<Catalog>,
    /// What DocType files translate themselves.
    of_definitions: Arc<ArcSwap<OfDefinitions>>,
}

/// What DocType files translate themselves.
#[derive(Debug, Default)]
struct OfDefinitions {
    texts: HashMap<String, String>,
    /// Messages with values, those with the most words first.
    messages: Vec<(Pattern, String)>,
}

/// What texts are called in a language.
#[derive(Debug)]
struct Catalog {
    code: String,
    texts: HashMap<String, String>,
    /// All forms of texts that have several.
    forms: HashMap<String, Forms>,
    /// Messages with values, those with the most words first.
    messages: Vec<(Pattern, Forms)>,
    index: Index,
    plurals: Plurals,
}

/// What stands in the place of a message: one text, or one for each plural form.
type Forms = Vec<String>;

impl Language {
    /// English: every text is its own translation.
    pub fn english() -> Self {
        static LANGUAGE: OnceLock<Language> = OnceLock::new();
        LANGUAGE
            .get_or_init(|| {
                Self::of(Arc::new(Catalog {
                    code: ENGLISH.to_owned(),
                    texts: HashMap::new(),
                    forms: HashMap::new(),
                    messages: Vec::new(),
                    index: Index::default(),
                    plurals: Plurals::of(ENGLISH),
                }))
            })
            .clone()
    }

    fn of(catalog: Arc<Catalog>) -> Self {
        Self { catalog, of_definitions: Arc::default() }
    }

    /// Reads catalogs in the form of gettext (PO); later ones go before earlier ones.
    pub fn read(code: &str, catalogs: &[&[u8]]) -> anyhow::Result<Self> {
        Ok(Self::of(Arc::new(Catalog::read(code, catalogs)?)))
    }

    /// Its code, as HTML has it: `de`, `pt-BR`.
    pub fn code(&self) -> &str {
        &self.catalog.code
    }

    /// Whether it is what the program is written in.
    pub fn is_english(&self) -> bool {
        self.catalog.code == ENGLISH
    }

    /// `ltr` or `rtl`, as HTML has it.
    pub fn direction(&self) -> &'static str {
        let language = self.catalog.code.split(['-', '_']).next().unwrap_or_default();
        if RIGHT_TO_LEFT.contains(&language) { "rtl" } else { "ltr" }
    }

    /// What stands in the place of a text of the program, with its placeholders as they are.
    pub fn text(&self, source: &str) -> Option<&str> {
        self.catalog.texts.get(source).map(String::as_str)
    }

    /// All plural forms of a text that has several, in the order of the language.
    pub fn forms(&self, source: &str) -> Option<&[String]> {
        self.catalog.forms.get(source).map(Vec::as_slice)
    }

    /// Every text that the catalog has another for, and that text.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.catalog.texts.iter().map(|(source, text)| (source.as_str(), text.as_str()))
    }

    /// Messages that are recognised by their words.
    pub fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.catalog.messages.iter().map(|(pattern, _)| pattern)
    }

    /// Lets what DocType files translate count in messages too.
    pub fn set_of_definitions(&self, texts: HashMap<String, String>) {
        let pattern = |(source, text): (&String, &String)| (Pattern::parse(source), text.clone());
        let mut messages: Vec<(Pattern, String)> =
            texts.iter().filter(|(source, _)| source.contains('{')).map(pattern).collect();
        messages.retain(|(pattern, _)| !pattern.is_plain() && pattern.is_telling());
        messages.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.weight()));
        self.of_definitions.store(Arc::new(OfDefinitions { texts, messages }));
    }

    /// A text or message of the program in this language; as it is where the catalog knows nothing better.
    pub fn say<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.is_english() { Cow::Borrowed(text) } else { self.say_within(text, MOST_LEVELS) }
    }

    /// A message whose values are at hand, for one that its words alone do not tell from others: `{month} {year}`.
    pub fn filled(&self, message: &str, values: &[(&str, Cow<'_, str>)]) -> String {
        fill(self.text(message).unwrap_or(message), values)
    }

    fn say_within<'t>(&self, text: &'t str, levels: usize) -> Cow<'t, str> {
        if let Some(known) = self.of_definitions.load().texts.get(text) {
            return Cow::Owned(known.clone());
        }
        if let Some(known) = self.text(text) {
            return Cow::Owned(known.to_owned());
        }
        if levels == 0 || text.is_empty() || text.len() > LONGEST {
            return Cow::Borrowed(text);
        }
        let of_definitions = self.of_definitions.load();
        let is_text = |name: &str| TEXTS.contains(&name.trim_end_matches(|c: char| c == '_' || c.is_ascii_digit()));
        let is_known = |name: &str, value: &str| {
            is_text(name) && (of_definitions.texts.contains_key(value) || self.catalog.texts.contains_key(value))
        };
        for (pattern, translation) in &of_definitions.messages {
            let Some(values) = pattern.find(text, &is_known) else { continue };
            let values = values.iter().map(|(name, value)| (*name, self.say_within(value, levels - 1)));
            return Cow::Owned(fill(translation, &values.collect::<Vec<_>>()));
        }
        for place in self.catalog.index.places(text) {
            let (pattern, forms) = &self.catalog.messages[place];
            let Some(values) = pattern.find(text, &is_known) else { continue };
            let form = match values.iter().find(|(name, _)| *name == "count") {
                Some((_, count)) => self.catalog.plurals.form_of(count, forms.len()),
                None => 0,
            };
            let values = values.iter().map(|(name, value)| {
                (*name, if is_text(name) { self.say_within(value, levels - 1) } else { Cow::Borrowed(*value) })
            });
            return Cow::Owned(fill(&forms[form], &values.collect::<Vec<_>>()));
        }
        Cow::Borrowed(text)
    }
}

impl Catalog {
    /// What is marked as fuzzy does not count.
    fn read(code: &str, catalogs: &[&[u8]]) -> anyhow::Result<Self> {
        let (mut texts, mut all_forms) = (HashMap::new(), HashMap::new());
        let (mut messages, plurals) = (BTreeMap::new(), Plurals::of(code));
        for catalog in catalogs {
            let catalog = cleaned(catalog)?;
            let catalog = polib::po_file::parse_from_reader(catalog.as_bytes()).map_err(|error| anyhow!("{error}"))?;
            for entry in catalog.messages() {
                if entry.is_fuzzy() || !entry.is_translated() {
                    continue;
                }
                let (id, forms) = if entry.is_plural() {
                    let forms = entry.msgstr_plural().map_err(|_| anyhow!("{} has no plural forms", entry.msgid()))?;
                    (entry.msgid_plural().unwrap_or_else(|_| entry.msgid()), forms.clone())
                } else {
                    let text = entry.msgstr().map_err(|_| anyhow!("{} has no text", entry.msgid()))?;
                    (entry.msgid(), vec![text.to_owned()])
                };
                let pattern = Pattern::parse(id);
                for form in &forms {
                    let unknown = Pattern::names_in(form).find(|name| !pattern.names().contains(name));
                    ensure!(unknown.is_none(), "the translation of {id:?} names {{{}}}", unknown.unwrap_or_default());
                }
                let Some(most) = forms.last() else { continue };
                if entry.is_plural() {
                    // `1 document` beside `{count} documents`.
                    let of_one = forms[plurals.form_of("1", forms.len())].replace("{count}", "1");
                    texts.insert(entry.msgid().to_owned(), of_one);
                    all_forms.insert(id.to_owned(), forms.clone());
                }
                texts.insert(id.to_owned(), most.clone());
                if !pattern.is_plain() {
                    messages.insert(id.to_owned(), (pattern, forms));
                }
            }
        }
        let mut messages: Vec<(Pattern, Forms)> =
            messages.into_values().filter(|(pattern, _)| pattern.is_telling()).collect();
        // Of those with as many words, the one that counts has plural forms.
        messages.sort_by_key(|(pattern, forms)| std::cmp::Reverse((pattern.weight(), forms.len())));
        let index = Index::of(messages.iter().map(|(pattern, _)| pattern));
        Ok(Self { code: code.to_owned(), texts, forms: all_forms, messages, index, plurals })
    }
}

/// A catalog as the parser wants it, which takes a head and empty lines for granted and nothing else; else what is wrong
/// with it.
fn cleaned(catalog: &[u8]) -> anyhow::Result<String> {
    let catalog = std::str::from_utf8(catalog).context("a catalog is text in UTF-8")?.trim_start_matches('\u{feff}');
    let mut out = if catalog.contains("msgid \"\"\nmsgstr \"\"") { String::new() } else { HEAD.to_owned() };
    let (mut is_open, mut is_translated) = (false, false);
    for (number, line) in catalog.lines().map(str::trim_end).enumerate() {
        let keyword = line.split_once(' ').filter(|(keyword, _)| keyword.starts_with("msg"));
        let (keyword, text) = keyword.unwrap_or(("", line));
        let is_quoted = text.len() >= 2 && text.starts_with('"') && text.ends_with('"');
        let is_known = line.is_empty() || line.starts_with('#') || (is_quoted && (is_open || !keyword.is_empty()));
        ensure!(is_known, "line {}: neither msgid, msgstr nor a text in quotes", number + 1);
        if is_translated && (matches!(keyword, "msgid" | "msgctxt") || line.starts_with('#')) {
            out.push('\n');
            is_translated = false;
        }
        is_open |= !keyword.is_empty();
        is_translated |= keyword.starts_with("msgstr");
        if line != "#" {
            out.push_str(line);
            out.push('\n');
        }
    }
    Ok(out)
}

/// The catalogs that come with the program, by code.
#[derive(Debug)]
pub struct Catalogs(BTreeMap<String, (Arc<Catalog>, Cow<'static, [u8]>)>);

impl Catalogs {
    /// Reads them: codes with the text of their file.
    pub fn read(files: Vec<(String, Cow<'static, [u8]>)>) -> anyhow::Result<Self> {
        let read = |(code, text): (String, Cow<'static, [u8]>)| {
            let catalog = Catalog::read(&code, &[&text]).with_context(|| format!("locale/{code}.po"))?;
            Ok((code, (Arc::new(catalog), text)))
        };
        files.into_iter().map(read).collect::<anyhow::Result<_>>().map(Self)
    }
}

/// The languages of a site.
#[derive(Clone, Debug, Default)]
pub struct Languages(Arc<BTreeMap<String, Language>>);

impl Languages {
    /// Those of the program, and what a site adds to them or changes: codes with the text of a catalog.
    pub fn new(shipped: &Catalogs, own: Vec<(String, Cow<'static, [u8]>)>) -> anyhow::Result<Self> {
        let mut all = BTreeMap::from([(ENGLISH.to_owned(), Language::english())]);
        all.extend(shipped.0.iter().map(|(code, (catalog, _))| (code.clone(), Language::of(Arc::clone(catalog)))));
        for (code, text) in own {
            let below = shipped.0.get(&code).map(|(_, text)| &**text);
            let parts: Vec<&[u8]> = below.into_iter().chain([&*text]).collect();
            let language = Language::read(&code, &parts).with_context(|| format!("the site's locale/{code}.po"))?;
            all.insert(code, language);
        }
        Ok(Self(Arc::new(all)))
    }

    /// The language of that code; `de-AT` is `de` where there is nothing closer.
    pub fn get(&self, code: &str) -> Option<&Language> {
        let code = code.trim().replace('_', "-");
        let exact = self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(&code));
        let broader = || self.0.iter().find(|(known, _)| Some(known.as_str()) == code.to_lowercase().split('-').next());
        exact.or_else(broader).map(|(_, language)| language)
    }

    /// All, by code.
    pub fn iter(&self) -> impl Iterator<Item = &Language> {
        self.0.values()
    }

    /// Those that a browser asks for (`Accept-Language`, RFC 9110 §12.5.4), the dearest first.
    pub fn accepted(&self, header: &str) -> Vec<&Language> {
        let wishes = header.split(',').take(32).filter_map(|wish| {
            let (code, rest) = wish.split_once(';').unwrap_or((wish, ""));
            let quality: f32 = rest.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.trim().parse().ok())?;
            (quality > 0.0).then_some((code, quality))
        });
        let mut wishes: Vec<(&str, f32)> = wishes.collect();
        wishes.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        wishes.iter().filter_map(|(code, _)| self.get(code)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CATALOG: &str = r#"
msgid ""
msgstr ""
"Language: de\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\n"

msgid "Title"
msgstr "Titel"

msgid "{label} is required"
msgstr "{label} fehlt"

msgid "Could not find {label}: {value} is not the name of a {target_doctype}"
msgstr "{label} nicht gefunden: {value} ist kein Name ({target_doctype})"

msgid "1 day ago"
msgid_plural "{count} days ago"
msgstr[0] "vor einem Tag"
msgstr[1] "vor {count} Tagen"

#, fuzzy
msgid "Draft"
msgstr "Zug"
"#;

    #[test]
    fn messages_are_known_by_their_words() {
        let german = Language::read("de", &[CATALOG.as_bytes()]).unwrap();
        for (message, expected) in [
            ("Title", "Titel"),
            ("Title is required", "Titel fehlt"),
            ("Weight is required", "Weight fehlt"),
            (
                "Could not find Title: Title is not the name of a User",
                "Titel nicht gefunden: Title ist kein Name (User)",
            ),
            ("1 day ago", "vor einem Tag"),
            ("5 days ago", "vor 5 Tagen"),
            ("Draft", "Draft"),
            ("What nobody translated", "What nobody translated"),
        ] {
            assert_eq!(german.say(message), expected);
        }
        german.set_of_definitions(HashMap::from([("Weight".to_owned(), "Gewicht".to_owned())]));
        assert_eq!(german.say("Weight is required"), "Gewicht fehlt");
        assert_eq!(Language::english().say("Title is required"), "Title is required");
        let long = format!("{} is required", "x".repeat(LONGEST));
        assert_eq!(german.say(&long), long, "what somebody sent is not looked through");
    }

    #[test]
    fn a_translation_names_no_value_that_its_message_lacks() {
        let broken = "msgid \"{label} is required\"\nmsgstr \"{labl} fehlt\"\n";
        assert!(Language::read("de", &[broken.as_bytes()]).is_err());
    }

    #[test]
    fn a_file_that_is_no_catalog_is_told_by_its_line() {
        for broken in ["msgid \"a\"\nmsgstr b\n", "hello\n", "\"text\"\n", "msgid \"\n"] {
            let error = Language::read("de", &[broken.as_bytes()]).unwrap_err().to_string();
            assert!(error.starts_with("line "), "{broken:?}: {error}");
        }
        let tight = "#\nmsgid \"a\"\nmsgstr \"\"\n\"b\"\n# more\nmsgid \"c\"\nmsgstr \"d\"\r\n";
        let language = Language::read("de", &[tight.as_bytes()]).unwrap();
        assert_eq!((language.say("a"), language.say("c")), ("b".into(), "d".into()));
    }

    #[test]
    fn browsers_get_the_dearest_language_that_there_is() {
        let part = |code: &str, text: &'static str| (code.to_owned(), Cow::Borrowed(text.as_bytes()));
        let shipped = Catalogs::read(vec![part("de", CATALOG)]).unwrap();
        let own = vec![part("ar", "msgid \"a\"\nmsgstr \"b\"\n"), part("de", "msgid \"Title\"\nmsgstr \"Name\"\n")];
        let languages = Languages::new(&shipped, own).unwrap();
        let german = languages.get("de").unwrap();
        assert_eq!((german.say("Title"), german.say("Title is required")), ("Name".into(), "Name fehlt".into()));
        for (header, expected) in [
            ("de-AT,de;q=0.9,en;q=0.5", "de"),
            ("fr, en;q=0.3, ar;q=0.7", "ar"),
            ("de;q=0, en", "en"),
            ("fr", ""),
            ("", ""),
            ("*;q=x", ""),
        ] {
            assert_eq!(languages.accepted(header).first().map_or("", |language| language.code()), expected, "{header}");
        }
        assert_eq!(languages.get("ar").map(Language::direction), Some("rtl"));
        assert_eq!(languages.get("DE_at").map(Language::direction), Some("ltr"));
    }
}
