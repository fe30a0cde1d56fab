//! Coroutines that take turns at every access to an atomic, by chance.

use generator::{Generator, Gn};
use std::cell::Cell;
use std::sync::atomic::{self, Ordering};

/// A small generator of pseudo-random numbers: the same seed, the same history.
#[derive(Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// True once in `n` times.
    pub(crate) fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

thread_local! {
    /// Steps that the running coroutine has left; zero outside of them.
    static LEFT: Cell<u32> = const { Cell::new(0) };
    /// The running coroutine is dead: it runs to its end without an effect, which is cheaper than unwinding it.
    static DEAD: Cell<bool> = const { Cell::new(false) };
}

/// Whether what the running coroutine does counts no more.
pub(crate) fn is_dead() -> bool {
    DEAD.get()
}

/// Where another thread may run: before every access to an atomic.
#[allow(deprecated)]
pub(crate) fn step() {
    match LEFT.get() {
        0 => {}
        1 => generator::yield_with(()),
        left => LEFT.set(left - 1),
    }
}

pub(crate) fn fence(_: Ordering) {}

#[derive(Debug, Default)]
pub(crate) struct AtomicU64(atomic::AtomicU64);

impl AtomicU64 {
    pub(crate) fn new(value: u64) -> Self {
        AtomicU64(atomic::AtomicU64::new(value))
    }

    pub(crate) fn load(&self, _: Ordering) -> u64 {
        step();
        if is_dead() { 0 } else { self.0.load(Ordering::SeqCst) }
    }

    pub(crate) fn store(&self, value: u64, _: Ordering) {
        step();
        if !is_dead() {
            self.0.store(value, Ordering::SeqCst);
        }
    }

    pub(crate) fn swap(&self, value: u64, _: Ordering) -> u64 {
        step();
        if is_dead() { 0 } else { self.0.swap(value, Ordering::SeqCst) }
    }

    pub(crate) fn fetch_add(&self, value: u64, _: Ordering) -> u64 {
        step();
        if is_dead() { 0 } else { self.0.fetch_add(value, Ordering::SeqCst) }
    }

    pub(crate) fn fetch_or(&self, value: u64, _: Ordering) -> u64 {
        step();
        if is_dead() { 0 } else { self.0.fetch_or(value, Ordering::SeqCst) }
    }

    pub(crate) fn fetch_max(&self, value: u64, _: Ordering) -> u64 {
        step();
        if is_dead() { 0 } else { self.0.fetch_max(value, Ordering::SeqCst) }
    }

    pub(crate) fn compare_exchange(&self, seen: u64, new: u64, _: Ordering, _: Ordering) -> Result<u64, u64> {
        step();
        // Loops end when they succeed.
        if is_dead() { Ok(seen) } else { self.0.compare_exchange(seen, new, Ordering::SeqCst, Ordering::SeqCst) }
    }
}

/// How a run schedules.
pub(crate) struct Chances {
    /// The longest time a coroutine runs on.
    pub(crate) slice: u64,
    /// A turn in so many ends in a stop ...
    pub(crate) stop_in: u64,
    /// ... of up to so many turns of the others,
    pub(crate) stop_turns: u64,
    /// and one in so many in death,
    pub(crate) death_in: u64,
    /// up to so many deaths.
    pub(crate) deaths: u64,
}

struct Actor {
    make: Box<dyn Fn() -> Generator<'static, (), ()>>,
    body: Generator<'static, (), ()>,
    mortal: bool,
    stopped_until: u64,
}

/// Runs actors in turns until all have ended.
pub(crate) struct Stage {
    actors: Vec<Actor>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Stage { actors: Vec::new() }
    }

    /// Adds an actor. A mortal one may be dropped anywhere, and starts anew then.
    pub(crate) fn add(&mut self, mortal: bool, body: impl Fn() + Clone + Send + 'static) {
        let make = move || {
            let body = body.clone();
            Gn::<()>::new_opt(0x4000, body)
        };
        self.actors.push(Actor { body: make(), make: Box::new(make), mortal, stopped_until: 0 });
    }

    /// Runs until all actors have ended or `halt` says so. Returns the number of deaths.
    pub(crate) fn run(&mut self, random: &mut Random, chances: &Chances, halt: impl Fn() -> bool) -> u64 {
        let (mut turn, mut deaths) = (0_u64, 0);
        while !self.actors.is_empty() && !halt() {
            turn += 1;
            let awake = self.actors.iter().filter(|a| a.stopped_until <= turn).count() as u64;
            let Some(chosen) = awake.checked_sub(1).map(|most| random.below(most + 1) as usize) else { continue };
            let index = self.actors.iter().enumerate().filter(|(_, a)| a.stopped_until <= turn).nth(chosen).unwrap().0;
            let actor = &mut self.actors[index];
            LEFT.set(1 + random.below(chances.slice) as u32 + 1);
            actor.body.resume();
            LEFT.set(0);
            if actor.body.is_done() {
                self.actors.swap_remove(index);
            } else if random.once_in(chances.stop_in) {
                actor.stopped_until = turn + random.below(chances.stop_turns);
                if actor.mortal && deaths < chances.deaths && random.once_in(chances.death_in) {
                    bury(&mut actor.body);
                    actor.body = (actor.make)();
                    deaths += 1;
                }
            }
        }
        for actor in &mut self.actors {
            bury(&mut actor.body);
        }
        deaths
    }
}

fn bury(body: &mut Generator<'static, (), ()>) {
    DEAD.set(true);
    while !body.is_done() {
        body.resume();
    }
    DEAD.set(false);
}
