//! Ids among the labels of an explicit exemplar: recognised under the spellings in use, written in one.

use super::LabelList;
use crate::trace::{SpanId, TraceId};

/// Which id a label name stands for, and whether it is Datadog's, whose ids are decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdName {
    Trace { datadog: bool },
    Span { datadog: bool },
}

impl IdName {
    /// What a label name stands for. Case, `_`, `-` and `.` do not matter: `trace_id`, `traceID`, `TraceId`, `trace-id`
    /// are one; so are the names of B3 headers (`X-B3-TraceId`), of OpenTelemetry's log records (`otelTraceID`) and of
    /// Datadog's (`dd.trace_id`).
    pub(crate) fn of(name: &str) -> Option<IdName> {
        const MOST: usize = 16;
        let mut plain = [0; MOST];
        let mut used = 0_usize;
        for byte in name.bytes().filter(|byte| !matches!(byte, b'_' | b'-' | b'.')) {
            *plain.get_mut(used)? = byte.to_ascii_lowercase();
            used = used.saturating_add(1);
        }
        match plain.get(..used)? {
            b"traceid" | b"xb3traceid" | b"b3traceid" | b"oteltraceid" => Some(IdName::Trace { datadog: false }),
            b"spanid" | b"xb3spanid" | b"b3spanid" | b"otelspanid" => Some(IdName::Span { datadog: false }),
            b"ddtraceid" => Some(IdName::Trace { datadog: true }),
            b"ddspanid" => Some(IdName::Span { datadog: true }),
            _ => None,
        }
    }
}

/// An id that was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Id {
    Trace(TraceId),
    Span(SpanId),
}

/// The id that a label gives; nothing if its name is none of an id's or its value is no id.
pub(crate) fn read_id(name: IdName, value: &str) -> Option<Id> {
    match name {
        IdName::Trace { datadog } => read_trace_id(value, datadog).map(Id::Trace),
        IdName::Span { datadog } => read_span_id(value, datadog).map(Id::Span),
    }
}

/// 32 hexadecimal digits of any case; 16, filled up with zeros on the left as B3 says; or a decimal number of 64 bits, as
/// Datadog writes it.
fn read_trace_id(value: &str, datadog: bool) -> Option<TraceId> {
    if value.len() == 32 {
        return TraceId::parse_any_case(value);
    }
    read_word(value, datadog).and_then(|low| TraceId::from_u64s(0, low))
}

/// 16 hexadecimal digits of any case, or a decimal number of 64 bits.
fn read_span_id(value: &str, datadog: bool) -> Option<SpanId> {
    read_word(value, datadog).and_then(SpanId::from_u64)
}

/// The least digits of a decimal id under a name that is not Datadog's: fewer are more likely a number of another kind,
/// and 16 are read as hexadecimal.
const DECIMAL_LEAST: usize = 17;

fn read_word(value: &str, datadog: bool) -> Option<u64> {
    let all_decimal = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    if all_decimal && (datadog || value.len() >= DECIMAL_LEAST) {
        return value.parse().ok();
    }
    SpanId::parse_any_case(value).map(SpanId::to_u64)
}

/// The ids that an explicit exemplar gives.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct GivenIds {
    pub(crate) trace: Option<TraceId>,
    pub(crate) span: Option<SpanId>,
    /// A label has the name of an id and a value that is none; it stays a plain label.
    pub(crate) misread: bool,
}

/// Takes the ids from an explicit exemplar's labels: of each kind the first that is one.
///
/// `names` are the labels that ids are written under. With `keep`, only labels of exactly these names count; the others
/// stay under the names that the caller wrote.
pub(crate) fn take_ids<'a>(labels: impl LabelList<'a>, names: (&str, &str), keep: bool) -> GivenIds {
    let mut ids = GivenIds::default();
    for (name, value) in labels.filter(|(_, value)| !value.is_empty()) {
        let exact = exactly(name, names);
        let Some(known) = IdName::of(name).or(exact) else { continue };
        let id = read_id(known, value);
        ids.misread |= id.is_none();
        if keep && exact.is_none() {
            continue;
        }
        match id {
            Some(Id::Trace(id)) => ids.trace = ids.trace.or(Some(id)),
            Some(Id::Span(id)) => ids.span = ids.span.or(Some(id)),
            None => {}
        }
    }
    ids
}

