//! Counters.

use core::ffi::c_char;

use spanpin::Kind;
use spanpin::raw::{Left, Series};

use crate::boundary::{
    Array, Handle, Out, done, place, pointer, spanpin_counter, spanpin_error, spanpin_exemplar, spanpin_family,
    spanpin_series_view, spanpin_str, spanpin_stripes,
};
use crate::exemplar::{Pointed, bare, offer_context, pointed, spanpin_trace_context, with_traceparent};
use crate::family::series;
use crate::status::{SPANPIN_STATUS_NULL_POINTER, SPANPIN_STATUS_OK, ok, spanpin_status};

/// The counter of these label values, made on the first call: the same values give the same pointer. Values stand
/// in the order of the family's label names; an empty one leaves its label out of the page, invalid UTF-8 is replaced
/// by U+FFFD. When the family has max_series of them, or memory is short, all further ones share the overflow
/// series. Keep the pointer where you can. Threads: any; a known one is found without a lock. Allocates: for new ones.
/// Ownership: `*out` lives as long as the registry. Returns: SPANPIN_STATUS_OK, NULL_POINTER, LABEL_COUNT, WRONG_KIND,
/// OUT_OF_MEMORY. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_counter_with(
    family: Option<&spanpin_family>,
    values: Array<spanpin_str>,
    values_len: usize,
    out: Out<'_, *mut spanpin_counter>,
    error: Out<'_, spanpin_error>,
) -> spanpin_status {
    let find = || {
        let out = place(out, "out")?;
        out.write(pointer(series(family, Kind::Counter, &values, values_len)?)?);
        Ok(())
    };
    done(find(), error)
}

/// Adds 1; no exemplar. Threads: any, without a lock. Allocates: never. Returns: SPANPIN_STATUS_OK, NULL_POINTER
/// (`counter`). Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_counter_inc(counter: Handle<spanpin_counter>) -> spanpin_status {
    spanpin_counter_add(counter, 1.0)
}

/// Adds `amount`; no exemplar. Whole amounts add up exactly to 2^64. A negative one, NaN and infinities add nothing
/// and are counted in a self-metric. Threads: any, without a lock. Allocates: never. Returns: SPANPIN_STATUS_OK,
/// NULL_POINTER (`counter`). Since: 0.1.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_counter_add(counter: Handle<spanpin_counter>, amount: f64) -> spanpin_status {
    match counter.series() {
        Some(counter) => {
            counter.add(amount);
            SPANPIN_STATUS_OK
        }
        None => SPANPIN_STATUS_NULL_POINTER,
    }
}

/// Adds `amount` and offers a span, with labels if you like, as the counter's exemplar. The family's filter and policy
/// decide; with the defaults each addition of a sampled span since the last scrape has the same chance. NULL for `offer`,
/// or a NULL span in it, only adds. Amounts: as in spanpin_counter_add. Labels over 128 code points, ids included, are
/// dropped from the end. Threads: any, without a lock. Allocates: only for a label that is not UTF-8. Ownership: `offer` is
/// read during the call. Returns: SPANPIN_STATUS_OK; NULL_POINTER, without adding when `counter` is NULL; after
/// adding: NULL_POINTER (labels), INVALID_TRACE_ID, INVALID_SPAN_ID. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_counter_add_trace(
    counter: Handle<spanpin_counter>,
    amount: f64,
    offer: Option<&spanpin_exemplar<'_>>,
) -> spanpin_status {
    let Some(series) = counter.series() else { return SPANPIN_STATUS_NULL_POINTER };
    if series.is_off() {
        return spanpin_counter_add(counter, amount);
    }
    if let Some(trace) = bare(offer) {
        let left = series.add_short(amount);
        return if left.is_nothing() { SPANPIN_STATUS_OK } else { finish(counter, amount, left, trace) };
    }
    match offer {
        Some(offer) => add_pointed(series, amount, offer),
        None => add_alone(series, amount),
    }
}

