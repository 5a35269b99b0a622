//! Rules of permission rows.

use std::collections::HashMap;

use super::{At, Checker};
use crate::meta::docperm::Right;

/// Roles that everyone has without being given them; they need no row of level 0 for a higher one.
const AUTOMATIC: [&str; 3] = ["All", "Desk User", "Guest"];

/// Rights that need another one to make sense.
const NEEDS: [(Right, Right); 4] = [
    (Right::Cancel, Right::Submit),
    (Right::Submit, Right::Write),
    (Right::Amend, Right::Write),
    (Right::Import, Right::Create),
];

pub(super) fn check(checker: &mut Checker<'_, '_>) {
    let doctype = checker.doctype;
    let mut seen: HashMap<(&str, u8, bool), usize> = HashMap::new();
    for (index, row) in doctype.permissions.iter().enumerate() {
        let at = |key| At::Permission(index, Some(key));
        let whom = format!("the permission row of {} at level {}", row.role, row.permlevel);
        if row.role.is_empty() {
            checker.error(At::Permission(index, None), "a permission row needs a `role`, such as System Manager");
            continue;
        }
        if seen.insert((&row.role, row.permlevel, row.if_owner), index).is_some() {
            let message = format!("{whom} is there twice: join the two");
            checker.rule(At::Permission(index, None), message);
        }
        if row.rights.is_empty() {
            checker.rule(
                At::Permission(index, None),
                format!("{whom} gives no right: add one such as `read: 1`, or remove it"),
            );
        }
        if row.permlevel > 0 {
            let base = doctype.permissions.iter().any(|other| other.role == row.role && other.permlevel == 0);
            if !base && !AUTOMATIC.contains(&row.role.as_str()) {
                checker.rule(at("permlevel"), format!("{whom} needs a row of level 0 for the same role"));
            }
            for right in [Right::Create, Right::Submit, Right::Cancel, Right::Amend] {
                if row.rights.contains(right) {
                    let message = format!("{whom} cannot give `{}`: that is decided at level 0", right.as_str());
                    checker.rule(at(right.as_str()), message);
                }
            }
            continue;
        }
        for (right, needed) in NEEDS {
            if !row.rights.contains(right) || row.rights.contains(needed) {
                continue;
            }
            let message = format!("{whom} gives `{}` without `{}`: add it", right.as_str(), needed.as_str());
            checker.rule(at(right.as_str()), message);
        }
        for right in [Right::Submit, Right::Cancel, Right::Amend] {
            if row.rights.contains(right) && !doctype.is_submittable {
                let message = format!("{whom} gives `{}`, but the DocType is not `is_submittable`", right.as_str());
                checker.rule(at(right.as_str()), message);
            }
        }
        if row.rights.contains(Right::Import) && !doctype.allow_import {
            checker.rule(at("import"), format!("{whom} gives `import`, but the DocType has no `allow_import`"));
        }
    }
}
