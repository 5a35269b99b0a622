//! What the documents hold.

use doctyped::testing::secret::SiteKey;
use serde_json::{Value as Json, json};

use crate::support::{Client, ServerProcess};

use super::support::by_key;

async fn administrator(site: &ServerProcess) -> Client {
    let client = site.guest();
    client.log_in("Administrator", "admin-Pw-2025").await.ok();
    client
}

/// Every secret opens with this site's key, and with nothing else.
pub async fn secrets_can_be_read_again(site: &ServerProcess) {
    let key = std::fs::read_to_string(site.folder.path().join("data/site.key")).unwrap();
    let key = SiteKey::from_text(&key).unwrap();
    for (doctype, name, field, secret) in [
        ("Connected App", "ktsj7c6sro", "client_secret", "cal-secret-66"),
        ("Email Account", "Library Desk", "password", "mail-secret-11"),
        ("Library Book", "A/B Testing: The Novel", "supplier_pin", "pin-5"),
        ("Library Book", "The Borrowed Archive, Vol. 5", "supplier_pin", "pin-205"),
        ("Library Book", "The Copper Bridge, Vol. 5", "supplier_pin", "pin-105"),
        ("Library Book", "The Paper Island, Vol. 5", "supplier_pin", "pin-305"),
        ("Library Book", "The Silent Clock, Vol. 5", "supplier_pin", "pin-405"),
        ("Library Settings", "Library Settings", "gateway_password", "gateway-secret-42"),
        ("Social Login Key", "example_id", "client_secret", "sso-secret-55"),
        ("Token Cache", "ktsj7c6sro-mira.holt@example.com", "access_token", "cached-access-1"),
        ("Token Cache", "ktsj7c6sro-mira.holt@example.com", "refresh_token", "cached-refresh-1"),
        ("Webhook", "Book Saved Hook", "webhook_secret", "hook-secret-77"),
        ("Webhook Header", "ktod3n4ko3", "value", "Lindenhof"),
    ] {
        let sql = format!(
            "SELECT password FROM \"__Auth\" WHERE doctype = '{doctype}' AND name = '{name}' AND fieldname = '{field}'"
        );
        let sealed = site.database.ask(&sql).await;
        let [sealed] = sealed.as_slice() else { panic!("{doctype} {name}: {sealed:?}") };
        // The place that the engine seals it for.
        assert_eq!(key.open_text(sealed, &format!("{doctype}\u{1f}{field}")).unwrap(), secret, "{doctype} {name}");
    }
    let dump = site.database.dump().await;
    for secret in ["62d0d2735d", "at00787e0b934b75a48de2a2ce044f7", "afe64887a8affbf", "hook-secret-77"] {
        assert!(!dump.contains(secret), "{secret} lies open in the database");
    }
}

/// Values, rows, times, states, versions, comments, tags and assignments.
pub async fn documents_are_as_they_were(site: &ServerProcess) {
    let client = administrator(site).await;
    let count = async |doctype: &str, filters: Json| {
        let query = format!("fields=[\"name\"]&limit_page_length=0&filters={filters}");
        client.list(doctype, &query).await.ok().as_array().unwrap().len()
    };
    for (docstatus, state, expected) in [
        (0, "Loan Draft", 23),
        (0, "Loan Requested", 5),
        (1, "Loan Granted", 69),
        (1, "Loan Returned", 5),
        (2, "Loan Cancelled", 14),
    ] {
        let filters = json!({"docstatus": docstatus, "workflow_state": state});
        assert_eq!(count("Library Loan", filters).await, expected, "{state}");
    }
    for (name, from, docstatus) in [
        ("LOAN-2026-00005-1", "LOAN-2026-00005", 2),
        ("LOAN-2026-00005-2", "LOAN-2026-00005-1", 1),
        ("LOAN-2026-00041-1", "LOAN-2026-00041", 0),
    ] {
        let loan = client.read("Library Loan", name).await.ok();
        assert_eq!((&loan["amended_from"], &loan["docstatus"]), (&json!(from), &json!(docstatus)), "{name}");
        assert!(!loan["items"].as_array().unwrap().is_empty(), "{name}");
    }
    // Of 972 rows, three belong to a book that is gone.
    assert_eq!(site.database.ask("SELECT CAST(count(*) AS text) FROM \"tabLibrary Book Copy\"").await, ["969"]);
    assert_eq!(site.database.ask("SELECT CAST(count(*) AS text) FROM \"tabLibrary Loan Book\"").await, ["224"]);
    let settings = client.read("Library Settings", "Library Settings").await.ok();
    assert_eq!(settings["opening_hours"].as_array().map(Vec::len), Some(3), "{settings}");
    // The site's own time, as Frappe's clients see it; stored in UTC, in summer two hours earlier.
    assert_eq!(settings["last_audit"], "2025-06-30 17:45:12.123456");
    let stored = "SELECT value FROM \"tabSingles\" WHERE doctype = 'Library Settings' AND field = 'last_audit'";
    assert_eq!(site.database.ask(stored).await, ["2025-06-30 15:45:12.123456"]);
    assert_eq!((&settings["max_loans"], &settings["fine_per_day"]), (&json!(7), &json!(0.35)));
    let author = client.read("Library Author", "LA-2026-0002").await.ok();
    assert_eq!(author["owner"], "left.long.ago@example.com");
    for (table, rows) in [
        ("Version", 256),
        ("Comment", 198),
        ("DocShare", 28),
        ("Tag Link", 66),
        ("ToDo", 34),
        ("Deleted Document", 8),
        ("Has Role", 66),
        ("Contact Email", 44),
    ] {
        let found = site.database.ask(&format!("SELECT CAST(count(*) AS text) FROM \"tab{table}\"")).await;
        assert_eq!(found, [rows.to_string()], "{table}");
    }
    let tagged = "SELECT CAST(count(*) AS text) FROM \"tabLibrary Book\" WHERE \"_user_tags\" LIKE '%bestseller%'";
    assert!(site.database.ask(tagged).await[0].parse::<u32>().unwrap() > 0);
    let mira = client.read("User", "mira.holt@example.com").await.ok();
    assert_eq!((&mira["library_card_no"], &mira["membership_level"]), (&json!("CARD-1000"), &json!("Gold")));
    // What was customized holds: an added option, a title, the file's own rights.
    let task = json!({"description": "wait", "status": "On Hold"});
    client.create("ToDo", task).await.ok();
    client.create("ToDo", json!({"description": "x", "status": "Nowhere"})).await.error(417, "ValidationError");
}

