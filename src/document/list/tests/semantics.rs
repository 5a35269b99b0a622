//! What lists answer: filters, fields, order, groups, pages, child rows, links.

use super::*;

#[tokio::test]
async fn filters_in_every_shape() {
    for site in Site::each().await {
        let check = async |filters: Json, names: &str| {
            assert_eq!(site.names(filters.clone()).await.join(" "), names, "{:?} {filters}", site.backend());
        };
        check(json!(null), "SO-1 SO-2 SO-3 SO-4").await;
        check(json!({}), "SO-1 SO-2 SO-3 SO-4").await;
        check(json!([]), "SO-1 SO-2 SO-3 SO-4").await;
        check(json!({"status": "Open"}), "SO-1").await;
        check(json!("{\"status\": \"Open\"}"), "SO-1").await;
        check(json!({"status": ["!=", "Open"], "priority": 2}), "SO-2 SO-3").await;
        check(json!([["status", "Open"]]), "SO-1").await;
        check(json!([["status", "=", "Open"]]), "SO-1").await;
        check(json!(["status", "=", "Open"]), "SO-1").await;
        check(json!([["Sales Order", "status", "=", "Open", false]]), "SO-1").await;
        check(json!([["status", "=", "Open"], ["status", "=", "Closed"]]), "SO-1 SO-2").await;
        check(json!(["SO-1", "SO-4"]), "SO-1 SO-4").await;
        check(json!([{"status": "Open"}, ["priority", 1]]), "SO-1").await;
        check(json!([["status", "=", "Open"], "or", ["priority", "=", 2]]), "SO-1 SO-2 SO-3").await;
        check(
            json!([["priority", "=", 2], "and", [["status", "=", "Closed"], "or", ["docstatus", "=", 1]]]),
            "SO-2 SO-3",
        )
        .await;
        check(json!({"`tabSales Order`.`priority`": 2, "Sales Order.docstatus": 0}), "SO-2").await;
        site.finish().await;
    }
}

#[tokio::test]
async fn operators_and_empty_values() {
    for site in Site::each().await {
        let check = async |field: &str, operator: &str, value: Json, names: &str| {
            let found = site.names(json!({field: [operator, value]})).await.join(" ");
            assert_eq!(found, names, "{:?} {field} {operator} {value}", site.backend());
        };
        check("status", "!=", json!("Open"), "SO-2 SO-3 SO-4").await;
        check("status", "=", json!(""), "SO-3 SO-4").await;
        check("status", "=", json!(null), "SO-3 SO-4").await;
        check("status", "!=", json!(""), "SO-1 SO-2").await;
        check("title", "is", json!("set"), "SO-1 SO-2 SO-4").await;
        check("title", "IS", json!("Not Set"), "SO-3").await;
        check("due", "is", json!("set"), "SO-1 SO-2").await;
        check("due", "=", json!(""), "SO-3 SO-4").await;
        check("status", "in", json!("Open, Closed"), "SO-1 SO-2").await;
        check("status", "in", json!(["Open", ""]), "SO-1 SO-3 SO-4").await;
        check("status", "not in", json!(["Open"]), "SO-2 SO-3 SO-4").await;
        check("status", "not in", json!(["Open", null]), "SO-2").await;
        check("status", "in", json!([]), "").await;
        check("status", "not in", json!([]), "SO-1 SO-2 SO-3 SO-4").await;
        let many: Vec<String> = (0..300).map(|n| format!("SO-{n}")).collect();
        check("name", "in", json!(many), "SO-1 SO-2 SO-3 SO-4").await;
        check("priority", "in", json!((1..200).collect::<Vec<_>>()), "SO-1 SO-2 SO-3").await;
        let days: Vec<String> =
            (1..=31).flat_map(|day| [format!("2026-03-{day:02}"), format!("2026-05-{day:02}")]).collect();
        check("due", "in", json!(days), "SO-1").await;
        check("title", "like", json!("%äHRE%"), "SO-1").await;
        check("title", "like", json!("SEC_nd"), "SO-2").await;
        check("title", "not like", json!("%d"), "SO-1 SO-3").await;
        check("total", "like", json!("100.25%"), "SO-1").await;
        check("placed", "like", json!("2026-03-3%"), "SO-1 SO-2").await;
        check("priority", "like", json!(2), "SO-2 SO-3").await;
        check("extra", "like", json!("%\"a\"%"), "SO-1").await;
        check("extra", "=", json!("{\"a\": 1}"), "SO-1").await;
        check("title", "regex", json!("^s.*d$"), "SO-2").await;
        check("priority", "regex", json!("^[12]$"), "SO-1 SO-2 SO-3").await;
        check("priority", ">", json!("1"), "SO-2 SO-3").await;
        check("priority", "<=", json!(1), "SO-1 SO-4").await;
        check("total", "<", json!(0), "SO-4").await;
        check("effort", "<", json!(1), "SO-2 SO-3 SO-4").await;
        check("effort", ">=", json!(1), "SO-1").await;
        check("urgent", "=", json!(true), "SO-1").await;
        check("due", "<", json!("2026-04-01"), "SO-1 SO-3 SO-4").await;
        check("due", ">=", json!("2026-04-01"), "SO-2").await;
        check("placed", ">", json!("2026-03-31"), "SO-2").await;
        check("placed", "between", json!(["2026-03-30", "2026-03-31"]), "SO-1 SO-2").await;
        check("placed", "between", json!(["2026-03-30", "2026-03-30"]), "SO-1").await;
        check("due", "between", json!("2026-03-31,2026-03-31"), "SO-1").await;
        check("total", "between", json!([0, 60]), "SO-2 SO-3").await;
        check("at_time", "=", json!("8:30"), "SO-1").await;
        check("at_time", "=", json!("8:30:00.5"), "SO-2").await;
        check("at_time", ">", json!("8:30"), "SO-2").await;
        check("at_time", "like", json!("%.500000"), "SO-2").await;
        check("due", "timespan", json!("next year"), "").await;
        check("placed", "previous", json!("1 week"), "").await;
        site.finish().await;
    }
}

