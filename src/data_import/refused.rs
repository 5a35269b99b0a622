//! The rows of a file that were refused, with the reason behind each, as a file that can be corrected and imported.

use std::collections::VecDeque;
use std::fs::File;
use std::ops::ControlFlow;
use std::sync::Arc;

use poem::Response;
use serde_json::json;
use tokio::sync::mpsc;

use super::columns::REASON;
use super::import::{DATA_IMPORT_LOG, DataImport};
use super::payload::{Assembler, Payload, Plan, Problem};
use crate::document::{Documents, ListRequest};
use crate::error::{Error, Result};
use crate::permissions::Session;
use crate::spreadsheet::{self, Cell, Format};
use crate::web::Site;
use crate::web::download::TableDownload;

/// How many entries of the log are read at once.
const AT_ONCE: u64 = 500;
/// How many documents wait for their turn.
const WAITING: usize = 50;

/// The entries of an import that say why a document was refused, in the order of the file.
struct Refusals<'d> {
    documents: &'d Documents,
    import: &'d str,
    last: u64,
    waiting: VecDeque<(u64, Vec<Problem>)>,
}

impl Refusals<'_> {
    /// The problems of that document; `None` if it was not refused.
    async fn of(&mut self, index: u64) -> Result<Option<Vec<Problem>>> {
        loop {
            match self.waiting.front() {
                Some((next, _)) if *next < index => drop(self.waiting.pop_front()),
                Some((next, _)) if *next > index => return Ok(None),
                Some(_) => return Ok(self.waiting.pop_front().map(|(_, problems)| problems)),
                None if self.last == u64::MAX => return Ok(None),
                None => self.read().await?,
            }
        }
    }

    async fn read(&mut self) -> Result<()> {
        let mut request = ListRequest::new(DATA_IMPORT_LOG)
            .fields(&["log_index", "messages"])
            .filters(json!([["data_import", "=", self.import], ["success", "=", 0], ["log_index", ">", self.last]]))
            .order_by("log_index asc");
        request.limit = Some(AT_ONCE);
        let list = self.documents.list(&Session::system(), &request).await?;
        for row in list.to_json() {
            let index = row["log_index"].as_u64().unwrap_or(0);
            let problems =
                row["messages"].as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
            self.waiting.push_back((index, problems));
            self.last = index;
        }
        if !list.has_next_page {
            self.last = u64::MAX;
        }
        Ok(())
    }
}

/// Makes the file, in the format of the one that was imported.
pub(super) async fn write(site: &Site, session: &Session, import: &DataImport) -> Result<Response> {
    let opened = import.open(site, session).await?;
    let format = if opened.source.kind.starts_with("CSV") { Format::Csv } else { Format::Xlsx };
    let plan = opened.plan;
    let mut headings = plan.headings.clone();
    // The file of refused rows of a file of refused rows has one such column.
    let reason = headings.iter().position(|heading| heading == REASON).unwrap_or(headings.len());
    headings.truncate(reason);
    headings.push(REASON.to_owned());
    let title = format!("{} refused", import.name);
    let mut table = TableDownload::new(site, format, &title)?;
    table.head(&headings, &[])?;
    let file = import.open_file(site, session).await?;
    let (sender, mut receiver) = mpsc::channel(WAITING);
    let reader = tokio::task::spawn_blocking(move || payloads(file, plan, &sender));
    let mut refusals = Refusals { documents: &site.documents, import: &import.name, last: 0, waiting: VecDeque::new() };
    while let Some(payload) = receiver.recv().await {
        let Some(problems) = refusals.of(payload.index).await? else { continue };
        for row in &payload.rows {
            let told: Vec<String> = problems
                .iter()
                .filter(|problem| problem.row == row.number)
                .map(|problem| {
                    if problem.heading.is_empty() {
                        problem.message.clone()
                    } else {
                        format!("{}: {}", problem.heading, problem.message)
                    }
                })
                .collect();
            let mut cells = row.cells.clone();
            cells.resize(reason, Cell::Empty);
            cells.push(Cell::Text(told.join("; ")));
            table.row(&cells)?;
        }
    }
    reader.await.map_err(Error::internal)??;
    table.finish(&title)
}

fn payloads(file: File, plan: Arc<Plan>, to: &mpsc::Sender<Payload>) -> Result<()> {
    let mut assembler = Assembler::new(plan);
    spreadsheet::read(file, &mut |row| {
        let is_gone = assembler.push(row).is_some_and(|payload| to.blocking_send(payload).is_err());
        if is_gone { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if let Some(payload) = assembler.finish() {
        let _ = to.blocking_send(payload);
    }
    Ok(())
}
