//! `GetSecretValue`: a value of a secret.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{allowed, check_key_of};
use crate::api::secretsmanager::operations::GetSecretValue;
use crate::api::secretsmanager::shapes::{GetSecretValueInput, GetSecretValueOutput};
use crate::secretsmanager::SecretsManager;
use crate::secretsmanager::engine::{self};

impl Handler<GetSecretValue> for SecretsManager {
    fn authorize(&self, _: &Context, _: &GetSecretValueInput) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetSecretValueInput,
    ) -> Result<GetSecretValueOutput, ServiceError> {
        allowed(&ctx, "GetSecretValue", &input.secret_id).await?;
        check_key_of(&ctx, &input.secret_id).await?;
        ctx.transact(input, |tx, ctx, input| async move {
            engine::read(
                &tx,
                &ctx,
                &input.secret_id,
                input.version_id.as_deref(),
                input.version_stage.as_deref(),
            )
            .await
        })
        .await
    }
}
