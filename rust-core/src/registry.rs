//! Registries: where families are registered, and what is scraped.

use core::marker::PhantomData;

use crate::buckets::{DEFAULT_BOUNDS, validate};
use crate::buffer::Buffer;
use crate::core::Core;
use crate::encode::number::put_float;
use crate::encode::self_metrics::RESERVED;
use crate::encode::{Scrape, ScrapeRequest, scrape};
use crate::error::{Error, ErrorCode};
use crate::exemplar::{Filter, Policy};
use crate::family::{DEFAULT_MAX_SERIES, Family, Kind, OVERFLOW_LABEL, family_hash};
use crate::handles::{FamilyHandle, Parts};
use crate::hash::fold;
use crate::labels::{MAX_CODE_POINTS, check_label_names, check_metric_name, check_unit, is_label_name};
use crate::memory::{Pinned, Shared, out_of_memory};
use crate::open::open;
use crate::segment::problem::SegmentNotice;
use crate::segment::publish::Published;
use crate::segment::{FamilyWrite, put_text};
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
    /// Whether a segment that cannot be used, or that holds a family in another shape, is an error. Default false.
    pub strict: bool,
    /// The most memory that exemplars may take: 768 bytes for each bucket that has some, 6,336 more when they have
    /// labels beside the ids. Default 64 MiB.
    pub exemplar_bytes: usize,
    /// Whether the exposition ends with the registry's own metrics, `spanpin_*`. Default true.
    pub self_metrics: bool,
    /// How scrapers are told apart. Default by address.
    pub scraper_identity: ScraperIdentity,
    /// The exemplar label of trace ids. Default `trace_id`; old dashboards may want `traceID`.
    pub trace_id_label: &'a str,
    /// The exemplar label of span ids. Default `span_id`.
    pub span_id_label: &'a str,
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
    /// `[a-zA-Z_][a-zA-Z0-9_]*`, two equal ones, two that leave no room for the ids in 128 code points, or a mode that is
    /// none. With `strict` also `InvalidOption`, `SegmentFull` or `Unsupported` for a segment that cannot be used.
    pub fn with_options(options: &RegistryOptions<'_>) -> Result<Registry, Error> {
        for name in [options.trace_id_label, options.span_id_label] {
            if !is_label_name(name) {
                let text = " is invalid: it must match [a-zA-Z_][a-zA-Z0-9_]*";
                return Err(Error::quoting(ErrorCode::InvalidOption, "exemplar label ", name, text));
            }
        }
        if options.trace_id_label == options.span_id_label {
            let text = " names both the trace id and the span id: give them different labels";
            return Err(Error::quoting(ErrorCode::InvalidOption, "exemplar label ", options.trace_id_label, text));
        }
        check_id_labels(options)?;
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

    /// Registers a family.
    pub(crate) fn register(&self, spec: &FamilySpec<'_>) -> Result<Pinned<Family>, Error> {
        let spec = spec.checked()?;
        let core = &*self.core;
        let _held = core.hold();
        core.catch_up_to_newest()?;
        let in_the_way = |family: &Pinned<Family>| *family.name == *spec.name || family.clashes(spec.kind, spec.name);
        if let Some(own) = core.families.iter().filter(Family::is_own).find(in_the_way) {
            return Err(if *own.name == *spec.name { again_error(&spec, &own) } else { clash_error(&spec, &own) });
        }
        let other = core.families.iter().find(|family| in_the_way(family) && !spec.is_shape_of(family));
        if let Some(other) = &other
            && core.settings.strict
        {
            return Err(if *other.name == *spec.name { shape_error(&spec, other) } else { clash_error(&spec, other) });
        }
        let family = match core.families.iter().find(|family| spec.is_shape_of(family)) {
            Some(family) => family,
            None => self.publish_family(&spec)?,
        };
        complete(&spec, family)?;
        // Other processes have, or had, families that cannot stand in one exposition with this one.
        for other in core.families.iter().filter(|other| in_the_way(other)) {
            other.set_hidden(true);
        }
        family.set_hidden(false);
        if let Some(other) = &other {
            let error = if *other.name == *spec.name { shape_error(&spec, other) } else { clash_error(&spec, other) };
            core.note_shape(&error);
        }
        // Last, so that a registration that failed may be tried again.
        family.set_registered();
        Ok(family)
    }

    /// Writes and publishes a family. The caller holds the lock.
    fn publish_family(&self, spec: &FamilySpec<'_>) -> Result<Pinned<Family>, Error> {
        let core = &*self.core;
        let filter_and_policy = u64::from(spec.filter as u32) << 16 | u64::from(spec.policy as u32) << 24;
        let written = core.segment.write_family(&FamilyWrite {
            tag: u64::from(spec.kind as u32) << 8 | filter_and_policy,
            hash: family_hash(spec.name),
            created_ms: core.clock.wall_ms(),
            name: spec.name,
            help: spec.help,
            unit: spec.unit,
            label_names: spec.label_names,
            bounds: spec.bounds,
            max_series: spec.max_series,
        });
        core.note_shortage();
        let mine = written?;
        let existing = || core.families.iter().find(|family| spec.is_shape_of(family));
        let published = core.publish(mine, || existing().map(|family| family.place()))?;
        if published != Published::Mine {
            return existing().ok_or_else(out_of_memory);
        }
        // In this order: a child forked in between takes the record up again, instead of never.
        let family = core.attach_family(mine)?;
        core.set_walked(mine);
        Ok(family)
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

    /// Stops both clocks and sets them by hand, for tests: the wall clock, whose time exemplars carry, and the
    /// monotonic one, on which windows and ages run. The first call also makes the open window begin now.
    pub fn set_clock(&self, wall_ms: u64, mono_ms: u64) {
        if self.core.clock.set(wall_ms, mono_ms) {
            self.core.header.window.opened_ms.store(mono_ms, Ordering::Relaxed);
        }
    }

    /// Counts an offer that was dropped before it came here, for bindings that look at spans themselves.
    pub fn count_drop(&self, reason: DropReason) {
        self.core.header.count_drop(reason);
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

/// The settings of a family that is to be registered.
#[derive(Clone, Copy)]
pub(crate) struct FamilySpec<'a> {
    pub(crate) kind: Kind,
    pub(crate) name: &'a str,
    pub(crate) help: &'a str,
    pub(crate) unit: &'a str,
    pub(crate) label_names: &'a [&'a str],
    pub(crate) bounds: &'a [f64],
    pub(crate) filter: Filter,
    pub(crate) policy: Policy,
    pub(crate) max_series: u32,
}

impl<'a> FamilySpec<'a> {
    pub(crate) fn new(kind: Kind, name: &'a str, help: &'a str) -> Self {
        FamilySpec {
            kind,
            name,
            help,
            unit: "",
            label_names: &[],
            bounds: if kind == Kind::Histogram { &DEFAULT_BOUNDS } else { &[] },
            filter: Filter::TraceBased,
            policy: if kind == Kind::Counter { Policy::Uniform } else { Policy::Slowest },
            max_series: DEFAULT_MAX_SERIES,
        }
    }

    /// The same with its name and bounds in their one form, or what is wrong with it.
    fn checked(&self) -> Result<FamilySpec<'a>, Error> {
        let mut spec = *self;
        check_metric_name(spec.name)?;
        if spec.kind == Kind::Counter {
            spec.name = spec.name.strip_suffix("_total").unwrap_or(spec.name);
            check_metric_name(spec.name)?;
        }
        if spec.name.starts_with(RESERVED) {
            let text = " is reserved: names that start with spanpin_ are the registry's own metrics";
            return Err(Error::quoting(ErrorCode::NameClash, "metric name ", spec.name, text));
        }
        check_unit(spec.name, spec.unit)?;
        check_label_names(spec.label_names, spec.kind == Kind::Histogram)?;
        spec.bounds = validate(spec.bounds)?;
        Ok(spec)
    }
}

