//! Whatever comes in a parameter: an answer or a refusal, never a panic and never an error of the database.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

const WORDS: [&str; 62] = [
    "name",
    "title",
    "customer",
    "status",
    "due",
    "placed",
    "at_time",
    "total",
    "effort",
    "priority",
    "urgent",
    "extra",
    "margin",
    "items",
    "costs",
    "items.item",
    "items.qty",
    "customer.territory",
    "customer.credit_limit",
    "section",
    "`tabSales Order`.`name`",
    "`tabSales Order Item`.`item`",
    "Sales Order",
    "Sales Order Item",
    "*",
    "items.*",
    "",
    "%",
    "count(name) as n",
    "count(*)",
    "sum(total)",
    "avg(priority)",
    "min(extra)",
    "max(due)",
    "count(distinct title)",
    "sum(margin)",
    "n",
    "Open",
    "SO-1",
    "1",
    "-1",
    "1e400",
    "2026-03-31",
    "2026-03-31 08:00:00",
    "9999-12-31",
    "08:30",
    "set",
    "not set",
    "last week",
    "1 month",
    "World",
    "a\u{0}b",
    "'; drop",
    "\"",
    "`",
    "\\",
    "ä%_[*",
    "and",
    "or",
    "{\"status\": \"Open\"}",
    "[[\"name\", \"like\", \"%\"]]",
    "(",
];
const OPERATORS: [&str; 24] = [
    "=",
    "!=",
    ">",
    "<",
    ">=",
    "<=",
    "like",
    "not like",
    "in",
    "not in",
    "is",
    "between",
    "timespan",
    "previous",
    "next",
    "regex",
    "ancestors of",
    "descendants of",
    "not ancestors of",
    "not descendants of",
    "descendants of (inclusive)",
    "=>",
    "+",
    "NOT IN",
];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(&WORDS[..]).prop_map(str::to_owned),
        2 => prop::sample::select(&OPERATORS[..]).prop_map(str::to_owned),
        1 => ".{0,12}",
    ]
}

fn scalar() -> impl Strategy<Value = Json> {
    prop_oneof![
        6 => word().prop_map(Json::from),
        1 => Just(Json::Null),
        1 => any::<bool>().prop_map(Json::from),
        1 => any::<i64>().prop_map(Json::from),
        1 => any::<f64>().prop_map(Json::from),
        1 => (-3_i64..4).prop_map(Json::from),
    ]
}

fn anything() -> impl Strategy<Value = Json> {
    scalar().prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            3 => prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            1 => prop::collection::btree_map(word(), inner, 0..4).prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

/// Filters that are mostly well formed, so that what lies behind parsing is reached.
fn filters() -> impl Strategy<Value = Json> {
    let field = prop::sample::select(&WORDS[..24]).prop_map(str::to_owned);
    let operator = prop::sample::select(&OPERATORS[..]).prop_map(str::to_owned);
    let value =
        prop_oneof![3 => scalar(), 1 => prop::collection::vec(scalar(), 0..4).prop_map(Json::from), 1 => anything()];
    let filter = (field, operator, value).prop_map(|(field, operator, value)| json!([field, operator, value]));
    let nested = filter.prop_recursive(3, 12, 4, |inner| {
        let connector = prop::sample::select(&["and", "or"][..]);
        (prop::collection::vec(inner, 1..4), connector).prop_map(|(group, connector)| {
            let mut list = Vec::new();
            for (index, filter) in group.into_iter().enumerate() {
                if index > 0 {
                    list.push(Json::from(connector));
                }
                list.push(filter);
            }
            Json::from(list)
        })
    });
    let list = prop::collection::vec(nested, 0..3).prop_map(Json::from);
    prop_oneof![4 => list, 1 => anything(), 2 => Just(Json::Null)]
}

fn keys() -> impl Strategy<Value = Option<String>> {
    let key =
        (word(), prop::sample::select(&["", " asc", " desc", " DESC"][..])).prop_map(|(word, order)| word + order);
    prop::option::weighted(0.5, prop::collection::vec(key, 0..3).prop_map(|keys| keys.join(", ")))
}

fn request() -> impl Strategy<Value = (ListRequest, usize)> {
    let doctype = prop::sample::select(
        &[
            "Sales Order",
            "Sales Order",
            "Sales Order",
            "Customer",
            "Ticket",
            "Territory",
            "Sales Order Item",
            "Shop Settings",
            "Feed",
            "Nope",
        ][..],
    );
    let fields = prop_oneof![
        4 => prop::collection::vec(scalar(), 0..5).prop_map(Json::from),
        2 => prop::collection::vec(prop::sample::select(&WORDS[..32]), 0..5).prop_map(|words| json!(words)),
        1 => anything(),
    ];
    let parent = prop::option::of(prop::sample::select(&["Sales Order", "Ticket", "Customer", "Nope", ""][..]));
    let group = prop_oneof![2 => Just(None), 1 => keys()];
    let expand = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(word(), 0..3)];
    (
        (doctype, fields, filters(), filters(), keys(), group),
        (
            parent,
            expand,
            any::<bool>(),
            any::<bool>(),
            prop_oneof![Just(0_u64), any::<u64>()],
            any::<Option<u64>>(),
            0..5_usize,
        ),
    )
        .prop_map(|((doctype, fields, filters, or_filters, order_by, group_by), more)| {
            let (parent, expand, distinct, lenient_fields, start, limit, session) = more;
            let request = ListRequest {
                parent: parent.map(str::to_owned),
                fields,
                filters,
                or_filters,
                order_by,
                group_by,
                start,
                limit,
                expand,
                distinct,
                lenient_fields,
                ..ListRequest::new(doctype)
            };
            (request, session)
        })
}

