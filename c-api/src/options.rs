//! What registries and families are made with.

use core::ffi::CStr;

use spanpin::buffer::Buffer;
use spanpin::{
    Adaptive, Error, ErrorCode, Filter, LowerEdge, Policy, RegistryOptions, RuleOptions, ScraperIdentity, VARIABLES,
};

use crate::boundary::{Array, environment, spanpin_str};
use crate::hooks::spanpin_hooks;

/// The lower edge of adaptive sampling is a part of the p99.
pub const SPANPIN_ADAPTIVE_OF_P99: u32 = 1;
/// The lower edge of adaptive sampling is the p95.
pub const SPANPIN_ADAPTIVE_P95: u32 = 2;
/// No adaptive sampling, whatever the default of the registry.
pub const SPANPIN_ADAPTIVE_OFF: u32 = 3;

/// A switch is on, whatever the environment says; 0 leaves it to the environment.
pub const SPANPIN_SWITCH_ON: u8 = 1;
/// A switch is off, whatever the environment says.
pub const SPANPIN_SWITCH_OFF: u8 = 2;

/// How exemplars are chosen. Zero in a field asks for the default: that of the registry, otherwise what stands here.
/// Explicit exemplars are held to the filter ALWAYS_OFF only.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct spanpin_exemplar_rules {
    /// Which spans may become exemplars: SPANPIN_FILTER_... 0: TRACE_BASED.
    filter: u32,
    /// Which offer of a window is kept: SPANPIN_POLICY_... 0: SLOWEST for histograms, UNIFORM for counters.
    policy: u32,
    /// How many windows a bucket remembers, 4 to 19. 0: 11, which serves eight scrapers without loss.
    slots: u32,
    /// The age in seconds after which an exemplar is not shown again, 1 to 86400; not less than the longest scrape
    /// interval. 0: 90.
    max_age_s: u32,
    /// The least value that is offered, in the unit of the metric; -DBL_TRUE_MIN for a least of 0. 0: none.
    minimum_value: f64,
    /// The part of the offers that is kept, above 0 and at most 1. 0: all.
    probability: f64,
    /// SPANPIN_ADAPTIVE_...: sampling by where a value lies, for histograms: every offer above the p99 of a moving window,
    /// one in ten from the lower edge up to it, one in a hundred below; every one before there are 100 observations. 0: that of the
    /// registry, otherwise off.
    adaptive: u32,
    /// The length of that window in seconds, 60 to 300. 0: 120.
    adaptive_window_s: u32,
    /// The lower edge as a part of the p99, above 0 and at most 1, with SPANPIN_ADAPTIVE_OF_P99. 0: 0.8.
    adaptive_lower: f64,
    /// A p99 of your own in place of that of the buckets; spanpin_family_set_p99 changes it. 0: that of the buckets.
    adaptive_p99: f64,
}

impl spanpin_exemplar_rules {
    /// The rules as the core takes them.
    pub(crate) fn core(&self) -> Result<RuleOptions, Error> {
        Ok(RuleOptions {
            filter: choice(self.filter, Filter::from_u32, "filter", "0 to 3 (SPANPIN_FILTER_...)")?,
            policy: choice(self.policy, Policy::from_u32, "policy", "0 to 3 (SPANPIN_POLICY_...)")?,
            slots: given(self.slots),
            max_age_seconds: given(self.max_age_s),
            minimum_value: given(self.minimum_value),
            probability: given(self.probability),
            adaptive: self.adaptive()?,
        })
    }

    fn adaptive(&self) -> Result<Option<Option<Adaptive>>, Error> {
        let usual = Adaptive::default();
        let lower = match self.adaptive {
            0 => return Ok(None),
            SPANPIN_ADAPTIVE_OF_P99 => given(self.adaptive_lower).map_or(usual.lower, LowerEdge::OfP99),
            SPANPIN_ADAPTIVE_P95 => LowerEdge::P95,
            SPANPIN_ADAPTIVE_OFF => return Ok(Some(None)),
            other => return Err(bad_number("adaptive", other, "0 to 3 (SPANPIN_ADAPTIVE_...)")),
        };
        let window_seconds = given(self.adaptive_window_s).unwrap_or(usual.window_seconds);
        Ok(Some(Some(Adaptive { lower, window_seconds, p99: given(self.adaptive_p99) })))
    }
}

