//! History: all that the rings hold, for people who look at a process without a Prometheus.

use alloc::vec::Vec;

use crate::buffer::Buffer;
use crate::core::Core;
use crate::encode::number::{put_float, put_timestamp_ms};
use crate::error::Error;
use crate::exemplar::shape::LABEL_WORDS;
use crate::family::{Family, Kind};
use crate::memory::{Pushed, out_of_memory};
use crate::reading::{Reading, Shown};
use crate::series::Handle;
use crate::snapshot::{Exemplar, exemplar};
use crate::trace::{SpanId, TraceId};

impl Handle {
    /// Every exemplar that the series' rings hold, newest first; none after its life. Closes no window and leaves no mark.
    pub(crate) fn history(&self) -> Result<Vec<Exemplar>, Error> {
        let mut all = Pushed::new();
        for bucket in 0..self.gates().len() {
            self.each_in_ring(bucket, |shown, words| all.push(exemplar(&shown, words)?))?;
        }
        let mut all = all.into_vec();
        sort(&mut all, &|a, b| (a.timestamp_ms, a.value.to_bits()) < (b.timestamp_ms, b.value.to_bits()));
        Ok(all)
    }

    /// How many exemplars the series' rings hold.
    #[cfg(all(feature = "std", target_os = "linux", not(miri)))]
    pub(crate) fn count_exemplars(&self) -> Result<usize, Error> {
        let mut count = 0_usize;
        for bucket in 0..self.gates().len() {
            self.each_in_ring(bucket, |_, _| {
                count = count.saturating_add(1);
                Ok(())
            })?;
        }
        Ok(count)
    }

