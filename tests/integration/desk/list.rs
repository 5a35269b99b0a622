//! Lists: search, filters, sorting, paging, deletion.

use serde_json::json;

use super::{LOAN, LOAN_LINE};
use crate::support::TestSite;

async fn library() -> TestSite {
    let site = TestSite::new().with_doctype(LOAN).with_doctype(LOAN_LINE).await;
    for (title, kind, days) in [("Dune", "Novel", 14), ("Walden", "Essay", 7), ("Emma", "Novel", 21)] {
        site.db_insert("Loan", json!({"title": title, "kind": kind, "days": days})).await;
    }
    site
}

/// The address of the list with a query that is not encoded yet.
fn address(query: &str) -> String {
    const QUERY: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'=').remove(b'&').remove(b'+').remove(b'_').remove(b'.');
    format!("/app/loan?{}", percent_encoding::utf8_percent_encode(query, QUERY))
}

fn order_of(page: &str, titles: [&str; 3]) -> bool {
    let at: Vec<_> = titles.iter().map(|title| page.find(&format!(">{title}</a>"))).collect();
    at.iter().all(Option::is_some) && at.is_sorted()
}

#[tokio::test]
async fn lists_search_filter_and_sort() {
    let site = library().await;
    let reader = site.user("reader@example.com", &[]).await;
    let page = reader.get("/app/loan?order_by=days%20asc").await.status(200).body;
    assert!(order_of(&page, ["Walden", "Dune", "Emma"]) && page.contains("1–3 of 3"));
    assert!(page.contains("aria-sort=\"ascending\""));
    let page = reader.get("/app/loan?q=une").await.status(200).body;
    assert!(page.contains(">Dune</a>") && !page.contains(">Emma</a>"));
    let page = reader.get("/app/loan?kind=Essay").await.status(200).body;
    assert!(page.contains(">Walden</a>") && page.contains("1–1 of 1"));
    let page = reader.get("/app/loan?q=nothing").await.status(200).body;
    assert!(page.contains("Nothing matches"));
    let page = reader.get("/app/loan?days=many").await.status(200).body;
    assert!(page.contains("notice-red"), "a filter that does not parse is said");
    // A level that one may not read is not a filter either.
    let page = reader.get("/app/loan?fine=3").await.status(200).body;
    assert!(page.contains("no field &#x60;fine&#x60; that you may filter by") && !page.contains(">Dune</a>"), "{page}");
}

#[tokio::test]
async fn what_a_list_cannot_do_is_said_and_shows_nothing_else() {
    let site = library().await;
    let reader = site.user("reader@example.com", &[]).await;
    for (query, said) in [
        ("nonsense=1", "no field `nonsense` that you may filter by"),
        ("order_by=nope", "no field `nope` that you may sort by"),
        ("order_by=days+sideways", "`sideways` is not an order"),
        ("order_by=fine", "no field `fine` that you may sort by"),
        ("days=many", "Filter Days: must"),
        ("days=[\"wider\",3]", "wider"),
        ("filters=[[\"days\"", "must be JSON"),
        ("filters=[[\"fine\",\">\",1]]", "fine"),
        ("filters=[[\"nope\",\"=\",1]]", "nope"),
        ("User.email=x", "no field `User.email`"),
    ] {
        let page = reader.get(&address(query)).await.status(200).body;
        assert!(page.contains("notice-red") && page.contains(&said.replace('`', "&#x60;")), "{query}: {page}");
        assert!(!page.contains(">Dune</a>"), "{query} is not ignored");
    }
}

