//! Deployment configurations: how traffic goes over, as steps of a release.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use undercast_kernel::ServiceError;

use super::error::invalid_routing;
use crate::api::codedeploy::shapes;

/// What a group has that names none.
pub(crate) const DEFAULT: &str = "CodeDeployDefault.LambdaAllAtOnce";
const PREFIX: &str = "CodeDeployDefault.Lambda";
const MINUTES_MAX: i32 = 2_880;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Routing {
    AllAtOnce,
    Canary { percent: i32, minutes: i32 },
    Linear { percent: i32, minutes: i32 },
}

/// The names of those that AWS has made.
pub(crate) const PREDEFINED: &[(&str, Routing)] = &[
    ("AllAtOnce", Routing::AllAtOnce),
    ("Canary10Percent10Minutes", Routing::Canary { percent: 10, minutes: 10 }),
    ("Canary10Percent15Minutes", Routing::Canary { percent: 10, minutes: 15 }),
    ("Canary10Percent30Minutes", Routing::Canary { percent: 10, minutes: 30 }),
    ("Canary10Percent5Minutes", Routing::Canary { percent: 10, minutes: 5 }),
    ("Linear10PercentEvery10Minutes", Routing::Linear { percent: 10, minutes: 10 }),
    ("Linear10PercentEvery1Minute", Routing::Linear { percent: 10, minutes: 1 }),
    ("Linear10PercentEvery2Minutes", Routing::Linear { percent: 10, minutes: 2 }),
    ("Linear10PercentEvery3Minutes", Routing::Linear { percent: 10, minutes: 3 }),
];

pub(crate) fn predefined(name: &str) -> Option<Routing> {
    let name = name.strip_prefix(PREFIX)?;
    PREDEFINED.iter().find(|(known, _)| *known == name).map(|(_, routing)| *routing)
}

pub(crate) fn predefined_names() -> impl Iterator<Item = String> {
    PREDEFINED.iter().map(|(name, _)| format!("{PREFIX}{name}"))
}

impl Routing {
    pub(crate) fn read(
        config: Option<&shapes::TrafficRoutingConfig>,
    ) -> Result<Self, ServiceError> {
        let Some(config) = config else {
            return Err(invalid_routing(
                "A traffic routing configuration is required for the Lambda compute platform.",
            ));
        };
        let check = |percent: Option<i32>, minutes: Option<i32>| {
            let (percent, minutes) = (percent.unwrap_or(0), minutes.unwrap_or(0));
            if !(1..=99).contains(&percent) || !(1..=MINUTES_MAX).contains(&minutes) {
                return Err(invalid_routing(format!(
                    "The percentage has to be from 1 to 99 and the interval from 1 to {MINUTES_MAX} minutes."
                )));
            }
            Ok((percent, minutes))
        };
        match (config.r#type.as_deref(), &config.time_based_canary, &config.time_based_linear) {
            (Some("AllAtOnce"), None, None) => Ok(Self::AllAtOnce),
            (Some("TimeBasedCanary"), Some(canary), None) => {
                let (percent, minutes) = check(canary.canary_percentage, canary.canary_interval)?;
                Ok(Self::Canary { percent, minutes })
            }
            (Some("TimeBasedLinear"), None, Some(linear)) => {
                let (percent, minutes) = check(linear.linear_percentage, linear.linear_interval)?;
                Ok(Self::Linear { percent, minutes })
            }
            _ => Err(invalid_routing(
                "The type of the traffic routing configuration and its settings do not agree.",
            )),
        }
    }

    pub(crate) fn shown(self) -> shapes::TrafficRoutingConfig {
        let mut config = shapes::TrafficRoutingConfig::default();
        let kind = match self {
            Self::AllAtOnce => "AllAtOnce",
            Self::Canary { percent, minutes } => {
                config.time_based_canary = Some(shapes::TimeBasedCanary {
                    canary_percentage: Some(percent),
                    canary_interval: Some(minutes),
                });
                "TimeBasedCanary"
            }
            Self::Linear { percent, minutes } => {
                config.time_based_linear = Some(shapes::TimeBasedLinear {
                    linear_percentage: Some(percent),
                    linear_interval: Some(minutes),
                });
                "TimeBasedLinear"
            }
        };
        config.r#type = Some(kind.to_owned());
        config
    }

    /// The steps of a release: time alone leads on.
    pub(crate) fn steps(self) -> Value {
        let step = |percent: i32, minutes: i32| {
            json!({
                "Kind": "Canary",
                "Share": f64::from(percent) / 100.0,
                "DurationSeconds": i64::from(minutes) * 60,
            })
        };
        let mut steps: Vec<Value> = match self {
            Self::AllAtOnce => Vec::new(),
            Self::Canary { percent, minutes } => vec![step(percent, minutes)],
            Self::Linear { percent, minutes } => (1..)
                .map(|n| n * percent)
                .take_while(|share| *share < 100)
                .map(|share| step(share, minutes))
                .collect(),
        };
        steps.push(json!({"Kind": "Everybody"}));
        Value::Array(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_those_of_the_configuration() {
        let shares = |routing: Routing| -> Vec<f64> {
            let steps = routing.steps();
            let steps = steps.as_array().unwrap().iter();
            steps.filter_map(|step| step.get("Share")?.as_f64()).collect()
        };
        assert_eq!(shares(Routing::AllAtOnce), [] as [f64; 0]);
        assert_eq!(
            shares(predefined("CodeDeployDefault.LambdaCanary10Percent5Minutes").unwrap()),
            [0.1]
        );
        assert_eq!(shares(Routing::Linear { percent: 40, minutes: 1 }), [0.4, 0.8]);
        assert_eq!(shares(Routing::Linear { percent: 1, minutes: 1 }).len(), 99);
        assert_eq!(predefined("CodeDeployDefault.OneAtATime"), None);
    }
}
