//! Files that are generated and checked in: written, or compared.

use crate::project::{self, Project, Result};

/// What to do with a generated file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Write it.
    Write,
    /// Fail if the one in the checkout differs.
    Check,
}

/// The mode the options of a command ask for.
pub fn mode(command: &str, options: &[&str]) -> Result<Mode> {
    match options {
        [] => Ok(Mode::Write),
        ["--check"] => Ok(Mode::Check),
        _ => Err(format!("{command} takes no option but --check, got {options:?}")),
    }
}

/// Writes or compares one file.
pub fn file(project: &Project, relative: &str, content: &str, mode: Mode, command: &str) -> Result<()> {
    let path = project.path(relative);
    let current = std::fs::read_to_string(&path).ok();
    if current.as_deref() == Some(content) {
        println!("{relative}: up to date");
        return Ok(());
    }
    match mode {
        Mode::Write => {
            project::write(&path, content.as_bytes())?;
            println!("{relative}: written");
            Ok(())
        }
        Mode::Check => {
            let place =
                current.map_or_else(|| "the file is missing".to_owned(), |text| first_difference(&text, content));
            Err(format!("{relative} is not what the sources give: {place}\nrepair it with: cargo xtask {command}"))
        }
    }
}

fn first_difference(current: &str, wanted: &str) -> String {
    let mut number = 0_usize;
    let mut wanted_lines = wanted.lines();
    for line in current.lines() {
        number = number.saturating_add(1);
        match wanted_lines.next() {
            Some(want) if want == line => {}
            Some(want) => return format!("line {number} is\n  {line}\nand should be\n  {want}"),
            None => return format!("line {number} and what follows should not be there"),
        }
    }
    format!("it ends at line {number}, too early")
}
