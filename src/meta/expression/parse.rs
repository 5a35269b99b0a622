//! Text → tree. Length, nesting and the number of operators are limited, so that no file can exhaust the stack.

use super::token::{Token, shown, tokens};
use super::{Binary, Node, Unary};

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

/// Reads `eval:…`, or a bare fieldname. Formulas know more, and take no `eval:`, though it may stand there.
pub(super) fn parse(source: &str, is_formula: bool) -> Result<Node, Fault> {
    if source.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} characters").into());
    }
    let text = source.trim();
    let code = match text.strip_prefix("eval:") {
        Some(code) => code,
        None if text.starts_with("fn:") => return Err("`fn:` calls a form script, and there are none here".into()),
        None if !is_formula && is_name(text) && !matches!(text, "true" | "false" | "null" | "undefined") => {
            return Ok(if text == "__islocal" { Node::IsNew } else { Node::Bare(text.to_owned()) });
        }
        None => text,
    };
    let mut parser = Parser { tokens: tokens(code)?, at: 0, depth: 0, operators: 0, is_formula };
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

pub(super) struct Parser {
    pub(super) tokens: Vec<Token>,
    pub(super) at: usize,
    depth: usize,
    operators: usize,
    pub(super) is_formula: bool,
}

impl Parser {
    pub(super) fn skip(&mut self, sign: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Sign(present)) if *present == sign);
        self.at += usize::from(found);
        found
    }

    pub(super) fn skip_name(&mut self, name: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Name(present)) if present == name);
        self.at += usize::from(found);
        found
    }

    pub(super) fn is_next(&self, sign: &str) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Sign(present)) if *present == sign)
    }

    pub(super) fn expect(&mut self, sign: &str) -> Result<(), Fault> {
        if self.skip(sign) { Ok(()) } else { Err(format!("a `{sign}` is missing").into()) }
    }

    pub(super) fn name(&mut self) -> Result<String, Fault> {
        match self.tokens.get(self.at) {
            Some(Token::Name(name)) => {
                self.at += 1;
                Ok(name.clone())
            }
            _ => Err("a name is missing after `.`".into()),
        }
    }

    pub(super) fn count(&mut self) -> Result<(), Fault> {
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
    pub(super) fn list(&mut self, end: &str) -> Result<Vec<Node>, Fault> {
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
}
