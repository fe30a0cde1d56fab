//! Functions of the program's that a family calls.

use spanpin::buffer::filled;
use spanpin::raw::Hooks;
use spanpin::{Error, ExemplarLabels, SlowRequest, TraceContext};

use crate::boundary::{Array, Context, done, null, spanpin_label, spanpin_str};
use crate::exemplar::spanpin_trace_context;
use crate::status::spanpin_status;

/// Functions of the program's that a family calls, each with `context` first. They run in the observing thread, off the hot
/// path, at any time and from several threads at once; they may observe in turn. They must not unwind or jump out. What
/// they fail at is counted in spanpin_callback_errors_total; the observation counts in any case. NULL for none.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct spanpin_hooks {
    /// What the functions get as their first argument. This library never looks behind it; it must stay as long as the
    /// registry.
    context: Context,
    /// Decides about what would be admitted otherwise: 0 refuses it, which is counted as dropped by filter.
    filter: Option<for<'a> extern "C" fn(context: Context, value: f64, trace: &'a spanpin_trace_context) -> i32>,
    /// Adds labels to an exemplar about to be written, with spanpin_exemplar_labels_push; they come after those of the call.
    /// Whoever can scrape can read them. Returns 0, or another number for an error.
    labels: Option<
        for<'a, 's, 'f, 't> extern "C" fn(context: Context, labels: &'a mut spanpin_exemplar_labels<'s, 'f, 't>) -> i32,
    >,
    /// Is told of each offer that became an exemplar, for instance to mark its span so that a tail sampler keeps the trace.
    /// Returns 0, or another number for an error.
    admitted: Option<for<'a> extern "C" fn(context: Context, value: f64, trace: &'a spanpin_trace_context) -> i32>,
    /// Is told of values above `slow_request_threshold`, sampled or not, of one in each window and series, by the calls that
    /// take a span, a header or an exemplar, NULL as well. Returns 0, or another number for an error.
    slow_request: Option<for<'a, 'r> extern "C" fn(context: Context, request: &'a spanpin_slow_request<'r>) -> i32>,
    /// The threshold, in the unit of the metric.
    slow_request_threshold: f64,
    /// Where traces are found, with {trace_id} and perhaps {span_id} in it. Empty: that of the registry.
    trace_url: spanpin_str,
}

/// A request that took longer than its family's threshold. Valid during the call.
#[repr(C)]
pub struct spanpin_slow_request<'r> {
    /// The name of the metric; that of a counter without _total.
    metric: spanpin_str,
    /// The value that was observed.
    value: f64,
    /// The threshold that it is above.
    threshold: f64,
    /// The span it was made in, sampled or not; NULL when there was none.
    trace: Option<&'r spanpin_trace_context>,
    /// The first of `labels_len` labels of the series.
    labels: Array<spanpin_label>,
    /// The number of labels.
    labels_len: usize,
    /// Where the trace is found; empty without a template or a span.
    trace_url: spanpin_str,
}

/// The labels of an exemplar that is about to be written. Valid during the call.
pub struct spanpin_exemplar_labels<'s, 'f, 't> {
    core: &'s mut ExemplarLabels<'f, 't>,
}

impl spanpin_trace_context {
    fn of(context: TraceContext) -> Self {
        Self { trace_id: context.trace_id().to_bytes(), span_id: context.span_id().to_bytes(), flags: context.flags() }
    }
}

impl spanpin_hooks {
    /// The functions as the core takes them.
    pub(crate) fn core(&self) -> Result<Hooks, Error> {
        let mut hooks = Hooks::default();
        let context = self.context;
        if let Some(filter) = self.filter {
            hooks.set_filter(move |value, trace| filter(context, value, &spanpin_trace_context::of(trace)) != 0)?;
        }
        if let Some(labels) = self.labels {
            hooks.set_labels(move |core| with_labels(core, |sink| labels(context, sink)) == 0)?;
        }
        if let Some(admitted) = self.admitted {
            hooks.set_admitted(move |value, trace| admitted(context, value, &spanpin_trace_context::of(trace)) == 0)?;
        }
        if let Some(slow) = self.slow_request {
            let trace_url = self.trace_url.text("trace_url")?;
            hooks.set_slow(self.slow_request_threshold, trace_url, move |request| {
                with_request(request, |request| slow(context, request)) == 0
            })?;
        }
        Ok(hooks)
    }
}

fn with_labels(
    core: &mut ExemplarLabels<'_, '_>,
    call: impl FnOnce(&mut spanpin_exemplar_labels<'_, '_, '_>) -> i32,
) -> i32 {
    call(&mut spanpin_exemplar_labels { core })
}

fn with_request(request: &SlowRequest<'_>, call: impl FnOnce(&spanpin_slow_request<'_>) -> i32) -> i32 {
    let trace = request.trace().map(spanpin_trace_context::of);
    // Without memory for them the labels are left out.
    let mut labels = filled(spanpin_label::of("", ""), request.labels().count()).unwrap_or_default();
    for (to, (name, value)) in labels.iter_mut().zip(request.labels()) {
        *to = spanpin_label::of(name, value);
    }
    call(&spanpin_slow_request {
        metric: spanpin_str::of(request.metric()),
        value: request.value(),
        threshold: request.threshold(),
        trace: trace.as_ref(),
        labels: Array::of(&labels),
        labels_len: labels.len(),
        trace_url: spanpin_str::of(request.trace_url()),
    })
}

/// Adds a label to an exemplar, from the function `labels` of spanpin_hooks. It obeys the same limits as labels of a call:
/// 128 code points with the ids, the first of a name wins, a name must match [a-zA-Z_][a-zA-Z0-9_]*. Text that is not
/// UTF-8 is an error. Threads: that of the call. Allocates: never. Ownership: the texts are copied.
/// Returns: SPANPIN_STATUS_OK, NULL_POINTER, INVALID_UTF8. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_exemplar_labels_push(
    labels: Option<&mut spanpin_exemplar_labels<'_, '_, '_>>,
    name: spanpin_str,
    value: spanpin_str,
) -> spanpin_status {
    let push = || {
        let labels = labels.ok_or_else(|| null("labels"))?;
        labels.core.push(name.text("name")?, value.text("value")?);
        Ok(())
    };
    done(push(), None)
}
