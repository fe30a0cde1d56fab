//! Families: a name, its label names and settings, and the series that share them.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::buckets::Bounds;
use crate::buffer::Buffer;
use crate::churn::Resting;
use crate::core::Core;
use crate::encode::prefix;
use crate::error::{Error, ErrorCode};
use crate::exclusive::Exclusive;
use crate::exemplar::Policy;
use crate::exemplar::rules::Rules;
use crate::hash::fold;
use crate::hooks::Hooks;
use crate::memory::{Chain, Link, Node, Pinned, boxed, out_of_memory};
use crate::segment::gauge_cells::GAUGE_CELLS;
use crate::segment::layout::{COUNTER_CELLS, HISTOGRAM_COUNTS_AT, Window};
use crate::segment::life::{FIRST, look};
use crate::segment::publish::Published;
use crate::segment::{FamilyText, Offset, SeriesText, SeriesWrite, put_text};
use crate::series::{Handle, Series};
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::tally::Tally;
use crate::text::Outgrown;

/// The value every label of an overflow series has.
pub const OVERFLOW_LABEL: &str = "spanpin_overflow";

/// Series that a family may have unless it is told otherwise.
pub const DEFAULT_MAX_SERIES: u32 = 2000;

/// What a family counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// A total that only rises.
    Counter = 1,
    /// A value that rises and falls.
    Gauge = 2,
    /// Observations counted in buckets, and their sum.
    Histogram = 3,
}

impl Kind {
    /// The kind with this number, as the C ABI passes it.
    #[must_use]
    pub const fn from_u32(n: u32) -> Option<Kind> {
        match n {
            1 => Some(Kind::Counter),
            2 => Some(Kind::Gauge),
            3 => Some(Kind::Histogram),
            _ => None,
        }
    }

    /// The word of the TYPE line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }

    /// The ends of the sample names that a family of this kind has.
    const fn suffixes(self) -> &'static [&'static str] {
        match self {
            Kind::Counter => &["_total", "_created"],
            Kind::Gauge => &[""],
            Kind::Histogram => &["_bucket", "_count", "_sum", "_created"],
        }
    }
}

/// A family as this process knows it. Created from its record in the segment, whoever wrote that.
pub struct Family {
    pub(crate) core: Pinned<Core>,
    pub(crate) kind: Kind,
    /// What the record said when this process took it up. Only its number of slots holds for good.
    recorded: Recorded,
    /// What this process' own registration said; nothing while it has not registered the family.
    own: Link<Own>,
    /// The segment's window, at hand for the gates.
    pub(crate) window: Pinned<Window>,
    /// Bits of the least value that is offered; NaN, which no value reaches, when none is.
    offer_from: AtomicU64,
    /// The family's name; that of a counter without `_total`.
    pub(crate) name: Box<str>,
    pub(crate) label_names: Vec<Box<str>>,
    pub(crate) bounds: Bounds,
    /// The end of each bucket's sample name, `le="..."} `.
    pub(crate) le: Vec<Box<[u8]>>,
    hash: u64,
    place: Offset,
    /// Label sets that have a series, the overflow series left out, as far as this process has taken them up.
    label_sets: AtomicU64,
    /// What the record said of its series when they were last counted one by one, if they were as many as there may be.
    counted_at: AtomicU64,
    /// How its gates compare, one of [`GateKind`], and above it the mask of [`Family::gate`].
    gate: AtomicU32,
    /// Milliseconds, their low bits, at which an observation last looked at the clock.
    looked_ms: AtomicU32,
    /// Bits of the f64 above which a value is told to the listener for slow requests.
    slow_from: AtomicU64,
    /// Bits of the caller's p99 for adaptive sampling; NaN for that of the buckets.
    given_p99: AtomicU64,
    /// Not zero while another family stands in the exposition for this one.
    hidden: AtomicU32,
    pub(crate) series: Chain<Series>,
    /// Those that were removed and not used again yet.
    pub(crate) resting: Exclusive<Resting>,
    /// Blocks of text that got too small, which others may be reading.
    pub(crate) outgrown: Chain<Outgrown>,
    /// Takes what finds no place. Set before the family is handed out.
    pub(crate) overflow: Link<OverflowOf>,
    next: Link<Family>,
}

/// Parts of a family's word for its gates.
const GATE_KIND: u32 = 0xFF;
const GATE_SHIFT: u32 = 8;
/// One observation in 16 looks at the clock, to close a window that no scrape has closed; of many one in 128.
pub(crate) const CLOCK_LEAST: u32 = 15;
const CLOCK_MOST: u32 = 127;
/// Looks that lie so far apart are rare.
const RARE_MS: u32 = 100;
/// What a record says of a family beside its shape.
struct Recorded {
    rules: Rules,
    help: Box<str>,
    unit: Box<str>,
}

