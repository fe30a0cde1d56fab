//! Copies the protocol files of the core, and one set of them for each mutant, to where the tests include them.

#[path = "mutants.rs"]
mod mutants;

use std::path::{Path, PathBuf};
use std::{env, fmt::Write as _, fs, process::exit};

const FILES: [(&str, &str); 8] = [
    ("priority", "exemplar/priority.rs"),
    ("shape", "shape.rs"),
    ("slot", "exemplar/slot.rs"),
    ("ring", "exemplar/ring.rs"),
    ("life", "segment/life.rs"),
    ("publish", "segment/publish.rs"),
    ("stripes", "segment/stripes.rs"),
    ("gauge_cells", "segment/gauge_cells.rs"),
];

fn fail(message: &str) -> ! {
    eprintln!("{message}");
    exit(1)
}

fn read(path: &Path) -> String {
    println!("cargo:rerun-if-changed={}", path.display());
    match fs::read_to_string(path) {
        // The files' own unit tests run in the core, with the core's atomics.
        Ok(text) => text.split("#[cfg(test)]").next().unwrap_or_default().to_owned(),
        Err(error) => fail(&format!("cannot read {}: {error}", path.display())),
    }
}

fn write(path: &Path, text: &str) {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    if let Err(error) = made.and_then(|()| fs::write(path, text)) {
        fail(&format!("cannot write {}: {error}", path.display()));
    }
}

fn mutate(mutant: &str, file: &str, text: &str, from: &str, to: &str) -> String {
    let found = text.matches(from).count();
    if found != 1 {
        fail(&format!(
            "mutant {mutant}: the text to replace occurs {found} times in {file}.rs, it must occur once; \
             bring tests/loom/mutants.rs up to date with the file. The text:\n{from}"
        ));
    }
    text.replacen(from, to, 1)
}

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=mutants.rs");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let core = root.join("../../rust-core/src");

    for (file, lines) in mutants::REPEATED {
        let text = read(&core.join(file));
        for line in *lines {
            if text.matches(line).count() != 1 {
                fail(&format!("{file} no longer holds this once, bring the models up to date with it:\n{line}"));
            }
        }
    }

    for target in ["models", "schedules"] {
        let tests = root.join("tests").join(target);
        let texts = FILES.map(|(name, file)| {
            let path = if name == "shape" { tests.join(file) } else { core.join(file) };
            (name, read(&path))
        });
        let mut index = String::new();
        let originals: [(&str, &[mutants::Replacement]); 1] = [("original", &[])];
        for (mutant, replacements) in originals.iter().chain(mutants::MUTANTS) {
            let mut set = String::new();
            for (name, text) in &texts {
                let mut text = text.clone();
                for (_, from, to) in replacements.iter().filter(|(file, _, _)| file == name) {
                    text = mutate(mutant, name, &text, from, to);
                }
                let path = out.join(target).join(mutant).join(format!("{name}.rs"));
                write(&path, &text);
                let _ = writeln!(set, "    #[path = {path:?}]\n    pub(crate) mod {name};");
            }
            let scenarios = tests.join("scenarios.rs");
            let _ = writeln!(set, "    #[path = {scenarios:?}]\n    pub(crate) mod scenarios;");
            let _ = writeln!(index, "pub(crate) mod {mutant} {{\n{set}}}");
        }
        write(&out.join(format!("{target}.rs")), &index);
    }
}
