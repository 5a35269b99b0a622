//! What lists show to whom.

use super::*;
use crate::error::AuthenticationError;
use crate::meta::Right;
use crate::permissions::Limit;

fn orders() -> ListRequest {
    ListRequest::new("Sales Order").order_by("name")
}

async fn names(site: &Site, session: &Session, request: ListRequest) -> String {
    let list = site.run(session, &request).await.unwrap_or_else(|error| panic!("{:?}: {error:?}", site.backend()));
    assert_eq!(site.count(session, &request).await.unwrap(), list.rows.len() as u64, "{request:?}");
    (0..list.rows.len()).map(|row| list.text(row, "name")).collect::<Vec<_>>().join(" ")
}

fn only(allow: &str, for_value: &str) -> UserPermission {
    UserPermission { allow: allow.to_owned(), for_value: for_value.to_owned(), applicable_for: None, is_default: false }
}

#[tokio::test]
async fn roles_owners_and_user_permissions_narrow_the_rows() {
    for site in Site::each().await {
        assert_eq!(names(&site, &user("ann", &["Sales"]), orders()).await, "SO-1 SO-2 SO-3 SO-4");
        assert_eq!(names(&site, &user("bea", &["Own"]), orders()).await, "SO-2");
        let bob = user_with("cid", &["Sales"], vec![only("Customer", "Bob")]);
        assert_eq!(names(&site, &bob, orders()).await, "SO-2 SO-3");
        let named = user_with("cid", &["Sales"], vec![only("Sales Order", "SO-4")]);
        assert_eq!(names(&site, &named, orders()).await, "SO-4");
        // A Link that is empty passes, unless the site is strict.
        let asia = user_with("cid", &["Sales"], vec![only("Territory", "Asia")]);
        assert_eq!(names(&site, &asia, ListRequest::new("Customer").order_by("name")).await, "Bob Carl");
        let mut access = (*asia.access).clone();
        access.strict_user_permissions = true;
        let strict = Session::of(Arc::new(access));
        assert_eq!(names(&site, &strict, ListRequest::new("Customer").order_by("name")).await, "Bob");
        // Numbers as names.
        let ticket = user_with("cid", &["Sales"], vec![only("Ticket", "1")]);
        assert_eq!(site.count(&ticket, &ListRequest::new("Ticket")).await.unwrap(), 1);
        site.finish().await;
    }
}

#[tokio::test]
async fn nobody_without_a_right_gets_a_list() {
    for site in Site::each().await {
        let refused = site.run(&user("bea", &[]), &orders()).await;
        assert!(matches!(refused, Err(Error::Permission(_))), "{refused:?}");
        assert!(matches!(site.count(&user("bea", &[]), &orders()).await, Err(Error::Permission(_))));
        let refused = site.run(&Session::guest(), &orders()).await;
        assert!(matches!(refused, Err(Error::Authentication(AuthenticationError::MissingFor(_)))), "{refused:?}");
        site.finish().await;
    }
}

#[tokio::test]
async fn shares_add_documents() {
    for site in Site::each().await {
        for (name, user, everyone, document) in
            [("a", "bea", 0, "SO-1"), ("b", "", 1, "SO-3"), ("c", "other", 0, "SO-4"), ("d", "own", 0, "SO-1")]
        {
            let share = json!({"name": name, "user": user, "everyone": everyone, "read": 1,
                "share_doctype": "Sales Order", "share_name": document});
            site.add("DocShare", share).await;
        }
        let request = || ListRequest { fields: json!(["name", "margin"]), ..orders() };
        assert_eq!(names(&site, &user("bea", &[]), request()).await, "SO-1 SO-3");
        assert_eq!(names(&site, &user("bea", &["Own"]), request()).await, "SO-1 SO-2 SO-3");
        let list = site.run(&user("bea", &[]), &request()).await.unwrap();
        assert_eq!(list.keys, ["name"], "levels above 0 are not shared");
        assert!(matches!(site.run(&Session::guest(), &request()).await, Err(Error::Authentication(_))));
        site.finish().await;
    }
}