/// What a process' registration says of a family beside its shape. It holds in this process, whatever the code says that
/// others run.
pub(crate) struct Own {
    pub(crate) hooks: Hooks,
    pub(crate) rules: Rules,
    pub(crate) help: Box<str>,
    pub(crate) unit: Box<str>,
    pub(crate) max_series: u32,
}

/// How the gates of a family compare, as one number, so that a usual gate tests nothing else.
pub(crate) struct GateKind;

impl GateKind {
    /// By value; every value is offered.
    pub(crate) const SLOWEST: u32 = 0;
    /// By a random key; every value is offered.
    pub(crate) const UNIFORM: u32 = 1;
    /// Nothing is offered, and nobody is told of slow requests.
    pub(crate) const OFF: u32 = 2;
    /// Anything else.
    const SPECIAL: u32 = 3;

    fn of(rules: &Rules, tells_slow: bool) -> u32 {
        // Adaptive sampling brings its edges up to date when it is time to look at the clock.
        let all = rules.offer_from() == f64::NEG_INFINITY && rules.adaptive.is_none();
        match rules.policy {
            _ if tells_slow => Self::SPECIAL,
            _ if rules.offer_from().is_nan() => Self::OFF,
            Policy::Slowest if all => Self::SLOWEST,
            Policy::Uniform if all => Self::UNIFORM,
            _ => Self::SPECIAL,
        }
    }
}

/// The overflow series of a family.
pub(crate) struct OverflowOf(pub(crate) Pinned<Series>);

impl Node for Family {
    fn next(&self) -> &Link<Self> {
        &self.next
    }
    fn next_mut(&mut self) -> &mut Link<Self> {
        &mut self.next
    }
}

/// The hash of a family, from which those of its series start.
pub(crate) fn family_hash(name: &str) -> u64 {
    fold(0, name.as_bytes())
}

impl Family {
    /// The family that a record describes.
    pub(crate) fn from_record(core: Pinned<Core>, place: Offset, text: FamilyText) -> Result<Box<Family>, Error> {
        let unknown = || {
            Error::fixed(
                ErrorCode::ShapeMismatch,
                "the segment holds a family of a kind that this version does not know",
            )
        };
        let tag = text.tag;
        let kind = Kind::from_u32(tag >> 8 & 0xFF).ok_or_else(unknown)?;
        let bounds = Bounds::new(&text.bounds)?;
        let rules = Rules::from_words(text.rules).ok_or_else(unknown)?;
        let le = if kind == Kind::Histogram { prefix::le_labels(&bounds)? } else { Vec::new() };
        boxed(Family {
            core,
            kind,
            recorded: Recorded { rules, help: text.help, unit: text.unit },
            own: Link::empty(),
            window: core.window,
            offer_from: AtomicU64::new(rules.offer_from().to_bits()),
            hash: family_hash(&text.name),
            name: text.name,
            label_names: text.label_names,
            bounds,
            le,
            place,
            label_sets: AtomicU64::new(0),
            counted_at: AtomicU64::new(u64::MAX),
            hidden: AtomicU32::new(0),
            gate: AtomicU32::new(GateKind::of(&rules, false) | CLOCK_LEAST << GATE_SHIFT),
            looked_ms: AtomicU32::new(0),
            slow_from: AtomicU64::new(f64::INFINITY.to_bits()),
            given_p99: AtomicU64::new(given_p99(&rules)),
            series: Chain::new(),
            resting: Exclusive::new(),
            outgrown: Chain::new(),
            overflow: Link::empty(),
            next: Link::empty(),
        })
    }

    /// Whether this process has registered the family.
    pub(crate) fn is_registered(&self) -> bool {
        self.own.get().is_some()
    }

    /// Registers the family in this process. All that can fail comes before what others see, so that a registration that
    /// failed leaves nothing behind and may be tried again. The caller holds the lock, and this process has not
    /// registered the family yet.
    pub(crate) fn set_own(&self, own: Own) -> Result<(), Error> {
        let own = boxed(own)?;
        if wants_state(&own.rules, own.hooks.slow_from()) {
            self.series.iter().try_for_each(|series| series.add_state_for(&own.rules))?;
        }
        self.offer_from.store(own.rules.offer_from().to_bits(), Ordering::Relaxed);
        self.slow_from.store(own.hooks.slow_from().to_bits(), Ordering::Relaxed);
        self.given_p99.store(given_p99(&own.rules), Ordering::Relaxed);
        let kind = GateKind::of(&own.rules, own.hooks.slow.is_some());
        self.gate.store(kind | CLOCK_LEAST << GATE_SHIFT, Ordering::Relaxed);
        self.own.set(own);
        Ok(())
    }

