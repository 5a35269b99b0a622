//! Reports: groups, sums, charts, files and saved reports; each for what its reader may read.

use serde_json::{Value as Json, json};

use super::unescape;
use crate::browser::{Browser, is_wanted};
use crate::oauth::support::{Program, bearer, hidden};
use crate::support::client::Response;
use crate::support::{Client, TestSite};

const BUYER: &str = "
name: Buyer
autoname: Prompt
fields:
  - { fieldname: city, fieldtype: Data, label: City }
permissions:
  - { role: System Manager, read: true, write: true, create: true }
  - { role: Seller, read: true }
  - { role: Auditor, read: true }
";
const SALE_ITEM: &str = "
name: Sale Item
istable: true
fields:
  - { fieldname: item, fieldtype: Data, label: Item, in_list_view: true }
  - { fieldname: pieces, fieldtype: Int, label: Pieces, in_list_view: true }
";
const SALE: &str = "
name: Sale
module: Shop
autoname: Prompt
fields:
  - { fieldname: buyer, fieldtype: Link, options: Buyer, label: Buyer, in_list_view: true, description: Who buys. }
  - { fieldname: status, fieldtype: Select, label: Status, options: [Open, Done], description: Where it stands. }
  - { fieldname: total, fieldtype: Currency, label: Total, in_list_view: true, description: What it costs. }
  - { fieldname: due, fieldtype: Date, label: Due, description: By when. }
  - { fieldname: cost, fieldtype: Currency, label: Cost, permlevel: 1, description: What it cost. }
  - { fieldname: margin, fieldtype: Currency, label: Margin, mask: true, description: What is left. }
  - { fieldname: items, fieldtype: Table, options: Sale Item, label: Items, description: What is sold. }
permissions:
  - { role: System Manager, read: true, write: true, create: true, report: true, export: true, mask: true }
  - { role: System Manager, permlevel: 1, read: true, write: true }
  - { role: Auditor, read: true, report: true, export: true, mask: true }
  - { role: Auditor, permlevel: 1, read: true }
  - { role: Seller, read: true, report: true, export: true }
  - { role: Agent, if_owner: true, read: true, write: true, report: true, export: true }
  - { role: Agent, create: true }
  - { role: Half, read: true }
  - { role: Half, if_owner: true, report: true, export: true }
  - { role: Viewer, read: true }
  - { role: Counter, read: true, report: true }
";

const EVERYBODY: &[&str] = &["Auditor", "Seller", "Agent", "Half", "Counter"];
const GROUPED: &str =
    "view=report&group_by=buyer&aggregates=sum(total),sum(cost),sum(margin)&totals=1&chart=bar&chart_of=sum(total)";
const ROWS: &str = "view=report&columns=name,buyer,total,cost,margin&totals=1";
/// What stands for money that somebody may not see: costs and margins, their sums and means.
const COSTS: [&str; 6] = ["91000.25", "92000.75", "94000.5", "183001", "277001.5", "92333.83"];
const MARGINS: [&str; 6] = ["81000.5", "82000.25", "84000.75", "163000.75", "247001.5", "82333.83"];

fn shown(body: &str) -> String {
    body.replace(',', "")
}

/// Three sales: one of Agent's, two of others.
async fn shop() -> TestSite {
    shop_with_agent().await.0
}

