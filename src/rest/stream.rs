//! Lists of any length as lines of JSON or CSV, in constant memory: page after page by their positions, each read when the
//! reader has taken the one before.

use std::io;

use futures_util::stream;
use poem::http::{HeaderMap, header};
use poem::{Body, Response};

use crate::document::{List, ListRequest, Position};
use crate::error::{Error, Result};
use crate::permissions::Session;
use crate::rest::methods::exported;
use crate::spreadsheet::{Cell, Format as Table, Writer};
use crate::web::download::disposition;
use crate::web::spool::Spool;
use crate::web::{Exchange, Site};

/// How many rows are read at once.
const PAGE: u64 = 500;

/// What a list is sent as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// An object a line.
    Lines,
    /// Comma-separated values (RFC 4180), with a line of headings.
    Csv,
}

/// The media type of [`Format::Lines`].
pub(super) const LINES: &str = "application/x-ndjson";
/// That of [`Format::Csv`].
pub(super) const CSV: &str = "text/csv";

impl Format {
    /// What `Accept` asks for first; `None`: JSON.
    pub(super) fn accepted(headers: &HeaderMap) -> Option<Self> {
        let accept = headers.get(header::ACCEPT)?.to_str().ok()?;
        let known = |kind: &str| match kind.split(';').next().unwrap_or_default().trim() {
            LINES => Some(Some(Self::Lines)),
            CSV => Some(Some(Self::Csv)),
            "application/json" => Some(None),
            _ => None,
        };
        accept.split(',').find_map(known).flatten()
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Lines => LINES,
            Self::Csv => Table::Csv.media_type(),
        }
    }

    /// Writes rows; the first of them have headings before them.
    fn write(self, list: &List, is_first: bool, out: &mut Vec<u8>) -> Result<()> {
        if self == Self::Lines {
            list.write_lines(out);
            return Ok(());
        }
        let mut writer = Writer::Csv;
        if is_first {
            writer.head(&list.keys, &[], out)?;
        }
        list.rows.iter().try_for_each(|row| {
            let cells: Vec<Cell> = row.iter().map(|cell| exported(&cell.to_json())).collect();
            writer.row(&cells, out)
        })
    }
}

/// A list that is being sent.
struct Pages {
    site: Site,
    session: Session,
    request: ListRequest,
    format: Format,
    /// How many rows are still wanted.
    left: u64,
    id: std::sync::Arc<str>,
}

impl Pages {
    /// Reads the next page; where one follows, `request` is the one for it.
    async fn next(&mut self) -> Result<List> {
        self.request.limit = Some(self.left.min(PAGE));
        let list = self.site.documents.list(&self.session, &self.request).await?;
        self.left -= (list.rows.len() as u64).min(self.left);
        self.request.start = 0;
        self.request.position.clone_from(&list.next);
        Ok(list)
    }

    /// Whether a further page is to be sent.
    fn goes_on(&self) -> bool {
        self.left > 0 && self.request.position.is_some()
    }

    /// The lines of the next page; `None` behind the last.
    async fn lines(mut self) -> io::Result<Option<(Vec<u8>, Self)>> {
        if !self.goes_on() {
            return Ok(None);
        }
        let mut out = Vec::new();
        let read = Box::pin(self.next()).await;
        match read.and_then(|list| self.format.write(&list, false, &mut out)) {
            Ok(()) => Ok(Some((out, self))),
            Err(error) => {
                // The status has left already: that the answer breaks off is what remains to be said.
                tracing::warn!(request_id = %self.id, %error, "a list breaks off");
                Err(io::Error::other("the list breaks off"))
            }
        }
    }
}

/// Answers with all rows, or as many as the request says.
pub(super) async fn answer(exchange: &Exchange, request: &ListRequest, format: Format) -> Result<Response> {
    let mut pages = Pages {
        site: exchange.site.clone(),
        session: exchange.session().clone(),
        request: ListRequest { position: Some(Position::default()), ..request.clone() },
        format,
        left: request.limit.unwrap_or(u64::MAX),
        id: exchange.context.id.clone(),
    };
    let list = pages.next().await?;
    let response = if list.has_next_page && list.next.is_none() && pages.left > 0 {
        at_once(exchange, request, format).await?
    } else {
        let mut first = Vec::new();
        format.write(&list, true, &mut first)?;
        if pages.goes_on() {
            let rest = stream::try_unfold(pages, Pages::lines);
            let first = stream::once(async { Ok(first) });
            Response::builder().body(Body::from_bytes_stream(futures_util::StreamExt::chain(first, rest)))
        } else {
            Response::builder().body(first)
        }
    };
    Ok(named(response, &request.doctype, format))
}

/// Rows that have no places of their own, such as groups, are read in one go.
async fn at_once(exchange: &Exchange, request: &ListRequest, format: Format) -> Result<Response> {
    let (site, session) = (&exchange.site, exchange.session());
    let mut spool = Spool::new(site);
    let mut is_first = true;
    site.documents
        .list_in_parts(session, request, |list| {
            format.write(list, std::mem::take(&mut is_first), &mut spool.memory)?;
            spool.settle()
        })
        .await?;
    spool.finish()?;
    Ok(spool.into_response(format.media_type(), Vec::new(), Vec::new()))
}

/// With its type, and the name under which browsers keep a table.
fn named(response: Response, doctype: &str, format: Format) -> Response {
    let mut response = response.set_content_type(format.media_type());
    if format == Format::Csv
        && let Ok(name) = disposition(&format!("{doctype}.csv"), true).parse()
    {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    response
}

/// Refuses what a stream has no use for.
pub(super) fn check(has_cursor: bool) -> Result<()> {
    if has_cursor {
        return Err(Error::misuse("Lists as lines or CSV come whole and take no cursor"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_accepted_first_is_sent() {
        for (accept, expected) in [
            ("application/x-ndjson", Some(Format::Lines)),
            ("text/csv; charset=utf-8, application/json", Some(Format::Csv)),
            ("application/json, text/csv", None),
            ("*/*", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            assert_eq!(Format::accepted(&headers), expected, "{accept}");
        }
    }
}
