//! The exemplars of a page of OpenMetrics with one histogram named `d`, and nothing else.

use crate::engine::{Series, Shown};
use crate::traffic::{BUCKETS, Event, bucket_of};

const NAME: &[u8] = b"d_bucket{le=\"";
const TRACE: &[u8] = b" # {trace_id=\"";
const SPAN: &[u8] = b"\",span_id=\"";

/// Reads a page. Returns the number of observations it counts. An exemplar that is torn, or lies outside its bucket, is
/// an error, and so is anything unexpected.
pub fn read(page: &[u8], shown: &mut Vec<Shown>) -> Result<u64, String> {
    let mut buckets = 0_u8;
    let mut count = 0;
    for line in page.split(|byte| *byte == b'\n') {
        let Some(rest) = line.strip_prefix(NAME) else { continue };
        let fail = || format!("unexpected line {:?}", String::from_utf8_lossy(line));
        let brace = position(rest, b"\"} ").ok_or_else(fail)?;
        let rest = rest.get(brace + 3..).unwrap_or_default();
        let end = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
        count = number::<u64>(&rest[..end]).ok_or_else(fail)?;
        if end < rest.len() {
            let exemplar = exemplar(&rest[end..], buckets).ok_or_else(fail)?;
            if bucket_of(exemplar.event.value) != buckets {
                return Err(format!("exemplar outside its bucket {buckets}: {:?}", String::from_utf8_lossy(line)));
            }
            shown.push(exemplar);
        }
        buckets += 1;
    }
    if usize::from(buckets) == BUCKETS && page.ends_with(b"# EOF\n") {
        Ok(count)
    } else {
        Err(format!("a page of {buckets} buckets and {} bytes", page.len()))
    }
}

/// The exemplar, if its ids, which say which request it is, fit each other and the value.
fn exemplar(text: &[u8], bucket: u8) -> Option<Shown> {
    let text = text.strip_prefix(TRACE)?;
    let (high, text) = hex(text)?;
    let (low, text) = hex(text)?;
    let (span, text) = hex(text.strip_prefix(SPAN)?)?;
    let text = text.strip_prefix(b"\"} ")?;
    let space = text.iter().position(|byte| *byte == b' ')?;
    let value = number::<f64>(&text[..space])?;
    let (seconds, millis) = text[space + 1..].split_at_checked(text.len().checked_sub(space + 5)?)?;
    let stamp_ms = number::<u64>(seconds)?.checked_mul(1000)? + number::<u64>(millis.strip_prefix(b".")?)?;
    let event = Event { at_us: high.checked_sub(1)?, index: low >> 1, value, bucket, sampled: low & 1 != 0 };
    (span == value.to_bits()).then_some(Shown { series: Series::Bucket(bucket), event, stamp_ms })
}

fn position(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// The first 16 digits as a number, and what follows.
fn hex(text: &[u8]) -> Option<(u64, &[u8])> {
    let (digits, rest) = text.split_at_checked(16)?;
    let mut value = 0;
    for digit in digits {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        value = value << 4 | u64::from(digit);
    }
    Some((value, rest))
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(exemplar: &str) -> String {
        let mut page = String::from("# TYPE d histogram\n");
        for bound in ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "+Inf"] {
            let exemplar = if bound == "0.5" { exemplar } else { "" };
            page += &format!("d_bucket{{le=\"{bound}\"}} 7{exemplar}\n");
        }
        page + "d_count 7\nd_sum 1.5\n# EOF\n"
    }

    fn of(value: f64, span: f64) -> String {
        let span = span.to_bits();
        format!(" # {{trace_id=\"{:016x}{:016x}\",span_id=\"{span:016x}\"}} {value} 1755780000.042", 5001, 9 << 1 | 1)
    }

    #[test]
    fn an_exemplar_tells_which_request_it_is() {
        let mut shown = Vec::new();
        assert_eq!(read(page(&of(0.3, 0.3)).as_bytes(), &mut shown), Ok(7));
        let event = Event { at_us: 5000, index: 9, value: 0.3, bucket: 6, sampled: true };
        assert_eq!(shown, [Shown { series: Series::Bucket(6), event, stamp_ms: 1_755_780_000_042 }]);
    }

    #[test]
    fn torn_misplaced_and_cut_pages_are_errors() {
        let mut shown = Vec::new();
        assert!(read(page(&of(0.3, 0.31)).as_bytes(), &mut shown).is_err(), "torn");
        assert!(read(page(&of(0.7, 0.7)).as_bytes(), &mut shown).is_err(), "outside its bucket");
        let whole = page("");
        assert!(read(&whole.as_bytes()[..whole.len() - 1], &mut shown).is_err(), "cut");
        assert_eq!(shown, []);
    }
}
