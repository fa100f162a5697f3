//! `CreateEventSourceMapping`: lets a function read a queue or a stream.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::CreateEventSourceMapping;
use crate::api::lambda::shapes::{CreateEventSourceMappingInput, EventSourceMappingConfiguration};
use crate::error::invalid;
use crate::mappings::{self, Change};
use crate::name::FunctionName;
use crate::store::{CHECKPOINTS, CheckpointRow, FUNCTIONS, MAPPED, MAPPINGS, MappingRow};

const STREAM_BATCH_SIZE: u32 = 100;

impl Handler<CreateEventSourceMapping> for Lambda {
    fn authorize(&self, ctx: &Context, input: &CreateEventSourceMappingInput) -> Vec<Access> {
        super::access(ctx, "CreateEventSourceMapping", &input.function_name, None)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateEventSourceMappingInput,
    ) -> Result<EventSourceMappingConfiguration, ServiceError> {
        mappings::refuse_on_create(&input)?;
        let Some(source) = input.event_source_arn.clone() else {
            return Err(invalid("Unrecognized event source."));
        };
        let name = FunctionName::parse(&ctx, &input.function_name, None)?;
        let arn = mappings::check_source(&ctx, &source)?;
        let stream = mappings::stream_of(&ctx, &arn).cloned();
        let mut row = MappingRow {
            source: source.clone(),
            function: name.own_arn(),
            enabled: input.enabled.unwrap_or(true),
            batch_size: if stream.is_some() { STREAM_BATCH_SIZE } else { 10 },
            window_s: 0,
            filters: Vec::new(),
            partial: false,
            concurrency_max: None,
            modified_ms: ctx.now_ms(),
            tags: input.tags.clone().unwrap_or_default(),
            stream: match &stream {
                Some(_) => Some(mappings::new_stream(&input, &source)?),
                None => None,
            },
        };
        Change::from(&input).apply(&mut row)?;
        let target = self.functions.resolve(&ctx, name.clone()).await;
        let target = target.map_err(|error| match error.code() {
            "ResourceNotFoundException" => invalid("Function does not exist"),
            _ => error,
        })?;
        let as_role = self.functions.as_role(&ctx, &target).await?;
        mappings::check_role(&as_role, &arn).await?;
        // What is written from now on is read, wherever the mapping begins.
        let positions = match (&stream, &row.stream) {
            (Some(stream), Some(row)) => {
                let found = mappings::positions(&ctx, stream, &source, row).await;
                found.map_err(|error| match error.code() {
                    "ResourceNotFoundException" => invalid(format!("Stream not found: {source}")),
                    _ => error,
                })?
            }
            _ => {
                let timeout_s = target.config.settings.timeout_s;
                mappings::check_queue(&ctx, &arn, timeout_s).await?;
                Vec::new()
            }
        };
        ctx.transact((name, row, positions), |tx, ctx, input| async move {
            let (name, row, positions) = &*input;
            let (account, region) = (name.account.clone(), name.region.clone());
            let taken = (account.clone(), region.clone(), row.source.clone(), row.function.clone());
            if let Some(uuid) = MAPPED.get(&tx, &taken).await? {
                return Err(mappings::exists(&row.source, &name.name, &uuid));
            }
            if FUNCTIONS.get(&tx, &name.key()).await?.is_none() {
                return Err(invalid("Function does not exist"));
            }
            let uuid = tx.ids().uuid();
            MAPPED.put(&tx, &taken, &uuid)?;
            MAPPINGS.put(&tx, &(account, region, uuid.clone()), row)?;
            for (shard, position) in positions {
                for lane in 0..row.stream.as_ref().map_or(0, |stream| stream.factor) {
                    let checkpoint = CheckpointRow { position: *position, window: None };
                    CHECKPOINTS.put(&tx, &(uuid.clone(), shard.clone(), lane), &checkpoint)?;
                }
            }
            Ok(mappings::describe(&ctx, &uuid, row, "Creating"))
        })
        .await
    }
}
