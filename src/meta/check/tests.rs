//! One broken rule a row.

use super::idle_keys;
use crate::meta::Right;
use crate::meta::load::{Loaded, Problem, Severity, Source, load};

/// Loads a DocType named Book (with the keys given) beside a few others.
fn load_beside(path: &str, keys: &str) -> Loaded {
    let source = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
    load(&[
        source("row.yaml", "name: Row\nistable: 1\nfields:\n- {fieldname: shelf}"),
        source("author.yaml", "name: Author\nautoname: AUT-.#####\nfields:\n- {fieldname: full_name}"),
        source("doctype.yaml", "name: DocType\nfields:\n- {fieldname: module}"),
        source(path, keys),
    ])
}

fn messages(loaded: &Loaded) -> Vec<String> {
    loaded.problems.iter().map(Problem::to_string).collect()
}

/// A Book whose field `a` has these keys, with a few other fields.
fn with_field(field: &str) -> String {
    format!(
        "name: Book\nfields:\n- {{fieldname: a, {field}}}\n- {{fieldname: b}}\n- {{fieldname: kind, fieldtype: Link, options: DocType}}\n- {{fieldname: author, fieldtype: Link, options: Author}}\n"
    )
}

#[test]
fn broken_rules_of_fields_are_found() {
    let table = [
        ("fieldtype: Link", "a Link needs `options`"),
        ("fieldtype: Table", "a Table needs `options`"),
        ("fieldtype: Table, options: Author", "Author is not a child table"),
        ("fieldtype: Table MultiSelect, options: Row", "needs a Link field in Row"),
        ("fieldtype: Dynamic Link, options: b", "a Dynamic Link needs `options`"),
        ("hidden: 1, reqd: 1", "nobody can fill it"),
        ("fieldtype: Section Break, reqd: 1", "cannot be required"),
        ("fieldtype: Float, unique: 1", "a Float cannot be unique"),
        ("fieldtype: Table, options: Row, unique: 1", "holds no value and cannot be unique"),
        ("fieldtype: Text, search_index: 1", "a Text cannot be indexed"),
        ("fieldtype: Attach Image, in_list_view: 1", "cannot be a column of the list"),
        ("fieldtype: HTML, in_global_search: 1", "nothing that could be searched"),
        ("fieldtype: Data, non_negative: 1", "is not a number"),
        ("options: Emial", "did you mean `Email`?"),
        ("fieldtype: Rating, options: 20", "from 3 to 10"),
        ("max_height: 10", "needs a unit"),
        ("fieldtype: Check, default: 2", "must be 0 or 1"),
        ("fieldtype: Select, options: [x, y], default: z", "one of the `options`, not `z`"),
        ("fieldtype: Int, default: many", "`default` does not fit: A must be a whole number"),
        ("fieldtype: Int, default: Today", "`default` does not fit"),
        ("fieldtype: Date, default: soon", "`default` does not fit: A must be a date"),
        ("length: 3, default: long", "longer than the 3 characters"),
        ("depends_on: 'eval:doc.b = 1'", "compare with `==`"),
        ("fetch_from: a.full_name", "through the field itself"),
        ("fetch_from: auhtor.full_name", "did you mean `author`?"),
        ("fetch_from: b.full_name", "which is not a Link field"),
        ("renamed_from: a", "present fieldname"),
        ("renamed_from: b", "still a field"),
        ("renamed_from: owner", "cannot be renamed"),
        ("fieldtype: Fold", "before a Section Break"),
        ("is_virtual: 1, unique: 1", "cannot be unique or indexed"),
        ("fieldtype: Link, options: Author, on_delete: cascda", "did you mean `cascade`?"),
        ("on_delete: ignore", "links to nothing"),
        ("fieldtype: Button, guarded: 1", "holds no value that could be guarded"),
    ];
    for (field, part) in table {
        let loaded = load_beside("book.yaml", &with_field(field));
        let found = messages(&loaded);
        assert!(loaded.has_errors(), "{field}: {found:?}");
        assert!(
            found.iter().any(|m| m.starts_with("book.yaml:3: Book, a: ") && m.contains(part)),
            "{field}: {found:?}"
        );
    }
}

#[test]
fn guarded_rights_are_rights_and_rows_are_guarded_with_their_table() {
    let found = messages(&load_beside("book.yaml", "name: Book\nguarded_rights: create, wriet\nfields: []"));
    assert!(
        found.iter().any(|m| m.starts_with("book.yaml:2: Book: ") && m.contains("did you mean `write`?")),
        "{found:?}"
    );
    let loaded = load_beside("book.yaml", "name: Book\nistable: 1\nfields:\n- {fieldname: a, guarded: 1}");
    let found = messages(&loaded);
    assert!(loaded.has_errors() && found.iter().any(|m| m.contains("on the Table field of the parent")), "{found:?}");
    let loaded =
        load_beside("book.yaml", "name: Book\nguarded_rights: [create, write]\nfields:\n- {fieldname: a, guarded: 1}");
    assert_eq!(messages(&loaded), [""; 0]);
    let book = loaded.doctypes.iter().find(|doctype| doctype.name == "Book").unwrap();
    assert_eq!(book.guarded_rights.iter().collect::<Vec<_>>(), [Right::Write, Right::Create]);
}

