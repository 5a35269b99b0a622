//! What kind of value an expression gives, as far as it can be known, and what can never come to anything.

use super::function::{Aggregate, Function};
use super::{Binary, Expression, Node, Read, Unary};

/// A kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::meta) enum Type {
    Number,
    Text,
    /// A date, with or without time, or a time of day.
    Moment,
    Flag,
    List,
}

/// The kind of what comes out, `None` if it cannot be known; adds what is wrong to `faults`.
pub(in crate::meta) fn infer(
    expression: &Expression,
    look_up: &dyn Fn(&Read<'_>) -> Option<Type>,
    faults: &mut Vec<String>,
) -> Option<Type> {
    let node = expression.node.as_ref()?;
    Inferring { look_up, faults, table: None }.of(node)
}

struct Inferring<'a> {
    look_up: &'a dyn Fn(&Read<'_>) -> Option<Type>,
    faults: &'a mut Vec<String>,
    /// Inside a function of the rows of this table.
    table: Option<&'a str>,
}

impl<'a> Inferring<'a> {
    fn of(&mut self, node: &'a Node) -> Option<Type> {
        match node {
            Node::Undefined | Node::Null => None,
            Node::Bool(_) | Node::Bare(_) | Node::IsNew | Node::HasRole(_) => Some(Type::Flag),
            Node::Number(_) => Some(Type::Number),
            Node::Text(_) | Node::User => Some(Type::Text),
            Node::Array(nodes) => {
                for node in nodes {
                    self.of(node);
                }
                Some(Type::List)
            }
            Node::Doc(name) => self.look_up(Read::Doc(name)),
            Node::Parent(name) if self.table.is_some() => (self.look_up)(&Read::Doc(name)),
            Node::Parent(name) => self.look_up(Read::Parent(name)),
            Node::Linked(through, name) => self.look_up(Read::Linked(through, name)),
            Node::Each(aggregate, table, of) => {
                let around = self.table.replace(table);
                let inner = of.as_ref().and_then(|of| self.of(of));
                self.table = around;
                match (aggregate, inner) {
                    (Aggregate::Min | Aggregate::Max, inner) => inner,
                    (Aggregate::Sum | Aggregate::Avg, Some(Type::Moment)) => {
                        self.faults.push(format!("`{}` adds numbers, not dates", aggregate.as_str()));
                        None
                    }
                    _ => Some(Type::Number),
                }
            }
            Node::Unary(operator, operand) => {
                self.of(operand);
                Some(match operator {
                    Unary::Not => Type::Flag,
                    Unary::TypeOf => Type::Text,
                    Unary::Negate | Unary::Number => Type::Number,
                })
            }
            Node::And(nodes) | Node::Or(nodes) => self.common(nodes),
            Node::Binary(operator, left, right) => {
                let (left, right) = (self.of(left), self.of(right));
                self.binary(*operator, left, right)
            }
            Node::Conditional(parts) => {
                self.of(&parts[0]);
                self.common(&parts[1..])
            }
            Node::Call(function, arguments) => self.call(*function, arguments),
        }
    }

    fn look_up(&self, read: Read<'_>) -> Option<Type> {
        match self.table {
            Some(table) => (self.look_up)(&Read::OfRows(table, Box::new(read))),
            None => (self.look_up)(&read),
        }
    }

    /// What several have in common; nothing has every kind.
    fn common(&mut self, nodes: &'a [Node]) -> Option<Type> {
        let known: Vec<Option<Type>> = nodes
            .iter()
            .filter(|node| !matches!(node, Node::Null | Node::Undefined))
            .map(|node| self.of(node))
            .collect();
        let first = known.first().copied().flatten();
        first.filter(|_| known.iter().all(|one| *one == first))
    }

    fn binary(&mut self, operator: Binary, left: Option<Type>, right: Option<Type>) -> Option<Type> {
        let has = |kind| left == Some(kind) || right == Some(kind);
        match operator {
            Binary::Coalesce => left.filter(|left| Some(*left) == right),
            Binary::Add if has(Type::Text) => Some(Type::Text),
            Binary::Add | Binary::Subtract | Binary::Multiply | Binary::Divide | Binary::Remainder => {
                if has(Type::Moment) && (operator != Binary::Add || has(Type::Number)) {
                    let sign = operator.as_str();
                    self.faults.push(format!(
                        "`{sign}` does not work with dates: use `date_diff(a, b)`, `time_diff(a, b)` or `add_days(date, days)`"
                    ));
                    return None;
                }
                let is_number = |kind| matches!(kind, Some(Type::Number | Type::Flag));
                (operator != Binary::Add || is_number(left) && is_number(right)).then_some(Type::Number)
            }
            Binary::BitAnd | Binary::BitOr => Some(Type::Number),
            _ => {
                if has(Type::Moment) && has(Type::Number) {
                    self.faults.push(format!("`{}` compares a date with a number", operator.as_str()));
                }
                Some(Type::Flag)
            }
        }
    }

    fn call(&mut self, function: Function, arguments: &'a [Node]) -> Option<Type> {
        use Function as F;
        let types: Vec<Option<Type>> = arguments.iter().map(|argument| self.of(argument)).collect();
        let of_dates = match function {
            F::Date
            | F::Year
            | F::Month
            | F::Day
            | F::Weekday
            | F::AddDays
            | F::AddMonths
            | F::AddYears
            | F::MonthStart
            | F::MonthEnd => 1,
            F::DateDiff | F::TimeDiff | F::MonthsBetween | F::YearsBetween => 2,
            _ => 0,
        };
        if types.iter().take(of_dates).any(|kind| matches!(kind, Some(Type::Number | Type::Flag | Type::List))) {
            self.faults.push(format!("`{}` takes a date", function.as_str()));
        }
        Some(match function {
            F::InList | F::Includes | F::StartsWith | F::EndsWith | F::HasCommon => Type::Flag,
            F::Cstr | F::ToLowerCase | F::ToUpperCase | F::Trim | F::Slice | F::ReplaceAll | F::PadStart | F::Join => {
                Type::Text
            }
            F::Split => Type::List,
            F::Keys => return None,
            F::Today | F::Now | F::Date | F::AddDays | F::AddMonths | F::AddYears | F::MonthStart | F::MonthEnd => {
                Type::Moment
            }
            F::Min | F::Max => {
                let first = types.first().copied().flatten()?;
                return types.iter().all(|kind| *kind == Some(first)).then_some(first);
            }
            _ => Type::Number,
        })
    }
}
