//! From the segment to the bytes of an exposition.

pub mod gzip;
pub mod number;
pub(crate) mod prefix;
pub(crate) mod self_metrics;
pub(crate) mod text;

use alloc::vec::Vec;

use self::text::{Head, Writer, put_head};
use crate::buffer::Buffer;
use crate::clock;
use crate::core::{Core, WINDOW_LEAST_MS};
use crate::error::{Error, ErrorCode};
use crate::exemplar::Scraper;
use crate::exemplar::scrapers::{self, Turn};
use crate::family::Family;
use crate::memory::out_of_memory;
use crate::negotiate::{Format, Negotiated, accepts_gzip, negotiate};
use crate::reading::Reading;
use crate::registry::ScraperIdentity;
use crate::sync::atomic::Ordering;
use crate::tally::Tally;

/// Series between two looks at the deadline.
const DEADLINE_EVERY: u32 = 64;

/// What a scrape asks for.
#[derive(Clone, Copy, Debug)]
pub struct ScrapeRequest<'a> {
    /// The `Accept` header; several lines joined by commas. Empty for text 0.0.4.
    pub accept: &'a str,
    /// The `Accept-Encoding` header. Empty for no compression.
    pub accept_encoding: &'a str,
    /// Who scrapes.
    pub scraper: Scraper,
    /// Milliseconds after which the scrape gives up; 0 for never.
    pub deadline_ms: u32,
}

impl Default for ScrapeRequest<'_> {
    fn default() -> Self {
        ScrapeRequest { accept: "", accept_encoding: "", scraper: Scraper::anonymous(), deadline_ms: 0 }
    }
}

/// The answer to a scrape.
#[derive(Debug)]
pub struct Scrape {
    negotiated: Negotiated,
    gzipped: bool,
    body: Buffer,
}

impl Scrape {
    /// The value of the header `Content-Type`.
    #[must_use]
    pub const fn content_type(&self) -> &'static str {
        self.negotiated.content_type()
    }

    /// The value of the header `Content-Encoding`: `gzip`, or empty for none.
    #[must_use]
    pub const fn content_encoding(&self) -> &'static str {
        if self.gzipped { "gzip" } else { "" }
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.body.as_slice()
    }

    /// The body, owned.
    #[must_use]
    pub fn into_body(self) -> Vec<u8> {
        self.body.into_vec()
    }
}

/// Answers a scrape.
pub(crate) fn scrape(core: &Core, request: &ScrapeRequest<'_>) -> Result<Scrape, Error> {
    scrape_after(core, request, &[])
}

/// Answers a scrape with lines of others first.
pub(crate) fn scrape_after(core: &Core, request: &ScrapeRequest<'_>, before: &[u8]) -> Result<Scrape, Error> {
    let started_ns = clock::mono_ns();
    let deadline_ns = deadline_ns(request, started_ns);
    let negotiated = negotiate(request.accept);
    core.take_up_new_records();
    let mut body = Buffer::new();
    let hint = core.body_hint.load(Ordering::Relaxed) as usize;
    // Room for some growth since the last scrape.
    body.reserve(hint.saturating_add(hint / 8).saturating_add(1024)).map_err(|_| out_of_memory())?;
    body.put(before);
    put_exposition(core, request, negotiated.format, &mut body, deadline_ns)?;
    body.finish().map_err(|_| out_of_memory())?;
    core.body_hint.store(body.len() as u64, Ordering::Relaxed);
    let gzipped = accepts_gzip(request.accept_encoding);
    if gzipped {
        let mut packed = Buffer::new();
        gzip::gzip(body.as_slice(), &mut packed).map_err(|_| out_of_memory())?;
        body = packed;
    }
    core.header.count(Tally::Encodes, 1);
    core.header.count(Tally::EncodeNs, clock::mono_ns().saturating_sub(started_ns));
    Ok(Scrape { negotiated, gzipped, body })
}

