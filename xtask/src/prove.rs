//! The proof that no panic can be reached from a `spanpin_*` function.
//!
//! The panic handler is built to call a function that exists nowhere. Everything unreachable is dropped by the
//! linker; if that name is still wanted afterwards, some path panics.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use crate::project::{Project, Result, output};
use crate::reduce::{self, Tools};
use crate::{archive, symbols};

const NEVER: &str = "spanpin_error_a_panic_is_reachable";

pub fn run(project: &Project) -> Result<()> {
    let tools = Tools::find(project)?;
    let names = symbols::names(project)?;
    let host = project.host()?;
    let raw = archive::build(project, &host, "capi", Some("--cfg spanpin_prove_no_panic"))?;
    let reduced = reduce::reduce(&tools, &raw, &names, &project.target_dir.join("prove/reduce"))?;
    let wanted = reduce::undefined(&reduced.object)?;
    if !wanted.iter().any(|name| name == NEVER) {
        println!("no panic is reachable from the {} functions; needed from outside: {}", names.len(), wanted.join(" "));
        return Ok(());
    }
    let mut message = "a panic is reachable. Paths to it, from the function C calls:\n".to_owned();
    for path in paths(&callers(&reduced.whole)?) {
        message.push_str("  ");
        message.push_str(&path.join("\n    -> "));
        message.push('\n');
    }
    Err(message)
}

/// For each function of an object, the functions that mention it.
fn callers(object: &Path) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let text = output(Command::new("objdump").args(["-dr", "--demangle=rust"]).arg(object))?;
    let mut callers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_suffix(">:").and_then(|head| head.split_once(" <")) {
            current = name.1.to_owned();
        } else if let Some((_, target)) = line.split_once("R_X86_64_").or_else(|| line.split_once("R_AARCH64_")) {
            let target = target.split_whitespace().skip(1).collect::<Vec<_>>().join(" ");
            let target = strip_offset(target.strip_prefix(".text.").unwrap_or(&target)).to_owned();
            if target != current {
                callers.entry(target).or_default().insert(current.clone());
            }
        }
    }
    Ok(callers)
}

fn strip_offset(name: &str) -> &str {
    let end = name.rfind("-0x").or_else(|| name.rfind("+0x")).unwrap_or(name.len());
    name.get(..end).unwrap_or(name)
}

/// The shortest path to the panic from each function that nobody calls, at most twenty.
fn paths(callers: &BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::from([NEVER.to_owned()]);
    let mut open = vec![vec![NEVER.to_owned()]];
    while !open.is_empty() && found.len() < 20 {
        let mut next = Vec::new();
        for path in open {
            let Some(head) = path.first() else { continue };
            let Some(above) = callers.get(head) else {
                found.push(path);
                continue;
            };
            for caller in above {
                if seen.insert(caller.clone()) {
                    let mut longer = vec![caller.clone()];
                    longer.extend(path.iter().cloned());
                    next.push(longer);
                }
            }
        }
        open = next;
    }
    found
}
