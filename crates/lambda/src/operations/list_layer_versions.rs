//! `ListLayerVersions`: the versions of a layer, newest first.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::ListLayerVersions;
use crate::api::lambda::shapes::{ListLayerVersionsInput, ListLayerVersionsOutput};
use crate::layers;
use crate::name::number;
use crate::store::LAYER_VERSIONS;

const SCANNED_MAX: usize = 10_000;

impl Handler<ListLayerVersions> for Lambda {
    fn authorize(&self, ctx: &Context, input: &ListLayerVersionsInput) -> Vec<Access> {
        super::layer_access(ctx, "ListLayerVersions", &input.layer_name, None)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListLayerVersionsInput,
    ) -> Result<ListLayerVersionsOutput, ServiceError> {
        let size = super::page_size(input.max_items);
        let layer = layers::key(&ctx, &input.layer_name)?;
        let tx = ctx.store().begin().await?;
        let all =
            LAYER_VERSIONS.scan(&tx, LAYER_VERSIONS.prefix(&layer), SCANNED_MAX, true).await?;
        let before = input.marker.as_deref().and_then(number).unwrap_or(u64::MAX);
        let (runtime, architecture) =
            (input.compatible_runtime.as_ref(), input.compatible_architecture.as_ref());
        let mut wanted = all
            .into_iter()
            .filter(|(key, row)| key.3 < before && layers::is_for(row, runtime, architecture));
        let page: Vec<_> = wanted.by_ref().take(size).collect();
        let last = page.last().map(|(key, _)| key.3.to_string());
        Ok(ListLayerVersionsOutput {
            next_marker: last.filter(|_| wanted.next().is_some()),
            layer_versions: Some(page.iter().map(|(key, row)| layers::listed(key, row)).collect()),
        })
    }
}
