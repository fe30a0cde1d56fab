//! Models of one slot.

use super::super::priority::is_published;
use super::super::shape::{LABEL_WORDS, PAYLOAD_WORDS, SLOT_WORDS};
use super::super::slot::{Payload, Slot};
use crate::check::Model;
use crate::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use std::sync::Arc;

struct OneSlot {
    words: [AtomicU64; SLOT_WORDS],
    labels: [AtomicU64; LABEL_WORDS],
    counted: [AtomicU64; 4],
}

const PLACE: u64 = 64;

impl OneSlot {
    fn new() -> Arc<Self> {
        Arc::new(OneSlot {
            words: std::array::from_fn(|_| AtomicU64::new(0)),
            labels: std::array::from_fn(|_| AtomicU64::new(0)),
            counted: std::array::from_fn(|_| AtomicU64::new(0)),
        })
    }

    fn slot(&self) -> Slot<'_> {
        Slot::new(&self.words, &self.labels, PLACE)
    }

    /// What the writer of the admission word `a` writes.
    fn content(a: u64, labelled: bool) -> (Payload, [u64; LABEL_WORDS]) {
        let mut payload = [a + 1; PAYLOAD_WORDS];
        payload[0] = (a << 12) | u64::from(labelled);
        (payload, [a + 2; LABEL_WORDS])
    }

    fn write(&self, a: u64, labelled: bool) {
        let (payload, labels) = Self::content(a, labelled);
        self.slot().publish(a, &payload, if labelled { &labels } else { &[] });
    }

    /// Takes the slot if nobody is at work there, or from anybody.
    fn claim(&self, a: u64, from_anybody: bool) -> bool {
        let seen = self.slot().admission();
        seen < a && (from_anybody || seen == 0 || is_published(seen)) && self.slot().claim(seen, a)
    }

    fn read(&self, labelled: bool) -> Result<Option<u64>, String> {
        let a = self.slot().admission_acquire();
        if !is_published(a) {
            return Ok(None);
        }
        let mut labels = [0; LABEL_WORDS];
        let Some(payload) = self.slot().read(a, &mut labels) else { return Ok(None) };
        let (wanted, wanted_labels) = Self::content(a, labelled);
        if payload != wanted || (labelled && labels != wanted_labels) {
            return Err(format!("torn: {a} reads {payload:?} {labels:?}"));
        }
        Ok(Some(a))
    }
}

fn slot_with(preemptions: usize, takeover: bool, labelled: bool) -> Model {
    Model::new(preemptions, move || {
        let one = OneSlot::new();
        let writers = [16, 32].map(|a| {
            let one = Arc::clone(&one);
            thread::spawn(move || {
                if one.claim(a, takeover) {
                    one.write(a, labelled);
                }
            })
        });
        let reader = {
            let one = Arc::clone(&one);
            thread::spawn(move || one.read(labelled))
        };
        for writer in writers {
            writer.join().unwrap();
        }
        let read = reader.join().unwrap();
        if let Err(torn) = read {
            panic!("{torn}");
        }
    })
}

pub(crate) fn slot_same_window() -> Model {
    slot_with(3, false, false)
}

pub(crate) fn slot_takeover() -> Model {
    slot_with(3, true, false)
}

pub(crate) fn slot_takeover_labels() -> Model {
    slot_with(2, true, true)
}

/// The second writer follows the first; what it has published and nobody touches can be read.
pub(crate) fn slot_at_rest() -> Model {
    Model::new(3, || {
        let one = OneSlot::new();
        let writers = [16, 32].map(|a| {
            let one = Arc::clone(&one);
            thread::spawn(move || {
                let mine = if a == 16 { one.slot().claim(0, 16) } else { one.slot().claim(16, 32) };
                if mine {
                    one.write(a, false);
                }
            })
        });
        let reader = {
            let one = Arc::clone(&one);
            thread::spawn(move || one.slot().admission_acquire() != 32 || one.read(false) == Ok(Some(32)))
        };
        for writer in writers {
            writer.join().unwrap();
        }
        assert!(reader.join().unwrap(), "unreadable at rest");
    })
}

/// Two readers of a slot that is written, published, and written again. None reads anything torn; none that knows of
/// the last publication fails to read it, and none goes back to the first.
pub(crate) fn slot_two_readers() -> Model {
    Model::new(1, || {
        let one = OneSlot::new();
        let writers = [16, 32].map(|a| {
            let one = Arc::clone(&one);
            thread::spawn(move || {
                if if a == 16 { one.slot().claim(0, 16) } else { one.slot().claim(16, 32) } {
                    one.write(a, false);
                }
            })
        });
        let readers = [(); 2].map(|()| {
            let one = Arc::clone(&one);
            thread::spawn(move || {
                let known = one.slot().admission_acquire();
                (known, one.read(false))
            })
        });
        for writer in writers {
            writer.join().unwrap();
        }
        for reader in readers {
            match reader.join().unwrap() {
                (_, Err(torn)) => panic!("{torn}"),
                (32, read) => assert_eq!(read, Ok(Some(32)), "unreadable at rest"),
                _ => {}
            }
        }
    })
    .at_most(40_000)
}
