//! Uploaded files.

use poem::http::Method;
use serde_json::{Value as Json, json};

use crate::resource::{READER, library_with_books};
use crate::support::client::Response;
use crate::support::{Client, TestSite};

const BOUNDARY: &str = "a-boundary";

async fn upload(client: &Client, name: &str, content: &[u8], fields: &[(&str, &str)]) -> Response {
    upload_to(client, "/api/method/upload_file", name, content, fields).await
}

/// Sends a file as browsers do.
pub async fn upload_to(client: &Client, path: &str, name: &str, content: &[u8], fields: &[(&str, &str)]) -> Response {
    let mut body = Vec::new();
    for (key, value) in fields {
        body.extend(
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{key}\"\r\n\r\n{value}\r\n").into_bytes(),
        );
    }
    body.extend(
        format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        )
        .into_bytes(),
    );
    body.extend_from_slice(content);
    body.extend(format!("\r\n--{BOUNDARY}--\r\n").into_bytes());
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    client.send(Method::POST, path, &content_type, body).await
}

fn url(file: &Json) -> String {
    file["file_url"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn public_files_are_for_everybody_and_private_ones_are_not() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let public = upload(&alice, "a.txt", b"open", &[("is_private", "0")]).await.ok();
    assert_eq!((url(&public).as_str(), &public["file_size"]), ("/files/a.txt", &json!(4)));
    assert_eq!(site.guest().get("/files/a.txt").await.status(200).body, "open");
    let private = upload(&alice, "b.txt", b"closed", &[("is_private", "1")]).await.ok();
    assert_eq!(url(&private), "/private/files/b.txt");
    assert_eq!(alice.get("/private/files/b.txt").await.status(200).body, "closed");
    let bob = site.user("bob@example.com", &[]).await;
    bob.get("/private/files/b.txt").await.status(404);
    bob.get("/private/files/nothing.txt").await.status(404);
    let guest = site.guest().with_header("accept", "application/json");
    guest.get("/private/files/b.txt").await.status(401);
    guest.get("/private/files/nothing.txt").await.status(401);
    // Who keeps what comes is not given the login page for the file; who opens it in a browser is.
    site.guest().with_header("accept", "*/*").get("/private/files/b.txt").await.status(401);
    let image =
        site.guest().with_header("accept", "image/avif,image/webp,*/*").with_header("sec-fetch-mode", "no-cors");
    image.get("/private/files/b.txt").await.status(401);
    assert!(site.guest().get("/private/files/b.txt").await.redirect().starts_with("/login?redirect-to="));
}

#[tokio::test]
async fn a_file_document_may_bring_its_content() {
    let (site, alice) = library_with_books().await;
    let text = json!({"file_name": "a.txt", "content": "plain", "is_private": 1});
    let file = alice.create("File", text).await.ok();
    assert_eq!(alice.get(&url(&file)).await.status(200).body, "plain");
    let encoded = json!({
        "doctype": "File", "file_name": "b.txt", "content": "aGVsbG8=", "decode": true,
        "attached_to_doctype": "Book", "attached_to_name": "Dune",
    });
    let file = alice.call("frappe.client.insert", json!({ "doc": encoded })).await.ok();
    assert_eq!((&file["attached_to_name"], &file["file_size"]), (&json!("Dune"), &json!(5)));
    assert_eq!(alice.get(&url(&file)).await.status(200).body, "hello");
    let wrong = json!({"file_name": "c.txt", "content": "not base64!", "decode": 1});
    alice.create("File", wrong).await.error(417, "ValidationError");
    let reader = site.user("rita@example.com", &[READER]).await;
    let other =
        json!({"file_name": "d.txt", "content": "x", "attached_to_doctype": "Book", "attached_to_name": "Dune"});
    reader.create("File", other).await.error(403, "PermissionError");
}

#[tokio::test]
async fn attachments_are_read_with_their_document() {
    let (site, alice) = library_with_books().await;
    let target = [("is_private", "1"), ("doctype", "Book"), ("docname", "Dune")];
    let file = upload(&alice, "cover.png", b"png", &target).await.ok();
    assert_eq!((&file["attached_to_name"], &file["folder"]), (&json!("Dune"), &json!("Home/Attachments")));
    let reader = site.user("rita@example.com", &[READER]).await;
    assert_eq!(reader.get(&url(&file)).await.status(200).body, "png");
    upload(&reader, "x.txt", b"x", &target).await.error(403, "PermissionError");
    let bob = site.user("bob@example.com", &[]).await;
    bob.get(&url(&file)).await.status(404);
}

#[tokio::test]
async fn attachments_follow_their_document_to_its_new_name_and_go_with_it() {
    let (site, alice) = library_with_books().await;
    let target = [("is_private", "1"), ("doctype", "Book"), ("docname", "Dune")];
    let file = upload(&alice, "cover.png", b"png", &target).await.ok();
    let administrator = site.administrator().await;
    let path = "/api/method/frappe.client.rename_doc";
    let renamed = json!({"doctype": "Book", "old_name": "Dune", "new_name": "Dune 2"});
    administrator.post(path, renamed).await.ok();
    let name = file["name"].as_str().unwrap();
    let address = format!("/api/resource/File/{name}");
    assert_eq!(administrator.get(&address).await.ok()["attached_to_name"], "Dune 2");
    administrator.delete("/api/resource/Book/Dune%202").await.status(202);
    administrator.get(&address).await.status(404);
    administrator.get(&url(&file)).await.status(404);
}

/// A DocType whose documents every user of the desk reads, with a field for a file.
const REPORT: &str = "
name: Scanned Page
module: Library
fields:
  - { fieldname: scan, fieldtype: Attach, label: Scan, description: The pages. }
permissions:
  - { role: Desk User, read: true, write: true, create: true }
";

#[tokio::test]
async fn a_file_that_a_document_names_belongs_to_it() {
    let site = TestSite::new().with_doctype(REPORT).await;
    let alice = site.user("alice@example.com", &[]).await;
    let bob = site.user("bob@example.com", &[]).await;
    let scan = url(&upload(&alice, "scan.txt", b"pages", &[("is_private", "1")]).await.ok());
    bob.get(&scan).await.status(404);
    let first = alice.create("Scanned Page", json!({"scan": scan})).await.ok();
    assert_eq!(bob.get(&scan).await.status(200).body, "pages", "whoever reads the document reads its file");
    let attached = |name: &Json| json!({"attached_to_doctype": "Scanned Page", "attached_to_name": name});
    assert_eq!(site.db_names("File", attached(&first["name"])).await.len(), 1);
    // Saving again attaches nothing twice; a second document with the file has it as well.
    alice.update("Scanned Page", first["name"].as_str().unwrap(), json!({"scan": scan})).await.ok();
    let second = alice.create("Scanned Page", json!({"scan": scan})).await.ok();
    assert_eq!(site.db_names("File", json!({"file_url": scan})).await.len(), 2);
    assert_eq!(site.db_names("File", attached(&second["name"])).await.len(), 1);
}

#[tokio::test]
async fn naming_a_file_in_a_document_opens_nothing() {
    let site = TestSite::new().with_doctype(REPORT).await;
    let alice = site.user("alice@example.com", &[]).await;
    let bob = site.user("bob@example.com", &[]).await;
    let diary = url(&upload(&alice, "diary.txt", b"dear diary", &[("is_private", "1")]).await.ok());
    let report = bob.create("Scanned Page", json!({"scan": diary})).await.ok();
    assert_eq!(report["scan"], diary, "the text is stored, and means nothing");
    bob.get(&diary).await.status(404);
    assert_eq!(site.db_names("File", json!({"file_url": diary})).await.len(), 1);
}

#[tokio::test]
async fn what_a_browser_could_run_is_a_download() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    for (name, kind) in [("a.html", "attachment"), ("a.svg", "attachment"), ("a.png", "inline")] {
        let file = upload(&alice, name, name.as_bytes(), &[("is_private", "0")]).await.ok();
        let answer = site.guest().get(&url(&file)).await.status(200);
        assert!(answer.header("content-disposition").starts_with(kind), "{name}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(answer.header("content-security-policy").contains("sandbox"));
    }
}

#[tokio::test]
async fn the_same_bytes_are_stored_once_and_other_bytes_never_overwrite() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let first = upload(&alice, "a.txt", b"one", &[]).await.ok();
    let again = upload(&alice, "b.txt", b"one", &[]).await.ok();
    assert_eq!(url(&first), url(&again));
    let other = upload(&alice, "a.txt", b"two", &[]).await.ok();
    assert_ne!(url(&first), url(&other));
    assert_eq!(alice.get(&url(&first)).await.body, "one");
    // Somebody else's private file is not told by its bytes.
    let bob = site.user("bob@example.com", &[]).await;
    let his = upload(&bob, "mine.txt", b"one", &[]).await.ok();
    assert_ne!(url(&his), url(&first));

    let name = |file: &Json| file["name"].as_str().unwrap().to_owned();
    alice.remove("File", &name(&first)).await.status(202);
    assert_eq!(alice.get(&url(&again)).await.status(200).body, "one", "still used");
    alice.remove("File", &name(&again)).await.status(202);
    let lying = site.folder.path().join("files/private/a.txt");
    assert!(!lying.exists());
}

