//! Times are stored in UTC; the API speaks the zone of the site, the desk that of the person.

use doctyped::testing::clock::Zone;
use doctyped::testing::permissions::Session;
use serde_json::{Value as Json, json};

use crate::desk::{form_values, send};
use crate::support::{Client, TestSite};

const STEP: &str = "
name: Step
istable: true
fields:
  - {fieldname: due, fieldtype: Datetime, label: Due}
";
const EVENT: &str = "
name: Event
track_changes: 1
fields:
  - {fieldname: title, fieldtype: Data, label: Title}
  - {fieldname: at, fieldtype: Datetime, label: At, in_list_view: 1}
  - {fieldname: made_at, fieldtype: Datetime, label: Made At, default: Now}
  - {fieldname: day, fieldtype: Date, label: Day, default: Today}
  - {fieldname: steps, fieldtype: Table, options: Step, label: Steps}
permissions:
  - {role: System Manager, read: 1, write: 1, create: 1, delete: 1, export: 1, report: 1}
";
const VIENNA: &str = "Europe/Vienna";
const KOLKATA: &str = "Asia/Kolkata";

async fn site_in(zone: &str) -> (TestSite, Client) {
    let site = TestSite::new().with_doctype(STEP).with_doctype(EVENT).await;
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    move_to(&alice, zone).await;
    (site, alice)
}

async fn move_to(client: &Client, zone: &str) {
    client.update("System Settings", "System Settings", json!({"time_zone": zone})).await.ok();
    let told = client.call("frappe.client.get_time_zone", json!({})).await.ok();
    assert_eq!(told["time_zone"], zone);
}

/// A value as it is stored.
async fn stored(site: &TestSite, name: &str, fieldname: &str) -> String {
    site.documents().get(&Session::system(), "Event", name).await.unwrap().text(fieldname).to_owned()
}