#[tokio::test]
async fn fields_of_other_levels_secrets_and_passwords_stay_hidden() {
    for site in Site::each().await {
        let sales = user("ann", &["Sales"]);
        let star =
            site.run(&sales, &ListRequest { fields: json!("\"*\""), ..ListRequest::new("Customer") }).await.unwrap();
        assert_eq!(
            star.keys,
            [
                "name",
                "owner",
                "creation",
                "modified",
                "modified_by",
                "docstatus",
                "idx",
                "customer_name",
                "territory",
                "notes",
                "_user_tags",
                "_comments",
                "_assign",
                "_liked_by"
            ]
        );
        let boss = user("eve", &["Boss"]);
        let star =
            site.run(&boss, &ListRequest { fields: json!(["*"]), ..ListRequest::new("Customer") }).await.unwrap();
        assert!(star.keys.contains(&"credit_limit".to_owned()));
        let asked = ListRequest {
            fields: json!(["credit_limit", "token_digest", "pin"]),
            limit: Some(1),
            ..ListRequest::new("Customer")
        };
        assert_eq!(site.json(&sales, &asked).await, json!([{"pin": "****"}]));
        let hidden = ["credit_limit", "token_digest", "pin", "max(token_digest)"];
        for field in hidden {
            let refused = site.refused(&sales, &ListRequest::new("Customer").order_by(field)).await;
            assert!(refused.starts_with("Field not permitted in query"), "{field}: {refused}");
            if !field.contains('(') {
                site.refused(&sales, &ListRequest::new("Customer").filters(json!({field: ["like", "%"]}))).await;
                site.refused(&sales, &ListRequest { group_by: Some(field.to_owned()), ..ListRequest::new("Customer") })
                    .await;
            }
        }
        // Joined tables hide the same; Administrator is not an exception for secrets, the program itself is.
        let joined =
            ListRequest { fields: json!(["name", "customer.credit_limit", "customer.token_digest"]), ..orders() };
        assert_eq!(site.run(&sales, &joined).await.unwrap().keys, ["name"]);
        let admin = user("Administrator", &[]);
        site.refused(&admin, &orders().filters(json!({"customer.token_digest": "digest"}))).await;
        let digest = ListRequest::new("Customer").filters(json!({"token_digest": "digest"}));
        assert_eq!(site.count(&Session::system(), &digest).await.unwrap(), 3);
        site.finish().await;
    }
}

#[tokio::test]
async fn a_link_tells_nothing_of_documents_that_may_not_be_read() {
    for site in Site::each().await {
        let asia = user_with(
            "cid",
            &["Sales"],
            vec![UserPermission { applicable_for: Some("Customer".to_owned()), ..only("Territory", "Asia") }],
        );
        let request = ListRequest { fields: json!(["name", "customer.notes"]), limit: Some(2), ..orders() };
        assert_eq!(
            site.json(&asia, &request).await,
            json!([{"name": "SO-1", "notes": null}, {"name": "SO-2", "notes": "a\\b 100%"}])
        );
        assert_eq!(
            names(&site, &asia, orders().filters(json!({"customer.notes": ["like", "a%"]}))).await,
            "SO-2 SO-3 SO-4"
        );
        let expanded =
            ListRequest { fields: json!(["name"]), expand: vec!["customer".to_owned()], limit: Some(2), ..orders() };
        let rows = site.json(&asia, &expanded).await;
        assert_eq!((&rows[0]["customer"], &rows[1]["customer"]["territory"]), (&json!("Ärzte"), &json!("Asia")));
        // Own reads orders and no customers but those shared with them: none.
        let own = user("bea", &["Own"]);
        assert_eq!(site.json(&own, &request).await, json!([{"name": "SO-2", "notes": null}]));
        assert_eq!(site.json(&own, &expanded).await, json!([{"name": "SO-2", "customer": "Bob"}]));
        assert_eq!(names(&site, &own, orders().filters(json!({"customer.notes": ["like", "%"]}))).await, "");
        site.finish().await;
    }
}

