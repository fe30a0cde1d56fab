//! What an exemplar consists of: its span, and labels brought within the limit.

use super::shape::LABEL_WORDS;
use super::slot::{LABEL_COUNT_MASK, Payload};
use crate::hooks::{ExemplarLabels, guarded};
use crate::labels::{Fit, FitOptions, Fitter, LabelList, MAX_CODE_POINTS, Taken};
use crate::series::Handle;
use crate::tally::{DropReason, Tally};
use crate::trace::{SpanId, TraceContext, TraceId};

/// The flag bits beside the stamp; 4 is `ring::TIED`.
pub(crate) mod flags {
    pub(crate) const TRACE: u64 = 1;
    pub(crate) const SPAN: u64 = 2;
}

/// Adds the labels that come along with ids.
pub(crate) type Extra<'a> = &'a mut dyn FnMut(&mut Fitter<'_>);

/// Adds labels given as an iterator.
pub(crate) fn packer<'l>(labels: impl LabelList<'l>) -> impl FnMut(&mut Fitter<'_>) {
    move |fitter| labels.clone().for_each(|(name, value)| fitter.push(name, value))
}

/// The span of an observation, looked up once at most.
pub(super) struct Source<'a> {
    ask: &'a mut dyn FnMut() -> Option<TraceContext>,
    answer: Option<Option<TraceContext>>,
}

impl<'a> Source<'a> {
    pub(super) fn new(ask: &'a mut dyn FnMut() -> Option<TraceContext>) -> Self {
        Source { ask, answer: None }
    }

    pub(super) fn get(&mut self) -> Option<TraceContext> {
        if let Some(answer) = self.answer {
            return answer;
        }
        let answer = (self.ask)();
        self.answer = Some(answer);
        answer
    }
}

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

    pub(super) fn is_empty(&self) -> bool {
        self.flags() == 0
    }

    fn flags(&self) -> u64 {
        let trace = if self.trace.is_some() { flags::TRACE } else { 0 };
        let span = if self.span.is_some() { flags::SPAN } else { 0 };
        trace | span
    }

    pub(super) fn payload(&self, value: f64, stamp: u64, words: usize, now_ms: u64) -> Payload {
        let (high, low) = self.trace.map_or((0, 0), TraceId::to_u64s);
        let span = self.span.map_or(0, SpanId::to_u64);
        [stamp << 16 | self.flags() << 12 | words as u64 & LABEL_COUNT_MASK, value.to_bits(), high, low, span, now_ms]
    }
}

/// What is written into a slot beside the value.
#[derive(Clone, Copy)]
pub(super) struct Content<'a> {
    pub(super) stored: Stored,
    pub(super) labels: &'a [u64],
    pub(super) now_ms: u64,
}

/// Labels on their way into a slot.
pub(super) struct Packed {
    words: [u64; LABEL_WORDS],
    used: usize,
    /// Whether a loss was counted.
    pub(super) counted: bool,
}

impl Packed {
    const fn none() -> Self {
        Packed { words: [0; LABEL_WORDS], used: 0, counted: false }
    }

    pub(super) fn words(&self) -> &[u64] {
        self.words.get(..self.used).unwrap_or_default()
    }
}

impl Handle {
    /// Packs the labels of an offer: those of the call first, then those of the family's function.
    pub(super) fn pack_offer(&self, stored: &Stored, mut extra: Option<Extra<'_>>) -> Packed {
        let has_function = self.family.hooks().is_some_and(|hooks| hooks.labels.is_some());
        if extra.is_none() && !has_function {
            return Packed::none();
        }
        self.pack(stored, &mut |fitter| {
            if let Some(extra) = &mut extra {
                extra(fitter);
            }
            self.push_from_function(fitter);
        })
    }

    /// Adds the labels of the family's function, once for each exemplar.
    pub(crate) fn push_from_function(&self, fitter: &mut Fitter<'_>) {
        let hook = self.family.hooks().and_then(|hooks| hooks.labels.as_ref());
        if let Some(hook) = hook.filter(|_| !fitter.asked) {
            fitter.asked = true;
            if guarded(|| hook(&mut ExemplarLabels(fitter))) != Some(true) {
                self.family.core.header.count(Tally::CallbackErrors, 1);
            }
        }
    }

    /// Packs labels into what the ids leave of the limit, and counts what is lost.
    pub(super) fn pack(&self, stored: &Stored, extra: Extra<'_>) -> Packed {
        let core = &*self.family.core;
        let settings = &core.settings;
        let trace = stored.trace.map(|_| &*settings.trace_id_label);
        let span = stored.span.map(|_| &*settings.span_id_label);
        let cost_of = |label: Option<&str>, digits: usize| label.map_or(0, |label| label.len().saturating_add(digits));
        let cost = cost_of(trace, 32).saturating_add(cost_of(span, 16));
        let taken = Taken { trace, span, spellings: !settings.keep_names };
        let options = FitOptions { budget: MAX_CODE_POINTS.saturating_sub(cost), taken };
        let mut fitter = Fitter::new(options);
        extra(&mut fitter);
        let mut packed = Packed::none();
        let fit: Fit = fitter.finish(&mut packed.words);
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
}
