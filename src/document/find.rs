//! The search over everything: documents of every DocType that have some words, by the index of words, as far as a session may
//! read them; parts of names and titles where there is no index yet, or nothing has the words.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use crate::database::words::{self, Words, folded};
use crate::document::search::{as_text, text_filters};
use crate::document::{Documents, ListRequest};
use crate::error::Result;
use crate::meta::fieldtype::Shape;
use crate::meta::{DocField, DocType, Right, Value};
use crate::permissions::{Grant, Session};

/// Letters from which parts of names are looked for.
const FEWEST_LETTERS: usize = 2;
/// How many documents of a DocType are looked at first.
const FIRST: usize = 50;
/// How many at most, where the reader may see few of those.
const MOST: usize = 20_000;
/// How many DocTypes are looked through for parts of names.
const MOST_DOCTYPES: usize = 60;
/// How many words around the one that was looked for are shown.
const AROUND: usize = 7;

/// Documents of one DocType that were found.
#[derive(Clone, Debug)]
pub(crate) struct FoundGroup {
    /// The DocType.
    pub doctype: Arc<DocType>,
    /// The best first.
    pub documents: Vec<FoundDocument>,
    /// There are more that the reader may see.
    pub has_more: bool,
}

/// A document that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundDocument {
    /// Its name.
    pub name: String,
    /// Its title; the name where it has none.
    pub title: String,
    /// Where the words stand, if not in the title: a field's label and the words around.
    pub context: String,
    /// What is searched of it, as Frappe writes it: `Title : Dune ||| Text : …`.
    pub content: String,
    /// How well it fits: 4 for what is called so, 3 for what begins so, 2 for what has the words in its name, 1 for others.
    pub fit: u8,
}

impl Documents {
    /// The documents with the words of a text, at most `each` of a DocType and, where `only` says so, of that one; the DocTypes
    /// in no order that counts.
    pub(crate) async fn find(
        &self,
        session: &Session,
        text: &str,
        only: Option<&str>,
        each: usize,
    ) -> Result<Vec<FoundGroup>> {
        let Some(words) = Words::of(text) else { return Ok(Vec::new()) };
        if text.trim().chars().count() < FEWEST_LETTERS {
            return Ok(Vec::new());
        }
        let registry = self.registry();
        let is_asked = |doctype: &&Arc<DocType>| only.is_none_or(|only| doctype.name == only);
        let asked: Vec<&Arc<DocType>> = registry.iter().filter(is_asked).collect();
        let indexed = asked.iter().copied().filter(|doctype| !doctype.word_columns().0.is_empty());
        let unfilled = words::unfilled(self.database(), indexed.clone().map(AsRef::as_ref)).await?;
        let filled: Vec<&Arc<DocType>> = indexed.filter(|doctype| !unfilled.contains(&doctype.name)).collect();
        let mut groups = self.by_words(session, &filled, text, &words, each).await?;
        let is_found = |groups: &[FoundGroup], name: &str| groups.iter().any(|group| group.doctype.name == name);
        let finds_nothing = groups.is_empty();
        let lacks_index = |doctype: &DocType| doctype.word_columns().0.is_empty() && !doctype.search_fields.is_empty();
        let by_parts = asked.iter().copied().filter(|doctype| doctype.is_found()).filter(|doctype| {
            (finds_nothing || unfilled.contains(&doctype.name) || lacks_index(doctype))
                && !is_found(&groups, &doctype.name)
                && Grant::of(session, doctype).may(Right::Read)
        });
        for doctype in by_parts.take(MOST_DOCTYPES).collect::<Vec<_>>() {
            let grant = Grant::of(session, doctype);
            let may_search = |field: &DocField| grant.reads_level(field.permlevel) && !grant.masks(field);
            let columns = doctype.searched_columns().into_iter().map(|column| column.name.as_str());
            let further = columns.filter(|name| doctype.field(name).is_some_and(may_search));
            let fields: Vec<&str> = std::iter::once("name").chain(further).collect();
            let text = text.trim();
            let filters = text_filters(doctype, &fields, text, &format!("%{text}%"));
            let mut request = request(doctype, each + 1);
            request.or_filters = filters;
            let rows = self.rows(session, &request).await?;
            groups.extend(group(doctype, &rows, text, &words, each));
        }
        Ok(groups)
    }

    async fn by_words(
        &self,
        session: &Session,
        doctypes: &[&Arc<DocType>],
        text: &str,
        words: &Words,
        each: usize,
    ) -> Result<Vec<FoundGroup>> {
        let plain: Vec<&DocType> = doctypes.iter().copied().map(AsRef::as_ref).collect();
        let first = FIRST.max(each + 1);
        let candidates = words::candidates(self.database(), &plain, words, first).await?;
        let mut groups = Vec::new();
        for (doctype, mut names) in doctypes.iter().zip(candidates) {
            if names.is_empty() {
                continue;
            }
            let count = names.len();
            if count == first && doctype.columns[0].column_type.shape() == Shape::Text {
                // However common its words are, whoever says a name wants that document.
                names.insert(0, Value::from(text.trim()));
            }
            let list = |names: Vec<Value>, limit| {
                let names: Json = names.iter().map(Value::to_json).collect();
                let mut request = request(doctype, limit);
                request.filters = json!([["name", "in", names]]);
                request
            };
            let order: Vec<String> = names.iter().map(ToString::to_string).collect();
            let mut rows = self.rows(session, &list(names, first)).await?;
            if rows.len() <= each && count == first {
                // The reader may see few of them: whether there are more is told by what they may see alone.
                let all = words::candidates(self.database(), &[doctype.as_ref()], words, MOST).await?;
                rows = self.rows(session, &list(all.into_iter().next().unwrap_or_default(), first)).await?;
            } else {
                let at = |row: &Map<String, Json>| {
                    let name = row.get("name").map(as_text).unwrap_or_default();
                    order.iter().position(|known| *known == name)
                };
                rows.sort_by_cached_key(at);
            }
            groups.extend(group(doctype, &rows, text, words, each));
        }
        Ok(groups)
    }

