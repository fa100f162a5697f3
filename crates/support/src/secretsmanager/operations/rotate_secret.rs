//! `RotateSecret`: has a function make a new value, now and by schedule.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::allowed;
use crate::api::secretsmanager::operations::RotateSecret;
use crate::api::secretsmanager::shapes::{RotateSecretInput, RotateSecretOutput};
use crate::secretsmanager::SecretsManager;
use crate::secretsmanager::engine::{self, arn, require};
use crate::secretsmanager::error::{invalid, refused};
use crate::secretsmanager::rotation::{begin, no_function, period_ms, plan};
use crate::secretsmanager::store::SECRETS;

impl Handler<RotateSecret> for SecretsManager {
    fn authorize(&self, _: &Context, _: &RotateSecretInput) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: RotateSecretInput,
    ) -> Result<RotateSecretOutput, ServiceError> {
        allowed(&ctx, "RotateSecret", &input.secret_id).await?;
        if input.external_secret_rotation_role_arn.is_some()
            || input.external_secret_rotation_metadata.is_some()
        {
            return Err(ServiceError::unsupported("the rotation of a secret managed elsewhere"));
        }
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.secret_id).await?;

            let mut rotation = row.rotation.clone().unwrap_or_default();
            if let Some(function) = &input.rotation_lambda_arn {
                rotation.function.clone_from(function);
            }
            if rotation.function.is_empty() {
                return Err(no_function());
            }
            if let Some(rules) = &input.rotation_rules {
                if rules.automatically_after_days.is_some() && rules.schedule_expression.is_some() {
                    return Err(invalid("You can't specify both AutomaticallyAfterDays and ScheduleExpression in the rotation rules."));
                }
                rotation.after_days = rules.automatically_after_days;
                rotation.schedule.clone_from(&rules.schedule_expression);
                rotation.duration.clone_from(&rules.duration);
            }
            period_ms(&rotation)?;
            rotation.is_enabled = true;
            let version = engine::token(&tx, input.client_request_token.as_ref());
            if let Some(running) = rotation.running.as_ref().filter(|running| **running != version) {
                return Err(refused(format!("A previous rotation isn't complete. That rotation will be reattempted. It is of version {running}.")));
            }
            row.rotation = Some(rotation);
            let now = input.rotate_immediately.unwrap_or(true);
            if now && engine::value(&tx, &ctx, &key, &version).await?.is_none() {
                begin(&tx, &key, &mut row, &version)?;
            }
            plan(&tx, &key, &mut row)?;
            SECRETS.put(&tx, &key, &row)?;
            Ok(RotateSecretOutput {
                arn: Some(arn(&ctx, &key.2, &row)),
                name: Some(key.2),
                version_id: now.then_some(version),
            })
        })
        .await
    }
}
