//! Which cells a thread counts in: those of the series, until threads or processes keep meeting there; from then on a
//! stripe of its own, which few others share.

use crate::core::Core;
use crate::family::Kind;
use crate::memory::Pinned;
use crate::process::salt;
use crate::segment::Offset;
use crate::segment::layout::Header;
use crate::segment::life::{State, set_striped};
use crate::segment::stripes::{STRIPES, publish_stripes, published_stripes, stripe_words};
use crate::series::Series;
use crate::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};

/// So many updates have to meet another one ...
const MEETINGS: u16 = 16;
/// ... within this many observations for each of them: a cold series, whose updates meet once in a while, stays small.
const OBSERVATIONS_EACH: u64 = 64;
/// After one counter addition in 2^8 the cell is asked whether others want it.
const PROBE_BITS: u32 = 8;
/// What a probe that met another weighs against those that did not.
const MET_WEIGHT: u16 = 4;
/// How often the threads of a process try other stripes than those they meet in.
const MOVES_MOST: u16 = 16;
/// Parts of [`Stripes`]' first word.
const MOVES_MASK: u16 = 31;
const SALT_SHIFT: u32 = 6;
/// And of its second one.
const NUMBER_MASK: u16 = 63;
const COUNT_SHIFT: u32 = 6;
const COUNT_MASK: u16 = 1023;
/// 2^64 divided by the golden ratio: multiples of it lie far apart in their upper bits.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
/// Where the number of the stripe lies in the seed of an observation. Counts do not reach it.
pub(crate) const SEED_SHIFT: u32 = 56;

/// What a process remembers of the stripes of a series.
pub(crate) struct Stripes {
    /// `salt10 | moves5 | 0`. The salt is added to the process' own, and changes when threads keep meeting in a stripe; moves are how
    /// often it did.
    ways: AtomicU16,
    /// Of late: `count at the first meeting10 | meetings6`, the count in steps of [`OBSERVATIONS_EACH`]; of a whole cell, what
    /// its probes met.
    meetings: AtomicU16,
    /// Where the first stripe lies, in lines; zero while this process counts in the cells of the series.
    first: AtomicU32,
}

/// A set of cells, and the marks of its stripe for the seeds of observations; zero for the base cells.
#[derive(Clone, Copy)]
pub(crate) struct CellSet<'a> {
    pub(crate) cells: &'a [AtomicU64],
    pub(crate) mark: u64,
}

/// The stripes of a series, for a language that counts without a call.
#[derive(Clone, Copy, Debug)]
pub struct StripesView {
    /// The first cell of the first stripe.
    pub cells: *const core::ffi::c_void,
    /// Bytes from one stripe to the next.
    pub stripe_bytes: u32,
    /// How many there are.
    pub stripes: u32,
    /// What the caller adds to what tells its threads apart.
    pub salt: u64,
}

/// What a language that counts without a call wants of the stripes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StripesWish {
    /// Those that there are, to read them.
    Known,
    /// Some, because its updates keep meeting others in the cells of the series.
    Any,
    /// The salt of other ones, because they keep meeting in a stripe.
    Other,
}

impl Stripes {
    pub(crate) const fn new() -> Self {
        Stripes { ways: AtomicU16::new(0), meetings: AtomicU16::new(0), first: AtomicU32::new(0) }
    }

    /// The cells of the calling thread: `base`, or a stripe with as many.
    #[inline]
    pub(crate) fn own<'a>(&self, base: &'a [AtomicU64], core: &'a Core) -> CellSet<'a> {
        // SYNC(stripes-known): Acquire; pairs with `know`.
        match self.first.load(Ordering::Acquire) {
            0 => CellSet { cells: base, mark: 0 },
            first => {
                let index = stripe_of(thread_word(), self.full_salt(&core.header));
                let at = index.wrapping_mul(stripe_words(base.len())).wrapping_mul(8);
                let place = Offset::from_lines(first).plus(at as u64);
                // SAFETY: `know` was given all stripes of a series with `base.len()` cells, which begin at `first`, and `index`
                // is below their number.
                let cells = unsafe { core.segment.known_words(place, base.len()) };
                CellSet { cells, mark: (index as u64).wrapping_add(1) << SEED_SHIFT }
            }
        }
    }

