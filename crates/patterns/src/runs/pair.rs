//! A passage on its way: from the primary's answer to the tally.

use std::sync::Arc;
use std::time::Duration;

use undercast_kernel::{Answered, Given, Pair, Side};

use super::active::{Active, Place};
use super::passage::{answer, effects};
use crate::compare::Observed;

/// A primary that is being answered while somebody watches.
pub(super) struct Passing {
    pub(super) active: Arc<Active>,
    pub(super) side: Arc<Side>,
    pub(super) place: std::sync::Mutex<Option<Place>>,
    pub(super) started_ms: i64,
}

impl Pair for Passing {
    fn side(&self) -> &Arc<Side> {
        &self.side
    }

    fn answered(self: Arc<Self>, given: Given, answered: Answered, took: Duration) {
        let place = self.place.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let Some(place) = place else { return };
        let env = self.active.kernel.env().clone();
        env.spawn("dark.candidate", async move {
            let primary = Observed {
                answer: answer(answered),
                effects: effects(&self.side),
                duration_ms: took.as_secs_f64() * 1000.0,
                started_ms: self.started_ms,
            };
            self.active.try_candidate(place, &self.side, given, primary).await;
        });
    }
}
