//! What has to become of a file so that a DocType says what a person wants: of the file that defines it, or of an overlay.

use serde_json::{Map, Value as Json};

use crate::meta::DocType;
use crate::meta::docfield::FIELD;
use crate::meta::doctype::DOCTYPE;
use crate::meta::keys::{self, Key, Kind, PERMISSION};
use crate::meta::load::{Parts, Source, derive_fieldname, normalise, parts};
use crate::meta::rewrite::{Entry, FileChange, Keys};

/// A definition as a form shows it, every key in Frappe's form.
#[derive(Clone, Debug, Default)]
pub(crate) struct Definition {
    /// The keys beside the lists.
    pub keys: Map<String, Json>,
    /// The fields in their order.
    pub fields: Vec<Part>,
    /// The permission rows.
    pub permissions: Vec<Part>,
}

/// A field or a permission row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Part {
    /// Which one it was before; `None` for a new one.
    pub was: Option<usize>,
    /// What it says.
    pub keys: Map<String, Json>,
}

/// Where keys stand in a file that are new in it: these first, then all others, then what is long.
const FIRST: [&str; 7] = ["role", "permlevel", "if_owner", "fieldname", "fieldtype", "label", "options"];
/// What stands in a definition because something else does.
const FOLLOWING: [&str; 8] =
    ["doctype", "name", "extends", "renamed_from", "insert_after", "field_order", "fields", "permissions"];
const LAST: [&str; 3] = ["placeholder", "documentation_url", "description"];

/// The same for what is empty in one way or another.
fn canonical(key: &Key, value: Option<&Json>) -> Json {
    let value = value.and_then(|value| normalise(key, value.clone()).ok().flatten()).unwrap_or(Json::Null);
    let is_empty = match &value {
        Json::String(text) => text.trim().is_empty(),
        value => value.as_i64() == Some(0),
    };
    if is_empty { Json::Null } else { value }
}

/// A value as it is written into a file; nothing as what stands for it.
fn written(key: &Key, value: &Json) -> Json {
    match (key.kind, value) {
        (Kind::Flag, value) => Json::Bool(value.as_i64() == Some(1)),
        (Kind::Whole, Json::Null) => Json::from(0),
        (_, Json::Null) => Json::from(""),
        (Kind::Lines, Json::String(text)) if text.contains('\n') => text.split('\n').map(Json::from).collect(),
        (_, value) => value.clone(),
    }
}

/// What differs, key by key; with `keep`, what is empty now is written as such, for it has something to win over.
fn differing(table: &'static [Key], now: &Map<String, Json>, wanted: &Map<String, Json>, keep: bool) -> Keys {
    let mut found: Keys = Vec::new();
    for key in table {
        let Some(value) = wanted.get(key.name) else { continue };
        let (before, after) = (canonical(key, now.get(key.name)), canonical(key, Some(value)));
        if before != after {
            let value = (keep || !after.is_null()).then(|| written(key, &after));
            found.push((key.name.to_owned(), value));
        }
    }
    found.sort_by_key(|(name, _)| place(name));
    found
}

fn place(name: &str) -> usize {
    match (FIRST.iter().position(|first| *first == name), LAST.iter().position(|last| *last == name)) {
        (Some(at), _) => at,
        (_, Some(at)) => FIRST.len() + 1 + at,
        _ => FIRST.len(),
    }
}

/// Everything that a new field says beyond what goes without saying.
fn whole_field(part: &Part) -> Keys {
    let empty = crate::meta::DocField::default().to_keys();
    let mut wanted = part.keys.clone();
    let name = fieldname(part);
    wanted.insert("fieldname".to_owned(), Json::from(name));
    let mut keys = differing(FIELD, &empty, &wanted, false);
    if !keys.iter().any(|(key, _)| key == "fieldtype") {
        keys.insert(1, ("fieldtype".to_owned(), Some(Json::from("Data"))));
    }
    keys
}

fn whole_permission(part: &Part) -> Keys {
    differing(PERMISSION, &Map::new(), &part.keys, false)
}

fn text<'a>(keys: &'a Map<String, Json>, key: &str) -> &'a str {
    keys.get(key).and_then(Json::as_str).unwrap_or_default().trim()
}

/// The name of a field, made from its label if none was given.
fn fieldname(part: &Part) -> String {
    let given = text(&part.keys, "fieldname");
    if given.is_empty() {
        derive_fieldname(text(&part.keys, "label"), text(&part.keys, "fieldtype"), "").unwrap_or_default()
    } else {
        given.to_owned()
    }
}

