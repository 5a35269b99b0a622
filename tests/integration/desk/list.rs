//! Lists: search, filters, sorting, paging, deletion.

use serde_json::json;

use super::{LOAN, LOAN_LINE, unescape};
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

fn token(page: &crate::support::client::Response) -> String {
    page.body.split("name=\"csrf_token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_form_of_filters_orders_and_columns_becomes_an_address_that_says_it_all() {
    let site = library().await;
    let reader = site.user("reader@example.com", &[]).await;
    let sent = "where.0.join=and&where.0.field=days&where.0.operator=>&where.0.value=10&where.1.join=and&where.1.field=kind\
                &where.1.operator=in&where.1.value=Novel, Poem&where.2.join=or&where.2.field=title&where.2.operator=like\
                &where.2.value=Wald&where.3.field=&where.3.operator=%3D&where.3.value=&sort.0.field=kind&sort.0.order=asc\
                &sort.1.field=days&sort.1.order=desc&column=&column=reason&column=kind&page_length=50&q=";
    let moved = reader.get(&address(sent).replace("%2525", "%25")).await.redirect();
    assert!(
        !moved.contains("where.") && !moved.contains("sort.") && moved.contains("columns=reason%2Ckind"),
        "{moved}"
    );
    let page = reader.get(&moved).await.status(200).body;
    assert!(order_of(&page, ["Walden", "Emma", "Dune"]), "{page}");
    let heads: Vec<&str> = page.split("<th scope=\"col\"").skip(1).collect();
    let at = |label: &str| heads.iter().position(|head| head.split("</th>").next().unwrap().contains(label));
    assert!(at("Reason") < at("Kind") && at("Days").is_none(), "{heads:?}");
    // What the address says stands in the form again, and the next page keeps it.
    assert!(page.contains("value=\"Novel, Poem\"") && page.contains("<option value=\"or\" selected>"), "{page}");
    assert_eq!(reader.get(&moved).await.status(200).body.matches("data-where=").count(), 4, "three and an empty one");
    let narrowed = reader.get(&moved.replace("%22or%22", "%22and%22")).await.status(200).body;
    assert!(narrowed.contains("name=\"filters\""), "what rows cannot say stands as it is in the address");
}

#[tokio::test]
async fn lists_say_what_columns_orders_and_lengths_they_do_not_have() {
    let site = library().await;
    let reader = site.user("reader@example.com", &[]).await;
    for (query, expected) in [
        ("columns=days,nope", "no field `nope` that you may show as a column"),
        ("columns=fine", "no field `fine` that you may show as a column"),
        ("page_length=7", "`page_length` is one of"),
        ("order_by=days asc, nope desc", "no field `nope` that you may sort by"),
        ("order_by=days,kind,title,name", "sorted by at most 3 fields"),
    ] {
        let page = reader.get(&address(query)).await.status(200).body;
        assert!(page.contains(&expected.replace('`', "&#x60;")) && !page.contains(">Dune</a>"), "{query}: {page}");
    }
}

#[tokio::test]
async fn a_page_has_as_many_rows_as_are_asked_for() {
    let site = library().await;
    for number in 0..50 {
        site.db_insert("Loan", json!({"title": format!("More {number}")})).await;
    }
    let administrator = site.administrator().await;
    let page = administrator.get("/app/loan?page_length=50&order_by=days+desc,+title").await.status(200).body;
    assert!(page.contains("1–50 of 53") && unescape(&page).contains("page_length=50&page=2"), "{page}");
}

#[tokio::test]
async fn several_documents_are_changed_with_a_result_for_each() {
    let site = library().await;
    let administrator = site.administrator().await;
    let names = site.db_names("Loan", json!([["kind", "=", "Novel"]])).await;
    let essay = site.db_names("Loan", json!({"kind": "Essay"})).await.remove(0);
    let token = token(&administrator.get("/app/loan").await.status(200));
    let send = async |action: &str, more: &[(&str, &str)], names: &[&str]| {
        let mut fields = vec![("csrf_token", token.as_str()), ("__action", action)];
        fields.extend(more);
        fields.extend(names.iter().map(|name| ("names", *name)));
        administrator.form("/app/loan?kind=Novel", &fields).await
    };
    let both: Vec<&str> = names.iter().map(String::as_str).collect();
    let edit = [("__field", "days"), ("__value", "9")];
    assert_eq!(send("bulk:edit", &edit, &both).await.redirect(), "/app/loan?kind=Novel");
    assert!(administrator.get("/app/loan").await.body.contains("Changed 2 documents"));
    assert_eq!(site.db_names("Loan", json!({"days": 9})).await.len(), 2);
    send("bulk:tag", &[("__tag", "red")], &both).await.redirect();
    assert_eq!(site.db_names("Loan", json!([["_user_tags", "like", "%,red%"]])).await.len(), 2);
    send("bulk:submit", &[], &both).await.redirect();
    assert_eq!(site.db_names("Loan", json!({"docstatus": 1})).await.len(), 2);
    // One of three cannot be cancelled: the others are, and it is said which and why.
    let mixed = send("bulk:cancel", &[], &[both[0], &essay, both[1]]).await.status(200).body;
    assert_eq!(site.db_names("Loan", json!({"docstatus": 2})).await.len(), 2);
    let results = mixed.split("class=\"results\"").nth(1).unwrap().split("</ul>").next().unwrap();
    assert_eq!((results.matches(": done").count(), results.matches("<li>").count()), (2, 3), "{results}");
    assert!(results.contains(&format!("{essay}</a>: ")), "{results}");
    // A value that does not fit changes nothing.
    let refused = send("bulk:edit", &[("__field", "days"), ("__value", "-1")], &[&essay]).await.status(417).body;
    assert!(refused.contains("class=\"results\""), "{refused}");
    assert_eq!(administrator.read("Loan", &essay).await.ok()["days"], 7);
    let export = send("bulk:export", &[], &both).await.redirect();
    let page = administrator.get(&export).await.status(200);
    assert!(page.body.contains("The 2 documents that you have selected"), "{}", page.body);
    let chosen = administrator.get(&format!("{export}&column=title&file_type=CSV")).await.redirect();
    let file = administrator.get(&chosen).await.status(200);
    assert!(file.body.contains("Dune") && !file.body.contains("Walden"), "{}", file.body);
}

#[tokio::test]
async fn readers_cannot_change_several_documents() {
    let site = library().await;
    let reader = site.user("reader@example.com", &[]).await;
    let page = reader.get("/app/loan").await.status(200);
    for button in ["bulk:edit", "bulk:tag", "bulk:submit", "bulk:cancel", "bulk:export", "/app/_export"] {
        assert!(!page.body.contains(button), "{button}");
    }
    let (token, names) = (token(&page), site.db_names("Loan", json!([])).await);
    for action in ["bulk:edit", "bulk:tag", "bulk:submit"] {
        let typed = [
            ("csrf_token", &*token),
            ("names", &*names[0]),
            ("__field", "days"),
            ("__value", "1"),
            ("__tag", "x"),
            ("__action", action),
        ];
        reader.form("/app/loan", &typed).await.status(403);
    }
    assert_eq!(site.db_names("Loan", json!({"days": 1})).await, [""; 0]);
}

#[tokio::test]
async fn what_a_list_shows_is_exported() {
    let site = library().await;
    let administrator = site.administrator().await;
    let page = administrator.get("/app/loan?columns=days&q=une&order_by=days+asc").await.status(200).body;
    let link_to = |page: &str, path: &str| {
        let link = page.split(&format!("href=\"{path}")).nth(1).unwrap();
        format!("{path}{}", unescape(link.split('"').next().unwrap()))
    };
    let export = link_to(&page, "/app/_export");
    let page = administrator.get(&export).await.status(200).body;
    assert!(page.contains("Everything that the filters of the list match"), "{page}");
    // As a table to import, and as it is shown.
    let chosen = administrator.get(&format!("{export}&column=days&file_type=CSV")).await.redirect();
    assert_eq!(administrator.get(&chosen).await.status(200).body, "Days\r\n14\r\n");
    let plain = link_to(&page, "/api/method/frappe.desk.reportview.export_query")
        .replace("file_format_type=Excel", "file_format_type=CSV");
    let file = administrator.get(&plain).await.status(200);
    let lines: Vec<&str> = file.body.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].ends_with("Title,Days") && lines[1].ends_with("Dune,14"), "{lines:?}");
}