async fn shop_with_agent() -> (TestSite, Client) {
    let site = TestSite::new().with_doctype(BUYER).with_doctype(SALE_ITEM).with_doctype(SALE).await;
    for (name, city) in [("Ann", "Bern"), ("Bob", "Basel")] {
        site.db_insert("Buyer", json!({"name": name, "city": city})).await;
    }
    let agent = site.user("agent@example.com", &["Agent"]).await;
    let items = json!([{"item": "pen", "pieces": 2}, {"item": "ink", "pieces": 3}]);
    agent
        .create("Sale", json!({"name": "SAL-1", "status": "Open", "total": 10.1, "due": "2026-10-01", "items": items}))
        .await
        .ok();
    site.db_update("Sale", "SAL-1", json!({"buyer": "Ann", "cost": 91_000.25, "margin": 81_000.5})).await;
    let items = json!([{"item": "pen", "pieces": 5}]);
    for sale in [
        json!({"name": "SAL-2", "buyer": "Ann", "status": "Done", "total": 0.2, "cost": 92_000.75, "margin": 82_000.25, "items": items}),
        json!({"name": "SAL-3", "buyer": "Bob", "status": "Open", "total": 0.1, "cost": 94_000.5, "margin": 84_000.75}),
    ] {
        site.db_insert("Sale", sale).await;
    }
    let admin = site.administrator().await;
    for (name, settings, roles) in [
        (
            "Sales",
            json!({"fields": [["name", "Sale"], ["buyer", "Sale"], ["total", "Sale"], ["cost", "Sale"], ["margin", "Sale"]], "add_totals_row": 1}),
            EVERYBODY,
        ),
        (
            "By Buyer",
            json!({"group_by": {"group_by": "`tabSale`.`buyer`", "aggregates": ["sum(total)", "sum(cost)", "avg(margin)"]}, "add_totals_row": 1, "chart_args": {"chart_type": "Bar", "x_axis": "buyer", "y_axes": ["sum(total)"]}}),
            EVERYBODY,
        ),
        ("For Auditors", json!({"fields": [["name", "Sale"]]}), &["Auditor"]),
    ] {
        let arguments = json!({"name": name, "doctype": "Sale", "report_settings": settings, "roles": roles});
        admin.call("frappe.desk.reportview.save_report", arguments).await.ok();
    }
    (site, agent)
}

/// Every door by which a report leaves.
async fn doors(reader: &Client) -> Vec<(String, Response)> {
    let settings = "{\"group_by\":{\"group_by\":\"buyer\",\"aggregates\":[\"sum(cost)\",\"sum(total)\",\"max(margin)\"]},\"add_totals_row\":1}";
    let mut all = Vec::new();
    for uri in [
        format!("/app/sale?{ROWS}"),
        format!("/app/sale?{GROUPED}"),
        "/app/sale?view=report&columns=name,Sale Item.pieces,cost&totals=1".to_owned(),
        "/api/method/frappe.desk.query_report.run?report_name=Sales".to_owned(),
        "/api/method/frappe.desk.query_report.run?report_name=By Buyer".to_owned(),
        "/api/method/frappe.desk.query_report.export_query?report_name=Sales".to_owned(),
        "/api/method/frappe.desk.query_report.export_query?report_name=By Buyer".to_owned(),
        format!("/api/method/frappe.desk.query_report.export_query?doctype=Sale&report_settings={settings}"),
    ] {
        all.push((uri.clone(), reader.get(&uri.replace(' ', "%20").replace('"', "%22")).await));
    }
    all
}

/// Somebody who looks at reports.
struct Reader {
    client: Client,
    name: &'static str,
    /// The sales that the reader has in reports.
    sales: &'static [&'static str],
    hidden: Vec<&'static str>,
    /// The sum of the totals.
    sum: &'static str,
    exports: bool,
}

