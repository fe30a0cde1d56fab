//! The way of an offer from its gate into a slot. Everything here is off the hot path: a gate lets few offers pass.

use super::priority::{SHUT, admission};
use super::ring::{Age, Now, Outcome, Ring, advance_head, advance_head_explicit, beats, first_stamp};
use super::shape::{HEADER_WORDS, LABEL_WORDS, RING_WORDS, SLOTS};
use super::slot::{LABEL_COUNT_MASK, Payload};
use super::{Filter, scrapers};
use crate::core::{AGE_MOST_MS, BUDGET, WINDOW_MOST_MS};
use crate::labels::{Fit, FitOptions, LabelList, MAX_CODE_POINTS, fit_exemplar_labels};
use crate::segment::Offset;
use crate::segment::layout::Gate;
use crate::series::Series;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::tally::{DropReason, Tally};
use crate::trace::{SpanId, TraceContext, TraceId};

/// Bytes of the label area of a ring: one block for all its slots.
const LABEL_AREA_BYTES: usize = SLOTS * LABEL_WORDS * 8;
/// The header words of a ring: the greatest stamp is first, then the slots ever used.
const LABEL_AREA_AT: usize = 2;
/// An explicit exemplar gives up after losing its window this often.
const TRIES: usize = 4;

/// The flag bits beside the stamp; 4 is `ring::TIED`.
pub(crate) mod flags {
    pub(crate) const TRACE: u64 = 1;
    pub(crate) const SPAN: u64 = 2;
}

/// An observation that may become the exemplar of its bucket.
#[derive(Clone, Copy)]
pub(crate) struct Offer {
    pub(crate) bucket: u32,
    pub(crate) value: f64,
    /// The bucket's count before.
    pub(crate) seed: u64,
}

/// Packs the labels that come along with ids.
pub(crate) type Extra<'a> = &'a mut dyn FnMut(&mut [u64; LABEL_WORDS], FitOptions<'_>) -> Fit;

/// What is stored beside the value.
#[derive(Clone, Copy, Default)]
pub(crate) struct Stored {
    pub(crate) trace: Option<TraceId>,
    pub(crate) span: Option<SpanId>,
}

impl Stored {
    pub(crate) fn of(context: TraceContext) -> Self {
        Stored { trace: Some(context.trace_id()), span: Some(context.span_id()) }
    }

    fn flags(&self) -> u64 {
        let trace = if self.trace.is_some() { flags::TRACE } else { 0 };
        let span = if self.span.is_some() { flags::SPAN } else { 0 };
        trace | span
    }

    fn payload(&self, value: f64, stamp: u64, words: usize, now_ms: u64) -> Payload {
        let (high, low) = self.trace.map_or((0, 0), TraceId::to_u64s);
        let span = self.span.map_or(0, SpanId::to_u64);
        [stamp << 16 | self.flags() << 12 | words as u64 & LABEL_COUNT_MASK, value.to_bits(), high, low, span, now_ms]
    }
}

/// What is written into a slot beside the value.
#[derive(Clone, Copy)]
struct Content<'a> {
    stored: Stored,
    labels: &'a [u64],
    now_ms: u64,
}

/// Labels on their way into a slot.
struct Packed {
    words: [u64; LABEL_WORDS],
    used: usize,
    /// Whether a loss was counted.
    counted: bool,
}

impl Packed {
    const fn none() -> Self {
        Packed { words: [0; LABEL_WORDS], used: 0, counted: false }
    }

    fn words(&self) -> &[u64] {
        self.words.get(..self.used).unwrap_or_default()
    }
}