const COLUMNS: [&str; 20] = [
    "name",
    "title",
    "customer",
    "status",
    "due",
    "placed",
    "at_time",
    "total",
    "effort",
    "priority",
    "urgent",
    "extra",
    "margin",
    "owner",
    "creation",
    "docstatus",
    "_assign",
    "items.item",
    "items.qty",
    "customer.territory",
];
const NUMBERS: [&str; 7] = ["total", "effort", "priority", "urgent", "docstatus", "items.qty", "idx"];
const TEXTS: [&str; 7] = ["name", "title", "customer", "status", "owner", "items.item", "customer.notes"];
const MOMENTS: [&str; 4] = ["due", "placed", "creation", "modified"];

/// Filters that mean something.
fn plausible_filter() -> impl Strategy<Value = Json> {
    let compare = prop::sample::select(&["=", "!=", ">", "<", ">=", "<="][..]);
    let text = prop_oneof![prop::sample::select(&WORDS[36..]).prop_map(str::to_owned), "[^\\x00]{0,12}"]
        .prop_filter("no database takes it", |text| !text.contains('\0'));
    let number = prop_oneof![(-3_i64..200).prop_map(Json::from), any::<i32>().prop_map(Json::from)];
    let day = (1970_i32..2100, 1..13, 1..29).prop_map(|(y, m, d)| Json::from(format!("{y}-{m:02}-{d:02}")));
    let list = prop::sample::select(&["in", "not in"][..]);
    let like = prop::sample::select(&["like", "not like"][..]);
    let any_column = || prop::sample::select(&COLUMNS[..]);
    prop_oneof![
        (prop::sample::select(&NUMBERS[..]), compare.clone(), number.clone()).prop_map(|(f, o, v)| json!([f, o, v])),
        (prop::sample::select(&TEXTS[..]), compare.clone(), text.clone()).prop_map(|(f, o, v)| json!([f, o, v])),
        (prop::sample::select(&MOMENTS[..]), compare, day.clone()).prop_map(|(f, o, v)| json!([f, o, v])),
        (any_column(), like, text.clone()).prop_map(|(f, o, v)| json!([f, o, v])),
        (
            any_column(),
            prop::sample::select(&["[a-z]+", "^.$", "ä|b", "\\d{2}", "\\p{L}", "(?i)x", "[[:alpha:]&&[^b]]"][..])
        )
            .prop_map(|(f, v)| json!([f, "regex", v])),
        (any_column(), prop::sample::select(&["set", "not set"][..])).prop_map(|(f, v)| json!([f, "is", v])),
        (prop::sample::select(&NUMBERS[..]), list.clone(), prop::collection::vec(number.clone(), 0..70))
            .prop_map(|(f, o, v)| json!([f, o, v])),
        (prop::sample::select(&TEXTS[..]), list.clone(), prop::collection::vec(text, 0..70))
            .prop_map(|(f, o, v)| json!([f, o, v])),
        (prop::sample::select(&MOMENTS[..]), list, prop::collection::vec(day.clone(), 0..70))
            .prop_map(|(f, o, v)| json!([f, o, v])),
        (prop::sample::select(&MOMENTS[..]), day.clone(), day).prop_map(|(f, a, b)| json!([f, "between", [a, b]])),
        (prop::sample::select(&NUMBERS[..]), number.clone(), number).prop_map(|(f, a, b)| json!([
            f,
            "between",
            [a, b]
        ])),
        (prop::sample::select(&MOMENTS[..]), prop::sample::select(&timespan::TIMESPANS[..]))
            .prop_map(|(f, v)| json!([f, "timespan", v])),
        (prop::sample::select(&OPERATORS[16..21])).prop_map(|o| json!(["customer.territory", o, "Europe"])),
    ]
}

