//! A series of either kind, as something that records observations.

use spanpin::{Counter, Histogram, TraceContext};

#[derive(Clone)]
pub enum Recorder {
    Histogram(Histogram),
    Counter(Counter),
}

impl Recorder {
    pub fn plain(&self, value: f64) {
        match self {
            Recorder::Histogram(h) => h.observe(value),
            Recorder::Counter(c) => c.add(value),
        }
    }

    pub fn context(&self, value: f64, context: TraceContext) {
        _ = match self {
            Recorder::Histogram(h) => h.observe_trace(value, context),
            Recorder::Counter(c) => c.add_trace(value, context),
        };
    }

    pub fn looked_up(&self, value: f64, span: impl FnOnce() -> Option<TraceContext>) {
        _ = match self {
            Recorder::Histogram(h) => h.observe_with(value, span),
            Recorder::Counter(c) => c.add_with(value, span),
        };
    }

    pub fn looked_up_with(&self, value: f64, span: impl FnOnce() -> Option<TraceContext>, extra: &[(&str, &str)]) {
        _ = match self {
            Recorder::Histogram(h) => h.observe_with_labels(value, span, extra),
            Recorder::Counter(c) => c.add_with_labels(value, span, extra),
        };
    }

    /// Whether the header was well-formed.
    pub fn header(&self, value: f64, traceparent: &str) -> bool {
        match self {
            Recorder::Histogram(h) => h.observe_traceparent(value, traceparent).is_ok(),
            Recorder::Counter(c) => c.add_traceparent(value, traceparent).is_ok(),
        }
    }

    pub fn explicit_ids(&self, value: f64, context: TraceContext, extra: &[(&str, &str)]) {
        _ = match self {
            Recorder::Histogram(h) => h.observe_exemplar_ids(value, context, extra),
            Recorder::Counter(c) => c.add_exemplar_ids(value, context, extra),
        };
    }

    pub fn explicit_labels(&self, value: f64, labels: &[(&str, &str)]) {
        _ = match self {
            Recorder::Histogram(h) => h.observe_exemplar(value, labels),
            Recorder::Counter(c) => c.add_exemplar(value, labels),
        };
    }
}