#[test]
fn what_is_only_odd_is_a_warning() {
    let table = [
        (
            "fieldtype: Link, options: Auhtor",
            "links to Auhtor, which is not loaded, so its values are stored unchecked: did you mean `Author`?",
        ),
        ("fieldtype: Link, options: Row", "a child table"),
        ("depends_on: titel", "reads the field `titel`, which is not there"),
        ("depends_on: 'eval:window.x'", "cannot be evaluated"),
        ("fetch_from: author.fullname", "did you mean `full_name`?"),
        ("fetch_from: .", "fetches nothing"),
        ("fieldtype: Table, options: Rwo", "is left out: the child table Rwo is not loaded: did you mean `Row`?"),
        ("fieldtype: Select, options: [x, x]", "is there twice"),
    ];
    for (field, part) in table {
        let loaded = load_beside("book.yaml", &with_field(field));
        let found = messages(&loaded);
        assert!(!loaded.has_errors(), "{field}: {found:?}");
        assert!(found.iter().any(|m| m.contains(part)), "{field}: {found:?}");
        assert_eq!(loaded.doctypes.len(), 4);
    }
    let found = messages(&load_beside("book.yaml", "name: Book\nautoname: title\nfields:\n- {fieldname: title}"));
    assert!(found[0].starts_with("book.yaml:2: Book: ") && found[0].contains("write `field:title`"), "{found:?}");
}

#[test]
fn sound_fields_are_left_alone() {
    let table = [
        "fieldtype: Link, options: Author, unique: 1",
        "fieldtype: Table, options: Row, reqd: 1",
        "fieldtype: Dynamic Link, options: kind",
        "fieldtype: Select, options: ['', x], default: x",
        "fieldtype: Datetime, default: Now",
        "fieldtype: Date, default: Today",
        "fieldtype: Check, default: 1, hidden: 1, reqd: 1",
        "fieldtype: Data, options: URL, default: /x",
        "fieldtype: Link, options: Author, default: ':Author'",
        "fieldtype: Int, default: 5, non_negative: 1",
        "depends_on: 'eval:!doc.__islocal && doc.b && doc.docstatus == 0'",
        "fetch_from: author.full_name",
        "renamed_from: old",
        "max_height: 10rem",
    ];
    for field in table {
        assert_eq!(messages(&load_beside("book.yaml", &with_field(field))), Vec::<String>::new(), "{field}");
    }
}

#[test]
fn broken_rules_of_doctypes_are_found() {
    let long = format!("name: {}", "B".repeat(61));
    let table = [
        ("name: 1Book", 1, "must begin with a letter"),
        ("name: Böök", 1, "must begin with a letter"),
        ("name: B", 1, "at least two characters"),
        (long.as_str(), 1, "at most 60 characters"),
        ("name: Book\nissingle: 1\nistable: 1", 2, "both a Single and a child table"),
        ("name: Book\ntitle_field: titel\nfields:\n- {fieldname: title}", 2, "did you mean `title`?"),
        ("name: Book\nsearch_fields: x", 2, "`search_fields` names `x`"),
        ("name: Book\nsort_field: x", 2, "`sort_field` names `x`"),
        ("name: Book\nsort_order: up", 2, "must be ASC or DESC"),
        ("name: Book\nimage_field: x", 2, "must name an Attach Image"),
        ("name: Book\ntimeline_field: x", 2, "must name a Link"),
        ("name: Book\nautoname: field:x", 2, "`x`, which is not there"),
        ("name: Book\nautoname: 'naming_series:'", 2, "needs a Select field `naming_series`"),
        ("name: Book\nautoname: B*.###", 2, "contains `*`"),
        ("name: Book\nautoname: 'format:{x}-{##}'", 2, "neither a field nor part of a date"),
        ("name: Book\nautoname: 'format:{x'", 2, "without its"),
        ("name: Book\nautoname: AUT-.###", 2, "shares the naming series `AUT-` with Author"),
        ("name: author", 1, "the same address /app/author as Author"),
        ("name: Book\nrenamed_from: Book", 2, "present name"),
        ("name: Book\nrenamed_from: Author", 2, "still defined"),
        ("name: Book\nis_tree: 1\nnsm_parent_field: x\nfields:\n- {fieldname: x}", 3, "must name a Link field to Book"),
        ("name: Book\nfields:\n- {fieldname: a b}", 3, "contains ` `"),
        ("name: Book\nfields:\n- {fieldname: Owner}", 3, "taken by every document"),
        ("name: Book\nfields:\n- {fieldname: a}\n- {fieldname: A}", 4, "there twice"),
        (
            "name: Book\nfields:\n- {fieldname: aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg}",
            3,
            "at most 63",
        ),
        ("name: Book\nistable: 1\nfields:\n- {fieldname: a, fieldtype: Table, options: Row}", 4, "cannot have tables"),
    ];
    for (text, line, part) in table {
        let loaded = load_beside("book.yaml", text);
        let found: Vec<&Problem> = loaded.problems.iter().filter(|p| p.severity == Severity::Error).collect();
        let is_there = |p: &Problem| p.message.contains(part) && p.line == line && p.file == "book.yaml";
        assert!(found.iter().any(|p| is_there(p)), "{text}: {found:?}");
    }
}

