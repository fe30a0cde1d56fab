//! The two text formats. They differ in the header of a family, in what OpenMetrics forbids, and in the exemplars that
//! only OpenMetrics can carry. Numbers and `le` are spelled alike, so that a series keeps its identity when a scraper
//! changes the format.

use alloc::boxed::Box;

use super::number::{put_float, put_timestamp_ms};
use crate::buffer::Buffer;
use crate::core::Settings;
use crate::error::Error;
use crate::family::{Family, Kind};
use crate::labels::{StoredLabels, put_escaped, put_escaped_text_help};
use crate::memory::{copy_slice, out_of_memory};
use crate::negotiate::Format;
use crate::reading::{Reading, Shown};

/// The head of a family, as far as a format writes it.
pub(crate) struct Head<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: Kind,
    pub(crate) unit: &'a str,
    pub(crate) help: &'a str,
}

/// Writes the metadata lines of a family. Empty ones are left out: a HELP line without text fails a scrape.
pub(crate) fn put_head(out: &mut Buffer, format: Format, head: &Head<'_>) {
    match format {
        Format::OpenMetrics1 => {
            put_meta(out, "# TYPE ", head.name, "", head.kind.as_str());
            if !head.unit.is_empty() {
                put_meta(out, "# UNIT ", head.name, "", head.unit);
            }
            if !head.help.is_empty() {
                put_meta_name(out, "# HELP ", head.name, "");
                put_escaped(out, head.help);
                out.put_str("\n");
            }
        }
        Format::Text004 => {
            // This format names a counter as its sample.
            let end = if head.kind == Kind::Counter { "_total" } else { "" };
            if !head.help.is_empty() {
                put_meta_name(out, "# HELP ", head.name, end);
                put_escaped_text_help(out, head.help);
                out.put_str("\n");
            }
            put_meta(out, "# TYPE ", head.name, end, head.kind.as_str());
        }
    }
}

fn put_meta_name(out: &mut Buffer, word: &str, name: &str, end: &str) {
    out.put_str(word);
    out.put_str(name);
    out.put_str(end);
    out.put_str(" ");
}

fn put_meta(out: &mut Buffer, word: &str, name: &str, end: &str, text: &str) {
    put_meta_name(out, word, name, end);
    out.put_str(text);
    out.put_str("\n");
}

/// Where and how a series is written.
pub(crate) struct Writer<'a> {
    pub(crate) out: &'a mut Buffer,
    pub(crate) format: Format,
    pub(crate) settings: &'a Settings,
}

impl Writer<'_> {
    /// Writes the lines of a series.
    pub(crate) fn put_series(&mut self, family: &Family, reading: &Reading) {
        match family.kind {
            Kind::Counter => self.put_counter(family, reading),
            Kind::Gauge => {
                put_sample_name(self.out, &family.name, "", reading.rendered_labels());
                put_float(self.out, reading.float);
                self.out.put_str("\n");
            }
            Kind::Histogram => self.put_histogram(family, reading),
        }
    }

    fn put_counter(&mut self, family: &Family, reading: &Reading) {
        put_sample_name(self.out, &family.name, "_total", reading.rendered_labels());
        let whole = reading.counts.first().copied().unwrap_or(0);
        if reading.float == 0.0 {
            self.out.put_u64(whole);
        } else {
            put_float(self.out, whole as f64 + reading.float);
        }
        self.put_exemplar(reading, 0);
        self.out.put_str("\n");
    }

    fn put_histogram(&mut self, family: &Family, reading: &Reading) {
        let labels = reading.rendered_labels();
        let mut cumulative = 0_u64;
        // What all buckets begin with is put together once.
        let start = self.out.len();
        put_bucket_name(self.out, &family.name, labels);
        let end = self.out.len();
        for (bucket, (count, le)) in reading.counts.iter().zip(&family.le).enumerate() {
            cumulative = cumulative.wrapping_add(*count);
            if bucket > 0 {
                self.out.put_again(start, end);
            }
            self.out.put(le);
            self.out.put_u64(cumulative);
            self.put_exemplar(reading, bucket);
            self.out.put_str("\n");
        }
        // OpenMetrics allows neither a sum that may fall nor a count without a sum.
        let falls = family.bounds.as_slice().first().is_some_and(|bound| *bound < 0.0);
        let sum = reading.float;
        if self.format == Format::OpenMetrics1 && (falls || sum < 0.0 || sum.is_nan()) {
            return;
        }
        put_sample_name(self.out, &family.name, "_count", labels);
        self.out.put_u64(cumulative);
        self.out.put_str("\n");
        put_sample_name(self.out, &family.name, "_sum", labels);
        put_float(self.out, sum);
        self.out.put_str("\n");
    }

    fn put_exemplar(&mut self, reading: &Reading, bucket: usize) {
        if self.format != Format::OpenMetrics1 {
            return;
        }
        if let Some(Some(shown)) = reading.exemplars.get(bucket) {
            put_exemplar(self.out, self.settings, shown, reading.label_words(shown));
        }
    }
}

