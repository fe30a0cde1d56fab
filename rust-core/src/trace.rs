//! Trace ids, span ids and the W3C `traceparent` header.

use core::fmt;

use crate::error::{Error, ErrorCode, Result};

/// The 16 bytes that name a trace; never all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId([u8; 16]);

/// The 8 bytes that name a span; never all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId([u8; 8]);

/// The bit of the trace flags that says the trace is recorded.
pub const FLAG_SAMPLED: u8 = 0x01;

/// A span that a measurement can point to: trace id, span id and trace flags.
// Aligned, so that it is copied in whole words: a copy in odd pieces makes each observation wait for the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C, align(16))]
pub struct TraceContext {
    trace_id: TraceId,
    span_id: SpanId,
    flags: u8,
}

impl TraceId {
    /// The id of these bytes, or `None` if all are zero.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        if bytes == [0; 16] { None } else { Some(Self(bytes)) }
    }

    /// The id of two big-endian halves, or `None` if both are zero.
    #[must_use]
    pub fn from_u64s(high: u64, low: u64) -> Option<Self> {
        Self::from_bytes(((u128::from(high) << 64) | u128::from(low)).to_be_bytes())
    }

    /// Reads 32 lower-case hexadecimal digits that are not all zero.
    pub fn from_hex(text: &str) -> Result<Self> {
        decode::<16>(text.as_bytes(), Case::Lower)
            .and_then(Self::from_bytes)
            .ok_or_else(|| bad_trace_id(text, "lower-case hexadecimal digits"))
    }

    /// Reads 32 hexadecimal digits of either case that are not all zero.
    pub fn from_hex_any_case(text: &str) -> Result<Self> {
        Self::parse_any_case(text).ok_or_else(|| bad_trace_id(text, "hexadecimal digits"))
    }

    /// As `from_hex_any_case`, without the cost of an error message.
    pub(crate) fn parse_any_case(text: &str) -> Option<Self> {
        decode::<16>(text.as_bytes(), Case::Any).and_then(Self::from_bytes)
    }

    /// The bytes of the id.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The id as two big-endian halves: bytes 0 to 7, bytes 8 to 15.
    #[must_use]
    pub const fn to_u64s(self) -> (u64, u64) {
        let whole = u128::from_be_bytes(self.0);
        ((whole >> 64) as u64, whole as u64)
    }

    /// The id as 32 lower-case hexadecimal digits.
    #[must_use]
    pub fn to_hex(self) -> [u8; 32] {
        encode(self.0)
    }
}

impl SpanId {
    /// The id of these bytes, or `None` if all are zero.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 8]) -> Option<Self> {
        if bytes == [0; 8] { None } else { Some(Self(bytes)) }
    }

    /// The id of a big-endian number, or `None` if it is zero.
    #[must_use]
    pub fn from_u64(number: u64) -> Option<Self> {
        Self::from_bytes(number.to_be_bytes())
    }

    /// Reads 16 lower-case hexadecimal digits that are not all zero.
    pub fn from_hex(text: &str) -> Result<Self> {
        decode::<8>(text.as_bytes(), Case::Lower)
            .and_then(Self::from_bytes)
            .ok_or_else(|| bad_span_id(text, "lower-case hexadecimal digits"))
    }

    /// Reads 16 hexadecimal digits of either case that are not all zero.
    pub fn from_hex_any_case(text: &str) -> Result<Self> {
        Self::parse_any_case(text).ok_or_else(|| bad_span_id(text, "hexadecimal digits"))
    }

    /// As `from_hex_any_case`, without the cost of an error message.
    pub(crate) fn parse_any_case(text: &str) -> Option<Self> {
        decode::<8>(text.as_bytes(), Case::Any).and_then(Self::from_bytes)
    }

    /// The bytes of the id.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0
    }

    /// The id as a big-endian number.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        u64::from_be_bytes(self.0)
    }

    /// The id as 16 lower-case hexadecimal digits.
    #[must_use]
    pub fn to_hex(self) -> [u8; 16] {
        encode(self.0)
    }
}

impl TraceContext {
    /// A context with the given trace flags.
    #[must_use]
    pub const fn new(trace_id: TraceId, span_id: SpanId, flags: u8) -> Self {
        Self { trace_id, span_id, flags }
    }

    /// A context that counts as sampled.
    #[must_use]
    pub const fn sampled(trace_id: TraceId, span_id: SpanId) -> Self {
        Self::new(trace_id, span_id, FLAG_SAMPLED)
    }

    /// Reads a W3C `traceparent` header strictly.
    ///
    /// Upper-case digits, all-zero ids and version `ff` are errors. Version `00`
    /// is exactly 55 bytes. Of a later version the first 55 bytes are read, which
    /// must be the whole text or be followed by `-`; of its flags only the
    /// sampled bit is kept, because the others may mean something else there.
    pub fn parse_traceparent(text: &str) -> Result<Self> {
        parse_traceparent(text.as_bytes())
            .map_err(|reason| Error::quoting(ErrorCode::InvalidTraceparent, "traceparent ", text, reason))
    }

    /// Whether the sampled bit of the flags is set.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.flags & FLAG_SAMPLED != 0
    }

    /// The trace id.
    #[must_use]
    pub const fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// The span id.
    #[must_use]
    pub const fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// The trace flags.
    #[must_use]
    pub const fn flags(&self) -> u8 {
        self.flags
    }
}

