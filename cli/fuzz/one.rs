//! One input: attached to as a service does, inspected, and served. An error or correct data; everything else ends the
//! program.

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use spanpin::{Format, Registry, RegistryOptions, ScrapeRequest, Scraper, SpanId, TraceContext, TraceId};
use spanpin_cli::arguments::{Limits, Segment, ServeOptions};
use spanpin_cli::inspect::inspect;
use spanpin_cli::serve::answer::Exporter;

/// The length of a file that a service makes.
pub const FILE_BYTES: usize = 256 * 1024;

/// What became of an input.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken {
    /// A service counts in it.
    pub attached: bool,
    /// A reader shows it.
    pub read: bool,
}

fn span(n: u64) -> TraceContext {
    let (trace, span) = (TraceId::from_u64s(n, n), SpanId::from_u64(n));
    TraceContext::sampled(trace.expect("not zero"), span.expect("not zero"))
}

pub fn options(path: &str) -> RegistryOptions<'_> {
    RegistryOptions {
        segment: Some(path),
        self_metrics: false,
        strict: true,
        reserve_bytes: 1 << 20,
        ..Default::default()
    }
}

/// Counts a bit of everything. Errors of a damaged segment are fine.
pub fn count(registry: &Registry) {
    if let Ok(histogram) =
        registry.histogram("h_seconds", "Help.").unit("seconds").bounds(&[0.1, 0.5]).labels(&["l"]).slots(4).register()
    {
        for (n, label) in [(1, "ä"), (2, "b")] {
            let Ok(series) = histogram.with(&[label]) else { continue };
            series.observe_trace(0.2 * n as f64, span(n));
            series.observe_exemplar_ids(0.3, span(n), &[("user", "someone")]);
        }
    }
    if let Ok(counter) = registry.counter("c", "Help.").labels(&["l"]).slots(4).register()
        && let Ok(series) = counter.with(&["x"])
    {
        series.inc_with(|| Some(span(9)));
        series.add(0.5);
    }
    if let Ok(gauge) = registry.gauge("g", "").register()
        && let Ok(series) = gauge.with(&[])
    {
        series.set(3.0);
    }
}

/// Puts an input where the readers look for it.
pub fn put(file: &File, bytes: &[u8]) -> std::io::Result<()> {
    // A file that is shorter than what is handed out, or than the least, is one of the cases.
    file.set_len(bytes.len() as u64)?;
    file.write_all_at(bytes, 0)
}

/// Tries an input that lies in a file.
pub fn try_out(path: &str) -> Taken {
    let segment = Segment { name: "a".into(), named: false, path: Path::new(path).into() };
    let limits = Limits { most_bytes: 1 << 24 };
    // The readers first: a service repairs what it attaches to, and writes.
    let read = inspect(&segment, true, &limits);
    let text = inspect(&segment, false, &limits);
    assert_eq!(read.is_ok(), text.is_ok(), "{read:?} {text:?}");
    serve(&segment, &limits, read.is_ok());
    let attached = match Registry::with_options(&options(path)) {
        Ok(registry) => {
            scrape(&registry);
            count(&registry);
            scrape(&registry);
            true
        }
        Err(error) => {
            assert!(error.message().contains(path), "{error}");
            false
        }
    };
    Taken { attached, read: read.is_ok() }
}

fn serve(segment: &Segment, limits: &Limits, readable: bool) {
    let other = Segment { name: "b".into(), ..segment.clone() };
    let mut exporter = Exporter::new(
        ServeOptions {
            segments: vec![segment.clone(), other],
            listen: ([127, 0, 0, 1], 0).into(),
            label: "segment".into(),
            limits: limits.clone(),
        },
        |_| {},
    );
    for accept in ["application/openmetrics-text", "text/plain", "application/openmetrics-text"] {
        let request = ScrapeRequest { accept, scraper: Scraper::named("fuzz"), ..Default::default() };
        let (content_type, body) = exporter.answer(&request);
        let format = if content_type.starts_with("application") { Format::OpenMetrics1 } else { Format::Text004 };
        check(&body, format);
        let told = format!("spanpin_serve_segment_readable{{segment=\"a\"}} {}\n", u8::from(readable));
        assert!(contains(&body, told.as_bytes()), "not told that readable is {readable}");
    }
}

fn contains(body: &[u8], wanted: &[u8]) -> bool {
    body.windows(wanted.len()).any(|window| window == wanted)
}

fn scrape(registry: &Registry) {
    let request = ScrapeRequest { accept: "application/openmetrics-text", ..Default::default() };
    if let Ok(scrape) = registry.scrape(&request) {
        check(scrape.body(), Format::OpenMetrics1);
    }
}

/// Each sample and each family once; names, numbers and UTF-8 well formed.
pub fn check(body: &[u8], format: Format) {
    let body = std::str::from_utf8(body).expect("an exposition is UTF-8");
    assert_eq!(body.ends_with("# EOF\n"), format == Format::OpenMetrics1, "{body}");
    let mut seen = HashSet::new();
    for line in body.split_terminator('\n') {
        if let Some(head) = line.strip_prefix("# TYPE ") {
            let name = head.split(' ').next();
            assert!(seen.insert(("family", name.unwrap_or_default())), "twice: {line}\n{body}");
        } else if !line.starts_with('#') {
            let sample = line.split_once(" # ").map_or(line, |(sample, _)| sample);
            let (name, value) = sample.rsplit_once(' ').expect("a sample has a value");
            assert!(name.starts_with(|c: char| c.is_ascii_alphabetic()), "{line}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(seen.insert(("sample", name)), "twice: {line}\n{body}");
        }
    }
}
