//! A field becomes label, control, help text and errors: which control, with which attributes, and whether it may be changed.

use serde_json::{Value as Json, json};

use crate::clock::Zone;
use crate::desk::form::draft::Draft;
use crate::desk::form::editor;
use crate::desk::form::grid;
use crate::desk::form::posted::{REMOVE, WAS, native_moment};
use crate::desk::form::view::{Attribute, Choice, Detail, FieldView, LinkDetail};
use crate::desk::form::{FormInput, Place};
use crate::desk::help::{self, safe_url};
use crate::language::Language;
use crate::meta::doctype::slug;
use crate::meta::naming_rule::NamingRule;
use crate::meta::{DocField, DocType, Fieldtype, Right, fieldtype};
use crate::permissions::Grant;

/// The options of an Autocomplete field that offers all time zones.
const TIME_ZONES: &str = "Time Zones";

/// What is said of a value on which nothing acts.
const INFORMATIONAL: &str = "For information only: Doctyped does not act on it.";

/// What is said of a value that nobody types.
const COMPUTED: &str = "Computed: `{formula}`";

/// Whether a field can be changed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fixed {
    /// It can.
    No,
    /// It cannot, whatever is typed elsewhere.
    Always,
    /// It cannot while its condition holds; the browser looks again.
    Now,
}

/// The field at its place, or nothing if the session may not see it or it is not for people.
pub(crate) fn field_view(
    input: &FormInput<'_>,
    draft: &Draft<'_>,
    field: &DocField,
    place: &Place<'_>,
) -> Option<FieldView> {
    if field.hidden || field.secret || field.fieldtype.is_layout() || !is_readable(input, field) {
        return None;
    }
    if field.fieldname == "amended_from" && draft.document.text("amended_from").is_empty() {
        return None;
    }
    let hidden = field.depends_on.as_ref().is_some_and(|condition| !condition.shows(draft));
    let fixed = fixed(input, draft, field, place);
    let required = field.reqd || field.mandatory_depends_on.as_ref().is_some_and(|condition| condition.requires(draft));
    let id = place.id(&field.fieldname);
    let errors = place.errors(input, &field.fieldname);
    let mut help = help_of(input, field);
    if place.in_cell {
        help.clear();
    }
    let mut described_by = String::new();
    if !errors.is_empty() {
        described_by.push_str(&id);
        described_by.push_str("-error");
    }
    if place.in_cell {
        described_by.push(' ');
        described_by.push_str(&place.head_help_id(&field.fieldname));
    } else if !help.is_empty() {
        described_by.push(' ');
        described_by.push_str(&id);
        described_by.push_str("-help");
    }
    let mut view = FieldView {
        template: "",
        family: "",
        name: place.name(&field.fieldname),
        fieldname: field.fieldname.clone(),
        label: label(field),
        label_for: true,
        labelled: true,
        bold: field.bold,
        required: required && fixed != Fixed::Always,
        hidden,
        read_only: fixed == Fixed::Always,
        help,
        documentation_url: safe_url(&field.documentation_url).map(str::to_owned),
        errors,
        described_by: described_by.trim().to_owned(),
        conditions: conditions(field, fixed),
        attributes: Vec::new(),
        value: String::new(),
        detail: Detail::None,
        id,
    };
    if fixed == Fixed::Always {
        show(input, draft, field, &mut view, place);
    } else {
        edit(input, draft, field, &mut view, place);
        editor::set_editor(field, place, &mut view);
    }
    view.family = view.template.rsplit('/').next().unwrap_or("");
    if fixed != Fixed::Always {
        common_attributes(field, fixed, required, place, &mut view);
    }
    Some(view)
}

/// The help text of a field, with what is to be said of its value.
pub(super) fn help_of(input: &FormInput<'_>, field: &DocField) -> Vec<help::Span> {
    let more = match &field.formula {
        _ if field.informational => input.language.say(INFORMATIONAL).into_owned(),
        Some(formula) => input.language.filled(COMPUTED, &[("formula", formula.0.source.as_str().into())]),
        None => return help::spans(&field.description),
    };
    help::spans(format!("{} {more}", field.description).trim())
}

