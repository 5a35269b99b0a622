//! Insert, update and upsert; rows of tables; what is read how; what is said before anything is written.

use doctyped::testing::jobs::run_due;
use serde_json::json;

use super::{
    BOTH, INSERT, UPDATE, attach, import, ods, ods_row, prepare, preview, problems, refused, shop, start, status, xlsx,
};

#[tokio::test]
async fn new_documents_come_with_their_rows_and_defaults() {
    let (site, alice) = shop().await;
    let file =
        "ID,Title,Kind,Part (Lines),Quantity (Lines)\nA,First,,wheel,4\n,,,bolt,\n\n,,,nut,7\nB,Second,Audio,,\n";
    let (_, status, imported, refused) = import(&site, &alice, "Article", INSERT, "a.csv", file.as_bytes()).await;
    assert_eq!((status.as_str(), imported, refused), ("Success", 2, 0));
    let first = alice.read("Article", "A").await.ok();
    assert_eq!(
        (&first["title"], &first["kind"]),
        (&json!("First"), &json!("Paper")),
        "an empty cell leaves the default"
    );
    assert_eq!(first["owner"], "alice@example.com", "written as whoever started it");
    let lines: Vec<_> = first["lines"].as_array().unwrap().iter().map(|row| (&row["part"], &row["qty"])).collect();
    assert_eq!(json!(lines), json!([["wheel", 4], ["bolt", 1], ["nut", 7]]));
    let second = alice.read("Article", "B").await.ok();
    assert_eq!((&second["kind"], &second["lines"]), (&json!("Audio"), &json!([])));
}

#[tokio::test]
async fn updates_find_their_documents_and_upserts_make_the_others() {
    let (site, alice) = shop().await;
    alice.create("Article", json!({"name": "A", "title": "Old", "notes": "gone", "lines": [{"part": "x"}]})).await.ok();
    let (name, status, imported, failed) =
        import(&site, &alice, "Article", UPDATE, "a.csv", b"ID,Title,Notes\nA,New,\nB,Nobody,x\n").await;
    assert_eq!((status.as_str(), imported, failed), ("Partial Success", 1, 1));
    let article = alice.read("Article", "A").await.ok();
    assert_eq!((&article["title"], &article["notes"]), (&json!("New"), &json!(null)), "an empty cell empties");
    assert_eq!(article["lines"].as_array().unwrap().len(), 1, "a table that is not in the file stays");
    assert!(
        refused(&alice, &name).await.contains("B,Nobody,x,Article B not found"),
        "{}",
        refused(&alice, &name).await
    );
    let (_, status, imported, _) =
        import(&site, &alice, "Article", BOTH, "b.csv", b"ID,Title\nA,Newer\nB,Somebody\n").await;
    assert_eq!((status.as_str(), imported), ("Success", 2));
    assert_eq!(alice.read("Article", "A").await.ok()["title"], "Newer");
    assert_eq!(alice.read("Article", "B").await.ok()["title"], "Somebody");
}

