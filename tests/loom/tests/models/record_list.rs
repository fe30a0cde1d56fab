//! A model of the list of records.

use super::super::publish::{Published, publish};
use crate::check::Model;
use crate::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use std::sync::Arc;

/// Three writers publish two keys, two of them the same one.
pub(crate) fn records() -> Model {
    Model::new(3, || {
        struct List {
            head: AtomicU64,
            /// Key and next of the records 1, 2, 3.
            records: [[AtomicU64; 2]; 3],
            unwritten: AtomicU64,
        }
        fn record(list: &List, place: u64) -> &[AtomicU64; 2] {
            &list.records[place as usize - 1]
        }
        let list = Arc::new(List {
            head: AtomicU64::new(0),
            records: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))),
            unwritten: AtomicU64::new(0),
        });
        let add = |mine: u64, key: u64| {
            let list = Arc::clone(&list);
            move || {
                record(&list, mine)[0].store(key, Ordering::Relaxed);
                let find = |from: u64, until: u64| {
                    let mut at = from;
                    // A link that was not written yet reads as the end of the list.
                    while at != until && at != 0 {
                        let there = record(&list, at)[0].load(Ordering::Relaxed);
                        if there == 0 {
                            list.unwritten.store(1, Ordering::Relaxed);
                        }
                        if there == key {
                            return Some(at);
                        }
                        at = record(&list, at)[1].load(Ordering::Relaxed);
                    }
                    None
                };
                let set_next = |next| record(&list, mine)[1].store(next, Ordering::Relaxed);
                (mine, publish(&list.head, mine, 0, set_next, find))
            }
        };
        let threads = [thread::spawn(add(1, 7)), thread::spawn(add(2, 7)), thread::spawn(add(3, 8))];
        let outcomes = threads.map(|t| t.join().unwrap());
        assert_eq!(list.unwritten.load(Ordering::Relaxed), 0, "unwritten record seen");
        let mut listed = Vec::new();
        let mut at = list.head.load(Ordering::Relaxed);
        while at != 0 {
            listed.push((at, record(&list, at)[0].load(Ordering::Relaxed)));
            at = record(&list, at)[1].load(Ordering::Relaxed);
        }
        for key in [7, 8] {
            let places: Vec<u64> = listed.iter().filter(|r| r.1 == key).map(|r| r.0).collect();
            assert!(places.len() < 2, "duplicate of {key} in {listed:?}");
            assert!(!places.is_empty(), "lost: {key} in {listed:?}");
        }
        for (mine, outcome) in outcomes {
            match outcome {
                Published::Mine => assert!(listed.iter().any(|r| r.0 == mine), "lost: {mine}"),
                Published::Existing(there) => assert!(listed.contains(&(there, 7)), "lost: {there}"),
            }
        }
    })
}