/// The label; a field without one is called by its fieldname.
pub(crate) fn label(field: &DocField) -> String {
    if field.label.is_empty() { crate::meta::doctype::unscrub(&field.fieldname) } else { field.label.clone() }
}

fn is_readable(input: &FormInput<'_>, field: &DocField) -> bool {
    input.grant.reads_level(field.permlevel) || (input.document.is_new && input.grant.writes_level(field.permlevel))
}

fn fixed(input: &FormInput<'_>, draft: &Draft<'_>, field: &DocField, place: &Place<'_>) -> Fixed {
    let masked = input.grant.masks(field) && !draft.document.is_new;
    let may = input.access.write && input.grant.writes_level(field.permlevel) && !place.fixed && !masked;
    let docstatus = input.document.docstatus();
    let frozen = docstatus == 2 || (docstatus == 1 && !field.allow_on_submit && !place.row_allowed_on_submit);
    let once = field.set_only_once && !draft.document.is_new && !draft.document.get(&field.fieldname).is_blank();
    let declared = field.read_only || field.is_virtual || field.fieldtype == Fieldtype::ReadOnly;
    if field.fieldtype == Fieldtype::Button {
        return if may { Fixed::No } else { Fixed::Always };
    }
    if !may || frozen || once || declared {
        Fixed::Always
    } else if field.read_only_depends_on.as_ref().is_some_and(|condition| condition.requires(draft)) {
        Fixed::Now
    } else {
        Fixed::No
    }
}

fn conditions(field: &DocField, fixed: Fixed) -> String {
    let live = |condition: &Option<crate::meta::expression::Expression>| {
        condition.as_ref().map_or(Json::Null, crate::meta::expression::Expression::to_json)
    };
    let show = live(&field.depends_on);
    let (require, fix) = match fixed {
        Fixed::Always => (Json::Null, Json::Null),
        _ if field.reqd => (Json::Null, live(&field.read_only_depends_on)),
        _ => (live(&field.mandatory_depends_on), live(&field.read_only_depends_on)),
    };
    if show.is_null() && require.is_null() && fix.is_null() {
        return String::new();
    }
    json!({"show": show, "require": require, "fix": fix}).to_string()
}

fn common_attributes(field: &DocField, fixed: Fixed, required: bool, place: &Place<'_>, view: &mut FieldView) {
    let attributes = &mut view.attributes;
    let mut set = |name: &'static str, value: &str| attributes.push(Attribute { name, value: value.to_owned() });
    if !view.described_by.is_empty() {
        set("aria-describedby", &view.described_by);
    }
    if !view.errors.is_empty() {
        set("aria-invalid", "true");
    }
    if required {
        set("aria-required", "true");
    }
    if fixed == Fixed::Now {
        set("readonly", "");
    }
    if place.in_cell {
        set("aria-label", &format!("{}, {}", view.label, place.row_label));
    }
    if !field.placeholder.is_empty() && !view.attributes.iter().any(|known| known.name == "placeholder") {
        view.attributes.push(Attribute { name: "placeholder", value: field.placeholder.clone() });
    }
}

