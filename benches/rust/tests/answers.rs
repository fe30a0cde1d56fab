//! The work of the benches counts right, so that what is compared is the same.
#![allow(clippy::unwrap_used, reason = "tests")]

use spanpin_benches::{WORKLOADS, run_in_threads, work};

#[test]
fn every_engine_exposes_what_it_was_given() {
    for workload in WORKLOADS {
        for engine in ["spanpin", "client_rust"] {
            for threads in [1, 2] {
                let work = work(engine, workload).unwrap();
                let operations = if workload == "scrape_1000" { 2 } else { 50_001 };
                run_in_threads(&*work, threads, operations);
                work.check(operations, threads).unwrap_or_else(|wrong| panic!("{workload}, {engine}: {wrong}"));
            }
        }
    }
}

#[test]
fn a_wrong_count_is_found() {
    for workload in WORKLOADS.into_iter().filter(|w| *w != "scrape_1000") {
        for engine in ["spanpin", "client_rust"] {
            let work = work(engine, workload).unwrap();
            run_in_threads(&*work, 1, 100);
            assert!(work.check(101, 1).is_err(), "{workload}, {engine}");
        }
    }
}
