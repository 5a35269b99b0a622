//! Text → tree. Length, nesting and the number of operators are limited, so that no file can exhaust the stack.

use super::{Binary, Function, Node, Unary};

const LONGEST: usize = 4000;
const DEEPEST: usize = 48;
const OPERATORS: usize = 400;

/// Why a text is no expression.
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) assigns: bool,
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Self { message, assigns: false }
    }
}

impl From<&str> for Fault {
    fn from(message: &str) -> Self {
        message.to_owned().into()
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Name(String),
    Number(f64),
    Text(String),
    Sign(&'static str),
}

/// The longest first, so that `===` is not read as `==` and `=`.
const SIGNS: [&str; 30] = [
    "===", "!==", "==", "!=", "<=", ">=", "&&", "||", "??", "?.", "=>", "++", "--", "<", ">", "!", "+", "-", "*", "/",
    "%", "?", ":", "(", ")", "[", "]", ",", ".", ";",
];

/// Reads `eval:…`, or a bare fieldname.
pub(super) fn parse(source: &str) -> Result<Node, Fault> {
    if source.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} characters").into());
    }
    let text = source.trim();
    let code = match text.strip_prefix("eval:") {
        Some(code) => code,
        None if text.starts_with("fn:") => return Err("`fn:` calls a form script, and there are none here".into()),
        None if is_name(text) && !matches!(text, "true" | "false" | "null" | "undefined") => {
            return Ok(if text == "__islocal" { Node::IsNew } else { Node::Bare(text.to_owned()) });
        }
        None => text,
    };
    let mut parser = Parser { tokens: tokens(code)?, at: 0, depth: 0, operators: 0 };
    if parser.tokens.is_empty() {
        return Err("it is empty".into());
    }
    let node = parser.conditional()?;
    parser.skip(";");
    match parser.tokens.get(parser.at) {
        None => Ok(node),
        Some(token) => Err(format!("{} is unexpected", shown(token)).into()),
    }
}

fn is_name(text: &str) -> bool {
    text.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_' || c == '$')
        && text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$')
}

fn shown(token: &Token) -> String {
    match token {
        Token::Name(name) => format!("`{name}`"),
        Token::Number(number) => format!("`{number}`"),
        Token::Text(text) => format!("the text `{text}`"),
        Token::Sign(sign) => format!("`{sign}`"),
    }
}

fn tokens(code: &str) -> Result<Vec<Token>, Fault> {
    let mut found = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length;
        if first.is_alphabetic() || first == '_' || first == '$' {
            length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len());
            found.push(Token::Name(rest[..length].to_owned()));
        } else if first.is_ascii_digit() || first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
            length = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
            let number = rest[..length].parse().map_err(|_| format!("`{}` is no number", &rest[..length]))?;
            found.push(Token::Number(number));
        } else if matches!(first, '"' | '\'' | '`') {
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
    Ok(found)
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
            '$' if quote == '`' && rest[at + 1..].starts_with('{') => return Err("it has a template with `${`".into()),
            _ => text.push(c),
        }
    }
    Err(format!("a text has no closing {quote}").into())
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    operators: usize,
}

