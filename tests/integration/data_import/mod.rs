//! Documents out of files and into files.

mod exports;
mod hostile;
mod imports;
mod large;
mod pages;
mod resume;
mod rights;
mod round_trip;

use std::fmt::Write as _;
use std::io::Write as _;

use doctyped::testing::jobs::run_due;
use rust_xlsxwriter::Workbook;
use serde_json::{Value as Json, json};

use crate::files::upload_to;
use crate::support::{Client, TestSite};

/// A thing that is imported, with rows.
pub const ARTICLE: &str = "
name: Article
module: Shop
autoname: Prompt
allow_import: true
track_changes: true
fields:
  - {fieldname: title, fieldtype: Data, label: Title, reqd: 1}
  - {fieldname: price, fieldtype: Currency, label: Price, non_negative: 1}
  - {fieldname: since, fieldtype: Date, label: On Sale Since}
  - {fieldname: seen, fieldtype: Datetime, label: Seen}
  - {fieldname: kind, fieldtype: Select, label: Kind, options: [Paper, Audio], default: Paper}
  - {fieldname: maker, fieldtype: Link, label: Maker, options: Maker}
  - {fieldname: notes, fieldtype: Long Text, label: Notes}
  - {fieldname: cost, fieldtype: Currency, label: Cost, permlevel: 1}
  - {fieldname: pin, fieldtype: Data, label: PIN, mask: 1}
  - {fieldname: lines, fieldtype: Table, label: Lines, options: Article Line}
permissions:
  - {role: System Manager, read: 1, write: 1, create: 1, delete: 1, export: 1, import: 1, mask: 1}
  - {role: System Manager, permlevel: 1, read: 1, write: 1}
  - {role: Clerk, read: 1, write: 1, create: 1, export: 1, import: 1}
  - {role: Looker, read: 1, write: 1, create: 1}
";
pub const LINE: &str = "
name: Article Line
module: Shop
istable: true
fields:
  - {fieldname: part, fieldtype: Data, label: Part, reqd: 1}
  - {fieldname: qty, fieldtype: Int, label: Quantity, default: 1}
";
pub const MAKER: &str = "
name: Maker
module: Shop
autoname: field:maker
allow_import: true
fields:
  - {fieldname: maker, fieldtype: Data, label: Maker, unique: 1, reqd: 1}
permissions:
  - {role: System Manager, read: 1, write: 1, create: 1, delete: 1, export: 1, import: 1}
  - {role: Clerk, read: 1}
";

pub const INSERT: &str = "Insert New Records";
pub const UPDATE: &str = "Update Existing Records";
pub const BOTH: &str = "Insert or Update Records";
const METHODS: &str = "frappe.core.doctype.data_import.data_import";

/// A site with articles, and somebody who may import them.
pub async fn shop() -> (TestSite, Client) {
    let site = TestSite::new().with_doctype(ARTICLE).with_doctype(LINE).with_doctype(MAKER).await;
    for maker in ["Ace", "Best"] {
        site.db_insert("Maker", json!({"maker": maker})).await;
    }
    let alice = site.user("alice@example.com", &["System Manager"]).await;
    (site, alice)
}

/// Makes an import of a file; returns its name.
pub async fn prepare(
    client: &Client,
    doctype: &str,
    import_type: &str,
    file: &str,
    content: &[u8],
    more: Json,
) -> String {
    let mut values = json!({"reference_doctype": doctype, "import_type": import_type});
    for (key, value) in more.as_object().into_iter().flatten() {
        values[key] = value.clone();
    }
    let name = client.create("Data Import", values).await.ok()["name"].as_str().unwrap().to_owned();
    attach(client, &name, file, content).await;
    name
}

/// Puts a file into an import.
pub async fn attach(client: &Client, import: &str, file: &str, content: &[u8]) {
    let place = [("is_private", "1"), ("doctype", "Data Import"), ("docname", import), ("fieldname", "import_file")];
    let stored = upload_to(client, "/api/method/upload_file", file, content, &place).await.ok();
    client.update("Data Import", import, json!({"import_file": stored["file_url"]})).await.ok();
}

/// What an import would do.
pub async fn preview(client: &Client, import: &str) -> Json {
    client.call(&format!("{METHODS}.get_preview_from_template"), json!({"data_import": import})).await.ok()
}

