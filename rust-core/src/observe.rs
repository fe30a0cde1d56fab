//! An observation with its exemplar: count first, then let the gate decide whether anything else is looked at. Each method
//! says whether an exemplar was written.

use crate::counting::Left;
use crate::error::Error;
use crate::exemplar::{Offer, Stored, packer};
use crate::labels::{Fitter, Id, IdName, LabelList, read_id, take_ids};
use crate::series::Handle;
use crate::tally::DropReason;
use crate::trace::TraceContext;

impl Handle {
    /// Counts an observation and offers the span that `span` answers.
    // Always inlined, so that the span is not copied for a closure that is seldom called.
    #[inline(always)]
    pub fn observe_with(&self, value: f64, span: impl FnOnce() -> Option<TraceContext>) -> bool {
        let left = self.observe_short(value);
        !left.is_nothing() && self.offer_left(value, left, span)
    }

    /// Counts an observation and offers a trace context.
    #[inline(always)]
    pub(crate) fn observe_context(&self, value: f64, context: &TraceContext) -> bool {
        let left = self.observe_short(value);
        !left.is_nothing() && self.offer_left_context(value, left, context)
    }

    /// Takes the context by reference: a copy would be made before the locked instructions, which wait for it.
    #[cold]
    #[inline(never)]
    fn offer_left_context(&self, value: f64, left: Left, context: &TraceContext) -> bool {
        self.offer_left(value, left, || Some(*context))
    }

    /// Does what is left of an observation, and offers the span that `span` answers.
    #[inline]
    pub fn offer_left(&self, value: f64, left: Left, span: impl FnOnce() -> Option<TraceContext>) -> bool {
        self.offer_lazily(self.finish_observation(value, left), span)
    }

