//! `limited_to`: which documents somebody sees, whatever roles and shares give.

use serde_json::json;

use crate::support::TestSite;

const NOTE: &str = "
name: Paper
module: Library
limited_to: [[public, '=', 1], [owner, '=', __user], [about, in, __readable]]
limited_except: Librarian
fields:
  - { fieldname: title, fieldtype: Data }
  - { fieldname: public, fieldtype: Check }
  - { fieldname: about, fieldtype: Data }
permissions:
  - { role: Desk User, read: 1, write: 1, create: 1, delete: 1, share: 1 }
  - { role: Librarian, read: 1 }
";

#[tokio::test]
async fn documents_outside_limited_to_are_neither_listed_nor_read_nor_written() {
    let site = TestSite::new().with_doctype(NOTE).await;
    let alice = site.user("alice@example.com", &[]).await;
    let bob = site.user("bob@example.com", &[]).await;
    let librarian = site.user("carol@example.com", &["Librarian"]).await;
    let mut names = Vec::new();
    for (title, public, about) in
        [("open", 1, ""), ("own", 0, ""), ("about papers", 0, "Paper"), ("about roles", 0, "Role")]
    {
        let paper = json!({"title": title, "public": public, "about": about});
        names.push(alice.create("Paper", paper).await.ok()["name"].as_str().unwrap().to_owned());
    }
    let listed = async |client: &crate::support::Client| {
        let list = client.list("Paper", "fields=[\"title\"]&order_by=title asc").await.ok();
        let titles = list.as_array().unwrap().iter().map(|row| row["title"].as_str().unwrap().to_owned());
        titles.collect::<Vec<String>>()
    };
    assert_eq!(listed(&alice).await.len(), 4);
    assert_eq!(listed(&bob).await, ["about papers", "open"]);
    assert_eq!(listed(&librarian).await.len(), 4);
    let count = bob.call("frappe.client.get_count", json!({"doctype": "Paper"})).await.ok();
    assert_eq!(count, 2);
    bob.read("Paper", &names[0]).await.ok();
    for hidden in [&names[1], &names[3]] {
        bob.read("Paper", hidden).await.status(403);
        bob.update("Paper", hidden, json!({"title": "mine now"})).await.status(403);
        bob.remove("Paper", hidden).await.status(403);
        librarian.read("Paper", hidden).await.ok();
    }
    // The same for a name that does not exist.
    bob.read("Paper", "nothing").await.status(403);
    let share = json!({"doctype": "Paper", "name": names[1], "user": "bob@example.com", "read": 1});
    alice.call("frappe.share.add", share).await.ok();
    bob.read("Paper", &names[1]).await.status(403);
    assert_eq!(listed(&bob).await.len(), 2, "a share does not reach beyond it");
}
