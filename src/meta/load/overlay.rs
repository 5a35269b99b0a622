//! Overlays: files that change a DocType defined elsewhere, so that nobody copies a shipped file.

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::Reporter;
use super::draft::{Draft, Section};
use crate::meta::keys::{nearest, suggestion};

/// Texts in other languages, to which an overlay adds.
const TRANSLATIONS: &str = "translations";
/// Lists that an overlay adds to, as to those texts; every other key of a DocType it replaces.
const ADDED_TO: [&str; 4] = ["links", "actions", "states", "validations"];

/// Applies one overlay to the draft that it names.
pub(super) fn apply(mut changes: Draft, drafts: &mut IndexMap<String, Draft>, reporter: &mut Reporter<'_>) {
    if !drafts.contains_key(&changes.name) {
        let near = suggestion(nearest(&changes.name, drafts.keys().map(String::as_str)));
        let place = changes.base.place_of("extends");
        let message = format!("`extends` names {}, which no file defines{near}", changes.name);
        // Under no DocType's name: the one that is missing cannot be broken.
        reporter.error(place, "", None, message);
        return;
    }
    let Some(draft) = drafts.get_mut(&changes.name) else { return };
    draft.sources.extend(changes.sources);
    for key in ADDED_TO {
        if let (Some(Json::Array(present)), Some(Json::Array(added))) =
            (draft.base.map.get_mut(key), changes.base.map.get_mut(key))
        {
            present.append(added);
            changes.base.map.remove(key);
        }
    }
    if let Some(Json::Object(present)) = draft.base.map.get_mut(TRANSLATIONS)
        && let Some(Json::Object(mut added)) = changes.base.map.remove(TRANSLATIONS)
    {
        // Language by language, text by text.
        for (code, texts) in &mut added {
            match (present.get_mut(code), texts) {
                (Some(Json::Object(present)), Json::Object(texts)) => present.append(texts),
                (_, texts) => drop(present.insert(code.clone(), texts.take())),
            }
        }
    }
    draft.base.merge(Section { place: draft.base.place, ..changes.base });
    for field in changes.fields {
        apply_field(draft, field, reporter);
    }
    for permission in changes.permissions {
        apply_permission(draft, permission, reporter);
    }
}

fn apply_field(draft: &mut Draft, mut change: Section, reporter: &mut Reporter<'_>) {
    let fieldname = change.text("fieldname").to_owned();
    let after = change.map.remove("insert_after").and_then(|name| name.as_str().map(str::to_owned));
    let present = draft.fields.iter().position(|field| field.text("fieldname") == fieldname);
    let field = match present {
        Some(index) if after.is_none() => {
            draft.fields[index].merge(change);
            return;
        }
        Some(index) => {
            let mut field = draft.fields.remove(index);
            field.merge(change);
            field
        }
        None => change,
    };
    let Some(after) = after else {
        draft.fields.push(field);
        return;
    };
    let Some(index) = draft.fields.iter().position(|field| field.text("fieldname") == after) else {
        let near = suggestion(nearest(&after, draft.fields.iter().map(|field| field.text("fieldname"))));
        let message = format!("`insert_after` names the field `{after}`, which is not there{near}");
        reporter.error(field.place_of("insert_after"), &draft.name, Some(&fieldname), message);
        draft.fields.push(field);
        return;
    };
    // `field_order` was written without this field, which would send it to the end.
    if let Some(Json::Array(order)) = draft.base.map.get_mut("field_order") {
        order.retain(|name| name.as_str() != Some(fieldname.as_str()));
        if let Some(at) = order.iter().position(|name| name.as_str() == Some(after.as_str())) {
            order.insert(at + 1, Json::from(fieldname));
        }
    }
    draft.fields.insert(index + 1, field);
}

fn apply_permission(draft: &mut Draft, mut change: Section, reporter: &mut Reporter<'_>) {
    let identity =
        |row: &Section| (row.text("role").to_owned(), row.whole("permlevel").unwrap_or(0), row.flag("if_owner"));
    let wanted = identity(&change);
    let present = draft.permissions.iter().position(|row| identity(row) == wanted);
    let remove = change.flag("remove");
    change.map.remove("remove");
    match (present, remove) {
        (Some(index), true) => {
            draft.permissions.remove(index);
        }
        (Some(index), false) => draft.permissions[index].merge(change),
        (None, false) => draft.permissions.push(change),
        (None, true) => {
            let (role, level, if_owner) = wanted;
            let owner = if if_owner { " and `if_owner`" } else { "" };
            let message = format!("there is no permission row of role {role}, level {level}{owner} to remove");
            reporter.error(change.place_of("remove"), &draft.name, None, message);
        }
    }
}
