//! `frappe.client`: the methods that read.

use serde_json::{Map, Value as Json, json};

use crate::document::ListRequest;
use crate::error::{Error, ProblemKind, Result};
use crate::meta::{DocType, Document, Right};
use crate::permissions::Session;
use crate::rest::arguments::{Dialect, filters, list_request};
use crate::rest::methods::{add, add_for_guests};
use crate::rest::parameters::{COUNT_LIMIT, DOCTYPE, FILTERS, LIST, OR_FILTERS, PARENT};
use crate::rest::{envelope, resource};
use crate::web::args::Args;
use crate::web::{Answer, Call, Method, Param, Plugins, Site, Verbs, handler};

const NAME: Param = Param::required("docname", "string", "The name of the document");
/// Registers the methods.
pub(super) fn register(plugins: &mut Plugins) {
    add_for_guests(plugins, "frappe.client.get_list", Verbs::READ, "Lists documents", LIST, get_list);
    let params = const { &[DOCTYPE, FILTERS, OR_FILTERS, PARENT, COUNT_LIMIT] };
    add_for_guests(
        plugins,
        "frappe.client.get_count",
        Verbs::READ,
        "Counts the documents you may read",
        params,
        get_count,
    );
    let params = const {
        &[
            DOCTYPE,
            Param::optional("name", "string", "The name; the first that fits `filters` if left out"),
            FILTERS,
            PARENT,
        ]
    };
    add_for_guests(plugins, "frappe.client.get", Verbs::READ, "Reads a document", params, get);
    let params = const {
        &[
            DOCTYPE,
            Param::required("fieldname", "string", "One field, or a JSON list of fields"),
            Param::optional("filters", "any", "Filters, or the name of the document"),
            Param::optional("as_dict", "boolean", "0 for the bare value or values"),
            PARENT,
        ]
    };
    add_for_guests(
        plugins,
        "frappe.client.get_value",
        Verbs::READ,
        "Reads some fields of a document",
        params,
        get_value,
    );
    let params = const { &[DOCTYPE, Param::required("field", "string", "The field")] };
    add_for_guests(
        plugins,
        "frappe.client.get_single_value",
        Verbs::READ,
        "Reads a field of a single document",
        params,
        get_single_value,
    );
    let params = const {
        &[DOCTYPE, NAME, Param::optional("perm_type", "string", "The right: `read` if left out, `write`, `delete`, …")]
    };
    add(plugins, "frappe.client.has_permission", Verbs::READ, "Says whether you have a right", params, has_permission);
    let params = const { &[DOCTYPE, NAME] };
    add(
        plugins,
        "frappe.client.get_doc_permissions",
        Verbs::READ,
        "Says which rights you have on a document",
        params,
        get_doc_permissions,
    );
    let params = const {
        &[
            DOCTYPE,
            Param::required("name", "string", "The name of the document"),
            Param::required("fieldname", "string", "The Password field"),
        ]
    };
    plugins.method(Method {
        path: "frappe.client.get_password",
        verbs: Verbs::READ,
        guest: false,
        guarded: true,
        summary: "Refused: stored secrets cannot be read back",
        params,
        handler: handler(get_password),
    });
    let summary = "Says the name of the document that amends a cancelled one, or false";
    let params = const { &[DOCTYPE, NAME] };
    add(plugins, "frappe.client.is_document_amended", Verbs::READ, summary, params, is_document_amended);
    let params = const { &[DOCTYPE, NAME, Param::optional("fields", "array", "Fields of the target to send along")] };
    add(
        plugins,
        "frappe.client.validate_link",
        Verbs::READ,
        "Says whether the target of a link exists",
        params,
        validate_link,
    );
}

async fn get_list(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let request = list_request(&arguments.required("doctype")?, &call.arguments, Dialect::V1)?;
    envelope::list_answer(&call, &request, arguments.flag("as_dict")? == Some(false)).await
}

