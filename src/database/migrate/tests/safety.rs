//! Crashes, two starts at once, and a thousand DocTypes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use async_trait::async_trait;

use super::*;

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
        site.run(r#"CREATE TABLE other (a text); CREATE INDEX "ix tabNote.code" ON other (a)"#).await;
        let old = site.snapshot().await;
        let code = DocField { search_index: true, ..field("code", Fieldtype::Int) };
        let error =
            site.migrate_with(vec![doctype("Note", vec![code]), doctype("A", vec![])], RISKY).await.unwrap_err();
        let doing = "Note: make an index on `code`";
        assert!(matches!(&error, MigrateError::Failed { doing: found, .. } if found == doing), "{error}");
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
