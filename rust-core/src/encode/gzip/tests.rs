use super::*;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

fn packed(input: &[u8]) -> Vec<u8> {
    let mut out = Buffer::new();
    gzip(input, &mut out).unwrap();
    out.into_vec()
}

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    extern crate std;
    use std::io::Read;
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}

fn check(input: &[u8]) -> usize {
    let bytes = packed(input);
    assert!(unpacked(&bytes) == input, "{} bytes come back changed", input.len());
    bytes.len()
}

fn exposition(series: u32) -> String {
    let mut text = String::from("# TYPE http_request_duration_seconds histogram\n");
    for number in 0..series {
        for (place, bound) in crate::buckets::DEFAULT_BOUNDS.iter().enumerate() {
            text += &format!(
                "http_request_duration_seconds_bucket{{route=\"/a/{}\",code=\"200\",le=\"{bound:?}\"}} {}\n",
                number,
                u64::from(number) * 7919 % 1000 * (place as u64 + 1)
            );
        }
    }
    text + "# EOF\n"
}

#[test]
fn small_input() {
    assert_eq!(check(b""), 10 + 2 + 8);
    for input in ["a", "ab", "abc", "abcd", "aaaa", "aaaaaaaaa", "# EOF\n"] {
        check(input.as_bytes());
    }
}

#[test]
fn every_byte_and_long_runs() {
    let all: Vec<u8> = (0..=255).collect();
    check(&all);
    check(&all.repeat(1000));
    for len in [257, 258, 259, 260, 516, 100_000] {
        check(&[b'x'].repeat(len));
    }
}

#[test]
fn distances_up_to_the_window() {
    let mut state = 1u32;
    let noise: Vec<u8> = (0..40_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    for distance in [1, 2, 3, 4, 5, 31, 32, 4096, 32_767, 32_768, 32_769] {
        let start = noise.get(..distance).unwrap();
        check(&start.repeat(3));
    }
    assert!(check(&noise) < noise.len() + noise.len() / 50 + 100);
}

#[test]
fn an_exposition_shrinks() {
    let text = exposition(2000);
    let size = check(text.as_bytes());
    assert!(size * 6 < text.len(), "{} to {size}", text.len());
}

#[test]
fn the_checksum() {
    assert_eq!(crc::crc32(b"123456789"), 0xcbf4_3926);
    assert_eq!(crc::crc32(b""), 0);
}

#[test]
fn symbols_of_the_standard() {
    assert_eq!(length_symbol(0), (257, 0, 0));
    assert_eq!(length_symbol(8), (265, 0, 1));
    assert_eq!(length_symbol(254), (284, 30, 5));
    assert_eq!(length_symbol(255), (285, 0, 0));
    assert_eq!(distance_symbol(3), (3, 0, 0));
    assert_eq!(distance_symbol(6), (5, 0, 1));
    assert_eq!(distance_symbol(32_767), (29, 8191, 13));
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]
    #[test]
    fn any_bytes_come_back(pieces in proptest::collection::vec(("[ab]{0,40}", 0usize..400), 0..60)) {
        let mut input = Vec::new();
        for (text, repeats) in &pieces {
            input.extend_from_slice(&text.as_bytes().repeat(*repeats));
        }
        proptest::prop_assert!(unpacked(&packed(&input)) == input);
    }
}
