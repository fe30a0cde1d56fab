//! A series: the cells of one label set, and what stands before its exemplars. Once it is removed it is used again, with the
//! same cells, for another label set of its family: that is another life of it. A handle is of one life.

use alloc::boxed::Box;
use core::ops::Deref;

use crate::buffer::Buffer;
use crate::encode::prefix;
use crate::error::{Error, ErrorCode};
use crate::exemplar::rules::Rules;
use crate::exemplar::{AdaptiveState, Policy, priority};
use crate::family::Family;
use crate::memory::{Link, Node, Pinned, boxed, out_of_memory};
use crate::segment::layout::Gate;
use crate::segment::life::{State, look};
use crate::segment::{Offset, SeriesText, SeriesWords};
use crate::stripes::Stripes;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::text::{Outgrown, Text};

/// A series as this process knows it: a record, and its text in the life that this process knows of. Aligned, so that an address
/// has room for a few bits.
#[repr(align(16))]
pub struct Series {
    pub(crate) family: Pinned<Family>,
    /// The cells, the gates, and the word of its state.
    words: SeriesWords,
    hash: AtomicU64,
    pub(crate) text: Text,
    pub(crate) stripes: Stripes,
    /// What some families remember beside the cells.
    state: Link<SeriesState>,
    next: Link<Series>,
}

/// What a series of a family with adaptive sampling, or with a listener for slow requests, remembers.
pub(crate) struct SeriesState {
    /// The window in which the listener was told last.
    pub(crate) slow_told: AtomicU64,
    pub(crate) adaptive: Link<AdaptiveState>,
}

impl Node for Series {
    fn next(&self) -> &Link<Self> {
        &self.next
    }
    fn next_mut(&mut self) -> &mut Link<Self> {
        &mut self.next
    }
}

/// A series in one of its lives. What it counts after that life goes to the family's overflow series.
#[derive(Clone, Copy)]
pub struct Handle {
    pub(crate) series: Pinned<Series>,
    /// The word of its state while it is live and nothing is special.
    plain: u64,
}

impl Deref for Handle {
    type Target = Series;
    #[inline(always)]
    fn deref(&self) -> &Series {
        &self.series
    }
}

impl Handle {
    pub(crate) const fn new(series: Pinned<Series>, life: u32) -> Handle {
        Handle { series, plain: State::plain(life) }
    }

    /// The word of its state while it is live, and has neither stripes nor the part of taking what finds no place.
    pub(crate) const fn plain(&self) -> u64 {
        self.plain
    }

    pub(crate) const fn life(&self) -> u32 {
        State::of(self.plain).life()
    }

    /// Whether its series is still in the life that it is of.
    #[must_use]
    pub fn is_live(&self) -> bool {
        look(self.words.state()).is_of(self.plain)
    }
}

impl Series {
    /// The series that a record describes.
    pub(crate) fn from_record(family: Pinned<Family>, place: Offset, text: &SeriesText) -> Result<Box<Series>, Error> {
        let core = &*family.core;
        // No want of memory, which would be tried again: a record that was damaged.
        let outside = || Error::fixed(ErrorCode::SegmentFull, "a series of the segment has cells outside of it");
        let (cells, gates) = family.sizes();
        let words = core.segment.pin_series(text.cells, gates, cells).ok_or_else(outside)?;
        let rendered = render(&family, &text.text)?;
        let series = boxed(Series {
            family,
            words,
            hash: AtomicU64::new(text.hash),
            text: Text::new(place.lines().ok_or_else(outside)?, &text.text, rendered.as_slice(), text.life)?,
            stripes: Stripes::new(),
            state: Link::empty(),
            next: Link::empty(),
        })?;
        if series.has_lost_stripes() {
            return Err(Error::fixed(ErrorCode::SegmentFull, "a series of the segment has stripes outside of it"));
        }
        series.add_state()?;
        Ok(series)
    }

    /// Takes over what its record says in another life. The caller holds the lock and has taken it out of the index, and
    /// keeps the block of text that got too small, if one did.
    pub(crate) fn begin_life(&self, text: &SeriesText) -> Result<Option<Box<Outgrown>>, Error> {
        let rendered = render(&self.family, &text.text)?;
        let outgrown = self.text.replace(&text.text, rendered.as_slice(), text.life, || {
            self.hash.store(text.hash, Ordering::Relaxed);
            if let Some(state) = self.state.get() {
                state.slow_told.store(0, Ordering::Relaxed);
                if let Some(adaptive) = state.adaptive.get() {
                    adaptive.forget();
                }
            }
        })?;
        Ok(outgrown)
    }

