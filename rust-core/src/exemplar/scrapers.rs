//! Who scrapes: the table of marks that makes "since this scraper's last scrape" exact for each of them.
//!
//! A scraper that keeps its beat is trusted with its own mark. One whose identity comes and goes, behind a pool of
//! addresses, gets the newest mark of all, with which its timestamps can never go back either.

use crate::process::pause;
use crate::segment::layout::{Header, SCRAPERS, Scraper as Entry};
use crate::sync::atomic::{AtomicU64, Ordering};

/// A scraper that was silent for longer starts anew.
const FORGOTTEN_MS: u64 = 10 * 60 * 1000;
/// A lock of the table that is older belongs to a process that died, or was stopped, while holding it.
const LOCK_LOST_MS: u64 = 1000;
/// What a beat may be off by, beside a fifth of it.
const TOLERANCE_MS: f64 = 750.0;
const SCORE_MAX: i64 = 8;
/// A scraper is trusted from this score on ...
const TRUSTED_FROM: i64 = 4;
/// ... and no more below this one.
const TRUSTED_TO: i64 = 3;

/// The identity of a scraper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scraper {
    id: u64,
    class: u64,
}

impl Scraper {
    /// A scraper of whom nothing is known. All of them are one; give an identity where there is one.
    #[must_use]
    pub const fn anonymous() -> Self {
        Scraper { id: 1, class: 1 }
    }

    /// A scraper that the caller tells apart by a name of its own.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let id = hash_parts(&[b"name", name.as_bytes()]);
        Scraper { id, class: id }
    }

    /// The scraper behind an HTTP request: its class is made of the headers `User-Agent` and
    /// `X-Prometheus-Scrape-Timeout-Seconds` and of path and query, its identity of the class and the peer's address
    /// without the port. A pool of kept-alive connections stays one scraper that way.
    #[must_use]
    pub fn from_request(user_agent: &str, scrape_timeout: &str, path_and_query: &str, peer_ip: &str) -> Self {
        let parts = [user_agent.as_bytes(), scrape_timeout.as_bytes(), path_and_query.as_bytes()];
        let class = hash_parts(&parts);
        let id = hash_parts(&[&class.to_le_bytes(), peer_ip.as_bytes()]);
        Scraper { id, class }
    }

    /// The same told apart by its class alone. A name is its own class.
    pub(crate) const fn without_address(self) -> Self {
        Scraper { id: self.class, class: self.class }
    }
}

/// FNV-1a over the parts, each closed by a byte that no UTF-8 text holds. Zero, which marks a free entry, is avoided.
fn hash_parts(parts: &[&[u8]]) -> u64 {
    let mut hash = 0xCBF2_9CE4_8422_2325_u64;
    for part in parts {
        for byte in part.iter().chain(&[0xFF]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }
    hash.max(2)
}

/// What a scrape may show, and where its mark lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    /// The window this scrape opened; only windows before it are shown.
    pub(crate) open: u64,
    /// The first window this scraper has not seen.
    pub(crate) lo: u64,
    /// The scraper's entry in the table.
    entry: usize,
}

/// Releases the table's lock.
struct TableLock<'a> {
    word: &'a AtomicU64,
    mine: u64,
}

impl Drop for TableLock<'_> {
    fn drop(&mut self) {
        #[cfg(spanpin_stops)]
        crate::stops::at("scraper-table: unlocking");
        // SYNC(scraper-table): Release; fails only when the lock was taken for lost.
        let _ = self.word.compare_exchange(self.mine, 0, Ordering::Release, Ordering::Relaxed);
        #[cfg(spanpin_stops)]
        crate::stops::at("scraper-table: unlocked");
    }
}

