//! The steps of a decision in words, and what would have to change where one refuses.

use url::form_urlencoded::Serializer;

use crate::document::explain::Seen;
use crate::language::Language;
use crate::meta::docperm::DocPerm;
use crate::meta::limited::{Limited, Test};
use crate::meta::{DocType, Document, Right};
use crate::permissions::decide::ListCondition;
use crate::permissions::record::{Asked, Said, Step};
use crate::permissions::session::Session;
use crate::web::desk_address::{document_url, model_url};
use crate::web::explain::{Change, Sees, ToldStep};

/// What everything is said about.
pub(super) struct Words<'a> {
    /// Of whoever asks.
    pub language: &'a Language,
    /// The DocType.
    pub doctype: &'a DocType,
    /// The document, if it is about one.
    pub document: Option<&'a Document>,
    /// The person.
    pub user: &'a str,
    /// Their session, if they have one.
    pub session: Option<&'a Session>,
    /// The right.
    pub right: Right,
    /// Whoever asks administers rights: they hear what to change.
    pub advises: bool,
}

/// What is said of a step: the kind of rule, the sentence, what would change it.
type Told = (&'static str, String, Vec<Change>);

impl Words<'_> {
    fn say(&self, text: &str) -> String {
        self.language.say(text).into_owned()
    }

    /// The answer as a sentence.
    pub(super) fn verdict(&self, allowed: bool) -> String {
        let (user, right, what) = (self.user, self.right.as_str(), self.what());
        self.say(&if allowed { format!("{user} may {right} {what}") } else { format!("{user} may not {right} {what}") })
    }

    /// The DocType, or the document.
    fn what(&self) -> String {
        let named = self.document.filter(|_| !self.doctype.issingle);
        named.map_or_else(
            || self.say(&self.doctype.name),
            |document| format!("{} {}", self.say(&self.doctype.name), document.name()),
        )
    }

    /// The account, and the credentials as such.
    pub(super) fn standing(&self, refused: Option<&str>, credential_url: &str) -> Vec<ToldStep> {
        let user = self.user;
        let mut steps = Vec::new();
        let mut add = |rule, said: Said, text: String, change: Vec<Change>| {
            steps.push(self.told(self.right, said, (rule, text, change)));
        };
        if self.session.is_none() {
            let enable = change_to(format!("Enable {user}"), document_url("user", user));
            add("Account", Said::Refuses, format!("{user} is not an enabled account"), enable);
        }
        if let Some(reason) = refused {
            let open = change_to("Open the credentials", credential_url.to_owned());
            add("Credentials", Said::Refuses, reason.to_owned(), open);
        }
        steps
    }

    /// Every step that says something.
    pub(super) fn steps(&self, steps: &[(Right, Step)]) -> Vec<ToldStep> {
        let told = |(right, step): &(Right, Step)| Some(self.told(*right, step.said, self.step(*right, step)?));
        steps.iter().filter_map(told).collect()
    }

    fn told(&self, right: Right, said: Said, (rule, text, mut change): Told) -> ToldStep {
        if !self.advises {
            change.clear();
        }
        for change in &mut change {
            change.text = self.say(&change.text);
        }
        ToldStep { right: right.as_str(), rule, said: said.as_str(), text: self.say(&text), change }
    }

    fn step(&self, asked_for: Right, step: &Step) -> Option<Told> {
        let (user, doctype, right) = (self.user, self.doctype.name.as_str(), asked_for.as_str());
        let refuses = step.said == Said::Refuses;
        Some(match &step.asked {
            Asked::ReadFirst => {
                ("Read", "Nobody does anything with a document that they may not read".to_owned(), vec![])
            }
            Asked::State(reason) if refuses => ("Docstatus", reason.clone(), vec![]),
            Asked::State(needed) => ("Docstatus", format!("What is asked for takes the right “{needed}” here"), vec![]),
            Asked::Limit { needed, guarded } => self.limit(right, needed, *guarded, refuses),
            Asked::Administrator => ("Administrator", "Administrator may do everything".to_owned(), vec![]),
            Asked::Reserved => {
                let text = "Administrator and Guest are accounts of the site itself: they are Administrator's alone";
                ("Account", text.to_owned(), vec![])
            }
            Asked::Row(row) => ("Roles", Self::row(row, asked_for), vec![]),
            Asked::Roles => (
                "Roles",
                format!("None of the roles of {user} gives the right “{right}”"),
                self.roles_that_give(asked_for),
            ),
            Asked::Owner(_) if !refuses => ("Owner", format!("{user} owns the document"), vec![]),
            Asked::Owner(owner) => (
                "Owner",
                format!("The roles give the right “{right}” to the owner alone, and that is {owner}"),
                self.roles_that_give(asked_for),
            ),
            Asked::OwnerKeeps => {
                ("User Permissions", format!("What {user} owns stays theirs, whatever User Permissions say"), vec![])
            }
            Asked::UserPermission { field, target, value, allowed } => {
                self.user_permission((field, target), value, allowed, refuses)
            }
            Asked::LimitedTo => self.limited_to(refuses),
            Asked::Controller("") if !refuses => return None,
            Asked::Controller("") => ("Rules", format!("The rules of {doctype} itself do not allow it"), vec![]),
            Asked::Controller(rule) => ("Rules", (*rule).to_owned(), vec![]),
            Asked::Share { possible: false } => {
                ("Shares", format!("Sharing a document cannot give the right “{right}”"), vec![])
            }
            Asked::Share { .. } => self.share(right, step.said),
        })
    }

    fn limit(&self, right: &str, needed: &str, guarded: bool, refuses: bool) -> Told {
        let doctype = &self.doctype.name;
        let (text, change) = match (refuses, guarded) {
            (false, _) => (format!("The scopes of the credentials leave the right “{right}” on {doctype}"), vec![]),
            (true, true) => (
                format!("The right “{right}” on {doctype} is guarded: credentials with limited scopes never have it"),
                change_to("Log in, or use credentials without limited scopes", ""),
            ),
            (true, false) => (
                format!("The scopes of the credentials do not leave the right “{right}” on {doctype}"),
                change_to(format!("Use credentials with the scope “{needed}”"), ""),
            ),
        };
        ("Credentials", text, change)
    }

    fn row(row: &DocPerm, right: Right) -> String {
        let (role, gives, right) = (&row.role, row.rights.contains(right), right.as_str());
        match (gives, row.if_owner) {
            (true, false) => format!("The role {role} gives the right “{right}”"),
            (true, true) => format!("The role {role} gives the right “{right}” on documents of one's own"),
            (false, _) => format!("The role {role} does not give the right “{right}”"),
        }
    }

    /// What would give a right: a role that has it, or the right for a role that they have.
    fn roles_that_give(&self, right: Right) -> Vec<Change> {
        let (user, doctype) = (self.user, &self.doctype.name);
        if !self.doctype.is_submittable && matches!(right, Right::Submit | Right::Cancel | Right::Amend) {
            let text = format!("Make {doctype} submittable: its documents have no docstatus");
            return change_to(text, model_url(doctype));
        }
        let has = |row: &&DocPerm| self.session.is_some_and(|session| session.has_role(&row.role));
        let rows = self.doctype.permissions.iter().filter(|row| row.permlevel == 0);
        let gives = |row: &&DocPerm| !row.if_owner && row.rights.contains(right);
        let mut roles: Vec<&str> = rows.clone().filter(gives).filter(|row| !has(row)).map(|row| &*row.role).collect();
        roles.dedup();
        let right = right.as_str();
        let mut change = Vec::new();
        if !roles.is_empty() {
            let roles = roles.join(", ");
            let text = format!("Give {user} a role that has the right “{right}”: {roles}");
            change.extend(change_to(text, document_url("user", user)));
        }
        let mut own: Vec<&str> = rows.filter(has).map(|row| &*row.role).collect();
        own.dedup();
        let text = if own.is_empty() {
            format!("Add a row with the right “{right}” for a role of {user} to {doctype}")
        } else {
            format!("Check “{right}” at level 0 of {doctype} for a role of {user}: {}", own.join(", "))
        };
        change.extend(change_to(text, format!("{}#f-permissions", model_url(doctype))));
        change
    }

    fn user_permission(&self, (field, target): (&str, &str), value: &str, allowed: &[String], refuses: bool) -> Told {
        const RULE: &str = "User Permissions";
        let user = self.user;
        let label = self.doctype.field(field).map_or(field, |field| field.label.as_str());
        if !refuses {
            return match value {
                "" => (RULE, format!("{label} is empty, which User Permissions let pass"), vec![]),
                value => (RULE, format!("User Permissions allow {value} in {label}"), vec![]),
            };
        }
        let allowed = allowed.join(", ");
        let told = match value {
            "" => format!("{label} is empty, and strict User Permissions leave only {allowed}"),
            value => format!("User Permissions of {user} leave only {allowed} in {label}, not {value}"),
        };
        let query = |pairs: &[(&str, &str)]| Serializer::new(String::new()).extend_pairs(pairs).finish();
        let mut change = Vec::new();
        if !value.is_empty() {
            let add = query(&[("user", user), ("allow", target), ("for_value", value)]);
            let text = format!("Add a User Permission of {user} for {value}");
            change.extend(change_to(text, format!("/app/user-permission/new?{add}")));
        }
        let own = query(&[("user", user), ("allow", target)]);
        let text = format!("Take the User Permissions of {user} on {target} away");
        change.extend(change_to(text, format!("/app/user-permission?{own}")));
        if field != "name" {
            let text = format!("Let {label} ignore User Permissions");
            change.extend(change_to(text, model_url(&self.doctype.name)));
        }
        (RULE, told, change)
    }

    fn limited_to(&self, refuses: bool) -> Told {
        let (user, doctype) = (self.user, &self.doctype.name);
        let conditions = self.doctype.limits.iter().map(|limited| self.condition(limited)).collect::<Vec<_>>();
        let conditions = conditions.join("; ");
        if !refuses {
            return ("Limits", format!("One of what {doctype} is limited to is true: {conditions}"), vec![]);
        }
        let mut change = Vec::new();
        if !self.doctype.limited_except.is_empty() {
            let roles = self.doctype.limited_except.join(", ");
            let text = format!("Give {user} a role that is not limited: {roles}");
            change.extend(change_to(text, document_url("user", user)));
        }
        change.extend(change_to("Change what the DocType is limited to", model_url(doctype)));
        ("Limits", format!("Nothing of what {doctype} is limited to is true: {conditions}"), change)
    }

    fn condition(&self, limited: &Limited) -> String {
        let (user, field) = (self.user, limited.field.as_str());
        let label = self.doctype.field(field).map_or(field, |field| field.label.as_str());
        self.say(&match &limited.test {
            Test::Equals(value) => format!("{label} is {value}"),
            Test::User => format!("{label} names {user}"),
            Test::Readable => format!("{label} names a DocType that {user} reads"),
            Test::Roles => format!("{label} has a role of {user}"),
            Test::Shared => format!("shared with {user}"),
            Test::Set(true) => format!("{label} is set"),
            Test::Set(false) => format!("{label} is not set"),
        })
    }

    fn share(&self, right: &str, said: Said) -> Told {
        let user = self.user;
        match said {
            Said::Gives => ("Shares", format!("A share gives {user} the right “{right}”"), vec![]),
            Said::Refuses => {
                ("Shares", "A share would give it, but it is refused whatever is shared".to_owned(), vec![])
            }
            _ => {
                let text = format!("No share gives {user} the right “{right}”");
                let Some(document) = self.document else { return ("Shares", text, vec![]) };
                let url = if self.doctype.issingle {
                    format!("/app/{}", self.doctype.slug())
                } else {
                    document_url(&self.doctype.slug(), &document.name())
                };
                ("Shares", text, change_to(format!("Share the document with {user}"), url))
            }
        }
    }

    /// What the list of a person holds.
    pub(super) fn sees(&self, seen: &Seen) -> Sees {
        let user = self.user;
        let told = |condition: &ListCondition| {
            let mut told = Vec::new();
            if condition.owner.is_some() {
                told.push(format!("{user} owns it"));
            }
            if condition.limited.is_some() {
                told.extend(
                    self.doctype
                        .limits
                        .iter()
                        .map(|limited| self.condition(limited))
                        .reduce(|all, next| format!("{all}; {next}")),
                );
            }
            for (field, values) in condition.values.iter().chain(condition.rows.iter().flat_map(|(_, links)| links)) {
                let label = self.doctype.field(field).map_or(field.as_str(), |field| field.label.as_str());
                let allowed = values.join(", ");
                told.push(if condition.strict || field == "name" {
                    format!("{label} is one of {allowed}")
                } else {
                    format!("{label} is empty or one of {allowed}")
                });
            }
            told
        };
        let conditions = match &seen.condition {
            Some(condition) => told(condition),
            None => vec![format!("shared with {user}")],
        };
        Sees { count: seen.count, conditions: conditions.iter().map(|text| self.say(text)).collect() }
    }
}

/// One thing to change, and the page where.
fn change_to(text: impl Into<String>, url: impl Into<String>) -> Vec<Change> {
    vec![Change { text: text.into(), url: url.into() }]
}