impl FamilySpec<'_> {
    fn is_shape_of(&self, family: &Family) -> bool {
        family.has_shape(self.kind, self.name, self.label_names.iter().copied(), self.bounds)
    }
}

/// Gives a family the series that it has from the start, unless it has them.
fn complete(spec: &FamilySpec<'_>, family: Pinned<Family>) -> Result<(), Error> {
    if spec.label_names.is_empty() {
        // Its one series is there from the start, so that zero can be told from missing.
        if family.series.iter().next().is_none() {
            family.publish_series(family_hash(spec.name), &[], false, || family.series.iter().next())?;
        }
    } else if family.overflow.get().is_none() {
        let mut text = Buffer::new();
        let mut hash = family_hash(spec.name);
        for _ in spec.label_names {
            put_text(&mut text, OVERFLOW_LABEL.as_bytes());
            hash = fold(hash, OVERFLOW_LABEL.as_bytes());
        }
        text.finish().map_err(|_| out_of_memory())?;
        family.publish_series(hash, text.as_slice(), true, || family.overflow.get().map(|o| o.0))?;
    }
    Ok(())
}

/// The error for a name that this process has registered before.
#[cold]
fn again_error(spec: &FamilySpec<'_>, family: &Family) -> Error {
    if !spec.is_shape_of(family) {
        return shape_error(spec, family);
    }
    let text = " is registered already: register it once and keep the family";
    Error::quoting(ErrorCode::DuplicateName, "metric ", spec.name, text)
}

