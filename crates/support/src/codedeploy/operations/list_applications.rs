//! `ListApplications`: the names of all applications.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{on, page};
use crate::api::codedeploy::operations::ListApplications;
use crate::api::codedeploy::shapes::{ListApplicationsInput, ListApplicationsOutput};
use crate::codedeploy::CodeDeploy;
use crate::codedeploy::store::APPLICATIONS;

impl Handler<ListApplications> for CodeDeploy {
    fn authorize(&self, ctx: &Context, _: &ListApplicationsInput) -> Vec<Access> {
        on("ListApplications", ctx.arn("codedeploy", "application:*"))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListApplicationsInput,
    ) -> Result<ListApplicationsOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let scope = (ctx.account().to_owned(), ctx.region().to_owned());
            let rows = APPLICATIONS.scan(&tx, APPLICATIONS.prefix(&scope), 10_000, false).await?;
            let names = rows.into_iter().map(|(key, _)| key.2).collect();
            let (names, next_token) = page(names, input.next_token.as_ref());
            Ok(ListApplicationsOutput { applications: Some(names), next_token })
        })
        .await
    }
}
