//! Parts of texts are found by an index that every change keeps true, and are the same without it.

use std::collections::BTreeSet;

use doctyped::testing::config::Hidden;
use doctyped::testing::document::ListRequest;
use doctyped::testing::permissions::Session;
use serde_json::{Value as Json, json};

use crate::support::database::is_postgres;
use crate::support::site::open;
use crate::support::{Client, TestSite};

/// One text twice: as the title, which is searched by the index, and as a field that is not.
const TWIN: &str = "name: Search Twin
module: Test
autoname: TW-.###
title_field: title
fields:
  - { fieldname: title, fieldtype: Data, label: Title }
  - { fieldname: plain, fieldtype: Small Text, label: Plain }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true }
";
/// What people search, by its name, a title and a code.
const PART: &str = "name: Search Part
module: Test
autoname: field:number
allow_rename: true
title_field: title
fields:
  - { fieldname: number, fieldtype: Data, label: Number, unique: true, reqd: true }
  - { fieldname: title, fieldtype: Data, label: Title }
  - { fieldname: code, fieldtype: Data, label: Code }
  - { fieldname: amount, fieldtype: Int, label: Amount, non_negative: true }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true }
";
const INDEX: &str = "tx tabSearch Part.name,title";

const TEXTS: [&str; 24] = [
    "",
    "a",
    "ab",
    "Müller & Söhne",
    "MÜLLER",
    "muller",
    "Straße nach Süden",
    "STRASSE",
    "100% cotton, 50%",
    "a_b_c_d",
    "back\\slash \\% \\_",
    "[x]*? {y} (z) -- ;",
    "say \"yes\" or 'no'",
    "one\ntwo\tthree",
    "日本語テキスト",
    "ΣΊΣΥΦΟΣ σίσυφος",
    "İstanbul ISTANBUL ıstanbul",
    "ſehr alt, 5 \u{212a}elvin",
    "Ǆep ǅep ǆep",
    "e\u{301}te\u{301} été ÉTÉ",
    "🚲 Fahrrad 🚲🚲🚲",
    "AND OR NOT NEAR * ^",
    "xyzxyzxyz",
    "ﬁsh and ŉ",
];

/// The names that a filter finds, and their number as it is counted.
async fn found(site: &TestSite, doctype: &str, filters: Json) -> BTreeSet<String> {
    let request = ListRequest::new(doctype).filters(filters.clone()).all();
    let names: BTreeSet<String> = site.db_names(doctype, filters).await.into_iter().collect();
    let count = site.documents().count_at_most(&Session::system(), &request, Some(1000)).await.unwrap();
    assert_eq!(names.len() as u64, count, "{doctype} {:?}", request.filters);
    names
}

/// Texts of one, two and more letters out of these, in both cases, with wildcards around and in them.
fn patterns() -> BTreeSet<String> {
    let mut patterns: BTreeSet<String> =
        ["", "%", "_%", "%%%", "___", "%a_b%", "%S_h%e%", "%\\%", "1__!%"].map(str::to_owned).into();
    for text in TEXTS {
        let letters: Vec<char> = text.chars().collect();
        for (length, step) in [(1, 9), (2, 8), (3, 5), (6, 7)] {
            for (position, part) in letters.windows(length).step_by(step).enumerate() {
                let part: String = part.iter().collect();
                patterns.insert(match position % 4 {
                    0 => format!("%{}%", part.to_uppercase()),
                    1 => format!("%{}", part.to_lowercase()),
                    2 => format!("{part}%"),
                    _ => format!("%{part}%"),
                });
            }
            let start: String = letters.iter().take(length).collect();
            patterns.extend([format!("{}%", start.to_lowercase()), start]);
        }
    }
    patterns
}

#[tokio::test]
async fn a_pattern_finds_the_same_with_the_index_and_without() {
    let site = TestSite::new().with_doctype(TWIN).with_config(use_every_index).await;
    for text in TEXTS {
        site.db_insert("Search Twin", json!({"title": text, "plain": text})).await;
    }
    for pattern in patterns() {
        let indexed = found(&site, "Search Twin", json!([["title", "like", pattern]])).await;
        let plain = found(&site, "Search Twin", json!([["plain", "like", pattern]])).await;
        assert_eq!(indexed, plain, "{pattern:?}");
        let either = found(&site, "Search Twin", json!([["title", "like", pattern], "or", ["name", "like", "TW-01_"]]));
        let without =
            found(&site, "Search Twin", json!([["plain", "like", pattern], "or", ["name", "like", "TW-01_"]]));
        assert_eq!(either.await, without.await, "{pattern:?}");
    }
}

/// PostgreSQL reads tables of a few rows without their indexes unless it is told otherwise.
fn use_every_index(config: &mut doctyped::testing::config::Config) {
    if !is_postgres() {
        return;
    }
    let mut url = url::Url::parse(config.database_url.reveal()).unwrap();
    // What it would rather not do costs so much that it would compile the statement.
    for option in ["enable_seqscan", "enable_indexscan", "enable_indexonlyscan", "jit"] {
        url.query_pairs_mut().append_pair(&format!("options[{option}]"), "off");
    }
    config.database_url = Hidden::new(url.as_str());
}

