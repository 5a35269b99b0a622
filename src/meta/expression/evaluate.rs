//! Tree + scope → value, with JavaScript's rules for truth, equality and comparison; numbers are reckoned with as they are
//! written, and nothing added to a text adds nothing to it.

use std::cmp::Ordering;

use super::call::call;
use super::function::Aggregate;
use super::{Binary, Node, Scope, Through, Unary};
use crate::meta::decimal;
use crate::meta::value::Value;

/// A JavaScript value.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::meta) enum Js {
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

pub(super) fn evaluate(node: &Node, scope: &dyn Scope) -> Js {
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
        Node::Linked(Through::Single(doctype), fieldname) => scope.single(doctype, fieldname).into(),
        Node::Linked(Through::Doc(link), fieldname) => scope.linked(link, fieldname).into(),
        Node::Linked(Through::Parent(link), fieldname) => scope.parent_linked(link, fieldname).into(),
        Node::Each(aggregate, table, of) => each(*aggregate, table, of.as_deref(), scope),
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
            call(*function, &arguments, scope)
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
        Binary::Add if left.is_textual() || right.is_textual() => Js::Text(left.to_words() + &right.to_words()),
        Binary::Add => Js::Number(decimal::add(left.to_number(), right.to_number())),
        Binary::Subtract => Js::Number(decimal::subtract(left.to_number(), right.to_number())),
        Binary::Multiply => Js::Number(decimal::multiply(left.to_number(), right.to_number())),
        Binary::Divide => Js::Number(decimal::divide(left.to_number(), right.to_number())),
        Binary::Remainder => Js::Number(decimal::remainder(left.to_number(), right.to_number())),
        Binary::BitAnd => Js::Number(f64::from(left.to_bits() & right.to_bits())),
        Binary::BitOr => Js::Number(f64::from(left.to_bits() | right.to_bits())),
    }
}

/// A function of the rows of a table. Rows in which `of` holds nothing do not count, but for sums, where they are 0.
fn each(aggregate: Aggregate, table: &str, of: Option<&Node>, scope: &dyn Scope) -> Js {
    let mut values = Vec::new();
    scope.each_row(table, &mut |row| values.push(of.map_or(Js::Bool(true), |of| evaluate(of, row))));
    match aggregate {
        Aggregate::Count => Js::count(values.iter().filter(|value| value.is_truthy()).count()),
        Aggregate::Sum => Js::Number(sum(&values)),
        Aggregate::Avg => {
            values.retain(|value| !value.is_blank());
            if values.is_empty() {
                Js::Null
            } else {
                Js::Number(decimal::divide(sum(&values), Js::number(values.len())))
            }
        }
        Aggregate::Min => extreme(&values, Ordering::is_lt),
        Aggregate::Max => extreme(&values, Ordering::is_gt),
    }
}

fn sum(values: &[Js]) -> f64 {
    values.iter().fold(0.0, |sum, value| decimal::add(sum, value.to_number()))
}

/// The smallest or largest of the values that hold something; nothing if none does.
pub(super) fn extreme(values: &[Js], is_better: fn(Ordering) -> bool) -> Js {
    let mut best = &Js::Null;
    for value in values.iter().filter(|value| !value.is_blank()) {
        if best.is_blank() || value.compare(best).is_some_and(is_better) {
            best = value;
        }
    }
    best.clone()
}

impl Js {
    pub(super) fn count(count: usize) -> Self {
        Self::Number(Self::number(count))
    }

    #[expect(clippy::cast_precision_loss, reason = "nothing here has 2^53 items")]
    fn number(count: usize) -> f64 {
        count as f64
    }

    /// Nothing, or a text without a character in it.
    pub(in crate::meta) fn is_blank(&self) -> bool {
        matches!(self, Self::Undefined | Self::Null) || matches!(self, Self::Text(text) if text.is_empty())
    }

    pub(in crate::meta) fn is_truthy(&self) -> bool {
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

    pub(super) fn map_text(&self, change: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Text(text) => Self::Text(change(text)),
            _ => Self::Undefined,
        }
    }

    pub(in crate::meta) fn to_text(&self) -> String {
        match self {
            Self::Undefined => "undefined".to_owned(),
            Self::Null => "null".to_owned(),
            Self::Bool(on) => on.to_string(),
            Self::Number(number) if number.is_infinite() => {
                if *number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
            }
            Self::Number(number) if number.is_nan() => "NaN".to_owned(),
            Self::Number(number) => decimal::text(*number),
            Self::Text(text) => text.clone(),
            Self::Array(items) => items
                .iter()
                .map(|item| if matches!(item, Self::Null | Self::Undefined) { String::new() } else { item.to_text() })
                .collect::<Vec<String>>()
                .join(","),
            Self::Rows(_) => "[object Object]".to_owned(),
        }
    }

    pub(in crate::meta) fn to_number(&self) -> f64 {
        match self {
            Self::Undefined => f64::NAN,
            Self::Null => 0.0,
            Self::Bool(on) => f64::from(u8::from(*on)),
            Self::Number(number) => *number,
            Self::Text(text) => text_to_number(text),
            Self::Array(_) | Self::Rows(_) => text_to_number(&self.to_text()),
        }
    }

    /// What it adds to a text.
    fn to_words(&self) -> String {
        if matches!(self, Self::Null | Self::Undefined) { String::new() } else { self.to_text() }
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
    pub(super) fn is_same(&self, other: &Self) -> bool {
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
            // JavaScript compares UTF-16 units.
            return Some(self.to_text().encode_utf16().cmp(other.to_text().encode_utf16()));
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

/// Without what JavaScript takes for space around it.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c == '\u{feff}' || c.is_whitespace() && c != '\u{85}')
}

fn text_to_number(text: &str) -> f64 {
    let text = trimmed(text);
    if text.is_empty() {
        return 0.0;
    }
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    if plain { text.parse().unwrap_or(f64::NAN) } else { f64::NAN }
}
