//! `GET /api/v2/changes`: what has happened to documents since, each told once, as it is now, to those who may read it.

use std::collections::{BTreeSet, HashMap};

use poem::Response;
use poem::http::StatusCode;
use serde_json::{Map, Value as Json, json};

use crate::document::changes::{Change, ChangeKind, Cursor, are_told};
use crate::document::{Documents, ListRequest};
use crate::error::{Error, Result};
use crate::permissions::Session;
use crate::rest::arguments::filters;
use crate::rest::envelope;
use crate::rest::resource::is_hidden;
use crate::web::Exchange;
use crate::web::args::Args;

/// Where it is.
pub(super) const PATH: &str = "/api/v2/changes";
/// How many entries are read for an answer if nobody says, and at most.
const FEW: u64 = 100;
pub(super) const MOST: u64 = 1000;

/// What somebody wants to be told of.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// Of these DocTypes alone; empty: of all that they may read.
    doctypes: BTreeSet<String>,
    /// Only documents that match; then it is one DocType.
    filters: Json,
}

/// What is told of an entry.
pub(super) struct Told {
    /// Where the feed goes on behind it.
    pub cursor: Cursor,
    /// `insert`, `update`, `rename`, `delete` or `leave`.
    pub event: &'static str,
    /// `event`, `doctype`, `name`, and `document` or `new_name`.
    pub body: Map<String, Json>,
}

impl Wanted {
    /// What the parameters `doctype` and `filters` say; refuses what the session may not read at all.
    pub(super) async fn read(documents: &Documents, session: &Session, values: &Map<String, Json>) -> Result<Self> {
        if !documents.has_change_feed().await? {
            return Err(Error::misuse("Changes are not noted here: switch on Change Feed in System Settings"));
        }
        let arguments = Args(values);
        let doctypes: BTreeSet<String> = arguments.names("doctype")?.unwrap_or_default().into_iter().collect();
        let wanted = Self { doctypes, filters: filters(arguments, "filters")? };
        if !wanted.filters.is_null() && wanted.doctypes.len() != 1 {
            return Err(Error::misuse("filters are for one DocType: name it in doctype"));
        }
        for name in &wanted.doctypes {
            let doctype = documents.doctype(name)?;
            if !are_told(&doctype) {
                return Err(Error::misuse(format!("Changes of {name} are not noted")));
            }
            if !doctype.issingle {
                let request = ListRequest::new(name).filters(wanted.filters.clone());
                documents.count_at_most(session, &request, Some(1)).await?;
            }
        }
        Ok(wanted)
    }

    /// Whether entries of a DocType are of interest.
    pub(super) fn concerns(&self, doctype: &str) -> bool {
        self.doctypes.is_empty() || self.doctypes.contains(doctype)
    }

    /// What of the entries the session is told: each document once, by its last entry and as it is now.
    pub(super) async fn tell(&self, documents: &Documents, session: &Session, entries: &[Change]) -> Result<Vec<Told>> {
        let mut latest: HashMap<(&str, &str), (&Change, bool)> = HashMap::new();
        for change in entries.iter().filter(|change| self.concerns(&change.doctype)) {
            let known = latest.entry((&change.doctype, &change.name)).or_insert((change, false));
            *known = (change, known.1 || change.kind == ChangeKind::Insert);
        }
        let mut latest: Vec<(&Change, bool)> = latest.into_values().collect();
        latest.sort_by(|(one, _), (next, _)| one.cursor.cmp(&next.cursor));
        let matching = self.matching(documents, session, &latest).await?;
        let mut told = Vec::new();
        for (change, is_new) in latest {
            let (doctype, name) = (change.doctype.as_str(), change.name.as_str());
            if documents.doctype(doctype).is_err() {
                continue;
            }
            let mut body = json!({ "event": "", "doctype": doctype, "name": name });
            let event = match look(documents, session, doctype, name).await? {
                Look::Document(_) if matching.as_ref().is_some_and(|names| !names.contains(name)) => "leave",
                Look::Document(document) => {
                    body["document"] = Json::Object(document);
                    if is_new { "insert" } else { "update" }
                }
                Look::Gone if change.kind == ChangeKind::Rename => {
                    body["new_name"] = Json::from(change.new_name.as_str());
                    "rename"
                }
                Look::Gone => "delete",
                Look::Unknown if change.kind == ChangeKind::Rename => {
                    if matches!(
                        look(documents, session, doctype, &change.new_name).await?,
                        Look::Hidden | Look::Unknown
                    ) {
                        continue;
                    }
                    body["new_name"] = Json::from(change.new_name.as_str());
                    "rename"
                }
                Look::Hidden | Look::Unknown => continue,
            };
            body["event"] = Json::from(event);
            if let Json::Object(body) = body {
                told.push(Told { cursor: change.cursor.clone(), event, body });
            }
        }
        Ok(told)
    }