#[tokio::test]
async fn relatives_in_a_tree() {
    for site in Site::each().await {
        let system = Session::system();
        let check = async |doctype: &str, field: &str, operator: &str, node: &str, names: &str| {
            let request = ListRequest::new(doctype).filters(json!({field: [operator, node]})).order_by("name");
            let list = site.run(&system, &request).await.unwrap();
            let found: Vec<&str> = (0..list.rows.len()).map(|row| list.text(row, "name")).collect();
            assert_eq!(found.join(" "), names, "{:?} {operator} {node}", site.backend());
        };
        check("Territory", "name", "descendants of", "World", "Asia Europe Germany").await;
        check("Territory", "name", "descendants of (inclusive)", "Europe", "Europe Germany").await;
        check("Territory", "name", "ancestors of", "Germany", "Europe World").await;
        check("Territory", "name", "not ancestors of", "Germany", "Asia Germany").await;
        check("Customer", "territory", "descendants of", "Europe", "Ärzte").await;
        check("Customer", "territory", "not descendants of", "Europe", "Bob Carl").await;
        site.finish().await;
    }
}

#[tokio::test]
async fn fields_functions_and_links() {
    for site in Site::each().await {
        let system = Session::system();
        let check = async |request: ListRequest, wanted: Json| {
            assert_eq!(site.json(&system, &request).await, wanted, "{:?} {request:?}", site.backend());
        };
        let orders = || ListRequest::new("Sales Order").order_by("name");
        let with = |fields: Json| ListRequest { fields, limit: Some(1), ..orders() };
        check(
            with(json!(["name", "title as t", "`tabSales Order`.`total`"])),
            json!([{"name": "SO-1", "t": "Erste Ähre", "total": 100.25}]),
        )
        .await;
        check(with(json!("name, due")), json!([{"name": "SO-1", "due": "2026-03-31"}])).await;
        check(
            with(json!(["placed", "at_time", "effort", "priority", "urgent", "extra", "docstatus"])),
            json!([{"placed": "2026-03-30 08:30:00.000000", "at_time": "08:30:00", "effort": 60.0, "priority": 1,
                "urgent": 1, "extra": "{\"a\": 1}", "docstatus": 0}]),
        )
        .await;
        check(
            with(json!(["customer.territory", "customer.name", "name"])),
            json!([{"territory": "Germany", "name": "SO-1"}]),
        )
        .await;
        check(with(json!(["name", "customer.name"])), json!([{"name": "SO-1", "customer.name": "Ärzte"}])).await;
        check(
            ListRequest { fields: json!(["name", "items.item"]), ..ListRequest::new("Sales Order").order_by("items.item desc, name").filters(json!({"items.qty": [">", 0]})) },
            json!([{"name": "SO-1", "item": "Nail"}, {"name": "SO-2", "item": "Nail"}, {"name": "SO-1", "item": "Hammer"}]),
        )
        .await;
        check(
            ListRequest {
                fields: json!(["count(name) as n", "sum(total) as s", "max(due) as m", "avg(priority)"]),
                ..ListRequest::new("Sales Order")
            },
            json!([{"n": 4, "s": 148.75, "m": "2026-04-01", "avg(priority)": 1.25}]),
        )
        .await;
        check(
            ListRequest {
                fields: json!(["customer", {"COUNT": "name", "as": "n"}]),
                group_by: Some("customer".to_owned()),
                order_by: Some("n desc".to_owned()),
                ..ListRequest::new("Sales Order")
            },
            json!([{"customer": "Bob", "n": 2}, {"customer": "Carl", "n": 1}, {"customer": "Ärzte", "n": 1}]),
        )
        .await;
        check(
            ListRequest {
                fields: json!(["customer", "name", "extra", "placed"]),
                group_by: Some("customer".to_owned()),
                order_by: Some("creation desc".to_owned()),
                limit: Some(1),
                ..ListRequest::new("Sales Order")
            },
            json!([{"customer": "Carl", "name": "SO-4", "extra": null, "placed": null}]),
        )
        .await;
        check(
            ListRequest { fields: json!(["customer"]), distinct: true, ..ListRequest::new("Sales Order") },
            json!([{"customer": "Carl"}, {"customer": "Bob"}, {"customer": "Ärzte"}]),
        )
        .await;
        check(
            ListRequest { fields: json!(["name", {"items": ["item", "qty"]}]), limit: Some(2), ..orders() },
            json!([{"name": "SO-1", "items": [{"item": "Nail", "qty": 10}, {"item": "Hammer", "qty": 1}]},
                {"name": "SO-2", "items": [{"item": "Nail", "qty": 3}]}]),
        )
        .await;
        check(
            ListRequest { fields: json!(["title", "costs"]), limit: Some(1), ..orders().filters(json!({"items.item": "Nail"})) },
            json!([{"title": "Erste Ähre", "costs": site.json(&system, &ListRequest { fields: json!("*"), filters: json!({"item": "Freight"}), ..ListRequest::new("Sales Order Item") }).await.as_array().unwrap().iter().map(|row| { let mut row = row.clone(); row.as_object_mut().unwrap().remove("key"); row }).collect::<Vec<_>>()}]),
        )
        .await;
        check(
            ListRequest { fields: json!(["at_time"]), ..orders().filters(json!({"name": "SO-2"})) },
            json!([{"at_time": "08:30:00.500000"}]),
        )
        .await;
        check(
            ListRequest {
                or_filters: json!({"status": "Closed", "total": ["<", 0]}),
                ..orders().filters(json!({"priority": ["<", 3]}))
            },
            json!([{"name": "SO-2"}, {"name": "SO-4"}]),
        )
        .await;
        let expanded =
            site.json(&system, &ListRequest { expand: vec!["customer".to_owned()], ..with(json!(["name"])) }).await;
        assert_eq!(expanded[0]["customer"]["territory"], "Germany");
        assert_eq!(expanded[0]["customer"].get("pin"), None);
        site.finish().await;
    }
}

