//! `AssumeRole`: temporary credentials of a role, for those whom it trusts.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_kernel::{Arn, Principal};

use super::shown_credentials;
use crate::policy::Policy;
use crate::ports::issue;
use crate::store::{Owner, ROLES, RoleRow};

use crate::Iam;
use crate::api::sts::operations::AssumeRole;
use crate::api::sts::shapes::{AssumeRoleInput, AssumeRoleOutput, AssumedRoleUser};

impl Handler<AssumeRole> for Iam {
    fn authorize(&self, ctx: &Context, input: &AssumeRoleInput) -> Vec<Access> {
        let _ = (ctx, input);
        Vec::new()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: AssumeRoleInput,
    ) -> Result<AssumeRoleOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {

            let arn = Arn::parse(&input.role_arn).filter(|a| a.service == "iam" && a.resource.starts_with("role/"));
            let arn = arn.ok_or_else(|| ServiceError::new("ValidationError", format!("{} is invalid", input.role_arn)))?;
            let name = crate::managed::name_of(&input.role_arn);
            let role = ROLES.get(&tx, &(arn.account.clone(), name.clone())).await?;
            let refused = || {
                ServiceError::new("AccessDenied", format!("User: {} is not authorized to perform: sts:AssumeRole on resource: {}", ctx.principal().arn(), input.role_arn)).with_status(403)
            };
            let role = role.ok_or_else(refused)?;
            if !trusted(&ctx, &role, input.external_id.as_deref()) {
                return Err(refused());
            }
            let seconds = input.duration_seconds.unwrap_or(3600);
            if seconds > role.max_session_s {
                return Err(ServiceError::new("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."));
            }
            let session = input.role_session_name.clone();
            let owner = Owner::Role { name: role.name.clone(), id: role.id.clone(), session: session.clone() };
            let issued = issue(&tx, &ctx, arn.account.clone(), owner, i64::from(seconds))?;
            Ok(AssumeRoleOutput {
                credentials: Some(shown_credentials(&issued)),
                assumed_role_user: Some(AssumedRoleUser {
                    assumed_role_id: format!("{}:{session}", role.id),
                    arn: issued.principal.arn(),
                }),
                packed_policy_size: input.policy.as_ref().map(|_| 1),
                source_identity: input.source_identity.clone(),
            })
})
.await
    }
}

/// Whether the role's trust policy names the caller and nothing in it forbids.
fn trusted(ctx: &Context, role: &RoleRow, external_id: Option<&str>) -> bool {
    let Ok(policy) = Policy::parse(&role.trust) else {
        return false;
    };
    let principal = ctx.principal();
    let mut who = vec![principal.arn()];
    // A service is no member of an account.
    if !matches!(principal, Principal::Service { .. }) {
        who.extend(principal.account().map(str::to_owned));
    }
    if let Principal::Role { account, name, .. } = principal {
        who.push(Arn::new("iam", "", account, format!("role/{name}")).to_string());
    }
    let mut context = std::collections::BTreeMap::new();
    if let Some(id) = external_id {
        context.insert("sts:externalid".to_owned(), vec![id.to_owned()]);
    }
    let mut allowed = false;
    for statement in &policy.statements {
        if statement.trusts("sts:AssumeRole", &who, &context) {
            if !statement.allow {
                return false;
            }
            allowed = true;
        }
    }
    allowed
}
