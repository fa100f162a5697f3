//! `UpdateEventSourceMapping`: changes, stops or starts a mapping.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::UpdateEventSourceMapping;
use crate::api::lambda::shapes::{EventSourceMappingConfiguration, UpdateEventSourceMappingInput};
use crate::error::{invalid, no_resource};
use crate::mappings::{self, Change};
use crate::name::FunctionName;
use crate::store::{FUNCTIONS, MAPPED, MAPPINGS, MappingRow};

impl Handler<UpdateEventSourceMapping> for Lambda {
    fn authorize(&self, ctx: &Context, input: &UpdateEventSourceMappingInput) -> Vec<Access> {
        vec![Access::new("lambda:UpdateEventSourceMapping", mappings::arn(ctx, &input.uuid))]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateEventSourceMappingInput,
    ) -> Result<EventSourceMappingConfiguration, ServiceError> {
        mappings::refuse_on_update(&input)?;
        ctx.transact(input, |tx, ctx, input| async move {
            let key = mappings::key(&ctx, &input.uuid);
            let mut row = MAPPINGS.get(&tx, &key).await?.ok_or_else(no_resource)?;
            let was_enabled = row.enabled;
            let lanes = |row: &MappingRow| row.stream.as_ref().map_or(0, |stream| stream.factor);
            let lanes_before = lanes(&row);
            Change::from(&*input).apply(&mut row)?;
            if lanes(&row) != lanes_before {
                mappings::relane(&tx, &input.uuid, lanes(&row)).await?;
            }
            if let Some(function) = &input.function_name {
                let name = FunctionName::parse(&ctx, function, None)?;
                if FUNCTIONS.get(&tx, &name.key()).await?.is_none() {
                    return Err(invalid("Function does not exist"));
                }
                let place = |function: &str| {
                    (key.0.clone(), key.1.clone(), row.source.clone(), function.to_owned())
                };
                let wanted = place(&name.own_arn());
                let other = MAPPED.get(&tx, &wanted).await?;
                if let Some(other) = other.filter(|other| *other != input.uuid) {
                    return Err(mappings::exists(&row.source, &name.name, &other));
                }
                MAPPED.delete(&tx, &place(&row.function))?;
                MAPPED.put(&tx, &place(&name.own_arn()), &input.uuid)?;
                row.function = name.own_arn();
            }
            row.enabled = input.enabled.unwrap_or(row.enabled);
            row.modified_ms = tx.now_ms();
            MAPPINGS.put(&tx, &key, &row)?;
            let state = match (was_enabled, row.enabled) {
                (false, true) => "Enabling",
                (true, false) => "Disabling",
                _ => "Updating",
            };
            mappings::described(&ctx, &tx, &input.uuid, &row, state).await
        })
        .await
    }
}
