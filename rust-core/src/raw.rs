//! What the C ABI and the Go module stand on: families and series by reference, addresses inside the segment, and the
//! layout as data. No part of the crate's stable interface.

use core::ffi::c_void;
use core::marker::PhantomData;
use core::mem::offset_of;
use core::ops::Deref;
use core::ptr::NonNull;

pub use crate::counting::Left;
pub use crate::family::Family;
pub use crate::gauge::GaugeCell;
pub use crate::hooks::Hooks;
pub use crate::labels::{LabelList, check_baggage_key};
pub use crate::series::Handle;
pub use crate::stripes::{StripesView, StripesWish};

use crate::core::{BUDGET, WINDOW_MOST_MS};
use crate::error::{Error, ErrorCode};
use crate::exemplar::{Filter, Offer, Policy, RuleOptions, packer, priority, scrapers, shape};
use crate::family::Kind;
use crate::labels::put_lossy;
use crate::memory::{Pinned, out_of_memory};
use crate::register::FamilySpec;
use crate::registry::Registry;
use crate::segment::gauge_cells;
use crate::segment::layout::{self, FamilyRecord, Gate, Header, Record, Scraper, SeriesRecord, Window};
use crate::segment::life::{self, FIRST};
use crate::segment::stripes::{STRIPES, stripe_words};
use crate::segment::workers;
use crate::snapshot::Exemplar;
use crate::sync::atomic::Ordering;
use crate::tally::{DropReason, Tally};
use crate::trace::TraceContext;

/// The settings of a family, as the C ABI passes them. `None` stands for the default.
#[derive(Clone, Copy, Debug)]
pub struct FamilyOptions<'a> {
    /// What it counts.
    pub kind: Kind,
    /// Its name.
    pub name: &'a str,
    /// Its help text.
    pub help: &'a str,
    /// Its unit.
    pub unit: &'a str,
    /// Its label names.
    pub label_names: &'a [&'a str],
    /// Upper bounds of a histogram's buckets.
    pub bounds: Option<&'a [f64]>,
    /// How its exemplars are chosen.
    pub rules: RuleOptions,
    /// How many series it may have.
    pub max_series: Option<u32>,
}

/// Addresses of a series' words and what is needed to write them.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// The first cell.
    pub cells: *const c_void,
    /// The word of its state.
    pub state: *const c_void,
    /// What that word is while the series is in the life of its handle and has no stripes, and takes only what is its own.
    pub plain: u64,
    /// The first gate; null for a gauge.
    pub gates: *const c_void,
    /// The segment's header.
    pub segment: *const c_void,
    /// The series' hash, which feeds the policy `uniform`.
    pub hash: u64,
    /// Gates of the series.
    pub buckets: u32,
    /// What it counts.
    pub kind: Kind,
    /// The family's filter.
    pub filter: Filter,
    /// The family's policy.
    pub policy: Policy,
    /// The least value that is offered; NaN when none is.
    pub offer_from: f64,
    /// Whether an offer that beats its window must still win a lot, which `draw` draws.
    pub draws: bool,
    /// Whether it takes what finds no place; such observations are tallied.
    pub overflow: bool,
}

impl Registry {
    /// Registers a family. It lives as long as the registry's state.
    ///
    /// # Errors
    /// Those of [`crate::FamilyBuilder::register`].
    pub fn register_raw(&self, options: &FamilyOptions<'_>, hooks: Hooks) -> Result<&Family, Error> {
        let mut spec = FamilySpec::new(options.kind, options.name, options.help);
        spec.unit = options.unit;
        spec.label_names = options.label_names;
        if let (Some(bounds), Kind::Histogram) = (options.bounds, options.kind) {
            spec.bounds = bounds;
        }
        spec.rules = options.rules;
        spec.max_series = options.max_series.unwrap_or(spec.max_series);
        let family = self.register(&spec, hooks)?;
        // SAFETY: the family belongs to the core, which this borrowed handle keeps (INV-3).
        Ok(unsafe { family.as_ref() })
    }
}

/// A handle of a series, which lives as long as the registry's state.
#[derive(Clone, Copy)]
pub struct Series<'a> {
    handle: Handle,
    family: PhantomData<&'a Family>,
}

