//! Plans without a database: what is wanted against what is said to be there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::*;
use crate::database::schema::{ColumnDefault, Snapshot, Table};
use crate::meta::doctype::{Declaration, Order};
use crate::meta::{DocField, DocType, Fieldtype};

fn field(fieldname: &str, fieldtype: Fieldtype) -> DocField {
    DocField { fieldname: fieldname.to_owned(), fieldtype, ..DocField::default() }
}

fn note(fields: Vec<DocField>) -> Declaration {
    Declaration { name: "Note".to_owned(), fields, ..Declaration::default() }
}

fn plan_of(backend: Backend, declarations: Vec<Declaration>, snapshot: &Snapshot, prune: bool) -> Plan {
    let doctypes: Vec<Arc<DocType>> = declarations.into_iter().map(|found| Arc::new(DocType::new(found))).collect();
    plan(backend, doctypes.iter(), snapshot, prune)
}

/// The database in which a declaration has just been applied.
fn applied(backend: Backend, declarations: Vec<Declaration>) -> Snapshot {
    let plan = plan_of(backend, declarations, &Snapshot::empty(backend), false);
    let mut snapshot = Snapshot::empty(backend);
    for change in plan.changes {
        let Action::CreateTable(spec) = change.action else { panic!("{change} in an empty database") };
        let table = Table {
            name: spec.name.clone(),
            columns: spec
                .columns
                .iter()
                .map(|column| Column {
                    name: column.name.clone(),
                    sql_type: column.sql_type.clone(),
                    declared: column.sql_type.ddl(backend).into_owned(),
                    not_null: column.not_null,
                    default: column.default.clone(),
                    default_text: column.default.as_ref().map(|default| default.ddl(&column.sql_type)),
                })
                .collect(),
            primary_key: spec.primary_key.clone(),
            primary_key_name: None,
            autoincrement: spec.autoincrement && backend == Backend::Sqlite,
            indexes: spec
                .indexes
                .iter()
                .map(|index| {
                    let found = crate::database::schema::Index { columns: index.columns.clone(), unique: index.unique };
                    (index.name.clone(), found)
                })
                .collect(),
        };
        snapshot.tables.insert(crate::database::schema::names::key(backend, &spec.name), table);
    }
    snapshot
}

fn descriptions(plan: &Plan) -> Vec<String> {
    plan.changes.iter().map(|change| change.description.clone()).collect()
}

fn index_columns(declaration: Declaration) -> BTreeSet<String> {
    let spec = TableSpec::of(Backend::Postgres, &DocType::new(declaration)).expect("it has a table");
    spec.indexes
        .iter()
        .filter(|index| index.trigrams.is_none() && index.words.is_none())
        .map(|index| format!("{}{}", if index.unique { "unique " } else { "" }, index.columns.join(",")))
        .collect()
}

#[test]
fn an_applied_plan_leaves_nothing_to_do() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let fields = || {
            Fieldtype::ALL
                .iter()
                .enumerate()
                .map(|(i, (fieldtype, _))| field(&format!("field_{i}"), *fieldtype))
                .collect::<Vec<_>>()
        };
        let snapshot = applied(backend, vec![note(fields())]);
        let again = plan_of(backend, vec![note(fields())], &snapshot, false);
        assert!(again.is_empty() && again.left_in_place.is_empty(), "{again}");
    }
}

#[test]
fn a_new_database_gets_the_tables_of_the_engine_and_of_every_doctype_that_stores_rows() {
    let plan = plan_of(
        Backend::Sqlite,
        vec![
            note(Vec::new()),
            Declaration { name: "Settings".to_owned(), issingle: true, ..Declaration::default() },
            Declaration { name: "Computed".to_owned(), is_virtual: true, ..Declaration::default() },
        ],
        &Snapshot::empty(Backend::Sqlite),
        false,
    );
    let tables: Vec<&str> = plan.changes.iter().map(|change| change.table.as_str()).collect();
    assert_eq!(tables, ["tabSingles", "tabSeries", "__Auth", "__doctyped", "__DocType", "tabNote"]);
    assert_eq!(plan.risky().count(), 0);
    assert_eq!(plan.summary(), "6 tables created");
}

#[test]
fn fields_that_are_looked_up_are_indexed() {
    let found = index_columns(note(vec![
        DocField { search_index: true, ..field("searched", Fieldtype::Data) },
        DocField { in_standard_filter: true, ..field("filtered", Fieldtype::Select) },
        DocField { unique: true, search_index: true, ..field("code", Fieldtype::Data) },
        DocField { search_index: true, ..field("long", Fieldtype::Text) },
        field("link", Fieldtype::Link),
        field("plain", Fieldtype::Data),
    ]));
    let expected = ["creation,name", "modified", "searched", "filtered", "unique code", "link"];
    assert_eq!(found, expected.map(ToOwned::to_owned).into());

    // Where lists are filtered, one index gives the page in its order.
    let filtered = DocField { in_standard_filter: true, ..field("filtered", Fieldtype::Data) };
    let fields = vec![filtered, field("link", Fieldtype::Link)];
    let sorted = Declaration { sort: vec![("creation".to_owned(), Order::Desc)], ..note(fields) };
    let expected = ["creation,name", "modified", "filtered,creation,name", "link,creation,name"];
    assert_eq!(index_columns(sorted), expected.map(ToOwned::to_owned).into());

    let child = index_columns(Declaration { istable: true, ..note(Vec::new()) });
    assert_eq!(child, ["parent,parenttype,parentfield,idx", "creation,name", "modified"].map(ToOwned::to_owned).into());

    let sorted = Declaration { sort: vec![("modified".to_owned(), Order::Desc)], ..note(Vec::new()) };
    assert_eq!(index_columns(sorted), ["creation,name", "modified,name"].map(ToOwned::to_owned).into());
}

