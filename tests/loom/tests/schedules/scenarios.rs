//! A bucket under writers and scrapers, compiled with the core's files and with those of every mutant.

use super::priority::{SHUT, admission, epoch_of, rank_of};
use super::ring::{Age, Now, Outcome, Ring, TIED, advance_head, advance_head_explicit};
use super::shape::{LABEL_WORDS, RING_WORDS, SLOTS};
use super::slot::Payload;
use crate::Seen;
use crate::stepper::{Chances, Random, Stage, is_dead, step};
use crate::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

const SCRAPERS: usize = 2;
const AGE_MOST_MS: u64 = 90_000;
const WINDOW_LEAST_MS: u64 = 20;

/// What an offer wrote, or would have written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Written {
    payload: Payload,
    labels: Vec<u64>,
    /// The count of the bucket with this offer.
    count: u64,
}

/// What the harness knows beside the segment. No step is taken while it is held.
#[derive(Default)]
struct Notes {
    offers: Vec<Option<Written>>,
    /// Admission words that were published.
    published: Vec<u64>,
    last_shown: [Option<Payload>; SCRAPERS],
    mono_ms: u64,
    wall_ms: u64,
    opened_ms: u64,
    seen: Seen,
    broken: Option<String>,
}

struct World {
    ring: [AtomicU64; RING_WORDS],
    labels: [AtomicU64; SLOTS * LABEL_WORDS],
    head: AtomicU64,
    epoch: AtomicU64,
    count: AtomicU64,
    marks: [AtomicU64; SCRAPERS],
    notes: Mutex<Notes>,
}

impl World {
    fn new() -> Arc<Self> {
        let notes = Notes { mono_ms: 1_000_000, wall_ms: 50_000_000, ..Notes::default() };
        Arc::new(World {
            ring: std::array::from_fn(|_| AtomicU64::new(0)),
            labels: std::array::from_fn(|_| AtomicU64::new(0)),
            head: AtomicU64::new(0),
            epoch: AtomicU64::new(1),
            count: AtomicU64::new(0),
            marks: std::array::from_fn(|_| AtomicU64::new(1)),
            notes: Mutex::new(notes),
        })
    }