#[tokio::test]
async fn a_list_is_saved_for_oneself_or_for_everyone() {
    let site = library().await;
    let administrator = site.administrator().await;
    let reader = site.user("reader@example.com", &[]).await;
    let uri = "/app/loan?kind=Novel&columns=days";
    let token = token(&administrator.get(uri).await.status(200));
    for (name, shared) in [("Mine alone", ""), ("Novels", "1")] {
        let typed = [("csrf_token", &*token), ("__view", name), ("__shared", shared), ("__action", "save_view")];
        assert_eq!(administrator.form(uri, &typed).await.redirect(), uri);
    }
    let own = administrator.get("/app/loan").await.status(200).body;
    let href = format!("href=\"{uri}\"");
    assert!(own.contains(">Mine alone</a>") && own.contains(">Novels</a>") && unescape(&own).contains(&href), "{own}");
    let theirs = reader.get("/app/loan").await.status(200).body;
    assert!(!theirs.contains("Mine alone") && theirs.contains(">Novels</a>"), "{theirs}");
    let novels = site.db_names("List Filter", json!({"filter_name": "Novels"})).await.remove(0);
    let own_token = self::token(&reader.get(uri).await.status(200));
    let action = format!("forget_view:{novels}");
    reader.form(uri, &[("csrf_token", &*own_token), ("__action", &*action)]).await.status(403);
    administrator.form(uri, &[("csrf_token", &*token), ("__action", &*action)]).await.redirect();
    assert!(!reader.get("/app/loan").await.body.contains(">Novels</a>"));
}
