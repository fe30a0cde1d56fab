//! The active span of OpenTelemetry as the source of exemplars, its baggage as a source of labels; and the mark that tells
//! a tail sampler to keep a trace.

use alloc::boxed::Box;
use alloc::vec::Vec;

use opentelemetry::baggage::BaggageExt;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry::{Context, KeyValue};

use crate::handles::FamilyHandle;
use crate::labels::{Fitter, check_baggage_key};
use crate::series::Handle;
use crate::{Counter, FamilyBuilder, Histogram, SpanId, TraceContext, TraceId};

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

/// The attribute that a marked span gets, and its value: those of client_java, so that one rule of a tail sampler serves
/// both.
const MARK: (&str, &str) = ("exemplar", "true");

/// The settings of a family for spans of OpenTelemetry.
#[derive(Default)]
pub(crate) struct SpanOptions {
    /// The labels that are taken from the baggage.
    pub(crate) baggage_keys: Vec<Box<str>>,
    /// Whether spans are marked; the registry's default where it was not said.
    pub(crate) mark: Option<bool>,
}

impl<F: FamilyHandle> FamilyBuilder<'_, F> {
    /// Baggage entries that become labels of offered exemplars, in this order, under their own names. Nothing is taken from
    /// the baggage without being named here. **Whoever can scrape can read them**, so name no entry that holds personal
    /// data. They come after the labels of the family's function, under the same limit of 128 code points.
    ///
    /// It holds for the methods that read an OpenTelemetry context: `observe_current`, `observe_in` and their like.
    /// `register` fails for a key that is no label name.
    pub fn baggage_keys(self, keys: &[&str]) -> Self {
        self.hook(|hooks| {
            for key in keys {
                check_baggage_key(key)?;
                hooks.spans.baggage_keys.push(Box::from(*key));
            }
            Ok(())
        })
    }

    /// Whether the span of an offer that became an exemplar gets the attribute `exemplar="true"`, so that a tail sampler
    /// can keep its trace. It holds for the methods that read an OpenTelemetry context. Default that of the registry,
    /// which is false.
    pub fn mark_spans(self, mark: bool) -> Self {
        self.hook(|hooks| {
            hooks.spans.mark = Some(mark);
            Ok(())
        })
    }
}

impl Handle {
    fn span_options(&self) -> Option<&SpanOptions> {
        self.family.hooks().map(|hooks| &hooks.spans)
    }

    /// Adds what the family takes from a baggage, behind the labels of its function.
    fn push_baggage(&self, context: &Context, fitter: &mut Fitter<'_>) {
        self.push_from_function(fitter);
        for key in self.span_options().into_iter().flat_map(|options| &options.baggage_keys) {
            if let Some(value) = context.baggage().get(&**key) {
                fitter.push(key, value.as_str());
            }
        }
    }

    fn takes_baggage(&self) -> bool {
        self.span_options().is_some_and(|options| !options.baggage_keys.is_empty())
    }

    /// Marks the span of a context whose exemplar was written.
    fn mark(&self, written: bool, context: &Context) -> bool {
        if written
            && self.span_options().and_then(|options| options.mark).unwrap_or(self.family.core.settings.mark_spans)
        {
            context.span().set_attribute(KeyValue::new(MARK.0, MARK.1));
        }
        written
    }

    /// The same for the active context, which is looked up only if there is something to mark.
    fn mark_current(&self, written: bool) -> bool {
        written && Context::map_current(|context| self.mark(true, context))
    }

    fn observe_current(&self, value: f64) -> bool {
        let written = if self.takes_baggage() {
            let baggage = |fitter: &mut Fitter<'_>| Context::map_current(|context| self.push_baggage(context, fitter));
            self.observe_with_labels(value, TraceContext::current, baggage)
        } else {
            self.observe_with(value, TraceContext::current)
        };
        self.mark_current(written)
    }

    fn observe_in(&self, value: f64, context: &Context) -> bool {
        let written = if self.takes_baggage() {
            self.observe_with_labels(value, || TraceContext::of(context), |fitter| self.push_baggage(context, fitter))
        } else {
            self.observe_with(value, || TraceContext::of(context))
        };
        self.mark(written, context)
    }

    fn add_current(&self, amount: f64) -> bool {
        let written = if self.takes_baggage() {
            let baggage = |fitter: &mut Fitter<'_>| Context::map_current(|context| self.push_baggage(context, fitter));
            self.add_with_labels(amount, TraceContext::current, baggage)
        } else {
            self.add_with(amount, TraceContext::current)
        };
        self.mark_current(written)
    }

    fn add_in(&self, amount: f64, context: &Context) -> bool {
        let written = if self.takes_baggage() {
            self.add_with_labels(amount, || TraceContext::of(context), |fitter| self.push_baggage(context, fitter))
        } else {
            self.add_with(amount, || TraceContext::of(context))
        };
        self.mark(written, context)
    }
}

impl Histogram {
    /// Counts a value, and offers the active OpenTelemetry span as its exemplar. The span is read only if the
    /// exemplar could be kept, see [`Histogram::observe_with`]; without one nothing is offered. True if it was kept.
    #[inline]
    pub fn observe_current(&self, value: f64) -> bool {
        self.series.observe_current(value)
    }

    /// Counts a value, and offers the span of an OpenTelemetry context, for code that passes it along.
    #[inline]
    pub fn observe_in(&self, value: f64, context: &Context) -> bool {
        self.series.observe_in(value, context)
    }
}

impl Counter {
    /// Adds one, and offers the active OpenTelemetry span as its exemplar.
    #[inline]
    pub fn inc_current(&self) -> bool {
        self.series.add_current(1.0)
    }

    /// Adds an amount, and offers the active OpenTelemetry span as its exemplar.
    #[inline]
    pub fn add_current(&self, amount: f64) -> bool {
        self.series.add_current(amount)
    }

    /// Adds an amount, and offers the span of an OpenTelemetry context.
    #[inline]
    pub fn add_in(&self, amount: f64, context: &Context) -> bool {
        self.series.add_in(amount, context)
    }
}