#[tokio::test]
async fn a_report_shows_and_counts_nothing_that_its_reader_may_not_read() {
    let (site, agent) = shop_with_agent().await;
    let bobs = site.user("bobs@example.com", &["Seller"]).await;
    site.db_insert(
        "User Permission",
        json!({"user": "bobs@example.com", "allow": "Buyer", "for_value": "Bob", "apply_to_all_doctypes": 1}),
    )
    .await;
    let all_rows = ["SAL-1", "SAL-2", "SAL-3"];
    let all_hidden: Vec<&str> = COSTS.iter().chain(&MARGINS).copied().collect();
    let client = async |email: &str, role: &str| site.user(email, &[role]).await;
    let readers = [
        Reader {
            client: agent,
            name: "agent",
            sales: &["SAL-1"],
            hidden: all_hidden.clone(),
            sum: "10.1",
            exports: true,
        },
        Reader {
            client: client("auditor@example.com", "Auditor").await,
            name: "auditor",
            sales: &["SAL-1", "SAL-2", "SAL-3"],
            hidden: vec![],
            sum: "10.4",
            exports: true,
        },
        Reader {
            client: client("seller@example.com", "Seller").await,
            name: "seller",
            sales: &["SAL-1", "SAL-2", "SAL-3"],
            hidden: all_hidden.clone(),
            sum: "10.4",
            exports: true,
        },
        Reader {
            client: client("counter@example.com", "Counter").await,
            name: "counter",
            sales: &["SAL-1", "SAL-2", "SAL-3"],
            hidden: all_hidden.clone(),
            sum: "10.4",
            exports: false,
        },
        Reader { client: bobs, name: "bobs", sales: &["SAL-3"], hidden: all_hidden.clone(), sum: "0.1", exports: true },
        Reader {
            client: client("half@example.com", "Half").await,
            name: "half",
            sales: &[],
            hidden: all_hidden.clone(),
            sum: "",
            exports: true,
        },
    ];
    for reader in readers {
        for (door, answer) in doors(&reader.client).await {
            let what = format!("{} at {door}", reader.name);
            let body = shown(&answer.body);
            if door.contains("export") && !reader.exports {
                assert_eq!(answer.status.as_u16(), 403, "{what}: {body}");
                continue;
            }
            assert_eq!(answer.status.as_u16(), 200, "{what}: {body}");
            for hidden in &reader.hidden {
                assert!(!body.contains(hidden), "{what} tells {hidden}: {body}");
            }
            let by_rows = door.contains("columns=name") || door.contains("name=Sales");
            for sale in all_rows.iter().filter(|_| by_rows) {
                assert_eq!(body.contains(sale), reader.sales.contains(sale), "{what}: {sale}: {body}");
            }
            let has_total = !door.contains("pieces");
            if has_total && !reader.sum.is_empty() {
                assert!(body.contains(reader.sum), "{what} sums {}: {body}", reader.sum);
            }
            if !by_rows {
                assert_eq!(body.contains("Bob"), reader.sales.contains(&"SAL-3"), "{what}: {body}");
                let other = reader.sales.contains(&"SAL-1") || reader.sales.contains(&"SAL-2");
                assert_eq!(body.contains("Ann"), other, "{what}: {body}");
            }
        }
        if reader.name == "auditor" {
            let grouped = shown(&reader.client.get(&format!("/app/sale?{GROUPED}")).await.body);
            assert!(grouped.contains("277001.5") && grouped.contains("247001.5"), "{grouped}");
        }
        // Nobody groups, filters or sorts by what they may not read.
        if !reader.hidden.is_empty() {
            for query in [
                "group_by=cost",
                "group_by=margin",
                "filters=[[\"cost\",\">\",1]]",
                "order_by=margin desc",
                "columns=name&filters=[[\"margin\",\">\",1]]",
            ] {
                let page = reader
                    .client
                    .get(&format!(
                        "/app/sale?view=report&{}",
                        query.replace(' ', "%20").replace('"', "%22").replace('>', "%3E")
                    ))
                    .await
                    .status(200)
                    .body;
                assert!(page.contains("not permitted in query"), "{} {query}: {page}", reader.name);
                assert!(!page.contains("<tbody>"), "{} {query}", reader.name);
            }
        }
    }
}

#[tokio::test]
async fn without_the_right_to_report_there_is_no_report() {
    let site = shop().await;
    let viewer = site.user("viewer@example.com", &["Viewer"]).await;
    viewer.get("/app/sale").await.status(200);
    // What keeps them from it is the right, not that they do not find it.
    for name in ["Sales", "By Buyer"] {
        site.db_update("Report", name, json!({"roles": [{"role": "Viewer"}]})).await;
        viewer.read("Report", name).await.ok();
    }
    for (door, answer) in doors(&viewer).await {
        let body = shown(&answer.body);
        if door.starts_with("/app") {
            let body = unescape(&body);
            assert!(
                body.contains("You need the right `report` on Sale") && !body.contains("<tbody>"),
                "{door}: {body}"
            );
        } else {
            assert_eq!(answer.status.as_u16(), 403, "{door}: {body}");
        }
        for sale in ["SAL-1", "SAL-2", "SAL-3", "10.4"] {
            assert!(!body.contains(sale), "{door}: {body}");
        }
    }
    assert!(!viewer.get("/app/sale").await.body.contains("view&#x3D;report"), "no tab either");
    let report = json!({"name": "Mine", "doctype": "Sale", "report_settings": {"fields": [["name", "Sale"]]}});
    viewer.call("frappe.desk.reportview.save_report", report).await.error(403, "PermissionError");
}

