//! The form as data, shaped so that templates only place it: tabs, sections, columns, fields, controls.

mod field;
mod side;

use serde::Serialize;

use crate::desk::help::Span;
use crate::desk::indicator::Indicator;

pub(crate) use field::{Attribute, Choice, ColumnHead, Detail, FieldView, LinkDetail, RowView, TableView};
pub(crate) use side::{Assignee, ShareView, Side, Tag};

/// Everything that `desk/form.hbs` places.
#[derive(Clone, Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "templates ask yes or no")]
pub(crate) struct FormView {
    /// The DocType.
    pub doctype: String,
    /// Its description.
    pub help: Vec<Span>,
    /// Where its documentation is.
    pub documentation_url: Option<String>,
    /// The address of the list; of a Single, of the form itself.
    pub list_url: String,
    /// The address of this form, to which it is posted.
    pub url: String,
    /// The heading.
    pub title: String,
    /// The name, if the heading is something else.
    pub name: String,
    /// Whether `name` says more than the heading.
    pub shows_name: bool,
    /// Not stored yet.
    pub is_new: bool,
    /// A Single.
    pub is_single: bool,
    /// Status pill.
    pub indicator: Option<Indicator>,
    /// What whoever opens a document in its state is told.
    pub state_message: String,
    /// The picture that stands for the document.
    pub image: Option<String>,
    /// For the optimistic lock.
    pub modified: String,
    /// Whether anything can be changed.
    pub editable: bool,
    /// The tabs; one without a label if the DocType has none.
    pub tabs: Vec<Tab>,
    /// Whether there is more than one.
    pub has_tabs: bool,
    /// All problems, for the summary.
    pub problems: Vec<Problem>,
    /// What was not done.
    pub problems_title: String,
    /// Somebody else saved in the meantime.
    pub conflict: bool,
    /// What both changed then, to choose from.
    pub collisions: Vec<Collision>,
    /// The digests of the values with which the form began.
    pub base: String,
    /// The stamp of what is stored then, for saving over it.
    pub compared: String,
    /// Why what was typed stands here again.
    pub again: Option<Again>,
    /// What a new document is begun as.
    pub beginnings: Option<Beginnings>,
    /// Where saving a new document leads: the form with a link that wants it; empty if nowhere else.
    pub back: String,
    /// Buttons.
    pub actions: Actions,
    /// What options fill in, as JSON; empty if they fill in nothing.
    pub presets: String,
    /// What conditions need to know beyond the inputs, as JSON.
    pub context: String,
    /// Values that travel along unseen (copies, amendments).
    pub carried: Vec<Pair>,
    /// Panels that features put beside the form.
    pub panels: Vec<Panel>,
    /// Values that are shown this once.
    pub shown_once: Vec<Pair>,
    /// Who and when.
    pub story: Option<Story>,
    /// Lists of documents that link here.
    pub connections: Vec<Connection>,
    /// Changes and comments.
    pub activity: Vec<Activity>,
    /// Its files.
    pub attachments: Vec<Attachment>,
    /// Files can be attached.
    pub attaches: bool,
    /// What people do with it besides editing.
    pub side: Side,
}

/// What a new document may be begun as.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Beginnings {
    /// The question.
    pub question: &'static str,
    /// The answers.
    pub ways: Vec<Beginning>,
}

/// An answer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Beginning {
    /// What it is.
    pub label: &'static str,
    /// When it is the right one.
    pub help: &'static str,
    /// The form with what it fills in.
    pub href: String,
    /// What it fills in, as JSON.
    pub values: String,
    /// It is the one in the address.
    pub chosen: bool,
}

/// A file of a document.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Attachment {
    /// The File document.
    pub name: String,
    /// Its name as people read it.
    pub label: String,
    /// Its address.
    pub href: String,
    /// It is a picture.
    pub is_image: bool,
    /// The form of the File document, where it can be deleted; empty if it cannot.
    pub manage: String,
}

/// A name and a text.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Pair {
    /// The name or label.
    pub name: String,
    /// The text.
    pub value: String,
}

/// A message to people; `code` in it is told from words.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Message {
    /// Its words.
    pub help: Vec<Span>,
}

impl Message {
    /// Reads a message.
    pub(crate) fn new(text: &str) -> Self {
        Self { help: crate::desk::help::spans(text) }
    }
}

/// Text and examples that a feature adds to the forms of its DocTypes.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Panel {
    /// The heading.
    pub title: String,
    /// The help text below it.
    pub help: Vec<Span>,
    /// Names with values to copy.
    pub values: Vec<Pair>,
    /// Longer texts to copy, such as commands.
    pub examples: Vec<Pair>,
    /// It stands below the form and not beside it.
    pub is_wide: bool,
    /// Links or buttons that lead elsewhere.
    pub links: Vec<Link>,
}

/// A link.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Link {
    /// Its text.
    pub label: String,
    /// Its address.
    pub href: String,
}

