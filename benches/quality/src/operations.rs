//! Writes what `check/` feeds to the real libraries, and what the models of them answer to it.
//!
//! `operations.txt` has a line for each request (`o at_us index value`, sampled ones only) and each collection (`s`);
//! `<library>.txt` has a line for each collection with the numbers of the requests shown: of buckets in their order, `-`
//! where there is none; of a native histogram in the order of their values.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::clock::Clock;
use crate::engine::{Engine, Series, Shown};
use crate::engines::{PEERS, peer};
use crate::scrapers::{Identity, Mix};
use crate::traffic::{BUCKETS, Shape, Stream, Traffic};

/// The models that are checked, and the names of their files.
const CHECKED: [(usize, &str); 3] = [(0, "classic"), (1, "native"), (3, "aligned")];

/// # Errors
/// The folder cannot be written.
pub fn write(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut operations = String::new();
    let mut models: Vec<(&str, Box<dyn Engine>, String)> =
        CHECKED.iter().filter_map(|(place, name)| Some((*name, peer(PEERS[*place])?, String::new()))).collect();
    let plan = Mix::Two.plan(15, 60);
    let clock = Clock::default();
    let mut stream = Stream::new(Traffic::new(Shape::Diurnal, 50).sampled(40.0));
    let (mut batch, mut shown) = (Vec::new(), Vec::new());
    for visit in &plan.visits {
        while stream.fill(visit.at_us, usize::MAX, &mut batch) {
            for event in batch.iter().filter(|event| event.sampled) {
                let _ = writeln!(operations, "o {} {} {}", event.at_us, event.index, event.value);
            }
            models.iter_mut().for_each(|(_, engine, _)| engine.observe(&batch, &clock));
        }
        let _ = writeln!(operations, "s");
        for (_, engine, answers) in &mut models {
            shown.clear();
            let who: &Identity = &plan.identities[visit.identity];
            engine.scrape(who, visit.at_us, &clock, &mut shown);
            let _ = writeln!(answers, "{}", line(&shown));
        }
    }
    let files = models.into_iter().map(|(name, _, answers)| (name, answers)).chain([("operations", operations)]);
    for (name, text) in files {
        let path = folder.join(format!("{name}.txt"));
        fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(())
}

fn line(shown: &[Shown]) -> String {
    let native = shown.iter().any(|shown| shown.series == Series::Native);
    if native {
        let numbers: Vec<String> = shown.iter().map(|shown| shown.event.index.to_string()).collect();
        return numbers.join(" ");
    }
    let mut buckets = vec!["-".to_string(); BUCKETS];
    for shown in shown {
        buckets[usize::from(shown.event.bucket)] = shown.event.index.to_string();
    }
    buckets.join(" ")
}