/// The keys of a new DocType's file.
pub(crate) fn new_doctype(name: &str, wanted: &Definition) -> Map<String, Json> {
    let mut map = Map::new();
    map.insert("name".to_owned(), Json::from(name));
    let set = |keys: Keys| keys.into_iter().filter_map(|(key, value)| Some((key, value?))).collect::<Map<_, _>>();
    let empty = crate::meta::doctype::Declaration::default().to_keys();
    map.extend(set(differing(DOCTYPE, &empty, &wanted.keys, false)));
    let list =
        |parts: &[Part], whole: fn(&Part) -> Keys| parts.iter().map(|part| Json::Object(set(whole(part)))).collect();
    map.insert("fields".to_owned(), list(&wanted.fields, whole_field));
    if !wanted.permissions.is_empty() {
        map.insert("permissions".to_owned(), list(&wanted.permissions, whole_permission));
    }
    map
}

/// Whether a DocType, read again, says what was wanted and otherwise what it said before; what follows from other keys aside.
pub(crate) fn holds(before: &DocType, now: &Definition, wanted: &Definition, after: &DocType) -> bool {
    let is_changed = |table: &'static [Key], said: &Map<String, Json>, changes: &Keys, after: &Map<String, Json>| {
        table.iter().filter(|key| !FOLLOWING.contains(&key.name)).any(|key| {
            let expected = match changes.iter().find(|(name, _)| name == key.name) {
                Some((_, value)) => canonical(key, value.as_ref()),
                None if key.name == "in_list_view" => return false,
                None => canonical(key, said.get(key.name)),
            };
            expected != canonical(key, after.get(key.name))
        })
    };
    let nothing = Map::new();
    let mut fields = wanted.fields.iter().zip(&after.fields);
    let mut rows: Vec<(&Part, bool)> = wanted.permissions.iter().map(|part| (part, false)).collect();
    for row in &after.permissions {
        let keys = row.to_keys();
        let found =
            rows.iter_mut().find(|(part, found)| !found && differing(PERMISSION, &keys, &part.keys, true).is_empty());
        let Some(found) = found else { return false };
        found.1 = true;
    }
    after.fields.len() == wanted.fields.len()
        && rows.iter().all(|(_, found)| *found)
        && !is_changed(DOCTYPE, &before.raw, &differing(DOCTYPE, &now.keys, &wanted.keys, true), &after.raw)
        && fields.all(|(part, after)| {
            let was = part.was.and_then(|was| Some((before.fields.get(was)?, now.fields.get(was)?)));
            match was {
                Some((before, now)) => {
                    !is_changed(FIELD, &before.raw, &differing(FIELD, &now.keys, &part.keys, true), &after.raw)
                }
                None => !is_changed(FIELD, &nothing, &whole_field(part), &after.raw),
            }
        })
}

/// What becomes of the file of a DocType; what cannot be done, a sentence each.
///
/// `now` is what the form showed; `beneath` the DocType as it is without the file, if that is an overlay.
pub(crate) fn change(
    source: &Source,
    now: &Definition,
    wanted: &Definition,
    beneath: Option<&DocType>,
) -> Result<FileChange, Vec<String>> {
    let Some(file) = parts(source) else {
        return Err(vec![format!("{} has mistakes: fix its text first", source.path)]);
    };
    let mut base = differing(DOCTYPE, &now.keys, &wanted.keys, file.is_overlay);
    base.retain(|(key, _)| !matches!(key.as_str(), "name" | "extends" | "doctype" | "renamed_from"));
    let change = match beneath {
        Some(beneath) => Overlay { file: &file, now, wanted, beneath }.change(base)?,
        None => own_file(&file, now, wanted, base),
    };
    Ok(change)
}

fn own_file(file: &Parts, now: &Definition, wanted: &Definition, mut base: Keys) -> FileChange {
    let at = |was: usize| {
        let name = now.fields.get(was).map(fieldname)?;
        file.fields.iter().position(|fieldname| *fieldname == name)
    };
    let mut fields: Vec<Entry> = Vec::new();
    for part in &wanted.fields {
        let before = part.was.and_then(|was| now.fields.get(was));
        fields.push(match (part.was.and_then(at), before) {
            (Some(from), Some(before)) => {
                let mut keys = differing(FIELD, &before.keys, &part.keys, false);
                if let Some((_, Some(_))) = keys.iter().find(|(key, _)| key == "fieldname") {
                    keys.push(("renamed_from".to_owned(), Some(Json::from(fieldname(before)))));
                }
                Entry { from: Some(from), keys }
            }
            _ => Entry { from: None, keys: whole_field(part) },
        });
    }
    if file.has_field_order {
        let order: Json = wanted.fields.iter().map(|part| Json::from(fieldname(part))).collect();
        base.push(("field_order".to_owned(), Some(order)));
        // The order of the entries says nothing then, and stays.
        fields.sort_by_key(|entry| entry.from.unwrap_or(usize::MAX));
    }
    let permissions = wanted.permissions.iter().map(|part| match part.was {
        Some(from) => Entry { from: Some(from), keys: row_changes(now, part, from, false) },
        None => Entry { from: None, keys: whole_permission(part) },
    });
    let permissions: Vec<Entry> = permissions.collect();
    let is_same = |entries: &[Entry], count: usize| {
        entries.len() == count
            && entries.iter().enumerate().all(|(at, entry)| entry.from == Some(at) && entry.keys.is_empty())
    };
    let (same_fields, same_permissions) =
        (is_same(&fields, file.fields.len()), is_same(&permissions, file.permissions.len()));
    if same_fields
        && base.iter().all(|(key, _)| {
            key != "field_order" || now.fields.iter().map(fieldname).eq(wanted.fields.iter().map(fieldname))
        })
    {
        base.retain(|(key, _)| key != "field_order");
    }
    FileChange {
        base,
        fields: (!same_fields).then_some(fields),
        permissions: (!same_permissions).then_some(permissions),
    }
}

