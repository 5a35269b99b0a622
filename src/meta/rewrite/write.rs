//! Values as they are written into a YAML file by hand: short ones in a line, sentences folded, texts of several lines as blocks.

use serde_json::{Map, Value as Json};

/// Lines become no longer than this, if words allow.
const WIDTH: usize = 100;

/// `key: value`, without the indentation of its first line and without a line break at its end.
pub(super) fn pair(key: &str, value: &Json, indent: usize) -> String {
    let key = scalar_text(key, false);
    let inner = " ".repeat(indent + 2);
    match value {
        Json::Array(items) if !items.is_empty() => {
            let items: Vec<String> = items.iter().map(|item| format!("{inner}{}", entry(item, indent + 2))).collect();
            format!("{key}:\n{}", items.join("\n"))
        }
        Json::Object(map) if !map.is_empty() => format!("{key}:\n{inner}{}", mapping(map, indent + 2)),
        Json::String(text) => match block(text, indent + 2, key.len() + indent) {
            Some(block) => format!("{key}: {block}"),
            None => format!("{key}: {}", scalar_text(text, false)),
        },
        value => format!("{key}: {}", inline(value)),
    }
}

/// The keys of a mapping, without the indentation of the first line.
pub(super) fn mapping(map: &Map<String, Json>, indent: usize) -> String {
    let pairs: Vec<String> = map.iter().map(|(key, value)| pair(key, value, indent)).collect();
    pairs.join(&format!("\n{}", " ".repeat(indent)))
}

/// `- entry`, without the indentation of the first line.
pub(super) fn entry(value: &Json, indent: usize) -> String {
    match value {
        Json::Object(map) if !map.is_empty() => format!("- {}", mapping(map, indent + 2)),
        value => format!("- {}", inline(value)),
    }
}

/// A value in one line.
pub(super) fn inline(value: &Json) -> String {
    match value {
        Json::String(text) => scalar_text(text, false),
        value => flow(value),
    }
}

/// A value as it may stand within brackets.
pub(super) fn flow(value: &Json) -> String {
    match value {
        Json::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Json::Object(map) => {
            let pair = |(key, value): (&String, &Json)| format!("{}: {}", scalar_text(key, true), flow(value));
            format!("{{{}}}", map.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        Json::String(text) => scalar_text(text, true),
        Json::Null => "null".to_owned(),
        other => other.to_string(),
    }
}

/// Text plainly if nobody can take it for something else, in quotes otherwise.
fn scalar_text(text: &str, in_flow: bool) -> String {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '/' | '(' | '$' | '.' | '+' | '^' | '\\' | '-');
    let first = text.chars().next();
    let starts = first.is_some_and(|first| is_word(first) && first != '-' && first != '.');
    let breaks = text.contains(": ") || text.contains(" #") || text.ends_with([':', ' ']);
    let brackets = in_flow && text.contains(['[', ']', '{', '}', ',', ':']);
    let controls = text.chars().any(|c| c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}'));
    // What one version of YAML or another takes for a flag, a number, a date or nothing.
    let taken = ["true", "false", "yes", "no", "on", "off", "y", "n", "null", "~"];
    let is_taken = taken.iter().any(|word| text.eq_ignore_ascii_case(word))
        || first.is_some_and(|c| c.is_ascii_digit() || c == '+');
    if starts && !breaks && !brackets && !controls && !is_taken {
        return text.to_owned();
    }
    Json::from(text).to_string()
}

/// Text in lines of its own: what has several lines as it is, a long sentence folded; `None` for what fits a line or cannot be
/// written so.
fn block(text: &str, indent: usize, before: usize) -> Option<String> {
    let margin = " ".repeat(indent);
    let plain = text.chars().all(|c| !c.is_control() || c == '\n' || c == '\t');
    if text.contains('\n') {
        let (body, mark) = match text.strip_suffix('\n') {
            Some(body) => (body, "|"),
            None => (text, "|-"),
        };
        let starts_plainly = body.starts_with(|c: char| !c.is_whitespace()) && !body.ends_with('\n');
        let lines =
            || body.split('\n').map(|line| if line.is_empty() { String::new() } else { format!("{margin}{line}") });
        return (plain && starts_plainly).then(|| format!("{mark}\n{}", lines().collect::<Vec<_>>().join("\n")));
    }
    let is_sentence = plain && !text.contains('\t') && text.trim() == text && !text.contains("  ");
    if before + text.chars().count() + 2 <= WIDTH || !is_sentence || !text.contains(' ') {
        return None;
    }
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && indent + line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    Some(format!(">-\n{margin}{}", lines.join(&format!("\n{margin}"))))
}
