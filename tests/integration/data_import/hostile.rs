//! Files that were made to do harm, or by other programs than one would wish.

use serde_json::json;

use super::{INSERT, archive, attach, import, ods, prepare, preview, problems, shop, xlsx};
use crate::support::Client;

/// The refusal of a file, before anything is written.
async fn refusal(client: &Client, file: &str, content: &[u8]) -> String {
    let name = prepare(client, "Article", INSERT, file, content, json!({})).await;
    let method = "frappe.core.doctype.data_import.data_import.get_preview_from_template";
    let body = client.call(method, json!({"data_import": name})).await.error(417, "ValidationError");
    body.to_string()
}

#[tokio::test]
async fn formulas_stay_text() {
    let (site, alice) = shop().await;
    let formula = "=HYPERLINK(\"http://evil.example\",\"x\")";
    alice.create("Article", json!({"name": "A", "title": formula, "notes": "+1"})).await.ok();
    let arguments = |file_type| json!({"doctype": "Article", "export_records": "all", "file_type": file_type, "export_fields": ["name", "title", "notes"]});
    let csv = super::download(&alice, arguments("CSV")).await.status(200).body;
    assert_eq!(csv, "ID,Title,Notes\r\nA,\"'=HYPERLINK(\"\"http://evil.example\"\",\"\"x\"\")\",'+1\r\n");
    // In XLSX a text is a text: no formula stands in the sheet.
    let book = super::download(&alice, arguments("Excel")).await.status(200).bytes;
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(&book)).unwrap();
    let sheet = std::io::read_to_string(zip.by_name("xl/worksheets/sheet1.xml").unwrap()).unwrap();
    assert!(sheet.contains("HYPERLINK") && !sheet.contains("<f>"), "{sheet}");
    // What a foreign CSV says stays what it says.
    let (_, status, ..) = import(&site, &alice, "Article", INSERT, "a.csv", b"ID,Title\nB,=1+1\n").await;
    assert_eq!(status, "Success");
    assert_eq!(alice.read("Article", "B").await.ok()["title"], "=1+1");
}

#[tokio::test]
async fn a_cell_of_ten_megabytes_is_a_value_like_any_other() {
    let (site, alice) = shop().await;
    let long = "x".repeat(10 * 1024 * 1024);
    let file = format!("ID,Title,Notes\nA,fits,{long}\nB,{long},\nC,short,\n");
    let (name, status, imported, failed) = import(&site, &alice, "Article", INSERT, "a.csv", file.as_bytes()).await;
    assert_eq!((status.as_str(), imported, failed), ("Partial Success", 2, 1));
    assert_eq!(alice.read("Article", "A").await.ok()["notes"].as_str().unwrap().len(), long.len());
    let entries = site.db_names("Data Import Log", json!({"data_import": name, "success": 0})).await;
    let messages = site.administrator().await.read("Data Import Log", &entries[0]).await.ok()["messages"].to_string();
    assert!(messages.len() < 1000 && messages.contains("Title"), "{messages}");
    // XLSX cannot hold it, and says so rather than cutting it off.
    let arguments = json!({"doctype": "Article", "export_records": "all", "file_type": "Excel"});
    let body = super::download(&alice, arguments).await.error(417, "ValidationError");
    assert!(body.to_string().contains("32,767 characters"), "{body}");
}

#[tokio::test]
async fn a_row_without_an_end_is_refused() {
    let (site, alice) = shop().await;
    let endless = format!("ID,Title\nA,\"{}", "no end\n".repeat(6 * 1024 * 1024));
    // More than may be uploaded as a rule.
    let settings = json!({"max_file_size": 100});
    site.db_update("System Settings", "System Settings", settings).await;
    assert!(refusal(&alice, "a.csv", endless.as_bytes()).await.contains("quotation mark"));
}

#[tokio::test]
async fn archives_that_become_huge_are_refused() {
    let (_site, alice) = shop().await;
    let zeros = vec![b' '; 300 * 1024 * 1024];
    let bomb = archive(&[("xl/workbook.xml", b"<x/>"), ("xl/worksheets/sheet1.xml", &zeros)]);
    assert!(bomb.len() < 1024 * 1024);
    let told = refusal(&alice, "a.xlsx", &bomb).await;
    assert!(told.contains("too large once it is unpacked") || told.contains("more than 4 MB"), "{told}");
    let shared = format!("<sst>{}", format!("<si><t>{}</t></si>", "a".repeat(2_000)).repeat(60_000)).into_bytes();
    let bomb = archive(&[("xl/workbook.xml", b"<x/>"), ("xl/sharedStrings.xml", &shared)]);
    assert!(refusal(&alice, "b.xlsx", &bomb).await.contains("too large once it is unpacked"));
    let cell = "<table:table-cell table:number-columns-repeated=\"16384\" office:value-type=\"string\"><text:p>x</text:p></table:table-cell>";
    let rows = format!("<table:table-row table:number-rows-repeated=\"1000000\">{cell}</table:table-row>");
    assert!(refusal(&alice, "c.ods", &ods(&rows)).await.contains("256 MB of memory"));
    let many = format!("<table:table-row>{cell}</table:table-row>").repeat(5_000);
    assert!(refusal(&alice, "d.ods", &ods(&many)).await.contains("256 MB of memory"));
}