/// Every name, in an address.
pub async fn names_that_want_care_are_found(site: &ServerProcess) {
    let client = by_key(site, "17aac2a80643fec:dfb5eef9b13757b");
    for name in [
        "Ünter den Linden",
        "猫と図書館",
        "Emoji 📚 Handbook",
        "50% Off & Other \"Quotes\"",
        "A/B Testing: The Novel",
        "O'Quill's Back\\slash",
        "What? A #Hashtag",
        "Tab Names; DROP TABLE",
        "Ελληνικά Βιβλία",
        "كتاب الحكايات",
        "Line-Dash — Em",
        "100",
        "true",
        "null",
        "A  double  space",
        "The Borrowed Lantern, Vol. 8 (Revised)",
    ] {
        let book = client.read("Library Book", name).await.ok();
        assert_eq!(book["name"], name);
        client.update("Library Book", name, json!({"page_count": 321})).await.ok();
    }
    // Names that are numbers and UUIDs.
    assert_eq!(client.read("Library Visit", "1").await.ok()["name"], 1);
    let events = client.list("Library Event", "limit=1").await.ok();
    let name = events[0]["name"].as_str().unwrap();
    assert_eq!(name.len(), 36);
    client.read("Library Event", name).await.ok();
}

/// Public and private, with the names that they had.
pub async fn files_have_their_content(site: &ServerProcess) {
    let client = administrator(site).await;
    for (path, length) in [
        ("/files/mira.png", 102),
        ("/files/same-a.png", 112),
        ("/files/Pr%C3%BCfbericht%20%C3%A4.csv", 40),
        ("/private/files/sample%20text.txt", 20),
        ("/private/files/a'b.txt", 100),
        ("/private/files/notes_1.txt", 60),
        ("/private/files/loan-slip.pdf", 301),
    ] {
        let answer = client.get(path).await.status(200);
        assert_eq!(answer.header("content-length"), length.to_string(), "{path}");
    }
    client.get("/files/leer.txt").await.status(404);
    site.guest().get("/files/mira.png").await.status(200);
    // Whoever is not logged in is sent to the login.
    site.guest().get("/private/files/a'b.txt").await.status(303);
    let two = client.list("File", "filters={\"file_url\": \"/files/same-a.png\"}").await.ok();
    assert_eq!(two.as_array().unwrap().len(), 2);
    let nested = client.read("File", "Home/Covers/2025").await.ok();
    assert_eq!((&nested["folder"], &nested["is_folder"]), (&json!("Home/Covers"), &json!(1)));
}

/// Series and sequences, behind what was given away.
pub async fn numbers_go_on(site: &ServerProcess) {
    let client = administrator(site).await;
    let author = json!({"naming_series": "LA-.#####", "author_name": "Nora Next"});
    assert_eq!(client.create("Library Author", author).await.ok()["name"], "LA-00049");
    let visits = client.list("Library Visit", "fields=[\"*\"]&limit=1").await.ok();
    let mut visit = visits[0].clone();
    for key in ["name", "owner", "creation", "modified", "modified_by", "docstatus", "idx"] {
        visit.as_object_mut().unwrap().remove(key);
    }
    assert_eq!(client.create("Library Visit", visit).await.ok()["name"], 26);
}