#[test]
fn what_people_search_has_an_index_of_trigrams() {
    let searched = |change: fn(&mut Declaration)| {
        let fields = vec![
            field("title", Fieldtype::Data),
            field("code", Fieldtype::Data),
            field("due", Fieldtype::Date),
            field("text", Fieldtype::Text),
        ];
        let mut declaration = note(fields);
        change(&mut declaration);
        let found = TableSpec::of(Backend::Postgres, &DocType::new(declaration)).unwrap().indexes;
        found.into_iter().find(|index| index.trigrams.is_some()).map(|index| index.columns.join(","))
    };
    assert_eq!(searched(|_| {}).as_deref(), Some("name"));
    let titled = |note: &mut Declaration| {
        note.title_field = Some("title".to_owned());
        note.search_fields = ["due", "title", "code"].map(ToOwned::to_owned).to_vec();
    };
    assert_eq!(searched(titled).as_deref(), Some("name,title,code"));
    let long = |note: &mut Declaration| note.search_fields = vec!["text".to_owned()];
    assert_eq!(searched(long), None, "a long text would make everybody wait");
    assert_eq!(searched(|note| note.autoname = "hash".to_owned()), None, "nobody types a part of such a name");
    let random = |note: &mut Declaration| {
        note.autoname = "UUID".to_owned();
        note.title_field = Some("title".to_owned());
    };
    assert_eq!(searched(random).as_deref(), Some("title"));
    assert_eq!(searched(|note| note.in_create = true), None, "the program writes it, often");
    assert_eq!(searched(|note| note.istable = true), None);
}

#[test]
fn an_index_for_searching_is_made_anew_where_its_columns_become_others() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let titled = |fields| Declaration { title_field: Some("title".to_owned()), ..note(fields) };
        let before = vec![titled(vec![field("title", Fieldtype::Data), field("code", Fieldtype::Data)])];
        let renamed =
            |name: &str, from: &str| DocField { renamed_from: Some(from.to_owned()), ..field(name, Fieldtype::Data) };
        let after = vec![titled(vec![renamed("heading", "title"), renamed("title", "code")])];
        let plan = plan_of(backend, after, &applied(backend, before), false);
        let anew = [
            "drop the index `tx tabNote.name,title`",
            "make an index for searching on `name`, `title`",
            "drop the index `wx tabNote.name,title;`",
            "make an index of words on `name`, `title`",
        ];
        assert_eq!(descriptions(&plan)[2..], anew, "{plan}");
    }
}

#[test]
fn without_the_extension_there_is_no_index_of_trigrams() {
    let mut without = Snapshot::empty(Backend::Postgres);
    without.trigrams = None;
    for (snapshot, indexes) in [(without, 3), (Snapshot::empty(Backend::Postgres), 4)] {
        let plan = plan_of(Backend::Postgres, vec![note(Vec::new())], &snapshot, false);
        let made = plan.changes.iter().find_map(|change| match &change.action {
            Action::CreateTable(spec) if spec.name == "tabNote" => Some(spec.indexes.len()),
            _ => None,
        });
        assert_eq!(made, Some(indexes));
    }
}

#[test]
fn defaults_and_not_null_follow_the_fieldtype() {
    let doctype = DocType::new(note(vec![
        field("check", Fieldtype::Check),
        DocField { default: Some("5".to_owned()), ..field("int", Fieldtype::Int) },
        DocField { default: Some("Open".to_owned()), ..field("status", Fieldtype::Select) },
        DocField { default: Some("Today".to_owned()), ..field("day", Fieldtype::Date) },
        DocField { default: Some("__user".to_owned()), ..field("who", Fieldtype::Link) },
        DocField { not_nullable: true, ..field("text", Fieldtype::Data) },
        DocField { unique: true, default: Some("1".to_owned()), ..field("number", Fieldtype::Int) },
        field("rating", Fieldtype::Rating),
    ]));
    let spec = TableSpec::of(Backend::Postgres, &doctype).expect("it has a table");
    let of = |name: &str| {
        let column = spec.column(Backend::Postgres, name).expect("it has the column");
        let default = match &column.default {
            Some(ColumnDefault::Literal(text)) => Some(text.as_str()),
            _ => None,
        };
        (column.not_null, default)
    };
    assert_eq!(of("check"), (true, Some("0")));
    assert_eq!(of("int"), (true, Some("5")));
    assert_eq!(of("status"), (false, Some("Open")));
    assert_eq!(of("day"), (false, None));
    assert_eq!(of("who"), (false, None));
    assert_eq!(of("text"), (true, Some("")));
    assert_eq!(of("number"), (false, None));
    assert_eq!(of("rating"), (false, None));
    assert_eq!(of("docstatus"), (true, Some("0")));
    assert_eq!(of("name"), (true, None));
}

