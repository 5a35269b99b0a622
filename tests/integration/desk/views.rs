//! The ways to show a list: groups with counts, a board, a calendar, a tree.

use chrono::{TimeZone as _, Utc};
use serde_json::json;

use super::{LOAN, LOAN_LINE, unescape};
use crate::browser::{Browser, is_wanted};
use crate::support::client::Response;
use crate::support::{Client, TestSite};

/// Things to do, on days, with a level of its own and people who see some alone.
pub const TASK: &str = "
name: Task
module: Work
title_field: title
is_tree: true
nsm_parent_field: above
track_changes: true
fields:
  - { fieldname: title, fieldtype: Data, label: Title, reqd: true, in_list_view: true, description: What is to be done. }
  - { fieldname: status, fieldtype: Select, label: Status, options: [Open, Doing, Done], default: Open, in_standard_filter: true, description: Where it stands. }
  - { fieldname: size, fieldtype: Select, label: Size, options: ['', Small, Large], in_list_view: true, description: How much it is. }
  - { fieldname: urgent, fieldtype: Check, label: Urgent, description: It cannot wait. }
  - { fieldname: person, fieldtype: Link, options: User, label: Person, description: Who does it. }
  - { fieldname: due, fieldtype: Date, label: Due, description: By when. }
  - { fieldname: until, fieldtype: Date, label: Until, description: The last day. }
  - { fieldname: at, fieldtype: Datetime, label: At, description: When it begins. }
  - { fieldname: grade, fieldtype: Select, options: [A, B], label: Grade, permlevel: 1, description: How well. }
  - { fieldname: above, fieldtype: Link, options: Task, label: Part Of, ignore_user_permissions: true, description: What it is a part of. }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true }
  - { role: System Manager, permlevel: 1, read: true, write: true }
  - { role: Desk User, read: true, if_owner: false }
";

async fn work() -> TestSite {
    let site = TestSite::new().with_doctype(TASK).await;
    for values in [
        json!({"title": "Plan", "status": "Open", "size": "Large", "due": "2026-11-02", "urgent": 1}),
        json!({"title": "Build", "status": "Doing", "size": "Large", "due": "2026-11-02", "until": "2026-11-04"}),
        json!({"title": "Test", "status": "Open", "due": "2026-12-24", "person": "Administrator"}),
        json!({"title": "Ship", "status": "Done", "size": "Small", "due": "2020-01-31"}),
    ] {
        site.db_insert("Task", values).await;
    }
    site
}

/// What stands between two texts.
fn part<'p>(page: &'p str, from: &str, to: &str) -> &'p str {
    page.split(from).nth(1).unwrap_or_else(|| panic!("no {from} in {page}")).split(to).next().unwrap()
}

/// The links of a part of a page: what they say, and where they lead.
fn links(part: &str) -> Vec<(String, String)> {
    let text = |html: &str| {
        let plain: String =
            html.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text)).collect();
        plain.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let link = |anchor: &str| {
        let href = unescape(part_of(anchor, "href=\"", "\""));
        let inner = anchor.split_once('>').map_or("", |(_, inner)| inner).split("</a>").next().unwrap();
        (text(&format!(">{inner}")), href)
    };
    part.split("<a ").skip(1).map(link).collect()
}

fn part_of<'p>(text: &'p str, from: &str, to: &str) -> &'p str {
    text.split(from).nth(1).unwrap_or_default().split(to).next().unwrap_or_default()
}

fn groups(page: &Response) -> Vec<(String, String)> {
    links(part(&page.body, "class=\"groups card\"", "</ul>"))
}