#[tokio::test]
async fn what_is_not_a_table_is_named() {
    let (_site, alice) = shop().await;
    for (file, content, expected) in [
        ("a.xlsx", archive(&[("readme.txt", b"hello")]), "ZIP archive and not a workbook"),
        ("b.xlsx", b"PK\x03\x04 broken".to_vec(), "damaged"),
        ("c.xlsx", archive(&[("xl/workbook.xml", b"<nothing/>")]), "damaged"),
        ("d.xls", vec![0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1, 0], "save it as XLSX"),
        ("e.csv", b"\x00\x01\x02 binary".to_vec(), "neither text nor a workbook"),
        ("f.pdf", b"%PDF-1.7 ...".to_vec(), "PDF"),
        ("g.csv", b"\n\n,,\n".to_vec(), "The file is empty"),
        ("h.csv", ["x,".repeat(2_500), "\n".to_owned()].concat().into_bytes(), "more than 2000 columns"),
    ] {
        let told = refusal(&alice, file, &content).await;
        assert!(told.contains(expected), "{file}: {told}");
    }
}

#[tokio::test]
async fn encodings_and_separators_are_recognized() {
    let (site, alice) = shop().await;
    let utf16: Vec<u8> =
        [0xFEFF].into_iter().chain("ID\tTitle\r\nD\tÄpfel\r\n".encode_utf16()).flat_map(u16::to_le_bytes).collect();
    for (name, content, kind) in [
        ("A", b"\xEF\xBB\xBFID,Title\nA,\xC3\x84pfel\n".to_vec(), "CSV, separated by `,`"),
        ("B", b"ID;Title\nB;\xC4pfel\n".to_vec(), "CSV, separated by `;`"),
        ("C", "sep=|\nID|Title\nC|Äpfel\n".into(), "CSV, separated by `|`"),
        ("D", utf16, "CSV, separated by tabs"),
        ("E", "ID,Title\r\n\r\n\"E\",\"Äpfel\"".into(), "CSV, separated by `,`"),
        ("F", "ID,Title\rF,\"Äpfel\"\r".into(), "CSV, separated by `,`"),
    ] {
        let file = format!("{name}.csv");
        let import_name = prepare(&alice, "Article", INSERT, &file, &content, json!({})).await;
        let told = preview(&alice, &import_name).await;
        assert_eq!(told["kind"], kind, "{name}");
        assert_eq!(told["note"].as_str().unwrap().contains("Windows-1252"), name == "B", "{told}");
        assert_eq!(problems(&told), [], "{name}");
        let (_, status, ..) = import(&site, &alice, "Article", INSERT, &file, &content).await;
        assert_eq!(status, "Success", "{name}");
        assert_eq!(alice.read("Article", name).await.ok()["title"], "Äpfel", "{name}");
    }
    // The row of a problem is the one that a spreadsheet shows, whatever lines a cell has.
    for file in ["ID,Title\n\nG,\"two\nlines\"\n\n\nH,\n", "ID,Title\r\n\r\nG,\"two\r\nlines\"\r\n\r\n\r\nH,\r\n"] {
        let name = prepare(&alice, "Article", INSERT, "g.csv", file.as_bytes(), json!({})).await;
        let told = problems(&preview(&alice, &name).await);
        assert_eq!((told.len(), told[0].0), (1, 6), "{told:?}");
    }
}

#[tokio::test]
async fn columns_that_come_twice_or_mean_nothing_are_said_and_left_out() {
    let (site, alice) = shop().await;
    let file =
        xlsx(&[&["ID", "Title", "title", "Weight", "", "Part (Lines)"], &["A", "first", "second", "9", "z", "p"], &[]]);
    let name = prepare(&alice, "Article", INSERT, "a.xlsx", &file, json!({})).await;
    let told = preview(&alice, &name).await;
    let notes: Vec<&str> =
        told["columns"].as_array().unwrap().iter().map(|column| column["note"].as_str().unwrap()).collect();
    assert_eq!(notes[..2], ["", ""]);
    assert!(notes[2].contains("No field is called title"), "{notes:?}");
    assert!(notes[3].contains("No field is called Weight"), "{notes:?}");
    let map = json!({"column_to_field_map": {"2": "title"}}).to_string();
    alice.update("Data Import", &name, json!({"template_options": map})).await.ok();
    assert_eq!(preview(&alice, &name).await["columns"][1]["skip_import"], true, "one column is the title");
    attach(&alice, &name, "b.xlsx", &file).await;
    let (_, status, ..) = import(&site, &alice, "Article", INSERT, "c.xlsx", &file).await;
    assert_eq!(status, "Success");
    assert_eq!(alice.read("Article", "A").await.ok()["title"], "first");
}