async fn get_count(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let mut request = ListRequest::new(arguments.required("doctype")?);
    request.filters = filters(arguments, "filters")?;
    request.or_filters = filters(arguments, "or_filters")?;
    request.parent = arguments.text("parent")?;
    request.distinct = arguments.flag("distinct")?.unwrap_or(false);
    let limit = arguments.count("limit")?.filter(|limit| *limit > 0);
    Ok(Answer::message(call.site.documents.count_at_most(call.session(), &request, limit).await?))
}

async fn get(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let doctype = call.site.documents.doctype(&arguments.required("doctype")?)?;
    let name = if doctype.issingle {
        doctype.name.clone()
    } else if let Some(name) = arguments.text("name")? {
        name
    } else {
        let mut request = ListRequest::new(doctype.name.as_str());
        request.filters = name_or_filters(arguments)?;
        if request.filters.is_null() {
            return Err(Error::misuse("Say which document: send name or filters"));
        }
        request.parent = arguments.text("parent")?;
        request.limit = Some(1);
        let list = call.site.documents.list(call.session(), &request).await?;
        let first = list.to_json().into_iter().next().and_then(|mut row| row.shift_remove("name"));
        match first {
            Some(Json::String(name)) => name,
            Some(number @ Json::Number(_)) => number.to_string(),
            _ => return Err(Error::does_not_exist(&doctype.name, "with these values")),
        }
    };
    let document = call.site.documents.get(call.session(), &doctype.name, &name).await?;
    Ok(Answer::message(resource::seen(&call.site, call.session(), &document)))
}

/// The argument `filters`; text that is not JSON is the name of a document.
fn name_or_filters(arguments: Args<'_>) -> Result<Json> {
    match arguments.get("filters") {
        Some(Json::String(text)) if !text.trim_start().starts_with(['[', '{']) && !text.is_empty() => {
            let name = serde_json::from_str::<String>(text).unwrap_or_else(|_| text.clone());
            Ok(json!({ "name": name }))
        }
        Some(number @ Json::Number(_)) => Ok(json!({ "name": number })),
        _ => filters(arguments, "filters"),
    }
}

async fn get_value(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let doctype = call.site.documents.doctype(&arguments.required("doctype")?)?;
    let fields = arguments.names("fieldname")?.filter(|fields| !fields.is_empty());
    let fields = fields.unwrap_or_else(|| vec!["name".to_owned()]);
    let as_dict = arguments.flag("as_dict")?.unwrap_or(true);
    let row = if doctype.issingle {
        Some(single_values(&call.site, call.session(), &doctype, &fields).await?)
    } else {
        let mut request = ListRequest::new(doctype.name.as_str());
        request.fields = fields.iter().map(|field| Json::from(field.as_str())).collect();
        request.filters = name_or_filters(arguments)?;
        request.parent = arguments.text("parent")?;
        request.limit = Some(1);
        let list = call.site.documents.list(call.session(), &request).await?;
        list.to_json().into_iter().next()
    };
    Ok(match row {
        None if as_dict => Answer::message(Map::new()),
        None => Answer::nothing(),
        Some(row) if as_dict => Answer::message(row),
        Some(row) => {
            let mut values: Vec<Json> = row.into_iter().map(|(_, value)| value).collect();
            Answer::message(if values.len() == 1 { values.remove(0) } else { Json::Array(values) })
        }
    })
}

async fn single_values(
    site: &Site,
    session: &Session,
    doctype: &DocType,
    fields: &[String],
) -> Result<Map<String, Json>> {
    let document = site.documents.get(session, &doctype.name, &doctype.name).await?;
    let mut json = site.documents.to_json(session, &document);
    let mut values = Map::new();
    for field in fields {
        if doctype.column(field).is_none() && doctype.table(field).is_none() {
            return Err(no_such_field(doctype, field));
        }
        values.insert(field.clone(), json.shift_remove(field).unwrap_or(Json::Null));
    }
    Ok(values)
}

fn no_such_field(doctype: &DocType, field: &str) -> Error {
    Error::invalid(ProblemKind::InvalidColumnName, format!("Field {field} does not exist on {}", doctype.name))
}

