//! Generated files and checks of the project: `cargo xtask help`.

mod archive;
mod audit;
mod generated;
mod header;
mod layout;
mod package;
mod project;
mod prove;
mod reduce;
mod symbols;
mod versions;

use std::process::ExitCode;

use project::{Project, Result};

const HELP: &str = "\
cargo xtask <command>

  header [--check]      c-api/include/spanpin.h from the sources of c-api
  symbols [--check]     c-api/symbols.txt, the functions the C library shows
  layout [--check]      the segment's layout: tests/layout/layout.json, Go constants, C macros
  check                 the three above with --check, then audit
  audit                 unsafe code, synchronisation names, lints and versions
  archive [--target T] [--dev] [--no-go]
                        libspanpin.a, libspanpin.so, header and package files into build/c (--dev: build/c-dev),
                        and libspanpin.a into go-bindings/lib. T is a Rust target; its standard library must be
                        installed (rustup target add T)
  archives              archive for this machine, and for every other Linux target that is installed
  prove                 fails if a panic can be reached from a spanpin_ function, on any of these targets
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let project = Project::find()?;
    let mut words = arguments.iter().map(String::as_str);
    let command = words.next().unwrap_or("help");
    let options: Vec<&str> = words.collect();
    let check = generated::mode(command, &options);
    match command {
        "header" => header::run(&project, check?),
        "symbols" => symbols::run(&project, check?),
        "layout" => layout::run(&project, check?),
        "check" => {
            header::run(&project, generated::Mode::Check)?;
            symbols::run(&project, generated::Mode::Check)?;
            layout::run(&project, generated::Mode::Check)?;
            audit::run(&project)
        }
        "audit" => audit::run(&project),
        "archive" => archive::run(&project, &archive::Options::parse(&options)?),
        "archives" => archive::all(&project),
        "prove" => prove::run(&project),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(format!("unknown command {other:?}\n{HELP}")),
    }
}
