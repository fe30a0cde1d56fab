//! Histograms.

use core::ffi::c_char;

use spanpin::Kind;
use spanpin::raw::{Left, Series};

use crate::boundary::{
    Array, Handle, Out, done, place, pointer, spanpin_error, spanpin_exemplar, spanpin_family, spanpin_histogram,
    spanpin_series_view, spanpin_str, spanpin_stripes,
};
use crate::exemplar::{Pointed, bare, offer_context, pointed, spanpin_trace_context, with_traceparent};
use crate::family::series;
use crate::status::{SPANPIN_STATUS_NULL_POINTER, SPANPIN_STATUS_OK, ok, spanpin_status};

/// The histogram of these label values, made on the first call: the same values give the same pointer. Values stand
/// in the order of the family's label names; an empty one leaves its label out of the page, invalid UTF-8 is replaced
/// by U+FFFD. When the family has max_series of them, or memory is short, all further ones share the overflow
/// series. Keep the pointer where you can. Threads: any; a known one is found without a lock. Allocates: for new ones.
/// Ownership: `*out` lives as long as the registry. Returns: SPANPIN_STATUS_OK, NULL_POINTER, LABEL_COUNT, WRONG_KIND,
/// OUT_OF_MEMORY. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_histogram_with(
    family: Option<&spanpin_family>,
    values: Array<spanpin_str>,
    values_len: usize,
    out: Out<'_, *mut spanpin_histogram>,
    error: Out<'_, spanpin_error>,
) -> spanpin_status {
    let find = || {
        let out = place(out, "out")?;
        out.write(pointer(series(family, Kind::Histogram, &values, values_len)?)?);
        Ok(())
    };
    done(find(), error)
}

/// Counts `value` in its bucket and adds it to the sum; no exemplar. The value is in the base unit of the name, such as
/// seconds. NaN is counted in a self-metric only; negative values and infinities are counted. Threads: any, without a
/// lock. Allocates: never. Returns: SPANPIN_STATUS_OK, NULL_POINTER (`histogram`). Since: 0.1.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_histogram_observe(histogram: Handle<spanpin_histogram>, value: f64) -> spanpin_status {
    match histogram.series() {
        Some(histogram) => {
            histogram.observe(value);
            SPANPIN_STATUS_OK
        }
        None => SPANPIN_STATUS_NULL_POINTER,
    }
}

/// Counts `value` and offers a span, with labels if you like, as the exemplar of its bucket. The family's filter and
/// policy decide; with the defaults the sampled span of the greatest value since the last scrape is kept. NULL for
/// `offer`, or a NULL span in it, only counts. NaN, negative values: as in spanpin_histogram_observe; infinities are
/// counted and not offered. Labels over 128 code points, ids included, are dropped from the end. Threads: any, without a lock.
/// Allocates: only for a label that is not UTF-8. Ownership: `offer` is read during the call. Returns: SPANPIN_STATUS_OK;
/// NULL_POINTER, without counting when `histogram` is NULL; after counting: NULL_POINTER (labels), INVALID_TRACE_ID,
/// INVALID_SPAN_ID. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_histogram_observe_trace(
    histogram: Handle<spanpin_histogram>,
    value: f64,
    offer: Option<&spanpin_exemplar<'_>>,
) -> spanpin_status {
    let Some(series) = histogram.series() else { return SPANPIN_STATUS_NULL_POINTER };
    if series.is_off() {
        return spanpin_histogram_observe(histogram, value);
    }
    if let Some(trace) = bare(offer) {
        let left = series.observe_short(value);
        return if left.is_nothing() { SPANPIN_STATUS_OK } else { finish(histogram, value, left, trace) };
    }
    match offer {
        Some(offer) => observe_pointed(series, value, offer),
        None => observe_alone(series, value),
    }
}

#[inline(never)]
fn observe_alone(series: Series<'_>, value: f64) -> spanpin_status {
    series.observe_without_span(value);
    ok()
}

