//! What a registry's handles share: the segment, this process' index of it, clocks and settings.

use alloc::boxed::Box;

use crate::clock::Clock;
use crate::encode::text::ExemplarStart;
use crate::error::{Error, ErrorCode};
use crate::exemplar::RuleOptions;
use crate::family::Family;
use crate::hooks::TraceUrl;
use crate::memory::{Chain, CurrentTable, Link, Pinned, Pushed, Table, out_of_memory};
use crate::process::{ExemplarShare, Held, Lock, add_within, fork_generation};
use crate::registry::ScraperIdentity;
use crate::segment::layout::{Header, Window};
use crate::segment::problem::{Fault, Instead, Notices, SegmentReason};
use crate::segment::publish::{Published, publish};
use crate::segment::{Offset, RecordKind, Segment};
use crate::series::Series;
use crate::sync::atomic::{AtomicU64, Ordering};

/// A window is closed by time after this long without a scrape.
pub(crate) const WINDOW_MOST_MS: u64 = 10_000;
/// Scrapes closer than this share a window.
pub(crate) const WINDOW_LEAST_MS: u64 = 20;
/// An exemplar older than this is not shown again.
pub(crate) const AGE_MOST_MS: u64 = 90_000;
/// Look-ups of a span that one bucket may cost in one window.
pub(crate) const BUDGET: u32 = 16_384;

/// Settings of a registry that its parts read.
pub(crate) struct Settings {
    pub(crate) exemplar_bytes: u64,
    pub(crate) self_metrics: bool,
    pub(crate) scraper_identity: ScraperIdentity,
    /// How exemplars are chosen in families that do not say.
    pub(crate) rules: RuleOptions,
    /// Whether explicit exemplars keep the names of ids as the caller wrote them.
    pub(crate) keep_names: bool,
    pub(crate) trace_url: Option<TraceUrl>,
    /// Whether spans are marked in families that do not say.
    pub(crate) mark_spans: bool,
    pub(crate) strict: bool,
    /// Whether a segment in a file was asked for, which may not be the one that is used.
    pub(crate) asked_for_file: bool,
    pub(crate) trace_id_label: Box<str>,
    pub(crate) span_id_label: Box<str>,
    /// What stands before the ids of an exemplar.
    pub(crate) exemplar_start: ExemplarStart,
}

/// The core's own address, for the families inside it.
pub(crate) struct Itself(pub(crate) Pinned<Core>);

/// The state behind a registry. Fields that refer to others are dropped before them.
pub(crate) struct Core {
    /// The index of all series by hash.
    pub(crate) index: CurrentTable<Series>,
    pub(crate) families: Chain<Family>,
    /// Held while records are published and the index grows.
    pub(crate) lock: Lock,
    /// Offset of the newest record that this process has taken up.
    walked: AtomicU64,
    /// Size of the last exposition, with which the next one starts.
    pub(crate) body_hint: AtomicU64,
    pub(crate) clock: Clock,
    /// What this registry takes of the process' memory for exemplars.
    exemplar_share: ExemplarShare,
    pub(crate) settings: Settings,
    /// The fork generation of the process that made this.
    born: u64,
    /// What is to be said of the segment.
    pub(crate) notices: Notices,
    /// Set as soon as the core has its place.
    pub(crate) itself: Link<Itself>,
    /// The header of `segment`.
    pub(crate) header: Pinned<Header>,
    /// The window in it.
    pub(crate) window: Pinned<Window>,
    pub(crate) segment: Segment,
}

impl Core {
    pub(crate) fn new(segment: Segment, clock: Clock, settings: Settings) -> Result<Core, Error> {
        let header = segment.pin_header().ok_or_else(out_of_memory)?;
        let window = segment.pin_window().ok_or_else(out_of_memory)?;
        Ok(Core {
            index: CurrentTable::new(Table::with_room(16)?),
            families: Chain::new(),
            lock: Lock::new(),
            walked: AtomicU64::new(0),
            body_hint: AtomicU64::new(0),
            clock,
            exemplar_share: ExemplarShare::new(settings.exemplar_bytes),
            settings,
            born: fork_generation(),
            notices: Notices::new(),
            itself: Link::empty(),
            header,
            window,
            segment,
        })
    }

    pub(crate) fn walked(&self) -> u64 {
        self.walked.load(Ordering::Relaxed)
    }

    /// The caller holds the lock and has taken up every record up to this one.
    pub(crate) fn set_walked(&self, place: Offset) {
        self.walked.store(place.bytes(), Ordering::Relaxed);
    }

