//! Long lists in parts: only one part is in memory, however many rows there are.

use futures_util::StreamExt as _;

use crate::document::Documents;
use crate::document::list::plan::Wanted;
use crate::document::list::{List, ListRequest, doctype, is_virtual, main_rows, plan, refuse_pattern, rows};
use crate::error::Result;
use crate::permissions::Session;

/// How many rows a part has.
const PART: usize = 500;
/// From how many rows on a list is long.
const LONG: u64 = 1000;

impl ListRequest {
    /// Whether so many rows may come that they are better taken in parts.
    pub fn is_long(&self) -> bool {
        self.limit.is_none_or(|limit| limit > LONG)
    }
}

impl Documents {
    /// A page of documents that the session may read, handed over in parts: at least one, which may be empty. Says
    /// whether a further page has rows.
    pub async fn list_in_parts(
        &self,
        session: &Session,
        request: &ListRequest,
        mut take: impl FnMut(&List) -> Result<()> + Send,
    ) -> Result<bool> {
        let registry = self.registry();
        let target = doctype(&registry, request)?;
        if target.issingle || is_virtual(&registry, request) {
            let list = self.list(session, request).await?;
            take(&list)?;
            return Ok(list.has_next_page);
        }
        let context = self.list_context(&registry, session);
        let visible = main_rows(context, target, request).await?;
        let mut plan = plan(context, target, visible, request, Wanted::Rows)?;
        plan.select.limit = request.limit.map(|limit| limit.saturating_add(1));
        let mut left = request.limit.unwrap_or(u64::MAX);
        let replica = context.replica(&plan.select);
        let there = context.at(replica.as_ref());
        let found = match &replica {
            Some(replica) => plan.select.stream_at(replica).await,
            None => plan.select.stream(self.database()).await,
        };
        let mut found = found.map_err(refuse_pattern)?;
        loop {
            let mut part = Vec::with_capacity(PART);
            let mut end = None;
            while part.len() < PART && end.is_none() {
                match found.next().await.transpose().map_err(refuse_pattern)? {
                    Some(row) if left > 0 => {
                        left -= 1;
                        part.push(row);
                    }
                    more => end = Some(more.is_some()),
                }
            }
            take(&rows::finish(context, there.exec, &plan, part, None, false).await?)?;
            if let Some(has_next_page) = end {
                return Ok(has_next_page);
            }
        }
    }
}
