//! `c-api/symbols.txt`: the functions the library shows, read from the sources.

use crate::generated::{self, Mode};
use crate::project::{self, Project, Result};

const FILE: &str = "c-api/symbols.txt";

pub fn run(project: &Project, mode: Mode) -> Result<()> {
    let mut text = names(project)?.join("\n");
    text.push('\n');
    generated::file(project, FILE, &text, mode, "symbols")
}

/// The exported functions, sorted.
pub fn names(project: &Project) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for path in project::files_under(&project.path("c-api/src"), ".rs")? {
        let text = project::read(&path)?;
        let mut exported = false;
        for line in text.lines().map(str::trim) {
            if line == "#[unsafe(no_mangle)]" {
                exported = true;
            } else if let Some(rest) = line.split("extern \"C\" fn ").nth(1).filter(|_| exported) {
                let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                if !name.starts_with("spanpin_") {
                    return Err(format!("{}: exported function {name} does not start with spanpin_", path.display()));
                }
                names.push(name);
                exported = false;
            }
        }
    }
    names.sort();
    if names.is_empty() { Err("c-api/src exports no function".into()) } else { Ok(names) }
}
