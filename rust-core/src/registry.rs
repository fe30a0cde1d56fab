//! Registries: where families are registered, and what is scraped.

use alloc::vec::Vec;

use crate::buffer::Buffer;
use crate::builder::FamilyBuilder;
use crate::core::Core;
use crate::encode::{Scrape, ScrapeRequest, scrape};
use crate::error::{Error, ErrorCode};
use crate::exemplar::RuleOptions;
use crate::family::Kind;
use crate::history::put_json;
use crate::hooks::TraceUrl;
use crate::labels::{MAX_CODE_POINTS, is_label_name};
use crate::memory::Shared;
use crate::open::open;
use crate::segment::problem::SegmentNotice;
use crate::snapshot::{Snapshot, snapshot};
use crate::sync::atomic::Ordering;
use crate::tally::DropReason;

/// How scrapers are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ScraperIdentity {
    /// By what their requests say and the address they come from. The default.
    Address = 1,
    /// Not at all: all of them are one, and none is shown an exemplar older than any was shown.
    None = 2,
    /// By what their requests say, and not by the address: scrapers behind a pool of addresses keep their own windows when
    /// their requests differ, for instance in a query parameter of the scrape configuration.
    Given = 3,
}

impl ScraperIdentity {
    /// The identity with this number, as the C ABI passes it.
    #[must_use]
    pub const fn from_u32(n: u32) -> Option<ScraperIdentity> {
        match n {
            1 => Some(ScraperIdentity::Address),
            2 => Some(ScraperIdentity::None),
            3 => Some(ScraperIdentity::Given),
            _ => None,
        }
    }

    /// The identity of this name: `address`, `none`, `given`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<ScraperIdentity> {
        match name {
            "address" => Some(ScraperIdentity::Address),
            "none" => Some(ScraperIdentity::None),
            "given" => Some(ScraperIdentity::Given),
            _ => None,
        }
    }
}

/// Settings of a registry.
#[derive(Clone, Copy, Debug)]
pub struct RegistryOptions<'a> {
    /// Address space of the segment. Memory is used as series are created, never more than this; where the system
    /// refuses to promise so much, less is reserved. The greatest size of a segment in a file that this registry makes.
    /// Default 256 MiB, least 256 KiB.
    pub reserve_bytes: usize,
    /// The file that holds the segment, for processes that count together and for counts that outlive a process: made if
    /// there is none, else its counts go on. Default none: the process' own memory. Linux only.
    ///
    /// A registry is made whatever is wrong with the file, unless `strict` is set; it then counts in a file beside it or in
    /// the process' own memory. [`Registry::take_segment_notice`] tells what is to be logged.
    pub segment: Option<&'a str>,
    /// The permission bits of that file. A file that allows more is not used. Default 0600; 0640 lets a sidecar of the
    /// same group read it.
    pub segment_mode: u32,
    /// Whether a segment that cannot be used is an error (`SegmentUnusable`), and a family that it holds in another shape
    /// (`ShapeMismatch`). Default false.
    pub strict: bool,
    /// The most memory that exemplars may take: 768 bytes for each bucket that has some, 6,336 more when they have
    /// labels beside the ids, both for 11 slots. All registries of a process together never take more than the greatest of
    /// their limits. Beyond it new rings are refused and counted (`memory`), and observations go on. Default 64 MiB.
    pub exemplar_bytes: usize,
    /// Whether the exposition ends with the registry's own metrics, `spanpin_*`. Default true.
    pub self_metrics: bool,
    /// How scrapers are told apart. Default by address.
    pub scraper_identity: ScraperIdentity,
    /// The exemplar label of trace ids. Default `trace_id`; old dashboards may want `traceID`.
    pub trace_id_label: &'a str,
    /// The exemplar label of span ids. Default `span_id`.
    pub span_id_label: &'a str,
    /// How exemplars are chosen in families that do not say.
    pub rules: RuleOptions,
    /// Whether ids in explicit exemplars keep the names that the caller wrote (`traceID`), for old dashboards. Their values
    /// are written in the one format all the same. Default false: every spelling becomes the labels above.
    pub keep_names: bool,
    /// Where traces are found, with `{trace_id}` and `{span_id}` in it, for families that report slow requests. Default
    /// empty for none.
    pub trace_url: &'a str,
    /// Whether spans whose exemplar is admitted get the attribute `exemplar="true"`, in families that do not say.
    /// Default false.
    pub mark_spans: bool,
}

impl Default for RegistryOptions<'_> {
    fn default() -> Self {
        RegistryOptions {
            reserve_bytes: 256 << 20,
            segment: None,
            segment_mode: 0o600,
            strict: false,
            exemplar_bytes: 64 << 20,
            self_metrics: true,
            scraper_identity: ScraperIdentity::Address,
            trace_id_label: "trace_id",
            span_id_label: "span_id",
            rules: RuleOptions::default(),
            keep_names: false,
            trace_url: "",
            mark_spans: false,
        }
    }
}

/// A set of families that are scraped together. A cheap handle: clones share the same families, and all methods may
/// be called from any thread.
///
/// After `fork` parent and child count apart from each other, unless the segment lies in a file: then they count
/// together.
#[derive(Clone)]
pub struct Registry {
    pub(crate) core: Shared<Core>,
}

impl Registry {
    /// A registry with the default settings.
    ///
    /// # Errors
    /// `OutOfMemory` if the system refuses address space.
    pub fn new() -> Result<Registry, Error> {
        Registry::with_options(&RegistryOptions::default())
    }

