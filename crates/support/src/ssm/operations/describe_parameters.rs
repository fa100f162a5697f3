//! `DescribeParameters`: what parameters there are, without their values.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{arn, key, page, passes, scan};
use crate::api::ssm::operations::DescribeParameters;
use crate::api::ssm::shapes::{
    DescribeParametersInput, DescribeParametersOutput, ParameterMetadata,
};
use crate::ssm::Ssm;
use crate::ssm::policy;
use undercast_smithy::Timestamp;

impl Handler<DescribeParameters> for Ssm {
    fn authorize(&self, _: &Context, _: &DescribeParametersInput) -> Vec<Access> {
        vec![Access::new("ssm:DescribeParameters", "*")]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeParametersInput,
    ) -> Result<DescribeParametersOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let size = usize::try_from(input.max_results.unwrap_or(50)).unwrap_or(50);
            let rows = scan(&tx, &ctx, "", input.next_token.as_ref()).await?;
            let filters = input.parameter_filters.as_deref().unwrap_or_default();
            if input.filters.as_ref().is_some_and(|filters| !filters.is_empty()) {
                return Err(ServiceError::unsupported("Filters; use ParameterFilters"));
            }
            if input.shared.unwrap_or(false) {
                return Err(ServiceError::unsupported("a parameter that is shared"));
            }
            let mut wanted = Vec::new();
            'rows: for (name, row) in rows {
                let place = key(&ctx, &name);
                for filter in filters {
                    if !passes(&tx, &place, &row, filter).await? {
                        continue 'rows;
                    }
                }
                wanted.push((name, row));
            }
            let rows = wanted;
            let (rows, next_token) = page(rows, size);
            let parameters = rows.into_iter().map(|(name, row)| ParameterMetadata {
                arn: Some(arn(&ctx, &name)),
                name: Some(name),
                r#type: Some(row.latest.kind),
                last_modified_date: Some(Timestamp::from_millis(row.latest.modified_ms)),
                last_modified_user: Some(row.latest.modified_by),
                description: row.latest.description,
                allowed_pattern: row.latest.allowed_pattern,
                version: Some(row.version),
                tier: Some(row.latest.tier),
                policies: Some(policy::shown(row.latest.policies.as_ref())),
                key_id: row.latest.key_id,
                data_type: Some(row.latest.data_type),
            });
            Ok(DescribeParametersOutput { parameters: Some(parameters.collect()), next_token })
        })
        .await
    }
}
