//! The server and the scripts of the desk always agree: a table of formulas and thousands of generated ones go through both.
//! The scripts run under Node with `DOCTYPED_TEST_NODE=1`.

use std::path::Path;
use std::process::Command;

use chrono::NaiveDateTime;
use doctyped::testing::clock::Zone;
use doctyped::testing::expression::{Expression, Fit, Formula, Scope};
use doctyped::testing::meta::{DocField, Fieldtype, Value};
use serde_json::{Map, Value as Json, json};

/// Scripts that evaluate.
const SCRIPTS: [&str; 3] = ["conditions.js", "dates.js", "decimal.js"];
/// Fields of every document.
const FIELDS: [&str; 9] = ["a", "b", "c", "text", "word", "day", "moment", "flag", "nothing"];
/// What a result becomes.
const FITS: [Fieldtype; 8] = [
    Fieldtype::Float,
    Fieldtype::Currency,
    Fieldtype::Int,
    Fieldtype::Check,
    Fieldtype::Date,
    Fieldtype::Datetime,
    Fieldtype::Time,
    Fieldtype::Data,
];

#[derive(Clone, Default)]
struct Example {
    values: Vec<(&'static str, Value)>,
    rows: Vec<Vec<(&'static str, Value)>>,
    linked: Vec<(&'static str, Value)>,
}

fn look_up(values: &[(&'static str, Value)], name: &str) -> Value {
    values.iter().find(|(known, _)| *known == name).map_or(Value::Null, |(_, value)| value.clone())
}

struct ExampleScope<'a> {
    example: &'a Example,
    row: Option<usize>,
}

impl Scope for ExampleScope<'_> {
    fn value(&self, fieldname: &str) -> Value {
        look_up(self.row.map_or(&self.example.values, |row| &self.example.rows[row]), fieldname)
    }
    fn rows(&self, fieldname: &str) -> Option<usize> {
        (self.row.is_none() && fieldname == "items").then_some(self.example.rows.len())
    }
    fn parent_value(&self, fieldname: &str) -> Value {
        if self.row.is_some() { look_up(&self.example.values, fieldname) } else { Value::Null }
    }
    fn each_row(&self, fieldname: &str, visit: &mut dyn FnMut(&dyn Scope)) {
        let rows = if self.row.is_none() && fieldname == "items" { self.example.rows.len() } else { 0 };
        (0..rows).for_each(|row| visit(&ExampleScope { example: self.example, row: Some(row) }));
    }
    fn linked(&self, _: &str, fieldname: &str) -> Value {
        look_up(&self.example.linked, fieldname)
    }
    fn parent_linked(&self, _: &str, fieldname: &str) -> Value {
        if self.row.is_some() { look_up(&self.example.linked, fieldname) } else { Value::Null }
    }
    fn single(&self, _: &str, fieldname: &str) -> Value {
        look_up(&self.example.linked, fieldname)
    }
    fn now(&self) -> NaiveDateTime {
        "2024-02-29T13:37:05.250".parse().unwrap()
    }
    fn is_new(&self) -> bool {
        false
    }
    fn user(&self) -> &'static str {
        "ada@example.com"
    }
    fn has_role(&self, role: &str) -> bool {
        role == "Librarian"
    }
}

fn field(fieldtype: Fieldtype) -> DocField {
    DocField { fieldtype, precision: (fieldtype == Fieldtype::Currency).then_some(2), ..DocField::default() }
}

fn compute(text: &str, fieldtype: Fieldtype, example: &Example) -> Value {
    let formula = Formula(Expression::parse_formula(text));
    assert_eq!(formula.0.unparsed, None, "{text}");
    formula.compute(&field(fieldtype), &ExampleScope { example, row: None }, Zone::UTC)
}

fn usual() -> Example {
    Example {
        values: vec![
            ("a", Value::Float(0.1)),
            ("b", Value::Int(3)),
            ("c", Value::Float(-2.5)),
            ("text", "12.5 kg".into()),
            ("word", "Blue".into()),
            ("day", "2024-01-31".into()),
            ("moment", "2024-01-31 08:30:00.000000".into()),
            ("flag", Value::Int(1)),
        ],
        rows: vec![
            vec![
                ("qty", Value::Int(2)),
                ("rate", Value::Float(0.1)),
                ("done", Value::Int(1)),
                ("on", "2024-03-01".into()),
            ],
            vec![("qty", Value::Int(1)), ("rate", Value::Float(0.2)), ("done", Value::Int(0)), ("on", Value::Null)],
        ],
        linked: vec![("limit", Value::Float(99.5))],
    }
}

/// Formulas with what they give in a field of a type.
fn table() -> Vec<(&'static str, Fieldtype, Value)> {
    use Fieldtype::{Check, Currency, Data, Date, Datetime, Float, Int, Percent, Rating, Time};
    let float = Value::Float;
    vec![
        ("a + 0.2", Float, float(0.3)),
        ("a * b == 0.3", Check, Value::Int(1)),
        ("0.3 / 0.1 === 3", Check, Value::Int(1)),
        ("1 / 3", Float, float(0.333_333_333)),
        ("1 / 3", Currency, float(0.33)),
        ("2.675", Currency, float(2.68)),
        ("2.665", Currency, float(2.66)),
        ("1 / 0", Float, float(0.0)),
        ("1 / 0", Rating, Value::Null),
        ("2", Rating, float(1.0)),
        ("7 / 2", Int, Value::Int(3)),
        ("-7 / 2", Int, Value::Int(-3)),
        ("12", Data, "12".into()),
        ("0.1 + 0.2", Data, "0.3".into()),
        ("nothing", Data, Value::Null),
        ("nothing", Int, Value::Int(0)),
        ("word + nothing + '!'", Data, "Blue!".into()),
        ("`${word} ${b}`", Data, "Blue 3".into()),
        ("join(', ', word, nothing, '', b)", Data, "Blue, 3".into()),
        ("word.toUpperCase().slice(1, 3)", Data, "LU".into()),
        ("word.slice(-2)", Data, "ue".into()),
        ("'a-b-c'.replaceAll('-', '')", Data, "abc".into()),
        ("b.toString().padStart(4, '0')", Data, "0003".into()),
        ("b > 2 ? 'many' : 'few'", Data, "many".into()),
        ("round(2.5) + round(3.5) + round(-0.4)", Float, float(6.0)),
        ("round(1234.567, -2)", Float, float(1200.0)),
        ("flt('1,234.567', 2)", Float, float(1234.57)),
        ("flt(text) + cint('7.9')", Float, float(19.5)),
        ("min(b, c, 7) + max(b, c, 7)", Float, float(4.5)),
        ("Math.max(b, 10) + abs(c) + floor(c) + ceil(c)", Float, float(7.5)),
        ("sum(items.rate)", Float, float(0.3)),
        ("sum(items, qty * rate)", Float, float(0.4)),
        ("sum(items, qty * parent.a)", Float, float(0.3)),
        ("count(items)", Int, Value::Int(2)),
        ("count(items, done)", Int, Value::Int(1)),
        ("count(items, !doc.done && parent.b == 3)", Int, Value::Int(1)),
        ("avg(items.qty)", Float, float(1.5)),
        ("min(items.rate) + max(items.qty)", Float, float(2.1)),
        ("max(items.on)", Date, "2024-03-01".into()),
        ("doc.items.length * 10", Int, Value::Int(20)),
        ("sum(others.rate) + count(others)", Int, Value::Int(0)),
        ("max(others.rate)", Data, Value::Null),
        ("customer.limit + doc.customer.limit", Float, float(199.0)),
        ("get_single_value('Rules', 'limit') + frappe.db.get_single_value('Rules', 'limit')", Float, float(199.0)),
        ("today()", Date, "2024-02-29".into()),
        ("now()", Datetime, "2024-02-29 13:37:05.250000".into()),
        ("now()", Date, "2024-02-29".into()),
        ("today()", Datetime, "2024-02-29 00:00:00.000000".into()),
        ("'08:30'", Time, "08:30:00".into()),
        ("'8 o clock'", Time, Value::Null),
        ("add_days(day, 30)", Date, "2024-03-01".into()),
        ("frappe.datetime.add_days(frappe.datetime.get_today(), -60)", Date, "2023-12-31".into()),
        ("add_months(day, 1)", Date, "2024-02-29".into()),
        ("add_months(day, -2)", Date, "2023-11-30".into()),
        ("add_years(today(), 1)", Date, "2025-02-28".into()),
        ("add_months(moment, 1)", Datetime, "2024-02-29 08:30:00.000000".into()),
        ("add_days(day, 9999999)", Date, Value::Null),
        ("date_diff(today(), day)", Int, Value::Int(29)),
        ("time_diff('2024-01-31 10:00', moment) / 3600", Float, float(1.5)),
        ("time_diff('17:15', '08:30') / 3600", Float, float(8.75)),
        ("date(moment) == day", Check, Value::Int(1)),
        ("year(day) * 10000 + month(day) * 100 + day('2024-01-09')", Int, Value::Int(20_240_109)),
        ("weekday('2024-02-29')", Int, Value::Int(4)),
        ("years_between('2000-03-01', today())", Int, Value::Int(23)),
        ("years_between('2000-02-29', today())", Int, Value::Int(24)),
        ("months_between(day, '2024-03-30')", Int, Value::Int(1)),
        ("month_start(moment)", Date, "2024-01-01".into()),
        ("month_end('2023-02-05')", Date, "2023-02-28".into()),
        ("month_end('9999-12-05')", Date, "9999-12-31".into()),
        ("year(word)", Data, Value::Null),
        ("day < today() && moment < now()", Check, Value::Int(1)),
        ("b / 100", Percent, float(0.03)),
        ("1000000 * 1000000000000000", Data, "1e+21".into()),
        ("0.0000001 * 1", Data, "1e-7".into()),
        ("eval:doc.b + 1", Int, Value::Int(4)),
    ]
}

const LEAVES: [&str; 26] = [
    "a",
    "b",
    "doc.c",
    "text",
    "word",
    "day",
    "moment",
    "flag",
    "nothing",
    "undefined",
    "null",
    "true",
    "0",
    "1.5",
    "100",
    "0.1",
    "''",
    "'x'",
    "'2024-01-31'",
    "today()",
    "now()",
    "items",
    "customer.limit",
    "parent.a",
    "count(items)",
    "frappe.session.user",
];
const BINARY: [&str; 19] =
    ["+", "-", "*", "/", "%", "==", "!=", "===", "!==", "<", ">", "<=", ">=", "&&", "||", "??", "&", "|", "+"];
const ONE: [&str; 21] = [
    "cint",
    "flt",
    "cstr",
    "round",
    "abs",
    "floor",
    "ceil",
    "date",
    "year",
    "month",
    "day",
    "weekday",
    "month_start",
    "month_end",
    "is_null",
    "Boolean",
    "Number",
    "String",
    "parseInt",
    "Object.keys",
    "typeof ",
];
const TWO: [&str; 15] = [
    "round",
    "flt",
    "min",
    "max",
    "join",
    "add_days",
    "add_months",
    "add_years",
    "date_diff",
    "time_diff",
    "months_between",
    "years_between",
    "in_list",
    "has_common",
    "max",
];
const MEMBERS: [&str; 14] = [
    ".length",
    ".toUpperCase()",
    ".toLowerCase()",
    ".trim()",
    ".includes('e')",
    ".indexOf('e')",
    ".startsWith('O')",
    ".endsWith('5')",
    ".split(',')",
    ".slice(1)",
    ".slice(-3, -1)",
    ".replaceAll('e', 'X')",
    ".padStart(5, 'ab')",
    ".toString()",
];
const OF_ROWS: [&str; 8] = [
    "sum(items.rate)",
    "avg(items.qty)",
    "min(items.rate)",
    "max(items.on)",
    "sum(items, qty * rate)",
    "count(items, done)",
    "avg(items, doc.qty - parent.a)",
    "count(items, customer.limit > rate)",
];

/// A generator of numbers that always gives the same ones.
struct Dice(u64);

impl Dice {
    fn next(&mut self, below: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap() % below
    }

    fn pick<'t>(&mut self, among: &[&'t str]) -> &'t str {
        among[self.next(among.len())]
    }

    fn value(&mut self) -> Value {
        const TEXTS: [&str; 14] = [
            "",
            "0",
            " 12.5 ",
            "1e3",
            "-.5",
            "Open",
            "ä€😀",
            "2024-02-29",
            "2023-12-31 23:59:59.5",
            "08:15",
            "1,200.50 €",
            "null",
            "[object Object]",
            "2024-13-01",
        ];
        const NUMBERS: [f64; 14] = [
            0.0,
            1.0,
            -1.0,
            0.1,
            0.2,
            1.005,
            2.675,
            -99.99,
            1e15,
            123_456_789_012.345_67,
            0.000_000_1,
            1e-9,
            3.0e21,
            7.5,
        ];
        match self.next(5) {
            0 => Value::Null,
            1 => Value::Text(self.pick(&TEXTS).to_owned()),
            2 => Value::Int(i64::try_from(self.next(50)).unwrap() - 10),
            3 => Value::Float(NUMBERS[self.next(NUMBERS.len())]),
            _ => {
                #[expect(clippy::cast_precision_loss, reason = "below 2^31")]
                let number = self.next(1 << 31) as f64;
                Value::Float(number / [7.0, 100.0, 1e6, 3.0][self.next(4)])
            }
        }
    }

    fn example(&mut self) -> Example {
        let mut values: Vec<(&'static str, Value)> = FIELDS.iter().map(|name| (*name, self.value())).collect();
        values.retain(|(name, _)| *name != "nothing");
        let row = |dice: &mut Self| ["qty", "rate", "done", "on"].map(|name| (name, dice.value())).to_vec();
        let rows = (0..self.next(4)).map(|_| row(self)).collect();
        Example { values, rows, linked: vec![("limit", self.value())] }
    }

    fn expression(&mut self, depth: usize) -> String {
        if depth == 0 || self.next(6) == 0 {
            return self.pick(&LEAVES).to_owned();
        }
        let inner = |dice: &mut Self| dice.expression(depth - 1);
        match self.next(10) {
            0..=3 => {
                let (left, sign, right) = (inner(self), self.pick(&BINARY), inner(self));
                format!("({left} {sign} {right})")
            }
            4 => format!("({} ? {} : {})", inner(self), inner(self), inner(self)),
            5 => format!("{}({})", self.pick(&ONE), inner(self)),
            6 => format!("{}({}, {})", self.pick(&TWO), inner(self), inner(self)),
            7 => format!("({}){}", inner(self), self.pick(&MEMBERS)),
            8 => format!("{}({})", self.pick(&["!", "-", "+"]), inner(self)),
            _ if self.next(3) == 0 => format!("[{}, {}]", inner(self), inner(self)),
            _ => self.pick(&OF_ROWS).to_owned(),
        }
    }
}