    /// Counts an observation and offers a trace context with more labels.
    pub fn observe_trace<'l>(&self, value: f64, context: TraceContext, extra: impl LabelList<'l>) -> bool {
        self.observe_with_labels(value, || Some(context), packer(extra))
    }

    /// Counts an observation and offers the span that `span` answers with more labels.
    ///
    /// `extra` adds the labels; it is called for what is about to be written.
    pub fn observe_with_labels(
        &self,
        value: f64,
        span: impl FnOnce() -> Option<TraceContext>,
        extra: impl FnMut(&mut Fitter<'_>),
    ) -> bool {
        let left = self.observe_short(value);
        !left.is_nothing() && self.offer_labelled(self.finish_observation(value, left), span, extra)
    }

    /// Counts an observation and offers the context of a `traceparent` header.
    ///
    /// # Errors
    /// `InvalidTraceparent`; the observation is counted all the same.
    pub fn observe_traceparent(&self, value: f64, traceparent: &str) -> Result<bool, Error> {
        let left = self.observe_short(value);
        let passed = if left.is_nothing() { None } else { self.finish_observation(value, left) };
        self.offer_traceparent(passed, traceparent)
    }

    /// Counts an observation with an explicit exemplar.
    pub fn observe_exemplar<'l>(&self, value: f64, labels: impl LabelList<'l>) -> bool {
        match self.count_observation_of(value) {
            Some((bucket, seed)) => self.explicit_labels(Offer { bucket, value, seed }, labels),
            None => false,
        }
    }

    /// Counts an observation with an explicit exemplar of these ids.
    pub fn observe_exemplar_ids<'l>(&self, value: f64, context: TraceContext, extra: impl LabelList<'l>) -> bool {
        match self.count_observation_of(value) {
            Some((bucket, seed)) => self.explicit_ids(Offer { bucket, value, seed }, context, extra),
            None => false,
        }
    }

    /// Adds to a counter and offers the span that `span` answers.
    #[inline(always)]
    pub fn add_with(&self, amount: f64, span: impl FnOnce() -> Option<TraceContext>) -> bool {
        let left = self.add_short(amount);
        !left.is_nothing() && self.offer_left_increment(amount, left, span)
    }

    /// Adds to a counter and offers a trace context.
    #[inline(always)]
    pub(crate) fn add_context(&self, amount: f64, context: &TraceContext) -> bool {
        let left = self.add_short(amount);
        !left.is_nothing() && self.offer_left_increment_context(amount, left, context)
    }

    #[cold]
    #[inline(never)]
    fn offer_left_increment_context(&self, amount: f64, left: Left, context: &TraceContext) -> bool {
        self.offer_left_increment(amount, left, || Some(*context))
    }

    /// Does what is left of an addition, and offers the span that `span` answers.
    #[inline]
    pub fn offer_left_increment(&self, amount: f64, left: Left, span: impl FnOnce() -> Option<TraceContext>) -> bool {
        self.offer_lazily(self.finish_increment(amount, left), span)
    }

    /// Adds to a counter and offers a trace context with more labels.
    pub fn add_trace<'l>(&self, amount: f64, context: TraceContext, extra: impl LabelList<'l>) -> bool {
        self.add_with_labels(amount, || Some(context), packer(extra))
    }

    /// Adds to a counter and offers the span that `span` answers with more labels.
    pub fn add_with_labels(
        &self,
        amount: f64,
        span: impl FnOnce() -> Option<TraceContext>,
        extra: impl FnMut(&mut Fitter<'_>),
    ) -> bool {
        let left = self.add_short(amount);
        !left.is_nothing() && self.offer_labelled(self.finish_increment(amount, left), span, extra)
    }

    /// Adds to a counter and offers the context of a `traceparent` header.
    ///
    /// # Errors
    /// `InvalidTraceparent`; the amount is added all the same.
    pub fn add_traceparent(&self, amount: f64, traceparent: &str) -> Result<bool, Error> {
        let left = self.add_short(amount);
        let passed = if left.is_nothing() { None } else { self.finish_increment(amount, left) };
        self.offer_traceparent(passed, traceparent)
    }

    /// Adds to a counter with an explicit exemplar.
    pub fn add_exemplar<'l>(&self, amount: f64, labels: impl LabelList<'l>) -> bool {
        match self.count_increment_of(amount) {
            Some(seed) => self.explicit_labels(Offer { bucket: 0, value: amount, seed }, labels),
            None => false,
        }
    }

    /// Adds to a counter with an explicit exemplar of these ids.
    pub fn add_exemplar_ids<'l>(&self, amount: f64, context: TraceContext, extra: impl LabelList<'l>) -> bool {
        match self.count_increment_of(amount) {
            Some(seed) => self.explicit_ids(Offer { bucket: 0, value: amount, seed }, context, extra),
            None => false,
        }
    }

    #[inline(always)]
    fn offer_lazily(&self, passed: Option<Offer>, span: impl FnOnce() -> Option<TraceContext>) -> bool {
        let Some(offer) = passed else { return false };
        let mut span = Some(span);
        self.offer(offer, &mut || span.take().and_then(|span| span()), None)
    }

    fn offer_labelled(
        &self,
        passed: Option<Offer>,
        span: impl FnOnce() -> Option<TraceContext>,
        mut extra: impl FnMut(&mut Fitter<'_>),
    ) -> bool {
        let Some(offer) = passed else { return false };
        let mut span = Some(span);
        self.offer(offer, &mut || span.take().and_then(|span| span()), Some(&mut extra))
    }

    fn offer_traceparent(&self, passed: Option<Offer>, text: &str) -> Result<bool, Error> {
        match TraceContext::parse_traceparent(text) {
            Ok(context) => Ok(self.offer_lazily(passed, || Some(context))),
            Err(error) => {
                // Slow it was all the same.
                if let Some(offer) = passed {
                    self.tell_if_slow_alone(offer.value);
                }
                self.family.core.header.count_drop(DropReason::InvalidId);
                Err(error)
            }
        }
    }

    fn explicit_labels<'l>(&self, offer: Offer, labels: impl LabelList<'l>) -> bool {
        let core = &*self.family.core;
        let settings = &core.settings;
        let names = (&*settings.trace_id_label, &*settings.span_id_label);
        let ids = take_ids(labels.clone(), names, settings.keep_names);
        if ids.misread {
            core.header.count_drop(DropReason::InvalidId);
        }
        let stored = Stored { trace: ids.trace, span: ids.span };
        if settings.keep_names {
            let mut add = |fitter: &mut Fitter<'_>| {
                labels.clone().for_each(|(name, value)| push_with_id(fitter, name, value));
            };
            return self.record_explicit(offer, stored, None, Some(&mut add));
        }
        self.record_explicit(offer, stored, None, Some(&mut packer(labels)))
    }

    fn explicit_ids<'l>(&self, offer: Offer, context: TraceContext, extra: impl LabelList<'l>) -> bool {
        let no_extra = extra.clone().next().is_none();
        let mut pack = packer(extra);
        self.record_explicit(offer, Stored::of(context), Some(context), if no_extra { None } else { Some(&mut pack) })
    }
}

/// Adds a label that keeps its name; an id is written in the one format all the same.
fn push_with_id(fitter: &mut Fitter<'_>, name: &str, value: &str) {
    let text = |digits: &[u8], fitter: &mut Fitter<'_>| {
        fitter.push(name, core::str::from_utf8(digits).unwrap_or_default());
    };
    match IdName::of(name).and_then(|known| read_id(known, value)) {
        Some(Id::Trace(id)) => text(&id.to_hex(), fitter),
        Some(Id::Span(id)) => text(&id.to_hex(), fitter),
        None => fitter.push(name, value),
    }
}