#[inline(never)]
fn add_alone(series: Series<'_>, amount: f64) -> spanpin_status {
    series.add_without_span(amount);
    ok()
}

/// Does what an addition has left. A function of its own, so that the usual way needs no frame.
#[cold]
#[inline(never)]
fn finish(counter: Handle<spanpin_counter>, amount: f64, left: Left, trace: &spanpin_trace_context) -> spanpin_status {
    if let Some(series) = counter.series() {
        series.offer_left_increment(amount, left, || trace.context());
    }
    ok()
}

#[inline(never)]
fn add_pointed(series: Series<'_>, amount: f64, offer: &spanpin_exemplar<'_>) -> spanpin_status {
    match pointed(&series, Some(offer)) {
        Ok(Pointed { trace: Some(trace), labels }) => series.add_trace(amount, trace, labels.pairs()),
        Ok(Pointed { trace: None, .. }) => series.add_without_span(amount),
        Err(error) => {
            series.add_without_span(amount);
            return done(Err(error), None);
        }
    };
    SPANPIN_STATUS_OK
}

/// Adds `amount` and offers the span of a W3C `traceparent` header, whose sampled flag counts. What is malformed costs
/// the exemplar and not the addition. Amounts: as in spanpin_counter_add. Threads: any, without a lock. Allocates:
/// only for the refusal of a malformed header. Ownership: `traceparent` is read during the call. Returns:
/// SPANPIN_STATUS_OK; NULL_POINTER, without adding when `counter` is NULL; after adding: NULL_POINTER (`traceparent`),
/// INVALID_TRACEPARENT. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_counter_add_traceparent(
    counter: Handle<spanpin_counter>,
    amount: f64,
    traceparent: Array<c_char>,
    traceparent_len: usize,
) -> spanpin_status {
    let Some(counter) = counter.series() else { return SPANPIN_STATUS_NULL_POINTER };
    let series = &counter;
    with_traceparent(
        &traceparent,
        traceparent_len,
        |text| series.add_traceparent(amount, text),
        || series.add_without_span(amount),
    )
}

/// Adds `amount` with an exemplar of your choice: it skips the rule of the window, the latest one wins, and it outranks
/// offers. Ids are recognised among the labels: docs/c-abi.md has the spellings. NULL, or an exemplar without
/// span and labels, only adds; the filter ALWAYS_OFF drops it. Amounts: as in spanpin_counter_add. Labels over 128 code
/// points, ids included, are dropped from the end. Threads: any, without a lock. Allocates: only for a label that is not
/// UTF-8. Ownership: `exemplar` is read during the call. Returns: as spanpin_counter_add_trace. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_counter_add_exemplar(
    counter: Handle<spanpin_counter>,
    amount: f64,
    exemplar: Option<&spanpin_exemplar<'_>>,
) -> spanpin_status {
    let Some(counter) = counter.series() else { return SPANPIN_STATUS_NULL_POINTER };
    let series = &counter;
    match pointed(series, exemplar) {
        Ok(Pointed { trace: Some(trace), labels }) => series.add_exemplar_ids(amount, trace, labels.pairs()),
        Ok(Pointed { labels, .. }) if !labels.is_empty() => series.add_exemplar(amount, labels.pairs()),
        Ok(_) => series.add_without_span(amount),
        Err(error) => {
            series.add_without_span(amount);
            return done(Err(error), None);
        }
    };
    SPANPIN_STATUS_OK
}

/// Where the counter's words lie, for languages that count without a call. Threads: any. Allocates: never.
/// Returns: SPANPIN_STATUS_OK, NULL_POINTER. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_counter_view(
    counter: Handle<spanpin_counter>,
    out: Out<'_, spanpin_series_view>,
) -> spanpin_status {
    let view = || {
        let out = place(out, "out")?;
        out.write(spanpin_series_view::of(&counter.get("counter")?));
        Ok(())
    };
    done(view(), None)
}