impl Deref for Series<'_> {
    type Target = Handle;
    #[inline(always)]
    fn deref(&self) -> &Handle {
        &self.handle
    }
}

/// Where the number of a life lies in an address: in the bits that addresses of this alignment and of the lower half of the
/// address space do not have. The first life changes nothing.
const LIFE_LOW_BITS: u32 = 4;
const ADDRESS_BITS: u32 = usize::BITS.wrapping_sub(if usize::BITS == 64 { 16 } else { 0 });
const LOW_MASK: usize = (1 << LIFE_LOW_BITS) - 1;
const HIGH_MASK: usize = if ADDRESS_BITS < usize::BITS { usize::MAX << ADDRESS_BITS } else { 0 };

const _: () = assert!(align_of::<crate::series::Series>() == 1 << LIFE_LOW_BITS);
const _: () = assert!(usize::BITS < 64 || life::LAST >> (LIFE_LOW_BITS + 16) == 0);

impl<'a> Series<'a> {
    /// The handle as one word for C: the address of the series with the number of its life. Nothing can be read there.
    ///
    /// # Errors
    /// `Unsupported` where the system puts something of its own into the upper bits of addresses.
    pub fn address(self) -> Result<*mut c_void, Error> {
        let address = core::ptr::from_ref(&*self.handle.series).cast_mut().cast::<c_void>();
        let tag = self.handle.life().wrapping_sub(FIRST) as usize;
        let high = (tag >> LIFE_LOW_BITS).wrapping_shl(ADDRESS_BITS) & HIGH_MASK;
        if address.addr() & (HIGH_MASK | LOW_MASK) != 0 || tag >> LIFE_LOW_BITS >> (usize::BITS - ADDRESS_BITS) != 0 {
            return Err(Error::fixed(
                ErrorCode::Unsupported,
                "the upper bits of addresses are in use on this system: switch off memory tagging for this program",
            ));
        }
        Ok(address.map_addr(|address| address | high | tag & LOW_MASK))
    }

    /// The handle behind such a word.
    ///
    /// # Safety
    /// `address` came from [`Series::address`], and the registry's state lives for `'a`.
    #[inline]
    #[must_use]
    pub unsafe fn at(address: NonNull<c_void>) -> Series<'a> {
        let word = address.addr().get();
        let high = (word & HIGH_MASK) >> (ADDRESS_BITS - LIFE_LOW_BITS);
        let life = (high | word & LOW_MASK) as u32;
        let series = address.as_ptr().map_addr(|word| word & !(HIGH_MASK | LOW_MASK)).cast::<crate::series::Series>();
        // SAFETY: the caller's promise: a series lies there.
        let series = unsafe { &*series };
        // SAFETY: as above (INV-3).
        let series = unsafe { Pinned::new(series) };
        Series { handle: Handle::new(series, life.wrapping_add(FIRST)), family: PhantomData }
    }
}

impl Family {
    /// The series with these label values, as [`crate::HistogramFamily::with`] finds it. It lives as long as the
    /// registry's state.
    ///
    /// # Errors
    /// `LabelCount` for a wrong number of values.
    pub fn child_raw<'v>(&self, values: impl Iterator<Item = &'v str> + Clone) -> Result<Series<'_>, Error> {
        Ok(Series { handle: self.child(values)?, family: PhantomData })
    }

    /// Removes the series with these label values, as [`crate::HistogramFamily::remove`] does.
    ///
    /// # Errors
    /// `LabelCount` for a wrong number of values, `OutOfMemory`.
    pub fn remove<'v>(&self, values: impl Iterator<Item = &'v str> + Clone) -> Result<bool, Error> {
        self.remove_series(values)
    }

    /// Removes all series, as [`crate::HistogramFamily::clear`] does.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn clear(&self) -> Result<(), Error> {
        self.remove_all()
    }

    /// What the family counts.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Sets the caller's p99 for adaptive sampling.
    pub fn set_p99(&self, p99: f64) {
        self.set_given_p99(p99);
    }

    /// How many label values a series has.
    #[must_use]
    pub fn label_count(&self) -> usize {
        self.label_names.len()
    }
}

