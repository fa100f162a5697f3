//! `DescribeRepositories`: the repositories of a registry.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, require, shown};
use crate::api::ecr::operations::DescribeRepositories;
use crate::api::ecr::shapes::{DescribeRepositoriesInput, DescribeRepositoriesOutput};
use crate::ecr::Ecr;
use crate::ecr::store::REPOSITORIES;

impl Handler<DescribeRepositories> for Ecr {
    fn authorize(&self, ctx: &Context, _: &DescribeRepositoriesInput) -> Vec<Access> {
        access(ctx, "DescribeRepositories", "*")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeRepositoriesInput,
    ) -> Result<DescribeRepositoriesOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let repositories = match input.repository_names.clone().filter(|n| !n.is_empty()) {
                Some(names) => {
                    let mut found = Vec::new();
                    for name in names {
                        let (_, row) = require(&tx, &ctx, &name).await?;
                        found.push(shown(&ctx, &name, &row));
                    }
                    found
                }
                None => {
                    let scope = (ctx.account().to_owned(), ctx.region().to_owned());
                    let rows =
                        REPOSITORIES.scan(&tx, REPOSITORIES.prefix(&scope), 10_000, false).await?;
                    rows.iter().map(|(key, row)| shown(&ctx, &key.2, row)).collect()
                }
            };
            Ok(DescribeRepositoriesOutput { repositories: Some(repositories), next_token: None })
        })
        .await
    }
}