/// What a field says; 0 says nothing.
fn given<T: Copy + PartialEq + Default>(number: T) -> Option<T> {
    Some(number).filter(|number| *number != T::default())
}

/// A numbered choice; 0 leaves it to the library.
pub(crate) fn choice<T>(
    number: u32,
    known: impl Fn(u32) -> Option<T>,
    what: &str,
    allowed: &str,
) -> Result<Option<T>, Error> {
    match number {
        0 => Ok(None),
        number => known(number).map(Some).ok_or_else(|| bad_number(what, number, allowed)),
    }
}

/// A switch; 0 leaves it to the environment.
fn switch(what: &str, number: u8) -> Result<Option<bool>, Error> {
    let known = |number| match number as u8 {
        SPANPIN_SWITCH_ON => Some(true),
        SPANPIN_SWITCH_OFF => Some(false),
        _ => None,
    };
    choice(number.into(), known, what, "0 to 2 (SPANPIN_SWITCH_...)")
}

/// One error that says what two say.
fn both(first: &Error, second: &Error) -> Error {
    let mut message = Buffer::new();
    message.put_str(first.message());
    message.put_str("; ");
    message.put_str(second.message());
    Error::new(ErrorCode::InvalidOption, message)
}

/// The options that the environment asks for, and what is wrong in it.
pub(crate) fn from_environment() -> (RegistryOptions<'static>, Option<Error>) {
    let mut options = RegistryOptions::default();
    let mut wrong = None;
    for name in VARIABLES {
        let mut buffer = [0; 64];
        for (to, from) in buffer.iter_mut().zip(name.bytes()) {
            *to = from;
        }
        let Ok(terminated) = CStr::from_bytes_until_nul(&buffer) else { continue };
        if let Some(value) = environment(terminated)
            && let Err(error) = options.set_variable_bytes(name, value)
        {
            wrong = Some(match wrong {
                None => error,
                Some(before) => both(&before, &error),
            });
        }
    }
    (options, wrong)
}

/// How a registry is made. Zero in a field asks for the default: what the environment says, see
/// spanpin_environment_check, otherwise what stands here.
#[repr(C)]
pub struct spanpin_registry_options {
    /// Address space for all families and exemplars; pages become memory as they are used. 0: 256 MiB.
    reserve_bytes: usize,
    /// The most memory exemplars may take. 0: 64 MiB.
    exemplar_bytes: usize,
    /// Not 0: pages do not end with the registry's own spanpin_* metrics.
    self_metrics_off: u8,
    /// How scrapers are told apart: SPANPIN_SCRAPER_IDENTITY_... 0: by address.
    scraper_identity: u8,
    /// The exemplar label of trace ids. Empty: trace_id.
    trace_id_label: spanpin_str,
    /// The exemplar label of span ids. Empty: span_id.
    span_id_label: spanpin_str,
    /// How exemplars are chosen in families that do not say.
    rules: spanpin_exemplar_rules,
    /// SPANPIN_SWITCH_ON: ids in explicit exemplars keep the names that they are given under, such as traceID; their values
    /// are written in the one format all the same. SPANPIN_SWITCH_OFF: every spelling becomes the two labels above. 0: OFF.
    keep_names: u8,
    /// Where traces are found, with {trace_id} and perhaps {span_id} in it, for families that report slow requests.
    trace_url: spanpin_str,
    /// The path of the file that holds the segment, for processes that count together and counts that outlive a process:
    /// made if there is none. Empty: SPANPIN_SEGMENT, otherwise, or with segment_off, the process' own memory. See spanpin_registry_take_segment_notice.
    segment: spanpin_str,
    /// The permission bits of that file; a file that allows more is not used. 0: 0600.
    segment_mode: u32,
    /// Not 0: a segment that cannot be used, or that holds a family in another shape, is an error.
    strict: u8,
    /// Not 0: the process' own memory, whatever SPANPIN_SEGMENT says; `segment` must then be empty.
    segment_off: u8,
}

