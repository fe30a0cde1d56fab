//! Histories: what is observed, how time goes by, who scrapes when.

use std::ops::Range;

use proptest::prelude::*;
use spanpin::{Filter, Policy};

/// Bounds of the histogram: the lowest is negative, so that there are negative values outside the first bucket.
pub const BOUNDS: [f64; 4] = [-1.0, 0.1, 0.5, 1.0];
/// Series of the histogram. The counter is one more.
pub const SERIES: usize = 2;

/// The settings of a history.
#[derive(Clone, Debug)]
pub struct Setting {
    pub filter: Filter,
    pub policy: Policy,
    /// All scrapers are one.
    pub merged: bool,
    /// All observations go to one bucket, with values that fall, and time passes in small steps: few exemplars are made
    /// needless by a later one, so that the ring has to choose.
    pub falling: bool,
    /// One for each scraper.
    pub scrapers: Vec<ScraperSetting>,
}

/// How a scraper comes.
#[derive(Clone, Debug)]
pub struct ScraperSetting {
    /// Scrapers of one class come from several addresses.
    pub class: u64,
    /// Milliseconds between its scrapes; without a beat it comes when the history says so.
    pub beat_ms: Option<u64>,
    /// Up to so many milliseconds late.
    pub jitter_ms: u64,
}

/// The labels beside the ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extra {
    None,
    One,
    /// With a character that is replaced.
    Replaced,
    /// The second one does not fit.
    TooLong,
    /// A name that is none, and an empty value.
    Invalid,
}

/// What comes along with an observation.
#[derive(Clone, Debug)]
pub enum Source {
    /// Nothing, and nothing is looked up.
    Plain,
    /// A span was looked for, and there is none.
    NoSpan,
    /// A malformed `traceparent`.
    BadHeader,
    /// A trace context: given, as a `traceparent`, or looked up.
    Context {
        sampled: bool,
        extra: Extra,
    },
    Header {
        sampled: bool,
    },
    LookedUp {
        sampled: bool,
        meanwhile: Meanwhile,
    },
    /// An explicit exemplar of ids, or of labels which may hold ids.
    ExplicitIds {
        extra: Extra,
    },
    ExplicitLabels {
        trace: bool,
        span: bool,
        upper_case: bool,
        extra: Extra,
    },
}

/// What happens while a span is looked up.
#[derive(Clone, Debug)]
pub enum Meanwhile {
    Nothing,
    Wait {
        ms: u64,
    },
    Scrape {
        who: usize,
    },
    /// Another observation, of the series beside it or of the same one.
    Observe {
        value: f64,
        same_series: bool,
    },
}

#[derive(Clone, Debug)]
pub enum Step {
    /// An observation of a series, or of the counter.
    Observe {
        series: usize,
        value: f64,
        source: Source,
    },
    /// Time goes by; scrapers with a beat come when they are due.
    Pass {
        ms: u64,
    },
    /// The wall clock is set.
    SetWall {
        by_ms: i64,
    },
    Scrape {
        who: usize,
    },
    /// An answer in text 0.0.4, and a snapshot.
    Text,
    Snapshot,
}

/// Some tie, or all but do; some are bounds; some pass what an f32 holds.
const VALUES: [f64; 17] = [
    0.05,
    0.3,
    0.300_000_01,
    0.45,
    0.7,
    0.700_001,
    0.9,
    1.0,
    0.1,
    -0.5,
    -0.500_000_01,
    -3.0,
    5.0,
    1e30,
    1e300,
    -1e300,
    f64::MAX,
];

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => prop::sample::select(&VALUES[..]),
        3 => 0.0..1.2,
        1 => prop::sample::select(&[f64::INFINITY, f64::NEG_INFINITY, f64::NAN][..]),
    ]
}

fn extra() -> impl Strategy<Value = Extra> {
    use Extra::{Invalid, None, One, Replaced, TooLong};
    prop_oneof![4 => Just(None), 4 => prop::sample::select(&[One, Replaced, TooLong, Invalid][..])]
}

fn meanwhile(scrapers: usize) -> impl Strategy<Value = Meanwhile> {
    prop_oneof![
        3 => Just(Meanwhile::Nothing),
        1 => (0_u64..15_000).prop_map(|ms| Meanwhile::Wait { ms }),
        1 => (0..scrapers).prop_map(|who| Meanwhile::Scrape { who }),
        1 => (value(), any::<bool>()).prop_map(|(value, same_series)| Meanwhile::Observe { value, same_series }),
    ]
}

