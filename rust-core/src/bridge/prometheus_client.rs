//! Families of a spanpin registry in a registry of the crate prometheus-client.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::AtomicU64;
use std::time::{Duration, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::CounterWithExemplar;

use crate::buffer::Buffer;
use crate::core::Settings;
use crate::labels::put_escaped;
use crate::{Error, Exemplar, FamilySnapshot, Kind, Registry, Scrape, ScrapeRequest, SeriesSnapshot, Value};

type Pairs = Vec<(String, String)>;

/// Register a clone of the registry with `register_collector`, and its families appear in the other's exposition.
///
/// Counters keep their exemplars. **Buckets lose theirs**: prometheus-client has no way to be given the exemplar of a
/// bucket from outside. [`Registry::scrape_with`] keeps them all. A scrape through the collector closes no window and
/// leaves no mark.
impl Collector for Registry {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let snapshot = self.snapshot().map_err(|_| fmt::Error)?;
        snapshot.families.iter().try_for_each(|family| encode_family(&mut encoder, &self.core.settings, family))
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Registry")
    }
}

impl Registry {
    /// Answers a scrape in OpenMetrics with the families of `other` before those of this registry, exemplars of
    /// buckets and all. Do not register this registry as a collector of `other` as well.
    ///
    /// # Errors
    /// Those of [`Registry::scrape`].
    pub fn scrape_with(
        &self,
        other: &prometheus_client::registry::Registry,
        request: &ScrapeRequest<'_>,
    ) -> Result<Scrape, Error> {
        let mut text = String::new();
        // Writing to a String cannot fail; a foreign collector can, in the middle of a line.
        if encode_registry(&mut text, other).is_err() {
            text.truncate(text.rfind('\n').map_or(0, |end| end.saturating_add(1)));
        }
        let openmetrics = ScrapeRequest { accept: "application/openmetrics-text", ..*request };
        crate::encode::scrape_after(&self.core, &openmetrics, text.as_bytes())
    }
}

fn encode_family(
    encoder: &mut DescriptorEncoder<'_>,
    settings: &Settings,
    family: &FamilySnapshot,
) -> Result<(), fmt::Error> {
    let kind = match family.kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
    };
    // The other crate writes help texts as they are.
    let mut help = Buffer::new();
    put_escaped(&mut help, &family.help);
    let help = core::str::from_utf8(help.as_slice()).unwrap_or_default();
    // Its names get the unit appended, ours have it.
    let mut metric = encoder.encode_descriptor(&family.name, help, None, kind)?;
    for series in &family.series {
        let labels = pairs(&series.labels);
        if labels.is_empty() {
            // It would write empty braces.
            encode_series(&mut metric, settings, family, series)?;
        } else {
            encode_series(&mut metric.encode_family(&labels)?, settings, family, series)?;
        }
    }
    Ok(())
}

fn encode_series(
    metric: &mut prometheus_client::encoding::MetricEncoder<'_>,
    settings: &Settings,
    family: &FamilySnapshot,
    series: &SeriesSnapshot,
) -> Result<(), fmt::Error> {
    match &series.value {
        Value::Counter(total, exemplar) => {
            let carrier = CounterWithExemplar::<Pairs, f64, AtomicU64>::default();
            if let Some(exemplar) = exemplar {
                let at = UNIX_EPOCH.checked_add(Duration::from_millis(exemplar.timestamp_ms));
                carrier.inc_by(exemplar.value, Some(exemplar_labels(settings, exemplar)), at);
            }
            metric.encode_counter(total, carrier.get().1.as_ref())
        }
        Value::Gauge(value) => metric.encode_gauge(value),
        Value::Histogram { counts, sum, .. } => {
            let bounds = family.bounds.iter().copied().chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(counts.iter().copied()).collect();
            let count = counts.iter().fold(0_u64, |sum, count| sum.wrapping_add(*count));
            metric.encode_histogram::<Pairs>(*sum, count, &buckets, None)
        }
    }
}

fn exemplar_labels(settings: &Settings, exemplar: &Exemplar) -> Pairs {
    let ids = [
        exemplar.trace_id.map(|id| (String::from(&*settings.trace_id_label), alloc::format!("{id}"))),
        exemplar.span_id.map(|id| (String::from(&*settings.span_id_label), alloc::format!("{id}"))),
    ];
    ids.into_iter().flatten().chain(pairs(&exemplar.labels)).collect()
}

fn pairs(labels: &[(alloc::boxed::Box<str>, alloc::boxed::Box<str>)]) -> Pairs {
    labels.iter().map(|(name, value)| (String::from(&**name), String::from(&**value))).collect()
}