/// Does what an observation has left. A function of its own, so that the usual way needs no frame; of the handle, so that it has
/// less to keep.
#[cold]
#[inline(never)]
fn finish(
    histogram: Handle<spanpin_histogram>,
    value: f64,
    left: Left,
    trace: &spanpin_trace_context,
) -> spanpin_status {
    if let Some(series) = histogram.series() {
        series.offer_left(value, left, || trace.context());
    }
    ok()
}

#[inline(never)]
fn observe_pointed(series: Series<'_>, value: f64, offer: &spanpin_exemplar<'_>) -> spanpin_status {
    match pointed(&series, Some(offer)) {
        Ok(Pointed { trace: Some(trace), labels }) => series.observe_trace(value, trace, labels.pairs()),
        Ok(Pointed { trace: None, .. }) => series.observe_without_span(value),
        Err(error) => {
            series.observe_without_span(value);
            return done(Err(error), None);
        }
    };
    SPANPIN_STATUS_OK
}

/// Counts `value` and offers the span of a W3C `traceparent` header, whose sampled flag counts. What is malformed costs
/// the exemplar and not the observation. Edge values: as in spanpin_histogram_observe_trace. Threads: any, without a
/// lock. Allocates: only for the refusal of a malformed header. Ownership: `traceparent` is read during the call.
/// Returns: SPANPIN_STATUS_OK; NULL_POINTER, without counting when `histogram` is NULL; after counting: NULL_POINTER
/// (`traceparent`), INVALID_TRACEPARENT. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_histogram_observe_traceparent(
    histogram: Handle<spanpin_histogram>,
    value: f64,
    traceparent: Array<c_char>,
    traceparent_len: usize,
) -> spanpin_status {
    let Some(histogram) = histogram.series() else { return SPANPIN_STATUS_NULL_POINTER };
    let series = &histogram;
    with_traceparent(
        &traceparent,
        traceparent_len,
        |text| series.observe_traceparent(value, text),
        || series.observe_without_span(value),
    )
}

/// Counts `value` with an exemplar of your choice: it skips the rule of the window, the latest one wins, and it outranks
/// offers. Ids are recognised among the labels: docs/c-abi.md has the spellings. NULL, or an exemplar without
/// span and labels, only counts; the filter ALWAYS_OFF drops it. Labels over 128 code points, ids included, are
/// dropped from the end. Edge values: as in spanpin_histogram_observe_trace. Threads: any, without a lock. Allocates:
/// only for a label that is not UTF-8. Ownership: `exemplar` is read during the call. Returns: as
/// spanpin_histogram_observe_trace. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_histogram_observe_exemplar(
    histogram: Handle<spanpin_histogram>,
    value: f64,
    exemplar: Option<&spanpin_exemplar<'_>>,
) -> spanpin_status {
    let Some(histogram) = histogram.series() else { return SPANPIN_STATUS_NULL_POINTER };
    let series = &histogram;
    match pointed(series, exemplar) {
        Ok(Pointed { trace: Some(trace), labels }) => series.observe_exemplar_ids(value, trace, labels.pairs()),
        Ok(Pointed { labels, .. }) if !labels.is_empty() => series.observe_exemplar(value, labels.pairs()),
        Ok(_) => series.observe_without_span(value),
        Err(error) => {
            series.observe_without_span(value);
            return done(Err(error), None);
        }
    };
    SPANPIN_STATUS_OK
}

/// Where the histogram's words lie, for languages that count without a call. Threads: any. Allocates: never.
/// Returns: SPANPIN_STATUS_OK, NULL_POINTER. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_histogram_view(
    histogram: Handle<spanpin_histogram>,
    out: Out<'_, spanpin_series_view>,
) -> spanpin_status {
    let view = || {
        let out = place(out, "out")?;
        out.write(spanpin_series_view::of(&histogram.get("histogram")?));
        Ok(())
    };
    done(view(), None)
}