#[tokio::test]
async fn a_list_counts_the_values_of_a_field_and_each_count_leads_to_its_documents() {
    let site = work().await;
    let admin = site.administrator().await;
    for (query, expected) in [
        ("group_by=status", vec!["Open 2", "Doing 1", "Done 1"]),
        ("group_by=size", vec!["Large 2", "Small 1", "Not set 1"]),
        ("group_by=urgent", vec!["No 3", "Yes 1"]),
        ("group_by=person", vec!["Administrator 1", "Not set 3"]),
        ("group_by=due", vec!["December 2026 1", "November 2026 2", "January 2020 1"]),
        ("group_by=at", vec!["Not set 4"]),
        ("group_by=status&size=Large", vec!["Doing 1", "Open 1"]),
        ("group_by=status&q=pla", vec!["Open 1"]),
    ] {
        let page = admin.get(&format!("/app/task?{query}")).await.status(200);
        let mut told = groups(&page);
        let mut labels: Vec<&str> = told.iter().map(|(label, _)| label.as_str()).collect();
        let mut expected = expected;
        if !query.contains("due") {
            labels.sort_unstable();
            expected.sort_unstable();
        }
        assert_eq!(labels, expected, "{query}");
        told.retain(|(_, href)| href != "#");
        for (label, href) in told {
            let count = label.rsplit(' ').next().unwrap();
            let list = admin.get(&href).await.status(200).body;
            assert!(
                list.contains(&format!(" of {count}</p>")) && !list.contains("notice-red"),
                "{query}: {href}: {list}"
            );
        }
    }
    // Programs count in the same way.
    let count = |field: &str| json!({"doctype": "Task", "field": field, "current_filters": [["size", "=", "Large"]]});
    let told = admin.call("frappe.desk.listview.get_group_by_count", count("status")).await.ok();
    let mut told = told.as_array().unwrap().clone();
    told.sort_by_key(|row| row["name"].as_str().unwrap().to_owned());
    assert_eq!(told, [json!({"name": "Doing", "count": 1}), json!({"name": "Open", "count": 1})]);
    admin.call("frappe.desk.listview.get_group_by_count", count("nope")).await.error(417, "ValidationError");
    for (query, said) in [
        ("group_by=title", "no field `title` that you may group by"),
        ("group_by=nope", "no field `nope` that you may group by"),
        ("view=wall", "`view` is list, report, kanban, calendar or tree, not wall"),
        ("view=kanban&by=due", "no field `due` of the type Select"),
        ("view=calendar&by=status", "no field `status` of the type Date or Datetime"),
        ("view=calendar&month=soon", "`month` is a month such as 2026-11, not soon"),
        ("view=calendar&end=title", "no field `title` with the last day"),
        ("view=tree&node=nothing", "There is no Task `nothing` that you may read"),
        ("view=tree&status=Open", "A tree shows all documents"),
        ("by=status", "no field `by` that you may filter by"),
    ] {
        let page = admin.get(&format!("/app/task?{query}")).await.status(200).body;
        assert!(page.contains("notice-red") && unescape(&page).contains(said), "{query}: {page}");
        assert!(!page.contains(">Plan</a>"), "{query} is not ignored");
    }
}

#[tokio::test]
async fn no_view_shows_what_its_reader_may_not_read() {
    let site = work().await;
    site.db_update("Task", &task(&site, "Plan").await, json!({"grade": "A"})).await;
    let bob = site.user("bob@example.com", &[]).await;
    for query in ["group_by=grade", "view=kanban&by=grade"] {
        let page = bob.get(&format!("/app/task?{query}")).await.status(200).body;
        assert!(page.contains("notice-red") && !page.contains(">Plan</a>"), "{query}: {page}");
    }
    let count = json!({"doctype": "Task", "field": "grade"});
    let told = site.administrator().await.call("frappe.desk.listview.get_group_by_count", count.clone()).await.ok();
    assert!(told.to_string().contains("\"A\""), "{told}");
    let told = bob.call("frappe.desk.listview.get_group_by_count", count).await;
    assert!(!told.body.contains("\"A\""), "{}", told.body);
    let page = bob.get("/app/task?view=kanban").await.status(200).body;
    assert!(
        page.contains(">Plan</a>") && !page.contains("value=\"move\"") && !page.contains("/app/task/new"),
        "{page}"
    );
    assert!(!page.contains(">Grade</option>"), "{page}");
    // Somebody who sees one task counts, and is shown, one task.
    let seen = json!({"user": "bob@example.com", "allow": "Task", "for_value": task(&site, "Build").await});
    site.db_insert("User Permission", seen).await;
    let page = bob.get("/app/task?group_by=status").await.status(200);
    assert_eq!(groups(&page).into_iter().map(|(label, _)| label).collect::<Vec<_>>(), ["Doing 1"]);
    for query in ["view=kanban", "view=calendar&by=due&month=2026-11", "view=tree"] {
        let page = bob.get(&format!("/app/task?{query}")).await.status(200).body;
        assert!(page.contains(">Build") && !page.contains(">Plan"), "{query}: {page}");
    }
}