    /// The rows that the session may see; none where it may see no document of the DocType.
    async fn rows(&self, session: &Session, request: &ListRequest) -> Result<Vec<Map<String, Json>>> {
        match self.list(session, request).await {
            Ok(list) => Ok(list.to_json()),
            Err(error) if error.is_failure() => Err(error),
            Err(_) => Ok(Vec::new()),
        }
    }
}

fn request(doctype: &DocType, limit: usize) -> ListRequest {
    let (heads, others) = doctype.word_columns();
    let mut request = ListRequest::new(&doctype.name).order_by("creation desc");
    let columns = heads.iter().skip(1).chain(&others).map(|column| column.name.as_str());
    request.fields = std::iter::once("name").chain(columns).map(Json::from).collect();
    request.lenient_fields = true;
    request.limit = Some(limit as u64);
    request
}

fn group(
    doctype: &Arc<DocType>,
    rows: &[Map<String, Json>],
    text: &str,
    words: &Words,
    each: usize,
) -> Option<FoundGroup> {
    let mut documents: Vec<FoundDocument> = rows.iter().map(|row| found(doctype, row, text, words)).collect();
    documents.sort_by_key(|document| std::cmp::Reverse(document.fit));
    let has_more = documents.len() > each;
    documents.truncate(each);
    (!documents.is_empty()).then(|| FoundGroup { doctype: Arc::clone(doctype), documents, has_more })
}

fn found(doctype: &DocType, row: &Map<String, Json>, text: &str, words: &Words) -> FoundDocument {
    let value = |field: &str| row.get(field).map(as_text).unwrap_or_default();
    let (heads, others) = doctype.word_columns();
    let name = value("name");
    let titled = heads.get(1).map(|column| value(&column.name)).unwrap_or_default();
    let title = if titled.is_empty() { name.clone() } else { titled };
    let (wanted, called) = (folded(text.trim()), [folded(&title), folded(&name)]);
    let called_all = called.join(" ");
    let fit = if called.contains(&wanted) {
        4
    } else if called.iter().any(|called| called.starts_with(&wanted)) {
        3
    } else if words.iter().all(|word| called_all.contains(word)) {
        2
    } else {
        1
    };
    let label = |name: &str| match doctype.field(name) {
        Some(field) => field.label.clone(),
        None => "Name".to_owned(),
    };
    let texts: Vec<(String, String)> =
        others.iter().map(|column| (label(&column.name), plain(&value(&column.name)))).collect();
    let context = if fit > 1 { None } else { texts.iter().find_map(|(label, text)| excerpt(label, text, words)) };
    let all = heads.iter().map(|column| (label(&column.name), value(&column.name))).chain(texts.iter().cloned());
    let all: Vec<String> =
        all.filter(|(_, text)| !text.is_empty()).map(|(label, text)| format!("{label} : {text}")).collect();
    FoundDocument { name, title, context: context.unwrap_or_default(), content: all.join(" ||| "), fit }
}

/// The text without tags.
fn plain(text: &str) -> String {
    let mut inside = false;
    let letters = text.chars().map(|letter| match letter {
        '<' => {
            inside = true;
            ' '
        }
        '>' if inside => {
            inside = false;
            ' '
        }
        _ if inside => ' ',
        other => other,
    });
    letters.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The words of a text around the first that was looked for.
fn excerpt(label: &str, text: &str, words: &Words) -> Option<String> {
    let all: Vec<&str> = text.split_whitespace().collect();
    let wanted: BTreeSet<&str> = words.iter().collect();
    let is_wanted = |part: &&str| {
        let part = folded(part);
        wanted
            .iter()
            .any(|word| part.split(|letter: char| !letter.is_alphanumeric()).any(|part| part.starts_with(word)))
    };
    let at = all.iter().position(is_wanted)?;
    let (from, to) = (at.saturating_sub(AROUND), (at + AROUND * 2).min(all.len()));
    let (before, behind) = (if from > 0 { "… " } else { "" }, if to < all.len() { " …" } else { "" });
    Some(format!("{label}: {before}{}{behind}", all[from..to].join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_shows_the_words_around() {
        let words = Words::of("emile").unwrap();
        assert_eq!(excerpt("Text", "by Émile Zola", &words).unwrap(), "Text: by Émile Zola");
        let long = format!("{} Émile {}", "before ".repeat(20), "behind ".repeat(30));
        let found = excerpt("Text", &long, &words).unwrap();
        assert!(
            found.starts_with("Text: … before") && found.ends_with("behind …") && found.contains("Émile"),
            "{found}"
        );
        assert_eq!(excerpt("Text", "nothing", &words), None);
    }

    #[test]
    fn tags_are_not_shown() {
        assert_eq!(plain("<p>one<br>two</p> 1 > 0"), "one two 1 > 0");
    }
}