/// The problems of a preview: row, heading, message.
pub fn problems(preview: &Json) -> Vec<(u64, String, String)> {
    let problem = |problem: &Json| {
        let text = |key: &str| problem[key].as_str().unwrap_or_default().to_owned();
        (problem["row"].as_u64().unwrap(), text("heading"), text("message"))
    };
    preview["warnings"].as_array().unwrap().iter().map(problem).collect()
}

/// Starts an import.
pub async fn start(client: &Client, import: &str) -> crate::support::client::Response {
    client.call(&format!("{METHODS}.form_start_import"), json!({"data_import": import})).await
}

/// Where an import stands.
pub async fn status(client: &Client, import: &str) -> Json {
    client.call(&format!("{METHODS}.get_import_status"), json!({"data_import_name": import})).await.ok()
}

/// Imports a file to the end: status, imported, refused.
pub async fn import(
    site: &TestSite,
    client: &Client,
    doctype: &str,
    import_type: &str,
    file: &str,
    content: &[u8],
) -> (String, String, u64, u64) {
    let name = prepare(client, doctype, import_type, file, content, json!({})).await;
    start(client, &name).await.ok();
    run_due(&site.site).await.unwrap();
    let status = status(client, &name).await;
    let number = |key: &str| status[key].as_u64().unwrap();
    let (success, failed) = (number("success"), number("failed"));
    (name, status["status"].as_str().unwrap().to_owned(), success, failed)
}

/// The refused rows of an import as CSV.
pub async fn refused(client: &Client, import: &str) -> String {
    let arguments = json!({"data_import_name": import});
    client.call(&format!("{METHODS}.download_errored_template"), arguments).await.status(200).body
}

/// What is told of the refused documents of an import.
pub async fn refusals(client: &Client, import: &str) -> Json {
    let logs = client.call(&format!("{METHODS}.get_import_logs"), json!({"data_import": import})).await.ok();
    logs.as_array().unwrap().iter().filter(|log| log["success"] == 0).map(|log| log["messages"].clone()).collect()
}

/// Documents, or a template, as a file.
pub async fn download(client: &Client, arguments: Json) -> crate::support::client::Response {
    client.call(&format!("{METHODS}.download_template"), arguments).await
}

/// A workbook of XLSX with one sheet of texts.
pub fn xlsx(rows: &[&[&str]]) -> Vec<u8> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (number, row) in (0..).zip(rows) {
        for (column, text) in (0..).zip(*row) {
            sheet.write_string(number, column, *text).unwrap();
        }
    }
    book.save_to_buffer().unwrap()
}

/// A workbook of ODS whose sheet has these rows in XML.
pub fn ods(rows: &str) -> Vec<u8> {
    let content = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><office:document-content \
         xmlns:office=\"urn:oasis:names:tc:opendocument:xmlns:office:1.0\" \
         xmlns:table=\"urn:oasis:names:tc:opendocument:xmlns:table:1.0\" \
         xmlns:text=\"urn:oasis:names:tc:opendocument:xmlns:text:1.0\" office:version=\"1.2\"><office:body>\
         <office:spreadsheet><table:table table:name=\"Sheet1\">{rows}</table:table></office:spreadsheet></office:body>\
         </office:document-content>"
    );
    archive(&[
        ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"),
        (
            "META-INF/manifest.xml",
            b"<manifest:manifest xmlns:manifest=\"urn:oasis:names:tc:opendocument:xmlns:manifest:1.0\"/>",
        ),
        ("content.xml", content.as_bytes()),
    ])
}

/// A row of ODS of cells, each in XML.
pub fn ods_row(cells: &[&str]) -> String {
    let mut row = "<table:table-row>".to_owned();
    for cell in cells {
        if cell.starts_with('<') {
            row.push_str(cell);
        } else {
            let _ = write!(
                row,
                "<table:table-cell office:value-type=\"string\"><text:p>{cell}</text:p></table:table-cell>"
            );
        }
    }
    row + "</table:table-row>"
}

/// A ZIP archive of these parts.
pub fn archive(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in parts {
        let method =
            if *name == "mimetype" { zip::CompressionMethod::Stored } else { zip::CompressionMethod::Deflated };
        zip.start_file(*name, zip::write::SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}