async fn task(site: &TestSite, title: &str) -> String {
    site.db_names("Task", json!({"title": title})).await.remove(0)
}

fn column<'p>(page: &'p str, value: &str) -> &'p str {
    part(page, &format!("data-column=\"{value}\""), "</section>")
}

async fn move_card(client: &Client, address: &str, card: &str, to: &str) -> Response {
    let page = client.get(address).await.status(200).body;
    let card = page.split("<li class=\"card board-card\"").find(|text| text.contains(&format!(">{card}</a>"))).unwrap();
    let value = |name: &str| unescape(part_of(card, &format!("name=\"{name}\" value=\""), "\""));
    let fields = ["csrf_token", "names", "__title", "__modified"].map(|name| (name, value(name)));
    let mut fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    fields.extend([("__to", to), ("__action", "move")]);
    client.form(address, &fields).await
}

#[tokio::test]
async fn a_board_has_a_column_for_each_option_and_cards_that_move() {
    let site = work().await;
    let admin = site.administrator().await;
    let page = admin.get("/app/task").await.status(200).body;
    assert!(page.contains("href=\"/app/task?view&#x3D;kanban&amp;by&#x3D;status\""), "{page}");
    let address = "/app/task?view=kanban&by=status";
    let page = admin.get(address).await.status(200).body;
    for (status, titles) in [("Open", ["Plan", "Test"].as_slice()), ("Doing", &["Build"]), ("Done", &["Ship"])] {
        let column = column(&page, status);
        assert_eq!(column.matches("board-card").count(), titles.len(), "{column}");
        assert!(titles.iter().all(|title| column.contains(&format!(">{title}</a>"))), "{column}");
        assert!(column.contains(&format!("/app/task/new?status&#x3D;{status}")), "{column}");
    }
    let moved = move_card(&admin, address, "Plan", "Done").await.redirect();
    assert!(moved.starts_with(&format!("{address}#card-")), "{moved}");
    let plan = task(&site, "Plan").await;
    assert_eq!(admin.read("Task", &plan).await.ok()["status"], "Done");
    assert_eq!(site.db_names("Version", json!({"docname": plan})).await.len(), 1, "an ordinary change");
    assert!(admin.get(address).await.body.contains("Plan: Status is Done"));
    // Somebody else has changed it since the board was shown.
    let page = admin.get(address).await.status(200).body;
    let card = page.split("<li class=\"card board-card\"").find(|text| text.contains(">Build</a>")).unwrap();
    let value = |name: &str| unescape(part_of(card, &format!("name=\"{name}\" value=\""), "\""));
    let build = task(&site, "Build").await;
    admin.update("Task", &build, json!({"size": "Small"})).await.ok();
    let (token, modified) = (value("csrf_token"), value("__modified"));
    let stale = [
        ("csrf_token", token.as_str()),
        ("names", &build),
        ("__modified", &modified),
        ("__to", "Done"),
        ("__action", "move"),
    ];
    admin.form(address, &stale).await.redirect();
    let page = admin.get(address).await.status(200).body;
    assert!(page.contains("flash-red") && page.contains("was not moved"), "{page}");
    assert_eq!(admin.read("Task", &build).await.ok()["status"], "Doing");
    // A field that may be empty has a column for that; filters hold; further cards are counted.
    for number in 0..25 {
        site.db_insert("Task", json!({"title": format!("More {number}"), "status": "Done"})).await;
    }
    let page = admin.get("/app/task?view=kanban&by=size&status=Done").await.status(200).body;
    let empty = column(&page, "");
    assert!(empty.contains("Not set") && empty.contains(">25<") && empty.contains(">5 more</a>"), "{empty}");
    assert!(!page.contains(">Build</a>"), "{page}");
    move_card(&admin, "/app/task?view=kanban&by=size", "Ship", "").await.redirect();
    assert_eq!(admin.read("Task", &task(&site, "Ship").await).await.ok()["size"], "");
    // Who may not write is not let in by the address either.
    let bob = site.user("bob@example.com", &[]).await;
    let token = unescape(part_of(&bob.get("/app/task").await.body, "name=\"csrf_token\" value=\"", "\""));
    let fields = [("csrf_token", token.as_str()), ("names", &build), ("__to", "Done"), ("__action", "move")];
    bob.form(address, &fields).await.redirect();
    assert!(bob.get(address).await.body.contains("was not moved"));
    assert_eq!(admin.read("Task", &build).await.ok()["status"], "Doing");
}