fn edit(input: &FormInput<'_>, draft: &Draft<'_>, field: &DocField, view: &mut FieldView, place: &Place<'_>) {
    use Fieldtype as F;
    view.value = draft.text(field).into_owned();
    match field.fieldtype {
        F::Check => {
            view.template = "desk/field/check";
            view.labelled = place.in_cell;
            view.detail = Detail::Check { checked: draft.value(&field.fieldname).is_truthy() };
        }
        F::Select => {
            view.template = "desk/field/select";
            view.detail = Detail::Choice(select_choices(field, &view.value, view.required));
        }
        F::Autocomplete => {
            view.template = "desk/field/autocomplete";
            set(view, "list", &format!("{}-choices", view.id));
            set(view, "autocomplete", "off");
            view.detail = Detail::Choice(autocomplete_choices(field));
        }
        F::Link | F::DynamicLink => link(input, draft, field, view),
        F::Password => {
            view.template = "desk/field/password";
            let stored = !draft.document.get(&field.fieldname).is_blank() && !draft.document.is_new;
            let typed = !view.value.is_empty() && draft.typed.is_some_and(|typed| typed.contains_key(&field.fieldname));
            view.value.clear();
            let hint = match (typed, stored) {
                (true, _) => "Type it again: it was not saved",
                (false, true) => "Leave empty to keep",
                (false, false) => "",
            };
            set(view, "placeholder", &input.language.say(hint));
            set(view, "autocomplete", "new-password");
            view.detail = Detail::Password { stored, remove: format!("{}{REMOVE}", view.name) };
        }
        F::Rating => {
            view.template = "desk/field/rating";
            view.label_for = false;
            view.detail = Detail::Choice(rating_choices(input.language, field, &view.value, &view.id));
        }
        F::Color => view.template = "desk/field/color",
        F::Attach | F::AttachImage => file(field, view, "desk/field/attach"),
        F::Signature => editor::signature(view, "desk/field/signature"),
        F::Date | F::Datetime | F::Time => moment(field, view),
        F::SmallText | F::Text => textarea(view, if field.fieldtype == F::Text { 5 } else { 3 }, false),
        F::LongText | F::TextEditor | F::MarkdownEditor | F::HtmlEditor => {
            textarea(view, 8, field.fieldtype == F::HtmlEditor);
        }
        F::Code | F::Json | F::Geolocation => textarea(view, 6, true),
        F::Table => {
            view.template = "desk/field/table";
            view.label_for = false;
            view.detail = Detail::Table(Box::new(grid::table_view(input, draft, field, place)));
        }
        F::TableMultiSelect => {
            view.template = "desk/field/multiselect";
            view.label_for = false;
            view.detail = Detail::Table(Box::new(grid::table_view(input, draft, field, place)));
        }
        F::Button | F::Html | F::Heading | F::Image => show(input, draft, field, view, place),
        _ => single_line(field, view),
    }
}

fn single_line(field: &DocField, view: &mut FieldView) {
    use Fieldtype as F;
    view.template = "desk/field/input";
    let (kind, mode, autocomplete) = match (field.fieldtype, field.options.trim()) {
        (F::Int | F::LongInt, _) => ("text", "numeric", "off"),
        (F::Float | F::Currency | F::Percent, _) => ("text", "decimal", "off"),
        (F::Data, "Email") => ("text", "email", "off"),
        (F::Data, "URL") => ("text", "url", "off"),
        (F::Phone, _) | (F::Data, "Phone") => ("tel", "tel", "off"),
        _ => ("text", "text", "off"),
    };
    set(view, "type", kind);
    set(view, "inputmode", mode);
    set(view, "autocomplete", autocomplete);
    match field.fieldtype {
        F::Duration => set(view, "placeholder", "1d 2h 30m"),
        F::Phone => set(view, "placeholder", "+43-1234567"),
        _ => {}
    }
}

fn textarea(view: &mut FieldView, least: usize, mono: bool) {
    view.template = "desk/field/textarea";
    let lines = view.value.split('\n').map(|line| 1 + line.len() / 90).sum::<usize>();
    set(view, "rows", &lines.clamp(least, 20).to_string());
    if mono {
        set(view, "class", "mono");
        set(view, "spellcheck", "false");
        set(view, "autocapitalize", "off");
    }
}

fn moment(field: &DocField, view: &mut FieldView) {
    view.template = "desk/field/moment";
    let exact = std::mem::take(&mut view.value);
    let kind = match field.fieldtype {
        Fieldtype::Date => "date",
        Fieldtype::Time => "time",
        _ => "datetime-local",
    };
    set(view, "type", kind);
    let is_date = field.fieldtype == Fieldtype::Date;
    if !is_date {
        set(view, "step", "1");
    }
    view.value = if is_date || exact.is_empty() { exact.clone() } else { native_moment(&exact) };
    let with_fraction = exact.contains('.');
    view.detail = Detail::Moment {
        was_name: if with_fraction { format!("{}{WAS}", view.name) } else { String::new() },
        was: if with_fraction { exact } else { String::new() },
    };
}

