//! Who scrapes, and from which window on: the table of scrapers, without its limit and without words.

use super::oracle::Mistake;

/// A scraper that was silent for longer starts anew.
const FORGOTTEN_MS: u64 = 600_000;

/// The identity of a scraper: those of one class differ in their address only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who {
    pub class: u64,
    pub address: u64,
}

#[derive(Debug)]
struct Known {
    who: Who,
    /// It has seen every window before.
    mark: u64,
    last_ms: u64,
    /// Its usual interval; none before its second scrape.
    gap_ms: Option<f64>,
    score: u32,
    trusted: bool,
    /// The greatest lower bound it was given.
    from: u64,
    /// The newest mark of all when it was last not trusted.
    joined_at: u64,
}

pub struct Table {
    known: Vec<Known>,
    mistake: Option<Mistake>,
}

impl Table {
    pub fn new(mistake: Option<Mistake>) -> Self {
        Table { known: Vec::new(), mistake }
    }

    /// When a scraper was here last.
    pub fn last_ms(&self, who: Who) -> Option<u64> {
        self.known.iter().find(|known| known.who == who).map(|known| known.last_ms)
    }

    pub fn newest_mark(&self) -> u64 {
        self.known.iter().map(|known| known.mark).max().unwrap_or(0)
    }

    /// The first window that a scraper has not seen, now that `open` is the open one; its mark moves there.
    pub fn turn(&mut self, who: Who, open: u64, now_ms: u64) -> u64 {
        let newest = self.newest_mark().min(open);
        let mistake = self.mistake;
        let joined = self
            .known
            .iter()
            .filter(|other| other.who.class == who.class && other.who != who && now_ms - other.last_ms <= FORGOTTEN_MS);
        let joined = joined.map(|other| other.joined_at).max().filter(|_| mistake != Some(Mistake::PoolIgnored));
        let Some(known) = self.known.iter_mut().find(|known| known.who == who) else {
            self.known.push(Known {
                who,
                mark: open,
                last_ms: now_ms,
                gap_ms: None,
                score: 0,
                trusted: false,
                from: newest,
                joined_at: newest,
            });
            return newest;
        };
        let silent_ms = now_ms - known.last_ms;
        known.last_ms = now_ms;
        let mark = known.mark;
        known.mark = mark.max(open);
        if silent_ms > FORGOTTEN_MS {
            known.gap_ms = None;
            known.score = 0;
            known.trusted = false;
            known.from = known.from.max(newest);
            known.joined_at = newest;
            return newest;
        }
        known.beat(silent_ms as f64);
        let trusted = match mistake {
            Some(Mistake::EveryoneTrusted) => true,
            Some(Mistake::NobodyTrusted) => false,
            _ => known.trusted,
        };
        let from = if trusted {
            mark.max(joined.unwrap_or(0))
        } else {
            known.joined_at = newest;
            newest
        };
        known.from = from.max(known.from).min(open);
        known.from
    }
}

impl Known {
    /// Judges whether it keeps its beat.
    fn beat(&mut self, silent_ms: f64) {
        let Some(gap) = self.gap_ms.filter(|gap| *gap != 0.0) else {
            self.gap_ms = Some(silent_ms);
            return;
        };
        let off = |beats: f64| (silent_ms - beats * gap).abs() <= gap / 5.0 + 750.0;
        let mut learns = true;
        if off(1.0) {
            self.score = (self.score + 1).min(8);
        } else if off(2.0) || off(3.0) {
            self.score = self.score.saturating_sub(1);
            learns = self.score < 3;
        } else {
            self.score = self.score.saturating_sub(4);
        }
        if learns {
            self.gap_ms = Some(gap + (silent_ms - gap) / 4.0);
        }
        self.trusted = self.score >= if self.trusted { 3 } else { 4 };
    }
}
