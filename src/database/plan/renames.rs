//! Who takes whose name when tables or columns are renamed.

use crate::database::connect::Backend;
use crate::database::schema::names;

/// Which present name (first) becomes which wanted one (second), in an order in which it can be done.
///
/// A wanted name that is not there, or that another took over, takes over the name it had before if that is there.
pub(super) fn resolve_renames(
    backend: Backend,
    wanted: &[(String, Option<String>)],
    exists: &dyn Fn(&str) -> bool,
) -> Vec<(String, String)> {
    let mut renames: Vec<(String, String)> = Vec::new();
    loop {
        let is_taken =
            |name: &str| renames.iter().any(|(from, _)| names::key(backend, from) == names::key(backend, name));
        let next = wanted.iter().find_map(|(name, from)| {
            let from = from.as_deref()?;
            let is_free = !exists(name) || is_taken(name);
            let is_done = renames.iter().any(|(_, to)| to == name);
            (is_free && !is_done && exists(from) && !is_taken(from)).then(|| (from.to_owned(), name.clone()))
        });
        match next {
            Some(rename) => renames.push(rename),
            None => return renames,
        }
    }
}
