//! `TestMetricFilter`: which messages a pattern matches, and what it finds in them.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::invalid;
use crate::Logs;
use crate::api::logs::operations::TestMetricFilter;
use crate::api::logs::shapes::{
    MetricFilterMatchRecord, TestMetricFilterInput, TestMetricFilterOutput,
};
use crate::pattern::Pattern;

impl Handler<TestMetricFilter> for Logs {
    fn authorize(&self, _: &Context, _: &TestMetricFilterInput) -> Vec<Access> {
        vec![Access::new("logs:TestMetricFilter", "*")]
    }

    async fn handle(
        &self,
        _: Context,
        input: TestMetricFilterInput,
    ) -> Result<TestMetricFilterOutput, ServiceError> {
        let pattern = Pattern::parse(&input.filter_pattern).map_err(invalid)?;
        let matches = (1..).zip(input.log_event_messages).filter_map(|(number, message)| {
            Some(MetricFilterMatchRecord {
                event_number: Some(number),
                extracted_values: Some(pattern.extract(&message)?),
                event_message: Some(message),
            })
        });
        Ok(TestMetricFilterOutput { matches: Some(matches.collect()) })
    }
}
