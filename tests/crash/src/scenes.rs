//! The scenes in which writers are killed.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use crate::system::{send_kill, still_alive};
use crate::warden::{At, WRITERS, Warden, Writer};

/// The how many-th time that a victim is at a stop it stops, one of these.
const ANY_TIME: &[usize] = &[1, 1, 2, 3, 4, 5, 9, 20];
const FIRST_TIME: &[usize] = &[1];

/// Writers of which one after the other is killed at a random moment, now and then all of them at once.
pub fn random_moments(dir: &Path, seed: u64, kills: usize) {
    let mut warden = Warden::new(dir, seed);
    // In every other batch the file is there before the writers; else some of them die while they make it.
    let mut is_used = seed.is_multiple_of(2);
    if is_used {
        warden.recorder();
    }
    let mut writers: Vec<Writer> = (0..WRITERS).map(|slot| warden.start(slot)).collect();
    let mut killed = 0;
    while killed < kills {
        still_alive();
        let most = [800, 6_000, 30_000][warden.random.below(3)];
        sleep(Duration::from_micros(warden.random.below(most) as u64));
        if warden.random.below(12) == 0 {
            kill_all(&writers);
            killed += writers.len();
            writers.clear();
        } else {
            let victim = writers.remove(warden.random.below(writers.len()));
            victim.kill();
            println!(r#"{{"kill":"random"}}"#);
            killed += 1;
        }
        is_used |= warden.random.below(3) == 0;
        if is_used {
            let who = ["a", "b"][warden.random.below(2)];
            warden.scrape(who);
            if warden.random.below(4) == 0 {
                warden.use_it();
            }
        }
        for slot in 0..WRITERS {
            if writers.iter().all(|writer| writer.slot != slot) {
                writers.push(warden.start(slot));
            }
        }
    }
    finish(&mut warden, &writers);
}

/// Calls `play` for each kill at these stops: so many at each, and a fourth more for victims that go on before.
pub fn for_each_kill(stops: &[(String, usize)], mut play: impl FnMut(&str, bool)) {
    for (stop, kills) in stops {
        for kill in 0..kills + kills.div_ceil(4) {
            play(stop, kill >= *kills);
        }
    }
}

/// Writers of which one after the other is killed at a stop, while two go on.
pub fn stops(dir: &Path, seed: u64, stops: &[(String, usize)]) {
    let mut warden = Warden::new(dir, seed);
    warden.recorder();
    let others: Vec<Writer> = (1..WRITERS).map(|slot| warden.start_company(slot)).collect();
    for_each_kill(stops, |stop, goes_on| {
        warden.kill_at(&At { stop, passes: ANY_TIME, goes_on, prepare: &|_| () }, &others);
    });
    finish(&mut warden, &others);
}

/// Stops while a file is made: each kill has a file of its own.
pub fn making(dir: &Path, seed: u64, stops: &[(String, usize)]) {
    let mut number = 0;
    for_each_kill(stops, |stop, goes_on| {
        number += 1;
        let mut warden = Warden::new(&dir.join(number.to_string()), seed << 8 | number);
        warden.kill_at(&At { stop, passes: FIRST_TIME, goes_on, prepare: &|_| () }, &[]);
        let writer = warden.start(0);
        sleep(Duration::from_millis(20));
        finish(&mut warden, &[writer]);
    });
}

/// Stops while a segment is attached to that an earlier boot of the system has left: its writers are gone.
pub fn other_boot(dir: &Path, seed: u64, stops: &[(String, usize)]) {
    let mut warden = Warden::new(dir, seed);
    for_each_kill(stops, |stop, goes_on| {
        let writers = [warden.start(0), warden.start(1)];
        sleep(Duration::from_millis(60));
        kill_all(&writers);
        warden.scrape("a");
        let passes = if stop.starts_with("other-boot") { FIRST_TIME } else { ANY_TIME };
        warden.kill_at(&At { stop, passes, goes_on, prepare: &Warden::begin_another_boot }, &[]);
    });
    finish(&mut warden, &[]);
}

fn kill_all(writers: &[Writer]) {
    writers.iter().for_each(|writer| send_kill(writer.pid));
    for writer in writers {
        writer.see_its_end();
        println!(r#"{{"kill":"random"}}"#);
    }
}

/// Kills who is left. Then nobody is in the middle of anything, and the segment must agree with the journal.
pub fn finish(warden: &mut Warden, writers: &[Writer]) {
    still_alive();
    kill_all(writers);
    warden.scrape("a");
    warden.scrape("b");
}
