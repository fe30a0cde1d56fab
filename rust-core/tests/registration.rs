//! Bad input gets an error that says what was wrong, what is allowed and what to do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use spanpin::{ErrorCode, Registry, RegistryOptions};

fn check(error: Option<spanpin::Error>, code: ErrorCode, text: &str) {
    let error = error.unwrap_or_else(|| panic!("no error, wanted {code}: {text}"));
    assert_eq!(error.code(), code, "{error}");
    assert!(error.message().contains(text), "{error}");
}

#[test]
fn bad_families_are_refused() {
    let registry = Registry::new().unwrap();
    registry.histogram("h", "").labels(&["a"]).register().unwrap();
    registry.counter("jobs_total", "").register().unwrap();
    let histogram = |name, labels: &[&str], bounds: &[f64]| {
        registry.histogram(name, "").labels(labels).bounds(bounds).register().err()
    };
    check(histogram("1h", &[], &[1.0]), ErrorCode::InvalidName, "\"1h\"");
    check(histogram("", &[], &[1.0]), ErrorCode::InvalidName, "[a-zA-Z_:][a-zA-Z0-9_:]*");
    check(histogram("x", &["le"], &[1.0]), ErrorCode::ReservedLabel, "\"le\"");
    check(histogram("x", &["__a"], &[1.0]), ErrorCode::ReservedLabel, "__");
    check(histogram("x", &["a-b"], &[1.0]), ErrorCode::InvalidLabelName, "\"a-b\"");
    check(histogram("x", &["a", "b", "a"], &[1.0]), ErrorCode::DuplicateLabel, "\"a\"");
    check(histogram("x", &[], &[1.0, 1.0]), ErrorCode::InvalidBounds, "bound 2 (1.0) is not above bound 1 (1.0)");
    check(histogram("x", &[], &[f64::NAN]), ErrorCode::InvalidBounds, "NaN");
    check(histogram("h", &["b"], &[1.0]), ErrorCode::ShapeMismatch, "histogram with labels [a]");
    let other = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0];
    check(histogram("h", &["a"], &other), ErrorCode::ShapeMismatch, "11 bounds, 2.0 in place of 2.5: use another name");
    check(registry.histogram("h", "").labels(&["a"]).register().err(), ErrorCode::DuplicateName, "already");
    check(registry.gauge("h", "").register().err(), ErrorCode::ShapeMismatch, "asked for is a gauge");
    check(registry.gauge("h_count", "").register().err(), ErrorCode::NameClash, "\"h\"");
    check(registry.gauge("jobs_created", "").register().err(), ErrorCode::NameClash, "\"jobs\"");
    check(registry.gauge("jobs_total", "").register().err(), ErrorCode::NameClash, "\"jobs\"");
    check(registry.counter("jobs", "").register().err(), ErrorCode::DuplicateName, "\"jobs\"");
    check(registry.counter("_total", "").register().err(), ErrorCode::InvalidName, "\"\"");
    check(registry.gauge("spanpin_x", "").register().err(), ErrorCode::NameClash, "reserved");
    check(registry.gauge("x", "").unit("seconds").register().err(), ErrorCode::InvalidUnit, "_seconds");
    registry.gauge("h_seconds", "").unit("seconds").register().unwrap();
    // What was refused has left nothing behind.
    registry.histogram("x", "").register().unwrap();
}

#[test]
fn wrong_number_of_label_values_is_refused() {
    let registry = Registry::new().unwrap();
    let family = registry.gauge("g", "").labels(&["a", "b"]).register().unwrap();
    check(family.with(&["1"]).err(), ErrorCode::LabelCount, "takes 2 label values (a, b), not 1");
    check(family.with(&[]).err(), ErrorCode::LabelCount, "not 0");
    family.with(&["1", "2"]).unwrap();
}

#[test]
fn bad_options_are_refused() {
    let bad = |trace_id_label, span_id_label| {
        Registry::with_options(&RegistryOptions { trace_id_label, span_id_label, ..Default::default() }).err()
    };
    check(bad("trace-id", "span_id"), ErrorCode::InvalidOption, "\"trace-id\"");
    check(bad("id", "id"), ErrorCode::InvalidOption, "different");
    assert!(bad("traceID", "spanID").is_none());
}

#[test]
fn id_labels_leave_room_for_the_ids() {
    let make = |span_id_label: &str| {
        Registry::with_options(&RegistryOptions { trace_id_label: "t", span_id_label, ..Default::default() }).err()
    };
    assert!(make(&"s".repeat(79)).is_none());
    check(make(&"s".repeat(80)), ErrorCode::InvalidOption, "have 81 code points together: take at most 80");
}

#[test]
fn a_registration_that_failed_may_be_tried_again() {
    let registry = Registry::with_options(&RegistryOptions { reserve_bytes: 0, ..Default::default() }).unwrap();
    let filling = registry.gauge("filling", "").labels(&["l"]).register().unwrap();
    // Leaves room for a family's record, and none for its series of 4,000 buckets.
    let long = "x".repeat(20_000);
    for n in 0..8 {
        filling.with(&[&format!("{n}{long}")]).unwrap();
    }
    let bounds: Vec<f64> = (0..4000).map(f64::from).collect();
    for _ in 0..2 {
        check(registry.histogram("h", "").bounds(&bounds).register().err(), ErrorCode::SegmentFull, "full");
    }
}

#[test]
fn the_series_of_a_family_without_labels_needs_no_limit() {
    let registry = Registry::new().unwrap();
    registry.counter("c", "").max_series(0).register().unwrap().with(&[]).unwrap().inc();
}
