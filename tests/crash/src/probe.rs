//! A process that comes when all writers are dead: it must find everything free.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use crate::gauges::{ADDED, SET};
use crate::journal::Journal;
use crate::made::Which;
use crate::recorder::{Random, Recorder, attach_for_ever, grow_ahead, scrape};
use crate::system::still_alive;
use crate::warden::PROBE;

/// Slots of a ring, of a family that does not say.
const SLOTS: usize = 11;
const BUCKETS: usize = 4;
/// Scrapers that come again after this close a window.
const WINDOW: Duration = Duration::from_millis(25);

/// Checks a segment. Writes what it is shown in the end to `probe`, beside the journal that says what is in it then.
pub fn probe(dir: &Path) -> Result<(), String> {
    still_alive();
    let journal = Journal::open(&dir.join("journal"));
    let path = dir.join("segment");
    let registry = attach_for_ever(path.to_str().unwrap());
    // Numbered as the last life there can be.
    let mut recorder = Recorder::new(registry, journal, PROBE, crate::made::LIVES - 1);
    let next_window = || {
        sleep(WINDOW);
        scrape(registry, "a")
    };
    // Two further windows free the slots of dead writers.
    next_window();
    next_window();
    let known: Vec<Which> = Which::all().filter(|which| !which.is_counter() && journal.of(*which)[2] > 0).collect();
    // A new family and a new series, which need the locks.
    let new = Which::own(recorder.life, 0);
    recorder.record(new);
    // In each window one offer for each bucket: it must be shown, and it takes a slot that is free.
    for window in 0..SLOTS + 2 {
        still_alive();
        let mut offered = Vec::new();
        for (number, which) in known.iter().enumerate() {
            if number.is_multiple_of(12) && window < 2 {
                // Observations never let the file grow, and this may be the first exemplar of many buckets.
                grow_ahead(registry);
            }
            for bucket in 0..BUCKETS {
                let mut made = recorder.next(*which);
                while bucket_of(made.value()) != bucket {
                    made = recorder.next(*which);
                }
                recorder.record_made(made);
                offered.push(made);
            }
        }
        let body = next_window();
        for made in offered {
            let id = format!("trace_id=\"{}\"", made.span().trace_id());
            if !body.contains(&id) {
                return Err(format!("stuck: window {window} does not show what {made:?} was offered"));
            }
        }
    }
    // Each slot holds one of these now.
    for which in known {
        let kept = recorder.series(which).exemplars().map_err(|error| error.to_string())?.len();
        if kept != SLOTS * BUCKETS {
            return Err(format!("stuck: {} of the {} slots of {which:?} are in use", kept, SLOTS * BUCKETS));
        }
    }
    (0..SET).for_each(|label| recorder.set_gauge(label));
    (0..3 * ADDED).for_each(|turn| recorder.add_to_gauge(turn % ADDED));
    (0..10).for_each(|_| recorder.step_mixed());
    let mut random = Random::new(recorder.life as u64);
    (0..200).for_each(|_| recorder.come_and_go(&mut random));
    std::fs::write(dir.join("probe"), next_window()).unwrap();
    Ok(())
}

fn bucket_of(value: f64) -> usize {
    crate::made::BOUNDS.iter().filter(|bound| **bound < value).count()
}
