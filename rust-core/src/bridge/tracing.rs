//! Slow requests as events of the crate tracing.

use alloc::string::String;
use core::fmt::Write;

use crate::handles::FamilyHandle;
use crate::{FamilyBuilder, SlowRequest, TraceContext};

impl<F: FamilyHandle> FamilyBuilder<'_, F> {
    /// Logs values above `threshold` by [`log_slow_request`], as [`FamilyBuilder::on_slow_request`] tells of them.
    pub fn log_slow_requests(self, threshold: f64, trace_url: &str) -> Self {
        self.on_slow_request(threshold, trace_url, log_slow_request)
    }
}

/// Writes a slow request as an event of level WARN and target `spanpin::slow_request`, with the fields `metric`, `labels`,
/// `value`, `threshold`, `trace_id`, `span_id`, `sampled` and `trace_url`; the ids and the address are empty without a span.
/// For a function of your own that does more, call it there.
pub fn log_slow_request(request: &SlowRequest<'_>) {
    let mut labels = String::new();
    for (name, value) in request.labels() {
        let comma = if labels.is_empty() { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(labels, "{comma}{name}={value:?}");
    }
    let trace = request.trace();
    let id = |text: fn(&TraceContext) -> String| trace.as_ref().map(text).unwrap_or_default();
    tracing::warn!(
        target: "spanpin::slow_request",
        metric = request.metric(),
        labels = labels,
        value = request.value(),
        threshold = request.threshold(),
        trace_id = id(|trace| alloc::format!("{}", trace.trace_id())),
        span_id = id(|trace| alloc::format!("{}", trace.span_id())),
        sampled = request.is_sampled(),
        trace_url = request.trace_url(),
        "slow request"
    );
}