/// The names found by a part of a text, as the quick search finds them.
async fn search(client: &Client, text: &str) -> Vec<String> {
    let asked = json!({"doctype": "Search Part", "txt": text});
    let found = client.call("frappe.desk.search.search_link", asked).await.ok();
    found.as_array().unwrap().iter().map(|row| row["value"].as_str().unwrap().to_owned()).collect()
}

/// On SQLite: as many texts in the index as there are rows.
async fn check_rows(site: &TestSite) {
    if !is_postgres() {
        let counts = format!(
            "SELECT (SELECT count(*) FROM \"{INDEX} names\") || ' ' || (SELECT count(*) FROM \"tabSearch Part\")"
        );
        let counts = site.database().ask(&counts).await.remove(0);
        let (indexed, rows) = counts.split_once(' ').unwrap();
        assert_eq!(indexed, rows);
    }
}

#[tokio::test]
async fn the_index_follows_every_change() {
    let site = TestSite::new().with_doctype(PART).with_config(use_every_index).await;
    let administrator = site.administrator().await;
    administrator.create("Search Part", json!({"number": "P-100", "title": "Left bracket"})).await.ok();
    administrator.create("Search Part", json!({"number": "P-200", "title": "Right bracket"})).await.ok();
    assert_eq!(search(&administrator, "bracket").await, ["P-100", "P-200"]);
    assert_eq!(search(&administrator, "Le").await, ["P-100"], "two letters begin the title");
    assert_eq!(search(&administrator, "p-2").await, ["P-200"]);

    administrator.update("Search Part", "P-100", json!({"title": "Left hinge"})).await.ok();
    assert_eq!(search(&administrator, "bracket").await, ["P-200"]);
    assert_eq!(search(&administrator, "hinge").await, ["P-100"]);
    administrator.update("Search Part", "P-100", json!({"title": null, "amount": 3})).await.ok();
    assert!(search(&administrator, "hinge").await.is_empty());
    let value = json!({"doctype": "Search Part", "name": "P-100", "fieldname": "title", "value": "Upper hinge"});
    administrator.call("frappe.client.set_value", value).await.ok();
    assert_eq!(search(&administrator, "upper").await, ["P-100"]);

    let rename = json!({"doctype": "Search Part", "old_name": "P-100", "new_name": "Q-777"});
    administrator.call("frappe.client.rename_doc", rename).await.ok();
    assert!(search(&administrator, "P-100").await.is_empty());
    assert_eq!(search(&administrator, "Q-777").await, ["Q-777"]);
    assert_eq!(search(&administrator, "hinge").await, ["Q-777"]);

    // What is refused is not found, nor what it was to replace forgotten.
    let refused = json!({"title": "Lower latch", "amount": -1});
    administrator.update("Search Part", "Q-777", refused).await.status(417);
    let docs = json!([{"doctype": "Search Part", "number": "R-1", "title": "Latch"}, {"doctype": "Search Part", "number": "R-1"}]);
    let answer = administrator.call("frappe.client.insert_many", json!({"docs": docs})).await;
    assert!(!answer.status.is_success(), "{}", answer.body);
    assert!(search(&administrator, "latch").await.is_empty());
    assert_eq!(search(&administrator, "upper").await, ["Q-777"]);
    let docs: Json = (0..30)
        .map(|n| json!({"doctype": "Search Part", "number": format!("S-{n}"), "title": format!("Screw {n:03}")}))
        .collect();
    administrator.call("frappe.client.insert_many", json!({"docs": docs})).await.ok();
    assert_eq!(search(&administrator, "crew 017").await, ["S-17"]);
    check_rows(&site).await;

    administrator.remove("Search Part", "S-17").await.status(202);
    assert!(search(&administrator, "crew 017").await.is_empty());
    check_rows(&site).await;
    let deleted = site.db_names("Deleted Document", json!({"deleted_name": "S-17"})).await.remove(0);
    let restore = "frappe.core.doctype.deleted_document.deleted_document.restore";
    administrator.call(restore, json!({"name": deleted})).await.ok();
    assert_eq!(search(&administrator, "crew 017").await, ["S-17"]);
    check_rows(&site).await;
    let site = site.restart().await;
    assert_eq!(search(&site.administrator().await, "crew 01").await.len(), 10);
}

