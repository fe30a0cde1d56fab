//! What new code says of a family that a segment holds already, and of one whose registration failed before.
#![cfg(all(target_os = "linux", not(miri)))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod place;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use place::{Place, attach, fork_off, limit_file_size, options, scrape, scrape_as, value, wait_for};
use spanpin::{
    Adaptive, ErrorCode, Filter, HistogramFamily, LowerEdge, Policy, Registry, RegistryOptions, SegmentReason, SpanId,
    TraceContext, TraceId,
};

fn unsampled(n: u64) -> TraceContext {
    TraceContext::new(TraceId::from_u64s(n, n).unwrap(), SpanId::from_u64(n).unwrap(), 0)
}

fn trace_id(n: u64) -> String {
    format!("{n:016x}{n:016x}")
}

/// The code of yesterday.
fn old_version(registry: &Registry) -> HistogramFamily {
    let family = registry.histogram("h_seconds", "Old.").labels(&["l"]).bounds(&[1.0]).max_series(2).max_age(60);
    family.filter(Filter::TraceBased).minimum_value(0.5).policy(Policy::First).register().unwrap()
}

/// The code of today.
fn new_version(registry: &Registry) -> HistogramFamily {
    let family = registry.histogram("h_seconds", "New.").unit("seconds").labels(&["l"]).bounds(&[1.0]).max_series(3);
    let adaptive = Adaptive { lower: LowerEdge::OfP99(0.25), window_seconds: 60, p99: None };
    family.filter(Filter::AlwaysOn).policy(Policy::Slowest).max_age(300).adaptive(adaptive).register().unwrap()
}

/// Whether an offer of this value and an unsampled span is shown, and nothing else of its label.
fn is_taken(registry: &Registry, family: &HistogramFamily, label: &str, value: f64, n: u64) -> bool {
    family.with(&[label]).unwrap().observe_trace(value, unsampled(n));
    // Scrapes closer than 20 ms share a window.
    std::thread::sleep(std::time::Duration::from_millis(30));
    scrape(registry).contains(&trace_id(n))
}

#[test]
fn the_rules_of_the_new_code_hold_while_the_old_one_still_runs() {
    let place = Place::in_memory();
    let path = place.path("a");
    let old = attach(&path);
    let of_old = old_version(&old);
    for label in ["a", "b"] {
        assert!(!is_taken(&old, &of_old, label, 0.7, 1), "not sampled");
    }
    let child = fork_off(|| {
        let new = attach(&path);
        let of_new = new_version(&new);
        assert!(new.take_segment_notice().is_none());
        assert!(is_taken(&new, &of_new, "a", 0.7, 2), "another filter");
        assert!(is_taken(&new, &of_new, "b", 0.1, 3), "no least value");
        assert!(!of_new.with(&["c"]).unwrap().is_overflow(), "a greater limit");
        assert!(of_new.with(&["d"]).unwrap().is_overflow(), "which is one all the same");
        let body = scrape(&new);
        assert_eq!(value(&body, "h_seconds_count{l=\"a\"}"), 2.0, "{body}");
        body.contains("# HELP h_seconds New.\n") && body.contains("# UNIT h_seconds seconds\n")
    });
    assert_eq!(wait_for(child), 0);

    // The old process goes by its own code to its end, and shows what the other one counted.
    let body = scrape(&old);
    assert!(body.contains("# HELP h_seconds Old.\n") && !body.contains("# UNIT"), "{body}");
    assert!(body.contains(&trace_id(2)) && body.contains(&trace_id(3)), "{body}");
    assert!(!is_taken(&old, &of_old, "a", 0.7, 4), "not sampled");
    assert!(of_old.with(&["e"]).unwrap().is_overflow());
    assert_eq!(value(&body, "h_seconds_count{l=\"b\"}"), 2.0);
}

