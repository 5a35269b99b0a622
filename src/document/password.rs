//! Password fields: sealed with the site key in `__Auth`, stars in the row; hashes of login passwords beside them.

use std::sync::Arc;

use crate::database::auth;
use crate::document::work::Work;
use crate::error::{Error, Result};
use crate::meta::{Document, Fieldtype, Value};
use crate::secret::SiteKey;

/// The longest run of stars a row keeps in place of a secret.
const MAX_STARS: usize = 100;

/// A secret that is sealed and not stored yet.
pub(super) struct SealedSecret {
    field: String,
    sealed: String,
}

impl Work<'_> {
    /// Takes the plain texts out of a document's Password fields and stores them sealed; the row keeps stars.
    ///
    /// A value of stars only is unchanged; an empty one removes the secret (`docs/frappe/model.md`: Singles and secrets).
    /// What a document has that gets its name as it is inserted comes back, for [`Work::store_sealed`].
    pub(super) async fn seal_passwords(&mut self, document: &mut Document) -> Result<Vec<SealedSecret>> {
        let doctype = Arc::clone(&document.doctype);
        let name = document.name();
        let mut waiting = Vec::new();
        for (column, field) in password_columns(&doctype) {
            let text = document.values[column].to_string();
            if text.is_empty() {
                if !document.is_new || doctype.issingle {
                    auth::delete(self.executor(), &doctype.name, &name, Some(&field)).await?;
                }
                document.values[column] = Value::Null;
                continue;
            }
            if is_stars(&text) {
                continue;
            }
            let place = place(&doctype.name, &field);
            let sealed = self.documents.site_key().seal(text.as_bytes(), &place);
            if name.is_empty() {
                waiting.push(SealedSecret { field, sealed });
            } else {
                auth::set(self.executor(), (&doctype.name, &name, &field), &sealed, true).await?;
            }
            document.values[column] = Value::Text(stars_for(&text));
        }
        for table in 0..document.tables.len() {
            let mut rows = std::mem::take(&mut document.tables[table]);
            for row in &mut rows {
                Box::pin(self.seal_passwords(row)).await?;
            }
            document.tables[table] = rows;
        }
        Ok(waiting)
    }

    /// Stores what waited for the name of a document.
    pub(super) async fn store_sealed(&mut self, document: &Document, waiting: Vec<SealedSecret>) -> Result<()> {
        let (doctype, name) = (&document.doctype.name, document.name());
        for secret in waiting {
            auth::set(self.executor(), (doctype, &name, &secret.field), &secret.sealed, true).await?;
        }
        Ok(())
    }

    /// The plain text of a Password field; `None` if nothing is stored. Permissions are the caller's to check.
    pub async fn get_password(&mut self, doctype: &str, name: &str, fieldname: &str) -> Result<Option<String>> {
        match auth::find(self.executor(), doctype, name, fieldname).await? {
            Some((sealed, true)) => {
                let plain = self.documents.site_key().open_text(&sealed, &place(doctype, fieldname));
                plain.map(Some).map_err(|error| {
                    Error::internal(anyhow::anyhow!("{doctype} {name}: {fieldname} does not open: {error}"))
                })
            }
            _ => Ok(None),
        }
    }

    /// The hash stored for a field whose secret is never needed again in plain, such as a login password.
    pub async fn get_hash(&mut self, doctype: &str, name: &str, fieldname: &str) -> Result<Option<String>> {
        let stored = auth::find(self.executor(), doctype, name, fieldname).await?;
        Ok(stored.filter(|(_, encrypted)| !encrypted).map(|(hash, _)| hash))
    }

    /// Stores a hash; `None` removes it.
    pub async fn set_hash(&mut self, doctype: &str, name: &str, fieldname: &str, hash: Option<&str>) -> Result<()> {
        match hash {
            Some(hash) => {
                auth::set(self.executor(), (doctype, name, fieldname), hash, false).await?;
            }
            None => auth::delete(self.executor(), doctype, name, Some(fieldname)).await?,
        }
        self.touch(doctype, name);
        Ok(())
    }
}

/// A secret as `__Auth` holds it, for what fills whole tables.
pub(crate) fn seal(site_key: &SiteKey, doctype: &str, fieldname: &str, text: &str) -> String {
    site_key.seal(text, &place(doctype, fieldname))
}

/// Where a sealed text belongs: it opens nowhere else. The name is left out, so that a rename need not reseal.
pub(super) fn place(doctype: &str, fieldname: &str) -> String {
    format!("{doctype}\u{1f}{fieldname}")
}

/// Whether a text stands for a secret that is already stored.
pub(crate) fn is_stars(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c == '*')
}

/// What stands in the row for a secret.
pub(crate) fn stars_for(text: &str) -> String {
    "*".repeat(text.chars().count().min(MAX_STARS))
}

/// The Password fields of a DocType, with the places of their columns.
pub(crate) fn password_columns(doctype: &crate::meta::DocType) -> Vec<(usize, String)> {
    doctype
        .columns
        .iter()
        .enumerate()
        .filter_map(|(index, column)| {
            let field = &doctype.fields[column.field?];
            (field.fieldtype == Fieldtype::Password).then(|| (index, field.fieldname.clone()))
        })
        .collect()
}
