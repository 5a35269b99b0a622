//! Migrations of real databases: SQLite files always, PostgreSQL where `DOCTYPED_TEST_POSTGRES` names one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use async_trait::async_trait;

use super::*;
use crate::database::row::Param;
use crate::database::schema::wanted::unique_field;
use crate::database::schema::{Snapshot, SqlType};
use crate::database::sql::push_select;
use crate::database::unique_violation;
use crate::meta::doctype::Declaration;
use crate::meta::{ColumnType, DocField, Fieldtype, Value};

/// One fresh database.
struct Site {
    database: Database,
    backend: Backend,
    cleanup: Cleanup,
}

enum Cleanup {
    Folder(tempfile::TempDir),
    Postgres { server: String, name: String },
}

impl Site {
    async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("site.db").display());
        let database = Database::open(&url).await.unwrap();
        Self { database, backend: Backend::Sqlite, cleanup: Cleanup::Folder(folder) }
    }

    async fn postgres() -> Option<Self> {
        static COUNTER: AtomicUsize = AtomicUsize::new(0);
        let Ok(server) = std::env::var("DOCTYPED_TEST_POSTGRES") else {
            eprintln!("SKIPPED on PostgreSQL: set DOCTYPED_TEST_POSTGRES=postgres://user@host:port");
            return None;
        };
        let name = format!("doctyped_schema_{}_{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let admin = Database::open(&format!("{server}/postgres")).await.unwrap();
        admin.execute_script(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.unwrap();
        admin.execute_script(&format!("CREATE DATABASE {name}")).await.unwrap();
        admin.close().await;
        let database = Database::open(&format!("{server}/{name}")).await.unwrap();
        Some(Self { database, backend: Backend::Postgres, cleanup: Cleanup::Postgres { server, name } })
    }

    async fn each() -> Vec<Self> {
        let mut sites = vec![Self::sqlite().await];
        sites.extend(Self::postgres().await);
        sites
    }

    async fn finish(self) {
        self.database.close().await;
        match self.cleanup {
            Cleanup::Folder(folder) => drop(folder),
            Cleanup::Postgres { server, name } => {
                let admin = Database::open(&format!("{server}/postgres")).await.unwrap();
                admin.execute_script(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
                admin.close().await;
            }
        }
    }

    async fn migrate_with(
        &self,
        declarations: Vec<Declaration>,
        options: MigrateOptions,
    ) -> Result<Report, MigrateError> {
        migrate(&self.database, &registry(declarations), options).await
    }

    /// Migrates as a start does, and checks that a second start finds nothing to do.
    async fn migrate(&self, declarations: Vec<Declaration>) -> Report {
        self.migrate_agreeing(declarations, MigrateOptions::default()).await
    }

    async fn migrate_agreeing(&self, declarations: Vec<Declaration>, options: MigrateOptions) -> Report {
        let report = match self.migrate_with(declarations.clone(), options).await {
            Ok(report) => report,
            Err(error) => panic!("{:?}: {error} {:?}", self.backend, std::error::Error::source(&error)),
        };
        let again = self.migrate_with(declarations, MigrateOptions { dry_run: true, ..options }).await.unwrap();
        assert!(again.plan.is_empty(), "{:?}: the second start wants\n{}", self.backend, again.plan);
        report
    }

    /// The plan that is refused.
    async fn refused(&self, declarations: Vec<Declaration>, options: MigrateOptions) -> Plan {
        let before = self.snapshot().await;
        let plan = match self.migrate_with(declarations, options).await {
            Err(MigrateError::Refused(plan)) => *plan,
            other => panic!("{:?}: not refused: {other:?}", self.backend),
        };
        assert_eq!(before.tables, self.snapshot().await.tables, "a refused plan changes nothing");
        plan
    }

    async fn snapshot(&self) -> Snapshot {
        introspect(&self.database).await.unwrap()
    }

    async fn run(&self, sql: &str) {
        self.database.execute_script(sql).await.unwrap();
    }

    async fn texts(&self, sql: &str) -> Vec<Value> {
        let rows = self.database.fetch(sql, Vec::new(), &[Shape::Text]).await.unwrap();
        rows.into_iter().map(|mut row| row.remove(0)).collect()
    }

    fn integer(&self) -> SqlType {
        match self.backend {
            Backend::Sqlite => SqlType::BigInt,
            Backend::Postgres => SqlType::Int,
        }
    }
}

const RISKY: MigrateOptions = MigrateOptions { apply_risky: true, prune: false, dry_run: false, unless_current: false };
const PRUNE: MigrateOptions = MigrateOptions { apply_risky: false, prune: true, dry_run: false, unless_current: false };

fn registry(declarations: Vec<Declaration>) -> Registry {
    Registry::new(declarations.into_iter().map(|found| Arc::new(DocType::new(found))), 1)
}

fn field(fieldname: &str, fieldtype: Fieldtype) -> DocField {
    DocField { fieldname: fieldname.to_owned(), fieldtype, ..DocField::default() }
}

fn link(fieldname: &str, target: &str) -> DocField {
    DocField { options: target.to_owned(), ..field(fieldname, Fieldtype::Link) }
}

fn doctype(name: &str, fields: Vec<DocField>) -> Declaration {
    Declaration { name: name.to_owned(), fields, ..Declaration::default() }
}

fn note(fields: Vec<DocField>) -> Vec<Declaration> {
    vec![doctype("Note", fields)]
}

fn renamed(from: &str, field: DocField) -> DocField {
    DocField { renamed_from: Some(from.to_owned()), ..field }
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

/// Runs what it is told until its time is up.
struct Failing<'a> {
    inner: &'a Transaction,
    left: AtomicUsize,
}

#[async_trait]
impl Executor for Failing<'_> {
    fn backend(&self) -> Backend {
        self.inner.backend()
    }

    async fn execute(&self, sql: &str, params: Vec<Param>) -> Result<u64, DbErr> {
        self.inner.execute(sql, params).await
    }

    async fn fetch(&self, sql: &str, params: Vec<Param>, shapes: &[Shape]) -> Result<Vec<Vec<Value>>, DbErr> {
        self.inner.fetch(sql, params, shapes).await
    }

    async fn execute_script(&self, sql: &str) -> Result<(), DbErr> {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 0 {
            self.left.store(0, Ordering::Relaxed);
            return Err(DbErr::Custom("the power is gone".to_owned()));
        }
        self.inner.execute_script(sql).await
    }
}

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
        assert!(site.snapshot().await.table("tabNote").unwrap().indexes.contains_key("tabNote_color_ix"));
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
async fn shortening_asks_for_consent_only_if_a_value_is_too_long() {
    let Some(site) = Site::postgres().await else { return };
    let with_length = |length| note(vec![DocField { length, ..field("title", Fieldtype::Data) }]);
    site.migrate(with_length(140)).await;
    site.run(r#"INSERT INTO "tabNote" (name, title) VALUES ('N-1', 'Hello'), ('N-2', 'Hi'), ('N-3', NULL)"#).await;
    let report = site.migrate(with_length(5)).await;
    assert_eq!(report.plan.risky().count(), 0, "nothing is longer than 5");
    let plan = site.refused(with_length(3), MigrateOptions::default()).await;
    assert_eq!(
        plan.to_string(),
        "! Note: change `title` from varchar(5) to varchar(3): values longer than 3 characters are cut (1 row, such as N-1)\n"
    );
    site.migrate_agreeing(with_length(3), RISKY).await;
    assert_eq!(
        site.texts(r#"SELECT title FROM "tabNote" ORDER BY name"#).await,
        [text("Hel"), text("Hi"), Value::Null]
    );
    site.finish().await;
}

#[tokio::test]
async fn a_type_change_says_what_it_loses_and_converts_the_rest() {
    for site in Site::each().await {
        site.migrate(note(vec![field("qty", Fieldtype::Data)])).await;
        site.run(r#"INSERT INTO "tabNote" (name, qty) VALUES ('N-1', ' 12'), ('N-2', 'a dozen'), ('N-3', ''), ('N-4', NULL)"#).await;
        let after = note(vec![field("qty", Fieldtype::Int)]);
        let plan = site.refused(after.clone(), MigrateOptions::default()).await;
        let why = plan.to_string();
        assert!(why.contains("what is no whole number that fits becomes empty (1 row, such as N-2)"), "{why}");
        assert!(why.contains("missing values become 0 (1 row, such as N-4)"), "{why}");
        site.migrate_agreeing(after, RISKY).await;
        let rows = site.texts(r#"SELECT CAST(qty AS text) FROM "tabNote" ORDER BY name"#).await;
        assert_eq!(rows, [text("12"), text("0"), text("0"), text("0")]);
        assert_eq!(
            site.snapshot().await.table("tabNote").unwrap().column(site.backend, "qty").unwrap().sql_type,
            site.integer()
        );
        site.finish().await;
    }
}

#[tokio::test]
async fn any_type_becomes_any_other() {
    use Fieldtype as F;
    let types = [
        F::Data,
        F::SmallText,
        F::Int,
        F::LongInt,
        F::Check,
        F::Currency,
        F::Rating,
        F::Date,
        F::Datetime,
        F::Time,
        F::Json,
        F::Duration,
    ];
    let sample = |fieldtype| match fieldtype {
        F::Int | F::LongInt => "12",
        F::Check => "1",
        F::Currency | F::Duration => "12.5",
        F::Rating => "0.5",
        F::Date => "'2024-02-29'",
        F::Datetime => "'2024-02-29 10:20:30.000004'",
        F::Time => "'10:20:30.000004'",
        F::Json => "'{\"a\": 1}'",
        _ => "'some text'",
    };
    for site in Site::each().await {
        let mut before = Vec::new();
        let mut after = Vec::new();
        let (mut names, mut values) = (vec!["name".to_owned()], vec!["'N-1'".to_owned()]);
        for (i, from) in types.iter().enumerate() {
            for (j, to) in types.iter().enumerate() {
                let name = format!("f_{i}_{j}");
                before.push(field(&name, *from));
                after.push(field(&name, *to));
                names.push(name);
                values.push(sample(*from).to_owned());
            }
        }
        site.migrate(note(before)).await;
        let (names, values) = (names.join(","), values.join(","));
        site.run(&format!(r#"INSERT INTO "tabNote" ({names}) VALUES ({values})"#)).await;
        site.migrate_agreeing(note(after), RISKY).await;
        let one = |i: usize, j: usize| {
            let site = &site;
            async move { site.texts(&format!(r#"SELECT CAST(f_{i}_{j} AS text) FROM "tabNote""#)).await.remove(0) }
        };
        assert_eq!(one(2, 0).await, text("12"), "Int to Data");
        assert_eq!(one(5, 0).await, text("12.5"), "Currency to Data");
        assert_eq!(one(5, 2).await, text("12"), "Currency to Int");
        assert_eq!(one(8, 7).await, text("2024-02-29"), "Datetime to Date");
        assert_eq!(one(8, 0).await, text("2024-02-29 10:20:30.000004"), "Datetime to Data");
        assert_eq!(one(9, 1).await, text("10:20:30.000004"), "Time to Small Text");
        assert_eq!(one(10, 0).await, text("{\"a\": 1}"), "JSON to Data");
        assert_eq!(one(0, 2).await, text("0"), "Data to Int");
        assert_eq!(one(0, 7).await, Value::Null, "Data to Date");
        site.finish().await;
    }
}

#[tokio::test]
async fn text_that_holds_dates_and_times_becomes_dates_and_times() {
    for site in Site::each().await {
        let of = |fieldtype: [Fieldtype; 3]| {
            note(vec![field("day", fieldtype[0]), field("moment", fieldtype[1]), field("hour", fieldtype[2])])
        };
        site.migrate(of([Fieldtype::Data; 3])).await;
        site.run(
            r#"INSERT INTO "tabNote" (name, day, moment, hour) VALUES
               ('N-1', '2024-02-29', '2024-02-29 10:20:30', '10:20:30'),
               ('N-2', '2024-02-30', 'today', 'noon'),
               ('N-3', 'today', '2024-02-29T10:20:30.123456', '25:00:00')"#,
        )
        .await;
        let plan =
            site.refused(of([Fieldtype::Date, Fieldtype::Datetime, Fieldtype::Time]), MigrateOptions::default()).await;
        assert_eq!(plan.risky().count(), 3, "{plan}");
        site.migrate_agreeing(of([Fieldtype::Date, Fieldtype::Datetime, Fieldtype::Time]), RISKY).await;
        let stamp = match site.backend {
            Backend::Sqlite => "moment",
            Backend::Postgres => "to_char(moment, 'YYYY-MM-DD HH24:MI:SS.US')",
        };
        assert_eq!(
            site.texts(r#"SELECT CAST(day AS text) FROM "tabNote" ORDER BY name"#).await,
            [text("2024-02-29"), Value::Null, Value::Null]
        );
        assert_eq!(
            site.texts(&format!(r#"SELECT {stamp} FROM "tabNote" ORDER BY name"#)).await,
            [text("2024-02-29 10:20:30.000000"), Value::Null, text("2024-02-29 10:20:30.123456")]
        );
        assert_eq!(
            site.texts(r#"SELECT substr(CAST(hour AS text), 1, 8) FROM "tabNote" ORDER BY name"#).await,
            [text("10:20:30"), Value::Null, Value::Null]
        );
        site.finish().await;
    }
}

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
        assert!(indexes.contains_key("tabNote_heading_ix") && !indexes.contains_key("tabNote_title_ix"));
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
        assert!(snapshot.table("tabMemo").unwrap().indexes.contains_key("tabMemo_modified_ix"));
        if site.backend == Backend::Postgres {
            site.run("SELECT nextval('memo_id_seq')").await;
        }
        site.finish().await;
    }
}

#[tokio::test]
async fn duplicates_stand_in_the_way_of_unique_and_are_named() {
    for site in Site::each().await {
        site.migrate(note(vec![field("code", Fieldtype::Data)])).await;
        site.run(r#"INSERT INTO "tabNote" (name, code) VALUES ('N-1', 'A'), ('N-2', 'A'), ('N-3', ''), ('N-4', ''), ('N-5', NULL), ('N-6', 'B')"#).await;
        let unique = note(vec![DocField { unique: true, ..field("code", Fieldtype::Data) }]);
        for options in [MigrateOptions::default(), RISKY] {
            let plan = site.refused(unique.clone(), options).await;
            assert!(plan.to_string().contains("values occur more than once, \"A\" in N-1, N-2: change"), "{plan}");
        }
        site.run(r#"UPDATE "tabNote" SET code = 'C' WHERE name = 'N-2'"#).await;
        site.migrate(unique.clone()).await;
        assert_eq!(
            site.texts(r#"SELECT code FROM "tabNote" WHERE name IN ('N-3', 'N-4')"#).await,
            [Value::Null, Value::Null]
        );

        let doctype = DocType::new(unique[0].clone());
        let of = |name: &'static str, code: &'static str| {
            let (site, doctype) = (&site, &doctype);
            async move {
                let sql = format!(r#"INSERT INTO "tabNote" (name, code) VALUES ('{name}', '{code}')"#);
                let error = site.database.execute(&sql, Vec::new()).await.unwrap_err();
                let violation = unique_violation(&error).expect("it is a unique violation");
                unique_field(site.backend, doctype, &violation).map(|field| field.fieldname.clone())
            }
        };
        assert_eq!(of("N-7", "A").await.as_deref(), Some("code"));
        assert_eq!(of("N-1", "D").await, None);

        site.migrate(note(vec![field("code", Fieldtype::Data)])).await;
        site.run(r#"INSERT INTO "tabNote" (name, code) VALUES ('N-8', 'A')"#).await;
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
async fn not_null_with_nulls_present_needs_consent() {
    for site in Site::each().await {
        let of = |not_nullable| note(vec![DocField { not_nullable, ..field("title", Fieldtype::Data) }]);
        site.migrate(of(false)).await;
        site.run(r#"INSERT INTO "tabNote" (name, title) VALUES ('N-1', NULL), ('N-2', 'x')"#).await;
        let plan = site.refused(of(true), MigrateOptions::default()).await;
        assert!(plan.to_string().contains("missing values become an empty text (1 row, such as N-1)"), "{plan}");
        site.migrate_agreeing(of(true), RISKY).await;
        assert_eq!(site.texts(r#"SELECT title FROM "tabNote" ORDER BY name"#).await, [text(""), text("x")]);
        // Back again is safe.
        site.migrate(of(false)).await;
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
async fn a_crash_at_any_statement_leaves_the_old_schema() {
    for site in Site::each().await {
        let before = note(vec![field("a", Fieldtype::Data), field("b", Fieldtype::Data)]);
        site.migrate(before).await;
        site.run(r#"INSERT INTO "tabNote" (name, a, b) VALUES ('N-1', '1', 'x')"#).await;
        let after = registry(vec![
            doctype(
                "Note",
                vec![
                    field("a", Fieldtype::Int),
                    renamed("b", DocField { unique: true, ..field("c", Fieldtype::Data) }),
                    field("d", Fieldtype::Date),
                ],
            ),
            doctype("More", vec![]),
        ]);
        let old = site.snapshot().await;
        let mut crashes = 0;
        loop {
            let transaction = site.database.begin().await.unwrap();
            let mut plan = plan(site.backend, after.iter(), &old, false);
            assess(&transaction, &mut plan).await.unwrap();
            let failing = Failing { inner: &transaction, left: AtomicUsize::new(crashes) };
            let done = carry_out(&failing, &plan, "new").await;
            if done.is_ok() {
                break;
            }
            drop(transaction);
            assert_eq!(site.snapshot().await.tables, old.tables);
            assert_eq!(site.texts(r#"SELECT a || b FROM "tabNote""#).await, [text("1x")]);
            crashes += 1;
        }
        assert!(crashes >= 5, "{crashes} statements");
        site.finish().await;
    }
}

#[tokio::test]
async fn a_statement_that_fails_names_the_change_and_undoes_everything() {
    for site in Site::each().await {
        site.migrate(note(vec![field("code", Fieldtype::Data)])).await;
        site.run(r#"INSERT INTO "tabNote" (name, code) VALUES ('N-1', '1'), ('N-2', '01')"#).await;
        let old = site.snapshot().await;
        // Different as text, the same as numbers: found out only on the way.
        let after = vec![
            doctype("Note", vec![DocField { unique: true, ..field("code", Fieldtype::Int) }]),
            doctype("A", vec![]),
        ];
        let error = site.migrate_with(after, RISKY).await.unwrap_err();
        assert!(
            matches!(&error, MigrateError::Failed { doing, .. } if doing == "Note: make a unique index on `code`"),
            "{error}"
        );
        assert_eq!(site.snapshot().await.tables, old.tables);
        site.finish().await;
    }
}

#[tokio::test]
async fn two_starts_at_once_both_succeed() {
    for site in Site::each().await {
        let declarations: Vec<Declaration> = (0..30)
            .map(|i| doctype(&format!("Type {i}"), vec![field("title", Fieldtype::Data), link("other", "Type 0")]))
            .collect();
        let other = Database::open(site.database.url()).await.unwrap();
        let registry = registry(declarations);
        let (one, two) = tokio::join!(
            migrate(&site.database, &registry, MigrateOptions::default()),
            migrate(&other, &registry, MigrateOptions::default())
        );
        let applied = [one.unwrap().applied, two.unwrap().applied];
        assert_eq!(applied.iter().filter(|applied| **applied).count(), 1, "one did it all, the other found it done");
        other.close().await;
        site.finish().await;
    }
}

#[tokio::test]
async fn an_unchanged_site_is_known_by_one_query() {
    for site in Site::each().await {
        let quick = MigrateOptions { unless_current: true, ..MigrateOptions::default() };
        let fields = |name: &str| note(vec![field(name, Fieldtype::Data)]);
        assert!(site.migrate_with(fields("a"), quick).await.unwrap().applied);
        // What is changed by hand shows that nobody looked.
        site.run(r#"DROP TABLE "tabSeries""#).await;
        assert!(!site.migrate_with(fields("a"), quick).await.unwrap().applied);
        assert!(site.snapshot().await.table("tabSeries").is_none());
        assert!(site.migrate_with(fields("b"), quick).await.unwrap().applied);
        assert!(site.snapshot().await.table("tabSeries").is_some());
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
    for index in ["by_hand", "tabNote_code_ux", "tabNote_creation_name_ix", "tabNote_modified_ix"] {
        assert!(table.indexes.contains_key(index), "{index} is lost");
    }
    assert_eq!(site.texts("SELECT text FROM log").await, [text("d;")]);
    assert_eq!(site.texts("SELECT code FROM codes ORDER BY 1").await.len(), 3);
    assert!(site.database.execute_script(r#"INSERT INTO "tabNote" (code) VALUES ('a')"#).await.is_err());
    assert_eq!(site.texts("PRAGMA integrity_check").await, [text("ok")]);
    site.finish().await;
}

#[tokio::test]
async fn whether_names_count_up_can_be_chosen_only_while_there_are_no_documents() {
    for site in Site::each().await {
        let of = |autoname: &str| vec![Declaration { autoname: autoname.to_owned(), ..doctype("Ticket", vec![]) }];
        site.migrate(of("hash")).await;
        site.migrate(of("autoincrement")).await;
        site.run(r#"INSERT INTO "tabTicket" (owner) VALUES ('a'), ('b')"#).await;
        assert_eq!(
            site.texts(r#"SELECT CAST(name AS text) FROM "tabTicket" ORDER BY name"#).await,
            [text("1"), text("2")]
        );
        let plan = site.refused(of("hash"), RISKY).await;
        assert!(plan.to_string().contains("only while there are no documents (2 rows, such as 1, 2)"), "{plan}");
        site.run(r#"DELETE FROM "tabTicket""#).await;
        site.migrate(of("hash")).await;
        site.run(r#"INSERT INTO "tabTicket" (name) VALUES ('x')"#).await;
        site.finish().await;
    }
}

#[tokio::test]
async fn a_lost_primary_key_is_made_again() {
    for site in Site::each().await {
        site.migrate(note(vec![field("title", Fieldtype::Data)])).await;
        site.run(r#"CREATE TABLE copy AS SELECT name, owner, creation, modified, docstatus, idx, title FROM "tabNote"; DROP TABLE "tabNote"; ALTER TABLE copy RENAME TO "tabNote"; INSERT INTO "tabNote" (name, docstatus, idx) VALUES ('N-1', 0, 0), ('N-1', 0, 0)"#).await;
        let plan = site.refused(note(vec![field("title", Fieldtype::Data)]), RISKY).await;
        assert!(
            plan.to_string().contains("share a key: delete or rename all but one first (2 rows, such as N-1, N-1)"),
            "{plan}"
        );
        site.run(r#"UPDATE "tabNote" SET title = 'x'; DELETE FROM "tabNote"; INSERT INTO "tabNote" (name, docstatus, idx) VALUES ('N-1', 0, 0)"#).await;
        site.migrate(note(vec![field("title", Fieldtype::Data)])).await;
        assert!(site.database.execute_script(r#"INSERT INTO "tabNote" (name) VALUES ('N-1')"#).await.is_err());
        site.finish().await;
    }
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
async fn a_thousand_doctypes_are_a_matter_of_seconds() {
    for site in Site::each().await {
        let declarations: Vec<Declaration> = (0..1000)
            .map(|i| {
                let mut fields: Vec<DocField> =
                    (0..15).map(|j| field(&format!("field_{j}"), Fieldtype::Data)).collect();
                fields.push(link("other", "Type 0"));
                fields.push(DocField { search_index: true, ..field("status", Fieldtype::Select) });
                doctype(&format!("Type {i}"), fields)
            })
            .collect();
        let registry = registry(declarations);
        let start = Instant::now();
        migrate(&site.database, &registry, MigrateOptions::default()).await.unwrap();
        let first = start.elapsed();
        let start = Instant::now();
        let again = migrate(&site.database, &registry, MigrateOptions::default()).await.unwrap();
        let second = start.elapsed();
        assert!(again.plan.is_empty(), "{}", again.plan);
        let start = Instant::now();
        let quick = MigrateOptions { unless_current: true, ..MigrateOptions::default() };
        migrate(&site.database, &registry, quick).await.unwrap();
        let third = start.elapsed();
        eprintln!(
            "{:?}: 1,000 DocTypes made in {first:?}, compared in {second:?}, recognised in {third:?}",
            site.backend
        );
        // Debug builds on a busy machine: generous, but far below anything that grows with the square.
        assert!(first.as_secs() < 60 && second.as_secs() < 20 && third.as_secs() < 5);
        site.finish().await;
    }
}
