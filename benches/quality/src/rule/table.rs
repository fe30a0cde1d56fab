//! The table of scrapers in the model.

use super::{Settings, Trust};
use crate::scrapers::Identity;

const ENTRIES: usize = 16;
const FORGOTTEN_MS: u64 = 600_000;

struct Entry {
    id: Identity,
    mark: u64,
    last_ms: u64,
    gap_ms: f64,
    score: u64,
    trusted: bool,
    lo: u64,
    join_lo: u64,
}

#[derive(Default)]
pub(super) struct Table {
    entries: Vec<Entry>,
    floor: u64,
}

impl Entry {
    fn is_of_class(&self, who: &Identity) -> bool {
        let other = &self.id;
        (other.user_agent, &other.scrape_timeout, other.path) == (who.user_agent, &who.scrape_timeout, who.path)
    }

    fn is_forgotten(&self, now_ms: u64) -> bool {
        now_ms - self.last_ms > FORGOTTEN_MS
    }

    fn start(&mut self, newest: u64) {
        self.gap_ms = 0.0;
        self.score = 0;
        self.trusted = false;
        self.join_lo = newest;
        self.lo = self.lo.max(newest);
    }

    /// Judges a scrape that comes `silent_ms` after the last.
    fn beat(&mut self, trust: Trust, silent_ms: f64) {
        let gap = self.gap_ms;
        let off = |beats: f64| (silent_ms - beats * gap).abs() <= gap / 5.0 + 750.0;
        let mut next_gap = gap + (silent_ms - gap) / 4.0;
        match trust {
            Trust::AtOnce => self.trusted = true,
            _ if gap == 0.0 => next_gap = silent_ms,
            Trust::Streak(least) => {
                let missed = off(2.0) || off(3.0);
                self.score = if off(1.0) || missed { self.score + 1 } else { 0 };
                if missed && !off(1.0) {
                    next_gap = gap;
                }
                self.trusted = self.score >= least;
            }
            Trust::Score => {
                if off(1.0) {
                    self.score = (self.score + 1).min(8);
                } else if off(2.0) || off(3.0) {
                    self.score = self.score.saturating_sub(1);
                    if self.score >= 3 {
                        next_gap = gap;
                    }
                } else {
                    self.score = self.score.saturating_sub(4);
                }
                self.trusted = self.score >= if self.trusted { 3 } else { 4 };
            }
        }
        self.gap_ms = next_gap;
    }
}

impl Table {
    /// Whether the mark of a live scraper lies in `(after, upto]`.
    pub(super) fn separates(&self, now_ms: u64, after: u64, upto: u64) -> bool {
        self.entries.iter().any(|entry| after < entry.mark && entry.mark <= upto && !entry.is_forgotten(now_ms))
    }

    /// The entry of a scraper. Where scrapers are not told apart there is one.
    fn find(&self, settings: &Settings, who: &Identity) -> Option<usize> {
        if settings.identity {
            self.entries.iter().position(|entry| entry.id == *who)
        } else {
            (!self.entries.is_empty()).then_some(0)
        }
    }

    /// Whether a scraper is known, and did not come just now.
    pub(super) fn was_here_before(&self, settings: &Settings, who: &Identity, now_ms: u64) -> bool {
        let last_ms = self.find(settings, who).map(|place| self.entries[place].last_ms);
        last_ms.is_some_and(|last_ms| now_ms - last_ms >= settings.window_least_ms)
    }

    pub(super) fn mark(&mut self, entry: usize, open: u64) {
        let mark = &mut self.entries[entry].mark;
        *mark = open.max(*mark);
    }

    /// The first window that a scraper is to be shown, and its entry.
    pub(super) fn lower(&mut self, settings: &Settings, who: &Identity, open: u64, now_ms: u64) -> (u64, usize) {
        let newest = self.entries.iter().map(|entry| entry.mark).fold(self.floor, u64::max).min(open);
        let Some(place) = self.find(settings, who) else { return (newest, self.enter(who, newest, now_ms)) };
        let silent_ms = now_ms - self.entries[place].last_ms;
        self.entries[place].last_ms = now_ms;
        if silent_ms > FORGOTTEN_MS {
            self.entries[place].start(newest);
            return (newest, place);
        }
        let others = self.entries.iter().enumerate().filter(|(at, other)| {
            settings.join && *at != place && other.is_of_class(who) && !other.is_forgotten(now_ms)
        });
        let joined = others.map(|(_, other)| other.join_lo).max().unwrap_or(0);
        let entry = &mut self.entries[place];
        entry.beat(settings.trust, silent_ms as f64);
        let lo = if entry.trusted {
            entry.mark.max(joined)
        } else {
            entry.join_lo = newest;
            newest
        };
        entry.lo = lo.max(entry.lo).min(open);
        (entry.lo, place)
    }

    fn enter(&mut self, who: &Identity, newest: u64, now_ms: u64) -> usize {
        let mut entry = Entry {
            id: who.clone(),
            mark: 0,
            last_ms: now_ms,
            gap_ms: 0.0,
            score: 0,
            trusted: false,
            lo: 0,
            join_lo: 0,
        };
        entry.start(newest);
        if self.entries.len() < ENTRIES {
            self.entries.push(entry);
            return self.entries.len() - 1;
        }
        let order = |place: &usize| (self.entries[*place].trusted, self.entries[*place].last_ms);
        let place = (0..ENTRIES).min_by_key(order).unwrap_or(0);
        self.floor = self.floor.max(self.entries[place].mark);
        self.entries[place] = entry;
        place
    }
}
