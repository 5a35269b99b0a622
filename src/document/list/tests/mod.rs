//! Lists over a small shop: on SQLite always, on PostgreSQL where `DOCTYPED_TEST_POSTGRES` names a server.

mod anything;
mod permissions;
mod semantics;
mod statements;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::*;
use crate::database::migrate::migrate;
use crate::database::{Backend, Database, MigrateOptions, documents};
use crate::meta::fieldtype;
use crate::meta::load::{Source, load};
use crate::permissions::UserAccess;
use crate::permissions::session::UserPermission;

const CUSTOMER: &str = "
name: Customer
module: Shop
autoname: field:customer_name
search_fields: customer_name
fields:
  - {fieldname: customer_name, fieldtype: Data, label: Name, reqd: 1, unique: 1}
  - {fieldname: territory, fieldtype: Link, label: Territory, options: Territory}
  - {fieldname: credit_limit, fieldtype: Currency, label: Credit Limit, permlevel: 1}
  - {fieldname: pin, fieldtype: Password, label: PIN}
  - {fieldname: token_digest, fieldtype: Data, label: Digest, secret: 1}
  - {fieldname: notes, fieldtype: Small Text, label: Notes}
permissions:
  - {role: Sales, read: 1, write: 1, create: 1}
  - {role: Boss, read: 1}
  - {role: Boss, read: 1, permlevel: 1}
  - {role: Picker, select: 1}
";
const TERRITORY: &str = "
name: Territory
module: Shop
is_tree: 1
autoname: field:territory_name
fields:
  - {fieldname: territory_name, fieldtype: Data, label: Name, unique: 1, reqd: 1}
permissions:
  - {role: Sales, read: 1}
";
const ORDER: &str = "
name: Sales Order
module: Shop
autoname: Prompt
search_fields: title
sort_field: creation
sort_order: DESC
fields:
  - {fieldname: title, fieldtype: Data, label: Title}
  - {fieldname: customer, fieldtype: Link, label: Customer, options: Customer, in_standard_filter: 1}
  - {fieldname: status, fieldtype: Select, label: Status, options: \"\\nOpen\\nClosed\"}
  - {fieldname: due, fieldtype: Date, label: Due}
  - {fieldname: placed, fieldtype: Datetime, label: Placed}
  - {fieldname: at_time, fieldtype: Time, label: At}
  - {fieldname: total, fieldtype: Currency, label: Total}
  - {fieldname: effort, fieldtype: Duration, label: Effort}
  - {fieldname: priority, fieldtype: Int, label: Priority}
  - {fieldname: urgent, fieldtype: Check, label: Urgent}
  - {fieldname: extra, fieldtype: JSON, label: Extra}
  - {fieldname: margin, fieldtype: Float, label: Margin, permlevel: 1}
  - {fieldname: section, fieldtype: Section Break}
  - {fieldname: items, fieldtype: Table, label: Items, options: Sales Order Item}
  - {fieldname: costs, fieldtype: Table, label: Costs, options: Sales Order Item, permlevel: 1}
permissions:
  - {role: Sales, read: 1, write: 1, create: 1}
  - {role: Boss, read: 1}
  - {role: Boss, read: 1, permlevel: 1}
  - {role: Own, read: 1, if_owner: 1}
  - {role: Picker, select: 1}
";
const ITEM: &str = "
name: Sales Order Item
module: Shop
istable: 1
fields:
  - {fieldname: item, fieldtype: Data, label: Item}
  - {fieldname: qty, fieldtype: Int, label: Quantity}
  - {fieldname: cost, fieldtype: Currency, label: Cost, permlevel: 1}
  - {fieldname: key, fieldtype: Password, label: Key}
";
const TICKET: &str = "
name: Ticket
module: Shop
autoname: autoincrement
fields:
  - {fieldname: subject, fieldtype: Data, label: Subject}
  - {fieldname: order, fieldtype: Link, label: Order, options: Sales Order}
  - {fieldname: duplicate_of, fieldtype: Link, label: Duplicate of, options: Ticket}
  - {fieldname: lines, fieldtype: Table, label: Lines, options: Sales Order Item}
permissions:
  - {role: Sales, read: 1}
";
const SETTINGS: &str = "
name: Shop Settings
module: Shop
issingle: 1
fields:
  - {fieldname: currency, fieldtype: Data, label: Currency}
  - {fieldname: tax, fieldtype: Percent, label: Tax}
permissions:
  - {role: Sales, read: 1}
";
const FEED: &str = "
name: Feed
module: Shop
is_virtual: 1
fields:
  - {fieldname: subject, fieldtype: Data, label: Subject}
  - {fieldname: rank, fieldtype: Int, label: Rank}
permissions:
  - {role: Sales, read: 1}
";

pub(super) fn registry() -> Registry {
    let share = include_str!("../../../../doctypes/core/docshare.yaml");
    let texts = [CUSTOMER, TERRITORY, ORDER, ITEM, TICKET, SETTINGS, FEED, share];
    let sources: Vec<Source> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| Source { path: format!("{index}.yaml"), text: (*text).to_owned() })
        .collect();
    let loaded = load(&sources);
    assert!(!loaded.has_errors(), "{:?}", loaded.problems);
    Registry::new(loaded.doctypes, 1)
}

