//! The rule of `docs/exemplars.md`, written plainly: every winner is kept in a list, nothing is ever given up, and a scrape
//! looks through all of them. One thread, no slots, no words.

use super::judge::{AGE_MOST_MS, Shown};
use super::table::{Table, Who};

/// A window is closed by time after this long.
const WINDOW_MOST_MS: u64 = 10_000;
/// A scrape closes no window younger than this, unless its scraper was here longer ago.
pub const WINDOW_LEAST_MS: u64 = 20;
/// So far explicit exemplars of one window run ahead of the clock; then they share a stamp.
const AHEAD_MOST_MS: u64 = 1000;

/// A mistake, made on purpose: a comparison with the library must find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    LatestOfEqual,
    EarliestWindowOfEqual,
    FirstExplicit,
    OpenWindowShown,
    AgeIgnored,
    NothingShownAgain,
    NextBestShownAgain,
    TiedShownAgain,
    StampRepeated,
    StampOfTheClock,
    ClockNeverLookedAt,
    EveryoneTrusted,
    NobodyTrusted,
    PoolIgnored,
}

/// What beats what within a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rank {
    /// An offer; of the policy `first` all are alike.
    Offered(f32),
    /// An offer whose priority nobody knows, of the policy `uniform`.
    Drawn,
    Explicit,
}

impl Rank {
    /// The rank of a value under the policy `slowest`: sign, exponent and 22 bits of mantissa of the value as f32.
    pub fn of_value(value: f64) -> Rank {
        let value = (value as f32).min(f32::MAX);
        Rank::Offered(f32::from_bits(value.to_bits() & !1))
    }

    /// The same at the gate of a histogram, which takes a value that is too great for an f32 for a greater one.
    pub fn at_gate(value: f64) -> Rank {
        if value as f32 == f32::INFINITY { Rank::Offered(f32::INFINITY) } else { Rank::of_value(value) }
    }

    fn number(self) -> f32 {
        match self {
            Rank::Offered(value) => value,
            Rank::Drawn => 0.0,
            Rank::Explicit => f32::INFINITY,
        }
    }
}

/// An observation that won its window, at least for a while.
#[derive(Clone, Copy, Debug)]
struct Winner {
    n: u64,
    window: u64,
    rank: Rank,
    stamp_ms: u64,
    /// Shares its stamp with an earlier one of its window.
    tied: bool,
    mono_ms: u64,
}

#[derive(Default)]
struct Bucket {
    winners: Vec<Winner>,
    last_stamp_ms: u64,
    last_window: u64,
}

/// What a scrape must show.
#[derive(Debug)]
pub enum Wanted {
    Exactly(Option<Shown>),
    /// One of these, of which the policy draws one.
    OneOf(Vec<Shown>),
    /// Some window that is asked for is older than the age limit. A ring may have given up a younger one for it.
    Unknown,
}

/// A scrape's turn.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// The first window that is asked for.
    pub from: u64,
    /// The open one.
    pub open: u64,
    /// Whether others have seen more than this scraper.
    pub own_view: bool,
}

pub struct Oracle {
    window: u64,
    opened_ms: u64,
    pub wall_ms: u64,
    pub mono_ms: u64,
    greatest_stamp_ms: u64,
    buckets: Vec<Bucket>,
    table: Table,
    mistake: Option<Mistake>,
}

impl Oracle {
    pub fn new(buckets: usize, wall_ms: u64, mono_ms: u64, mistake: Option<Mistake>) -> Self {
        Oracle {
            window: 1,
            opened_ms: mono_ms,
            wall_ms,
            mono_ms,
            greatest_stamp_ms: 0,
            buckets: std::iter::repeat_with(Bucket::default).take(buckets).collect(),
            table: Table::new(mistake),
            mistake,
        }
    }

    fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    /// Whether an offer is better than its window has.
    fn beats(&self, bucket: usize, rank: Rank) -> bool {
        let Some(best) = self.buckets[bucket].winners.last().filter(|winner| winner.window == self.window) else {
            return true;
        };
        let better = rank.number().total_cmp(&best.rank.number());
        better.is_gt() || (self.makes(Mistake::LatestOfEqual) && better.is_eq())
    }

    fn close_if_due(&mut self) {
        if self.mono_ms - self.opened_ms >= WINDOW_MOST_MS {
            self.window += 1;
            self.opened_ms = self.mono_ms;
        }
    }

    /// An offer comes to its gate, as the one after `count` others, and is ranked `at_gate` there. Whether its span is
    /// looked at. `seen` is what the library did, from which alone the outcome of a draw is known.
    pub fn span_is_looked_at(
        &mut self,
        bucket: usize,
        (at_gate, rank): (Rank, Rank),
        finite: bool,
        count: u64,
        seen: bool,
    ) -> bool {
        let drawn = rank == Rank::Drawn;
        let looks_at_clock = count.is_multiple_of(16) && !self.makes(Mistake::ClockNeverLookedAt);
        let passes = if drawn { seen } else { self.beats(bucket, at_gate) };
        if !passes && !looks_at_clock {
            return false;
        }
        self.close_if_due();
        finite && if drawn { seen } else { self.beats(bucket, rank) }
    }

