//! The ring of a bucket in the model.

use super::Settings;
use crate::traffic::Event;

#[derive(Clone, Copy)]
struct Winner {
    /// Window and priority.
    admission: (u64, u32),
    event: Event,
    stamp_ms: u64,
    then_ms: u64,
}

pub(super) struct Ring {
    slots: Vec<Option<Winner>>,
    last_stamp_ms: u64,
}

impl Ring {
    pub(super) fn new(slots: usize, last_stamp_ms: u64) -> Self {
        Ring { slots: vec![None; slots], last_stamp_ms }
    }

    /// Stores a winner. Returns its stamp; nothing if no slot may be taken.
    pub(super) fn write(
        &mut self,
        settings: &Settings,
        admission: (u64, u32),
        now_ms: u64,
        wall_ms: u64,
        event: &Event,
        separated: impl Fn(u64, u64) -> bool,
    ) -> Option<u64> {
        let place = self.victim(settings, admission.0, now_ms, separated)?;
        self.last_stamp_ms = wall_ms.max(self.last_stamp_ms + 1);
        let stamp_ms = self.last_stamp_ms;
        self.slots[place] = Some(Winner { admission, event: *event, stamp_ms, then_ms: now_ms });
        Some(stamp_ms)
    }

    fn victim(
        &self,
        settings: &Settings,
        epoch: u64,
        now_ms: u64,
        separated: impl Fn(u64, u64) -> bool,
    ) -> Option<usize> {
        if let Some(free) = self.slots.iter().position(Option::is_none) {
            return Some(free);
        }
        let winners: Vec<Winner> = self.slots.iter().flatten().copied().collect();
        let least = |wanted: &dyn Fn(&Winner) -> bool| {
            let found = winners.iter().enumerate().filter(|(_, winner)| wanted(winner));
            found.min_by_key(|(_, winner)| winner.admission).map(|(place, _)| place)
        };
        let newest = winners.iter().map(|winner| winner.admission).max();
        let closed = winners.iter().map(|winner| winner.admission).filter(|admission| admission.0 < epoch).max();
        let in_open = |winner: &Winner| winner.admission.0 == epoch;
        if settings.victims.beaten && winners.iter().filter(|winner| in_open(winner)).count() >= 2 {
            return least(&in_open);
        }
        if !settings.keep_newest {
            return winners.iter().position(|winner| Some(winner.admission) == newest);
        }
        let takeable = |winner: &Winner| Some(winner.admission) != newest && Some(winner.admission) != closed;
        let beaten_by = |winner: &Winner, other: &Winner| other.admission.1 >= winner.admission.1;
        let expired = |winner: &Winner| now_ms - winner.then_ms > settings.age_ms;
        let dominated = |winner: &Winner| {
            winners.iter().any(|other| other.admission.0 > winner.admission.0 && beaten_by(winner, other))
        };
        let unasked = |winner: &Winner| {
            winners.iter().any(|other| {
                other.admission.0 < winner.admission.0
                    && beaten_by(winner, other)
                    && !separated(other.admission.0, winner.admission.0)
            })
        };
        let by = |on: bool, rule: &dyn Fn(&Winner) -> bool| {
            if on { least(&|winner| takeable(winner) && rule(winner)) } else { None }
        };
        by(settings.victims.expired, &expired)
            .or_else(|| by(settings.victims.dominated, &dominated))
            .or_else(|| by(settings.victims.unasked, &unasked))
            .or_else(|| least(&takeable))
    }

    /// The best of the windows in `lo..open`, otherwise the newest closed one.
    pub(super) fn choose(&self, settings: &Settings, lo: u64, open: u64, now_ms: u64) -> Option<(Event, u64)> {
        let young = |winner: &&Winner| now_ms - winner.then_ms <= settings.age_ms;
        let asked = self.slots.iter().flatten().filter(|winner| (lo..open).contains(&winner.admission.0));
        let asked = asked.filter(|winner| settings.any_age_once || young(winner));
        let best = asked.max_by_key(|winner| (winner.admission.1, winner.admission.0));
        let newest = || {
            let closed = self.slots.iter().flatten().filter(|winner| winner.admission.0 < open);
            closed.max_by_key(|winner| winner.admission).filter(young)
        };
        best.or_else(newest).map(|winner| (winner.event, winner.stamp_ms))
    }
}
