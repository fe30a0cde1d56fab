//! Explicit exemplars: label sets of the caller's, which skip the rule of the window and outrank its offers.

use super::content::{Content, Extra, Stored};
use super::offer::Offer;
use super::ring::advance_head_explicit;
use super::{Filter, scrapers};
use crate::core::WINDOW_MOST_MS;
use crate::series::Handle;
use crate::sync::atomic::Ordering;
use crate::tally::{DropReason, Tally};
use crate::trace::TraceContext;

/// An explicit exemplar gives up after losing its window this often.
const TRIES: usize = 4;

impl Handle {
    /// Records an explicit exemplar: it skips the window rule and outranks the offers of its window. True if it was
    /// written. `context` is the span if it came with its flags.
    #[cold]
    #[inline(never)]
    pub(crate) fn record_explicit(
        &self,
        offer: Offer,
        stored: Stored,
        context: Option<TraceContext>,
        extra: Option<Extra<'_>>,
    ) -> bool {
        let core = &*self.family.core;
        let header = &*core.header;
        let Some(gate) = self.gates().get(offer.bucket as usize) else { return false };
        let refuse = |reason| {
            header.count_drop(reason);
            false
        };
        // Ids that come without flags count as sampled.
        let of_ids = || Some(TraceContext::sampled(stored.trace?, stored.span?));
        self.tell_if_slow(offer.value, &mut || context.or_else(of_ids));
        header.count(Tally::Offered, 1);
        if self.family.rules().filter == Filter::AlwaysOff {
            return refuse(DropReason::Filter);
        }
        if !offer.value.is_finite() {
            return refuse(DropReason::Nonfinite);
        }
        let packed = extra.map(|extra| self.pack(&stored, extra));
        let labels = packed.as_ref().map(|packed| packed.words()).unwrap_or_default();
        if stored.is_empty() && labels.is_empty() {
            // Nothing to show is left of it, or nothing was given.
            if !packed.as_ref().is_some_and(|packed| packed.counted) {
                header.count_drop(DropReason::LabelValue);
            }
            return false;
        }
        let now_ms = core.clock.mono_ms();
        scrapers::turn_by_time(header, now_ms, WINDOW_MOST_MS);
        let Some((ring, labelled)) = self.ring_for(gate, !labels.is_empty()) else {
            return refuse(DropReason::Memory);
        };
        let labels = self.kept_labels(labels, labelled);
        if stored.is_empty() && labels.is_empty() {
            return false;
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
        refuse(DropReason::Busy)
    }
}
