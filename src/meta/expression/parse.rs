//! Text → tree. Length, nesting and the number of operators are limited, so that no file can exhaust the stack.

use super::token::{Token, shown, tokens};
use super::{Binary, Function, Node, Unary};

const LONGEST: usize = 4000;
pub(super) const DEEPEST: usize = 48;
const OPERATORS: usize = 400;

/// Why a text is not an expression.
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

/// Names that stand for something in a browser and for nothing here.
const GLOBALS: [&str; 14] = [
    "window", "document", "console", "this", "new", "function", "locals", "moment", "Math", "Date", "JSON", "in",
    "await", "return",
];
/// What a value has.
const MEMBERS: [&str; 10] = [
    "length",
    "includes",
    "indexOf",
    "split",
    "toString",
    "startsWith",
    "endsWith",
    "toLowerCase",
    "toUpperCase",
    "trim",
];

/// `String(x)`: what is added to a text is text.
fn as_text(node: Node) -> Node {
    Node::Binary(Binary::Add, Box::new(Node::Text(String::new())), Box::new(node))
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

    fn skip_name(&mut self, name: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Name(present)) if present == name);
        self.at += usize::from(found);
        found
    }

    fn is_next(&self, sign: &str) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Sign(present)) if *present == sign)
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
                // Chains are flat: a long one is not a deep tree.
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
        let first = self.bits()?;
        let mut operands = vec![first];
        while self.skip("&&") {
            operands.push(self.bits()?);
        }
        Ok(if operands.len() == 1 { operands.remove(0) } else { Node::And(operands) })
    }

    /// A single `&` or `|`, mostly meant to be two of them, which comes to the same with conditions.
    fn bits(&mut self) -> Result<Node, Fault> {
        let mut node = self.both_bits()?;
        while let Some(operator) = self.operator(&[("|", Binary::BitOr)])? {
            node = Node::Binary(operator, Box::new(node), Box::new(self.both_bits()?));
        }
        Ok(node)
    }

    fn both_bits(&mut self) -> Result<Node, Fault> {
        let mut node = self.equality()?;
        while let Some(operator) = self.operator(&[("&", Binary::BitAnd)])? {
            node = Node::Binary(operator, Box::new(node), Box::new(self.equality()?));
        }
        Ok(node)
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
            } else if self.skip_name("typeof") {
                Unary::TypeOf
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
            "parseInt" | "parseFloat" => Function::ParseNumber,
            "has_common" => Function::HasCommon,
            "Object" => {
                self.expect(".")?;
                match self.name()?.as_str() {
                    "keys" | "values" | "entries" => Function::Keys,
                    other => return Err(format!("`Object.{other}` is unknown here").into()),
                }
            }
            "Boolean" | "Number" | "String" | "is_null" if self.is_next("(") => return self.converted(name),
            // What is not a field of ours but a browser's own, and calls of what nobody here knows.
            _ if GLOBALS.contains(&name) || self.is_next("(") => {
                return Err(format!("`{name}` is unknown here: name fields as `doc.{name}`").into());
            }
            _ if matches!(self.tokens.get(self.at), Some(Token::Sign("." | "?.")))
                && !matches!(self.tokens.get(self.at + 1), Some(Token::Name(member)) if MEMBERS.contains(&member.as_str())) =>
            {
                return Err(format!("`{name}` is unknown here: name fields as `doc.{name}`").into());
            }
            // Frappe's forms know the fields by their bare names too.
            _ => return Ok(Node::Doc(name.to_owned())),
        };
        self.expect("(")?;
        let mut arguments = self.list(")")?;
        let wanted = if matches!(function, Function::InList | Function::HasCommon) { 2 } else { 1 };
        // `flt(x, precision)` and `cint(x, default)` are written too; the second argument changes nothing here.
        if arguments.len() < wanted || arguments.len() > 2 {
            return Err(format!("`{name}` takes {wanted} argument{}", if wanted == 1 { "" } else { "s" }).into());
        }
        arguments.truncate(wanted);
        Ok(Node::Call(function, arguments))
    }

    /// `Boolean(x)`, `Number(x)`, `String(x)`, `is_null(x)`, in terms of operators.
    fn converted(&mut self, name: &str) -> Result<Node, Fault> {
        self.expect("(")?;
        let mut arguments = self.list(")")?;
        let (Some(argument), true) = (arguments.pop(), arguments.is_empty()) else {
            return Err(format!("`{name}` takes 1 argument").into());
        };
        self.count()?;
        let unary = |operator, node| Node::Unary(operator, Box::new(node));
        Ok(match name {
            "Boolean" => unary(Unary::Not, unary(Unary::Not, argument)),
            "Number" => unary(Unary::Number, argument),
            "is_null" => {
                let text = Node::Call(Function::Trim, vec![Node::Call(Function::Cstr, vec![argument])]);
                unary(Unary::Not, text)
            }
            _ => as_text(argument),
        })
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
            // The document itself, which is always there.
            return Ok(Node::Bool(true));
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
            ("boot", "developer_mode") => Ok(Node::Bool(false)),
            ("user", "has_role") | ("user_roles", "includes" | "indexOf") => {
                self.expect("(")?;
                let mut arguments = self.list(")")?;
                match (arguments.pop(), arguments.is_empty()) {
                    (Some(role), true) if part == "indexOf" => {
                        let [yes, no] = [0.0, -1.0].map(Node::Number);
                        Ok(Node::Conditional(Box::new([Node::HasRole(Box::new(role)), yes, no])))
                    }
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
            "indexOf" => (Function::IndexOf, 1),
            "split" => (Function::Split, 1),
            "toString" => {
                self.expect("(")?;
                self.expect(")")?;
                return Ok(as_text(target));
            }
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