/// The titles on a day of a month.
fn on(page: &str, day: &str) -> Vec<String> {
    let cell = part(page, &format!("<time datetime=\"{day}\""), "</td>");
    links(cell.split("<ul>").nth(1).unwrap_or_default()).into_iter().map(|(label, _)| label).collect()
}

#[tokio::test]
async fn a_calendar_shows_the_documents_of_a_month_on_their_days() {
    let site = work().await;
    let admin = site.administrator().await;
    site.clock.advance(Utc.with_ymd_and_hms(2026, 11, 15, 12, 0, 0).unwrap() - site.clock.now());
    let page = admin.get("/app/task?view=calendar&by=due").await.status(200).body;
    assert!(page.contains(">November 2026<") && page.contains("aria-current=\"date\""), "{page}");
    let mut second = on(&page, "2026-11-02");
    second.sort_unstable();
    assert_eq!(second, ["Build", "Plan"]);
    assert!(on(&page, "2026-11-03").is_empty() && on(&page, "2026-10-26").is_empty(), "weeks are whole");
    assert!(page.contains("/app/task/new?due&#x3D;2026-11-05"), "{page}");
    let next = links(part(&page, "aria-label=\"Months\"", "</nav>")).remove(1).1;
    assert_eq!(next, "/app/task?view=calendar&by=due&month=2026-12");
    assert_eq!(on(&admin.get(&next).await.status(200).body, "2026-12-24"), ["Test"]);
    // Until its last day.
    let page = admin.get("/app/task?view=calendar&by=due&end=until&month=2026-11&status=Doing").await.status(200).body;
    for day in ["2026-11-02", "2026-11-03", "2026-11-04"] {
        assert!(on(&page, day)[0].starts_with("Build"), "{day}: {page}");
    }
    assert!(on(&page, "2026-11-05").is_empty());
    // What began before the first day of the page and goes on.
    site.db_insert("Task", json!({"title": "Long", "due": "2026-09-01", "until": "2026-11-10"})).await;
    let page = admin.get("/app/task?view=calendar&by=due&end=until&month=2026-11&q=long").await.status(200).body;
    assert!(!on(&page, "2026-11-10").is_empty() && on(&page, "2026-11-11").is_empty(), "{page}");
    // Times are those of the person: a late evening in UTC is the next day in Tokyo.
    site.db_insert("Task", json!({"title": "Call", "at": "2026-11-20 22:30:00"})).await;
    let at = "/app/task?view=calendar&by=at&month=2026-11";
    assert_eq!(on(&admin.get(at).await.status(200).body, "2026-11-20"), ["22:30 Call"]);
    site.db_update("User", "Administrator", json!({"time_zone": "Asia/Tokyo"})).await;
    assert_eq!(on(&admin.get(at).await.status(200).body, "2026-11-21"), ["07:30 Call"]);
    // A day with many says how many more, and leads to them.
    for number in 0..8 {
        site.db_insert("Task", json!({"title": format!("Many {number}"), "due": "2026-11-27"})).await;
    }
    let page = admin.get("/app/task?view=calendar&by=due&month=2026-11").await.status(200).body;
    assert_eq!(on(&page, "2026-11-27").len(), 5);
    let cell = part(&page, "<time datetime=\"2026-11-27\"", "</td>");
    let (said, href) = links(cell).pop().unwrap();
    assert_eq!(said, "4 more");
    assert!(admin.get(&href).await.status(200).body.contains("1–8 of 8"), "{href}");
}

