//! What is described happens: every key, right and field that is explained is acted on, or said to be for information.

use std::collections::BTreeSet;

use doctyped::testing::check::idle_keys;
use doctyped::testing::client_members::{self, Member};
use doctyped::testing::docfield::FIELD;
use doctyped::testing::doctype::DOCTYPE;
use doctyped::testing::keys::{Key, Kind, PERMISSION, table};
use doctyped::testing::load::load;
use doctyped::testing::meta::{DocField, DocType, Fieldtype, Right};

use super::doctypes::shipped;
use super::{files_below, root, shown};

/// Keys that are read under the name of what they become.
const BECOME: [(&str, &str); 3] = [("sort_field", "sort"), ("sort_order", "sort"), ("name", "name")];

/// The program without what only copies, checks and describes definitions.
fn acting() -> String {
    const DESCRIBING: [&str; 8] = [
        "src/meta/keys.rs",
        "src/meta/schema.rs",
        "src/meta/docfield.rs",
        "src/meta/load/build.rs",
        "src/meta/load/tests.rs",
        "src/meta/check/",
        "src/meta/rewrite/",
        "src/rest/definition.rs",
    ];
    let files = files_below("src", &["rs"]).into_iter().filter(|path| {
        let path = shown(path);
        !DESCRIBING.iter().any(|known| path.starts_with(known)) && !path.contains("tests")
    });
    let texts = files.map(|path| std::fs::read_to_string(path).expect("readable"));
    // Tests at the end of a file, and what is declared, act on nothing.
    let acts = texts.flat_map(|text| {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
        let lines = code.lines().map(str::trim).filter(|line| !line.starts_with("//") && !line.starts_with("pub "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    });
    acts.collect::<Vec<_>>().join("\n")
}

/// Whether the text has `.word` or `"word"`.
fn uses(text: &str, word: &str) -> bool {
    let quoted = format!("\"{word}\"");
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    text.contains(&quoted) || text.split(&format!(".{word}")).skip(1).any(ends)
}

#[test]
fn every_key_that_acts_is_acted_on() {
    let text = acting();
    let of = |keys: &'static [Key]| keys.iter().filter(|key| key.acts);
    let idle: Vec<&str> = of(DOCTYPE)
        .chain(of(FIELD))
        .filter(|key| {
            let name = BECOME.iter().find(|(known, _)| *known == key.name).map_or(key.name, |(_, name)| name);
            !uses(&text, name)
        })
        .map(|key| key.name)
        .collect();
    assert!(idle.is_empty(), "nothing acts on {idle:?}: make it so, or declare them as kept in meta/keys.rs");
    for key in DOCTYPE.iter().chain(FIELD).chain(PERMISSION).filter(|key| !key.acts) {
        assert!(key.help.starts_with("In Frappe:") || key.help.contains("Frappe"), "{}: {}", key.name, key.help);
    }
}

#[test]
fn shipped_definitions_promise_nothing_without_effect() {
    let loaded = load(&shipped());
    let idle: Vec<_> = loaded
        .doctypes
        .iter()
        .flat_map(|doctype| idle_keys(doctype).into_iter().map(|(field, key)| (&doctype.name, field, key)))
        .collect();
    assert!(idle.is_empty(), "nothing acts on {idle:?}: leave it out");
}

#[test]
fn every_right_that_acts_is_asked_for() {
    let text = acting();
    // Scopes speak of every right; that alone makes nothing happen.
    let asked: String = text.lines().filter(|line| !line.contains("=> Self::")).collect::<Vec<_>>().join("\n");
    for right in Right::ALL {
        let key = PERMISSION.iter().find(|key| key.name == right.as_str()).expect("it is described");
        let is_asked = asked.contains(&format!("Right::{right:?}"));
        assert!(is_asked || !key.acts, "nothing asks for the right {}", right.as_str());
    }
}

#[test]
fn every_described_field_is_used_or_said_to_be_informational() {
    let text = acting();
    let in_views = fields_of_views();
    let mut idle = Vec::new();
    for doctype in load(&shipped()).doctypes {
        for field in &doctype.fields {
            let holds = field.has_column() && !field.fieldtype.is_layout() && field.fieldtype != Fieldtype::Button;
            let described = holds && !field.description.is_empty() && !field.informational;
            // The DocTypes that show definitions have the keys of definitions as fields.
            let shows = match doctype.name.as_str() {
                "DocType" => Some(DOCTYPE),
                "DocField" => Some(FIELD),
                "DocPerm" => Some(PERMISSION),
                _ => None,
            };
            if let Some(key) = shows.and_then(|keys| keys.iter().find(|key| key.name == field.fieldname)) {
                assert_eq!(field.informational, !key.acts, "{}: {}", doctype.name, field.fieldname);
                continue;
            }
            let is_named = text.contains(&format!("\"{}\"", field.fieldname)) || in_views.contains(&field.fieldname);
            if described && !is_named && !own_use(&doctype, &field.fieldname) {
                idle.push(format!("{}: {}", doctype.name, field.fieldname));
            }
        }
    }
    assert!(idle.is_empty(), "nothing reads these: use them, or say `informational: true`:\n{}", idle.join("\n"));
}

/// The fields that typed views declare: `scopes: ScopeSet,` or `resources: Vec<String> = "resource",` in `view! { … }`.
fn fields_of_views() -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    for path in files_below("src", &["rs"]) {
        let text = std::fs::read_to_string(path).expect("readable");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let views = code.split("view! {\n").skip(1).filter_map(|rest| rest.split("\n}\n").next());
        for line in views.flat_map(str::lines).map(str::trim).filter(|line| !line.starts_with("//")) {
            let quoted: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
            let own = line.strip_suffix(',').and_then(|line| line.trim_start_matches("pub ").split(':').next());
            fields.extend(
                if quoted.is_empty() { own.into_iter().collect() } else { quoted }.iter().map(ToString::to_string),
            );
        }
    }
    fields
}

#[test]
fn the_readme_of_doctypes_has_every_key_that_acts() {
    let page = std::fs::read_to_string(root().join("doctypes/README.md")).expect("readable");
    for (title, keys) in [("Keys of a DocType", DOCTYPE), ("Keys of a field", FIELD)] {
        let section = format!("## {title}\n\n{}", table(keys));
        assert!(page.contains(&section), "doctypes/README.md should have:\n{section}");
    }
}

#[test]
fn the_form_of_a_field_has_every_property_that_acts() {
    let loaded = load(&shipped());
    let form = loaded.doctypes.iter().find(|doctype| doctype.name == "DocField").expect("it is shipped");
    let properties = DocField::default().to_keys();
    for key in FIELD.iter().filter(|key| key.acts && properties.contains_key(key.name)) {
        let field = form.field(key.name).unwrap_or_else(|| panic!("DocField has no field {}", key.name));
        assert_eq!(field.fieldtype == Fieldtype::Check, key.kind == Kind::Flag, "{}", key.name);
    }
    let offered: Vec<&str> = form.field("fieldtype").expect("it has a type").select_options().collect();
    let known: Vec<&str> = Fieldtype::ALL.iter().map(|(_, name)| *name).collect();
    assert_eq!(offered, known, "the form offers every fieldtype");
}

#[test]
fn every_member_of_client_metadata_has_its_field() {
    let loaded = load(&shipped());
    let client = loaded.doctypes.iter().find(|doctype| doctype.name == "OAuth Client").expect("it is shipped");
    for Member { name, kind, field, .. } in Member::kept() {
        let fieldtype = client.field(field).unwrap_or_else(|| panic!("{name}: no field {field}")).fieldtype;
        assert_eq!(fieldtype == Fieldtype::Check, *kind == client_members::Kind::Switch, "{name}");
    }
}

/// Whether the definition itself gives the field a use: it names or titles documents, or other fields hang on it.
fn own_use(doctype: &DocType, fieldname: &str) -> bool {
    let hangs = |field: &doctyped::testing::meta::DocField| {
        field.options.trim() == fieldname && field.fieldtype == Fieldtype::DynamicLink
            || field.fetch_from.as_ref().is_some_and(|(link, _)| link == fieldname)
            || [&field.depends_on, &field.mandatory_depends_on, &field.read_only_depends_on]
                .into_iter()
                .flatten()
                .any(|condition| condition.source.contains(fieldname))
    };
    doctype.autoname == format!("field:{fieldname}")
        || doctype.title_field.as_deref() == Some(fieldname)
        || doctype.search_fields.iter().any(|name| name == fieldname)
        || doctype.fields.iter().any(hangs)
}