fn exactly(name: &str, (trace, span): (&str, &str)) -> Option<IdName> {
    if name == trace {
        Some(IdName::Trace { datadog: false })
    } else if name == span {
        Some(IdName::Span { datadog: false })
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    const USUAL: (&str, &str) = ("trace_id", "span_id");
    const TRACE: &str = "0AF7651916cd43dd8448eb211c80319c";

    #[test]
    fn names_of_ids() {
        for name in ["trace_id", "traceID", "TraceId", "traceid", "trace-id", "trace.id", "X-B3-TraceId", "otelTraceID"]
        {
            assert_eq!(IdName::of(name), Some(IdName::Trace { datadog: false }), "{name}");
        }
        for name in ["span_id", "spanId", "SPANID", "x-b3-spanid", "otelSpanID"] {
            assert_eq!(IdName::of(name), Some(IdName::Span { datadog: false }), "{name}");
        }
        assert_eq!(IdName::of("dd.trace_id"), Some(IdName::Trace { datadog: true }));
        assert_eq!(IdName::of("dd_span_id"), Some(IdName::Span { datadog: true }));
        for name in ["", "trace", "id", "parent_span_id", "trace_idx", "traceid_of_something_long"] {
            assert_eq!(IdName::of(name), None, "{name}");
        }
    }

    fn trace(name: &str, value: &str) -> Option<alloc::string::String> {
        match read_id(IdName::of(name).unwrap(), value) {
            Some(Id::Trace(id)) => Some(id.to_string()),
            Some(Id::Span(id)) => Some(id.to_string()),
            None => None,
        }
    }

    #[test]
    fn values_of_ids() {
        assert_eq!(trace("traceID", TRACE).unwrap(), TRACE.to_lowercase());
        assert_eq!(trace("trace_id", "B7AD6B7169203331").unwrap(), "0000000000000000b7ad6b7169203331");
        assert_eq!(trace("dd.trace_id", "8448792617283716913").unwrap(), "00000000000000007540241f2e238731");
        assert_eq!(trace("trace_id", "8448792617283716913").unwrap(), "00000000000000007540241f2e238731");
        assert_eq!(trace("dd.span_id", "255").unwrap(), "00000000000000ff");
        // 16 digits are hexadecimal, unless the name says otherwise.
        assert_eq!(trace("span_id", "1234567890123456").unwrap(), "1234567890123456");
        assert_eq!(trace("dd.span_id", "1234567890123456").unwrap(), "000462d53c8abac0");
        assert_eq!(trace("dd.trace_id", TRACE).unwrap(), TRACE.to_lowercase());
        for value in ["", "0", "abc", "0000000000000000", "18446744073709551616", "255", "xyz4567890123456"] {
            assert_eq!(trace("trace_id", value), None, "{value}");
        }
        assert_eq!(trace("dd.trace_id", "0"), None);
        assert_eq!(trace("span_id", TRACE), None);
    }

    #[test]
    fn ids_are_taken_from_labels() {
        let labels = [("span_id", "nope"), ("traceID", TRACE), ("span_id", "b7ad6b7169203331"), ("trace_id", "x")];
        let ids = take_ids(labels.into_iter(), USUAL, false);
        assert_eq!(ids.trace.unwrap().to_string(), TRACE.to_lowercase());
        assert_eq!(ids.span.unwrap().to_string(), "b7ad6b7169203331", "what is none is passed over");
        assert!(ids.misread);
        let ids = take_ids([("user", "u"), ("TraceId", TRACE)].into_iter(), USUAL, false);
        assert!(ids.trace.is_some() && !ids.misread);
    }

    #[test]
    fn kept_names_are_no_ids() {
        let labels = [("traceID", TRACE), ("sid", "b7ad6b7169203331")];
        let ids = take_ids(labels.into_iter(), ("trace_id", "sid"), true);
        assert_eq!((ids.trace, ids.misread), (None, false));
        assert!(ids.span.is_some());
    }
}