    pub(crate) fn hooks(&self) -> Option<&Hooks> {
        self.own.get().map(|own| &own.hooks)
    }

    /// How its exemplars are chosen: as this process' registration says, otherwise as the record did.
    #[inline]
    pub(crate) fn rules(&self) -> &Rules {
        self.own.get().map_or(&self.recorded.rules, |own| &own.rules)
    }

    /// How many slots a ring has. It is part of what lies in the segment, so the record decides.
    #[inline]
    pub(crate) fn slots(&self) -> usize {
        self.recorded.rules.slots
    }

    /// The age after which an exemplar is not shown again. A process that has not registered the family goes by the
    /// record, which the newest registration has changed perhaps.
    pub(crate) fn max_age_ms(&self) -> u64 {
        match self.own.get() {
            Some(own) => own.rules.max_age_ms,
            None => self.core.segment.max_age_ms(self.place).unwrap_or(self.recorded.rules.max_age_ms),
        }
    }

    pub(crate) fn help(&self) -> &str {
        self.own.get().map_or(&self.recorded.help, |own| &own.help)
    }

    pub(crate) fn unit(&self) -> &str {
        self.own.get().map_or(&self.recorded.unit, |own| &own.unit)
    }

    /// The least value that is offered; NaN, which no value reaches, when none is.
    #[inline]
    pub(crate) fn offer_from(&self) -> f64 {
        f64::from_bits(self.offer_from.load(Ordering::Relaxed))
    }

    /// How its gates compare, one of [`GateKind`], and the mask of those bits of a count that are zero when its observation
    /// looks at the clock.
    #[inline(always)]
    pub(crate) fn gate(&self) -> (u32, u32) {
        let word = self.gate.load(Ordering::Relaxed);
        (word & GATE_KIND, word >> GATE_SHIFT)
    }

    /// Whether nothing is offered, and nobody is told of slow requests.
    #[inline(always)]
    pub(crate) fn is_off(&self) -> bool {
        self.gate().0 == GateKind::OFF
    }

    /// Notes that an observation has looked at the clock. Where several do within one tick of it they look less often, and
    /// as often as at first once they are few again.
    pub(crate) fn note_look(&self, now_ms: u64) {
        let now_ms = now_ms as u32;
        let since_ms = now_ms.wrapping_sub(self.looked_ms.swap(now_ms, Ordering::Relaxed));
        let (kind, mask) = self.gate();
        let wanted = match since_ms {
            0 => (mask << 1 | 1).min(CLOCK_MOST),
            RARE_MS.. => CLOCK_LEAST,
            _ => mask,
        };
        if wanted != mask && !self.core.clock.is_manual() {
            self.gate.store(kind | wanted << GATE_SHIFT, Ordering::Relaxed);
        }
    }

    /// The value above which the listener for slow requests is told.
    #[inline]
    pub(crate) fn slow_from(&self) -> f64 {
        f64::from_bits(self.slow_from.load(Ordering::Relaxed))
    }

    /// The caller's p99 for adaptive sampling.
    pub(crate) fn given_p99(&self) -> Option<f64> {
        Some(f64::from_bits(self.given_p99.load(Ordering::Relaxed))).filter(|p99| p99.is_finite())
    }

    /// Sets the caller's p99; that of the buckets comes back with what is not finite.
    pub(crate) fn set_given_p99(&self, p99: f64) {
        self.given_p99.store(p99.to_bits(), Ordering::Relaxed);
    }

    /// Whether its series remember more than their cells.
    pub(crate) fn wants_state(&self) -> bool {
        wants_state(self.rules(), self.slow_from())
    }

    /// Whether the family is left out of the exposition: other processes have it, and it clashes with one that is shown.
    pub(crate) fn is_hidden(&self) -> bool {
        self.hidden.load(Ordering::Relaxed) != 0
    }

    pub(crate) fn set_hidden(&self, hidden: bool) {
        self.hidden.store(hidden.into(), Ordering::Relaxed);
    }

