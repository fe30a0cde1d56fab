//! What series and exemplars cost in memory: the blocks of the segment, and what the process keeps on its heap to find
//! them. Bytes, not times, so that the answer is the same on every machine.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests")]

use spanpin::{HistogramFamily, Registry, RegistryOptions, ScrapeRequest, SpanId, TraceContext, TraceId};
use spanpin_benches::allocations::{Counting, counted};
use spanpin_benches::inputs::ONE_PER_BUCKET;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A cold series of 11 bounds: segment and index together, without its label text.
const SERIES_MOST: u64 = 512;
/// What a bucket takes more once it has exemplars with ids only.
const BUCKET_MOST: u64 = 1200;

/// Bytes of the segment that are handed out, as the registry itself exposes them.
fn segment_used(registry: &Registry) -> u64 {
    let scrape = registry.scrape(&ScrapeRequest::default()).unwrap();
    let body = String::from_utf8(scrape.into_body()).unwrap();
    let line = body.lines().find(|line| line.starts_with("spanpin_segment_bytes{state=\"used\"}")).unwrap();
    line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap() as u64
}

/// Bytes of segment and heap that `work` takes and keeps.
fn kept_bytes(registry: &Registry, work: impl FnOnce()) -> u64 {
    let before = segment_used(registry);
    let heap = counted(work);
    segment_used(registry) - before + heap.bytes - heap.freed
}

/// Label values so short that their text fits what the record's first line leaves free.
fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{n:04}")).collect()
}

fn make(family: &HistogramFamily, names: &[String]) {
    for name in names {
        family.with(&[name]).unwrap();
    }
}

fn family(registry: &Registry) -> HistogramFamily {
    registry.histogram("request_seconds", "Latency.").labels(&["route"]).max_series(10_000).register().unwrap()
}

// The allocator counts for the whole process, so everything is one test.
#[test]
fn bytes_of_series_and_exemplars() {
    // Right after the index has grown, at 97 and so on, it is the largest for its series.
    for count in [97, 385, 769, 1000, 1537, 2000, 3073, 6000, 6145] {
        let registry = Registry::new().unwrap();
        let family = family(&registry);
        let names = names(count);
        let bytes = kept_bytes(&registry, || make(&family, &names));
        // The process keeps the values with their length, and the rendered pair; the record has room for the values.
        let text = (4 + 4 + r#"route="0000""#.len()) as u64;
        let each = bytes / count as u64 - text;
        println!("{count} series of 11 bounds: {each} bytes each, and {text} bytes of text");
        assert!(each <= SERIES_MOST, "{each} bytes for each of {count} cold series, more than {SERIES_MOST}");
    }

    let registry = Registry::with_options(&RegistryOptions { exemplar_bytes: 1 << 30, ..Default::default() }).unwrap();
    let family = family(&registry);
    let names = names(1000);
    make(&family, &names);
    let context = TraceContext::sampled(TraceId::from_u64s(1, 2).unwrap(), SpanId::from_u64(3).unwrap());
    let bytes = kept_bytes(&registry, || {
        for name in &names {
            let histogram = family.with(&[name]).unwrap();
            for value in ONE_PER_BUCKET {
                histogram.observe_trace(value, context);
            }
        }
    });
    let each = bytes / (names.len() * ONE_PER_BUCKET.len()) as u64;
    println!("a bucket with exemplars: {each} bytes more");
    assert!(each > 0, "no exemplar was kept");
    assert!(each <= BUCKET_MOST, "{each} bytes for a bucket with exemplars, more than {BUCKET_MOST}");
}
