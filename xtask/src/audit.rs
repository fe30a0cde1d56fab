//! Rules that no compiler checks.

use std::collections::BTreeMap;
use std::path::Path;

use crate::project::{self, Project, Result};
use crate::versions;

pub fn run(project: &Project) -> Result<()> {
    let mut faults = Vec::new();
    let unsafe_lines = unsafe_code(project, &mut faults)?;
    let pairs = sync_names(project, &mut faults)?;
    let members = lints(project, &mut faults)?;
    let versions = versions::check(project, &mut faults)?;
    if !faults.is_empty() {
        return Err(format!("audit found {} faults:\n  {}", faults.len(), faults.join("\n  ")));
    }
    println!(
        "audit: {unsafe_lines} unsafe lines, all in files SAFETY.md names; {pairs} synchronisation names with both \
         ends; {members} members with the workspace's lints; {versions} places with one version"
    );
    Ok(())
}

/// Unsafe code stands only in files that SAFETY.md names between backticks.
fn unsafe_code(project: &Project, faults: &mut Vec<String>) -> Result<usize> {
    let safety = project::read(&project.path("SAFETY.md"))?;
    let named: Vec<&str> = safety.split('`').skip(1).step_by(2).filter(|name| name.ends_with(".rs")).collect();
    for name in &named {
        if !project.path(name).exists() {
            faults.push(format!("SAFETY.md names {name}, which does not exist"));
        }
    }
    let mut lines = 0_usize;
    for path in project::files_under(&project.root, ".rs")? {
        let relative = path.strip_prefix(&project.root).unwrap_or(&path).display().to_string();
        let found = unsafe_lines(&project::read(&path)?);
        lines = lines.saturating_add(found.len());
        if let Some(first) = found.first()
            && !named.contains(&relative.as_str())
        {
            faults.push(format!("{relative}:{first}: unsafe code in a file that SAFETY.md does not name"));
        }
    }
    Ok(lines)
}

/// The numbers of the lines with the word `unsafe` in code. Exporting a function is marked unsafe too, but is checked
/// elsewhere: all exported names start with `spanpin_`, the artifact's `rust_eh_personality` excepted.
fn unsafe_lines(source: &str) -> Vec<usize> {
    let code = without_text(source);
    code.lines()
        .enumerate()
        .filter(|(_, line)| {
            let line = line.replace("unsafe(no_mangle)", "");
            line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == "unsafe")
        })
        .map(|(index, _)| index.saturating_add(1))
        .collect()
}

/// The source with comments and string literals blanked; line breaks stay.
fn without_text(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end.saturating_add(2))
        } else if let Some(body) = rest.strip_prefix("r#\"") {
            body.find("\"#").map_or(rest.len(), |end| end.saturating_add(5))
        } else if first == '"' {
            string_end(rest)
        } else if rest.starts_with("'\"'") {
            3
        } else {
            out.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
            continue;
        };
        let skipped = skipped.min(rest.len());
        let (text, after) = rest.split_at_checked(skipped).unwrap_or((rest, ""));
        out.extend(text.chars().filter(|c| *c == '\n'));
        rest = after;
    }
    out
}

fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (index, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return index.saturating_add(1),
            _ => {}
        }
    }
    text.len()
}

/// Each `SYNC(name)` of the core stands at a release and at an acquire. The ordering is looked for in the lines after
/// the comment.
fn sync_names(project: &Project, faults: &mut Vec<String>) -> Result<usize> {
    let mut ends: BTreeMap<String, (bool, bool)> = BTreeMap::new();
    for path in project::files_under(&project.path("rust-core/src"), ".rs")? {
        sync_ends(&project::read(&path)?, &mut ends);
    }
    for (name, (release, acquire)) in &ends {
        for (side, there) in [("release", release), ("acquire", acquire)] {
            if !there {
                faults.push(format!("rust-core: SYNC({name}) has no {side} side"));
            }
        }
    }
    Ok(ends.len())
}

/// How many lines of code after a SYNC comment may hold its operation.
const OPERATION_WITHIN: usize = 8;

fn sync_ends(source: &str, ends: &mut BTreeMap<String, (bool, bool)>) {
    let lines: Vec<&str> = source.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let Some((_, rest)) = line.split_once("SYNC(") else { continue };
        let Some((name, _)) = rest.split_once(')') else { continue };
        let sides = ends.entry(name.to_owned()).or_default();
        let code = lines.iter().skip(index).filter(|line| !line.trim_start().starts_with("//"));
        for line in code.take(OPERATION_WITHIN) {
            let both = line.contains("AcqRel") || line.contains("SeqCst");
            sides.0 |= both || line.contains("Release");
            sides.1 |= both || line.contains("Acquire");
            if both || line.contains("Release") || line.contains("Acquire") {
                break;
            }
        }
    }
}

/// A member without `[lints] workspace = true` has no lints at all.
fn lints(project: &Project, faults: &mut Vec<String>) -> Result<usize> {
    let manifest = project::read(&project.path("Cargo.toml"))?;
    let list = manifest.split("members = [").nth(1).and_then(|rest| rest.split(']').next());
    let members: Vec<&str> = list.ok_or("Cargo.toml lists no members")?.split('"').skip(1).step_by(2).collect();
    for member in &members {
        let text = project::read(&Path::new(&project.root).join(member).join("Cargo.toml"))?;
        let section = text.split("\n[").find_map(|part| part.strip_prefix("lints]"));
        if !section.is_some_and(|section| section.lines().any(|line| line.trim() == "workspace = true")) {
            faults.push(format!("{member}/Cargo.toml lacks [lints] workspace = true"));
        }
    }
    Ok(members.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_in_code_is_found_and_in_text_is_not() {
        assert_eq!(unsafe_lines("fn f() {}\nunsafe { x() }\n"), [2]);
        assert_eq!(unsafe_lines("let q = '\"'; unsafe { x() }\n"), [1]);
        assert!(unsafe_lines("// unsafe\n/* unsafe\n */ let a = \"unsafe \\\" unsafe\";\n").is_empty());
        assert!(unsafe_lines("#[unsafe(no_mangle)]\nfn unsafe_code() {}\n").is_empty());
        assert_eq!(unsafe_lines("#[unsafe(no_mangle)]\npub unsafe extern \"C\" fn f() {}\n"), [2]);
    }

    #[test]
    fn both_ends_of_a_name_are_wanted() {
        let mut ends = BTreeMap::new();
        sync_ends("// SYNC(a): x\n// more\nw.store(1,\n Ordering::Release);\n", &mut ends);
        assert_eq!(ends.get("a"), Some(&(true, false)));
        sync_ends("// SYNC(a): y\nw.load(Ordering::Acquire);\n", &mut ends);
        assert_eq!(ends.get("a"), Some(&(true, true)));
        sync_ends("// SYNC(b)\nfetch_or(1, AcqRel);\n", &mut ends);
        assert_eq!(ends.get("b"), Some(&(true, true)));
    }
}
