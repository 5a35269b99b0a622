//! `validations`: what is refused, with all problems at once, at its field, in the reader's language.

use serde_json::{Value as Json, json};

use super::BUYER;
use crate::support::TestSite;

const BOOKING: &str = r#"
name: Booking
module: Tests
is_submittable: true
fields:
  - { fieldname: customer, fieldtype: Link, options: Buyer, label: Customer }
  - { fieldname: begins, fieldtype: Date, label: Begins }
  - { fieldname: ends, fieldtype: Date, label: Ends }
  - { fieldname: price, fieldtype: Currency, label: Price }
  - { fieldname: status, fieldtype: Select, options: [Open, Paid], label: Status, allow_on_submit: true }
  - { fieldname: guests, fieldtype: Table, options: Booking Guest, label: Guests }
validations:
  - { when: ends < begins, message: "{ends} is before {begins}: choose a later day", field: ends }
  - { when: price > customer.limit, message: "{price} is more than {customer} may owe", field: price }
  - { when: "guests.length == 0", message: Nobody is coming, on: submit }
  - { when: status == 'Paid', message: It is paid and has to stay, on: [delete, cancel] }
translations:
  de:
    "{ends} is before {begins}: choose a later day": "{ends} liegt vor {begins}: einen späteren Tag wählen"
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true, submit: true, cancel: true }
"#;

const GUEST: &str = r#"
name: Booking Guest
module: Tests
istable: true
fields:
  - { fieldname: guest, fieldtype: Data, label: Guest }
  - { fieldname: arrives, fieldtype: Date, label: Arrives }
  - { fieldname: reason, fieldtype: Data, label: Reason, mandatory_depends_on: "eval:parent.status == 'Paid'" }
validations:
  - { when: arrives < parent.begins || arrives > parent.ends, message: "{guest} arrives outside the booking", field: arrives }
"#;

fn told(answer: &Json) -> Vec<(String, String)> {
    let problems = answer["problems"].as_array().unwrap();
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    problems.iter().map(|problem| (text(&problem["field"]), text(&problem["message"]))).collect()
}

#[tokio::test]
async fn all_that_holds_is_told_at_once_at_its_fields() {
    let site = TestSite::new().with_doctype(BOOKING).with_doctype(GUEST).with_doctype(BUYER).await;
    let admin = site.administrator().await;
    admin.create("Buyer", json!({"buyer_name": "Ada", "limit": 100})).await.ok();
    let guests = json!([{"guest": "Bo", "arrives": "2026-03-05"}, {"guest": "Cy", "arrives": "2026-04-01"}]);
    let wrong =
        json!({"customer": "Ada", "begins": "2026-03-10", "ends": "2026-03-01", "price": 100.5, "guests": guests});
    let answer = admin.create("Booking", wrong.clone()).await.error(417, "ValidationError");
    let expected = [
        ("ends", "2026-03-01 is before 2026-03-10: choose a later day"),
        ("price", "100.5 is more than Ada may owe"),
        ("arrives", "Bo arrives outside the booking"),
        ("arrives", "Cy arrives outside the booking"),
    ];
    assert_eq!(told(&answer), expected.map(|(field, message)| (field.to_owned(), message.to_owned())));
    assert_eq!(answer["problems"][3]["row"], 2, "{answer}");
    let german =
        admin.with_header("Accept-Language", "de").create("Booking", wrong).await.error(417, "ValidationError");
    assert!(german.to_string().contains("2026-03-01 liegt vor 2026-03-10: einen späteren Tag wählen"), "{german}");
    let right = json!({"customer": "Ada", "begins": "2026-03-10", "ends": "2026-03-11", "price": 100});
    admin.create("Booking", right).await.ok();
    // Without a customer there is no limit: a comparison with nothing does not hold for a price of 0.
    admin.create("Booking", json!({})).await.ok();
}

#[tokio::test]
async fn submitting_cancelling_and_deleting_have_their_own() {
    let site = TestSite::new().with_doctype(BOOKING).with_doctype(GUEST).with_doctype(BUYER).await;
    let admin = site.administrator().await;
    let name = admin.create("Booking", json!({"status": "Paid"})).await.ok()["name"].as_str().unwrap().to_owned();
    let refused = admin.remove("Booking", &name).await.error(417, "ValidationError");
    assert!(refused.to_string().contains("It is paid and has to stay"), "{refused}");
    let refused = admin.update("Booking", &name, json!({"docstatus": 1})).await.error(417, "ValidationError");
    assert!(refused.to_string().contains("Nobody is coming"), "{refused}");
    // A row sees the document around it.
    let guest = json!({"docstatus": 1, "guests": [{"guest": "Bo"}]});
    admin.update("Booking", &name, guest).await.error(417, "MandatoryError");
    let guest = json!({"docstatus": 1, "guests": [{"guest": "Bo", "reason": "Friend"}]});
    admin.update("Booking", &name, guest).await.ok();
    admin.update("Booking", &name, json!({"docstatus": 2})).await.error(417, "ValidationError");
    admin.update("Booking", &name, json!({"status": "Open"})).await.ok();
    admin.update("Booking", &name, json!({"docstatus": 2})).await.ok();
    admin.remove("Booking", &name).await.ok();
}