#[tokio::test]
async fn child_filters_neither_repeat_documents_nor_count_them_twice() {
    for site in Site::each().await {
        assert_eq!(site.names(json!({"items.qty": [">", 0]})).await, ["SO-1", "SO-2"]);
        assert_eq!(site.names(json!([["Sales Order Item", "item", "like", "%"]])).await, ["SO-1", "SO-2"]);
        site.finish().await;
    }
}

#[tokio::test]
async fn pages_and_the_default_order() {
    for site in Site::each().await {
        let system = Session::system();
        let page = async |start, limit| {
            let list =
                site.run(&system, &ListRequest { start, limit, ..ListRequest::new("Sales Order") }).await.unwrap();
            let names: Vec<&str> = (0..list.rows.len()).map(|row| list.text(row, "name")).collect();
            (names.join(" "), list.has_next_page)
        };
        assert_eq!(page(0, Some(2)).await, ("SO-4 SO-3".to_owned(), true));
        assert_eq!(page(2, Some(2)).await, ("SO-2 SO-1".to_owned(), false));
        assert_eq!(page(3, None).await, ("SO-1".to_owned(), false));
        assert_eq!(page(u64::MAX, Some(u64::MAX)).await, (String::new(), false));
        assert_eq!(page(0, Some(0)).await, (String::new(), true));
        let nulls = ListRequest::new("Sales Order").order_by("due asc, name desc");
        let list = site.run(&system, &nulls).await.unwrap();
        let names: Vec<&str> = (0..list.rows.len()).map(|row| list.text(row, "name")).collect();
        assert_eq!(names, ["SO-4", "SO-3", "SO-1", "SO-2"], "{:?}", site.backend());
        site.finish().await;
    }
}

#[tokio::test]
async fn names_that_are_numbers() {
    for site in Site::each().await {
        let system = Session::system();
        let request = ListRequest {
            fields: json!(["name", "duplicate_of.subject", "order.title", "lines.item"]),
            ..ListRequest::new("Ticket").order_by("name").filters(json!({"name": ["in", "1, 2"]}))
        };
        let rows = site.json(&system, &request).await;
        assert_eq!(rows[0]["name"], 1);
        assert_eq!(rows.as_array().unwrap().last().unwrap()["subject"], "one");
        assert_eq!(rows.as_array().unwrap().last().unwrap()["title"], "second");
        let bad = site.refused(&system, &ListRequest::new("Ticket").filters(json!({"name": "x"}))).await;
        assert!(bad.contains("whole number"), "{bad}");
        site.finish().await;
    }
}