fn lock_table(header: &Header, now_ms: u64, clock: impl Fn() -> u64) -> TableLock<'_> {
    let word = &header.scraper_lock;
    let mine = now_ms.max(1);
    let mut turns = 0_u32;
    loop {
        let seen = word.load(Ordering::Relaxed);
        // A time far ahead is no holder's either: such a word was damaged, or written before the system began anew.
        let lost = seen != 0 && turns > 1000 && clock().abs_diff(seen) > LOCK_LOST_MS;
        #[cfg(spanpin_stops)]
        crate::stops::at("scraper-table: locking");
        // SYNC(scraper-table): Acquire.
        if (seen == 0 || lost) && word.compare_exchange(seen, mine, Ordering::Acquire, Ordering::Relaxed).is_ok() {
            #[cfg(spanpin_stops)]
            crate::stops::at("scraper-table: locked");
            return TableLock { word, mine };
        }
        turns = turns.saturating_add(1);
        pause(turns);
    }
}

/// Opens a window for a scrape and finds what this scraper has seen.
///
/// A window younger than `least_ms` is shared by a scraper that is new, or was here less than `least_ms` ago: the numbers
/// of windows must last. What came after the window opened is shown to it by its next scrape only, so nobody else has to
/// share.
pub(crate) fn begin(header: &Header, who: Scraper, now_ms: u64, least_ms: u64, real_clock: impl Fn() -> u64) -> Turn {
    let returns = header.scrapers.iter().any(|entry| {
        entry.id.load(Ordering::Relaxed) == who.id
            && now_ms.saturating_sub(entry.last_ms.load(Ordering::Relaxed)) >= least_ms
    });
    let open = cut(header, now_ms, if returns { 0 } else { least_ms });
    let _held = lock_table(header, real_clock(), real_clock);
    let (lo, entry) = lower(header, who, open, now_ms);
    Turn { open, lo, entry }
}

/// The turn of a scraper of a copy, whose table nobody else uses: no window is closed.
#[cfg(all(feature = "std", target_os = "linux", not(miri)))]
pub(crate) fn join(header: &Header, who: Scraper, now_ms: u64) -> Turn {
    let open = header.window.epoch.load(Ordering::Relaxed);
    let (lo, entry) = lower(header, who, open, now_ms);
    Turn { open, lo, entry }
}

/// The turn of a reader that closes no window and leaves no mark.
pub(crate) fn look(header: &Header) -> Turn {
    let open = header.window.epoch.load(Ordering::Relaxed);
    Turn { open, lo: newest_mark(header).min(open), entry: SCRAPERS }
}

/// Closes the open window if it is at least `least_ms` old. Returns the number of the open one.
fn cut(header: &Header, now_ms: u64, least_ms: u64) -> u64 {
    let window = &header.window;
    let opened = window.opened_ms.load(Ordering::Relaxed);
    if now_ms.saturating_sub(opened) < least_ms {
        return window.epoch.load(Ordering::Relaxed);
    }
    window.opened_ms.store(now_ms, Ordering::Relaxed);
    #[cfg(spanpin_stops)]
    crate::stops::at("window: between its words");
    window.epoch.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
}

/// Whether the open window has been open for `most_ms`.
pub(crate) fn is_due(header: &Header, now_ms: u64, most_ms: u64) -> bool {
    now_ms.saturating_sub(header.window.opened_ms.load(Ordering::Relaxed)) >= most_ms
}

