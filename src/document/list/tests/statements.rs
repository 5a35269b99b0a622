//! The statements that requests become, word for word.

use chrono::NaiveDate;

use super::*;
use crate::document::list::plan::Wanted;

/// What follows the first word.
fn statement(backend: Backend, session: &Session, request: &ListRequest, wanted: Wanted) -> String {
    let registry = registry();
    let doctype = registry.get(&request.doctype).unwrap();
    let rows = visible::rows(&registry, session, doctype, query::MAIN).unwrap();
    let here = Here { today: NaiveDate::from_ymd_opt(2026, 3, 31).unwrap(), zone: Zone::UTC };
    let plan = plan::plan(&registry, session, doctype, rows, request, here, wanted).unwrap();
    let sql = match wanted {
        Wanted::Rows => plan.select.sql(backend),
        Wanted::Count => plan.select.count_sql(backend, None),
    };
    sql.text.strip_prefix("SELECT").unwrap().trim_start().to_owned()
}

fn check(session: &Session, request: &ListRequest, sqlite: &str, postgres: &str) {
    assert_eq!(statement(Backend::Sqlite, session, request, Wanted::Rows), sqlite);
    assert_eq!(statement(Backend::Postgres, session, request, Wanted::Rows), postgres);
}

#[test]
fn a_filter_on_an_indexed_column_stays_plain() {
    check(
        &Session::system(),
        &ListRequest::new("Sales Order")
            .fields(&["name", "total"])
            .filters(json!({"customer": "Bob", "priority": [">", 1]})),
        "\"t0\".\"name\", \"t0\".\"total\" FROM \"tabSales Order\" AS \"t0\" \
         WHERE \"t0\".\"customer\" = ? AND \"t0\".\"priority\" > ? \
         ORDER BY \"t0\".\"creation\" DESC, \"t0\".\"name\" DESC LIMIT ?",
        "CAST(\"t0\".\"name\" AS text), CAST(\"t0\".\"total\" AS float8) FROM \"tabSales Order\" AS \"t0\" \
         WHERE \"t0\".\"customer\" = CAST($1 AS text) AND \"t0\".\"priority\" > CAST($2 AS bigint) \
         ORDER BY \"t0\".\"creation\" DESC, \"t0\".\"name\" DESC LIMIT CAST($3 AS bigint)",
    );
}

#[test]
fn permissions_are_part_of_the_statement() {
    let permission = UserPermission {
        allow: "Customer".to_owned(),
        for_value: "Bob".to_owned(),
        applicable_for: None,
        is_default: false,
    };
    let session = user_with("cid", &["Own"], vec![permission]);
    let request = ListRequest::new("Sales Order").order_by("name").all();
    assert_eq!(
        statement(Backend::Sqlite, &session, &request, Wanted::Rows),
        "\"t0\".\"name\" FROM \"tabSales Order\" AS \"t0\" \
         WHERE \"t0\".\"owner\" IN (?) \
         OR \"t0\".\"name\" IN (SELECT \"share_name\" FROM \"tabDocShare\" WHERE \"share_doctype\" = ? AND \"read\" = 1 \
         AND (\"user\" = ? OR \"everyone\" = 1)) ORDER BY \"t0\".\"name\" ASC"
    );
}

#[test]
fn child_filters_group_by_name() {
    let request = ListRequest::new("Sales Order").filters(json!({"items.qty": 3})).all();
    let session = Session::system();
    assert_eq!(
        statement(Backend::Sqlite, &session, &request, Wanted::Rows),
        "\"t0\".\"name\" FROM \"tabSales Order\" AS \"t0\" LEFT JOIN \"tabSales Order Item\" AS \"t2\" \
         ON \"t2\".\"parent\" = \"t0\".\"name\" AND \"t2\".\"parenttype\" = ? AND \"t2\".\"parentfield\" IN (?) \
         WHERE \"t2\".\"qty\" = ? GROUP BY \"t0\".\"name\" ORDER BY MAX(\"t0\".\"creation\") DESC, \"t0\".\"name\" ASC"
    );
    assert_eq!(
        statement(Backend::Postgres, &session, &request, Wanted::Count),
        "CAST(COUNT(DISTINCT \"t0\".\"name\") AS bigint) FROM \"tabSales Order\" AS \"t0\" \
         LEFT JOIN \"tabSales Order Item\" AS \"t2\" ON \"t2\".\"parent\" = \"t0\".\"name\" \
         AND \"t2\".\"parenttype\" = CAST($1 AS text) AND \"t2\".\"parentfield\" IN (CAST($2 AS text)) \
         WHERE \"t2\".\"qty\" = CAST($3 AS bigint)"
    );
}

