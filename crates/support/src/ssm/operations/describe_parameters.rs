//! `DescribeParameters`: what parameters there are, without their values.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{arn, page, scan};
use crate::api::ssm::operations::DescribeParameters;
use crate::api::ssm::shapes::{
    DescribeParametersInput, DescribeParametersOutput, ParameterMetadata, ParameterStringFilter,
};
use crate::ssm::Ssm;
use crate::ssm::store::ParameterRow;
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
            let filters = input.parameter_filters.clone().unwrap_or_default();
            if let Some(filter) = filters
                .iter()
                .find(|f| !matches!(f.key.as_str(), "Name" | "Type" | "Path" | "Tier"))
            {
                return Err(ServiceError::unsupported(format!("the filter {}", filter.key)));
            }
            let rows: Vec<_> = rows
                .into_iter()
                .filter(|(name, row)| filters.iter().all(|f| matches(f, name, row)))
                .collect();
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
                policies: Some(Vec::new()),
                data_type: Some(row.latest.data_type),
                ..ParameterMetadata::default()
            });
            Ok(DescribeParametersOutput { parameters: Some(parameters.collect()), next_token })
        })
        .await
    }
}

fn matches(filter: &ParameterStringFilter, name: &str, row: &ParameterRow) -> bool {
    let value = match filter.key.as_str() {
        "Type" => row.latest.kind.as_str(),
        "Tier" => row.latest.tier.as_str(),
        _ => name,
    };
    let prefix = filter.key == "Path" || filter.option.as_deref() == Some("BeginsWith");
    let contains = filter.option.as_deref() == Some("Contains");
    filter.values.iter().flatten().any(|wanted| {
        if contains {
            value.contains(wanted.as_str())
        } else if prefix {
            value.starts_with(wanted.as_str())
        } else {
            value == wanted
        }
    })
}
