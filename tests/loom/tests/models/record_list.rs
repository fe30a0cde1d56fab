//! Models of the records: how they are published, removed, and published again in another life.

use super::super::life::{begin, claim, look, remove};
use super::super::publish::{Head, Published, Words, enlist, last_made, newest, publish, read_live};
use crate::check::Model;
use crate::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use std::sync::Arc;

/// Records 1 to 3, each with a key, which stands for its text.
struct List {
    head: AtomicU64,
    last: AtomicU64,
    records: [Record; 3],
}

struct Record {
    state: AtomicU64,
    publication: AtomicU64,
    made_before: AtomicU64,
    key: AtomicU64,
}

impl List {
    fn new() -> Arc<List> {
        let word = || AtomicU64::new(0);
        Arc::new(List {
            head: word(),
            last: word(),
            records: std::array::from_fn(|_| Record {
                state: word(),
                publication: word(),
                made_before: word(),
                key: word(),
            }),
        })
    }

    fn record(&self, lines: u32) -> &Record {
        &self.records[lines as usize - 1]
    }

    fn words(&self, lines: u32) -> Option<Words<'_>> {
        let record = self.records.get((lines as usize).checked_sub(1)?)?;
        Some(Words { state: &record.state, publication: &record.publication })
    }

    /// The key of a record that is live.
    fn live_key(&self, lines: u32) -> Option<u64> {
        let record = self.record(lines);
        read_live(&record.state, |_| record.key.load(Ordering::Relaxed))
    }

    /// What was published after `until`, up to `from`: place and key of what is live of it.
    fn walk(&self, from: Head, until: Head) -> Vec<(u32, u64)> {
        let mut places = Vec::new();
        let mut at = from;
        while at.number() != until.number() {
            let word = self.record(at.lines()).publication.load(Ordering::Relaxed);
            match at.before(word) {
                Some(before) => {
                    places.push(at.lines());
                    at = before;
                }
                None => {
                    places.clear();
                    let mut made = last_made(&self.last);
                    while made != 0 {
                        places.push(made);
                        made = self.record(made).made_before.load(Ordering::Relaxed) as u32;
                    }
                    break;
                }
            }
        }
        places.into_iter().filter_map(|lines| Some((lines, self.live_key(lines)?))).collect()
    }

    fn publish(&self, mine: u32, key: u64, walked: Head) -> Published {
        let find = |from, until| {
            let found = self.walk(from, until);
            assert!(found.iter().all(|(_, key)| *key != 0), "unwritten record seen");
            found.into_iter().find(|(_, there)| *there == key).map(|(lines, _)| u64::from(lines))
        };
        publish(&self.head, mine, walked, |lines| self.words(lines), find).unwrap()
    }

    /// Makes a record and publishes it.
    fn add(&self, mine: u32, key: u64, walked: Head) -> Published {
        let record = self.record(mine);
        record.key.store(key, Ordering::Relaxed);
        begin(&record.state, false);
        enlist(&self.last, mine, |before| record.made_before.store(before.into(), Ordering::Relaxed));
        self.publish(mine, key, walked)
    }

    /// Ends the life of a record and publishes it again.
    fn use_again(&self, mine: u32, life: u32, key: u64, walked: Head) -> Published {
        let record = self.record(mine);
        assert!(remove(&record.state, life) && claim(&record.state, life));
        record.key.store(key, Ordering::Relaxed);
        self.publish(mine, key, walked)
    }

    fn newest(&self) -> Head {
        newest(&self.head, |lines| self.words(lines))
    }

    /// Checks that each of these keys is published once, and in the record that its publisher says.
    fn judge(&self, keys: &[u64], outcomes: &[(u32, u64, Published)]) {
        let live: Vec<(u32, u64)> = (1..=3).filter_map(|lines| Some((lines, self.live_key(lines)?))).collect();
        for key in keys {
            let places = live.iter().filter(|(_, there)| there == key).count();
            assert!(places < 2, "duplicate of {key} in {live:?}");
            assert!(places == 1, "lost: {key} in {live:?}");
        }
        for (mine, key, outcome) in outcomes {
            match outcome {
                Published::Mine(_) => assert!(live.contains(&(*mine, *key)), "lost: {mine} in {live:?}"),
                Published::Existing(there) => assert!(live.contains(&(*there as u32, *key)), "lost: {there} in {live:?}"),
            }
        }
    }
}

const START: Head = Head(0);

/// Three writers publish two keys, two of them the same one.
pub(crate) fn records() -> Model {
    Model::new(2, || {
        let list = List::new();
        let add = |mine: u32, key: u64| {
            let list = Arc::clone(&list);
            thread::spawn(move || (mine, key, list.add(mine, key, START)))
        };
        let threads = [add(1, 7), add(2, 7), add(3, 8)];
        let outcomes = threads.map(|thread| thread.join().unwrap());
        list.judge(&[7, 8], &outcomes);
    })
    .at_most(40_000)
}

/// One uses the record at the head again for a key that another publishes too.
pub(crate) fn used_again() -> Model {
    Model::new(3, || {
        let list = List::new();
        list.add(1, 7, START);
        let walked = list.newest();
        let (one, two) = (Arc::clone(&list), Arc::clone(&list));
        let again = thread::spawn(move || (1, 8, one.use_again(1, 1, 8, walked)));
        let fresh = thread::spawn(move || (2, 8, two.add(2, 8, walked)));
        let outcomes = [again.join().unwrap(), fresh.join().unwrap()];
        list.judge(&[8], &outcomes);
    })
}

/// Whoever reads a record while it is used again reads one life of it.
pub(crate) fn read_while_used_again() -> Model {
    Model::new(3, || {
        let list = List::new();
        list.add(1, 7, START);
        let walked = list.newest();
        let (one, two) = (Arc::clone(&list), Arc::clone(&list));
        let again = thread::spawn(move || one.use_again(1, 1, 8, walked));
        let reader = thread::spawn(move || {
            let record = two.record(1);
            read_live(&record.state, |state| (state.life(), record.key.load(Ordering::Relaxed)))
        });
        again.join().unwrap();
        if let Some((life, key)) = reader.join().unwrap() {
            assert!((life, key) == (1, 7) || (life, key) == (2, 8), "mixed: key {key} in life {life}");
        }
        assert_eq!(look(&list.record(1).state).life(), 2);
    })
}

/// Whoever walks through the publications while one of them is published again finds all others.
pub(crate) fn walked_while_used_again() -> Model {
    Model::new(3, || {
        let list = List::new();
        list.add(3, 5, START);
        list.add(1, 6, list.newest());
        list.add(2, 7, list.newest());
        let walked = list.newest();
        let (one, two) = (Arc::clone(&list), Arc::clone(&list));
        let again = thread::spawn(move || one.use_again(1, 1, 8, walked));
        let walker = thread::spawn(move || two.walk(two.newest(), START));
        again.join().unwrap();
        let found = walker.join().unwrap();
        for wanted in [(3, 5), (2, 7)] {
            assert!(found.contains(&wanted), "lost: {wanted:?} in {found:?}");
        }
    })
}