#[tokio::test]
async fn a_tree_unfolds_along_the_way_to_a_node() {
    let site = work().await;
    let admin = site.administrator().await;
    let (plan, build) = (task(&site, "Plan").await, task(&site, "Build").await);
    let child = site.db_insert("Task", json!({"title": "Draw", "above": plan})).await;
    let leaf = site.db_insert("Task", json!({"title": "Ink", "above": child})).await;
    // Below what is no group, the tree offers no new one.
    site.db_update("Task", &build, json!({"is_group": 1})).await;
    let tree = |page: &Response| part(&page.body, "<section class=\"card tree\"", "</section>").to_owned();
    let root = tree(&admin.get("/app/task?view=tree").await.status(200));
    assert!(root.contains(">Plan</a>") && root.contains(">Build</a>") && !root.contains(">Draw</a>"), "{root}");
    assert!(root.contains(&format!("/app/task/new?above&#x3D;{build}")), "{root}");
    assert!(!root.contains(&format!("/app/task/new?above&#x3D;{plan}")), "{root}");
    let unfold = |tree: &str, title: &str| {
        let node = tree.split("<div class=\"node\">").find(|node| node.contains(&format!(">{title}</a>"))).unwrap();
        links(node).remove(0).1
    };
    let page = tree(&admin.get(&unfold(&root, "Plan")).await.status(200));
    assert!(
        page.contains(">Draw</a>") && !page.contains(">Ink</a>") && page.contains("aria-expanded=\"true\""),
        "{page}"
    );
    let page = tree(&admin.get(&unfold(&page, "Draw")).await.status(200));
    assert!(page.contains(">Ink</a>") && page.contains(">Build</a>"), "{page}");
    // Folded up again, its parent stays open.
    let page = tree(&admin.get(&unfold(&page, "Draw")).await.status(200));
    assert!(page.contains(">Draw</a>") && !page.contains(">Ink</a>"), "{page}");
    // A leaf can be named too: the way to it is open.
    let page = tree(&admin.get(&format!("/app/task?view=tree&node={leaf}")).await.status(200));
    assert!(page.contains(">Ink</a>") && page.contains("aria-current=\"true\""), "{page}");
    // Whoever sees a branch alone begins there.
    let bob = site.user("bob@example.com", &[]).await;
    let seen = json!({"user": "bob@example.com", "allow": "Task", "for_value": child});
    site.db_insert("User Permission", seen).await;
    let page = tree(&bob.get("/app/task?view=tree").await.status(200));
    assert!(page.contains(">Draw</a>") && !page.contains(">Plan</a>") && !page.contains("/app/task/new"), "{page}");
}

