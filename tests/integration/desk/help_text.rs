//! Every visible field of every shipped DocType shows its help text on its form.

use doctyped::testing::help;
use doctyped::testing::meta::{DocField, DocType};

use crate::support::TestSite;

fn shown(doctype: &DocType, hidden_too: bool) -> impl Iterator<Item = &DocField> {
    doctype
        .fields
        .iter()
        .filter(move |field| (hidden_too || !field.hidden) && !field.secret && !field.description.is_empty())
        .filter(|field| field.fieldname != "amended_from")
}

/// Words of a page without tags, spaces told as one.
fn words(html: &str) -> String {
    let mut text = String::new();
    for part in html.split('<') {
        text.push_str(part.split_once('>').map_or(part, |(_, text)| text));
    }
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#x27;", "'");
    let text = text.replace("&#x3D;", "=").replace("&#x60;", "`").replace("&amp;", "&");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn every_visible_field_shows_its_help_text() {
    let site = TestSite::new().await;
    let administrator = site.administrator().await;
    let registry = site.documents().registry();
    let mut missing = Vec::new();
    let mut seen = 0;
    for doctype in registry.iter().filter(|doctype| !doctype.istable && !doctype.is_virtual) {
        let slug = doctype.slug();
        let uri = if doctype.issingle { format!("/app/{slug}") } else { format!("/app/{slug}/new") };
        let page = words(&administrator.get(&uri).await.status(200).body);
        let children =
            doctype.table_fields().filter_map(|field| registry.get(&field.options).map(|child| (field, child)));
        let columns = children.flat_map(|(table, child)| {
            // Of a Table MultiSelect only the link itself is on the form.
            let whole = table.fieldtype == doctyped::testing::meta::Fieldtype::Table && !table.hidden;
            shown(child, false).filter(move |field| whole && !field.fieldtype.is_layout())
        });
        for field in shown(doctype, false).chain(columns) {
            seen += 1;
            let expected = help::plain(&field.description).split_whitespace().collect::<Vec<_>>().join(" ");
            if !page.contains(&expected) {
                missing.push(format!("{}.{}: {expected}", doctype.name, field.fieldname));
            }
        }
    }
    assert!(seen > 200, "only {seen} help texts looked for");
    assert!(missing.is_empty(), "not on the form:\n{}", missing.join("\n"));
}