#[tokio::test]
async fn child_rows_are_listed_with_their_parent() {
    for site in Site::each().await {
        let items =
            || ListRequest { fields: json!(["item", "cost"]), ..ListRequest::new("Sales Order Item").order_by("item") };
        let with = |parent: &str| ListRequest { parent: Some(parent.to_owned()), ..items() };
        let sales = user("ann", &["Sales"]);
        let refused = site.run(&sales, &items()).await;
        assert!(matches!(refused, Err(Error::Permission(_))), "{refused:?}");
        let found = site.json(&sales, &with("Sales Order")).await;
        assert_eq!(found, json!([{"item": "Hammer"}, {"item": "Nail"}, {"item": "Nail"}]));
        let boss = site.json(&user("eve", &["Boss"]), &with("Sales Order")).await;
        assert_eq!(boss[0], json!({"item": "Freight", "cost": 0.0}));
        assert_eq!(site.json(&user("bea", &["Own"]), &with("Sales Order")).await, json!([{"item": "Nail"}]));
        assert!(site.refused(&sales, &with("Customer")).await.contains("Customer has no table"));
        assert!(matches!(site.run(&user("x", &[]), &with("Sales Order")).await, Err(Error::Permission(_))));
        assert!(matches!(site.run(&user("x", &["Picker"]), &with("Sales Order")).await, Err(Error::Permission(_))));
        assert_eq!(site.count(&user("Administrator", &[]), &items()).await.unwrap(), 5);
        // In lists of the parent the level of the table field counts, and the levels of its fields.
        let rows = ListRequest { fields: json!(["name", {"items": ["*"]}, "costs"]), limit: Some(1), ..orders() };
        let list = site.run(&sales, &rows).await.unwrap();
        assert_eq!(list.keys, ["name", "items"]);
        let Cell::Json(found) = &list.rows[0][1] else { panic!("no rows") };
        assert_eq!((found[0]["item"].as_str(), found[0].get("cost"), found[0].get("key")), (Some("Nail"), None, None));
        site.finish().await;
    }
}

#[tokio::test]
async fn the_right_select_shows_names_and_search_fields() {
    for site in Site::each().await {
        let picker = user("pia", &["Picker"]);
        let star = site.run(&picker, &ListRequest { fields: json!("*"), ..orders() }).await.unwrap();
        assert_eq!(star.keys, ["name", "title"]);
        assert_eq!(site.run(&picker, &orders().fields(&["total"])).await.unwrap().keys, ["name"]);
        assert_eq!(names(&site, &picker, orders().filters(json!({"docstatus": 1, "title": ["like", "%x"]}))).await, "");
        assert_eq!(names(&site, &picker, orders().filters(json!({"docstatus": 1, "customer": "Bob"}))).await, "SO-3");
        site.refused(&picker, &orders().filters(json!({"total": [">", 1]}))).await;
        site.refused(&picker, &orders().filters(json!({"items.qty": [">", 1]}))).await;
        site.finish().await;
    }
}

#[derive(Debug)]
struct Nothing;

impl Limit for Nothing {
    fn allows(&self, doctype: &str, _: Right) -> bool {
        doctype == "Customer"
    }
    fn allows_method(&self, _: &str) -> bool {
        false
    }
    fn needed(&self, _: &str, _: Right) -> String {
        "all".to_owned()
    }
    fn needed_for_method(&self, _: &str) -> String {
        "all".to_owned()
    }
    fn needed_for_guarded(&self) -> String {
        "all".to_owned()
    }
}

#[tokio::test]
async fn the_scope_of_the_credentials_counts_for_everybody() {
    let site = Site::sqlite().await;
    for name in ["ann", "Administrator"] {
        let mut session = user(name, &["Sales"]);
        session.limit = Some(Arc::new(Nothing));
        assert!(matches!(site.run(&session, &orders()).await, Err(Error::InsufficientScope { .. })));
        assert!(site.run(&session, &ListRequest::new("Sales Order Item")).await.is_err());
        let customers = ListRequest { fields: json!(["name", "territory.name"]), ..ListRequest::new("Customer") };
        assert_eq!(site.run(&session, &customers).await.unwrap().keys, ["name"]);
    }
    site.finish().await;
}
