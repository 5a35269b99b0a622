//! How the documents of a list are shown: as rows, a report, a board, a calendar or a tree; by which field, and what of it.

use chrono::NaiveDate;
use serde::Serialize;

use super::params::{ListParams, filterable};
use super::report::ReportParams;
use crate::desk::form::control::label;
use crate::desk::form::view::Choice;
use crate::meta::{DocField, DocType, Fieldtype, Right};
use crate::permissions::Grant;

/// A way to show documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Rows.
    #[default]
    List,
    /// Chosen columns, groups, sums and a chart.
    Report,
    /// A column for each option of a Select.
    Kanban,
    /// The days of a month.
    Calendar,
    /// Each below its parent.
    Tree,
}

impl Kind {
    const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::List, "list", "List"),
        (Self::Report, "report", "Report"),
        (Self::Kanban, "kanban", "Kanban"),
        (Self::Calendar, "calendar", "Calendar"),
        (Self::Tree, "tree", "Tree"),
    ];

    /// The word in addresses.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known, _)| known.eq_ignore_ascii_case(word)).map(|(kind, ..)| kind)
    }

    fn word(self) -> &'static str {
        Self::ALL.into_iter().find(|(kind, ..)| *kind == self).map_or("", |(_, word, _)| word)
    }

    /// The fields by which documents can be shown so, as far as the session may read them; the usual one first.
    pub(super) fn fields<'a>(self, doctype: &'a DocType, grant: &Grant) -> Vec<&'a DocField> {
        let readable = |field: &&DocField| filterable(doctype, grant, &field.fieldname);
        let is_of = |field: &&DocField| match self {
            Self::List | Self::Report => false,
            Self::Kanban => field.fieldtype == Fieldtype::Select,
            Self::Calendar => matches!(field.fieldtype, Fieldtype::Date | Fieldtype::Datetime),
            Self::Tree => field.fieldtype == Fieldtype::Link && field.link_target() == Some(&doctype.name),
        };
        let mut fields: Vec<&DocField> = doctype.fields.iter().filter(is_of).filter(readable).collect();
        let usual = match self {
            Self::Tree => doctype.tree_parent_field().map(|field| field.fieldname.as_str()),
            Self::Kanban => Some("status"),
            Self::List | Self::Report | Self::Calendar => None,
        };
        // What an amended document came from is no parent.
        fields.retain(|field| field.fieldname != "amended_from");
        if let Some(at) = fields.iter().position(|field| Some(field.fieldname.as_str()) == usual) {
            fields[..=at].rotate_right(1);
        }
        fields
    }
}

/// What the address says about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    /// The way.
    pub kind: Kind,
    /// The field of the columns, days or parents; empty for rows.
    pub by: String,
    /// The field with the last day; empty for none.
    pub end: String,
    /// A day of the month that is shown; `None` for this one.
    pub month: Option<NaiveDate>,
    /// The node that is unfolded; empty for none.
    pub node: String,
    /// The field of which each value is counted; empty for none.
    pub group_by: String,
    /// What a report shows beside columns, filters and order.
    pub report: ReportParams,
}

impl Shown {
    /// Whether a parameter of the address belongs here; those of views only where there is one.
    pub(super) fn takes(doctype: &DocType, query: &[(String, String)], name: &str) -> bool {
        match name {
            "view" | "group_by" => doctype.field(name).is_none(),
            "by" | "end" | "month" | "node" => query.iter().any(|(known, value)| known == "view" && !value.is_empty()),
            name if ReportParams::NAMES.contains(&name) => {
                query.iter().any(|(known, value)| known == "view" && Kind::parse(value) == Some(Kind::Report))
            }
            _ => false,
        }
    }

    /// Reads them; what cannot be done becomes the problem.
    pub(super) fn parse(doctype: &DocType, grant: &Grant, query: &[(String, String)]) -> (Self, String) {
        let mut shown = Self::default();
        let mut problem = String::new();
        let get = |name: &str| {
            let found = query.iter().find(|(known, value)| known == name && !value.trim().is_empty());
            found.filter(|_| Self::takes(doctype, query, name)).map_or("", |(_, value)| value.trim())
        };
        match Kind::parse(get("view")) {
            Some(Kind::Report) if !may_report(doctype, grant) => {
                problem = format!("You need the right `report` on {} for this", doctype.name);
            }
            Some(kind) => shown.kind = kind,
            None if get("view").is_empty() => {}
            None => problem = format!("`view` is list, report, kanban, calendar or tree, not {}", get("view")),
        }
        let fields = shown.kind.fields(doctype, grant);
        let of_view = |name: &str| fields.iter().any(|field| field.fieldname == name);
        let (needs, purpose) = match shown.kind {
            Kind::List | Kind::Report => ("", ""),
            Kind::Kanban => ("Select", "make a board by"),
            Kind::Calendar => ("Date or Datetime", "make a calendar by"),
            Kind::Tree => ("Link to itself", "make a tree by"),
        };
        match (shown.kind, get("by")) {
            (Kind::List | Kind::Report, _) => {}
            (_, "") => match fields.first() {
                Some(field) => shown.by.clone_from(&field.fieldname),
                None => problem = format!("{} has no field of the type {needs} that you may {purpose}", doctype.name),
            },
            (_, by) if of_view(by) => by.clone_into(&mut shown.by),
            (_, by) => {
                problem = format!("{} has no field `{by}` of the type {needs} that you may {purpose}", doctype.name);
            }
        }
        match get("end") {
            "" => {}
            end if shown.kind == Kind::Calendar && of_view(end) => end.clone_into(&mut shown.end),
            end => problem = format!("{} has no field `{end}` with the last day", doctype.name),
        }
        match get("month") {
            "" => {}
            month => match NaiveDate::parse_from_str(&format!("{month}-01"), "%Y-%m-%d") {
                Ok(first) if (1..=9999).contains(&chrono::Datelike::year(&first)) => shown.month = Some(first),
                _ => problem = format!("`month` is a month such as 2026-11, not {month}"),
            },
        }
        get("node").clone_into(&mut shown.node);
        if shown.kind == Kind::Report {
            match ReportParams::parse(&get) {
                Ok(report) => shown.report = report,
                Err(wrong) => problem = wrong,
            }
        }
        match get("group_by") {
            "" => {}
            _ if shown.kind == Kind::Report => {}
            field if groupable(doctype, grant).any(|known| known.fieldname == field) => {
                field.clone_into(&mut shown.group_by);
            }
            field => problem = format!("{} has no field `{field}` that you may group by", doctype.name),
        }
        (shown, problem)
    }