    /// The offer, whose span passed the filter, is admitted if it still is the best: something may have been observed while
    /// its span was read. Of a draw nobody knows, so histories observe nothing in its bucket meanwhile.
    pub fn admit(&mut self, bucket: usize, rank: Rank, n: u64) {
        if rank == Rank::Drawn || self.beats(bucket, rank) {
            self.win(bucket, rank, n);
        }
    }

    /// An explicit exemplar is always admitted.
    pub fn explicit(&mut self, bucket: usize, n: u64) {
        self.close_if_due();
        let first =
            self.buckets[bucket].winners.last().is_none_or(|w| w.window != self.window || w.rank != Rank::Explicit);
        if first || !self.makes(Mistake::FirstExplicit) {
            self.win(bucket, Rank::Explicit, n);
        }
    }

    fn win(&mut self, bucket: usize, rank: Rank, n: u64) {
        let (window, wall_ms) = (self.window, self.wall_ms);
        let step = if self.makes(Mistake::StampRepeated) { 0 } else { 1 };
        let first_floor = if self.greatest_stamp_ms > wall_ms { self.greatest_stamp_ms } else { 0 };
        let place = &mut self.buckets[bucket];
        if place.winners.is_empty() {
            place.last_stamp_ms = first_floor;
        }
        let ahead = place.last_stamp_ms >= wall_ms + AHEAD_MOST_MS;
        let tied = rank == Rank::Explicit && ahead && place.last_window == window;
        let mut stamp_ms = if tied { place.last_stamp_ms } else { wall_ms.max(place.last_stamp_ms + step) };
        if self.mistake == Some(Mistake::StampOfTheClock) {
            stamp_ms = wall_ms;
        }
        place.last_stamp_ms = stamp_ms;
        place.last_window = window;
        place.winners.push(Winner { n, window, rank, stamp_ms, tied, mono_ms: self.mono_ms });
        self.greatest_stamp_ms = self.greatest_stamp_ms.max(stamp_ms);
    }

    /// The time after which any scrape closes the open window.
    pub fn until_closable_ms(&self) -> u64 {
        (self.opened_ms + WINDOW_LEAST_MS).saturating_sub(self.mono_ms)
    }

    /// A scrape begins: it closes the window, and finds what this scraper has not seen. Its mark moves on.
    pub fn scrape(&mut self, who: Who) -> Turn {
        let returns = self.table.last_ms(who).is_some_and(|last| self.mono_ms - last >= WINDOW_LEAST_MS);
        if returns || self.mono_ms - self.opened_ms >= WINDOW_LEAST_MS {
            self.window += 1;
            self.opened_ms = self.mono_ms;
        }
        let newest = self.table.newest_mark().min(self.window);
        let from = self.table.turn(who, self.window, self.mono_ms);
        Turn { from, open: self.window, own_view: from < newest }
    }

    /// The turn of a reader that closes nothing and leaves no mark.
    pub fn look(&self) -> Turn {
        Turn { from: self.table.newest_mark().min(self.window), open: self.window, own_view: false }
    }

    /// What is shown of a bucket.
    pub fn shown(&self, bucket: usize, turn: Turn) -> Wanted {
        let open = if self.makes(Mistake::OpenWindowShown) { turn.open + 1 } else { turn.open };
        let winners = &self.buckets[bucket].winners;
        let closed: Vec<&Winner> = winners.iter().filter(|w| w.window < open).collect();
        let is_young = |w: &Winner| self.makes(Mistake::AgeIgnored) || self.mono_ms - w.mono_ms <= AGE_MOST_MS;
        let asked: Vec<&Winner> = closed.iter().copied().filter(|w| w.window >= turn.from).collect();
        if !self.makes(Mistake::AgeIgnored) && asked.iter().any(|w| !is_young(w)) {
            return Wanted::Unknown;
        }
        let shown = |w: &Winner| Shown { n: w.n, stamp_ms: w.stamp_ms };
        if !asked.is_empty() {
            let explicit = asked.iter().rev().find(|w| w.rank == Rank::Explicit);
            if explicit.is_none() && asked.iter().any(|w| w.rank == Rank::Drawn) {
                let windows = asked.chunk_by(|a, b| a.window == b.window);
                return Wanted::OneOf(windows.filter_map(|winners| winners.last()).map(|w| shown(w)).collect());
            }
            // Of equal ones the newest window, in which the winner came last.
            let mut best = asked[0];
            for winner in &asked[1..] {
                let better = winner.rank.number().total_cmp(&best.rank.number());
                let same_counts = winner.window == best.window || !self.makes(Mistake::EarliestWindowOfEqual);
                if better.is_gt() || (better.is_eq() && same_counts) {
                    best = winner;
                }
            }
            return Wanted::Exactly(Some(shown(best)));
        }
        if self.makes(Mistake::NothingShownAgain) {
            return Wanted::Exactly(None);
        }
        if self.makes(Mistake::NextBestShownAgain) {
            return Wanted::Exactly(closed.iter().rev().find(|w| is_young(w) && !w.tied).map(|w| shown(w)));
        }
        let again = closed.last().filter(|w| is_young(w) && (!w.tied || self.makes(Mistake::TiedShownAgain)));
        Wanted::Exactly(again.map(|w| shown(w)))
    }

    /// How many winners a bucket has had.
    pub fn winners(&self, bucket: usize) -> usize {
        self.buckets[bucket].winners.len()
    }
}