fn row_changes(now: &Definition, part: &Part, was: usize, keep: bool) -> Keys {
    let before = now.permissions.get(was).map(|part| &part.keys);
    before.map(|before| differing(PERMISSION, before, &part.keys, keep)).unwrap_or_default()
}

/// A change of a DocType that another file defines.
struct Overlay<'a> {
    file: &'a Parts,
    now: &'a Definition,
    wanted: &'a Definition,
    beneath: &'a DocType,
}

impl Overlay<'_> {
    fn change(&self, base: Keys) -> Result<FileChange, Vec<String>> {
        let mut problems = Vec::new();
        let fields = self.fields(&mut problems);
        let permissions = self.permissions();
        if !problems.is_empty() {
            return Err(problems);
        }
        let is_same = |entries: &[Entry], count: usize| {
            entries.len() == count && entries.iter().all(|entry| entry.from.is_some() && entry.keys.is_empty())
        };
        Ok(FileChange {
            base,
            fields: (!is_same(&fields, self.file.fields.len())).then_some(fields),
            permissions: (!is_same(&permissions, self.file.permissions.len())).then_some(permissions),
        })
    }

    fn is_own(&self, name: &str) -> bool {
        self.beneath.field(name).is_none()
    }

    fn fields(&self, problems: &mut Vec<String>) -> Vec<Entry> {
        let mut entries: Vec<Entry> =
            (0..self.file.fields.len()).map(|from| Entry { from: Some(from), keys: Vec::new() }).collect();
        // What is not wanted any more.
        for (was, before) in self.now.fields.iter().enumerate() {
            if self.wanted.fields.iter().any(|part| part.was == Some(was)) {
                continue;
            }
            let name = fieldname(before);
            if self.is_own(&name) {
                entries.retain(|entry| entry.from.is_none_or(|from| self.file.fields[from] != name));
            } else {
                problems.push(format!(
                    "{name} comes with the DocType, whose documents hold values for it: hide it instead"
                ));
            }
        }
        let stays = staying(&self.wanted.fields);
        let mut previous: Option<String> = None;
        for (at, part) in self.wanted.fields.iter().enumerate() {
            let name = fieldname(part);
            let before = part.was.and_then(|was| self.now.fields.get(was));
            let old = before.map(fieldname);
            let mut keys = match before {
                Some(before) => differing(FIELD, &before.keys, &part.keys, true),
                None => whole_field(part),
            };
            if let Some(old) = old.as_ref().filter(|old| **old != name) {
                if !self.is_own(old) {
                    problems.push(format!(
                        "{old} comes with the DocType and cannot get another name here: change its label"
                    ));
                }
                keys.push(("renamed_from".to_owned(), Some(Json::from(old.as_str()))));
            }
            let is_moved = !stays.contains(&at);
            if is_moved {
                match &previous {
                    Some(previous) => keys.push(("insert_after".to_owned(), Some(Json::from(previous.as_str())))),
                    None => problems
                        .push(format!("{name} cannot become the first field here: move the first one down instead")),
                }
            }
            previous = Some(name);
            if keys.is_empty() {
                continue;
            }
            let known = old.and_then(|old| {
                entries.iter().rposition(|entry| entry.from.is_some_and(|from| self.file.fields[from] == old))
            });
            match known {
                Some(known) if is_moved => {
                    // It is placed after those that are placed before it.
                    let mut entry = entries.remove(known);
                    entry.keys.extend(keys);
                    entries.push(entry);
                }
                Some(known) => entries[known].keys.extend(keys),
                None => {
                    if before.is_some() {
                        keys.insert(0, ("fieldname".to_owned(), Some(Json::from(previous.as_deref()))));
                    }
                    entries.push(Entry { from: None, keys });
                }
            }
        }
        entries
    }

    fn permissions(&self) -> Vec<Entry> {
        let identity = |keys: &Map<String, Json>| {
            let of = |name: &str| keys::find(PERMISSION, name).map(|key| canonical(key, keys.get(name)));
            (of("role"), of("permlevel"), of("if_owner"))
        };
        let identified = |keys: &Map<String, Json>| -> Keys {
            let named = ["role", "permlevel", "if_owner"].into_iter().filter_map(|name| {
                let key = keys::find(PERMISSION, name)?;
                let value = canonical(key, keys.get(name));
                (!value.is_null()).then(|| (name.to_owned(), Some(written(key, &value))))
            });
            named.collect()
        };
        let mut entries: Vec<Entry> =
            (0..self.file.permissions.len()).map(|from| Entry { from: Some(from), keys: Vec::new() }).collect();
        let known = |entries: &[Entry], keys: &Map<String, Json>| {
            let wanted = identity(keys);
            entries
                .iter()
                .rposition(|entry| entry.from.is_some_and(|from| identity(&self.file.permissions[from]) == wanted))
        };
        for (was, before) in self.now.permissions.iter().enumerate() {
            let after = self.wanted.permissions.iter().find(|part| part.was == Some(was));
            let at = known(&entries, &before.keys);
            match after {
                // Another role, level or owner makes another row of it.
                Some(part) if identity(&part.keys) == identity(&before.keys) => {
                    let keys = row_changes(self.now, part, was, true);
                    match at {
                        _ if keys.is_empty() => {}
                        Some(at) => entries[at].keys.extend(keys),
                        None => {
                            let keys = identified(&before.keys).into_iter().chain(keys).collect();
                            entries.push(Entry { from: None, keys });
                        }
                    }
                }
                after => {
                    let remove = ("remove".to_owned(), Some(Json::Bool(true)));
                    if let Some(at) = at {
                        entries.remove(at);
                    }
                    if at.is_none()
                        || self.beneath.permissions.iter().any(|row| identity(&row.to_keys()) == identity(&before.keys))
                    {
                        let keys = identified(&before.keys).into_iter().chain([remove]).collect();
                        entries.push(Entry { from: None, keys });
                    }
                    if let Some(part) = after {
                        entries.push(Entry { from: None, keys: whole_permission(part) });
                    }
                }
            }
        }
        let new = self.wanted.permissions.iter().filter(|part| part.was.is_none());
        entries.extend(new.map(|part| Entry { from: None, keys: whole_permission(part) }));
        entries
    }
}

