//! "May this person, key or token do this to that document, and why": asks the engine, which notes its steps, and puts
//! them into words. The desk's page `_why` and the method `doctyped.permissions.explain` show the same.

mod words;

use async_trait::async_trait;
use serde::Serialize;

use crate::document::Documents;
use crate::document::explain::{Decision, fields_apart};
use crate::error::{Error, Result};
use crate::language::Language;
use crate::meta::{DocField, DocType, Document, Right};
use crate::permissions::session::{ADMINISTRATOR, GUEST, ROLE_SYSTEM_MANAGER, Session};
use crate::permissions::{Limit, reader};
use crate::web::explain::words::Words;
use crate::web::site::Site;

/// A kind of documents that are credentials, such as API Key.
#[async_trait]
pub(crate) trait CredentialKind: Send + Sync {
    /// Their DocType.
    fn doctype(&self) -> &'static str;
    /// The parameter that names one: `api_key`.
    fn parameter(&self) -> &'static str;
    /// As what a request with it is let in now.
    async fn standing(&self, site: &Site, document: &Document) -> Result<Standing>;
}

/// As what a request with some credentials is let in.
pub(crate) struct Standing {
    /// For whom it acts.
    pub user: String,
    /// Why it is not let in; `None`: it is.
    pub refused: Option<String>,
    /// What the credentials leave of the person's rights; `None`: all.
    pub limit: Option<std::sync::Arc<dyn Limit>>,
    /// From where and until when they work, and what else holds for every request.
    pub notes: Vec<String>,
}

/// What is asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Question {
    /// The DocType.
    pub doctype: String,
    /// The document; `None`: documents of the DocType at all.
    pub name: Option<String>,
    /// What is to be done; `None`: read.
    pub right: Option<Right>,
    /// Who is to do it; `None`: whoever asks.
    pub user: Option<String>,
    /// The parameter of a kind of credentials, and the document: with these, for their user.
    pub credential: Option<(String, String)>,
}

/// The answer, in words of the language of whoever asks.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Explanation {
    /// The DocType.
    pub doctype: String,
    /// The document.
    pub name: Option<String>,
    /// The right.
    pub right: &'static str,
    /// The person.
    pub user: String,
    /// Whether it may be done.
    pub allowed: bool,
    /// The same as a sentence.
    pub verdict: String,
    /// What was asked for it, in the order of the engine.
    pub steps: Vec<ToldStep>,
    /// Which documents are in the list of the person; of a DocType without a document.
    pub sees: Option<Sees>,
    /// Fields that are not as the others are.
    pub fields: Vec<ToldFields>,
    /// What holds for every request with the credentials.
    pub notes: Vec<String>,
}

/// A step in words.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ToldStep {
    /// The right that was asked for.
    pub right: &'static str,
    /// Which kind of rule it is, in English.
    pub rule: &'static str,
    /// `gives`, `passes`, `lacks` or `refuses`.
    pub said: &'static str,
    /// What it came to.
    pub text: String,
    /// What would change that, each by itself; for those who administer rights.
    pub change: Vec<Change>,
}

/// What would have to change.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Change {
    /// What to do.
    pub text: String,
    /// The page where it is done; empty if there is none.
    pub url: String,
}

/// What somebody sees in a list.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sees {
    /// How many documents, counted up to 10,000; `None`: the list is refused.
    pub count: Option<u64>,
    /// What must be true of each of them.
    pub conditions: Vec<String>,
}

/// Fields with something in common.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ToldFields {
    /// `hidden`, `masked`, `read_only` or `guarded`.
    pub kind: &'static str,
    /// What that means.
    pub text: String,
    /// Their names.
    pub fieldnames: Vec<String>,
    /// Their labels.
    pub labels: Vec<String>,
}

/// Who is asked about.
struct Who {
    user: String,
    /// `None`: there is no enabled account.
    session: Option<Session>,
    /// Why their credentials open nothing.
    refused: Option<String>,
    /// Where the credentials are changed.
    credential_url: String,
    notes: Vec<String>,
}

/// Whether whoever asks administers rights, and may ask about others.
pub(crate) fn administers(asker: &Session) -> bool {
    asker.has_role(ROLE_SYSTEM_MANAGER)
}

