//! `DescribeAlarmHistory`: what happened to alarms in the last 30 days.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::Timestamp;

use super::{alarm_access, alarm_key, page_size};
use crate::CloudWatch;
use crate::api::cloudwatch::operations::DescribeAlarmHistory;
use crate::api::cloudwatch::shapes::{
    AlarmHistoryItem, DescribeAlarmHistoryInput, DescribeAlarmHistoryOutput,
};
use crate::error::invalid_token;
use crate::limits::HISTORY_MS;
use crate::store::HISTORY;

/// How many items one call looks at.
const LOOKED_AT_MAX: usize = 20_000;

impl Handler<DescribeAlarmHistory> for CloudWatch {
    fn authorize(&self, ctx: &Context, input: &DescribeAlarmHistoryInput) -> Vec<Access> {
        let all = "*".to_owned();
        alarm_access(ctx, "DescribeAlarmHistory", &[input.alarm_name.as_ref().unwrap_or(&all)])
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeAlarmHistoryInput,
    ) -> Result<DescribeAlarmHistoryOutput, ServiceError> {
        let skipped: usize = match &input.next_token {
            None => 0,
            Some(token) => token.parse().map_err(|_| invalid_token())?,
        };
        let range = match &input.alarm_name {
            Some(name) => HISTORY.prefix(&alarm_key(&ctx, name)),
            None => HISTORY.prefix(&(ctx.account().to_owned(), ctx.region().to_owned())),
        };
        // The newest ones where there are more than can be looked at.
        let mut rows = HISTORY.list(ctx.store(), range, LOOKED_AT_MAX, true).await?;
        let types = input.alarm_types.as_deref().unwrap_or(&[]);
        let kind = |is_composite: bool| if is_composite { "CompositeAlarm" } else { "MetricAlarm" };
        let since = ctx.now_ms() - HISTORY_MS;
        rows.retain(|(key, row)| {
            key.3 >= input.start_date.map_or(since, |at| at.millis().max(since))
                && input.end_date.is_none_or(|end| key.3 <= end.millis())
                && input.history_item_type.as_ref().is_none_or(|wanted| *wanted == row.kind)
                && (types.is_empty() && (!row.is_composite || input.alarm_name.is_some())
                    || types.iter().any(|wanted| wanted == kind(row.is_composite)))
        });
        rows.sort_by_key(|(key, _)| std::cmp::Reverse(key.3));
        if input.scan_by.as_deref() == Some("TimestampAscending") {
            rows.reverse();
        }
        let size = page_size(input.max_records);
        let more = rows.len() > skipped.saturating_add(size);
        let items = rows.into_iter().skip(skipped).take(size).map(|(key, row)| AlarmHistoryItem {
            alarm_name: Some(key.2),
            alarm_type: Some(kind(row.is_composite).to_owned()),
            timestamp: Some(Timestamp::from_millis(key.3)),
            history_item_type: Some(row.kind),
            history_summary: Some(row.summary),
            history_data: Some(row.data),
            ..AlarmHistoryItem::default()
        });
        Ok(DescribeAlarmHistoryOutput {
            alarm_history_items: Some(items.collect()),
            next_token: more.then(|| (skipped + size).to_string()),
        })
    }
}
