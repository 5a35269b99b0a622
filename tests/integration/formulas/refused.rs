//! Definitions whose formulas or validations cannot work are refused with what to do.

use doctyped::testing::load::{Source, load};

use super::{BUYER, ITEM, ORDER};

/// What is said about a file beside an order, its rows and a buyer.
fn problems(yaml: &str) -> Vec<String> {
    let sources: Vec<Source> = [yaml, ORDER, ITEM, BUYER]
        .iter()
        .enumerate()
        .map(|(at, text)| Source { path: format!("{at}.yaml"), text: (*text).to_owned() })
        .collect();
    load(&sources)
        .problems
        .iter()
        .map(ToString::to_string)
        .filter(|problem| !problem.contains("no permissions"))
        .collect()
}

#[test]
fn the_order_itself_is_right() {
    assert_eq!(problems("name: Nothing\nfields: [{ label: A }]\npermissions: [{ role: All, read: true }]\n"), [""; 0]);
}

#[test]
fn what_is_wrong_in_a_formula_is_said_with_the_way_out() {
    let table = [
        ("fieldtype: Float, formula: \"qty *\"", "ends too early"),
        ("fieldtype: Float, formula: cost + 1", "reads the field `cost`, which is not there"),
        (
            "fieldtype: Float, formula: sum(items.amont)",
            "reads the field `amont` of Sales Item, which is not there: did you mean `amount`?",
        ),
        ("fieldtype: Float, formula: items.amount", "write `sum(items.amount)`"),
        ("fieldtype: Float, formula: sum(customer.limit)", "the rows of `customer`, which is not a table"),
        ("fieldtype: Float, formula: customer.limitt", "did you mean `limit`?"),
        ("fieldtype: Float, formula: qty.limit", "`qty` is not a Link"),
        ("fieldtype: Float, formula: parent.qty", "only rows have a parent"),
        ("fieldtype: Float, formula: \"get_single_value('Buyer', 'limit')\"", "not a Single"),
        ("fieldtype: Float, formula: pin + 1", "`pin`, which is secret"),
        ("fieldtype: Float, formula: salary * 2", "`salary`, which is masked"),
        ("fieldtype: Float, formula: begins - 1", "`-` does not work with dates: use `date_diff(a, b)`"),
        ("fieldtype: Float, formula: begins > 1", "compares a date with a number"),
        ("fieldtype: Float, formula: today()", "gives a date, which a Float cannot hold"),
        ("fieldtype: Float, formula: \"'a' + qty\"", "gives a text, which a Float cannot hold"),
        ("fieldtype: Date, formula: qty * 2", "gives a number, which a Date cannot hold"),
        ("fieldtype: Date, formula: \"add_days(qty, 1)\"", "`add_days` takes a date"),
        ("fieldtype: Link, options: Buyer, formula: customer", "a Link cannot be computed"),
        ("fieldtype: Data, formula: frappe.session.user, is_virtual: true", "may not depend on who reads"),
        ("fieldtype: Data, formula: customer, fetch_from: customer.buyer_name", "both `fetch_from` and `formula`"),
        ("fieldtype: Data, formula: shout(customer)", "`shout` is unknown here"),
        ("fieldtype: Float, formula: x", "go round in a circle: x → x"),
    ];
    for (keys, expected) in table {
        let yaml = format!(
            "name: Trial
fields:
  - {{ fieldname: customer, fieldtype: Link, options: Buyer }}
  - {{ fieldname: qty, fieldtype: Float }}
  - {{ fieldname: begins, fieldtype: Date }}
  - {{ fieldname: pin, fieldtype: Password }}
  - {{ fieldname: salary, fieldtype: Currency, mask: true }}
  - {{ fieldname: items, fieldtype: Table, options: Sales Item }}
  - {{ fieldname: x, {keys} }}
permissions: [{{ role: All, read: true }}]
"
        );
        let found = problems(&yaml);
        assert!(found.iter().any(|problem| problem.contains(expected)), "{keys}: {found:?}");
    }
}

#[test]
fn circles_are_named_with_their_path() {
    let yaml = "name: Trial
fields:
  - { fieldname: a, fieldtype: Float, formula: b + 1 }
  - { fieldname: b, fieldtype: Float, formula: c * 2 }
  - { fieldname: c, fieldtype: Float, formula: 'max(a, 1)' }
permissions: [{ role: All, read: true }]
";
    let found = problems(yaml);
    assert!(found.iter().any(|problem| problem.contains("a → b → c → a")), "{found:?}");
    let rows = "name: Trial
fields:
  - { fieldname: total, fieldtype: Float, formula: sum(lines.part) }
  - { fieldname: lines, fieldtype: Table, options: Trial Line }
permissions: [{ role: All, read: true }]
";
    let line = "name: Trial Line
istable: true
fields:
  - { fieldname: part, fieldtype: Float, formula: parent.total / 2 }
";
    let sources = [rows, line].map(|text| Source { path: format!("{}.yaml", text.len()), text: text.to_owned() });
    let found: Vec<String> = load(&sources).problems.iter().map(ToString::to_string).collect();
    assert!(found.iter().any(|problem| problem.contains("lines.part → total → lines.part")), "{found:?}");
}

#[test]
fn what_is_wrong_in_a_validation_is_said() {
    let table = [
        ("{ when: qty > 1 }", "validation 1 needs a `message`"),
        ("{ when: qty >, message: No }", "`when (validation 1)` cannot be computed"),
        ("{ when: price > 1, message: No }", "reads the field `price`, which is not there"),
        ("{ when: qty > 1, message: No, field: qtty }", "did you mean `qty`?"),
        ("{ when: qty > 1, message: 'No {qtty}' }", "names `qtty`, which is not a field: did you mean `qty`?"),
        ("{ when: qty > 1, message: 'No {pin}' }", "would show `pin`, which not everybody may read"),
        ("{ when: qty > 1, message: 'No {cost}' }", "would show `cost`, which not everybody may read"),
        ("{ when: qty > 1, message: No, onn: save }", "the unknown key `onn`"),
        ("{ when: qty > 1, message: No, on: saving }", "save, submit, cancel or delete, not `saving`"),
        ("{ when: pin == 'x', message: No }", "`pin`, which is secret"),
    ];
    for (validation, expected) in table {
        let yaml = format!(
            "name: Trial\nvalidations:\n  - {validation}\nfields:\n  - {{ fieldname: qty, fieldtype: Float }}\n  - {{ fieldname: pin, fieldtype: Password }}\n  - {{ fieldname: cost, fieldtype: Float, permlevel: 1 }}\npermissions: [{{ role: All, read: true }}]\n"
        );
        let found = problems(&yaml);
        assert!(found.iter().any(|problem| problem.contains(expected)), "{validation}: {found:?}");
    }
}