    fn ring(&self) -> Ring<'_> {
        Ring::new(&self.ring, &self.labels, 4096).unwrap()
    }

    fn note<T>(&self, f: impl FnOnce(&mut Notes) -> T) -> T {
        if is_dead() { f(&mut Notes::default()) } else { f(&mut self.notes.lock().unwrap()) }
    }

    fn is_broken(&self) -> bool {
        self.note(|notes| notes.broken.is_some())
    }

    fn offer(&self, random: &mut Random, priorities: u64) -> Option<u64> {
        let explicit = random.once_in(12);
        let priority = 1 + random.below(priorities) as u32;
        self.offer_with(random, if explicit { None } else { Some(priority) })
    }

    /// An offer, explicit without a priority. Answers the admission word of an admitted one.
    fn offer_with(&self, random: &mut Random, priority: Option<u32>) -> Option<u64> {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let id = self.note(|notes| {
            notes.offers.push(None);
            notes.seen.offers += 1;
            notes.offers.len() as u64 - 1
        });
        // Reading the span takes its time, and nothing is claimed meanwhile.
        step();
        let epoch = self.epoch.load(Ordering::Relaxed);
        let candidate = match priority {
            Some(priority) => {
                let candidate = admission(epoch, priority);
                advance_head(&self.head, candidate).then_some(candidate)
            }
            None => advance_head_explicit(&self.head, epoch),
        }?;
        let (wall_ms, now_ms) = self.note(|notes| (notes.wall_ms, notes.mono_ms));
        let labels: Vec<u64> = (0..random.below(1 + LABEL_WORDS as u64)).map(|_| random.next()).collect();
        let separated = |after, upto| {
            self.marks.iter().any(|mark| {
                let mark = mark.load(Ordering::Relaxed);
                after < mark && mark <= upto
            })
        };
        let payload = |stamp: u64| {
            let payload = [stamp << 16 | labels.len() as u64, candidate, id, now_ms];
            self.note(|notes| {
                if let Some(place) = notes.offers.get_mut(id as usize) {
                    *place = Some(Written { payload, labels: labels.clone(), count });
                }
            });
            payload
        };
        let now = Now { wall_ms, age: Age { now_ms, max_ms: AGE_MOST_MS } };
        let outcome = self.ring().write(&self.head, candidate, now, separated, payload, &labels);
        self.note(|notes| match outcome {
            Outcome::Admitted(_) => {
                notes.seen.admitted += 1;
                notes.published.push(candidate);
                Some(candidate)
            }
            Outcome::TakenOver => {
                notes.seen.taken_over += 1;
                None
            }
            Outcome::Beaten | Outcome::Busy => None,
        })
    }

    fn cut(&self) -> u64 {
        self.note(|notes| notes.opened_ms = notes.mono_ms);
        self.epoch.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A scrape. Answers what may be shown, from the first window to the first open one, and what is.
    fn scrape(&self, random: &mut Random, who: usize) -> (u64, u64, Option<Payload>) {
        let now_ms = self.note(|notes| notes.mono_ms);
        let due = self.note(|notes| notes.mono_ms - notes.opened_ms >= WINDOW_LEAST_MS);
        let open = if due { self.cut() } else { self.epoch.load(Ordering::Relaxed) };
        let mark = &self.marks[who];
        // Any bound from the own mark on is safe; one that lost its trust gets the newest of all.
        let lo = if random.once_in(4) {
            self.marks.iter().map(|mark| mark.load(Ordering::Acquire)).max().unwrap()
        } else {
            mark.load(Ordering::Acquire)
        };
        let lo = lo.min(open);
        let mut labels = [0; LABEL_WORDS];
        let age = Age { now_ms, max_ms: AGE_MOST_MS };
        let found = self.ring().choose(&self.head, lo, open, age, &mut labels);
        let count = self.count.load(Ordering::Relaxed);
        mark.fetch_max(open, Ordering::Release);
        // Of some answers nobody ever hears.
        if !random.once_in(10) {
            self.judge(who, open, now_ms, count, found, &labels);
        }
        (lo, open, found)
    }

    fn judge(&self, who: usize, open: u64, now_ms: u64, count: u64, found: Option<Payload>, labels: &[u64]) {
        self.note(|notes| {
            notes.seen.scrapes += 1;
            let Some(mut payload) = found else { return };
            // The ring's own word on the stamp, no part of what was written.
            payload[0] &= !TIED;
            notes.seen.shown += 1;
            let [first, candidate, id, then_ms] = payload;
            let written = notes.offers.get(id as usize).cloned().flatten();
            let last = notes.last_shown[who].replace(payload);
            let stamp = first >> 16;
            let broken = if !written.as_ref().is_some_and(|w| w.payload == payload && labels.starts_with(&w.labels)) {
                "torn"
            } else if written.is_none_or(|w| w.count > count) {
                "not counted"
            } else if epoch_of(candidate) >= open {
                "not closed"
            } else if now_ms.saturating_sub(then_ms) > AGE_MOST_MS {
                "too old"
            } else if last.is_some_and(|last| last != payload && stamp <= last[0] >> 16) {
                "step back"
            } else {
                return;
            };
            notes.broken = Some(format!("{broken}: {payload:?} after {last:?}"));
        });
    }

    /// Lets time go by: both clocks, and now and then a step of the wall clock.
    fn tick(&self, random: &mut Random) {
        let ms = if random.once_in(400) { AGE_MOST_MS } else { random.below(30) };
        let step_ms = random.below(3_600_000);
        let (forward, back) = (random.once_in(50), random.once_in(50));
        self.note(|notes| {
            notes.mono_ms += ms;
            notes.wall_ms += ms;
            if forward {
                notes.wall_ms += step_ms;
            }
            if back {
                notes.wall_ms = notes.wall_ms.saturating_sub(step_ms);
            }
        });
    }
}