    #[inline]
    fn full_salt(&self, header: &Header) -> u64 {
        let own = u64::from(self.ways.load(Ordering::Relaxed) >> SALT_SHIFT);
        own.wrapping_add(salt(|| next_salt(header)))
    }

    pub(crate) fn are_known(&self) -> bool {
        self.first.load(Ordering::Relaxed) != 0
    }

    /// From here on this process counts in the stripes, which begin at so many lines: `stripes_at` found all of them there.
    fn know(&self, lines: u32) {
        // SYNC(stripes-known): Release hands on that they were published, to whoever counts in them.
        self.first.store(lines, Ordering::Release);
    }

    /// Notes that an update met another. `total` grows by one with each observation. True when they meet all the time.
    fn met(&self, total: u64) -> bool {
        let seen = self.meetings.load(Ordering::Relaxed);
        let (start, number) = (seen >> COUNT_SHIFT, seen & NUMBER_MASK);
        let total = (total / OBSERVATIONS_EACH) as u16 & COUNT_MASK;
        // Of the total the meetings remember ten bits, which by chance look near when they are far: hardly sixteen times in a
        // row. Updates that are lost here come again.
        let since = total.wrapping_sub(start) & COUNT_MASK;
        let again = number != 0 && since <= MEETINGS;
        let (start, number) = if again { (start, number.wrapping_add(1)) } else { (total, 1) };
        let often = number >= MEETINGS;
        self.meetings.store(if often { 0 } else { start << COUNT_SHIFT | number }, Ordering::Relaxed);
        often
    }

    /// Notes whether a probe has met another update. True when they meet all the time.
    fn probed(&self, met: bool) -> bool {
        let seen = self.meetings.load(Ordering::Relaxed);
        if !met {
            if seen != 0 {
                self.meetings.store(seen.saturating_sub(1), Ordering::Relaxed);
            }
            return false;
        }
        let often = seen >= MEETINGS.wrapping_mul(MET_WEIGHT);
        self.meetings.store(if often { 0 } else { seen.saturating_add(MET_WEIGHT) }, Ordering::Relaxed);
        often
    }

    /// Lets the threads of this process try other stripes. With more threads than stripes some always meet, so this ends.
    fn move_on(&self, header: &Header) {
        let ways = self.ways.load(Ordering::Relaxed);
        let moves = ways >> 1 & MOVES_MASK;
        if moves < MOVES_MOST {
            // A move of another thread that is lost here is as good as made.
            let salt = next_salt(header) as u16;
            self.ways.store(salt << SALT_SHIFT | moves.wrapping_add(1) << 1, Ordering::Relaxed);
        }
    }
}

impl Series {
    /// Whether the record says that there are stripes where none can be.
    pub(crate) fn has_lost_stripes(&self) -> bool {
        let word = self.family.core.segment.stripes_word(self.place());
        word.is_none_or(|word| published_stripes(word) != 0) && self.striped().is_none()
    }

    /// The stripes that were published for this series, all in one; nothing while it has one set of cells.
    pub(crate) fn striped(&self) -> Option<Pinned<[AtomicU64]>> {
        self.stripes_at(self.stripes_lines()?)
    }

    /// Where they lie.
    #[cfg(all(feature = "std", target_os = "linux", not(miri)))]
    pub(crate) fn stripes_place(&self) -> Option<Offset> {
        self.stripes_lines().map(Offset::from_lines)
    }

    /// Where they lie, in lines.
    fn stripes_lines(&self) -> Option<u32> {
        let lines = published_stripes(self.family.core.segment.stripes_word(self.place())?);
        u32::try_from(lines).ok().filter(|lines| *lines != 0)
    }

    fn stripes_at(&self, lines: u32) -> Option<Pinned<[AtomicU64]>> {
        let words = STRIPES.saturating_mul(stripe_words(self.cells().len()));
        self.family.core.segment.pin_words(Offset::from_lines(lines), words)
    }

