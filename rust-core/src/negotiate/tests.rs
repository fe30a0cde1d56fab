use super::*;
use Format::{OpenMetrics1, Text004};

const PROTOBUF: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

fn answer(accept: &str) -> (Format, Option<Escaping>) {
    let negotiated = negotiate(accept);
    (negotiated.format, negotiated.escaping)
}

/// Headers that scrapers send, by the scraper.
const FIELD: &[(&str, &str, Format, Option<Escaping>)] = &[
    (
        "Prometheus 2.5 to 2.33",
        "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        OpenMetrics1,
        None,
    ),
    (
        "Prometheus 2.34 to 2.48",
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
         text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        OpenMetrics1,
        None,
    ),
    (
        "Prometheus 2.40",
        "application/openmetrics-text;version=1.0.0;q=0.75,application/openmetrics-text;q=0.6,\
         text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        OpenMetrics1,
        None,
    ),
    (
        "Prometheus 2.49.0, a wildcard of quality 2",
        "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
         text/plain;version=0.0.4;q=0.3,*/*;q=2",
        OpenMetrics1,
        None,
    ),
    (
        "Prometheus 2.49.1 to 2.55",
        "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
         text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
        OpenMetrics1,
        None,
    ),
    (
        "Prometheus 3.0 to 3.2, a parameter twice",
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
         application/openmetrics-text;version=0.0.1;escaping=allow-utf-8;q=0.5,\
         text/plain;version=1.0.0;escaping=allow-utf-8;escaping=allow-utf-8;q=0.4,\
         text/plain;version=0.0.4;escaping=allow-utf-8;q=0.3,*/*;q=0.2",
        OpenMetrics1,
        Some(Escaping::AllowUtf8),
    ),
    (
        "Prometheus 3.4 to 3.14",
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
         application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
         text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
        OpenMetrics1,
        Some(Escaping::AllowUtf8),
    ),
    (
        "Prometheus 3.15",
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.7,\
         application/openmetrics-text;version=0.0.1;q=0.6,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,\
         text/plain;version=0.0.4;q=0.4,*/*;q=0.3",
        OpenMetrics1,
        Some(Escaping::AllowUtf8),
    ),
    (
        "Prometheus 3.4 with native histograms",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,\
         application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
         application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
         text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
        OpenMetrics1,
        Some(Escaping::AllowUtf8),
    ),
    (
        "Prometheus 3.15 with three protocols",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,\
         application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,\
         */*;q=0.4",
        OpenMetrics1,
        Some(Escaping::AllowUtf8),
    ),
    (
        "Prometheus 3.15 that asks for OpenMetrics 2.0",
        "application/openmetrics-text;version=2.0.0;q=0.7,\
         application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,\
         */*;q=0.4",
        OpenMetrics1,
        Some(Escaping::AllowUtf8),
    ),
    (
        "Prometheus 2.42 with native histograms",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,\
         application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,\
         text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        OpenMetrics1,
        None,
    ),
    (
        "Prometheus 2.40 with native histograms, spaces",
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited,\
         application/openmetrics-text; version=1.0.0; q=0.8,text/plain; version=0.0.4; q=0.5,*/*; q=0.1",
        OpenMetrics1,
        None,
    ),
    (
        "Prometheus with the legacy name scheme",
        "application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.6,\
         application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=underscores;q=0.4,\
         text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
        OpenMetrics1,
        Some(Escaping::Underscores),
    ),
    ("Prometheus limited to text 0.0.4", "text/plain;version=0.0.4;q=0.3,*/*;q=0.2", Text004, None),
    ("vmagent", "text/plain;version=0.0.4;q=1,*/*;q=0.1", Text004, None),
    ("Datadog", "text/plain", Text004, None),
    (
        "Datadog with the latest specification",
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1",
        OpenMetrics1,
        None,
    ),
    ("curl", "*/*", Text004, None),
    ("no header", "", Text004, None),
    ("a browser", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", Text004, None),
];

#[test]
fn headers_in_the_field() {
    for (who, accept, format, escaping) in FIELD {
        assert_eq!(answer(accept), (*format, *escaping), "{who}");
    }
}

#[test]
fn odd_and_malformed_headers() {
    for (accept, format) in [
        ("application/openmetrics-text", OpenMetrics1),
        ("Application/OpenMetrics-Text;Version=1.0.0", OpenMetrics1),
        ("application/openmetrics-text; version=\"1.0.0\" ; q=\"0.2\"", OpenMetrics1),
        ("\tapplication/openmetrics-text ;; ;q = 0.5 ,,", OpenMetrics1),
        ("application/openmetrics-text;version=", OpenMetrics1),
        ("application/openmetrics-text;version=2.0.0", Text004),
        ("application/openmetrics-text;q=0", Text004),
        ("application/openmetrics-text;q=0.000,*/*", Text004),
        ("application/openmetrics-text;q=0.5,text/plain;q=0.6", Text004),
        ("application/openmetrics-text;q=.5,text/plain;q=0.4", OpenMetrics1),
        ("text/plain;q=0.5,application/openmetrics-text;q=0.5", Text004),
        ("application/openmetrics-text;q=0.5,text/plain;q=0.5", OpenMetrics1),
        ("text/plain;q=0.9999999,application/openmetrics-text;q=x", OpenMetrics1),
        ("text/plain;q=0.999,application/openmetrics-text;q=-1", OpenMetrics1),
        ("text/plain;q=0.999,application/openmetrics-text;q=", OpenMetrics1),
        ("text/plain;q=0.999,application/openmetrics-text;q=99999999999999999999", OpenMetrics1),
        ("text/plain;version=1.0.0,application/openmetrics-text;q=0.1", OpenMetrics1),
        ("application/*,text/*", Text004),
        ("application/openmetrics-textual", Text004),
        ("xapplication/openmetrics-text", Text004),
        ("application/openmetrics-protobuf", Text004),
        ("\u{0}\u{7f};=;=,=;\u{1F600}", Text004),
    ] {
        assert_eq!(answer(accept).0, format, "{accept}");
    }
    assert_eq!(answer(PROTOBUF), (Text004, None));
}

#[test]
fn content_types() {
    let of = |accept: &str| negotiate(accept).content_type();
    assert_eq!(of("*/*"), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(of("text/plain;escaping=values"), "text/plain; version=0.0.4; charset=utf-8");
    let plain = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(of("application/openmetrics-text;version=0.0.1"), plain);
    assert_eq!(of("application/openmetrics-text;escaping=other"), plain);
    for (asked, answered) in
        [("allow-utf-8", "allow-utf-8"), ("underscores", "underscores"), ("values", "values"), ("dots", "underscores")]
    {
        let accept = alloc::format!("application/openmetrics-text;escaping={asked}");
        assert_eq!(of(&accept), alloc::format!("{plain}; escaping={answered}"));
    }
}

#[test]
fn accept_encoding() {
    for (header, expected) in [
        ("gzip", true),
        ("x-gzip", true),
        ("GZIP;Q=0.1", true),
        ("deflate, gzip;q=1.0, *;q=0.5", true),
        ("deflate, gzip, br, zstd", true),
        ("*", true),
        ("*;q=0", false),
        ("gzip;q=0", false),
        ("gzip;q=0, *", false),
        ("gzip;q=0.0", false),
        ("", false),
        ("identity", false),
        ("br", false),
        ("identity;q=1, gzip;q=0.5", false),
        ("identity;q=0.5, gzip;q=0.5", true),
        ("identity;q=0.5, *;q=0", false),
        ("gzip;q=bad", true),
        (" , ;q=1, gzip ", true),
        ("gzipped", false),
    ] {
        assert_eq!(accepts_gzip(header), expected, "{header}");
    }
}

proptest::proptest! {
    #[test]
    fn any_header_is_answered(accept in "[ -~]{0,80}") {
        proptest::prop_assert!(negotiate(&accept).content_type().contains("charset=utf-8"));
        let named = accept.contains(['*', 'g', 'G']);
        proptest::prop_assert!(named || !accepts_gzip(&accept));
    }
}
