//! Spans: each request is one, below the span that its `traceparent` names.
//!
//! A service with OpenTelemetry has this from its tracer, and records with `observe_current` (feature `opentelemetry`).

use std::hash::{BuildHasher as _, RandomState};

use spanpin::{SpanId, TraceContext, TraceId};

/// A new span of the same trace. Without a parent a new trace begins, and it is sampled.
pub fn child_of(parent: Option<&TraceContext>) -> TraceContext {
    loop {
        let Some(span_id) = SpanId::from_u64(random()) else { continue };
        if let Some(parent) = parent {
            return TraceContext::new(parent.trace_id(), span_id, parent.flags());
        }
        if let Some(trace_id) = TraceId::from_u64s(random(), random()) {
            return TraceContext::sampled(trace_id, span_id);
        }
    }
}

/// The lower half of the trace id as a number.
pub fn draw(span: &TraceContext) -> u64 {
    let id = u128::from_be_bytes(span.trace_id().to_bytes());
    u64::try_from(id & u128::from(u64::MAX)).unwrap_or(u64::MAX)
}

/// The standard library has no random numbers, but each of its hashers has random keys.
fn random() -> u64 {
    RandomState::new().hash_one(())
}