    /// The values of one cell in all sets, the base first and then the stripes in their order.
    pub(crate) fn cell_values(&self, stripes: Option<Pinned<[AtomicU64]>>, cell: usize) -> impl Iterator<Item = u64> {
        let step = stripe_words(self.cells().len());
        let far = (0..STRIPES)
            .map_while(move |index| stripes.as_deref()?.get(index.wrapping_mul(step).wrapping_add(cell)).map(load));
        self.cells().get(cell).map(load).into_iter().chain(far)
    }

    /// The sum of a float cell over all sets. Always in the same order, so that rounding never lets it fall.
    pub(crate) fn float_of(&self, stripes: Option<Pinned<[AtomicU64]>>, cell: usize) -> f64 {
        let mut values = self.cell_values(stripes, cell).map(f64::from_bits);
        let base = values.next().unwrap_or_default();
        values.fold(base, |sum, value| sum + value)
    }

    /// The sum of a whole cell over all sets.
    pub(crate) fn count_of(&self, stripes: Option<Pinned<[AtomicU64]>>, cell: usize) -> u64 {
        self.cell_values(stripes, cell).fold(0, u64::wrapping_add)
    }

    /// Notes that adding to the float cell met another update. `counts` grow by one in all with each such addition.
    #[cold]
    #[inline(never)]
    pub(crate) fn note_meeting(&self, counts: &[AtomicU64]) {
        if self.stripes.met(counts.iter().map(load).fold(0, u64::wrapping_add)) {
            self.spread();
        }
    }

    /// Notes whether a counter's probe met another update.
    pub(crate) fn note_probe(&self, met: bool) {
        if self.stripes.probed(met) {
            self.spread();
        }
    }

    /// Counts in stripes from here on, or in other ones. Without space in the segment, which observations never let grow,
    /// everything stays as it is.
    fn spread(&self) {
        let striped = State::of(self.life_word().load(Ordering::Relaxed)).is_striped();
        if striped && self.stripes.are_known() {
            self.stripes.move_on(&self.family.core.header);
        } else {
            if self.striped().is_none() {
                self.make_stripes();
            }
            self.learn_stripes();
        }
    }

    /// Counts in the stripes that were published, if some were.
    #[cold]
    pub(crate) fn learn_stripes(&self) {
        if let Some(lines) = self.stripes_lines()
            && self.stripes_at(lines).is_some()
        {
            self.stripes.know(lines);
            // After that, so that whoever sees it finds them.
            set_striped(self.life_word());
        }
    }

    fn make_stripes(&self) -> Option<()> {
        let segment = &self.family.core.segment;
        let word = segment.stripes_word(self.place())?;
        let place = segment.allocate(STRIPES.checked_mul(stripe_words(self.cells().len()))?.checked_mul(8)?)?;
        publish_stripes(word, u64::from(place.lines()?));
        #[cfg(spanpin_stops)]
        crate::stops::at("stripes-publish: published");
        Some(())
    }

    /// The stripes, for a language that counts without a call.
    #[must_use]
    pub fn stripes_view(&self, wish: StripesWish) -> Option<StripesView> {
        match wish {
            StripesWish::Known => {}
            StripesWish::Any if self.stripes.are_known() || self.family.kind == Kind::Gauge => {}
            StripesWish::Any | StripesWish::Other => self.spread(),
        }
        let stripes = self.striped()?;
        Some(StripesView {
            cells: stripes.as_ptr().cast(),
            stripe_bytes: stripe_words(self.cells().len()).saturating_mul(8) as u32,
            stripes: STRIPES as u32,
            salt: self.stripes.full_salt(&self.family.core.header),
        })
    }
}

/// Whether a probe follows a counter's addition, by what the cell held before it: after one in 2^8, whatever the amounts
/// are.
#[inline]
pub(crate) const fn is_probe(before: u64) -> bool {
    before.wrapping_mul(SPREAD) >> (u64::BITS - PROBE_BITS) == 0
}

#[inline(always)]
pub(crate) fn load(cell: &AtomicU64) -> u64 {
    cell.load(Ordering::Relaxed)
}

/// A number that no process on this segment had before.
fn next_salt(header: &Header) -> u64 {
    header.salts.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
}

/// Threads whose words differ are spread at random; processes whose salts follow one another are spread apart, also when
/// they were forked from one parent and their threads have the same words.
#[inline]
const fn stripe_of(thread: u64, salt: u64) -> usize {
    (thread.wrapping_add(salt).wrapping_mul(SPREAD) >> u64::BITS.wrapping_sub(STRIPES.ilog2())) as usize
}