impl Handle {
    /// What the series counts.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.family.kind
    }

    /// Counts an observation without an exemplar. False, as the other methods answer when none was written.
    #[inline(always)]
    pub fn observe(&self, value: f64) -> bool {
        self.count_observation(value);
        false
    }

    /// Adds to a counter without an exemplar. False, as the other methods answer when none was written.
    #[inline]
    pub fn add(&self, amount: f64) -> bool {
        self.count_increment(amount);
        false
    }

    /// Counts an observation of which no span is known, though one was asked for: a slow one is told of all the same.
    #[inline(always)]
    pub fn observe_without_span(&self, value: f64) -> bool {
        self.count_observation(value);
        self.tell_if_slow_alone(value);
        false
    }

    /// Adds an amount of which no span is known, though one was asked for: a slow one is told of all the same.
    #[inline]
    pub fn add_without_span(&self, amount: f64) -> bool {
        self.count_increment(amount);
        if amount < f64::INFINITY {
            self.tell_if_slow_alone(amount);
        }
        false
    }

    /// Sets a gauge.
    pub fn set(&self, value: f64) {
        self.set_gauge(value);
    }

    /// Adds to a gauge.
    pub fn shift(&self, amount: f64) {
        self.add_gauge(amount);
    }

    /// The value of a gauge, as [`crate::Gauge::get`].
    #[must_use]
    pub fn value(&self) -> f64 {
        self.gauge()
    }

    /// Where the series' words lie. They stay there as long as the registry's state.
    #[must_use]
    pub fn view(&self) -> View {
        let header: &Header = &self.family.core.header;
        View {
            cells: self.cells().as_ptr().cast(),
            state: core::ptr::from_ref(self.life_word()).cast(),
            plain: self.plain(),
            gates: if self.gates().is_empty() { core::ptr::null() } else { self.gates().as_ptr().cast() },
            segment: core::ptr::from_ref(header).cast(),
            hash: self.hash(),
            buckets: self.gates().len() as u32,
            kind: self.family.kind,
            filter: self.family.rules().filter,
            policy: self.family.rules().policy,
            offer_from: self.family.offer_from(),
            draws: self.family.rules().draws(),
            overflow: self.is_overflow(),
        }
    }

    /// Takes an offer whose gate, budget and filters the caller has looked at, and whose observation it has counted. True
    /// if it was written.
    pub fn offer_ids(&self, bucket: u32, value: f64, seed: u64, context: TraceContext) -> bool {
        self.offer_in_hand(Offer { bucket, value, seed }, context, None)
    }

    /// The same with labels.
    pub fn offer_ids_labels<'l>(
        &self,
        bucket: u32,
        value: f64,
        seed: u64,
        context: TraceContext,
        labels: impl LabelList<'l>,
    ) -> bool {
        self.offer_in_hand(Offer { bucket, value, seed }, context, Some(&mut packer(labels)))
    }

    /// The lots of an offer, for a caller that looks at budget and span itself: false, and counted, if it is not kept.
    pub fn draw(&self, bucket: u32, value: f64, seed: u64) -> bool {
        self.draw_offer(Offer { bucket, value, seed })
    }

    /// Every exemplar that the series' rings hold, newest first.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn exemplars(&self) -> Result<alloc::vec::Vec<Exemplar>, Error> {
        self.history()
    }

    /// Counts a function of the user's that failed, for bindings that call some themselves.
    pub fn count_callback_error(&self) {
        self.family.core.header.count(Tally::CallbackErrors, 1);
    }

    /// Closes the open window if nobody has for ten seconds, and brings the bands of adaptive sampling up to date if that
    /// is due.
    pub fn turn(&self) {
        let core = &*self.family.core;
        let now_ms = core.clock.mono_ms();
        scrapers::turn_by_time(&core.header, now_ms, WINDOW_MOST_MS);
        self.refresh_edges(now_ms);
    }

    /// Counts an offer that was dropped by the caller.
    pub fn count_drop(&self, reason: DropReason) {
        self.family.core.header.count_drop(reason);
    }
}