#[tokio::test]
async fn nobody_makes_a_file_of_what_they_cannot_read() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let secret = upload(&alice, "secret.txt", b"s", &[]).await.ok();
    let bob = site.user("bob@example.com", &[]).await;
    for values in [
        json!({"file_name": "x", "file_url": url(&secret)}),
        json!({"file_name": "x", "file_url": "/private/files/../site.db"}),
        json!({"file_name": "x", "file_url": "javascript:alert(1)"}),
        json!({"file_name": "x"}),
    ] {
        bob.create("File", values.clone()).await.error(417, "ValidationError");
    }
    bob.call("upload_file", json!({"file_url": url(&secret)})).await.error(417, "ValidationError");
    let elsewhere = json!({"file_url": "https://example.com/a.pdf"});
    assert_eq!(bob.call("upload_file", elsewhere).await.ok()["file_name"], "a.pdf");
    bob.get(&url(&secret)).await.status(404);
}

#[tokio::test]
async fn limits_hold() {
    let (site, alice) = library_with_books().await;
    let admin = site.administrator().await;
    admin.update("System Settings", "System Settings", json!({"max_file_size": 1})).await.ok();
    upload(&alice, "a.bin", &vec![0; 1024 * 1024 + 1], &[]).await.error(417, "ValidationError");
    upload(&alice, "a.bin", b"", &[]).await.error(417, "ValidationError");
    upload(&site.guest(), "a.txt", b"x", &[]).await.error(401, "AuthenticationError");
    alice.call("upload_file", json!({})).await.error(417, "ValidationError");
    admin.update("System Settings", "System Settings", json!({"allow_guests_to_upload_files": 1})).await.ok();
    upload(&site.guest(), "a.txt", b"x", &[]).await.status(200);
    upload(&site.guest(), "a.exe", b"x", &[]).await.error(417, "ValidationError");
}

