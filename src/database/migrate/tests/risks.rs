//! What could lose data needs consent, says what it loses and keeps the rest.

use super::*;

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
        assert!(why.contains("what is not a whole number that fits becomes empty (1 row, such as N-2)"), "{why}");
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
async fn values_that_become_the_same_count_as_duplicates() {
    for site in Site::each().await {
        site.migrate(note(vec![field("code", Fieldtype::Data)])).await;
        site.run(r#"INSERT INTO "tabNote" (name, code) VALUES ('N-1', '1'), ('N-2', '01'), ('N-3', '2')"#).await;
        let plan = site.refused(note(vec![DocField { unique: true, ..field("code", Fieldtype::Int) }]), RISKY).await;
        assert!(plan.to_string().contains("occur more than once"), "{plan}");
        assert!(plan.to_string().contains("N-1") && !plan.to_string().contains("N-3"), "{plan}");
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
