//! Text → tokens.

use super::parse::{DEEPEST, Fault};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    Number(f64),
    Text(String),
    Sign(&'static str),
}

/// The longest first, so that `===` is not read as `==` and `=`.
const SIGNS: [&str; 32] = [
    "===", "!==", "==", "!=", "<=", ">=", "&&", "||", "??", "?.", "=>", "++", "--", "<", ">", "!", "+", "-", "*", "/",
    "%", "?", ":", "(", ")", "[", "]", ",", ".", ";", "&", "|",
];

pub(super) fn shown(token: &Token) -> String {
    match token {
        Token::Name(name) => format!("`{name}`"),
        Token::Number(number) => format!("`{number}`"),
        Token::Text(text) => format!("the text `{text}`"),
        Token::Sign(sign) => format!("`{sign}`"),
    }
}

/// The tokens of a text; a template such as `` `a${b}` `` becomes `("a"+(b)+"")`.
pub(super) fn tokens(code: &str) -> Result<Vec<Token>, Fault> {
    let mut found = Vec::new();
    read(code, 0, &mut found)?;
    Ok(found)
}

fn read(code: &str, depth: usize, found: &mut Vec<Token>) -> Result<(), Fault> {
    if depth > DEEPEST {
        return Err(format!("it is nested deeper than {DEEPEST} levels").into());
    }
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length;
        if first.is_alphabetic() || first == '_' || first == '$' {
            length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len());
            found.push(Token::Name(rest[..length].to_owned()));
        } else if first.is_ascii_digit() || first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
            length = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
            let number = rest[..length].parse().ok().filter(|number: &f64| number.is_finite());
            let number = number.ok_or_else(|| format!("`{}` is not a number", &rest[..length]))?;
            found.push(Token::Number(number));
        } else if first == '`' {
            length = template(rest, depth, found)?;
        } else if matches!(first, '"' | '\'') {
            let (text, end) = text_literal(rest, first)?;
            found.push(Token::Text(text));
            length = end;
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            found.push(Token::Sign(sign));
            length = sign.len();
        } else if first == '=' {
            let message = "it assigns with `=`: compare with `==`".to_owned();
            return Err(Fault { message, assigns: true });
        } else {
            return Err(format!("`{first}` is not part of an expression").into());
        }
        rest = rest[length..].trim_start();
    }
    Ok(())
}

/// A template at the start of `rest`; returns where it ends.
fn template(rest: &str, depth: usize, found: &mut Vec<Token>) -> Result<usize, Fault> {
    let mut text = String::new();
    let mut at = 1;
    found.push(Token::Sign("("));
    loop {
        let left = &rest[at..];
        match left.chars().next() {
            Some('`') => break,
            Some('$') if left.starts_with("${") => {
                let end = closing_brace(&left[2..]).ok_or("a `${` has no `}`")?;
                found.push(Token::Text(std::mem::take(&mut text)));
                found.extend([Token::Sign("+"), Token::Sign("(")]);
                read(&left[2..2 + end], depth + 1, found)?;
                found.extend([Token::Sign(")"), Token::Sign("+")]);
                at += end + 3;
            }
            Some('\\') => {
                let escaped = left[1..].chars().next().ok_or("a text has no closing `")?;
                text.push(if escaped == 'n' { '\n' } else { escaped });
                at += 1 + escaped.len_utf8();
            }
            Some(c) => {
                text.push(c);
                at += c.len_utf8();
            }
            None => return Err("a text has no closing `".into()),
        }
    }
    found.extend([Token::Text(text), Token::Sign(")")]);
    Ok(at + 1)
}

/// Where the brace closes that was opened before `text`.
fn closing_brace(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => open += 1,
            '}' if open == 0 => return Some(at),
            '}' => open -= 1,
            _ => {}
        }
    }
    None
}

/// A quoted text at the start of `rest`, and where it ends.
fn text_literal(rest: &str, quote: char) -> Result<(String, usize), Fault> {
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        match c {
            _ if c == quote => return Ok((text, at + c.len_utf8())),
            '\\' => match characters.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, 't')) => text.push('\t'),
                Some((_, 'u' | 'x' | '0'..='9')) => return Err("it has a numeric escape in a text".into()),
                Some((_, escaped)) => text.push(escaped),
                None => break,
            },
            _ => text.push(c),
        }
    }
    Err(format!("a text has no closing {quote}").into())
}
