//! `UpdateSecretVersionStage`: moves a staging label.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::allowed;
use crate::api::secretsmanager::operations::UpdateSecretVersionStage;
use crate::api::secretsmanager::shapes::{
    UpdateSecretVersionStageInput, UpdateSecretVersionStageOutput,
};
use crate::secretsmanager::SecretsManager;
use crate::secretsmanager::engine::{CURRENT, arn, labelled, move_stage, require};
use crate::secretsmanager::error::{invalid, no_value};
use crate::secretsmanager::store::SECRETS;

impl Handler<UpdateSecretVersionStage> for SecretsManager {
    fn authorize(&self, _: &Context, _: &UpdateSecretVersionStageInput) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateSecretVersionStageInput,
    ) -> Result<UpdateSecretVersionStageOutput, ServiceError> {
        allowed(&ctx, "UpdateSecretVersionStage", &input.secret_id).await?;
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.secret_id).await?;

            let stage = input.version_stage.as_str();
            let holder = labelled(&row, stage).map(str::to_owned);
            for version in [&input.remove_from_version_id, &input.move_to_version_id].into_iter().flatten() {
                if !row.versions.contains_key(version) {
                    return Err(no_value(&format!("VersionId: {version}")));
                }
            }
            let named = input.remove_from_version_id.as_ref();
            if named.is_some() && named != holder.as_ref() || named.is_none() && holder.is_some() && holder != input.move_to_version_id {
                return Err(invalid(match &holder {
                    Some(holder) => format!("The parameter RemoveFromVersionId can't be empty or another version. Staging label {stage} is currently attached to version {holder}, so you must explicitly reference that version in RemoveFromVersionId."),
                    None => format!("Staging label {stage} isn't attached to the version in RemoveFromVersionId."),
                }));
            }
            if stage == CURRENT && input.move_to_version_id.is_none() {
                return Err(invalid("You can't remove the staging label AWSCURRENT; move it to another version."));
            }
            move_stage(&mut row, stage, input.move_to_version_id.as_deref());
            row.changed_ms = tx.now_ms();
            SECRETS.put(&tx, &key, &row)?;
            Ok(UpdateSecretVersionStageOutput { arn: Some(arn(&ctx, &key.2, &row)), name: Some(key.2) })
        })
        .await
    }
}
