//! Gauges: setting, adding, and the value. What is added in a segment that processes share counts while its worker lives.

use core::ffi::c_void;

use crate::segment::Segment;
use crate::segment::gauge_cells::{
    BLOCK_WORDS, BLOCK_WORKERS, CELL_WORDS, GaugeWords, MODE_SHARED, MODE_WORKERS, WORKERS, cell_in, owner_of,
    take_cell,
};
use crate::segment::workers::Worker;
use crate::series::{Handle, add_to_float};
use crate::sync::atomic::{AtomicU64, Ordering};

/// Which workers live, each looked for once, so that all gauges of an exposition agree.
pub(crate) struct Lives([Life; WORKERS]);

#[derive(Clone, Copy)]
enum Life {
    Unknown,
    Alive,
    Dead,
}

impl Lives {
    pub(crate) const fn new() -> Self {
        Lives([Life::Unknown; WORKERS])
    }

    fn has(&mut self, segment: &Segment, worker: Worker) -> bool {
        let is_newest = segment.workers().is_some_and(|table| table.generation(worker.slot) == worker.generation);
        let Some(life) = self.0.get_mut(worker.slot).filter(|_| is_newest) else { return false };
        if matches!(life, Life::Unknown) {
            *life = if segment.is_alive(worker) { Life::Alive } else { Life::Dead };
        }
        matches!(life, Life::Alive)
    }
}

/// Where this process adds to a gauge, for a language that does so without a call.
#[derive(Clone, Copy, Debug)]
pub struct GaugeCell {
    /// The cell: a generation, then what was added.
    pub cell: *const c_void,
    /// The cell is this process' own while its first word holds this.
    pub generation: u64,
}

impl Handle {
    fn gauge_words(&self) -> Option<GaugeWords<'_>> {
        GaugeWords::of(self.cells())
    }

    /// Sets a gauge.
    pub(crate) fn set_gauge(&self, value: f64) {
        if !self.is_plain() && self.cells_apart().is_none() {
            if let Some(overflow) = self.instead() {
                overflow.set_gauge(value);
            }
        } else if let Some(gauge) = self.gauge_words() {
            gauge.set(value.to_bits());
        }
    }

    /// Adds to a gauge.
    pub(crate) fn add_gauge(&self, amount: f64) {
        if !self.is_plain() && self.cells_apart().is_none() {
            if let Some(overflow) = self.instead() {
                overflow.add_gauge(amount);
            }
            return;
        }
        let Some(gauge) = self.gauge_words() else { return };
        let cell = match gauge.mode() {
            MODE_WORKERS => self.own_cell(gauge).map_or_else(|| self.cell_or_added(gauge), |[_, value]| value),
            0 => self.first_cell(gauge),
            _ => gauge.value,
        };
        add_to_float(cell, amount);
    }

    /// Decides how a gauge is used that is added to first.
    #[cold]
    fn first_cell<'a>(&'a self, gauge: GaugeWords<'a>) -> &'a AtomicU64 {
        let mode = if self.family.core.segment.has_workers() { MODE_WORKERS } else { MODE_SHARED };
        match gauge.decide(mode) {
            MODE_WORKERS => self.cell_or_added(gauge),
            _ => gauge.value,
        }
    }

    /// The cell of this process, once it has one.
    #[inline]
    fn own_cell<'a>(&'a self, gauge: GaugeWords<'a>) -> Option<&'a [AtomicU64; CELL_WORDS]> {
        let segment = &self.family.core.segment;
        let worker = segment.worker()?;
        let word = gauge.blocks.get(worker.slot / BLOCK_WORKERS)?;
        let cell = cell_in(segment.gauge_block(word, BLOCK_WORDS)?, worker.slot)?;
        (owner_of(cell) == worker.generation).then_some(cell)
    }

    /// Where this process adds to a gauge when it has no cell yet: in one that it takes, or without a slot or space for one,
    /// where nothing is kept apart.
    #[cold]
    fn cell_or_added<'a>(&'a self, gauge: GaugeWords<'a>) -> &'a AtomicU64 {
        self.new_cell(gauge).map_or(gauge.added, |[_, value]| value)
    }

    fn new_cell<'a>(&'a self, gauge: GaugeWords<'a>) -> Option<&'a [AtomicU64; CELL_WORDS]> {
        let core = &*self.family.core;
        let worker = core.segment.become_worker(false, core.clock.wall_ms())?;
        let word = gauge.blocks.get(worker.slot / BLOCK_WORKERS)?;
        let cell = cell_in(core.segment.gauge_block_or_new(word, BLOCK_WORDS)?, worker.slot)?;
        core.segment.alone_as_worker(|| take_cell(cell, worker.generation));
        Some(cell)
    }

    /// The value of a gauge; zero after its life.
    pub(crate) fn gauge(&self) -> f64 {
        let value = self.gauge_among(&mut Lives::new());
        if self.is_live() { value } else { 0.0 }
    }

    /// The value of a gauge, with what these workers added.
    pub(crate) fn gauge_among(&self, lives: &mut Lives) -> f64 {
        let Some(gauge) = self.gauge_words() else { return 0.0 };
        if gauge.mode() != MODE_WORKERS {
            return load(gauge.value);
        }
        let segment = &self.family.core.segment;
        let mut sum = load(gauge.added);
        for (number, word) in gauge.blocks.iter().enumerate() {
            let Some(block) = segment.gauge_block(word, BLOCK_WORDS) else { continue };
            let first = number.wrapping_mul(BLOCK_WORKERS);
            for slot in first..first.wrapping_add(BLOCK_WORKERS) {
                let Some(cell) = cell_in(block, slot) else { continue };
                let generation = owner_of(cell);
                if generation != 0 && lives.has(segment, Worker { slot, generation }) {
                    let [_, value] = cell;
                    sum += load(value);
                }
            }
        }
        sum
    }

    /// The cell of this process in a gauge that keeps workers apart, for a language that adds without a call: taken on need,
    /// nothing if there is none.
    pub fn gauge_cell(&self) -> Option<GaugeCell> {
        let gauge = self.gauge_words().filter(|gauge| gauge.mode() == MODE_WORKERS)?;
        let cell = self.own_cell(gauge).or_else(|| self.new_cell(gauge))?;
        Some(GaugeCell { cell: cell.as_ptr().cast(), generation: owner_of(cell) })
    }
}

fn load(cell: &AtomicU64) -> f64 {
    f64::from_bits(cell.load(Ordering::Relaxed))
}
