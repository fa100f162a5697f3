//! `CreateRole`: makes a role.

use super::{access, check_trust, shown_role, tags};
use crate::error::exists;
use crate::store::{ROLES, RoleRow};
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::CreateRole;
use crate::api::iam::shapes::{CreateRoleInput, CreateRoleOutput};

impl Handler<CreateRole> for Iam {
    fn authorize(&self, ctx: &Context, input: &CreateRoleInput) -> Vec<Access> {
        access(ctx, "CreateRole", "role", &input.role_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateRoleInput,
    ) -> Result<CreateRoleOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let key = (ctx.account().to_owned(), input.role_name.clone());
            if ROLES.get(&tx, &key).await?.is_some() {
                return Err(exists("Role", &input.role_name));
            }
            let policy = check_trust(&input.assume_role_policy_document)?;
            let row = RoleRow {
                id: format!("AROA{}", tx.ids().alphanumeric(17).to_uppercase()),
                name: input.role_name.clone(),
                path: input.path.clone().unwrap_or_else(|| "/".to_owned()),
                trust: policy,
                description: input.description.clone(),
                max_session_s: input.max_session_duration.unwrap_or(3600),
                boundary: input.permissions_boundary.clone(),
                tags: tags(input.tags.as_deref()),
                created_ms: tx.now_ms(),
            };
            ROLES.put(&tx, &key, &row)?;
            Ok(CreateRoleOutput { role: shown_role(&ctx, &row) })
        })
        .await
    }
}
