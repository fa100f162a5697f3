//! `DeleteQueryDefinition`: forgets a kept query.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{no_definition, query_key};
use crate::Logs;
use crate::api::logs::operations::DeleteQueryDefinition;
use crate::api::logs::shapes::{DeleteQueryDefinitionInput, DeleteQueryDefinitionOutput};
use crate::store::DEFINITIONS;

impl Handler<DeleteQueryDefinition> for Logs {
    fn authorize(&self, _: &Context, _: &DeleteQueryDefinitionInput) -> Vec<Access> {
        vec![Access::new("logs:DeleteQueryDefinition", "*")]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteQueryDefinitionInput,
    ) -> Result<DeleteQueryDefinitionOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let key = query_key(&ctx, &input.query_definition_id);
            DEFINITIONS.get(&tx, &key).await?.ok_or_else(no_definition)?;
            DEFINITIONS.delete(&tx, &key)?;
            Ok(DeleteQueryDefinitionOutput { success: Some(true) })
        })
        .await
    }
}
