use super::*;
use alloc::string::{String, ToString};

fn written(write: impl FnOnce(&mut Buffer)) -> String {
    let mut out = Buffer::new();
    write(&mut out);
    String::from_utf8(out.into_vec()).unwrap()
}

fn canonical(value: f64) -> String {
    written(|out| put_float(out, value))
}

/// Values and their spelling as Go's `strconv` with `%g` and an added `.0`.
const TABLE: &[(f64, &str)] = &[
    (0.0, "0.0"),
    (-0.0, "0.0"),
    (1.0, "1.0"),
    (-1.0, "-1.0"),
    (10.0, "10.0"),
    (0.5, "0.5"),
    (0.1, "0.1"),
    (0.1 + 0.2, "0.30000000000000004"),
    (0.005, "0.005"),
    (0.0001, "0.0001"),
    (0.00012345, "0.00012345"),
    (0.000099999, "9.9999e-05"),
    (1e-5, "1e-05"),
    (1.5e-5, "1.5e-05"),
    (1e-10, "1e-10"),
    (1e-100, "1e-100"),
    (100.0, "100.0"),
    (100000.0, "100000.0"),
    (123456.0, "123456.0"),
    (123456.789, "123456.789"),
    (999999.0, "999999.0"),
    (999999.9999, "999999.9999"),
    (1e6, "1e+06"),
    (1234567.0, "1.234567e+06"),
    (1048576.0, "1.048576e+06"),
    (1000000.5, "1.0000005e+06"),
    (1756047.3, "1.7560473e+06"),
    (1e10, "1e+10"),
    (1e15, "1e+15"),
    (1e16, "1e+16"),
    (1e21, "1e+21"),
    (1e23, "1e+23"),
    (9007199254740993.0, "9.007199254740992e+15"),
    (5e-324, "5e-324"),
    (2.2250738585072014e-308, "2.2250738585072014e-308"),
    (f64::MAX, "1.7976931348623157e+308"),
    (f64::MIN, "-1.7976931348623157e+308"),
    (f64::INFINITY, "+Inf"),
    (f64::NEG_INFINITY, "-Inf"),
    (f64::NAN, "NaN"),
    (2.9802322387695312e-8, "2.9802322387695312e-08"),
    (17.3, "17.3"),
    (0.67, "0.67"),
    (-0.25, "-0.25"),
    (-1e-7, "-1e-07"),
];

#[test]
fn canonical_floats() {
    for (value, text) in TABLE {
        assert_eq!(canonical(*value), *text);
    }
}

/// The spelling by the rule, from the digits of `{:e}`.
fn by_the_rule(value: f64) -> String {
    let scientific = alloc::format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap();
    let exponent: i32 = exponent.parse().unwrap();
    if (-4..6).contains(&exponent) {
        let plain = alloc::format!("{value}");
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    alloc::format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// Whether two spellings are equally good: of two shortest decimals that are
/// equally near, here the even one is written, by `{:e}` the larger one.
fn same(text: &str, rule: &str) -> bool {
    text == rule || (text.len() == rule.len() && text.parse::<f64>() == rule.parse::<f64>())
}

#[test]
fn every_power_of_ten_and_two() {
    for exponent in -330..=308 {
        for mantissa in ["1", "1.5", "9.999", "1.2345678901234567"] {
            let value: f64 = alloc::format!("{mantissa}e{exponent}").parse().unwrap();
            if value > 0.0 && value.is_finite() {
                assert!(same(&canonical(value), &by_the_rule(value)), "{value:e}");
            }
        }
    }
    let mut value = f64::from_bits(1);
    while value.is_finite() {
        assert!(same(&canonical(value), &by_the_rule(value)), "{value:e}");
        value *= 2.0;
    }
}

proptest::proptest! {
    #[test]
    fn any_float_reads_back(bits: u64) {
        let value = f64::from_bits(bits);
        if value.is_finite() && value != 0.0 {
            let text = canonical(value);
            proptest::prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), bits);
            proptest::prop_assert!(same(&text, &by_the_rule(value)));
        }
    }

    #[test]
    fn ordinary_floats_follow_the_rule(value in -2e6f64..2e6) {
        proptest::prop_assert!(same(&canonical(value), &by_the_rule(value)), "{value:e}");
        let short = (value * 1000.0).round() / 1000.0;
        if short != 0.0 {
            proptest::prop_assert!(same(&canonical(short), &by_the_rule(short)));
        }
    }

    #[test]
    fn timestamps_are_seconds(milliseconds: u64) {
        let text = written(|out| put_timestamp_ms(out, milliseconds));
        let (seconds, below) = text.split_once('.').unwrap();
        proptest::prop_assert_eq!(seconds, (milliseconds / 1000).to_string());
        proptest::prop_assert_eq!(below, alloc::format!("{:03}", milliseconds % 1000));
    }
}

#[test]
fn timestamps() {
    let of = |milliseconds| written(|out| put_timestamp_ms(out, milliseconds));
    assert_eq!(of(1_755_780_000_123), "1755780000.123");
    assert_eq!(of(7), "0.007");
    assert_eq!(of(0), "0.000");
}
