//! Series that many threads and processes write at once, in stripes: nothing is lost and the sum never falls.
#![cfg(all(target_os = "linux", not(miri)))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod place;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use place::{Place, attach, fork_off, scrape, value, wait_for};
use spanpin::raw::{FamilyOptions, Hooks, Series, StripesWish};
use spanpin::{Kind, Registry, RegistryOptions, RuleOptions, SpanId, TraceContext, TraceId};

const PROCESSES: u64 = 4;
const EACH: u64 = 100_000;

fn series<'a>(registry: &'a Registry, kind: Kind, name: &str) -> Series<'a> {
    let options = FamilyOptions {
        kind,
        name,
        help: "",
        unit: "",
        label_names: &[],
        bounds: Some(&[0.25, 0.5, 0.75]),
        rules: RuleOptions::default(),
        max_series: None,
    };
    let family = registry.register_raw(&options, Hooks::default()).unwrap();
    family.child_raw(core::iter::empty::<&str>()).unwrap()
}

/// Values in (0, 1] with 20 binary digits: sums of billions of them are exact.
fn values(seed: u64) -> impl Iterator<Item = f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        ((state >> 44) + 1) as f64 / f64::from(1 << 20)
    })
}

fn span() -> TraceContext {
    TraceContext::sampled(TraceId::from_u64s(1, 2).unwrap(), SpanId::from_u64(3).unwrap())
}

/// Processes count in one series, in its own cells and from some moment on in stripes, whose salts tell them apart.
#[test]
fn processes_share_the_stripes_of_a_series() {
    let place = Place::in_memory();
    let registry = attach(&place.path("a"));
    let (h, c) = (series(&registry, Kind::Histogram, "h"), series(&registry, Kind::Counter, "c"));
    let run = |number: u64| {
        for (turn, value) in (0..EACH).zip(values(number)) {
            h.observe_with(value, || Some(span()));
            c.add(1.0);
            c.add(0.25);
            if turn == number * 1000 {
                h.stripes_view(StripesWish::Any).unwrap();
                c.stripes_view(StripesWish::Any).unwrap();
            }
        }
        let salt = h.stripes_view(StripesWish::Known).unwrap().salt;
        std::fs::write(place.path(&format!("salt-{number}")), salt.to_string()).unwrap();
        true
    };
    let children: Vec<_> = (0..PROCESSES).map(|number| fork_off(|| run(number))).collect();
    for child in children {
        assert_eq!(wait_for(child), 0);
    }
    let salt = |number| std::fs::read_to_string(place.path(&format!("salt-{number}"))).unwrap();
    let salts: HashSet<String> = (0..PROCESSES).map(salt).collect();
    assert_eq!(salts.len() as u64, PROCESSES, "{salts:?}");

    let sum: f64 = (0..PROCESSES).map(|number| values(number).take(EACH as usize).sum::<f64>()).sum();
    // A process that has been there all the time, and one that comes later, with a mapping of its own.
    for registry in [&registry, &attach(&place.path("a"))] {
        let body = scrape(registry);
        assert_eq!(value(&body, "h_count"), (PROCESSES * EACH) as f64);
        assert_eq!(value(&body, "h_sum"), sum);
        assert_eq!(value(&body, "c_total"), (PROCESSES * EACH) as f64 * 1.25);
    }
}

/// With one order of the sets the sum of values that are not negative never falls, though it is rounded.
#[test]
fn the_sum_of_striped_cells_never_falls() {
    const THREADS: u64 = 4;
    let registry = Registry::with_options(&RegistryOptions { self_metrics: false, ..Default::default() }).unwrap();
    let h = series(&registry, Kind::Histogram, "h");
    let done = AtomicU64::new(0);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let done = &done;
            scope.spawn(move || {
                // Great and tiny values by turns, so that most sums are rounded.
                for (turn, value) in (0..EACH).zip(values(thread)) {
                    h.observe(value * if turn % 2 == 0 { 1e12 } else { 1e-6 } / 3.0);
                    if turn == 1000 {
                        h.stripes_view(StripesWish::Any).unwrap();
                    }
                }
                done.fetch_add(1, Ordering::Relaxed);
            });
        }
        let mut last = 0.0;
        while done.load(Ordering::Relaxed) < THREADS {
            let sum = value(&scrape(&registry), "h_sum");
            assert!(sum >= last, "{sum} after {last}");
            last = sum;
        }
        assert!(last > 0.0, "no scrape met an observation");
    });
}
