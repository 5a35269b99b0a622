//! Lists: parameters, shapes, and what is refused.

use poem::http::Method;
use serde_json::{Value as Json, json};

use super::library_with_books;

#[tokio::test]
async fn parameters_select_sort_and_cut() {
    let (_site, alice) = library_with_books().await;
    for (query, expected) in [
        ("order_by=name asc", json!([{"name": "Dune"}, {"name": "Emma"}, {"name": "Ulysses"}])),
        ("order_by=name asc&limit_start=1&limit_page_length=1", json!([{"name": "Emma"}])),
        ("order_by=name desc&limit=1", json!([{"name": "Ulysses"}])),
        ("filters={\"author\":\"Austen\"}", json!([{"name": "Emma"}])),
        ("filters=[[\"pages\",\">\",400]]&order_by=pages asc", json!([{"name": "Dune"}, {"name": "Ulysses"}])),
        ("filters=[[\"Book\",\"author\",\"like\",\"%25rber%25\"]]", json!([{"name": "Dune"}])),
        (
            "or_filters=[[\"author\",\"=\",\"Joyce\"],[\"pages\",\"=\",300]]&order_by=name asc",
            json!([{"name": "Emma"}, {"name": "Ulysses"}]),
        ),
        ("fields=[\"name\",\"pages\"]&filters={\"name\":\"Dune\"}", json!([{"name": "Dune", "pages": 412}])),
        ("fields=[\"name\",\"pages\"]&filters={\"name\":\"Dune\"}&as_dict=0", json!([["Dune", 412]])),
        ("fields=[\"count(name) as n\"]", json!([{"n": 3}])),
        (
            "fields=[\"name\",\"shelf.label as where\"]&filters={\"name\":\"Dune\"}",
            json!([{"name": "Dune", "where": "First shelf"}]),
        ),
    ] {
        let rows = alice.list("Book", query).await.ok();
        assert_eq!(rows, expected, "{query}");
    }
}

#[tokio::test]
async fn old_spellings_of_all_are_understood() {
    let (_site, alice) = library_with_books().await;
    for query in ["limit_page_length=0", "page_size=0", "limit=0", "fields=\"*\""] {
        assert_eq!(alice.list("Book", query).await.ok().as_array().unwrap().len(), 3, "{query}");
    }
    let all = alice.list("Book", "fields=\"*\"&filters={\"name\":\"Dune\"}").await.ok();
    assert_eq!(all[0]["author"], "Herbert");
    assert_eq!(all[0]["shelf"], "S1");
}

#[tokio::test]
async fn links_and_child_tables_can_be_asked_for() {
    let (_site, alice) = library_with_books().await;
    let query = "fields=[\"name\",\"shelf\"]&expand=[\"shelf\"]&filters={\"name\":\"Dune\"}";
    let rows = alice.list("Book", query).await.ok();
    assert_eq!(rows[0]["shelf"]["label"], "First shelf");
    let query = "fields=[\"name\",\"chapters\"]&filters={\"name\":\"Dune\"}";
    let rows = alice.list("Book", query).await.ok();
    assert_eq!(rows[0]["chapters"][1]["heading"], "Dune 2");
    let query = "parent=Book&fields=[\"heading\",\"parent\"]&filters={\"parent\":\"Emma\"}&order_by=idx asc";
    let rows = alice.list("Chapter", query).await.ok();
    assert_eq!(rows[0], json!({"heading": "Emma 1", "parent": "Emma"}));
}

#[tokio::test]
async fn a_list_can_be_asked_by_body() {
    let (_site, alice) = library_with_books().await;
    let asked = json!({"fields": ["name"], "filters": [["pages", "<", 400]], "limit": 5});
    let page = alice.post("/api/v2/doctype/Book/list", asked.clone()).await.json();
    assert_eq!(page, json!({"has_next_page": false, "data": [{"name": "Emma"}]}));
    let by_get = alice.json(Method::GET, "/api/resource/Book", asked.clone()).await.ok();
    assert_eq!(by_get, json!([{"name": "Emma"}]));
    let mut asked = asked;
    asked["doctype"] = json!("Book");
    assert_eq!(alice.call("frappe.client.get_list", asked).await.ok(), json!([{"name": "Emma"}]));
}

