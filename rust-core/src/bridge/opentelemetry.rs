//! The active span of OpenTelemetry as the source of exemplars.

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt};

use crate::{Counter, Histogram, SpanId, TraceContext, TraceId};

impl TraceContext {
    /// The context of an OpenTelemetry span; nothing if it is invalid.
    #[must_use]
    pub fn from_opentelemetry(span: &SpanContext) -> Option<TraceContext> {
        let trace_id = TraceId::from_bytes(span.trace_id().to_bytes())?;
        let span_id = SpanId::from_bytes(span.span_id().to_bytes())?;
        Some(TraceContext::new(trace_id, span_id, span.trace_flags().to_u8()))
    }

    /// The context of this thread's active OpenTelemetry span, if there is one.
    #[must_use]
    pub fn current() -> Option<TraceContext> {
        Context::map_current(TraceContext::of)
    }

    fn of(context: &Context) -> Option<TraceContext> {
        if !context.has_active_span() {
            return None;
        }
        TraceContext::from_opentelemetry(context.span().span_context())
    }
}

impl Histogram {
    /// Counts a value, and offers the active OpenTelemetry span as its exemplar. The span is read only if the
    /// exemplar could be kept, see [`Histogram::observe_with`]; without one nothing is offered.
    #[inline]
    pub fn observe_current(&self, value: f64) {
        self.observe_with(value, TraceContext::current);
    }

    /// Counts a value, and offers the span of an OpenTelemetry context, for code that passes it along.
    #[inline]
    pub fn observe_in(&self, value: f64, context: &Context) {
        self.observe_with(value, || TraceContext::of(context));
    }
}

impl Counter {
    /// Adds one, and offers the active OpenTelemetry span as its exemplar.
    #[inline]
    pub fn inc_current(&self) {
        self.add_with(1.0, TraceContext::current);
    }

    /// Adds an amount, and offers the active OpenTelemetry span as its exemplar.
    #[inline]
    pub fn add_current(&self, amount: f64) {
        self.add_with(amount, TraceContext::current);
    }

    /// Adds an amount, and offers the span of an OpenTelemetry context.
    #[inline]
    pub fn add_in(&self, amount: f64, context: &Context) {
        self.add_with(amount, || TraceContext::of(context));
    }
}
