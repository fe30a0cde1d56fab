//! The command `spanpin`. `docs/cli.md` is its page.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use spanpin_cli::arguments::{self, Command, USAGE};
use spanpin_cli::{dump, inspect, serve};

fn main() -> ExitCode {
    let command = match arguments::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(message) => {
            eprintln!("spanpin: {message}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let done = match command {
        Command::Help => put(USAGE.as_bytes()),
        Command::Version => put(concat!("spanpin ", env!("CARGO_PKG_VERSION"), "\n").as_bytes()),
        Command::Inspect { segment, json, limits } => {
            inspect::inspect(&segment, json, &limits).and_then(|text| put(text.as_bytes()))
        }
        Command::Dump { segment, textfile: None, limits } => dump::dump(&segment, &limits).and_then(|body| put(&body)),
        Command::Dump { segment, textfile: Some(folder), limits } => {
            dump::textfile(&segment, &folder, &limits).map(|path| {
                eprintln!(
                    "spanpin: wrote {}; text 0.0.4 carries no exemplars, `spanpin serve` shows them",
                    path.display()
                );
            })
        }
        Command::Serve(options) => serve::serve(options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("spanpin: {message}");
            ExitCode::FAILURE
        }
    }
}

fn put(bytes: &[u8]) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        // Whoever read as far as it wanted needs no complaint.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| format!("the output cannot be written: {error}")),
    }
}
