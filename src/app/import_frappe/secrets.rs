//! The secrets of a Frappe site: opened with its key, and sealed, digested or kept as this site keeps them.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use futures_util::StreamExt as _;
use serde_json::Value as Json;

use crate::account;
use crate::app::import_frappe::report::Report;
use crate::database::frappe_source::FrappeSource;
use crate::document::password::{is_stars, password_columns, seal};
use crate::meta::{Fieldtype, Registry, Value};
use crate::secret::{self, FernetKey, SiteKey};

/// The columns of `__Auth`, there and here.
const COLUMNS: [&str; 5] = ["doctype", "name", "fieldname", "password", "encrypted"];

/// The key that sealed what is in `__Auth`: `encryption_key` of `site_config.json`.
pub(super) fn key(site_config: &Path) -> anyhow::Result<FernetKey> {
    let shown = site_config.display();
    let text = std::fs::read_to_string(site_config).with_context(|| format!("read {shown}"))?;
    // What is wrong in it is not repeated: it holds passwords.
    let config: Json =
        serde_json::from_str(&text).map_err(|error| anyhow::anyhow!("{shown}, line {}: not JSON", error.line()))?;
    let key = config.get("encryption_key").and_then(Json::as_str).unwrap_or_default();
    FernetKey::parse(key).with_context(|| format!("{shown} has no `encryption_key` that opens secrets"))
}

/// The rows of `__Auth` as they are here.
pub(super) async fn rows(
    source: &mut FrappeSource,
    registry: &Registry,
    fernet: &FernetKey,
    site_key: &SiteKey,
    report: &mut Report,
) -> anyhow::Result<Vec<Vec<Value>>> {
    let mut rows = Vec::new();
    let mut left: BTreeMap<String, u64> = BTreeMap::new();
    for row in source.all("__Auth", &COLUMNS, &["doctype", "name", "fieldname"]).await? {
        let cell = |index: usize| row.get(index).and_then(Option::as_deref).unwrap_or_default();
        let (doctype, name, fieldname, stored) = (cell(0), cell(1), cell(2), cell(3));
        let is_sealed = cell(4) == "1";
        let field = registry.get(doctype).and_then(|doctype| doctype.field(fieldname));
        let is_password = field.is_some_and(|field| field.fieldtype == Fieldtype::Password);
        let kept = if (doctype, fieldname) == ("User", account::PASSWORD) && !is_sealed {
            Some((stored.to_owned(), false))
        } else if !is_sealed || !is_password {
            *left.entry(format!("{doctype}.{fieldname}")).or_default() += 1;
            None
        } else if let Some(plain) = fernet.open(stored) {
            Some(if (doctype, fieldname) == ("User", account::API_SECRET) {
                (secret::digest(plain), false)
            } else {
                (seal(site_key, doctype, fieldname, &plain), true)
            })
        } else {
            report.blemish(format!("{doctype} {name}: the encryption_key does not open {fieldname}, which is lost"));
            None
        };
        if let Some((stored, encrypted)) = kept {
            rows.push(row_of(doctype, name, fieldname, &stored, encrypted));
        }
    }
    rows.extend(open_there(source, registry, site_key).await?);
    for (place, rows) in left {
        report.left(&place, rows, "a secret without a field here");
    }
    Ok(rows)
}

/// What lies open in a row there and is a secret here, such as the headers of webhooks.
async fn open_there(
    source: &mut FrappeSource,
    registry: &Registry,
    site_key: &SiteKey,
) -> anyhow::Result<Vec<Vec<Value>>> {
    let mut sealed = Vec::new();
    for doctype in registry.iter().filter(|doctype| doctype.name != "User") {
        let table = format!("tab{}", doctype.name);
        for (_, field) in password_columns(doctype) {
            if !source.columns(&table).contains(&field) {
                continue;
            }
            let mut rows = source.rows(&table, &["name", &field]);
            while let Some(row) = rows.next().await {
                let row = row.with_context(|| format!("read {table}"))?;
                let [Some(name), Some(text)] = row.as_slice() else { continue };
                if !text.is_empty() && !is_stars(text) {
                    let secret = seal(site_key, &doctype.name, &field, text);
                    sealed.push(row_of(&doctype.name, name, &field, &secret, true));
                }
            }
        }
    }
    Ok(sealed)
}

/// A row of `__Auth`.
fn row_of(doctype: &str, name: &str, fieldname: &str, stored: &str, encrypted: bool) -> Vec<Value> {
    [doctype, name, fieldname, stored].map(Value::from).into_iter().chain([Value::from(encrypted)]).collect()
}