/// Text from bytes that should be UTF-8; each invalid sequence becomes U+FFFD.
///
/// # Errors
/// `OutOfMemory`.
pub fn lossy(bytes: &[u8]) -> Result<crate::buffer::Buffer, Error> {
    let mut text = crate::buffer::Buffer::new();
    put_lossy(&mut text, bytes);
    text.finish().map_err(|_| out_of_memory())?;
    Ok(text)
}

/// The epoch of the open window, for tests of bindings.
#[must_use]
pub fn epoch(registry: &Registry) -> u64 {
    registry.core.header.window.epoch.load(Ordering::Relaxed)
}

macro_rules! offsets {
    ($($name:literal: $type:ty, $($field:ident).+;)*) => {
        [$(($name, offset_of!($type, $($field).+) as u64)),*]
    };
}

/// Places and sizes of the layout, by name, in bytes unless the name says otherwise.
pub fn layout_offsets() -> impl Iterator<Item = (&'static str, u64)> {
    let offsets = offsets! {
        "header_magic": Header, magic;
        "header_layout_version": Header, layout_version;
        "header_header_bytes": Header, header_bytes;
        "header_byte_order": Header, byte_order;
        "header_generation": Header, generation;
        "header_boot_id": Header, boot_id;
        "header_reserved_bytes": Header, reserved_bytes;
        "header_created_ms": Header, created_ms;
        "header_tail": Header, tail;
        "header_allocated": Header, allocated;
        "header_newest_record": Header, newest_record;
        "header_exemplar_bytes": Header, exemplar_bytes;
        "header_want_growth": Header, want_growth;
        "header_series": Header, series;
        "header_check": Header, check;
        "header_salts": Header, salts;
        "header_epoch": Header, window.epoch;
        "header_opened_ms": Header, window.opened_ms;
        "header_greatest_stamp_ms": Header, greatest_stamp_ms;
        "header_last_made": Header, last_made;
        "header_workers": Header, workers;
        "header_scraper_lock": Header, scraper_lock;
        "header_mark_floor": Header, mark_floor;
        "header_scrapers": Header, scrapers;
        "header_tallies": Header, tallies;
        "scraper_id": Scraper, id;
        "scraper_class": Scraper, class;
        "scraper_mark": Scraper, mark;
        "scraper_last_ms": Scraper, last_ms;
        "scraper_gap": Scraper, gap;
        "scraper_trust": Scraper, trust;
        "scraper_lo": Scraper, lo;
        "scraper_join_lo": Scraper, join_lo;
        "gate_head": Gate, head;
        "gate_ring": Gate, ring;
        "gate_budget": Gate, budget;
        "record_tag": Record, tag;
        "record_made_before": Record, made_before;
        "record_publication": Record, publication;
        "family_state": FamilyRecord, state;
        "family_hash": FamilyRecord, hash;
        "family_created_ms": FamilyRecord, created_ms;
        "family_sizes": FamilyRecord, sizes;
        "family_limits": FamilyRecord, limits;
        "family_series": FamilyRecord, series;
        "family_rules": FamilyRecord, rules;
        "series_family": SeriesRecord, family;
        "series_hash": SeriesRecord, hash;
        "series_cells": SeriesRecord, cells;
        "series_when_ms": SeriesRecord, when_ms;
        "series_text_bytes": SeriesRecord, text_bytes;
        "series_text": SeriesRecord, text;
        "series_stripes": SeriesRecord, stripes;
    };
    let sizes = [
        ("header_size", size_of::<Header>() as u64),
        ("window_size", size_of::<Window>() as u64),
        ("scraper_size", size_of::<Scraper>() as u64),
        ("gate_size", size_of::<Gate>() as u64),
        ("family_size", size_of::<FamilyRecord>() as u64),
        ("series_size", size_of::<SeriesRecord>() as u64),
        ("line_size", layout::LINE as u64),
        ("slot_size", size_of::<[u64; shape::SLOT_WORDS]>() as u64),
        ("ring_size", shape::ring_words(shape::SLOTS_USUAL).saturating_mul(8) as u64),
        ("ring_header_size", size_of::<[u64; shape::HEADER_WORDS]>() as u64),
        ("label_area_size_per_slot", size_of::<[u64; shape::LABEL_WORDS]>() as u64),
    ];
    let numbers = [
        ("magic_value", layout::MAGIC),
        ("layout_version_value", layout::LAYOUT_VERSION as u64),
        ("byte_order_value", layout::BYTE_ORDER),
        ("state_words", layout::STATE_WORDS as u64),
        ("state_flags_mask", life::FLAGS),
        ("state_overflow_flag", life::OVERFLOW),
        ("state_striped_flag", life::STRIPED),
        ("stripes_count", STRIPES as u64),
        ("stripe_step_words", stripe_words(1) as u64),
        ("scrapers_count", layout::SCRAPERS as u64),
        ("tallies_count", layout::TALLIES as u64),
        ("slots_count", shape::SLOTS_USUAL as u64),
        ("slots_least_count", shape::SLOTS_LEAST as u64),
        ("slots_most_count", shape::SLOTS as u64),
        ("histogram_sum_word", layout::HISTOGRAM_SUM_AT as u64),
        ("histogram_counts_word", layout::HISTOGRAM_COUNTS_AT as u64),
        ("counter_whole_word", layout::COUNTER_WHOLE_AT as u64),
        ("counter_fraction_word", layout::COUNTER_FRACTION_AT as u64),
        ("counter_fractions_word", 2),
        ("gauge_value_word", gauge_cells::GAUGE_VALUE_AT as u64),
        ("gauge_mode_word", gauge_cells::GAUGE_MODE_AT as u64),
        ("gauge_added_word", gauge_cells::GAUGE_ADDED_AT as u64),
        ("gauge_blocks_word", gauge_cells::GAUGE_BLOCKS_AT as u64),
        ("gauge_mode_workers", gauge_cells::MODE_WORKERS),
        ("gauge_mode_shared", gauge_cells::MODE_SHARED),
        ("gauge_block_size", size_of::<[u64; gauge_cells::BLOCK_WORDS]>() as u64),
        ("workers_count", gauge_cells::WORKERS as u64),
        ("workers_table_size", size_of::<[u64; workers::TABLE_WORDS]>() as u64),
        ("worker_slot_size", size_of::<[u64; workers::SLOT_WORDS]>() as u64),
        ("priority_shut_value", priority::SHUT as u64),
        ("priority_shift_bits", priority::PRIORITY_SHIFT as u64),
        ("low_bits_mask", priority::LOW_BITS),
        ("clock_every_mask", 15),
        ("budget_count", BUDGET as u64),
        ("window_most_ms", WINDOW_MOST_MS),
        ("tally_offered", Tally::Offered as u64),
        ("tally_admitted", Tally::Admitted as u64),
        ("tally_nan", Tally::Nan as u64),
        ("tally_invalid_increment", Tally::InvalidIncrement as u64),
        ("tally_overflow", Tally::Overflow as u64),
        ("tally_slow_requests", Tally::SlowRequests as u64),
        ("tally_callback_errors", Tally::CallbackErrors as u64),
        ("drop_unsampled", DropReason::Unsampled as u64),
        ("drop_no_span", DropReason::NoSpan as u64),
        ("drop_invalid_id", DropReason::InvalidId as u64),
        ("drop_filter", DropReason::Filter as u64),
        ("drop_budget", DropReason::Budget as u64),
        ("drop_label_limit", DropReason::LabelLimit as u64),
        ("drop_label_value", DropReason::LabelValue as u64),
        ("drop_nonfinite", DropReason::Nonfinite as u64),
        ("drop_busy", DropReason::Busy as u64),
        ("drop_memory", DropReason::Memory as u64),
        ("kind_counter", Kind::Counter as u64),
        ("kind_gauge", Kind::Gauge as u64),
        ("kind_histogram", Kind::Histogram as u64),
        ("filter_trace_based", Filter::TraceBased as u64),
        ("filter_always_on", Filter::AlwaysOn as u64),
        ("filter_always_off", Filter::AlwaysOff as u64),
        ("policy_slowest", Policy::Slowest as u64),
        ("policy_uniform", Policy::Uniform as u64),
        ("policy_first", Policy::First as u64),
    ];
    offsets.into_iter().chain(sizes).chain(numbers)
}