/// The striped cells of the histogram, for languages that count without a call. A series has them once its updates kept meeting
/// one another; they count beside the cells of the view, for ever, and a reader adds all of them, the view's first. `wish`:
/// 0 those that there are; 1 some, because the caller's updates keep meeting others in the view's cells; 2 another salt,
/// because they do in a stripe. Threads: any, without a lock. Allocates: in the segment only. Returns: 1 if `*out` was
/// written; 0 if there are none, or for NULL. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_histogram_stripes(
    histogram: Handle<spanpin_histogram>,
    wish: u32,
    out: Out<'_, spanpin_stripes>,
) -> i32 {
    let (Some(histogram), Some(out)) = (histogram.series(), out) else { return 0 };
    let found = spanpin_stripes::of(&histogram, wish);
    found.map(|stripes| out.write(stripes)).is_some().into()
}

/// Offers the span of an observation that the caller has counted in the segment itself, after it has looked at the
/// bucket's gate, the budget and the filters. `seed` is the bucket's count before. Ids are big-endian numbers: bytes 0 to 7
/// and 8 to 15 of the trace id, the 8 bytes of the span id. Ids of zero and a bucket that does not exist are ignored.
/// Threads: any. Allocates: never. Returns: 1 if the exemplar was written, otherwise 0. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_histogram_offer(
    histogram: Handle<spanpin_histogram>,
    bucket: u32,
    value: f64,
    seed: u64,
    trace_high: u64,
    trace_low: u64,
    span: u64,
    flags: u32,
) -> i32 {
    let Some(histogram) = histogram.series() else { return 0 };
    let context = offer_context(&histogram, trace_high, trace_low, span, flags);
    context.is_some_and(|context| histogram.offer_ids(bucket, value, seed, context)).into()
}

/// spanpin_histogram_offer with labels besides: of `offer` the span and the labels are taken. Labels over 128 code points are
/// dropped from the end. Threads: any. Allocates: only for a label that is not UTF-8. Returns: 1 if the exemplar was
/// written, otherwise 0. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_histogram_offer_labels(
    histogram: Handle<spanpin_histogram>,
    bucket: u32,
    value: f64,
    seed: u64,
    offer: Option<&spanpin_exemplar<'_>>,
) -> i32 {
    let Some(histogram) = histogram.series() else { return 0 };
    match pointed(&histogram, offer) {
        Ok(Pointed { trace: Some(trace), labels }) => {
            histogram.offer_ids_labels(bucket, value, seed, trace, labels.pairs()).into()
        }
        _ => 0,
    }
}

/// The lot of an offer whose gate passed, when the view says that the family draws: adaptive sampling and probability. Comes
/// before the budget and the look at the span. Threads: any. Allocates: never. Returns: 1 to go on; 0, and counted as dropped
/// by filter, to leave it. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_histogram_draw(
    histogram: Handle<spanpin_histogram>,
    bucket: u32,
    value: f64,
    seed: u64,
) -> i32 {
    histogram.series().is_some_and(|histogram| histogram.draw(bucket, value, seed)).into()
}

/// spanpin_histogram_observe_exemplar of ids only, which come as numbers, for languages that cannot pass pointers cheaply.
/// Ids are as in spanpin_histogram_offer; with an id of zero the value is counted and the exemplar dropped. Threads: any,
/// without a lock. Allocates: never. A NULL histogram does nothing. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_histogram_observe_exemplar_ids(
    histogram: Handle<spanpin_histogram>,
    value: f64,
    trace_high: u64,
    trace_low: u64,
    span: u64,
    flags: u32,
) {
    let Some(histogram) = histogram.series() else { return };
    match offer_context(&histogram, trace_high, trace_low, span, flags) {
        Some(context) => histogram.observe_exemplar_ids(value, context, core::iter::empty()),
        None => histogram.observe(value),
    };
}

/// Closes the window in which exemplars compete if nobody has for ten seconds, and brings the p99 of adaptive sampling up
/// to date if that is a second old; for direct recording.
/// Threads: any. Allocates: never. A NULL histogram does nothing. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_histogram_turn(histogram: Handle<spanpin_histogram>) {
    if let Some(histogram) = histogram.series() {
        histogram.turn();
    }
}