/// Closes the open window if nobody has for `most_ms`.
pub(crate) fn turn_by_time(header: &Header, now_ms: u64, most_ms: u64) {
    let window = &header.window;
    let opened = window.opened_ms.load(Ordering::Relaxed);
    if now_ms.saturating_sub(opened) >= most_ms
        && window.opened_ms.compare_exchange(opened, now_ms, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    {
        window.epoch.fetch_add(1, Ordering::Relaxed);
    }
}

/// Remembers that a scraper has seen every window before `turn.open`: called when the slots have been read, before
/// the answer leaves, whatever becomes of it.
pub(crate) fn finish(header: &Header, turn: Turn) {
    if let Some(entry) = header.scrapers.get(turn.entry) {
        #[cfg(spanpin_stops)]
        crate::stops::at("scraper-mark: before");
        // SYNC(scraper-mark): Release orders the reads of the slots before the mark.
        entry.mark.fetch_max(turn.open, Ordering::Release);
        #[cfg(spanpin_stops)]
        crate::stops::at("scraper-mark: raised");
    }
}

/// The first window that each live scraper may yet ask for: its mark, or, if others of its class have joined later, what
/// `lower` holds it to. One that is not trusted asks from the newest mark on, which is somebody's.
#[derive(Clone, Copy)]
pub(crate) struct FirstAsked([u64; SCRAPERS]);

impl FirstAsked {
    pub(crate) fn now(header: &Header, now_ms: u64) -> Self {
        FirstAsked(header.scrapers.each_ref().map(|entry| {
            if is_forgotten(entry, now_ms) {
                return 0;
            }
            let (class, id) = (entry.class.load(Ordering::Relaxed), entry.id.load(Ordering::Relaxed));
            let (mark, lo) = (entry.mark.load(Ordering::Relaxed), entry.lo.load(Ordering::Relaxed));
            mark.max(lo).max(joined(header, Scraper { id, class }, now_ms))
        }))
    }

    /// True if one of them lies in `(after, upto]`.
    pub(crate) fn separate(&self, after: u64, upto: u64) -> bool {
        self.0.iter().any(|first| after < *first && *first <= upto)
    }
}

/// The newest window at which another live scraper of this class joined: what was shown to it may have been shown to this
/// one, under that address.
fn joined(header: &Header, who: Scraper, now_ms: u64) -> u64 {
    let others = header.scrapers.iter().filter(|other| {
        other.class.load(Ordering::Relaxed) == who.class
            && other.id.load(Ordering::Relaxed) != who.id
            && !is_forgotten(other, now_ms)
    });
    others.map(|other| other.join_lo.load(Ordering::Relaxed)).fold(0, u64::max)
}

fn is_forgotten(entry: &Entry, now_ms: u64) -> bool {
    now_ms.saturating_sub(entry.last_ms.load(Ordering::Relaxed)) > FORGOTTEN_MS
}

fn newest_mark(header: &Header) -> u64 {
    #[cfg(spanpin_stops)]
    crate::stops::at("scraper-mark: looking");
    // SYNC(scraper-mark): Acquire: what an earlier answer has shown is known to this one.
    let marks = header.scrapers.iter().map(|entry| entry.mark.load(Ordering::Acquire));
    // The floor last: a mark that is not there any more is below it.
    let newest = marks.fold(0, u64::max);
    newest.max(header.mark_floor.load(Ordering::Relaxed))
}

fn lower(header: &Header, who: Scraper, open: u64, now_ms: u64) -> (u64, usize) {
    let newest = newest_mark(header).min(open);
    let known = header.scrapers.iter().position(|entry| entry.id.load(Ordering::Relaxed) == who.id);
    let Some((index, entry)) = known.and_then(|index| Some((index, header.scrapers.get(index)?))) else {
        return (newest, enter(header, who, newest, now_ms));
    };
    let silent_ms = now_ms.saturating_sub(entry.last_ms.load(Ordering::Relaxed));
    entry.last_ms.store(now_ms, Ordering::Relaxed);
    #[cfg(spanpin_stops)]
    crate::stops::at("scraper-table: returned");
    if silent_ms > FORGOTTEN_MS {
        start(entry, newest);
        return (newest, index);
    }
    let trusted = beat(entry, silent_ms as f64);
    let mut lo = newest;
    if trusted {
        let joined = joined(header, who, now_ms);
        #[cfg(spanpin_stops)]
        crate::stops::at("scraper-mark: trusted");
        // SYNC(scraper-mark): Acquire.
        lo = entry.mark.load(Ordering::Acquire).max(joined);
    } else {
        entry.join_lo.store(newest, Ordering::Relaxed);
    }
    let lo = lo.max(entry.lo.load(Ordering::Relaxed)).min(open);
    entry.lo.store(lo, Ordering::Relaxed);
    (lo, index)
}

/// Judges whether a scraper keeps its beat. Returns whether it is trusted.
fn beat(entry: &Entry, silent_ms: f64) -> bool {
    let gap = f64::from_bits(entry.gap.load(Ordering::Relaxed));
    let state = entry.trust.load(Ordering::Relaxed);
    let (mut score, was_trusted) = ((state >> 1) as i64, state & 1 != 0);
    let mut next_gap = gap + (silent_ms - gap) / 4.0;
    let off = |beats: f64| distance(silent_ms, beats * gap) <= gap / 5.0 + TOLERANCE_MS;
    if gap == 0.0 {
        next_gap = silent_ms;
    } else if off(1.0) {
        score = score.saturating_add(1).min(SCORE_MAX);
    } else if off(2.0) || off(3.0) {
        // A scrape or two were lost.
        score = score.saturating_sub(1).max(0);
        if score >= TRUSTED_TO {
            next_gap = gap;
        }
    } else {
        score = score.saturating_sub(4).max(0);
    }
    let trusted = if was_trusted { score >= TRUSTED_TO } else { score >= TRUSTED_FROM };
    entry.gap.store(next_gap.to_bits(), Ordering::Relaxed);
    entry.trust.store((score as u64) << 1 | u64::from(trusted), Ordering::Relaxed);
    trusted
}

fn distance(a: f64, b: f64) -> f64 {
    if a > b { a - b } else { b - a }
}

/// Gives a new scraper an entry: a free one, otherwise that of the untrusted, longest silent one.
fn enter(header: &Header, who: Scraper, newest: u64, now_ms: u64) -> usize {
    let order = |entry: &Entry| {
        let used = entry.id.load(Ordering::Relaxed) != 0;
        let trusted = entry.trust.load(Ordering::Relaxed) & 1;
        (used, trusted, entry.last_ms.load(Ordering::Relaxed))
    };
    let chosen = header.scrapers.iter().enumerate().min_by_key(|(_, entry)| order(entry));
    let Some((index, entry)) = chosen else { return SCRAPERS };
    #[cfg(spanpin_stops)]
    crate::stops::at("scraper-table: evicting, before");
    // The entry has no owner until it is whole: whoever dies in the middle of this leaves a free one.
    entry.id.store(0, Ordering::Relaxed);
    lift_floor(header, entry);
    entry.class.store(who.class, Ordering::Relaxed);
    entry.last_ms.store(now_ms, Ordering::Relaxed);
    entry.lo.store(0, Ordering::Relaxed);
    start(entry, newest);
    #[cfg(spanpin_stops)]
    crate::stops::at("scraper-table: evicting, all but the name");
    entry.id.store(who.id, Ordering::Relaxed);
    index
}

/// Takes the mark from an entry, once the floor is as high. Nobody may ever be shown less than what the owner of the entry
/// has seen: also if this process dies in between, or the owner's last scrape is still about to move its mark.
pub(crate) fn lift_floor(header: &Header, entry: &Entry) {
    let mut mark = entry.mark.load(Ordering::Relaxed);
    loop {
        header.mark_floor.fetch_max(mark, Ordering::Relaxed);
        #[cfg(spanpin_stops)]
        crate::stops::at("scraper-mark: floor lifted");
        // SYNC(scraper-mark): Release: whoever finds no mark finds the floor. Acquire as in `newest_mark`.
        match entry.mark.compare_exchange(mark, 0, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => return,
            Err(now) => mark = now,
        }
    }
}

fn start(entry: &Entry, newest: u64) {
    entry.gap.store(0, Ordering::Relaxed);
    entry.trust.store(0, Ordering::Relaxed);
    entry.join_lo.store(newest, Ordering::Relaxed);
    entry.lo.fetch_max(newest, Ordering::Relaxed);
}
