//! Starts writers on one segment, kills them, and uses the segment itself meanwhile. What it is shown goes to files, which
//! `judge.py` reads; what happened goes to the standard output, one JSON object a line.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::gauges::{ADDED, SET};
use crate::journal::Journal;
use crate::made::{LABELS, SHARED_FAMILIES, Which};
use crate::recorder::{Random, Recorder, attach, attach_for_ever, scrape};
use crate::system::{Standing, fork_off, go_on, kill, send_kill, standing_of, still_alive, wait_for_end};
use crate::writer::{self, Life};

/// Slots of the journal: writers come first.
pub const WRITERS: usize = 3;
const WARDEN: usize = WRITERS;
pub const PROBE: usize = WRITERS + 1;

/// Names of scrapers that come now and then.
const NAMES: usize = 10;
/// A victim that has not stopped after so long is to stop at the next opportunity ...
const HURRY: Duration = Duration::from_millis(1500);
/// ... and is replaced by another one after so long.
const PATIENCE: Duration = Duration::from_secs(5);
/// Victims of which one must come to the stop.
const ATTEMPTS: usize = 10;

/// A directory with a segment, its journal and what was shown of it.
pub struct Warden {
    dir: PathBuf,
    path: String,
    journal: Journal,
    pub random: Random,
    seed: u64,
    life: usize,
    bodies: usize,
    recorder: Option<Recorder>,
}

/// Where a victim, the writer in the first slot, is killed.
pub struct At<'a> {
    pub stop: &'a str,
    /// It stops at one of the times that it is there.
    pub passes: &'a [usize],
    /// Whether it goes on from there, overtaken by the others, and is killed a little later.
    pub goes_on: bool,
    /// What is done before a victim starts.
    pub prepare: &'a dyn Fn(&mut Warden),
}

impl At<'_> {
    fn counted_as(&self) -> &str {
        if self.goes_on { "overtaken" } else { self.stop }
    }
}

/// A process that writes.
pub struct Writer {
    pub pid: libc::pid_t,
    pub slot: usize,
    life: usize,
    journal: Journal,
}

impl Writer {
    pub fn kill(&self) {
        send_kill(self.pid);
        self.see_its_end();
    }

    /// Waits for the end of one that was sent the signal.
    pub fn see_its_end(&self) {
        assert_eq!(wait_for_end(self.pid), Standing::Killed(libc::SIGKILL), "a writer ended by itself");
        self.journal.gauges().is_gone(self.life);
    }
}

impl Warden {
    pub fn new(dir: &Path, seed: u64) -> Warden {
        std::fs::create_dir_all(dir.join("bodies")).unwrap();
        println!("{{\"place\":\"{}\"}}", dir.display());
        Warden {
            path: dir.join("segment").to_str().unwrap().to_owned(),
            journal: Journal::open(&dir.join("journal")),
            dir: dir.to_owned(),
            random: Random::new(seed),
            seed,
            life: 0,
            bodies: 0,
            recorder: None,
        }
    }