#[tokio::test]
async fn a_view_keeps_filters_and_is_a_part_of_saved_lists() {
    let site = work().await;
    let admin = site.administrator().await;
    let page = admin.get("/app/task?status=Open&size=Large").await.status(200);
    let tabs = links(part(&page.body, "aria-label=\"Views\"", "</nav>"));
    let labels: Vec<&str> = tabs.iter().map(|(label, _)| label.as_str()).collect();
    assert_eq!(labels, ["List", "Report", "Kanban", "Calendar", "Tree"]);
    assert_eq!(tabs[3].1, "/app/task?status=Open&size=Large&view=calendar&by=due");
    let token = unescape(part_of(&page.body, "name=\"csrf_token\" value=\"", "\""));
    let saved = [("csrf_token", token.as_str()), ("__view", "Large ones"), ("__action", "save_view")];
    admin.form("/app/task?view=kanban&by=size&status=Open", &saved).await.redirect();
    let page = admin.get("/app/task").await.status(200).body;
    let saved = links(part(&page, "aria-label=\"Saved lists\"", "</nav>"));
    assert_eq!(saved, [("Large ones".to_owned(), "/app/task?view=kanban&by=size&status=Open".to_owned())]);
    // The form of filters keeps the view.
    let moved = admin.get("/app/task?view=kanban&by=size&q=&status=Done&where.0.field=").await.redirect();
    assert_eq!(moved, "/app/task?view=kanban&by=size&status=Done");
    // What has one way to be shown has no tabs.
    let plain = "name: Plain\nfields:\n  - { fieldname: title, fieldtype: Data, label: Title }\npermissions:\n  - { role: System Manager, read: 1 }\n";
    let site = TestSite::new().with_doctype(plain).with_doctype(LOAN).with_doctype(LOAN_LINE).await;
    let admin = site.user("reader@example.com", &["System Manager"]).await;
    assert!(!admin.get("/app/plain").await.status(200).body.contains("aria-label=\"Views\""));
    let page = admin.get("/app/plain?view=kanban").await.status(200).body;
    assert!(page.contains("no field of the type Select"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cards_are_dragged_and_moved_by_keys() {
    if !is_wanted() {
        return;
    }
    let site = TestSite::new().with_doctype(TASK).listening().await;
    for (title, status) in [("Plan", "Open"), ("Build", "Doing")] {
        site.db_insert("Task", json!({"title": title, "status": status})).await;
    }
    let browser = Browser::start(&site.folder.path().join("profile")).await;
    let address = format!("{}/app/task?view=kanban&by=status", site.site.config.site_url);
    browser.open(&address).await;
    browser.log_in("Administrator").await;
    browser.wait_for("return document.querySelector('[data-card][draggable=true]') !== null").await;
    let drag = "
        const card = [...document.querySelectorAll('[data-card]')].find((card) => card.textContent.includes('Plan'));
        const column = document.querySelector('[data-column=Done]');
        const dataTransfer = new DataTransfer();
        const fire = (target, type) => target.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer }));
        fire(card, 'dragstart'); fire(column, 'dragover'); fire(column, 'drop');";
    browser.run(drag).await;
    browser.wait_for("return document.querySelector('[data-column=Done] .board-card .row-link')?.textContent === 'Plan' && document.querySelector('.flash-green') !== null").await;
    assert_eq!(site.db_names("Task", json!({"status": "Done"})).await.len(), 1);
    browser.wait_for("return document.activeElement.textContent === 'Plan'").await;
    browser.screenshot("board").await;
    // The same by the menu of a card, with the keyboard.
    browser.run("[...document.querySelectorAll('.mover summary')].find((summary) => summary.textContent.includes('Build')).focus()").await;
    browser.type_into(":focus", " ").await;
    browser.wait_for("return document.querySelector('.mover[open]') !== null").await;
    browser.run("document.querySelector('.mover[open] select').focus()").await;
    browser.type_into(":focus", "Done").await;
    browser.run("document.querySelector('.mover[open] button').focus()").await;
    browser.type_into(":focus", " ").await;
    browser.wait_for("return document.querySelectorAll('[data-column=Done] .board-card').length === 2").await;
    assert_eq!(site.db_names("Task", json!({"status": "Done"})).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_in_a_list_are_selected_by_a_key() {
    if !is_wanted() {
        return;
    }
    let site = TestSite::new().with_doctype(TASK).listening().await;
    for title in ["Plan", "Build"] {
        site.db_insert("Task", json!({"title": title})).await;
    }
    let browser = Browser::start(&site.folder.path().join("profile")).await;
    browser.open(&format!("{}/app/task", site.site.config.site_url)).await;
    browser.log_in("Administrator").await;
    browser.wait_for("return document.querySelectorAll('.documents .row-link').length === 2").await;
    let selected = "return document.querySelectorAll('input[name=names]:checked').length";
    for (place, keys, count) in
        [("body", "j", 0), (":focus", "x", 1), (":focus", "j", 1), (":focus", "x", 2), (":focus", "x", 1)]
    {
        browser.type_into(place, keys).await;
        browser.wait_for(&format!("{selected} === {count}")).await;
    }
    assert_eq!(browser.run("return document.querySelector('[data-bulk]').hidden").await, json!(false));
}
