//! `DescribeAlarmsForMetric`: the alarms on one metric.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::CloudWatch;
use crate::api::cloudwatch::operations::DescribeAlarmsForMetric;
use crate::api::cloudwatch::shapes::{
    DescribeAlarmsForMetricInput, DescribeAlarmsForMetricOutput, MetricAlarm,
};
use crate::limits::ALARMS_MAX;
use crate::series::ordered;
use crate::store::ALARMS;

impl Handler<DescribeAlarmsForMetric> for CloudWatch {
    fn authorize(&self, _: &Context, _: &DescribeAlarmsForMetricInput) -> Vec<Access> {
        access("DescribeAlarmsForMetric")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeAlarmsForMetricInput,
    ) -> Result<DescribeAlarmsForMetricOutput, ServiceError> {
        let scope = (ctx.account().to_owned(), ctx.region().to_owned());
        let rows = ALARMS.list(ctx.store(), ALARMS.prefix(&scope), ALARMS_MAX, false).await?;
        let mut found = Vec::new();
        for (key, row) in rows.iter().filter(|(_, row)| !row.is_composite) {
            found.extend(Some(row.metric(key)?).filter(|alarm| fits(&input, alarm)));
        }
        Ok(DescribeAlarmsForMetricOutput { metric_alarms: Some(found) })
    }
}

fn fits(input: &DescribeAlarmsForMetricInput, alarm: &MetricAlarm) -> bool {
    let same = |wanted: &Option<String>, has: &Option<String>| wanted.is_none() || wanted == has;
    alarm.metric_name.as_ref() == Some(&input.metric_name)
        && alarm.namespace.as_ref() == Some(&input.namespace)
        && ordered(alarm.dimensions.as_ref()) == ordered(input.dimensions.as_ref())
        && same(&input.statistic, &alarm.statistic)
        && same(&input.extended_statistic, &alarm.extended_statistic)
        && same(&input.unit, &alarm.unit)
        && (input.period.is_none() || input.period == alarm.period)
}
