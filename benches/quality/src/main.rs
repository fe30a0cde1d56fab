//! Which exemplars are shown, by spanpin and by others, on the same traffic. `docs/quality.md` says what is measured.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a benchmark that meets the unexpected has to stop"
)]

mod cell;
mod clock;
mod compare;
mod engine;
mod engines;
mod exposition;
mod judge;
mod late;
mod library;
mod matrix;
mod operations;
mod peers;
mod random;
mod report;
mod rows;
mod rule;
mod scrapers;
mod traffic;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use engines::SPANPIN;
use library::Library;
use rows::Row;

const HELP: &str = "\
usage: spanpin-quality [--quick] | --write-operations FOLDER

Runs in the root of the project; `make quality` builds the driver it loads. Ends with 1 when a row of spanpin misses a bar,
when the model of its rule shows something else than the library, or when a rule known to be wrong is not found out.

  --quick                     a look of about a minute; changes no file
  --write-operations FOLDER   only writes what `make quality-check` compares with the real libraries
";

const DRIVER: &str = "build/quality/driver.so";
const JSON: &str = "benches/results/quality.json";
const PAGE: &str = "docs/quality.md";
const DECISION: &str = "docs/decisions/0012-the-rule-against-simpler-ones.md";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [] => run(false),
        ["--quick"] => run(true),
        ["--write-operations", folder] => operations::write(Path::new(folder)).map(|()| Vec::new()),
        ["--help" | "-h"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => Err(format!("unknown arguments: {}\n{HELP}", words.join(" "))),
    };
    match done {
        Ok(faults) if faults.is_empty() => ExitCode::SUCCESS,
        Ok(faults) => {
            faults.iter().for_each(|fault| eprintln!("quality: {fault}"));
            ExitCode::FAILURE
        }
        Err(message) => {
            eprintln!("quality: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Runs everything. Returns what is wrong with the result.
fn run(quick: bool) -> Result<Vec<String>, String> {
    let library = Library::load(Path::new(DRIVER))?;
    let started = Instant::now();
    let mut faults = Vec::new();
    let mut outcomes = Vec::new();
    let (mut compared, mut different) = (0, 0);
    for group in if quick { matrix::quick() } else { matrix::full() } {
        let begun = Instant::now();
        let results = cell::run(group.traffic, group.build(library)?);
        let name = group.traffic.name();
        println!(
            "{name:42} {:3} cells, {:9} requests, {:4.0} s",
            group.cells.len(),
            results.requests,
            begun.elapsed().as_secs_f64()
        );
        compared += results.compared;
        different += results.different;
        outcomes.extend(results.outcomes);
    }
    println!("the model of the rule: {compared} answers compared with the library's, {different} different");
    if different > 0 {
        faults.push(format!("the model of the rule differs from the library in {different} of {compared} answers"));
    }
    for identity_none in [false, true] {
        let late = late::run(library, if quick { 308 } else { 3008 }, identity_none)?;
        println!(
            "late writers: {} requests, writers held {} times, {} buckets left out for writes in flight",
            late.requests, late.held, late.excepted
        );
        outcomes.push(late.outcome);
    }
    let rows = rows::rows(&outcomes);
    let lines = compare::run(library, compare::Length::of(quick))?;
    faults.extend(compare::doubts(&lines));
    faults.extend(missed(&rows));
    print!("\nsimpler rules and wrong ones, in the model\n\n{}", report::rules(&lines));
    let [reported, barred] = [false, true].map(|with_bars| report::ours(&rows, with_bars));
    print!("\nspanpin, only reported, worst first\n\n{reported}\nspanpin, with all bars, worst first\n\n{barred}\n");
    if !quick {
        write(&rows, &lines)?;
    }
    println!(
        "{} rows of spanpin, {:.0} min",
        rows.iter().filter(|row| row.engine.starts_with(SPANPIN)).count(),
        started.elapsed().as_secs_f64() / 60.0
    );
    Ok(faults)
}

/// The rows of ours that miss a bar.
fn missed(rows: &[Row]) -> Vec<String> {
    let mut faults = Vec::new();
    for row in rows {
        for miss in row.missed() {
            let Row { engine, traffic, scrapers, scrape_interval_s, .. } = row;
            faults.push(format!("{engine} | {traffic} | {scrapers} | {scrape_interval_s} s: {miss}"));
        }
    }
    faults
}

fn write(rows: &[Row], lines: &[compare::Line]) -> Result<(), String> {
    let (ours, others): (Vec<Row>, Vec<Row>) = rows.iter().cloned().partition(|row| row.engine.starts_with(SPANPIN));
    fs::write(JSON, report::json(&[ours, others].concat())).map_err(|e| format!("{JSON}: {e}"))?;
    let page = Path::new(PAGE);
    let two = "two out of phase";
    report::put(page, "engines", &report::worst_of_engines(rows, two, 15))?;
    report::put(page, "steady", &report::engines(rows, report::STEADY, two, 15))?;
    report::put(page, "traffic", &report::by_traffic(rows, two, 15))?;
    report::put(page, "ours", &report::ours(rows, true))?;
    report::put(page, "reported", &report::ours(rows, false))?;
    report::put(Path::new(DECISION), "rules", &report::rules(lines))
}