/// A number that tells the threads of a process apart.
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
#[inline]
fn thread_word() -> u64 {
    let word: u64;
    // SAFETY: the first word of the thread's control block is its own address; reading it has no other effect.
    unsafe { core::arch::asm!("mov {}, fs:[0]", out(reg) word, options(pure, readonly, nostack, preserves_flags)) };
    word
}

/// A number that tells the threads of a process apart.
#[cfg(all(target_os = "linux", target_arch = "aarch64", not(miri)))]
#[inline]
fn thread_word() -> u64 {
    let word: u64;
    // SAFETY: reading the register of the thread pointer has no effect.
    unsafe { core::arch::asm!("mrs {}, tpidr_el0", out(reg) word, options(pure, nomem, nostack, preserves_flags)) };
    word
}

/// A number that tells the threads of a process apart.
#[cfg(all(unix, not(miri), not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))))]
#[inline]
fn thread_word() -> u64 {
    // SAFETY: pthread_self has no preconditions.
    unsafe { libc::pthread_self() as u64 }
}

/// A number that mostly tells the threads of a process apart: where their stacks lie.
#[cfg(any(miri, not(unix)))]
fn thread_word() -> u64 {
    let here = 0_u8;
    ((&raw const here).addr() >> 16) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{Registry, RegistryOptions};

    const THREADS: u64 = if cfg!(miri) { 3 } else { 8 };
    const EACH: u64 = if cfg!(miri) { 60 } else { 60_000 };

    fn registry() -> Registry {
        Registry::with_options(&RegistryOptions { self_metrics: false, ..Default::default() }).unwrap()
    }

    fn series(registry: &Registry, name: &str) -> Pinned<Series> {
        registry.core.family(name).unwrap().series.iter().find(|series| !series.is_overflow()).unwrap()
    }

    fn body(registry: &Registry) -> alloc::string::String {
        let scrape = registry.scrape(&crate::ScrapeRequest::default()).unwrap();
        alloc::string::String::from_utf8(scrape.into_body()).unwrap()
    }

    fn has_line(body: &str, line: &str) -> bool {
        body.lines().any(|one| one == line)
    }

    /// Updates before, while and after the stripes are made, by many threads: each is counted once.
    #[test]
    fn nothing_is_lost_whenever_the_stripes_are_made() {
        let registry = registry();
        let histogram = registry.histogram("h", "").bounds(&[1.0, 2.0]).register().unwrap().with(&[]).unwrap();
        let counter = registry.counter("c", "").register().unwrap().with(&[]).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (histogram, counter, registry) = (&histogram, &counter, &registry);
                scope.spawn(move || {
                    for turn in 0..EACH {
                        histogram.observe((turn % 3) as f64 + 0.5);
                        counter.inc();
                        counter.add(0.5);
                        if thread == 0 && turn == EACH / 2 {
                            series(registry, "h").stripes_view(StripesWish::Any).unwrap();
                            series(registry, "c").stripes_view(StripesWish::Any).unwrap();
                        }
                    }
                });
            }
        });
        for name in ["h", "c"] {
            let series = series(&registry, name);
            let stripes = series.striped().unwrap();
            assert!(series.stripes.are_known());
            assert!(stripes.iter().any(|word| load(word) != 0), "{name}: nobody counted in a stripe");
            assert!(series.cells().iter().any(|word| load(word) != 0), "{name}: nobody counted before");
        }
        let (body, each) = (body(&registry), THREADS * EACH / 3);
        assert!(has_line(&body, &alloc::format!("h_bucket{{le=\"1.0\"}} {each}")), "{body}");
        assert!(has_line(&body, &alloc::format!("h_bucket{{le=\"+Inf\"}} {}", 3 * each)), "{body}");
        assert!(has_line(&body, &alloc::format!("h_sum {}.0", each * 9 / 2)), "{body}");
        assert!(has_line(&body, &alloc::format!("c_total {}.0", THREADS * EACH + THREADS * EACH / 2)), "{body}");
    }

    /// Meetings close to one another are contention, the same number of them far apart is none.
    #[test]
    fn a_series_is_striped_only_when_its_updates_keep_meeting() {
        let cold = Stripes::new();
        assert!((0..1000).all(|n| !cold.met(n * (u64::from(MEETINGS) + 1) * OBSERVATIONS_EACH)));
        let hot = Stripes::new();
        let first = (0..1000).position(|n| hot.met(n * OBSERVATIONS_EACH)).unwrap();
        assert_eq!(first as u16, MEETINGS - 1);
        // Counts in another stripe have another total, that may be less.
        assert!(!hot.met(1_000_000) && !hot.met(5));
        let hot = Stripes::new();
        let wraps = (u64::from(COUNT_MASK) - 5) * OBSERVATIONS_EACH;
        assert!((0..1000).any(|n| hot.met(wraps + n * OBSERVATIONS_EACH)), "also where its bits end");

        let cold = Stripes::new();
        assert!((0..10_000).all(|n| !cold.probed(n % (MET_WEIGHT + 1) == 0)));
        let hot = Stripes::new();
        assert!((0..1000).any(|n| hot.probed(n % 2 == 0)));
    }

    #[test]
    fn one_thread_never_makes_stripes() {
        let registry = registry();
        let histogram = registry.histogram("h", "").register().unwrap().with(&[]).unwrap();
        let counter = registry.counter("c", "").register().unwrap().with(&[]).unwrap();
        let gauge = registry.gauge("g", "").register().unwrap().with(&[]).unwrap();
        for turn in 0..EACH {
            histogram.observe(turn as f64);
            counter.inc();
            gauge.add(1.0);
        }
        assert!(series(&registry, "h").striped().is_none() && series(&registry, "c").striped().is_none());
        assert!(series(&registry, "g").stripes_view(StripesWish::Any).is_none(), "a gauge has no stripes");
    }

    /// Forked children have threads of the same words, and salts that follow one another.
    #[test]
    fn neighbouring_salts_lead_to_different_stripes() {
        for thread in [0x7F12_3456_7740_u64, 0xC000_1234] {
            let stripes: alloc::vec::Vec<_> = (1..=8).map(|salt| stripe_of(thread, salt)).collect();
            for (at, one) in stripes.iter().enumerate() {
                assert!(*one < STRIPES && !stripes[..at].contains(one), "{stripes:?}");
            }
        }
    }

    #[test]
    fn threads_that_meet_in_a_stripe_move_and_stop_moving_at_last() {
        let registry = registry();
        let _ = registry.histogram("h", "").register().unwrap().with(&[]).unwrap();
        let series = series(&registry, "h");
        let salts: alloc::vec::Vec<_> = core::iter::once(StripesWish::Any)
            .chain([StripesWish::Other; 40])
            .map(|wish| series.stripes_view(wish).unwrap().salt)
            .collect();
        let moved = salts.windows(2).filter(|two| two[0] != two[1]).count();
        assert_eq!(moved, MOVES_MOST as usize);
    }

    /// A series whose stripes found no space goes on as before.
    #[test]
    fn without_space_there_are_no_stripes() {
        let options = RegistryOptions { reserve_bytes: 0, self_metrics: false, ..Default::default() };
        let registry = Registry::with_options(&options).unwrap();
        let histogram = registry.histogram("h", "").bounds(&[1.0]).register().unwrap().with(&[]).unwrap();
        while registry.core.segment.allocate(64).is_some() {}
        assert!(series(&registry, "h").stripes_view(StripesWish::Any).is_none());
        histogram.observe(0.5);
        assert!(has_line(&body(&registry), "h_count 1"));
    }

    #[test]
    fn stripes_outside_of_the_segment_are_damage() {
        let registry = registry();
        let _ = registry.counter("c", "").register().unwrap().with(&[]).unwrap();
        let series = series(&registry, "c");
        assert!(!series.has_lost_stripes());
        let word = registry.core.segment.stripes_word(series.place()).unwrap();
        for lines in [1 << 40, u64::from(u32::MAX), registry.core.header.tail.load(Ordering::Relaxed) >> 6] {
            word.store(lines, Ordering::Relaxed);
            assert!(series.has_lost_stripes() && series.striped().is_none());
        }
    }
}
