//! Tree + scope → value, with JavaScript's rules for truth, equality and comparison.

use std::cmp::Ordering;

use super::{Binary, Function, Node, Scope, Unary};
use crate::meta::value::Value;

/// A JavaScript value.
#[derive(Clone, Debug, PartialEq)]
enum Js {
    Undefined,
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Array(Vec<Js>),
    /// The rows of a table field, of which only the number matters.
    Rows(usize),
}

/// Whether the expression is truthy.
pub(super) fn holds(node: &Node, scope: &dyn Scope) -> bool {
    evaluate(node, scope).is_truthy()
}

fn evaluate(node: &Node, scope: &dyn Scope) -> Js {
    match node {
        Node::Undefined => Js::Undefined,
        Node::Null => Js::Null,
        Node::Bool(on) => Js::Bool(*on),
        Node::Number(number) => Js::Number(*number),
        Node::Text(text) => Js::Text(text.clone()),
        Node::Array(nodes) => Js::Array(nodes.iter().map(|node| evaluate(node, scope)).collect()),
        Node::Bare(fieldname) => match scope.rows(fieldname) {
            Some(rows) => Js::Bool(rows > 0),
            None => Js::Bool(Js::from(scope.value(fieldname)).is_truthy()),
        },
        Node::Doc(fieldname) => scope.rows(fieldname).map_or_else(|| scope.value(fieldname).into(), Js::Rows),
        Node::Parent(fieldname) => scope.parent_value(fieldname).into(),
        Node::IsNew => Js::Bool(scope.is_new()),
        Node::User => Js::Text(scope.user().to_owned()),
        Node::HasRole(role) => Js::Bool(match evaluate(role, scope) {
            Js::Array(roles) => roles.iter().any(|role| scope.has_role(&role.to_text())),
            role => scope.has_role(&role.to_text()),
        }),
        Node::Unary(operator, operand) => {
            let operand = evaluate(operand, scope);
            match operator {
                Unary::Not => Js::Bool(!operand.is_truthy()),
                Unary::Negate => Js::Number(-operand.to_number()),
                Unary::Number => Js::Number(operand.to_number()),
                Unary::TypeOf => Js::Text(operand.type_name().to_owned()),
            }
        }
        Node::And(operands) => until(operands, scope, false),
        Node::Or(operands) => until(operands, scope, true),
        Node::Binary(operator, left, right) => binary(*operator, evaluate(left, scope), || evaluate(right, scope)),
        Node::Conditional(parts) => {
            let [condition, yes, no] = parts.as_ref();
            evaluate(if holds(condition, scope) { yes } else { no }, scope)
        }
        Node::Call(function, arguments) => {
            let arguments: Vec<Js> = arguments.iter().map(|argument| evaluate(argument, scope)).collect();
            call(*function, &arguments)
        }
    }
}

/// The first operand whose truth is `stop`, or the last one.
fn until(operands: &[Node], scope: &dyn Scope, stop: bool) -> Js {
    let mut value = Js::Undefined;
    for operand in operands {
        value = evaluate(operand, scope);
        if value.is_truthy() == stop {
            break;
        }
    }
    value
}

fn binary(operator: Binary, left: Js, right: impl FnOnce() -> Js) -> Js {
    if operator == Binary::Coalesce {
        return if matches!(left, Js::Null | Js::Undefined) { right() } else { left };
    }
    let right = right();
    let compare = |wanted: fn(Ordering) -> bool| Js::Bool(left.compare(&right).is_some_and(wanted));
    match operator {
        Binary::Coalesce => Js::Undefined,
        Binary::Equal => Js::Bool(left.equals(&right)),
        Binary::NotEqual => Js::Bool(!left.equals(&right)),
        Binary::Same => Js::Bool(left.is_same(&right)),
        Binary::NotSame => Js::Bool(!left.is_same(&right)),
        Binary::Less => compare(Ordering::is_lt),
        Binary::Greater => compare(Ordering::is_gt),
        Binary::LessOrEqual => compare(Ordering::is_le),
        Binary::GreaterOrEqual => compare(Ordering::is_ge),
        Binary::Add if left.is_textual() || right.is_textual() => {
            Js::Text(format!("{}{}", left.to_text(), right.to_text()))
        }
        Binary::Add => Js::Number(left.to_number() + right.to_number()),
        Binary::Subtract => Js::Number(left.to_number() - right.to_number()),
        Binary::Multiply => Js::Number(left.to_number() * right.to_number()),
        Binary::Divide => Js::Number(left.to_number() / right.to_number()),
        Binary::Remainder => Js::Number(left.to_number() % right.to_number()),
        Binary::BitAnd => Js::Number(f64::from(left.to_bits() & right.to_bits())),
        Binary::BitOr => Js::Number(f64::from(left.to_bits() | right.to_bits())),
    }
}