#[tokio::test]
async fn a_filtered_page_is_read_from_one_index_without_sorting() {
    use crate::meta::fieldtype::Shape;
    let site = Site::sqlite().await;
    for filters in [json!({}), json!({"customer": "Bob"}), json!({"customer": "Bob", "priority": [">", 1]})] {
        let request = ListRequest::new("Sales Order").filters(filters);
        let text = statement(Backend::Sqlite, &user("ann", &["Sales"]), &request, Wanted::Rows);
        let params = vec![crate::database::row::Param::text("0"); text.matches('?').count()];
        let explain = format!("EXPLAIN QUERY PLAN SELECT {text}");
        let shapes = [Shape::Int, Shape::Int, Shape::Int, Shape::Text];
        let steps = site.database.fetch(&explain, params, &shapes).await.unwrap();
        let steps: Vec<&str> = steps.iter().map(|step| step[3].text()).collect();
        assert!(steps.len() == 1 && steps[0].contains("USING"), "{request:?}: {steps:?}");
    }
    site.finish().await;
}

#[tokio::test]
async fn few_rows_are_searched_by_the_index_and_many_in_their_order() {
    use crate::meta::fieldtype::Shape;
    for site in Site::each().await {
        let transaction = site.database.begin().await.unwrap();
        let customers: Vec<Document> = (10_000..20_000)
            .map(|n| format!("Customer {n}"))
            .map(|name| site.document("Customer", &json!({"name": name, "customer_name": name})))
            .collect();
        for some in customers.chunks(100) {
            documents::insert(&transaction, &some.iter().collect::<Vec<_>>()).await.unwrap();
        }
        transaction.commit().await.unwrap();
        site.database.execute_script("ANALYZE").await.unwrap();
        for (text, is_selective) in [("%er 12345%", true), ("%customer%", false), ("%2%", false)] {
            let mut request = ListRequest::new("Customer");
            request.or_filters = json!([["name", "like", text], ["customer_name", "like", text]]);
            let session = Session::system();
            let doctype = site.registry.get("Customer").unwrap();
            let rows = visible::rows(&site.registry, &session, doctype, query::MAIN).unwrap();
            let mut plan = plan(site.context(&session), doctype, rows, &request, Wanted::Rows).unwrap();
            plan.select.narrow(&site.database, Some(20)).await.unwrap();
            let found = plan.select.sql(site.backend());
            let uses_index = match site.backend() {
                Backend::Sqlite => found.text.contains("\"name\" IN (?)"),
                Backend::Postgres => {
                    let explain = format!("EXPLAIN {}", found.text);
                    let steps = site.database.fetch(&explain, found.params, &[Shape::Text]).await.unwrap();
                    steps.iter().any(|step| step[0].text().contains("\"tx tabCustomer.name,customer_name\""))
                }
            };
            assert_eq!(uses_index, is_selective, "{:?} {text}: {}", site.backend(), found.text);
            let matching = if is_selective { 1 } else { 20 };
            assert_eq!(site.run(&session, &request).await.unwrap().rows.len(), matching, "{text}");
        }
        site.finish().await;
    }
}

#[test]
fn planning_a_list_takes_no_more_than_some_microseconds() {
    let registry = registry();
    let (session, request) =
        (user("ann", &["Sales"]), ListRequest::new("Sales Order").filters(json!({"customer": "Bob"})));
    let here = Here { today: NaiveDate::from_ymd_opt(2026, 3, 31).unwrap(), zone: Zone::UTC };
    let begin = std::time::Instant::now();
    for _ in 0..1000 {
        let doctype = registry.get("Sales Order").unwrap();
        let rows = visible::rows(&registry, &session, doctype, query::MAIN).unwrap();
        let plan = plan::plan(&registry, &session, doctype, rows, &request, here, Wanted::Rows).unwrap();
        assert!(plan.select.sql(Backend::Sqlite).params.len() == 2);
    }
    // Generous: a debug build on a busy machine.
    assert!(begin.elapsed().as_millis() < 1000, "{:?}", begin.elapsed());
}