    pub(crate) fn place(&self) -> Offset {
        self.place
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// Words of a series' cells, and its number of gates.
    pub(crate) fn sizes(&self) -> (usize, usize) {
        match self.kind {
            Kind::Counter => (COUNTER_CELLS, 1),
            Kind::Gauge => (GAUGE_CELLS, 0),
            Kind::Histogram => {
                let buckets = self.bounds.buckets();
                (buckets.saturating_add(HISTOGRAM_COUNTS_AT), buckets)
            }
        }
    }

    /// True if a sample of this family could have the name `stem` + `suffix`.
    pub(crate) fn clashes(&self, kind: Kind, stem: &str) -> bool {
        let own = self.kind.suffixes().iter().chain(&[""]);
        own.into_iter().any(|a| {
            let theirs = kind.suffixes().iter().chain(&[""]);
            theirs.into_iter().any(|b| (a != b || !a.is_empty()) && same_text(&self.name, a, stem, b))
        })
    }

    /// The series with these label values, created if there is none.
    ///
    /// Fails for a wrong number of values only. What finds no place, because the family has reached its limit or the
    /// memory its end, is counted by the overflow series.
    pub(crate) fn child<'v>(&self, values: impl Iterator<Item = &'v str> + Clone) -> Result<Handle, Error> {
        let hash = self.hash_of(values.clone())?;
        if let Some(found) = self.find(hash, values.clone()) {
            return Ok(found);
        }
        match self.create(hash, values) {
            Ok(series) => Ok(series),
            Err(error) => self.overflow().ok_or(error),
        }
    }

