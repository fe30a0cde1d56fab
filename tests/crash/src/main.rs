//! Processes that count in one segment and are killed, at random moments and at named steps of the protocols. `run.py` builds
//! this, starts it and judges what it leaves.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "what is unexpected here is a finding, and ends the process"
)]
#![cfg(target_os = "linux")]

mod eviction;
mod gauges;
mod journal;
mod made;
mod passing;
mod probe;
mod recorder;
mod scenes;
mod system;
mod warden;
mod writer;

use std::path::Path;
use std::process::ExitCode;

use crate::journal::Journal;
use crate::writer::Life;

const USAGE: &str = "usage: spanpin-crash random DIR SEED KILLS
       spanpin-crash stops|making|other-boot|eviction DIR SEED [STOP KILLS]...
       spanpin-crash probe DIR
       spanpin-crash write DIR SLOT LIFE SEED COMPANY [STOP]      what the others start";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().unwrap();
    match arguments.as_slice() {
        ["random", dir, seed, kills] => {
            scenes::random_moments(Path::new(dir), number(seed), number(kills) as usize);
        }
        [scene @ ("stops" | "making" | "other-boot" | "eviction"), dir, seed, rest @ ..] => {
            let stops: Vec<(String, usize)> =
                rest.chunks(2).map(|pair| (pair[0].to_owned(), number(pair[1]) as usize)).collect();
            let play = match *scene {
                "stops" => scenes::stops,
                "making" => scenes::making,
                "eviction" => eviction::play,
                _ => scenes::other_boot,
            };
            play(Path::new(dir), number(seed), &stops);
        }
        ["probe", dir] => {
            if let Err(what) = probe::probe(Path::new(dir)) {
                println!("{what}");
                return ExitCode::from(10);
            }
        }
        ["write", dir, slot, life, seed, is_company, stop @ ..] => {
            system::die_with_parent();
            let dir = Path::new(dir);
            let path = dir.join("segment");
            let life = Life {
                path: path.to_str().unwrap(),
                journal: Journal::open(&dir.join("journal")),
                slot: number(slot) as usize,
                number: number(life) as usize,
                seed: number(seed),
                stop: stop.first().copied(),
                is_company: *is_company == "true",
            };
            writer::run(&life, None);
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
