//! What an observation points to.

use core::ffi::c_char;

use spanpin::raw::Series;
use spanpin::{DropReason, Error, ErrorCode, SpanId, TraceContext, TraceId};

use crate::boundary::{Array, Out, done, place, spanpin_error, spanpin_exemplar, spanpin_label, text_bytes};
use crate::status::spanpin_status;
use crate::text::{Repaired, Walk};

/// A span: who it is, and whether its trace is kept. Ids are the bytes of the wire, first byte first.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct spanpin_trace_context {
    /// The trace id; not all zero.
    pub trace_id: [u8; 16],
    /// The span id; not all zero.
    pub span_id: [u8; 8],
    /// W3C trace flags; bit 0 is set for a sampled span. Set it when all you have is the ids.
    pub flags: u8,
}

impl spanpin_trace_context {
    /// Whether neither id is all zero.
    #[inline]
    fn is_valid(&self) -> bool {
        u128::from_ne_bytes(self.trace_id) != 0 && u64::from_ne_bytes(self.span_id) != 0
    }

    /// The context of valid ids.
    pub(crate) fn context(&self) -> Option<TraceContext> {
        let ids = TraceId::from_bytes(self.trace_id).zip(SpanId::from_bytes(self.span_id));
        ids.map(|(trace, span)| TraceContext::new(trace, span, self.flags))
    }

    fn check(&self) -> Result<TraceContext, Error> {
        let trace = TraceId::from_bytes(self.trace_id);
        let trace = trace.ok_or_else(|| Error::fixed(ErrorCode::InvalidTraceId, "the trace id is all zero"))?;
        let span = SpanId::from_bytes(self.span_id);
        let span = span.ok_or_else(|| Error::fixed(ErrorCode::InvalidSpanId, "the span id is all zero"))?;
        Ok(TraceContext::new(trace, span, self.flags))
    }
}

/// Reads a W3C `traceparent` header. Strict, as W3C says: lower-case digits, no all-zero id, version 00 is exactly 55
/// bytes, of a later version the first 55 count, version ff is refused. Threads: any. Allocates: only for the message
/// of an error. Ownership: `text` is read during the call. Returns: SPANPIN_STATUS_OK, NULL_POINTER,
/// INVALID_TRACEPARENT. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_trace_context_parse(
    text: Array<c_char>,
    text_len: usize,
    out: Out<'_, spanpin_trace_context>,
    error: Out<'_, spanpin_error>,
) -> spanpin_status {
    let parse = || {
        let bytes = text_bytes(&text, text_len, "text")?;
        let out = place(out, "out")?;
        let context = parse_traceparent(bytes)?;
        out.write(spanpin_trace_context {
            trace_id: context.trace_id().to_bytes(),
            span_id: context.span_id().to_bytes(),
            flags: context.flags(),
        });
        Ok(())
    };
    done(parse(), error)
}

fn parse_traceparent(bytes: &[u8]) -> Result<TraceContext, Error> {
    let text = core::str::from_utf8(bytes)
        .map_err(|_| Error::fixed(ErrorCode::InvalidTraceparent, "the traceparent is not ASCII text"))?;
    TraceContext::parse_traceparent(text)
}

/// The labels of an exemplar as text.
pub(crate) struct Labels<'a> {
    given: &'a [spanpin_label],
    repaired: Repaired,
}

impl<'a> Labels<'a> {
    /// The labels of an exemplar, none for NULL.
    fn of(exemplar: Option<&'a spanpin_exemplar<'_>>) -> Result<Self, Error> {
        let given = match exemplar {
            Some(exemplar) => exemplar.labels()?,
            None => &[],
        };
        // Every text is looked at once here, so that walking them cannot fail.
        for label in given {
            label.name()?;
            label.value()?;
        }
        let repaired = Repaired::of(given.iter().map(|label| label.value().unwrap_or_default()))?;
        Ok(Self { given, repaired })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    /// Names and values. A name that is not UTF-8 is no label name; the core leaves such a label out and counts it.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        let mut walk: Walk<'_> = self.repaired.walk();
        self.given.iter().map(move |label| {
            let name = core::str::from_utf8(label.name().unwrap_or_default()).unwrap_or("\u{fffd}");
            (name, walk.next(label.value().unwrap_or_default()))
        })
    }
}

/// The span of an offer that has a valid one and no labels, which needs no further look before its gate.
#[inline(always)]
pub(crate) fn bare<'a>(offer: Option<&'a spanpin_exemplar<'_>>) -> Option<&'a spanpin_trace_context> {
    let offer = offer?;
    offer.trace().filter(|trace| !offer.has_labels() && trace.is_valid())
}

/// A span and labels, checked.
pub(crate) struct Pointed<'a> {
    pub(crate) trace: Option<TraceContext>,
    pub(crate) labels: Labels<'a>,
}

/// What an exemplar points to; a refused one is tallied by the registry.
pub(crate) fn pointed<'a>(
    series: &Series<'_>,
    exemplar: Option<&'a spanpin_exemplar<'_>>,
) -> Result<Pointed<'a>, Error> {
    let trace = exemplar.and_then(|exemplar| exemplar.trace()).map(spanpin_trace_context::check).transpose();
    let trace = trace.inspect_err(|_| series.count_drop(DropReason::InvalidId))?;
    let labels = Labels::of(exemplar).inspect_err(|_| series.count_drop(DropReason::LabelValue))?;
    Ok(Pointed { trace, labels })
}

/// Records with a `traceparent`, or, when it is not even text, without.
pub(crate) fn with_traceparent(
    text: &Array<c_char>,
    len: usize,
    record: impl FnOnce(&str) -> Result<bool, Error>,
    plain: impl FnOnce() -> bool,
) -> spanpin_status {
    match text_bytes(text, len, "traceparent") {
        // The core refuses and counts the stand-in as it does any other malformed header.
        Ok(bytes) => done(record(core::str::from_utf8(bytes).unwrap_or("not ASCII text")).map(|_| ()), None),
        Err(error) => {
            plain();
            done(Err(error), None)
        }
    }
}

/// The context of ids that come as numbers; ids of zero are tallied.
pub(crate) fn offer_context(series: &Series<'_>, high: u64, low: u64, span: u64, flags: u32) -> Option<TraceContext> {
    let ids = TraceId::from_u64s(high, low).zip(SpanId::from_u64(span));
    if ids.is_none() {
        series.count_drop(DropReason::InvalidId);
    }
    // Only the low byte holds trace flags.
    ids.map(|(trace, span)| TraceContext::new(trace, span, flags as u8))
}
