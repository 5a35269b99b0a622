//! A Data Import as the program reads it, and its file.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::cell;
use super::columns::{self, Column, REASON};
use super::export::check_exchanged;
use super::formats::{DateFormat, Formats, Guess, NumberFormat};
use super::payload::{ImportType, Plan};
use crate::document::view::{options, view};
use crate::document::{Documents, ListRequest};
use crate::error::{Error, Result};
use crate::files::address::path_of;
use crate::meta::naming_rule::NamingRule;
use crate::meta::{DocType, Right};
use crate::permissions::Session;
use crate::spreadsheet::{self, Row, Source};
use crate::web::Site;

/// The DocType of imports.
pub(super) const DATA_IMPORT: &str = "Data Import";
/// The DocType of what became of their rows.
pub(super) const DATA_IMPORT_LOG: &str = "Data Import Log";
/// What a mapping says of a column that is left out, as Frappe writes it.
pub(super) const LEFT_OUT: &str = "Don't Import";
/// From how many rows formats are guessed, and how many are checked before an import.
pub(super) const LOOKED_AT: usize = 1_000;

options! {
    /// Where an import stands.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(super) enum ImportStatus {
        /// It has not been started.
        #[default]
        Pending = "Pending",
        /// It waits for its turn, or runs.
        InProgress = "In Progress",
        /// Every row is imported.
        Success = "Success",
        /// Some rows were refused.
        PartialSuccess = "Partial Success",
        /// Nothing was imported.
        Error = "Error",
        /// Somebody stopped it.
        Cancelled = "Cancelled",
    }
}

view! {
    /// An import.
    #[derive(Clone, Debug, Default)]
    pub(super) struct DataImport of DATA_IMPORT {
        /// The document.
        pub name: String = name,
        /// The DocType of the documents.
        pub reference_doctype: String,
        /// What is to be done.
        pub import_type: String,
        /// The address of the file.
        pub import_file: Option<String>,
        /// New documents are submitted.
        pub submit_after_import: bool,
        /// How days are written.
        pub date_format: String,
        /// How numbers are written.
        pub number_format: String,
        /// Which column means what: JSON.
        pub template_options: Option<String>,
        /// Where it stands.
        pub status: ImportStatus,
        /// How many documents the file has; 0: not counted yet.
        pub payload_count: i64,
        /// How many documents, from the beginning of the file, are imported or refused.
        pub done_with: i64,
        /// What went wrong as a whole.
        pub import_error: Option<String>,
    }
}

/// What is left out, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Meaning {
    /// The key of the column; empty: none.
    pub key: String,
    /// Why it is left out; empty: nobody wants it, or it is not.
    pub note: String,
}

/// A file looked at: its plan, and what its first rows are.
pub(super) struct Opened {
    /// How it is read.
    pub plan: Arc<Plan>,
    /// What each column means.
    pub meanings: Vec<Meaning>,
    /// Every column that there is.
    pub all: Vec<Column>,
    /// What kind of file it is.
    pub source: Source,
    /// The first rows behind the headings.
    pub first: Vec<Row>,
}

impl DataImport {
    /// The import of that name, as the session may read it.
    pub(super) async fn load(documents: &Documents, session: &Session, name: &str) -> Result<Self> {
        Ok(Self::from(&documents.get_uncached(session, DATA_IMPORT, name).await?))
    }

    /// The mapping of columns that people have chosen, by the index of the column from 0.
    pub(super) fn mapping(&self) -> BTreeMap<usize, String> {
        let options: Json =
            self.template_options.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let map = options["column_to_field_map"].as_object().cloned().unwrap_or_default();
        let pair = |(at, key): (String, Json)| Some((at.parse().ok()?, key.as_str()?.to_owned()));
        map.into_iter().filter_map(pair).collect()
    }

    fn formats(&self) -> Formats {
        Formats { date: DateFormat::parse(&self.date_format), number: NumberFormat::parse(&self.number_format) }
    }

    /// Opens the file for reading; refuses one that the session may not read.
    pub(super) async fn open_file(&self, site: &Site, session: &Session) -> Result<File> {
        let url = self.import_file.as_deref().ok_or_else(|| Error::misuse("Choose a file first"))?;
        let missing = || Error::misuse("The file is gone, or you may not read it: upload it again");
        let request = ListRequest::new("File").filters(json!([["file_url", "=", url]]));
        if site.documents.list(session, &request).await?.rows.is_empty() {
            return Err(missing());
        }
        let path =
            path_of(url).ok_or_else(|| Error::misuse("Upload the file here: one of another site is not read"))?;
        site.files.fetch(&path).await.map_err(Error::internal)?.ok_or_else(missing)
    }

