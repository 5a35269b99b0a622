//! Columns and indexes come, grow, go and stay.

use super::*;

#[tokio::test]
async fn adding_a_field_keeps_rows_and_gives_them_its_default() {
    for site in Site::each().await {
        site.migrate(note(vec![field("title", Fieldtype::Data)])).await;
        site.run(r#"INSERT INTO "tabNote" (name, title) VALUES ('N-1', 'Hello')"#).await;
        let report = site
            .migrate(note(vec![
                field("title", Fieldtype::Data),
                DocField { default: Some("it's open".to_owned()), ..field("status", Fieldtype::Select) },
                field("qty", Fieldtype::Int),
                DocField { search_index: true, ..field("color", Fieldtype::Color) },
            ]))
            .await;
        assert!(report.applied);
        let rows = site.texts(r#"SELECT CAST(concat_row AS text) FROM (SELECT title || '/' || status || '/' || CAST(qty AS text) AS concat_row FROM "tabNote") t"#).await;
        assert_eq!(rows, [text("Hello/it's open/0")]);
        assert!(site.snapshot().await.table("tabNote").unwrap().indexes.contains_key("ix tabNote.color"));
        site.finish().await;
    }
}

#[tokio::test]
async fn every_fieldtype_with_every_kind_of_default_is_stable() {
    for site in Site::each().await {
        let defaults = [
            None,
            Some("1"),
            Some("it's \\ a \"text\""),
            Some("2024-02-29"),
            Some("10:20:30"),
            Some("{\"a\": 1}"),
            Some("Today"),
            Some("-1.50"),
        ];
        let mut fields = Vec::new();
        for (i, (fieldtype, _)) in Fieldtype::ALL.iter().enumerate() {
            for (j, default) in defaults.iter().enumerate() {
                for not_nullable in [false, true] {
                    fields.push(DocField {
                        default: default.map(ToOwned::to_owned),
                        not_nullable,
                        search_index: j == 0,
                        ..field(&format!("f_{i}_{j}_{not_nullable}"), *fieldtype)
                    });
                }
            }
        }
        // PostgreSQL's rows hold 1,600 columns at most.
        site.migrate(
            fields.chunks(300).enumerate().map(|(i, some)| doctype(&format!("All {i}"), some.to_vec())).collect(),
        )
        .await;
        site.run(r#"INSERT INTO "tabAll 0" (name) VALUES ('A')"#).await;
        site.finish().await;
    }
}

#[tokio::test]
async fn widening_needs_no_consent_and_open_statements_go_on() {
    for site in Site::each().await {
        site.migrate(note(vec![field("title", Fieldtype::Data), field("qty", Fieldtype::Int)])).await;
        site.run(r#"INSERT INTO "tabNote" (name, title, qty) VALUES ('N-1', 'Hello', 7)"#).await;
        // As documents are read: PostgreSQL refuses to go on with a prepared statement whose result type changed.
        let mut select = String::from("SELECT ");
        push_select(&mut select, site.backend, "", "title", ColumnType::Varchar(140));
        select.push_str(r#" FROM "tabNote" WHERE "name" = 'N-1'"#);
        let read = || site.texts(&select);
        assert_eq!(read().await, [text("Hello")]);
        for title in [
            DocField { length: 500, ..field("title", Fieldtype::Data) },
            field("title", Fieldtype::SmallText),
            field("title", Fieldtype::LongText),
        ] {
            let qty = DocField { length: 12, ..field("qty", Fieldtype::Int) };
            let report = site.migrate(note(vec![title, qty])).await;
            assert_eq!(report.plan.risky().count(), 0);
            assert_eq!(read().await, [text("Hello")]);
        }
        site.finish().await;
    }
}

#[tokio::test]
async fn a_unique_text_longer_than_an_index_entry_is_stored() {
    for site in Site::each().await {
        site.migrate(note(vec![DocField { unique: true, length: 1000, ..field("code", Fieldtype::Data) }])).await;
        let long: String = (0..1000).filter_map(|i| char::from_u32(0x20000 + i * 7)).collect();
        site.run(&format!(r#"INSERT INTO "tabNote" (name, code) VALUES ('N-1', '{long}')"#)).await;
        let again = format!(r#"INSERT INTO "tabNote" (name, code) VALUES ('N-2', '{long}')"#);
        assert!(site.database.execute_script(&again).await.is_err());
        site.finish().await;
    }
}

#[tokio::test]
async fn removed_fields_and_doctypes_stay_until_pruned() {
    for site in Site::each().await {
        site.migrate(vec![
            doctype("Note", vec![field("old", Fieldtype::Data), link("ref", "Gone")]),
            doctype("Gone", vec![]),
        ])
        .await;
        site.run(
            r#"INSERT INTO "tabNote" (name, old) VALUES ('N-1', 'kept');
               INSERT INTO "tabGone" (name) VALUES ('G-1');
               CREATE TABLE tablespoon (name text);
               CREATE INDEX by_hand ON "tabNote" (old)"#,
        )
        .await;
        // Somebody else's column, which inserts do not know.
        let strict = match site.backend {
            Backend::Sqlite => r#"ALTER TABLE "tabNote" ADD COLUMN strict INTEGER NOT NULL DEFAULT 1"#,
            Backend::Postgres => {
                r#"ALTER TABLE "tabNote" ADD COLUMN strict integer NOT NULL DEFAULT 1; ALTER TABLE "tabNote" ALTER COLUMN strict DROP DEFAULT"#
            }
        };
        site.run(strict).await;
        let report = site.migrate(note(vec![])).await;
        assert_eq!(report.plan.left_in_place.len(), 4, "{}", report.plan);
        site.run(r#"INSERT INTO "tabNote" (name) VALUES ('N-2')"#).await;
        assert_eq!(site.texts(r#"SELECT old FROM "tabNote" ORDER BY name"#).await, [text("kept"), Value::Null]);
        let report = site.migrate_agreeing(note(vec![]), PRUNE).await;
        assert!(report.plan.to_string().contains("drop the column `old` with its values (1 row)"), "{}", report.plan);
        let snapshot = site.snapshot().await;
        assert!(snapshot.table("tabGone").is_none());
        assert!(snapshot.table("tablespoon").is_some(), "not ours");
        assert!(snapshot.table("tabNote").unwrap().column(site.backend, "old").is_none());
        site.finish().await;
    }
}

#[tokio::test]
async fn a_rebuild_on_sqlite_keeps_keys_counters_defaults_indexes_triggers_views_and_data() {
    let site = Site::sqlite().await;
    let fields = |qty| {
        vec![
            DocField { default: Some("Open".to_owned()), ..field("status", Fieldtype::Select) },
            DocField { unique: true, ..field("code", Fieldtype::Data) },
            field("gone", Fieldtype::Data),
            field("qty", qty),
        ]
    };
    let counted = |fields| vec![Declaration { autoname: "autoincrement".to_owned(), ..doctype("Note", fields) }];
    site.migrate(counted(fields(Fieldtype::Data))).await;
    site.run(
        r#"INSERT INTO "tabNote" (code, gone, qty) VALUES ('a', 'g', '1'), ('b', NULL, '2'), ('c', NULL, '3');
           DELETE FROM "tabNote" WHERE code = 'c';
           CREATE INDEX by_hand ON "tabNote" (qty DESC) WHERE qty IS NOT NULL;
           CREATE VIEW codes AS SELECT code FROM "tabNote";
           CREATE TABLE log (text TEXT);
           CREATE TRIGGER logged AFTER INSERT ON "tabNote" BEGIN INSERT INTO log VALUES (new.code || ';'); END"#,
    )
    .await;
    let mut without = fields(Fieldtype::Int);
    without.retain(|field| field.fieldname != "gone");
    let report = site.migrate(counted(without)).await;
    assert!(
        report.plan.changes.iter().any(|change| change.description.starts_with("change `qty` from TEXT to INTEGER"))
    );
    site.run(r#"INSERT INTO "tabNote" (code) VALUES ('d')"#).await;
    assert_eq!(
        site.texts(r#"SELECT name || code || coalesce(gone, '-') || qty || status FROM "tabNote" ORDER BY name"#).await,
        [text("1ag1Open"), text("2b-2Open"), text("4d-0Open")],
        "the deleted 3 is not given again"
    );
    let table = site.snapshot().await.table("tabNote").unwrap().clone();
    assert!(table.autoincrement && table.primary_key == ["name"]);
    for index in ["by_hand", "ux tabNote.code", "ix tabNote.creation,name", "ix tabNote.modified"] {
        assert!(table.indexes.contains_key(index), "{index} is lost");
    }
    assert_eq!(site.texts("SELECT text FROM log").await, [text("d;")]);
    assert_eq!(site.texts("SELECT code FROM codes ORDER BY 1").await.len(), 3);
    assert!(site.database.execute_script(r#"INSERT INTO "tabNote" (code) VALUES ('a')"#).await.is_err());
    assert_eq!(site.texts("PRAGMA integrity_check").await, [text("ok")]);
    site.finish().await;
}

#[tokio::test]
async fn a_new_fetched_field_is_filled_from_the_link() {
    for site in Site::each().await {
        let person = || doctype("Person", vec![field("full_name", Fieldtype::Data)]);
        site.migrate(vec![person(), doctype("Task", vec![link("person", "Person")])]).await;
        site.run(
            r#"INSERT INTO "tabPerson" (name, full_name) VALUES ('P-1', 'Ada');
               INSERT INTO "tabTask" (name, person) VALUES ('T-1', 'P-1'), ('T-2', NULL)"#,
        )
        .await;
        let fetched = DocField {
            fetch_from: Some(("person".to_owned(), "full_name".to_owned())),
            ..field("person_name", Fieldtype::Data)
        };
        site.migrate(vec![person(), doctype("Task", vec![link("person", "Person"), fetched])]).await;
        assert_eq!(site.texts(r#"SELECT person_name FROM "tabTask" ORDER BY name"#).await, [text("Ada"), Value::Null]);
        site.finish().await;
    }
}

#[tokio::test]
async fn the_longest_names_work() {
    for site in Site::each().await {
        let name = "N".repeat(61);
        let long = "f".repeat(64);
        let of = |fieldtype| {
            vec![Declaration {
                autoname: "autoincrement".to_owned(),
                ..doctype(&name, vec![DocField { search_index: true, ..field(&long, fieldtype) }])
            }]
        };
        site.migrate(of(Fieldtype::Data)).await;
        site.run(&format!(r#"INSERT INTO "tab{name}" ("{long}") VALUES ('5')"#)).await;
        site.migrate(of(Fieldtype::Int)).await;
        site.finish().await;
    }
}

#[tokio::test]
async fn the_shipped_doctypes_leave_nothing_to_do() {
    let mut sources = Vec::new();
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("doctypes")];
    // Folders of unmodified Frappe files.
    if let Some(published) = std::env::var_os("DOCTYPED_TEST_FRAPPE_DOCTYPES") {
        folders.extend(std::env::split_paths(&published));
    }
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "json") {
                let text = std::fs::read_to_string(&path).unwrap();
                sources.push(crate::meta::load::Source { path: path.display().to_string(), text });
            }
        }
    }
    let loaded = crate::meta::load::load(&sources);
    assert!(loaded.doctypes.len() > 30);
    let registry = Registry::new(loaded.doctypes, 1);
    for site in Site::each().await {
        let first = migrate(&site.database, &registry, MigrateOptions::default()).await.unwrap();
        assert_eq!(first.plan.risky().count(), 0);
        let again = migrate(&site.database, &registry, MigrateOptions::default()).await.unwrap();
        assert!(again.plan.is_empty() && again.plan.left_in_place.is_empty(), "{}", again.plan);
        site.finish().await;
    }
}
