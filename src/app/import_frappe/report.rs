//! What the move tells: what came along, what has no counterpart, and what was wrong already. No secret is in it.

use std::collections::BTreeMap;
use std::fmt;

/// DocTypes whose documents come along although nothing here acts on them.
const IDLE: [&str; 21] = [
    "Assignment Rule",
    "Auto Email Report",
    "Auto Repeat",
    "Client Script",
    "Dashboard",
    "Dashboard Chart",
    "Document Follow",
    "Document Naming Rule",
    "Email Account",
    "Kanban Board",
    "Letter Head",
    "Milestone Tracker",
    "Module Profile",
    "Notification",
    "Number Card",
    "Print Format",
    "Report",
    "Role Profile",
    "Server Script",
    "Workflow",
    "Workspace",
];

/// The report of a move, or of a plan.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// It is only a plan.
    pub is_plan: bool,
    /// The rows by DocType.
    pub moved: BTreeMap<String, u64>,
    /// The DocType files, as they are called.
    pub definitions: Vec<String>,
    /// How many uploaded files.
    pub files: usize,
    left: Vec<String>,
    unsaid: Vec<String>,
    blemishes: Vec<String>,
}

impl Report {
    /// Something stays behind.
    pub(super) fn left(&mut self, what: &str, rows: u64, why: &str) {
        self.left.push(match rows {
            0 => format!("{what}: {why}"),
            1 => format!("{what}, 1 row: {why}"),
            rows => format!("{what}, {rows} rows: {why}"),
        });
    }

    /// A customization that no file can say.
    pub(super) fn unsaid(&mut self, what: String) {
        self.unsaid.push(what);
    }

    /// Something is wrong in the site, and was moved as it is unless it says otherwise.
    pub(super) fn blemish(&mut self, what: String) {
        self.blemishes.push(what);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: u64 = self.moved.values().sum();
        let doctypes = self.moved.len();
        let verb = if self.is_plan { "To be moved" } else { "Moved and compared" };
        writeln!(f, "{verb}: {rows} rows of {doctypes} DocTypes, {} files", self.files)?;
        for (doctype, rows) in &self.moved {
            writeln!(f, "  {doctype}: {rows}")?;
        }
        let idle = self.moved.keys().filter(|doctype| IDLE.contains(&doctype.as_str())).cloned().collect();
        let sections = [
            ("DocType files", &self.definitions),
            ("Moved, but nothing here acts on them", &idle),
            ("Customizations without counterpart", &self.unsaid),
            ("Left behind", &self.left),
            ("Blemishes", &self.blemishes),
        ];
        for (title, lines) in sections {
            if !lines.is_empty() {
                writeln!(f, "\n{title} ({}):", lines.len())?;
            }
            for line in lines {
                writeln!(f, "  {line}")?;
            }
        }
        Ok(())
    }
}
