//! A model of the stripes of one series: two threads of a process that count in them, one that reads.

use super::super::stripes::{publish_stripes, published_stripes};
use crate::check::Model;
use crate::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use std::sync::Arc;

/// A cell for each thread, in the base and in two blocks that may become the stripes.
struct Series {
    sets: [[AtomicU64; 2]; 3],
    stripes: AtomicU64,
    /// What the process remembers of the stripes.
    known: AtomicU64,
    /// The slot of the second thread's exemplar, once it is written.
    slot: AtomicU64,
}

impl Series {
    fn new() -> Arc<Self> {
        Arc::new(Series {
            sets: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))),
            stripes: AtomicU64::new(0),
            known: AtomicU64::new(0),
            slot: AtomicU64::new(0),
        })
    }

    fn count(&self, set: u64, thread: usize) {
        self.sets[set as usize][thread].fetch_add(1, Ordering::Relaxed);
    }

    /// What a reader finds of a thread's count, if these are the stripes.
    fn counted(&self, stripes: u64, thread: usize) -> u64 {
        let of = |set: u64| self.sets[set as usize][thread].load(Ordering::Relaxed);
        of(0) + if stripes == 0 { 0 } else { of(stripes) }
    }
}

/// One thread makes the stripes and lets the process know; another counts where the process counts, and shows it.
fn shown(release: Ordering, acquire: Ordering, slots_first: bool) -> Model {
    Model::new(3, move || {
        let series = Series::new();
        let maker = {
            let series = Arc::clone(&series);
            thread::spawn(move || {
                let stripes = publish_stripes(&series.stripes, 1);
                series.known.store(stripes, release);
            })
        };
        let writer = {
            let series = Arc::clone(&series);
            thread::spawn(move || {
                series.count(series.known.load(acquire), 1);
                let _ = series.slot.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed);
            })
        };
        let reader = {
            let series = Arc::clone(&series);
            thread::spawn(move || {
                let (shown, stripes) = if slots_first {
                    (series.slot.load(Ordering::Acquire), published_stripes(&series.stripes))
                } else {
                    let stripes = published_stripes(&series.stripes);
                    (series.slot.load(Ordering::Acquire), stripes)
                };
                assert!(series.counted(stripes, 1) >= shown, "shown but not counted");
            })
        };
        for thread in [maker, writer, reader] {
            thread.join().unwrap();
        }
    })
}

pub(crate) fn striped() -> Model {
    shown(Ordering::Release, Ordering::Acquire, true)
}

/// The reader looks for stripes before it reads the slots.
pub(crate) fn stripes_read_first() -> Model {
    shown(Ordering::Release, Ordering::Acquire, false)
}

/// The process is told of its stripes without their publication.
pub(crate) fn known_relaxed() -> Model {
    shown(Ordering::Relaxed, Ordering::Relaxed, true)
}

/// Two threads, or processes, that make stripes at once count in the same ones.
pub(crate) fn made_twice() -> Model {
    Model::new(3, || {
        let series = Series::new();
        let makers = [0, 1].map(|number: usize| {
            let series = Arc::clone(&series);
            thread::spawn(move || series.count(publish_stripes(&series.stripes, number as u64 + 1), number))
        });
        for maker in makers {
            maker.join().unwrap();
        }
        let stripes = published_stripes(&series.stripes);
        assert!((0..2).all(|thread| series.counted(stripes, thread) == 1), "a count is lost");
    })
}