    /// Calls `take` with each whole exemplar in a bucket's ring and the words of its labels, in no order.
    fn each_in_ring(
        &self,
        bucket: usize,
        mut take: impl FnMut(Shown, &[u64]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if !self.is_live() {
            return Ok(());
        }
        let Some(ring) = self.gates().get(bucket).and_then(|gate| self.ring_of(gate)) else { return Ok(()) };
        let mut labels = [0; LABEL_WORDS];
        ring.read_all(&mut labels, |payload, words| take(Shown::of(payload), words))
    }
}

/// Heapsort: the last ones by `before` come first. The library's own sorts can panic, which the C library must not.
fn sort<T>(items: &mut [T], before: &dyn Fn(&T, &T) -> bool) {
    let count = items.len();
    for start in (0..count / 2).rev() {
        sift(items, start, count, before);
    }
    for end in (1..count).rev() {
        swap(items, 0, end);
        sift(items, 0, end, before);
    }
}

/// Moves the item at `at` down to its place in a heap with the first one by `before` on top.
fn sift<T>(items: &mut [T], mut at: usize, end: usize, before: &dyn Fn(&T, &T) -> bool) {
    loop {
        let mut top = at;
        for child in [at.saturating_mul(2).saturating_add(1), at.saturating_mul(2).saturating_add(2)] {
            if child < end
                && let (Some(a), Some(b)) = (items.get(child), items.get(top))
                && before(a, b)
            {
                top = child;
            }
        }
        if top == at {
            return;
        }
        swap(items, at, top);
        at = top;
    }
}

/// Exchanges two items, `low` below `high`.
fn swap<T>(items: &mut [T], low: usize, high: usize) {
    if let Some((left, right)) = items.split_at_mut_checked(high)
        && let (Some(a), Some(b)) = (left.get_mut(low), right.first_mut())
    {
        core::mem::swap(a, b);
    }
}

/// Writes all rings in the shape of Prometheus' answer to `query_exemplars`.
pub(crate) fn put_json(core: &Core, out: &mut Buffer) -> Result<(), Error> {
    core.take_up_new_records();
    out.put_str("{\"status\":\"success\",\"data\":[");
    let mut first = true;
    let mut reading = Reading::new();
    for family in core.families.iter().filter(|family| family.kind != Kind::Gauge && !family.is_hidden()) {
        // In the order of the page, where the overflow series is the last one.
        for series in family.series.iter().filter(|s| !s.is_overflow()).chain(family.overflow_series()) {
            let Some(series) = reading.begin(series)? else { continue };
            let (end, was_first) = (out.len(), first);
            for bucket in 0..series.gates().len() {
                put_bucket(&series, &reading, bucket, out, &mut first)?;
            }
            if !reading.is_one_life(&series) {
                out.truncate(end);
                first = was_first;
            }
        }
    }
    out.put_str("]}\n");
    out.finish().map_err(|_| out_of_memory())
}

/// One sample of a series with its exemplars, oldest first as Prometheus has them; nothing if there are none.
fn put_bucket(
    series: &Handle,
    reading: &Reading,
    bucket: usize,
    out: &mut Buffer,
    first: &mut bool,
) -> Result<(), Error> {
    let family = &*series.family;
    let mut found = Pushed::new();
    series.each_in_ring(bucket, |shown, words| found.push(exemplar(&shown, words)?))?;
    let mut found = found.into_vec();
    if found.is_empty() {
        return Ok(());
    }
    sort(&mut found, &|a, b| (a.timestamp_ms, a.value.to_bits()) > (b.timestamp_ms, b.value.to_bits()));
    out.put_str(if *first { "" } else { "," });
    *first = false;
    let histogram = family.kind == Kind::Histogram;
    out.put_str("{\"seriesLabels\":{\"__name__\":");
    let mut name = Buffer::new();
    name.put_str(&family.name);
    name.put_str(if histogram { "_bucket" } else { "_total" });
    put_string(out, core::str::from_utf8(name.as_slice()).unwrap_or_default());
    for (label, value) in family.label_names.iter().zip(reading.label_values()).filter(|(_, value)| !value.is_empty()) {
        put_member(out, label, value);
    }
    if histogram {
        let bound = family.bounds.as_slice().get(bucket).copied().unwrap_or(f64::INFINITY);
        let mut le = Buffer::new();
        put_float(&mut le, bound);
        put_member(out, "le", core::str::from_utf8(le.as_slice()).unwrap_or_default());
    }
    out.put_str("},\"exemplars\":[");
    for (place, exemplar) in found.iter().enumerate() {
        out.put_str(if place == 0 { "" } else { "," });
        put_one(family, exemplar, out);
    }
    out.put_str("]}");
    Ok(())
}

fn put_one(family: &Family, exemplar: &Exemplar, out: &mut Buffer) {
    let settings = &family.core.settings;
    out.put_str("{\"labels\":{");
    let mut open = "";
    let trace = exemplar.trace_id.map(TraceId::to_hex);
    let span = exemplar.span_id.map(SpanId::to_hex);
    let ids = [
        (&settings.trace_id_label, trace.as_ref().map(<[u8; 32]>::as_slice)),
        (&settings.span_id_label, span.as_ref().map(<[u8; 16]>::as_slice)),
    ];
    for (label, digits) in ids {
        let Some(digits) = digits.and_then(|digits| core::str::from_utf8(digits).ok()) else { continue };
        out.put_str(open);
        put_string(out, label);
        out.put_str(":");
        put_string(out, digits);
        open = ",";
    }
    for (label, value) in &exemplar.labels {
        out.put_str(open);
        put_string(out, label);
        out.put_str(":");
        put_string(out, value);
        open = ",";
    }
    out.put_str("},\"value\":\"");
    put_float(out, exemplar.value);
    out.put_str("\",\"timestamp\":");
    put_timestamp_ms(out, exemplar.timestamp_ms);
    out.put_str("}");
}

fn put_member(out: &mut Buffer, name: &str, value: &str) {
    out.put_str(",");
    put_string(out, name);
    out.put_str(":");
    put_string(out, value);
}

/// A JSON string: `"`, `\` and control characters are escaped.
fn put_string(out: &mut Buffer, text: &str) {
    out.put_str("\"");
    for part in text.split_inclusive(|c: char| c == '"' || c == '\\' || c < ' ') {
        let mut rest = part.chars();
        match rest.next_back() {
            Some(last) if last == '"' || last == '\\' || last < ' ' => {
                out.put_str(rest.as_str());
                put_escape(out, last);
            }
            _ => out.put_str(part),
        }
    }
    out.put_str("\"");
}

fn put_escape(out: &mut Buffer, character: char) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let code = character as u32;
    match character {
        '"' => out.put_str("\\\""),
        '\\' => out.put_str("\\\\"),
        _ => {
            out.put_str("\\u00");
            for digit in [code >> 4 & 15, code & 15] {
                out.put_byte(DIGITS.get(digit as usize).copied().unwrap_or(b'0'));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorting_agrees_with_the_library() {
        let mut x = 1_u64;
        for count in 0..200_usize {
            let mut items: Vec<u64> = (0..count)
                .map(|_| {
                    x = x.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
                    x >> 58
                })
                .collect();
            let mut wanted = items.clone();
            wanted.sort_unstable_by(|a, b| b.cmp(a));
            sort(&mut items, &|a, b| a < b);
            assert_eq!(items, wanted);
        }
    }

    #[test]
    fn strings_are_escaped() {
        let mut out = Buffer::new();
        put_string(&mut out, "a\"b\\c\nd\u{1}é\u{1F600}");
        assert_eq!(out.as_slice(), "\"a\\\"b\\\\c\\u000ad\\u0001é\u{1F600}\"".as_bytes());
    }
}