#[tokio::test]
async fn mistakes_are_the_clients_and_never_ours() {
    let (_site, alice) = library_with_books().await;
    for query in [
        "fields=[",
        "fields=[\"nothing\"]",
        "fields=[\"(select 1)\"]",
        "fields=[\"sleep(1)\"]",
        "fields=7",
        "filters=abc",
        "filters=[[1,2,3,4,5,6]]",
        "filters={\"nothing\":1}",
        "filters=[[\"name\",\"~~\",1]]",
        "filters=7",
        "limit_page_length=abc",
        "limit_page_length=-1",
        "limit=1.5",
        "limit_start=-1",
        "limit_start=x",
        "order_by=nothing",
        "order_by=name;drop",
        "group_by=nothing",
        "as_dict=maybe",
        "expand=[\"nothing\"]",
    ] {
        let answer = alice.list("Book", query).await;
        assert_eq!(answer.status, 417, "{query}: {}", answer.body);
        let body = answer.json();
        assert!(body["exc_type"].is_string() && body["_server_messages"].is_string(), "{query}: {body}");
        assert!(!answer.body.contains("Traceback"), "{query}: {body}");
    }
}

#[tokio::test]
async fn lists_hold_what_may_be_read() {
    let (site, _alice) = library_with_books().await;
    site.user("bob@example.com", &[]).await.list("Book", "").await.error(403, "PermissionError");
    site.guest().list("Book", "").await.error(401, "AuthenticationError");
}

#[tokio::test]
async fn lists_are_grouped_as_the_desk_groups_them() {
    let (_site, alice) = library_with_books().await;
    alice.create("Book", json!({"title": "Persuasion", "author": "Austen", "pages": 200})).await.ok();
    let values = async |asked: Json| {
        let mut asked = asked;
        asked["doctype"] = json!("Book");
        alice.call("frappe.desk.reportview.get", asked).await.ok()["values"].take()
    };
    let count = "count(`tabBook`.`name`) as _aggregate_column";
    let order = "_aggregate_column desc, author asc";
    let by_author = json!([["Austen", 2], ["Herbert", 1], ["Joyce", 1]]);
    for (author, group, order) in [
        ("`tabBook`.`author`", "`tabBook`.`author`", order),
        ("`tabBook`.`author` as writer", "writer", "_aggregate_column desc, writer asc"),
        ("`tabBook`.`author` as writer", "`writer`", order),
        ("author", "author", order),
    ] {
        for count in [count, "SUM(1) as _aggregate_column", "count(*) as _aggregate_column"] {
            let asked = json!({"fields": [author, count], "group_by": group, "order_by": order});
            assert_eq!(values(asked).await, by_author, "{author} {group} {count}");
        }
    }
    let by_name =
        json!({"fields": ["`tabBook`.`name`", count], "group_by": "`tabBook`.`name`", "order_by": "name asc"});
    assert_eq!(values(by_name).await, json!([["Dune", 1], ["Emma", 1], ["Persuasion", 1], ["Ulysses", 1]]));
    let sum = json!({
        "fields": ["author", "sum(pages) as _aggregate_column"], "group_by": "author", "order_by": "_aggregate_column desc",
    });
    assert_eq!(values(sum).await, json!([["Joyce", 730.0], ["Austen", 500.0], ["Herbert", 412.0]]));
    for query in ["fields=[\"name\"]&group_by=name&order_by=name%20desc", "group_by=name&order_by=name%20desc"] {
        assert_eq!(alice.list("Book", query).await.ok()[3], json!({"name": "Dune"}), "{query}");
    }
    let second = "/api/v2/document/Book?fields=[\"author%20as%20writer\",{\"COUNT\":\"name\",\"as\":\"n\"}]&group_by=writer&order_by=n%20desc";
    let second = second.replace('"', "%22").replace('{', "%7B").replace('}', "%7D");
    assert_eq!(alice.get(&second).await.ok()[0], json!({"writer": "Austen", "n": 2}));
    // An aggregate is not something to group by.
    let aggregate = "fields=[\"count(name)%20as%20n\"]&group_by=n";
    alice.list("Book", aggregate).await.error(417, "DataError");
}

#[tokio::test]
async fn half_a_span_ends_today() {
    let (_site, alice) = library_with_books().await;
    for (between, found) in [
        (json!(["2000-01-01"]), 3),
        (json!(["2000-01-01", null]), 3),
        (json!([null, null]), 3),
        (json!([]), 3),
        (Json::Null, 3),
        (json!(["2000-01-01", "2000-01-02"]), 0),
    ] {
        let asked = json!({"doctype": "Book", "filters": [["creation", "between", between]]});
        assert_eq!(alice.call("frappe.client.get_count", asked).await.ok(), found, "{between}");
    }
}
