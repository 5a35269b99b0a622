//! What `desk/list.hbs` places.

use serde::Serialize;

use super::board::BoardView;
use super::calendar::CalendarView;
use super::group::GroupsView;
use super::report::{ReportTools, ReportView};
use super::shown::TabView;
use super::tree::TreeView;
use crate::desk::form::view::Choice;
use crate::desk::help::Span;

/// Everything that `desk/list.hbs` places.
#[derive(Clone, Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is something the template shows or not")]
pub(crate) struct ListView {
    /// The DocType.
    pub doctype: String,
    /// Its description.
    pub help: Vec<Span>,
    /// The list without filters.
    pub url: String,
    /// The list without anything, where the form of filters goes.
    pub action: String,
    /// Where the form around the rows goes: the list with its filters.
    pub post_url: String,
    /// A form for a new document; empty if there is none.
    pub create_url: String,
    /// The words searched for.
    pub query: String,
    /// Where the search looks.
    pub search_hint: String,
    /// The filters that always stand there.
    pub filters: Vec<FilterView>,
    /// Those that only the address has.
    pub extra: Vec<FilterView>,
    /// Anything narrows the list.
    pub filtered: bool,
    /// Filters, orders and columns to choose.
    pub tools: Tools,
    /// What became of several documents, one by one.
    pub results: Vec<ResultView>,
    /// What can be done with several documents.
    pub bulk: Bulk,
    /// What is wrong with the filters.
    pub problem: String,
    /// The columns.
    pub columns: Vec<ColumnView>,
    /// The rows.
    pub rows: Vec<RowView>,
    /// Documents can be deleted here.
    pub deletable: bool,
    /// What is deleted can be restored.
    pub keeps_deleted: bool,
    /// Documents can be restored here.
    pub restorable: bool,
    /// Documents can be ticked.
    pub selectable: bool,
    /// `1–20 of 53`
    pub range: String,
    /// The page before; empty if there is none.
    pub previous_url: String,
    /// The page after; empty if there is none.
    pub next_url: String,
    /// The question whether to delete stands open.
    pub confirm: bool,
    /// `3 documents`
    pub selected_count: String,
    /// The question before something is done with all that match, if one stands open.
    pub ask: Option<AskView>,
    /// How many match, where there are more than the page shows; else empty.
    pub all_count: String,
    /// The ways to show the documents.
    pub tabs: Vec<TabView>,
    /// What is shown instead of rows.
    pub other: OtherView,
}

/// What is shown instead of rows, or above them.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct OtherView {
    /// There are rows.
    pub list: bool,
    /// How many documents have each value of a field.
    pub groups: Option<GroupsView>,
    /// A report.
    pub report: Option<ReportView>,
    /// A board.
    pub board: Option<BoardView>,
    /// A calendar.
    pub calendar: Option<CalendarView>,
    /// A tree.
    pub tree: Option<TreeView>,
}

/// What stands in the folds above a list.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Tools {
    /// The rows of filters; the last one is empty.
    pub rows: Vec<WhereView>,
    /// How many of them say something; empty for none.
    pub row_count: String,
    /// The fields to sort by.
    pub orders: Vec<OrderView>,
    /// The columns: those shown first, in their order.
    pub columns: Vec<Choice>,
    /// How many rows a page has.
    pub lengths: Vec<Choice>,
    /// The fields by which the documents can be shown in the chosen way.
    pub by: Vec<Choice>,
    /// The fields with a last day, for a calendar.
    pub ends: Vec<Choice>,
    /// The fields of which each value can be counted.
    pub groups: Vec<Choice>,
    /// What else the address says about the way, for forms to keep.
    pub hidden: Vec<(&'static str, String)>,
    /// The saved lists.
    pub saved: Vec<SavedView>,
    /// The reports: label and address.
    pub reports: Vec<(String, String)>,
    /// The form for groups, what is computed, and the chart, in a report.
    pub report: Option<ReportTools>,
    /// What the address asks for, to save it.
    pub state: String,
    /// The list can be saved.
    pub can_save: bool,
    /// Where all that match becomes a file; empty for those who may not export.
    pub export_url: String,
    /// Where documents come from a file; empty for those who may not import.
    pub import_url: String,
}

