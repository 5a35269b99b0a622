//! Help texts: a description becomes text, `code` and links; nothing else of it can reach a page.

use serde::Serialize;

/// A piece of a help text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Span {
    /// The words.
    pub text: String,
    /// Set in a fixed width.
    pub code: bool,
    /// A line break stands here.
    pub line_break: bool,
    /// Where it leads, if it is a link.
    pub href: Option<String>,
}

/// Splits a description into spans.
///
/// Text between backticks is code. The tags `code`, `pre`, `br`, `p` and `a` of Frappe's own files keep their meaning, other tags
/// are dropped. A mention of an RFC becomes a link to it.
pub fn spans(description: &str) -> Vec<Span> {
    let mut reader = Reader::default();
    let mut rest = description.trim();
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        if c == '`'
            && let Some(end) = after.find('`')
        {
            reader.flush();
            reader.out.push(Span { text: after[..end].to_owned(), code: true, ..Span::default() });
            rest = &after[end + 1..];
        } else if c == '<'
            && after.starts_with(|next: char| next == '/' || next.is_ascii_alphabetic())
            && let Some(end) = after.find('>')
        {
            reader.tag(&after[..end]);
            rest = &after[end + 1..];
        } else if c == '&'
            && let Some((plain, length)) = entity(rest)
        {
            reader.text.push(plain);
            rest = &rest[length..];
        } else {
            reader.text.push(if c == '\n' { ' ' } else { c });
            rest = after;
        }
    }
    reader.flush();
    reader.out
}

/// The words of a description alone, for attributes and search.
pub fn plain(description: &str) -> String {
    let mut out = String::with_capacity(description.len());
    for span in spans(description) {
        out.push_str(if span.line_break { " " } else { &span.text });
    }
    out
}

/// An address that a page may link to or show: of this site, or `http(s)` and `mailto`; never a script.
pub fn safe_url(url: &str) -> Option<&str> {
    let url = url.trim();
    let lower = url.to_ascii_lowercase();
    let inside = url.starts_with('/') && !url.starts_with("//") && !url.contains('\\');
    let outside = ["https://", "http://", "mailto:"].iter().any(|scheme| lower.starts_with(scheme));
    ((inside || outside) && !url.chars().any(|c| c.is_control() || c.is_whitespace())).then_some(url)
}

#[derive(Default)]
struct Reader {
    out: Vec<Span>,
    text: String,
    code: bool,
    href: Option<String>,
}

impl Reader {
    fn flush(&mut self) {
        if self.text.is_empty() {
            return;
        }
        let text = std::mem::take(&mut self.text);
        if self.code || self.href.is_some() {
            self.out.push(Span { text, code: self.code, href: self.href.clone(), line_break: false });
        } else {
            link_rfcs(&text, &mut self.out);
        }
    }

    fn tag(&mut self, tag: &str) {
        let closing = tag.starts_with('/');
        let name: String = tag
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_lowercase();
        match name.as_str() {
            "code" | "pre" => {
                self.flush();
                self.code = !closing;
            }
            "a" => {
                self.flush();
                self.href = if closing {
                    None
                } else {
                    attribute(tag, "href").as_deref().and_then(safe_url).map(str::to_owned)
                };
            }
            "br" | "p" | "li" | "div" if !closing || name == "br" => {
                self.flush();
                if !self.out.is_empty() {
                    self.out.push(Span { line_break: true, ..Span::default() });
                }
            }
            _ => {}
        }
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let at = tag.find(&format!("{name}="))? + name.len() + 1;
    let rest = &tag[at..];
    let quote = rest.chars().next()?;
    if matches!(quote, '"' | '\'') {
        rest[1..].split(quote).next().map(|value| value.replace("&amp;", "&"))
    } else {
        rest.split_whitespace().next().map(str::to_owned)
    }
}

fn entity(text: &str) -> Option<(char, usize)> {
    const KNOWN: [(&str, char); 6] =
        [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>'), ("&quot;", '"'), ("&#39;", '\''), ("&nbsp;", ' ')];
    KNOWN.iter().find(|(name, _)| text.starts_with(name)).map(|(name, plain)| (*plain, name.len()))
}

/// `RFC 9700 section 2.1` leads to that section.
fn link_rfcs(text: &str, out: &mut Vec<Span>) {
    let mut rest = text;
    while let Some(at) = rest.find("RFC ") {
        let number: String = rest[at + 4..].chars().take_while(char::is_ascii_digit).collect();
        if number.len() < 3 || number.len() > 5 {
            push_text(&rest[..at + 4], out);
            rest = &rest[at + 4..];
            continue;
        }
        let mut end = at + 4 + number.len();
        let mut href = format!("https://www.rfc-editor.org/rfc/rfc{number}");
        if let Some(section) =
            ["section ", "§"].iter().find_map(|word| rest[end..].strip_prefix(' ')?.strip_prefix(word))
        {
            let digits: String = section.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
            let digits = digits.trim_end_matches('.');
            if !digits.is_empty() {
                end = rest.len() - section.len() + digits.len();
                href.push_str("#section-");
                href.push_str(digits);
            }
        }
        push_text(&rest[..at], out);
        out.push(Span { text: rest[at..end].to_owned(), href: Some(href), ..Span::default() });
        rest = &rest[end..];
    }
    push_text(rest, out);
}

fn push_text(text: &str, out: &mut Vec<Span>) {
    if !text.is_empty() {
        out.push(Span { text: text.to_owned(), ..Span::default() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(description: &str) -> String {
        spans(description)
            .iter()
            .map(|span| match (&span.href, span.code, span.line_break) {
                (Some(href), _, _) => format!("[{}]({href})", span.text),
                (None, true, _) => format!("<{}>", span.text),
                (None, false, true) => "/".to_owned(),
                (None, false, false) => span.text.clone(),
            })
            .collect()
    }

    #[test]
    fn code_links_and_breaks_are_told_apart() {
        for (description, expected) in [
            ("Only `https` works.", "Only <https> works."),
            ("One ` alone", "One ` alone"),
            ("`<b>` is literal", "<<b>> is literal"),
            ("See <a href=\"https://example.com/a?b&amp;c\">here</a>.", "See [here](https://example.com/a?b&c)."),
            ("See <a href='javascript:alert(1)'>here</a>", "See here"),
            ("One<br>two <b>bold</b> &amp; <code>x</code>", "One/two bold & <x>"),
            ("Why (RFC 7636).", "Why ([RFC 7636](https://www.rfc-editor.org/rfc/rfc7636))."),
            ("RFC 9700 section 2.1.", "[RFC 9700 section 2.1](https://www.rfc-editor.org/rfc/rfc9700#section-2.1)."),
            ("An RFC is a text", "An RFC is a text"),
            ("a < b & c", "a < b & c"),
        ] {
            assert_eq!(shape(description), expected, "{description}");
        }
    }

    #[test]
    fn only_plain_addresses_are_safe() {
        for url in ["/files/a.png", "https://example.com", "mailto:a@example.com"] {
            assert_eq!(safe_url(url), Some(url));
        }
        for url in
            ["javascript:alert(1)", " JavaScript:x", "//evil.example", "/\\evil", "data:text/html,x", "java\nscript:x"]
        {
            assert_eq!(safe_url(url), None, "{url}");
        }
    }
}