fn parse_traceparent(text: &[u8]) -> core::result::Result<TraceContext, &'static str> {
    const LEN: usize = 55;
    if text.len() < LEN {
        return Err(" is too short: it must be version-traceid-spanid-flags, 55 bytes");
    }
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let version = decode::<1>(part(0, 2), Case::Lower)
        .ok_or(" is invalid: the version must be 2 lower-case hexadecimal digits")?;
    if version == [0xff] {
        return Err(" is invalid: version ff is forbidden");
    }
    if part(2, 3) != b"-" || part(35, 36) != b"-" || part(52, 53) != b"-" {
        return Err(" is invalid: it must be version-traceid-spanid-flags");
    }
    let trace_id = decode::<16>(part(3, 35), Case::Lower)
        .and_then(TraceId::from_bytes)
        .ok_or(" is invalid: the trace id must be 32 lower-case hexadecimal digits, not all zero")?;
    let span_id = decode::<8>(part(36, 52), Case::Lower)
        .and_then(SpanId::from_bytes)
        .ok_or(" is invalid: the span id must be 16 lower-case hexadecimal digits, not all zero")?;
    let [flags] = decode::<1>(part(53, LEN), Case::Lower)
        .ok_or(" is invalid: the flags must be 2 lower-case hexadecimal digits")?;
    if version == [0] {
        if text.len() != LEN {
            return Err(" is too long: version 00 has exactly 55 bytes");
        }
        return Ok(TraceContext::new(trace_id, span_id, flags));
    }
    match text.get(LEN) {
        None | Some(b'-') => Ok(TraceContext::new(trace_id, span_id, flags & FLAG_SAMPLED)),
        Some(_) => Err(" is invalid: the flags must end the text or be followed by -"),
    }
}

#[cold]
fn bad_trace_id(text: &str, digits: &str) -> Error {
    bad_id(ErrorCode::InvalidTraceId, "trace id ", text, " is not 32 ", digits)
}

#[cold]
fn bad_span_id(text: &str, digits: &str) -> Error {
    bad_id(ErrorCode::InvalidSpanId, "span id ", text, " is not 16 ", digits)
}

fn bad_id(code: ErrorCode, what: &str, text: &str, is_not: &str, digits: &str) -> Error {
    let mut message = crate::buffer::Buffer::new();
    message.put_str(what);
    message.put_quoted(text);
    message.put_str(is_not);
    message.put_str(digits);
    message.put_str(", not all zero");
    Error::new(code, message)
}

#[derive(Clone, Copy, PartialEq)]
enum Case {
    Lower,
    Any,
}

fn decode<const N: usize>(digits: &[u8], case: Case) -> Option<[u8; N]> {
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    if pairs.len() != N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = (value_of(*high, case)? << 4) | value_of(*low, case)?;
    }
    Some(bytes)
}

fn value_of(digit: u8, case: Case) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit & 0x0f),
        b'a'..=b'f' => Some((digit & 0x0f).wrapping_add(9)),
        b'A'..=b'F' if case == Case::Any => Some((digit & 0x0f).wrapping_add(9)),
        _ => None,
    }
}

fn encode<const N: usize, const M: usize>(bytes: [u8; N]) -> [u8; M] {
    let mut digits = [b'0'; M];
    for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [digit_of(byte >> 4), digit_of(byte & 0x0f)];
    }
    digits
}

fn digit_of(value: u8) -> u8 {
    // From '9' to 'a' there are 39 other characters.
    let letter = if value > 9 { 39 } else { 0 };
    b'0'.wrapping_add(value).wrapping_add(letter)
}

fn write_hex(f: &mut fmt::Formatter<'_>, digits: &[u8]) -> fmt::Result {
    f.write_str(core::str::from_utf8(digits).unwrap_or_default())
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.to_hex())
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.to_hex())
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    #[test]
    fn ids_round_trip() {
        let trace = TraceId::from_hex(TRACE).unwrap();
        let span = SpanId::from_hex(SPAN).unwrap();
        assert_eq!(trace.to_string(), TRACE);
        assert_eq!(span.to_string(), SPAN);
        assert_eq!(trace.to_u64s(), (0x0af7_6519_16cd_43dd, 0x8448_eb21_1c80_319c));
        let (high, low) = trace.to_u64s();
        assert_eq!(TraceId::from_u64s(high, low), Some(trace));
        assert_eq!(TraceId::from_bytes(trace.to_bytes()), Some(trace));
        assert_eq!(SpanId::from_u64(span.to_u64()), Some(span));
        assert_eq!(TraceId::from_u64s(0, 0), None);
        assert_eq!(SpanId::from_u64(0), None);
    }

    #[test]
    fn the_case_of_digits() {
        let upper = TRACE.to_uppercase();
        assert_eq!(TraceId::from_hex_any_case(&upper), TraceId::from_hex(TRACE));
        let error = TraceId::from_hex(&upper).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidTraceId);
        assert_eq!(
            error.message(),
            "trace id \"0AF7651916CD43DD8448EB211C80319C\" is not 32 lower-case hexadecimal \
             digits, not all zero"
        );
        assert!(SpanId::from_hex_any_case("B7AD6B7169203331").is_ok());
        assert!(SpanId::from_hex("0000000000000000").is_err());
        assert!(SpanId::from_hex("b7ad6b716920333").is_err());
        assert!(SpanId::from_hex("b7ad6b716920333g").is_err());
    }

    #[test]
    fn a_traceparent() {
        let context =
            TraceContext::parse_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").unwrap();
        assert_eq!(context.trace_id().to_string(), TRACE);
        assert_eq!(context.span_id().to_string(), SPAN);
        assert!(context.is_sampled());
        let error = TraceContext::parse_traceparent("00-abc").unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidTraceparent);
        assert!(error.message().starts_with("traceparent \"00-abc\" is too short"));
    }
}