impl Parser {
    fn skip(&mut self, sign: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Sign(present)) if *present == sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), Fault> {
        if self.skip(sign) { Ok(()) } else { Err(format!("a `{sign}` is missing").into()) }
    }

    fn name(&mut self) -> Result<String, Fault> {
        match self.tokens.get(self.at) {
            Some(Token::Name(name)) => {
                self.at += 1;
                Ok(name.clone())
            }
            _ => Err("a name is missing after `.`".into()),
        }
    }

    fn count(&mut self) -> Result<(), Fault> {
        self.operators += 1;
        if self.operators > OPERATORS { Err(format!("it has more than {OPERATORS} operators").into()) } else { Ok(()) }
    }

    /// One of the operators at hand, if it comes next.
    fn operator(&mut self, among: &[(&str, Binary)]) -> Result<Option<Binary>, Fault> {
        for (sign, operator) in among {
            if self.skip(sign) {
                self.count()?;
                return Ok(Some(*operator));
            }
        }
        Ok(None)
    }

    fn conditional(&mut self) -> Result<Node, Fault> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("it is nested deeper than {DEEPEST} levels").into());
        }
        let condition = self.or()?;
        let node = if self.skip("?") {
            let yes = self.conditional()?;
            self.expect(":")?;
            let no = self.conditional()?;
            Node::Conditional(Box::new([condition, yes, no]))
        } else {
            condition
        };
        self.depth -= 1;
        Ok(node)
    }

    fn or(&mut self) -> Result<Node, Fault> {
        let mut node = self.and()?;
        loop {
            if self.skip("||") {
                let right = self.and()?;
                // Chains are flat: a long one is no deep tree.
                match &mut node {
                    Node::Or(operands) => operands.push(right),
                    _ => node = Node::Or(vec![node, right]),
                }
            } else if self.skip("??") {
                self.count()?;
                node = Node::Binary(Binary::Coalesce, Box::new(node), Box::new(self.and()?));
            } else {
                return Ok(node);
            }
        }
    }

    fn and(&mut self) -> Result<Node, Fault> {
        let first = self.equality()?;
        let mut operands = vec![first];
        while self.skip("&&") {
            operands.push(self.equality()?);
        }
        Ok(if operands.len() == 1 { operands.remove(0) } else { Node::And(operands) })
    }

    fn equality(&mut self) -> Result<Node, Fault> {
        let among = [("===", Binary::Same), ("!==", Binary::NotSame), ("==", Binary::Equal), ("!=", Binary::NotEqual)];
        let mut node = self.comparison()?;
        while let Some(operator) = self.operator(&among)? {
            node = Node::Binary(operator, Box::new(node), Box::new(self.comparison()?));
        }
        Ok(node)
    }

    fn comparison(&mut self) -> Result<Node, Fault> {
        let among =
            [("<=", Binary::LessOrEqual), (">=", Binary::GreaterOrEqual), ("<", Binary::Less), (">", Binary::Greater)];
        let mut node = self.sum()?;
        while let Some(operator) = self.operator(&among)? {
            node = Node::Binary(operator, Box::new(node), Box::new(self.sum()?));
        }
        Ok(node)
    }

    fn sum(&mut self) -> Result<Node, Fault> {
        let mut node = self.product()?;
        while let Some(operator) = self.operator(&[("+", Binary::Add), ("-", Binary::Subtract)])? {
            node = Node::Binary(operator, Box::new(node), Box::new(self.product()?));
        }
        Ok(node)
    }

    fn product(&mut self) -> Result<Node, Fault> {
        let among = [("*", Binary::Multiply), ("/", Binary::Divide), ("%", Binary::Remainder)];
        let mut node = self.unary()?;
        while let Some(operator) = self.operator(&among)? {
            node = Node::Binary(operator, Box::new(node), Box::new(self.unary()?));
        }
        Ok(node)
    }

    fn unary(&mut self) -> Result<Node, Fault> {
        let mut operators = Vec::new();
        loop {
            let operator = if self.skip("!") {
                Unary::Not
            } else if self.skip("-") {
                Unary::Negate
            } else if self.skip("+") {
                Unary::Number
            } else {
                break;
            };
            self.count()?;
            operators.push(operator);
        }
        let node = self.postfix()?;
        Ok(operators.into_iter().rev().fold(node, |node, operator| match (operator, node) {
            (Unary::Negate, Node::Number(number)) => Node::Number(-number),
            (operator, node) => Node::Unary(operator, Box::new(node)),
        }))
    }

    fn postfix(&mut self) -> Result<Node, Fault> {
        let mut node = self.primary()?;
        while self.skip(".") || self.skip("?.") {
            self.count()?;
            node = self.member(node)?;
        }
        Ok(node)
    }

    fn primary(&mut self) -> Result<Node, Fault> {
        let token = self.tokens.get(self.at).cloned().ok_or("it ends too early")?;
        self.at += 1;
        match token {
            Token::Number(number) => Ok(Node::Number(number)),
            Token::Text(text) => Ok(Node::Text(text)),
            Token::Sign("(") => {
                let node = self.conditional()?;
                self.expect(")")?;
                Ok(node)
            }
            Token::Sign("[") => Ok(Node::Array(self.list("]")?)),
            Token::Sign(_) => Err(format!("{} is unexpected", shown(&token)).into()),
            Token::Name(name) => self.named(&name),
        }
    }

    /// Comma-separated expressions up to `end`; a comma may trail.
    fn list(&mut self, end: &str) -> Result<Vec<Node>, Fault> {
        let mut nodes = Vec::new();
        while !self.skip(end) {
            if !nodes.is_empty() {
                self.expect(",")?;
                if self.skip(end) {
                    break;
                }
            }
            nodes.push(self.conditional()?);
        }
        Ok(nodes)
    }

    fn named(&mut self, name: &str) -> Result<Node, Fault> {
        let function = match name {
            "true" => return Ok(Node::Bool(true)),
            "false" => return Ok(Node::Bool(false)),
            "null" => return Ok(Node::Null),
            "undefined" => return Ok(Node::Undefined),
            "doc" => return self.field(Node::Doc),
            "parent" => return self.field(Node::Parent),
            "cur_frm" | "frm" => return self.form(),
            "frappe" => return self.frappe(),
            "in_list" => Function::InList,
            "cint" => Function::Cint,
            "flt" => Function::Flt,
            "cstr" => Function::Cstr,
            _ => return Err(format!("`{name}` is unknown here: name fields as `doc.{name}`").into()),
        };
        self.expect("(")?;
        let mut arguments = self.list(")")?;
        let wanted = if function == Function::InList { 2 } else { 1 };
        // `flt(x, precision)` and `cint(x, default)` are written too; the second argument changes nothing here.
        if arguments.len() < wanted || arguments.len() > 2 {
            return Err(format!("`{name}` takes {wanted} argument{}", if wanted == 1 { "" } else { "s" }).into());
        }
        arguments.truncate(wanted);
        Ok(Node::Call(function, arguments))
    }

    fn field(&mut self, make: fn(String) -> Node) -> Result<Node, Fault> {
        let fieldname = if self.skip("[") {
            let Some(Token::Text(fieldname)) = self.tokens.get(self.at).cloned() else {
                return Err("a fieldname in quotes is missing after `doc[`".into());
            };
            self.at += 1;
            self.expect("]")?;
            fieldname
        } else if self.skip(".") || self.skip("?.") {
            self.name()?
        } else {
            return Err("`doc` and `parent` need a field, as in `doc.title`".into());
        };
        // A document that was never saved; `parent.__islocal` has no such meaning for its rows.
        Ok(match make(fieldname) {
            Node::Doc(fieldname) if fieldname == "__islocal" => Node::IsNew,
            node => node,
        })
    }

    fn form(&mut self) -> Result<Node, Fault> {
        self.expect(".")?;
        match self.name()?.as_str() {
            "doc" => self.field(Node::Doc),
            "is_new" => {
                self.expect("(")?;
                self.expect(")")?;
                Ok(Node::IsNew)
            }
            other => Err(format!("`frm.{other}` is a form's own: only `frm.doc` and `frm.is_new()` work here").into()),
        }
    }

    fn frappe(&mut self) -> Result<Node, Fault> {
        self.expect(".")?;
        let what = self.name()?;
        self.expect(".")?;
        let part = self.name()?;
        match (what.as_str(), part.as_str()) {
            ("session", "user") | ("user", "name") => Ok(Node::User),
            ("user", "has_role") | ("user_roles", "includes") => {
                self.expect("(")?;
                let mut arguments = self.list(")")?;
                match (arguments.pop(), arguments.is_empty()) {
                    (Some(role), true) => Ok(Node::HasRole(Box::new(role))),
                    _ => Err(format!("`frappe.{what}.{part}` takes one role").into()),
                }
            }
            _ => Err(format!("`frappe.{what}.{part}` is unknown here").into()),
        }
    }

    fn member(&mut self, target: Node) -> Result<Node, Fault> {
        let name = self.name()?;
        let (function, wanted) = match name.as_str() {
            "length" => return Ok(Node::Call(Function::Length, vec![target])),
            "includes" => (Function::Includes, 1),
            "startsWith" => (Function::StartsWith, 1),
            "endsWith" => (Function::EndsWith, 1),
            "toLowerCase" => (Function::ToLowerCase, 0),
            "toUpperCase" => (Function::ToUpperCase, 0),
            "trim" => (Function::Trim, 0),
            _ => return Err(format!("`.{name}` is unknown here").into()),
        };
        self.expect("(")?;
        let mut arguments = self.list(")")?;
        if arguments.len() != wanted {
            return Err(format!("`.{name}` takes {wanted} argument{}", if wanted == 1 { "" } else { "s" }).into());
        }
        arguments.insert(0, target);
        Ok(Node::Call(function, arguments))
    }
}
