//! `DescribeDifference`: one kind of difference, with samples.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::Timestamp;

use super::{access, passage, shown_kind};
use crate::Release;
use crate::api::release::operations::DescribeDifference;
use crate::api::release::shapes::{DescribeDifferenceInput, DescribeDifferenceOutput, Sample};
use crate::compare::Path;
use crate::error::no_difference;
use crate::ledger::Ledger;
use crate::runs::shown_given;

const REQUEST_BYTES_MAX: usize = 4_096;

impl Handler<DescribeDifference> for Release {
    fn authorize(&self, ctx: &Context, input: &DescribeDifferenceInput) -> Vec<Access> {
        access(ctx, "DescribeDifference", &input.name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeDifferenceInput,
    ) -> Result<DescribeDifferenceOutput, ServiceError> {
        let (_, row) = self.current(&ctx, &input.name).await?;
        let tx = ctx.store().begin().await?;
        let id = &input.difference_id;
        let found = Ledger::default().kind(ctx.store(), &row.id, id).await?;
        let (entry, samples) = found.ok_or_else(|| no_difference(id))?;
        let rules = row.rules.compile().map_err(|e| ServiceError::internal(e.to_string()))?;
        let mut shown = Vec::new();
        for sample in samples {
            let request = passage(&tx, &row.id, &sample.pair).await?;
            let request = request.map(|passage| {
                let given = shown_given(&passage.given());
                rules.redactor().sample(&Path::root(), &given, REQUEST_BYTES_MAX).to_string()
            });
            shown.push(Sample {
                id: Some(sample.pair),
                seen: Some(Timestamp::from_millis(sample.at_ms)),
                primary: sample.primary.map(|value| value.to_string()),
                candidate: sample.candidate.map(|value| value.to_string()),
                request,
            });
        }
        Ok(DescribeDifferenceOutput { difference: Some(shown_kind(&entry)), samples: Some(shown) })
    }
}