    /// The parameters that say so.
    pub(super) fn pairs(&self) -> Vec<(&'static str, String)> {
        let kind = if self.kind == Kind::List { "" } else { self.kind.word() };
        let month = self.month.map(|month| month.format("%Y-%m").to_string()).unwrap_or_default();
        let all = [
            ("view", kind.to_owned()),
            ("by", self.by.clone()),
            ("end", self.end.clone()),
            ("month", month),
            ("node", self.node.clone()),
            ("group_by", self.group_by.clone()),
        ];
        all.into_iter().chain(self.report.pairs()).filter(|(_, value)| !value.is_empty()).collect()
    }

    /// Another way to show the same.
    pub(super) fn of(kind: Kind, doctype: &DocType, grant: &Grant) -> Option<Self> {
        let by = match kind {
            Kind::List => String::new(),
            Kind::Report if may_report(doctype, grant) => String::new(),
            kind => kind.fields(doctype, grant).first()?.fieldname.clone(),
        };
        Some(Self { kind, by, ..Self::default() })
    }
}

/// Whether somebody may make reports on the DocType.
pub(super) fn may_report(doctype: &DocType, grant: &Grant) -> bool {
    grant.may(Right::Report) && doctype.has_table() && !doctype.is_virtual
}

/// The fields of which each value can be counted.
pub(super) fn groupable<'a>(doctype: &'a DocType, grant: &Grant) -> impl Iterator<Item = &'a DocField> {
    doctype.fields.iter().filter(move |field| {
        use Fieldtype as F;
        matches!(field.fieldtype, F::Select | F::Link | F::Check | F::Date | F::Datetime)
            && filterable(doctype, grant, &field.fieldname)
    })
}

/// A way to show the documents that can be chosen.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TabView {
    /// What it is called.
    pub label: &'static str,
    /// Its address.
    pub href: String,
    /// It is the one that is shown.
    pub current: bool,
}

/// The ways to show the documents; none where there is only one.
pub(super) fn tabs(doctype: &DocType, grant: &Grant, params: &ListParams) -> Vec<TabView> {
    let tab = |(kind, _, label)| {
        let current = params.shown.kind == kind;
        let shown = if current { params.shown.clone() } else { Shown::of(kind, doctype, grant)? };
        Some(TabView { label, href: params.shown_as(shown).url(doctype), current })
    };
    let tabs: Vec<TabView> = Kind::ALL.into_iter().filter_map(tab).collect();
    if tabs.len() > 1 { tabs } else { Vec::new() }
}

/// The fields by which the documents can be shown in this way.
pub(super) fn by_choices(doctype: &DocType, grant: &Grant, shown: &Shown) -> Vec<Choice> {
    let fields = shown.kind.fields(doctype, grant);
    choices(&fields, &shown.by)
}

/// The fields with a last day.
pub(super) fn end_choices(doctype: &DocType, grant: &Grant, shown: &Shown) -> Vec<Choice> {
    let mut fields = if shown.kind == Kind::Calendar { shown.kind.fields(doctype, grant) } else { Vec::new() };
    fields.retain(|field| field.fieldname != shown.by);
    choices(&fields, &shown.end)
}

/// The fields of which each value can be counted.
pub(super) fn group_choices(doctype: &DocType, grant: &Grant, shown: &Shown) -> Vec<Choice> {
    choices(&groupable(doctype, grant).collect::<Vec<_>>(), &shown.group_by)
}

fn choices(fields: &[&DocField], chosen: &str) -> Vec<Choice> {
    let choice = |field: &&DocField| Choice {
        value: field.fieldname.clone(),
        label: label(field),
        chosen: field.fieldname == chosen,
        id: String::new(),
    };
    fields.iter().map(choice).collect()
}
