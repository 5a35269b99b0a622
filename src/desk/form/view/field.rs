//! What the template gets of one field: its label, control and help text, and the grid of a table field.

use serde::Serialize;

use super::{Message, Pair};
use crate::desk::help::Span;

/// One field: label, control, help text, errors.
#[derive(Clone, Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "templates ask yes or no")]
pub(crate) struct FieldView {
    /// The template of the control: `desk/field/…`.
    pub template: &'static str,
    /// The part of the template's name behind the slash, for CSS.
    pub family: &'static str,
    /// The element's id.
    pub id: String,
    /// The name in the form.
    pub name: String,
    /// The fieldname.
    pub fieldname: String,
    /// The label.
    pub label: String,
    /// A `<label>` for one control; otherwise the label names a group.
    pub label_for: bool,
    /// The label stands above the control, not in it.
    pub labelled: bool,
    /// Emphasised.
    pub bold: bool,
    /// Must be filled in.
    pub required: bool,
    /// Hidden by its condition.
    pub hidden: bool,
    /// Shown, not edited.
    pub read_only: bool,
    /// The help text.
    pub help: Vec<Span>,
    /// Where to read more.
    pub documentation_url: Option<String>,
    /// What is wrong.
    pub errors: Vec<Message>,
    /// The ids of help text and errors.
    pub described_by: String,
    /// Conditions as JSON; empty if there are none.
    pub conditions: String,
    /// Attributes of the control, from this program only.
    pub attributes: Vec<Attribute>,
    /// The text to edit or show.
    pub value: String,
    /// What only this family of controls needs.
    pub detail: Detail,
}

/// An attribute of a control.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: String,
}

/// What only one family of controls needs.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Detail {
    /// Nothing more.
    None,
    /// Select, Autocomplete, Rating: what can be chosen.
    Choice(Vec<Choice>),
    /// Check.
    Check {
        /// Ticked.
        checked: bool,
    },
    /// Link and Dynamic Link.
    Link(LinkDetail),
    /// Password.
    Password {
        /// Something is stored.
        stored: bool,
        /// The name of the box that takes it away.
        remove: String,
    },
    /// Date inputs: the exact value.
    Moment {
        /// The name of the hidden input; empty if none is needed.
        was_name: String,
        /// The exact value.
        was: String,
    },
    /// Attach, Attach Image and Image.
    File {
        /// The address, if it is one that may be shown.
        href: String,
        /// The file's name.
        file: String,
        /// It is a picture.
        is_image: bool,
        /// The `accept` attribute.
        accept: &'static str,
    },
    /// Button.
    Button {
        /// The method, as the value of the pressed button.
        action: String,
    },
    /// Table and Table MultiSelect.
    Table(Box<TableView>),
}

/// One of several choices.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Choice {
    /// The value.
    pub value: String,
    /// As people read it.
    pub label: String,
    /// Chosen.
    pub chosen: bool,
    /// The element's id, where choices are inputs.
    pub id: String,
}

/// A link's target.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct LinkDetail {
    /// The DocType; empty for a Dynamic Link without one.
    pub target: String,
    /// Of a Dynamic Link: the field that names the DocType.
    pub type_field: String,
    /// JSON filters for the picker; empty if there are none.
    pub filters: String,
    /// The address of the document; empty if there is none.
    pub href: String,
    /// The title of the document; empty if it is the name.
    pub title: String,
    /// The address of a form for a new one; empty if there is none.
    pub create: String,
    /// The field there that gets what was typed into the picker; empty if there is none.
    pub create_field: String,
}

/// A grid.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TableView {
    /// The DocType of the rows.
    pub child: String,
    /// The fieldname: the first part of every name in it.
    pub prefix: String,
    /// Headings.
    pub columns: Vec<ColumnHead>,
    /// The rows.
    pub rows: Vec<RowView>,
    /// Empty rows for browsers without JavaScript.
    pub spares: Vec<RowView>,
    /// What JavaScript copies for a new row.
    pub blank: Option<Box<RowView>>,
    /// Rows can be changed.
    pub editable: bool,
    /// Rows have fields that are not columns.
    pub has_rest: bool,
    /// There are no rows.
    pub empty: bool,
    /// The number of the next row.
    pub count: usize,
}

/// The heading of a grid's column.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ColumnHead {
    /// The element's id.
    pub id: String,
    /// The fieldname.
    pub fieldname: String,
    /// The label.
    pub label: String,
    /// Must be filled in.
    pub required: bool,
    /// Its numbers are added up.
    pub adds: bool,
    /// The help text.
    pub help: Vec<Span>,
    /// The width as a class.
    pub class: String,
}

/// A row of a grid.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RowView {
    /// The number in the names of its inputs.
    pub index: String,
    /// `table.index`.
    pub prefix: String,
    /// The element's id.
    pub id: String,
    /// `Row 1`.
    pub label: String,
    /// The position people read.
    pub number: String,
    /// The name of the stored row; empty for a new one.
    pub name: String,
    /// The columns' fields.
    pub cells: Vec<FieldView>,
    /// The other fields.
    pub rest: Vec<FieldView>,
    /// Problems that belong to no field of it.
    pub errors: Vec<Message>,
    /// The other fields are unfolded.
    pub open: bool,
    /// Offered empty.
    pub spare: bool,
    /// It can be changed and taken out.
    pub editable: bool,
    /// All columns of the grid.
    pub span: usize,
    /// Values that travel along unseen.
    pub carried: Vec<Pair>,
}
