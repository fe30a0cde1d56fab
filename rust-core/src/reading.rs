//! Reading a series so that no exemplar is shown whose observation is not counted: its slots first, then its cells.

use crate::buffer::Buffer;
use crate::error::Error;
use crate::exemplar::flags;
use crate::exemplar::ring::Age;
use crate::exemplar::scrapers::Turn;
use crate::exemplar::shape::LABEL_WORDS;
use crate::exemplar::slot::{Payload, label_words};
use crate::family::Kind;
use crate::gauge::Lives;
use crate::memory::{Pinned, Pushed, out_of_memory};
use crate::segment::layout::{COUNTER_FRACTION_AT, COUNTER_WHOLE_AT, Gate, HISTOGRAM_COUNTS_AT, HISTOGRAM_SUM_AT};
use crate::segment::life::{State, is_still};
use crate::segment::texts_in;
use crate::series::{Handle, Series};
use crate::trace::{SpanId, TraceId};

/// An exemplar that is shown. Its labels lie in the reading.
#[derive(Clone, Copy)]
pub(crate) struct Shown {
    pub(crate) value: f64,
    pub(crate) stamp_ms: u64,
    pub(crate) trace: Option<TraceId>,
    pub(crate) span: Option<SpanId>,
    labels: (usize, usize),
}

impl Shown {
    /// What a payload says. Its labels are the caller's to keep.
    pub(crate) fn of(payload: Payload) -> Self {
        let [first, value, high, low, span, _] = payload;
        let marks = first >> 12 & 0xF;
        Shown {
            value: f64::from_bits(value),
            stamp_ms: first >> 16,
            trace: if marks & flags::TRACE != 0 { TraceId::from_u64s(high, low) } else { None },
            span: if marks & flags::SPAN != 0 { SpanId::from_u64(span) } else { None },
            labels: (0, 0),
        }
    }
}

/// A consistent copy of one series. Used again for the next one, so that a scrape allocates little.
pub(crate) struct Reading {
    /// Counts of the buckets, not cumulative; of a counter the whole part.
    pub(crate) counts: Pushed<u64>,
    /// The sum of a histogram, the fraction of a counter, the value of a gauge.
    pub(crate) float: f64,
    /// One for each gate.
    pub(crate) exemplars: Pushed<Option<Shown>>,
    words: Pushed<u64>,
    /// The label values as in the record, then the rendered label pairs.
    text: Buffer,
    values_len: usize,
    /// Where the labels of one exemplar are read to.
    labels: [u64; LABEL_WORDS],
    /// Which workers live, as far as a gauge asked.
    lives: Lives,
}

impl Reading {
    pub(crate) const fn new() -> Self {
        Reading {
            counts: Pushed::new(),
            float: 0.0,
            exemplars: Pushed::new(),
            words: Pushed::new(),
            text: Buffer::new(),
            values_len: 0,
            labels: [0; LABEL_WORDS],
            lives: Lives::new(),
        }
    }

    /// The label words of a shown exemplar.
    pub(crate) fn label_words(&self, shown: &Shown) -> &[u64] {
        let (from, to) = shown.labels;
        self.words.get(from..to).unwrap_or_default()
    }

    /// `a="x",b="y"`, escaped; empty values are left out.
    pub(crate) fn rendered_labels(&self) -> &[u8] {
        self.text.as_slice().get(self.values_len..).unwrap_or_default()
    }

    /// The label values in the order of the family's names.
    pub(crate) fn label_values(&self) -> impl Iterator<Item = &str> {
        texts_in(self.text.as_slice().get(..self.values_len).unwrap_or_default())
    }

    /// Reads a series in the life that this process knows of. False if that has ended, maybe while it was read. Without a turn
    /// exemplars are left out.
    pub(crate) fn read(&mut self, series: Pinned<Series>, turn: Option<Turn>, now_ms: u64) -> Result<bool, Error> {
        let Some(series) = self.begin(series)? else { return Ok(false) };
        if let Some(turn) = turn {
            for gate in series.gates().iter() {
                let shown = self.exemplar(&series, gate, turn, now_ms)?;
                self.exemplars.push(shown)?;
            }
        }
        // The slots are read before the stripes are looked for, and these before the cells: what a slot shows was counted,
        // maybe in a stripe, before it was claimed.
        let stripes = series.striped();
        let (counts, float) = match series.family.kind {
            Kind::Histogram => (HISTOGRAM_COUNTS_AT..series.cells().len(), HISTOGRAM_SUM_AT),
            Kind::Counter => (COUNTER_WHOLE_AT..COUNTER_FRACTION_AT, COUNTER_FRACTION_AT),
            Kind::Gauge => {
                self.float = series.gauge_among(&mut self.lives);
                return Ok(self.is_one_life(&series));
            }
        };
        for cell in counts {
            self.counts.push(series.count_of(stripes, cell))?;
        }
        self.float = series.float_of(stripes, float);
        Ok(self.is_one_life(&series))
    }

    /// Reads the labels of a series only, and answers its present life. What is read of it then is its own if `is_one_life`
    /// says so at the end.
    pub(crate) fn begin(&mut self, series: Pinned<Series>) -> Result<Option<Handle>, Error> {
        self.counts.clear();
        self.exemplars.clear();
        self.words.clear();
        self.text.clear();
        let Some(series) = Series::current(series) else { return Ok(None) };
        self.values_len = series.text.copy_to(&mut self.text);
        self.text.finish().map_err(|_| out_of_memory())?;
        Ok(Some(series))
    }

    /// Whether the series is still in the life in which it was when the reading began.
    pub(crate) fn is_one_life(&self, series: &Handle) -> bool {
        series.text.is_still(series.life()) && is_still(series.life_word(), State::of(series.plain()))
    }

    /// Whether anything was counted.
    pub(crate) fn is_untouched(&self) -> bool {
        self.counts.iter().all(|count| *count == 0) && self.float == 0.0
    }

    fn exemplar(&mut self, series: &Handle, gate: &Gate, turn: Turn, now_ms: u64) -> Result<Option<Shown>, Error> {
        let Some(ring) = series.ring_of(gate) else { return Ok(None) };
        let age = Age { now_ms, max_ms: series.family.max_age_ms() };
        let Some(payload) = ring.choose(&gate.head, turn.lo, turn.open, age, &mut self.labels) else { return Ok(None) };
        let from = self.words.len();
        for word in self.labels.iter().take(label_words(&payload)) {
            self.words.push(*word)?;
        }
        Ok(Some(Shown { labels: (from, self.words.len()), ..Shown::of(payload) }))
    }
}
