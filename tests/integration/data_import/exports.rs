//! Lists and templates as files.

use calamine::{Data, Reader as _, Xlsx};
use serde_json::json;

use super::{download, shop};

fn book(bytes: &[u8]) -> Xlsx<std::io::Cursor<&[u8]>> {
    Xlsx::new(std::io::Cursor::new(bytes)).unwrap()
}

#[tokio::test]
async fn a_template_has_headings_with_help_and_nothing_else() {
    let (_site, alice) = shop().await;
    let answer = download(&alice, json!({"doctype": "Article", "file_type": "Excel"})).await.status(200);
    assert!(answer.header("content-disposition").contains("filename=\"Article.xlsx\""));
    let mut book = book(&answer.bytes);
    assert_eq!(book.sheet_names(), ["Article", "Help"]);
    let sheet = book.worksheet_range("Article").unwrap();
    let headings: Vec<String> = sheet.rows().next().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(headings[..3], ["ID", "Title", "Price"]);
    assert!(headings.contains(&"Quantity (Lines)".to_owned()), "{headings:?}");
    assert_eq!(sheet.height(), 1);
    let help = book.worksheet_range("Help").unwrap();
    let of = |heading: &str| help.rows().find(|row| row[0] == Data::String(heading.to_owned())).unwrap()[1].to_string();
    assert!(of("Title").starts_with("Required. A text of at most 140 characters."), "{}", of("Title"));
    assert_eq!(of("Kind"), "One of: Paper, Audio.");
    assert_eq!(of("Maker"), "The ID of a document of Maker.");
    // The same as notes at the headings.
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(&answer.bytes)).unwrap();
    let notes = std::io::read_to_string(zip.by_name("xl/comments1.xml").unwrap()).unwrap();
    assert!(notes.contains("One of: Paper, Audio."), "{notes}");
    let csv = download(&alice, json!({"doctype": "Article"})).await.status(200).body;
    assert_eq!(csv.lines().count(), 1);
}

#[tokio::test]
async fn chosen_columns_and_documents_go_into_a_file() {
    let (site, alice) = shop().await;
    for number in 1..=7 {
        let lines = json!([{"part": "a"}, {"part": "b", "qty": number}]);
        let values = json!({"name": format!("N{number}"), "title": format!("T{number}"), "price": 1.5, "lines": lines});
        alice.create("Article", values).await.ok();
    }
    let fields = json!({"Article": ["name", "price"], "lines": ["part", "qty"]});
    let of = |more: serde_json::Value| {
        let mut arguments = json!({"doctype": "Article", "export_fields": fields});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    let by_filter = json!({"export_records": "by_filter", "export_filters": [["title", "in", ["T2", "T5"]]]});
    let csv = download(&alice, of(by_filter)).await.status(200).body;
    let head = "ID,Price,Part (Lines),Quantity (Lines)\r\n";
    assert_eq!(csv, format!("{head}N2,1.5,a,1\r\n,,b,2\r\nN5,1.5,a,1\r\n,,b,5\r\n"));
    let csv = download(&alice, of(json!({"selected_items": ["N3"]}))).await.status(200).body;
    assert_eq!(csv, format!("{head}N3,1.5,a,1\r\n,,b,3\r\n"));
    let csv = download(&alice, of(json!({"export_records": "5_records"}))).await.status(200).body;
    assert_eq!(csv.lines().count(), 11);
    download(&alice, of(json!({"export_records": "some"}))).await.error(417, "ValidationError");
    download(&alice, json!({"doctype": "Article", "export_fields": ["nothing"]})).await.error(417, "ValidationError");
    download(&alice, json!({"doctype": "System Settings"})).await.error(417, "ValidationError");
    download(&alice, json!({"doctype": "Article", "file_type": "PDF"})).await.error(417, "ValidationError");
    drop(site);
}

#[tokio::test]
async fn dates_in_xlsx_are_dates() {
    let (_site, alice) = shop().await;
    let values = json!({"name": "A", "title": "x", "since": "2026-03-31", "seen": "2026-03-31 14:30:00"});
    alice.create("Article", values).await.ok();
    let arguments = json!({"doctype": "Article", "export_records": "all", "file_type": "Excel", "export_fields": ["since", "seen", "price"]});
    let bytes = download(&alice, arguments).await.status(200).bytes;
    let sheet = book(&bytes).worksheet_range("Article").unwrap();
    let row: Vec<&Data> = sheet.rows().nth(1).unwrap().iter().collect();
    assert!(matches!(row[0], Data::DateTime(day) if (day.as_f64() - 46_112.0).abs() < 1e-9), "{row:?}");
    assert!(matches!(row[1], Data::DateTime(day) if (day.as_f64() - 46_112.604_166).abs() < 1e-5), "{row:?}");
    assert_eq!(row[2], &Data::Float(0.0));
}

#[tokio::test]
async fn lists_go_into_workbooks_as_well() {
    let (_site, alice) = shop().await;
    alice.create("Article", json!({"name": "A", "title": "=1+1", "price": 2})).await.ok();
    let query =
        "/api/method/frappe.desk.reportview.export_query?doctype=Article&fields=[%22name%22,%22title%22,%22price%22]";
    let csv = alice.get(query).await.status(200).body;
    assert_eq!(csv, "Name,Title,Price\r\nA,'=1+1,2\r\n");
    let bytes = alice.get(&format!("{query}&file_format_type=Excel")).await.status(200).bytes;
    let sheet = book(&bytes).worksheet_range("Article").unwrap();
    let row: Vec<String> = sheet.rows().nth(1).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(row, ["A", "=1+1", "2"]);
    alice.get(&format!("{query}&file_format_type=PDF")).await.error(417, "ValidationError");
}