/// What the scripts make of formulas over examples: one result for every type of [`FITS`]; `None` if Node is not wanted.
fn by_scripts(examples: &[Example], cases: &[(String, usize)]) -> Option<Vec<Vec<Json>>> {
    if std::env::var("DOCTYPED_TEST_NODE").is_err() {
        eprintln!("SKIPPED: set DOCTYPED_TEST_NODE=1 to compare with the scripts of the desk");
        return None;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    for script in SCRIPTS {
        std::fs::copy(root.join("templates/assets/desk").join(script), folder.path().join(script)).unwrap();
    }
    std::fs::copy(root.join("tests/integration/formulas/agreement.mjs"), folder.path().join("agreement.mjs")).unwrap();
    std::fs::write(folder.path().join("package.json"), "{\"type\": \"module\"}").unwrap();
    let object = |values: &[(&'static str, Value)]| -> Map<String, Json> {
        values.iter().map(|(name, value)| ((*name).to_owned(), value.to_json())).collect()
    };
    let documents: Vec<Json> = examples
        .iter()
        .map(|example| {
            let rows: Vec<_> = example.rows.iter().map(|row| object(row)).collect();
            json!({"values": object(&example.values), "rows": rows, "linked": object(&example.linked)})
        })
        .collect();
    let fits: Vec<Json> = FITS
        .iter()
        .map(|fieldtype| {
            let fit = Fit::of(&field(*fieldtype)).unwrap();
            json!({"kind": fit.as_str(), "places": fit.places(), "filled": fieldtype.is_never_null()})
        })
        .collect();
    let cases: Vec<Json> = cases
        .iter()
        .map(|(text, document)| {
            json!({"tree": Expression::parse_formula(text).to_json(), "document": document, "fits": fits})
        })
        .collect();
    let (input, output) = (folder.path().join("in.json"), folder.path().join("out.json"));
    std::fs::write(&input, json!({"documents": documents, "cases": cases}).to_string()).unwrap();
    let run = Command::new("node").arg(folder.path().join("agreement.mjs")).args([&input, &output]).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    Some(serde_json::from_slice(&std::fs::read(output).unwrap()).unwrap())
}

/// The same number, whether it is written as a whole one or not.
fn same(value: &Value, script: &Json) -> bool {
    let number = || script["number"].as_str().and_then(|number| number.parse::<f64>().ok());
    match value {
        Value::Null => script.is_null(),
        Value::Text(text) => script.as_str() == Some(text),
        #[expect(clippy::cast_precision_loss, reason = "the scripts know no others")]
        Value::Int(whole) => number() == Some(*whole as f64),
        Value::Float(float) => number() == Some(*float),
    }
}

#[test]
fn formulas_give_what_their_table_says() {
    let example = usual();
    for (text, fieldtype, expected) in table() {
        assert_eq!(compute(text, fieldtype, &example), expected, "{text} as {}", fieldtype.as_str());
    }
}

#[test]
fn the_scripts_of_the_desk_agree_with_the_server() {
    let mut dice = Dice(0x5EED_D0C7);
    let mut examples = vec![usual()];
    examples.extend((0..200).map(|_| dice.example()));
    let mut cases: Vec<(String, usize)> = table().iter().map(|(text, ..)| ((*text).to_owned(), 0)).collect();
    while cases.len() < 20_000 {
        let depth = 1 + dice.next(4);
        let text = dice.expression(depth);
        // What is nested too deep, or adds up too much, is refused by both in the same way.
        if Expression::parse_formula(&text).unparsed.is_none() {
            cases.push((text, dice.next(examples.len())));
        }
    }
    let Some(results) = by_scripts(&examples, &cases) else { return };
    let mut differing = Vec::new();
    for ((text, example), scripts) in cases.iter().zip(&results) {
        for (fieldtype, script) in FITS.iter().zip(scripts) {
            let value = compute(text, *fieldtype, &examples[*example]);
            if !same(&value, script) {
                let values = &examples[*example].values;
                differing
                    .push(format!("{text} as {}: {value:?} here, {script} there, of {values:?}", fieldtype.as_str()));
            }
        }
    }
    let count = differing.len();
    differing.truncate(10);
    assert!(count == 0, "{count} differ:\n{}", differing.join("\n"));
}