/// Answers a question as far as whoever asks may know the answer: about oneself everybody may ask, about others those who
/// administer rights; about documents that one may read.
///
/// # Errors
///
/// `Permission` for those who may not ask, `DoesNotExist`, and `Validation` for what cannot be asked.
pub(crate) async fn explain(
    site: &Site,
    asker: &Session,
    language: &Language,
    question: &Question,
) -> Result<Explanation> {
    let documents = &site.documents;
    let doctype = documents.doctype(&question.doctype)?;
    if !administers(asker) && reader::doctype(&documents.registry(), asker, &doctype.name).is_none() {
        documents.check_permission(asker, &doctype, None, Right::Read)?;
    }
    if doctype.istable {
        let message =
            format!("{} is a child table: its rows have the rights of their parent, ask about that", doctype.name);
        return Err(Error::misuse(message));
    }
    let name = if doctype.issingle { Some(doctype.name.as_str()) } else { question.name.as_deref() };
    // Nobody learns here about a document that they may not read.
    let document = match name {
        Some(name) => Some(documents.get(asker, &doctype.name, name).await?),
        None => None,
    };
    let who = who(site, asker, question).await?;
    let right = question.right.unwrap_or(Right::Read);
    let words = Words {
        language,
        doctype: &doctype,
        document: document.as_deref(),
        user: &who.user,
        session: who.session.as_ref(),
        right,
        advises: administers(asker),
    };
    let decision = match &who.session {
        None => Decision::default(),
        Some(session) => match &document {
            Some(document) => documents.explain(session, document, right).await?,
            None => documents.explain_doctype(session, &doctype, right).await?,
        },
    };
    let mut steps = words.standing(who.refused.as_deref(), &who.credential_url);
    steps.extend(words.steps(&decision.steps));
    let allowed = decision.allowed && who.refused.is_none();
    let sees = match (&who.session, &document) {
        (Some(session), None) if right == Right::Read => Some(words.sees(&documents.seen(session, &doctype).await?)),
        _ => None,
    };
    Ok(Explanation {
        doctype: doctype.name.clone(),
        name: document.as_deref().map(Document::name).filter(|_| !doctype.issingle),
        right: right.as_str(),
        allowed,
        verdict: words.verdict(allowed),
        steps,
        sees,
        fields: who.session.as_ref().map(|session| told_fields(session, &doctype, language)).unwrap_or_default(),
        notes: who.notes.iter().map(|note| language.say(note).into_owned()).collect(),
        user: who.user,
    })
}

/// Who is asked about, where whoever asks may know.
async fn who(site: &Site, asker: &Session, question: &Question) -> Result<Who> {
    let documents = &site.documents;
    if let Some((parameter, name)) = &question.credential {
        let kind = site.credential_kinds.iter().find(|kind| kind.parameter() == parameter);
        let kind = kind.ok_or_else(|| Error::misuse(format!("There are no credentials called {parameter}")))?;
        let document = documents.get(asker, kind.doctype(), name).await?;
        let standing = kind.standing(site, &document).await?;
        if standing.user != asker.user() {
            check_asks_about_others(documents, asker)?;
        }
        let access = documents.access(&standing.user).await?;
        let mut session = access.map(Session::of);
        if let Some(session) = &mut session {
            session.limit = standing.limit;
        }
        let slug = document.doctype.slug();
        return Ok(Who {
            refused: standing.refused.filter(|_| session.is_some()),
            user: standing.user,
            session,
            credential_url: crate::web::desk_address::document_url(&slug, name),
            notes: standing.notes,
        });
    }
    let of = |user: &str, session| Who {
        user: user.to_owned(),
        session,
        refused: None,
        credential_url: String::new(),
        notes: Vec::new(),
    };
    match question.user.as_deref() {
        None => Ok(of(asker.user(), Some(asker.clone()))),
        Some(user) if user == asker.user() => Ok(of(user, Some(asker.clone()))),
        Some(user) => {
            check_asks_about_others(documents, asker)?;
            if ![ADMINISTRATOR, GUEST].contains(&user) {
                documents.get(asker, "User", user).await?;
            }
            Ok(of(user, documents.access(user).await?.map(Session::of)))
        }
    }
}

fn check_asks_about_others(documents: &Documents, asker: &Session) -> Result<()> {
    if !administers(asker) {
        let message = "What others may do is told to System Managers alone: ask about yourself";
        return Err(Error::Permission(message.to_owned()));
    }
    documents.check_unlimited(asker, "ask what others may do")
}

fn told_fields(session: &Session, doctype: &DocType, language: &Language) -> Vec<ToldFields> {
    let apart = fields_apart(session, doctype);
    let kinds: [(&'static str, &str, Vec<&DocField>); 4] = [
        ("hidden", "Fields that are left out, because no role reads their level", apart.hidden),
        ("masked", "Fields that are shown as stars", apart.masked),
        (
            "read_only",
            "Fields that are read and keep their values, because no role writes their level",
            apart.read_only,
        ),
        ("guarded", "Fields that credentials with limited scopes never change", apart.guarded),
    ];
    let told = |(kind, text, fields): (&'static str, &str, Vec<&DocField>)| ToldFields {
        kind,
        text: language.say(text).into_owned(),
        fieldnames: fields.iter().map(|field| field.fieldname.clone()).collect(),
        labels: fields.iter().map(|field| language.say(&field.label).into_owned()).collect(),
    };
    kinds.into_iter().filter(|(_, _, fields)| !fields.is_empty()).map(told).collect()
}
