//! `GetParametersByPath`: the parameters below a path.

use std::sync::Arc;

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, key, page, passes, scan, shown, version_of};
use crate::api::ssm::operations::GetParametersByPath;
use crate::api::ssm::shapes::{GetParametersByPathInput, GetParametersByPathOutput};
use crate::ssm::Ssm;
use undercast_store::Tx;

impl Handler<GetParametersByPath> for Ssm {
    fn authorize(&self, ctx: &Context, input: &GetParametersByPathInput) -> Vec<Access> {
        access(ctx, "GetParametersByPath", &input.path)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetParametersByPathInput,
    ) -> Result<GetParametersByPathOutput, ServiceError> {
        let with_decryption = input.with_decryption;
        let run = |tx: Tx, ctx: Context, input: Arc<GetParametersByPathInput>| async move {
            let path = format!("{}/", input.path.trim_end_matches('/'));
            let deep = input.recursive.unwrap_or(false);
            let size = usize::try_from(input.max_results.unwrap_or(10)).unwrap_or(10);
            let filters = input.parameter_filters.as_deref().unwrap_or_default();
            if let Some(filter) =
                filters.iter().find(|f| !matches!(f.key.as_str(), "Type" | "KeyId" | "Label"))
            {
                return Err(ServiceError::new(
                    "InvalidFilterKey",
                    format!(
                        "The following filter key is not valid: {}. Valid filter keys include: [Type, KeyId, Label].",
                        filter.key
                    ),
                ));
            }
            let mut rows = Vec::new();
            'rows: for (name, row) in scan(&tx, &ctx, &path, input.next_token.as_ref()).await? {
                let rest = name.strip_prefix(&path);
                if rest.is_none_or(|rest| !deep && rest.contains('/')) {
                    continue;
                }
                let place = key(&ctx, &name);
                let (mut version, mut latest) = (row.version, row.latest.clone());
                for filter in filters {
                    if !passes(&tx, &place, &row, filter).await? {
                        continue 'rows;
                    }
                    // Who asks for a label gets the version that has it.
                    let label = filter.values.iter().flatten().next();
                    if let ("Label", Some(label)) = (filter.key.as_str(), label)
                        && let Some(labelled) = version_of(&tx, &place, label).await?
                    {
                        (version, latest) = labelled;
                    }
                }
                rows.push((name.clone(), shown(&ctx, &name, version, latest)));
                if rows.len() > size {
                    break;
                }
            }
            Ok(page(rows, size))
        };
        let (rows, next_token) = ctx.transact(input, run).await?;
        let mut parameters = Vec::new();
        for (_, found) in rows {
            parameters.push(found.reveal(&ctx, with_decryption).await?);
        }
        Ok(GetParametersByPathOutput { parameters: Some(parameters), next_token })
    }
}