fn source(scrapers: usize) -> impl Strategy<Value = Source> {
    let sampled = prop::bool::weighted(0.8);
    prop_oneof![
        2 => Just(Source::Plain),
        1 => Just(Source::NoSpan),
        1 => Just(Source::BadHeader),
        8 => (sampled, extra()).prop_map(|(sampled, extra)| Source::Context { sampled, extra }),
        2 => sampled.prop_map(|sampled| Source::Header { sampled }),
        4 => (sampled, meanwhile(scrapers))
            .prop_map(|(sampled, meanwhile)| Source::LookedUp { sampled, meanwhile }),
        1 => extra().prop_map(|extra| Source::ExplicitIds { extra }),
        1 => (any::<bool>(), any::<bool>(), any::<bool>(), extra())
            .prop_map(|(trace, span, upper_case, extra)| Source::ExplicitLabels { trace, span, upper_case, extra }),
    ]
}

fn step(scrapers: usize) -> impl Strategy<Value = Step> {
    prop_oneof![
        50 => (0..SERIES + 1, value(), source(scrapers))
            .prop_map(|(series, value, source)| Step::Observe { series, value, source }),
        20 => prop_oneof![6 => 0_u64..4000, 3 => 0_u64..40, 2 => 4000_u64..20_000, 1 => 60_000_u64..130_000]
            .prop_map(|ms| Step::Pass { ms }),
        2 => (-3_600_000_i64..3_600_000).prop_map(|by_ms| Step::SetWall { by_ms }),
        6 => (0..scrapers).prop_map(|who| Step::Scrape { who }),
        1 => Just(Step::Text),
        2 => Just(Step::Snapshot),
    ]
}

fn scraper() -> impl Strategy<Value = ScraperSetting> {
    let beat = prop::sample::select(&[None, Some(5000), Some(10_000), Some(15_000), Some(30_000), Some(60_000)][..]);
    (0_u64..3, beat, 0_u64..600).prop_map(|(class, beat_ms, jitter_ms)| ScraperSetting { class, beat_ms, jitter_ms })
}

/// One that keeps a slow beat, so that it is trusted and has an old mark most of the time.
fn slow_scraper() -> impl Strategy<Value = ScraperSetting> {
    let beat = prop::sample::select(&[Some(30_000), Some(60_000)][..]);
    (beat, 0_u64..600).prop_map(|(beat_ms, jitter_ms)| ScraperSetting { class: 3, beat_ms, jitter_ms })
}

/// A history of up to `steps` steps with so many scrapers, and so many slow ones beside them.
pub fn history(
    scrapers: Range<usize>,
    slow: Range<usize>,
    steps: usize,
) -> impl Strategy<Value = (Setting, Vec<Step>)> {
    let filter = prop_oneof![6 => Just(Filter::TraceBased), 2 => Just(Filter::AlwaysOn), 1 => Just(Filter::AlwaysOff)];
    let policy = prop_oneof![4 => Just(Policy::Slowest), 1 => Just(Policy::First), 2 => Just(Policy::Uniform)];
    let scrapers = (prop::collection::vec(scraper(), scrapers), prop::collection::vec(slow_scraper(), slow));
    let setting = (filter, policy, prop::bool::weighted(0.2), prop::bool::weighted(0.3), scrapers).prop_map(
        |(filter, policy, merged, falling, (mut scrapers, slow))| {
            scrapers.extend(slow);
            Setting { filter, policy, merged, falling, scrapers }
        },
    );
    setting.prop_flat_map(move |setting| {
        let steps = prop::collection::vec(step(setting.scrapers.len()), 1..steps);
        (Just(setting), steps)
    })
}

/// A history in which rings are crowded: fast scrapers close many windows between two scrapes of a slow one, each window has
/// exemplars, and their values fall.
pub fn crowded(steps: usize) -> impl Strategy<Value = (Setting, Vec<Step>)> {
    let fast = (4000_u64..9000, 0_u64..100).prop_map(|(beat, jitter_ms)| ScraperSetting {
        class: 0,
        beat_ms: Some(beat),
        jitter_ms,
    });
    let scrapers = (prop::collection::vec(fast, 2..5), prop::collection::vec(slow_scraper(), 1..4));
    let setting = scrapers.prop_map(|(mut scrapers, slow)| {
        scrapers.extend(slow);
        Setting { filter: Filter::TraceBased, policy: Policy::Slowest, merged: false, falling: true, scrapers }
    });
    let source = prop_oneof![
        30 => extra().prop_map(|extra| Source::Context { sampled: true, extra }),
        1 => Just(Source::ExplicitIds { extra: Extra::None }),
    ];
    let step = prop_oneof![
        2 => (0.0..1.2, source).prop_map(|(value, source)| Step::Observe { series: 0, value, source }),
        1 => (0_u64..1500).prop_map(|ms| Step::Pass { ms }),
    ];
    (setting, prop::collection::vec(step, steps / 2..steps))
}
