//! Lists of any length: lines of JSON, CSV, and pages by cursor.

use serde_json::{Value as Json, json};

use super::{READER, library_with_books};
use crate::support::{Client, TestSite};

const BOOKS: &str = "/api/v2/document/Book";

/// A library with many more books, of which every third has no author and all have few different numbers of pages.
async fn many(books: usize) -> (TestSite, Client) {
    let (site, alice) = library_with_books().await;
    for number in 0..books {
        let author = (!number.is_multiple_of(3)).then(|| format!("Author {}", number % 7));
        let values = json!({"title": format!("Book {number:04}"), "author": author, "pages": number % 5});
        site.db_insert("Book", values).await;
    }
    (site, alice)
}

fn lines(body: &str) -> Vec<Json> {
    body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn names(rows: &[Json]) -> Vec<String> {
    rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

/// All rows by cursor, so many at once; `between` happens before each further page.
async fn by_cursor(client: &Client, query: &str, limit: usize, mut between: impl AsyncFnMut(usize)) -> Vec<Json> {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    for page in 0.. {
        let answer = client.get(&format!("{BOOKS}?limit={limit}&cursor={cursor}&{query}")).await.status(200).json();
        rows.extend(answer["data"].as_array().unwrap().iter().cloned());
        let Some(next) = answer["next_cursor"].as_str() else {
            assert_eq!(answer["has_next_page"], false);
            return rows;
        };
        next.clone_into(&mut cursor);
        between(page).await;
    }
    rows
}

#[tokio::test]
async fn lines_and_csv_hold_every_row_in_order() {
    let (site, alice) = many(1203).await;
    let as_lines = alice.with_header("accept", "application/x-ndjson");
    for query in
        ["order_by=author%20desc,pages", "order_by=author", "order_by=pages%20desc", "order_by=name%20desc", ""]
    {
        let fields = "fields=[%22name%22,%22author%22]";
        let whole = alice.get(&format!("{BOOKS}?{fields}&limit=0&{query}")).await.ok();
        let answer = as_lines.get(&format!("{BOOKS}?{fields}&{query}")).await.status(200);
        assert_eq!(answer.header("content-type"), "application/x-ndjson");
        assert_eq!(Json::from(lines(&answer.body)), whole, "{query}");
        assert_eq!(whole.as_array().unwrap().len(), 1206);
    }
    let some = as_lines.get(&format!("{BOOKS}?limit=700&start=2&order_by=name")).await.status(200);
    let rows = lines(&some.body);
    assert_eq!((rows.len(), &rows[0]["name"]), (700, &json!("Book 0002")));
    // Groups have no places of their own, and come as well.
    let groups = format!("{BOOKS}?fields=[%22title%22,%22count(name)%20as%20n%22]&group_by=title");
    assert_eq!(lines(&as_lines.get(&groups).await.status(200).body).len(), 1206);
    let csv = alice.with_header("accept", "text/csv");
    let answer = csv
        .get(&format!("{BOOKS}?fields=[%22name%22,%22pages%22]&order_by=name&filters={{%22author%22:%22Joyce%22}}"))
        .await;
    assert!(answer.header("content-disposition").contains("Book.csv"), "{:?}", answer.headers);
    assert_eq!(answer.status(200).body, "name,pages\r\nUlysses,730\r\n");
    let single = as_lines.get("/api/v2/document/Library%20Rules").await.status(200);
    assert_eq!(lines(&single.body).len(), 1);
    // Rights and refusals are those of every list.
    csv.get("/api/v2/document/Nothing").await.error(404, "DoesNotExistError");
    as_lines.get(&format!("{BOOKS}?order_by=nothing")).await.error(417, "DataError");
    let stranger = site.user("stranger@example.com", &[]).await.with_header("accept", "application/x-ndjson");
    stranger.get(BOOKS).await.error(403, "PermissionError");
    let reader = site.user("reader@example.com", &[READER]).await.with_header("accept", "application/x-ndjson");
    let seen = lines(&reader.get(&format!("{BOOKS}?fields=[%22name%22,%22price%22]")).await.status(200).body);
    assert!(seen.len() == 1206 && seen[0].get("price").is_none());
}

#[tokio::test]
async fn pages_by_cursor_neither_skip_nor_repeat_while_rows_come_and_go() {
    let (site, alice) = many(40).await;
    for query in
        ["order_by=author%20desc,pages", "order_by=author", "order_by=pages%20desc", "order_by=creation%20desc"]
    {
        let whole = alice.get(&format!("{BOOKS}?limit=0&{query}")).await.ok();
        let rows = by_cursor(&alice, query, 7, async |page| {
            // Before and behind the place where the reader is.
            for (title, author) in [("A", None), ("Z", Some("zz"))] {
                let values = json!({"title": format!("{title} {page} {query}"), "author": author, "pages": page});
                site.db_insert("Book", values).await;
            }
        })
        .await;
        let mut seen = names(&rows);
        assert_eq!(seen.iter().collect::<std::collections::BTreeSet<_>>().len(), seen.len(), "none twice: {query}");
        let before = names(whole.as_array().unwrap());
        seen.retain(|name| before.contains(name));
        assert_eq!(seen, before, "none skipped, in order: {query}");
    }
}

#[tokio::test]
async fn a_cursor_is_of_one_list_and_tells_nothing() {
    let (_site, alice) = library_with_books().await;
    let list = async |query: &str| alice.get(&format!("{BOOKS}?{query}")).await;
    let first = list("limit=1&cursor=&order_by=pages").await.status(200).json();
    let cursor = first["next_cursor"].as_str().unwrap();
    assert!(!cursor.contains("300") && !cursor.contains("Emma"), "{cursor}");
    let second = list(&format!("limit=1&cursor={cursor}&order_by=pages")).await.ok();
    assert_eq!(second, json!([{"name": "Dune"}]));
    for (query, what) in [
        (format!("limit=1&cursor={cursor}&order_by=author"), "another order"),
        (format!("limit=1&cursor={cursor}x&order_by=pages"), "changed"),
        (format!("limit=1&start=1&cursor={cursor}&order_by=pages"), "with start"),
        ("limit=0&cursor=".to_owned(), "all at once"),
        ("limit=1&cursor=&group_by=author&fields=[%22author%22]".to_owned(), "groups"),
    ] {
        list(&query).await.error(417, "ValidationError");
        assert!(!what.is_empty());
    }
    let other = alice.get(&format!("/api/v2/document/Shelf?cursor={cursor}")).await;
    other.error(417, "ValidationError");
    assert!(list("limit=1").await.json().get("next_cursor").is_none(), "it is there for those who ask");
    let by_rows = "limit=1&cursor=&filters=[[%22Chapter%22,%22pages%22,%22%3E%22,5]]&order_by=pages%20desc";
    let page = list(by_rows).await.status(200).json();
    let rest =
        list(&by_rows.replace("cursor=", &format!("cursor={}", page["next_cursor"].as_str().unwrap()))).await.ok();
    assert_eq!(rest, json!([{"name": "Dune"}]));
}
