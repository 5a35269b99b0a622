//! `frappe.desk.form.assign_to`: documents that somebody is to look after; each assignment is a ToDo.

use serde_json::{Map, Value as Json, json};

use crate::document::{Children, ListRequest, Work};
use crate::error::{Error, Result};
use crate::meta::{Document, Right};
use crate::permissions::{Session, TimesIn};
use crate::rest::doctype::{share, todo};
use crate::rest::methods::add;
use crate::web::args::Args;
use crate::web::{Answer, Call, Param, Plugins, Site, Verbs};

const DOCTYPE: Param = Param::required("doctype", "string", "The DocType");
const NAME: Param = Param::required("name", "string", "The name of the document");
const DESCRIPTION: Param = Param::optional("description", "string", "What is to be done");
const PRIORITY: Param = Param::optional("priority", "string", "`High`, `Medium` or `Low`");
const DATE: Param = Param::optional("date", "string", "The day by which it is to be done");
const TO: Param = Param::required("assign_to", "array", "The users");
/// How many documents are assigned at once.
const MOST_DOCUMENTS: usize = 500;

/// Registers the methods.
pub(super) fn register(plugins: &mut Plugins) {
    let params = const { &[DOCTYPE, NAME, TO, DESCRIPTION, PRIORITY, DATE] };
    let summary = "Assigns a document to users, with a ToDo for each";
    add(plugins, "frappe.desk.form.assign_to.add", Verbs::WRITE, summary, params, add_one);
    let params = const { &[DOCTYPE, NAME_LIST, TO, DESCRIPTION, PRIORITY, DATE] };
    let summary = "Assigns documents to users, with a ToDo for each";
    add(plugins, "frappe.desk.form.assign_to.add_multiple", Verbs::WRITE, summary, params, add_multiple);
    let params = const { &[DOCTYPE, NAME] };
    let summary = "Lists to whom a document is assigned";
    add(plugins, "frappe.desk.form.assign_to.get", Verbs::READ, summary, params, get);
    let params = const { &[DOCTYPE, NAME, Param::required("assign_to", "string", "The user")] };
    let summary = "Takes an assignment back";
    add(plugins, "frappe.desk.form.assign_to.remove", Verbs::WRITE, summary, params, remove);
    let summary = "Says that your assignment is done";
    add(plugins, "frappe.desk.form.assign_to.close", Verbs::WRITE, summary, params, close);
}

const NAME_LIST: Param = Param::required("name", "array", "The names of the documents");

/// Open assignments of a document.
pub(in crate::rest) async fn open(site: &Site, document: &Document) -> Result<Vec<Map<String, Json>>> {
    if site.documents.registry().get("ToDo").is_none() {
        return Ok(Vec::new());
    }
    let request = ListRequest::new("ToDo")
        .fields(&["name", "allocated_to", "description", "status"])
        .filters(open_filters(document))
        .order_by("creation asc, allocated_to asc");
    // Whoever may read a document may know to whom it is assigned.
    let list = site.documents.list(&Session::system().with_times_in(TimesIn::Site), &request.all()).await?;
    let rows = list.to_json().into_iter().map(|mut row| {
        let owner = row.shift_remove("allocated_to").unwrap_or_default();
        row.insert("owner".to_owned(), owner);
        row
    });
    Ok(rows.collect())
}

fn open_filters(document: &Document) -> Json {
    json!({"reference_type": document.doctype.name, "reference_name": document.name(), "status": "Open", "allocated_to": ["is", "set"]})
}

async fn answer(call: &Call, document: &Document) -> Result<Answer> {
    let rows = open(&call.site, document).await?.into_iter();
    let short = rows.map(|row| json!({"owner": row.get("owner"), "name": row.get("name")}));
    Ok(Answer::message(short.collect::<Json>()))
}

async fn get(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let (doctype, name) = (arguments.required("doctype")?, arguments.required("name")?);
    let document = call.site.documents.get(call.session(), &doctype, &name).await?;
    answer(&call, &document).await
}

async fn add_one(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let (doctype, name) = (arguments.required("doctype")?, arguments.required("name")?);
    assign(&call, &doctype, &name).await?;
    let document = call.site.documents.get(call.session(), &doctype, &name).await?;
    answer(&call, &document).await
}

async fn add_multiple(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let doctype = arguments.required("doctype")?;
    let names = arguments.names("name")?.unwrap_or_default();
    if names.len() > MOST_DOCUMENTS {
        return Err(Error::misuse(format!("Assign at most {MOST_DOCUMENTS} documents at once")));
    }
    for name in names {
        assign(&call, &doctype, &name).await?;
    }
    Ok(Answer::nothing())
}

/// Assigns one document to everybody named, or to nobody if one of them cannot have it.
async fn assign(call: &Call, doctype: &str, name: &str) -> Result<()> {
    let mut work = call.site.documents.begin(call.session()).await?;
    assign_in(&mut work, doctype, name, call.args()).await?;
    work.commit().await
}

