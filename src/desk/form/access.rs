//! What somebody may do with the document of a form: by rights, shares, and the state of its workflow.

use crate::error::Result;
use crate::meta::{Document, Right};
use crate::permissions::Grant;
use crate::web::Exchange;

/// What the session may do with this document.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a right")]
pub(crate) struct Access {
    /// Save it (of a new document: create it).
    pub write: bool,
    /// Make others.
    pub create: bool,
    /// Delete it.
    pub delete: bool,
    /// Submit it.
    pub submit: bool,
    /// Cancel it.
    pub cancel: bool,
    /// Amend it.
    pub amend: bool,
}

/// What the session may do with the document, shares included.
pub(super) async fn access(exchange: &Exchange, document: &Document) -> Result<(Grant, Access)> {
    let documents = &exchange.site.documents;
    let session = exchange.session();
    let doctype = &document.doctype;
    let mut grant = documents.grant(session, doctype);
    // What no table holds is not saved here.
    let may =
        |right| !doctype.is_virtual && documents.check_permission(session, doctype, Some(document), right).is_ok();
    let create = documents.check_permission(session, doctype, None, Right::Create).is_ok();
    let mut access = Access {
        write: if document.is_new && !doctype.issingle { create } else { may(Right::Write) },
        create,
        delete: may(Right::Delete),
        submit: may(Right::Submit),
        cancel: may(Right::Cancel),
        amend: may(Right::Amend) && create,
    };
    if !document.is_new {
        // Whoever got here may read it; without a role for it, by a share.
        grant.read_levels |= 1;
        if !access.write && documents.is_shared(documents.database(), session, document, Right::Write).await? {
            access.write = true;
            grant.write_levels |= 1;
        }
    }
    // In which state who may change what, and what submits and cancels, says the workflow.
    if !document.is_new
        && let Some(workflow) = documents.workflow(&doctype.name).await?
    {
        access.write &= workflow.declared.may_edit(workflow.declared.current(document), |role| session.has_role(role));
        access.submit &= !workflow.leads_to(1);
        access.cancel &= !workflow.leads_to(2);
    }
    Ok((grant, access))
}