async fn get_single_value(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let doctype = call.site.documents.doctype(&arguments.required("doctype")?)?;
    if !doctype.issingle {
        return Err(Error::misuse(format!("{} is not a single document: use frappe.client.get_value", doctype.name)));
    }
    let field = arguments.required("field")?;
    let mut values = single_values(&call.site, call.session(), &doctype, std::slice::from_ref(&field)).await?;
    Ok(Answer::message(values.shift_remove(&field).unwrap_or(Json::Null)))
}

async fn has_permission(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let right = arguments.text("perm_type")?.unwrap_or_else(|| "read".to_owned()).to_lowercase();
    let right = Right::parse(&right).ok_or_else(|| {
        let rights: Vec<&str> = Right::ALL.iter().map(|right| right.as_str()).collect();
        Error::misuse(format!("perm_type is one of {}", rights.join(", ")))
    })?;
    let doctype = call.site.documents.doctype(&arguments.required("doctype")?)?;
    // Whoever may only select does not read: the document is looked up for them, and nothing of it is shown.
    let system = Session::system();
    let reader = if right == Right::Select { &system } else { call.session() };
    let found = call.site.documents.get(reader, &doctype.name, &arguments.required("docname")?).await;
    let allowed = match found {
        Ok(document) => may(&call.site, call.session(), &document, right).await,
        Err(error) if resource::is_hidden(&error) => false,
        Err(error) => return Err(error),
    };
    Ok(Answer::message(json!({ "has_permission": allowed })))
}

/// Whether the session has the right on a document; whoever may read it may select it.
async fn may(site: &Site, session: &Session, document: &Document, right: Right) -> bool {
    let has = resource::check(site, session, document, right).await.is_ok();
    has || right == Right::Select && resource::check(site, session, document, Right::Read).await.is_ok()
}

async fn get_doc_permissions(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let (doctype, name) = (arguments.required("doctype")?, arguments.required("docname")?);
    let document = call.site.documents.get(call.session(), &doctype, &name).await?;
    Ok(Answer::message(json!({ "permissions": permissions(&call.site, call.session(), &document).await })))
}

/// Each right with 1 or 0.
pub(super) async fn permissions(site: &Site, session: &Session, document: &Document) -> Map<String, Json> {
    let mut out = Map::new();
    for right in Right::ALL {
        let allowed = may(site, session, document, right).await;
        out.insert(right.as_str().to_owned(), Json::from(u8::from(allowed)));
    }
    out
}

/// Secrets go in and do not come out again: whoever reads one back could be anybody who got hold of a session.
async fn get_password(_: Call) -> Result<Answer> {
    Err(Error::Permission("Stored secrets cannot be read back: set a new one where it is used".to_owned()))
}

async fn is_document_amended(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let doctype = call.site.documents.doctype(&arguments.required("doctype")?)?;
    if doctype.field("amended_from").is_none() {
        return Ok(Answer::message(false));
    }
    let mut request = ListRequest::new(doctype.name.as_str());
    request.filters = json!({ "amended_from": arguments.required("docname")? });
    request.limit = Some(1);
    let list = call.site.documents.list(call.session(), &request).await?;
    let first = list.to_json().into_iter().next().and_then(|mut row| row.shift_remove("name"));
    Ok(Answer::message(first.unwrap_or(Json::Bool(false))))
}

async fn validate_link(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let doctype = call.site.documents.doctype(&arguments.required("doctype")?)?;
    let name = arguments.required("docname")?;
    let extra = arguments.names("fields")?.unwrap_or_default();
    if doctype.issingle {
        let fields: Vec<String> = std::iter::once("name".to_owned()).chain(extra).collect();
        return Ok(Answer::message(single_values(&call.site, call.session(), &doctype, &fields).await?));
    }
    let mut request = ListRequest::new(doctype.name.as_str());
    request.fields = std::iter::once("name".to_owned()).chain(extra).map(Json::from).collect();
    request.filters = json!({ "name": name });
    request.limit = Some(1);
    let list = call.site.documents.list(call.session(), &request).await?;
    Ok(Answer::message(
        list.to_json().into_iter().next().unwrap_or_else(|| Map::from_iter([("name".to_owned(), Json::Null)])),
    ))
}