/// Requests that mean something, for all that can be combined.
fn plausible() -> impl Strategy<Value = (ListRequest, usize)> {
    let filters = || {
        let group = prop::collection::vec(plausible_filter(), 0..4);
        (group, prop::sample::select(&["and", "or"][..])).prop_map(|(group, connector)| {
            let mut list = Vec::new();
            for (index, filter) in group.into_iter().enumerate() {
                if index > 0 {
                    list.push(Json::from(connector));
                }
                list.push(filter);
            }
            Json::from(list)
        })
    };
    let aggregates = &[
        "count(name) as n",
        "count(distinct extra)",
        "sum(total)",
        "avg(priority)",
        "min(extra)",
        "max(placed)",
        "min(at_time)",
    ];
    let fields = prop_oneof![
        3 => prop::collection::vec(prop::sample::select(&COLUMNS[..]), 1..5),
        1 => Just(vec!["*"]),
        1 => Just(vec!["title", "items", "*"]),
        1 => prop::collection::vec(prop::sample::select(&aggregates[..]), 1..4),
        1 => (prop::sample::select(&COLUMNS[..]), prop::sample::select(&aggregates[..])).prop_map(|(f, a)| vec![f, a]),
    ];
    let keys = |with_order: bool| {
        let order = if with_order { &["", " asc", " desc"][..] } else { &[""][..] };
        let key =
            (prop::sample::select(&COLUMNS[..]), prop::sample::select(order)).prop_map(|(f, o)| format!("{f}{o}"));
        prop::option::weighted(0.4, prop::collection::vec(key, 1..4).prop_map(|keys| keys.join(", ")))
    };
    let page = (0_u64..5, prop::option::of(0_u64..5));
    let expand = prop_oneof![Just(Vec::new()), Just(vec!["customer".to_owned()])];
    (fields, filters(), filters(), keys(true), keys(false), page, expand, any::<bool>(), 0..4_usize).prop_map(
        |(fields, filters, or_filters, order_by, group_by, (start, limit), expand, distinct, session)| {
            let request = ListRequest::new("Sales Order").fields(&fields).filters(filters);
            let request = ListRequest { or_filters, order_by, group_by, start, limit, expand, distinct, ..request };
            (request, session)
        },
    )
}

#[test]
fn no_request_breaks_a_database() {
    try_all(request(), 0);
}

#[test]
fn whatever_can_be_combined_is_answered() {
    try_all(plausible(), 3);
}

/// Tries requests on every database; of every `usual` at least one must be answered, so that the test means something.
fn try_all(requests: impl Strategy<Value = (ListRequest, usize)>, usual: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let sites = runtime.block_on(Site::each());
    let permission = UserPermission {
        allow: "Customer".to_owned(),
        for_value: "Bob".to_owned(),
        applicable_for: None,
        is_default: false,
    };
    let sessions = [
        Session::system(),
        user("Administrator", &[]),
        user("ann", &["Sales", "Boss"]),
        user_with("bea", &["Own", "Sales"], vec![permission]),
        Session::guest(),
    ];
    let mut runner = TestRunner::new(Config { cases: cases(), failure_persistence: None, ..Config::default() });
    let answered = std::cell::Cell::new(0_u32);
    let outcome = runner.run(&requests, |(request, session)| {
        let mut answers = Vec::new();
        for site in &sites {
            let (list, count) = runtime.block_on(async {
                (site.run(&sessions[session], &request).await, site.count(&sessions[session], &request).await)
            });
            answered.set(answered.get() + u32::from(list.is_ok()));
            // What a regular expression means is up to the database.
            if !request.filters.to_string().contains("regex") && !request.or_filters.to_string().contains("regex") {
                let rows = list.as_ref().ok().map(|list| (list.to_json(), list.has_next_page));
                answers.push((rows, count.as_ref().ok().copied()));
            }
            for error in [list.err(), count.err()].into_iter().flatten() {
                prop_assert!(!matches!(error, Error::Internal(_)), "{:?}: {error:?}", site.backend());
            }
        }
        prop_assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "databases differ: {}", json!(answers));
        Ok(())
    });
    for site in sites {
        runtime.block_on(site.finish());
    }
    outcome.unwrap();
    assert!(
        usual == 0 || answered.get() * usual >= cases(),
        "only {} of {} requests were answered",
        answered.get(),
        cases()
    );
}

/// More with `PROPTEST_CASES`.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(512)
}
