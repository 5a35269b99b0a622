//! The desk as a browser without JavaScript sees it: home, lists, forms and what they send.

mod accessibility;
mod actions;
mod addresses;
pub mod browser;
mod bulk;
mod create;
mod editors;
mod form;
mod grid;
mod help_text;
mod home;
mod late;
mod list;
mod model;
mod pages;
mod places;
mod reports;
mod search;
mod side;
mod views;

use std::collections::BTreeMap;

use crate::support::Client;
use crate::support::client::Response;

/// A DocType with a table, levels, conditions and a secret.
pub const LOAN: &str = r#"
name: Loan
module: Library
description: A book that somebody has taken home.
title_field: title
search_fields: reader
is_submittable: true
track_changes: true
fields:
  - { fieldname: title, fieldtype: Data, label: Title, reqd: true, in_list_view: true, description: "The name on the cover, for example `Dune`." }
  - { fieldname: kind, fieldtype: Select, label: Kind, options: ['', Novel, Essay], in_list_view: true, in_standard_filter: true, description: Which kind of text it is. }
  - { fieldname: reader, fieldtype: Link, options: User, label: Reader, description: Who has it. }
  - { fieldname: days, fieldtype: Int, label: Days, non_negative: true, in_list_view: true, description: For how many days. }
  - { fieldname: reason, fieldtype: Small Text, label: Reason, depends_on: "eval:doc.days > 30", description: Why it takes so long. }
  - { fieldname: taken_at, fieldtype: Datetime, label: Taken At, description: When it went out. }
  - { fieldname: pin, fieldtype: Password, label: Pin, description: Opens the shelf. }
  - { fieldname: fine, fieldtype: Currency, label: Fine, permlevel: 1, description: What it costs to be late. }
  - { fieldname: note, fieldtype: HTML, options: "<b>Bring it back</b><script>alert(1)</script>" }
  - { fieldname: lines, fieldtype: Table, options: Loan Line, label: Lines, description: One line a volume. }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true, submit: true, cancel: true, amend: true }
  - { role: System Manager, permlevel: 1, read: true, write: true }
  - { role: Desk User, read: true }
"#;

/// Its rows.
pub const LOAN_LINE: &str = "
name: Loan Line
module: Library
istable: true
fields:
  - { fieldname: volume, fieldtype: Data, label: Volume, reqd: true, in_list_view: true, description: The number on the spine. }
  - { fieldname: remark, fieldtype: Data, label: Remark, description: Anything about it. }
";

/// What the inputs of a page's form would send, as a browser reads them; later ones of a name replace earlier ones.
pub fn form_values(page: &Response) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    let start = page.body.find("data-form").or_else(|| page.body.find("data-underway")).expect("a form");
    let body = page.body[start..].split("</form>").next().unwrap_or_default();
    // What scripts copy is not a part of the form.
    let mut rest = String::new();
    for (at, part) in body.split("<template").enumerate() {
        rest.push_str(if at == 0 { part } else { part.split_once("</template>").map_or("", |(_, after)| after) });
    }
    for tag in rest.split('<').skip(1) {
        let (tag, text) = tag.split_once('>').unwrap_or((tag, ""));
        let name = attribute(tag, "name");
        if tag.starts_with("input") {
            let kind = attribute(tag, "type").unwrap_or_default();
            let off = matches!(kind.as_str(), "checkbox" | "radio") && !tag.contains(" checked");
            if let Some(name) = name
                && !off
                && kind != "file"
            {
                values.insert(name, attribute(tag, "value").unwrap_or_default());
            }
        } else if tag.starts_with("textarea") {
            values.insert(name.unwrap(), unescape(text.strip_prefix('\n').unwrap_or(text)));
        } else if tag.starts_with("select") {
            values.insert("__select".to_owned(), name.unwrap());
        } else if tag.starts_with("option") && tag.contains(" selected") && values.contains_key("__select") {
            let select = values["__select"].clone();
            values.insert(select, attribute(tag, "value").unwrap_or_default());
        }
    }
    values.remove("__select");
    values
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let at = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    Some(unescape(tag[at..].split('"').next()?))
}

fn unescape(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    text.replace("&#x27;", "'").replace("&#x60;", "`").replace("&#x3D;", "=").replace("&amp;", "&")
}

/// Sends a form that was read, with something typed and a button pressed.
pub async fn send(client: &Client, uri: &str, page: &Response, typed: &[(&str, &str)], action: &str) -> Response {
    let mut values = form_values(page);
    values.extend(typed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    values.insert("__action".to_owned(), action.to_owned());
    let pairs: Vec<(&str, &str)> = values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    client.form(uri, &pairs).await
}
