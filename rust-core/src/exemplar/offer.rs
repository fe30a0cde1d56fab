//! The way of an offer from its gate into a slot. Everything here is off the hot path: a gate lets few offers pass.

use core::cell::Cell;

use super::adaptive::{AdaptiveState, Draw};
use super::content::{Content, Extra, Source, Stored};
use super::priority::{SHUT, admission};
use super::ring::{Age, Now, Outcome, Ring, advance_head, beats};
use super::rules::Adaptive;
use super::scrapers::FirstAsked;
use super::{Filter, scrapers};
use crate::core::{BUDGET, WINDOW_MOST_MS};
use crate::hooks::{Hooks, SlowRequest, guarded, is_too_deep};
use crate::segment::layout::{Gate, HISTOGRAM_COUNTS_AT};
use crate::series::Handle;
use crate::sync::atomic::Ordering;
use crate::tally::{DropReason, Tally};
use crate::trace::TraceContext;

/// Tells the draw of the option `probability` apart from that of adaptive sampling.
const SALT: u64 = 0x9B0B;

/// An observation that may become the exemplar of its bucket.
#[derive(Clone, Copy)]
pub(crate) struct Offer {
    pub(crate) bucket: u32,
    pub(crate) value: f64,
    /// The bucket's count before.
    pub(crate) seed: u64,
}

impl Handle {
    /// Takes an offer that its gate let pass: looks at the clock, the filters, the budget and the span, and writes the
    /// exemplar if it still is the best of its window. True if it was written. `span` is called at most once, and
    /// nothing is held while it runs.
    #[cold]
    #[inline(never)]
    pub(crate) fn offer(
        &self,
        offer: Offer,
        span: &mut dyn FnMut() -> Option<TraceContext>,
        extra: Option<Extra<'_>>,
    ) -> bool {
        let family = &*self.family;
        let core = &*family.core;
        let Some(gate) = self.gates().get(offer.bucket as usize) else { return false };
        let now_ms = core.clock.mono_ms();
        scrapers::turn_by_time(&core.header, now_ms, WINDOW_MOST_MS);
        self.refresh_edges(now_ms);
        let mut source = Source::new(span);
        if offer.value > family.slow_from() {
            self.tell_slow(offer.value, &mut source);
        }
        let priority = self.priority(offer.bucket, offer.value, offer.seed);
        let epoch = core.header.window.epoch.load(Ordering::Relaxed);
        let offered = offer.value >= family.offer_from();
        if !offered || !beats(&gate.head, admission(epoch, priority)) {
            return false;
        }
        core.header.count(Tally::Offered, 1);
        if !offer.value.is_finite() {
            return self.drop_offer(DropReason::Nonfinite);
        }
        if !self.is_drawn(offer) {
            return self.drop_offer(DropReason::Filter);
        }
        if !spend(gate, epoch) {
            return self.drop_offer(DropReason::Budget);
        }
        let Some(context) = source.get() else { return self.drop_offer(DropReason::NoSpan) };
        if family.rules().filter == Filter::TraceBased && !context.is_sampled() {
            return self.drop_offer(DropReason::Unsampled);
        }
        self.admit(gate, offer, priority, context, extra)
    }

    /// Takes an offer of which only the head is still to be looked at: budget, span and filters were.
    pub(crate) fn offer_in_hand(&self, offer: Offer, context: TraceContext, extra: Option<Extra<'_>>) -> bool {
        let core = &*self.family.core;
        let Some(gate) = self.gates().get(offer.bucket as usize) else { return false };
        scrapers::turn_by_time(&core.header, core.clock.mono_ms(), WINDOW_MOST_MS);
        core.header.count(Tally::Offered, 1);
        if !offer.value.is_finite() {
            return self.drop_offer(DropReason::Nonfinite);
        }
        let priority = self.priority(offer.bucket, offer.value, offer.seed);
        self.admit(gate, offer, priority, context, extra)
    }