    /// A registry with these settings.
    ///
    /// # Errors
    /// `OutOfMemory` if the system refuses address space, `InvalidOption` for a label name that is not
    /// `[a-zA-Z_][a-zA-Z0-9_]*`, two equal ones, or two that leave no room for the ids in 128 code points, for a rule outside
    /// its range, for a `trace_url` without `{trace_id}`, and for a path or a mode that is none. With `strict` also
    /// `SegmentUnusable` for a segment file that cannot be used.
    pub fn with_options(options: &RegistryOptions<'_>) -> Result<Registry, Error> {
        options.check()?;
        Ok(Registry { core: open(options)? })
    }

    /// Something to log: the registry counts elsewhere than in the file it was told to use, or a family anew beside one
    /// of another shape. Each notice is handed out once; ask after the registry is made, after registrations, and after
    /// scrapes, until there is none.
    #[must_use]
    pub fn take_segment_notice(&self) -> Option<&SegmentNotice> {
        self.core.notices.take()
    }

    /// The file in which this registry counts. Nothing for one that counts in the process' own memory.
    #[must_use]
    pub fn segment_path(&self) -> Option<&str> {
        self.core.segment.path()
    }

    /// Starts the registration of a histogram.
    pub fn histogram<'a>(&'a self, name: &'a str, help: &'a str) -> FamilyBuilder<'a, crate::HistogramFamily> {
        FamilyBuilder::new(self, Kind::Histogram, name, help)
    }

    /// Starts the registration of a counter. Its name may end in `_total`; the exposition has that once.
    pub fn counter<'a>(&'a self, name: &'a str, help: &'a str) -> FamilyBuilder<'a, crate::CounterFamily> {
        FamilyBuilder::new(self, Kind::Counter, name, help)
    }

    /// Starts the registration of a gauge.
    pub fn gauge<'a>(&'a self, name: &'a str, help: &'a str) -> FamilyBuilder<'a, crate::GaugeFamily> {
        FamilyBuilder::new(self, Kind::Gauge, name, help)
    }

    /// Answers a scrape.
    ///
    /// An answer in OpenMetrics closes the open window, and remembers what this scraper has seen; one in text 0.0.4
    /// carries no exemplars and leaves no trace. Never fails for what the headers say.
    ///
    /// # Errors
    /// `Deadline` if it took longer than asked for, `OutOfMemory`.
    pub fn scrape(&self, request: &ScrapeRequest<'_>) -> Result<Scrape, Error> {
        scrape(&self.core, request)
    }

    /// A consistent copy of all families as plain data. Closes no window and leaves no mark: exemplars are those that
    /// the next scraper to come would be shown at most.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        snapshot(&self.core)
    }

    /// Writes every exemplar that the rings hold as JSON, in the shape of Prometheus' answer to `query_exemplars`: for each
    /// sample its labels and its exemplars, oldest first. Closes no window and leaves no mark.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn exemplars_json(&self) -> Result<Vec<u8>, Error> {
        let mut out = Buffer::new();
        put_json(&self.core, &mut out)?;
        Ok(out.into_vec())
    }

    /// Stops both clocks and sets them by hand, for tests: the wall clock, whose time exemplars carry, and the
    /// monotonic one, on which windows and ages run. The first call also makes the open window begin now.
    pub fn set_clock(&self, wall_ms: u64, mono_ms: u64) {
        if self.core.clock.set(wall_ms, mono_ms) {
            self.core.header.window.opened_ms.store(mono_ms, Ordering::Relaxed);
        }
    }

    /// Whether spans whose exemplar is admitted are marked in families that do not say, for bindings that mark them.
    #[must_use]
    pub fn marks_spans(&self) -> bool {
        self.core.settings.mark_spans
    }

    /// Counts an offer that was dropped before it came here, for bindings that look at spans themselves.
    pub fn count_drop(&self, reason: DropReason) {
        self.core.header.count_drop(reason);
    }
}

impl RegistryOptions<'_> {
    /// Fails if an option has a value that is not allowed.
    pub(crate) fn check(&self) -> Result<(), Error> {
        for name in [self.trace_id_label, self.span_id_label] {
            if !is_label_name(name) {
                let text = " is invalid: it must match [a-zA-Z_][a-zA-Z0-9_]*";
                return Err(Error::quoting(ErrorCode::InvalidOption, "exemplar label ", name, text));
            }
        }
        if self.trace_id_label == self.span_id_label {
            let text = " names both the trace id and the span id: give them different labels";
            return Err(Error::quoting(ErrorCode::InvalidOption, "exemplar label ", self.trace_id_label, text));
        }
        check_id_labels(self)?;
        TraceUrl::given(self.trace_url)?;
        self.rules.check()
    }
}

/// Fails if the labels of the ids and the ids themselves pass the limit of an exemplar: ids are never left out.
fn check_id_labels(options: &RegistryOptions<'_>) -> Result<(), Error> {
    const DIGITS: usize = 32 + 16;
    const MOST: usize = MAX_CODE_POINTS - DIGITS;
    // Label names are ASCII.
    let given = options.trace_id_label.len().saturating_add(options.span_id_label.len());
    if given <= MOST {
        return Ok(());
    }
    let mut message = Buffer::new();
    message.put_str("exemplar labels ");
    message.put_quoted(options.trace_id_label);
    message.put_str(" and ");
    message.put_quoted(options.span_id_label);
    message.put_str(" have ");
    message.put_u64(given as u64);
    message.put_str(" code points together: take at most ");
    message.put_u64(MOST as u64);
    message.put_str(", so that they fit into an exemplar's 128 with the ids");
    Err(Error::new(ErrorCode::InvalidOption, message))
}
