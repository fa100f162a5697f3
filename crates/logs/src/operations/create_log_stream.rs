//! `CreateLogStream`: makes a log stream.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, check_name, require};
use crate::Logs;
use crate::api::logs::operations::CreateLogStream;
use crate::api::logs::shapes::{CreateLogStreamInput, CreateLogStreamOutput};
use crate::store::{STREAMS, StreamRow};

impl Handler<CreateLogStream> for Logs {
    fn authorize(&self, ctx: &Context, input: &CreateLogStreamInput) -> Vec<Access> {
        access(ctx, "CreateLogStream", &input.log_group_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateLogStreamInput,
    ) -> Result<CreateLogStreamOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            check_name(&input.log_stream_name)?;
            let (_, group) = require(&tx, &ctx, &input.log_group_name).await?;
            let key = (group.number, input.log_stream_name.clone());
            if STREAMS.get(&tx, &key).await?.is_some() {
                return Err(ServiceError::new(
                    "ResourceAlreadyExistsException",
                    "The specified log stream already exists",
                ));
            }
            let row = StreamRow {
                created_ms: tx.now_ms(),
                first_ms: None,
                last_ms: None,
                ingested_ms: None,
            };
            STREAMS.put(&tx, &key, &row)?;
            Ok(CreateLogStreamOutput::default())
        })
        .await
    }
}