    /// What this process records with; it attaches at the first call.
    pub fn recorder(&mut self) -> &mut Recorder {
        let recorder = self.recorder.take().unwrap_or_else(|| {
            self.life += 1;
            println!(r#"{{"attached":{}}}"#, self.life);
            Recorder::new(attach_for_ever(&self.path), self.journal, WARDEN, self.life)
        });
        self.recorder.insert(recorder)
    }

    /// Starts a writer, of two kinds in turn: a child of fork with the registry of this process, and another program.
    pub fn start(&mut self, slot: usize) -> Writer {
        self.start_as(slot, None, false)
    }

    /// A writer that goes on while others are killed.
    pub fn start_company(&mut self, slot: usize) -> Writer {
        self.start_as(slot, None, true)
    }

    fn start_as(&mut self, slot: usize, stop: Option<&str>, is_company: bool) -> Writer {
        self.life += 1;
        let seed = self.seed << 16 | self.life as u64;
        let life = Life { path: &self.path, journal: self.journal, slot, number: self.life, seed, stop, is_company };
        let inherited = self.recorder.as_ref().filter(|_| self.life.is_multiple_of(2));
        let pid = match inherited {
            Some(parent) => fork_off(|| writer::run(&life, Some(parent))),
            None => fork_off(|| {
                let mut command = Command::new(std::env::current_exe().unwrap());
                command.args(["write", self.dir.to_str().unwrap()]);
                command.args([slot.to_string(), life.number.to_string(), seed.to_string()]);
                command.arg(is_company.to_string()).args(stop);
                let error = std::os::unix::process::CommandExt::exec(&mut command);
                panic!("cannot start {command:?}: {error}");
            }),
        };
        Writer { pid, slot, life: life.number, journal: self.journal }
    }

    /// Scrapes, and has the answer judged.
    pub fn scrape(&mut self, name: &str) {
        self.scrape_as(name, name);
    }

    /// The same for a scraper that is known by other names as well: it was shown whatever `who` was shown.
    pub fn scrape_as(&mut self, name: &str, who: &str) {
        let finished = self.journal.total(true);
        let before = self.journal.gauges().now();
        let passing = self.journal.passing().finished();
        let registry = self.recorder().registry;
        let body = scrape(registry, name);
        let begun = self.journal.total(false);
        let gauges = before.until(&self.journal.gauges().now());
        let passing = self.journal.passing().until(&passing, self.journal.gauges());
        self.bodies += 1;
        let file = format!("bodies/{:05}", self.bodies);
        std::fs::write(self.dir.join(&file), body).unwrap();
        println!(r#"{{"body":"{file}","who":"{who}","finished":{finished},"begun":{begun},{gauges},{passing}}}"#);
    }

    /// Does all that a process may want of the segment: nothing may keep it from that.
    pub fn use_it(&mut self) {
        self.life += 1;
        let (own, family) = (self.life, self.random.below(SHARED_FAMILIES));
        let label = self.random.below(LABELS);
        let recorder = self.recorder();
        // A new family, a new series, old ones.
        recorder.record(Which::own(own, 0));
        for family in [0, family] {
            recorder.record(Which::shared(family, label));
        }
        recorder.remove_of_dead(2);
        recorder.step_mixed();
        recorder.add_to_gauge(label % ADDED);
        recorder.set_gauge(label % SET);
        let name = ["a", "b"][self.random.below(2)];
        self.scrape(name);
        // A newcomer finds it whole.
        let newcomer = attach(&self.path).unwrap();
        assert!(scrape(&newcomer, "newcomer").ends_with("# EOF\n"));
    }

    /// Waits until each of these writers has finished another observation.
    fn see_progress(&self, writers: &[Writer]) {
        for writer in writers {
            let before = self.journal.total_of(writer.slot, true);
            while self.journal.total_of(writer.slot, true) == before {
                assert_eq!(standing_of(writer.pid), Standing::Runs, "a writer ended by itself");
                sleep(Duration::from_micros(500));
            }
        }
    }

    /// Starts a victim and waits until it has stopped.
    fn stopped_at(&mut self, at: &At<'_>) -> Writer {
        for attempt in 0..ATTEMPTS {
            (at.prepare)(self);
            let passes = if attempt == 0 { at.passes[self.random.below(at.passes.len())] } else { 1 };
            self.journal.passes().store(passes as u64, Ordering::SeqCst);
            let victim = self.start_as(0, Some(at.stop), false);
            let started = Instant::now();
            while started.elapsed() < PATIENCE {
                match standing_of(victim.pid) {
                    Standing::Stopped => return victim,
                    Standing::Runs => {}
                    ended => panic!("a victim ended by itself: {ended:?}"),
                }
                if started.elapsed() > HURRY {
                    let one = |passes: u64| (passes > 1).then_some(1);
                    _ = self.journal.passes().fetch_update(Ordering::SeqCst, Ordering::SeqCst, one);
                }
                sleep(Duration::from_micros(200));
            }
            victim.kill();
            still_alive();
        }
        panic!("no victim came to the stop {}", at.stop)
    }

    /// Kills a victim at a stop, or somewhat later: others go on while it is stopped, and after that.
    pub fn kill_at(&mut self, at: &At<'_>, others: &[Writer]) {
        still_alive();
        println!(r#"{{"stopping":"{}"}}"#, at.stop);
        let victim = self.stopped_at(at);
        self.use_it();
        self.see_progress(others);
        if at.goes_on {
            go_on(victim.pid);
            self.see_progress(std::slice::from_ref(&victim));
        }
        victim.kill();
        println!(r#"{{"kill":"{}"}}"#, at.counted_as());
        let name = format!("p{}", self.random.below(NAMES));
        self.scrape(&name);
    }

    /// Kills a child of this process at a stop that it comes to when it scrapes, or lets it finish. `meanwhile` is done
    /// while it is stopped.
    pub fn kill_scraping(&mut self, at: &At<'_>, name: &str, meanwhile: &mut dyn FnMut(&mut Warden)) {
        still_alive();
        println!(r#"{{"stopping":"{}"}}"#, at.stop);
        self.journal.passes().store(1, Ordering::SeqCst);
        let (registry, journal) = (self.recorder().registry, self.journal);
        let pid = fork_off(|| {
            writer::stop_at(at.stop, journal);
            _ = scrape(registry, name);
        });
        loop {
            match standing_of(pid) {
                Standing::Stopped => break,
                Standing::Runs => sleep(Duration::from_micros(200)),
                ended => panic!("no victim came to the stop {}: {ended:?}", at.stop),
            }
        }
        meanwhile(self);
        if at.goes_on {
            go_on(pid);
            assert_eq!(wait_for_end(pid), Standing::Exited(0), "a scrape that went on did not end");
        } else {
            assert_eq!(kill(pid), Standing::Killed(libc::SIGKILL), "a scrape ended by itself");
            println!(r#"{{"kill":"{}"}}"#, at.stop);
        }
    }

    /// Makes the segment one of an earlier boot of the system, whose processes are all gone.
    pub fn begin_another_boot(&mut self) {
        use std::os::unix::fs::FileExt;

        self.recorder = None;
        let at = spanpin::raw::layout_offsets().find(|(name, _)| *name == "header_boot_id").unwrap().1;
        let file = File::options().write(true).open(&self.path).unwrap();
        let other = [self.random.below(1 << 30) as u64 | 1 << 40, 1].map(u64::to_ne_bytes).concat();
        file.write_all_at(&other, at).unwrap();
    }
}
