//! Documents of DocTypes that both programs have, where they keep the same thing in different ways.

use chrono::{DateTime, Duration, Utc};
use serde_json::{Map, Value as Json};

use crate::app::import_frappe::files::Files;
use crate::app::import_frappe::report::Report;
use crate::clock::{Zone, format_datetime};
use crate::document::password::{is_stars, password_columns, stars_for};
use crate::meta::{ColumnType, DocType, Document, Registry, Value};
use crate::oauth::views::client_secret::store_client_secret;
use crate::secret::{self, Purpose, SiteKey};

/// How long moved refresh tokens may wait for their use; Frappe's wait for ever.
const REFRESH: Duration = Duration::days(90);

/// What adapting takes.
pub(super) struct Adapting<'a, 'f> {
    /// The DocTypes here.
    pub registry: &'a Registry,
    /// The zone of the Frappe site.
    pub zone: Zone,
    /// What seals here.
    pub site_key: &'a SiteKey,
    /// The uploaded files.
    pub files: Files<'f>,
    /// Now.
    pub now: DateTime<Utc>,
}

impl Adapting<'_, '_> {
    /// Makes a document one of this site.
    pub(super) fn adapt(&mut self, document: &mut Document, report: &mut Report) -> anyhow::Result<()> {
        for (column, _) in password_columns(&document.doctype) {
            let text = document.values[column].to_string();
            // `secrets` has sealed what lies open there.
            if !text.is_empty() && !is_stars(&text) {
                document.values[column] = Value::Text(stars_for(&text));
            }
        }
        match document.doctype.name.as_str() {
            "User" => self.user(document),
            "File" => self.file(document, report)?,
            "OAuth Client" => self.client(document),
            "OAuth Bearer Token" => self.bearer_token(document),
            "Token Cache" => document.set("status", "Connected"),
            "Version" => self.version(document),
            "Deleted Document" => self.deleted(document),
            _ => {}
        }
        Ok(())
    }

    fn user(&self, user: &mut Document) {
        for unused in ["new_password", "reset_password_key"] {
            user.set(unused, Value::Null);
        }
        let last_login = user.text("last_login").to_owned();
        if !last_login.is_empty() {
            user.set("last_login", self.stored(&last_login));
        }
    }

    fn file(&mut self, file: &mut Document, report: &mut Report) -> anyhow::Result<()> {
        let url = file.text("file_url").to_owned();
        if file.check("is_folder") || !url.starts_with('/') {
            return Ok(());
        }
        if let Some((size, digest)) = self.files.bring(&url)? {
            file.set("file_size", i64::try_from(size).unwrap_or(i64::MAX));
            file.set("content_hash", digest);
        } else {
            file.set("content_hash", Value::Null);
            report.blemish(format!("File {}: {url} has no content", file.name()));
        }
        Ok(())
    }

    fn client(&self, client: &mut Document) {
        let plain = client.text("client_secret").to_owned();
        // A public client is asked for none.
        let is_public = client.text("token_endpoint_auth_method") == "None";
        let stored = (!plain.is_empty() && !is_public).then(|| store_client_secret(self.site_key, &plain, false));
        client.set("client_secret", stored);
        client.set("enabled", true);
        client.set("allow_refresh_token", true);
        // Whose people are not asked was decided by an administrator.
        client.set("trusted", client.check("skip_authorization"));
        join_scopes(client);
    }

    fn bearer_token(&self, token: &mut Document) {
        // There the token names the document.
        token.set_name(secret::random_name());
        for field in ["access_token", "refresh_token"] {
            let plain = token.text(field).to_owned();
            let digest = (!plain.is_empty()).then(|| self.site_key.digest(Purpose::TOKEN_DIGEST, plain));
            token.set(field, digest);
        }
        token.set("token_type", "Bearer");
        token.set("grant_type", "Authorization Code");
        token.set("family", secret::random_id());
        token.set("issued_at", token.get("creation").clone());
        token.set("refresh_expiration_time", format_datetime((self.now + REFRESH).naive_utc()));
        join_scopes(token);
    }

    fn version(&self, version: &mut Document) {
        let Some(doctype) = self.registry.get(version.text("ref_doctype")) else { return };
        let Ok(Json::Object(mut data)) = serde_json::from_str(version.text("data")) else { return };
        if let Some(Json::Array(changed)) = data.get_mut("changed") {
            self.changes(doctype, changed);
        }
        for key in ["added", "removed"] {
            for row in data.get_mut(key).and_then(Json::as_array_mut).into_iter().flatten() {
                let Some([Json::String(table), Json::Object(row)]) = row.as_array_mut().map(Vec::as_mut_slice) else {
                    continue;
                };
                if let Some(child) = self.child(doctype, table) {
                    self.times(&child, row);
                }
            }
        }
        for row in data.get_mut("row_changed").and_then(Json::as_array_mut).into_iter().flatten() {
            let Some([Json::String(table), _, _, Json::Array(changed)]) = row.as_array_mut().map(Vec::as_mut_slice)
            else {
                continue;
            };
            if let Some(child) = self.child(doctype, table) {
                self.changes(&child, changed);
            }
        }
        version.set("data", Json::Object(data).to_string());
    }

    fn deleted(&self, deleted: &mut Document) {
        let Some(doctype) = self.registry.get(deleted.text("deleted_doctype")) else { return };
        let Ok(Json::Object(mut data)) = serde_json::from_str(deleted.text("data")) else { return };
        self.times(doctype, &mut data);
        deleted.set("data", Json::Object(data).to_string());
    }

    fn child(&self, doctype: &DocType, table: &str) -> Option<std::sync::Arc<DocType>> {
        self.registry.get(&doctype.field(table)?.options).cloned()
    }

    /// `[fieldname, old, new]`, with datetimes in UTC.
    fn changes(&self, doctype: &DocType, changed: &mut [Json]) {
        for change in changed {
            if let Some([Json::String(field), values @ ..]) = change.as_array_mut().map(Vec::as_mut_slice)
                && is_datetime(doctype, field)
            {
                for value in values {
                    self.time(value);
                }
            }
        }
    }

    /// A document or row as JSON, with datetimes in UTC.
    fn times(&self, doctype: &DocType, document: &mut Map<String, Json>) {
        for (key, value) in document {
            match value {
                Json::String(_) if is_datetime(doctype, key) => self.time(value),
                Json::Array(rows) => {
                    let Some(child) = self.child(doctype, key) else { continue };
                    rows.iter_mut().filter_map(Json::as_object_mut).for_each(|row| self.times(&child, row));
                }
                _ => {}
            }
        }
    }

    fn time(&self, value: &mut Json) {
        if let Json::String(text) = value {
            *text = self.stored(text);
        }
    }

    fn stored(&self, local: &str) -> String {
        self.zone.stored(local)
    }
}

/// Separated by spaces, as they are here.
fn join_scopes(document: &mut Document) {
    let scopes: Vec<&str> =
        document.text("scopes").split([' ', ';', '\n', '\r']).filter(|one| !one.is_empty()).collect();
    let scopes = scopes.join(" ");
    document.set("scopes", scopes);
}

fn is_datetime(doctype: &DocType, name: &str) -> bool {
    doctype.column(name).is_some_and(|column| doctype.columns[column].column_type == ColumnType::Datetime)
}
