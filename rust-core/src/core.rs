//! What a registry's handles share: the segment, this process' index of it, clocks and settings.

use alloc::boxed::Box;

use crate::clock::Clock;
use crate::encode::text::ExemplarStart;
use crate::error::{Error, ErrorCode};
use crate::exemplar::RuleOptions;
use crate::family::Family;
use crate::hooks::TraceUrl;
use crate::memory::{Chain, CurrentTable, Link, Pinned, Pushed, Table, boxed, out_of_memory};
use crate::process::{ExemplarShare, Held, Lock, add_within, fork_generation};
use crate::registry::ScraperIdentity;
use crate::segment::layout::{Header, Window};
use crate::segment::life::FIRST;
use crate::segment::problem::{Fault, Instead, Notices, SegmentReason};
use crate::segment::publish::{Head, Published, enlist, last_made, newest, publish};
use crate::segment::{Offset, RecordKind, Segment, SeriesText};
use crate::series::{Handle, Series};
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
    /// The head of the publications up to which this process has taken up all.
    walked: AtomicU64,
    /// The series by the places of their records, once one of them was used again.
    by_place: Link<CurrentTable<Series>>,
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
            by_place: Link::empty(),
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

    pub(crate) fn walked(&self) -> Head {
        Head(self.walked.load(Ordering::Relaxed))
    }

    /// The caller holds the lock and has taken up every publication up to this one.
    pub(crate) fn set_walked(&self, head: Head) {
        self.walked.store(head.0, Ordering::Relaxed);
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
            family.outgrown.mend();
        }
        let mut all = Pushed::new();
        for family in self.families.iter() {
            for series in family.series.iter() {
                if all.push(series).is_err() {
                    return;
                }
            }
        }
        // The tables may have an entry twice, or not at all. Whoever reads the old ones meanwhile looks again under the lock.
        let known = all.iter().copied().filter(|series| series.text.life() != 0);
        let _ = self.index.rebuild(known, Series::hash);
        if let Some(by_place) = self.by_place.get() {
            let _ = by_place.rebuild(all.iter().copied(), place_hash);
        }
        for series in all.iter().filter(|series| series.text.life() == 0) {
            let _ = self.attach_series(series.place());
        }
    }

    /// Grows the index if it is nearly full. The caller holds the lock.
    pub(crate) fn make_room_in_index(&self) -> Result<(), Error> {
        if let Some(by_place) = self.by_place.get().filter(|table| !table.get().has_room()) {
            by_place.grow(place_hash)?;
        }
        if self.index.get().has_room() { Ok(()) } else { self.index.grow(Series::hash) }
    }

    /// Takes up the publications from `from` back to `until`, oldest first. The caller holds the lock.
    ///
    /// A record that is damaged is left out; what it counts still lies in the segment. If memory is short nothing is
    /// taken for walked, so that the next call comes here again.
    fn catch_up(&self, from: Head, until: Head) -> Result<(), Error> {
        if from == until {
            return Ok(());
        }
        let places = match self.publications(from, until)? {
            Some(places) => places,
            None => self.all_made()?.0,
        };
        for place in places.iter().rev() {
            match self.attach(*place) {
                Err(error) if error.code() == ErrorCode::OutOfMemory => return Err(error),
                _ => {}
            }
        }
        self.set_walked(from);
        Ok(())
    }

    /// Takes up every record of a segment that was found in a file, and fails for the first one that is damaged.
    pub(crate) fn take_up_strictly(&self) -> Result<(), Error> {
        let _held = self.hold();
        #[cfg(spanpin_stops)]
        crate::stops::at("record-publish: attaching");
        let newest = self.newest();
        for place in self.all_made_strictly()?.iter().rev() {
            self.attach(*place)?;
        }
        self.set_walked(newest);
        Ok(())
    }

    /// The head of the publications. What is published there is live.
    pub(crate) fn newest(&self) -> Head {
        newest(&self.header.newest_record, |lines| self.segment.record_words(Offset::from_lines(lines)))
    }

    /// How many records there can be. A crafted list could loop.
    fn most_records(&self) -> u64 {
        self.header.tail.load(Ordering::Relaxed) >> 6
    }

    /// What was published from `from` back to `until`, newest first. Nothing if one of them was published again since: then
    /// it does not lead further back.
    fn publications(&self, from: Head, until: Head) -> Result<Option<Pushed<Offset>>, Error> {
        let mut places = Pushed::new();
        if u64::from(from.number().wrapping_sub(until.number())) > self.most_records() {
            return Ok(None);
        }
        let mut at = from;
        while at.number() != until.number() {
            let place = Offset::from_lines(at.lines());
            let word = self.segment.record(place).map(|record| record.publication.load(Ordering::Relaxed));
            let Some(before) = word.and_then(|word| at.before(word)) else { return Ok(None) };
            places.push(place)?;
            at = before;
        }
        Ok(Some(places).filter(|_| at == until))
    }

    /// All records, newest first, published or not, and whether the walk met the end of their list.
    fn all_made(&self) -> Result<(Pushed<Offset>, bool), Error> {
        let most = self.most_records();
        let mut places = Pushed::new();
        let mut at = last_made(&self.header.last_made);
        while at != 0 {
            let place = Offset::from_lines(at);
            let Some(record) = self.segment.record(place) else { return Ok((places, false)) };
            if places.len() as u64 >= most {
                return Ok((places, false));
            }
            places.push(place)?;
            at = record.made_before.load(Ordering::Relaxed);
        }
        Ok((places, true))
    }

    /// The same, failing if their list is damaged.
    pub(crate) fn all_made_strictly(&self) -> Result<Pushed<Offset>, Error> {
        let (places, whole) = self.all_made()?;
        if !whole {
            return Err(Error::fixed(ErrorCode::SegmentFull, "its list of records does not end, or leads outside"));
        }
        Ok(places)
    }

    fn attach(&self, place: Offset) -> Result<(), Error> {
        match self.segment.kind_of(place) {
            // One that never was published has no series.
            Some(RecordKind::Family) if !self.segment.is_live_family(place) => Ok(()),
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
        if self.header.newest_record.load(Ordering::Relaxed) == self.walked().0 {
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
        self.catch_up(self.newest(), self.walked())
    }

    /// Adds a record that was written to the list of all.
    pub(crate) fn enlist(&self, mine: Offset) -> Result<(), Error> {
        let record = self.segment.record(mine).ok_or_else(out_of_memory)?;
        let lines = mine.lines().ok_or_else(out_of_memory)?;
        enlist(&self.header.last_made, lines, |before| record.made_before.store(before, Ordering::Relaxed));
        Ok(())
    }

    /// Publishes the record at `mine`, unless `existing` finds an equal one among those of others. The caller holds the
    /// lock.
    pub(crate) fn publish(&self, mine: Offset, existing: impl Fn() -> Option<Offset>) -> Result<Published, Error> {
        self.be_worker();
        let lines = mine.lines().ok_or_else(out_of_memory)?;
        let published = publish(
            &self.header.newest_record,
            lines,
            self.walked(),
            |lines| self.segment.record_words(Offset::from_lines(lines)),
            |from, until| {
                // What was not walked to its end may hold it: then nothing is published.
                if self.catch_up(from, until).is_err() {
                    return Some(Offset::HEADER.bytes());
                }
                existing().map(Offset::bytes)
            },
        );
        published.ok_or_else(out_of_memory)
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

    /// Takes up the series at a place, as `attach_family` does. Nothing if it is not live.
    pub(crate) fn attach_series(&self, place: Offset) -> Result<Option<Handle>, Error> {
        let Some(text) = self.segment.read_series(place)? else { return Ok(None) };
        let family = self.families.iter().find(|family| family.place() == text.family);
        let orphan = || Error::fixed(ErrorCode::SegmentFull, "a series of the segment names no family that is there");
        let family = family.ok_or_else(orphan)?;
        family.check_series(place, &text)?;
        let same = self.index.get().probe(text.hash).find(|known| known.has_text(&family, &text));
        let known = match same {
            Some(known) if known.place() == place => Some(known),
            Some(_) => return Err(Error::fixed(ErrorCode::SegmentFull, "the segment has a series twice")),
            None if text.life == FIRST && self.by_place.get().is_none() => None,
            None => self.series_at(place)?,
        };
        match known {
            Some(known) if known.text.life() == text.life => Ok(Some(Handle::new(known, text.life))),
            Some(known) => self.begin_life(known, &text).map(Some),
            None => Family::attach(family, place, &text).map(Some),
        }
    }

    /// The series at a place, whatever its life.
    fn series_at(&self, place: Offset) -> Result<Option<Pinned<Series>>, Error> {
        let table = match self.by_place.get() {
            Some(table) => table,
            None => {
                let mut all = Pushed::new();
                for family in self.families.iter() {
                    family.series.iter().try_for_each(|series| all.push(series))?;
                }
                let table = CurrentTable::new(Table::with_room(all.len())?);
                all.iter().for_each(|series| table.get().insert(place_hash(series), *series));
                self.by_place.set(boxed(table)?)
            }
        };
        Ok(table.get().probe(hash_of_place(place)).find(|series| series.place() == place))
    }

    /// Adds a series to the indexes. The caller holds the lock and has called `make_room_in_index`.
    pub(crate) fn add_to_index(&self, series: Pinned<Series>) {
        self.index.get().insert(series.hash(), series);
        if let Some(by_place) = self.by_place.get() {
            by_place.get().insert(place_hash(&series), series);
        }
    }

    /// Takes over what the record of a series says in another life.
    fn begin_life(&self, series: Pinned<Series>, text: &SeriesText) -> Result<Handle, Error> {
        self.make_room_in_index()?;
        self.index.get().remove(series, Series::hash);
        let outgrown = series.begin_life(text);
        if series.text.life() != 0 {
            self.index.get().insert(series.hash(), series);
        }
        if let Some(outgrown) = outgrown? {
            series.family.outgrown.push(outgrown);
        }
        series.family.count_label_set(true);
        Ok(Handle::new(series, text.life))
    }

    /// The family of this name that this process shows.
    #[cfg(test)]
    pub(crate) fn family(&self, name: &str) -> Option<Pinned<Family>> {
        self.families.iter().find(|family| *family.name == *name && !family.is_hidden())
    }

    /// Series of all families, overflow series left out.
    pub(crate) fn label_sets(&self) -> u64 {
        self.families.iter().map(|family| family.count_live()).fold(0, u64::saturating_add)
    }

    /// Counts a series of the family at a place, for whoever looks at the file.
    pub(crate) fn count_series(&self, family: Offset, more: bool) {
        let change = |seen: u64| if more { seen.checked_add(1) } else { seen.checked_sub(1) };
        let record = self.segment.family_record(family).map(|record| &record.series);
        for number in record.into_iter().chain([&self.header.series]) {
            let _ = number.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
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

fn place_hash(series: &Series) -> u64 {
    hash_of_place(series.place())
}

fn hash_of_place(place: Offset) -> u64 {
    // Lines of neighbours differ in few bits; a table looks at the low ones.
    place.bytes().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32
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
            core.enlist(place).unwrap();
            assert!(matches!(core.publish(place, || None), Ok(Published::Mine(_))));
            let half = Series::from_record(family, place, &core.segment.read_series(place).unwrap().unwrap()).unwrap();
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
