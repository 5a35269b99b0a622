//! Documents made up from a DocType alone: a value for every field, targets for every Link.

use doctyped::testing::meta::{DocField, DocType, Fieldtype};
use doctyped::testing::naming_rule::NamingRule;
use serde_json::{Map, Value as Json, json};

use crate::desk::send;
use crate::support::{Client, TestSite};

/// How deep Links to further required Links are followed.
const MAX_DEPTH: usize = 4;

/// A document that its DocType accepts. `seed` makes unique values differ.
pub async fn document(site: &TestSite, client: &Client, doctype: &DocType, seed: usize) -> Map<String, Json> {
    document_at(site, client, doctype, seed, 0).await
}

async fn document_at(
    site: &TestSite,
    client: &Client,
    doctype: &DocType,
    seed: usize,
    depth: usize,
) -> Map<String, Json> {
    let registry = site.documents().registry();
    let mut values = Map::new();
    for field in &doctype.fields {
        if field.secret || field.is_virtual || field.fetch_from.is_some() {
            continue;
        }
        if field.fieldtype.is_table() {
            let Some(child) = registry.get(&field.options) else { continue };
            let row = Box::pin(document_at(site, client, child, seed, depth + 1)).await;
            if !row.is_empty() {
                values.insert(field.fieldname.clone(), json!([row]));
            }
        } else if field.fieldtype == Fieldtype::Link {
            if let Some(name) = link_target(site, client, field, seed, depth).await {
                values.insert(field.fieldname.clone(), json!(name));
            }
        } else if field.fieldtype == Fieldtype::DynamicLink {
            let type_field = doctype.field(&field.options);
            if type_field.is_some_and(|type_field| type_field.fieldtype == Fieldtype::Link) {
                values.insert(field.options.clone(), json!("User"));
                values.insert(field.fieldname.clone(), json!("Administrator"));
            }
        } else if let Some(value) = value_of(field, seed) {
            values.insert(field.fieldname.clone(), value);
        }
    }
    if matches!(doctype.naming_rule, NamingRule::Prompt) {
        values.insert("name".to_owned(), json!(format!("Sample {seed}")));
    }
    values
}

/// The name of a document that a Link can point at; made if there is none.
async fn link_target(site: &TestSite, client: &Client, field: &DocField, seed: usize, depth: usize) -> Option<String> {
    match field.options.as_str() {
        "DocType" => return Some("User".to_owned()),
        "User" => return Some("Administrator".to_owned()),
        "Role" => return Some("System Manager".to_owned()),
        _ => {}
    }
    let registry = site.documents().registry();
    let Some(target) = registry.get(&field.options) else { return Some("Not loaded".to_owned()) };
    if target.is_virtual || target.istable || target.issingle || depth >= MAX_DEPTH {
        return None;
    }
    let found = site.db_names(&target.name, json!({})).await;
    if let Some(name) = found.into_iter().next() {
        return Some(name);
    }
    if !field.reqd {
        return None;
    }
    let values = Box::pin(document_at(site, client, target, seed, depth + 1)).await;
    let made = client.create(&target.name, Json::Object(values)).await.ok();
    made["name"].as_str().map(str::to_owned)
}

/// A value that the fieldtype takes.
fn value_of(field: &DocField, seed: usize) -> Option<Json> {
    use Fieldtype as F;
    let text = || {
        let text = format!("{} {seed}", field.label);
        let limit = if field.length > 0 { field.length as usize } else { 140 };
        json!(text.chars().take(limit).collect::<String>())
    };
    Some(match field.fieldtype {
        F::Data => match field.options.as_str() {
            "Email" => json!(format!("sample{seed}@example.com")),
            "Phone" => json!("+49 30 1234567"),
            "URL" => json!("https://example.com/page"),
            "Name" => json!("Ada Lovelace"),
            _ => text(),
        },
        F::Int | F::LongInt => json!(seed % 1000),
        F::Check => json!(1),
        F::Currency | F::Float => json!(12.5),
        F::Percent => json!(40.25),
        F::Duration => json!(3600.0),
        F::Rating => json!(0.6),
        F::Date => json!("2026-03-31"),
        F::Datetime => json!("2026-03-31 12:30:45.000001"),
        F::Time => json!("09:05:00"),
        F::Select => {
            let options: Vec<&str> = field.select_options().filter(|line| !line.is_empty()).collect();
            json!(options.last().unwrap_or(&"anything"))
        }
        F::Code if matches!(field.options.as_str(), "JSON" | "Json") => json!("{\"a\": 1}"),
        F::Json => json!("{\"a\": [1, 2]}"),
        F::Geolocation => json!("{\"type\":\"FeatureCollection\",\"features\":[]}"),
        F::Color => json!("#1a2b3c"),
        F::Phone => json!("+49-301234567"),
        F::Password => json!("a secret of the sample"),
        F::TextEditor => json!("<p>Some <b>text</b></p>"),
        F::Attach | F::AttachImage => json!("/files/picture.png"),
        F::Icon => json!("star"),
        F::Autocomplete if field.options == "Time Zones" => json!("Europe/Vienna"),
        _ if field.has_column() => text(),
        _ => return None,
    })
}

/// Asserts that what was sent is what came back; Passwords come back as stars.
#[track_caller]
pub(super) fn assert_kept(doctype: &DocType, sent: &Map<String, Json>, got: &Json) {
    for (fieldname, value) in sent {
        let Some(field) = doctype.field(fieldname) else { continue };
        let back = &got[fieldname];
        match field.fieldtype {
            Fieldtype::Password => {
                assert!(back.as_str().unwrap().chars().all(|c| c == '*'), "{}.{fieldname}: {back}", doctype.name);
            }
            _ if field.fieldtype.is_table() => {
                assert_eq!(
                    back.as_array().map(Vec::len),
                    value.as_array().map(Vec::len),
                    "{}.{fieldname}",
                    doctype.name
                );
            }
            _ => assert_eq!(back, value, "{}.{fieldname}", doctype.name),
        }
    }
}

/// Opens the document's form and sends it back untouched: nothing may change by that.
pub(super) async fn send_form_untouched(client: &Client, doctype: &DocType, name: &str) {
    let encoded = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
    let uri = format!("/app/{}/{encoded}", doctype.slug());
    let page = client.get(&uri).await.status(200);
    send(client, &uri, &page, &[], "save").await.redirect();
}