#[tokio::test]
async fn singles_and_virtual_doctypes_are_listed_in_memory() {
    for site in Site::each().await {
        let sales = user("ann", &["Sales"]);
        let mut settings = Document::new(Arc::clone(site.registry.get("Shop Settings").unwrap()));
        for (field, value) in [("name", "Shop Settings"), ("owner", "ann"), ("currency", "EUR"), ("tax", "7.5")] {
            settings.set(field, value);
        }
        documents::save_single(&site.database, &settings).await.unwrap();
        let request = ListRequest::new("Shop Settings").fields(&["name", "currency", "tax"]);
        let row = json!([{"name": "Shop Settings", "currency": "EUR", "tax": 7.5}]);
        assert_eq!(site.json(&sales, &request).await, row);
        assert_eq!(site.json(&sales, &request.clone().filters(json!({"tax": [">", 8]}))).await, json!([]));
        assert_eq!(site.count(&sales, &request).await.unwrap(), 1);
        site.refused(&user("bea", &[]), &request).await;

        let feed = |subject: &str, rank: i64| {
            let mut document = Document::new(Arc::clone(site.registry.get("Feed").unwrap()));
            document.set("name", subject);
            document.set("subject", subject);
            document.set("rank", rank);
            document
        };
        let documents = [feed("Äpfel", 3), feed("birne", 1), feed("", 2)];
        let request = ListRequest { limit: Some(1), start: 1, ..ListRequest::new("Feed").fields(&["subject", "rank"]) };
        let request = request.order_by("rank desc").filters(json!([["rank", "<", 3], "or", ["subject", "like", "ä%"]]));
        let list = run_virtual(site.context(&sales), &documents, &request).await.unwrap();
        assert_eq!((list.to_json()[0]["rank"].clone(), list.has_next_page), (json!(2), true));
        assert_eq!(count_virtual(site.context(&sales), &documents, &request).unwrap(), 3);
        let counted = ListRequest { fields: json!(["count(*) as n", "max(rank) as m"]), ..ListRequest::new("Feed") };
        let list = run_virtual(site.context(&sales), &documents, &counted).await.unwrap();
        assert_eq!(json!(list.to_json()), json!([{"n": 3, "m": 3}]));
        site.finish().await;
    }
}

#[tokio::test]
async fn mistakes_are_named() {
    let site = Site::sqlite().await;
    let system = Session::system();
    let orders = || ListRequest::new("Sales Order");
    let check = async |request: ListRequest, wanted: &str| {
        let refused = site.refused(&system, &request).await;
        assert!(refused.contains(wanted), "{refused}");
    };
    check(orders().filters(json!({"nope": 1})), "Field not permitted in query: nope").await;
    check(orders().fields(&["nope"]), "Field not permitted in query: nope").await;
    check(orders().order_by("nope desc"), "Field not permitted in query: nope").await;
    check(orders().order_by("(select 1)"), "Function").await;
    check(orders().fields(&["sleep(1)"]), "Function sleep is not available").await;
    check(orders().filters(json!({"name": ["~~", 1]})), "Operator must be one of =, !=").await;
    check(orders().filters(json!("not json")), "Filters must be a JSON object or list").await;
    check(orders().filters(json!([["a"]])), "A filter in a list must be").await;
    check(orders().filters(json!({"due": "soon"})), "Filter Due: must be a date").await;
    check(orders().filters(json!({"title": "a\u{0}b"})), "Filter Title").await;
    check(orders().filters(json!({"title": ["regex", "("]})), "not a regular expression").await;
    check(orders().filters(json!({"title": ["timespan", "today"]})), "need a Date").await;
    check(orders().filters(json!({"customer": ["descendants of", "x"]})), "only DocTypes that are trees").await;
    check(orders().filters(json!({"section": 1})), "Field not permitted in query: section").await;
    check(ListRequest { group_by: Some("items".to_owned()), ..orders() }, "Field not permitted").await;
    check(ListRequest { expand: vec!["title".to_owned()], ..orders() }, "expand takes Link fields").await;
    check(ListRequest { fields: json!(["sum(title)"]), ..orders() }, "need a number field").await;
    check(ListRequest { fields: json!(["items", "count(name)"]), ..orders() }, "Child tables cannot be listed").await;
    let lenient = ListRequest { lenient_fields: true, ..orders().fields(&["nope", "title", "section"]) };
    assert_eq!(site.run(&system, &lenient).await.unwrap().keys, ["title"]);
    site.finish().await;
}