    /// The hash of these label values. Fails if they are too many, or too few.
    #[inline]
    pub(crate) fn hash_of<'v>(&self, values: impl Iterator<Item = &'v str> + Clone) -> Result<u64, Error> {
        let given = values.clone().count();
        if given != self.label_names.len() {
            return Err(self.wrong_count(given));
        }
        Ok(values.fold(self.hash, |hash, value| fold(hash, value.as_bytes())))
    }

    #[inline]
    pub(crate) fn find<'v>(&self, hash: u64, values: impl Iterator<Item = &'v str> + Clone) -> Option<Handle> {
        let mut candidates = self.core.index.get().probe(hash);
        candidates.find_map(|series| Series::known_as(series, self, hash, values.clone()))
    }

    /// The series that takes what finds no place. A family without labels has none.
    pub(crate) fn overflow_series(&self) -> Option<Pinned<Series>> {
        self.overflow.get().map(|overflow| overflow.0)
    }

    /// The same as a handle. It is never removed.
    pub(crate) fn overflow(&self) -> Option<Handle> {
        self.overflow_series().map(|series| Handle::new(series, FIRST))
    }

    #[cold]
    fn create<'v>(&self, hash: u64, values: impl Iterator<Item = &'v str> + Clone) -> Result<Handle, Error> {
        let mut text = Buffer::new();
        values.clone().for_each(|value| put_text(&mut text, value.as_bytes()));
        text.finish().map_err(|_| out_of_memory())?;
        let _held = self.core.hold();
        let find = || self.find(hash, values.clone());
        // First, because the limit may have been reached by another process, which has created this one too.
        self.core.catch_up_to_newest()?;
        if let Some(found) = find() {
            return Ok(found);
        }
        let made = self.publish_series(hash, text.as_slice(), false, find);
        made.or_else(|error| {
            self.core.catch_up_to_newest()?;
            find().ok_or(error)
        })
    }

    /// Writes and publishes a series. The caller holds the lock.
    pub(crate) fn publish_series(
        &self,
        hash: u64,
        text: &[u8],
        overflow: bool,
        find: impl Fn() -> Option<Handle>,
    ) -> Result<Handle, Error> {
        // The limit is for label sets: the one series of a family without labels is none. It is held against the series
        // themselves, which were all taken up just before: a number beside them would stay wrong for good when a process
        // is killed between publishing a series and counting it.
        let limited = !overflow && !self.label_names.is_empty();
        let most = self.own.get().map_or(DEFAULT_MAX_SERIES, |own| own.max_series);
        if limited && !self.has_less_than(most) {
            return Err(Error::plain(ErrorCode::SegmentFull));
        }
        match self.write_and_publish(hash, text, overflow, &find)? {
            Some(series) => Ok(series),
            None => find().ok_or_else(out_of_memory),
        }
    }

    /// Nothing if another process has published an equal one.
    fn write_and_publish(
        &self,
        hash: u64,
        text: &[u8],
        overflow: bool,
        find: &impl Fn() -> Option<Handle>,
    ) -> Result<Option<Handle>, Error> {
        let core = &*self.core;
        let (cells, gates) = self.sizes();
        let created_ms = core.clock.wall_ms();
        let write = SeriesWrite { family: self.place, hash, created_ms, text, gates, cells, overflow };
        let mine = match self.take_rested(&write)? {
            Some(rested) => rested,
            None => self.write_new(&write)?,
        };
        let published = core.publish(mine, || find().map(|series| series.place()))?;
        let Published::Mine(head) = published else {
            let life = core.segment.series_words(mine).map_or(0, |words| look(words.state).life());
            self.give_up(mine, life);
            return Ok(None);
        };
        #[cfg(spanpin_stops)]
        crate::stops::at("record-publish: series published");
        if !overflow {
            core.count_series(self.place, true);
        }
        // In this order: a child forked in between takes the record up again, instead of never.
        let series = core.attach_series(mine)?;
        core.set_walked(head);
        // Nothing if another process has removed it already.
        series.map(Some).ok_or_else(|| Error::plain(ErrorCode::SegmentFull))
    }

    fn write_new(&self, write: &SeriesWrite<'_>) -> Result<Offset, Error> {
        let core = &*self.core;
        let written = if self.may_grow(write) {
            let written = core.segment.write_series(write);
            core.note_shortage();
            written
        } else {
            Err(Error::plain(ErrorCode::SegmentFull))
        };
        match written {
            Ok(place) => core.enlist(place).map(|()| place),
            Err(error) => self.take_any_rested(write)?.ok_or(error),
        }
    }

    /// Takes up a series whose record is published, for the first time. The caller holds the lock.
    pub(crate) fn attach(family: Pinned<Family>, place: Offset, text: &SeriesText) -> Result<Handle, Error> {
        let core = &*family.core;
        core.make_room_in_index()?;
        let series = Series::from_record(family, place, text)?;
        let series = family.series.push(series);
        core.add_to_index(series);
        if !text.overflow {
            family.count_label_set(true);
        } else if family.overflow.get().is_none() {
            family.overflow.set(boxed(OverflowOf(series))?);
        }
        Ok(Handle::new(series, text.life))
    }

    /// How many label sets have a series, the overflow series left out.
    pub(crate) fn count_live(&self) -> u64 {
        self.series.iter().filter(|series| !series.is_overflow()).filter_map(Series::current).count() as u64
    }

    /// The caller holds the lock, and a series has begun or ended.
    pub(crate) fn count_label_set(&self, more: bool) {
        let sets = self.label_sets.load(Ordering::Relaxed);
        let sets = if more { sets.saturating_add(1) } else { sets.saturating_sub(1) };
        self.label_sets.store(sets, Ordering::Relaxed);
    }

    /// Whether it has less than so many label sets. The caller holds the lock.
    fn has_less_than(&self, most: u32) -> bool {
        if self.label_sets.load(Ordering::Relaxed) < u64::from(most) {
            return true;
        }
        // Others may have removed some. Then they have changed this number. Only a full family may trust it: in one that is
        // not full as many come as go, and it is soon the same again.
        let hint =
            self.core.segment.family_record(self.place).map_or(0, |record| record.series.load(Ordering::Relaxed));
        if self.counted_at.load(Ordering::Relaxed) == hint {
            return false;
        }
        let live = self.count_live();
        self.label_sets.store(live, Ordering::Relaxed);
        let is_less = live < u64::from(most);
        self.counted_at.store(if is_less { u64::MAX } else { hint }, Ordering::Relaxed);
        is_less
    }

    #[cold]
    fn wrong_count(&self, given: usize) -> Error {
        let mut message = Buffer::new();
        message.put_str("metric ");
        message.put_quoted(&self.name);
        message.put_str(" takes ");
        message.put_u64(self.label_names.len() as u64);
        message.put_str(" label values");
        for (i, name) in self.label_names.iter().enumerate() {
            message.put_str(if i == 0 { " (" } else { ", " });
            message.put_str(name);
        }
        if !self.label_names.is_empty() {
            message.put_str(")");
        }
        message.put_str(", not ");
        message.put_u64(given as u64);
        message.put_str(": give one value for each label name, in their order");
        Error::new(ErrorCode::LabelCount, message)
    }

    /// Counts an observation that an overflow series takes.
    pub(crate) fn count_overflow(&self) {
        self.core.header.count(Tally::Overflow, 1);
    }
}

/// Whether series remember more than their cells under these rules.
fn wants_state(rules: &Rules, slow_from: f64) -> bool {
    rules.adaptive.is_some() || slow_from < f64::INFINITY
}

/// Bits of the caller's p99 that rules start with.
fn given_p99(rules: &Rules) -> u64 {
    rules.adaptive.and_then(|adaptive| adaptive.p99).unwrap_or(f64::NAN).to_bits()
}

fn same_text(a: &str, a_end: &str, b: &str, b_end: &str) -> bool {
    a.bytes().chain(a_end.bytes()).eq(b.bytes().chain(b_end.bytes()))
}