    /// The lots of an offer, for a caller that looks at budget and span itself: false if it is not to be kept, which is
    /// then counted.
    pub(crate) fn draw_offer(&self, offer: Offer) -> bool {
        let core = &*self.family.core;
        self.refresh_edges(core.clock.mono_ms());
        if self.is_drawn(offer) {
            return true;
        }
        core.header.count(Tally::Offered, 1);
        self.drop_offer(DropReason::Filter)
    }

    fn drop_offer(&self, reason: DropReason) -> bool {
        self.family.core.header.count_drop(reason);
        false
    }

    /// Brings the bands of adaptive sampling up to date, once a second.
    pub(crate) fn refresh_edges(&self, now_ms: u64) {
        if let Some((adaptive, state, counts)) = self.adaptive() {
            state.refresh(adaptive, self.family.given_p99(), &self.family.bounds, counts, now_ms);
        }
    }

    /// Whether the lots of `probability` and of adaptive sampling keep an offer.
    fn is_drawn(&self, offer: Offer) -> bool {
        let rules = self.family.rules();
        if !rules.draws() {
            return true;
        }
        let draw = Draw { series: self.hash(), bucket: offer.bucket, seed: offer.seed };
        if rules.probability < 1.0 && !draw.passes(SALT, rules.probability) {
            return false;
        }
        let Some((adaptive, state, counts)) = self.adaptive() else { return true };
        state.close(adaptive, self.family.given_p99(), &self.family.bounds, counts);
        state.passes(offer.value, draw)
    }

    /// The settings of adaptive sampling, what the series remembers for it, and the counts of its buckets.
    fn adaptive(&self) -> Option<(&Adaptive, &AdaptiveState, impl ExactSizeIterator<Item = u64> + Clone)> {
        let adaptive = self.family.rules().adaptive.as_ref()?;
        let state = self.state()?.adaptive.get()?;
        let stripes = self.striped();
        let counts = (HISTOGRAM_COUNTS_AT..self.cells().len()).map(move |cell| self.count_of(stripes, cell));
        Some((adaptive, state, counts))
    }

    /// Tells of a slow request of which nothing else is to be done.
    pub(crate) fn tell_if_slow(&self, value: f64, span: &mut dyn FnMut() -> Option<TraceContext>) {
        if value > self.family.slow_from() {
            let core = &*self.family.core;
            scrapers::turn_by_time(&core.header, core.clock.mono_ms(), WINDOW_MOST_MS);
            self.tell_slow(value, &mut Source::new(span));
        }
    }

