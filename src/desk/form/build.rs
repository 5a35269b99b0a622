//! DocType + document + rights + problems → [`FormView`]. Pure: the same input gives the same form.

use std::collections::BTreeSet;

use chrono::NaiveDateTime;
use serde_json::{Map, Value as Json, json};

use crate::desk::form::access::Access;
use crate::desk::form::buttons::actions;
use crate::desk::form::control::{self, label};
use crate::desk::form::draft::Draft;
use crate::desk::form::formulas;
use crate::desk::form::posted::Posted;
use crate::desk::form::problems::problems;
use crate::desk::form::view::{
    Actions, Column, Confirm, Connection, FieldView, FormView, Message, Pair, Section, Side, Tab,
};
use crate::desk::indicator::{indicator, of_standing};
use crate::desk::titles::Titles;
use crate::desk::{document_url, help};
use crate::document::workflow::Standing;
use crate::error::FieldProblem;
use crate::language::Language;
use crate::meta::expression::Expression;
use crate::meta::naming_rule::NamingRule;
use crate::meta::{DocField, DocType, Document, Fieldtype, Registry, Right};
use crate::permissions::{Grant, Session};

/// What a form is made from.
pub(crate) struct FormInput<'a> {
    /// All DocTypes.
    pub registry: &'a Registry,
    /// The document's.
    pub doctype: &'a DocType,
    /// The document as stored, or a new one with its defaults.
    pub document: &'a Document,
    /// Who looks.
    pub session: &'a Session,
    /// What they read.
    pub language: &'a Language,
    /// What they may do with the DocType.
    pub grant: &'a Grant,
    /// What they may do with this document.
    pub access: Access,
    /// Where the document stands in its workflow, and what that opens to them.
    pub standing: Option<&'a Standing>,
    /// What they typed, if it comes back with problems.
    pub posted: Option<&'a Posted>,
    /// The problems.
    pub problems: &'a [FieldProblem],
    /// Titles of linked documents.
    pub titles: &'a Titles,
    /// Values without an input travel along: the new document is a copy or an amendment.
    pub carry: bool,
    /// The dialog that stands open.
    pub confirm: Confirm,
    /// What the clocks of the site show.
    pub now: NaiveDateTime,
    /// Whether whoever looks is in the site's zone.
    pub in_site_zone: bool,
}

/// Where a field stands: at the top or in a row.
#[derive(Clone, Copy, Default)]
pub(crate) struct Place<'a> {
    /// The table and the row's number in names.
    pub table: Option<(&'a str, &'a str)>,
    /// The row's 1-based position, as problems count.
    pub position: Option<usize>,
    /// Nothing here can be changed.
    pub fixed: bool,
    /// The table may change after submit, and its rows with it.
    pub row_allowed_on_submit: bool,
    /// In a cell: the column's heading is its label and help text.
    pub in_cell: bool,
    /// `row 1`
    pub row_label: &'a str,
}

impl Place<'_> {
    /// The name of an input.
    pub(crate) fn name(&self, fieldname: &str) -> String {
        self.table.map_or_else(|| fieldname.to_owned(), |(table, index)| format!("{table}.{index}.{fieldname}"))
    }

    /// The id of an element.
    pub(crate) fn id(&self, fieldname: &str) -> String {
        self.table.map_or_else(|| format!("f-{fieldname}"), |(table, index)| format!("f-{table}-{index}-{fieldname}"))
    }

    /// The id of a column heading's help text.
    pub(crate) fn head_help_id(&self, fieldname: &str) -> String {
        self.table.map_or_else(String::new, |(table, _)| format!("h-{table}-{fieldname}-help"))
    }

    /// The problems of a field here.
    pub(crate) fn errors(&self, input: &FormInput<'_>, fieldname: &str) -> Vec<Message> {
        let here = |problem: &&FieldProblem| match (&problem.row, self.table) {
            (None, None) => problem.field.as_deref() == Some(fieldname),
            (Some((table, row)), None) => table == fieldname && *row == 0,
            (Some((table, row)), Some((own, _))) => {
                table == own && self.position == Some(*row) && problem.field.as_deref() == Some(fieldname)
            }
            (None, Some(_)) => false,
        };
        input.problems.iter().filter(here).map(|problem| Message::new(&input.language.say(&problem.message))).collect()
    }
}

