//! A registry's families as plain data.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::core::Core;
use crate::error::Error;
use crate::exemplar::scrapers;
use crate::family::{Family, Kind};
use crate::labels::StoredLabels;
use crate::memory::{Pushed, copy_slice};
use crate::reading::{Reading, Shown};
use crate::segment::boxed_str;
use crate::trace::{SpanId, TraceId};

/// All families at one moment, in the order of their registration.
#[derive(Debug)]
pub struct Snapshot {
    /// The families that have a series.
    pub families: Vec<FamilySnapshot>,
}

/// A family and its series, in the order of their creation.
#[derive(Debug)]
pub struct FamilySnapshot {
    /// What it counts.
    pub kind: Kind,
    /// Its name; that of a counter without `_total`.
    pub name: Box<str>,
    /// Its help text, possibly empty.
    pub help: Box<str>,
    /// Its unit, possibly empty.
    pub unit: Box<str>,
    /// The finite upper bounds of a histogram's buckets.
    pub bounds: Box<[f64]>,
    /// Its series.
    pub series: Vec<SeriesSnapshot>,
}

/// One series.
#[derive(Debug)]
pub struct SeriesSnapshot {
    /// Names and values of its labels; empty values are left out.
    pub labels: Vec<(Box<str>, Box<str>)>,
    /// What it has counted.
    pub value: Value,
}

/// What a series has counted.
#[derive(Debug)]
pub enum Value {
    /// A total and its exemplar.
    Counter(f64, Option<Exemplar>),
    /// A value.
    Gauge(f64),
    /// Counts of the buckets, the last one up to +Inf, not cumulative; the sum; one exemplar at most for each bucket.
    Histogram {
        /// Counts of the buckets.
        counts: Box<[u64]>,
        /// Sum of the observations.
        sum: f64,
        /// The exemplars of the buckets.
        exemplars: Vec<Option<Exemplar>>,
    },
}

/// An observation that leads to its trace.
#[derive(Debug)]
pub struct Exemplar {
    /// The value observed.
    pub value: f64,
    /// When, in milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
    /// The trace it was made in.
    pub trace_id: Option<TraceId>,
    /// The span it was made in.
    pub span_id: Option<SpanId>,
    /// Further labels.
    pub labels: Vec<(Box<str>, Box<str>)>,
}

pub(crate) fn snapshot(core: &Core) -> Result<Snapshot, Error> {
    core.take_up_new_records();
    let now_ms = core.clock.mono_ms();
    let turn = scrapers::look(&core.header);
    let mut reading = Reading::new();
    let mut families = Pushed::new();
    for family in core.families.iter().filter(|family| !family.is_hidden()) {
        let mut all = Pushed::new();
        let overflow = family.overflow_series();
        for series in family.series.iter().filter(|s| !s.is_overflow()).chain(overflow) {
            if reading.read(series, Some(turn), now_ms)? && (!series.is_overflow() || !reading.is_untouched()) {
                all.push(series_snapshot(&family, &reading)?)?;
            }
        }
        if !all.is_empty() {
            families.push(FamilySnapshot {
                kind: family.kind,
                name: boxed_str(&family.name)?,
                help: boxed_str(family.help())?,
                unit: boxed_str(family.unit())?,
                bounds: copy_slice(family.bounds.as_slice())?,
                series: all.into_vec(),
            })?;
        }
    }
    Ok(Snapshot { families: families.into_vec() })
}

fn series_snapshot(family: &Family, reading: &Reading) -> Result<SeriesSnapshot, Error> {
    let mut labels = Pushed::new();
    for (name, value) in family.label_names.iter().zip(reading.label_values()) {
        if !value.is_empty() {
            labels.push((boxed_str(name)?, boxed_str(value)?))?;
        }
    }
    let mut exemplars = Pushed::new();
    for shown in reading.exemplars.iter() {
        exemplars.push(match shown {
            Some(shown) => Some(exemplar(shown, reading.label_words(shown))?),
            None => None,
        })?;
    }
    let mut exemplars = exemplars.into_vec();
    let value = match family.kind {
        Kind::Counter => {
            let whole = reading.counts.first().copied().unwrap_or(0);
            Value::Counter(whole as f64 + reading.float, exemplars.pop().flatten())
        }
        Kind::Gauge => Value::Gauge(reading.float),
        Kind::Histogram => Value::Histogram { counts: copy_slice(&reading.counts)?, sum: reading.float, exemplars },
    };
    Ok(SeriesSnapshot { labels: labels.into_vec(), value })
}

pub(crate) fn exemplar(shown: &Shown, words: &[u64]) -> Result<Exemplar, Error> {
    let mut labels = Pushed::new();
    for (name, value) in StoredLabels::from_words(words).iter() {
        labels.push((boxed_str(name)?, boxed_str(value)?))?;
    }
    Ok(Exemplar {
        value: shown.value,
        timestamp_ms: shown.stamp_ms,
        trace_id: shown.trace,
        span_id: shown.span,
        labels: labels.into_vec(),
    })
}