/// The same within a work: `assign_to` in the arguments has the users.
pub(in crate::rest) async fn assign_in(
    work: &mut Work<'_>,
    doctype: &str,
    name: &str,
    arguments: Args<'_>,
) -> Result<()> {
    let users = arguments.names("assign_to")?.unwrap_or_default();
    let users: Vec<&str> = users.iter().map(|user| user.trim()).filter(|user| !user.is_empty()).collect();
    if users.is_empty() {
        return Err(Error::misuse("Say to whom to assign it: `assign_to` is a list of users"));
    }
    let documents = work.documents;
    let document = work.get(doctype, name).await?;
    if document.doctype.column("_assign").is_none() {
        return Err(Error::misuse(format!("{doctype} cannot be assigned")));
    }
    for user in users {
        if !work.may_know("User", user).await? {
            return Err(Error::misuse(format!("There is no User {user} to whom you may assign something")));
        }
        let Some(access) = documents.access(user).await? else {
            return Err(Error::misuse(format!("{user} is disabled and gets no assignments")));
        };
        let reader = Session::of(access);
        if documents.check_permission(&reader, &document.doctype, Some(&document), Right::Read).is_err() {
            share_with(work, &document, user).await?;
        }
        if !is_assigned(work, &document, user).await? {
            insert(work, &document, user, arguments).await?;
        }
    }
    Ok(())
}

async fn is_assigned(work: &mut Work<'_>, document: &Document, user: &str) -> Result<bool> {
    let mut filters = open_filters(document);
    filters["allocated_to"] = json!(user);
    let caller = work.become_system();
    let count = work.count(&ListRequest::new("ToDo").filters(filters)).await;
    work.session = caller;
    Ok(count? > 0)
}

async fn insert(work: &mut Work<'_>, document: &Document, user: &str, arguments: Args<'_>) -> Result<()> {
    let (doctype, name) = (&document.doctype.name, document.name());
    let description = arguments.text("description")?.filter(|text| !text.trim().is_empty());
    let mut values = json!({
        "allocated_to": user,
        "reference_type": doctype,
        "reference_name": name,
        "description": description.unwrap_or_else(|| format!("Assignment for {doctype} {name}")),
    });
    for key in ["priority", "date"] {
        if let Some(value) = arguments.text(key)?.filter(|value| !value.trim().is_empty()) {
            values[key] = json!(value);
        }
    }
    let mut todo = work.new_document("ToDo")?;
    if let Json::Object(values) = values {
        work.apply(&mut todo, &values, Children::Replace);
    }
    work.insert(todo).await.map(drop)
}

/// Whoever is to look after a document has to see it: those who may share it let them.
async fn share_with(work: &mut Work<'_>, document: &Document, user: &str) -> Result<()> {
    let (doctype, name) = (&document.doctype.name, document.name());
    let filters = json!({"share_doctype": doctype, "share_name": name, "user": user, "read": 1});
    let caller = work.become_system();
    let known = work.count(&ListRequest::new("DocShare").filters(filters)).await;
    work.session = caller;
    if known? > 0 {
        return Ok(());
    }
    let mut given = work.new_document("DocShare")?;
    for (field, value) in [("share_doctype", doctype.as_str()), ("share_name", &name), ("user", user)] {
        given.set(field, value);
    }
    given.set("read", true);
    share::check(work, &given).await.map_err(|error| match error {
        Error::Permission(_) => {
            Error::Permission(format!("{user} may not read {doctype} {name}, and you may not share it with them"))
        }
        other => other,
    })?;
    let caller = work.become_system();
    let inserted = work.insert(given).await;
    work.session = caller;
    inserted.map(drop)
}

async fn remove(call: Call) -> Result<Answer> {
    let user = call.args().required("assign_to")?;
    end(&call, &user, "Cancelled").await
}

async fn close(call: Call) -> Result<Answer> {
    let user = call.args().required("assign_to")?;
    if user != call.session().user() {
        return Err(Error::Permission("Only whom it is assigned to can close an assignment".to_owned()));
    }
    end(&call, &user, "Closed").await
}

/// Ends somebody's open assignments: one's own, those one has made, and any on documents that one may change.
async fn end(call: &Call, user: &str, status: &str) -> Result<Answer> {
    let arguments = call.args();
    let (doctype, name) = (arguments.required("doctype")?, arguments.required("name")?);
    let mut work = call.site.documents.begin(call.session()).await?;
    let document = work.get(&doctype, &name).await?;
    let may_change = work.check(&document, Right::Write).await.is_ok();
    let mut filters = open_filters(&document);
    filters["allocated_to"] = json!(user);
    let caller = work.become_system();
    let list = work.list(&ListRequest::new("ToDo").filters(filters).all()).await;
    work.session = caller;
    let list = list?;
    let values = Map::from_iter([("status".to_owned(), json!(status))]);
    for row in 0..list.rows.len() {
        let name = list.text(row, "name");
        if !may_change {
            work.update_json("ToDo", name, &values, Children::Patch).await?;
            continue;
        }
        let caller = work.become_system();
        let ended = work.update_json("ToDo", name, &values, Children::Patch).await;
        work.session = caller;
        todo::note_ended(&mut work, &ended?).await?;
    }
    work.commit().await?;
    let document = call.site.documents.get(call.session(), &doctype, &name).await?;
    answer(call, &document).await
}
