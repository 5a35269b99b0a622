//! Expressions from real DocTypes, and hostile ones.

use chrono::NaiveDateTime;
use proptest::prelude::*;
use serde_json::json;

use super::{Expression, Scope};
use crate::meta::value::Value;

/// An Event-like document with a few fields and two tables.
struct Example {
    is_new: bool,
}

impl Scope for Example {
    fn value(&self, fieldname: &str) -> Value {
        match fieldname {
            "status" => "Open".into(),
            "zero_text" => "0".into(),
            "empty" => "".into(),
            "on" | "docstatus" => Value::Int(1),
            "off" => Value::Int(0),
            "amount" => Value::Float(12.5),
            "tags" => "red, green".into(),
            _ => Value::Null,
        }
    }
    fn rows(&self, fieldname: &str) -> Option<usize> {
        match fieldname {
            "items" => Some(2),
            "none" => Some(0),
            _ => None,
        }
    }
    fn parent_value(&self, fieldname: &str) -> Value {
        if fieldname == "currency" { "EUR".into() } else { Value::Null }
    }
    fn now(&self) -> NaiveDateTime {
        "2026-03-31T08:30:00".parse().unwrap()
    }
    fn is_new(&self) -> bool {
        self.is_new
    }
    fn user(&self) -> &'static str {
        "ada@example.com"
    }
    fn has_role(&self, role: &str) -> bool {
        role == "Librarian"
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table of conditions")]
fn conditions_hold_as_in_javascript() {
    let table = [
        ("status", true),
        ("missing", false),
        ("empty", false),
        ("zero_text", true),
        ("on", true),
        ("off", false),
        ("items", true),
        ("none", false),
        ("doc.on", true),
        ("1", true),
        ("eval:doc.items", true),
        ("eval:doc.none", true),
        ("eval:doc.items.length > 1", true),
        ("eval:doc.none.length", false),
        ("eval:doc.missing.length", false),
        ("eval: doc.status == 'Open'", true),
        ("eval:doc.status===\"Open\" && doc.on", true),
        ("eval:doc.status != 'Open' || doc.on==1", true),
        ("eval:doc.on == '1'", true),
        ("eval:doc.on === '1'", false),
        ("eval:doc.on === 1", true),
        ("eval:doc.on == true", true),
        ("eval:doc.on === true", false),
        ("eval:!doc.off", true),
        ("eval:!!doc.off", false),
        ("eval:!doc.__islocal", true),
        ("eval:doc.missing == null", true),
        ("eval:doc.missing == undefined", true),
        ("eval:doc.missing === undefined", false),
        ("eval:doc.missing == 0", false),
        ("eval:doc.missing >= 0", true),
        ("eval:doc.missing == ''", false),
        ("eval:doc.empty == 0", true),
        ("eval:null == undefined", true),
        ("eval:null === undefined", false),
        ("eval:'abc' < 'abd'", true),
        ("eval:'10' < '9'", true),
        ("eval:10 < '9'", false),
        ("eval:doc.status < 3", false),
        ("eval:doc.status > 3", false),
        ("eval:undefined == 0", false),
        ("eval:doc.amount > 12 && doc.amount <= 12.5", true),
        ("eval:doc.amount * 2 - 5 === 20", true),
        ("eval:1 + 2 * 3 == 7", true),
        ("eval:(1 + 2) * 3 == 9", true),
        ("eval:7 % 4 == 3", true),
        ("eval:1 / 0 > 5", true),
        ("eval:'a' + 1 == 'a1'", true),
        ("eval:-doc.on == -1", true),
        ("eval:+'3' === 3", true),
        ("eval:in_list(['Open', 'Closed'], doc.status)", true),
        ("eval:in_list([\"Closed\",], doc.status)", false),
        ("eval:['Open','Closed'].includes(doc.status)", true),
        ("eval:!['Open'].includes(doc.status)", false),
        ("eval:doc.tags.includes('green')", true),
        ("eval:doc.missing.includes('green')", false),
        ("eval:doc.status.toLowerCase() == 'open'", true),
        ("eval:doc.status.startsWith('Op')", true),
        ("eval:doc.status?.endsWith('en')", true),
        ("eval:doc.on ? doc.status == 'Open' : false", true),
        ("eval:doc.off ? true : doc.on ? 0 : 1", false),
        ("eval:doc.missing ?? 'x'", true),
        ("eval:doc.missing || doc.off", false),
        ("eval:cint(doc.zero_text) == 0", true),
        ("eval:cint('12.9abc') === 12", true),
        ("eval:flt('1,200.5', 2) === 1200.5", true),
        ("eval:cint(doc.missing)", false),
        ("eval:cstr(doc.missing) === ''", true),
        ("eval:parent.currency == 'EUR'", true),
        ("eval:frappe.session.user == 'ada@example.com'", true),
        ("eval:frappe.user.has_role('Librarian')", true),
        ("eval:frappe.user_roles.includes('System Manager')", false),
        ("eval:cur_frm.doc.status == 'Open';", true),
        ("eval:cur_frm.is_new()", false),
        ("eval:doc['status'] == 'Open'", true),
        ("eval:doc.docstatus == 1", true),
        ("eval:['Open','Closed'].indexOf(doc.status) >= 0", true),
        ("eval:['Open','Closed'].indexOf(doc.status) === 1", false),
        ("eval:doc.tags.indexOf('green') != -1", true),
        ("eval:doc.tags.indexOf('blue') > -1", false),
        ("eval:doc.missing.indexOf('x') == -1", true),
        ("eval:status == 'Open'", true),
        ("status === 'Open' && on", true),
        ("eval:missing", false),
        ("eval:tags.includes('red') && !off", true),
        ("eval:doc.on == 1 & doc.status == 'Open'", true),
        ("eval:doc.on == 1 & doc.off == 1", false),
        ("eval:doc.off == 1 | doc.on == 1", true),
        ("eval:(5 & 6) === 4 && (5 | 6) === 7 && (-1 & 3) === 3", true),
        ("eval:1 | 2 & 4", true),
        ("eval:Object.keys(doc.items).length == 2", true),
        ("eval:Object.keys(doc.missing || []).length", false),
        ("eval:Object.keys(doc.none).length > 0", false),
        ("eval:frappe.boot.developer_mode", false),
        ("eval:!frappe.boot.developer_mode && doc.on", true),
        ("eval:typeof doc.status === 'string'", true),
        ("eval:typeof doc.on == 'number' && typeof undefined == 'undefined'", true),
        ("eval:`${doc.status}-${doc.on ? 'a' : `b`}` == 'Open-a'", true),
        ("eval:`plain \\`quoted\\`` == 'plain `quoted`'", true),
        ("eval:frappe.user_roles.indexOf('Librarian') != -1", true),
        ("eval:frappe.user_roles.indexOf('Nobody') >= 0", false),
        ("eval:frappe.user.has_role(['Nobody', 'Librarian'])", true),
        ("eval:has_common(['a', doc.status], ['Open'])", true),
        ("eval:is_null(doc.empty) && !is_null(doc.status)", true),
        ("eval:Boolean(doc.off) || String(doc.on) === '1'", true),
        ("eval:Number('3') === 3 && doc.on.toString() === '1'", true),
        ("eval:parseInt('12 kg') === 12 && !(parseInt('x') >= 0)", true),
        ("eval:doc.tags.split(', ').includes('red')", true),
        ("eval:doc && doc.on", true),
        ("eval:doc?.on", true),
        ("eval:true", true),
        ("eval:undefined", false),
        ("eval:[]", true),
        ("eval:'it\\'s' == \"it's\"", true),
        ("eval:frappe.datetime.get_today() == '2026-03-31'", true),
        ("eval:0.1 + 0.2 == 0.3 && round(doc.amount, 0) == 12", true),
        ("eval:doc.status + doc.missing == 'Open'", true),
    ];
    for (text, expected) in table {
        let expression = Expression::parse(text);
        assert_eq!(expression.unparsed, None, "{text}");
        assert_eq!(expression.evaluate(&Example { is_new: false }), Some(expected), "{text}");
    }
    assert_eq!(Expression::parse("eval:doc.__islocal").evaluate(&Example { is_new: true }), Some(true));
}

#[test]
fn what_cannot_be_parsed_says_why_shows_and_does_not_require() {
    let table = [
        ("", "empty"),
        ("eval:", "empty"),
        ("fn:check", "form script"),
        ("eval:doc.x = 1", "assigns"),
        ("eval:doc.x == 'open", "closing"),
        ("eval:doc.x ==", "ends too early"),
        ("eval:doc.x y", "unexpected"),
        ("eval:window.location", "`window` is unknown"),
        ("eval:doc.x.match(/a/)", "`.match` is unknown"),
        ("eval:doc.items.some(d => d.x)", "unknown"),
        ("eval:frappe.boot.x", "`frappe.boot.x` is unknown"),
        ("eval:(doc.x", "`)` is missing"),
        ("eval:[1, 2", "missing"),
        ("eval:doc.x # 1", "not part"),
        ("eval:in_list(['a'])", "takes 2 arguments"),
        ("eval:`${doc.x`", "no `}`"),
        ("eval:`${doc.x} y", "closing"),
        ("eval:india_compliance.is_on(doc)", "`india_compliance` is unknown"),
        ("eval:frappe.utils.html2text(doc.x)", "`frappe.utils.html2text` is unknown"),
        ("eval:is_on()", "`is_on` is unknown"),
        ("eval:Object.assign(doc.x)", "`Object.assign` is unknown"),
        ("eval:1.2.3", "`1.2.3` is not a number"),
        ("eval:sum(items.amount) > 1", "works in `formula` and `validations` only"),
        ("eval:customer.credit_limit > 1", "`customer` is unknown here"),
        ("eval:Math.round(doc.x)", "`Math.round` is unknown here"),
    ];
    for (text, reason) in table {
        let expression = Expression::parse(text);
        let unparsed = expression.unparsed.clone().unwrap_or_default();
        assert!(unparsed.contains(reason), "{text}: {unparsed}");
        let scope = Example { is_new: false };
        assert_eq!(expression.evaluate(&scope), None, "{text}");
        assert!(expression.shows(&scope) && !expression.requires(&scope), "{text}");
        assert_eq!(expression.to_json(), json!(null));
    }
    assert!(Expression::parse("eval:doc.x = 1").assigns());
    assert!(!Expression::parse("eval:doc.x y").assigns());
}

#[test]
fn the_tree_for_the_browser_is_compact() {
    let expression = Expression::parse("eval:!doc.a && in_list(['x', 1], doc.b) || doc.items.length >= 2");
    let tree = json!([
        "||",
        ["&&", ["!", ["doc", "a"]], ["call", "in_list", ["arr", ["lit", "x"], ["lit", 1.0]], ["doc", "b"]]],
        [">=", ["call", "length", ["doc", "items"]], ["lit", 2.0]]
    ]);
    assert_eq!(expression.to_json(), tree);
    assert_eq!(Expression::parse("status").to_json(), json!(["bare", "status"]));
    let fieldnames: Vec<&str> = expression.fieldnames().into_iter().collect();
    assert_eq!(fieldnames, ["a", "b", "items"]);
}

#[test]
fn nothing_exhausts_the_stack() {
    let scope = Example { is_new: false };
    let hostile = [
        format!("eval:{}1", "(".repeat(3000)),
        format!("eval:{}1", "!".repeat(3000)),
        format!("eval:{}1", "-".repeat(3000)),
        format!("eval:{}", "[".repeat(3000)),
        format!("eval:1{}", "+1".repeat(1900)),
        format!("eval:1{}", "==1".repeat(1200)),
        format!("eval:doc.x{}", ".length".repeat(500)),
        format!("eval:{}1", "1?".repeat(1000)),
        format!("eval:1{}", "??1".repeat(1000)),
        format!("eval:1{}", "&1".repeat(1000)),
        format!("eval:{}1", "typeof ".repeat(500)),
        format!("eval:{}", "`${".repeat(1000)),
        format!("eval:{}1{}", "`${".repeat(500), "}`".repeat(500)),
        "x".repeat(100_000),
    ];
    for text in hostile {
        assert_eq!(Expression::parse(&text).evaluate(&scope), None, "{}", &text[..20]);
    }
    // Long chains of the same operator are common and flat.
    let chain = format!("eval:{}doc.on", "doc.off || ".repeat(300));
    assert_eq!(Expression::parse(&chain).evaluate(&scope), Some(true));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC*") {
        let _ = Expression::parse(&text).evaluate(&Example { is_new: true });
        let _ = Expression::parse(&format!("eval:{text}")).to_json();
    }

    #[test]
    fn no_sequence_of_tokens_makes_it_panic(tokens in proptest::collection::vec(prop::sample::select(vec![
        "doc.on", "doc.items", "doc", ".", "length", "(", ")", "[", "]", ",", "?", ":", "!", "-", "+", "==", "===", "<", "&&",
        "||", "??", "'a'", "1", "null", "&", "|", "typeof ", "`", "${", "}", "on", "Object.keys", "indexOf", "undefined", "in_list", "includes", "cint", "frappe.session.user", "parent.x", "%",
    ]), 0..40)) {
        let expression = Expression::parse(&format!("eval:{}", tokens.concat()));
        let _ = expression.evaluate(&Example { is_new: true });
        let _ = expression.to_json();
    }
}
