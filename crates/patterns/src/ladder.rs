//! The release ladder: dark, canary, everybody, and back by itself. A pure state machine: whoever drives it keeps
//! the [`State`], counts [`Stats`] since [`State::since_ms`], calls [`advance`] now and then, and does the actions.
//!
//! What always holds, whatever is counted and commanded:
//! - a step whose gate fails is never left forwards, and nothing is promoted by it;
//! - no step is skipped: forwards means the next one;
//! - going back sets the weight to 0 and ends the dark run, and is final.
//!
//! An operator's `Advance` ends the waiting of a step (its duration, its sample), not its gate: a gate that fails
//! can be held, or gone back from, not overruled.

use serde::{Deserialize, Serialize};

use crate::gate::{Gate, LatencyGate, Light, Stats, Verdict};

/// As many as CodeDeploy takes.
const ALARMS_MAX: usize = 10;
const ALARM: &str = "an alarm or a hook";
/// Steps of one plan.
const STEPS_MAX: usize = 100;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Plan {
    pub steps: Vec<Step>,
    #[serde(default)]
    pub on_fail: OnFail,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Step {
    pub kind: StepKind,
    /// For at least that long.
    #[serde(default)]
    pub duration_s: u64,
    #[serde(default)]
    pub gate: Gate,
    /// CloudWatch alarms of which none may go off meanwhile.
    #[serde(default)]
    pub alarms: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub enum StepKind {
    /// That share of the requests, from 0 to 1, goes to the candidate in the dark as well.
    #[serde(rename_all = "PascalCase")]
    Dark { share: f64 },
    /// That share of the requests is answered by the candidate.
    #[serde(rename_all = "PascalCase")]
    Canary { weight: f64 },
    /// All requests are answered by the candidate; at the end of the step it is promoted. The last step.
    Everybody,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum OnFail {
    #[default]
    RollBack,
    /// Stay, and let a human decide.
    Hold,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct State {
    pub phase: Phase,
    /// The step that runs, or ran last.
    pub step: usize,
    /// What is counted for this step begins here.
    pub since_ms: i64,
    /// Time within the step that does not count as its duration.
    pub held_ms: i64,
    /// Why it is as it is: what it waits for, why it is held or went back.
    pub reasons: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub enum Phase {
    NotStarted,
    Running,
    /// By an operator, or by a gate that failed.
    #[serde(rename_all = "PascalCase")]
    Held {
        at_ms: i64,
        by_gate: bool,
    },
    /// The candidate is the primary now. Final.
    Promoted,
    RolledBack,
    /// All steps passed and none of them was for everybody. Final.
    Finished,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    Advance,
    RollBack,
    Hold,
    Resume,
    /// Something outside found a fault: an alarm went off, or a hook failed. As if the gate had failed.
    Alarm,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Action {
    SetDark(f64),
    StopDark,
    SetWeight(f64),
    Promote,
    /// The weight is 0 and the dark run over already: tell whoever has to know.
    RollBack,
}

impl State {
    pub fn new() -> State {
        State { phase: Phase::NotStarted, step: 0, since_ms: 0, held_ms: 0, reasons: Vec::new() }
    }

    pub fn is_final(&self) -> bool {
        matches!(self.phase, Phase::Promoted | Phase::RolledBack | Phase::Finished)
    }

    /// When the step has run for as long as it has to: nothing changes by time alone before. Nothing if it does
    /// not wait for time.
    pub fn due_ms(&self, plan: &Plan) -> Option<i64> {
        let step = plan.steps.get(self.step).filter(|_| self.phase == Phase::Running)?;
        Some(self.since_ms.saturating_add(self.held_ms).saturating_add(duration_ms(step)))
    }

    fn because(self, reason: impl Into<String>) -> State {
        State { reasons: vec![reason.into()], ..self }
    }
}

impl Default for State {
    fn default() -> Self {
        State::new()
    }
}

fn duration_ms(step: &Step) -> i64 {
    i64::try_from(step.duration_s.saturating_mul(1000)).unwrap_or(i64::MAX)
}

impl Step {
    fn light(&self) -> Light {
        match self.kind {
            StepKind::Dark { .. } => Light::Dark,
            StepKind::Canary { .. } | StepKind::Everybody => Light::Canary,
        }
    }
}

impl Plan {
    /// What is wrong with the plan, in words for its author.
    pub fn check(&self) -> Result<(), String> {
        if self.steps.is_empty() || self.steps.len() > STEPS_MAX {
            return Err(format!("a plan has 1 to {STEPS_MAX} steps"));
        }
        let mut weight = 0.0;
        for (index, step) in self.steps.iter().enumerate() {
            let number = index + 1;
            let named = |reason: String| format!("step {number}: {reason}");
            let is_share = |share: f64| share > 0.0 && share <= 1.0;
            match step.kind {
                StepKind::Dark { share } if !is_share(share) => {
                    return Err(named("the share is above 0 and at most 1".into()));
                }
                StepKind::Dark { .. } if weight > 0.0 => {
                    return Err(named("a dark step comes before all canary steps".into()));
                }
                StepKind::Canary { weight: next } if !is_share(next) || next >= 1.0 => {
                    return Err(named("the weight is above 0 and below 1".into()));
                }
                StepKind::Canary { weight: next } if next < weight => {
                    return Err(named("the weight is lower than that of the step before".into()));
                }
                StepKind::Everybody if number < self.steps.len() => {
                    return Err(named("the step for everybody is the last one".into()));
                }
                StepKind::Canary { weight: next } => weight = next,
                StepKind::Dark { .. } | StepKind::Everybody => {}
            }
            if step.alarms.len() > ALARMS_MAX {
                return Err(named(format!("at most {ALARMS_MAX} alarms")));
            }
            step.gate.check(step.light()).map_err(named)?;
        }
        Ok(())
    }

    /// What to begin with: everything in the dark, then 5 %, then a quarter, then everybody.
    pub fn standard() -> Plan {
        let dark = Gate {
            sample_min: 1_000,
            match_rate_min: Some(0.999),
            error_rate_over_primary_max: Some(0.001),
            executed_share_min: Some(0.5),
            ..Gate::default()
        };
        let canary = Gate {
            sample_min: 200,
            error_rate_over_primary_max: Some(0.005),
            latency: Some(LatencyGate::default()),
            ..Gate::default()
        };
        let step = |kind, duration_s, gate: &Gate| Step {
            kind,
            duration_s,
            gate: gate.clone(),
            alarms: Vec::new(),
        };
        let steps = vec![
            step(StepKind::Dark { share: 1.0 }, 3_600, &dark),
            step(StepKind::Canary { weight: 0.05 }, 600, &canary),
            step(StepKind::Canary { weight: 0.25 }, 600, &canary),
            step(StepKind::Everybody, 0, &Gate::default()),
        ];
        Plan { steps, on_fail: OnFail::RollBack }
    }

    /// One of CodeDeploy's predefined configurations for functions, by its full name or by the name that SAM's
    /// `DeploymentPreference` has for it. They have no dark step and no gates: alarms are commands.
    pub fn predefined(name: &str) -> Option<Plan> {
        let name = name.strip_prefix("CodeDeployDefault.").unwrap_or(name);
        let name = name.strip_prefix("Lambda").unwrap_or(name);
        let canary = |weight, minutes: u64| Step {
            kind: StepKind::Canary { weight },
            duration_s: minutes * 60,
            gate: Gate::default(),
            alarms: Vec::new(),
        };
        let ten_percent = |minutes| vec![canary(0.1, minutes)];
        let linear = |minutes| (1..=9).map(|n| canary(f64::from(n) / 10.0, minutes)).collect();
        let mut steps: Vec<Step> = match name {
            "AllAtOnce" => Vec::new(),
            "Canary10Percent5Minutes" => ten_percent(5),
            "Canary10Percent10Minutes" => ten_percent(10),
            "Canary10Percent15Minutes" => ten_percent(15),
            "Canary10Percent30Minutes" => ten_percent(30),
            "Linear10PercentEvery1Minute" => linear(1),
            "Linear10PercentEvery2Minutes" => linear(2),
            "Linear10PercentEvery3Minutes" => linear(3),
            "Linear10PercentEvery10Minutes" => linear(10),
            _ => return None,
        };
        steps.push(Step {
            kind: StepKind::Everybody,
            duration_s: 0,
            gate: Gate::default(),
            alarms: Vec::new(),
        });
        Some(Plan { steps, on_fail: OnFail::RollBack })
    }

    /// The names of all predefined plans, as CodeDeploy has them.
    pub const PREDEFINED: &[&str] = &[
        "CodeDeployDefault.LambdaAllAtOnce",
        "CodeDeployDefault.LambdaCanary10Percent5Minutes",
        "CodeDeployDefault.LambdaCanary10Percent10Minutes",
        "CodeDeployDefault.LambdaCanary10Percent15Minutes",
        "CodeDeployDefault.LambdaCanary10Percent30Minutes",
        "CodeDeployDefault.LambdaLinear10PercentEvery1Minute",
        "CodeDeployDefault.LambdaLinear10PercentEvery2Minutes",
        "CodeDeployDefault.LambdaLinear10PercentEvery3Minutes",
        "CodeDeployDefault.LambdaLinear10PercentEvery10Minutes",
    ];
}

/// One move: what the release is now, and what has to be done to make it so. Actions are idempotent, and the state
/// after them can be kept in the same transaction; doing them twice after a crash is harmless.
///
/// `stats` are those since [`State::since_ms`]. At most one step is taken at a time.
pub fn advance(
    state: &State,
    plan: &Plan,
    stats: &Stats,
    now_ms: i64,
    command: Option<Command>,
) -> (State, Vec<Action>) {
    if state.is_final() {
        return (state.clone(), Vec::new());
    }
    if command == Some(Command::RollBack) {
        return roll_back(state, "an operator went back".into());
    }
    let step = match (state.phase, plan.steps.get(state.step)) {
        (Phase::NotStarted, _) if command == Some(Command::Alarm) => {
            return roll_back(state, ALARM.to_owned());
        }
        (Phase::NotStarted, Some(_)) if command == Some(Command::Hold) => {
            return (state.clone().because("not started"), Vec::new());
        }
        (Phase::NotStarted, Some(first)) => return enter(0, first, None, now_ms),
        (_, Some(step)) => step,
        // The plan is another one than before.
        (_, None) => return roll_back(state, "the plan has no such step".into()),
    };
    if command == Some(Command::Alarm) {
        return fail(state, plan, now_ms, ALARM);
    }
    let verdict = step.gate.judge(step.light(), stats);
    // A human who resumes after a failure begins the step anew, with a new count.
    if let (Phase::Held { by_gate: true, .. }, Some(Command::Resume)) = (state.phase, command) {
        let state = State { phase: Phase::Running, since_ms: now_ms, held_ms: 0, ..state.clone() };
        return (state.because("the step began anew"), Vec::new());
    }
    if let Verdict::Fail(reason) = &verdict {
        return fail(state, plan, now_ms, reason);
    }
    match (state.phase, command) {
        (Phase::Held { .. }, Some(Command::Advance)) => leave(state, plan, step, now_ms),
        (Phase::Held { at_ms, .. }, Some(Command::Resume)) => {
            let held_ms = state.held_ms.saturating_add(now_ms.saturating_sub(at_ms).max(0));
            let state = State { phase: Phase::Running, held_ms, ..state.clone() };
            (state.because("resumed"), Vec::new())
        }
        (Phase::Held { .. }, _) => (state.clone(), Vec::new()),
        (_, Some(Command::Hold)) => {
            let phase = Phase::Held { at_ms: now_ms, by_gate: false };
            let state = State { phase, ..state.clone() };
            (state.because("an operator holds it"), Vec::new())
        }
        (_, Some(Command::Advance)) => leave(state, plan, step, now_ms),
        (_, _) => {
            let mut reasons = match verdict {
                Verdict::Wait(reasons) => reasons,
                Verdict::Pass | Verdict::Fail(_) => Vec::new(),
            };
            let begun_ms = state.since_ms.saturating_add(state.held_ms);
            let left_ms = begun_ms.saturating_add(duration_ms(step)).saturating_sub(now_ms);
            if left_ms > 0 {
                // Not how long: the state stays the same as long as nothing happens.
                reasons.push(format!("the step takes {} s", step.duration_s));
            }
            if reasons.is_empty() {
                return leave(state, plan, step, now_ms);
            }
            (State { reasons, ..state.clone() }, Vec::new())
        }
    }
}

fn fail(state: &State, plan: &Plan, now_ms: i64, reason: &str) -> (State, Vec<Action>) {
    match (plan.on_fail, state.phase) {
        (OnFail::RollBack, _) => roll_back(state, reason.to_owned()),
        (OnFail::Hold, Phase::Held { by_gate: true, .. }) => (state.clone(), Vec::new()),
        (OnFail::Hold, _) => {
            let phase = Phase::Held { at_ms: now_ms, by_gate: true };
            (State { phase, ..state.clone() }.because(reason), Vec::new())
        }
    }
}

fn roll_back(state: &State, reason: String) -> (State, Vec<Action>) {
    let state = State { phase: Phase::RolledBack, ..state.clone() }.because(reason);
    (state, vec![Action::SetWeight(0.0), Action::StopDark, Action::RollBack])
}

fn enter(index: usize, step: &Step, before: Option<&Step>, now_ms: i64) -> (State, Vec<Action>) {
    let state = State {
        phase: Phase::Running,
        step: index,
        since_ms: now_ms,
        held_ms: 0,
        reasons: vec!["the step began".into()],
    };
    let was_dark = before.is_some_and(|before| before.light() == Light::Dark);
    let mut actions = Vec::new();
    if was_dark && step.light() != Light::Dark {
        actions.push(Action::StopDark);
    }
    actions.push(match step.kind {
        StepKind::Dark { share } => Action::SetDark(share),
        StepKind::Canary { weight } => Action::SetWeight(weight),
        StepKind::Everybody => Action::SetWeight(1.0),
    });
    (state, actions)
}

/// The step is over: the next one begins, or the release ends.
fn leave(state: &State, plan: &Plan, step: &Step, now_ms: i64) -> (State, Vec<Action>) {
    let index = state.step + 1;
    if let Some(next) = plan.steps.get(index) {
        return enter(index, next, Some(step), now_ms);
    }
    let ended = |phase, reason: &str| State { phase, ..state.clone() }.because(reason);
    match step.kind {
        StepKind::Everybody => (ended(Phase::Promoted, "all steps passed"), vec![Action::Promote]),
        StepKind::Dark { .. } => {
            (ended(Phase::Finished, "all steps passed"), vec![Action::StopDark])
        }
        StepKind::Canary { .. } => {
            (ended(Phase::Finished, "all steps passed"), vec![Action::SetWeight(0.0)])
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plan() -> Plan {
        let text = r#"{"Steps": [
            {"Kind": {"Dark": {"Share": 1.0}}, "DurationS": 60, "Gate": {"SampleMin": 10, "MatchRateMin": 0.9}},
            {"Kind": {"Canary": {"Weight": 0.05}}, "DurationS": 60, "Gate": {"SampleMin": 10, "ErrorRateMax": 0.1}},
            {"Kind": "Everybody", "DurationS": 60, "Gate": {"ErrorRateMax": 0.1}}
        ]}"#;
        let plan: Plan = serde_json::from_str(text).unwrap();
        plan.check().unwrap();
        plan
    }

    fn good() -> Stats {
        Stats { compared: 100, matched: 100, candidate_requests: 100, ..Stats::default() }
    }

    fn bad() -> Stats {
        Stats { matched: 0, candidate_failed: 100, ..good() }
    }

    fn state_at(step: usize) -> State {
        State { phase: Phase::Running, step, ..State::new() }
    }

    #[test]
    fn a_good_release_climbs_to_the_top() {
        let plan = plan();
        let (mut state, mut actions, mut now_ms) = (State::new(), Vec::new(), 1_000);
        while !state.is_final() {
            let (next, more) = advance(&state, &plan, &good(), now_ms, None);
            state = next;
            actions.extend(more);
            now_ms += 30_000;
        }
        assert_eq!(state.phase, Phase::Promoted);
        assert_eq!(
            actions,
            [
                Action::SetDark(1.0),
                Action::StopDark,
                Action::SetWeight(0.05),
                Action::SetWeight(1.0),
                Action::Promote,
            ]
        );
        // Entered, half a minute, a minute: three steps of two ticks each.
        assert_eq!(now_ms, 1_000 + 7 * 30_000);
        assert_eq!(advance(&state, &plan, &bad(), now_ms, Some(Command::RollBack)).1, []);
    }

    #[test]
    fn a_failed_gate_goes_back_at_once() {
        for step in 0..3 {
            let (state, actions) = advance(&state_at(step), &plan(), &bad(), 1, None);
            assert_eq!(state.phase, Phase::RolledBack);
            assert_eq!(actions, [Action::SetWeight(0.0), Action::StopDark, Action::RollBack]);
        }
    }

    #[test]
    fn an_alarm_is_a_failed_gate() {
        for state in [State::new(), state_at(1)] {
            let (next, _) = advance(&state, &plan(), &good(), 1, Some(Command::Alarm));
            assert_eq!(next.phase, Phase::RolledBack);
        }
        let plan = Plan { on_fail: OnFail::Hold, ..plan() };
        let (held, _) = advance(&state_at(1), &plan, &good(), 1, Some(Command::Alarm));
        assert_eq!(held.phase, Phase::Held { at_ms: 1, by_gate: true });
        let (next, _) = advance(&held, &plan, &good(), 2, Some(Command::Advance));
        assert_eq!(next.step, 2, "a human has looked at it");
    }

    #[test]
    fn a_failed_gate_can_hold() {
        let plan = Plan { on_fail: OnFail::Hold, ..plan() };
        let (held, actions) = advance(&state_at(1), &plan, &bad(), 5, None);
        assert_eq!((held.phase, actions), (Phase::Held { at_ms: 5, by_gate: true }, vec![]));
        let (still, _) = advance(&held, &plan, &bad(), 6, Some(Command::Advance));
        assert_eq!(still, held, "a failed gate cannot be overruled");
        let (anew, _) = advance(&held, &plan, &bad(), 7, Some(Command::Resume));
        assert_eq!((anew.phase, anew.since_ms, anew.step), (Phase::Running, 7, 1));
        let (back, _) = advance(&held, &plan, &bad(), 7, Some(Command::RollBack));
        assert_eq!(back.phase, Phase::RolledBack);
        // It holds although the count is better now: a human decides.
        assert_eq!(advance(&held, &plan, &good(), 999_999, None).0, held);
    }

    #[test]
    fn holding_stops_the_clock_but_not_the_gate() {
        let plan = plan();
        let (held, _) = advance(&state_at(0), &plan, &good(), 10_000, Some(Command::Hold));
        assert_eq!(advance(&held, &plan, &good(), 900_000, None).0, held);
        let (running, _) = advance(&held, &plan, &good(), 900_000, Some(Command::Resume));
        assert_eq!(running.due_ms(&plan), Some(950_000));
        assert_eq!(advance(&running, &plan, &good(), 949_999, None).0.step, 0);
        assert_eq!(advance(&running, &plan, &good(), 950_000, None).0.step, 1);
        assert_eq!(advance(&held, &plan, &bad(), 900_000, None).0.phase, Phase::RolledBack);
    }

    #[test]
    fn an_operator_can_end_the_waiting() {
        let (state, actions) =
            advance(&state_at(0), &plan(), &Stats::default(), 1, Some(Command::Advance));
        assert_eq!(state.step, 1);
        assert_eq!(actions, [Action::StopDark, Action::SetWeight(0.05)]);
        let (state, _) = advance(&state_at(0), &plan(), &Stats::default(), 60_000, None);
        assert_eq!((state.step, state.reasons), (0, vec!["0 of 10 samples".to_owned()]));
    }

    #[test]
    fn plans_are_checked() {
        let step = |kind| Step { kind, duration_s: 0, gate: Gate::default(), alarms: Vec::new() };
        let (dark, everybody) = (step(StepKind::Dark { share: 1.0 }), step(StepKind::Everybody));
        let canary = |weight| step(StepKind::Canary { weight });
        for steps in [
            vec![],
            vec![everybody.clone(), dark.clone()],
            vec![canary(0.1), dark.clone()],
            vec![canary(0.5), canary(0.1)],
            vec![canary(1.0)],
            vec![canary(f64::NAN)],
            vec![step(StepKind::Dark { share: 0.0 })],
        ] {
            assert!(Plan { steps, on_fail: OnFail::Hold }.check().is_err());
        }
        Plan::standard().check().unwrap();
        let text = serde_json::to_string(&plan()).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan());
    }

    #[test]
    fn predefined_plans_are_those_of_codedeploy() {
        for name in Plan::PREDEFINED {
            let plan = Plan::predefined(name).unwrap();
            plan.check().unwrap();
            let short = name.trim_start_matches("CodeDeployDefault.Lambda");
            assert_eq!(Plan::predefined(short), Some(plan.clone()));
            // They run through by time alone.
            let (mut state, mut now_ms, mut shifts) = (State::new(), 0, Vec::new());
            while !state.is_final() {
                let (next, actions) = advance(&state, &plan, &Stats::default(), now_ms, None);
                shifts.extend(actions.iter().map(|action| (now_ms / 60_000, *action)));
                now_ms = next.due_ms(&plan).unwrap_or(now_ms);
                state = next;
            }
            assert_eq!(state.phase, Phase::Promoted);
            match short {
                "AllAtOnce" => {
                    assert_eq!(shifts, [(0, Action::SetWeight(1.0)), (0, Action::Promote)])
                }
                "Canary10Percent5Minutes" => assert_eq!(
                    shifts,
                    [
                        (0, Action::SetWeight(0.1)),
                        (5, Action::SetWeight(1.0)),
                        (5, Action::Promote)
                    ]
                ),
                "Linear10PercentEvery3Minutes" => {
                    assert_eq!(shifts.len(), 11);
                    assert_eq!(shifts[8], (24, Action::SetWeight(0.9)));
                    assert_eq!(shifts[9], (27, Action::SetWeight(1.0)));
                }
                _ => {}
            }
        }
        assert_eq!(Plan::predefined("Canary50Percent1Minute"), None);
    }

    fn any_plan() -> impl Strategy<Value = Plan> {
        let gate = (0_u64..20).prop_map(|sample_min| Gate {
            sample_min,
            error_rate_max: Some(0.1),
            ..Gate::default()
        });
        (prop::collection::vec((gate, 0_u64..3, any::<bool>()), 1..7), any::<bool>(), any::<bool>())
            .prop_map(|(steps, has_top, holds)| {
                let count = steps.len();
                let darks = steps.iter().take_while(|(_, _, is_dark)| *is_dark).count();
                let steps = steps.into_iter().enumerate().map(|(at, (gate, duration_s, _))| {
                    #[expect(clippy::cast_precision_loss, reason = "small")]
                    let share = (at + 1) as f64 / (count + 1) as f64;
                    let kind = if at < darks {
                        StepKind::Dark { share }
                    } else if has_top && at + 1 == count {
                        StepKind::Everybody
                    } else {
                        StepKind::Canary { weight: share }
                    };
                    Step { kind, duration_s, gate, alarms: Vec::new() }
                });
                let on_fail = if holds { OnFail::Hold } else { OnFail::RollBack };
                Plan { steps: steps.collect(), on_fail }
            })
    }

    fn any_event() -> impl Strategy<Value = (u64, u64, i64, Option<Command>)> {
        let command = prop::option::weighted(
            0.3,
            prop::sample::select(vec![
                Command::Advance,
                Command::Hold,
                Command::Resume,
                Command::Advance,
                Command::Resume,
                Command::RollBack,
                Command::Alarm,
            ]),
        );
        (0_u64..40, 0_u64..6, -500_i64..4_000, command)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn the_promises_hold(plan in any_plan(), events in prop::collection::vec(any_event(), 1..40)) {
            plan.check().unwrap();
            let (mut state, mut now_ms, mut weight, mut dark) = (State::new(), 0, 0.0, 0.0);
            for (requests, failed, passed_ms, command) in events {
                now_ms += passed_ms;
                let stats = Stats {
                    compared: requests,
                    candidate_requests: requests,
                    candidate_failed: failed.min(requests),
                    ..Stats::default()
                };
                let (next, actions) = advance(&state, &plan, &stats, now_ms, command);
                prop_assert_eq!(&advance(&state, &plan, &stats, now_ms, command), &(next.clone(), actions.clone()));
                let text = serde_json::to_string(&next).unwrap();
                prop_assert_eq!(&serde_json::from_str::<State>(&text).unwrap(), &next);
                let step = plan.steps.get(state.step).unwrap();
                let fails = matches!(step.gate.judge(step.light(), &stats), Verdict::Fail(_));
                let started = state.phase != Phase::NotStarted;
                if (fails || command == Some(Command::Alarm)) && started {
                    prop_assert!(!actions.contains(&Action::Promote));
                    prop_assert_eq!(next.step, state.step);
                }
                prop_assert!(next.step == state.step || next.step == state.step + 1 && started);
                if actions.contains(&Action::Promote) {
                    prop_assert_eq!(state.step + 1, plan.steps.len());
                    prop_assert_eq!(step.kind, StepKind::Everybody);
                }
                for action in &actions {
                    match action {
                        Action::SetWeight(to) => weight = *to,
                        Action::SetDark(to) => dark = *to,
                        Action::StopDark => dark = 0.0,
                        Action::Promote | Action::RollBack => {}
                    }
                }
                match next.phase {
                    Phase::RolledBack | Phase::Finished => prop_assert_eq!((weight, dark), (0.0, 0.0)),
                    Phase::Promoted => prop_assert_eq!((weight, dark), (1.0, 0.0)),
                    Phase::NotStarted => prop_assert_eq!((weight, dark), (0.0, 0.0)),
                    Phase::Running | Phase::Held { .. } => {
                        let expected = match plan.steps[next.step].kind {
                            StepKind::Dark { share } => (0.0, share),
                            StepKind::Canary { weight } => (weight, 0.0),
                            StepKind::Everybody => (1.0, 0.0),
                        };
                        prop_assert_eq!((weight, dark), expected);
                    }
                }
                state = next;
            }
        }
    }
}
