//! What is renamed keeps its data, and everything that names it.

use super::*;

#[tokio::test]
async fn renaming_fields_moves_values_passwords_singles_and_child_rows() {
    for site in Site::each().await {
        let row = Declaration { istable: true, ..doctype("Row", vec![field("a", Fieldtype::Data)]) };
        let table = |name: &str| DocField { options: "Row".to_owned(), ..field(name, Fieldtype::Table) };
        let single = |field| Declaration { issingle: true, ..doctype("Settings", vec![field]) };
        let searched = |name: &str| DocField { search_index: true, ..field(name, Fieldtype::Data) };
        site.migrate(vec![
            doctype("Note", vec![searched("title"), table("rows"), field("pin", Fieldtype::Password)]),
            row.clone(),
            single(field("color", Fieldtype::Data)),
        ])
        .await;
        site.run(
            r#"INSERT INTO "tabNote" (name, title) VALUES ('N-1', 'Hello');
               INSERT INTO "tabRow" (name, parent, parenttype, parentfield, idx) VALUES ('R-1', 'N-1', 'Note', 'rows', 1);
               INSERT INTO "__Auth" (doctype, name, fieldname, password, encrypted) VALUES ('Note', 'N-1', 'pin', 'x', 1);
               INSERT INTO "tabSingles" (doctype, field, value) VALUES ('Settings', 'color', 'red')"#,
        )
        .await;
        site.migrate(vec![
            doctype(
                "Note",
                vec![
                    renamed("title", searched("heading")),
                    renamed("rows", table("lines")),
                    renamed("pin", field("secret", Fieldtype::Password)),
                ],
            ),
            row,
            single(renamed("color", field("colour", Fieldtype::Data))),
        ])
        .await;
        assert_eq!(site.texts(r#"SELECT heading FROM "tabNote""#).await, [text("Hello")]);
        assert_eq!(site.texts(r#"SELECT parentfield FROM "tabRow""#).await, [text("lines")]);
        assert_eq!(site.texts(r#"SELECT fieldname FROM "__Auth""#).await, [text("secret")]);
        assert_eq!(site.texts(r#"SELECT field FROM "tabSingles""#).await, [text("colour")]);
        let indexes = site.snapshot().await.table("tabNote").unwrap().indexes.clone();
        assert!(indexes.contains_key("ix tabNote.heading") && !indexes.contains_key("ix tabNote.title"));
        site.finish().await;
    }
}

#[tokio::test]
async fn renaming_a_doctype_moves_its_table_and_whatever_names_it() {
    for site in Site::each().await {
        let row = || Declaration { istable: true, ..doctype("Row", vec![]) };
        let tagged = || {
            doctype(
                "Tagged",
                vec![
                    link("kind", "DocType"),
                    DocField { options: "kind".to_owned(), ..field("target", Fieldtype::DynamicLink) },
                ],
            )
        };
        let counted = |name: &str, from: Option<&str>| Declaration {
            autoname: "autoincrement".to_owned(),
            renamed_from: from.map(ToOwned::to_owned),
            ..doctype(name, vec![field("title", Fieldtype::Data)])
        };
        let single = |name: &str, from: Option<&str>| Declaration {
            issingle: true,
            renamed_from: from.map(ToOwned::to_owned),
            ..doctype(name, vec![link("kind", "DocType")])
        };
        site.migrate(vec![counted("Note", None), row(), tagged(), single("Settings", None)]).await;
        site.run(
            r#"INSERT INTO "tabNote" (title) VALUES ('one'), ('two');
               INSERT INTO "tabRow" (name, parent, parenttype) VALUES ('R-1', '1', 'Note');
               INSERT INTO "tabTagged" (name, kind, target) VALUES ('T-1', 'Note', '1');
               INSERT INTO "tabSingles" (doctype, field, value) VALUES ('Settings', 'kind', 'Note');
               INSERT INTO "__Auth" (doctype, name, fieldname) VALUES ('Note', '1', 'pin')"#,
        )
        .await;
        site.migrate(vec![counted("Memo", Some("Note")), row(), tagged(), single("Setup", Some("Settings"))]).await;
        site.run(r#"INSERT INTO "tabMemo" (title) VALUES ('three')"#).await;
        assert_eq!(
            site.texts(r#"SELECT CAST(name AS text) || title FROM "tabMemo" ORDER BY name"#).await,
            [text("1one"), text("2two"), text("3three")]
        );
        assert_eq!(site.texts(r#"SELECT parenttype FROM "tabRow""#).await, [text("Memo")]);
        assert_eq!(site.texts(r#"SELECT kind FROM "tabTagged""#).await, [text("Memo")]);
        assert_eq!(site.texts(r#"SELECT doctype FROM "__Auth""#).await, [text("Memo")]);
        assert_eq!(site.texts(r#"SELECT doctype || value FROM "tabSingles""#).await, [text("SetupMemo")]);
        let snapshot = site.snapshot().await;
        assert!(snapshot.table("tabNote").is_none());
        assert!(snapshot.table("tabMemo").unwrap().indexes.contains_key("ix tabMemo.modified"));
        if site.backend == Backend::Postgres {
            site.run("SELECT nextval('memo_id_seq')").await;
        }
        site.finish().await;
    }
}

#[tokio::test]
async fn a_doctype_may_change_only_its_case() {
    for site in Site::each().await {
        let row = || Declaration { istable: true, ..doctype("Row", vec![]) };
        site.migrate(vec![doctype("Api key", vec![]), row()]).await;
        site.run(
            r#"INSERT INTO "tabApi key" (name) VALUES ('K-1');
               INSERT INTO "tabRow" (name, parent, parenttype) VALUES ('R-1', 'K-1', 'Api key')"#,
        )
        .await;
        let upper = Declaration { renamed_from: Some("Api key".to_owned()), ..doctype("API Key", vec![]) };
        site.migrate(vec![upper, row()]).await;
        assert_eq!(site.texts(r#"SELECT name FROM "tabAPI Key""#).await, [text("K-1")]);
        assert_eq!(site.texts(r#"SELECT parenttype FROM "tabRow""#).await, [text("API Key")]);
        site.finish().await;
    }
}

#[tokio::test]
async fn a_doctype_may_take_the_name_that_another_leaves() {
    for site in Site::each().await {
        let row = || Declaration { istable: true, ..doctype("Row", vec![]) };
        site.migrate(vec![doctype("A", vec![]), doctype("B", vec![]), row()]).await;
        site.run(
            r#"INSERT INTO "tabA" (name) VALUES ('was A');
               INSERT INTO "tabB" (name) VALUES ('was B');
               INSERT INTO "tabRow" (name, parent, parenttype) VALUES ('R-1', 'was A', 'A'), ('R-2', 'was B', 'B')"#,
        )
        .await;
        let moved =
            |name: &str, from: &str| Declaration { renamed_from: Some(from.to_owned()), ..doctype(name, vec![]) };
        site.migrate(vec![moved("B", "A"), moved("C", "B"), row()]).await;
        assert_eq!(site.texts(r#"SELECT name FROM "tabB""#).await, [text("was A")]);
        assert_eq!(site.texts(r#"SELECT name FROM "tabC""#).await, [text("was B")]);
        assert_eq!(site.texts(r#"SELECT parenttype FROM "tabRow" ORDER BY name"#).await, [text("B"), text("C")]);
        site.finish().await;
    }
}
