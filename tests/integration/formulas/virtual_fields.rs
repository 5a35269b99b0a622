//! Formulas without a column: computed whenever a document is read.

use serde_json::json;

use crate::support::TestSite;

const PERSON: &str = r#"
name: Patient
module: Tests
autoname: field:full_name
fields:
  - { fieldname: first_name, fieldtype: Data, label: First Name }
  - { fieldname: full_name, fieldtype: Data, label: Full Name, formula: "join(' ', first_name, last_name)" }
  - { fieldname: last_name, fieldtype: Data, label: Last Name }
  - { fieldname: born_on, fieldtype: Date, label: Born On }
  - { fieldname: age, fieldtype: Int, label: Age, is_virtual: true, formula: "years_between(born_on, today())" }
  - { fieldname: is_adult, fieldtype: Check, label: Is Adult, is_virtual: true, formula: "age >= 18" }
  - { fieldname: guardian, fieldtype: Data, label: Guardian, mandatory_depends_on: "eval:!doc.is_adult" }
  - { fieldname: doses, fieldtype: Table, options: Dose, label: Doses }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true }
  - { role: System Manager, read: true, write: true, permlevel: 1 }
"#;

const DOSE: &str = r#"
name: Dose
module: Tests
istable: true
fields:
  - { fieldname: given_on, fieldtype: Date, label: Given On }
  - { fieldname: days_ago, fieldtype: Int, label: Days Ago, is_virtual: true, formula: "date_diff(today(), given_on)" }
"#;

#[tokio::test]
async fn they_change_with_time_and_with_nothing_being_saved() {
    let site = TestSite::new().with_doctype(PERSON).with_doctype(DOSE).await;
    let admin = site.administrator().await;
    let today = site.clock.now().date_naive();
    let born = (today - chrono::Months::new(18 * 12) + chrono::Days::new(1)).to_string();
    let mut values =
        json!({"first_name": "Ada", "last_name": "King", "born_on": born, "doses": [{"given_on": today.to_string()}]});
    admin.create("Patient", values.clone()).await.error(417, "MandatoryError");
    values["guardian"] = json!("Anne");
    let made = admin.create("Patient", values).await.ok();
    assert_eq!((&made["name"], &made["age"], &made["is_adult"]), (&json!("Ada King"), &json!(17), &json!(0)));
    assert_eq!(admin.read("Patient", "Ada King").await.ok()["age"], 17);
    site.clock.advance(chrono::Duration::days(2));
    let later = admin.read("Patient", "Ada King").await.ok();
    assert_eq!((&later["age"], &later["is_adult"], &later["doses"][0]["days_ago"]), (&json!(18), &json!(1), &json!(2)));
    assert_eq!(later["modified"], made["modified"]);
    // Other conditions see them, too.
    admin.update("Patient", "Ada King", json!({"guardian": null, "age": 5})).await.ok();
    let form = admin.get("/app/patient/Ada%20King").await;
    assert!(form.body.contains("years_between(born_on, today())"), "the help says how it is computed");
}