impl Series {
    /// Takes an offer that its gate let pass: looks at the clock, the budget and the span, and writes the exemplar if
    /// it still is the best of its window. `span` is called at most once, and holds nothing while it runs.
    #[cold]
    #[inline(never)]
    pub(crate) fn offer(&self, offer: Offer, span: &mut dyn FnMut() -> Option<TraceContext>, extra: Option<Extra<'_>>) {
        let core = &*self.family.core;
        let Some(gate) = self.gates.get(offer.bucket as usize) else { return };
        let now_ms = core.clock.mono_ms();
        scrapers::turn_by_time(&core.header, now_ms, WINDOW_MOST_MS);
        let priority = self.priority(offer.bucket, offer.value, offer.seed);
        let epoch = core.header.window.epoch.load(Ordering::Relaxed);
        if self.family.filter == Filter::AlwaysOff || !beats(&gate.head, admission(epoch, priority)) {
            return;
        }
        core.header.count(Tally::Offered, 1);
        if !offer.value.is_finite() {
            return core.header.count_drop(DropReason::Nonfinite);
        }
        if !spend(gate, epoch) {
            return core.header.count_drop(DropReason::Budget);
        }
        let Some(context) = span() else { return core.header.count_drop(DropReason::NoSpan) };
        if self.family.filter == Filter::TraceBased && !context.is_sampled() {
            return core.header.count_drop(DropReason::Unsampled);
        }
        self.admit(gate, offer, priority, context, extra);
    }

    /// Takes an offer of which only the head is still to be looked at: budget, span and filter were.
    pub(crate) fn offer_in_hand(&self, offer: Offer, context: TraceContext) {
        let core = &*self.family.core;
        let Some(gate) = self.gates.get(offer.bucket as usize) else { return };
        scrapers::turn_by_time(&core.header, core.clock.mono_ms(), WINDOW_MOST_MS);
        core.header.count(Tally::Offered, 1);
        if !offer.value.is_finite() {
            return core.header.count_drop(DropReason::Nonfinite);
        }
        let priority = self.priority(offer.bucket, offer.value, offer.seed);
        self.admit(gate, offer, priority, context, None);
    }

    /// Writes an automatic offer whose span is in hand.
    fn admit(&self, gate: &Gate, offer: Offer, priority: u32, context: TraceContext, extra: Option<Extra<'_>>) {
        let header = &*self.family.core.header;
        // Reading the span may have taken long.
        let epoch = header.window.epoch.load(Ordering::Relaxed);
        let candidate = admission(epoch, priority);
        if !beats(&gate.head, candidate) {
            return;
        }
        let stored = Stored::of(context);
        let packed = extra.map(|extra| self.pack(&stored, extra));
        let labels = packed.as_ref().map(Packed::words).unwrap_or_default();
        let Some((ring, labelled)) = self.ring_for(gate, !labels.is_empty()) else {
            return header.count_drop(DropReason::Memory);
        };
        let labels = if labelled { labels } else { &[] };
        if advance_head(&gate.head, candidate) {
            let now_ms = self.family.core.clock.mono_ms();
            self.write(&ring, gate, candidate, offer, Content { stored, labels, now_ms });
        }
    }

    /// Records an explicit exemplar: it skips the window rule and outranks the offers of its window.
    #[cold]
    #[inline(never)]
    pub(crate) fn record_explicit(&self, offer: Offer, stored: Stored, extra: Option<Extra<'_>>) {
        let core = &*self.family.core;
        let header = &*core.header;
        let Some(gate) = self.gates.get(offer.bucket as usize) else { return };
        header.count(Tally::Offered, 1);
        if self.family.filter == Filter::AlwaysOff {
            return header.count_drop(DropReason::Filter);
        }
        if !offer.value.is_finite() {
            return header.count_drop(DropReason::Nonfinite);
        }
        let packed = extra.map(|extra| self.pack(&stored, extra));
        let labels = packed.as_ref().map(Packed::words).unwrap_or_default();
        if stored.flags() == 0 && labels.is_empty() {
            // Nothing to show is left of it, or nothing was given.
            if !packed.as_ref().is_some_and(|packed| packed.counted) {
                header.count_drop(DropReason::LabelValue);
            }
            return;
        }
        let now_ms = core.clock.mono_ms();
        scrapers::turn_by_time(header, now_ms, WINDOW_MOST_MS);
        let Some((ring, labelled)) = self.ring_for(gate, !labels.is_empty()) else {
            return header.count_drop(DropReason::Memory);
        };
        let labels = if labelled { labels } else { &[] };
        if stored.flags() == 0 && labels.is_empty() {
            return header.count_drop(DropReason::Memory);
        }
        for _ in 0..TRIES {
            let epoch = header.window.epoch.load(Ordering::Relaxed);
            if let Some(candidate) = advance_head_explicit(&gate.head, epoch) {
                return self.write(&ring, gate, candidate, offer, Content { stored, labels, now_ms });
            }
            // The window has closed meanwhile, or it has no number left for one more explicit exemplar. Closing a
            // window early is always allowed.
            if header.window.epoch.load(Ordering::Relaxed) == epoch {
                scrapers::turn_by_time(header, now_ms, 0);
            }
        }
        header.count_drop(DropReason::Busy);
    }

