//! Markdown that is safe to render: raw HTML in it that could run becomes text, as do links that run instead of leading
//! somewhere. Code stays as it was written.

use std::ops::Range;
use std::sync::LazyLock;

use pulldown_cmark::{Event, Options, Parser, Tag};
use regex::Regex;

use crate::meta::fieldtype::is_active_address;

/// Tags that format text, without those that load, run or ask for input.
const TAGS: [&str; 44] = [
    "a",
    "abbr",
    "b",
    "blockquote",
    "br",
    "caption",
    "center",
    "cite",
    "code",
    "dd",
    "del",
    "details",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "mark",
    "ol",
    "p",
    "pre",
    "s",
    "small",
    "span",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "u",
    "ul",
];
/// The same within tables.
const TABLE_TAGS: [&str; 5] = ["tbody", "td", "th", "thead", "tr"];
/// Attributes that neither run nor hide anything.
const ATTRIBUTES: [&str; 15] = [
    "align", "alt", "colspan", "dir", "height", "href", "id", "lang", "name", "open", "rowspan", "src", "start",
    "title", "width",
];

static TAG: LazyLock<Regex> = LazyLock::new(|| {
    let attribute = r#"\s+[A-Za-z-]+(?:\s*=\s*(?:"[^"<>]*"|'[^'<>]*'|[^\s"'<>=`]+))?"#;
    Regex::new(&format!("^</?([A-Za-z][A-Za-z0-9]*)((?:{attribute})*)\\s*/?>")).expect("the expression is valid")
});
static ATTRIBUTE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"([A-Za-z-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"']+)))?"#).expect("the expression is valid")
});

/// How often what a change leaves is looked at again: a link that became text can make one of what stands around it.
const MOST_PASSES: usize = 8;

/// Markdown whose HTML cannot run anything.
pub(super) fn clean(mut text: String) -> String {
    if !text.contains(['<', ':', '&']) {
        return text;
    }
    for _ in 0..MOST_PASSES {
        let edits = edits(&text);
        if edits.is_empty() {
            return text;
        }
        for (range, changed) in edits.into_iter().rev() {
            text.replace_range(range, &changed);
        }
    }
    // Nobody writes this by accident.
    text.replace('<', "&lt;").replace('[', "\\[")
}

/// What becomes text: the sign with which an active tag or link begins. Signs never overlap, however tags and links nest.
fn edits(text: &str) -> Vec<(Range<usize>, String)> {
    let mut edits = Vec::new();
    for (event, range) in Parser::new_ext(text, Options::all()).into_offset_iter() {
        match event {
            Event::Html(_) | Event::InlineHtml(_) => {
                let changed = without_active_tags(&text[range.clone()]);
                edits.extend(changed.map(|changed| (range, changed)));
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) if is_active_address(&dest_url) => {
                let sign = range.start + usize::from(text[range.start..].starts_with('!'));
                let escaped = if text[sign..].starts_with('<') { "&lt;" } else { "\\[" };
                edits.push((sign..sign + 1, escaped.to_owned()));
            }
            _ => {}
        }
    }
    edits
}

/// HTML whose every tag that is not known to be harmless is written out; `None` if all are.
fn without_active_tags(html: &str) -> Option<String> {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(tag) = TAG.captures(rest).filter(|tag| is_harmless(&tag[1], &tag[2])) {
            out.push_str(&tag[0]);
            rest = &rest[tag[0].len()..];
        } else {
            out.push_str("&lt;");
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    (out != html).then_some(out)
}

fn is_harmless(tag: &str, attributes: &str) -> bool {
    let tag = tag.to_ascii_lowercase();
    (TAGS.contains(&tag.as_str()) || TABLE_TAGS.contains(&tag.as_str()))
        && ATTRIBUTE.captures_iter(attributes).all(|attribute| {
            let value = attribute.iter().skip(2).flatten().next().map_or("", |value| value.as_str());
            ATTRIBUTES.contains(&attribute[1].to_ascii_lowercase().as_str()) && !is_active(value)
        })
}

/// Whether the address in an attribute runs, also where characters of it are written as entities. Browsers read numbers
/// without their semicolon too, which Markdown does not: an address that hides letters in numbers counts as one that runs.
fn is_active(address: &str) -> bool {
    address.contains("&#")
        || if address.contains('&') { is_active_address(&html_text(address)) } else { is_active_address(address) }
}

/// What a browser reads where entities stand. An address with some that are not known counts as one that runs.
fn html_text(text: &str) -> String {
    let link = format!("[x](<{text}>)");
    Parser::new(&link)
        .find_map(|event| match event {
            Event::Start(Tag::Link { dest_url, .. }) => Some(dest_url.into_string()),
            _ => None,
        })
        .unwrap_or_else(|| "javascript:".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_run_stays_as_it_was_written() {
        for text in [
            "# Title\n\n> quoted, a < b & c\n\n- [x] done: `<script>` is code",
            "```html\n<script>alert(1)</script>\n```\n",
            "    <script>indented code</script>\n",
            "<details open><summary>More</summary>\n\n**bold** <kbd>Ctrl</kbd>\n\n</details>\n",
            "[a link](https://example.com/?a=1&b=2 \"title\") <https://example.com> ![x](/files/x.png)",
            "<img src=\"/files/x.png\" width=\"20\" alt='x'>",
        ] {
            assert_eq!(clean(text.to_owned()), text);
        }
    }

    #[test]
    fn what_could_run_becomes_text() {
        for (text, expected) in [
            ("a <script>alert(1)</script>", "a &lt;script>alert(1)&lt;/script>"),
            ("<script>\nalert(1)\n</script>\n", "&lt;script>\nalert(1)\n&lt;/script>\n"),
            ("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)>"),
            ("<a href=\"javascript:alert(1)\">x</a>", "&lt;a href=\"javascript:alert(1)\">x</a>"),
            ("<a href=\"java&#115;cript:alert(1)\">x</a>", "&lt;a href=\"java&#115;cript:alert(1)\">x</a>"),
            ("[x](javascript:alert(1))", "\\[x](javascript:alert(1))"),
            ("[x](java&#115;cript:alert(1))", "\\[x](java&#115;cript:alert(1))"),
            ("![x](data:text/html,x)", "!\\[x](data:text/html,x)"),
            ("<javascript:alert(1)>", "&lt;javascript:alert(1)>"),
            ("<a href=\"&#0000106avascript:x\">x</a>", "&lt;a href=\"&#0000106avascript:x\">x</a>"),
            ("<a href=\"javascript&colon;x\">x</a>", "&lt;a href=\"javascript&colon;x\">x</a>"),
            ("[<script>x()</script>](javascript:x)", "\\[&lt;script>x()&lt;/script>](javascript:x)"),
            ("[a [b](javascript:x)](javascript:y)", "\\[a \\[b](javascript:x)](javascript:y)"),
            ("[![a](javascript:x)](javascript:y)", "\\[!\\[a](javascript:x)](javascript:y)"),
            ("[x][r]\n\n[r]: vbscript:x", "\\[x]\\[r]\n\n[r]: vbscript:x"),
            ("<iframe src=\"https://example.com\"></iframe>", "&lt;iframe src=\"https://example.com\">&lt;/iframe>"),
        ] {
            assert_eq!(clean(text.to_owned()), expected);
        }
    }
}