/// The form.
pub(crate) fn form_view(input: &FormInput<'_>) -> FormView {
    let document = input.document;
    let doctype = input.doctype;
    let draft = Draft {
        document,
        typed: input.posted.map(|posted| &posted.fields),
        posted: input.posted,
        parent: None,
        session: input.session,
        now: input.now,
    };
    let tabs = tabs(input, &draft);
    let slug = doctype.slug();
    let name = document.name();
    let (list_url, url) = if doctype.issingle {
        (format!("/app/{slug}"), format!("/app/{slug}"))
    } else if document.is_new {
        (format!("/app/{slug}"), format!("/app/{slug}/new"))
    } else {
        (format!("/app/{slug}"), document_url(&slug, &name))
    };
    let title = if doctype.issingle {
        input.language.say(&doctype.name).into_owned()
    } else if document.is_new {
        input.language.say(&format!("New {}", doctype.name)).into_owned()
    } else {
        document.title()
    };
    let actions = actions(input);
    let editable = actions.save && tabs.iter().any(|tab| tab.sections.iter().any(section_is_editable));
    FormView {
        doctype: doctype.name.clone(),
        help: help::spans(&doctype.description),
        documentation_url: help::safe_url(&doctype.documentation).map(str::to_owned),
        list_url,
        url,
        shows_name: !doctype.issingle && !document.is_new && title != name,
        title,
        name,
        is_new: document.is_new && !doctype.issingle,
        is_single: doctype.issingle,
        indicator: input.standing.map(of_standing).or_else(|| indicator(doctype, document)),
        state_message: input.standing.map_or_else(String::new, |standing| standing.message.clone()),
        image: image(input),
        modified: if document.is_new || doctype.is_virtual { String::new() } else { document.modified().to_owned() },
        editable,
        has_tabs: tabs.len() > 1,
        problems: problems(input, &tabs),
        problems_title: String::new(),
        conflict: false,
        collisions: Vec::new(),
        base: String::new(),
        compared: String::new(),
        presets: String::new(),
        again: None,
        beginnings: None,
        back: String::new(),
        actions: Actions { save: editable, ..actions },
        context: context(input, &draft),
        carried: if input.carry { carried(input, document, &Place::default()) } else { Vec::new() },
        tabs,
        panels: Vec::new(),
        shown_once: Vec::new(),
        story: None,
        connections: connections(input),
        activity: Vec::new(),
        attachments: Vec::new(),
        attaches: false,
        side: Side::default(),
    }
}

fn tabs(input: &FormInput<'_>, draft: &Draft<'_>) -> Vec<Tab> {
    let mut builder = Builder { input, draft, tabs: Vec::new(), skipped: false };
    if asks_for_name(input) {
        builder.column().fields.push(name_field(input));
    }
    for field in &input.doctype.fields {
        builder.take(field);
    }
    let mut tabs = builder.tabs;
    for tab in &mut tabs {
        tab.sections.retain(|section| section.columns.iter().any(|column| !column.fields.is_empty()));
        for section in &mut tab.sections {
            section.columns.retain(|column| !column.fields.is_empty());
            section.class = format!("columns-{}", section.columns.len().min(4));
            let mut fields = section.columns.iter().flat_map(|column| &column.fields);
            let mut waiting = section.columns.iter().flat_map(|column| &column.fields);
            // Folded is what can be left alone: not what is wrong, nor what a new document cannot do without.
            section.open |= waiting.any(|field| has_problem(field) || (input.document.is_new && is_missing(field)));
            section.hidden |= fields.all(|field| field.hidden);
        }
        let count = tab.sections.iter().flat_map(|section| &section.columns).flat_map(|column| &column.fields);
        let count = count.filter(|field| has_problem(field)).count();
        tab.problem_count = if count == 0 { String::new() } else { count.to_string() };
        tab.hidden |= tab.sections.iter().all(|section| section.hidden);
    }
    tabs.retain(|tab| !tab.sections.is_empty());
    tabs
}

fn has_problem(field: &FieldView) -> bool {
    use crate::desk::form::view::Detail;
    let in_rows = || match &field.detail {
        Detail::Table(table) => {
            table.rows.iter().any(|row| !row.errors.is_empty() || row.cells.iter().chain(&row.rest).any(has_problem))
        }
        _ => false,
    };
    !field.errors.is_empty() || in_rows()
}

fn is_missing(field: &FieldView) -> bool {
    field.required && !field.read_only && !field.hidden && field.value.is_empty()
}

fn section_is_editable(section: &Section) -> bool {
    section.columns.iter().flat_map(|column| &column.fields).any(|field| !field.read_only)
}

