//! A tree: each document below its parent, unfolded along the way to one of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::params::{ListParams, filterable};
use super::shown::Shown;
use super::{MOST_COUNTED, counted};
use crate::desk::document_url;
use crate::document::{Cell, List, ListRequest};
use crate::error::{Error, Result};
use crate::meta::{DocType, Right};
use crate::permissions::Grant;
use crate::web::Exchange;

/// How many children of a node are shown.
const MOST_CHILDREN: u64 = 200;
/// How far a tree is unfolded.
const MOST_LEVELS: usize = 50;
/// Among how many documents those are looked for whose parents may not be read.
const MOST_LOOKED_AT: u64 = 2_000;

/// A tree.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TreeView {
    /// Those without a parent.
    pub nodes: Vec<NodeView>,
    /// There are more of them than these.
    pub more: bool,
}

/// A document.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct NodeView {
    /// Its name.
    pub name: String,
    /// Its title.
    pub title: String,
    /// Its form.
    pub href: String,
    /// How many are below it; empty for none.
    pub count: String,
    /// The tree with it unfolded, or folded up where it is; empty where nothing is below it.
    pub fold_url: String,
    /// It is unfolded.
    pub open: bool,
    /// It is the one that the address names.
    pub current: bool,
    /// A form for one below it; empty if there is none.
    pub create_url: String,
    /// Those below it, where it is unfolded.
    pub children: Vec<Self>,
    /// The list of all below it, where not all are shown.
    pub more_url: String,
}

/// What a tree is made with.
struct Making<'a> {
    exchange: &'a Exchange,
    doctype: &'a Arc<DocType>,
    grant: &'a Grant,
    params: &'a ListParams,
    /// The field with the parent.
    by: &'a str,
    /// From a root to the node that is unfolded.
    path: Vec<String>,
}

/// The tree that the address asks for.
pub(super) async fn tree(
    exchange: &Exchange,
    doctype: &Arc<DocType>,
    grant: &Grant,
    params: &ListParams,
) -> Result<TreeView> {
    if params.is_filtered() {
        let message = "A tree shows all documents: clear the search and the filters, or look at the list";
        return Err(Error::BadRequest(message.to_owned()));
    }
    let mut making = Making { exchange, doctype, grant, params, by: &params.shown.by, path: Vec::new() };
    making.path = making.path_to(&params.shown.node).await?;
    let (mut nodes, mut more) = making.level(json!([making.by, "is", "not set"]), 0).await?;
    if nodes.is_empty() {
        // Whoever sees a branch alone sees it from where it begins for them.
        let (begin, is_cut) = making.beginnings().await?;
        if !begin.is_empty() {
            let (found, is_long) = making.level(json!(["name", "in", begin]), 0).await?;
            (nodes, more) = (found, is_long || is_cut);
        }
    }
    Ok(TreeView { nodes, more })
}