/// Writers and scrapers take turns at every access; some are stopped for long, some die.
pub(crate) fn concurrent(random: &mut Random, seen: &mut Seen) -> Result<(), String> {
    let world = World::new();
    let pick = |random: &mut Random, from: &[u64]| from[random.below(from.len() as u64) as usize];
    let chances = Chances {
        slice: pick(random, &[1, 3, 10, 40, 120]),
        stop_in: pick(random, &[5, 20, 100]),
        stop_turns: pick(random, &[10, 100, 1000]),
        death_in: pick(random, &[10, 100]),
        deaths: random.below(12),
    };
    let priorities = pick(random, &[2, 6, 50]);
    let mut stage = Stage::new();
    for _ in 0..1 + random.below(5) {
        let (world, seed) = (Arc::clone(&world), random.next());
        let lives = Arc::new(std::sync::atomic::AtomicU64::new(0));
        stage.add(true, move || {
            let life = lives.fetch_add(1, Ordering::SeqCst);
            let mut random = Random::new(seed ^ life);
            for _ in 0..60 {
                if is_dead() {
                    return;
                }
                world.offer(&mut random, priorities);
            }
        });
    }
    for who in 0..SCRAPERS {
        let (world, seed) = (Arc::clone(&world), random.next());
        stage.add(false, move || {
            let mut random = Random::new(seed);
            for _ in 0..60 {
                if is_dead() {
                    return;
                }
                world.tick(&mut random);
                world.scrape(&mut random, who);
                // Somebody else.
                if random.once_in(4) {
                    world.cut();
                }
            }
        });
    }
    let deaths = stage.run(random, &chances, || world.is_broken());
    drop(stage);
    if !world.is_broken() {
        recovers(&world, random);
    }
    world.note(|notes| {
        seen.offers += notes.seen.offers;
        seen.admitted += notes.seen.admitted;
        seen.scrapes += notes.seen.scrapes;
        seen.shown += notes.seen.shown;
        seen.taken_over += notes.seen.taken_over;
        seen.deaths += deaths;
        notes.broken.take().map_or(Ok(()), Err)
    })
}

/// Whatever has happened, two windows later an offer is admitted and shown.
fn recovers(world: &World, random: &mut Random) {
    world.cut();
    world.cut();
    let admitted = world.offer_with(random, None);
    world.note(|notes| notes.opened_ms = 0);
    let (_, _, found) = world.scrape(random, 0);
    let shown = found.map(|[_, candidate, _, _]| candidate);
    if admitted.is_none() || shown != admitted {
        world.note(|notes| notes.broken = Some(format!("no recovery: {shown:?} is shown, {admitted:?} was admitted")));
    }
}

/// Without concurrency a scrape shows the best of its windows, and the newest exemplar if there is none.
pub(crate) fn one_after_another(random: &mut Random, seen: &mut Seen) -> Result<(), String> {
    let world = World::new();
    let priorities = [2, 6, 50][random.below(3) as usize];
    for _ in 0..300 {
        if random.below(3) > 0 {
            world.offer(random, priorities);
            continue;
        }
        let ms = random.below(40);
        world.note(|notes| {
            notes.mono_ms += ms;
            notes.wall_ms += ms;
        });
        let (lo, open, found) = world.scrape(random, random.clone().below(SCRAPERS as u64) as usize);
        let shown = found.map(|[_, candidate, _, _]| candidate);
        let wanted = world.note(|notes| {
            let closed = notes.published.iter().copied().filter(|a| epoch_of(*a) < open);
            let fresh = closed.clone().filter(|a| epoch_of(*a) >= lo).max_by_key(|a| (rank_of(*a), *a));
            // An explicit one that shares its stamp is not shown a second time.
            let again = closed.max().filter(|a| shown.is_some() || rank_of(*a) <= SHUT);
            fresh.or(again)
        });
        if shown.map(rank_of) != wanted.map(rank_of) || shown.is_none() != wanted.is_none() {
            let text = format!("not the best: {shown:x?} is shown, {wanted:x?} is the best of {lo} to {open}");
            world.note(|notes| notes.broken = notes.broken.take().or(Some(text)));
        }
        if world.is_broken() {
            break;
        }
    }
    world.note(|notes| {
        seen.offers += notes.seen.offers;
        seen.admitted += notes.seen.admitted;
        seen.scrapes += notes.seen.scrapes;
        seen.shown += notes.seen.shown;
        notes.broken.take().map_or(Ok(()), Err)
    })
}