    /// Fails unless documents of that DocType may be imported by the session in this way.
    pub(super) fn check_rights(&self, documents: &Documents, session: &Session) -> Result<(Arc<DocType>, ImportType)> {
        let doctype = documents.doctype(&self.reference_doctype)?;
        check_exchanged(&doctype)?;
        if !doctype.allow_import {
            return Err(Error::misuse(format!(
                "{} cannot be imported: its definition has no `allow_import: true`",
                doctype.name
            )));
        }
        documents.check_permission(session, &doctype, None, Right::Import)?;
        let import_type = ImportType::parse(&self.import_type)
            .ok_or_else(|| Error::misuse("Choose the Import Type: insert, update, or insert or update"))?;
        if import_type != ImportType::Update {
            documents.check_permission(session, &doctype, None, Right::Create)?;
        }
        if import_type != ImportType::Insert {
            documents.check_permission(session, &doctype, None, Right::Write)?;
        }
        if self.submit_after_import && doctype.is_submittable {
            documents.check_permission(session, &doctype, None, Right::Submit)?;
        }
        Ok((doctype, import_type))
    }

    /// Looks at the beginning of the file and says how it is read.
    pub(super) async fn open(&self, site: &Site, session: &Session) -> Result<Opened> {
        let (doctype, import_type) = self.check_rights(&site.documents, session)?;
        let file = self.open_file(site, session).await?;
        let (source, mut first) = blocking(move || first_rows(file)).await?;
        if first.is_empty() {
            return Err(Error::misuse("The file is empty: its first row has the headings of the columns"));
        }
        let head = first.remove(0);
        let headings: Vec<String> = head.cells.iter().map(|cell| cell.text().trim().to_owned()).collect();
        let grant = site.documents.grant(session, &doctype);
        let all = columns::all(&site.documents.registry(), &doctype, &grant, session.is_administrator());
        let meanings = self.meanings(&site.documents, &doctype, import_type, &all, &headings);
        let columns: Vec<Option<Column>> = meanings
            .iter()
            .map(|meaning| {
                let column = all.iter().find(|column| column.key() == meaning.key);
                column.filter(|_| meaning.note.is_empty()).cloned()
            })
            .collect();
        let mut guess = Guess::default();
        for row in &first {
            for (column, cell) in columns.iter().zip(&row.cells) {
                if let Some(column) = column {
                    cell::see(column, cell, &mut guess);
                }
            }
        }
        let formats = cell::settled(self.formats(), guess.formats());
        let plan = Plan { doctype, import_type, head: head.number, headings, columns, formats };
        Ok(Opened { plan: Arc::new(plan), meanings, all, source, first })
    }

    /// What each column means: what somebody has chosen, else what its heading says.
    fn meanings(
        &self,
        documents: &Documents,
        doctype: &DocType,
        import_type: ImportType,
        all: &[Column],
        headings: &[String],
    ) -> Vec<Meaning> {
        let chosen = self.mapping();
        let mut guessed = columns::guess(all, headings);
        // A field that somebody has chosen for one column is not guessed for another.
        for (at, meant) in guessed.iter_mut().enumerate() {
            let key = meant.map(|index| all[index].key());
            let is_chosen = |(other, other_key): (&usize, &String)| *other != at && Some(other_key) == key.as_ref();
            if chosen.iter().any(is_chosen) {
                *meant = None;
            }
        }
        let mut seen: Vec<String> = Vec::new();
        let mut meaning = |(at, heading): (usize, &String)| {
            let key = match chosen.get(&at) {
                Some(key) if key == LEFT_OUT => return Meaning::default(),
                Some(key) => Some(key.clone()),
                None => guessed[at].map(|index| all[index].key()),
            };
            let Some(key) = key else {
                let is_known = heading.is_empty() || heading == REASON;
                let note = format!("No field is called {heading}: choose one, or leave the column out");
                return Meaning { key: String::new(), note: if is_known { String::new() } else { note } };
            };
            let note = match all.iter().find(|column| column.key() == key) {
                None => format!("{} has no field {key} that you may read", doctype.name),
                Some(_) if seen.contains(&key) => format!("Another column is {key} already"),
                Some(column) if column.is_masked => {
                    format!("You see {} masked: it stays as it is", column.label())
                }
                Some(column) if !column.is_writable => {
                    format!("You may not change {}: it stays as it is", column.label())
                }
                Some(column) if column.is_name() && column.table.is_none() && import_type == ImportType::Insert => {
                    if keeps_names(documents, doctype) {
                        String::new()
                    } else {
                        format!("{} names its documents itself", doctype.name)
                    }
                }
                Some(_) => String::new(),
            };
            seen.push(key.clone());
            Meaning { key, note }
        };
        headings.iter().enumerate().map(&mut meaning).collect()
    }
}

/// Whether new documents may bring their names: where nothing else than chance or a counter would make them.
pub(super) fn keeps_names(documents: &Documents, doctype: &DocType) -> bool {
    let is_free = matches!(
        doctype.naming_rule,
        NamingRule::Prompt
            | NamingRule::Uuid
            | NamingRule::Hash
            | NamingRule::Controller
            | NamingRule::Series(_)
            | NamingRule::NamingSeries
    );
    is_free && documents.controllers().of(&doctype.name).is_empty()
}

/// The rows at the beginning of a file, the headings first.
fn first_rows(file: File) -> Result<(Source, Vec<Row>)> {
    let mut rows = Vec::new();
    let mut take = |row: Row| {
        rows.push(row);
        if rows.len() > LOOKED_AT { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let source = spreadsheet::read(file, &mut take)?;
    Ok((source, rows))
}

/// Runs what blocks beside everybody else.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
}