/// `name_suffix{labels} `
pub(crate) fn put_sample_name(out: &mut Buffer, name: &str, suffix: &str, labels: &[u8]) {
    out.put_str(name);
    out.put_str(suffix);
    if !labels.is_empty() {
        out.put_str("{");
        out.put(labels);
        out.put_str("}");
    }
    out.put_str(" ");
}

/// `name_bucket{labels,`, to be followed by the bucket's `le`.
fn put_bucket_name(out: &mut Buffer, name: &str, labels: &[u8]) {
    out.put_str(name);
    out.put_str("_bucket{");
    if !labels.is_empty() {
        out.put(labels);
        out.put_str(",");
    }
}

/// What stands before the ids of an exemplar, rendered once.
pub(crate) struct ExemplarStart {
    /// ` # {trace_id="`
    trace: Box<[u8]>,
    /// `,span_id="`
    span: Box<[u8]>,
    /// ` # {span_id="`
    span_first: Box<[u8]>,
}

impl ExemplarStart {
    pub(crate) fn new(trace_label: &str, span_label: &str) -> Result<Self, Error> {
        let rendered = |before: &str, label: &str| {
            let mut text = Buffer::new();
            text.put_str(before);
            text.put_str(label);
            text.put_str("=\"");
            text.finish().map_err(|_| out_of_memory())?;
            copy_slice(text.as_slice())
        };
        Ok(ExemplarStart {
            trace: rendered(" # {", trace_label)?,
            span: rendered(",", span_label)?,
            span_first: rendered(" # {", span_label)?,
        })
    }
}

/// ` # {trace_id="...",span_id="..."} value seconds`
fn put_exemplar(out: &mut Buffer, settings: &Settings, shown: &Shown, words: &[u64]) {
    let start = &settings.exemplar_start;
    let mut open = " # {";
    if let Some(trace) = shown.trace {
        out.put(&start.trace);
        out.put(&trace.to_hex());
        out.put_str("\"");
        open = ",";
    }
    if let Some(span) = shown.span {
        out.put(if shown.trace.is_some() { &start.span } else { &start.span_first });
        out.put(&span.to_hex());
        out.put_str("\"");
        open = ",";
    }
    if !words.is_empty() {
        for (name, value) in StoredLabels::from_words(words).iter() {
            put_pair(out, open, name, value.as_bytes());
            open = ",";
        }
    }
    if open != "," {
        // Damaged label words; an empty label set is refused by some receivers.
        return;
    }
    out.put_str("} ");
    put_float(out, shown.value);
    out.put_str(" ");
    put_timestamp_ms(out, shown.stamp_ms);
}

fn put_pair(out: &mut Buffer, before: &str, name: &str, value: &[u8]) {
    out.put_str(before);
    out.put_str(name);
    out.put_str("=\"");
    out.put(value);
    out.put_str("\"");
}
