//! `PutCompositeAlarm`: makes an alarm that follows the states of others, or changes it.

use std::collections::BTreeMap;

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::document::to_document;

use super::{alarm_access, put_alarm};
use crate::CloudWatch;
use crate::alarms::rule::Rule;
use crate::api::cloudwatch::operations::PutCompositeAlarm;
use crate::api::cloudwatch::shapes::{PutCompositeAlarmInput, PutCompositeAlarmOutput};
use crate::error::invalid;
use crate::limits::ALARMS_MAX;
use crate::store::ALARMS;

impl Handler<PutCompositeAlarm> for CloudWatch {
    fn authorize(&self, ctx: &Context, input: &PutCompositeAlarmInput) -> Vec<Access> {
        alarm_access(ctx, "PutCompositeAlarm", &[&input.alarm_name])
    }

    async fn handle(
        &self,
        ctx: Context,
        mut input: PutCompositeAlarmInput,
    ) -> Result<PutCompositeAlarmOutput, ServiceError> {
        if input.actions_suppressor.is_some() {
            return Err(ServiceError::unsupported("ActionsSuppressor"));
        }
        let rule = Rule::parse(&input.alarm_rule).map_err(|reason| {
            invalid(format!("AlarmRule must contain a valid expression: {reason}"))
        })?;
        check_names(&ctx, &input.alarm_name, &rule).await?;
        let tags = input.tags.take();
        let (name, settings) = (input.alarm_name.clone(), to_document(&input));
        put_alarm(&ctx, name, true, settings, tags).await?;
        Ok(PutCompositeAlarmOutput::default())
    }
}

/// Every alarm of the rule is there, and none of them looks back at this one.
async fn check_names(ctx: &Context, name: &str, rule: &Rule) -> Result<(), ServiceError> {
    let scope = (ctx.account().to_owned(), ctx.region().to_owned());
    let rows = ALARMS.list(ctx.store(), ALARMS.prefix(&scope), ALARMS_MAX, false).await?;
    let mut rules: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (key, row) in &rows {
        let document = row.document();
        let text = document.get("AlarmRule").and_then(serde_json::Value::as_str);
        let rule = text.and_then(|text| Rule::parse(text).ok());
        let names = rule.iter().flat_map(Rule::names).map(str::to_owned).collect();
        rules.insert(&key.2, names);
    }
    let mut open: Vec<String> = rule.names().into_iter().map(str::to_owned).collect();
    if let Some(gone) = open.iter().find(|one| !rules.contains_key(one.as_str()) && *one != name) {
        return Err(invalid(format!(
            "Could not save the composite alarm as the alarm [{gone}] in the alarm rule does not exist"
        )));
    }
    let mut seen = std::collections::BTreeSet::new();
    while let Some(one) = open.pop() {
        if one == name {
            return Err(invalid("The alarm rule of a composite alarm must not lead back to it."));
        }
        if seen.insert(one.clone()) {
            open.extend(rules.get(one.as_str()).cloned().unwrap_or_default());
        }
    }
    Ok(())
}
