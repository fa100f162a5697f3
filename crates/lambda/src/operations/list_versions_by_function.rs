//! `ListVersionsByFunction`: `$LATEST` and the published versions.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::ListVersionsByFunction;
use crate::api::lambda::shapes::{ListVersionsByFunctionInput, ListVersionsByFunctionOutput};
use crate::describe;
use crate::name::{FunctionName, LATEST, number};
use crate::store::VERSIONS;

impl Handler<ListVersionsByFunction> for Lambda {
    fn authorize(&self, ctx: &Context, input: &ListVersionsByFunctionInput) -> Vec<Access> {
        super::access(ctx, "ListVersionsByFunction", &input.function_name, None)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListVersionsByFunctionInput,
    ) -> Result<ListVersionsByFunctionOutput, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, None)?;
        let size = super::page_size(input.max_items);
        let tx = ctx.store().begin().await?;
        let row = super::require(&tx, &name).await?;
        let key = name.key();
        let mut versions = Vec::new();
        let range = match input.marker.as_deref().and_then(number) {
            Some(last) => {
                VERSIONS.after(&key, &(key.0.clone(), key.1.clone(), key.2.clone(), last))
            }
            None => {
                versions.push(describe::listed(
                    &ctx,
                    &name,
                    name.arn_with(LATEST),
                    LATEST,
                    &row.latest,
                ));
                VERSIONS.prefix(&key)
            }
        };
        for ((.., number), config) in VERSIONS.scan(&tx, range, size + 1, false).await? {
            let version = number.to_string();
            versions.push(describe::listed(
                &ctx,
                &name,
                name.arn_with(&version),
                &version,
                &config,
            ));
        }
        let more = versions.len() > size;
        versions.truncate(size);
        let next_marker = versions.last().filter(|_| more).and_then(|last| last.version.clone());
        Ok(ListVersionsByFunctionOutput { next_marker, versions: Some(versions) })
    }
}
