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

/// Proves it for this machine and for every other target whose standard library is installed.
pub fn run(project: &Project) -> Result<()> {
    let tools = Tools::find(project)?;
    for target in archive::targets(project)? {
        prove(project, &tools, &target)?;
    }
    Ok(())
}

fn prove(project: &Project, tools: &Tools, target: &str) -> Result<()> {
    let names = symbols::names(project)?;
    let raw = archive::build(project, target, "capi", Some("--cfg spanpin_prove_no_panic"))?;
    let reduced = reduce::reduce(tools, &raw, &names, &project.target_dir.join("prove/reduce").join(target))?;
    let wanted = reduce::undefined(&reduced.object)?;
    if !wanted.iter().any(|name| name == NEVER) {
        println!("{target}: no panic is reachable from the {} functions; they need {}", names.len(), wanted.join(" "));
        return Ok(());
    }
    let mut message = format!("{target}: a panic is reachable. Paths to it, from the function C calls:\n");
    let readable = demangled(&reduced.whole)?;
    for path in paths(&callers(&reduced.whole)?) {
        let path: Vec<&str> = path.iter().map(|name| readable.get(name).unwrap_or(name).as_str()).collect();
        message.push_str("  ");
        message.push_str(&path.join("\n    -> "));
        message.push('\n');
    }
    Err(message)
}

/// For each function of an object, the functions that mention it.
fn callers(object: &Path) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let text = output(Command::new("objdump").args(["-dr"]).arg(object))?;
    let mut callers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_suffix(">:").and_then(|head| head.split_once(" <")) {
            current = name.1.to_owned();
        } else if let Some((_, target)) = line.split_once("R_X86_64_").or_else(|| line.split_once("R_AARCH64_")) {
            let target = target.split_whitespace().skip(1).collect::<Vec<_>>().join(" ");
            let target = function_of(&target).to_owned();
            if target != current {
                callers.entry(target).or_default().insert(current.clone());
            }
        }
    }
    Ok(callers)
}

/// The readable form of each name. Relocations name sections as well as functions, so all reading is done with the
/// names of the object.
fn demangled(object: &Path) -> Result<BTreeMap<String, String>> {
    let plain = output(Command::new("nm").arg(object))?;
    let readable = output(Command::new("nm").arg("--demangle=rust").arg(object))?;
    let name = |line: &str| line.get(19..).unwrap_or_default().to_owned();
    Ok(plain.lines().map(name).zip(readable.lines().map(name)).collect())
}

/// The function a relocation leads to: it is named itself, or its section is, with an offset.
fn function_of(target: &str) -> &str {
    let end = target.rfind("-0x").or_else(|| target.rfind("+0x")).unwrap_or(target.len());
    let name = target.get(..end).unwrap_or(target);
    let prefixes = [".text.unlikely.", ".text.hot.", ".text.cold.", ".text."];
    prefixes.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relocations_name_functions_or_their_sections() {
        assert_eq!(function_of("spanpin_version-0x4"), "spanpin_version");
        assert_eq!(function_of(".text.unlikely._RNv9panic_fmt-0x4"), "_RNv9panic_fmt");
        assert_eq!(function_of(".text._RNv1f+0x10"), "_RNv1f");
    }

    #[test]
    fn paths_start_at_a_function_nobody_calls() {
        let callers = BTreeMap::from([
            (NEVER.to_owned(), BTreeSet::from(["handler".to_owned()])),
            ("handler".to_owned(), BTreeSet::from(["a".to_owned(), "b".to_owned()])),
        ]);
        assert_eq!(paths(&callers), [["a", "handler", NEVER], ["b", "handler", NEVER]]);
    }
}