fn describe(message: &mut Buffer, kind: Kind, labels: &mut dyn Iterator<Item = &str>, bounds: usize) {
    message.put_str(kind.as_str());
    message.put_str(" with labels [");
    for (i, label) in labels.enumerate() {
        message.put_str(if i == 0 { "" } else { ", " });
        message.put_str(label);
    }
    message.put_str("]");
    if kind == Kind::Histogram {
        message.put_str(" and ");
        message.put_u64(bounds as u64);
        message.put_str(" bounds");
    }
}

#[cold]
fn shape_error(spec: &FamilySpec<'_>, family: &Family) -> Error {
    let mut message = Buffer::new();
    message.put_str("metric ");
    message.put_quoted(spec.name);
    message.put_str(" is registered already as another ");
    let mut names = family.label_names.iter().map(|name| &**name);
    describe(&mut message, family.kind, &mut names, family.bounds.as_slice().len());
    message.put_str("; asked for is a ");
    describe(&mut message, spec.kind, &mut spec.label_names.iter().copied(), spec.bounds.len());
    let other = family.bounds.as_slice().iter().zip(spec.bounds).find(|(a, b)| a != b);
    if let Some((registered, asked)) = other
        && family.bounds.as_slice().len() == spec.bounds.len()
    {
        message.put_str(", ");
        put_float(&mut message, *asked);
        message.put_str(" in place of ");
        put_float(&mut message, *registered);
    }
    message.put_str(": use another name, or the same kind, labels and bounds");
    Error::new(ErrorCode::ShapeMismatch, message)
}

#[cold]
fn clash_error(spec: &FamilySpec<'_>, family: &Family) -> Error {
    let mut message = Buffer::new();
    message.put_str("metric name ");
    message.put_quoted(spec.name);
    message.put_str(" clashes with the registered ");
    message.put_str(family.kind.as_str());
    message.put_str(" ");
    message.put_quoted(&family.name);
    message.put_str(": both would have a sample of the same name; choose another name");
    Error::new(ErrorCode::NameClash, message)
}

/// Settings of a family, given one by one and then registered.
#[must_use = "a family is registered by `register`"]
pub struct FamilyBuilder<'a, F> {
    registry: &'a Registry,
    spec: FamilySpec<'a>,
    family: PhantomData<F>,
}

impl<'a, F: FamilyHandle> FamilyBuilder<'a, F> {
    fn new(registry: &'a Registry, kind: Kind, name: &'a str, help: &'a str) -> Self {
        FamilyBuilder { registry, spec: FamilySpec::new(kind, name, help), family: PhantomData }
    }

    /// The names of the labels. Default none.
    pub fn labels(mut self, names: &'a [&'a str]) -> Self {
        self.spec.label_names = names;
        self
    }

    /// The unit, which must be the end of the name: `seconds`, `bytes`. Default none.
    pub fn unit(mut self, unit: &'a str) -> Self {
        self.spec.unit = unit;
        self
    }

    /// The upper bounds of the buckets, rising; +Inf is there by itself. Default [`DEFAULT_BOUNDS`]. Without a
    /// meaning for counters and gauges.
    pub fn bounds(mut self, bounds: &'a [f64]) -> Self {
        if self.spec.kind == Kind::Histogram {
            self.spec.bounds = bounds;
        }
        self
    }

    /// Which trace contexts may become exemplars. Default those of sampled spans.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.spec.filter = filter;
        self
    }

    /// Which offer of a window is kept. Default the slowest for histograms, a uniform sample for counters.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.spec.policy = policy;
        self
    }

    /// How many label sets the family may have. Default 2,000. What goes beyond is counted by one series whose label
    /// values are all `spanpin_overflow`.
    pub fn max_series(mut self, most: u32) -> Self {
        self.spec.max_series = most;
        self
    }

    /// Registers the family.
    ///
    /// # Errors
    /// `InvalidName`, `InvalidLabelName`, `ReservedLabel`, `DuplicateLabel`, `InvalidUnit`, `InvalidBounds`,
    /// `NameClash`, `ShapeMismatch`, `DuplicateName`, `SegmentFull`, `OutOfMemory`; each says what was wrong, what is
    /// allowed, and what to do.
    pub fn register(self) -> Result<F, Error> {
        let family = self.registry.register(&self.spec)?;
        Ok(F::from_parts(Parts { core: self.registry.core.clone(), family }))
    }
}