/// A tab.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Tab {
    /// The element's id.
    pub id: String,
    /// The text on it.
    pub label: String,
    /// The help text above its sections.
    pub help: Vec<Span>,
    /// How many problems are in it; empty if none.
    pub problem_count: String,
    /// Hidden by its condition.
    pub hidden: bool,
    /// Conditions as JSON; empty if there are none.
    pub conditions: String,
    /// Its sections.
    pub sections: Vec<Section>,
}

/// A section.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Section {
    /// The element's id.
    pub id: String,
    /// The heading; may be empty.
    pub label: String,
    /// The help text below it.
    pub help: Vec<Span>,
    /// It folds.
    pub collapsible: bool,
    /// It is unfolded.
    pub open: bool,
    /// Hidden by its condition or because nothing in it shows.
    pub hidden: bool,
    /// Conditions as JSON; empty if there are none.
    pub conditions: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// How many, as a class: `columns-2`.
    pub class: String,
}

/// A column of a section.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Column {
    /// Its heading.
    pub label: String,
    /// Its fields.
    pub fields: Vec<FieldView>,
}

/// A problem in the summary.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Problem {
    /// What is wrong and how to fix it.
    pub help: Vec<Span>,
    /// `#` and the id of the field; empty if it has none on the form.
    pub href: String,
}

/// Buttons of the form.
#[derive(Clone, Debug, Default, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a button that is there or not")]
pub(crate) struct Actions {
    /// Save.
    pub save: bool,
    /// Submit.
    pub submit: bool,
    /// Cancel a submitted document.
    pub cancel: bool,
    /// Amend a cancelled document.
    pub amend: bool,
    /// Discard a draft.
    pub discard: bool,
    /// Delete.
    pub delete: bool,
    /// What is deleted can be restored.
    pub keeps_deleted: bool,
    /// Restore a deleted document.
    pub restore: bool,
    /// Make a copy.
    pub duplicate: bool,
    /// Give another name.
    pub rename: bool,
    /// Make another new one.
    pub new: bool,
    /// The address of a form for a new one.
    pub new_url: String,
    /// The address of a form with a copy.
    pub copy_url: String,
    /// The address of a form with an amendment.
    pub amend_url: String,
    /// Any of those in the menu.
    pub menu: bool,
    /// The steps of the workflow that are open.
    pub steps: Vec<StepView>,
    /// The dialog that stands open: `delete`, `cancel`, `discard` or `rename`.
    pub confirm: Confirm,
}

/// A button that takes a step of the workflow.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StepView {
    /// What it says.
    pub action: String,
    /// The state that it leads to.
    pub next_state: String,
    /// It leads to something bad.
    pub is_danger: bool,
}

/// The dialog that stands open, for browsers without JavaScript.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a dialog that is open or not")]
pub(crate) struct Confirm {
    /// Delete?
    pub delete: bool,
    /// Cancel?
    pub cancel: bool,
    /// Discard?
    pub discard: bool,
    /// Rename to?
    pub rename: bool,
    /// Restore?
    pub restore: bool,
}

impl Confirm {
    /// The dialog of an action.
    pub(crate) fn of(action: &str) -> Self {
        Self {
            delete: action == "delete",
            cancel: action == "cancel",
            discard: action == "discard",
            rename: action == "rename",
            restore: action == "restore",
        }
    }
}

/// Why a form is shown again that nobody sent to be saved, or that came too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Again {
    /// Its session had ended; the person has logged in since.
    Late,
    /// The browser had kept it.
    Draft,
    /// A button beside the form did its part.
    Beside,
    /// The person was away to make a document that a link of it wants.
    Back,
}

/// Who made and changed the document.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Story {
    /// Who made it.
    pub created_by: String,
    /// When, as stored.
    pub created: String,
    /// When, as people say it.
    pub created_ago: String,
    /// Who changed it last.
    pub modified_by: String,
    /// When, as stored.
    pub modified: String,
    /// When, as people say it.
    pub modified_ago: String,
}

/// A list of documents that link here.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Connection {
    /// The DocType.
    pub label: String,
    /// The field, if the DocType links here with several.
    pub field: String,
    /// The list.
    pub href: String,
    /// A form for a new one that links here; empty if there is none.
    pub create: String,
    /// What to count, as JSON.
    pub count: String,
}

/// A change or a comment.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Activity {
    /// Who.
    pub who: String,
    /// When, as stored.
    pub when: String,
    /// When, as people say it.
    pub ago: String,
    /// What they did.
    pub what: String,
    /// What they wrote, as HTML that has to be cleaned; empty if nothing.
    pub html: String,
    /// The action that deletes it; empty if the reader cannot.
    pub delete: String,
    /// Field by field.
    pub changes: Vec<Change>,
    /// The action that brings back the values after this change; empty if there is none.
    pub restore: String,
    /// The action that brings back the values before it; empty if there is none.
    pub restore_before: String,
}

/// A field that two people changed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Collision {
    /// The name of the choice.
    pub name: String,
    /// From what is stored to what was typed; of a table row by row.
    pub changes: Vec<Change>,
}

/// One field's change.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Change {
    /// The label.
    pub label: String,
    /// Before.
    pub from: String,
    /// After.
    pub to: String,
}