#[tokio::test]
async fn a_preview_says_row_and_column_of_everything_that_is_wrong_and_writes_nothing() {
    let (site, alice) = shop().await;
    alice.create("Article", json!({"name": "There", "title": "x"})).await.ok();
    let file = "ID,Title,Price,On Sale Since,Kind,Maker,Part (Lines),Quantity (Lines),Colour\n\
                A,,1,,,,,,\n\
                B,x,many,,,,,,red\n\
                C,x,-1,31.02.2026,,,,,\n\
                D,x,1,,Film,,,,\n\
                E,x,1,,,Nobody,,,\n\
                F,x,1,,,Ace,,2,\n\
                ,,,,,,bolt,half,\n\
                There,x,,,,,,,\n\
                G,x,,,,,,,\n\
                G,y,,,,,,,\n";
    let name = prepare(&alice, "Article", INSERT, "a.csv", file.as_bytes(), json!({})).await;
    let preview = preview(&alice, &name).await;
    let told = problems(&preview);
    let expected = [
        (2, "Title", "Title is required"),
        (3, "Price", "Price must be a number such as 1200.5, not `many`"),
        (4, "Price", "Price cannot be negative"),
        (4, "On Sale Since", "On Sale Since must be a date such as 2026-03-31, not `31.02.2026`"),
        (5, "Kind", "Kind"),
        (6, "Maker", "There is no Maker called Nobody"),
        (7, "Part (Lines)", "Part (Lines) is required"),
        (8, "Quantity (Lines)", "Quantity must be a whole number such as 12, not `half`"),
        (9, "ID", "Article There is there already: update it instead"),
        (11, "ID", "Row 10 has the ID G as well"),
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for ((row, heading, message), (expected_row, expected_heading, expected_message)) in told.iter().zip(expected) {
        assert_eq!((*row, heading.as_str()), (expected_row, expected_heading), "{message}");
        assert!(message.starts_with(expected_message), "{message}");
    }
    assert_eq!(preview["number_of_documents"], 9);
    let column = &preview["columns"][8];
    assert_eq!((&column["header_title"], &column["skip_import"]), (&json!("Colour"), &json!(true)));
    assert!(column["note"].as_str().unwrap().contains("No field is called Colour"));
    assert_eq!(site.db_names("Article", json!({})).await, ["There"]);

    // Started nevertheless, what is right is imported, and the rest is told in the same way.
    start(&alice, &name).await.ok();
    run_due(&site.site).await.unwrap();
    let status = status(&alice, &name).await;
    assert_eq!(
        (&status["status"], &status["success"], &status["failed"]),
        (&json!("Partial Success"), &json!(1), &json!(8))
    );
    let file = refused(&alice, &name).await;
    for line in [
        "ID,Title,Price,On Sale Since,Kind,Maker,Part (Lines),Quantity (Lines),Colour,Reason for Refusal",
        "B,x,many,,,,,,red,\"Price: Price must be a number such as 1200.5, not `many`\"",
        "E,x,1,,,Nobody,,,,Maker: Could not find Maker: Nobody is not the name of a Maker",
        ",,,,,,bolt,half,,\"Quantity (Lines): Quantity must be a whole number such as 12, not `half`\"",
    ] {
        assert!(file.lines().any(|known| known == line), "{line} in\n{file}");
    }
    // The refused rows, corrected, are imported as they come.
    let corrected = file.replace("many", "12").replace("half", "2").replace(",x,1,,,Ace,,2,", ",x,1,,,Ace,nut,2,");
    let (_, _, imported, _) = super::import(&site, &alice, "Article", INSERT, "b.csv", corrected.as_bytes()).await;
    assert_eq!(imported, 2);
    assert_eq!(alice.read("Article", "F").await.ok()["lines"][1]["part"], "bolt");
}

#[tokio::test]
async fn days_and_numbers_are_read_as_the_file_writes_them() {
    let (site, alice) = shop().await;
    let file = "ID;Title;Price;On Sale Since;Seen\nA;x;1.234,50;31.12.2025;1.2.2026 14:30\nB;x;7;01.02.2026;\n";
    let (_, status, ..) = import(&site, &alice, "Article", INSERT, "a.csv", file.as_bytes()).await;
    assert_eq!(status, "Success");
    let first = alice.read("Article", "A").await.ok();
    assert_eq!((&first["price"], &first["since"]), (&json!(1234.5), &json!("2025-12-31")));
    assert_eq!(first["seen"], "2026-02-01 14:30:00.000000");
    assert_eq!(alice.read("Article", "B").await.ok()["since"], "2026-02-01");

    // What can be read in two ways is asked for.
    let file = b"ID,Title,On Sale Since,Price\nC,x,03/04/2026,\"1,234\"\n";
    let name = prepare(&alice, "Article", INSERT, "b.csv", file, json!({})).await;
    let told = problems(&preview(&alice, &name).await);
    assert!(told.iter().any(|(_, _, message)| message.contains("choose the Date Format")), "{told:?}");
    assert!(told.iter().any(|(_, _, message)| message.contains("choose the Number Format")), "{told:?}");
    let chosen = json!({"date_format": "mm/dd/yyyy", "number_format": "1,234.56"});
    alice.update("Data Import", &name, chosen).await.ok();
    assert_eq!(problems(&preview(&alice, &name).await), []);
    start(&alice, &name).await.ok();
    run_due(&site.site).await.unwrap();
    let third = alice.read("Article", "C").await.ok();
    assert_eq!((&third["price"], &third["since"]), (&json!(1234.0), &json!("2026-03-04")));
}

#[tokio::test]
async fn dates_of_spreadsheets_are_days_and_numbers_are_text_where_text_is_asked_for() {
    let (site, alice) = shop().await;
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for (column, heading) in (0..).zip(["ID", "Title", "On Sale Since", "Seen", "Price"]) {
        sheet.write_string(0, column, heading).unwrap();
    }
    let date = rust_xlsxwriter::Format::new().set_num_format("dd.mm.yyyy");
    let moment = rust_xlsxwriter::Format::new().set_num_format("dd.mm.yyyy hh:mm");
    sheet.write_number(1, 0, 4711).unwrap();
    sheet.write_number(1, 1, 12.5).unwrap();
    sheet.write_number_with_format(1, 2, 46_112, &date).unwrap();
    sheet.write_number_with_format(1, 3, 46_112.604_166_666_664, &moment).unwrap();
    sheet.write_formula(1, 4, rust_xlsxwriter::Formula::new("=2*3").set_result("6")).unwrap();
    let file = book.save_to_buffer().unwrap();
    let (_, status, ..) = import(&site, &alice, "Article", INSERT, "a.xlsx", &file).await;
    assert_eq!(status, "Success");
    let article = alice.read("Article", "4711").await.ok();
    assert_eq!((&article["title"], &article["since"]), (&json!("12.5"), &json!("2026-03-31")));
    assert_eq!((&article["seen"], &article["price"]), (&json!("2026-03-31 14:30:00.000000"), &json!(6.0)));
}

#[tokio::test]
async fn ods_is_read() {
    let (site, alice) = shop().await;
    let date = "<table:table-cell office:value-type=\"date\" office:date-value=\"2026-03-31\"><text:p>31.03.26</text:p></table:table-cell>";
    let price = "<table:table-cell office:value-type=\"currency\" office:currency=\"EUR\" office:value=\"12.5\"><text:p>12,50 €</text:p></table:table-cell>";
    let rest = "<table:table-cell table:number-columns-repeated=\"16380\"/>";
    let rows = [
        ods_row(&["ID", "Title", "On Sale Since", "Price", "Part (Lines)"]),
        ods_row(&["A", "Über", date, price, "wheel", rest]),
        "<table:table-row table:number-rows-repeated=\"3\"><table:table-cell table:number-columns-repeated=\"16384\"/></table:table-row>".to_owned(),
        ods_row(&["<table:table-cell table:number-columns-repeated=\"4\"/>", "bolt"]),
        ods_row(&["B", "", "soon"]),
        "<table:table-row table:number-rows-repeated=\"1048569\"><table:table-cell table:number-columns-repeated=\"16384\"/></table:table-row>".to_owned(),
    ];
    let name = prepare(&alice, "Article", INSERT, "a.ods", &ods(&rows.concat()), json!({})).await;
    let told = preview(&alice, &name).await;
    assert_eq!(told["kind"], "ODS");
    let told: Vec<_> = problems(&told).into_iter().map(|(row, heading, _)| (row, heading)).collect();
    assert_eq!(told, [(7, "Title".to_owned()), (7, "On Sale Since".to_owned())]);
    start(&alice, &name).await.ok();
    run_due(&site.site).await.unwrap();
    let article = alice.read("Article", "A").await.ok();
    assert_eq!(
        (&article["title"], &article["since"], &article["price"]),
        (&json!("Über"), &json!("2026-03-31"), &json!(12.5))
    );
    assert_eq!((&article["lines"][0]["part"], &article["lines"][1]["part"]), (&json!("wheel"), &json!("bolt")));
}

#[tokio::test]
async fn columns_are_mapped_by_hand_where_headings_do_not_say_it() {
    let (site, alice) = shop().await;
    let file = xlsx(&[&["Nr.", "Name of it", "Title"], &["A", "Right", "Wrong"]]);
    let name = prepare(&alice, "Article", INSERT, "a.xlsx", &file, json!({})).await;
    let wrong = json!({"template_options": "[1]"});
    alice.update("Data Import", &name, wrong).await.error(417, "ValidationError");
    let map = json!({"column_to_field_map": {"0": "name", "1": "title", "2": "Don't Import"}});
    alice.update("Data Import", &name, json!({"template_options": map.to_string()})).await.ok();
    let told = preview(&alice, &name).await;
    assert_eq!(problems(&told), []);
    assert_eq!(told["columns"][2]["skip_import"], true);
    start(&alice, &name).await.ok();
    run_due(&site.site).await.unwrap();
    assert_eq!(alice.read("Article", "A").await.ok()["title"], "Right");
    // What has begun stays as it was.
    let later = json!({"template_options": json!({}).to_string()});
    alice.update("Data Import", &name, later).await.error(417, "ValidationError");
    start(&alice, &name).await.error(417, "ValidationError");
    // Nobody but the site says where it stands.
    alice.update("Data Import", &name, json!({"status": "Pending"})).await.error(417, "ValidationError");
}

#[tokio::test]
async fn documents_are_submitted_where_that_is_asked_for() {
    let site = crate::support::TestSite::new()
        .with_doctype(
            "name: Bill\nis_submittable: true\nautoname: 'B-.###'\nallow_import: true\nfields:\n- {fieldname: total, fieldtype: Int, label: Total}\n\
             permissions:\n- {role: System Manager, read: 1, write: 1, create: 1, submit: 1, import: 1}\n",
        )
        .await;
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    let submit = json!({"submit_after_import": 1});
    let name = prepare(&alice, "Bill", INSERT, "a.csv", b"Total\n5\n6\n", submit).await;
    start(&alice, &name).await.ok();
    run_due(&site.site).await.unwrap();
    assert_eq!(status(&alice, &name).await["success"], 2);
    assert_eq!(site.db_names("Bill", json!({"docstatus": 1})).await, ["B-001", "B-002"]);
}

#[tokio::test]
async fn another_file_is_read_anew() {
    let (_site, alice) = shop().await;
    let name = prepare(&alice, "Article", INSERT, "a.csv", b"ID\nA\n", json!({})).await;
    assert_eq!(problems(&preview(&alice, &name).await)[0].2, "Title is required, and no column is mapped to it");
    attach(&alice, &name, "b.csv", b"ID,Title\nA,x\n").await;
    assert_eq!(problems(&preview(&alice, &name).await), []);
}
