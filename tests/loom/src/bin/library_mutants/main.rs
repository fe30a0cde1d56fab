//! Builds the whole library with one mistake at a time, and runs its own tests against it: each mistake must be found, and
//! in the way that is expected of it.
//!
//!     cargo run -p spanpin-loom --bin library_mutants             all of the table
//!     cargo run -p spanpin-loom --bin library_mutants -- --some   those marked for the usual run
//!     cargo run -p spanpin-loom --bin library_mutants -- NAME...  only these
//!
//! The mistakes are those of the models (`mutants.rs`) and those of files that the models do not hold (`table.rs`). The
//! library lies in a copy below the target folder; the sources are left alone.

mod table;

#[allow(dead_code)]
#[path = "../../../mutants.rs"]
mod mutants;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

use self::mutants::Replacement;
use self::table::{ENTRIES, Entry, LIBRARY};

/// A build and a run of tests take no longer, but by being stuck.
const MOST: Duration = Duration::from_secs(600);

type Result<T> = std::result::Result<T, String>;

fn named(what: &Path) -> impl Fn(io::Error) -> String {
    let what = what.display().to_string();
    move |error| format!("{what}: {error}")
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(named(path))
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).map_err(named(to))?;
    for entry in fs::read_dir(from).map_err(named(from))? {
        let entry = entry.map_err(named(from))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_tree(&path, &target)?;
        } else {
            fs::copy(&path, &target).map_err(named(&path))?;
        }
    }
    Ok(())
}

/// The file behind the name that the table of the models has for it.
fn file_of(name: &str) -> String {
    match name {
        "priority" | "slot" | "ring" => format!("exemplar/{name}.rs"),
        "publish" | "stripes" => format!("segment/{name}.rs"),
        other => other.to_owned(),
    }
}

/// A copy of the workspace that holds the library alone.
struct Copy {
    root: PathBuf,
    folder: PathBuf,
    target: PathBuf,
}

impl Copy {
    fn new() -> Result<Copy> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR").ok_or("run this by cargo")?;
        let root = PathBuf::from(manifest).join("../..").canonicalize().map_err(|error| error.to_string())?;
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let folder = target.join("library-mutants/workspace");
        // Not the target folder of the workspace: cargo would take a mutant there for the library.
        let copy = Copy { root, folder, target: target.join("library-mutants/target") };
        if copy.folder.exists() {
            fs::remove_dir_all(&copy.folder).map_err(named(&copy.folder))?;
        }
        fs::create_dir_all(&copy.folder).map_err(named(&copy.folder))?;
        let workspace = read(&copy.root.join("Cargo.toml"))?;
        let members = workspace.lines().find(|line| line.starts_with("members")).ok_or("no members in Cargo.toml")?;
        copy.write("Cargo.toml", &workspace.replace(members, "members = [\"rust-core\"]"))?;
        for file in ["Cargo.lock", "README.md"] {
            copy.write(file, &read(&copy.root.join(file))?)?;
        }
        let core = copy.folder.join("rust-core");
        copy_tree(&copy.root.join("rust-core"), &core)?;
        Ok(copy)
    }

    fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.folder.join(file);
        fs::write(&path, text).map_err(named(&path))
    }

    /// The files that these mistakes are in, as they are with them.
    fn mutated(&self, replacements: &[Replacement]) -> Result<BTreeMap<String, String>> {
        let mut files = BTreeMap::new();
        for (file, from, to) in replacements {
            let file = format!("rust-core/src/{}", file_of(file));
            let text = match files.get(&file) {
                Some(text) => String::clone(text),
                None => read(&self.root.join(&file))?,
            };
            // The unit tests of a file are no part of it.
            let (code, tests) = text.split_at(text.find("\n#[cfg(test)]\n").unwrap_or(text.len()));
            let found = code.matches(from).count();
            if found != 1 {
                return Err(format!("the text to replace occurs {found} times in {file}, it must occur once:\n{from}"));
            }
            let mutant = format!("{}{tests}", code.replacen(from, to, 1));
            files.insert(file, mutant);
        }
        Ok(files)
    }

    /// Makes the copy the library with these mistakes.
    fn mutate(&self, replacements: &[Replacement]) -> Result<()> {
        copy_tree(&self.root.join("rust-core/src"), &self.folder.join("rust-core/src"))?;
        for (file, text) in self.mutated(replacements)? {
            self.write(&file, &text)?;
        }
        Ok(())
    }

    /// Runs tests of the copy. Answers their output.
    fn test(&self, entry: &Entry) -> Result<String> {
        let log = self.folder.join(format!("{}.log", entry.mutant));
        let out = fs::File::create(&log).map_err(named(&log))?;
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.current_dir(&self.folder).args(["test", "-p", "spanpin", "--test", entry.target, "--"]);
        command.args(entry.tests).args(["--test-threads", "2"]);
        command.env("CARGO_TARGET_DIR", &self.target).env("RUST_BACKTRACE", "0").env("PROPTEST_MAX_SHRINK_ITERS", "0");
        let both = out.try_clone().map_err(named(&log))?;
        let child = command.stdin(Stdio::null()).stdout(out).stderr(both).spawn();
        let mut child = child.map_err(|error| format!("cannot run cargo: {error}"))?;
        let started = Instant::now();
        loop {
            match child.try_wait() {
                Ok(Some(_)) => break,
                Ok(None) if started.elapsed() < MOST => thread::sleep(Duration::from_millis(50)),
                Ok(None) => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(format!("stuck for {} s", MOST.as_secs()));
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        let output = read(&log)?;
        // Or it was the library before that was tested.
        if output.contains("Compiling spanpin ") { Ok(output) } else { Err(format!("it was not built:\n{output}")) }
    }
}

/// What a panicking test said first.
fn first_panic(output: &str) -> Option<&str> {
    let mut lines = output.lines();
    lines.find(|line| line.contains(" panicked at "))?;
    lines.next()
}

fn replacements_of(mutant: &str) -> Result<&'static [Replacement]> {
    let all = mutants::MUTANTS.iter().chain(LIBRARY);
    all.into_iter().find(|(name, _)| *name == mutant).map(|(_, r)| *r).ok_or_else(|| format!("no mutant {mutant}"))
}