#[tokio::test]
async fn a_token_reports_within_its_scope() {
    let site = shop().await;
    let auditor = site.user("auditor@example.com", &["Auditor"]).await;
    let mut program = Program::public(&site).await;
    let run = "/api/method/frappe.desk.query_report.run?report_name=Sales";
    for (scope, status) in [
        ("openid doctype:Sale:read doctype:Report:read method:frappe.desk.query_report.run", 403),
        ("openid doctype:Sale:report method:frappe.desk.query_report.run", 403),
        ("openid doctype:Sale:report doctype:Report:read method:frappe.desk.query_report.run", 200),
    ] {
        program.scope = scope.to_owned();
        let token = bearer(&site, &program.tokens(&auditor).await);
        let answer = token.get(run).await;
        assert_eq!(answer.status.as_u16(), status, "{scope}: {}", answer.body);
        assert_eq!(answer.body.contains("277001.5"), status == 200, "{scope}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_report_is_for_its_owner_those_with_its_roles_and_those_with_whom_it_is_shared() {
    let site = shop().await;
    let auditor = site.user("auditor@example.com", &["Auditor"]).await;
    let seller = site.user("seller@example.com", &["Seller"]).await;
    let other = site.user("other@example.com", &["Seller"]).await;
    let run = async |client: &Client, name: &str| {
        client.call("frappe.desk.query_report.run", json!({"report_name": name})).await
    };
    run(&auditor, "For Auditors").await.ok();
    run(&seller, "For Auditors").await.error(403, "PermissionError");
    let settings = json!({"fields": [["name", "Sale"]]});
    let save = json!({"name": "Mine", "doctype": "Sale", "report_settings": settings});
    assert_eq!(seller.call("frappe.desk.reportview.save_report", save.clone()).await.ok(), "Mine");
    run(&seller, "Mine").await.ok();
    run(&other, "Mine").await.error(403, "PermissionError");
    assert!(!other.list("Report", "").await.body.contains("Mine"));
    other.call("frappe.desk.reportview.save_report", save).await.status(409);
    let names = async |client: &Client| {
        let list = client.list("Report", "order_by=name asc").await.ok();
        let names = list.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<String>>()
    };
    assert_eq!(names(&other).await, ["By Buyer", "Sales"]);
    assert_eq!(names(&auditor).await, ["By Buyer", "For Auditors", "Sales"]);
    let share = json!({"doctype": "Report", "name": "Mine", "user": "other@example.com", "read": 1});
    seller.call("frappe.share.add", share).await.ok();
    run(&other, "Mine").await.ok();
    assert_eq!(names(&other).await, ["By Buyer", "Mine", "Sales"]);
    other.update("Report", "Mine", json!({"json": "{}"})).await.status(403);
    // The list and the search lead to those that somebody finds.
    let page = other.get("/app/sale").await.body;
    assert!(page.contains("/app/query-report/Mine") && !page.contains("For%20Auditors"), "{page}");
    let found = other.get("/app/_find?q=By%20Buyer").await.json();
    assert_eq!(found[0]["href"], "/app/query-report/By%20Buyer", "{found}");
    seller.update("Report", "Mine", json!({"disabled": 1})).await.ok();
    run(&seller, "Mine").await.error(417, "ValidationError");
}

#[tokio::test]
async fn reports_of_frappe_run_and_those_with_programs_say_that_they_do_not() {
    let site = shop().await;
    let admin = site.administrator().await;
    let settings = json!({
        "filters": [["Sale", "status", "=", "Open", false]],
        "fields": [["name", "Sale"], ["total", "Sale"], ["pieces", "Sale Item"]],
        "order_by": "`tabSale`.`name` asc", "add_totals_row": 1, "page_length": 20, "column_widths": {"name": 120},
    });
    let report = json!({
        "report_name": "Open", "ref_doctype": "Sale", "report_type": "Report Builder", "is_standard": "No",
        "json": settings.to_string(), "roles": [{"role": "Auditor"}],
    });
    admin.create("Report", report).await.ok();
    let answer = admin.call("frappe.desk.query_report.run", json!({"report_name": "Open"})).await.ok();
    let row = |name: &str, total: f64, pieces: Json| json!({"name": name, "total": total, "sale_item_pieces": pieces});
    let expected = json!([
        row("SAL-1", 10.1, json!(2)),
        row("SAL-1", 10.1, json!(3)),
        row("SAL-3", 0.1, json!(null)),
        ["Total", 10.2, 5]
    ]);
    // A document with two rows counts once in the sum of its own field.
    assert_eq!(answer["result"], expected);
    assert_eq!(answer["columns"][2]["fieldtype"], "Int");
    assert_eq!(answer["add_total_row"], 1);
    let narrowed = json!({"report_name": "Open", "filters": {"buyer": "Bob"}});
    let answer = admin.call("frappe.desk.query_report.run", narrowed).await.ok();
    assert_eq!(answer["result"], json!([row("SAL-3", 0.1, json!(null)), ["Total", 0.1, null]]));
    // So does a group of documents of which several rows meet a filter.
    let rest = "/api/resource/Sale?fields=[%22sum(total)%20as%20sum%22,%22count(name)%20as%20n%22]&filters=[[%22Sale%20Item%22,%22pieces%22,%22%3E%22,1]]";
    assert_eq!(admin.get(rest).await.ok(), json!([{"sum": 10.3, "n": 2}]));
    for kind in ["Query Report", "Script Report", "Custom Report"] {
        let report = json!({"report_name": kind, "ref_doctype": "Sale", "report_type": kind, "query": "select 1", "is_standard": "No"});
        admin.create("Report", report).await.ok();
        let refused = admin.call("frappe.desk.query_report.run", json!({"report_name": kind})).await;
        let said = refused.body.clone();
        refused.error(417, "ValidationError");
        assert!(said.contains("only reports of the type Report Builder run here"), "{said}");
        let form = admin.get(&format!("/app/report/{}", kind.replace(' ', "%20"))).await.status(200).body;
        assert!(form.contains("It does not run here"), "{form}");
    }
    admin
        .create("Report", json!({"report_name": "Bad", "ref_doctype": "Sale", "json": "[]"}))
        .await
        .error(417, "ValidationError");
}

#[tokio::test]
async fn a_report_groups_by_two_fields_and_each_group_leads_to_its_documents() {
    let site = shop().await;
    let admin = site.administrator().await;
    let page = admin
        .get("/app/sale?view=report&group_by=buyer,status&aggregates=sum(total),avg(total)&totals=1")
        .await
        .status(200)
        .body;
    let table = page.split("<tbody>").nth(1).unwrap().split("</table>").next().unwrap();
    let text: String =
        table.split('<').map(|piece| piece.split_once('>').map_or("", |(_, text)| text)).collect::<Vec<_>>().join("|");
    let text: Vec<&str> = text.split('|').map(str::trim).filter(|text| !text.is_empty()).collect();
    let expected = [
        "Ann", "Open", "1", "10.1", "10.1", "Ann", "Done", "1", "0.2", "0.2", "Bob", "Open", "1", "0.1", "0.1",
        "Total", "3", "10.4",
    ];
    assert_eq!(text[..expected.len()], expected, "{text:?}");
    for (part, name) in table.split("<tr>").skip(1).zip(["SAL-1", "SAL-2", "SAL-3"]) {
        let href = unescape(part.split("row-link\" href=\"").nth(1).unwrap().split('"').next().unwrap());
        let list = admin.get(&href).await.status(200).body;
        assert!(list.contains(&format!(">{name}</a>")) && list.contains("1–1 of 1"), "{href}: {list}");
    }
    // Rows of a table: a sale counts once, and its own sums are refused.
    let page = admin
        .get("/app/sale?view=report&group_by=Sale%20Item.item&aggregates=sum(Sale%20Item.pieces)")
        .await
        .status(200)
        .body;
    assert!(page.contains(">7<") && page.contains(">3<"), "{page}");
    let page =
        admin.get("/app/sale?view=report&group_by=Sale%20Item.item&aggregates=sum(total)").await.status(200).body;
    assert!(page.contains("once for each row of Sale Item"), "{page}");
    // Fields behind links, and what is not there.
    let page = admin.get("/app/sale?view=report&columns=name,buyer.city&order_by=name%20asc").await.status(200).body;
    assert!(page.contains("Buyer: City") && page.contains("Basel"), "{page}");
    for (query, said) in [
        ("columns=nope", "no field `nope`"),
        ("group_by=a,b,c", "at most 2 fields to group by"),
        ("group_by=buyer&aggregates=sum(status)", "needs a number"),
        ("group_by=buyer&aggregates=sleep(1)", "is not computed here"),
        ("chart=wall", "`chart` is bar, line or donut"),
    ] {
        let page = unescape(&admin.get(&format!("/app/sale?view=report&{query}")).await.status(200).body);
        assert!(page.contains(said), "{query}: {page}");
    }
}

#[tokio::test]
async fn a_chart_is_drawn_without_styles_and_says_what_it_shows() {
    let site = shop().await;
    let admin = site.administrator().await;
    for (kind, drawn) in [("bar", "<rect class=\"bar"), ("line", "class=\"piece\""), ("donut", "class=\"slice")] {
        let uri = format!("/app/sale?view=report&group_by=buyer&aggregates=sum(total)&chart={kind}");
        let page = admin.get(&uri).await.status(200).body;
        let chart =
            page.split("<figure").nth(1).unwrap_or_else(|| panic!("{kind}: {page}")).split("</figure>").next().unwrap();
        assert!(chart.contains(drawn) && chart.contains("role=\"img\""), "{kind}: {chart}");
        assert!(chart.contains("Largest: Ann, 10.3. Smallest: Bob, 0.1."), "{kind}: {chart}");
        assert!(!chart.contains("style="), "{kind}: {chart}");
    }
    let page = admin.get("/app/sale?view=report&columns=name,status&chart=bar").await.status(200).body;
    assert!(page.contains("no column of numbers to draw") && !page.contains("<figure"), "{page}");
}

#[tokio::test]
async fn a_report_is_saved_changed_and_found_by_its_addresses() {
    let site = shop().await;
    let seller = site.user("seller@example.com", &["Seller"]).await;
    let here = "/app/sale?view=report&columns=name,total&filters=[[%22status%22,%22=%22,%22Open%22]]&totals=1";
    let send = async |uri: &str, fields: &[(&str, &str)]| {
        let token = hidden(&seller.get(uri).await.status(200).body, "csrf_token");
        let fields: Vec<(&str, &str)> =
            [("csrf_token", token.as_str())].into_iter().chain(fields.iter().copied()).collect();
        seller.form(uri, &fields).await.redirect()
    };
    send(here, &[("__action", "save_report"), ("__report", "")]).await;
    assert!(seller.get(here).await.body.contains("give the report a name"));
    let saved = send(here, &[("__action", "save_report"), ("__report", "Open / all"), ("__role", "Auditor")]).await;
    let page = seller.get(&saved).await.status(200).body;
    assert!(page.contains("<h1>Open / all</h1>") && page.contains("10.2") && !page.contains("SAL-2"), "{page}");
    assert_eq!(seller.read("Report", "Open / all").await.ok()["roles"][0]["role"], "Auditor");
    // Frappe's addresses lead there, and the form does.
    for uri in ["/app/query-report/Open%20%2F%20all", "/app/sale?view=report&report=Open%20%2F%20all"] {
        assert_eq!(seller.get(uri).await.redirect(), saved, "{uri}");
    }
    let led = seller.get("/app/sale/view/report/Sales").await.redirect();
    assert_eq!(led, "/app/sale?view=report&report=Sales");
    let changed = saved.replace("Open%22", "Done%22");
    assert_ne!(changed, saved);
    send(&changed, &[("__action", "change_report")]).await;
    let json = seller.read("Report", "Open / all").await.ok()["json"].as_str().unwrap().to_owned();
    assert!(json.contains("Done") && !json.contains("Open"), "{json}");
    // Somebody else's is not changed.
    let sales = seller.get("/app/query-report/Sales").await.redirect();
    assert!(!seller.get(&sales).await.body.contains("Save changes"));
    send(&sales, &[("__action", "change_report")]).await;
    assert!(seller.get(&sales).await.body.contains("Not saved:"));
    seller.call("frappe.desk.reportview.delete_report", json!({"name": "Open / all"})).await.ok();
    seller.get("/app/query-report/Open%20%2F%20all").await.status(403);
}

#[tokio::test]
async fn a_report_becomes_a_file_with_its_groups_and_totals() {
    let site = shop().await;
    let seller = site.user("seller@example.com", &["Seller"]).await;
    let export = "/api/method/frappe.desk.query_report.export_query?report_name=By%20Buyer";
    let csv = seller.get(export).await.status(200).body;
    let lines: Vec<&str> = csv.trim_start_matches('\u{feff}').lines().collect();
    assert_eq!(lines, ["Buyer,Documents,Sum of Total", "Ann,2,10.3", "Bob,1,0.1", "Total,3,10.4"]);
    let xlsx = seller.get(&format!("{export}&file_format_type=Excel")).await.status(200);
    assert!(xlsx.header("content-disposition").contains("By Buyer.xlsx"), "{}", xlsx.header("content-disposition"));
    let page = seller.get("/app/sale?view=report").await.body;
    assert!(unescape(&page).contains("/api/method/frappe.desk.query_report.export_query?doctype=Sale"), "{page}");
}

#[tokio::test]
async fn who_may_export_only_their_own_exports_only_those() {
    let site = shop().await;
    let half = site.user("half@example.com", &["Half"]).await;
    let uri = "/api/method/frappe.desk.reportview.export_query?doctype=Sale&fields=[%22name%22,%22total%22]";
    let file = half.get(uri).await.status(200).body;
    assert!(!file.contains("SAL-1") && !file.contains("10.1"), "{file}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_made_by_its_page_in_a_browser() {
    if !is_wanted() {
        return;
    }
    let site = TestSite::new().with_doctype(BUYER).with_doctype(SALE_ITEM).with_doctype(SALE).listening().await;
    for (name, total) in [("SAL-1", 10), ("SAL-2", 5)] {
        site.db_insert("Sale", json!({"name": name, "status": "Open", "total": total})).await;
    }
    let browser = Browser::start(&site.folder.path().join("profile")).await;
    browser.open(&format!("{}/app/sale", site.site.config.site_url)).await;
    browser.log_in("Administrator").await;
    browser.wait_for("return document.querySelector('.views') !== null").await;
    browser.run("[...document.querySelectorAll('.views a')].find(link => link.textContent === 'Report').click()").await;
    browser.wait_for("return document.querySelector('[name=\"group.0\"]') !== null").await;
    browser
        .run(
            "const set = (name, value) => { document.querySelector(`[name=\"${name}\"]`).value = value; };\
             set('group.0', 'status'); set('aggregate.0.function', 'sum'); set('aggregate.0.field', 'total'); set('chart', 'bar');\
             document.querySelector('[name=totals]').checked = true;\
             document.querySelector('.filters').requestSubmit();",
        )
        .await;
    browser.wait_for("return document.querySelector('.report-chart rect.bar') !== null").await;
    let width = "return document.querySelector('.report-chart rect.bar').getBoundingClientRect().width > 100";
    assert_eq!(browser.run(width).await, json!(true), "the bar has its length and its colour");
    let fill = "return getComputedStyle(document.querySelector('.report-chart rect.bar')).fill";
    assert_ne!(browser.run(fill).await, json!("rgb(0, 0, 0)"));
    assert_eq!(
        browser.run("return document.querySelector('.report tfoot').innerText.includes('15')").await,
        json!(true)
    );
    let address = browser.run("return location.search").await.as_str().unwrap().to_owned();
    assert!(address.contains("group_by=status") && address.contains("aggregates=sum%28total%29"), "{address}");
    assert_eq!(browser.console().await, Vec::<String>::new());
}