#[test]
fn widening_is_safe_and_narrowing_is_risky_until_the_data_was_asked() {
    let backend = Backend::Postgres;
    let small = || note(vec![DocField { length: 20, ..field("title", Fieldtype::Data) }]);
    let large = || note(vec![DocField { length: 200, ..field("title", Fieldtype::Data) }]);
    let widened = plan_of(backend, vec![large()], &applied(backend, vec![small()]), false);
    assert_eq!(descriptions(&widened), ["change `title` from varchar(20) to varchar(200)"]);
    assert_eq!(widened.risky().count(), 0);
    let narrowed = plan_of(backend, vec![small()], &applied(backend, vec![large()]), false);
    assert_eq!(narrowed.risky().count(), 1);
    // Lengths are not the column's business on SQLite.
    let sqlite = plan_of(Backend::Sqlite, vec![small()], &applied(Backend::Sqlite, vec![large()]), false);
    assert!(sqlite.is_empty(), "{sqlite}");
}

#[test]
fn a_field_may_take_another_ones_name_in_the_same_step() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let before = applied(backend, vec![note(vec![field("a", Fieldtype::Data), field("b", Fieldtype::Data)])]);
        let renamed =
            |name: &str, from: &str| DocField { renamed_from: Some(from.to_owned()), ..field(name, Fieldtype::Data) };
        let after = plan_of(backend, vec![note(vec![renamed("b", "a"), renamed("c", "b")])], &before, false);
        assert_eq!(descriptions(&after), ["rename the column `b` to `c`", "rename the column `a` to `b`"]);
    }
}

#[test]
fn what_no_doctype_uses_is_left_in_place_unless_pruned() {
    let backend = Backend::Sqlite;
    let gone = Declaration { name: "Gone".to_owned(), ..Declaration::default() };
    let mut before = applied(backend, vec![note(vec![field("old", Fieldtype::Data)]), gone]);
    let mut foreign = before.tables["tabgone"].clone();
    foreign.name = "tablespoon".to_owned();
    foreign.columns.retain(|column| column.name != "docstatus");
    before.tables.insert("tablespoon".to_owned(), foreign);

    let kept = plan_of(backend, vec![note(Vec::new())], &before, false);
    assert!(kept.is_empty(), "{kept}");
    assert_eq!(kept.left_in_place, ["the column `old` of Note", "the table `tabGone`"]);
    let pruned = plan_of(backend, vec![note(Vec::new())], &before, true);
    assert_eq!(descriptions(&pruned), ["drop the column `old`", "drop the table `tabGone`"]);
}

#[test]
fn names_that_the_database_cannot_tell_apart_are_refused() {
    let shout = Declaration { name: "NOTE".to_owned(), ..Declaration::default() };
    let sqlite =
        plan_of(Backend::Sqlite, vec![note(Vec::new()), shout.clone()], &Snapshot::empty(Backend::Sqlite), false);
    assert_eq!(sqlite.refused().count(), 1, "{sqlite}");
    let postgres =
        plan_of(Backend::Postgres, vec![note(Vec::new()), shout], &Snapshot::empty(Backend::Postgres), false);
    assert_eq!(postgres.refused().count(), 0, "{postgres}");
}

#[test]
fn indexes_of_others_are_left_alone() {
    let backend = Backend::Postgres;
    let mut before = applied(backend, vec![note(vec![DocField { search_index: true, ..field("a", Fieldtype::Data) }])]);
    let table = before.tables.get_mut("tabNote").expect("it was created");
    let by_hand = crate::database::schema::Index { columns: vec!["a".to_owned()], unique: false };
    table.indexes.insert("by_hand".to_owned(), by_hand);
    let after = plan_of(backend, vec![note(vec![field("a", Fieldtype::Data)])], &before, false);
    assert_eq!(descriptions(&after), ["drop the index `ix tabNote.a`"]);
}

#[test]
fn the_plan_reads_well() {
    let backend = Backend::Postgres;
    let before = applied(backend, vec![note(vec![field("qty", Fieldtype::Data), field("old", Fieldtype::Data)])]);
    let after = plan_of(
        backend,
        vec![note(vec![field("qty", Fieldtype::Date), field("color", Fieldtype::Color)])],
        &before,
        false,
    );
    let expected = "! Note: change `qty` from varchar(140) to date: values that do not fit would be lost
  Note: add the column `color` (varchar(140))
Left in place, because no DocType uses it (drop it with `migrate --prune`):
  the column `old` of Note
";
    assert_eq!(after.to_string(), expected);
    assert_eq!(after.summary(), "1 table changed");
    assert_eq!(Plan { changes: Vec::new(), rebuilds: BTreeMap::new(), ..after }.summary(), "no change");
}