/// Puts fields into the tab, section and column that are open.
struct Builder<'a> {
    input: &'a FormInput<'a>,
    draft: &'a Draft<'a>,
    tabs: Vec<Tab>,
    /// Inside a section or tab that is not for people, or not for this person.
    skipped: bool,
}

impl Builder<'_> {
    fn take(&mut self, field: &DocField) {
        match field.fieldtype {
            Fieldtype::TabBreak | Fieldtype::SectionBreak | Fieldtype::Fold => {
                self.skipped = field.hidden || !self.reads(field);
                if self.skipped {
                    return;
                }
                if field.fieldtype == Fieldtype::TabBreak {
                    self.tabs.push(self.new_tab(Some(field)));
                } else {
                    let section = self.new_section(Some(field));
                    self.tab().sections.push(section);
                }
            }
            _ if self.skipped => {}
            Fieldtype::ColumnBreak => {
                let column = Column { label: field.label.clone(), fields: Vec::new() };
                self.column();
                if let Some(section) = self.tab().sections.last_mut() {
                    section.columns.push(column);
                }
            }
            _ => {
                if let Some(view) = control::field_view(self.input, self.draft, field, &Place::default()) {
                    self.column().fields.push(view);
                }
            }
        }
    }

    fn reads(&self, field: &DocField) -> bool {
        let grant = self.input.grant;
        grant.reads_level(field.permlevel) || (self.input.document.is_new && grant.writes_level(field.permlevel))
    }

    fn tab(&mut self) -> &mut Tab {
        if self.tabs.is_empty() {
            self.tabs.push(self.new_tab(None));
        }
        self.tabs.last_mut().expect("a tab was pushed if there was none")
    }

    fn column(&mut self) -> &mut Column {
        if self.tab().sections.is_empty() {
            let section = self.new_section(None);
            self.tab().sections.push(section);
        }
        let section = self.tab().sections.last_mut().expect("a section was pushed if there was none");
        if section.columns.is_empty() {
            section.columns.push(Column::default());
        }
        section.columns.last_mut().expect("a column was pushed if there was none")
    }

    fn new_tab(&self, field: Option<&DocField>) -> Tab {
        Tab {
            id: field.map_or_else(|| "tab-details".to_owned(), |field| format!("tab-{}", field.fieldname)),
            label: field.map_or_else(|| self.input.language.say("Details").into_owned(), label),
            help: field.map(|field| help::spans(&field.description)).unwrap_or_default(),
            problem_count: String::new(),
            hidden: field.is_some_and(|field| self.hides(field)),
            conditions: field.map(group_conditions).unwrap_or_default(),
            sections: Vec::new(),
        }
    }

    fn new_section(&self, field: Option<&DocField>) -> Section {
        let fold = field.is_some_and(|field| field.fieldtype == Fieldtype::Fold);
        let collapsible = fold || field.is_some_and(|field| field.collapsible && !field.label.is_empty());
        let opens = |condition: &Expression| condition.evaluate(self.draft).unwrap_or(false);
        Section {
            id: field.map_or_else(|| "s-first".to_owned(), |field| format!("s-{}", field.fieldname)),
            label: match field {
                Some(field) if fold && field.label.is_empty() => self.input.language.say("More").into_owned(),
                Some(field) => field.label.clone(),
                None => String::new(),
            },
            help: field.map(|field| help::spans(&field.description)).unwrap_or_default(),
            collapsible,
            open: !collapsible || field.and_then(|field| field.collapsible_depends_on.as_ref()).is_some_and(opens),
            hidden: field.is_some_and(|field| self.hides(field)),
            conditions: field.map(group_conditions).unwrap_or_default(),
            columns: Vec::new(),
            class: String::new(),
        }
    }

    fn hides(&self, field: &DocField) -> bool {
        field.depends_on.as_ref().is_some_and(|condition| !condition.shows(self.draft))
    }
}

fn group_conditions(field: &DocField) -> String {
    let show = field.depends_on.as_ref().map_or(Json::Null, Expression::to_json);
    let open = field.collapsible_depends_on.as_ref().map_or(Json::Null, Expression::to_json);
    if show.is_null() && open.is_null() { String::new() } else { json!({"show": show, "open": open}).to_string() }
}

/// Whether people type the name of a new document.
fn asks_for_name(input: &FormInput<'_>) -> bool {
    input.document.is_new && !input.doctype.issingle && input.doctype.naming_rule == NamingRule::Prompt
}