#[tokio::test]
async fn a_doctype_limits_its_attachments() {
    let doctype = "
name: Note
max_attachments: 1
fields: [{fieldname: title, fieldtype: Data, label: Title}]
permissions: [{role: System Manager, read: 1, write: 1, create: 1}]
";
    let site = TestSite::new().with_doctype(doctype).await;
    let admin = site.administrator().await;
    let note = admin.create("Note", json!({})).await.ok()["name"].as_str().unwrap().to_owned();
    let target = [("doctype", "Note"), ("docname", note.as_str())];
    upload(&admin, "a.txt", b"1", &target).await.status(200);
    upload(&admin, "b.txt", b"2", &target).await.error(417, "AttachmentLimitReached");
}

#[tokio::test]
async fn a_file_becomes_private_and_public_again() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let file = upload(&alice, "a.txt", b"one", &[("is_private", "0")]).await.ok();
    let name = file["name"].as_str().unwrap();
    let private = alice.update("File", name, json!({"is_private": 1})).await.ok();
    assert_eq!(url(&private), "/private/files/a.txt");
    site.guest().get("/files/a.txt").await.status(404);
    assert_eq!(alice.get("/private/files/a.txt").await.status(200).body, "one");
    let public = alice.update("File", name, json!({"is_private": 0})).await.ok();
    assert_eq!(site.guest().get(&url(&public)).await.status(200).body, "one");
}

#[tokio::test]
async fn parts_and_names_that_are_odd_are_served() {
    let site = TestSite::new().await;
    let alice = site.user("alice@example.com", &[]).await;
    let file = upload(&alice, "../../ü b.txt", b"0123456789", &[("is_private", "0")]).await.ok();
    assert_eq!(url(&file), "/files/ü b.txt");
    let path = "/files/%C3%BC%20b.txt";
    let part = site.guest().with_header("range", "bytes=2-4").get(path).await.status(206);
    assert_eq!((part.body.as_str(), part.header("content-range")), ("234", "bytes 2-4/10"));
    site.guest().with_header("range", "bytes=20-").get(path).await.status(416);
    let etag = site.guest().get(path).await.header("etag").to_owned();
    site.guest().with_header("if-none-match", &etag).get(path).await.status(304);
    site.guest().get("/files/..%2f..%2fsite.db").await.status(404);
    for odd in ["%01", "%0a", &"x".repeat(300)] {
        site.guest().get(&format!("/files/{odd}")).await.status(404);
    }
    // Letters of four bytes each: a name that no file system would take.
    let long = format!("{}.txt", "\u{1f4d6}".repeat(80));
    let file = upload(&alice, &long, b"a book", &[("is_private", "1")]).await.ok();
    assert_eq!(alice.get(&url(&file)).await.status(200).body, "a book");
    let download = site.guest().get("/api/method/download_file?file_url=/files/%C3%BC%20b.txt").await.status(200);
    assert!(download.header("content-disposition").starts_with("attachment"));
}