fn select_choices(field: &DocField, value: &str, required: bool) -> Vec<Choice> {
    let mut options: Vec<&str> = field.select_options().collect();
    options.dedup();
    if field.sort_options {
        options.sort_unstable_by_key(|option| option.to_lowercase());
    }
    // A stored value that is no longer an option stays until someone changes it.
    if !options.contains(&value) && (!value.is_empty() || !required) {
        options.insert(0, value);
    }
    let choice = |option: &&str| Choice {
        value: (*option).to_owned(),
        label: field.shown(option).to_owned(),
        chosen: *option == value,
        id: String::new(),
    };
    options.iter().map(choice).collect()
}

fn autocomplete_choices(field: &DocField) -> Vec<Choice> {
    let choice = |value: &str, label: &str| Choice {
        value: value.to_owned(),
        label: if label == value { String::new() } else { label.to_owned() },
        chosen: false,
        id: String::new(),
    };
    if field.options.trim() == TIME_ZONES {
        return Zone::names().map(|name| choice(name, name)).collect();
    }
    if let Ok(Json::Array(items)) = serde_json::from_str::<Json>(&field.options) {
        return items
            .iter()
            .filter_map(|item| match item {
                Json::String(text) => Some(choice(text, text)),
                Json::Object(item) => {
                    let value = item.get("value")?.as_str()?;
                    Some(choice(value, item.get("label").and_then(Json::as_str).unwrap_or(value)))
                }
                _ => None,
            })
            .collect();
    }
    field
        .select_options()
        .filter(|option| !option.is_empty())
        .map(|option| choice(option, field.shown(option)))
        .collect()
}

fn rating_choices(language: &Language, field: &DocField, value: &str, id: &str) -> Vec<Choice> {
    let stars: u32 = field.options.trim().parse().ok().filter(|stars| (3..=10).contains(stars)).unwrap_or(5);
    let share: f64 = value.trim().parse().unwrap_or(0.0);
    let chosen = (share * f64::from(stars)).round();
    (1..=stars)
        .map(|star| {
            let stored = (f64::from(star) / f64::from(stars) * 100.0).round() / 100.0;
            Choice {
                // What was not touched goes back as it came.
                value: if (f64::from(star) - chosen).abs() < 0.1 { value.to_owned() } else { stored.to_string() },
                label: language.filled(
                    "{star} of {stars}",
                    &[("star", star.to_string().into()), ("stars", stars.to_string().into())],
                ),
                chosen: (f64::from(star) - chosen).abs() < 0.1,
                id: format!("{id}-{star}"),
            }
        })
        .collect()
}

fn link(input: &FormInput<'_>, draft: &Draft<'_>, field: &DocField, view: &mut FieldView) {
    view.template = "desk/field/link";
    view.detail = Detail::Link(link_detail(input, draft, field, &view.value));
    set(view, "type", "text");
    set(view, "autocomplete", "off");
    set(view, "spellcheck", "false");
}

fn link_detail(input: &FormInput<'_>, draft: &Draft<'_>, field: &DocField, value: &str) -> LinkDetail {
    let dynamic = field.fieldtype == Fieldtype::DynamicLink;
    let target = if dynamic { draft.value(&field.options).to_string() } else { field.options.trim().to_owned() };
    let known = input.registry.get(&target);
    let readable = known.is_some_and(|target| !target.istable && Grant::of(input.session, target).may(Right::Read));
    let creatable = known.is_some_and(|target| {
        !target.istable && !target.issingle && !target.in_create && Grant::of(input.session, target).may(Right::Create)
    });
    let title = input.titles.get(&target, value);
    LinkDetail {
        href: if readable && !value.is_empty() {
            crate::desk::document_url(&slug(&target), value)
        } else {
            String::new()
        },
        create: if creatable && !dynamic { format!("/app/{}/new", slug(&target)) } else { String::new() },
        create_field: known.map(|target| typed_first(target).to_owned()).unwrap_or_default(),
        title: title.filter(|title| *title != value).unwrap_or_default().to_owned(),
        type_field: if dynamic { field.options.clone() } else { String::new() },
        filters: field.link_filters.as_ref().map(Json::to_string).unwrap_or_default(),
        target,
    }
}