/// Fails unless the tests fail in the expected way.
fn check(copy: &Copy, entry: &Entry) -> Result<String> {
    copy.mutate(replacements_of(entry.mutant)?)?;
    let output = copy.test(entry)?;
    if !output.contains("test result: FAILED") {
        let why = if output.contains("test result: ok") { "nothing found it" } else { "no test ran" };
        return Err(format!("{why}:\n{output}"));
    }
    let said = first_panic(&output).unwrap_or_default();
    if entry.expected.iter().any(|expected| output.contains(expected)) {
        Ok(said.chars().take(160).collect())
    } else {
        Err(format!("found as {said:?}, not as {:?}", entry.expected))
    }
}

/// The tests hold for the library as it is, or what they find in a mutant would mean nothing.
fn check_original(copy: &Copy, target: &'static str) -> Result<()> {
    copy.mutate(&[])?;
    let output = copy.test(&Entry { mutant: "none", target, tests: &[], expected: &[], usual: true })?;
    if output.contains("test result: ok") { Ok(()) } else { Err(format!("the library itself fails:\n{output}")) }
}

fn run() -> Result<(usize, usize)> {
    let wanted: Vec<String> = env::args().skip(1).collect();
    let some = wanted.iter().any(|name| name == "--some");
    for name in wanted.iter().filter(|name| !name.starts_with("--")) {
        replacements_of(name)?;
    }
    let copy = Copy::new()?;
    // Also those that are not asked for: a mutant that no longer fits the sources is to be seen at once.
    for entry in ENTRIES {
        copy.mutated(replacements_of(entry.mutant)?).map_err(|wrong| format!("{}: {wrong}", entry.mutant))?;
    }
    let mut outcomes = Vec::new();
    let mut note = |name: &str, outcome: Result<String>| {
        outcomes.push(outcome.is_ok());
        match outcome {
            Ok(said) => println!("{name}: {said}"),
            Err(wrong) => println!("{name} FAILED: {wrong}"),
        }
    };
    if wanted.is_empty() {
        for target in ["properties", "stopped_writer"] {
            note(target, check_original(&copy, target).map(|()| "holds".to_owned()));
        }
    }
    let chosen = |entry: &&Entry| {
        if some { entry.usual } else { wanted.is_empty() || wanted.iter().any(|name| name == entry.mutant) }
    };
    for entry in ENTRIES.iter().filter(chosen) {
        let started = Instant::now();
        let outcome = check(&copy, entry);
        let name = format!("{} in {} ({:.0} s)", entry.mutant, entry.target, started.elapsed().as_secs_f64());
        note(&name, outcome);
    }
    let passed = outcomes.iter().filter(|good| **good).count();
    Ok((passed, outcomes.len().saturating_sub(passed)))
}

fn main() -> ExitCode {
    match run() {
        Ok((passed, failed)) => {
            println!("{passed} passed, {failed} failed");
            if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(wrong) => {
            eprintln!("{wrong}");
            ExitCode::FAILURE
        }
    }
}
