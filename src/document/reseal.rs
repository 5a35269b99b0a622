//! Sealing anew what another key of the site has sealed: the secrets in `__Auth`, and what controllers keep sealed elsewhere.

use std::collections::BTreeMap;

use crate::database::sealed::{self, Place};
use crate::database::{Reading, auth};
use crate::document::{Documents, password};
use crate::error::Result;
use crate::meta::Value;
use crate::permissions::Session;

/// How many rows are taken at once: so long does another writer wait at most on SQLite.
const ROWS: usize = 50;

/// A field that holds sealed texts besides Password fields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SealedField {
    /// Of which DocType.
    pub doctype: &'static str,
    /// The field, or what stands for one in `__Auth`.
    pub fieldname: &'static str,
    /// Whether it is not in the row but in `__Auth`.
    pub in_auth: bool,
    /// The place that the text of a document of this name was sealed for.
    pub place: fn(&str) -> String,
}

/// How far it has got.
#[derive(Default)]
pub(crate) struct Resealing {
    /// 0: `__Auth`; then the fields in the rows.
    part: usize,
    after: Option<Vec<String>>,
    resealed: u64,
    closed: BTreeMap<String, u64>,
}

impl Resealing {
    /// Goes through everything once more.
    pub(crate) fn begin_anew(&mut self) {
        (self.part, self.after, self.closed) = (0, None, BTreeMap::new());
    }

    /// How much was sealed anew.
    pub(crate) fn resealed(&self) -> u64 {
        self.resealed
    }

    /// What does not open, and why, one line each.
    pub(crate) fn closed(&self) -> Vec<String> {
        self.closed.iter().map(|(what, count)| format!("{what} ({count})")).collect()
    }
}

impl Documents {
    /// Takes the next step; says whether there is another one. `fields` are those besides Password fields.
    pub(crate) async fn reseal(&self, fields: &[SealedField], done: &mut Resealing) -> Result<bool> {
        let rows: Vec<&SealedField> = fields.iter().filter(|field| !field.in_auth).collect();
        let Some(field) = done.part.checked_sub(1) else {
            return self.reseal_auth(fields, done).await.map(|()| true);
        };
        let Some(field) = rows.get(field) else { return Ok(false) };
        self.reseal_field(field, done).await?;
        Ok(true)
    }

    async fn reseal_auth(&self, fields: &[SealedField], done: &mut Resealing) -> Result<()> {
        let place = Place { table: "__Auth", key: &["doctype", "name", "fieldname"], column: "password" };
        let rows = self.next_sealed(place, done).await?;
        let mut work = self.begin(&Session::system()).await?;
        for row in &rows {
            let [doctype, name, fieldname, stored] = row.as_slice() else { continue };
            let field = fields.iter().find(|field| {
                field.in_auth && field.doctype == doctype.as_str() && field.fieldname == fieldname.as_str()
            });
            let place = field.map_or_else(|| password::place(doctype, fieldname), |field| (field.place)(name));
            let Some(new) = self.seal_again(stored, &place, (doctype, fieldname), done) else { continue };
            if auth::replace(work.executor(), (doctype, name, fieldname), stored, &new).await? {
                work.touch(doctype, name);
                done.resealed += 1;
            }
        }
        work.commit().await?;
        done.go_on(rows);
        Ok(())
    }

    async fn reseal_field(&self, field: &SealedField, done: &mut Resealing) -> Result<()> {
        let table = self.doctype(field.doctype)?.table_name();
        let place = Place { table: &table, key: &["name"], column: field.fieldname };
        let rows = self.next_sealed(place, done).await?;
        let mut work = self.begin(&Session::system()).await?;
        for row in &rows {
            let [name, stored] = row.as_slice() else { continue };
            let place = (field.place)(name);
            let Some(new) = self.seal_again(stored, &place, (field.doctype, field.fieldname), done) else { continue };
            let (old, values) = (Value::from(stored.as_str()), [(field.fieldname, Value::from(new))]);
            if work.set_values_if(field.doctype, name, (field.fieldname, &old), &values).await? {
                done.resealed += 1;
            }
        }
        work.commit().await?;
        done.go_on(rows);
        Ok(())
    }

    async fn next_sealed(&self, place: Place<'_>, done: &Resealing) -> Result<Vec<Vec<String>>> {
        let (sealed, current) = self.site_key().beginnings();
        let readers = Reading(self.database().clone());
        Ok(sealed::next(&readers, place, (&sealed, &current), done.after.as_deref(), ROWS).await?)
    }

    fn seal_again(&self, stored: &str, place: &str, of: (&str, &str), done: &mut Resealing) -> Option<String> {
        match self.site_key().open(stored, place) {
            Ok(plain) => Some(self.site_key().seal(plain, place)),
            Err(error) => {
                *done.closed.entry(format!("{}, {}: {error}", of.0, of.1)).or_default() += 1;
                None
            }
        }
    }
}

impl Resealing {
    fn go_on(&mut self, mut rows: Vec<Vec<String>>) {
        self.after = rows.pop().map(|mut key| {
            key.pop();
            key
        });
        if self.after.is_none() {
            self.part += 1;
        }
    }
}
