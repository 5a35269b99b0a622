//! Nobody imports or exports more than they may write and read.

use doctyped::testing::jobs::run_due;
use serde_json::json;

use super::{BOTH, INSERT, UPDATE, download, import, prepare, preview, problems, shop, start, status};

#[tokio::test]
async fn who_may_not_import_does_not() {
    let (site, _) = shop().await;
    let looker = site.user("lou@example.com", &["Looker"]).await;
    let values = json!({"reference_doctype": "Article", "import_type": INSERT});
    looker.create("Data Import", values.clone()).await.error(403, "PermissionError");
    let clerk = site.user("cleo@example.com", &["Clerk"]).await;
    clerk
        .create("Data Import", json!({"reference_doctype": "Maker", "import_type": INSERT}))
        .await
        .error(403, "PermissionError");
    // A DocType that is not made for it, whoever asks.
    let admin = site.administrator().await;
    let role = json!({"reference_doctype": "Role", "import_type": INSERT});
    let body = admin.create("Data Import", role).await.error(417, "ValidationError");
    assert!(body.to_string().contains("allow_import"), "{body}");
    // Imports are their owner's.
    let name = prepare(&clerk, "Article", INSERT, "a.csv", b"ID,Title\nA,x\n", json!({})).await;
    let other = site.user("olga@example.com", &["Clerk"]).await;
    other.read("Data Import", &name).await.error(403, "PermissionError");
    start(&other, &name).await.error(403, "PermissionError");
    let method = "frappe.core.doctype.data_import.data_import.get_preview_from_template";
    other.call(method, json!({"data_import": name})).await.error(403, "PermissionError");
    // The right is asked when it runs, not only when it is made.
    start(&clerk, &name).await.ok();
    let roles = json!({"roles": [{"role": "Looker"}]});
    site.db_update("User", "cleo@example.com", roles).await;
    run_due(&site.site).await.unwrap();
    let told = status(&clerk, &name).await;
    assert_eq!((&told["status"], &told["success"]), (&json!("Error"), &json!(0)));
    assert!(told["error"].as_str().unwrap().contains("may not import Article"), "{told}");
    assert_eq!(site.db_names("Article", json!({})).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_file_of_somebody_else_is_not_read() {
    let (site, alice) = shop().await;
    let theirs = crate::files::upload_to(
        &alice,
        "/api/method/upload_file",
        "secret.csv",
        b"ID,Title\nA,secret\n",
        &[("is_private", "1")],
    )
    .await
    .ok();
    let clerk = site.user("cleo@example.com", &["Clerk"]).await;
    let values = json!({"reference_doctype": "Article", "import_type": INSERT, "import_file": theirs["file_url"]});
    // Whether the form takes the address or not: nothing of the file is told.
    let created = clerk.create("Data Import", values).await;
    if created.status.is_success() {
        let name = created.ok()["name"].as_str().unwrap().to_owned();
        let method = "frappe.core.doctype.data_import.data_import.get_preview_from_template";
        let body = clerk.call(method, json!({"data_import": name})).await.error(417, "ValidationError");
        assert!(!body.to_string().contains("secret\""), "{body}");
    }
}

#[tokio::test]
async fn levels_and_masks_hold_in_both_directions() {
    let (site, alice) = shop().await;
    alice.create("Article", json!({"name": "A", "title": "x", "cost": 5, "pin": "1234"})).await.ok();
    let clerk = site.user("cleo@example.com", &["Clerk"]).await;
    let all = json!({"doctype": "Article", "export_records": "all"});
    let csv = download(&clerk, all.clone()).await.status(200).body;
    assert!(!csv.contains("Cost") && !csv.contains("1234") && csv.contains("XXXXXXXX"), "{csv}");
    download(&clerk, json!({"doctype": "Article", "export_records": "all", "export_fields": ["name", "cost"]}))
        .await
        .error(417, "ValidationError");
    // An own export comes back, and what is not theirs stays.
    let (_, state, ..) = import(&site, &clerk, "Article", UPDATE, "a.csv", csv.replace(",x,", ",y,").as_bytes()).await;
    assert_eq!(state, "Success");
    let file = b"ID,Title,Cost,PIN\nA,z,99,0000\nB,new,99,0000\n";
    let name = prepare(&clerk, "Article", BOTH, "b.csv", file, json!({})).await;
    let told = preview(&clerk, &name).await;
    assert!(told["columns"][2]["note"].as_str().unwrap().contains("No field is called Cost"), "{told}");
    assert!(told["columns"][3]["note"].as_str().unwrap().contains("You see PIN masked"), "{told}");
    start(&clerk, &name).await.ok();
    run_due(&site.site).await.unwrap();
    let article = alice.read("Article", "A").await.ok();
    assert_eq!((&article["title"], &article["cost"], &article["pin"]), (&json!("z"), &json!(5.0), &json!("1234")));
    let new = alice.read("Article", "B").await.ok();
    assert_eq!((&new["cost"], &new["pin"]), (&json!(0.0), &json!(null)));
}

#[tokio::test]
async fn user_permissions_hold_for_every_row() {
    let (site, alice) = shop().await;
    for (name, maker) in [("A", "Ace"), ("B", "Best")] {
        alice.create("Article", json!({"name": name, "title": "x", "maker": maker})).await.ok();
    }
    let clerk = site.user("cleo@example.com", &["Clerk"]).await;
    site.db_insert("User Permission", json!({"user": "cleo@example.com", "allow": "Maker", "for_value": "Ace"})).await;
    let csv =
        download(&clerk, json!({"doctype": "Article", "export_records": "all", "export_fields": ["name", "maker"]}))
            .await
            .status(200)
            .body;
    assert_eq!(csv, "ID,Maker\r\nA,Ace\r\n");
    let file = b"ID,Title,Maker\nA,mine,Ace\nB,theirs,Best\nC,new,Ace\nD,not,Best\n";
    let name = prepare(&clerk, "Article", BOTH, "a.csv", file, json!({})).await;
    let told = problems(&preview(&clerk, &name).await);
    assert_eq!(told.iter().map(|(row, ..)| *row).collect::<Vec<_>>(), [3, 5], "{told:?}");
    start(&clerk, &name).await.ok();
    run_due(&site.site).await.unwrap();
    let told = status(&clerk, &name).await;
    assert_eq!((&told["success"], &told["failed"]), (&json!(2), &json!(2)));
    assert_eq!(alice.read("Article", "B").await.ok()["title"], "x");
    assert_eq!(site.db_names("Article", json!({})).await, ["A", "B", "C"]);
}

#[tokio::test]
async fn who_may_not_export_does_not() {
    let (site, _) = shop().await;
    let looker = site.user("lou@example.com", &["Looker"]).await;
    download(&looker, json!({"doctype": "Article", "export_records": "all"})).await.error(403, "PermissionError");
    // A template tells what the form tells.
    download(&looker, json!({"doctype": "Article"})).await.status(200);
    let nobody = site.user("nora@example.com", &[]).await;
    download(&nobody, json!({"doctype": "Article"})).await.error(403, "PermissionError");
    site.guest()
        .get("/api/method/frappe.core.doctype.data_import.data_import.download_template?doctype=Article")
        .await
        .status(401);
}
