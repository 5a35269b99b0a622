//! Where every key and value of a YAML file stands, in bytes and lines.

use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// How deep a definition may nest.
const DEPTH: usize = 64;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// The bytes of it: of a block from its first key or entry to the end of its last line.
    pub span: Range<usize>,
    /// What it is.
    pub shape: Shape,
    /// It has an anchor or a tag, is an alias, or something below it is.
    pub is_shared: bool,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// Text, a number, a flag or nothing, in a line or in quotes.
    Scalar,
    /// Text in lines of its own, after `|` or `>`.
    Block,
    /// A list.
    List {
        /// Its entries.
        items: Vec<Node>,
        /// It is written as `[…]`.
        is_flow: bool,
    },
    /// A mapping.
    Mapping {
        /// Its keys and values.
        pairs: Vec<Pair>,
        /// It is written as `{…}`.
        is_flow: bool,
    },
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    /// The key.
    pub key: String,
    /// Where the key begins.
    pub start: usize,
    /// Its value.
    pub value: Node,
}

impl Pair {
    /// Where the last line of the value ends, before its line break.
    pub(super) fn end(&self, text: &str) -> usize {
        end_of_line(text, self.value.span.end.max(self.start))
    }
}

/// The end of the line in which a byte stands, before its line break.
pub(super) fn end_of_line(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |end| at + end)
}

/// The beginning of the line in which a byte stands.
pub(super) fn start_of_line(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |end| end + 1)
}

/// In which column a byte stands, from 0.
pub(super) fn column(text: &str, at: usize) -> usize {
    text[start_of_line(text, at)..at].chars().count()
}

/// Reads the one document of a file; what is wrong with it otherwise.
pub(super) fn read(text: &str) -> Result<Node, String> {
    let bytes: Vec<usize> = text.char_indices().map(|(byte, _)| byte).chain([text.len()]).collect();
    let mut reader = Reader { text, bytes, events: Parser::new_from_str(text) };
    loop {
        match reader.next()? {
            (Event::StreamStart | Event::DocumentStart(_), _) => {}
            (Event::StreamEnd, _) => return Err("the file is empty".to_owned()),
            (event, span) => {
                let root = reader.node(event, span, None, DEPTH)?;
                while let Ok((event, _)) = reader.next() {
                    match event {
                        Event::DocumentStart(_) => return Err("the file holds several documents".to_owned()),
                        Event::StreamEnd => break,
                        _ => {}
                    }
                }
                return Ok(root);
            }
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    /// The byte of every character.
    bytes: Vec<usize>,
    events: Parser<'t, saphyr_parser::StrInput<'t>>,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), String> {
        match self.events.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(error.to_string()),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn range(&self, span: Span) -> Range<usize> {
        let byte = |index: usize| self.bytes.get(index).copied().unwrap_or(self.text.len());
        byte(span.start.index())..byte(span.end.index())
    }

    /// A node; `key` is the column of the key that it is the value of.
    fn node(&mut self, event: Event<'t>, span: Span, key: Option<usize>, depth: usize) -> Result<Node, String> {
        if depth == 0 {
            return Err("the file is nested too deeply".to_owned());
        }
        let range = self.range(span);
        let is_flow = self.text[range.start..].starts_with(['[', '{']);
        match event {
            Event::Alias(_) => Ok(Node { span: range, shape: Shape::Scalar, is_shared: true }),
            Event::Scalar(_, style, anchor, tag) => {
                let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                let (span, shape) = if is_block {
                    (range.start..self.end_of_block(range.start, key.unwrap_or(0)), Shape::Block)
                } else {
                    let end = match style {
                        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => self.end_of_quotes(range.start),
                        _ => range.start + self.text[range.clone()].trim_end().len(),
                    };
                    (range.start..end, Shape::Scalar)
                };
                Ok(Node { span, shape, is_shared: anchor > 0 || tag.is_some() })
            }
            Event::SequenceStart(anchor, tag) => {
                let mut node = Node {
                    span: range.clone(),
                    shape: Shape::List { items: Vec::new(), is_flow },
                    is_shared: anchor > 0 || tag.is_some(),
                };
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if matches!(event, Event::SequenceEnd) {
                        node.span.end = self.end(is_flow, span, items.last().map(|item: &Node| item.span.end), &range);
                        break;
                    }
                    let item = self.node(event, span, key, depth - 1)?;
                    node.is_shared |= item.is_shared;
                    items.push(item);
                }
                node.shape = Shape::List { items, is_flow };
                Ok(node)
            }
            Event::MappingStart(anchor, tag) => {
                let mut node = Node {
                    span: range.clone(),
                    shape: Shape::Mapping { pairs: Vec::new(), is_flow },
                    is_shared: anchor > 0 || tag.is_some(),
                };
                let mut pairs: Vec<Pair> = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    let at = self.range(span);
                    let key = match event {
                        Event::MappingEnd => {
                            let last = pairs.last().map(|pair| pair.value.span.end.max(pair.start));
                            node.span.end = self.end(is_flow, span, last, &range);
                            break;
                        }
                        Event::Scalar(key, ..) => key.into_owned(),
                        _ => return Err("the file has a key that is not text".to_owned()),
                    };
                    let (event, span) = self.next()?;
                    let mut value = self.node(event, span, Some(column(self.text, at.start)), depth - 1)?;
                    if value.span.is_empty() {
                        // Nothing was written: it stands right behind its key.
                        value.span = at.end..at.end;
                    }
                    node.is_shared |= value.is_shared || key == "<<";
                    pairs.push(Pair { key, start: at.start, value });
                }
                node.shape = Shape::Mapping { pairs, is_flow };
                Ok(node)
            }
            _ => Err("the file ends in the middle".to_owned()),
        }
    }

    /// Where a list or mapping ends: at its bracket, or with what is last in it.
    fn end(&self, is_flow: bool, span: Span, last: Option<usize>, range: &Range<usize>) -> usize {
        if is_flow { self.range(span).end } else { last.unwrap_or(range.end) }
    }

    /// Where text in quotes ends: the marks of the parser include what stands behind it.
    fn end_of_quotes(&self, start: usize) -> usize {
        let quote = self.text.as_bytes()[start];
        let mut rest = self.text.bytes().enumerate().skip(start + 1).peekable();
        while let Some((at, byte)) = rest.next() {
            let doubled = byte == b'\'' && rest.peek().is_some_and(|(_, next)| *next == b'\'');
            if byte == b'\\' && quote == b'"' || byte == quote && doubled {
                rest.next();
            } else if byte == quote {
                return at + 1;
            }
        }
        self.text.len()
    }

    /// Where text in lines of its own ends: with its last line that is indented further than its key.
    fn end_of_block(&self, start: usize, key: usize) -> usize {
        let mut end = end_of_line(self.text, start);
        let mut at = end;
        while at < self.text.len() {
            let next = end_of_line(self.text, at + 1);
            let line = &self.text[at + 1..next];
            if !line.trim().is_empty() {
                if line.len() - line.trim_start_matches(' ').len() <= key {
                    break;
                }
                end = next;
            }
            at = next;
        }
        end
    }
}
