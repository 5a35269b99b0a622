//! Formulas and validations: what a definition computes and refuses, by REST and in the form.

mod agreement;
mod cookbook;
mod form;
mod lifecycle;
mod refused;
mod validations;
mod virtual_fields;

/// An order with amounts, totals and a customer.
pub const ORDER: &str = r#"
name: Sales Order
module: Tests
is_submittable: true
autoname: format:SO-{####}
fields:
  - { fieldname: customer, fieldtype: Link, options: Buyer, label: Customer }
  - { fieldname: posted_on, fieldtype: Date, label: Posted On }
  - { fieldname: due_on, fieldtype: Date, label: Due On, formula: "add_days(posted_on, customer.payment_days)" }
  - { fieldname: discount, fieldtype: Percent, label: Discount }
  - { fieldname: items, fieldtype: Table, options: Sales Item, label: Items }
  - { fieldname: net, fieldtype: Currency, label: Net, formula: "sum(items.amount)" }
  - { fieldname: total, fieldtype: Currency, precision: 2, label: Total, formula: "net * (1 - discount / 100)" }
  - { fieldname: lines, fieldtype: Int, label: Lines, formula: "count(items)" }
  - { fieldname: dearest, fieldtype: Currency, label: Dearest, formula: "max(items.amount)" }
  - { fieldname: headline, fieldtype: Data, label: Headline, formula: "join(', ', customer, posted_on)" }
  - { fieldname: note, fieldtype: Data, label: Note, allow_on_submit: true }
  - { fieldname: note_length, fieldtype: Int, label: Note Length, allow_on_submit: true, formula: "note.length" }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true, submit: true, cancel: true, amend: true }
"#;

/// Its rows, which know the order around them.
pub const ITEM: &str = r#"
name: Sales Item
module: Tests
istable: true
fields:
  - { fieldname: item, fieldtype: Data, label: Item, in_list_view: true }
  - { fieldname: qty, fieldtype: Float, label: Qty, in_list_view: true }
  - { fieldname: rate, fieldtype: Currency, label: Rate, in_list_view: true }
  - { fieldname: amount, fieldtype: Currency, label: Amount, in_list_view: true, formula: "qty * rate" }
  - { fieldname: share, fieldtype: Percent, precision: 1, label: Share, in_list_view: true, formula: "amount / parent.net * 100" }
"#;

/// Whom it is for.
pub const BUYER: &str = "
name: Buyer
module: Tests
autoname: field:buyer_name
fields:
  - { fieldname: buyer_name, fieldtype: Data, label: Name, reqd: true }
  - { fieldname: payment_days, fieldtype: Int, label: Payment Days }
  - { fieldname: limit, fieldtype: Currency, label: Limit }
permissions:
  - { role: System Manager, read: true, write: true, create: true, delete: true }
";
