//! Which cells are run. Not the whole product: what a cell more would tell is told by another one.
//!
//! One traffic, steady with 1,000 requests in a second, meets every mix at every interval. Every other traffic meets every
//! mix of stable identities at every interval. Peers answer in the cells that show their differences.

use crate::cell::{Cell, Spec};
use crate::clock::Steps;
use crate::engines::{MODEL, PEERS, SPANPIN, SPANPIN_IDENTITY_NONE, model, peer, spanpin};
use crate::library::Library;
use crate::rule::Settings;
use crate::scrapers::Mix;
use crate::traffic::{Shape, Traffic};

pub const INTERVALS: [u32; 5] = [5, 10, 15, 30, 60];
const STABLE: [Mix; 5] = [Mix::One, Mix::Two, Mix::WithSlow, Mix::Four, Mix::LostScrapes];
const OTHERS: [Mix; 4] = [Mix::OneAddress, Mix::TurnAddress, Mix::RandomAddress(2), Mix::LostAnswers];
/// Each scraper's intervals: 200 that count, eight of the start, and some for scrapes that are lost.
const SCRAPES: u32 = 212;
const SCRAPES_WITH_LOSSES: u32 = 240;

const BASE: Traffic = Traffic::new(Shape::Steady, 1000);

/// The engines of a cell, besides `spanpin`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Also {
    pub peers: bool,
    pub identity_none: bool,
}

/// What is to be run over one traffic.
pub struct Group {
    pub traffic: Traffic,
    pub cells: Vec<(Spec, Also)>,
}

impl Group {
    /// The cells, ready to run.
    ///
    /// # Errors
    /// The library refuses to make a registry.
    pub fn build(&self, library: Library) -> Result<Vec<Cell>, String> {
        let mut cells = Vec::new();
        for (spec, also) in &self.cells {
            let mut cell = Cell::new(*spec);
            cell.add(SPANPIN, spanpin(library, false)?);
            cell.add(MODEL, model(Settings::shipped()));
            cell.compare(SPANPIN, MODEL);
            if also.identity_none {
                cell.add(SPANPIN_IDENTITY_NONE, spanpin(library, true)?);
            }
            for name in PEERS.iter().filter(|_| also.peers) {
                if let Some(engine) = peer(name) {
                    cell.add(name, engine);
                }
            }
            cells.push(cell);
        }
        Ok(cells)
    }
}

fn spec(traffic: Traffic, steps: Steps, mix: Mix, interval_s: u32) -> Spec {
    let scrapes = if matches!(mix, Mix::LostScrapes | Mix::LostAnswers) { SCRAPES_WITH_LOSSES } else { SCRAPES };
    Spec { traffic, steps, mix, interval_s, scrapes }
}

/// All traffics but the base, each with a rate of its own.
fn other_traffics() -> Vec<Traffic> {
    vec![
        Traffic::new(Shape::Steady, 1),
        Traffic::new(Shape::Steady, 10),
        Traffic::new(Shape::Steady, 5000),
        Traffic::new(Shape::Diurnal, 10),
        Traffic::new(Shape::Diurnal, 1000),
        Traffic::new(Shape::Burst, 10),
        Traffic::new(Shape::Burst, 1000),
        Traffic::new(Shape::RarePath, 1000),
        Traffic::new(Shape::RarePath, 5000),
        Traffic::new(Shape::Steady, 10).sampled(10.0),
        Traffic::new(Shape::Steady, 1000).sampled(10.0),
        Traffic::new(Shape::Steady, 1000).sampled(1.0),
        Traffic::new(Shape::Steady, 1000).sampled(0.1),
        Traffic::new(Shape::Steady, 5000).sampled(0.1),
        Traffic::new(Shape::Burst, 1000).sampled(1.0),
    ]
}