/// A row of the builder of filters.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct WhereView {
    /// Its number in names.
    pub number: usize,
    /// It begins another group.
    pub or: bool,
    /// The fields.
    pub fields: Vec<Choice>,
    /// The operators.
    pub operators: Vec<Choice>,
    /// What it compares with.
    pub value: String,
}

/// A field that sorts.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct OrderView {
    /// Its number in names.
    pub number: usize,
    /// The fields.
    pub fields: Vec<Choice>,
    /// The other way round.
    pub desc: bool,
}

/// A saved list.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SavedView {
    /// The List Filter.
    pub name: String,
    /// What it is called.
    pub label: String,
    /// Its address.
    pub href: String,
    /// It is the reader's own, who can delete it.
    pub own: bool,
}

/// What became of one document.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ResultView {
    /// Its name.
    pub name: String,
    /// Its form.
    pub href: String,
    /// What was wrong; empty if it was done.
    pub problem: String,
    /// The status that says so.
    #[serde(skip)]
    pub status: u16,
}

/// The question before something is done with all that match.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AskView {
    /// The question, with how many there are.
    pub title: String,
    /// The button that does it.
    pub button: String,
    /// Its value.
    pub action: String,
    /// It takes something away.
    pub danger: bool,
    /// It is done in the background.
    pub later: bool,
    /// What was typed.
    pub fields: Vec<(String, String)>,
}

/// What can be done with several documents.
#[derive(Clone, Debug, Default, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a button that is there or not")]
pub(crate) struct Bulk {
    /// Change a field.
    pub edit: bool,
    /// The fields that can be changed.
    pub fields: Vec<Choice>,
    /// Submit.
    pub submit: bool,
    /// Cancel.
    pub cancel: bool,
    /// Add a tag.
    pub tag: bool,
    /// Assign.
    pub assign: bool,
    /// Export.
    pub export: bool,
}

impl Bulk {
    /// Whether there is anything to do with several documents.
    pub(super) fn is_any(&self) -> bool {
        self.edit || self.submit || self.cancel || self.tag || self.assign || self.export
    }
}

/// A filter.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FilterView {
    /// The element's id.
    pub id: String,
    /// The parameter.
    pub name: String,
    /// The label.
    pub label: String,
    /// The input's type.
    pub kind: &'static str,
    /// The value.
    pub value: String,
    /// What can be chosen; empty for inputs.
    pub choices: Vec<Choice>,
    /// The DocType of a link picker; empty for other inputs.
    pub target: String,
}

/// A column's heading.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ColumnView {
    /// The label.
    pub label: String,
    /// Its class.
    pub class: &'static str,
    /// The list sorted by it; empty if it cannot be.
    pub sort_url: String,
    /// `ascending`, `descending` or empty.
    pub sorted: &'static str,
    /// The icon of the order.
    pub arrow: &'static str,
}

/// A row.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RowView {
    /// The document's name.
    pub name: String,
    /// Its title.
    pub title: String,
    /// Ticked.
    pub selected: bool,
    /// The cells.
    pub cells: Vec<CellView>,
}

/// A cell.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct CellView {
    /// The column's label, for narrow screens.
    pub label: String,
    /// Its class.
    pub class: &'static str,
    /// The one that leads to the document.
    pub main: bool,
    /// Where it leads; empty if nowhere.
    pub href: String,
    /// The text.
    pub text: String,
    /// A second line.
    pub sub: String,
    /// The colour of a pill; empty for text.
    pub pill: String,
    /// The exact time.
    pub when: String,
}
