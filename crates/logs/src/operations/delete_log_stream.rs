//! `DeleteLogStream`: deletes a log stream; its events go with their group or their age.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, no_stream, require};
use crate::Logs;
use crate::api::logs::operations::DeleteLogStream;
use crate::api::logs::shapes::{DeleteLogStreamInput, DeleteLogStreamOutput};
use crate::store::{EVENTS, STREAMS};

impl Handler<DeleteLogStream> for Logs {
    fn authorize(&self, ctx: &Context, input: &DeleteLogStreamInput) -> Vec<Access> {
        access(ctx, "DeleteLogStream", &input.log_group_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteLogStreamInput,
    ) -> Result<DeleteLogStreamOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (_, group) = require(&tx, &ctx, &input.log_group_name).await?;
            let key = (group.number, input.log_stream_name.clone());
            let stream = STREAMS.get(&tx, &key).await?.ok_or_else(no_stream)?;
            let span = EVENTS.between(
                &(group.number, stream.first_ms.unwrap_or(0)),
                &(group.number, stream.last_ms.unwrap_or(0).saturating_add(1)),
            );
            for (event, row) in EVENTS.scan(&tx, span, EVENTS_MAX, false).await? {
                if row.stream == input.log_stream_name {
                    EVENTS.delete(&tx, &event)?;
                }
            }
            STREAMS.delete(&tx, &key)?;
            Ok(DeleteLogStreamOutput::default())
        })
        .await
    }
}

/// How many events one deletion looks at.
const EVENTS_MAX: usize = 50_000;