/// On SQLite the search asks the index: what the index has lost it does not find.
#[tokio::test]
async fn a_search_asks_the_index() {
    if is_postgres() {
        // The plans of PostgreSQL are looked at where the statements are made.
        return;
    }
    let site = TestSite::new().with_doctype(PART).await;
    let administrator = site.administrator().await;
    administrator.create("Search Part", json!({"number": "P-100", "title": "Left bracket"})).await.ok();
    site.database().execute(&format!("INSERT INTO \"{INDEX}\" (\"{INDEX}\") VALUES ('delete-all')")).await;
    assert!(search(&administrator, "bracket").await.is_empty());
    let page = administrator.get("/app/search-part?q=bracket").await.status(200).body;
    assert!(!page.contains("P-100"), "{page}");
    assert_eq!(search(&administrator, "et").await, ["P-100"], "two letters are looked for in the rows");
}

#[tokio::test]
async fn a_changed_definition_changes_the_index() {
    let site = TestSite::new().with_doctype(PART).await;
    for (number, title, code) in [("P-1", "Bolt", "alpha"), ("P-2", "Nut", "beta")] {
        site.db_insert("Search Part", json!({"number": number, "title": title, "code": code})).await;
    }
    let mut sources = site.sources();
    let changes: [&[(&str, &str)]; 6] = [
        // Further fields.
        &[("title_field: title", "title_field: title\nsearch_fields: code")],
        // Columns that SQLite can only change by building the table anew.
        &[("fieldname: title, fieldtype: Data", "fieldname: title, fieldtype: Data, length: 200")],
        &[("fieldname: amount, fieldtype: Int", "fieldname: amount, fieldtype: Float")],
        // Another name for a searched field, and for the DocType.
        &[("search_fields: code", "search_fields: mark"), ("fieldname: code,", "fieldname: mark, renamed_from: code,")],
        &[("name: Search Part\n", "name: Searched Part\nrenamed_from: Search Part\n")],
        // Nothing is searched but the name.
        &[("title_field: title\nsearch_fields: mark\n", "")],
    ];
    for change in changes {
        let text = &mut sources.last_mut().unwrap().text;
        for (old, new) in change {
            assert!(text.contains(old), "{old}");
            *text = text.replace(old, new);
        }
        let doctype = if text.contains("Searched Part") { "Searched Part" } else { "Search Part" };
        let field = if text.contains("fieldname: mark") { "mark" } else { "code" };
        let opened = open(&site.database().url, site.folder.path(), sources.clone(), Vec::new(), |_| {}).await;
        let session = Session::system();
        for (filters, expected) in [
            (json!([["title", "like", "%olt%"]]), "P-1"),
            (json!([["name", "like", "%p-2%"]]), "P-2"),
            (json!([[field, "like", "%lph%"], ["name", "like", "p-_"]]), "P-1"),
        ] {
            let list =
                opened.documents.list(&session, &ListRequest::new(doctype).filters(filters.clone())).await.unwrap();
            assert_eq!((list.rows.len(), list.text(0, "name")), (1, expected), "{change:?}: {filters}");
        }
        let values = json!({"number": "P-3", "title": "Washer", field: "gamma"});
        opened.documents.insert(&session, doctype, values.as_object().unwrap()).await.unwrap();
        let request = ListRequest::new(doctype).filters(json!([["title", "like", "%ashe%"]]));
        assert_eq!(opened.documents.count(&session, &request).await.unwrap(), 1, "{change:?}");
        opened.documents.delete(&session, doctype, "P-3").await.unwrap();
        opened.documents.database().close().await;
        let indexes = if is_postgres() {
            "SELECT CAST(indexname AS text) FROM pg_indexes WHERE indexname LIKE 'tx tabSearch%'"
        } else {
            "SELECT name FROM sqlite_schema WHERE name LIKE 'tx tabSearch%' AND sql LIKE 'CREATE VIRTUAL%'"
        };
        assert_eq!(site.database().ask(indexes).await.len(), 1, "{change:?}");
    }
}

#[tokio::test]
async fn a_site_starts_where_the_extension_may_not_be_made() {
    if !is_postgres() {
        return;
    }
    let site = TestSite::new().with_doctype(PART).await;
    site.db_insert("Search Part", json!({"number": "P-100", "title": "Left bracket"})).await;
    let indexes = "SELECT CAST(indexname AS text) FROM pg_indexes WHERE indexname LIKE 'tx tabSearch%'";
    assert_eq!(site.database().ask(indexes).await, [INDEX]);
    let forbid = "DROP EXTENSION pg_trgm CASCADE;
        CREATE FUNCTION forbid() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''forbidden''; END';
        CREATE EVENT TRIGGER forbid ON ddl_command_start WHEN TAG IN ('CREATE EXTENSION') EXECUTE FUNCTION forbid()";
    site.database().execute(forbid).await;
    let site = site.restart().await;
    assert_eq!(search(&site.administrator().await, "brack").await, ["P-100"]);
    assert!(site.database().ask(indexes).await.is_empty());
    // Once it may be, the next start makes the indexes.
    site.database().execute("DROP EVENT TRIGGER forbid").await;
    let site = site.restart().await;
    assert_eq!(site.database().ask(indexes).await, [INDEX]);
    assert_eq!(search(&site.administrator().await, "brack").await, ["P-100"]);
}
