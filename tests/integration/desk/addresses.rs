//! Addresses: Frappe's lead to our pages, errors lead on, and people who do not use the desk have a page of their own.

use serde_json::json;

use super::{LOAN, LOAN_LINE};
use crate::support::{PASSWORD, TestSite};

#[tokio::test]
async fn the_addresses_of_frappes_desk_lead_to_the_same_pages() {
    let site = TestSite::new().with_doctype(LOAN).with_doctype(LOAN_LINE).await;
    let administrator = site.administrator().await;
    for (theirs, ours) in [
        ("/desk", "/app"),
        ("/desk/user", "/app/user"),
        ("/desk/List/User", "/app/user"),
        ("/app/home", "/app"),
        ("/app/List/User", "/app/user"),
        ("/app/List/User/List", "/app/user"),
        ("/app/user/view/list?enabled=1", "/app/user?enabled=1"),
        ("/app/loan/view/report", "/app/loan?view=report"),
        ("/app/loan/view/kanban/Board", "/app/loan?view=kanban"),
        ("/app/loan/view/calendar/default?kind=Novel", "/app/loan?view=calendar&kind=Novel"),
        ("/app/List/Loan/Kanban/Board", "/app/loan?view=kanban"),
        ("/app/Tree/Loan", "/app/loan?view=tree"),
        ("/app/User", "/app/user"),
        ("/app/oauth%20client", "/app/oauth-client"),
        ("/app/OAuth%20Client/view/list", "/app/oauth-client"),
        ("/app/Form/User/Administrator", "/app/user/Administrator"),
        ("/app/form/user/a%2Fb", "/app/user/a%2Fb"),
        ("/app/user/a/b", "/app/user/a%2Fb"),
        ("/app/Form/System%20Settings", "/app/system-settings"),
        ("/app/Form/System%20Settings/System%20Settings", "/app/system-settings"),
        ("/app/Form/Loan/new-loan-1", "/app/loan/new"),
        ("/app/print/Loan/L-1", "/app/loan/L-1"),
        ("/desk/user/Administrator", "/app/user/Administrator"),
    ] {
        assert_eq!(administrator.get(theirs).await.redirect(), ours, "{theirs}");
    }
    for nowhere in ["/app/List/Nothing", "/app/nothing/view/list", "/app/query-report/x", "/app/Form/Loan%20Line/x"] {
        administrator.get(nowhere).await.status(404);
    }
}

#[tokio::test]
async fn a_page_that_fails_leads_on() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    let lost = administrator.get("/app/nothing").await.status(404).body;
    for link in ["href=\"/app\"", "href=\"/me\"", "action=\"/logout\"", "name=\"q\""] {
        assert!(lost.contains(link), "{link}: {lost}");
    }
    let guest = site.guest().get("/nothing?a=b").await.status(404).body;
    assert!(guest.contains("/login?redirect-to") && guest.contains("%2Fnothing%3Fa%3Db"), "{guest}");
}

#[tokio::test]
async fn people_who_do_not_use_the_desk_land_on_their_own_page() {
    let site = TestSite::new().with_doctype(LOAN).with_doctype(LOAN_LINE).await;
    site.db_user("web@example.com", json!({"user_type": "Website User"})).await;
    let web = site.guest();
    let login = [("usr", "web@example.com"), ("pwd", PASSWORD), ("redirect-to", "")];
    assert_eq!(web.form("/login", &login).await.redirect(), "/me");
    for start in ["/", "/login", "/app"] {
        assert_eq!(web.get(start).await.redirect(), "/me", "{start}");
    }
    let page = web.get("/me").await.status(200).body;
    assert!(page.contains("web@example.com") && page.contains("What you may read"), "{page}");
    let refused = web.get("/app/loan").await.status(403).body;
    assert!(refused.contains("href=\"/me\""), "{refused}");
}