    /// Holds the lock of the slow paths.
    pub(crate) fn hold(&self) -> Held<'_> {
        let held = self.lock.hold();
        if held.is_inherited() {
            self.mend();
        }
        held
    }

    /// Finishes what a thread of the parent process was at when this one was forked. A series that is in its family's
    /// list but not in the index would otherwise be created, and shown, a second time.
    #[cold]
    fn mend(&self) {
        self.families.mend();
        for family in self.families.iter() {
            family.series.mend();
            for series in family.series.iter() {
                let known =
                    self.index.get().probe(series.hash()).any(|s| core::ptr::eq(&raw const *s, &raw const *series));
                if !known && self.make_room_in_index().is_ok() {
                    self.index.get().insert(series.hash(), series);
                }
            }
        }
    }

    /// Grows the index if it is nearly full. The caller holds the lock.
    pub(crate) fn make_room_in_index(&self) -> Result<(), Error> {
        if self.index.get().has_room() { Ok(()) } else { self.index.grow(Series::hash) }
    }

    /// Takes up the records from the one at `from` back to the one before `until`, oldest first. The caller holds
    /// the lock.
    ///
    /// A record that is damaged is left out; what it counts still lies in the segment. If memory is short nothing is
    /// taken for walked, so that the next call comes here again.
    pub(crate) fn catch_up(&self, from: u64, until: u64) -> Result<(), Error> {
        let (places, _) = self.places(from, until)?;
        for place in places.iter().rev() {
            match self.attach(*place) {
                Err(error) if error.code() == ErrorCode::OutOfMemory => return Err(error),
                _ => {}
            }
        }
        if from != until {
            self.set_walked(Offset::from_bytes(from));
        }
        Ok(())
    }

    /// Takes up every record of a segment that was found in a file, and fails for the first one that is damaged.
    pub(crate) fn take_up_strictly(&self) -> Result<(), Error> {
        let _held = self.hold();
        #[cfg(spanpin_stops)]
        crate::stops::at("record-publish: attaching");
        // SYNC(record-publish): Acquire; the records up to this one become visible.
        let newest = self.header.newest_record.load(Ordering::Acquire);
        let (places, whole) = self.places(newest, 0)?;
        if !whole {
            return Err(Error::fixed(ErrorCode::SegmentFull, "its list of records does not end, or leads outside"));
        }
        for place in places.iter().rev() {
            self.attach(*place)?;
        }
        self.set_walked(Offset::from_bytes(newest));
        Ok(())
    }

    /// The records from the one at `from` back to the one before `until`, newest first, and whether the walk met its
    /// end.
    pub(crate) fn places(&self, from: u64, until: u64) -> Result<(Pushed<Offset>, bool), Error> {
        // The walk ends at the tail at the latest: a crafted list could loop.
        let most = self.header.tail.load(Ordering::Relaxed) >> 6;
        let mut places = Pushed::new();
        let mut at = from;
        while at != until && at != 0 {
            let place = Offset::from_bytes(at);
            let Some(next) = self.segment.next_of(place) else { return Ok((places, false)) };
            if places.len() as u64 >= most {
                return Ok((places, false));
            }
            places.push(place)?;
            at = next.load(Ordering::Relaxed);
        }
        Ok((places, at == until))
    }

    fn attach(&self, place: Offset) -> Result<(), Error> {
        match self.segment.kind_of(place) {
            Some(RecordKind::Family) => self.attach_family(place).map(|_| ()),
            Some(RecordKind::Series) => self.attach_series(place).map(|_| ()),
            None => Err(Error::fixed(ErrorCode::SegmentFull, "a record of the segment is of no known kind")),
        }
    }

    /// Takes up what other processes have published since, and lets the segment grow for the observations to come.
    pub(crate) fn take_up_new_records(&self) {
        self.note_fork();
        self.segment.make_room(0);
        self.be_worker();
        if self.segment.shortage().is_some() != self.notices.is_degraded(SegmentReason::NoSpace) {
            let _held = self.hold();
            self.note_shortage();
        }
        if self.header.newest_record.load(Ordering::Relaxed) == self.walked() {
            return;
        }
        let _held = self.hold();
        let _ = self.catch_up_to_newest();
    }

    /// Takes up every record that is published. The caller holds the lock: a head read before it may lie behind what
    /// others took up while this thread waited, and the walk from there would never meet its end.
    pub(crate) fn catch_up_to_newest(&self) -> Result<(), Error> {
        #[cfg(spanpin_stops)]
        crate::stops::at("record-publish: catching up");
        // SYNC(record-publish): Acquire; the records up to this one become visible.
        let newest = self.header.newest_record.load(Ordering::Acquire);
        self.catch_up(newest, self.walked())
    }

    /// Publishes the record at `mine`, unless `existing` finds an equal one among those of others. The caller holds the
    /// lock.
    pub(crate) fn publish(&self, mine: Offset, existing: impl Fn() -> Option<Offset>) -> Result<Published, Error> {
        self.be_worker();
        let link = self.segment.next_of(mine).ok_or_else(out_of_memory)?;
        Ok(publish(
            &self.header.newest_record,
            mine.bytes(),
            self.walked(),
            |next| link.store(next, Ordering::Relaxed),
            |from, until| {
                // A list that was not walked to its end may hold it: then nothing is published.
                if self.catch_up(from, until).is_err() {
                    return Some(Offset::HEADER.bytes());
                }
                existing().map(Offset::bytes)
            },
        ))
    }

    /// Makes this process one of the workers of a segment in a file, which a child of fork is not yet: for those who look
    /// which there are, and so that adding to a gauge finds it done.
    pub(crate) fn be_worker(&self) {
        if self.segment.wants_worker() {
            self.segment.become_worker(true, self.clock.wall_ms());
        }
    }

    /// Remembers that this process counts for itself alone, if it was forked from the one that made the registry.
    fn note_fork(&self) {
        if self.segment.path().is_none() && self.born != fork_generation() && !self.is_alone() {
            let cause = "this process was forked from one that had the registry; it counts in memory of its own, apart from \
                         its parent and its parent's other children";
            let _held = self.hold();
            self.notices.add(&Fault::new(SegmentReason::PerWorker, cause), "", Instead::Nothing);
        }
    }

    fn is_alone(&self) -> bool {
        self.notices.is_degraded(SegmentReason::PerWorker)
    }

    /// Whether the exposition says how it stands with the segment: there was to be a file, or there should be one.
    pub(crate) fn tells_degraded(&self) -> bool {
        self.settings.asked_for_file || self.is_alone()
    }

    /// Remembers whether the segment could grow. The caller holds the lock.
    pub(crate) fn note_shortage(&self) {
        match self.segment.shortage() {
            Some(fault) => self.notices.add(&fault, self.segment.path().unwrap_or_default(), Instead::Overflow),
            None => self.notices.clear(SegmentReason::NoSpace),
        }
    }

    /// Remembers that a family is not counted in the shape asked for, because another process has it, or had it, in
    /// another one. The caller holds the lock.
    pub(crate) fn note_shape(&self, error: &Error, instead: Instead<'_>) {
        let fault = Fault::new(SegmentReason::Shape, error.message());
        self.notices.add(&fault, self.segment.path().unwrap_or_default(), instead);
    }

    /// Takes up the family at a place. The caller holds the lock. One that is there already, as after a fork in the middle
    /// of this, is found again.
    pub(crate) fn attach_family(&self, place: Offset) -> Result<Pinned<Family>, Error> {
        if let Some(known) = self.families.iter().find(|family| family.place() == place) {
            return Ok(known);
        }
        let text = self.segment.read_family(place)?;
        let core = self.itself.get().ok_or_else(out_of_memory)?.0;
        let family = Family::from_record(core, place, text)?;
        family.check_record()?;
        for other in self.families.iter().filter(|other| other.cannot_show_with(&family)) {
            if other.has_shape_of(&family) {
                return Err(Error::fixed(ErrorCode::SegmentFull, "the segment has a family twice"));
            }
            // Of two that this process has not registered the newer one is shown.
            if other.is_registered() { family.set_hidden(true) } else { other.set_hidden(true) }
        }
        Ok(self.families.push(family))
    }

    /// Takes up the series at a place, as `attach_family` does.
    pub(crate) fn attach_series(&self, place: Offset) -> Result<Pinned<Series>, Error> {
        let text = self.segment.read_series(place)?;
        let family = self.families.iter().find(|family| family.place() == text.family);
        let orphan = || Error::fixed(ErrorCode::SegmentFull, "a series of the segment names no family that is there");
        let family = family.ok_or_else(orphan)?;
        family.check_series(place, &text)?;
        let mut same = self.index.get().probe(text.hash).filter(|known| known.has_text(&family, &text));
        match same.next() {
            Some(known) if known.place() == place => Ok(known),
            Some(_) => Err(Error::fixed(ErrorCode::SegmentFull, "the segment has a series twice")),
            None => Family::attach(family, place, text),
        }
    }

    /// The family of this name that this process shows.
    #[cfg(test)]
    pub(crate) fn family(&self, name: &str) -> Option<Pinned<Family>> {
        self.families.iter().find(|family| *family.name == *name && !family.is_hidden())
    }

    /// Series of all families, overflow series left out.
    pub(crate) fn label_sets(&self) -> u64 {
        self.families.iter().map(|family| family.label_sets()).fold(0, u64::saturating_add)
    }

    /// Counts a series of the family at a place, for whoever looks at the file.
    pub(crate) fn count_series(&self, family: Offset) {
        self.header.series.fetch_add(1, Ordering::Relaxed);
        if let Some(record) = self.segment.family_record(family) {
            record.series.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes `bytes` of the memory for exemplars. False if there is not so much left.
    pub(crate) fn charge_exemplars(&self, bytes: usize) -> bool {
        let used = &self.header.exemplar_bytes;
        let most = self.settings.exemplar_bytes;
        let bytes = bytes as u64;
        if !add_within(used, bytes, most) {
            return false;
        }
        if !self.exemplar_share.take(bytes) {
            used.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        true
    }

    /// Gives back what `charge_exemplars` took.
    pub(crate) fn discharge_exemplars(&self, bytes: usize) {
        self.header.exemplar_bytes.fetch_sub(bytes as u64, Ordering::Relaxed);
        self.exemplar_share.give_back(bytes as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{Registry, RegistryOptions};
    use crate::segment::{SeriesWrite, put_text};

    /// What a child of fork finds when a thread of its parent was between two steps of taking up a series.
    #[test]
    fn a_series_half_taken_up_at_a_fork_is_not_created_again() {
        for steps in 1..=2 {
            let registry =
                Registry::with_options(&RegistryOptions { self_metrics: false, ..Default::default() }).unwrap();
            let handle = registry.counter("c", "").labels(&["l"]).register().unwrap();
            handle.with(&["known"]).unwrap().inc();
            let core = &*registry.core;
            let family = core.family("c").unwrap();
            let mut text = crate::buffer::Buffer::new();
            put_text(&mut text, b"half");
            let hash = crate::hash::fold(crate::family::family_hash("c"), b"half");
            let (cells, gates) = family.sizes();
            let write = SeriesWrite {
                family: family.place(),
                hash,
                created_ms: 1,
                text: text.as_slice(),
                gates,
                cells,
                overflow: false,
            };
            let place = core.segment.write_series(&write).unwrap();
            let half = Series::from_record(family, place, core.segment.read_series(place).unwrap()).unwrap();
            family.series.push_in_part(half, steps);
            core.lock.abandon();

            handle.with(&["other"]).unwrap().inc();
            handle.with(&["half"]).unwrap().inc();
            let scrape = registry.scrape(&crate::ScrapeRequest::default()).unwrap();
            let body = alloc::string::String::from_utf8(scrape.into_body()).unwrap();
            let lines: alloc::vec::Vec<_> = body.lines().filter(|line| !line.starts_with('#')).collect();
            let wanted = ["c_total{l=\"known\"} 1", "c_total{l=\"half\"} 1", "c_total{l=\"other\"} 1"];
            assert_eq!(lines, wanted, "after {steps} steps");
        }
    }

    /// What a process leaves that was killed after it had published a series and before it counted it.
    #[test]
    fn the_limit_of_series_holds_after_a_kill_between_publishing_and_counting() {
        let registry = Registry::new().unwrap();
        let handle = registry.counter("c", "").labels(&["l"]).max_series(3).register().unwrap();
        for label in ["a", "b"] {
            handle.with(&[label]).unwrap().inc();
        }
        let core = &*registry.core;
        let record = core.segment.family_record(core.family("c").unwrap().place()).unwrap();
        record.series.store(1, Ordering::Relaxed);
        core.header.series.store(1, Ordering::Relaxed);
        assert!(!handle.with(&["c"]).unwrap().is_overflow());
        assert!(handle.with(&["d"]).unwrap().is_overflow());
        let scrape = registry.scrape(&crate::ScrapeRequest::default()).unwrap();
        let body = alloc::string::String::from_utf8(scrape.into_body()).unwrap();
        assert!(body.contains("\nspanpin_series 3.0\n"), "{body}");
    }
}
