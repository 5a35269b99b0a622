//! Nobody but Administrator gets at the account Administrator, and nobody gets roles that they cannot give.

use serde_json::json;

use crate::support::TestSite;

#[tokio::test]
async fn no_door_leads_a_system_manager_to_administrator() {
    let site = TestSite::new().await;
    let admin = site.administrator().await;
    let before = admin.read("User", "Administrator").await.ok();
    let manager = site.user("manager@example.com", &["System Manager"]).await;
    let user = json!({"doctype": "User", "name": "Administrator"});
    for values in [
        json!({"new_password": "taken over by me"}),
        json!({"social_logins": [{"provider": "evil", "userid": "1"}]}),
        json!({"restrict_ip": "203.0.113.7"}),
        json!({"first_name": "x"}),
    ] {
        manager.update("User", "Administrator", values.clone()).await.error(403, "PermissionError");
        manager.patch("/api/v2/document/User/Administrator", values.clone()).await.error(403, "PermissionError");
        let mut set = user.clone();
        set["fieldname"] = values.clone();
        manager.call("frappe.client.set_value", set).await.error(403, "PermissionError");
        let mut doc = values.clone();
        doc["doctype"] = json!("User");
        doc["docname"] = json!("Administrator");
        let failed = manager.call("frappe.client.bulk_update", json!({"docs": [doc]})).await.ok();
        assert_eq!(failed["failed_docs"].as_array().unwrap().len(), 1);
    }
    manager.read("User", "Administrator").await.error(403, "PermissionError");
    manager.get("/app/user/Administrator").await.status(403);
    manager.remove("User", "Administrator").await.error(403, "PermissionError");
    for (method, arguments) in [
        ("frappe.client.get", user.clone()),
        ("frappe.desk.form.load.getdoc", user.clone()),
        ("frappe.core.doctype.user.user.generate_keys", json!({"user": "Administrator"})),
        (
            "frappe.share.add",
            json!({"doctype": "User", "name": "Administrator", "user": "manager@example.com", "write": 1}),
        ),
        ("run_doc_method", json!({"dt": "User", "dn": "Administrator", "method": "generate_keys"})),
        (
            "frappe.client.rename_doc",
            json!({"doctype": "User", "old_name": "Administrator", "new_name": "a@example.com"}),
        ),
    ] {
        manager.call(method, arguments).await.error(403, "PermissionError");
    }
    // Nor do lists show it, its rows, or what could be linked to it.
    let names = manager.list("User", "limit_page_length=0").await.ok().to_string();
    assert!(names.contains("manager@example.com") && !names.contains("Administrator"), "{names}");
    let rows = manager.list("User Social Login", "parent=User&fields=[\"parent\"]&limit_page_length=0").await.ok();
    assert!(!rows.to_string().contains("Administrator"), "{rows}");
    let found = manager.call("frappe.desk.search.search_link", json!({"doctype": "User", "txt": "Admin"})).await.ok();
    assert_eq!(found, json!([]));
    let row = before["social_logins"][0]["name"].as_str().unwrap();
    manager.update("User Social Login", row, json!({"userid": "1"})).await.error(403, "PermissionError");
    manager.remove("User Social Login", row).await.error(403, "PermissionError");
    let added =
        json!({"parent": "Administrator", "parenttype": "User", "parentfield": "social_logins", "provider": "evil"});
    manager.create("User Social Login", added).await.error(403, "PermissionError");
    let share =
        json!({"share_doctype": "User", "share_name": "Administrator", "user": "manager@example.com", "write": 1});
    manager.create("DocShare", share).await.error(403, "PermissionError");
    // A program that would act as Administrator.
    let client = json!({
        "app_name": "Evil", "grant_type": "Client Credentials", "user": "Administrator",
        "redirect_uris": "", "default_redirect_uri": "",
    });
    manager.create("OAuth Client", client).await.status(417);
    assert_eq!(admin.read("User", "Administrator").await.ok(), before);
}

#[tokio::test]
async fn nobody_gives_roles_or_takes_accounts_beyond_their_own_roles() {
    let hr = "
extends: User
permissions:
  - { role: HR, read: true, write: true, create: true }
  - { role: HR, permlevel: 1, read: true, write: true }
";
    let choosing = "extends: Role\npermissions:\n  - { role: HR, select: true }\n";
    let site = TestSite::new().with_doctype(hr).with_doctype(choosing).await;
    let hr = site.user("hr@example.com", &["HR"]).await;
    site.db_user("boss@example.com", json!({"roles": [{"role": "System Manager"}]})).await;
    site.db_user("ann@example.com", json!({"roles": [{"role": "HR"}]})).await;
    let password = json!({"new_password": "another long password"});
    hr.update("User", "boss@example.com", password.clone()).await.error(403, "PermissionError");
    hr.update("User", "ann@example.com", password).await.ok();
    let manager = json!({"roles": [{"role": "System Manager"}]});
    for user in ["ann@example.com", "hr@example.com"] {
        hr.update("User", user, manager.clone()).await.error(403, "PermissionError");
    }
    let new = json!({"email": "new@example.com", "first_name": "New", "roles": [{"role": "System Manager"}]});
    hr.create("User", new).await.error(403, "PermissionError");
    let new = json!({"email": "new@example.com", "first_name": "New", "roles": [{"role": "HR"}]});
    hr.create("User", new).await.ok();
}

#[tokio::test]
async fn stored_secrets_are_not_read_back_by_anybody() {
    let site = TestSite::new().await;
    let values = json!({"provider_name": "P", "client_id": "c", "client_secret": "the secret of the provider"});
    let name = site.db_insert("Connected App", values).await;
    let manager = site.user("manager@example.com", &["System Manager"]).await;
    for client in [manager, site.administrator().await] {
        let asked = json!({"doctype": "Connected App", "name": name, "fieldname": "client_secret"});
        client.call("frappe.client.get_password", asked).await.error(403, "PermissionError");
        let seen = client.read("Connected App", &name).await.ok().to_string();
        assert!(!seen.contains("the secret of the provider"));
    }
}

#[tokio::test]
async fn the_roles_decide_whether_an_account_is_one_of_the_desk() {
    let site = TestSite::new().await;
    let admin = site.administrator().await;
    site.db_insert("Role", json!({"role_name": "Visitor", "desk_access": 0})).await;
    site.db_insert("Role", json!({"role_name": "Clerk", "desk_access": 1})).await;
    let user_type = async |user: &str| admin.read("User", user).await.ok()["user_type"].clone();
    site.db_user("ann@example.com", json!({"roles": [{"role": "Visitor"}], "user_type": "System User"})).await;
    assert_eq!(user_type("ann@example.com").await, "Website User");
    admin.update("User", "ann@example.com", json!({"roles": [{"role": "Clerk"}]})).await.ok();
    assert_eq!(user_type("ann@example.com").await, "System User");
    admin.update("Role", "Clerk", json!({"desk_access": 0})).await.ok();
    assert_eq!(user_type("ann@example.com").await, "Website User");
    admin.update("Role", "Clerk", json!({"desk_access": 1})).await.ok();
    assert_eq!(user_type("ann@example.com").await, "System User");
    admin.update("User", "ann@example.com", json!({"roles": []})).await.ok();
    assert_eq!(user_type("ann@example.com").await, "Website User");
}
