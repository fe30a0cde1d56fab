//! A process is killed while its scraper takes the entry of another one in the full table. That one comes again, and must
//! not be shown what is older than what it was shown before.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::made::Which;
use crate::scenes::{finish, for_each_kill};
use crate::warden::{At, Warden};

/// Scrapers that keep a beat, and so their entries. One is left in the table.
const TRUSTED: usize = 15;
const BEAT_MS: u64 = 1000;
/// Scrapes after which a beat is trusted.
const BEATS: usize = 7;
/// Comes without a beat, so that it loses its entry when another one is wanted.
const EVICTED: &str = "evicted";
/// The clocks are set by hand, and end before the real ones.
const EARLIER_MS: u64 = 60_000;

/// Kills so often at each of these stops. Each kill has a file of its own.
pub fn play(dir: &Path, seed: u64, stops: &[(String, usize)]) {
    let mut number = 0;
    for_each_kill(stops, |stop, goes_on| {
        number += 1;
        let mut warden = Warden::new(&dir.join(number.to_string()), seed << 8 | number);
        let mut bed = Bed::new(&mut warden);
        bed.fill_table();
        bed.kill_at(&At { stop, passes: &[1], goes_on, prepare: &|_| () });
        finish(&mut warden, &[]);
    });
}

struct Bed<'a> {
    warden: &'a mut Warden,
    wall_ms: u64,
    mono_ms: u64,
}

impl<'a> Bed<'a> {
    fn new(warden: &'a mut Warden) -> Self {
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        let wall_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64 - EARLIER_MS;
        let mono_ms = ((uptime * 1000.0) as u64).saturating_sub(EARLIER_MS);
        let mut bed = Bed { warden, wall_ms, mono_ms };
        bed.pass(0);
        bed
    }

    fn pass(&mut self, ms: u64) {
        (self.wall_ms, self.mono_ms) = (self.wall_ms + ms, self.mono_ms + ms);
        self.warden.recorder().registry.set_clock(self.wall_ms, self.mono_ms);
    }

    /// An offer for the first bucket of a series whose exemplars are all offered.
    fn offer(&mut self, is_slow: bool) {
        let recorder = self.warden.recorder();
        let values = if is_slow { 0.2..0.25 } else { 0.0..0.1 };
        let mut made = recorder.next(Which::shared(0, 1));
        while !values.contains(&made.value()) {
            made = recorder.next(made.which);
        }
        recorder.record_made(made);
    }

    fn scrape_and_pass(&mut self, name: &str) {
        self.warden.scrape(name);
        self.pass(BEAT_MS / 10);
    }

    /// The one that will lose its entry has seen a slow one, and after that a faster one.
    fn fill_table(&mut self) {
        for _ in 0..BEATS {
            for scraper in 0..TRUSTED {
                self.warden.scrape(&format!("trusted{scraper}"));
            }
            self.pass(BEAT_MS);
        }
        self.scrape_and_pass(EVICTED);
        for is_slow in [true, false] {
            self.offer(is_slow);
            self.scrape_and_pass(EVICTED);
        }
    }

    fn kill_at(&mut self, at: &At<'_>) {
        // It comes again while the other one is stopped, or after that. Or it has changed its address and is a newcomer.
        let others = self.warden.random.below(3);
        self.warden.kill_scraping(at, "newcomer", &mut |warden| {
            if others == 0 {
                warden.scrape(EVICTED);
            }
        });
        for other in 1..=others {
            self.warden.scrape_as(&format!("another{other}"), EVICTED);
            self.pass(BEAT_MS / 10);
        }
        for _ in 0..3 {
            self.pass(BEAT_MS / 10);
            self.offer(false);
            self.scrape_and_pass(EVICTED);
        }
    }
}