/// The input for the name of a new document: `name` is not a field, but stands on the form like one.
fn name_field(input: &FormInput<'_>) -> FieldView {
    let description = "What this document is called, also in its address. Other documents refer to it by this name.";
    let field = DocField {
        fieldname: "name".to_owned(),
        label: input.language.say("Name").into_owned(),
        description: input.language.say(description).into_owned(),
        reqd: true,
        ..DocField::default()
    };
    let grant = Grant::ALL;
    let open = FormInput { grant: &grant, ..*input };
    let draft = Draft {
        document: input.document,
        typed: input.posted.map(|posted| &posted.fields),
        posted: None,
        parent: None,
        session: input.session,
        now: input.now,
    };
    control::field_view(&open, &draft, &field, &Place::default()).expect("a plain visible field has a view")
}

fn image(input: &FormInput<'_>) -> Option<String> {
    let field = input.doctype.field(input.doctype.image_field.as_deref()?)?;
    let url = input.grant.reads_level(field.permlevel).then(|| input.document.text(&field.fieldname))?;
    help::safe_url(url).map(str::to_owned)
}

/// What conditions in the browser need beyond the inputs: values without an input, whether it is new, who asks.
fn context(input: &FormInput<'_>, draft: &Draft<'_>) -> String {
    let mut needed = BTreeSet::new();
    for field in &input.doctype.fields {
        let conditions = [
            &field.depends_on,
            &field.mandatory_depends_on,
            &field.read_only_depends_on,
            &field.collapsible_depends_on,
        ];
        needed.extend(conditions.into_iter().flatten().flat_map(Expression::fieldnames));
    }
    needed.extend(formulas::needed(input));
    let may_show = |fieldname: &&str| match input.doctype.field(fieldname) {
        Some(field) => {
            !field.secret && field.fieldtype != Fieldtype::Password && input.grant.reads_level(field.permlevel)
        }
        None => true,
    };
    let doc: Map<String, Json> = needed
        .into_iter()
        .filter(may_show)
        .map(|fieldname| (fieldname.to_owned(), draft.value(fieldname).to_json()))
        .collect();
    let roles: Vec<&String> = input.session.access.roles.iter().collect();
    json!({
        "doctype": input.doctype.name,
        "name": input.document.name(),
        "doc": doc,
        "new": input.document.is_new,
        "user": input.session.user(),
        "administrator": input.session.is_administrator(),
        "roles": roles,
        "now": input.now.format("%Y-%m-%d %H:%M:%S%.6f").to_string(),
        "formulas": formulas::live(input),
    })
    .to_string()
}

/// Values without an input that a copy or an amendment takes along.
pub(crate) fn carried(input: &FormInput<'_>, document: &Document, place: &Place<'_>) -> Vec<Pair> {
    document
        .doctype
        .fields
        .iter()
        .filter(|field| {
            field.has_column()
                && (field.hidden || field.read_only || field.fieldtype == Fieldtype::ReadOnly)
                && !field.secret
                && field.fieldtype != Fieldtype::Password
                && input.grant.writes_level(field.permlevel)
                && !document.get(&field.fieldname).is_blank()
        })
        .map(|field| Pair { name: place.name(&field.fieldname), value: document.get(&field.fieldname).to_string() })
        .collect()
}

/// Lists of documents that link here, as far as the session may read them.
fn connections(input: &FormInput<'_>) -> Vec<Connection> {
    if input.document.is_new || input.doctype.issingle {
        return Vec::new();
    }
    let name = input.document.name();
    let references = input.registry.links_to(&input.doctype.name);
    let mut out = Vec::new();
    for reference in references {
        let Some(from) = input.registry.get(&reference.doctype) else { continue };
        let Some(field) = from.field(&reference.fieldname) else { continue };
        let grant = Grant::of(input.session, from);
        if from.istable
            || from.issingle
            || !grant.may(Right::Read)
            || !grant.reads_level(field.permlevel)
            || field.secret
        {
            continue;
        }
        let query: String =
            url::form_urlencoded::Serializer::new(String::new()).append_pair(&field.fieldname, &name).finish();
        let several = references.iter().filter(|other| other.doctype == reference.doctype).count() > 1;
        let create = grant.may(Right::Create) && !from.in_create && !field.read_only && !from.is_virtual;
        out.push(Connection {
            label: from.name.clone(),
            field: if several { label(field) } else { String::new() },
            href: format!("/app/{}?{query}", from.slug()),
            create: if create { format!("/app/{}/new?{query}", from.slug()) } else { String::new() },
            count: json!([from.name, field.fieldname, name]).to_string(),
        });
    }
    out
}