    /// The names of those that match the filters; `None`: there are no filters.
    async fn matching(
        &self,
        documents: &Documents,
        session: &Session,
        changes: &[(&Change, bool)],
    ) -> Result<Option<BTreeSet<String>>> {
        let Some(doctype) = self.doctypes.first().filter(|_| !self.filters.is_null()) else { return Ok(None) };
        let names: Vec<&str> = changes.iter().map(|(change, _)| change.name.as_str()).collect();
        let request = ListRequest::new(doctype).filters(with_names(&self.filters, &names)).all();
        let list = documents.list(session, &request).await?;
        Ok(Some((0..list.rows.len()).map(|row| list.text(row, "name").to_owned()).collect()))
    }
}

/// Filters that also ask for these names.
fn with_names(filters: &Json, names: &[&str]) -> Json {
    let mut all = match filters {
        Json::Object(fields) => fields
            .iter()
            .map(|(field, value)| match value.as_array().map(Vec::as_slice) {
                Some([operator, value]) => json!([field, operator, value]),
                _ => json!([field, "=", value]),
            })
            .collect(),
        Json::Array(list) => list.clone(),
        _ => Vec::new(),
    };
    all.push(json!(["name", "in", names]));
    Json::Array(all)
}

/// What a session may know of a document.
enum Look {
    /// It is there, and this is what they see of it.
    Document(Map<String, Json>),
    /// It is not there, and they could read it.
    Gone,
    /// It is not there, and whether they could read it is not known.
    Unknown,
    /// It is there, and not for them.
    Hidden,
}

async fn look(documents: &Documents, session: &Session, doctype: &str, name: &str) -> Result<Look> {
    match documents.get(session, doctype, name).await {
        Ok(document) => return Ok(Look::Document(documents.to_json(session, &document))),
        // Only who sees all documents is told so.
        Err(Error::DoesNotExist { .. }) => return Ok(Look::Gone),
        Err(error) if is_hidden(&error) => {}
        Err(error) => return Err(error),
    }
    match documents.get(&Session::system(), doctype, name).await {
        Ok(_) => Ok(Look::Hidden),
        Err(Error::DoesNotExist { .. }) => {
            let could = documents.could_read_deleted(session, doctype, name).await?;
            Ok(if could { Look::Gone } else { Look::Unknown })
        }
        Err(error) => Err(error),
    }
}

/// Refuses parameters that are not known here.
pub(super) fn check_parameters(values: &Map<String, Json>, known: &[&str]) -> Result<()> {
    match values.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(Error::misuse(format!("Unknown parameter {name}: use {}", known.join(", ")))),
        None => Ok(()),
    }
}

/// Answers with what has changed since; without `since`, with where the feed ends now.
pub(super) async fn answer(mut exchange: Exchange) -> Result<Response> {
    exchange.context.require_login()?;
    let values = exchange.values().await?;
    check_parameters(&values, &["since", "doctype", "filters", "limit"])?;
    let (documents, session) = (&exchange.site.documents, exchange.session());
    let wanted = Wanted::read(documents, session, &values).await?;
    let limit = Args(&values).count("limit")?.unwrap_or(FEW);
    if !(1..=MOST).contains(&limit) {
        return Err(Error::misuse(format!("limit is a number from 1 to {MOST}")));
    }
    let since = Args(&values).text("since")?.filter(|since| !since.is_empty());
    let (told, next, has_more) = match since {
        None => (Vec::new(), documents.end_of_changes().await?, false),
        Some(since) => {
            let changes = documents.changes_since(&since.parse()?, limit).await?;
            let told = Box::pin(wanted.tell(documents, session, &changes.entries)).await?;
            (told, changes.next, changes.has_more)
        }
    };
    let rows: Vec<Json> = told.into_iter().map(|told| Json::Object(told.body)).collect();
    let mut body = Map::from_iter([("data".to_owned(), Json::from(rows))]);
    body.insert("next_cursor".to_owned(), Json::from(next.to_string()));
    body.insert("has_more".to_owned(), Json::from(has_more));
    Ok(envelope::object(&exchange.context, StatusCode::OK, body))
}