    fn write(&self, ring: &Ring<'_>, gate: &Gate, candidate: u64, offer: Offer, content: Content<'_>) {
        let core = &*self.family.core;
        let header = &*core.header;
        let wall_ms = core.clock.wall_ms();
        let Content { stored, labels, now_ms } = content;
        let outcome = ring.write(
            &gate.head,
            candidate,
            Now { wall_ms, age: Age { now_ms, max_ms: AGE_MOST_MS } },
            |after, upto| scrapers::marks_separate(header, now_ms, after, upto),
            |stamp| stored.payload(offer.value, stamp, labels.len(), now_ms),
            labels,
        );
        match outcome {
            Outcome::Admitted(stamp) => {
                if header.greatest_stamp_ms.load(Ordering::Relaxed) < stamp {
                    header.greatest_stamp_ms.fetch_max(stamp, Ordering::Relaxed);
                }
                header.count(Tally::Admitted, 1);
            }
            Outcome::Beaten => {}
            Outcome::Busy => header.count_drop(DropReason::Busy),
            Outcome::TakenOver => header.count(Tally::TakenOver, 1),
        }
    }

    /// Packs labels into what the ids leave of the limit, and counts what is lost.
    fn pack(&self, stored: &Stored, extra: Extra<'_>) -> Packed {
        let core = &*self.family.core;
        let (trace_label, span_label) = (&*core.settings.trace_id_label, &*core.settings.span_id_label);
        // An id is taken from the label of its usual name, whatever name it is written under.
        let mut taken = [[""; 2]; 2];
        let mut cost = 0_usize;
        let ids =
            [(stored.trace.is_some(), trace_label, "trace_id", 32), (stored.span.is_some(), span_label, "span_id", 16)];
        for (places, (present, name, usual, digits)) in taken.iter_mut().zip(ids) {
            if present {
                *places = [name, usual];
                cost = cost.saturating_add(name.len()).saturating_add(digits);
            }
        }
        let mut packed = Packed::none();
        let options = FitOptions { budget: MAX_CODE_POINTS.saturating_sub(cost), taken: taken.as_flattened() };
        let fit = extra(&mut packed.words, options);
        packed.used = fit.words;
        packed.counted = fit.trimmed || fit.replaced || fit.invalid;
        if fit.trimmed {
            core.header.count_drop(DropReason::LabelLimit);
        }
        if fit.replaced || fit.invalid {
            core.header.count_drop(DropReason::LabelValue);
        }
        packed
    }

    /// The ring behind a gate, made if there is none, and whether it can hold labels.
    fn ring_for(&self, gate: &Gate, labelled: bool) -> Option<(Ring<'_>, bool)> {
        // SYNC(ring-publish): pairs with the exchange in `new_ring`; the first stamp becomes visible.
        let mut lines = gate.ring.load(Ordering::Acquire);
        if lines == 0 {
            lines = self.new_ring(gate)?;
        }
        let mut ring = self.ring_at(lines)?;
        if labelled && !ring.has_labels() && self.add_label_area(Offset::from_lines(lines)) {
            ring = self.ring_at(lines)?;
        }
        Some((ring, ring.has_labels()))
    }