impl Making<'_> {
    async fn list(&self, fields: &[&str], filter: Json, limit: u64) -> Result<List> {
        let mut request = ListRequest::new(&self.doctype.name).fields(fields).filters(json!([filter]));
        let usual = || format!("{} asc", self.title().unwrap_or("name"));
        request.order_by = Some(self.params.order_text()).filter(|order| !order.is_empty()).or_else(|| Some(usual()));
        request.limit = Some(limit);
        self.exchange.site.documents.list(self.exchange.session(), &request).await
    }

    fn title(&self) -> Option<&str> {
        self.doctype.title_field.as_deref().filter(|name| filterable(self.doctype, self.grant, name))
    }

    /// The names from a root, or the first that may be read, down to a node.
    async fn path_to(&self, node: &str) -> Result<Vec<String>> {
        let mut path: Vec<String> = Vec::new();
        let mut next = node.to_owned();
        while !next.is_empty() && path.len() < MOST_LEVELS && !path.contains(&next) {
            let list = self.list(&["name", self.by], json!(["name", "=", next]), 1).await?;
            if list.rows.is_empty() {
                if path.is_empty() {
                    return Err(Error::BadRequest(format!(
                        "There is no {} `{node}` that you may read",
                        self.doctype.name
                    )));
                }
                break;
            }
            path.push(std::mem::replace(&mut next, list.text(0, self.by).to_owned()));
        }
        path.reverse();
        Ok(path)
    }

    /// Those whose parents may not be read.
    async fn beginnings(&self) -> Result<(Vec<String>, bool)> {
        let list = self.list(&["name", self.by], json!(["name", "is", "set"]), MOST_LOOKED_AT).await?;
        let names: HashSet<&str> = (0..list.rows.len()).map(|row| list.text(row, "name")).collect();
        let begin = (0..list.rows.len()).filter(|row| !names.contains(list.text(*row, self.by)));
        Ok((begin.map(|row| list.text(row, "name").to_owned()).collect(), list.has_next_page))
    }

    /// The nodes of a level, and whether there are more; those on the way to the node are unfolded.
    async fn level(&self, filter: Json, depth: usize) -> Result<(Vec<NodeView>, bool)> {
        let mut fields = vec!["name", self.by];
        let has_groups =
            self.doctype.field("is_group").is_some_and(|_| filterable(self.doctype, self.grant, "is_group"));
        fields.extend(has_groups.then_some("is_group").into_iter().chain(self.title()));
        let list = self.list(&fields, filter, MOST_CHILDREN).await?;
        let names: Vec<&str> = (0..list.rows.len()).map(|row| list.text(row, "name")).collect();
        let counts = self.counts(&names).await?;
        let create = self.grant.may(Right::Create) && !self.doctype.in_create && !self.doctype.is_virtual;
        let mut nodes = Vec::with_capacity(names.len());
        for (row, name) in names.into_iter().enumerate() {
            let count = counts.get(name).copied().unwrap_or(0);
            let open = count > 0 && self.path.get(depth).is_some_and(|on_way| on_way == name);
            let (mut children, mut more_url) = (Vec::new(), String::new());
            if open && depth < MOST_LEVELS {
                let (found, more) = Box::pin(self.level(json!([self.by, "=", name]), depth + 1)).await?;
                children = found;
                if more {
                    more_url = self.params.narrowed_to(self.by, name).url(self.doctype);
                }
            }
            let parent = if depth == 0 { "" } else { list.text(row, self.by) };
            let shown = Shown { node: if open { parent } else { name }.to_owned(), ..self.params.shown.clone() };
            let is_group = !has_groups || cell(&list, row, "is_group").is_some_and(crate::meta::Value::is_truthy);
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            let query = query.append_pair(self.by, name).finish();
            let title = self.title().map(|field| list.text(row, field)).filter(|title| !title.is_empty());
            nodes.push(NodeView {
                title: title.unwrap_or(name).to_owned(),
                href: document_url(&self.doctype.slug(), name),
                count: if count == 0 { String::new() } else { counted(count, MOST_COUNTED) },
                fold_url: if count == 0 { String::new() } else { self.params.shown_as(shown).url(self.doctype) },
                open,
                current: self.params.shown.node == name,
                create_url: if create && is_group {
                    format!("/app/{}/new?{query}", self.doctype.slug())
                } else {
                    String::new()
                },
                children,
                more_url,
                name: name.to_owned(),
            });
        }
        Ok((nodes, list.has_next_page))
    }

    /// How many are below each of these.
    async fn counts(&self, names: &[&str]) -> Result<HashMap<String, u64>> {
        if names.is_empty() {
            return Ok(HashMap::new());
        }
        let mut request = ListRequest::new(&self.doctype.name)
            .fields(&[self.by, "count(name) as documents"])
            .filters(json!([[self.by, "in", names]]))
            .all();
        request.group_by = Some(self.by.to_owned());
        let list = self.exchange.site.documents.list(self.exchange.session(), &request).await?;
        let count =
            |row| cell(&list, row, "documents").and_then(crate::meta::Value::as_int).unwrap_or(0).unsigned_abs();
        Ok((0..list.rows.len()).map(|row| (list.text(row, self.by).to_owned(), count(row))).collect())
    }
}

fn cell<'l>(list: &'l List, row: usize, key: &str) -> Option<&'l crate::meta::Value> {
    let at = list.keys.iter().position(|known| known == key)?;
    match list.rows[row].get(at)? {
        Cell::Value(value) => Some(value),
        Cell::Json(_) => None,
    }
}