#[tokio::test]
async fn addresses_filter_as_frappes_do() {
    let site = library().await;
    site.db_insert("Loan", json!({"title": "Lines", "days": 50, "lines": [{"volume": "IX"}]})).await;
    let reader = site.user("reader@example.com", &[]).await;
    for (query, expected) in [
        (r#"days=[">",10]&days=["<",20]"#, vec!["Dune"]),
        (r#"days=["between",[7,14]]"#, vec!["Dune", "Walden"]),
        (r#"kind=["in",["Essay","Poem"]]"#, vec!["Walden"]),
        (r#"kind=["in","Essay,Poem"]"#, vec!["Walden"]),
        (r#"kind=["!=","Novel"]&days=["<",40]"#, vec!["Walden"]),
        (r#"title=["like","%mm%"]"#, vec!["Emma"]),
        (r#"title=["not like","%e%"]"#, vec![]),
        (r#"reader=["is","set"]"#, vec![]),
        (r#"filters=[["days",">",15],["days","<",40]]"#, vec!["Emma"]),
        (r#"filters={"kind":"Essay"}"#, vec!["Walden"]),
        (r#"filters=["kind","=","Essay"]"#, vec!["Walden"]),
        ("Loan.kind=Essay", vec!["Walden"]),
        ("Loan+Line.volume=IX", vec!["Lines"]),
        ("days=14", vec!["Dune"]),
    ] {
        let page = reader.get(&address(query)).await.status(200).body;
        assert!(!page.contains("notice-red"), "{query}: {page}");
        for title in ["Dune", "Emma", "Lines", "Walden"] {
            assert_eq!(page.contains(&format!(">{title}</a>")), expected.contains(&title), "{query}: {title}");
        }
    }
    let page = reader.get("/app/loan?days=[%22%3E%22,10]").await.status(200).body;
    assert!(page.contains("value=\"[&quot;&gt;&quot;,10]\""), "the filter stays to be changed: {page}");
    let page = site.administrator().await.get("/app/loan?days=[%22%3E%22,10]").await.status(200).body;
    assert!(page.contains("href=\"/app/loan/new\""), "an operator is not a value for a new document: {page}");
}

#[tokio::test]
async fn lists_have_pages() {
    let site = library().await;
    for number in 0..20 {
        site.db_insert("Loan", json!({"title": format!("More {number}")})).await;
    }
    let administrator = site.administrator().await;
    let page = administrator.get("/app/loan?page=2").await.status(200).body;
    assert!(page.contains("21–23 of 23") && page.contains("rel=\"prev\"") && !page.contains("rel=\"next\""));
}

#[tokio::test]
async fn an_empty_list_says_what_it_is_for() {
    let site = TestSite::new().with_doctype(LOAN).with_doctype(LOAN_LINE).await;
    let page = site.administrator().await.get("/app/loan").await.status(200).body;
    assert!(page.contains("No Loan yet") && page.contains("/app/loan/new"));
    let page = site.user("reader@example.com", &[]).await.get("/app/loan").await.status(200).body;
    assert!(!page.contains("/app/loan/new"), "a reader cannot make one");
}

#[tokio::test]
async fn several_are_deleted_after_a_question() {
    let site = library().await;
    let administrator = site.administrator().await;
    let names = site.db_names("Loan", json!([["kind", "=", "Novel"]])).await;
    let page = administrator.get("/app/loan").await.status(200);
    let token = page.body.split("name=\"csrf_token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let fields = |action| [("csrf_token", &*token), ("names", &*names[0]), ("names", &*names[1]), ("__action", action)];
    let question = administrator.form("/app/loan", &fields("delete")).await.status(200).body;
    assert!(question.contains("2 documents") && question.contains("delete_confirmed"));
    assert_eq!(administrator.form("/app/loan", &fields("delete_confirmed")).await.redirect(), "/app/loan");
    assert!(administrator.get("/app/loan").await.status(200).body.contains("Deleted 2 documents"));
    assert!(!administrator.get("/app/loan").await.status(200).body.contains("Deleted 2 documents"), "it is said once");
    assert_eq!(site.db_names("Loan", json!([])).await.len(), 1);
    administrator.form("/app/loan", &[("names", &names[0]), ("__action", "delete_confirmed")]).await.status(400);
}
