//! What a writer does until it is killed, and how a victim stops where it was told to.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Duration;

use crate::journal::Journal;
use crate::made::{COUNTER_FAMILIES, LABELS, OWN, SHARED_FAMILIES, Which};
use crate::recorder::{Random, Recorder, attach, attach_for_ever, grow_ahead, scrape};
use crate::system::stop;

/// How a writer begins.
pub struct Life<'a> {
    pub path: &'a str,
    pub journal: Journal,
    pub slot: usize,
    pub number: usize,
    pub seed: u64,
    /// The stop at which it is to be killed, if at one.
    pub stop: Option<&'a str>,
    /// Whether it only goes on while others are killed, and leaves them time.
    pub is_company: bool,
}

const COMPANY_PAUSE: Duration = Duration::from_millis(4);

/// Names of scrapers that the victims use: with those of the others more than the table has entries.
const NAMES: usize = 14;

struct Wanted {
    stop: String,
    passes: &'static AtomicU64,
}

static WANTED: OnceLock<Wanted> = OnceLock::new();

/// Stops this process at the wanted stop, the so many-th time that it is there.
#[cfg_attr(not(spanpin_stops), allow(dead_code))]
fn at(name: &'static str) {
    let Some(wanted) = WANTED.get().filter(|wanted| wanted.stop == name) else { return };
    let left = |left: u64| left.checked_sub(1);
    if wanted.passes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left) == Ok(1) {
        stop();
    }
}

/// From here on this process stops there.
pub fn stop_at(stop: &str, journal: Journal) {
    _ = WANTED.set(Wanted { stop: stop.to_owned(), passes: journal.passes() });
    #[cfg(spanpin_stops)]
    spanpin::stops::set_handler(at);
    #[cfg(not(spanpin_stops))]
    panic!("{stop}: this build has no stops; tests/crash/run.py makes one that has");
}

/// Records for ever. `inherited` is what its parent records with, for a child of fork.
pub fn run(life: &Life<'_>, inherited: Option<&Recorder>) {
    if let Some(stop) = life.stop {
        stop_at(stop, life.journal);
    }
    let mut recorder = match inherited {
        Some(parent) => {
            // A second one for a moment: whoever inherits does not pass the ways of one that attaches.
            drop(attach(life.path).unwrap());
            parent.inherited(life.slot, life.number)
        }
        None => Recorder::new(attach_for_ever(life.path), life.journal, life.slot, life.number),
    };
    let registry = recorder.registry;
    let mut random = Random::new(life.seed);
    let beat = format!("w{}", life.slot);
    // Families are registered one by one, in an order of its own, its own family among them.
    let first = random.below(SHARED_FAMILIES);
    let own_after = random.below(SHARED_FAMILIES);
    let mut open = Vec::new();
    for turn in 0..SHARED_FAMILIES {
        open.push((turn + first) % SHARED_FAMILIES);
        if turn == own_after {
            recorder.record(Which::own(life.number, 0));
        }
        for _ in 0..5 + random.below(20) {
            let family = open[random.below(open.len())];
            recorder.record(Which::shared(family, random.below(LABELS)));
        }
        recorder.gauge(&mut random);
    }
    for turn in 1_usize.. {
        if life.is_company && turn % 20 == 0 {
            sleep(COMPANY_PAUSE);
        }
        let which = match random.below(10) {
            0..=2 => Which::own(life.number, random.below(OWN.min(1 + turn / 20))),
            3 => Which::counter(random.below(COUNTER_FAMILIES), random.below(LABELS)),
            4 | 5 => Which::shared(random.below(SHARED_FAMILIES), random.below(LABELS)),
            // Where they all meet.
            _ => Which::shared(0, random.below(2)),
        };
        recorder.record(which);
        if turn % 2 == 0 {
            recorder.gauge(&mut random);
        } else {
            recorder.come_and_go(&mut random);
        }
        if turn % 50 == 0 && !life.is_company {
            // One more worker for a moment.
            drop(attach(life.path).unwrap());
        }
        // Company would wait for a second where a victim holds the table of scrapers; there are others that do.
        if turn % 40 == 0 && !life.is_company {
            _ = scrape(registry, &beat);
        }
        if turn % 60 == 0 && !life.is_company {
            // Often a new one, which takes an entry of the table from another.
            _ = scrape(registry, &format!("v{}", random.below(NAMES)));
        }
        if turn % 100 == 0 {
            grow_ahead(registry);
        }
        if turn == 70 {
            recorder.stripe(Which::own(life.number, 0), Which::own(life.number, 1));
        }
    }
}
