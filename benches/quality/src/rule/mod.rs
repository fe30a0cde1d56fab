//! A model of spanpin's own rule, written from `docs/exemplars.md`, in which its parts can be taken out or changed. With
//! the shipped settings it shows the same exemplars as the library, which every run checks.

mod ring;
mod table;

use ring::Ring;
use table::Table;

use crate::clock::Clock;
use crate::engine::{Engine, Series, Shown};
use crate::scrapers::Identity;
use crate::traffic::{BUCKETS, Event};

/// When a scraper is given its own mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// By score, as shipped.
    Score,
    /// After this many scrapes on the beat, one after the other; two or three beats count as one.
    Streak(u64),
    /// At once.
    AtOnce,
}

/// Who shares a window younger than 20 ms instead of closing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// A scraper that is new, or was here less than 20 ms ago, as shipped.
    Same,
    /// Every scraper.
    All,
}

/// Which slot a winner may take before the oldest one, when none is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Victims {
    /// Of several winners of the open window the least.
    pub beaten: bool,
    /// One past the age limit.
    pub expired: bool,
    /// One that a later window beats.
    pub dominated: bool,
    /// One that an earlier window beats, with no mark between the two.
    pub unasked: bool,
}

/// The parts of the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    pub slots: usize,
    /// An exemplar older than this is not shown.
    pub age_ms: u64,
    /// A window is closed by time after this long.
    pub window_most_ms: u64,
    /// A window younger than this is shared ...
    pub window_least_ms: u64,
    /// ... by these.
    pub share: Share,
    /// Whether an exemplar that a scraper has not been shown yet is shown at any age.
    pub any_age_once: bool,
    /// Bits of a priority.
    pub key_bits: u32,
    pub trust: Trust,
    /// Whether a trusted scraper never asks for less than what others of its class, not trusted, were given.
    pub join: bool,
    /// Whether scrapers are told apart.
    pub identity: bool,
    pub victims: Victims,
    /// Whether the newest winner and the newest of a closed window are kept. Off, the newest goes first: a control.
    pub keep_newest: bool,
    /// Whether a scrape moves its mark. Off in a control.
    pub move_mark: bool,
}

impl Settings {
    #[must_use]
    pub const fn shipped() -> Self {
        Settings {
            slots: 11,
            age_ms: 90_000,
            window_most_ms: 10_000,
            window_least_ms: 20,
            share: Share::Same,
            any_age_once: false,
            key_bits: 31,
            trust: Trust::Score,
            join: true,
            identity: true,
            victims: Victims { beaten: true, expired: true, dominated: true, unasked: true },
            keep_newest: true,
            move_mark: true,
        }
    }
}

/// Look-ups of a span that one bucket may cost in one window.
const BUDGET: u32 = 16_384;
/// The priority that no value reaches.
const SHUT: u32 = 0xFF80_0000;

/// A bucket: its gate and its ring.
#[derive(Default)]
struct Bucket {
    count: u64,
    /// The window and the priority of the best offer.
    head: (u64, u32),
    /// Look-ups of a window.
    spent: (u64, u32),
    ring: Option<Ring>,
}

pub struct Rule {
    settings: Settings,
    epoch: u64,
    /// Since when the open window is open; nothing before the clock was first read.
    opened_ms: Option<u64>,
    greatest_stamp_ms: u64,
    buckets: [Bucket; BUCKETS],
    table: Table,
}

impl Rule {
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Rule {
            settings,
            epoch: 1,
            opened_ms: None,
            greatest_stamp_ms: 0,
            buckets: Default::default(),
            table: Table::default(),
        }
    }

    /// Closes the open window if it is at least `least_ms` old.
    fn turn(&mut self, now_ms: u64, least_ms: u64) {
        let opened_ms = *self.opened_ms.get_or_insert(now_ms);
        if now_ms - opened_ms >= least_ms {
            self.opened_ms = Some(now_ms);
            self.epoch += 1;
        }
    }

    fn offer(&mut self, event: &Event, clock: &Clock) {
        let priority = priority(event.value, self.settings.key_bits);
        let number = usize::from(event.bucket);
        let bucket = &mut self.buckets[number];
        let looks_at_clock = bucket.count & 15 == 0;
        bucket.count += 1;
        if (self.epoch, priority) <= bucket.head && !looks_at_clock {
            return;
        }
        let now_ms = clock.mono_ms(event.at_us);
        self.turn(now_ms, self.settings.window_most_ms);
        let bucket = &mut self.buckets[number];
        if (self.epoch, priority) <= bucket.head {
            return;
        }
        if bucket.spent.0 != self.epoch {
            bucket.spent = (self.epoch, 0);
        }
        if bucket.spent.1 >= BUDGET {
            bucket.head = bucket.head.max((self.epoch, SHUT >> (32 - self.settings.key_bits)));
            return;
        }
        bucket.spent.1 += 1;
        if !event.sampled {
            return;
        }
        bucket.head = (self.epoch, priority);
        let wall_ms = clock.wall_ms(event.at_us);
        // Only after the wall clock went back must a new ring begin behind what others had.
        let behind_ms = if self.greatest_stamp_ms > wall_ms { self.greatest_stamp_ms } else { 0 };
        let ring = bucket.ring.get_or_insert_with(|| Ring::new(self.settings.slots, behind_ms));
        let separated = |after: u64, upto: u64| self.table.separates(now_ms, after, upto);
        if let Some(stamp_ms) = ring.write(&self.settings, bucket.head, now_ms, wall_ms, event, separated) {
            self.greatest_stamp_ms = self.greatest_stamp_ms.max(stamp_ms);
        }
    }
}

impl Engine for Rule {
    fn observe(&mut self, events: &[Event], clock: &Clock) {
        // The library's clock is set for the first time before the first request.
        if let Some(first) = events.first() {
            self.opened_ms.get_or_insert(clock.mono_ms(first.at_us));
        }
        for event in events {
            self.offer(event, clock);
        }
    }

    fn scrape(&mut self, who: &Identity, at_us: u64, clock: &Clock, shown: &mut Vec<Shown>) {
        let now_ms = clock.mono_ms(at_us);
        let least_ms = self.settings.window_least_ms;
        let returns = self.settings.share == Share::Same && self.table.was_here_before(&self.settings, who, now_ms);
        self.turn(now_ms, if returns { 0 } else { least_ms });
        let open = self.epoch;
        let (lo, entry) = self.table.lower(&self.settings, who, open, now_ms);
        for (bucket, number) in self.buckets.iter().zip(0..) {
            let chosen = bucket.ring.as_ref().and_then(|ring| ring.choose(&self.settings, lo, open, now_ms));
            shown.extend(chosen.map(|(event, stamp_ms)| Shown { series: Series::Bucket(number), event, stamp_ms }));
        }
        if self.settings.move_mark {
            self.table.mark(entry, open);
        }
    }
}

/// The order of values: as f32, the last bits left out; 31 bits have 22 of the mantissa.
fn priority(value: f64, bits: u32) -> u32 {
    // Durations are not negative, so the bits of the f32 are in their order; the top bit is set to leave room below.
    ((value as f32).to_bits() | 0x8000_0000) >> (32 - bits)
}