async fn event(client: &Client, at: &str) -> String {
    let made = client.create("Event", json!({"title": "E", "at": at, "steps": [{"due": at}]})).await.ok();
    made["name"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_a_client_sends_and_reads_is_the_time_of_the_site_through_every_door() {
    let (site, alice) = site_in(VIENNA).await;
    let name = event(&alice, "2026-07-15 08:00:00").await;
    assert_eq!(stored(&site, &name, "at").await, "2026-07-15 06:00:00.000000");
    let vienna = "2026-07-15 08:00:00.000000";
    let read = alice.read("Event", &name).await.ok();
    assert_eq!((&read["at"], &read["steps"][0]["due"]), (&json!(vienna), &json!(vienna)));
    let zone = Zone::parse(VIENNA).unwrap();
    for column in ["creation", "modified", "made_at"] {
        assert_eq!(read[column], zone.shown(&stored(&site, &name, column).await), "{column}");
    }
    let v2 = alice.get(&format!("/api/v2/document/Event/{name}")).await.ok();
    assert_eq!(v2["at"], vienna);
    let list = alice.list("Event", "fields=[\"at\",\"modified\",{\"steps\":[\"due\"]}]").await.ok();
    assert_eq!((&list[0]["at"], &list[0]["modified"]), (&json!(vienna), &read["modified"]));
    assert_eq!(list[0]["steps"][0]["due"], vienna);
    assert_eq!(alice.list("Event", "fields=[\"max(at) as last\"]").await.ok()[0]["last"], vienna);
    let value = json!({"doctype": "Event", "fieldname": "at", "filters": {"name": name}});
    assert_eq!(alice.call("frappe.client.get_value", value).await.ok()["at"], vienna);
    let loaded = alice.call("frappe.client.get", json!({"doctype": "Event", "name": name})).await.ok();
    assert_eq!(loaded["at"], vienna);
    let found = alice.call("frappe.desk.reportview.get", json!({"doctype": "Event", "fields": ["name", "at"]})).await;
    assert!(found.body.contains(vienna), "{}", found.body);

    for iso in ["2026-07-15T06:00:00Z", "2026-07-15T08:00:00+02:00"] {
        alice.update("Event", &name, json!({"at": iso})).await.ok();
        assert_eq!(alice.read("Event", &name).await.ok()["at"], vienna, "an offset says the instant: {iso}");
    }
}

#[tokio::test]
async fn filters_and_spans_of_days_are_those_of_the_zone() {
    let (_site, alice) = site_in(KOLKATA).await;
    event(&alice, "2026-03-10 00:30:00").await;
    event(&alice, "2026-03-10 23:59:59.999999").await;
    event(&alice, "2026-03-11 00:00:00").await;
    let count = |filters: Json| {
        let alice = alice.clone();
        async move { alice.list("Event", &format!("filters={filters}")).await.ok().as_array().unwrap().len() }
    };
    assert_eq!(count(json!([["at", "between", ["2026-03-10", "2026-03-10"]]])).await, 2);
    assert_eq!(count(json!([["at", ">=", "2026-03-11"]])).await, 1);
    assert_eq!(count(json!([["at", "=", "2026-03-10 00:30:00"]])).await, 1);
    assert_eq!(count(json!([["at", "in", ["2026-03-10 00:30:00", "2026-03-11 00:00:00"]]])).await, 2);
}

#[tokio::test]
async fn today_is_the_day_of_the_zone() {
    for zone in ["Pacific/Kiritimati", "Pacific/Pago_Pago"] {
        let (site, alice) = site_in(zone).await;
        let local = site.clock.now_in(Zone::parse(zone).unwrap());
        let today = local.date().to_string();
        let made = alice.create("Event", json!({"at": format!("{today} 00:00:00")})).await.ok();
        assert_eq!(made["day"], today, "{zone}");
        let made_at = made["made_at"].as_str().unwrap();
        assert!(made_at.starts_with(&today), "{zone} {made_at}");
        alice.create("Event", json!({"at": format!("{today} 23:59:59")})).await.ok();
        for days in [1, -1] {
            let other = local.date() + chrono::Duration::days(days);
            alice.create("Event", json!({"at": format!("{other} 12:00:00")})).await.ok();
        }
        let filters = json!([["at", "timespan", "today"]]);
        let found = alice.list("Event", &format!("filters={filters}")).await.ok();
        assert_eq!(found.as_array().unwrap().len(), 2, "{zone}");
    }
}

#[tokio::test]
async fn moving_the_site_moves_no_instant_and_no_conflict_is_lost() {
    let (site, alice) = site_in(VIENNA).await;
    let name = event(&alice, "2026-01-15 08:00:00").await;
    let before = alice.read("Event", &name).await.ok();
    move_to(&alice, KOLKATA).await;
    let after = alice.read("Event", &name).await.ok();
    assert_eq!(after["at"], "2026-01-15 12:30:00.000000");
    assert_eq!(stored(&site, &name, "at").await, "2026-01-15 07:00:00.000000");
    assert_ne!(after["modified"], before["modified"]);
    let save = json!({"title": "F", "modified": after["modified"]});
    alice.update("Event", &name, save.clone()).await.ok();
    alice.update("Event", &name, save).await.error(417, "TimestampMismatchError");
}

#[tokio::test]
async fn an_hour_that_comes_twice_survives_being_read_and_written_back() {
    let (site, alice) = site_in(VIENNA).await;
    let name = event(&alice, "2026-10-25T01:30:00Z").await;
    let mut read = alice.read("Event", &name).await.ok();
    assert_eq!(read["at"], "2026-10-25 02:30:00.000000");
    read["title"] = json!("Again");
    alice.update("Event", &name, read).await.ok();
    assert_eq!(stored(&site, &name, "at").await, "2026-10-25 01:30:00.000000");
    let row = site.documents().get(&Session::system(), "Event", &name).await.unwrap();
    assert_eq!(row.rows("steps")[0].text("due"), "2026-10-25 01:30:00.000000");
    let first = event(&alice, "2026-10-25 02:30:00").await;
    assert_eq!(stored(&site, &first, "at").await, "2026-10-25 00:30:00.000000", "typed, it is the first time");
    let gap = event(&alice, "2026-03-29 02:30:00").await;
    assert_eq!(alice.read("Event", &gap).await.ok()["at"], "2026-03-29 03:30:00.000000");
}

#[tokio::test]
async fn the_desk_shows_and_takes_the_persons_time_and_saving_shifts_nothing() {
    let (site, alice) = site_in(VIENNA).await;
    alice.update("User", "alice@example.com", json!({"time_zone": "america/new_york"})).await.ok();
    let name = event(&alice, "2026-07-15 08:00:00.000001").await;
    let address = format!("/app/event/{name}");
    let page = alice.get(&address).await.status(200);
    assert_eq!(form_values(&page)["at"], "2026-07-15T02:00:00");
    send(&alice, &address, &page, &[("title", "Saved")], "save").await.redirect();
    let event = site.documents().get(&Session::system(), "Event", &name).await.unwrap();
    assert_eq!(event.text("title"), "Saved");
    assert_eq!(event.text("at"), "2026-07-15 06:00:00.000001");
    assert_eq!(event.rows("steps")[0].text("due"), "2026-07-15 06:00:00.000001");
    let page = alice.get(&address).await.status(200);
    send(&alice, &address, &page, &[("at", "2026-07-15T03:00"), ("at.__was", "")], "save").await.redirect();
    assert_eq!(alice.read("Event", &name).await.ok()["at"], "2026-07-15 09:00:00.000000", "REST keeps the site's time");
    let page = alice.get(&address).await.status(200);
    assert!(page.body.contains("<ins>2026-07-15 03:00:00</ins>"), "the history too");
}

#[tokio::test]
async fn a_zone_that_does_not_exist_is_refused() {
    let (_site, alice) = site_in("UTC").await;
    let answer = alice.update("System Settings", "System Settings", json!({"time_zone": "Europe/Wien"})).await;
    assert!(answer.error(417, "ValidationError").to_string().contains("Europe/Wien is not a time zone"));
    let answer = alice.update("User", "alice@example.com", json!({"time_zone": "Mars"})).await;
    answer.error(417, "ValidationError");
    let zones = alice.call("frappe.core.doctype.user.user.get_timezones", json!({})).await.ok();
    assert!(zones["timezones"].as_array().unwrap().contains(&json!(VIENNA)));
}