/// Answers a scrape from a copy of a segment. `now_ms` is the real time, by which the scraper's beat is judged; no window
/// is closed, and nothing is compressed.
#[cfg(all(feature = "std", target_os = "linux", not(miri)))]
pub(crate) fn scrape_copy(core: &Core, request: &ScrapeRequest<'_>, now_ms: u64) -> Result<Scrape, Error> {
    let deadline_ns = deadline_ns(request, clock::mono_ns());
    let negotiated = negotiate(request.accept);
    let turn =
        (negotiated.format == Format::OpenMetrics1).then(|| scrapers::join(&core.header, request.scraper, now_ms));
    let mut body = Buffer::new();
    put_families(core, request, negotiated.format, turn, &mut body, deadline_ns)?;
    body.finish().map_err(|_| out_of_memory())?;
    Ok(Scrape { negotiated, gzipped: false, body })
}

fn deadline_ns(request: &ScrapeRequest<'_>, started_ns: u64) -> u64 {
    match request.deadline_ms {
        0 => u64::MAX,
        ms => started_ns.saturating_add(u64::from(ms).saturating_mul(1_000_000)),
    }
}

fn put_exposition(
    core: &Core,
    request: &ScrapeRequest<'_>,
    format: Format,
    body: &mut Buffer,
    deadline_ns: u64,
) -> Result<(), Error> {
    let now_ms = core.clock.mono_ms();
    let who = match core.settings.scraper_identity {
        ScraperIdentity::Address => request.scraper,
        ScraperIdentity::Given => request.scraper.without_address(),
        ScraperIdentity::None => Scraper::anonymous(),
    };
    // A format without exemplars closes no window and leaves no mark.
    let turn = (format == Format::OpenMetrics1)
        .then(|| scrapers::begin(&core.header, who, now_ms, WINDOW_LEAST_MS, || clock::mono_ns() / 1_000_000));
    put_families(core, request, format, turn, body, deadline_ns)
}

/// Writes what a scrape is shown at its turn, up to the end of the exposition.
fn put_families(
    core: &Core,
    request: &ScrapeRequest<'_>,
    format: Format,
    turn: Option<Turn>,
    body: &mut Buffer,
    deadline_ns: u64,
) -> Result<(), Error> {
    let now_ms = core.clock.mono_ms();
    let mut reading = Reading::new();
    let mut since_look = 0_u32;
    let mut late = false;
    for family in core.families.iter().filter(|family| !family.is_hidden()) {
        let mut headed = false;
        let overflow = family.overflow_series();
        let own = family.series.iter().filter(|series| !series.is_overflow());
        for series in own.chain(overflow) {
            since_look = since_look.wrapping_add(1);
            if since_look >= DEADLINE_EVERY {
                since_look = 0;
                late |= clock::mono_ns() > deadline_ns;
            }
            if late {
                break;
            }
            if !reading.read(series, turn, now_ms)? || (series.is_overflow() && reading.is_untouched()) {
                continue;
            }
            put_series(core, format, &family, &reading, &mut headed, body);
        }
    }
    if let Some(turn) = turn {
        scrapers::finish(&core.header, turn);
    }
    if late || clock::mono_ns() > deadline_ns {
        let mut message = Buffer::new();
        message.put_str("the scrape took longer than its deadline of ");
        message.put_u64(u64::from(request.deadline_ms));
        message.put_str(" ms: raise the scrape timeout, or expose fewer series");
        return Err(Error::new(ErrorCode::Deadline, message));
    }
    if core.settings.self_metrics {
        self_metrics::put_self_metrics(body, format, core);
    }
    if format == Format::OpenMetrics1 {
        body.put_str("# EOF\n");
    }
    Ok(())
}

fn put_series(core: &Core, format: Format, family: &Family, reading: &Reading, headed: &mut bool, body: &mut Buffer) {
    if !*headed {
        *headed = true;
        let head = Head { name: &family.name, kind: family.kind, unit: family.unit(), help: family.help() };
        put_head(body, format, &head);
    }
    Writer { out: body, format, settings: &core.settings }.put_series(family, reading);
}
