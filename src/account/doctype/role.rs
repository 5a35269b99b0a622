//! Behaviour of the DocType Role: whether it opens the desk decides what kind of account its people have.

use async_trait::async_trait;
use serde_json::json;

use crate::account::doctype::user::user_type;
use crate::document::{Controller, ListRequest, Work};
use crate::error::Result;
use crate::meta::{Document, Value};

/// What a Role does.
pub(crate) struct RoleController;

#[async_trait]
impl Controller for RoleController {
    async fn on_update(&self, work: &mut Work<'_>, role: &Document, before: Option<&Document>) -> Result<()> {
        let opens_desk = |role: &Document| role.check("desk_access") && !role.check("disabled");
        if before.is_none_or(|before| opens_desk(before) == opens_desk(role)) {
            return Ok(());
        }
        let caller = work.become_system();
        let settled = settle_people(work, &role.name()).await;
        work.session = caller;
        settled
    }
}

/// Gives everybody with the role the User Type that their roles make.
async fn settle_people(work: &mut Work<'_>, role: &str) -> Result<()> {
    let mut request = ListRequest::new("Has Role").fields(&["parent"]).filters(json!({"role": role})).all();
    request.parent = Some("User".to_owned());
    let people = work.list(&request).await?;
    for row in 0..people.rows.len() {
        let name = people.text(row, "parent");
        let user = work.get("User", name).await?;
        let roles: Vec<String> = user.rows("roles").iter().map(|row| row.text("role").to_owned()).collect();
        let user_type = user_type(work, &roles).await?;
        if user.text("user_type") != user_type {
            work.set_values("User", name, &[("user_type", Value::from(user_type))]).await?;
        }
    }
    Ok(())
}