fn call(function: Function, arguments: &[Js]) -> Js {
    const UNDEFINED: &Js = &Js::Undefined;
    let first = arguments.first().unwrap_or(UNDEFINED);
    let second = arguments.get(1).unwrap_or(UNDEFINED);
    match function {
        Function::InList | Function::Includes => Js::Bool(match first {
            Js::Array(items) => items.iter().any(|item| item.is_same(second)),
            Js::Text(text) => text.contains(&second.to_text()),
            _ => false,
        }),
        Function::StartsWith => Js::Bool(matches!(first, Js::Text(text) if text.starts_with(&second.to_text()))),
        Function::EndsWith => Js::Bool(matches!(first, Js::Text(text) if text.ends_with(&second.to_text()))),
        Function::Length => match first {
            // JavaScript counts UTF-16 units.
            Js::Text(text) => Js::count(text.encode_utf16().count()),
            Js::Array(items) => Js::count(items.len()),
            Js::Rows(rows) => Js::count(*rows),
            Js::Undefined | Js::Null | Js::Bool(_) | Js::Number(_) => Js::Undefined,
        },
        Function::Cint => Js::Number(leading_number(first, false)),
        Function::Flt => Js::Number(leading_number(first, true)),
        Function::Cstr => {
            Js::Text(if matches!(first, Js::Null | Js::Undefined) { String::new() } else { first.to_text() })
        }
        Function::ToLowerCase => first.map_text(str::to_lowercase),
        Function::ToUpperCase => first.map_text(str::to_uppercase),
        Function::Trim => first.map_text(|text| text.trim().to_owned()),
        Function::IndexOf => {
            let at = match first {
                Js::Array(items) => items.iter().position(|item| item.is_same(second)),
                Js::Text(text) => text.find(&second.to_text()).map(|at| text[..at].encode_utf16().count()),
                _ => None,
            };
            at.map_or(Js::Number(-1.0), Js::count)
        }
        Function::Split => match first {
            Js::Text(text) => Js::Array(text.split(&second.to_text()).map(|part| Js::Text(part.to_owned())).collect()),
            _ => Js::Undefined,
        },
        // Only how many there are is ever asked.
        Function::Keys => Js::Rows(match first {
            Js::Array(items) => items.len(),
            Js::Rows(rows) => *rows,
            Js::Text(text) => text.encode_utf16().count(),
            Js::Undefined | Js::Null | Js::Bool(_) | Js::Number(_) => 0,
        }),
        Function::HasCommon => Js::Bool(match (first, second) {
            (Js::Array(one), Js::Array(other)) => one.iter().any(|item| other.iter().any(|found| item.is_same(found))),
            _ => false,
        }),
        Function::ParseNumber => match first {
            Js::Text(text)
                if !text.trim_start_matches([' ', '+', '-']).starts_with(|c: char| c.is_ascii_digit() || c == '.') =>
            {
                Js::Number(f64::NAN)
            }
            Js::Text(_) | Js::Number(_) => Js::Number(leading_number(first, true)),
            _ => Js::Number(f64::NAN),
        },
    }
}

/// `cint` and `flt`: the number that a text starts with, 0 if it starts with none.
fn leading_number(value: &Js, with_fraction: bool) -> f64 {
    let number = match value {
        Js::Number(number) => *number,
        Js::Bool(on) => f64::from(u8::from(*on)),
        Js::Text(text) => {
            let text = text.trim().replace(',', "");
            let mut seen_point = false;
            let length = text
                .char_indices()
                .find(|(at, c)| {
                    let point = with_fraction && *c == '.' && !seen_point;
                    seen_point |= point;
                    !(c.is_ascii_digit() || point || *at == 0 && matches!(c, '+' | '-'))
                })
                .map_or(text.len(), |(at, _)| at);
            text[..length].parse().unwrap_or(0.0)
        }
        Js::Undefined | Js::Null | Js::Array(_) | Js::Rows(_) => 0.0,
    };
    match number {
        _ if !number.is_finite() => 0.0,
        _ if with_fraction => number,
        _ => number.trunc(),
    }
}

