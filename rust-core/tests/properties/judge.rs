//! What every answer must hold, whoever recorded and whoever asks: each exemplar whole, inside its bucket, counted in the
//! same body and not too old, and for each scraper no step back in time.
//!
//! It reads the text of an exposition and knows of the observations by number, so that it serves any test that records
//! numbered observations, in one thread, in many, or in several processes.

use std::collections::HashMap;

use spanpin::{SpanId, TraceContext, TraceId};

/// An exemplar older than this must not be shown.
pub const AGE_MOST_MS: u64 = 90_000;

/// What is known of an observation.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// The sample it was made for, without `le`: `h_bucket{l="x"}`, `c_total`.
    pub series: String,
    pub value: f64,
    /// The labels of its exemplar, as they are written between the braces.
    pub labels: String,
    /// The least its bucket, or its counter, has counted once it is counted.
    pub total: f64,
    /// The monotonic clock when it was made.
    pub mono_ms: u64,
}

/// An exemplar in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The number of the observation.
    pub n: u64,
    pub stamp_ms: u64,
}

/// A sample of an answer that can carry an exemplar.
#[derive(Clone, Debug)]
pub struct Sample {
    pub series: String,
    /// The number of the bucket in its series; 0 for a counter.
    pub bucket: usize,
    pub shown: Option<Shown>,
}

/// The trace context of observation `n`. Both ids follow from the number, so that a mixture of two observations shows.
pub fn context(n: u64, sampled: bool) -> TraceContext {
    let trace = TraceId::from_u64s(n.wrapping_mul(0x9E37_79B9_7F4A_7C15), n).unwrap();
    TraceContext::new(trace, SpanId::from_u64(n | 1 << 63).unwrap(), u8::from(sampled))
}

/// The labels of [`context`], as they are written.
pub fn id_labels(n: u64) -> String {
    let context = context(n, true);
    format!("trace_id=\"{}\",span_id=\"{}\"", context.trace_id(), context.span_id())
}

/// What was shown before, to whom.
#[derive(Default)]
pub struct Judge {
    last: HashMap<(u64, String, usize), Shown>,
}

impl Judge {
    /// Judges an answer to the scraper `who`, given when the monotonic clock was `now_ms`. `made` knows the observations.
    pub fn answer(
        &mut self,
        who: u64,
        now_ms: u64,
        body: &str,
        made: &dyn Fn(u64) -> Option<Made>,
    ) -> Result<Vec<Sample>, String> {
        let samples = read(body, made)?;
        for sample in &samples {
            let Some(shown) = sample.shown else { continue };
            let age_ms = made(shown.n).map_or(0, |made| now_ms.saturating_sub(made.mono_ms));
            if age_ms > AGE_MOST_MS {
                return Err(format!("expired: {shown:?} is {age_ms} ms old in {sample:?}"));
            }
            let place = (who, sample.series.clone(), sample.bucket);
            let before = self.last.insert(place, shown);
            if before.is_some_and(|before| before != shown && before.stamp_ms >= shown.stamp_ms) {
                return Err(format!("step back: scraper {who} is shown {shown:?} after {before:?} in {sample:?}"));
            }
        }
        Ok(samples)
    }
}

/// Reads an answer, and judges each of its exemplars by itself.
pub fn read(body: &str, made: &dyn Fn(u64) -> Option<Made>) -> Result<Vec<Sample>, String> {
    let Some(body) = body.strip_suffix("# EOF\n") else { return Err(format!("no end: {body}")) };
    let mut samples: Vec<Sample> = Vec::new();
    // The cumulative count and the bound of the bucket before.
    let mut below = (0.0, f64::NEG_INFINITY);
    for line in body.lines().filter(|line| !line.starts_with('#')) {
        let (sample, exemplar) = line.split_once(" # ").map_or((line, None), |(s, e)| (s, Some(e)));
        let (name, count) = sample.rsplit_once(' ').ok_or_else(|| format!("no value: {line}"))?;
        let count: f64 = parsed(count)?;
        let (series, le) = match name.split_once("le=\"") {
            Some((before, le)) => {
                let le = le.trim_end_matches("\"}");
                (format!("{}}}", before.trim_end_matches(',')).replace("{}", ""), parsed(le)?)
            }
            None if name.split('{').next().unwrap().ends_with("_total") => (name.to_owned(), f64::INFINITY),
            None => continue,
        };
        let follows = samples.last().is_some_and(|last| last.series == series);
        let bucket = if follows { samples.last().unwrap().bucket + 1 } else { 0 };
        if bucket == 0 {
            below = (0.0, f64::NEG_INFINITY);
        }
        if count < below.0 || le <= below.1 {
            return Err(format!("buckets do not rise: {line}"));
        }
        let shown = match exemplar {
            Some(text) => Some(exemplar_in(text, &series, (below.1, le), count - below.0, made)?),
            None => None,
        };
        below = (count, le);
        samples.push(Sample { series, bucket, shown });
    }
    Ok(samples)
}

fn exemplar_in(
    text: &str,
    series: &str,
    (above, upto): (f64, f64),
    count: f64,
    made: &dyn Fn(u64) -> Option<Made>,
) -> Result<Shown, String> {
    let whole = || text.strip_prefix('{')?.split_once("} ");
    let (labels, rest) = whole().ok_or_else(|| format!("no exemplar: {text}"))?;
    let (value, stamp) = rest.split_once(' ').ok_or_else(|| format!("no stamp: {text}"))?;
    let value: f64 = parsed(value)?;
    let n = number_of(labels).ok_or_else(|| format!("torn: no number in {text}"))?;
    let known = made(n).ok_or_else(|| format!("torn: nobody made {text}"))?;
    if known.labels != labels || known.value != value || known.series != series {
        return Err(format!("torn: {series} shows {text}, made was {known:?}"));
    }
    if !(above < value && value <= upto) {
        return Err(format!("outside its bucket: {text} in {series} above {above} up to {upto}"));
    }
    if count < known.total {
        return Err(format!("not counted: {text} is number {} of the {count} counted in {series}", known.total));
    }
    let (seconds, ms) = stamp.split_once('.').filter(|(_, ms)| ms.len() == 3).ok_or("no milliseconds")?;
    Ok(Shown { n, stamp_ms: parsed::<u64>(seconds)? * 1000 + parsed::<u64>(ms)? })
}

/// The number in the ids or, without ids, in the label `n`.
fn number_of(labels: &str) -> Option<u64> {
    let after = |name: &str| labels.split_once(name).map(|(_, rest)| rest.split('"').next().unwrap_or_default());
    if let Some(trace) = after("trace_id=\"") {
        return u64::from_str_radix(trace.get(16..32)?, 16).ok();
    }
    if let Some(span) = after("span_id=\"") {
        return u64::from_str_radix(span, 16).ok().map(|n| n & !(1 << 63));
    }
    after("n=\"")?.parse().ok()
}

fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("no number: {text}"))
}
