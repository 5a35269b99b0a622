//! What assistants did, as MCP Call says it: which tool, on which document, by which application, for whom.
//!
//! A change is noted before it is answered. What only reads is noted behind the answers, many calls in one transaction,
//! so that the record does not cost more than what it records.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indexmap::IndexMap;

use crate::document::Documents;
use crate::error::Error;
use crate::meta::Value;
use crate::permissions::Session;

/// The DocType.
pub(super) const MCP_CALL: &str = "MCP Call";
/// How long reads are gathered.
const GATHER: Duration = Duration::from_millis(250);
/// How many different reads are gathered at most; then whoever comes next writes them down.
const MOST: usize = 1000;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Outcome {
    /// As asked.
    Done,
    /// With a question.
    AskedBack,
    /// For want of a right, or of the document.
    Refused,
    /// With something that was not valid.
    Failed,
}

impl Outcome {
    /// The option of the field.
    fn as_str(self) -> &'static str {
        match self {
            Self::Done => "Done",
            Self::AskedBack => "Asked Back",
            Self::Refused => "Refused",
            Self::Failed => "Failed",
        }
    }

    /// That of a call that failed.
    pub(super) fn of(error: &Error) -> Self {
        match error {
            Error::Permission(_)
            | Error::InsufficientScope { .. }
            | Error::DoesNotExist { .. }
            | Error::Authentication(_) => Self::Refused,
            _ => Self::Failed,
        }
    }
}

/// A call; equal ones count together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Entry {
    /// The tool, and the method where there is one.
    pub tool: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The DocType it was about.
    pub doctype: Option<String>,
    /// The document it was about.
    pub name: Option<String>,
    /// On whose behalf.
    pub user: String,
    /// The OAuth Client.
    pub client: Option<Arc<str>>,
    /// What it is called.
    pub client_name: String,
    /// From where.
    pub ip_address: String,
}

/// Notes calls.
#[derive(Clone, Default)]
pub(super) struct Record(Arc<Mutex<Gathered>>);

#[derive(Default)]
struct Gathered {
    /// How many of each, and the request of the first.
    calls: IndexMap<Entry, (i64, String)>,
    /// Somebody will write them down.
    is_awaited: bool,
}

impl Record {
    /// Notes a call; `at_once` waits until it is written.
    pub(super) async fn note(&self, documents: &Documents, entry: Entry, request_id: &str, at_once: bool) {
        let (is_full, is_awaited) = {
            let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            gathered.calls.entry(entry).or_insert_with(|| (0, request_id.to_owned())).0 += 1;
            (gathered.calls.len() >= MOST, std::mem::replace(&mut gathered.is_awaited, true))
        };
        if at_once || is_full {
            self.write(documents).await;
        } else if !is_awaited {
            let (record, documents) = (self.clone(), documents.clone());
            tokio::spawn(async move {
                tokio::time::sleep(GATHER).await;
                record.write(&documents).await;
            });
        }
    }

    /// Writes down what was gathered. That it cannot be is logged and stops nothing.
    async fn write(&self, documents: &Documents) {
        let calls = {
            let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            gathered.is_awaited = false;
            std::mem::take(&mut gathered.calls)
        };
        if calls.is_empty() {
            return;
        }
        let noted = async {
            let mut work = documents.begin(&Session::system()).await?;
            for (entry, (count, request_id)) in &calls {
                let text = |text: Option<&str>| text.map_or(Value::Null, Value::from);
                let values = [
                    ("tool", Value::from(entry.tool.as_str())),
                    ("outcome", Value::from(entry.outcome.as_str())),
                    ("calls", Value::from(*count)),
                    ("reference_doctype", text(entry.doctype.as_deref())),
                    ("reference_name", text(entry.name.as_deref())),
                    ("user", Value::from(entry.user.as_str())),
                    ("client", text(entry.client.as_deref())),
                    ("client_name", Value::from(entry.client_name.as_str())),
                    ("ip_address", Value::from(entry.ip_address.as_str())),
                    ("request_id", Value::from(request_id.as_str())),
                ];
                work.insert_log(MCP_CALL, &values).await?;
            }
            work.commit().await
        };
        if let Err(error) = noted.await {
            tracing::error!(calls = calls.len(), %error, "MCP calls could not be noted");
        }
    }
}