impl spanpin_registry_options {
    /// The core's options. A C program that wants none of the exemplar memory switches the filter off instead.
    pub(crate) fn core(&self) -> Result<RegistryOptions<'_>, Error> {
        let mut options = from_environment().0;
        options.self_metrics = self.self_metrics_off == 0;
        if self.reserve_bytes != 0 {
            options.reserve_bytes = self.reserve_bytes;
        }
        if self.exemplar_bytes != 0 {
            options.exemplar_bytes = self.exemplar_bytes;
        }
        let allowed = "0 to 3 (SPANPIN_SCRAPER_IDENTITY_...)";
        let identity = choice(self.scraper_identity.into(), ScraperIdentity::from_u32, "scraper_identity", allowed)?;
        options.scraper_identity = identity.unwrap_or(options.scraper_identity);
        let trace_id_label = self.trace_id_label.text("trace_id_label")?;
        if !trace_id_label.is_empty() {
            options.trace_id_label = trace_id_label;
        }
        let span_id_label = self.span_id_label.text("span_id_label")?;
        if !span_id_label.is_empty() {
            options.span_id_label = span_id_label;
        }
        options.rules = self.rules.core()?.or(&options.rules);
        options.keep_names = switch("keep_names", self.keep_names)?.unwrap_or(options.keep_names);
        let trace_url = self.trace_url.text("trace_url")?;
        if !trace_url.is_empty() {
            options.trace_url = trace_url;
        }
        let segment = self.segment.text("segment")?;
        if !segment.is_empty() {
            options.segment = Some(segment);
        }
        if self.segment_off != 0 {
            if !segment.is_empty() {
                let text = " is given together with segment_off: leave one of them out";
                return Err(Error::quoting(ErrorCode::InvalidOption, "segment ", segment, text));
            }
            options.segment = None;
        }
        if self.segment_mode != 0 {
            options.segment_mode = self.segment_mode;
        }
        options.strict |= self.strict != 0;
        Ok(options)
    }
}

/// The error for a number that is none of those allowed.
pub(crate) fn bad_number(what: &str, number: u32, allowed: &str) -> Error {
    let mut message = Buffer::new();
    message.put_str(what);
    message.put_str(" is ");
    message.put_u64(number.into());
    message.put_str(": it must be ");
    message.put_str(allowed);
    Error::new(ErrorCode::InvalidOption, message)
}

/// What a family is to be. Zero in a field asks for the default, except `kind` and `name`, which must be given.
#[repr(C)]
pub struct spanpin_family_options {
    /// SPANPIN_KIND_COUNTER, SPANPIN_KIND_GAUGE or SPANPIN_KIND_HISTOGRAM.
    pub(crate) kind: u32,
    /// The name, [a-zA-Z_:][a-zA-Z0-9_:]*. A counter's may end in _total or not; the page has that once.
    pub(crate) name: spanpin_str,
    /// The help text; empty for none.
    pub(crate) help: spanpin_str,
    /// The unit; the name must then end in _ and the unit. Empty for none.
    pub(crate) unit: spanpin_str,
    /// The first of the label names; may be NULL when there are none.
    label_names: Array<spanpin_str>,
    /// The number of label names.
    label_names_len: usize,
    /// The upper bounds of a histogram's buckets, strictly increasing. A last one of +Inf is implied and may be left
    /// out. NULL with length 0: 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10.
    bounds: Array<f64>,
    /// The number of bounds.
    bounds_len: usize,
    /// How many series the family may have; what comes after them is counted by a series whose label values are all
    /// spanpin_overflow. 0: 2000.
    pub(crate) max_series: u32,
    /// How its exemplars are chosen.
    pub(crate) rules: spanpin_exemplar_rules,
    /// Functions of the program's that the family calls.
    pub(crate) hooks: spanpin_hooks,
}

impl spanpin_family_options {
    pub(crate) fn label_names(&self) -> Result<&[spanpin_str], Error> {
        self.label_names.elements(self.label_names_len, "label_names")
    }

    /// The bounds, or nothing for the default ones. A pointer with length 0 asks for a histogram without bounds.
    pub(crate) fn bounds(&self) -> Result<Option<&[f64]>, Error> {
        let bounds = self.bounds.elements(self.bounds_len, "bounds")?;
        Ok(if self.bounds.is_null() { None } else { Some(bounds) })
    }
}