/// The striped cells of the counter, for languages that count without a call. A series has them once its updates kept meeting
/// one another; they count beside the cells of the view, for ever, and a reader adds all of them, the view's first. `wish`:
/// 0 those that there are; 1 some, because the caller's updates keep meeting others in the view's cells; 2 another salt,
/// because they do in a stripe. Threads: any, without a lock. Allocates: in the segment only. Returns: 1 if `*out` was
/// written; 0 if there are none, or for NULL. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_counter_stripes(
    counter: Handle<spanpin_counter>,
    wish: u32,
    out: Out<'_, spanpin_stripes>,
) -> i32 {
    let (Some(counter), Some(out)) = (counter.series(), out) else { return 0 };
    let found = spanpin_stripes::of(&counter, wish);
    found.map(|stripes| out.write(stripes)).is_some().into()
}

/// Offers the span of an addition that the caller has made in the segment itself, after it has looked at the gate, the
/// budget and the filters. `seed` is the number of additions of this form before. Ids are big-endian numbers: bytes 0 to 7
/// and 8 to 15 of the trace id, the 8 bytes of the span id. Ids of zero are ignored.
/// Threads: any. Allocates: never. Returns: 1 if the exemplar was written, otherwise 0. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_counter_offer(
    counter: Handle<spanpin_counter>,
    amount: f64,
    seed: u64,
    trace_high: u64,
    trace_low: u64,
    span: u64,
    flags: u32,
) -> i32 {
    let Some(counter) = counter.series() else { return 0 };
    let context = offer_context(&counter, trace_high, trace_low, span, flags);
    context.is_some_and(|context| counter.offer_ids(0, amount, seed, context)).into()
}

/// spanpin_counter_offer with labels besides: of `offer` the span and the labels are taken. Labels over 128 code points are
/// dropped from the end. Threads: any. Allocates: only for a label that is not UTF-8. Returns: 1 if the exemplar was
/// written, otherwise 0. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_counter_offer_labels(
    counter: Handle<spanpin_counter>,
    amount: f64,
    seed: u64,
    offer: Option<&spanpin_exemplar<'_>>,
) -> i32 {
    let Some(counter) = counter.series() else { return 0 };
    match pointed(&counter, offer) {
        Ok(Pointed { trace: Some(trace), labels }) => {
            counter.offer_ids_labels(0, amount, seed, trace, labels.pairs()).into()
        }
        _ => 0,
    }
}

/// The lot of an offer whose gate passed, when the view says that the family draws: adaptive sampling and probability. Comes
/// before the budget and the look at the span. Threads: any. Allocates: never. Returns: 1 to go on; 0, and counted as dropped
/// by filter, to leave it. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_counter_draw(counter: Handle<spanpin_counter>, amount: f64, seed: u64) -> i32 {
    counter.series().is_some_and(|counter| counter.draw(0, amount, seed)).into()
}

/// spanpin_counter_add_exemplar of ids only, which come as numbers, for languages that cannot pass pointers cheaply. Ids
/// are as in spanpin_counter_offer; with an id of zero the amount is added and the exemplar dropped. Threads: any, without
/// a lock. Allocates: never. A NULL counter does nothing. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_counter_add_exemplar_ids(
    counter: Handle<spanpin_counter>,
    amount: f64,
    trace_high: u64,
    trace_low: u64,
    span: u64,
    flags: u32,
) {
    let Some(counter) = counter.series() else { return };
    match offer_context(&counter, trace_high, trace_low, span, flags) {
        Some(context) => counter.add_exemplar_ids(amount, context, core::iter::empty()),
        None => counter.add(amount),
    };
}

/// Closes the window in which exemplars compete if nobody has for ten seconds; for direct recording.
/// Threads: any. Allocates: never. A NULL counter does nothing. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_counter_turn(counter: Handle<spanpin_counter>) {
    if let Some(counter) = counter.series() {
        counter.turn();
    }
}