/// Which of the fields need not be moved: as many as possible that are still in their old order.
fn staying(parts: &[Part]) -> Vec<usize> {
    // For each field the longest row of staying ones that ends with it: its length, and the one before.
    let mut best: Vec<(usize, Option<usize>)> = Vec::with_capacity(parts.len());
    for (at, part) in parts.iter().enumerate() {
        let Some(was) = part.was else {
            best.push((0, None));
            continue;
        };
        let earlier = (0..at).filter(|earlier| parts[*earlier].was.is_some_and(|before| before < was));
        let before = earlier.max_by_key(|earlier| best[*earlier].0);
        best.push((1 + before.map_or(0, |before| best[before].0), before));
    }
    let mut at = (0..parts.len()).max_by_key(|at| best[*at].0).filter(|at| best[*at].0 > 0);
    let mut stays = Vec::new();
    while let Some(here) = at {
        stays.push(here);
        at = best[here].1;
    }
    stays
}

/// Values of a part of a form that a file cannot hold: the key, and what is wrong with its value.
pub(crate) fn mistakes(table: &'static [Key], keys: &Map<String, Json>) -> Vec<(&'static str, String)> {
    let wrong = |key: &Key| {
        let value = keys.get(key.name).filter(|value| !value.is_null())?;
        Some((key.name, normalise(key, value.clone()).err()?))
    };
    table.iter().filter_map(wrong).collect()
}

/// Whether a change touches what decides who may do what, or what is shown as it comes.
pub(crate) fn decides_about_access(change: &FileChange) -> bool {
    const DECIDING: [&str; 10] = [
        "permlevel",
        "guarded",
        "guarded_rights",
        "limited_to",
        "limited_except",
        "secret",
        "mask",
        "ignore_permissions",
        // It may show fields of documents that whoever writes it may not read.
        "formula",
        "ignore_xss_filter",
    ];
    let decides = |keys: &Keys| keys.iter().any(|(key, _)| DECIDING.contains(&key.as_str()));
    change.permissions.is_some()
        || decides(&change.base)
        || change.fields.iter().flatten().any(|entry| decides(&entry.keys))
}
