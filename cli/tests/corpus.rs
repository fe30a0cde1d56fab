//! The inputs of the corpus and a thousand new ones: an error or correct data.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::process::Command;

#[test]
fn a_thousand_inputs_and_the_corpus_are_survived() {
    let done = Command::new(env!("CARGO"))
        .args(["run", "-q", "-p", "spanpin-cli", "--example", "fuzz-segments", "--", "--count", "1000"])
        .output()
        .unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus")).unwrap().count();
    assert!(files > 3);
    assert!(said.contains(&format!("executions=1000 corpus={files} crashes=0")), "{said}");
    // Both outcomes were met, in numbers.
    let count = |outcome: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(outcome)).unwrap_or_else(|| panic!("{said}"));
        line.trim().parse::<u64>().unwrap()
    };
    assert!(count("attached true, read true:") > 100 && count("attached false, read false:") > 100, "{said}");
}