    /// The same of a request without a span, for the hot path.
    #[inline(always)]
    pub(crate) fn tell_if_slow_alone(&self, value: f64) {
        if value > self.family.slow_from() {
            self.tell_slow_alone(value);
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_slow_alone(&self, value: f64) {
        self.tell_if_slow(value, &mut || None);
    }

    /// Tells the family's listener of a slow request, unless it was told of one of this series in the open window.
    #[cold]
    fn tell_slow(&self, value: f64, source: &mut Source<'_>) {
        let header = &*self.family.core.header;
        let Some(slow) = self.family.hooks().and_then(|hooks| hooks.slow.as_ref()) else { return };
        let Some(state) = self.state() else { return };
        let epoch = header.window.epoch.load(Ordering::Relaxed);
        let told = state.slow_told.load(Ordering::Relaxed);
        let word = &state.slow_told;
        if told == epoch || word.compare_exchange(told, epoch, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return;
        }
        let trace = source.get();
        let mut trace_url = crate::buffer::Buffer::new();
        let template = slow.trace_url.as_ref().or(self.family.core.settings.trace_url.as_ref());
        if let (Some(template), Some(trace)) = (template, trace) {
            template.put(&mut trace_url, trace);
        }
        let mut values = crate::buffer::Buffer::new();
        let values_len = self.text.copy_to(&mut values);
        values.truncate(values_len);
        if !self.text.is_still(self.life()) {
            return;
        }
        let request = SlowRequest { family: &self.family, values, value, threshold: slow.threshold, trace, trace_url };
        header.count(Tally::SlowRequests, 1);
        if guarded(|| (slow.call)(&request)) != Some(true) {
            header.count(Tally::CallbackErrors, 1);
        }
    }

    /// Writes an automatic offer whose span is in hand.
    fn admit(&self, gate: &Gate, offer: Offer, priority: u32, context: TraceContext, extra: Option<Extra<'_>>) -> bool {
        let header = &*self.family.core.header;
        let hooks = self.family.hooks();
        // Reading the span may have taken long.
        let epoch = header.window.epoch.load(Ordering::Relaxed);
        let candidate = admission(epoch, priority);
        if !beats(&gate.head, candidate) {
            return false;
        }
        // A function that observes where it is asked itself would be asked again, without end.
        if hooks.is_some_and(Hooks::is_asked) && is_too_deep() {
            return false;
        }
        if let Some(filter) = hooks.and_then(|hooks| hooks.filter.as_ref()) {
            let answer = guarded(|| filter(offer.value, context));
            if answer.is_none() {
                header.count(Tally::CallbackErrors, 1);
            }
            if answer != Some(true) {
                return self.drop_offer(DropReason::Filter);
            }
        }
        let stored = Stored::of(context);
        let packed = self.pack_offer(&stored, extra);
        let labels = packed.words();
        let Some((ring, labelled)) = self.ring_for(gate, !labels.is_empty()) else {
            return self.drop_offer(DropReason::Memory);
        };
        let labels = self.kept_labels(labels, labelled);
        if !advance_head(&gate.head, candidate) {
            return false;
        }
        let now_ms = self.family.core.clock.mono_ms();
        #[cfg(spanpin_stops)]
        crate::stops::at("exemplar-claim: head moved");
        let written = self.write(&ring, gate, candidate, offer, Content { stored, labels, now_ms });
        if written
            && let Some(admitted) = hooks.and_then(|hooks| hooks.admitted.as_ref())
            && guarded(|| admitted(offer.value, context)) != Some(true)
        {
            header.count(Tally::CallbackErrors, 1);
        }
        written
    }

    /// The labels of an exemplar if its ring has a place for them; their loss is counted.
    pub(super) fn kept_labels<'l>(&self, labels: &'l [u64], labelled: bool) -> &'l [u64] {
        if labelled || labels.is_empty() {
            return labels;
        }
        self.family.core.header.count_drop(DropReason::Memory);
        &[]
    }

    /// Writes a winner, whose head was moved, into its ring. True if it was published.
    pub(super) fn write(
        &self,
        ring: &Ring<'_>,
        gate: &Gate,
        candidate: u64,
        offer: Offer,
        content: Content<'_>,
    ) -> bool {
        let core = &*self.family.core;
        let header = &*core.header;
        let wall_ms = core.clock.wall_ms();
        let Content { stored, labels, now_ms } = content;
        // Most winners find a slot without it.
        let first_asked = Cell::new(None);
        let separated = |after, upto| {
            let first_asked = first_asked.get().unwrap_or_else(|| {
                let now = FirstAsked::now(header, now_ms);
                first_asked.set(Some(now));
                now
            });
            first_asked.separate(after, upto)
        };
        let outcome = ring.write(
            &gate.head,
            candidate,
            Now { wall_ms, age: Age { now_ms, max_ms: self.family.max_age_ms() } },
            separated,
            |stamp| stored.payload(offer.value, stamp, labels.len(), now_ms),
            labels,
        );
        match outcome {
            Outcome::Admitted(stamp) => {
                #[cfg(spanpin_stops)]
                crate::stops::at("exemplar-publish: published");
                if header.greatest_stamp_ms.load(Ordering::Relaxed) < stamp {
                    header.greatest_stamp_ms.fetch_max(stamp, Ordering::Relaxed);
                }
                header.count(Tally::Admitted, 1);
                return true;
            }
            Outcome::Beaten => {}
            Outcome::Busy => header.count_drop(DropReason::Busy),
            Outcome::TakenOver => header.count(Tally::TakenOver, 1),
        }
        false
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