/// The full matrix.
#[must_use]
pub fn full() -> Vec<Group> {
    let mut groups = vec![Group { traffic: BASE, cells: base() }];
    for traffic in other_traffics() {
        let mut cells = Vec::new();
        for (mix, interval_s) in product(&STABLE, &INTERVALS) {
            let also = Also { peers: mix == Mix::Two && interval_s == 15, identity_none: false };
            cells.push((spec(traffic, Steps::None, mix, interval_s), also));
        }
        groups.push(Group { traffic, cells });
    }
    groups
}

fn base() -> Vec<(Spec, Also)> {
    let mut cells = Vec::new();
    let mixes: Vec<Mix> = STABLE.into_iter().chain(OTHERS).collect();
    for (mix, interval_s) in product(&mixes, &INTERVALS) {
        let peers = interval_s == 15 || mix == Mix::Two;
        cells.push((spec(BASE, Steps::None, mix, interval_s), Also { peers, identity_none: interval_s == 15 }));
    }
    cells.push((spec(BASE, Steps::None, Mix::Five, 5), Also { peers: true, identity_none: true }));
    for steps in [Steps::Back, Steps::HourAhead] {
        for (mix, interval_s) in product(&mixes, &[15]).chain(product(&[Mix::Two], &[5, 10, 30, 60])) {
            let at_15 = interval_s == 15;
            // Only where a step is longer than the interval does it matter to those who show what is new.
            let also = Also { peers: mix == Mix::Two && interval_s <= 15, identity_none: at_15 };
            cells.push((spec(BASE, steps, mix, interval_s), also));
        }
    }
    cells
}

fn product<'a>(mixes: &'a [Mix], intervals: &'a [u32]) -> impl Iterator<Item = (Mix, u32)> + 'a {
    let all = mixes.iter().flat_map(|mix| intervals.iter().map(|interval_s| (*mix, *interval_s)));
    // The mix with a slow scraper has its rows at 60 s in the cells of the other intervals.
    all.filter(|(mix, interval_s)| (*mix, *interval_s) != (Mix::WithSlow, 60))
}

/// A look of about a minute: every shape of traffic, mix and clock once, no slow interval with many requests.
#[must_use]
pub fn quick() -> Vec<Group> {
    let mut groups = full();
    for group in &mut groups {
        let many = group.traffic.rate >= 1000;
        group.cells.retain(|(spec, _)| {
            let plain = spec.mix == Mix::Two || group.traffic == BASE;
            plain && (spec.interval_s == 15 || !many && spec.interval_s == 60)
        });
    }
    groups.retain(|group| group.traffic.rate < 5000);
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that the benchmark is to cover occurs in the matrix.
    #[test]
    fn every_value_of_every_dimension_occurs() {
        let groups = full();
        let cells: Vec<&(Spec, Also)> = groups.iter().flat_map(|group| &group.cells).collect();
        let any = |wanted: &dyn Fn(&Spec) -> bool| cells.iter().any(|(spec, _)| wanted(spec));
        for rate in [1, 10, 1000, 5000] {
            assert!(any(&|spec| spec.traffic.rate == rate), "{rate}");
        }
        for shape in [Shape::Steady, Shape::Diurnal, Shape::Burst, Shape::RarePath] {
            assert!(any(&|spec| spec.traffic.shape == shape), "{shape:?}");
        }
        for percent in [10.0, 1.0, 0.1] {
            assert!(any(&|spec| spec.traffic.sampled_pct == percent), "{percent}");
        }
        for (mix, interval_s) in product(&[STABLE.as_slice(), &OTHERS].concat(), &INTERVALS) {
            assert!(any(&|spec| spec.mix == mix && spec.interval_s == interval_s), "{mix:?} {interval_s}");
        }
        for steps in [Steps::None, Steps::Back, Steps::HourAhead] {
            assert!(any(&|spec| spec.steps == steps), "{steps:?}");
        }
        assert!(cells.iter().all(|(spec, _)| spec.scrapes >= 208));
    }
}
