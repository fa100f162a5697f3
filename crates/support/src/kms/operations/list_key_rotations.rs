//! `ListKeyRotations`: when a key got new material.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::Timestamp;

use super::{access, require, rotatable};
use crate::api::kms::operations::ListKeyRotations;
use crate::api::kms::shapes::RotationsListEntry;
use crate::api::kms::shapes::{ListKeyRotationsInput, ListKeyRotationsOutput};
use crate::kms::Kms;
use crate::kms::material;
use crate::kms::store::MATERIALS;

impl Handler<ListKeyRotations> for Kms {
    fn authorize(&self, ctx: &Context, input: &ListKeyRotationsInput) -> Vec<Access> {
        access(ctx, "ListKeyRotations", &input.key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListKeyRotationsInput,
    ) -> Result<ListKeyRotationsOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, row) = require(&tx, &ctx, &input.key_id).await?;
            rotatable(&ctx, &key, &row)?;
            material::current(&tx, ctx.kernel(), &key, &row).await?;
            let after = input.marker.as_deref().and_then(|marker| marker.parse::<u32>().ok());
            let first = input.include_key_material.as_deref() == Some("ALL_KEY_MATERIAL");
            let all = MATERIALS.scan(&tx, MATERIALS.prefix(&key), 10_000, false).await?;
            let mut wanted: Vec<_> = all
                .into_iter()
                .filter(|(place, old)| first || !old.rotation.is_empty() && place.3 > 0)
                .filter(|(place, _)| after.is_none_or(|after| place.3 > after))
                .collect();
            let size = usize::try_from(input.limit.unwrap_or(100)).unwrap_or(100);
            let more = wanted.len() > size;
            wanted.truncate(size);
            let next_marker = wanted.last().filter(|_| more).map(|(place, _)| place.3.to_string());
            let rotations = wanted.into_iter().map(|(place, old)| RotationsListEntry {
                key_id: Some(key.2.clone()),
                key_material_id: Some(old.id),
                key_material_state: Some(
                    if place.3 == row.material { "CURRENT" } else { "NON_CURRENT" }.to_owned(),
                ),
                rotation_date: Some(Timestamp::from_millis(old.created_ms)).filter(|_| place.3 > 0),
                rotation_type: Some(old.rotation).filter(|kind| !kind.is_empty()),
                ..RotationsListEntry::default()
            });
            Ok(ListKeyRotationsOutput {
                rotations: Some(rotations.collect()),
                next_marker,
                truncated: Some(more),
            })
        })
        .await
    }
}
