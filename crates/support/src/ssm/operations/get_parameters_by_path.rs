//! `GetParametersByPath`: the parameters below a path.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, page, scan, shown};
use crate::api::ssm::operations::GetParametersByPath;
use crate::api::ssm::shapes::{GetParametersByPathInput, GetParametersByPathOutput};
use crate::ssm::Ssm;

impl Handler<GetParametersByPath> for Ssm {
    fn authorize(&self, ctx: &Context, input: &GetParametersByPathInput) -> Vec<Access> {
        access(ctx, "GetParametersByPath", &input.path)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetParametersByPathInput,
    ) -> Result<GetParametersByPathOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            if input.parameter_filters.as_ref().is_some_and(|f| !f.is_empty()) {
                return Err(ServiceError::unsupported("a filter of GetParametersByPath"));
            }
            let path = format!("{}/", input.path.trim_end_matches('/'));
            let deep = input.recursive.unwrap_or(false);
            let size = usize::try_from(input.max_results.unwrap_or(10)).unwrap_or(10);
            let rows = scan(&tx, &ctx, &path, input.next_token.as_ref()).await?;
            let below = |name: &str| {
                name.strip_prefix(&path).is_some_and(|rest| deep || !rest.contains('/'))
            };
            let rows: Vec<_> = rows.into_iter().filter(|(name, _)| below(name)).collect();
            let (rows, next_token) = page(rows, size);
            let parameters = rows
                .into_iter()
                .map(|(name, row)| shown(&ctx, &name, row.version, row.latest))
                .collect();
            Ok(GetParametersByPathOutput { parameters: Some(parameters), next_token })
        })
        .await
    }
}
