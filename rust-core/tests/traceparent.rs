//! The `traceparent` header, case by case, after W3C Trace Context.

use spanpin::{ErrorCode, TraceContext};

const IDS: &str = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";

#[test]
fn accepted() {
    for (text, flags) in [
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", 0x01),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", 0x00),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03", 0x03),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff", 0xff),
        // Of a later version only the sampled bit is known.
        ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", 0x01),
        ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-fe", 0x00),
        ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-09-what-the-future-brings", 0x01),
        ("fe-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-", 0x01),
    ] {
        let context = TraceContext::parse_traceparent(text).expect(text);
        assert_eq!(context.flags(), flags, "{text}");
        assert_eq!(context.is_sampled(), flags & 1 == 1, "{text}");
        assert_eq!(format!("{}-{}", context.trace_id(), context.span_id()), IDS);
    }
}

#[test]
fn refused() {
    for (text, reason) in [
        ("", "too short"),
        ("00", "too short"),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", "too short"),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0", "too short"),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-", "too long"),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what", "too long"),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 ", "too long"),
        ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.", "the flags"),
        ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-011", "the flags"),
        ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "version ff"),
        ("FF-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "the version"),
        ("0x-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "the version"),
        (" 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "the version"),
        ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", "the trace id"),
        ("00-0af7651916cd43dd8448eb211c80319C-b7ad6b7169203331-01", "the trace id"),
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", "the trace id"),
        ("00-.af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "the trace id"),
        ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", "the span id"),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333G-01", "the span id"),
        ("00-0af7651916cd43dd8448eb211c80319c-B7AD6B7169203331-01", "the span id"),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0A", "the flags"),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-.0", "the flags"),
        ("00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01", "version-traceid-spanid-flags"),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331_01", "version-traceid-spanid-flags"),
        ("00-ééééééééééééééééééééééééééééééééééééééééééééééééééééé", "version-traceid-spanid-flags"),
    ] {
        let error = TraceContext::parse_traceparent(text).expect_err(text);
        assert_eq!(error.code(), ErrorCode::InvalidTraceparent, "{text}");
        assert!(error.message().contains(reason), "{text}: {error}");
    }
}

proptest::proptest! {
    #[test]
    fn what_is_written_is_read(trace in 1u128.., span in 1u64.., flags: u8) {
        let text = format!("00-{trace:032x}-{span:016x}-{flags:02x}");
        let context = TraceContext::parse_traceparent(&text).unwrap();
        proptest::prop_assert_eq!(u128::from_be_bytes(context.trace_id().to_bytes()), trace);
        proptest::prop_assert_eq!(u64::from_be_bytes(context.span_id().to_bytes()), span);
        proptest::prop_assert_eq!(context.flags(), flags);
    }

    #[test]
    fn one_wrong_byte_is_never_taken_for_an_id(place in 3usize..52, byte in 0u8..128) {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let mut bytes = text.as_bytes().to_vec();
        bytes[place] = byte;
        let changed = String::from_utf8(bytes).unwrap();
        let dash = place == 35;
        let allowed = if dash { byte == b'-' } else { matches!(byte, b'0'..=b'9' | b'a'..=b'f') };
        proptest::prop_assert_eq!(TraceContext::parse_traceparent(&changed).is_ok(), allowed);
    }
}