/// The field of a new document that gets what somebody typed to find it: its title, or what it is named by.
fn typed_first(doctype: &DocType) -> &str {
    let named_by = || match doctype.naming_rule {
        NamingRule::Prompt => Some("name"),
        _ => doctype.autoname.strip_prefix("field:"),
    };
    doctype.title_field.as_deref().or_else(named_by).unwrap_or("")
}

fn file(field: &DocField, view: &mut FieldView, template: &'static str) {
    view.template = template;
    let is_image = field.fieldtype == Fieldtype::AttachImage || field.fieldtype == Fieldtype::Image;
    view.detail = Detail::File {
        href: safe_url(&view.value).unwrap_or("").to_owned(),
        file: view.value.rsplit('/').next().unwrap_or("").to_owned(),
        is_image: is_image && safe_url(&view.value).is_some(),
        accept: if is_image { "image/*" } else { "*/*" },
    };
}

/// A field that is only shown.
fn show(input: &FormInput<'_>, draft: &Draft<'_>, field: &DocField, view: &mut FieldView, place: &Place<'_>) {
    use Fieldtype as F;
    view.template = "desk/field/value";
    view.label_for = false;
    let value = draft.document.get(&field.fieldname);
    match field.fieldtype {
        F::Button => {
            view.template = "desk/field/button";
            view.labelled = false;
            view.required = false;
            let method = if field.options.trim().is_empty() { &field.fieldname } else { field.options.trim() };
            view.detail = Detail::Button { action: format!("call:{method}") };
            if view.read_only {
                view.hidden = true;
            }
        }
        F::Heading => {
            view.template = "desk/field/heading";
            view.labelled = false;
        }
        F::Html => {
            view.template = "desk/field/html";
            view.labelled = false;
            view.value.clone_from(&field.options);
        }
        F::Image => {
            view.value = draft.document.get(field.options.trim()).to_string();
            file(field, view, "desk/field/image");
        }
        F::Check => {
            view.template = "desk/field/check_value";
            view.detail = Detail::Check { checked: value.is_truthy() };
        }
        F::Table | F::TableMultiSelect => {
            view.template = if field.fieldtype == F::Table { "desk/field/table" } else { "desk/field/multiselect" };
            let fixed = Place { fixed: true, ..*place };
            view.detail = Detail::Table(Box::new(grid::table_view(input, draft, field, &fixed)));
        }
        F::Link | F::DynamicLink => {
            view.template = "desk/field/link_value";
            view.value = value.to_string();
            view.detail = Detail::Link(link_detail(input, draft, field, &view.value));
        }
        F::Attach | F::AttachImage => {
            view.value = value.to_string();
            file(field, view, "desk/field/image");
        }
        F::Signature => {
            view.value = value.to_string();
            editor::signature(view, "desk/field/signature_value");
        }
        F::Password => {
            view.value = if value.is_blank() { String::new() } else { "••••••••".to_owned() }
        }
        F::TextEditor => {
            view.template = "desk/field/html";
            view.value = value.to_string();
        }
        F::SmallText | F::Text | F::LongText | F::MarkdownEditor | F::HtmlEditor => {
            view.template = "desk/field/text_value";
            view.value = value.to_string();
        }
        F::Code | F::Json | F::Geolocation => {
            view.template = "desk/field/text_value";
            set(view, "class", "mono");
            view.value = value.to_string();
        }
        _ => field.shown(&fieldtype::display(field, value)).clone_into(&mut view.value),
    }
}

/// Gives the control an attribute; an empty one is none.
pub(super) fn set(view: &mut FieldView, name: &'static str, value: &str) {
    if !value.is_empty() {
        view.attributes.push(Attribute { name, value: value.to_owned() });
    }
}