/// One fresh database with the shop in it.
pub(super) struct Site {
    pub database: Database,
    pub registry: Registry,
    pub clock: Clock,
    seconds: AtomicUsize,
    cleanup: Cleanup,
}

enum Cleanup {
    Folder(tempfile::TempDir),
    Postgres { server: String, name: String },
}

impl Site {
    pub(super) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("site.db").display());
        Self::new(Database::open(&url).await.unwrap(), Cleanup::Folder(folder)).await
    }

    pub(super) async fn postgres() -> Option<Self> {
        static COUNTER: AtomicUsize = AtomicUsize::new(0);
        let Ok(server) = std::env::var("DOCTYPED_TEST_POSTGRES") else {
            eprintln!("SKIPPED on PostgreSQL: set DOCTYPED_TEST_POSTGRES=postgres://user@host:port");
            return None;
        };
        let name = format!("doctyped_list_{}_{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let admin = Database::open(&format!("{server}/postgres")).await.unwrap();
        admin.execute_script(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.unwrap();
        admin.execute_script(&format!("CREATE DATABASE {name}")).await.unwrap();
        admin.close().await;
        let database = Database::open(&format!("{server}/{name}")).await.unwrap();
        Some(Self::new(database, Cleanup::Postgres { server, name }).await)
    }

    pub(super) async fn each() -> Vec<Self> {
        let mut sites = vec![Self::sqlite().await];
        sites.extend(Self::postgres().await);
        sites
    }

    async fn new(database: Database, cleanup: Cleanup) -> Self {
        let registry = registry();
        migrate(&database, &registry, MigrateOptions::default()).await.unwrap();
        let site = Self { database, registry, clock: Clock::system(), seconds: AtomicUsize::new(0), cleanup };
        site.seed().await;
        site
    }

    pub(super) async fn finish(self) {
        self.database.close().await;
        match self.cleanup {
            Cleanup::Folder(folder) => drop(folder),
            Cleanup::Postgres { server, name } => {
                let admin = Database::open(&format!("{server}/postgres")).await.unwrap();
                admin.execute_script(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
                admin.close().await;
            }
        }
    }

    pub(super) fn backend(&self) -> Backend {
        self.database.backend()
    }

    /// A document with these values; moments of creation follow the order of the calls.
    fn document(&self, doctype: &str, values: &Json) -> Document {
        let mut document = Document::new(Arc::clone(self.registry.get(doctype).unwrap()));
        let second = self.seconds.fetch_add(1, Ordering::Relaxed);
        let creation = format!("2026-01-01 {:02}:{:02}:{:02}.000000", second / 3600, second / 60 % 60, second % 60);
        for (name, value) in
            [("owner", "ann"), ("modified_by", "ann"), ("creation", &creation), ("modified", &creation)]
        {
            document.set(name, value);
        }
        for index in 0..document.doctype.columns.len() {
            if let Some(field) = document.doctype.column_field(index) {
                let column_type = document.doctype.columns[index].column_type;
                document.values[index] = fieldtype::parse(field, column_type, &Json::Null).unwrap();
            }
        }
        for (name, value) in values.as_object().unwrap() {
            let Some(column) = document.doctype.column(name) else { continue };
            let column_type = document.doctype.columns[column].column_type;
            document.values[column] = fieldtype::parse_for_column(column_type, value, Zone::UTC).unwrap();
        }
        document
    }

    async fn add(&self, doctype: &str, values: Json) {
        let document = self.document(doctype, &values);
        let transaction = self.database.begin().await.unwrap();
        if document.doctype.columns[0].column_type == crate::meta::ColumnType::BigInt {
            documents::insert_numbered(&transaction, &document).await.unwrap();
        } else {
            documents::insert(&transaction, &[&document]).await.unwrap();
        }
        let tables = document.doctype.table_fields().map(|field| (field.fieldname.clone(), field.options.clone()));
        for (field, child) in tables.collect::<Vec<_>>() {
            for (idx, row) in values.get(&field).and_then(Json::as_array).into_iter().flatten().enumerate() {
                let mut row = self.document(&child, row);
                let name = format!("{}-{field}-{idx}", values["name"]);
                for (key, value) in [
                    ("name", name.as_str()),
                    ("parent", values["name"].as_str().unwrap_or("1")),
                    ("parenttype", doctype),
                    ("parentfield", &field),
                ] {
                    row.set(key, value);
                }
                row.set("idx", i64::try_from(idx).unwrap() + 1);
                documents::insert(&transaction, &[&row]).await.unwrap();
            }
        }
        transaction.commit().await.unwrap();
    }

    async fn seed(&self) {
        for (name, parent) in [("World", ""), ("Europe", "World"), ("Germany", "Europe"), ("Asia", "World")] {
            self.add("Territory", json!({"name": name, "territory_name": name, "parent_territory": parent})).await;
        }
        for (name, territory, limit) in [("Ärzte", "Germany", 10.5), ("Bob", "Asia", 20.0), ("Carl", "", 0.0)] {
            let values = json!({
                "name": name, "customer_name": name, "territory": territory, "credit_limit": limit,
                "pin": "1234", "token_digest": "digest", "notes": "a\\b 100%"
            });
            self.add("Customer", values).await;
        }
        self.add(
            "Sales Order",
            json!({
                "name": "SO-1", "title": "Erste Ähre", "customer": "Ärzte", "status": "Open", "due": "2026-03-31",
                "placed": "2026-03-30 08:30:00", "at_time": "08:30:00", "total": 100.25, "effort": 60, "priority": 1,
                "urgent": 1, "extra": "{\"a\": 1}", "margin": 0.5,
                "items": [{"item": "Nail", "qty": 10, "cost": 1}, {"item": "Hammer", "qty": 1, "key": "abc"}],
                "costs": [{"item": "Freight", "qty": 7}]
            }),
        )
        .await;
        self.add(
            "Sales Order",
            json!({
                "name": "SO-2", "title": "second", "customer": "Bob", "status": "Closed", "due": "2026-04-01",
                "placed": "2026-03-31 23:59:59.5", "at_time": "08:30:00.5", "total": 50, "priority": 2, "owner": "bea",
                "items": [{"item": "Nail", "qty": 3}]
            }),
        )
        .await;
        self.add("Sales Order", json!({"name": "SO-3", "title": "", "customer": "Bob", "priority": 2, "docstatus": 1}))
            .await;
        self.add("Sales Order", json!({"name": "SO-4", "title": "Third", "customer": "Carl", "total": -1.5})).await;
        let tickets = [
            ("one", "SO-1", "", json!([{"item": "Line"}])),
            ("two", "SO-2", "1", json!([])),
            ("three", "", "x", json!([])),
        ];
        for (subject, order, duplicate, lines) in tickets {
            let values = json!({"subject": subject, "order": order, "duplicate_of": duplicate, "lines": lines});
            self.add("Ticket", values).await;
        }
    }

    pub(super) async fn run(&self, session: &Session, request: &ListRequest) -> Result<List> {
        run(self.context(session), request).await
    }

    pub(super) async fn count(&self, session: &Session, request: &ListRequest) -> Result<u64> {
        let counted = count(self.context(session), request, None).await?;
        for most in [1, 3] {
            let capped = count(self.context(session), request, Some(most)).await?;
            assert_eq!(capped, counted.min(most), "{request:?}");
        }
        Ok(counted)
    }

    pub(super) fn context<'a>(&'a self, session: &'a Session) -> Context<'a> {
        Context {
            registry: &self.registry,
            exec: &self.database,
            index: Some(&self.database),
            session,
            clock: &self.clock,
            zone: Zone::UTC,
        }
    }

    /// The list as JSON objects.
    pub(super) async fn json(&self, session: &Session, request: &ListRequest) -> Json {
        match self.run(session, request).await {
            Ok(list) => {
                let mut bytes = Vec::new();
                list.write_json(&mut bytes);
                serde_json::from_slice(&bytes).unwrap()
            }
            Err(error) => panic!("{:?} {request:?}: {error:?}", self.backend()),
        }
    }

    /// The names of Sales Orders that meet the filters, in order of name; their number must agree.
    pub(super) async fn names(&self, filters: Json) -> Vec<String> {
        let request = ListRequest::new("Sales Order").filters(filters.clone()).order_by("name");
        let list = match self.run(&Session::system(), &request).await {
            Ok(list) => list,
            Err(error) => panic!("{:?} {filters}: {error:?}", self.backend()),
        };
        let count = self.count(&Session::system(), &request).await.unwrap();
        assert_eq!(count, list.rows.len() as u64, "{filters}");
        (0..list.rows.len()).map(|row| list.text(row, "name").to_owned()).collect()
    }

    /// The message that a list is refused with.
    pub(super) async fn refused(&self, session: &Session, request: &ListRequest) -> String {
        match self.run(session, request).await {
            Ok(list) => panic!("{:?} {request:?}: not refused: {list:?}", self.backend()),
            Err(Error::Internal(error)) => panic!("{:?} {request:?}: {error:?}", self.backend()),
            Err(error) => error.to_string(),
        }
    }
}

/// A user with roles.
pub(super) fn user(name: &str, roles: &[&str]) -> Session {
    user_with(name, roles, Vec::new())
}

pub(super) fn user_with(name: &str, roles: &[&str], user_permissions: Vec<UserPermission>) -> Session {
    Session::of(Arc::new(UserAccess {
        user: name.to_owned(),
        roles: roles.iter().chain(&["All", "Guest"]).map(|role| (*role).to_owned()).collect::<BTreeSet<_>>(),
        user_permissions,
        is_system_user: true,
        ..UserAccess::default()
    }))
}
