//! `GetSendStatistics`: what was sent in two weeks, by the quarter of an hour.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::api::ses::operations::GetSendStatistics;
use crate::api::ses::shapes::{GetSendStatisticsInput, GetSendStatisticsOutput, SendDataPoint};
use crate::ses::Ses;
use crate::ses::engine::{self};
use std::collections::BTreeMap;
use undercast_smithy::Timestamp;

const QUARTER_MS: i64 = 900_000;

impl Handler<GetSendStatistics> for Ses {
    fn authorize(&self, _: &Context, _: &GetSendStatisticsInput) -> Vec<Access> {
        engine::access_all("GetSendStatistics")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetSendStatisticsInput,
    ) -> Result<GetSendStatisticsOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let _ = input;
            let mut counts: BTreeMap<i64, i64> = BTreeMap::new();
            for at in engine::sent_within(&tx, &ctx, 14).await? {
                *counts.entry(at - at.rem_euclid(QUARTER_MS)).or_default() += 1;
            }
            let points = counts.into_iter().map(|(at, count)| SendDataPoint {
                timestamp: Some(Timestamp::from_millis(at)),
                delivery_attempts: Some(count),
                bounces: Some(0),
                complaints: Some(0),
                rejects: Some(0),
            });
            Ok(GetSendStatisticsOutput { send_data_points: Some(points.collect()) })
        })
        .await
    }
}
