//! `ListLayers`: the layers of an account and region, each with its latest version.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::ListLayers;
use crate::api::lambda::shapes::{LayersListItem, ListLayersInput, ListLayersOutput};
use crate::layers;
use crate::store::{LAYER_VERSIONS, LAYERS};

const SCANNED_MAX: usize = 10_000;

impl Handler<ListLayers> for Lambda {
    fn authorize(&self, ctx: &Context, input: &ListLayersInput) -> Vec<Access> {
        let _ = (ctx, input);
        vec![Access::new("lambda:ListLayers", "*")]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListLayersInput,
    ) -> Result<ListLayersOutput, ServiceError> {
        let size = super::page_size(input.max_items);
        let scope = (ctx.account().to_owned(), ctx.region().to_owned());
        let range = match &input.marker {
            Some(last) => LAYERS.after(&scope, &(scope.0.clone(), scope.1.clone(), last.clone())),
            None => LAYERS.prefix(&scope),
        };
        let tx = ctx.store().begin().await?;
        let (runtime, architecture) =
            (input.compatible_runtime.as_ref(), input.compatible_architecture.as_ref());
        let mut found = Vec::new();
        for (key, _) in LAYERS.scan(&tx, range, SCANNED_MAX, false).await? {
            let versions = LAYER_VERSIONS.prefix(&key);
            let versions = LAYER_VERSIONS.scan(&tx, versions, SCANNED_MAX, true).await?;
            let latest =
                versions.iter().find(|(_, row)| layers::is_for(row, runtime, architecture));
            // A layer without versions is gone, but for the number that its next one gets.
            let Some((version, row)) = latest else { continue };
            found.push(LayersListItem {
                layer_name: Some(key.2.clone()),
                layer_arn: Some(layers::arn(&key)),
                latest_matching_version: Some(layers::listed(version, row)),
            });
            if found.len() > size {
                break;
            }
        }
        let more = found.len() > size;
        found.truncate(size);
        let next_marker = found.last().filter(|_| more).and_then(|last| last.layer_name.clone());
        Ok(ListLayersOutput { next_marker, layers: Some(found) })
    }
}