    /// The ring of a bucket, for a reader; nothing before its first exemplar.
    pub(crate) fn ring_of(&self, gate: &Gate) -> Option<Ring<'_>> {
        // SYNC(ring-publish): Acquire, as in `ring_for`.
        match gate.ring.load(Ordering::Acquire) {
            0 => None,
            lines => self.ring_at(lines),
        }
    }

    fn ring_at(&self, lines: u32) -> Option<Ring<'_>> {
        let segment = &self.family.core.segment;
        let place = Offset::from_lines(lines);
        let words = segment.words(place, RING_WORDS)?;
        // SYNC(label-area): Acquire, pairs with `add_label_area`.
        let labels_at = words.get(LABEL_AREA_AT)?.load(Ordering::Acquire);
        let labels = match labels_at {
            0 => &[],
            at => segment.words(Offset::from_bytes(at), LABEL_AREA_BYTES / 8).unwrap_or_default(),
        };
        Ring::new(words, labels, place.bytes())
    }

    fn new_ring(&self, gate: &Gate) -> Option<u32> {
        let core = &*self.family.core;
        let place = self.exemplar_block(RING_WORDS.saturating_mul(8))?;
        let words = core.segment.words(place, HEADER_WORDS)?;
        // After the clock was set back, a bucket's first stamp must not fall below what it had in an earlier life.
        let greatest = core.header.greatest_stamp_ms.load(Ordering::Relaxed);
        if greatest > core.clock.wall_ms() {
            words.first()?.store(first_stamp(greatest), Ordering::Relaxed);
        }
        let lines = place.lines()?;
        // SYNC(ring-publish): Release publishes the header; Acquire takes over another's. A lost race leaks a ring.
        let published = gate.ring.compare_exchange(0, lines, Ordering::AcqRel, Ordering::Acquire);
        Some(published.map_or_else(|other| other, |_| lines))
    }

    fn add_label_area(&self, ring: Offset) -> bool {
        let segment = &self.family.core.segment;
        let word: Option<&AtomicU64> = segment.words(ring, HEADER_WORDS).and_then(|words| words.get(LABEL_AREA_AT));
        let Some(word) = word else { return false };
        let Some(area) = self.exemplar_block(LABEL_AREA_BYTES) else { return false };
        // SYNC(label-area): Release publishes zeroed words; a lost race leaks a block.
        let _ = word.compare_exchange(0, area.bytes(), Ordering::AcqRel, Ordering::Acquire);
        true
    }

    /// A block of exemplar memory, under the limit of the process.
    fn exemplar_block(&self, bytes: usize) -> Option<Offset> {
        let core = &*self.family.core;
        if !core.charge_exemplars(bytes) {
            return None;
        }
        let place = core.segment.allocate(bytes);
        if place.is_none() {
            core.discharge_exemplars(bytes);
        }
        place
    }
}

/// Takes one look-up of a window's budget. The last one shuts the head for the rest of the window.
fn spend(gate: &Gate, epoch: u64) -> bool {
    let this_window = (epoch as u32) << 16;
    let mut seen = gate.budget.load(Ordering::Relaxed);
    loop {
        let next = if seen & 0xFFFF_0000 == this_window {
            if seen & 0xFFFF >= BUDGET {
                gate.head.fetch_max(admission(epoch, SHUT), Ordering::Relaxed);
                return false;
            }
            seen.wrapping_add(1)
        } else {
            this_window | 1
        };
        match gate.budget.compare_exchange(seen, next, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return true,
            Err(now) => seen = now,
        }
    }
}

/// Packs labels given as an iterator.
pub(crate) fn packer<'l>(labels: impl LabelList<'l>) -> impl FnMut(&mut [u64; LABEL_WORDS], FitOptions<'_>) -> Fit {
    move |words, options| fit_exemplar_labels(words, options, labels.clone())
}
