//! `ListEntitiesForPolicy`: who a managed policy is attached to.

use super::{policy_access, require_policy};
use crate::store::ATTACHMENTS;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::ListEntitiesForPolicy;
use crate::api::iam::shapes::{
    ListEntitiesForPolicyInput, ListEntitiesForPolicyOutput, PolicyRole, PolicyUser,
};

impl Handler<ListEntitiesForPolicy> for Iam {
    fn authorize(&self, _: &Context, input: &ListEntitiesForPolicyInput) -> Vec<Access> {
        policy_access("ListEntitiesForPolicy", &input.policy_arn)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListEntitiesForPolicyInput,
    ) -> Result<ListEntitiesForPolicyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            require_policy(&tx, &ctx, &input.policy_arn).await?;
            let prefix = (ctx.account().to_owned(), input.policy_arn.clone());
            let (mut roles, mut users) = (Vec::new(), Vec::new());
            for (key, _) in ATTACHMENTS.scan(&tx, ATTACHMENTS.prefix(&prefix), 1_000, false).await?
            {
                if key.2 == "role" {
                    roles.push(PolicyRole { role_name: Some(key.3), role_id: None });
                } else {
                    users.push(PolicyUser { user_name: Some(key.3), user_id: None });
                }
            }
            Ok(ListEntitiesForPolicyOutput {
                policy_groups: Some(Vec::new()),
                policy_users: Some(users),
                policy_roles: Some(roles),
                is_truncated: Some(false),
                marker: None,
            })
        })
        .await
    }
}