    /// The cells; `segment::layout` says which word is what.
    #[inline]
    pub(crate) fn cells(&self) -> &[AtomicU64] {
        self.words.cells()
    }

    /// One for each bucket; a counter has one, a gauge none.
    #[inline]
    pub(crate) fn gates(&self) -> &[Gate] {
        self.words.gates()
    }

    /// The word that says in which life the series is, and how far that has come.
    #[inline(always)]
    pub(crate) fn life_word(&self) -> &AtomicU64 {
        self.words.state()
    }

    pub(crate) fn state(&self) -> Option<&SeriesState> {
        self.state.get()
    }

    /// Gives the series what its family wants remembered. The caller holds the lock.
    fn add_state(&self) -> Result<(), Error> {
        if self.family.wants_state() { self.add_state_for(self.family.rules()) } else { Ok(()) }
    }

    /// Gives the series what these rules want remembered, or a listener for slow requests, unless it has it. The caller
    /// holds the lock.
    pub(crate) fn add_state_for(&self, rules: &Rules) -> Result<(), Error> {
        let state = match self.state.get() {
            Some(state) => state,
            None => self.state.set(boxed(SeriesState { slow_told: AtomicU64::new(0), adaptive: Link::empty() })?),
        };
        if rules.adaptive.is_some() && state.adaptive.get().is_none() {
            state.adaptive.set(AdaptiveState::new(self.gates().len())?);
        }
        Ok(())
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash.load(Ordering::Relaxed)
    }

    pub(crate) fn place(&self) -> Offset {
        Offset::from_lines(self.text.place)
    }

    /// Where the state lies, right before the cells.
    #[cfg(all(feature = "std", target_os = "linux", not(miri)))]
    pub(crate) fn life_place(&self) -> Offset {
        let record = self.family.core.segment.series_record(self.place());
        Offset::from_lines(record.map_or(0, |record| record.cells.load(Ordering::Relaxed)))
    }

    /// Where the cells lie.
    #[cfg(all(feature = "std", target_os = "linux", not(miri)))]
    pub(crate) fn cells_place(&self) -> Offset {
        self.life_place().plus((crate::segment::layout::STATE_WORDS * 8) as u64)
    }

    pub(crate) fn is_overflow(&self) -> bool {
        State::of(self.words.state().load(Ordering::Relaxed)).is_overflow()
    }

    /// The series in the life that this process knows of, if that goes on.
    pub(crate) fn current(this: Pinned<Series>) -> Option<Handle> {
        let life = this.text.life();
        Some(Handle::new(this, life)).filter(|handle| life != 0 && handle.is_live())
    }

    /// The series in the life in which it has these values, if it is one of this family and that life goes on.
    #[inline]
    pub(crate) fn known_as<'v>(
        this: Pinned<Series>,
        family: &Family,
        hash: u64,
        values: impl Iterator<Item = &'v str>,
    ) -> Option<Handle> {
        let life = this.text.life();
        // The hash first: the label values lie elsewhere in memory.
        let may_be = this.hash() == hash && core::ptr::eq(&raw const *this.family, family);
        if !may_be || !this.text.has_values(values.map(str::as_bytes)) || !this.text.is_still(life) {
            return None;
        }
        Some(Handle::new(this, life)).filter(Handle::is_live)
    }

    /// True for the live series of this family with the label values of a record.
    pub(crate) fn has_text(&self, family: &Family, text: &SeriesText) -> bool {
        let may_be = self.hash() == text.hash && core::ptr::eq(&raw const *self.family, family);
        may_be && self.text.is_record_of(&text.text) && look(self.life_word()).is_of(State::plain(self.text.life()))
    }

    /// The priority of an offer under this family's policy.
    #[inline]
    pub(crate) fn priority(&self, bucket: u32, value: f64, seed: u64) -> u32 {
        match self.family.rules().policy {
            Policy::Slowest => priority::value_key(value),
            Policy::Uniform => priority::uniform_key(self.hash(), bucket, seed),
            Policy::First => 1,
        }
    }
}

/// `a="x",b="y"` from the values of a record, escaped; empty values are left out.
fn render(family: &Family, values: &[u8]) -> Result<Buffer, Error> {
    let mut rendered = Buffer::new();
    prefix::put_labels(&mut rendered, &family.label_names, values);
    rendered.finish().map_err(|_| out_of_memory())?;
    Ok(rendered)
}

/// Adds to a float cell.
pub(crate) fn add_to_float(cell: &AtomicU64, value: f64) {
    let mut seen = cell.load(Ordering::Relaxed);
    loop {
        let sum = (f64::from_bits(seen) + value).to_bits();
        match cell.compare_exchange_weak(seen, sum, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return,
            Err(now) => seen = now,
        }
    }
}
