//! An observation with its exemplar: count first, then let the gate decide whether anything else is looked at.

use crate::error::Error;
use crate::exemplar::{Offer, Stored, packer};
use crate::labels::{LabelList, take_ids};
use crate::series::Series;
use crate::tally::DropReason;
use crate::trace::{SpanId, TraceContext, TraceId};

impl Series {
    /// Counts an observation and offers the span that `span` answers.
    #[inline]
    pub fn observe_with(&self, value: f64, span: impl FnOnce() -> Option<TraceContext>) {
        if let Some((bucket, seed)) = self.count_observation(value) {
            self.offer_lazily(bucket, value, seed, span);
        }
    }

    /// Counts an observation and offers a trace context with more labels.
    pub fn observe_trace<'l>(&self, value: f64, context: TraceContext, extra: impl LabelList<'l>) {
        self.observe_with_labels(value, || Some(context), extra);
    }

    /// Counts an observation and offers the span that `span` answers with more labels.
    pub fn observe_with_labels<'l>(
        &self,
        value: f64,
        span: impl FnOnce() -> Option<TraceContext>,
        extra: impl LabelList<'l>,
    ) {
        if let Some((bucket, seed)) = self.count_observation(value) {
            self.offer_labelled(bucket, value, seed, span, extra);
        }
    }

    /// Counts an observation and offers the context of a `traceparent` header.
    ///
    /// # Errors
    /// `InvalidTraceparent`; the observation is counted all the same.
    pub fn observe_traceparent(&self, value: f64, traceparent: &str) -> Result<(), Error> {
        let counted = self.count_observation(value);
        self.offer_traceparent(counted, value, traceparent)
    }

    /// Counts an observation with an explicit exemplar.
    pub fn observe_exemplar<'l>(&self, value: f64, labels: impl LabelList<'l>) {
        if let Some((bucket, seed)) = self.count_observation(value) {
            self.explicit_labels(bucket, value, seed, labels);
        }
    }

    /// Counts an observation with an explicit exemplar of these ids.
    pub fn observe_exemplar_ids<'l>(&self, value: f64, context: TraceContext, extra: impl LabelList<'l>) {
        if let Some((bucket, seed)) = self.count_observation(value) {
            self.explicit_ids(Offer { bucket, value, seed }, context, extra);
        }
    }

    /// Adds to a counter and offers the span that `span` answers.
    #[inline]
    pub fn add_with(&self, amount: f64, span: impl FnOnce() -> Option<TraceContext>) {
        if let Some((bucket, seed)) = self.count_increment(amount) {
            self.offer_lazily(bucket, amount, seed, span);
        }
    }

    /// Adds to a counter and offers a trace context with more labels.
    pub fn add_trace<'l>(&self, amount: f64, context: TraceContext, extra: impl LabelList<'l>) {
        self.add_with_labels(amount, || Some(context), extra);
    }

    /// Adds to a counter and offers the span that `span` answers with more labels.
    pub fn add_with_labels<'l>(
        &self,
        amount: f64,
        span: impl FnOnce() -> Option<TraceContext>,
        extra: impl LabelList<'l>,
    ) {
        if let Some((bucket, seed)) = self.count_increment(amount) {
            self.offer_labelled(bucket, amount, seed, span, extra);
        }
    }

    /// Adds to a counter and offers the context of a `traceparent` header.
    ///
    /// # Errors
    /// `InvalidTraceparent`; the amount is added all the same.
    pub fn add_traceparent(&self, amount: f64, traceparent: &str) -> Result<(), Error> {
        let counted = self.count_increment(amount);
        self.offer_traceparent(counted, amount, traceparent)
    }

    /// Adds to a counter with an explicit exemplar.
    pub fn add_exemplar<'l>(&self, amount: f64, labels: impl LabelList<'l>) {
        if let Some((bucket, seed)) = self.count_increment(amount) {
            self.explicit_labels(bucket, amount, seed, labels);
        }
    }

    /// Adds to a counter with an explicit exemplar of these ids.
    pub fn add_exemplar_ids<'l>(&self, amount: f64, context: TraceContext, extra: impl LabelList<'l>) {
        if let Some((bucket, seed)) = self.count_increment(amount) {
            self.explicit_ids(Offer { bucket, value: amount, seed }, context, extra);
        }
    }

    #[inline]
    fn offer_lazily(&self, bucket: u32, value: f64, seed: u64, span: impl FnOnce() -> Option<TraceContext>) {
        if self.gate_passes(bucket, value, seed) {
            let mut span = Some(span);
            self.offer(Offer { bucket, value, seed }, &mut || span.take().and_then(|span| span()), None);
        }
    }

    fn offer_labelled<'l>(
        &self,
        bucket: u32,
        value: f64,
        seed: u64,
        span: impl FnOnce() -> Option<TraceContext>,
        extra: impl LabelList<'l>,
    ) {
        if self.gate_passes(bucket, value, seed) {
            let mut pack = packer(extra);
            let mut span = Some(span);
            self.offer(Offer { bucket, value, seed }, &mut || span.take().and_then(|span| span()), Some(&mut pack));
        }
    }

    fn offer_traceparent(&self, counted: Option<(u32, u64)>, value: f64, text: &str) -> Result<(), Error> {
        match TraceContext::parse_traceparent(text) {
            Ok(context) => {
                if let Some((bucket, seed)) = counted {
                    self.offer_lazily(bucket, value, seed, || Some(context));
                }
                Ok(())
            }
            Err(error) => {
                self.family.core.header.count_drop(DropReason::InvalidId);
                Err(error)
            }
        }
    }

    fn explicit_labels<'l>(&self, bucket: u32, value: f64, seed: u64, labels: impl LabelList<'l>) {
        let (trace, span) = take_ids(labels.clone());
        self.count_misread_ids(labels.clone(), trace, span);
        let mut pack = packer(labels);
        let stored = Stored { trace, span };
        self.record_explicit(Offer { bucket, value, seed }, stored, Some(&mut pack));
    }

    /// Counts ids that are not hexadecimal; they stay as plain labels.
    fn count_misread_ids<'l>(&self, mut labels: impl LabelList<'l>, trace: Option<TraceId>, span: Option<SpanId>) {
        let misread = labels.any(|(name, value)| {
            let (wanted, found) = match name {
                "trace_id" => (true, trace.is_some()),
                "span_id" => (true, span.is_some()),
                _ => (false, false),
            };
            wanted && !found && !value.is_empty()
        });
        if misread {
            self.family.core.header.count_drop(DropReason::InvalidId);
        }
    }

    fn explicit_ids<'l>(&self, offer: Offer, context: TraceContext, extra: impl LabelList<'l>) {
        let no_extra = extra.clone().next().is_none();
        let mut pack = packer(extra);
        self.record_explicit(offer, Stored::of(context), if no_extra { None } else { Some(&mut pack) });
    }
}
