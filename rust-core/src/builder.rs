//! Families are described step by step, and then registered.

use core::marker::PhantomData;

use crate::error::Error;
use crate::exemplar::{Adaptive, Filter, Policy};
use crate::family::Kind;
use crate::handles::{FamilyHandle, Parts};
use crate::hooks::{ExemplarLabels, Hooks, SlowRequest};
use crate::register::FamilySpec;
use crate::registry::Registry;
use crate::trace::TraceContext;

/// Settings of a family, given one by one and then registered.
#[must_use = "a family is registered by `register`"]
pub struct FamilyBuilder<'a, F> {
    registry: &'a Registry,
    spec: FamilySpec<'a>,
    hooks: Hooks,
    /// The first error of a step that cannot return one.
    failed: Option<Error>,
    family: PhantomData<F>,
}

impl<'a, F: FamilyHandle> FamilyBuilder<'a, F> {
    pub(crate) fn new(registry: &'a Registry, kind: Kind, name: &'a str, help: &'a str) -> Self {
        let spec = FamilySpec::new(kind, name, help);
        FamilyBuilder { registry, spec, hooks: Hooks::default(), failed: None, family: PhantomData }
    }

    pub(crate) fn hook(mut self, set: impl FnOnce(&mut Hooks) -> Result<(), Error>) -> Self {
        if let Err(error) = set(&mut self.hooks) {
            self.failed = self.failed.or(Some(error));
        }
        self
    }

    /// The names of the labels. Default none.
    pub fn labels(mut self, names: &'a [&'a str]) -> Self {
        self.spec.label_names = names;
        self
    }

    /// The unit, which must be the end of the name: `seconds`, `bytes`. Default none.
    pub fn unit(mut self, unit: &'a str) -> Self {
        self.spec.unit = unit;
        self
    }

    /// The upper bounds of the buckets, rising; +Inf is there by itself. Default [`DEFAULT_BOUNDS`](crate::buckets::DEFAULT_BOUNDS). Without a
    /// meaning for counters and gauges.
    pub fn bounds(mut self, bounds: &'a [f64]) -> Self {
        if self.spec.kind == Kind::Histogram {
            self.spec.bounds = bounds;
        }
        self
    }

    /// Which trace contexts may become exemplars. Default those of sampled spans.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.spec.rules.filter = Some(filter);
        self
    }

    /// Which offer of a window is kept. Default the slowest for histograms, a uniform sample for counters.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.spec.rules.policy = Some(policy);
        self
    }

    /// The least value that is offered, in the unit of the metric: `0.5` for "only above 500 ms". Smaller ones are counted
    /// and never looked at. Default none; NaN is refused. Explicit exemplars are not held to it.
    pub fn minimum_value(mut self, least: f64) -> Self {
        self.spec.rules.minimum_value = Some(least);
        self
    }

    /// The part of the offers that is kept, from 0 to 1. Each offer that beats its window is drawn for by a lot of its own;
    /// those that lose are counted as dropped by `filter`. Default 1. Explicit exemplars are not drawn for.
    pub fn probability(mut self, part: f64) -> Self {
        self.spec.rules.probability = Some(part);
        self
    }

    /// Samples by where a value lies: all above the p99, one in ten below that down to an edge, one in a hundred below the
    /// edge. Histograms only. What loses its lot is counted as dropped by `filter`.
    pub fn adaptive(mut self, adaptive: Adaptive) -> Self {
        self.spec.rules.adaptive = Some(Some(adaptive));
        self
    }

    /// Does not sample adaptively, where the registry's default says so.
    pub fn not_adaptive(mut self) -> Self {
        self.spec.rules.adaptive = Some(None);
        self
    }

    /// How many windows a bucket remembers, from 4 to 19. Default 11, which serves eight scrapers without loss; 7 take 512
    /// bytes for each bucket instead of 768.
    pub fn slots(mut self, slots: u32) -> Self {
        self.spec.rules.slots = Some(slots);
        self
    }

    /// The age in seconds after which an exemplar is not shown again, from 1 to 86,400. Default 90. It must not be less than
    /// the longest scrape interval.
    pub fn max_age(mut self, seconds: u32) -> Self {
        self.spec.rules.max_age_seconds = Some(seconds);
        self
    }

    /// A function that decides about offers: true keeps one. It is called with the value and the span of what would be
    /// written otherwise, in the observing thread. It may observe in turn, also here; eight deep no function is
    /// asked any more, and what is observed is only counted. What it refuses is counted as dropped by `filter`; a panic refuses.
    /// Explicit exemplars are not shown to it.
    pub fn exemplar_filter(self, keep: impl Fn(f64, TraceContext) -> bool + Send + Sync + 'static) -> Self {
        self.hook(|hooks| hooks.set_filter(keep))
    }

    /// A function that adds labels to exemplars, such as a request id. It is called for what is about to be written, in the
    /// observing thread; its labels come after those of the call, under the same limit of 128 code points. **Whoever can
    /// scrape can read them.** Explicit exemplars stay as they are given.
    pub fn exemplar_labels(self, add: impl Fn(&mut ExemplarLabels<'_, '_>) + Send + Sync + 'static) -> Self {
        self.hook(|hooks| {
            hooks.set_labels(move |labels| {
                add(labels);
                true
            })
        })
    }

    /// A function that is told of each offer that became an exemplar, with its value and span: to mark the span, so that
    /// a tail sampler keeps the trace. With the feature `opentelemetry`, `mark_spans` does that by itself.
    pub fn on_admitted(self, tell: impl Fn(f64, TraceContext) + Send + Sync + 'static) -> Self {
        self.hook(|hooks| {
            hooks.set_admitted(move |value, trace| {
                tell(value, trace);
                true
            })
        })
    }

    /// A function that is told of values above `threshold`, in the unit of the metric: of one in each window and series, in
    /// the observing thread, sampled or not. It runs for the methods that are given a source of spans or an
    /// exemplar, whatever the filters say, and not for `observe`, `inc` and `add`. `trace_url` is an address with `{trace_id}` and perhaps
    /// `{span_id}`, or empty for the registry's. A panic is caught and counted.
    ///
    /// A threshold that is NaN and a template without `{trace_id}` are refused by `register`.
    pub fn on_slow_request(
        self,
        threshold: f64,
        trace_url: &str,
        tell: impl Fn(&SlowRequest<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.hook(|hooks| {
            hooks.set_slow(threshold, trace_url, move |request| {
                tell(request);
                true
            })
        })
    }

    /// How many label sets the family may have. Default 2,000. What goes beyond is counted by one series whose label
    /// values are all `spanpin_overflow`.
    pub fn max_series(mut self, most: u32) -> Self {
        self.spec.max_series = most;
        self
    }

    /// Registers the family.
    ///
    /// # Errors
    /// `InvalidName`, `InvalidLabelName`, `ReservedLabel`, `DuplicateLabel`, `InvalidUnit`, `InvalidBounds`,
    /// `NameClash`, `ShapeMismatch`, `DuplicateName`, `InvalidOption`, `SegmentFull`, `OutOfMemory`; each says what was wrong, what is
    /// allowed, and what to do.
    pub fn register(self) -> Result<F, Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let family = self.registry.register(&self.spec, self.hooks)?;
        Ok(F::from_parts(Parts { core: self.registry.core.clone(), family }))
    }
}
