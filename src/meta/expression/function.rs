//! The functions of expressions: their names, in texts and in the tree, and how many arguments they take.

/// A function of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    InList,
    Cint,
    Flt,
    Cstr,
    Includes,
    StartsWith,
    EndsWith,
    Length,
    ToLowerCase,
    ToUpperCase,
    Trim,
    IndexOf,
    Split,
    Slice,
    ReplaceAll,
    PadStart,
    Keys,
    HasCommon,
    ParseNumber,
    Round,
    Abs,
    Floor,
    Ceil,
    Min,
    Max,
    Join,
    Today,
    Now,
    Date,
    Year,
    Month,
    Day,
    Weekday,
    AddDays,
    AddMonths,
    AddYears,
    DateDiff,
    TimeDiff,
    MonthsBetween,
    YearsBetween,
    MonthStart,
    MonthEnd,
}

/// A function of the rows of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aggregate {
    Sum,
    Count,
    Avg,
    Min,
    Max,
}

impl Aggregate {
    /// The name in texts and in the tree.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Count => "count",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
        }
    }

    /// The function of that name.
    pub(super) fn of(name: &str) -> Option<Self> {
        [Self::Sum, Self::Count, Self::Avg, Self::Min, Self::Max].into_iter().find(|known| known.as_str() == name)
    }
}

/// How a function is written.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// `name(…)`
    Called,
    /// `value.name(…)`
    Member,
    /// Some other way.
    Other,
}

use Form::{Called, Member, Other};
use Function as F;

/// Name, function, how it is written, the least and most arguments (of a member without its value).
#[rustfmt::skip]
const ALL: &[(&str, Function, Form, usize, usize)] = &[
    ("in_list", F::InList, Called, 2, 2), ("has_common", F::HasCommon, Called, 2, 2),
    // The default of `cint` changes nothing here.
    ("cint", F::Cint, Called, 1, 2), ("flt", F::Flt, Called, 1, 2), ("cstr", F::Cstr, Called, 1, 2),
    ("parseNumber", F::ParseNumber, Other, 1, 2),
    ("includes", F::Includes, Member, 1, 1), ("startsWith", F::StartsWith, Member, 1, 1),
    ("endsWith", F::EndsWith, Member, 1, 1), ("indexOf", F::IndexOf, Member, 1, 1), ("split", F::Split, Member, 1, 1),
    ("toLowerCase", F::ToLowerCase, Member, 0, 0), ("toUpperCase", F::ToUpperCase, Member, 0, 0),
    ("trim", F::Trim, Member, 0, 0), ("slice", F::Slice, Member, 1, 2), ("replaceAll", F::ReplaceAll, Member, 2, 2),
    ("padStart", F::PadStart, Member, 1, 2),
    ("length", F::Length, Other, 0, 0), ("keys", F::Keys, Other, 1, 1),
    ("round", F::Round, Called, 1, 2), ("abs", F::Abs, Called, 1, 1), ("floor", F::Floor, Called, 1, 1),
    ("ceil", F::Ceil, Called, 1, 1), ("min", F::Min, Called, 1, 20), ("max", F::Max, Called, 1, 20),
    ("join", F::Join, Called, 2, 20),
    ("today", F::Today, Called, 0, 0), ("now", F::Now, Called, 0, 0), ("date", F::Date, Called, 1, 1),
    ("year", F::Year, Called, 1, 1), ("month", F::Month, Called, 1, 1), ("day", F::Day, Called, 1, 1),
    ("weekday", F::Weekday, Called, 1, 1), ("add_days", F::AddDays, Called, 2, 2),
    ("add_months", F::AddMonths, Called, 2, 2), ("add_years", F::AddYears, Called, 2, 2),
    ("date_diff", F::DateDiff, Called, 2, 2), ("time_diff", F::TimeDiff, Called, 2, 2),
    ("months_between", F::MonthsBetween, Called, 2, 2), ("years_between", F::YearsBetween, Called, 2, 2),
    ("month_start", F::MonthStart, Called, 1, 1), ("month_end", F::MonthEnd, Called, 1, 1),
];

/// What JavaScript and Frappe call some of them.
#[rustfmt::skip]
const ALSO: &[(&str, &str)] = &[
    ("nowdate", "today"), ("get_today", "today"), ("now_date", "today"), ("now_datetime", "now"), ("getdate", "date"),
    ("get_diff", "date_diff"), ("get_day_diff", "date_diff"), ("time_diff_in_seconds", "time_diff"),
    ("get_first_day", "month_start"), ("get_last_day", "month_end"), ("month_diff", "months_between"),
];

impl Function {
    /// The name in the tree.
    pub(super) fn as_str(self) -> &'static str {
        ALL.iter().find(|(_, function, ..)| *function == self).map_or("", |(name, ..)| name)
    }

    /// The function that is called by that name, with the least and most arguments.
    pub(super) fn called(name: &str) -> Option<(Self, usize, usize)> {
        let name = ALSO.iter().find(|(also, _)| *also == name).map_or(name, |(_, name)| name);
        find(name, Called)
    }

    /// The member of that name.
    pub(super) fn member(name: &str) -> Option<(Self, usize, usize)> {
        find(name, Member)
    }
}

fn find(name: &str, form: Form) -> Option<(Function, usize, usize)> {
    let found = ALL.iter().find(|(known, _, written, ..)| *known == name && *written == form)?;
    Some((found.1, found.3, found.4))
}
