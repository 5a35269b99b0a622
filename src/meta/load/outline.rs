//! On which line each key of a DocType file stands, found by a light scan: the parsers say lines of errors only.
//!
//! Paths are like `title_field`, `fields/3`, `fields/3/options`. A scan that goes wrong costs a line number, nothing else.

use std::collections::HashMap;

/// The lines of one file.
#[derive(Debug, Default)]
pub(super) struct Outline {
    lines: HashMap<String, usize>,
    counters: HashMap<String, usize>,
}

#[derive(Debug)]
struct Frame {
    indent: usize,
    is_item: bool,
    path: String,
}

impl Outline {
    /// Scans a file.
    pub(super) fn new(text: &str, is_json: bool) -> Self {
        let mut outline = Self::default();
        if is_json {
            outline.scan_json(text);
        } else {
            outline.scan_yaml(text);
        }
        outline
    }

    /// The line of a path, or of the nearest one above it that is known; 1 if none is.
    pub(super) fn line(&self, path: &str) -> usize {
        let mut path = path;
        loop {
            if let Some(line) = self.lines.get(path) {
                return *line;
            }
            match path.rfind('/') {
                Some(end) => path = &path[..end],
                None => return 1,
            }
        }
    }

    fn note(&mut self, path: String, line: usize) {
        self.lines.entry(path).or_insert(line);
    }

    fn next_item(&mut self, parent: &str) -> String {
        let counter = self.counters.entry(parent.to_owned()).or_insert(0);
        let path = join(parent, &counter.to_string());
        *counter += 1;
        path
    }

    fn scan_yaml(&mut self, text: &str) {
        let mut frames: Vec<Frame> = Vec::new();
        let mut block_scalar: Option<usize> = None;
        for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line)) {
            let mut rest = line.trim_start_matches(' ');
            let mut indent = line.len() - rest.len();
            if rest.trim().is_empty() || rest.starts_with('#') || rest.starts_with("---") {
                continue;
            }
            if block_scalar.is_some_and(|key| indent > key) {
                continue;
            }
            block_scalar = None;
            while rest == "-" || rest.starts_with("- ") {
                while frames.last().is_some_and(|top| top.indent > indent || top.indent == indent && top.is_item) {
                    frames.pop();
                }
                let path = self.next_item(frames.last().map_or("", |top| &top.path));
                self.note(path.clone(), number);
                frames.push(Frame { indent, is_item: true, path });
                let after = rest[1..].trim_start_matches(' ');
                indent += rest.len() - after.len();
                rest = after;
            }
            if rest.starts_with('{') {
                let path = frames.last().map_or_else(String::new, |top| top.path.clone());
                self.scan_flow(&path, rest, number);
                continue;
            }
            let Some((key, value)) = split_key(rest) else { continue };
            while frames.last().is_some_and(|top| top.indent >= indent) {
                frames.pop();
            }
            let path = join(frames.last().map_or("", |top| &top.path), key);
            self.note(path.clone(), number);
            if value.starts_with(['|', '>']) {
                block_scalar = Some(indent);
            } else if value.starts_with('{') {
                self.scan_flow(&path, value, number);
            }
            frames.push(Frame { indent, is_item: false, path });
        }
    }

    /// `{fieldname: a, label: b}` in one line.
    fn scan_flow(&mut self, path: &str, text: &str, line: usize) {
        for part in text.split(['{', ',']) {
            if let Some((key, _)) = split_key(part.trim_start()) {
                self.note(join(path, key), line);
            }
        }
    }

    fn scan_json(&mut self, text: &str) {
        // Open objects and arrays: the path, and whether it is an object.
        let mut open: Vec<(String, bool)> = Vec::new();
        let mut here = String::new();
        let mut line = 1;
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            match bytes[at] {
                b'\n' => line += 1,
                b'{' | b'[' => {
                    if let Some((parent, false)) = open.last() {
                        here = self.next_item(&parent.clone());
                        self.note(here.clone(), line);
                    }
                    open.push((std::mem::take(&mut here), bytes[at] == b'{'));
                }
                b'}' | b']' => {
                    open.pop();
                }
                b'"' => {
                    let start = at + 1;
                    at = start;
                    while at < bytes.len() && bytes[at] != b'"' {
                        at += if bytes[at] == b'\\' { 2 } else { 1 };
                    }
                    let end = at.min(bytes.len());
                    let is_key = text.get(end + 1..).is_some_and(|rest| rest.trim_start().starts_with(':'));
                    if let (true, Some((parent, true)), Some(key)) = (is_key, open.last(), text.get(start..end)) {
                        here = join(parent, key);
                        self.note(here.clone(), line);
                    }
                }
                _ => {}
            }
            at += 1;
        }
    }
}

fn join(parent: &str, child: &str) -> String {
    if parent.is_empty() { child.to_owned() } else { format!("{parent}/{child}") }
}

/// `key: value` or `"key": value`.
fn split_key(text: &str) -> Option<(&str, &str)> {
    let colon = text.find(':')?;
    let value = &text[colon + 1..];
    let key = text[..colon].trim_end().trim_matches(['"', '\'']);
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    (is_key && (value.is_empty() || value.starts_with([' ', '\t']))).then(|| (key, value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_keys_are_found_in_every_style() {
        let text = "# comment\nname: Book\ndescription: |\n  label: no key\n  more\nfields:\n- fieldname: a\n  label: A\n\n- {fieldname: b, label: B}\n-\n  fieldname: c\n  options: >\n    x\n    y\n  reqd: 1\npermissions:\n  - role: All\n    read: 1\n  - role: Guest\ntitle_field: a\n";
        let outline = Outline::new(text, false);
        let table = [
            ("name", 2),
            ("description", 3),
            ("label", 1),
            ("fields", 6),
            ("fields/0", 7),
            ("fields/0/label", 8),
            ("fields/1/label", 10),
            ("fields/2", 11),
            ("fields/2/fieldname", 12),
            ("fields/2/reqd", 16),
            ("fields/2/unknown", 11),
            ("permissions/1/role", 20),
            ("title_field", 21),
        ];
        for (path, line) in table {
            assert_eq!(outline.line(path), line, "{path}");
        }
    }

    #[test]
    fn json_keys_are_found() {
        let text = "{\n \"name\": \"A \\\" B\",\n \"fields\": [\n  {\n   \"fieldname\": \"a\",\n   \"options\": \"{\\n\"\n  },\n  { \"fieldname\": \"b\" }\n ],\n \"field_order\": [\"a\", \"b\"],\n \"title_field\": \"a\"\n}\n";
        let outline = Outline::new(text, true);
        let table =
            [("name", 2), ("fields/0", 4), ("fields/0/options", 6), ("fields/1/fieldname", 8), ("title_field", 11)];
        for (path, line) in table {
            assert_eq!(outline.line(path), line, "{path}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[-{}\\[\\]\":,|> \\n\\\\a#é]*") {
            Outline::new(&text, true);
            Outline::new(&text, false);
        }
    }
}
