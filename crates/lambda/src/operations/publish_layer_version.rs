//! `PublishLayerVersion`: makes a version of a layer.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::PublishLayerVersion;
use crate::api::lambda::shapes::{PublishLayerVersionInput, PublishLayerVersionOutput};
use crate::code;
use crate::error::invalid;
use crate::layers;
use crate::store::{LAYER_VERSIONS, LAYERS, LayerRow, LayerVersionRow};

const NAME_CHARS_MAX: usize = 140;

impl Handler<PublishLayerVersion> for Lambda {
    fn authorize(&self, ctx: &Context, input: &PublishLayerVersionInput) -> Vec<Access> {
        super::layer_access(ctx, "PublishLayerVersion", &input.layer_name, None)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PublishLayerVersionInput,
    ) -> Result<PublishLayerVersionOutput, ServiceError> {
        let layer = layers::key(&ctx, &input.layer_name)?;
        let named = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        if layer.0 != ctx.account() || layer.2.len() > NAME_CHARS_MAX || !layer.2.bytes().all(named)
        {
            return Err(invalid(format!("Invalid Layer name: {}", input.layer_name)));
        }
        let zip = input.content.zip_file.as_ref().map(|blob| &blob.0);
        code::check_size(zip, "PublishLayerVersion")?;
        let code = self.functions.code.receive(&ctx, (&input.content).into()).await?;
        let (key, row) = ctx
            .transact((layer, input, code), |tx, _, input| async move {
                let (layer, input, code) = &*input;
                let have = LAYERS.get(&tx, layer).await?;
                let number = have.map_or(1, |row| row.next_version);
                LAYERS.put(&tx, layer, &LayerRow { next_version: number + 1 })?;
                let key = (layer.0.clone(), layer.1.clone(), layer.2.clone(), number);
                let row = LayerVersionRow {
                    created_ms: tx.now_ms(),
                    description: input.description.clone().unwrap_or_default(),
                    license: input.license_info.clone(),
                    runtimes: input.compatible_runtimes.clone(),
                    architectures: input.compatible_architectures.clone(),
                    code: code.clone(),
                    policy: None,
                };
                tx.link_blob(&code.blob, &layers::owner(&key))?;
                LAYER_VERSIONS.put(&tx, &key, &row)?;
                Ok((key, row))
            })
            .await?;
        let made = layers::describe(&ctx, &key, row).await?;
        Ok(PublishLayerVersionOutput {
            content: made.content,
            layer_arn: made.layer_arn,
            layer_version_arn: made.layer_version_arn,
            description: made.description,
            created_date: made.created_date,
            version: made.version,
            compatible_runtimes: made.compatible_runtimes,
            license_info: made.license_info,
            compatible_architectures: made.compatible_architectures,
        })
    }
}