#[test]
fn broken_rules_of_permissions_are_found() {
    let table = [
        ("{read: 1}", "needs a `role`"),
        ("{role: X}", "gives no right"),
        ("{role: X, read: 1}\n- {role: X, write: 1}", "is there twice"),
        ("{role: X, read: 1, permlevel: 1}", "needs a row of level 0"),
        ("{role: All, read: 1, create: 1, permlevel: 1}", "decided at level 0"),
        ("{role: X, read: 1, cancel: 1}", "`cancel` without `submit`"),
        ("{role: X, read: 1, submit: 1}", "`submit` without `write`"),
        ("{role: X, read: 1, amend: 1}", "`amend` without `write`"),
        ("{role: X, write: 1, submit: 1}", "not `is_submittable`"),
        ("{role: X, create: 1, import: 1}", "no `allow_import`"),
        ("{role: X, import: 1}", "`import` without `create`"),
    ];
    for (row, part) in table {
        let text = format!("name: Book\npermissions:\n- {row}\nfields: []\n");
        let loaded = load_beside("book.yaml", &text);
        let found = messages(&loaded);
        assert!(loaded.has_errors() && found.iter().any(|m| m.contains(part)), "{row}: {found:?}");
    }
    let sound = "name: Book\nis_submittable: 1\nallow_import: 1\npermissions:\n- {role: X, read: 1, write: 1, create: 1, submit: 1, cancel: 1, amend: 1, import: 1}\n- {role: X, permlevel: 1, read: 1}\n- {role: X, if_owner: 1, delete: 1}\n";
    assert_eq!(messages(&load_beside("book.yaml", sound)), Vec::<String>::new());
}

#[test]
fn frappes_own_files_are_judged_leniently() {
    let text = r#"{"name": "Book", "title_field": "x", "permissions": [{"role": "X", "cancel": 1}],
        "fields": [{"fieldname": "a", "fieldtype": "Link"}, {"fieldname": "b", "fieldtype": "Float", "unique": 1}]}"#;
    let loaded = load_beside("book.json", text);
    assert!(!loaded.has_errors());
    assert!(loaded.problems.len() >= 4, "{:?}", messages(&loaded));
}

#[test]
fn keys_without_effect_can_be_listed() {
    let loaded = load_beside("book.yaml", "name: Book\nbeta: 1\nfields:\n- {fieldname: a, print_hide: 1, reqd: 1}");
    let book = loaded.doctypes.iter().find(|doctype| doctype.name == "Book").unwrap();
    let expected = [(None, "beta".to_owned()), (Some("a".to_owned()), "print_hide".to_owned())];
    assert_eq!(idle_keys(book), expected);
}

/// An Expense that goes from one hand to another.
const WORKFLOW: &str = "name: Expense
is_submittable: true
fields:
- {fieldname: total, fieldtype: Currency}
- {fieldname: decision}
workflow:
  states:
  - {state: Draft, allow_edit: Employee}
  - {state: Approved, allow_edit: Director, doc_status: 1, update_field: decision, update_value: 'yes'}
  - {state: Withdrawn, allow_edit: Director, doc_status: 2}
  transitions:
  - {state: Draft, action: Approve, next_state: Approved, allowed: Director, condition: doc.total <= 1000}
  - {state: Approved, action: Withdraw, next_state: Withdrawn, allowed: Director, allow_self_approval: 0}
";

#[test]
fn a_workflow_that_cannot_work_is_told_of() {
    assert_eq!(messages(&load_beside("expense.yaml", WORKFLOW)), Vec::<String>::new());
    for (from, to, complaint) in [
        ("action: Approve, ", "", "missing field `action`"),
        ("allowed: Director, condition", "allow: Director, condition", "unknown field `allow`"),
        ("doc_status: 2", "doc_status: 3", "row 3 of `states`, `doc_status`: Doc Status is 0, 1 or 2, not 3"),
        ("next_state: Approved", "next_state: Lost", "row 1 of `transitions`, `next_state`: `Lost` is not among"),
        ("doc.total <=", "doc.sum <=", "Expense has no field `sum`"),
        ("update_field: decision", "update_field: verdict", "Expense has no field `verdict`"),
        ("is_submittable: true\n", "", "Expense is not submittable"),
        ("state: Draft, allow_edit: Employee", "state: Draft, doc_status: 1, allow_edit: Employee", "begin as drafts"),
        ("state: Draft, action", "state: Withdrawn, action", "A cancelled document stays in its state"),
    ] {
        assert!(WORKFLOW.contains(from), "{from}");
        let found = messages(&load_beside("expense.yaml", &WORKFLOW.replace(from, to))).join("\n");
        assert!(found.contains(complaint), "{complaint}: {found}");
    }
}
