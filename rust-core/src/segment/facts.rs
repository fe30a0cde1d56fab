//! What is to be known of a segment that was copied, and of its families and workers.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::gauge_cells::WORKERS;
use super::layout::{LAYOUT_VERSION, SCRAPERS};
use super::{boot_id, boxed_str};
use crate::core::{Core, WINDOW_MOST_MS};
use crate::error::Error;
use crate::family::{Family, Kind};
use crate::memory::{Pushed, copy_slice};
use crate::reading::Reading;
use crate::series::Series;
use crate::stripes::load;

/// A window that has been open for so long is over: whoever makes an observation now closes it first. What is beyond
/// [`WINDOW_MOST_MS`] is for writers that had looked at the clock before.
const WINDOW_OVER_MS: u64 = WINDOW_MOST_MS + 2000;

/// What is to be known of a segment as a whole.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SegmentFacts {
    /// Length of the file.
    pub file_bytes: u64,
    /// The greatest length that it may grow to.
    pub reserved_bytes: u64,
    /// Bytes that have space on the file system, as far as the segment knows.
    pub allocated_bytes: u64,
    /// Bytes that are handed out.
    pub used_bytes: u64,
    /// Bytes of them that hold exemplars.
    pub exemplar_bytes: u64,
    /// Which layout it has.
    pub layout_version: u32,
    /// A random number that no other segment has.
    pub generation: u64,
    /// When it was made, in Unix milliseconds.
    pub created_ms: u64,
    /// Number of the open window.
    pub window: u64,
    /// Milliseconds since that window was opened; nothing if that was in another boot of the system.
    pub window_age_ms: Option<u64>,
    /// Whether no process has it open any more, so that ages count from its last window. Where the system cannot tell: whether
    /// that window is over.
    pub at_rest: bool,
    /// The slots of its workers that were ever taken, and how many there are.
    pub workers: (Vec<WorkerFacts>, usize),
    /// Scrapers in the table of the segment, and how many there is room for.
    pub scrapers: (usize, usize),
}

/// A slot of the table of workers: a process that uses the segment, or one that did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerFacts {
    /// Number of the slot.
    pub slot: usize,
    /// The process' id, in its own pid namespace.
    pub pid: u64,
    /// Number of that namespace, as `/proc/PID/ns/pid` shows it; zero where it was hidden.
    pub pid_namespace: u64,
    /// Since when it is a worker, in Unix milliseconds.
    pub since_ms: u64,
    /// Whether it lives. What a dead one added to gauges does not count any more.
    pub alive: bool,
}

/// What is to be known of a family.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FamilyFacts {
    /// What it counts.
    pub kind: Kind,
    /// Its name; that of a counter without `_total`.
    pub name: Box<str>,
    /// Its help.
    pub help: Box<str>,
    /// Its unit; empty for none.
    pub unit: Box<str>,
    /// Its label names.
    pub label_names: Vec<Box<str>>,
    /// The upper bounds of its buckets, infinity left out.
    pub bounds: Box<[f64]>,
    /// Its series, the overflow series left out.
    pub series: usize,
    /// Whether the overflow series has counted anything.
    pub overflow: bool,
    /// Observations of a histogram, the sum of a counter's series.
    pub total: f64,
    /// Buckets that have a ring.
    pub rings: usize,
    /// Slots of one ring.
    pub ring_slots: usize,
    /// Exemplars that the rings hold.
    pub exemplars: usize,
    /// Whether a newer family of this name, in another shape, is shown in its place.
    pub hidden: bool,
}

impl SegmentFacts {
    pub(super) fn of(
        core: &Core,
        file_bytes: u64,
        allocated_bytes: u64,
        in_use: Option<bool>,
        workers: Vec<WorkerFacts>,
    ) -> SegmentFacts {
        let header = &*core.header;
        let [high, low] = &header.boot_id;
        let (stored, boot) = ([load(high), load(low)], boot_id());
        let now_ms = core.clock.mono_ms();
        let opened_ms = load(&header.window.opened_ms);
        // Where an id is hidden it tells nothing; a window that is still to be opened tells enough.
        let is_other = stored != boot && stored != [0, 0] && boot != [0, 0];
        let window_age_ms = if is_other { None } else { now_ms.checked_sub(opened_ms) };
        SegmentFacts {
            file_bytes,
            reserved_bytes: load(&header.reserved_bytes),
            allocated_bytes,
            used_bytes: load(&header.tail),
            exemplar_bytes: load(&header.exemplar_bytes),
            layout_version: LAYOUT_VERSION,
            generation: load(&header.generation),
            created_ms: load(&header.created_ms),
            window: load(&header.window.epoch),
            window_age_ms,
            at_rest: match in_use {
                Some(in_use) => !in_use || window_age_ms.is_none(),
                None => is_over(window_age_ms),
            },
            workers: (workers, WORKERS),
            scrapers: (header.scrapers.iter().filter(|entry| load(&entry.id) != 0).count(), SCRAPERS),
        }
    }
}

/// Whether a window of this age is over: closed by whoever observes next, if not before.
pub(super) fn is_over(window_age_ms: Option<u64>) -> bool {
    window_age_ms.is_none_or(|age_ms| age_ms >= WINDOW_OVER_MS)
}

impl FamilyFacts {
    pub(super) fn of(family: &Family, reading: &mut Reading) -> Result<FamilyFacts, Error> {
        let mut label_names = Pushed::new();
        for name in &family.label_names {
            label_names.push(boxed_str(name)?)?;
        }
        let (mut series_count, mut overflow, mut total, mut rings, mut exemplars) =
            (0_usize, false, 0.0, 0_usize, 0_usize);
        for series in family.series.iter() {
            if !reading.read(series, None, 0)? {
                continue;
            }
            let Some(series) = Series::current(series) else { continue };
            if series.is_overflow() {
                overflow |= !reading.is_untouched();
            } else {
                series_count = series_count.saturating_add(1);
            }
            let counted = reading.counts.iter().copied().fold(0, u64::saturating_add) as f64;
            total += match family.kind {
                Kind::Histogram => counted,
                Kind::Counter => counted + reading.float,
                Kind::Gauge => 0.0,
            };
            rings = rings.saturating_add(series.gates().iter().filter(|gate| series.ring_of(gate).is_some()).count());
            exemplars = exemplars.saturating_add(series.count_exemplars()?);
        }
        Ok(FamilyFacts {
            kind: family.kind,
            name: boxed_str(&family.name)?,
            help: boxed_str(family.help())?,
            unit: boxed_str(family.unit())?,
            label_names: label_names.into_vec(),
            bounds: copy_slice(family.bounds.as_slice())?,
            series: series_count,
            overflow,
            total,
            rings,
            ring_slots: family.slots(),
            exemplars,
            hidden: family.is_hidden(),
        })
    }
}