impl Js {
    #[expect(clippy::cast_precision_loss, reason = "nothing here has 2^53 items")]
    fn count(count: usize) -> Self {
        Self::Number(count as f64)
    }

    fn is_truthy(&self) -> bool {
        match self {
            Self::Undefined | Self::Null => false,
            Self::Bool(on) => *on,
            Self::Number(number) => *number != 0.0 && !number.is_nan(),
            Self::Text(text) => !text.is_empty(),
            Self::Array(_) | Self::Rows(_) => true,
        }
    }

    /// Becomes text when added.
    fn is_textual(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Array(_) | Self::Rows(_))
    }

    fn map_text(&self, change: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Text(text) => Self::Text(change(text)),
            _ => Self::Undefined,
        }
    }

    fn to_text(&self) -> String {
        match self {
            Self::Undefined => "undefined".to_owned(),
            Self::Null => "null".to_owned(),
            Self::Bool(on) => on.to_string(),
            Self::Number(number) if number.is_infinite() => {
                if *number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
            }
            Self::Number(number) => (number + 0.0).to_string(),
            Self::Text(text) => text.clone(),
            Self::Array(items) => items
                .iter()
                .map(|item| if matches!(item, Self::Null | Self::Undefined) { String::new() } else { item.to_text() })
                .collect::<Vec<String>>()
                .join(","),
            Self::Rows(_) => "[object Object]".to_owned(),
        }
    }

    fn to_number(&self) -> f64 {
        match self {
            Self::Undefined => f64::NAN,
            Self::Null => 0.0,
            Self::Bool(on) => f64::from(u8::from(*on)),
            Self::Number(number) => *number,
            Self::Text(text) => text_to_number(text),
            Self::Array(_) | Self::Rows(_) => text_to_number(&self.to_text()),
        }
    }

    /// `typeof`
    fn type_name(&self) -> &'static str {
        match self {
            Self::Undefined => "undefined",
            Self::Null | Self::Array(_) | Self::Rows(_) => "object",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
        }
    }

    /// The 32 bits that `&` and `|` work on.
    fn to_bits(&self) -> i32 {
        let number = self.to_number();
        if !number.is_finite() {
            return 0;
        }
        let wrapped = number.trunc().rem_euclid(4_294_967_296.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within 32 bits after the remainder"
        )]
        let bits = wrapped as u32;
        bits.cast_signed()
    }

    /// `===`
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            // Two arrays are two objects, never the same one.
            (Self::Array(_) | Self::Rows(_), _) => false,
            _ => self == other,
        }
    }

    /// `==`
    fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null | Self::Undefined, Self::Null | Self::Undefined) => true,
            // Nothing equals only nothing, and two arrays are two objects.
            (Self::Null | Self::Undefined, _)
            | (_, Self::Null | Self::Undefined)
            | (Self::Array(_) | Self::Rows(_), Self::Array(_) | Self::Rows(_)) => false,
            (Self::Text(_) | Self::Array(_) | Self::Rows(_), Self::Text(_) | Self::Array(_) | Self::Rows(_)) => {
                self.to_text() == other.to_text()
            }
            #[expect(clippy::float_cmp, reason = "JavaScript compares them so")]
            _ => self.to_number() == other.to_number(),
        }
    }

    /// The order for `<` and its kin; `None` if there is none.
    fn compare(&self, other: &Self) -> Option<Ordering> {
        if self.is_textual() && other.is_textual() {
            return Some(self.to_text().cmp(&other.to_text()));
        }
        self.to_number().partial_cmp(&other.to_number())
    }
}

impl From<Value> for Js {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            #[expect(clippy::cast_precision_loss, reason = "JavaScript has no other numbers")]
            Value::Int(number) => Self::Number(number as f64),
            Value::Float(number) => Self::Number(number),
            Value::Text(text) => Self::Text(text),
        }
    }
}

fn text_to_number(text: &str) -> f64 {
    let text = text.trim();
    if text.is_empty() {
        return 0.0;
    }
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    if plain { text.parse().unwrap_or(f64::NAN) } else { f64::NAN }
}