/// Who has not registered the family, as another worker that has not come to it yet, goes by the newest registration,
/// also when it has looked at the family before.
#[test]
fn a_reader_takes_up_the_age_limit_of_the_newest_registration() {
    let place = Place::in_memory();
    let path = place.path("a");
    let old = attach(&path);
    let of_old = old.histogram("h", "").max_age(10).register().unwrap();
    let reader = attach(&path);
    for registry in [&old, &reader] {
        registry.set_clock(1_000_000, 1_000_000);
    }
    of_old
        .with(&[])
        .unwrap()
        .observe_trace(0.1, TraceContext::sampled(TraceId::from_u64s(5, 5).unwrap(), SpanId::from_u64(5).unwrap()));
    reader.set_clock(1_000_100, 1_000_100);
    assert!(scrape_as(&reader, "one").contains(&trace_id(5)));
    reader.set_clock(1_020_000, 1_020_000);
    assert!(!scrape_as(&reader, "two").contains(&trace_id(5)), "10 s are over");
    let child = fork_off(|| attach(&path).histogram("h", "").max_age(60).register().is_ok());
    assert_eq!(wait_for(child), 0);
    assert!(scrape_as(&reader, "three").contains(&trace_id(5)), "60 s are not");
}

#[test]
fn rings_keep_their_slots_and_that_is_said() {
    let place = Place::in_memory();
    let path = place.path("a");
    let old = attach(&path);
    let of_old = old.histogram("h", "").slots(4).register().unwrap().with(&[]).unwrap();
    of_old.observe(0.1);
    let new = attach(&path);
    let of_new = new.histogram("h", "").slots(19).register().unwrap().with(&[]).unwrap();
    let notice = new.take_segment_notice().unwrap();
    assert_eq!(notice.reason, SegmentReason::Shape);
    assert!(
        notice.message.contains("\"h\" is there with rings of 4 slots, and 19 are asked for"),
        "{}",
        notice.message
    );
    let span = |n| TraceContext::sampled(TraceId::from_u64s(n, n).unwrap(), SpanId::from_u64(n).unwrap());
    for n in 1..=8 {
        of_new.observe_trace(0.1, span(n));
        new.set_clock(1_000_000 + n * 15_000, 1_000_000 + n * 15_000);
        scrape(&new);
    }
    assert_eq!(of_new.exemplars().unwrap().len(), 4);
    assert_eq!(value(&scrape(&new), "h_count"), 9.0);

    let strict = Registry::with_options(&RegistryOptions { strict: true, ..options(&path) }).unwrap();
    let error = strict.histogram("h", "").slots(19).register().err().unwrap();
    assert_eq!(error.code(), ErrorCode::ShapeMismatch);
    assert!(strict.histogram("h", "").slots(4).register().is_ok());
}

/// A registration that failed for want of room leaves none of its functions and rules behind.
#[test]
fn the_functions_of_the_registration_that_succeeded_hold() {
    let place = Place::in_memory();
    let path = place.path("a");
    let child = fork_off(|| {
        limit_file_size(256 * 1024);
        let registry = attach(&path);
        let bounds: Vec<f64> = (0..1200).map(f64::from).collect();
        let names: Vec<String> = (0..10).map(|n| format!("h{n}")).collect();
        let [first, second] = [(); 2].map(|()| Arc::new(AtomicU32::new(0)));
        let register = |name: &str, told: &Arc<AtomicU32>, least: f64| {
            let told = told.clone();
            let family = registry.histogram(name, "").bounds(&bounds).minimum_value(least);
            let family = family.on_slow_request(100.0, "", move |_| {
                told.fetch_add(1, Ordering::Relaxed);
            });
            family.register()
        };
        // Its record finds room, its series does not.
        let full = names.iter().find(|name| register(name, &first, 1e6).is_err()).unwrap();
        assert!(attach(&path).histogram(full, "").bounds(&bounds).register().is_err(), "there is no room");
        limit_file_size(libc::RLIM_INFINITY);
        std::thread::sleep(std::time::Duration::from_millis(1100));
        let family = register(full, &second, 0.0).unwrap();
        let span = TraceContext::sampled(TraceId::from_u64s(8, 8).unwrap(), SpanId::from_u64(8).unwrap());
        family.with(&[]).unwrap().observe_trace(500.0, span);
        assert_eq!((first.load(Ordering::Relaxed), second.load(Ordering::Relaxed)), (0, 1));
        scrape(&registry).contains(&trace_id(8))
    });
    assert_eq!(wait_for(child), 0);
}
